"""Norms of observables: their sensitivity to errors of the vector, of Bloch vectors, of states."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.operators import LocalBasis, kind_of, local_matrix
from tnhop.physics.terms import Operator, pauli_terms
from tnhop.solvers.bounds import operator_bound
from tnhop.support.arrays import Real

_ALIKE = 100  # sites from which on errors of all of them are taken to have the same sign


def observable_norms(
    o: Observable, model: Model, bases: tuple[LocalBasis, ...], order: NDArray[np.intp]
) -> dict[str, Real]:
    """Return the factors of errors of the vector, of Bloch vectors and of the state, by name."""
    each = {
        "norm": [vector_sensitivity(A, bases, order) for A in o.operators],
        "bloch_sensitivity": [bloch_sensitivity(A) for A in o.operators],
        "bound": [operator_bound(A, model) for A in o.operators],
    }
    return {name: np.array(values).reshape(o.shape) for name, values in each.items()}


def bloch_sensitivity(operator: Operator) -> float:
    """Return the sum of |c| times the number of factors: if all Bloch vectors err alike."""
    return sum(abs(c) * len(factors) for factors, c in pauli_terms(operator).items())


def vector_sensitivity(
    operator: Operator, bases: tuple[LocalBasis, ...], order: NDArray[np.intp]
) -> float:
    """Return the factor of errors of the vector, Eq. (99) of docs/physics.md.

    The norm of ρ → tr(Oρ) on weighted coordinates; in long chains, where errors of all sites and
    cuts have the same sign, the sum of those of its strings.
    """
    place = np.argsort(order)
    traces = [float(np.linalg.norm(basis.trace)) for basis in bases]
    trace_norm = math.prod(traces)
    sizes = list[float]()
    for factors, coefficient in pauli_terms(operator).items():
        size = abs(coefficient) * trace_norm
        for site, name in factors:
            basis = bases[place[site]]
            dim = 2 if kind_of(name) == "spin" else math.isqrt(basis.size)
            f = basis.functional(local_matrix(name, dim))
            size *= float(np.linalg.norm(f)) / traces[place[site]]
        sizes.append(size)
    return max(math.hypot(*sizes), min(1.0, len(bases) / _ALIKE) * math.fsum(sizes))
