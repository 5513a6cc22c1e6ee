"""One evolution of a matrix-product density matrix by steps of an engine of TDVP or TEBD.

The engine advances a chain; the run adds the chains that measure errors, the adaptation of Fock
levels, observables with error bars, and restart data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from autoray import do

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot, evaluate
from tnhop.solvers.bounds import cut_weights
from tnhop.solvers.chain.engine import Engine, EngineSetup, Progress
from tnhop.solvers.chain.error_bars import (
    ErrorBars,
    double_step_error,
    probed_step_error,
    reference_error,
    transverse_length,
)
from tnhop.solvers.chain.fock_levels import Levels, resized, reweighted, wanted_levels
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.truncation import TruncationStats, right_canonical
from tnhop.support.arrays import Array, Real
from tnhop.support.errors import warn

_REFERENCE_CUTOFF = 4.0  # cutoff of the reference chain, in units of that of the chain


class ChainRun:
    """One evolution.

    Parameters
    ----------
    setup : EngineSetup
        Engine, coordinates and tolerances.
    problem : Problem
        Model, state, output times and observables.
    carry : dict, optional
        Restart data of a snapshot.

    Attributes
    ----------
    schedule : StepSchedule
        Lengths of the steps to come.
    bars : ErrorBars
        Error bars of the observables.
    progress : Progress
        Chains and losses up to now.
    """

    def __init__(self, setup: EngineSetup, problem: Problem, carry: Any) -> None:
        self.problem, self.schedule, self._warned = problem, setup.schedule, False
        self._full_setup = setup  # with all levels that the model allows
        model = problem.model
        self._largest_levels = tuple(model.sites[k].dim for k in model.modes)
        self.bars = ErrorBars(problem, setup.bases, setup.order)
        self.progress = self._start() if carry is None else _restarted(carry)
        self.setup = self._setup_for_levels()
        self.engine = self._new_engine(self.setup.engine, self.progress.tensors)
        self.double_step_engine = self.reference_engine = None
        if not setup.schedule.probed:
            self.double_step_engine = self._new_engine(self.setup.engine, self.progress.coarse)
        if self.setup.reference_engine:
            self.reference_engine = self._new_engine(
                self.setup.reference_engine, self.progress.companion
            )

    def _start(self) -> Progress:
        """Return the progress at the beginning, the chains at their first levels."""
        model, state, setup = self.problem.model, self.problem.state, self._full_setup
        if isinstance(state, MPSState):
            chain = reweighted(state, setup.epsilon)
        else:
            order = [int(k) for k in setup.order]
            chain = MPSState.from_product(state, model.dims, order, setup.epsilon)
        tail = cut_weights(state, model, model.modes)
        self.progress = now = Progress(list(chain.tensors), levels=self._largest_levels, tail=tail)
        (now.tensors,) = self._resized(self._wanted_levels(now.tensors), now.tensors)
        now.coarse = now.tensors * (not setup.schedule.probed)
        now.companion = now.tensors * bool(setup.reference_engine)
        return now

    def _new_engine(self, make: Callable[[list[Array]], Engine], tensors: list[Real]) -> Engine:
        return make([placed(A, self.setup.like) for A in tensors])

    # Fock levels.

    def _setup_for_levels(self) -> EngineSetup:
        """Return the setup for the present levels."""
        levels, setup = self.progress.levels, self._full_setup
        if levels == self._largest_levels or not setup.at_levels:
            return setup
        return setup.at_levels(levels)

    def _wanted_levels(self, chain: list[Array]) -> Levels:
        """Return the numbers of levels that the modes of a chain should have."""
        now, setup = self.progress, self._full_setup
        if not self._largest_levels or not setup.at_levels:
            return now.levels
        state, modes = self.state(_numpy(chain)), range(len(self._largest_levels))
        populations = [state.photon_distribution(k) for k in modes]
        return wanted_levels(populations, now.levels, self._largest_levels, setup.fock_tolerance)

    def _resized(self, levels: Levels, *chains: list[Array]) -> list[list[Real]]:
        """Return chains with other numbers of levels, which are then those of the run."""
        now, n_spins, order = self.progress, self.problem.model.n_spins, self._full_setup.order
        before, now.levels = now.levels, levels
        self.setup = self._setup_for_levels()
        traces = [b.trace / np.linalg.norm(b.trace) for b in self.setup.bases]
        return [
            right_canonical([
                A if site < n_spins else resized(A, before[site - n_spins], levels[site - n_spins])
                for site, A in zip(order.tolist(), _numpy(chain), strict=True)
            ], traces)
            for chain in chains
        ]  # fmt: skip

    def _continue_with_levels(self, levels: Levels, chain: list[Array]) -> None:
        """Go on from a chain with other numbers of levels."""
        references = [self.reference_engine.chain] if self.reference_engine else []
        chain, *references = self._resized(levels, chain, *references)
        self.engine = self._new_engine(self.setup.engine, chain)
        if self.setup.reference_engine:
            self.reference_engine = self._new_engine(self.setup.reference_engine, references[0])

    # Steps.

    def advance(self, target: float) -> None:
        """Take one step towards the next output time."""
        now = self.progress
        if now.steps == 0:
            for engine in (self.engine, self.reference_engine):
                if engine:
                    engine.expand_initial_bonds()
        dt, end = self.schedule.next_step(now.steps, now.time, target)
        losses, errors = self._step_at_fitting_levels(dt)
        for name, error in errors.items():
            now.step_errors[name] = now.step_errors.get(name, 0.0) + error
        now.tally.add(losses)
        now.lost += math.sqrt(losses.discarded)
        now.projected += math.sqrt(losses.projected)
        now.steps += 1
        now.time = end
        now.facts = self._facts()
        now.tensors = _numpy(self.engine.chain)
        now.coarse = _numpy(self.double_step_engine.chain) if self.double_step_engine else []
        now.companion = _numpy(self.reference_engine.chain) if self.reference_engine else []
        now.largest_bond = max(now.largest_bond, *(A.shape[2] for A in now.tensors))
        state = self.state()
        now.mpo_error += dt * self.setup.mpo_error(transverse_length(state))
        now.trace_defect = max(now.trace_defect, abs(float(state.trace()) - 1))
        highest = [state.photon_distribution(k)[n - 1] for k, n in enumerate(now.levels)]
        now.tail = np.maximum(now.tail, highest)

    def _step_at_fitting_levels(self, dt: float) -> tuple[TruncationStats, dict[str, Real]]:
        """Take a step, again if the modes then turn out to need more levels."""
        while True:
            before, errors = self.engine.chain, dict[str, Real]()
            if self.double_step_engine:
                losses = self._step(self.double_step_engine, dt)
                losses.add(self._two_half_steps(dt))
            elif repeats := self.schedule.stands_for(self.progress.steps):
                losses, errors = self._probed_step(dt, repeats)
            else:
                losses = self._step(self.engine, dt)
            after, levels = self.engine.chain, self.progress.levels
            counts = self._wanted_levels(after)
            if all(w <= present for w, present in zip(counts, levels, strict=True)):
                break
            self._continue_with_levels(tuple(map(max, counts, levels)), before)
        if self.reference_engine:
            reference = self._step(self.reference_engine, dt, 2, _REFERENCE_CUTOFF)
            losses.applications += reference.applications
        if counts != levels:
            self._continue_with_levels(counts, after)
        return losses, errors

    def _step(
        self, engine: Engine, dt: float, half: int = 0, wider: float = 1.0
    ) -> TruncationStats:
        cutoff = wider * self.setup.cutoff * dt
        return engine.step(dt, cutoff, (self.progress.steps, half))

    def _two_half_steps(self, dt: float) -> TruncationStats:
        losses = self._step(self.engine, dt / 2)
        losses.add(self._step(self.engine, dt / 2, 1))
        return losses

    def _probed_step(self, dt: float, repeats: int) -> tuple[TruncationStats, dict[str, Real]]:
        """Take a step as two halves, and on a copy as a whole: they differ by its error."""
        copy = self.engine.copy()
        applications = self._step(copy, dt).applications
        losses = self._two_half_steps(dt)
        losses.applications += applications
        coarse, fine = (self.state(_numpy(engine.chain)) for engine in (copy, self.engine))
        observables = self.problem.observables
        errors = {o.name: probed_step_error(o, coarse, fine, repeats) for o in observables}
        return losses, errors

    # Results.

    def state(self, tensors: list[Real] | None = None) -> MPSState:
        """Return the state, as NumPy arrays; with all levels that the model allows."""
        model, now, order = self.problem.model, self.progress, self._full_setup.order
        chain = [
            A if site < model.n_spins
            else resized(A, now.levels[site - model.n_spins], model.dims[site])
            for site, A in zip(order.tolist(), tensors or now.tensors, strict=True)
        ]  # fmt: skip
        epsilon = self._full_setup.epsilon
        return MPSState(tuple(chain), order, np.array(model.dims), model.n_spins, epsilon)

    def snapshot(self, time: float | None) -> Snapshot:
        """Return observables, error bars and restart data; a heartbeat at no time."""
        state, now = self.state(), self.progress
        if time is not None:
            now.smallest_eigenvalue = min(now.smallest_eigenvalue, state.smallest_eigenvalue())
        if time is None:
            return Snapshot(now.time, stats=self.stats(), state=state, carry=self._carry())
        if now.tally.saturated > 0 and not self._warned:
            self._warn_saturated()
        values, errors = {}, {}
        for o in self.problem.observables:
            values[o.name], errors[o.name] = self._value_and_errors(o, state)
        return Snapshot(time, values, errors, self.stats(), state, self._carry())

    def _value_and_errors(self, o: Observable, state: MPSState) -> tuple[Any, dict[str, Any]]:
        """Return an observable and its half-widths by source."""
        now, value = self.progress, evaluate(state, o)
        errors = self.bars.by_source(o, now)
        if now.coarse:
            difference = (evaluate(self.state(now.coarse), o) - value) / 3
            value = value - difference * self.setup.extrapolate
            errors["time_step"] = double_step_error(difference)
        if now.companion:
            difference = evaluate(self.state(now.companion), o) - value
            now.apart[o.name] = reference_error(difference, now.apart.get(o.name, 0.0))
            errors["truncation"] = now.apart[o.name]
            del errors["projection"]  # it is in the difference
        return value, errors

    def _carry(self) -> dict[str, Any]:
        """Return all that a resume needs, which later steps do not change."""
        now = self.progress
        copied = {name: dict(getattr(now, name)) for name in _GROWING}
        return {**now.__dict__, **copied, "tally": dict(now.tally.__dict__)}

    def _warn_saturated(self) -> None:
        self._warned = True
        largest = self.progress.tally.saturated
        warn(
            f"`max_bond` = {self.setup.max_bond} cut away singular values of {largest:.1e}, above"
            f" the cutoff. Increase `max_bond`, or `cutoff` or `epsilon` decides the accuracy."
        )

    def _facts(self) -> dict[str, float]:
        """Return the largest values so far: a resumed run has not built what came before."""
        known = self.progress.facts
        return {
            name: max(value, known.get(name, value)) for name, value in self.setup.facts().items()
        }

    def stats(self) -> dict[str, Any]:
        """Return numbers that describe the effort and the losses, since the start."""
        now = self.progress
        stats: dict[str, Any] = {
            "steps": now.steps,
            "largest_bond": now.largest_bond,
            **self._facts(),
            "epsilon": self._full_setup.epsilon,
            "discarded": now.lost,
            "projected": now.projected,
            "applications": now.tally.applications,
            "trace_defect": now.trace_defect,
            "smallest_eigenvalue": now.smallest_eigenvalue,
        }
        if len(now.tail):
            stats["fock_tail"], stats["fock_levels"] = float(now.tail.max()), now.levels
        return stats


_GROWING = ("step_errors", "apart")  # dicts of the progress that steps write into


def _restarted(carry: Any) -> Progress:
    """Return the progress of restart data, which steps then leave as they are."""
    copied = {name: dict(carry[name]) for name in _GROWING}
    return Progress(**{**carry, **copied, "tally": TruncationStats(**carry["tally"])})


def _numpy(chain: list[Array]) -> list[Real]:
    return [do("to_numpy", A) for A in chain]
