"""Verdict: which values of an answer can be right, and which are undetermined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.error_budget import ErrorBudget
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot
from tnhop.physics.ranges import Range, observable_range
from tnhop.support.arrays import Real

__all__ = [
    "NEGATIVE_SINCE",
    "UNDETERMINED",
    "Ranges",
    "determined_values",
    "is_negative",
    "is_negative_output",
    "ranges_of",
    "why",
]

UNDETERMINED = "undetermined"
NEGATIVE_SINCE = "negative_since"  # in the statistics: first output that `is_negative` finds

Ranges = dict[str, Range]

_ROUNDING = 1e-9  # by how much a value may leave its range, in units of its size
_NEGATIVE = -1e-3  # eigenvalue of a reduced state from which it is no state
_BARS = 3.0  # and the multiple of the bars of its entries


def ranges_of(observables: Iterable[Observable], model: Model, method: Any) -> Ranges:
    """Return the ranges of observables; those of modes end where the method cuts them."""
    levels = bool(getattr(method, "keeps_levels", True))
    return {o.name: observable_range(o, model, levels=levels) for o in observables}


def determined_values(
    expect: Mapping[str, NDArray[Any]], errors: Mapping[str, Real] | None, ranges: Ranges
) -> dict[str, NDArray[np.bool_]]:
    """Return which values can be right, by observable, in the shape of `expect`.

    A value cannot be right if it is not a finite number, lies outside of its range by more than its
    bar and 1e-9, or has a bar that is infinite or wider than the range. A bar that is not known
    (NaN) excuses nothing.
    """
    found = {}
    for name in expect:
        values = np.asarray(expect[name])
        bars = _bars(errors, name, values.shape)
        known = name in ranges
        found[name] = _can_be_right(values, bars, ranges[name]) if known else np.isfinite(values)
    return found


def _bars(errors: Mapping[str, Real] | None, name: str, shape: tuple[int, ...]) -> Real:
    """Return the half-widths of an observable, NaN where they are not known."""
    known = np.nan if errors is None or name not in errors else errors[name]
    return np.broadcast_to(np.asarray(known, dtype=float), shape)


def _can_be_right(values: NDArray[Any], bars: Real, span: Range) -> NDArray[np.bool_]:
    n_parts = span.low.shape[-1]
    parts = np.stack([values.real, values.imag][:n_parts], axis=-1)
    known = np.where(np.isnan(bars), 0.0, bars)[..., None]
    room = known + _ROUNDING * span.scale
    with np.errstate(invalid="ignore"):
        inside = (span.low - room <= parts) & (parts <= span.high + room)
    tight = (known <= span.width) | span.is_constant
    right = (inside & tight & np.isfinite(parts)).all(axis=-1) & np.isfinite(known[..., 0])
    return np.asarray(right)


def is_negative(smallest: float, bars: Mapping[str, Real] | None, ranges: Ranges) -> bool:
    """Return whether a reduced state is none, with all bars taken into account.

    Its smallest eigenvalue is below -1e-3, and below minus three times the largest bar of its
    entries. The entries of (1 + σ)/2 have the bar of σ divided by the width of its range, and so
    have those of other linear observables, whose ranges these are.
    """
    largest = 0.0
    for name, span in ranges.items():
        known = _bars(bars, name, span.low.shape[:-1])[..., None]
        relative = known / np.where(span.is_constant, np.inf, span.width)
        largest = max(largest, float(np.max(relative, where=~np.isnan(relative), initial=0.0)))
    return bool(smallest < _NEGATIVE and smallest < -_BARS * largest)


def is_negative_output(output: Snapshot, problem: Problem, method: Any) -> bool:
    """Return whether an output of a run `is_negative`, by the eigenvalue that its method tells."""
    smallest = output.stats.get("smallest_eigenvalue", 0.0)
    if not is_negative(smallest, None, {}):  # whatever the bars
        return False
    linear = [o for o in problem.observables if o.functional is None]
    ranges = ranges_of(linear, problem.model, method)
    return is_negative(smallest, ErrorBudget(output.errors), ranges)


def why(answer: Any) -> str:
    """Return a sentence about the values of an answer that are wrong; empty if there are none.

    A quotient that is NaN because it is 0/0 in the state is not determined, but nothing is wrong.
    """
    doubtful = {name: ~right for name, right in answer.determined.items() if not right.all()}
    observables = [o for o in answer.observables if o.name in doubtful]
    ranges = ranges_of(observables, answer.model, answer.method)
    for name, span in ranges.items():
        doubtful[name] = doubtful[name] & ~(np.isnan(answer.expect[name]) & span.quotient)
    bad = {name: wrong for name, wrong in doubtful.items() if wrong.any()}
    if not bad:
        return ""
    times = getattr(answer, "times", None)
    n = sum(int(wrong.sum()) for wrong in bad.values())
    total = sum(wrong.size for wrong in bad.values())
    names = [f"`{name}`" for name in bad]
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    # the first observable that has one at the earliest time
    place = {name: tuple(np.argwhere(wrong)[0]) for name, wrong in bad.items()}
    first = min(place, key=lambda name: place[name][:1]) if times is not None else next(iter(bad))
    since = "" if times is None else f", from t = {times[place[first][0]]:g}"
    reason = _reason(answer, first, place[first], ranges.get(first))
    verb = "is" if n == 1 else "are"
    return f"{n} of {total} values of {listed} {verb} {UNDETERMINED}{since}: {reason}."


def _reason(answer: Any, name: str, place: tuple[int, ...], span: Range | None) -> str:
    """Return what is wrong with one value."""
    value = answer.expect[name][place]
    if not np.isfinite(value) or span is None:
        return f"`{name}` is {value}"
    where = place[len(place) - span.low.ndim + 1 :]  # without the place in time
    entry = Range(span.low[where], span.high[where], span.scale[where])
    bar = _bars(answer.errors, name, answer.expect[name].shape)[place]
    if _can_be_right(np.asarray(value), np.asarray(bar), entry):
        lowest = answer.stats.get("smallest_eigenvalue", np.nan)
        return f"a reduced state has the eigenvalue {lowest:.2g}, and no state has negative ones"
    limits = [f"[{low:.6g}, {high:.6g}]" for low, high in zip(entry.low, entry.high, strict=True)]
    width = f"the range {' + i '.join(limits)}"
    if np.isinf(bar) or (~entry.is_constant & (bar > entry.width)).any():
        return f"the bar {bar:.2g} of `{name}` is wider than {width}"
    text = "" if np.isnan(bar) else f" ± {bar:.2g}"
    return f"`{name}` = {value:.6g}{text} is outside of {width}"
