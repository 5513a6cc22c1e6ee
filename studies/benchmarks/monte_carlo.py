"""Speed of `KineticMonteCarlo` and `ClassicalMaster`, one thread; prints a table.

Usage: python studies/benchmarks/monte_carlo.py [n_spins n_patterns]

Attempted flips per second of low-rank (Hebb, p = 10) and of Gaussian couplings, the compilation
left out, and the shares of attempts that flip; then the master equation at N = 16 and, one pattern,
N = 1000.
"""

from __future__ import annotations

import os
import platform
import sys
import time

import numba
import numpy as np

import tnhop as th

BETA, SAMPLES = 1.5, 200


def gaussian(n_spins):
    """Return asymmetric Gaussian couplings."""
    J = np.random.default_rng(5).standard_normal((n_spins, n_spins)) / np.sqrt(n_spins)
    np.fill_diagonal(J, 0.0)
    return J


def sampled(label, model, end):
    """Print the speed of one run; the first one compiles."""
    start, method = th.pattern_state(model, overlap=0.8), th.KineticMonteCarlo(SAMPLES)
    th.evolve(model, start, [0.01], observables="m_z", method=method, rng=1)
    began = time.perf_counter()
    th.evolve(model, start, [0.01], observables="m_z", method=method, rng=1)
    setup = time.perf_counter() - began
    began = time.perf_counter()
    result = th.evolve(model, start, [end], observables="m_z", method=method, rng=1)
    seconds = time.perf_counter() - began - setup
    stats = result.stats
    print(
        f"{label:<34} {stats['fields']:<13} {stats['attempts'] / seconds:9.2e} attempts/s"
        f"  {stats['flips'] / stats['attempts']:5.1%} flip  {seconds:6.2f} s  setup {setup:.2f} s"
    )


def mastered(label, model, names):
    """Print the time of one master equation to t = 10."""
    start = th.pattern_state(model, overlap=0.8)
    times = np.linspace(0, 10, 21)
    began = time.perf_counter()
    result = th.evolve(model, start, times, observables=names, method="ClassicalMaster")
    seconds = time.perf_counter() - began
    error = float(result.errors[names[0]].max())
    print(f"{label:<34} {result.stats['applications']} applications, {seconds:.2f} s, ±{error:.0e}")


def main():
    """Print both tables."""
    n_spins, n_patterns = (int(word) for word in sys.argv[1:3] or ("1000", "10"))
    numba.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used")
    xi = th.random_patterns(n_patterns, n_spins, rng=3)
    sampled(f"Hebb, N = {n_spins}, p = {n_patterns}", th.open_hopfield(xi, beta=BETA), 50.0)
    random = th.open_hopfield(xi, beta=BETA, couplings=gaussian(n_spins))
    sampled(f"Gaussian, N = {n_spins}", random, 10.0)
    uneven = th.random_patterns(5, 16, rng=3)
    mastered("master, N = 16, p = 5, Gaussian", th.open_hopfield(
        uneven, beta=BETA, couplings=gaussian(16)), ["m_z"])  # fmt: skip
    one = th.open_hopfield(np.ones((1, 1000)), beta=BETA)
    mastered("master, N = 1000, p = 1", one, ["m_z"])


if __name__ == "__main__":
    main()
