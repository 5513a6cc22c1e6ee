"""Predicted cost of an evolution by Taylor series: applications, operations in each, seconds.

Behind the estimates of `Exact`, `Symmetric` and `ClassicalMaster`. Counts follow from the terms of
the Model, seconds from `fitted`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

import numpy as np

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.operators import local_matrix
from tnhop.physics.problem import Problem
from tnhop.physics.terms import Operator, Term
from tnhop.solvers.bounds import operator_bound
from tnhop.solvers.exact.series import GOOD_DEGREE
from tnhop.solvers.exact.taylor import SpectralBounds
from tnhop.solvers.fitted import Taylor
from tnhop.solvers.machine_speed import speed

_LEVELS = 6  # enough to see which levels an operator of a mode connects


@lru_cache(maxsize=64)
def spectral_bounds(model: Model) -> SpectralBounds:
    """Bound the spectrum from the terms: Hamiltonian and jumps, of spins and of modes."""
    sides: tuple[list[Term], list[Term]] = ([], [])
    for term in model.hamiltonian.terms:
        sides[_has_mode(term, model)].append(term)
    h = [operator_bound(Operator(tuple(terms)), model) for terms in sides]
    rates, flips = [0.0, 0.0], dict[int, np.ndarray]()
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            sample = np.abs(jump.fields).sum(axis=1, keepdims=True) * np.linspace(-1, 1, 17)
            total = sum(np.abs(amplitude(*sample)) ** 2 for _, amplitude in jump.amplitudes)
            flips[jump.site] = flips.get(jump.site, 0.0) + np.broadcast_to(total, 17)
        else:
            modes = any(_has_mode(term, model) for term in jump.operator.terms)
            rates[modes] += operator_bound(jump.operator, model) ** 2
    rates[0] += sum(float(total.max()) for total in flips.values())
    weighted = [
        sum(a * b for a, b in zip(weights, values, strict=True))
        for weights, values in (
            (Taylor.OF_HAMILTONIAN, h),
            (Taylor.OF_JUMPS, rates),
            (Taylor.CENTRE, rates),
            (Taylor.HEIGHT, h),
        )
    ]
    return SpectralBounds(math.hypot(weighted[0], weighted[1]), weighted[2], weighted[3])


def _has_mode(term: Term, model: Model) -> bool:
    return any(site >= model.n_spins for site in term.sites)


@cache
def _shifts(name: str, dim: int) -> dict[int, float]:
    """Return the filled diagonals of a local operator, each with its share of rows."""
    matrix = local_matrix(name, min(dim, _LEVELS) if dim > 2 else 2)
    rows, columns = np.nonzero(np.abs(matrix) > 1e-14)
    shifts, counts = np.unique(columns - rows, return_counts=True)
    return {int(s): float(n) / len(matrix) for s, n in zip(shifts, counts, strict=True)}


def entries(terms: Iterable[Term], model: Model) -> dict[tuple[tuple[int, int], ...], float]:
    """Return the flips and shifts that a sum of terms makes, each with its share of rows."""
    total: dict[tuple[tuple[int, int], ...], float] = {}
    for term in terms:
        product: dict[tuple[tuple[int, int], ...], float] = {(): 1.0}
        for site, name in term.factors:
            shifts = _shifts(name, model.sites[site].dim)
            product = {
                (*key, (site, shift)) if shift else key: share * part
                for key, share in product.items()
                for shift, part in shifts.items()
            }
        for key, share in product.items():
            total[key] = min(1.0, total.get(key, 0.0) + share)
    return total


@lru_cache(maxsize=64)
def row_operations(model: Model) -> float:
    """Return the multiplications per component of a density matrix in one application."""
    total = 2.0 * sum(
        share for key, share in entries(model.hamiltonian.terms, model).items() if key
    )
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            total += sum(sum(_shifts(name, 2).values()) for name, _ in jump.amplitudes)
            continue
        filled = sum(entries(jump.operator.terms, model).values())
        total += filled if filled <= 1 else 2 * filled + 2
    return total


def class_operations(model: Model, sizes: Sequence[int], fock_dims: Sequence[int]) -> float:
    """Return `row_operations` for classes of interchangeable spins and modes."""
    letters = {"x", "y", "+", "-"}
    names = {
        name for term in model.hamiltonian.terms for site, name in term.factors
        if site < model.n_spins
    }  # fmt: skip
    turns = bool(names & letters)
    total = 2.0 * turns * sum(2 - 2 * (n // 2 + 1) / dimension(n) for n in sizes)
    total += sum(4.0 - 4.0 / dim for dim in fock_dims)  # a mode is coupled by a and its adjoint
    singled = collective = 0.0
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            singled += len(jump.amplitudes)
        elif len(jump.sites) == 1 and jump.sites[0] < model.n_spins:
            singled += len(jump.operator.terms)
        else:
            collective += 1.0
    per_spin = singled / max(model.n_spins, 1)
    # folded back to a class, a jump of one spin changes J by -1, 0 or 1 in four ways
    return (
        total
        + collective
        + per_spin * sum(0.5 if n == 1 else max(1.0, 4.0 - 15.0 / (n + 2.5)) for n in sizes)
    )


def dimension(n: int) -> int:
    """Return the summed dimension of the blocks of a class of n spins."""
    return (n + 2) ** 2 // 4


def application_time(
    size: float, rows: float, operations: float, per_operation: float, states: float = 0.0
) -> float:
    """Return the seconds of one application, sums of the Taylor step included.

    Parameters
    ----------
    size : float
        Number of components.
    rows : float
        Number of rows of all blocks.
    operations : float
        Multiplications per component.
    per_operation : float
        Seconds of one of them where arrays are long and in no fast cache.
    states : float
        States at output times that the step sums up beside.
    """
    cached = Taylor.CACHED if size < Taylor.CACHED_SIZE else 1.0
    kernel = operations * (Taylor.PER_RUN * rows + cached * per_operation * size)
    beside = (Taylor.PER_NUMBER + Taylor.PER_STATE * states) * size
    return Taylor.PER_APPLICATION * speed().calls + (kernel + beside) * speed().sweep


def states_per_step(problem: Problem, count: float) -> float:
    """Return the number of states that a step sums up for functionals at output times."""
    needed = any(o.functional is not None for o in problem.observables or ())
    times = len(np.atleast_1d(problem.times))
    return times / max(1.0, count / GOOD_DEGREE) if needed else 0.0
