"""Runs whose files do not fit: `python full_disk.py FOLDER` prints what became of each, as JSON.

No file of this process may grow beyond a few kilobytes, as on a disk with no more room. What each
situation says, leaves in its folder and warns of is for the tests to judge; so is whether this
process ends as Python ends.
"""

import contextlib
import io
import json
import resource
import signal
import sys
import warnings
from pathlib import Path

import tnhop as th
from tnhop.cli import main

ROOM = 2048  # bytes
MODEL = th.open_hopfield(th.random_patterns(2, 4, rng=1), beta=2.0, Omega=0.4)
STATE = th.pattern_state(MODEL)
CONFIG = """
[patterns]
kind = "random"
n_patterns = 2
n_spins = 4
rng = 1
[model]
type = "open_hopfield"
beta = 2.0
Omega = 0.4
[state]
kind = "pattern"
[times]
stop = 1.0
n = 3
[[methods]]
type = "Exact"
[sweep.grid]
"model.Omega" = [0.2, 0.4]
"""


def problem(Omega):
    built.append(Omega)
    return th.Problem(th.open_hopfield([[1, -1, 1]], beta=2.0, Omega=Omega), START, [0.0, 0.5])


START, built = th.pattern_state(th.open_hopfield([[1, -1, 1]], beta=2.0)), []


def evolved(**options):
    return th.evolve(MODEL, STATE, [0.0, 0.5, 1.0], method="Exact", **options)


def save(folder):
    evolved().save(folder / "run.h5")


def overwrite(folder):
    evolved().save(folder / "old.h5", overwrite=True)


def steady(folder):
    th.steady_state(MODEL, method="Exact").save(folder / "steady.h5")


def checkpoint(folder):
    evolved(checkpoint=folder / "run.ckpt", checkpoint_interval=0.0)


def sweep(folder, workers=1):
    data = th.sweep(problem, {"Omega": [0.1, 0.2]}, method="Exact", store=folder / "store",
                    executor=workers)  # fmt: skip
    assert data.attrs["missing"] == 2


def sweep_on_two(folder):
    sweep(folder, workers=2)


def converge(folder):
    p = th.Problem(MODEL, STATE, [0.5], "m_z")
    th.converge(p, {"m_z": 1e-3}, method="TEBD", store=folder / "runs")


def animation(folder):
    evolved(observables=["sigma_z", "m_z"]).animate(folder / "run.gif", shape=(2, 2))


def command(*words):
    def run(folder):
        (folder / "run.toml").write_text(CONFIG, "utf-8")
        return main([words[0], str(folder / "run.toml"), *words[1:]])

    return run


def figure(folder):
    files = [str(folder / name) for name in ("old.h5", "other.h5")]
    return main(["compare", *files, "--output", str(folder / "figure")])


SITUATIONS = {
    "save": save, "overwrite": overwrite, "steady": steady, "checkpoint": checkpoint,
    "sweep": sweep, "sweep on two": sweep_on_two, "converge": converge, "animation": animation,
    "figure": figure, "tnhop run": command("run"), "tnhop sweep": command("sweep", "--workers", "1"),
    "tnhop converge": command("converge", "--tolerance", "m_z=1e-3", "--set", "methods.0.type=TEBD"),
}  # fmt: skip


def attempt(call, folder):
    """Return what a call says on a full disk, and what it leaves."""
    folder.mkdir()
    for name in ("old.h5", "other.h5"):  # as long as there is room
        (folder / name).write_bytes(OLD)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    said, out, built[:] = io.StringIO(), io.StringIO(), []
    found = {"error": None, "errno": None, "status": None}
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(said):
        warnings.simplefilter("always", th.TruncationWarning)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
        try:
            with contextlib.redirect_stdout(out):
                found["status"] = call(folder)
        except Exception as error:
            found |= {"error": type(error).__name__, "errno": getattr(error, "errno", None)}
            found["sentence"] = getattr(error, "strerror", None) or str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return found | {
        "warnings": [str(w.message) for w in caught], "stderr": said.getvalue(),
        "files": sorted(map(str, files)), "old": (folder / "old.h5").read_bytes() == OLD,
        "built": len(built),
    }  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    place = Path(sys.argv[1])
    OLD = evolved().save(place / "old.h5").read_bytes()
    assert len(OLD) > ROOM
    point = problem(0.1)  # what numba compiles has to be kept while there is room
    th.evolve(point.model, point.state, point.times, method="Exact")
    th.steady_state(MODEL, method="Exact")
    th.evolve(MODEL, STATE, [0.5], method="TEBD")
    print(json.dumps({name: attempt(call, place / name) for name, call in SITUATIONS.items()}))
