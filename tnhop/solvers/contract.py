"""The verbs that a method may offer besides `evolve`, as protocols that `choose_method` tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.problem import Method, Problem
from tnhop.physics.terms import Operator
from tnhop.support.arrays import Complex

__all__ = ["VERBS", "HasCorrelation", "HasSpectrum", "HasSteadyState", "Refinable"]


@runtime_checkable
class HasSteadyState(Method, Protocol):
    """A method that finds stationary states."""

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary state; if several exist, the one that the state reaches."""


@runtime_checkable
class HasSpectrum(Method, Protocol):
    """A method that finds eigenvalues of the generator."""

    def liouvillian_spectrum(self, problem: Problem, k: int) -> Spectrum:
        """Return the k eigenvalues with the largest real parts."""


@runtime_checkable
class HasCorrelation(Method, Protocol):
    """A method that finds two-time correlations."""

    def correlation(
        self, problem: Problem, first: Operator, second: Operator
    ) -> tuple[Complex, float]:
        """Return ⟨second(t) first(0)⟩ at the times of the problem, and its largest error."""


@runtime_checkable
class Refinable(Method, Protocol):
    """A method whose numerics can be made coarser and finer, as `converge` does."""

    def coarser(self) -> Self:
        """Return a cheaper one."""

    def refined(self, excess: Mapping[str, float], stats: Mapping[str, Any]) -> Self:
        """Return one whose errors are smaller by these factors, by source of error.

        Parameters
        ----------
        excess : mapping of str to float
            Source of error → factor above 1 by which it is too large.
        stats : mapping
            Statistics of the last run.
        """


VERBS: dict[str, type] = {
    "evolve": Method,
    "steady_state": HasSteadyState,
    "liouvillian_spectrum": HasSpectrum,
    "correlation": HasCorrelation,
}
