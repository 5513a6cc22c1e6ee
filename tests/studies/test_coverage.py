"""The coverage study: its truths against closed forms, its statistics against simulations."""

import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnhop as th

FOLDER = Path(__file__).parents[2] / "studies/validation"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="source distribution without studies")


sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "beyond_mean_field")]
study, dense, judge, kinds, report = map(
    importlib.import_module, ("_runs", "_dense", "_judge", "_kinds", "_report")
)
del sys.path[:2]


# the truth


def test_dense_matrices_agree_with_closed_forms():
    times = np.array([0.0, 0.3, 2.0])
    bloch = np.array([[0.3, -0.5, 0.6]])
    spin = th.independent_spins(1, Omega=0.4, longitudinal=0.2, decay=0.3, dephasing=0.1)
    found = dense.evolve([(spin, times)], th.product_state(spin, bloch=bloch), ["sigma_y"])
    exact = th.bloch_solution(
        times, bloch[0], Omega=0.4, longitudinal=0.2, decay=0.3, dephasing=0.1
    )
    assert found.values["sigma_y"][:, 0] == pytest.approx(exact[:, 1], abs=1e-13)
    J = np.array([[0, 0.5, -0.3], [0.5, 0, 0.7], [-0.3, 0.7, 0]])
    ising = th.long_range_ising(J, longitudinal=0.3, dephasing=0.1)
    start = th.product_state(ising, bloch=np.vstack([bloch, -bloch, bloch[:, ::-1]]))
    exact = th.dephased_ising_solution(times, J, start.bloch, longitudinal=0.3, dephasing=0.1)
    found = dense.evolve([(ising, times)], start, ["sigma_x", "sigma_z"])
    assert found.values["sigma_x"] == pytest.approx(exact[:, :, 0], abs=1e-13)
    assert found.values["sigma_z"] == pytest.approx(exact[:, :, 2], abs=1e-13)
    mode = th.damped_mode(omega=0.7, loss=0.9, fock_dim=14)
    found = dense.evolve([(mode, times)], th.product_state(mode, alpha=0.4), ["alpha"])
    exact = th.damped_mode_solution(times, 0.4, omega=0.7, loss=0.9)
    assert found.values["alpha"][:, 0] == pytest.approx(exact["alpha"], abs=1e-9)


def test_populations_are_the_diagonal():
    problem = kinds.draw("classical network", 5, (3, 3))
    names = ["sigma_z", "overlap_moments", "binder_cumulant", "edwards_anderson"]
    full, diagonal = (
        dense.evolve(problem.legs, problem.state, names, only) for only in (False, True)
    )
    for name in names:
        assert diagonal.values[name] == pytest.approx(full.values[name], abs=1e-12)


def test_slow_gaps_of_a_cold_pattern():
    # 60 digits, of others: beta 6, 8, 10, 12
    exact = [6.4789339e-7, 1.8739161e-9, 5.0716909e-12, 1.3192246e-14]
    found = [dense.birth_death(6, beta)[1] for beta in (6.0, 8.0, 10.0, 12.0)]
    assert found == pytest.approx(exact, rel=2e-7)
    up, gap = dense.birth_death(4, 0.7)
    truth = dense.stationary(th.open_hopfield(np.ones((1, 4)), beta=0.7), ["sigma_zz"])
    assert gap == pytest.approx(float(truth.values["gap"]), rel=1e-12)
    m = np.arange(5) / 2 - 1
    assert up @ m**2 == pytest.approx(truth.values["sigma_zz"].mean(), abs=1e-13)


def test_stationary_bloch_vector():
    rates = {"decay": 0.4, "pumping": 0.1, "dephasing": 0.25}
    spin = th.independent_spins(1, Omega=0.3, longitudinal=0.2, **rates)
    truth = dense.stationary(spin, ["sigma_x", "sigma_y", "sigma_z"])
    found = dense.spin_in_field(0.3, 0.2, list(rates.values()))
    assert found == pytest.approx(np.concatenate([*truth.values.values()][:3]), abs=1e-13)


# problems


def test_problems_are_those_of_their_seed_and_of_all_kinds():
    drawn = {name: [kinds.draw(name, seed, (2, 3)) for seed in range(4)] for name in kinds.KINDS}
    for name, problems in drawn.items():
        again = kinds.draw(name, 3, (2, 3))
        assert [m.digest for m, _ in again.legs] == [m.digest for m, _ in problems[3].legs]
        assert np.array_equal(again.state.bloch, problems[3].state.bloch)
        for problem in problems:
            assert all(np.all(np.diff(times) > 0) for _, times in problem.legs)
    everything = [problem for problems in drawn.values() for problem in problems]
    strata = {(key, value) for p in everything for key, value in p.strata.items()}
    assert {"dense", "uneven", "long", "restart", "quench"} == {
        v for k, v in strata if k == "times"
    }
    assert {"pure", "tilted", "mixed", "cue"} == {v for k, v in strata if k == "start"}
    assert {"below 0.5", "0.5 to 5", "5 to 1e+09", "1e+09 and more"} == {
        v for k, v in strata if k == "beta"
    }
    damped = {kinds.draw("bad cavity", seed).strata["damping"] for seed in range(12)}
    assert "1000 and more" in damped
    assert {"below 0.1", "10 and more"} <= {v for k, v in strata if k == "field"}


