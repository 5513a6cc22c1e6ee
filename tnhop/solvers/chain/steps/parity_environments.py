"""Sweeps in blocks where generator and state conserve a parity of the local basis elements.

Open Hopfield networks conserve the parity of the number of factors σˣ, for instance. Every state of
a bond, of the chain or of the generator, then carries a parity of its own, and a tensor is non-zero
only where the parities of its bond_dims add up to an even number. The same operations as in
`environments`, block by block; chains remain whole arrays, with zeros between their blocks.

Arrays are written in place here, unlike elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import contiguous, placed
from tnhop.solvers.chain.steps.block_products import BlockProduct, SumOfProducts
from tnhop.solvers.chain.steps.environments import CoreBlock, split_core
from tnhop.solvers.chain.steps.layouts import (
    Index,
    ParityDims,
    ParityLayout,
    Sectors,
    bond_sectors,
    bond_site_sectors,
    zeros,
)
from tnhop.solvers.chain.steps.protocols import (
    Environment,
    GeneratorCore,
    RightEnvironment,
    narrowed,
)
from tnhop.support.arrays import Array

Blocks = tuple[tuple[Array, Array], tuple[Array, Array]]

BOTH = (0, 1)


@dataclass(frozen=True, eq=False)
class ParityEnvironment:
    """An environment: blocks[b][k] of shape (bra, ket, D) for parities b of bra and k of ket.

    Or a sketch of one, with random vectors instead of bra: outgoing strings of either parity.
    """

    blocks: Blocks
    bra: ParityDims
    ket: ParityDims

    @classmethod
    def edge(cls, like: Array, bra: ParityDims = (1, 0)) -> ParityEnvironment:
        """Return the environment before the first site."""
        one = do("ones", (max(bra), 1, 1), like=like, dtype=like.dtype)
        odd = one[: bra[1]]
        return cls(((one, one[:, :0, :0]), (odd[:, :, :0], odd[:, :0])), bra, (1, 0))

    def as_right_env(self) -> ParityRightEnvironment:
        """Return it as (ket, D, bra)."""
        blocks = _parity_pairs(lambda r, o: do("transpose", self.blocks[o][r], (1, 2, 0)))
        return ParityRightEnvironment(blocks, bond_sectors(self.ket), self.bra)

    def outside_basis(self, right_env: RightEnvironment, overlap: Array) -> ParityRightEnvironment:
        """Return a sketch of the mirrored chain less its part in the basis of those sites."""
        basis, sketch = narrowed(ParityRightEnvironment, right_env), self.as_right_env()
        kets = basis.right.indices
        blocks = _parity_pairs(
            lambda r, o: sketch.blocks[r][o] - basis.blocks[r][o] @ overlap[:, kets[o]].T
        )
        return ParityRightEnvironment(blocks, sketch.right, sketch.out)

    def bond_generator(self, right_env: RightEnvironment) -> SumOfProducts:
        """Return the effective generator of a bond, for packed matrices."""
        right_side = narrowed(ParityRightEnvironment, right_env)
        ket, ins, out, bond = self.ket, right_side.right.sizes, right_side.out, right_side.bond

        def block_products(o: int) -> list[BlockProduct]:
            pieces = [self.blocks[o][k].reshape(ket[o], ket[k] * bond[o ^ k]) for k in BOTH]
            sources = [
                (k, slice(0, ket[k]), right_side.blocks[k][o].reshape(ins[k], bond[k ^ o] * out[o]))
                for k in BOTH
            ]
            block = do("concatenate", pieces, axis=1)
            return [BlockProduct(slice(0, ket[o]), False, block, sources)]

        like = right_side.blocks[0][0]
        return SumOfProducts((block_products(0), block_products(1)), ket, ins, out, like)


@dataclass(frozen=True, eq=False)
class ParityRightEnvironment:
    """Right environment: blocks[r][o] of shape (ket, D, out) for parities r of ket, o of out."""

    blocks: Blocks
    right: Sectors
    out: ParityDims

    @property
    def bond(self) -> ParityDims:
        """States of the generator's bond."""
        return self.blocks[0][0].shape[1], self.blocks[0][1].shape[1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs (ket, D, bra)."""
        return self.right.total, sum(self.bond), sum(self.out)


def _parity_pairs(block: Callable[[int, int], Array]) -> Blocks:
    return (block(0, 0), block(0, 1)), (block(1, 0), block(1, 1))


@dataclass(frozen=True, eq=False)
class ParityCoreBlock:
    """A block of a core, see `environments.CoreBlock`, by the parity d of its rows.

    Attributes
    ----------
    group : slice
        Coordinates, incoming and outgoing.
    rows, columns : pair of slice or ndarray of int
        States of the two bonds that take part, counted within their parity.
    sizes : pair of int
        Number of columns of either parity.
    matrices : pair of array, shape (n_rows, entries)
        By the parity of the rows.
    places : pair of list of (n', n, slice)
        Columns of the matrix that belong to n' and n; pairs that are missing are zero.
    """

    group: slice
    rows: tuple[Index, Index]
    columns: tuple[Index, Index]
    sizes: ParityDims
    matrices: tuple[Array, Array]
    places: tuple[list[tuple[int, int, slice]], list[tuple[int, int, slice]]]

    @classmethod
    def of(
        cls,
        part: CoreBlock,
        charges: tuple[int, ...],
        bond_dims: tuple[ParityDims, ParityDims],
        like: Array,
    ) -> ParityCoreBlock:
        """Cut a part of a core, whose bonds are sorted, into blocks."""
        group = range(part.group.start, part.group.stop)
        W = part.matrix.reshape(len(part.rows), len(group), len(group), len(part.columns))
        rows, columns = (
            (states[states < even], states[states >= even] - even)
            for states, (even, _) in zip((part.rows, part.columns), bond_dims, strict=True)
        )
        cuts = slice(0, len(rows[0])), slice(len(rows[0]), None)
        ends = slice(0, len(columns[0])), slice(len(columns[0]), None)
        matrices, places = [], []
        for d in BOTH:
            pieces, filled = [np.zeros((len(rows[d]), 0))], list[tuple[int, int, slice]]()
            start = 0
            for (a, i), (b, j) in product(enumerate(group), repeat=2):
                piece = W[cuts[d], a, b, ends[d ^ charges[i] ^ charges[j]]]
                if piece.any():
                    pieces.append(piece)
                    filled.append((i, j, slice(start, start := start + piece.shape[1])))
            matrices.append(placed(np.concatenate(pieces, 1), like))
            places.append(filled)
        return cls(
            part.group, _as_slices(rows, bond_dims[0]), _as_slices(columns, bond_dims[1]),
            (len(columns[0]), len(columns[1])), (matrices[0], matrices[1]), (places[0], places[1]),
        )  # fmt: skip

    def sections(self, dims: ParityDims, charges: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the even and the odd (bond, n) that belong to the group."""
        (even, odd), a, z = _first_rows(dims, charges), self.group.start, self.group.stop
        return slice(even[a], even[z]), slice(odd[a], odd[z])


def _as_slices(states: tuple[Any, Any], dims: ParityDims) -> tuple[Index, Index]:
    """Return a slice in place of the states where all of them take part."""
    even, odd = (slice(None) if len(s) == n else s for s, n in zip(states, dims, strict=True))
    return even, odd


@lru_cache(maxsize=4096)
def _first_rows(
    dims: ParityDims, charges: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the first row of every n among the even and among the odd (bond, n)."""
    even, odd = (np.cumsum([0, *(dims[o ^ q] for q in charges)]).tolist() for o in BOTH)
    return tuple(even), tuple(odd)


@dataclass(frozen=True, eq=False)
class ParityCore:
    """A core with sorted bonds, seen from the left.

    Attributes
    ----------
    parts : tuple of ParityCoreBlock
        Diagonal blocks, group by group, then the part off the diagonal.
    n_groups : int
        Number of diagonal blocks.
    charges : tuple of int
        Parities of the coordinates.
    right : ParityDims
        States of the right bond.
    """

    parts: tuple[ParityCoreBlock, ...]
    n_groups: int
    charges: tuple[int, ...]
    right: ParityDims

    @classmethod
    def of(
        cls, W: NDArray[np.float64], charges: tuple[int, ...],
        bond_dims: tuple[ParityDims, ParityDims], like: Array, grouped: bool = True,
    ) -> ParityCore:  # fmt: skip
        """Cut a core of shape (n_left, n, n, n_right), whose bonds are sorted, into blocks."""
        core = split_core(W, np.zeros(1), grouped)
        parts = tuple(ParityCoreBlock.of(part, charges, bond_dims, like) for part in core.parts)
        return cls(parts, core.n_groups, charges, bond_dims[1])

    mode = None

    def absorb_into(self, env: Environment) -> ParitySiteEnvironment:
        """Contract an environment with the core of the next site."""
        left = narrowed(ParityEnvironment, env)
        blocks = [self._absorbed_block(left, part) for part in self.parts]
        return ParitySiteEnvironment(blocks, self, left.bra, left.ket)

    def pair_right_env(
        self, env: Environment, mirrored_core: GeneratorCore
    ) -> ParityRightEnvironment:
        """Return the right environment of a pair's first site, with this core of its second one."""
        return narrowed(ParityCore, mirrored_core).absorb_into(env).pair_right_env()

    def _absorbed_block(self, env: ParityEnvironment, part: ParityCoreBlock) -> tuple[Array, Array]:
        """Return the blocks (n' bra, n ket D) of a part by the parity of the rows."""
        q, bra, ket, D = self.charges, env.bra, env.ket, part.sizes
        below, above = part.sections(bra, q), part.sections(ket, q)
        lines, starts = _first_rows(bra, q), _first_rows(ket, q)
        kets = [above[r].stop - above[r].start for r in BOTH]
        like, results = env.blocks[0][0], []
        for o in BOTH:
            shape = below[o].stop - below[o].start, kets[0] * D[o] + kets[1] * D[1 - o]
            results.append(zeros(shape, like))
        for b, k in product(BOTH, BOTH):
            d, E = b ^ k, env.blocks[b][k]
            if not part.places[d] or not bra[b] * ket[k]:
                continue
            flat = E.reshape(bra[b] * ket[k], E.shape[2])[:, part.rows[d]] @ part.matrices[d]
            flat = flat.reshape(bra[b], ket[k], flat.shape[1])
            for i, j, place in part.places[d]:
                o, r = b ^ q[i], k ^ q[j]
                first, n = lines[o][i] - below[o].start, D[o ^ r]
                begin = r * kets[0] * D[o] + (starts[r][j] - above[r].start) * n
                target = results[o][first : first + bra[b], begin : begin + ket[k] * n]
                target.reshape(bra[b], ket[k], n)[:] = flat[:, :, place]
        return results[0], results[1]


@dataclass(frozen=True, eq=False)
class ParitySiteEnvironment:
    """An environment with the core of the next site: blocks (n' bra, n ket D) of every part.

    Attributes
    ----------
    blocks : list of pair of array
        By part of the core and parity of (n' bra).
    core : ParityCore
        The core.
    bra, ket : ParityDims
        States of the bond, in bra and ket.
    """

    blocks: list[tuple[Array, Array]]
    core: ParityCore
    bra: ParityDims
    ket: ParityDims

    def layout(self, right_env: RightEnvironment, shape: tuple[int, ...]) -> ParityLayout:
        """Return the block layout of the arrays on which the effective generator acts."""
        right = narrowed(ParityRightEnvironment, right_env).right
        return ParityLayout(bond_site_sectors(self.ket, self.core.charges), right, shape)

    def blocks_of(self, A: Array) -> list[Array]:
        """Return the blocks of a tensor that is zero between them, but in no column."""
        rows = bond_site_sectors(self.ket, self.core.charges)
        M = A.reshape(rows.total, A.shape[2])
        even, odd = (M[index] for index in rows.indices)
        n = int((do("to_numpy", even) != 0.0).any(axis=0).sum())
        return [contiguous(even[:, :n]), contiguous(odd[:, n:])]

    def effective_generator(self, right_env: RightEnvironment) -> SumOfProducts:
        """Return the effective generator of the site, for packed vectors."""
        right_side = narrowed(ParityRightEnvironment, right_env)
        rows, like = bond_site_sectors(self.bra, self.core.charges).sizes, right_side.blocks[0][0]
        halves = self.block_products(right_side, 0), self.block_products(right_side, 1)
        return SumOfProducts(halves, rows, right_side.right.sizes, right_side.out, like)

    def block_products(self, right_env: ParityRightEnvironment, o: int) -> list[BlockProduct]:
        """Return the products that add up to the rows of one parity."""
        ins, out, products = right_env.right.sizes, right_env.out[o], []
        whole = [right_env.blocks[r][o].reshape(ins[r], right_env.bond[r ^ o] * out) for r in BOTH]
        for n, (part, pair) in enumerate(zip(self.core.parts, self.blocks, strict=True)):
            sections, sources = part.sections(self.ket, self.core.charges), []
            for r in BOTH:
                D, columns = part.sizes[r ^ o], part.columns[r ^ o]
                if D:
                    right = whole[r]
                    if right_env.bond[r ^ o] > D:
                        right = right_env.blocks[r][o][:, columns].reshape(ins[r], D * out)
                    sources.append((r, sections[r], right))
            lines, adds = part.sections(self.bra, self.core.charges), n >= self.core.n_groups
            if sources or not adds:
                products.append(BlockProduct(lines[o], adds, pair[o], sources))
        return products

    def advance(self, blocks: Sequence[Array]) -> ParityEnvironment:
        """Return the environment one site further, from the blocks of the tensor of that site."""

        def contract(part: ParityCoreBlock, o: int, block: Array) -> Array:
            return blocks[o][part.sections(self.bra, self.core.charges)[o]].T @ block

        return self._advance(contract, (blocks[0].shape[1], blocks[1].shape[1]), blocks)

    def advance_sketch(self, G: Array, blocks: Sequence[Array]) -> ParityEnvironment:
        """Return a sketch one site further; G (m, n) as in `environments.advance_sketch`."""

        def contract(part: ParityCoreBlock, o: int, block: Array) -> Array:  # noqa: ARG001
            signs = G.T[part.group]
            lines = block.reshape(*signs.shape, block.shape[1])
            return (signs[:, :, None] * lines).sum(axis=0)

        return self._advance(contract, self.bra, blocks)

    def _advance(
        self, contract: Callable[[ParityCoreBlock, int, Array], Array], bra: ParityDims,
        blocks: Sequence[Array],
    ) -> ParityEnvironment:  # fmt: skip
        ket, right, like = (blocks[0].shape[1], blocks[1].shape[1]), self.core.right, blocks[0]
        env = _parity_pairs(lambda o, r: zeros((bra[o], ket[r], right[o ^ r]), like))
        for part, pair in zip(self.core.parts, self.blocks, strict=True):
            sections = part.sections(self.ket, self.core.charges)
            ket_blocks = [U[rows] for U, rows in zip(blocks, sections, strict=True)]
            for o in BOTH:
                half, start = contract(part, o, pair[o]), 0
                for r in BOTH:
                    D, kets = part.sizes[o ^ r], ket_blocks[r].shape[0]
                    if not D:
                        continue
                    piece = half[:, start : (start := start + kets * D)].reshape(bra[o], kets, D)
                    env[o][r][:, :, part.columns[o ^ r]] += ket_blocks[r].T @ piece
        return ParityEnvironment(env, bra, ket)

    def pair_right_env(self) -> ParityRightEnvironment:
        """Return the right environment of a pair's first site, from that of the mirrored chain.

        The core must be ungrouped.
        """
        (part,), (pair,), right = self.core.parts, self.blocks, self.core.right
        sectors = bond_site_sectors(self.ket, self.core.charges, site_first=True)
        sizes, D, like = sectors.sizes, part.sizes, pair[0]

        def block(r: int, o: int) -> Array:
            start, n = r * sizes[0] * D[o], D[o ^ r]
            rows_of_r = pair[o][:, start : start + sizes[r] * n].reshape(sizes[o], sizes[r], n)
            shape = sizes[r], right[o ^ r], sizes[o]
            result = zeros(shape, like)
            result[:, part.columns[o ^ r]] = do("transpose", rows_of_r, (1, 2, 0))
            return result

        return ParityRightEnvironment(_parity_pairs(block), sectors, sizes)
