"""Generators prepared for sweeps in both directions, in one block or in blocks of a parity."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from autoray import infer_backend
from numpy.typing import NDArray

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.environments import split_core
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.parity import ConservedParity, conserved_parities, sorted_core
from tnhop.solvers.chain.steps.parity_environments import ParityCore
from tnhop.solvers.chain.steps.protocols import GeneratorCore
from tnhop.support.arrays import Array


class SweepGenerator:
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
        self._as_given, self._like = (cores, traces), like
        self._by_charges = dict[tuple[int, ...], SweepGenerator]()
        self._sides = self._both_sides([(W, None) for W in cores])
        self._charges: tuple[int, ...] = ()

    @staticmethod
    def _both_sides(cores: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
        """Return cores with the parities of their bonds, and both from the other end."""
        mirrored = [(mirrored_core(W), dims and dims[::-1]) for W, dims in reversed(cores)]
        return cores, mirrored

    @cached_property
    def cores(self) -> list[list[GeneratorCore]]:
        """Cores of the sweeps to the right and to the left."""
        return self._prepared(True)

    @cached_property
    def ungrouped_cores(self) -> list[list[GeneratorCore]]:
        """The same, ungrouped."""
        return self._prepared(False)

    def _prepared(self, grouped: bool) -> list[list[GeneratorCore]]:
        def prepare(W: Any, bond_dims: Any) -> GeneratorCore:
            if bond_dims is None:
                return sweep_core(W, self._like, grouped)
            return ParityCore.of(W, self._charges, bond_dims, self._like, grouped)

        return [[prepare(*core) for core in side] for side in self._sides]

    @cached_property
    def parities(self) -> list[ConservedParity]:
        """Parities that the generator conserves, if arrays can be written in place.

        The last one is that of chains of spins without any: all states are even, in one block.
        """
        return [] if infer_backend(self._like) == "jax" else conserved_parities(*self._as_given)

    def in_blocks(self, parity: ConservedParity) -> SweepGenerator:
        """Return the same generator in blocks."""
        if parity.charges not in self._by_charges:
            other = object.__new__(SweepGenerator)
            other.traces, other._like, other._charges = self.traces, self._like, parity.charges
            bonds: Any = zip(self._as_given[0], parity.bonds, parity.bonds[1:], strict=False)
            other._sides = self._both_sides([sorted_core(*bond) for bond in bonds])
            self._by_charges[parity.charges] = other
        return self._by_charges[parity.charges]


def sweep_core(
    W: NDArray[np.float64] | ModeCore, like: Array, grouped: bool = True
) -> GeneratorCore:
    """Return a core for sweeps: dense blocks for spins, a sparse matrix for modes."""
    return SparseCore.of(W, like) if isinstance(W, ModeCore) else split_core(W, like, grouped)


def mirrored_core(W: NDArray[np.float64] | ModeCore) -> NDArray[np.float64] | ModeCore:
    """Return a core as seen from the other end of the chain."""
    return W.mirrored() if isinstance(W, ModeCore) else np.transpose(W, (3, 1, 2, 0))
