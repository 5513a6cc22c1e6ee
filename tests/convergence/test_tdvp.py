"""TDVP: orders in time step and cutoff, limits that must not matter, and limits with an answer."""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.steps.tdvp_step import TDVPEngine, TDVPOptions
from zoo import PATTERNS, ZOO, patterns, tilted

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # few levels on purpose
FULL = {"max_bond": 600, "cutoff": 1e-12, "mpo_tolerance": 1e-9, "rate_tolerance": 1e-9,
        "krylov_tolerance": 1e-10, "expansion": 16}  # fmt: skip
BLOCH = ["sigma_x", "sigma_y", "sigma_z"]


def largest(result, reference):
    """Return the largest distance of all observables at all times."""
    return max(float(np.abs(v - reference.expect[n]).max()) for n, v in result.expect.items())


def network(n_spins, Omega=2 / 5):
    """Return one pattern of any number of spins."""
    xi = np.resize(PATTERNS[0], (1, n_spins))
    return th.open_hopfield(xi, beta=5 / 2, Omega=Omega)


def turned(model, bloch=(0.5, 0.3, 0.6)):
    """Return the same Bloch vector for all spins, turned with the pattern."""
    xi = model.patterns[0]
    return th.product_state(model, bloch=np.stack([0 * xi + bloch[0], *np.outer(bloch[1:], xi)], 1))


# Time step.

