"""How many random patterns a classical network keeps, and how large their basins are.

Question: where does retrieval of random patterns with Hebb couplings break down at finite N, and
does that point move to the jump of Amit, Gutfreund and Sompolinsky?

At zero temperature the network starts at a pattern and follows its fields, one spin after the
other, to rest. A pattern is kept if the overlap there is above `kept`. All values are quenched
averages over sets of patterns, with standard errors between sets. Beside them the replica-symmetric
equations of zero temperature, solved numerically. The second part starts with wrong bits
(`th.basin`), with Hebb and with pseudo-inverse couplings.

Command: python studies/classical/capacity.py [--plot-only]
Run time: about 7 minutes beside other jobs, 4 minutes of processor time.

Half load: the load at which half of the patterns are lost, from a straight line through the
fractions between `window` in probit scale. Crossing: where the curves of N and 2N meet. Errors of
both: bootstrap over the sets of patterns.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.optimize import brentq, curve_fit, minimize_scalar
from scipy.special import erf
from scipy.stats import norm

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, MARKERS, labelled, main, panels, title

RULES = {"hebb": th.hebb, "pseudo_inverse": th.pseudo_inverse}


@dataclass(frozen=True)
class Params:
    """Sizes with their numbers of sets and of patterns tried in each; loads; basins; seed."""

    sizes: tuple[int, ...] = (250, 500, 1000, 2000, 4000)
    n_sets: tuple[int, ...] = (240, 120, 60, 16, 4)
    n_tried: int = 80
    loads: tuple[float, ...] = (
        0.08, 0.096, 0.108, 0.12, 0.128, 0.132, 0.136, 0.14, 0.144, 0.148, 0.152, 0.156, 0.16,
        0.164, 0.168, 0.172, 0.176, 0.18, 0.184, 0.188, 0.192, 0.196, 0.2,
    )  # fmt: skip
    kept: float = 0.9
    window: tuple[float, float] = (0.2, 0.8)
    n_bootstrap: int = 300
    basin_size: int = 500
    basin_sets: int = 12
    basin_starts: int = 40
    hebb: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.13, 0.14)
    pseudo_inverse: tuple[float, ...] = (0.02, 0.06, 0.1, 0.14, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    wrong: tuple[float, ...] = tuple(np.round(np.linspace(0.0, 0.5, 21), 3).tolist())
    seed: int = 20240

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(50, 100, 200), n_sets=(40, 20, 10),
                   loads=(0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.26), window=(0.05, 0.95),
                   n_bootstrap=10, basin_size=60, basin_sets=4, basin_starts=6,
                   hebb=(0.05, 0.1), pseudo_inverse=(0.05, 0.1),
                   wrong=(0.0, 0.2, 0.4, 0.5))  # fmt: skip


def replica_load(y: Any) -> Any:
    """Load at which y = m/√(2αr) solves the equations of zero temperature; the overlap is erf y.

    They are m = erf y, C = √(2/(παr)) exp(-y²) and r = 1/(1 - C)², so that
    √(2α) = erf(y)/y - (2/√π) exp(-y²).
    """
    return (erf(y) / y - 2 / np.sqrt(np.pi) * np.exp(-(y**2))) ** 2 / 2


def replica_jump() -> tuple[float, float]:
    """Largest load with retrieval, and the y there."""
    found = minimize_scalar(lambda y: -replica_load(y), bounds=(1.0, 3.0), method="bounded",
                            options={"xatol": 1e-12})  # fmt: skip
    return -float(found.fun), float(found.x)


def replica_overlap(load: float) -> float:
    """Overlap of the retrieval state; 0 beyond the jump."""
    jump, y = replica_jump()
    if load > jump:
        return 0.0
    return float(erf(brentq(lambda v: replica_load(v) - load, y, 20.0, xtol=1e-14)))


def tried(p: Params, N: int, load: float, rng: np.random.Generator) -> Any:
    """Overlaps at rest after starts at the patterns of one set."""
    xi = th.random_patterns(n_patterns=round(load * N), n_spins=N, rng=rng)
    starts = xi[: p.n_tried]
    return np.mean(th.retrieve(th.hebb(xi), starts, rng=rng).spins * starts, axis=1)


def average(values: Any) -> tuple[float, float]:
    """Mean and standard error of known values."""
    known = np.asarray(values)[np.isfinite(values)]
    if len(known) < 2:
        return (float(known.mean()) if len(known) else np.nan), np.nan
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


def half_load(loads: Any, fraction: Any, window: tuple[float, float]) -> float:
    """Load at which `fraction` is 1/2, from a line in probit scale; NaN if it cannot be told."""
    inside = (fraction > window[0]) & (fraction < window[1])
    if inside.sum() < 2:
        return np.nan
    slope, start = np.polyfit(loads[inside], norm.ppf(fraction[inside]), 1)
    return float(-start / slope)


def crossing(loads: Any, small: Any, large: Any) -> float:
    """Load where a steeper curve falls below another one for good; NaN if it does not.

    The difference is fitted by a cubic polynomial where both fractions are between 0.7 and 0.995.
    """
    inside = (small < 0.995) & (large < 0.995) & (small > 0.7) & (large > 0.7)
    if inside.sum() < 4:
        return np.nan
    x = loads[inside]
    roots = np.roots(np.polyfit(x - x.mean(), (large - small)[inside], 3)) + x.mean()
    real = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > x[0]) & (roots.real < x[-1])]
    return float(real.max()) if len(real) else np.nan


def spread_of(values: Any) -> Any:
    """Standard deviation of the known values of every column; NaN with fewer than two."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([column.std() if len(column) > 1 else np.nan for column in columns])


