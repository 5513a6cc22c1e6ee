"""Slowest eigenvectors of a real linear generator, from Arnoldi iteration on its propagator.

exp(τL) turns the slowest decaying modes into the eigenvalues of largest modulus, which Arnoldi
finds first. It is applied as a polynomial of fixed degree, which has exactly the eigenvectors of L.
The eigenvalues are then taken from L itself on the space found (Rayleigh-Ritz), so that neither the
error of the propagator nor the branch of a logarithm enters, and every residual is recomputed.

The error of an eigenvalue is that of its equation times its condition, the product of the norms of
its left and right eigenvectors over their overlap, Eq. (92) of docs/physics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eig, qr
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from tnhop.solvers.exact.series import Series
from tnhop.solvers.exact.taylor import next_term
from tnhop.support.arrays import Real
from tnhop.support.errors import ConvergenceError
from tnhop.support.heartbeat import beat

Map = Callable[[Real], Real]
Values = NDArray[np.complex128]

_DEGREE = 20  # of a Taylor series over a step of 8 in units of the norm
_SMALL = 1e-6  # share of the largest term of a series: the polynomial needs not be precise
DENSE_SIZE = 1100  # below this the matrix of the generator is small: five spins have 1024
ROUNDING = 2 * float(np.finfo(float).eps)  # relative, of a matrix and of its products
_EQUAL = 1e-12  # times the norm: eigenvalues that are as good as one, with a common space
_SPARE = 16  # eigenpairs beyond those that are wanted, so that equal ones stay together


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Eigenvalues by falling real part, with right eigenvectors in columns, residuals and errors.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Eigenvalues.
    vectors : ndarray, shape (n, k)
        Normalised eigenvectors.
    residuals : ndarray, shape (k,)
        ‖L v - λ v‖, recomputed.
    errors : ndarray, shape (k,)
        Half-widths of the eigenvalues: residual and rounding, times the condition.
    conditions : ndarray, shape (k,)
        Change of the eigenvalue per norm of a change of the generator.
    converged : bool
        Whether the iteration met its tolerance.
    """

    values: Values
    vectors: Values
    residuals: Real
    errors: Real
    conditions: Real
    converged: bool

    def first(self, k: int) -> Eigenpairs:
        """Return the k pairs with the largest real parts."""
        order = falling(self.values, self.errors)[:k]
        return Eigenpairs(self.values[order], self.vectors[:, order], self.residuals[order],
                          self.errors[order], self.conditions[order], self.converged)  # fmt: skip

    def embedded(self, of: Any) -> Eigenpairs:
        """Return the same pairs in a larger space; `of` has its basis in columns."""
        vectors = of @ self.vectors
        vectors = vectors / np.linalg.norm(vectors, axis=0)
        return Eigenpairs(self.values, vectors, self.residuals, self.errors,
                          self.conditions, self.converged)  # fmt: skip


def with_residuals(pairs: Eigenpairs, generator: Map) -> Eigenpairs:
    """Return the same pairs with residuals that are recomputed."""
    V = pairs.vectors
    image = np.column_stack([generator(v.real) + 1j * generator(v.imag) for v in V.T])
    return replace(pairs, residuals=np.linalg.norm(image - V * pairs.values, axis=0))


def joined(parts: Sequence[Eigenpairs], k: int) -> Eigenpairs:
    """Return the k slowest pairs of several sets."""
    return Eigenpairs(
        np.concatenate([pairs.values for pairs in parts]),
        np.concatenate([pairs.vectors for pairs in parts], axis=1),
        np.concatenate([pairs.residuals for pairs in parts]),
        np.concatenate([pairs.errors for pairs in parts]),
        np.concatenate([pairs.conditions for pairs in parts]),
        all(pairs.converged for pairs in parts),
    ).first(k)


def falling(values: Values, errors: Real) -> NDArray[np.intp]:
    """Return the order by falling real part; where bars overlap, by falling imaginary part."""
    order = np.argsort(-values.real, kind="stable")
    steps = -np.diff(values.real[order])
    bars = np.minimum(errors, np.abs(values))[order]  # what may be zero is not equal to all others
    level = np.concatenate([[0], np.cumsum(steps > bars[1:] + bars[:-1])])
    return order[np.lexsort((-values.imag[order], level[: len(order)]))]


