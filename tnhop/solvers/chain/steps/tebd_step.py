"""One step of TEBD on a chain: gates of two sites along a swap network, and channels.

The state is kept as between the steps of TDVP: tensor 0 carries it, all others are isometries, and
the first vector of every bond is the trace functional of the sites to its right.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import scipy.linalg as sl
from autoray import do

from tnhop.solvers.chain.network.field_drift import Drift
from tnhop.solvers.chain.network.trotter import Pieces
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.environments import (
    DenseCore,
    DenseEnvironment,
    mirrored,
    split_core,
)
from tnhop.solvers.chain.steps.swap_network import Pair, swap_network
from tnhop.solvers.chain.steps.truncation import (
    TruncationStats,
    one,
    right_canonical,
    trace_string,
    truncated_split,
)
from tnhop.support.arrays import Array


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate on the sites at positions n and n + 1.

    Attributes
    ----------
    n : int
        The left one of the two positions.
    matrix : array or None
        exp(t G) of the two sites in the order in which they interact, left ⊗ right.
    swap : bool
        Whether they change places: after interacting, or before it on the way back.
    back : bool
        Whether this is the way back.
    """

    n: int
    matrix: Array | None
    swap: bool
    back: bool

    def apply(self, theta: Array) -> Array:
        """Act on two sites, shape (left coordinates, right coordinates, ...)."""
        if self.swap and self.back:
            theta = do("transpose", theta, (1, 0, 2, 3))
        if self.matrix is not None:
            shape = theta.shape
            theta = (self.matrix @ theta.reshape(shape[0] * shape[1], -1)).reshape(shape)
        if self.swap and not self.back:
            theta = do("transpose", theta, (1, 0, 2, 3))
        return theta


@dataclass(frozen=True, eq=False)
class Gates:
    """The exponentials of all pieces for half a step.

    Attributes
    ----------
    channels : list of (list of DenseCore, list of DenseCore)
        Cores of each from the left and from the right.
    singles : dict of int to array, shape (n', n)
        Gates of single positions.
    forth, back : list of Gate
        Gates of pairs, in the order of time, in the first and in the second half of a step.
    drift : Drift, optional
        Error of all channels together.
    largest_error : float
        Of a channel, per unit of time.
    largest_bond : int
        Of the channels.
    """

    channels: list[tuple[list[DenseCore], list[DenseCore]]]
    singles: dict[int, Array]
    forth: list[Gate]
    back: list[Gate]
    drift: Drift | None
    largest_error: float
    largest_bond: int

    def error_speed(self, transverse: float) -> float:
        """Return how fast errors of Bloch vectors grow, see `Drift.speed`."""
        return self.drift.speed(transverse) if self.drift else 0.0


def half_step(
    pieces: Pieces, t: float, tolerance: float, rate_tolerance: float, like: Array
) -> Gates:
    """Return the exponentials of all pieces for the time t."""
    channels = [pieces.channel(n, t, tolerance, rate_tolerance) for n in pieces.channels]
    both = []
    for channel in channels:
        there = [split_core(W, like) for W in channel.cores]
        turned = [np.transpose(W, (3, 1, 2, 0)) for W in reversed(channel.cores)]
        both.append((there, [split_core(W, like) for W in turned]))
    singles = {n: placed(sl.expm(t * G), like) for n, G in pieces.singles.items()}
    sizes = [basis.size for basis in pieces.bases]
    known: dict[Any, Array] = {}

    def exponential(pair: Pair, turned: bool) -> Array:
        """Return the gate of a pair; equal ones, as of equal couplings to a mode, are shared."""
        G = pieces.pairs[pair]
        key = G.tobytes(), turned
        if key not in known:
            a, b = (sizes[n] for n in pair)
            E = sl.expm(t * G).reshape(a, b, a, b)
            E = E.transpose(1, 0, 3, 2) if turned else E
            known[key] = placed(E.reshape(a * b, a * b), like)
        return known[key]

    forth, back = list[Gate](), list[Gate]()
    for step in swap_network(pieces.pairs, len(pieces.bases)):
        matrix = None if step.pair is None else exponential(step.pair, step.turned)
        forth.append(Gate(step.n, matrix, step.swap, False))
        back.append(Gate(step.n, matrix, step.swap, True))
    drift = reduce(operator.add, (channel.drift for channel in channels)) if channels else None
    largest = max((channel.max_error for channel in channels), default=0.0)
    bond = max((d for channel in channels for d in channel.bond_dims), default=1)
    return Gates(both, singles, forth, back[::-1], drift, largest, bond)


def _rounded(t: float) -> float:
    """Return a time with a mantissa of 40 bits, in any unit."""
    mantissa, exponent = math.frexp(t)
    return math.ldexp(round(math.ldexp(mantissa, 40)), exponent - 40)


