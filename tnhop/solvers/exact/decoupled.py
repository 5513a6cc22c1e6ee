"""Decoupled sectors of generators whose jumps move basis states, Eq. (101) of docs/physics.md.

If the Hamiltonian is diagonal and every jump takes basis states to basis states, an element |a⟩⟨b|
of the density matrix reaches few others: those where both states have made the same moves. Bounds
of the decays in such sectors tell which of them cannot hold the slowest ones.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from tnhop.solvers.exact.block_lindbladian import BlockLindbladian
from tnhop.solvers.exact.eigenpairs import ROUNDING, Eigenpairs, joined
from tnhop.support.arrays import Real

_MOST_MOVES = 1e7  # entries of a matrix: some 1.4 GB while it is built
_STEPS, _SOLUTIONS = 30, 12  # of the bounds of decays
_SHIFT = 1e-6  # times the largest rate: keeps matrices regular
_SPARE = 8  # eigenpairs beyond those that are wanted, so that equal ones stay together


def has_decoupled_sectors(L: Any) -> bool:
    """Return whether elements decouple, and the matrix that tells which is small enough."""
    if not isinstance(L, BlockLindbladian) or L.population_rates is None:
        return False
    block, n = L.layout.block, len(L.block_dims)
    moves = sum(float((np.bincount(block[sp.coo_array(J).col], minlength=n) ** 2.0).sum())
                for J in L.jumps)  # fmt: skip
    return L.size + moves <= _MOST_MOVES


class DecoupledSectors:
    """Subspaces of packed states that a generator does not mix, with bounds of their decays.

    Parameters
    ----------
    L : BlockLindbladian
        A generator whose populations evolve among themselves.
    spaces : sequence of sparse array, shape (size, n)
        Orthonormal bases of spaces that the generator keeps, which are split further.
    """

    def __init__(self, L: BlockLindbladian, spaces: Sequence[Any]) -> None:
        elements = L.matrix_of_moves()
        self._matrix = sp.csr_array(elements.real)
        if elements.data.imag.any():
            self._matrix = self._matrix + sp.csr_array(elements.imag)[:, L.transposed]
        self._decays = LeastDecays(elements, 10 * ROUNDING * L.norm)
        self._sectors = [
            (E, columns, np.unique(self._decays.groups[E[:, columns].indices]))
            for E in map(sp.csc_array, spaces)
            for columns in components(E.T @ self._matrix @ E)
        ]

    def pairs(
        self, k: int, known: Eigenpairs | None, solve: Callable[[sp.csr_array], Eigenpairs],
        transposed: bool = False,
    ) -> list[Eigenpairs]:  # fmt: skip
        """Return the slowest eigenpairs, as far as they may be among k with those that are known.

        Parameters
        ----------
        k : int
            Number of pairs.
        known : Eigenpairs, optional
            Pairs outside the sectors.
        solve : callable
            Returns the slowest eigenpairs of the matrix of a sector.
        transposed : bool
            Whether those of the transposed generator are sought.
        """
        matrix = sp.csr_array(self._matrix.T) if transposed else self._matrix
        outside = np.zeros(0) if known is None else known.errors - known.values.real
        found, limit = list[Eigenpairs](), _largest_of_first(outside, k)
        queue = [(self._decays(groups), n) for n, (_, _, groups) in enumerate(self._sectors)]
        heapq.heapify(queue)
        while queue and queue[0][0] <= limit:
            least, n = heapq.heappop(queue)
            E, columns, groups = self._sectors[n]
            self._decays.sharpen(groups)
            if self._decays(groups) > least:
                heapq.heappush(queue, (self._decays(groups), n))
                continue
            of = E[:, columns]
            new = solve(sp.csr_array(of.T @ matrix @ of)).embedded(of)
            found = [joined([*found, new], k + _SPARE)]
            decays = np.append(outside, found[0].errors - found[0].values.real)
            limit = _largest_of_first(decays, k)
        return found


class LeastDecays:
    """Bounds from below of the decays in groups of elements that a matrix connects, Eq. (101).

    Parameters
    ----------
    elements : sparse array, shape (n, n)
        A complex matrix.
    rounding : float
        Error of the bounds.

    Attributes
    ----------
    groups : ndarray of int, shape (n,)
        Group of every element.
    """

    def __init__(self, elements: sp.csr_array, rounding: float) -> None:
        diagonal = elements.diagonal()
        self._rounding, self._diagonal = rounding, diagonal.real
        self._larger = sp.csr_array(abs(elements - sp.diags_array(diagonal)).T)
        self._members = components(abs(elements))
        self.groups = np.empty(len(diagonal), dtype=np.intp)
        for n, inside in enumerate(self._members):
            self.groups[inside] = n
        self._least = self._by_steps()
        self._sharp = np.zeros(len(self._members), dtype=bool)

    def __call__(self, groups: NDArray[np.intp]) -> float:
        """Return the bound for some groups together."""
        return float(self._least[groups].min()) - self._rounding

    def _by_steps(self) -> Real:
        """Return bounds from a few steps towards the best weights, of all groups at once."""
        order = np.concatenate(self._members)
        first = np.cumsum([0, *map(len, self._members[:-1])])
        step = 1 / max(2 * float(np.abs(self._diagonal).max(initial=0.0)), 1e-300)
        y, change = np.ones(len(order)), np.zeros(len(order))
        for _ in range(_STEPS):
            y = y + step * change
            change = self._diagonal * y + self._larger @ y
        return np.minimum.reduceat((-change / y)[order], first)

    def sharpen(self, groups: NDArray[np.intp]) -> None:
        """Improve the bounds of some groups by inverse iterations."""
        for n in groups[~self._sharp[groups]]:
            inside, self._sharp[n] = self._members[n], True
            diagonal, larger = self._diagonal[inside], self._larger[inside][:, inside]
            shift = max(_SHIFT * float(np.abs(diagonal).max()), 1e-100)
            factors = splu(sp.csc_array(sp.diags_array(shift - diagonal) - larger))
            y = np.ones(len(inside))
            for _ in range(_SOLUTIONS):
                y = factors.solve(y)
                y = np.maximum(y / np.abs(y).max(), 1e-200)  # any positive weights will do
                bound = float((-(diagonal * y + larger @ y) / y).min())
                self._least[n] = max(self._least[n], bound)


def components(matrix: Any) -> list[NDArray[np.intp]]:
    """Return the sets of rows that some entry of a real matrix connects."""
    n, labels = sp.csgraph.connected_components(matrix, directed=False)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=n))[:-1])


def _largest_of_first(decays: Real, k: int) -> float:
    """Return the largest of the k slowest decays; infinite if there are fewer."""
    return float(np.sort(decays)[k - 1]) if len(decays) >= k else math.inf
