"""Files that are not what they were: truncated, damaged, of others, or with no room on the disk."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import tnhop as th
from fuzzing import ON_REQUEST, is_our_sentence, limits, unsealed
from tnhop.cli import main
from tnhop.physics.problem import evaluate
from tnhop.storage.checkpoints import Checkpoint, slots
from tnhop.support import atomic_files, codec

MODEL = th.open_hopfield([[1, -1, 1], [1, 1, -1]], beta=1.5, Omega=0.3)
CAVITY = th.dicke(1, g=0.4, omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
TIMES = [0.0, 0.5]


def run(method="Exact", model=MODEL, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        return th.evolve(
            model, th.pattern_state(model, overlap=0.6), TIMES, method=method, **options
        )


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """Return the bytes of results of several methods."""
    folder = tmp_path_factory.mktemp("results")
    made = {"Exact": run(), "Symmetric": run("Symmetric"), "TDVP": run("TDVP"),
            "MeanField": run("MeanField"), "cavity": run(model=CAVITY)}  # fmt: skip
    return {name: r.save(folder / f"{name}.h5").read_bytes() for name, r in made.items()}


def refused_or_loaded(path: Path) -> th.Result | None:
    """Load a file: None and a sentence, or an answer."""
    with limits(30.0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = th.load(path)
        except Exception as error:
            if not is_our_sentence(error):
                raise
            return None
    repr(loaded)
    return loaded


def assert_same(loaded: th.Result, whole: th.Result) -> None:
    """Compare what the two say, to the last bit."""
    assert codec.dumps(loaded.model) == codec.dumps(whole.model)
    assert codec.dumps(loaded.method) == codec.dumps(whole.method)
    assert codec.dumps(loaded.stats) == codec.dumps(whole.stats)
    np.testing.assert_array_equal(loaded.times, whole.times)
    assert list(loaded.expect) == list(whole.expect)
    for name, values in whole.expect.items():
        np.testing.assert_array_equal(loaded.expect[name], values)
        np.testing.assert_array_equal(loaded.errors[name], whole.errors[name])
    arrays = whole.final_state.to_arrays()
    for name, array in loaded.final_state.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[name])


def truncations(size: int, n: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    return sorted({0, 1, 8, 100, size // 2, size - 1, *rng.integers(0, size, n).tolist()})


@pytest.mark.parametrize("n", [2, pytest.param(120, marks=ON_REQUEST)])
@pytest.mark.parametrize("name", ["Exact", "Symmetric", "TDVP", "MeanField", "cavity"])
def test_truncated_result_is_refused(wholes, tmp_path, name, n):
    raw, path = wholes[name], tmp_path / "run.h5"
    for size in truncations(len(raw), n, 1):
        path.write_bytes(raw[:size])
        assert refused_or_loaded(path) is None


def damaged(raw: bytes, seed: int) -> bytes:
    """Change some bytes in a row, or one bit."""
    rng = np.random.default_rng(seed)
    changed = bytearray(raw)
    at = int(rng.integers(len(raw)))
    if seed % 2:
        changed[at] ^= 1 << int(rng.integers(8))
    else:
        n = int(rng.integers(1, 200))
        changed[at : at + n] = rng.bytes(len(changed[at : at + n]))
    return bytes(changed)


@pytest.mark.parametrize("n", [4, pytest.param(300, marks=ON_REQUEST)])
@pytest.mark.parametrize("name", ["Exact", "Symmetric", "TDVP", "MeanField", "cavity"])
def test_damaged_result_is_refused_or_unchanged(wholes, tmp_path, name, n):
    """Bytes anywhere in a file: they are missed by nobody, or are none that matter."""
    path = tmp_path / "run.h5"
    path.write_bytes(wholes[name])
    whole, refused = th.load(path), 0
    for seed in range(n):
        path.write_bytes(damaged(wholes[name], seed))
        loaded = refused_or_loaded(path)
        if loaded is None:
            refused += 1
        else:
            assert_same(loaded, whole)
    assert refused >= 0.9 * n  # a file that ends in no checksum says that it should


def test_a_checksum_that_was_cut_off_is_missed(wholes, tmp_path):
    """HDF5 needs all bytes but these: it would read the file."""
    path = tmp_path / "run.h5"
    path.write_bytes(wholes["Exact"][:-72])
    with h5py.File(path) as file:
        assert "checksum" in file.attrs
    with pytest.raises(ValueError, match=r"is damaged \(its checksum is missing\)"):
        th.load(path)


def test_checksum_does_not_keep_others_from_reading(wholes, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(wholes["Exact"])
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["m_z"].values, th.load(path).expect["m_z"])


def places_of(raw: bytes, numbers: np.ndarray) -> list[int]:
    """Return where in a file the bytes of numbers stand."""
    found, at = [], raw.find(numbers.tobytes())
    while at >= 0:
        found.append(at)
        at = raw.find(numbers.tobytes(), at + 1)
    return found


@pytest.mark.parametrize("n_times", [2, 301])
def test_every_flipped_bit_of_a_number_is_noticed(tmp_path, n_times):
    """Small arrays and large ones, which have checksums of their own that any reader sees."""
    path = tmp_path / "run.h5"
    start, times = th.pattern_state(MODEL, overlap=0.6), np.linspace(0.0, 1.0, n_times)
    result = th.evolve(MODEL, start, times, observables="m_z", method="MeanField")
    raw = result.save(path).read_bytes()
    (at,) = places_of(raw, result.expect["m_z"])
    rng = np.random.default_rng(3)
    for k in rng.integers(0, result.expect["m_z"].nbytes, 3):
        wrong = bytearray(raw)
        wrong[at + k] ^= 1 << int(rng.integers(8))
        path.write_bytes(wrong)
        with pytest.raises(
            ValueError, match=r"`path` must be a complete tnhop file, but .*damaged"
        ):
            th.load(path)
        if n_times > 2:
            with pytest.raises(OSError, match="filter returned failure"), h5py.File(path) as file:
                file["m_z"][()]


def test_files_of_earlier_versions_have_no_checksum(wholes, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(wholes["Exact"])
    whole = th.load(path)
    edited(path)
    assert_same(th.load(path), whole)


def foreign_files(folder: Path) -> dict[str, Path]:
    """Return files that no run of this package has written."""
    names = ["empty", "text", "zeros", "hdf5", "netcdf", "numpy", "picture", "folder", "group"]
    paths = {name: folder / f"{name}.h5" for name in names}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("my notes\n", "utf-8")
    paths["zeros"].write_bytes(b"\0" * 5000)
    with h5py.File(paths["hdf5"], "w") as file:
        file["x"] = np.arange(3)
    xr.Dataset({"m_z": ("time", np.zeros(3))}).to_netcdf(paths["netcdf"], engine="h5netcdf")
    with paths["numpy"].open("wb") as file:
        np.savez(file, x=np.zeros(3))
    paths["picture"].write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    paths["folder"].mkdir()
    with h5py.File(paths["group"], "w") as file:  # the name of ours, and nothing else of it
        file.attrs["tnhop_schema"] = codec.SCHEMA_VERSION
        file.create_group("final_state")
    return paths


@pytest.mark.parametrize(
    "name",
    ["empty", "text", "zeros", "hdf5", "netcdf", "numpy", "picture", "folder", "group", "missing"],
)
def test_files_of_others_are_refused(tmp_path, name):
    path = {**foreign_files(tmp_path), "missing": tmp_path / "no.h5"}[name]
    before = path.read_bytes() if path.is_file() else None
    assert refused_or_loaded(path) is None
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("schema", [0, 99, -1, 2**40, "1", "new", 1.5, [1, 2], []])
def test_other_schema_versions_are_refused(wholes, tmp_path, schema):
    path = tmp_path / "run.h5"
    path.write_bytes(wholes["Exact"])
    edited(path, tnhop_schema=schema)
    with pytest.raises(
        ValueError, match=r"`path` must have schema version 1, but '.*' has version"
    ):
        th.load(path)


def edited(path: Path, **attributes: Any) -> None:
    """Make a file what an earlier version could have written: it has no checksum."""
    with h5py.File(unsealed(path), "a") as file:
        file.attrs.update(attributes)


TEXTS = [
    "", "{", "null", "3", "[]", '{"type": "Exakt"}', '{"type": "Exact", "tolerance": -1}',
    '{"type": "Exact", "digits": 3}', '{"type": "dict", "items": [1]}', '{"type": "array"}',
    '{"type": "array", "dtype": "|O", "shape": [1], "data": "AAAAAAAAAAA="}', '{"a": 1}',
]  # fmt: skip


@pytest.mark.parametrize("attribute", ["method", "stats"])
@pytest.mark.parametrize("text", TEXTS)
def test_edited_attributes_are_refused(wholes, tmp_path, attribute, text):
    path = tmp_path / "run.h5"
    path.write_bytes(wholes["Exact"])
    edited(path, **{attribute: text})
    assert refused_or_loaded(path) is None


# Places that cannot be written.


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("overwrite", [False, True])
def test_full_disk_leaves_the_old_result_and_nothing_else(tmp_path, monkeypatch, overwrite):
    path, result = tmp_path / "run.h5", run()
    if overwrite:
        result.save(path)
    before = path.read_bytes() if overwrite else None
    monkeypatch.setattr(atomic_files, "sync", full)
    with pytest.raises(OSError, match="No space left on device"):
        result.save(path, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == (["run.h5"] if overwrite else [])
    assert before is None or path.read_bytes() == before


def test_result_cannot_go_where_no_folder_is(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Folder '.*no' does not exist. Create it first"):
        run().save(tmp_path / "no" / "run.h5")


def test_result_never_replaces_a_file_unasked(tmp_path):
    path = tmp_path / "run.h5"
    path.write_text("my notes", "utf-8")
    with pytest.raises(FileExistsError, match=r"File '.*run.h5' exists already"):
        run().save(path)
    assert path.read_text("utf-8") == "my notes"


# Checkpoints.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return the bytes of both slots of a finished run."""
    path = tmp_path_factory.mktemp("checkpoints") / "run.ckpt"
    run(checkpoint=path, checkpoint_interval=0.0)
    return [slot.read_bytes() for slot in slots(path)]


