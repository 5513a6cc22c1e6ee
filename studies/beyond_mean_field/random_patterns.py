"""Three and four random patterns at finite N, with TDVP beside mean field.

Questions: how well does a small network with random patterns retrieve and oscillate, compared with
mean field of the same patterns? Which patterns survive from a mixed start in the cycle phase?

T = 0.4. Retrieval: Ω = 0.2, spins along the first pattern, overlap 0.8. Cycle: Ω = 0.6 (Ω_H(0.4) =
0.374 and T_eff > 1: mean field of balanced patterns has nothing but cycles), Bloch vectors (0.5,
0.3 ξ, 0.6 ξ). Mixture: Ω = 0.6, ⟨σᶻ⟩ = 0.4 ξ₁ + 0.32 ξ₂ + 0.24 ξ₃ (+ 0.04 ξ₄), for random and for
orthogonal patterns. In mean field three orthogonal patterns are unstable: the weakest dies, and
the other two move on a torus.

Command: python studies/beyond_mean_field/random_patterns.py [--plot-only]
Run time: about 4 minutes of processor time, one thread.

share: (m_z² + m_y²) of one pattern over the sum of all, from averages. Its bar follows from those
of m_z and m_y to first order, as if they all had their worst sign. The truth at N = 12 is
`Symmetric`.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from _study import COLOURS, TIME_UNIT, labelled, legend_outside, main, panels, title
from matplotlib.figure import Figure

import tnhop as th

FIELDS = {"retrieval": 0.2, "cycle": 0.6, "mixture": 0.6}
STATS = ("largest_bond", "generator_bond", "trace_defect")
WEIGHTS = (0.4, 0.32, 0.24, 0.04)


@dataclass(frozen=True)
class Params:
    """Cases (start, patterns, n_patterns, n_spins, with truth) and settings."""

    cases: tuple[tuple[str, str, int, int, bool], ...] = (
        ("retrieval", "random", 3, 12, True),
        ("retrieval", "random", 3, 16, False),
        ("retrieval", "random", 3, 20, False),
        ("retrieval", "random", 3, 24, False),
        ("cycle", "random", 3, 12, True),
        ("cycle", "random", 3, 16, False),
        ("cycle", "random", 3, 20, False),
        ("mixture", "random", 3, 12, True),
        ("mixture", "random", 3, 16, False),
        ("mixture", "random", 3, 20, False),
        ("mixture", "orthogonal", 3, 12, True),
        ("mixture", "orthogonal", 3, 16, False),
        ("mixture", "orthogonal", 3, 20, False),
        ("retrieval", "random", 4, 12, False),
        ("cycle", "random", 4, 12, False),
    )
    seeds: tuple[int, int] = (3, 2)  # of three and of four patterns
    temperature: float = 0.4
    final_time: float = 6.0
    spacing: float = 0.4
    cutoff: float = 1e-4
    long_time: float = 200.0

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        cases = (("retrieval", "random", 3, 4, True), ("cycle", "random", 3, 4, True),
                 ("mixture", "random", 3, 4, True), ("mixture", "orthogonal", 3, 4, True),
                 ("retrieval", "random", 4, 4, True))  # fmt: skip
        return cls(cases=cases, final_time=0.4, long_time=6.2)


def prepared(case: tuple[str, str, int, int, bool], params: Params) -> tuple[th.Model, Any]:
    """Return model and start of a case."""
    kind, patterns, p, N, _ = case
    xi = (
        th.random_patterns(p, N, rng=params.seeds[p - 3])
        if patterns == "random"
        else th.orthogonal_patterns(p, N)
    )
    model = th.open_hopfield(xi, beta=1 / params.temperature, Omega=FIELDS[kind])
    if kind == "retrieval":
        return model, th.pattern_state(model, overlap=0.8)
    if kind == "cycle":
        bloch = np.stack([np.full(N, 0.5), 0.3 * xi[0], 0.6 * xi[0]], 1)
    else:
        bloch = np.stack([np.zeros(N), np.zeros(N), np.array(WEIGHTS[:p]) @ xi], 1)
    return model, th.product_state(model, bloch=bloch)


def overlaps(model: Any, start: Any, times: np.ndarray, method: Any) -> tuple[Any, np.ndarray]:
    """Return the result and m_z, m_y, shape (2, n_times, 4), NaN behind the last pattern."""
    names = ["m_z", "m_y"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", th.TruncationWarning)  # default bonds must be enough
        result = th.evolve(model, start, times, observables=names, method=method, progress=False)
    return result, padded([result.expect[n] for n in names])


def padded(values: Any) -> np.ndarray:
    """Fill the last dimension to four patterns."""
    array = np.asarray(values)
    wide = [(0, 0)] * (array.ndim - 1) + [(0, 4 - array.shape[-1])]
    return np.pad(array, wide, constant_values=np.nan)


def share(m: np.ndarray) -> np.ndarray:
    """Return (m_z² + m_y²) of every pattern over the sum of all, from (..., 2, n_times, 4)."""
    square = np.sum(m**2, axis=-3)
    return square / np.nansum(square, axis=-1, keepdims=True)


def share_bar(m: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Return its error bar, to first order."""
    square = np.sum(m**2, axis=0)
    total = np.nansum(square, axis=-1, keepdims=True)
    own = 2 * np.sum(np.abs(m) * bar, axis=0)
    part = square / total
    others = np.nansum(own, axis=-1, keepdims=True) - own
    return ((1 - part) * own + part * others) / total


