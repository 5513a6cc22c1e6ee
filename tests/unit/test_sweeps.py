"""Sweeps: points, folders, executors, and what is said of mistakes."""

import json
import os
import shutil
import signal
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import h5py
import numpy as np
import pytest

import tnhop as th
from fuzzing import unsealed
from tnhop.driver import interrupts_ignored
from tnhop.support.codec import digest
from tnhop.support.locks import Lock
from tnhop.sweeps.executors import Here, Local, Round, make_pool
from tnhop.sweeps.task import Outcome, Task, run_task

TIMES = [0.0, 0.5, 1.0]
GRID = {"Omega": [0.0, 0.3], "rng": [3, 5, 8]}


def problem(Omega, rng):
    xi = th.random_patterns(2, 4, rng=rng)
    model = th.open_hopfield(xi, beta=1.7, Omega=Omega)
    start = th.product_state(model, bloch=np.tile([0.3, -0.2, 0.6], (4, 1)))
    return th.Problem(model, start, TIMES, ["m_z", "sigma_y"])


def in_this_process(store, **more):
    return th.sweep(problem, GRID, method="Exact", store=store, executor=1, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with the sweep, and its data."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, in_this_process(folder)


@pytest.fixture
def swept(tmp_path, finished):
    """Return the data of a finished sweep, whose files lie in `tmp_path`."""
    folder, data = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return data.copy(deep=True)


def test_every_point_holds_what_evolve_answers(tmp_path):
    data = in_this_process(tmp_path)
    assert data["m_z"].dims == ("Omega", "rng", "time", "pattern")
    for Omega in GRID["Omega"]:
        for rng in GRID["rng"]:
            p = problem(Omega, rng)
            alone = th.evolve(
                p.model, p.state, TIMES, observables=["m_z", "sigma_y"], method="Exact"
            )
            here = data.sel(Omega=Omega, rng=rng)
            for name in ("m_z", "sigma_y"):
                np.testing.assert_array_equal(here[name], alone.expect[name])
                np.testing.assert_array_equal(here[f"{name}_error"], alone.errors[name])
            file = tmp_path / f"{here['digest'].item()}.h5"
            np.testing.assert_array_equal(th.load(file).expect["m_z"], alone.expect["m_z"])


def test_a_second_call_computes_nothing(tmp_path):
    first = in_this_process(tmp_path)
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    assert len(written) == 6
    second = in_this_process(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")} == written
    assert second.identical(first)
    assert th.load(tmp_path).identical(first)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".h5"] * 6 + [".json"]


def test_a_grid_can_grow(tmp_path, swept):
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    more = {"Omega": [0.15, 0.3], "rng": [3, 5, 8]}
    data = th.sweep(problem, more, method="Exact", store=tmp_path, executor=1)
    assert data["Omega"].values.tolist() == [0.0, 0.15, 0.3]
    assert not data["m_z"].isnull().any()
    again = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    assert len(again) == 9
    assert written.items() <= again.items()


def test_parts_make_the_whole(tmp_path):
    whole = in_this_process(tmp_path / "whole")
    seen = []
    for number in (1, 2, 3, 4):
        data = in_this_process(tmp_path / "parts", part=(number, 4))
        seen.append(data.attrs["missing"])
    assert seen == [4, 2, 1, 0]
    assert data.drop_vars("wall_time").identical(whole.drop_vars("wall_time"))


@pytest.mark.parametrize(
    "kind", ["threads", pytest.param("processes", marks=pytest.mark.slow), "local"]
)
def test_executors_agree_to_the_bit(kind, tmp_path, finished):
    pools = {"threads": ThreadPoolExecutor(2), "processes": ProcessPoolExecutor(2), "local": 2}
    executor = pools[kind]
    there = th.sweep(problem, GRID, method="Exact", store=tmp_path / "there", executor=executor)
    if kind != "local":
        executor.shutdown()
    assert there.drop_vars("wall_time").identical(finished[1].drop_vars("wall_time"))


def test_steady_states_and_their_gaps(tmp_path):
    def model(Omega, rng):
        return problem(Omega, rng).model

    data = th.sweep(
        model, GRID, method="Exact", verb="steady_state", store=tmp_path, executor=1
    )  # fmt: skip
    alone = th.steady_state(model(0.3, 5), method="Exact")
    here = data.sel(Omega=0.3, rng=5)
    assert here["gap"] == alone.gap
    np.testing.assert_array_equal(here["sigma_z"], alone.expect["sigma_z"])
    assert data["multiplicity"].sel(Omega=0.3).values.tolist() == [1, 1, 1]


def test_methods_of_the_point_and_labels():
    starts = {"near": [0.0, 0.6, 0.8], "far": [0.8, 0.0, 0.6]}

    def make(start):
        model = th.independent_spins(2, Omega=0.7, decay=0.3)
        return th.Problem(model, th.product_state(model, bloch=start), TIMES, "sigma_z")

    def method(accuracy):
        return th.Exact(tolerance=accuracy)

    grid = {"start": starts, "accuracy": [1e-4, 1e-9]}
    data = th.sweep(make, grid, method=method, executor=1)
    assert data["start"].values.tolist() == ["near", "far"]
    errors = data["sigma_z_error"].sel(start="far").max(("time", "site"))
    assert errors.sel(accuracy=1e-4) > 10 * errors.sel(accuracy=1e-9) > 0
    values = data["sigma_z"].sel(start="near", accuracy=1e-9, time=0.0)
    np.testing.assert_allclose(values, 0.8, atol=1e-12)


def test_several_methods_in_one_folder_are_an_axis(tmp_path, swept):
    data = th.sweep(problem, GRID, method="MeanField", store=tmp_path, executor=1)
    assert data["m_z"].dims[:3] == ("Omega", "rng", "method")
    words = [str(name).partition("(")[0] for name in data["method"].values]
    assert sorted(words) == ["Exact", "MeanField"]
    assert not data["m_z"].isnull().any()


def test_sizes_may_differ():
    def make(n_spins):
        model = th.independent_spins(n_spins, decay=0.4)
        return th.Problem(model, th.product_state(model, spins=[1] * n_spins), TIMES, "sigma_z")

    data = th.sweep(make, {"n_spins": [3, 1]}, method="Exact", executor=1)
    assert data["n_spins"].values.tolist() == [1, 3]
    decay = 2 * np.exp(-0.4 * np.array(TIMES)) - 1
    np.testing.assert_allclose(data["sigma_z"].sel(n_spins=3, site=2), decay, atol=1e-9)
    assert data["sigma_z"].sel(n_spins=1, site=1).isnull().all()


def test_refined_cells_lie_where_the_observable_changes():
    def make(Omega):
        model = th.open_hopfield([[1]], beta=2.0, Omega=Omega)
        return th.Problem(model, th.pattern_state(model), [150.0], "m_z")

    # with weak fields the overlap ends at its fixed point, a smooth function; from 0.3 on it turns
    grid = {"Omega": [0.05, 0.15, 0.25, 0.35]}
    data = th.sweep(make, grid, method="MeanField", executor=1, refine={"m_z": 0.2}, levels=2)
    Omegas, overlaps = data["Omega"].values, data["m_z"].values.ravel()
    assert set(grid["Omega"]) < set(Omegas)
    widths, jumps = np.diff(Omegas), np.abs(np.diff(overlaps))
    assert widths.min() == pytest.approx(0.1 / 4)
    assert (jumps[widths > 0.1 / 3.9] <= 0.2).all()
    np.testing.assert_allclose(Omegas[:-1][widths < 0.03], [0.25, 0.275])  # the turn is at 0.28
    m = overlaps[Omegas < 0.28]  # the retrieval point, Eqs. (17) and (18)
    u = m * (1 + 8 * Omegas[Omegas < 0.28] ** 2)
    np.testing.assert_allclose(u, np.tanh(2.0 * m), atol=2e-2)


def test_labels_may_be_truth_values(tmp_path):
    def make(field):
        model = th.independent_spins(1, Omega=0.4 if field else 0.0, decay=1.0)
        return th.Problem(model, th.product_state(model, spins=[1]), [1.0], "sigma_z")

    options = {"method": "Exact", "executor": 1, "store": tmp_path}
    data = th.sweep(make, {"field": [True, False]}, **options)
    assert data["sigma_z"].sel(field=False).item() == pytest.approx(2 * np.exp(-1.0) - 1)
    assert data["sigma_z"].sel(field=True).item() != data["sigma_z"].sel(field=False).item()


def test_nothing_reached_is_unknown_effort():
    with pytest.warns(th.TruncationWarning, match="stopped at max_wall_time after 0 of 6"):
        data = th.sweep(problem, GRID, method="Exact", executor=1, max_wall_time=1e-9)
    assert np.isnan(data["wall_time"]).all()


def test_a_second_interrupt_does_not_disturb_the_closing():
    with interrupts_ignored():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_refinement_tries_every_point_once(monkeypatch):
    tried = []

    def counted(text, *rest):
        tried.append(text)
        return run_task(text, *rest)

    def make(Omega, N):
        model = th.independent_spins(N, Omega=Omega, decay=1.0)
        return th.Problem(model, th.product_state(model, spins=[1] * N), [2.0], "sigma_z")

    monkeypatch.setattr("tnhop.sweeps.sweep.run_task", counted)
    grid = {"Omega": [0.0, 2.0], "N": [1, 60]}  # too many for this method
    options = {"method": "Exact", "executor": 1, "refine": {"sigma_z": 0.3}, "levels": 2}
    with pytest.warns(th.TruncationWarning, match="points failed"):
        data = th.sweep(make, grid, **options)
    assert len(tried) == len(set(tried)) == data.attrs["points"]
    assert data.attrs["missing"] == len(data["Omega"]) == data.attrs["points"] / 2 > 3


def test_points_of_other_axes_are_refined_together():
    def make(Omega, N):
        model = th.independent_spins(N, Omega=Omega, decay=1.0)
        return th.Problem(model, th.product_state(model, spins=[1] * N), [2.0], "sigma_z")

    grid = {"Omega": [0.0, 2.0], "N": [1, 2]}
    data = th.sweep(make, grid, method="Exact", executor=1, refine={"sigma_z": 0.05}, levels=2)
    assert data["Omega"].values.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert not data["sigma_z"].sel(site=0).isnull().any()


# What goes wrong.


def test_a_point_that_fails_does_not_end_the_others(tmp_path):
    def make(N):
        model = th.open_hopfield(th.random_patterns(3, N, rng=1), beta=2.0, Omega=0.3)
        return th.Problem(model, th.pattern_state(model), TIMES, "m_z")

    with pytest.warns(th.TruncationWarning, match=r"1 of 2 points failed, such as: ValueError: "):
        data = th.sweep(make, {"N": [4, 60]}, method="Exact", store=tmp_path, executor=1)
    assert data.attrs["missing"] == 1
    assert "Exact" in str(data["failure"].sel(N=60).item())
    assert data["failure"].sel(N=4).item() == ""
    assert data["m_z"].sel(N=60).isnull().all()
    assert not data["m_z"].sel(N=4).isnull().any()
    with pytest.warns(th.TruncationWarning, match="1 of 2"):  # and is tried again
        th.sweep(make, {"N": [4, 60]}, method="Exact", store=tmp_path, executor=1)


def test_a_damaged_answer_is_named_and_then_computed_anew(tmp_path, swept):
    victim = sorted(tmp_path.glob("*.h5"))[2]
    victim.write_bytes(victim.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"is damaged .* Remove it and sweep again"):
        th.load(tmp_path)
    again = in_this_process(tmp_path)
    assert again.drop_vars("wall_time").identical(swept.drop_vars("wall_time"))


def test_a_damaged_list_is_named(tmp_path, swept):
    (victim,) = tmp_path.glob("*.json")
    text = victim.read_text("utf-8")
    for broken in ("", text[:100], "[]", text.replace('"names"', '"axes"')):
        victim.write_text(broken, "utf-8")
        with pytest.raises(ValueError, match="is damaged"):
            th.load(tmp_path)
    victim.write_text(json.dumps(json.loads(text) | {"schema": 99}), "utf-8")
    with pytest.raises(ValueError, match=r"have schema version 1, but .* has version 99"):
        th.load(tmp_path)


def test_time_limits_stop_and_the_same_call_goes_on(tmp_path):
    with pytest.warns(th.TruncationWarning, match="stopped at max_wall_time after 0 of 6"):
        data = in_this_process(tmp_path, max_wall_time=1e-9)
    assert data.attrs["missing"] == 6
    assert in_this_process(tmp_path).attrs["missing"] == 0


def test_interrupts_return_what_there_is(tmp_path, request):
    count = 0

    def make(Omega, rng):
        nonlocal count
        count += 1
        if count == 10:  # six at the door, and the fourth to be solved
            signal.raise_signal(signal.SIGINT)
        return problem(Omega, rng)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    with pytest.warns(th.TruncationWarning, match=r"interrupted after 3 of 6 .* same call goes on"):
        data = th.sweep(make, GRID, method="Exact", store=tmp_path, executor=1)
    assert data.attrs["missing"] == 3
    assert in_this_process(tmp_path).attrs["missing"] == 0


def test_two_sweeps_share_a_folder_and_nothing_is_done_twice(tmp_path):
    """The answer that another process works at is waited for."""
    task = Task(problem(0.0, 3), th.Exact())
    done = []

    def hold():
        with Lock(tmp_path / f"{task.digest}.lock"):
            held.set()
            time.sleep(1.5)
            done.append(time.monotonic())

    held = threading.Event()
    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    assert run_task(task.to_text(), str(tmp_path), None, False) == Outcome("busy")
    data = in_this_process(tmp_path)
    ended = time.monotonic()
    other.join()
    assert ended > done[0]
    assert data.attrs["missing"] == 0


def test_what_a_killed_process_was_at_is_free_again(tmp_path):
    task = Task(problem(0.0, 3), th.Exact())
    pid = os.fork()
    if pid == 0:
        Lock(tmp_path / f"{task.digest}.lock").__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert run_task(task.to_text(), str(tmp_path), None, False) == Outcome("done")


class Dying(Here):
    """An executor that loses the worker of some tasks."""

    width = 3

    def __init__(self, tries):
        self.tries, self.alone = dict(tries), []

    def submit(self, function, *arguments):
        (name,) = arguments
        self.alone.append(name)
        if self.tries.get(name, 0) > 0:
            self.tries[name] -= 1
            raise RuntimeError("worker died")
        return super().submit(function, *arguments)


def rounds(tries):
    pool = Dying(tries)
    calls = {name: lambda name=name: (name,) for name in "abcd"}
    return dict(Round(calls, lambda name: Outcome("done", name), pool)), pool


def test_a_dead_worker_only_delays():
    outcomes, pool = rounds({"b": 4, "d": 1})
    assert {name: o.status for name, o in outcomes.items()} == dict.fromkeys("abcd", "done")
    assert pool.alone[-3:] == ["b"] * 3  # a suspect runs alone, after all others


def test_a_task_that_kills_its_workers_is_given_up():
    outcomes, pool = rounds({"c": 99})
    assert outcomes["c"].status == "failed"
    assert "ended 5 times (RuntimeError: worker died)" in outcomes["c"].message
    assert pool.alone.count("c") == 5
    assert [outcomes[name].status for name in "abd"] == ["done"] * 3


def test_threads_of_linear_algebra_are_capped():
    pool = make_pool(2, 5)
    assert isinstance(pool, Local)
    limits = pool.submit(os.environ.get, "OPENBLAS_NUM_THREADS").result()
    pool.close(at_once=False)
    assert limits == "1"


# Mistakes.


def unseeded(Omega):
    model = th.open_hopfield(th.random_patterns(6, 9, rng=None), beta=1.7, Omega=Omega)
    return th.Problem(model, th.pattern_state(model), TIMES)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"make_problem": 3}, "Argument `make_problem` must be a function"),
        ({"make_problem": lambda Omega, rng: 3}, "Argument `make_problem` must return a Problem"),
        ({"grid": {}}, "Argument `grid` must map names of axes to values"),
        ({"grid": {"Omega": []}}, r"Argument `grid\['Omega'\]` must have at least one value"),
        ({"grid": {"Omega": "abc"}}, r"`grid\['Omega'\]` must be a sequence or a mapping"),
        ({"grid": {"Omega": [0.1, 0.1]}}, "must have distinct labels, but 0.1 is there twice"),
        ({"grid": {"Omega": [float("nan")]}}, "must have distinct labels, but nan is there"),
        ({"grid": {"Omega": [[1]]}}, "must have numbers or texts as labels"),
        ({"grid": {"Omega": [0.1], "rng": [1], "x": [1]}}, r"`grid\['x'\]` must be a parameter"),
        ({"grid": {"time": [1]}}, "Argument `grid` must not use"),
        ({"grid": {3: [1]}}, "Argument `grid` must have texts as names of axes"),
        ({"verb": "run"}, "Argument `verb` must be one of 'evolve', 'steady_state'"),
        ({"method": "exact"}, "Argument `method` must be one of"),
        ({"executor": 0}, "Argument `executor` must be at least 1"),
        ({"executor": 1.5}, "Argument `executor` must have a method `submit`"),
        ({"part": 3}, "Argument `part` must be a pair"),
        ({"part": (0, 4)}, r"Argument `part\[0\]` must be at least 1"),
        ({"part": (5, 4)}, r"Argument `part\[0\]` must be at most 4"),
        ({"refine": {}}, "Argument `refine` must map observables to numbers"),
        ({"refine": {"m_z": 0.1}, "part": (1, 2)}, "Argument `part` must be left out"),
        ({"refine": {"m_z": 0.1}, "grid": {"Omega": [1], "rng": [2]}}, "axis of floats"),
        ({"refine": {"m_z": -1}}, r"`refine\['m_z'\]` must be greater than 0"),
        ({"refine": {"mz": 1}, "executor": 1}, "Argument `refine` must be one of"),
        ({"levels": 0}, "Argument `levels` must be at least 1"),
        ({"max_wall_time": 0}, "Argument `max_wall_time` must be greater than 0"),
        ({"make_problem": unseeded, "grid": {"Omega": [0.1]}}, "Does it draw random numbers"),
    ],
)
def test_mistakes_are_answered_by_sentences(changed, sentence, tmp_path):
    arguments = {"make_problem": problem, "grid": GRID, "method": "Exact", "executor": 1} | changed
    with pytest.raises((ValueError, TypeError), match=sentence):
        th.sweep(**arguments, store=tmp_path)


