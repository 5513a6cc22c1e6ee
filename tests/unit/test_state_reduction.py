"""Chains with rates of any spread against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from tnhop.solvers.exact.population_pairs import population_pairs
from tnhop.solvers.exact.state_reduction import (
    balanced_distribution,
    closed_classes,
    state_reduction,
)


def random_chain(n, density, spread, rng):
    """Return a rate matrix whose rates lie `spread` decades around 1."""
    R = 10 ** rng.uniform(-spread, spread, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(R, 0)
    return sp.csr_array(R - np.diag(R.sum(axis=0)))


def rational_stationary(R):
    """Return the stationary distribution by Gaussian elimination of fractions."""
    n = R.shape[0]
    A = [[Fraction(float(v)) if i != j else Fraction(0) for j, v in enumerate(row)]
         for i, row in enumerate(R.toarray())]  # fmt: skip
    for j in range(n):
        A[j][j] = -sum(A[i][j] for i in range(n))
    A[-1] = [Fraction(1)] * n
    b = [Fraction(0)] * (n - 1) + [Fraction(1)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if A[i][k] != 0)
        A[k], A[pivot], b[k], b[pivot] = A[pivot], A[k], b[pivot], b[k]
        for i in range(n):
            if i != k and A[i][k] != 0:
                f = A[i][k] / A[k][k]
                A[i] = [x - f * y for x, y in zip(A[i], A[k], strict=True)]
                b[i] -= f * b[k]
    return np.array([float(b[k] / A[k][k]) for k in range(n)])


@pytest.mark.parametrize("seed", range(4))
def test_every_population_has_all_its_digits(seed):
    rng = np.random.default_rng(seed)
    R = random_chain(9, 0.6, 12, rng)
    reduction = state_reduction(R)
    if reduction.n_closed == 1:
        np.testing.assert_allclose(reduction.stationary[:, 0], rational_stationary(R), rtol=1e-13)


@pytest.mark.parametrize("seed", range(6))
def test_closed_classes_are_null_vectors(seed):
    rng = np.random.default_rng(seed)
    R = random_chain(25, 0.05, 1, rng)
    reduction = state_reduction(R)
    assert reduction.n_closed == len(closed_classes(R))
    assert reduction.n_closed == np.sum(np.abs(np.linalg.eigvals(R.toarray())) < 1e-12)
    scale = abs(R).max()
    np.testing.assert_allclose(R @ reduction.stationary, 0, atol=1e-14 * scale)
    np.testing.assert_allclose(reduction.absorption.T @ R, 0, atol=1e-14 * scale)
    np.testing.assert_allclose(reduction.absorption.sum(axis=1), 1, rtol=1e-13)


def test_inverse_is_the_group_inverse(rng):
    R = random_chain(20, 0.1, 1, rng)
    reduction, one = state_reduction(R), np.eye(20)
    G = reduction.inverse(one)
    P = one - reduction.stationary @ reduction.absorption.T
    np.testing.assert_allclose(R @ G, P, atol=1e-9)
    np.testing.assert_allclose(G @ R, P, atol=1e-9)
    np.testing.assert_allclose(
        reduction.inverse(one, transposed=True), G.T, atol=1e-9 * abs(G).max()
    )


def two_wells(n, barrier, rng, reversible=True):
    """Return a chain of two wells, and the rate between them where each is in equilibrium."""
    E = np.concatenate([rng.uniform(0, 1, n), [barrier], rng.uniform(0, 1, n)])
    size = len(E)
    R = np.zeros((size, size))
    for a in range(size - 1):
        for i, j in ((a, a + 1), (a + 1, a)):
            R[i, j] = np.exp(-max(E[i] - E[j], 0))
    if not reversible:  # a current round the first well
        R[0, n - 1] = 0.3
    return sp.csr_array(R - np.diag(R.sum(axis=0))), E


@pytest.mark.parametrize("barrier", [20.0, 60.0, 200.0, 500.0])
def test_slowest_decay_over_a_barrier_of_any_height(barrier, rng):
    """Rates into the barrier state, over one half, in the weights of the wells: Kramers' rate."""
    R, E = two_wells(8, barrier, rng)
    weights = np.exp(-E)
    flow = np.exp(-barrier) * 0.5  # through the barrier from one side to the other
    rate = flow * (1 / weights[:8].sum() + 1 / weights[9:].sum())
    pairs = population_pairs(R, state_reduction(R), 3)
    assert -pairs.values[1].real == pytest.approx(rate, rel=1e-6 + 20 * np.exp(-barrier / 2))
    assert pairs.errors[1] < 1e-10 * rate
    assert pairs.values[0] == 0
    assert pairs.values[2].real < -1e-3


@pytest.mark.parametrize("reversible", [True, False])
def test_long_chains_give_the_same_decays(reversible, rng, monkeypatch):
    R, _ = two_wells(30, 30.0, rng, reversible)
    reduction = state_reduction(R)
    small = population_pairs(R, reduction, 6)
    monkeypatch.setattr("tnhop.solvers.exact.population_pairs.DENSE_SIZE", 10)
    large = population_pairs(R, reduction, 6)
    np.testing.assert_allclose(large.values[1:], small.values[1:], rtol=1e-9)


def test_distribution_of_detailed_balance(rng):
    R, E = two_wells(10, 40.0, rng)
    np.testing.assert_allclose(balanced_distribution(R), np.exp(-E) / np.exp(-E).sum(), rtol=1e-11)
    assert balanced_distribution(two_wells(10, 40.0, rng, reversible=False)[0]) is None
