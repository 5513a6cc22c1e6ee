"""The keywords that all verbs share, and what a verb tells about a method that lacks it."""

import inspect
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import tnhop as th
from zoo import tilted

MODEL = th.open_hopfield([[1, -1, 1], [1, 1, -1]], beta=7 / 5, Omega=3 / 7)
STATE, TIMES = tilted(MODEL), [0.0, 0.4]
PAIR = th.sigma("-")(0), th.sigma("+")(0)
KEYWORDS = ["rng", "progress", "checkpoint", "checkpoint_interval", "max_wall_time"]
VERBS = {
    "evolve": lambda **k: th.evolve(MODEL, STATE, TIMES, **{"method": "Exact"} | k),
    "steady_state": lambda **k: th.steady_state(MODEL, **{"method": "Exact"} | k),
    "liouvillian_spectrum": lambda **k: th.liouvillian_spectrum(
        MODEL, 3, **{"method": "Exact"} | k
    ),
    "correlation": lambda **k: th.correlation(
        MODEL, STATE, TIMES, *PAIR, **{"method": "Exact"} | k
    ),
    "compare": lambda **k: th.compare(MODEL, STATE, TIMES, methods=["Exact", "Symmetric"], **k),
    "estimate": lambda **k: th.estimate(MODEL, state=STATE, times=TIMES, **k),
}
every_verb = pytest.mark.parametrize("verb", VERBS)


@every_verb
def test_verb_takes_the_same_keywords_in_the_same_order(verb):
    parameters = inspect.signature(getattr(th, verb)).parameters
    assert [*parameters][-5:] == KEYWORDS
    assert [parameters[name].default for name in KEYWORDS] == [None, None, None, 30.0, None]
    assert all(f"    {name} : " in getattr(th, verb).__doc__ for name in KEYWORDS)


@every_verb
@pytest.mark.parametrize(
    ("keyword", "value", "sentence"),
    [
        ("rng", -1, "`rng` must be at least 0"),
        ("progress", "yes", "`progress` must be True, False or None"),
        ("checkpoint", 3, "`checkpoint` must be the name of a file"),
        ("checkpoint_interval", -1.0, "`checkpoint_interval` must be at least 0"),
        ("max_wall_time", 0.0, "`max_wall_time` must be greater than 0"),
        ("max_wall_time", float("nan"), "`max_wall_time` must be"),
    ],
)
def test_bad_keyword_is_refused_before_anything_is_said(verb, keyword, value, sentence, capsys):
    more = {} if verb in ("compare", "estimate") else {"method": "auto"}
    with pytest.raises((ValueError, TypeError), match=sentence):
        VERBS[verb](**more, **{keyword: value})
    assert capsys.readouterr() == ("", "")


def numbers(answer):
    if isinstance(answer, th.Spectrum):
        return [answer.eigenvalues, answer.residuals]
    if isinstance(answer, th.Correlation):
        return [answer.times, answer.values, answer.errors]
    results = answer.results if isinstance(answer, th.Comparison) else [answer]
    return [values for r in results for values in r.expect.values()]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "estimate"])
