"""evolve, compare, estimate: what the verbs promise beyond the physics."""

import numpy as np
import pytest

import tnhop as th
from zoo import ZOO, tilted

MODEL = ZOO["open_hopfield: Hebb"]
STATE = tilted(MODEL)


def test_callback_sees_every_output_time():
    seen = []
    th.evolve(
        MODEL, STATE, [0.0, 0.5, 2.0], method="Exact",
        callback=lambda snapshot: seen.append((snapshot.time, bool(snapshot.values))),
    )  # fmt: skip
    assert [t for t, has_values in seen if has_values] == [0.0, 0.5, 2.0]
    assert [t for t, _ in seen] == sorted(t for t, _ in seen)


@pytest.mark.parametrize("method", ["Exact", "MeanField"])
def test_states_are_kept_on_request(method):
    r = th.evolve(MODEL, STATE, [0.0, 0.5, 2.0], method=method, save_states=True)
    assert len(r.states) == 3
    for k, state in enumerate(r.states):
        z = state.expect([th.sigma("z")(i) for i in range(3)]).real
        np.testing.assert_allclose(z, r.expect["sigma_z"][k], atol=1e-12)
    assert th.evolve(MODEL, STATE, [0.5], method=method).states == []


@pytest.mark.parametrize("method", ["Exact", "MeanField"])
def test_time_zero_returns_the_initial_state(method):
    r = th.evolve(MODEL, STATE, [0.0], method=method)
    np.testing.assert_allclose(r.expect["sigma_z"][0], STATE.bloch[:, 2], atol=1e-14)
    assert r.final_state is not None


def test_automatic_method_announces_itself_and_its_cost(capsys):
    r = th.evolve(MODEL, STATE, [0.5])
    assert isinstance(r.method, th.Exact)
    assert "Method `Exact` chosen" in capsys.readouterr().err


def test_named_method_is_silent(capsys):
    th.evolve(MODEL, STATE, [0.5], method="Exact")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_progress_bar_can_be_forced(capsys):
    th.evolve(MODEL, STATE, [0.5], method="Exact", progress=True)
    assert "Exact" in capsys.readouterr().err


def test_same_input_gives_the_same_numbers():
    runs = [th.evolve(MODEL, STATE, [0.7, 1.9], method="Exact") for _ in range(2)]
    for name in runs[0].expect:
        np.testing.assert_array_equal(runs[0].expect[name], runs[1].expect[name])


def test_estimate_bounds_memory_and_grows_with_size():
    costs = [th.estimate(th.independent_spins(n, Omega=0.3, decay=0.2)) for n in (4, 8, 12)]
    memory = [cost.memory for cost in costs]
    assert memory == sorted(memory)
    assert memory[2] >= 8 * 8 * 4**12
    assert th.estimate(MODEL, "MeanField").memory < 1e8
    assert "dimension 4^3 = 64" in str(th.estimate(MODEL))


def test_comparison_says_who_agrees():
    model = th.independent_spins(2, Omega=3 / 7, decay=1 / 3)
    state = tilted(model)
    both = th.compare(
        model, state, [0.5, 1.5], methods=[th.Exact(1e-11), th.Exact(1e-8)], observables="sigma_z"
    )
    assert "agree" in both.table()
    assert "DISAGREE" not in both.table()
    mean = th.compare(model, state, [0.5, 1.5], observables="sigma_z")
    assert "uncontrolled" in mean.table()
    # spins that do not interact stay a product
    np.testing.assert_allclose(
        mean.results[0].expect["sigma_z"], mean.results[1].expect["sigma_z"], atol=1e-9
    )


def test_quench_starts_from_the_final_state():
    first = th.evolve(MODEL, STATE, [1.0], method="Exact")
    other = th.open_hopfield(MODEL.patterns, beta=0.3, Omega=1 / 5)
    second = th.evolve(other, first.final_state, [0.0, 1.0], method="Exact", observables="sigma_z")
    np.testing.assert_allclose(second.expect["sigma_z"][0], first.expect["sigma_z"][-1], atol=1e-13)


def test_mean_field_restarts_from_its_final_state():
    straight = th.evolve(MODEL, STATE, [0.6, 1.7], method="MeanField")
    first = th.evolve(MODEL, STATE, [0.6], method="MeanField")
    second = th.evolve(MODEL, first.final_state, [1.1], method="MeanField")
    np.testing.assert_allclose(second.expect["m_z"][-1], straight.expect["m_z"][-1], atol=1e-9)


def test_interrupted_mean_field_keeps_its_times():
    def stop(snapshot):
        if snapshot.time > 0.5:
            raise KeyboardInterrupt

    with pytest.warns(th.TruncationWarning, match=r"interrupted"):
        r = th.evolve(MODEL, STATE, [0.0, 0.4, 0.8, 1.2], method="MeanField", callback=stop)
    assert len(r.times) in (2, 3)


def test_unstable_flow_says_so():
    """A mode with squeezing beyond its damping grows without bound."""
    squeeze = 2.0 * th.destroy(0) * th.destroy(0)
    model = th.Model(
        th.modes(1, fock_dim=20), squeeze + squeeze.dag(), [th.Jump(0.1 * th.destroy(0))]
    )
    with (
        pytest.raises(th.ConvergenceError, match=r"could not be integrated past t = "),
        np.errstate(all="ignore"),
    ):
        th.evolve(model, th.product_state(model, alpha=0.5), [400.0], method="MeanField")
