"""Decoupled sectors of generators whose jumps move basis states, Eq. (101) of docs/physics.md.

If the Hamiltonian is diagonal and every jump takes basis states to basis states, an element |a⟩⟨b|
of the density matrix reaches few others: those where both states have made the same moves. Bounds
of the decays in such sectors tell which of them cannot hold the slowest ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.solvers.exact.block_lindbladian import BlockLindbladian
from tnhop.solvers.exact.eigenpairs import ROUNDING, Eigenpairs, joined
from tnhop.support.arrays import Real

_MOST_MOVES = 1e7  # entries of a matrix: about a gigabyte while it is built
_ROUNDS, _STEPS = 8, 50  # of the bounds of decays
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
        decays = least_decays(elements) - 10 * ROUNDING * L.norm
        self._sectors: list[tuple[float, Any, NDArray[np.intp]]] = []
        for E in map(sp.csc_array, spaces):
            least = np.minimum.reduceat(decays[E.indices], E.indptr[:-1])
            for columns in _components(E.T @ self._matrix @ E):
                self._sectors.append((float(least[columns].min()), E, columns))
        self._sectors.sort(key=lambda sector: sector[0])

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
        found, limit = list[Eigenpairs](), np.inf
        for least, E, columns in self._sectors:
            if least > limit:
                break
            of = E[:, columns]
            new = solve(sp.csr_array(of.T @ matrix @ of)).embedded(of)
            found = [joined([*found, new], k + _SPARE)]
            decays = np.sort(np.append(outside, found[0].errors - found[0].values.real))
            limit = decays[k - 1] if len(decays) >= k else np.inf
        return found


def least_decays(elements: sp.csr_array) -> Real:
    """Bound from below the decays of what every element of a matrix is connected with, Eq. (101).

    Parameters
    ----------
    elements : sparse array, shape (n, n)
        A complex matrix.
    """
    diagonal = elements.diagonal()
    larger = sp.csr_array(abs(elements - sp.diags_array(diagonal)).T)
    step = 1 / max(2 * float(np.abs(diagonal.real).max(initial=0.0)), 1e-300)
    groups = _components(abs(elements))
    order = np.concatenate(groups)
    first = np.concatenate([[0], np.cumsum([len(group) for group in groups])[:-1]])
    y, best = np.ones(len(diagonal)), np.full(len(groups), -np.inf)
    for _ in range(_ROUNDS):
        for _ in range(_STEPS):
            change = diagonal.real * y + larger @ y
            y = y + step * change
        change = diagonal.real * y + larger @ y
        best = np.maximum(best, np.minimum.reduceat((-change / y)[order], first))
    decays = np.empty(len(diagonal))
    decays[order] = np.repeat(best, [len(group) for group in groups])
    return decays


def _components(matrix: Any) -> list[NDArray[np.intp]]:
    """Return the sets of rows that some entry of a matrix connects."""
    n, labels = sp.csgraph.connected_components(matrix, directed=False)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=n))[:-1])
