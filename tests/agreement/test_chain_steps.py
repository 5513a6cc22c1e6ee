"""Steps of chains: whatever the rates, the output times and the stops, values and bars hold.

Every kind is drawn at random; the truth is `Exact`, or the same run without what is tested.
"""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
METHODS = [th.TDVP(), th.TEBD()]
OTHER = th.TDVP(companion=True)
SEEDS = [0, pytest.param(1, marks=pytest.mark.slow)]


def couplings(n, rng):
    J = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.7)
    np.fill_diagonal(J, 0.0)
    return J


def network(rng, n=4, Omega=None):
    """Return an asymmetric network and a tilted start."""
    Omega = rng.uniform(0.1, 1.0) if Omega is None else Omega
    model = th.open_hopfield(
        np.ones((1, n), int), beta=rng.uniform(0.3, 3), Omega=Omega, couplings=couplings(n, rng)
    )
    return model, th.product_state(model, bloch=tilted(rng, n))


def tilted(rng, n):
    v = rng.normal(size=(n, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True) * rng.uniform(0.3, 1.0, (n, 1))


def damped_modes(rng, loss):
    """Return two spins with one lossy mode, of negative or positive detuning."""
    model = th.dicke(
        2, g=rng.uniform(0.3, 1.5), omega=rng.uniform(-2, 2), Omega=rng.uniform(0.2, 1),
        loss=loss, fock_dim=4,
    )  # fmt: skip
    return model, th.pattern_state(model, overlap=rng.uniform(-1, 1))


def dephased(rng, rate):
    """Return three spins in a field, one of which is dephased."""
    s = th.sigma
    H = rng.uniform(0.2, 1) * s("z")(0) * s("z")(1) + rng.uniform(0.2, 1) * s("x")(1) * s("y")(2)
    H = H + th.Operator.sum([rng.normal() * s("x")(k) for k in range(3)])
    model = th.Model(th.spins(3), H, [th.Jump(rate**0.5 * s("z")(1)), th.Jump(0.6 * s("-")(2))])
    return model, th.product_state(model, bloch=tilted(rng, 3))


def is_inside(result, truth, share=0.95):
    """Return whether the share of errors that lie inside their bars is large enough."""
    inside = []
    for o in result.observables:
        error = np.abs(result.expect[o.name] - truth.expect[o.name]).ravel()
        inside += list(error <= result.errors[o.name].ravel() + truth.errors[o.name].ravel())
        assert (error <= 3 * result.errors[o.name].ravel() + 1e-9).all(), o.name
    return np.mean(inside) >= share


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", METHODS, ids=["TDVP", "TEBD"])
@pytest.mark.parametrize(
    "largest", [200.0, pytest.param(1e4, marks=pytest.mark.slow)], ids=["damped", "overdamped"]
)
def test_strong_damping_is_right_or_refused(largest, method, seed):
    rng = np.random.default_rng([seed, 31])
    loss = 10 ** rng.uniform(1.3, np.log10(largest))
    for model, state in (damped_modes(rng, loss), dephased(rng, min(loss, 300.0))):
        times = np.sort(rng.uniform(0.02, 1.0, 4))
        names = ["sigma_x", "sigma_y", "sigma_z"]
        truth = th.evolve(model, state, times, observables=names, method="Exact")
        assert is_inside(th.evolve(model, state, times, observables=names, method=method), truth)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", METHODS, ids=["TDVP", "TEBD"])
@pytest.mark.parametrize(
    "largest", [30.0, pytest.param(300.0, marks=pytest.mark.slow)], ids=["strong", "stronger"]
)
def test_strong_fields_are_right(largest, method, seed):
    rng = np.random.default_rng([seed, 32])
    model, state = network(rng, 3, Omega=10 ** rng.uniform(0.5, np.log10(largest)))
    times = np.sort(rng.uniform(0.01, 0.5, 5))
    names = ["sigma_x", "sigma_y", "sigma_z"]
    truth = th.evolve(model, state, times, observables=names, method="Exact")
    assert is_inside(th.evolve(model, state, times, observables=names, method=method), truth)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", METHODS, ids=["TDVP", "TEBD"])
def test_values_and_steps_do_not_depend_on_other_times(method, seed):
    rng = np.random.default_rng([seed, 33])
    model, state = network(rng)
    few = np.sort(rng.uniform(0.0, 1.0, 4))
    many = np.unique(np.concatenate([few, rng.uniform(0.0, few[-1], 60)]))
    one, other = (
        th.evolve(model, state, times, observables=["sigma_z", "sigma_zz"], method=method)
        for times in (few, many)
    )
    at = np.searchsorted(many, few)
    for name in ("sigma_z", "sigma_zz"):
        assert np.array_equal(one.expect[name], other.expect[name][at])
        np.testing.assert_array_equal(one.errors[name], other.errors[name][at])
    assert other.stats["steps"] == one.stats["steps"]


@pytest.mark.parametrize("seed", SEEDS)
def test_states_inside_of_steps_have_the_values_that_are_interpolated(seed):
    rng = np.random.default_rng([seed, 34])
    model, state = network(rng)
    times = np.sort(rng.uniform(0.0, 2.0, 6))
    names = ["sigma_z", "sigma_y", "purity"]
    result = th.evolve(model, state, times, observables=names, method="TDVP", save_states=True)
    truth = th.evolve(model, state, times, observables=names, method="Exact")
    for name in names[:2]:
        o = next(o for o in result.observables if o.name == name)
        for k, kept in enumerate(result.states):
            gap = np.abs(kept.expect(o.operators).real - result.expect[name][k])
            assert (gap <= result.errors[name][k]).all()
    np.testing.assert_allclose(result.expect["purity"], truth.expect["purity"], rtol=1e-3)


@pytest.mark.parametrize(
    "method",
    [th.TDVP(), *(pytest.param(m, marks=pytest.mark.slow) for m in (th.TEBD(), OTHER))],
    ids=["TDVP", "TEBD", "companion"],
)
def test_a_run_goes_on_from_every_snapshot_with_the_same_bits(method):
    """Also from outputs within a step."""
    rng = np.random.default_rng(35)
    model, state = network(rng, 3)
    times = [0.0, 0.011, 0.3, 0.31, 0.32, 0.9]
    problem = Problem(model, state, times, ["sigma_z", "purity"])
    snapshots = list(method.evolve(problem))
    outputs = [s for s in snapshots if s.values]
    for k, snapshot in enumerate(snapshots[:-1]):
        done = sum(bool(s.values) for s in snapshots[: k + 1])
        rest = [s for s in method.evolve(problem, snapshot.carry) if s.values]
        assert len(rest) == len(outputs) - done
        for again, before in zip(rest, outputs[done:], strict=True):
            assert again.time == before.time
            for name, value in before.values.items():
                assert np.array_equal(again.values[name], value)
                for source, bar in before.errors[name].items():
                    np.testing.assert_array_equal(again.errors[name][source], bar)
    assert rest[-1].stats["steps"] == outputs[-1].stats["steps"]


@pytest.mark.parametrize("method", METHODS, ids=["TDVP", "TEBD"])
def test_a_state_that_does_not_change_any_more_costs_nothing(method):
    rng = np.random.default_rng(36)
    decay, Omega = rng.uniform(0.5, 1.5, 2), rng.uniform(0.2, 0.8, 2)
    model = th.independent_spins(2, Omega=Omega, decay=decay)
    state = th.product_state(model, spins=[1, 1])
    result = th.evolve(model, state, [1.0, 1e6], observables="sigma_z", method=method)
    truth = -1 / (1 + 8 * Omega**2 / decay**2)  # docs/physics.md section 10
    error = np.abs(result.expect["sigma_z"][-1] - truth)
    assert (error <= result.errors["sigma_z"][-1]).all()
    assert (error < 1e-3).all()
    assert result.stats["steps"] < 2000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", [th.TDVP(max_bond=6), th.TEBD(max_bond=6)], ids=["TDVP", "TEBD"])
def test_a_restart_reports_the_bar_of_one_run(method, seed):
    rng = np.random.default_rng([seed, 37])
    model, state = network(rng, 5)
    names, (first, last) = ["sigma_z", "sigma_y"], np.sort(rng.uniform(0.3, 2.0, 2))
    one = th.evolve(model, state, [first, last], observables=names, method=method)
    begun = th.evolve(model, state, [first], observables=names, method=method)
    then = th.evolve(
        model, begun.final_state, [0.0, last - first], observables=names, method=method
    )
    for name in names:
        np.testing.assert_allclose(then.errors[name][0], begun.errors[name][-1])
        np.testing.assert_allclose(begun.errors[name][-1], one.errors[name][0])
        ratios = then.errors[name][-1] / one.errors[name][-1]
        assert np.median(ratios) == pytest.approx(1.0, abs=0.2)
        # the restart cuts bonds once more: that of TEBD counts among few steps
        assert np.abs(ratios - 1).max() < (0.2 if isinstance(method, th.TDVP) else 0.4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", [th.TDVP(max_bond=5), th.TEBD(max_bond=5)], ids=["TDVP", "TEBD"])
def test_errors_of_the_start_count_after_a_quench(method, seed):
    rng = np.random.default_rng([seed, 38])
    before, state = network(rng, 4)
    after = th.open_hopfield(np.ones((1, 4), int), beta=0.7, Omega=1.3, couplings=couplings(4, rng))
    names, times = ["sigma_z", "sigma_y"], [0.0, 0.05, 0.4]
    begun, exact = (
        th.evolve(before, state, [1.0], observables=names, method=m) for m in (method, "Exact")
    )
    then = th.evolve(after, begun.final_state, times, observables=names, method=method)
    truth = th.evolve(after, exact.final_state, times, observables=names, method="Exact")
    assert is_inside(then, truth)
    for name in names:
        np.testing.assert_allclose(then.errors[name][0], begun.errors[name][0])
        assert (then.errors.sources(name)["start"] > 0).all()


class _Stiff:
    """Engine whose long steps fail in several ways."""

    def __init__(self, engine, longest, how):
        self.engine, self.longest, self.how = engine, longest, how

    @property
    def chain(self):
        return self.engine.chain

    def copy(self):
        return _Stiff(self.engine.copy(), self.longest, self.how)

    def expand_initial_bonds(self):
        self.engine.expand_initial_bonds()

    def step(self, dt, cutoff, seed):
        tally = self.engine.step(dt, cutoff, seed)
        if dt > self.longest and self.how == "nan":
            self.engine.chain = [A * np.nan for A in self.engine.chain]
        elif dt > self.longest:
            raise self.how("array must not contain infs or NaNs")
        return tally


@pytest.mark.parametrize("how", ["nan", th.ConvergenceError, np.linalg.LinAlgError, ValueError])
def test_a_step_that_fails_becomes_shorter(how, monkeypatch):
    rng = np.random.default_rng(39)
    model, state = network(rng, 3)
    problem = Problem(model, state, [0.5], ["sigma_z"])
    setup = th.TDVP().setup(problem)
    make = setup.engine
    object.__setattr__(setup, "engine", lambda chain: _Stiff(make(chain), 0.03, how))
    monkeypatch.setattr(th.TDVP, "setup", lambda *_: setup)
    *_, last = th.TDVP().evolve(problem)
    truth = th.evolve(model, state, [0.5], observables="sigma_z", method="Exact")
    np.testing.assert_allclose(last.values["sigma_z"], truth.expect["sigma_z"][0], atol=1e-4)
    assert last.stats["steps"] >= 0.5 / 0.06
