"""Frozen numbers of the classical limit of the Dicke model; README.md of this folder has the sources."""

import numpy as np
import pytest

import tnhop as th


def W(E: float, g2: float, loss: float, gain: float = 0.0) -> float:
    """Return W/Ω² at ω = 1 of a flip that changes -¼ Σ g g s s by E."""
    h = E / (1 + (loss - gain) ** 2 / 4)
    return float(th.SpinBosonRate((g2**0.5,), (1.0,), (loss,), (gain,), 1.0, -1)(h))


@pytest.mark.parametrize(
    ("E", "rate"),
    [
        (-1.0, 1.4117187841),
        (-0.5, 1.4035399028),
        (0.0, 0.8329013154),
        (0.5, 0.2850868507),
        (1.0, 0.0813610658),
    ],
)
def test_rate_over_energy(E, rate):
    """closed: g² = 1, loss 2."""
    assert W(E, 1.0, 2.0) == pytest.approx(rate, abs=6e-11)


@pytest.mark.parametrize(
    ("g2", "loss", "gain", "rate"),
    [
        (0.49, 1.0, 0.0, 1.173301343134341),
        (0.49, 1.5, 0.5, 1.0151374380131628),
        (1.0, 3.0, 0.5, 0.9880181517806522),
        (0.25, 1.2, 0.0, 3.350383461251403),
    ],
)
def test_rate_of_one_spin(g2, loss, gain, rate):
    """closed: no other spins."""
    assert W(0.0, g2, loss, gain) == pytest.approx(rate, abs=1e-12)


def test_two_modes_act_like_one_of_the_same_total_coupling():
    """closed: g = (0.3, 0.4)."""
    rate = th.SpinBosonRate((0.3, 0.4), (1.0, 1.0), (1.2, 1.2), (0.0, 0.0), 1.0, 1)
    assert float(rate(0.0)) == pytest.approx(3.350383461251403, abs=1e-12)


PAIR = {"omega": 1.0, "loss": 1.2, "gain": 0.2}


def two_spins() -> tuple[np.ndarray, np.ndarray]:
    """Return rates over Ω² of g = (0.5, 0.4): aligned to opposite, opposite to aligned, per spin."""
    model = th.classical_dicke([[0.5, 0.4]], Omega=1.0, **PAIR)
    down = [jump for jump in model.jumps if jump.amplitudes[0][0] == "-"]
    h = np.array([0.2 / 1.25])  # ω g₁ g₂/(ω² + δ²/4)
    rates = [[float(amplitude(s * h)[0]) ** 2 for s in (1, -1)]
             for jump in down for _, amplitude in jump.amplitudes]  # fmt: skip
    part, join = np.array(rates).T
    return part, join


def test_rates_of_two_spins():
    """closed: and what follows for two configurations, aligned and opposite."""
    part, join = two_spins()
    np.testing.assert_allclose(part, [0.7689865060365529, 0.7554473446561111], atol=1e-12)
    np.testing.assert_allclose(join, [2.465153283311013, 2.5055528771839715], atol=1e-12)
    assert join.sum() / (join.sum() + part.sum()) == pytest.approx(0.7652962295, abs=6e-11)


def test_slow_eigenvalue_and_alignment_of_two_spins():
    """closed: the classical model itself."""
    model = th.classical_dicke([[0.5, 0.4]], Omega=0.1, **PAIR)
    state = th.product_state(model, spins=[1, -1])
    steady = th.steady_state(model, state=state)
    aligned = (1 + steady.state.expect([th.sigma("z")(0) * th.sigma("z")(1)])[0].real) / 2
    assert aligned == pytest.approx(0.7652962295, abs=1e-9)
    values = th.liouvillian_spectrum(model, 16).eigenvalues / 0.1**2
    assert np.abs(values + 1.5245925734).min() < 1e-9


@pytest.mark.parametrize(
    ("Omega", "aligned", "gap"),
    [
        pytest.param(0.02, 0.7648836, 1.5279179, marks=pytest.mark.slow),
        pytest.param(0.04, 0.7636520, 1.5378911, marks=pytest.mark.slow),
    ],
)
def test_full_model_of_two_spins(Omega, aligned, gap):
    """brute: the model with its mode; classically 0.7652962295 and 1.5245925734."""
    model = th.multimode_dicke([[0.5, 0.4]], Omega=Omega, fock_dim=18, **PAIR)
    steady = th.steady_state(model, state=th.product_state(model, spins=[1, -1]))
    found = (1 + steady.state.expect([th.sigma("z")(0) * th.sigma("z")(1)])[0].real) / 2
    assert found == pytest.approx(aligned, abs=6e-8)
    assert th.liouvillian_spectrum(model, 2).gap / Omega**2 == pytest.approx(gap, abs=1.5e-7)


def test_equal_spins_flip_together():
    """brute: g = 0.6, loss 2; 11.38683 in the full model at Ω = 0.005, and 6.38027837 independently."""
    arguments = {"omega": 1.0, "Omega": 0.005, "loss": 2.0}
    scale = 0.005**2
    together = th.classical_dicke([[0.6, 0.6]], **arguments)
    values = th.liouvillian_spectrum(together, 16).eigenvalues / scale
    assert values.real.min() == pytest.approx(-11.38596011, abs=1e-7)
    alone = th.classical_dicke([[0.6, 0.6]], coincident="independent", **arguments)
    assert th.liouvillian_spectrum(alone, 16).eigenvalues.real.min() / scale == pytest.approx(
        -6.38027837, abs=1e-7
    )
    full = th.multimode_dicke([[0.6, 0.6]], fock_dim=12, **arguments)
    slow = th.liouvillian_spectrum(full, 6).eigenvalues / scale
    assert slow.real.min() == pytest.approx(-11.38683, abs=6e-6)
    # all six slow eigenvalues, those with a Lamb shift too, are among those of the classical model
    for value in slow:
        assert np.abs(values - value).min() < 1.5e-3


def test_noisy_modes_have_a_temperature_and_empty_ones_none():
    """closed: ln(W(-E)/W(E))/E at g² = 1, loss 2; 8ω²/(ν(ω² + δ²/4)²) is 0.41276, 0.101139 and 2."""
    measured = lambda E, gain: np.log(W(-E, 1.0, 2.0, gain) / W(E, 1.0, 2.0, gain)) / E  # noqa: E731
    assert measured(0.1, 1.8) == pytest.approx(0.41682, abs=1e-5)  # 0.416812
    assert measured(2.0, 1.8) == pytest.approx(0.41623, abs=5e-6)
    assert measured(1.0, 1.95) == pytest.approx(0.101257, abs=6e-7)
    assert measured(0.1, 0.0) == pytest.approx(3.315, abs=6e-4)
    assert measured(2.0, 0.0) == pytest.approx(2.033, abs=6e-4)


def test_weak_coupling_is_nearly_lorentzian():
    """closed: 0.9942 at g² = 5e-4; E, loss and gain were not printed and are ours."""
    loss, gain, E, g2 = 1.0, 0.2, 1e-3, 5e-4
    stiffness = 1 + (loss - gain) ** 2 / 4
    width, shift = 2 * g2 * (loss + gain) / stiffness, 4 * E / stiffness
    assert W(E, g2, loss, gain) / (2 * width / (width**2 + shift**2)) == pytest.approx(
        0.9942, abs=6e-5
    )
