"""Calls of everything public with arguments that nobody should give: an answer, or a sentence."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import hostile_calls
import tnhop as th
from fuzzing import EXAMPLES, ON_REQUEST, is_our_sentence


@pytest.mark.parametrize(
    ("n", "seed"), [(150, 5), pytest.param(max(EXAMPLES, 1), 6, marks=ON_REQUEST)]
)
def test_every_hostile_call_ends_in_an_answer_or_a_sentence(n, seed):
    counts, faults = hostile_calls.verdicts(n, seed)
    assert not faults, "\n".join(map(hostile_calls.printed, faults))
    assert counts["sentence"] > n / 2
    assert counts["answer"] > n / 20


def test_generator_knows_a_raw_error_and_a_hang():
    kinds = {
        "np.linalg.inv(np.zeros((2, 2)))": "library",
        "th.hebb([[1, -1, 1]])": "answer",
        "th.hebb('x')": "sentence",
        "th.hebb(surplus=1)": "signature",
        "th.Observable('own', functional=th.Functional('purity'))(3)": "signature",
        "result.expect['nothing']": "library",
    }
    hostile_calls.space()
    for source, verdict in kinds.items():
        if not source.endswith(")"):
            source = f"operator.getitem(result.expect, {source.split('[')[1][:-1]})"
            verdict = "callable"
        assert hostile_calls.answers([source])[0]["verdict"] == verdict, source


def test_table_calls_everything_public():
    hostile_calls.space()
    assert hostile_calls.not_called() == []


@pytest.mark.slow
def test_calls_of_the_table_are_right():
    assert hostile_calls.not_right() == []


ENDLESS = {
    "long range": range(10**12), "longer range": range(2**70), "view": np.broadcast_to(1.0, 10**12),
    "matrix of views": [[np.broadcast_to(1.0, (10**6, 10**6))]],
}  # fmt: skip


@pytest.mark.parametrize("value", ENDLESS.values(), ids=ENDLESS.keys())
def test_more_than_the_memory_holds_is_refused(value):
    for call in (th.hebb, lambda v: th.open_hopfield([[1, -1]], beta=1.0, Omega=v), th.Operator):
        with pytest.raises((ValueError, TypeError)) as caught:
            call(value)
        assert is_our_sentence(caught.value), caught.value


def test_powers_and_products_of_operators():
    x, y = th.sigma("x")(0), th.sigma("y")(0)
    a = th.destroy(0)
    assert x**2 == x**0 == th.identity()
    assert (x + y) ** 3 == (x + y) * (x + y) * (x + y)
    assert a**2 == a * a != a
    assert x @ y == x * y
    assert np.array(0.3) * x == x * np.array(0.3) == 0.3 * x
    with pytest.raises(ValueError, match="`exponent` must be at least 0, but it is -1"):
        x**-1
    with pytest.raises(TypeError, match="`other` must be an Operator, a Term or a number"):
        operator.mul(np.array([0.3, 0.2]), x)


def test_orders_of_moments_spins_and_points_are_refused_at_the_door(monkeypatch):
    state = th.ProductState(np.zeros((3, 3)), np.zeros(0))
    with pytest.raises(ValueError, match="`orders` must name at least one order"):
        state.overlap_moments([[1, 1, -1]], orders=())
    with pytest.raises(ValueError, match="`spins` must be different numbers"):
        state.edwards_anderson([0, 1] * 10**4)
    with pytest.raises(ValueError, match="`xi` must have at most 10000 patterns"):
        state.binder_cumulant([[1, 1, -1]] * 10**5)
    with pytest.raises(ValueError, match="`n_spins` must be at most 20000"):
        th.dicke(10**6, g=0.4, omega=1.0, Omega=0.3, loss=1.0, fock_dim=4)
    network = th.open_hopfield([[1]], beta=2.0, Omega=0.6)
    up = th.pattern_state(network, overlap=0.9)
    with pytest.raises(ValueError, match="`n_points` must be at most"):
        th.limit_cycle(network, up, n_points=2**63)
    monkeypatch.setattr("tnhop.phases.flow._MOST_STEPS", 200)
    with pytest.raises(th.ConvergenceError, match="takes more than 200 steps of time"):
        th.limit_cycle(network, up, transient=5e4)


def test_truth_values_as_times_are_refused():
    network = th.open_hopfield([[1, -1]], beta=1.0)
    with pytest.raises(TypeError, match="`times` must be an array of real numbers"):
        th.evolve(network, th.pattern_state(network), [False, True])
