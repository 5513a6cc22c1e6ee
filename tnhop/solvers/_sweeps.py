"""One step of TDVP on a chain: sweeps of local evolutions, truncation, bond expansion.

Between steps the chain is right-canonical: tensor 0 carries the state, all others are isometries,
and the first vector of every bond is the trace functional of the sites behind it ("identity kept",
docs/physics.md section 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers._arnoldi import exponential
from tnhop.solvers._effective import (
    Absorbed,
    absorbed,
    advanced,
    as_ahead,
    bond_effective,
    effective,
    mirrored,
    pair_ahead,
    placed,
    sketched,
    split_core,
)

Array = Any

_OVERSAMPLING = 4  # random vectors beyond the directions that are wanted


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
    cores : sequence of ndarray, shape (n_left, n, n, n_right)
        The generator.
    traces : sequence of ndarray, shape (n,)
        Trace functional of every site.
    like : array
        An array of the library and precision to be used.
    """

    def __init__(
        self,
        cores: Sequence[NDArray[np.float64]],
        traces: Sequence[NDArray[np.float64]],
        like: Array,
    ) -> None:
        there = cores, [np.transpose(W, (3, 1, 2, 0)) for W in reversed(cores)]
        self.cores = [[split_core(W, like) for W in side] for side in there]
        self.whole = [[split_core(W, like, grouped=False) for W in side] for side in there]
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
    """

    discarded: float = 0.0
    krylov: float = 0.0
    applications: int = 0
    saturated: float = 0.0

    def add(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.discarded += other.discarded
        self.krylov += other.krylov
        self.applications += other.applications
        self.saturated = max(self.saturated, other.saturated)


def kept_split(
    M: Array, a: Array | None, cutoff: float, most: int, tally: Tally
) -> tuple[Array, Array]:
    """Split M ≈ U C with isometric U, whose first column is the unit vector `a`, Eq. (61).

    The row a·M is kept as it is; of the rest, singular values up to `cutoff` are dropped. With `a`
    the trace functional, traces and one-site expectation values of the other side do not change.
    """
    row = None if a is None else a @ M
    U, S, V = do("linalg.svd", M if a is None else M - a[:, None] * row)
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


def right_canonical(tensors: Sequence[Array], traces: Sequence[Array]) -> list[Array]:
    """Bring any chain into the form between steps; nothing is truncated."""
    chain, traces = mirrored(tensors), list(reversed(traces))
    tally = Tally()
    for n in range(len(chain) - 1):
        left, size, _ = chain[n].shape
        M = chain[n].reshape(left * size, -1)
        U, C = kept_split(M, _string(traces[n], left), 0.0, M.shape[0], tally)
        chain[n] = U.reshape(left, size, -1)
        chain[n + 1] = do("tensordot", C, chain[n + 1], ((1,), (0,)))
    return mirrored(chain)


def _norm(M: Array) -> float:
    return float(do("linalg.norm", M.reshape(-1)))


def _string(trace: Array, left: int) -> Array:
    """Trace functional of everything up to a site: the first vector of its bond, times its own."""
    zeros = do("zeros", ((left - 1) * len(trace),), like=trace, dtype=trace.dtype)
    return do("concatenate", (trace, zeros))


def _one(like: Array, *shape: int) -> Array:
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
        self._behind = [_one(chain[0], 1, 1, 1)]
        for A, core in zip(backwards[:-1], cores, strict=False):
            self._behind.append(advanced(absorbed(self._behind[-1], core), A, A))

    def copy(self) -> Stepper:
        """Return a stepper that can go its own way; arrays are shared, none is ever changed."""
        other = object.__new__(Stepper)
        other.__dict__.update(self.__dict__)
        return other

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> Tally:
        """Advance by dt: a sweep to the right and one to the left, each of dt/2; order 2."""
        tally, rng = Tally(), np.random.default_rng(seed)
        run = self._pairs if self.settings.sites == 2 and len(self.chain) > 1 else self._singles
        first = _Sweep(self.generator, 0, dt / 2, cutoff, tally, rng)
        chain, envs = run(first, self.chain, self._behind, None)
        second = _Sweep(self.generator, 1, dt / 2, cutoff, tally, rng)
        chain, envs = run(second, mirrored(chain), envs, first.sketches)
        self.chain, self._behind = mirrored(chain), envs
        return tally

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
        string = _string(sweep.traces[n], left) if self.settings.keep_trace else None
        own = Tally()
        U, C = kept_split(M, string, cutoff, self.settings.max_bond, own)
        if own.saturated <= sweep.cutoff:  # what is cut would have been dropped anyway
            own.saturated = 0.0
        sweep.tally.add(own)
        return U, C

    def _singles(
        self, sweep: _Sweep, chain: list[Array], ahead: list[Array], sketches: list[Array] | None
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
        sketches : list of array, optional
            Sketches of Lρ on the last 1, 2, ... sites, in reverse order.

        Returns
        -------
        chain, envs : list of array
            State with its centre on the last site; environments of the first 0, 1, ... sites.
        """
        cores = sweep.cores
        last, chain = len(chain) - 1, list(chain)
        envs = [_one(chain[0], 1, 1, 1)]
        sketch = _one(chain[0], self._rows, 1, 1)
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
                U, S = self._expanded(left, center, U, S, sketches[last - 1 - n], sweep.cutoff)
            chain[n] = U.reshape(*shape, -1)
            envs.append(advanced(left, chain[n], chain[n]))
            S = self._exponential(sweep, bond_effective(envs[-1], beyond), S, -sweep.dt)
            if sketches is None:
                sketch = sketched(sketch, sweep.random(self._rows, chain[n]), core, chain[n])
                sweep.sketches.append(sketch)
            center = do("tensordot", S, chain[n + 1], ((1,), (0,)))
        chain[last] = center
        return chain, envs

    def _pairs(
        self, sweep: _Sweep, chain: list[Array], ahead: list[Array], _: list[Array] | None
    ) -> tuple[list[Array], list[Array]]:
        """Evolve pair by pair from left to right; as `_singles`, without expansion."""
        whole = self.generator.whole[1 - sweep.side]
        last, chain = len(chain) - 1, list(chain)
        envs = [_one(chain[0], 1, 1, 1)]
        center = chain[0]
        for n in range(last):
            left = absorbed(envs[-1], sweep.cores[n])
            both = pair_ahead(ahead[last - 1 - n], whole[last - 1 - n])
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
        return self.settings.expansion + _OVERSAMPLING

    def _expanded(
        self, left: Absorbed, center: Array, U: Array, S: Array, sketch: Array, cutoff: float
    ) -> tuple[Array, Array]:
        """Add to U what Lρ has on its sites beyond U, and zeros to S.

        The other side enters by a random sketch, so that only few vectors need be looked at.
        """
        room = min(self.settings.expansion, U.shape[0] - U.shape[1],
                   self.settings.max_bond - U.shape[1])  # fmt: skip
        if room <= 0:
            return U, S
        Y = effective(left, as_ahead(sketch))(center).reshape(U.shape[0], -1)
        for _ in range(2):
            Y = Y - U @ (U.T @ Y)
        W, values, _ = do("linalg.svd", Y)
        large = do("to_numpy", values) > max(1e-3 * cutoff, 1e-12)
        W = W[:, : min(room, int(large.sum()))]
        if not W.shape[1]:
            return U, S
        for _ in range(2):  # rounding has spoiled the orthogonality of those with small values
            W = do("linalg.qr", W - U @ (U.T @ W))[0]
        zeros = do("zeros", (W.shape[1], S.shape[1]), like=S, dtype=S.dtype)
        return do("concatenate", (U, W), axis=1), do("concatenate", (S, zeros), axis=0)


class _Sweep:
    """One sweep: its direction (0: to the right), time, cutoff, and what it collects."""

    def __init__(
        self, generator: Generator, side: int, dt: float, cutoff: float, tally: Tally,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.cores, self.traces = generator.cores[side], generator.traces[side]
        self.side, self.dt, self.cutoff, self.tally = side, dt, cutoff, tally
        self.sketches: list[Array] = []
        self._rng = rng

    def random(self, rows: int, A: Array) -> Array:
        """Return random vectors for the outgoing coordinates of a site, shape (rows, n)."""
        G = self._rng.normal(size=(rows, A.shape[1])) / A.shape[1] ** 0.5
        return placed(G, A)
