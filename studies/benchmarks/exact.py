"""Speed and accuracy of `Exact` beside QuTiP and SciPy, one thread, in one run; prints a table.

Usage: python studies/benchmarks/exact.py [hopfield8] [hopfield10] [dicke]

Every row is one subprocess, so that its peak memory is its own. Errors are the largest deviations
over all overlaps, occupations and times from `Exact` at tolerance 1e-13.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
CASES = {
    "hopfield8": [
        ("exact", 1e-7), ("exact", 1e-10), ("qutip adams", 1e-10), ("qutip adams matrix", 1e-10),
        ("qutip vern9", 1e-10), ("scipy DOP853", 1e-10),
    ],
    "hopfield10": [("exact", 1e-8), ("exact", 1e-10), ("qutip adams matrix", 1e-8)],
    "dicke": [("exact", 1e-7), ("exact", 1e-10), ("qutip adams matrix", 1e-8)],
}  # fmt: skip


def problem(case):
    """Return model, start and times: tilted, uneven, unequal."""
    import numpy as np

    import tnhop as th

    times = np.linspace(0, 10, 101)
    if case == "dicke":
        xi = th.random_patterns(2, 4, rng=3)
        g = th.pattern_couplings(xi, g=0.6)
        model = th.multimode_dicke(g, omega=1.0, Omega=0.5, loss=1.0, gain=0.1, fock_dim=8)
        return model, th.pattern_state(model, overlap=0.8), times, ["m_z", "m_y", "occupation"]
    n_spins = int(case.removeprefix("hopfield"))
    xi = th.random_patterns(3, n_spins, rng=7)
    model = th.open_hopfield(xi, beta=2.5, Omega=0.4)
    bloch = np.outer(xi[0], [0.3, 0.2, 0.7])
    return model, th.product_state(model, bloch=bloch), times, ["m_x", "m_y", "m_z"]


def small_problem():
    """Return a problem that needs every compiled loop."""
    import tnhop as th

    jump = th.Jump(th.sigma("-")(0) + 0.5j * th.sigma("z")(1))
    H = 0.3 * th.sigma("x")(0) + 0.2 * th.sigma("y")(1)
    model = th.Model(th.spins(2), H, [jump, th.Jump(th.sigma("-")(1))])
    return model, th.product_state(model, spins=[1, 1]), [0.0, 0.1]


def solve(case, name, tolerance):
    """Solve once (after compiling) and return values, set-up, compile and solve times."""
    import numpy as np

    import tnhop as th

    model, start, times, names = problem(case)
    compiling = time.perf_counter()
    if name == "exact":  # any small run compiles every loop, or loads it from the cache
        th.evolve(*small_problem(), method="Exact")
    compiling = time.perf_counter() - compiling
    began = time.perf_counter()
    if name in ("exact", "reference"):
        method = th.Exact(tolerance=tolerance)
        result = th.evolve(model, start, times, observables=names, method=method)
        values = np.concatenate([result.expect[n] for n in names], axis=1)
    elif name.startswith("scipy"):
        values = by_scipy(model, start, times, names, tolerance)
    else:
        values = by_qutip(model, start, times, names, name, tolerance)
    return values, compiling, time.perf_counter() - began


def by_qutip(model, start, times, names, name, tolerance):
    """Solve with `qutip.mesolve`."""
    import numpy as np
    import qutip

    import tnhop as th
    from tnhop.solvers.exact.dense_state import operator_matrix

    H, c_ops = th.to_qutip(model)
    e_ops = [qutip.Qobj(operator_matrix(model.dims, op), dims=H.dims)
             for o in model.select(names) for op in o.operators]  # fmt: skip
    method = name.split()[1]
    options = {"atol": tolerance / 100, "rtol": tolerance, "method": method, "nsteps": 10**6,
               "progress_bar": "", "matrix_form": "matrix" in name}  # fmt: skip
    rho = th.to_qutip(start, model=model)
    answer = qutip.mesolve(H, rho, times, c_ops, e_ops=e_ops, options=options)
    return np.real(np.array(answer.expect)).T


def by_scipy(model, start, times, names, tolerance):
    """Integrate our own right-hand side with SciPy's adaptive Runge-Kutta method."""
    import numpy as np
    from scipy.integrate import solve_ivp

    from tnhop.solvers.exact.dense_state import Lindbladian, expectation_rows, product_matrix

    L = Lindbladian(model)
    rows = expectation_rows(model.dims, [op for o in model.select(names) for op in o.operators])
    x = product_matrix(start, model.dims).ravel()
    answer = solve_ivp(lambda _, y: L(y), (0, times[-1]), x, "DOP853", times,
                       rtol=tolerance, atol=tolerance / 100)  # fmt: skip
    return np.asarray(rows[0::2] @ answer.y).T


def worker(case, name, tolerance):
    """Print one measurement as JSON."""
    import resource

    repeats = 3 if case == "hopfield8" else 1
    runs = [solve(case, name, tolerance) for _ in range(repeats)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    solve_time = sorted(run[2] for run in runs)[len(runs) // 2]
    values = runs[0][0].tolist()
    print(json.dumps({"values": values, "compile": runs[0][1], "solve": solve_time, "peak": peak}))


def measure(case, name, tolerance):
    """Run one measurement in its own process."""
    command = [sys.executable, __file__, "--worker", case, name, str(tolerance)]
    done = subprocess.run(command, env={**os.environ, **THREADS}, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(cases):
    """Print the table."""
    import numpy as np

    print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    head = ("case", "method", "tolerance", "error", "compile s", "solve s", "peak MB")
    print("{:<11} {:<20} {:>9} {:>9} {:>9} {:>9} {:>8}".format(*head))
    for case in cases:
        reference = np.array(measure(case, "reference", 1e-13)["values"])
        for name, tolerance in CASES[case]:
            m = measure(case, name, tolerance)
            error = np.abs(np.array(m["values"]) - reference).max()
            print(f"{case:<11} {name:<20} {tolerance:>9.0e} {error:>9.1e} {m['compile']:>9.2f}"
                  f" {m['solve']:>9.3f} {m['peak']:>8.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main(sys.argv[1:] or list(CASES))
