"""Couplings, local fields and the classical energy."""

import numpy as np
import pytest

import tnhop as th
from zoo import PATTERNS, configurations, flipped, gaussian_couplings


def test_hebb_is_symmetric_without_diagonal():
    J = th.hebb(PATTERNS)
    assert np.array_equal(J, J.T)
    assert not J.diagonal().any()
    assert J[2, 5] == pytest.approx(sum(PATTERNS[mu, 2] * PATTERNS[mu, 5] for mu in range(3)) / 8)


def test_hebb_by_patterns_differs_by_a_factor():
    np.testing.assert_allclose(th.hebb(PATTERNS, norm="Np"), th.hebb(PATTERNS) * 8 / 3)


def test_energy_is_minus_the_squared_overlaps():
    """Eq. (3)."""
    xi = PATTERNS[:, :6]
    s = configurations(6)
    expected = -3 * (th.overlaps(xi, s) ** 2).sum(axis=1) + 1.5
    np.testing.assert_allclose(th.energy(th.hebb(xi), s), expected, atol=1e-13)


def test_energy_cost_of_a_flip_is_twice_the_aligned_field():
    """Eq. (5)."""
    J = gaussian_couplings(5)
    J = J + J.T
    s = configurations(5)
    E, h = th.energy(J, s), th.local_fields(J, s)
    for i in range(32):
        for k in range(5):
            assert E[flipped(i, k, 5)] - E[i] == pytest.approx(2 * s[i, k] * h[i, k], abs=1e-13)


def test_local_field_weighs_columns_by_rows():
    """J_kj is the weight of spin j in the field of spin k."""
    J = np.array([[0, 0.5, 0], [0, 0, -0.2], [0.3, 0, 0]])
    assert th.local_fields(J, [1, 1, -1]).tolist() == [0.5, 0.2, 0.3]


def test_patterns_are_fixed_points_of_the_projection_couplings():
    xi = th.correlated_patterns(4, 30, correlation=0.3, rng=2)
    J = th.pseudo_inverse(xi)
    h = th.local_fields(J, xi)
    own = 1 - h * xi  # (J ξ)_k = ξ_k with its diagonal
    assert np.all(own > 0)
    np.testing.assert_allclose(own, np.tile(own[0], (4, 1)), atol=1e-12)


def test_projection_couplings_of_orthogonal_patterns_are_hebb():
    xi = th.orthogonal_patterns(3, 8)
    np.testing.assert_allclose(th.pseudo_inverse(xi), th.hebb(xi), atol=1e-14)


@pytest.mark.parametrize("exponent", [0.0, 3 / 2, 3.0])
def test_power_law_falls_with_distance_and_sums_to_one(exponent):
    J = th.power_law(6, exponent)
    assert J.sum(axis=1).mean() == pytest.approx(1.0)
    assert J[0, 3] / J[0, 1] == pytest.approx(3.0**-exponent)
    assert np.array_equal(J, J.T)


def test_pattern_couplings_scale_with_the_root_of_the_size():
    g = th.pattern_couplings(PATTERNS, g=0.7)
    np.testing.assert_allclose(g, 0.7 * PATTERNS / np.sqrt(8))