class TEBDEngine:
    """Steps of time-evolving block decimation: half a step, then half a step in opposite order.

    Parameters
    ----------
    gates : callable
        Time → gates of half a step of that length.
    traces : list of array, shape (n,)
        Normalised trace functionals by position.
    chain : list of array
        State between steps.
    max_bond, growth : int
        Largest bond; by how much a channel may enlarge a bond.

    References
    ----------
    M. Zwolak and G. Vidal, Phys. Rev. Lett. 93, 207205 (2004).
    """

    def __init__(
        self,
        gates: Callable[[float], Gates],
        traces: list[Array],
        chain: list[Array],
        max_bond: int,
        growth: int,
    ) -> None:
        self._gates, self._traces, self.chain = gates, traces, chain
        self._used: Gates | None = None
        self._max_bond, self._growth = max_bond, growth

    def expand_initial_bonds(self) -> None:
        """Gates need no preparation."""

    def copy(self) -> TEBDEngine:
        """Return an independent engine; arrays are shared, none is ever changed."""
        other = copy.copy(self)
        other.chain = list(self.chain)
        return other

    def error_speed(self, transverse: float) -> float:
        """Return how fast Bloch vectors err by the gates of the last step, see `Drift.speed`."""
        return self._used.error_speed(transverse) if self._used else 0.0

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> TruncationStats:
        """Advance by dt."""
        # steps that differ by rounding alone share their gates
        gates = self._used = self._gates(_rounded(dt / 2))
        rng, tally = np.random.default_rng(seed), TruncationStats()
        truncations = 2 * (len(gates.channels) + bool(gates.forth))
        cutoff = cutoff / max(truncations, 1) ** 0.5
        step = TrotterStep(
            self.chain, self._traces, cutoff, self._max_bond, self._growth, tally, rng
        )
        for cores in gates.channels:
            step.channel(*cores)
        step.singles(gates.singles)
        step.gates([*gates.forth, *gates.back])
        step.singles(gates.singles)
        for cores in reversed(gates.channels):
            step.channel(*cores)
        self.chain = step.chain
        return tally


