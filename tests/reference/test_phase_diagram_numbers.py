"""Frozen numbers of the mean-field phase diagram; see README.md of this folder for the sources."""

import numpy as np
import pytest

import tnhop as th

ROOT = 1e-9  # what the lines of cycles are known to
LINES = {
    0.0: (0.853814164277, 1.142666133133, np.inf, np.inf),
    0.1: (0.6307942746, 0.6737489267, 0.7709873074008563, 1.0606601717798212),
    0.2: (0.5025117675, 0.5154434791, 0.5542402707128340, 0.7071067811865476),
    0.5: (0.3103135767, 0.3124714370, 0.3202496005566741, 0.3535533905932738),
}
CYCLES = {  # (T, Ω): y at z = 0, period, slope of the half-return map, largest z
    (0.5, 0.6): (0.5372875047360672, 5.821505375809, 0.388338121, 0.6038600886617),
    (0.5, 0.5): (0.5019839382522234, 7.392221313583, 0.311510182, 0.6009738446097),
}


@pytest.mark.parametrize(
    "temperature",
    [t if t in (0.0, 0.5) else pytest.param(t, marks=pytest.mark.slow) for t in LINES],
)
def test_lines_of_the_channel(temperature):
    """ode: shooting with LSODA; closed for the last two; piecewise linear at T = 0."""
    channel = th.RetrievalChannel(temperature)
    fold, homoclinic, hopf, pitchfork = LINES[temperature]
    assert channel.fold == pytest.approx(fold, abs=ROOT)
    assert channel.homoclinic == pytest.approx(homoclinic, abs=ROOT)
    assert channel.hopf == pytest.approx(hopf, rel=1e-15)
    assert channel.pitchfork == pytest.approx(pitchfork, rel=1e-15)


@pytest.mark.parametrize("point", CYCLES)
def test_cycles_of_the_channel(point):
    """ode: integrated twice to 1e-11; all printed digits."""
    (cycle,) = th.RetrievalChannel(point[0]).cycles(point[1])
    y, period, slope, z_max = CYCLES[point]
    assert cycle.y == pytest.approx(y, abs=1e-12)
    assert cycle.period == pytest.approx(period, abs=1e-11)
    assert cycle.slope == pytest.approx(slope, abs=1e-9)
    assert cycle.z_max == pytest.approx(z_max, abs=1e-12)


def test_no_cycle_below_the_fold():
    """ode: T = 0.1, Ω = 0.6."""
    assert th.RetrievalChannel(0.1).cycles(0.6) == []


def test_retrieval_point_and_its_eigenvalues():
    """closed: T = 1/2, Ω = 1/5."""
    z, y = th.RetrievalChannel(0.5).retrieval(0.2)
    assert (z, y) == pytest.approx((0.6546010457182825, -0.523680836574626), abs=1e-14)
    point = th.fixed_points(th.open_hopfield([[1]], beta=2.0, Omega=0.2))[0]
    pair = point.eigenvalues[np.abs(point.eigenvalues.imag) > 0.1]
    expected = [-0.496622806626249 + 0.399985742952066j, -0.496622806626249 - 0.399985742952066j]
    np.testing.assert_allclose(pair, expected, atol=1e-10)


def test_slopes_of_the_lines_near_their_common_end():
    """ode: (8 Ω² - 1/2)/(1/T - 3/2) at T = 0.66."""
    channel = th.RetrievalChannel(0.66)
    fields = np.array([channel.fold, channel.homoclinic, channel.hopf, channel.pitchfork])
    slopes = (8 * fields**2 - 0.5) / (1 / 0.66 - 1.5)
    np.testing.assert_allclose(slopes, [0.5565, 0.5827, 0.6658, 1.0], atol=5e-5)


def test_mixtures_of_three_patterns_lose_stability():
    """closed: T_eff = 0.4597942398777858, from 4x = cosh² x (tanh 3x + tanh x).

    Other mixtures are met there, so that rounding moves the fixed point by 1e-8 and more.
    """
    xi, Omega = th.orthogonal_patterns(3, 4), 0.1

    def network(T):
        return th.open_hopfield(xi, beta=1 / T, Omega=Omega)

    z = 0.85 * np.sign(xi.sum(axis=0))
    start = th.product_state(network(0.3), bloch=np.stack([0 * z, -0.4 * z, z], axis=1))
    found = th.critical_point(network, start, 0.38, 0.46)
    assert found.value * (1 + 8 * Omega**2) == pytest.approx(0.4597942398777858, abs=1e-9)
    assert found.kind == "static"


def test_critical_coupling_of_correlated_patterns_and_unequal_modes():
    """closed: C₁₂ = 0.2, ω = (1, 1.5), δ = 1, Ω = 0.5."""
    xi = np.array([[1, 1, 1, 1, 1], [1, 1, 1, -1, -1]])

    def network(g):
        couplings = th.pattern_couplings(xi, g)
        return th.multimode_dicke(couplings, omega=[1.0, 1.5], Omega=0.5, loss=1.0, fock_dim=4)

    start = th.product_state(network(0.4), bloch=[-1.0, 0.0, 0.0])
    found = th.critical_point(network, start, 0.4, 0.6)
    assert found.value == pytest.approx(0.5357853413, abs=1e-9)


def test_stationary_states_of_the_dicke_model():
    """closed: g = 1, Ω = 1/2, ω = δ = 1."""
    model = th.multimode_dicke([[1.0]], omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
    stable, other, *rest = th.fixed_points(model)
    np.testing.assert_allclose(np.abs(stable.state.bloch[0]), [0.3125, 0, 0.9499177595981665],
                               atol=1e-10)  # fmt: skip
    assert abs(stable.state.alpha[0]) ** 2 == pytest.approx(0.721875, abs=1e-10)
    expected = [-0.006614 + 3.219051j, -0.493386 + 0.933373j]
    np.testing.assert_allclose(stable.eigenvalues[::2], expected, atol=1e-6)
    assert other.stable
    assert not any(point.stable for point in rest)
    # the normal state and its inverse, spins along the field and against it
    assert sorted(round(point.state.bloch[0, 0], 9) for point in rest) == [-1, 1]
