"""One step of TDVP on a chain: sweeps of local evolutions, truncation, bond expansion.

Between steps the chain is right-canonical: tensor 0 carries the state, all others are isometries,
and the first vector of every bond is the trace functional of the sites behind it ("identity kept",
docs/physics.md section 13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.either_parity import (
    as_ahead,
    blocks_of,
    bond_effective,
    framed,
    further,
    outside,
    sketched,
)
from tnhop.solvers.chain.steps.environments import absorbed, effective, mirrored, pair_ahead
from tnhop.solvers.chain.steps.krylov import exponential
from tnhop.solvers.chain.steps.mode_basis import Leaf, Twig
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.parity import graded_chain
from tnhop.solvers.chain.steps.parity_environments import GradedCore, GradedEnv
from tnhop.solvers.chain.steps.parity_sectors import Frame, Whole
from tnhop.solvers.chain.steps.sweep_generator import Generator
from tnhop.solvers.chain.steps.truncation import (
    Tally,
    kept_splits,
    norm,
    one,
    shares,
    svd,
    trace_string,
)
from tnhop.support.arrays import Array

Pair = tuple[Array, Array]

_OVERSAMPLING = 4  # random vectors beyond the directions that are wanted
_WITNESSES = 4  # random vectors that tell what those directions miss
_LEAF_GROWTH = 3  # directions of a leaf for one of a bond


@dataclass(frozen=True)
class Settings:
    """Numbers that steer a step, see `TDVP`.

    Without `keep_trace` splits are plain ones: at a fixed bond a step can then be undone. With
    `keep_states` truncation leaves the state of every site as it is.
    """

    max_bond: int
    krylov_tolerance: float
    expansion: int
    sites: int
    keep_trace: bool = True
    keep_states: bool = False


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

    Attributes
    ----------
    charges : tuple of int
        Parities of the local basis elements that generator and state conserve; empty without.
    """

    def __init__(self, generator: Generator, settings: Settings, chain: list[Array]) -> None:
        self.generator, self.settings, self.chain = generator, settings, chain
        self._own, self.charges = generator, tuple[int, ...]()
        rows, like = self._rows, chain[0]
        self._edge: Any = one(like, 1, 1, 1)
        self._sketch: Any = one(like, rows, 1, 1)
        for grading in generator.gradings:
            found = graded_chain(chain, generator.traces[0], grading.charges)
            if found is not None:
                self._own, self.chain = generator.graded(grading), found
                self.charges = grading.charges
                self._edge, self._sketch = GradedEnv.edge(like), GradedEnv.edge(like, (rows, rows))
                break
        backwards, cores = mirrored(self.chain), self._own.cores[1]
        self._behind = [self._edge]
        for A, core in zip(backwards[:-1], cores, strict=False):
            left = absorbed(self._behind[-1], core)
            self._behind.append(further(left, A, blocks_of(left, A)))

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
        if pairs:
            # a one-site step of no length opens the bonds in the directions of Lρ that no pair of
            # neighbours reaches (three sites at once, neighbours of the Model that are far on the
            # chain), and sees what is still missing
            missing = Tally()
            opened = self._there_and_back(False, 0.0, dt, 0.0, missing, rng)
            self.chain, self._behind = opened
            tally.projected += missing.projected
        return tally

    def _there_and_back(
        self, pairs: bool, dt: float, span: float, cutoff: float, tally: Tally,
        rng: np.random.Generator,
    ) -> tuple[list[Array], list[Array]]:  # fmt: skip
        run = self._pairs if pairs else self._singles
        first = _Sweep(self._own, 0, dt / 2, cutoff, tally, rng, span)
        chain, envs = run(first, self.chain, self._behind, None)
        second = _Sweep(self._own, 1, dt / 2, cutoff, tally, rng, span)
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
        self, sweep: _Sweep, v: Array, trace: Array, frame: Whole | Frame, ahead: Array,
        cutoff: float,
    ) -> list[Pair]:  # fmt: skip
        """Split the evolved tensor.

        Trace functionals: `trace` on the coordinates of the site, `ahead` on the columns.
        """
        string, beyond, own = None, None, Tally()
        if self.settings.keep_trace:
            string = frame.first(trace_string(trace, frame.shape[0]))
        if self.settings.keep_states:
            beyond = frame.last(ahead)
        parts = kept_splits(frame.matrices(v), string, cutoff, self.settings.max_bond, own, beyond)
        if own.saturated <= sweep.cutoff:  # what is cut would have been dropped anyway
            own.saturated = 0.0
        sweep.tally.add(own)
        return parts

    def _singles(
        self,
        sweep: _Sweep,
        chain: list[Array],
        ahead: list[Any],
        sketches: list[tuple[Array, Array]] | None,
    ) -> tuple[list[Array], list[Any]]:
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
        envs = [self._edge]
        sketch, inside = self._sketch, one(chain[0], self._rows, 1)
        center = chain[0]
        for n, core in enumerate(cores):
            beyond = as_ahead(ahead[last - n])
            left, frame, v, leaf = self._evolved(
                sweep, n, core, envs[-1], beyond, center, sketches is None
            )
            if n == last:
                chain[n] = frame.unpacked(v)
                break
            first = trace_string(one(v, 1), center.shape[2])
            cutoff = sweep.cutoff if sketches is None else 0.0
            trace = leaf.trace if leaf else sweep.traces[n]
            parts = self._split(sweep, v, trace, frame, first, cutoff)
            if sketches is not None:
                # S grows before it goes back in time: the new directions take part in the change
                # of the tensor behind it, which the next site must not count twice
                sketch, inside = sketches[last - 1 - n]
                away = outside(sketch, inside, beyond)
                Y = frame.matrices(effective(left, away)(v), (self._rows, self._rows))
                room = self.settings.max_bond - sum(U.shape[1] for U, _ in parts)
                parts = self._expanded(sweep, parts, Y, min(self.settings.expansion, room))
            chain[n] = frame.joined([U for U, _ in parts])
            envs.append(further(left, chain[n], [U for U, _ in parts]))
            S = frame.together([C for _, C in parts])
            S = self._exponential(sweep, bond_effective(envs[-1], beyond), S, -sweep.dt)
            chain[n] = leaf.whole(chain[n]) if leaf else chain[n]
            if sketches is None:
                G = sweep.random(self._rows, chain[n])
                sketch = sketched(sketch, G, core, chain[n], [U for U, _ in parts])
                along = (inside[:, :, None] * G[:, None]).reshape(self._rows, -1)
                inside = along @ chain[n].reshape(along.shape[1], -1)
                sweep.sketches.append((sketch, inside))
            S = frame.matrix(S, [U.shape[1] for U, _ in parts])
            center = do("tensordot", S, chain[n + 1], ((1,), (0,)))
        return chain, envs

    def _evolved(
        self, sweep: _Sweep, n: int, core: Any, env: Any, beyond: Any, center: Array, first: bool
    ) -> tuple[Any, Whole | Frame, Array, Leaf | None]:
        """Evolve a tensor; return what is behind with the core, its frame, the tensor, its leaf.

        A mode inside the chain is held in few operators. They are evolved before the tensor in the
        first sweep and after it in the second one, so that a step remains symmetric.
        """
        leaf = None
        if isinstance(core, SparseCore) and self._has_leaf(center):
            found = Leaf.of(center, core.mode, sweep.traces[n])
            if found:
                leaf, center = found
        if leaf and first:
            leaf, center = self._moved(sweep, leaf, center, env, beyond, True)
        left = absorbed(env, leaf.core if leaf else core)
        frame, run = framed(left, beyond, center.shape), effective(left, beyond)
        v = self._exponential(sweep, run, frame.packed(center), sweep.dt)
        if leaf and not first:  # bonds grow in directions that are not yet in the leaf
            leaf, v = self._moved(sweep, leaf, v, env, beyond, False)
            v, leaf, left = leaf.whole(v), None, absorbed(env, core)
            frame = framed(left, beyond, v.shape)
        return left, frame, v, leaf

    def _has_leaf(self, center: Array) -> bool:
        """Return whether a tensor of a mode has sites on both sides, in NumPy arrays."""
        inside = center.shape[0] > 1 < center.shape[2]
        return inside and self.settings.keep_trace and isinstance(center, np.ndarray)

    def _moved(
        self, sweep: _Sweep, leaf: Leaf, core: Array, env: Any, beyond: Any, first: bool
    ) -> tuple[Leaf, Array]:
        """Evolve a leaf and, back in time, the bond to its core; truncate and open it if first."""
        twig, bond = Twig.of(core, leaf.mode, env, beyond)
        own, trace, n = Tally(), leaf.basis[0], leaf.basis.shape[1]
        if not first:
            bond = self._exponential(sweep, twig.bond_generator(leaf), bond, -sweep.dt)
        X = self._exponential(sweep, twig.leaf_generator(leaf.mode), bond @ leaf.basis, sweep.dt)
        cutoff = sweep.cutoff if first else 0.0
        parts = kept_splits([X.T], trace, cutoff, n // 2, own, twig.trace if first else None)
        sweep.tally.discarded += own.discarded
        if first:
            room = _LEAF_GROWTH * self.settings.expansion
            missing = twig.outside(sweep.signs(_WITNESSES, len(twig.rest)).T, X, leaf.mode)
            signs = sweep.signs(room + _OVERSAMPLING, len(X) * len(leaf.mode.matrices))
            Y = np.column_stack([missing, twig.directions(signs, X, leaf.mode)])
            parts = self._expanded(sweep, parts, [Y], room)
        ((U, S),) = parts
        leaf, bond = Leaf(np.ascontiguousarray(U.T), leaf.mode), np.ascontiguousarray(S.T)
        if first:
            bond = self._exponential(sweep, twig.bond_generator(leaf), bond, -sweep.dt)
        return leaf, twig.joined(bond)

    def _pairs(
        self, sweep: _Sweep, chain: list[Array], ahead: list[Any], _: Any
    ) -> tuple[list[Array], list[Any]]:
        """Evolve pair by pair from left to right; as `_singles`, without expansion."""
        whole = self._own.whole[1 - sweep.side]
        last, chain = len(chain) - 1, list(chain)
        envs = [self._edge]
        center = chain[0]
        for n in range(last):
            left = absorbed(envs[-1], sweep.cores[n])
            both = _both_ahead(sweep.cores[n + 1], whole[last - 1 - n], ahead[last - 1 - n])
            pair = do("tensordot", center, chain[n + 1], ((2,), (0,)))
            theta = pair.reshape(*pair.shape[:2], -1)
            frame, run = framed(left, both, theta.shape), effective(left, both)
            v = self._exponential(sweep, run, frame.packed(theta), sweep.dt)
            first = trace_string(one(v, 1), pair.shape[3])
            string = (sweep.traces[n + 1][:, None] * first).reshape(-1)
            parts = self._split(sweep, v, sweep.traces[n], frame, string, sweep.cutoff)
            chain[n] = frame.joined([U for U, _ in parts])
            envs.append(further(left, chain[n], [U for U, _ in parts]))
            S = frame.together([C for _, C in parts])
            center = frame.matrix(S, [U.shape[1] for U, _ in parts]).reshape(-1, *pair.shape[2:])
            if n < last - 1:
                right = absorbed(envs[-1], sweep.cores[n + 1])
                beyond = as_ahead(ahead[last - 1 - n])
                frame, back = framed(right, beyond, center.shape), effective(right, beyond)
                v = self._exponential(sweep, back, frame.packed(center), -sweep.dt)
                center = frame.unpacked(v)
        chain[last] = center
        return chain, envs

    @property
    def _rows(self) -> int:
        return self.settings.expansion + _OVERSAMPLING + _WITNESSES

    def _expanded(self, sweep: _Sweep, parts: list[Pair], Ys: list[Array], most: int) -> list[Pair]:
        """Add to U what Lρ has on its sites beyond U, and zeros to S; block by block.

        The other side enters by random vectors less their part in its basis, so that only few need
        be looked at, and what mere rotations of the bases achieve does not count. Some of them tell
        how much of Lρ is still missing then.

        Parameters
        ----------
        sweep : _Sweep
            Direction and length.
        parts : list of (array, array)
            U and S.
        Ys : list of array
            Lρ for those vectors.
        most : int
            Largest number of new directions.
        """
        rows, columns = (sum(U.shape[k] for U, _ in parts) for k in (0, 1))
        room = min(most, rows - columns)
        found = []
        for (U, _), Y in zip(parts, Ys, strict=True):
            for _ in range(2):
                Y = Y - U @ (U.T @ Y)
            W, values, _ = svd(Y[:, _WITNESSES:])
            free = U.shape[0] - U.shape[1]
            found.append((W, do("to_numpy", values)[:free], Y[:, :_WITNESSES]))
        counts = shares([values for _, values, _ in found], max(1e-3 * sweep.cutoff, 1e-12), room)
        grown = []
        for (U, S), (W, _, rest), count in zip(parts, found, counts, strict=True):
            if count:
                W = W[:, :count]
                for _ in range(2):  # rounding has spoiled the orthogonality of small values
                    W = do("linalg.qr", W - U @ (U.T @ W))[0]
                zeros = do("zeros", (count, S.shape[1]), like=S, dtype=S.dtype)
                U, S = do("concatenate", (U, W), axis=1), do("concatenate", (S, zeros), axis=0)
                rest = rest - W @ (W.T @ rest)
            sweep.tally.projected += (sweep.span * norm(rest)) ** 2 / _WITNESSES
            grown.append((U, S))
        return grown


def _both_ahead(core: Any, whole: Any, env: Any) -> Any:
    """Return what is ahead of a pair with its second site, whose core is seen from both ends."""
    if isinstance(core, GradedCore):
        return whole.absorbed(env).pair_ahead()
    return (
        core.pair_ahead(as_ahead(env)) if isinstance(core, SparseCore) else pair_ahead(env, whole)
    )


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
        return placed(self.signs(rows, A.shape[1]), A)

    def signs(self, rows: int, n: int) -> NDArray[np.float64]:
        """Return random signs, shape (rows, n)."""
        return random_signs(self._rng, rows, n)
