"""Symmetric: exact dynamics of interchangeable spins, at sizes far beyond 4^N."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop._checks import fail, real
from tnhop._codec import register
from tnhop.model import Model
from tnhop.problem import Cost, Problem, Snapshot, missing_functionals, pretty_bytes
from tnhop.representations.symmetric import (
    SpinClasses,
    SymmetricLindbladian,
    SymmetricState,
    correlators,
    find_classes,
    is_averaged,
    joined_labels,
    jump_obstacle,
    key_bound,
    partition,
)
from tnhop.result import Spectrum, SteadyState
from tnhop.solvers._evolution import (
    STATES_MEMORY,
    Evolution,
    LinearPart,
    RegressionPart,
    cut_weights,
    machine_memory,
    norm_bound,
    operator_bound,
    regression,
)
from tnhop.solvers._stationary import (
    Stationary,
    needs_start,
    require_convergence,
    slow_pairs,
    stationary,
    steady_result,
    zero_tolerance,
)
from tnhop.states import ProductState
from tnhop.terms import Operator

__all__ = ["Symmetric"]

Real = NDArray[np.float64]


@register
@dataclass(frozen=True)
class Symmetric:
    r"""Exact solution in the space of states that permutations inside classes leave unchanged.

    Spins are put into classes of interchangeable ones, found from the terms of the Model; a class
    of N spins needs :math:`\binom{N+3}{3}` numbers instead of 4^N. The blocks of total spin J are
    propagated matrix-free, Eqs. (44)-(49) of docs/physics.md, with the time steps of `Exact`.

    Parameters
    ----------
    tolerance : float
        Accepted error of the state (Frobenius norm of the blocks), summed over the evolution.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.

    Notes
    -----
    **Error**: None of its own: the reduction is exact. Time step: at most ‖O‖ √n times the measured
    truncation and rounding of the series, n the summed dimension of the blocks, Eq. (36). Fock
    space and rates: as `Exact`.

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
    Symmetric(tolerance=1e-08, max_memory=None)
    """

    tolerance: float = 1e-10
    max_memory: float | None = None

    def __post_init__(self) -> None:
        real(self.tolerance, "tolerance", minimum=1e-13, maximum=1e-2)
        if self.max_memory is not None:
            real(self.max_memory, "max_memory", above=0.0)

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if not isinstance(problem.state, ProductState | SymmetricState | type(None)):
            return f"Method `Symmetric` cannot start from a {type(problem.state).__name__}."
        model, classes = problem.model, _classes(problem)
        obstacle = jump_obstacle(model, find_classes(model))
        if obstacle:
            return (
                f"Method `Symmetric` cannot use the permutation symmetry: {obstacle}. Use `Exact`."
            )
        if isinstance(problem.state, SymmetricState) and not classes.is_finer_than(
            find_classes(model)
        ):
            return (
                f"Method `Symmetric` cannot continue a state with classes of {classes.sizes} spins:"
                " some of these spins are not interchangeable in the model. Use `th.product_state`."
            )
        need = self.estimate(problem, verb).memory
        limit = self.max_memory or machine_memory() / 2
        if need > limit:
            return self._refusal(problem, classes, need, limit)
        return missing_functionals(problem.observables or (), SymmetricState)

    def _refusal(self, problem: Problem, classes: SpinClasses, need: float, limit: float) -> str:
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
            f" {_size(problem):.3g} numbers and needs {pretty_bytes(need)}, but"
            f" {pretty_bytes(limit)} are allowed (`max_memory`). Use {remedy}."
        )

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:
        """Predict memory and time without allocating."""
        size = _size(problem)
        vectors = 8.0 if verb == "evolve" else 100.0
        kept = sum(o.functional is not None for o in problem.observables or ())
        extra = min(STATES_MEMORY, 8 * size * len(np.atleast_1d(problem.times))) if kept else 0.0
        # measured: 8 ns per number and independent class, 2 ns for every mode
        per_apply = 8e-9 * size * (len(_classes(problem).sizes) + problem.model.n_modes)
        applications = 60 + 1.2 * norm_bound(problem.model) * float(
            np.max(problem.times, initial=0.0)
        )
        if verb != "evolve":
            applications = 60 * 150.0
        note = f"{size:.3g} numbers in {len(_classes(problem).sizes)} classes"
        return Cost(8 * size * vectors + extra + 3e7, per_apply * applications, note)

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        setting = _Setting(problem)
        yield from setting.evolution(self.tolerance).snapshots(carry)

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary state; if several exist, the one that the initial state reaches."""
        setting = _Setting(problem)
        parts = [setting.stationary(k) for k in range(len(setting.parts))]
        state = setting.state([found.x for found in parts])
        gaps = [found.gap for found in parts if not math.isnan(found.gap)]
        x = np.concatenate([found.x for found in parts])
        whole = Stationary(
            x, math.sqrt(sum(found.residual**2 for found in parts)), min(gaps, default=math.nan),
            math.prod(found.multiplicity for found in parts),
            sum(found.undamped for found in parts), all(found.converged for found in parts),
        )  # fmt: skip
        stats = {"dimension": f"{_size(problem):.0f}", "undamped": whole.undamped}
        if problem.model.n_modes:
            tops = [state.photon_distribution(m)[-1] for m in range(problem.model.n_modes)]
            stats["fock_tail"] = float(max(tops))
        lowest = float(state.class_distribution.min())
        return steady_result(problem, self, state, whole, lowest, stats)

    def correlation(self, problem: Problem, first: Operator, second: Operator) -> Any:
        """Return ⟨second(t) first(0)⟩ at the times of the problem and the time-step error."""
        setting = _Setting(problem)
        if not is_averaged(first, setting.classes, problem.model.modes):
            raise fail("first", "be symmetric in the spins of every class", "it is not",
                       "Sum it over a class, or use `Exact`.")  # fmt: skip
        values, error = setting.correlation(first, second, self.tolerance)
        return values, error * operator_bound(second, problem.model)

    def liouvillian_spectrum(self, model: Model, k: int) -> Spectrum:
        """Return the k eigenvalues with the largest real parts, among symmetric states.

        The full generator has more eigenvalues: those of modes that permutations change.
        """
        setting = _Setting(Problem(model, None, [0.0]))
        values, residuals = np.zeros(1, dtype=complex), np.zeros(1)
        for part in range(len(setting.parts)):
            found = [slow_pairs(L, min(k, L.size), L.reflections) for L in setting.sectors(part)]
            for pairs in found:
                require_convergence(pairs, k)
            own = np.concatenate([pairs.values for pairs in found])
            error = np.concatenate([pairs.residuals for pairs in found])
            # independent parts: rates add up, and so do the residuals of product vectors
            values = np.add.outer(values, own).ravel()
            residuals = np.add.outer(residuals, error).ravel()
            order = np.lexsort((-values.imag, -values.real.round(10)))[:k]
            values, residuals = values[order], residuals[order]
        zero = max(zero_tolerance(L) for L in setting.generators)
        return Spectrum(values, residuals, int(np.sum(np.abs(values) < zero)), model, self)


