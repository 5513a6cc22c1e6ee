"""Runs of the coverage study: settings of the methods, the truth, and how a run ended."""

from __future__ import annotations

import re
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from _dense import Truth, evolve
from _judge import RESOLUTION, Count, Record, judge
from _kinds import (
    ENTROPIES,
    KINDS,
    MODE_KINDS,
    NETWORKS,
    Problem,
    Rng,
    chance,
    draw,
    log_uniform,
    seeded,
    start,
    strata_of,
)
from _stationary import STATIONARY, Stationary, draw_stationary
from numpy.typing import NDArray

import tnhop as th

_DENSE = 20  # largest Hilbert space whose generator is a dense matrix
_CLASSICAL = ("classical network", "flips in a mode")
_QUANTUM = (*(f"network, {kind}" for kind in NETWORKS), "network, weak field", "XXZ", "Heisenberg",
            "Dzyaloshinskii-Moriya", "Ising glass", "collective jumps", "strong damping",
            "long times", "long times, damped", *MODE_KINDS)  # fmt: skip
_ROTATED = tuple(kind for kind in STATIONARY if kind not in ("stationary: networks",
                                                             "stationary: pairs"))  # fmt: skip

METHODS: dict[str, tuple[str, ...]] = {
    "Exact": (*_QUANTUM, *STATIONARY),
    "Symmetric": ("interchangeable spins", "collective jumps", *MODE_KINDS, *_ROTATED),
    "ClassicalMaster": (*_CLASSICAL, "stationary: metastable"),
    "KineticMonteCarlo": (*_CLASSICAL, "many classical spins"),
    "TDVP": (*_QUANTUM, "many spins", "stationary: networks", "stationary: slow spins",
             "stationary: pairs"),
    "TEBD": (*_QUANTUM, "many spins"),
}  # fmt: skip
SAMPLERS = ("KineticMonteCarlo",)
EXACT = ("Exact", "Symmetric", "ClassicalMaster")
CHAINS = ("TDVP", "TEBD")
_INTERESTING = 1e-6  # errors of chains below it have bars whose width is not looked at


def settings(method: str, kind: str, rng: Rng) -> Any:
    """Return a method: its defaults in half of the runs, random settings in the others."""
    cls = getattr(th, method)
    if method == "KineticMonteCarlo":
        few = chance(rng, 0.4)
        return cls(int(rng.integers(2, 11)) if few else round(log_uniform(rng, 10, 1000)))
    if chance(rng, 0.5) or kind == "many spins":
        return cls()
    if method in EXACT:
        return cls(tolerance=log_uniform(rng, 1e-11, 1e-3))
    chosen: dict[str, Any] = {"cutoff": log_uniform(rng, 1e-6, 3e-3)}
    if chance(rng, 0.6):
        chosen["dt"] = log_uniform(rng, 0.02, 1.0 if method == "TDVP" else 0.4)
    if chance(rng, 0.4):
        chosen["max_bond"] = round(log_uniform(rng, 3, 40))
    if chance(rng, 0.3):
        chosen["mpo_tolerance"] = log_uniform(rng, 1e-5, 1e-2)
    if method == "TDVP":
        if chance(rng, 0.2):
            chosen["sites"] = 2
        if chance(rng, 0.2):
            chosen["expansion"] = int(rng.integers(1, 8))
    return cls(**chosen)


def truth_of(problem: Problem, kind: str, method: str) -> Truth:
    """Return the observables along a run from an independent computation."""
    legs, names = problem.legs, problem.names
    if method == "ClassicalMaster":
        return evolve(legs, problem.state, names, populations=True)
    if kind in KINDS and method == "KineticMonteCarlo":
        return _by_method(problem, th.ClassicalMaster(1e-10))
    if kind == "many spins":
        return _by_method(problem, th.Symmetric(1e-10))
    if problem.more_levels:
        more = [(m.with_levels([m.sites[k].dim + problem.more_levels for k in m.modes]), t)
                for m, t in legs]  # fmt: skip
        return _by_method(Problem(tuple(more), problem.state, names), th.Exact(1e-12))
    if problem.model.hilbert_dim <= _DENSE:
        return evolve(legs, problem.state, names)
    return _by_method(problem, th.Exact(1e-12))


def _by_method(problem: Problem, method: Any) -> Truth:
    """Return what a method of tnhop says, with its bars as doubt."""
    truth = Truth()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        results = list(along(problem, method))
    for name in problem.names:
        truth.values[name] = np.concatenate([r.expect[name] for r in results])
        doubt = np.concatenate([r.errors[name] for r in results])
        truth.doubt[name] = np.nan_to_num(doubt, nan=1e-11)  # functionals of exact methods
    return truth


