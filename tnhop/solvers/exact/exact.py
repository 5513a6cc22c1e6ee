"""Exact: the full density matrix, propagated without ever forming the generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.problem import (
    Cost,
    Problem,
    Snapshot,
    missing_functionals,
    unsuitable_start,
)
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator
from tnhop.physics.time_parts import TimePart, time_parts
from tnhop.solvers.bounds import cut_weights, fitted_error, operator_bound, photon_steps
from tnhop.solvers.exact.cost import (
    application_time,
    row_operations,
    spectral_bounds,
    states_per_step,
)
from tnhop.solvers.exact.dense_state import (
    DenseState,
    Lindbladian,
    expectation_rows,
    operator_matrix,
    top_level_rows,
)
from tnhop.solvers.exact.evolution import (
    Evolution,
    LinearPart,
    RegressionPart,
    output_states_memory,
    regression,
)
from tnhop.solvers.exact.stationary import SlowModes, slow_spectrum, stationary
from tnhop.solvers.exact.steady_answer import fock_errors, steady_answer
from tnhop.solvers.exact.taylor import Allowance, LinearGenerator, predicted_applications
from tnhop.solvers.exact.timed import TimedGenerator, TimedPart
from tnhop.solvers.fitted import DenseMatrix, Taylor
from tnhop.solvers.machine_speed import speed
from tnhop.solvers.refinement import TaylorMethod
from tnhop.solvers.start_errors import size_of_error
from tnhop.support.arrays import Complex, Real
from tnhop.support.checks import fail
from tnhop.support.codec import register
from tnhop.support.units import pretty_bytes

__all__ = ["Exact"]


@register
@dataclass(frozen=True)
class Exact(TaylorMethod):
    r"""The full density matrix, of dimension 4^N times fock_dim² per mode.

    The generator acts matrix-free in real arithmetic on the packed Hermitian matrix, Eq. (34) of
    docs/physics.md; time steps are shifted Taylor series, Eq. (35), of adaptive length and degree,
    or Chebyshev series, Eq. (100), where energies differ by more than rates damp.

    Parameters
    ----------
    tolerance : float
        Accepted error of the density matrix (trace norm), summed over times up to 10⁶ units,
        Eq. (85); runs from a final state go on with what is left of it.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.

    Notes
    -----
    **Error**: Time step: ‖O‖ times the error that the tolerance allows up to that time, Eqs. (36)
    and (85), and the rounding of the series. Start: ‖O‖ times the error of the state that a run
    goes on from, Eq. (87). Purity and entropies: Eq. (88). Fock space: ‖O‖ fock_dim times the
    largest population that the highest kept level has had, calibrated on random cases.
    Rates: ‖O‖ t times the error of fitted callables. Steady states: residual and rounding over
    the slowest decay, Eq. (94).

    **Cost**: Memory about 8 vectors of 4^N reals (N = 10: 70 MB). Time about t · ‖L‖ applications
    of some 10 N · 4^N operations each (N = 8: 0.1 s, N = 10: 2 s to t = 10). Functionals such as
    `purity` need the state at every output time and up to 100 MB more.

    **Use when** N ≤ 10 (12 with patience) or for few modes: it is the oracle of the other methods.
    **Do not use when** the state does not fit into memory; `estimate` tells.

    See Also
    --------
    evolve, steady_state, liouvillian_spectrum

    Examples
    --------
    >>> Exact(tolerance=1e-8)
    Exact(tolerance=1e-08, max_memory=None)
    """

    papers: ClassVar[tuple[str, ...]] = ()  # first described by this software
    follows_time: ClassVar[bool] = True

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if reason := unsuitable_start("Exact", problem.state, DenseState):
            return reason
        need = self._need(problem, verb)
        if need > self.memory_limit:
            return (
                f"Method `Exact` would propagate density matrices of dimension"
                f" {_dimension(problem.model)} and needs {pretty_bytes(need)}, but"
                f" {pretty_bytes(self.memory_limit)} are allowed (`max_memory`)."
                " Use `MeanField`, or fewer spins or Fock levels."
            )
        return missing_functionals(problem.observables or (), DenseState)

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:
        """Predict memory and time without allocating."""
        model, size = problem.model.largest(), _size(problem.model)
        end = float(np.max(problem.times, initial=0.0))
        allowance = Allowance(self.tolerance, model.rate_scale)
        count = predicted_applications(spectral_bounds(model), end, allowance)
        each = application_time(
            size, math.sqrt(size), row_operations(model), DenseMatrix.PER_OPERATION,
            states_per_step(problem, count),
        )  # fmt: skip
        compiling = DenseMatrix.PER_TERM * speed().calls * (model.n_sites + len(model.jumps))
        parts = max(1, len(problem.model.time_functions))  # each is applied
        time = Taylor.START_UP * speed().calls + compiling + parts * count * each
        if verb != "evolve":
            time = Taylor.EIGENPAIRS * each
        return Cost(
            self._need(problem, verb) + Taylor.LOADED, time, f"dimension {_dimension(model)}"
        )

    def _need(self, problem: Problem, verb: str) -> float:
        """Bytes of vectors, and of states at output times where they are needed."""
        size = _size(problem.model)
        vectors = 8.0 if verb == "evolve" else 100.0
        return 8 * size * vectors + output_states_memory(problem, size) + 3e7

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        model = problem.model
        operators = [op for o in problem.observables for op in o.operators]
        part = LinearPart(
            _generator(model),
            expectation_rows(model.dims, operators),
            top_level_rows(model.dims, model.modes, photon_steps(model)),
            tuple(model.sites[k].dim for k in model.modes),
            _packed(problem.state, model),
            cut_weights(problem.state, model, model.modes),
            tuple(range(model.n_modes)),
        )

        def state(x: list[Real]) -> DenseState:
            return DenseState(x[0].reshape((model.hilbert_dim,) * 2), model.dims, model.n_spins)

        run = Evolution(problem, [part], self.tolerance, lambda moments: moments[0], state)
        yield from run.snapshots(carry)

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary state; if several exist, the one that the initial state reaches."""
        model = problem.model
        L = Lindbladian(model)
        start = None if problem.state is None else _packed(problem.state, model)
        limit = stationary(SlowModes(L), np.eye(L.dim).ravel(), start)
        state = DenseState(limit.x.reshape(L.dim, L.dim), model.dims, model.n_spins)
        tops = top_level_rows(model.dims, model.modes, photon_steps(model)) @ limit.x
        tails = [(model.sites[k].dim, float(top)) for k, top in zip(model.modes, tops, strict=True)]
        lowest = float(state.populations().min())
        return steady_answer(problem, self, state, limit, lowest, tails, _dimension(model))

    def correlation(
        self, problem: Problem, first: Operator, second: Operator
    ) -> tuple[Complex, float]:
        """Return ⟨second(t) first(0)⟩ at the times of the problem, and its error."""
        model, L = problem.model, Lindbladian(problem.model)
        part = RegressionPart(
            L, _packed(problem.state, model), [operator_matrix(model.dims, first)],
            [operator_bound(first, model)], expectation_rows(model.dims, [second]),
            top_level_rows(model.dims, model.modes, photon_steps(model)),
            tuple(model.sites[k].dim for k in model.modes),
            cut_weights(problem.state, model, model.modes),
        )  # fmt: skip
        one = np.ones(1, dtype=complex), np.zeros((1, 1), dtype=np.intp)
        allowance = Allowance(self.tolerance, model.rate_scale)
        values, error = regression([part], one, one, np.asarray(problem.times), allowance)
        late = float(np.max(problem.times, initial=0.0))
        start = size_of_error(problem.state) + fitted_error(model) * late
        error += operator_bound(first, model) * start
        return values, error * operator_bound(second, model)

    def liouvillian_spectrum(self, problem: Problem, k: int) -> Spectrum:
        """Return the k eigenvalues of the generator with the largest real parts."""
        model = problem.model
        size = _size(model)
        at_most = max(1, int((self.memory_limit / 8 / size - 60) / 3))  # Arnoldi vectors
        if min(k, size) > at_most:
            raise fail("k", f"be at most {at_most} for {size:.0f} dimensions", f"it is {k}")
        L = Lindbladian(model)
        pairs, zeros = slow_spectrum(SlowModes(L), k)
        place = np.indices(model.dims).reshape(len(model.dims), -1)
        errors = pairs.errors + fock_errors(
            pairs, L, [(model.dims[m], place[m]) for m in model.modes]
        )
        return Spectrum(pairs.values, pairs.residuals, zeros, model, self, errors)


