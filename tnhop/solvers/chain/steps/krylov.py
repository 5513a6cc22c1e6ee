"""exp(t A) v by Arnoldi's method, for non-symmetric A given as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl
from autoray import do, to_numpy

from tnhop.solvers.chain.steps.backend import placed, with_row
from tnhop.support.arrays import Array
from tnhop.support.errors import ConvergenceError

MAX_VECTORS = 48
CANCELLED = 0.5**0.5  # of a vector, from where on it is made orthogonal once more
ROUGH = 100.0  # rough error, in units of the accepted one, from where on the estimate is made
SMALL = 1e-13  # of the largest number of a column: the Krylov space is complete
_MAX_HALVINGS = 12  # halvings of the step before giving up


@dataclass(frozen=True, eq=False)
class FunctionMap:
    """A linear map given as a function."""

    apply: Callable[[Array], Array]

    def __call__(self, v: Array, /) -> Array:
        """Apply the map."""
        return self.apply(v)

    def exponential(self, v: Array, t: float, tolerance: float) -> tuple[Array, int, float]:
        """Return exp(t A) v, the number of applications and the estimated error."""
        return exponential(self.apply, v, t, tolerance)


def exponential(
    apply: Callable[[Array], Array], v: Array, t: float, tolerance: float
) -> tuple[Array, int, float]:
    """Return exp(t A) v, the number of applications and the estimated error.

    Parameters
    ----------
    apply : callable
        v -> A v, arrays of one shape.
    v : array
        Start.
    t : float
        Time; negative for the backward steps of TDVP.
    tolerance : float
        Accepted error, relative to ‖v‖.

    Raises
    ------
    ConvergenceError
        If the step must be halved too often.

    References
    ----------
    Y. Saad, SIAM J. Numer. Anal. 29, 209 (1992).
    """
    return halved(lambda v, t, tolerance: _arnoldi(apply, v, t, tolerance), v, t, tolerance)


def halved(
    attempt: Callable[[Array, float, float], tuple[Array, int, float]],
    v: Array,
    t: float,
    tolerance: float,
    depth: int = 0,
) -> tuple[Array, int, float]:
    """Return exp(t A) v in one attempt, or in halves of the time where its error is negative.

    A negative error says that no Krylov space allowed is large enough.
    """
    if t == 0.0 or float(do("linalg.norm", v.reshape(-1))) == 0.0:
        return v, 0, 0.0
    result, count, error = attempt(v, t, tolerance)
    if error >= 0.0:
        return result, count, error
    if depth == _MAX_HALVINGS:
        raise ConvergenceError(
            f"A Krylov space of {count} vectors does not reach {tolerance:g} after {depth}"
            " halvings of the step. Use a smaller `dt`."
        )
    half, n1, e1 = halved(attempt, v, t / 2, tolerance / 2, depth + 1)
    full, n2, e2 = halved(attempt, half, t / 2, tolerance / 2, depth + 1)
    return full, count + n1 + n2, e1 + e2


def _arnoldi(
    apply: Callable[[Array], Array], v: Array, t: float, tolerance: float
) -> tuple[Array, int, float]:
    """Return exp(t A) v, the applications and the estimated error; negative if it is too large."""
    size = float(do("linalg.norm", v.reshape(-1)))
    rows = v.reshape(1, -1) / size
    n = rows.shape[1]
    H = np.zeros((MAX_VECTORS + 1, MAX_VECTORS))
    max_vectors = min(MAX_VECTORS, n)
    rough_error = 1.0  # |t|ᵐ Π h / m!, the error for a small norm; below it for a large one
    for m in range(1, max_vectors + 1):
        V = rows[:m]
        w = apply(V[-1].reshape(v.shape)).reshape(-1)
        residual = float(do("linalg.norm", w))
        for _ in range(2):  # once more where much has cancelled and orthogonality is lost
            before, along = residual, V @ w
            w = w - along @ V
            H[:m, m - 1] += to_numpy(along)
            residual = float(do("linalg.norm", w))
            if residual > CANCELLED * before:
                break
        H[m, m - 1] = residual
        rough_error *= abs(t) * residual / m
        # the error estimate costs a small exponential: look at it when it may be small enough
        if (
            rough_error < ROUGH * tolerance
            or m == max_vectors
            or residual < SMALL * np.abs(H[:m, m - 1]).max()
        ):
            small = sl.expm(t * H[:m, :m])[:, 0]
            error = abs(t) * residual * abs(small[-1])
            if error <= tolerance or m == n:
                y = placed(small, V)
                return (size * (y @ V)).reshape(v.shape), m, error * size
        if m < max_vectors:
            rows = with_row(rows, m, w / residual)
    return v, max_vectors, -1.0
