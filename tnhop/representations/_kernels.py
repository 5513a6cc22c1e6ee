"""Compiled loops of the matrix-free Lindbladian, Eq. (34) of docs/physics.md.

The state is a block-diagonal real matrix X, stored block after block and row after row. Every loop
works row by row, so that the inner one runs over contiguous memory and the row written stays in
cache. A factor M stands left of X as rows of (source row, value), and right of it, transposed, as
runs: stretches of columns that take from equally consecutive columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Index = NDArray[np.int64]

_jit = numba.njit(cache=True, fastmath={"contract", "reassoc"}, boundscheck=False)
_TILE = 8


class Layout(NamedTuple):
    """Where the rows lie: start in memory, length, first row and number of their block."""

    start: Index
    width: Index
    first: Index
    block: Index


class Left(NamedTuple):
    """A sparse factor by rows: ``(M X)[i] = Σ value[e] X[source[e]]``, e from ptr[i]."""

    ptr: Index
    source: Index
    value: Real


class Right(NamedTuple):
    """The same factor by runs ``(column, source column, first value, length)`` of every block."""

    ptr: Index
    table: Index
    value: Real


@_jit
def _add_rows(M: Left, i: int, start: Index, x: Real, to: Real) -> None:
    """Add (M X)[i], four rows of X at a time."""
    k, stop = M.ptr[i], M.ptr[i + 1]
    while k + 4 <= stop:
        a, b = x[start[M.source[k]] :], x[start[M.source[k + 1]] :]
        c, d = x[start[M.source[k + 2]] :], x[start[M.source[k + 3]] :]
        va, vb, vc, vd = M.value[k], M.value[k + 1], M.value[k + 2], M.value[k + 3]
        for j in range(len(to)):
            to[j] += va * a[j] + vb * b[j] + vc * c[j] + vd * d[j]
        k += 4
    while k < stop:
        a, va = x[start[M.source[k]] :], M.value[k]
        for j in range(len(to)):
            to[j] += va * a[j]
        k += 1


@_jit
def _add_runs(M: Right, block: int, scale: float, of: Real, to: Real) -> None:
    """Add scale · (row) Mᵀ, as far as the row `to` reaches."""
    for r in range(M.ptr[block], M.ptr[block + 1]):
        j0, s0, v0, length = M.table[r, 0], M.table[r, 1], M.table[r, 2], M.table[r, 3]
        if j0 < len(to):
            # slices, so that the compiler sees that no index can be negative
            part, source, by = to[j0:], of[s0:], M.value[v0:]
            for t in range(min(length, len(part))):
                part[t] += scale * by[t] * source[t]


@_jit
def transpose(layout: Layout, x: Real, xt: Real) -> None:
    """Transpose every block, tile by tile."""
    i0 = 0
    while i0 < len(layout.start):
        n, at = layout.width[i0], layout.start[i0]
        X, T = x[at : at + n * n].reshape((n, n)), xt[at : at + n * n].reshape((n, n))
        for r0 in range(0, n, _TILE):
            for c0 in range(0, n, _TILE):
                for r in range(r0, min(r0 + _TILE, n)):
                    for c in range(c0, min(c0 + _TILE, n)):
                        T[r, c] = X[c, r]
        i0 += n


@_jit
def mirror(layout: Layout, x: Real) -> None:
    """Copy the lower triangle of every block to the upper one, tile by tile."""
    i0 = 0
    while i0 < len(layout.start):
        n, at = layout.width[i0], layout.start[i0]
        X = x[at : at + n * n].reshape((n, n))
        for r0 in range(0, n, _TILE):
            for c0 in range(r0, n, _TILE):
                for r in range(r0, min(r0 + _TILE, n)):
                    for c in range(max(c0, r + 1), min(c0 + _TILE, n)):
                        X[r, c] = X[c, r]
        i0 += n


@_jit
def drift_real(layout: Layout, half: bool, p: Real, P: Left, PT: Right, x: Real, out: Real) -> None:
    """Write A X + X Aᵀ for a real A, of diagonal p and rest P; `half`: lower triangles only."""
    for i in range(len(layout.start)):
        at, n, first = layout.start[i], layout.width[i], layout.first[i]
        of, to = x[at : at + n], out[at : at + (i - first + 1 if half else n)]
        columns = p[first : first + n]
        for j in range(len(to)):
            to[j] = (p[i] + columns[j]) * of[j]
        _add_rows(P, i, layout.start, x, to)
        _add_runs(PT, layout.block[i], 1.0, of, to)


@_jit
def add_drift_imaginary(layout: Layout, q: Real, Q: Left, QT: Right, xt: Real, out: Real) -> None:
    """Add B Xᵀ - Xᵀ Bᵀ for the imaginary part B of A, of diagonal q and rest Q."""
    for i in range(len(layout.start)):
        at, n, first = layout.start[i], layout.width[i], layout.first[i]
        of, to, columns = xt[at : at + n], out[at : at + n], q[first : first + n]
        for j in range(n):
            to[j] += (q[i] - columns[j]) * of[j]
        _add_rows(Q, i, layout.start, xt, to)
        _add_runs(QT, layout.block[i], -1.0, of, to)


@_jit
def add_single_jumps(
    layout: Layout, half: bool, L: Left, segment: Index, LT: Right, x: Real, out: Real
) -> None:
    """Add Σ L X Lᵀ for real L with at most one entry per row.

    Entry e of row i belongs to the jump and block ``segment[e]``, whose columns are runs of `LT`.
    """
    for i in range(len(layout.start)):
        at, n = layout.start[i], layout.width[i]
        to = out[at : at + (i - layout.first[i] + 1 if half else n)]
        for e in range(L.ptr[i], L.ptr[i + 1]):
            _add_runs(LT, segment[e], L.value[e], x[layout.start[L.source[e]] :], to)


@_jit
def add_jump(
    layout: Layout,
    half: bool,
    A: Left,
    AT: Right,
    B: Left,
    BT: Right,
    x: Real,
    xt: Real,
    out: Real,
) -> None:
    """Add (A X + B Xᵀ) Aᵀ + (B X - A Xᵀ) Bᵀ: any jump A + iB that takes a block to one block."""
    buffer = np.empty(layout.width.max())
    for i in range(len(layout.start)):
        a, b = A.ptr[i + 1] > A.ptr[i], B.ptr[i + 1] > B.ptr[i]
        if not a and not b:
            continue
        to = out[layout.start[i] :]
        to = to[: i - layout.first[i] + 1 if half else layout.width[i]]
        u = buffer[: layout.width[A.source[A.ptr[i]] if a else B.source[B.ptr[i]]]]
        u[:] = 0.0
        _add_rows(A, i, layout.start, x, u)
        _add_rows(B, i, layout.start, xt, u)
        _add_runs(AT, layout.block[i], 1.0, u, to)
        if len(BT.table):
            u[:] = 0.0
            _add_rows(A, i, layout.start, xt, u)
            u *= -1.0
            _add_rows(B, i, layout.start, x, u)
            _add_runs(BT, layout.block[i], 1.0, u, to)


@_jit
def accumulate(weights: Real, x: Real, rows: Real) -> None:
    """rows[q] += weights[q] · x: the states at several times from one term of a power series."""
    for q in range(len(weights)):
        w = weights[q]
        for j in range(len(x)):
            rows[q, j] += w * x[j]
