"""Mistakes on the command line: one sentence, a status other than 0, and no file touched."""

import dataclasses
import re

import h5py
import numpy as np
import pytest
from PIL import Image

import tnhop as th
from configs import SMALL
from fuzzing import unsealed
from tnhop.cli import main

DICKE = (
    'model={type="multimode_dicke", g=0.3, omega=1.0, Omega=0.4, loss=1.0, gain=0.1, fock_dim=4}'
)
TRANSPOSED = (
    'model={type="multimode_dicke", g=[[0.1],[0.2],[0.3]], omega=1.0, Omega=0.4, loss=1.0,'
    " fock_dim=4}"
)
MATRIX = "model={type='long_range_ising', couplings=[[0, 1], [2, 0]]}"
IMAGES = 'patterns={kind="images", images=["#.|.#", "###|###"]}'


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the bytes of a result, made once."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "run.toml").write_text(SMALL, "utf-8")
    assert main(["run", str(folder / "run.toml")]) == 0
    return (folder / "run.h5").read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch, finished):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(SMALL, "utf-8")
    (tmp_path / "done.h5").write_bytes(finished)
    (tmp_path / "text.png").write_text("no image", "utf-8")
    Image.fromarray(np.zeros((2, 3), dtype=np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(np.zeros((3, 2), dtype=np.uint8)).save(tmp_path / "tall.png")
    return tmp_path


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def refuse(folder, capsys):
    """Return a function that runs a command and asserts a clean refusal."""

    def check(arguments, fragment, status=2):
        before = contents(folder)
        capsys.readouterr()
        assert main(arguments) == status
        shown = capsys.readouterr()
        lines = shown.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("tnhop: ")
        assert re.search(r"[.?!]$", lines[0]), lines[0]
        assert "Traceback" not in lines[0]
        assert fragment in lines[0], lines[0]
        assert contents(folder) == before

    return check


def changed(*changes):
    return ["run", "run.toml", *(word for change in changes for word in ("--set", change))]


COMMANDS = {
    "unknown command": (["rnu", "run.toml"], 'Did you mean "run"?'),
    "unknown option": (["run", "run.toml", "--outptu", "x"], "--outptu"),
    "config forgotten": (["run"], "requires an argument"),
    "two configs": (["run", "run.toml", "run.toml"], "run.toml"),
    "missing config": (["run", "absent.toml"], "There is no file 'absent.toml'."),
    "nothing to resume": (
        ["resume", "run.toml"],
        "There is no checkpoint 'run.ckpt' to go on from. Start with `tnhop run run.toml`.",
    ),
    "folder as config": (["run", "."], "There is no file '.'."),
    "binary as config": (["run", "wide.png"], "must be TOML, but it is not a text file"),
    "bad format": (["run", "run.toml", "--format", "gif"], '"png", "pdf", "svg"'),
    "missing folder": (["run", "run.toml", "--output", "no/x"], "Folder 'no' does not exist."),
    "existing output": (["run", "run.toml", "--output", "done"], "'done.h5' exists already."),
    "existing figure": (
        ["run", "run.toml", "--set", "methods=['Exact','MeanField']", "--output", "wide"],
        "File 'wide.png' exists already.",
    ),
    "unknown template": (["new", "hopfeld"], "Did you mean 'hopfield'?"),
    "one file to compare": (["compare", "done.h5"], "at least two files, but there are 1."),
    "missing file to compare": (["compare", "done.h5", "absent.h5"], "no file 'absent.h5'."),
    "figure exists": (
        ["compare", "done.h5", "done.h5", "--output", "wide"],
        "File 'wide.png' exists already.",
    ),
    "info of a missing file": (["info", "absent.h5"], "There is no file 'absent.h5'."),
    "info of a run of several methods": (
        ["info", "don.h5"],
        "There is no file 'don.h5'. Did you mean 'done.h5'?",
    ),
    "refinement of several methods": (
        ["converge", "run.toml", "--set", "methods=['Exact','TDVP']", "--tolerance", "m_z=0.1"],
        "name one method, but there are 2. For instance with `--set methods=Exact`.",
    ),
    "info of a config": (["info", "run.toml"], "'run.toml'"),
    "no equals sign": (["run", "run.toml", "--set", "model.Omega"], "have the form KEY.PATH=VALUE"),
    "empty key": (["run", "run.toml", "--set", "model..Omega=1"], "have the form KEY.PATH=VALUE"),
    "entry not there": (
        ["run", "run.toml", "--set", "methods.3.tolerance=1"],
        "there is no `3` in 'methods.3.tolerance=1'",
    ),
    "key of a number": (["run", "run.toml", "--set", "model.beta.x=1"], "there is no `x` in"),
}

CHANGES = {
    "unknown section": (["modl.beta=1"], "Did you mean `model`?"),
    "unknown key": (["model.Omga=0.3"], "Did you mean `Omega`?"),
    "key of another section": (["model.xi=[[1]]"], "Patterns are given in the section [patterns]."),
    "unknown key of a method": (["methods=[{type='Exact', tolerancee=1.0}]"], "`tolerance`?"),
    "misspelled model": (["model.type=open_hopfeld"], "Did you mean 'open_hopfield'?"),
    "misspelled method": (["methods=Exakt"], "Did you mean 'Exact'?"),
    "misspelled kind": (["patterns.kind=explicitt"], "Did you mean 'explicit'?"),
    "text for a number": (["model.beta=cold"], "`model.beta` must be a number, but it is 'cold'"),
    "broken number": (["model.beta=0.6.2"], "`model.beta` must be a number, but it is '0.6.2'"),
    "switch for a number": (["model.beta=true"], "`model.beta` must be a number, but it is True"),
    "number for a table": (["times=3"], "`times` must be a table, but it is 3"),
    "fraction of a step": (["times.n=2.5"], "`times.n` must be an integer, but it is 2.5"),
    "negative temperature": (["model.beta=-1"], "`model.beta` must be at least 0, but it is -1."),
    "NaN": (["model.Omega=nan"], "`model.Omega` must have finite entries, but it is nan."),
    "infinite field": (["model.Omega=inf"], "`model.Omega` must have finite entries"),
    "one field too many": (["model.Omega=[1,2,3,4]"], "`model.Omega` must have shape (3,)"),
    "negative rate": (
        ["model={type='hebbian_ising', decay=-0.1}"],
        "`model.decay` must be at least 0, but contains -0.1.",
    ),
    "negative end": (["times.stop=-1"], "`times.stop` must be greater than 0, but it is -1."),
    "negative time": (["times={values=[-1.0, 1.0]}"], "`times.values` must start at 0 or later"),
    "unsorted times": (
        ["times={values=[0.0, 2.0, 1.0]}"],
        "`times.values` must increase strictly, but times[2] = 1 follows times[1] = 2.",
    ),
    "NaN time": (["times={values=[0.0, nan]}"], "`times.values` must have finite entries"),
    "no times": (["times={values=[]}"], "`times.values` must contain at least one time"),
    "too many spins for Exact": (
        ["patterns={kind='random', n_patterns=2, n_spins=30, rng=1}"],
        "Use `MeanField`, or fewer spins",
    ),
    "number for patterns": (["patterns=3"], "`patterns` must be a table, but it is 3"),
    "asymmetric couplings": (
        ["patterns={kind='explicit', values=[[1, 1]]}", MATRIX],
        "`model.couplings` must be symmetric",
    ),
    "wrong couplings": (["model.couplings=[[0, 1], [1, 0]]"], "must have shape (3, 3)"),
    "unknown observable": (
        ["output.observables=['m_z', 'm_q']"],
        "`output.observables` must be one of",
    ),
    "repeated observable": (["output.observables=['m_z', 'm_z']"], "'m_z' appears twice."),
    "pattern out of range": (["state.pattern=2"], "`state.pattern` must be at most 1, but it is 2"),
    "overlap above 1": (["state.overlap=1.2"], "`state.overlap` must be at most 1, but it is 1.2."),
    "overlap and flips": (["state.n_flips=1", "state.rng=1"], "`state.overlap` must be left out"),
    "too many flips": (
        ["state={kind='pattern', n_flips=4, rng=1}"],
        "`state.n_flips` must be at most 3, but it is 4.",
    ),
    "long Bloch vector": (
        ["state={kind='bloch', vectors=[1.0, 1.0, 0.0]}"],
        "`state.vectors` must have vectors of length at most 1",
    ),
    "alpha without modes": (["state.alpha=[0.1]"], "`state.alpha` must have shape (0,)"),
    "alpha that is no number": (["state.alpha=big"], '0.5 or "0.5+0.2j"'),
    "entries that are not signs": (
        ["patterns.values=[[1, 0, -1]]"],
        "`patterns.values` must have entries +1 and -1, but contains 0.",
    ),
    "ragged patterns": (["patterns.values=[[1, 1], [1]]"], "`patterns.values` must be a rect"),
    "one pattern without brackets": (["patterns.values=[1, -1]"], "must have shape (n_patterns"),
    "patterns that do not fit": (
        ["patterns={kind='orthogonal', n_patterns=3, n_spins=6}"],
        "`patterns.n_spins` must be a multiple of 4",
    ),
    "no seed": (
        ["patterns={kind='random', n_patterns=3, n_spins=6}"],
        "`patterns.rng` must be given",
    ),
    "bias above 1": (
        ["patterns={kind='biased', n_patterns=1, n_spins=4, rng=1, bias=2.0}"],
        "`patterns.bias` must be at most 1, but it is 2.",
    ),
    "gain above loss": ([DICKE, "model.gain=1.5"], "`model.gain` must be smaller than `loss`"),
    "one Fock level": ([DICKE, "model.fock_dim=1"], "`model.fock_dim` must be at least 2"),
    "fraction of a Fock level": (
        [DICKE, "model.fock_dim=2.5"],
        "`model.fock_dim` must be an integer",
    ),
    "alpha beyond all numbers": ([DICKE, f"state.alpha={10**400}"], '0.5 or "0.5+0.2j"'),
    "alpha too large": ([DICKE, "state.alpha=3.0"], "`state.alpha` must fit into the 4 levels"),
    "mean field at zero temperature": (
        ["methods=MeanField", "model.beta=inf"],
        "Use a large finite `beta`.",
    ),
    "tolerance too fine": (
        ["methods=[{type='Exact', tolerance=1e-20}]"],
        "`methods[0].tolerance` must be at least 1e-13",
    ),
    "unknown closure": (
        ["methods=[{type='MeanField', closure='feild'}]"],
        "Did you mean 'field'?",
    ),
    "drawings of two shapes": ([IMAGES], "`patterns.images` must have shape (2, 2)"),
    "files of two shapes": (
        ["patterns={kind='images', images=['wide.png', 'tall.png']}"],
        "`patterns.images` must have shape (2, 3), but images[1] has shape (3, 2).",
    ),
    "missing image": (
        ["patterns={kind='images', images=['no.png']}"],
        "`patterns.images[0]` must be a drawing or the path of an image file",
    ),
    "image that is none": (
        ["patterns={kind='images', images=['text.png']}"],
        "'text.png' cannot be read as one",
    ),
    "shape of three numbers": (
        ["patterns={kind='images', images=['wide.png'], shape=[1, 2, 3]}"],
        "`patterns.shape` must be numbers of rows and columns, but there are 3 numbers.",
    ),
    "format in the config": (["output.format=gif"], "`output.format` must be 'png', 'pdf' or"),
    "folder in the config": (["output.name='no/x'"], "Folder 'no' does not exist."),
}


@pytest.mark.parametrize("mistake", COMMANDS)
def test_wrong_command_is_refused(refuse, mistake):
    refuse(*COMMANDS[mistake])


@pytest.mark.parametrize("mistake", CHANGES)
def test_wrong_value_is_refused(refuse, mistake):
    changes, fragment = CHANGES[mistake]
    refuse(changed(*changes), fragment)


def test_transposed_couplings_are_recognised(refuse, folder):
    text = SMALL.replace("[patterns]\nkind", "[drop]\nkind")
    start, _, rest = text.partition("[drop]")
    (folder / "run.toml").write_text(start + rest[rest.index("[model]") :], "utf-8")
    refuse(changed(TRANSPOSED), "`model.g` must have shape (n_modes, n_spins)")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (SMALL.replace("beta = 2.5", "beta 2.5"), "line 7"),
        (SMALL.replace("beta = 2.5", "beta = "), "line 7"),
        (SMALL.replace("[model]", "[model"), "line 5"),
        (SMALL + "[model]\n", "must be valid TOML"),
        ("", "`model` must be given"),
    ],
)
def test_broken_toml_is_refused_with_its_line(folder, capsys, text, fragment):
    (folder / "run.toml").write_text(text, "utf-8")
    before = contents(folder)
    assert main(["run", "run.toml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("tnhop: ") and line.endswith(".") for line in lines)
    assert any(fragment in line for line in lines), lines
    assert contents(folder) == before


def truncated(path):
    path.write_bytes(path.read_bytes()[:-2000])


def scrambled(path):
    path.write_bytes(bytes(reversed(path.read_bytes())))


def emptied(path):
    path.write_bytes(b"")


def of_another_version(path):
    with h5py.File(unsealed(path), "r+") as file:
        file.attrs["tnhop_schema"] = 99


def foreign(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)


def without_model(path):
    with h5py.File(unsealed(path), "r+") as file:
        del file["model"]


def with_damaged_model(path):
    with h5py.File(unsealed(path), "r+") as file:
        del file["model"]
        file["model"] = '{"type": "Model"'


def with_unknown_type(path):
    with h5py.File(unsealed(path), "r+") as file:
        del file["model"]
        file["model"] = '{"type": "Oracle"}'


DAMAGES = [truncated, scrambled, emptied, of_another_version, foreign, without_model,
           with_damaged_model, with_unknown_type]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", [["info"], ["compare", "done.h5"]])
def test_damaged_file_is_refused(refuse, folder, finished, command, damage):
    (folder / "bad.h5").write_bytes(finished)
    damage(folder / "bad.h5")
    fragment = {of_another_version: "version", with_unknown_type: "Oracle"}.get(damage, "bad.h5")
    refuse([*command, "bad.h5"], fragment)


def test_files_with_other_times_are_not_compared(refuse, folder, finished):
    done = th.load(folder / "done.h5")
    dataclasses.replace(done, times=[*done.times[:-1], 7.0]).save(folder / "other.h5")
    refuse(["compare", "done.h5", "other.h5"], "`files` must have equal times")
