"""Markov chains without subtractions: state reduction of Grassmann, Taksar and Heyman.

States are eliminated one after another, and the ways through them are given to the others, Eq.
(90) of docs/physics.md. Only positive numbers are added, multiplied and divided, so that every
stationary population has all its digits, however far apart the rates are; so has the slowest decay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.support.arrays import Real

_jit = numba.njit(cache=True)
_LARGEST_COST = 2.5e9  # products of an elimination: seconds
_LARGEST_BAND = 3e7  # numbers kept
_HUGE = 1e200
_ZERO_LOG = 1e4  # makes logarithms of rates different from the zeros that are not stored
_BALANCED = 1e-9  # of logarithms of flows forth and back


def closed_classes(R: sp.csr_array) -> list[NDArray[np.intp]]:
    """Return the sets of states that are never left: each has one stationary distribution.

    Parameters
    ----------
    R : sparse array, shape (n, n)
        ``R[a, b]`` is the rate from b to a.
    """
    moves = _moves(R)
    n, labels = sp.csgraph.connected_components(moves, connection="strong")
    open_ = np.zeros(n, dtype=bool)
    open_[labels[moves.col[labels[moves.row] != labels[moves.col]]]] = True
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels, minlength=n))[:-1])
    return [states for states, leaves in zip(members, open_, strict=True) if not leaves]


def balanced_distribution(R: sp.csr_array) -> Real | None:
    """Return the stationary distribution of a chain with detailed balance; None if it has none.

    Populations follow from ratios of rates along a tree, and every other pair of rates is tested.
    """
    moves = _moves(R)
    n, first = R.shape[0], int(np.argmax(R.diagonal()))
    logs = sp.csr_array((np.log(moves.data) + _ZERO_LOG, (moves.row, moves.col)), R.shape)
    back = sp.csr_array(logs.T)[moves.row, moves.col]
    forth = np.asarray(logs[moves.row, moves.col])
    order, before = sp.csgraph.breadth_first_order(logs.T, first, directed=True)
    if len(order) < n or not np.all(np.asarray(back)):
        return None
    p = np.zeros(n)
    up, down = order[1:], before[order[1:]]
    ratios = np.asarray(logs[up, down] - logs[down, up])
    for state, parent, ratio in zip(up, down, ratios, strict=True):
        p[state] = p[parent] + ratio
    if np.abs(p[moves.col] + forth - p[moves.row] - np.asarray(back)).max() > _BALANCED:
        return None
    weights = np.exp(p - p.max())
    return np.asarray(weights / weights.sum())


def state_reduction(R: sp.csr_array) -> StateReduction | None:
    """Return the state reduction of a rate matrix.

    None if it takes more than seconds, or if rates fall below the smallest number of the machine.
    """
    moves, n = _moves(R), R.shape[0]
    half = int(np.abs(moves.row.astype(np.int64) - moves.col).max(initial=0))
    if n * (half + 1.0) ** 2 > _LARGEST_COST or n * (2.0 * half + 1) > _LARGEST_BAND:
        return None
    closed = closed_classes(R)
    if n * len(closed) > _LARGEST_BAND:
        return None
    reduction = StateReduction(R, closed)
    return reduction if reduction.exact else None


class StateReduction:
    """The factors of a rate matrix, one state of every closed class being left.

    Parameters
    ----------
    R : sparse array, shape (n, n)
        ``R[a, b]`` is the rate from b to a. The diagonal is not used: what leaves a state arrives.
    closed : sequence of ndarray of int
        Its `closed_classes`.

    Attributes
    ----------
    n_closed : int
        Number of closed classes, which is that of independent stationary distributions.
    """

    def __init__(self, R: sp.csr_array, closed: Sequence[NDArray[np.intp]]) -> None:
        moves = _moves(R)
        leaving = np.bincount(moves.col, moves.data, R.shape[0])
        roots = np.array([states[np.argmin(leaving[states])] for states in closed], dtype=np.intp)
        self.size, self.n_closed = R.shape[0], len(roots)
        self._roots, self._rest = roots, np.setdiff1d(np.arange(R.shape[0]), roots)
        rest = self._rest
        place, root = np.full((2, R.shape[0]), -1)
        place[rest], root[roots] = np.arange(len(rest)), np.arange(len(roots))
        i, j = place[moves.row], place[moves.col]
        inside = (i >= 0) & (j >= 0)
        self._half = int(np.abs(i - j)[inside].max(initial=0))
        self._band = np.zeros((len(rest), 2 * self._half + 1))
        self._band[i[inside], (j - i)[inside] + self._half] = moves.data[inside]
        self._to, self._of = np.zeros((len(roots), len(rest))), np.zeros((len(rest), len(roots)))
        ends, starts = (i < 0) & (j >= 0), (i >= 0) & (j < 0)
        self._to[root[moves.row[ends]], j[ends]] = moves.data[ends]
        self._of[i[starts], root[moves.col[starts]]] = moves.data[starts]
        self._out = _eliminate(self._band, self._to, self._of, self._half)

    @property
    def exact(self) -> bool:
        """Whether no rate of leaving has fallen below the smallest number of the machine."""
        return bool(np.all(self._out > 0))

    @cached_property
    def stationary(self) -> Real:
        """The stationary distribution of every closed class, shape (n, n_closed)."""
        populations = np.zeros((self.size, self.n_closed))
        inner = np.zeros((len(self._rest), self.n_closed))
        ends = _distributions(self._band, self._of, self._out, self._half, inner)
        populations[self._rest] = inner
        populations[self._roots, np.arange(self.n_closed)] = ends
        return populations / populations.sum(axis=0)

    @cached_property
    def absorption(self) -> Real:
        """Probability to end in every closed class, from every state, shape (n, n_closed)."""
        h = np.zeros((self.size, self.n_closed))
        inner = np.ascontiguousarray(self._to.T)
        _absorb(self._band, self._half, inner)
        h[self._rest] = inner
        h[self._roots, np.arange(self.n_closed)] = 1.0
        return h

    def inverse(self, x: Real, transposed: bool = False) -> Real:
        """Return the group inverse of the rate matrix times x, shape (n, m).

        It is the inverse on what decays, and zero on what is stationary.
        """
        right, left = self.stationary, self.absorption
        if transposed:
            right, left = left, right
        moving = x - right @ (left.T @ x)
        inner = np.ascontiguousarray(moving[self._rest])
        (_solve_transposed if transposed else _solve)(self._band, self._out, self._half, inner)
        found = np.zeros_like(moving)
        found[self._rest] = inner
        return np.asarray(found - right @ (left.T @ found))


def _moves(R: Any) -> sp.coo_array:
    """Return the rates between different states."""
    entries = sp.coo_array(R)
    kept = (entries.row != entries.col) & (entries.data > 0)
    return sp.coo_array((entries.data[kept], (entries.row[kept], entries.col[kept])), R.shape)


@_jit
def _add(x, p, y):  # type: ignore[no-untyped-def]
    for k in range(len(x)):
        x[k] += p * y[k]


@_jit
def _eliminate(band, to, of, half):  # type: ignore[no-untyped-def]
    """Turn rates into probabilities of moves to what is left; return the rates of leaving."""
    n, roots = len(band), len(to)
    out = np.zeros(n)
    for j in range(n - 1, -1, -1):
        low = max(0, j - half)
        leaving = 0.0
        for i in range(low, j):
            leaving += band[i, j - i + half]
        for a in range(roots):
            leaving += to[a, j]
        out[j] = leaving
        if leaving == 0.0:
            continue
        row = band[j, low - j + half : half].copy()
        for i in range(low, j):
            p = band[i, j - i + half] / leaving
            band[i, j - i + half] = p
            if p > 0.0:
                _add(band[i, low - i + half : j - i + half], p, row)
                _add(of[i], p, of[j])
        for a in range(roots):
            p = to[a, j] / leaving
            to[a, j] = p
            if p > 0.0:
                _add(to[a, low:j], p, row)
    return out


@_jit
def _distributions(band, of, out, half, inner):  # type: ignore[no-untyped-def]
    """Write the populations beside those of the last states, which are returned."""
    n, roots = inner.shape
    ends = np.ones(roots)
    for a in range(roots):
        for j in range(n):
            total = of[j, a] * ends[a]
            for b in range(max(0, j - half), j):
                total += band[j, b - j + half] * inner[b, a]
            inner[j, a] = total / out[j] if total > 0.0 else 0.0
            if inner[j, a] > _HUGE:
                scale = 1.0 / inner[j, a]
                ends[a] *= scale
                for b in range(j + 1):
                    inner[b, a] *= scale
    return ends


@_jit
def _absorb(band, half, inner):  # type: ignore[no-untyped-def]
    """Add the ways through other states to the probabilities of absorption."""
    n, roots = inner.shape
    for j in range(n):
        for i in range(max(0, j - half), j):
            p = band[i, j - i + half]
            for a in range(roots):
                inner[j, a] += p * inner[i, a]


@_jit
def _solve(band, out, half, x):  # type: ignore[no-untyped-def]
    """Replace x by y with R y = x and y = 0 at the last states."""
    n, m = x.shape
    for j in range(n - 1, -1, -1):
        for i in range(max(0, j - half), j):
            p = band[i, j - i + half]
            for c in range(m):
                x[i, c] += p * x[j, c]
    for j in range(n):
        for c in range(m):
            x[j, c] = -x[j, c]
        for b in range(max(0, j - half), j):
            r = band[j, b - j + half]
            for c in range(m):
                x[j, c] += r * x[b, c]
        for c in range(m):
            x[j, c] /= out[j]


@_jit
def _solve_transposed(band, out, half, x):  # type: ignore[no-untyped-def]
    """The transposed of `_solve`."""
    n, m = x.shape
    for j in range(n - 1, -1, -1):
        for c in range(m):
            x[j, c] /= out[j]
        for b in range(max(0, j - half), j):
            r = band[j, b - j + half]
            for c in range(m):
                x[b, c] += r * x[j, c]
    for j in range(n):
        for c in range(m):
            x[j, c] = -x[j, c]
        for i in range(max(0, j - half), j):
            p = band[i, j - i + half]
            for c in range(m):
                x[j, c] += p * x[i, c]
