"""The recipes of docs/adding_a_*.md, carried out literally on a copy of the package.

Their Python block is written to the file that the text names, and the lines of their diff are put
where it says. Then the toy method and the toy model are used like any other.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = {
    "adding_a_solver.md": "tnhop/solvers/exact/runge_kutta.py",
    "adding_a_model.md": "tnhop/models/pair_decay.py",
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def edits(diff: str) -> dict[str, list[tuple[str, list[str], list[str]]]]:
    """Return file -> (line to look for, lines that go, lines that come)."""
    found: dict[str, list[tuple[str, list[str], list[str]]]] = {}
    for line in diff.splitlines():
        if line.startswith("+++ b/"):
            found[line.removeprefix("+++ b/")] = []
        elif line.startswith("@@ "):
            found[[*found][-1]].append((line.removeprefix("@@ "), [], []))
        elif not line.startswith("--- "):
            found[[*found][-1]][-1][1 if line[0] == "-" else 2].append(line[1:])
    return found


def edited(text: str, anchor: str, gone: list[str], come: list[str]) -> str:
    assert text.count(anchor) == 1, f"{anchor!r} must stand there once"
    if gone:
        return text.replace("\n".join(gone), "\n".join(come))
    line = next(line for line in text.splitlines() if anchor in line)
    return text.replace(f"{line}\n", "\n".join([line, *come]) + "\n")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return a copy of the project after both recipes."""
    place = tmp_path_factory.mktemp("project")
    for folder in ("tnhop", "tests", "docs"):
        # with what numba compiled before
        shutil.copytree(
            ROOT / folder, place / folder,
            ignore=shutil.ignore_patterns("*.pyc", "gallery", "*.png"),
        )  # fmt: skip
    for name in ("pyproject.toml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, place)
    for document, file in RECIPES.items():
        text = (ROOT / "docs" / document).read_text("utf-8")
        assert f"`{file}`" in text
        whole = text[text.index(f"`{file}`") :]
        (place / file).write_text(blocks(whole, "python")[0], "utf-8")
        for target, changes in edits(blocks(whole, "diff")[0]).items():
            path = place / target
            for change in changes:
                path.write_text(edited(path.read_text("utf-8"), *change), "utf-8")
    return place


def run(place: Path, *command: str, **more: str) -> str:
    env = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{place / 'tests'}"} | more
    done = subprocess.run(
        [sys.executable, *command], cwd=place, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


USED = '''
import numpy as np
import tnhop as th
from tnhop.cli import main

assert th.RungeKutta in th.ALL_METHODS.values() and th.pair_decay in th.ALL_MODELS.values()
model = th.pair_decay(3, decay=0.7, Omega=[0.2, 0.5, 0.3])
start = th.product_state(model, bloch=[[0.5, 0.3, 0.6], [0.1, -0.4, 0.2], [0.0, 0.3, -0.7]])
method, times, name = th.RungeKutta(dt=0.05), [0.0, 0.4, 1.1], "sigma_z"
exact = th.evolve(model, start, times, observables=name, method="Exact")
for way in (method, "RungeKutta"):
    r = th.evolve(model, start, times, observables=name, method=way, checkpoint=f"{type(way)}.ckpt")
    assert np.all(abs(r.expect[name] - exact.expect[name]) <= r.errors[name] + 1e-9)
steady = th.steady_state(model, observables=name, method=method)
known = th.steady_state(model, observables=name, method="Exact", state=start)
assert steady.converged and steady.residual < 1e-10
assert np.allclose(steady.expect[name], known.expect[name], atol=1e-8)
both = th.compare(model, start, times, methods=["Exact", method], observables=name)
assert "agree" in both.table() and "DISAGREE" not in both.table()
problem = th.Problem(model, start, times, name)
answer = th.converge(problem, {name: 1e-6}, method=method)
assert answer.converged and answer.result.method.dt != method.dt
data = th.sweep(
    lambda Omega: th.Problem(th.pair_decay(3, decay=0.7, Omega=Omega), start, times, name),
    {"Omega": [0.1, 0.6]}, method=method, store="folder", executor=1,
)
assert data[name].notnull().all() and th.load("folder").identical(data)
saved = th.load(th.evolve(model, start, times, method=method).save("one.h5"))
assert saved.method == method and saved.model == model
text = th.cite(model, method)
assert "{Shammah2018," in text and "method RungeKutta: no paper" in text
assert th.cite("pair_decay", "RungeKutta") == text
for verb in (th.liouvillian_spectrum, lambda m, method: th.correlation(
        m, start, times, th.sigma("-")(0), th.sigma("+")(0), method=method)):
    try:
        verb(model, method=method)
    except ValueError as error:
        assert str(error).startswith("Method `RungeKutta` does not offer `"), error
    else:
        raise AssertionError("a verb that the method lacks was not refused")
config = """
methods = [{type = "RungeKutta", dt = 0.05}, "Exact"]
[model]
type = "pair_decay"
n_spins = 3
decay = 0.7
[state]
kind = "bloch"
vectors = [[0.5, 0.3, 0.6], [0.1, -0.4, 0.2], [0.0, 0.3, -0.7]]
[times]
values = [0.0, 0.4]
[output]
observables = ["sigma_z"]
"""
open("run.toml", "w").write(config)
for words in (["run", "run.toml"], ["compare", "run-RungeKutta.h5", "run-Exact.h5", "--output", "c"],
              ["cite", "run-RungeKutta.h5"], ["info", "run-RungeKutta.h5"], ["estimate", "run.toml"], ["info"]):
    assert main(words) in (0, None), words
'''


def test_toy_method_and_model_work_in_every_verb(copy, tmp_path):
    (copy / "used.py").write_text(USED)
    out = run(copy, "used.py", MPLBACKEND="Agg")
    assert "DISAGREE" not in out
    assert "RungeKutta" in out
    assert "pair_decay" in out


@pytest.mark.slow
def test_generic_tests_accept_toy_method_and_model(copy):
    run(
        copy, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        *(f"tests/architecture/test_{name}.py" for name in ("layers", "public", "growth", "site")),
        "tests/unit/test_citations.py", "tests/unit/test_refinement.py",
        "tests/models", "-k", "not documentation",
    )  # fmt: skip
    run(copy, "-m", "pytest", "-q", "--doctest-modules", *RECIPES.values())


PLUGIN = {
    "outside/__init__.py": "",
    "outside/steps.py": None,
    "outside-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n",
    "outside-1.0.dist-info/entry_points.txt": "[tnhop.methods]\nRungeKutta = outside.steps:RungeKutta\n",
}


SWEPT = """
from dataclasses import dataclass
import tnhop as th
from tnhop.support.codec import register

@register
@dataclass(frozen=True)
class Mine(th.MeanField):  # of the script itself, which workers never import
    pass

def problem(Omega):
    model = th.independent_spins(1, Omega=Omega, decay=0.5)
    return th.Problem(model, th.product_state(model, spins=[1]), [0.7], "sigma_z")

if __name__ == "__main__":
    for method in ("RungeKutta", Mine()):
        data = th.sweep(problem, {"Omega": [0.1, 0.3]}, method=method, executor=2)
        assert data["sigma_z"].notnull().all(), method
"""


@pytest.mark.slow
def test_method_of_another_package_is_found_by_its_entry_point(tmp_path):
    text = (ROOT / "docs" / "adding_a_solver.md").read_text("utf-8")
    for name, content in PLUGIN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content if content is not None else blocks(text, "python")[0])
    code = """
import tnhop as th
assert "RungeKutta" not in th.ALL_METHODS
model = th.independent_spins(1, Omega=0.3, decay=0.5)
start = th.product_state(model, spins=[1])
r = th.evolve(model, start, [0.7], method="RungeKutta", observables="sigma_z")
r.save("outside.h5")
assert "method RungeKutta: no paper" in th.cite(model, "RungeKutta")
"""
    read = """
import tnhop as th
assert type(th.load("outside.h5").method).__name__ == "RungeKutta"
"""
    (tmp_path / "swept.py").write_text(SWEPT)
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    for part in (["-c", code], ["-c", read], ["swept.py"]):
        done = subprocess.run(
            [sys.executable, *part], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