def along(
    problem: Problem, method: Any, seed: int = 0, limit: float | None = None
) -> Iterator[Any]:
    """Yield the results of all legs, each started from the state in which the last one ended."""
    state: Any = problem.state
    for k, (model, times) in enumerate(problem.legs):
        result = th.evolve(model, state, times, observables=list(problem.names), method=method,
                           rng=1000 * seed + k, max_wall_time=limit)  # fmt: skip
        yield result
        if "stopped" in result.stats:
            return
        state = result.final_state


def bars_of(result: Any, name: str, with_tail: bool) -> NDArray[np.float64]:
    """Return the half-widths, without the Fock tail where the truth has the same levels."""
    if result.errors is None:
        return np.full(np.shape(result.expect[name]), np.nan)
    bars = result.errors[name]
    tail = result.errors.sources(name).get("fock_tail")
    if with_tail or tail is None:
        return np.asarray(bars)
    with np.errstate(invalid="ignore"):  # where both are infinite
        return np.asarray(np.maximum(bars - tail, 0.0))


def is_sentence(error: BaseException) -> bool:
    """Return whether an exception is a refusal in words of tnhop."""
    kinds = (ValueError, TypeError, TimeoutError, MemoryError, th.ConvergenceError)
    return isinstance(error, kinds) and bool(re.match(r"[A-Z].*`.*\.$", str(error), re.DOTALL))


@contextmanager
def stopped_after(seconds: float | None) -> Iterator[None]:
    """Raise a TimeoutError after some processor time, also where `max_wall_time` is not looked at.

    Parameters
    ----------
    seconds : float, optional
        None never stops.
    """

    def stop(*_: Any) -> None:
        raise TimeoutError(f"The run did not end in {seconds} s.")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds or 0.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def watched(record: Record, limit: float | None = None) -> Iterator[None]:
    """Note in the record how a run ends, what it takes and whether it warns."""
    began = time.process_time()
    longest = stopped_after(limit and 4 * limit)
    with longest, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            record.outcome = "refused" if is_sentence(error) else "failed"
            record.sentence = f"{type(error).__name__}: {error}"[:300]
            if isinstance(error, TimeoutError):
                record.outcome = "stopped"
    record.seconds += round(time.process_time() - began, 3)
    record.spoken |= any(issubclass(w.category, th.TruncationWarning) for w in caught)
    noise = sorted({str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)})
    record.sentence = record.sentence or "; ".join(noise)[:300]


def run(method: str, kind: str, seed: int, limit: float | None = None) -> Record:
    """Run a method on the problem of this kind and seed, and compare with the truth.

    Parameters
    ----------
    method, kind : str
        Of `METHODS`.
    seed : int
        Number of the problem.
    limit : float, optional
        Seconds after which a leg is stopped.
    """
    chosen = settings(method, kind, seeded(method, kind, seed))
    default = method != "KineticMonteCarlo" and chosen == getattr(th, method)()
    record = Record(method, kind, seed, "default" if default else repr(chosen))
    if kind in STATIONARY:
        _run_stationary(record, chosen, draw_stationary(kind, seed), limit)
    else:
        _run_evolution(record, chosen, limit)
    record.strata["settings"] = "default" if default else "random"
    if method == "KineticMonteCarlo":
        n = chosen.n_samples
        record.strata["settings"] = "samples " + (
            "2-4" if n < 5 else "5-10" if n < 11 else "11-1000"
        )
    return record


def problem_of(method: str, kind: str, seed: int) -> Problem:
    """Return the problem that a method is given: small for `Exact`, whose truth is dense."""
    small = method in ("Exact", "Symmetric") and KINDS[kind].largest > 4
    names = (
        ENTROPIES if method in ("Exact", "Symmetric") else ("trace",) if method in CHAINS else ()
    )
    return draw(kind, seed, (2, 4) if small else (), names)


def _run_evolution(record: Record, method: Any, limit: float | None) -> None:
    """Run all legs and judge every observable at all times."""
    problem = problem_of(record.method, record.kind, record.seed)
    record.strata = dict(problem.strata)
    results: list[Any] = []
    with watched(record, limit):
        for result in along(problem, method, record.seed, limit):
            results.append(result)
            if "stopped" in result.stats:
                record.outcome = "stopped"
    if not results:
        return
    truth = truth_of(problem, record.kind, record.method)
    record.spoken |= any(map(doubted, results))
    if problem.model.n_modes:
        record.strata["levels"] = "more" if problem.more_levels else "same"
    for name in problem.names:
        values = np.concatenate([r.expect[name] for r in results])
        bars = np.concatenate([bars_of(r, name, bool(problem.more_levels)) for r in results])
        exact, doubt = (part[name][: len(values)] for part in (truth.values, truth.doubt))
        if record.method in SAMPLERS:
            exact = np.where(hardly_sampled(name, exact, method.n_samples), np.nan, exact)
        visible = _INTERESTING if record.method in CHAINS else RESOLUTION
        record.counts[name] = judge(values, bars, exact, doubt, visible)


