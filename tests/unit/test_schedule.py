"""Lengths of the steps of chains: short ones first, later ones as their errors allow."""

import math

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.chain.schedule import StepSchedule


def schedule(longest=0.4, **options):
    options = {
        "first": longest / 16,
        "tolerance": 1e-4,
        "relative": 1e-4,
        "resolved": 1e-3,
    } | options
    return StepSchedule(longest, **options)


def lengths(steps, n_steps):
    """Take steps that no error shortens."""
    found = []
    for number in range(n_steps):
        found.append(steps.length(number, found[-1] if found else 0.0, math.inf))
    return found


@pytest.mark.parametrize("halving", [False, True])
def test_first_steps_double(halving):
    found = lengths(schedule(halving=halving), 8)
    np.testing.assert_allclose(found, 0.4 / np.array([16, 16, 8, 4, 2, 1, 1, 1]), rtol=1e-12)


def test_runs_may_have_any_number_of_steps():
    """Powers of two of the number of the step would leave the range of floats after 1024 steps."""
    assert schedule().length(10**6, 0.4, math.inf) == 0.4


def test_no_step_is_longer_than_what_is_stable():
    assert max(lengths(schedule(limit=0.13), 9)) == 0.13


@pytest.mark.parametrize("seed", range(3))
def test_halved_steps_have_few_lengths_and_are_never_too_long(seed):
    rng = np.random.default_rng(seed)
    steps = schedule(longest=rng.uniform(0.1, 3), halving=True)
    for allowed in steps.longest * 10.0 ** rng.uniform(-6, 1, 40):
        length = steps.length(50, steps.longest, allowed)
        assert allowed / 2 < length * (1 + 1e-9) or length == steps.longest
        assert length <= allowed * (1 + 1e-9)
        assert math.log2(steps.longest / length).is_integer()


@pytest.mark.parametrize("seed", range(3))
def test_lengths_end_where_the_error_is_tolerated(seed):
    """Steps that err as the cube of their length, by any factor in any unit of time."""
    rng = np.random.default_rng(seed)
    unit = 10.0 ** rng.uniform(-9, 9)
    steps = schedule(longest=unit, first=unit / 16, tolerance=1e-4 / unit)
    factor = 10.0 ** rng.uniform(-3, 4)
    length = unit
    for _ in range(30):
        error = factor * (length / unit) ** 3
        if steps.accepts(length, error, 0.0):
            length = min(steps.allowed(length, error, 0.0), unit)
        else:
            shorter = steps.allowed(length, error, 0.0)
            assert shorter < length
            length = shorter
    assert factor * (length / unit) ** 3 <= 1e-4 * length / unit * 1.01
    assert length == unit or factor * (length / unit) ** 3 > 0.5 * 1e-4 * length / unit


def test_a_fixed_length_accepts_every_error_and_gives_up_at_once():
    steps = schedule(adaptive=False)
    assert steps.accepts(0.4, 1.0, 0.0)
    assert steps.allowed(0.4, 1.0, 0.0) == steps.smooth(0.4, 1.0, 0.0) == math.inf
    assert steps.retreat(0.4) == 0.0


def test_steps_that_fail_become_shorter_until_the_run_is_given_up():
    steps, length, tries = schedule(), 0.4, 0
    while length := steps.retreat(length):
        tries += 1
    assert 10 < tries < 100


@pytest.mark.parametrize("make", [th.TDVP, th.TEBD])
def test_steps_of_an_estimate_are_those_of_a_run_with_fixed_lengths(make):
    method = make(dt=0.2, adaptive=False)
    model = th.open_hopfield([[1, -1, 1]], beta=2.0, Omega=0.3)
    problem = Problem(model, th.pattern_state(model, overlap=0.8), [0.0, 0.5, 1.3], ["m_z"])
    steps, later = method.schedule(model).first_steps(problem.times)
    assert later == 0
    assert steps[-1].end >= 1.3 > steps[-2].end
    run = method.run(problem)
    for step in steps:
        run.advance()
        assert run.progress.length == pytest.approx(step.length, rel=1e-12)


def test_longest_steps_follow_the_rates_of_the_model():
    def model(s):
        return th.dicke(2, g=1.1 * s, omega=s, Omega=0.5 * s, loss=30 * s, fock_dim=4)

    for method in (th.TDVP(), th.TEBD()):
        one, many = (method.schedule(model(s)) for s in (1.0, 2.0**30))
        for name in ("longest", "first", "limit", "resolved"):
            assert getattr(many, name) == pytest.approx(getattr(one, name) / 2**30, rel=1e-12)
        assert many.tolerance == pytest.approx(one.tolerance * 2**30, rel=1e-12)
