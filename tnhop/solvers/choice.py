"""The choice of a method: by name, by what it supports, by its cost."""

from __future__ import annotations

import math
import sys
from typing import Any, Literal, overload

from tnhop.physics.problem import Cost, Method, Problem
from tnhop.solvers.contract import VERBS, HasCorrelation, HasSpectrum, HasSteadyState
from tnhop.solvers.registry import ALL_METHODS, known_methods
from tnhop.support.checks import one_of, wrong_type
from tnhop.support.errors import warn

_SECONDS = 5.0  # estimated time up to which "auto" does not look for a faster method
_TAIL = 1e-3  # occupation of the highest kept level from which it is said


def is_auto(method: Any) -> bool:
    """Return whether the choice is left to us; anything may be asked."""
    return isinstance(method, str) and method == "auto"


def resolve_method(method: Any) -> Method:
    """Turn a name into the method with its defaults."""
    if isinstance(method, str):
        methods = known_methods()
        chosen: Method = methods[one_of(method, "method", [*methods])]()
        return chosen
    if isinstance(method, type) or not isinstance(method, Method):
        remedy = f"Use one of {', '.join(f'th.{name}()' for name in ALL_METHODS)}."
        raise wrong_type("method", "be a method object or its name", method, remedy)
    return method


@overload
def choose_method(
    problem: Problem, method: Any, verb: Literal["evolve"], *, announce: bool = False
) -> Method: ...
@overload
def choose_method(
    problem: Problem, method: Any, verb: Literal["steady_state"]
) -> HasSteadyState: ...
@overload
def choose_method(
    problem: Problem, method: Any, verb: Literal["liouvillian_spectrum"]
) -> HasSpectrum: ...
@overload
def choose_method(
    problem: Problem, method: Any, verb: Literal["correlation"]
) -> HasCorrelation: ...
def choose_method(problem: Problem, method: Any, verb: str, *, announce: bool = False) -> Any:
    """Return the method, or say why not.

    "auto" takes the first with error bars that is done in seconds, else the fastest of them.
    """
    if not is_auto(method):
        chosen = resolve_method(method)
        reason = obstacle(chosen, problem, verb)
        if reason is not None:
            raise ValueError(reason)
        return chosen
    chosen, cost = _automatic(problem, verb)
    if announce:
        print(f"Method `{type(chosen).__name__}` chosen: {cost}.", file=sys.stderr)
    return chosen


def planned_method(problem: Problem, method: Any) -> Method:
    """Return the method of an evolution whose cost is asked, whether it supports it or not."""
    if is_auto(method):
        return choose_method(problem, method, "evolve")
    chosen = resolve_method(method)
    if (reason := time_obstacle(chosen, problem, "evolve")) is not None:
        raise ValueError(reason)
    return chosen


def obstacle(method: Method, problem: Problem, verb: str) -> str | None:
    """Return None, or one sentence saying why a method cannot do it."""
    if (reason := time_obstacle(method, problem, verb)) is not None:
        return reason
    reason = method.supports(problem, verb)
    if reason is None and not isinstance(method, VERBS[verb]):
        others = [f"`{name}`" for name, kind in ALL_METHODS.items() if hasattr(kind, verb)]
        name = type(method).__name__
        return f"Method `{name}` does not offer `{verb}`. Use {' or '.join(others)}."
    return reason


def time_obstacle(method: Method, problem: Problem, verb: str) -> str | None:
    """Return None, or one sentence if a method needs a model that is constant in time."""
    if not problem.model.time_functions:
        return None
    if verb != "evolve":
        return (
            f"`{verb}` needs a model that is constant in time, but numbers of this one depend on"
            " time. Use `model.at(t)`, the constant model of one time."
        )
    if getattr(method, "follows_time", False):
        return None
    others = [f"`{name}`" for name, kind in ALL_METHODS.items() if _follows_time(kind)]
    return (
        f"Method `{type(method).__name__}` needs a model that is constant in time, but numbers of"
        f" this one depend on it. Use {' or '.join(others)}."
    )


def _follows_time(kind: type) -> bool:
    return bool(getattr(kind, "follows_time", False))


def warn_of_limits(answer: Any, problem: Problem, verb: str) -> None:
    """Warn if the Fock space was too small, or values cannot be right."""
    tail = answer.stats.get("fock_tail", 0.0)
    if tail > _TAIL:
        warn(
            f"A mode reached an occupation of {tail:.1e} in its highest kept level."
            " Increase `fock_dim`."
        )
    if answer.undetermined:
        warn(f"{answer.undetermined} {_remedy(answer.method, problem, verb)}")


def _remedy(method: Method, problem: Problem, verb: str) -> str:
    """Return a sentence that names what to do where a method gave values that cannot be right."""
    others = [
        f"`{name}`" for name, kind in ALL_METHODS.items()
        if kind.controlled and kind is not type(method) and obstacle(kind(), problem, verb) is None
    ]  # fmt: skip
    if others:
        return f"Use {' or '.join(others)}, which can solve this problem, too."
    return "Use finer numerics: `th.converge` refines them until an evolution is determined."


def _automatic(problem: Problem, verb: str) -> tuple[Method, Cost]:
    # spectra of a reduced space are not those of the whole: no swap for speed there
    enough = _SECONDS if verb in ("evolve", "correlation") else math.inf
    reasons, found = [], []
    for candidate in ALL_METHODS.values():
        method = candidate()
        reason = obstacle(method, problem, verb)
        if reason is not None:
            reasons.append(reason)
            continue
        cost = method.estimate(problem, verb)
        if method.controlled and cost.time < enough:
            return method, cost
        found.append((method, cost))
    if not found:
        raise ValueError(" ".join(["No method can solve this problem.", *reasons]))
    controlled = [pair for pair in found if pair[0].controlled]
    return min(controlled or found, key=lambda pair: pair[1].time)