def resampled(kept: list[Any], rng: np.random.Generator) -> Any:
    """Mean fraction of every load, over sets drawn with replacement; shape (n_loads,)."""
    return np.array([rng.choice(values, len(values)).mean() for values in kept])


def capacity(p: Params) -> tuple[dict[str, Any], dict[str, float]]:
    """Overlaps, kept fractions, half loads and crossings against size and load."""
    loads = np.array(p.loads)
    shape = (len(p.sizes), len(loads))
    overlap, good, fraction = (np.full((2, *shape), np.nan) for _ in range(3))
    kept: list[list[Any]] = []
    for s, (N, n_sets) in enumerate(zip(p.sizes, p.n_sets, strict=True)):
        kept.append([])
        for a, load in enumerate(loads):
            rng = np.random.default_rng([p.seed, N, a])
            found = [tried(p, N, load, rng) for _ in range(n_sets)]
            above = np.array([np.mean(m > p.kept) for m in found])
            means = [m[m > p.kept].mean() if (m > p.kept).any() else np.nan for m in found]
            overlap[:, s, a] = average([m.mean() for m in found])
            good[:, s, a], fraction[:, s, a] = average(means), average(above)
            kept[-1].append(above)
    rng = np.random.default_rng([p.seed, 1])
    drawn = [fraction[0], *(np.array([resampled(k, rng) for k in kept])
                            for _ in range(p.n_bootstrap))]  # fmt: skip
    half = np.array([[half_load(loads, f, p.window) for f in curves] for curves in drawn])
    meet = np.array([[crossing(loads, *pair) for pair in itertools.pairwise(f)] for f in drawn])
    half_error = half[1:].std(axis=0)
    dims = ("n_spins", "load")
    variables = {}
    for name, values, meaning in (
        ("overlap", overlap, "mean overlap at rest"),
        ("overlap_kept", good, "mean overlap of the patterns that are kept"),
        ("fraction_kept", fraction, f"fraction of patterns with overlap above {p.kept}"),
    ):
        variables[name] = (dims, values[0], "1", meaning)
        variables[f"{name}_error"] = (dims, values[1], "1", f"standard error of {name}")
    variables |= {
        "half_load": (("n_spins",), half[0], "1", "load at which half of the patterns are lost"),
        "half_load_error": (("n_spins",), half_error, "1", "bootstrap error of half_load"),
        "crossing": (("pair",), meet[0], "1", "load at which the curves of two sizes meet"),
        "crossing_error": (("pair",), spread_of(meet[1:]), "1", "bootstrap error"),
    }
    return variables, limits(np.array(p.sizes), half[0], half_error)


