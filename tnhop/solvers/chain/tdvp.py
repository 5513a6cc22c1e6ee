"""TDVP: density matrices as matrix-product states, evolved in the tangent space of few bonds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from tnhop.answers.steady_state import SteadyState
from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.problem import Cost, Problem
from tnhop.solvers.bounds import saved_states_memory
from tnhop.solvers.chain.cost import (
    PredictedBonds,
    chain_bytes,
    chain_memory,
    conserves_parity,
    generator_profile,
    generator_time,
    run_time,
    sweeps_time,
)
from tnhop.solvers.chain.engine import EngineSetup
from tnhop.solvers.chain.fock_levels import Levels
from tnhop.solvers.chain.method import COMPANION_BOND, ChainMethod
from tnhop.solvers.chain.network.derivatives import GeneratorFunctionals
from tnhop.solvers.chain.network.mpo import LindbladMPO, lindblad_mpo, predicted_bond
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.refinement import finer_knobs, truncation_factor, with_knobs
from tnhop.solvers.chain.schedule import Step, StepSchedule, damping, resolved, turning
from tnhop.solvers.chain.steady_state import mixed, steady_state
from tnhop.solvers.chain.steps.sweep_generator import SweepGenerator
from tnhop.solvers.chain.steps.tdvp_step import TDVPEngine, TDVPOptions
from tnhop.solvers.fitted import TDVP_COSTS
from tnhop.solvers.refinement import knob_factor
from tnhop.support.checks import integer, real, settle
from tnhop.support.codec import added, register

__all__ = ["TDVP"]

_LONGEST = 0.6  # step, in units of the inverse rate of the model
_LONGEST_DAMPED = 18.0  # times damping: rounding grows by its exponential where bonds go back
_LONGEST_TURN = 3.0  # step, in units of the inverse of the largest rate of a site
_START = 16  # the first steps are the longest over so many, twice, and double then
_STEP_TOLERANCE = 1e-4
_TYPICAL_GENERATOR = 100  # bond of generators of few sites, at most
_LARGEST_GENERATOR = 600  # bond beyond which a step takes minutes


@register
@dataclass(frozen=True)
class TDVP(ChainMethod):
    r"""Matrix-product density matrices, evolved by the time-dependent variational principle.

    The density matrix is a real vector of coordinates in Hermitian local bases; its generator is a
    matrix-product operator. Every non-identity factor of a spin is weighted with ε, Eq. (60) of
    docs/physics.md, so that truncation and projection respect traces and few-body expectation
    values. Steps are symmetric sweeps, of second order in their length, which follows their error;
    values at a time do not depend on which other times are asked. A mode with sites on both sides
    is held in the few operators that the state needs, Eq. (73) (one-site steps, NumPy arrays).

    Parameters
    ----------
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Singular values up to cutoff · r dt are dropped after a step of length dt, in the weighted
        norm, where a pure product state has a norm near 1; r is the rate of the model, Eq. (82).
        Of N > 100 sites, those up to (100/N)^½ times this: errors of all bonds add up.
    dt : float, optional
        Longest time step, in the unit of time of the model; by default 0.6 over its rate, Eq. (82).
    epsilon : float, optional
        Weight ε of the non-identity factors of spins; by default min(0.3, 2.5/√n_spins), and
        min(0.5, 2.5/√n_spins) with modes and where a term or an ordinary jump acts on several
        sites. Results depend on it only through the truncation. A larger one, with the same
        `cutoff`, keeps more: for more than three digits 0.4 is cheaper than a smaller `cutoff`.
    mpo_tolerance : float
        Accepted error of products of amplitudes in the generator, in the maximum norm, in units of
        the largest rate of the field jumps of a spin.
    rate_tolerance : float
        Accepted relative error of population rates in the generator, which are never negative;
        lower it where rare flips decide, as in lifetimes of memories.
    sites : int
        1: one-site steps, bonds grow by directions in which Lρ points (much cheaper). 2: two-site
        steps.
    expansion : int
        Directions by which a bond may grow in a step of the one-site scheme.
    ordering : str or sequence of int
        ``"auto"`` puts interchangeable and strongly coupled spins side by side; ``"natural"``; or
        the site at every position of the chain.
    krylov_tolerance : float
        Relative error of local exponentials, summed over the sites (of at least 20).
    fock_tolerance : float
        Population of the two highest Fock levels above which a mode gets more levels, up to the
        `fock_dim` of the model; 0 keeps all of them from the beginning.
    companion : bool, optional
        Whether `evolve` runs another chain with 0.7 of the bond and four times the cutoff beside,
        for about half as much time again. What its observables differ by is then the error of
        truncation and projection. By default beside modes, where the norm of what was dropped
        overestimates hundreds of times, and where a term of the Hamiltonian or an ordinary jump
        acts on several sites: it turns correlations, which weigh little in what was dropped, into
        expectation values of single spins.
    backend : str
        Library of the arrays: ``"numpy"``, ``"torch"``, ``"cupy"``, ``"jax"``.
    device : str, optional
        Where torch puts them, such as ``"cuda"``.
    precision : str
        ``"float64"`` or ``"float32"``.
    adaptive : bool
        Whether steps follow their error. If False, all steps but the first few have the length
        `dt`, for measurements of orders: unstable where dampings are strong.
    step_tolerance : float
        Accepted error of the steps per unit 1/r of time, in the weighted norm, and four times as
        much for the interpolation of observables between their ends.

    Notes
    -----
    **Error**: Truncation and projection: 0.3 times the norm of the observable times what was
    dropped, summed over steps: singular values, and the part of Lρ at every bond outside the
    tangent space and the directions by which it grows; with a `companion`, 1.75 times the largest
    difference from it so far, of a component or the rms of all. Time step: some steps are also
    taken as two halves, and four times the differences of the observables added up, steps in
    between erring like the worse neighbour; inside a step the error of the interpolation, Eq. (89).
    MPO: what the interpolation of field jumps adds to the equations of motion of single spins (own
    jumps; dephasing by the jumps of others, times the transverse length of Bloch vectors), added up
    over time, all sites erring alike. Start: the error of a state that another run has reached,
    Eq. (87). Fock tail and fitted rates: as in `Exact`.
    These are estimates and not bounds, calibrated on random problems with exact answers
    (docs/accuracy.md): about 97 % of the errors are smaller, beside modes 95 %. Functionals have no
    bar. The trace is never rescaled:
    ``stats["trace_defect"]``; a negative ``stats["smallest_eigenvalue"]`` of a reduced state tells
    that the state is not positive.

    **Cost**: Per step and site about 200 D χ³ + 50 D² χ² operations for bonds χ of the state and D
    of the generator (N = 40, χ = 30, D = 60: 0.4 s per step). About half of it where generator and
    start conserve a parity of the local operators, which is looked for: with field jumps in a
    transverse field the number of factors σˣ, if no spin starts with a component along x.

    **Use when** patterns are arbitrary or there are more spins than `Exact` and `Symmetric` hold.
    **Do not use when** temperatures are low and patterns many: the generator's bond grows with
    both, and it is refused with the number.

    See Also
    --------
    evolve

    References
    ----------
    J. Haegeman, C. Lubich, I. Oseledets, B. Vandereycken and F. Verstraete, Phys. Rev. B 94, 165116
    (2016); C. Lubich, I. Oseledets and B. Vandereycken, SIAM J. Numer. Anal. 53, 917 (2015); modes:
    C. Guo, A. Weichselbaum and M. Vojta, Phys. Rev. Lett. 108, 160401 (2012).

    Examples
    --------
    >>> TDVP(max_bond=48, dt=0.2).cutoff
    3e-06
    """

    controlled: ClassVar[bool] = True
    papers: ClassVar[tuple[str, ...]] = ("Lubich2015", "Haegeman2016", "Guo2012")
    libraries: ClassVar[tuple[str, ...]] = ("quimb",)  # its states are quimb networks

    max_bond: int = 128
    cutoff: float = 3e-6
    dt: float | None = None
    epsilon: float | None = None
    mpo_tolerance: float = 3e-5
    rate_tolerance: float = 0.1
    sites: int = 1
    expansion: int = 4
    ordering: str | tuple[int, ...] = "auto"
    krylov_tolerance: float = 2e-7
    fock_tolerance: float = 1e-7
    companion: bool | None = None
    backend: str = "numpy"
    device: str | None = None
    precision: str = "float64"
    adaptive: bool = added(True)
    step_tolerance: float = added(_STEP_TOLERANCE)

    def __post_init__(self) -> None:
        self.check_chain()
        settle(self, real, "krylov_tolerance", above=0.0, maximum=1e-2)
        settle(self, real, "fock_tolerance", minimum=0.0, maximum=1e-2)
        settle(self, integer, "sites", minimum=1, maximum=2)
        settle(self, integer, "expansion", minimum=0)

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if verb not in ("evolve", "steady_state"):
            return f"Method `TDVP` does not offer `{verb}`. Use `Exact` or `Symmetric`."
        if verb == "steady_state" and problem.state is None:
            problem = replace(problem, state=mixed(problem.model))
        if reason := self.misfit(problem):
            return reason
        bond = self._bond(problem.model)
        if bond > _LARGEST_GENERATOR:
            return (
                f"Method `TDVP` would need a generator of bond {bond} or more for this temperature"
                f" and number of patterns (at most {_LARGEST_GENERATOR})."
                " Raise `mpo_tolerance` or `rate_tolerance`, or use `MeanField`."
            )
        return None

    def _bond(self, model: Model) -> int:
        """Return the bond of the generator; for few sites, where it is small, at most 100."""
        bound = 2 + 2 * 4 ** (model.n_sites // 2)
        if bound <= _LARGEST_GENERATOR and not model.n_modes:
            return min(bound, _TYPICAL_GENERATOR)
        return _predicted(model, self.ordering, self.mpo_tolerance, self.rate_tolerance)

    def _likely_bond(self, model: Model) -> int:
        """Return the bond of the generator; those between spins are larger than predicted."""
        bond = _predicted(model, self.ordering, self.mpo_tolerance, self.rate_tolerance)
        if not any(isinstance(jump, FieldJump) for jump in model.jumps):
            return bond
        return min(round(bond * (1 + bond / TDVP_COSTS.larger)), 2 + 2 * 4 ** (model.n_sites // 2))

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:  # noqa: ARG002
        """Predict memory and time without a run.

        Bonds follow from Gaussian fluctuations about mean field, which takes less than a second;
        for large chains and for starts that are no product states, 30 is assumed.
        """
        model, times = problem.model, np.atleast_1d(problem.times)
        D = self._likely_bond(model)
        end = float(np.max(times, initial=0.0))
        bonds = PredictedBonds(model, problem.state, self.weight(model), self.ordering, end)
        levels = dict(zip(model.modes, bonds.levels(self.fock_tolerance), strict=True))
        sizes = [levels.get(k, 2) ** 2 for k in bonds.order]
        profile = generator_profile(D, model.n_sites)
        reached, parity = np.ones(len(profile)), conserves_parity(model, problem.state)

        def step_time(step: Step, grown: int) -> tuple[float, float]:
            nonlocal reached
            grown_to = 1 + self.expansion * (1 + grown) if self.sites == 1 else 1e9
            limit = min(self.max_bond, grown_to)
            chi = bonds.at(step.end, self.drop_rate(model) * step.length, self.expansion, limit)
            reached = np.maximum(reached, chi)
            scheme = TDVP_COSTS.two_site if self.sites == 2 else 1.0
            seconds = sweeps_time(chi, profile, sizes, parity) * scheme
            if not self.has_companion(model):
                return seconds, 0.0
            fewer = np.maximum(1.0, COMPANION_BOND * chi)
            return seconds, sweeps_time(fewer, profile, sizes, parity) * scheme

        time = generator_time(D, model.n_sites)
        time += run_time(self.schedule(model), problem, bonds.rest, step_time)
        memory = chain_memory(reached, profile, sizes)
        memory += saved_states_memory(problem, chain_bytes(reached, sizes))
        note = f"generator bond {D}, state bond {bonds.basis} {reached.max():.0f}"
        return Cost(memory, time, note)

    def refined(self, excess: Mapping[str, float], stats: Mapping[str, Any]) -> TDVP:
        """Return a method whose errors are smaller by these factors, by source."""
        knobs = finer_knobs(self, excess, stats)
        knobs["krylov_tolerance"] = self.krylov_tolerance / knob_factor(excess, "krylov")
        if truncation_factor(excess) > 1:
            knobs["expansion"] = self.expansion + 2
        if "fock_tail" in excess:
            knobs["fock_tolerance"] = self.fock_tolerance / knob_factor(excess, "fock_tail")
        return with_knobs(self, knobs)

    def generator(self, model: Model, ordering: Any) -> LindbladMPO:
        """Return the generator of a run."""
        return lindblad_mpo(
            model, epsilon=self.weight(model), ordering=site_order(model, ordering),
            tolerance=self.mpo_tolerance, rate_tolerance=self.rate_tolerance,
        )  # fmt: skip

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the state reached after a long time, compared with that from another start.

        The state is called converged if the maximally mixed state ends in the same one, within the
        error bars. All spins up is the start if none is given.
        """
        return steady_state(self, problem, self.generator(problem.model, self.ordering))

    def schedule(self, model: Model) -> StepSchedule:
        """Return the lengths of the steps for a model.

        Bonds are taken back in time, where damping grows: it bounds a step, as do rotations.
        """
        longest = self.dt or _LONGEST / model.rate_scale
        limit = min(_LONGEST_DAMPED / damping(model), _LONGEST_TURN / turning(model))
        if not self.adaptive:
            limit = math.inf
        first = min(longest, limit) / _START
        tolerance = self.step_tolerance * model.rate_scale
        return StepSchedule(
            longest, first, tolerance, self.step_tolerance, resolved(model), self.adaptive, limit
        )

    def setup(self, problem: Problem) -> EngineSetup:
        """Return the generator and the engine of a run."""
        state = problem.state
        ordering = state.order if isinstance(state, MPSState) else self.ordering
        return self._setup(problem.model, ordering)

    def _setup(self, model: Model, ordering: Any) -> EngineSetup:
        epsilon, like = self.weight(model), self.like()
        mpo = self.generator(model, ordering)
        generator = SweepGenerator(mpo.factors, [basis.trace for basis in mpo.bases], like)
        options = TDVPOptions(
            self.max_bond, self.krylov_tolerance / max(model.n_sites, 20), self.expansion,
            self.sites,
            keep_states=model.n_modes > 0,  # or the losses of truncation heat the modes
        )  # fmt: skip
        fewer = replace(options, max_bond=self.companion_bond)
        facts = {
            "generator_bond": max(mpo.bond_dims, default=1),
            "generator_error": mpo.max_error,
        }

        def engine(chain: list[Any]) -> TDVPEngine:
            return TDVPEngine(generator, options, chain)

        def companion_engine(chain: list[Any]) -> TDVPEngine:
            return TDVPEngine(generator, fewer, chain)

        def at_levels(levels: Levels) -> EngineSetup:
            return self._setup(model.with_levels(levels), mpo.order)

        return EngineSetup(
            epsilon, mpo.order, mpo.bases, like, self.schedule(model),
            self.drop_rate(model), self.max_bond,
            engine, lambda _, transverse: mpo.error_speed(transverse), lambda: facts,
            companion_engine=companion_engine if self.has_companion(model) else None,
            fock_tolerance=self.fock_tolerance,
            functionals=GeneratorFunctionals(mpo),
            at_levels=at_levels if model.n_modes and self.fock_tolerance else None,
        )  # fmt: skip


@lru_cache(maxsize=64)
def _predicted(model: Model, ordering: Any, tolerance: float, rate_tolerance: float) -> int:
    return predicted_bond(
        model, ordering=ordering, tolerance=tolerance, rate_tolerance=rate_tolerance,
        enough=_LARGEST_GENERATOR,
    )  # fmt: skip
