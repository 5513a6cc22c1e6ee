"""KineticMonteCarlo: unbiased, with error bars that hold, and with the same bits however it is run.

Seeds are fixed, so that the tests are deterministic; the bounds say how rarely another seed would fail.
"""

import numba
import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.classical import sampling
from tnhop.solvers.classical.spin_flips import FlipModel
from tnhop.support.statistics import proportion_width
from zoo import BLOCH, PATTERNS, gaussian_couplings, patterns, tilted

BETA = 9 / 7
TIMES = [0.0, 0.3, 0.9, 2.2]
NAMES = ["m_z", "sigma_z", "sigma_zz", "overlap_distribution", "joint_overlap_distribution",
         "overlap_moments", "binder_cumulant", "edwards_anderson", "purity", "trace"]  # fmt: skip
XI = np.tile(PATTERNS, 2)[:, [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13]] * [
    1,
    1,
    -1,
    1,
    1,
    1,
    -1,
    1,
    1,
    1,
    1,
    -1,
]


def uneven_rates(n_spins):
    """Every spin has its own temperature, scale and losses; couplings are Gaussian."""
    J, jumps = gaussian_couplings(n_spins), []
    for k in range(n_spins):
        rates = {s: th.ScaledRate((0.4 + 0.1 * k) ** 0.5, th.SqrtRate(th.GlauberRate(0.5 + k / 5, s)))
                 for s in (1, -1)}  # fmt: skip
        jumps += [th.FieldJump(k, {"+": rates[1], "-": rates[-1]}, J[k], self_field=0.2)]
        jumps += [
            th.Jump(((k + 1) / 20) ** 0.5 * th.sigma("-")(k)),
            th.Jump(0.3 * th.sigma("z")(k)),
        ]
    jumps.append(th.FieldJump(1, {"+": lambda h: 0.3 + 0.2 * np.sin(h)}, J[1]))
    return th.Model(th.spins(n_spins), 0.3 * th.sigma("z")(0), jumps, patterns=patterns(3, n_spins))


