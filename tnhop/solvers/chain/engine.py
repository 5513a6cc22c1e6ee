"""Engine, setup and progress of the evolution of a chain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.operators import LocalBasis
from tnhop.solvers.chain.fock_levels import Levels
from tnhop.solvers.chain.network.derivatives import GeneratorFunctionals
from tnhop.solvers.chain.schedule import StepSchedule
from tnhop.solvers.chain.steps.truncation import TruncationStats
from tnhop.support.arrays import Array, Real


class Engine(Protocol):
    """Advances a chain whose tensor 0 carries the state, all others being isometries."""

    chain: list[Array]

    def copy(self) -> Engine:
        """Return an independent engine in the same state."""

    def expand_initial_bonds(self) -> None:
        """Expand the bonds in the directions that the first step needs."""

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> TruncationStats:
        """Advance by dt, dropping singular values up to the cutoff."""


@dataclass(frozen=True, eq=False)
class EngineSetup:
    """Engine, coordinates and tolerances of a run.

    Attributes
    ----------
    epsilon : float
        Weight of the non-identity factors of spins.
    order : ndarray, shape (n_sites,)
        Site at every position.
    bases : sequence of LocalBasis
        Coordinates by position.
    like : array
        An array of the library and precision to be used.
    schedule : StepSchedule
        Lengths of the steps.
    cutoff : float
        Singular values up to cutoff times the length of a step are dropped.
    max_bond : int
        Largest bond.
    engine : callable
        Chain → engine.
    mpo_error : callable
        Engine after a step, transverse length of the Bloch vectors → how fast gates or generator
        make them err.
    facts : callable
        Returns entries of the statistics about generator or gates.
    extrapolate : bool
        Whether a second chain takes steps twice as long all the way: the difference is three times
        the error of the first one, if the order is 2, and is subtracted.
    companion_engine : callable, optional
        Chain → engine of a companion that truncates more: what the observables differ by is
        then the error of truncation and projection.
    fock_tolerance : float
        Population of the two highest Fock levels above which a mode gets more.
    functionals : GeneratorFunctionals, optional
        Functionals of the generator, for the rates of change of observables.
    at_levels : callable, optional
        Number of Fock levels of every mode → setup; the levels are then adapted.
    """

    epsilon: float
    order: NDArray[np.intp]
    bases: tuple[LocalBasis, ...]
    like: Array
    schedule: StepSchedule
    cutoff: float
    max_bond: int
    engine: Callable[[list[Array]], Engine]
    mpo_error: Callable[[Engine, float], float]
    facts: Callable[[], dict[str, Any]]
    extrapolate: bool = False
    companion_engine: Callable[[list[Array]], Engine] | None = None
    fock_tolerance: float = 0.0
    functionals: GeneratorFunctionals | None = None
    at_levels: Callable[[Levels], EngineSetup] | None = None


@dataclass
class Progress:
    """State of a run, sufficient to go on from; the names of the fields are those of checkpoints.

    Attributes
    ----------
    tensors, coarse, companion : list of ndarray
        The chain; the one with double steps and the companion, empty where there is none.
    apart : dict
        Largest distance from the companion so far, by observable.
    time, steps, next_output : float, int, int
        Time, steps taken, and number of the next output time.
    tally : TruncationStats
        Effort and losses of all steps.
    lost, projected : float
        Discarded and projected norms, summed over steps.
    unseen : float
        Sum of both over the steps in which the companion had about the bonds of the chain.
    step_errors : dict
        Errors of the time step up to the last probe, by observable.
    error_rates : dict
        Errors per unit of time that the last probe measured, by observable.
    length, allowed, smooth, probed_length : float
        Length of the last step, those that the last probe and the interpolation of the observables
        allow, and that of the last probed step.
    least : float
        Error of steps per unit of time that shorter ones do not reduce.
    last_probe : tuple of float
        Length and error per unit of time of the last probed step, also of one that was rejected.
    since_probe : int
        Steps since the last probe, which included.
    pending, pending_cubes : float
        Sum of the lengths, and of their cubes, since the last probe.
    moved : float
        Change of the state per unit of time in the last step, as a norm of the vector.
    still_until, still : float
        Time up to which the state does not change, and sum of such spans before.
    before : float
        Time of the runs that reached the start, if this one goes on from there.
    doubled : dict
        Largest distance from the chain with double steps so far, by observable.
    nodes : list
        Ends of the last steps, between which observables are interpolated.
    trace_defect, largest_bond : float, int
        Largest values so far.
    mpo_error : float
        Error of Bloch vectors by gates or generator, added up.
    levels : tuple of int
        Present numbers of Fock levels.
    tail : ndarray
        Largest populations of the highest Fock levels.
    smallest_eigenvalue : float
        Of reduced states, so far.
    facts : dict
        Largest values about generator or gates.
    """

    tensors: list[Real]
    coarse: list[Real] = field(default_factory=list)
    companion: list[Real] = field(default_factory=list)
    apart: dict[str, Real] = field(default_factory=dict)
    time: float = 0.0
    steps: int = 0
    next_output: int = 0
    tally: TruncationStats = field(default_factory=TruncationStats)
    lost: float = 0.0
    projected: float = 0.0
    unseen: float = 0.0
    step_errors: dict[str, Real] = field(default_factory=dict)
    trace_defect: float = 0.0
    mpo_error: float = 0.0
    largest_bond: int = 1
    levels: Levels = ()
    tail: Real = field(default_factory=lambda: np.zeros(0))
    smallest_eigenvalue: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)
    error_rates: dict[str, Real] = field(default_factory=dict)
    length: float = 0.0
    allowed: float = math.inf
    smooth: float = math.inf
    probed_length: float = 0.0
    least: float = 0.0
    last_probe: tuple[float, float] | None = None
    since_probe: int = 0
    pending: float = 0.0
    pending_cubes: float = 0.0
    moved: float = math.inf
    still_until: float = 0.0
    still: float = 0.0
    before: float = 0.0
    doubled: dict[str, Real] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
