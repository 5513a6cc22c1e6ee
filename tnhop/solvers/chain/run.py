"""One evolution of a matrix-product density matrix by steps of an engine of TDVP or TEBD.

The engine advances a chain; the run adds the chains that measure errors, the adaptation of Fock
levels, observables with error bars, and restart data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import do

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot, evaluate
from tnhop.solvers.bounds import cut_weights
from tnhop.solvers.chain.dense_output import MOST_NODES, DenseOutput
from tnhop.solvers.chain.engine import Engine, EngineSetup, Progress
from tnhop.solvers.chain.error_bars import (
    ErrorBars,
    double_step_error,
    probed_step_error,
    reference_error,
    transverse_length,
)
from tnhop.solvers.chain.fock_levels import Levels, resized, reweighted, wanted_levels
from tnhop.solvers.chain.network.distances import distance, vector_norm
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.truncation import TruncationStats, right_canonical
from tnhop.support.arrays import Array, Real
from tnhop.support.errors import ConvergenceError, warn

_REFERENCE_CUTOFF = 4.0  # cutoff of the reference chain, in units of that of the chain
_SAME_TIME = 1e-9  # of the length of a step: an output time this close to its end is its end
_STILL = 1e-2  # motion of a state that may be left out, in units of the tolerance of steps
_REST = 0.25  # span for which it is left out, in units of the time so far
_WORTHWHILE = 10  # smallest span, in steps
_SUDDEN = 2.0  # a state that moves faster by this factor than in the step before is probed


@dataclass(frozen=True)
class Probe:
    """Difference of a whole step from its two halves.

    Attributes
    ----------
    error : float
        Error of the whole step, as a norm of the vector in units of that of the state.
    errors : dict of str to ndarray
        Errors of the observables.
    """

    error: float
    errors: dict[str, Real]


@dataclass(frozen=True)
class _Engines:
    """Engines and levels between two steps."""

    main: Engine
    double_step: Engine | None
    reference: Engine | None
    levels: Levels
    setup: EngineSetup


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
    begun : dict
        Restart data of the beginning of the last step.
    """

    def __init__(self, setup: EngineSetup, problem: Problem, carry: Any) -> None:
        self.problem, self.schedule = problem, setup.schedule
        self._warned, self._witnessed = False, -1
        self._full_setup = setup  # with all levels that the model allows
        model = problem.model
        self._largest_levels = tuple(model.sites[k].dim for k in model.modes)
        self.bars = ErrorBars(problem, setup.bases, setup.order)
        self.progress = self._start() if carry is None else _restarted(carry)
        self.setup = self._setup_for_levels()
        self.engine = self._new_engine(self.setup.engine, self.progress.tensors)
        self.double_step_engine = self.reference_engine = None
        if setup.extrapolate:
            self.double_step_engine = self._new_engine(self.setup.engine, self.progress.coarse)
        if self.setup.reference_engine:
            self.reference_engine = self._new_engine(
                self.setup.reference_engine, self.progress.companion
            )
        self.begun, self._before = self._carry(), self._engines()
        if not self.progress.nodes:
            self._add_node()

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
        now.coarse = now.tensors * setup.extrapolate
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

    def advance(self) -> None:
        """Take one step; shorter ones instead of a step that fails or errs too much."""
        now = self.progress
        if now.still_until > now.time:
            self._pass_still_time()
        if now.steps == 0:
            for engine in (self.engine, self.reference_engine):
                if engine:
                    engine.expand_initial_bonds()
        self.begun, self._before = self._carry(), self._engines()
        while True:
            length = self.schedule.length(now.steps, now.length, min(now.allowed, now.smooth))
            try:
                with np.errstate(all="ignore"):  # what overflows is not finite, which is seen
                    losses, probe = self._step_of(length)
            except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
                now.allowed = self.schedule.retreat(length)
                if not now.allowed:
                    raise _given_up(now.time, length, error) from error
            else:
                if probe is None or self.schedule.accepts(length, probe.error):
                    break
                now.allowed = self.schedule.allowed(length, probe.error)
            now.smooth = math.inf
            self._go_back(self._before)
        self._count(length, losses, probe)

    def _step_of(self, length: float) -> tuple[TruncationStats, Probe | None]:
        """Take a step, probed if its turn has come, or if the state moves much faster than before.

        Raises
        ------
        ConvergenceError
            If the state is not finite.
        """
        now = self.progress
        probed = self.schedule.probes(length, now.probed_length, now.since_probe)
        before, engines = self.state(_numpy(self.engine.chain)), self._engines()
        losses, probe = self._step_at_fitting_levels(length, probed)
        self.moved = self._distance(before) / length
        if not math.isfinite(self.moved):
            raise ConvergenceError("The state is not finite.")
        sudden = self.moved > max(_SUDDEN * now.moved, self.schedule.tolerance)
        if not probed and self.schedule.adaptive and sudden:
            self._go_back(engines)
            losses, probe = self._step_at_fitting_levels(length, True)
        return losses, probe

    def _engines(self) -> _Engines:
        """Return all that a step changes besides the progress."""
        doubled, reference = self.double_step_engine, self.reference_engine
        return _Engines(
            self.engine.copy(), doubled and doubled.copy(), reference and reference.copy(),
            self.progress.levels, self.setup,
        )  # fmt: skip

    def _go_back(self, before: _Engines) -> None:
        """Return to the engines before a step."""
        doubled, reference = before.double_step, before.reference
        self.engine = before.main.copy()
        self.double_step_engine = doubled and doubled.copy()
        self.reference_engine = reference and reference.copy()
        self.progress.levels, self.setup = before.levels, before.setup

    def _distance(self, other: MPSState) -> float:
        """Return the distance from another state, in units of the norm of the vector."""
        chains = [list(other.tensors), list(self.state(_numpy(self.engine.chain)).tensors)]
        return distance(*chains) / vector_norm(chains[0])

    def _count(self, length: float, losses: TruncationStats, probe: Probe | None) -> None:
        """Add a step to the progress."""
        now = self.progress
        if probe is not None:
            self._settle(length, probe)
        now.since_probe += 1
        now.pending += length
        now.pending_cubes += length**3
        now.tally.add(losses)
        now.lost += math.sqrt(losses.discarded)
        now.projected += math.sqrt(losses.projected)
        now.steps += 1
        now.time += length
        now.length, now.moved = length, self.moved
        now.facts = self._facts()
        now.tensors = _numpy(self.engine.chain)
        now.coarse = _numpy(self.double_step_engine.chain) if self.double_step_engine else []
        now.companion = _numpy(self.reference_engine.chain) if self.reference_engine else []
        now.largest_bond = max(now.largest_bond, *(A.shape[2] for A in now.tensors))
        state = self.state()
        now.mpo_error += length * self.setup.mpo_error(transverse_length(state))
        now.trace_defect = max(now.trace_defect, abs(float(state.trace()) - 1))
        highest = [state.photon_distribution(k)[n - 1] for k, n in enumerate(now.levels)]
        now.tail = np.maximum(now.tail, highest)
        self._add_node()
        self._rest(length)

    def _rest(self, length: float) -> None:
        """Let a state that hardly moves stand still for a while, longer the older it is.

        Lρ follows the same equation as ρ, and its norm as an operator never grows: what is missed
        is at most the motion so far times the span, which is less than what steps err by.
        """
        now, span = self.progress, _REST * self.progress.time
        slow = now.moved < _STILL * self.schedule.tolerance
        if not (self.schedule.adaptive and slow) or span < _WORTHWHILE * length:
            return
        now.still_until = now.time + span
        missed = span * now.moved * vector_norm(now.tensors)
        for name, norms in self.bars.norms.items():
            now.step_errors[name] = now.step_errors.get(name, 0.0) + missed * norms["norm"]

    def _pass_still_time(self) -> None:
        """Go to the end of the time in which the state stands still."""
        now = self.progress
        now.still += now.still_until - now.time
        now.time = now.still_until
        now.nodes = [now.nodes[-1] | {"time": now.time}]

    def _settle(self, length: float, probe: Probe) -> None:
        """Take over the error of a probed step; the steps before it err like the worse probe."""
        now = self.progress
        rates = {name: error / length for name, error in probe.errors.items()}
        for name, rate in rates.items():
            worse = np.maximum(rate, now.error_rates.get(name, 0.0))
            now.step_errors[name] = now.step_errors.get(name, 0.0) + now.pending * worse
        now.error_rates, now.probed_length = rates, length
        now.since_probe, now.pending, now.pending_cubes = 0, 0.0, 0.0
        now.allowed = self.schedule.allowed(length, probe.error)

    def _step_at_fitting_levels(
        self, dt: float, probed: bool
    ) -> tuple[TruncationStats, Probe | None]:
        """Take a step, again if the modes then turn out to need more levels."""
        while True:
            before, probe = self.engine.chain, None
            if probed:
                losses, probe = self._probed_step(dt)
            elif self.double_step_engine:
                losses = self._two_half_steps(dt)
            else:
                losses = self._step(self.engine, dt)
            after, levels = self.engine.chain, self.progress.levels
            counts = self._wanted_levels(after)
            if all(w <= present for w, present in zip(counts, levels, strict=True)):
                break
            self._continue_with_levels(tuple(map(max, counts, levels)), before)
        if self.double_step_engine:
            losses.add(self._step(self.double_step_engine, dt))
        if self.reference_engine:
            reference = self._step(self.reference_engine, dt, 2, _REFERENCE_CUTOFF)
            losses.applications += reference.applications
        if counts != levels:
            self._continue_with_levels(counts, after)
        return losses, probe

    def _step(
        self, engine: Engine, dt: float, half: int = 0, wider: float = 1.0
    ) -> TruncationStats:
        cutoff = wider * self.setup.cutoff * dt
        return engine.step(dt, cutoff, (self.progress.steps, half))

    def _two_half_steps(self, dt: float) -> TruncationStats:
        losses = self._step(self.engine, dt / 2)
        losses.add(self._step(self.engine, dt / 2, 1))
        return losses

    def _probed_step(self, dt: float) -> tuple[TruncationStats, Probe]:
        """Take a step as two halves, and on a copy as a whole: they differ by its error."""
        copy = self.engine.copy()
        applications = self._step(copy, dt).applications
        losses = self._two_half_steps(dt)
        losses.applications += applications
        coarse = self.state(_numpy(copy.chain))
        fine = self.state(_numpy(self.engine.chain))
        observables = self.problem.observables
        errors = {o.name: probed_step_error(o, coarse, fine) for o in observables}
        return losses, Probe(4 / 3 * self._distance(coarse), errors)

    # Results.

    def state(self, tensors: list[Real] | None = None, levels: Levels | None = None) -> MPSState:
        """Return the state, as NumPy arrays; with all levels that the model allows."""
        model, now, order = self.problem.model, self.progress, self._full_setup.order
        levels = now.levels if levels is None else levels
        chain = [
            A if site < model.n_spins
            else resized(A, levels[site - model.n_spins], model.dims[site])
            for site, A in zip(order.tolist(), tensors or now.tensors, strict=True)
        ]  # fmt: skip
        epsilon = self._full_setup.epsilon
        return MPSState(tuple(chain), order, np.array(model.dims), model.n_spins, epsilon)

    def reaches(self, time: float) -> bool:
        """Return whether the state at an output time is known."""
        now = self.progress
        return time <= max(now.time + _SAME_TIME * now.length, now.still_until)

    def heartbeat(self) -> Snapshot:
        """Return the progress at the end of the last step."""
        return Snapshot(
            self.progress.time, stats=self.stats(), state=self.state(), carry=self._carry()
        )

    def output(self, time: float) -> Snapshot:
        """Return observables, error bars and restart data at the next output time.

        Linear observables are interpolated between the ends of steps. Where a state is wanted, and
        for other observables, a copy takes a shorter step from the beginning of the last one.
        """
        now, problem = self.progress, self.problem
        now.next_output += 1
        inside = time < now.time - _SAME_TIME * now.length
        last = now.next_output == len(np.atleast_1d(problem.times))
        wanted = last or problem.save_states or problem.states_wanted
        state = None
        if not inside:
            state = self.state()
        elif wanted or any(o.functional for o in problem.observables):
            state = self._state_inside(time)
        self._witness()
        if now.tally.saturated > 0 and not self._warned:
            self._warn_saturated()
        between = DenseOutput(now.nodes).at(time) if inside else None
        values, errors = {}, {}
        for o in problem.observables:
            errors[o.name] = self._errors(o, time)
            if o.functional is not None:
                values[o.name] = evaluate(state, o)
            elif between is None:
                values[o.name] = now.nodes[-1]["values"][o.name]
            else:
                values[o.name] = between[0][o.name]
                errors[o.name]["time_step"] = errors[o.name]["time_step"] + between[1][o.name]
        carry = {**self.begun, "next_output": now.next_output} if inside else self._carry()
        return Snapshot(time, values, errors, self.stats(), state if wanted else None, carry)

    def _state_inside(self, time: float) -> MPSState:
        """Return the state at a time within the last step."""
        engine, dt = self._before.main.copy(), time - float(self.begun["time"])
        engine.step(dt, self.setup.cutoff * dt, (self.progress.steps, 3))
        return self.state(_numpy(engine.chain), self._before.levels)

    def _witness(self) -> None:
        """Look for negative eigenvalues at the end of the step, once."""
        now = self.progress
        if self._witnessed != now.steps:
            self._witnessed = now.steps
            smallest = self.state().smallest_eigenvalue()
            now.smallest_eigenvalue = min(now.smallest_eigenvalue, smallest)

    def _add_node(self) -> None:
        """Note the linear observables at the end of a step, and how far other chains are apart."""
        now, state = self.progress, self.state()
        linear = [o for o in self.problem.observables if o.functional is None]
        values = {o.name: evaluate(state, o) for o in self.problem.observables
                  if o.functional is None or now.companion or now.coarse}  # fmt: skip
        for name, chain in (("companion", now.companion), ("coarse", now.coarse)):
            if not chain:
                continue
            other = self.state(chain)
            for o in self.problem.observables:
                difference = evaluate(other, o) - values[o.name]
                if name == "companion":
                    now.apart[o.name] = reference_error(difference, now.apart.get(o.name, 0.0))
                else:
                    earlier = now.doubled.get(o.name, 0.0)
                    now.doubled[o.name] = double_step_error(difference / 3, earlier)
                    values[o.name] = values[o.name] - difference / 3
        node = {
            "time": now.time,
            "values": {o.name: values[o.name] for o in linear},
            "rates": self._rates_of_change(linear),
        }
        now.nodes = [*now.nodes[1 - MOST_NODES :], node]
        if linear and len(now.nodes) > 1:
            errors = DenseOutput(now.nodes).step_errors
            bounds = {o.name: self.bars.norms[o.name]["bound"] for o in linear}
            worst = max(float(np.max(errors[name] / bound)) for name, bound in bounds.items())
            now.smooth = self.schedule.smooth(now.length, worst)

    def _rates_of_change(self, observables: list[Observable]) -> dict[str, Any]:
        """Return the derivatives of observables in time; none where there is no generator."""
        if self.setup.functionals is None:
            return {}
        operators = [A for o in observables for A in o.operators]
        derivatives = self.setup.functionals.rates_of_change(self.progress.tensors, operators)
        rates, at = {}, 0
        for o in observables:
            full = derivatives[at : at + len(o.operators)].reshape(o.shape)
            rates[o.name] = full if o.is_complex else full.real
            at += len(o.operators)
        return rates

    def _errors(self, o: Observable, time: float) -> dict[str, Any]:
        """Return the half-widths of an observable by source."""
        now = self.progress
        errors = self.bars.by_source(o, now, min(time, now.time) - now.still)
        if now.coarse:
            errors["time_step"] = now.doubled[o.name]
        if now.companion:
            errors["truncation"] = now.apart[o.name]
            del errors["projection"]  # it is in the difference
        return errors

    def _carry(self) -> dict[str, Any]:
        """Return all that a resume needs, which later steps do not change."""
        now = self.progress
        copied = {name: dict(getattr(now, name)) for name in _GROWING}
        return {
            **now.__dict__, **copied, "nodes": list(now.nodes), "tally": dict(now.tally.__dict__)
        }  # fmt: skip

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


_GROWING = ("step_errors", "apart", "doubled")  # dicts of the progress that steps write into


def _restarted(carry: Any) -> Progress:
    """Return the progress of restart data, which steps then leave as they are."""
    copied = {name: dict(carry.get(name, {})) for name in _GROWING}
    return Progress(**{**carry, **copied, "tally": TruncationStats(**carry["tally"])})


def _numpy(chain: list[Array]) -> list[Real]:
    return [do("to_numpy", A) for A in chain]


def _given_up(time: float, length: float, error: Exception) -> ConvergenceError:
    return ConvergenceError(
        f"A step of length {length:.1e} at t = {time:.3g} fails ({error}). Use a method without"
        " steps of a chain, such as `Exact`, or a larger `max_bond`."
    )