MODELS = {
    "Hebb, overlaps": th.open_hopfield(XI, beta=BETA, longitudinal=1 / 7),
    "Hebb, fields": th.open_hopfield(patterns(3, 7), beta=BETA),
    "Gaussian": th.open_hopfield(patterns(3, 8), beta=BETA, couplings=gaussian_couplings(8)),
    "zero temperature, ties": th.open_hopfield(patterns(3, 7), beta=np.inf),
    "zero temperature, overlaps": th.open_hopfield(XI, beta=np.inf),
    "one pattern, three-body": th.dense_hopfield(patterns(1, 8), degree=3, beta=BETA),
    "uneven rates": uneven_rates(7),
    "no fields": th.independent_spins(4, decay=3 / 8, pumping=1 / 9, dephasing=1 / 7),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def mixed(model):
    return th.product_state(model, bloch=np.tile(BLOCH, (2, 1))[: model.n_spins] * [0, 0, 1])


def known(model):
    return [name for name in NAMES if model.patterns is not None or not
            name.startswith(("m_", "overlap", "joint", "binder"))]  # fmt: skip


@every_model
def test_four_standard_errors_around_the_master_equation(model):
    names = known(model)
    master = th.evolve(model, mixed(model), TIMES, observables=names, method="ClassicalMaster")
    sampled = th.evolve(model, mixed(model), TIMES, observables=names,
                        method=th.KineticMonteCarlo(4000), rng=11)  # fmt: skip
    for name in names:
        deviation = np.abs(sampled.expect[name] - master.expect[name])
        width = sampled.errors.sources(name)["sampling"]  # 1.96 standard errors
        assert np.all(deviation <= 4 / 1.96 * width + 1e-9), name
    assert np.all(sampled.errors["m_z" if "m_z" in names else "sigma_z"] < 0.06)


def test_low_rank_is_found_and_agrees_with_fields():
    model = MODELS["Hebb, overlaps"]
    compiled = FlipModel.from_model(model)
    assert compiled.left.shape == (12, 3)
    J = np.array([jump.fields[0] for jump in model.jumps[::2]])
    s = np.where(np.random.default_rng(3).random(12) < 0.5, 1, -1)
    fields = compiled.left @ (compiled.right.T @ s) - compiled.self_terms * s
    np.testing.assert_allclose(fields, J @ s, atol=1e-14)
    assert FlipModel.from_model(MODELS["Gaussian"]).left.shape == (8, 0)
    ten = th.open_hopfield(th.random_patterns(10, 60, rng=4), beta=BETA)
    assert FlipModel.from_model(ten).left.shape == (60, 10)


@every_model
def test_tables_are_as_accurate_as_they_say_and_bounded(model):
    compiled = FlipModel.from_model(model)
    rng = np.random.default_rng(5)
    for jump in model.jumps:
        if not isinstance(jump, th.FieldJump) or model is MODELS["uneven rates"]:
            continue
        g, (name, rate) = compiled.group[jump.site], jump.amplitudes[0]
        h = rng.uniform(-1, 1, 200) * np.abs(jump.fields).sum()
        table = [
            sampling._rate(x, int(name == "+"), compiled.tables[g], compiled.grids[g]) for x in h
        ]
        np.testing.assert_allclose(table, np.abs(rate(h)) ** 2, rtol=0, atol=compiled.error + 1e-14)
        assert max(table) <= compiled.fastest
    assert compiled.error < 1e-9


def test_every_configuration_comes_as_often_as_it_should():
    """χ² of all 64 configurations against the master equation; 113 is exceeded by one seed in 10^4."""
    model = th.open_hopfield(patterns(3, 6), beta=BETA, couplings=gaussian_couplings(6))
    n, start = 40000, mixed(model)
    p = th.evolve(model, start, [0.7], method="ClassicalMaster").final_state.probabilities
    last = th.evolve(model, start, [0.7], observables="m_z", method=th.KineticMonteCarlo(n), rng=2)
    index = ((1 - last.final_state.spins) // 2) @ (1 << np.arange(6)[::-1])
    counts = np.bincount(index, minlength=64)
    assert ((counts - n * p) ** 2 / (n * p)).sum() < 113


def test_attempts_are_poissonian():
    """Mean and variance of the attempts of a sample are N w_max t."""
    model = th.independent_spins(5, decay=0.4, pumping=0.3)
    compiled, problem = (
        FlipModel.from_model(model),
        Problem(model, mixed(model), [300.0], "sigma_z", 6),
    )
    *_, last = th.KineticMonteCarlo(2000).evolve(problem)
    attempts, mean = last.carry["walkers"]["counts"][:, 0], 5 * compiled.fastest * 300.0
    assert attempts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 2000))
    assert attempts.var() == pytest.approx(mean, rel=4 * np.sqrt(2 / 2000))


def test_a_thousand_spins_agree_with_the_chain_of_classes():
    model = th.open_hopfield(th.random_patterns(1, 1000, rng=3), beta=7 / 5)
    start, names = th.pattern_state(model, overlap=0.3), ["m_z", "overlap_moments"]
    master = th.evolve(model, start, [1.0, 4.0], observables=names, method="ClassicalMaster")
    sampled = th.evolve(model, start, [1.0, 4.0], observables=names,
                        method=th.KineticMonteCarlo(300), rng=7)  # fmt: skip
    for name in names:
        deviation = np.abs(sampled.expect[name] - master.expect[name])
        assert np.all(deviation <= 4 / 1.96 * sampled.errors[name]), name
    assert sampled.errors["m_z"].max() < 0.01


def bits(result):
    return [result.final_state.spins, *result.expect.values(),
            *(result.errors[name] for name in result.expect)]  # fmt: skip


def run(model, **options):
    method = th.KineticMonteCarlo(options.pop("n_samples", 60))
    return th.evolve(model, mixed(model), TIMES, observables=["m_z", "sigma_z", "overlap_moments"],
                     method=method, **{"rng": 5} | options)  # fmt: skip


