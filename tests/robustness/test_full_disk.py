"""A full disk: a sentence with the room that is needed, nothing half-written, no crash at the end."""

import json
import re
import subprocess
import sys

import pytest

import full_disk

SENTENCE = (
    r"File '[^']+{}' could not be written \(File too large\): it has [\d.]+ kB, and .+ free\."
)
pytest.importorskip("resource")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return what became of all situations; the process itself ended well."""
    command = [sys.executable, full_disk.__file__, tmp_path_factory.mktemp("disk")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, (ended.returncode, ended.stderr[-2000:])  # -11: HDF5 at the exit
    assert ended.stderr == ""
    return json.loads(ended.stdout)


@pytest.mark.parametrize("name", full_disk.SITUATIONS)
def test_nothing_half_written_remains_and_the_old_file_does(found, name):
    here = found[name]
    kept = [file for file in here["files"] if not file.endswith((".failed", ".json"))]
    given = ["run.toml"] if name.startswith("tnhop") else []
    assert kept == ["old.h5", "other.h5", *given]
    assert here["old"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("save", "run.h5"), ("overwrite", "old.h5"), ("steady", "steady.h5"), ("converge", ".h5"),
     ("animation", "run.gif")],
)  # fmt: skip
def test_a_call_ends_with_the_room_that_is_needed_and_free(found, name, file):
    here = found[name]
    assert here["error"] == "OSError"
    assert re.fullmatch(SENTENCE.format(re.escape(file)), here["sentence"])


@pytest.mark.parametrize(
    ("name", "file"),
    [("figure", "figure.png"), ("tnhop run", "run.h5"), ("tnhop converge", ".h5")],
)
def test_a_command_ends_with_status_1_and_the_sentence(found, name, file):
    here = found[name]
    assert here["status"] == 1
    said = [line for line in here["stderr"].splitlines() if "Warning" not in line]
    assert len(said) == 1
    assert re.fullmatch("tnhop: " + SENTENCE.format(re.escape(file)), said[0])


def test_a_checkpoint_that_does_not_fit_does_not_end_the_run(found):
    here = found["checkpoint"]
    assert here["error"] is None
    (warning,) = here["warnings"]
    assert re.match(r"Checkpoint '.+' could not be written at t = 0 \(File too large: it has [\d.]+"
                    r" kB, and .+ are free\)\. The run goes on", warning)  # fmt: skip


@pytest.mark.parametrize("name", ["sweep", "sweep on two"])
def test_a_point_whose_answer_does_not_fit_is_computed_once(found, name):
    here = found[name]
    assert here["error"] is None
    assert here["built"] == 4  # both points at the door, and both when their turn came
    (warning,) = here["warnings"]
    assert re.fullmatch(
        r"2 of 2 points were not kept, such as: " + SENTENCE.format(r"\.h5"), warning
    )


def test_a_sweep_of_the_command_line_says_it_and_ends_with_status_1(found):
    here = found["tnhop sweep"]
    assert here["status"] == 1
    assert "2 of 2 points were not kept, such as: File '" in here["stderr"]
    assert "Traceback" not in here["stderr"]
