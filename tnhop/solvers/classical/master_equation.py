"""ClassicalMaster: the master equation of the populations, where they close."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.problem import (
    Cost,
    Problem,
    Snapshot,
    missing_functionals,
    unsuitable_start,
)
from tnhop.physics.states import ProductState
from tnhop.solvers.bounds import saved_states_memory
from tnhop.solvers.classical.closure import quantum_obstacle
from tnhop.solvers.classical.configurations import (
    ConfigurationDistribution,
    DiagonalOperators,
    RateMatrix,
    all_configurations,
    configuration_rates,
)
from tnhop.solvers.exact.evolution import Evolution, LinearPart
from tnhop.solvers.exact.stationary import SlowModes, slow_spectrum, stationary
from tnhop.solvers.exact.steady_answer import steady_answer
from tnhop.solvers.fitted import Populations, Taylor
from tnhop.solvers.machine_speed import speed
from tnhop.solvers.refinement import TaylorMethod
from tnhop.solvers.symmetric.cost import populations_time
from tnhop.solvers.symmetric.populations import ClassChain, PopulationState
from tnhop.solvers.symmetric.reduced_problem import chain_evolution, chosen_classes
from tnhop.solvers.symmetric.spin_classes import SpinClasses, find_classes
from tnhop.support.checks import fail
from tnhop.support.codec import register
from tnhop.support.units import pretty_bytes

__all__ = ["ClassicalMaster"]


_MOST_SPINS = 16


@register
@dataclass(frozen=True)
class ClassicalMaster(TaylorMethod):
    r"""Master equation of the populations, for models in which coherences do not drive them.

    .. math::
        \dot p(s) = \sum_k \left[w_k(s^{(k)})\, p(s^{(k)}) - w_k(s)\, p(s)\right]

    with s⁽ᵏ⁾ the configuration s with spin k flipped: open networks without transverse field, Eq.
    (7) of docs/physics.md, and any other flips of single spins. Interchangeable spins are counted
    instead of told apart, Eq. (51).

    Parameters
    ----------
    tolerance : float
        Accepted error of the populations (trace norm), summed over times up to 10⁶ units.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.

    Notes
    -----
    **Error**: None of its own: populations are exact, whatever the coherences of the start. Time
    step, start, functionals and rates: as `Exact`.

    **Cost**: Memory and time per application are those of (N + 1) 2^N non-zeros (N = 16: 20 MB,
    3 ms), or of 2 G ∏(N_g + 1) for G classes of N_g spins (one pattern, N = 1000: nothing).

    **Use when** Omega = 0 and N ≤ 16, or patterns are few: it is the oracle of `KineticMonteCarlo`.
    **Do not use when** observables of σˣ, σʸ or the purity of a state with coherences are wanted.

    See Also
    --------
    KineticMonteCarlo, Symmetric, evolve, steady_state, liouvillian_spectrum

    Examples
    --------
    >>> ClassicalMaster(tolerance=1e-8)
    ClassicalMaster(tolerance=1e-08, max_memory=None)
    """

    papers: ClassVar[tuple[str, ...]] = ("Glauber1963",)

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if verb not in ("evolve", "steady_state", "liouvillian_spectrum"):
            return f"Method `ClassicalMaster` does not offer `{verb}`. Use `Exact` or `Symmetric`."
        kinds = ConfigurationDistribution, PopulationState
        if reason := unsuitable_start("ClassicalMaster", problem.state, *kinds):
            return reason
        obstacle = quantum_obstacle(problem, "ClassicalMaster")
        if obstacle:
            return obstacle
        n = problem.model.n_spins
        if not _in_classes(problem, verb) and n > _MOST_SPINS:
            return (
                f"Method `ClassicalMaster` would tell all 2^{n} configurations apart, but takes"
                f" {_MOST_SPINS} spins at most. Use `KineticMonteCarlo`, or fewer patterns."
            )
        need = self._need(problem, verb)
        if need > self.memory_limit:
            return (
                f"Method `ClassicalMaster` needs {pretty_bytes(need)} for"
                f" {_size(problem, verb):.3g} populations, but"
                f" {pretty_bytes(self.memory_limit)} are allowed (`max_memory`)."
                " Use `KineticMonteCarlo`, or fewer spins."
            )
        return missing_functionals(problem.observables or (), ConfigurationDistribution)

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:
        """Predict memory and time without allocating."""
        size = _size(problem, verb)
        if _in_classes(problem, verb):
            sizes = _classes(problem).sizes
            moves, functionals = 2.0 * len(sizes), len(sizes) + 1.0
        else:
            moves = float(problem.model.n_spins)
            functionals = float(sum(len(o.operators) for o in problem.observables or ()))
        time = populations_time(problem, size, moves, functionals, self.tolerance)
        if verb != "evolve":
            each = Populations.EIGENPAIR_MOVE * size * (moves + 1) * speed().sweep
            time = Taylor.EIGENPAIRS * (each + Populations.EIGENPAIR * speed().calls)
        memory = self._need(problem, verb) + Taylor.LOADED
        return Cost(memory, Taylor.START_UP * speed().calls + time, f"{size:.3g} populations")

    def _need(self, problem: Problem, verb: str) -> float:
        """Bytes of vectors, functionals, the rate matrix and states that are kept."""
        size = _size(problem, verb)
        in_classes = _in_classes(problem, verb)
        moves = 2 * len(_classes(problem).sizes) if in_classes else problem.model.n_spins
        functionals = sum(len(o.operators) for o in problem.observables or ())
        vectors = 10.0 if verb == "evolve" else 100.0
        kept = saved_states_memory(problem, 8 * size)
        return 8 * size * (vectors + 6 * functionals) + 40 * size * (moves + 1) + kept + 3e7

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        if _in_classes(problem, "evolve"):
            run = chain_evolution(
                replace(problem, state=_without_coherences(problem.state)), self.tolerance
            )
        else:
            run = self._configurations(problem)
        yield from run.snapshots(carry)

    def _configurations(self, problem: Problem) -> Evolution:
        """Compile the evolution of all configurations."""
        start = _probabilities(problem.state)
        L = configuration_rates(problem.model)
        operators = [op for o in problem.observables for op in o.operators]
        values = DiagonalOperators(operators)(start.configurations)
        rows = np.stack([values.real, values.imag], axis=1).reshape(-1, L.size)
        none, x = sp.csr_array((0, L.size)), start.probabilities
        part = LinearPart(L, sp.csr_array(rows), none, (), x, np.zeros(0))
        return Evolution(problem, [part], self.tolerance, lambda moments: moments[0],
                         lambda x: ConfigurationDistribution(x[0]))  # fmt: skip

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary populations; if several exist, those that the start reaches."""
        classes = _classes(problem) if _in_classes(problem, "steady_state") else None
        start, eigensolver = None, "propagator"
        if classes is None:
            L = configuration_rates(problem.model)
            start = None if problem.state is None else _probabilities(problem.state).probabilities
        else:
            L = RateMatrix(ClassChain(problem.model, classes).R)
            if problem.state is not None:
                start = _class_populations(problem.state, classes).populations
            # numbers of configurations make the chain far from normal, which the inverse stands
            # better; its factors are sparse enough in one or two dimensions, or for small chains
            sparse = len(classes.sizes) <= 2 or L.size <= 10_000
            eigensolver = "shift-invert" if sparse else "propagator"
        limit = stationary(SlowModes(L, (), eigensolver), np.ones(L.size), start)
        state: Any = (
            ConfigurationDistribution(limit.x)
            if classes is None
            else PopulationState(limit.x, classes.labels, classes.signs)
        )
        return steady_answer(problem, self, state, limit, float(limit.x.min()), (), str(L.size))

    def liouvillian_spectrum(self, problem: Problem, k: int) -> Spectrum:
        """Return the k eigenvalues of the rate matrix with the largest real parts.

        The full generator has more: those of coherences, and beyond 16 spins also those of
        populations that change when spins of a class are exchanged.
        """
        model = problem.model
        if _in_classes(problem, "liouvillian_spectrum"):
            L = RateMatrix(ClassChain(model, find_classes(model)).R)
        else:
            L = configuration_rates(model)
        if k > L.size:
            raise fail("k", f"be at most {L.size}", f"it is {k}")
        pairs, zeros = slow_spectrum(SlowModes(L), k)
        return Spectrum(pairs.values, pairs.residuals, zeros, model, self, pairs.errors)


