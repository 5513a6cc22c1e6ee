"""Error bars of the observables of chains, by source; calibrated on problems with exact answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.observables import Observable
from tnhop.physics.operators import LocalBasis
from tnhop.physics.problem import Problem, evaluate
from tnhop.solvers.bounds import rate_error
from tnhop.solvers.chain.engine import Progress
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.observable_norms import observable_norms
from tnhop.support.arrays import Real

# Share of the discarded and projected norms, summed over steps, that an observable feels: in 80
# random problems of 4 to 7 and 16 of 16 to 60 spins 97 % of the errors were smaller than the bar,
# half of them 29 times (studies/validation/calibration repeats it with other seeds).
FELT = 0.3
_UNITS = 4  # of rounding of numbers of single precision, in an expectation value
_ROTATED = 3.0  # later steps turn the error of a step into errors of other observables
_UNEVEN = 1.5  # excess over the second order, of steps that are not yet short enough
_SLOW = 1.75  # the error may fall slowly with the bond, as its power -1.3


class ErrorBars:
    """Half-widths of the observables of a run.

    Parameters
    ----------
    problem : Problem
        Model and observables.
    bases : tuple of LocalBasis
        Coordinates by position.
    order : ndarray, shape (n_sites,)
        Site at every position.
    precision : str
        Type of the entries of the tensors.

    Attributes
    ----------
    norms : dict of str to dict of str to ndarray
        By observable, see `observable_norms`; functionals have none.
    """

    def __init__(
        self, problem: Problem, bases: tuple[LocalBasis, ...], order: NDArray[np.intp],
        precision: str = "float64",
    ) -> None:  # fmt: skip
        model = problem.model
        self.norms = {
            o.name: observable_norms(o, model, bases, order)
            for o in problem.observables
            if o.operators
        }
        self._rounding = _UNITS * float(np.finfo(precision).eps) if precision != "float64" else 0.0
        self._rate_error = sum(rate_error(jump) for jump in model.jumps)
        self._level_counts = [model.sites[k].dim for k in model.modes]

    def by_source(self, o: Observable, progress: Progress, time: float) -> dict[str, Any]:
        """Return the half-widths of an observable by source, at a time in the last step."""
        norms, unknown = self.norms.get(o.name, {}), np.full(o.shape, np.nan)
        norm, bound = norms.get("norm", unknown), norms.get("bound", unknown)
        errors = {
            "truncation": FELT * norm * progress.lost,
            "projection": FELT * norm * progress.projected,
            "time_step": step_error(o, progress),
            "krylov": norm * math.sqrt(progress.tally.krylov),
            "mpo": norms.get("bloch_sensitivity", unknown) * progress.mpo_error,
        }
        if self._rounding:  # it shows in the trace
            errors["rounding"] = bound * max(self._rounding, progress.trace_defect)
        if self._rate_error:
            errors["rates"] = bound * self._rate_error * time
        if len(progress.tail):  # as calibrated for `Exact`
            errors["fock_tail"] = bound * float(np.array(self._level_counts) @ progress.tail)
        return errors

    def with_unseen(self, o: Observable, apart: Real, unseen: float) -> Real:
        """Return the error by the companion, no less than what is cut where both chains are alike.

        Growth below the cutoff is missed by both, step by step, and leaves them together.
        """
        norm = self.norms.get(o.name, {}).get("norm", np.zeros(o.shape))
        return np.asarray(np.maximum(apart, FELT * norm * unseen))


def step_error(o: Observable, progress: Progress) -> Real:
    """Return the error of the time step: of the probed steps, and of those since then.

    Errors are of third order in the length of a step: longer steps than the probed one err by more
    per unit of time.
    """
    settled = progress.step_errors.get(o.name, np.zeros(o.shape))
    if not progress.pending:
        return settled
    longer = progress.pending_cubes / progress.probed_length**2
    return settled + max(progress.pending, longer) * progress.error_rates[o.name]


def transverse_length(state: MPSState) -> float:
    """Return the root mean square length of the x and y components of the Bloch vectors."""
    return math.sqrt(np.sum(state.bloch()[:, :2] ** 2) / max(state.n_spins, 1))


def probed_step_error(o: Observable, one_step: MPSState, two_halves: MPSState) -> Any:
    """Return the error of a step like the one that was taken whole and as two halves."""
    difference = np.abs(evaluate(one_step, o) - evaluate(two_halves, o))
    error = _ROTATED * np.maximum(difference, _rms(difference))
    return 4 / 3 * error  # half steps err by a quarter of the error of whole steps


def double_step_error(difference: Real, earlier: Any) -> Real:
    """Return the error of the time step, from a third of the difference to steps twice as long.

    As for `companion_error`: a component or a time at which both agree is not better than others.
    """
    size = np.abs(difference)
    return np.asarray(np.maximum(_UNEVEN * np.maximum(size, _rms(size)), earlier))


def companion_error(difference: Real, earlier: Any) -> Real:
    """Return the error of truncation and projection, from the difference to a smaller chain.

    A component may happen to agree: none is better than the rms of all, or than it was `earlier`.
    """
    size = np.abs(difference)
    return np.asarray(np.maximum(_SLOW * np.maximum(size, _rms(size)), earlier))


def _rms(x: Real) -> float:
    return math.sqrt(np.mean(x**2))
