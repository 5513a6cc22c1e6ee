"""Superpositions of pattern and antipattern, and how fast their phase is lost."""

from __future__ import annotations

import numpy as np

import tnhop as th
from tnhop.solvers.symmetric.operators import partition
from tnhop.solvers.symmetric.spin_classes import find_classes


def cats(model: th.Model) -> list[th.SymmetricState]:
    """Return the even and the odd superposition of pattern and antipattern."""
    classes = find_classes(model)
    (part,) = partition(model, classes, None)
    like = th.SymmetricState.from_product(th.pattern_state(model), model, classes, [part])
    dims = part.space.block_dims
    largest = int(np.argmax(dims))  # J = N/2, where both patterns are the extreme states
    first, dim = int((dims[:largest] ** 2).sum()), int(dims[largest])
    found = []
    for sign in (1, -1):
        rho = np.zeros((dim, dim))
        rho[0, 0] = rho[-1, -1] = 0.5
        rho[0, -1] = rho[-1, 0] = 0.5 * sign
        packed = np.zeros_like(like.packed)
        packed[first : first + dim**2] = rho.ravel()
        found.append(
            th.SymmetricState(packed, like.labels, like.signs, like.fock_dims, like.joined)
        )
    return found


def distinguishability(model: th.Model, times: np.ndarray) -> np.ndarray:
    """Return half the trace norm of the difference between the two cats over time."""
    even, odd = (
        th.evolve(model, cat, times, observables=["m_z"], save_states=True, progress=False,
                  method=th.Symmetric(tolerance=1e-12)).states
        for cat in cats(model)
    )  # fmt: skip
    return np.array([
        sum(np.abs(np.linalg.eigvalsh(a - b)).sum() / 2
            for a, b in zip(one.blocks(0), other.blocks(0), strict=True))
        for one, other in zip(even, odd, strict=True)
    ])  # fmt: skip


def coherence_time(times: np.ndarray, D: np.ndarray) -> float:
    """Time at which D = 1/e; NaN if it stays above."""
    below = np.flatnonzero(np.exp(-1) > D)
    if not len(below):
        return np.nan
    k = below[0]
    return float(np.interp(1.0, -np.log(D[k - 1 : k + 1]), times[k - 1 : k + 1]))


def fastest_rate(times: np.ndarray, D: np.ndarray) -> float:
    """Largest -d ln D/dt while D > 1e-6: below that, other slow modes remain."""
    rate = -np.gradient(np.log(D), times)
    return float(rate[D > 1e-6].max())
