"""The error that a state was reached with: what a run that goes on from it has to know."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from tnhop.physics.observables import Observable
from tnhop.physics.state_functionals import StateFunctionals
from tnhop.support.arrays import Real
from tnhop.support.checks import kept
from tnhop.support.codec import digest, register

__all__ = ["StartErrors"]

StateT = TypeVar("StateT")


@register
@dataclass(frozen=True, eq=False)
class StartErrors:
    """Error that a state was reached with.

    It stands beside a state as ``state.start_errors`` and is no part of it: two states of equal
    arrays are equal, and so are their digests. States that were made, not reached, have none.

    Parameters
    ----------
    time : float
        Time for which the run went on.
    half_widths : dict of str to dict of str to ndarray
        Observable → source → half-width. Samples carry their statistical error themselves.
    definitions : dict of str to str
        Digests of the observables.
    ratio : float
        Largest known half-width of an observable per unit of its norm; NaN if none is known.
    trace_norm : float
        Error of the state in the trace norm, NaN where the method does not know it.
    model, method : str
        Digests of the model and of the method.
    history : dict
        What the method itself needs in order to go on as one run would.
    """

    time: float
    half_widths: dict[str, dict[str, Any]]
    definitions: dict[str, str]
    ratio: float = float("nan")
    trace_norm: float = float("nan")
    model: str = ""
    method: str = ""
    history: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("half_widths", "history"):
            object.__setattr__(self, name, _own(getattr(self, name)))
        object.__setattr__(self, "definitions", dict(self.definitions))

    @property
    def size(self) -> float:
        """Error per unit of the norm of any observable; NaN if nothing is known."""
        return self.ratio if np.isnan(self.trace_norm) else self.trace_norm

    def half_width(self, observable: Observable) -> Real | None:
        """Return the half-width of an observable in the state; None if it was not asked for."""
        known = self.half_widths.get(observable.name)
        definition = self.definitions.get(observable.name)
        if known is None or not definition or definition != digest(observable):
            return None
        widths = known.values()
        return np.sum([np.abs(width) for width in widths], axis=0) + np.zeros(observable.shape)


def _own(value: Any) -> Any:
    """Return arrays, and dicts of them, that nobody else can change."""
    if isinstance(value, dict):
        return {name: _own(item) for name, item in value.items()}
    return kept(value) if isinstance(value, np.ndarray) else value


def with_start_errors(state: StateT, errors: StartErrors | None) -> StateT:
    """Return the same state with the error that it was reached with; None leaves it as it is."""
    if errors is None or not isinstance(state, StateFunctionals):
        return state
    fresh = copy.copy(state)
    object.__setattr__(fresh, "start_errors", errors)
    return fresh
