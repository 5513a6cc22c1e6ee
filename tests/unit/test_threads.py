"""Threads: the same bits whatever their number, one in small problems and in tasks of sweeps."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.exact.dense_state import Lindbladian
from tnhop.support import threads


@pytest.fixture(autouse=True)
def restored():
    yield
    th.set_threads(None)


def answers(model, state, method, number):
    th.set_threads(number)
    result = th.evolve(
        model, state, [0.0, 0.03, 0.2], observables=["sigma_x", "sigma_z"], method=method
    )
    return [*result.expect.values(), *result.errors.values()]


def problems():
    xi = th.random_patterns(2, 8, rng=3)
    model = th.open_hopfield(xi, beta=1.3, Omega=1.1)
    state = th.product_state(model, bloch=np.outer(xi[0], [0.3, 0.2, 0.7]))
    yield pytest.param(model, state, "Exact", id="Exact")
    general = th.Jump(th.sigma("-")(0) + 0.5j * th.sigma("z")(5))
    mixed = th.Model(model.sites, model.hamiltonian, [*model.jumps, general])
    yield pytest.param(mixed, state, "Exact", id="any jump")
    alike = th.open_hopfield(np.ones((1, 70)), beta=1.3, Omega=0.7)
    yield pytest.param(alike, th.pattern_state(alike, overlap=0.8), "Symmetric", id="Symmetric")
    small = th.open_hopfield(th.random_patterns(2, 5, rng=4), beta=1.3, Omega=0.7)
    for method in ("TDVP", "TEBD"):
        yield pytest.param(small, th.pattern_state(small, overlap=0.8), method, id=method)
    mode = th.multimode_dicke([[0.5, -0.4]], omega=1.0, Omega=0.5, loss=1.0, fock_dim=5)
    tilted = th.product_state(mode, bloch=[[0.3, 0.2, 0.7], [0.1, -0.5, 0.6]])
    yield pytest.param(mode, tilted, th.TDVP(companion=True), id="a mode")


@pytest.mark.parametrize(("model", "state", "method"), [*problems()])
def test_no_bit_depends_on_the_number_of_threads(model, state, method):
    one = answers(model, state, method, 1)
    for number in (2, 5):
        for a, b in zip(one, answers(model, state, method, number), strict=True):
            np.testing.assert_array_equal(a, b)


def test_derivatives_have_the_same_bits(rng):
    L = Lindbladian(th.open_hopfield(th.random_patterns(3, 8, rng=1), beta=2.0, Omega=0.3))
    x = rng.standard_normal(L.size)
    derivatives = []
    for number in (1, 2, 3):
        th.set_threads(number)
        assert threads.n_shares(L.size) == number
        derivatives.append(L(x))
    np.testing.assert_array_equal(derivatives[0], derivatives[1])
    np.testing.assert_array_equal(derivatives[0], derivatives[2])


def test_independent_tasks_keep_their_order_and_share_out_nothing():
    th.set_threads(3)
    tasks = [lambda k=k: (k, threads.n_threads()) for k in range(5)]
    assert threads.together(*tasks) == [(k, 1) for k in range(5)]
    assert threads.n_threads() == 3
    th.set_threads(1)
    assert threads.together(*tasks) == [(k, 1) for k in range(5)]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failing_task_is_reported_after_all_have_ended(failing):
    th.set_threads(2)
    ended = []

    def task(k):
        if k == failing:
            raise th.ConvergenceError(f"task {k}")
        ended.append(k)

    with pytest.raises(th.ConvergenceError, match=f"task {failing}"):
        threads.together(lambda: task(0), lambda: task(1))
    assert ended == [1 - failing]


def test_small_problems_stay_in_one_thread():
    th.set_threads(4)
    assert threads.n_shares(4**7) == 1


def test_tasks_of_sweeps_use_one_thread():
    th.set_threads(4)
    with threads.one_thread_each():
        assert threads.n_threads() == 1
    assert threads.n_threads() == 4


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [("3", "1", 3), ("", "1", 1), ("", "", None), ("", "10000", None), ("none", "1", 1)],
)
def test_default_follows_the_environment(own, common, expected):
    environment = os.environ | {"TNHOP_NUM_THREADS": own, "OMP_NUM_THREADS": common}
    script = "from tnhop.support.threads import n_threads; print(n_threads())"
    found = subprocess.run([sys.executable, "-c", script], env=environment, check=True,
                           capture_output=True, text=True)  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert int(found.stdout) == (expected or cores)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two", 10**9])
def test_numbers_of_threads_are_whole_and_reasonable(wrong):
    with pytest.raises((ValueError, TypeError), match="n_threads"):
        th.set_threads(wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_threads_work_in_the_child_of_a_fork(rng):
    L = Lindbladian(th.open_hopfield(th.random_patterns(3, 8, rng=1), beta=2.0, Omega=0.3))
    x = rng.standard_normal(L.size)
    th.set_threads(2)
    expected = L(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(L(x), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