def _classes(problem: Problem) -> SpinClasses:
    """Classes of the model, refined by the start unless no observable would notice."""
    state, classes = problem.state, find_classes(problem.model)
    if isinstance(state, SymmetricState):
        return state.classes
    if state is None:
        return classes
    finer = classes.refined(state.bloch)
    if len(finer.sizes) == len(classes.sizes):
        return classes
    linear = [op for o in problem.observables or () for op in o.operators]
    simple = all(o.functional is None for o in problem.observables or ())
    modes = problem.model.modes
    if simple and not problem.save_states and all(is_averaged(o, classes, modes) for o in linear):
        return classes
    return finer


def _size(problem: Problem) -> float:
    """Numbers in the independent parts together."""
    joined = getattr(problem.state, "joined", None)
    return float(sum(p.size for p in partition(problem.model, _classes(problem), joined)))


class _Setting:
    """A problem in symmetric spaces: classes, independent parts, generators and the start."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.model = problem, problem.model
        self.classes = _classes(problem)
        state = problem.state
        self.parts = partition(self.model, self.classes, getattr(state, "joined", None))
        self.start: SymmetricState | None = None
        if isinstance(state, ProductState):
            self.start = SymmetricState.from_product(state, self.model, self.classes, self.parts)
        elif state is not None:
            self.start = state.rejoined(self.parts)
        self.generators = [
            SymmetricLindbladian(self.model, self.classes, part, weights)
            for part, weights in zip(self.parts, self._weights(), strict=True)
        ]

    def _weights(self) -> list[Real | None]:
        """Weights of the blocks of every part at the start."""
        if self.start is None:
            return [None] * len(self.parts)
        return [
            np.array([np.trace(rho).real for rho in self.start.blocks(k)])
            for k in range(len(self.parts))
        ]

    def evolution(self, tolerance: float) -> Evolution:
        """Compile start, functionals and generators of all parts."""
        assert self.start is not None
        problem, model = self.problem, self.model
        operators = [op for o in problem.observables for op in o.operators]
        keys, weights, owner, table = correlators(operators, self.classes, self.parts)
        collect = sp.csr_array(
            (weights, (owner, np.arange(len(owner)))), (len(operators), len(owner))
        )
        parts = []
        for part, L, own, packed in zip(
            self.parts, self.generators, keys, self.start.packed_parts, strict=True
        ):
            x = L.enter(packed)
            parts.append(
                LinearPart(
                    L, L.rows([part.space.operator(key) for key in own]),
                    L.rows(L.top_levels())[::2], part.fock_dims, x,
                    cut_weights(problem.state, model, part.modes),
                    L.is_real and L.is_symmetric(x),
                )
            )  # fmt: skip

        def combine(moments: list[NDArray[np.complex128]]) -> NDArray[np.complex128]:
            product = np.ones(len(owner), dtype=complex)
            for k, values in enumerate(moments):
                product *= values[table[:, k]]
            return np.asarray(collect @ product)

        return Evolution(problem, parts, tolerance, combine, self.state)

    def correlation(
        self, first: Operator, second: Operator, tolerance: float
    ) -> tuple[NDArray[np.complex128], float]:
        """Return the two-time correlation and its error per unit of ‖second‖."""
        assert self.start is not None
        keys_1, weights_1, _, table_1 = correlators([first], self.classes, self.parts)
        keys_2, weights_2, _, table_2 = correlators([second], self.classes, self.parts)
        parts = [
            RegressionPart(
                L, L.enter(packed), [L.operator(part.space.operator(key)) for key in own],
                [key_bound(key, part.sizes, part.fock_dims) for key in own],
                L.rows([part.space.operator(key) for key in later]),
            ) for part, L, own, later, packed in zip(
                self.parts, self.generators, keys_1, keys_2, self.start.packed_parts, strict=True
            )
        ]  # fmt: skip
        times = np.asarray(self.problem.times)
        return regression(parts, (weights_1, table_1), (weights_2, table_2), times, tolerance)

    def state(self, packed: Sequence[Real]) -> SymmetricState:
        """Return the state of packed parts in the frames of their generators."""
        whole = [L.leave(x) for L, x in zip(self.generators, packed, strict=True)]
        model, n_classes = self.model, len(self.classes.sizes)
        joined = joined_labels(self.parts, n_classes, model.n_spins, model.n_modes)
        levels = np.array([self.model.sites[k].dim for k in self.model.modes], dtype=np.intp)
        return SymmetricState(
            np.concatenate(whole), self.classes.labels, self.classes.signs, levels, joined
        )

    def sectors(self, k: int) -> list[SymmetricLindbladian]:
        """Return the generators of part k on sets of blocks that do not mix."""
        L = self.generators[k]
        if len(L.block_groups) == 1:
            return [L]
        make = partial(SymmetricLindbladian, self.model, self.classes, self.parts[k])
        return [make(group) for group in L.block_groups]

    def stationary(self, k: int) -> Stationary:
        """Return the stationary state of part k in the frame of its generator."""
        whole, found = self.generators[k], []
        packed = np.zeros(self.parts[k].size)
        groups = self.sectors(k)
        if len(groups) > 1 and self.start is None:
            raise ValueError(needs_start(len(groups)))
        for L in groups:
            trace = L.rows([sp.csr_array(sp.eye_array(self.parts[k].space.n, dtype=complex))])
            trace = trace[[0]].toarray()[0]
            start = None if self.start is None else L.enter(self.start.packed_parts[k])
            found.append(stationary(L, trace, start, L.reflections))
            weight = 1.0 if len(groups) == 1 else trace @ start
            packed = packed + weight * L.leave(found[-1].x)
        x = whole.enter(packed)
        gaps = [each.gap for each in found if not math.isnan(each.gap)]
        return Stationary(
            x, float(np.linalg.norm(whole(x)) / np.linalg.norm(x)), min(gaps, default=math.nan),
            sum(each.multiplicity for each in found), sum(each.undamped for each in found),
            all(each.converged for each in found),
        )  # fmt: skip
