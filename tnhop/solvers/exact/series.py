"""Polynomial series of e^{tM}: Taylor, or Chebyshev along the imaginary axis, Eq. (100).

Both are sums of coefficients times terms w_k that obey w_k = scale · M w_{k-1} + keep · w_{k-2}.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigvalsh_tridiagonal

from tnhop.support.arrays import Real

FALL = 0.7  # of one term to the next, from where on a series counts as falling
GOOD_DEGREE, MAX_DEGREE = 55, 90  # of a Taylor series
_GOOD_CHEBYSHEV, _MAX_CHEBYSHEV = 200, 300
_PER_REACH = 1.1  # orders of a Chebyshev series per focus · length
_SHORTEST = 0.25  # next step
_TINY = 1e-300
_BLOCK = 1000  # times whose coefficients are held at once
_LARGE = 1e200  # of a recurrence, from where on it is scaled down
_EXHAUSTED = 1e-13  # share of the largest number of a tridiagonal matrix that stands for zero


@dataclass(frozen=True)
class Series:
    """A series of e^{tM} over one step.

    Parameters
    ----------
    focus : float
        Distance of the foci ±i focus of the ellipse of convergence from its centre; 0 is Taylor.
    length : float
        Largest time t.
    """

    focus: float
    length: float

    @property
    def max_degree(self) -> int:
        """Largest degree."""
        return MAX_DEGREE if self.focus == 0.0 else _MAX_CHEBYSHEV

    def step(self, k: int) -> tuple[float, float]:
        """Return scale and keep of the term of order k."""
        if self.focus == 0.0:
            return self.length / k, 0.0
        return (1 if k == 1 else 2) / self.focus, float(k > 1)

    def limit(self, norms: list[float], centre: float, largest: float) -> float:
        """Return how much longer a step may be that has small terms, from the norms of the terms.

        Small is a term whose logarithm, damped by the centre, is at most `largest`. The terms of a
        Chebyshev series grow, damped, if the spectrum reaches out of the ellipse.
        """
        degree = len(norms) - 1
        if self.focus == 0.0:
            growth = math.log(max(max(norms) * math.exp(centre * self.length), 1.0))
            return largest / max(growth, 1e-3)
        damping = math.asinh(-centre / self.focus)
        sizes = np.log(np.maximum(norms, _TINY) / max(norms[0], _TINY))
        sizes -= damping * np.arange(degree + 1)
        slope = (sizes[-1] - sizes[degree // 2]) / (degree - degree // 2)
        orders = degree + (largest - sizes[-1]) / slope if slope > 0 else math.inf
        return float(orders) / (self.focus * self.length)

    def lengthened(self, degree: int, limit: float) -> float:
        """Return the length of the next step in units of this one, which ended at a degree.

        Its series shall have a good degree. A longer Chebyshev series needs hardly more orders than
        focus · length, and how its terms grow is seen no further than they go.
        """
        if self.focus == 0.0:
            return min(2.0, GOOD_DEGREE / degree, limit)
        reach = self.focus * self.length
        good = 1 + (_GOOD_CHEBYSHEV - degree) / (_PER_REACH * reach)
        seen = (2.0 if degree <= GOOD_DEGREE else 1.5) * degree / reach
        return max(_SHORTEST, min(seen, good, limit))

    def predicted_degree(self, radius: float, centre: float, tolerance: float) -> int:
        """Return the degree at which the terms of a series, damped by the centre, are small.

        Parameters
        ----------
        radius : float
            Largest distance of the spectrum from the centre that matters.
        centre : float
            Distance of the centre from zero.
        tolerance : float
            What is small.
        """
        if self.focus != 0.0:  # where Airy's function, the end of Bessel's, is small
            reach = self.focus * self.length
            beyond = (-1.5 * math.log(tolerance)) ** (2 / 3) * (reach / 2) ** (1 / 3)
            return min(_MAX_CHEBYSHEV, math.ceil(reach + beyond) + 1)
        z, k, small = radius * self.length, 1, math.log(tolerance) + centre * self.length
        while k < MAX_DEGREE and not (
            k * math.log(z) - math.lgamma(k + 1) < small and z < FALL * k
        ):
            k += 1
        return k

    def coefficients(self, fractions: Real, degree: int) -> Real:
        """Return the coefficients at fractions of the length, shape (n, degree + 1)."""
        if self.focus == 0.0:
            return np.power.outer(np.asarray(fractions), np.arange(degree + 1))
        return _bessel(self.focus * self.length * np.asarray(fractions), degree)

    def sums(self, fractions: Real, moments: Real) -> Real:
        """Return the sums at fractions of the length of a series with these moments of its terms.

        The moments have shape (degree + 1, n_rows), the sums (n, n_rows).
        """
        parts = np.array_split(fractions, 1 + len(fractions) // _BLOCK)
        return np.concatenate([self.coefficients(part, len(moments) - 1) @ moments
                               for part in parts])  # fmt: skip


@numba.njit(cache=True)
def _bessel(x: Real, degree: int) -> Real:
    """Return J_0(x), 2 J_1(x), 2 J_2(x), ... for every x ≥ 0, by recurrence from high orders down.

    Far above x and the degree the recurrence may begin with anything (Miller); the sum of all even
    orders is one.
    """
    table = np.zeros((len(x), degree + 1))
    for row in range(len(x)):
        if x[row] == 0.0:
            table[row, 0] = 1.0
            continue
        top = max(degree, int(x[row]))
        after, now, total = 0.0, 1e-200, 0.0
        for k in range(top + 20 + int(6 * math.sqrt(top)), 0, -1):
            after, now = now, 2 * k / x[row] * now - after
            if k - 1 <= degree:
                table[row, k - 1] = now
            if k % 2 == 1:
                total += now if k == 1 else 2 * now
            if abs(now) > _LARGE:
                after, now, total = after / _LARGE, now / _LARGE, total / _LARGE
                table[row, k - 1 :] /= _LARGE
        table[row] /= total
        table[row, 1:] *= 2
    return table


def energy_spread(H: sp.csr_array, n_steps: int = 40) -> float:
    """Return the difference between the largest and the smallest eigenvalue of a Hermitian matrix.

    By Lanczos steps from a fixed vector: a few per cent too small where the ends are dense.
    """
    rng, n = np.random.default_rng(0), H.shape[0]
    w = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    v, beta = np.zeros(n), float(np.linalg.norm(w))
    diagonal, beside = list[float](), list[float]()
    for _ in range(min(n_steps, n)):
        before, v = v, w / beta
        w = H @ v - (beta * before if beside else 0.0)
        diagonal.append(float(np.vdot(v, w).real))
        w = w - diagonal[-1] * v
        beta = float(np.linalg.norm(w))
        beside.append(beta)
        if beta <= _EXHAUSTED * max(map(abs, diagonal + beside)):
            break
    values = eigvalsh_tridiagonal(diagonal, beside[:-1]) if len(diagonal) > 1 else diagonal
    return float(max(values) - min(values))