class TrotterStep:
    """A chain during one step of TEBD: its centre moves with the gates and channels applied to it.

    Parameters
    ----------
    chain, traces, max_bond, growth
        As in `TEBDEngine`.
    cutoff : float
        Singular values up to this one are dropped in every truncation.
    tally : TruncationStats
        Receives the losses.
    rng : Generator
        Source of the random vectors of compressions.
    """

    def __init__(
        self,
        chain: list[Array],
        traces: list[Array],
        cutoff: float,
        max_bond: int,
        growth: int,
        tally: TruncationStats,
        rng: np.random.Generator,
    ) -> None:
        self.chain, self.traces = list(chain), list(traces)
        self._cutoff, self._max_bond, self._growth = cutoff, max_bond, growth
        self._tally, self._rng, self._center = tally, rng, 0

    def singles(self, matrices: dict[int, Array]) -> None:
        """Apply gates of single positions; the centre must be tensor 0."""
        if not matrices:
            return
        for n, E in matrices.items():
            self.chain[n] = do("tensordot", self.chain[n], E, ((1,), (1,)))
            self.chain[n] = do("transpose", self.chain[n], (0, 2, 1))
        self.chain = right_canonical(self.chain, self.traces)

    def gates(self, gates: Sequence[Gate]) -> None:
        """Apply gates of neighbours; the centre ends where it began, on tensor 0."""
        for gate, next_n in zip(gates, [*(g.n for g in gates[1:]), -1], strict=False):
            n = gate.n
            self._move(n if self._center < n else min(self._center, n + 1))
            (l, a), (b, r) = self.chain[n].shape[:2], self.chain[n + 1].shape[1:]
            theta = do("tensordot", self.chain[n], self.chain[n + 1], ((2,), (0,)))
            theta = gate.apply(do("transpose", theta, (1, 2, 0, 3)))
            if gate.swap:
                self.traces[n : n + 2] = self.traces[n : n + 2][::-1]
                a, b = b, a
            if next_n > n:
                M = do("transpose", theta, (2, 0, 1, 3)).reshape(l * a, b * r)
                U, C = self._split(M, self.traces[n], l, self._tally)
                pair = U.reshape(l, a, -1), C.reshape(-1, b, r)
            else:
                M = do("transpose", theta, (3, 1, 2, 0)).reshape(r * b, l * a)
                U, C = self._split(M, self.traces[n + 1], r, self._tally)
                pair = (
                    do("transpose", C.reshape(-1, l, a), (1, 2, 0)),
                    do("transpose", U.reshape(r, b, -1), (2, 1, 0)),
                )
            self.chain[n], self.chain[n + 1] = pair
            self._center = n + (next_n > n)
        self._move(0)

    def _split(
        self, M: Array, trace: Array, left: int, tally: TruncationStats
    ) -> tuple[Array, Array]:
        return truncated_split(M, trace_string(trace, left), self._cutoff, self._max_bond, tally)

    def _move(self, n: int) -> None:
        """Move the centre; nothing is truncated."""
        while self._center != n:
            here, step = self._center, 1 if n > self._center else -1
            A = self.chain[here] if step > 0 else mirrored([self.chain[here]])[0]
            M = A.reshape(-1, A.shape[2])
            string = trace_string(self.traces[here], A.shape[0])
            U, C = truncated_split(M, string, 0.0, len(M), TruncationStats())
            isometry = U.reshape(*A.shape[:2], -1)
            B = self.chain[here + step] if step > 0 else mirrored([self.chain[here + step]])[0]
            B = do("tensordot", C, B, ((1,), (0,)))
            pair = [isometry, B] if step > 0 else mirrored([B, isometry])
            self.chain[here], self.chain[here + step] = pair
            self._center += step

    def channel(self, cores: list[DenseCore], back: list[DenseCore]) -> None:
        """Apply a channel and truncate; the centre is tensor 0 before and after.

        A bond that keeps all directions on offer is offered more.
        """
        old, largest = self.chain, _largest_bonds(self.chain, self._max_bond)
        while True:
            offered = [
                min(A.shape[2] + self._growth, bond)
                for A, bond in zip(old[:-1], largest, strict=True)
            ]
            tally = TruncationStats()
            self.chain = self._truncated(self._product(old, cores, back, offered), tally)
            reached = [A.shape[2] for A in self.chain[:-1]]
            limited = [k >= w < m for k, w, m in zip(reached, offered, largest, strict=True)]
            if not any(limited):
                self._tally.add(tally)
                return
            self._growth *= 2

    def _product(
        self, old: list[Array], cores: list[DenseCore], back: list[DenseCore], offered: list[int]
    ) -> list[Array]:
        """Return channel times state with given bonds, the centre on the last tensor.

        The range of the product, of bond D χ, is found from random vectors (successive randomised
        compression, Camaño, Epperly and Tropp 2025), so that the product is never formed.
        """
        last, rows = len(old) - 1, max(offered, default=1)
        sketches = [one(old[0], rows, 1, 1)]
        for core, A in zip(back[:-1], mirrored(old)[:-1], strict=True):
            G = placed(self._rng.normal(size=(rows, A.shape[1])) / A.shape[1] ** 0.5, A)
            site_env = core.absorb_into(DenseEnvironment(sketches[-1]))
            sketches.append(site_env.advance_sketch(G, [A]).array)
        env, chain = DenseEnvironment(one(old[0], 1, 1, 1)), list(old)
        edge = env.as_right_env()
        for n, core in enumerate(cores):
            site_env = core.absorb_into(env)
            if n == last:
                chain[n] = site_env.effective_generator(edge)(old[n])
                break
            bra = site_env.shape[0]
            sketch = DenseEnvironment(sketches[last - n][: offered[n]])
            Y = site_env.effective_generator(sketch.as_right_env())(old[n])
            size = Y.shape[1]
            string = trace_string(self.traces[n], bra)
            Y = do("concatenate", (string[:, None], Y.reshape(bra * size, -1)), axis=1)
            Q, R = do("linalg.qr", Y)
            chain[n] = (Q * do("sign", R[0, 0])).reshape(bra, size, -1)
            env = site_env.between(chain[n], old[n])
        return chain

    def _truncated(self, chain: list[Array], tally: TruncationStats) -> list[Array]:
        """Truncate from the right end, where the centre is, to the left one."""
        chain, traces = mirrored(chain), self.traces[::-1]
        for n in range(len(chain) - 1):
            left, size, _ = chain[n].shape
            U, C = self._split(chain[n].reshape(left * size, -1), traces[n], left, tally)
            chain[n] = U.reshape(left, size, -1)
            chain[n + 1] = do("tensordot", C, chain[n + 1], ((1,), (0,)))
        return mirrored(chain)


def _largest_bonds(chain: list[Array], max_bond: int) -> list[int]:
    """Return the bonds that no state of the sites exceeds, up to a limit."""
    sizes = [A.shape[1] for A in chain]
    left, right = [1], [1]
    for first, last in zip(sizes[:-1], sizes[:0:-1], strict=True):
        left.append(min(left[-1] * first, max_bond))
        right.append(min(right[-1] * last, max_bond))
    return [min(a, b) for a, b in zip(left[1:], right[:0:-1], strict=True)]
