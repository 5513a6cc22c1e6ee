"""Files, folders of sweeps, configs and checkpoints of version 0.1.0 mean what they meant."""

import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import tnhop as th
from tnhop.cli import main

HERE = Path(__file__).parent / "files_0_1"
VALUES = json.loads((HERE / "values.json").read_text("utf-8"))
ANSWERS, SWEEPS, CONFIGS = (VALUES[key] for key in ("answers", "sweeps", "configs"))


def _script():
    spec = importlib.util.spec_from_file_location("files_0_1_write", HERE / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


old = _script()


def as_json(values):
    return json.loads(json.dumps(values))


def copied(name, tmp_path):
    return shutil.copytree(HERE / name, tmp_path / name)


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")}


def test_all_files_are_there():
    assert {path.stem for path in HERE.glob("*.h5")} == ANSWERS.keys()
    assert ANSWERS.keys() <= {*th.ALL_METHODS, "SteadyState"}
    assert {path.name for path in (HERE / "configs").glob("*.toml")} == CONFIGS.keys()
    for name, known in SWEEPS.items():
        assert sorted(path.name for path in (HERE / name).iterdir()) == known["files"]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_file_holds_the_same_numbers(name):
    found, known = as_json(old.numbers(th.load(HERE / f"{name}.h5"))), dict(ANSWERS[name])
    assert known.pop("method")
    assert found == known


@pytest.mark.parametrize("name", ANSWERS)
def test_a_file_names_its_method_with_all_settings(name):
    method, known = th.load(HERE / f"{name}.h5").method, ANSWERS[name]["method"]
    assert isinstance(method, th.ALL_METHODS[known["type"]])
    found = as_json(old.settings(method))
    assert {key: found[key] for key in known} == known


@pytest.mark.parametrize("name", ANSWERS)
def test_a_loaded_answer_is_written_again_without_loss(name, tmp_path):
    first = th.load(HERE / f"{name}.h5")
    again = th.load(first.save(tmp_path / "again.h5"))
    assert old.numbers(again) == old.numbers(first)
    assert old.settings(again.method) == old.settings(first.method)


@pytest.mark.parametrize("name", sorted({*ANSWERS} - {"SteadyState"}))
def test_a_run_goes_on_from_the_state_in_a_file(name):
    result = th.load(HERE / f"{name}.h5")
    options = {"observables": list(result.observables), "method": result.method, "progress": False}
    now = th.evolve(result.model, result.final_state, [0.0], rng=7, **options)
    for o in result.observables:
        np.testing.assert_allclose(now.expect[o.name][0], result.expect[o.name][-1], atol=1e-12)


def test_a_run_goes_on_from_a_steady_state_in_a_file():
    steady = th.load(HERE / "SteadyState.h5")
    later = th.evolve(
        steady.model, steady.state, [0.7], observables=list(steady.observables), method="Exact"
    )
    for name, values in steady.expect.items():
        np.testing.assert_allclose(later.expect[name][0], values, atol=1e-8)


def test_the_model_in_a_file_is_the_one_that_the_same_words_make():
    assert th.load(HERE / "SteadyState.h5").model.digest == old.network(n_spins=3).digest
    still = old.network(Omega=0.0)
    assert th.load(HERE / "KineticMonteCarlo.h5").model.digest == still.digest


@pytest.mark.parametrize("name", SWEEPS)
def test_a_folder_of_a_sweep_holds_the_same_table(name):
    assert as_json(old.table(th.load(HERE / name))) == {
        key: value for key, value in SWEEPS[name].items() if key != "files"
    }


@pytest.mark.parametrize("name", SWEEPS)
def test_the_same_sweep_computes_nothing_and_gains_no_axis(name, tmp_path):
    folder, known = copied(name, tmp_path), SWEEPS[name]
    before = written(folder)
    data = old.swept(folder)
    assert written(folder) == before
    assert sorted(before) == [file for file in known["files"] if file.endswith(".h5")]
    found = as_json(old.table(data))
    assert found["dims"] == known["dims"]
    assert found["coords"] == known["coords"]
    assert found["values"] == known["values"]
    again = as_json(old.table(th.load(folder)))
    assert again["dims"] == known["dims"]
    assert again["coords"] == known["coords"]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_lost_answer_is_computed_again_into_a_file_of_the_same_name(name, tmp_path):
    folder, known = copied(name, tmp_path), SWEEPS[name]
    lost = sorted(folder.glob("*.h5"))[0]
    lost.unlink()
    kept = written(folder)
    found = old.table(old.swept(folder))
    assert lost.exists()
    assert {file: time for file, time in written(folder).items() if file != lost.name} == kept
    for observable, values in known["values"].items():
        here, there = found["values"][observable], values
        if observable == "digest":
            assert here == there
        elif not observable.endswith(("_error", "residual")):
            np.testing.assert_allclose(
                np.array(here, dtype=float), np.array(there, dtype=float), atol=1e-8
            )


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_describes_the_same_problems_and_methods(name, tmp_path):
    assert old.digests(HERE / "configs" / name, tmp_path) == CONFIGS[name]


@pytest.mark.parametrize("name", ["dicke", "sweep", "settings", "modes"])
def test_a_config_is_estimated(name, capsys):
    assert main(["estimate", str(HERE / "configs" / f"{name}.toml")]) == 0
    shown = capsys.readouterr()
    assert "methods of the config" not in shown.out
    assert shown.err == ""


def test_every_file_and_folder_is_described_on_the_command_line(capsys):
    for path in [*HERE.glob("*.h5"), *HERE.glob("*.sweep")]:
        assert main(["info", str(path)]) == 0
        shown = capsys.readouterr()
        assert shown.out
        assert shown.err == ""


def test_a_checkpoint_is_resumed_or_refused_with_a_sentence(tmp_path):
    known = VALUES["checkpoint"]
    path = Path(shutil.copy(HERE / "TDVP.ckpt", tmp_path / "TDVP.ckpt"))
    raw = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = old.stopped_run(path)
    except ValueError as refusal:
        assert str(refusal).startswith("Argument `checkpoint` must")  # noqa: PT017
        assert path.read_bytes() == raw
    else:
        assert result.stats["resumed_at"] == [known["resumed_at"]]
        np.testing.assert_allclose(result.expect["m_z"], known["m_z"], atol=1e-7)
        assert result.model.digest == known["model"]
