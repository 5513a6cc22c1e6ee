"""Spin flips in continuous time: compiled thinning.

Attempts come at the rate N w_max. Each picks a spin and flips it with probability w/w_max, w its
rate: the Markov process itself, without a time step.
Every sample has a random stream of its own, so that no number depends on batches and threads.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot
from tnhop.solvers.bounds import functional_bound, operator_bound, rate_error
from tnhop.solvers.classical.configurations import ConfigurationSamples, DiagonalOperators
from tnhop.solvers.classical.sample_bars import functional_width, sample_means
from tnhop.solvers.classical.spin_flips import FlipModel
from tnhop.support.arrays import Real

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, fastmath={"contract", "reassoc"})
_TIE = 1e-10  # a field below this, in units of the largest, is zero: rounding must not decide it
_CHUNK = 500.0  # mean attempts whose number is drawn at once: e^-500 is not yet zero
_HEARTBEAT = 2e7  # attempts between two heartbeats


def _wrapping() -> Any:
    """Let sums of 64 bits wrap around, also where loops are not compiled (NUMBA_DISABLE_JIT)."""
    return np.errstate(over="ignore")


# Compiled loops. Constants are unsigned: uint64 and int64 together would become floats.

_23, _17, _45, _41, _19, _11 = (np.uint64(n) for n in (23, 17, 45, 41, 19, 11))
_UNIT = 2.0**-53


@_jit
def _uniform(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return a number in [0, 1) and the next state of xoshiro256++ (Blackman, Vigna 2021)."""
    total = a + d
    word = ((total << _23) | (total >> _41)) + a
    shifted = b << _17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << _45) | (d >> _19)
    return (word >> _11) * _UNIT, a, b, c, d


@_jit
def _rate(h: float, up: int, tables: Real, grid: Real) -> float:
    """Evaluate the table of one group."""
    if grid[1] < 0.0:
        tie = _TIE * grid[0]
        return float(tables[up, 1 + (h > tie) - (h < -tie), 0])
    x = min(max((h + grid[0]) * grid[1], 0.0), grid[2] + 1.0)
    cell = min(int(x), int(grid[2]))
    y, c = x - cell, tables[up, cell]
    return float(c[0] + y * (c[1] + y * (c[2] + y * c[3])))


@_jit
def _sum_up(s: Any, right: Real, m: Real) -> None:
    m[:] = 0.0
    for j in range(len(s)):
        for q in range(len(m)):
            m[q] += s[j] * right[j, q]


@_jit
def draw(z: Real, spins: Any, streams: Any) -> None:
    """Draw every sample from a product state."""
    for i in range(len(spins)):
        a, b, c, d = streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3]
        for k in range(len(z)):
            u, a, b, c, d = _uniform(a, b, c, d)
            spins[i, k] = 1 if u < (1 + z[k]) / 2 else -1
        streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3] = a, b, c, d


@_jit
def sum_up(right: Real, spins: Any, sums: Real) -> None:
    """Compute the sums of every sample."""
    for i in range(len(spins)):
        _sum_up(spins[i], right, sums[i])


