"""Environments of chains with and without a parity, told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnhop.solvers.chain.steps import environments as dense
from tnhop.solvers.chain.steps import parity_environments as parity
from tnhop.solvers.chain.steps.environments import advance
from tnhop.solvers.chain.steps.parity_environments import (
    ParityEnvironment,
    ParityRightEnvironment,
    ParitySiteEnvironment,
)
from tnhop.solvers.chain.steps.parity_sectors import DenseLayout, ParityLayout
from tnhop.support.arrays import Array


def layout_of(left: Any, ahead: Any, shape: tuple[int, ...]) -> DenseLayout | ParityLayout:
    """Return the blocks of the arrays on which the effective generator of a site acts."""
    return left.layout(ahead) if isinstance(left, ParitySiteEnvironment) else DenseLayout(shape)


def advance_environment(left: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Return the environment one site further, from a tensor and its blocks."""
    return left.advance(blocks) if isinstance(left, ParitySiteEnvironment) else advance(left, A, A)


def blocks_of(left: Any, A: Array) -> list[Array]:
    """Return the blocks of a tensor (left, n, right) whose right states have a parity each."""
    return left.blocks_of(A) if isinstance(left, ParitySiteEnvironment) else [A]


def as_right_env(env: Any) -> Any:
    """Reorder an environment (bra, ket, D) of the mirrored chain to (ket, D, bra)."""
    return env.as_right_env() if isinstance(env, ParityEnvironment) else dense.as_right_env(env)


def bond_generator(env: Any, ahead: Any) -> Callable[[Array], Array]:
    """Return the effective generator of a bond."""
    whole = not isinstance(env, ParityEnvironment)
    return dense.bond_generator(env, ahead) if whole else parity.bond_generator(env, ahead)


def advance_sketch(sketch: Any, G: Array, core: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Advance a random sketch of the left half of Lρ by one site."""
    if isinstance(sketch, ParityEnvironment):
        return core.absorb_into(sketch).advance_sketch(G, blocks)
    return dense.advance_sketch(sketch, G, core, A)


def sketch_outside_basis(sketch: Any, inside: Array, ahead: Any) -> Any:
    """Return a sketch of what is ahead less its part in the basis there."""
    if isinstance(ahead, ParityRightEnvironment):
        return sketch.as_right_env().less(ahead, inside)
    return dense.as_right_env(sketch) - ahead @ inside.T
