"""The retrieval transition at finite N, with and without a transverse field.

Question: does it lie where mean field puts it, and how does it sharpen with N?

The steady state of a finite network is unique and symmetric, so ⟨m⟩ = 0 at every temperature. The
transition shows in the distribution P(m): one maximum becomes two, and the Binder cumulants
U = 1 - ⟨m⁴⟩/(3⟨m²⟩²) of different sizes cross near T_c = 1/(1 + 8 Ω²), the mean-field value.

Command: python studies/beyond_mean_field/retrieval_transition.py [--plot-only]
Run time: about 3 minutes, one thread.

Without the field the steady state is the Gibbs state, P(m) ∝ binom(N, n) exp(N m²/2T), evaluated in
closed form at every size. With it, `steady_state` up to `largest_steady`; above that, evolution
from the fully mixed state, which is symmetric, for `settling_time`. The variable `drift` is the
change of U over the last third of that time: an estimate of what is not yet stationary.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import xarray as xr
from _study import (
    COLOURS,
    TIME_UNIT,
    labelled,
    legend_outside,
    main,
    mean_field_overlap,
    network,
    panels,
    title,
)
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import gamma, gammaln

import tnhop as th

# of exp(-c m⁴), the critical distribution of mean-field type
CRITICAL_BINDER = 1 - gamma(5 / 4) * gamma(1 / 4) / (3 * gamma(3 / 4) ** 2)


@dataclass(frozen=True)
class Params:
    """Sizes, fields and temperatures; the temperatures are multiples of 1/(1 + 8 Ω²)."""

    sizes: tuple[int, ...] = (10, 20, 40, 80)
    fields: tuple[float, ...] = (0.0, 0.15)
    reduced_temperatures: tuple[float, ...] = (
        0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5,
    )  # fmt: skip
    largest_steady: int = 40
    settling_time: float = 150.0
    evolved_within: tuple[float, float] = (0.79, 1.11)

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(4, 8, 12), reduced_temperatures=(0.5, 0.8, 0.9, 1.0, 1.2),
                   largest_steady=8, settling_time=30.0)  # fmt: skip


def gibbs(n_spins: int, temperature: float) -> np.ndarray:
    """P(m) of Eq. (8) of docs/physics.md for one pattern, m = -1, ..., 1."""
    n = np.arange(n_spins + 1)
    m = 2 * n / n_spins - 1
    log_p = n_spins * m**2 / (2 * temperature) - gammaln(n + 1) - gammaln(n_spins - n + 1)
    p = np.exp(log_p - log_p.max())
    return p / p.sum()


def moments(P: np.ndarray) -> tuple[float, float]:
    """Return √⟨m²⟩ and the Binder cumulant of P(m)."""
    m = np.linspace(-1, 1, len(P))
    second, fourth = P @ m**2, P @ m**4
    return float(np.sqrt(second)), float(1 - fourth / (3 * second**2))


def stationary(n_spins: int, temperature: float, Omega: float, params: Params) -> tuple:
    """Return P(m) of the steady state and the drift of the Binder cumulant."""
    if Omega == 0:
        return gibbs(n_spins, temperature), 0.0
    model, name = network(n_spins, temperature, Omega), "overlap_distribution"
    if n_spins <= params.largest_steady:
        return th.steady_state(model, observables=[name], method="Symmetric").expect[name][0], 0.0
    low, high = params.evolved_within
    if not low < temperature * (1 + 8 * Omega**2) < high:
        return np.full(n_spins + 1, np.nan), np.nan
    times = params.settling_time * np.array([2 / 3, 1])
    result = th.evolve(model, th.pattern_state(model, overlap=0.0), times, observables=[name],
                       method=th.Symmetric(tolerance=1e-8), progress=False)  # fmt: skip
    earlier, late = result.expect[name][:, 0]
    return late, abs(moments(late)[1] - moments(earlier)[1])


def crossing(temperatures: np.ndarray, small: np.ndarray, large: np.ndarray) -> tuple[float, float]:
    """Temperature and cumulant where two curves cross; NaN if they do not."""
    known = np.isfinite(small) & np.isfinite(large)
    difference = CubicSpline(temperatures[known], (large - small)[known])
    signs = np.sign(difference(temperatures[known]))
    places = np.flatnonzero((signs[:-1] > 0) & (signs[1:] < 0))
    if not len(places):
        return np.nan, np.nan
    low, high = temperatures[known][[places[-1], places[-1] + 1]]
    at = brentq(difference, low, high)
    return at, float(CubicSpline(temperatures[known], small[known])(at))


def compute(params: Params) -> xr.Dataset:
    """Distributions, moments and crossings."""
    scale = np.array(params.reduced_temperatures)
    critical = 1 / (1 + 8 * np.array(params.fields) ** 2)
    shape = (len(params.fields), len(params.sizes), len(scale))
    P = np.full((*shape, max(params.sizes) + 1), np.nan)
    rms, binder, drift = (np.full(shape, np.nan) for _ in range(3))
    for f, s, t in np.ndindex(*shape):
        N = params.sizes[s]
        found, drift[f, s, t] = stationary(N, scale[t] * critical[f], params.fields[f], params)
        P[f, s, t, : N + 1] = found
        rms[f, s, t], binder[f, s, t] = moments(found)
    pairs = list(itertools.pairwise(range(len(params.sizes))))
    crossings = np.array([[crossing(scale, binder[f, a], binder[f, b]) for a, b in pairs]
                          for f in range(len(params.fields))])  # fmt: skip
    fine = np.linspace(scale.min(), scale.max(), 221)
    overlaps = [[mean_field_overlap(x * c, Omega) for x in fine]
                for c, Omega in zip(critical, params.fields, strict=True)]  # fmt: skip
    dims = ("Omega", "n_spins", "reduced_temperature")
    variables = {
        "P": ((*dims, "n_up"), P, "1", "probability of n_up spins that agree with the pattern"),
        "rms_overlap": (dims, rms, "1", "√⟨m²⟩"),
        "binder": (dims, binder, "1", "Binder cumulant U"),
        "drift": (dims, drift, "1", "change of U in the last third of the evolution"),
        "overlap_mean_field": ((dims[0], "fine_temperature"), overlaps, "1", "mean-field overlap"),
        "critical_temperature": ((dims[0],), critical, "1", "mean-field T_c = 1/(1 + 8 Ω²)"),
        "crossing_temperature": ((dims[0], "pair"), crossings[..., 0], "1", "T/T_c of crossing"),
        "crossing_binder": ((dims[0], "pair"), crossings[..., 1], "1", "U at the crossing"),
    }
    coords = {
        "Omega": list(params.fields), "n_spins": list(params.sizes), "reduced_temperature": scale,
        "fine_temperature": fine,
        "pair": [f"{params.sizes[a]}, {params.sizes[b]}" for a, b in pairs],
    }  # fmt: skip
    data = labelled(params, "retrieval transition at finite N", variables, coords)
    data.attrs["settling_time_unit"] = TIME_UNIT
    return data


def plot(data: xr.Dataset) -> Figure:
    """One row per field: distributions, cumulants, root mean square."""
    figure, axes = panels(data.sizes["Omega"], 3, (11, 3.2 * data.sizes["Omega"] + 0.4))
    for row, Omega in zip(axes, data.Omega.values, strict=True):
        part = data.sel(Omega=Omega)
        _draw_distribution(row[0], part)
        for s, N in enumerate(data.n_spins.values):
            for ax, name in zip(row[1:], ("binder", "rms_overlap"), strict=True):
                curve = part[name].sel(n_spins=N)
                ax.plot(data.reduced_temperature, curve, "o-", ms=3, lw=1.2, color=COLOURS[s],
                        label=f"N = {N}")  # fmt: skip
        row[1].axhline(CRITICAL_BINDER, color="0.5", lw=0.8, ls=":", label="mean-field critical U")
        row[2].plot(data.fine_temperature, part.overlap_mean_field, "k--", lw=1.2,
                    label=r"mean field, $u/(1+8\Omega^2)$")  # fmt: skip
        for ax, text in zip(row[1:], ("Binder cumulant $U$", r"$\sqrt{\langle m^2\rangle}$"),
                            strict=True):  # fmt: skip
            ax.axvline(1, color="0.5", lw=0.8, ls=":")
            ax.set(xlabel=r"$T\,(1+8\Omega^2)$", ylabel=text, ylim=(0, None))
            title(ax, f"Ω = {Omega:g}")
    legend_outside(figure, axes[0, 2:0:-1], 6)
    return figure


def _draw_distribution(ax: object, part: xr.Dataset) -> None:
    """N P(m)/2 of the largest size that has all temperatures."""
    complete = part.n_spins.values[np.isfinite(part.binder).all("reduced_temperature").values]
    N = int(min(complete[-1], 40))
    m = np.linspace(-1, 1, N + 1)
    scale = part.reduced_temperature.values
    for colour, x in zip(COLOURS[::-1], scale[:: max(1, (len(scale) - 1) // 4)], strict=False):
        P = part.P.sel(n_spins=N, reduced_temperature=x)[: N + 1]
        ax.plot(m, P * N / 2, lw=1.2, color=colour, label=f"{x:g}")
    title(ax, f"Ω = {float(part.Omega):g}, N = {N}")
    ax.set(xlabel="overlap $m$", ylabel="probability density $N P(m)/2$", ylim=(0, None))
    ax.legend(title=r"$T\,(1+8\Omega^2)$", fontsize="x-small", title_fontsize="x-small",
              frameon=False, loc="upper center")  # fmt: skip


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
