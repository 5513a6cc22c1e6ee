"""Bounds on expectation values: norms of operators, errors of rates, weights of cut levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.special import entr

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.operators import local_matrix, normal_order
from tnhop.physics.problem import Problem
from tnhop.physics.states import ProductState, coherent_tail
from tnhop.physics.terms import Operator, Term
from tnhop.physics.time_base import TimeFunction
from tnhop.support.arrays import Real

# Largest |δ| of a functional per unit of trace-norm error; others are not bounded and count as
# unknown.
_FUNCTIONAL_BOUNDS = {"purity": 2.0, "overlap_distribution": 1.0, "overlap_moments": 1.0,
                      "joint_overlap_distribution": 1.0, "edwards_anderson": 2.0}  # fmt: skip


def functional_bound(o: Observable, state: Any) -> Real:
    """Return the change of a functional per unit of trace-norm error; NaN where it is unknown."""
    assert o.functional is not None
    if o.functional.name == "binder_cumulant":  # of a quotient: to first order, at its moments
        second, fourth = state.overlap_moments(dict(o.functional.arguments)["xi"], (2, 4)).T
        with np.errstate(divide="ignore", invalid="ignore"):  # no overlap at all: unknown
            return np.asarray((1 + 2 * fourth / second) / (3 * second**2))
    return np.full(o.shape, _FUNCTIONAL_BOUNDS.get(o.functional.name, np.nan))


def functional_error(o: Observable, state: Any, model: Model, error: float) -> Real:
    """Return the change of a functional by a trace-norm error, Eq. (88); NaN where it is unknown.

    Parameters
    ----------
    o : Observable
        The functional.
    state : State
        The state that was computed.
    model : Model
        The system.
    error : float
        Trace norm of the difference to the true state.
    """
    assert o.functional is not None
    name = o.functional.name
    if name == "entropy":
        return np.full(o.shape, _entropy_error(model, error))
    if name in ("purity", "renyi_entropy"):
        purity = float(state.purity())
        # |tr (2ρ + δ) δ| with ‖ρ‖² ≤ tr ρ² and tr δ² ≤ ‖δ‖₁²
        change = 2 * math.sqrt(max(purity, 0.0)) * error + error**2
        if name == "renyi_entropy":
            change = -math.log1p(-change / purity) if change < purity else change * math.inf
        return np.full(o.shape, change)
    return np.broadcast_to(functional_bound(o, state) * error, o.shape)


def _entropy_error(model: Model, error: float) -> float:
    """Return the largest change of the entropy at a trace-norm error: Fannes and Audenaert."""
    largest = math.fsum(math.log(site.dim) for site in model.sites)  # ln D ≥ ln(D - 1)
    distance = error / 2
    if distance >= 0.5:
        return largest
    mixing = float(entr(distance) + entr(1 - distance))
    return min(distance * largest + mixing, largest)


def operator_bounds(o: Observable, model: Model) -> Real:
    """Return the bounds of the norms of the operators of an observable, in its shape."""
    return np.array([operator_bound(op, model) for op in o.operators]).reshape(o.shape)


def cut_weights(state: Any, model: Model, modes: Sequence[int]) -> Real:
    """Return the weight of initial coherent states above the kept levels of some modes."""
    if not isinstance(state, ProductState):
        return np.zeros(len(modes))
    return np.array([
        coherent_tail(state.alpha[site - model.n_spins], model.sites[site].dim) for site in modes
    ])  # fmt: skip


def photon_steps(model: Model) -> list[int]:
    """Return by how many photons a term or a jump changes each mode at once: at least 1, at most.

    So many of the highest levels tell what a cut Fock space loses: with pairs of photons alone the
    highest one of an even number of levels stays empty.
    """
    steps = dict.fromkeys(model.modes, 1)
    jumps = [jump.operator for jump in model.jumps if isinstance(jump, Jump)]
    for operator in (model.hamiltonian, *jumps):
        for term in operator.terms:
            for site, word in term.factors:
                if site in steps:
                    steps[site] = max(steps[site], *(abs(k - l) for k, l in normal_order(word)))
    return [min(steps[site], model.sites[site].dim) for site in model.modes]


def saved_states_memory(problem: Problem, n_bytes: float) -> float:
    """Return the bytes of states of `n_bytes` at all output times, if they are to be kept."""
    return n_bytes * len(np.atleast_1d(problem.times)) if problem.save_states else 0.0


@cache
def _local_norm(name: str, dim: int) -> float:
    return float(np.linalg.norm(local_matrix(name, dim), 2))


def operator_bound(operator: Operator, model: Model) -> float:
    """Bound the operator norm by Σ |c| Π ‖A‖ over the terms."""
    total = 0.0
    for term in operator.terms:
        product = abs(term.coefficient)
        for site, name in term.factors:
            product *= _local_norm(name, model.sites[site].dim)
        total += product
    return total


def amplitude_bound(jump: FieldJump) -> list[tuple[float, float]]:
    """Return (largest amplitude on sampled fields, its fitting error) per operator of the jump."""
    reach = np.abs(jump.fields).sum(axis=1, keepdims=True)
    sample = reach * np.linspace(-1, 1, 17)
    return [(float(np.abs(a(*sample)).max()), a.max_error) for _, a in jump.amplitudes]


def rate_error(jump: Any) -> float:
    """Bound ‖D[L] - D[L']‖ for amplitudes known up to max_error."""
    if not isinstance(jump, FieldJump) or not any(a.max_error for _, a in jump.amplitudes):
        return 0.0
    return sum(4 * size * error + 2 * error**2 for size, error in amplitude_bound(jump))


def fitted_error(model: Model) -> float:
    """Bound the error of the generator by rates and functions of time that were fitted."""
    total = math.fsum(rate_error(jump) for jump in model.largest().jumps)
    if not any(f.max_error for f in model.time_functions):
        return total
    total += 2 * operator_bound(_uncertain(model.hamiltonian), model)
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            size = sum(largest**2 for largest, _ in amplitude_bound(jump.largest()))
            reach = float(np.abs(jump.largest().fields).sum(axis=1).max())
            total += 2 * size * (_relative(jump.prefactor) + 2 * reach * _relative(jump.argument))
        else:
            size = operator_bound(jump.operator.largest(), model)
            total += 4 * size * operator_bound(_uncertain(jump.operator), model)
    return total


def _uncertain(operator: Operator) -> Operator:
    """Return the operator with the errors of functions of time in the place of coefficients."""
    given: list[tuple[Any, Any]] = [(term.coefficient, term.factors) for term in operator.terms]
    return Operator(tuple(
        Term(c.max_error, factors) for c, factors in given if isinstance(c, TimeFunction)
    ))  # fmt: skip


def _relative(function: TimeFunction | None) -> float:
    """Return the error of a function in units of its largest value."""
    return (
        0.0 if function is None or not function.largest else function.max_error / function.largest
    )
