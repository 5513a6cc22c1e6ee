"""Error bars of what was counted, and of what was averaged over few samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from tnhop.support.arrays import Real

Z = float(ndtri(0.975))  # standard errors of a 95 % interval
_EQUAL = 1e-9  # of the range: values that differ by less are equal


def proportion_width(share: Any, n: int) -> Real:
    """Return the half-width around a share of n samples that contains Wilson's interval.

    Never 0: what was not seen is not certain.
    """
    share = np.asarray(share, dtype=float)
    shrink = 1 + Z**2 / n
    middle = (share + Z**2 / (2 * n)) / shrink
    half = Z / shrink * np.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
    return np.asarray(np.abs(middle - share) + half)


def missed_mass(n: int) -> float:
    """Return the largest probability of values that n samples do not show: Wilson's, of none."""
    return Z**2 / (n + Z**2)


def student_width(values: NDArray[Any], freedom: int) -> Real:
    """Return the quantile of Student's t for some degrees of freedom × the standard error.

    Parameters
    ----------
    values : ndarray, shape (..., n)
        Of n samples.
    freedom : int
        Degrees of freedom.
    """
    error = values.std(axis=-1, ddof=1) / math.sqrt(values.shape[-1])
    return np.asarray(stdtrit(freedom, 0.975) * error)


def carriers(values: NDArray[Any], scale: Any) -> Real:
    """Return how many samples carry the spread: n over the kurtosis, 0 where all are equal.

    Parameters
    ----------
    values : ndarray, shape (..., n)
        Of n samples.
    scale : array_like, shape (...,)
        Largest distance from the mean; samples that differ by 1e-9 of it are equal.
    """
    squares = np.abs(values - values.mean(axis=-1, keepdims=True)) ** 2
    total, fourth = squares.sum(axis=-1), (squares**2).sum(axis=-1)
    spread = total > values.shape[-1] * (_EQUAL * np.asarray(scale)) ** 2
    return np.asarray(np.where(spread, total**2 / np.where(spread, fourth, 1.0), 0.0))


def mean_width(values: NDArray[Any], centre: NDArray[Any], reach: Real) -> Real:
    """Return the 95 % half-widths around means of bounded quantities, Eq. (95).

    Student's, with the two ends of the range as two more samples, and in quadrature what may lie
    far off unseen, the less the more samples carry the spread. Where all samples lie at the ends
    of the range, as those of σᶻ do, the mean is a proportion.

    Parameters
    ----------
    values : ndarray, shape (n_quantities, n)
        Of n samples.
    centre, reach : ndarray, shape (n_quantities,)
        Centre and half-width of the values that are possible.
    """
    n = values.shape[1]
    offset = np.abs(values - centre[:, None])
    ends = np.all(offset >= (1 - _EQUAL) * reach[:, None], axis=1) & (reach > 0)
    distance = np.abs(values.mean(axis=1) - centre)
    width = np.zeros(len(values))
    share = (1 + np.minimum(distance[ends] / reach[ends], 1.0)) / 2
    width[ends] = 2 * reach[ends] * proportion_width(share, n)
    others, farthest = values[~ends], (distance + reach)[~ends]
    unseen = missed_mass(n) * farthest / (1 + carriers(others, farthest))
    width[~ends] = np.minimum(np.hypot(student_width(others, n + 1), unseen), farthest)
    return width
