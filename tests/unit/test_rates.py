"""Rates as functions of the field."""

import numpy as np
import pytest

import tnhop as th
from zoo import PATTERNS

H = np.linspace(-3, 3, 61)


@pytest.mark.parametrize("beta", [0.0, 3 / 7, 13 / 7, 40.0])
def test_glauber_rates_add_to_one_and_balance(beta):
    up, down = th.GlauberRate(beta, +1)(H), th.GlauberRate(beta, -1)(H)
    np.testing.assert_allclose(up + down, 1, rtol=1e-15)
    np.testing.assert_allclose(up * np.exp(-beta * H), down * np.exp(beta * H), rtol=1e-12)
    np.testing.assert_allclose(up - down, np.tanh(beta * H), atol=1e-15)


def test_glauber_rate_does_not_overflow():
    assert th.GlauberRate(1e6, +1)(np.array([-1e3, 1e3])).tolist() == [0.0, 1.0]


def test_zero_temperature_decides_by_sign_with_ties_at_one_half():
    rate = th.GlauberRate(np.inf, +1)
    assert rate(np.array([-0.2, -1e-30, 0.0, 1e-30, 0.2])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert not rate.smooth
    assert not th.SqrtRate(rate).smooth


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e12])
def test_rounding_decides_no_tie_of_a_field_jump_in_any_unit(scale):
    """0.1 + 0.2 - 0.3 is 5.6e-17; a field of 1e-11 of the largest one is a field."""
    weights = scale * np.array([0.0, 0.1, 0.2, -0.3])
    jump = th.FieldJump(0, {"+": th.GlauberRate(np.inf, +1), "-": th.ConstantRate(0.2)}, weights)
    (_, rate), (_, constant) = jump.functions
    sums = np.array([0.1 * scale + 0.2 * scale - 0.3 * scale, 1e-11 * scale, -1e-11 * scale])
    assert rate(sums).tolist() == [0.5, 1.0, 0.0]
    assert constant is jump.amplitudes[1][1]


@pytest.mark.parametrize("degree", [2, 3, 4, 7])
def test_dense_rate_is_the_glauber_rate_at_half_the_energy_cost(degree):
    n, k, beta = 6, 2, 9 / 7
    xi, s = PATTERNS[:, :n], PATTERNS[1, :n][::-1].astype(float)
    others = (xi * s).sum(axis=1) / n - xi[:, k] * s[k] / n
    energy = lambda spin: -n / degree * ((others + xi[:, k] * spin / n) ** degree).sum()  # noqa: E731
    h = (energy(-1) - energy(1)) / 2
    rate = th.DenseGlauberRate(beta, +1, degree, tuple(xi[:, k]), 1 / n)
    assert rate(*others) == pytest.approx(1 / (1 + np.exp(-2 * beta * h)), rel=1e-13)


def test_dense_rate_becomes_a_power_of_the_overlaps():
    rate = th.DenseGlauberRate(9 / 7, -1, 3, (1, -1), 1 / 50)
    m = np.array([0.3, -0.7])
    limit = 1 / (1 + np.exp(2 * 9 / 7 * (m[0] ** 2 - m[1] ** 2)))
    assert rate.thermodynamic()(*m) == pytest.approx(limit, rel=1e-13)
    assert rate(*m) == pytest.approx(limit, abs=1e-3)


def test_fit_measures_its_error_between_the_nodes():
    function = lambda h: 1.2 + np.sin(2.3 * h)  # noqa: E731
    for tolerance in (1e-3, 1e-6, 1e-10):
        rate = th.ChebyshevRate.fit(function, 2.0, tolerance=tolerance)
        h = np.random.default_rng(1).uniform(-2, 2, 5000)
        measured = np.abs(rate(h) - function(h)).max()
        assert measured <= 1.05 * rate.max_error + 1e-15
        assert rate.max_error <= tolerance * 2.2


def test_fit_needs_few_terms_for_smooth_functions():
    assert len(th.ChebyshevRate.fit(lambda h: 1 + h**2, 1.5).coefficients) == 9


def test_signed_fit_allows_negative_values():
    rate = th.ChebyshevRate.fit(lambda h: h, 1.0, signed=True)
    assert rate(-0.5) == pytest.approx(-0.5, abs=1e-14)


def test_error_of_an_amplitude_follows_from_that_of_its_rate():
    coarse = th.ChebyshevRate.fit(lambda h: 1.01 + np.sin(3 * h), 2.0, tolerance=1e-4)
    amplitude = th.SqrtRate(coarse)
    h = np.linspace(-2, 2, 999)
    measured = np.abs(amplitude(h) - np.sqrt(1.01 + np.sin(3 * h))).max()
    assert 0 < measured <= amplitude.max_error
    assert th.ScaledRate(-2j, amplitude).max_error == pytest.approx(2 * amplitude.max_error)


def test_scaled_rate_multiplies():
    rate = th.ScaledRate(0.3 - 0.4j, th.GlauberRate(2.0, 1))
    np.testing.assert_allclose(rate(H), (0.3 - 0.4j) * th.GlauberRate(2.0, 1)(H), rtol=1e-15)


def test_constant_rate_ignores_fields():
    rate = th.ConstantRate(0.7)
    assert rate.n_fields == 0
    np.testing.assert_array_equal(rate(H, H), np.full(H.shape, 0.7))


def test_negative_constant_is_refused():
    with pytest.raises(ValueError, match=r"`value` must be at least 0, but it is -1"):
        th.ConstantRate(-1.0)
