"""Real functions of time: ramps, pulses, drives, tables, and series fitted to others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tnhop.physics.time_base import TimeFunction
from tnhop.support.arrays import Real
from tnhop.support.checks import fail, one_of, real, real_array, wrong_type
from tnhop.support.codec import register

__all__ = ["fitted", "piecewise", "pulse", "ramp", "sine"]

_DEGREES = (8, 16, 32, 64, 128, 256)  # of Chebyshev series that are tried on a piece
_MOST_PIECES = 256
_SAMPLES = 1001  # times at which values are looked at


@register
@dataclass(frozen=True)
class Ramp(TimeFunction):
    """A linear change from one value to another, constant before and after; see `ramp`."""

    first: float
    last: float
    duration: float
    start: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "first", "last", "start")
        object.__setattr__(self, "duration", real(self.duration, "duration", minimum=0.0))

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """Begin and end of the change."""
        return tuple(sorted({self.start, self.start + self.duration}))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.first, self.last), max(self.first, self.last)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        if self.duration == 0.0:
            return np.where(t < self.start, self.first, self.last)
        share = np.clip((t - self.start) / self.duration, 0.0, 1.0)
        return self.first * (1 - share) + self.last * share


@register
@dataclass(frozen=True)
class Pulse(TimeFunction):
    """A pulse that begins and ends at zero; see `pulse`."""

    height: float
    start: float
    duration: float
    rise: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "height", "start")
        duration = real(self.duration, "duration", above=0.0)
        object.__setattr__(self, "duration", duration)
        rise = real(self.rise, "rise", minimum=0.0)
        if rise > duration / 2:
            raise fail("rise", f"be at most half of the duration {duration:g}", f"it is {rise:g}")
        object.__setattr__(self, "rise", rise)

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """Corners."""
        end = self.start + self.duration
        return tuple(sorted({self.start, self.start + self.rise, end - self.rise, end}))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(0.0, self.height), max(0.0, self.height)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        end = self.start + self.duration
        if self.rise == 0.0:
            return np.where((t >= self.start) & (t < end), self.height, 0.0)
        inside = np.minimum(t - self.start, end - t) / self.rise
        return self.height * np.clip(inside, 0.0, 1.0)


@register
@dataclass(frozen=True)
class Sine(TimeFunction):
    """mean + amplitude · sin(frequency · t + phase); see `sine`."""

    mean: float
    amplitude: float
    frequency: float
    phase: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "mean", "amplitude", "frequency", "phase")

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.mean - abs(self.amplitude), self.mean + abs(self.amplitude)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        return self.mean + self.amplitude * np.sin(self.frequency * t + self.phase)


@register
@dataclass(frozen=True)
class Piecewise(TimeFunction):
    """A table, linear between its times or constant from each on; see `piecewise`."""

    times: tuple[float, ...]
    table: tuple[float, ...]
    kind: str = "linear"

    def __post_init__(self) -> None:
        one_of(self.kind, "kind", ["linear", "constant"])
        times = real_array(self.times, "times", ("n_times",))
        table = real_array(self.table, "values", ("n_times",))
        if len(times) != len(table):
            raise fail("values", f"have one entry for each of the {len(times)} times",
                       f"it has {len(table)}")  # fmt: skip
        if len(times) < 2 or (np.diff(times) <= 0).any():
            raise fail("times", "be two or more increasing times", f"it is {times.tolist()}")
        object.__setattr__(self, "times", tuple(times.tolist()))
        object.__setattr__(self, "table", tuple(table.tolist()))

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """Times of the table."""
        return self.times

    @property
    def domain(self) -> tuple[float, float]:  # type: ignore[override]
        """First and last time; a constant lasts."""
        return self.times[0], math.inf if self.kind == "constant" else self.times[-1]

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.table), max(self.table)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        if self.kind == "linear":
            return np.interp(t, self.times, self.table)
        return np.array(self.table)[np.searchsorted(self.times, t, side="right") - 1]


@register
@dataclass(frozen=True)
class FittedFunction(TimeFunction):
    """Chebyshev series on neighbouring intervals, with the error of the fit; see `fitted`."""

    edges: tuple[float, ...]
    series: tuple[tuple[float, ...], ...]
    max_error: float = 0.0

    def __post_init__(self) -> None:
        edges = real_array(self.edges, "edges", ("n_edges",))
        if len(edges) < 2 or (np.diff(edges) <= 0).any() or len(self.series) != len(edges) - 1:
            raise fail("edges", "be increasing, with a series for every interval",
                       f"has {len(edges)} entries for {len(self.series)} series")  # fmt: skip
        object.__setattr__(self, "edges", tuple(edges.tolist()))
        series = tuple(tuple(real_array(s, "series", ("n",)).tolist()) for s in self.series)
        object.__setattr__(self, "series", series)
        object.__setattr__(self, "max_error", real(self.max_error, "max_error", minimum=0.0))

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """Edges of the intervals."""
        return self.edges

    @property
    def domain(self) -> tuple[float, float]:  # type: ignore[override]
        """First and last time."""
        return self.edges[0], self.edges[-1]

    @cached_property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value, where the derivative vanishes or at an edge."""
        found = list[float]()
        for series in self.series:
            roots = np.polynomial.chebyshev.chebroots(np.polynomial.chebyshev.chebder(series))
            real_roots = roots.real[np.abs(roots.imag) < 1e-6]
            at = np.clip(np.concatenate([[-1.0, 1.0], real_roots]), -1.0, 1.0)
            found += np.polynomial.chebyshev.chebval(at, series).tolist()
        return min(found), max(found)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        piece = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, len(self.series) - 1)
        result = np.empty(np.shape(t))
        for k in np.unique(piece):
            a, b = self.edges[k], self.edges[k + 1]
            inside = piece == k
            x = (2 * np.asarray(t)[inside] - a - b) / (b - a)
            result[inside] = np.polynomial.chebyshev.chebval(x, self.series[k])
        return result


