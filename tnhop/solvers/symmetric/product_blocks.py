"""Product states averaged over the permutations inside classes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.solvers.symmetric.total_spins import two_J_values
from tnhop.support.arrays import Complex


def class_blocks(bloch: NDArray[np.float64], signs: NDArray[Any]) -> list[Complex]:
    """Blocks, largest J first, of the average of ⊗ (1 + r_k·σ)/2 over all orders of the spins.

    The spins are added one at a time: J' ⊗ 1/2 goes to J' ± 1/2 with Clebsch-Gordan coefficients,
    Eq. (50) of docs/physics.md. Spins of sign -1 are conjugated by σˣ first.
    """
    blocks: dict[int, Complex] = {0: np.ones((1, 1), dtype=complex)}
    for n, (r, sign) in enumerate(zip(bloch, signs, strict=True), 1):
        x, y, z = r[0], sign * r[1], sign * r[2]
        spin = np.array([[1 + z, x - 1j * y], [x + 1j * y, 1 - z]]) / 2
        larger: dict[int, Complex] = {}
        for two_J in two_J_values(n):
            total = np.zeros((two_J + 1, two_J + 1), dtype=complex)
            M = two_J / 2 - np.arange(two_J + 1)
            for branch in (1, -1):  # from J' = J - branch / 2
                if two_J - branch in blocks:
                    total = total + _added(blocks[two_J - branch], spin, two_J / 2, M, branch)
            larger[two_J] = total
        blocks = larger
    return [blocks[two_J] for two_J in two_J_values(len(bloch))]


def _added(old: Complex, spin: Any, J: float, M: NDArray[Any], sign: int) -> Complex:
    """Project old ⊗ spin on total spin J = J' + sign/2."""
    if sign == 1:
        c = [np.sqrt((J + M) / max(2 * J, 1)), np.sqrt((J - M) / max(2 * J, 1))]
    else:
        c = [-np.sqrt((J + 1 - M) / (2 * J + 2)), np.sqrt((J + 1 + M) / (2 * J + 2))]
    # row M of J comes from row M' = M - m of J': in positions, J' - M' = J - M - sign/2 + m
    total = np.zeros((len(M), len(M)), dtype=complex)
    place = [np.arange(len(M)) + (1 - sign) // 2 + shift for shift in (0, -1)]
    inside = [(p >= 0) & (p < len(old)) for p in place]
    for a, b in itertools.product((0, 1), repeat=2):
        rows, columns = np.flatnonzero(inside[a]), np.flatnonzero(inside[b])
        part = old[np.ix_(place[a][rows], place[b][columns])]
        weight = spin[a, b] * np.outer(c[a][rows], c[b][columns])
        total[np.ix_(rows, columns)] += weight * part
    return total


def product_blocks(spins: Sequence[list[Complex]], modes: Sequence[Complex]) -> Iterator[Complex]:
    """Yield the Kronecker product of one block of every class and of the modes, block by block."""
    for chosen in itertools.product(*spins):
        product = np.ones((1, 1), dtype=complex)
        for matrix in (*chosen, *modes):
            product = np.kron(product, matrix)
        yield product
