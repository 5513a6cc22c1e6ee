"""TEBD beside TDVP where no exact answer exists.

Question: do two engines that share only the form of the state agree within their error bars, and
what does each cost?

Three random patterns with 20 spins, Gaussian couplings with 16, five patterns with 20; T = 0.4
(Gaussian: 0.8), Ω = 0.4, start of overlap 0.8. The generator of TDVP is coarser in the last
two.

Command: python studies/validation/engines.py [--plot-only]
Run time: about 12 minutes, one thread.
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
from _study import COLOURS, TIME_UNIT, labelled, legend_outside, main, panels, title

NAMES = ("m_z", "m_y")
CASES = ("three patterns", "Gaussian couplings", "five patterns")
ENGINES = ("TEBD", "TDVP")


@dataclass(frozen=True)
class Params:
    """Sizes, last times, and the settings of both engines."""

    sizes: tuple[int, ...] = (20, 16, 20)
    final_times: tuple[float, ...] = (2.0, 1.5, 1.5)
    spacing: float = 0.5
    Omega: float = 0.4
    overlap: float = 0.8
    dt: float = 0.125
    cutoff: float = 1e-4
    mpo_tolerance: float = 3e-3  # of TEBD; those of TDVP and of its rates by case:
    generators: tuple[tuple[float, float], ...] = ((3e-3, 0.1), (1e-2, 0.5), (1e-2, 0.5))
    seed: int = 7

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(5, 4, 5), final_times=(0.5, 0.5, 0.5))


def network(case: str, n_spins: int, params: Params) -> th.Model:
    """The model of a case."""
    n_patterns = {"three patterns": 3, "five patterns": 5}.get(case, 1)
    xi = th.random_patterns(n_patterns=n_patterns, n_spins=n_spins, rng=params.seed)
    if case != "Gaussian couplings":
        return th.open_hopfield(xi, beta=2.5, Omega=params.Omega)
    J = np.random.default_rng(params.seed).normal(size=(n_spins, n_spins)) / n_spins**0.5
    np.fill_diagonal(J, 0.0)
    return th.open_hopfield(xi, beta=1.25, Omega=params.Omega, couplings=J)


def run(case: str, n_spins: int, final_time: float, params: Params) -> dict[str, Any]:
    """Values, bars, bonds and seconds of both engines."""
    model = network(case, n_spins, params)
    start = th.pattern_state(model, overlap=params.overlap)
    times = np.linspace(0, final_time, round(final_time / params.spacing) + 1)
    tebd = th.TEBD(cutoff=params.cutoff, dt=params.dt, mpo_tolerance=params.mpo_tolerance)
    generator, rates = params.generators[CASES.index(case)]
    tdvp = th.TDVP(cutoff=params.cutoff, mpo_tolerance=generator, rate_tolerance=rates)
    shape = (len(ENGINES), len(NAMES), len(times))
    found = {"value": np.full(shape, np.nan), "bar": np.full(shape, np.nan)}
    stats = np.full((len(ENGINES), 3), np.nan)
    for k, method in enumerate((tebd, tdvp)):
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error", th.TruncationWarning)
            result = th.evolve(model, start, times, observables=list(NAMES), method=method)
        found["value"][k] = [result.expect[name][:, 0] for name in NAMES]
        found["bar"][k] = [result.errors[name][:, 0] for name in NAMES]
        bond = result.stats.get("channel_bond", result.stats.get("generator_bond"))
        stats[k] = result.stats["largest_bond"], bond, time.process_time() - began
    return found | {"stats": stats}


def compute(params: Params) -> xr.Dataset:
    """All cases."""
    cases = zip(CASES, params.sizes, params.final_times, strict=True)
    rows = [run(case, N, end, params) for case, N, end in cases]
    longest = max(row["value"].shape[-1] for row in rows)

    def of(key: str) -> np.ndarray:
        wide = [(*[(0, 0)] * 2, (0, longest - row[key].shape[-1])) for row in rows]
        return np.array([
            np.pad(row[key], w, constant_values=np.nan) for row, w in zip(rows, wide, strict=True)
        ])  # fmt: skip

    stats = np.array([row["stats"] for row in rows])
    curves = ("case", "engine", "observable", "time")
    variables = {
        "value": (curves, of("value"), "1", "value"),
        "bar": (curves, of("bar"), "1", "error bar"),
        "largest_bond": (("case", "engine"), stats[:, :, 0], "1", "bond of the state"),
        "generator_bond": (("case", "engine"), stats[:, :, 1], "1", "bond of generator or channel"),
        "seconds": (("case", "engine"), stats[:, :, 2], "s", "processor time"),
    }
    times = np.linspace(0, max(params.final_times), longest)
    coords = {"case": list(CASES), "engine": list(ENGINES), "observable": list(NAMES),
              "time": ("time", times, {"units": TIME_UNIT})}  # fmt: skip
    return labelled(params, "TEBD beside TDVP", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Values above, difference of the engines beside the sum of their bars below."""
    figure, axes = panels(2, 3, (11, 6.4))
    for (above, below), case in zip(axes.T, data.case.values.tolist(), strict=True):
        for name, colour in zip(NAMES, COLOURS, strict=False):
            tebd, tdvp = (data.sel(case=case, observable=name, engine=e) for e in ENGINES)
            low, high = tebd.value - tebd.bar, tebd.value + tebd.bar
            above.fill_between(data.time, low, high, color=colour, alpha=0.25, lw=0)
            above.plot(data.time, tebd.value, color=colour, label=f"${name}$ TEBD, band: bar")
            above.plot(data.time, tdvp.value, "o", color=colour, mfc="none", label=f"${name}$ TDVP")
            apart, bars = np.abs(tebd.value - tdvp.value), tebd.bar + tdvp.bar
            below.semilogy(data.time[1:], apart[1:], "o-", ms=3, color=colour,
                           label=f"${name}$: difference")  # fmt: skip
            below.semilogy(
                data.time[1:], bars[1:], "--", color=colour, label=f"${name}$: both bars"
            )
            below.semilogy(data.time[1:], tebd.bar[1:], ":", color=colour,
                           label=f"${name}$: bar of TEBD")  # fmt: skip
        title(above, case)
        above.set(xlabel=r"time $t$ (inverse flip rates)", ylabel="overlap")
        below.set(xlabel=r"time $t$ (inverse flip rates)", ylabel="difference, bar")
    legend_outside(figure, axes[0, :1], 4, "upper")
    legend_outside(figure, axes[1, :1], 6)
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
