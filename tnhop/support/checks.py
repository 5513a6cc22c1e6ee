"""Argument checks whose specification is the error message.

Every message has the form "Argument `x` must <condition>, but <what was found>. <Remedy.>".
"""

from __future__ import annotations

import array as buffers
import cmath
import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MOST = 10**7  # entries that are taken from what is no array
_CHEAP = 1e6  # bytes that no machine lacks
_DEEPEST = 70  # axes, more than numpy has
_ENTRIES = {bool, int, float, complex, str, *np.sctypeDict.values()}
_NOT_LISTS: Any = (
    str, bytes, bytearray, memoryview, buffers.array, Mapping, np.generic,
)  # fmt: skip


class Sentence(str):
    """A sentence about an argument, which can be said of it by another name.

    Parameters
    ----------
    name : str
        The argument.
    complaint : str
        What it must, what was found, and the remedy.
    """

    name: str
    complaint: str

    def __new__(cls, name: str, complaint: str) -> Sentence:
        """Write the sentence."""
        sentence = super().__new__(cls, f"Argument `{name}` must {complaint}")
        sentence.name, sentence.complaint = name, complaint
        return sentence

    def __reduce__(self) -> tuple[type[Sentence], tuple[str, str]]:
        """Return what makes the sentence again in another process."""
        return Sentence, (self.name, self.complaint)

    def about(self, name: str) -> Sentence:
        """Return the same sentence with another name."""
        return Sentence(name, self.complaint)


def _sentence(name: str, condition: str, found: str, remedy: str = "") -> Sentence:
    return Sentence(name, f"{condition}, but {found}." + (f" {remedy}" if remedy else ""))


def fail(name: str, condition: str, found: str, remedy: str = "") -> ValueError:
    """Build the `ValueError` of a violated condition on the argument `name`."""
    return ValueError(_sentence(name, condition, found, remedy))


def wrong_type(name: str, condition: str, value: Any, remedy: str = "") -> TypeError:
    """Build the `TypeError` of an argument `name` of the wrong kind."""
    return TypeError(_sentence(name, condition, f"it is {_describe(value)}", remedy))


def sentence_of(error: BaseException) -> Sentence | None:
    """Return the sentence about an argument that an error says, if it says one."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Sentence) else None


def _describe(value: Any) -> str:
    return f"{shown(value, repr)} ({type(value).__name__})"


def shown(value: Any, form: Callable[[Any], str] = str) -> str:
    """Write a value on one line, and no more than its beginning."""
    try:
        text = " ".join(form(value).split())
    except Exception:  # a value of the user's own making, or an integer of 10**4 digits
        return "a value that cannot be written"
    return text if len(text) <= 40 else text[:37] + "..."


def machine_memory() -> float:
    """Return the memory of the machine, in bytes."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def affordable(n_bytes: float, name: str, what: str) -> None:
    """Refuse what would take more than half the memory of the machine."""
    if n_bytes > _CHEAP and n_bytes > machine_memory() / 2:
        raise fail(name, "fit into memory", f"{what} take {n_bytes / 1e9:.2g} GB")


def real_array(
    value: ArrayLike, name: str, shape: Sequence[int | str] | None = None, remedy: str = ""
) -> NDArray[np.float64]:
    """Convert to a finite real array of the given shape; a string entry is any length, by name."""
    raw = plain_array(value, name)
    if raw.dtype.kind not in "iuf":
        raise wrong_type(name, "be an array of real numbers", value)
    if shape is not None:
        check_shape(raw, name, shape, remedy)
    with np.errstate(over="ignore"):  # of longer floats: infinite then, and refused below
        array = np.array(raw, dtype=np.float64)
    if not np.all(np.isfinite(array)):
        bad = np.argwhere(~np.isfinite(np.atleast_1d(array)))[0]
        where = ", ".join(map(str, bad))
        found = f"{name}[{where}] = {np.atleast_1d(array)[tuple(bad)]}"
        raise fail(name, "have finite entries", found if array.ndim else f"it is {array}")
    return array


