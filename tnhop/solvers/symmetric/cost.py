"""Predicted times of evolutions of interchangeable spins: behind the estimates of `Symmetric`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tnhop.physics.problem import Problem
from tnhop.solvers.exact.cost import (
    application_time,
    class_operations,
    dimension,
    spectral_bounds,
    states_per_step,
)
from tnhop.solvers.exact.taylor import Allowance, predicted_applications
from tnhop.solvers.fitted import Populations, SymmetricBlocks, Taylor
from tnhop.solvers.machine_speed import speed
from tnhop.solvers.symmetric.operators import IndependentPart, partition
from tnhop.solvers.symmetric.reduced_problem import chosen_classes, joined_parts


def blocks_time(problem: Problem, verb: str, tolerance: float) -> float:
    """Return the seconds of an evolution of blocks, part after part."""
    model, classes = problem.model, chosen_classes(problem)
    parts = partition(model, classes, joined_parts(problem.state))
    end = float(np.max(problem.times, initial=0.0))
    allowance = Allowance(tolerance, model.rate_scale).share(1 / len(parts))
    total = _start_time(classes.sizes) if problem.state is not None else 0.0
    for part in parts:
        work = class_operations(model, part.sizes, part.fock_dims)
        rows = float(math.prod(map(dimension, part.sizes)) * math.prod(part.fock_dims))
        bounds = spectral_bounds(model).share(_share(part, problem))
        count = predicted_applications(bounds, end, allowance)
        states = states_per_step(problem, count)
        each = application_time(float(part.size), rows, work, SymmetricBlocks.PER_OPERATION, states)
        count = count if verb == "evolve" else Taylor.EIGENPAIRS
        built = (
            4 * SymmetricBlocks.COMPILE * speed().calls * (len(part.sizes) + len(part.fock_dims))
        )
        total += built + SymmetricBlocks.PER_ENTRY * rows * work * speed().calls + count * each
    return total


def _start_time(sizes: Sequence[int]) -> float:
    """Return the seconds behind the blocks of a product state."""
    return sum(
        SymmetricBlocks.START * n**2 * speed().calls
        + SymmetricBlocks.START_ENTRIES * float(n) ** 4 * speed().sweep
        for n in sizes
    )


def _share(part: IndependentPart, problem: Problem) -> float:
    """Return the share of the sites that a part has."""
    sites = sum(part.sizes) + len(part.fock_dims)
    return sites / problem.model.n_sites


def chain_time(problem: Problem, tolerance: float) -> float:
    """Return the seconds of an evolution of the populations of classes."""
    sizes = chosen_classes(problem).sizes
    size = float(math.prod(n + 1 for n in sizes))
    return populations_time(problem, size, 2.0 * len(sizes), len(sizes) + 1.0, tolerance)


def populations_time(
    problem: Problem, size: float, moves: float, functionals: float, tolerance: float
) -> float:
    """Return the seconds of an evolution of populations.

    Parameters
    ----------
    problem : Problem
        The problem.
    size : float
        Number of populations.
    moves : float
        Flips out of each.
    functionals : float
        Expectation values taken of every term of the series.
    tolerance : float
        Accepted error.
    """
    end = float(np.max(problem.times, initial=0.0))
    allowance = Allowance(tolerance, problem.model.rate_scale)
    count = predicted_applications(spectral_bounds(problem.model), end, allowance)
    each = application_time(size, 0.0, 0.0, 0.0, states_per_step(problem, count))
    each += (
        size
        * speed().sweep
        * (Populations.PER_MOVE * (moves + 1) + Populations.PER_FUNCTIONAL * functionals)
    )
    assembled = Populations.ASSEMBLY * size * (moves + 1)
    assembled += Populations.PER_JUMP * len(problem.model.jumps)
    return assembled * speed().calls + count * each