@dataclass(frozen=True, eq=False)
class Propagator:
    """x → exp(τL) x as a polynomial of fixed degree.

    Attributes
    ----------
    generator : callable
        x → L x.
    centre : float
        Centre of the spectrum.
    series : Series
        Of one step.
    degree, steps : int
        Degree of a step, and their number.
    """

    generator: Map
    centre: float
    series: Series
    degree: int
    steps: int = 1

    def __call__(self, x: Real) -> Real:
        """Apply the polynomial."""
        coefficients = self.series.coefficients(np.ones(1), self.degree)[0]
        for _ in range(self.steps):
            beat()
            total, w = coefficients[0] * x, np.array(x, dtype=float)
            before = np.empty_like(w)
            for k in range(1, self.degree + 1):
                v, (scale, keep) = self.generator(w), self.series.step(k)
                next_term(v, w, before, total, self.centre, scale, keep, coefficients[k])
                w, before = before, w
            x = total * math.exp(self.centre * self.series.length)
        return x

    @property
    def n_applications(self) -> int:
        """Applications of the generator."""
        return self.steps * self.degree

    def sufficient_degree(self, size: int) -> int | None:
        """Return the degree at which the terms for a random vector are small, if there is one."""
        coefficients = np.abs(self.series.coefficients(np.ones(1), self.degree)[0])
        w = np.random.default_rng(21).standard_normal(size)
        before, total, largest, small = np.empty_like(w), np.zeros_like(w), 0.0, 0
        for k in range(1, self.degree + 1):
            scale, keep = self.series.step(k)
            v = self.generator(w)
            term = coefficients[k] * next_term(v, w, before, total, self.centre, scale, keep, 0.0)
            w, before = before, w
            largest = max(largest, term)
            small = small + 1 if term <= _SMALL * largest else 0
            if small == 2:
                return k
        return None


def propagator(
    generator: Map, centre: float, norm: float, tau: float, size: int, spread: float = 0.0
) -> Propagator:
    """Return the propagator by the cheaper of two series around the centre of the spectrum.

    Parameters
    ----------
    generator : callable
        x → L x.
    centre, norm : float
        Centre of the spectrum, and a bound of its distance from zero.
    tau : float
        Time τ.
    size : int
        Components of x.
    spread : float
        Half the height of the spectrum, along which a Chebyshev series may run; 0 if not known.
    """
    steps = max(1, math.ceil(tau * norm / 8))
    taylor = Propagator(generator, centre, Series(0.0, tau / steps), _DEGREE, steps)
    if not 0 < spread * tau < taylor.n_applications / 2:
        return taylor
    long = Series(spread, tau)
    chebyshev = Propagator(generator, centre, long, min(taylor.n_applications, long.max_degree))
    degree = chebyshev.sufficient_degree(size)
    return taylor if degree is None else replace(chebyshev, degree=degree)


def slowest(
    generator: Map, adjoint: Map, evolve: Map, size: int, k: int, norm: float, *, seed: int = 20
) -> Eigenpairs:
    """Return the k eigenpairs with the largest real parts."""
    if size <= DENSE_SIZE or k + 8 >= size - 1:
        matrix = np.column_stack([_beating(generator, column) for column in np.eye(size)])
        return dense_pairs(matrix, norm, k)
    basis, converged = _slow_space(evolve, size, k, seed)
    if not basis.size:
        raise ConvergenceError(
            "No slow mode was found: energies are far larger than all rates. Use `evolve` to a late"
            " time instead."
        )
    return _ritz_pairs(generator, adjoint, basis, norm, k, converged)


def dense_pairs(matrix: Real, norm: float, k: int) -> Eigenpairs:
    """Return the k eigenpairs of a small matrix with the largest real parts."""
    values, left, right = eig(matrix, left=True, right=True)
    kept = np.argsort(-values.real, kind="stable")[: 2 * k + _SPARE]
    values, left, right = values[kept], left[:, kept], right[:, kept]
    residuals = np.linalg.norm(matrix @ right - right * values, axis=0)
    sizes, overlaps = np.abs(matrix), np.abs(np.sum(left.conj() * right, axis=0))
    with np.errstate(divide="ignore"):
        conditions = 1 / overlaps
        rounding = np.sum(np.abs(left) * (sizes @ np.abs(right)), axis=0) * conditions
    together = _common_conditions(values, left, right, _EQUAL * norm)
    unresolved = ROUNDING * np.linalg.norm(sizes @ np.abs(right), axis=0) * together
    rounding = np.fmin(ROUNDING * rounding, unresolved)
    conditions = np.fmin(conditions, together)
    return Eigenpairs(values, right, residuals, conditions * residuals + rounding, conditions,
                      True).first(k)  # fmt: skip


def _common_conditions(values: Values, left: Values, right: Values, tolerance: float) -> Real:
    """Return the conditions of the common spaces of eigenvalues that are as good as equal.

    Single eigenvectors of a multiple eigenvalue are arbitrary, and their overlaps with left ones.
    """
    conditions = np.empty(len(values))
    for k, value in enumerate(values):
        equal = np.abs(values - value) <= tolerance
        bases = [np.linalg.qr(vectors[:, equal])[0] for vectors in (left, right)]
        overlaps = np.linalg.svd(bases[0].conj().T @ bases[1], compute_uv=False)
        conditions[k] = 1 / max(float(overlaps[-1]), 1e-300)
    return conditions


