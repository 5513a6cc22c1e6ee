"""Sweeps survive kill -9 of themselves and of their workers, here and on Dask."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import killable_sweep
import tnhop as th

SCRIPT = Path(killable_sweep.__file__)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_sweeps_end_with_the_same_numbers(workers, tmp_path):
    command = [sys.executable, SCRIPT, str(workers), tmp_path, "7", "4"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert report["killed"] >= 1
    assert min(report["answers"]) < 12  # killed on the way
    answers = th.load(tmp_path / "store")
    alone = killable_sweep.sweep(tmp_path / "alone", 1)
    assert answers.attrs["missing"] == 0
    assert answers.drop_vars("wall_time").identical(alone.drop_vars("wall_time"))


@pytest.mark.slow
def test_workers_end_with_the_process_that_was_killed(tmp_path):
    code = "import sys, killable_sweep; killable_sweep.sweep(sys.argv[1], 2)"
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "store"], cwd=SCRIPT.parent)
    while len([*(tmp_path / "store").glob("*.h5")]) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    workers = killable_sweep.children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    end = time.monotonic() + 30.0
    while (left := [w for w in workers if Path(f"/proc/{w}").exists()]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of what distributed does when its workers die
def test_a_dead_dask_worker_only_delays(tmp_path):
    distributed = pytest.importorskip("distributed")
    grid = {"Omega": np.linspace(0.1, 0.4, 8), "rng": range(8)}
    options = {"method": "Exact", "progress": False}
    problem = killable_sweep.problem
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))

        def kill():
            while len([*(tmp_path / "dask").glob("*.h5")]) < 16:
                time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            killed.append(len([*(tmp_path / "dask").glob("*.h5")]))

        killed = []
        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        data = th.sweep(problem, grid, store=tmp_path / "dask", executor=client, **options)
        killer.join()
    assert 16 <= killed[0] < 64  # midway
    assert data.attrs["missing"] == 0
    serial = th.sweep(problem, grid, store=tmp_path / "serial", executor=1, **options)
    assert data.drop_vars("wall_time").identical(serial.drop_vars("wall_time"))
