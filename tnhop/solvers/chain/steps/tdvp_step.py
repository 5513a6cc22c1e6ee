"""One step of TDVP on a chain: sweeps of local evolutions, truncation, bond expansion.

Between steps the chain is right-canonical: tensor 0 carries the state, all others are isometries,
and the first vector of every bond is the trace functional of the sites to its right ("identity
kept", docs/physics.md section 13).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from autoray import do, infer_backend

from tnhop.solvers.chain.steps.environments import DenseEnvironment, mirrored
from tnhop.solvers.chain.steps.mode_basis import ModeBasisEnvironment, OptimalModeBasis
from tnhop.solvers.chain.steps.parity import parity_sorted_chain
from tnhop.solvers.chain.steps.parity_environments import ParityEnvironment
from tnhop.solvers.chain.steps.protocols import (
    Environment,
    GeneratorCore,
    Layout,
    LinearMap,
    RightEnvironment,
    SiteEnvironment,
)
from tnhop.solvers.chain.steps.sweep import Sketch, Sweep
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
        self._edge: Environment = DenseEnvironment(one(like, 1, 1, 1))
        self._sketch: Environment = DenseEnvironment(one(like, rows, 1, 1))
        for parity in generator.parities:
            sorted_chain = parity_sorted_chain(chain, generator.traces[0], parity.charges)
            if sorted_chain is not None:
                self._blocked, self.chain = generator.in_blocks(parity), sorted_chain
                self.charges = parity.charges if any(parity.charges) else ()
                self._edge = ParityEnvironment.edge(like)
                self._sketch = ParityEnvironment.edge(like, (rows, rows))
                break
        backwards, cores = mirrored(self.chain), self._blocked.cores[1]
        self._right_envs: list[Environment] = [self._edge]
        for A, core in zip(backwards[:-1], cores, strict=False):
            site_env = core.absorb_into(self._right_envs[-1])
            self._right_envs.append(site_env.advance(site_env.blocks_of(A)))

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
    ) -> tuple[list[Array], list[Environment]]:  # fmt: skip
        run = self._sweep_pairs if pairs else self._sweep_sites
        first = Sweep(self._blocked, 0, dt / 2, cutoff, tally, rng, span)
        chain, left_envs = run(first, self.chain, self._right_envs, None)
        second = Sweep(self._blocked, 1, dt / 2, cutoff, tally, rng, span)
        chain, left_envs = run(second, mirrored(chain), left_envs, first.sketches)
        return mirrored(chain), left_envs

    def _exponential(self, sweep: Sweep, generator: LinearMap, v: Array, dt: float) -> Array:
        v, count, error = generator.exponential(v, dt, self.options.krylov_tolerance)
        sweep.tally.applications += count
        sweep.tally.krylov += error**2
        return v

    def _split(
        self, sweep: Sweep, v: Array, trace: Array, layout: Layout,
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
        self, sweep: Sweep, chain: list[Array], right_envs: list[Environment],
        sketches: list[Sketch] | None,
    ) -> tuple[list[Array], list[Environment]]:  # fmt: skip
        """Evolve site by site from left to right: forward at sites, back at bonds, Eq. (62).

        Going right, bonds are truncated and random sketches of Lρ are made of the sites to
        the left. Going left, those tell in which directions the bonds should grow.

        Parameters
        ----------
        sweep : Sweep
            Direction and length.
        chain : list of array
            State with its centre on site 0.
        right_envs : list of Environment
            Environments of the last 0, 1, ... sites.
        sketches : list of Sketch, optional
            Sketches of Lρ on the last 1, 2, ... sites, in reverse order.

        Returns
        -------
        chain, left_envs : list of array, list of Environment
            State with its centre on the last site; environments of the first 0, 1, ... sites.
        """
        last, chain = len(chain) - 1, list(chain)
        left_envs, center = list[Environment]([self._edge]), chain[0]
        sketch: Sketch = self._sketch, one(chain[0], self._rows, 1)
        for n, core in enumerate(sweep.cores):
            right_env = right_envs[last - n].as_right_env()
            # 1. the centre (left, n, right) forward in time: P_n of Eq. (62)
            at = self._evolve_center(sweep, n, core, left_envs[-1], right_env, center)
            if n == last:
                chain[n] = at.layout.unpack(at.v)
                break
            # 2. isometry (left, n, bond) times bond matrix (bond, right), truncated: Eq. (61)
            parts = self._split_center(sweep, n, at, center.shape[2])
            # 3. the bond grows by directions of Lρ outside its basis
            if sketches is not None:
                parts = self._expand(sweep, at, parts, sketches[last - 1 - n], right_env)
            # 4. the environment takes the isometry: (bra, ket, D) of one site more
            blocks = [U for U, _ in parts]
            chain[n] = at.layout.merge_left(blocks)
            left_envs.append(at.site_env.advance(blocks))
            # 5. the bond matrix back in time, -Q_n of Eq. (62), and into the next tensor
            S = at.layout.pack_right([C for _, C in parts])
            S = self._exponential(sweep, left_envs[-1].bond_generator(right_env), S, -sweep.dt)
            S = at.layout.unpack_right(S, [U.shape[1] for U in blocks])
            center = do("tensordot", S, chain[n + 1], ((1,), (0,)))
            chain[n] = at.mode_basis.expand(chain[n]) if at.mode_basis else chain[n]
            if sketches is None:
                sketch = self._advance_sketch(sweep, sketch, core, chain[n], blocks)
        return chain, left_envs

    def _evolve_center(
        self, sweep: Sweep, n: int, core: GeneratorCore, left_env: Environment,
        right_env: RightEnvironment, center: Array,
    ) -> _Center:  # fmt: skip
        """Evolve a tensor by its effective generator.

        A mode inside the chain is held in few operators, Eq. (73). They are evolved before the
        tensor in the first sweep and after it in the second one, so that a step remains symmetric.
        """
        mode_basis, envs, first = None, (left_env, right_env), sweep.side == 0
        if core.mode is not None and self._has_mode_basis(center):
            factors = OptimalModeBasis.of(center, core.mode, sweep.traces[n])
            if factors:
                mode_basis, center = factors
        if mode_basis and first:
            mode_basis, center = self._evolve_mode_basis(sweep, mode_basis, center, envs, True)
        site_env = (mode_basis.core if mode_basis else core).absorb_into(left_env)
        layout = site_env.layout(right_env, center.shape)
        generator = site_env.effective_generator(right_env)
        v = self._exponential(sweep, generator, layout.pack(center), sweep.dt)
        if mode_basis and not first:  # bonds grow in directions that are not yet in the basis
            mode_basis, v = self._evolve_mode_basis(sweep, mode_basis, v, envs, False)
            v, mode_basis, site_env = mode_basis.expand(v), None, core.absorb_into(left_env)
            layout = site_env.layout(right_env, v.shape)
        return _Center(site_env, layout, v, mode_basis)

    def _split_center(self, sweep: Sweep, n: int, at: _Center, right: int) -> list[Pair]:
        """Split an evolved tensor; nothing is dropped in the second sweep."""
        cutoff = sweep.cutoff if sweep.side == 0 else 0.0
        trace = at.mode_basis.trace if at.mode_basis else sweep.traces[n]
        return self._split(sweep, at.v, trace, at.layout, trace_string(one(at.v, 1), right), cutoff)

    def _expand(
        self, sweep: Sweep, at: _Center, parts: list[Pair], of_right: Sketch,
        right_env: RightEnvironment,
    ) -> list[Pair]:  # fmt: skip
        """Expand a bond before it goes back in time.

        The new directions then take part in the change of the tensor on its left, which the next
        site must not count twice.
        """
        sketch, overlap = of_right
        outside = sketch.outside_basis(right_env, overlap)
        Y = at.site_env.effective_generator(outside)(at.v)  # (left n, random vectors)
        free = self.options.max_bond - sum(U.shape[1] for U, _ in parts)
        blocks = at.layout.matrices(Y, (self._rows, self._rows))
        return self._expand_bond(sweep, parts, blocks, min(self.options.expansion, free))

    def _advance_sketch(
        self, sweep: Sweep, sketch: Sketch, core: GeneratorCore, A: Array, blocks: list[Array]
    ) -> Sketch:
        """Take a site into a sketch of Lρ and of the basis, by random signs G (m, n)."""
        of_generator, overlap = sketch
        G = sweep.random(self._rows, A)
        site_env = core.absorb_into(of_generator)
        if core.mode is not None:  # not in the mode basis
            blocks = site_env.blocks_of(A)
        moved = site_env.advance_sketch(G, blocks)
        along = (overlap[:, :, None] * G[:, None]).reshape(self._rows, -1)  # (m, left n)
        sweep.sketches.append((moved, along @ A.reshape(along.shape[1], -1)))
        return sweep.sketches[-1]

    def _has_mode_basis(self, center: Array) -> bool:
        """Return whether a tensor of a mode has sites on both sides, in NumPy arrays."""
        inside = center.shape[0] > 1 < center.shape[2]
        return inside and self.options.keep_trace and infer_backend(center) == "numpy"

    def _evolve_mode_basis(
        self,
        sweep: Sweep,
        mode_basis: OptimalModeBasis,
        core: Array,
        envs: tuple[Environment, RightEnvironment],
        first: bool,
    ) -> tuple[OptimalModeBasis, Array]:
        """Evolve a mode basis and, back in time, its bond; truncate and expand it if first."""
        mode, losses = mode_basis.mode, TruncationStats()
        bond: Array
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
        self, sweep: Sweep, chain: list[Array], right_envs: list[Environment],
        _: list[Sketch] | None,
    ) -> tuple[list[Array], list[Environment]]:  # fmt: skip
        """Evolve pair by pair from left to right; as `_sweep_sites`, without expansion."""
        ungrouped = self._blocked.ungrouped_cores[1 - sweep.side]
        last, chain = len(chain) - 1, list(chain)
        left_envs, center = list[Environment]([self._edge]), chain[0]
        for n in range(last):
            k = last - 1 - n
            # 1. two sites (left, n, m right) forward in time
            site_env = sweep.cores[n].absorb_into(left_envs[-1])
            pair_env = sweep.cores[n + 1].pair_right_env(right_envs[k], ungrouped[k])
            pair = do("tensordot", center, chain[n + 1], ((2,), (0,)))
            theta = pair.reshape(*pair.shape[:2], -1)
            layout = site_env.layout(pair_env, theta.shape)
            generator = site_env.effective_generator(pair_env)
            v = self._exponential(sweep, generator, layout.pack(theta), sweep.dt)
            # 2. isometry (left, n, bond) times the next centre (bond, m, right), truncated
            right_trace = trace_string(one(v, 1), pair.shape[3])
            column_trace = (sweep.traces[n + 1][:, None] * right_trace).reshape(-1)
            parts = self._split(sweep, v, sweep.traces[n], layout, column_trace, sweep.cutoff)
            blocks = [U for U, _ in parts]
            chain[n] = layout.merge_left(blocks)
            # 3. the environment takes the isometry
            left_envs.append(site_env.advance(blocks))
            S = layout.unpack_right(
                layout.pack_right([C for _, C in parts]), [U.shape[1] for U in blocks]
            )
            center = S.reshape(-1, *pair.shape[2:])
            # 4. the next centre back in time
            if n < last - 1:
                site_env = sweep.cores[n + 1].absorb_into(left_envs[-1])
                right_env = right_envs[k].as_right_env()
                layout = site_env.layout(right_env, center.shape)
                generator = site_env.effective_generator(right_env)
                v = self._exponential(sweep, generator, layout.pack(center), -sweep.dt)
                center = layout.unpack(v)
        chain[last] = center
        return chain, left_envs

    @property
    def _rows(self) -> int:
        return self.options.expansion + _OVERSAMPLING + _WITNESSES

    def _expand_bond(
        self, sweep: Sweep, parts: list[Pair], Ys: list[Array], max_new: int
    ) -> list[Pair]:
        """Add directions of Lρ outside U to U, and zeros to S; block by block.

        Random vectors, less their part in the basis of the other side, stand for that side: few of
        them suffice, and mere rotations of the bases do not count. Some of them measure how much of
        Lρ the expanded bond still misses.

        Parameters
        ----------
        sweep : Sweep
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


@dataclass(frozen=True, eq=False)
class _Center:
    """An evolved tensor `v`: its environment with the core, layout, and basis if it is a mode."""

    site_env: SiteEnvironment
    layout: Layout
    v: Array
    mode_basis: OptimalModeBasis | None
