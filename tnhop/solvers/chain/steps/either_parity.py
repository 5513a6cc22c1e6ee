"""Environments of chains with and without a parity, told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnhop.solvers.chain.steps import environments as dense
from tnhop.solvers.chain.steps import parity_environments as parity
from tnhop.solvers.chain.steps.environments import advanced
from tnhop.solvers.chain.steps.parity_environments import GradedAbsorbed, GradedAhead, GradedEnv
from tnhop.solvers.chain.steps.parity_sectors import Frame, Whole
from tnhop.support.arrays import Array


def framed(left: Any, ahead: Any, shape: tuple[int, ...]) -> Whole | Frame:
    """Return the blocks of the arrays on which the effective generator of a site acts."""
    return left.frame(ahead) if isinstance(left, GradedAbsorbed) else Whole(shape)


def further(left: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Return the environment one site further, from a tensor and its blocks."""
    return left.advanced(blocks) if isinstance(left, GradedAbsorbed) else advanced(left, A, A)


def blocks_of(left: Any, A: Array) -> list[Array]:
    """Return the blocks of a tensor (left, n, right) whose right states have a parity each."""
    return left.blocks_of(A) if isinstance(left, GradedAbsorbed) else [A]


def as_ahead(env: Any) -> Any:
    """Reorder an environment (bra, ket, D) of the mirrored chain to (ket, D, bra)."""
    return env.as_ahead() if isinstance(env, GradedEnv) else dense.as_ahead(env)


def bond_effective(env: Any, ahead: Any) -> Callable[[Array], Array]:
    """Return the effective generator of a bond."""
    whole = not isinstance(env, GradedEnv)
    return dense.bond_effective(env, ahead) if whole else parity.bond_effective(env, ahead)


def sketched(sketch: Any, G: Array, core: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Advance a random sketch of the left half of Lρ by one site."""
    if isinstance(sketch, GradedEnv):
        return core.absorbed(sketch).sketched(G, blocks)
    return dense.sketched(sketch, G, core, A)


def outside(sketch: Any, inside: Array, ahead: Any) -> Any:
    """Return a sketch of what is ahead less its part in the basis there."""
    if isinstance(ahead, GradedAhead):
        return sketch.as_ahead().less(ahead, inside)
    return dense.as_ahead(sketch) - ahead @ inside.T
