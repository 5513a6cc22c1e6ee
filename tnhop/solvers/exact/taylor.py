"""Propagation by shifted Taylor series, Eq. (35) of docs/physics.md.

The generator is shifted by the centre of its spectrum, which turns the series into the
uniformisation of a master equation: its terms are bounded and nothing cancels. Expectation values
at every time inside a step come from the moments of the same terms, so that output times cost
nothing and no state is stored for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numba
import numpy as np

from tnhop.support.arrays import Real

MAX_DEGREE = 90
GOOD_DEGREE = 55
EPS = float(np.finfo(float).eps)
_FALL = 0.7  # of one term to the next, from where on a series counts as falling
_LONGEST = 1e6  # time, in units of the rates, at which all of the tolerance may be used up
_STEADY = 1e-3  # of the tolerance: rounding of a step needs not be smaller
_FEW = 1 / 100  # share of the remaining time from where on few steps follow
_UNSEEN = 1e-2  # share of an error that does not keep ‖Lx‖ from being small: less than 1/‖L‖τ
_WORTH = 3.0  # steps from where on it is worth an application to see whether they are needed
_TINY = 1e-300
_SIMULATED = 8  # predicted steps after which the length counts as settled
_PROBES = np.arange(1, 9) / 8


class LinearGenerator(Protocol):
    """A generator L of x' = L x, as the propagator applies it."""

    size: int
    dim: int
    norm: float

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""

    @property
    def accumulate(self) -> Callable[[Real, Real, Real], None]:
        """``accumulate(weights, x, rows)`` adds ``weights[q] * x`` to every ``rows[q]``."""

    def apply(self, x: Real, out: Real, half: bool = False) -> Real:
        """Write the derivative of x into `out`."""

    def trace_norm(self, x: Real) -> float:
        """Bound the trace norm of x."""


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _next_term(v: Real, w: Real, total: Real, centre: float, factor: float) -> float:
    """Turn w into factor · (v - centre w), add it to the total, return its norm: one pass."""
    square = 0.0
    for k in range(len(w)):
        w[k] = factor * (v[k] - centre * w[k])
        total[k] += w[k]
        square += w[k] * w[k]
    return float(np.sqrt(square))


@dataclass(frozen=True)
class Allowance:
    """Accepted error as a function of time, Eq. (85) of docs/physics.md.

    It does not depend on the end of the run, so that a run in pieces may err as much as a whole
    one.

    Parameters
    ----------
    tolerance : float
        Accepted error of the state (trace norm), summed over 10⁶ units of time.
    rate : float
        Unit of rates of the model.
    elapsed : float
        Time before the start, in units of the rates that then held.
    """

    tolerance: float
    rate: float = 1.0
    elapsed: float = 0.0

    def between(self, start: float, end: float) -> float:
        """Return the error that may be made from one time to another."""
        passed = self.rate * (end - start) / (1 + self.elapsed + self.rate * start)
        return self.tolerance * math.log1p(passed) / math.log(_LONGEST)

    def share(self, part: float) -> Allowance:
        """Return the allowance of a part of the system."""
        return replace(self, tolerance=self.tolerance * part)


@dataclass(frozen=True, eq=False)
class TaylorStep:
    """One step: its end, expectation values on the way, error and effort.

    Attributes
    ----------
    start, end : float
        Interval covered.
    x : ndarray, shape (n,)
        State at `end`.
    moments : ndarray, shape (n_outputs, n_rows)
        Expectation values at the output times in (start, end].
    probes : ndarray, shape (n_probes, n_rows)
        Expectation values at evenly spaced times inside the step, for monitoring.
    states : ndarray, shape (n_outputs, n) or None
        States at those times, if asked for.
    rounding : float
        Estimated rounding error of this step (trace norm).
    drift : float
        Largest change per time (trace norm) that was left out, because it is negligible.
    degree, n_applications : int
        Degree of the series; generator applications, failed attempts included.
    length : float
        Suggested length of the next step.
    """

    start: float
    end: float
    x: Real
    moments: Real
    probes: Real
    states: Real | None
    rounding: float
    drift: float
    degree: int
    n_applications: int
    length: float


