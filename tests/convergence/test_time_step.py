"""Exact: what it reports as the error of its time steps covers the measured error, and not by too much."""

import numpy as np
import pytest

import tnhop as th
from zoo import ZOO, tilted

pytestmark = pytest.mark.filterwarnings(
    "ignore::tnhop.TruncationWarning"
)  # same levels on both sides
TIMES = np.array([0.4, 1.3, 2.9])
TOLERANCES = [1e-4, 1e-6, 1e-8, 1e-10, 1e-11]


def trusted(model):
    """Return the run with the smallest tolerance, whose own error is below 1e-12."""
    return th.evolve(model, tilted(model), TIMES, method=th.Exact(1e-13))


@pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
def test_reported_error_covers_the_measured_error(model):
    reference = trusted(model)
    for tolerance in TOLERANCES:
        result = th.evolve(model, tilted(model), TIMES, method=th.Exact(tolerance))
        for name, values in result.expect.items():
            measured = np.abs(values - reference.expect[name])
            bars = result.errors.sources(name)["time_step"]
            assert np.all(measured <= bars + reference.errors.sources(name)["time_step"])


@pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
def test_error_of_the_state_stays_below_the_tolerance(model):
    reference = trusted(model).final_state.packed
    for tolerance in TOLERANCES:
        result = th.evolve(model, tilted(model), TIMES, method=th.Exact(tolerance))
        # the propagator does not increase the trace norm; in the Frobenius norm it may, by √D
        bound = tolerance * np.sqrt(model.hilbert_dim) + 1e-12
        assert np.linalg.norm(result.final_state.packed - reference) <= bound


def test_reported_error_is_not_much_larger_than_the_tolerance():
    """Truncated tails are stopped at a quarter of the tolerance and counted four times at most."""
    model = ZOO["open_hopfield: Hebb"]
    for tolerance in TOLERANCES[:-1]:
        result = th.evolve(
            model, tilted(model), TIMES, method=th.Exact(tolerance), observables="sigma_z"
        )
        assert result.errors["sigma_z"].max() <= tolerance * np.sqrt(model.hilbert_dim)
        assert result.errors["sigma_z"].min() > 0


def test_output_times_do_not_change_the_answer():
    """Values inside a step come from the same series as its end."""
    model = ZOO["multimode_dicke: two modes"]
    few = th.evolve(model, tilted(model), [2.9], method="Exact")
    many = th.evolve(model, tilted(model), np.linspace(0, 2.9, 301), method="Exact")
    for name in few.expect:
        np.testing.assert_allclose(many.expect[name][-1], few.expect[name][-1], rtol=0, atol=1e-10)


def test_saved_states_have_the_reported_expectation_values():
    model = ZOO["unseen: spin-mode terms"]
    result = th.evolve(
        model,
        tilted(model),
        TIMES,
        method="Exact",
        save_states=True,
        observables=["sigma_y", "alpha", "purity"],
    )
    for k, state in enumerate(result.states):
        alpha = state.expect([th.destroy(2), th.destroy(3)])
        np.testing.assert_allclose(result.expect["alpha"][k], alpha, rtol=0, atol=1e-13)
        assert result.expect["purity"][k] == pytest.approx(float(state.purity()), abs=1e-13)


def test_late_and_dense_times_reach_the_steady_state():
    model = ZOO["open_hopfield: Hebb"]
    steady = th.steady_state(model, observables="m_z").expect["m_z"]
    result = th.evolve(model, tilted(model), [300.0], observables="m_z", method="Exact")
    np.testing.assert_allclose(result.expect["m_z"][-1], steady, rtol=0, atol=1e-9)


def test_error_of_a_fitted_rate_enters_the_budget():
    """A coarse series of a rate: the reported bar covers the distance to the rate itself."""
    function = lambda h: 0.5 + np.tanh(1.3 * h) / 2.1  # noqa: E731
    J = np.array([[0, 0.6, -0.5], [0.7, 0, 0.4], [-0.3, 0.8, 0]])

    def model(tolerance):
        rate = th.ChebyshevRate.fit(function, 1.2, tolerance=tolerance)
        jumps = [th.FieldJump(k, {"+": rate}, J[k]) for k in range(3)]
        return th.Model(th.spins(3), 0.4 * th.sigma("x")(1), jumps)

    fine = th.evolve(
        model(1e-13), tilted(model(1e-13)), TIMES, observables="sigma_z", method="Exact"
    )
    for tolerance in (1e-3, 1e-5, 1e-7):
        coarse_model = model(tolerance)
        coarse = th.evolve(
            coarse_model, tilted(coarse_model), TIMES, observables="sigma_z", method="Exact"
        )
        measured = np.abs(coarse.expect["sigma_z"] - fine.expect["sigma_z"])
        bars = coarse.errors.sources("sigma_z")["rates"]
        assert np.all(measured <= bars + 1e-9)
        assert bars.max() < 100 * tolerance * TIMES[-1]


def test_rates_in_closed_form_add_no_error():
    model = ZOO["open_hopfield: Hebb"]
    result = th.evolve(model, tilted(model), TIMES, method="Exact")
    assert list(result.errors.sources("m_z")) == ["time_step"]
