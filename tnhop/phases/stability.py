"""Mean field of any Model: fixed points, their spectra, and where they change stability."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from tnhop.phases.flow import Derivatives, PhaseFlow
from tnhop.physics.model import Model
from tnhop.physics.states import ProductState
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from tnhop.support.arrays import Complex, Real
from tnhop.support.checks import fail, integer, members, random_generator, real, wrong_type
from tnhop.support.errors import ConvergenceError
from tnhop.support.threads import one_thread

__all__ = [
    "CriticalPoint",
    "FixedPoint",
    "critical_point",
    "fixed_points",
    "lyapunov_coefficient",
]


_APART = 1e-6  # distance of different fixed points
# in units of the rate of the model
_MARGINAL = 1e-6  # |Re λ| that counts as neither growth nor decay
_BESIDE = 1e-3  # of an interval: from where a point is interpolated that rounding moves
_MOVED = 1e-10  # growth left at a root, beyond which rounding has moved the fixed point
_GROWING = 1e-9  # growth that is more than the rounding of undamped precession
_MOST_PATTERNS = 4  # up to which all mixtures are tried


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A stationary state of mean field.

    Parameters
    ----------
    state : ProductState
        The state.
    eigenvalues : ndarray of complex, shape (n_variables,)
        Of the Jacobian, by falling real part; zeros that only say that Bloch vectors keep their
        lengths are left out.
    speed : float
        Length of the time derivative that is left.
    unit : float
        Rate of the model, in which thresholds are measured.
    """

    state: ProductState
    eigenvalues: Complex
    speed: float
    unit: float = 1.0

    @property
    def growth(self) -> float:
        """Largest real part of the eigenvalues."""
        return float(self.eigenvalues.real.max(initial=-np.inf))

    @property
    def stable(self) -> bool:
        """Whether all deviations decay."""
        return self.growth < -_MARGINAL * self.unit

    def __repr__(self) -> str:
        """Return stability and growth in one line."""
        growing = self.growth > _MARGINAL * self.unit
        kind = "stable" if self.stable else "unstable" if growing else "marginal"
        return f"FixedPoint({kind}, growth {self.growth:.6g})"


@dataclass(frozen=True)
class CriticalPoint:
    """Value of a parameter at which a fixed point loses its stability.

    Parameters
    ----------
    value : float
        Value of the parameter.
    frequency : float
        Imaginary part of the eigenvalue that crosses: 0 at pitchforks and folds.
    point : FixedPoint
        The fixed point there.
    """

    value: float
    frequency: float
    point: FixedPoint

    @property
    def kind(self) -> str:
        """Return "Hopf" for a pair of complex eigenvalues, else "static"."""
        return "Hopf" if self.frequency > _MARGINAL * self.point.unit else "static"


def _point(flow: PhaseFlow, y: Real) -> FixedPoint:
    """Return a fixed point with its spectrum."""
    values = np.linalg.eigvals(flow.jacobian(y)).astype(complex)
    values = values[np.argsort(np.abs(values))][len(flow.conserved) :]  # lengths: exact zeros
    order = np.lexsort((-values.imag, -np.round(values.real, 12)))
    speed = float(np.linalg.norm(flow(y))) * flow.unit
    rates = np.asarray(values[order] * flow.unit, dtype=complex)
    return FixedPoint(flow.unpack(y), rates, speed, flow.unit)


