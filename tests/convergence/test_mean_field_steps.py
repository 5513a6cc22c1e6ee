"""MeanField: tolerance of the integrator, agreement of the integrators, accuracy of the averaged rates."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from zoo import ZOO, tilted

TIMES = np.array([0.5, 2.0, 6.0])


@pytest.mark.parametrize("name", ["open_hopfield: Hebb", "multimode_dicke: two modes"])
def test_error_follows_the_tolerance(name):
    model = ZOO[name]
    fine = th.evolve(
        model, tilted(model), TIMES, method=th.MeanField(rtol=1e-13, atol=1e-14)
    ).expect
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        method = th.MeanField(rtol=rtol, atol=rtol / 100)
        run = th.evolve(model, tilted(model), TIMES, method=method).expect
        worst = max(np.abs(run[o] - fine[o]).max() for o in fine)
        # local tolerances add up over some ten steps
        assert worst < 20 * rtol


@pytest.mark.parametrize("integrator", ["LSODA", "Radau"])
def test_integrators_agree(integrator):
    model = ZOO["open_hopfield: Hebb"]
    runs = [
        th.evolve(model, tilted(model), TIMES, observables="sigma_z", method=m).expect["sigma_z"]
        for m in (th.MeanField(), th.MeanField(integrator=integrator, rtol=1e-10, atol=1e-12))
    ]
    # LSODA keeps about two digits less than its tolerance over ten time units
    np.testing.assert_allclose(runs[0], runs[1], rtol=0, atol=1e-7)


def test_averaged_rates_are_accurate_to_what_is_reported():
    """⟨Γ(h)⟩ over a product state, summed over all configurations."""
    from zoo import configurations

    n, beta = 5, 3.0
    J = np.random.default_rng(9).standard_normal((n, n)) * (1 - np.eye(n)) / 2
    model = th.open_hopfield(np.ones((1, n), dtype=int), beta=beta, couplings=J)
    r = np.random.default_rng(1).uniform(-0.5, 0.5, (n, 3))
    flow = MeanFieldFlow(model, "product")
    change = flow(0.0, flow.pack(th.product_state(model, bloch=r))).reshape(n, 3)
    s = configurations(n)
    p = ((1 + s * r[:, 2]) / 2).prod(axis=1)
    expected = p @ np.tanh(beta * s @ J.T) - r[:, 2]
    assert flow.max_error < 1e-9
    np.testing.assert_allclose(
        change[:, 2], expected, rtol=0, atol=10 * n * max(flow.max_error, 1e-14)
    )


def test_closure_error_is_unknown_not_zero():
    model = ZOO["open_hopfield: Hebb"]
    result = th.evolve(model, tilted(model), TIMES, method="MeanField")
    assert np.isnan(result.errors["m_z"]).all()
