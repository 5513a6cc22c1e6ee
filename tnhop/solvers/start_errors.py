"""Errors of the start of a run: how they are recorded, and what they do to observables later."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot
from tnhop.physics.start_errors import StartErrors, with_start_errors
from tnhop.physics.states import ProductState
from tnhop.solvers.bounds import functional_error, operator_bounds
from tnhop.support.arrays import Real
from tnhop.support.codec import digest

_START = "start"
_SAMPLED = "sampling"  # of which samples carry their part themselves


def start_error(
    observable: Observable, model: Model, errors: StartErrors, *, state: Any, moved: bool = True
) -> Real:
    """Return the half-width of an observable that comes from the error of the start, Eq. (87).

    Parameters
    ----------
    observable : Observable
        What is measured.
    model : Model
        The system.
    errors : StartErrors
        Error that the start was reached with.
    state : State
        The state now; needed for functionals only.
    moved : bool
        Whether time has passed since the start: then errors of observables have turned into one
        another, and the largest one per norm counts for all of them.

    Returns
    -------
    ndarray
        Shape of the observable; NaN if nothing is known.
    """
    if not moved and (known := errors.half_width(observable)) is not None:
        return known
    if observable.functional is None:
        return operator_bounds(observable, model) * errors.size
    if state is None:
        return np.full(observable.shape, np.nan)
    return functional_error(observable, state, model, errors.size)


def size_of_error(state: Any) -> float:
    """Return the error of a state per unit of the norm of any observable: 0 if it is exact."""
    errors: StartErrors | None = getattr(state, "start_errors", None)
    return 0.0 if errors is None else errors.size


class StartErrorRecorder:
    """Bookkeeper of the errors of starts: of the one of a run, and of those that it makes.

    What a method says itself of the source ``start`` is left as it is.

    Parameters
    ----------
    problem : Problem
        What is computed.
    method : Method
        How.
    """

    def __init__(self, problem: Problem, method: Any) -> None:
        self._problem, self._method = problem, method

    @cached_property
    def _identity(self) -> dict[str, Any]:
        definitions = {o.name: _digest(o) for o in self._problem.observables}
        model, method = _digest(self._problem.model), _digest(self._method)
        return {"model": model, "method": method, "definitions": definitions}

    @cached_property
    def _bounds(self) -> dict[str, Real]:
        model, observables = self._problem.model, self._problem.observables
        return {o.name: operator_bounds(o, model) for o in observables if o.functional is None}

    @cached_property
    def _telling(self) -> dict[str, NDArray[np.bool_]]:
        """Whether errors show in an observable at all: none does in the trace."""
        acting = {
            o: [any(term.factors for term in A.terms) for A in o.operators]
            for o in self._problem.observables if o.functional is None
        }  # fmt: skip
        return {o.name: np.array(flags).reshape(o.shape) for o, flags in acting.items()}

    def __call__(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with the error of the start, whose state knows its own."""
        return self._remembered(self._with_start(snapshot))

    def _with_start(self, snapshot: Snapshot) -> Snapshot:
        """Add the error of the start where the method did not."""
        before = getattr(self._problem.state, "start_errors", None)
        if before is None or not snapshot.errors:
            return snapshot
        errors = {
            o.name: {_START: self._start(o, before, snapshot), **snapshot.errors[o.name]}
            for o in self._problem.observables
            if o.name in snapshot.errors
        }
        return replace(snapshot, errors=errors)

    def _start(self, o: Observable, before: StartErrors, snapshot: Snapshot) -> Real:
        if _START in snapshot.errors[o.name]:
            return np.asarray(snapshot.errors[o.name][_START])
        if o.name in self._bounds and snapshot.time > 0:
            return self._bounds[o.name] * before.size
        return start_error(
            o, self._problem.model, before, state=snapshot.state, moved=snapshot.time > 0
        )

    def _remembered(self, snapshot: Snapshot) -> Snapshot:
        """Put the error beside the state; products are exact."""
        if snapshot.state is None or isinstance(snapshot.state, ProductState):
            return snapshot
        widths = {
            name: {source: width for source, width in sources.items() if source != _SAMPLED}
            for name, sources in snapshot.errors.items()
        }
        if snapshot.errors and not any(widths.values()):  # samples, and nothing else is wrong
            return snapshot
        errors = StartErrors(
            snapshot.time, widths, ratio=self._ratio(widths), trace_norm=snapshot.trace_norm,
            history=snapshot.history, **self._identity,
        )  # fmt: skip
        return replace(snapshot, state=with_start_errors(snapshot.state, errors))

    def _ratio(self, widths: dict[str, dict[str, Any]]) -> float:
        """Return the largest half-width per norm of an operator; NaN if none is known."""
        largest = np.nan
        for name, sources in widths.items():
            if name in self._bounds and sources:
                total = np.sum([np.abs(width) for width in sources.values()], axis=0)
                bound = self._bounds[name]
                known = self._telling[name] & (bound > 0) & ~np.isnan(total)
                largest = np.fmax(largest, np.max(total[known] / bound[known], initial=-np.inf))
        return float(largest) if largest > -np.inf else np.nan


def _digest(value: Any) -> str:
    """Return the digest; empty for what has no file form and so cannot be known again."""
    try:
        return value.digest if isinstance(value, Model) else digest(value)
    except TypeError:
        return ""


def remember_stationary(answer: SteadyState, problem: Problem) -> SteadyState:
    """Return a stationary state that knows the error with which it was found."""
    budget = answer.errors or ErrorBudget({})
    errors = {name: budget.sources(name) for name in budget}
    found = Snapshot(math.inf, errors=errors, state=answer.state)
    recorder = StartErrorRecorder(replace(problem, state=None), answer.method)
    return replace(answer, state=recorder(found).state)
