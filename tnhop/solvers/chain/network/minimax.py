"""Interpolative decompositions of matrices, nearly best in the maximum norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtrs

from tnhop.support.arrays import Complex, Real

_PIVOT_ACCURACY = 0.3  # share of the accepted error; the singular vectors may use the rest
_GRAM_RANGE = 3e6  # singular values beyond which squares lose those near 1
_TINY = 1e-14


def interpolative_decomposition(
    V: Complex, population: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], Real, Complex, float]:
    """Give all rows of [Re V; Im V] by combinations of few of them, to accuracy 1.

    Populations are interpolated from populations alone, so that they close among themselves and the
    trace is exact.

    Returns
    -------
    chosen : ndarray, shape (n_values,)
        Rows that are evaluated.
    interpolation_rows : ndarray, shape (n_combinations, n_values)
        Combinations of them that are kept.
    weights : ndarray, shape (n, n_combinations)
        Weights of these combinations in all rows.
    error : float
        Largest error, 1 or less.

    References
    ----------
    H. Cheng, Z. Gimbutas, P. G. Martinsson and V. Rokhlin, SIAM J. Sci. Comput. 26, 1389 (2005):
    decompositions of this kind in the spectral norm.
    """
    n = len(V)
    coherent = np.flatnonzero(~population)
    real, imag = V.real.any(axis=0), V.imag.any(axis=0)
    if not (real & imag).any():  # real amplitudes: functions even and odd in (ket, bra) separate
        even, odd = (np.ascontiguousarray(x) for x in (V.real[:, real], V.imag[:, imag]))
        groups = [np.flatnonzero(population), coherent]
        halves = [_two_stage(even, groups), _two_stage(odd, groups[1:])]
        chosen = np.concatenate([halves[0][0], n + halves[1][0]])
        interpolation_rows = sl.block_diag(halves[0][1], halves[1][1])
        weights = np.concatenate([halves[0][2], 1j * halves[1][2]], axis=1)
        return chosen, interpolation_rows, weights, max(halves[0][3], halves[1][3])
    rows = [np.flatnonzero(population), np.concatenate([coherent, n + coherent])]
    chosen, interpolation_rows, both, error = _two_stage(np.concatenate([V.real, V.imag]), rows)
    return chosen, interpolation_rows, both[:n] + 1j * both[n:], error


def _two_stage(
    M: Real, groups: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.intp], Real, Real, float]:
    """Decompose the rows of M group by group: pivots first, then fewer combinations of them."""
    small = M  # the same rows in fewer, orthogonal columns
    if M.shape[1] > 1.5 * M.shape[0]:
        small = np.ascontiguousarray(np.asarray(np.linalg.qr(M.T, mode="r")).T)
    weights, interpolation_rows = np.zeros((len(M), 0)), np.zeros((0, 0))
    chosen, error = np.zeros(0, np.intp), 0.0
    for rows in groups:
        if not len(rows) or not M.shape[1]:
            continue
        pivots, T = _interpolation(M, small, rows, chosen)
        both = np.concatenate([chosen, pivots])
        H = np.pad(interpolation_rows, ((0, 0), (0, len(pivots))))
        Y = _regression(small[rows], H @ small[both])
        T = T - Y @ H
        W, G, error_here = _dominant_factors(M[rows] - Y @ (H @ M[both]), T, M[both], small[both])
        interpolation_rows = np.concatenate([H, G @ T])
        weights = np.pad(weights, ((0, 0), (0, len(G))))
        weights[rows] = np.concatenate([Y, W], axis=1)
        chosen, error = both, max(error, error_here)
    return chosen, interpolation_rows, weights, error


def _interpolation(
    M: Real, small: Real, rows: NDArray[np.intp], chosen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Real]:
    """Return pivots among the rows, and weights of those chosen before and of pivots in all rows.

    One pivoted QR decomposition ranks the rows; every number of pivots is then a triangular solve.
    """
    Q, R = np.linalg.qr(small[chosen].T)
    inside = _solved(R, Q.T @ small[rows].T).T  # by rows chosen before
    remainder = small[rows] - inside @ small[chosen]
    missing = M[rows] - inside @ M[chosen]
    R, order = sl.qr(remainder.T, mode="r", pivoting=True, check_finite=False)[:2]
    largest = max(float(np.linalg.norm(small, axis=1).max()), _TINY)
    missing, place = missing[order], np.argsort(order)

    def by_pivots(n: int) -> Real:
        """Return the weights of the first n pivots in what the chosen rows leave."""
        return _solved(R[:n, :n], R[:n]).T

    def is_enough(n: int) -> bool:
        return bool(np.abs(missing - by_pivots(n) @ missing[:n]).max() <= _PIVOT_ACCURACY)

    most = int(np.sum(np.abs(np.diag(R)) > 1e-12 * largest))
    n = _fewest(is_enough, R[:most].T, M.shape[1], _PIVOT_ACCURACY)
    C = by_pivots(n)[place]
    return rows[order[:n]], np.concatenate([inside - C @ inside[order[:n]], C], axis=1)


def _fewest(is_enough: Callable[[int], bool], parts: Real, n_columns: int, accuracy: float) -> int:
    """Return the smallest number of parts, of which the rest is small in the maximum norm.

    Row i of `parts` has the coefficients of vector i in orthonormal vectors of n_columns entries.
    The norm of what is left out bounds the largest entry from above and, by the number of entries,
    from below: only few numbers in between need a look.
    """
    squares = np.cumsum(parts[:, ::-1] ** 2, axis=1).max(axis=0, initial=0.0)[::-1]
    left_out = np.append(np.sqrt(squares), 0.0)  # by the number of parts
    low = int(np.sum(left_out > accuracy * n_columns**0.5))
    high = max(low, int(np.sum(left_out > accuracy)))
    middle = min(high, low + (high - low) // 3)  # the largest entry is nearer to the lower bound
    while low < high:
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
        middle = (low + high) // 2
    return high


def _solved(R: Real, b: Real) -> Real:
    """Solve R x = b for a triangular R."""
    if not len(R):
        return np.zeros((0, b.shape[1]))
    return np.asarray(dtrtrs(R, b)[0])


def _dominant_factors(M: Real, T: Real, N: Real, small: Real) -> tuple[Real, Real, float]:
    """Return W, G with M ≈ W G T N to accuracy 1 and few columns of W, where M = T N nearly.

    W has the dominant singular vectors of T N, as many as the largest error needs.
    """
    Q, R = np.linalg.qr(T)
    U = Q @ _left_vectors(R @ small)
    P = (U.T @ T) @ N

    def error(rank: int) -> float:
        return float(np.abs(M - U[:, :rank] @ P[:rank]).max(initial=0.0))

    parts = U * np.linalg.norm(P, axis=1)
    rank = _fewest(lambda n: error(n) <= 1, parts, M.shape[1], 1.0)
    return U[:, :rank], U[:, :rank].T, error(rank)


def _left_vectors(M: Real) -> Real:
    """Return the left singular vectors: those of singular values near 1, the accuracy, included.

    Eigenvectors of M Mᵀ are cheaper, if rounding leaves them; the slower algorithm for singular
    vectors converges where the fast one fails.
    """
    gram = M @ M.T
    if np.trace(gram) < _GRAM_RANGE**2:
        return np.asarray(np.linalg.eigh(gram)[1][:, ::-1])
    try:
        return np.asarray(np.linalg.svd(M, full_matrices=False)[0])
    except np.linalg.LinAlgError:
        return np.asarray(sl.svd(M, full_matrices=False, lapack_driver="gesvd")[0])


def _regression(rows: Real, basis: Real) -> Real:
    """Return Y with rows ≈ Y basis."""
    if not len(basis):
        return np.zeros((len(rows), 0))
    return np.asarray(np.linalg.lstsq(basis.T, rows.T, rcond=None)[0].T)
