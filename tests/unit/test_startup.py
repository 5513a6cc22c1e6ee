"""What is not needed is not imported: the command line answers at once, names come on first use."""

import pickle
import subprocess
import sys

import pytest

import tnhop as th
from tnhop.support import codec

HEAVY = ["numba", "numpy", "pydantic", "scipy", "xarray"]


def output_of(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["completion", "bash"]]
)
def test_commands_without_physics_import_none(words):
    code = f"import sys; from tnhop.cli import main; assert main({words}) == 0;"
    said = output_of(f"{code} print(); print([m for m in {HEAVY} if m in sys.modules])")
    assert said.splitlines()[-1] == "[]"
    assert len(said.splitlines()) > 2 or th.__version__ in said


def test_import_defers_everything_and_all_public_names_are_there_before_they_are_used():
    code = f"import sys, tnhop; print(set(tnhop.__all__) - set(dir(tnhop)), [m for m in {HEAVY} if m in sys.modules])"
    assert output_of(code).strip() == "set() []"
    assert output_of("from tnhop import *; print(Exact.__name__)").strip() == "Exact"


def test_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'tnhop' has no attribute 'Exakt'"):
        th.Exakt  # noqa: B018
    assert not hasattr(th, "_REGISTRY")


def test_object_is_read_before_its_class_was_used():
    text, pickled = codec.dumps(th.TDVP(dt=0.2)), pickle.dumps(th.TDVP(dt=0.2))
    read = f"from tnhop.support.codec import loads; print(loads({text!r}))"
    assert output_of(read).strip() == repr(th.TDVP(dt=0.2))
    assert output_of(f"import pickle; print(pickle.loads({pickled!r}))").strip() == repr(
        th.TDVP(dt=0.2)
    )


def test_class_of_a_user_cannot_take_the_name_of_one_that_was_not_used():
    code = (
        "from tnhop.support.codec import register\n"
        "try: register(type('TDVP', (), {}))\n"
        "except ValueError as error: print(error)"
    )
    assert "must have a name of its own" in output_of(code)
