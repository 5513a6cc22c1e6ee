"""Cores of modes in sweeps: large and sparse, so that they are never merged with an environment.

The same operations as in `_effective`, in the order environment ahead, core, environment behind.
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

Onward = Callable[[Array], Array]

_FEW = 8  # columns too few for a sparse product of their own


def forward(ahead: Any) -> Onward:
    """Return the product of arrays (ket, n, right) with what is ahead: (ket, D, n, out)."""
    if isinstance(ahead, SparseAhead):
        beyond, D = ahead.onward(), ahead.shape[1]

        def apply(v: Array) -> Array:
            X = beyond(v.reshape(-1, v.shape[2])).reshape(*v.shape[:2], D, -1)
            return do("transpose", X, (0, 2, 1, 3))

        return apply
    matrices = contiguous(do("transpose", ahead, (1, 0, 2)))
    return lambda v: v[:, None] @ matrices


def onward(ahead: Any, columns: NDArray[np.intp] | None = None) -> Onward:
    """Return the product of matrices (rows, right) with what is ahead, some of its bond states."""
    if isinstance(ahead, SparseAhead):
        return ahead.onward(columns)
    chosen = ahead if columns is None or len(columns) == ahead.shape[1] else ahead[:, columns]
    matrix = chosen.reshape(ahead.shape[0], -1)
    return lambda Y: Y @ matrix


@dataclass(frozen=True, eq=False)
class SparseCore:
    """A core seen from the left, as a sparse matrix.

    Attributes
    ----------
    onto : sparse matrix, shape (n_left n', n_right n)
        From (right, incoming) to (left, outgoing).
    back : sparse matrix, shape (n_right n, n_left n')
        Its transpose.
    n_left, size, n_right : int
        Bond dimensions and number of local coordinates.
    mode : ModeCore
        The core as a sum of few terms, in all coordinates.
    """

    onto: Array
    back: Array
    n_left: int
    size: int
    n_right: int
    mode: ModeCore

    @classmethod
    def of(cls, core: ModeCore, like: Array) -> SparseCore:
        """Return the core in the library of an array."""
        matrix = core.to_matrix()
        onto, back = placed_sparse(matrix, like), placed_sparse(matrix.T.tocsr(), like)
        return cls(onto, back, core.shape[0], core.shape[1], core.shape[3], core)

    def absorbed(self, env: Array) -> SparseAbsorbed:
        """Keep an environment (bra, ket, D) with the core behind it."""
        return SparseAbsorbed(env, self)

    def pair_ahead(self, ahead: Array) -> SparseAhead:
        """Return what is ahead with the site before it."""
        return SparseAhead(self, forward(ahead), ahead.shape)

    def before(self, v: Array, ahead: Onward) -> Array:
        """Contract v (ket, n, right) with what is ahead and the core: (ket, n_left, n', out)."""
        X = ahead(v)
        ket, D, n, out = X.shape
        if ket > 1 and out < _FEW:
            columns = do("transpose", X, (1, 2, 0, 3)).reshape(D * n, ket * out)
            Y = (self.onto @ columns).reshape(self.n_left, n, ket, out)
            return do("transpose", Y, (2, 0, 1, 3))
        # what belongs to one state of the bond stays in the cache
        Ys = [self.onto @ x for x in X.reshape(ket, D * n, out)]
        return do("stack", Ys).reshape(ket, self.n_left, n, out)

    def sketched(self, sketch: Array, G: Array, A: Array) -> Array:
        """Advance a random sketch, see `_effective.sketched`."""
        m, ket, D = sketch.shape
        n, right = A.shape[1:]
        mixed = do("transpose", sketch, (2, 0, 1))[:, None] * G.T[None, :, :, None]
        Y = (self.back @ mixed.reshape(D * n, m * ket)).reshape(self.n_right, n, m, ket)
        Y = do("transpose", Y, (2, 0, 3, 1)).reshape(m * self.n_right, ket * n)
        Z = (Y @ A.reshape(ket * n, right)).reshape(m, self.n_right, right)
        return do("transpose", Z, (0, 2, 1))


@dataclass(frozen=True, eq=False)
class SparseAbsorbed:
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

    def effective(self, ahead: Any) -> Callable[[Array], Array]:
        """Return the effective generator of the site."""
        bra, ket, D = self.env.shape
        behind, beyond = self.env.reshape(bra, ket * D), forward(ahead)

        def apply(v: Array) -> Array:
            Y = self.core.before(v, beyond)
            n, out = Y.shape[2:]
            return (behind @ Y.reshape(ket * D, n * out)).reshape(bra, n, out)

        return apply

    def advanced(self, bra: Array, ket: Array) -> Array:
        """Return the environment (bra, ket, D) one site further."""
        core, (above, below, D), n = self.core, self.env.shape, bra.shape[1]
        behind = self.env.reshape(above, below * D).T
        Y = (behind @ bra.reshape(above, -1)).reshape(below, D * n, -1)
        Y = do("transpose", Y, (1, 0, 2)).reshape(D * n, -1)
        Z = (core.back @ Y).reshape(core.n_right, n, below, -1)
        Z = do("transpose", Z, (0, 3, 2, 1)).reshape(-1, below * n)
        E = (Z @ ket.reshape(below * n, -1)).reshape(core.n_right, -1, ket.shape[2])
        return do("transpose", E, (1, 2, 0))


@dataclass(frozen=True, eq=False)
class SparseAhead:
    """What is ahead of a pair of sites with the second one, as legs (n ket, D, n bra).

    Attributes
    ----------
    core : SparseCore
        The second site.
    beyond : callable
        Product with what is ahead of it.
    legs : tuple of int
        (ket, D, bra) of what is ahead of it.
    """

    core: SparseCore
    beyond: Onward
    legs: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs."""
        n = self.core.size
        return n * self.legs[0], self.core.n_left, n * self.legs[2]

    def onward(self, columns: NDArray[np.intp] | None = None) -> Onward:
        """Return the product of matrices with it, some of its bond states."""

        def apply(Y: Array) -> Array:
            both = self.core.before(Y.reshape(len(Y), self.core.size, -1), self.beyond)
            chosen = both if columns is None else both[:, columns]
            return chosen.reshape(len(Y), -1)

        return apply
