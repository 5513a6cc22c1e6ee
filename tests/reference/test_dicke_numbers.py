"""Frozen numbers of the Dicke model; see README.md of this folder for the sources."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.meanfield.flow import MeanFieldFlow

TILT = [-np.cos(1.2), 0.0, np.sin(1.2)]
NORMAL = {"omega": 1.0, "Omega": 0.5, "loss": 1.0}


@pytest.mark.parametrize(
    ("g", "n", "occupation", "m2", "m_x", "fock_dim"),
    [
        (0.4, 1, 0.07963157313948, 1, -0.7713021331177672, 12),
        pytest.param(
            0.4,
            2,
            0.04949546390136,
            0.5983654406259,
            -0.854819630785542,
            12,
            marks=pytest.mark.slow,
        ),
        (1.0, 1, 0.6935572660242, 1, -0.3856180201333, 20),
        pytest.param(
            1.0, 2, 0.6769222978871, 0.9047161321267, -0.3679881896733, 20, marks=pytest.mark.slow
        ),
    ],
)
def test_steady_state_of_few_spins(g, n, occupation, m2, m_x, fock_dim):
    """classes: collective spin N/2; the singlet of two spins is a second steady state."""
    model = th.dicke(n, g=g, fock_dim=fock_dim, **NORMAL)
    state = th.product_state(model, bloch=[0.6, 0, 0.8])
    steady = th.steady_state(
        model, state=state, observables=["occupation", "m_x", "overlap_moments"]
    )
    assert steady.multiplicity == n
    assert steady.expect["occupation"][0] / n == pytest.approx(occupation, abs=1e-9)
    assert steady.expect["overlap_moments"][0, 1] == pytest.approx(m2, abs=1e-9)
    assert steady.expect["m_x"][0] == pytest.approx(m_x, abs=1e-9)


def test_mean_field_after_half_a_time_unit():
    """ode: g = 1 from a tilted spin and an empty mode."""
    model = th.dicke(3, g=1.0, fock_dim=20, **NORMAL)
    state = th.product_state(model, bloch=TILT)
    r = th.evolve(
        model, state, [0.5], observables=["m_x", "m_y", "m_z", "alpha"], method="MeanField"
    )
    found = [r.expect[f"m_{a}"][0, 0] for a in "xyz"]
    alpha = r.expect["alpha"][0, 0] / np.sqrt(3)
    found += [2 * alpha.real, 2 * alpha.imag]
    expected = [-0.38405160608, -0.42227343933, 0.82109043734, -0.18936436120, -0.75779800244]
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize(("n", "scaled"), [(2, 0.0050586033), (4, 0.00501381)])
def test_exact_overlap_differs_from_mean_field_by_one_over_n(n, scaled):
    """classes: N (z_N - z_MF) at t = 1/2."""
    model = th.dicke(n, g=1.0, fock_dim=14 + 3 * n, **NORMAL)
    state = th.product_state(model, bloch=TILT)
    z = th.evolve(model, state, [0.5], observables="m_z", method="Exact").expect["m_z"][0, 0]
    # eight printed digits; 0.82109043734 has eleven
    assert n * (z - 0.82109043734) == pytest.approx(scaled, abs=1e-8)


@pytest.mark.parametrize(
    ("g", "R", "x", "z", "n"),
    [
        (1.0, 1.0, -0.3125, 0.9499177595981665, 0.721875),
        (0.8, 0.6, -0.48828125, 0.348685274852, None),
    ],
)
def test_retrieval_state_is_a_fixed_point(g, R, x, z, n):
    """closed: Eq. (29) at Ω = 1/2, ω = δ = 1."""
    N = 2
    model = th.dicke(N, g=g, fock_dim=30, **NORMAL)
    alpha = -1j * g * z / (1j + 0.5) * np.sqrt(N)
    state = th.product_state(model, bloch=[x, 0, z], alpha=alpha)
    # twelve digits of z were printed in one case
    assert np.abs(MeanFieldFlow(model, "field")(0.0, MeanFieldFlow.pack(state))).max() < 2e-12
    assert np.hypot(x, z) == pytest.approx(R, abs=1e-12)
    if n is not None:
        assert abs(alpha) ** 2 / N == pytest.approx(n, abs=1e-12)


def test_retrieval_state_has_its_eigenvalues():
    """closed: roots of (λ² + 4Ω²)[(λ + δ/2)² + ω²] + 8 g² ω Ω x at g = 1; they decide its stability."""
    z, x = 0.9499177595981665, -0.3125
    model = th.dicke(1, g=1.0, fock_dim=30, **NORMAL)
    flow = MeanFieldFlow(model, "field")
    y = flow.pack(th.product_state(model, bloch=[x, 0, z], alpha=-1j * z / (1j + 0.5)))
    J = np.array([(flow(0, y + 1e-5 * e) - flow(0, y - 1e-5 * e)) / 2e-5 for e in np.eye(5)]).T
    values = np.linalg.eigvals(J)
    expected = [
        -0.006614 + 3.219051j,
        -0.006614 - 3.219051j,
        -0.493386 + 0.933373j,
        -0.493386 - 0.933373j,
        0,
    ]
    for value in expected:
        assert np.abs(values - value).min() < 2e-6


@pytest.mark.parametrize(
    ("gamma", "kappa", "g", "rate", "fock_dim"),
    [
        (1.0, 0.0, 0.7, 1.17357610, 16),
        pytest.param(1.5, 0.5, 0.7, 1.01525251, 44, marks=pytest.mark.slow),
        pytest.param(3.0, 0.5, 1.0, 0.98805316, 30, marks=pytest.mark.slow),
    ],
)
def test_flip_rate_of_a_dressed_spin(gamma, kappa, g, rate, fock_dim):
    """brute: half the slowest rate over Ω² at Ω = 0.02, strong coupling, ω = 1."""
    Omega = 0.02
    model = th.dicke(1, g=g, omega=1.0, Omega=Omega, loss=gamma, gain=kappa, fock_dim=fock_dim)
    gap = th.liouvillian_spectrum(model, 2).gap
    assert gap / 2 / Omega**2 == pytest.approx(rate, abs=2e-8)
