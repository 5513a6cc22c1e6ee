"""Conserved quantities, told from quantities that only change slowly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from tnhop.solvers.exact.block_lindbladian import BlockLindbladian, split_blocks, unpack
from tnhop.support.arrays import Real

_SUPPORT = 1e-13  # relative: smaller populations of a state may be rounding
_LARGEST = 1e-9  # never counts as commuting: squared, a decay at 1e-18 of the rates


def count_conserved(L: BlockLindbladian, left: Real, mixed: Real, error: float) -> int:
    """Return how many independent quantities in a space are conserved, Eq. (93).

    Where a system stays, a conserved quantity commutes with all jumps. A quantity that decays at a
    rate λ does not, and its commutators are of the order of √λ: 1e-8 where λ is lost in rounding.

    Parameters
    ----------
    L : BlockLindbladian
        The generator.
    left : ndarray, shape (size, m)
        Packed quantities whose rate of change is lost in rounding.
    mixed : ndarray, shape (size,)
        Packed stationary state, with weight wherever the system can stay.
    error : float
        Relative error of the quantities.
    """
    root = _root(L, mixed, max(_SUPPORT, 10 * error))
    weighted = [_sparse_of(L, w) @ root for w in left.T]
    columns = np.column_stack([Q.toarray().ravel() for Q in weighted])
    _, sizes, turn = np.linalg.svd(columns, full_matrices=False)
    seen = sizes > 1e-6 * sizes[0]  # quantities that vanish wherever the system stays are none
    combine = turn[seen].conj().T / sizes[seen]
    triangle: Any = np.zeros((0, int(seen.sum())))
    for J in L.jumps:
        size = math.sqrt(float(abs(J).sum(axis=0).max()) * float(abs(J).sum(axis=1).max()))
        if size == 0.0:
            continue
        moved = np.column_stack([
            (J @ Q - _sparse_of(L, w) @ (J @ root)).toarray().ravel()
            for Q, w in zip(weighted, left.T, strict=True)
        ])  # fmt: skip
        triangle = np.linalg.qr(np.concatenate([triangle, moved @ combine / size]), mode="r")
    changes = np.linalg.svd(triangle, compute_uv=False) if len(triangle) else np.zeros(0)
    changes = np.append(changes, np.zeros(int(seen.sum()) - len(changes)))
    return int(np.sum(changes <= min(max(30 * error, 1e-12), _LARGEST)))


def _sparse_of(L: BlockLindbladian, packed: Real) -> sp.csr_array:
    """Return the block-diagonal matrix of a packed one."""
    return _block_diagonal([unpack(X) for X in split_blocks(packed, L.block_dims)])


def _root(L: BlockLindbladian, packed: Real, least: float) -> sp.csr_array:
    """Return the square root of a packed state; populations that may be rounding are zero."""
    pairs = [np.linalg.eigh(unpack(X)) for X in split_blocks(packed, L.block_dims)]
    least *= max(float(values[-1]) for values, _ in pairs)
    return _block_diagonal([
        (vectors * np.sqrt(np.where(values > least, values, 0.0))) @ vectors.conj().T
        for values, vectors in pairs
    ])  # fmt: skip


def _block_diagonal(blocks: Sequence[np.ndarray]) -> sp.csr_array:
    return sp.csr_array(sp.block_diag(blocks, format="csr"))
