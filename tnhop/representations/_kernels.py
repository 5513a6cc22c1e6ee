"""Compiled loops of the matrix-free Lindbladian, Eq. (34) of docs/physics.md.

All work on real square arrays, row by row, so that the inner loop runs over contiguous memory.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Index = NDArray[np.int32]

_jit = numba.njit(cache=True, fastmath={"contract", "reassoc"}, boundscheck=False)
_BLOCK = 8


@_jit
def transpose(source: Real, target: Real) -> None:
    """Write the transpose of `source` into `target`, block by block."""
    n = source.shape[0]
    for i0 in range(0, n, _BLOCK):
        i1 = min(i0 + _BLOCK, n)
        for j0 in range(0, n, _BLOCK):
            for i in range(i0, i1):
                for j in range(j0, min(j0 + _BLOCK, n)):
                    target[i, j] = source[j, i]


@_jit
def add_transpose(source: Real, target: Real) -> None:
    """Add the transpose of `source` to `target`, block by block."""
    n = source.shape[0]
    for i0 in range(0, n, _BLOCK):
        i1 = min(i0 + _BLOCK, n)
        for j0 in range(0, n, _BLOCK):
            for i in range(i0, i1):
                for j in range(j0, min(j0 + _BLOCK, n)):
                    target[i, j] += source[j, i]


@_jit
def diagonal_part(p: Real, q: Real, X: Real, XT: Real, out: Real) -> None:
    """Out = (p_i + p_j) X_ij + (q_i - q_j) Xᵀ_ij: all terms that are diagonal in the site basis."""
    n = X.shape[0]
    for i in range(n):
        pi, qi = p[i], q[i]
        for j in range(n):
            out[i, j] = (pi + p[j]) * X[i, j] + (qi - q[j]) * XT[i, j]


@_jit
def add_product(indptr: Index, indices: Index, data: Real, X: Real, out: Real, sign: float) -> None:
    """Out += sign · S X for a sparse S, four rows of X at a time."""
    n, m = len(indptr) - 1, X.shape[1]
    for i in range(n):
        k, stop = indptr[i], indptr[i + 1]
        while k + 4 <= stop:
            a, b, c, d = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
            va, vb = sign * data[k], sign * data[k + 1]
            vc, vd = sign * data[k + 2], sign * data[k + 3]
            for j in range(m):
                out[i, j] += va * X[a, j] + vb * X[b, j] + vc * X[c, j] + vd * X[d, j]
            k += 4
        while k < stop:
            a, va = indices[k], sign * data[k]
            for j in range(m):
                out[i, j] += va * X[a, j]
            k += 1


@_jit
def add_jumps(
    row_ptr: Index,
    row_jump: Index,
    row_source: Index,
    row_value: Real,
    run_ptr: Index,
    runs: Index,
    values: Real,
    X: Real,
    out: Real,
) -> None:
    """Out += Σ L X Lᵀ for real L with at most one entry per row.

    ``runs[r] = (column, source column, first value, length)`` lists where the entries of a jump,
    short gaps filled with zeros, lie on consecutive columns with consecutive sources.
    """
    n = X.shape[0]
    for i in range(n):
        for e in range(row_ptr[i], row_ptr[i + 1]):
            jump, k, scale = row_jump[e], row_source[e], row_value[e]
            for r in range(run_ptr[jump], run_ptr[jump + 1]):
                j0, s0, v0, length = runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3]
                # slices, so that the compiler sees that no index can be negative
                to, of, by = out[i, j0:], X[k, s0:], values[v0:]
                for t in range(length):
                    to[t] += scale * by[t] * of[t]


@_jit
def accumulate(weights: Real, x: Real, rows: Real) -> None:
    """rows[q] += weights[q] · x: the states at several times from one term of a power series."""
    for q in range(len(weights)):
        w = weights[q]
        for j in range(len(x)):
            rows[q, j] += w * x[j]


def warm_up() -> None:
    """Compile (or load from the cache) every loop on a 2 × 2 example."""
    X, Y, v = np.eye(2), np.eye(2), np.ones(2)
    index = np.zeros(3, dtype=np.int32)
    transpose(X, Y)
    add_transpose(X, Y)
    diagonal_part(v, v, X, X, Y)
    add_product(index, index[:0], v[:0], X, Y, 1.0)
    runs = np.zeros((0, 4), dtype=np.int32)
    add_jumps(index, index[:0], index[:0], v[:0], index, runs, v, X, Y)
    accumulate(v, v, Y)
