"""TDVP: mistakes and their sentences, small and odd models, saturation, precision, resumed runs."""

import warnings

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.chain.network.mps import MPSState
from zoo import BLOCH, MADE, PATTERNS, patterns, tilted

NETWORK = th.open_hopfield(patterns(3, 5), beta=9 / 7, Omega=3 / 7)
CAVITY = th.dicke(2, g=3 / 7, omega=8 / 7, Omega=4 / 9, loss=9 / 7, gain=1 / 9, fock_dim=6)
NAMES = ["m_z", "sigma_x", "sigma_zz"]


def evolve(model=NETWORK, times=(0.5, 1.0), observables=None, state=None, **options):
    state = tilted(model) if state is None else state
    return th.evolve(model, state, times, observables=observables, method=th.TDVP(**options))


# Mistakes.

MISTAKES = {
    "max_bond too small": ({"max_bond": 1}, "`max_bond` must be at least 2, but it is 1"),
    "max_bond in words": (
        {"max_bond": "large"},
        "`max_bond` must be an integer, but it is 'large'",
    ),
    "fractional max_bond": ({"max_bond": 8.5}, "`max_bond` must be an integer, but it is 8.5"),
    "negative cutoff": ({"cutoff": -1e-5}, "`cutoff` must be at least 0, but it is -1e-05"),
    "large cutoff": ({"cutoff": 0.5}, "`cutoff` must be at most 0.1, but it is 0.5"),
    "cutoff that is no number": ({"cutoff": np.nan}, "`cutoff` must be a finite number"),
    "no time step": ({"dt": 0.0}, "`dt` must be greater than 0, but it is 0"),
    "negative time step": ({"dt": -0.1}, "`dt` must be greater than 0, but it is -0.1"),
    "endless time step": ({"dt": np.inf}, "`dt` must be a finite number"),
    "no weight": ({"epsilon": 0.0}, "`epsilon` must be greater than 0, but it is 0"),
    "large weight": ({"epsilon": 2.0}, "`epsilon` must be at most 1, but it is 2"),
    "weight in words": ({"epsilon": "auto"}, "`epsilon` must be a real number"),
    "exact generator": ({"mpo_tolerance": 0}, "`mpo_tolerance` must be greater than 0"),
    "coarse generator": ({"mpo_tolerance": 0.5}, "`mpo_tolerance` must be at most 0.1"),
    "exact rates": ({"rate_tolerance": 0}, "`rate_tolerance` must be greater than 0"),
    "three sites": ({"sites": 3}, "`sites` must be at most 2, but it is 3"),
    "no sites": ({"sites": 0}, "`sites` must be at least 1, but it is 0"),
    "negative expansion": ({"expansion": -1}, "`expansion` must be at least 0, but it is -1"),
    "exact exponentials": ({"krylov_tolerance": 0.0}, "`krylov_tolerance` must be greater than 0"),
    "coarse exponentials": ({"krylov_tolerance": 0.1}, "`krylov_tolerance` must be at most 0.01"),
    "unknown library": ({"backend": "numpi"}, "`backend` must be one of .* Did you mean 'numpy'"),
    "unknown precision": (
        {"precision": "float16"},
        "`precision` must be one of 'float64', 'float32', but it is 'float16'",
    ),
    "device without torch": (
        {"device": "cuda"},
        "`device` must be None unless `backend` is 'torch', but it is 'cuda'",
    ),
    "companion in words": ({"companion": "no"}, "`companion` must be True, False or None"),
    "ordering of numbers in words": ({"ordering": ("a", "b")}, "`ordering` must"),
    "ordering that is a number": ({"ordering": 3}, "`ordering` must"),
}


