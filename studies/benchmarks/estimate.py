"""How well `th.estimate` predicts the cost of `th.evolve`, one thread; prints a table.

Usage: python studies/benchmarks/estimate.py [held_out] [fitted] [drawn FIRST LAST] [NAME ...]

Without arguments: all cases that were held out when the constants of the estimates were chosen.
``fitted`` are the cases behind the constants; ``drawn`` are random problems for chains, with seeds
from FIRST to LAST, among them letters with corrupted cues, strong fields and strong damping; other
words select cases whose names begin so.

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


LETTERS = {
    "A": "01101001111110011001", "T": "11110110011001100110", "L": "10001000100010001111",
    "X": "10010110011010011001", "I": "11110110011001101111", "O": "01101001100110010110",
    "E": "11111000111010001111", "H": "10011001111110011001", "N": "10011101101110011001",
}  # fmt: skip
KINDS = ("letters", "letters", "patterns", "strong field", "couplings", "ising", "mode", "damped")


def drawn(seed):
    """Return a random problem: kind, model, state and output times."""
    import numpy as np

    import tnhop as th

    rng, kind = np.random.default_rng(seed), KINDS[seed % len(KINDS)]
    n, p = int(rng.integers(6, 17)), int(rng.integers(1, 4))
    state = None
    if kind == "letters":
        names = rng.choice(list(LETTERS), size=max(p, 2), replace=False)
        pixels = np.sort(rng.choice(20, size=n, replace=False))
        xi = np.array([[2 * int(LETTERS[name][k]) - 1 for k in pixels] for name in names])
        model = th.open_hopfield(xi, beta=rng.uniform(1.5, 5), Omega=rng.uniform(0.1, 0.6))
        cue = th.corrupt(xi[0], int(rng.integers(1, max(2, n // 4))), rng=rng)
        state, end = th.product_state(model, bloch=np.outer(cue, [0.0, 0.0, 1.0])), 1.0
    elif kind in ("patterns", "strong field"):
        Omega = rng.uniform(0.1, 1) if kind == "patterns" else 10 ** rng.uniform(0.3, 1.3)
        xi = th.random_patterns(n_patterns=p, n_spins=n, rng=rng)
        model, end = th.open_hopfield(xi, beta=rng.uniform(0.3, 4), Omega=Omega), 2.0
    elif kind == "couplings":
        field = 10 ** rng.uniform(-1, 0.7)
        model, state = model_of("gaussian", (n % 4 + 6, rng.uniform(0.3, 1.5), field, seed))
        end = 1.5
    elif kind == "mode":
        g, levels = rng.uniform(0.2, 0.6), int(rng.integers(6, 10))
        model, state = model_of("dicke", (int(rng.integers(1, 3)), n % 5 + 4, g, levels, seed))
        end = 2.0
    else:
        decay = 10 ** (rng.uniform(-1, 1) if kind == "ising" else rng.uniform(0.5, 2))
        xi = th.random_patterns(n_patterns=2, n_spins=n, rng=rng)
        model = th.hebbian_ising(xi, Omega=10 ** rng.uniform(-1, 1), decay=decay, dephasing=0.1)
        state, end = th.product_state(model, bloch=[0.0, 0.6, 0.8]), 2.0
    state = state or th.pattern_state(model, overlap=rng.choice([0.3, 0.8, 1.0]))
    return model, state, np.linspace(0, end * rng.uniform(0.5, 1.5), int(rng.integers(2, 12)))


def problem_of(name):
    """Return model, state, method and output times of a case."""
    import numpy as np

    import tnhop as th

    if name.startswith("drawn"):
        model, state, times = drawn(int(name.split()[1]))
        return model, state, th.TDVP(), times
    kind, numbers, end, n_times, method, settings = {**FITTED, **HELD_OUT}[name]
    return *model_of(kind, numbers), getattr(th, method)(**settings), np.linspace(0, end, n_times)


def measure(name):
    """Run a case, then estimate it; print both as JSON."""
    import time
    import warnings

    import tnhop as th

    def peak():
        status = Path("/proc/self/status").read_text("utf-8")  # ru_maxrss is the parent's at first
        return 1024.0 * float(status.partition("VmHWM:")[2].split()[0])

    model, state, chosen, times = problem_of(name)
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
    if words[0] == "drawn":
        for seed in range(int(words[1]), int(words[2]) + 1):
            report(f"drawn {seed} {KINDS[seed % len(KINDS)]}")
        return
    for word in words:
        sets = {"fitted": FITTED, "held_out": HELD_OUT}
        for name in sets.get(word, [name for name in everything if name.startswith(word)]):
            report(name)


if __name__ == "__main__":
    main()
