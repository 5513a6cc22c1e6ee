"""Outputs of an evolution of a chain: values at any time, whatever the steps are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Snapshot, evaluate
from tnhop.solvers.chain.chains import ChainTensors, state_with_all_levels
from tnhop.solvers.chain.dense_output import MOST_NODES, DenseOutput
from tnhop.solvers.chain.error_bars import companion_error, double_step_error
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.run import ChainRun
from tnhop.support.arrays import Real
from tnhop.support.errors import warn

_SAME_TIME = 1e-9  # of the length of a step: an output time this close to its end is its end


class Outputs:
    """Values and error bars of a run.

    Linear observables are interpolated between the ends of steps, so that they depend neither on
    the other output times nor on their number.

    Parameters
    ----------
    run : ChainRun
        The evolution.
    """

    def __init__(self, run: ChainRun) -> None:
        self.run, self._warned, self._witnessed = run, False, -1
        self._linear = [o for o in run.problem.observables if o.functional is None]
        self._dense: DenseOutput | None = None
        nodes = run.progress.nodes
        if not nodes or nodes[-1]["time"] < run.progress.time:
            self._add_node()

    def advance(self) -> None:
        """Take one step, and note the observables at its end."""
        self.run.advance()
        self._add_node()
        self._choose_smooth_length()

    def reaches(self, time: float) -> bool:
        """Return whether the state at an output time is known."""
        now = self.run.progress
        return time <= max(now.time + _SAME_TIME * now.length, now.still_until)

    def heartbeat(self) -> Snapshot:
        """Return the progress at the end of the last step."""
        run, now = self.run, self.run.progress
        others = ChainTensors([], now.coarse, now.companion)
        state = run.state()
        return Snapshot(
            now.time, errors={o.name: self._errors(o, now.time) for o in self._linear},
            stats=run.stats(), state=state, carry=run.restart_data(),
            history=run.history(others, now.time),
        )  # fmt: skip

    def at(self, time: float) -> Snapshot:
        """Return observables, error bars and restart data at the next output time.

        Where a state is wanted, and for observables that are not linear, copies of the chains take
        a shorter step from the beginning of the last one.
        """
        run, now, problem = self.run, self.run.progress, self.run.problem
        now.next_output += 1
        inside = time < now.time - _SAME_TIME * now.length
        last = now.next_output == len(np.atleast_1d(problem.times))
        wanted = last or problem.save_states or problem.states_wanted
        state, others = None, ChainTensors([], now.coarse, now.companion)
        if not inside:
            state = run.state()
        elif wanted or len(self._linear) < len(problem.observables):
            state, others = self._inside(time)
        self._witness()
        if now.tally.saturated > 0 and not self._warned:
            self._warn_saturated()
        values, errors = self._values_and_errors(time, inside, state, others)
        data = {**run.begun, "next_output": now.next_output} if inside else run.restart_data()
        return Snapshot(
            time, values, errors, run.stats(), state if wanted else None, data,
            history=run.history(others, time) if last else {},
        )  # fmt: skip

    def _values_and_errors(
        self, time: float, inside: bool, state: MPSState | None, others: ChainTensors
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        now = self.run.progress
        values, interpolation = now.nodes[-1]["values"], None
        if inside:
            self._dense = self._dense or DenseOutput(now.nodes)
            values, interpolation = self._dense.at(time)
        errors = {o.name: self._errors(o, time) for o in self.run.problem.observables}
        for name in interpolation or ():
            assert interpolation is not None
            errors[name]["time_step"] = errors[name]["time_step"] + interpolation[name]
        all_values = {
            o.name: self._functional(o, state, others) if o.functional else values[o.name]
            for o in self.run.problem.observables
        }
        return all_values, errors

    def _functional(self, o: Observable, state: MPSState | None, others: ChainTensors) -> Any:
        """Return a functional of the state, less the error of the steps where it is subtracted."""
        value = evaluate(state, o)
        if not others.double_step:
            return value
        return value - (evaluate(self._state_of(others.double_step), o) - value) / 3

    def _state_of(self, chain: list[Real]) -> MPSState:
        """Return the state of another chain at the end of the step."""
        run = self.run
        levels, model = run.progress.levels, run.problem.model
        return state_with_all_levels(chain, levels, model, run.chains.setup)

    def _errors(self, o: Observable, time: float) -> dict[str, Any]:
        """Return the half-widths of an observable by source."""
        run, now = self.run, self.run.progress
        if run.continued and time <= 0:
            return run.problem.state.start_errors.half_widths[o.name] | {"start": np.zeros(o.shape)}
        then = replace(now, **run.sums(time))
        errors = run.bars.by_source(o, then, now.before + min(time, now.time) - now.still)
        if now.coarse:
            errors["time_step"] = now.doubled[o.name]
        if now.companion:
            errors["truncation"] = run.bars.with_unseen(o, now.apart[o.name], now.unseen)
            del errors["projection"]  # it is in the difference
        if run.continued:
            errors["start"] = np.zeros(o.shape)  # it is in the others
        return errors

    def _inside(self, time: float) -> tuple[MPSState, ChainTensors]:
        """Return the state, and other chains, at a time within the last step."""
        run, chains = self.run, self.run.before.copy()
        chains.part_of_step(time - float(run.begun["time"]), run.progress.steps)
        return chains.state(), chains.tensors()

    def _witness(self) -> None:
        """Look for negative eigenvalues at the end of the step, once."""
        now = self.run.progress
        if self._witnessed != now.steps:
            self._witnessed = now.steps
            smallest = self.run.state().smallest_eigenvalue()
            now.smallest_eigenvalue = min(now.smallest_eigenvalue, smallest)

    def _add_node(self) -> None:
        """Note the observables at the end of a step, and how far other chains are apart."""
        run, now = self.run, self.run.progress
        state, observables = run.state(), run.problem.observables
        others = {"companion": now.companion, "coarse": now.coarse}
        noted = observables if any(others.values()) else self._linear
        values = {o.name: evaluate(state, o) for o in noted}
        for name, chain in others.items():
            if not chain:
                continue
            other = self._state_of(chain)
            for o in observables:
                difference = evaluate(other, o) - values[o.name]
                if name == "companion":
                    now.apart[o.name] = companion_error(difference, now.apart.get(o.name, 0.0))
                else:
                    earlier = now.doubled.get(o.name, 0.0)
                    now.doubled[o.name] = double_step_error(difference / 3, earlier)
                    values[o.name] = values[o.name] - difference / 3
        node = {
            "time": now.time,
            "values": {o.name: values[o.name] for o in self._linear},
            "rates": self._rates_of_change(),
        }
        now.nodes, self._dense = [*now.nodes[1 - MOST_NODES :], node], None

    def _rates_of_change(self) -> dict[str, Any]:
        """Return the derivatives of linear observables; none where there is no generator."""
        functionals = self.run.chains.setup.functionals
        if functionals is None or not self._linear:
            return {}
        operators = [A for o in self._linear for A in o.operators]
        derivatives = functionals.rates_of_change(self.run.progress.tensors, operators)
        rates, at = dict[str, Real](), 0
        for o in self._linear:
            full = derivatives[at : at + len(o.operators)].reshape(o.shape)
            rates[o.name] = full if o.is_complex else full.real
            at += len(o.operators)
        return rates

    def _choose_smooth_length(self) -> None:
        """Let the next steps be no longer than what interpolation resolves."""
        run, now = self.run, self.run.progress
        if not self._linear or len(now.nodes) < 2:
            return
        dense = DenseOutput(now.nodes)
        errors, worst = dense.step_errors, 0.0
        now.nodes = [*now.nodes[:-1], now.nodes[-1] | {"errors": dense.own_errors}]
        for o in self._linear:
            bound = run.bars.norms[o.name]["bound"]
            relative = np.divide(errors[o.name], bound, where=bound > 0, out=np.zeros(o.shape))
            worst = max(worst, float(np.max(relative, initial=0.0)))
        now.smooth = run.schedule.smooth(now.length, worst, run.noise)

    def _warn_saturated(self) -> None:
        self._warned = True
        run = self.run
        warn(
            f"`max_bond` = {run.chains.setup.max_bond} cut away singular values of"
            f" {run.progress.tally.saturated:.1e}, above the cutoff. Increase `max_bond`, or"
            " `cutoff` or `epsilon` decides the accuracy."
        )
