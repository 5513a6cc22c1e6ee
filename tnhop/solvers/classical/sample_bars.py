"""Error bars of what is estimated from samples of configurations: 95 % half-widths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.solvers.classical.configurations import (
    ConfigurationSamples,
    DiagonalOperators,
    multiplicities,
)
from tnhop.support.arrays import Real, Signs
from tnhop.support.statistics import (
    Z,
    carriers,
    mean_width,
    missed_mass,
    proportion_width,
    student_width,
)

_MANY = 2000  # spins and samples above which no matrix of all pairs is made


def sample_means(operators: DiagonalOperators, spins: Signs) -> tuple[NDArray[np.complex128], Real]:
    """Return the means of operators over samples, and their half-widths."""
    values = operators(spins)
    return values.mean(axis=1), mean_width(values, *operators.ranges)


def functional_width(o: Observable, state: ConfigurationSamples) -> Real:
    """Return the half-width of a functional that is estimated from samples.

    The estimate is linearised in the distribution: every sample moves it by its influence.
    """
    assert o.functional is not None
    arguments: dict[str, Any] = dict(o.functional.arguments)
    return _WIDTHS[o.functional.name](state, **arguments)


def _distribution(state: ConfigurationSamples, xi: NDArray[np.int8]) -> Real:
    return proportion_width(state.overlap_distribution(xi), len(state.spins))


def _joint_distribution(state: ConfigurationSamples, xi: NDArray[np.int8]) -> Real:
    return proportion_width(state.joint_overlap_distribution(xi), len(state.spins))


def _moments(state: ConfigurationSamples, xi: NDArray[np.int8], orders: Any) -> Real:
    overlaps, m = _overlaps(state, xi), _possible_overlaps(xi)
    widths = []
    for order in orders:
        low, high = np.min(m**order), np.max(m**order)
        ends = np.full((2, len(xi)), [[(high + low) / 2], [(high - low) / 2]])
        widths.append(mean_width(overlaps**order, *ends))
    return np.stack(widths, axis=1)


def _binder(state: ConfigurationSamples, xi: NDArray[np.int8]) -> Real:
    """Return the half-widths of U = 1 - ⟨m⁴⟩/(3⟨m²⟩²), NaN where all samples have m = 0."""
    squares, possible = _overlaps(state, xi) ** 2, _possible_overlaps(xi) ** 2
    return np.array([_binder_width(y, possible) if y.any() else np.nan for y in squares])


def _binder_width(y: Real, possible: Real) -> float:
    """Return the half-width of R = ⟨y²⟩/(3⟨y⟩²) for samples of y = m², Eq. (96)."""
    n, second, fourth = len(y), float(y.mean()), float(np.mean(y**2))
    ratio = fourth / (3 * second**2)
    influence = ratio * (2 * y / second - y**2 / fourth - 1)
    covariance = np.cov(y, y**2) / n
    bias = ratio * (3 * covariance[0, 0] / second - 2 * covariance[0, 1] / fourth) / second
    unexplored = 1 / (1 + carriers(influence, ratio))
    smallest, largest = np.sqrt(y.min()), np.sqrt(y.max())
    low, high = smallest * (1 - unexplored), largest + (1 - largest) * unexplored
    near = possible[(possible > low**2 - 1e-12) & (possible < high**2 + 1e-12)]
    more_second, more_fourth = near - second, near**2 - fourth
    slope = more_fourth * more_second
    with np.errstate(divide="ignore", invalid="ignore"):
        extreme = (more_fourth * second - 2 * more_second * fourth) / slope
    mass = missed_mass(n)
    masses = np.array([np.clip(np.nan_to_num(extreme), 0, mass), np.full(len(near), mass)])
    mixed = (fourth + masses * more_fourth) / (3 * (second + masses * more_second) ** 2)
    unseen = np.abs(mixed - ratio).max(initial=0.0)
    return math.hypot(student_width(influence, n - 1), unseen) + 1.5 * abs(bias)


def _edwards_anderson(state: ConfigurationSamples, spins: Any) -> Real:
    """Return that of a mean of squares, which near zero is of second order."""
    s = state.spins[:, list(spins)].astype(float)
    z, n = s.mean(axis=0), len(s)
    influence = 2 * (s - z) @ z / s.shape[1]
    p = missed_mass(n) / (1 + carriers(influence, 1.0))
    q = np.mean(z**2)
    unseen = max(abs(np.mean(((1 - p) * np.abs(z) + p * sign) ** 2) - q) for sign in (-1, 1))
    pairs = Z * math.sqrt(2 * _squared_covariances(s) / (n * (n - 1)))
    return np.asarray(min(math.hypot(student_width(influence, n - 1), pairs, unseen), 1.0))


def _squared_covariances(spins: Real) -> float:
    """Return Σ_jk C_jk² / N² of the covariances C of spins; for very many a bound, (Σ C_jj)²/N²."""
    centred = spins - spins.mean(axis=0)
    n, n_spins = centred.shape
    if min(n, n_spins) > _MANY:
        return float(centred.var(axis=0, ddof=1).mean() ** 2)
    gram = centred @ centred.T if n < n_spins else centred.T @ centred  # the same squares
    return float(np.sum((gram / ((n - 1) * n_spins)) ** 2))


def _purity(state: ConfigurationSamples) -> Real:
    """Return that of the chance that two samples coincide; of many pairs none may."""
    n, value = len(state.spins), float(state.purity())
    influence = 2 * (multiplicities(state.spins) - 1) / (n - 1)
    p = missed_mass(n) / (1 + carriers(influence, 1.0))
    unseen = value * (1 - (1 - p) ** 2)
    pairs = float(proportion_width(value, n * (n - 1) // 2))
    width = math.hypot(student_width(influence, n + 1), pairs, unseen)
    return np.asarray(min(width, max(value, 1 - value)))


def _overlaps(state: ConfigurationSamples, xi: NDArray[np.int8]) -> Real:
    xi = np.asarray(xi)
    return np.asarray((state.spins.astype(float) @ xi.T / xi.shape[1]).T)


def _possible_overlaps(xi: NDArray[np.int8]) -> Real:
    n_spins = np.shape(xi)[1]
    return np.asarray(2 * np.arange(n_spins + 1) / n_spins - 1)


_WIDTHS: dict[str, Callable[..., Real]] = {
    "overlap_distribution": _distribution,
    "joint_overlap_distribution": _joint_distribution,
    "overlap_moments": _moments,
    "binder_cumulant": _binder,
    "edwards_anderson": _edwards_anderson,
    "purity": _purity,
}
