"""Functions of time that stand for numbers in a Model, and their sums and products.

Elementary functions are registered frozen objects; numbers times products of them, added up, are a
`TimeSum`, which is closed under sums, products and multiplication by complex numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Number
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tnhop.support.arrays import Real
from tnhop.support.checks import fail, finite_number, real_array, shown, wrong_type
from tnhop.support.codec import dumps, register

__all__ = ["TimeFunction"]


class TimeFunction(ABC):
    """A function of time that stands for a number, with ``+``, ``-``, ``*`` and ``/``.

    Attributes
    ----------
    breaks : tuple of float
        Times at which the function, or one of its derivatives, jumps.
    domain : (float, float)
        First and last time at which it is known.
    range : (float, float)
        Its smallest and largest value, or bounds of them.
    max_error : float
        Largest deviation from the function that was asked for.
    """

    # NumPy leaves products and sums with its numbers and arrays to this class
    __array_ufunc__: ClassVar[None] = None

    breaks: tuple[float, ...] = ()
    domain: tuple[float, float] = (-math.inf, math.inf)
    max_error: float = 0.0

    @property
    @abstractmethod
    def range(self) -> tuple[float, float]:
        """Smallest and largest value, or bounds of them."""

    @abstractmethod
    def _values(self, t: Real) -> Real:
        """Return the values at times inside the domain, from the right where there is a jump."""

    def __call__(self, t: ArrayLike) -> Any:
        """Return the values at some times, in their shape; a number at one.

        Raises
        ------
        ValueError
            If a time lies outside the domain.
        """
        times = real_array(t, "t")
        first, last = self.domain
        if times.size and not (first <= times.min() and times.max() <= last):
            outside = times.min() if times.min() < first else times.max()
            condition = f"lie between {first:g} and {last:g}, where `{shown(self, repr)}` is known"
            raise fail("t", condition, f"it is {outside:g}")
        found = self._values(times)
        return found[()] if found.ndim == 0 else found

    @property
    def largest(self) -> float:
        """Bound of the modulus."""
        return max(map(abs, self.range))

    def sum(self) -> TimeSum:
        """Return the function as a sum of one product."""
        return TimeSum(((1.0, (self,)),))

    def conjugate(self) -> TimeFunction:
        """Return the complex conjugate."""
        return self

    def __add__(self, other: Any) -> Any:
        """Return the sum with a number or another function."""
        return _combined(self, other, lambda a, b: a.parts + b.parts)

    def __mul__(self, other: Any) -> Any:
        """Return the product with a number or another function; with an array, of every entry."""
        if isinstance(other, np.ndarray) and other.ndim:
            products = np.empty(other.shape, dtype=object)
            products.ravel()[:] = [self * entry for entry in other.ravel()]
            return products
        return _combined(self, other, lambda a, b: tuple(
            (c * d, (*f, *g)) for c, f in a.parts for d, g in b.parts
        ))  # fmt: skip

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        """Return minus the function."""
        return self * -1

    def __sub__(self, other: Any) -> Any:
        """Return the difference."""
        return self + other * -1

    def __rsub__(self, other: Any) -> Any:
        """Return the difference from a number."""
        return self * -1 + other

    def __truediv__(self, other: Any) -> Any:
        """Return the function divided by a number."""
        if isinstance(other, TimeFunction):
            raise wrong_type("other", "be a number", other, "Fit the quotient with `th.fitted`.")
        number = finite_number(other, "other")
        if not abs(number) > 1e-308:
            raise fail("other", "be a number that divides", f"it is {other}")
        return self * (1 / number)


@register
@dataclass(frozen=True)
class SquareRoot(TimeFunction):
    """The square root of a function that is never negative: an amplitude of a given rate."""

    square: TimeFunction

    def __post_init__(self) -> None:
        lowest = self.square.range[0]
        if lowest < 0:
            raise fail(
                "rate", "be at least 0 at all times", f"`{self.square!r}` reaches {lowest:g}"
            )

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """Those of the square."""
        return self.square.breaks

    @property
    def domain(self) -> tuple[float, float]:  # type: ignore[override]
        """That of the square."""
        return self.square.domain

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        low, high = self.square.range
        return math.sqrt(low), math.sqrt(high)

    def _values(self, t: Real) -> Real:
        """Return the values."""
        return np.sqrt(np.maximum(self.square._values(t), 0.0))


Product = tuple[TimeFunction, ...]


@register
@dataclass(frozen=True)
class TimeSum(TimeFunction):
    """A sum of complex numbers times products of functions.

    Parameters
    ----------
    parts : tuple of (complex, tuple of TimeFunction)
        The summands; like products are merged and zeros dropped.
    """

    parts: tuple[tuple[complex, Product], ...]

    def __post_init__(self) -> None:
        total: dict[str, tuple[complex, Product]] = {}
        for number, factors in self.parts:
            functions = _ordered(factors)
            key = dumps(functions)
            before = total.get(key, (0.0, functions))[0]
            total[key] = finite_number(before + number, "coefficient"), functions
        merged = (total[key] for key in sorted(total) if total[key][0] != 0)
        plain = tuple((c.real if c.imag == 0 else c, f) for c, f in merged)
        object.__setattr__(self, "parts", plain)

    @property
    def functions(self) -> list[TimeFunction]:
        """The elementary functions that occur."""
        return list(dict.fromkeys(f for _, factors in self.parts for f in factors))

    @property
    def is_real(self) -> bool:
        """Whether all numbers are real."""
        return all(not isinstance(c, complex) for c, _ in self.parts)

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """All of them."""
        return tuple(sorted({t for f in self.functions for t in f.breaks}))

    @property
    def domain(self) -> tuple[float, float]:  # type: ignore[override]
        """Times at which all functions are known."""
        domains = [f.domain for f in self.functions]
        first = max((a for a, _ in domains), default=-math.inf)
        return first, min((b for _, b in domains), default=math.inf)

    @property
    def range(self) -> tuple[float, float]:
        """Bounds by interval arithmetic; of the modulus, if the function is complex."""
        low, high = 0.0, 0.0
        for number, factors in self.parts:
            a, b = _product_range(factors)
            ends = (
                abs(number) * np.array([-max(abs(a), abs(b)), max(abs(a), abs(b))])
                if isinstance(number, complex)
                else np.array([number * a, number * b])
            )
            low, high = low + float(ends.min()), high + float(ends.max())
        return low, high

    @property
    def max_error(self) -> float:  # type: ignore[override]
        """Error from the functions that were fitted, to first order."""
        return sum(
            abs(c) * sum(f.max_error * math.prod(g.largest for g in factors if g is not f)
                         for f in factors)
            for c, factors in self.parts
        )  # fmt: skip

    def _values(self, t: Real) -> Any:
        """Return the values, complex where a number is."""
        known = {f: f._values(t) for f in self.functions}
        total: Any = np.zeros(np.shape(t))
        for number, factors in self.parts:
            total = total + number * math.prod(
                (known[f] for f in factors), start=np.ones(np.shape(t))
            )
        return total

    def sum(self) -> TimeSum:
        """Return the sum itself."""
        return self

    def conjugate(self) -> TimeFunction:
        """Return the complex conjugate."""
        return TimeSum(tuple((np.conj(c).item() if isinstance(c, complex) else c, f)
                             for c, f in self.parts))  # fmt: skip


def _combined(a: TimeFunction, other: Any, combine: Callable[[TimeSum, TimeSum], Any]) -> Any:
    """Return a sum or a product as the simplest object: number, function, or sum of products."""
    if isinstance(other, Number) and not isinstance(other, bool):
        b = TimeSum(((finite_number(other, "other"), ()),))
    elif isinstance(other, TimeFunction):
        b = other.sum()
    else:
        return NotImplemented
    total = TimeSum(combine(a.sum(), b))
    if not total.functions:
        return next((c for c, _ in total.parts), 0.0)  # at most one: like products are merged
    (number, factors), *others = total.parts
    return factors[0] if number == 1 and len(factors) == 1 and not others else total


def _ordered(factors: Iterable[TimeFunction]) -> Product:
    """Return the factors in one order, two equal roots as the square."""
    roots = dict[str, SquareRoot]()
    plain = list[TimeFunction]()
    for f in factors:
        if not isinstance(f, SquareRoot):
            plain.append(f)
        elif (key := dumps(f)) in roots:
            plain.append(roots.pop(key).square)
        else:
            roots[key] = f
    return tuple(sorted([*plain, *roots.values()], key=dumps))


def _product_range(factors: Product) -> tuple[float, float]:
    low = high = 1.0
    for f in factors:
        ends = [x * y for x in (low, high) for y in f.range]
        low, high = min(ends), max(ends)
    return low, high
