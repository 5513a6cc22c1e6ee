"""The verbs: what a user does with a Model. With `_driver` they alone know bars and interrupts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tnhop.answers.comparison import Comparison
from tnhop.answers.correlation import Correlation
from tnhop.answers.result import Result
from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.driver import drive, warn_of_tail
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Cost, Problem, Snapshot
from tnhop.physics.terms import Operator
from tnhop.solvers.choice import choose_method, resolve_method
from tnhop.support.checks import fail, flag, integer, members, real, wrong_type

__all__ = ["compare", "correlation", "estimate", "evolve", "liouvillian_spectrum", "steady_state"]


def evolve(
    model: Model,
    state: Any,
    times: ArrayLike,
    *,
    observables: Any = None,
    method: Any = "auto",
    progress: bool | None = None,
    max_wall_time: float | None = None,
    save_states: bool = False,
    callback: Callable[[Snapshot], None] | None = None,
    rng: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_interval: float = 30.0,
) -> Result:
    r"""Solve :math:`\dot\rho = -i[H,\rho] + \sum_L D[L]\rho` from a state at time 0.

    Parameters
    ----------
    model : Model
        The system.
    state : State
        `pattern_state`, `product_state`, or ``previous.final_state`` (a quench is a restart).
    times : array_like, shape (n_times,)
        Output times, increasing, starting at 0 or later.
    observables : None, str, Observable or list of those
        What to evaluate; by default the model's own set.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, ``th.MeanField(...)``, or a name for its defaults.
        ``"auto"`` takes a method with error bars that supports the problem, the fastest if it takes
        more than seconds, and says which; mean field only if there is no other.
    progress : bool, optional
        Whether to show a progress bar; by default only on a terminal or in a notebook.
    max_wall_time : float, optional
        Stop after so many seconds and return what there is, with a warning; with a `checkpoint`,
        the same call goes on from there.
    save_states : bool
        Whether to keep the states at all output times.
    callback : callable, optional
        Called with every Snapshot; with those that a checkpoint holds it was called before.
    rng : int, optional
        Seed of methods that sample.
    checkpoint : str or path, optional
        File that keeps all that a resume needs. Where it exists, the run goes on from it, to the
        same bits on the same machine with one thread, or returns at once if it was finished.
        Ctrl-C, SIGTERM and `max_wall_time` write it last; ``kill -9`` and a power cut leave the
        one before. ``<checkpoint>.previous`` beside it belongs to it.
    checkpoint_interval : float
        Seconds between two writings; more where they would take more than 5 % of the time.

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
        raise fail(
            "state", "be given", "it is None", "Use `th.pattern_state` or `th.product_state`."
        )
    if callback is not None and not callable(callback):
        raise wrong_type("callback", "be callable", callback)
    _check_progress(progress)
    problem = Problem(model, state, times, observables, rng, flag(save_states, "save_states"))
    chosen = choose_method(problem, method, "evolve", announce=True)
    if max_wall_time is not None:
        real(max_wall_time, "max_wall_time", above=0.0)
    if checkpoint is not None and not isinstance(checkpoint, str | os.PathLike):
        raise wrong_type("checkpoint", "be the name of a file", checkpoint)
    interval = real(checkpoint_interval, "checkpoint_interval", minimum=0.0)
    return drive(
        problem, chosen, progress=progress, max_wall_time=max_wall_time, callback=callback,
        checkpoint=checkpoint, interval=interval,
    )  # fmt: skip


def steady_state(
    model: Model, *, state: Any = None, observables: Any = None, method: Any = "auto"
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

    Returns
    -------
    SteadyState

    Raises
    ------
    ValueError
        If the stationary state is not unique and no `state` is given.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.independent_spins(1, decay=0.6, pumping=0.2)
    >>> round(float(th.steady_state(model).expect["sigma_z"][0]), 9)
    -0.5
    """
    problem = Problem(model, state, [0.0], observables)
    answer: SteadyState = choose_method(problem, method, "steady_state").steady_state(problem)
    warn_of_tail(answer.stats)
    return answer


def liouvillian_spectrum(model: Model, k: int = 6, *, method: Any = "auto") -> Spectrum:
    """Slowest eigenvalues of the generator, with recomputed residuals.

    Parameters
    ----------
    model : Model
        The system.
    k : int
        Number of eigenvalues, by falling real part.
    method : Method or str
        ``th.Exact(...)``, ``th.Symmetric(...)``, or a name.

    Returns
    -------
    Spectrum

    Examples
    --------
    >>> import tnhop as th
    >>> spectrum = th.liouvillian_spectrum(th.independent_spins(1, decay=0.6), k=4)
    >>> spectrum.eigenvalues.real.round(9).tolist()
    [0.0, -0.3, -0.3, -0.6]
    """
    problem = Problem(model, None, [0.0], None)
    k = integer(k, "k", minimum=1)
    return choose_method(problem, method, "liouvillian_spectrum").liouvillian_spectrum(model, k)


def correlation(
    model: Model,
    state: Any,
    times: ArrayLike,
    first: Operator,
    second: Operator,
    *,
    method: Any = "auto",
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

    Returns
    -------
    Correlation

    Raises
    ------
    ValueError
        If an operator does not fit the model, or the method cannot do it.

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
    observables = [Observable(name, op) for name, op in (("first", first), ("second", second))]
    problem = Problem(model, state, times, observables)
    chosen = choose_method(problem, method, "correlation")
    began = time.perf_counter()
    values, error = chosen.correlation(problem, first, second)
    delays = np.asarray(problem.times)
    stats = {"wall_time": time.perf_counter() - began, "tnhop": version("tnhop")}
    return Correlation(delays, values, np.full(len(delays), error), model, chosen, stats)


def estimate(
    model: Model, method: Any = "Exact", *, state: Any = None, times: ArrayLike = (0.0, 10.0)
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
        The method.
    state : State, optional
        Initial state.
    times : array_like, shape (n_times,)
        Output times.

    Returns
    -------
    Cost

    Examples
    --------
    >>> import tnhop as th
    >>> th.estimate(th.dicke(2, g=0.5, omega=1.0, Omega=0.5, loss=1.0, fock_dim=8)).memory < 1e9
    True
    """
    return resolve_method(method).estimate(Problem(model, state, times, None), "evolve")


def compare(
    model: Model,
    state: Any,
    times: ArrayLike,
    *,
    methods: Sequence[Any] = ("Exact", "MeanField"),
    observables: Any = None,
    progress: bool | None = None,
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
    progress : bool, optional
        As in `evolve`.

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
    _check_progress(progress)
    named = [methods] if isinstance(methods, str) else methods
    chosen = members(named, "methods", "be a sequence of methods or their names", object)
    if len(chosen) < 2:
        raise fail("methods", "name at least two methods", f"there are {len(chosen)}")
    problem = Problem(model, state, times, observables)
    for method in chosen:
        choose_method(problem, method, "evolve")
    return Comparison(
        tuple(
            evolve(model, state, times, observables=observables, method=m, progress=progress)
            for m in chosen
        )
    )


def _check_progress(progress: Any) -> None:
    if progress is not None and not isinstance(progress, bool | np.bool_):
        raise wrong_type("progress", "be True, False or None", progress)
