"""One retrieval channel in mean field: its phases, and the lines between them to many digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scipy.integrate import DOP853
from scipy.optimize import brentq

from tnhop.phases.flow import end_of_orbit
from tnhop.support.checks import real, settle
from tnhop.support.errors import ConvergenceError

__all__ = ["ChannelCycle", "RetrievalChannel"]

_RTOL, _ATOL = 1e-13, 1e-15
_FOREVER = 400.0  # an orbit that has not crossed by then never will; near T = 2/3 all is slow
_AT_REST = 1e-11  # speed at which it has reached a fixed point
_OFF_SADDLE = 3e-5  # start on its manifolds, in units of T: their curvature is cubic
_TRICRITICAL = 2 / 3  # temperature above which no cycle exists
_LARGEST = 3.0  # value of y beyond all cycles, for Ω > 1/4
_SHARP_LIMIT = 2.5  # field beyond the homoclinic line of zero temperature
_STRONGEST = 1e6  # field beyond which orbits only turn


def _field(Omega: float) -> float:
    return real(Omega, "Omega", minimum=0.0, maximum=_STRONGEST)


@dataclass(frozen=True)
class ChannelCycle:
    """A limit cycle of a channel that is its own mirror image.

    Parameters
    ----------
    y : float
        Value of y where z rises through zero.
    period : float
        Its period.
    slope : float
        Derivative of the half-return map, whose square is the Floquet multiplier; infinite
        where it leaves the range of numbers, at low temperatures.
    z_max : float
        Largest z.
    """

    y: float
    period: float
    slope: float
    z_max: float

    @property
    def stable(self) -> bool:
        """Whether small deviations decay."""
        return abs(self.slope) < 1


@dataclass(frozen=True)
class _Crossing:
    """Meeting of an orbit and a line: time, z, y, ∫ div dt until then, largest z on the way."""

    time: float
    z: float
    y: float
    divergence: float
    z_max: float


@dataclass(frozen=True)
class RetrievalChannel:
    r"""Mean field of one pattern, or of balanced orthogonal ones along one: Eq. (69).

    .. math::
        \dot z = 2\Omega y + \tanh(z/T) - z, \qquad \dot y = -2\Omega z - y/2

    Parameters
    ----------
    temperature : float
        T = 1/β, at least 0; at 0 the hyperbolic tangent is the sign.

    Notes
    -----
    **Error**: Orbits are integrated to a relative 1e-13 (DOP853); lines of cycles agree with
    independent values to 1e-9. **Cost**: about 10 ms per half turn, some seconds per line; at low
    temperatures more, about as 1/T below 0.01.

    **Use when** lines are wanted to many digits. For other models and other bifurcations:
    `fixed_points`, `limit_cycle`, `critical_value`.

    References
    ----------
    .. [1] P. Rotondo et al., J. Phys. A 51, 115301 (2018), arXiv:1701.01727.

    Examples
    --------
    >>> channel = RetrievalChannel(0.5)
    >>> round(channel.pitchfork, 10), round(channel.hopf, 10)
    (0.3535533906, 0.3202496006)
    >>> channel.phase(0.315), channel.phase(0.6)
    ('coexistence', 'cycle')
    """

    temperature: float

    def __post_init__(self) -> None:
        settle(self, real, "temperature", minimum=0.0)

    @property
    def pitchfork(self) -> float:
        """Ω_P, where the retrieval states leave the paramagnet; NaN for T > 1, infinite at 0."""
        T = self.temperature
        if T == 0:
            return math.inf
        return math.sqrt((1 / T - 1) / 8) if T <= 1 else math.nan

    @property
    def hopf(self) -> float:
        """Ω_H, up to which retrieval states are stable; NaN for T >= 2/3, infinite at 0."""
        T = self.temperature
        if T == 0:
            return math.inf
        if T >= _TRICRITICAL:
            return math.nan
        r = math.sqrt(1 - 1.5 * T)
        return math.sqrt((r / (T * math.atanh(r)) - 1) / 8)

    @cached_property
    def homoclinic(self) -> float:
        """Field where the orbit that leaves the paramagnet returns to it; NaN for T >= 2/3."""
        if self.temperature >= _TRICRITICAL:
            return math.nan
        return self._root(self._gap, 0.25 + 1e-9, min(self.hopf, _SHARP_LIMIT), "homoclinic")

    @cached_property
    def fold(self) -> float:
        """Ω_SN, from which on a stable cycle exists beside retrieval; NaN for T >= 2/3."""
        if self.temperature >= _TRICRITICAL:
            return math.nan
        return self._root(self._closest, 0.25 + 1e-9, self.homoclinic, "fold of cycles")

    def retrieval(self, Omega: float) -> tuple[float, float] | None:
        """Return (z, y) of the retrieval state with z > 0, stable or not; None above Ω_P.

        Parameters
        ----------
        Omega : float
            Transverse field.
        """
        Omega = _field(Omega)
        T, stretch = self.temperature, 1 + 8 * Omega**2
        if T * stretch >= 1:
            return None
        z = 1.0
        if T > 0:
            z = float(brentq(lambda u: math.tanh(u / (T * stretch)) - u, 1e-12, 1.0, xtol=1e-16))
        z /= stretch
        return z, -4 * Omega * z

    def phase(self, Omega: float) -> str:
        """Return the stable phase: "paramagnet", "retrieval", "cycle" or "coexistence" of the last.

        Parameters
        ----------
        Omega : float
            Transverse field.
        """
        Omega = _field(Omega)
        if self.retrieval(Omega) is None:
            return "paramagnet" if self.temperature >= _TRICRITICAL else "cycle"
        if self.temperature >= _TRICRITICAL or Omega < self.fold:
            return "retrieval"
        return "coexistence" if self.hopf > Omega else "cycle"

    def cycles(self, Omega: float) -> list[ChannelCycle]:
        """Return the cycles around all fixed points: the stable one, and the unstable one inside.

        Between the homoclinic line and Ω_H there are two more unstable ones, around one
        retrieval state each; they are not returned.

        Parameters
        ----------
        Omega : float
            Transverse field.
        """
        Omega = _field(Omega)
        if self.temperature >= _TRICRITICAL or Omega <= 0.25:
            return []
        outer = self._outer(Omega)
        if outer is None:
            return []
        cycles = [self._cycle(Omega, outer)]
        low = self._edge(Omega) + 1e-9
        if self.retrieval(Omega) and 0 < self._opening(Omega, low)[0] < math.inf:
            inner = brentq(lambda y: self._opening(Omega, y)[0], low, outer - 1e-7, xtol=1e-15)
            cycles.append(self._cycle(Omega, float(inner), backward=True))
        return cycles

    def _cycle(self, Omega: float, y: float, *, backward: bool = False) -> ChannelCycle:
        """Describe a cycle; unstable ones are followed backwards, where they attract."""
        half = self._half_turn(Omega, y, backward=backward)
        assert half is not None
        slope = (
            self._slope(Omega, half.y, -y, half)
            if backward
            else self._slope(Omega, y, half.y, half)
        )
        return ChannelCycle(y, 2 * half.time, slope, half.z_max)

    def _drive(self, z: float) -> float:
        """Return tanh(z/T) for z > 0; at T = 0 its continuation from there."""
        return math.tanh(z / self.temperature) if self.temperature else 1.0

    def _edge(self, Omega: float) -> float:
        """Value of -y below which z = 0 is not crossed downwards: 0, but for T = 0."""
        return self._drive(0.0) / (2 * Omega)

    def _flow(self, Omega: float, sign: float) -> Callable[[float, Any], tuple[float, ...]]:
        T = self.temperature

        def flow(_: float, v: Any) -> tuple[float, ...]:
            z, y = v[0], v[1]
            t = self._drive(z)
            gain = (1 - t * t) / T if T else 0.0
            return (sign * (2 * Omega * y + t - z), sign * (-2 * Omega * z - y / 2),
                    sign * (gain - 1.5))  # fmt: skip

        return flow

    def _orbit(
        self, Omega: float, z: float, y: float, level: float, *, backward: bool = False,
        falling: bool = True,
    ) -> _Crossing | None:  # fmt: skip
        """Follow an orbit to the line z = level; None if it never gets there."""
        flow = self._flow(Omega, -1.0 if backward else 1.0)
        side = 1.0 if falling else -1.0
        patience = _FOREVER * (1 + 1 / math.sqrt(abs(_TRICRITICAL - self.temperature) + 1e-12))
        solver = DOP853(flow, 0.0, (z, y, 0.0), patience, rtol=_RTOL, atol=_ATOL)
        z_max = z
        while solver.status == "running":
            before, started = solver.y, solver.t
            solver.step()
            now = solver.y
            z_max = max(z_max, self._largest_z(flow, solver, before, started))
            if side * (before[0] - level) > 0 >= side * (now[0] - level):
                dense = solver.dense_output()
                t = brentq(lambda t, d=dense: d(t)[0] - level, started, solver.t, xtol=1e-15)
                end = end_of_orbit(flow, before, t - started, _RTOL, _ATOL)
                for _ in range(2):  # what the interpolation has missed
                    shift = (level - end[0]) / flow(0.0, end)[0]
                    end, t = end_of_orbit(flow, end, shift, _RTOL, _ATOL), t + shift
                total = -end[2] if backward else end[2]
                return _Crossing(float(t), float(end[0]), float(end[1]), float(total), z_max)
            if math.hypot(*flow(0.0, now)[:2]) < _AT_REST:
                return None
        return None

    @staticmethod
    def _largest_z(flow: Any, solver: DOP853, before: Any, started: float) -> float:
        """Return the largest z of the last step."""
        if not flow(0.0, before)[0] > 0 > flow(0.0, solver.y)[0]:
            return float(max(before[0], solver.y[0]))
        dense = solver.dense_output()
        t = brentq(lambda t: flow(0.0, dense(t))[0], started, solver.t)
        return float(end_of_orbit(flow, before, t - started, _RTOL, _ATOL)[0])

    def _half_turn(self, Omega: float, y: float, *, backward: bool = False) -> _Crossing | None:
        """Follow half a turn from z = 0 at ±y, through z > 0, back to z = 0."""
        return self._orbit(Omega, 0.0, -y if backward else y, 0.0, backward=backward)

    def _slope(self, Omega: float, start: float, end: float, half: _Crossing) -> float:
        """Return the derivative of the half-return map, from y at start and end, Eq. (70)."""
        t = self._drive(0.0)
        spread = math.exp(half.divergence) if half.divergence < 700 else math.inf
        return (2 * Omega * start + t) / abs(2 * Omega * end + t) * spread

    def _outer(self, Omega: float) -> float | None:
        """Return the y of the largest cycle by Newton steps from outside, None without one."""
        y = _LARGEST
        for _ in range(200):
            half = self._half_turn(Omega, y)
            if half is None:
                return None
            excess, slope = -half.y - y, self._slope(Omega, y, half.y, half)
            if slope >= 1 or y <= self._edge(Omega):
                return None
            step = excess / (1 - slope)
            y += step
            if abs(step) < 1e-14 * _LARGEST:
                return y
            if y <= 0:
                return None
        raise ConvergenceError(f"No cycle was found within 200 steps at Omega = {Omega}.", y)

    def _opening(self, Omega: float, y: float) -> tuple[float, float]:
        """Return by how much half a turn back ends above y, and its derivative."""
        half = self._half_turn(Omega, y, backward=True)
        if half is None:  # on the homoclinic line, next to the saddle, where the map is flat
            return math.inf, -1.0
        return half.y - y, 1 / self._slope(Omega, half.y, -y, half) - 1

    def _closest(self, Omega: float) -> float:
        """Return the smallest opening: zero where two cycles meet."""
        edge = self._edge(Omega)
        y = brentq(lambda y: self._opening(Omega, y)[1], edge + 1e-7, _LARGEST, xtol=1e-11)
        return self._opening(Omega, y)[0]

    def _gap(self, Omega: float) -> float:
        """Return the distance at which the orbits out of and into the saddle pass each other."""
        T, retrieval = self.temperature, self.retrieval(Omega)
        assert retrieval is not None
        if T:
            b, root = 1 / T, math.sqrt((1 / T - 0.5) ** 2 - 16 * Omega**2)
            directions = [((b - 1.5 + s * root) / 2 + 1 - b) / (2 * Omega) for s in (1, -1)]
            out, into = ((_OFF_SADDLE * T, _OFF_SADDLE * T * d) for d in directions)
        else:
            out, into = (0.0, 0.0), (0.0, -self._edge(Omega))
        leaving = self._orbit(Omega, *out, retrieval[0])
        arriving = self._orbit(Omega, *into, retrieval[0], backward=True, falling=False)
        assert leaving is not None
        assert arriving is not None
        return leaving.y - arriving.y

    def _root(self, f: Callable[[float], float], low: float, high: float, name: str) -> float:
        """Return the zero of a function of the field between two values."""
        try:
            return float(brentq(f, low, high, xtol=1e-13, rtol=1e-14))
        except ValueError as error:
            message = f"No {name} was found between Omega = {low:.6g} and {high:.6g}."
            raise ConvergenceError(message) from error
