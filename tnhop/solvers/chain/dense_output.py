"""Outputs between the ends of steps: Newton's interpolation with derivatives, Eq. (89).

Nodes are the ends of the last steps, oldest first: plain dicts of a ``time``, of ``values`` by
name, of ``rates`` by name, the derivatives in time of those values for which they are known, and of
``errors`` by name, those of the interpolation in the step that ends there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tnhop.support.arrays import Real
from tnhop.support.checks import fail

Node = dict[str, Any]

MOST_NODES = 12  # worth keeping: of steps that double, few are far enough apart
_CONDITIONS = 6  # values and derivatives that a polynomial meets: its degree is five
_GAP = 0.49  # distance of earlier nodes that are used, in steps: closer ones amplify errors
_FARTHEST = 4.0  # distance up to which they are used with derivatives, in steps
# Largest terms of a polynomial, in units of the change within a step, from which on they are
# taken for those of an unresolved curve; by the number of conditions.
_UNRESOLVED = {4: 0.3, 5: 0.1, 6: 0.1}
_UNKNOWN = 3.0  # error of such a curve, in units of its change
_SAFETY = 2.0
_GRID = np.linspace(0.0, 1.0, 33)


class DenseOutput:
    """Values within the last step.

    Parameters
    ----------
    nodes : sequence of dict
        Ends of the last steps, oldest first, two or more.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._curves = dict[str, _Newton]()

    def _curve(self, name: str) -> _Newton:
        if name not in self._curves:
            self._curves[name] = _Newton(*_stencil(self._nodes, name), name)
        return self._curves[name]

    def at(self, time: float) -> tuple[dict[str, Any], dict[str, Real]]:
        """Return the values at a time from the last but one to the last node, and their errors.

        By name, in the shape of the values; at nodes these are returned as they are.
        """
        *_, begin, end = self._nodes
        start, stop, names = begin["time"], end["time"], end["values"]
        if not start <= time <= stop:
            raise fail("time", f"lie between {start} and {stop}", f"it is {time}")
        for node in (end, begin):
            if time == node["time"]:
                return dict(node["values"]), {n: np.zeros(np.shape(names[n])) for n in names}
        s = (time - start) / (stop - start)
        curves, sizes = {name: self._curve(name) for name in names}, self.step_errors
        errors = {name: sizes[name] * curve.profile(s) for name, curve in curves.items()}
        return {name: curve.value(s) for name, curve in curves.items()}, errors

    @property
    def step_errors(self) -> dict[str, Real]:
        """Largest errors within the step, by name.

        The estimate of a component may vanish by chance: none is better than the rms of all, or
        than in the step before.
        """
        *_, begin, end = self._nodes
        before = begin.get("errors", {})
        return {name: np.maximum(self._floored(name), before.get(name, 0.0))
                for name in end["values"]}  # fmt: skip

    @property
    def own_errors(self) -> dict[str, Real]:
        """The same without the step before: what the next step has to know."""
        return {name: self._floored(name) for name in self._nodes[-1]["values"]}

    def _floored(self, name: str) -> Real:
        error = self._curve(name).error
        return np.asarray(np.maximum(error, math.sqrt(np.mean(error**2))))


def _stencil(nodes: Sequence[Node], name: str) -> tuple[list[Node], bool]:
    """Return start and end of the last step, then earlier nodes, and whether rates are used."""
    *earlier, start, end = nodes
    step = end["time"] - start["time"]
    with_rates = all(name in node.get("rates", ()) for node in (start, end))
    chosen, last = [start, end], start["time"]
    for node in earlier[::-1]:
        if len(chosen) * (1 + with_rates) == _CONDITIONS:
            break
        if with_rates and start["time"] - node["time"] > _FARTHEST * step:
            break
        if last - node["time"] >= _GAP * step and (name in node.get("rates", ()) or not with_rates):
            chosen.append(node)
            last = node["time"]
    return chosen, with_rates


class _Newton:
    """The polynomial through the chosen nodes of one name, in units of the step.

    Attributes
    ----------
    points : list of float
        Times of its conditions, those with a derivative twice.
    coefficients : list of ndarray
        Divided differences.
    """

    def __init__(self, nodes: Sequence[Node], with_rates: bool, name: str) -> None:
        self._start, start = np.asarray(nodes[0]["values"][name]), nodes[0]["time"]
        step, times = nodes[1]["time"] - start, 1 + with_rates
        changes = [node["values"][name] - self._start for node in nodes]
        rates = [step * np.asarray(node["rates"][name]) for node in nodes if with_rates]
        self.points = [(node["time"] - start) / step for node in nodes for _ in range(times)]
        self.coefficients = _divided_differences(
            self.points, [change for change in changes for _ in range(times)], rates
        )
        sizes = [*changes[:2], *rates[:2]] if with_rates else changes
        self._change = np.max(np.abs(sizes), axis=0)
        self._with_rates = with_rates

    def value(self, s: float) -> Any:
        """Return the value at a time from 0 to 1."""
        total: Any = 0.0
        for c, z in zip(self.coefficients[::-1], self.points[::-1], strict=True):
            total = c + (s - z) * total
        return np.asarray(self._start + total)

    def profile(self, s: float) -> float:
        """Return the error in units of the largest one."""
        distance = abs(math.prod(s - z for z in self.points))
        return min(1.0, distance / self._largest(len(self.points)))

    def _largest(self, k: int) -> float:
        """Largest product of the distances from k points within the step, both ends in turn."""
        a, b, *others = self.points[:: 1 + self._with_rates]
        points = [a, b, a, b, *self.points[4:]] if self._with_rates else [a, b, *others]
        return float(np.abs(np.prod([_GRID - z for z in points[:k]], axis=0)).max())

    @cached_property
    def error(self) -> Real:
        """Largest error within the step, in the shape of the values; estimated."""
        n, change = len(self.points), self._change
        if n < 4:
            return np.asarray(_UNKNOWN * change)
        a = [math.factorial(k) * np.abs(c) for k, c in enumerate(self.coefficients)]
        last = sum(np.abs(self.coefficients[k]) * self._largest(k) for k in (n - 2, n - 1))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratios = [np.where(a[k] > 0, a[k] / a[k - 1], 0.0) for k in range(max(2, n - 3), n)]
            growth = np.max(ratios, axis=0)
            following = np.fmax(growth * a[n - 1], growth**2 * a[n - 2])
            smooth = np.fmin(last, _SAFETY * following / math.factorial(n) * self._largest(n))
            share = np.where(last > 0, last / change, 0.0) / _UNRESOLVED[n]
        return np.maximum(smooth, _UNKNOWN * change * np.minimum(1.0, share) ** 3)


def _divided_differences(points: list[float], values: list[Any], rates: list[Any]) -> list[Any]:
    """Return Newton's coefficients of values at points; those given twice also have rates."""
    column, coefficients = list(values), [values[0]]
    for k in range(1, len(points)):
        for i in range(len(points) - 1, k - 1, -1):
            gap = points[i] - points[i - k]
            column[i] = rates[i // 2] if gap == 0 else (column[i] - column[i - 1]) / gap
        coefficients.append(column[k])
    return coefficients
