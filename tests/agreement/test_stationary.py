"""Steady states and spectra against dense eigenvalues, and against long evolution where not unique."""

from functools import cache

import numpy as np
import pytest

import tnhop as th
from zoo import ZOO, generator_of, patterns, tilted

SMALL = {name: model for name, model in ZOO.items() if model.hilbert_dim <= 16}
pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # few levels on purpose
# Rounding (1e-15 times the norm of the generator) over the distance of nearly equal eigenvalues.
ACCURACY = 1e-8


@cache
def dense_eigenvalues(model):
    values = np.linalg.eigvals(generator_of(model).toarray())
    return values[np.argsort(-values.real)]


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL.keys())
def test_spectrum_equals_dense_eigenvalues(model):
    expected = dense_eigenvalues(model)
    spectrum = th.liouvillian_spectrum(model, 10)
    assert np.all(np.diff(spectrum.eigenvalues.real) <= ACCURACY)
    np.testing.assert_allclose(spectrum.eigenvalues.real, expected.real[:10], atol=ACCURACY)
    assert max(np.abs(expected - value).min() for value in spectrum.eigenvalues) < ACCURACY
    assert spectrum.residuals.max() < ACCURACY
    if expected.real[9] < -1e-7:  # else undamped modes compete for the ten places
        assert spectrum.multiplicity == np.sum(np.abs(expected) < 1e-7)


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL.keys())
def test_steady_state_is_what_long_evolution_reaches(model):
    values = dense_eigenvalues(model)
    moving = values[np.abs(values) > 1e-7]
    if np.any(moving.real > -1e-7):
        pytest.skip("undamped modes: evolution has no limit")
    steady = th.steady_state(model, state=tilted(model))
    late = 24 / -moving.real.max()  # e⁻²⁴ = 4e-11
    reached = th.evolve(model, tilted(model), [late], method=th.Exact(1e-11))
    assert steady.multiplicity == np.sum(np.abs(values) < 1e-7)
    assert steady.gap == pytest.approx(-moving.real.max(), abs=ACCURACY)
    assert steady.residual < 1e-10
    assert steady.converged
    np.testing.assert_allclose(steady.state.rho, reached.final_state.rho, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_spins", [pytest.param(5, marks=pytest.mark.slow), 6])
def test_large_spectrum_comes_from_the_krylov_space(n_spins):
    model = th.open_hopfield(patterns(2, n_spins), beta=13 / 7, Omega=3 / 7)
    spectrum = th.liouvillian_spectrum(model, 8)
    assert spectrum.residuals.max() < 1e-8
    assert spectrum.multiplicity == 1
    if n_spins == 5:
        expected = dense_eigenvalues(model)
        np.testing.assert_allclose(spectrum.eigenvalues.real, expected.real[:8], atol=ACCURACY)
        assert max(np.abs(expected - value).min() for value in spectrum.eigenvalues) < ACCURACY


def test_collective_spins_have_a_dark_multiplet():
    """Two spins that only the mode damps: triplet and singlet keep their weights."""
    model = th.dicke(2, g=3 / 7, omega=8 / 7, Omega=4 / 9, loss=9 / 7, fock_dim=6)
    first, second = np.array([[0.48, 0.36, 0.8], [-0.6, 0.0, 0.8]])
    state = th.product_state(model, bloch=[first, second])
    exchange = th.Observable("exchange", sum((th.sigma(a)(0) * th.sigma(a)(1) for a in "xyz"), 0.0))
    names = ["m_x", "occupation", exchange]
    steady = th.steady_state(model, state=state, observables=names)
    assert steady.multiplicity == 2
    assert steady.expect["exchange"] == pytest.approx(first @ second, abs=1e-9)
    late = th.evolve(model, state, [24 / steady.gap], observables=names, method="Exact")
    for name in ("m_x", "occupation", "exchange"):
        np.testing.assert_allclose(steady.expect[name], late.expect[name][-1], atol=1e-8)


def test_several_steady_states_ask_for_the_initial_state():
    model = th.dicke(2, g=3 / 7, omega=8 / 7, Omega=4 / 9, loss=9 / 7, fock_dim=6)
    with pytest.raises(ValueError, match=r"`state` must be given, but is missing .* 2 independent"):
        th.steady_state(model)


def test_dephasing_alone_keeps_all_populations():
    model = th.independent_spins(2, dephasing=[1 / 7, 2 / 9])
    steady = th.steady_state(model, state=tilted(model))
    z = tilted(model).bloch[:, 2]
    assert steady.multiplicity == 4
    expected = np.kron((1 + z[0] * np.array([1, -1])) / 2, (1 + z[1] * np.array([1, -1])) / 2)
    np.testing.assert_allclose(steady.state.rho, np.diag(expected), atol=1e-12)


def test_pure_decay_ends_in_the_ground_state():
    model = th.independent_spins(3, longitudinal=2 / 9, decay=[3 / 8, 1 / 5, 2 / 7])
    steady = th.steady_state(model)
    assert steady.multiplicity == 1
    assert steady.expect["sigma_z"] == pytest.approx([-1, -1, -1], abs=1e-12)
    assert steady.gap == pytest.approx(1 / 10, abs=1e-12)


def test_nothing_at_all_keeps_the_state():
    model = th.Model(th.spins(1), 0.0)
    steady = th.steady_state(
        model, state=tilted(model), observables=["sigma_x", "sigma_y", "sigma_z"]
    )
    assert steady.multiplicity == 4
    found = [float(steady.expect[f"sigma_{a}"][0]) for a in "xyz"]
    np.testing.assert_allclose(found, tilted(model).bloch[0], atol=1e-12)


def test_energy_eigenstates_are_stationary_without_jumps():
    """Without jumps the projection on the null space is the dephased state: the time average."""
    H = ZOO["unseen: no jumps"].hamiltonian + 0.2 * th.sigma("z")(0)  # four different energies
    model = th.Model(th.spins(2), H)
    state = tilted(model)
    steady = th.steady_state(model, state=state)
    assert steady.multiplicity == 4
    H, rho = th.to_qutip(model)[0].full(), th.to_qutip(state).full()
    _, V = np.linalg.eigh(H)
    expected = V @ np.diag((V.conj().T @ rho @ V).diagonal()) @ V.conj().T
    np.testing.assert_allclose(steady.state.rho, expected, atol=1e-10)


@pytest.mark.parametrize("n_free", [2, 3])
def test_free_spins_keep_their_populations_beside_a_damped_one(n_free):
    """4^n undamped eigenvalues, of which 2^n are zero: none may be missed among the others."""
    longitudinal = [*[3 / 7, 1 / 5, 2 / 9][:n_free], 0]
    model = th.independent_spins(
        n_free + 1, longitudinal=longitudinal, decay=[0] * n_free + [1 / 3]
    )
    steady = th.steady_state(model, state=tilted(model), observables="sigma_z")
    assert steady.multiplicity == 2**n_free
    expected = np.append(tilted(model).bloch[:n_free, 2], -1.0)
    np.testing.assert_allclose(steady.expect["sigma_z"], expected, atol=1e-10)


def test_many_steady_states_are_found_in_the_krylov_space():
    model = th.independent_spins(5, dephasing=[1 / 7, 2 / 9, 1 / 5, 3 / 11, 2 / 13])
    steady = th.steady_state(model, state=tilted(model), observables=["sigma_x", "sigma_z"])
    assert steady.multiplicity == 32
    np.testing.assert_allclose(steady.expect["sigma_z"], tilted(model).bloch[:, 2], atol=1e-9)
    np.testing.assert_allclose(steady.expect["sigma_x"], 0, atol=1e-9)


def test_asking_for_more_eigenvalues_than_there_are_gives_all():
    spectrum = th.liouvillian_spectrum(th.independent_spins(1, Omega=3 / 7, decay=1 / 3), 50)
    assert len(spectrum.eigenvalues) == 4
    assert np.sum(spectrum.eigenvalues).real == pytest.approx(-2 / 3, abs=1e-13)


@pytest.mark.parametrize("bloch", [[0.6, 0.0, 0.8], [0.3, 0.0, 0.4]])
def test_multiplicity_does_not_depend_on_the_start(bloch):
    """A pure start reaches the triplet alone; the singlet still is a stationary state."""
    model = th.dicke(2, g=3 / 7, omega=8 / 7, Omega=4 / 9, loss=9 / 7, fock_dim=6)
    state = th.product_state(model, bloch=bloch)
    found = [th.steady_state(model, state=state, method=m) for m in ("Exact", "Symmetric")]
    assert [steady.multiplicity for steady in found] == [2, 2]
    np.testing.assert_allclose(found[0].expect["m_x"], found[1].expect["m_x"], atol=1e-10)