def _next_length(degree: int, growth: float, tolerance: float) -> float:
    """Return the length of the next step in units of the last one.

    Its series shall have a good degree, and terms so small that their rounding stays far below the
    tolerance; `growth` is the logarithm of the largest term.
    """
    largest = np.log(max(0.1 * tolerance / EPS, 2.0))
    return float(min(2.0, GOOD_DEGREE / degree, largest / max(growth, 1e-3)))


def _rounding(size: float, degree: float, dim: int) -> float:
    """Estimate the rounding error of a series whose largest term has this 2-norm (trace norm)."""
    return 4 * EPS * size * math.sqrt(degree * dim)


@dataclass(frozen=True)
class TaylorPropagator:
    """Steps e^{tL} x through the output times.

    Parameters
    ----------
    generator : LinearGenerator
        L, with its trace norm.
    rows : sparse array, shape (n_rows, n)
        Dual vectors: expectation values are ``rows @ x``.
    allowance : Allowance
        Accepted error of the state.
    max_states : int
        Largest number of states kept per step; 0 keeps none.
    half : bool
        Whether x is symmetric and stays so.
    """

    generator: LinearGenerator
    rows: Any
    allowance: Allowance
    max_states: int = 0
    half: bool = False

    def steps(
        self, x: Real, times: Real, start: float = 0.0, length: float | None = None
    ) -> Iterator[TaylorStep]:
        """Yield the steps from `start` to the last of `times`."""
        now, end = start, float(times[-1])
        pending = times[times > now * (1 + 1e-12)]  # as between two steps
        length = length or 8 / self.generator.norm
        while len(pending):
            drift = self._drift(x, now, end, length)
            tau = end - now if drift is not None else min(length, end - now)
            if self.max_states and pending[0] <= now + tau * (1 + 1e-12):
                tau = min(tau, pending[: self.max_states][-1] - now)
            inside = pending[pending <= now + tau * (1 + 1e-12)]
            tau = end - now if abs(now + tau - end) <= 1e-12 * end else tau
            if drift is None:
                step = self._step(x, now, tau, inside, end)
            else:
                step = self._rest(x, now, tau, len(inside), drift, length)
            pending = pending[pending > step.end * (1 + 1e-12)]
            now, x, length = step.end, step.x, step.length
            yield step

    def _drift(self, x: Real, now: float, end: float, length: float) -> float | None:
        """Return ‖Lx‖₁ if x may stand for all times to come, Eq. (86); None if it may not.

        Since e^{tL} does not increase the trace norm, x changes by at most t ‖Lx‖₁. This is
        negligible below what may still be erred, or below the rounding of all steps to come.
        """
        steps = (end - now) / length
        if steps < _WORTH:
            return None
        change = self.generator.apply(x, np.empty_like(x))
        rounding = _rounding(float(np.linalg.norm(x)), GOOD_DEGREE, self.generator.dim)
        accepted = (self.allowance.between(now, end) + steps * rounding) / (end - now)
        if np.linalg.norm(change) > accepted:
            return None
        drift = self.generator.trace_norm(change)
        return drift if drift <= accepted else None

    def _rest(
        self, x: Real, now: float, tau: float, n_outputs: int, drift: float, length: float
    ) -> TaylorStep:
        """Return the step of a state at which nothing changes any more."""
        moments = np.tile(self.rows @ x, (n_outputs, 1))
        states = np.tile(x, (n_outputs, 1)) if self.max_states and n_outputs else None
        return TaylorStep(
            now, now + tau, x, moments, np.tile(self.rows @ x, (len(_PROBES), 1)), states, 0.0,
            drift, 0, 1, length,
        )  # fmt: skip

    def _accepted(self, now: float, tau: float, end: float) -> float:
        """Return the error that a step may make; less if many follow, so that rest is seen."""
        accepted, share = self.allowance.between(now, now + tau), tau / (end - now)
        if share > _FEW:
            return accepted
        return min(accepted, _UNSEEN * share * self.allowance.between(now, end))

    def _step(self, x: Real, now: float, tau: float, outputs: Real, end: float) -> TaylorStep:
        applied = 0
        while True:
            inside = outputs[outputs <= now + tau * (1 + 1e-12)]
            accepted = self._accepted(now, tau, end)
            attempt = self._series(x, tau, (inside - now) / tau, accepted)
            applied += attempt.n_applications
            if attempt.degree <= MAX_DEGREE:
                break
            tau /= 2
        total, moments, states, rounding, degree, length = attempt.parts
        n = len(inside)
        return TaylorStep(
            now, now + tau, total, moments[:n], moments[n:], states, rounding, 0.0, degree, applied,
            length,
        )  # fmt: skip

    def _series(self, x: Real, tau: float, fractions: Real, accepted: float) -> _Series:
        """Sum the series over one step of length tau, outputs at the given fractions of it."""
        centre = self.generator.mean_diagonal
        damping = np.exp(centre * tau)
        n = len(fractions)
        keep = self.max_states > 0 and n > 0
        fractions = np.concatenate([fractions, _PROBES])
        at = np.exp(centre * tau * fractions)
        states = np.multiply.outer(at[:n], x) if keep else None
        total, w, v = x.copy(), x.copy(), np.empty_like(x)
        moments = np.multiply.outer(at, self.rows @ x)
        first = size = peak = float(np.linalg.norm(x))
        degree, falls = 0, (math.inf, math.inf)
        while True:
            degree += 1
            if degree > MAX_DEGREE:
                return _Series(degree, degree - 1, None)
            self.generator.apply(w, v, self.half)
            previous, size = size, _next_term(v, w, total, centre, tau / degree)
            weights = at * fractions**degree
            moments += np.multiply.outer(weights, self.rows @ w)
            if states is not None:
                self.generator.accumulate(weights[:n], w, states)
            peak, falls = max(peak, size), (falls[1], size / max(previous, _TINY))
            if size == 0 or self._is_small(
                w, size, damping, max(falls), max(accepted, EPS * first)
            ):
                break
        rounding = _rounding(max(damping * peak, first), degree, self.generator.dim)
        total *= damping
        growth = np.log(max(damping * peak, 1.0) + 1e-12)
        length = tau * _next_length(
            degree, growth, max(accepted, _STEADY * self.allowance.tolerance)
        )
        return _Series(degree, degree, (total, moments, states, rounding, degree, length))

    def _is_small(self, w: Real, size: float, damping: float, fall: float, accepted: float) -> bool:
        """Return whether the terms after w, which fall at least as those up to it, are negligible.

        The trace norm is at least the 2-norm, which is known.
        """
        if fall >= _FALL:
            return False
        rest = damping * fall / (1 - fall)
        return rest * size <= accepted and rest * self.generator.trace_norm(w) <= accepted


