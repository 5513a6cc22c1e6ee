"""Lengths of the steps of chains: they fill the time to the next output, short ones first."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.schedule import StepSchedule


def lengths(schedule, times):
    """Take all steps to the last time, as a run does."""
    found, time = [], 0.0
    for target in times:
        while time < target:
            length, time = schedule.next_step(len(found), time, target)
            found.append(length)
    return found


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize("times", [[1.0], [0.0, 0.3, 1.7, 9.4], [0.1 * k for k in range(30)]])
def test_steps_fill_the_time_and_none_is_longer_than_the_limit(levels, times):
    found = lengths(StepSchedule(0.4, levels, True), times)
    assert sum(found) == pytest.approx(times[-1], rel=1e-12)
    assert max(found) <= 0.4 * (1 + 1e-12)


def test_first_steps_double():
    found = lengths(StepSchedule(0.4, 4, True), [4.0])
    np.testing.assert_allclose(found[:6], 0.4 / np.array([16, 16, 8, 4, 2, 1]), rtol=1e-12)


@pytest.mark.parametrize("levels", [0, 4])
def test_runs_may_have_any_number_of_steps(levels):
    """Powers of two of the number of the step would leave the range of floats after 1024 steps."""
    assert StepSchedule(0.1, levels, True).next_step(10**6, 0.0, 1.0) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("n_steps", [1, 5, 10, 1000])
def test_errors_of_probed_steps_stand_for_all_steps(n_steps):
    """Also in the middle of a run: no step before the last probe is left out."""
    schedule = StepSchedule(0.1, 0, True)
    counted = [schedule.stands_for(n) for n in range(n_steps)]
    assert sum(counted) >= n_steps
    assert sum(counted) <= n_steps + 10
    assert not any(StepSchedule(0.1, 0, False).stands_for(n) for n in range(n_steps))


@pytest.mark.parametrize("method", [th.TDVP(), th.TEBD()])
def test_the_steps_of_an_estimate_are_those_of_a_run(method):
    times = [0.0, 0.5, 1.3]
    steps, later = method.schedule().first_steps(times)
    assert later == 0
    assert [step.length for step in steps] == lengths(method.schedule(), times)
    assert steps[-1].end == 1.3
