"""Modes inside a chain in few operators: the optimal local basis, evolved as a leaf of a tree.

The tensor of such a site is a core (left, k, right) times k orthonormal vectors among its many
coordinates, the optimal local basis (Guo, Weichselbaum and Vojta 2012). Both are evolved in turn,
and the bond between them back in time, as TDVP does on any tree. The core is smaller by
n/k, and the generator between these vectors has the form of that of a site with k coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.environments import DenseEnvironment, DenseRightEnvironment
from tnhop.solvers.chain.steps.krylov import FunctionMap
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.protocols import Environment, RightEnvironment, narrowed
from tnhop.support.arrays import Array, Real

_WIDTH = 3  # vectors looked for, in units of the larger bond
_RANK = 1e-13  # singular values below this part of the largest are rounding


@dataclass(frozen=True, eq=False)
class BlockMatrix:
    """A matrix of n_rows × n_columns blocks, few of which are not zero.

    Attributes
    ----------
    parts : list of (row, column, ndarray or None)
        Blocks; None is the identity.
    n_rows, n_columns : int
        How many.
    """

    parts: list[tuple[int, int, Real | None]]
    n_rows: int
    n_columns: int

    def __matmul__(self, x: Array) -> Real:
        """Return the product with a matrix."""
        pieces = narrowed(np.ndarray, x).reshape(self.n_columns, -1, x.shape[1])
        result = np.zeros((self.n_rows, *pieces.shape[1:]), x.dtype)
        for row, column, block in self.parts:
            result[row] += pieces[column] if block is None else block @ pieces[column]
        return result.reshape(-1, x.shape[1])


@dataclass(frozen=True, eq=False)
class OptimalModeBasis:
    """Optimal local basis of a mode: the vectors that its tensor needs, the trace functional first.

    Attributes
    ----------
    vectors : ndarray, shape (k, n)
        The vectors, orthonormal.
    mode : ModeCore
        Generator of the site.

    References
    ----------
    C. Guo, A. Weichselbaum and M. Vojta, Phys. Rev. Lett. 108, 160401 (2012).
    """

    vectors: Real
    mode: ModeCore

    @classmethod
    def of(
        cls, tensor: Array, mode: ModeCore, trace: Array
    ) -> tuple[OptimalModeBasis, Real] | None:
        """Factorise a tensor (left, n, right) without loss; None if that would not be worth it."""
        left, n, right = tensor.shape
        A, functional = narrowed(np.ndarray, tensor), narrowed(np.ndarray, trace)
        M = np.ascontiguousarray(A.transpose(1, 0, 2)).reshape(n, left * right)
        # the width depends on shapes alone, so that a resumed run has the same bits
        width, rng = _WIDTH * max(left, right), np.random.default_rng(left * right)
        while 2 * width < n:
            columns = M @ rng.standard_normal((left * right, width)).astype(M.dtype)
            Q = np.linalg.qr(np.column_stack([functional, columns]))[0]
            Q[:, 0] = functional
            K = Q.T @ M
            U, S, V = np.linalg.svd(K[1:], full_matrices=False)
            rank = int(np.count_nonzero(_RANK * S[0] < S))
            if rank < width - 1:
                vectors = np.vstack([functional, (Q[:, 1:] @ U[:, :rank]).T])
                core = np.vstack([K[:1], S[:rank, None] * V[:rank]])
                shaped = core.reshape(-1, left, right).transpose(1, 0, 2)
                return cls(vectors, mode), np.ascontiguousarray(shaped)
            width *= 2
        return None

    @property
    def trace(self) -> Real:
        """Trace functional of the site, on the vectors."""
        return np.eye(1, len(self.vectors), dtype=self.vectors.dtype)[0]

    @cached_property
    def matrices(self) -> list[Real | None]:
        """Terms of the generator between the vectors; None is the identity."""
        return [None if _is_identity(M) else self.vectors @ (M @ self.vectors.T)
                for M in self.mode.matrices]  # fmt: skip

    @cached_property
    def core(self) -> SparseCore:
        """Generator of the site between the vectors."""
        weights, k = self.mode.weights, len(self.vectors)
        blocks: list[tuple[int, int, Real | None]] = []
        for row, column in np.argwhere(weights.any(axis=1)):
            terms = [(w, F) for w, F in zip(weights[row, :, column], self.matrices, strict=True)
                     if w]  # fmt: skip
            (weight, F), *others = terms
            if weight == 1.0 and F is None and not others:
                blocks.append((row, column, None))
            else:
                block = sum(w * (np.eye(k) if F is None else F) for w, F in terms)
                blocks.append((row, column, np.ascontiguousarray(block)))
        transposed = [
            (c, r, None if B is None else np.ascontiguousarray(B.T)) for r, c, B in blocks
        ]
        n_left, _, n_right = weights.shape
        matrix = BlockMatrix(blocks, n_left, n_right)
        transpose = BlockMatrix(transposed, n_right, n_left)
        return SparseCore(matrix, transpose, n_left, k, n_right, self.mode)

    def expand(self, core: Array) -> Real:
        """Return the tensor (left, n, right) of a core (left, k, right)."""
        whole = np.tensordot(narrowed(np.ndarray, core), self.vectors, ((1,), (0,)))
        return np.ascontiguousarray(whole.transpose(0, 2, 1))


def _is_identity(M: Any) -> bool:
    return M.nnz == M.shape[0] and bool(np.all(M.diagonal() == 1.0))


@dataclass(frozen=True, eq=False)
class ModeBasisEnvironment:
    """Environment of an optimal basis: the other sites in orthonormal vectors, the generator there.

    Attributes
    ----------
    vectors : ndarray, shape (left right, k)
        The vectors.
    images : list of ndarray, shape (left right, k)
        Terms of the generator applied to them.
    shape : (int, int)
        left, right.
    """

    vectors: Real
    images: list[Real]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, tensor: Array, mode: ModeCore, left: Environment, right: RightEnvironment
    ) -> tuple[ModeBasisEnvironment, Real]:
        """Split a core (left, k, right) into these vectors and the bond with the mode basis."""
        core = narrowed(np.ndarray, tensor)
        left_env = narrowed(np.ndarray, narrowed(DenseEnvironment, left).array)
        right_env = narrowed(np.ndarray, narrowed(DenseRightEnvironment, right).array)
        n_left, k, n_right = core.shape
        Q, R = np.linalg.qr(core.transpose(0, 2, 1).reshape(n_left * n_right, k))
        vectors = np.ascontiguousarray(Q.T).reshape(-1, n_left, n_right)
        from_right = [vectors @ right_env[:, d] for d in range(right_env.shape[1])]
        left_matrices = [np.ascontiguousarray(left_env[:, :, d]) for d in range(left_env.shape[2])]
        images = []
        for weights in mode.weights.transpose(1, 0, 2):
            total = np.zeros_like(vectors)
            for d in np.flatnonzero(weights.any(axis=1)):
                mixed = sum(weights[d, e] * from_right[e] for e in np.flatnonzero(weights[d]))
                total += left_matrices[d] @ mixed
            images.append(np.ascontiguousarray(total.reshape(len(vectors), -1).T))
        return cls(Q, images, (n_left, n_right)), R

    @cached_property
    def environment(self) -> list[Real]:
        """Terms of the generator between the vectors."""
        return [self.vectors.T @ part for part in self.images]

    @property
    def trace(self) -> Real:
        """Trace functional of all other sites: the first state of both bonds."""
        return self.vectors[0]

    def basis_generator(self, mode: ModeCore) -> FunctionMap:
        """Return the effective generator of a mode basis (k, n) with its weight."""
        pairs = list(zip(self.environment, mode.matrices, strict=True))
        return FunctionMap(lambda X: _sum(E @ _applied(M, X) for E, M in pairs))

    def bond_generator(self, basis: OptimalModeBasis) -> FunctionMap:
        """Return the effective generator of the bond (k, k) between them."""
        pairs = list(zip(self.environment, basis.matrices, strict=True))

        def apply(S: Array) -> Array:
            return _sum(E @ narrowed(np.ndarray, S if F is None else S @ F.T) for E, F in pairs)

        return FunctionMap(apply)

    def missing_directions(self, signs: Real, weighted: Array, mode: ModeCore) -> Real:
        """Return Lρ on the mode for random vectors outside the environment, shape (n, m)."""
        outside = signs - self.vectors @ (self.vectors.T @ signs)
        return _sum(
            _applied(M, (outside.T @ part) @ narrowed(np.ndarray, weighted)).T
            for part, M in zip(self.images, mode.matrices, strict=True)
        )

    @staticmethod
    def directions(signs: Real, weighted: Array, mode: ModeCore) -> Real:
        """Return random mixtures of all terms of the generator times the mode basis, shape (n, m).

        Lρ alone would lack the directions for which the bonds, too, have yet to grow.
        """
        terms = [_applied(M, weighted) for M in mode.matrices if not _is_identity(M)]
        return (signs[:, : len(terms) * len(weighted)] @ np.vstack(terms)).T

    def merge(self, bond: Array) -> Real:
        """Return the core (left, k, right) of a bond matrix."""
        core = (self.vectors @ narrowed(np.ndarray, bond)).reshape(*self.shape, -1)
        return np.ascontiguousarray(core.transpose(0, 2, 1))


def _applied(M: Any, X: Array) -> Real:
    """Return X Mᵀ for a sparse M and rows X."""
    return narrowed(np.ndarray, X if _is_identity(M) else np.ascontiguousarray((M @ X.T).T))


def _sum(terms: Iterable[Real]) -> Real:
    return reduce(add, terms)
