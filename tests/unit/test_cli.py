"""The command line: each command in-process, on tiny systems."""

import json
import os
import re
import subprocess
import sys
import tomllib

import h5py
import numpy as np
import pytest

import tnhop as th
from configs import SMALL
from tnhop.answers.loading import load
from tnhop.cli import main
from tnhop.solvers.exact.exact import Exact

CONFIG = SMALL.replace('"Exact"', '"Exact", "MeanField"').replace("n = 3", "n = 5")
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


def columns_of(lines):
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def saved(name, *, model=None, labels=("0", "1", "2"), method="Exact"):
    """Save a result with one observable of three entries."""
    model = th.open_hopfield([[1, 1, -1], [1, -1, 1]], beta=2.5) if model is None else model
    z = th.Observable("z", [th.sigma("z")(k) for k in range(3)], dims="end", coords={"end": labels})
    start = th.pattern_state(model, overlap=0.8)
    result = th.evolve(model, start, [0.0, 1.0], observables=[z], method=method)
    result.save(name)
    return result


def test_labels_may_hold_any_spaces(folder, capsys):
    result = saved("a.h5", labels=("left  end", "middle", "right  end"))
    saved("b.h5", labels=("left  end", "middle", "right  end"))
    assert main(["compare", "a.h5", "b.h5"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "left  end" in line]
    value = f"{result.expect['z'][-1, 0]:+.8f} ± {result.errors['z'][-1, 0]:.1e}"
    assert lines == [f"  z [end left  end]   {value}  {value}"]


def test_models_that_differ_are_not_said_to_disagree(folder, capsys):
    sizes = {"large": "[[1, 1, -1, 1], [1, -1, 1, 1]]", "small": "[[1, 1, -1], [1, -1, 1]]"}
    for name, values in sizes.items():
        words = ["--set", f"patterns.values={values}", "--output", name]
        assert main(["run", "run.toml", *words]) == 0
    capsys.readouterr()
    names = [f"{size}-{method}" for size in sizes for method in ("Exact", "MeanField")]
    assert main(["compare", *(f"{name}.h5" for name in names), "--output", "both"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("The models differ")
    runs = [line.split(":")[0].strip() for line in lines[:4]]
    values = next(line for line in lines if line.strip().startswith(names[0] + "  "))
    agreement = columns_of(lines[lines.index("agreement over all times:") + 2 : -1])
    assert runs == re.split(r"\s{2,}", values.strip()) == names
    assert {row[0] for row in agreement} == {
        f"{a} - {b}" for k, a in enumerate(names) for b in names[k + 1 :]
    }
    for pair, *_, verdict in agreement:
        one_model = len({name.split("-")[0] for name in pair.split(" - ")}) == 1
        assert verdict == ("uncontrolled" if one_model else "other model")


def test_other_levels_are_no_other_model(folder, capsys):
    dicke = th.dicke(1, g=0.4, omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
    start = th.product_state(dicke, bloch=[0, 0, 1])
    for name, levels in {"few": 4, "more": 8}.items():
        model = dicke.with_levels([levels])
        th.evolve(model, start, [0.2], observables=["occupation"], method="Exact").save(
            f"{name}.h5"
        )
    capsys.readouterr()
    assert main(["compare", "few.h5", "more.h5"]) == 0
    out = capsys.readouterr().out
    assert "models differ" not in out
    assert columns_of([out.splitlines()[-1]])[0][-1] == "agree"


def test_a_wrong_result_disagrees(folder, capsys):
    wrong = saved("a.h5")
    wrong.expect["z"][:] += 0.1
    wrong.save("b.h5")
    assert main(["compare", "a.h5", "b.h5"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("DISAGREE")


def test_equal_names_in_two_folders_are_told_apart(folder, capsys):
    for name in ("first", "second"):
        (folder / name).mkdir()
        saved(f"{name}/run.h5")
    assert main(["compare", "first/run.h5", "second/run.h5"]) == 0
    assert "first/run - second/run" in capsys.readouterr().out.replace("\\", "/")


def test_a_terminal_without_plus_minus_shows_plus_and_minus(folder):
    saved("a.h5")
    commands = [["run", "run.toml"], ["compare", "a.h5", "a.h5"], ["info", "a.h5"]]
    code = f"from tnhop.cli import main\nfor c in {commands}: print('status', main(c), end=';')"
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    *shown, rest = found.stdout.split("status 0;")
    assert (len(shown), rest) == (3, "")
    assert all(" +- " in text for text in shown)


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("command", ["compare", "animate"])
def test_a_figure_without_room_leaves_nothing_and_says_so(folder, capsys, command):
    import resource

    main(["run", "run.toml", "--set", "methods=Exact"])
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    words = {
        "compare": ["run.h5", "run.h5", "--output", "run", "--overwrite"],
        "animate": ["run.h5", "--shape", "1x3"],
    }[command]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        assert main([command, *words]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err
    assert re.search(
        r"^tnhop: File 'run\.(png|gif)' could not be written \(.*\): it has .* are free", error
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


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
