"""A generator as sweeps in both directions want it, whole and in blocks of a parity."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from autoray import infer_backend
from numpy.typing import NDArray

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.environments import Core, split_core
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.parity import Grading, gradings, sorted_core
from tnhop.solvers.chain.steps.parity_environments import GradedCore
from tnhop.support.arrays import Array


class Generator:
    """Cores of a generator and trace functionals of the sites, for sweeps in both directions.

    Parameters
    ----------
    cores : sequence of ndarray, shape (n_left, n, n, n_right), or ModeCore
        The generator.
    traces : sequence of ndarray, shape (n,)
        Trace functional of every site.
    like : array
        An array of the library and precision to be used.
    """

    def __init__(
        self,
        cores: Sequence[NDArray[np.float64] | ModeCore],
        traces: Sequence[NDArray[np.float64]],
        like: Array,
    ) -> None:
        units = [placed(t / np.linalg.norm(t), like) for t in traces]
        self.traces = units, units[::-1]
        self._given, self._like = (cores, traces), like
        self._graded = dict[tuple[int, ...], Generator]()
        self._sides = self._both([(W, None) for W in cores])
        self._charges: tuple[int, ...] = ()

    @staticmethod
    def _both(cores: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
        """Return cores with the legs of their bonds, and both from the other end."""
        return cores, [(turned_core(W), legs and legs[::-1]) for W, legs in reversed(cores)]

    @cached_property
    def cores(self) -> list[list[Any]]:
        """Cores of the sweeps to the right and to the left."""
        return self._seen(True)

    @cached_property
    def whole(self) -> list[list[Any]]:
        """The same, ungrouped."""
        return self._seen(False)

    def _seen(self, grouped: bool) -> list[list[Any]]:
        def seen(W: Any, legs: Any) -> Any:
            if legs is None:
                return seen_core(W, self._like, grouped)
            return GradedCore.of(W, self._charges, legs, self._like, grouped)

        return [[seen(*core) for core in side] for side in self._sides]

    @cached_property
    def gradings(self) -> list[Grading]:
        """Parities that it conserves, where arrays can be written."""
        return [] if infer_backend(self._like) == "jax" else gradings(*self._given)

    def graded(self, grading: Grading) -> Generator:
        """Return the same generator in blocks."""
        if grading.charges not in self._graded:
            other = object.__new__(Generator)
            other.traces, other._like, other._charges = self.traces, self._like, grading.charges
            bonds: Any = zip(self._given[0], grading.bonds, grading.bonds[1:], strict=False)
            other._sides = self._both([sorted_core(*bond) for bond in bonds])
            self._graded[grading.charges] = other
        return self._graded[grading.charges]


def seen_core(
    W: NDArray[np.float64] | ModeCore, like: Array, grouped: bool = True
) -> Core | SparseCore:
    """Return a core for sweeps: dense blocks for spins, a sparse matrix for modes."""
    return SparseCore.of(W, like) if isinstance(W, ModeCore) else split_core(W, like, grouped)


def turned_core(W: NDArray[np.float64] | ModeCore) -> NDArray[np.float64] | ModeCore:
    """Return a core as seen from the other end of the chain."""
    return W.mirrored() if isinstance(W, ModeCore) else np.transpose(W, (3, 1, 2, 0))
