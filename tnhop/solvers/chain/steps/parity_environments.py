"""Sweeps in blocks where generator and state conserve a parity of the local basis elements.

Open Hopfield networks conserve the parity of the number of factors σˣ, for instance. Every state of
a bond, of the chain or of the generator, then carries a parity of its own, and a tensor is non-zero
only where the parities of its legs add up to an even number. The same operations as in
`_effective`, block by block; chains remain whole arrays, with zeros between their blocks.

Arrays are written in place here, unlike elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from autoray import do, get_lib_fn, infer_backend
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import contiguous, placed
from tnhop.solvers.chain.steps.environments import Part, split_core
from tnhop.solvers.chain.steps.parity_sectors import (
    Frame,
    Index,
    Leg,
    Sectors,
    cut,
    of_bond,
    with_site,
    zeros,
)
from tnhop.support.arrays import Array

Blocks = tuple[tuple[Array, Array], tuple[Array, Array]]

BOTH = (0, 1)


@dataclass(frozen=True, eq=False)
class GradedEnv:
    """An environment: blocks[b][k] of shape (bra, ket, D) for parities b of bra and k of ket.

    Or a sketch of one, with random vectors instead of bra: outgoing strings of either parity.
    """

    blocks: Blocks
    bra: Leg
    leg: Leg

    @classmethod
    def edge(cls, like: Array, bra: Leg = (1, 0)) -> GradedEnv:
        """Return what is before the first site."""
        one = do("ones", (max(bra), 1, 1), like=like, dtype=like.dtype)
        odd = one[: bra[1]]
        return cls(((one, one[:, :0, :0]), (odd[:, :, :0], odd[:, :0])), bra, (1, 0))

    def as_ahead(self) -> GradedAhead:
        """Return it as (ket, D, bra)."""
        blocks = _by_pairs(lambda r, o: do("transpose", self.blocks[o][r], (1, 2, 0)))
        return GradedAhead(blocks, of_bond(self.leg), self.bra)


@dataclass(frozen=True, eq=False)
class GradedAhead:
    """What is ahead: blocks[r][o] of shape (ket, D, out) for parities r of ket and o of out."""

    blocks: Blocks
    right: Sectors
    out: Leg

    @property
    def bond(self) -> Leg:
        """States of the generator's bond."""
        return self.blocks[0][0].shape[1], self.blocks[0][1].shape[1]

    def less(self, ahead: GradedAhead, inside: Array) -> GradedAhead:
        """Return it, a sketch, less its part in the basis: `ahead` and that of the vectors."""
        kets = ahead.right.indices
        blocks = _by_pairs(
            lambda r, o: self.blocks[r][o] - ahead.blocks[r][o] @ inside[:, kets[o]].T
        )
        return GradedAhead(blocks, self.right, self.out)


def _by_pairs(block: Callable[[int, int], Array]) -> Blocks:
    return (block(0, 0), block(0, 1)), (block(1, 0), block(1, 1))


