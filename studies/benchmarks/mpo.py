"""Bond, accuracy and building time of Lindbladians as MPOs, one thread; prints tables.

Usage: python studies/benchmarks/mpo.py [one_pattern] [cold] [three_patterns] [exact]

one_pattern: p = 1 at beta = 1 and 2.5 against N and tolerance. cold: beta = 5, where the relative
error of the smallest rates decides. three_patterns: random uneven patterns (seed 7), sites sorted
and in natural order. exact: models without field jumps.
Errors are those that `lindblad_mpo` finds on its test configurations, relative to what was asked.
"""

from __future__ import annotations

import os
import sys
import time
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

import tnhop as th
from tnhop.solvers.chain.network.mpo import lindblad_mpo, predicted_bond
from tnhop.solvers.chain.network.ordering import ordering_cost, site_order

OMEGA = 0.4
RATE_TOLERANCE = 1e-3
HEAD = (
    f"{'model':<34} {'tol':>6} {'bond':>5} {'middle':>6} {'predicted':>9} {'s':>7} {'err/tol':>8}"
    f" {'rate err':>8} {'min rate':>9} {'filling':>7} {'trace':>8}"
)


def row(label, model, tolerance, ordering="auto"):
    """Build one generator and print what it needs."""
    asked = {"tolerance": tolerance, "rate_tolerance": RATE_TOLERANCE, "ordering": ordering}
    predicted = predicted_bond(model, **asked)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", th.TruncationWarning)
            began = time.perf_counter()
            mpo = lindblad_mpo(model, **asked)
            seconds = time.perf_counter() - began
    except ValueError as error:
        print(f"{label:<34} {tolerance:>6.0e} {error}", flush=True)
        return
    bonds = mpo.bond_dims
    print(
        f"{label:<34} {tolerance:>6.0e} {max(bonds):>5} {bonds[len(bonds) // 2]:>6}"
        f" {predicted:>9} {seconds:>7.2f} {mpo.max_error / tolerance:>8.2f}"
        f" {mpo.rate_error:>8.1e} {mpo.smallest_rate:>9.1e} {mpo.filling:>7.3f}"
        f" {mpo.trace_defect():>8.1e}" + ("  tolerances not met" if caught else ""),
        flush=True,
    )


def hopfield(xi, beta):
    """Return the open Hopfield network of the tables."""
    return th.open_hopfield(xi, beta=beta, Omega=OMEGA)


def one_pattern(sizes=(20, 40, 100, 200), tolerances=(1e-4, 1e-5, 1e-6)):
    """The bond does not grow with N."""
    for beta in (1, 2.5):
        for tolerance in tolerances:
            for N in sizes:
                row(f"p = 1, N = {N}, beta = {beta}", hopfield(np.ones((1, N)), beta), tolerance)


def cold():
    """Rates far below the tolerance."""
    for tolerance in (1e-3, 1e-4, 1e-5):
        row("p = 1, N = 20, beta = 5", hopfield(np.ones((1, 20)), 5), tolerance)


def three_patterns(sizes=(12, 16, 24, 32), beta=2.5):
    """Sorting by class."""
    for N in sizes:
        xi = th.random_patterns(3, N, rng=7)
        model, J = hopfield(xi, beta), th.hebb(xi)
        natural, order = ordering_cost(J, np.arange(N)), ordering_cost(J, site_order(model))
        print(f"sum of ranks: {natural:g} in natural order, {order:g} sorted")
        for tolerance in (1e-3, 1e-4):
            for ordering in ("auto", "natural"):
                label = f"p = 3, N = {N}, {ordering} order"
                row(label, model, tolerance, ordering)


def exact():
    """Bonds 2r + 2, whatever N."""
    for p in (1, 2, 3):
        xi = th.random_patterns(p, 40, rng=7)
        row(f"Ising, p = {p}, N = 40", th.hebbian_ising(xi, Omega=OMEGA, decay=0.2), 1e-5)
    for N in (10, 40):
        model = th.dicke(N, g=0.9, omega=1.0, Omega=0.5, loss=1.0, fock_dim=12)
        row(f"Dicke, N = {N}, 12 levels", model, 1e-5)


CASES = {"one_pattern": one_pattern, "cold": cold, "three_patterns": three_patterns,
         "exact": exact}  # fmt: skip

if __name__ == "__main__":
    print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    print(HEAD)
    with threadpool_limits(1):
        for case in sys.argv[1:] or CASES:
            CASES[case]()
