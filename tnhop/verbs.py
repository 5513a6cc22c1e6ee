"""The verbs: what a user does with a Model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tnhop.answers.comparison import Comparison
from tnhop.answers.correlation import Correlation
from tnhop.answers.result import Result
from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.driver import answer_once, drive
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Cost, Problem, Snapshot
from tnhop.physics.terms import Operator
from tnhop.solvers.choice import choose_method, planned_method, warn_of_limits
from tnhop.solvers.start_errors import remember_stationary
from tnhop.support.checks import fail, flag, integer, members, wrong_type
from tnhop.support.run_options import RunOptions
from tnhop.support.threads import one_thread

__all__ = ["compare", "correlation", "estimate", "evolve", "liouvillian_spectrum", "steady_state"]


_START = "Use `th.pattern_state` or `th.product_state`."
_Verb = TypeVar("_Verb", bound=Callable[..., Any])

_RUN_KEYWORDS = """rng : int, optional
        Seed of methods that sample.
    progress : bool, optional
        Whether to show a progress bar; by default only on a terminal or in a notebook.
    checkpoint : str or path, optional
        File that keeps all that a resume needs. Where it exists, a run goes on from it, to the same
        bits on the same machine, or returns at once if it was finished. Ctrl-C, SIGTERM and
        `max_wall_time` write it last; ``kill -9`` and a power cut leave the one before.
        ``<checkpoint>.previous`` beside it belongs to it. Answers without output times are kept
        once they are found, and begin anew until then; `compare` adds the name of the method to
        that of the file.
    checkpoint_interval : float
        Seconds between two writings; more where they would take more than 5 % of the time.
    max_wall_time : float, optional
        Stop after so many seconds and return what there is, with a warning; with a `checkpoint`,
        the same call goes on from there. An answer without output times ends in TimeoutError."""


def _verb(function: _Verb) -> _Verb:
    """Document the keywords that all verbs share, and keep linear algebra on one thread."""
    if function.__doc__:
        function.__doc__ = function.__doc__.replace("RUN_KEYWORDS", _RUN_KEYWORDS)
    wrapped: _Verb = one_thread(function)
    return wrapped


@_verb
def evolve(
    model: Model,
    state: Any,
    times: ArrayLike,
    *,
    observables: Any = None,
    method: Any = "auto",
    save_states: bool = False,
    callback: Callable[[Snapshot], None] | None = None,
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> Result:
    r"""Solve :math:`\dot\rho = -i[H,\rho] + \sum_L D[L]\rho` from a state at time 0.

    Parameters
    ----------
    model : Model
        The system.
    state : State
        `pattern_state`, `product_state`, or ``previous.final_state`` (a quench), with its error.
    times : array_like, shape (n_times,)
        Output times, increasing, starting at 0 or later.
    observables : None, str, Observable or list of those
        What to evaluate; by default the model's own set.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, ``th.MeanField(...)``, or a name for its defaults.
        ``"auto"`` takes a method with error bars that supports the problem, the fastest if it takes
        more than seconds, and says which; mean field only if there is no other.
    save_states : bool
        Whether to keep the states at all output times.
    callback : callable, optional
        Called with every Snapshot; with those that a checkpoint holds it was called before.
    RUN_KEYWORDS

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If an argument is malformed, or the method cannot solve the problem (with the reason), or
        the checkpoint is damaged, in use, or of another problem, method or schema version.
    FileNotFoundError
        If the folder of the checkpoint does not exist.
    TimeoutError
        If `max_wall_time` ends before the first output time.

    Warns
    -----
    TruncationWarning
        If the run was interrupted or stopped early, the Fock space is too small, or a checkpoint
        cannot be written (once; the run goes on) or read (the one before is taken).

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.open_hopfield([[1, -1, 1]], beta=2.0, Omega=0.4)
    >>> result = th.evolve(model, th.pattern_state(model), [0.0, 1.0], method="Exact")
    >>> result.expect["m_z"].shape
    (2, 1)
    """
    if state is None:
        raise fail("state", "be given", "it is None", _START)
    if callback is not None and not callable(callback):
        raise wrong_type("callback", "be callable", callback)
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    keep = flag(save_states, "save_states")
    problem = Problem(model, state, times, observables, options.rng, keep, callback is not None)
    chosen = choose_method(problem, method, "evolve", announce=True)
    return drive(problem, chosen, options, callback)


@_verb
def steady_state(
    model: Model,
    *,
    state: Any = None,
    observables: Any = None,
    method: Any = "auto",
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> SteadyState:
    """Stationary state of the generator, with residual, multiplicity and gap.

    Parameters
    ----------
    model : Model
        The system.
    state : State, optional
        Initial state; needed only where several stationary states exist, to choose the one it
        reaches.
    observables : None, str, Observable or list of those
        What to evaluate in it.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, or a name.
    RUN_KEYWORDS

    Returns
    -------
    SteadyState

    Raises
    ------
    ValueError
        If the stationary state is not unique and no `state` is given.
    TimeoutError
        If `max_wall_time` ends first.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.independent_spins(1, decay=0.6, pumping=0.2)
    >>> round(float(th.steady_state(model).expect["sigma_z"][0]), 9)
    -0.5
    """
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    problem = Problem(model, state, [0.0], observables, options.rng)
    chosen = choose_method(problem, method, "steady_state")
    answer: SteadyState = answer_once(
        problem, chosen, options, "steady_state", lambda: chosen.steady_state(problem)
    )
    warn_of_limits(answer, problem, "steady_state")
    return remember_stationary(answer.judged(), problem)


@_verb
def liouvillian_spectrum(
    model: Model,
    k: int = 6,
    *,
    method: Any = "auto",
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> Spectrum:
    """Slowest eigenvalues of the generator, with recomputed residuals.

    Parameters
    ----------
    model : Model
        The system.
    k : int
        Number of eigenvalues, by falling real part.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, or a name.
    RUN_KEYWORDS

    Returns
    -------
    Spectrum

    Raises
    ------
    TimeoutError
        If `max_wall_time` ends first.

    Examples
    --------
    >>> import tnhop as th
    >>> spectrum = th.liouvillian_spectrum(th.independent_spins(1, decay=0.6), k=4)
    >>> spectrum.eigenvalues.real.round(9).tolist()
    [0.0, -0.3, -0.3, -0.6]
    """
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    k = integer(k, "k", minimum=1)
    problem = Problem(model, None, [0.0], None, options.rng)
    chosen = choose_method(problem, method, "liouvillian_spectrum")
    found: Spectrum = answer_once(
        problem, chosen, options, f"liouvillian_spectrum, k = {k}",
        lambda: chosen.liouvillian_spectrum(problem, k),
    )  # fmt: skip
    return found


@_verb
def correlation(
    model: Model,
    state: Any,
    times: ArrayLike,
    first: Operator,
    second: Operator,
    *,
    method: Any = "auto",
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> Correlation:
    r"""Two-time correlation by quantum regression.

    .. math::
        C(t) = \langle \mathtt{second}(t)\, \mathtt{first}(0) \rangle
             = \mathrm{tr}\left[\mathtt{second}\, e^{\mathcal L t}(\mathtt{first}\,\rho)\right]

    Parameters
    ----------
    model : Model
        The system.
    state : State
        ρ at time 0, for example ``steady_state(model).state``.
    times : array_like, shape (n_times,)
        Delays, increasing, starting at 0 or later.
    first, second : Operator
        What acts at time 0, and what is measured after the delay.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, or a name.
    RUN_KEYWORDS

    Returns
    -------
    Correlation

    Raises
    ------
    ValueError
        If an operator does not fit the model, or the method cannot do it.
    TimeoutError
        If `max_wall_time` ends first.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.independent_spins(1, decay=0.6)
    >>> up = th.product_state(model, spins=[1])
    >>> C = th.correlation(model, up, [0.0, 1.0], th.sigma("-")(0), th.sigma("+")(0))
    >>> round(float(C.values[1].real), 9)  # e^(-0.3)
    0.740818221
    """
    if state is None:
        raise fail("state", "be given", "it is None", "Use `th.steady_state(model).state`.")
    for name, operator in (("first", first), ("second", second)):
        if not isinstance(operator, Operator):
            raise wrong_type(name, "be an Operator", operator)
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    observables = [Observable(name, op) for name, op in (("first", first), ("second", second))]
    problem = Problem(model, state, times, observables, options.rng)
    chosen = choose_method(problem, method, "correlation")

    def compute() -> Correlation:
        began = time.perf_counter()
        values, error = chosen.correlation(problem, first, second)
        delays = np.asarray(problem.times)
        stats = {"wall_time": time.perf_counter() - began, "tnhop": version("tnhop")}
        return Correlation(delays, values, np.full(len(delays), error), model, chosen, stats)

    found: Correlation = answer_once(problem, chosen, options, "correlation", compute)
    return found


@_verb
def estimate(
    model: Model,
    method: Any = "Exact",
    *,
    state: Any = None,
    times: ArrayLike = (0.0, 10.0),
    observables: Any = None,
    save_states: bool = False,
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> Cost:
    """Memory and time that `evolve` would need, predicted without a run.

    Operations are counted from the terms of the model and scaled with the speed of this machine,
    measured once per process; bonds of chains follow from fluctuations about mean field. Both
    numbers are usually right within a factor of two (docs/accuracy.md); memory is what comes on top
    of the imported package.

    Parameters
    ----------
    model : Model
        The system.
    method : Method or str
        The method; ``"auto"`` is what `evolve` would choose.
    state : State, optional
        Initial state: it decides which spins are interchangeable, and how far bonds grow.
    times : array_like, shape (n_times,)
        Output times.
    observables : None, str, Observable or list of those
        What would be evaluated.
    save_states : bool
        Whether the states at all output times would be kept.
    RUN_KEYWORDS

    Returns
    -------
    Cost

    Notes
    -----
    The last five keywords are those of the run that is planned; they change no estimate.

    Examples
    --------
    >>> import tnhop as th
    >>> th.estimate(th.dicke(2, g=0.5, omega=1.0, Omega=0.5, loss=1.0, fock_dim=8)).memory < 1e9
    True
    """
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    keep = flag(save_states, "save_states")
    problem = Problem(model, state, times, observables, options.rng, keep)
    return planned_method(problem, method).estimate(problem, "evolve")


@_verb
def compare(
    model: Model,
    state: Any,
    times: ArrayLike,
    *,
    methods: Sequence[Any] = ("Exact", "MeanField"),
    observables: Any = None,
    rng: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
    max_wall_time: float | None = None,
) -> Comparison:
    """Solve one problem by several methods: one table and one figure.

    Parameters
    ----------
    model : Model
        The system.
    state : State
        Initial state.
    times : array_like, shape (n_times,)
        Output times.
    methods : sequence of Method or str
        At least two.
    observables : None, str, Observable or list of those
        What to compare.
    RUN_KEYWORDS

    Returns
    -------
    Comparison

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.independent_spins(2, Omega=0.4, decay=0.5)
    >>> both = th.compare(model, th.product_state(model, bloch=[0.6, 0, 0.8]), [0.0, 1.0])
    >>> len(both.results)
    2
    """
    options = RunOptions(rng, progress, checkpoint, checkpoint_interval, max_wall_time)
    if state is None:
        raise fail("state", "be given", "it is None", _START)
    named = [methods] if isinstance(methods, str) else methods
    listed = members(named, "methods", "be a sequence of methods or their names", object)
    if len(listed) < 2:
        raise fail("methods", "name at least two methods", f"there are {len(listed)}")
    problem = Problem(model, state, times, observables, options.rng)
    chosen = [choose_method(problem, method, "evolve") for method in listed]
    began, results = time.perf_counter(), []
    for k, method in enumerate(chosen):
        own = _of_one(options, chosen, k, time.perf_counter() - began)
        results.append(drive(problem, method, own))
    return Comparison(tuple(results))


def _of_one(options: RunOptions, methods: Sequence[Any], k: int, spent: float) -> RunOptions:
    """Return the options of one of several runs: a file of its own, a fair share of the time."""
    limit, place = options.max_wall_time, options.checkpoint
    if limit is not None:
        limit = max(limit - spent, 1e-3) / (len(methods) - k)
    if place is not None:
        names = [type(method).__name__ for method in methods]
        number = "" if names.count(names[k]) == 1 else f"-{names[:k].count(names[k]) + 1}"
        place = f"{place}.{names[k]}{number}"
    return replace(options, checkpoint=place, max_wall_time=limit)
