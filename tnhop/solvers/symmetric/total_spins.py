"""Permutation-symmetric operator spaces: classes of spins as sums of total spins J, and modes.

By Schur-Weyl duality a state that is symmetric under permutations within classes is
ρ = ⊕_J ρ_J ⊗ 1/d_J, one block for every choice of the total spins J = (J_1, J_2, ...) of the
classes, Eq. (44) of docs/physics.md. A block is spanned by |M_1, M_2, ...⟩ and Fock states, with
M falling from +J to -J, site 0 (class 0) most significant. An index that runs through all blocks is
called global; there are n of them, and Σ dim_J² numbers in a state.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import gammaln

from tnhop.physics.operators import multiply_names
from tnhop.support.arrays import Integers

# Pauli letters of every class, and the word of every mode ("" for the identity)
Key = tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]


def two_J_values(n_spins: int) -> list[int]:
    """Twice the total spins of n spins 1/2, largest first."""
    return list(range(n_spins, -1, -2))


def log_multiplicity(n_spins: int, two_J: int | Integers) -> NDArray[np.float64]:
    """Logarithm of the number of times that J occurs among n spins, Eq. (45)."""
    N, J = n_spins, np.asarray(two_J) / 2
    down, up = N / 2 - J, N / 2 + J
    log_binomial = gammaln(N + 1) - gammaln(down + 1) - gammaln(up + 1)
    return np.asarray(log_binomial + np.log((2 * J + 1) / (up + 1)))


class Branch(NamedTuple):
    """One way to single out a spin: the isometry, and the share of each J that goes this way."""

    isometry: sp.csr_array
    share: NDArray[np.float64]


class SymmetricSpace:
    """The blocks of given class sizes and Fock dimensions, with the labels of every global index.

    Parameters
    ----------
    sizes : sequence of int
        Number of spins in every class.
    fock_dims : sequence of int
        Number of kept levels of every mode.

    Attributes
    ----------
    blocks : list of tuple of int
        2J of every class, block by block.
    block_dims : ndarray, shape (n_blocks,)
        Dimensions of the blocks.
    two_J, two_M : ndarray, shape (n_classes, n)
        2J and 2M of every class at every global index.
    level : ndarray, shape (n_modes, n)
        Fock state of every mode.
    """

    def __init__(self, sizes: Sequence[int], fock_dims: Sequence[int] = ()) -> None:
        self.sizes, self.fock_dims = tuple(sizes), tuple(fock_dims)
        self.blocks = list(itertools.product(*(two_J_values(n) for n in sizes)))
        spins = np.array(self.blocks, dtype=np.int64).reshape(len(self.blocks), len(sizes)) + 1
        fock = np.broadcast_to(np.array(fock_dims, dtype=np.int64), (len(spins), len(fock_dims)))
        self.shapes = np.concatenate([spins, fock], axis=1)
        self.block_dims = self.shapes.prod(axis=1)
        self.offsets = np.concatenate([[0], np.cumsum(self.block_dims)[:-1]])
        self.n = int(self.block_dims.sum())
        self.block = np.repeat(np.arange(len(self.blocks)), self.block_dims)
        after = np.cumprod(self.shapes[:, ::-1], axis=1)[:, ::-1]
        strides = np.concatenate([after[:, 1:], np.ones((len(spins), 1), dtype=np.int64)], axis=1)
        self.strides = strides[:, : self.shapes.shape[1]]
        local = np.arange(self.n) - self.offsets[self.block]
        axes = [local // self.strides[self.block, a] % self.shapes[self.block, a]
                for a in range(self.shapes.shape[1])]  # fmt: skip
        empty = np.zeros((0, self.n), dtype=np.int64)
        G = len(sizes)
        self.two_J = np.stack([spins[self.block, g] - 1 for g in range(G)]) if G else empty
        self.two_M = np.stack([self.two_J[g] - 2 * axes[g] for g in range(G)]) if G else empty
        self.level = np.stack(axes[G:]) if fock_dims else empty
        self._powers: dict[tuple[int, tuple[str, ...]], sp.csr_array] = {}

    @property
    def size(self) -> int:
        """Number of real components of a state."""
        return int((self.block_dims**2).sum())

    @cached_property
    def log_multiplicities(self) -> NDArray[np.float64]:
        """Logarithm of the multiplicity of every block, shape (n_blocks,)."""
        total = np.zeros(len(self.blocks))
        for g, n_spins in enumerate(self.sizes):
            total += log_multiplicity(n_spins, np.array([block[g] for block in self.blocks]))
        return total

    def index(self, two_J: Integers, two_M: Integers, level: Integers) -> Integers:
        """Return the global index of labels, shape (n,)."""
        block = np.zeros(two_J.shape[1], dtype=np.int64)
        for g, n_spins in enumerate(self.sizes):
            block = block * (n_spins // 2 + 1) + (n_spins - two_J[g]) // 2
        index = self.offsets[block]
        for g in range(len(self.sizes)):
            index = index + (two_J[g] - two_M[g]) // 2 * self.strides[block, g]
        for m in range(len(self.fock_dims)):
            index = index + level[m] * self.strides[block, len(self.sizes) + m]
        return index

    def _shift(
        self, axis: int, allowed: NDArray[np.bool_], step: int, value: NDArray[np.float64]
    ) -> sp.csr_array:
        """Matrix with ``value`` between a global index and the one `step` further on an axis."""
        columns = np.flatnonzero(allowed)
        rows = columns + step * self.strides[self.block[columns], axis]
        return sp.csr_array((value[columns].astype(complex), (rows, columns)), (self.n, self.n))

    def collective(self, g: int, axis: str) -> sp.csr_array:
        """Σ σ over the spins of a class; ``"I"`` gives their number."""
        if axis == "I":
            return sp.csr_array(self.sizes[g] * sp.eye_array(self.n, dtype=complex))
        if axis == "z":
            return sp.csr_array(sp.diags_array(self.two_M[g].astype(complex)))
        J, M = self.two_J[g] / 2, self.two_M[g] / 2
        value = np.sqrt(np.maximum(J * (J + 1) - M * (M + 1), 0.0))
        up = self._shift(g, self.two_M[g] < self.two_J[g], -1, value)
        down = sp.csr_array(up.T)
        return sp.csr_array(up + down if axis == "x" else -1j * (up - down))

    def class_power(self, g: int, letters: tuple[str, ...]) -> sp.csr_array:
        """Σ over *distinct* spins i₁, i₂, ... of a class of σ^{letter 1}_{i₁} σ^{letter 2}_{i₂} ...

        The last factor is summed over all spins, and the terms where it meets one of the others are
        taken off again, Eq. (46).
        """
        if not letters:
            return sp.csr_array(sp.eye_array(self.n, dtype=complex))
        if (g, letters) not in self._powers:
            *others, last = letters
            total = self.class_power(g, tuple(others)) @ self.collective(g, last)
            for k, other in enumerate(others):
                phase, name = multiply_names(other, last)
                if name == "I":  # a factor of one on a spin that differs from the others
                    remaining = (*others[:k], *others[k + 1 :])
                    count = self.sizes[g] - len(remaining)
                    total = total - phase * count * self.class_power(g, remaining)
                else:
                    merged = (*others[:k], name, *others[k + 1 :])
                    total = total - phase * self.class_power(g, merged)
            self._powers[g, letters] = sp.csr_array(total)
        return self._powers[g, letters]

    def mode_word(self, m: int, word: str) -> sp.csr_array:
        """Matrix of a word of mode letters, applied from right to left."""
        axis, n = len(self.sizes) + m, self.level[m].astype(float)
        matrix = sp.csr_array(sp.eye_array(self.n, dtype=complex))
        for letter in word.split():
            if letter == "n":
                factor = sp.csr_array(sp.diags_array(n.astype(complex)))
            else:
                lower = self._shift(axis, self.level[m] > 0, -1, np.sqrt(n))
                factor = lower if letter == "a" else sp.csr_array(lower.T)
            matrix = matrix @ factor
        return sp.csr_array(matrix)

    def operator(self, key: Key) -> sp.csr_array:
        """Sum over distinct spins of every class, times the words of the modes."""
        letters, words = key
        matrix = sp.csr_array(sp.eye_array(self.n, dtype=complex))
        for g, names in enumerate(letters):
            matrix = matrix @ self.class_power(g, names) if names else matrix
        for m, word in enumerate(words):
            matrix = matrix @ self.mode_word(m, word) if word else matrix
        matrix = sp.csr_array(matrix)
        matrix.eliminate_zeros()
        return matrix

    def split(self, g: int) -> tuple[SymmetricSpace, list[Branch]]:
        """Single out one spin of a class as a new last class of its own, Eq. (47).

        Returns the space with one spin less in class g, and the two branches J' = J ∓ 1/2.
        """
        sizes = (*self.sizes[:g], self.sizes[g] - 1, *self.sizes[g + 1 :], 1)
        other = SymmetricSpace(sizes, self.fock_dims)
        N, J = self.sizes[g], self.two_J[g] / 2
        lower = J * (N + 2 * J + 2) / (N * (2 * J + 1))
        upper = (J + 1) * (N - 2 * J) / (N * (2 * J + 1))
        return other, [
            Branch(self._isometry(other, g, sign, share > 0), share)
            for sign, share in ((1, lower), (-1, upper))
        ]

    def _isometry(
        self, other: SymmetricSpace, g: int, sign: int, exists: NDArray[np.bool_]
    ) -> sp.csr_array:
        """Clebsch-Gordan matrix from J to (J - sign/2) ⊗ 1/2."""
        J, M = self.two_J[g] / 2, self.two_M[g] / 2
        rows, columns, values = [], [], []
        for spin in (1, -1):
            if sign == 1:
                value = np.sqrt((J + spin * M) / np.maximum(2 * J, 1))
            else:
                value = -spin * np.sqrt((J + 1 - spin * M) / (2 * J + 2))
            at = np.flatnonzero(exists & (np.abs(self.two_M[g] - spin) <= self.two_J[g] - sign))
            two_J, two_M = self.two_J[:, at].copy(), self.two_M[:, at].copy()
            two_J[g] -= sign
            two_M[g] -= spin
            one = np.full((1, len(at)), 1, dtype=np.int64)
            two_J, two_M = np.concatenate([two_J, one]), np.concatenate([two_M, spin * one])
            rows.append(other.index(two_J, two_M, self.level[:, at]))
            columns.append(at)
            values.append(value[at])
        triple = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        matrix = sp.csr_array(triple, (other.n, self.n))
        matrix.eliminate_zeros()
        return matrix
