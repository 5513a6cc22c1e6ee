"""Problem, Snapshot, Cost, and the protocols of states and methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.physics.model import Model
from tnhop.physics.observables import Functional, Observable
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator
from tnhop.support import html
from tnhop.support.checks import fail, increasing_times, integer, shown, wrong_type
from tnhop.support.codec import digest
from tnhop.support.units import pretty_bytes, pretty_time

__all__ = ["Cost", "Method", "Problem", "Snapshot", "State"]


@runtime_checkable
class State(Protocol):
    """A state, whatever its representation."""

    def misfit(self, model: Model) -> str | None:
        """Return what keeps the state from being one of the model, or None."""

    def expect(self, operators: Sequence[Operator]) -> NDArray[Any]:
        """Return expectation values, shape (n_operators,)."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""


def evaluate(state: Any, observable: Observable) -> NDArray[Any]:
    """Evaluate one observable on a state, in the observable's shape."""
    if observable.functional is not None:
        return observable.functional(state).reshape(observable.shape)
    values = np.asarray(state.expect(observable.operators)).reshape(observable.shape)
    return values if observable.is_complex else values.real


@dataclass(frozen=True)
class Cost:
    """Predicted cost of a computation.

    Parameters
    ----------
    memory : float
        Largest memory, in bytes.
    time : float
        Time, in seconds, on one core; NaN if it cannot be predicted.
    note : str
        What dominates.
    """

    memory: float
    time: float
    note: str = ""

    def __str__(self) -> str:
        """Return a short sentence."""
        time = "unknown time" if np.isnan(self.time) else f"about {pretty_time(self.time)}"
        return f"{pretty_bytes(self.memory)}, {time}" + (f" ({self.note})" if self.note else "")

    def _repr_html_(self) -> str:
        """Return memory and time as a table for notebooks."""
        time = "unknown" if np.isnan(self.time) else f"about {pretty_time(self.time)}"
        rows = [("memory", pretty_bytes(self.memory)), ("time", time), ("note", self.note)]
        return html.card("predicted cost", html.table(row for row in rows if row[1]))


@dataclass(frozen=True, eq=False)
class Problem:
    """One computation: a model, a state, output times and observables.

    Parameters
    ----------
    model : Model
        The system.
    state : State or None
        State at time 0; None where a verb needs none.
    times : array_like, shape (n_times,)
        Output times, increasing, in units of the inverse single-spin rate.
    observables : tuple of Observable
        What to evaluate; None for the model's own set.
    rng : int, optional
        Seed of the methods that sample.
    save_states : bool
        Whether the states at the output times are kept.
    states_wanted : bool
        Whether somebody looks at them on the way.
    """

    model: Model
    state: Any
    times: ArrayLike
    observables: Any = None
    rng: int | None = None
    save_states: bool = False
    states_wanted: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise wrong_type("model", "be a Model", self.model)
        if self.state is not None and (
            isinstance(self.state, type) or not isinstance(self.state, State)
        ):
            remedy = "Use `th.pattern_state`, `th.product_state` or `result.final_state`."
            raise wrong_type("state", "be a state", self.state, remedy)
        misfit = None if self.state is None else self.state.misfit(self.model)
        if misfit:
            raise fail("state", "fit the model", misfit)
        if self.rng is not None:
            object.__setattr__(self, "rng", integer(self.rng, "rng", minimum=0))
        times = increasing_times(self.times)
        object.__setattr__(self, "times", times)
        _check_domains(self.model, float(np.max(times, initial=0.0)))
        object.__setattr__(self, "observables", self.model.select(self.observables))

    @cached_property
    def digest(self) -> str:
        """Identity of the computation, for checkpoints, sweeps and caches."""
        arrays = None if self.state is None else self.state.to_arrays()
        form = type(self.state).__name__, arrays, self.times
        return digest((self.model.digest, form, self.observables, self.rng))


def _check_domains(model: Model, end: float) -> None:
    """Refuse times at which a number of the model is not known."""
    for function in model.time_functions:
        first, last = function.domain
        if not first <= 0.0 <= end <= last:
            raise fail(
                "times", f"stay between {first:g} and {last:g}, where `{shown(function, repr)}` is"
                " known",
                f"they go from 0 to {end:g}",
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Outputs, errors and restart data of a run at one time.

    Parameters
    ----------
    time : float
        The time reached.
    values : dict of str to ndarray, shape (...)
        Observables at an output time; empty for a heartbeat in between.
    errors : dict of str to dict
        For every observable: source of error → half-width, in the observable's shape.
    stats : dict
        Numbers that describe the effort, in total since the start.
    state : State or None
        The state, where it is at hand.
    carry : object
        Restart data: all that the solver needs to go on from here, as dicts, lists, numbers and
        arrays, which are not changed afterwards. None: a run cannot be resumed from here.
    trace_norm : float
        Error of the state in the trace norm; NaN where the method does not know it.
    history : dict
        What the method needs besides the state in order to go on from it as one run would, as
        numbers and arrays; the state keeps it in its `StartErrors`.
    """

    time: float
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    state: Any = None
    carry: Any = None
    trace_norm: float = float("nan")
    history: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """Numerics of one computation, as one immutable object; declared facts are tested.

    Attributes
    ----------
    controlled : bool
        Whether every source of error is measured; only then does ``method="auto"`` prefer it.

    A method whose modes have more than the kept levels of the model says so by a class attribute
    ``keeps_levels = False``: their occupations and amplitudes then have no largest value. One that
    evolves models that depend on time says ``follows_time = True``.
    """

    controlled: ClassVar[bool]

    def supports(self, problem: Problem, verb: str) -> str | None:
        """Return None, or one sentence saying why the method cannot do it; builds nothing."""

    def estimate(self, problem: Problem, verb: str) -> Cost:
        """Predict memory and time without allocating."""

    def evolve(self, problem: Problem, carry: Any = None) -> Iterable[Snapshot]:
        """Yield a snapshot at every output time, and heartbeats in between."""


def unsuitable_start(method: str, state: Any, *others: type) -> str | None:
    """Return a sentence if a state is neither None, nor a product, nor of another kind."""
    if state is None or isinstance(state, (ProductState, *others)):
        return None
    kinds = ["product state", *(kind.__name__ for kind in others)]
    wanted = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
    return f"Method `{method}` cannot start from a {type(state).__name__}. Use a {wanted}."


def missing_functionals(observables: Iterable[Observable], state_class: type) -> str | None:
    """Return a sentence if an observable needs a method that the states of a solver do not have."""
    for observable in observables:
        functional: Functional | None = observable.functional
        if functional is not None and not hasattr(state_class, functional.name):
            return (
                f"Observable `{observable.name}` needs `{functional.name}`, which a"
                f" {state_class.__name__} does not offer."
            )
    return None
