"""Retrieval with an extensive number of patterns.

Question: how do overlap and Edwards-Anderson parameter of 20 spins depend on the load p/N, and does
the back-action of a spin on its neighbours' fields (docs/physics.md, section 3) matter?

Random patterns, T = 0.4, start of overlap 0.9 with the first one, two transverse fields. `TEBD`
needs no generator, only one channel per spin; the mean-field curves are its two closures:
"field", whose rates are taken at the mean field of the other spins, and "product", which averages
the rates over the product state and keeps the back-action.

Command: python studies/beyond_mean_field/extensive_load.py [--plot-only]
Run time: about 8 minutes, one thread.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from _study import COLOURS, TIME_UNIT, labelled, legend_outside, main, panels, title
from matplotlib.figure import Figure

import tnhop as th

CLOSURES = ("field", "product")
SPACING = 0.5


@dataclass(frozen=True)
class Params:
    """Loads, fields, times, and the accuracy of TEBD."""

    n_spins: int = 20
    n_patterns: tuple[int, ...] = (2, 5)
    Omegas: tuple[float, ...] = (0.0, 0.3)
    temperature: float = 0.4
    overlap: float = 0.9
    final_time: float = 1.5
    seed: int = 11
    cutoff: float = 1e-4
    dt: float = 0.25

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_spins=5, n_patterns=(1, 2), final_time=0.5)


def run(n_patterns: int, Omega: float, params: Params) -> dict[str, Any]:
    """Overlaps, their bars, and mean field; the Edwards-Anderson parameter of both."""
    xi = th.random_patterns(n_patterns=n_patterns, n_spins=params.n_spins, rng=params.seed)
    model = th.open_hopfield(xi, beta=1 / params.temperature, Omega=Omega)
    start = th.pattern_state(model, overlap=params.overlap)
    times = np.linspace(0, params.final_time, round(params.final_time / SPACING) + 1)
    options: dict[str, Any] = {"observables": ["m_z", "sigma_z"], "progress": False}
    method = th.TEBD(cutoff=params.cutoff, dt=params.dt)
    with warnings.catch_warnings():
        warnings.simplefilter("error", th.TruncationWarning)
        chain = th.evolve(model, start, times, method=method, **options)
    limits = [
        th.evolve(model, start, times, method=th.MeanField(closure=closure), **options)
        for closure in CLOSURES
    ]
    return {
        "m": chain.expect["m_z"][:, 0],
        "bar": chain.errors["m_z"][:, 0],
        "q": np.mean(chain.expect["sigma_z"] ** 2, axis=1),
        "m_mean_field": [limit.expect["m_z"][:, 0] for limit in limits],
        "q_mean_field": [np.mean(limit.expect["sigma_z"] ** 2, axis=1) for limit in limits],
        "largest_bond": chain.stats["largest_bond"],
        "channel_bond": chain.stats["channel_bond"],
        "seconds": chain.stats["wall_time"],
    }


def compute(params: Params) -> xr.Dataset:
    """All loads and fields."""
    table = [[run(p, Omega, params) for Omega in params.Omegas] for p in params.n_patterns]

    def of(key: str) -> np.ndarray:
        return np.array([[row[key] for row in rows] for rows in table], dtype=float)

    runs = ("n_patterns", "Omega")
    curves, limits = (*runs, "time"), (*runs, "closure", "time")
    variables = {
        "m": (curves, of("m"), "1", "overlap with the first pattern, TEBD"),
        "bar": (curves, of("bar"), "1", "its error bar"),
        "q": (curves, of("q"), "1", "mean square of the local magnetisations, TEBD"),
        "m_mean_field": (limits, of("m_mean_field"), "1", "overlap, mean field"),
        "q_mean_field": (limits, of("q_mean_field"), "1", "mean square, mean field"),
        "largest_bond": (runs, of("largest_bond"), "1", "bond of the state"),
        "channel_bond": (runs, of("channel_bond"), "1", "largest bond of a channel"),
        "seconds": (runs, of("seconds"), "s", "time of TEBD"),
    }
    times = np.linspace(0, params.final_time, round(params.final_time / SPACING) + 1)
    coords = {
        "n_patterns": list(params.n_patterns),
        "Omega": list(params.Omegas),
        "closure": list(CLOSURES),
        "time": ("time", times, {"units": TIME_UNIT}),
    }
    return labelled(params, "retrieval at extensive load", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Overlap above, mean square below; one column per transverse field."""
    figure, axes = panels(2, data.sizes["Omega"], (9, 6.4))
    for column, Omega in zip(axes.T, data.Omega.values.tolist(), strict=True):
        for p, colour in zip(data.n_patterns.values.tolist(), COLOURS, strict=False):
            one = data.sel(n_patterns=p, Omega=Omega)
            for ax, name in zip(column, ("m", "q"), strict=True):
                ax.plot(one.time, one[name], color=colour, label=f"TEBD, p = {p}")
                for closure, dash in zip(CLOSURES, (":", "--"), strict=True):
                    limit = one[f"{name}_mean_field"].sel(closure=closure)
                    label = f"mean field ({closure}), p = {p}"
                    ax.plot(one.time, limit, dash, color=colour, lw=1.2, label=label)
            low, high = one.m - one.bar, one.m + one.bar
            column[0].fill_between(one.time, low, high, color=colour, alpha=0.25, lw=0)
        title(column[0], f"transverse field {Omega:g}")
        for ax, text in zip(column, ("overlap", r"mean square of $\sigma^z$"), strict=True):
            ax.set(xlabel=r"time $t$ (inverse flip rates)", ylabel=text, ylim=(0.35, 1))
    legend_outside(figure, axes[0, :1], 3)
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
