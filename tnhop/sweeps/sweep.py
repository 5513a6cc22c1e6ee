"""Sweeps: one problem at every point of a grid, on any number of processes, into one folder."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from tnhop.answers.loading import load
from tnhop.driver import bar_hidden, interrupts_ignored, sigterm_as_interrupt
from tnhop.storage.store import Manifest, Point, Store, open_store, read_store
from tnhop.support.atomic_files import write_whole
from tnhop.support.checks import fail, flag, integer, one_of, real, wrong_type
from tnhop.support.codec import classes_of_users
from tnhop.support.errors import warn
from tnhop.sweeps.executors import Round, make_pool
from tnhop.sweeps.grid import Grid
from tnhop.sweeps.task import VERBS, run_task

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["sweep"]


def sweep(
    make_problem: Callable[..., Any],
    grid: Mapping[str, Any],
    *,
    method: Any = "auto",
    verb: str = "evolve",
    store: str | os.PathLike[str] | None = None,
    executor: Any = None,
    resume: bool = True,
    part: tuple[int, int] | None = None,
    refine: Mapping[str, float] | None = None,
    levels: int = 3,
    keep_states: bool = False,
    max_wall_time: float | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    r"""Solve a problem at every point of a grid; nothing is lost and nothing is done twice.

    Parameters
    ----------
    make_problem : callable
        From one keyword per axis to a Problem; with ``verb="steady_state"`` a Model will do.
    grid : mapping of str to sequence or mapping
        For every axis its numbers or texts, or labels mapped to any values. The points are all
        their combinations. A quenched average has an axis of seeds: see `quenched_average`.
    method : Method, str or callable
        One for all points; or what makes one from the keywords that it names.
    verb : str
        ``"evolve"`` or ``"steady_state"``.
    store : str or path, optional
        Folder of the answers, one whole file each, made if it is missing; by default a temporary
        one. Other processes may work into the same folder at the same time.
    executor : int, str or executor, optional
        Number of processes of this machine, by default one per core and never more, each with one
        thread of linear algebra; or the address of a Dask scheduler, a Dask client, or anything
        whose `submit` returns futures with `add_done_callback`. All workers have to see the folder.
    resume : bool
        Whether what the folder holds is kept; if not, it is emptied first.
    part : (int, int), optional
        ``(3, 64)``: solve every 64th point, from the third on, for job arrays.
    refine : mapping of str to float, optional
        Observable → largest accepted change across a cell. Cells of the axes of floats whose
        corners differ by more, in any component (at the last time) and at any point of the other
        axes, are halved, up to `levels` times: a phase diagram with points where its lines are.
    levels : int
        How often a cell may be halved.
    keep_states : bool
        Whether the files hold the final states.
    max_wall_time : float, optional
        Stop after so many seconds; the same call goes on.
    progress : bool, optional
        Whether to show a bar over all points; by default only on a terminal or in a notebook.

    Returns
    -------
    Dataset
        As ``th.load(store)`` returns it: the observables over the axes of the grid and their own,
        ``<name>_error``, ``wall_time`` in seconds, ``digest`` (the name of the file), and
        ``failure`` where a point failed. NaN where there is no answer.

    Raises
    ------
    ValueError
        If the grid is malformed, `make_problem` gives two problems for one point (an unseeded
        random number), or the folder holds another sweep.

    Warns
    -----
    TruncationWarning
        If points failed, warned, or were not reached.

    Notes
    -----
    **Use when** one run is not enough. **Cost**: that of all points, divided by the workers. A
    worker that dies only delays: its point goes on elsewhere from its checkpoint, which is written
    every half minute. A point that ends its workers five times is given up.

    Examples
    --------
    >>> import tnhop as th
    >>> def problem(Omega):
    ...     model = th.open_hopfield([[1, -1, 1]], beta=2.0, Omega=Omega)
    ...     return th.Problem(model, th.pattern_state(model), [0.0, 1.0], "m_z")
    >>> data = th.sweep(problem, {"Omega": [0.0, 0.3, 0.6]}, method="Exact", executor=1)
    >>> dict(data["m_z"].sizes)
    {'Omega': 3, 'time': 2, 'pattern': 1}
    """
    plan = Grid(make_problem, grid, method, one_of(verb, "verb", VERBS))
    deadline = None
    if max_wall_time is not None:
        deadline = time.time() + real(max_wall_time, "max_wall_time", above=0.0)
    threshold = _thresholds(refine, plan, part)
    levels = integer(levels, "levels", minimum=1)
    resume, keep_states = flag(resume, "resume"), flag(keep_states, "keep_states")
    if progress is not None:
        progress = flag(progress, "progress")
    points = plan.points()
    first, step = _part(part)
    with tempfile.TemporaryDirectory() if store is None else nullcontext(store) as folder:
        place = open_store(folder, resume=resume)
        work = _Work(plan, place, deadline, keep_states)
        work.register(points)
        pool = make_pool(executor, len(points[first::step]))
        hidden = bar_hidden(progress)
        bar = tqdm(total=0, desc="sweep", unit="point", disable=hidden, leave=False)
        with bar, sigterm_as_interrupt(True):
            try:
                work.run(points[first::step], pool, bar)
                cells = plan.cells()
                for _ in range(levels if threshold else 0):
                    cells = work.halved(cells, threshold)
                    points = plan.corners(cells)
                    work.register(points)
                    work.run(points, pool, bar)
            except KeyboardInterrupt:
                work.interrupted = True
            finally:
                with interrupts_ignored():
                    pool.close(at_once=work.interrupted)
        work.tidy()
        work.warn(None if store is None else place.folder)
        return read_store(place.folder)


def _thresholds(refine: Any, plan: Grid, part: Any) -> dict[str, float]:
    if refine is None:
        return {}
    if not isinstance(refine, Mapping) or not refine:
        raise wrong_type("refine", "map observables to numbers", refine, 'Such as {"m_z": 0.2}.')
    if part is not None:
        raise fail("part", "be left out with `refine`", f"it is {part}")
    if not plan.refinable:
        raise fail("refine", "have an axis of floats, at least two", f"the axes are {plan.names}")
    return {name: real(value, f"refine['{name}']", above=0.0) for name, value in refine.items()}


def _part(part: Any) -> tuple[int, int]:
    """Return where to begin and how far to step."""
    if part is None:
        return 0, 1
    try:
        number, parts = part
    except (TypeError, ValueError):
        raise wrong_type("part", "be a pair such as (3, 64)", part) from None
    parts = integer(parts, "part[1]", minimum=1)
    return integer(number, "part[0]", minimum=1, maximum=parts) - 1, parts


class _Work:
    """The tasks of a sweep: which are registered, and what became of them."""

    def __init__(self, plan: Grid, store: Store, deadline: float | None, keep_states: bool) -> None:
        self._plan, self._store, self._deadline, self._keep = plan, store, deadline, keep_states
        self._digests: dict[Point, str] = {}
        self._seen: set[str] = set()
        self._messages: dict[str, list[str]] = {}
        self._statuses: Counter[str] = Counter()
        self.interrupted = False

    def register(self, points: Sequence[Point]) -> None:
        """Build every problem once and list the points in the folder."""
        fresh = [point for point in points if point not in self._digests]
        self._digests |= {point: self._plan.task(point).digest for point in fresh}
        plan, listed = self._plan, tuple(self._digests)
        manifest = Manifest(
            plan.names, plan.verb, plan.method, listed, tuple(self._digests.values())
        )
        self._store.index([manifest])  # refuses what does not belong into the folder
        manifest.write(self._store.folder)

    def run(self, points: Sequence[Point], pool: Any, bar: Any) -> None:
        """Solve the points that have no answer yet."""
        calls: dict[str, Any] = {}
        for point in points:
            answer = self._digests[point]
            if answer not in self._seen:  # corners of several cells, or of a coarser grid
                calls[answer] = lambda point=point, answer=answer: self._arguments(point, answer)
        self._seen |= set(calls)
        bar.total += len(calls)
        for answer in [a for a in calls if self._store.has(a)]:
            del calls[answer]
            self._statuses["done"] += 1
            bar.update()
        bar.refresh()
        for answer, outcome in Round(calls, run_task, pool):
            self._statuses[outcome.status] += 1
            if outcome.message:
                self._messages.setdefault(outcome.status, []).append(outcome.message)
            if outcome.status in ("failed", "unwritten"):
                self._note(answer, outcome.message)
            bar.update()

    def _note(self, answer: str, message: str) -> None:
        if not self._store.failure(answer).exists():
            with suppress(OSError):  # of a full disk: the warning says it, too
                write_whole(self._store.failure(answer), message.encode())

    def _arguments(self, point: Point, answer: str) -> tuple[Any, ...]:
        task = self._plan.task(point)
        if task.digest != answer:
            found = f"it returned two for {dict(zip(self._plan.names, point, strict=True))}"
            raise fail("make_problem", "return one problem for one point", found,
                       "Does it draw random numbers without a seed?")  # fmt: skip
        text, folder = task.to_text(), str(self._store.folder.resolve())
        return text, folder, self._deadline, self._keep, classes_of_users(text)

    def halved(self, cells: Sequence[Any], threshold: Mapping[str, float]) -> list[Any]:
        """Return the halves of the boxes across which an observable changes too much."""
        values = {point: self._values(answer, threshold) for point, answer in self._digests.items()}
        found = []
        for cell in cells:
            if self._varies(cell, values):
                halves = [((a, (a + b) / 2), ((a + b) / 2, b)) for a, b in cell]
                found += [*itertools.product(*halves)]
        return found

    def _varies(self, cell: Any, values: Mapping[Point, Any]) -> bool:
        groups: dict[Point, list[Any]] = {}
        refinable = self._plan.refinable
        for point in self._plan.corners([cell]):
            others = tuple(x for k, x in enumerate(point) if k not in refinable)
            if values[point] is not None:
                groups.setdefault(others, []).append(values[point])
        return any(np.ptp(np.array(group), axis=0).max() > 1 for group in groups.values())

    def _values(self, answer: str, threshold: Mapping[str, float]) -> Any:
        """Return the observables that decide, in units of their thresholds."""
        if not self._store.answer(answer).exists():
            return None
        result = load(self._store.answer(answer))
        if not all(result.determined[n].all() for n in threshold if n in result.determined):
            return None
        found = []
        for name, accepted in threshold.items():
            one_of(name, "refine", result.expect)
            last = result.expect[name][-1] if self._plan.verb == "evolve" else result.expect[name]
            found += [np.ravel(np.real(last)) / accepted, np.ravel(np.imag(last)) / accepted]
        return np.concatenate(found)

    def tidy(self) -> None:
        """Remove what processes that were killed left of finished points."""
        self._store.tidy(set(self._digests.values()))

    def warn(self, folder: Path | None) -> None:
        """Say what is missing and what was said."""
        n, done = len(set(self._digests.values())), self._statuses["done"]
        texts = []
        if self.interrupted or self._statuses["stopped"]:
            why = "interrupted" if self.interrupted else "stopped at max_wall_time"
            hint = "" if folder is None else f" The same call goes on in '{folder}'."
            texts.append(f"The sweep was {why} after {done} of {n} points.{hint}")
        endings = {"failed": "failed", "unwritten": "were not kept", "done": "gave a warning"}
        for status, what in endings.items():
            said = self._messages.get(status, [])
            if said:
                texts.append(f"{len(said)} of {n} points {what}, such as: {said[0]}")
        for text in texts:
            warn(text)
