"""Speed, memory and accuracy of `Symmetric`, one thread, in one run; prints tables.

Usage: python studies/benchmarks/symmetric.py [one_pattern] [large] [three_patterns] [dicke]
                                             [dicke40]

one_pattern: p = 1, beta = 2.5, Omega = 0.4, overlap 0.8, t <= 10, beside a plain sparse exponential
of the occupation-number generator, written down here without tnhop. large: the same at N = 200.
three_patterns: p = 3, N = 16, four classes. dicke: one mode, beside QuTiP's PIQS. dicke40: N = 40
with 44 and 22 levels (the halving test; a quarter of an hour).
Every row is one subprocess, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
TIMES = np.linspace(0, 10, 101)
BETA, OMEGA, OVERLAP = 2.5, 0.4, 0.8


def warm_up():
    """Compile every loop, or load it from the cache."""
    import tnhop as th

    for fock_dim in (None, 3):
        if fock_dim:
            model = th.dicke(2, g=0.5, omega=1.0, Omega=0.5, loss=1.0, fock_dim=fock_dim)
        else:
            model = th.open_hopfield([[1, 1, 1]], beta=2.0, Omega=0.4)
        start = th.pattern_state(model, overlap=0.5)
        th.evolve(model, start, [0.0, 0.1], observables="m_z", method="Symmetric")


def by_tnhop(model, names, tolerance):
    """Return values and seconds of `Symmetric`, everything included but the compilation."""
    import tnhop as th

    warm_up()
    began = time.perf_counter()
    start = th.pattern_state(model, overlap=OVERLAP)
    method = th.Symmetric(tolerance=tolerance)
    result = th.evolve(model, start, TIMES, observables=names, method=method)
    seconds = time.perf_counter() - began
    values = {name: result.expect[name][:, 0].tolist() for name in names}
    return values, seconds, float(result.stats.get("fock_tail", 0.0))


def hopfield(n_spins, n_patterns=1):
    """Return the network; for three patterns four classes of equal size."""
    import tnhop as th

    columns = [[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]] if n_patterns == 3 else [[1]]
    xi = np.repeat(np.array(columns).T, n_spins // len(columns), axis=1)
    return th.open_hopfield(xi, beta=BETA, Omega=OMEGA)


def dicke(n_spins, fock_dim):
    """Return the Dicke model of the comparison."""
    import tnhop as th

    return th.dicke(n_spins, g=0.9, omega=1.0, Omega=0.5, loss=1.0, fock_dim=fock_dim)


def occupation_generator(N):
    """Return the generator on total weights of occupations of uu, ud, du, dd, and the start."""
    import scipy.sparse as sp

    grid = [(a, b, c, N - a - b - c) for a in range(N + 1) for b in range(N + 1 - a)
            for c in range(N + 1 - a - b)]  # fmt: skip
    n = np.array(grid)
    index = {state: k for k, state in enumerate(grid)}
    uu, ud, du, dd = n.T
    ket, bra, own = (uu + ud - du - dd) / N, (uu - ud + du - dd) / N, 1 / N
    gamma = lambda h: 1 / (1 + np.exp(-2 * BETA * h))  # noqa: E731
    up = np.sqrt(gamma(ket + own) * gamma(bra + own))
    down = np.sqrt(gamma(-ket + own) * gamma(-bra + own))
    loss = (du + dd) * gamma(ket + own) + (uu + ud) * gamma(-(ket - own))
    loss = loss + (ud + dd) * gamma(bra + own) + (uu + du) * gamma(-(bra - own))
    i = 1j * OMEGA
    moves = [(3, 0, up), (0, 3, down)]
    moves += [(a, b, -i) for a, b in ((0, 2), (2, 0), (1, 3), (3, 1))]  # ket flips
    moves += [(a, b, i) for a, b in ((0, 1), (1, 0), (2, 3), (3, 2))]  # bra flips
    L = sp.diags_array(-loss.astype(complex) / 2)
    for a, b, rate in moves:
        of = np.flatnonzero(n[:, a] > 0)
        moved = n[of].copy()
        moved[:, a] -= 1
        moved[:, b] += 1
        to = [index[tuple(row)] for row in moved.tolist()]
        value = (n[:, a] * rate)[of]
        L = L + sp.coo_array((value, (to, of)), (len(n), len(n)))
    from scipy.special import gammaln

    x = np.zeros(len(n), dtype=complex)
    diagonal = (ud == 0) & (du == 0)
    k = uu[diagonal]
    log_ways = gammaln(N + 1) - gammaln(k + 1) - gammaln(N - k + 1)
    x[diagonal] = np.exp(log_ways + k * np.log(0.9) + (N - k) * np.log(0.1))
    row = np.where(diagonal, (uu - dd) / N, 0.0)
    return sp.csr_array(L), x, row


def by_exponential(N):
    """Solve by scipy's `expm_multiply`; the time includes neither assembly nor compilation."""
    from scipy.sparse.linalg import expm_multiply

    L, x, row = occupation_generator(N)
    began = time.perf_counter()
    states = expm_multiply(L, x, start=0.0, stop=10.0, num=len(TIMES), endpoint=True)
    return {"m_z": (states @ row).real.tolist()}, time.perf_counter() - began, 0.0


