"""Checkpoints: files that are whole at every instant, and runs that go on from them."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import h5py
import numpy as np
import pytest

import tnhop as th
from tnhop import driver
from tnhop.physics.problem import Problem
from tnhop.storage import checkpoints
from tnhop.storage.checkpoints import Checkpoint, remove, slots
from tnhop.support.codec import Aside, decode, encode
from zoo import ZOO, tilted

MODEL = ZOO["open_hopfield: Hebb"]
STATE = tilted(MODEL)
TIMES = [0.0, 0.5, 1.0, 2.0]
METHODS = {
    "Exact": th.Exact(),
    "Symmetric": th.Symmetric(),
    "MeanField": th.MeanField(),
    "TDVP": th.TDVP(dt=0.1),
    "TDVP, two sites": th.TDVP(dt=0.1, sites=2),
    "TEBD": th.TEBD(dt=0.1),
}


def run(method="Exact", times=TIMES, model=MODEL, **options):
    return th.evolve(model, tilted(model), times, method=method, **options)


def stopped_after(n, method="Exact", **options):
    """Run until n snapshots were seen, and return the result of the interrupted run."""
    seen = []

    def stop(snapshot):
        seen.append(snapshot)
        if len(seen) == n:
            raise KeyboardInterrupt

    with pytest.warns(th.TruncationWarning, match=r"stopped \(interrupted\)"):
        return run(method, callback=stop, **options)


def assert_same(a, b):
    np.testing.assert_array_equal(a.times, b.times)
    for name, values in b.expect.items():
        np.testing.assert_array_equal(a.expect[name], values)
        for source, bars in b.errors.sources(name).items():
            np.testing.assert_array_equal(a.errors.sources(name)[source], bars)
    assert len(a.states) == len(b.states)
    for one, other in zip([a.final_state, *a.states], [b.final_state, *b.states], strict=True):
        assert type(one) is type(other)
        for name, array in other.to_arrays().items():
            np.testing.assert_array_equal(one.to_arrays()[name], array)
    own = {"wall_time", "resumed_at"}
    assert {k: v for k, v in a.stats.items() if k not in own} == {
        k: v for k, v in b.stats.items() if k not in own
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def flipped(file, at=-20):
    """Change one bit of a file."""
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)


# Arrays beside the form.


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (2, 0, 1)])
def test_arrays_aside_keep_their_order_in_memory(axes, rng):
    array = rng.normal(size=(3, 4, 1)).transpose(axes)
    aside = Aside()
    form = encode({"a": [array, 1 + 2j], "b": (np.array(7), np.zeros((0, 2)))}, aside)
    again = decode(json.loads(json.dumps(form)), Aside(aside.arrays))
    np.testing.assert_array_equal(again["a"][0], array)
    assert again["a"][0].transpose(np.argsort(axes)).flags.c_contiguous
    assert again["a"][1] == 1 + 2j
    assert again["b"][0].shape == ()
    assert again["b"][1].shape == (0, 2)


def test_arrays_that_share_memory_stand_aside_once(rng):
    array = rng.normal(size=(3, 4))
    aside = Aside()
    form = encode([array, array.ravel(), array.T, array.copy(), array[:, ::2]], aside)
    assert len(aside.arrays) == 3
    for again, expected in zip(
        decode(form, aside), [array, array.ravel(), array.T, array, array[:, ::2]], strict=True
    ):
        np.testing.assert_array_equal(again, expected)
        assert again.flags.writeable


def test_texts_stay_in_the_form():
    aside = Aside()
    assert decode(encode(np.array(["a", "bc"]), aside), aside).tolist() == ["a", "bc"]
    assert aside.arrays == []


# Slots.


def test_newest_slot_is_read_and_the_one_before_kept(path):
    own = Checkpoint(path)
    assert own.read() is None
    for k in range(3):
        own.write({"k": k})
    assert own.read() == {"k": 2}
    assert slots(path) == [path, path.with_name("run.ckpt.previous")]
    os.replace(path.with_name("run.ckpt.previous"), path)
    assert own.read() == {"k": 1}


def test_file_says_what_it_is_and_is_hdf5(path):
    Checkpoint(path).write({"x": np.arange(3.0)})
    assert path.read_bytes().startswith(b"tnhop checkpoint\nschema: 4\ntnhop: 0.")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["arrays/0"], [0.0, 1.0, 2.0])


def test_threads_write_at_the_same_moment(tmp_path):
    """HDF5 knows its open files by name, those in memory, too."""
    together = threading.Barrier(4)

    def write(k):
        own = Checkpoint(tmp_path / f"{k}.ckpt")
        together.wait()
        for step in range(20):
            own.write({"step": step, "x": np.full(1000, k)})
        return own.read()["x"]

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(write, range(4))):
            np.testing.assert_array_equal(found, k)


@pytest.mark.parametrize("at", [-20, 600, 80])
def test_damaged_slot_gives_way_to_the_one_before(path, at):
    own = Checkpoint(path)
    own.write({"k": 0, "x": np.arange(300.0)})
    own.write({"k": 1, "x": np.arange(300.0)})
    flipped(path, at)
    with pytest.warns(th.TruncationWarning, match=r"damaged .* goes on from '.*run.ckpt.previous'"):
        assert own.read()["k"] == 0
    assert slots(path) == [path]  # the whole one: the next writing keeps it
    assert own.read()["k"] == 0


@pytest.mark.parametrize("cut", [0, 100, 700])
def test_truncated_slot_gives_way_to_the_one_before(path, cut):
    own = Checkpoint(path)
    own.write({"k": 0})
    own.write({"k": 1})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.warns(th.TruncationWarning, match=r"goes on from"):
        assert own.read() == {"k": 0}


def test_kill_between_the_renamings_loses_nothing(path):
    own = Checkpoint(path)
    own.write({"k": 0})
    os.replace(path, own.previous)
    assert own.read() == {"k": 0}


def test_both_slots_damaged_is_refused(path):
    stopped_after(3, checkpoint=path, checkpoint_interval=0.0)
    for slot in slots(path):
        flipped(slot)
    with pytest.raises(ValueError, match=r"whole checkpoint, but .*damaged.* Remove '.*run.ckpt'"):
        run(checkpoint=path)


def test_other_schema_is_refused(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SCHEMA", 7)
    run(checkpoint=path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"must have schema version 4, but '.*' has version 7"):
        run(checkpoint=path)


def test_other_file_is_refused_and_kept(path):
    path.write_text("my notes", "utf-8")
    with pytest.raises(ValueError, match=r"whole checkpoint, but '.*run.ckpt' is not a checkpoint"):
        run(checkpoint=path)
    assert path.read_text("utf-8") == "my notes"


def test_leftovers_of_a_killed_run_are_cleaned_up(path):
    for word in ("new", "lock"):
        path.with_name(f"run.ckpt.{word}").write_text("", "utf-8")
    run(checkpoint=path)
    assert [p.name for p in path.parent.iterdir()] == ["run.ckpt"]
    remove(path)
    assert list(path.parent.iterdir()) == []


# Who may write.


def test_second_writer_is_refused(path):
    with Checkpoint(path):
        with pytest.raises(ValueError, match=rf"one run at a time, but process {os.getpid()} is"):
            run(checkpoint=path)
        with pytest.raises(ValueError, match="one run at a time"):
            remove(path)
    run(checkpoint=path)


def test_lock_ends_with_its_process(path):
    code = "import os, sys; from tnhop.storage.checkpoints import Checkpoint\n"
    code += "Checkpoint(sys.argv[1]).__enter__(); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name("run.ckpt.lock").exists()
    run(checkpoint=path)


def never(*_):
    raise AssertionError("It was computed.")


def test_bad_places_are_refused_before_computing(tmp_path, monkeypatch):
    monkeypatch.setattr(th.Exact, "evolve", never)
    with pytest.raises(FileNotFoundError, match=r"Folder '.*no' does not exist. Create it first"):
        run(checkpoint=tmp_path / "no" / "run.ckpt")
    with pytest.raises(ValueError, match=r"`checkpoint` must be a file, but '.*' is a folder"):
        run(checkpoint=tmp_path)
    with pytest.raises(TypeError, match=r"`checkpoint` must be the name of a file, but it is 3"):
        run(checkpoint=3)
    with pytest.raises(ValueError, match=r"`checkpoint_interval` must be at least 0"):
        run(checkpoint=tmp_path / "run.ckpt", checkpoint_interval=-1.0)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ValueError, match=r"writable folder, but '.*' is not \(Permission denied\)"):
        run(checkpoint=tmp_path / "run.ckpt")


# Going on.

SEVEN = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]


@cache
def never_left(method):
    return run(method, SEVEN, save_states=True)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("n", [1, 4, 6])
def test_interrupted_run_goes_on_to_the_same_bits(path, method, n):
    options = {"save_states": True, "times": SEVEN}
    stopped = stopped_after(n, method, checkpoint=path, **options)
    assert stopped.stats["stopped"] == "interrupted"
    seen = []
    result = run(method, checkpoint=path, callback=seen.append, **options)
    assert_same(result, never_left(method))
    assert "stopped" not in result.stats
    assert result.stats["resumed_at"] == [pytest.approx(stopped.stats["final_time"], abs=1.5)]
    assert sum(bool(s.values) for s in seen) == 7 - len(stopped.times)
    assert result.stats["wall_time"] > stopped.stats["wall_time"]


STARTS = {
    name: (ZOO[name], tilted(ZOO[name]))
    for name in ("open_hopfield: Hebb", "multimode_dicke: two modes", "unseen: random rates")
}
SIX = th.open_hopfield(th.random_patterns(n_patterns=2, n_spins=6, rng=7), beta=2.5, Omega=0.4)
STARTS["six spins, a parity conserved"] = SIX, th.pattern_state(SIX, overlap=0.7)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("some", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_every_carry_survives_the_file(path, method, name, some):
    problem = Problem(*STARTS[name], [0.0, 0.3, 0.7])
    if method.supports(problem, "evolve"):
        pytest.skip("not supported")
    own, snapshots = Checkpoint(path), list(method.evolve(problem))
    for k in [len(snapshots) // 2] if some else range(len(snapshots)):
        own.write(snapshots[k].carry)
        again = [s for s in method.evolve(problem, own.read()) if s.values]
        for old, new in zip([s for s in snapshots[k + 1 :] if s.values], again, strict=True):
            assert new.time == old.time
            assert new.stats == old.stats
            for key, values in old.values.items():
                np.testing.assert_array_equal(new.values[key], values)
                for source, bars in old.errors[key].items():
                    np.testing.assert_array_equal(new.errors[key][source], bars)


def test_wall_time_limit_goes_on_with_the_same_call(path):
    options = {"method": "MeanField", "max_wall_time": 1e-9, "checkpoint": path}
    for k in range(3):
        with pytest.warns(th.TruncationWarning, match=rf"after {k + 1} of 4 times. The same call"):
            assert len(run(**options).times) == k + 1
    result = run(**options)
    assert result.stats["resumed_at"] == TIMES[:3]
    assert_same(result, run("MeanField"))


def test_wall_time_may_end_before_the_first_output(path):
    options = {"method": METHODS["TDVP"], "times": [1.0], "checkpoint": path}
    with pytest.raises(TimeoutError, match=r"before its first output time. The same call goes on"):
        run(max_wall_time=1e-9, **options)
    assert_same(run(**options), run(METHODS["TDVP"], times=[1.0]))


def test_interrupt_before_the_first_output_loses_nothing(path):
    def stop(snapshot):
        if snapshot.time > 0.3:
            raise KeyboardInterrupt

    options = {"method": METHODS["TDVP"], "times": [1.0], "checkpoint": path}
    with pytest.raises(KeyboardInterrupt, match=r"The same call goes on from '.*run.ckpt'"):
        run(callback=stop, **options)
    result = run(**options)
    assert result.stats["resumed_at"][0] > 0.3
    assert_same(result, run(METHODS["TDVP"], times=[1.0]))


def test_finished_run_is_not_computed_again(path, monkeypatch):
    result = run(checkpoint=path, save_states=True)
    assert "resumed_at" not in result.stats
    monkeypatch.setattr(th.Exact, "evolve", never)
    assert_same(run(checkpoint=path, save_states=True), result)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"times": [0.0, 0.5]}, r"belong to this problem, but .* of another one \(open_hopfield:"),
        ({"observables": "m_z"}, "belong to this problem"),
        ({"model": ZOO["open_hopfield: zero temperature"]}, "belong to this problem"),
        ({"method": th.Exact(1e-8)}, r"this method, but .* \(Exact\(tolerance=1e-10"),
        ({"save_states": True}, r"the same `save_states`, but .* \(save_states = False\)"),
    ],
)
def test_other_computation_is_refused(path, changes, sentence):
    run(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=sentence):
        run(**changes, checkpoint=path)
    assert path.read_bytes() == before


def test_interval_and_cost_decide_when_to_write(path, monkeypatch):
    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock, written = Clock(), []

    def write(self, content):
        clock.now += 1.0  # what it takes
        written.append(content["time"])

    monkeypatch.setattr(driver, "time", clock)
    monkeypatch.setattr(Checkpoint, "write", write)

    def tick(snapshot):
        clock.now += 1.0

    times = np.linspace(0.0, 9.9, 100)
    run("MeanField", times, checkpoint=path, checkpoint_interval=5.0, callback=tick)
    # after 5 snapshots, then every 19, since one writing costs as much as a snapshot; at the end
    assert written == pytest.approx([0.4, 2.3, 4.2, 6.1, 8.0, 9.9])


# What goes wrong on the way.


def test_full_disk_warns_once_and_keeps_the_old_file(path, monkeypatch):
    usual, count = checkpoints.sync, []

    def full(place):
        count.append(place)
        if 4 < len(count) < 8:  # three writings; a whole one syncs twice
            raise OSError(errno.ENOSPC, "No space left on device")
        usual(place)

    monkeypatch.setattr(checkpoints, "sync", full)
    monkeypatch.setattr(driver, "_SHARE", 0.0)
    kept = []
    with pytest.warns(th.TruncationWarning) as caught:
        result = run(
            "MeanField", np.linspace(0.0, 0.9, 10), checkpoint=path, checkpoint_interval=0.0,
            callback=lambda _: kept.append(len(slots(path))),
        )  # fmt: skip
    (warning,) = caught
    sentence = str(warning.message)
    assert "could not be written at t = 0.2 (No space left on device: it has " in sentence
    assert "B are free). The run goes on and tries again." in sentence
    assert len(result.times) == 10
    assert kept == [0, 1, *[2] * 8]
    assert len(Checkpoint(path).read()["times"]) == 10
    assert sorted(p.name for p in path.parent.iterdir()) == ["run.ckpt", "run.ckpt.previous"]


@pytest.mark.parametrize("handled", [False, True])
def test_sigterm_is_an_interrupt_while_evolving(path, handled):
    calls = []
    usual = signal.signal(signal.SIGTERM, lambda *_: calls.append(1)) if handled else None
    try:
        before = signal.getsignal(signal.SIGTERM)
        options = {"checkpoint": path, "callback": terminate_at_one}
        if handled:  # a handler of the application stays in force
            assert len(run("MeanField", **options).times) == 4
            assert calls == [1]
        else:
            with pytest.warns(th.TruncationWarning, match=r"interrupted.* goes on from '.*ckpt'"):
                assert len(run("MeanField", **options).times) == 3
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        if handled:
            signal.signal(signal.SIGTERM, usual)
    assert_same(run("MeanField", checkpoint=path), run("MeanField"))


def terminate_at_one(snapshot):
    if snapshot.time == 1.0:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)  # the handler runs here


def test_other_threads_leave_signals_alone(path):
    results = []
    thread = threading.Thread(target=lambda: results.append(run(checkpoint=path)))
    thread.start()
    thread.join()
    assert_same(results[0], run())


@dataclass(frozen=True)
class Forgetful:
    """A method that does not say how to go on."""

    controlled = False

    def supports(self, problem, verb="evolve"):
        return None

    def estimate(self, problem, verb="evolve"):
        return th.Cost(1.0, 1.0)

    def evolve(self, problem, carry=None):
        for time_ in problem.times:
            yield th.Snapshot(float(time_), {"m_z": np.zeros(2)}, {"m_z": {}})


def test_method_without_a_file_form_is_refused(path):
    with pytest.raises(TypeError, match=r"type 'Forgetful' has no file form"):
        run(Forgetful(), observables="m_z", checkpoint=path)


def test_method_without_carry_keeps_the_finished_run(path, monkeypatch):
    from tnhop.support import codec

    monkeypatch.setitem(codec._REGISTRY, "Forgetful", Forgetful)
    options = {"observables": "m_z", "checkpoint": path, "checkpoint_interval": 0.0}
    with pytest.warns(th.TruncationWarning, match=r"`Forgetful` does not say how to go on") as seen:
        run(Forgetful(), **options)
    assert len(seen) == 1
    monkeypatch.setattr(Forgetful, "evolve", never)
    assert run(Forgetful(), **options).expect["m_z"].shape == (4, 2)