def test_finished_answer_comes_from_the_checkpoint(verb, tmp_path, monkeypatch):
    first = VERBS[verb](checkpoint=tmp_path / "run.ckpt")
    for method in (th.Exact, th.Symmetric):
        for name in ("evolve", "steady_state", "liouvillian_spectrum", "correlation"):
            monkeypatch.setattr(method, name, lambda *_: pytest.fail("computed again"))
    again = VERBS[verb](checkpoint=tmp_path / "run.ckpt")
    for a, b in zip(numbers(first), numbers(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert getattr(again, "stats", {}).keys() == getattr(first, "stats", {}).keys()


def test_steady_state_in_a_checkpoint_has_everything(tmp_path):
    model = th.dicke(2, g=0.4, omega=1.2, Omega=0.5, loss=0.8, fock_dim=4)
    options = {"observables": ["m_z", "occupation"], "checkpoint": tmp_path / "steady.ckpt"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        first, again = (
            th.steady_state(model, state=th.pattern_state(model), **options, method="Exact")
            for _ in range(2)
        )
    assert repr(first) == repr(again)
    assert (first.residual, first.gap) == (again.residual, again.gap)
    np.testing.assert_array_equal(first.state.packed, again.state.packed)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (lambda **k: th.liouvillian_spectrum(MODEL, 4, method="Exact", **k), "this question"),
        (lambda **k: th.liouvillian_spectrum(MODEL, 3, method=th.Exact(1e-9), **k), "this method"),
        (lambda **k: th.steady_state(MODEL, method="Exact", **k), "belong to this question"),
        (lambda **k: th.liouvillian_spectrum(th.independent_spins(2, decay=0.3), 3,
                                             method="Exact", **k), "belong to this problem"),
        (lambda **k: th.evolve(MODEL, STATE, TIMES, method="Exact", **k), "hold a run"),
    ],
)  # fmt: skip
def test_checkpoint_of_another_question_is_refused(other, sentence, tmp_path):
    VERBS["liouvillian_spectrum"](checkpoint=tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=f"Argument `checkpoint` must .*{sentence}"):
        other(checkpoint=tmp_path / "run.ckpt")


LARGE = th.open_hopfield(th.random_patterns(3, 7, rng=2), beta=1.2, Omega=0.5)


@pytest.mark.parametrize("verb", ["steady_state", "liouvillian_spectrum"])
def test_limit_of_wall_time_ends_a_search(verb):
    with pytest.raises(TimeoutError, match=r"stopped \(max_wall_time = 0.2 s\) before its answer"):
        getattr(th, verb)(LARGE, method="Exact", max_wall_time=0.2)


def test_limit_of_wall_time_is_shared_by_the_methods_of_a_comparison():
    with pytest.raises(TimeoutError, match="max_wall_time"):
        th.compare(LARGE, th.pattern_state(LARGE), [3000.0],
                   methods=["Exact", th.Exact(1e-9)], max_wall_time=0.3)  # fmt: skip


def test_stopped_run_is_compared_at_the_times_that_it_reached():
    whole = th.evolve(MODEL, STATE, [0.0, 0.4, 1.1], method="Exact", observables="m_z")
    part = th.evolve(MODEL, STATE, [0.0, 0.4], method="Symmetric", observables="m_z")
    both = th.Comparison((whole, part))
    assert both.rows()[0][-1] == "agree"
    assert "not all runs are complete: compared up to t = 0.4" in repr(both)
    assert "complete" not in repr(th.Comparison((whole, whole)))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "estimate"])
def test_progress_is_shown_on_request(verb, capsys):
    VERBS[verb](progress=True)
    assert "Exact" in capsys.readouterr().err


def test_seed_reaches_every_method_of_a_comparison():
    model = th.open_hopfield([[1, -1, 1, 1]], beta=1.3)
    methods = [th.KineticMonteCarlo(50), "ClassicalMaster"]
    both = [
        th.compare(model, th.pattern_state(model, overlap=0.2), [0.7], methods=methods,
                   observables="m_z", rng=seed) for seed in (3, 3, 4)
    ]  # fmt: skip
    first, same, other = (pair.results[0].expect["m_z"] for pair in both)
    assert (first == same).all()
    assert (first != other).any()


THREADS = """
from threadpoolctl import threadpool_info
import tnhop as th
model = th.open_hopfield([[1, -1, 1]], beta=1.4, Omega=0.4)
seen = []
def look(snapshot):
    seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
for method in ("Exact", "TDVP"):
    th.evolve(model, th.pattern_state(model), [0.2], method=method, callback=look)
after = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
print(max(seen), max(after))
"""


def test_linear_algebra_has_one_thread_in_a_run_and_what_it_had_after_it():
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2"]