def run(case: tuple[str, str, int, int, bool], params: Params) -> dict[str, Any]:
    """All curves of a case."""
    model, start = prepared(case, params)
    times = np.linspace(0, params.final_time, round(params.final_time / params.spacing) + 1)
    began = time.process_time()
    result, m = overlaps(model, start, times, th.TDVP(cutoff=params.cutoff))
    seconds = time.process_time() - began
    bar = padded([result.errors[n] for n in ("m_z", "m_y")])
    limit = overlaps(model, start, times, "MeanField")[1]
    truth = overlaps(model, start, times, "Symmetric")[1] if case[-1] else np.full_like(m, np.nan)
    long = overlaps(model, start, long_times(params), "MeanField")[1]
    stats = [float(result.stats[name]) for name in STATS]
    print(*case, [*stats, round(seconds, 1)], f"bar {np.nanmax(bar):.1e}", flush=True)
    return {
        "m": m, "bar": bar, "mean_field": limit, "exact": truth, "share": share(m),
        "share_bar": share_bar(m, bar), "share_mean_field": share(limit),
        "share_exact": share(truth), "share_long": smooth(share(long)), "stats": [*stats, seconds],
    }  # fmt: skip


def long_times(params: Params) -> np.ndarray:
    """Times of the long mean-field runs, 0.1 apart."""
    return np.linspace(0, params.long_time, round(10 * params.long_time) + 1)


def smooth(values: np.ndarray) -> np.ndarray:
    """Average over 6 time units, about one period; NaN at the ends."""
    window = np.full(61, 1 / 61)
    columns = [np.convolve(column, window, "valid") for column in values.T]
    return np.pad(np.stack(columns, 1), [(30, 30), (0, 0)], constant_values=np.nan)


def compute(params: Params) -> xr.Dataset:
    """All cases."""
    rows = [run(case, params) for case in params.cases]
    of = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    curves, shares = ("case", "axis", "time", "pattern"), ("case", "time", "pattern")
    meanings = {
        "m": (curves, "overlap, TDVP"), "bar": (curves, "error bar of the overlap"),
        "mean_field": (curves, "overlap, mean field of the same patterns"),
        "exact": (curves, "overlap, Symmetric"), "share": (shares, "share, TDVP"),
        "share_bar": (shares, "error bar of the share"),
        "share_mean_field": (shares, "share, mean field"),
        "share_exact": (shares, "share, Symmetric"),
        "share_long": (("case", "long_time", "pattern"), "share, mean field, over one period"),
    }  # fmt: skip
    variables = {key: (dims, of[key], "1", text) for key, (dims, text) in meanings.items()}
    variables |= {name: (("case",), of["stats"][:, k], "1", name) for k, name in enumerate(STATS)}
    variables["seconds"] = (("case",), of["stats"][:, -1], "s", "processor time of TDVP")
    times = np.linspace(0, params.final_time, of["m"].shape[2])
    kind, patterns, p, N, _ = zip(*params.cases, strict=True)
    coords = {
        "kind": ("case", list(kind)), "patterns": ("case", list(patterns)),
        "n_patterns": ("case", list(p)), "n_spins": ("case", list(N)), "axis": ["z", "y"],
        "pattern": [1, 2, 3, 4], "time": ("time", times, {"units": TIME_UNIT}),
        "long_time": ("long_time", long_times(params), {"units": TIME_UNIT}),
    }  # fmt: skip
    return labelled(params, "random patterns at finite N", variables, coords)


