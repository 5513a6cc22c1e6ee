"""Limit cycles of the mean field of any Model, by shooting, with their Floquet multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853
from scipy.optimize import brentq

from tnhop.phases.flow import PhaseFlow, end_of_orbit
from tnhop.physics.model import Model
from tnhop.physics.states import ProductState
from tnhop.support.arrays import Real
from tnhop.support.checks import integer, real
from tnhop.support.errors import ConvergenceError
from tnhop.support.threads import one_thread

__all__ = ["LimitCycle", "limit_cycle"]


_MARGINAL = 1e-6  # | |μ| - 1 | that counts as neither growth nor decay
_RTOL, _ATOL = 1e-11, 1e-13
_NUDGE = 1e-5
_MOST_POINTS = 10**4  # along an orbit


@dataclass(frozen=True, eq=False)
class LimitCycle:
    """A periodic orbit of mean field.

    Parameters
    ----------
    period : float
        Its period.
    times : ndarray, shape (n_points,)
        Times over one period, both ends included.
    states : tuple of ProductState
        States at these times.
    multipliers : ndarray of complex, shape (n_variables,)
        Floquet multipliers by falling modulus, without the one that belongs to shifts in time.
    defect : float
        Distance of the states at both ends.
    """

    period: float
    times: Real
    states: tuple[ProductState, ...]
    multipliers: NDArray[np.complex128]
    defect: float

    @property
    def stable(self) -> bool:
        """Whether all deviations decay, except along neutral directions such as other phases."""
        return bool(np.all(np.abs(self.multipliers) < 1 + _MARGINAL))

    @property
    def n_neutral(self) -> int:
        """Number of directions, besides time, in which deviations neither grow nor decay."""
        return int(np.sum(np.abs(np.abs(self.multipliers) - 1) < _MARGINAL))

    @property
    def bloch(self) -> Real:
        """Bloch vectors along the orbit, shape (n_points, n_spins, 3)."""
        return np.array([state.bloch for state in self.states])

    def __repr__(self) -> str:
        """Return stability, period and neutral directions in one line."""
        kind = "stable" if self.stable else "unstable"
        return f"LimitCycle({kind}, period {self.period:.9g}, {self.n_neutral} neutral directions)"


@one_thread
def limit_cycle(
    model: Model,
    start: ProductState,
    *,
    transient: float | None = None,
    n_points: int = 201,
    closure: str = "auto",
) -> LimitCycle:
    r"""Limit cycle of mean field that a state reaches, by shooting, with Floquet multipliers.

    The orbit is followed for a time, then x and T solve :math:`\phi_T(x) = x` by Newton steps.
    Multipliers are the eigenvalues of the monodromy matrix :math:`\partial\phi_T/\partial x` of
    the variational equations.

    Parameters
    ----------
    model : Model
        The system.
    start : ProductState
        Start of the orbit.
    transient : float, optional
        Time to come near the cycle; by default 200 over the rate of the model, `Model.rate_scale`.
    n_points : int
        Number of states along the orbit.
    closure : str
        Closure of `MeanField`.

    Returns
    -------
    LimitCycle

    Raises
    ------
    ConvergenceError
        If the state ends in a fixed point, or on no periodic orbit.

    Notes
    -----
    **Error**: Integrated with relative tolerance 1e-11 (DOP853). On tori the relative phases are
    neutral: `n_neutral`. **Cost**: Per Newton step n_variables periods, and in the end one of the
    n_variables² variational equations.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.open_hopfield([[1]], beta=2.0, Omega=0.6)
    >>> cycle = limit_cycle(model, th.product_state(model, bloch=[0.0, 0.0, 0.8]))
    >>> round(cycle.period, 8), cycle.stable
    (5.82150538, True)
    """
    flow = PhaseFlow(model, closure)
    n_points = integer(n_points, "n_points", minimum=2, maximum=_MOST_POINTS)
    duration = 200.0
    if transient is not None:
        duration = real(transient, "transient", minimum=0.0) * flow.unit
    y = _orbit_after(flow, flow.pack(start, "start"), duration)
    y, period = _one_turn(flow, y, duration)
    for _ in range(12):
        end = _orbit_after(flow, y, period)
        # rough derivatives are enough for the steps; those of the result are integrated, too
        columns = [_orbit_after(flow, y + _NUDGE * e, period) - end for e in np.eye(len(y))]
        monodromy, f = np.array(columns).T / _NUDGE, flow(y)
        matrix = np.block([[monodromy - np.eye(len(y)), flow(end)[:, None]], [f[None], 0.0]])
        step = np.linalg.lstsq(matrix, np.append(y - end, 0.0), rcond=1e-10)[0]
        y, period = y + step[:-1], period + float(step[-1])
        if np.linalg.norm(step) < 1e-10:
            break
    else:
        raise ConvergenceError("Shooting did not converge to a cycle. Try a longer `transient`.", y)
    end, monodromy = _variational(flow, y, period)
    values = np.linalg.eigvals(monodromy).astype(complex)
    values = np.delete(values, np.argmin(np.abs(values - 1)))
    times = np.linspace(0, period, n_points)
    orbit = [y]
    for step in np.diff(times):
        orbit.append(_orbit_after(flow, orbit[-1], float(step)))
    states = tuple(flow.unpack(point) for point in orbit)
    values = values[np.argsort(-np.abs(values))]
    defect = float(np.linalg.norm(end - y))
    return LimitCycle(period / flow.unit, times / flow.unit, states, values, defect)


def _orbit_after(flow: PhaseFlow, y: Real, duration: float) -> Real:
    """Return the point of an orbit after some time."""
    return end_of_orbit(lambda _, v: flow(v), y, duration, _RTOL, _ATOL)


def _one_turn(flow: PhaseFlow, y: Real, transient: float) -> tuple[Real, float]:
    """Return a point and about the time until the orbit comes back to it."""
    solver = DOP853(lambda _, v: flow(v), 0.0, y, transient + 1000.0, rtol=_RTOL, atol=_ATOL)
    f, crossings, away = flow(y), list[float](), 0.0
    if np.linalg.norm(f) < 1e-7:
        raise ConvergenceError("The state ends in a fixed point, not in a cycle.", flow.unpack(y))
    best = np.inf, 0.0
    while solver.status == "running":
        before, started = solver.y.copy(), solver.t
        solver.step()
        away = max(away, float(np.linalg.norm(solver.y - y)))
        if f @ (before - y) < 0 <= f @ (solver.y - y):  # through the plane across the flow
            dense = solver.dense_output()
            t = float(brentq(lambda t, d=dense: f @ (d(t) - y), started, solver.t))
            distance = float(np.linalg.norm(dense(t) - y))
            crossings.append(t)
            if distance < best[0]:
                best = distance, t
            if distance < 1e-3 * away or len(crossings) == 40:
                break
    if not best[0] < 0.1 * away:
        message = "The state comes near no periodic orbit. Try a longer `transient`."
        raise ConvergenceError(message, flow.unpack(y))
    return y, best[1]


def _variational(flow: PhaseFlow, y: Real, duration: float) -> tuple[Real, Real]:
    """Return the end of an orbit and its derivative by the start."""
    n = len(y)

    def extended(_: float, v: Real) -> Real:
        return np.concatenate([flow(v[:n]), (flow.jacobian(v[:n]) @ v[n:].reshape(n, n)).ravel()])

    start = np.concatenate([y, np.eye(n).ravel()])
    both = end_of_orbit(extended, start, duration, _RTOL, _ATOL)
    return both[:n], both[n:].reshape(n, n)
