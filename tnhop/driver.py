"""One run: its options, snapshots, checkpoints, progress bars, limits, interrupts."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from tnhop.answers.answer_forms import answer_form, answer_of
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.result import Result
from tnhop.answers.verdict import NEGATIVE_SINCE, is_negative_output
from tnhop.physics.problem import Method, Problem, Snapshot
from tnhop.solvers.choice import warn_of_limits
from tnhop.solvers.start_errors import StartErrorRecorder
from tnhop.storage.checkpoints import Checkpoint, slots
from tnhop.support.checks import fail
from tnhop.support.codec import dumps, state_form, state_of
from tnhop.support.errors import warn
from tnhop.support.heartbeat import watched
from tnhop.support.run_options import RunOptions

# what a checkpoint must share with the run that goes on from it
_SAME = {
    "problem": "belong to this problem",
    "method": "belong to this method",
    "save_states": "belong to a run with the same `save_states`",
}
_SHARE = 19.0  # time between two checkpoints, in units of what writing the last one took


@dataclass(frozen=True)
class _Position:
    """Position of a run: outputs, statistics and restart data of one instant."""

    time: float
    outputs: int
    stats: dict[str, Any]
    final_state: Any
    carry: Any


class RunRecord:
    """Snapshots of a run, which become a Result; those of a checkpoint come first.

    Parameters
    ----------
    problem : Problem
        What is computed.
    method : Method
        How.
    """

    def __init__(self, problem: Problem, method: Method) -> None:
        self.problem, self.method = problem, method
        self.wanted = len(np.atleast_1d(problem.times))
        self.snapshots: list[Snapshot] = []
        self.position = _Position(0.0, 0, {}, None, None)
        self.moved = False
        self.stopped: str | None = None
        self._resumed_at: list[float] = []
        self._before, self._began = 0.0, time.perf_counter()

    @property
    def complete(self) -> bool:
        """Whether there is an output for every time."""
        return self.position.outputs == self.wanted

    @property
    def seconds(self) -> float:
        """Seconds since this call began."""
        return time.perf_counter() - self._began

    def add(self, snapshot: Snapshot) -> None:
        """Keep an output; a heartbeat only updates the statistics."""
        stats, state = self.position.stats | snapshot.stats, self.position.final_state
        if snapshot.state is not None:
            state = snapshot.state
            stats["final_time"] = float(snapshot.time)
        if snapshot.values:
            if NEGATIVE_SINCE not in stats and is_negative_output(
                snapshot, self.problem, self.method
            ):
                stats[NEGATIVE_SINCE] = float(snapshot.time)
            # what a resume needs may be as large as the state: neither is kept for every time
            kept = snapshot.state if self.problem.save_states else None
            self.snapshots.append(replace(snapshot, carry=None, state=kept))
        # at once, so that an interrupt finds outputs and carry of the same instant
        self.position = _Position(
            float(snapshot.time), len(self.snapshots), stats, state, snapshot.carry
        )
        self.moved = True

    def content(self) -> dict[str, Any]:
        """Return what a checkpoint has to hold."""
        position, states = self.position, self.problem.save_states
        kept = self.snapshots[: position.outputs]
        expect, errors = self._arrays(kept)
        return self._identity() | {
            "elapsed": self._before + self.seconds,
            "resumed_at": self._resumed_at,
            "time": position.time,
            "stats": position.stats,
            "final_state": state_form(position.final_state),
            "carry": None if self.complete else position.carry,
            "times": np.array([s.time for s in kept]),
            "expect": expect,
            "errors": errors,
            "states": [state_form(s.state) for s in kept] if states else [],
        }

    def resume(self, content: Any, path: Any) -> Any:
        """Take over what a checkpoint holds and return the carry to go on from."""
        own = self._identity()
        if not (isinstance(content, dict) and self.content().keys() <= content.keys()):
            raise fail("checkpoint", "hold a run", f"'{path}' holds something else",
                       "Choose another name, or remove it to start anew.")  # fmt: skip
        for name, condition in _SAME.items():
            if content[name] != own[name]:
                raise fail("checkpoint", condition,
                           f"'{path}' is of another one ({content['about'][name]})",
                           "Choose another name, or remove it to start anew.")  # fmt: skip
        kept = len(content["times"])
        states = [state_of(form) for form in content["states"]] or [None] * kept
        self.snapshots = [
            Snapshot(
                float(content["times"][k]),
                {name: values[k] for name, values in content["expect"].items()},
                {name: {source: values[k] for source, values in sources.items()}
                 for name, sources in content["errors"].items()},
                state=states[k],
            )
            for k in range(kept)
        ]  # fmt: skip
        final_state = state_of(content["final_state"])
        self.position = _Position(
            content["time"], kept, content["stats"], final_state, content["carry"]
        )
        self._before, self._resumed_at = content["elapsed"], content["resumed_at"]
        if not self.complete:
            self._resumed_at = [*self._resumed_at, self.position.time]
        return self.position.carry

    def _identity(self) -> dict[str, Any]:
        problem, method = self.problem, self.method
        about = {
            "problem": f"{problem.model.summary}, {self.wanted} times",
            "method": repr(method),
            "save_states": f"save_states = {problem.save_states}",
        }
        return {"problem": problem.digest, "method": dumps(method),
                "save_states": problem.save_states, "about": about}  # fmt: skip

    def _arrays(self, kept: list[Snapshot]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return values, and errors by source, as arrays over time."""
        expect, errors = {}, {}
        for o in self.problem.observables if kept else ():
            expect[o.name] = np.array([s.values[o.name] for s in kept])
            errors[o.name] = {
                source: np.array([s.errors[o.name][source] for s in kept])
                for source in kept[-1].errors.get(o.name, {})
            }
        return expect, errors

    def stop(self, why: str, hint: str = "") -> None:
        """Note that the run ended before its last time, unless it is complete."""
        if len(self.snapshots) == self.wanted:
            return
        if not self.snapshots:
            raise TimeoutError(f"The run was stopped ({why}) before its first output time.{hint}")
        self.stopped = why
        done = f"after {len(self.snapshots)} of {self.wanted} times"
        warn(f"The run was stopped ({why}) {done}.{hint}")

    def result(self) -> Result:
        """Assemble the answer and warn about what limits it."""
        problem, kept = self.problem, self.snapshots
        expect, errors = self._arrays(kept)
        stats = {
            **self.position.stats,
            "wall_time": self._before + self.seconds,
            "tnhop": version("tnhop"),
            "rng": problem.rng,
        }
        if self.stopped:
            stats["stopped"] = self.stopped
        if self._resumed_at:
            stats["resumed_at"] = self._resumed_at
        states = [s.state for s in kept] if problem.save_states else []
        answer = Result(
            np.array([s.time for s in kept]), expect, ErrorBudget(errors), stats, problem.model,
            self.method, tuple(problem.observables), self.position.final_state, states,
        )  # fmt: skip
        warn_of_limits(answer, problem, "evolve")
        return answer