def limits(sizes: Any, half: Any, error: Any) -> dict[str, float]:
    """Extrapolations of the half load to infinite size.

    `fixed` is a line in N^(-1/2) through all sizes, `large` without the smallest one, `free` has a
    free exponent.
    """
    found = {}
    for name, first in (("fixed", 0), ("large", 1)):
        x, y, e = sizes[first:] ** -0.5, half[first:], error[first:]
        line, covariance = curve_fit(lambda x, a, b: a + b * x, x, y, sigma=e,
                                     absolute_sigma=True, p0=(0.14, 1.0))  # fmt: skip
        found |= {f"limit_{name}": line[0], f"limit_{name}_error": covariance[0, 0] ** 0.5,
                  f"slope_{name}": line[1],
                  f"chi2_{name}": np.sum(((line[0] + line[1] * x - y) / e) ** 2)}  # fmt: skip
    if len(sizes) > 3:
        power, covariance = curve_fit(lambda N, a, b, x: a + b * N**-x, sizes, half, sigma=error,
                                      absolute_sigma=True, p0=(0.14, 1.0, 0.5))  # fmt: skip
        errors = np.sqrt(np.diag(covariance))
        left = (power[0] + power[1] * sizes ** -power[2] - half) / error
        found |= {"limit_free": power[0], "limit_free_error": errors[0],
                  "power_free": power[1], "exponent": power[2],
                  "exponent_error": errors[2], "chi2_free": np.sum(left**2)}  # fmt: skip
    return {name: float(value) for name, value in found.items()}


def basins(p: Params, rule: str) -> tuple[dict[str, Any], list[float]]:
    """Success against the fraction of wrong bits, and the fraction at which it is one half."""
    N, loads, wrong = p.basin_size, list(getattr(p, rule)), np.array(p.wrong)
    flips = np.rint(wrong * N).astype(int)
    success = np.zeros((p.basin_sets, len(loads), len(wrong)))
    for k, a in np.ndindex(p.basin_sets, len(loads)):
        rng = np.random.default_rng([p.seed, 2 + list(RULES).index(rule), k, a])
        xi = th.random_patterns(n_patterns=round(loads[a] * N), n_spins=N, rng=rng)
        found = th.basin(xi, flips, couplings=RULES[rule], n_samples=p.basin_starts,
                         threshold=p.kept, rng=rng)  # fmt: skip
        success[k, a] = found.success
    radius = np.array([[radius_of(wrong, curve) for curve in one] for one in success])
    spread = np.sqrt(p.basin_sets)
    dims = (f"load_{rule}", "wrong")
    return {
        f"success_{rule}": (dims, success.mean(axis=0), "1", f"pattern found again, {rule}"),
        f"success_{rule}_error": (dims, success.std(axis=0, ddof=1) / spread, "1",
                                  "standard error between sets"),
        f"radius_{rule}": (dims[:1], radius.mean(axis=0), "1", "wrong bits at success 1/2"),
        f"radius_{rule}_error": (dims[:1], radius.std(axis=0, ddof=1) / spread, "1",
                                 "standard error between sets"),
    }, loads  # fmt: skip


def radius_of(wrong: Any, success: Any) -> float:
    """Fraction of wrong bits at which success first falls to one half; 0 if it begins below."""
    low = np.flatnonzero(success < 0.5)
    if not len(low) or low[0] == 0:
        return float(wrong[-1]) if not len(low) else 0.0
    k = low[0]
    part = (success[k - 1] - 0.5) / (success[k - 1] - success[k])
    return float(wrong[k - 1] + part * (wrong[k] - wrong[k - 1]))


def compute(p: Params) -> xr.Dataset:
    """Capacity, replica theory and basins."""
    variables, found = capacity(p)
    jump, y = replica_jump()
    near = jump - np.geomspace(1e-9, 1e-2)
    fine = np.unique(np.concatenate([np.linspace(0.07, 0.21, 141), near]))
    theory = np.array([replica_overlap(float(load)) for load in fine])
    at = np.array([replica_overlap(load) for load in p.loads])
    variables |= {
        "replica": (("fine_load",), theory, "1", "replica-symmetric overlap at zero temperature"),
        "replica_at": (("load",), at, "1", "the same at the loads of the simulation"),
    }
    coords: dict[str, Any] = {
        "n_spins": list(p.sizes), "load": list(p.loads), "fine_load": fine,
        "pair": [f"{a}, {b}" for a, b in itertools.pairwise(p.sizes)], "wrong": list(p.wrong),
    }  # fmt: skip
    for rule in RULES:
        more, coords[f"load_{rule}"] = basins(p, rule)
        variables |= more
    data = labelled(p, "capacity of the classical Hopfield network", variables, coords)
    data.attrs |= found | {"replica_jump": jump, "replica_jump_overlap": float(erf(y))}
    return data