@dataclass(frozen=True, eq=False)
class GradedPart:
    """A block of a core, see `environments.Part`, by the parity d of its rows.

    Attributes
    ----------
    group : slice
        Coordinates, incoming and outgoing.
    rows, columns : pair of slice or ndarray of int
        States of the two bonds that take part, counted within their parity.
    sizes : pair of int
        How many columns of either parity.
    matrices : pair of array, shape (n_rows, entries)
        By the parity of the rows.
    places : pair of list of (n', n, slice)
        Columns of the matrix that belong to n' and n; what is missing is zero.
    """

    group: slice
    rows: tuple[Index, Index]
    columns: tuple[Index, Index]
    sizes: Leg
    matrices: tuple[Array, Array]
    places: tuple[list[tuple[int, int, slice]], list[tuple[int, int, slice]]]

    @classmethod
    def of(
        cls, part: Part, charges: tuple[int, ...], legs: tuple[Leg, Leg], like: Array
    ) -> GradedPart:
        """Cut a part of a core, whose bonds are sorted, into blocks."""
        group = range(part.group.start, part.group.stop)
        W = part.matrix.reshape(len(part.rows), len(group), len(group), len(part.columns))
        rows, columns = (
            (states[states < even], states[states >= even] - even)
            for states, (even, _) in zip((part.rows, part.columns), legs, strict=True)
        )
        cuts = slice(0, len(rows[0])), slice(len(rows[0]), None)
        ends = slice(0, len(columns[0])), slice(len(columns[0]), None)
        matrices, places = [], []
        for d in BOTH:
            pieces, found = [np.zeros((len(rows[d]), 0))], list[tuple[int, int, slice]]()
            start = 0
            for (a, i), (b, j) in product(enumerate(group), repeat=2):
                piece = W[cuts[d], a, b, ends[d ^ charges[i] ^ charges[j]]]
                if piece.any():
                    pieces.append(piece)
                    found.append((i, j, slice(start, start := start + piece.shape[1])))
            matrices.append(placed(np.concatenate(pieces, 1), like))
            places.append(found)
        return cls(
            part.group, _chosen(rows, legs[0]), _chosen(columns, legs[1]),
            (len(columns[0]), len(columns[1])), (matrices[0], matrices[1]), (places[0], places[1]),
        )  # fmt: skip

    def sections(self, leg: Leg, charges: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the even and the odd (bond, n) that belong to the group."""
        (even, odd), a, z = _starts(leg, charges), self.group.start, self.group.stop
        return slice(even[a], even[z]), slice(odd[a], odd[z])


def _chosen(states: tuple[Any, Any], leg: Leg) -> tuple[Index, Index]:
    """Return slices where all states take part."""
    even, odd = (slice(None) if len(s) == n else s for s, n in zip(states, leg, strict=True))
    return even, odd


@lru_cache(maxsize=4096)
def _starts(leg: Leg, charges: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where every n begins among the even and among the odd (bond, n)."""
    even, odd = (np.cumsum([0, *(leg[o ^ q] for q in charges)]).tolist() for o in BOTH)
    return tuple(even), tuple(odd)


@dataclass(frozen=True, eq=False)
class GradedCore:
    """A core with sorted bonds, seen from the left.

    Attributes
    ----------
    parts : tuple of GradedPart
        Blocks on the diagonal, group by group, then what is off it.
    n_groups : int
        How many are on the diagonal.
    charges : tuple of int
        Parities of the coordinates.
    right : Leg
        States of the right bond.
    """

    parts: tuple[GradedPart, ...]
    n_groups: int
    charges: tuple[int, ...]
    right: Leg

    @classmethod
    def of(
        cls, W: NDArray[np.float64], charges: tuple[int, ...], legs: tuple[Leg, Leg], like: Array,
        grouped: bool = True,
    ) -> GradedCore:  # fmt: skip
        """Cut a core of shape (n_left, n, n, n_right), whose bonds are sorted, into blocks."""
        core = split_core(W, np.zeros(1), grouped)
        parts = tuple(GradedPart.of(part, charges, legs, like) for part in core.parts)
        return cls(parts, core.n_groups, charges, legs[1])

    def absorbed(self, env: GradedEnv) -> GradedAbsorbed:
        """Contract an environment with the core behind it."""
        return GradedAbsorbed(
            [self._merged(env, part) for part in self.parts], self, env.bra, env.leg
        )

    def _merged(self, env: GradedEnv, part: GradedPart) -> tuple[Array, Array]:
        """Return the blocks (n' bra, n ket D) of a part by the parity of the rows."""
        q, bra, leg, D = self.charges, env.bra, env.leg, part.sizes
        below, above = part.sections(bra, q), part.sections(leg, q)
        lines, starts = _starts(bra, q), _starts(leg, q)
        kets = [above[r].stop - above[r].start for r in BOTH]
        like, results = env.blocks[0][0], []
        for o in BOTH:
            shape = below[o].stop - below[o].start, kets[0] * D[o] + kets[1] * D[1 - o]
            results.append(zeros(shape, like))
        for b, k in product(BOTH, BOTH):
            d, E = b ^ k, env.blocks[b][k]
            if not part.places[d] or not bra[b] * leg[k]:
                continue
            flat = E.reshape(bra[b] * leg[k], E.shape[2])[:, part.rows[d]] @ part.matrices[d]
            flat = flat.reshape(bra[b], leg[k], flat.shape[1])
            for i, j, place in part.places[d]:
                o, r = b ^ q[i], k ^ q[j]
                first, n = lines[o][i] - below[o].start, D[o ^ r]
                begin = r * kets[0] * D[o] + (starts[r][j] - above[r].start) * n
                target = results[o][first : first + bra[b], begin : begin + leg[k] * n]
                target.reshape(bra[b], leg[k], n)[:] = flat[:, :, place]
        return results[0], results[1]


@dataclass(frozen=True, eq=False)
class Term:
    """A block and what is ahead of it: adds block @ (v_r @ other_r, one below the other) to rows.

    Attributes
    ----------
    rows : slice
        Rows of the result.
    adds : bool
        Whether there is something already.
    block : array
        What is behind.
    sources : list of (int, slice, array)
        Parity r of the block of v, its rows, and what is ahead.
    """

    rows: slice
    adds: bool
    block: Array
    sources: list[tuple[int, slice, Array]]


def _application(
    halves: tuple[list[Term], list[Term]], rows: Leg, columns: Leg, out: Leg, like: Array
) -> Callable[[Array], Array]:
    """Return the function of packed vectors that sums the terms of the even and odd rows.

    Everything gets its place beforehand: where bonds are small, slices cost as much as products.
    """
    backend = infer_backend(like)
    matmul = np.dot if backend == "numpy" else get_lib_fn(backend, "matmul")
    source, result = (zeros((rows[0] * n[0] + rows[1] * n[1],), like) for n in (columns, out))
    v, targets = cut(source, rows, columns), cut(result, rows, out)
    products, sums = list[tuple[Array, Array, Array]](), list[tuple[Array, Array, Array]]()
    for terms, target, n in zip(halves, targets, out, strict=True):
        for term in terms if n else ():
            buffer, start = zeros((term.block.shape[1], n), like), 0
            for r, mine, other in term.sources:
                height, width = mine.stop - mine.start, other.shape[1]
                place = buffer[start : (start := start + height * width // n)]
                if height * width:
                    products.append((v[r][mine], other, place.reshape(height, width)))
            if start and term.adds:
                sums.append((target[term.rows], term.block, buffer))
            elif start:
                products.append((term.block, buffer, target[term.rows]))

    def apply(w: Array) -> Array:
        source[:], result[:] = w, 0.0
        for a, b, c in products:
            matmul(a, b, out=c)
        for c, a, b in sums:
            c += a @ b
        return 1.0 * result

    return apply


@dataclass(frozen=True, eq=False)
class GradedAbsorbed:
    """An environment with the core of the next site: blocks (n' bra, n ket D) of every part.

    Attributes
    ----------
    blocks : list of pair of array
        By part of the core and parity of (n' bra).
    core : GradedCore
        The core.
    bra, leg : Leg
        States of the bond.
    """

    blocks: list[tuple[Array, Array]]
    core: GradedCore
    bra: Leg
    leg: Leg

    def frame(self, ahead: GradedAhead) -> Frame:
        """Return how arrays that the effective generator acts on fall into blocks."""
        shape = sum(self.leg), len(self.core.charges), ahead.right.total
        return Frame(with_site(self.leg, self.core.charges), ahead.right, shape)

    def blocks_of(self, A: Array) -> list[Array]:
        """Return the blocks of a tensor that is zero between them, but in no column."""
        rows = with_site(self.leg, self.core.charges)
        M = A.reshape(rows.total, A.shape[2])
        even, odd = (M[index] for index in rows.indices)
        n = int((do("to_numpy", even) != 0.0).any(axis=0).sum())
        return [contiguous(even[:, :n]), contiguous(odd[:, n:])]

    def effective(self, ahead: GradedAhead) -> Callable[[Array], Array]:
        """Return the effective generator of the site, for packed vectors."""
        rows, like = with_site(self.bra, self.core.charges).sizes, ahead.blocks[0][0]
        halves = self.terms(ahead, 0), self.terms(ahead, 1)
        return _application(halves, rows, ahead.right.sizes, ahead.out, like)

    def terms(self, ahead: GradedAhead, o: int) -> list[Term]:
        """Return what gives the rows of one parity."""
        ins, out, terms = ahead.right.sizes, ahead.out[o], []
        full = [ahead.blocks[r][o].reshape(ins[r], ahead.bond[r ^ o] * out) for r in BOTH]
        for n, (part, pair) in enumerate(zip(self.core.parts, self.blocks, strict=True)):
            sections, sources = part.sections(self.leg, self.core.charges), []
            for r in BOTH:
                D, columns = part.sizes[r ^ o], part.columns[r ^ o]
                if D:
                    chosen = ahead.blocks[r][o][:, columns] if ahead.bond[r ^ o] > D else None
                    other = full[r] if chosen is None else chosen.reshape(ins[r], D * out)
                    sources.append((r, sections[r], other))
            lines, adds = part.sections(self.bra, self.core.charges), n >= self.core.n_groups
            if sources or not adds:
                terms.append(Term(lines[o], adds, pair[o], sources))
        return terms

    def advanced(self, blocks: Sequence[Array]) -> GradedEnv:
        """Return the environment one site further, from the blocks of the tensor of that site."""

        def contracted(part: GradedPart, o: int, block: Array) -> Array:
            return blocks[o][part.sections(self.bra, self.core.charges)[o]].T @ block

        return self._further(contracted, (blocks[0].shape[1], blocks[1].shape[1]), blocks)

    def sketched(self, G: Array, blocks: Sequence[Array]) -> GradedEnv:
        """Return a sketch one site further; G of shape (m, n) as in `environments.sketched`."""

        def contracted(part: GradedPart, o: int, block: Array) -> Array:  # noqa: ARG001
            signs = G.T[part.group]
            lines = block.reshape(*signs.shape, block.shape[1])
            return (signs[:, :, None] * lines).sum(axis=0)

        return self._further(contracted, self.bra, blocks)

    def _further(
        self, contracted: Callable[[GradedPart, int, Array], Array], bra: Leg,
        blocks: Sequence[Array],
    ) -> GradedEnv:  # fmt: skip
        leg, right, like = (blocks[0].shape[1], blocks[1].shape[1]), self.core.right, blocks[0]
        found = _by_pairs(lambda o, r: zeros((bra[o], leg[r], right[o ^ r]), like))
        for part, pair in zip(self.core.parts, self.blocks, strict=True):
            sections = part.sections(self.leg, self.core.charges)
            mine = [U[rows] for U, rows in zip(blocks, sections, strict=True)]
            for o in BOTH:
                half, start = contracted(part, o, pair[o]), 0
                for r in BOTH:
                    D, kets = part.sizes[o ^ r], mine[r].shape[0]
                    if not D:
                        continue
                    piece = half[:, start : (start := start + kets * D)].reshape(bra[o], kets, D)
                    found[o][r][:, :, part.columns[o ^ r]] += mine[r].T @ piece
        return GradedEnv(found, bra, leg)

    def pair_ahead(self) -> GradedAhead:
        """Return an environment of the mirrored chain with the site before it, as ahead.

        The core must be ungrouped.
        """
        (part,), (pair,), right = self.core.parts, self.blocks, self.core.right
        sectors = with_site(self.leg, self.core.charges, behind=True)
        sizes, D, like = sectors.sizes, part.sizes, pair[0]

        def block(r: int, o: int) -> Array:
            start, n = r * sizes[0] * D[o], D[o ^ r]
            mine = pair[o][:, start : start + sizes[r] * n].reshape(sizes[o], sizes[r], n)
            shape = sizes[r], right[o ^ r], sizes[o]
            result = zeros(shape, like)
            result[:, part.columns[o ^ r]] = do("transpose", mine, (1, 2, 0))
            return result

        return GradedAhead(_by_pairs(block), sectors, sizes)


def bond_effective(env: GradedEnv, ahead: GradedAhead) -> Callable[[Array], Array]:
    """Return the effective generator of a bond, for packed matrices."""
    leg, ins, out, bond = env.leg, ahead.right.sizes, ahead.out, ahead.bond

    def terms(o: int) -> list[Term]:
        pieces = [env.blocks[o][k].reshape(leg[o], leg[k] * bond[o ^ k]) for k in BOTH]
        sources = [
            (k, slice(0, leg[k]), ahead.blocks[k][o].reshape(ins[k], bond[k ^ o] * out[o]))
            for k in BOTH
        ]
        block = do("concatenate", pieces, axis=1)
        return [Term(slice(0, leg[o]), False, block, sources)]

    return _application((terms(0), terms(1)), leg, ins, out, ahead.blocks[0][0])
