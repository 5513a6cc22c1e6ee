"""Schedule of the steps of an evolution: their lengths, and those whose error is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

_FIRST_PROBES = {0: 2, 2: 3, 5: 5}  # number of a probed step: how many steps its error stands for
_PROBE_INTERVAL = 10  # from step 10 on, every tenth step is probed
_FOLLOWED = 60  # steps listed one by one


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    end : float
        Time at its end.
    length : float
        Its length.
    repeats : float
        Steps of an engine that it takes: three where its error is measured.
    """

    end: float
    length: float
    repeats: float


@dataclass(frozen=True)
class StepSchedule:
    """Lengths of steps between output times, all shorter than a limit.

    Bonds grow step by step: the first steps are short, so that little is missed.

    Attributes
    ----------
    longest : float
        Largest length.
    start_levels : int
        The first step is halved so many times; from the second one on the limit doubles.
    probed : bool
        Whether some steps are also taken as two half steps, whose difference is their error.
    """

    longest: float
    start_levels: int
    probed: bool

    def next_step(self, number: int, time: float, target: float) -> tuple[float, float]:
        """Return the length of a step towards an output time, and the time at its end."""
        left = target - time
        length = left / math.ceil(left / self.longest * (1 - 1e-12))
        doublings = max(number, 1) - 1 - self.start_levels
        if doublings <= 0:
            length = min(length, self.longest * 2.0**doublings)
        return length, target if length > left * (1 - 1e-9) else time + length

    def stands_for(self, number: int) -> int:
        """Return for how many steps the error of this one is measured; 0 if it is not probed."""
        if not self.probed:
            return 0
        regular = number > 0 and number % _PROBE_INTERVAL == 0
        return _FIRST_PROBES.get(number, _PROBE_INTERVAL * regular)

    def first_steps(self, times: Any) -> tuple[list[Step], float]:
        """Return the first steps of a run, and how many repeats of the last one follow.

        Parameters
        ----------
        times : array_like, shape (n_times,)
            Output times.
        """
        steps, time, targets = list[Step](), 0.0, np.atleast_1d(times)
        for k, target in enumerate(targets):
            while time < target:
                if len(steps) >= _FOLLOWED:
                    gaps = np.diff(np.concatenate([[time], targets[k:]]))
                    more = np.maximum(np.ceil(gaps / self.longest * (1 - 1e-12)), 1.0)
                    return steps, float(more.sum()) * (1 + 2 / _PROBE_INTERVAL * self.probed)
                repeats = 3.0 if self.stands_for(len(steps)) else 1.0
                length, time = self.next_step(len(steps), time, float(target))
                steps.append(Step(time, length, repeats))
        return steps, 0.0
