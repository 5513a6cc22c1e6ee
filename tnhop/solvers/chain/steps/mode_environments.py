"""Cores of modes in sweeps: large and sparse, so that they are never merged with an environment.

The same operations as in `environments`, in the order right environment, core, left environment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.backend import contiguous, placed_sparse
from tnhop.support.arrays import Array

Product = Callable[[Array], Array]

_FEW = 8  # columns too few for a sparse product of their own


def tensor_times_right_env(right_env: Any) -> Product:
    """Return the product of arrays (ket, n, right) with the right environment: (ket, D, n, out)."""
    if isinstance(right_env, SparsePairEnvironment):
        product, D = right_env.matrix_times_right_env(), right_env.shape[1]

        def apply(v: Array) -> Array:
            X = product(v.reshape(-1, v.shape[2])).reshape(*v.shape[:2], D, -1)
            return do("transpose", X, (0, 2, 1, 3))

        return apply
    matrices = contiguous(do("transpose", right_env, (1, 0, 2)))
    return lambda v: v[:, None] @ matrices


def matrix_times_right_env(right_env: Any, columns: NDArray[np.intp] | None = None) -> Product:
    """Return the product of matrices (rows, right) with the right environment or some columns."""
    if isinstance(right_env, SparsePairEnvironment):
        return right_env.matrix_times_right_env(columns)
    if columns is not None and len(columns) < right_env.shape[1]:
        right_env = right_env[:, columns]
    matrix = right_env.reshape(right_env.shape[0], -1)
    return lambda Y: Y @ matrix


@dataclass(frozen=True, eq=False)
class SparseCore:
    """A core seen from the left, as a sparse matrix.

    Attributes
    ----------
    matrix : sparse matrix, shape (n_left n', n_right n)
        From (right, incoming) to (left, outgoing).
    transposed : sparse matrix, shape (n_right n, n_left n')
        Its transpose.
    n_left, size, n_right : int
        Bond dimensions and number of local coordinates.
    mode : ModeCore
        The core as a sum of few terms, in all coordinates.
    """

    matrix: Array
    transposed: Array
    n_left: int
    size: int
    n_right: int
    mode: ModeCore

    @classmethod
    def of(cls, core: ModeCore, like: Array) -> SparseCore:
        """Return the core in the library of an array."""
        W = core.to_matrix()
        matrix, transposed = placed_sparse(W, like), placed_sparse(W.T.tocsr(), like)
        return cls(matrix, transposed, core.shape[0], core.shape[1], core.shape[3], core)

    def absorb_into(self, env: Array) -> SparseSiteEnvironment:
        """Pair an environment (bra, ket, D) with the core of the next site."""
        return SparseSiteEnvironment(env, self)

    def pair_right_env(self, right_env: Array) -> SparsePairEnvironment:
        """Return the right environment of the site on the left, with this site."""
        return SparsePairEnvironment(self, tensor_times_right_env(right_env), right_env.shape)

    def contract_right_env(self, v: Array, right_product: Product) -> Array:
        """Contract v (ket, n, right) with right environment and core: (ket, n_left, n', out)."""
        X = right_product(v)
        ket, D, n, out = X.shape
        if ket > 1 and out < _FEW:
            columns = do("transpose", X, (1, 2, 0, 3)).reshape(D * n, ket * out)
            Y = (self.matrix @ columns).reshape(self.n_left, n, ket, out)
            return do("transpose", Y, (2, 0, 1, 3))
        # the entries of one state of the bond fit into the cache
        Ys = [self.matrix @ x for x in X.reshape(ket, D * n, out)]
        return do("stack", Ys).reshape(ket, self.n_left, n, out)

    def advance_sketch(self, sketch: Array, G: Array, A: Array) -> Array:
        """Advance a random sketch, see `environments.advance_sketch`."""
        m, ket, D = sketch.shape
        n, right = A.shape[1:]
        mixed = do("transpose", sketch, (2, 0, 1))[:, None] * G.T[None, :, :, None]
        Y = (self.transposed @ mixed.reshape(D * n, m * ket)).reshape(self.n_right, n, m, ket)
        Y = do("transpose", Y, (2, 0, 3, 1)).reshape(m * self.n_right, ket * n)
        Z = (Y @ A.reshape(ket * n, right)).reshape(m, self.n_right, right)
        return do("transpose", Z, (0, 2, 1))


@dataclass(frozen=True, eq=False)
class SparseSiteEnvironment:
    """An environment and the core of the next site.

    Attributes
    ----------
    env : array, shape (bra, ket, D)
        The environment.
    core : SparseCore
        The core.
    """

    env: Array
    core: SparseCore

    def effective_generator(self, right_env: Any) -> Callable[[Array], Array]:
        """Return the effective generator of the site."""
        bra, ket, D = self.env.shape
        left_matrix, right_product = (
            self.env.reshape(bra, ket * D),
            tensor_times_right_env(right_env),
        )

        def apply(v: Array) -> Array:
            Y = self.core.contract_right_env(v, right_product)
            n, out = Y.shape[2:]
            return (left_matrix @ Y.reshape(ket * D, n * out)).reshape(bra, n, out)

        return apply

    def advance(self, bra: Array, ket: Array) -> Array:
        """Return the environment (bra, ket, D) one site further."""
        core, (above, below, D), n = self.core, self.env.shape, bra.shape[1]
        left_matrix = self.env.reshape(above, below * D).T
        Y = (left_matrix @ bra.reshape(above, -1)).reshape(below, D * n, -1)
        Y = do("transpose", Y, (1, 0, 2)).reshape(D * n, -1)
        Z = (core.transposed @ Y).reshape(core.n_right, n, below, -1)
        Z = do("transpose", Z, (0, 3, 2, 1)).reshape(-1, below * n)
        E = (Z @ ket.reshape(below * n, -1)).reshape(core.n_right, -1, ket.shape[2])
        return do("transpose", E, (1, 2, 0))


@dataclass(frozen=True, eq=False)
class SparsePairEnvironment:
    """The right environment of a pair's first site: the second site and the one beyond, unmerged.

    Attributes
    ----------
    core : SparseCore
        The second site.
    right_product : callable
        Product with the right environment of the second site.
    legs : tuple of int
        (ket, D, bra) of that environment.
    """

    core: SparseCore
    right_product: Product
    legs: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs."""
        n = self.core.size
        return n * self.legs[0], self.core.n_left, n * self.legs[2]

    def matrix_times_right_env(self, columns: NDArray[np.intp] | None = None) -> Product:
        """Return the product of matrices with it, some of its bond states."""

        def apply(Y: Array) -> Array:
            both = self.core.contract_right_env(
                Y.reshape(len(Y), self.core.size, -1), self.right_product
            )
            chosen = both if columns is None else both[:, columns]
            return chosen.reshape(len(Y), -1)

        return apply
