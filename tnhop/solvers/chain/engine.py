"""What an evolution of a chain works with: its engine, its plan, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.operators import LocalBasis
from tnhop.solvers.chain.fock_levels import Levels
from tnhop.solvers.chain.steps.truncation import TruncationStats
from tnhop.support.arrays import Array, Real


class Engine(Protocol):
    """Advances a chain whose tensor 0 carries the state, all others being isometries."""

    chain: list[Array]

    def copy(self) -> Engine:
        """Return an engine that can go its own way."""

    def expand_initial_bonds(self) -> None:
        """Expand the bonds in the directions that the first step needs."""

    def step(self, dt: float, cutoff: float, seed: tuple[int, int]) -> TruncationStats:
        """Advance by dt, dropping singular values up to the cutoff."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a method gives to a run.

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
    engine : callable
        Chain → engine.
    start_levels : int
        The first step is cut into so many halves of halves.
    coarse : bool
        Whether a second chain takes steps twice as long all the way: the difference is three times
        the error of the first one, if the order is 2. Otherwise some steps are repeated.
    extrapolate : bool
        Whether that error is subtracted.
    companion : callable, optional
        Chain → engine that truncates more, to run beside: what the observables differ by is then
        the error of truncation and projection.
    at_levels : callable, optional
        Number of Fock levels of every mode → plan; the levels are then adapted.
    mpo_error : callable
        Returns the typical error of a rate in the gates or the generator.
    facts : callable
        Returns what the statistics say besides the effort.
    """

    epsilon: float
    order: NDArray[np.intp]
    bases: tuple[LocalBasis, ...]
    like: Array
    engine: Callable[[list[Array]], Engine]
    start_levels: int
    mpo_error: Callable[[], float]
    facts: Callable[[], dict[str, Any]]
    coarse: bool = False
    extrapolate: bool = False
    at_levels: Callable[[Levels], Plan] | None = None
    companion: Callable[[list[Array]], Engine] | None = None


@dataclass
class Progress:
    """All that a run needs to go on: besides this only the problem and the method."""

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
    step_errors: dict[str, Real] = field(default_factory=dict)
    trace_defect: float = 0.0
    mpo_error: float = 0.0
    largest_bond: int = 1
    levels: Levels = ()
    tail: Real = field(default_factory=lambda: np.zeros(0))
    smallest_eigenvalue: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)