@one_thread
def fixed_points(
    model: Model,
    *,
    starts: Sequence[ProductState] = (),
    n_starts: int = 32,
    length: float = 1.0,
    closure: str = "auto",
    rng: Any = 0,
) -> list[FixedPoint]:
    r"""Stationary states of mean field with their spectra, stable ones first.

    Parameters
    ----------
    model : Model
        The system; for balanced patterns one spin per class is the limit N → ∞.
    starts : sequence of ProductState
        First points of the search.
    n_starts : int
        Number of random starts. Besides them the search starts from the maximally mixed state and,
        with few patterns, from all their mixtures.
    length : float
        Length of the Bloch vectors of spins that keep it (no jumps act on them), at most 1.
    closure : str
        Closure of `MeanField`.
    rng : int or Generator
        Seed of the random starts.

    Returns
    -------
    list of FixedPoint
        By rising growth rate.

    Raises
    ------
    TypeError, ValueError
        If arguments do not fit.

    Notes
    -----
    **Error**: Points are solved to a speed of 1e-10, eigenvalues err by about 1e-11, both in units
    of the rate of the model, and more at temperatures below 0.03. The search is by
    sampling: nothing proves that all were found.
    **Cost**: About a hundred Jacobians per start, of 6 n_variables evaluations of the flow.

    See Also
    --------
    critical_point, limit_cycle, RetrievalChannel

    Examples
    --------
    >>> import tnhop as th
    >>> points = fixed_points(th.open_hopfield([[1]], beta=2.0, Omega=0.2))
    >>> [point.stable for point in points]
    [True, True, False]
    """
    flow = PhaseFlow(model, closure)
    n_starts = integer(n_starts, "n_starts", minimum=0)
    radius = np.full(model.n_spins, real(length, "length", above=0.0, maximum=1.0))
    generator = random_generator(rng)
    given = members(starts, "starts", "be a sequence of product states", ProductState)
    guesses = [flow.pack(state, "starts") for state in given]
    guesses += [_variables(model, radius[:, None] * bloch) for bloch in _typical(model)]
    for _ in range(n_starts):
        bloch = generator.normal(size=(model.n_spins, 3))
        bloch *= radius[:, None] / np.linalg.norm(bloch, axis=1, keepdims=True)
        guesses.append(_variables(model, bloch, generator))
    points: list[Real] = []
    for y in guesses:
        point = flow.fixed_point_near(y, radius)
        if point is None or np.abs(point[: 3 * model.n_spins]).max(initial=0.0) > 1 + 1e-9:
            continue
        if all(np.linalg.norm(point - other) > _APART for other in points):
            points.append(point)
    return sorted((_point(flow, y) for y in points), key=lambda fixed: fixed.growth)


def _typical(model: Model) -> list[Real]:
    """Bloch vectors from which stationary states are often reached."""
    n, xi = model.n_spins, model.patterns
    states = [np.zeros((n, 3)), np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([-1.0, 0.0, 0.0], (n, 1))]
    if xi is None or len(xi) > _MOST_PATTERNS:
        return states
    for signs in itertools.product((0, 1, -1), repeat=len(xi)):
        z = np.sign(np.array(signs) @ xi)
        if z.any():
            tilts = ((0.0, 0.0, 0.9), (0.0, -0.6, 0.6), (-0.6, 0.0, 0.8))
            states += [np.stack([x + 0 * z, y * z, w * z], axis=1) for x, y, w in tilts]
    return states


def _variables(model: Model, bloch: Real, rng: np.random.Generator | None = None) -> Real:
    """Variables with modes empty, or of random amplitudes."""
    alpha = np.zeros(model.n_modes, dtype=complex)
    if rng is not None:
        scale = np.sqrt(max(model.n_spins, 1))
        alpha = scale * (rng.normal(size=(2, model.n_modes)) * [[1.0], [1.0j]]).sum(axis=0)
    return MeanFieldFlow.pack(ProductState(np.asarray(bloch, dtype=float), alpha))


