"""One problem of many: a text that any process can solve into a folder that many share."""

from __future__ import annotations

import dataclasses
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tnhop.driver import drive
from tnhop.physics.problem import Problem
from tnhop.solvers.choice import choose_method
from tnhop.storage import checkpoints
from tnhop.storage.store import Store
from tnhop.support.atomic_files import write_whole
from tnhop.support.codec import digest, dumps, encode, loads, register, state_form, state_of
from tnhop.support.errors import TruncationWarning
from tnhop.support.run_options import RunOptions
from tnhop.support.threads import one_thread_each
from tnhop.verbs import steady_state

_INTERVAL = 30.0  # seconds between two checkpoints
INTERRUPTED = "interrupted"
VERBS = ("evolve", "steady_state")


@dataclass(frozen=True)
class Task:
    """A problem, a verb and a method.

    Parameters
    ----------
    problem : Problem
        What is computed.
    method : Method or "auto"
        How.
    verb : str
        ``"evolve"`` or ``"steady_state"``.
    """

    problem: Problem
    method: Any
    verb: str = "evolve"

    @cached_property
    def digest(self) -> str:
        """Identity of the answer."""
        return digest((self.problem.digest, encode(self.method), self.verb))

    def to_text(self) -> str:
        """Return all that another process needs."""
        p = self.problem
        state = state_form(p.state)
        return dumps((p.model, state, p.times, p.observables, p.rng, self.method, self.verb))

    @classmethod
    def from_text(cls, text: str) -> Task:
        """Rebuild a task."""
        model, state, times, observables, rng, method, verb = loads(text)
        return cls(Problem(model, state_of(state), times, observables, rng), method, verb)

    def solve(self, checkpoint: Path, max_wall_time: float | None) -> Any:
        """Return the answer; an evolution goes on from its checkpoint."""
        p = self.problem
        if self.verb == "steady_state":
            began = time.perf_counter()
            steady = steady_state(
                p.model, state=p.state, observables=list(p.observables), method=self.method
            )
            steady.stats["wall_time"] = time.perf_counter() - began
            return steady
        options = RunOptions(
            progress=False, checkpoint=checkpoint, checkpoint_interval=_INTERVAL,
            max_wall_time=max_wall_time,
        )  # fmt: skip
        return drive(p, choose_method(p, self.method, "evolve"), options)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a task.

    Parameters
    ----------
    status : str
        ``"done"``; ``"busy"``: another process works at it; ``"stopped"``: at a limit, to be gone
        on with; ``"failed"``; ``"unwritten"``: there is no room for its answer.
    message : str
        Why it failed, or its first warning.
    """

    status: str
    message: str = ""


def run_task(
    text: str, folder: str, deadline: float | None, keep_states: bool, kinds: tuple[type, ...] = ()
) -> Outcome:
    """Solve a task into a folder, unless its answer is there or another process is at it.

    Parameters
    ----------
    text : str
        From `Task.to_text`.
    folder : str
        The store, which this process has to see under the same name.
    deadline : float or None
        Time of the clock at which to stop.
    keep_states : bool
        Whether the file holds the final state.
    kinds : tuple of type
        Classes of the user's own that the text names: this process may never have seen them.
    """
    for kind in kinds:
        register(kind)
    store = Store(Path(folder))
    if not store.folder.is_dir():
        return Outcome("failed", f"The worker does not see the folder '{folder}' of the store.")
    try:
        task = Task.from_text(text)
    except ValueError as error:
        return Outcome("failed", str(error))
    try:
        with store.lock(task.digest), one_thread_each():
            if store.has(task.digest):
                return Outcome("done")
            return _solve(task, store, deadline, keep_states)
    except BlockingIOError:
        return Outcome("busy")
    except OSError as error:
        said = None if error.filename else error.strerror  # a sentence of ours names no file beside
        return Outcome("unwritten", said or f"The store cannot be written ({error}).")


def _solve(task: Task, store: Store, deadline: float | None, keep_states: bool) -> Outcome:
    checkpoint, failure = store.checkpoint(task.digest), store.failure(task.digest)
    left = None if deadline is None else deadline - time.time()
    if left is not None and left <= 0:
        return Outcome("stopped")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TruncationWarning)
            answer = task.solve(checkpoint, left)
    except KeyboardInterrupt:
        return Outcome("stopped", INTERRUPTED)
    except TimeoutError:
        return Outcome("stopped")
    except OSError:
        raise
    except Exception as error:  # one bad point must not end all others
        message = f"{type(error).__name__}: {error}"
        write_whole(failure, message.encode())
        return Outcome("failed", message)
    if answer.stats.get("stopped"):
        return Outcome("stopped", answer.stats["stopped"])
    said = [str(w.message) for w in caught if issubclass(w.category, TruncationWarning)]
    answer.stats["warnings"] = said
    if not keep_states:
        field = "final_state" if task.verb == "evolve" else "state"
        answer = dataclasses.replace(answer, **{field: None})
    store.write(task.digest, answer)
    checkpoints.remove(checkpoint)
    failure.unlink(missing_ok=True)
    return Outcome("done", said[0] if said else "")
