"""Numbers and arrays are taken in any form: of no axes, of numpy, xarray and pandas."""

from __future__ import annotations

import ast
import contextlib
import gc
import os

import matplotlib.pyplot as plt
import numpy as np
import pytest

import hostile_calls
import tnhop as th
from fuzzing import ON_REQUEST
from hostile_table import CALLS
from tnhop.support.codec import dumps

NUMBERS = ("np.array(V)", "xr.DataArray(V)", "np.array(V)[()]", "np.array([V])[0]")
ARRAYS = ("np.array(V)", "xr.DataArray(np.array(V))", "tuple(V)")
ROWS = (*ARRAYS, "pd.Series(V)", "pd.Index(V)")  # of one axis
# containers of answers keep what they are given; words and callables stand beside numbers
NOT_CHECKED = {
    "th.Cost", "th.Snapshot", "th.Result", "th.SteadyState", "th.Spectrum", "th.Correlation",
    "th.Convergence", "th.ErrorBudget", "th.Basin", "th.Retrieval", "th.ChannelCycle", "th.Check",
    "th.CriticalPoint", "th.FixedPoint", "th.LimitCycle", "th.LindbladMPO", "th.Verification",
    "th.ConvergenceError", "operator.eq", "result.errors.get",
}  # fmt: skip


def forms():
    """Return (call, path of an argument, forms) of all numbers and arrays of the table."""
    hostile_calls.space()
    found = []
    for source in CALLS:
        tree = ast.parse(source, mode="eval").body
        if ast.unparse(tree.func) in NOT_CHECKED:
            continue
        for field, values in (("args", tree.args), ("keywords", [k.value for k in tree.keywords])):
            for k, node in enumerate(values):
                value = hostile_calls.evaluated(node)
                if "operator." in source and field == "args":  # of a DataArray: those of xarray
                    continue
                if type(value) in (int, float):
                    found.append((source, ((field, k),), NUMBERS))
                elif type(value) in (list, tuple, range) and len(value):
                    array = np.array(value) if all_numbers(value) else None
                    if array is not None:
                        found.append((source, ((field, k),), ROWS if array.ndim == 1 else ARRAYS))
    return found


def all_numbers(value):
    if isinstance(value, list | tuple | range):
        return all(map(all_numbers, value))
    return type(value) in (int, float, complex)


def content(answer):
    """Return what can be compared of an answer."""
    if isinstance(answer, th.Model):
        return answer.digest, dumps(answer.recipe)
    if isinstance(answer, np.ndarray):
        return answer.tolist()
    try:
        return dumps(answer)
    except TypeError:
        return type(answer)


def quietly(source):
    """Evaluate a call that shows its bars and snapshots to nobody."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        return hostile_calls.evaluate(source)


def check(case, answers, enter, other_name):
    """Compare the answer to a call with an argument in another form."""
    source, path, form = case
    if source not in answers:
        enter(f"right {len(answers)}")
        answers[source] = content(quietly(source))
    other = hostile_calls.changed(source, ((path, form),))
    enter(other_name)
    assert content(quietly(other)) == answers[source], other
    plt.close("all")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Yield a function that goes into a new folder."""
    hostile_calls.hostile_values.furnish()

    def enter(name):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)

    return enter


@pytest.mark.filterwarnings("ignore:Animation was deleted")
@pytest.mark.parametrize("n", [60, pytest.param(10**6, marks=ON_REQUEST)])
def test_an_argument_may_have_any_form(n, folders):
    rng, answers = np.random.default_rng(6), {}
    cases = [(source, path, form) for source, path, each in forms() for form in each]
    drawn = rng.permutation(len(cases))[:n]
    assert len(cases) > 1000
    for k in drawn:
        check(cases[k], answers, folders, str(k))
    answers.clear()
    gc.collect()  # animations complain here, and not in another test
