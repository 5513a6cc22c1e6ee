"""Convergence: numerics refined until an answer is stable within a tolerance and its bars agree."""

from __future__ import annotations

import math
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import Answer
from tnhop.answers.loading import load
from tnhop.answers.result import Result
from tnhop.answers.verdict import UNDETERMINED
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem
from tnhop.solvers.choice import choose_method
from tnhop.solvers.contract import Refinable
from tnhop.storage.store import Store, open_store
from tnhop.support.checks import fail, integer, one_of, real, wrong_type
from tnhop.support.errors import TruncationWarning, warn
from tnhop.support.units import pretty_bytes
from tnhop.sweeps.task import INTERRUPTED, Task, run_task

__all__ = ["Convergence", "Run", "converge"]

_SHARE = 0.7  # of the tolerance that is given out to the sources of error
_NEGLIGIBLE = 0.02  # share of the tolerance below which a source needs no attention
_AGAIN = 1.5  # by which all errors are reduced where only the stability is missing
_MOST = 10.0  # largest factor from a run whose values cannot be right: its bars measure nothing


@dataclass(frozen=True)
class Run:
    """One run of a convergence study.

    Parameters
    ----------
    result : Result
        Its answer.
    bar : float
        Largest error bar, in units of the tolerance.
    change : float
        Largest change since the run before, in units of the tolerance; NaN for the first.
    sources : dict of str to float
        Largest half-width by source, in units of the tolerance.
    determined : bool
        Whether all values of the named observables can be right.
    """

    result: Result
    bar: float
    change: float
    sources: dict[str, float]
    determined: bool = True

    @property
    def limited_by(self) -> str:
        """The largest source of error."""
        return max(self.sources, key=self.sources.__getitem__)


@dataclass(frozen=True, repr=False)
class Convergence(Answer):
    """Answer of `converge`.

    Parameters
    ----------
    runs : tuple of Run
        All runs, the best last.
    tolerance : dict of str to float
        What was asked for.
    converged : bool
        Whether the bars are below the tolerance and the last change, too.
    reason : str
        Why it ended.
    """

    runs: tuple[Run, ...]
    tolerance: dict[str, float]
    converged: bool
    reason: str

    columns: ClassVar[tuple[str, ...]] = (
        "run", "bar/tolerance", "change/tolerance", "limited by", "seconds", "numerics",
    )  # fmt: skip

    @property
    def result(self) -> Result:
        """The best answer, with its error bars."""
        return self.runs[-1].result

    @property
    def model(self) -> Model:
        """The model of the best answer."""
        return self.result.model

    @property
    def method(self) -> Any:
        """The method of the best answer, with its numerics."""
        return self.result.method

    def rows(self) -> list[tuple[str, ...]]:
        """Return number, bar, change, largest source, seconds and numerics of every run."""
        rows: list[tuple[str, ...]] = []
        knobs = _knobs([run.result for run in self.runs])
        for k, run in enumerate(self.runs):
            change = "" if math.isnan(run.change) else f"{run.change:.2g}"
            seconds = f"{run.result.stats['wall_time']:.2g}"
            numbers = ", ".join(f"{name} = {values[k]}" for name, values in knobs.items())
            bar = f"{run.bar:.2g}" + ("" if run.determined else f" ({UNDETERMINED})")
            rows.append((f"{k + 1}", bar, change, run.limited_by, seconds, numbers))
        return rows

    def _head(self) -> list[str]:
        """Return the tolerances, and whether and why the runs ended."""
        wanted = ", ".join(f"{name} to {value:g}" for name, value in self.tolerance.items())
        return [f"{wanted}: {'converged' if self.converged else 'NOT converged'} ({self.reason})"]

    def _draw(self, **options: Any) -> Any:
        """Draw bars and changes over the runs."""
        from tnhop.plots.refinement import draw_refinement

        bars, changes = ([getattr(run, name) for run in self.runs] for name in ("bar", "change"))
        return draw_refinement(bars, changes, **options)

    def __repr__(self) -> str:
        """Return head and table of the runs, and the best answer."""
        return "\n".join([super().__repr__(), repr(self.result)])

    def _repr_html_(self) -> str:
        """Return the same as tables for notebooks."""
        return super()._repr_html_() + self.result._repr_html_()


