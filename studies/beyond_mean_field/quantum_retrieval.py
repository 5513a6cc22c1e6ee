"""Retrieval of a corrupted pattern in a transverse field.

Question: does the field speed it up?

One pattern, some spins flipped: the start has overlap 1 - 2 · corruption. Measured are the first
time at which ⟨m_z⟩ reaches a fixed threshold and the overlap at `final_time`, against Ω, at fixed
temperature T and at fixed effective temperature T_eff = T (1 + 8 Ω²), and beside mean field.

Command: python studies/beyond_mean_field/quantum_retrieval.py [--plot-only]
Run time: 4 to 7 minutes, one thread.

Thresholds are absolute numbers above the start, two per corruption, the same at all Ω, T and N. A
threshold that is not reached until `final_time` gives NaN. The relaxation rate is the closed-form
slow mean-field rate at the retrieval state (docs/physics.md, section 4); at Ω = 0 it may be the
rate 1/2 of m_y, which m_z does not feel. The rate of m_z alone is kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import _study as st
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

import tnhop as th


@dataclass(frozen=True)
class Params:
    """Families of (what is fixed, its value), corruptions with thresholds, sizes and fields."""

    families: tuple[tuple[str, float], ...] = (("T", 0.5), ("T", 0.8), ("T_eff", 0.9))
    corruptions: tuple[float, ...] = (0.1, 0.25, 0.4)
    thresholds: tuple[tuple[float, float], ...] = ((0.85, 0.9), (0.6, 0.7), (0.3, 0.4))
    sizes: tuple[int, ...] = (20, 60, 100)  # the corruptions are whole numbers of spins
    fields: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    mean_field_fields: tuple[float, ...] = tuple(np.linspace(0, 0.3, 31).round(3).tolist())
    final_time: float = 15.0
    n_times: int = 601
    kept_every: int = 6

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(corruptions=(0.1, 0.4), thresholds=((0.85, 0.9), (0.3, 0.4)), sizes=(10,),
                   fields=(0.0, 0.2), mean_field_fields=(0.0, 0.2), n_times=121)  # fmt: skip


def temperature(family: tuple[str, float], Omega: float) -> float:
    """Temperature at which T, or T_eff, has the value of the family."""
    kind, value = family
    return value if kind == "T" else value / (1 + 8 * Omega**2)


def exact(N: int, T: float, Omega: float, corruption: float, times: np.ndarray) -> np.ndarray:
    """Return ⟨m_z⟩ over time from a pattern with flipped spins."""
    model, spins = st.network(N, T, Omega), np.ones(N)
    spins[: round(corruption * N)] = -1
    return overlap(model, th.product_state(model, spins=spins), times, th.Symmetric(tolerance=1e-8))


def mean_field(T: float, Omega: float, corruption: float, times: np.ndarray) -> np.ndarray:
    """Return m_z over time; mean field depends on the overlap of the start only, Eq. (18)."""
    model = st.network(2, T, Omega)
    start = th.pattern_state(model, overlap=1 - 2 * corruption)
    coarse = times[::4]
    curve = overlap(model, start, coarse, th.MeanField(closure="thermodynamic"))
    return CubicSpline(coarse, curve)(times)


def overlap(model: th.Model, start: object, times: np.ndarray, method: object) -> np.ndarray:
    """Return ⟨m_z⟩ over time."""
    result = th.evolve(model, start, times, observables=["m_z"], method=method, progress=False)
    return result.expect["m_z"][:, 0]


def first_passage(times: np.ndarray, m: np.ndarray, threshold: float) -> float:
    """First time with m = threshold, interpolated linearly; NaN if it stays below."""
    above = np.flatnonzero(m >= threshold)
    if not len(above) or above[0] == 0:
        return np.nan
    k = above[0]
    return float(np.interp(threshold, m[k - 1 : k + 1], times[k - 1 : k + 1]))


def gain(T: float, Omega: float) -> float:
    """Slope of tanh(βm) at the retrieval state, B of docs/physics.md."""
    return (1 - (st.mean_field_overlap(T, Omega) * (1 + 8 * Omega**2)) ** 2) / T


def relaxation_rate(T: float, Omega: float) -> float:
    """Slow mean-field rate at the retrieval state; NaN where there is none."""
    b = gain(T, Omega) if st.mean_field_overlap(T, Omega) else np.nan
    return float((1.5 - b - np.emath.sqrt((b - 0.5) ** 2 - 16 * Omega**2).real) / 2)


def compute(params: Params) -> xr.Dataset:
    """Curves, first passages and final overlaps, exact and mean field."""
    times = np.linspace(0, params.final_time, params.n_times)
    curves = np.array([[[[exact(N, temperature(f, Omega), Omega, c, times)
                          for Omega in params.fields] for N in params.sizes]
                        for c in params.corruptions] for f in params.families])  # fmt: skip
    limit, same_T = (
        np.array([[[mean_field(temperature(f, Omega), on * Omega, c, times)
                    for Omega in params.mean_field_fields]
                   for c in params.corruptions] for f in params.families])
        for on in (1, 0)
    )  # fmt: skip
    alone = [1 - gain(temperature(f, 0.0), 0.0) for f in params.families]
    rates = [[relaxation_rate(temperature(f, Omega), Omega) for Omega in params.mean_field_fields]
             for f in params.families]  # fmt: skip
    exact_dims = ("family", "corruption", "n_spins", "Omega")
    limit_dims = ("family", "corruption", "Omega_mean_field")
    variables = {
        "m_z": ((*exact_dims, "time"), curves[..., :: params.kept_every], "1", "overlap ⟨m_z⟩"),
        "threshold": (("corruption", "level"), params.thresholds, "1", "thresholds of ⟨m_z⟩"),
        "final_overlap": (exact_dims, curves[..., -1], "1", "⟨m_z⟩ at the final time"),
        "final_overlap_mean_field": (limit_dims, limit[..., -1], "1", "the same, mean field"),
        "rate_mean_field": (("family", "Omega_mean_field"), rates, st.RATE_UNIT,
                            "slow mean-field rate at the retrieval state"),
        "rate_without_field": (("family",), alone, st.RATE_UNIT, "mean-field rate of m_z at Ω = 0"),
    }  # fmt: skip
    for name, values, dims in (("first_passage", curves, exact_dims),
                               ("first_passage_mean_field", limit, limit_dims),
                               ("first_passage_same_T", same_T, limit_dims)):  # fmt: skip
        variables[name] = ((*dims, "level"), _passages(times, values, params.thresholds),
                           st.TIME_UNIT, "first time at the threshold, NaN: never")  # fmt: skip
    coords = {
        "family": [f"{kind} = {value:g}" for kind, value in params.families],
        "corruption": list(params.corruptions), "n_spins": list(params.sizes),
        "Omega": list(params.fields), "Omega_mean_field": list(params.mean_field_fields),
        "level": ["first", "second"],
        "time": ("time", times[:: params.kept_every], {"units": st.TIME_UNIT}),
    }  # fmt: skip
    return st.labelled(params, "retrieval in a transverse field", variables, coords)


def _passages(times: np.ndarray, curves: np.ndarray, thresholds: tuple) -> np.ndarray:
    """First passages of curves (family, corruption, ..., time) through the two levels."""
    return np.array([[
        np.apply_along_axis(lambda m, x=levels: [first_passage(times, m, at) for at in x], -1, one)
        for one, levels in zip(family, thresholds, strict=True)] for family in curves])  # fmt: skip


def plot(data: xr.Dataset) -> Figure:
    """One column per family; first passages, final overlaps, mean-field relaxation rate."""
    figure, axes = st.panels(3, data.sizes["family"], (11, 8.6))
    for column, family in zip(axes.T, data.family.values, strict=True):
        part = data.sel(family=family)
        for ax in column:
            st.title(ax, str(family).replace("T_eff", r"$T_{\rm eff}$"))
            ax.set(xlabel=r"transverse field $\Omega$", xlim=(-0.01, 0.31))
        _draw_passages(column[0], part)
        _draw(column[1], part, "final_overlap")
        column[1].axhline(0, color="0.6", lw=0.8, zorder=0)
        column[1].set(ylabel=r"$\langle m_z\rangle$ at the end", ylim=(-0.55, 1))
        column[2].plot(part.Omega_mean_field, part.rate_mean_field, "k-", lw=1.2, label="slow rate")
        column[2].axhline(part.rate_without_field, color="k", ls=":", lw=1,
                          label=r"$m_z$ alone, Ω = 0")  # fmt: skip
        column[2].set(ylabel="mean-field relaxation\nrate (flip rates)", ylim=(0, None))
    axes[2, 0].legend(frameon=False, fontsize="small", loc="lower left")
    st.legend_outside(figure, axes[0, :1], 3)
    return figure


def _draw(ax: object, part: xr.Dataset, name: str) -> None:
    """One colour per corruption; a marker per size, side by side; lines for mean field."""
    for k in range(part.sizes["corruption"]):
        goal = float(part.threshold[k, 0])
        label = rf"start {1 - 2 * float(part.corruption[k]):g}$\to${goal:g}"
        values, limit = part[name][k], part[f"{name}_mean_field"][k]
        if "level" in values.dims:
            values, limit = values.sel(level="first"), limit.sel(level="first")
            ax.plot(part.Omega_mean_field, part.first_passage_same_T[k, :, 0], ":", lw=1.2,
                    color=st.COLOURS[k], label=f"{label}, mean field, same T, Ω = 0")  # fmt: skip
        for s, N in enumerate(part.n_spins.values):
            ax.plot(part.Omega + 0.006 * (s - 1), values.sel(n_spins=N), st.MARKERS[s], mew=0.9,
                    ms=4, mfc="none", color=st.COLOURS[k],
                    label=f"{label}, N = {N}")  # fmt: skip
        ax.plot(part.Omega_mean_field, limit, "-", color=st.COLOURS[k], lw=1,
                label=f"{label}, mean field")  # fmt: skip


def _draw_passages(ax: object, part: xr.Dataset) -> None:
    """First passages, and above them marks where the threshold is never reached."""
    _draw(ax, part, "first_passage")
    for k, s in np.ndindex(part.sizes["corruption"], part.sizes["n_spins"]):
        never = part.Omega[np.isnan(part.first_passage[k, s, :, 0].values)]
        ax.plot(never + 0.006 * (s - 1), 0 * never + 25 * 1.35**k, st.MARKERS[s], ms=3,
                color=st.COLOURS[k], mfc="none", mew=0.7)  # fmt: skip
    ax.axhline(20, color="0.6", lw=0.8, ls=":")
    ax.text(0.31, 60, "never reached", ha="right", va="bottom", fontsize="x-small")
    ax.set(ylabel="first passage (inverse flip rates)", yscale="log", ylim=(0.3, 100))


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
