"""Discrete dynamics of the classical network; section 1 of docs/physics.md."""

import numpy as np
import pytest

import tnhop as th


def random_couplings(n, seed, symmetric):
    """Gaussian couplings without a diagonal."""
    J = np.random.default_rng(seed).normal(size=(n, n))
    J = J + J.T if symmetric else J
    np.fill_diagonal(J, 0)
    return J


def random_spins(n_samples, n, seed=2):
    return np.random.default_rng(seed).choice([-1, 1], (n_samples, n))


def test_a_fifth_of_wrong_bits_is_corrected():
    """Reference: 60 spins, 3 patterns, 12 wrong bits, overlap 0.6 to 1 in one step, two sweeps."""
    xi = th.random_patterns(n_patterns=3, n_spins=60, rng=7)
    start = th.corrupt(xi[0], 12, rng=7)
    assert th.overlaps(xi, start)[0] == pytest.approx(0.6)
    for update in ("asynchronous", "synchronous"):
        found = th.retrieve(th.hebb(xi), start, update=update, rng=1)
        np.testing.assert_array_equal(found.spins, xi[0])
        assert found.sweeps == 2  # one that corrects, one that confirms
        assert found.converged


def test_asynchronous_updates_lower_the_energy_to_a_local_minimum():
    J, starts = random_couplings(40, 3, symmetric=True), random_spins(30, 40)
    spins, energies = starts, [th.energy(J, starts)]
    for seed in range(4):
        spins = th.retrieve(J, spins, max_sweeps=1, rng=seed).spins
        energies.append(th.energy(J, spins))
    assert np.all(np.diff(energies, axis=0) <= 1e-12)
    found = th.retrieve(J, spins, rng=5)
    assert found.converged.all()
    assert np.all(found.spins * th.local_fields(J, found.spins) >= 0)


def test_synchronous_updates_end_in_cycles_of_at_most_two():
    J = th.hebb(th.random_patterns(3, 30, rng=1)) + 0.01 * random_couplings(30, 4, symmetric=True)
    found = th.retrieve(J, random_spins(200, 30), update="synchronous", max_sweeps=1000)
    assert set(found.period.tolist()) == {1, 2}
    step = np.where(found.spins @ J.T > 0, 1, -1)
    twice = np.where(step @ J.T > 0, 1, -1)
    np.testing.assert_array_equal(twice, found.spins)
    np.testing.assert_array_equal(np.all(step == found.spins, axis=1), found.period == 1)


def test_asymmetric_couplings_need_not_come_to_rest():
    J, starts = random_couplings(30, 6, symmetric=False), random_spins(20, 30)
    found = th.retrieve(J, starts, max_sweeps=50, rng=1)
    assert not found.converged.all()
    assert np.all(found.sweeps[~found.converged] == 50)


def test_spins_without_a_field_stay():
    found = th.retrieve(np.zeros((3, 3)), [[1, -1, 1]])
    np.testing.assert_array_equal(found.spins, [[1, -1, 1]])


def test_seeds_repeat_and_shapes_are_kept():
    J, starts = random_couplings(20, 8, symmetric=True), random_spins(6, 20).reshape(2, 3, 20)
    first, second = (th.retrieve(J, starts, rng=9) for _ in range(2))
    np.testing.assert_array_equal(first.spins, second.spins)
    assert first.spins.shape == (2, 3, 20)
    assert first.period.shape == (2, 3)


def test_projection_couplings_store_correlated_patterns_that_hebb_forgets():
    xi = th.correlated_patterns(12, 60, correlation=0.5, rng=3)
    hebbian, projected = (
        th.basin(xi, [0], couplings=J, n_samples=12, rng=1).success[0]
        for J in (th.hebb, th.pseudo_inverse)
    )
    assert projected == 1
    assert hebbian < 0.5


def test_basins_shrink_with_the_load():
    success = [
        th.basin(th.random_patterns(p, 200, rng=p), [50], n_samples=60, threshold=0.95, rng=2)
        for p in (12, 24, 32)
    ]
    values = [found.success[0] for found in success]
    assert values[0] > 0.95 > values[1] > 0.5 > values[2]
    assert all(0 < found.errors[0] < 0.2 for found in success)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: th.retrieve(np.eye(3), [1, 1, 1]), "Argument `J` must have a zero diagonal"),
        (lambda: th.retrieve(np.zeros((3, 3)), [1, 0, 1]), "Argument `s` must have entries"),
        (lambda: th.retrieve(np.zeros((2, 2)), 1), "Argument `s` must have shape"),
        (lambda: th.retrieve(np.zeros((2, 2)), [1, 1], update="sync"),
         "Argument `update` must be one of"),
        (lambda: th.basin([[1, 1]], [3]), "Argument `n_flips` must be at most 2"),
    ],
)  # fmt: skip
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