@pytest.mark.parametrize("name", ["Hebb, overlaps", "Gaussian"])
def test_threads_and_batches_change_no_bit(name, monkeypatch):
    reference = bits(run(MODELS[name]))
    for threads in (1, 3, 8):
        monkeypatch.setattr(numba, "get_num_threads", lambda n=threads: n)
        for one, other in zip(reference, bits(run(MODELS[name])), strict=True):
            np.testing.assert_array_equal(one, other)
    more = run(MODELS[name], n_samples=95)
    np.testing.assert_array_equal(more.final_state.spins[:60], reference[0])


def test_seed_decides_and_is_reported():
    model = MODELS["Gaussian"]
    drawn = run(model, rng=None)
    assert drawn.stats["rng"] is None
    again = run(model, rng=drawn.stats["seed"])
    for one, other in zip(bits(drawn), bits(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(run(model, rng=6).final_state.spins != run(model, rng=5).final_state.spins)


@pytest.mark.parametrize("name", ["Hebb, overlaps", "Gaussian", "zero temperature, ties"])
def test_resumed_run_repeats_the_bits(name, monkeypatch):
    monkeypatch.setattr(sampling, "_HEARTBEAT", 20.0)
    model = MODELS[name]
    problem = Problem(model, mixed(model), TIMES, ["m_z", "overlap_moments"], 5)
    method = th.KineticMonteCarlo(20)
    straight = list(method.evolve(problem))
    assert len(straight) > 3 * len(TIMES)  # heartbeats
    for k in range(0, len(straight) - 1, 3):
        *_, last = method.evolve(problem, straight[k].carry)
        np.testing.assert_array_equal(last.state.spins, straight[-1].state.spins)
        for key, values in last.values.items():
            np.testing.assert_array_equal(values, straight[-1].values[key])
        assert last.stats == straight[-1].stats


def test_checkpoint_repeats_the_bits(tmp_path):
    model, seen = MODELS["Gaussian"], []

    def stop(snapshot):
        seen.append(snapshot.time)
        if len(seen) == 3:
            raise KeyboardInterrupt

    options = {"rng": None, "checkpoint": tmp_path / "run.ckpt"}
    with pytest.warns(th.TruncationWarning, match="interrupted"):
        run(model, callback=stop, **options)
    resumed = run(model, **options)
    for one, other in zip(bits(resumed), bits(run(model, rng=resumed.stats["seed"])), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_standard_errors_cover_the_truth():
    """95 % of the bars of independent runs: 400 runs and three patterns, correlated, within ±3 %."""
    model, names = MODELS["Gaussian"], ["m_z", "sigma_z", "overlap_moments", "edwards_anderson"]
    start = mixed(model)
    truth = th.evolve(model, start, [0.8], observables=names, method="ClassicalMaster")
    inside = {name: [] for name in names}
    for seed in range(400):
        found = th.evolve(model, start, [0.8], observables=names,
                          method=th.KineticMonteCarlo(120), rng=seed)  # fmt: skip
        for name in names:
            deviation = np.abs(found.expect[name] - truth.expect[name])
            inside[name].append(deviation <= found.errors[name])
    shares = {name: float(np.mean(hits)) for name, hits in inside.items()}
    assert all(0.92 < share < 0.98 for share in shares.values()), shares


def test_rare_events_that_were_not_seen_are_not_excluded():
    """1 - ⟨σᶻ⟩ = 4e-4 and 50 samples: nine of ten runs see no flip at all."""
    model = th.independent_spins(5, decay=1 / 5000)
    start = th.product_state(model, spins=[1, 1, 1, 1, 1])
    truth = 2 * np.exp(-1 / 5000) - 1
    inside = []
    for seed in range(100):
        found = th.evolve(model, start, [1.0], observables="sigma_z",
                          method=th.KineticMonteCarlo(50), rng=seed)  # fmt: skip
        inside.append(np.abs(found.expect["sigma_z"] - truth) <= found.errors["sigma_z"])
    assert np.mean(inside) > 0.95


def test_proportion_width_contains_wilson():
    p, n = np.array([0.0, 0.02, 0.5, 1.0]), 100
    width = proportion_width(p, n)
    # (p̂ - p)² = z² p (1 - p)/n at both ends of Wilson's interval
    z2 = 1.959963984540054**2
    for share, w in zip(p, width, strict=True):
        ends = np.roots([1 + z2 / n, -(2 * share + z2 / n), share**2]).real
        assert max(abs(ends - share)) == pytest.approx(w, abs=1e-12)


def test_quench_goes_on_from_every_sample():
    model = MODELS["Gaussian"]
    first = run(model)
    method = th.KineticMonteCarlo(60)
    same = th.evolve(model, first.final_state, [0.0], method=method, observables="m_z", rng=1)
    np.testing.assert_array_equal(same.expect["m_z"][0], first.expect["m_z"][-1])
    streams = [next(iter(method.evolve(Problem(model, state, [0.0], "m_z", 5)))).carry["walkers"]["streams"]
               for state in (mixed(model), first.final_state)]  # fmt: skip
    assert not np.intersect1d(*streams).size
    problem = Problem(model, first.final_state, TIMES, "m_z")
    assert "`n_samples=60`" in th.KineticMonteCarlo(61).supports(problem)


def test_samples_survive_a_file(tmp_path):
    result = run(MODELS["Hebb, overlaps"])
    again = th.load(result.save(tmp_path / "run.h5"))
    assert again.method == result.method
    assert again.final_state.spins.dtype == np.int8
    np.testing.assert_array_equal(again.final_state.spins, result.final_state.spins)
    np.testing.assert_array_equal(again.errors["m_z"], result.errors["m_z"])


def test_refusals_say_why():
    model, method = MODELS["Gaussian"], th.KineticMonteCarlo()
    driven = th.open_hopfield(patterns(3, 6), beta=BETA, Omega=1 / 9)
    three = th.dense_hopfield(patterns(3, 6), degree=3, beta=BETA)
    J = gaussian_couplings(3)
    rate = th.SqrtRate(th.GlauberRate(1.0, 1))
    twice = th.Model(
        th.spins(3),
        0.0,
        [th.FieldJump(0, {"+": rate}, J[0]), th.FieldJump(0, {"+": rate}, 2 * J[0])],
    )
    sharp = th.Model(th.spins(3), 0.0, [
        th.FieldJump(0, {"+": th.SqrtRate(th.GlauberRate(np.inf, 1)), "-": rate}, J[0])])  # fmt: skip
    dense = th.evolve(model, mixed(model), [0.1], method="ClassicalMaster").final_state
    cases = [
        (Problem(driven, mixed(driven), TIMES), "coherences drive them"),
        (Problem(three, mixed(three), TIMES), "depend on 3 fields"),
        (Problem(twice, mixed(twice), TIMES), "two jumps see different fields of spin 0"),
        (Problem(sharp, mixed(sharp), TIMES), "not constant on either side"),
        (Problem(model, mixed(model), TIMES, "entropy"), "no estimator of `entropy`"),
        (Problem(model, tilted(model), TIMES), "observable `m_x` depends"),
        (Problem(model, dense, TIMES), "draws its samples from a product state"),
    ]
    for problem, words in cases:
        reason = method.supports(problem)
        assert reason.startswith("Method `KineticMonteCarlo` ")
        assert words in reason
    fits = Problem(model, mixed(model), TIMES)
    assert method.supports(fits) is None
    assert "does not offer `steady_state`" in method.supports(fits, "steady_state")
    assert "(`max_memory`)" in th.KineticMonteCarlo(max_memory=1e6).supports(fits)
    with pytest.raises(ValueError, match=r"`n_samples` must be at least 2"):
        th.KineticMonteCarlo(n_samples=1)


@pytest.mark.parametrize("name", ["Hebb, overlaps", "Gaussian"])
def test_automatic_choice_prefers_methods_without_noise(name):
    model = MODELS[name]
    result = th.evolve(model, mixed(model), [0.0, 0.1], observables="m_z")
    assert not isinstance(result.method, th.KineticMonteCarlo)
