"""Eliminated modes: slow eigenvalues err by O(g⁴), the evidence of section 7 of docs/physics.md."""

import numpy as np
import pytest

import tnhop as th


def eigenvalues(model):
    return th.liouvillian_spectrum(model, 4**model.n_spins).eigenvalues


@pytest.mark.parametrize(
    ("ratios", "gain", "errors", "fock_dim"),
    [
        ([1.0], 0.0, (2.3e-6, 1.4e-7), 6),
        ([1.0], 0.3, (1.1e-5, 6.6e-7), 14),
        ([1.0, 0.6], 0.0, (3.6e-6, 2.2e-7), 6),
        pytest.param([1.0, 0.6], 0.3, (1.6e-5, 1.0e-6), 16, marks=pytest.mark.slow),
    ],
)
def test_slow_eigenvalues_err_in_fourth_order(ratios, gain, errors, fock_dim):
    """ω = 1, Ω = 0.4, loss 1.2: largest distance to the nearest eigenvalue of the full model."""
    arguments = {"omega": 1.0, "Omega": 0.4, "loss": 1.2, "gain": gain}
    found = []
    for g in (0.025, 0.0125):
        couplings = g * np.array([ratios])
        full = th.multimode_dicke(couplings, fock_dim=fock_dim, **arguments)
        small = th.eliminated_dicke(couplings, **arguments)
        exact = eigenvalues(full)
        found.append(max(np.abs(exact - value).min() for value in eigenvalues(small)))
    # two printed digits
    np.testing.assert_allclose(found, errors, rtol=0.06)
    assert found[0] / found[1] == pytest.approx(16, rel=0.08)


def test_thermal_shift_of_the_transverse_field_is_needed():
    """Without the n̄ term the error is of second order, the same as the effect of the mode."""
    g, arguments = 0.025, {"omega": 1.0, "Omega": 0.4, "loss": 1.2, "gain": 0.3}
    full = eigenvalues(th.multimode_dicke([[g]], fock_dim=14, **arguments))
    model = th.eliminated_dicke([[g]], **arguments)
    n_bar, s = 0.3 / 0.9, 1j + 0.45
    shift = n_bar * 4 * 0.4 * (4 * 0.16 + 0.45**2 - 1) / abs(s**2 + 4 * 0.16) ** 2 * g**2
    without = th.Model(model.sites, model.hamiltonian - shift * th.sigma("x")(0), model.jumps)
    distance = [
        max(np.abs(full - value).min() for value in eigenvalues(m)) for m in (model, without)
    ]
    assert distance[1] == pytest.approx(1.3e-4, rel=0.06)
    assert distance[0] < distance[1] / 10


def test_decay_of_coherence_is_exact_without_transverse_field():
    """Eq. (32): at Ω = 0 the late coherence decays with ½(γ + κ)(G - G')²/(ω² + δ²/4) at any coupling."""
    g, omega, loss, gain = 3 / 7, 9 / 7, 8 / 9, 1 / 9
    full = th.multimode_dicke([[g]], omega=omega, Omega=0.0, loss=loss, gain=gain, fock_dim=14)
    rate = 0.5 * (loss + gain) * (2 * g) ** 2 / (omega**2 + (loss - gain) ** 2 / 4)
    values = th.liouvillian_spectrum(full, 8).eigenvalues
    assert np.abs(values + rate).min() < 1e-8
    small = eigenvalues(th.eliminated_dicke([[g]], omega=omega, Omega=0.0, loss=loss, gain=gain))
    assert np.abs(small + rate).min() < 1e-12
