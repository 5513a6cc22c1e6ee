"""Compiled loops of the matrix-free Lindbladian, Eq. (34) of docs/physics.md.

The state is a block-diagonal real matrix X, stored block after block and row after row. Every loop
works row by row, so that the inner one runs over contiguous memory and the row written stays in
cache. A factor M stands left of X as rows of (source row, value), and right of it, transposed, as
runs: stretches of columns that take from equally consecutive columns.

Rows may be shared out between threads: each is written by one call, which does not hold the lock of
the interpreter, so that no bit depends on the number of threads.

All indices are unsigned: a compiler that knows that none is negative leaves no test in the inner
loops (measured: 3 to 5 times faster on short rows).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from tnhop.support.arrays import Real

Index = NDArray[np.uint64]

_jit = numba.njit(cache=True, fastmath={"contract", "reassoc"}, boundscheck=False, nogil=True)
_TILE = np.uint64(32)
_ONE = np.uint64(1)
_FOUR = np.uint64(4)


class Layout(NamedTuple):
    """Position of every row: start in memory, length, first row and number of its block."""

    start: Index
    width: Index
    first: Index
    block: Index


class RowForm(NamedTuple):
    """A sparse factor M for the product M X, row by row.

    ``(M X)[i]`` is the sum of ``value[e] X[source[e]]`` over the entries e from ``ptr[i]`` to
    ``ptr[i + 1]``.
    """

    ptr: Index
    source: Index
    value: Real


class RunForm(NamedTuple):
    """The same factor for the product X Mᵀ, as runs of consecutive columns, block by block.

    A row of ``table`` is (column, source column, position of the first value, length); those of
    block b lie from ``ptr[b]`` to ``ptr[b + 1]``.
    """

    ptr: Index
    table: Index
    value: Real


@_jit
def _add_rows(M: RowForm, i: Any, start: Index, x: Real, out: Real, at: Any, n: Any) -> None:
    """Add the first n entries of (M X)[i] to out[at:], four rows of X at a time."""
    k, stop = M.ptr[i], M.ptr[i + _ONE]
    while k + _FOUR <= stop:
        a, b = start[M.source[k]], start[M.source[k + _ONE]]
        c, d = start[M.source[k + np.uint64(2)]], start[M.source[k + np.uint64(3)]]
        va, vb = M.value[k], M.value[k + _ONE]
        vc, vd = M.value[k + np.uint64(2)], M.value[k + np.uint64(3)]
        for j in range(n):
            out[at + j] += va * x[a + j] + vb * x[b + j] + vc * x[c + j] + vd * x[d + j]
        k += _FOUR
    while k < stop:
        a, va = start[M.source[k]], M.value[k]
        for j in range(n):
            out[at + j] += va * x[a + j]
        k += _ONE


@_jit
def _add_runs(
    M: RunForm, group: Any, scale: float, x: Real, of: Any, out: Real, at: Any, n: Any
) -> None:
    """Add scale · (the row x[of:]) Mᵀ to out[at:], as far as its n entries reach."""
    for r in range(M.ptr[group], M.ptr[group + _ONE]):
        first = M.table[r, 0]
        if first < n:
            to, source, by = at + first, of + M.table[r, 1], M.table[r, 2]
            for t in range(min(M.table[r, 3], n - first)):
                out[to + t] += scale * M.value[by + t] * x[source + t]


@_jit
def _copy_triangle(layout: Layout, x: Real, out: Real, lower: bool, start: Any, stop: Any) -> None:
    """Write rows of the transpose of blocks, or of their lower triangles only, tile by tile."""
    i0, zero, total = np.uint64(0), np.uint64(0), np.uint64(len(layout.start))
    while i0 < min(total, stop):
        n, at = layout.width[i0], layout.start[i0]
        first: Any = start - i0 if start > i0 else zero
        last = min(n, stop - i0)
        for c0 in range(zero, n, _TILE):
            for r0 in range(first, min(last, c0 + _TILE) if lower else last, _TILE):
                for r in range(r0, min(r0 + _TILE, last)):
                    begin: Any = max(c0, r + _ONE) if lower else c0
                    for c in range(begin, min(c0 + _TILE, n)):
                        out[at + r * n + c] = x[at + c * n + r]
        i0 += n


@_jit
def transpose(layout: Layout, x: Real, xt: Real, start: Any, stop: Any) -> None:
    """Write some rows of the transpose of every block."""
    _copy_triangle(layout, x, xt, False, start, stop)


@_jit
def mirror(layout: Layout, x: Real, start: Any, stop: Any) -> None:
    """Copy the lower triangle of every block to some rows of the upper one."""
    _copy_triangle(layout, x, x, True, start, stop)


@_jit
def apply_rows(
    layout: Layout,
    half: bool,
    diagonal: tuple[Real, Real],
    real: tuple[RowForm, RunForm],
    imaginary: tuple[RowForm, RunForm],
    jumps: tuple[RowForm, Index, RunForm],
    x: Real,
    xt: Real,
    out: Real,
    start: Any,
    stop: Any,
) -> None:
    """Write rows of A X + X Aᵀ + B Xᵀ - Xᵀ Bᵀ + Σ L X Lᵀ, for A + iB and simple jumps L.

    A and B are split into their diagonals and their rests. The jumps are real with at most one
    entry per row; entry e belongs to the jump and block ``segment[e]``, whose columns are runs.
    With `half` only lower triangles are written. `xt` may be empty if B = 0.
    """
    (p, q), (P, PT), (Q, QT), (L, segment, LT) = diagonal, real, imaginary, jumps
    for i in range(start, stop):
        at, first, block = layout.start[i], layout.first[i], layout.block[i]
        n = i - first + _ONE if half else layout.width[i]
        if len(xt):
            for j in range(n):
                out[at + j] = (p[i] + p[first + j]) * x[at + j] + (q[i] - q[first + j]) * xt[at + j]
            _add_rows(Q, i, layout.start, xt, out, at, n)
            _add_runs(QT, block, -1.0, xt, at, out, at, n)
        else:
            for j in range(n):
                out[at + j] = (p[i] + p[first + j]) * x[at + j]
        _add_rows(P, i, layout.start, x, out, at, n)
        _add_runs(PT, block, 1.0, x, at, out, at, n)
        for e in range(L.ptr[i], L.ptr[i + _ONE]):
            _add_runs(LT, segment[e], L.value[e], x, layout.start[L.source[e]], out, at, n)


@_jit
def add_jump(
    layout: Layout,
    half: bool,
    A: RowForm,
    AT: RunForm,
    B: RowForm,
    BT: RunForm,
    x: Real,
    xt: Real,
    out: Real,
    start: Any,
    stop: Any,
) -> None:
    """Add (A X + B Xᵀ) Aᵀ + (B X - A Xᵀ) Bᵀ to rows: a jump A + iB that takes a block to one."""
    u, zero = np.empty(layout.width.max()), np.uint64(0)
    for i in range(start, stop):
        a, b = A.ptr[i + _ONE] > A.ptr[i], B.ptr[i + _ONE] > B.ptr[i]
        if not a and not b:
            continue
        at, block = layout.start[i], layout.block[i]
        n = i - layout.first[i] + _ONE if half else layout.width[i]
        width = layout.width[A.source[A.ptr[i]] if a else B.source[B.ptr[i]]]
        u[:] = 0.0
        _add_rows(A, i, layout.start, x, u, zero, width)
        _add_rows(B, i, layout.start, xt, u, zero, width)
        _add_runs(AT, block, 1.0, u, zero, out, at, n)
        if len(BT.table):
            u[:] = 0.0
            _add_rows(A, i, layout.start, xt, u, zero, width)
            u *= -1.0
            _add_rows(B, i, layout.start, x, u, zero, width)
            _add_runs(BT, block, 1.0, u, zero, out, at, n)


@_jit
def accumulate(weights: Real, x: Real, rows: Real) -> None:
    """rows[q] += weights[q] · x: the states at several times from one term of a power series."""
    for q in range(len(weights)):
        w = weights[q]
        for j in range(len(x)):
            rows[q, j] += w * x[j]
