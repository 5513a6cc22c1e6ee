"""Convergence of TDVP in each of its settings.

Question: which setting decides the error, and does the error bar follow?

One pattern, T = 0.4, Ω = 0.4, start of overlap 0.8, t ≤ 4. `Symmetric` with a tolerance of 1e-10
is the truth. One setting is changed at a time, from the defaults (N = 20 and 40) and from tight
settings (N = 20), where what the others add does not hide it.

Command: python studies/convergence/tdvp.py [--plot-only]
Run time: about 7 minutes of processor time, one thread.

error: largest deviation of m_z and m_y at the output times, which are 0.8 apart; bar: largest error
bar there. Seconds are those of the processor; they hold everything, the generator included.
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, MARKERS, labelled, legend_outside, main, network, panels, title

NAMES = ("m_z", "m_y")
NUMBERS = ("error", "bar", "seconds", "largest_bond", "generator_bond", "warned")
AXES = {
    "max_bond": "largest bond allowed", "cutoff": "cutoff", "dt": "longest time step",
    "epsilon": r"weight $\epsilon$", "mpo_tolerance": "tolerance of the generator",
}  # fmt: skip


@dataclass(frozen=True)
class Params:
    """Values of the settings for the small network, those for the large one, and tight settings."""

    n_spins: tuple[int, int] = (20, 40)
    final_time: float = 4.0
    spacing: float = 0.8
    temperature: float = 0.4
    Omega: float = 0.4
    overlap: float = 0.8
    small: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "max_bond": (8, 16, 32),
            "cutoff": (1e-3, 1e-4, 1e-5, 3e-6, 1e-6),
            "dt": (0.8, 0.4, 0.2, 0.1),
            "epsilon": (0.15, 0.3, 0.45, 0.7, 1.0),
            "mpo_tolerance": (1e-2, 3e-3, 1e-3, 3e-4, 1e-4),
        }
    )
    large: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "max_bond": (8, 16, 32),
            "cutoff": (1e-3, 1e-4, 1e-5, 3e-6),
            "dt": (0.8, 0.4, 0.2),
            "epsilon": (0.15, 0.3, 0.45),
            "mpo_tolerance": (1e-2, 1e-3, 3e-4, 1e-4),
        }
    )
    tight: dict[str, float] = field(
        default_factory=lambda: {"cutoff": 3e-6, "mpo_tolerance": 1e-4, "rate_tolerance": 0.01}
    )

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        few = {"max_bond": (4,), "cutoff": (1e-3,), "dt": (0.4, 0.2), "epsilon": (0.5,),
               "mpo_tolerance": (1e-2,)}  # fmt: skip
        return cls(n_spins=(3, 4), final_time=0.2, spacing=0.2, small=few, large=few)


class Bench:
    """One network with its exact curves; runs that were done are known."""

    def __init__(self, n_spins: int, params: Params) -> None:
        self.model = network(n_spins, params.temperature, params.Omega)
        self.start = th.pattern_state(self.model, overlap=params.overlap)
        self.times = np.linspace(
            0, params.final_time, round(params.final_time / params.spacing) + 1
        )
        self.exact = self._evolve(th.Symmetric(tolerance=1e-10)).expect
        self._known: dict[th.TDVP, list[float]] = {}

    def _evolve(self, method: Any) -> Any:
        return th.evolve(self.model, self.start, self.times, observables=list(NAMES),
                         method=method, progress=False)  # fmt: skip

    def numbers(self, **settings: Any) -> list[float]:
        """Return what NUMBERS lists."""
        method = th.TDVP(**settings)
        if method not in self._known:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", th.TruncationWarning)
                began = time.process_time()
                result = self._evolve(method)
                seconds = time.process_time() - began
            error = max(np.abs(result.expect[n] - self.exact[n]).max() for n in NAMES)
            bar = max(result.errors[n].max() for n in NAMES)
            bonds = (result.stats["largest_bond"], result.stats["generator_bond"])
            self._known[method] = [error, bar, seconds, *bonds, len(caught) > 0]
            print(f"{len(self.start.bloch):3} {settings!s:90} {error:.1e} {bar:.1e} {seconds:6.1f}"
                  f" {bonds}", flush=True)  # fmt: skip
        return self._known[method]


def compute(params: Params) -> xr.Dataset:
    """Three series per setting; NaN pads the shorter ones."""
    small, large = (Bench(N, params) for N in params.n_spins)
    series = {"default": (small, params.small, {}), "tight": (small, params.small, params.tight),
              "large": (large, params.large, {})}  # fmt: skip
    longest = max(len(v) for v in params.small.values())
    values = np.full((len(series), len(AXES), longest), np.nan)
    found = np.full((len(NUMBERS), *values.shape), np.nan)
    for s, (bench, chosen, base) in enumerate(series.values()):
        for a, name in enumerate(AXES):
            for k, value in enumerate(chosen[name]):
                values[s, a, k] = value
                found[:, s, a, k] = bench.numbers(**{**base, name: value})
    dims = ("series", "setting", "point")
    units = dict.fromkeys(NUMBERS, "1") | {"seconds": "s"}
    meanings = ("largest deviation from Symmetric", "largest error bar", "processor time",
                "largest bond of the state", "bond of the generator",
                "1 if max_bond cut away more than the cutoff")  # fmt: skip
    variables = {
        "value": (dims, values, "1", "value of the setting"),
        **{n: (dims, found[k], units[n], meanings[k]) for k, n in enumerate(NUMBERS)},
    }
    coords = {"series": list(series), "setting": list(AXES),
              "n_spins": ("series", [params.n_spins[k] for k in (0, 0, 1)])}  # fmt: skip
    return labelled(params, "convergence of TDVP", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """One panel per setting, and the error against the time it takes."""
    figure, axes = panels(2, 3, (11, 6.8))
    texts = ("default", "others tight", "default")
    for s, colour, marker in zip(range(3), COLOURS, MARKERS, strict=False):
        of, label = data.isel(series=s), f"N = {data.n_spins[s]:d}, {texts[s]}"
        for ax, name in zip(axes.ravel(), AXES, strict=False):
            one = of.sel(setting=name).sortby("value")
            ax.plot(one.value, one.error, marker + "-", color=colour, ms=4, lw=1.2,
                    label=f"{label}: error")  # fmt: skip
            ax.plot(one.value, one.bar, marker + "--", color=colour, mfc="none", ms=4, lw=1,
                    label=f"{label}: error bar")  # fmt: skip
            ax.set(xscale="log", xlabel=AXES[name])
        axes[1, 2].plot(of.seconds, of.error, marker, color=colour, ms=4)
    for ax, name in zip(axes.ravel(), AXES, strict=False):
        title(ax, name)
    for ax, name in ((axes[0, 0], "max_bond"), (axes[0, 2], "dt"), (axes[1, 0], "epsilon")):
        ticks = sorted(set(data.value.sel(setting=name).values.ravel()) - {np.nan})
        ticks = [t for t in ticks if np.isfinite(t)]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    title(axes[1, 2], "all runs")
    axes[1, 2].set(xscale="log", xlabel="processor time (s)")
    axes[1, 2].set_xticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    axes[1, 2].minorticks_off()
    for ax in axes.ravel():
        ax.set(yscale="log", ylabel="largest error of $m_z$, $m_y$")
    legend_outside(figure, [axes[0, 2]], 3)
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