def plain_array(value: Any, name: str) -> NDArray[Any]:
    """Convert to an array of any kind that fits into memory, without masked entries."""
    if type(value) is float or type(value) is int:
        return np.asarray(value)
    if type(value) is np.ndarray:
        affordable(24.0 * value.size, name, f"{value.size} numbers")
        return value
    try:
        masked = np.ma.isMaskedArray(value) and np.ma.is_masked(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a masked entry of a list becomes NaN
            array = np.asarray(_Gathered().all(value))
    except Exception as error:  # what it is made of may raise anything
        if isinstance(error, _TooLargeError):
            raise fail(name, "fit into memory", str(error)) from None
        found = shown(error) or f"its conversion ends in a {type(error).__name__}"
        raise fail(name, "be a rectangular array of numbers", found) from error
    if masked:
        raise fail(name, "have no masked entries", f"it is {_describe(value)}", "Fill them in.")
    affordable(24.0 * array.size, name, f"{array.size} numbers")
    return array


class _TooLargeError(Exception):
    """There is more in a container than an array could hold."""


class _Gathered:
    """What nested sequences hold, of a size that is known before anything is copied."""

    def __init__(self) -> None:
        self._entries, self._numbers = 0, 0.0

    def all(self, value: Any, depth: int = 0) -> Any:
        """Return nested sequences as lists; arrays and single entries as they are."""
        kind = type(value)
        if kind is not list and kind is not tuple:
            if not _is_sequence(value):
                self._numbers += _size(value)
                if 24.0 * self._numbers > machine_memory() / 2:
                    raise _TooLargeError(f"{self._numbers:g} numbers take too much")
                return value
            if len(value) <= _MOST:  # which may not be true
                value = list(itertools.islice(value, _MOST + 1))
        self._entries += len(value)
        if self._entries > _MOST:
            raise _TooLargeError(f"it holds more than {_MOST:.0e} entries and is no array")
        if depth > _DEEPEST or set(map(type, value)) <= _ENTRIES:
            return value
        return [self.all(item, depth + 1) for item in value]


def _is_sequence(value: Any) -> bool:
    """Return whether numpy would ask an object for its entries, one by one."""
    kind = type(value)
    if not (hasattr(kind, "__getitem__") and hasattr(kind, "__len__")):
        return False
    words = "__array__", "__array_interface__", "__array_struct__"
    return not isinstance(value, _NOT_LISTS) and not any(hasattr(value, word) for word in words)


def _size(value: Any) -> int:
    """Return the number of entries of an array of any library; 1 for everything else."""
    size = getattr(value, "size", 1)
    return size if isinstance(size, int) else 1


def complex_array(value: Any, name: str, shape: Sequence[int | str] | None = None) -> NDArray[Any]:
    """Convert to a finite array of real or complex numbers of the given shape."""
    raw = plain_array(value, name)
    if raw.dtype.kind not in "iufc":
        raise wrong_type(name, "be finite numbers", value)
    if shape is not None:
        check_shape(raw, name, shape)
    with np.errstate(over="ignore"):
        array = np.array(raw, dtype=complex if raw.dtype.kind == "c" else float)
    if not np.all(np.isfinite(array)):
        raise fail(name, "be finite numbers", f"it is {shown(value, repr)}")
    return array


def named_arrays(value: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Accept the form of a state: a mapping with an array under each of some names."""
    if not isinstance(value, Mapping):
        raise wrong_type("arrays", "map names to arrays", value, "Use those of `to_arrays`.")
    for name in names:
        if name not in value:
            raise fail("arrays", f"have {', '.join(names)}", f"'{name}' is missing")
    return {name: plain_array(value[name], f"arrays['{name}']") for name in names}


def kept(value: Any) -> Any:
    """Copy the arrays of an immutable object, which nobody can change then.

    Arrays keep the order of their axes in memory; tuples and lists are searched.
    """
    if isinstance(value, np.ndarray):
        value = value.copy(order="K")
        value.setflags(write=False)
        return value
    if type(value) in (tuple, list):
        return type(value)(kept(item) for item in value)
    return value


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


def single(value: Any, name: str) -> Any:
    """Return the entry of an array without axes, of any library; everything else as it is."""
    if isinstance(value, int | float | complex | np.generic | str | bytes):
        return value
    try:
        ndim = getattr(value, "ndim", None)
        is_array = isinstance(ndim, int) and ndim == 0 and hasattr(value, "__array__")
    except Exception:  # of the user's own making
        return value
    return plain_array(value, name)[()] if is_array else value


def settle(owner: Any, check: Callable[..., Any], name: str, **limits: Any) -> None:
    """Check a number among the fields of a frozen object; it stays there as a plain one.

    None stands for a field that is left out. Integers remain integers.
    """
    given = getattr(owner, name)
    if given is not None:
        number = check(given, name, **limits)
        whole = isinstance(single(given, name), int | np.integer)
        object.__setattr__(owner, name, int(number) if whole else number)


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
    number = value if type(value) is float else _number(value, name)
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise fail(name, "be a finite number", f"it is {number}")
    if number < minimum:
        raise fail(name, f"be at least {minimum:g}", f"it is {number:g}")
    if number <= above:
        raise fail(name, f"be greater than {above:g}", f"it is {number:g}")
    if number > maximum:
        raise fail(name, f"be at most {maximum:g}", f"it is {number:g}")
    return number


def _number(value: Any, name: str) -> float:
    value = single(value, name)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise wrong_type(name, "be a real number", value)
    if isinstance(value, np.complexfloating | np.timedelta64):
        raise wrong_type(name, "be a real number", value)
    try:
        return float(value)
    except OverflowError:
        raise fail(name, "be a number below 1e308", f"it is {shown(value)}") from None
    except Exception:  # of what only says that it is a float
        raise wrong_type(name, "be a real number", value) from None


def finite_number(value: Any, name: str) -> complex:
    """Accept a finite number."""
    value = value if type(value) in (float, complex) else single(value, name)
    if isinstance(value, bool) or not isinstance(value, Number):
        raise wrong_type(name, "be a number", value)
    try:
        number = complex(value)  # type: ignore[call-overload]
    except (OverflowError, TypeError):  # beyond the range of numbers, or of another kind
        raise fail(name, "be a finite number", f"it is {shown(value)}") from None
    if not cmath.isfinite(number):
        raise fail(name, "be finite", f"it is {value}")
    return number


def integer(value: Any, name: str, *, minimum: int, maximum: int | None = None) -> int:
    """Convert to an integer inside the given limits."""
    number = value if type(value) is int else _whole(value, name)
    if number < minimum:
        raise fail(name, f"be at least {minimum}", f"it is {shown(number)}")
    if maximum is not None and number > maximum:
        raise fail(name, f"be at most {maximum}", f"it is {shown(number)}")
    return number


def _whole(value: Any, name: str) -> int:
    value = single(value, name)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise wrong_type(name, "be an integer", value)
    if isinstance(value, np.timedelta64):  # numpy counts it among the integers
        raise wrong_type(name, "be an integer", value)
    try:
        return int(value)
    except Exception:  # of what only says that it is an int
        raise wrong_type(name, "be an integer", value) from None


def flag(value: Any, name: str) -> bool:
    """Accept True or False alone: numbers and arrays in their place are mistakes."""
    if not isinstance(value, bool | np.bool_):
        raise wrong_type(name, "be True or False", value)
    return bool(value)


def one_of(value: Any, name: str, choices: Iterable[str], remedy: str = "") -> str:
    """Accept one of several words, suggesting the nearest one otherwise."""
    words = list(choices)
    if not isinstance(value, str) or value not in words:
        near = get_close_matches(shown(value), words, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else remedy
        listed = ", ".join(f"'{word}'" for word in words)
        raise fail(name, f"be one of {listed}", f"it is '{shown(value)}'", hint)
    return words[words.index(value)]


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
    if times[-1] > 1e100:  # products with rates stay numbers
        raise fail("times", "stay below 1e100", f"the last one is {times[-1]:g}")
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


def members(value: Any, name: str, condition: str, kinds: Any, remedy: str = "") -> list[Any]:
    """Accept a sequence of objects of some kinds; `condition` is what the argument must be."""
    try:
        lists = type(value) in (list, tuple)
        few = lists or not hasattr(type(value), "__len__") or len(value) <= _MOST
        found = list(value) if lists else list(itertools.islice(value, few * _MOST + 1))
    except Exception as error:  # it cannot be iterated over, or does not want to
        raise wrong_type(name, condition, value, remedy) from error
    if not few or (not lists and len(found) > _MOST):
        raise fail(name, condition, f"it has more than {_MOST:.0e} members")
    for item in found:
        if not isinstance(item, kinds):
            raise wrong_type(name, condition, item, remedy)
    return found


def integers(value: Any, name: str, *, minimum: int, maximum: int | None = None) -> list[int]:
    """Convert to a list of integers inside the given limits."""
    items = members(value, name, "be a sequence of integers", object)
    return [integer(item, name, minimum=minimum, maximum=maximum) for item in items]


def random_generator(rng: Any, name: str = "rng") -> np.random.Generator:
    """Turn a seed or a Generator into a Generator (SPEC 7)."""
    if rng is None or isinstance(rng, np.random.Generator | np.random.SeedSequence):
        return np.random.default_rng(rng)
    return np.random.default_rng(integer(rng, name, minimum=0))
