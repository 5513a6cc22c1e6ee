"""Numerics of chains made coarser or finer, knob by knob."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tnhop.solvers.refinement import MethodT, knob_factor, rounded

_LARGEST_EPSILON = 0.45


def coarser_chain(method: MethodT) -> MethodT:
    """Return a chain with longer steps that drops more."""
    return replace(
        method, dt=2 * method.dt, cutoff=min(4 * method.cutoff, 1e-2),
        mpo_tolerance=min(4 * method.mpo_tolerance, 1e-2),
    )  # fmt: skip


def refined_chain(
    method: MethodT, excess: Mapping[str, float], stats: Mapping[str, Any], **more: Any
) -> MethodT:
    """Return a chain whose errors are smaller by these factors; `more` is what it has for itself.

    Steps err by their square. What is dropped is proportional to the cutoff, as long as the largest
    bond allows it; a larger ε makes more of the same state count, so that both are changed together
    and the answer is seen at two weights.
    """
    dropped = dropped_factor(excess)
    steps, generator = knob_factor(excess, "time_step"), knob_factor(excess, "mpo")
    knobs: dict[str, Any] = {"dt": method.dt / math.sqrt(steps)}
    knobs["mpo_tolerance"] = method.mpo_tolerance / generator
    knobs["rate_tolerance"] = method.rate_tolerance / generator
    if dropped > 1:
        epsilon = stats["epsilon"]
        wider = min(1.3 * epsilon, max(_LARGEST_EPSILON, epsilon))
        knobs |= {"cutoff": method.cutoff / dropped, "epsilon": wider}
        if stats["largest_bond"] >= 0.7 * method.max_bond:
            knobs["max_bond"] = math.ceil(method.max_bond * min(1 + math.log2(dropped), 2))
    knobs |= more
    return replace(method, **{name: rounded(value) for name, value in knobs.items()})


def dropped_factor(excess: Mapping[str, float]) -> float:
    """Return by how much less has to be dropped by truncation and projection."""
    return max(knob_factor(excess, "truncation"), knob_factor(excess, "projection"))
