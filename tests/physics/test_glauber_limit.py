"""No transverse field: populations obey Glauber dynamics, coherence blocks do not mix, Gibbs is stationary."""

import numpy as np
import pytest

import tnhop as th
from zoo import (
    PATTERNS,
    configurations,
    derivative,
    flipped,
    gaussian_couplings,
    patterns,
    random_state,
    tilted,
)

N, BETA = 4, 9 / 7
S = configurations(N)
ACCURACY = 1e-13  # one sum of a dozen numbers of order 1


def flip_rates(h, beta):
    """Return w_k(s) = (1 - s_k tanh β h_k)/2, shape (2**n, n)."""
    return (1 - configurations(h.shape[1]) * np.tanh(beta * h)) / 2


def glauber_generator(w):
    """Return the rate matrix of Eq. (7): W[s', s] is the rate of s → s'."""
    size, n = w.shape
    W = np.zeros((size, size))
    for i in range(size):
        for k in range(n):
            W[flipped(i, k, n), i] += w[i, k]
            W[i, i] -= w[i, k]
    return W


def dense_energy(xi, degree):
    n = xi.shape[1]
    return -n / degree * ((configurations(n) @ xi.T / n) ** degree).sum(axis=1)


def dense_fields(xi, degree):
    E, n = dense_energy(xi, degree), xi.shape[1]
    return np.array(
        [
            [s[k] * (E[flipped(i, k, n)] - E[i]) / 2 for k in range(n)]
            for i, s in enumerate(configurations(n))
        ]
    )


FIELD = np.array([1 / 5, -2 / 7, 0, 3 / 11])
J_RANDOM = gaussian_couplings(N)
CASES = {
    "Hebb": (th.open_hopfield(patterns(2, N), beta=BETA, longitudinal=FIELD), S @ th.hebb(patterns(2, N)).T),
    "asymmetric": (
        th.open_hopfield(patterns(2, N), beta=BETA, longitudinal=FIELD, couplings=J_RANDOM),
        S @ J_RANDOM.T,
    ),
    "dense": (
        th.dense_hopfield(patterns(3, N), degree=3, beta=BETA, longitudinal=FIELD),
        dense_fields(patterns(3, N), 3),
    ),
}  # fmt: skip
every_case = pytest.mark.parametrize(("model", "h"), CASES.values(), ids=CASES.keys())


@every_case
def test_populations_obey_the_glauber_generator(model, h, rng):
    rho = random_state(2**N, rng)
    expected = glauber_generator(flip_rates(h, BETA)) @ rho.diagonal().real
    np.testing.assert_allclose(derivative(model, rho).diagonal().real, expected, atol=ACCURACY)


@every_case
def test_coherences_keep_the_set_of_differing_spins(model, h):
    for i, j in ((0, 5), (3, 12), (7, 6), (10, 10)):
        unit = np.zeros((2**N, 2**N), dtype=complex)
        unit[i, j] = 1.0
        change = derivative(model, unit)
        rows, columns = np.nonzero(np.abs(change) > ACCURACY)
        assert set(rows ^ columns) == {i ^ j}


@every_case
def test_coherence_block_loses_what_the_formula_says(model, h):
    """Eq. (11): column sums of a block are -R_d - iφ."""
    w = flip_rates(h, BETA)
    for i, j in ((0, 5), (3, 12), (7, 6), (9, 6), (15, 0), (4, 4)):
        differ = S[i] != S[j]
        unit = np.zeros((2**N, 2**N), dtype=complex)
        unit[i, j] = 1.0
        loss = (w[i] + w[j])[differ].sum() / 2
        loss += ((np.sqrt(w[i]) - np.sqrt(w[j])) ** 2)[~differ].sum() / 2
        phase = 2 * (FIELD * S[i])[differ].sum()
        assert derivative(model, unit).sum() == pytest.approx(-loss - 1j * phase, abs=ACCURACY)


def test_coherence_of_a_free_spin_lives_twice_as_long_as_its_population():
    model = th.open_hopfield([[1]], beta=BETA)
    eigenvalues = th.liouvillian_spectrum(model, 4).eigenvalues
    np.testing.assert_allclose(eigenvalues, [0, -0.5, -0.5, -1], atol=1e-13)


