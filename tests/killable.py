"""Runs to be killed, in processes of their own: `python killable.py CASE FOLDER SEED KILLS`.

A child runs the case with a checkpoint, is killed with SIGKILL after a random time, and another one
goes on, until that many have been killed; the last one may finish and saves its result. Prints how
many were killed, and from how many times of the run the next one went on.
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import tnhop as th

PATTERNS = th.random_patterns(n_patterns=2, n_spins=6, rng=7)
SMALL = th.open_hopfield(PATTERNS, beta=2.5, Omega=0.4)
LARGE = th.open_hopfield(np.ones((1, 60)), beta=2.5, Omega=0.4)

# model, method, times, whether all states are kept
CASES = {
    "Exact": (SMALL, th.Exact(), np.linspace(0.0, 1500.0, 401), False),
    "Exact with states": (SMALL, th.Exact(), np.linspace(0.0, 500.0, 26), True),
    "Symmetric": (LARGE, th.Symmetric(), np.linspace(0.0, 90.0, 91), False),
    "MeanField": (SMALL, th.MeanField(), np.linspace(0.0, 100.0, 501), False),
    "TDVP": (SMALL, th.TDVP(dt=0.02), np.linspace(0.0, 0.9, 3), False),
    "TEBD": (SMALL, th.TEBD(dt=0.05), np.linspace(0.0, 1.5, 4), False),
    "TDVP, two sites": (SMALL, th.TDVP(dt=0.03, sites=2), np.linspace(0.0, 1.8, 3), True),
}


def run(case, **options):
    model, method, times, states = CASES[case]
    start = th.pattern_state(model, overlap=0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        return th.evolve(model, start, times, method=method, save_states=states, **options)


def child(case, folder, file):
    result = run(case, checkpoint=folder / "run.ckpt", checkpoint_interval=0.0)
    result.save(file)


def numbers(result):
    """Return everything that two runs have to share to the bit."""
    skipped = {"wall_time", "resumed_at"}
    arrays = {f"value {name}": values for name, values in result.expect.items()}
    for name in result.errors:
        arrays |= {f"{name} {s}": v for s, v in result.errors.sources(name).items()}
    for k, state in enumerate([result.final_state, *result.states]):
        arrays |= {f"state {k} {name}": array for name, array in state.to_arrays().items()}
    return arrays, {k: v for k, v in result.stats.items() if k not in skipped}


def main(case, folder, seed, kills):
    folder, dice, killed = Path(folder), random.Random(int(seed)), 0
    child(case, folder, folder / "warm.h5")  # compiles, imports and fills caches
    for path in folder.iterdir():
        path.unlink()
    began = time.perf_counter()
    run(case)
    alone = time.perf_counter() - began
    while True:
        pid = os.fork()
        if pid == 0:
            child(case, folder, folder / "run.h5")
            os._exit(0)
        if killed < int(kills):
            time.sleep(dice.uniform(0.05, 1.6 * alone / int(kills) + 0.1))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        assert status == 0, f"The child ended with status {status}."
        break
    went_on = len(th.load(folder / "run.h5").stats.get("resumed_at", []))
    print(json.dumps({"killed": killed, "went_on": went_on, "seconds_alone": alone}))


if __name__ == "__main__":
    main(*sys.argv[1:])
