"""Slowest eigenvectors of a real linear generator, from Arnoldi iteration on its propagator.

exp(τL) turns the slowest decaying modes into the eigenvalues of largest modulus, which Arnoldi
finds first. The eigenvalues of L are then taken from L itself on the space found (Rayleigh-Ritz),
so that neither the error of the propagator nor the branch of a logarithm enters, and every
residual is recomputed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig, qr
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

Vector = NDArray[np.float64]
Map = Callable[[Vector], Vector]

DENSE_SIZE = 300  # below this the matrix of the generator is smaller than the Arnoldi basis


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


def slowest(generator: Map, propagator: Map, size: int, k: int, *, seed: int = 20) -> Eigenpairs:
    """Return the k eigenpairs with the largest real parts."""
    if size <= DENSE_SIZE or k + 8 >= size - 1:
        basis, converged = np.eye(size), True
    else:
        basis, converged = _slow_space(propagator, size, k, seed)
    image = np.column_stack([generator(column) for column in basis.T])
    values, coefficients = eig(basis.T @ image)
    vectors = basis @ coefficients
    norms = np.linalg.norm(vectors, axis=0)
    vectors = vectors / norms
    residuals = np.linalg.norm(image @ (coefficients / norms) - vectors * values, axis=0)
    order = np.lexsort((-values.imag, -values.real.round(10)))[:k]
    return Eigenpairs(values[order], vectors[:, order], residuals[order], converged)


def _slow_space(propagator: Map, size: int, k: int, seed: int) -> tuple[Vector, bool]:
    """Return an orthonormal real basis of the slowest invariant space of the propagator."""
    wanted = k + 8
    start = np.random.default_rng(seed).standard_normal(size)
    operator = LinearOperator((size, size), matvec=propagator, dtype=float)
    options: dict[str, Any] = {"k": wanted, "which": "LM", "ncv": min(size, 2 * wanted + 20),
                               "v0": start, "tol": 1e-13, "maxiter": 60}  # fmt: skip
    try:
        _, vectors = eigs(operator, **options)
        converged = True
    except ArpackNoConvergence as stopped:
        vectors, converged = stopped.eigenvectors, stopped.eigenvectors.shape[1] >= k
        if not vectors.shape[1]:
            vectors = start[:, None]
    parts = np.concatenate([vectors.real, vectors.imag], axis=1)
    basis, r, _ = qr(parts, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(r)) > 1e-9 * np.abs(r[0, 0])))
    return basis[:, :rank], converged