def converge(
    problem: Problem,
    tolerance: Mapping[str, float],
    *,
    method: Any = "auto",
    store: str | os.PathLike[str] | None = None,
    max_wall_time: float | None = None,
    max_memory: float | None = None,
    max_runs: int = 8,
) -> Convergence:
    """Refine the numerics until observables are stable within a tolerance and their bars agree.

    A cheap run with coarser numerics comes first. What its budget says of each source of error
    decides by how much each knob is turned for the next: time step, cutoff and bond, generator,
    samples, and levels of modes, beyond the `fock_dim` of the model. It ends where all error bars
    of the named observables, at all times, are at most the tolerance, the last two runs differ by
    no more, and none of the values is undetermined.

    Parameters
    ----------
    problem : Problem
        What is computed.
    tolerance : mapping of str to float
        Observable → largest accepted error.
    method : Method or str
        Where to start; ``"auto"`` chooses as `evolve` does.
    store : str or path, optional
        Folder of the runs: the same call goes on from there after a kill. By default a temporary
        one.
    max_wall_time : float, optional
        Seconds after which the best value so far is returned, with its error.
    max_memory : float, optional
        Bytes that no run may be estimated to need more of.
    max_runs : int
        Largest number of runs.

    Returns
    -------
    Convergence

    Raises
    ------
    ValueError
        If an observable has no error bar with this method, or no run could be finished.

    Warns
    -----
    TruncationWarning
        If the tolerance was not met, with the reason.

    Notes
    -----
    **Use when** a number is to be published. **Cost**: mostly that of the last run, since costs
    grow quickly with accuracy.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.open_hopfield(th.random_patterns(3, 5, rng=1), beta=1.5, Omega=0.4)
    >>> problem = th.Problem(model, th.pattern_state(model, overlap=0.8), [0.5, 1.0])
    >>> answer = th.converge(problem, {"m_z": 1e-3}, method="TDVP")
    >>> answer.converged, bool(answer.result.errors["m_z"].max() <= 1e-3)
    (True, True)
    """
    wanted = _check_tolerance(problem, tolerance)
    chosen = choose_method(problem, method, "evolve")
    if not isinstance(chosen, Refinable):
        name = type(chosen).__name__
        raise fail("method", "have error bars that can be made smaller", f"`{name}` has none")
    limits = _Limits(max_wall_time, max_memory, integer(max_runs, "max_runs", minimum=2))
    with tempfile.TemporaryDirectory() if store is None else nullcontext(store) as folder:
        answer = _Refinement(problem, wanted, limits, open_store(folder)).follow(chosen)
    if not answer.converged:
        warn(f"Not converged: {answer.reason}.")
    return answer


def _check_tolerance(problem: Any, tolerance: Any) -> dict[str, float]:
    if not isinstance(problem, Problem):
        raise wrong_type("problem", "be a Problem", problem, "Use `th.Problem(...)`.")
    if problem.state is None:
        raise fail("problem", "have a state", "its state is None")
    if not isinstance(tolerance, Mapping) or not tolerance:
        raise wrong_type("tolerance", 'map observables to numbers, as in {"m_z": 1e-3}', tolerance)
    names = [o.name for o in problem.observables]
    for name in tolerance:
        one_of(name, "tolerance", names)
    return {
        name: real(value, f"tolerance['{name}']", above=0.0) for name, value in tolerance.items()
    }


@dataclass(frozen=True)
class _Limits:
    """Largest cost of a study."""

    wall_time: float | None
    memory: float | None
    runs: int

    def __post_init__(self) -> None:
        for name in ("wall_time", "memory"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, real(value, f"max_{name}", above=0.0))