@_jit
def advance(
    arrays: Any, fastest: float, mean: float, chunks: int, spins: Any, sums: Real, streams: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Advance every sample by `chunks` times a Poissonian number of attempts."""
    left, right, own, group, tables, grids = arrays
    n, r, limit = spins.shape[1], left.shape[1], math.exp(-mean)
    for i in range(len(spins)):
        s, m = spins[i], sums[i]
        a, b, c, d = streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3]
        attempts, flipped = counts[i, 0], counts[i, 1]
        for _ in range(chunks):
            # the attempts of a Poisson process: exponential gaps, as a product of uniforms
            u, a, b, c, d = _uniform(a, b, c, d)
            gaps = u
            while gaps >= limit:
                attempts += 1
                u, a, b, c, d = _uniform(a, b, c, d)
                k = int(u * n)
                if r:
                    h = -own[k] * s[k]
                    for q in range(r):
                        h += left[k, q] * m[q]
                else:
                    h = m[k]
                g = group[k]
                u, a, b, c, d = _uniform(a, b, c, d)
                if u * fastest < _rate(h, 0 if s[k] == 1 else 1, tables[g], grids[g]):
                    change = -2.0 * s[k]
                    s[k] = -s[k]
                    flipped += 1
                    if flipped % (4 * n):
                        for q in range(len(m)):
                            m[q] += change * right[k, q]
                    else:  # now and then without the rounding errors of the past
                        _sum_up(s, right, m)
                u, a, b, c, d = _uniform(a, b, c, d)
                gaps *= u
        streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3] = a, b, c, d
        counts[i, 0], counts[i, 1] = attempts, flipped


@dataclass(frozen=True, eq=False)
class Walkers:
    """All samples at one instant: all that bit-identical steps from here need."""

    spins: NDArray[np.int8]
    sums: Real
    streams: NDArray[np.uint64]
    counts: NDArray[np.int64]  # attempts and flips of every sample


@dataclass(frozen=True, eq=False)
class SampledEvolution:
    """Evolution of a problem by samples.

    Attributes
    ----------
    problem : Problem
        The problem.
    n_samples : int
        Number of independent samples.
    """

    problem: Problem
    n_samples: int

    @cached_property
    def flips(self) -> FlipModel:
        """The compiled model."""
        return FlipModel.from_model(self.problem.model)

    @cached_property
    def operators(self) -> dict[str, DiagonalOperators]:
        """The compiled linear observables."""
        return {o.name: DiagonalOperators(o.operators)
                for o in self.problem.observables if o.functional is None}  # fmt: skip

    def snapshots(self, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and heartbeats in between."""
        times = np.asarray(self.problem.times)
        if carry is None:
            rng = self.problem.rng
            drawn = np.random.SeedSequence().generate_state(1) if rng is None else rng
            seed = int(np.ravel(drawn)[0])
            walkers, first, part = self._start(seed), 0, 0
        else:
            seed, first, part = carry["seed"], carry["next"], carry["part"]
            walkers = Walkers(**carry["walkers"])
        rate = self.problem.model.n_spins * self.flips.fastest
        for k in range(first, len(times)):
            begin = float(times[k - 1]) if k else 0.0
            span = float(times[k]) - begin
            parts = math.ceil(span * rate * self.n_samples / _HEARTBEAT)
            for done in range(part + 1, parts + 1):
                walkers = self._advance(walkers, span * rate / parts)
                if done < parts:
                    now = begin + span * done / parts
                    at = {"next": k, "part": done, "seed": seed, "walkers": dict(vars(walkers))}
                    state = ConfigurationSamples(walkers.spins)
                    yield Snapshot(now, stats=self._stats(walkers, seed), state=state, carry=at)
            part = 0
            at = {"next": k + 1, "part": 0, "seed": seed, "walkers": dict(vars(walkers))}
            yield self._snapshot(float(times[k]), walkers, seed, at)

    def _start(self, seed: int) -> Walkers:
        n, right, state = self.n_samples, self.flips.right, self.problem.state
        goes_on = isinstance(state, ConfigurationSamples)
        # samples that go on must not meet, with the same seed, the numbers that made them
        past = [zlib.crc32(state.spins.tobytes())] if goes_on else []
        sequences = (np.random.SeedSequence(seed, spawn_key=(i, *past)) for i in range(n))
        streams = np.array([s.generate_state(4, np.uint64) for s in sequences])
        sums, counts = np.zeros((n, right.shape[1])), np.zeros((n, 2), dtype=np.int64)
        if goes_on:
            spins = state.spins.copy()
        else:
            spins = np.empty((n, len(right)), dtype=np.int8)
            with _wrapping():
                draw(np.ascontiguousarray(state.bloch[:, 2]), spins, streams)
        sum_up(right, spins, sums)
        return Walkers(spins, sums, streams, counts)

    def _advance(self, old: Walkers, mean: float) -> Walkers:
        """Return the samples after `mean` attempts each on the average."""
        new = [array.copy() for array in vars(old).values()]
        chunks = max(1, math.ceil(mean / _CHUNK))

        def run(some: slice) -> None:
            batch = [array[some] for array in new]
            with _wrapping():
                advance(self.flips.arrays, self.flips.fastest, mean / chunks, chunks, *batch)

        threads = numba.get_num_threads()
        edges = np.linspace(0, self.n_samples, min(self.n_samples, 8 * threads) + 1).astype(int)
        batches = [slice(*pair) for pair in pairwise(edges)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, batches))
        return Walkers(*new)

    def _snapshot(self, time: float, walkers: Walkers, seed: int, carry: Any) -> Snapshot:
        state = ConfigurationSamples(walkers.spins)
        values: dict[str, Any] = {}
        errors = {}
        for o in self.problem.observables:
            if o.functional is None:
                mean, width = sample_means(self.operators[o.name], walkers.spins)
                values[o.name] = (mean if o.is_complex else mean.real).reshape(o.shape)
            else:
                values[o.name] = np.asarray(o.functional(state))
                width = functional_width(o, state)
            errors[o.name] = {
                "sampling": width.reshape(o.shape),
                "rates": self._rates(o, time, state),
            }
        return Snapshot(time, values, errors, self._stats(walkers, seed), state, carry)

    @cached_property
    def _generator_error(self) -> float:
        """Error of the generator: every tabulated rate feeds one population and drains one."""
        model = self.problem.model
        return 2 * model.n_spins * self.flips.error + sum(rate_error(j) for j in model.jumps)

    def _rates(self, o: Observable, time: float, state: ConfigurationSamples) -> Real:
        if not self._generator_error:
            return np.zeros(o.shape)
        if o.functional is None:
            bound = np.array([operator_bound(op, self.problem.model) for op in o.operators])
        else:
            bound = functional_bound(o, state)
        return bound.reshape(o.shape) * self._generator_error * time

    def _stats(self, walkers: Walkers, seed: int) -> dict[str, Any]:
        attempts, flipped = walkers.counts.sum(axis=0).tolist()
        rank = self.flips.left.shape[1]
        return {"seed": seed, "samples": self.n_samples, "attempts": attempts, "flips": flipped,
                "fields": f"{rank} overlaps" if rank else "one per spin",
                "table_error": self.flips.error}  # fmt: skip
