"""Evolution of packed density matrices by Taylor steps: what `Exact` and `Symmetric` share.

The state is a product of independent parts (`Exact` has one). Every part takes its own steps; the
expectation values of its operators are combined at the output times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot, evaluate
from tnhop.solvers.bounds import functional_bound, operator_bound, rate_error, saved_states_memory
from tnhop.solvers.exact.block_lindbladian import BlockLindbladian, multiplied
from tnhop.solvers.exact.taylor import TaylorPropagator
from tnhop.support.arrays import Real
from tnhop.support.heartbeat import beat

Combine = Callable[[list[NDArray[np.complex128]]], NDArray[np.complex128]]

STATES_MEMORY = 1e8  # bytes spent on states at output times inside one step


def output_states_memory(problem: Problem, size: float) -> float:
    """Return the bytes of states of `size` numbers at output times, kept or for functionals."""
    if problem.save_states:
        return saved_states_memory(problem, 8 * size)
    if all(o.functional is None for o in problem.observables or ()):
        return 0.0
    return min(STATES_MEMORY, 8 * size * len(np.atleast_1d(problem.times)))


class LinearGenerator(Protocol):
    """A generator L of x' = L x, as the propagator applies it."""

    size: int
    dim: int
    norm: float

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""

    @property
    def accumulate(self) -> Callable[[Real, Real, Real], None]:
        """``accumulate(weights, x, rows)`` adds ``weights[q] * x`` to every ``rows[q]``."""

    def apply(self, x: Real, out: Real, half: bool = False) -> Real:
        """Write the derivative of x into `out`."""


@dataclass(frozen=True, eq=False)
class LinearPart:
    """An independent part of the system.

    Attributes
    ----------
    L : LinearGenerator
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
    half : bool
        Whether x is symmetric and stays so.
    """

    L: LinearGenerator
    rows: sp.csr_array
    tails: sp.csr_array
    levels: tuple[int, ...]
    x: Real
    cut: Real
    half: bool = False


