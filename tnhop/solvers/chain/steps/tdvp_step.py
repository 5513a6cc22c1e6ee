"""One step of TDVP on a chain: sweeps of local evolutions, truncation, bond expansion.

Between steps the chain is right-canonical: tensor 0 carries the state, all others are isometries,
and the first vector of every bond is the trace functional of the sites to its right ("identity
kept", docs/physics.md section 13).
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
    advance_environment,
    advance_sketch,
    as_right_env,
    blocks_of,
    bond_generator,
    layout_of,
    sketch_outside_basis,
)
from tnhop.solvers.chain.steps.environments import (
    absorb_core,
    effective_generator,
    mirrored,
    pair_right_env,
)
from tnhop.solvers.chain.steps.krylov import exponential
from tnhop.solvers.chain.steps.mode_basis import ModeBasisEnvironment, OptimalModeBasis
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.parity import parity_sorted_chain
from tnhop.solvers.chain.steps.parity_environments import ParityCore, ParityEnvironment
from tnhop.solvers.chain.steps.parity_sectors import DenseLayout, ParityLayout
from tnhop.solvers.chain.steps.sweep_generator import SweepGenerator
from tnhop.solvers.chain.steps.truncation import (
    TruncationStats,
    kept_ranks,
    norm,
    one,
    svd,
    trace_string,
    truncated_splits,
)
from tnhop.support.arrays import Array

Pair = tuple[Array, Array]

_OVERSAMPLING = 4  # random vectors beyond the number of new directions
_WITNESSES = 4  # random vectors that measure what the new directions miss
_MODE_BASIS_GROWTH = 3  # new vectors of a mode basis for one of a bond


@dataclass(frozen=True)
class TDVPOptions:
    """Options of a step, see `TDVP`.

    Without `keep_trace` splits are plain ones: at a fixed bond a step can then be undone. With
    `keep_states` truncation leaves the state of every site as it is.
    """

    max_bond: int
    krylov_tolerance: float
    expansion: int
    sites: int
    keep_trace: bool = True
    keep_states: bool = False


class TDVPEngine:
    """Steps of the time-dependent variational principle on a matrix-product state.

    Parameters
    ----------
    generator : SweepGenerator
        Generator of the evolution.
    options : TDVPOptions
        Accuracy and scheme.
    chain : list of array
        State in the form between steps.

    Attributes
    ----------
    charges : tuple of int
        Parities of the local basis elements that generator and state conserve; empty without.

    References
    ----------
    J. Haegeman, C. Lubich, I. Oseledets, B. Vandereycken and F. Verstraete, Phys. Rev. B 94, 165116
    (2016); C. Lubich, I. Oseledets and B. Vandereycken, SIAM J. Numer. Anal. 53, 917 (2015).
    """

    def __init__(self, generator: SweepGenerator, options: TDVPOptions, chain: list[Array]) -> None:
        self.generator, self.options, self.chain = generator, options, chain
        self._blocked, self.charges = generator, tuple[int, ...]()
        rows, like = self._rows, chain[0]
        self._edge: Any = one(like, 1, 1, 1)
        self._sketch: Any = one(like, rows, 1, 1)
        for parity in generator.parities:
            sorted_chain = parity_sorted_chain(chain, generator.traces[0], parity.charges)
            if sorted_chain is not None:
                self._blocked, self.chain = generator.in_blocks(parity), sorted_chain
                self.charges = parity.charges
                self._edge = ParityEnvironment.edge(like)
                self._sketch = ParityEnvironment.edge(like, (rows, rows))
                break
        backwards, cores = mirrored(self.chain), self._blocked.cores[1]
        self._right_envs = [self._edge]
        for A, core in zip(backwards[:-1], cores, strict=False):
            site_env = absorb_core(self._right_envs[-1], core)
            self._right_envs.append(advance_environment(site_env, A, blocks_of(site_env, A)))

    def copy(self) -> TDVPEngine:
        """Return an independent engine; arrays are shared, none is ever changed."""
        other = object.__new__(TDVPEngine)
        other.__dict__.update(self.__dict__)
        return other

    def expand_initial_bonds(self) -> None:
        """Expand the bonds in the directions of Lρ, which the first sweep would miss."""
        options = self.options
        self.options = replace(options, sites=1)
        self.step(0.0, 0.0, (0, 2))
        self.options = options

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> TruncationStats:
        """Advance by dt: a sweep to the right and one to the left, each of dt/2; order 2."""
        tally, rng = TruncationStats(), np.random.default_rng(seed)
        pairs = self.options.sites == 2 and len(self.chain) > 1
        self.chain, self._right_envs = self._both_sweeps(pairs, dt, dt, cutoff, tally, rng)
        if pairs:
            # a one-site step of no length expands the bonds in the directions of Lρ that no pair of
            # neighbours reaches (three sites at once, neighbours of the Model that are far on the
            # chain), and measures what is still missing
            missing = TruncationStats()
            expanded = self._both_sweeps(False, 0.0, dt, 0.0, missing, rng)
            self.chain, self._right_envs = expanded
            tally.projected += missing.projected
        return tally

    def _both_sweeps(
        self, pairs: bool, dt: float, span: float, cutoff: float, tally: TruncationStats,
        rng: np.random.Generator,
    ) -> tuple[list[Array], list[Array]]:  # fmt: skip
        run = self._sweep_pairs if pairs else self._sweep_sites
        first = _Sweep(self._blocked, 0, dt / 2, cutoff, tally, rng, span)
        chain, left_envs = run(first, self.chain, self._right_envs, None)
        second = _Sweep(self._blocked, 1, dt / 2, cutoff, tally, rng, span)
        chain, left_envs = run(second, mirrored(chain), left_envs, first.sketches)
        return mirrored(chain), left_envs

    def _exponential(
        self, sweep: _Sweep, apply: Callable[[Array], Array], v: Array, dt: float
    ) -> Array:
        v, count, error = exponential(apply, v, dt, self.options.krylov_tolerance)
        sweep.tally.applications += count
        sweep.tally.krylov += error**2
        return v

    def _split(
        self, sweep: _Sweep, v: Array, trace: Array, layout: DenseLayout | ParityLayout,
        column_trace: Array, cutoff: float,
    ) -> list[Pair]:  # fmt: skip
        """Split the evolved tensor.

        Trace functionals: `trace` on the coordinates of the site, `column_trace` on the columns.
        """
        kept_row, kept_column, losses = None, None, TruncationStats()
        if self.options.keep_trace:
            kept_row = layout.restrict_rows(trace_string(trace, layout.shape[0]))
        if self.options.keep_states:
            kept_column = layout.restrict_columns(column_trace)
        parts = truncated_splits(
            layout.matrices(v), kept_row, cutoff, self.options.max_bond, losses, kept_column
        )
        if losses.saturated <= sweep.cutoff:  # the cutoff would have dropped them anyway
            losses.saturated = 0.0
        sweep.tally.add(losses)
        return parts

    def _sweep_sites(
        self,
        sweep: _Sweep,
        chain: list[Array],
        right_envs: list[Any],
        sketches: list[tuple[Array, Array]] | None,
    ) -> tuple[list[Array], list[Any]]:
        """Evolve site by site from left to right.

        Going right, bonds are truncated and random sketches of Lρ are made of the sites to
        the left. Going left, those tell in which directions the bonds should grow.

        Parameters
        ----------
        sweep : _Sweep
            Direction and length.
        chain : list of array
            State with its centre on site 0.
        right_envs : list of array
            Environments of the last 0, 1, ... sites.
        sketches : list of (array, array), optional
            Sketches of Lρ on the last 1, 2, ... sites, in reverse order: random vectors with Lρ,
            and with the basis there.

        Returns
        -------
        chain, left_envs : list of array
            State with its centre on the last site; environments of the first 0, 1, ... sites.
        """
        cores = sweep.cores
        last, chain = len(chain) - 1, list(chain)
        left_envs = [self._edge]
        sketch, overlap = self._sketch, one(chain[0], self._rows, 1)
        center = chain[0]
        for n, core in enumerate(cores):
            right_env = as_right_env(right_envs[last - n])
            site_env, layout, v, mode_basis = self._evolve_site(
                sweep, n, core, left_envs[-1], right_env, center, sketches is None
            )
            if n == last:
                chain[n] = layout.unpack(v)
                break
            column_trace = trace_string(one(v, 1), center.shape[2])
            cutoff = sweep.cutoff if sketches is None else 0.0
            trace = mode_basis.trace if mode_basis else sweep.traces[n]
            parts = self._split(sweep, v, trace, layout, column_trace, cutoff)
            if sketches is not None:
                # S grows before it goes back in time: the new directions take part in the change
                # of the tensor on its left, which the next site must not count twice
                sketch, overlap = sketches[last - 1 - n]
                outside = sketch_outside_basis(sketch, overlap, right_env)
                v_outside = effective_generator(site_env, outside)(v)
                Y = layout.matrices(v_outside, (self._rows, self._rows))
                free = self.options.max_bond - sum(U.shape[1] for U, _ in parts)
                parts = self._expand_bond(sweep, parts, Y, min(self.options.expansion, free))
            chain[n] = layout.merge_left([U for U, _ in parts])
            left_envs.append(advance_environment(site_env, chain[n], [U for U, _ in parts]))
            S = layout.pack_right([C for _, C in parts])
            S = self._exponential(sweep, bond_generator(left_envs[-1], right_env), S, -sweep.dt)
            chain[n] = mode_basis.expand(chain[n]) if mode_basis else chain[n]
            if sketches is None:
                G = sweep.random(self._rows, chain[n])
                sketch = advance_sketch(sketch, G, core, chain[n], [U for U, _ in parts])
                along = (overlap[:, :, None] * G[:, None]).reshape(self._rows, -1)
                overlap = along @ chain[n].reshape(along.shape[1], -1)
                sweep.sketches.append((sketch, overlap))
            S = layout.unpack_right(S, [U.shape[1] for U, _ in parts])
            center = do("tensordot", S, chain[n + 1], ((1,), (0,)))
        return chain, left_envs

    def _evolve_site(
        self,
        sweep: _Sweep,
        n: int,
        core: Any,
        left_env: Any,
        right_env: Any,
        center: Array,
        first: bool,
    ) -> tuple[Any, DenseLayout | ParityLayout, Array, OptimalModeBasis | None]:
        """Evolve a tensor; return its environment with the core, layout, tensor and mode basis.

        A mode inside the chain is held in few operators. They are evolved before the tensor in the
        first sweep and after it in the second one, so that a step remains symmetric.
        """
        mode_basis, envs = None, (left_env, right_env)
        if isinstance(core, SparseCore) and self._has_mode_basis(center):
            factors = OptimalModeBasis.of(center, core.mode, sweep.traces[n])
            if factors:
                mode_basis, center = factors
        if mode_basis and first:
            mode_basis, center = self._evolve_mode_basis(sweep, mode_basis, center, envs, True)
        site_env = absorb_core(left_env, mode_basis.core if mode_basis else core)
        layout = layout_of(site_env, right_env, center.shape)
        apply = effective_generator(site_env, right_env)
        v = self._exponential(sweep, apply, layout.pack(center), sweep.dt)
        if mode_basis and not first:  # bonds grow in directions that are not yet in the basis
            mode_basis, v = self._evolve_mode_basis(sweep, mode_basis, v, envs, False)
            v, mode_basis, site_env = mode_basis.expand(v), None, absorb_core(left_env, core)
            layout = layout_of(site_env, right_env, v.shape)
        return site_env, layout, v, mode_basis

    def _has_mode_basis(self, center: Array) -> bool:
        """Return whether a tensor of a mode has sites on both sides, in NumPy arrays."""
        inside = center.shape[0] > 1 < center.shape[2]
        return inside and self.options.keep_trace and isinstance(center, np.ndarray)

    def _evolve_mode_basis(
        self,
        sweep: _Sweep,
        mode_basis: OptimalModeBasis,
        core: Array,
        envs: tuple[Any, Any],
        first: bool,
    ) -> tuple[OptimalModeBasis, Array]:
        """Evolve a mode basis and, back in time, its bond; truncate and expand it if first."""
        mode, losses = mode_basis.mode, TruncationStats()
        basis_env, bond = ModeBasisEnvironment.of(core, mode, *envs)
        trace, n = mode_basis.vectors[0], mode_basis.vectors.shape[1]
        if not first:
            bond = self._exponential(sweep, basis_env.bond_generator(mode_basis), bond, -sweep.dt)
        apply = basis_env.basis_generator(mode)
        X = self._exponential(sweep, apply, bond @ mode_basis.vectors, sweep.dt)
        cutoff = sweep.cutoff if first else 0.0
        kept_column = basis_env.trace if first else None
        parts = truncated_splits([X.T], trace, cutoff, n // 2, losses, kept_column)
        sweep.tally.discarded += losses.discarded
        if first:
            max_new = _MODE_BASIS_GROWTH * self.options.expansion
            signs = sweep.signs(_WITNESSES, len(basis_env.vectors)).T
            missing = basis_env.missing_directions(signs, X, mode)
            signs = sweep.signs(max_new + _OVERSAMPLING, len(X) * len(mode.matrices))
            Y = np.column_stack([missing, basis_env.directions(signs, X, mode)])
            parts = self._expand_bond(sweep, parts, [Y], max_new)
        ((U, S),) = parts
        mode_basis = OptimalModeBasis(np.ascontiguousarray(U.T), mode)
        bond = np.ascontiguousarray(S.T)
        if first:
            bond = self._exponential(sweep, basis_env.bond_generator(mode_basis), bond, -sweep.dt)
        return mode_basis, basis_env.merge(bond)

    def _sweep_pairs(
        self, sweep: _Sweep, chain: list[Array], right_envs: list[Any], _: Any
    ) -> tuple[list[Array], list[Any]]:
        """Evolve pair by pair from left to right; as `_sweep_sites`, without expansion."""
        ungrouped = self._blocked.ungrouped_cores[1 - sweep.side]
        last, chain = len(chain) - 1, list(chain)
        left_envs = [self._edge]
        center = chain[0]
        for n in range(last):
            site_env = absorb_core(left_envs[-1], sweep.cores[n])
            k = last - 1 - n
            right_env = _pair_right_env(sweep.cores[n + 1], ungrouped[k], right_envs[k])
            pair = do("tensordot", center, chain[n + 1], ((2,), (0,)))
            theta = pair.reshape(*pair.shape[:2], -1)
            layout = layout_of(site_env, right_env, theta.shape)
            apply = effective_generator(site_env, right_env)
            v = self._exponential(sweep, apply, layout.pack(theta), sweep.dt)
            right_trace = trace_string(one(v, 1), pair.shape[3])
            column_trace = (sweep.traces[n + 1][:, None] * right_trace).reshape(-1)
            parts = self._split(sweep, v, sweep.traces[n], layout, column_trace, sweep.cutoff)
            chain[n] = layout.merge_left([U for U, _ in parts])
            left_envs.append(advance_environment(site_env, chain[n], [U for U, _ in parts]))
            S = layout.pack_right([C for _, C in parts])
            S = layout.unpack_right(S, [U.shape[1] for U, _ in parts])
            center = S.reshape(-1, *pair.shape[2:])
            if n < last - 1:
                site_env = absorb_core(left_envs[-1], sweep.cores[n + 1])
                right_env = as_right_env(right_envs[k])
                layout = layout_of(site_env, right_env, center.shape)
                apply = effective_generator(site_env, right_env)
                v = self._exponential(sweep, apply, layout.pack(center), -sweep.dt)
                center = layout.unpack(v)
        chain[last] = center
        return chain, left_envs

    @property
    def _rows(self) -> int:
        return self.options.expansion + _OVERSAMPLING + _WITNESSES

    def _expand_bond(
        self, sweep: _Sweep, parts: list[Pair], Ys: list[Array], max_new: int
    ) -> list[Pair]:
        """Add directions of Lρ outside U to U, and zeros to S; block by block.

        Random vectors, less their part in the basis of the other side, stand for that side: few of
        them suffice, and mere rotations of the bases do not count. Some of them measure how much of
        Lρ the expanded bond still misses.

        Parameters
        ----------
        sweep : _Sweep
            Direction and length.
        parts : list of (array, array)
            U and S.
        Ys : list of array
            Lρ for those vectors.
        max_new : int
            Largest number of new directions.
        """
        rows, columns = (sum(U.shape[k] for U, _ in parts) for k in (0, 1))
        max_new = min(max_new, rows - columns)
        directions = []
        for (U, _), Y in zip(parts, Ys, strict=True):
            for _ in range(2):
                Y = Y - U @ (U.T @ Y)
            W, values, _ = svd(Y[:, _WITNESSES:])
            free = U.shape[0] - U.shape[1]
            directions.append((W, do("to_numpy", values)[:free], Y[:, :_WITNESSES]))
        least = 1e-12 * max((values[0] for _, values, _ in directions if len(values)), default=0.0)
        least = max(least, 1e-3 * sweep.cutoff / sweep.span) if sweep.span else least
        counts = kept_ranks([values for _, values, _ in directions], least, max_new)
        expanded = []
        for (U, S), (W, _, missing), count in zip(parts, directions, counts, strict=True):
            if count:
                W = W[:, :count]
                for _ in range(2):  # rounding has spoiled the orthogonality of small values
                    W = do("linalg.qr", W - U @ (U.T @ W))[0]
                zeros = do("zeros", (count, S.shape[1]), like=S, dtype=S.dtype)
                U, S = do("concatenate", (U, W), axis=1), do("concatenate", (S, zeros), axis=0)
                missing = missing - W @ (W.T @ missing)
            sweep.tally.projected += (sweep.span * norm(missing)) ** 2 / _WITNESSES
            expanded.append((U, S))
        return expanded


def _pair_right_env(core: Any, mirrored_core: Any, env: Any) -> Any:
    """Return the right environment of a pair's first site; its core is given from both ends."""
    if isinstance(core, ParityCore):
        return mirrored_core.absorb_into(env).pair_right_env()
    if isinstance(core, SparseCore):
        return core.pair_right_env(as_right_env(env))
    return pair_right_env(env, mirrored_core)


def random_signs(rng: np.random.Generator, rows: int, n: int) -> NDArray[np.float64]:
    """Return ±1, shape (rows, n)."""
    return np.asarray(2.0 * rng.integers(0, 2, size=(rows, n)) - 1.0)


class _Sweep:
    """One sweep: its direction (0: to the right), time, cutoff, losses and sketches.

    `span` is the length of the step that it belongs to.
    """

    def __init__(
        self, generator: SweepGenerator, side: int, dt: float, cutoff: float,
        tally: TruncationStats, rng: np.random.Generator, span: float,
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
