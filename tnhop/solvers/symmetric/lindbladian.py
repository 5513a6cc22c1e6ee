"""The matrix-free generator on permutation-symmetric states, and its reflections."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.solvers.exact.block_lindbladian import (
    BlockLindbladian,
    make_real,
    pack,
    split_blocks,
    trace_rows,
    unpack,
)
from tnhop.solvers.symmetric.operators import IndependentPart, part_operators
from tnhop.solvers.symmetric.spin_classes import SpinClasses
from tnhop.solvers.symmetric.total_spins import SymmetricSpace
from tnhop.support.arrays import Real

_POWERS = np.array([1, 1j, -1, -1j])


class SymmetricLindbladian(BlockLindbladian):
    """Generator of one part of a model, on the blocks that a start can reach.

    Parameters
    ----------
    model : Model
        The system.
    classes : SpinClasses
        Classes of interchangeable spins.
    part : IndependentPart
        Classes and modes to evolve.
    start : ndarray, shape (n_blocks,), optional
        Weight of every block at the start; blocks that no jump reaches from there are left out.

    Attributes
    ----------
    groups_left_out : int
        Sets of connected blocks that the start does not reach.
    turned : bool
        Whether all spins are turned by 90° about z, which makes the generator real: then the parity
        of the number of factors σˣ is conserved, Eq. (49) of docs/physics.md.
    """

    def __init__(
        self, model: Model, classes: SpinClasses, part: IndependentPart, start: Real | None = None
    ) -> None:
        self.part = part
        A, jumps = part_operators(model, classes, part)
        space = part.space
        links = _block_links(space, jumps)
        self.kept = _reachable(links, start)
        n, groups = sp.csgraph.connected_components(links, directed=False)
        self.groups_left_out = n - len(np.unique(groups[self.kept]))
        at = np.flatnonzero(self.kept[space.block])
        A, jumps = A[at][:, at], [L[at][:, at] for L in jumps]
        self._at = at
        twists = space.two_M.sum(axis=0)[at] // 2 if len(space.sizes) else np.zeros(len(at), int)
        self._twist = twists - (twists.min() if len(twists) else 0)
        turned = [_turned(O, self._twist) for O in (A, *jumps)]
        self.turned = not _is_real(A, jumps) and _is_real(turned[0], turned[1:])
        if self.turned:
            A, jumps = turned[0], turned[1:]
        super().__init__(space.block_dims[self.kept].tolist(), A, jumps)

    def operator(self, O: sp.csr_array) -> sp.csr_array:
        """Return an operator of the space on the kept blocks, in the frame of the generator."""
        kept = sp.csr_array(sp.csr_array(O)[self._at][:, self._at])
        return _turned(kept, self._twist) if self.turned else kept

    def rows(self, operators: Sequence[sp.csr_array]) -> sp.csr_array:
        """Rows of Re and Im tr(Oρ) on packed states of this generator."""
        return trace_rows(map(self.operator, operators), self.layout)

    def top_levels(self, counts: Sequence[int]) -> list[sp.csr_array]:
        """Projectors on the highest levels of every mode of the part, as many as `counts` says."""
        space = self.part.space
        tops = [
            level >= dim - count
            for level, dim, count in zip(space.level, space.fock_dims, counts, strict=True)
        ]
        return [sp.csr_array(sp.diags_array(top.astype(complex))) for top in tops]

    def levels(self) -> list[tuple[int, NDArray[np.intp]]]:
        """Number of levels, and level of every kept basis state, of every mode of the part."""
        space = self.part.space
        return [(dim, level[self._at]) for dim, level in
                zip(space.fock_dims, space.level, strict=True)]  # fmt: skip

    def enter(self, packed: Real) -> Real:
        """Return the kept blocks of a packed state of the part, in the frame of the generator."""
        blocks = split_blocks(packed, self.part.space.block_dims)
        kept = [X for X, keep in zip(blocks, self.kept, strict=True) if keep]
        return self._rotate(kept, 1)

    def leave(self, x: Real) -> Real:
        """Return the packed state of the part, blocks left out being zero."""
        dims = self.part.space.block_dims
        packed = np.zeros(int((dims**2).sum()))
        packed[np.repeat(self.kept, dims**2)] = self._rotate(split_blocks(x, dims[self.kept]), -1)
        return packed

    @cached_property
    def block_groups(self) -> list[Real]:
        """Sets of blocks that no jump connects, as weights of all blocks of the space."""
        block = self.layout.block
        links = sp.coo_array((len(self.block_dims),) * 2)
        for L in map(sp.coo_array, self.jumps):
            pair = (block[L.row], block[L.col])
            links = links + sp.coo_array((np.ones(L.nnz), pair), links.shape)
        n, labels = sp.csgraph.connected_components(links, directed=False)
        groups = np.zeros((n, len(self.kept)))
        groups[labels, np.flatnonzero(self.kept)] = 1.0
        return list(groups)

    @cached_property
    def reflections(self) -> list[tuple[NDArray[np.intp], Real]]:
        """Commuting reflections of packed states that leave the generator unchanged.

        The transposition, if the generator is real (parity of the number of factors σˣ, in the
        turned frame), and conjugations by Π σˣ over all or one of the classes, with (-1)ⁿ of the
        modes: each as a permutation of the components and their signs.
        """
        space, at = self.part.space, self._at
        everything = list(range(len(space.sizes)))
        candidates = [(everything, [*range(len(space.fock_dims))])]
        candidates += [([g], []) for g in everything if len(everything) > 1]
        reflections = [(self.transposed, np.ones(self.size))] if self.is_real else []
        maps = self._jump_maps()
        for classes, modes in candidates:
            flips = np.ones((len(space.sizes), 1), dtype=np.int64)
            flips[classes] = -1
            to = space.index(space.two_J[:, at], flips * space.two_M[:, at], space.level[:, at])
            place = np.searchsorted(at, to)
            turn = (self._twist - self._twist[place]) * self.turned
            turn = turn + 2 * sum(space.level[m, at] for m in modes)
            reflection = self._conjugation(place, turn)
            U = sp.csr_array((_POWERS[turn % 4], (place, np.arange(self.dim))), self._A.shape)
            if _commute(U, self._A) and all(_invariant(M, reflection) for M in maps):
                reflections.append(reflection)
        return reflections

    def _jump_maps(self) -> list[BlockLindbladian]:
        """Maps of jumps of similar size: each has its symmetries, however small beside others."""
        sized = sorted(
            ((float(abs(L).max()), L) for L in self.jumps if L.nnz), key=lambda pair: pair[0]
        )
        groups: list[list[sp.csr_array]] = []
        last = 0.0
        for size, L in sized:
            if size > 10 * last:
                groups.append([])
            groups[-1].append(L)
            last = size
        nothing = sp.csr_array((self.dim, self.dim), dtype=complex)
        return [BlockLindbladian(self.block_dims.tolist(), nothing, group) for group in groups]

    def _conjugation(
        self, place: NDArray[np.intp], turn: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], Real]:
        """Move row and column by `place`, with signs i^(turn of the row - turn of the column)."""
        rows, columns = self.entries()
        to = self.layout.start[place[rows]] + place[columns] - self.layout.first[place[columns]]
        return to, _POWERS[(turn[rows] - turn[columns]) % 4].real

    def _rotate(self, blocks: list[Real], direction: int) -> Real:
        if not self.turned:
            return np.concatenate([X.ravel() for X in blocks])
        turned, first = [], 0
        for X in blocks:
            twist = self._twist[first : first + len(X)]
            phase = _POWERS[(direction * (twist[:, None] - twist)) % 4]
            turned.append(pack(unpack(X) * phase).ravel())
            first += len(X)
        return np.concatenate(turned)

    def is_symmetric(self, x: Real) -> bool:
        """Return whether all blocks are symmetric, that is real density matrices."""
        blocks = split_blocks(x, self.block_dims)
        scale = max(float(np.abs(x).max(initial=0.0)), 1e-300)
        return all(np.abs(X - X.T).max() <= 1e-15 * scale for X in blocks)


def _commute(U: sp.csr_array, A: sp.csr_array) -> bool:
    """Return whether U A U† = A, element by element."""
    image = U @ A @ U.conj().T
    excess = abs(image - A) - 1e-11 * (abs(image) + abs(A))
    return bool(excess.max() <= 1e-15 * abs(A).max())


def _invariant(generator: BlockLindbladian, reflection: tuple[NDArray[np.intp], Real]) -> bool:
    """Return whether a reflection of packed states leaves a map unchanged."""
    x = np.random.default_rng(4).standard_normal(generator.size)
    image, moved, expected = generator(x), np.empty_like(x), np.empty_like(x)
    moved[reflection[0]] = reflection[1] * x
    expected[reflection[0]] = reflection[1] * image
    apart = np.abs(generator(moved) - expected).max()
    return bool(apart <= 1e-11 * max(np.abs(image).max(), 1e-300))


def _turned(O: sp.csr_array, twist: NDArray[np.intp]) -> sp.csr_array:
    """Turn all spins by 90° about z: multiply by i^(M - M'), exactly."""
    entries = sp.coo_array(O)
    data = entries.data * _POWERS[(twist[entries.row] - twist[entries.col]) % 4]
    return sp.csr_array((data, (entries.row, entries.col)), O.shape)


def _is_real(A: sp.csr_array, jumps: list[sp.csr_array]) -> bool:
    """Return whether an operator and, up to phases, all jumps are real."""
    return not A.data.imag.any() and all(np.isrealobj(make_real(L).data) for L in jumps)


def _block_links(space: SymmetricSpace, jumps: list[sp.csr_array]) -> sp.csr_array:
    """Matrix with an entry wherever a jump takes one block to another."""
    n = len(space.blocks)
    links = sp.coo_array((n, n))
    for L in map(sp.coo_array, jumps):
        pair = (space.block[L.row], space.block[L.col])
        links = links + sp.coo_array((np.ones(L.nnz), pair), (n, n))
    return sp.csr_array(links)


def _reachable(links: sp.csr_array, start: Real | None) -> NDArray[np.bool_]:
    reached = np.ones(links.shape[0], dtype=bool) if start is None else np.asarray(start) != 0
    while True:
        more = reached | ((links @ reached.astype(float)) > 0)
        if np.array_equal(more, reached):
            return reached
        reached = more