def test_a_folder_of_another_sweep_is_refused(tmp_path, swept):
    def other(Omega, rng):
        return problem(Omega + 0.1, rng)

    with pytest.raises(ValueError, match=r"hold one problem per point, but at Omega = 0.0, rng"):
        th.sweep(other, GRID, method="Exact", store=tmp_path, executor=1)
    with pytest.raises(ValueError, match="hold sweeps over the same axes"):
        th.sweep(lambda Omega: problem(Omega, 3), {"Omega": [0.1]}, method="Exact", store=tmp_path)
    anew = th.sweep(other, GRID, method="Exact", store=tmp_path, executor=1, resume=False)
    assert anew.attrs["points"] == 6


def test_stores_that_cannot_be(tmp_path):
    file = tmp_path / "file"
    file.write_text("x", "utf-8")
    with pytest.raises(ValueError, match="Argument `store` must be a folder"):
        in_this_process(file)
    with pytest.raises(ValueError, match="must be a folder of a sweep"):
        th.load(tmp_path)


def test_names_of_observables_are_no_axes(tmp_path):
    def make(site):
        return problem(0.1, site)

    with pytest.raises(ValueError, match="unlike observables and their dimensions"):
        th.sweep(make, {"site": [1]}, method="Exact", store=tmp_path, executor=1)


