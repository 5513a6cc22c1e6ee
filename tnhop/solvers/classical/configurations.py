"""Configurations of the spins: the rate matrix on all 2^N of them, and distributions over them.

Index 0 has all spins up and site 0 is the most significant bit, as in the density matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import xlogy

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.rate_base import Rate
from tnhop.physics.state_functionals import StateFunctionals
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator, pauli_terms
from tnhop.solvers.classical.spin_flips import flips
from tnhop.solvers.exact.kernels import accumulate
from tnhop.support.arrays import Real, Signs
from tnhop.support.checks import (
    affordable,
    check_shape,
    fail,
    kept,
    named_arrays,
    plain_array,
    real_array,
    shown,
    wrong_type,
)
from tnhop.support.codec import register

__all__ = [
    "ConfigurationDistribution",
    "ConfigurationSamples",
    "DiagonalOperators",
    "RateMatrix",
    "all_configurations",
    "configuration_rates",
    "multiplicities",
]


def all_configurations(n_spins: int) -> Signs:
    """Return all configurations in the order of the basis, shape (2**n_spins, n_spins)."""
    bits = (np.arange(2**n_spins)[:, None] >> np.arange(n_spins)[::-1]) & 1
    return (1 - 2 * bits).astype(np.int8)


def multiplicities(spins: Signs) -> NDArray[np.int64]:
    """Return how many samples every sample coincides with, itself included."""
    bits = np.packbits(spins > 0, axis=1)
    words = bits.view(np.dtype((np.void, bits.shape[1]))).ravel()  # sorted as one number each
    _, which, counts = np.unique(words, return_inverse=True, return_counts=True)
    return np.asarray(counts[which])


class RateMatrix:
    """A rate matrix as the generator of a linear evolution: p' = R p.

    Parameters
    ----------
    R : sparse array, shape (size, size)
        ``R[a, b]`` is the rate from b to a; the columns sum to zero.
    """

    is_real = True
    energy_spread = 0.0
    accumulate = staticmethod(accumulate)

    def __init__(self, R: sp.csr_array) -> None:
        self.R = R
        self.size = self.dim = R.shape[0]
        self._diagonal = R.diagonal()
        self.norm = max(2 * float(abs(self._diagonal).max(initial=0.0)), 1e-300)

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""
        return float(self._diagonal.mean())

    @cached_property
    def adjoint(self) -> RateMatrix:
        """The transposed generator, which moves functionals of the populations."""
        return RateMatrix(sp.csr_array(self.R.T))

    def matrix(self) -> sp.csr_array:
        """Return the sparse matrix."""
        return self.R

    def scaled(self, units: Real) -> RateMatrix:
        """Return the generator of p / units."""
        return RateMatrix(sp.csr_array(sp.diags_array(1 / units) @ self.R @ sp.diags_array(units)))

    @property
    def population_rates(self) -> sp.csr_array:
        """The matrix itself: there is nothing but populations."""
        return self.R

    @property
    def populations(self) -> NDArray[np.intp]:
        """Places of the populations: all."""
        return np.arange(self.size)

    def apply(self, x: Real, out: Real, half: bool = False) -> Real:  # noqa: ARG002
        """Write R x into `out`."""
        out[:] = self.R @ x
        return out

    def trace_norm(self, x: Real) -> float:
        """Return the sum of the absolute values of x."""
        return float(np.abs(x).sum())

    def __call__(self, x: Real) -> Real:
        """Return R x."""
        return np.asarray(self.R @ x)


def configuration_rates(model: Model) -> RateMatrix:
    """Return the rate matrix on all configurations of a model whose populations close.

    Notes
    -----
    *Cost.* (N + 1) 2^N non-zeros, assembled jump by jump.
    """
    n, size = model.n_spins, 2**model.n_spins
    spins = all_configurations(n)
    s = spins.astype(float)
    rates = np.zeros((size, n))  # of flipping a spin of a configuration
    for jump in model.jumps:
        fields = s @ jump.fields[:, :n].T if isinstance(jump, FieldJump) else s
        for site, sign, amplitude in flips(jump):
            from_ = np.flatnonzero(spins[:, site] == -sign)
            value = amplitude(*fields[from_].T) if isinstance(amplitude, Rate) else amplitude
            rates[from_, site] += np.abs(value) ** 2
    here = np.arange(size, dtype=np.int32)[:, None]
    there = here ^ (1 << np.arange(n, dtype=np.int32)[::-1])
    columns = np.concatenate([there, here], axis=1).ravel()
    values = np.concatenate([rates[there, np.arange(n)], -rates.sum(axis=1, keepdims=True)], axis=1)
    ptr = np.arange(0, len(columns) + 1, n + 1, dtype=np.int32)
    return RateMatrix(sp.csr_array((values.ravel(), columns, ptr), (size, size)))


class DiagonalOperators:
    """The parts of operators that are diagonal in σᶻ, compiled for many configurations.

    Parameters
    ----------
    operators : sequence of Operator
        Their products with σˣ or σʸ have no expectation value in a diagonal state and are left out.
    """

    def __init__(self, operators: Sequence[Operator]) -> None:
        place: dict[tuple[int, ...], int] = {}
        rows, columns, values = [], [], []
        for k, operator in enumerate(operators):
            for key, value in pauli_terms(operator).items():
                if all(axis == "z" for _, axis in key):
                    rows.append(k)
                    columns.append(place.setdefault(tuple(site for site, _ in key), len(place)))
                    values.append(complex(value))
        shape = (len(operators), len(place))
        self.products = list(place)
        self.weights = sp.csr_array((np.array(values, dtype=complex), (rows, columns)), shape)

    def __call__(self, spins: Signs) -> NDArray[np.complex128]:
        """Return the values in all configurations, shape (n_operators, n_configurations)."""
        table = np.empty((len(self.products), len(spins)))
        for k, sites in enumerate(self.products):
            table[k] = spins[:, sites].prod(axis=1) if len(sites) != 1 else spins[:, sites[0]]
        values = (self.weights.real @ table).astype(complex)
        if self.weights.data.imag.any():
            values += 1j * (self.weights.imag @ table)
        return values

    @cached_property
    def ranges(self) -> tuple[NDArray[np.complex128], Real]:
        """Centre and half-width of the values that every operator can take."""
        constant = np.array([not sites for sites in self.products], dtype=float)
        return self.weights @ constant, abs(self.weights) @ (1 - constant)


class _Weighted(StateFunctionals):
    """A diagonal state, as configurations with weights."""

    @property
    def configurations(self) -> Signs:
        """Configurations, shape (n, n_spins)."""
        raise NotImplementedError

    @property
    def weights(self) -> Real:
        """Their weights, of sum one, shape (n,)."""
        raise NotImplementedError

    def size(self) -> tuple[int, int]:
        """Return the numbers of spins and modes."""
        return self.configurations.shape[1], 0

    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        return np.asarray(DiagonalOperators(operators)(self.configurations) @ self.weights)

    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> Real:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns."""
        n_patterns, n_spins = xi.shape
        overlaps = self.configurations.astype(float) @ xi.T  # exact: sums of integers
        agreeing = ((overlaps + n_spins) / 2).astype(int)
        total = np.zeros((n_spins + 1,) * n_patterns)
        np.add.at(total, tuple(agreeing.T), self.weights)
        return total


