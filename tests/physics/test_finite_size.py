"""Exact consequences at finite N: symmetries, factorisation of two patterns, approach to mean field."""

import numpy as np
import pytest

import tnhop as th
from zoo import BLOCH, patterns

TIMES = np.array([0.4, 1.0, 2.3])
ACCURACY = 1e-9  # default tolerance of Exact, with a margin


def run(model, bloch, name="sigma_z", times=TIMES):
    state = th.product_state(model, bloch=bloch)
    return th.evolve(model, state, times, observables=name, method="Exact").expect[name]


@pytest.mark.parametrize("n_spins", [5, 6])
def test_two_patterns_are_two_independent_networks(n_spins):
    xi = patterns(2, n_spins)
    classes = th.pattern_classes(xi)
    beta, Omega = 2.0, 3 / 5
    whole = run(th.open_hopfield(xi, beta=beta, Omega=Omega), BLOCH[:n_spins])
    for k in (0, 1):
        members = np.flatnonzero(classes == k)
        alone = th.open_hopfield(
            xi[:1, members], beta=beta * 2 * len(members) / n_spins, Omega=Omega
        )
        np.testing.assert_allclose(whole[:, members], run(alone, BLOCH[members]), atol=ACCURACY)


def test_relabelling_the_spins_relabels_the_answer():
    xi, order = patterns(3, 5), np.array([3, 0, 4, 2, 1])
    Omega = np.array([3 / 7, 2 / 5, 5 / 9, 1 / 3, 4 / 11])
    direct = run(th.open_hopfield(xi, beta=1.9, Omega=Omega), BLOCH[:5])
    moved = run(th.open_hopfield(xi[:, order], beta=1.9, Omega=Omega[order]), BLOCH[order])
    np.testing.assert_allclose(moved, direct[:, order], atol=ACCURACY)


def test_flipping_spins_and_patterns_together_is_a_symmetry():
    """U = Π σˣ over chosen spins: ξ_k → -ξ_k, (y, z) → -(y, z)."""
    xi, flip = patterns(3, 5), np.array([1, -1, -1, 1, -1])
    turn = np.stack([np.ones(5), flip, flip], axis=1)
    direct = run(th.open_hopfield(xi, beta=1.9, Omega=3 / 7), BLOCH[:5])
    turned = run(th.open_hopfield(xi * flip, beta=1.9, Omega=3 / 7), turn * BLOCH[:5])
    np.testing.assert_allclose(turned, direct * flip, atol=ACCURACY)


def test_longitudinal_field_breaks_the_flip_symmetry():
    turn = np.array([1, -1, -1])
    model = th.open_hopfield(patterns(2, 4), beta=1.9, Omega=3 / 7, longitudinal=1 / 5)
    difference = run(model, turn * BLOCH[:4]) + run(model, BLOCH[:4])
    assert np.abs(difference).max() > 1e-2


def test_normalisation_by_patterns_is_another_temperature():
    xi = patterns(2, 5)
    by_patterns = lambda xi: th.hebb(xi, norm="Np")  # noqa: E731
    one = run(th.open_hopfield(xi, beta=0.8, Omega=3 / 7, couplings=by_patterns), BLOCH[:5])
    other = run(th.open_hopfield(xi, beta=0.8 * 5 / 2, Omega=3 / 7), BLOCH[:5])
    np.testing.assert_allclose(one, other, atol=ACCURACY)


def test_exact_overlap_approaches_mean_field_like_one_over_n():
    """T = 1/2, Ω = 3/5, all up, t = 1: N (z_N - z_MF) is about -0.45 for every N."""
    scaled = []
    for n in range(4, 9):
        model = th.open_hopfield(np.ones((1, n), dtype=int), beta=2.0, Omega=0.6)
        state = th.pattern_state(model)
        exact, mean = (
            th.evolve(model, state, [1.0], observables="m_z", method=m).expect["m_z"][0, 0]
            for m in ("Exact", "MeanField")
        )
        scaled.append(n * (exact - mean))
    assert scaled[1] == pytest.approx(-0.4498, abs=1e-4)
    # the next order in 1/N changes the product by some percent over this range
    np.testing.assert_allclose(scaled, -0.45, atol=0.03)


def test_spins_with_equal_couplings_never_leave_their_multiplet():
    """Collective jumps and fields conserve the total spin: the singlet of two spins stays."""
    model = th.dicke(2, g=5 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, fock_dim=9)
    exchange = sum((th.sigma(a)(0) * th.sigma(a)(1) for a in "xyz"), 0.0)
    total = th.Observable("exchange", exchange)
    result = th.evolve(
        model, th.product_state(model, bloch=BLOCH[:2]), TIMES, observables=total, method="Exact"
    )
    np.testing.assert_allclose(result.expect["exchange"], BLOCH[0] @ BLOCH[1], atol=ACCURACY)
