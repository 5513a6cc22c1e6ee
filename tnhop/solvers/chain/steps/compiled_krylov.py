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
def _apply_products(table: NDArray[np.int64], like: Real) -> None:
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
            product = np.empty((m, n), like.dtype)
            np.dot(A, B, product)
            for i in range(m):
                for j in range(n):
                    C[i, j] += product[i, j]
        else:
            np.dot(A, B, C)


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _inner(x: Real, y: Real) -> float:
    """Return the scalar product of two vectors."""
    total = 0.0
    for k in range(len(x)):
        total += x[k] * y[k]
    return total


@numba.njit(cache=True)
def _small_exponential(H: Real, n: int, t: float) -> Real:
    """Return exp(t A), A the first n rows and columns, by scaling and squaring a Taylor series."""
    size = 0.0
    for j in range(n):
        column = 0.0
        for i in range(n):
            column += abs(t * H[i, j])
        size = max(size, column)
    squarings = max(0, int(np.ceil(np.log2(size)))) if size > 0 else 0
    E, before = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        E[i, i] = 1.0
    for step in range(_DEGREE + squarings):
        before, E = E, before
        taylor = step < _DEGREE
        factor = t / (2.0**squarings * max(_DEGREE - step, 1))
        for i in range(n):
            for j in range(n):
                E[i, j] = 1.0 if taylor and i == j else 0.0
            for k in range(n):
                left = factor * H[i, k] if taylor else before[i, k]
                for j in range(n):
                    E[i, j] += left * before[k, j]
    return E


@numba.njit(cache=True, nogil=True, error_model="numpy")
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
    size = np.sqrt(_inner(v, v))
    most = min(MAX_VECTORS, n)
    V = np.empty((most, n), v.dtype)
    _scale(v, 1 / size, V[0])
    H = np.zeros((most + 1, most))
    rough = 1.0
    for m in range(1, most + 1):
        _scale(V[m - 1], 1.0, source)
        _scale(source, 0.0, result)
        _apply_products(table, source)
        w = result
        residual, largest = np.sqrt(_inner(w, w)), 0.0
        for _ in range(2):
            before = residual
            residual = _orthogonalise(V, w, H, m)
            if residual > CANCELLED * before:
                break
        for k in range(m):
            largest = max(largest, abs(H[k, m - 1]))
        H[m, m - 1] = residual
        if not np.isfinite(residual):
            break
        rough *= abs(t) * residual / m
        if rough < ROUGH * tolerance or m == most or residual < SMALL * largest:
            E = _small_exponential(H, m, t)
            error = abs(t) * residual * abs(E[m - 1, 0])
            if error <= tolerance or m == n:
                total = np.empty_like(v)
                _scale(v, 0.0, total)
                for k in range(m):
                    _add(total, size * E[k, 0], V[k])
                return total, m, error * size
        if m < most:
            _scale(w, 1 / residual, V[m])
    return v, most, -1.0


@numba.njit(cache=True)
def _orthogonalise(V: Real, w: Real, H: Real, m: int) -> float:
    """Take the first m rows of V out of w, add their shares to column m - 1; return the norm."""
    shares = np.empty(m)
    for k in range(m):
        shares[k] = _inner(V[k], w)
    for k in range(m):
        _add(w, -shares[k], V[k])
        H[k, m - 1] += shares[k]
    return float(np.sqrt(_inner(w, w)))


@numba.njit(cache=True)
def _scale(x: Real, factor: float, result: Real) -> None:
    for k in range(len(x)):
        result[k] = factor * x[k]


@numba.njit(cache=True)
def _add(total: Real, factor: float, x: Real) -> None:
    for k in range(len(x)):
        total[k] += factor * x[k]
