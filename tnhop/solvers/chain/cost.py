"""What an evolution of a chain will cost: steps, bonds on the way, operations in a step, seconds.

Behind the estimates of `TDVP` and `TEBD`. Constants are seconds on the machine that `_speed`
compares with, from `studies/benchmarks/estimate.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tnhop.physics.model import Model
from tnhop.physics.states import ProductState
from tnhop.solvers.chain.fock_levels import FEWEST_LEVELS, LEVEL_GROWTH
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.predicted_bonds import Pilot, pilot
from tnhop.solvers.chain.run import FIRST_PROBES, PROBE_INTERVAL
from tnhop.solvers.machine_speed import speed
from tnhop.support.arrays import Real

_TYPICAL_BOND = 30.0  # where nothing is known: large chains, and starts that are no product states
_WITH_MODES = 1.35  # bonds beside modes, in units of those predicted
_LARGE, _SLOWER = 26.0, 0.6  # bonds beyond which growth is slower, as a power of that predicted
_FOLLOWED = 60  # steps looked at one by one
_MOST_FOR_ORDER = 150  # sites beyond which no order is sought
_COMPANION = 0.75  # steps of a companion, in units of those beside

# seconds of a step, a site, a mode, per operation of local exponentials (and of those of modes), of
# singular value decompositions
_STEP, _SITE, _MODE = 4e-3, 7.5e-3, 2e-3
_EXPONENTIAL, _OF_MODES, _DECOMPOSED = 5.5e-9, 1.8e-7, 3.6e-8
# seconds of a site of a generator with bond D: constant, per D, per D³
_CORE, _CORE_BOND, _CORE_CUBE = 0.015, 1.5e-3, 1.2e-8
_BEGIN, _OUTPUT = 0.35, 0.01  # seconds to load and compile, and per output time
_LOADED, _LOADED_FOR_MODES = 6e6, 1e7  # bytes
_BUILT = 175.0  # numbers per D² while a generator is built


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    end : float
        Time at its end.
    length : float
        Its length.
    repeats : float
        Steps that are taken for it: three where its error is measured.
    """

    end: float
    length: float
    repeats: float


def schedule(times: Any, longest: float, levels: int, probed: bool) -> tuple[list[Step], float]:
    """Return the first steps of a run, and how many repeats of the last one follow.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Output times.
    longest : float
        Length of a step at most.
    levels : int
        Halvings of the first one.
    probed : bool
        Whether some steps are repeated as two half ones.
    """
    steps: list[Step] = []
    now = 0.0
    gaps = np.atleast_1d(times)
    for k, target in enumerate(gaps):
        while now < target * (1 - 1e-12):
            if len(steps) >= _FOLLOWED:
                more = np.ceil(np.diff(np.concatenate([[now], gaps[k:]])) / longest * (1 - 1e-12))
                often = 1 + 2 / PROBE_INTERVAL * probed
                return steps, float(np.maximum(more, 1.0).sum()) * often
            n = len(steps)
            even = (target - now) / math.ceil((target - now) / longest * (1 - 1e-12))
            length = min(even, longest * 2.0 ** min(max(n, 1) - 1 - levels, 0))
            now = target if length > (target - now) * (1 - 1e-9) else now + length
            measured = probed and (n in FIRST_PROBES or (n > 0 and n % PROBE_INTERVAL == 0))
            steps.append(Step(float(now), float(length), 3.0 if measured else 1.0))
    return steps, 0.0


@lru_cache(maxsize=64)
def _pilot(
    model: Model, state: ProductState, epsilon: float, ordering: Any, end: float
) -> Pilot | None:
    order = [int(k) for k in site_order(model, ordering)]
    return pilot(model, state, epsilon, order, end)