class _Refinement:
    """A sequence of runs, each taught by those before."""

    def __init__(
        self, problem: Problem, tolerance: dict[str, float], limits: _Limits, store: Store
    ) -> None:
        self._problem, self._tolerance, self._limits, self._store = (
            problem, tolerance, limits, store,
        )  # fmt: skip
        seconds = limits.wall_time
        self._deadline = None if seconds is None else time.time() + seconds
        self._runs: list[Run] = []

    def follow(self, method: Any) -> Convergence:
        """Run until the answer is good, or a limit is reached."""
        problem, current = self._problem, method.coarser()
        while True:
            why = self._run(problem, current)
            if why is None and self._good():
                return self._answer(True, "bars and last change are below it")
            if why is None and len(self._runs) == self._limits.runs:
                why = f"max_runs = {self._limits.runs}"
            if why is not None:
                return self._answer(False, why)
            problem, finer = self._next(problem, current)
            if finer == current and problem.model == self._runs[-1].result.model:
                source = self._runs[-1].limited_by
                return self._answer(False, f"nothing that can be changed reduces '{source}'")
            current = finer

    def _good(self) -> bool:
        last = self._runs[-1]
        return last.determined and last.bar <= 1.0 and last.change <= 1.0  # NaN for the first

    def _answer(self, converged: bool, reason: str) -> Convergence:
        if not self._runs:
            raise ValueError(f"No run could be finished: {reason}.")
        runs = self._runs
        if not converged:  # the best last: the smallest bar of those that can be right
            runs = sorted(runs, key=lambda run: (run.determined, -run.bar))
            if not runs[-1].determined:
                reason = f"{reason}; values are {UNDETERMINED}"
        return Convergence(tuple(runs), self._tolerance, converged, reason)

    def _next(self, problem: Problem, method: Any) -> tuple[Problem, Any]:
        """Return problem and method with smaller errors where they are too large."""
        last = self._runs[-1]
        active = [name for name, size in last.sources.items() if size > _NEGLIGIBLE]
        share = _SHARE / max(len(active), 1)
        excess = {name: last.sources[name] / share for name in active}
        excess = {name: factor for name, factor in excess.items() if factor > 1.0}
        if last.bar <= 1.0:  # only the stability is missing
            excess = {name: max(excess.get(name, 1.0), _AGAIN) for name in last.sources}
        if not last.determined:
            excess = {name: min(factor, _MOST) for name, factor in excess.items()}
        if "fock_tail" in excess:
            model = more_levels(problem.model, last.result.stats["fock_tail"], excess["fock_tail"])
            names = _names(problem.model, problem.observables)
            problem = replace(problem, model=model, observables=names)
        return problem, method.refined(excess, last.result.stats)

    def _run(self, problem: Problem, method: Any) -> str | None:
        """Add a run; return why there is none."""
        reason = method.supports(problem, "evolve")
        if reason is not None:
            return reason.rstrip(".")
        memory = method.estimate(problem, "evolve").memory
        if self._limits.memory is not None and memory > self._limits.memory:
            most = pretty_bytes(self._limits.memory)
            return f"the next run needs {pretty_bytes(memory)}, max_memory = {most}"
        task = Task(problem, method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)  # what they say is in the budget
            outcome = run_task(task.to_text(), str(self._store.folder), self._deadline, True)
        if outcome.status == "stopped":
            limit = f"max_wall_time = {self._limits.wall_time}"
            return "interrupted" if outcome.message == INTERRUPTED else limit
        if outcome.status == "busy":
            found = f"another process works in '{self._store.folder}'"
            raise fail("store", "belong to one study at a time", found)
        if outcome.status == "unwritten" and not self._runs:
            raise OSError(outcome.message)
        if outcome.status in ("failed", "unwritten"):
            return outcome.message.rstrip(".")
        self._runs.append(self._judged(load(self._store.answer(task.digest))))
        return None

    def _judged(self, result: Result) -> Run:
        """Measure bars and changes in units of the tolerance."""
        sources: dict[str, float] = {}
        determined = all(result.determined[name].all() for name in self._tolerance)
        bar = change = 0.0
        for name, accepted in self._tolerance.items():
            widths = result.errors[name]
            if determined and not np.isfinite(widths).all():
                found = f"those of '{name}' are unknown with `{type(result.method).__name__}`"
                raise fail("tolerance", "name observables with error bars", found)
            bar = max(bar, _largest(widths) / accepted)
            for source, size in result.errors.sources(name).items():
                sources[source] = max(sources.get(source, 0.0), _largest(size) / accepted)
            if self._runs:
                before = self._runs[-1].result.expect[name]
                change = max(change, _distance(result.expect[name], before) / accepted)
        return Run(result, bar, change if self._runs else math.nan, sources, determined)


def _largest(widths: NDArray[np.float64]) -> float:
    """Return the largest half-width; one that is not known is infinite."""
    return float(np.where(np.isnan(widths), np.inf, widths).max())


def _distance(now: NDArray[Any], before: NDArray[Any]) -> float:
    """Return the largest difference; more levels have more entries, which are compared with 0."""
    shape = tuple(max(pair) for pair in zip(now.shape, before.shape, strict=True))
    padded = [np.pad(a, [(0, n - m) for n, m in zip(shape, a.shape, strict=True)])
              for a in (now, before)]  # fmt: skip
    change = float(np.abs(padded[0] - padded[1]).max())
    return math.inf if math.isnan(change) else change


def more_levels(model: Model, tail: float, factor: float) -> Model:
    """Return the model with more Fock levels, so that its tail falls by a factor.

    Occupations of high levels fall about geometrically: p(n) = q^n with q from the tail.
    """

    def levels(dim: int) -> int:
        decay = max(-math.log(max(tail, 1e-300)) / dim, 0.05)
        return min(dim + max(1, math.ceil(math.log(2 * factor) / decay)), 2 * dim)

    return model.with_levels([levels(model.sites[k].dim) for k in model.modes])


def _names(model: Model, observables: Sequence[Observable]) -> list[Any]:
    """Return names of the model's own observables, which may depend on levels, and all others."""

    def own(o: Observable) -> bool:
        try:
            return model.select(o.name) == (o,)
        except ValueError:
            return False

    return [o.name if own(o) else o for o in observables]


def _knobs(results: Sequence[Result]) -> dict[str, list[str]]:
    """Return the numerics that differ between runs, and the levels of modes."""
    named: dict[str, list[Any]] = {
        name: [getattr(result.method, name) for result in results]
        for name in vars(results[0].method)
    }
    levels = [[result.model.sites[k].dim for k in result.model.modes] for result in results]
    named["fock_dim"] = [dims[0] if len(dims) == 1 else dims for dims in levels]
    if "epsilon" in results[0].stats:  # where None stands for a rule
        named["epsilon"] = [result.stats["epsilon"] for result in results]
    return {
        name: [f"{value:.3g}" if isinstance(value, float) else f"{value}" for value in values]
        for name, values in named.items()
        if any(value != values[0] for value in values)
    }