SMALL = th.dicke(2, g=1.2, omega=1.0, Omega=0.5, loss=0.3, fock_dim=2)
LIT = th.pattern_state(SMALL)
COLD = th.open_hopfield(th.random_patterns(2, 6, rng=1), beta=3.0, Omega=0.6)
WARNING = {
    "evolve": lambda: th.evolve(SMALL, LIT, [1.0], method="Exact"),
    "compare": lambda: th.compare(SMALL, LIT, [1.0], methods=["Exact", "Symmetric"]),
    "steady_state": lambda: th.steady_state(SMALL, state=LIT, method="Exact"),
    "max_bond": lambda: th.evolve(
        COLD, th.pattern_state(COLD), [1.0], method=th.TDVP(max_bond=2, dt=0.2)
    ),
    "stopped": lambda: th.evolve(
        MODEL, STATE, [0.0, 1e5], method="Exact", max_wall_time=1e-6
    ),
    "converge": lambda: th.converge(
        th.Problem(COLD, th.pattern_state(COLD), [0.2]), {"m_z": 1e-12}, method="TDVP", max_runs=2
    ),
    "sweep": lambda: th.sweep(
        lambda g: th.Problem(th.dicke(2, g=g, omega=1.0, Omega=0.5, loss=0.3, fock_dim=2), LIT, [1.0]),
        {"g": [1.2]}, method="Exact", executor=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNING)
def test_warning_points_at_the_line_of_the_user(name):
    with pytest.warns(th.TruncationWarning) as caught:
        WARNING[name]()
    assert {w.filename for w in caught} == {__file__}


class Bare:
    """The four declared members, and no verb beyond `evolve`."""

    controlled = True

    def supports(self, problem, verb):
        return None

    def estimate(self, problem, verb):
        return th.Cost(1.0, 1.0)

    def evolve(self, problem, carry=None):
        yield th.Snapshot(0.0)


class Searching(Bare):
    """A method of the user's own, which files do not know."""

    def steady_state(self, problem):
        return th.steady_state(problem.model, observables="m_z", method="Exact")


def test_method_without_a_file_form_works_without_a_checkpoint(tmp_path):
    found = VERBS["steady_state"](method=Searching())
    assert found.converged
    with pytest.raises(TypeError, match="type 'Searching' has no file form"):
        VERBS["steady_state"](method=Searching(), checkpoint=tmp_path / "run.ckpt")


@pytest.mark.parametrize("verb", ["steady_state", "liouvillian_spectrum", "correlation"])
def test_verb_that_a_method_lacks_gets_a_sentence(verb):
    with pytest.raises(ValueError, match=rf"Method `Bare` does not offer `{verb}`\."):
        VERBS[verb](method=Bare())


def test_method_that_cannot_be_refined_gets_a_sentence():
    problem = th.Problem(MODEL, STATE, TIMES)
    for method in (Bare(), type("Half", (Bare,), {"refined": lambda self, *_: self})()):
        with pytest.raises(
            ValueError, match="`method` must have error bars that can be made smaller"
        ):
            th.converge(problem, {"m_z": 1e-3}, method=method)


def test_estimate_of_auto_is_that_of_the_chosen_method():
    options = {"state": STATE, "times": TIMES, "observables": "m_z"}
    assert th.estimate(MODEL, "auto", **options).note == th.estimate(MODEL, "Exact", **options).note


@pytest.mark.parametrize("method", ["TDVP", "TEBD"])
def test_limit_of_wall_time_is_kept_while_generators_are_built(method):
    model = th.open_hopfield(th.random_patterns(2, 17, rng=4), beta=6.5, Omega=0.3)
    began = time.perf_counter()
    with pytest.raises(TimeoutError, match=r"stopped \(max_wall_time = 0.3 s\) before its first"):
        th.evolve(model, th.pattern_state(model), [1.0], method=method, max_wall_time=0.3)
    assert time.perf_counter() - began < 3
