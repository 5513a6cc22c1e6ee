"""The points of a sweep: axes, labels, and the task that stands at each point."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tnhop.physics.model import Model
from tnhop.physics.problem import Method, Problem
from tnhop.solvers.choice import resolve_method
from tnhop.storage.store import Label, Point
from tnhop.support.checks import fail, members, single, wrong_type
from tnhop.support.codec import text_form
from tnhop.sweeps.task import Task

_MOST_LABELS = 10**6  # of an axis
_RESERVED = {"method", "digest", "failure", "wall_time", "time", "xi"}


class Grid:
    """The points of a sweep and the task at each.

    Parameters
    ----------
    make_problem : callable
        From keywords to a Problem.
    grid : mapping
        Axis → labels, or labels → values.
    method : Method, str or callable
        How, or what says how.
    verb : str
        What is asked for.
    """

    def __init__(self, make_problem: Any, grid: Any, method: Any, verb: str) -> None:
        if not callable(make_problem):
            raise wrong_type("make_problem", "be a function", make_problem)
        if not isinstance(grid, Mapping) or not grid:
            remedy = 'For instance {"Omega": [0.1, 0.2]}.'
            raise wrong_type("grid", "map names of axes to values", grid, remedy)
        self.axes = {_axis_name(name): _labelled(name, values) for name, values in grid.items()}
        self.names = tuple(self.axes)
        self._values = dict(self.axes)
        self._make_problem, self.verb = make_problem, verb
        self._make_method = _method_maker(method)
        self.method = getattr(method, "__name__", "") if _is_maker(method) else _name_of(method)
        self._of_problem = _accepted(make_problem, self.names)
        self._of_method = _accepted(self._make_method, self.names)
        used = self._of_problem | self._of_method
        unused = [name for name in self.names if name not in used]
        if unused:
            found = f"neither `make_problem` nor `method` takes it: ({', '.join(self.names)})"
            raise fail(f"grid['{unused[0]}']", "be a parameter of `make_problem`", found)

    @property
    def refinable(self) -> tuple[int, ...]:
        """Places of the axes that can be halved: those of two floats or more."""
        return tuple(
            k for k, values in enumerate(self.axes.values())
            if len(values) > 1 and any(isinstance(x, float) for x in values)
            and all(type(x) in (int, float) for x in values)
        )  # fmt: skip

    def points(self) -> list[Point]:
        """Return all combinations of labels, the last axis fastest."""
        return [*itertools.product(*self.axes.values())]

    def cells(self) -> list[tuple[tuple[float, float], ...]]:
        """Return all boxes between neighbouring labels of the axes that can be halved."""
        steps = []
        for k in self.refinable:
            labels = sorted(map(float, self.axes[self.names[k]]))
            steps.append([*itertools.pairwise(labels)])
        return [*itertools.product(*steps)]

    def corners(self, cells: Sequence[Any]) -> list[Point]:
        """Return the points at the corners of boxes, at all labels of the other axes."""
        places = dict(zip(self.refinable, range(len(self.refinable)), strict=True))
        found: dict[Point, None] = {}
        for corner in dict.fromkeys(c for cell in cells for c in itertools.product(*cell)):
            choices = [
                (corner[places[k]],) if k in places else tuple(labels)
                for k, labels in enumerate(self.axes.values())
            ]
            found |= dict.fromkeys(itertools.product(*choices))
        return [*found]

    def task(self, point: Point) -> Task:
        """Build the task of a point."""
        keywords = {
            name: self._values[name].get(label, label)
            for name, label in zip(self.names, point, strict=True)
        }
        problem = self._make_problem(**_taken(self._of_problem, keywords))
        if isinstance(problem, Model) and self.verb == "steady_state":
            problem = Problem(problem, None, [0.0])
        if not isinstance(problem, Problem):
            raise wrong_type("make_problem", "return a Problem", problem, "Use `th.Problem(...)`.")
        if self.verb == "evolve" and problem.state is None:
            raise fail("make_problem", "return a Problem with a state", "its state is None")
        taken = {dim for o in problem.observables for dim in (o.name, *o.dims)}
        clash = taken & set(self.names)
        if clash:
            found = f"the problem has '{min(clash)}' already"
            raise fail("grid", "name its axes unlike observables and their dimensions", found)
        method = self._make_method(**_taken(self._of_method, keywords))
        method = method if _is_auto(method) else resolve_method(method)
        return Task(problem, method, self.verb)


def _is_auto(method: Any) -> bool:
    """Return whether the method is left to the package; arrays have no truth value."""
    return isinstance(method, str) and method == "auto"


def _is_maker(method: Any) -> bool:
    """Return whether it makes a method from the point."""
    return callable(method) and not isinstance(method, Method | type)


def _axis_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise wrong_type("grid", "have texts as names of axes", name)
    if name in _RESERVED:
        raise fail("grid", f"not use {', '.join(sorted(_RESERVED))} as names", f"one is '{name}'")
    return name


def _labelled(name: str, values: Any) -> dict[Label, Any]:
    """Return label → value of an axis."""
    where, condition = f"grid['{name}']", "be a sequence or a mapping"
    one = isinstance(values, str) or not (
        isinstance(values, Mapping | Sequence) or getattr(values, "ndim", None)
    )
    if one:
        raise wrong_type(where, condition, values)
    items = values.items() if isinstance(values, Mapping) else values
    listed = members(items, where, condition, object)
    if len(listed) > _MOST_LABELS:
        raise fail(where, f"have at most {_MOST_LABELS} values", f"it has {len(listed)}")
    found: dict[Label, Any] = {}
    for label, value in listed if isinstance(values, Mapping) else zip(listed, listed, strict=True):
        plain = single(label, where)
        plain = plain.item() if isinstance(plain, np.generic) else plain
        if not isinstance(plain, int | float | str | bool):
            remedy = "Map labels to such values: {'first': ..., 'second': ...}."
            raise wrong_type(f"grid['{name}']", "have numbers or texts as labels", plain, remedy)
        if plain != plain or plain in found:
            what = "twice" if plain in found else ""
            raise fail(
                f"grid['{name}']", "have distinct labels", f"{plain!r} is there {what}".strip()
            )
        found[plain] = plain if value is label else value
    if not found:
        raise fail(f"grid['{name}']", "have at least one value", "it is empty")
    return found


def _method_maker(method: Any) -> Callable[..., Any]:
    if _is_maker(method):
        return method
    if not _is_auto(method):
        method = resolve_method(method)
    return lambda: method


def _name_of(method: Any) -> str:
    return method if _is_auto(method) else text_form(resolve_method(method))


def _accepted(function: Callable[..., Any], names: Sequence[str]) -> set[str]:
    """Return which keywords a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins may not tell
        remedy = "Write a function of the axes of the grid."
        raise wrong_type("make_problem", "name its arguments", function, remedy) from None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return set(names)
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} & {
        *names
    }


def _taken(accepted: set[str], keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if name in accepted}
