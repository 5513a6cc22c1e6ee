"""Models with closed-form answers, Eqs. (41)-(43) of docs/physics.md, and their documented limits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tnhop as th
from zoo import BLOCH, gaussian_couplings

TIMES = np.linspace(0, 5, 21)
SPIN = {
    "Omega": 5 / 9,
    "longitudinal": -2 / 7,
    "decay": 3 / 8,
    "pumping": 1 / 9,
    "dephasing": 2 / 11,
}
MODE = {"omega": 9 / 7, "drive": 2 / 7, "loss": 7 / 9, "gain": 1 / 8}
ACCURACY = 1e-9  # default tolerances of both methods, with a margin for accumulated steps


@pytest.mark.parametrize("method", ["Exact", "MeanField"])
def test_independent_spins_follow_the_bloch_equations(method):
    model = th.independent_spins(3, **SPIN)
    state = th.product_state(model, bloch=BLOCH[:3])
    names = ["sigma_x", "sigma_y", "sigma_z"]
    result = th.evolve(model, state, TIMES, observables=names, method=method)
    for k in range(3):
        exact = th.bloch_solution(TIMES, BLOCH[k], **SPIN)
        found = np.stack([result.expect[name][:, k] for name in names], axis=1)
        np.testing.assert_allclose(found, exact, atol=ACCURACY)


def test_bloch_solution_solves_the_bloch_equations():
    """Eq. (41) integrated by another method."""
    Omega, b, down, up, phi = SPIN.values()
    G1, G2 = down + up, (down + up) / 2 + 2 * phi
    rhs = lambda t, r: [  # noqa: E731
        -2 * b * r[1] - G2 * r[0],
        2 * b * r[0] - 2 * Omega * r[2] - G2 * r[1],
        2 * Omega * r[1] - G1 * r[2] + up - down,
    ]
    run = solve_ivp(rhs, (0, 5), BLOCH[0], t_eval=TIMES, rtol=1e-12, atol=1e-13, method="DOP853")
    np.testing.assert_allclose(th.bloch_solution(TIMES, BLOCH[0], **SPIN), run.y.T, atol=1e-11)


def test_driven_spin_settles_at_the_closed_form():
    Omega, b, down, up, phi = SPIN.values()
    G1, G2 = down + up, (down + up) / 2 + 2 * phi
    z = (up - down) / (G1 + 4 * Omega**2 * G2 / (G2**2 + 4 * b**2))
    y = -2 * Omega * G2 / (G2**2 + 4 * b**2) * z
    steady = th.steady_state(
        th.independent_spins(2, **SPIN), observables=["sigma_x", "sigma_y", "sigma_z"]
    )
    found = [steady.expect[f"sigma_{a}"] for a in "xyz"]
    np.testing.assert_allclose(found, np.tile([[-2 * b / G2 * y], [y], [z]], (1, 2)), atol=1e-12)


@pytest.mark.parametrize("method", ["Exact", "MeanField"])
def test_amplitude_of_the_driven_mode_follows_the_closed_form(method):
    alpha = 0.6 - 0.7j
    model = th.damped_mode(**MODE, fock_dim=22)
    state = th.product_state(model, alpha=alpha)
    result = th.evolve(model, state, TIMES, observables="alpha", method=method)
    exact = th.damped_mode_solution(TIMES, alpha, **MODE)
    np.testing.assert_allclose(result.expect["alpha"][:, 0], exact["alpha"], atol=ACCURACY)


def test_occupation_of_the_driven_mode_follows_the_closed_form():
    alpha = 0.6 - 0.7j
    model = th.damped_mode(**MODE, fock_dim=22)
    state = th.product_state(model, alpha=alpha)
    result = th.evolve(model, state, TIMES, observables="occupation", method="Exact")
    exact = th.damped_mode_solution(TIMES, alpha, **MODE)["occupation"]
    np.testing.assert_allclose(result.expect["occupation"][:, 0], exact.real, atol=ACCURACY)


def test_thermal_photons_are_invisible_in_the_mean_field_amplitude():
    """Mean field gives |α|²; the difference to the occupation is n̄(1 - e^{-δt})."""
    alpha = 0.6 - 0.7j
    model = th.damped_mode(**MODE, fock_dim=22)
    state = th.product_state(model, alpha=alpha)
    result = th.evolve(model, state, TIMES, method="MeanField")
    exact = th.damped_mode_solution(TIMES, alpha, **MODE)["occupation"].real
    delta = MODE["loss"] - MODE["gain"]
    thermal = MODE["gain"] / delta * (1 - np.exp(-delta * TIMES))
    np.testing.assert_allclose(result.expect["occupation"][:, 0], exact - thermal, atol=ACCURACY)


def test_undriven_pumped_mode_becomes_thermal():
    model = th.damped_mode(omega=9 / 7, loss=7 / 9, gain=1 / 8, fock_dim=14)
    p = th.steady_state(model).state.populations()
    # ratios are exactly gain/loss at any cutoff
    np.testing.assert_allclose(p[1:] / p[:-1], 9 / 56, rtol=1e-5)
    assert p[1] / p[0] == pytest.approx(9 / 56, rel=1e-12)


def test_dephased_ising_model_follows_the_closed_form():
    n = 4
    J = gaussian_couplings(n)
    J = J + J.T
    rates = {"dephasing": [1 / 7, 0, 2 / 11, 1 / 9], "longitudinal": [2 / 7, 0, -1 / 5, 1 / 9]}
    model = th.long_range_ising(J, **rates)
    state = th.product_state(model, bloch=BLOCH[:n])
    names = ["sigma_x", "sigma_y", "sigma_z"]
    result = th.evolve(model, state, TIMES, observables=names, method="Exact")
    exact = th.dephased_ising_solution(TIMES, J, BLOCH[:n], **rates)
    for a, name in enumerate(names):
        np.testing.assert_allclose(result.expect[name], exact[:, :, a], atol=ACCURACY)


def test_two_ising_spins_collapse_and_revive():
    """Two spins along x: ⟨σˣ⟩ = cos 2Jt, the hand calculation behind Eq. (43)."""
    J = 3 / 7
    model = th.long_range_ising([[0, J], [J, 0]])
    state = th.product_state(model, bloch=[1.0, 0, 0])
    result = th.evolve(model, state, TIMES, observables="sigma_x", method="Exact")
    np.testing.assert_allclose(result.expect["sigma_x"][:, 0], np.cos(2 * J * TIMES), atol=ACCURACY)


def test_configuration_without_field_and_jumps_does_not_move():
    """The first derivative is exactly zero, and so is every term of a power series."""
    model = th.long_range_ising(th.power_law(3, 3 / 2), longitudinal=1 / 5)
    result = th.evolve(model, th.product_state(model, spins=[1, -1, 1]), [0.5, 7.0], method="Exact")
    assert result.expect["sigma_z"].tolist() == [[1, -1, 1], [1, -1, 1]]


def test_energy_is_conserved_without_jumps():
    model = th.long_range_ising(
        th.power_law(4, 3 / 2), Omega=[4 / 7, 1 / 3, 2 / 5, 3 / 11], longitudinal=1 / 9
    )
    state = th.product_state(model, bloch=BLOCH[:4])
    result = th.evolve(model, state, TIMES, observables=["energy", "purity"], method="Exact")
    np.testing.assert_allclose(result.expect["energy"], result.expect["energy"][0], atol=1e-9)
    np.testing.assert_allclose(result.expect["purity"], result.expect["purity"][0], atol=1e-9)


def test_hot_network_is_a_set_of_free_spins():
    """β = 0: rates 1/2 up and down, whatever the couplings."""
    xi = np.array([[1, -1, 1]])
    arguments = {"Omega": 5 / 9, "longitudinal": 1 / 7}
    hot = th.open_hopfield(xi, beta=0.0, **arguments)
    free = th.independent_spins(3, decay=0.5, pumping=0.5, **arguments)
    runs = [
        th.evolve(
            m, th.product_state(m, bloch=BLOCH[:3]), TIMES, observables="sigma_y", method="Exact"
        )
        for m in (hot, free)
    ]
    np.testing.assert_allclose(runs[0].expect["sigma_y"], runs[1].expect["sigma_y"], atol=ACCURACY)


def test_eliminated_modes_without_field_give_the_static_energy(rng):
    """Ω = 0: H = -Σ ω G²/(ω² + δ²/4) and one dephasing jump per direction, Eq. (32)."""
    from zoo import configurations, derivative, random_state

    g = np.array([[3 / 7, -2 / 5, 1 / 9], [1 / 3, 5 / 9, 2 / 7]])
    omega, loss, gain = (
        np.array([9 / 7, 6 / 11]),
        np.array([8 / 9, 5 / 7]),
        np.array([1 / 7, 2 / 13]),
    )
    model = th.eliminated_dicke(g, omega=omega, Omega=0.0, loss=loss, gain=gain)
    rho = random_state(8, rng)
    G = configurations(3) @ g.T
    size = omega**2 + (loss - gain) ** 2 / 4
    E = -(G**2 * omega / size).sum(axis=1)
    distance = (G[:, None] - G[None]) ** 2
    rate = (distance * (loss + gain) / size).sum(axis=2) / 2
    expected = (-1j * (E[:, None] - E[None]) - rate) * rho
    np.testing.assert_allclose(derivative(model, rho), expected, atol=1e-13)
