"""TEBD against Exact, Symmetric and TDVP: every model, orders in the step, error budgets."""

from functools import cache

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.steps.tebd_step import half_step
from zoo import ZOO, everything, gaussian_couplings, patterns, tilted

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # few levels on purpose

FULL = {"max_bond": 600, "cutoff": 1e-13, "mpo_tolerance": 1e-9, "rate_tolerance": 1e-7}
BLOCH = ["sigma_x", "sigma_y", "sigma_z"]
TIME = 0.24


def offered(model):
    """Return the names of the standard observables that an MPSState can evaluate.

    Without g², the ratio of two of them: it errs by 1/n² as much.
    """
    chosen = model.select([name for name in everything(model) if name != "g2"])
    return [o.name for o in chosen if not o.functional or hasattr(MPSState, o.functional.name)]


def largest(result, reference):
    """Return the largest distance of all observables at all times."""
    return max(float(np.abs(v - reference.expect[n]).max()) for n, v in result.expect.items())


@cache
def exact(name, time=TIME):
    model = ZOO[name]
    options = {"observables": offered(model), "method": th.Exact(1e-13)}
    return th.evolve(model, tilted(model), [time], **options)


def by_tebd(name, dt, time=TIME, **options):
    model = ZOO[name]
    method = th.TEBD(dt=dt, epsilon=0.6, adaptive=False, **FULL | options)
    return th.evolve(model, tilted(model), [time], observables=offered(model), method=method)


SUPPORTED = [
    name for name, m in ZOO.items() if th.TEBD().supports(Problem(m, tilted(m), [0.0])) is None
]


def test_all_models_but_those_of_many_body_terms_are_supported():
    assert set(ZOO) - set(SUPPORTED) == {
        "unseen: random terms", "unseen: spin-mode terms",
        "classical_dicke: opposite spins flip together",
    }  # fmt: skip


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_model_without_truncation(name):
    """The error is that of the time step: of second order, and below 1e-6 where dt is small."""
    result, coarse = by_tebd(name, 0.01), by_tebd(name, 0.02)
    errors = [largest(r, exact(name)) for r in (coarse, result)]
    # by Richardson's combination what is left is the fourth order: the sign of every term is right
    combined = max(
        float(np.abs((4 * result.expect[n] - v) / 3 - exact(name).expect[n]).max())
        for n, v in coarse.expect.items()
    )
    assert combined < 1e-6
    assert errors[1] < 1e-4
    if errors[1] > 1e-7:
        assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    assert result.stats["trace_defect"] < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", SUPPORTED)
def test_every_model_at_small_steps(name):
    assert largest(by_tebd(name, 0.002, 0.08), exact(name, 0.08)) < 1e-6


@pytest.mark.parametrize("name", ["long_range_ising: power law", "dicke: with gain"])
def test_fourth_order(name):
    steps, time = [0.05, 0.025, 0.0125], 0.4
    results = [by_tebd(name, dt, time, order=4) for dt in steps]
    errors = [largest(result, exact(name, time)) for result in results]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(4, abs=0.3), errors


def test_fourth_order_is_refused_for_field_jumps_and_stiff_modes():
    model = th.open_hopfield(patterns(2, 4), beta=2.0, Omega=0.3)
    with pytest.raises(ValueError, match="no fourth order for field jumps"):
        th.evolve(model, tilted(model), [0.1], method=th.TEBD(order=4))
    stiff = th.dicke(2, g=0.5, omega=30.0, Omega=0.5, loss=1.0, fock_dim=6)
    with pytest.raises(ValueError, match="only where dt resolves the modes"):
        th.evolve(stiff, tilted(stiff), [0.1], method=th.TEBD(order=4))
    with pytest.raises(ValueError, match="`order` must be 2 or 4, but it is 3"):
        th.TEBD(order=3)


# Default settings: accuracy, budget, the other engine.


def case(name):
    """Return model, start and method of a case."""
    if name == "Gaussian":
        couplings = gaussian_couplings(6)
        model = th.open_hopfield(patterns(1, 6), beta=5 / 4, Omega=2 / 7, couplings=couplings)
    elif name == "three patterns":
        model = th.open_hopfield(patterns(3, 6), beta=7 / 5, Omega=3 / 7)
    elif name == "Dicke":
        model = th.dicke(3, g=3 / 5, omega=1.0, Omega=1 / 2, loss=1.0, gain=1 / 10, fock_dim=5)
    else:
        model = th.hebbian_ising(patterns(2, 6), Omega=1 / 2, decay=1 / 2, pumping=1 / 10)
    return model, tilted(model)


CASES = [
    pytest.param("Gaussian", marks=pytest.mark.slow),
    pytest.param("three patterns", marks=pytest.mark.slow),
    "Dicke",
    "two patterns",
]


