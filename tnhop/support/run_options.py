"""Options of one run that every verb takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnhop.support.atomic_files import file_name
from tnhop.support.checks import integer, real, wrong_type


@dataclass(frozen=True)
class RunOptions:
    """Options that every verb takes; none of them changes an answer, but for the seed.

    Parameters
    ----------
    rng : int, optional
        Seed of methods that sample.
    progress : bool, optional
        Whether to show a progress bar; by default only on a terminal or in a notebook.
    checkpoint : str or path, optional
        File that keeps what a resume needs.
    checkpoint_interval : float
        Seconds between two writings.
    max_wall_time : float, optional
        Seconds after which to stop.
    """

    rng: int | None = None
    progress: bool | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_interval: float = 30.0
    max_wall_time: float | None = None

    def __post_init__(self) -> None:
        if self.rng is not None:
            self._set("rng", integer(self.rng, "rng", minimum=0))
        if self.progress is not None and not isinstance(self.progress, bool | np.bool_):
            raise wrong_type("progress", "be True, False or None", self.progress)
        if self.checkpoint is not None:
            self._set("checkpoint", file_name(self.checkpoint, "checkpoint"))
        interval = real(self.checkpoint_interval, "checkpoint_interval", minimum=0.0)
        self._set("checkpoint_interval", interval)
        if self.max_wall_time is not None:
            self._set("max_wall_time", real(self.max_wall_time, "max_wall_time", above=0.0))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
