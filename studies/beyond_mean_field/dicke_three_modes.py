"""Three random patterns in three unequal modes at finite N.

Question: is the first pattern kept? What do quantum fluctuations do to it and to the modes of all
three patterns, when the patterns overlap and no symmetry of the spins helps?

Dicke model, g_{iμ} = g ξ_i^μ/√N with random ξ, frequencies and losses of the modes all different.
Start: spins along the first pattern with overlap 0.8, modes empty. The mean-field state of the same
patterns keeps its sign for ever; at finite N both signs mix.

Command: python studies/beyond_mean_field/dicke_three_modes.py [--plot-only]
Run time: 20 to 25 minutes, one thread.

`th.TDVP`; nothing exact is within reach, so bands are its error bars, from a second chain of 0.7
of the bond. P(n) and W are those of the first mode at the last time. `stats` has the largest bond,
the population of the highest kept level, the defect of the trace and the processor time.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import _study as st
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

STATS = ("largest_bond", "fock_tail", "trace_defect")


@dataclass(frozen=True)
class Params:
    """Coupling, field, modes; sizes with their bonds; times; the Wigner function."""

    g: float = 0.9
    Omega: float = 0.5
    omega: tuple[float, ...] = (1.0, 0.7, 1.3)
    loss: tuple[float, ...] = (1.0, 1.2, 0.8)
    fock_dim: int = 36
    overlap: float = 0.8
    sizes: tuple[int, ...] = (8, 16, 24)
    bonds: tuple[int, ...] = (48, 48, 48)
    seed: int = 7
    final_time: float = 10.0
    n_times: int = 41
    wigner_points: int = 61

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(3, 4), bonds=(16, 16), fock_dim=7, final_time=0.5, n_times=3,
                   wigner_points=11)  # fmt: skip


def network(p: Params, n_spins: int) -> th.Model:
    """Random patterns of that many spins."""
    xi = th.random_patterns(n_patterns=len(p.omega), n_spins=n_spins, rng=p.seed)
    g = th.pattern_couplings(xi, g=p.g)
    return th.multimode_dicke(g, omega=p.omega, Omega=p.Omega, loss=p.loss, fock_dim=p.fock_dim,
                              patterns=xi, n_spins=n_spins)  # fmt: skip


def run(p: Params, n_spins: int, bond: int) -> dict[str, Any]:
    """Return curves with bars and mean field, last distributions, and what it took."""
    model = network(p, n_spins)
    start = th.pattern_state(model, overlap=p.overlap)
    times = np.linspace(0, p.final_time, p.n_times)
    names = ["m_z", "occupation", "overlap_distribution", "photon_distribution"]
    method = th.TDVP(dt=0.25, max_bond=bond, expansion=6, krylov_tolerance=5e-6,
                     fock_tolerance=1e-5)  # fmt: skip
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)  # the bands say it
        found = th.evolve(model, start, times, observables=names, method=method, progress=False)
    stats = [*(float(found.stats[name]) for name in STATS), time.process_time() - began]
    limit = th.evolve(model, start, times, observables=["m_z", "alpha"], method=th.MeanField(),
                      progress=False).expect  # fmt: skip
    axis = wigner_axis(p)
    print(f"N = {n_spins}, bond {bond}:", *(f"{value:.2g}" for value in stats), flush=True)
    return {
        "m": found.expect["m_z"], "m_bar": found.errors["m_z"], "m_limit": limit["m_z"],
        "n": found.expect["occupation"] / n_spins, "n_bar": found.errors["occupation"] / n_spins,
        "n_limit": np.abs(limit["alpha"]) ** 2 / n_spins,
        "P_m": np.pad(found.expect["overlap_distribution"][-1, 0],
                      (0, max(p.sizes) - n_spins), constant_values=np.nan),
        "P_n": found.expect["photon_distribution"][-1, 0],
        "W": found.final_state.wigner(0, axis, axis), "stats": stats,
    }  # fmt: skip


def wigner_axis(p: Params) -> np.ndarray:
    """Return the values of both quadratures at which the Wigner function is drawn."""
    return np.linspace(-6, 6, p.wigner_points)


def compute(p: Params) -> xr.Dataset:
    """All sizes."""
    rows = [run(p, *case) for case in zip(p.sizes, p.bonds, strict=True)]
    of = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    curves, modes = ("n_spins", "time", "pattern"), ("n_spins", "time", "mode")
    variables = {
        "m_z": (curves, of["m"], "1", "overlap with every pattern"),
        "m_z_bar": (curves, of["m_bar"], "1", "its error bar"),
        "m_z_mean_field": (curves, of["m_limit"], "1", "the same in mean field"),
        "occupation": (modes, of["n"], "1", "photons per spin ⟨n⟩/N of every mode"),
        "occupation_bar": (modes, of["n_bar"], "1", "its error bar"),
        "occupation_mean_field": (modes, of["n_limit"], "1", "mean-field |α|²/N"),
        "P_m": (("n_spins", "n_up"), of["P_m"], "1", "P(m) of pattern 1, m = 2 n_up/N - 1"),
        "P_n": (("n_spins", "n"), of["P_n"], "1", "photon numbers of mode 1"),
        "wigner": (("n_spins", "p", "x"), of["W"], "1", "Wigner function of mode 1"),
    }
    units = ("1", "1", "1", "s")
    variables |= {
        name: ("n_spins", of["stats"][:, k], units[k], name)
        for k, name in enumerate((*STATS, "seconds"))
    }
    times = np.linspace(0, p.final_time, p.n_times)
    coords = {
        "n_spins": list(p.sizes), "pattern": [1, 2, 3], "mode": [1, 2, 3], "x": wigner_axis(p),
        "p": wigner_axis(p), "time": ("time", times, {"units": "inverse frequency of mode 1"}),
    }  # fmt: skip
    return st.labelled(p, "three random patterns in three modes at finite N", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Overlaps and photons of the three patterns; P(m), P(n) and W at the end."""
    figure, axes = st.panels(2, 3, (11, 6.8))
    for ax, k in zip(axes[0], range(2), strict=False):
        name, label = (("m_z", r"overlap $\langle m_z\rangle$"),
                       ("occupation", r"photons per spin $\langle n\rangle/N$"))[k]  # fmt: skip
        along = "pattern" if k == 0 else "mode"
        _curves(ax, data, name, {along: 1})
        ax.set(ylabel=label, xlabel="time $t$")
        st.title(ax, f"{along} 1")
    largest = data.isel(n_spins=-1)
    for k, colour in enumerate(st.COLOURS[3:6]):
        one = largest.isel(mode=k)
        _band(axes[0, 2], data.time, one.occupation, one.occupation_bar, colour, f"mode {k + 1}")
        axes[0, 2].plot(data.time, one.occupation_mean_field, ":", color=colour, lw=1.1)
    axes[0, 2].set(ylabel=r"photons per spin $\langle n\rangle/N$", xlabel="time $t$")
    axes[0, 2].legend(fontsize="x-small", frameon=False)
    st.title(axes[0, 2], f"all modes, N = {int(largest.n_spins)}")
    for N, colour, marker in zip(data.n_spins.values, st.COLOURS, st.MARKERS, strict=False):
        one, m = data.sel(n_spins=N), 2 * np.arange(N + 1) / N - 1
        axes[1, 0].plot(m, one.P_m[: N + 1] * N / 2, marker=marker, color=colour, ms=4, lw=1)
        axes[1, 1].plot(one.P_n, color=colour, lw=1.2)
    axes[1, 0].set(xlabel="overlap $m$ with pattern 1", ylabel="density $P(m) N/2$", ylim=(0, None))
    axes[1, 1].set(xlabel="photons $n$ in mode 1", ylabel="$P(n)$", ylim=(0, None))
    for ax in axes[1, :2]:
        st.title(ax, f"t = {float(data.time[-1]):g}")
    ax, step = axes[1, 2], max(0.01, round(float(largest.wigner.max()) / 8, 2))
    heights = step * np.arange(1, 9)
    picture = ax.contourf(data.x, data.p, largest.wigner, heights, cmap="Greys", extend="both")
    ax.set(xlabel="$x$", ylabel="$p$", aspect="equal")
    st.title(ax, f"W of mode 1, N = {int(largest.n_spins)}, t = {float(data.time[-1]):g}")
    figure.colorbar(picture, ax=ax, shrink=0.8, format="%.2f").ax.set(xlabel=" ", ylabel="$W$")
    st.legend_outside(figure, [axes[0, 0]], 6)
    return figure


def _curves(ax: Any, data: xr.Dataset, name: str, which: dict[str, int]) -> None:
    """All sizes with bands, mean field of the same patterns dotted."""
    for N, colour in zip(data.n_spins.values, st.COLOURS, strict=False):
        value, bar, limit = (
            data[key].sel(n_spins=N, **which) for key in (name, f"{name}_bar", f"{name}_mean_field")
        )
        _band(ax, data.time, value, bar, colour, f"N = {N}")
        ax.plot(data.time, limit, ":", color=colour, lw=1.1, label=f"N = {N}: mean field")


def _band(ax: Any, times: Any, value: Any, bar: Any, colour: str, label: str) -> None:
    ax.fill_between(times, value - bar, value + bar, color=colour, alpha=0.25, lw=0)
    ax.plot(times, value, color=colour, lw=1.3, label=label)


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
