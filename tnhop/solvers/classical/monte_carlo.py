"""KineticMonteCarlo: samples of configurations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tnhop.physics.problem import Cost, Problem, Snapshot
from tnhop.physics.states import ProductState
from tnhop.solvers.bounds import saved_states_memory
from tnhop.solvers.classical.closure import POPULATION_FUNCTIONALS, quantum_obstacle
from tnhop.solvers.classical.configurations import ConfigurationSamples
from tnhop.solvers.classical.sampling import SampledEvolution
from tnhop.solvers.classical.spin_flips import flip_obstacle, rate_bound
from tnhop.solvers.fitted import Samples
from tnhop.solvers.machine_speed import speed
from tnhop.support.checks import integer, machine_memory, real, settle
from tnhop.support.codec import register
from tnhop.support.units import pretty_bytes

__all__ = ["KineticMonteCarlo"]

_SAMPLED = POPULATION_FUNCTIONALS | {"purity"}


@register
@dataclass(frozen=True)
class KineticMonteCarlo:
    r"""Stochastic spin flips in continuous time, for models in which populations close.

    Every sample starts from a configuration drawn from the product state and follows the master
    equation of `ClassicalMaster` without a time step: attempts come at the rate N w_max, and one of
    spin k is accepted with probability w_k/w_max. Sample i has the random stream (rng, i), so that
    results do not depend on the number of threads (``NUMBA_NUM_THREADS``).

    Parameters
    ----------
    n_samples : int
        Number of independent samples.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.

    Notes
    -----
    **Error**: Sampling: half-widths of 95 % intervals, falling as 1/√n_samples. Means have
    Student's, widened where few samples carry the spread, Eq. (95) of docs/physics.md; functionals
    the same for the influence of every sample, Eq. (96); proportions, such as σᶻ of one spin or a
    distribution of overlaps, Wilson's. What was never seen is not certain: two samples or a hundred
    equal ones have a bar, too, up to the whole range. The Binder cumulant is NaN where all overlaps
    are 0. Rates: ‖O‖ t times the measured error of the tabulated rates (1e-10 each).

    **Cost**: About 30 ns per attempt, of which there are n_samples N w_max t. Couplings of low rank
    r (after the self term is added to their diagonal) cost r operations per attempt and flip,
    others N per flip. Memory n_samples N bytes, eight times that for couplings of full rank, and
    16 N² bytes for the couplings.

    **Use when** N is beyond `ClassicalMaster`: to N of some 10⁴, any load of patterns. **Do not use
    when** events are rarer than 1/n_samples, or N ≤ 16.

    See Also
    --------
    ClassicalMaster, evolve

    Examples
    --------
    >>> KineticMonteCarlo(n_samples=400)
    KineticMonteCarlo(n_samples=400, max_memory=None)
    """

    controlled: ClassVar[bool] = True
    papers: ClassVar[tuple[str, ...]] = ("Glauber1963",)

    n_samples: int = 1000
    max_memory: float | None = None

    def __post_init__(self) -> None:
        settle(self, integer, "n_samples", minimum=2)
        settle(self, real, "max_memory", above=0.0)

    def coarser(self) -> KineticMonteCarlo:
        """Return a cheaper one: a quarter of the samples."""
        return replace(self, n_samples=max(self.n_samples // 4, 2))

    def refined(
        self,
        excess: Mapping[str, float],
        stats: Mapping[str, Any],  # noqa: ARG002
    ) -> KineticMonteCarlo:
        """Return one with smaller errors: those of sampling fall as 1/√n_samples."""
        factor = excess.get("sampling", 1.0)
        factor = 1.1 * factor if factor > 1 else 1.0
        return replace(self, n_samples=math.ceil(self.n_samples * min(factor, 100.0) ** 2))

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        name = "Method `KineticMonteCarlo`"
        if verb != "evolve":
            return f"{name} does not offer `{verb}`. Use `evolve` to a late time."
        state = problem.state
        if not isinstance(state, ProductState | ConfigurationSamples):
            return (
                f"{name} draws its samples from a product state, but the state is a"
                f" {type(state).__name__}. Use `th.product_state`."
            )
        if isinstance(state, ConfigurationSamples) and len(state.spins) != self.n_samples:
            return (
                f"{name} goes on from every sample of the state once, but there are"
                f" {len(state.spins)} of them and `n_samples` is {self.n_samples}."
                f" Use `n_samples={len(state.spins)}`."
            )
        obstacle = quantum_obstacle(problem, "KineticMonteCarlo")
        if obstacle:
            return obstacle
        obstacle = flip_obstacle(problem.model)
        if obstacle:
            return f"{name} needs one field per spin, but {obstacle}. Use `ClassicalMaster`."
        for o in problem.observables or ():
            if o.functional is not None and o.functional.name not in _SAMPLED:
                return f"{name} has no estimator of `{o.name}` from samples. Use `ClassicalMaster`."
        need, limit = self._need(problem), self.max_memory or machine_memory() / 2
        if need > limit:
            return (
                f"{name} needs {pretty_bytes(need)} for {self.n_samples} samples, but"
                f" {pretty_bytes(limit)} are allowed (`max_memory`). Use fewer samples."
            )
        return None

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:  # noqa: ARG002
        """Predict memory and time, for this number of samples."""
        n, end = problem.model.n_spins, float(np.max(problem.times, initial=0.0))
        attempts = self.n_samples * n * rate_bound(problem.model) * end
        interpreted = Samples.LOADING + Samples.PER_SAMPLE * self.n_samples + self._looks(problem)
        time = Samples.PER_ATTEMPT * attempts * speed().sweep + interpreted * speed().calls
        return Cost(self._need(problem) + Samples.LOADED, time, f"{self.n_samples} samples")

    def _need(self, problem: Problem) -> float:
        """Bytes of samples, of couplings, and of the samples that are kept."""
        n = problem.model.n_spins
        kept = saved_states_memory(problem, self.n_samples * n)
        return 3e7 + 24.0 * n**2 + 20.0 * self.n_samples * n + kept

    def _looks(self, problem: Problem) -> float:
        """Seconds behind the observables at all output times."""
        n, samples = problem.model.n_spins, self.n_samples
        values = sum(len(o.operators) for o in problem.observables or ())
        total = Samples.PER_VALUE * values + Samples.PER_SPIN * samples * (n + values)
        for o in problem.observables or ():
            if o.functional is not None and o.functional.name == "purity":
                compared = samples * math.log2(samples)
                total += 2 * (Samples.SORTING + Samples.COMPARISON * compared
                              + Samples.PACKED * samples * n)  # fmt: skip
        return total * len(np.atleast_1d(problem.times))

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and heartbeats in between."""
        yield from SampledEvolution(problem, self.n_samples).snapshots(carry)
