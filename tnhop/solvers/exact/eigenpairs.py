"""Slowest eigenvectors of a real linear generator, from Arnoldi iteration on its propagator.

exp(τL) turns the slowest decaying modes into the eigenvalues of largest modulus, which Arnoldi
finds first. It is applied as a polynomial of fixed degree, which has exactly the eigenvectors of L.
The eigenvalues are then taken from L itself on the space found (Rayleigh-Ritz), so that neither the
error of the propagator nor the branch of a logarithm enters, and every residual is recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eig, qr
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from tnhop.support.arrays import Real
from tnhop.support.heartbeat import beat

Map = Callable[[Real], Real]

_DEGREE = 20
DENSE_SIZE = 1100  # below this the matrix of the generator is small: five spins have 1024


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Eigenvalues by falling real part, with right eigenvectors in columns and residuals.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Eigenvalues.
    vectors : ndarray, shape (n, k)
        Normalised eigenvectors.
    residuals : ndarray, shape (k,)
        ‖L v - λ v‖, recomputed.
    converged : bool
        Whether the iteration met its tolerance.
    """

    values: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    residuals: NDArray[np.float64]
    converged: bool


def propagator(generator: Map, centre: float, norm: float, tau: float) -> Map:
    """Return x → exp(τL) x as a fixed polynomial, a Taylor series around the centre."""
    steps = max(1, math.ceil(tau * norm / 8))
    h = tau / steps

    def apply(x: Real) -> Real:
        for _ in range(steps):
            beat()
            term = total = np.asarray(x, dtype=float)
            for k in range(1, _DEGREE + 1):
                term = (generator(term) - centre * term) * (h / k)
                total = total + term
            x = total * math.exp(centre * h)
        return x

    return apply


def slowest(generator: Map, evolve: Map, size: int, k: int, *, seed: int = 20) -> Eigenpairs:
    """Return the k eigenpairs with the largest real parts."""
    if size <= DENSE_SIZE or k + 8 >= size - 1:
        basis, converged = np.eye(size), True
    else:
        basis, converged = _slow_space(evolve, size, k, seed)
    image = np.column_stack([_beating(generator, column) for column in basis.T])
    values, coefficients = eig(basis.T @ image)
    vectors = basis @ coefficients
    norms = np.linalg.norm(vectors, axis=0)
    vectors = vectors / norms
    residuals = np.linalg.norm(image @ (coefficients / norms) - vectors * values, axis=0)
    order = np.lexsort((-values.imag, -values.real.round(10)))[:k]
    return Eigenpairs(values[order], vectors[:, order], residuals[order], converged)


def _beating(generator: Map, x: Real) -> Real:
    beat()
    return generator(x)


def nearest_zero(matrix: Any, k: int, *, seed: int = 20) -> Eigenpairs:
    """Return the k eigenpairs nearest to zero by Arnoldi iteration on the inverse (sparse LU)."""
    size = matrix.shape[0]
    if size <= DENSE_SIZE or k + 8 >= size - 1:
        values, vectors = eig(matrix.toarray())
        order = np.argsort(np.abs(values))[:k]
        values, vectors = values[order], vectors[:, order]
    else:
        start = np.random.default_rng(seed).standard_normal(size)
        # the shift keeps the matrix regular; it is small beside every rate of interest
        shift = 1e-7 * float(abs(matrix.diagonal()).max())
        values, vectors = eigs(sp.csc_array(matrix), k, sigma=shift, v0=start, tol=0)
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    residuals = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    order = np.lexsort((-values.imag, -values.real.round(10)))
    return Eigenpairs(values[order], vectors[:, order], residuals[order], True)


def _slow_space(evolve: Map, size: int, k: int, seed: int) -> tuple[Real, bool]:
    """Return an orthonormal real basis of the slowest invariant space of the propagator.

    Arnoldi iteration from one vector may miss copies of a degenerate eigenvalue. What was found is
    therefore projected out and the search repeated until it brings nothing slow.
    """
    rng = np.random.default_rng(seed)
    basis, known, converged = np.zeros((size, 0)), np.zeros(0), True
    n_pairs = k + 8
    while True:
        values, vectors, complete = _arnoldi(evolve, basis, n_pairs, rng)
        converged &= complete
        slow = np.sort(np.abs(known))[::-1]
        if len(slow) >= k and np.abs(values).max(initial=0.0) < slow[k - 1] * (1 - 1e-9):
            return basis, converged
        known = np.concatenate([known, values])
        basis = _extend_basis(basis, vectors)
        if basis.shape[1] + 8 >= size or not complete:
            return basis, converged and len(known) >= k
        n_pairs = 6


def _arnoldi(
    evolve: Map, basis: Real, n_pairs: int, rng: np.random.Generator
) -> tuple[Any, Any, bool]:
    """Return the largest eigenpairs of the propagator outside the space of `basis`."""
    size = len(basis)

    def outside(x: Real) -> Real:
        return x - basis @ (basis.T @ x)

    def deflated(x: Real) -> Real:
        return outside(evolve(outside(np.ravel(x))))

    operator = LinearOperator((size, size), matvec=deflated, dtype=float)
    options: dict[str, Any] = {"k": n_pairs, "which": "LM", "ncv": min(size, 2 * n_pairs + 20),
                               "v0": outside(rng.standard_normal(size)), "tol": 1e-13,
                               "maxiter": 60}  # fmt: skip
    try:
        return *eigs(operator, **options), True
    except ArpackNoConvergence as stopped:
        return stopped.eigenvalues, stopped.eigenvectors, False


def _extend_basis(basis: Real, vectors: Any) -> Real:
    """Add complex vectors to an orthonormal real basis."""
    parts = np.concatenate([vectors.real, vectors.imag], axis=1)
    parts -= basis @ (basis.T @ parts)
    new, r, _ = qr(parts, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(r)) > 1e-9 * np.abs(r[0, 0]))) if r.size else 0
    new = new[:, :rank] - basis @ (basis.T @ new[:, :rank])
    return np.concatenate([basis, np.linalg.qr(new)[0]], axis=1)
