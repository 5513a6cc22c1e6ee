"""Cores of generators at modes, kept as sums of few products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tnhop.support.arrays import Real

__all__ = ["ModeCore"]


@dataclass(frozen=True, eq=False)
class ModeCore:
    """A core W = Σ_k weights[:, k, :] M_k of a site with many coordinates.

    Attributes
    ----------
    weights : ndarray, shape (n_left, n_matrices, n_right)
        Weights of the superoperators between the states of the two bonds.
    matrices : tuple of csr_array, shape (n, n)
        Sparse superoperators, from incoming to outgoing coordinates.
    """

    weights: Real
    matrices: tuple[sp.csr_array, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the dense core: left bond, outgoing, incoming coordinate, right bond."""
        n_left, _, n_right = self.weights.shape
        return (n_left, *self.matrices[0].shape, n_right)

    def __getitem__(self, states: Any) -> ModeCore:
        """Select states of the outer bonds, as of an array."""
        return ModeCore(self.weights[states], self.matrices)

    def mirrored(self) -> ModeCore:
        """Return the core of the chain read from its other end."""
        return ModeCore(self.weights.transpose(2, 1, 0), self.matrices)

    def to_matrix(self) -> sp.csr_array:
        """Return the core as a matrix from (right, incoming) to (left, outgoing)."""
        pairs = zip(self.weights.transpose(1, 0, 2), self.matrices, strict=True)
        n_left, n, _, n_right = self.shape
        total = sp.csr_array((n_left * n, n_right * n))
        for w, M in pairs:
            if w.any():
                total = total + sp.kron(w, M, format="csr")
        return sp.csr_array(total)

    def to_dense(self) -> Real:
        """Return the dense core, shape (n_left, n, n, n_right)."""
        n_left, n, _, n_right = self.shape
        dense = self.to_matrix().toarray().reshape(n_left, n, n_right, n)
        return np.ascontiguousarray(dense.transpose(0, 1, 3, 2))
