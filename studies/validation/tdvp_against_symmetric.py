"""TDVP beside the exact dynamics of interchangeable spins.

Question: how far are matrix-product density matrices off at default settings, and is the truth
inside their error bars?

One pattern, T = 0.4, Ω = 0.4 (limit-cycle phase of mean field), start of overlap 0.8. `Symmetric`
with a tolerance of 1e-10 is the truth. TDVP does not use that the spins are interchangeable, other
than by a generator with a small bond.

Command: python studies/validation/tdvp_against_symmetric.py [--plot-only]
Run time: about 1 minute of processor time, one thread.

The bar is the sum of the sources that `result.errors` lists; three of them are drawn for m_z.
Seconds are those of the processor; they hold everything, the generator included.
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, TIME_UNIT, labelled, legend_outside, main, network, panels, title

NAMES = ("m_z", "m_y")
SOURCES = {"truncation": "truncation", "time_step": "time step", "mpo": "generator"}
STATS = ("largest_bond", "generator_bond", "steps", "trace_defect")


@dataclass(frozen=True)
class Params:
    """Sizes, the last time of each, and the point."""

    sizes: tuple[int, ...] = (20, 40, 80)
    final_times: tuple[float, ...] = (10.0, 10.0, 6.0)
    spacing: float = 0.4
    temperature: float = 0.4
    Omega: float = 0.4
    overlap: float = 0.8

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(3, 4, 5), final_times=(0.8, 0.8, 0.4))


def run(n_spins: int, final_time: float, params: Params) -> dict[str, Any]:
    """Values of TDVP, `Symmetric` and mean field, and the error budget, at all times."""
    model = network(n_spins, params.temperature, params.Omega)
    start = th.pattern_state(model, overlap=params.overlap)
    times = np.linspace(0, final_time, round(final_time / params.spacing) + 1)
    options = {"observables": list(NAMES), "progress": False}
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error", th.TruncationWarning)  # default bonds must be enough
        chain = th.evolve(model, start, times, method="TDVP", **options)
    seconds = time.process_time() - began
    exact = th.evolve(model, start, times, method=th.Symmetric(tolerance=1e-10), **options)
    limit = th.evolve(model, start, times, method="MeanField", **options)
    found: dict[str, Any] = {
        "tdvp": [chain.expect[n][:, 0] for n in NAMES],
        "exact": [exact.expect[n][:, 0] for n in NAMES],
        "mean_field": [limit.expect[n][:, 0] for n in NAMES],
        "bar": [chain.errors[n][:, 0] for n in NAMES],
        "sources": [[chain.errors.sources(n)[s][:, 0] for s in SOURCES] for n in NAMES],
    }
    stats = [chain.stats[name] for name in STATS]
    return {k: np.array(v) for k, v in found.items()} | {"stats": [*stats, seconds]}


def padded(rows: list[np.ndarray]) -> np.ndarray:
    """Stack rows of different length, with NaN behind the short ones."""
    longest = max(row.shape[-1] for row in rows)
    wide = [(*[(0, 0)] * (row.ndim - 1), (0, longest - row.shape[-1])) for row in rows]
    return np.stack([np.pad(r, w, constant_values=np.nan) for r, w in zip(rows, wide, strict=True)])


def compute(params: Params) -> xr.Dataset:
    """All sizes."""
    rows = [run(N, end, params) for N, end in zip(params.sizes, params.final_times, strict=True)]
    all_of = {key: padded([row[key] for row in rows]) for key in rows[0] if key != "stats"}
    stats = np.array([row["stats"] for row in rows], dtype=float)
    curves, end = ("n_spins", "observable", "time"), max(params.final_times)
    variables = {
        "tdvp": (curves, all_of["tdvp"], "1", "value of TDVP"),
        "exact": (curves, all_of["exact"], "1", "value of Symmetric"),
        "mean_field": (curves, all_of["mean_field"], "1", "value of mean field"),
        "error": (curves, np.abs(all_of["tdvp"] - all_of["exact"]), "1", "|TDVP - Symmetric|"),
        "bar": (curves, all_of["bar"], "1", "error bar of TDVP"),
        "sources": (("n_spins", "observable", "source", "time"), all_of["sources"], "1",
                    "parts of the error bar"),
        **{name: (("n_spins",), stats[:, k], "1", name) for k, name in enumerate(STATS)},
        "seconds": (("n_spins",), stats[:, -1], "s", "processor time of TDVP"),
    }  # fmt: skip
    times = np.linspace(0, end, all_of["tdvp"].shape[-1])
    coords = {
        "n_spins": list(params.sizes), "observable": list(NAMES), "source": list(SOURCES),
        "time": ("time", times, {"units": TIME_UNIT}),
    }  # fmt: skip
    return labelled(params, "error of TDVP at default settings", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Curves above, error beside its bar below; one column per size."""
    figure, axes = panels(2, 3, (11, 6.6))
    for (above, below), N in zip(axes.T, data.n_spins.values.tolist(), strict=True):
        one = data.sel(n_spins=N).dropna("time")
        for name, colour in zip(NAMES, COLOURS, strict=False):
            _draw(above, below, one.sel(observable=name), name, colour)
        after = one.isel(time=slice(1, None))
        for source, dash in zip(SOURCES, (":", "-.", (0, (1, 3))), strict=True):
            below.plot(after.time, after.sources.sel(source=source, observable="m_z"), color="0.5",
                       ls=dash, lw=1, label=f"bar of $m_z$: {SOURCES[source]}")  # fmt: skip
        title(above, f"N = {N}, bonds {one.largest_bond:.0f} (state), "
                     f"{one.generator_bond:.0f} (generator)")  # fmt: skip
        above.set(xlabel=r"time $t$ (inverse flip rates)", ylabel="overlap", ylim=(-0.85, 0.85))
        below.set(xlabel=r"time $t$ (inverse flip rates)", ylabel="error, error bar",
                  yscale="log", ylim=(1e-6, 3e-3), xlim=above.get_xlim())  # fmt: skip
    legend_outside(figure, axes[0, :1], 6, "upper")
    legend_outside(figure, axes[1, :1], 4)
    return figure


def _draw(above: Any, below: Any, one: xr.Dataset, name: str, colour: str) -> None:
    """One observable."""
    label = f"$\\langle {name}\\rangle$"
    above.fill_between(one.time, one.tdvp - one.bar, one.tdvp + one.bar, color=colour, alpha=0.25,
                       lw=0)  # fmt: skip
    above.plot(one.time, one.tdvp, color=colour, lw=1.3, label=f"{label} TDVP, band: error bar")
    above.plot(one.time, one.exact, "o", color=colour, mfc="none", ms=4, label=f"{label} exact")
    above.plot(one.time, one.mean_field, ":", color=colour, lw=1, label=f"{label} mean field")
    after = one.isel(time=slice(1, None))
    below.plot(after.time, after.error, "o-", color=colour, ms=3, lw=1, label=f"error of {label}")
    below.plot(after.time, after.bar, "--", color=colour, lw=1.3, label=f"error bar of {label}")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