@pytest.mark.parametrize(("options", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_arguments(options, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        th.TDVP(**options)


ORDERS = {
    "unknown word": ("class", "`ordering` must"),
    "too short": ((0, 1, 2), "`ordering` must"),
    "a site twice": ((0, 1, 2, 3, 3), "`ordering` must"),
    "a site that is not there": ((0, 1, 2, 3, 5), "`ordering` must"),
}


@pytest.mark.parametrize(("ordering", "sentence"), ORDERS.values(), ids=ORDERS.keys())
def test_order_that_does_not_fit_the_model(ordering, sentence):
    with pytest.raises(ValueError, match=sentence):
        evolve(ordering=ordering)


def test_other_verbs_are_refused():
    with pytest.raises(ValueError, match=r"TDVP` does not offer .* Use `Exact` or `Symmetric`"):
        th.liouvillian_spectrum(NETWORK, method="TDVP")
    with pytest.raises(ValueError, match=r"TEBD` does not offer .* Use `evolve` to a late time"):
        th.steady_state(NETWORK, method="TEBD")


def test_states_of_other_solvers_are_refused():
    state = th.evolve(NETWORK, tilted(NETWORK), [0.1], method="Exact").final_state
    with pytest.raises(ValueError, match=r"TDVP` cannot start from a DenseState\. Use a product"):
        evolve(state=state)


def test_state_of_another_model_is_refused():
    state = evolve(times=[0.1]).final_state
    with pytest.raises(ValueError, match="`state` must fit the model, but it has 5 spins"):
        evolve(CAVITY, state=state)


def test_observable_that_it_cannot_evaluate_is_refused():
    with pytest.raises(ValueError, match="Observable `entropy` needs `entropy`, which a MPSState"):
        evolve(observables="entropy")


@pytest.mark.parametrize(
    ("n_patterns", "beta"), [(5, 40.0), pytest.param(10, 6.0, marks=pytest.mark.slow)]
)
def test_large_generators_are_refused_with_the_number(n_patterns, beta):
    xi = th.random_patterns(n_patterns=n_patterns, n_spins=20, rng=1)
    model = th.open_hopfield(xi, beta=beta, Omega=3 / 7)
    problem = Problem(model, th.pattern_state(model), [1.0])
    reason = th.TDVP().supports(problem, "evolve")
    assert reason.startswith("Method `TDVP` would need a generator of bond ")
    assert 600 < int(reason.split("bond ")[1].split()[0]) < 10**6
    assert "Raise `mpo_tolerance` or `rate_tolerance`, or use `MeanField`." in reason
    with pytest.raises(ValueError, match="would need a generator of bond"):
        th.evolve(model, th.pattern_state(model), [1.0], method="TDVP")


def test_cost_is_predicted_without_a_run():
    problem = Problem(NETWORK, tilted(NETWORK), [1.0])
    cost = th.TDVP().estimate(problem)
    assert 0 < cost.time < 600
    assert 0 < cost.memory < 1e9


# Bonds that may not grow.


def saturated(max_bond, times=(0.5, 1.0, 1.5)):
    xi = np.resize(PATTERNS[0], (1, 8))
    model = th.open_hopfield(xi, beta=5 / 2, Omega=2 / 5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state = th.pattern_state(model, overlap=0.8)
        result = evolve(model, times, state=state, observables="m_z", max_bond=max_bond)
    found = [w for w in caught if issubclass(w.category, th.TruncationWarning)]
    return result, [str(w.message) for w in found]


def test_saturated_bond_is_told_once_and_enters_the_budget():
    free, silence = saturated(64)
    small, messages = saturated(4)
    assert silence == []
    assert len(messages) == 1
    assert messages[0].startswith("`max_bond` = 4 cut away singular values of ")
    assert "Increase `max_bond`" in messages[0]
    bars = [r.errors.sources("m_z")["truncation"] for r in (free, small)]
    assert np.all(bars[1] > 2 * bars[0])
    assert np.all(np.diff(bars[1], axis=0) > 0)


@pytest.mark.parametrize("sites", [1, 2])
def test_bonds_stay_below_max_bond(sites):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = evolve(max_bond=6, sites=sites)
    assert result.stats["largest_bond"] <= 6
    assert max(result.final_state.bond_dims) <= 6


# Precision.


@pytest.mark.parametrize("sites", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_single_precision(sites):
    xi = np.resize(PATTERNS[0], (1, 8))
    model = th.open_hopfield(xi, beta=5 / 2, Omega=2 / 5)
    state = th.pattern_state(model, overlap=0.8)
    options = {"observables": ["m_y", "m_z", "sigma_zz"], "state": state, "sites": sites}
    one, other = (evolve(model, [0.5, 1.5], precision=p, **options) for p in ("float64", "float32"))
    for name, values in one.expect.items():
        np.testing.assert_allclose(other.expect[name], values, rtol=0, atol=1e-3)
    assert other.stats["trace_defect"] < 1e-4
    assert {A.dtype for A in other.final_state.tensors} == {np.dtype(np.float32)}
    assert other.stats["largest_bond"] <= one.stats["largest_bond"] + 4


# Runs that were interrupted.


SMALL = th.open_hopfield(patterns(2, 4), beta=9 / 7, Omega=3 / 7, longitudinal=2 / 9)
RUNS = {
    "one site": (SMALL, {}), "two sites": (SMALL, {"sites": 2}), "modes": (CAVITY, {}),
    "saturated": (SMALL, {"max_bond": 4}), "float32": (SMALL, {"precision": "float32"}),
}  # fmt: skip


QUICK_RUNS = {name: RUNS[name] for name in ("one site", "two sites", "modes")}
SLOW_RUNS = [pytest.param(*RUNS[name], marks=pytest.mark.slow) for name in ("saturated", "float32")]


def assert_same(old, new):
    assert new.time == old.time
    assert new.stats == old.stats
    assert list(new.values) == list(old.values)
    for name, values in old.values.items():
        np.testing.assert_array_equal(new.values[name], values)
        for source, bar in old.errors[name].items():
            np.testing.assert_array_equal(new.errors[name][source], bar)
    assert (new.state is None) == (old.state is None)
    for A, B in zip(new.state.tensors, old.state.tensors, strict=True) if old.state else ():
        np.testing.assert_array_equal(A, B)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
@pytest.mark.parametrize(("model", "options"), [*QUICK_RUNS.values(), *SLOW_RUNS], ids=[*RUNS])
def test_resumed_run_is_bit_identical(model, options):
    """From every third snapshot, heartbeats too, and after the whole run has ended."""
    method = th.TDVP(dt=0.3, **options)
    observables = tuple(model.select([n for n in NAMES if n != "sigma_zz" or model.n_spins > 2]))
    problem = Problem(model, tilted(model), [0.0, 0.5, 2.0], observables)
    snapshots = list(method.evolve(problem))
    assert sum(not s.values for s in snapshots) > 4
    for k in range(0, len(snapshots) - 1, 3):
        again = list(method.evolve(problem, carry=snapshots[k].carry))
        assert len(again) == len(snapshots) - k - 1
        for old, new in zip(snapshots[k + 1 :], again, strict=True):
            assert_same(old, new)


# Small and odd models.


@pytest.mark.parametrize("sites", [1, 2])
def test_mode_alone(sites):
    model = MADE["damped_mode: driven"]
    names = ["occupation", "alpha"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        found = evolve(model, [0.5, 2.0], names, sites=sites)
        exact = th.evolve(model, tilted(model), [0.5, 2.0], observables=names, method="Exact")
    for name in names:
        np.testing.assert_allclose(found.expect[name], exact.expect[name], rtol=0, atol=1e-6)
    assert 0 < found.stats["fock_tail"] < 0.1


ONE_SPIN = {
    "driven and damped": th.independent_spins(1, Omega=3 / 7, decay=3 / 8, longitudinal=1 / 5),
    "field along z": th.Model(th.spins(1), 0.5 * th.sigma("z")(0)),
    "dephasing": th.Model(th.spins(1), 0.0, [th.Jump(0.5 * th.sigma("z")(0))]),
    "nothing": th.Model(th.spins(1), 0.0),
}


@pytest.mark.parametrize("sites", [1, 2])
@pytest.mark.parametrize("model", ONE_SPIN.values(), ids=ONE_SPIN.keys())
def test_one_spin(model, sites):
    names = ["sigma_x", "sigma_y", "sigma_z"]
    found = evolve(model, [0.0, 0.5, 2.0], names, sites=sites)
    exact = th.evolve(model, tilted(model), [0.0, 0.5, 2.0], observables=names, method="Exact")
    for name in names:
        np.testing.assert_allclose(found.expect[name], exact.expect[name], rtol=0, atol=1e-5)
        gap = np.abs(found.expect[name] - exact.expect[name])
        assert (gap <= found.errors[name] + exact.errors[name] + 1e-9).all()


@pytest.mark.parametrize("sites", [1, 2])
def test_spins_on_which_nothing_acts(sites):
    model = th.Model(th.spins(3), 0.5 * th.sigma("z")(0) * th.sigma("z")(2))
    names = ["sigma_x", "sigma_y", "sigma_z"]
    found = evolve(model, [1.0], names, sites=sites, dt=0.1)
    exact = th.evolve(model, tilted(model), [1.0], observables=names, method="Exact")
    for name in names:
        np.testing.assert_allclose(found.expect[name], exact.expect[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", [NETWORK, CAVITY], ids=["spins", "mode"])
def test_start_time_alone(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        result = evolve(model, [0.0], ["sigma_x", "sigma_y", "sigma_z"])
    for k, name in enumerate(["sigma_x", "sigma_y", "sigma_z"]):
        np.testing.assert_allclose(result.expect[name][0], BLOCH[: model.n_spins, k], atol=1e-14)
        for source, width in result.errors.sources(name).items():
            if source != "fock_tail":  # the coherent start has a tail
                np.testing.assert_array_equal(width, 0)
    assert result.stats["steps"] == 0
    assert isinstance(result.final_state, MPSState)


def test_heartbeats_carry_no_values():
    problem = Problem(NETWORK, tilted(NETWORK), [0.0, 1.0], tuple(NETWORK.select("m_z")))
    snapshots = list(th.TDVP(dt=0.25).evolve(problem))
    times = [s.time for s in snapshots]
    assert times == sorted(times)
    assert [s.time for s in snapshots if s.values] == [0.0, 1.0]
    steps = [s.stats["steps"] for s in snapshots]
    assert steps == sorted(steps)
    assert set(steps) == set(range(steps[-1] + 1))


def test_late_output_time_takes_even_steps():
    problem = Problem(NETWORK, tilted(NETWORK), [2.05], tuple(NETWORK.select("m_z")))
    times = np.array([0.0, *(s.time for s in th.TDVP(dt=0.2).evolve(problem))])
    assert np.diff(times).max() <= 0.2 * (1 + 1e-12)
    assert np.diff(times)[-1] > 0.1
