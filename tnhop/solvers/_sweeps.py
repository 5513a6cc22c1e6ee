"""One step of TDVP on a chain: sweeps of local evolutions, truncation, bond expansion.

Between steps the chain is right-canonical: tensor 0 carries the state, all others are isometries,
and the first vector of every bond is the trace functional of the sites behind it ("identity kept",
docs/physics.md section 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg as sl
from autoray import do
from numpy.typing import NDArray

from tnhop.representations.mpo import ModeCore
from tnhop.solvers._arnoldi import exponential
from tnhop.solvers._arrays import placed
from tnhop.solvers._effective import (
    Absorbed,
    Core,
    absorbed,
    advanced,
    as_ahead,
    bond_effective,
    effective,
    mirrored,
    pair_ahead,
    sketched,
    split_core,
)
from tnhop.solvers._sparse_core import SparseAbsorbed, SparseCore

Array = Any

_OVERSAMPLING = 4  # random vectors beyond the directions that are wanted
_WITNESSES = 4  # random vectors that tell what those directions miss


@dataclass(frozen=True)
class Settings:
    """Numbers that steer a step, see `TDVP`.

    Without `keep_trace` splits are plain ones: at a fixed bond a step can then be undone.
    """

    max_bond: int
    krylov_tolerance: float
    expansion: int
    sites: int
    keep_trace: bool = True


class Generator:
    """Cores of a generator and trace functionals of the sites, for sweeps in both directions.

    Parameters
    ----------
    cores : sequence of ndarray, shape (n_left, n, n, n_right), or ModeCore
        The generator.
    traces : sequence of ndarray, shape (n,)
        Trace functional of every site.
    like : array
        An array of the library and precision to be used.
    """

    def __init__(
        self,
        cores: Sequence[NDArray[np.float64] | ModeCore],
        traces: Sequence[NDArray[np.float64]],
        like: Array,
    ) -> None:
        there = cores, [turned_core(W) for W in reversed(cores)]
        self.cores = [[seen_core(W, like) for W in side] for side in there]
        self.whole = [[seen_core(W, like, grouped=False) for W in side] for side in there]
        units = [placed(t / np.linalg.norm(t), like) for t in traces]
        self.traces = units, units[::-1]


@dataclass
class Tally:
    """What steps cost and lose.

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
        Sum of squares of dt times what Lρ has at a bond beyond the directions that were added.
    """

    discarded: float = 0.0
    krylov: float = 0.0
    applications: int = 0
    saturated: float = 0.0
    projected: float = 0.0

    def add(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.discarded += other.discarded
        self.krylov += other.krylov
        self.applications += other.applications
        self.saturated = max(self.saturated, other.saturated)
        self.projected += other.projected


def kept_split(
    M: Array, a: Array | None, cutoff: float, most: int, tally: Tally
) -> tuple[Array, Array]:
    """Split M ≈ U C with isometric U, whose first column is the unit vector `a`, Eq. (61).

    The row a·M is kept as it is; of the rest, singular values up to `cutoff` are dropped. With `a`
    the trace functional, traces and one-site expectation values of the other side do not change.
    """
    row = None if a is None else a @ M
    U, S, V = _svd(M if a is None else M - a[:, None] * row)
    values = do("to_numpy", S)
    # vectors of values that are mere rounding are not orthogonal to `a`
    rounding = 8 * float(np.finfo(values.dtype).eps) * _norm(M)
    room = max(0, min(most, M.shape[0]) - (a is not None))
    wanted = int(np.sum(values > max(cutoff, rounding)))
    rank = min(wanted, room)
    if rank < wanted:
        tally.saturated = max(tally.saturated, float(values[rank]))
    tally.discarded += float(np.sum(values[rank:] ** 2))
    U = U[:, :rank]
    if a is None or row is None:
        return U, S[:rank, None] * V[:rank]
    U = U - a[:, None] * (a @ U)
    left = do("concatenate", (a[:, None], U), axis=1)
    return left, do("concatenate", (row[None], S[:rank, None] * V[:rank]), axis=0)


def _svd(M: Array) -> tuple[Array, Array, Array]:
    """Singular value decomposition; where the fast algorithm fails, the slower one."""
    try:
        U, S, V = do("linalg.svd", M)
    except np.linalg.LinAlgError:
        parts = sl.svd(do("to_numpy", M), full_matrices=False, lapack_driver="gesvd")
        U, S, V = (placed(part, M) for part in parts)
    return U, S, V


def right_canonical(tensors: Sequence[Array], traces: Sequence[Array]) -> list[Array]:
    """Bring any chain into the form between steps; nothing is truncated."""
    chain, traces = mirrored(tensors), list(reversed(traces))
    tally = Tally()
    for n in range(len(chain) - 1):
        left, size, _ = chain[n].shape
        M = chain[n].reshape(left * size, -1)
        U, C = kept_split(M, trace_string(traces[n], left), 0.0, M.shape[0], tally)
        chain[n] = U.reshape(left, size, -1)
        chain[n + 1] = do("tensordot", C, chain[n + 1], ((1,), (0,)))
    return mirrored(chain)


def _norm(M: Array) -> float:
    return float(do("linalg.norm", M.reshape(-1)))


def trace_string(trace: Array, left: int) -> Array:
    """Return the trace functional up to a site: the first vector of the bond, times its own."""
    zeros = do("zeros", ((left - 1) * len(trace),), like=trace, dtype=trace.dtype)
    return do("concatenate", (trace, zeros))


def one(like: Array, *shape: int) -> Array:
    """Return an array of ones."""
    return do("ones", shape, like=like, dtype=like.dtype)


class Stepper:
    """Steps of TDVP.

    Parameters
    ----------
    generator : Generator
        What generates the evolution.
    settings : Settings
        How accurately.
    chain : list of array
        State in the form between steps.
    """

    def __init__(self, generator: Generator, settings: Settings, chain: list[Array]) -> None:
        self.generator, self.settings, self.chain = generator, settings, chain
        backwards, cores = mirrored(chain), generator.cores[1]
        self._behind = [one(chain[0], 1, 1, 1)]
        for A, core in zip(backwards[:-1], cores, strict=False):
            self._behind.append(advanced(absorbed(self._behind[-1], core), A, A))

    def copy(self) -> Stepper:
        """Return a stepper that can go its own way; arrays are shared, none is ever changed."""
        other = object.__new__(Stepper)
        other.__dict__.update(self.__dict__)
        return other

    def open(self) -> None:
        """Open the bonds in the directions of Lρ, which the first sweep would miss."""
        wanted = self.settings
        self.settings = replace(wanted, sites=1)
        self.step(0.0, 0.0, (0, 2))
        self.settings = wanted

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> Tally:
        """Advance by dt: a sweep to the right and one to the left, each of dt/2; order 2."""
        tally, rng = Tally(), np.random.default_rng(seed)
        pairs = self.settings.sites == 2 and len(self.chain) > 1
        self.chain, self._behind = self._there_and_back(pairs, dt, dt, cutoff, tally, rng)
        if pairs:  # what is missing is seen by a one-site step of no length
            missing = Tally()
            self._there_and_back(False, 0.0, dt, 0.0, missing, rng)
            tally.projected += missing.projected
        return tally

    def _there_and_back(
        self, pairs: bool, dt: float, span: float, cutoff: float, tally: Tally,
        rng: np.random.Generator,
    ) -> tuple[list[Array], list[Array]]:  # fmt: skip
        run = self._pairs if pairs else self._singles
        first = _Sweep(self.generator, 0, dt / 2, cutoff, tally, rng, span)
        chain, envs = run(first, self.chain, self._behind, None)
        second = _Sweep(self.generator, 1, dt / 2, cutoff, tally, rng, span)
        chain, envs = run(second, mirrored(chain), envs, first.sketches)
        return mirrored(chain), envs

    def _exponential(
        self, sweep: _Sweep, apply: Callable[[Array], Array], v: Array, dt: float
    ) -> Array:
        v, count, error = exponential(apply, v, dt, self.settings.krylov_tolerance)
        sweep.tally.applications += count
        sweep.tally.krylov += error**2
        return v

    def _split(
        self, sweep: _Sweep, M: Array, n: int, left: int, cutoff: float
    ) -> tuple[Array, Array]:
        string = trace_string(sweep.traces[n], left) if self.settings.keep_trace else None
        own = Tally()
        U, C = kept_split(M, string, cutoff, self.settings.max_bond, own)
        if own.saturated <= sweep.cutoff:  # what is cut would have been dropped anyway
            own.saturated = 0.0
        sweep.tally.add(own)
        return U, C

    def _singles(
        self,
        sweep: _Sweep,
        chain: list[Array],
        ahead: list[Array],
        sketches: list[tuple[Array, Array]] | None,
    ) -> tuple[list[Array], list[Array]]:
        """Evolve site by site from left to right.

        Going right, bonds are truncated and random sketches of Lρ are made of what lies to the
        left. Going left, those tell in which directions the bonds should grow.

        Parameters
        ----------
        sweep : _Sweep
            Direction and length.
        chain : list of array
            State with its centre on site 0.
        ahead : list of array
            Environments of the last 0, 1, ... sites.
        sketches : list of (array, array), optional
            Sketches of Lρ on the last 1, 2, ... sites, in reverse order: random vectors with Lρ,
            and with the basis there.

        Returns
        -------
        chain, envs : list of array
            State with its centre on the last site; environments of the first 0, 1, ... sites.
        """
        cores = sweep.cores
        last, chain = len(chain) - 1, list(chain)
        envs = [one(chain[0], 1, 1, 1)]
        sketch, inside = one(chain[0], self._rows, 1, 1), one(chain[0], self._rows, 1)
        center = chain[0]
        for n, core in enumerate(cores):
            left, beyond = absorbed(envs[-1], core), as_ahead(ahead[last - n])
            center = self._exponential(sweep, effective(left, beyond), center, sweep.dt)
            if n == last:
                break
            shape = center.shape[:2]
            M = center.reshape(shape[0] * shape[1], -1)
            U, S = self._split(sweep, M, n, shape[0], sweep.cutoff if sketches is None else 0.0)
            if sketches is not None:
                # S grows before it goes back in time: the new directions take part in the change
                # of the tensor behind it, which the next site must not count twice
                sketch, inside = sketches[last - 1 - n]
                outside = as_ahead(sketch) - beyond @ inside.T
                U, S = self._expanded(sweep, left, center, U, S, outside)
            chain[n] = U.reshape(*shape, -1)
            envs.append(advanced(left, chain[n], chain[n]))
            S = self._exponential(sweep, bond_effective(envs[-1], beyond), S, -sweep.dt)
            if sketches is None:
                G = sweep.random(self._rows, chain[n])
                sketch = sketched(sketch, G, core, chain[n])
                along = (inside[:, :, None] * G[:, None]).reshape(self._rows, -1)
                inside = along @ chain[n].reshape(along.shape[1], -1)
                sweep.sketches.append((sketch, inside))
            center = do("tensordot", S, chain[n + 1], ((1,), (0,)))
        chain[last] = center
        return chain, envs

    def _pairs(
        self, sweep: _Sweep, chain: list[Array], ahead: list[Array], _: Any
    ) -> tuple[list[Array], list[Array]]:
        """Evolve pair by pair from left to right; as `_singles`, without expansion."""
        whole = self.generator.whole[1 - sweep.side]
        last, chain = len(chain) - 1, list(chain)
        envs = [one(chain[0], 1, 1, 1)]
        center = chain[0]
        for n in range(last):
            left = absorbed(envs[-1], sweep.cores[n])
            both = _both_ahead(sweep.cores[n + 1], whole[last - 1 - n], ahead[last - 1 - n])
            pair = do("tensordot", center, chain[n + 1], ((2,), (0,)))
            shape = pair.shape
            theta = pair.reshape(*shape[:2], -1)
            theta = self._exponential(sweep, effective(left, both), theta, sweep.dt)
            M = theta.reshape(shape[0] * shape[1], -1)
            U, C = self._split(sweep, M, n, shape[0], sweep.cutoff)
            chain[n] = U.reshape(*shape[:2], -1)
            envs.append(advanced(left, chain[n], chain[n]))
            center = C.reshape(-1, *shape[2:])
            if n < last - 1:
                right = absorbed(envs[-1], sweep.cores[n + 1])
                beyond = as_ahead(ahead[last - 1 - n])
                back = effective(right, beyond)
                center = self._exponential(sweep, back, center, -sweep.dt)
        chain[last] = center
        return chain, envs

    @property
    def _rows(self) -> int:
        return self.settings.expansion + _OVERSAMPLING + _WITNESSES

    def _expanded(
        self,
        sweep: _Sweep,
        left: Absorbed | SparseAbsorbed,
        center: Array,
        U: Array,
        S: Array,
        ahead: Array,
    ) -> tuple[Array, Array]:
        """Add to U what Lρ has on its sites beyond U, and zeros to S.

        The other side enters by random vectors less their part in its basis, so that only few need
        be looked at, and what mere rotations of the bases achieve does not count. Some of them tell
        how much of Lρ is still missing then.
        """
        room = min(self.settings.expansion, U.shape[0] - U.shape[1],
                   self.settings.max_bond - U.shape[1])  # fmt: skip
        Y = effective(left, ahead)(center).reshape(U.shape[0], -1)
        for _ in range(2):
            Y = Y - U @ (U.T @ Y)
        Y, rest = Y[:, _WITNESSES:], Y[:, :_WITNESSES]
        W, values, _ = _svd(Y)
        large = do("to_numpy", values) > max(1e-3 * sweep.cutoff, 1e-12)
        W = W[:, : max(0, min(room, int(large.sum())))]
        if W.shape[1]:
            for _ in range(2):  # rounding has spoiled the orthogonality of those with small values
                W = do("linalg.qr", W - U @ (U.T @ W))[0]
            zeros = do("zeros", (W.shape[1], S.shape[1]), like=S, dtype=S.dtype)
            U, S = do("concatenate", (U, W), axis=1), do("concatenate", (S, zeros), axis=0)
            rest = rest - W @ (W.T @ rest)
        sweep.tally.projected += (sweep.span * _norm(rest)) ** 2 / _WITNESSES
        return U, S


def seen_core(
    W: NDArray[np.float64] | ModeCore, like: Array, grouped: bool = True
) -> Core | SparseCore:
    """Return a core for sweeps: dense blocks for spins, a sparse matrix for modes."""
    return SparseCore.of(W, like) if isinstance(W, ModeCore) else split_core(W, like, grouped)


def _both_ahead(core: Core | SparseCore, whole: Core | SparseCore, env: Array) -> Any:
    """Return what is ahead of a pair with its second site, whose core is seen from both ends."""
    if isinstance(core, SparseCore):
        return core.pair_ahead(as_ahead(env))
    assert isinstance(whole, Core)
    return pair_ahead(env, whole)


def turned_core(W: NDArray[np.float64] | ModeCore) -> NDArray[np.float64] | ModeCore:
    """Return a core as seen from the other end of the chain."""
    return W.mirrored() if isinstance(W, ModeCore) else np.transpose(W, (3, 1, 2, 0))


def random_signs(rng: np.random.Generator, rows: int, n: int) -> NDArray[np.float64]:
    """Return ±1, shape (rows, n)."""
    return np.asarray(2.0 * rng.integers(0, 2, size=(rows, n)) - 1.0)


class _Sweep:
    """One sweep: its direction (0: to the right), time, cutoff, and what it collects.

    `span` is the length of the step that it belongs to.
    """

    def __init__(
        self, generator: Generator, side: int, dt: float, cutoff: float, tally: Tally,
        rng: np.random.Generator, span: float,
    ) -> None:  # fmt: skip
        self.cores, self.traces = generator.cores[side], generator.traces[side]
        self.side, self.dt, self.cutoff, self.tally = side, dt, cutoff, tally
        self.span, self.sketches = span, list[tuple[Array, Array]]()
        self._rng = rng

    def random(self, rows: int, A: Array) -> Array:
        """Return random signs for the outgoing coordinates of a site, shape (rows, n).

        Products of them along the chain give unbiased norms.
        """
        return placed(random_signs(self._rng, rows, A.shape[1]), A)