def test_legs_end_where_one_run_would():
    problem = next(p for p in (kinds.draw("Ising glass", s, (2, 2)) for s in range(50))
                   if p.strata["times"] == "restart")  # fmt: skip
    whole = sum(times[-1] for _, times in problem.legs)
    once = dense.evolve([(problem.model, np.array([whole]))], problem.state, ["sigma_y"])
    parts = dense.evolve(problem.legs, problem.state, ["sigma_y"])
    assert parts.values["sigma_y"][-1] == pytest.approx(once.values["sigma_y"][0], abs=1e-12)


# judgement


def test_judgement_of_single_values():
    truth, doubt = np.array([0.5, 0.5, 0.5, 0.5, 0.5, np.nan]), np.full(6, 1e-14)
    values = np.array([0.51, 0.52, 0.5, np.nan, 0.4, 0.1])
    bars = np.array([0.02, 0.01, 0.0, 0.1, np.nan, 0.1])
    count = judge.judge(values, bars, truth, doubt)
    # the third has nothing to show; a value that is no number is outside; the last has no truth
    assert (count.inside, count.outside, count.missing, count.undecided) == (1, 2, 1, 0)
    assert count.worst == 1e9
    unsure = judge.judge(values[:2], bars[:2], truth[:2], np.full(2, 0.05))
    assert (unsure.outside, unsure.undecided, unsure.worst) == (0, 2, 0.0)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 40), st.floats(0.0, 1.0))
def test_interval_holds_the_mean_and_narrows(n, share):
    equal = judge.interval([share] * n, 0.95)
    assert equal[0] <= share + 1e-12
    assert equal[1] >= share - 1e-12
    wide = judge.interval([share] * n, 0.999)
    assert wide[0] - 1e-12 <= equal[0] <= equal[1] <= wide[1] + 1e-12
    assert judge.interval([share], 0.95) == (0.0, 1.0)


def test_interval_of_runs_that_go_wrong_together():
    """Runs fail as a whole, or in part: the mean is inside in nearly all repetitions."""
    rng = np.random.default_rng(5)
    for concentration, n in ((1.0, 12), (6.0, 30), (0.2, 60)):
        shares = rng.beta(0.9 * concentration, 0.1 * concentration, (400, n))
        found = np.array([judge.interval(row, 0.95) for row in shares])
        hit = np.mean((found[:, 0] <= 0.9) & (found[:, 1] >= 0.9))
        assert 0.93 <= hit <= 1.0


# runs


def test_a_run_repeats_itself_and_is_a_line_of_a_file():
    import json

    first, second = (study.run("Exact", "network, antisymmetric", 2) for _ in range(2))
    first.seconds = second.seconds = 0.0
    line = json.dumps(first.as_dict())
    assert line == json.dumps(second.as_dict())
    again = judge.Record.from_dict(json.loads(line))
    assert repr(again) == repr(first)
    assert again.outcome == "ran"
    assert again.counts["sigma_z"].inside + again.counts["sigma_z"].outside > 0


def test_refusals_are_sentences_and_failures_are_not():
    endings = {}
    for error in (ValueError("Argument `x` must be 1, but it is 2."), ValueError("array has infs"),
                  TimeoutError("Argument `max_wall_time` was too short."), KeyError("x")):  # fmt: skip
        record = judge.Record("Exact", "XXZ", 0)
        with study.watched(record):
            raise error
        endings[str(error)] = record.outcome
    assert [*endings.values()] == ["refused", "failed", "stopped", "failed"]


# a sample of the study: fresh problems, a few of them always, a twentieth of it in the slow suite

FRESH = 7001  # of 7000 a bad cavity takes longer than the limit: it shows nothing
FEW = ("network, weak field", "XXZ", "strong damping", "classical network", "bad cavity",
       "stationary: metastable", "interchangeable spins")  # fmt: skip


def sample(method, names, n_seeds):
    pairs = itertools.product(names, range(FRESH, FRESH + n_seeds))
    return [study.run(method, kind, seed, 60) for kind, seed in pairs
            if kind in study.METHODS[method]]  # fmt: skip


def check(method, records):
    assert not [report.named(r) for r in records if r.outcome == "failed"]
    promised = method not in study.SAMPLERS
    # samplers say 95 % and mean it; a single wrong run of the others is seen
    loud = [report.named(r) for r in report.silent(records) if r.worst > 5]
    assert not (promised and loud), loud
    shares = [judge.row((), [list(r.counts.values())]).inside for r in records if r.counts]
    shares = [share for share in shares if np.isfinite(share)]
    assert judge.interval(shares, 0.999)[1] > 0.95
    assert np.mean(shares) > (0.95 if promised else 0.9)


@pytest.mark.parametrize("method", study.METHODS)
def test_few_fresh_problems(method):
    check(method, sample(method, FEW, 8 if method in study.SAMPLERS else 1))


@pytest.mark.slow
@pytest.mark.parametrize("method", study.METHODS)
def test_a_twentieth_of_the_study(method):
    costly = ("many spins", "long times")
    names = [kind for kind in study.METHODS[method] if not kind.startswith(costly)]
    check(method, sample(method, names, 8 if method in study.SAMPLERS else 1))
