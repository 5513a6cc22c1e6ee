"""Bugs that were found once and must not come back."""

from __future__ import annotations

import numpy as np
import pytest

import tnhop as th


@pytest.mark.slow
def test_many_stationary_states_are_all_found():
    collective = th.Jump(sum(th.sigma("-")(k) for k in range(5)))
    drive = 0.7 * sum(th.sigma("x")(k) for k in range(5))
    model = th.Model(th.spins(5), drive, [collective])
    start = th.product_state(model, bloch=[[0.1 * k, 0.2, 0.5 - 0.1 * k] for k in range(5)])
    steady = th.steady_state(model, state=start)
    assert steady.multiplicity == 42  # 1 + 16 + 25: squares of the multiplicities of j
    late = th.evolve(model, start, [600.0], observables="sigma_z", method="Exact")
    assert np.allclose(steady.expect["sigma_z"], late.expect["sigma_z"][0], atol=1e-8)


@pytest.mark.slow
def test_degenerate_states_beyond_the_dense_path_are_all_found():
    model = th.dicke(4, g=0.6, omega=1.0, Omega=0.5, loss=1.0, fock_dim=3)
    start = th.pattern_state(model, overlap=0.5)
    with pytest.warns(th.TruncationWarning):
        steady = th.steady_state(model, state=start, observables="m_x")
    assert steady.multiplicity == 14
    with pytest.warns(th.TruncationWarning):
        late = th.evolve(model, start, [400.0], observables="m_x", method="Exact")
    assert np.allclose(steady.expect["m_x"], late.expect["m_x"][0], atol=1e-6)


def test_fock_tail_between_outputs_is_seen():
    numbers = {"omega": 1.0, "drive": 0.8, "loss": 0.3}
    model = th.damped_mode(**numbers, fock_dim=6)
    time = [2 * np.pi]  # a full turn: the mode is nearly empty again
    with pytest.warns(th.TruncationWarning, match="highest kept level"):
        result = th.evolve(model, th.product_state(model), time, method="Exact")
    exact = th.damped_mode_solution(time, **numbers)
    error = np.abs(result.expect["alpha"][0] - exact["alpha"])
    assert 0.01 < error[0] <= result.errors["alpha"][0, 0]


def test_cut_off_of_the_initial_state_is_in_the_budget():
    numbers = {"omega": 1.0, "loss": 1.0}
    model = th.damped_mode(**numbers, fock_dim=12)
    start = th.product_state(model, alpha=1.6)
    result = th.evolve(model, start, [3.0], method="Exact")
    exact = th.damped_mode_solution([3.0], 1.6, **numbers)
    error = np.abs(result.expect["alpha"][0] - exact["alpha"])
    assert 1e-8 < error[0] <= result.errors["alpha"][0, 0]


def test_fitted_amplitudes_cover_the_self_term():
    def amplitude(h):
        return np.sqrt(1 / (1 + np.exp(-6 * h)))

    weights = 0.25 * (1 - np.eye(4))
    jumps = [th.FieldJump(k, {"+": amplitude}, weights[k], self_field=0.25) for k in range(4)]
    jumps += [
        th.FieldJump(k, {"-": lambda h: amplitude(-h)}, weights[k], self_field=0.25)
        for k in range(4)
    ]
    own = th.Model(th.spins(4), 0.3 * sum(th.sigma("x")(k) for k in range(4)), jumps)
    ready = th.open_hopfield([[1, 1, 1, 1]], beta=3.0, Omega=0.3)
    start = th.product_state(own, spins=[1, 1, 1, 1])
    method = th.MeanField(closure="thermodynamic")
    a, b = (
        th.evolve(m, start, [1.0], observables="sigma_z", method=method).expect["sigma_z"]
        for m in (own, ready)
    )
    assert np.allclose(a, b, atol=1e-9)


def test_chebyshev_rate_refuses_fields_beyond_its_fit():
    rate = th.ChebyshevRate.fit(np.exp, 1.0)
    with pytest.raises(ValueError, match=r"stay inside the fitted fields \|h\| <= 1, but"):
        rate(np.array([1.2]))


@pytest.mark.parametrize("name", ["time", "model", "site", "m_z_error", "alpha_re"])
def test_observable_names_that_would_collide_are_refused(name):
    model = th.dicke(2, g=0.3, omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
    own = th.Observable(name, th.sigma("z")(0))
    with pytest.raises(ValueError, match="names that stand for nothing else"):
        model.select(["m_z", "alpha", "sigma_z", own])


def test_observables_that_label_a_dimension_differently_are_refused():
    model = th.independent_spins(4, Omega=0.3)
    ends = th.Observable("ends", [th.sigma("x")(0), th.sigma("x")(3)], dims=["site"])
    with pytest.raises(ValueError, match="agree on the labels of a dimension"):
        model.select(["sigma_z", ends])


def test_slow_decay_is_not_taken_for_none():
    steady = th.steady_state(th.independent_spins(1, decay=1e-10))
    assert steady.multiplicity == 1
    assert steady.expect["sigma_z"][0] == pytest.approx(-1.0)


def test_a_run_that_was_stopped_can_go_on():
    model = th.open_hopfield(th.random_patterns(3, 6, rng=1), beta=2.0, Omega=0.4)
    times = np.linspace(0, 40, 41)
    start = th.pattern_state(model)
    with pytest.warns(th.TruncationWarning, match="max_wall_time"):
        part = th.evolve(model, start, times, method="Exact", max_wall_time=1e-9)
    now = part.stats["final_time"]
    rest = th.evolve(model, part.final_state, [40.0 - now], method="Exact", observables="m_z")
    whole = th.evolve(model, start, times, method="Exact", observables="m_z")
    assert np.allclose(rest.expect["m_z"][-1], whole.expect["m_z"][-1], atol=1e-9)
