"""Distances between matrix-product states, as norms of their vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tnhop.support.arrays import Real

_CANCELLED = (
    1e-5  # distance, in units of the norm, below which the difference of squares has lost it
)


def vector_norm(chain: Sequence[Real]) -> float:
    """Return the norm of the vector of a chain of real tensors (left, size, right)."""
    return math.sqrt(max(_overlap(chain, chain), 0.0))


def distance(first: Sequence[Real], second: Sequence[Real]) -> float:
    """Return the norm of the difference of two chains with the same sites.

    Parameters
    ----------
    first, second : sequence of ndarray, shapes (left, size, right)
        Tensors by position.

    Notes
    -----
    *Cost.* bond³ at every site; eight times as much where the chains agree to more than 5 digits,
    because the difference itself is then brought into canonical form.
    """
    a, b = _overlap(first, first), _overlap(second, second)
    square = a - 2 * _overlap(first, second) + b
    if not math.isfinite(square):
        return math.inf
    if square > _CANCELLED**2 * (a + b):
        return math.sqrt(square)
    return _norm_of_difference(first, second)


def _overlap(first: Sequence[Real], second: Sequence[Real]) -> float:
    E = np.ones((1, 1))
    for A, B in zip(first, second, strict=True):
        E = np.tensordot(A, np.tensordot(E, B, (1, 0)), ((0, 1), (0, 1)))
    return float(E[0, 0])


def _norm_of_difference(first: Sequence[Real], second: Sequence[Real]) -> float:
    """Return the norm from triangular factors of the joint basis, without cancelling squares."""
    R = np.ones((1, 2))  # rows: joint basis on the right; columns: bonds of the first, the second
    for A, B in zip(reversed(first), reversed(second), strict=True):
        right = A.shape[2]
        a = np.tensordot(A, R[:, :right], (2, 1))
        b = np.tensordot(B, R[:, right:], (2, 1))
        joint = np.concatenate([a, b]).reshape(len(a) + len(b), -1)  # (left bonds, size · basis)
        R = np.asarray(np.linalg.qr(joint.T, mode="r"))
    return float(np.linalg.norm(R[:, 0] - R[:, 1]))
