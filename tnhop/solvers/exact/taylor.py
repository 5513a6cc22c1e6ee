"""Propagation by series of the shifted generator, Eqs. (35) and (100) of docs/physics.md.

The generator is shifted by the centre of its spectrum, which turns a Taylor series into the
uniformisation of a master equation: its terms are bounded and nothing cancels. Where the spectrum
is mostly imaginary, a Chebyshev series takes its place. Expectation values at every time inside a
step come from the moments of the same terms, so that output times cost nothing and no state is
stored for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numba
import numpy as np

from tnhop.solvers.exact.series import FALL, GOOD_DEGREE, Series
from tnhop.support.arrays import Real
from tnhop.support.threads import even_cuts, n_shares, share_out

_HIGH = 3.0  # energy spread over the radius that a Taylor step sees: Chebyshev series up to here
_LONGER = 1.3  # a step of a long series that saves the next one
LOST = 1e3  # largest term over the state, from where on a step is taken in two
EPS = float(np.finfo(float).eps)
_LONGEST = 1e6  # time, in units of the rates, at which all of the tolerance may be used up
STEADY = 1e-3  # of the tolerance: rounding of a step needs not be smaller
_FEW = 1 / 100  # share of the remaining time from where on few steps follow
_UNSEEN = 1e-2  # share of an error that does not keep ‖Lx‖ from being small: less than 1/‖L‖τ
_WORTH = 3.0  # steps from where on it is worth an application to see whether they are needed
_TINY = 1e-300
_CHUNK = 2**14  # numbers that one thread adds up
_DIMENSION = 100  # behind predicted roundings
_SIMULATED = 8  # predicted steps after which the length counts as settled
PROBES = np.arange(1, 9) / 8


class LinearGenerator(Protocol):
    """A generator L of x' = L x, as the propagator applies it."""

    size: int
    dim: int
    norm: float

    @property
    def energy_spread(self) -> float:
        """Largest difference of energies: half the height of the spectrum."""

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


@numba.njit(cache=True, fastmath={"contract", "reassoc"}, nogil=True)
def _next_chunks(
    v: Real, w: Real, before: Real, total: Real, centre: float, scale: float, keep: float,
    coefficient: float, squares: Real, start: int, stop: int,
) -> None:  # fmt: skip
    """Do what `next_term` does for some chunks, and sum the squares of each."""
    for chunk in range(start, stop):
        square = 0.0
        for k in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(w))):
            term = scale * (v[k] - centre * w[k])
            if keep != 0.0:
                term += keep * before[k]
            before[k] = term
            total[k] += coefficient * term
            square += term * term
        squares[chunk] = square