def ramp(first: float, last: float, duration: float, start: float = 0.0) -> TimeFunction:
    """Return a number that changes linearly in time, and is constant before and after.

    Parameters
    ----------
    first, last : float
        Values before and after.
    duration : float
        Time that the change takes; 0 for a jump.
    start : float
        Time at which it begins.

    Examples
    --------
    >>> float(ramp(1.0, 3.0, duration=4.0)(1.0))
    1.5
    """
    return Ramp(first, last, duration, start)


def pulse(height: float, start: float, duration: float, rise: float = 0.0) -> TimeFunction:
    """Return a number that is 0 before and after a pulse.

    Parameters
    ----------
    height : float
        Value within the pulse.
    start, duration : float
        When it begins, and how long it is from end to end.
    rise : float
        Time of linear growth at the beginning, and of decrease at the end, within the duration.

    Examples
    --------
    >>> pulse(2.0, start=1.0, duration=4.0, rise=1.0)([0.5, 1.5, 3.0, 4.75]).tolist()
    [0.0, 1.0, 2.0, 0.5]
    """
    return Pulse(height, start, duration, rise)


def sine(mean: float, amplitude: float, frequency: float, phase: float = 0.0) -> TimeFunction:
    """Return mean + amplitude · sin(frequency · t + phase).

    Parameters
    ----------
    mean, amplitude : float
        Value around which the number oscillates, and how far.
    frequency : float
        Angular frequency.
    phase : float
        Phase at time 0.

    Examples
    --------
    >>> float(sine(1.0, 0.5, frequency=2.0)(0.0))
    1.0
    """
    return Sine(mean, amplitude, frequency, phase)


