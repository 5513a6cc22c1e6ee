"""Runs that are killed at random moments end with the bits of a run that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import killable
import tnhop as th

SCRIPT = Path(killable.__file__)


def killed_run(case, folder, seed, kills):
    """Kill children of another interpreter, whose hash seed differs, and return its report."""
    words = [sys.executable, str(SCRIPT), case, str(folder), str(seed), str(kills)]
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_survives(case, folder, seed, kills):
    report = killed_run(case, folder, seed, kills)
    assert report["killed"] > 0
    (arrays, stats), (expected, facts) = (
        killable.numbers(result)
        for result in (
            killable.run(case, checkpoint=folder / "run.ckpt"),  # finished: read, not computed
            killable.run(case),
        )
    )
    assert stats == facts
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    saved = th.load(folder / "run.h5")
    for name, values in saved.expect.items():
        np.testing.assert_array_equal(values, expected[f"value {name}"])
    assert sorted(p.name for p in folder.iterdir()) == ["run.ckpt", "run.ckpt.previous", "run.h5"]


@pytest.mark.parametrize("case", ["Exact with states"])
def test_killed_run_ends_with_the_same_bits(case, tmp_path):
    assert_survives(case, tmp_path, seed=3, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("case", list(killable.CASES))
def test_run_survives_many_kills(case, tmp_path):
    assert_survives(case, tmp_path, seed=1, kills=6)