def _ritz_pairs(
    generator: Map, adjoint: Map, basis: Real, norm: float, k: int, converged: bool
) -> Eigenpairs:
    """Return the k slowest eigenpairs in a space that the generator keeps."""
    image = np.column_stack([_beating(generator, column) for column in basis.T])
    inner = basis.T @ image
    values, left, right = eig(inner, left=True, right=True)
    fastest = values.real.min()
    kept = np.argsort(-values.real, kind="stable")[: k + _SPARE]
    values, left, right = values[kept], left[:, kept], right[:, kept]
    residuals = np.linalg.norm(image @ right - basis @ (right * values), axis=0)
    # a left eigenvector has a part outside, which everything that decays faster holds back
    outside = np.array([
        math.hypot(*(_outside(adjoint, basis, inner, part) for part in (y.real, y.imag)))
        for y in left.T
    ])  # fmt: skip
    apart = np.maximum(values.real - fastest, _EQUAL * norm)
    overlaps = np.abs(np.sum(left.conj() * right, axis=0))
    with np.errstate(divide="ignore"):
        conditions = np.hypot(1.0, outside / apart) / overlaps
    together = _common_conditions(values, left, right, _EQUAL * norm)
    conditions = np.fmin(conditions, together * np.hypot(1.0, outside / apart))
    errors = conditions * (residuals + ROUNDING * norm)
    vectors = basis @ right
    return Eigenpairs(values, vectors, residuals, errors, conditions, converged).first(k)


def _outside(adjoint: Map, basis: Real, inner: Real, y: Real) -> float:
    """Return how far the adjoint takes a vector out of the space."""
    if not y.any():
        return 0.0
    return float(np.linalg.norm(_beating(adjoint, basis @ y) - basis @ (inner.T @ y)))


def _beating(generator: Map, x: Real) -> Real:
    beat()
    return generator(x)


def nearest_zero(matrix: Any, k: int, norm: float, *, seed: int = 20) -> Eigenpairs:
    """Return the k eigenpairs nearest to zero by Arnoldi iteration on the inverse (sparse LU)."""
    size = matrix.shape[0]
    if size <= DENSE_SIZE or k + 8 >= size - 1:
        return dense_pairs(matrix.toarray(), norm, k)
    start = np.random.default_rng(seed).standard_normal(size)
    # the shift keeps the matrix regular; it is small beside every rate of interest
    shift = 1e-7 * float(abs(matrix.diagonal()).max())
    _, vectors = eigs(sp.csc_array(matrix), k, sigma=shift, v0=start, tol=0)
    basis = _extend_basis(np.zeros((size, 0)), vectors)
    return _ritz_pairs(lambda x: matrix @ x, lambda x: matrix.T @ x, basis, norm, k, True)


def _slow_space(evolve: Map, size: int, k: int, seed: int) -> tuple[Real, bool]:
    """Return an orthonormal real basis of the slowest invariant space of the propagator.

    Arnoldi iteration from one vector may miss copies of a degenerate eigenvalue. What was found is
    therefore projected out and the search repeated until it brings nothing slow.
    """
    rng = np.random.default_rng(seed)
    basis, known, converged = np.zeros((size, 0)), np.zeros(0), True
    n_pairs = k + 8
    while True:
        values, vectors, complete = _arnoldi(evolve, basis, n_pairs, rng)
        converged &= complete
        slow = np.sort(np.abs(known))[::-1]
        if len(slow) >= k and np.abs(values).max(initial=0.0) < slow[k - 1] * (1 - 1e-9):
            return basis, converged
        known = np.concatenate([known, values])
        basis = _extend_basis(basis, vectors)
        if basis.shape[1] + 8 >= size or not complete:
            return basis, converged and len(known) >= k
        n_pairs = 6


def _arnoldi(
    evolve: Map, basis: Real, n_pairs: int, rng: np.random.Generator
) -> tuple[Any, Any, bool]:
    """Return the largest eigenpairs of the propagator outside the space of `basis`."""
    size = len(basis)

    def outside(x: Real) -> Real:
        return x - basis @ (basis.T @ x)

    def deflated(x: Real) -> Real:
        return outside(evolve(outside(np.ravel(x))))

    operator = LinearOperator((size, size), matvec=deflated, dtype=float)
    options: dict[str, Any] = {"k": n_pairs, "which": "LM", "ncv": min(size, 2 * n_pairs + 20),
                               "v0": outside(rng.standard_normal(size)), "tol": 1e-13,
                               "maxiter": 60}  # fmt: skip
    try:
        return *eigs(operator, **options), True
    except ArpackNoConvergence as stopped:
        return stopped.eigenvalues, stopped.eigenvectors, False


def _extend_basis(basis: Real, vectors: Any) -> Real:
    """Add complex vectors to an orthonormal real basis."""
    parts = np.concatenate([vectors.real, vectors.imag], axis=1)
    parts -= basis @ (basis.T @ parts)
    new, r, _ = qr(parts, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(r)) > 1e-9 * np.abs(r[0, 0]))) if r.size else 0
    new = new[:, :rank] - basis @ (basis.T @ new[:, :rank])
    return np.concatenate([basis, np.linalg.qr(new)[0]], axis=1)
