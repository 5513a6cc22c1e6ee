"""Cores of modes in sweeps: large and sparse, so that they are never merged with an environment.

The same operations as in `environments`, in the order right environment, core, left environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.backend import placed_sparse
from tnhop.solvers.chain.steps.environments import (
    DenseEnvironment,
    PlainRightEnvironment,
    PlainSiteEnvironment,
    Product,
)
from tnhop.solvers.chain.steps.krylov import FunctionMap
from tnhop.solvers.chain.steps.protocols import (
    Environment,
    GeneratorCore,
    RightEnvironment,
    narrowed,
)
from tnhop.support.arrays import Array

_FEW = 8  # columns too few for a sparse product of their own


class MatrixLike(Protocol):
    """A matrix of any form that multiplies arrays of the library from the left."""

    def __matmul__(self, other: Array, /) -> Array:
        """Return the product with an array."""


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

    matrix: MatrixLike
    transposed: MatrixLike
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

    def absorb_into(self, env: Environment) -> SparseSiteEnvironment:
        """Pair an environment with the core of the next site."""
        return SparseSiteEnvironment(narrowed(DenseEnvironment, env).array, self)

    def pair_right_env(
        self,
        env: Environment,
        mirrored_core: GeneratorCore,  # noqa: ARG002
    ) -> SparsePairEnvironment:
        """Return the right environment of a pair's first site, with this core of its second one."""
        beyond = narrowed(DenseEnvironment, env).as_right_env()
        return SparsePairEnvironment(self, beyond.times_tensor(), beyond.shape)

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


@dataclass(frozen=True, eq=False)
class SparseSiteEnvironment(PlainSiteEnvironment):
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

    def effective_generator(self, right_env: RightEnvironment) -> FunctionMap:
        """Return the effective generator of the site."""
        # a base class is as good a kind as any
        right_side = narrowed(PlainRightEnvironment, right_env)  # type: ignore[type-abstract]
        bra, ket, D = self.env.shape
        left_matrix, right_product = self.env.reshape(bra, ket * D), right_side.times_tensor()

        def apply(v: Array) -> Array:
            Y = self.core.contract_right_env(v, right_product)
            n, out = Y.shape[2:]
            return (left_matrix @ Y.reshape(ket * D, n * out)).reshape(bra, n, out)

        return FunctionMap(apply)

    def advance(self, blocks: Sequence[Array]) -> DenseEnvironment:
        """Return the environment one site further, from the tensor of that site as a matrix."""
        A = blocks[0].reshape(self.env.shape[1], self.core.size, -1)
        return self.between(A, A)

    def advance_sketch(self, G: Array, blocks: Sequence[Array]) -> DenseEnvironment:
        """Return a sketch one site further; G (m, n) takes the outgoing coordinates."""
        core, (m, ket, D) = self.core, self.env.shape
        n = core.size
        mixed = do("transpose", self.env, (2, 0, 1))[:, None] * G.T[None, :, :, None]
        Y = (core.transposed @ mixed.reshape(D * n, m * ket)).reshape(core.n_right, n, m, ket)
        Y = do("transpose", Y, (2, 0, 3, 1)).reshape(m * core.n_right, ket * n)
        Z = (Y @ blocks[0].reshape(ket * n, -1)).reshape(m, core.n_right, -1)
        return DenseEnvironment(do("transpose", Z, (0, 2, 1)))

    def between(self, bra: Array, ket: Array) -> DenseEnvironment:
        """Return the environment one site further, between the tensors of two chains."""
        core, (above, below, D), n = self.core, self.env.shape, bra.shape[1]
        left_matrix = self.env.reshape(above, below * D).T
        Y = (left_matrix @ bra.reshape(above, -1)).reshape(below, D * n, -1)
        Y = do("transpose", Y, (1, 0, 2)).reshape(D * n, -1)
        Z = (core.transposed @ Y).reshape(core.n_right, n, below, -1)
        Z = do("transpose", Z, (0, 3, 2, 1)).reshape(-1, below * n)
        E = (Z @ ket.reshape(below * n, -1)).reshape(core.n_right, -1, ket.shape[2])
        return DenseEnvironment(do("transpose", E, (1, 2, 0)))


@dataclass(frozen=True, eq=False)
class SparsePairEnvironment(PlainRightEnvironment):
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

    def times_matrix(self, columns: NDArray[np.intp] | None = None) -> Product:
        """Return the product of matrices (rows, right) with it, or with some of its bond states."""

        def apply(Y: Array) -> Array:
            both = self.core.contract_right_env(
                Y.reshape(len(Y), self.core.size, -1), self.right_product
            )
            chosen = both if columns is None else both[:, columns]
            return chosen.reshape(len(Y), -1)

        return apply

    def times_tensor(self) -> Product:
        """Return the product of arrays (ket, n, right) with it: (ket, D, n, out)."""
        product, D = self.times_matrix(), self.shape[1]

        def apply(v: Array) -> Array:
            X = product(v.reshape(-1, v.shape[2])).reshape(*v.shape[:2], D, -1)
            return do("transpose", X, (0, 2, 1, 3))

        return apply