@dataclass(frozen=True, eq=False)
class _Series:
    degree: int
    n_applications: int
    parts: Any


@dataclass(frozen=True)
class SpectralBounds:
    """Circle around the part of the spectrum of a generator that decides its Taylor series.

    Attributes
    ----------
    radius : float
        Largest distance from the centre that matters.
    centre : float
        Distance of the centre from zero, to the left.
    """

    radius: float
    centre: float

    def share(self, part: float) -> SpectralBounds:
        """Return the bounds of a part of the system."""
        return SpectralBounds(self.radius * part, self.centre * part)


def predicted_applications(bounds: SpectralBounds, end: float, allowance: Allowance) -> float:
    """Return the applications behind an evolution: steps as above, with the largest numbers."""
    if end <= 0.0 or bounds.radius <= 0.0:
        return 1.0
    if not math.isfinite(bounds.radius * end):
        return math.inf
    radius, centre = bounds.radius, min(bounds.centre, 0.98 * bounds.radius)
    now, length, total, degree = 0.0, 2 / radius, 0.0, 1
    for _ in range(_SIMULATED):
        length = min(length, end - now)
        accepted = allowance.between(now, now + length)
        degree = _predicted_degree(radius * length, centre * length, max(accepted, EPS))
        total += degree
        now += length
        if now >= end * (1 - 1e-12):
            return total
        limit = max(accepted, _STEADY * allowance.tolerance)
        longer = _next_length(degree, (radius - centre) * length, limit)
        length *= longer
    return total + degree * longer * (end - now) / length


def _predicted_degree(z: float, damping: float, tolerance: float) -> int:
    """Return the degree at which the terms zᵏ/k! of a series, damped by e^-damping, are small."""
    k, small = 1, math.log(tolerance) + damping
    while k < MAX_DEGREE and not (k * math.log(z) - math.lgamma(k + 1) < small and z < _FALL * k):
        k += 1
    return k
