"""The chain of a run, and those beside it that measure its errors, on common Fock levels."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from autoray import do

from tnhop.physics.model import Model
from tnhop.solvers.chain.engine import Engine, EngineSetup
from tnhop.solvers.chain.fock_levels import Levels, resized, wanted_levels
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.truncation import TruncationStats, right_canonical
from tnhop.support.arrays import Array, Real
from tnhop.support.threads import together

_COMPANION_CUTOFF = 4.0  # cutoff of the companion, in units of that of the chain


@dataclass(frozen=True)
class ChainTensors:
    """Tensors of the chain, of that with double steps, of the companion; empty if none."""

    main: list[Real]
    double_step: list[Real]
    companion: list[Real]


class Chains:
    """Engines of one run.

    Parameters
    ----------
    setup : EngineSetup
        Engine, coordinates and tolerances, with all levels that the model allows.
    model : Model
        The system.
    tensors : ChainTensors
        Where they begin.
    levels : tuple of int
        Numbers of Fock levels of these tensors.

    Attributes
    ----------
    setup : EngineSetup
        For the present levels.
    """

    def __init__(
        self, setup: EngineSetup, model: Model, tensors: ChainTensors, levels: Levels
    ) -> None:
        self._full_setup, self._model, self.levels = setup, model, levels
        self.setup = self._setup_for(levels)
        self._build(tensors)

    def _build(self, tensors: ChainTensors) -> None:
        def engine(make: Callable[[list[Array]], Engine], chain: list[Real]) -> Engine:
            return make([placed(A, self.setup.like) for A in chain])

        make, make_companion = self.setup.engine, self.setup.companion_engine
        self.main = engine(make, tensors.main)
        self.double_step = engine(make, tensors.double_step) if self.setup.extrapolate else None
        self.companion = engine(make_companion, tensors.companion) if make_companion else None

    def copy(self) -> Self:
        """Return independent engines in the same state."""
        other = copy.copy(self)
        other.main = self.main.copy()
        other.double_step = self.double_step and self.double_step.copy()
        other.companion = self.companion and self.companion.copy()
        return other

    def tensors(self) -> ChainTensors:
        """Return the tensors as NumPy arrays."""
        engines = self.main, self.double_step, self.companion
        return ChainTensors(*(_numpy(engine.chain) if engine else [] for engine in engines))

    def state(self, tensors: list[Real] | None = None) -> MPSState:
        """Return the state of the chain, or of other tensors, with all levels of the model."""
        tensors = _numpy(self.main.chain) if tensors is None else tensors
        return state_with_all_levels(tensors, self.levels, self._model, self._full_setup)

    # Fock levels.

    def _setup_for(self, levels: Levels) -> EngineSetup:
        setup, largest = self._full_setup, largest_levels(self._model)
        return setup if levels == largest or not setup.at_levels else setup.at_levels(levels)

    def wanted_levels(self, chain: list[Array]) -> Levels:
        """Return the numbers of levels that the modes of a chain should have."""
        setup, largest = self._full_setup, largest_levels(self._model)
        if not largest or not setup.at_levels:
            return self.levels
        state = self.state(_numpy(chain))
        populations = [state.photon_distribution(k) for k in range(len(largest))]
        return wanted_levels(populations, self.levels, largest, setup.fock_tolerance)

    def resize(self, levels: Levels, chain: list[Array]) -> None:
        """Go on from a chain with other numbers of levels; the others follow."""
        before, self.levels = self.levels, levels
        self.setup = self._setup_for(levels)
        traces = [b.trace / np.linalg.norm(b.trace) for b in self.setup.bases]
        order, n_spins = self._full_setup.order.tolist(), self._model.n_spins

        def changed(chain: list[Array]) -> list[Real]:
            tensors = [
                A if site < n_spins else resized(A, before[site - n_spins], levels[site - n_spins])
                for site, A in zip(order, _numpy(chain), strict=True)
            ]
            return _numpy(right_canonical(tensors, traces))

        others = (engine.chain if engine else [] for engine in (self.double_step, self.companion))
        self._build(ChainTensors(changed(chain), *(changed(c) if c else [] for c in others)))

    # Steps.

    def expand_initial_bonds(self) -> None:
        """Expand the bonds in the directions that the first step needs."""
        for engine in (self.main, self.companion):
            if engine:
                engine.expand_initial_bonds()

    def step(self, dt: float, number: int, probed: bool) -> tuple[TruncationStats, MPSState | None]:
        """Take a step; again if the modes then turn out to need more levels.

        Parameters
        ----------
        dt : float
            Its length.
        number : int
            Number of the step.
        probed : bool
            Whether to take it as two halves, and on a copy as a whole.

        Returns
        -------
        losses : TruncationStats
            Effort and losses.
        whole : MPSState or None
            State after a whole step, if probed.
        """
        while True:
            before, copied = self.main.chain, self.main.copy()
            halves = probed or self.double_step is not None
            whole = [partial(self._advance, copied, dt, number)] if probed else []
            others = [] if self.levels else self._others(dt, number)
            losses, *beside = together(
                partial(self._advance_main, dt, number, halves), *whole, *others
            )
            after, counts = self.main.chain, self.wanted_levels(self.main.chain)
            if all(w <= present for w, present in zip(counts, self.levels, strict=True)):
                break
            self.resize(tuple(map(max, counts, self.levels)), before)
        losses.applications += sum(taken.applications for taken in beside[: len(whole)])
        of_whole = self.state(_numpy(copied.chain)) if probed else None
        if self.levels:
            beside += together(*self._others(dt, number))
        self._add_others(beside[len(whole) :], losses)
        if counts != self.levels:
            self.resize(counts, after)
        return losses, of_whole

    def part_of_step(self, dt: float, number: int) -> None:
        """Take all chains to a time within a step."""
        together(partial(self._advance, self.main, dt, number, 3), *self._others(dt, number))

    def _advance_main(self, dt: float, number: int, halves: bool) -> TruncationStats:
        """Take a step of the chain, perhaps as two halves."""
        if not halves:
            return self._advance(self.main, dt, number)
        losses = self._advance(self.main, dt / 2, number)
        losses.add(self._advance(self.main, dt / 2, number, 1))
        return losses

    def _others(self, dt: float, number: int) -> list[Callable[[], TruncationStats]]:
        """Return the steps of the chain with double steps and of the companion."""
        tasks: list[Callable[[], TruncationStats]] = []
        if self.double_step:
            tasks.append(partial(self._advance, self.double_step, dt, number))
        if self.companion:
            tasks.append(partial(self._advance, self.companion, dt, number, 2, _COMPANION_CUTOFF))
        return tasks

    def _add_others(self, taken: list[TruncationStats], losses: TruncationStats) -> None:
        """Add the losses of double steps, and the effort of the companion."""
        if self.double_step:
            losses.add(taken[0])
        if self.companion:
            losses.applications += taken[-1].applications

    def _advance(
        self, engine: Engine, dt: float, number: int, part: int = 0, wider: float = 1.0
    ) -> TruncationStats:
        return engine.step(dt, wider * self.setup.cutoff * dt, (number, part))


def largest_levels(model: Model) -> Levels:
    """Return the numbers of Fock levels of a model."""
    return tuple(model.sites[k].dim for k in model.modes)


def state_with_all_levels(
    tensors: list[Real], levels: Levels, model: Model, setup: EngineSetup
) -> MPSState:
    """Return the state of a chain whose modes may have fewer levels than those of the model."""
    chain = [
        A if site < model.n_spins else resized(A, levels[site - model.n_spins], model.dims[site])
        for site, A in zip(setup.order.tolist(), tensors, strict=True)
    ]
    dims = np.array(model.dims)
    return MPSState(tuple(chain), setup.order, dims, model.n_spins, setup.epsilon)


def _numpy(chain: list[Any]) -> list[Real]:
    return [do("to_numpy", A) for A in chain]
