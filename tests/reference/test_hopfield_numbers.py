"""Frozen numbers of the open Hopfield network; see README.md of this folder for the sources."""

import numpy as np
import pytest
from scipy.optimize import brentq

import tnhop as th
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from zoo import configurations

ONE = lambda n: np.ones((1, n), dtype=int)  # noqa: E731
ORTHOGONAL = np.array([[1, 1, 1, 1], [1, -1, 1, -1]])


def test_partition_function_of_two_orthogonal_patterns():
    """closed: N = 4, β = 1.3."""
    E = th.energy(th.hebb(ORTHOGONAL), configurations(4))
    assert np.exp(-1.3 * E).sum() == pytest.approx(23.767313842613028, rel=1e-14)


def test_glauber_gap_of_two_orthogonal_patterns():
    """brute: N = 4, β = 1.3."""
    gap = th.liouvillian_spectrum(th.open_hopfield(ORTHOGONAL, beta=1.3), 3).gap
    assert gap == pytest.approx(0.42833003391488, abs=1e-13)


def test_slowest_rate_of_single_spin_coherence():
    """brute: N = 4, β = 1.3; the blocks of one differing spin decay with 0.58975816587157 at least."""
    model = th.open_hopfield(ORTHOGONAL, beta=1.3)
    rates = -th.liouvillian_spectrum(model, 80).eigenvalues.real
    assert np.abs(rates - 0.58975816587157).min() < 1e-12


@pytest.mark.parametrize(
    ("time", "z", "y"),
    [
        (0.5, 0.8068805583450608, -0.4731575295556778),
        (1.0, 0.43598396071584505, -0.6642817586754083),
        (3.0, -0.36013179636693365, 0.120159717106963),
    ],
)
def test_overlaps_of_four_spins(time, z, y):
    """classes and brute: p = 1, T = 1/2, Ω = 3/5, all up."""
    model = th.open_hopfield(ONE(4), beta=2.0, Omega=0.6)
    result = th.evolve(
        model, th.pattern_state(model), [time], observables=["m_y", "m_z"], method=th.Exact(1e-13)
    )
    assert result.expect["m_z"][0, 0] == pytest.approx(z, abs=2e-13)
    assert result.expect["m_y"][0, 0] == pytest.approx(y, abs=2e-13)


def test_two_patterns_of_eight_spins_have_the_overlap_of_four_spins():
    """classes: two classes of four spins with couplings 2/8 = 1/4."""
    xi = np.array([[1] * 8, [1] * 4 + [-1] * 4])
    model = th.open_hopfield(xi, beta=2.0, Omega=0.6)
    result = th.evolve(model, th.pattern_state(model), [1.0], observables="m_z", method="Exact")
    assert result.expect["m_z"][0, 0] == pytest.approx(0.43598396071584505, abs=1e-9)


def test_slowest_pair_of_six_spins_in_the_cycle_phase():
    """classes: T = 1/2, Ω = 3/5."""
    spectrum = th.liouvillian_spectrum(th.open_hopfield(ONE(6), beta=2.0, Omega=0.6), 3)
    assert spectrum.eigenvalues[1] == pytest.approx(-0.281518936702 + 1.146689912761j, abs=1e-11)
    assert spectrum.eigenvalues[2] == pytest.approx(-0.281518936702 - 1.146689912761j, abs=1e-11)


def test_slowest_rate_of_six_spins_in_the_retrieval_phase():
    """classes: T = 1/2, Ω = 3/20."""
    spectrum = th.liouvillian_spectrum(th.open_hopfield(ONE(6), beta=2.0, Omega=0.15), 2)
    assert spectrum.gap == pytest.approx(0.252936845, abs=1e-9)


@pytest.mark.parametrize("method", ["Symmetric", pytest.param("Exact", marks=pytest.mark.slow)])
def test_fluctuations_of_eight_spins(method):
    """classes: N ⟨m²⟩ = 1.749 in the steady state at T = 3/2, Ω = 3/10."""
    model = th.open_hopfield(ONE(8), beta=2 / 3, Omega=0.3)
    steady = th.steady_state(model, observables="overlap_moments", method=method)
    assert 8 * steady.expect["overlap_moments"][0, 1] == pytest.approx(1.749, abs=5e-4)


