"""The mean-field flow of a Model with its derivatives, for the study of its stability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853
from scipy.optimize import least_squares

from tnhop.physics.model import Model
from tnhop.physics.states import ProductState
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from tnhop.solvers.meanfield.meanfield import MeanField
from tnhop.support.arrays import Real
from tnhop.support.checks import fail, wrong_type
from tnhop.support.errors import ConvergenceError

_STEP = 1e-3  # of the differences of sixth order, in all variables
_MOST_STEPS = 5000  # of one orbit, some seconds
_AT_REST = 1e-10  # speed at which a point counts as fixed


def end_of_orbit(f: Callable[..., Any], y: Any, duration: float, rtol: float, atol: float) -> Real:
    """Return the end of an orbit of y' = f(t, y) after some time, of either sign."""
    if duration == 0:
        return np.asarray(y, dtype=float)
    solver = DOP853(f, 0.0, y, duration, rtol=rtol, atol=atol)
    for _ in range(_MOST_STEPS):
        if solver.status != "running":
            break
        solver.step()
    else:
        raise ConvergenceError(
            f"The mean-field flow takes more than {_MOST_STEPS} steps of time"
            f" to t = {duration:g} in units of the rate of the model. Ask for a shorter time.",
            np.asarray(solver.y),
        )
    return np.asarray(solver.y)


class PhaseFlow:
    """The flow of a model with its derivatives, and the lengths that it conserves.

    Times and rates are measured in `unit`, the rate of the model, Eq. (82) of docs/physics.md.
    """

    def __init__(self, model: Any, closure: str) -> None:
        if not isinstance(model, Model):
            raise wrong_type("model", "be a Model", model)
        model.check_constant()
        self.model, self.unit = model, model.rate_scale
        self._flow = MeanFieldFlow(model, MeanField(closure).closure_for(model))
        self.size = 3 * model.n_spins + 2 * model.n_modes
        rng = np.random.default_rng(0)
        changes = [self.length_changes(rng.normal(size=self.size) / 2) for _ in range(3)]
        self.conserved = np.flatnonzero(np.abs(changes).max(axis=0) < 1e-12)

    def __call__(self, y: Real) -> Real:
        """Return dy/dt, in units of the rate of the model."""
        return self._flow(0.0, y) / self.unit

    def pack(self, state: Any, name: str = "state") -> Real:
        """Return the variables of a product state."""
        if not isinstance(state, ProductState):
            remedy = "Use `th.product_state` or `th.pattern_state`."
            raise wrong_type(name, "be a product state", state, remedy)
        if misfit := state.misfit(self.model):
            raise fail(name, "fit the model", misfit)
        return MeanFieldFlow.pack(state)

    def unpack(self, y: Real) -> ProductState:
        """Return the product state of variables."""
        return self._flow.unpack(y)

    def length_changes(self, y: Real) -> Real:
        """Return r·dr/dt of every Bloch vector, shape (n_spins,)."""
        n = 3 * self.model.n_spins
        return np.asarray(np.sum(y[:n].reshape(-1, 3) * self(y)[:n].reshape(-1, 3), axis=1))

    def jacobian(self, y: Real) -> Real:
        """Return the Jacobian, by central differences of sixth order."""
        columns = []
        for k in range(self.size):
            change = np.zeros(self.size)
            change[k] = _STEP
            parts = (
                c * (self(y + j * change) - self(y - j * change))
                for j, c in ((1, 45), (2, -9), (3, 1))
            )
            columns.append(sum(parts) / (60 * _STEP))
        return np.array(columns).T

    def fixed_point_near(self, y: Real, length: Real) -> Real | None:
        """Return the fixed point near y; Bloch vectors of conserved length have the given one."""

        def residual(v: Real) -> Real:
            r = v[: 3 * self.model.n_spins].reshape(-1, 3)[self.conserved]
            return np.concatenate([self(v), np.sum(r**2, axis=1) - length[self.conserved] ** 2])

        fixed = least_squares(residual, y, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=400).x
        for _ in range(3):
            rows = np.zeros((len(self.conserved), self.size))
            for row, k in zip(rows, self.conserved, strict=True):
                row[3 * k : 3 * k + 3] = 2 * fixed[3 * k : 3 * k + 3]
            J = np.vstack([self.jacobian(fixed), rows])
            fixed = fixed - np.linalg.lstsq(J, residual(fixed), rcond=1e-9)[0]
        return fixed if np.linalg.norm(residual(fixed)) < _AT_REST * np.sqrt(self.size) else None


class Derivatives:
    """Second and third derivatives of a flow along complex directions, by differences."""

    def __init__(self, flow: PhaseFlow, y: Real, step: float = 1e-2) -> None:
        self._flow, self._y, self._step = flow, y, step

    def _second_along(self, u: Real) -> Real:
        f, y, h = self._flow, self._y, self._step
        around = [f(y + j * h * u) + f(y - j * h * u) - 2 * f(y) for j in (1, 2, 3)]
        return np.asarray((270 * around[0] - 27 * around[1] + 2 * around[2]) / (180 * h**2))

    def _third_along(self, u: Real) -> Real:
        f, y, h = self._flow, self._y, self._step
        odd = [f(y + j * h * u) - f(y - j * h * u) for j in (1, 2, 3, 4)]
        weights = (-488 / 240, 338 / 240, -72 / 240, 7 / 240)
        return np.asarray(sum(w * part for w, part in zip(weights, odd, strict=True)) / h**3)

    def second(self, u: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
        """Return B(u, v)."""
        size = np.linalg.norm(u) * np.linalg.norm(v)  # differences are taken at one length
        if size == 0:
            return np.zeros(len(u), dtype=complex)
        u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)

        def along(a: Real, b: Real) -> Real:
            return size * (self._second_along(a + b) - self._second_along(a - b)) / 4

        real_part = along(u.real, v.real) - along(u.imag, v.imag)
        return np.asarray(real_part + 1j * (along(u.real, v.imag) + along(u.imag, v.real)))

    def third(self, q: NDArray[Any]) -> NDArray[Any]:
        """Return C(q, q, q*)."""
        a, b = q.real, q.imag
        plus, minus = self._third_along(a + b), self._third_along(a - b)
        aaa, bbb = self._third_along(a), self._third_along(b)
        abb, aab = (plus + minus - 2 * aaa) / 6, (plus - minus - 2 * bbb) / 6
        return np.asarray(aaa + abb + 1j * (aab + bbb))
