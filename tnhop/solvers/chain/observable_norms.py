"""How much an expectation value feels errors: of the vector, of rates, of the state."""

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


def sizes_of(
    o: Observable, model: Model, bases: tuple[LocalBasis, ...], order: NDArray[np.intp]
) -> dict[str, Real]:
    """Return what to multiply errors of the vector, of rates and of the state with."""
    each = {
        "norm": [functional_norm(A, bases, order) for A in o.operators],
        "reach": [reach(A) for A in o.operators],
        "bound": [operator_bound(A, model) for A in o.operators],
    }
    return {name: np.array(values).reshape(o.shape) for name, values in each.items()}


def reach(operator: Operator) -> float:
    """Sum of |c| times the number of factors: by how much errors of rates count, at worst."""
    return sum(abs(c) * len(factors) for factors, c in pauli_terms(operator).items())


def functional_norm(
    operator: Operator, bases: tuple[LocalBasis, ...], order: NDArray[np.intp]
) -> float:
    """Norm of ρ → tr(Oρ) on weighted coordinates: by how much an error of the vector counts."""
    place = np.argsort(order)
    traces = [float(np.linalg.norm(basis.trace)) for basis in bases]
    whole = math.prod(traces)
    total = 0.0
    for factors, coefficient in pauli_terms(operator).items():
        size = abs(coefficient) * whole
        for site, name in factors:
            basis = bases[place[site]]
            dim = 2 if kind_of(name) == "spin" else math.isqrt(basis.size)
            f = basis.functional(local_matrix(name, dim))
            size *= float(np.linalg.norm(f)) / traces[place[site]]
        total += size**2
    return math.sqrt(total)