def by_piqs(n_spins, fock_dim):
    """Solve the Dicke model with QuTiP's permutation-invariant solver."""
    import qutip
    from qutip.piqs.piqs import jspin, num_dicke_states

    import tnhop as th

    size = num_dicke_states(n_spins)
    jx, _, jz = (2 * op for op in jspin(n_spins, basis="dicke"))
    a = qutip.tensor(qutip.qeye(size), qutip.destroy(fock_dim))
    spin = lambda op: qutip.tensor(qutip.Qobj(op.full()), qutip.qeye(fock_dim))  # noqa: E731
    x, z = spin(jx), spin(jz)
    H = a.dag() * a + 0.9 / np.sqrt(n_spins) * z * (a + a.dag()) + 0.5 * x
    spins = th.independent_spins(n_spins, Omega=0.1, decay=0.1)  # only for its start
    state = th.product_state(spins, bloch=[0, 0, OVERLAP])
    blocks = th.evolve(spins, state, [0.0], method="Symmetric").final_state
    rho = np.zeros((size, size), dtype=complex)
    at = 0
    for block in blocks.blocks(0):
        rho[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    start = qutip.tensor(qutip.Qobj(rho), qutip.fock_dm(fock_dim, 0))
    options = {"atol": 1e-10, "rtol": 1e-8, "nsteps": 10**6, "progress_bar": ""}
    began = time.perf_counter()
    answer = qutip.mesolve(H, start, TIMES, [a], e_ops=[z / n_spins, a.dag() * a], options=options)
    seconds = time.perf_counter() - began
    return dict(zip(("m_z", "occupation"), map(list, answer.expect), strict=True)), seconds, 0.0


def worker(kind, n_spins, other, tolerance):
    """Print one measurement as JSON."""
    if kind == "exponential":
        values, seconds, tail = by_exponential(n_spins)
    elif kind == "piqs":
        values, seconds, tail = by_piqs(n_spins, other)
    elif kind == "dicke":
        names = ["m_z", "m_y", "occupation"]
        values, seconds, tail = by_tnhop(dicke(n_spins, other), names, tolerance)
    else:
        values, seconds, tail = by_tnhop(hopfield(n_spins, other), ["m_z", "m_y"], tolerance)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"values": values, "seconds": seconds, "peak": peak, "tail": tail}))


def measure(kind, n_spins, other=1, tolerance=1e-10):
    """Run one measurement in its own process."""
    command = [sys.executable, __file__, "--worker", kind, str(n_spins), str(other), str(tolerance)]
    done = subprocess.run(command, env={**os.environ, **THREADS}, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def distance(a, b):
    """Return the largest deviation of every observable that both have."""
    shared = [name for name in a["values"] if name in b["values"]]
    return {n: float(np.abs(np.subtract(a["values"][n], b["values"][n])).max()) for n in shared}


def row(label, m, note=""):
    """Print one row."""
    print(f"{label:<34} {m['seconds']:>9.2f} s {m['peak']:>7.0f} MB  {note}", flush=True)


def one_pattern(sizes=(20, 40, 60, 80, 100), exponential=(40, 80)):
    """Cost against N, accuracy, and the ratio to a plain sparse exponential."""
    seconds = []
    for N in sizes:
        m, fine = measure("hopfield", N), measure("hopfield", N, tolerance=1e-13)
        seconds.append(m["seconds"])
        row(f"p = 1, N = {N}", m, f"error {max(distance(m, fine).values()):.1e}")
        if N in exponential:
            plain = measure("exponential", N)
            note = f"ratio {plain['seconds'] / m['seconds']:.1f}, "
            row(f"  sparse exponential, N = {N}", plain,
                note + f"m_z differs by {max(distance(m, plain).values()):.1e}")  # fmt: skip
    tail = slice(-3, None)
    slope = np.polyfit(np.log(sizes[tail]), np.log(seconds[tail]), 1)[0]
    print(f"time ~ N^{slope:.2f} from N = {sizes[-3]} on")


def large():
    """N = 200."""
    m, fine = measure("hopfield", 200, tolerance=1e-9), measure("hopfield", 200, tolerance=1e-11)
    row("p = 1, N = 200", m, f"error {max(distance(m, fine).values()):.1e}")


def three_patterns():
    """Four classes of four spins, 1.5 million numbers."""
    m, fine = measure("hopfield", 16, 3), measure("hopfield", 16, 3, 1e-12)
    row("p = 3, N = 16, classes of 4", m, f"error {max(distance(m, fine).values()):.1e}")


def dicke_and_piqs():
    """One mode: PIQS at N = 12, and twenty spins at two cutoffs."""
    m, piqs = measure("dicke", 12, 14), measure("piqs", 12, 14)
    row("Dicke, N = 12, 14 levels", m)
    differ = ", ".join(f"{n} {d:.1e}" for n, d in distance(m, piqs).items())
    note = f"ratio {piqs['seconds'] / m['seconds']:.0f}, differs by {differ}"
    row("  QuTiP PIQS", piqs, note)
    halving(20, (24, 12, 32))


def halving(N, levels):
    """Compare cutoffs with the largest one."""
    runs = {d: measure("dicke", N, d) for d in levels}
    best = runs[max(levels)]
    for d in levels:
        off = ", ".join(f"{n} {v:.1e}" for n, v in distance(runs[d], best).items())
        note = f"tail {runs[d]['tail']:.1e}" + ("" if d == max(levels) else f"; off by {off}")
        row(f"Dicke, N = {N}, {d} levels", runs[d], note)


CASES = {"one_pattern": one_pattern, "large": large, "three_patterns": three_patterns,
         "dicke": dicke_and_piqs, "dicke40": lambda: halving(40, (44, 22))}  # fmt: skip

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
        for case in sys.argv[1:] or ["one_pattern", "large", "three_patterns", "dicke"]:
            CASES[case]()
