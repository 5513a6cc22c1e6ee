"""The chain of class populations: rates, states, and what it may be used for."""

import numpy as np
import pytest
from scipy.special import comb

import tnhop as th
from tnhop.solvers.symmetric.populations import ClassChain, populations_close
from tnhop.solvers.symmetric.spin_classes import find_classes
from zoo import BLOCH, ZOO, patterns

TIMES = [0.0, 0.5, 1.7]
NAMES = ["m_x", "m_z", "sigma_z", "sigma_zz", "sigma_xx", "purity", "entropy", "trace",
         "overlap_distribution", "joint_overlap_distribution", "edwards_anderson"]  # fmt: skip


@pytest.mark.parametrize("longitudinal", [0.0, 3 / 11])
@pytest.mark.parametrize(("n_patterns", "n_spins"), [(1, 5), (2, 5), (3, 6)])
def test_chain_equals_exact_for_every_observable(n_patterns, n_spins, longitudinal):
    model = th.open_hopfield(patterns(n_patterns, n_spins), beta=7 / 5, longitudinal=longitudinal)
    uneven = th.product_state(model, bloch=BLOCH[:n_spins] * [0, 0, 1])
    for state in (th.pattern_state(model, overlap=0.6), uneven):
        exact = th.evolve(model, state, TIMES, observables=NAMES, method="Exact")
        chain = th.evolve(model, state, TIMES, observables=NAMES, method="Symmetric")
        assert isinstance(chain.final_state, th.PopulationState)
        for name in NAMES:
            np.testing.assert_allclose(chain.expect[name], exact.expect[name], rtol=0, atol=1e-10)


def test_quench_from_populations_goes_on_in_the_quantum_model():
    xi = patterns(3, 6)
    still, driven = (th.open_hopfield(xi, beta=7 / 5, Omega=Omega) for Omega in (0.0, 3 / 7))
    start = th.pattern_state(still, overlap=0.6)
    ends = []
    for method in ("Exact", "Symmetric"):
        first = th.evolve(still, start, [1.3], method=method)
        ends.append(th.evolve(driven, first.final_state, [0.9], observables=NAMES, method=method))
    for name in NAMES:
        np.testing.assert_allclose(ends[0].expect[name], ends[1].expect[name], rtol=0, atol=1e-9)


def test_rates_of_one_pattern_are_those_of_the_collapsed_network():
    """R(n+1 ← n) = (N - n) Γ₊ at the field of the N - 1 others, Eq. (51)."""
    N, beta = 9, 4 / 3
    model = th.open_hopfield(np.ones((1, N)), beta=beta)
    R = ClassChain(model, find_classes(model)).R.toarray()
    for n in range(N + 1):
        if n < N:
            h = (2 * n - N + 1) / N
            assert R[n + 1, n] == pytest.approx((N - n) / (1 + np.exp(-2 * beta * h)), rel=1e-13)
        if n > 0:
            h = (2 * n - N - 1) / N
            assert R[n - 1, n] == pytest.approx(n / (1 + np.exp(2 * beta * h)), rel=1e-13)
    np.testing.assert_allclose(R.sum(axis=0), 0, atol=1e-14)


def test_gibbs_distribution_is_stationary():
    """π(n₁, n₂, ...) ∝ ∏ binom(N_g, n_g) e^{-βE}, for three patterns."""
    model = th.open_hopfield(th.random_patterns(3, 18, rng=5), beta=9 / 7)
    classes = find_classes(model)
    chain = ClassChain(model, classes)
    n_up = np.indices(chain.shape).reshape(len(chain.shape), -1)
    weights = np.ones(chain.size)
    for g, N in enumerate(classes.sizes):
        weights *= comb(N, n_up[g])
    spins = np.ones((chain.size, 18))
    for g in range(len(classes.sizes)):
        members = classes.members(g)
        for position, k in enumerate(members):
            spins[:, k] = classes.signs[k] * np.where(position < n_up[g], 1, -1)
    energies = th.energy(th.hebb(model.patterns), spins)
    weights *= np.exp(-9 / 7 * energies)
    weights /= weights.sum()
    np.testing.assert_allclose(chain(weights), 0, atol=1e-15)


def test_a_thousand_spins_reach_the_gibbs_overlap():
    model = th.open_hopfield(np.ones((1, 1000)), beta=7 / 5)
    start = th.pattern_state(model, overlap=0.9)
    result = th.evolve(model, start, [40.0], observables=["m_z", "trace"], method="Symmetric")
    u = 0.9
    for _ in range(200):
        u = np.tanh(7 / 5 * u)
    assert result.expect["trace"][0] == pytest.approx(1, abs=1e-9)
    assert result.expect["m_z"][0, 0] == pytest.approx(u, abs=2 / 1000)  # 1/N


@pytest.mark.parametrize("name", ZOO)
def test_closing_is_claimed_only_where_diagonal_states_stay_diagonal(name):
    model = ZOO[name]
    if not populations_close(model):
        return
    state = th.product_state(model, bloch=BLOCH[: model.n_spins] * [0, 0, 1])
    rho = th.evolve(model, state, [0.7], method="Exact").final_state.rho
    assert np.abs(rho - np.diag(rho.diagonal())).max() < 1e-14


def test_models_whose_populations_close():
    free = th.independent_spins(3, longitudinal=1 / 5, decay=3 / 8, pumping=1 / 9, dephasing=1 / 7)
    assert populations_close(free)
    assert populations_close(th.open_hopfield(patterns(2, 5), beta=2.0))
    collective = th.Jump(th.sigma("-")(0) + th.sigma("-")(1))
    assert not populations_close(th.Model(th.spins(2), 0.0, [collective]))
    assert not populations_close(th.open_hopfield(patterns(2, 5), beta=2.0, Omega=0.1))


def test_population_state_survives_a_file(tmp_path):
    model = th.open_hopfield(patterns(2, 6), beta=7 / 5)
    result = th.evolve(model, th.pattern_state(model), [0.0, 1.0], method="Symmetric")
    again = th.load(result.save(tmp_path / "run.h5")).final_state
    np.testing.assert_array_equal(again.populations, result.final_state.populations)
    assert again.misfit(model) is None
    assert "it has 6 spins" in again.misfit(th.open_hopfield(patterns(1, 4), beta=1.0))