MIXED = ["dicke: with gain", pytest.param("unseen: spin-mode terms", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", MIXED)
def test_errors_fall_with_the_square_of_the_step(name):
    """From a product state: first steps are cut short in proportion to all others."""
    model = ZOO[name]
    options = {"observables": [*BLOCH, "sigma_zz", "occupation", "alpha"]}
    exact = th.evolve(model, tilted(model), [1.0], method=th.Exact(1e-13), **options)
    steps, errors = [0.2, 0.1, 0.05, 0.025], []
    for dt in steps:
        method = th.TDVP(dt=dt, adaptive=False, **FULL | {"expansion": 4})
        errors.append(
            largest(th.evolve(model, tilted(model), [1.0], method=method, **options), exact)
        )
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.2), errors
    assert errors[0] < 1e-5


def correlated(n_spins, time=0.4, epsilon=0.6):
    """Return a model, its state some time after a product state, and the exact continuation."""
    model = th.open_hopfield(patterns(3, n_spins), beta=7 / 5, Omega=3 / 7)
    start = th.evolve(model, tilted(model), [time], method=th.Exact(1e-13)).final_state
    order = site_order(model, "auto")
    return model, MPSState.from_dense(start.rho, model.dims, n_spins, order, epsilon), start


@pytest.mark.parametrize("sites", [1, 2])
@pytest.mark.parametrize("dt", [0.2, pytest.param(0.8, marks=pytest.mark.slow)])
def test_steps_of_any_length_are_exact_at_full_bond(sites, dt):
    model, start, dense = correlated(4)
    options = {"observables": [*BLOCH, "sigma_zz", "sigma_xx"]}
    method = th.TDVP(dt=dt, sites=sites, epsilon=0.6, adaptive=False, **FULL)
    result = th.evolve(model, start, [0.8, 1.6], method=method, **options)
    exact = th.evolve(model, dense, [0.8, 1.6], method=th.Exact(1e-13), **options)
    assert largest(result, exact) < 1e-7


def test_one_site_steps_can_be_taken_back():
    """Without truncation and expansion a step of -dt undoes a step of dt."""
    model, start, _ = correlated(4)
    method = th.TDVP(epsilon=0.6, **FULL)
    run = method.run(Problem(model, start, [1.0]))
    tdvp = TDVPEngine(
        run.chains.main.generator, TDVPOptions(600, 1e-12, 0, 1), run.chains.main.chain
    )
    before = run.chains.state(tdvp.chain).to_dense()
    for k, dt in enumerate([0.1] * 5 + [-0.1] * 5):
        tdvp.step(dt, 1e-13, (k, 0))
        if k == 4:
            assert np.abs(run.chains.state(tdvp.chain).to_dense() - before).max() > 0.01
    np.testing.assert_allclose(run.chains.state(tdvp.chain).to_dense(), before, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bond", [4, 8])
def test_steps_at_a_fixed_bond_can_be_taken_back(bond):
    """The projector splitting is symmetric; keeping the trace functional in the bonds is not."""
    model, start, _ = correlated(6)
    method = th.TDVP(epsilon=0.6, **FULL)
    run = method.run(Problem(model, start, [1.0]))
    tdvp = TDVPEngine(
        run.chains.main.generator, TDVPOptions(bond, 1e-13, 0, 1, False), run.chains.main.chain
    )
    tdvp.step(0.0, 0.0, (0, 0))  # cuts the bonds
    before = run.chains.state(tdvp.chain).to_dense()
    for dt in [0.05] * 10 + [-0.05] * 10:
        tdvp.step(dt, 0.0, (0, 0))
        assert max(A.shape[2] for A in tdvp.chain) == bond
    np.testing.assert_allclose(run.chains.state(tdvp.chain).to_dense(), before, rtol=0, atol=1e-9)


# Truncation.


def errors_by_cutoff(n_spins, cutoffs, sites):
    model = network(n_spins)
    options = {"observables": ["m_x", "m_y", "m_z"]}
    times = [0.5, 1.0, 2.0]
    exact = th.evolve(model, turned(model), times, method=th.Symmetric(1e-11), **options)
    found = []
    for cutoff in cutoffs:
        method = th.TDVP(cutoff=cutoff, sites=sites, mpo_tolerance=1e-5, rate_tolerance=1e-2)
        result = th.evolve(model, turned(model), times, method=method, **options)
        found.append(largest(result, exact))
        assert result.stats["trace_defect"] <= 1e-6
    return np.array(found)


@pytest.mark.parametrize(
    ("n_spins", "sites"),
    [(8, 1), *(pytest.param(*c, marks=pytest.mark.slow) for c in ((12, 1), (12, 2), (16, 1)))],
)
def test_errors_fall_with_the_cutoff(n_spins, sites):
    """Below a power of the cutoff."""
    cutoffs = np.array([1e-3, 1e-4, 1e-5])
    errors = errors_by_cutoff(n_spins, cutoffs, sites)
    assert np.all(np.diff(errors) < 0), errors
    slope = np.polyfit(np.log(cutoffs), np.log(errors), 1)[0]
    assert slope > 0.5, errors
    assert np.all(errors < 30 * cutoffs**0.8), errors


@pytest.mark.slow
def test_larger_bonds_are_better():
    model = network(8)
    options = {"observables": ["m_x", "m_y", "m_z"]}
    exact = th.evolve(model, turned(model), [1.0, 2.0], method=th.Symmetric(1e-11), **options)
    errors = [
        largest(
            th.evolve(model, turned(model), [1.0, 2.0], method=th.TDVP(max_bond=b), **options),
            exact,
        )
        for b in (2, 4, 8)
    ]
    assert np.all(np.diff(errors) < 0), errors


# What must not matter.


@pytest.mark.parametrize("sites", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_result_does_not_depend_on_epsilon(sites):
    """Two weights agree within the sum of their budgets."""
    model = th.open_hopfield(patterns(3, 5), beta=7 / 5, Omega=3 / 7)
    options = {"observables": [*BLOCH, "m_z", "sigma_zz"]}
    one, other = (
        th.evolve(
            model, tilted(model), [1.0],
            method=th.TDVP(epsilon=epsilon, cutoff=1e-6, sites=sites, mpo_tolerance=1e-5), **options,
        )
        for epsilon in (0.3, 0.6)
    )  # fmt: skip
    for name, values in one.expect.items():
        bar = one.errors[name] + other.errors[name]
        assert np.all(np.abs(values - other.expect[name]) <= bar), name
        np.testing.assert_allclose(values, other.expect[name], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_result_does_not_depend_on_the_number_of_threads():
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    model = th.open_hopfield(patterns(3, 5), beta=7 / 5, Omega=3 / 7)
    found = []
    for n_threads in (1, 2):
        with limits(n_threads):
            method = th.TDVP(cutoff=1e-6)
            found.append(th.evolve(model, tilted(model), [1.0], observables=BLOCH, method=method))
    for name, values in found[0].expect.items():
        np.testing.assert_allclose(found[1].expect[name], values, rtol=0, atol=1e-9)


def test_same_run_gives_the_same_bits():
    model = network(6)
    one, other = (th.evolve(model, turned(model), [1.0], method="TDVP") for _ in range(2))
    for name, values in one.expect.items():
        np.testing.assert_array_equal(values, other.expect[name])


@pytest.mark.slow
def test_more_output_times_change_little():
    """Steps are cut at output times: the differences are those of time steps and truncation."""
    model = network(6)
    options = {"observables": ["m_x", "m_y", "m_z"], "method": "TDVP"}
    few = th.evolve(model, turned(model), [2.0], **options)
    many = th.evolve(model, turned(model), np.linspace(0, 2, 8), **options)
    for name, values in few.expect.items():
        np.testing.assert_allclose(values[-1], many.expect[name][-1], rtol=0, atol=3e-4)


# Without a transverse field.


@pytest.mark.parametrize("sites", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_populations_alone(sites):
    """At Ω = 0 the populations follow a rate equation, and coherences decay."""
    model = network(8, Omega=0.0)
    state = th.pattern_state(model, overlap=0.3)
    options = {"observables": ["m_z", "overlap_distribution", "sigma_x"]}
    times = [0.5, 1.5, 4.0]
    exact = th.evolve(model, state, times, method=th.Symmetric(1e-11), **options)
    method = th.TDVP(sites=sites, cutoff=3e-6, mpo_tolerance=1e-4, rate_tolerance=1e-2)
    result = th.evolve(model, state, times, method=method, **options)
    np.testing.assert_allclose(result.expect["m_z"], exact.expect["m_z"], rtol=0, atol=3e-4)
    # correlations of all spins enter, which the weights hardly count
    found, expected = (r.expect["overlap_distribution"] for r in (result, exact))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)
    np.testing.assert_allclose(result.expect["sigma_x"], 0, atol=1e-5)
    assert np.all(result.expect["overlap_distribution"] > -1e-4)
