"""Problems in symmetric spaces: classes, independent parts, generators and starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator
from tnhop.solvers.bounds import cut_weights, photon_steps
from tnhop.solvers.exact.evolution import Combine, Evolution, LinearPart, RegressionPart, regression
from tnhop.solvers.exact.stationary import (
    SlowModes,
    Stationary,
    combined,
    needs_start,
    stationary,
)
from tnhop.solvers.exact.taylor import Allowance
from tnhop.solvers.symmetric.class_state import ClassState
from tnhop.solvers.symmetric.lindbladian import SymmetricLindbladian
from tnhop.solvers.symmetric.operators import (
    IndependentPart,
    correlators,
    is_averaged,
    key_bound,
    partition,
    whole_system,
)
from tnhop.solvers.symmetric.populations import ClassChain, PopulationState, populations_close
from tnhop.solvers.symmetric.spin_classes import SpinClasses, find_classes
from tnhop.solvers.symmetric.state import SymmetricState, joined_labels
from tnhop.support.arrays import Real

# functionals of the overlaps alone
_OF_OVERLAPS = {"overlap_distribution", "overlap_moments", "joint_overlap_distribution",
                "binder_cumulant"}  # fmt: skip


def chosen_classes(problem: Problem) -> SpinClasses:
    """Classes of the model, refined by the start unless no observable would notice."""
    state, classes = problem.state, find_classes(problem.model)
    if isinstance(state, ClassState):
        return state.classes
    if state is None:
        return classes
    finer = classes.refined(state.bloch)
    if len(finer.sizes) == len(classes.sizes):
        return classes
    if problem.save_states or not all(_is_blind(o, classes, problem) for o in problem.observables):
        return finer
    return classes


def _facts(problem: Problem, classes: SpinClasses) -> dict[str, Any]:
    """Return sizes of the classes used, and whether the start was averaged over permutations."""
    state = problem.state
    finer = classes.refined(state.bloch) if isinstance(state, ProductState) else classes
    averaged = len(finer.sizes) > len(classes.sizes)
    return {"classes": list(classes.sizes), "averaged_start": averaged}


def _is_blind(observable: Observable, classes: SpinClasses, problem: Problem) -> bool:
    """Return whether permutations inside classes cannot change an observable."""
    functional = observable.functional
    if functional is None:
        modes = problem.model.modes
        return all(is_averaged(operator, classes, modes) for operator in observable.operators)
    if functional.name not in _OF_OVERLAPS:
        return False
    patterns = dict(functional.arguments)["xi"] * classes.signs
    return not any(
        np.ptp(patterns[:, classes.labels == g], axis=1).any() for g in range(len(classes.sizes))
    )


def is_classical(problem: Problem) -> bool:
    """Return whether the state is diagonal and stays so, by flips of single spins."""
    state = problem.state
    diagonal = isinstance(state, PopulationState) or (
        isinstance(state, ProductState) and not state.bloch[:, :2].any()
    )
    return diagonal and populations_close(problem.model)


def state_size(problem: Problem, verb: str = "evolve") -> float:
    """Numbers in the independent parts together."""
    classes = chosen_classes(problem)
    if verb == "evolve" and is_classical(problem):
        return float(math.prod(n + 1 for n in classes.sizes))
    return float(
        sum(p.size for p in partition(problem.model, classes, joined_parts(problem.state)))
    )


def joined_parts(state: Any) -> NDArray[np.intp] | None:
    """Parts that the start does not factorise into, as labels of classes and modes."""
    if isinstance(state, PopulationState):
        return np.zeros(len(state.classes.sizes), dtype=np.intp)
    return state.joined if isinstance(state, SymmetricState) else None


def chain_evolution(problem: Problem, tolerance: float) -> Evolution:
    """Compile the chain of the class populations, Eq. (51)."""
    classes, state = chosen_classes(problem), problem.state
    if isinstance(state, ProductState):
        state = PopulationState.from_product(state, classes)
    L = ClassChain(problem.model, classes)
    operators = [op for o in problem.observables for op in o.operators]
    keys, combine = _combined(operators, classes, [whole_system(classes)])
    none = sp.csr_array((0, L.size))
    part = LinearPart(L, L.rows(keys[0]), none, (), state.populations, np.zeros(0))

    def wrap(x: list[Real]) -> PopulationState:
        return PopulationState(x[0], classes.labels, classes.signs)

    return Evolution(problem, [part], tolerance, combine, wrap, _facts(problem, classes))


def _combined(
    operators: Sequence[Operator], classes: SpinClasses, parts: Sequence[IndependentPart]
) -> tuple[list[list[Any]], Combine]:
    """Return the functionals of every part, and how their moments make up the operators."""
    keys, weights, owner, table = correlators(operators, classes, parts)
    entries = (weights, (owner, np.arange(len(owner))))
    collect = sp.csr_array(entries, (len(operators), len(owner)))

    def combine(moments: list[NDArray[np.complex128]]) -> NDArray[np.complex128]:
        product = np.ones(len(owner), dtype=complex)
        for k, values in enumerate(moments):
            product *= values[table[:, k]]
        return np.asarray(collect @ product)

    return keys, combine


class SymmetricProblem:
    """A problem in symmetric spaces: its classes, independent parts, generators and start.

    Parameters
    ----------
    problem : Problem
        The problem on all spins.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.model = problem, problem.model
        self.classes = chosen_classes(problem)
        state = problem.state
        self.parts = partition(self.model, self.classes, joined_parts(state))
        self.start: SymmetricState | None = None
        if isinstance(state, ProductState):
            self.start = SymmetricState.from_product(state, self.model, self.classes, self.parts)
        elif isinstance(state, PopulationState):
            self.start = SymmetricState.from_populations(
                state.class_distribution, self.classes, self.parts[0]
            )
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
        keys, combine = _combined(operators, self.classes, self.parts)
        parts, steps = [], photon_steps(model)
        for part, L, part_keys, packed in zip(
            self.parts, self.generators, keys, self.start.packed_parts, strict=True
        ):
            x, modes = L.enter(packed), [site - model.n_spins for site in part.modes]
            counts = [steps[k] for k in modes]
            parts.append(
                LinearPart(
                    L, L.rows([part.space.operator(key) for key in part_keys]),
                    L.rows(L.top_levels(counts))[::2], part.fock_dims, x,
                    cut_weights(problem.state, model, part.modes),
                    tuple(modes),
                    L.is_real and L.is_symmetric(x),
                )
            )  # fmt: skip

        facts = _facts(problem, self.classes)
        return Evolution(problem, parts, tolerance, combine, self.state, facts)

    def correlation(
        self, first: Operator, second: Operator, tolerance: float
    ) -> tuple[NDArray[np.complex128], float]:
        """Return the two-time correlation and its error per unit of ‖second‖."""
        assert self.start is not None
        keys_1, weights_1, _, table_1 = correlators([first], self.classes, self.parts)
        keys_2, weights_2, _, table_2 = correlators([second], self.classes, self.parts)
        steps, n_spins = photon_steps(self.model), self.model.n_spins
        parts = [
            RegressionPart(
                L, L.enter(packed), [L.operator(part.space.operator(key)) for key in earlier],
                [key_bound(key, part.sizes, part.fock_dims) for key in earlier],
                L.rows([part.space.operator(key) for key in later]),
                L.rows(L.top_levels([steps[site - n_spins] for site in part.modes]))[::2],
                part.fock_dims, cut_weights(self.problem.state, self.model, part.modes),
            ) for part, L, earlier, later, packed in zip(
                self.parts, self.generators, keys_1, keys_2, self.start.packed_parts, strict=True
            )
        ]  # fmt: skip
        times = np.asarray(self.problem.times)
        allowance = Allowance(tolerance, self.model.rate_scale)
        return regression(parts, (weights_1, table_1), (weights_2, table_2), times, allowance)

    def state(self, packed: Sequence[Real]) -> SymmetricState:
        """Return the state of packed parts in the frames of their generators."""
        blocks = [L.leave(x) for L, x in zip(self.generators, packed, strict=True)]
        model, n_classes = self.model, len(self.classes.sizes)
        joined = joined_labels(self.parts, n_classes, model.n_spins, model.n_modes)
        levels = np.array([self.model.sites[k].dim for k in self.model.modes], dtype=np.intp)
        return SymmetricState(
            np.concatenate(blocks), self.classes.labels, self.classes.signs, levels, joined
        )

    def sectors(self, k: int) -> list[SymmetricLindbladian]:
        """Return the generators of part k on sets of blocks that do not mix."""
        L = self.generators[k]
        if len(L.block_groups) == 1:
            return [L]
        make = partial(SymmetricLindbladian, self.model, self.classes, self.parts[k])
        return [make(group) for group in L.block_groups]

    def stationary(self, k: int, eigensolver: str) -> Stationary:
        """Return the stationary state of part k in the frame of its generator."""
        generator, of_sectors = self.generators[k], list[Stationary]()
        packed = np.zeros(self.parts[k].size)
        groups = self.sectors(k)
        if len(groups) > 1 and self.start is None:
            raise ValueError(needs_start(len(groups)))
        for L in groups:
            trace = L.rows([sp.csr_array(sp.eye_array(self.parts[k].space.n, dtype=complex))])
            trace = trace[[0]].toarray()[0]
            start = None if self.start is None else L.enter(self.start.packed_parts[k])
            modes = SlowModes(L, L.reflections, eigensolver)
            of_sectors.append(stationary(modes, trace, start))
            weight = 1.0 if len(groups) == 1 else trace @ start
            packed = packed + weight * L.leave(of_sectors[-1].x)
        x = generator.enter(packed)
        residual = float(np.linalg.norm(generator(x)) / np.linalg.norm(x))
        # every set of blocks that the start does not reach has a stationary state of its own
        multiplicity = sum(s.multiplicity for s in of_sectors) + generator.groups_left_out
        return combined(of_sectors, x, residual, multiplicity)
