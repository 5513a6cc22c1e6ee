"""The command line: each command in-process, on tiny systems."""

import json
import tomllib

import h5py
import numpy as np
import pytest

from tnhop.answers.loading import load
from tnhop.cli import main
from tnhop.solvers.exact.exact import Exact

CONFIG = """\
methods = ["Exact", "MeanField"]
[patterns]
kind = "explicit"
values = [[1, 1, -1], [1, -1, 1]]
[model]
type = "open_hopfield"
beta = 2.5
Omega = 0.4
[state]
kind = "pattern"
overlap = 0.8
[times]
stop = 1.0
n = 5
"""
PNG = b"\x89PNG"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(CONFIG, "utf-8")
    return tmp_path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_several_methods_write_a_file_each_and_one_figure(folder, capsys):
    assert main(["run", "run.toml"]) == 0
    assert names_in(folder) == ["run-Exact.h5", "run-MeanField.h5", "run.png", "run.toml"]
    assert (folder / "run.png").read_bytes().startswith(PNG)
    shown = capsys.readouterr()
    assert "Exact - MeanField" in shown.out
    assert "uncontrolled" in shown.out
    assert shown.err == ""


def test_final_values_stand_side_by_side(folder, capsys):
    main(["run", "run.toml"])
    exact, mean_field = (load(f"run-{name}.h5").expect["m_z"] for name in ("Exact", "MeanField"))
    line = next(x for x in capsys.readouterr().out.splitlines() if "m_z [pattern 0]" in x)
    assert f"{exact[-1, 0]:+.8f}" in line
    assert f"{mean_field[-1, 0]:+.8f}" in line


def test_one_method_writes_one_file_and_prints_the_result(folder, capsys):
    assert main(["run", "run.toml", "--set", "methods=Exact"]) == 0
    assert names_in(folder) == ["run.h5", "run.png", "run.toml"]
    # wall times are rounded, so that a loaded result prints as the fresh one
    assert repr(load("run.h5")) in capsys.readouterr().out


def test_same_method_twice_is_numbered(folder):
    assert main(["run", "run.toml", "--set", 'methods=["Exact","Exact"]']) == 0
    assert {"run-Exact-1.h5", "run-Exact-2.h5"} <= set(names_in(folder))


def test_automatic_method_says_its_choice(folder, capsys):
    assert main(["run", "run.toml", "--set", "methods=auto"]) == 0
    assert "Method `Exact` chosen" in capsys.readouterr().err


def test_file_carries_the_config_and_what_changed(folder):
    main(["run", "run.toml", "--set", "model.Omega=0.6", "--set", "methods=Exact"])
    result = load("run.h5")
    assert result.stats["config"] == CONFIG
    assert result.stats["overrides"] == ["model.Omega=0.6", "methods=Exact"]
    assert dict(result.model.recipe.arguments)["Omega"] == 0.6


def test_entry_of_a_list_can_be_set(folder):
    text = CONFIG.replace('["Exact", "MeanField"]', '[{type = "Exact"}]')
    (folder / "run.toml").write_text(text, "utf-8")
    assert main(["run", "run.toml", "--set", "methods.0.tolerance=1e-8"]) == 0
    assert load("run.h5").method == Exact(tolerance=1e-8)


def test_section_can_be_made_by_setting(folder):
    assert main(["run", "run.toml", "--set", "output.observables=m_z"]) == 0
    assert list(load("run-Exact.h5").expect) == ["m_z"]