def hardly_sampled(name: str, truth: NDArray[np.float64], n_samples: int) -> NDArray[np.bool_]:
    """Return where less than one sample is expected to differ: no interval can have 95 % there."""
    if name == "overlap_distribution":
        return np.asarray(np.minimum(truth, 1 - truth) * n_samples < 1)
    if name in ("sigma_z", "sigma_zz"):
        return np.asarray((1 - np.abs(truth)) / 2 * n_samples < 1)
    return np.asarray(1 - np.abs(truth) < 1e-12)


def doubted(answer: Any) -> bool:
    """Return whether an answer itself says that some of its numbers mean nothing."""
    return bool(getattr(answer, "undetermined", ""))


def _run_stationary(record: Record, method: Any, problem: Stationary, limit: float | None) -> None:
    """Find the stationary state, and judge its observables and its gap."""
    record.strata = strata_of(problem.model)
    answers: list[Any] = []
    chain = record.method in CHAINS  # whose functionals have no bars, and whose trace may be lost
    names = [name for name in problem.names if not (chain and name in ENTROPIES)]
    rng = seeded(record.kind, "start", record.seed)
    begin = start(rng, problem.model)[1] if chance(rng, 0.5) else None
    with watched(record, limit):
        answers.append(th.steady_state(problem.model, state=begin, observables=[*names, "trace"],
                                       method=method, max_wall_time=limit))  # fmt: skip
    if "independent stationary states" in record.sentence:  # every problem has one
        record.outcome = "failed"
    if not answers:
        return
    answer, truth = answers[0], problem.truth()
    if chain:
        names.append("trace")
        truth.values["trace"], truth.doubt["trace"] = np.ones(()), np.full((), 1e-14)
    record.spoken |= not answer.converged or doubted(answer)
    if not answer.converged:
        record.outcome = "not resolved"
    for name in names:
        bars = bars_of(answer, name, with_tail=False)
        record.counts[name] = _judge_stationary(answer.expect[name], bars, truth, name)
    if record.method in EXACT:
        if record.method == "Symmetric" and truth.spectrum is not None:
            _take_nearest(truth, answer.gap)
        bar = np.asarray(getattr(answer, "gap_error", np.nan))
        record.counts["gap"] = _judge_stationary(np.asarray(answer.gap), bar, truth, "gap")
    if truth.spectrum is not None and record.method in EXACT:
        with watched(record, limit):
            record.counts["eigenvalues"] = _judge_spectrum(problem.model, method, truth.spectrum)


def _take_nearest(truth: Truth, gap: float) -> None:
    """Let the gap be that of symmetric states: slower decays break the symmetry of the spins."""
    assert truth.spectrum is not None
    values, doubts = truth.spectrum
    nearest = np.abs(values.real + gap).argmin()
    truth.values["gap"], truth.doubt["gap"] = -values[nearest].real, np.asarray(doubts[nearest])


def _judge_stationary(
    values: NDArray[Any], bars: NDArray[np.float64], truth: Truth, name: str
) -> Count:
    """Judge a stationary value; where there is no bar, one hundredth of the truth decides.

    Gaps are compared in units of the true one: they may be smaller than any resolution.
    """
    exact, doubt = truth.values[name], truth.doubt[name]
    scale = np.abs(exact) if name == "gap" else np.ones_like(np.abs(exact))
    count = judge(values / scale, bars / scale, exact / scale, doubt / scale)
    if count.missing:
        count.worst = judge(
            values / scale, np.full_like(scale, 0.01), exact / scale, doubt / scale
        ).worst
    return count


def _judge_spectrum(model: th.Model, method: Any, true: tuple[NDArray[Any], ...]) -> Count:
    """Judge the slowest eigenvalues: the true ones that are nearest."""
    found = th.liouvillian_spectrum(model, 4, method=method)
    bars = getattr(found, "errors", np.full(len(found.eigenvalues), np.nan))
    nearest = np.abs(found.eigenvalues[:, None] - true[0]).argmin(axis=1)
    return judge(found.eigenvalues, bars, true[0][nearest], true[1][nearest])


def cases(methods: Sequence[str], seed: int) -> Iterator[tuple[str, str, int]]:
    """Yield (method, kind, seed) for ever, one seed after the other."""
    while True:
        for method in methods:
            for kind in METHODS[method]:
                every = KINDS[kind].every if kind in KINDS else 1
                if seed % every == 0:
                    yield method, kind, seed
        seed += 1
