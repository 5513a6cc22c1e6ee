"""Capacity of small networks in a transverse field, beside mean field of the same patterns.

Question: how does the number of patterns at which retrieval fails move with the transverse field,
and does mean field, network by network, say the same?

Random patterns, T = 0.1, all spins along the first pattern at the start. Every set of patterns is
solved exactly (`Exact`; `ClassicalMaster` without field) and in mean field with rates at the mean
field of the other spins (closure "field"); for some sets of the middle size also with rates
averaged over the product state (closure "product"). Sets with more patterns contain those with
fewer, so that the loads of one row differ by the added patterns alone.

Command: python studies/beyond_mean_field/quantum_capacity.py [--plot-only]
Run time: about 5 minutes, one thread.

`limit` is the number of patterns, interpolated linearly, at which the mean overlap has fallen to
half of 1/(1 + 8 Ω²), which a single cold pattern has in mean field; its bar is the standard
deviation over bootstrap draws of the sets. It is 0 where one pattern is below already, and NaN
where the overlap stays above until the last number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from _study import COLOURS, MARKERS, RATE_UNIT, TIME_UNIT, labelled, legend_outside, main, panels
from _study import title as heading
from matplotlib.figure import Figure

import tnhop as th

SOLVERS = ("exact", "field", "product")


@dataclass(frozen=True)
class Params:
    """Sizes with their numbers of sets and fields; numbers of patterns; times."""

    n_spins: tuple[int, ...] = (6, 8, 10)
    n_sets: tuple[int, ...] = (32, 20, 5)
    n_product: tuple[int, ...] = (0, 6, 0)
    n_patterns: tuple[int, ...] = (1, 2, 3, 4, 5)
    Omegas: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4)
    of_largest: tuple[float, ...] = (0.0, 0.2)  # fields of the largest size
    temperature: float = 0.1
    times: tuple[float, ...] = (10.0, 20.0)
    n_bootstrap: int = 400
    seed: int = 5

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_spins=(4, 5), n_sets=(3, 2), n_product=(0, 0), n_patterns=(1, 3),
                   Omegas=(0.0, 0.2), n_bootstrap=10)  # fmt: skip


def run(xi: Any, Omega: float, solver: str, p: Params) -> Any:
    """Overlap and mean square overlap with the first pattern, shape (2, n_times)."""
    model = th.open_hopfield(xi, beta=1 / p.temperature, Omega=Omega)
    method: Any = th.Exact(tolerance=1e-6) if Omega else th.ClassicalMaster(tolerance=1e-8)
    if solver != "exact":
        method = th.MeanField(closure=solver, rtol=1e-7, atol=1e-9)
    found = th.evolve(model, th.pattern_state(model), list(p.times), method=method,
                      observables=["m_z", "overlap_moments"], progress=False)  # fmt: skip
    return np.stack([found.expect["m_z"][:, 0], found.expect["overlap_moments"][:, 0, 1]])


def crossing(numbers: Any, values: Any, level: float) -> float:
    """Number of patterns at which values fall to a level: 0 if at once, NaN if not at all."""
    below = np.flatnonzero(values < level)
    if not below.size:
        return np.nan
    if below[0] == 0:
        return 0.0
    part = slice(below[0] - 1, below[0] + 1)
    return float(np.interp(-level, -values[part], numbers[part]))


def compute(p: Params) -> xr.Dataset:
    """All sizes, sets, loads, fields and solvers."""
    shape = (len(p.n_spins), max(p.n_sets), len(p.n_patterns), len(p.Omegas), len(SOLVERS))
    values = np.full((*shape, 2, len(p.times)), np.nan)
    for a, (n, sets) in enumerate(zip(p.n_spins, p.n_sets, strict=True)):
        for b in range(sets):
            xi = th.random_patterns(max(p.n_patterns), n, rng=p.seed + 1000 * n + b)
            for d, Omega in enumerate(p.Omegas):
                if a == len(p.n_spins) - 1 and Omega not in p.of_largest:
                    continue
                for c, count in enumerate(p.n_patterns):
                    for e, solver in enumerate(SOLVERS):
                        if solver != "product" or b < p.n_product[a]:
                            values[a, b, c, d, e] = run(xi[:count], Omega, solver, p)
    values = np.moveaxis(values, (5, 4, 0, 3, 6, 2, 1), range(7))
    count = np.isfinite(values).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, np.nansum(values, axis=-1) / count, np.nan)
        spread = np.nansum((values - mean[..., None]) ** 2, axis=-1)
        bar = np.sqrt(spread / (count * np.maximum(count - 1, 1)))
    load, load_bar = limits(values[0], p)
    dims = ("solver", "n_spins", "Omega", "time")
    every = (*dims, "n_patterns")
    variables = {
        "m": (every, mean[0], "1", "overlap with the first pattern, mean over sets"),
        "bar": (every, bar[0], "1", "its standard error"),
        "m2": (every, mean[1], "1", "mean square overlap with the first pattern"),
        "m2_bar": (every, bar[1], "1", "its standard error"),
        "sets": (every, count[0], "1", "number of sets"),
        "m_set": ((*every, "set"), values[0], "1", "overlap of every set"),
        "limit": (dims, load, "1", "number of patterns at half of 1/(1 + 8 Ω²)"),
        "limit_bar": (dims, load_bar, "1", "its bootstrap standard deviation"),
    }
    coords = {"solver": list(SOLVERS), "n_spins": list(p.n_spins), "time":
              ("time", list(p.times), {"units": TIME_UNIT}), "n_patterns": list(p.n_patterns),
              "Omega": ("Omega", list(p.Omegas), {"units": RATE_UNIT})}  # fmt: skip
    return labelled(p, "capacity of small networks in a transverse field", variables, coords)


def limits(values: Any, p: Params) -> tuple[Any, Any]:
    """Number of patterns at half of 1/(1 + 8 Ω²) and its bar; values end in (patterns, set)."""
    numbers = np.array(p.n_patterns, dtype=float)
    result = np.full((2, *values.shape[:-2]), np.nan)
    rng = np.random.default_rng(p.seed)
    for index in np.ndindex(result.shape[1:]):
        known = values[index][:, np.isfinite(values[index]).all(axis=0)]
        count = known.shape[1]
        if count < 2:
            continue
        level = 0.5 / (1 + 8 * p.Omegas[index[2]] ** 2)
        result[0][index] = crossing(numbers, known.mean(axis=1), level)
        draws = [known[:, rng.integers(count, size=count)] for _ in range(p.n_bootstrap)]
        loads = np.array([crossing(numbers, draw.mean(axis=1), level) for draw in draws])
        if np.isfinite(loads).mean() > 0.9:
            result[1][index] = np.nanstd(loads)
    return result[0], result[1]


def plot(data: xr.Dataset) -> Figure:
    """Overlap against load for two sizes, and the load of failure against the field."""
    figure, axes = panels(2, 2, (9.5, 7.2))
    late = data.isel(time=-1)
    for ax, n in zip(axes[0], data.n_spins.values[:2], strict=True):
        for Omega, colour, mark in zip(data.Omega.values, COLOURS, MARKERS, strict=False):
            one = late.sel(n_spins=n, Omega=Omega)
            exact, field = one.sel(solver="exact"), one.sel(solver="field")
            label = rf"$\Omega$ = {Omega:g}"
            ax.errorbar(one.n_patterns, exact.m, exact.bar, color=colour, marker=mark, ms=4,
                        capsize=2, label=label)  # fmt: skip
            ax.errorbar(one.n_patterns, field.m, field.bar, color=colour, ls="--", lw=1, capsize=2)
        ax.plot([], [], "k-", label="exact")
        ax.plot([], [], "k--", label='mean field, closure "field"')
        heading(ax, f"N = {n}, t = {late.time.item():g}")
        ax.set(xlabel="number of patterns", ylabel="overlap with the first", ylim=(-0.05, 1.05))
        ax.set_xticks(data.n_patterns.values)
    ax, n = axes[1, 0], data.n_spins.values[1]
    for k, (solver, style) in enumerate(zip(SOLVERS, ("-", "--", ":"), strict=True)):
        for j, time in enumerate(data.time.values):
            one = data.sel(solver=solver, n_spins=n, time=time)
            name = "exact" if solver == "exact" else f'mean field ("{solver}")'
            ax.errorbar(one.Omega + 0.004 * (k - j), one.limit / n, one.limit_bar / n, ls=style,
                        color=COLOURS[j], marker=MARKERS[k], ms=4, capsize=2,
                        label=f"{name}, t = {time:g}")  # fmt: skip
    heading(ax, rf"N = {n}: overlap at half of $1/(1+8\Omega^2)$; 0: one is lost")
    ax.set(xlabel=r"transverse field $\Omega$", ylabel="load p/N of failure")
    ax.legend(frameon=False, fontsize="x-small", handlelength=3, ncols=2, loc="upper center")
    ax.set_ylim(-0.03, 0.85)
    ax = axes[1, 1]
    for j, (n, colour) in enumerate(zip(data.n_spins.values, COLOURS, strict=False)):
        for Omega, style in ((0.0, "-"), (0.2, "--")):
            one = late.sel(n_spins=n, Omega=Omega)
            lost = one.sel(solver="field").m - one.sel(solver="exact").m
            pair = one.m_set.sel(solver="field") - one.m_set.sel(solver="exact")
            bar = pair.std("set", ddof=1) / np.sqrt(pair.notnull().sum("set"))
            ax.errorbar(one.n_patterns + 0.06 * (j - 1), lost, bar, color=colour, ls=style,
                        marker=MARKERS[j], ms=4, capsize=2,
                        label=rf"N = {n}, $\Omega$ = {Omega:g}")  # fmt: skip
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    heading(ax, f"what mean field misses, t = {late.time.item():g}")
    ax.set(xlabel="number of patterns", ylabel="overlap: mean field minus exact")
    ax.set_xticks(data.n_patterns.values)
    ax.legend(frameon=False, fontsize="x-small", ncols=2, handlelength=4, loc="upper right")
    ax.set_ylim(-0.06, 0.9)
    legend_outside(figure, [axes[0, 0]], 4, "upper")
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