class Bonds:
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
        known = isinstance(state, ProductState) and n <= _MOST_FOR_ORDER and 0 < end < math.inf
        self.pilot = _pilot(model, state, epsilon, ordering, end) if known else None
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
    def basis(self) -> str:
        """What the bonds rest on, for a note."""
        return "predicted" if self.pilot else "assumed"

    def at(self, time: float, threshold: float, more: float, most: float) -> Real:
        """Return the bonds at all cuts, the two ends included.

        Parameters
        ----------
        time : float
            The time.
        threshold : float
            Singular values up to this one are dropped.
        more : float
            Directions beyond those.
        most : float
            Largest bond.
        """
        if self.pilot is None:
            found = np.full(len(self.caps), max(_TYPICAL_BOND, self._at_least))
        else:
            cuts, bonds = self.pilot.cuts, self.pilot.bonds(time, threshold)
            found = np.interp(np.arange(len(self.caps)), cuts, bonds) + more
            if self.model.n_modes:
                found *= _WITH_MODES
            else:  # what is not Gaussian slows the growth of large bonds
                found = np.where(found > _LARGE, _LARGE * (found / _LARGE) ** _SLOWER, found)
        return np.minimum(np.minimum(found, most), self.caps)

    def levels(self, tolerance: float) -> list[int]:
        """Return how many Fock levels the modes will be given."""
        caps = [self.model.dims[k] for k in self.model.modes]
        if self.pilot is None or not tolerance:
            return caps
        wanted = []
        for cap, n in zip(caps, self.pilot.photons(), strict=True):
            weight, level, above = math.exp(-n), 0, -math.expm1(-n)
            while above > tolerance and level < cap:
                level += 1
                weight *= n / level
                above -= weight
            wanted.append(min(cap, max(FEWEST_LEVELS, math.ceil(LEVEL_GROWTH * (level + 2)))))
        return wanted


def generator_profile(bond: float, n_sites: int) -> Real:
    """Return the bonds of a generator at all cuts, the two ends included."""
    left = np.arange(n_sites + 1)
    return np.minimum(bond, 2 + 2 * 4.0 ** np.minimum(left, n_sites - left))


def sweeps_time(chi: Real, D: Real, sizes: Sequence[int]) -> float:
    """Return the seconds of one step of TDVP, two sweeps of one-site steps."""
    left, right = chi[:-1], chi[1:]
    spin = np.array(sizes) == 4
    size = np.array(sizes, dtype=float)
    work = 4 * left * right * D[1:] * (right + 2 * left)
    split = 4 * left * right * np.minimum(4 * left, right)
    modes = size * left * right * np.maximum(D[:-1], D[1:]) * (left + right)
    called = _STEP + _SITE * spin.sum() + _MODE * (~spin).sum()
    dense = (_EXPONENTIAL / 4 * work + _DECOMPOSED * split)[spin].sum()
    dense += (_OF_MODES * modes)[~spin].sum()
    return float(called * speed().calls + dense * speed().dense)


def generator_time(bond: float, n_sites: int) -> float:
    """Return the seconds that a generator takes to be built."""
    each = _CORE + _CORE_BOND * bond
    cube = _CORE_CUBE * float(bond) ** 3
    return n_sites * (each * speed().calls + cube * speed().dense)


def chain_bytes(chi: Real, sizes: Sequence[int]) -> float:
    """Return the bytes of a state with these bonds at all cuts."""
    return 8 * float((np.array(sizes, dtype=float) * chi[:-1] * chi[1:]).sum())


def chain_memory(chi: Real, D: Real, sizes: Sequence[int]) -> float:
    """Return the bytes of generator, environments and what one site needs."""
    left, right, size = chi[:-1], chi[1:], np.array(sizes, dtype=float)
    cores = np.where(size == 4, 16.0 * D[:-1] * D[1:], 40.0 * size)
    environments = D * chi**2
    absorbed = np.where(size == 4, 8.0 * left**2 * D[1:], 2.0 * size * left * D[1:])
    krylov = 12.0 * size * left * right
    running = 2.9 * cores.sum() + 1.4 * environments.sum() + absorbed.max() + 2 * krylov.max()
    built = 2.7 * cores.sum() + _BUILT * D.max() ** 2
    return 8 * float(max(running, built)) + _LOADED + _LOADED_FOR_MODES * bool(np.any(size != 4))


def run_time(
    steps: tuple[list[Step], float], step_time: Callable[[Step, int], float], n_outputs: int
) -> float:
    """Sum up the steps of a run; `step_time` takes a step and how many bonds have grown."""
    total, grown, each = 0.0, 1, 0.0
    for step in steps[0]:
        each = step_time(step, grown)
        total += step.repeats * each
        grown += int(step.repeats + 1) // 2
    later = steps[1] * each
    return total + later + (_BEGIN + _OUTPUT * n_outputs) * speed().calls