@pytest.mark.parametrize("signs", [1, -1])
def test_cat_of_pattern_and_antipattern_decays_with_the_sum_of_its_flip_rates(signs):
    n, beta = 5, 5 / 2
    xi = signs * PATTERNS[:1, :n]
    model = th.open_hopfield(xi, beta=beta)
    unit = np.zeros((2**n, 2**n), dtype=complex)
    i = int(np.flatnonzero((configurations(n) == xi[0]).all(axis=1))[0])
    unit[i, 2**n - 1 - i] = 1.0
    rate = n / (1 + np.exp(2 * beta * (n - 1) / n))
    np.testing.assert_allclose(derivative(model, unit), -rate * unit, atol=ACCURACY)


def test_superposition_of_minima_is_dark_at_zero_temperature():
    n = 5
    xi = PATTERNS[:1, :n]
    model = th.open_hopfield(xi, beta=np.inf, longitudinal=0.0)
    i = int(np.flatnonzero((configurations(n) == xi[0]).all(axis=1))[0])
    cat = np.zeros((2**n, 2**n), dtype=complex)
    for a in (i, 2**n - 1 - i):
        for b in (i, 2**n - 1 - i):
            cat[a, b] = 0.5
    assert np.abs(derivative(model, cat)).max() == 0.0


@pytest.mark.parametrize("beta", [0.0, 3 / 7, 13 / 7])
def test_gibbs_state_is_stationary_with_pair_couplings(beta):
    xi = patterns(3, 5)
    J = th.hebb(xi)
    weights = np.exp(-beta * th.energy(J, configurations(5)))
    steady = th.steady_state(th.open_hopfield(xi, beta=beta))
    # eigenvector of a 1024-dimensional generator with gap 0.1: 1e-15 / 0.1, times the size of ρ
    np.testing.assert_allclose(steady.state.populations(), weights / weights.sum(), atol=1e-12)
    assert np.abs(steady.state.rho - np.diag(steady.state.populations())).max() < 1e-12


@pytest.mark.parametrize("degree", [3, 4, 5])
@pytest.mark.parametrize("n_spins", [2, 3, 5])
def test_gibbs_state_of_the_dense_energy_is_stationary_at_finite_size(degree, n_spins):
    xi = patterns(2, n_spins)
    weights = np.exp(-BETA * dense_energy(xi, degree))
    model = th.dense_hopfield(xi, degree=degree, beta=BETA)
    change = derivative(model, np.diag(weights / weights.sum()).astype(complex))
    assert np.abs(change).max() < ACCURACY


def test_dense_model_of_degree_two_is_the_hopfield_network(rng):
    xi, arguments = patterns(3, N), {"beta": BETA, "Omega": 3 / 7, "longitudinal": FIELD}
    rho = random_state(2**N, rng)
    np.testing.assert_allclose(
        derivative(th.dense_hopfield(xi, degree=2, **arguments), rho),
        derivative(th.open_hopfield(xi, **arguments), rho),
        atol=ACCURACY,
    )


def test_transverse_field_breaks_the_gibbs_state():
    model = th.open_hopfield(patterns(1, 3), beta=BETA, Omega=3 / 7)
    weights = np.exp(-BETA * th.energy(th.hebb(patterns(1, 3)), configurations(3)))
    change = derivative(model, np.diag(weights / weights.sum()).astype(complex))
    assert np.abs(change).max() > 1e-2


def test_diagonal_observables_do_not_see_the_coherences():
    """At Ω = 0 a tilted state and its mixture of configurations have the same magnetisations for ever."""
    model = th.open_hopfield(patterns(2, N), beta=BETA, longitudinal=FIELD)
    state = tilted(model)
    mixed = th.product_state(model, bloch=state.bloch * [0, 0, 1])
    runs = [
        th.evolve(model, s, [0.7, 2.1], observables="m_z", method="Exact") for s in (state, mixed)
    ]
    np.testing.assert_allclose(runs[0].expect["m_z"], runs[1].expect["m_z"], atol=1e-10)
