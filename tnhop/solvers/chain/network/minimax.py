"""Interpolative decompositions of matrices, nearly best in the maximum norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from tnhop.support.arrays import Complex, Real

_PIVOT_ACCURACY = 0.3  # share of the accepted error; the singular vectors may use the rest
_LAWSON = 8  # reweightings towards the smallest maximal error
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
        both = np.concatenate([chosen, _pivots(M, small, rows, chosen)])
        H = np.pad(interpolation_rows, ((0, 0), (0, len(both) - len(chosen))))
        Y = _regression(small[rows], H @ small[both])
        T = _interpolation(small, rows, both) - Y @ H
        W, G, error_here = _minimax_factors(M[rows] - Y @ (H @ M[both]), T, M[both])
        interpolation_rows = np.concatenate([H, G @ T])
        weights = np.pad(weights, ((0, 0), (0, len(G))))
        weights[rows] = np.concatenate([Y, W], axis=1)
        chosen, error = both, max(error, error_here)
    return chosen, interpolation_rows, weights, error


def _minimax_factors(M: Real, T: Real, N: Real) -> tuple[Real, Real, float]:
    """Return W, G with M ≈ W G T N to accuracy 1 and few columns of W, where M = T N nearly.

    The dominant singular vectors would be best in the mean square; weights on rows and columns,
    raised where the error is largest (Lawson's iteration), make them nearly best in the maximum.
    """
    row, column = np.ones(len(M)), np.ones(M.shape[1])

    def project() -> tuple[Real, Real, Real]:
        R = np.asarray(np.linalg.qr((N * column).T, mode="r"))
        U = _left_vectors((row[:, None] * T) @ R.T)
        G = U.T * row
        return U / row[:, None], G, (G @ T) @ N

    W, G, P = project()
    low, rank = 0, W.shape[1]
    while low < rank:
        middle = (low + rank) // 2
        good = np.abs(M - W[:, :middle] @ P[:middle]).max() <= 1
        low, rank = (low, middle) if good else (middle + 1, rank)
    best = W[:, :rank], G[:rank]
    for _ in range(_LAWSON if rank > 1 else 0):
        R = np.abs(M - W[:, : rank - 1] @ P[: rank - 1])
        row *= np.maximum(R.max(axis=1) / R.max(), 1e-3) ** 0.4
        column *= np.maximum(R.max(axis=0) / R.max(), 1e-3) ** 0.4
        row, column = np.maximum(row / row.max(), 0.05), np.maximum(column / column.max(), 0.05)
        W, G, P = project()
        while rank > 1 and np.abs(M - W[:, : rank - 1] @ P[: rank - 1]).max() <= 1:
            rank -= 1
            best = W[:, :rank], G[:rank]
    W, G = best
    return W, G, float(np.abs(M - W @ ((G @ T) @ N)).max(initial=0.0))


def _left_vectors(M: Real) -> Real:
    """Return the left singular vectors; the slower algorithm converges where the fast one fails."""
    try:
        return np.asarray(np.linalg.svd(M, full_matrices=False)[0])
    except np.linalg.LinAlgError:
        return np.asarray(sl.svd(M, full_matrices=False, lapack_driver="gesvd")[0])


def _regression(rows: Real, basis: Real) -> Real:
    """Return Y with rows ≈ Y basis."""
    if not len(basis):
        return np.zeros((len(rows), 0))
    return np.asarray(np.linalg.lstsq(basis.T, rows.T, rcond=None)[0].T)


def _interpolation(small: Real, rows: NDArray[np.intp], nodes: NDArray[np.intp]) -> Real:
    """Return the least-squares weights of the node rows in all rows."""
    Q, R = np.linalg.qr(small[nodes].T)
    return np.asarray(sl.solve_triangular(R, Q.T @ small[rows].T).T)


def _pivots(
    M: Real, small: Real, rows: NDArray[np.intp], chosen: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return pivots among the rows that, with those chosen before, give them all accurately."""
    basis = np.linalg.qr(small[chosen].T)[0]
    remainder = small[rows] - (small[rows] @ basis) @ basis.T
    R, order = sl.qr(remainder.T, mode="r", pivoting=True, check_finite=False)
    largest = max(float(np.linalg.norm(small, axis=1).max()), _TINY)
    low, high = 0, int(np.sum(np.abs(np.diag(R)) > 1e-12 * largest))
    while low < high:
        middle = (low + high) // 2
        nodes = np.concatenate([chosen, rows[order[:middle]]])
        C = _interpolation(small, rows, nodes) if len(nodes) else np.zeros((len(rows), 0))
        if np.abs(M[rows] - C @ M[nodes]).max(initial=0.0) <= _PIVOT_ACCURACY:
            high = middle
        else:
            low = middle + 1
    return rows[order[:high]]
