"""Estimates of memory and time: larger problems cost more, and asking costs nothing."""

import json
import math
import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain import predicted_bonds
from tnhop.solvers.exact.cost import row_operations, spectral_bounds
from tnhop.solvers.exact.taylor import Allowance, predicted_applications
from tnhop.solvers.machine_speed import speed

SCRIPT = Path(__file__).parents[2] / "studies" / "benchmarks" / "estimate.py"


def network(n_spins, n_patterns=1, Omega=3 / 7, beta=3 / 2):
    xi = th.random_patterns(n_patterns=n_patterns, n_spins=n_spins, rng=3)
    return th.open_hopfield(xi, beta=beta, Omega=Omega)


def cavity(fock_dim, n_spins=3):
    return th.dicke(n_spins, g=0.5, omega=1.0, Omega=0.5, loss=1.0, fock_dim=fock_dim)


def estimate(model, method, end=2.0):
    state = th.pattern_state(model, overlap=0.8) if model.patterns is not None else None
    state = state or th.product_state(model, bloch=[0.0, 0.6, 0.8])
    return th.estimate(model, method, state=state, times=[0.0, end])


def assert_growing(costs):
    for smaller, larger in pairwise(costs):
        assert 0 < smaller.time < larger.time < math.inf
        assert 0 < smaller.memory <= larger.memory < math.inf


QUANTUM = [th.Exact(), th.Symmetric(), th.TDVP(), th.TEBD(), th.MeanField()]
CLASSICAL = [th.ClassicalMaster(), th.KineticMonteCarlo()]


@pytest.mark.parametrize("method", QUANTUM + CLASSICAL, ids=lambda m: type(m).__name__)
def test_more_spins_and_longer_times_cost_more(method):
    Omega = 0.0 if method in CLASSICAL else 3 / 7
    sizes = (20, 40, 80) if method in CLASSICAL else (4, 8, 12)
    assert_growing([estimate(network(n, Omega=Omega), method) for n in sizes])
    assert_growing([estimate(network(8, Omega=Omega), method, end) for end in (1.0, 4.0, 16.0)])


@pytest.mark.parametrize(
    "method",
    [th.Exact(), th.Symmetric(), th.TDVP(fock_tolerance=0)],
    ids=lambda m: type(m).__name__,
)
def test_more_levels_cost_more(method):
    assert_growing([estimate(cavity(levels), method) for levels in (6, 9, 14)])


@pytest.mark.parametrize("make", [th.TDVP, th.TEBD])
def test_larger_bonds_and_smaller_cutoffs_cost_more(make):
    model = network(12, n_patterns=3)
    assert_growing([estimate(model, make(max_bond=chi)) for chi in (2, 6, 12)])
    assert_growing([estimate(model, make(cutoff=cutoff)) for cutoff in (1e-2, 1e-3, 1e-4)])


def test_more_samples_and_smaller_tolerances_cost_more():
    classical = network(40, Omega=0.0)
    assert_growing([estimate(classical, th.KineticMonteCarlo(n)) for n in (10, 100, 1000)])
    times = [estimate(network(6), th.Exact(tolerance=t), 8.0).time for t in (1e-4, 1e-8, 1e-12)]
    assert times == sorted(set(times))


