"""What a sweep of TDVP carries along: direction, length, losses, sketches, random vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.protocols import Environment
from tnhop.solvers.chain.steps.sweep_generator import SweepGenerator
from tnhop.solvers.chain.steps.truncation import TruncationStats
from tnhop.support.arrays import Array

Sketch = tuple[Environment, Array]  # random vectors with Lρ, and with the basis there


def random_signs(rng: np.random.Generator, rows: int, n: int) -> NDArray[np.float64]:
    """Return ±1, shape (rows, n)."""
    return np.asarray(2.0 * rng.integers(0, 2, size=(rows, n)) - 1.0)


class Sweep:
    """One sweep: its direction (0: to the right), time, cutoff, losses and sketches.

    `span` is the length of the step that it belongs to.
    """

    def __init__(
        self, generator: SweepGenerator, side: int, dt: float, cutoff: float,
        tally: TruncationStats, rng: np.random.Generator, span: float,
    ) -> None:  # fmt: skip
        self.cores, self.traces = generator.cores[side], generator.traces[side]
        self.side, self.dt, self.cutoff, self.tally = side, dt, cutoff, tally
        self.span, self.sketches = span, list[Sketch]()
        self._rng = rng

    def random(self, rows: int, A: Array) -> Array:
        """Return random signs for the outgoing coordinates of a site, shape (rows, n).

        Products of them along the chain give unbiased norms.
        """
        return placed(self.signs(rows, A.shape[1]), A)

    def signs(self, rows: int, n: int) -> NDArray[np.float64]:
        """Return random signs, shape (rows, n)."""
        return random_signs(self._rng, rows, n)
