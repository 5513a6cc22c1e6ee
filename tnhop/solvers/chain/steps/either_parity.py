"""Operations on environments of chains with and without a parity."""

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


def layout_of(site_env: Any, right_env: Any, shape: tuple[int, ...]) -> DenseLayout | ParityLayout:
    """Return the layout of the arrays on which the effective generator of a site acts."""
    return (
        site_env.layout(right_env)
        if isinstance(site_env, ParitySiteEnvironment)
        else DenseLayout(shape)
    )


def advance_environment(site_env: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Return the environment one site further, from a tensor and its blocks."""
    return (
        site_env.advance(blocks)
        if isinstance(site_env, ParitySiteEnvironment)
        else advance(site_env, A, A)
    )


def blocks_of(site_env: Any, A: Array) -> list[Array]:
    """Return the blocks of a tensor (left, n, right) whose right states have a parity each."""
    return site_env.blocks_of(A) if isinstance(site_env, ParitySiteEnvironment) else [A]


def as_right_env(env: Any) -> Any:
    """Reorder an environment (bra, ket, D) of the mirrored chain to (ket, D, bra)."""
    return env.as_right_env() if isinstance(env, ParityEnvironment) else dense.as_right_env(env)


def bond_generator(env: Any, right_env: Any) -> Callable[[Array], Array]:
    """Return the effective generator of a bond."""
    kind = parity if isinstance(env, ParityEnvironment) else dense
    return kind.bond_generator(env, right_env)


def advance_sketch(sketch: Any, G: Array, core: Any, A: Array, blocks: Sequence[Array]) -> Any:
    """Advance a random sketch of the left half of Lρ by one site."""
    if isinstance(sketch, ParityEnvironment):
        return core.absorb_into(sketch).advance_sketch(G, blocks)
    return dense.advance_sketch(sketch, G, core, A)


def sketch_outside_basis(sketch: Any, overlap: Array, right_env: Any) -> Any:
    """Return a sketch on the right less its part in the basis there."""
    if isinstance(right_env, ParityRightEnvironment):
        return sketch.as_right_env().minus_basis_part(right_env, overlap)
    return dense.as_right_env(sketch) - right_env @ overlap.T