# Stores that were changed by other hands.


def exchanged(folder):
    """Exchange two answers, as somebody who tidies up might."""
    first, second, *_ = sorted(folder.glob("*.h5"))
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)
    return first, second


def test_exchanged_answers_are_refused_by_name(tmp_path, swept):
    victims = exchanged(tmp_path)
    for call in (lambda: th.load(tmp_path), lambda: in_this_process(tmp_path)):
        with pytest.raises(
            ValueError,
            match=r"`store` must hold every answer under its own name.*Remove it and sweep",
        ) as caught:
            call()
        assert any(str(victim) in str(caught.value) for victim in victims)
    for victim in victims:
        victim.unlink()
    again = in_this_process(tmp_path)
    assert again.drop_vars("wall_time").identical(swept.drop_vars("wall_time"))


def test_an_answer_of_another_folder_is_refused(tmp_path):
    p = problem(0.3, 5)
    options = {"method": "TEBD", "store": tmp_path}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        th.converge(p, {"m_z": 0.2}, max_runs=2, **options)
        exchanged(tmp_path)
        with pytest.raises(ValueError, match="`store` must hold every answer under its own name"):
            th.converge(p, {"m_z": 0.2}, max_runs=2, **options)


def test_an_answer_without_digest_is_one_of_an_earlier_version(tmp_path, swept):
    for path in tmp_path.glob("*.h5"):
        with h5py.File(unsealed(path), "r+") as file:
            assert file.attrs["digest"] == path.stem
            del file.attrs["digest"]
    assert th.load(tmp_path).identical(swept)
    assert in_this_process(tmp_path).identical(swept)


