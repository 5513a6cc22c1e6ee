"""NumPy arrays and sparse matrices, placed in the library of another array."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from autoray import do, infer_backend
from numpy.typing import NDArray

from tnhop.support.arrays import Array

_ROWS = 8  # rows that are added at once


def placed(x: NDArray[Any], like: Array) -> Array:
    """Return a NumPy array in the library, precision and place of another array."""
    moved = do("asarray", x.astype(precision_of(like)), like=like)
    return moved.to(like.device) if hasattr(moved, "to") else moved


def placed_sparse(M: sp.csr_array, like: Array) -> Array:
    """Return a matrix that multiplies arrays of the library from the left, sparse if it can be."""
    backend = infer_backend(like)
    if backend == "numpy":
        return M.astype(precision_of(like))
    if backend == "torch":
        parts = (part.astype(np.int64) for part in (M.indptr, M.indices))
        rows, columns = (do("asarray", part, like=like).to(like.device) for part in parts)
        return do("sparse_csr_tensor", rows, columns, placed(M.data, like), M.shape, like=like)
    return placed(M.toarray(), like)


def contiguous(x: Array) -> Array:
    """Return an array whose entries lie row by row.

    Products of the same numbers laid out otherwise are rounded otherwise, and a run that goes on
    from a checkpoint has to have the bits of one never left.
    """
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x)
    return x.contiguous() if hasattr(x, "contiguous") else x


def with_row(rows: Array, n: int, new: Array) -> Array:
    """Return an array with row n set, n = 0, 1, ... in turn; it may have more rows.

    Row n is overwritten in place if the library can.
    """
    if not isinstance(rows, np.ndarray) and infer_backend(rows) != "torch":
        return do("concatenate", (rows[:n], new[None]), axis=0)
    if n == len(rows):
        larger = do("empty", (n + _ROWS, rows.shape[1]), like=rows, dtype=rows.dtype)
        larger[:n] = rows
        rows = larger
    rows[n] = new
    return rows


def precision_of(like: Array) -> str:
    """Return the name of the data type."""
    return str(like.dtype).rpartition(".")[2]