def test_outputs_lie_beside_the_config(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert main(["run", "../run.toml", "--set", "output.name=first"]) == 0
    assert {"first-Exact.h5", "first.png"} <= set(names_in(folder))
    assert names_in(folder / "elsewhere") == []


def test_output_option_starts_from_the_current_folder(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert main(["run", "../run.toml", "--output", "beta-2.5"]) == 0
    expected = ["beta-2.5-Exact.h5", "beta-2.5-MeanField.h5", "beta-2.5.png"]
    assert names_in(folder / "elsewhere") == expected
    assert names_in(folder) == ["elsewhere", "run.toml"]


@pytest.mark.parametrize(("form", "head"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_format_of_the_figure(folder, form, head):
    assert main(["run", "run.toml", "--format", form]) == 0
    assert (folder / f"run.{form}").read_bytes().startswith(head)


def test_overwrite_replaces(folder):
    main(["run", "run.toml"])
    before = (folder / "run.png").read_bytes()
    assert main(["run", "run.toml", "--overwrite", "--set", "model.Omega=0.9"]) == 0
    assert (folder / "run.png").read_bytes() != before
    assert dict(load("run-Exact.h5").model.recipe.arguments)["Omega"] == 0.9


def test_small_fock_space_warns_in_a_sentence(folder, capsys):
    changes = ['model={type="multimode_dicke",g=0.5,omega=1.0,Omega=0.5,loss=1.0,fock_dim=3}']
    changes += ["methods=Exact"]
    assert main(["run", "run.toml", *(x for c in changes for x in ("--set", c))]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tnhop: Warning: A mode reached an occupation of")


def interrupt_after(monkeypatch, method, n):
    """Make Ctrl-C arrive when a method has yielded n snapshots."""
    usual = method.evolve

    def evolve(self, problem, carry=None):
        for count, snapshot in enumerate(usual(self, problem, carry)):
            if count == n:
                raise KeyboardInterrupt
            yield snapshot

    monkeypatch.setattr(method, "evolve", evolve)


def test_interrupt_saves_what_there_is(folder, monkeypatch, capsys):
    interrupt_after(monkeypatch, Exact, 3)
    assert main(["run", "run.toml"]) == 130
    written = ["run-Exact.ckpt", "run-Exact.h5", "run.png", "run.toml"]
    assert names_in(folder) == written
    result = load("run-Exact.h5")
    assert result.stats["stopped"] == "interrupted"
    assert len(result.times) == 3
    shown = capsys.readouterr()
    assert "stopped: interrupted" in shown.out
    assert "tnhop: Warning: The run was stopped (interrupted) after 3 of 5 times." in shown.err


def test_interrupt_of_the_second_method_keeps_the_first(folder, monkeypatch, capsys):
    interrupt_after(monkeypatch, Exact, 3)
    assert main(["run", "run.toml", "--set", 'methods=["MeanField","Exact"]']) == 130
    assert {"run-Exact.h5", "run-MeanField.h5", "run.png"} <= set(names_in(folder))
    assert "final values belong to different times" in capsys.readouterr().out


def test_interrupt_before_the_first_output_writes_nothing(folder, monkeypatch, capsys):
    interrupt_after(monkeypatch, Exact, 0)
    assert main(["run", "run.toml"]) == 130
    assert names_in(folder) == ["run.toml"]
    assert "Interrupted before there was anything to save" in capsys.readouterr().err


@pytest.mark.parametrize(
    "methods",
    [
        '["Exact","MeanField"]',
        pytest.param('["MeanField","Exact"]', marks=pytest.mark.slow),
        pytest.param("Exact", marks=pytest.mark.slow),
    ],
)
def test_interrupted_run_goes_on_by_resume(folder, monkeypatch, capsys, methods):
    options = ["run.toml", "--set", f"methods={methods}"]
    main(["run", *options, "--output", "whole"])
    with monkeypatch.context() as patch:
        interrupt_after(patch, Exact, 3)
        assert main(["run", *options]) == 130
    shown = capsys.readouterr()
    assert "go on with `tnhop resume run.toml` and the same options" in shown.out
    assert main(["resume", *options]) == 0
    assert not [name for name in names_in(folder) if ".ckpt" in name]
    for whole in folder.glob("whole*.h5"):
        found, expected = load(whole.name.replace("whole", "run")), load(whole)
        assert "stopped" not in found.stats
        assert found.stats["config"] == CONFIG
        for name, values in expected.expect.items():
            np.testing.assert_array_equal(found.expect[name], values)


def test_run_refuses_where_a_checkpoint_is(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        interrupt_after(patch, Exact, 3)
        main(["run", "run.toml"])
    before = (folder / "run-Exact.ckpt").read_bytes()
    capsys.readouterr()
    assert main(["run", "run.toml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Checkpoint 'run-Exact.ckpt' of an earlier run exists." in line
    assert "`tnhop resume run.toml`" in line
    assert "`--overwrite`" in line
    assert (folder / "run-Exact.ckpt").read_bytes() == before
    assert main(["run", "run.toml", "--overwrite"]) == 0
    assert "resumed_at" not in load("run-Exact.h5").stats
    assert names_in(folder) == ["run-Exact.h5", "run-MeanField.h5", "run.png", "run.toml"]


def test_resume_of_another_config_is_refused(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        interrupt_after(patch, Exact, 3)
        main(["run", "run.toml"])
    capsys.readouterr()
    assert main(["resume", "run.toml", "--set", "model.Omega=0.7"]) == 2
    assert "must belong to this problem" in capsys.readouterr().err


def test_compare_tells_who_agrees(folder, capsys):
    main(["run", "run.toml", "--set", 'methods=["Exact",{type="Exact",tolerance=1e-6}]'])
    capsys.readouterr()
    assert main(["compare", "run-Exact-1.h5", "run-Exact-2.h5", "--output", "both"]) == 0
    out = capsys.readouterr().out
    assert "agree" in out
    assert "DISAGREE" not in out
    assert (folder / "both.png").read_bytes().startswith(PNG)


def test_compare_without_output_only_prints(folder, capsys):
    main(["run", "run.toml"])
    before = names_in(folder)
    assert main(["compare", "run-Exact.h5", "run-MeanField.h5"]) == 0
    assert "run-MeanField" in capsys.readouterr().out
    assert names_in(folder) == before


def test_compare_keeps_shared_observables_and_notes_other_models(folder, capsys):
    main(["run", "run.toml", "--set", "methods=Exact", "--output", "a"])
    changes = ["--set", "methods=Exact", "--set", "model.Omega=0.5"]
    main(["run", "run.toml", *changes, "--set", "output.observables=m_z", "--output", "b"])
    capsys.readouterr()
    assert main(["compare", "a.h5", "b.h5"]) == 0
    out = capsys.readouterr().out
    assert "The models differ" in out
    assert "purity" not in out


def test_info_lists_versions_models_and_methods(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("tnhop", "numpy", "numba", "cores", "threads", "open_hopfield", "MeanField"):
        assert word in out


def test_info_of_a_file_shows_contents_and_config(folder, capsys):
    main(["run", "run.toml", "--set", "methods=Exact"])
    capsys.readouterr()
    assert main(["info", "run.h5"]) == 0
    out = capsys.readouterr().out
    assert "observables: m_x (5, 2)" in out
    assert "final state: DenseState" in out
    assert "--set methods=Exact" in out
    assert 'type = "open_hopfield"' in out


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert "methods" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize("name", ["dense", "dicke", "hopfield", "ising"])
def test_template_is_a_commented_config(name, capsys):
    assert main(["new", name]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# ")
    assert "model" in tomllib.loads(text)


def test_template_runs_from_its_output(folder, capsys):
    main(["new", "ising"])
    (folder / "ising.toml").write_text(capsys.readouterr().out, "utf-8")
    assert main(["run", "ising.toml", "--set", "patterns.n_spins=4", "--set", "times.n=3"]) == 0
    assert "ising-Exact.h5" in names_in(folder)


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "0.1.0" in out
    assert all(word in out for word in ("new", "run", "resume", "compare", "info", "schema"))


def test_numbers_in_the_file_are_those_of_the_run(folder):
    main(["run", "run.toml", "--set", "methods=Exact"])
    with h5py.File("run.h5") as file:
        np.testing.assert_array_equal(file["m_z"], load("run.h5").expect["m_z"])
