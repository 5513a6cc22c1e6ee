"""Numbers of Fock levels and weights of a chain: the same state in other coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tnhop.solvers.chain.network.mps import MPSState
from tnhop.support.arrays import Real

Levels = tuple[int, ...]

FEWEST_LEVELS = 6
LEVEL_GROWTH = 1.3
_SHRINK = 0.75  # levels are given back if fewer than this share of them are needed


def wanted_levels(
    populations: Sequence[Real], levels: Levels, largest: Levels, tolerance: float
) -> Levels:
    """Return the numbers of levels that the modes should have.

    More, if the two highest ones hold more than the tolerance; fewer, if far fewer would hold less
    than a tenth of it.

    Parameters
    ----------
    populations : sequence of ndarray, shape (n_levels,)
        Of every mode.
    levels, largest : tuple of int
        Present and largest numbers of levels.
    tolerance : float
        Accepted population of the two highest levels.
    """
    counts = []
    for P, now, cap in zip(populations, levels, largest, strict=True):
        if np.abs(P[now - 2 : now]).sum() > tolerance:
            counts.append(min(cap, math.ceil(LEVEL_GROWTH * now)))
            continue
        above = np.append(np.cumsum(np.abs(P[:now])[::-1])[::-1], 0.0)  # from every level on
        needed = 2 + int(np.argmax(above < tolerance / 10))
        fewer = min(cap, max(FEWEST_LEVELS, math.ceil(LEVEL_GROWTH * needed)))
        counts.append(fewer if fewer <= _SHRINK * now else now)
    return tuple(counts)


def resized(A: Real, dim: int, new: int) -> Real:
    """Return a tensor (left, dim², right) of a mode with another number of levels."""
    if dim == new:
        return A
    low, high = sorted((dim, new))
    inside = _coordinates(low, high)
    if new < dim:
        return np.ascontiguousarray(A[:, inside])
    larger = np.zeros((A.shape[0], new**2, A.shape[2]), dtype=A.dtype)
    larger[:, inside] = A
    return larger


def _coordinates(dim: int, larger: int) -> NDArray[np.intp]:
    """Return the places of the coordinates of `mode_basis` of few levels among those of more."""
    place = np.zeros((larger, larger), dtype=np.intp)
    place[np.triu_indices(larger, 1)] = larger + 2 * np.arange(larger * (larger - 1) // 2)
    pairs = place[np.triu_indices(dim, 1)]
    return np.concatenate([np.arange(dim), np.stack([pairs, pairs + 1], axis=1).ravel()])


def reweighted(state: MPSState, epsilon: float) -> MPSState:
    """Return the same density matrix in coordinates of another weight."""
    scale = epsilon / state.epsilon
    weights = np.array([1.0, scale, scale, scale])[:, None]
    tensors = tuple(
        A * weights if site < state.n_spins else A
        for A, site in zip(state.tensors, state.order, strict=True)
    )
    return MPSState(tensors, state.order, state.dims, state.n_spins, epsilon)
