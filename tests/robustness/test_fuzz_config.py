"""Configs that were right and are damaged in one to three places: a run, or sentences."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tnhop as th
from fuzzing import (
    ON_REQUEST,
    Tally,
    assert_healthy,
    is_our_sentence,
    is_sentences,
    limits,
    profile,
)
from tnhop.cli import main
from tnhop.cli.config import Plan, make_plan
from tnhop.cli.context import change

HERE = Path(__file__).parent
XI = [[1, 1, -1], [1, -1, 1]]
MODES = {"omega": 1.0, "Omega": 0.4, "loss": 1.0, "gain": 0.1}

PATTERNS: list[dict[str, Any]] = [
    {"kind": "explicit", "values": XI},
    {"kind": "random", "n_patterns": 2, "n_spins": 3, "rng": 1},
    {"kind": "biased", "n_patterns": 1, "n_spins": 3, "bias": 0.2, "rng": 1},
    {"kind": "correlated", "n_patterns": 2, "n_spins": 3, "correlation": 0.2, "rng": 1},
    {"kind": "orthogonal", "n_patterns": 2, "n_spins": 4, "rng": 1},
    {"kind": "images", "images": ["#.|.#", "##|.."], "shape": [2, 2]},
]
WITH_PATTERNS: list[dict[str, Any]] = [
    {"type": "open_hopfield", "beta": 2.0, "Omega": 0.3, "couplings": "hebb"},
    {"type": "open_hopfield", "beta": math.inf, "Omega": 0.0, "couplings": "pseudo_inverse"},
    {"type": "dense_hopfield", "degree": 3, "beta": 2.0, "Omega": 0.1, "longitudinal": 0.1},
    {"type": "multimode_dicke", "g": 0.4, **MODES, "fock_dim": 2},
    {"type": "hebbian_ising", "Omega": 0.3, "decay": 0.1, "pumping": 0.0, "dephasing": 0.1},
    {"type": "eliminated_dicke", "g": 0.4, **MODES},
    {"type": "classical_dicke", "g": 0.4, **MODES, "coincident": "independent"},
    {"type": "long_range_ising", "couplings": "hebb_np", "Omega": 0.4, "decay": [0.1, 0.2, 0.3]},
]
WITHOUT: list[dict[str, Any]] = [
    {"type": "dicke", "n_spins": 2, "g": 0.4, **MODES, "fock_dim": 3},
    {"type": "independent_spins", "n_spins": 3, "Omega": 0.3, "decay": 0.2},
    {"type": "damped_mode", "omega": 1.0, "drive": 0.1, "loss": 0.5, "gain": 0.1, "fock_dim": 4},
    {"type": "long_range_ising", "couplings": {"n_spins": 3, "exponent": 2.0}, "Omega": 0.4},
    {"type": "multimode_dicke", "g": [[0.1, 0.2]], **MODES, "fock_dim": [3]},
]
STATES: list[dict[str, Any]] = [
    {"kind": "pattern", "pattern": 0, "overlap": 0.8, "tilt": 0.2, "alpha": 0.0},
    {"kind": "pattern", "n_flips": 1, "rng": 3},
    {"kind": "bloch", "vectors": [0.1, 0.2, 0.7], "alpha": "0.1-0.1j"},
]
TIMES: list[dict[str, Any]] = [
    {"stop": 0.5, "n": 3}, {"start": 0.25, "stop": 0.5, "n": 2}, {"values": [0.0, 0.3]},
]  # fmt: skip
METHODS: list[Any] = [
    "Exact", ["Exact", "MeanField"], [{"type": "Exact", "tolerance": 1e-8}], "auto",
    [{"type": "Symmetric", "eigensolver": "propagator"}], ["ClassicalMaster"],
    [{"type": "TDVP", "cutoff": 1e-4, "dt": 0.25, "max_bond": 16, "ordering": [0, 1, 2]}],
    [{"type": "TEBD", "cutoff": 1e-4, "dt": 0.25, "order": 2}],
    [{"type": "KineticMonteCarlo", "n_samples": 10}], [{"type": "MeanField", "closure": "field"}],
]  # fmt: skip
OUTPUTS: list[dict[str, Any]] = [
    {}, {"format": "png"}, {"observables": ["sigma_z", "trace"], "name": "out"},
    {"observables": "trace", "format": "svg"},
]  # fmt: skip

VALUES: list[Any] = [
    True, False, "", "seven", "ξ→∞", "a\nb", "x" * 20_000, "../up", "/", "\0", 0, 1, 2, 3, -1, 0.0,
    -0.0, 0.5, -0.5, 1.0, 1e308, -1e308, 1e-320, 10**9, 10**18, 10**400, math.nan, math.inf,
    -math.inf, [], [[]], [0], [1, 1], [0.5, "a"], [[1, -1], [1]], [[1, -1, 1]], [1e308, -1e308],
    [math.nan], {}, {"a": 1}, [{}], ["Exact", "Exact"], "1+1j", "nan", "infj", "auto", "hebb",
    "Exact", ["m_z", "m_z"], ["m_z", 3], [[[1.0]]], {"n_spins": 10**9, "exponent": 1.0},
    {"n_spins": 3, "exponent": math.nan}, {"type": "Exact"}, [["Exact"]], ["nowhere.png"],
]  # fmt: skip


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config that is right, or nearly so, with none to three things done to it."""
    stores = draw(st.booleans())
    raw: dict[str, Any] = {
        "model": draw(st.sampled_from(WITH_PATTERNS if stores else WITHOUT)),
        "state": draw(st.sampled_from(STATES if stores else STATES[2:])),
        "times": draw(st.sampled_from(TIMES)), "methods": draw(st.sampled_from(METHODS)),
        "output": draw(st.sampled_from(OUTPUTS)),
    }  # fmt: skip
    if stores:
        raw["patterns"] = draw(st.sampled_from(PATTERNS))
    raw = copy.deepcopy(raw)
    for _ in range(draw(st.integers(0, 3))):
        damage(draw, raw)
    return raw


