"""Sweeps to be killed: `python killable_sweep.py WORKERS FOLDER SEED KILLS`.

A child runs a sweep into a store. After a random time SIGKILL hits the child, or one of its
workers, and so on, until that many processes have been killed; a child that was killed is followed
by another one. Prints how many were killed, and how many answers there were after each kill.
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

GRID = {"Omega": [0.1, 0.25, 0.4], "rng": [2, 3, 5, 7]}


def problem(Omega, rng):
    xi = th.random_patterns(2, 5, rng=rng)
    model = th.open_hopfield(xi, beta=2.0, Omega=Omega)
    start = th.product_state(model, bloch=np.tile([0.3, -0.2, 0.6], (5, 1)))
    return th.Problem(model, start, [0.3, 0.9], ["m_z", "sigma_y"])


def method(rng):
    """An exact method, a chain, and one that samples nothing: all kinds of tasks."""
    return {2: "Exact", 3: th.TDVP(dt=0.05), 5: "Symmetric", 7: th.TEBD(dt=0.1)}[rng]


def sweep(store, workers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        return th.sweep(
            problem, GRID, method=method, store=store, executor=workers, progress=False
        )  # fmt: skip


def children(pid):
    """Return the processes that a process has started, from the kernel's list."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def kill_one(pid, dice):
    """Kill the process or one of its children; return whether it was the process itself."""
    chosen = dice.choice([pid, *children(pid)])
    os.kill(chosen, signal.SIGKILL)
    return chosen == pid


def main(workers, folder, seed, kills):
    workers, dice = int(workers), random.Random(int(seed))
    store, killed, done = Path(folder) / "store", 0, []
    sweep(Path(folder) / "warm", 1)  # compiles, imports and fills caches
    while True:
        pid = os.fork()
        if pid == 0:
            sweep(store, workers)
            os._exit(0)
        while killed < int(kills):
            time.sleep(dice.uniform(0.1, 2.5 if workers == 1 else 8.0))
            if os.waitpid(pid, os.WNOHANG)[0]:
                pid = 0
                break
            itself = kill_one(pid, dice)
            killed += 1
            done.append(len([*store.glob("*.h5")]))
            if itself:
                break
        if pid == 0:
            break
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSIGNALED(status):
            assert status == 0, f"The child ended with status {status}."
            break
    print(json.dumps({"killed": killed, "answers": done}))


if __name__ == "__main__":
    main(*sys.argv[1:])
