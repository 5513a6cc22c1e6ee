"""Error bars of the tensor networks beside true errors.

Question: how often is the true error inside the bar, and how much too large is the bar?

Random problems in five strata, in each of which another source of error is made large: truncation
(cutoff), projection (bonds that may not grow), time step (TDVP and TEBD), the interpolated
generator, and the Fock tail. Random patterns, couplings, temperatures, fields and tilted starts;
`Exact` is the truth, for the Fock tail with more levels. A sixth group has 20 to 80 spins beside
`Symmetric`. No seed was used when the bars were tuned.

Command: python studies/validation/calibration.py [--plot-only]
Run time: about 15 minutes, one thread.

A point is one observable of one problem at one time: the component with the largest error. Errors
outside 1e-6 ... 1e-1 are left out.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, labelled, main, panels, title

STRATA = ("truncation", "projection", "time step", "generator", "Fock tail", "many spins")
SPINS, MODES = ("m_x", "m_y", "m_z", "energy"), ("m_x", "m_y", "m_z", "occupation")
SMALLEST, LARGEST = 1e-6, 1e-1


@dataclass(frozen=True)
class Params:
    """Number of problems and the first seed."""

    problems: int = 40
    large_problems: int = 12
    first_seed: int = 50000
    sizes: tuple[int, int] = (4, 7)
    large_sizes: tuple[int, int] = (20, 80)
    final_time: float = 5.0

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(problems=2, large_problems=1, sizes=(3, 4), large_sizes=(5, 6), final_time=1.0)


Case = tuple[th.Model, Any, Any, Any, Any]  # model, state, method, model and method of the truth


def spins(rng: np.random.Generator, n_spins: int, field_jumps: bool = False) -> th.Model:
    """Random network: Hebbian or Gaussian couplings in the jumps, or in the Hamiltonian."""
    xi = th.random_patterns(n_patterns=int(rng.integers(1, 5)), n_spins=n_spins, rng=rng)
    beta, Omega = rng.uniform(0.5, 3), rng.uniform(0.1, 0.8)
    kind = rng.integers(2 if field_jumps else 3)
    if kind == 0:
        J = rng.normal(size=(n_spins, n_spins)) / n_spins**0.5
        np.fill_diagonal(J, 0.0)
        return th.open_hopfield(xi, beta=beta, Omega=Omega, couplings=J)
    if kind == 1:
        return th.open_hopfield(xi, beta=beta, Omega=Omega)
    return th.hebbian_ising(xi, Omega=Omega, decay=rng.uniform(0.1, 0.6))


def tilted(model: th.Model, rng: np.random.Generator) -> Any:
    """Random Bloch vectors, modes empty."""
    return th.product_state(model, bloch=rng.uniform(-0.55, 0.55, size=(model.n_spins, 3)))


def small_case(stratum: str, rng: np.random.Generator, params: Params) -> Case:
    """A problem in which one source of error is large."""
    n_spins = int(rng.integers(params.sizes[0], params.sizes[1] + 1))
    if stratum == "Fock tail":
        return fock_case(rng)
    model = spins(rng, n_spins, stratum == "generator")
    sharp: dict[str, Any] = {"mpo_tolerance": 1e-5, "rate_tolerance": 1e-2, "cutoff": 1e-6}
    if stratum == "truncation":
        method: Any = th.TDVP(**sharp | {"cutoff": 10 ** rng.uniform(-5, -2.5)})
    elif stratum == "projection":
        limits = {"expansion": int(rng.integers(0, 2))} if rng.integers(2) else {
            "max_bond": int(rng.integers(2, 9)), "sites": int(rng.integers(1, 3))}  # fmt: skip
        method = th.TDVP(**sharp | limits)
    elif stratum == "time step":
        method = (
            th.TDVP(**sharp, dt=rng.uniform(0.4, 1.2)) if rng.integers(2)
            else th.TEBD(**sharp | {"mpo_tolerance": 1e-4}, dt=rng.uniform(0.05, 0.4))
        )  # fmt: skip
    else:
        coarse = {"mpo_tolerance": 10 ** rng.uniform(-3.5, -1.3), "rate_tolerance": 0.5}
        method = th.TDVP(**sharp | coarse)
    return model, tilted(model, rng), method, model, th.Exact(1e-11)


def fock_case(rng: np.random.Generator) -> Case:
    """Few levels beside twelve more."""
    levels = int(rng.integers(4, 9))
    arguments: dict[str, Any] = {
        "g": rng.uniform(0.2, 0.9), "omega": rng.uniform(0.7, 1.4), "Omega": rng.uniform(0.2, 0.8),
        "loss": rng.uniform(0.5, 1.5), "gain": rng.uniform(0, 0.2),
    }  # fmt: skip
    few, many = (th.dicke(2, **arguments, fock_dim=dim) for dim in (levels, levels + 12))
    state = tilted(few, rng)
    return few, state, th.TDVP(cutoff=1e-6, dt=0.2), many, th.Exact(1e-10)


def large_case(rng: np.random.Generator, params: Params) -> Case:
    """One pattern, a start that its symmetry allows."""
    n_spins = int(rng.integers(params.large_sizes[0], params.large_sizes[1] + 1))
    xi = th.random_patterns(n_patterns=1, n_spins=n_spins, rng=rng)
    model = th.open_hopfield(xi, beta=rng.uniform(0.5, 3), Omega=rng.uniform(0.1, 0.8))
    x, y, z = 0.8 * (v := rng.normal(size=3)) / np.linalg.norm(v)
    bloch = np.stack([np.full(n_spins, x), y * xi[0], z * xi[0]], 1)
    return model, th.product_state(model, bloch=bloch), th.TDVP(), model, th.Symmetric(1e-10)


def points(case: Case, params: Params, rng: np.random.Generator) -> list[tuple[float, float]]:
    """True error and bar, by observable and time."""
    model, state, method, true_model, truth = case
    times = rng.uniform(0.3, 1) * params.final_time * np.linspace(0.25, 1, 4)
    names = MODES if model.n_modes else SPINS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        found = th.evolve(model, state, times, observables=names, method=method)
        exact = th.evolve(true_model, state, times, observables=names, method=truth)
    pairs = []
    for name in names:
        errors = np.abs(found.expect[name] - exact.expect[name]).reshape(len(times), -1)
        bars = found.errors[name].reshape(len(times), -1)
        worst = errors.argmax(axis=1)
        rows = np.arange(len(times))
        pairs += list(zip(errors[rows, worst], bars[rows, worst], strict=True))
    return pairs


def compute(params: Params) -> xr.Dataset:
    """All strata."""
    rows: list[tuple[int, float, float]] = []
    for s, stratum in enumerate(STRATA):
        large = stratum == "many spins"
        for k in range(params.large_problems if large else params.problems):
            rng = np.random.default_rng(params.first_seed + 1000 * s + k)
            case = large_case(rng, params) if large else small_case(stratum, rng, params)
            rows += [(s, error, bar) for error, bar in points(case, params, rng)]
    table = np.array(rows)
    table = table[(table[:, 1] > SMALLEST) & (table[:, 1] < LARGEST)]
    inside, ratio, counts = [], [], []
    for s in range(len(STRATA)):
        own = table[table[:, 0] == s]
        counts.append(len(own))
        inside.append(np.mean(own[:, 1] <= own[:, 2]) if len(own) else np.nan)
        ratio.append(np.median(own[:, 2] / own[:, 1]) if len(own) else np.nan)
    variables = {
        "stratum_of": (("point",), table[:, 0], "1", "number of the stratum"),
        "true_error": (("point",), table[:, 1], "1", "true error"),
        "bar": (("point",), table[:, 2], "1", "error bar"),
        "inside": (("stratum",), np.array(inside), "1", "share of errors inside the bar"),
        "ratio": (("stratum",), np.array(ratio), "1", "median of bar / error"),
        "points": (("stratum",), np.array(counts), "1", "number of points"),
        "inside_all": ((), np.mean(table[:, 1] <= table[:, 2]), "1", "share inside, all strata"),
        "ratio_all": ((), np.median(table[:, 2] / table[:, 1]), "1", "median ratio, all strata"),
    }
    coords = {"stratum": list(STRATA)}
    return labelled(params, "true error beside its bar", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """One panel per stratum: bar against true error."""
    figure, axes = panels(2, 3, (10, 6.4))
    line = np.array([SMALLEST, LARGEST])
    for s, (ax, name) in enumerate(zip(axes.flat, data.stratum.values.tolist(), strict=True)):
        own = data.isel(point=np.flatnonzero(data.stratum_of.values == s))
        ax.loglog(own.true_error, own.bar, ".", ms=4, color=COLOURS[s % len(COLOURS)], alpha=0.6)
        ax.loglog(line, line, "k-", lw=1)
        ax.loglog(line, 30 * line, "k:", lw=1)
        one = data.sel(stratum=name)
        title(ax, f"{name}: {float(one.inside):.0%} inside, × {float(one.ratio):.0f}")
        ax.set(xlabel="true error", ylabel="error bar", xlim=(SMALLEST, LARGEST))
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
