"""TDVP and TEBD as methods: common parameters, and the loop over output times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from autoray import do

from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model
from tnhop.physics.problem import Problem, Snapshot, missing_functionals, unsuitable_start
from tnhop.solvers.chain.engine import EngineSetup
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.outputs import Outputs
from tnhop.solvers.chain.refinement import coarser_chain, finer_knobs, with_knobs
from tnhop.solvers.chain.run import ChainRun
from tnhop.solvers.chain.schedule import StepSchedule
from tnhop.support.arrays import Array
from tnhop.support.checks import fail, integer, one_of, plain_array, real, settle, wrong_type

COMPANION_BOND = 0.7  # bond of the companion, in units of that of the chain
_MANY = 100  # sites from which on less is dropped at each of them


class ChainMethod:
    """Base of `TDVP` and `TEBD`: evolution of a matrix-product density matrix by steps."""

    max_bond: int
    cutoff: float
    dt: float | None
    epsilon: float | None
    mpo_tolerance: float
    rate_tolerance: float
    ordering: str | tuple[int, ...]
    fock_tolerance: float = 0.0
    backend: str
    device: str | None
    precision: str
    adaptive: bool
    step_tolerance: float
    companion: bool | None

    def check_chain(self) -> None:
        """Check the common parameters."""
        settle(self, integer, "max_bond", minimum=2)
        settle(self, real, "cutoff", minimum=0.0, maximum=0.1)
        settle(self, real, "dt", above=0.0)
        settle(self, real, "step_tolerance", above=0.0, maximum=0.1)
        if not isinstance(self.companion, bool | None):
            raise wrong_type("companion", "be True, False or None", self.companion)
        if not isinstance(self.adaptive, bool):
            raise wrong_type("adaptive", "be True or False", self.adaptive)
        settle(self, real, "epsilon", above=0.0, maximum=1.0)
        settle(self, real, "mpo_tolerance", above=0.0, maximum=0.1)
        settle(self, real, "rate_tolerance", above=0.0)
        one_of(self.backend, "backend", ["numpy", "torch", "cupy", "jax"])
        one_of(self.precision, "precision", ["float64", "float32"])
        if self.device is not None and self.backend != "torch":
            raise fail("device", "be None unless `backend` is 'torch'", f"it is '{self.device}'")
        if not isinstance(self.ordering, str):
            object.__setattr__(self, "ordering", _positions(self.ordering, "ordering"))
        else:
            one_of(self.ordering, "ordering", ["auto", "natural"])

    def weight(self, model: Model) -> float:
        """Return ε for a model; larger where correlations of many sites come back to few."""
        largest = 0.5 if _has_several(model) else 0.3
        return self.epsilon or min(largest, 2.5 / math.sqrt(max(model.n_spins, 1)))

    def has_companion(self, model: Model) -> bool:
        """Return whether truncation errors may grow: with modes, and where sites interact."""
        if self.companion is not None:
            return self.companion
        return _has_several(model)

    @property
    def companion_bond(self) -> int:
        """Largest bond of the companion."""
        return max(int(COMPANION_BOND * self.max_bond), 1)

    def drop_rate(self, model: Model) -> float:
        """Return up to which size per unit of time singular values are dropped.

        Errors of all bonds add up: those of more than 100 sites have to be smaller.
        """
        return self.cutoff * model.rate_scale * min(1.0, math.sqrt(_MANY / model.n_sites))

    def misfit(self, problem: Problem) -> str | None:
        """Return why a chain cannot hold the state or the observables, or None."""
        reason = unsuitable_start(type(self).__name__, problem.state, MPSState)
        return reason or missing_functionals(problem.observables or (), MPSState)

    def like(self) -> Array:
        """Return an array of the library, precision and place to be used."""
        like = do("asarray", np.zeros(1, dtype=self.precision), like=self.backend)
        return like.to(self.device) if self.device else like

    def coarser(self) -> ChainMethod:
        """Return a cheaper method: longer steps and larger cutoffs."""
        return coarser_chain(self)

    def refined(self, excess: Mapping[str, float], stats: Mapping[str, Any]) -> ChainMethod:
        """Return a method whose errors are smaller by these factors, by source."""
        return with_knobs(self, finer_knobs(self, excess, stats))

    def schedule(self, model: Model) -> StepSchedule:
        """Return the lengths of the steps for a model."""
        raise NotImplementedError

    def setup(self, problem: Problem) -> EngineSetup:
        """Return the engine of a run with its coordinates and tolerances."""
        raise NotImplementedError

    def run(self, problem: Problem, carry: Any = None) -> ChainRun:
        """Return a run at its beginning, or where the restart data `carry` were taken."""
        return ChainRun(self.setup(problem), problem, self, carry)

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        outputs, times = Outputs(self.run(problem, carry)), np.asarray(problem.times)
        now = outputs.run.progress
        while now.next_output < len(times):
            advanced = not outputs.reaches(times[now.next_output])
            if advanced:
                outputs.advance()
            while now.next_output < len(times) and outputs.reaches(times[now.next_output]):
                yield outputs.at(float(times[now.next_output]))
            if advanced and now.next_output < len(times):
                yield outputs.heartbeat()


def _positions(value: Any, name: str) -> tuple[int, ...]:
    """Accept integers; whether they are a permutation is checked with the model."""
    array = plain_array(value, name)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise wrong_type(name, "be 'auto', 'natural' or a list of sites", value)
    return tuple(int(k) for k in array)


def _has_several(model: Model) -> bool:
    """Return whether there are modes, or terms and jumps that act on several sites."""
    several = [term.sites for term in model.hamiltonian]
    several += [jump.sites for jump in model.jumps if isinstance(jump, Jump)]
    return model.n_modes > 0 or any(len(sites) > 1 for sites in several)