def _classes(problem: Problem) -> SpinClasses:
    """Return the classes of spins whose populations are interchangeable."""
    return chosen_classes(replace(problem, state=_without_coherences(problem.state)))


def _in_classes(problem: Problem, verb: str) -> bool:
    """Return whether counting the up spins of every class is better than telling spins apart."""
    model, state = problem.model, problem.state
    if isinstance(state, ConfigurationDistribution):
        return False
    if isinstance(state, PopulationState) and not state.classes.is_finer_than(find_classes(model)):
        return False
    if verb == "liouvillian_spectrum" and model.n_spins <= _MOST_SPINS:
        return False
    sizes = _classes(problem).sizes
    # chains of classes are assembled more slowly
    return model.n_spins > len(sizes) and math.prod(n + 1 for n in sizes) < 2**model.n_spins / 8


def _size(problem: Problem, verb: str) -> float:
    """Return the number of populations."""
    if _in_classes(problem, verb):
        return float(math.prod(n + 1 for n in _classes(problem).sizes))
    return 2.0**problem.model.n_spins


def _without_coherences(state: Any) -> Any:
    """Return a state without its coherences, which do not enter populations."""
    if not isinstance(state, ProductState):
        return state
    return replace(state, bloch=state.bloch * [0, 0, 1])


def _class_populations(state: Any, classes: SpinClasses) -> PopulationState:
    """Return the probabilities of the numbers of up spins."""
    if isinstance(state, ProductState):
        return PopulationState.from_product(state, classes)
    assert isinstance(state, PopulationState)
    return state


def _probabilities(state: Any) -> ConfigurationDistribution:
    """Return the probabilities of all configurations."""
    if isinstance(state, ProductState):
        return ConfigurationDistribution.from_product(state)
    if isinstance(state, PopulationState):  # equal ones for all configurations of the same counts
        up = all_configurations(len(state.labels)) * state.signs == 1
        counts = [up[:, state.labels == g].sum(axis=1) for g in range(len(state.classes.sizes))]
        place = np.ravel_multi_index(tuple(counts), state.class_distribution.shape)
        return ConfigurationDistribution((state.populations / np.bincount(place))[place])
    assert isinstance(state, ConfigurationDistribution)
    return state