def test_modes_of_a_chain_are_not_taken_for_dense_sites():
    """The generator of a mode is sparse: 14 levels cost no more than some ten times 6 levels."""
    small, large = (estimate(cavity(d, 8), th.TDVP(fock_tolerance=0)).time for d in (6, 14))
    assert small < large < 10 * small


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (th.independent_spins(300, Omega=0.3, decay=0.2), "Exact"),
        (network(160), "Symmetric"),
        (network(160, n_patterns=3), "TDVP"),
        (network(300, n_patterns=4), "TEBD"),
        (network(100, n_patterns=12, Omega=0.0), "ClassicalMaster"),
        (network(300, n_patterns=12), "MeanField"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_large_is_built_to_estimate_hopeless_sizes(model, method, monkeypatch):
    monkeypatch.setattr(predicted_bonds._FluctuationFlow, "advance", None)  # no pilot for those
    tracemalloc.start()
    cost = estimate(model, method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8
    assert not math.isnan(cost.time)
    assert cost.memory > 0


def test_predicted_bonds_are_those_of_a_run():
    """Not a fit: another size, start and temperature than those behind the constants."""
    model = network(9, n_patterns=2, beta=1.1)
    state, method = th.pattern_state(model, overlap=0.5), th.TDVP(cutoff=1e-4)
    predicted = th.estimate(model, method, state=state, times=[0.0, 1.2]).note
    found = th.evolve(model, state, [0.0, 1.2], method=method).stats["largest_bond"]
    assert "state bond predicted" in predicted
    assert found / 2 < int(predicted.split()[-1]) < 2 * found


@pytest.mark.parametrize(("end", "tolerance"), [(3.0, 1e-10), (20.0, 1e-6)])
def test_predicted_applications_are_those_of_a_run(end, tolerance):
    model = network(5, n_patterns=2, Omega=0.6)
    run = th.evolve(model, th.pattern_state(model), [0.0, end], method=th.Exact(tolerance))
    allowance = Allowance(tolerance, model.rate_scale)
    predicted = predicted_applications(spectral_bounds(model), end, allowance)
    assert predicted / 1.5 < run.stats["applications"] < 1.5 * predicted


def test_operations_are_counted():
    """A field turns 5 spins, from both sides; two jumps per spin fill half of the rows each."""
    assert row_operations(network(5)) == pytest.approx(2 * 5 + 5)
    assert row_operations(network(5, Omega=0.0)) == pytest.approx(5)


def random_recall(seed):
    """Return patterns at any temperature and field, a corrupted or mixed cue, and output times."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 11)), int(rng.integers(1, 4))
    patterns = th.random_patterns(n_patterns=p, n_spins=n, rng=rng)
    Omega = 10.0 ** rng.uniform(-1, 1)
    model = th.open_hopfield(patterns, beta=rng.uniform(0.3, 5), Omega=Omega)
    z = th.corrupt(patterns[0], int(rng.integers(0, 3)), rng=rng) * rng.choice([0.5, 1.0])
    state = th.product_state(model, bloch=np.outer(z, [0.0, 0.0, 1.0]))
    return model, state, [0.0, rng.uniform(0.3, 1.5) * 3 / model.rate_scale]


def predicted_and_found(seed):
    """Return bonds and numbers of steps of an estimate, and of a run."""
    model, state, times = random_recall(seed)
    steps, later = th.TDVP().schedule(model).first_steps(times)
    cost = th.estimate(model, "TDVP", state=state, times=times, observables="m_z")
    run = th.evolve(model, state, times, method="TDVP", observables="m_z")
    bond = int(cost.note.split()[-1])
    found = run.stats["largest_bond"], run.stats["steps"]
    return np.array([bond, len(steps) + later]), np.array(found)


def assert_mostly_within(ratios, factor):
    """Of all rows, 19 of 20 lie within a factor, and in the middle they are about right."""
    logarithms = np.abs(np.log(ratios))
    assert np.mean(logarithms < math.log(factor)) >= 0.95
    assert np.median(logarithms) < math.log(1.5)


@pytest.mark.parametrize("seed", range(2))
def test_bonds_and_steps_of_random_problems_are_predicted(seed):
    predicted, found = predicted_and_found(seed)
    assert np.all(found / 2.2 < predicted)
    assert np.all(predicted < 2.2 * found)


@pytest.mark.slow
def test_bonds_and_steps_of_many_random_problems_are_predicted():
    pairs = [predicted_and_found(seed) for seed in range(100, 120)]
    for ratios in np.array([predicted / found for predicted, found in pairs]).T:
        assert_mostly_within(ratios, 2.2)


def test_states_and_functionals_at_outputs_cost_steps():
    """Linear observables are interpolated, but a state takes a short step of its own."""
    model = network(10, n_patterns=2)
    options = {"state": th.pattern_state(model, overlap=0.8)}

    def time(n_times, observables, save_states=False):
        return th.estimate(
            model, "TDVP", times=np.linspace(0, 3, n_times), observables=observables,
            save_states=save_states, **options,
        ).time  # fmt: skip

    assert time(201, "m_z") < 1.2 * time(11, "m_z")
    assert time(201, "purity") > 4 * time(11, "purity")
    assert time(201, "m_z", save_states=True) > 4 * time(11, "m_z")


def test_a_state_at_rest_costs_no_steps():
    model = th.independent_spins(6, Omega=0.3, decay=1.0)
    early, late = (
        th.estimate(model, "TDVP", state=th.product_state(model, bloch=[0, 0, 1]), times=[0, t])
        for t in (100.0, 10000.0)
    )
    assert late.time < 2 * early.time


def test_speed_is_measured_once():
    assert speed() is speed()
    assert all(0 < x < 1000 for x in (speed().dense, speed().sweep, speed().calls))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["exact 10", "symmetric p3 16", "tdvp p1 tight", "tdvp mode", "master 14"]
)
def test_memory_is_predicted_within_a_factor_of_four(name):
    """Time is not asked for: other jobs decide it."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--measure", name],
        capture_output=True, text=True, env={**os.environ, **threads}, check=True,
    )  # fmt: skip
    row = json.loads(done.stdout.strip().splitlines()[-1])
    assert row["memory"] / 4 < row["expected"] < 4 * row["memory"]


@pytest.mark.parametrize("method", QUANTUM + CLASSICAL, ids=lambda m: type(m).__name__)
def test_states_that_are_kept_are_counted(method):
    model, times = (
        network(8, n_patterns=2, Omega=0.0 if method in CLASSICAL else 0.4),
        [0, 0.3, 0.6, 0.9],
    )
    state = th.pattern_state(model, overlap=0.8)
    options = {"state": state, "times": times, "observables": "m_z"}
    costs = [th.estimate(model, method, save_states=kept, **options) for kept in (False, True)]
    result = th.evolve(
        model, state, times, observables="m_z", method=method, save_states=True, rng=1
    )
    arrays = [array for kept in result.states for array in kept.to_arrays().values()]
    held = sum(array.nbytes for array in arrays if array.dtype.kind != "i" or array.ndim > 1)
    ratio = (costs[1].memory - costs[0].memory) / held
    assert 0.4 < ratio < 4.0 if method in (th.TDVP(), th.TEBD()) else 0.9 < ratio < 1.5
