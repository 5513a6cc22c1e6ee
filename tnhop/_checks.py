"""Argument checks whose specification is the error message.

Every message has the form "Argument `x` must <condition>, but <what was found>. <Remedy.>".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _sentence(name: str, condition: str, found: str, remedy: str = "") -> str:
    return f"Argument `{name}` must {condition}, but {found}." + (f" {remedy}" if remedy else "")


def fail(name: str, condition: str, found: str, remedy: str = "") -> ValueError:
    """Build the `ValueError` of a violated condition on the argument `name`."""
    return ValueError(_sentence(name, condition, found, remedy))


def wrong_type(name: str, condition: str, value: Any, remedy: str = "") -> TypeError:
    """Build the `TypeError` of an argument `name` of the wrong kind."""
    return TypeError(_sentence(name, condition, f"it is {_describe(value)}", remedy))


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def real_array(
    value: ArrayLike, name: str, shape: Sequence[int | str] | None = None, remedy: str = ""
) -> NDArray[np.float64]:
    """Convert to a finite real array of the given shape; a string entry is any length, by name."""
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise fail(name, "be a rectangular array of numbers", str(error)) from error
    if raw.dtype.kind not in "biuf":
        raise wrong_type(name, "be an array of real numbers", value)
    array = np.array(raw, dtype=np.float64)
    if shape is not None:
        check_shape(array, name, shape, remedy)
    if not np.all(np.isfinite(array)):
        bad = np.argwhere(~np.isfinite(np.atleast_1d(array)))[0]
        where = ", ".join(map(str, bad))
        found = f"{name}[{where}] = {np.atleast_1d(array)[tuple(bad)]}"
        raise fail(name, "have finite entries", found if array.ndim else f"it is {array}")
    return array


def check_shape(
    array: NDArray[Any], name: str, shape: Sequence[int | str], remedy: str = ""
) -> None:
    """Compare the shape with a specification such as ``("n_patterns", 12)``."""
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        spec = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        raise fail(name, f"have shape {spec}", f"has shape {array.shape}", remedy)


def real(
    value: Any,
    name: str,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float = math.inf,
    infinite: bool = False,
) -> float:
    """Convert to a real number inside the given limits."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise wrong_type(name, "be a real number", value)
    if isinstance(value, np.complexfloating):
        raise wrong_type(name, "be a real number", value)
    number = float(value)
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise fail(name, "be a finite number", f"it is {number}")
    if number < minimum:
        raise fail(name, f"be at least {minimum:g}", f"it is {number:g}")
    if number <= above:
        raise fail(name, f"be greater than {above:g}", f"it is {number:g}")
    if number > maximum:
        raise fail(name, f"be at most {maximum:g}", f"it is {number:g}")
    return number


def integer(value: Any, name: str, *, minimum: int, maximum: int | None = None) -> int:
    """Convert to an integer inside the given limits."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise wrong_type(name, "be an integer", value)
    if value < minimum:
        raise fail(name, f"be at least {minimum}", f"it is {value}")
    if maximum is not None and value > maximum:
        raise fail(name, f"be at most {maximum}", f"it is {value}")
    return int(value)


def one_of(value: Any, name: str, choices: Iterable[str], remedy: str = "") -> str:
    """Accept one of several words, suggesting the nearest one otherwise."""
    words = list(choices)
    if value not in words:
        near = get_close_matches(str(value), words, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else remedy
        listed = ", ".join(f"'{word}'" for word in words)
        raise fail(name, f"be one of {listed}", f"it is '{value}'", hint)
    return str(value)


def broadcast(value: ArrayLike, name: str, length: int, axis: str) -> NDArray[np.float64]:
    """Expand a number or an array of one value per `axis` to shape ``(length,)``."""
    array = real_array(value, name)
    if array.ndim == 0:
        return np.full(length, float(array))
    check_shape(array, name, (length,), f"Give one number, or one per {axis}.")
    return array


def non_negative(array: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Refuse negative entries (rates, frequencies of damping)."""
    if array.size and array.min() < 0:
        raise fail(name, "be at least 0", f"contains {array.min():g}")
    return array


def increasing_times(value: ArrayLike) -> NDArray[np.float64]:
    """Check output times: one-dimensional, finite, not negative, strictly increasing."""
    times = real_array(value, "times", ("n_times",))
    if times.size == 0:
        raise fail("times", "contain at least one time", "it is empty")
    if times[0] < 0:
        raise fail("times", "start at 0 or later", f"times[0] = {times[0]:g}")
    steps = np.diff(times)
    if np.any(steps <= 0):
        k = int(np.argmax(steps <= 0)) + 1
        found = f"times[{k}] = {times[k]:g} follows times[{k - 1}] = {times[k - 1]:g}"
        raise fail("times", "increase strictly", found)
    return times


def signs(value: ArrayLike, name: str, shape: Sequence[int | str]) -> NDArray[np.int8]:
    """Check an array of +1 and -1."""
    array = real_array(value, name, shape)
    wrong = array[np.abs(array) != 1.0]
    if wrong.size:
        raise fail(name, "have entries +1 and -1", f"contains {wrong[0]:g}")
    return array.astype(np.int8)


def random_generator(rng: Any, name: str = "rng") -> np.random.Generator:
    """Turn a seed or a Generator into a Generator (SPEC 7)."""
    if rng is None or isinstance(rng, np.random.Generator | np.random.SeedSequence):
        return np.random.default_rng(rng)
    return np.random.default_rng(integer(rng, name, minimum=0))
