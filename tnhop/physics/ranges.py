"""Ranges: the values that an observable can have in any state of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.operators import local_matrix
from tnhop.physics.state_functionals import FUNCTIONAL_RANGES, QUOTIENTS
from tnhop.physics.terms import Operator, Term
from tnhop.support.arrays import Real

__all__ = ["Range", "observable_range", "operator_range"]

_ROUNDING = 1e-12  # of the ends of a range, in units of the size of the values
_MOST_STATES = 64  # of the sites of an operator whose spectrum is computed at once


@dataclass(frozen=True, eq=False)
class Range:
    """Least and greatest value of every component of an observable.

    Parameters
    ----------
    low, high : ndarray, shape (..., n_parts)
        Ends, in the observable's shape; real and imaginary part where it is complex.
    scale : ndarray, shape (..., n_parts)
        Size of the values, in which rounding errors are measured.
    quotient : bool
        Whether there are states in which the observable is not defined, so that it is NaN.
    """

    low: Real
    high: Real
    scale: Real
    quotient: bool = False

    @property
    def width(self) -> Real:
        """Difference of the ends."""
        return self.high - self.low

    @property
    def is_constant(self) -> NDArray[np.bool_]:
        """Whether the ends agree up to rounding: an observable has one value only."""
        scale = np.max(self.scale, axis=-1, keepdims=True, initial=0.0)
        return np.asarray(self.width <= _ROUNDING * scale)


def observable_range(o: Observable, model: Model, *, levels: bool = True) -> Range:
    """Return the range of an observable: its spectrum, or what its functional can be.

    Parameters
    ----------
    o : Observable
        The observable.
    model : Model
        Its sites.
    levels : bool
        Whether modes have only the kept levels of the model, and not all of them.
    """
    if o.functional is not None:
        known = FUNCTIONAL_RANGES.get(o.functional.name)
        arguments = dict(o.functional.arguments)
        low, high = known(model, arguments) if known else (-np.inf, np.inf)
        ends = [np.broadcast_to(np.asarray(end, dtype=float), o.shape) for end in (low, high)]
        quotient = o.functional.name in QUOTIENTS
        return Range(ends[0][..., None], ends[1][..., None], np.ones((*o.shape, 1)), quotient)
    parts = [
        [operator_range(part, model, levels=levels) for part in _hermitian_parts(A, o.is_complex)]
        for A in o.operators
    ]
    low, high, scale = np.moveaxis(np.array(parts, dtype=float), -1, 0).reshape(3, *o.shape, -1)
    return Range(low, high, scale)


def _hermitian_parts(A: Operator, is_complex: bool) -> list[Operator]:
    """Return the operators whose expectation values are real and imaginary part of that of A."""
    return [(A + A.dag()) * 0.5, (A - A.dag()) * -0.5j] if is_complex else [A]


def operator_range(
    operator: Operator, model: Model, *, levels: bool = True
) -> tuple[float, float, float]:
    """Return (least, greatest, largest absolute value) of an expectation value.

    The spectrum of a Hermitian operator, exactly for a sum of one-site operators and on few sites;
    else the ranges of the parts on equal sites are added, which contains it.

    Parameters
    ----------
    operator : Operator
        A Hermitian operator.
    model : Model
        Its sites.
    levels : bool
        Whether modes have only the kept levels of the model. If not, an end is infinite, unless it
        is the 0 of an operator without negative, or without positive, values.
    """
    low = high = scale = 0.0
    for terms in _groups(operator, model):
        sites = sorted({site for term in terms for site in term.sites})
        least, greatest = _group_range(terms, [model.sites[site].dim for site in sites], sites)
        scale += max(abs(least), abs(greatest))
        if not levels and any(site >= model.n_spins for site in sites):
            rounding = 1e-12 * max(abs(least), abs(greatest))
            least = 0.0 if least >= -rounding else -np.inf
            greatest = 0.0 if greatest <= rounding else np.inf
        low, high = low + least, high + greatest
    return low, high, scale


def _groups(operator: Operator, model: Model) -> Iterable[Sequence[Term]]:
    """Return the terms on equal sites; all terms together where they are on few."""
    groups: dict[tuple[int, ...], list[Term]] = {}
    for term in operator.terms:
        groups.setdefault(term.sites, []).append(term)
    joint = any(len(sites) > 1 for sites in groups)
    if joint and math.prod(model.sites[s].dim for s in operator.sites) <= _MOST_STATES:
        return [operator.terms]
    return groups.values()


def _group_range(
    terms: Sequence[Term], dims: Sequence[int], sites: Sequence[int]
) -> tuple[float, float]:
    """Return the ends of the spectrum of a sum of terms; of a large one those of its norm."""
    place = {site: k for k, site in enumerate(sites)}
    form = tuple(
        (complex(term.coefficient), tuple((place[site], name) for site, name in term.factors))
        for term in terms
    )
    if math.prod(dims) <= _MOST_STATES or len(sites) == 1:
        return _spectrum_ends(form, tuple(dims))
    norm = sum(abs(c) * math.prod(_norm(name, dims[k]) for k, name in local) for c, local in form)
    return -norm, norm


@lru_cache(maxsize=4096)
def _spectrum_ends(
    terms: tuple[tuple[complex, tuple[tuple[int, str], ...]], ...], dims: tuple[int, ...]
) -> tuple[float, float]:
    """Return the least and the greatest eigenvalue of Σ c Π A, sites being numbered from 0."""
    size = int(np.prod(dims))
    total = np.zeros((size, size), dtype=complex)
    for coefficient, factors in terms:
        local = dict(factors)
        product = np.ones((1, 1), dtype=complex)
        for k, dim in enumerate(dims):
            product = np.kron(product, local_matrix(local[k], dim) if k in local else np.eye(dim))
        total += coefficient * product
    values = np.linalg.eigvalsh((total + total.conj().T) / 2)
    return float(values[0]), float(values[-1])


@lru_cache(maxsize=4096)
def _norm(name: str, dim: int) -> float:
    return float(np.linalg.norm(local_matrix(name, dim), 2))
