"""Commands beside running: animate, cite, estimate, completion."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import tnhop as th
from tnhop.cli import main

CONFIG = """\
methods = "ClassicalMaster"
[patterns]
kind = "images"
images = ["#.#|.#.", "##.|#.."]
[model]
type = "open_hopfield"
beta = 2.5
[state]
kind = "pattern"
overlap = 0.8
[times]
stop = 1.0
n = 3
[output]
observables = ["m_z", "sigma_z"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(CONFIG, "utf-8")
    return tmp_path


def test_animation_of_a_run_knows_the_shape(folder, capsys):
    assert main(["run", "run.toml"]) == 0
    assert main(["animate", "run.h5", "--fps", "4"]) == 0
    assert "wrote run.gif" in capsys.readouterr().out
    with Image.open("run.gif") as gif:
        assert (gif.n_frames, gif.info["duration"]) == (3, 250)


def test_animation_takes_shape_and_name(folder, capsys):
    model = th.open_hopfield(th.random_patterns(1, 6, rng=1), beta=1.0)
    start, names = th.pattern_state(model), ["m_z", "sigma_z"]
    result = th.evolve(model, start, [0.0, 1.0], observables=names, method="ClassicalMaster")
    result.save("api.h5")
    assert main(["animate", "api.h5"]) == 2
    assert "product 6, but it is not given" in capsys.readouterr().err
    for shape in ("6", "axb", "4x2"):
        assert main(["animate", "api.h5", "--shape", shape]) == 2
    assert "product 6, but it is 4 x 2" in capsys.readouterr().err
    assert main(["animate", "api.h5", "--shape", "3x2", "--output", "moving"]) == 0
    before = (folder / "moving.gif").read_bytes()
    assert main(["animate", "api.h5", "--shape", "2x3", "--output", "moving"]) == 2
    assert "allow `--overwrite`" in capsys.readouterr().err
    assert (folder / "moving.gif").read_bytes() == before
    assert main(["animate", "api.h5", "--shape", "2x3", "--output", "moving", "--overwrite"]) == 0
    assert (folder / "moving.gif").read_bytes() != before


def test_animation_needs_a_result_over_time(folder, capsys):
    model = th.open_hopfield([[1, -1, 1]], beta=1.0)
    th.steady_state(model).save("steady.h5")
    assert main(["animate", "steady.h5", "--shape", "1x3"]) == 2
    assert "hold a result over time, but 'steady.h5' holds a SteadyState" in capsys.readouterr().err


def test_cite_reads_a_file(folder, capsys):
    model = th.open_hopfield([[1, -1, 1]], beta=2.5)
    start = th.pattern_state(model)
    th.evolve(model, start, [1.0], observables="m_z", method="ClassicalMaster").save("run.h5")
    assert main(["cite", "run.h5"]) == 0
    shown = capsys.readouterr().out
    assert "Rotondo2018" in shown
    assert "Glauber1963" in shown
    assert shown.strip() == th.load("run.h5").cite()


def test_cite_takes_names(capsys):
    assert main(["cite", "--model", "dicke", "--method", "TEBD"]) == 0
    assert capsys.readouterr().out.strip() == th.cite("dicke", "TEBD")
    assert main(["cite", "--model", "dickee"]) == 2
    assert "Did you mean 'dicke'" in capsys.readouterr().err


def lines_of(table):
    """Return method -> (mark, text) of the table of estimates."""
    pattern = re.compile(r"^([* ]) (\w+)\s{2,}(.*)$", re.MULTILINE)
    return {found[2]: (found[1], found[3]) for found in pattern.finditer(table)}


def test_estimate_lists_every_method_and_marks_the_automatic_one(folder, capsys):
    assert main(["estimate", "run.toml"]) == 0
    table = lines_of(capsys.readouterr().out)
    assert set(table) == set(th.ALL_METHODS)
    marked = [name for name, (mark, _) in table.items() if mark == "*"]
    main(["run", "run.toml", "--set", "methods=auto"])
    assert marked == re.findall(r"Method `(\w+)` chosen", capsys.readouterr().err)
    assert not list(folder.glob("*-*.h5"))


def test_estimate_agrees_with_the_api_and_gives_reasons(folder, capsys):
    changes = ["--set", "model.Omega=0.3", "--set", "methods=Exact"]
    assert main(["estimate", "run.toml", *changes]) == 0
    table = lines_of(capsys.readouterr().out)
    model = th.open_hopfield(th.patterns_from_images(["#.#|.#.", "##.|#.."]), beta=2.5, Omega=0.3)
    start = th.pattern_state(model, overlap=0.8)
    cost = th.estimate(model, "MeanField", state=start, times=np.linspace(0, 1, 3))
    assert table["MeanField"][1] == str(cost)
    assert table["ClassicalMaster"][1].startswith("no: Method `ClassicalMaster` follows")


def test_estimate_uses_the_settings_of_the_config(folder, capsys):
    text = CONFIG.replace('"ClassicalMaster"', '[{type = "Exact", tolerance = 1e-3}]')
    (folder / "run.toml").write_text(text, "utf-8")
    assert main(["estimate", "run.toml"]) == 0
    assert "with Exact(tolerance=0.001" in capsys.readouterr().out


def test_estimate_says_why_the_method_of_the_config_cannot(folder, capsys):
    text = CONFIG.replace('"ClassicalMaster"', '[{type = "Exact", max_memory = 10.0}]')
    (folder / "run.toml").write_text(text, "utf-8")
    assert main(["estimate", "run.toml"]) == 0
    shown = capsys.readouterr().out
    assert "methods of the config: Method `Exact` would propagate" in shown
    assert set(lines_of(shown)) >= set(th.ALL_METHODS)


def test_estimate_refuses_a_wrong_config(folder, capsys):
    assert main(["estimate", "run.toml", "--set", "model.betta=3"]) == 2
    assert "betta" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("run", "compare", "estimate", "animate", "overwrite"):
        assert word in script
    if program := shutil.which(shell):
        check = subprocess.run(
            [program, "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert check.returncode == 0, check.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_a_command(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    function = re.search(r"complete .*-F (\w+)", script)[1]
    probe = f'{script}\nCOMP_WORDS=(tnhop es); COMP_CWORD=1\n{function} tnhop es tnhop\necho "${{COMPREPLY[@]}}"'
    environment = {"PATH": os.environ["PATH"]}
    found = subprocess.run(
        ["bash", "-c", probe], text=True, capture_output=True, env=environment, check=True
    )
    assert found.stdout.split() == ["estimate"]


def test_completion_of_another_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "tcsh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.04 s"), (31.0, "30 s"), (90.0, "1.5 min"), (6600.0, "110 min"), (9000.0, "2.5 h"),
     (3e6, "35 days"), (np.inf, "forever")],
)  # fmt: skip
def test_times_are_written_without_exponents(seconds, text):
    assert str(th.Cost(1e6, seconds)) == f"1 MB, about {text}"
