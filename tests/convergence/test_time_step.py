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


def test_reported_error_is_what_the_tolerance_allows():
    """Times the norm of the observable, and as much of it for every decade of time."""
    model = ZOO["open_hopfield: Hebb"]
    spent = np.log(1 + model.rate_scale * TIMES) / np.log(1e6)
    for tolerance in TOLERANCES:
        result = th.evolve(
            model, tilted(model), TIMES, method=th.Exact(tolerance), observables="sigma_z"
        )
        bars = np.broadcast_to(tolerance * spent, (model.n_spins, 3)).T
        np.testing.assert_allclose(result.errors["sigma_z"], bars, rtol=1e-3, atol=1e-13)


def random_problem(rng):
    """Return a model of any rates, a start, and times before and after it has come to rest."""
    n, kind = int(rng.integers(2, 6)), rng.integers(3)
    size = lambda low, high: float(10 ** rng.uniform(low, high))  # noqa: E731
    if kind == 0:
        xi = th.random_patterns(2, n, rng=int(rng.integers(1000)))
        model = th.open_hopfield(xi, beta=size(-1, 1.5), Omega=size(-2, 1.5))
    elif kind == 1:
        model = th.independent_spins(n, Omega=size(-2, 1), decay=size(-2, 2), dephasing=size(-2, 1))
    else:
        J = rng.standard_normal((n, n))
        terms = [J[i, j] * th.sigma("x")(i) * th.sigma("y")(j) for i in range(n) for j in range(i)]
        together = sum(th.sigma("-")(k) for k in range(n))
        model = th.Model(th.spins(n), sum(terms), [th.Jump(size(-1, 1) * together)])
    bloch = rng.standard_normal((n, 3)) * [1, 1, 2]
    bloch *= rng.choice([0.7, 1.0]) / np.linalg.norm(bloch, axis=1)[:, None]
    times = np.sort(rng.uniform(0.05, 1, 4)) * 10 ** rng.uniform(-0.5, 1.5) / model.rate_scale
    return model, th.product_state(model, bloch=bloch), times


def ratios_of_bars(n_problems, seed, tolerance):
    """Return bar per error, where the error is above 1e-12, by observable; bars must cover."""
    rng, ratios = np.random.default_rng(seed), {}
    names = ["sigma_x", "sigma_z", "purity", "entropy", "renyi_entropy"]
    for _ in range(n_problems):
        model, state, times = random_problem(rng)
        truth, found = (
            th.evolve(model, state, times, observables=names, method=th.Exact(t))
            for t in (1e-13, tolerance)
        )
        for name in names:
            error = np.abs(found.expect[name] - truth.expect[name])
            bars = found.errors[name]
            assert np.all(error <= bars + truth.errors[name])
            seen = error > 1e-12
            ratios.setdefault(name, []).append(bars[seen] / error[seen])
    return {name: np.concatenate(values) for name, values in ratios.items()}


def test_bars_cover_and_follow_the_tolerance():
    ratios = np.concatenate([*ratios_of_bars(6, 5, 1e-9).values()])
    assert len(ratios) > 30
    assert np.median(ratios) < 100


@pytest.mark.slow
@pytest.mark.parametrize(("tolerance", "most"), [(1e-10, 30), (1e-9, 100), (1e-8, 300)])
def test_median_bar_of_many_problems(tolerance, most):
    ratios = np.concatenate([*ratios_of_bars(40, int(-np.log10(tolerance)), tolerance).values()])
    assert len(ratios) > 50
    assert np.median(ratios) < most


@pytest.mark.parametrize("method", ["Exact", "Symmetric", "ClassicalMaster"])
def test_very_long_times_cost_nothing_where_nothing_changes(method):
    model = th.independent_spins(2, Omega=0.3 * (method != "ClassicalMaster"), decay=0.5)
    state = th.product_state(model, spins=[1, 1])
    runs = [
        th.evolve(model, state, [0.5 * end, end], observables="sigma_z", method=method)
        for end in (1e3, 1e6)
    ]
    assert runs[1].stats["applications"] < 2 * runs[0].stats["applications"]
    expected = -0.25 / (0.25 + 8 * 0.3**2 * (method != "ClassicalMaster"))
    for run in runs:
        assert np.all(np.abs(run.expect["sigma_z"] - expected) <= run.errors["sigma_z"])
        assert run.errors["sigma_z"].max() < 1e-8


def test_slow_decay_is_not_taken_for_rest():
    """A rate far below the others still acts, however small the change per step is."""
    model = th.independent_spins(2, Omega=[0.4, 0.0], decay=[1.0, 1e-6])
    times = np.array([5e2, 1e3, 3e3])
    run = th.evolve(
        model, th.product_state(model, spins=[1, 1]), times, observables="sigma_z", method="Exact"
    )
    error = np.abs(run.expect["sigma_z"][:, 1] - (2 * np.exp(-1e-6 * times) - 1))
    assert np.all(error <= run.errors["sigma_z"][:, 1])
    assert run.errors["sigma_z"].max() < 1e-8


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
