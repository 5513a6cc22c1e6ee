"""`tnhop sweep` and `tnhop converge`."""

import numpy as np
import pytest

import tnhop as th
from tnhop.cli import main
from tnhop.sweeps.task import run_task

GRID = """
[sweep]
average = ["patterns.rng"]
[sweep.grid]
"model.Omega" = {start = 0.0, stop = 0.4, n = 3}
"patterns.rng" = [1, 2]
"""


@pytest.fixture
def config(tmp_path, capsys):
    """A small config without a sweep."""
    assert main(["new", "sweep"]) == 0
    text = capsys.readouterr().out
    text = text.replace("n_spins = 6", "n_spins = 4").replace("n_patterns = 3", "n_patterns = 2")
    path = tmp_path / "run.toml"
    path.write_text(text.partition("[sweep]")[0], "utf-8")
    return path


@pytest.fixture
def swept(config):
    config.write_text(config.read_text("utf-8") + GRID, "utf-8")
    return config


def test_the_template_is_a_sweep(capsys, tmp_path):
    assert main(["new", "sweep"]) == 0
    (tmp_path / "s.toml").write_text(capsys.readouterr().out, "utf-8")
    words = ["sweep", str(tmp_path / "s.toml"), "--part", "42/42", "--workers", "1"]
    assert main(words) == 0
    assert "1 of 42 points" in capsys.readouterr().out