def _generator(model: Model) -> LinearGenerator | TimedGenerator:
    """Return the generator of a model, in parts if it depends on time."""
    if not model.time_functions:
        return Lindbladian(model)

    def part(p: TimePart) -> TimedPart:
        def generator(argument: float) -> LinearGenerator:
            jumps = tuple(jump.with_numbers(argument) if isinstance(jump, FieldJump) else jump
                          for jump in p.jumps)  # fmt: skip
            return Lindbladian(Model(model.sites, p.hamiltonian, jumps))

        field_jumps = tuple(jump for jump in p.jumps if isinstance(jump, FieldJump))
        return TimedPart(p.function, generator, p.argument, field_jumps)

    return TimedGenerator([part(p) for p in time_parts(model)])


def _packed(state: Any, model: Model) -> Real:
    dense = DenseState.from_product(state, model.dims) if isinstance(state, ProductState) else state
    return dense.packed.ravel()


def _size(model: Model) -> float:
    """Dimension of the space of density matrices; infinite where a float ends."""
    return float(model.hilbert_dim) ** 2 if model.hilbert_dim < 2**500 else float("inf")


def _dimension(model: Model) -> str:
    factors = [f"4^{model.n_spins}"] if model.n_spins else []
    factors += [f"{model.sites[k].dim}^2" for k in model.modes]
    size = _size(model)
    return f"{' x '.join(factors)} = {size:.0f}" if size < 1e15 else " x ".join(factors)
