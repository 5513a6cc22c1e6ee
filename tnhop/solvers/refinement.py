"""How numerics are made coarser or finer, knob by knob, from what the error budget says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

_Method = TypeVar("_Method", bound=Any)

_STEADY = 1.25  # a little more than asked for: orders are reached only in the limit
_MOST = 50.0  # by which a knob is turned at once
_LARGEST_EPSILON = 0.45
_SMALLEST_TOLERANCE = 1e-13


class ByTolerance:
    """A method with one tolerance."""

    tolerance: float

    def coarser(self: _Method) -> _Method:
        """Return a cheaper one: a thousand times the tolerance."""
        return replace(self, tolerance=min(1e3 * self.tolerance, 1e-4))

    def refined(self: _Method, excess: Mapping[str, float], stats: Mapping[str, Any]) -> _Method:  # noqa: ARG002
        """Return one whose errors are smaller by these factors, by source."""
        factor = _turn(excess, "time_step")
        return replace(self, tolerance=_short(max(self.tolerance / factor, _SMALLEST_TOLERANCE)))


def coarser_chain(method: _Method) -> _Method:
    """Return a chain with longer steps that drops more."""
    return replace(
        method, dt=2 * method.dt, cutoff=min(4 * method.cutoff, 1e-2),
        mpo_tolerance=min(4 * method.mpo_tolerance, 1e-2),
    )  # fmt: skip


def refined_chain(
    method: _Method, excess: Mapping[str, float], stats: Mapping[str, Any]
) -> _Method:
    """Return a chain whose errors are smaller by these factors.

    Steps err by their square. What is dropped is proportional to the cutoff, as long as the largest
    bond allows it; a larger ε makes more of the same state count, so that both are changed together
    and the answer is seen at two weights.
    """
    dropped = max(_turn(excess, "truncation"), _turn(excess, "projection"))
    steps, generator = _turn(excess, "time_step"), _turn(excess, "mpo")
    knobs: dict[str, Any] = {"dt": method.dt / math.sqrt(steps)}
    knobs["mpo_tolerance"] = method.mpo_tolerance / generator
    knobs["rate_tolerance"] = method.rate_tolerance / generator
    if dropped > 1:
        epsilon = stats["epsilon"]
        wider = min(1.3 * epsilon, max(_LARGEST_EPSILON, epsilon))
        knobs |= {"cutoff": method.cutoff / dropped, "epsilon": wider}
        if stats["largest_bond"] >= 0.7 * method.max_bond:
            knobs["max_bond"] = math.ceil(method.max_bond * min(1 + math.log2(dropped), 2))
    if hasattr(method, "krylov_tolerance"):
        knobs["krylov_tolerance"] = method.krylov_tolerance / _turn(excess, "krylov")
    if hasattr(method, "expansion") and dropped > 1:
        knobs["expansion"] = method.expansion + 2
    if "fock_tail" in excess and hasattr(type(method), "krylov_tolerance"):
        knobs["fock_tolerance"] = method.fock_tolerance / _turn(excess, "fock_tail")
    return replace(method, **{name: _short(value) for name, value in knobs.items()})


def _turn(excess: Mapping[str, float], source: str) -> float:
    """Return by how much a knob is turned for a source of error."""
    factor = excess.get(source, 1.0)
    return min(_STEADY * factor, _MOST) if factor > 1.0 else 1.0


def _short(value: Any) -> Any:
    """Round to three digits, as one writes numerics."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
