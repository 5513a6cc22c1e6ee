"""Photon numbers, g²(0), Wigner functions and emission spectra, on every kind of state."""

import numpy as np
import pytest
import qutip

import tnhop as th
from tnhop.physics.state_functionals import wigner_function

MODEL = th.multimode_dicke(
    [[0.2, 0.2], [0.15, -0.15]], omega=[1.0, 0.6], Omega=0.5, loss=[1.0, 1.4], gain=[0.05, 0.0],
    fock_dim=[6, 4],
)  # fmt: skip
START = th.product_state(MODEL, bloch=[0.3, 0.4, 0.6], alpha=[0.2 - 0.1j, 0.05j])
X, P = np.linspace(-3, 3, 7), np.linspace(-2, 2, 5)


@pytest.fixture(scope="module")
def state():
    """A correlated state of two spins and two modes."""
    return th.evolve(MODEL, START, [0.0, 0.7], method="Exact").final_state


@pytest.fixture(scope="module", params=["Symmetric", "TDVP", "TEBD"])
def other(request):
    """The same state by another method."""
    methods = {
        "Symmetric": th.Symmetric(), "TDVP": th.TDVP(cutoff=1e-10, dt=0.02, fock_tolerance=0.0),
        "TEBD": th.TEBD(cutoff=1e-10, dt=0.02),
    }  # fmt: skip
    return th.evolve(MODEL, START, [0.0, 0.7], method=methods[request.param]).final_state


@pytest.mark.parametrize("mode", [0, 1])
def test_states_of_modes_agree(state, other, mode):
    np.testing.assert_allclose(other.mode_state(mode), state.mode_state(mode), rtol=0, atol=3e-5)
    found, expected = other.photon_distribution(mode), state.photon_distribution(mode)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5)
    np.testing.assert_allclose(other.g2([2, 3]), state.g2([2, 3]), rtol=0, atol=5e-4)


@pytest.mark.parametrize("mode", [0, 1])
def test_state_of_a_mode_is_the_partial_trace(state, mode):
    rho = qutip.Qobj(state.rho, dims=[list(MODEL.dims)] * 2).ptrace(2 + mode)
    np.testing.assert_allclose(state.mode_state(mode), rho.full(), rtol=0, atol=1e-15)
    expected = qutip.wigner(rho, X, P)
    np.testing.assert_allclose(state.wigner(mode, X, P), expected, rtol=0, atol=1e-14)


def test_modes_are_counted_from_zero(state):
    with pytest.raises(ValueError, match=r"`mode` must be at most 1, but it is 2"):
        state.mode_state(2)


def test_wigner_function_of_superposition_and_mixture(rng):
    """Both have two peaks; only the superposition is negative in between."""
    ket = qutip.coherent(45, 2.0), qutip.coherent(45, -2.0)
    cat = (ket[0] + ket[1]).unit()
    mixture = (ket[0].proj() + ket[1].proj()) / 2
    x, p = np.linspace(-7, 7, 71), np.linspace(-6, 6, 61)
    W = [wigner_function(rho.full(), x, p) for rho in (cat.proj(), mixture)]
    for values in W:
        total = np.trapezoid(np.trapezoid(values, x), p)
        assert total == pytest.approx(1, abs=1e-8)
        assert values[30, 35 + 14] == pytest.approx(0.5 / np.pi, abs=1e-2)
    assert W[0].min() < -0.2
    assert W[1].min() > -1e-9
    A = rng.standard_normal((9, 9)) + 1j * rng.standard_normal((9, 9))
    rho = qutip.Qobj(A @ A.conj().T).unit()
    expected = qutip.wigner(rho, X, P)
    np.testing.assert_allclose(wigner_function(rho.full(), X, P), expected, rtol=0, atol=1e-14)


def test_photon_statistics_of_known_light():
    model = th.Model(th.modes(3, fock_dim=[22, 15, 3]), th.number(0))
    coherent = th.product_state(model, alpha=[1.5, 0.5j, 0.0])
    result = th.evolve(model, coherent, [0.0], observables=["g2", "photon_distribution"],
                       method="Exact")  # fmt: skip
    np.testing.assert_allclose(result.expect["g2"][0, :2], 1.0, rtol=0, atol=1e-9)
    assert np.isnan(result.expect["g2"][0, 2])  # there is no light
    limit = coherent.photon_distributions([22, 15, 3])
    found = result.expect["photon_distribution"][0]
    assert found.shape == (3, 22)
    np.testing.assert_allclose(found, limit * (limit > 1e-12), rtol=0, atol=1e-9)
    thermal = th.Model(th.modes(1, fock_dim=40), 0.0 * th.number(0), [
        th.Jump(th.destroy(0)), th.Jump(0.4**0.5 * th.create(0))])  # fmt: skip
    steady = th.steady_state(thermal, observables=["g2", "photon_distribution"])
    assert steady.expect["g2"] == pytest.approx(2.0, abs=1e-9)
    expected = 0.6 * 0.4 ** np.arange(40)
    np.testing.assert_allclose(steady.expect["photon_distribution"][0], expected, rtol=0, atol=1e-9)


def test_emission_spectrum_against_qutip():
    model = th.dicke(1, g=0.5, omega=1.0, Omega=0.6, loss=0.9, gain=0.1, fock_dim=9, decay=0.15)
    steady = th.steady_state(model, method="Exact")
    delays, omega = np.linspace(0, 40, 801), np.linspace(-3, 3, 13)
    C = th.correlation(model, steady.state, delays, th.destroy(1), th.create(1), method="Exact")
    amplitude = steady.state.expect([th.destroy(1)])[0]
    found = th.emission_spectrum(C, omega, limit=abs(amplitude) ** 2)
    H, jumps = th.to_qutip(model)
    a = qutip.tensor(qutip.qeye(2), qutip.destroy(9))
    rho = qutip.steadystate(H, jumps)
    shifted = a - qutip.expect(a, rho)  # without the coherent line
    expected = qutip.spectrum(H, omega, jumps, shifted.dag(), shifted, solver="pi") / (2 * np.pi)
    # QuTiP: ∫ e^{-iωt} <A(t) B(0)> dt
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_emission_spectrum_needs_a_decayed_correlation():
    model = th.dicke(1, g=0.5, omega=1.0, Omega=0.6, loss=0.9, fock_dim=7)
    state = th.steady_state(model, method="Exact").state
    C = th.correlation(model, state, np.linspace(0, 1, 9), th.destroy(1), th.create(1))
    with pytest.raises(ValueError, match=r"decay to 0\.01 of its first value"):
        th.emission_spectrum(C, [0.0, 1.0])
    with pytest.raises(TypeError, match="must be a Correlation"):
        th.emission_spectrum([1.0], [0.0])