def piecewise(times: ArrayLike, values: ArrayLike, kind: str = "linear") -> TimeFunction:
    """Return a number given by a table.

    Parameters
    ----------
    times, values : array_like, shape (n_times,)
        The table, times increasing.
    kind : str
        ``"linear"`` between the times, outside of which nothing is known, or ``"constant"`` from
        each time to the next, and after the last.

    Examples
    --------
    >>> piecewise([0.0, 1.0, 3.0], [0.0, 2.0, 1.0])([0.5, 2.0]).tolist()
    [1.0, 1.5]
    """
    return Piecewise(
        tuple(real_array(times, "times", ("n_times",)).tolist()),
        tuple(real_array(values, "values", ("n_times",)).tolist()), kind,
    )  # fmt: skip


def fitted(
    f: Callable[..., Any], start: float, stop: float, tolerance: float = 1e-10
) -> TimeFunction:
    """Return a function of time as Chebyshev series, on halves of the interval where one is long.

    Parameters
    ----------
    f : callable
        Maps an array of times to an array of real values.
    start, stop : float
        Interval on which it is known.
    tolerance : float
        Accepted error relative to the largest value; the error found is part of all error bars.

    Raises
    ------
    ValueError
        If the values are not real and finite, or too many series are needed.

    Examples
    --------
    >>> float(fitted(np.cos, 0.0, 10.0)(np.pi).round(9))
    -1.0
    """
    if not callable(f):
        raise wrong_type("f", "be callable", f)
    start, stop = real(start, "start"), real(stop, "stop")
    if not start < stop:
        raise fail("stop", f"be later than `start` = {start:g}", f"it is {stop:g}")
    tolerance = real(tolerance, "tolerance", above=0.0)
    scale = max(float(np.abs(_sampled(f, np.linspace(start, stop, _SAMPLES))).max()), 1e-300)
    waiting, edges, series, worst = [(start, stop)], [start], list[tuple[float, ...]](), 0.0
    while waiting:
        a, b = waiting.pop()
        found, error = _series(f, a, b, tolerance * scale)
        if error <= tolerance * scale:
            edges.append(b)
            series.append(found)
            worst = max(worst, error)
        elif len(waiting) + len(series) < _MOST_PIECES and (b - a) > 1e-12 * (stop - start):
            waiting += [((a + b) / 2, b), (a, (a + b) / 2)]
        else:
            raise fail("f", "be a piecewise smooth function of time",
                       f"it errs by {error:.1e} near t = {a:g}",
                       "Use `th.piecewise` for a table with jumps, or raise `tolerance`."
            )  # fmt: skip
    return FittedFunction(tuple(edges), tuple(series), worst)


def _series(
    f: Callable[[Real], ArrayLike], a: float, b: float, tolerance: float
) -> tuple[tuple[float, ...], float]:
    """Return a Chebyshev series on an interval, and its error between the fitting points."""
    x = np.cos(np.pi * (np.arange(2 * _DEGREES[-1]) + 0.5) / (2 * _DEGREES[-1]))
    true = _sampled(f, (a + b) / 2 + (b - a) / 2 * x)
    for degree in _DEGREES:
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        samples = _sampled(f, (a + b) / 2 + (b - a) / 2 * nodes)
        found = np.polynomial.chebyshev.chebfit(nodes, samples, degree)
        error = float(np.abs(np.polynomial.chebyshev.chebval(x, found) - true).max())
        if error <= tolerance:
            break
    return tuple(map(float, found)), error


def _sampled(f: Callable[[Real], ArrayLike], t: Real) -> Real:
    with np.errstate(all="ignore"):  # what is not finite is refused
        values = real_array(f(t), "f")
    if values.shape not in ((), t.shape):
        raise fail("f", "return an array of the shape of its argument",
                   f"of {t.shape} it makes {values.shape}")  # fmt: skip
    return np.broadcast_to(values, t.shape)


def _settle(owner: Any, *names: str) -> None:
    for name in names:
        object.__setattr__(owner, name, real(getattr(owner, name), name))
