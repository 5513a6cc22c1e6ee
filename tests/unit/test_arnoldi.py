"""Exponentials by Arnoldi's method against scipy's, for matrices that are not symmetric."""

import numpy as np
import pytest
from scipy.linalg import expm

from tnhop.solvers.chain.steps.krylov import exponential
from tnhop.support.errors import ConvergenceError


def of(A):
    """Return x -> A x on arrays of any shape, and the list of calls it leaves behind."""
    calls = []

    def apply(x):
        calls.append(x)
        return (A @ x.reshape(-1)).reshape(x.shape)

    return apply, calls


def error_of(A, v, t, tolerance):
    """Return the true error, the estimate and the number of applications."""
    apply, calls = of(A)
    found, count, estimate = exponential(apply, v, t, tolerance)
    assert count == len(calls)
    assert found.shape == v.shape
    exact = expm(t * A) @ v.reshape(-1)
    return np.linalg.norm(found.reshape(-1) - exact), estimate, count


def dissipative(n, rng):
    """Return a random matrix with a decaying exponential, far from normal."""
    A = rng.standard_normal((n, n)) + 3 * np.triu(rng.standard_normal((n, n)), 1) / np.sqrt(n)
    return A - 1.5 * np.sqrt(n) * np.eye(n)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-11])
@pytest.mark.parametrize("t", [0.02, 0.3, -0.3])
@pytest.mark.parametrize("n", [20, 90])
def test_equals_the_matrix_exponential(n, t, tolerance, rng):
    A, v = dissipative(n, rng), rng.standard_normal(n)
    error, estimate, _ = error_of(A, v, t, tolerance)
    # halves are propagated by the rest of the step, whose norm may exceed 1
    growth = max(np.linalg.norm(expm(s * t * A), 2) for s in np.linspace(0, 1, 9))
    size = np.linalg.norm(v)
    assert error <= growth * tolerance * size + 1e-13 * size * growth
    assert estimate >= error / (10 * growth) - 1e-14 * size * growth


@pytest.mark.parametrize("t", [0.7, -0.7])
def test_estimate_is_not_far_above_the_error(t, rng):
    A, v = dissipative(60, rng) / 10, rng.standard_normal(60)
    error, estimate, count = error_of(A, v, t, 1e-6)
    assert count < 48  # in one step
    assert error / 10 <= estimate <= 100 * error


def test_arrays_of_three_legs_keep_their_shape(rng):
    A, v = dissipative(24, rng), rng.standard_normal((2, 4, 3))
    assert error_of(A, v, 0.2, 1e-10)[0] < 1e-9


@pytest.mark.parametrize("t", [1.3, -1.3])
def test_jordan_block(t):
    A = np.diag(np.ones(7), 1) - 0.4 * np.eye(8)
    error, _, count = error_of(A, np.eye(8)[-1] * 3.0, t, 1e-11)
    assert error < 1e-10
    assert count <= 8


def test_invariant_subspace_ends_early(rng):
    A = np.zeros((30, 30))
    A[:3, :3] = rng.standard_normal((3, 3))
    v = np.zeros(30)
    v[:3] = rng.standard_normal(3)
    error, _, count = error_of(A, v, 2.0, 1e-12)
    assert error < 1e-12
    assert count == 3


@pytest.mark.parametrize("n", [1, 2])
def test_tiny_space_is_exact(n, rng):
    A, v = rng.standard_normal((n, n)), rng.standard_normal(n)
    error, _, count = error_of(A, v, 4.0, 1e-12)
    assert error < 1e-12 * np.linalg.norm(expm(4 * A))
    assert count == n


def test_zero_generator_takes_one_application():
    error, estimate, count = error_of(np.zeros((5, 5)), np.arange(5.0), 2.0, 1e-12)
    assert error < 1e-14
    assert (estimate, count) == (0.0, 1)


@pytest.mark.parametrize(("v", "t"), [(np.zeros(4), 1.0), (np.ones(4), 0.0)])
def test_nothing_to_do(v, t):
    apply, calls = of(np.ones((4, 4)))
    found, count, error = exponential(apply, v, t, 1e-12)
    np.testing.assert_array_equal(found, v)
    assert (count, error, len(calls)) == (0, 0.0, 0)


def rotation(n, rng):
    """Return a random generator of rotations."""
    A = rng.standard_normal((n, n))
    return A - A.T


def test_long_step_is_halved(rng):
    A, v = rotation(80, rng), rng.standard_normal(80)
    error, estimate, count = error_of(A, v, 4.0, 1e-9)
    assert count > 48
    assert error <= 1e-9 * np.linalg.norm(v)
    assert estimate <= 1e-9 * np.linalg.norm(v)


def test_hopeless_step_is_refused(rng):
    A = 1e9 * rotation(60, rng)
    with pytest.raises(ConvergenceError, match=r"Krylov space of 48 vectors .* Use a smaller `dt`"):
        exponential(of(A)[0], rng.standard_normal(60), 1.0, 1e-8)


@pytest.mark.parametrize("t", [0.3, -0.1])
def test_single_precision(t, rng):
    A = dissipative(40, rng)
    v = rng.standard_normal(40)
    single = A.astype(np.float32)
    found, _, _ = exponential(lambda x: single @ x, v.astype(np.float32), t, 1e-5)
    assert found.dtype == np.float32
    exact = expm(t * A) @ v
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4 * np.linalg.norm(exact))


def test_torch_arrays(rng):
    torch = pytest.importorskip("torch")
    A, v = dissipative(30, rng), rng.standard_normal((5, 6))
    there = torch.asarray(A)

    def apply(x):
        return (there @ x.reshape(-1)).reshape(x.shape)

    found, _, _ = exponential(apply, torch.asarray(v), 0.2, 1e-11)
    np.testing.assert_allclose(found.numpy().ravel(), expm(0.2 * A) @ v.ravel(), rtol=0, atol=1e-10)
