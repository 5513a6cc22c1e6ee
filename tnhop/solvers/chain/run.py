"""One evolution of a matrix-product density matrix: steps, their errors, and restart data.

Engines advance chains; the run chooses the lengths of steps and adds up what they err by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnhop.physics.problem import Problem
from tnhop.physics.start_errors import StartErrors
from tnhop.solvers.bounds import cut_weights, photon_steps
from tnhop.solvers.chain.chains import (
    Chains,
    ChainTensors,
    largest_levels,
    state_with_all_levels,
)
from tnhop.solvers.chain.engine import EngineSetup, Progress
from tnhop.solvers.chain.error_bars import ErrorBars, probed_step_error, transverse_length
from tnhop.solvers.chain.fock_levels import reweighted
from tnhop.solvers.chain.network.distances import distance, vector_norm
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.steps.truncation import TruncationStats
from tnhop.support.arrays import Real
from tnhop.support.codec import digest
from tnhop.support.errors import ConvergenceError

_STILL = 1e-2  # motion of a state that may be left out, in units of the tolerance of steps
_REST = 0.25  # span for which it is left out, in units of the time so far
_WORTHWHILE = 10  # smallest span, in steps
_ALIKE = 0.9  # bonds of the companion over those of the chain, from where on both err alike
_SUDDEN = 2.0  # a state that moves faster by this factor than in the step before is probed


@dataclass(frozen=True)
class Probe:
    """Difference of a whole step from its two halves.

    Attributes
    ----------
    length : float
        Length of the step.
    error : float
        Error of the whole step, as a norm of the vector in units of that of the state.
    losses : float
        What truncation and projection changed in it, in the same units.
    errors : dict of str to ndarray
        Errors of the observables.
    """

    length: float
    error: float
    losses: float
    errors: dict[str, Real]


class ChainRun:
    """One evolution.

    Parameters
    ----------
    setup : EngineSetup
        Engine, coordinates and tolerances.
    problem : Problem
        Model, state, output times and observables.
    method : Method
        Whose run it is: a start that it reached itself brings its errors along.
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
    chains : Chains
        Engines at the end of the last step.
    before : Chains
        Engines at its beginning.
    begun : dict
        Restart data of its beginning.
    noise : float
        What truncation and projection changed in the last step, in units of the norm.
    rests : bool
        Whether a state that hardly moves may stand still for a while.
    """

    def __init__(self, setup: EngineSetup, problem: Problem, method: Any, carry: Any) -> None:
        self.problem, self.schedule, self._setup = problem, setup.schedule, setup
        self.bars = ErrorBars(problem, setup.bases, setup.order, method.precision)
        self.rests = True
        self.noise, self._counts = 0.0, photon_steps(problem.model)
        self.continued = carry is None and _is_continued(problem, method)
        if carry is not None:
            self.progress = _restarted(carry)
        elif self.continued:
            self.progress = self._continued_progress()
        else:
            self.progress = self._first_progress()
        now = self.progress
        tensors = ChainTensors(now.tensors, now.coarse, now.companion)
        self.chains = Chains(setup, problem.model, tensors, now.levels)
        if carry is None:
            self._fit_first_levels()
        self.begun, self.before = self.restart_data(), self.chains.copy()

    def _first_progress(self) -> Progress:
        """Return the progress at the beginning."""
        model, state, setup = self.problem.model, self.problem.state, self._setup
        if isinstance(state, MPSState):
            chain = reweighted(state, setup.epsilon)
        else:
            order = [int(k) for k in setup.order]
            chain = MPSState.from_product(state, model.dims, order, setup.epsilon)
        tensors = list(chain.tensors)
        return Progress(
            tensors, tensors * setup.extrapolate, tensors * bool(setup.companion_engine),
            levels=largest_levels(model), tail=cut_weights(state, model, model.modes),
        )  # fmt: skip

    def _continued_progress(self) -> Progress:
        """Return the progress of the run that reached the start, at time 0."""
        state = self.problem.state
        history = dict(state.start_errors.history)
        chain = reweighted(state, self._setup.epsilon)
        lists = {name: [history[name][str(k)] for k in range(len(history[name]))]
                 for name in ("coarse", "companion", "nodes")}  # fmt: skip
        tally = TruncationStats(**history["tally"])
        levels = largest_levels(self.problem.model)
        return Progress(
            **{**history, **lists, "tally": tally, "tensors": list(chain.tensors),
               "levels": levels, "time": 0.0, "next_output": 0}
        )  # fmt: skip

    def _fit_first_levels(self) -> None:
        """Begin with the levels that the start needs, and all chains in canonical form."""
        now, chains = self.progress, self.chains
        chains.resize(chains.wanted_levels(chains.main.chain), chains.main.chain)
        self._take_tensors()
        now.levels = chains.levels

    def state(self) -> MPSState:
        """Return the state at the end of the last step, as NumPy arrays, with all levels."""
        now, model = self.progress, self.problem.model
        return state_with_all_levels(now.tensors, now.levels, model, self._setup)

    def sums(self, time: float) -> dict[str, Any]:
        """Return the sums of losses up to a time in the last step, or after it."""
        now, begun = self.progress, self.begun
        length = now.time - begun["time"]
        share = min((time - begun["time"]) / length, 1.0) if length > 0 else 1.0
        return {
            name: begun[name] + share * (getattr(now, name) - begun[name])
            for name in ("lost", "projected", "mpo_error")
        }

    def budgets(self) -> dict[str, dict[str, Any]]:
        """Return the half-widths of all observables by source, at the end of the last step."""
        now = self.progress
        return {o.name: self.bars.by_source(o, now, now.time) for o in self.problem.observables}

    # Steps.

    def advance(self) -> None:
        """Take one step; shorter ones instead of a step that fails or errs too much."""
        now = self.progress
        if now.still_until > now.time:
            self._pass_still_time()
        if now.steps == 0:
            self.chains.expand_initial_bonds()
        self.begun, self.before = self.restart_data(), self.chains.copy()
        while True:
            length = self.schedule.length(now.steps, now.length, min(now.allowed, now.smooth))
            try:
                with np.errstate(all="ignore"):  # what overflows is not finite, which is seen
                    losses, probe = self._step(length)
            except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
                now.allowed = self.schedule.retreat(length)
                if not now.allowed:
                    raise _given_up(now.time, length, error) from error
            else:
                if probe is None or self._is_accepted(probe):
                    break
                now.allowed = self.schedule.allowed(length, probe.error, self._least(probe))
            now.smooth, self.chains = math.inf, self.before.copy()
        self._count(length, losses, probe)

    def _is_accepted(self, probe: Probe) -> bool:
        """Return whether a step is good enough, or as good as shorter ones would be."""
        now, speed = self.progress, probe.error / probe.length
        now.least = self.schedule.least(probe.length, speed, now.last_probe, now.least)
        now.last_probe = probe.length, speed
        return self.schedule.accepts(probe.length, probe.error, self._least(probe))

    def _least(self, probe: Probe) -> float:
        """Return the error per unit of time that needs more bonds, not shorter steps."""
        return max(self.progress.least, probe.losses / probe.length)

    def _step(self, length: float) -> tuple[TruncationStats, Probe | None]:
        """Take a step, probed if its turn has come or the state moves much faster than before."""
        now, before = self.progress, self.state()
        probed = self.schedule.probes(length, now.probed_length, now.since_probe)
        losses, whole = self.chains.step(length, now.steps, probed)
        self._moved = self._distance(before) / length
        sudden = self._moved > max(_SUDDEN * now.moved, self.schedule.tolerance)
        if self.schedule.adaptive and sudden and whole is None:
            self.chains = self.before.copy()
            losses, whole = self.chains.step(length, now.steps, True)
        if whole is None:
            return losses, None
        state, observables = self.chains.state(), self.problem.observables
        errors = {o.name: probed_step_error(o, whole, state) for o in observables}
        error, lost = 4 / 3 * self._distance(whole), self._relative(losses)
        return losses, Probe(length, error, lost, errors)

    def _relative(self, losses: TruncationStats) -> float:
        """Return what truncation and projection changed, in units of the norm of the vector."""
        lost = math.sqrt(losses.discarded) + math.sqrt(losses.projected)
        return lost / vector_norm(self.chains.state().tensors)

    def _distance(self, other: MPSState) -> float:
        """Return the distance from another state, in units of the norm of the vector.

        Raises
        ------
        ConvergenceError
            If one of them is not finite.
        """
        chains = [list(state.tensors) for state in (other, self.chains.state())]
        moved = distance(*chains) / vector_norm(chains[0])
        if not math.isfinite(moved):
            raise ConvergenceError("The state is not finite.")
        return moved

    def _count(self, length: float, losses: TruncationStats, probe: Probe | None) -> None:
        """Add a step to the progress."""
        now = self.progress
        if probe is not None:
            self._settle(probe)
        now.since_probe += 1
        now.pending += length
        now.pending_cubes += length**3
        now.tally.add(losses)
        discarded, projected = math.sqrt(losses.discarded), math.sqrt(losses.projected)
        now.lost += discarded
        now.projected += projected
        now.steps += 1
        now.time += length
        self.noise = self._relative(losses)
        now.length, now.moved, now.levels = length, self._moved, self.chains.levels
        self._take_tensors()
        now.facts = self.facts()
        now.largest_bond = max(now.largest_bond, *(A.shape[2] for A in now.tensors))
        if _bonds(now.companion) > _ALIKE * _bonds(now.tensors):
            now.unseen += discarded + projected
        state = self.state()
        speed = self.chains.setup.mpo_error(self.chains.main, transverse_length(state))
        now.mpo_error += length * speed
        now.trace_defect = max(now.trace_defect, abs(float(state.trace()) - 1))
        highest = [
            state.photon_distribution(k)[n - count : n].sum()
            for k, (n, count) in enumerate(zip(now.levels, self._counts, strict=True))
        ]
        now.tail = np.maximum(now.tail, highest)
        self._rest()

    def _take_tensors(self) -> None:
        now, tensors = self.progress, self.chains.tensors()
        now.tensors, now.coarse = tensors.main, tensors.double_step
        now.companion = tensors.companion

    def _settle(self, probe: Probe) -> None:
        """Take over the error of a probed step; the steps before it err like the worse probe."""
        now, length = self.progress, probe.length
        rates = {name: error / length for name, error in probe.errors.items()}
        for name, rate in rates.items():
            worse = np.maximum(rate, now.error_rates.get(name, 0.0))
            now.step_errors[name] = now.step_errors.get(name, 0.0) + now.pending * worse
        now.error_rates, now.probed_length = rates, length
        now.since_probe, now.pending, now.pending_cubes = 0, 0.0, 0.0
        now.allowed = self.schedule.allowed(length, probe.error, self._least(probe))

    def _rest(self) -> None:
        """Let a state that hardly moves stand still for a while, longer the older it is.

        Lρ follows the same equation as ρ, and its norm as an operator never grows: what is missed
        is at most the motion so far times the span, which is less than what steps err by.
        """
        now, span = self.progress, _REST * self.progress.time
        slow = now.moved < _STILL * self.schedule.tolerance
        if not (self.rests and self.schedule.adaptive and slow) or span < _WORTHWHILE * now.length:
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
        now.nodes = [node | {"time": now.time} for node in now.nodes[-1:]]

    # Restarts.

    def restart_data(self) -> dict[str, Any]:
        """Return all that a resume needs, which later steps do not change."""
        now = self.progress
        copied = {name: dict(getattr(now, name)) for name in _GROWING}
        return {
            **now.__dict__, **copied, "nodes": list(now.nodes), "tally": dict(now.tally.__dict__)
        }  # fmt: skip

    def history(self, others: ChainTensors, time: float) -> dict[str, Any]:
        """Return what a run that goes on from a state of this one must know besides the state.

        Parameters
        ----------
        others : ChainTensors
            Chains at the time of the state.
        time : float
            This time.
        """
        now, model = self.progress, self.problem.model
        kept = self.restart_data() | self.sums(time)
        for name in ("tensors", "levels", "time", "next_output"):
            del kept[name]
        earlier = [node for node in now.nodes if node["time"] < time]
        kept["nodes"] = {str(k): n | {"time": n["time"] - time} for k, n in enumerate(earlier)}
        for name, chain in (("coarse", others.double_step), ("companion", others.companion)):
            full = state_with_all_levels(chain, now.levels, model, self._setup) if chain else None
            kept[name] = {str(k): A for k, A in enumerate(full.tensors)} if full else {}
        return kept | {"still_until": 0.0, "before": now.before + time}

    # Statistics.

    def facts(self) -> dict[str, float]:
        """Return the largest values so far: a resumed run has not built what came before."""
        known, setup = self.progress.facts, self.chains.setup
        return {name: max(value, known.get(name, value)) for name, value in setup.facts().items()}

    def stats(self) -> dict[str, Any]:
        """Return numbers that describe the effort and the losses, since the start."""
        now = self.progress
        stats: dict[str, Any] = {
            "steps": now.steps,
            "largest_bond": now.largest_bond,
            **self.facts(),
            "epsilon": self._setup.epsilon,
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


def _bonds(chain: list[Real]) -> int:
    """Return the sum of the bonds of a chain."""
    return sum(A.shape[2] for A in chain)


def _is_continued(problem: Problem, method: Any) -> bool:
    """Return whether a method goes on from a state that it reached itself, for the same model."""
    errors: StartErrors | None = getattr(problem.state, "start_errors", None)
    if errors is None or not (errors.history and errors.model and errors.method):
        return False
    same = errors.model == problem.model.digest and errors.method == digest(method)
    known = all(errors.half_width(o) is not None for o in problem.observables)
    return same and known


def _restarted(carry: Any) -> Progress:
    """Return the progress of restart data, which steps then leave as they are."""
    copied = {name: dict(carry.get(name, {})) for name in _GROWING}
    return Progress(**{**carry, **copied, "tally": TruncationStats(**carry["tally"])})


def _given_up(time: float, length: float, error: Exception) -> ConvergenceError:
    return ConvergenceError(
        f"A step of length {length:.1e} at t = {time:.3g} fails ({error}). Use a method without"
        " steps of a chain, such as `Exact`, or a larger `max_bond`."
    )
