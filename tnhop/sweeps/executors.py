"""Executors of tasks: this process, local processes, or any executor such as a Dask client."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np

from tnhop.support.checks import fail, integer, single, wrong_type
from tnhop.support.errors import warn
from tnhop.sweeps.task import INTERRUPTED, Outcome

_TRIES = 5  # deaths of its worker after which a task is given up
_SUSPECT = 2  # deaths after which it runs alone: then it is known who brings workers down
_PATIENCE = 1.0  # seconds between two looks at what has landed
_PAUSE = 1.0  # seconds until a task that another process works at is tried again
_LOOK = 1.0  # seconds between two looks at whether the parent is there
_IN_FLIGHT = 256  # tasks that a foreign executor is given at a time
_ALWAYS = 2  # processes that may be wanted on one core, too
_CAPPED = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "BLIS", "TNHOP")

Key = str
Call = Callable[[], tuple[Any, ...]]


class Here:
    """Runs every task in this process, at once."""

    width = 1

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> Future[Outcome]:
        """Run a task and return its finished future."""
        future: Future[Outcome] = Future()
        outcome = function(*arguments)
        if outcome.message == INTERRUPTED:
            raise KeyboardInterrupt
        future.set_result(outcome)
        return future

    def renew(self) -> None:
        """Nothing can break."""

    def close(self, at_once: bool) -> None:
        """Nothing is open."""


def _end_with(parent: int) -> None:
    """End this process once its parent was killed, which nobody else would tell it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Local:
    """Processes of this machine, each with one thread of linear algebra.

    Parameters
    ----------
    n_workers : int
        Number of processes.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self.width = 2 * n_workers
        self.renew()

    def renew(self) -> None:
        """Start anew: one dead process takes the others with it."""
        from loky import ProcessPoolExecutor

        threads = {f"{name}_NUM_THREADS": "1" for name in _CAPPED}
        self._pool = ProcessPoolExecutor(
            self._n_workers, env=threads, initializer=_end_with, initargs=(os.getpid(),)
        )

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> Any:
        """Hand a task to a process."""
        return self._pool.submit(function, *arguments)

    def close(self, at_once: bool) -> None:
        """End the processes; what they were at has its checkpoint."""
        self._pool.shutdown(wait=True, kill_workers=at_once)


class Foreign:
    """An executor of the user: a Dask client, or anything with `submit`.

    Parameters
    ----------
    executor : object
        Its futures have ``add_done_callback``, as those of `concurrent.futures` have.
    own : bool
        Whether to close it at the end.
    """

    width = _IN_FLIGHT

    def __init__(self, executor: Any, *, own: bool = False) -> None:
        self._executor, self._own = executor, own
        self._given: list[Any] = []
        dask = type(executor).__module__.partition(".")[0] == "distributed"
        self._options = {"pure": False} if dask else {}  # a task is tried again under another name

    def submit(self, function: Callable[..., Outcome], *arguments: Any) -> Any:
        """Hand a task on."""
        future = self._executor.submit(function, *arguments, **self._options)
        self._given.append(future)
        return future

    def renew(self) -> None:
        """Its owner cares for its workers."""

    def close(self, at_once: bool) -> None:
        """Leave it to its owner, without what it has not begun."""
        for future in self._given if at_once else ():
            future.cancel()
        if self._own:
            self._executor.close()


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def make_pool(executor: Any, n_tasks: int) -> Here | Local | Foreign:
    """Turn the argument `executor` into something that runs tasks."""
    if executor is None:
        executor = n_cores()
    executor = single(executor, "executor")
    if isinstance(executor, int | np.integer) and not isinstance(executor, bool):
        wanted, most = integer(executor, "executor", minimum=1), max(n_cores(), _ALWAYS)
        n_workers = min(wanted, most, max(n_tasks, 1))
        if n_workers == most < wanted:
            remark = f"There are {n_cores()} cores: {most} processes run instead of {wanted}."
            warn(remark, UserWarning)
        return Here() if n_workers == 1 else Local(n_workers)
    if isinstance(executor, str):
        return Foreign(_client(executor), own=True)
    if not callable(getattr(executor, "submit", None)):
        remedy = "Give a number of processes, the address of a Dask scheduler, or a client."
        raise wrong_type("executor", "have a method `submit`", executor, remedy)
    return Foreign(executor)


def _client(address: str) -> Any:
    """Connect to a Dask scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        found = "the package `distributed` is not installed"
        raise fail("executor", "be usable", found, 'Install "tnhop[distributed]".') from error
    try:
        return Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        found = f"there is none at '{address}' ({error or type(error).__name__})"
        raise fail("executor", "be the address of a Dask scheduler", found,
                   "For instance 'tcp://127.0.0.1:8786'.") from error  # fmt: skip


