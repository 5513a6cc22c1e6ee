"""Eqs. (26), (27) of docs/physics.md as operator equations, on states that do not reach the cutoff."""

import numpy as np
import pytest

import tnhop as th
from zoo import derivative, embed, random_state

N, DIMS = 2, (2, 2, 5, 6)
G = np.array([[3 / 7, -2 / 5], [1 / 3, 5 / 9]])
OMEGA_C, OMEGA, FIELD = [9 / 7, 6 / 11], [3 / 8, 5 / 9], [1 / 7, -2 / 9]
LOSS, GAIN = [8 / 9, 5 / 7], [1 / 9, 2 / 13]
DECAY, PUMP, DEPHASING = [2 / 9, 1 / 5], [1 / 11, 3 / 8], [1 / 17, 2 / 7]
MODEL = th.multimode_dicke(
    G, omega=OMEGA_C, Omega=OMEGA, loss=LOSS, gain=GAIN, fock_dim=DIMS[2:], longitudinal=FIELD,
    decay=DECAY, pumping=PUMP, dephasing=DEPHASING,
)  # fmt: skip
PAULI = {"x": np.array([[0, 1], [1, 0]]), "y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1, -1])}
s = {(a, k): embed(DIMS, {k: PAULI[a]}).toarray() for a in "xyz" for k in range(N)}
a = [embed(DIMS, {2 + k: np.diag(np.sqrt(np.arange(1, DIMS[2 + k])), 1)}).toarray() for k in (0, 1)]
ACCURACY = 1e-12  # rounding of sums of a thousand numbers of order 1


@pytest.fixture
def case(rng):
    """Return a random state without its two highest levels, and averages and their rates of change."""
    below = [np.diag(np.arange(d) < d - 2).astype(float) for d in DIMS[2:]]
    P = embed(DIMS, dict(enumerate(below, start=2))).toarray()
    rho = P @ random_state(int(np.prod(DIMS)), rng) @ P
    rho = rho / np.trace(rho)
    change = derivative(MODEL, rho)
    return lambda O: np.trace(O @ rho), lambda O: np.trace(O @ change)


def test_spins_precess_about_the_field_of_the_modes(case):
    mean, rate = case
    for i in range(N):
        B = sum(G[k, i] * (a[k] + a[k].conj().T) for k in (0, 1))
        B = B + FIELD[i] * np.eye(len(B))
        x, y, z = (s[axis, i] for axis in "xyz")
        transverse = (DECAY[i] + PUMP[i]) / 2 + 2 * DEPHASING[i]
        expected = {
            "x": -2 * mean(B @ y) - transverse * mean(x),
            "y": 2 * mean(B @ x) - 2 * OMEGA[i] * mean(z) - transverse * mean(y),
            "z": 2 * OMEGA[i] * mean(y) + PUMP[i] * (1 - mean(z)) - DECAY[i] * (1 + mean(z)),
        }
        for axis, value in expected.items():
            assert rate(s[axis, i]) == pytest.approx(value, abs=ACCURACY)


def test_modes_are_driven_by_the_spins(case):
    mean, rate = case
    for k in (0, 1):
        drive = sum(G[k, i] * mean(s["z", i]) for i in range(N))
        damping = 1j * OMEGA_C[k] + (LOSS[k] - GAIN[k]) / 2
        assert rate(a[k]) == pytest.approx(-damping * mean(a[k]) - 1j * drive, abs=ACCURACY)


def test_occupation_balances_loss_gain_and_drive(case):
    mean, rate = case
    for k in (0, 1):
        n = a[k].conj().T @ a[k]
        odd = 1j * (a[k] - a[k].conj().T)
        drive = sum(G[k, i] * mean(s["z", i] @ odd) for i in range(N))
        expected = -(LOSS[k] - GAIN[k]) * mean(n) + GAIN[k] + drive
        assert rate(n) == pytest.approx(expected, abs=ACCURACY)


def test_uncoupled_mode_follows_the_damped_mode():
    model = th.multimode_dicke(
        np.zeros((1, 2)), omega=9 / 7, Omega=3 / 8, loss=8 / 9, gain=1 / 9, fock_dim=16
    )
    times, alpha = np.linspace(0, 3, 7), 0.5 - 0.3j
    state = th.product_state(model, bloch=[0.36, 0.48, 0.8], alpha=alpha)
    result = th.evolve(
        model, state, times, observables=["alpha", "occupation", "sigma_z"], method="Exact"
    )
    exact = th.damped_mode_solution(times, alpha, omega=9 / 7, loss=8 / 9, gain=1 / 9)
    # thermal occupation 1/7: weight (1/8)^16 beyond the levels
    np.testing.assert_allclose(result.expect["alpha"][:, 0], exact["alpha"], atol=1e-9)
    np.testing.assert_allclose(
        result.expect["occupation"][:, 0], exact["occupation"].real, atol=1e-9
    )
    bloch = th.bloch_solution(times, [0.36, 0.48, 0.8], Omega=3 / 8)
    np.testing.assert_allclose(result.expect["sigma_z"][:, 1], bloch[:, 2], atol=1e-9)


def test_joint_flip_of_spins_and_modes_is_a_symmetry():
    """(σᶻ, σʸ, a) → -(σᶻ, σʸ, a) maps solutions to solutions if nothing breaks it."""
    model = th.dicke(2, g=5 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, gain=1 / 9, fock_dim=10)
    bloch, alpha = np.array([[0.36, 0.48, 0.64], [0.6, -0.2, -0.3]]), 0.3 - 0.2j
    first = th.evolve(
        model, th.product_state(model, bloch=bloch, alpha=alpha), [1.3], method="Exact"
    )
    turned = th.product_state(model, bloch=bloch * [1, -1, -1], alpha=-alpha)
    second = th.evolve(model, turned, [1.3], method="Exact")
    for name, sign in (("m_x", 1), ("m_y", -1), ("m_z", -1), ("alpha", -1), ("occupation", 1)):
        np.testing.assert_allclose(second.expect[name], sign * first.expect[name], atol=1e-10)
