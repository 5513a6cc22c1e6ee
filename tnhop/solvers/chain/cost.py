"""Cost of the evolution of a chain: bonds on the way, operations in a step, seconds, bytes.

Behind the estimates of `TDVP` and `TEBD`; constants in `fitted`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.problem import Problem
from tnhop.physics.states import ProductState
from tnhop.solvers.chain.fock_levels import FEWEST_LEVELS, LEVEL_GROWTH
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.predicted_bonds import GaussianFluctuations, follow_fluctuations
from tnhop.solvers.chain.schedule import Step, StepSchedule
from tnhop.solvers.fitted import CHAIN_BONDS, CHAIN_RUNS, TDVP_COSTS
from tnhop.solvers.machine_speed import speed
from tnhop.support.arrays import Real

_MAX_ORDERED = 150  # sites beyond which no order is sought


@lru_cache(maxsize=64)
def _cached_fluctuations(
    model: Model, state: ProductState, epsilon: float, ordering: Any, end: float
) -> GaussianFluctuations | None:
    order = [int(k) for k in site_order(model, ordering)]
    return follow_fluctuations(model, state, epsilon, order, end)


class PredictedBonds:
    """Bonds of a run at all cuts, as time goes on.

    Parameters
    ----------
    model : Model
        The system.
    state : State
        Where it starts.
    epsilon : float
        Weight of the non-identity factors.
    ordering : str or tuple of int
        As in `TDVP`.
    end : float
        Last time.
    """

    def __init__(self, model: Model, state: Any, epsilon: float, ordering: Any, end: float) -> None:
        self.model, n = model, model.n_sites
        known = isinstance(state, ProductState) and n <= _MAX_ORDERED and 0 < end < math.inf
        self._fluctuations = (
            _cached_fluctuations(model, state, epsilon, ordering, end) if known else None
        )
        self.order: list[int] = list(range(n))
        if known:
            self.order = [int(k) for k in site_order(model, ordering)]
        self._at_least = 1.0
        if hasattr(state, "bond_dims"):
            self._at_least = float(max(state.bond_dims, default=1))
        dims = np.array([2 * math.log(model.dims[k]) for k in self.order])
        left = np.concatenate([[0.0], np.cumsum(dims)])
        # bonds of the 0, 1, ... first sites that no state exceeds
        self.caps = np.exp(np.minimum(np.minimum(left, left[-1] - left), 60.0))

    @property
    def rest(self) -> float:
        """Time from which on mean field hardly moves."""
        return self._fluctuations.rest if self._fluctuations else math.inf

    @property
    def basis(self) -> str:
        """Basis of the prediction, for a note."""
        return "predicted" if self._fluctuations else "assumed"

    def at(self, time: float, threshold: float, expansion: float, max_bond: float) -> Real:
        """Return the bonds at all cuts, the two ends included.

        Parameters
        ----------
        time : float
            The time.
        threshold : float
            Singular values up to this one are dropped.
        expansion : float
            Directions beyond those.
        max_bond : float
            Largest bond.
        """
        fitted = CHAIN_BONDS
        if self._fluctuations is None:
            bonds = np.full(len(self.caps), max(fitted.typical, self._at_least))
        else:
            at_cuts = self._fluctuations.bonds(time, threshold)
            every_cut = np.arange(len(self.caps))
            bonds = np.interp(every_cut, self._fluctuations.cuts, at_cuts) + expansion
            if self.model.n_modes:
                bonds *= fitted.with_modes
            else:  # correlations beyond Gaussian ones slow the growth of large bonds
                slower = fitted.large * (bonds / fitted.large) ** fitted.power
                bonds = np.where(bonds > fitted.large, slower, bonds)
        return np.minimum(np.minimum(bonds, max_bond), self.caps)

    def levels(self, tolerance: float) -> list[int]:
        """Return the numbers of Fock levels that the modes will be given."""
        caps = [self.model.dims[k] for k in self.model.modes]
        if self._fluctuations is None or not tolerance:
            return caps
        counts = []
        for cap, n in zip(caps, self._fluctuations.photons(), strict=True):
            weight, level, above = math.exp(-n), 0, -math.expm1(-n)
            while above > tolerance and level < cap:
                level += 1
                weight *= n / level
                above -= weight
            counts.append(min(cap, max(FEWEST_LEVELS, math.ceil(LEVEL_GROWTH * (level + 2)))))
        return counts


def generator_profile(bond: float, n_sites: int) -> Real:
    """Return the bonds of a generator at all cuts, the two ends included."""
    left = np.arange(n_sites + 1)
    return np.minimum(bond, 2 + 2 * 4.0 ** np.minimum(left, n_sites - left))


def conserves_parity(model: Model, state: Any) -> bool:
    """Return whether half of the numbers of a chain usually vanish by a parity.

    Fields along x and field jumps conserve the parity of the number of factors σˣ.
    """
    interacting = model.n_modes > 0 or any(len(term.sites) > 1 for term in model.hamiltonian)
    has_fields = any(isinstance(jump, FieldJump) for jump in model.jumps)
    if interacting or not has_fields or not isinstance(state, ProductState):
        return False
    return not np.any(state.bloch[:, 0])


def sweeps_time(chi: Real, D: Real, sizes: Sequence[int], parity: bool = False) -> float:
    """Return the seconds of one step of TDVP, two sweeps of one-site steps.

    Parameters
    ----------
    chi, D : ndarray, shape (n_sites + 1,)
        Bonds of the state and of the generator at all cuts.
    sizes : sequence of int
        Coordinates of the sites.
    parity : bool
        Whether half of the numbers vanish by a parity.
    """
    left, right = chi[:-1], chi[1:]
    spin = np.array(sizes) == 4
    size = np.array(sizes, dtype=float)
    work = 4 * left * right * D[1:] * (right + 2 * left)
    split = 4 * left * right * np.minimum(4 * left, right)
    modes = size * left * right * np.maximum(D[:-1], D[1:]) * (left + right)
    fitted = TDVP_COSTS
    called = fitted.step + fitted.site * spin.sum() + fitted.mode * (~spin).sum()
    dense = (fitted.exponential / 4 * work + fitted.decomposition * split)[spin].sum()
    dense *= fitted.parity if parity else 1.0
    dense += (fitted.mode_exponential * modes)[~spin].sum()
    return float(called * speed().calls + dense * speed().dense)


def generator_time(bond: float, n_sites: int) -> float:
    """Return the seconds in which a generator is built."""
    called = TDVP_COSTS.core + TDVP_COSTS.core_bond * bond
    dense = TDVP_COSTS.core_cube * float(bond) ** 3
    return n_sites * (called * speed().calls + dense * speed().dense)


def chain_bytes(chi: Real, sizes: Sequence[int]) -> float:
    """Return the bytes of a state with these bonds at all cuts."""
    return 8 * float((np.array(sizes, dtype=float) * chi[:-1] * chi[1:]).sum())


def chain_memory(chi: Real, D: Real, sizes: Sequence[int]) -> float:
    """Return the bytes of generator, environments and the exponential of one site."""
    left, right, size = chi[:-1], chi[1:], np.array(sizes, dtype=float)
    cores = np.where(size == 4, 16.0 * D[:-1] * D[1:], 40.0 * size)
    environments = D * chi**2
    absorbed = np.where(size == 4, 8.0 * left**2 * D[1:], 2.0 * size * left * D[1:])
    krylov = 12.0 * size * left * right
    fitted, has_modes = TDVP_COSTS, bool(np.any(size != 4))
    running = fitted.cores * cores.sum() + fitted.environments * environments.sum()
    running = running + absorbed.max() + 2 * krylov.max()
    built = fitted.built_cores * cores.sum() + fitted.built * D.max() ** 2
    used = 8 * float(max(running, built))
    return used + CHAIN_RUNS.loaded + CHAIN_RUNS.loaded_for_modes * has_modes


def off_grid_outputs(problem: Problem) -> Real:
    """Return the output times at which a run needs the state, and not only interpolation."""
    times = np.atleast_1d(np.asarray(problem.times, dtype=float))
    functionals = any(o.functional is not None for o in problem.observables or ())
    every = functionals or problem.save_states or problem.states_wanted
    return times[times > 0] if every else times[-1:][times[-1:] > 0]


def run_time(
    schedule: StepSchedule,
    problem: Problem,
    rest: float,
    step_time: Callable[[Step, int], tuple[float, float]],
) -> float:
    """Sum up the steps of a run.

    Parameters
    ----------
    schedule : StepSchedule
        Lengths of the steps.
    problem : Problem
        Model, output times and observables.
    rest : float
        Time from which on the state hardly moves, so that most of the time is passed over.
    step_time : callable
        Takes a step and how often bonds have grown; returns the seconds of a step of the chain
        and those of a companion.
    """
    outputs = off_grid_outputs(problem)
    end = float(np.max(np.atleast_1d(problem.times), initial=0.0))
    if schedule.adaptive and rest < end:
        end = min(end, rest + CHAIN_RUNS.resting * schedule.longest * math.log(end / rest))
    steps, later = schedule.first_steps([end])
    total, grown, chain, companion = 0.0, 1, 0.0, 0.0
    observed = CHAIN_RUNS.observed * problem.model.n_sites * speed().calls
    for step in steps:
        chain, companion = step_time(step, grown)
        inside = int(np.sum((outputs > step.end - step.length) & (outputs <= step.end)))
        total += (step.repeats + inside) * chain + (1 + inside) * companion + observed
        grown += int(step.repeats + 1) // 2
    if steps:
        later += int(np.sum(outputs > steps[-1].end))
        total += later * (chain + companion + observed)
    return total + (CHAIN_RUNS.begin + CHAIN_RUNS.output * len(outputs)) * speed().calls