class Round:
    """Runs all tasks; one whose worker dies is tried again, in the end alone.

    Parameters
    ----------
    calls : dict of str to callable
        For every task, what returns the arguments of `function`; asked for when its turn comes.
    function : callable
        From arguments to an `Outcome`.
    pool : Here, Local or Foreign
        Where.
    """

    def __init__(
        self, calls: dict[Key, Call], function: Callable[..., Outcome], pool: Here | Local | Foreign
    ) -> None:
        self._calls, self._function, self._pool = calls, function, pool
        self._waiting = deque(calls)
        self._later: deque[tuple[float, Key]] = deque()  # another process works at these
        self._flying: dict[Any, Key] = {}
        self._landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._deaths = dict.fromkeys(calls, 0)

    def __iter__(self) -> Iterator[tuple[Key, Outcome]]:
        """Yield what became of each task, as soon as it is known."""
        while self._waiting or self._later or self._flying:
            while self._later and self._later[0][0] <= time.monotonic():
                self._waiting.append(self._later.popleft()[1])
            yield from self._submit()
            try:
                future = self._landed.get(timeout=_PAUSE / 4 if self._later else _PATIENCE)
            except queue.Empty:
                continue
            if future not in self._flying:
                continue  # of a pool that broke
            error = None if future.cancelled() else future.exception()
            if error is not None or future.cancelled():
                yield from self._lost(future, error)
                continue
            key, outcome = self._flying.pop(future), future.result()
            if outcome.status == "busy":
                self._later.append((time.monotonic() + _PAUSE, key))
            else:
                yield key, outcome

    def _next(self) -> Key | None:
        """Return whose turn it is: suspects wait until nothing else is left, and fly alone."""
        for _ in range(len(self._waiting)):
            if self._deaths[self._waiting[0]] < _SUSPECT:
                return self._waiting.popleft()
            self._waiting.rotate(-1)
        return self._waiting.popleft() if self._waiting and not self._flying else None

    def _submit(self) -> Iterator[tuple[Key, Outcome]]:
        """Hand on as many tasks as are wanted at a time."""
        while len(self._flying) < self._pool.width and (key := self._next()) is not None:
            arguments = self._calls[key]()
            try:
                future = self._pool.submit(self._function, *arguments)
            except Exception as error:
                yield from self._again(key, error)
                self._pool.renew()
                return
            self._flying[future] = key
            future.add_done_callback(self._landed.put)

    def _lost(self, future: Any, error: Any) -> Iterator[tuple[Key, Outcome]]:
        """A worker died; in a pool of processes all that it was given went with it."""
        lost = [*self._flying] if isinstance(self._pool, Local) else [future]
        keys = [self._flying.pop(item) for item in lost]
        self._pool.renew()
        for key in keys:
            yield from self._again(key, error)

    def _again(self, key: Key, error: Any) -> Iterator[tuple[Key, Outcome]]:
        self._deaths[key] += 1
        if self._deaths[key] < _TRIES:
            self._waiting.append(key)
            return
        why = f"Its worker ended {_TRIES} times ({type(error).__name__}: {error})."
        yield key, Outcome("failed", f"{why} It may need more memory than there is.")
