"""Does `converge` keep its word? Twenty problems with exact answers.

Question: is the true error below the tolerance that was asked for, and how much effort is it?

Random problems of every kind that has an exact answer: three patterns or random couplings, from
starts tilted out of every plane, and one pattern in more spins, by TDVP and TEBD; spins in lossy
modes that begin with too few Fock levels, by TDVP and `Exact`; sampled Glauber dynamics. The truth
is `Exact`, `Symmetric` or `ClassicalMaster` with a tolerance of 1e-11, and a dozen more levels.

Command: python studies/convergence/tolerances.py [--plot-only]
Run time: about 10 minutes of processor time, one thread.

error: largest deviation of any named observable, at any time, in units of the tolerance; bar: the
largest error bar in the same units.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, labelled, legend_outside, main, panels

TIMES = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Params:
    """Number of problems of every kind."""

    three_patterns: int = 3
    random_couplings: int = 3
    many_spins: int = 3
    gates: int = 3
    modes: int = 3
    levels: int = 3
    sampling: int = 2

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(0, 0, 0, 0, 0, 1, 0)


@dataclass(frozen=True)
class Case:
    """A problem, what is asked of it, and the truth."""

    name: str
    problem: th.Problem
    method: Any
    tolerance: dict[str, float]
    truth: Any


def tilted(model: th.Model, rng: np.random.Generator, **more: Any) -> Any:
    """A product state with different Bloch vectors, none in a plane of symmetry."""
    vectors = rng.normal(size=(model.n_spins, 3)) + np.array([0.3, -0.2, 0.8])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return th.product_state(model, bloch=0.9 * vectors / lengths, **more)


def three_patterns(seed: int) -> Case:
    """Three patterns, from one to four digits."""
    rng = np.random.default_rng([1, seed])
    xi = th.random_patterns(3, 7 + seed % 3, rng=seed)
    model = th.open_hopfield(xi, beta=rng.uniform(0.8, 2.2), Omega=rng.uniform(0.2, 0.6))
    problem = th.Problem(model, tilted(model, rng), TIMES, ["m_z", "m_y", "sigma_x"])
    accepted = (1e-3, 3e-4, 1e-4)[seed % 3]
    wanted = {"m_z": accepted, "m_y": accepted, "sigma_x": 3 * accepted}
    return Case("three patterns", problem, "TDVP", wanted, th.Exact(1e-11))


def random_couplings(seed: int) -> Case:
    """Couplings without patterns."""
    rng = np.random.default_rng([2, seed])
    J = rng.normal(size=(7, 7)) / np.sqrt(7)
    xi, J = np.ones((1, 7)), np.triu(J, 1) + np.triu(J, 1).T
    model = th.open_hopfield(xi, beta=1.3, Omega=0.45, couplings=J)
    problem = th.Problem(model, tilted(model, rng), TIMES, ["sigma_z", "sigma_y"])
    wanted = {"sigma_z": 2e-3, "sigma_y": 2e-3}
    return Case("random couplings", problem, "TDVP", wanted, th.Exact(1e-11))


def many_spins(seed: int) -> Case:
    """One pattern in 22 to 34 spins."""
    rng = np.random.default_rng([3, seed])
    n_spins = 16 + 6 * seed
    model = th.open_hopfield(
        np.ones((1, n_spins)), beta=rng.uniform(1.2, 2.5), Omega=rng.uniform(0.3, 0.5)
    )
    start = th.product_state(model, bloch=np.tile([0.3, -0.2, 0.7], (n_spins, 1)))
    problem = th.Problem(model, start, TIMES, ["m_z", "m_y"])
    return Case("many spins", problem, "TDVP", {"m_z": 1e-3, "m_y": 1e-3}, th.Symmetric(1e-11))


def gates(seed: int) -> Case:
    """Three patterns, by gates and channels."""
    rng = np.random.default_rng([4, seed])
    xi = th.random_patterns(3, 6, rng=seed + 20)
    model = th.open_hopfield(xi, beta=rng.uniform(0.8, 1.6), Omega=rng.uniform(0.2, 0.6))
    problem = th.Problem(model, tilted(model, rng), TIMES, ["m_z", "m_x"])
    wanted = {"m_z": 3e-3, "m_x": 3e-3}
    return Case("gates and channels", problem, "TEBD", wanted, th.Exact(1e-11))


def modes(seed: int) -> Case:
    """Spins and one or two lossy modes with too few levels."""
    rng = np.random.default_rng([5, seed])
    g = rng.normal(scale=0.5, size=(1 + seed % 2, 2))
    frequencies = [1.0, 1.3][: len(g)]
    model = th.multimode_dicke(
        g, omega=frequencies, Omega=0.6, loss=[0.9, 1.2][: len(g)], gain=0.1, fock_dim=6
    )
    problem = th.Problem(model, tilted(model, rng), TIMES, ["sigma_z", "occupation"])
    wanted = {"sigma_z": 3e-3, "occupation": 1e-2}
    return Case("chain with modes", problem, "TDVP", wanted, th.Exact(1e-11))


def levels(seed: int) -> Case:
    """A displaced mode with too few levels, by the exact solver."""
    rng = np.random.default_rng([6, seed])
    g = rng.normal(scale=0.7, size=(1, 3))
    model = th.multimode_dicke(g, omega=1.1, Omega=0.5, loss=0.8, gain=0.15, fock_dim=5)
    start = tilted(model, rng, alpha=[0.6 - 0.3j])
    problem = th.Problem(model, start, TIMES, ["sigma_z", "occupation", "alpha"])
    wanted = {"sigma_z": 1e-4, "occupation": 1e-4, "alpha": 1e-4}
    return Case("levels of a mode", problem, "Exact", wanted, th.Exact(1e-11))


def sampling(seed: int) -> Case:
    """Glauber dynamics, sampled."""
    xi = th.random_patterns(3, 8, rng=seed + 40)
    model = th.open_hopfield(xi, beta=1.4)
    start = th.pattern_state(model, overlap=0.6)
    problem = th.Problem(model, start, TIMES, ["m_z"], rng=seed)
    return Case("sampling", problem, "KineticMonteCarlo", {"m_z": 5e-3}, th.ClassicalMaster(1e-11))


MAKERS: tuple[Callable[[int], Case], ...] = (
    three_patterns, random_couplings, many_spins, gates, modes, levels, sampling,
)  # fmt: skip


def cases(params: Params) -> Iterator[Case]:
    """Yield all problems."""
    for make in MAKERS:
        for seed in range(1, 1 + getattr(params, make.__name__)):
            yield make(seed)


def true_error(case: Case, answer: th.Convergence) -> float:
    """Return the largest deviation from the truth, in units of the tolerance."""
    model = answer.result.model
    if model.n_modes:
        model = model.with_levels([model.sites[k].dim + 12 for k in model.modes])
    names = [*case.tolerance]
    exact = th.evolve(model, case.problem.state, TIMES, observables=names, method=case.truth)
    return max(
        np.abs(answer.result.expect[name] - exact.expect[name]).max() / accepted
        for name, accepted in case.tolerance.items()
    )


def compute(params: Params) -> xr.Dataset:
    """Converge every problem and measure its true error."""
    rows = []
    for case in cases(params):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", th.TruncationWarning)
            answer = th.converge(case.problem, case.tolerance, method=case.method)
        seconds = [run.result.stats["wall_time"] for run in answer.runs]
        rows.append((case.name, answer.converged, true_error(case, answer), answer.runs[-1].bar,
                     len(seconds), seconds[-1], sum(seconds)))  # fmt: skip
        print(
            f"{case.name:20} {answer.converged!s:5} error {rows[-1][2]:.3f} bar {rows[-1][3]:.2f}"
            f" {len(seconds)} runs, {sum(seconds):.1f} s", flush=True
        )  # fmt: skip
    names, converged, errors, bars, runs, last, total = zip(*rows, strict=True)
    dims = ("problem",)
    variables = {
        "converged": (dims, np.array(converged, float), "1", "1 if converge says so"),
        "error": (dims, np.array(errors), "tolerance", "largest deviation from the truth"),
        "bar": (dims, np.array(bars), "tolerance", "largest error bar"),
        "runs": (dims, np.array(runs, float), "1", "number of runs"),
        "last_run": (dims, np.array(last), "s", "time of the last run"),
        "all_runs": (dims, np.array(total), "s", "time of all runs"),
    }
    question = "Is the true error below the tolerance that was asked for?"
    return labelled(params, question, variables, {"problem": [*names]})


def plot(data: xr.Dataset) -> Figure:
    """Draw errors and bars in units of the tolerance, and the effort."""
    figure, axes = panels(2, 1, (7.2, 5.6))
    places = np.arange(data.sizes["problem"])
    ax = axes[0, 0]
    ax.semilogy(places, data["bar"], "_", ms=11, mew=2, color=COLOURS[0], label="error bar")
    ax.semilogy(places, data["error"], "o", color=COLOURS[1], label="true error")
    ax.axhline(1.0, color="0.4", lw=0.8)
    ax.set(xlabel="problem", ylabel="in units of the tolerance")
    ax.set_xticks(places, [])
    below = axes[1, 0]
    below.bar(places, data["all_runs"], color="0.8", label="all runs")
    below.bar(places, data["last_run"], color=COLOURS[2], label="the last run")
    below.set_yscale("log")
    below.set(xlabel="problem", ylabel="seconds")
    below.set_xticks(places, data["problem"].values, rotation=45, ha="right", fontsize="small")
    for panel in (ax, below):
        panel.set_xlim(-0.8, len(places) - 0.2)
    legend_outside(figure, [ax, below], 4, side="upper")
    return figure


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
