"""Accuracy and cost of `TDVP` against `Symmetric`, one thread, in one run; prints tables.

Usage: python studies/benchmarks/tdvp.py [front] [sizes] [large] [warm] [three] [three_tilted]

All rows: Omega = 0.4, t <= 10; p = 1 and beta = 2.5 unless said otherwise, from a product state of
overlap 0.8. front: N = 40, one setting changed at a time. sizes: default settings at N = 20, 40,
80. large: N = 100. warm: beta = 1. three: random uneven patterns, p = 3, N = 16, from the first
pattern; three_tilted: the same from Bloch vectors (0.5, 0.3, 0.6), turned with the first pattern.
A case followed by numbers runs only those rows: `front 0 4`.

error: largest deviation of m_y and m_z (tilted: m_x, too) from `Symmetric` at all output times, 0.4
apart (0.5 where dt is), found at t. bar: the largest error bar; inside: largest ratio of an error
and its bar. Seconds are those of the processor (one thread, so that other jobs matter little) and
hold everything, the generator included.
"""

from __future__ import annotations

import os
import sys
import time
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

import tnhop as th

OMEGA, BETA, OVERLAP, END = 0.4, 2.5, 0.8, 10.0
HEAD = (
    f"{'setting':<40} {'bond':>4} {'gen':>4} {'steps':>5} {'s':>7} {'error':>8} {'at t':>5}"
    f" {'bar':>8} {'inside':>6} {'trace':>8}"
)
FRONT = [
    {},
    {"cutoff": 3e-5},
    {"cutoff": 3e-6},
    {"cutoff": 1e-6},
    {"dt": 0.2},
    {"dt": 0.5},
    {"epsilon": 0.4},
    {"epsilon": 0.4, "cutoff": 3e-5},
    {"mpo_tolerance": 3e-3},
    {"mpo_tolerance": 1e-3},
    {"rate_tolerance": 0.01},
    {"cutoff": 3e-6, "mpo_tolerance": 1e-4},
    {"cutoff": 3e-6, "mpo_tolerance": 1e-4, "dt": 0.2},
    {"cutoff": 3e-6, "mpo_tolerance": 1e-4, "rate_tolerance": 0.01},
    {"expansion": 12},
    {"epsilon": 0.5, "cutoff": 3e-6},
    {"sites": 2},
]


def oracle(model, state, times, names):
    """Return the reference values."""
    method = th.Symmetric(tolerance=1e-10)
    return th.evolve(model, state, times, observables=names, method=method).expect


def row(label, model, state, names=("m_y", "m_z"), **options):
    """Run one setting and print a row."""
    method = th.TDVP(**options)
    spacing = max(method.dt, 0.4)
    times = np.linspace(0, END, round(END / spacing) + 1)
    exact = oracle(model, state, times, names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", th.TruncationWarning)
        began = time.process_time()
        result = th.evolve(model, state, times, observables=names, method=method)
        seconds = time.process_time() - began
    off = np.stack([np.abs(result.expect[n] - exact[n]) for n in names])
    bar = np.stack([result.errors[n] for n in names])
    late, worst = times > 0, times[off.max(axis=(0, 2)).argmax()]
    s = result.stats
    print(
        f"{label:<40} {s['largest_bond']:>4} {s['generator_bond']:>4} {s['steps']:>5}"
        f" {seconds:>7.2f} {off.max():>8.1e} {worst:>5.1f} {bar.max():>8.1e}"
        f" {(off[:, late] / bar[:, late]).max():>6.2f} {s['trace_defect']:>8.1e}"
        + (f"  {len(caught)} warnings" if caught else ""),
        flush=True,
    )


def one_pattern(n_spins, beta=BETA):
    """Return model and start."""
    model = th.open_hopfield(np.ones((1, n_spins)), beta=beta, Omega=OMEGA)
    return model, th.pattern_state(model, overlap=OVERLAP)


def front(chosen):
    """One setting after the other."""
    model, state = one_pattern(40)
    for k in chosen or range(len(FRONT)):
        options = FRONT[k]
        label = ", ".join(f"{name} {value:g}" for name, value in options.items()) or "default"
        row(f"N = 40, {label}", model, state, **options)


def sizes(chosen):
    """Cost against N."""
    for N in chosen or (20, 40, 80):
        row(f"N = {N}, default", *one_pattern(N))


def warm(_):
    """Beta = 1."""
    for cutoff in (1e-5, 1e-6):
        row(f"N = 40, beta = 1, cutoff {cutoff:g}", *one_pattern(40, 1.0), cutoff=cutoff)


def three_patterns():
    """Return the network of three uneven patterns."""
    return th.open_hopfield(th.random_patterns(3, 16, rng=7), beta=BETA, Omega=OMEGA)


def three(_):
    """Three patterns, from the first one."""
    model = three_patterns()
    row("p = 3, N = 16, default", model, th.pattern_state(model, overlap=OVERLAP))


def three_tilted(_):
    """Three patterns, from a tilted state."""
    model = three_patterns()
    first = model.patterns[0]
    bloch = np.stack([0 * first + 0.5, 0.3 * first, 0.6 * first], 1)
    state = th.product_state(model, bloch=bloch)
    row("p = 3, N = 16, tilted, default", model, state, ("m_x", "m_y", "m_z"))


CASES = {"front": front, "sizes": sizes, "large": lambda _: sizes([100]), "warm": warm,
         "three": three, "three_tilted": three_tilted}  # fmt: skip


def asked(words):
    """Return cases and the numbers behind each."""
    cases = []
    for word in words:
        if word.isdigit():
            cases[-1][1].append(int(word))
        else:
            cases.append((word, []))
    return cases or [(name, []) for name in CASES]


if __name__ == "__main__":
    print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    print(HEAD)
    with threadpool_limits(1):
        for case, chosen in asked(sys.argv[1:]):
            CASES[case](chosen)
