"""Symmetric: exact dynamics of interchangeable spins, at sizes far beyond 4^N."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.problem import (
    Cost,
    Problem,
    Snapshot,
    missing_functionals,
    unsuitable_start,
)
from tnhop.physics.terms import Operator
from tnhop.solvers.bounds import fitted_error, operator_bound, photon_steps
from tnhop.solvers.exact.eigenpairs import falling
from tnhop.solvers.exact.evolution import output_states_memory
from tnhop.solvers.exact.stationary import SlowModes, combined, slow_spectrum
from tnhop.solvers.exact.steady_answer import fock_errors, steady_answer
from tnhop.solvers.fitted import SymmetricBlocks, Taylor
from tnhop.solvers.machine_speed import speed
from tnhop.solvers.refinement import TaylorMethod
from tnhop.solvers.start_errors import size_of_error
from tnhop.solvers.symmetric.class_state import ClassState
from tnhop.solvers.symmetric.cost import blocks_time, chain_time
from tnhop.solvers.symmetric.operators import is_averaged, jump_obstacle
from tnhop.solvers.symmetric.populations import PopulationState
from tnhop.solvers.symmetric.reduced_problem import (
    SymmetricProblem,
    chain_evolution,
    chosen_classes,
    is_classical,
    state_size,
)
from tnhop.solvers.symmetric.spin_classes import SpinClasses, find_classes
from tnhop.solvers.symmetric.state import SymmetricState
from tnhop.support.checks import fail, one_of
from tnhop.support.codec import register
from tnhop.support.units import pretty_bytes

__all__ = ["Symmetric"]


@register
@dataclass(frozen=True)
class Symmetric(TaylorMethod):
    r"""Exact solution in the space of states that permutations inside classes leave unchanged.

    Spins are put into classes of interchangeable ones, found from the terms of the Model; a class
    of N spins needs :math:`\binom{N+3}{3}` numbers instead of 4^N. The blocks of total spin J are
    propagated matrix-free, Eqs. (44)-(49) of docs/physics.md, with the time steps of `Exact`.

    Parameters
    ----------
    tolerance : float
        Accepted error of the state (trace norm), summed over times up to 10⁶ units.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.
    eigensolver : str
        Search of `steady_state` and `liouvillian_spectrum`, in every sector of the reflections.
        ``"propagator"``: Arnoldi iteration on e^{Lτ}, matrix-free; finds the slowest decay whatever
        its frequency. ``"shift-invert"``: a sparse LU decomposition and the eigenvalues nearest to
        zero, among which a slow but fast rotating one may be missing.

    Notes
    -----
    **Error**: None of its own: the reduction is exact. Time step, start, functionals, Fock space
    and rates: as `Exact`. Gaps and spectra are those of symmetric states: decays that break the
    symmetry between the spins of a class may be slower.

    **Cost**: Memory about 8 vectors of :math:`\prod_g \binom{N_g+3}{3} \prod_\mu d_\mu^2` reals
    (one pattern, N = 100: 1.4 MB each). Time proportional to that size, to t and to the norm of the
    generator: N⁴ for one pattern. Parts that no term connects are evolved one by one: two patterns
    cost as much as one. A generator that is real after a turn about z (an open Hopfield network)
    costs half, and half again from a start without σˣ. Spins that start in different states cost
    classes of their own, unless all observables are symmetric: then the start is averaged over
    permutations, which those observables do not feel.

    **Use when** patterns are few: p = 1 to N ≈ 200, p = 2 the same, p = 3 to N ≈ 20; one mode and
    N ≈ 40. It is the oracle of tensor networks at large N. **Do not use when** couplings are
    random.

    See Also
    --------
    Exact, evolve, steady_state, liouvillian_spectrum

    Examples
    --------
    >>> Symmetric(tolerance=1e-8)
    Symmetric(tolerance=1e-08, max_memory=None, eigensolver='propagator')
    """

    papers: ClassVar[tuple[str, ...]] = ("ChaseGeremia2008", "KirtonKeeling2017", "Shammah2018")

    eigensolver: str = "propagator"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.eigensolver, "eigensolver", ["propagator", "shift-invert"])

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if reason := unsuitable_start("Symmetric", problem.state, SymmetricState, PopulationState):
            return reason
        model, classes = problem.model, chosen_classes(problem)
        obstacle = jump_obstacle(model, find_classes(model))
        if obstacle:
            return (
                f"Method `Symmetric` cannot use the permutation symmetry: {obstacle}. Use `Exact`."
            )
        known = isinstance(problem.state, ClassState)
        if known and not classes.is_finer_than(find_classes(model)):
            return (
                f"Method `Symmetric` cannot continue a state with classes of {classes.sizes} spins:"
                " some of these spins are not interchangeable in the model. Use `th.product_state`."
            )
        need = self._need(problem, verb)
        if need > self.memory_limit:
            return self._refusal(problem, classes, need)
        return missing_functionals(problem.observables or (), SymmetricState)

    def _refusal(self, problem: Problem, classes: SpinClasses, need: float) -> str:
        """Return why classes need too much memory, and what to do instead."""
        free = find_classes(problem.model)
        why = f": {free.obstacle}" if free.obstacle else ""
        remedy = "`Exact` for few spins, `MeanField`, or fewer spins or Fock levels"
        if len(free.sizes) < len(classes.sizes):
            why += f"{' and' if why else ':'} spins of one class start in different states"
            remedy = f"observables that are symmetric in the spins of a class, or {remedy}"
        many = len(classes.sizes) > 6
        sizes = f"{len(classes.sizes)} classes" if many else f"classes of {classes.sizes} spins"
        return (
            f"Method `Symmetric` finds {sizes}{why}. It would propagate"
            f" {state_size(problem):.3g} numbers and needs {pretty_bytes(need)}, but"
            f" {pretty_bytes(self.memory_limit)} are allowed (`max_memory`). Use {remedy}."
        )

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:
        """Predict memory and time without allocating."""
        size, n_classes = state_size(problem, verb), len(chosen_classes(problem).sizes)
        if verb == "evolve" and is_classical(problem):
            time = chain_time(problem, self.tolerance)
        else:
            time = blocks_time(problem, verb, self.tolerance)
        note = f"{size:.3g} numbers in {n_classes} classes"
        return Cost(
            self._need(problem, verb) + Taylor.LOADED, Taylor.START_UP * speed().calls + time, note
        )

    def _need(self, problem: Problem, verb: str) -> float:
        """Bytes of vectors, and of states at output times where they are needed."""
        size = state_size(problem, verb)
        vectors = 100.0 if self.eigensolver == "propagator" else SymmetricBlocks.LU_VECTORS
        vectors = 8.0 if verb == "evolve" else vectors
        return 8 * size * vectors + output_states_memory(problem, size) + 3e7

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        compiled = chain_evolution(problem, self.tolerance) if is_classical(problem) else None
        run = compiled or SymmetricProblem(problem).evolution(self.tolerance)
        yield from run.snapshots(carry)

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary state; if several exist, the one that the initial state reaches."""
        reduced = SymmetricProblem(problem)
        parts = [reduced.stationary(k, self.eigensolver) for k in range(len(reduced.parts))]
        state = reduced.state([part.x for part in parts])
        product = combined(
            parts, np.concatenate([part.x for part in parts]),
            math.sqrt(sum(part.residual**2 for part in parts)),
            math.prod(part.multiplicity for part in parts),
        )  # fmt: skip
        photons = [state.photon_distribution(m) for m in range(problem.model.n_modes)]
        counts = photon_steps(problem.model)
        tails = [(len(p), float(p[-n:].sum())) for p, n in zip(photons, counts, strict=True)]
        lowest = float(state.class_distribution.min())
        dimension = f"{state_size(problem):.0f}"
        return steady_answer(problem, self, state, product, lowest, tails, dimension)

    def correlation(self, problem: Problem, first: Operator, second: Operator) -> Any:
        """Return ⟨second(t) first(0)⟩ at the times of the problem, and its error."""
        reduced = SymmetricProblem(problem)
        if not is_averaged(first, reduced.classes, problem.model.modes):
            raise fail("first", "be symmetric in the spins of every class", "it is not",
                       "Sum it over a class, or use `Exact`.")  # fmt: skip
        values, error = reduced.correlation(first, second, self.tolerance)
        late = float(np.max(problem.times, initial=0.0))
        start = size_of_error(problem.state) + fitted_error(problem.model) * late
        error += operator_bound(first, problem.model) * start
        return values, error * operator_bound(second, problem.model)

    def liouvillian_spectrum(self, problem: Problem, k: int) -> Spectrum:
        """Return the k eigenvalues with the largest real parts, among symmetric states.

        The full generator has more eigenvalues: those of modes that permutations change.
        """
        model, reduced = problem.model, SymmetricProblem(problem)
        total, zeros = [np.zeros(1, dtype=complex), *np.zeros((3, 1))], 1
        for part in range(len(reduced.parts)):
            of_sectors, count = [], 0
            for L in reduced.sectors(part):
                pairs, still = slow_spectrum(SlowModes(L, L.reflections, self.eigensolver), k)
                cut = fock_errors(pairs, L, L.levels())
                of_sectors.append((pairs.values, pairs.residuals, pairs.errors, cut))
                count += still
            # independent parts: rates add up, and so do errors and residuals of product vectors
            total = [
                np.add.outer(before, np.concatenate(own)).ravel()
                for before, own in zip(total, zip(*of_sectors, strict=True), strict=True)
            ]
            order = falling(total[0], total[2])[:k]
            total, zeros = [array[order] for array in total], zeros * count
        values, residuals, errors, cut = total
        zeros = min(zeros, len(values))
        return Spectrum(values, residuals, zeros, model, self, errors + cut)
