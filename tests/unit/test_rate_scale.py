"""The unit of rates of a model, Eqs. (81) and (82) of docs/physics.md."""

import numpy as np
import pytest

import tnhop as th


def test_an_open_hopfield_network_without_field_has_the_rate_one() -> None:
    model = th.open_hopfield(th.random_patterns(3, 7, rng=1), beta=3.0)
    np.testing.assert_allclose(model.site_rates, 1.0, rtol=1e-12)
    assert model.rate_scale == pytest.approx(1.0, rel=1e-12)


def test_terms_and_jumps_count_at_every_site_they_act_on() -> None:
    sigma = th.sigma
    collective = th.Jump(0.3 * sigma("-")(0) + 0.4 * sigma("-")(1))
    H = 0.7 * sigma("z")(0) * sigma("x")(1) - 0.2 * th.number(2)
    model = th.Model((*th.spins(2), *th.modes(1, fock_dim=9)), H, [collective])
    np.testing.assert_allclose(model.site_rates, [0.7 + 0.21, 0.7 + 0.28, 0.2], rtol=1e-14)
    assert model.rate_scale == pytest.approx((0.91 * 0.98 * 0.2) ** (1 / 3), rel=1e-14)


def test_a_model_that_does_not_change_has_the_rate_one() -> None:
    assert th.Model(th.spins(2), 0.0).rate_scale == 1.0


@pytest.mark.parametrize("power", [-40, -3, 40])
def test_all_rates_times_a_power_of_two_scale_exactly(power: int) -> None:
    def model(s: float) -> th.Model:
        return th.dicke(3, g=0.7 * s, omega=1.3 * s, Omega=0.45 * s, loss=0.9 * s, fock_dim=5)

    assert model(2.0**power).rate_scale == 2.0**power * model(1.0).rate_scale