@one_thread
def critical_point(
    make_model: Callable[[float], Model],
    state: ProductState,
    low: float,
    high: float,
    *,
    closure: str = "auto",
) -> CriticalPoint:
    r"""Value of a parameter at which a fixed point loses or gains stability.

    Parameters
    ----------
    make_model : callable
        Returns the model for a value of the parameter, ``lambda Omega: th.open_hopfield(...)``.
    state : ProductState
        Near the fixed point at `low`, from where it is followed.
    low, high : float
        Values between which the stability changes.
    closure : str
        Closure of `MeanField`.

    Returns
    -------
    CriticalPoint

    Raises
    ------
    ValueError
        If the stability is the same at both ends.
    ConvergenceError
        If the fixed point cannot be followed.

    Notes
    -----
    **Error**: About 1e-10 where eigenvalues cross at a finite speed; 1e-9 over this speed where
    other eigenvalues are imaginary on one side, as those of spins without jumps. Where the fixed
    point meets others, rounding moves it: there the value is interpolated from both sides.

    Examples
    --------
    >>> import tnhop as th
    >>> def network(Omega):
    ...     return th.open_hopfield([[1]], beta=2.0, Omega=Omega)
    >>> start = th.product_state(network(0.2), bloch=[0.0, -0.52, 0.65])
    >>> hopf = critical_point(network, start, 0.2, 0.34)
    >>> hopf.kind, round(hopf.value, 8)
    ('Hopf', 0.3202496)
    """
    if not callable(make_model):
        raise wrong_type("make_model", "be a function that returns a Model", make_model)
    known: dict[float, tuple[PhaseFlow, Real]] = {}

    def fixed_point(value: float) -> tuple[PhaseFlow, Real]:
        if value not in known:
            flow = PhaseFlow(make_model(value), closure)
            near = min(known, key=lambda other: abs(other - value)) if known else None
            y = flow.pack(state) if near is None else known[near][1]
            length = np.linalg.norm(y[: 3 * flow.model.n_spins].reshape(-1, 3), axis=1)
            fixed = flow.fixed_point_near(y, length)
            if fixed is None:
                raise ConvergenceError(f"No fixed point was found at {value:g} near the last one.")
            known[value] = flow, fixed
        return known[value]

    def growth(value: float) -> float:
        flow, y = fixed_point(value)
        return _point(flow, y).growth / flow.unit - undamped

    undamped = 0.0
    for value in np.linspace(real(low, "low"), real(high, "high"), 9):
        fixed_point(float(value))
    ends = growth(float(low)), growth(float(high))
    if min(map(abs, ends)) < _GROWING < max(ends):  # spins without jumps are never damped
        undamped = _GROWING
    elif ends[0] * ends[1] > 0:
        found = f"the growth rates are {ends[0]:.3g} and {ends[1]:.3g}"
        raise fail("high", "be where stability differs from that at `low`", found)
    accuracy = 1e-13 * max(abs(low), abs(high))
    value = float(brentq(growth, low, high, xtol=accuracy))
    if not undamped and abs(growth(value)) > _MOVED:  # it meets others: rounding moves it there
        from scipy.interpolate import barycentric_interpolate  # slow to import

        around = value + _BESIDE * (high - low) * np.array([-2.0, -1.0, 1.0, 2.0])
        rates = np.array([growth(float(v)) for v in around])
        value = float(barycentric_interpolate(rates, around, 0.0))
    flow, y = fixed_point(value)
    point = _point(flow, y)
    return CriticalPoint(value, float(abs(point.eigenvalues[0].imag)), point)


@one_thread
def lyapunov_coefficient(model: Model, state: ProductState, *, closure: str = "auto") -> float:
    r"""First Lyapunov coefficient of a Hopf point: the cycle is stable if negative, Eq. (71).

    .. math::
        l_1 = \frac{1}{2\omega} \mathrm{Re}\left[\langle p, C(q, q, \bar q)\rangle
              - 2\langle p, B(q, A^{-1} B(q, \bar q))\rangle
              + \langle p, B(\bar q, (2i\omega - A)^{-1} B(q, q))\rangle\right]

    with A q = iω q, Aᵀp = -iω p, ⟨q,q⟩ = ⟨p,q⟩ = 1 and the second and third derivatives B, C.

    Parameters
    ----------
    model : Model
        The system, at a Hopf point.
    state : ProductState
        Its fixed point: `critical_point`.
    closure : str
        Closure of `MeanField`.

    Raises
    ------
    ValueError
        If no pair of eigenvalues is imaginary there.

    Notes
    -----
    **Error**: Derivatives by differences: about 1e-6 of its size.

    References
    ----------
    .. [1] Y. A. Kuznetsov, Elements of Applied Bifurcation Theory, Eq. (5.34).
    """
    flow = PhaseFlow(model, closure)
    y = flow.pack(state)
    A = flow.jacobian(y)
    values, vectors = np.linalg.eig(A)
    k = int(np.argmin(np.abs(values.real) + (values.imag < 1e-6)))
    omega = float(values[k].imag)
    if abs(values[k].real) > 1e-5 or omega < 1e-6:
        nearest = values[k] * flow.unit
        raise fail("state", "be a Hopf point", f"the nearest eigenvalue is {nearest:.3g}")
    q = vectors[:, k] / np.linalg.norm(vectors[:, k])
    adjoint_values, adjoint_vectors = np.linalg.eig(A.T)
    p = adjoint_vectors[:, np.argmin(np.abs(adjoint_values + 1j * omega))]
    p = p / np.conj(np.vdot(p, q))
    derivative = Derivatives(flow, y)
    static = np.linalg.lstsq(A.astype(complex), derivative.second(q, q.conj()), rcond=1e-10)[0]
    double = np.linalg.solve(2j * omega * np.eye(len(y)) - A, derivative.second(q, q))
    terms = derivative.third(q) - 2 * derivative.second(q, static)
    terms += derivative.second(q.conj(), double)
    return float(np.vdot(p, terms).real / (2 * omega))