def tables_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all tables of a config, itself included."""
    inner = [value for value in raw.values() if isinstance(value, dict)]
    for value in raw.values():
        if isinstance(value, list):
            inner += [item for item in value if isinstance(item, dict)]
    return [raw, *inner]


def damage(draw: st.DrawFn, raw: dict[str, Any]) -> None:
    table = draw(st.sampled_from(tables_of(raw)))
    how = draw(st.sampled_from(["value", "value", "value", "drop", "misspell", "new", "swap"]))
    if not table and how != "new":
        return
    key = draw(st.sampled_from(sorted(table))) if table else ""
    value = draw(st.sampled_from(VALUES))
    if how == "value":
        table[key] = copy.deepcopy(value)
    elif how == "drop":
        del table[key]
    elif how == "misspell":
        table[draw(st.sampled_from([key[:-1], key + "s", key.upper(), f"{key} ", "ξ", ""]))] = (
            table.pop(key)
        )
    elif how == "new":
        word = draw(st.sampled_from(["n", "rng", "alpha", "xi", "patterns", "method", "self", "Ω"]))
        table[word] = copy.deepcopy(value)
    else:
        other = draw(st.sampled_from(tables_of(raw)))
        table[key] = copy.deepcopy(other) if other is not table else value


MOST_SPINS, LONGEST = 5, 2.0  # of a plan that is also run


def solvable(plan: Plan) -> bool:
    """Return whether a plan is small enough to be run here."""
    model, times = plan.problem.model, np.asarray(plan.problem.times)
    numbers = [abs(term.coefficient) for term in model.hamiltonian.terms]
    rates = [abs(t.coefficient) for j in model.jumps if isinstance(j, th.Jump) for t in j.operator]
    few = model.hilbert_dim <= 2**MOST_SPINS and len(times) <= 101
    return few and max([*numbers, *rates, 0.0]) < 5 and times[-1] <= LONGEST


def check_plan(raw: dict[str, Any], tally: Tally) -> None:
    accepted, plan = tally.attempt(lambda: make_plan(copy.deepcopy(raw), HERE), raw)
    if not accepted:
        return
    again = make_plan(copy.deepcopy(raw), HERE)
    assert again.problem.digest == plan.problem.digest
    assert again.methods == plan.methods
    if solvable(plan):
        solve(plan, raw, tally)


def solve(plan: Plan, raw: dict[str, Any], tally: Tally) -> None:
    """Run all methods of a plan; a supported problem may still not converge."""
    problem = plan.problem
    for method in plan.methods:

        def run(method: Any = method) -> th.Result:
            return th.evolve(
                problem.model, problem.state, problem.times, method=method, rng=problem.rng or 0,
                observables=list(problem.observables), progress=False,
            )  # fmt: skip

        accepted, result = tally.attempt(run, raw)
        if accepted:
            assert_healthy(result)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
@pytest.mark.parametrize("n", [60, pytest.param(2500, marks=pytest.mark.slow)])
def test_configs_end_in_a_plan_or_in_sentences(n, capsys):
    tally = Tally()

    @profile(n)
    @given(configs())
    def check(raw: dict[str, Any]) -> None:
        check_plan(raw, tally)

    check()
    with capsys.disabled():
        print(f" configs: {tally} ", end="")
    assert tally.seen["accepted"] > n / 20
    assert tally.seen["refused"] > n / 4


# The command.


def toml(value: Any) -> str:
    """Write a value as TOML writes it inside a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).replace("Infinity", "inf")
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value)


