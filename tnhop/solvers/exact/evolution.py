"""Evolution of packed density matrices by Taylor steps: what `Exact` and `Symmetric` share.

The state is a product of independent parts (`Exact` has one). Every part takes its own steps; the
expectation values of its operators are combined at the output times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot, evaluate
from tnhop.solvers.bounds import (
    fitted_error,
    functional_error,
    operator_bounds,
    saved_states_memory,
)
from tnhop.solvers.exact.block_lindbladian import BlockLindbladian, multiplied
from tnhop.solvers.exact.taylor import EPS, Allowance, LinearGenerator, SeriesPropagator
from tnhop.solvers.exact.timed import TimedGenerator, TimedPropagator
from tnhop.solvers.start_errors import start_error
from tnhop.support.arrays import Real
from tnhop.support.heartbeat import beat

Combine = Callable[[list[NDArray[np.complex128]]], NDArray[np.complex128]]

_HISTORY = "taylor"  # under which states remember what `_Start` holds
STATES_MEMORY = 1e8  # bytes spent on states at output times inside one step


def output_states_memory(problem: Problem, size: float) -> float:
    """Return the bytes of states of `size` numbers at output times, kept or for functionals."""
    if problem.save_states:
        return saved_states_memory(problem, 8 * size)
    if all(o.functional is None for o in problem.observables or ()):
        return 0.0
    return min(STATES_MEMORY, 8 * size * len(np.atleast_1d(problem.times)))


@dataclass(frozen=True, eq=False)
class LinearPart:
    """An independent part of the system.

    Attributes
    ----------
    L : LinearGenerator or TimedGenerator
        Its generator.
    rows : sparse array, shape (2 n_moments, size)
        Real and imaginary parts of the expectation values of its operators, as dual vectors.
    tails : sparse array, shape (n_modes, size)
        Populations of the highest kept levels of its modes.
    levels : tuple of int
        Numbers of kept levels.
    x : ndarray, shape (size,)
        Packed state at the start.
    cut : ndarray, shape (n_modes,)
        Weight of the initial coherent states above the kept levels.
    modes : tuple of int
        Numbers of its modes.
    half : bool
        Whether x is symmetric and stays so.
    """

    L: LinearGenerator | TimedGenerator
    rows: sp.csr_array
    tails: sp.csr_array
    levels: tuple[int, ...]
    x: Real
    cut: Real
    modes: tuple[int, ...] = ()
    half: bool = False


@dataclass(frozen=True, eq=False)
class _Progress:
    """State and accumulated errors of a part: all that bit-identical steps from here need."""

    time: float
    x: Real
    length: float | None
    rounding: float
    tail: Real
    applications: int
    focus: float = 0.0
    longest: float | None = None


@dataclass(frozen=True, eq=False)
class _Start:
    """What was before the start: error without that of Fock levels (None: no error), and a time.

    `elapsed` is in units of the rates, `tail` the largest population of the highest levels so far.
    """

    error: float | None = None
    elapsed: float = 0.0
    tail: Real | None = None

    @classmethod
    def of(cls, state: Any) -> _Start:
        """Return what a state brings along."""
        errors = getattr(state, "start_errors", None)
        if errors is None:
            return cls()
        known = errors.history.get(_HISTORY)  # of any method with these steps
        return cls(errors.size) if known is None else cls(**known)


@dataclass(frozen=True, eq=False)
class _Output:
    """A part at an output time; `begun` is where its current step began."""

    moments: NDArray[np.complex128]
    x: Real | None
    now: _Progress
    begun: _Progress


@dataclass(frozen=True, eq=False)
class Evolution:
    """One evolution: steps, observables and their errors.

    Attributes
    ----------
    problem : Problem
        The problem.
    parts : sequence of LinearPart
        The independent parts.
    tolerance : float
        Accepted error of the state (trace norm), summed over times up to 10⁶ units.
    combine : callable
        Takes the moments of all parts to the values of all operators, shape (n_operators,).
    state : callable
        Takes the packed parts to a state.
    facts : dict
        Statistics besides the effort.
    """

    problem: Problem
    parts: Sequence[LinearPart]
    tolerance: float
    combine: Combine
    state: Callable[[list[Real]], Any]
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def bounds(self) -> dict[str, Real]:
        """Bounds of the operators of every observable."""
        model, observables = self.problem.model, self.problem.observables
        return {o.name: operator_bounds(o, model) for o in observables if o.functional is None}

    @cached_property
    def needs_state(self) -> bool:
        """Whether states are needed at the output times."""
        return self.problem.save_states or any(o.functional for o in self.problem.observables)

    @cached_property
    def rate_error(self) -> float:
        """Error of the generator from fitted rates and functions of time."""
        return fitted_error(self.problem.model)

    def snapshots(self, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        times = np.asarray(self.problem.times)
        if carry is None:
            before = _Start.of(self.problem.state)
            done = [self._start(part, before) for part in self.parts]
        else:
            before = _Start(**carry["start"])
            done = [_Progress(**at) for at in carry["parts"]]
        first = 0 if carry is None else int(carry["next"])
        allowance = Allowance(self.tolerance, self.problem.model.rate_scale, before.elapsed)
        account = _Account(self, before, allowance)
        share = allowance.share(1 / len(self.parts))
        runs = [self._run(part, at, times, first, share)
                for part, at in zip(self.parts, done, strict=True)]  # fmt: skip
        now = list(done)
        for k in range(first, len(times)):
            outputs: list[_Output] = []
            for p, run in enumerate(runs):
                for item in run:
                    if isinstance(item, _Output):
                        outputs.append(item)
                        break
                    now[p] = item
                    yield self._heartbeat(now, k, account)
            yield self._snapshot(k, outputs, account)

    def _start(self, part: LinearPart, before: _Start) -> _Progress:
        tail = np.maximum(part.tails @ part.x, part.cut)
        if before.tail is not None:
            tail = np.maximum(tail, before.tail[list(part.modes)])
        # of a state that is made here; one that was reached has had its rounding counted
        made = before.error is None
        rounding = 4 * EPS * math.sqrt(part.L.dim) * float(np.linalg.norm(part.x)) * made
        return _Progress(0.0, part.x, None, rounding, tail, 0)

    def _run(
        self, part: LinearPart, at: _Progress, times: Real, first: int, allowance: Allowance
    ) -> Iterator[_Output | _Progress]:
        """Yield the outputs of a part, and its progress after every step."""
        rows = sp.csr_array(sp.vstack([part.rows, part.tails], format="csr"))
        n = part.rows.shape[0]
        keep = max(1, int(STATES_MEMORY // (8 * part.L.size))) if self.needs_state else 0
        propagator = (
            TimedPropagator(part.L, rows, allowance, keep)
            if isinstance(part.L, TimedGenerator)
            else SeriesPropagator(part.L, rows, allowance, keep, part.half)
        )
        if times[0] == 0.0 and at.time == 0.0 and first == 0:
            yield _Output(_complex((rows @ at.x)[:n]), at.x, at, at)
        for step in propagator.steps(at.x, times, at.time, at.length, at.focus, at.longest):
            probed = np.maximum(step.probes[:, n:], 0.0).max(axis=0, initial=0.0)
            now = replace(at, rounding=at.rounding + step.rounding,
                          tail=np.maximum(at.tail, probed),
                          applications=at.applications + step.n_applications)  # fmt: skip
            left_out = step.drift * (step.end - step.start)
            end = replace(now, time=step.end, x=step.x, length=step.length, focus=step.focus,
                          longest=step.longest, rounding=now.rounding + left_out)  # fmt: skip
            inside = np.flatnonzero((times > step.start * (1 + 1e-12))
                                    & (times <= step.end * (1 + 1e-12)))  # fmt: skip
            for j, k in enumerate(inside[-len(step.moments) :] if len(step.moments) else ()):
                last = times[k] == times[-1]
                x = step.x if last else None if step.states is None else step.states[j]
                if k >= first:
                    left_out = step.drift * (float(times[k]) - step.start)
                    reached = replace(now, rounding=now.rounding + left_out)
                    yield _Output(_complex(step.moments[j, :n]), x, reached, at)
            at = end
            yield at

    def _heartbeat(self, now: list[_Progress], k: int, account: _Account) -> Snapshot:
        time = min(at.time for at in now)
        carry = {"next": k, "parts": [dict(vars(at)) for at in now],
                 "start": dict(vars(account.before))}  # fmt: skip
        if len(now) > 1:
            return Snapshot(time, stats=self.stats(now), carry=carry)
        return Snapshot(time, stats=self.stats(now), state=self.state([now[0].x]), carry=carry,
                        **account.reached(time, now))  # fmt: skip

    def _snapshot(self, k: int, outputs: list[_Output], account: _Account) -> Snapshot:
        """Evaluate the observables and their errors at one time."""
        times = np.asarray(self.problem.times)
        time = float(times[k])
        now = [output.now for output in outputs]
        packed = [output.x for output in outputs if output.x is not None]
        state = self.state(packed) if len(packed) == len(outputs) else None
        linear = self.combine([output.moments for output in outputs])
        values, at = {}, 0
        for o in self.problem.observables:
            if o.functional is None:
                full = linear[at : at + len(o.operators)].reshape(o.shape)
                at += len(o.operators)
                values[o.name] = full if o.is_complex else full.real
            else:
                values[o.name] = evaluate(state, o)
        errors = {o.name: account.by_source(o, time, now, state) for o in self.problem.observables}
        carry = {"next": k + 1, "parts": [dict(vars(output.begun)) for output in outputs],
                 "start": dict(vars(account.before))}  # fmt: skip
        last = k == len(times) - 1
        kept = state if self.problem.save_states or last or time == 0.0 else None
        return Snapshot(time, values, errors, self.stats(now), kept, carry,
                        **account.reached(time, now))  # fmt: skip

    def stats(self, now: Sequence[_Progress]) -> dict[str, Any]:
        """Return the effort so far."""
        applications = sum(int(at.applications) for at in now)
        stats: dict[str, Any] = {"applications": applications, **self.facts}
        if self.problem.model.n_modes:
            stats["fock_tail"] = max(float(at.tail.max(initial=0.0)) for at in now)
        return stats


@dataclass(frozen=True, eq=False)
class _Account:
    """Errors of an evolution by source: of the state in the trace norm, and of observables."""

    run: Evolution
    before: _Start
    allowance: Allowance

    def of_state(self, time: float, now: Sequence[_Progress]) -> dict[str, float]:
        """Return the trace-norm errors, those of independent parts added, Eqs. (36) and (85)."""
        steps = self.allowance.between(0.0, time) + math.fsum(at.rounding for at in now)
        errors = {"time_step": steps}
        if self.run.rate_error:
            errors["rates"] = self.run.rate_error * time
        if self.run.problem.model.n_modes:
            # calibrated on random cases: what is lost above the top level comes back up to fock_dim
            # times larger, and covers the true error in 97 % of them (tests/convergence)
            errors["fock_tail"] = math.fsum(
                float(np.array(part.levels) @ at.tail)
                for part, at in zip(self.run.parts, now, strict=True)
            )
        if self.before.error is not None:
            errors["start"] = self.before.error
        return errors

    def by_source(
        self, o: Observable, time: float, now: Sequence[_Progress], state: Any
    ) -> dict[str, Any]:
        """Return the half-widths of an observable, Eq. (36) of docs/physics.md."""
        model, start = self.run.problem.model, self.run.problem.state
        widths = {
            source: self.run.bounds[o.name] * error if o.functional is None
            else functional_error(o, state, model, error)
            for source, error in self.of_state(time, now).items()
        }  # fmt: skip
        if time == 0.0 and "start" in widths and self.before.tail is None:
            widths["start"] = start_error(o, model, start.start_errors, state=state, moved=False)
        return {name: np.broadcast_to(width, o.shape).copy() for name, width in widths.items()}

    def reached(self, time: float, now: Sequence[_Progress]) -> dict[str, Any]:
        """Return what a state remembers of how it was reached."""
        errors = self.of_state(time, now)
        tail = np.zeros(self.run.problem.model.n_modes)
        for part, at in zip(self.run.parts, now, strict=True):
            tail[list(part.modes)] = at.tail
        elapsed = self.before.elapsed + self.allowance.rate * time
        total = math.fsum(errors.values())
        known = {"error": total - errors.get("fock_tail", 0.0), "elapsed": elapsed, "tail": tail}
        return {"trace_norm": total, "history": {_HISTORY: known}}


@dataclass(frozen=True, eq=False)
class RegressionPart:
    """An independent part of a two-time correlation.

    Attributes
    ----------
    L : BlockLindbladian
        Its generator.
    x : ndarray, shape (size,)
        Packed state at the start.
    first : list of sparse array
        Factors of the operator that acts at time 0.
    sizes : list of float
        Bounds of their norms.
    rows : sparse array, shape (2 n_factors, size)
        Factors of the operator measured later, as dual vectors.
    tails : sparse array, shape (n_modes, size)
        Populations of the highest kept levels of its modes.
    levels : tuple of int
        Numbers of kept levels.
    cut : ndarray, shape (n_modes,)
        Weight of the initial coherent states above the kept levels.
    """

    L: BlockLindbladian
    x: Real
    first: list[sp.csr_array]
    sizes: list[float]
    rows: sp.csr_array
    tails: sp.csr_array
    levels: tuple[int, ...]
    cut: Real

    def moments(self, times: Real, allowance: Allowance) -> tuple[NDArray[np.complex128], Real]:
        """Return ⟨A(t) B⟩ and its trace-norm error, shapes (n_first, n_times, n_rows), (n_first,).

        Quantum regression: Bρ is split into Hermitian parts, which the generator propagates.
        """
        values, errors = [], []
        for B, size in zip(self.first, self.sizes, strict=True):
            parts = multiplied(B, self.x, self.L.block_dims)
            halves, error = [], self._fock_tail(B, size, parts, times, allowance)
            for x in parts:
                propagator = SeriesPropagator(self.L, self.rows, allowance)
                start = [self.rows @ x] if times[0] == 0.0 else []
                steps = []
                for step in propagator.steps(x, times) if times[-1] > 0 else ():
                    beat()
                    steps.append(step)
                rows = np.concatenate([np.reshape(start, (-1, len(self.rows.indptr) - 1)),
                                       *(step.moments for step in steps)])  # fmt: skip
                halves.append(rows[:, 0::2] + 1j * rows[:, 1::2])
                error += allowance.between(0.0, float(times[-1]))
                error += sum(s.rounding + s.drift * (s.end - s.start) for s in steps)
            values.append(halves[0] + 1j * halves[1])
            errors.append(error)
        return np.array(values), np.array(errors)

    def _fock_tail(
        self, B: sp.csr_array, size: float, parts: tuple[Real, Real], times: Real,
        allowance: Allowance,
    ) -> float:  # fmt: skip
        """Return the trace-norm error of Bρ from the cut Fock space, Eq. (104) of docs/physics.md.

        B times ρ is a sum of four states (B + i^k) ρ (B + i^k)†, up to phases: together they have
        the populations of the highest levels that BρB† + ρ has, B in units of its norm.
        """
        if not self.levels or size == 0.0:
            return 0.0
        dims = self.L.block_dims
        both = multiplied(B, parts[0], dims)[0] + multiplied(B, parts[1], dims)[1]  # BρB†
        x = both / size + size * self.x
        tail = np.maximum(self.tails @ x, 2 * size * self.cut)
        propagator = SeriesPropagator(self.L, self.tails, allowance)
        for step in propagator.steps(x, times) if times[-1] > 0 else ():
            beat()
            tail = np.maximum(tail, step.probes.max(axis=0, initial=0.0))
        return float(np.array(self.levels) @ tail)


def regression(
    parts: Sequence[RegressionPart],
    first: tuple[NDArray[np.complex128], NDArray[np.intp]],
    second: tuple[NDArray[np.complex128], NDArray[np.intp]],
    times: Real,
    allowance: Allowance,
) -> tuple[NDArray[np.complex128], float]:
    """Return Σ over products of factors of ⟨A(t) B(0)⟩, and the error per unit of ‖A‖.

    `first` and `second` are weights and, for every weight and part, the factor.
    """
    moments, errors = zip(*(part.moments(times, allowance) for part in parts), strict=True)
    total, error = np.zeros(len(times), dtype=complex), 0.0
    for weight, factors in zip(*first, strict=True):
        product = np.ones((len(times), len(second[0])), dtype=complex)
        for k, b in enumerate(factors):
            product *= moments[k][b][:, second[1][:, k]]
            others = [part.sizes[c] for p, (part, c) in
                      enumerate(zip(parts, factors, strict=True)) if p != k]  # fmt: skip
            error += abs(weight) * errors[k][b] * math.prod(others)
        total += weight * (product @ second[0])
    return total, float(error)


def _complex(pairs: Real) -> NDArray[np.complex128]:
    return np.asarray(pairs[0::2] + 1j * pairs[1::2])
