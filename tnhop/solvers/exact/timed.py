"""Propagation where the generator depends on time, Eq. (103) of docs/physics.md.

Over a step the functions of time are polynomials, L(s) = Σ_a Σ_j c_aj s^j L_a for s from 0 to 1.
Then the Taylor series of the state follows from

    (k + 1) w_{k+1} = τ Σ_a Σ_j c_aj L_a w_{k-j} - τ centre w_k,

one application of every L_a to every term, whatever the degree of the polynomials.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np

from tnhop.physics.jumps import FieldJump
from tnhop.physics.rate_base import Rate
from tnhop.physics.time_base import TimeFunction
from tnhop.physics.time_parts import next_break
from tnhop.solvers.exact.series import FALL, MAX_DEGREE, Series
from tnhop.solvers.exact.taylor import (
    EPS,
    LOST,
    PROBES,
    STEADY,
    Attempt,
    LinearGenerator,
    SeriesPropagator,
    largest_term,
    rounding_of,
)
from tnhop.support.arrays import Real
from tnhop.support.errors import ConvergenceError

_MOST_COEFFICIENTS = 13  # of a polynomial in time
_NODES = 8  # times between which field jumps are interpolated
_TESTS = np.array([0.0, 0.02, 0.31, 0.5, 0.83, 1.0])  # shares of an interval, ends included
_FIELDS = 9  # at which their rates are compared
_LONGEST, _SHORTEST = 64.0, 1e-3  # intervals of interpolation, times the norm
_UNITS = 16  # of rounding, in a generator that is interpolated
_TINY = 1e-300
_SHARE = 0.2  # of the accepted error of a step that polynomials may make
_NOTHING = 1e-16  # share of the largest coefficient of a polynomial that is rounding
_BETWEEN = np.linspace(0.0, 1.0, 50)


Summands = list[tuple[LinearGenerator, Real]]


@dataclass(frozen=True, eq=False)
class _Panel:
    """An interval of time in which field jumps are interpolated between generators of few times.

    Attributes
    ----------
    begin, end : float
        The interval.
    generators : list of LinearGenerator
        Those of its Chebyshev points, of the first kind.
    error : float
        Error of the generator, bounded by that of sampled rates.
    """

    begin: float
    end: float
    generators: list[LinearGenerator]
    error: float

    def over(self, begin: float, end: float) -> Summands:
        """Return the generators with the polynomials that multiply them over a step."""
        half, n = (self.end - self.begin) / 2, len(self.generators)
        u = np.array([(begin - self.begin) / half - 1, (end - begin) / half])  # of the share passed
        T = [np.ones(1), u]
        while len(T) < n:
            T.append(np.polynomial.polynomial.polysub(2 * np.convolve(u, T[-1]), T[-2]))
        table = np.array([np.pad(row, (0, n - len(row))) for row in T[:n]])
        at_nodes = np.polynomial.chebyshev.chebvander(_chebyshev_points(n), n - 1)
        at_nodes[:, 1:] *= 2
        return list(zip(self.generators, at_nodes @ table / n, strict=True))


def _chebyshev_points(n: int) -> Real:
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


@dataclass(frozen=True, eq=False)
class TimedPart:
    """A function of time times a generator, constant or of field jumps with another argument.

    Attributes
    ----------
    function : TimeFunction or None
        None stands for 1.
    generator : callable
        Takes the argument to the generator.
    argument : TimeFunction or None
        None stands for 1.
    jumps : tuple of FieldJump
        The jumps whose argument it is.
    """

    function: TimeFunction | None
    generator: Callable[[float], LinearGenerator]
    argument: TimeFunction | None = None
    jumps: tuple[FieldJump, ...] = ()

    @cached_property
    def some(self) -> list[LinearGenerator]:
        """Generators at some arguments: their norms are typical."""
        if self.argument is None:
            return [self.generator(1.0)]
        low, high = self.argument.range
        return [self.generator(g) for g in np.linspace(low, high, 3 if high > low else 1)]

    @property
    def norm(self) -> float:
        """Largest norm."""
        return self.size * max(L.norm for L in self.some)

    @property
    def size(self) -> float:
        """Largest modulus of the function."""
        return 1.0 if self.function is None else self.function.largest

    @property
    def functions(self) -> list[TimeFunction]:
        """Its functions of time."""
        return [f for f in (self.function, self.argument) if f is not None]

    def panel(self, now: float, accepted: float) -> _Panel:
        """Return the interval around a time in which interpolation errs no more than accepted.

        It depends on nothing but the time and the accepted error per time: a run that goes on from
        a checkpoint has the same. Intervals are halves of halves of that between two kinks.
        """
        assert self.argument is not None
        first = max((t for t in self.argument.breaks if t <= now), default=0.0)
        last = next_break([self.argument], now)
        if math.isinf(last):
            last = first + 2.0 ** round(math.log2(_LONGEST / self.norm))
        length, points = last - first, (_chebyshev_points(_NODES) + 1) / 2
        while True:
            begin = first + math.floor((now - first) / length * (1 + 1e-12)) * length
            values = self._arguments(begin, begin + length, points)
            if np.ptp(values) == 0.0:
                return _Panel(begin, begin + length, [self.generator(float(values[0]))], 0.0)
            error = self._interpolation_error(begin, begin + length, values)
            if error <= accepted or length < _SHORTEST / self.norm:
                generators = [self.generator(float(g)) for g in values]
                return _Panel(begin, begin + length, generators, error)
            length /= 2

    def _arguments(self, begin: float, end: float, shares: Real) -> Real:
        """Return the arguments at shares of an interval, limits from within at its ends."""
        assert self.argument is not None
        inside = np.nextafter([begin, end], [end, begin])
        return np.asarray(self.argument(np.clip(begin + shares * (end - begin), *inside)))

    def _interpolation_error(self, begin: float, end: float, arguments: Real) -> float:
        """Bound the error of the generator by that of products of amplitudes at sampled fields."""
        vander = np.polynomial.chebyshev.chebvander
        there = vander(2 * _TESTS - 1, _NODES - 1) @ np.linalg.inv(
            vander(_chebyshev_points(_NODES), _NODES - 1)
        )
        true, total = self._arguments(begin, end, _TESTS), 0.0
        for (amplitudes, reach), count in self._kinds.items():
            fields = np.array(reach)[:, None] * np.linspace(-1, 1, _FIELDS)
            for a, b in product(amplitudes, amplitudes):
                nodes, tests = (
                    np.array([np.multiply.outer(a(*g * fields), np.conj(b(*g * fields)))
                              for g in values]) for values in (arguments, true)
                )  # fmt: skip
                missed = np.tensordot(there, nodes, (1, 0)) - tests
                total += 2 * count * float(np.abs(missed).max())
        return total

    @cached_property
    def _kinds(self) -> Counter[tuple[tuple[Rate, ...], tuple[float, ...]]]:
        """Amplitudes of the jumps with the largest fields of all, and how many share them."""
        sums = [float(np.abs(jump.fields).sum(axis=1).max()) for jump in self.jumps]
        return Counter(
            (tuple(rate for _, rate in jump.amplitudes), (max(sums),) * len(jump.fields))
            for jump in self.jumps
        )


@dataclass(frozen=True, eq=False)
class TimedGenerator:
    """A generator that depends on time, as a sum of parts.

    Attributes
    ----------
    parts : sequence of TimedPart
        The parts, all on the same packed states.
    """

    parts: Sequence[TimedPart]
    _panels: dict[int, _Panel] = field(default_factory=dict, init=False)

    @cached_property
    def _one(self) -> LinearGenerator:
        return self.parts[0].some[0]

    @cached_property
    def size(self) -> int:
        """Number of components of a packed state."""
        return self._one.size

    @cached_property
    def dim(self) -> int:
        """Dimension of the Hilbert space."""
        return self._one.dim

    @cached_property
    def norm(self) -> float:
        """Bound of the norm at all times."""
        return sum(part.norm for part in self.parts)

    @cached_property
    def functions(self) -> list[TimeFunction]:
        """All functions of time."""
        return [f for part in self.parts for f in part.functions]

    @property
    def accumulate(self) -> Callable[[Real, Real, Real], None]:
        """See `LinearGenerator`."""
        return self._one.accumulate

    def trace_norm(self, x: Real) -> float:
        """Bound the trace norm of x."""
        return self._one.trace_norm(x)

    def longest(self, now: float, accepted: float) -> float:
        """Return how long a step from a time may be, for an accepted error per time."""
        latest = next_break(self.functions, now) - now
        for k, part in enumerate(self.parts):
            if part.argument is None:
                continue
            panel = self._panels.get(k)
            if panel is None or not panel.begin <= now < panel.end * (1 - 1e-14):
                share = accepted / len(self.parts) / max(part.size, _TINY)
                panel = self._panels[k] = part.panel(now, share)
            latest = min(latest, panel.end - now)
            if len(panel.generators) > 1:  # powers of the share passed lose digits in longer ones
                latest = min(latest, (panel.end - panel.begin) / 2)
        return latest

    def over(self, begin: float, end: float) -> tuple[Summands, float]:
        """Return constant generators with polynomials that multiply them over a step.

        Also the error of the generator, of polynomials by its norm. The step is no longer than
        `longest`.
        """
        summands, error = Summands(), 0.0
        for k, part in enumerate(self.parts):
            one, size = np.ones(1), 1.0
            if part.function is not None:
                one, missed = polynomial(part.function, begin, end)
                error += missed * part.norm / max(part.size, _TINY)
                size = float(np.abs(one).sum())
            if part.argument is None:
                summands.append((part.some[0], one))
                continue
            error += size * self._panels[k].error
            nodes = self._panels[k].over(begin, end)
            summands += [(L, np.convolve(one, weights)) for L, weights in nodes]
        return summands, error


def polynomial(f: TimeFunction, begin: float, end: float) -> tuple[Real, float]:
    """Return the coefficients of a polynomial in the share of an interval passed, and its error.

    From values at Chebyshev points, up to those that are rounding.
    """
    n, x = _MOST_COEFFICIENTS, _chebyshev_points(_MOST_COEFFICIENTS)
    inside = np.nextafter([begin, end], [end, begin])  # limits from within where the function jumps

    def values(share: Real) -> Real:
        return np.real(f(np.clip(begin + share * (end - begin), *inside)))

    series = np.polynomial.chebyshev.chebfit(x, values((1 + x) / 2), n - 1)
    small = _NOTHING * np.abs(series).max(initial=0.0) * n
    kept = np.flatnonzero(np.abs(series) > small)
    series = series[: kept[-1] + 1 if len(kept) else 1]
    power = np.polynomial.Chebyshev(series, [0.0, 1.0]).convert(kind=np.polynomial.Polynomial)
    missed = np.abs(power(_BETWEEN) - values(_BETWEEN)).max()
    return np.asarray(power.coef), float(missed)


@dataclass(frozen=True)
class TimedPropagator(SeriesPropagator):
    """Steps through the output times where the generator depends on time."""

    generator: Any

    def _longest(self, now: float) -> float:
        span = 1 / self.generator.norm
        accepted = _SHARE / 2 * self.allowance.between(now, now + span) / span
        return self.generator.longest(now, max(accepted, _UNITS * EPS * self.generator.norm))

    def _accepted(self, now: float, tau: float, end: float) -> float:  # noqa: ARG002
        """Return the error that a step may make: there is no rest to be seen."""
        return self.allowance.between(now, now + tau)

    def _drift(self, *_: Any) -> float | None:
        """Return None: what is at rest now may move later."""
        return None

    def _sum(
        self, x: Real, series: Series, fractions: Real, accepted: float, now: float
    ) -> Attempt:
        """Sum the Taylor series over one step, outputs at the given fractions of it."""
        L, tau = self.generator, series.length
        least = EPS * float(np.linalg.norm(x))
        unavoidable = _UNITS * EPS * tau * L.norm * float(np.linalg.norm(x))
        enough = max(_SHARE * accepted, unavoidable)
        summands, missed = L.over(now, now + tau)
        if missed * tau > enough:
            if tau * L.norm < _SHORTEST**2:
                raise ConvergenceError(
                    f"Numbers of the model jump at t = {now:.6g}, where none of them has a kink: a"
                    " field passes zero at zero temperature, or a root has no derivative."
                    " Use a large finite `beta`, or rates above zero."
                )
            return Attempt(0, None)
        terms = _Terms(summands, x, tau)
        damping, centre = math.exp(terms.centre * tau), terms.centre
        tolerance = max(accepted, STEADY * self.allowance.tolerance)
        most = max(tolerance / rounding_of(1.0, MAX_DEGREE, L.dim), LOST * terms.norms[0]) / damping
        weights = np.power.outer(fractions, np.arange(MAX_DEGREE + 1))
        weights *= np.exp(centre * tau * fractions)[:, None]
        states = np.multiply.outer(weights[:, 0], x) if self.max_states and len(fractions) else None
        total, moments = x.copy(), [self.rows @ x]
        while not self._is_done(terms, damping, max((1 - _SHARE) * accepted, least)):
            if len(terms.norms) > MAX_DEGREE or max(terms.norms) > most:
                return Attempt(terms.applied, None)
            w = terms.following()
            total += w
            moments.append(self.rows @ w)
            if states is not None:
                L.accumulate(weights[:, len(terms.norms) - 1], w, states)
        total *= damping
        degree = len(terms.norms) - 1
        rounding = rounding_of(max(damping * max(terms.norms), terms.norms[0]), degree, L.dim)
        rounding += max(0.0, missed * tau - _SHARE * accepted)
        limit = series.limit(terms.norms, centre, largest_term(tolerance, degree, L.dim))
        at = np.concatenate([fractions, PROBES])
        values = series.sums(at, np.array(moments)) * np.exp(centre * tau * at)[:, None]
        length = tau * series.lengthened(degree, limit)
        return Attempt(terms.applied, (total, values, states, rounding, length, 0.0))

    def _is_done(self, terms: _Terms, damping: float, accepted: float) -> bool:
        """Return whether the terms that follow are negligible, those of polynomials included."""
        fall = terms.fall
        if fall >= FALL:
            return False
        ahead = terms.ahead
        rest = damping / (1 - fall)
        if rest * (fall * terms.norms[-1] + ahead) > accepted:
            return False
        dim = math.sqrt(self.generator.dim)  # of the trace norm, in units of the 2-norm
        return rest * (fall * self.generator.trace_norm(terms.w) + dim * ahead) <= accepted


class _Terms:
    """Terms of the Taylor series of a state over a step, one after another.

    Parameters
    ----------
    summands : list of (LinearGenerator, ndarray)
        Generators with the coefficients of their polynomials.
    x : ndarray
        The state.
    tau : float
        Length of the step.

    Attributes
    ----------
    w : ndarray
        The last term.
    norms : list of float
        Norms of the terms so far.
    centre : float
        Mean of the diagonal over the step, by which the generator is shifted; not above 0.
    applied : int
        Applications of generators.
    """

    def __init__(self, summands: Summands, x: Real, tau: float) -> None:
        self._summands, self._tau = summands, tau
        means = [A.mean_diagonal * float(c @ (1 / np.arange(1, len(c) + 1))) for A, c in summands]
        self.centre = min(math.fsum(means), 0.0)
        self.w, self.norms, self.applied = x.copy(), [float(np.linalg.norm(x))], 0
        # sums that later terms already have
        self._waiting = [np.zeros_like(x) for _ in range(max(len(c) for _, c in summands))]
        self._product = np.empty_like(x)

    def following(self) -> Real:
        """Return the next term."""
        for A, c in self._summands:
            A.apply(self.w, self._product)
            self.applied += 1
            for later, number in zip(self._waiting, c, strict=False):
                later += number * self._product
        total = self._waiting.pop(0)
        self.w = (total - self.centre * self.w) * (self._tau / len(self.norms))
        total[:] = 0.0
        self._waiting.append(total)
        self.norms.append(float(np.linalg.norm(self.w)))
        return self.w

    @property
    def fall(self) -> float:
        """Largest ratio of neighbouring terms, over as many as polynomials reach."""
        reach = len(self._waiting) + 1
        if len(self.norms) <= reach:
            return math.inf
        pairs = pairwise(self.norms[-reach - 1 :])
        return max(b / a if a else 0.0 if b == 0 else math.inf for a, b in pairs)

    @property
    def ahead(self) -> float:
        """Size of what later terms already have."""
        waiting = sum(float(np.linalg.norm(part)) for part in self._waiting[:-1])
        return waiting * self._tau / len(self.norms)