def plot(data: xr.Dataset) -> Figure:
    """Row one: the capacity. Row two: the basins."""
    figure, axes = panels(2, 3, (11.5, 7))
    _draw_loads(axes[0, 0], data, "overlap", "mean overlap at rest")
    axes[0, 0].plot(data.fine_load, data.replica, "k--", lw=1.2, label="replica symmetric")
    _draw_loads(axes[0, 1], data, "fraction_kept", "fraction of patterns kept")
    for ax, text in zip(axes[0], ("start at a pattern", "overlap above 0.9", "half of them lost"),
                        strict=True):  # fmt: skip
        title(ax, text)
    axes[0, 1].axvline(data.replica_jump, color="k", ls="--", lw=0.9)
    axes[0, 0].legend(fontsize="x-small", frameon=False, loc="lower left")
    _draw_limit(axes[0, 2], data)
    for ax, rule, text in zip(axes[1], RULES, ("Hebb", "pseudo-inverse"), strict=False):
        _draw_basins(ax, data, rule)
        title(ax, f"{text} couplings")
    for rule, text, colour, mark in zip(RULES, ("Hebb", "pseudo-inverse"), COLOURS, MARKERS,
                                        strict=False):  # fmt: skip
        axes[1, 2].errorbar(data[f"load_{rule}"], data[f"radius_{rule}"],
                            data[f"radius_{rule}_error"], fmt=mark, ls="-", ms=4, lw=1.2,
                            capsize=2, color=colour, label=text)  # fmt: skip
    axes[1, 2].axvline(data.replica_jump, color="k", ls="--", lw=0.9)
    axes[1, 2].set(xlabel="load $p/N$", ylabel="wrong bits at success 1/2", ylim=(0, 0.5))
    axes[1, 2].legend(fontsize="small", frameon=False)
    title(axes[1, 2], "size of the basins")
    return figure


def _draw_loads(ax: Any, data: xr.Dataset, name: str, text: str) -> None:
    for N, colour, mark in zip(data.n_spins.values, COLOURS, MARKERS, strict=False):
        part = data.sel(n_spins=N)
        ax.errorbar(data["load"], part[name], part[f"{name}_error"], fmt=mark, ls="-", lw=1, ms=3,
                    color=colour, label=f"N = {N}")  # fmt: skip
    ax.set(xlabel="load $p/N$", ylabel=text, ylim=(0, 1.03), xlim=(0.07, 0.205))


def _draw_limit(ax: Any, data: xr.Dataset) -> None:
    x = data.n_spins.values**-0.5
    line = np.linspace(0, 1.05 * x.max(), 60)
    ax.plot(line, data.limit_large + data.slope_large * line, color="0.6", lw=1,
            label=r"line in $N^{-1/2}$, N > 250")  # fmt: skip
    if "limit_free" in data.attrs:
        power = data.limit_free + data.power_free * line ** (2 * data.exponent)
        ax.plot(line, power, color="0.6", lw=1, ls=":",
                label=f"free exponent, {data.exponent:.2f}")  # fmt: skip
    ax.errorbar(x, data.half_load, data.half_load_error, fmt="o", ms=4, capsize=2,
                color=COLOURS[0], label="half load")  # fmt: skip
    smaller = x[:-1] / np.sqrt(2)
    ax.errorbar(smaller, data.crossing, data.crossing_error, fmt="s", ms=4, capsize=2,
                color=COLOURS[1], label="crossing of N/2 and N")  # fmt: skip
    ax.axhline(data.replica_jump, color="k", ls="--", lw=0.9, label="replica jump")
    ax.set(xlabel=r"$N^{-1/2}$", ylabel="load $p/N$", xlim=(0, line[-1]))
    ax.legend(fontsize="x-small", frameon=False, loc="upper left")


def _draw_basins(ax: Any, data: xr.Dataset, rule: str) -> None:
    loads = data[f"load_{rule}"].values
    shown = loads[:: max(1, (len(loads) - 1) // 4)]
    for load, colour, mark in zip(shown, COLOURS, MARKERS, strict=False):
        part = data.sel({f"load_{rule}": load})
        ax.errorbar(data.wrong, part[f"success_{rule}"], part[f"success_{rule}_error"], fmt=mark,
                    ls="-", ms=3, lw=1, color=colour, label=f"{load:g}")  # fmt: skip
    ax.set(xlabel="fraction of wrong bits", ylabel="pattern found again", ylim=(0, 1.03),
           xlim=(-0.01, 0.62), xticks=np.arange(6) / 10)  # fmt: skip
    ax.legend(title="$p/N$", fontsize="x-small", title_fontsize="x-small", frameon=False,
              loc="center right")  # fmt: skip


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
