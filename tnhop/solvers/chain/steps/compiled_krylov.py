"""exp(t A) v by Arnoldi's method for A given as a table of matrix products, compiled.

The same steps as in `krylov`, which is the reference; at small bonds the interpreter would take
longer than the products.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.krylov import CANCELLED, MAX_VECTORS, ROUGH, SMALL
from tnhop.support.arrays import Real

_DEGREE = 18  # of a Taylor series for norms up to 1: 1/19! is below rounding


@intrinsic
def _pointer(_: Any, address: Any, like: Any) -> Any:
    """Return an address as a pointer to entries of the type of an array."""
    pointer = types.CPointer(like.dtype)

    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(address, like), codegen


@numba.njit(cache=True)
def apply_products(table: NDArray[np.int64], like: Real) -> None:
    """Make the products of a table one after another: C = A B, or C += A B.

    Rows are addresses of A, B and C, the numbers m, k, n of their rows and columns, and whether C
    holds a sum already.
    """
    for row in range(len(table)):
        m, k, n = table[row, 3], table[row, 4], table[row, 5]
        A = carray(_pointer(table[row, 0], like), (m, k))  # type: ignore[call-arg]
        B = carray(_pointer(table[row, 1], like), (k, n))
        C = carray(_pointer(table[row, 2], like), (m, n))
        if table[row, 6]:
            C += np.dot(A, B)
        else:
            np.dot(A, B, C)


@numba.njit(cache=True)
def _small_exponential(A: Real) -> Real:
    """Return exp(A) of a small matrix, by scaling and squaring of its Taylor series."""
    n = len(A)
    size = 0.0
    for j in range(n):
        size = max(size, np.abs(A[:, j]).sum())
    squarings = max(0, int(np.ceil(np.log2(size)))) if size > 0 else 0
    scaled = A / 2.0**squarings
    E = np.eye(n)
    for k in range(_DEGREE, 0, -1):
        E = np.eye(n) + np.dot(scaled, E) / k
    for _ in range(squarings):
        E = np.dot(E, E)
    return E


@numba.njit(cache=True)
def krylov_exponential(
    table: NDArray[np.int64], source: Real, result: Real, v: Real, t: float, tolerance: float
) -> tuple[Real, int, float]:
    """Return exp(t A) v, the applications, and the estimated error: negative if it is too large.

    Parameters
    ----------
    table : ndarray of int, shape (n_products, 7)
        Products that take what stands in `source` to what they add to `result`.
    source, result, v : ndarray, shape (n,)
        Places of a vector and of A times it; start.
    t, tolerance : float
        As in `krylov.exponential`.
    """
    n = len(v)
    size = np.sqrt(np.sum(v * v))
    most = min(MAX_VECTORS, n)
    rows = np.empty((most, n), v.dtype)
    rows[0] = v / size
    H = np.zeros((most + 1, most))
    rough = 1.0
    for m in range(1, most + 1):
        source[:] = rows[m - 1]
        result[:] = 0
        apply_products(table, source)
        w = result.copy()
        V = rows[:m]
        residual = np.sqrt(np.sum(w * w))
        largest = 0.0
        for _ in range(2):
            before, along = residual, np.dot(V, w)
            w -= np.dot(along, V)
            for k in range(m):
                H[k, m - 1] += along[k]
            residual = np.sqrt(np.sum(w * w))
            if residual > CANCELLED * before:
                break
        for k in range(m):
            largest = max(largest, abs(H[k, m - 1]))
        H[m, m - 1] = residual
        if not np.isfinite(residual):
            break
        rough *= abs(t) * residual / m
        if rough < ROUGH * tolerance or m == most or residual < SMALL * largest:
            small = _small_exponential(t * H[:m, :m])[:, 0].copy()
            error = abs(t) * residual * abs(small[m - 1])
            if error <= tolerance or m == n:
                return size * np.dot(small.astype(v.dtype), V), m, error * size
        if m < most:
            rows[m] = w / residual
    return v, most, -1.0
