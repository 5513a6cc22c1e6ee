"""Threads: one for linear algebra, always; as many as wanted for the rows of large arrays.

What threads write does not overlap, and sums are cut where sizes say, so that no bit depends on
their number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tnhop.support.checks import integer

__all__ = ["set_threads"]

Result = TypeVar("Result")

# as a decorator: products of small matrices gain nothing from threads, and one order of the sums
# on every machine means equal bits
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")

_SMALL = 50_000  # numbers below which threads cost more than they save
_MOST = 1024  # threads
_LIMITS = ("TNHOP_NUM_THREADS", "OMP_NUM_THREADS")  # environment variables; the first that is set

_wanted: dict[str, int] = {}
_alone = ContextVar("alone", default=False)
_pools: dict[int, ThreadPoolExecutor] = {}  # by number of threads beside ours


def set_threads(n_threads: int | None = None) -> None:
    """Let methods use several threads.

    `Exact` and `Symmetric` share out the rows of large density matrices, `TDVP` and `TEBD` the
    chains that measure their errors and the two sides of a generator. No result depends on the
    number of threads. Tasks of sweeps always use one.

    Parameters
    ----------
    n_threads : int, optional
        Number of threads, at most 1024. By default the environment variable
        ``TNHOP_NUM_THREADS``; without it as many as this process has cores, but at most
        ``OMP_NUM_THREADS``.
    """
    if n_threads is None:
        _wanted.pop("threads", None)
    else:
        _wanted["threads"] = integer(n_threads, "n_threads", minimum=1, maximum=_MOST)


def n_threads() -> int:
    """Return the number of threads that large arrays are shared out to."""
    if _alone.get():
        return 1
    if "threads" not in _wanted:
        _wanted["threads"] = _default()
    return _wanted["threads"]


def _default() -> int:
    own, common = (os.environ.get(name, "") for name in _LIMITS)
    if own.isdecimal() and int(own) > 0:
        return min(int(own), _MOST)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    most = int(common) if common.isdecimal() and int(common) > 0 else cores
    return max(1, min(cores or 1, most or 1))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Use one thread for everything: what runs beside this has the other cores."""
    token = _alone.set(True)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        _alone.reset(token)


def n_shares(size: int) -> int:
    """Return into how many shares to cut the work on an array of this many numbers."""
    return 1 if size < _SMALL else n_threads()


@lru_cache(maxsize=64)
def even_cuts(size: int, n: int) -> NDArray[np.intp]:
    """Return where to cut a range of numbers into n shares."""
    cuts = np.linspace(0, size, n + 1).astype(np.intp)
    cuts.flags.writeable = False
    return cuts


def share_out(work: Callable[..., None], cuts: NDArray[Any]) -> None:
    """Call ``work(start, stop)`` for all neighbouring cuts, each in a thread, the first in ours."""
    first, *others = pairwise(cuts)
    n = len(others)
    running = [_workers(n).submit(work, *share) for share in others]
    work(*first)
    for share in running:
        share.result()


def together(*tasks: Callable[[], Result]) -> list[Result]:
    """Return the results of independent tasks, each in a thread, the first in ours."""
    if len(tasks) < 2 or n_threads() == 1:
        return [task() for task in tasks]
    first, *others = tasks
    context = copy_context()
    context.run(_alone.set, True)  # a task that shared out its work might wait for itself
    workers = _workers(n_threads() - 1)
    running = [workers.submit(context.copy().run, task) for task in others]
    try:
        return [context.copy().run(first), *(task.result() for task in running)]
    finally:
        wait(running)


def _workers(n: int) -> ThreadPoolExecutor:
    """Return n threads beside ours."""
    if n not in _pools:
        _pools[n] = ThreadPoolExecutor(n, thread_name_prefix="tnhop")
    return _pools[n]


# threads do not live on in the child of a fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)
