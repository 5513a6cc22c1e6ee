"""Environments of a matrix-product chain and the effective generators between them.

Raw arrays of any library that `autoray` knows; every contraction is a matrix product. Legs::

    left_env (bra, ket, D)    right_env (ket, D, bra)    tensor (left, n, right)

    bra ─┐                                                ┌─ bra
         E─ D        site_env:  E ─ D ─ W ─ D₂            │
    ket ─┘           (bra, n', ket, n, D₂)           D ─ E ┴─ ket

A sweep goes from left to right; one to the left is the same on the mirrored chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.mode_environments import matrix_times_right_env
from tnhop.support.arrays import Array

_DENSE_OFF_DIAGONAL = (
    0.2  # share of entries off the diagonal blocks above which a core is one block
)


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
    size : int
        Number of local coordinates.
    n_right : int
        Right bond dimension.
    """

    parts: tuple[CoreBlock, ...]
    n_groups: int
    size: int
    n_right: int


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
class SiteEnvironment:
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


def absorb_core(env: Array, core: Any) -> Any:
    """Contract an environment (bra, ket, D) with the next core; a sparse core stays apart."""
    return _absorb_blocks(env, core) if isinstance(core, DenseCore) else core.absorb_into(env)


def _absorb_blocks(env: Array, core: DenseCore) -> SiteEnvironment:
    bra, ket, D = env.shape
    flat, blocks = env.reshape(bra * ket, D), []
    for part in core.parts:
        n = part.group.stop - part.group.start
        chosen = flat if len(part.rows) == D else flat[:, part.rows]
        block = (chosen @ part.matrix).reshape(bra, ket, n, n, -1)
        blocks.append(do("transpose", block, (0, 2, 1, 3, 4)).reshape(bra * n, -1))
    return SiteEnvironment(blocks, core, (bra, ket))


def effective_generator(site_env: Any, right_env: Any) -> Callable[[Array], Array]:
    """Return the effective generator of one site, for arrays of shape (left, n, right).

    `right_env` has the legs (ket, D, bra), or anything else in place of the last one.
    """
    if not isinstance(site_env, SiteEnvironment):
        return site_env.effective_generator(right_env)
    core, (bra, ket) = site_env.core, site_env.shape
    right, _, out = right_env.shape
    right_products = [
        matrix_times_right_env(right_env, part.columns) for part in core.parts
    ]  # for all applications

    def apply(v: Array) -> Array:
        results = []
        for part, block, right_product in zip(
            core.parts, site_env.blocks, right_products, strict=True
        ):
            n = part.group.stop - part.group.start
            v_group = v if n == core.size else v[:, part.group]
            X = right_product(v_group.reshape(ket * n, right))
            results.append((block @ X.reshape(-1, out)).reshape(bra, n, out))
        groups = results[: core.n_groups]
        total = groups[0] if len(groups) == 1 else do("concatenate", groups, axis=1)
        return total + results[-1] if len(results) > len(groups) else total

    return apply


def pair_right_env(env: Array, core: DenseCore) -> Array:
    """Return the right environment of a pair's first site, the second site merged into it.

    `env` (bra, ket, D) is that of the mirrored chain beyond the second site. The core must be
    ungrouped; the legs of the result are (n ket, D, n bra), flattened.
    """
    site_env = _absorb_blocks(env, core)
    bra, ket = site_env.shape
    (block,), n = site_env.blocks, core.size
    spread = do("transpose", block.reshape(bra, n, ket, n, -1), (3, 2, 4, 1, 0))
    columns = core.parts[0].columns
    if len(columns) < core.n_right:
        spread = do("tensordot", spread, _spread(columns, core.n_right, env), ((2,), (0,)))
        spread = do("transpose", spread, (0, 1, 4, 2, 3))
    return spread.reshape(n * ket, -1, n * bra)


def _spread(columns: NDArray[np.intp], n_right: int, like: Array) -> Array:
    """Return the matrix that puts the columns of a part among all bond states."""
    spread = np.zeros((len(columns), n_right))
    spread[np.arange(len(columns)), columns] = 1.0
    return placed(spread, like)


def advance(site_env: Any, bra: Array, ket: Array) -> Array:
    """Return the environment (bra, ket, D) one site further, from the tensors of that site."""
    if not isinstance(site_env, SiteEnvironment):
        return site_env.advance(bra, ket)
    core = site_env.core
    total: Array = 0.0
    for part, block in zip(core.parts, site_env.blocks, strict=True):
        above, below = bra[:, part.group], ket[:, part.group]
        above = above.reshape(-1, bra.shape[2])
        below = below.reshape(-1, ket.shape[2])
        half = (above.T @ block).reshape(bra.shape[2], below.shape[0], -1)
        piece = below.T @ half
        if len(part.columns) == core.n_right:
            total = total + piece
        else:
            total = total + piece @ _spread(part.columns, core.n_right, piece)
    return total


def bond_generator(env: Array, right_env: Array) -> Callable[[Array], Array]:
    """Return the effective generator of a bond, for its matrices (left, right)."""
    bra, ket, D = env.shape
    right, _, out = right_env.shape
    left_matrix, right_matrix = env.reshape(bra, ket * D), right_env.reshape(right, D * out)
    return lambda S: left_matrix @ (S @ right_matrix).reshape(ket * D, out)


def as_right_env(env: Array) -> Array:
    """Reorder an environment (bra, ket, D) of the mirrored chain to (ket, D, bra)."""
    return do("transpose", env, (1, 2, 0))


def advance_sketch(sketch: Array, G: Array, core: Any, A: Array) -> Array:
    """Advance a random sketch (m, ket, D) of the left half of Lρ by one site.

    Every row contracts the outgoing coordinates with random vectors, G of shape (m, n).
    """
    if not isinstance(core, DenseCore):
        return core.advance_sketch(sketch, G, A)
    m, ket, D = sketch.shape
    flat = sketch.reshape(m * ket, D)
    total: Array = 0.0
    for part in core.parts:
        n = part.group.stop - part.group.start
        block = (flat[:, part.rows] @ part.matrix).reshape(m, ket, n, -1)
        mixed = G[:, None, None, part.group] @ block  # (m, ket, 1, n D)
        half = mixed.reshape(m, ket * n, -1)
        piece = A[:, part.group].reshape(ket * n, -1).T @ half
        total = total + piece @ _spread(part.columns, core.n_right, piece)
    return total


def mirrored(tensors: Sequence[Array]) -> list[Array]:
    """Return the chain read from its other end."""
    return [do("transpose", A, (2, 1, 0)) for A in reversed(tensors)]