def written(raw: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in raw.items())


OPTIONS = [
    [], ["--overwrite"], ["--format", "svg"], ["--set", "model.Omega=0.2"], ["--set", "x"],
    ["--set", "model.beta=cold"], ["--set", "methods.0.type=Exact"], ["--set", "a.b.c=1"],
    ["--set", "=1"], ["--set", ".=1"], ["--set", "times.n=3", "--set", "times.n=2"],
    ["--set", "methods.7=1"], ["--set", "model={}"], ["--output", "no/such/folder/name"],
    ["--format", "bmp"], ["--no-such-option"], ["--set", 'patterns.values=[[1, "a"]]'],
]  # fmt: skip


def check_command(raw: dict[str, Any], options: list[str], folder: Path, tally: Tally) -> None:
    """Run `tnhop run`: files and a table, or nothing but sentences."""
    config = folder / "run.toml"
    config.write_text(written(raw), "utf-8")
    kept = {config}
    stdout, stderr = io.StringIO(), io.StringIO()
    with limits(), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main(["run", str(config), *options])
    said = [line for line in stderr.getvalue().splitlines() if line.startswith("tnhop: ")]
    if status:
        tally.seen["refused"] += 1
        assert said, stderr.getvalue()
        text = "\n".join(line.removeprefix("tnhop: ") for line in said)
        # words of the command line itself are judged by its parser
        assert is_sentences(text) or text.endswith("See `tnhop --help`."), text
        new = [path for path in folder.rglob("*") if path not in kept]
        assert not new, new
    else:
        tally.seen["accepted"] += 1
        for path in folder.glob("*.h5"):
            assert_healthy(th.load(path))
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink()


def quick(raw: dict[str, Any], options: list[str]) -> bool:
    """Return whether a config, if it is one with these options, may be run by the command."""
    changed = copy.deepcopy(raw)
    try:
        for word, value in itertools.pairwise(options):
            if word == "--set":
                change(changed, value)
        return solvable(make_plan(changed, HERE))
    except ValueError:
        return True


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
@pytest.mark.parametrize("n", [8, pytest.param(300, marks=ON_REQUEST)])
def test_command_writes_files_or_says_why_not(n, tmp_path, capsys):
    tally = Tally()

    @profile(n)
    @given(configs(), st.sampled_from(OPTIONS))
    def check(raw: dict[str, Any], options: list[str]) -> None:
        output = raw.get("output")
        named = isinstance(output, dict) and "name" in output
        if not named and quick(raw, options):
            check_command(raw, options, tmp_path, tally)

    check()
    with capsys.disabled():
        print(f" commands: {tally} ", end="")
    assert tally.seen["refused"] > n / 4


BROKEN = ["", "=", "[model", "model = ", 'a = "', "\0", "a = 1\na = 2", "[[methods]]\n[methods]",
          "ξ = 1", "model = {type = 1}", "[" * 5000, "a." * 3000 + "b = 1", "methods = []"]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_text_that_is_no_config_is_refused(text, tmp_path, capsys):
    config = tmp_path / "run.toml"
    config.write_text(text, "utf-8")
    with limits():
        assert main(["run", str(config)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith("tnhop: ") for line in said)
    assert said


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\x00" * 64, "ü = 1".encode("latin-1")])
def test_bytes_that_are_no_text_are_refused(raw, tmp_path, capsys):
    config = tmp_path / "run.toml"
    config.write_bytes(raw)
    assert main(["run", str(config)]) == 2
    assert re.match(r"tnhop: .+[.?!]$", capsys.readouterr().err.strip())


def test_callable_judge_knows_sentences_from_other_words():
    """The judge itself: raw messages, even of the right kind, are no sentences."""

    def raised(function: Callable[[], Any]) -> BaseException:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            function()
        return caught.value

    assert is_our_sentence(raised(lambda: th.sigma("zz")))
    assert is_our_sentence(raised(lambda: make_plan({}, HERE)))
    assert not is_our_sentence(raised(lambda: np.zeros(3) @ np.zeros(4)))
    assert not is_our_sentence(raised(lambda: int("a")))
    assert not is_our_sentence(ValueError("Argument `x` must be 1, but it is 2."))  # not raised