def test_a_sweep_writes_answers_table_and_figure(swept, capsys):
    assert main(["sweep", str(swept), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "6 of 6 points" in out
    assert out.count("Omega = ") == 3  # the average over patterns
    assert "Omega = 0.2:  +" in out
    folder = swept.with_name("run.sweep")
    data = th.load(folder)
    assert data["m_z"].dims == ("Omega", "rng", "time", "pattern")
    mean = th.quenched_average(data, "rng")["m_z"].values[1, -1, 0]
    assert f"{mean:+.6f}" in out
    assert swept.with_suffix(".png").stat().st_size > 5000
    written = {p: p.stat().st_mtime_ns for p in folder.glob("*.h5")}
    assert main(["sweep", str(swept), "--workers", "1"]) == 0  # nothing is left to do
    assert {p: p.stat().st_mtime_ns for p in folder.glob("*.h5")} == written


def test_points_are_the_runs_of_changed_configs(swept, tmp_path):
    assert main(["sweep", str(swept), "--workers", "1"]) == 0
    data = th.load(swept.with_name("run.sweep"))
    words = ["run", str(swept), "--set", "model.Omega=0.2", "--set", "patterns.rng=2"]
    assert main([*words, "--output", str(tmp_path / "one")]) == 0
    one = th.load(tmp_path / "one.h5")
    here = data["m_z"].sel(Omega=0.2, rng=2)
    np.testing.assert_array_equal(here, one.expect["m_z"])


def test_parts_fill_one_folder(swept, capsys):
    for number in (1, 2):
        assert main(["sweep", str(swept), "--part", f"{number}/2", "--workers", "1"]) == 0
    first, second = (part for part in capsys.readouterr().out.split("points in")[:2])
    assert first.strip().endswith("3 of 6")
    assert second.strip().endswith("6 of 6")


@pytest.mark.parametrize("verb", ["evolve", "steady_state"])
def test_folders_and_answers_of_sweeps_are_described(swept, capsys, verb):
    assert main(["sweep", str(swept), "--workers", "1", "--set", f"sweep.verb={verb}"]) == 0
    folder = swept.with_name("run.sweep")
    capsys.readouterr()
    assert main(["info", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"sweep: {verb} over Omega (3), rng (2)" in out
    assert "points: 6; 0 without an answer, 0 of them failed" in out
    answer = next(folder.glob("*.h5"))
    assert main(["info", str(answer)]) == 0
    assert "m_z [pattern 0]" in capsys.readouterr().out
    assert main(["cite", str(answer)]) == 0
    capsys.readouterr()
    for words in (["cite"], ["compare", str(answer)], ["animate"]):
        assert main([*words, str(folder)]) == 2
        assert "`file` must hold a " in capsys.readouterr().err


def test_a_sweep_that_was_cut_short_draws_nothing(swept, capsys, monkeypatch):
    """Points that were not reached are no answer: the same command goes on and draws then."""

    def interrupted(*_):
        if len([*swept.with_name("run.sweep").glob("*.h5")]) > 3:
            raise KeyboardInterrupt
        return run_task(*_)

    monkeypatch.setattr("tnhop.sweeps.sweep.run_task", interrupted)
    assert main(["sweep", str(swept), "--workers", "1"]) == 1
    assert "No figure yet: 2 points were not reached." in capsys.readouterr().err
    assert not swept.with_suffix(".png").exists()
    monkeypatch.undo()
    assert main(["sweep", str(swept), "--workers", "1"]) == 0
    assert swept.with_suffix(".png").exists()


def test_a_figure_that_is_not_of_the_sweep_is_not_replaced(swept, capsys):
    figure = swept.with_suffix(".png")
    figure.write_bytes(b"of a run")
    assert main(["sweep", str(swept), "--workers", "1"]) != 0
    assert f"File '{figure}' exists already." in capsys.readouterr().err
    assert figure.read_bytes() == b"of a run"
    assert not swept.with_name("run.sweep").exists()
    assert main(["sweep", str(swept), "--workers", "1", "--output", str(swept.parent / "b")]) == 0
    assert main(["sweep", str(swept), "--workers", "1", "--overwrite"]) == 0
    assert figure.stat().st_size > 5000


def test_two_axes_are_a_phase_diagram(config, capsys):
    text = config.read_text("utf-8") + (
        '[sweep]\nverb = "steady_state"\n[sweep.grid]\n'
        '"model.Omega" = [0.1, 0.3]\n"model.beta" = [0.5, 1.0]\n'
    )
    config.write_text(text.replace('["m_z"]', '["sigma_zz", "energy"]'), "utf-8")
    assert main(["sweep", str(config), "--workers", "1"]) == 0
    assert "Omega = 0.1, beta = 0.5" in capsys.readouterr().out
    assert config.with_suffix(".png").exists()
    assert th.load(config.with_name("run.sweep")).attrs["verb"] == "steady_state"


def test_failed_points_are_told_and_change_the_status(swept, capsys):
    words = ["sweep", str(swept), "--workers", "1", "--set", 'sweep.grid."model.Omega"=[0.1]']
    text = swept.read_text("utf-8").replace('"model.Omega" = {start = 0.0, stop = 0.4, n = 3}',
                                            '"patterns.n_spins" = [4, 60]')  # fmt: skip
    swept.write_text(text, "utf-8")
    assert main(words[:4]) == 1
    captured = capsys.readouterr()
    assert "2 of 4 points failed, such as: ValueError: Method `Exact`" in captured.err
    assert "2 of 4 points in" in captured.out
    assert "n_spins = 4:" in captured.out


@pytest.mark.parametrize(
    ("words", "changed", "sentence"),
    [
        (["--part", "3"], ("", ""), "Argument `--part` must have the form NUMBER/PARTS"),
        (["--part", "3/2"], ("", ""), "must be at most 2"),
        (["--workers", "0"], ("", ""), "Argument `executor` must be at least 1"),
        (["--workers", "1", "--scheduler", "x"], ("", ""), "`--workers` must be left out"),
        ([], ("{start = 0.0, stop = 0.4, n = 3}", "3"), "be a list of values or equal steps"),
        ([], ("n = 3", "n = 1"), "`sweep.grid.model.Omega.n` must be at least 2"),
        ([], ("model.Omega", "model.omega"), "Did you mean `Omega`?"),
        ([], ("average =", "averag ="), "Did you mean `average`?"),
        ([], ('["patterns.rng"]\n', '["model.rng"]\n'), "Argument `sweep.average` must be one of"),
        ([], ('["patterns.rng"]\n', '["patterns.rng", "model.Omega"]\n'), "leave an axis"),
        ([], ("[sweep]", '[sweep]\nverb = "run"'), "Argument `sweep.verb` must be"),
        ([], ("[[methods]]", '[[methods]]\ntype = "MeanField"\n[[methods]]'), "one method"),
        ([], ("[sweep]", "[swoop]"), "Did you mean `sweep`?"),
    ],
)
def test_mistakes_end_in_sentences(words, changed, sentence, swept, capsys):
    swept.write_text(swept.read_text("utf-8").replace(*changed), "utf-8")
    assert main(["sweep", str(swept), *words]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert "Traceback" not in err


def test_a_config_without_a_sweep_is_told_how(config, capsys):
    assert main(["sweep", str(config)]) == 2
    assert "the section [sweep] is missing. Such as" in capsys.readouterr().err


def test_converge_writes_the_best_answer_and_its_history(config, capsys):
    words = ["converge", str(config), "--tolerance", "m_z=1e-3", "--set", 'methods=["TDVP"]']
    assert main([*words, "--set", "times.values=[1.0]"]) == 0
    out = capsys.readouterr().out
    assert "m_z to 0.001: converged" in out
    assert th.load(config.with_suffix(".h5")).errors["m_z"].max() <= 1e-3
    assert config.with_name("run-convergence.png").exists()
    assert main([*words, "--set", "times.values=[1.0]"]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["m_z", "m_z=x", "=3"])
def test_tolerances_have_a_form(config, capsys, text):
    assert main(["converge", str(config), "--tolerance", text]) == 2
    assert "Argument `" in capsys.readouterr().err
