"""Environments in dense blocks, the reference for all others, in any array library.

Raw arrays of any library that `autoray` knows; every contraction is a matrix product. Legs as in
`protocols`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import contiguous, placed
from tnhop.solvers.chain.steps.krylov import FunctionMap
from tnhop.solvers.chain.steps.layouts import DenseLayout
from tnhop.solvers.chain.steps.protocols import (
    Environment,
    GeneratorCore,
    RightEnvironment,
    narrowed,
)
from tnhop.support.arrays import Array

# share of entries off the diagonal blocks above which a core is one block
_DENSE_OFF_DIAGONAL = 0.2

Product = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class CoreBlock:
    """A block of a core: W[rows, n', n, columns] for n', n in one group of coordinates.

    Attributes
    ----------
    rows, columns : ndarray of int
        Bond states that take part.
    group : slice
        Coordinates, incoming and outgoing.
    matrix : array, shape (n_rows, n' n n_columns)
        The block.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    group: slice
    matrix: Array


@dataclass(frozen=True, eq=False)
class DenseCore:
    """A core of a generator as few dense blocks, seen from the left.

    Attributes
    ----------
    parts : tuple of CoreBlock
        Diagonal blocks, group by group, then the part off the diagonal.
    n_groups : int
        Number of diagonal blocks.
    size : int
        Number of local coordinates.
    n_right : int
        Right bond dimension.
    """

    parts: tuple[CoreBlock, ...]
    n_groups: int
    size: int
    n_right: int

    mode = None

    def absorb_into(self, env: Environment) -> DenseSiteEnvironment:
        """Contract an environment (bra, ket, D) with the core of the next site."""
        array = narrowed(DenseEnvironment, env).array
        bra, ket, D = array.shape
        flat, blocks = array.reshape(bra * ket, D), []
        for part in self.parts:
            n = part.group.stop - part.group.start
            chosen = flat if len(part.rows) == D else flat[:, part.rows]
            block = (chosen @ part.matrix).reshape(bra, ket, n, n, -1)
            # (bra, n', ket, n, D₂)
            blocks.append(do("transpose", block, (0, 2, 1, 3, 4)).reshape(bra * n, -1))
        return DenseSiteEnvironment(blocks, self, (bra, ket))

    def pair_right_env(self, env: Environment, mirrored_core: GeneratorCore) -> RightEnvironment:
        """Merge the second site of a pair: legs (n ket, D, n bra), flattened."""
        core = narrowed(DenseCore, mirrored_core)
        site_env = core.absorb_into(env)
        bra, ket = site_env.shape
        (block,), n = site_env.blocks, core.size
        spread = do("transpose", block.reshape(bra, n, ket, n, -1), (3, 2, 4, 1, 0))
        columns = core.parts[0].columns
        if len(columns) < core.n_right:
            spread = do("tensordot", spread, _spread(columns, core.n_right, block), ((2,), (0,)))
            spread = do("transpose", spread, (0, 1, 4, 2, 3))
        return DenseRightEnvironment(spread.reshape(n * ket, -1, n * bra))


def split_core(W: NDArray[np.float64], like: Array, grouped: bool = True) -> DenseCore:
    """Cut a core of shape (n_left, n, n, n_right) into dense blocks; into one, if not grouped.

    Diagonal functions of the fields never mix populations (1, σᶻ) with coherences (σˣ, σʸ); the
    Hamiltonian does, but takes few states of the bond.
    """
    n = W.shape[1]
    groups = [slice(0, 2), slice(2, 4)] if n == 4 and grouped else [slice(0, n)]
    off_diagonal = W.copy()
    for group in groups:
        off_diagonal[:, group, group] = 0.0
    if _filled(off_diagonal) > _DENSE_OFF_DIAGONAL * W.size:
        groups, off_diagonal = [slice(0, n)], np.zeros_like(W)
    blocks = [(group, W[:, group, group]) for group in groups]
    if off_diagonal.any():
        blocks.append((slice(0, n), off_diagonal))
    parts = tuple(_core_block(block, group, like) for group, block in blocks)
    return DenseCore(parts, len(groups), n, W.shape[3])


def _filled(W: NDArray[np.float64]) -> int:
    rows, columns = W.any(axis=(1, 2, 3)).sum(), W.any(axis=(0, 1, 2)).sum()
    return int(rows * columns * W.shape[1] ** 2)


def _core_block(W: NDArray[np.float64], group: slice, like: Array) -> CoreBlock:
    rows = np.flatnonzero(W.any(axis=(1, 2, 3)))
    columns = np.flatnonzero(W.any(axis=(0, 1, 2)))
    matrix = W[rows][..., columns].reshape(len(rows), W.shape[1] ** 2 * len(columns))
    return CoreBlock(rows, columns, group, placed(matrix, like))


@dataclass(frozen=True, eq=False)
class DenseEnvironment:
    """An environment as one array.

    Attributes
    ----------
    array : array, shape (bra, ket, D)
        The environment; in a sketch random vectors stand in place of bra.
    """

    array: Array

    def as_right_env(self) -> DenseRightEnvironment:
        """Return it as (ket, D, bra)."""
        return DenseRightEnvironment(do("transpose", self.array, (1, 2, 0)))

    def outside_basis(self, right_env: RightEnvironment, overlap: Array) -> DenseRightEnvironment:
        """Return a sketch of the mirrored chain less its part in the basis of those sites."""
        basis = narrowed(DenseRightEnvironment, right_env).array
        return DenseRightEnvironment(self.as_right_env().array - basis @ overlap.T)

    def bond_generator(self, right_env: RightEnvironment) -> FunctionMap:
        """Return the effective generator of a bond, for its matrices (left, right)."""
        right_array = narrowed(DenseRightEnvironment, right_env).array
        bra, ket, D = self.array.shape
        right, _, out = right_array.shape
        left_matrix = self.array.reshape(bra, ket * D)
        right_matrix = right_array.reshape(right, D * out)
        # (bra, ket D) · (ket, right) (right, D out)
        return FunctionMap(lambda S: left_matrix @ (S @ right_matrix).reshape(ket * D, out))


class PlainRightEnvironment(ABC):
    """A right environment without parities: one array, or one that is not merged with its site."""

    @abstractmethod
    def times_matrix(self, columns: NDArray[np.intp] | None = None) -> Product:
        """Return the product of matrices (rows, right) with it, or with some of its bond states."""

    @abstractmethod
    def times_tensor(self) -> Product:
        """Return the product of arrays (ket, n, right) with it: (ket, D, n, out)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs (ket, D, bra)."""


@dataclass(frozen=True, eq=False)
class DenseRightEnvironment(PlainRightEnvironment):
    """A right environment as one array.

    Attributes
    ----------
    array : array, shape (ket, D, bra)
        The environment, or a sketch of it, with random vectors in place of bra.
    """

    array: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs."""
        ket, D, bra = self.array.shape
        return ket, D, bra

    def times_matrix(self, columns: NDArray[np.intp] | None = None) -> Product:
        """Return the product of matrices (rows, right) with it, or with some of its bond states."""
        few = columns is not None and len(columns) < self.array.shape[1]
        chosen = self.array[:, columns] if few else self.array
        matrix = chosen.reshape(self.array.shape[0], -1)
        return lambda Y: Y @ matrix

    def times_tensor(self) -> Product:
        """Return the product of arrays (ket, n, right) with it: (ket, D, n, out)."""
        matrices = contiguous(do("transpose", self.array, (1, 0, 2)))
        return lambda v: v[:, None] @ matrices


class PlainSiteEnvironment:
    """An environment with the core of a site whose tensors are one block."""

    def layout(self, right_env: RightEnvironment, shape: tuple[int, ...]) -> DenseLayout:  # noqa: ARG002
        """Return the layout of the arrays of the site."""
        return DenseLayout(shape)

    def blocks_of(self, A: Array) -> list[Array]:
        """Return the one block of a tensor."""
        return [A.reshape(-1, A.shape[2])]


@dataclass(frozen=True, eq=False)
class DenseSiteEnvironment(PlainSiteEnvironment):
    """An environment with the core of the next site, block by block.

    Attributes
    ----------
    blocks : list of array, shape (bra n', ket n D)
        By part of the core.
    core : DenseCore
        The core.
    shape : tuple of int
        (bra, ket) of the environment.
    """

    blocks: list[Array]
    core: DenseCore
    shape: tuple[int, int]

    def effective_generator(self, right_env: RightEnvironment) -> FunctionMap:
        """Return the effective generator of the site, for arrays of shape (left, n, right)."""
        # a base class is as good a kind as any
        right_side = narrowed(PlainRightEnvironment, right_env)  # type: ignore[type-abstract]
        core, (bra, ket) = self.core, self.shape
        right, _, out = right_side.shape
        products = [right_side.times_matrix(part.columns) for part in core.parts]

        def apply(v: Array) -> Array:
            results = []
            for part, block, right_product in zip(core.parts, self.blocks, products, strict=True):
                n = part.group.stop - part.group.start
                v_group = v if n == core.size else v[:, part.group]
                X = right_product(v_group.reshape(ket * n, right))  # (ket n, D₂ out)
                results.append((block @ X.reshape(-1, out)).reshape(bra, n, out))
            groups = results[: core.n_groups]
            total = groups[0] if len(groups) == 1 else do("concatenate", groups, axis=1)
            return total + results[-1] if len(results) > len(groups) else total

        return FunctionMap(apply)

    def advance(self, blocks: Sequence[Array]) -> DenseEnvironment:
        """Return the environment one site further, from the tensor of that site as a matrix."""
        A = blocks[0].reshape(self.shape[1], self.core.size, -1)
        return self.between(A, A)

    def between(self, bra: Array, ket: Array) -> DenseEnvironment:
        """Return the environment one site further, between the tensors of two chains."""

        def contract(part: CoreBlock, block: Array) -> Array:
            above = bra[:, part.group].reshape(-1, bra.shape[2])  # (bra n', bra₂)
            return above.T @ block

        return self._advanced(contract, bra.shape[2], ket)

    def advance_sketch(self, G: Array, blocks: Sequence[Array]) -> DenseEnvironment:
        """Return a sketch one site further; G (m, n) takes the outgoing coordinates."""
        A = blocks[0].reshape(self.shape[1], self.core.size, -1)

        def contract(part: CoreBlock, block: Array) -> Array:
            signs = G[:, None, part.group]  # (m, 1, n') (m, n', ket n D₂)
            return signs @ block.reshape(G.shape[0], signs.shape[2], -1)

        return self._advanced(contract, self.shape[0], A)

    def _advanced(
        self, contract: Callable[[CoreBlock, Array], Array], bra: int, ket: Array
    ) -> DenseEnvironment:
        pieces = []
        for part, block in zip(self.core.parts, self.blocks, strict=True):
            below = ket[:, part.group].reshape(-1, ket.shape[2])  # (ket n, ket₂)
            half = contract(part, block).reshape(bra, below.shape[0], -1)
            piece = below.T @ half  # (bra₂, ket₂, D₂)
            few = len(part.columns) < self.core.n_right
            pieces.append(piece @ _spread(part.columns, self.core.n_right, piece) if few else piece)
        return DenseEnvironment(reduce(add, pieces))


def _spread(columns: NDArray[np.intp], n_right: int, like: Array) -> Array:
    """Return the matrix that puts the columns of a part among all bond states."""
    spread = np.zeros((len(columns), n_right))
    spread[np.arange(len(columns)), columns] = 1.0
    return placed(spread, like)


def mirrored(tensors: Sequence[Array]) -> list[Array]:
    """Return the chain read from its other end."""
    return [do("transpose", A, (2, 1, 0)) for A in reversed(tensors)]