def listed(folder):
    (path,) = folder.glob("*.json")
    return path, json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("key", ["points", "digests"])
def test_exchanged_labels_are_noticed(tmp_path, key, swept):
    path, content = listed(tmp_path)
    content[key][0], content[key][1] = content[key][1], content[key][0]
    path.write_text(json.dumps(content, indent=1), "utf-8")
    for call in (lambda: th.load(tmp_path), lambda: in_this_process(tmp_path)):
        with pytest.raises(ValueError, match=r"hold whole lists of points.*Remove it and sweep"):
            call()
    path.unlink()
    assert in_this_process(tmp_path).identical(swept)


def test_a_list_without_checksum_is_one_of_an_earlier_version(tmp_path, swept):
    path, content = listed(tmp_path)
    del content["checksum"]
    text = json.dumps(content, indent=1)
    assert path.name == f"sweep-{digest(text)[:16]}.json"  # the name that it always had
    path.write_text(text, "utf-8")
    assert th.load(tmp_path).identical(swept)
    assert in_this_process(tmp_path).identical(swept)
    assert listed(tmp_path)[0] == path


@pytest.mark.parametrize("word", ["../../x", "x" * 64, "0" * 63, "", 3, None, [], "../" + "0" * 64])
def test_lists_name_digests(tmp_path, word, swept):
    path, content = listed(tmp_path)
    content["digests"][0] = word
    del content["checksum"]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match="must hold whole lists of points"):
        th.load(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
def test_nested_lists_are_damaged_lists(tmp_path, text):
    (tmp_path / "sweep-0.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match="must hold whole lists of points"):
        th.load(tmp_path)


# What processes that were killed leave, and how many there are.


def test_what_killed_processes_left_is_removed(tmp_path, swept):
    kept = {path.name for path in tmp_path.iterdir()}
    first, second, third, *_ = sorted(path.stem for path in tmp_path.glob("*.h5"))
    for name in (f"{first}.ckpt", f"{first}.ckpt.previous", f"{first}.ckpt.lock",
                 f"{second}.ckpt.new", f"{second}.lock", f".{second[:40]}.abcd1234.h5"):  # fmt: skip
        (tmp_path / name).write_bytes(b"half of it")
    (tmp_path / f"{third}.ckpt").write_bytes(b"half of it")
    with Lock(tmp_path / f"{third}.lock"):  # of a process that is still at it
        in_this_process(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} - kept == {
            f"{third}.ckpt", f"{third}.lock",
        }  # fmt: skip
    in_this_process(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_never_more_processes_than_points_and_cores(monkeypatch):
    started = []
    monkeypatch.setattr("tnhop.sweeps.executors.Local", started.append)
    monkeypatch.setattr("tnhop.sweeps.executors.n_cores", lambda: 4)
    make_pool(100_000, 3)
    make_pool(4, 50)
    with pytest.warns(UserWarning, match="There are 4 cores: 4 processes run instead of 100000"):
        make_pool(100_000, 50)
    make_pool(None, 50)
    assert started == [3, 4, 4, 4]
    with pytest.raises(ValueError, match="`executor` must be at least 1"):
        make_pool(-1, 50)