@pytest.mark.parametrize("n", [9, pytest.param(400, marks=ON_REQUEST)])
def test_damaged_checkpoint_gives_way_or_is_refused(checkpoint, tmp_path, n):
    """Whatever happens to the newest slot: the one before is taken, or a sentence says why not."""
    expected, path = run().expect["m_z"], tmp_path / "run.ckpt"
    outcomes = set()
    for seed in range(n):
        for slot in slots(path):
            slot.unlink()
        raw = checkpoint[0]
        if seed % 3:
            raw = damaged(raw, seed)
        else:
            raw = raw[: int(np.random.default_rng(seed).integers(len(raw)))]
        path.write_bytes(raw)
        previous = path.with_name("run.ckpt.previous")
        if len(checkpoint) > 1 and seed % 2:
            previous.write_bytes(checkpoint[1])
        try:
            result = run(checkpoint=path)
        except Exception as error:
            if not is_our_sentence(error):
                raise
            outcomes.add("refused")
            continue
        np.testing.assert_array_equal(result.expect["m_z"], expected)
        outcomes.add("resumed")
    assert "refused" in outcomes


@pytest.mark.parametrize("name", ["text", "zeros", "hdf5", "netcdf", "numpy", "picture"])
def test_files_of_others_are_no_checkpoints(tmp_path, name):
    path = foreign_files(tmp_path)[name]
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"`checkpoint` must be a whole checkpoint, but") as caught:
        run(checkpoint=path)
    assert is_our_sentence(caught.value)
    assert path.read_bytes() == before