@pytest.mark.parametrize(
    ("T", "u"),
    [(0.2, 0.9999091217152325), (0.5, 0.9575040240772688), (0.8, 0.7104117834878704),
     (0.9, 0.5254295126580089)],
)  # fmt: skip
def test_root_of_the_stationarity_condition_is_a_fixed_point(T, u):
    """closed: u = tanh(u/T_eff), m = u/(1 + 8Ω²) at every Ω."""
    for Omega in (0.0, 0.23, 0.61):
        factor = 1 + 8 * Omega**2
        model = th.open_hopfield(ONE(3), beta=factor / T, Omega=Omega)
        z = u / factor
        state = th.product_state(model, bloch=[0, -4 * Omega * z, z])
        assert (
            np.abs(MeanFieldFlow(model, "thermodynamic")(0.0, MeanFieldFlow.pack(state))).max()
            < 1e-14
        )


def test_retrieval_point_is_reached():
    """closed: T = 1/2, Ω = 1/5, eigenvalues -0.4966 ± 0.4000 i: e⁻³⁰ after t = 60."""
    model = th.open_hopfield(ONE(3), beta=2.0, Omega=0.2)
    r = th.evolve(
        model, th.pattern_state(model), [60.0], observables=["m_y", "m_z"], method="MeanField"
    )
    assert r.expect["m_z"][0, 0] == pytest.approx(0.6546010457182825, abs=1e-10)
    assert r.expect["m_y"][0, 0] == pytest.approx(-0.523680836574626, abs=1e-10)


def test_retrieval_point_of_the_three_body_model_is_reached():
    """closed: n = 3, T = 1/4, Ω = 3/20, in the limit of many spins."""
    model = th.dense_hopfield(ONE(3), degree=3, beta=4.0, Omega=0.15)
    r = th.evolve(
        model, th.pattern_state(model), [80.0], observables="m_z",
        method=th.MeanField(closure="thermodynamic"),
    )  # fmt: skip
    assert r.expect["m_z"][0, 0] == pytest.approx(0.84161355994, abs=1e-10)


@pytest.mark.parametrize(
    ("Omega", "period", "y_cross", "z_max"),
    [(0.6, 5.821505375809, 0.5372875047360672, 0.6038600886617),
     (0.5, 7.392221313583, 0.5019839382522234, 0.6009738446097)],
)  # fmt: skip
def test_limit_cycle_has_its_period_and_amplitude(Omega, period, y_cross, z_max):
    """ode: T = 1/2. One turn from the crossing z = 0 upwards comes back to it."""
    model = th.open_hopfield(ONE(2), beta=2.0, Omega=Omega)
    state = th.product_state(model, bloch=[0, y_cross, 0])
    method = th.MeanField(rtol=1e-12, atol=1e-13)
    times = np.array([period / 4, period / 2, period, 2 * period])
    r = th.evolve(model, state, times, observables=["m_y", "m_z"], method=method)
    y, z = r.expect["m_y"][:, 0], r.expect["m_z"][:, 0]
    assert y[1] == pytest.approx(-y_cross, abs=1e-9)  # half a turn changes the sign
    np.testing.assert_allclose(y[2:], y_cross, atol=1e-9)
    np.testing.assert_allclose(z[1:], 0.0, atol=1e-9)
    flow = lambda t: th.evolve(model, state, [t], observables=["m_y", "m_z"], method=method).expect  # noqa: E731
    rise = lambda t: 2 * Omega * flow(t)["m_y"][0, 0] + np.tanh(2 * (z := flow(t)["m_z"][0, 0])) - z  # noqa: E731
    top = brentq(rise, 0.05 * period, 0.45 * period, xtol=1e-9)
    assert flow(top)["m_z"][0, 0] == pytest.approx(z_max, abs=1e-10)


def test_limit_cycle_is_reached():
    """ode: T = 1/2, Ω = 3/5, half-return slope 0.388: differences shrink by 1e-4 in ten turns."""
    model = th.open_hopfield(ONE(2), beta=2.0, Omega=0.6)
    times = 20 * 5.821505375809 + np.linspace(0, 5.821505375809, 401)
    state = th.product_state(model, bloch=[0, 0.1, 0.9])
    z = th.evolve(model, state, times, observables="m_z", method="MeanField").expect["m_z"][:, 0]
    k = int(np.argmax(z[1:-1])) + 1
    top = z[k] + (z[k + 1] - z[k - 1]) ** 2 / (8 * (2 * z[k] - z[k + 1] - z[k - 1]))  # a parabola
    assert top == pytest.approx(0.6038600886617, abs=1e-6)


