"""Coarser and finer parameters of a method, from the errors that its answer reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

MethodT = TypeVar("MethodT", bound=Any)

_STEADY = 1.25  # margin, because orders of convergence are reached only in the limit
_MOST = 50.0  # largest factor by which a parameter changes in one refinement
_SMALLEST_TOLERANCE = 1e-13


class ByTolerance:
    """A method with one tolerance."""

    tolerance: float

    def coarser(self: MethodT) -> MethodT:
        """Return a cheaper method: a thousand times the tolerance."""
        return replace(self, tolerance=min(1e3 * self.tolerance, 1e-4))

    def refined(self: MethodT, excess: Mapping[str, float], stats: Mapping[str, Any]) -> MethodT:  # noqa: ARG002
        """Return a method whose errors are smaller by these factors, by source."""
        factor = knob_factor(excess, "time_step")
        return replace(self, tolerance=rounded(max(self.tolerance / factor, _SMALLEST_TOLERANCE)))


def knob_factor(excess: Mapping[str, float], source: str) -> float:
    """Return the factor by which the parameter behind a source of error changes."""
    factor = excess.get(source, 1.0)
    return min(_STEADY * factor, _MOST) if factor > 1.0 else 1.0


def rounded(value: Any) -> Any:
    """Return a number rounded to three digits; anything else as it is."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
