"""Speed of this machine, measured once per process: estimates of time are scaled with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tnhop.solvers.fitted import Reference

_REPEATS = 25  # the median counts: other jobs slow down a run as well


@dataclass(frozen=True)
class Speed:
    """Times of this machine, in units of the one on which constants were fitted.

    Attributes
    ----------
    dense : float
        For products of small dense matrices.
    sweep : float
        For passes over arrays.
    calls : float
        For the steps of the interpreter and calls on small arrays.
    """

    dense: float
    sweep: float
    calls: float


def _usual(task: Callable[[], Any]) -> float:
    """Return the median of the times of a task, in seconds."""
    found = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        task()
        found.append(time.perf_counter() - began)
    return float(np.median(found))


@cache
def speed() -> Speed:
    """Measure three small tasks, some ten milliseconds together, once per process."""
    A = np.ones((128, 128))
    x, y, small = np.ones(2**16), np.zeros(2**16), np.ones((4, 4))

    def sweep() -> None:  # in the second cache, as stretches of a generator's rows
        for _ in range(8):
            np.add(x, y, out=y)

    def calls() -> None:
        for _ in range(200):
            np.dot(small, small)
            small.reshape(-1)

    with threadpool_limits(limits=1, user_api="blas"):
        dense = _usual(lambda: A @ A)
        swept = _usual(sweep)
        called = _usual(calls)
    return Speed(dense / Reference.DENSE, swept / Reference.SWEEP, called / Reference.CALLS)
