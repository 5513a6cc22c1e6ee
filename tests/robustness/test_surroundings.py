"""Runs without a terminal, without compiled loops, and from programs that have no streams."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = """
import sys, warnings
warnings.simplefilter("error")
import tnhop as th
m = th.independent_spins(1, Omega=0.3, decay=1.0)
problem = th.Problem(m, th.product_state(m, spins=[1]), [0.5], "sigma_z")
for stream in (None, type("Writer", (), {"write": lambda *_: None, "flush": lambda *_: None})()):
    sys.stderr = stream
    for progress in (None, True):
        r = th.evolve(m, problem.state, [0.5], method="Exact", progress=progress)
        data = th.sweep(
            lambda seed: problem, {"seed": [0]}, method="Exact", executor=1, progress=progress
        )
        assert data["sigma_z"].values.item() == r.expect["sigma_z"].item()
print("done")
"""
WITHOUT_COMPILER = """
import warnings
warnings.simplefilter("error")
import numpy as np, tnhop as th
m = th.open_hopfield(np.ones((1, 4)), beta=1.5)
start = th.pattern_state(m, overlap=0.0)
for method in (th.KineticMonteCarlo(n_samples=20), "Exact"):
    r = th.evolve(m, start, [0.3], observables="m_z", method=method, rng=1, progress=False)
    print(f"{r.expect['m_z'].item():.12f}")
"""


def output(script, **environment):
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env=os.environ | environment,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    return told.stdout


def test_no_terminal_is_needed():
    assert output(RUN) == "done\n"


@pytest.mark.slow
def test_loops_that_are_not_compiled_are_quiet_and_the_same():
    assert output(WITHOUT_COMPILER, NUMBA_DISABLE_JIT="1") == output(WITHOUT_COMPILER)