def next_term(
    v: Real, w: Real, before: Real, total: Real, centre: float,
    scale: float, keep: float, coefficient: float,
) -> float:  # fmt: skip
    """Turn `before` into scale · (v - centre w) + keep · before, add it to the total: one pass.

    Return its norm. `before` is not read if `keep` is zero. Chunks do not depend on the number of
    threads, so that the norm does not.
    """
    squares = np.empty(-(-len(w) // _CHUNK))
    cuts = even_cuts(len(squares), n_shares(len(w)))
    share_out(
        lambda *part: _next_chunks(
            v, w, before, total, centre, scale, keep, coefficient, squares, *part
        ),
        cuts,
    )
    return math.sqrt(math.fsum(squares))


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
class SeriesStep:
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
    length, focus : float
        Suggested length of the next step, and the focus of its series.
    longest : float or None
        Length of later Chebyshev steps at most, since the terms of a longer one got too large.
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
    focus: float
    longest: float | None


def rounding_of(size: float, degree: float, dim: int) -> float:
    """Estimate the rounding error of a series whose largest term has this 2-norm (trace norm)."""
    return 4 * EPS * size * math.sqrt(degree * dim)


def largest_term(tolerance: float, degree: float, dim: int) -> float:
    """Return the logarithm of a term whose rounding stays far below the tolerance."""
    return math.log(max(0.1 * tolerance / rounding_of(1.0, degree, dim), 2.0))


def chebyshev_focus(height: float, centre: float, radius: float) -> float:
    """Return the focus of the Chebyshev series, Eq. (100); 0 if Taylor series are better.

    Parameters
    ----------
    height : float
        Spread of the energies, the half-height of the spectrum.
    centre : float
        Mean of the spectrum, its half-width.
    radius : float
        Distance from the centre up to which a state sees the spectrum.
    """
    square = height**2 - centre**2
    return math.sqrt(square) if square >= centre**2 and height <= _HIGH * radius else 0.0


@dataclass(frozen=True)
class SeriesPropagator:
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
        self, x: Real, times: Real, start: float = 0.0, length: float | None = None,
        focus: float = 0.0, longest: float | None = None,
    ) -> Iterator[SeriesStep]:  # fmt: skip
        """Yield the steps from `start` to the last of `times`."""
        now, end = start, float(times[-1])
        pending = times[times > now * (1 + 1e-12)]  # as between two steps
        length = length or 8 / self.generator.norm
        while len(pending):
            length = min(length, longest or length)
            drift = self._drift(x, now, end, length)
            whole = drift is not None or end - now <= length * (_LONGER if focus else 1.0)
            tau = min(end - now if whole else length, self._longest(now))
            if self.max_states and pending[0] <= now + tau * (1 + 1e-12):
                tau = min(tau, pending[: self.max_states][-1] - now)
            inside = pending[pending <= now + tau * (1 + 1e-12)]
            tau = end - now if abs(now + tau - end) <= 1e-12 * end else tau
            if drift is None:
                step = self._step(x, now, tau, inside, end, focus, longest)
            else:
                step = self._rest(x, now, tau, len(inside), drift, length, focus, longest)
            pending = pending[pending > step.end * (1 + 1e-12)]
            now, x = step.end, step.x
            length, focus, longest = step.length, step.focus, step.longest
            yield step

    def _drift(self, x: Real, now: float, end: float, length: float) -> float | None:
        """Return ‖Lx‖₁ if x may stand for all times to come, Eq. (86); None if it may not.

        Since e^{tL} does not increase the trace norm, x changes by at most t ‖Lx‖₁. This is
        negligible below what may still be erred, or below the rounding of Taylor steps to come.
        """
        steps = (end - now) / length
        if steps < _WORTH:
            return None
        change = self.generator.apply(x, np.empty_like(x))
        rounding = rounding_of(float(np.linalg.norm(x)), GOOD_DEGREE, self.generator.dim)
        rounding /= min(length, GOOD_DEGREE / self.generator.norm)
        accepted = self.allowance.between(now, end) / (end - now) + rounding
        if np.linalg.norm(change) > accepted:
            return None
        drift = self.generator.trace_norm(change)
        return drift if drift <= accepted else None

    def _rest(
        self, x: Real, now: float, tau: float, n_outputs: int, drift: float, length: float,
        focus: float, longest: float | None,
    ) -> SeriesStep:  # fmt: skip
        """Return the step of a state at which nothing changes any more."""
        moments = np.tile(self.rows @ x, (n_outputs, 1))
        states = np.tile(x, (n_outputs, 1)) if self.max_states and n_outputs else None
        return SeriesStep(
            now, now + tau, x, moments, np.tile(self.rows @ x, (len(PROBES), 1)), states, 0.0,
            drift, 0, 1, length, focus, longest,
        )  # fmt: skip

    def _accepted(self, now: float, tau: float, end: float) -> float:
        """Return the error that a step may make; less if many follow, so that rest is seen."""
        accepted, share = self.allowance.between(now, now + tau), tau / (end - now)
        if share > _FEW:
            return accepted
        return min(accepted, _UNSEEN * share * self.allowance.between(now, end))

    def _step(
        self, x: Real, now: float, tau: float, outputs: Real, end: float, focus: float,
        longest: float | None,
    ) -> SeriesStep:  # fmt: skip
        applied = 0
        while True:
            inside = outputs[outputs <= now + tau * (1 + 1e-12)]
            accepted = self._accepted(now, tau, end)
            attempt = self._sum(x, Series(focus, tau), (inside - now) / tau, accepted, now)
            applied += attempt.n_applications
            if attempt.parts is not None:
                break
            tau /= 2
            longest = tau if focus else longest
        total, moments, states, rounding, length, focus = attempt.parts
        n = len(inside)
        return SeriesStep(
            now, now + tau, total, moments[:n], moments[n:], states, rounding, 0.0,
            attempt.n_applications, applied, length, focus, longest,
        )  # fmt: skip

    def _longest(self, now: float) -> float:  # noqa: ARG002
        """Return how long a step from a time may be at most."""
        return math.inf

    def _sum(
        self, x: Real, series: Series, fractions: Real, accepted: float,
        now: float,  # noqa: ARG002
    ) -> Attempt:  # fmt: skip
        """Sum a series over one step, outputs at the given fractions of it."""
        centre, tau = self.generator.mean_diagonal, series.length
        damping, reach = math.exp(centre * tau), math.hypot(series.focus, centre) * tau
        own = series.coefficients(np.ones(1), series.max_degree)[0]
        states, weights = None, np.zeros((0, 1))
        if self.max_states and len(fractions):
            weights = series.coefficients(fractions, series.max_degree)
            weights *= np.exp(centre * tau * fractions)[:, None]
            states = np.multiply.outer(weights[:, 0], x)
        total, w, before, v = own[0] * x, x.copy(), np.empty_like(x), np.empty_like(x)
        moments = [self.rows @ x]
        first = float(np.linalg.norm(x))
        norms, size = [first], abs(own[0]) * first
        tolerance = max(accepted, STEADY * self.allowance.tolerance)
        unit = rounding_of(1.0, series.max_degree, self.generator.dim)
        most = max(tolerance / unit, LOST * first) / damping
        degree, peak, radius, falls = 0, size, 0.0, (math.inf, math.inf)
        while True:
            degree += 1
            if degree > series.max_degree or peak > most:
                return Attempt(degree - 1, None)
            self.generator.apply(w, v, self.half)
            scale, keep = series.step(degree)
            norms.append(next_term(v, w, before, total, centre, scale, keep, own[degree]))
            w, before = before, w
            moments.append(self.rows @ w)
            if states is not None:
                self.generator.accumulate(weights[:, degree], w, states)
            previous, size = size, abs(own[degree]) * norms[-1]
            peak, falls = max(peak, size), (falls[1], size / max(previous, _TINY))
            radius = max(radius, norms[-1] / (scale * max(norms[-2], _TINY)))
            if size == 0 or (
                degree >= reach
                and self._is_small(w, own[degree], size, damping, falls, max(accepted, EPS * first))
            ):
                break
        rounding = rounding_of(max(damping * peak, first), degree, self.generator.dim)
        total *= damping
        largest = largest_term(tolerance, degree, self.generator.dim)
        length = tau * series.lengthened(degree, series.limit(norms, centre, largest))
        at = np.concatenate([fractions, PROBES])
        values = series.sums(at, np.array(moments)) * np.exp(centre * tau * at)[:, None]
        focus = series.focus or chebyshev_focus(self.generator.energy_spread, centre, radius)
        return Attempt(degree, (total, values, states, rounding, length, focus))

    def _is_small(
        self, w: Real, coefficient: float, size: float, damping: float,
        falls: tuple[float, float], accepted: float,
    ) -> bool:  # fmt: skip
        """Return whether the terms after w, which fall at least as those up to it, are negligible.

        The trace norm is at least the 2-norm, which is known.
        """
        fall = max(falls)
        if fall >= FALL:
            return False
        rest = damping * fall / (1 - fall)
        if rest * size > accepted:
            return False
        return rest * abs(coefficient) * self.generator.trace_norm(w) <= accepted


@dataclass(frozen=True, eq=False)
class Attempt:
    """A step: applications of the generator, and what it gave; None if it is to be shorter."""

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
    height : float
        Largest imaginary part, whether it matters or not.
    """

    radius: float
    centre: float
    height: float

    def share(self, part: float) -> SpectralBounds:
        """Return the bounds of a part of the system."""
        return SpectralBounds(self.radius * part, self.centre * part, self.height * part)


def predicted_applications(bounds: SpectralBounds, end: float, allowance: Allowance) -> float:
    """Return the applications behind an evolution: steps as above, with the largest numbers."""
    if end <= 0.0 or bounds.radius <= 0.0:
        return 1.0
    if not math.isfinite(bounds.radius * end):
        return math.inf
    radius, centre = bounds.radius, min(bounds.centre, 0.98 * bounds.radius)
    now, length, total, focus = 0.0, 2 / radius, 0.0, 0.0
    for _ in range(_SIMULATED):
        series = Series(focus, min(length, end - now))
        accepted = allowance.between(now, now + series.length)
        degree = series.predicted_degree(radius, centre, max(accepted, EPS))
        total += degree
        now += series.length
        if now >= end * (1 - 1e-12):
            return total
        largest = largest_term(max(accepted, STEADY * allowance.tolerance), degree, _DIMENSION)
        limit = math.inf if focus else largest / max((radius - centre) * series.length, 1e-3)
        length = series.length * series.lengthened(degree, limit)
        focus = chebyshev_focus(bounds.height, centre, radius)
    return total + degree * (end - now) / series.length
