"""How well `th.estimate` predicts the cost of `th.evolve`, one thread; prints a table.

Usage: python studies/benchmarks/estimate.py [held_out] [fitted] [NAME ...]

Without arguments: all cases that were held out when the constants of the estimates were chosen.
``fitted`` are the cases behind the constants; other words select cases whose names begin so.

Every case is one process of its own, on one thread. Measured time is that of its processor, from
the call of `evolve` to its end, so that other jobs on the machine matter little; compiled loops
come from numba's cache, which a first run of the same case has to fill. Measured memory is how much
the largest resident set grew beyond that of the imported package (VmHWM of Linux). The estimate is
made afterwards, in the same process, so that its own allocations do not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
HEAD = (
    f"{'case':<26} {'time/s':>8} {'measured':>8} {'ratio':>5}"
    f" {'memory/MB':>9} {'measured':>8} {'ratio':>5}  facts"
)

# name: (model, its numbers, last time, number of output times, method, its settings)
FITTED = {
    "exact 8": ("hopfield", (2, 8, 2.0, 0.4, 1), 40.0, 41, "Exact", {}),
    "exact 10": ("hopfield", (3, 10, 2.5, 0.4, 2), 8.0, 9, "Exact", {}),
    "exact 9 warm": ("hopfield", (2, 9, 0.7, 1.2, 3), 10.0, 21, "Exact", {}),
    "exact ising": ("ising", (9, 0.6, 4), 10.0, 21, "Exact", {}),
    "exact mode": ("dicke", (1, 5, 0.8, 10, 1), 10.0, 11, "Exact", {}),
    "exact modes": ("dicke", (2, 3, 0.6, 7, 2), 10.0, 21, "Exact", {}),
    "symmetric p1 60": ("hopfield", (1, 60, 2.5, 0.4, 1), 10.0, 11, "Symmetric", {}),
    "symmetric p1 120": ("hopfield", (1, 120, 1.5, 0.6, 1), 4.0, 11, "Symmetric", {}),
    "symmetric p2 60": ("hopfield", (2, 60, 2.5, 0.4, 1), 10.0, 11, "Symmetric", {}),
    "symmetric p3 12": ("hopfield", (3, 12, 2.0, 0.4, 5), 5.0, 11, "Symmetric", {}),
    "symmetric p3 16": ("hopfield", (3, 16, 2.0, 0.3, 7), 2.0, 3, "Symmetric", {}),
    "symmetric mode": ("dicke", (1, 16, 0.7, 10, 1), 5.0, 11, "Symmetric", {}),
    "symmetric modes": ("dicke", (2, 6, 0.6, 6, 2), 5.0, 6, "Symmetric", {}),
    "master 12": ("hopfield", (4, 12, 2.0, 0.0, 1), 40.0, 41, "ClassicalMaster", {}),
    "master 14": ("hopfield", (5, 14, 1.0, 0.0, 2), 20.0, 21, "ClassicalMaster", {}),
    "master classes": ("hopfield", (2, 90, 2.0, 0.0, 1), 20.0, 21, "ClassicalMaster", {}),
    "monte carlo 200": ("hopfield", (10, 200, 4.0, 0.0, 1), 20.0, 21, "KineticMonteCarlo", {}),
    "monte carlo 1000": ("hopfield", (3, 1000, 2.0, 0.0, 1), 20.0, 6, "KineticMonteCarlo",
                         {"n_samples": 300}),
    "monte carlo gaussian": ("gaussian", (300, 1.5, 0.0, 1), 10.0, 6, "KineticMonteCarlo",
                             {"n_samples": 500}),
    "tdvp p1 20": ("hopfield", (1, 20, 2.5, 0.4, 1), 10.0, 11, "TDVP", {}),
    "tdvp p1 40": ("hopfield", (1, 40, 2.5, 0.4, 1), 6.0, 4, "TDVP", {}),
    "tdvp p1 warm": ("hopfield", (1, 30, 1.0, 0.6, 1), 10.0, 11, "TDVP", {}),
    "tdvp p1 tight": ("hopfield", (1, 24, 2.0, 0.4, 2), 4.0, 5, "TDVP", {"cutoff": 1e-6}),
    "tdvp p2 20": ("hopfield", (2, 20, 2.0, 0.4, 3), 5.0, 6, "TDVP", {}),
    "tdvp p3 12": ("hopfield", (3, 12, 1.5, 0.4, 7), 4.0, 5, "TDVP", {}),
    "tdvp p3 20": ("hopfield", (3, 20, 1.5, 0.4, 8), 3.0, 4, "TDVP", {"cutoff": 1e-4}),
    "tdvp p3 16 short": ("hopfield", (3, 16, 1.0, 0.3, 9), 2.0, 3, "TDVP", {}),
    "tdvp gaussian 8": ("gaussian", (8, 1.0, 0.4, 1), 4.0, 5, "TDVP", {}),
    "tdvp gaussian 10": ("gaussian", (10, 0.7, 0.4, 2), 3.0, 4, "TDVP", {"cutoff": 1e-4}),
    "tdvp ising": ("ising", (12, 0.5, 2), 4.0, 5, "TDVP", {}),
    "tdvp mode": ("dicke", (1, 8, 0.6, 8, 1), 4.0, 5, "TDVP", {}),
    "tdvp modes": ("dicke", (2, 8, 0.5, 8, 2), 3.0, 4, "TDVP", {"cutoff": 1e-4}),
    "tebd p1 10": ("hopfield", (1, 10, 2.0, 0.4, 1), 2.0, 3, "TEBD", {}),
    "tebd p3 12": ("hopfield", (3, 12, 1.5, 0.4, 7), 1.0, 2, "TEBD", {}),
    "tebd ising": ("ising", (12, 0.5, 2), 2.0, 3, "TEBD", {}),
    "tebd mode": ("dicke", (1, 8, 0.6, 6, 1), 2.0, 3, "TEBD", {}),
    "mean field 200": ("hopfield", (3, 200, 2.0, 0.4, 1), 400.0, 401, "MeanField", {}),
    "mean field 1000": ("hopfield", (10, 1000, 2.0, 0.4, 1), 50.0, 51, "MeanField", {}),
    "mean field product": ("hopfield", (3, 40, 2.0, 0.4, 1), 20.0, 21, "MeanField",
                           {"closure": "product"}),
    "mean field dicke": ("dicke", (3, 60, 0.7, 30, 1), 100.0, 101, "MeanField", {}),
}  # fmt: skip
HELD_OUT = {
    "Exact, spins": ("hopfield", (2, 10, 1.3, 0.5, 31), 15.0, 16, "Exact", {}),
    "Exact, modes": ("dicke", (2, 4, 0.5, 7, 32), 12.0, 13, "Exact", {}),
    "Symmetric, p = 1": ("hopfield", (1, 140, 2.0, 0.45, 33), 10.0, 11, "Symmetric", {}),
    "Symmetric, p = 2": ("hopfield", (2, 150, 1.7, 0.35, 34), 9.0, 10, "Symmetric", {}),
    "Symmetric, p = 3": ("hopfield", (3, 17, 1.9, 0.35, 35), 8.0, 9, "Symmetric", {}),
    "Symmetric, mode": ("dicke", (1, 30, 0.65, 9, 36), 7.0, 8, "Symmetric", {}),
    "ClassicalMaster": ("hopfield", (6, 13, 1.7, 0.0, 37), 60.0, 31, "ClassicalMaster", {}),
    "KineticMonteCarlo": ("hopfield", (8, 300, 2.5, 0.0, 38), 12.0, 9, "KineticMonteCarlo",
                          {"n_samples": 600}),
    "TDVP, p = 1": ("hopfield", (1, 60, 1.8, 0.6, 81), 9.0, 7, "TDVP", {}),
    "TDVP, p = 3": ("hopfield", (3, 18, 1.3, 0.35, 82), 4.0, 5, "TDVP", {}),
    "TDVP, Gaussian": ("gaussian", (9, 1.0, 0.45, 83), 5.0, 6, "TDVP", {"cutoff": 3e-5}),
    "TDVP, mode": ("dicke", (1, 11, 0.45, 8, 64), 6.0, 7, "TDVP", {}),
    "TEBD": ("hopfield", (3, 11, 1.2, 0.35, 75), 1.6, 3, "TEBD", {}),
    "MeanField": ("hopfield", (4, 300, 1.6, 0.6, 44), 150.0, 51, "MeanField", {}),
}  # fmt: skip


def model_of(kind, numbers):
    """Return a model and a start near its first pattern."""
    import numpy as np

    import tnhop as th

    if kind == "dicke":
        n_modes, n_spins, g, fock_dim, seed = numbers
        xi = th.random_patterns(n_patterns=n_modes, n_spins=n_spins, rng=seed)
        couplings = th.pattern_couplings(xi, g=g)
        model = th.multimode_dicke(
            couplings, omega=1.0, Omega=0.5, loss=1.0, gain=0.1, fock_dim=fock_dim
        )
        return model, th.pattern_state(model, overlap=0.8)
    if kind == "ising":
        n_spins, Omega, seed = numbers
        xi = th.random_patterns(n_patterns=2, n_spins=n_spins, rng=seed)
        model = th.hebbian_ising(xi, Omega=Omega, decay=0.5, dephasing=0.1)
        return model, th.product_state(model, bloch=[0.0, 0.6, 0.8])
    if kind == "gaussian":
        n_spins, beta, Omega, seed = numbers
        J = np.random.default_rng(seed).normal(size=(n_spins, n_spins)) / np.sqrt(2 * n_spins)
        J = J + J.T
        np.fill_diagonal(J, 0.0)
        xi = th.random_patterns(n_patterns=1, n_spins=n_spins, rng=seed)
        model = th.open_hopfield(xi, beta=beta, Omega=Omega, couplings=J)
        return model, th.pattern_state(model, overlap=0.8)
    n_patterns, n_spins, beta, Omega, seed = numbers
    xi = th.random_patterns(n_patterns=n_patterns, n_spins=n_spins, rng=seed)
    model = th.open_hopfield(xi, beta=beta, Omega=Omega)
    return model, th.pattern_state(model, overlap=0.8)


def measure(name):
    """Run a case, then estimate it; print both as JSON."""
    import time
    import warnings

    import numpy as np

    import tnhop as th

    def peak():
        status = Path("/proc/self/status").read_text("utf-8")  # ru_maxrss is the parent's at first
        return 1024.0 * float(status.partition("VmHWM:")[2].split()[0])

    kind, numbers, end, n_times, method, settings = {**FITTED, **HELD_OUT}[name]
    model, state = model_of(kind, numbers)
    chosen, times = getattr(th, method)(**settings), np.linspace(0.0, end, n_times)
    before = peak()
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = th.evolve(model, state, times, method=chosen, rng=1, progress=False)
    seconds, memory = time.process_time() - began, peak() - before
    began = time.process_time()
    cost = th.estimate(model, chosen, state=state, times=times)
    facts = {
        key: result.stats[key]
        for key in ("applications", "largest_bond", "generator_bond", "channel_bond", "steps",
                    "fock_levels")
        if key in result.stats
    }  # fmt: skip
    row = {
        "name": name, "predicted": cost.time, "seconds": seconds, "expected": cost.memory,
        "memory": memory, "note": cost.note, "estimating": time.process_time() - began,
        "facts": facts,
    }  # fmt: skip
    print(json.dumps(row))


def report(name):
    """Measure a case in a process of its own and print a line of the table."""
    command = [sys.executable, os.path.abspath(__file__), "--measure", name]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **THREADS}, check=False
    )
    if done.returncode:
        print(f"{name:<26} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return
    row = json.loads(done.stdout.strip().splitlines()[-1])
    facts = " ".join(f"{key}={value}" for key, value in row["facts"].items())
    print(
        f"{name:<26} {row['predicted']:8.2f} {row['seconds']:8.2f}"
        f" {row['predicted'] / row['seconds']:5.2f} {row['expected'] / 1e6:9.1f}"
        f" {row['memory'] / 1e6:8.1f} {row['expected'] / max(row['memory'], 1.0):5.2f}"
        f"  {facts}; {row['note']}; estimated in {row['estimating']:.2f} s",
        flush=True,
    )


def main():
    """Print the table."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
        return
    words = sys.argv[1:] or ["held_out"]
    everything = {**FITTED, **HELD_OUT}
    print(HEAD)
    for word in words:
        sets = {"fitted": FITTED, "held_out": HELD_OUT}
        for name in sets.get(word, [name for name in everything if name.startswith(word)]):
            report(name)


if __name__ == "__main__":
    main()
