"""Symbolic terms: the language in which a Model is written.

Nothing here holds a matrix or knows a basis: a `Term` is a number times named local operators.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any, ClassVar

from tnhop.physics.operators import PAULI_COMPONENTS, adjoint_name, kind_of, multiply_names
from tnhop.physics.time_base import Product, TimeFunction
from tnhop.support.checks import (
    fail,
    finite_number,
    integer,
    members,
    one_of,
    real,
    single,
    wrong_type,
)
from tnhop.support.codec import register

__all__ = ["Operator", "Term", "create", "destroy", "identity", "number", "sigma"]

Factors = tuple[tuple[int, str], ...]


@register
@dataclass(frozen=True)
class Term:
    r"""A number times a product of local operators, :math:`c \prod_s A_s`.

    Parameters
    ----------
    coefficient : complex or TimeFunction
        The number c, which may be a function of time.
    factors : mapping or iterable of (int, str)
        Site and operator name, ``{0: "z", 3: "x"}``. Factors on one site multiply in the order
        given; sites commute and are sorted.

    Examples
    --------
    >>> Term(2.0, {3: "x", 0: "z"})
    Term(coefficient=2.0, factors=((0, 'z'), (3, 'x')))
    >>> Term(1.0, [(0, "x"), (0, "y")])
    Term(coefficient=1j, factors=((0, 'z'),))
    """

    coefficient: complex
    factors: Factors = ()

    def __post_init__(self) -> None:
        value = _number(self.coefficient, "coefficient")
        local: dict[int, str] = {}
        for site, name in pairs_of(
            self.factors, "factors", "be a mapping or pairs of sites and names", 1
        ):
            site = integer(site, "site", minimum=0)
            kind = kind_of(name)
            if site in local and kind_of(local[site]) != kind:
                found = f"'{local[site]}' and '{name}' meet on site {site}"
                raise fail("factors", "act on one kind of site", found)
            phase, local[site] = multiply_names(local[site], name) if site in local else (1.0, name)
            value *= phase
        factors = tuple(sorted((site, name) for site, name in local.items() if name != "I"))
        object.__setattr__(self, "factors", factors)
        plain = isinstance(value, complex) and value.imag == 0
        object.__setattr__(self, "coefficient", value.real if plain else value)

    @property
    def sites(self) -> tuple[int, ...]:
        """Sites on which the term acts."""
        return tuple(site for site, _ in self.factors)

    def dag(self) -> Term:
        """Return the Hermitian conjugate."""
        factors = tuple((site, adjoint_name(name)) for site, name in self.factors)
        return Term(self.coefficient.conjugate(), factors)

    def __mul__(self, other: Term) -> Term:
        """Return the product, this term standing left."""
        if not isinstance(other, Term):
            raise wrong_type("other", "be a Term", other, "Sums and multiples are Operators.")
        return Term(self.coefficient * other.coefficient, self.factors + other.factors)


@register
@dataclass(frozen=True)
class Operator:
    """An immutable sum of terms; like terms are merged and zeros dropped.

    Supports ``+``, ``-``, ``*`` (with operators and numbers), ``@``, ``**`` and `dag`.

    Parameters
    ----------
    terms : iterable of Term
        The summands.

    Examples
    --------
    >>> sigma("x")(0) * sigma("y")(0) == 1j * sigma("z")(0)
    True
    >>> (sigma("z")(0) * sigma("z")(3)).sites
    (0, 3)
    """

    # NumPy leaves products and sums with its numbers and arrays to this class
    __array_ufunc__: ClassVar[None] = None

    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        total: dict[Factors, complex] = {}
        for term in members(self.terms, "terms", "be an iterable of Term", Term):
            total[term.factors] = total.get(term.factors, 0.0) + term.coefficient
        merged = (Term(value, factors) for factors, value in sorted(total.items()) if value != 0)
        object.__setattr__(self, "terms", tuple(merged))

    @classmethod
    def sum(cls, operators: Iterable[Operator]) -> Operator:
        """Add many operators at once, in linear time."""
        operators = members(operators, "operators", "be an iterable of Operator", Operator)
        return cls(tuple(term for operator in operators for term in operator.terms))

    @property
    def sites(self) -> tuple[int, ...]:
        """Sites on which the operator acts, sorted."""
        return tuple(sorted({site for term in self.terms for site in term.sites}))

    @property
    def functions(self) -> tuple[TimeFunction, ...]:
        """Coefficients that depend on time."""
        given: list[Any] = [term.coefficient for term in self.terms]
        return tuple(c for c in given if isinstance(c, TimeFunction))

    def at(self, t: float) -> Operator:
        """Return the operator at a time, with plain numbers.

        Parameters
        ----------
        t : float
            The time.

        Examples
        --------
        >>> from tnhop import ramp
        >>> (ramp(0.0, 1.0, duration=4.0) * sigma("x")(0)).at(1.0)
        Operator(terms=(Term(coefficient=0.25, factors=((0, 'x'),)),))
        """
        t = real(t, "t")
        return Operator(tuple(
            Term(c(t) if isinstance(c, TimeFunction) else c, term.factors)
            for term in self.terms for c in [term.coefficient]
        ))  # fmt: skip

    def largest(self) -> Operator:
        """Return the operator with the bounds of functions of time in their place."""
        return Operator(tuple(
            Term(c.largest if isinstance(c, TimeFunction) else c, term.factors)
            for term in self.terms for c in [term.coefficient]
        ))  # fmt: skip

    def by_function(self) -> dict[Product, Operator]:
        """Return the constant operators that products of functions multiply; ``()`` is 1."""
        found: dict[Product, list[Term]] = {}
        for term in self.terms:
            c = term.coefficient
            for number, factors in c.sum().parts if isinstance(c, TimeFunction) else ((c, ()),):
                found.setdefault(factors, []).append(Term(number, term.factors))
        return {factors: Operator(tuple(terms)) for factors, terms in found.items()}

    def dag(self) -> Operator:
        """Return the Hermitian conjugate."""
        return Operator(tuple(term.dag() for term in self.terms))

    def __iter__(self) -> Iterator[Term]:
        """Iterate over the terms."""
        return iter(self.terms)

    def __add__(self, other: Operator | complex) -> Operator:
        """Return the sum; a number stands for that multiple of the identity."""
        return Operator(self.terms + as_operator(other).terms)

    def __mul__(self, other: Operator | complex) -> Operator:
        """Return the product."""
        right = as_operator(other)
        return Operator(tuple(a * b for a in self.terms for b in right.terms))

    def __rmul__(self, other: complex) -> Operator:
        """Return a multiple."""
        return as_operator(other) * self

    def __radd__(self, other: complex) -> Operator:
        """Return the sum with a number; ``sum(...)`` starts from 0."""
        return as_operator(other) + self

    def __neg__(self) -> Operator:
        """Return minus the operator."""
        return self * -1

    def __sub__(self, other: Operator | complex) -> Operator:
        """Return the difference."""
        return self + -as_operator(other)

    def __rsub__(self, other: complex) -> Operator:
        """Return the difference from a number."""
        return as_operator(other) - self

    def __truediv__(self, other: complex) -> Operator:
        """Return the operator divided by a number."""
        number = finite_number(other, "other")
        if not abs(number) > 1e-308:
            raise fail("other", "be a number that divides", f"it is {other}")
        return self * (1 / number)

    def __pow__(self, exponent: int) -> Operator:
        """Return a power; the zeroth one is the identity."""
        factors = [self] * integer(exponent, "exponent", minimum=0, maximum=100)
        return functools.reduce(Operator.__mul__, factors, identity())

    __matmul__ = __mul__


def _number(value: Any, name: str) -> Any:
    """Accept a finite number or a function of time."""
    if callable(value) and not isinstance(value, TimeFunction):
        remedy = "Make a function of time by `th.fitted`."
        raise wrong_type(name, "be a number", value, remedy)
    return value if isinstance(value, TimeFunction) else finite_number(value, name)


def pairs_of(value: Any, name: str, condition: str, text: int) -> list[tuple[Any, Any]]:
    """Accept a mapping, or its pairs, of which one half is a text: 0 or 1."""
    items = value.items() if isinstance(value, Mapping) else value
    pairs = members(items, name, condition, tuple | list)
    if any(len(pair) != 2 or not isinstance(pair[text], str) for pair in pairs):
        raise wrong_type(name, condition, value)
    return [(key, item) for key, item in pairs]


def as_operator(value: Operator | Term | complex) -> Operator:
    """Accept an Operator, a Term or a number (a multiple of the identity)."""
    if isinstance(value, Operator):
        return value
    if not isinstance(single(value, "other"), Term | Number | TimeFunction):
        remedy = "Make a function of time by `th.fitted`." if callable(value) else ""
        raise wrong_type("other", "be an Operator, a Term or a number", value, remedy)
    return Operator((value if isinstance(value, Term) else Term(value),))


def pauli_terms(operator: Operator) -> dict[Factors, complex]:
    """Expand in products of Pauli matrices and mode words, which are independent (names are not).

    Returns factors → coefficient; like terms are merged, those that cancel stay as zeros.
    """
    total: dict[Factors, complex] = {}
    for term in operator.terms:
        parts: dict[Factors, complex] = {(): term.coefficient}
        for site, name in term.factors:
            local = PAULI_COMPONENTS.get(name, {name: 1.0})
            parts = {
                (*key, (site, axis)) if axis != "I" else key: a * b
                for key, a in parts.items()
                for axis, b in local.items()
            }
        for key, value in parts.items():
            total[key] = total.get(key, 0.0) + value
    return total


def kinds_of_terms(terms: Iterable[Term]) -> list[str]:
    """Count terms by their operators: "4 terms x", "6 terms z z"."""
    counts: dict[str, int] = {}
    for term in terms:
        kind = " ".join(op for _, op in term.factors) or "constant"
        counts[kind] = counts.get(kind, 0) + 1
    return [f"{n} {'term' if n == 1 else 'terms'} {kind}" for kind, n in counts.items()]


class sigma:
    """Pauli and ladder operators of spins, ``sigma("z")(site)``.

    Parameters
    ----------
    name : str
        One of ``x y z + - up down`` (``up`` = (1 + σᶻ)/2).

    Examples
    --------
    >>> sigma("z")(0) * sigma("z")(3)
    Operator(terms=(Term(coefficient=1.0, factors=((0, 'z'), (3, 'z'))),))
    """

    def __init__(self, name: str) -> None:
        self.name = one_of(name, "name", ["x", "y", "z", "+", "-", "up", "down"])

    def __call__(self, site: int) -> Operator:
        """Return the operator on a site."""
        return Operator((Term(1.0, ((site, self.name),)),))


def identity() -> Operator:
    """Return the identity."""
    return Operator((Term(1.0),))


def destroy(site: int) -> Operator:
    """Annihilation operator a of the mode at a site.

    Parameters
    ----------
    site : int
        Position of the mode among the sites of the Model (spins come first).
    """
    return Operator((Term(1.0, ((site, "a"),)),))


def create(site: int) -> Operator:
    """Creation operator a† of the mode at a site.

    Parameters
    ----------
    site : int
        Position of the mode among the sites of the Model (spins come first).
    """
    return Operator((Term(1.0, ((site, "adag"),)),))


def number(site: int) -> Operator:
    """Number operator a†a of the mode at a site.

    Parameters
    ----------
    site : int
        Position of the mode among the sites of the Model (spins come first).
    """
    return Operator((Term(1.0, ((site, "n"),)),))