class CheckpointWriter:
    """Writer of the checkpoint of a run; without a checkpoint it does nothing.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Where to.
    record : RunRecord
        What of.
    interval : float
        Seconds between two writings; more where they would take a twentieth of the time.
    """

    def __init__(self, checkpoint: Checkpoint | None, record: RunRecord, interval: float) -> None:
        self._checkpoint, self._record, self._interval = checkpoint, record, interval
        self._last, self._cost = time.perf_counter(), 0.0
        self._written: _Position | None = None
        self._failed = False

    @property
    def hint(self) -> str:
        """Sentence that tells a stopped run how to go on; empty without a checkpoint."""
        if self._checkpoint is None or self._written is not self._record.position:
            return ""
        return f" The same call goes on from '{self._checkpoint.path}'."

    def resume(self) -> Any:
        """Return the carry to go on from; None at the start."""
        if self._checkpoint is None:
            return None
        dumps(self._record.method)  # refuses a method without a file form before anything is done
        path = self._checkpoint.path
        content = self._checkpoint.read()
        return self._record.resume(content, path) if slots(path) else None

    def write_if_due(self) -> None:
        """Write if it is time."""
        if time.perf_counter() - self._last >= max(self._interval, _SHARE * self._cost):
            self.write()

    def write(self) -> None:
        """Write now; where it fails, warn once and let the run go on."""
        record, position = self._record, self._record.position
        if self._checkpoint is None or not record.moved or self._written is position:
            return
        began = time.perf_counter()
        try:
            if position.carry is None and not record.complete:
                name = type(record.method).__name__
                raise TypeError(f"method `{name}` does not say how to go on from there")
            self._checkpoint.write(record.content())
            self._written, self._failed = position, False
        except (OSError, MemoryError, TypeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            if not self._failed:
                warn(
                    f"Checkpoint '{self._checkpoint.path}' could not be written at"
                    f" t = {position.time:g} ({why}). The run goes on and tries again."
                )
            self._failed = True
        self._last = time.perf_counter()
        self._cost = self._last - began


class _LimitReached(Exception):
    """The limit of wall time was met between two outputs."""


def _place(options: RunOptions) -> Checkpoint | None:
    return None if options.checkpoint is None else Checkpoint(Path(options.checkpoint))


def drive(
    problem: Problem,
    method: Method,
    options: RunOptions,
    callback: Callable[[Snapshot], None] | None = None,
) -> Result:
    """Run a method to its end, a limit or an interrupt, from the checkpoint if there is one."""
    record, remember = RunRecord(problem, method), StartErrorRecorder(problem, method)
    place, limit = _place(options), options.max_wall_time
    with place or nullcontext():
        keeper = CheckpointWriter(place, record, options.checkpoint_interval)
        carry = keeper.resume()
        if record.complete:
            return record.result()

        def listen() -> None:
            """Keep the limit while a generator is built; with a checkpoint take a step at least."""
            if place is None and limit is not None and record.seconds > limit:
                raise _LimitReached

        with (
            progress_bar(problem, method, options.progress) as bar,
            sigterm_as_interrupt(place is not None),
            watched(listen),
        ):
            bar.initial = bar.n = min(record.position.time, bar.total)
            try:
                for snapshot in map(remember, method.evolve(problem, carry)):
                    record.add(snapshot)
                    bar.n = min(snapshot.time, bar.total)
                    bar.refresh(nolock=True)
                    if callback is not None:
                        callback(snapshot)
                    if limit is not None and record.seconds > limit:
                        keeper.write()
                        record.stop(f"max_wall_time = {limit:g} s", keeper.hint)
                        break
                    keeper.write_if_due()
                else:
                    keeper.write()
            except _LimitReached:
                keeper.write()
                record.stop(f"max_wall_time = {limit:g} s", keeper.hint)
            except KeyboardInterrupt:
                keeper.write()
                if not record.snapshots:
                    raise KeyboardInterrupt(keeper.hint) from None
                record.stop("interrupted", keeper.hint)
    return record.result()


def answer_once(
    problem: Problem, method: Method, options: RunOptions, question: str, compute: Callable[[], Any]
) -> Any:
    """Return an answer that has no output times, from the checkpoint if it was found before.

    Parameters
    ----------
    problem, method : Problem, Method
        What is asked, and how it is answered.
    options : RunOptions
        Its checkpoint holds the answer, once there is one.
    question : str
        Verb and arguments beyond the problem.
    compute : callable
        Returns the answer; its heartbeats move the bar and meet the limit of wall time.
    """
    place = _place(options)
    if place is None:
        with stopwatch(type(method).__name__, options):
            return compute()
    identity = {"problem": problem.digest, "method": dumps(method), "question": question}
    with place, stopwatch(type(method).__name__, options), sigterm_as_interrupt(True):
        if (held := place.read()) is not None:
            return _held_answer(held, identity, place.path)
        answer = compute()
        try:
            place.write(identity | {"answer": answer_form(answer)})
        except OSError as error:
            warn(f"Checkpoint '{place.path}' could not be written ({error.strerror or error}).")
        return answer


def _held_answer(held: Any, identity: dict[str, str], path: Any) -> Any:
    remedy = "Choose another name, or remove it to start anew."
    if not (isinstance(held, dict) and {*identity, "answer"} <= held.keys()):
        found = f"'{path}' holds something else"
        raise fail("checkpoint", "hold an answer to this question", found, remedy)
    for name, own in identity.items():
        if held[name] != own:
            found = f"'{path}' is of another one"
            raise fail("checkpoint", f"belong to this {name}", found, remedy)
    return answer_of(held["answer"])


@contextmanager
def stopwatch(name: str, options: RunOptions) -> Iterator[None]:
    """Show that a calculation goes on, and end it at the limit of wall time."""
    began, limit = time.perf_counter(), options.max_wall_time
    layout = "{desc}: {n} steps [{elapsed}]"
    hidden = bar_hidden(options.progress)
    with tqdm(desc=name, bar_format=layout, disable=hidden, leave=False) as bar:

        def listen() -> None:
            bar.update()
            if limit is not None and time.perf_counter() - began > limit:
                why = f"max_wall_time = {limit:g} s"
                raise TimeoutError(f"The run was stopped ({why}) before its answer was found.")

        with watched(listen):
            yield


@contextmanager
def sigterm_as_interrupt(wanted: bool) -> Iterator[None]:
    """Make SIGTERM an interrupt, unless the application has a handler of its own."""
    main = threading.current_thread() is threading.main_thread()
    if not (wanted and main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL):
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Let no second interrupt end the closing of workers, which then would never return."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def progress_bar(problem: Problem, method: Method, progress: bool | None) -> Any:
    """Return a bar over the time of the problem; None shows it on terminals and in notebooks."""
    total = float(np.atleast_1d(problem.times)[-1])
    layout = "{desc}: {percentage:3.0f}%|{bar}| t = {n:.3g}/{total:.3g} [{elapsed}<{remaining}]"
    return tqdm(
        total=total or 1.0,
        desc=type(method).__name__,
        bar_format=layout,
        disable=bar_hidden(progress),
        leave=False,
    )


def bar_hidden(progress: bool | None) -> bool:
    """Return whether a bar is not wanted; None shows it on terminals and in notebooks."""
    if progress is None:
        # without a console there is no stream, and what stands for one may lack anything
        terminal = getattr(sys.stderr, "isatty", None)
        return not (terminal is not None and terminal()) and "ipykernel" not in sys.modules
    return not progress or sys.stderr is None
