"""Coarser and finer parameters of a method, from the errors that its answer reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from tnhop.support.checks import machine_memory, real, settle

MethodT = TypeVar("MethodT", bound=Any)

_STEADY = 1.25  # margin, because orders of convergence are reached only in the limit
_MOST = 50.0  # largest factor by which a parameter changes in one refinement
_SMALLEST_TOLERANCE = 1e-13


@dataclass(frozen=True)
class TaylorMethod:
    """A method that evolves by Taylor series: one tolerance, and a limit on its memory.

    Parameters
    ----------
    tolerance : float
        Accepted error of the state (trace norm), summed over times up to 10⁶ units.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.
    """

    controlled: ClassVar[bool] = True

    tolerance: float = 1e-10
    max_memory: float | None = None

    def __post_init__(self) -> None:
        settle(self, real, "tolerance", minimum=_SMALLEST_TOLERANCE, maximum=1e-2)
        settle(self, real, "max_memory", above=0.0)

    @property
    def memory_limit(self) -> float:
        """Largest memory that a computation may need, in bytes."""
        return self.max_memory or machine_memory() / 2

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
