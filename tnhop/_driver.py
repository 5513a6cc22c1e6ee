"""What drives a solver through an evolution: collected snapshots, the progress bar, warnings."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from tnhop.problem import Method, Problem, Snapshot, TruncationWarning
from tnhop.result import ErrorBudget, Result


class Record:
    """Collects snapshots into a Result."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.snapshots: list[Snapshot] = []
        self.stats: dict[str, Any] = {}
        self.final_state: Any = None

    def add(self, snapshot: Snapshot) -> None:
        """Keep an output; a heartbeat only updates the statistics."""
        self.stats |= snapshot.stats
        if snapshot.values:
            # what a resume needs may be as large as the state: it is not kept for every time
            self.snapshots.append(replace(snapshot, carry=None))
        if snapshot.state is not None:
            self.final_state = snapshot.state
            self.stats["final_time"] = float(snapshot.time)

    def stop(self, why: str) -> None:
        """Note that the run ended before its last time, unless it is complete."""
        wanted = len(np.atleast_1d(self.problem.times))
        if len(self.snapshots) == wanted:
            return
        if not self.snapshots:
            raise TimeoutError(f"The run was stopped ({why}) before its first output time.")
        self.stats["stopped"] = why
        message = f"The run was stopped ({why}) after {len(self.snapshots)} of {wanted} times."
        warnings.warn(message, TruncationWarning, stacklevel=3)

    def result(self, method: Method, wall_time: float) -> Result:
        """Assemble the answer and warn about what limits it."""
        problem, kept = self.problem, self.snapshots
        expect, errors = {}, {}
        for o in problem.observables:
            expect[o.name] = np.array([s.values[o.name] for s in kept])
            errors[o.name] = {
                source: np.array([s.errors[o.name][source] for s in kept])
                for source in kept[-1].errors.get(o.name, {})
            }
        warn_of_tail(self.stats)
        stats = {
            **self.stats,
            "wall_time": wall_time,
            "tnhop": version("tnhop"),
            "rng": problem.rng,
        }
        states = [s.state for s in kept] if problem.save_states else []
        return Result(
            np.array([s.time for s in kept]), expect, ErrorBudget(errors), stats, problem.model,
            method, tuple(problem.observables), self.final_state, states,
        )  # fmt: skip


def warn_of_tail(stats: dict[str, Any]) -> None:
    """Warn if the Fock space was too small."""
    tail = stats.get("fock_tail", 0.0)
    if tail > 1e-3:
        message = (
            f"A mode reached an occupation of {tail:.1e} in its highest kept level."
            " Increase `fock_dim`."
        )
        warnings.warn(message, TruncationWarning, stacklevel=4)


def progress_bar(problem: Problem, method: Method, progress: bool | None) -> Any:
    """Return a bar over the time of the problem; None shows it on terminals and in notebooks."""
    total = float(np.atleast_1d(problem.times)[-1])
    layout = "{desc}: {percentage:3.0f}%|{bar}| t = {n:.3g}/{total:.3g} [{elapsed}<{remaining}]"
    hidden = not sys.stderr.isatty() and not _in_notebook() if progress is None else not progress
    return tqdm(
        total=total or 1.0,
        desc=type(method).__name__,
        bar_format=layout,
        disable=hidden,
        leave=False,
    )


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
