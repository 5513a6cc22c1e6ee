"""Lengths of the steps of an evolution, and which steps are probed for their error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.rate_scale import site_rates
from tnhop.solvers.bounds import amplitude_bound, operator_bound

_PROBE_INTERVAL = 10  # steps from one probe to the next
_SHORT_INTERVAL = 4  # the same for steps shorter than half of the longest: they may become longer
_LONGER = 2.5  # a step longer than the last probed one by this factor is probed
_CONDITIONS = 6  # order of the interpolation within a step
_ROUGH = 4.0  # errors within a step do not add up
_SAFETY = 0.9  # of the length that the tolerance allows
_MOST, _LEAST = 8.0, 0.2  # factors by which a probe changes the length of the next steps
_DOUBLING = 2.0  # factor by which a step may be longer than the one before
_ACCEPTED = 4.0  # error of a whole step, in units of its tolerance: its two halves err by a quarter
_SHORTER, _REDUCED = 0.8, 0.7  # steps shorter by the one factor have errors smaller by the other
_RETREAT = 0.25  # factor after a step that failed
_SMALLEST = 2.0**-40  # length, in units of the first one, below which a run is given up
_FOLLOWED = 60  # steps listed one by one
_FIRST_STEPS = 5  # that a run usually takes before its steps double, as probes then allow
_RESOLVED = 0.2
_TINY = float(np.finfo(float).tiny)


def fastest(model: Model) -> float:
    """Return the largest rate of a site, Eq. (81) of docs/physics.md; the smallest float if 0."""
    return max(float(model.site_rates.max()), _TINY)


def resolved(model: Model) -> float:
    """Return a length of steps within which no observable of few sites bends much."""
    return _RESOLVED / fastest(model)


def turning(model: Model) -> float:
    """Return the largest rate of a site by the Hamiltonian alone; the smallest float if 0."""
    return max(float(site_rates(model.n_sites, model.hamiltonian, ()).max()), _TINY)


def damping(model: Model) -> float:
    """Return the sum of ‖L‖² over all jumps, or over those on one site: the largest one.

    The generator of a site with its Fock levels has no eigenvalue below minus twice this number.
    """
    rates = np.full(model.n_sites, _TINY)
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            rates[jump.site] += sum(size**2 for size, _ in amplitude_bound(jump))
        else:
            rates[list(jump.sites)] += operator_bound(jump.operator, model) ** 2
    return float(rates.max())


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
    """Lengths of steps, whatever the output times are.

    Bonds grow step by step: the first steps are short, so that little is missed. Later ones double
    until their error, measured on some of them, meets the tolerance.

    Attributes
    ----------
    longest : float
        Largest length.
    first : float
        Length of the first two steps.
    tolerance : float
        Accepted error per unit of time, as a norm of the vector of the state.
    relative : float
        Accepted error of interpolated observables, in units of their largest value.
    resolved : float
        Length that interpolation resolves in any case: what is left is noise.
    adaptive : bool
        Whether lengths follow errors; otherwise all steps but the first ones are the longest.
    limit : float
        Largest length that is stable.
    halving : bool
        Whether all lengths are the longest one, halved a number of times: gates are then few.
    """

    longest: float
    first: float
    tolerance: float
    relative: float
    resolved: float
    adaptive: bool = True
    limit: float = math.inf
    halving: bool = False

    def length(self, number: int, before: float, allowed: float) -> float:
        """Return the length of a step.

        Parameters
        ----------
        number : int
            Steps so far.
        before : float
            Length of the last one.
        allowed : float
            Length that the last probe allows.
        """
        growing = self.first if number < 2 else _DOUBLING * before
        length = min(growing, allowed, self.longest, self.limit)
        if not self.halving:
            return length
        return self.longest * 2.0 ** -math.ceil(math.log2(self.longest / length) - 1e-9)

    def probes(self, length: float, probed_length: float, since: int) -> bool:
        """Return whether a step is also taken as two halves, whose difference is its error.

        Parameters
        ----------
        length : float
            Its length.
        probed_length : float
            Of the last probed step; 0 if there was none.
        since : int
            Steps since then.
        """
        interval = _PROBE_INTERVAL if 2 * length > self.longest else _SHORT_INTERVAL
        return length > _LONGER * probed_length or since >= interval

    def accepts(self, length: float, error: float, least: float) -> bool:
        """Return whether a step with that error is good enough.

        Parameters
        ----------
        length : float
            Its length.
        error : float
            Its error, as a norm of the vector.
        least : float
            Error per unit of time that shorter steps do not reduce.
        """
        return not self.adaptive or error <= _ACCEPTED * max(self.tolerance, least) * length

    def least(
        self, length: float, speed: float, before: tuple[float, float] | None, least: float
    ) -> float:
        """Return the error per unit of time that shorter steps do not reduce.

        Parameters
        ----------
        length, speed : float
            Length of a probed step, and its error per unit of time.
        before : tuple of float or None
            Both of the probed step before.
        least : float
            What was known.
        """
        if before is None:
            return least
        if length < _SHORTER * before[0] and speed > _REDUCED * before[1]:
            return max(least, speed)
        return min(least, speed) if length >= before[0] else least

    def allowed(self, length: float, error: float, least: float) -> float:
        """Return the length of the next steps, after one with that error; steps err as its cube."""
        if not self.adaptive:
            return math.inf
        if error <= least * length:  # shorter steps would not be better
            return _MOST * length
        factor = _SAFETY * math.sqrt(max(self.tolerance, least) * length / error)
        return length * min(max(factor, _LEAST), _MOST)

    def smooth(self, length: float, error: float, noise: float) -> float:
        """Return the length of the next steps, after one whose observables are interpolated.

        Parameters
        ----------
        length : float
            Its length.
        error : float
            Largest error of the interpolation, of sixth order, in units of the largest value.
        noise : float
            What truncation and projection changed in the step: interpolation cannot be better.
        """
        if not self.adaptive or error <= 0:
            return math.inf
        accepted = max(_ROUGH * self.relative, noise)
        longer = _SAFETY * (accepted / error) ** (1 / _CONDITIONS)
        return max(length * min(longer, _MOST), self.resolved)

    def retreat(self, length: float) -> float:
        """Return the length after a step that failed; 0 if there is none."""
        shorter = _RETREAT * length
        return shorter if self.adaptive and shorter > _SMALLEST * self.first else 0.0

    def first_steps(self, times: Any) -> tuple[list[Step], float]:
        """Return the first steps of a usual run, and how many of the last one follow.

        Lengths that follow errors stay at that of the first steps until the second probe.

        Parameters
        ----------
        times : array_like, shape (n_times,)
            Output times.
        """
        steps, time, length, probed, since = list[Step](), 0.0, 0.0, 0.0, 0
        waiting = _FIRST_STEPS if self.adaptive and not self.halving else 0
        end = float(np.max(np.atleast_1d(times), initial=0.0))
        while time < end * (1 - 1e-9):
            if len(steps) >= _FOLLOWED:
                longest = min(self.longest, self.limit)
                more = math.ceil((end - time) / longest * (1 - 1e-12))
                return steps, more * (1 + 2 / _PROBE_INTERVAL)
            allowed = self.first if len(steps) < waiting else math.inf
            length = self.length(len(steps), length, allowed)
            is_probed = self.probes(length, probed, since)
            probed, since = (length, 1) if is_probed else (probed, since + 1)
            time += length
            steps.append(Step(time, length, 3.0 if is_probed else 1.0))
        return steps, 0.0