@dataclass(frozen=True, eq=False)
class _Progress:
    """State and accumulated errors of a part: all that bit-identical steps from here need."""

    time: float
    x: Real
    length: float | None
    error: float
    tail: Real
    applications: int


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
        Accepted error of the state (2-norm), summed over the evolution.
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
        model = self.problem.model
        return {o.name: np.array([operator_bound(op, model) for op in o.operators])
                .reshape(o.shape) for o in self.problem.observables if o.operators}  # fmt: skip

    @cached_property
    def needs_state(self) -> bool:
        """Whether states are needed at the output times."""
        return self.problem.save_states or any(o.functional for o in self.problem.observables)

    @cached_property
    def rate_error(self) -> float:
        """Error of the generator from fitted rates."""
        return sum(rate_error(jump) for jump in self.problem.model.jumps)

    def snapshots(self, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        times = np.asarray(self.problem.times)
        if carry is None:
            done = [self._start(part) for part in self.parts]
        else:
            done = [_Progress(**at) for at in carry["parts"]]
        first = 0 if carry is None else int(carry["next"])
        runs = [self._run(part, at, times, first)
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
                    yield self._heartbeat(now, k)
            yield self._snapshot(k, outputs)

    def _start(self, part: LinearPart) -> _Progress:
        tail = np.maximum(part.tails @ part.x, part.cut)
        rounding = 4 * float(np.finfo(float).eps * np.linalg.norm(part.x))
        return _Progress(0.0, part.x, None, rounding, tail, 0)

    def _run(
        self, part: LinearPart, at: _Progress, times: Real, first: int
    ) -> Iterator[_Output | _Progress]:
        """Yield the outputs of a part, and its progress after every step."""
        rows = sp.csr_array(sp.vstack([part.rows, part.tails], format="csr"))
        n = part.rows.shape[0]
        keep = max(1, int(STATES_MEMORY // (8 * part.L.size))) if self.needs_state else 0
        propagator = TaylorPropagator(
            partial(part.L.apply, half=part.half), part.L.mean_diagonal, rows, self.tolerance,
            part.L.accumulate, keep, 8 / part.L.norm,
        )  # fmt: skip
        if times[0] == 0.0 and at.time == 0.0 and first == 0:
            yield _Output(_complex((rows @ at.x)[:n]), at.x, at, at)
        for step in propagator.steps(at.x, times, at.time, at.length):
            probed = np.maximum(step.probes[:, n:], 0.0).max(axis=0, initial=0.0)
            now = replace(at, error=at.error + step.error, tail=np.maximum(at.tail, probed),
                          applications=at.applications + step.n_applications)  # fmt: skip
            end = replace(now, time=step.end, x=step.x, length=step.length)
            inside = np.flatnonzero((times > step.start * (1 + 1e-12))
                                    & (times <= step.end * (1 + 1e-12)))  # fmt: skip
            for j, k in enumerate(inside[-len(step.moments) :] if len(step.moments) else ()):
                last = times[k] == times[-1]
                x = step.x if last else None if step.states is None else step.states[j]
                if k >= first:
                    yield _Output(_complex(step.moments[j, :n]), x, now, at)
            at = end
            yield at

    def _heartbeat(self, now: list[_Progress], k: int) -> Snapshot:
        time = min(at.time for at in now)
        state = self.state([now[0].x]) if len(now) == 1 else None
        carry = {"next": k, "parts": [dict(vars(at)) for at in now]}
        return Snapshot(time, stats=self.stats(now), state=state, carry=carry)

    def _snapshot(self, k: int, outputs: list[_Output]) -> Snapshot:
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
        errors = {o.name: self.errors(o, time, now, state) for o in self.problem.observables}
        carry = {"next": k + 1, "parts": [dict(vars(output.begun)) for output in outputs]}
        last = k == len(times) - 1
        kept = state if self.problem.save_states or last or time == 0.0 else None
        return Snapshot(time, values, errors, self.stats(now), kept, carry)

    def errors(
        self, o: Observable, time: float, now: Sequence[_Progress], state: Any
    ) -> dict[str, Any]:
        """Return the half-widths by source, Eq. (36) of docs/physics.md."""
        bound = self.bounds[o.name] if o.functional is None else functional_bound(o, state)
        pairs = list(zip(self.parts, now, strict=True))
        # trace-norm errors of independent parts add up
        error = sum(math.sqrt(part.L.dim) * at.error for part, at in pairs)
        sources = {"time_step": bound * error}
        if self.rate_error:
            sources["rates"] = bound * self.rate_error * time
        if self.problem.model.n_modes:
            # calibrated on random cases: what is lost above the top level comes back up to fock_dim
            # times larger, and covers the true error in 97 % of them (tests/convergence)
            sources["fock_tail"] = bound * sum(
                float(np.array(part.levels) @ at.tail) for part, at in pairs
            )
        return {name: np.broadcast_to(value, o.shape).copy() for name, value in sources.items()}

    def stats(self, now: Sequence[_Progress]) -> dict[str, Any]:
        """Return the effort so far."""
        applications = sum(int(at.applications) for at in now)
        stats: dict[str, Any] = {"applications": applications, **self.facts}
        if self.problem.model.n_modes:
            stats["fock_tail"] = max(float(at.tail.max(initial=0.0)) for at in now)
        return stats


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
    """

    L: BlockLindbladian
    x: Real
    first: list[sp.csr_array]
    sizes: list[float]
    rows: sp.csr_array

    def moments(self, times: Real, tolerance: float) -> tuple[NDArray[np.complex128], Real]:
        """Return ⟨A(t) B⟩ and its trace-norm error, shapes (n_first, n_times, n_rows), (n_first,).

        Quantum regression: Bρ is split into Hermitian parts, which the generator propagates.
        """
        values, errors = [], []
        for B in self.first:
            halves, error = [], 0.0
            for x in multiplied(B, self.x, self.L.block_dims):
                propagator = TaylorPropagator(
                    self.L.apply, self.L.mean_diagonal, self.rows, tolerance, self.L.accumulate,
                    first_length=8 / self.L.norm,
                )  # fmt: skip
                start = [self.rows @ x] if times[0] == 0.0 else []
                steps = []
                for step in propagator.steps(x, times) if times[-1] > 0 else ():
                    beat()
                    steps.append(step)
                rows = np.concatenate([np.reshape(start, (-1, len(self.rows.indptr) - 1)),
                                       *(step.moments for step in steps)])  # fmt: skip
                halves.append(rows[:, 0::2] + 1j * rows[:, 1::2])
                error += math.sqrt(self.L.dim) * sum(step.error for step in steps)
            values.append(halves[0] + 1j * halves[1])
            errors.append(error)
        return np.array(values), np.array(errors)


def regression(
    parts: Sequence[RegressionPart],
    first: tuple[NDArray[np.complex128], NDArray[np.intp]],
    second: tuple[NDArray[np.complex128], NDArray[np.intp]],
    times: Real,
    tolerance: float,
) -> tuple[NDArray[np.complex128], float]:
    """Return Σ over products of factors of ⟨A(t) B(0)⟩, and the error per unit of ‖A‖.

    `first` and `second` are weights and, for every weight and part, the factor.
    """
    moments, errors = zip(*(part.moments(times, tolerance) for part in parts), strict=True)
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
