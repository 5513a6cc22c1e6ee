"""Spins beside modes by TDVP: errors against exact answers, and time; one thread.

Usage: python studies/benchmarks/dicke.py small | one_mode N d | two_modes | three_modes N bond

small: as one_mode with N = 4 and 10 levels, against `Exact`.
one_mode: uniform pattern, g = 0.9, Omega = 0.5, omega = loss = 1, overlap 0.8, t <= 10, against
`Symmetric` (N = 20 with 32 levels: 25 s, N = 40 with 44 levels: 13 minutes for the exact answer).
two_modes: N = 4, 8 levels each, against `Exact`, beside qutip.mesolve and for several site orders.
three_modes: random patterns, unequal frequencies; nothing exact is known, bars tell the error.
"""

from __future__ import annotations

import os
import sys
import time
import warnings

import numpy as np

import tnhop as th

NAMES = ["m_x", "m_y", "m_z", "occupation"]
TIMES = np.linspace(0, 10, 21)
SETTINGS = (
    {},
    {"dt": 0.25, "max_bond": 96, "expansion": 6, "krylov_tolerance": 5e-6},
    {"dt": 0.2, "max_bond": 160, "expansion": 8, "krylov_tolerance": 2e-6, "cutoff": 5e-6},
)


def timed(model, start, times, method):
    """Return the result and the processor time."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        result = th.evolve(model, start, times, observables=NAMES, method=method, progress=False)
    return result, time.process_time() - began


def row(label, model, start, times, method, reference=None):
    """Print errors, largest bars in brackets, and what it took."""
    result, seconds = timed(model, start, times, method)
    columns = []
    for name in NAMES:
        bar = f"({result.errors[name].max():.0e})"
        if reference is None:
            columns.append(f"{name} {np.round(result.expect[name][-1], 4).tolist()} {bar}")
        else:
            error = np.abs(result.expect[name] - reference.expect[name]).max()
            columns.append(f"{name} {error:.1e} {bar}")
    stats = result.stats
    print(
        f"{label} {seconds:.1f} s, bond {stats['largest_bond']}, levels {stats['fock_levels']},"
        f" tail {stats['fock_tail']:.0e}, trace {stats['trace_defect']:.0e}: {'; '.join(columns)}",
        flush=True,
    )


def one_mode(N=20, fock_dim=32):
    """All spins and one mode."""
    model = th.multimode_dicke(th.pattern_couplings(np.ones((1, N)), g=0.9), omega=1.0, Omega=0.5,
                               loss=1.0, fock_dim=fock_dim)  # fmt: skip
    start = th.pattern_state(model, overlap=0.8)
    reference, seconds = timed(model, start, TIMES, th.Symmetric(tolerance=1e-8))
    print(f"N = {N}, {fock_dim} levels: exact in {seconds:.1f} s")
    for setting in SETTINGS:
        row(f"{setting}", model, start, TIMES, th.TDVP(**setting), reference)


def small():
    """Four spins and a mode of ten levels, at the end of the chain and in its middle."""
    model = th.multimode_dicke(th.pattern_couplings(np.ones((1, 4)), g=0.9), omega=1.0, Omega=0.5,
                               loss=1.0, fock_dim=10)  # fmt: skip
    start = th.pattern_state(model, overlap=0.8)
    reference, seconds = timed(model, start, TIMES, th.Exact())
    print(f"N = 4, 10 levels: exact in {seconds:.1f} s")
    for order in ((0, 1, 2, 3, 4), (0, 1, 4, 2, 3)):
        for companion in (True, False):
            method = th.TDVP(ordering=order, companion=companion)
            row(f"order {order}, companion {companion}", model, start, TIMES, method, reference)


def two_modes():
    """Four spins and two modes: a Liouville space of a million dimensions."""
    xi = np.array([[1, 1, 1, -1], [1, -1, 1, 1]])
    model = th.multimode_dicke(
        th.pattern_couplings(xi, g=0.9), omega=[1.0, 0.7], Omega=0.5, loss=[1.0, 1.2],
        gain=[0.05, 0.0], decay=0.03, fock_dim=8,
    )  # fmt: skip
    start = th.pattern_state(model, overlap=0.8)
    reference, seconds = timed(model, start, TIMES, th.Exact(tolerance=1e-8))
    print(f"N = 4, M = 2, 8 levels: Exact in {seconds:.1f} s")
    mesolve(model, start, reference)
    for order in ("auto", (0, 1, 2, 3, 4, 5), (0, 1, 4, 2, 3, 5), (0, 1, 4, 5, 2, 3)):
        for setting in ({}, {"max_bond": 64, "cutoff": 1e-4, "dt": 0.2}):
            method = th.TDVP(ordering=order, fock_tolerance=0.0, **setting)
            row(f"order {order} {setting}", model, start, TIMES, method, reference)


def mesolve(model, start, reference):
    """QuTiP, the same problem."""
    import qutip

    H, jumps = th.to_qutip(model)
    xi = model.patterns
    z = [qutip.tensor([qutip.sigmaz() if k == i else qutip.qeye(d)
                       for k, d in enumerate(model.dims)]) for i in range(4)]  # fmt: skip
    m_z = sum(xi[0, i] * z[i] for i in range(4)) / 4
    began = time.process_time()
    found = qutip.mesolve(H, th.to_qutip(start, model=model), TIMES, jumps, e_ops=[m_z])
    error = np.abs(found.expect[0] - reference.expect["m_z"][:, 0]).max()
    print(f"qutip.mesolve {time.process_time() - began:.1f} s: m_z {error:.1e}", flush=True)


def three_modes(N=16, bond=48, fock_dim=32):
    """Random patterns, three different modes."""
    xi = th.random_patterns(n_patterns=3, n_spins=N, rng=7)
    model = th.multimode_dicke(th.pattern_couplings(xi, g=0.9), omega=[1.0, 0.7, 1.3], Omega=0.5,
                               loss=[1.0, 1.2, 0.8], fock_dim=fock_dim)  # fmt: skip
    method = th.TDVP(
        dt=0.25, max_bond=bond, expansion=6, krylov_tolerance=5e-6, fock_tolerance=1e-5
    )
    start = th.pattern_state(model, overlap=0.8)
    row(f"N = {N}, M = 3, max_bond {bond}", model, start, TIMES, method)


if __name__ == "__main__":
    if "OMP_NUM_THREADS" not in os.environ:
        print("Set OMP_NUM_THREADS=1 for timings of one thread.")
    chosen = sys.argv[1:] or ["two_modes"]
    numbers = [int(word) for word in chosen if word.isdigit()]
    for name in (word for word in chosen if not word.isdigit()):
        globals()[name](*numbers)
