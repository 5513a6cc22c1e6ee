"""Matrices that fall into an even and an odd block, as vectors, as blocks and whole.

A leg is a pair of numbers, of even and of odd states; those of a bond are sorted, even ones first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from autoray import do

from tnhop.support.arrays import Array

Leg = tuple[int, int]  # even and odd states
Index = Any  # slice or ndarray of int


@dataclass(frozen=True, eq=False)
class Whole:
    """An array (left, n, right) as one matrix: no parity is known. The same face as `Frame`."""

    shape: tuple[int, ...]

    def packed(self, v: Array) -> Array:
        """Return the array."""
        return v

    def matrices(self, v: Array, columns: Leg | None = None) -> list[Array]:  # noqa: ARG002
        """Return the matrix (left n, right)."""
        return [v.reshape(self.shape[0] * self.shape[1], -1)]

    def unpacked(self, v: Array) -> Array:
        """Return the array."""
        return v

    def joined(self, blocks: Sequence[Array]) -> Array:
        """Return the array (left, n, new bond) of one matrix."""
        return blocks[0].reshape(*self.shape[:2], -1)

    def together(self, blocks: Sequence[Array]) -> Array:
        """Return the matrix (new bond, right), as one array."""
        return blocks[0]

    def matrix(self, S: Array, leg: Sequence[int]) -> Array:  # noqa: ARG002
        """Return it as a matrix."""
        return S

    def first(self, string: Array) -> Array:
        """Return a vector of the rows."""
        return string

    def last(self, string: Array) -> Array:
        """Return a vector of the columns."""
        return string


@dataclass(frozen=True, eq=False)
class Sectors:
    """Even and odd indices of a leg or of several, in the order of the blocks.

    Attributes
    ----------
    indices : pair of slice or ndarray of int
        The even and the odd ones.
    sizes : pair of int
        How many.
    """

    indices: tuple[Index, Index]
    sizes: Leg

    @property
    def total(self) -> int:
        """Number of all indices."""
        return sum(self.sizes)


@lru_cache(maxsize=4096)
def of_bond(leg: Leg) -> Sectors:
    """Return the sectors of a sorted bond."""
    return Sectors((slice(0, leg[0]), slice(leg[0], sum(leg))), leg)


@lru_cache(maxsize=4096)
def with_site(leg: Leg, charges: tuple[int, ...], behind: bool = False) -> Sectors:
    """Return the sectors of (bond, n), or of (n, bond) if the site comes first.

    Their order is that of n and then of the bond, so that a few n are a slice.
    """
    n, bond = np.arange(len(charges))[:, None], np.arange(sum(leg))
    parity = (np.array(charges)[:, None] + (bond >= leg[0])) % 2
    place = n * sum(leg) + bond if behind else bond * len(charges) + n
    even, odd = place[parity == 0], place[parity == 1]
    return Sectors((even, odd), (len(even), len(odd)))


@dataclass(frozen=True, eq=False)
class Frame:
    """How an array (left, n, right) of even parity falls into two matrices, even and odd."""

    rows: Sectors
    columns: Sectors
    shape: tuple[int, ...]

    def packed(self, v: Array) -> Array:
        """Return the entries of both blocks as a vector."""
        M = v.reshape(self.rows.total, self.columns.total)
        pairs = zip(self.rows.indices, self.columns.indices, strict=True)
        return packed([M[:, columns][rows] for rows, columns in pairs])

    def matrices(self, w: Array, columns: Leg | None = None) -> list[Array]:
        """Return the blocks of a packed vector, or of one with other columns."""
        return cut(w, self.rows.sizes, columns or self.columns.sizes)

    def unpacked(self, w: Array) -> Array:
        """Return the whole array of a packed vector; columns must be those of a bond."""
        return self.joined(self.matrices(w))

    def joined(self, blocks: Sequence[Array]) -> Array:
        """Return the array (left, n, new bond) of two blocks."""
        even, odd = blocks
        n, new = even.shape[1], even.shape[1] + odd.shape[1]
        M = zeros((self.rows.total, new), even)
        M[self.rows.indices[0], :n], M[self.rows.indices[1], n:] = even, odd
        return M.reshape(*self.shape[:-1], new)

    def together(self, blocks: Sequence[Array]) -> Array:
        """Return the blocks of a matrix (new bond, right) as one array."""
        return packed(blocks)

    def matrix(self, S: Array, leg: Sequence[int]) -> Array:
        """Return it as a matrix, from the states of the new bond."""
        even, odd = cut(S, leg, self.columns.sizes)
        M = zeros((sum(leg), self.columns.total), S)
        M[: leg[0], self.columns.indices[0]], M[leg[0] :, self.columns.indices[1]] = even, odd
        return M

    def first(self, string: Array) -> Array:
        """Return the even entries of a vector of the rows that has no others."""
        return string[self.rows.indices[0]]

    def last(self, string: Array) -> Array:
        """Return the even entries of a vector of the columns that has no others."""
        return string[self.columns.indices[0]]


def packed(blocks: Sequence[Array]) -> Array:
    """Return the entries of matrices as one vector."""
    return do("concatenate", [M.reshape(-1) for M in blocks])


def cut(w: Array, rows: Sequence[int], columns: Sequence[int]) -> list[Array]:
    """Return two matrices from their entries."""
    first = rows[0] * columns[0]
    return [w[:first].reshape(rows[0], columns[0]), w[first:].reshape(rows[1], columns[1])]


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Return an array of zeros, to be written."""
    if isinstance(like, np.ndarray):  # a look-up costs as much as a small product
        return np.zeros(shape, like.dtype)
    return do("zeros", shape, like=like, dtype=like.dtype)
