"""Layouts of matrices, in one block or in an even and an odd one: as vectors, blocks, arrays.

The dimensions of a bond are two numbers, of even and of odd states; the even ones come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from autoray import do

from tnhop.support.arrays import Array

ParityDims = tuple[int, int]  # even and odd states
Index = Any  # slice or ndarray of int


@dataclass(frozen=True, eq=False)
class DenseLayout:
    """An array (left, n, right) as one matrix, for chains without a parity; as `ParityLayout`."""

    shape: tuple[int, ...]

    def pack(self, v: Array) -> Array:
        """Return the array."""
        return v

    def matrices(self, v: Array, columns: ParityDims | None = None) -> list[Array]:  # noqa: ARG002
        """Return the matrix (left n, right)."""
        return [v.reshape(self.shape[0] * self.shape[1], -1)]

    def unpack(self, v: Array) -> Array:
        """Return the array."""
        return v

    def merge_left(self, blocks: Sequence[Array]) -> Array:
        """Return the array (left, n, new bond) of one matrix."""
        return blocks[0].reshape(*self.shape[:2], -1)

    def pack_right(self, blocks: Sequence[Array]) -> Array:
        """Return the matrix (new bond, right), as one array."""
        return blocks[0]

    def unpack_right(self, S: Array, dims: Sequence[int]) -> Array:  # noqa: ARG002
        """Return it as a matrix."""
        return S

    def restrict_rows(self, string: Array) -> Array:
        """Return a vector of the rows."""
        return string

    def restrict_columns(self, string: Array) -> Array:
        """Return a vector of the columns."""
        return string


@dataclass(frozen=True, eq=False)
class Sectors:
    """Even and odd indices of an index or of several, in the order of the blocks.

    Attributes
    ----------
    indices : pair of slice or ndarray of int
        The even and the odd ones.
    sizes : pair of int
        Their numbers.
    """

    indices: tuple[Index, Index]
    sizes: ParityDims

    @property
    def total(self) -> int:
        """Number of all indices."""
        return sum(self.sizes)


@lru_cache(maxsize=4096)
def bond_sectors(dims: ParityDims) -> Sectors:
    """Return the sectors of a sorted bond."""
    return Sectors((slice(0, dims[0]), slice(dims[0], sum(dims))), dims)


@lru_cache(maxsize=4096)
def bond_site_sectors(
    dims: ParityDims, charges: tuple[int, ...], site_first: bool = False
) -> Sectors:
    """Return the sectors of (bond, n), or of (n, bond) if the site comes first.

    Their order is that of n and then of the bond, so that a few n are a slice.
    """
    n, bond = np.arange(len(charges))[:, None], np.arange(sum(dims))
    parity = (np.array(charges)[:, None] + (bond >= dims[0])) % 2
    place = n * sum(dims) + bond if site_first else bond * len(charges) + n
    even, odd = place[parity == 0], place[parity == 1]
    return Sectors((even, odd), (len(even), len(odd)))


@dataclass(frozen=True, eq=False)
class ParityLayout:
    """An array (left, n, right) of even parity as two matrices, one even and one odd."""

    rows: Sectors
    columns: Sectors
    shape: tuple[int, ...]

    def pack(self, v: Array) -> Array:
        """Return the entries of both blocks as a vector."""
        M = v.reshape(self.rows.total, self.columns.total)
        pairs = zip(self.rows.indices, self.columns.indices, strict=True)
        return pack_blocks([M[:, columns][rows] for rows, columns in pairs])

    def matrices(self, w: Array, columns: ParityDims | None = None) -> list[Array]:
        """Return the blocks of a packed vector, or of one with other columns."""
        return split_packed(w, self.rows.sizes, columns or self.columns.sizes)

    def unpack(self, w: Array) -> Array:
        """Return the whole array of a packed vector; columns must be those of a bond."""
        return self.merge_left(self.matrices(w))

    def merge_left(self, blocks: Sequence[Array]) -> Array:
        """Return the array (left, n, new bond) of two blocks."""
        even, odd = blocks
        n, new = even.shape[1], even.shape[1] + odd.shape[1]
        M = zeros((self.rows.total, new), even)
        M[self.rows.indices[0], :n], M[self.rows.indices[1], n:] = even, odd
        return M.reshape(*self.shape[:-1], new)

    def pack_right(self, blocks: Sequence[Array]) -> Array:
        """Return the blocks of a matrix (new bond, right) as one array."""
        return pack_blocks(blocks)

    def unpack_right(self, S: Array, dims: Sequence[int]) -> Array:
        """Return it as a matrix, from the states of the new bond."""
        even, odd = split_packed(S, dims, self.columns.sizes)
        M = zeros((sum(dims), self.columns.total), S)
        M[: dims[0], self.columns.indices[0]], M[dims[0] :, self.columns.indices[1]] = even, odd
        return M

    def restrict_rows(self, string: Array) -> Array:
        """Return the even entries of a vector of the rows that has no others."""
        return string[self.rows.indices[0]]

    def restrict_columns(self, string: Array) -> Array:
        """Return the even entries of a vector of the columns that has no others."""
        return string[self.columns.indices[0]]


def pack_blocks(blocks: Sequence[Array]) -> Array:
    """Return the entries of matrices as one vector."""
    return do("concatenate", [M.reshape(-1) for M in blocks])


def split_packed(w: Array, rows: Sequence[int], columns: Sequence[int]) -> list[Array]:
    """Return two matrices from their entries."""
    first = rows[0] * columns[0]
    return [w[:first].reshape(rows[0], columns[0]), w[first:].reshape(rows[1], columns[1])]


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Return an array of zeros, to be written."""
    if isinstance(like, np.ndarray):  # a look-up costs as much as a small product
        return np.zeros(shape, like.dtype)
    return do("zeros", shape, like=like, dtype=like.dtype)
