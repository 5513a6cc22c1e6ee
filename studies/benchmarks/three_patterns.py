"""Three random patterns in 32 spins, where nothing exact exists: what TDVP's own numerics change.

Every row changes one number of the first; its distance from the best row and the error bar of the
row are the evidence. Run: python studies/benchmarks/three_patterns.py
"""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

import tnhop as th

TIMES = np.linspace(0, 6, 16)
NAMES = ["m_x", "m_y", "m_z", "sigma_z"]
BASE = {"cutoff": 5e-5}
ROWS = {
    "best": {"cutoff": 1e-5},
    "base": {},
    "cutoff x 4": {"cutoff": 2e-4},
    "dt / 2": {"dt": 0.2},
    "generator / 4": {"mpo_tolerance": 2.5e-4},
    "epsilon 0.2": {"epsilon": 0.2},
    "epsilon 0.4": {"epsilon": 0.4},
}


def main() -> None:
    """Print the table."""
    xi = th.random_patterns(n_patterns=3, n_spins=32, rng=7)
    model = th.open_hopfield(xi, beta=2.5, Omega=0.4)
    z = 0.8 * xi[0]
    tilted = np.stack([0.3 + 0 * z, np.sin(0.5) * z, np.cos(0.5) * z], axis=1)
    start = th.product_state(model, bloch=tilted)
    print(f"{model!r}\n{'row':<14}   bond  gen   time      m       sigma_z   bar of m  trace")
    best = None
    for name, changes in ROWS.items():
        method = th.TDVP(**{**BASE, **changes})
        began = time.perf_counter()
        run = th.evolve(model, start, TIMES, observables=NAMES, method=method)
        seconds = time.perf_counter() - began
        best = best or run
        off = {n: np.abs(run.expect[n] - best.expect[n]).max() for n in NAMES}
        m = max(off[n] for n in NAMES[:3])
        bar, stats = run.errors["m_z"].max(), run.stats
        print(
            f"{name:<14} {stats['largest_bond']:>5} {stats['generator_bond']:>5} {seconds:>5.0f} s"
            f"  {m:.1e}  {off['sigma_z']:.1e}  {bar:.1e}  {stats['trace_defect']:.0e}",
            flush=True,
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