def chosen(data: xr.Dataset, kind: str, patterns: str, p: int) -> list[xr.Dataset]:
    """Return the cases of a kind, by size."""
    which = (data.kind == kind) & (data.patterns == patterns) & (data.n_patterns == p)
    return [data.isel(case=int(k)) for k in np.flatnonzero(which)]


def plot(data: xr.Dataset) -> Figure:
    """Overlap with the first pattern above, the weakest pattern of mixtures below."""
    figure, axes = panels(2, 3, (11, 6.8))
    for ax, kind in zip(axes[0], ("retrieval", "cycle"), strict=False):
        for colour, one in zip(COLOURS, chosen(data, kind, "random", 3), strict=False):
            _curves(ax, one.sel(axis="z", pattern=1), ("m", "bar", "mean_field", "exact"), colour,
                    f"N = {one.n_spins:d}")  # fmt: skip
        title(ax, f"{kind}, Ω = {FIELDS[kind]:g}, p = 3 random")
    four = chosen(data, "retrieval", "random", 4)[0]
    for colour, k in zip(("#CC79A7", "#E69F00", "#56B4E9", "0.4"), range(4), strict=True):
        _curves(axes[0, 2], four.sel(axis="z").isel(pattern=k), ("m", "bar", "mean_field", "exact"),
                colour, f"pattern {k + 1} of 4")  # fmt: skip
    title(axes[0, 2], f"retrieval, p = 4 random, N = {four.n_spins:d}")
    for ax in axes[0]:
        ax.set(ylabel=r"overlap $\langle m_z\rangle$")
    names = ("share", "share_bar", "share_mean_field", "share_exact")
    for ax, patterns in zip(axes[1], ("random", "orthogonal"), strict=False):
        for colour, one in zip(COLOURS, chosen(data, "mixture", patterns, 3), strict=False):
            _curves(ax, one.sel(pattern=3), names, colour, f"N = {one.n_spins:d}")
            dash = "-" if patterns == "random" else "--"
            axes[1, 2].plot(one.long_time, one.share_long.sel(pattern=3), dash, color=colour, lw=1)
        title(ax, f"mixture, Ω = {FIELDS['mixture']:g}, p = 3 {patterns}")
        ax.set(ylabel="share of pattern 3", ylim=(0, None))
    for ax in axes.ravel()[:5]:
        ax.set(xlabel=r"time $t$ (inverse flip rates)")
    title(axes[1, 2], "mean field: random, orthogonal (dashed)")
    axes[1, 2].set(xlabel=r"time $t$ (inverse flip rates)", xscale="log", ylim=(0, None),
                   ylabel="mean share of pattern 3", xlim=(3, None))  # fmt: skip
    legend_outside(figure, [axes[0, 0]], 5)
    legend_outside(figure, [axes[0, 2]], 4, "upper")
    return figure


def _curves(ax: Any, one: xr.Dataset, names: tuple[str, ...], colour: str, label: str) -> None:
    """TDVP with its bar as a band, mean field dotted, truth as circles."""
    values, bar, limit, truth = (one[name] for name in names)
    ax.fill_between(one.time, values - bar, values + bar, color=colour, alpha=0.3, lw=0)
    ax.plot(one.time, values, color=colour, lw=1.3, label=f"{label}: TDVP")
    ax.plot(one.time, limit, ":", color=colour, lw=1.1, label=f"{label}: mean field")
    if np.isfinite(truth).any():
        ax.plot(one.time, truth, "o", color=colour, mfc="none", ms=3.5, label=f"{label}: exact")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
