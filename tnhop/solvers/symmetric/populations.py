"""Populations of classes of interchangeable spins: the master equation without coherences.

Without a transverse field, and with jumps that flip one spin, the numbers of up spins in the
classes form a Markov chain with ∏(N_g + 1) states, Eq. (51) of docs/physics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import comb, gammaln, xlogy

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.state_arguments import check_class_labels, with_checked_arguments
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator, pauli_terms
from tnhop.solvers.exact.kernels import accumulate
from tnhop.solvers.symmetric.class_state import ClassState
from tnhop.solvers.symmetric.operators import correlators, whole_system
from tnhop.solvers.symmetric.spin_classes import SpinClasses
from tnhop.solvers.symmetric.total_spins import Key
from tnhop.support.arrays import Real
from tnhop.support.checks import named_arrays, real_array
from tnhop.support.codec import register

__all__ = ["ClassChain", "PopulationState", "populations_close"]


def populations_close(model: Model) -> bool:
    """Return whether populations evolve among themselves, by flips of single spins."""
    if model.n_modes or any(
        axis != "z" for key in pauli_terms(model.hamiltonian) for _, axis in key
    ):
        return False
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            names = {name for name, _ in jump.amplitudes}
            if not (names <= {"+", "-"} or names <= {"z", "up", "down", "I"}):
                return False
        else:
            terms = jump.operator.terms
            flips = len(terms) == 1 and [a for _, a in terms[0].factors] in (["+"], ["-"])
            if not flips and any(
                axis != "z" for key in pauli_terms(jump.operator) for _, axis in key
            ):
                return False
    return True


class ClassChain:
    """Rate matrix on the numbers of up spins in all classes, Eq. (51).

    Parameters
    ----------
    model : Model
        A model whose populations close.
    classes : SpinClasses
        Classes of interchangeable spins.
    """

    is_real = True
    energy_spread = 0.0

    def __init__(self, model: Model, classes: SpinClasses) -> None:
        sizes = np.array(classes.sizes)
        self.shape = tuple(int(n) + 1 for n in sizes)
        self.size = self.dim = int(np.prod(self.shape))
        n_up = np.indices(self.shape).reshape(len(sizes), -1)
        strides = np.cumprod([1, *self.shape[:0:-1]])[::-1]
        R = sp.csr_array((self.size, self.size))
        for jump in model.jumps:
            for g, sign, rate in _flips(jump, classes, n_up):
                # a spin that flips up is one of the N - n that are down
                free = sizes[g] - n_up[g] if sign == 1 else n_up[g]
                at = np.flatnonzero((free > 0) & (rate > 0))
                weight = (free * rate)[at]
                to = at + sign * strides[g]
                R = R + sp.coo_array((weight, (to, at)), R.shape)
                R = R - sp.coo_array((weight, (at, at)), R.shape)
        self.R = sp.csr_array(R)
        self.norm = max(2 * float(abs(self.R.diagonal()).max(initial=0.0)), 1e-300)

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""
        return float(self.R.diagonal().mean())

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

    accumulate = staticmethod(accumulate)

    def rows(self, keys: Sequence[Key]) -> sp.csr_array:
        """Rows of Re and Im of products of σᶻ on distinct spins, summed over a class."""
        rows = np.zeros((2 * len(keys), self.size))
        for k, key in enumerate(keys):
            rows[2 * k] = class_sums(key, self.shape).ravel()
        return sp.csr_array(rows)


def _flips(jump: Any, classes: SpinClasses, n_up: NDArray[np.int64]) -> list[tuple[int, int, Real]]:
    """Return (class, ±1, rate per spin) of the flips of a jump; of its class only once."""
    if isinstance(jump, FieldJump):
        g = int(classes.labels[jump.site])
        if jump.site != classes.members(g)[0]:
            return []
        flips = []
        for name, amplitude in jump.functions:
            if name in ("+", "-"):
                sign = 1 if name == "+" else -1
                fields = _fields(jump, classes, n_up, g, sign)
                flips.append((g, sign, np.abs(np.asarray(amplitude(*fields))) ** 2))
        return flips
    term = jump.operator.terms[0]
    if len(term.factors) != 1 or term.factors[0][1] not in ("+", "-"):
        return []
    site, name = term.factors[0]
    g, sign = int(classes.labels[site]), int(classes.signs[site]) * (1 if name == "+" else -1)
    # every spin of the class has such a jump: each contributes its share
    share = abs(term.coefficient) ** 2 / classes.sizes[g]
    return [(g, sign, np.full(n_up.shape[1], share))]


def _fields(
    jump: FieldJump, classes: SpinClasses, n_up: NDArray[np.int64], g: int, sign: int
) -> list[Real]:
    """Fields on a spin of class g that is about to flip up (+1) or down (-1)."""
    sizes = np.array(classes.sizes)
    M = (2 * n_up - sizes[:, None]).astype(float)
    M[g] += sign  # without the spin itself, which points the other way
    fields = []
    for weights in jump.fields[:, : len(classes.labels)]:
        turned = weights * classes.signs
        per_class = np.zeros(len(sizes))
        for label in range(len(sizes)):
            others = classes.members(label)
            others = others[others != jump.site]
            per_class[label] = turned[others[0]] if len(others) else 0.0
        fields.append(per_class @ M)
    return fields


def class_sums(key: Key, shape: tuple[int, ...]) -> Real:
    """Sums over distinct spins of products of σᶻ, as a table over the numbers of up spins.

    The elementary symmetric polynomial of n ones and N - n minus ones, times k!; products with σˣ
    or σʸ vanish without coherences.
    """
    table = np.ones(())
    for letters, n_states in zip(key[0], shape, strict=True):
        N, k = n_states - 1, len(letters)
        n = np.arange(N + 1)
        if any(letter != "z" for letter in letters):
            return np.zeros(shape)
        j = np.arange(k + 1)[:, None]
        signs = (-1.0) ** (k - j)
        values = (signs * comb(n, j) * comb(N - n, k - j)).sum(axis=0)
        table = np.multiply.outer(table, values * float(np.prod(np.arange(1, k + 1))))
    return table


@register
@dataclass(frozen=True, eq=False)
class PopulationState(ClassState):
    """A diagonal state in which the spins of every class are interchangeable.

    Parameters
    ----------
    populations : ndarray, shape (prod(N_g + 1),)
        P(n₁, n₂, ...) of the numbers of up spins in the classes, the last varying fastest.
    labels : ndarray of int, shape (n_spins,)
        Class of every spin.
    signs : ndarray of int, shape (n_spins,)
        -1 for spins whose up and down are exchanged.
    """

    populations: Real
    labels: NDArray[np.intp]
    signs: NDArray[np.int8]

    def __post_init__(self) -> None:
        self._check_classes()
        size = math.prod(n + 1 for n in self.classes.sizes)
        populations = real_array(self.populations, "populations", (size,))
        populations.setflags(write=False)
        object.__setattr__(self, "populations", populations)

    @classmethod
    def from_product(cls, state: ProductState, classes: SpinClasses) -> PopulationState:
        """Return the populations of a product state."""
        joint = np.ones(())
        for g in range(len(classes.sizes)):
            p = np.ones(1)
            for k in classes.members(g):
                up = (1 + classes.signs[k] * state.bloch[k, 2]) / 2
                p = np.append(p * (1 - up), 0.0) + np.append(0.0, p * up)
            joint = np.multiply.outer(joint, p)
        return cls(joint.ravel(), classes.labels, classes.signs)

    @property
    def class_distribution(self) -> Real:
        """P(n₁, n₂, ...) of the numbers of up spins in all classes."""
        return self.populations.reshape([N + 1 for N in self.classes.sizes])

    @cached_property
    def _log_ways(self) -> Real:
        """Logarithm of the number of configurations behind every entry."""
        total = np.zeros(())
        for N in self.classes.sizes:
            n = np.arange(N + 1)
            ways = gammaln(N + 1) - gammaln(n + 1) - gammaln(N - n + 1)
            total = np.add.outer(total, ways)
        return total.ravel()

    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        parts = [whole_system(self.classes)]
        keys, weights, owner, table = correlators(operators, self.classes, parts)
        shape = self.class_distribution.shape
        moments = np.array([class_sums(key, shape).ravel() @ self.populations for key in keys[0]])
        values = np.zeros(len(operators), dtype=complex)
        np.add.at(values, owner, weights * moments[table[:, 0]])
        return values

    def purity(self) -> Real:
        """Return tr ρ²."""
        return np.asarray(np.sum(self.populations**2 * np.exp(-self._log_ways)))

    def entropy(self) -> Real:
        """Return the entropy -tr ρ ln ρ, in nats."""
        p = np.maximum(self.populations, 0.0)
        return np.asarray(np.sum(p * self._log_ways - xlogy(p, p)))

    @with_checked_arguments(classes=check_class_labels)
    def negativity(self, classes: Sequence[int]) -> Real:  # noqa: ARG002
        """Return the negativity between some classes and the others: a diagonal state has none.

        Parameters
        ----------
        classes : sequence of int
            Labels of classes.
        """
        return np.zeros(())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {"populations": self.populations, "labels": self.labels, "signs": self.signs}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> PopulationState:
        """Rebuild the state from `to_arrays`."""
        return cls(**named_arrays(arrays, ("populations", "labels", "signs")))