def test_result_is_no_checkpoint_and_checkpoint_no_result(wholes, checkpoint, tmp_path):
    path = tmp_path / "run"
    path.write_bytes(wholes["Exact"])
    with pytest.raises(ValueError, match="`checkpoint` must be a whole checkpoint"):
        run(checkpoint=path)
    path.write_bytes(checkpoint[0])
    assert refused_or_loaded(path) is None


@pytest.mark.parametrize("content", [{}, [], None, 3, {"problem": "x"}, {"problem": None}])
def test_checkpoint_with_another_content_is_refused(tmp_path, content):
    """A checksum that is right does not make it a run."""
    path = tmp_path / "run.ckpt"
    Checkpoint(path).write(content)
    with pytest.raises((ValueError, TypeError)) as caught:
        run(checkpoint=path)
    assert is_our_sentence(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
@pytest.mark.parametrize("name", ["\0", "x" * 300, "a" * 5000])
def test_names_that_no_file_can_have(tmp_path, name):
    path, result = tmp_path / name, run()
    for call in (
        lambda: th.load(path), lambda: result.save(path), lambda: run(checkpoint=path),
        lambda: result.animate(path.with_suffix(".gif"), shape=(3, 1)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must be the name of a file within reach") as caught:
            call()
        assert is_our_sentence(caught.value), repr(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_long_names_are_names(tmp_path):
    """What is added to a name on the way must not make it too long."""
    path = tmp_path / ("ξ" * 120 + ".h5")
    assert th.load(run().save(path)).times.tolist() == TIMES
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("path", [3, None, b"run.h5", ["run.h5"], np.array(["run.h5"])])
def test_what_is_no_name_is_no_file(path):
    for call in (lambda: th.load(path), lambda: run().save(path)):
        with pytest.raises(TypeError, match="`path` must be the name of a file, but it is"):
            call()


@pytest.mark.parametrize("word", [0, "yes", None, np.zeros(2)])
def test_overwriting_is_asked_for_in_one_way(tmp_path, word):
    path, result = tmp_path / "run.h5", run()
    path.write_text("my notes", "utf-8")
    gif = path.with_suffix(".gif")
    for call in (
        lambda: result.save(path, overwrite=word),
        lambda: result.animate(gif, shape=(3, 1), overwrite=word),
    ):
        with pytest.raises(TypeError, match="`overwrite` must be True or False, but it is"):
            call()
    assert path.read_text("utf-8") == "my notes"
    assert not gif.exists()


def test_folder_is_never_replaced(tmp_path):
    (tmp_path / "run.h5").mkdir()
    with pytest.raises(FileExistsError, match=r"'.*run.h5' is a folder\. Choose another name"):
        run().save(tmp_path / "run.h5", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


# States at all output times.

ALL = ("Exact", "Symmetric", "TDVP", "TEBD", "MeanField", "ClassicalMaster", "KineticMonteCarlo")


@pytest.mark.parametrize("method", ALL)
def test_saved_states_are_saved(tmp_path, method):
    classical = method in ("ClassicalMaster", "KineticMonteCarlo")
    model = th.open_hopfield([[1, -1, 1], [1, 1, -1]], beta=1.5, Omega=0.0 if classical else 0.3)
    result = run(method, model, save_states=True, rng=3)
    loaded = th.load(result.save(tmp_path / "run.h5"))
    assert_same(loaded, result)
    assert len(loaded.states) == len(result.states) == len(TIMES)
    for state, whole in zip(loaded.states, result.states, strict=True):
        assert type(state) is type(whole)
        arrays = whole.to_arrays()
        assert arrays.keys() == state.to_arrays().keys()
        for name, array in state.to_arrays().items():
            np.testing.assert_array_equal(array, arrays[name])
    m = [evaluate(state, model.select("m_z")[0]) for state in loaded.states]
    within = loaded.errors["m_z"] if isinstance(loaded.method, th.TDVP | th.TEBD) else 1e-9
    assert (np.abs(m - loaded.expect["m_z"]) <= within).all()  # chains interpolate between steps
    again = th.evolve(model, loaded.states[0], TIMES, method=loaded.method, rng=3)
    assert_same(th.load(again.save(tmp_path / "again.h5")), again)


def test_states_of_modes_are_saved_and_others_are_none(tmp_path):
    result = run(model=CAVITY, save_states=True)
    loaded = th.load(result.save(tmp_path / "run.h5"))
    np.testing.assert_array_equal(loaded.states[1].rho, result.states[1].rho)
    assert th.load(run().save(tmp_path / "without.h5")).states == []
    with xr.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["m_z"].values, result.expect["m_z"])


# Links, pipes, homes.


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    link, target = tmp_path / "run.h5", tmp_path / "data" / "first.h5"
    target.write_text("my notes", "utf-8")
    link.symlink_to(target)
    result = run()
    with pytest.raises(FileExistsError, match="exists already"):
        result.save(link)
    result.save(link, overwrite=True)
    assert link.is_symlink()
    assert_same(th.load(target), result)
    assert [p.name for p in target.parent.iterdir()] == ["first.h5"]


def test_a_link_to_what_is_not_there_yet_is_followed(tmp_path):
    link = tmp_path / "run.h5"
    link.symlink_to("later.h5")
    result = run()
    result.save(link)
    assert link.is_symlink()
    assert_same(th.load(tmp_path / "later.h5"), result)
    link.unlink()
    link.symlink_to(tmp_path / "no" / "later.h5")
    with pytest.raises(FileNotFoundError, match=r"Folder '.*no' does not exist"):
        result.save(link)


class Unnameable:
    """A path of the user's own making."""

    def __fspath__(self):
        raise RuntimeError("not today")


def problem(Omega=0.3):
    model = th.open_hopfield([[1, -1, 1], [1, 1, -1]], beta=1.5, Omega=Omega)
    return th.Problem(model, th.pattern_state(model, overlap=0.6), TIMES, "m_z")


def calls(path):
    """Return every call that takes a path, each to be refused because of it."""
    options = {"method": "Exact", "executor": 1}
    return {
        "load": lambda: th.load(path), "save": lambda: run().save(path, overwrite=True),
        "checkpoint": lambda: run(checkpoint=path),
        "store": lambda: th.sweep(problem, {"Omega": [0.3]}, store=path, **options),
        "runs": lambda: th.converge(problem(), {"m_z": 1e-2}, method="TEBD", store=path),
    }  # fmt: skip


def loop(folder):
    (folder / "a.h5").symlink_to("b.h5")
    (folder / "b.h5").symlink_to("a.h5")
    return folder / "a.h5"


ODD_PATHS = {
    "number": lambda _: 3, "array": lambda _: np.zeros(2), "bytes": lambda _: b"x",
    "null": lambda folder: folder / "a\0b", "long": lambda folder: folder / ("x" * 300),
    "loop": loop, "raises": lambda _: Unnameable(), "pipe": lambda folder: pipe(folder / "p.h5"),
}  # fmt: skip


def pipe(path):
    os.mkfifo(path)
    return path


@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
@pytest.mark.parametrize("kind", ODD_PATHS)
@pytest.mark.parametrize("call", ["load", "save", "checkpoint", "store", "runs"])
def test_odd_paths_are_refused_with_a_sentence_about_them(tmp_path, kind, call):
    path = ODD_PATHS[kind](tmp_path)
    names = {"load": "path", "save": "path", "checkpoint": "checkpoint"}
    before = sorted(tmp_path.iterdir())
    with (
        limits(30.0),
        pytest.raises((ValueError, TypeError, FileExistsError)) as caught,
    ):
        calls(path)[call]()
    assert is_our_sentence(caught.value), repr(caught.value)
    wanted = f"Argument `{names.get(call, 'store')}` must be "
    assert str(caught.value).startswith(wanted) or kind == "pipe"
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_is_not_there_is_never_proposed(tmp_path):
    os.mkfifo(tmp_path / "p.h5")
    (tmp_path / "q.h5").symlink_to("nothing.h5")
    (tmp_path / "other.txt").write_text("", "utf-8")
    with pytest.raises(ValueError, match=r"`path` must be a readable .*'.*p.h5' is a pipe"):
        th.load(tmp_path / "p.h5")
    with pytest.raises(FileNotFoundError) as caught:
        th.load(tmp_path / "q.h5")
    assert str(caught.value) == f"There is no file '{tmp_path / 'q.h5'}'."


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    result = run(checkpoint="~/run.ckpt")
    assert result.save("~/run.h5") == tmp_path / "run.h5"
    assert_same(th.load("~/run.h5"), result)
    assert slots("~/run.ckpt")
    data = th.sweep(problem, {"Omega": [0.3]}, method="Exact", executor=1, store="~/store")
    assert th.load("~/store").identical(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.ckpt", "run.h5", "store"]


def test_a_pipe_in_a_store_is_no_answer(tmp_path):
    options = {"method": "Exact", "executor": 1, "store": tmp_path}
    data = th.sweep(problem, {"Omega": [0.3]}, **options)
    (answer,) = tmp_path.glob("*.h5")
    answer.unlink()
    os.mkfifo(answer)
    with limits(30.0), pytest.raises(ValueError, match="`path` must hold whole answers"):
        th.load(tmp_path)
    answer.unlink()
    assert th.sweep(problem, {"Omega": [0.3]}, **options)["m_z"].identical(data["m_z"])


# Configs of absurd size.


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = " + "[" * 100_000 + "]" * 100_000, "must be a config, but its tables or lists are"),
        ("".join(f"a{k} = 1\n" for k in range(200_000)), "must have at most 10000 keys, but"),
        ("#" * 11_000_000, "must have at most 10 MB, but it has 11 MB"),
    ],
)
def test_configs_of_absurd_size_are_refused_at_once(tmp_path, capsys, text, sentence):
    path = tmp_path / "run.toml"
    path.write_text(text, "utf-8")
    with limits(5.0):
        assert main(["run", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tnhop: File '{path}' {sentence}")


def test_nested_overrides_are_texts(tmp_path, capsys):
    path = tmp_path / "run.toml"
    path.write_text("", "utf-8")
    assert main(["run", str(path), "--set", "rng=" + "[" * 100_000]) == 2
    assert "Traceback" not in capsys.readouterr().err
