"""Slowest eigenpairs by Arnoldi iteration on a propagator."""

import numpy as np
import pytest
from scipy.linalg import expm

from tnhop.solvers.exact.eigenpairs import DENSE_SIZE, slowest


def pairs_of(A, k):
    P = expm(2.0 * A)
    norm = np.linalg.norm(A, 2)
    return slowest(lambda x: A @ x, lambda x: A.T @ x, lambda x: P @ x, len(A), k, norm)


def slow_matrix(n, rng):
    """Return a non-normal matrix with known eigenvalues, among them complex and nearly equal ones."""
    blocks = [np.array([[0.0]]), np.array([[-0.1, 1.3], [-1.3, -0.1]]), np.array([[-0.25]]),
              np.array([[-0.2500001]]), np.array([[-0.3, -0.2], [0.2, -0.3]])]  # fmt: skip
    D = np.diag(-1 - 3 * rng.random(n))
    at = 0
    for block in blocks:
        D[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    S = np.eye(n) + 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
    values = np.concatenate([np.linalg.eigvals(block) for block in blocks])
    return S @ D @ np.linalg.inv(S), values[np.lexsort((-values.imag, -values.real))]


@pytest.mark.parametrize("n", [40, DENSE_SIZE + 50])
def test_known_eigenvalues_are_found_in_order(n, rng):
    A, values = slow_matrix(n, rng)
    pairs = pairs_of(A, 6)
    assert pairs.converged
    np.testing.assert_allclose(pairs.values, values[:6], atol=1e-8)
    residual = np.linalg.norm(A @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
    np.testing.assert_allclose(pairs.residuals, residual, atol=1e-12)
    assert residual.max() < 1e-8


def test_vectors_are_normalised(rng):
    A, _ = slow_matrix(DENSE_SIZE + 20, rng)
    np.testing.assert_allclose(np.linalg.norm(pairs_of(A, 5).vectors, axis=0), 1, rtol=1e-12)


def test_answer_is_reproducible(rng):
    A, _ = slow_matrix(DENSE_SIZE + 20, rng)
    assert np.array_equal(pairs_of(A, 4).values, pairs_of(A, 4).values)


def test_all_eigenvalues_can_be_asked_for(rng):
    A, _ = slow_matrix(20, rng)
    pairs = pairs_of(A, 20)
    assert len(pairs.values) == 20
    assert pairs.values.sum().real == pytest.approx(np.trace(A), abs=1e-10)
