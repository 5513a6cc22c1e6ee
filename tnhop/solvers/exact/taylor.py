"""Propagation by shifted Taylor series, Eq. (35) of docs/physics.md.

The generator is shifted by the centre of its spectrum, which turns the series into the
uniformisation of a master equation: its terms are bounded and nothing cancels. Expectation values
at every time inside a step come from the moments of the same terms, so that output times cost
nothing and no state is stored for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from tnhop.support.arrays import Real

Apply = Callable[[Real, Real], Real]
Accumulate = Callable[[Real, Real, Real], None]

MAX_DEGREE = 90
GOOD_DEGREE = 55
EPS = np.finfo(float).eps
_TAIL, _FALL = 0.25, 0.7  # last terms per tolerance, and per term before them
_SIMULATED = 8  # predicted steps after which the length counts as settled
_PROBES = np.arange(1, 9) / 8


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _next_term(v: Real, w: Real, total: Real, centre: float, factor: float) -> float:
    """Turn w into factor · (v - centre w), add it to the total, return its norm: one pass."""
    square = 0.0
    for k in range(len(w)):
        w[k] = factor * (v[k] - centre * w[k])
        total[k] += w[k]
        square += w[k] * w[k]
    return float(np.sqrt(square))


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
    error : float
        Bound on the 2-norm error made in this step: truncated tail and rounding.
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
    error: float
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


@dataclass(frozen=True)
class TaylorPropagator:
    """Steps e^{tL} x through the output times.

    Parameters
    ----------
    apply : callable
        ``apply(x, out)`` writes L x into `out`.
    centre : float
        Shift, the mean of the diagonal of L.
    rows : sparse array, shape (n_rows, n)
        Dual vectors: expectation values are ``rows @ x``.
    tolerance : float
        Accepted error of the state (2-norm), summed over the whole evolution.
    accumulate : callable
        ``accumulate(weights, x, rows)`` adds ``weights[q] * x`` to ``rows[q]``.
    max_states : int
        Largest number of states kept per step; 0 keeps none.
    first_length : float
        Length of the first step.
    """

    apply: Apply
    centre: float
    rows: Any
    tolerance: float
    accumulate: Accumulate
    max_states: int = 0
    first_length: float = 1.0

    def steps(
        self, x: Real, times: Real, start: float = 0.0, length: float | None = None
    ) -> Iterator[TaylorStep]:
        """Yield the steps from `start` to the last of `times`."""
        now, end = start, float(times[-1])
        per_time = self.tolerance / max(end, 1e-300)  # the same for a resumed run
        pending = times[times > now * (1 + 1e-12)]  # as between two steps
        length = length or self.first_length
        while len(pending):
            tau = min(length, end - now)
            if self.max_states and pending[0] <= now + tau * (1 + 1e-12):
                tau = min(tau, pending[: self.max_states][-1] - now)
            inside = pending[pending <= now + tau * (1 + 1e-12)]
            tau = end - now if abs(now + tau - end) <= 1e-12 * end else tau
            step = self._step(x, now, tau, inside, per_time)
            pending = pending[pending > step.end * (1 + 1e-12)]
            now, x, length = step.end, step.x, step.length
            yield step

    def _step(self, x: Real, now: float, tau: float, outputs: Real, per_time: float) -> TaylorStep:
        applied = 0
        while True:
            inside = outputs[outputs <= now + tau * (1 + 1e-12)]
            attempt = self._series(x, tau, (inside - now) / tau, per_time * tau)
            applied += attempt.n_applications
            if attempt.degree <= MAX_DEGREE:
                break
            tau /= 2
        total, moments, states, error, degree, length = attempt.parts
        n = len(inside)
        return TaylorStep(
            now, now + tau, total, moments[:n], moments[n:], states, error, degree, applied, length
        )

    def _series(self, x: Real, tau: float, fractions: Real, tolerance: float) -> _Series:
        """Sum the series over one step of length tau, outputs at the given fractions of it."""
        damping = np.exp(self.centre * tau)
        n = len(fractions)
        keep = self.max_states > 0 and n > 0
        fractions = np.concatenate([fractions, _PROBES])
        at = np.exp(self.centre * tau * fractions)
        states = np.multiply.outer(at[:n], x) if keep else None
        total, w, v = x.copy(), x.copy(), np.empty_like(x)
        moments = np.multiply.outer(at, self.rows @ x)
        size = peak = float(np.linalg.norm(x))
        degree = 0
        while True:
            degree += 1
            if degree > MAX_DEGREE:
                return _Series(degree, degree - 1, None)
            self.apply(w, v)
            previous, size = size, _next_term(v, w, total, self.centre, tau / degree)
            weights = at * fractions**degree
            moments += np.multiply.outer(weights, self.rows @ w)
            if states is not None:
                self.accumulate(weights[:n], w, states)
            peak = max(peak, size)
            # the terms fall at least geometrically here, so the tail is below twice the last
            small = damping * (previous + size) < _TAIL * tolerance and size < _FALL * previous
            if small or size == 0:
                break
        rounding = 4 * EPS * max(damping * peak, 1.0) * np.sqrt(degree)
        error = 2 * damping * size + rounding
        total *= damping
        growth = np.log(max(damping * peak, 1.0) + 1e-12)
        length = tau * _next_length(degree, growth, tolerance)
        return _Series(degree, degree, (total, moments, states, error, degree, length))


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


def predicted_applications(bounds: SpectralBounds, end: float, tolerance: float) -> float:
    """Return the applications behind an evolution: steps as above, with the largest numbers."""
    if end <= 0.0 or bounds.radius <= 0.0:
        return 1.0
    if not math.isfinite(bounds.radius * end):
        return math.inf
    radius, centre = bounds.radius, min(bounds.centre, 0.98 * bounds.radius)
    now, length, total, degree, per_time = 0.0, 2 / radius, 0.0, 1, tolerance / end
    for _ in range(_SIMULATED):
        length = min(length, end - now)
        degree = _predicted_degree(radius * length, centre * length, per_time * length)
        total += degree
        now += length
        if now >= end * (1 - 1e-12):
            return total
        longer = _next_length(degree, (radius - centre) * length, per_time * length)
        length *= longer
    return total + degree * longer * (end - now) / length


def _predicted_degree(z: float, damping: float, tolerance: float) -> int:
    """Return the degree at which the terms zᵏ/k! of a series, damped by e^-damping, are small."""
    k, small = 1, math.log(_TAIL * tolerance) + damping
    while k < MAX_DEGREE and not (k * math.log(z) - math.lgamma(k + 1) < small and z < _FALL * k):
        k += 1
    return k