def test_no_cycle_below_the_fold():
    """ode: T = 1/10, Ω = 3/5 < Ω_SN = 0.6308: a large swing ends at a retrieval point."""
    model = th.open_hopfield(ONE(2), beta=10.0, Omega=0.6)
    state = th.product_state(model, bloch=[0, 0.7, 0.1])
    r = th.evolve(model, state, [150.0, 160.0], observables="m_z", method="MeanField")
    z = r.expect["m_z"][:, 0]
    assert z[0] == pytest.approx(z[1], abs=1e-8)
    u = abs(z[0]) * 3.88
    assert u == pytest.approx(np.tanh(u / (0.1 * 3.88)), abs=1e-7)


def test_cat_rate_of_five_spins():
    """closed: N/(1 + e^{2βh}), T = 0.4, h = 4/5."""
    model = th.open_hopfield(ONE(5), beta=2.5)
    rates = -th.liouvillian_spectrum(model, 12).eigenvalues.real
    # the block of the cat is one-dimensional, so its rate is an eigenvalue, twice
    assert np.sum(np.abs(rates - 0.0899310498104578) < 1e-12) == 2


DARK = np.array([[1, 1, 1], [1, 1, -1]])


def lift_with_dark_state(beta, eta):
    """Return |η_k⟩⟨χ_k| with χ = √Γ₋|↑⟩ - √Γ₊|↓⟩, which annihilates Σ √π_s |s⟩."""
    up, down = (th.SqrtRate(th.GlauberRate(beta, sign)) for sign in (1, -1))
    J = th.hebb(DARK)
    if eta == "+y":  # (|↑⟩ + i|↓⟩)/√2
        c = 2**-0.5
        amplitudes = {
            "up": th.ScaledRate(c, down), "-": th.ScaledRate(1j * c, down),
            "+": th.ScaledRate(-c, up), "down": th.ScaledRate(-1j * c, up),
        }  # fmt: skip
    else:  # √Γ₊|↑⟩ + √Γ₋|↓⟩
        gamma = th.GlauberRate(beta, 1)
        both = lambda h: np.sqrt(gamma(h) * (1 - gamma(h)))  # noqa: E731
        amplitudes = {
            "up": both, "-": th.GlauberRate(beta, -1),
            "+": th.ScaledRate(-1.0, gamma),
            "down": th.ScaledRate(-1.0, th.ChebyshevRate.fit(both, 1.0)),
        }  # fmt: skip
    return th.Model(th.spins(3), 0.0, [th.FieldJump(k, amplitudes, J[k]) for k in range(3)])


@pytest.mark.parametrize(("eta", "gap"), [("psi", 0.187449793), ("+y", 0.153057540)])
def test_lift_with_a_pure_dark_state(eta, gap):
    """brute: N = 3, β = 1.1; field jumps with four operators and complex amplitudes."""
    model = lift_with_dark_state(1.1, eta)
    weights = np.exp(-1.1 * th.energy(th.hebb(DARK), configurations(3)))
    psi = np.sqrt(weights / weights.sum())
    steady = th.steady_state(model)
    np.testing.assert_allclose(steady.state.rho, np.outer(psi, psi), atol=1e-10)
    assert steady.gap == pytest.approx(gap, abs=1e-9)
    glauber = th.liouvillian_spectrum(th.open_hopfield(DARK, beta=1.1), 2)
    assert glauber.gap == pytest.approx(0.374899586, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 10])
def test_slowest_rates_of_more_spins(n):
    """classes: T = 1/2, Ω = 3/20, N = 10; between N = 6 and 10 the gap falls monotonically."""
    gap = th.liouvillian_spectrum(th.open_hopfield(ONE(n), beta=2.0, Omega=0.15), 2).gap
    if n == 10:
        assert gap == pytest.approx(0.128064660, abs=1e-9)
    else:
        assert 0.128064660 < gap < 0.252936845