@pytest.mark.parametrize("name", CASES)
def test_true_error_is_inside_the_budget(name):
    """Nearly all components at all times, and the others are not far outside."""
    model, start = case(name)
    options = {"observables": [*BLOCH, "sigma_zz", "energy"]}
    times = [0.5, 1.0, 2.0]
    result = th.evolve(model, start, times, method=th.TEBD(cutoff=1e-4), **options)
    reference = th.evolve(model, start, times, method=th.Exact(1e-11), **options)
    ratios = []
    for observable, values in result.expect.items():
        sources = result.errors.sources(observable)
        bar = sum(width for source, width in sources.items() if source != "fock_tail")
        error = np.abs(values - reference.expect[observable])
        ratios.append(np.ravel(error / (bar + 1e-9)))
        assert error.max() < 3e-3, observable
    ratios = np.concatenate(ratios)
    assert np.mean(ratios <= 1) >= 0.9  # 95 % over many problems: studies/validation/calibration
    assert ratios.max() < 4


def agree(model, start, times, tebd, tdvp):
    """Compare the two engines within their budgets."""
    options = {"observables": ["m_x", "m_y", "m_z"]}
    a, b = (th.evolve(model, start, times, method=method, **options) for method in (tebd, tdvp))
    for name, values in a.expect.items():
        bars = a.errors[name] + b.errors[name]
        assert np.all(np.abs(values - b.expect[name]) <= bars), name
        assert bars.max() < 0.1
    return a, b


@pytest.mark.slow
def test_engines_agree():
    model = th.open_hopfield(patterns(3, 8), beta=5 / 2, Omega=2 / 5)
    tebd = th.TEBD(cutoff=1e-4)
    agree(model, th.pattern_state(model, overlap=0.8), [0.5, 1.0], tebd, th.TDVP())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three patterns", "Gaussian"])
def test_engines_agree_for_more_spins(name):
    """20 and 16 spins are in studies/validation/engines."""
    if name == "Gaussian":
        couplings = gaussian_couplings(10)
        xi = th.random_patterns(n_patterns=1, n_spins=10, rng=3)
        model = th.open_hopfield(xi, beta=5 / 4, Omega=2 / 7, couplings=couplings)
    else:
        xi = th.random_patterns(n_patterns=3, n_spins=14, rng=7)
        model = th.open_hopfield(xi, beta=5 / 2, Omega=2 / 5)
    start = th.pattern_state(model, overlap=0.8)
    agree(model, start, [0.5, 1.0], th.TEBD(), th.TDVP(mpo_tolerance=3e-3))


def test_equal_steps_share_their_gates(monkeypatch):
    """Steps have few lengths: the longest one, halved a number of times."""
    made = []
    monkeypatch.setattr(
        "tnhop.solvers.chain.tebd.half_step",
        lambda pieces, t, *rest: made.append(t) or half_step(pieces, t, *rest),
    )
    model, start = case("two patterns")
    th.evolve(model, start, [0.3, 0.9, 2.1], method=th.TEBD(dt=0.05, cutoff=1e-3))
    assert sorted(made) == pytest.approx([0.05 / 2**k for k in (4, 3, 2, 1)])


def test_runs_go_on_from_their_carry():
    model = th.open_hopfield(patterns(3, 5), beta=7 / 5, Omega=3 / 7)
    problem = Problem(model, tilted(model), [0.2, 0.5], BLOCH)
    method = th.TEBD(cutoff=1e-4)
    whole = list(method.evolve(problem))
    rest = list(method.evolve(problem, whole[1].carry))
    for name in BLOCH:
        np.testing.assert_array_equal(rest[-1].values[name], whole[-1].values[name])
        np.testing.assert_array_equal(
            rest[-1].errors[name]["time_step"], whole[-1].errors[name]["time_step"]
        )


def test_interaction_graphs_that_fall_apart_and_single_sites():
    """No pairs at all; pairs of some sites only; one spin."""
    for sites, pairs in ((1, []), (3, []), (4, [(0, 3)]), (5, [(1, 4), (0, 2)])):
        H = th.Operator.sum(
            [0.4 * th.sigma("x")(k) + 0.3 * th.sigma("y")(k) for k in range(sites)]
            + [0.7 * th.sigma("z")(i) * th.sigma("y")(j) for i, j in pairs]
        )
        jumps = [th.Jump(0.6 * th.sigma("-")(k)) for k in range(sites)]
        model = th.Model(th.spins(sites), H, jumps)
        options = {"observables": BLOCH}
        a = th.evolve(model, tilted(model), [0.5], method=th.TEBD(dt=0.02), **options)
        b = th.evolve(model, tilted(model), [0.5], method="Exact", **options)
        assert largest(a, b) < 3e-5
