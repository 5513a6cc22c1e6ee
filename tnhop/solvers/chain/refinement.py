"""Coarser and finer numerical parameters of chains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tnhop.solvers.refinement import MethodT, knob_factor, rounded

_LARGEST_EPSILON = 0.45


def coarser_chain(method: MethodT) -> MethodT:
    """Return a chain with longer steps and larger cutoffs."""
    return replace(
        method, dt=method.dt and 2 * method.dt, step_tolerance=min(8 * method.step_tolerance, 1e-2),
        cutoff=min(4 * method.cutoff, 1e-2),
        mpo_tolerance=min(4 * method.mpo_tolerance, 1e-2),
    )  # fmt: skip


def truncation_factor(excess: Mapping[str, float]) -> float:
    """Return the factor by which truncation and projection must fall; 1 if they need not."""
    return max(knob_factor(excess, "truncation"), knob_factor(excess, "projection"))


def finer_knobs(
    method: Any, excess: Mapping[str, float], stats: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters of any chain whose errors are smaller by these factors.

    Steps err by their square. The truncation error is proportional to the cutoff, as long as the
    largest bond allows it; a larger ε makes more of the same state count, so that both are changed
    together and the answer is seen at two weights.
    """
    steps, generator = knob_factor(excess, "time_step"), knob_factor(excess, "mpo")
    knobs: dict[str, Any] = {"dt": method.dt and method.dt / math.sqrt(steps)}
    knobs["step_tolerance"] = method.step_tolerance / steps
    knobs["mpo_tolerance"] = method.mpo_tolerance / generator
    knobs["rate_tolerance"] = method.rate_tolerance / generator
    truncation = truncation_factor(excess)
    if truncation > 1:
        epsilon = stats["epsilon"]
        wider = min(1.3 * epsilon, max(_LARGEST_EPSILON, epsilon))
        knobs |= {"cutoff": method.cutoff / truncation, "epsilon": wider}
        if stats["largest_bond"] >= 0.7 * method.max_bond:
            knobs["max_bond"] = math.ceil(method.max_bond * min(1 + math.log2(truncation), 2))
    return knobs


def with_knobs(method: MethodT, knobs: Mapping[str, Any]) -> MethodT:
    """Return the method with other parameters, of three digits."""
    return replace(method, **{name: rounded(value) for name, value in knobs.items()})
