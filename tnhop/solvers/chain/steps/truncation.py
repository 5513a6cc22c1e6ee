"""Splits of matrices with truncation that keeps the trace functional, in one block or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as sl
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import contiguous, placed, precision_of
from tnhop.solvers.chain.steps.environments import mirrored
from tnhop.support.arrays import Array


@dataclass
class TruncationStats:
    """Effort and losses of steps.

    Attributes
    ----------
    discarded : float
        Sum of squares of all discarded singular values.
    krylov : float
        Sum of squares of the error estimates of the local exponentials.
    applications : int
        Effective generators applied.
    saturated : float
        Largest singular value that `max_bond` cut away although `cutoff` would have kept it.
    projected : float
        Sum of squares of dt times the part of Lρ outside the expanded bonds.
    """

    discarded: float = 0.0
    krylov: float = 0.0
    applications: int = 0
    saturated: float = 0.0
    projected: float = 0.0

    def add(self, other: TruncationStats) -> None:
        """Add the numbers of another one."""
        self.discarded += other.discarded
        self.krylov += other.krylov
        self.applications += other.applications
        self.saturated = max(self.saturated, other.saturated)
        self.projected += other.projected


def truncated_split(
    M: Array, kept_row: Array | None, cutoff: float, max_rank: int, tally: TruncationStats
) -> tuple[Array, Array]:
    """Split M ≈ U C with isometric U, whose first column is the unit vector `kept_row`, Eq. (61).

    The row kept_row·M is kept as it is; of the remainder, singular values up to `cutoff` are
    dropped. With the trace functional, traces and one-site expectation values of the other side do
    not change.
    """
    ((U, C),) = truncated_splits([M], kept_row, cutoff, max_rank, tally)
    return U, C


def truncated_splits(
    blocks: Sequence[Array], kept_row: Array | None, cutoff: float, max_rank: int,
    tally: TruncationStats, kept_column: Array | None = None,
) -> list[tuple[Array, Array]]:  # fmt: skip
    """Split the blocks of a block-diagonal matrix; cutoff and `max_rank` are those of all together.

    `kept_row` and `kept_column` belong to the first block. With the latter the column M·kept_column
    is kept, too: if it is the trace functional of the sites to the right, those to the left stay in
    the same state.
    """
    M, *others = blocks
    scale = 8 * float(np.finfo(precision_of(M)).eps) * np.hypot.reduce([*map(norm, blocks)])
    kept, rows, remainder = [], [], M
    if kept_row is not None:
        kept, rows = [kept_row], [kept_row @ M]
        remainder = M - kept_row[:, None] * rows[0]
    if kept_column is not None and max_rank > len(kept):
        column = remainder @ kept_column
        if (size := norm(column)) > scale:
            kept.append(column / size)
            rows.append(kept[-1] @ remainder)
            remainder = remainder - kept[-1][:, None] * rows[-1]
    parts = [svd(remainder), *map(svd, others)]
    ranks = [len(block) for block in blocks]
    ranks[0] -= len(kept)
    values = [do("to_numpy", S)[:n] for (_, S, _), n in zip(parts, ranks, strict=True)]
    # vectors of values that are mere rounding are not orthogonal to those kept
    free = min(max_rank - len(kept), sum(ranks))
    counts = kept_ranks(values, max(cutoff, scale), free)
    dropped = np.sort(np.concatenate([v[n:] for v, n in zip(values, counts, strict=True)]))
    if len(dropped) and dropped[-1] > max(cutoff, scale):
        tally.saturated = max(tally.saturated, float(dropped[-1]))
    tally.discarded += float(np.sum(dropped[::-1] ** 2))
    result = [
        (contiguous(U[:, :n]), S[:n, None] * V[:n])
        for (U, S, V), n in zip(parts, counts, strict=True)
    ]
    if kept:
        U, C = result[0]
        K = do("stack", kept, axis=1)
        U = U - K @ (K.T @ U)
        left = do("concatenate", (K, U), axis=1)
        result[0] = left, do("concatenate", (do("stack", rows), C), axis=0)
    return result


def kept_ranks(values: Sequence[NDArray[Any]], threshold: float, max_rank: int) -> list[int]:
    """Return the numbers of values of every block among the `max_rank` largest of all.

    Values fall in every block; only those above the threshold count.
    """
    counts = [int(np.count_nonzero(v > threshold)) for v in values]
    if sum(counts) <= max_rank:
        return counts
    owners = np.repeat(np.arange(len(values)), [len(v) for v in values])
    largest = np.argsort(-np.concatenate(list(values)), kind="stable")[: max(0, max_rank)]
    return [int(n) for n in np.bincount(owners[largest], minlength=len(values))]


def svd(M: Array) -> tuple[Array, Array, Array]:
    """Singular value decomposition; where the fast algorithm fails, the slower one."""
    if 0 in M.shape:
        return M[:, :0], M.reshape(-1), M[:0]
    try:
        U, S, V = do("linalg.svd", M)
    except np.linalg.LinAlgError:
        parts = sl.svd(do("to_numpy", M), full_matrices=False, lapack_driver="gesvd")
        U, S, V = (placed(part, M) for part in parts)
    return U, S, V


def right_canonical(tensors: Sequence[Array], traces: Sequence[Array]) -> list[Array]:
    """Bring any chain into the form between steps; nothing is truncated."""
    chain, traces = mirrored(tensors), list(reversed(traces))
    tally = TruncationStats()
    for n in range(len(chain) - 1):
        left, size, _ = chain[n].shape
        M = chain[n].reshape(left * size, -1)
        U, C = truncated_split(M, trace_string(traces[n], left), 0.0, M.shape[0], tally)
        chain[n] = U.reshape(left, size, -1)
        chain[n + 1] = do("tensordot", C, chain[n + 1], ((1,), (0,)))
    return mirrored(chain)


def norm(M: Array) -> float:
    """Return the Frobenius norm."""
    return float(do("linalg.norm", M.reshape(-1)))


def trace_string(trace: Array, left: int) -> Array:
    """Return the trace functional up to a site: the first vector of the bond, times its own."""
    zeros = do("zeros", ((left - 1) * len(trace),), like=trace, dtype=trace.dtype)
    return do("concatenate", (trace, zeros))


def one(like: Array, *shape: int) -> Array:
    """Return an array of ones."""
    return do("ones", shape, like=like, dtype=like.dtype)
