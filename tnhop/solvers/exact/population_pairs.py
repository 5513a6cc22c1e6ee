"""Slowest eigenpairs of a rate matrix, digit by digit, from its state reduction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eig
from scipy.sparse.linalg import LinearOperator, eigs, eigsh

from tnhop.solvers.exact.eigenpairs import DENSE_SIZE, ROUNDING, Eigenpairs, joined
from tnhop.solvers.exact.state_reduction import StateReduction
from tnhop.support.arrays import Real

_BALANCED = 1e-12  # relative: flows that are as good as equal in both directions
_WIDEST = 1e250  # ratio of populations up to which their roots are good units


def population_pairs(R: sp.csr_array, reduction: StateReduction, k: int) -> Eigenpairs:
    """Return the k slowest eigenpairs: stationary distributions, and what decays above them.

    The eigenvalues of the group inverse have all their digits where those of the rate matrix have
    none, and the other way round: every eigenvalue is taken from the better side, Eq. (91).

    Parameters
    ----------
    R : sparse array, shape (n, n)
        ``R[a, b]`` is the rate from b to a.
    reduction : StateReduction
        Of the same matrix.
    k : int
        Number of pairs.
    """
    zeros = _stationary_pairs(R, reduction)
    wanted = min(k, R.shape[0]) - reduction.n_closed
    if wanted <= 0:
        return joined([zeros], k)
    units = _units(reduction)
    moving = (_dense if R.shape[0] <= DENSE_SIZE else _sparse)(R, reduction, units, wanted)
    return joined([zeros, moving], k)


def _stationary_pairs(R: sp.csr_array, reduction: StateReduction) -> Eigenpairs:
    """Return the eigenvalues zero, which are exact: one for every closed class."""
    right, left = reduction.stationary, reduction.absorption
    sizes = np.linalg.norm(right, axis=0)
    vectors = (right / sizes).astype(complex)
    residuals = np.linalg.norm(R @ vectors, axis=0)
    zero = np.zeros(reduction.n_closed)
    return Eigenpairs(zero.astype(complex), vectors, residuals, zero,
                      np.linalg.norm(left, axis=0) * sizes, True)  # fmt: skip


def _units(reduction: StateReduction) -> Real:
    """Return the units in which a reversible chain is symmetric: roots of populations."""
    populations = reduction.stationary[:, 0]
    if reduction.n_closed > 1 or populations.min() * _WIDEST < populations.max():
        return np.ones(reduction.size)
    return np.sqrt(populations)


def _balanced(matrix: Any) -> bool:
    """Return whether a matrix in the units of `_units` is symmetric: detailed balance."""
    odd = matrix - matrix.T
    return bool(abs(odd).max() <= _BALANCED * abs(matrix).max())


def _dense(R: sp.csr_array, reduction: StateReduction, units: Real, k: int) -> Eigenpairs:
    """Return the slowest decays of a small chain, from the inverse or from the rates themselves."""
    rates = R.toarray() * units / units[:, None]
    inverse = reduction.inverse(np.diag(units)) / units[:, None]
    symmetric = _balanced(rates)
    mu, mu_vectors, mu_conditions = _eigen(inverse, symmetric)
    norm, largest = float(np.abs(rates).sum(axis=0).max()), float(np.abs(mu).max(initial=0.0))
    border = math.sqrt(norm / largest) if largest > 0 else 0.0  # where both are as good
    slow = np.abs(mu) * min(border, 1 / _noise(reduction.size, largest)) > 1
    values, vectors, conditions = _eigen(rates, symmetric)
    fast = np.argsort(np.abs(values))[reduction.n_closed + int(slow.sum()) :]
    size = reduction.size
    decay = 1 / mu[slow]
    errors = mu_conditions[slow] * np.abs(decay) * ROUNDING * (size + largest * np.abs(decay))
    return _moving(
        R, np.concatenate([decay, values[fast]]),
        np.concatenate([mu_vectors[:, slow], vectors[:, fast]], axis=1) * units[:, None],
        np.concatenate([errors, conditions[fast] * ROUNDING * norm]),
        np.concatenate([mu_conditions[slow], conditions[fast]]), k,
    )  # fmt: skip


def _eigen(matrix: Real, symmetric: bool) -> tuple[Any, Any, Real]:
    """Return eigenvalues, right eigenvectors and conditions."""
    if symmetric:
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return values.astype(complex), vectors.astype(complex), np.ones(len(values))
    values, left, right = eig(matrix, left=True, right=True)
    overlaps = np.abs(np.sum(left.conj() * right, axis=0))
    return values, right, 1 / np.maximum(overlaps, 1e-300)


def _noise(size: int, largest: float) -> float:
    """Return the size below which eigenvalues of the inverse are rounding of the largest one."""
    return max(size * ROUNDING * largest, 1e-300)


def _sparse(R: sp.csr_array, reduction: StateReduction, units: Real, k: int) -> Eigenpairs:
    """Return the slowest decays of a long chain by Arnoldi iterations on the inverse.

    What is much faster than the slowest is found once that is projected out.
    """
    symmetric = _balanced(sp.diags_array(1 / units) @ R @ sp.diags_array(units))
    right, left = np.zeros((2, reduction.size, 0), dtype=complex)
    parts: list[Eigenpairs] = []
    while right.shape[1] < k:
        mu, right_new, left_new = _largest(reduction, units, right, left, k + 6, symmetric)
        kept = np.abs(mu) > 1e8 * _noise(reduction.size, float(np.abs(mu).max()))
        overlaps = np.sum(left_new.conj() * right_new, axis=0)
        conditions, decay = 1 / np.abs(overlaps), 1 / mu
        errors = conditions * np.abs(decay) * ROUNDING
        errors *= reduction.size + float(np.abs(mu).max()) * np.abs(decay)
        parts.append(_moving(R, decay[kept], right_new[:, kept] * units[:, None], errors[kept],
                             conditions[kept], k))  # fmt: skip
        right = np.concatenate([right, right_new[:, kept]], axis=1)
        left = np.concatenate([left, (left_new / overlaps.conj())[:, kept]], axis=1)
    return joined(parts, k)


def _largest(
    reduction: StateReduction, units: Real, right: Any, left: Any, k: int, symmetric: bool
) -> tuple[Any, Any, Any]:
    """Return the largest eigenvalues of the inverse outside a space, with both eigenvectors."""
    size = reduction.size

    def found(transposed: bool) -> tuple[Any, Any]:
        scale = 1 / units if transposed else units
        V, W = (left, right) if transposed else (right, left)

        def outside(x: Real) -> Real:
            return x - (V @ (W.conj().T @ x)).real

        def apply(x: Real) -> Real:
            y = reduction.inverse((scale * outside(np.ravel(x)))[:, None], transposed)[:, 0]
            return outside(y / scale)

        operator = LinearOperator((size, size), matvec=apply, dtype=float)
        start = outside(np.random.default_rng(20).standard_normal(size))
        solve = eigsh if symmetric else eigs
        return solve(operator, min(k, size - 2), v0=start)

    mu, right_new = found(False)
    if symmetric:
        return mu.astype(complex), right_new.astype(complex), right_new.astype(complex)
    nu, left_new = found(True)
    mate = [int(np.argmin(np.abs(nu - value))) for value in mu.conj()]
    return mu, right_new, left_new[:, mate]


def _moving(
    R: sp.csr_array, values: Any, vectors: Any, errors: Real, conditions: Real, k: int
) -> Eigenpairs:
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    residuals = np.linalg.norm(R @ vectors - vectors * values, axis=0)
    return Eigenpairs(values, vectors, residuals, errors, conditions, True).first(k)
