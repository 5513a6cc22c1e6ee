"""Answers of steady states: observables in them, and their error bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, evaluate
from tnhop.solvers.bounds import functional_bound, operator_bound, rate_error
from tnhop.solvers.exact.block_lindbladian import BlockLindbladian
from tnhop.solvers.exact.eigenpairs import Eigenpairs
from tnhop.solvers.exact.stationary import Stationary
from tnhop.support.arrays import Real
from tnhop.support.errors import ConvergenceError

_NEGATIVE = 1e-8  # populations below minus this are none of a state
_SLOWEST = 4.0  # calibrated: what is lost above the top level comes back more at small gaps
_GAP_TAIL = 10.0  # calibrated: relative error of gaps per levels² times the weight of the top level
_VALUE_TAIL = 1.5  # calibrated: of eigenvalues, per levels times the share of the highest levels


def steady_answer(
    problem: Problem, method: Any, state: Any, found: Stationary, lowest: float,
    tails: Sequence[tuple[int, float]], dimension: str,
) -> SteadyState:  # fmt: skip
    """Evaluate the observables in a stationary state.

    Parameters
    ----------
    problem, method : Problem, Method
        What was asked, and of whom.
    state : State
        The state.
    found : Stationary
        Its quality.
    lowest : float
        Its smallest population.
    tails : sequence of (int, float)
        Number of levels, and population of the highest one, of every mode.
    dimension : str
        Size of the space, for the statistics.
    """
    if found.resolved and lowest < -_NEGATIVE:
        raise ConvergenceError(
            f"The null vector found is not a state: a population is {lowest:.1e}."
            " Use `evolve` to a late time instead.",
            state,
            found.residual,
        )
    stats: dict[str, Any] = {"dimension": dimension, "undamped": found.undamped}
    if tails:
        stats["fock_tail"] = max(tail for _, tail in tails)
    missing = sum(levels**2 * max(tail, 0.0) for levels, tail in tails)
    values = {o.name: evaluate(state, o) for o in problem.observables}
    budget = ErrorBudget({o.name: _sources(problem, o, state, found, tails)
                          for o in problem.observables})  # fmt: skip
    return SteadyState(
        state, values, found.residual, found.gap, found.multiplicity,
        found.converged, problem.model, method, tuple(problem.observables), stats, budget,
        gap_error=found.gap_error + found.gap * _GAP_TAIL * missing,
        label="" if found.resolved else "slow decays not resolved, the gap is an upper bound",
    )  # fmt: skip


def fock_errors(
    pairs: Eigenpairs, L: BlockLindbladian, levels: Sequence[tuple[int, NDArray[np.intp]]]
) -> Real:
    """Return the errors of eigenvalues from a cut Fock space: calibrated on random cases.

    Parameters
    ----------
    pairs : Eigenpairs
        The pairs.
    L : BlockLindbladian
        Their generator.
    levels : sequence of (int, ndarray)
        Number of levels, and level of every basis state, of every mode.
    """
    rows, columns = L.entries()
    sizes, errors = np.abs(pairs.vectors) ** 2, np.zeros(len(pairs.values))
    for count, level in levels:
        highest = level[rows] + level[columns] >= 2 * (count - 2)
        share = np.sqrt(sizes[highest].sum(axis=0) / sizes.sum(axis=0))
        errors += _VALUE_TAIL * count * share * np.abs(pairs.values)
    return errors


def _sources(
    problem: Problem, o: Observable, state: Any, found: Stationary,
    tails: Sequence[tuple[int, float]],
) -> dict[str, Real]:  # fmt: skip
    """Return the half-widths of an observable by source, Eq. (94) of docs/physics.md."""
    model = problem.model
    if o.functional is None:
        bound = np.array([operator_bound(op, model) for op in o.operators]).reshape(o.shape)
    else:
        bound = functional_bound(o, state)
    errors = {"residual": found.error}
    if any(rates := [rate_error(jump) for jump in model.jumps]):
        errors["rates"] = min(sum(rates) * found.sensitivity, 2.0)
    if model.n_modes:
        slow = 2 + min(model.rate_scale / max(found.gap, 1e-300), _SLOWEST)
        errors["fock_tail"] = slow * sum(levels * max(tail, 0.0) for levels, tail in tails)
    return {name: np.broadcast_to(bound * error, o.shape).copy() for name, error in errors.items()}