@register
@dataclass(frozen=True, eq=False)
class ConfigurationDistribution(_Weighted):
    """A diagonal state: the probabilities of all configurations.

    Parameters
    ----------
    probabilities : ndarray, shape (2**n_spins,)
        Index 0 has all spins up; site 0 is the most significant bit.
    """

    probabilities: Real

    def __post_init__(self) -> None:
        p = real_array(self.probabilities, "probabilities", ("n_configurations",))
        if len(p).bit_count() != 1:
            raise fail("probabilities", "be 2**n_spins numbers", f"there are {len(p)}")
        p.setflags(write=False)
        object.__setattr__(self, "probabilities", p)

    @classmethod
    def from_product(cls, state: ProductState) -> ConfigurationDistribution:
        """Return the populations of a product state."""
        if not isinstance(state, ProductState):
            raise wrong_type("state", "be a ProductState", state)
        affordable(16 * 2.0 ** len(state.bloch), "state", f"{len(state.bloch)} spins")
        p = np.ones(1)
        for z in state.bloch[:, 2]:
            p = np.multiply.outer(p, [(1 + z) / 2, (1 - z) / 2]).ravel()
        return cls(p)

    @cached_property
    def configurations(self) -> Signs:
        """All configurations, shape (2**n_spins, n_spins)."""
        return all_configurations(len(self.probabilities).bit_length() - 1)

    @property
    def weights(self) -> Real:
        """Their probabilities."""
        return self.probabilities

    def purity(self) -> Real:
        """Return tr ρ²."""
        return np.asarray(self.probabilities @ self.probabilities)

    def entropy(self) -> Real:
        """Return the entropy -tr ρ ln ρ, in nats."""
        p = np.maximum(self.probabilities, 0.0)
        return np.asarray(-xlogy(p, p).sum())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {"probabilities": self.probabilities}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ConfigurationDistribution:
        """Rebuild the state from `to_arrays`."""
        return cls(**named_arrays(arrays, ("probabilities",)))


@register
@dataclass(frozen=True, eq=False)
class ConfigurationSamples(_Weighted):
    """A diagonal state, known by independent samples of its configurations.

    Parameters
    ----------
    spins : ndarray of int8, shape (n_samples, n_spins)
        Configurations of +1 and -1.
    """

    spins: Signs

    def __post_init__(self) -> None:
        array = plain_array(self.spins, "spins")
        check_shape(array, "spins", ("n_samples", "n_spins"))
        if not array.size or array.dtype.kind not in "iuf" or not np.all(np.abs(array) == 1):
            found = f"it is {shown(array.tolist() if array.size < 100 else 'something else')}"
            raise fail("spins", "be samples of +1 and -1", found)
        object.__setattr__(self, "spins", kept(array.astype(np.int8)))

    @property
    def configurations(self) -> Signs:
        """The samples."""
        return self.spins

    @property
    def weights(self) -> Real:
        """Equal weights."""
        return np.full(len(self.spins), 1 / len(self.spins))

    def overlap_moments(self, xi: NDArray[np.int8], orders: Sequence[int]) -> Real:
        """Return ⟨mⁿ⟩ of every pattern, shape (n_patterns, n_orders)."""
        m = self.spins.astype(float) @ xi.T / xi.shape[1]
        return np.stack([(m**order).mean(axis=0) for order in orders], axis=1)

    def purity(self) -> Real:
        """Return tr ρ² without bias: how often two samples coincide."""
        n = len(self.spins)
        return np.asarray((multiplicities(self.spins) - 1.0).sum() / (n * (n - 1)))

    def edwards_anderson(self, spins: Sequence[int]) -> Real:
        """Return q = Σ_k ⟨σᶻ_k⟩² / N without bias: the overlap of two different samples."""
        n, total = len(self.spins), self.spins[:, list(spins)].sum(axis=0, dtype=float)
        return np.asarray(np.mean((total**2 - n) / (n * (n - 1))))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {"spins": self.spins}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ConfigurationSamples:
        """Rebuild the state from `to_arrays`."""
        return cls(**named_arrays(arrays, ("spins",)))
