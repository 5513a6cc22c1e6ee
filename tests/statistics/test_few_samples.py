"""Error bars of KineticMonteCarlo for 2 to 1000 samples, and for samples that are all equal.

Random networks beside `ClassicalMaster`: what share of the runs has the truth inside its bars.
"""

import numpy as np
import pytest
from scipy.stats import binomtest

import tnhop as th
from tnhop.support.statistics import carriers, mean_width

SIZES = [2, 3, 5, 10, 30, 100, 1000]
NAMES = ["m_z", "sigma_z", "sigma_zz", "overlap_moments", "binder_cumulant", "edwards_anderson",
         "overlap_distribution", "joint_overlap_distribution", "purity", "energy"]  # fmt: skip


def random_problem(rng):
    """Return a network, a start and a time: any temperature, couplings, distance from the start."""
    n = int(rng.integers(2, 10))
    xi = th.random_patterns(int(rng.integers(1, min(n, 3) + 1)), n, rng=rng)
    J = rng.standard_normal((n, n)) / np.sqrt(n)
    np.fill_diagonal(J, 0.0)
    model = th.open_hopfield(
        xi,
        beta=float(rng.choice([0.05, 0.3, 1, 2, 3, 8, 50, np.inf])),
        longitudinal=rng.uniform(-0.5, 0.5, n),
        **({"couplings": J} if rng.random() < 0.3 else {}),
    )
    start = (
        th.pattern_state(model, overlap=float(rng.choice([0, 0.3, 0.6, 0.8, 0.95, 1])))
        if rng.random() < 0.7
        else th.product_state(model, bloch=np.outer(rng.uniform(-1, 1, n), [0, 0, 1]))
    )
    return model, start, float(10 ** rng.uniform(-2, 1))


def inside(problems, n_samples, seed):
    """Return the shares of the components inside their bars, by observable and run."""
    shares = {name: [] for name in NAMES}
    ratios = {name: [] for name in NAMES}
    for k, (model, start, time, truth) in enumerate(problems):
        found = th.evolve(model, start, [time], observables=NAMES, rng=seed + k,
                          method=th.KineticMonteCarlo(n_samples), progress=False)  # fmt: skip
        for name in NAMES:
            error = np.abs(found.expect[name] - truth.expect[name])
            bars = found.errors.sources(name)["sampling"]
            known = ~np.isnan(bars)
            certain = np.eye(model.n_spins, dtype=bool) if name == "sigma_zz" else False
            assert np.all((bars[known] > 0) | np.broadcast_to(certain, bars.shape)[known]), name
            assert name == "binder_cumulant" or np.all(known), name
            if known.any():
                # the diagonal of sigma_zz is 1 in every sample, and within its own bar in the truth
                allowed = bars + 1e-12 + np.nan_to_num(truth.errors[name])
                shares[name].append(np.mean((error <= allowed)[known]))
                ratios[name].extend((bars / np.maximum(error, 1e-9))[known])
    return shares, {name: np.median(values) for name, values in ratios.items()}


def drawn(n_problems, seed):
    rng = np.random.default_rng(seed)
    for _ in range(n_problems):
        model, start, time = random_problem(rng)
        yield (model, start, time,
               th.evolve(model, start, [time], observables=NAMES, method="ClassicalMaster",
                         progress=False))  # fmt: skip


def not_below(share, n_runs, promised=0.95):
    """Whether a share of independent runs is compatible with what is promised, at 99.9 %."""
    hits = round(share * n_runs)
    return binomtest(hits, n_runs).proportion_ci(0.999).high >= promised


@pytest.mark.parametrize("n_samples", [2, 5, 30])
def test_bars_of_random_networks_hold(n_samples):
    problems = [*drawn(15, 8100 + n_samples)]
    shares, ratios = inside(problems, n_samples, 900)
    for name, values in shares.items():
        assert not_below(np.mean(values), len(values)), name
    assert n_samples < 30 or np.median([*ratios.values()]) < 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # too few samples to say anything
@pytest.mark.parametrize("n_samples", SIZES)
def test_bars_are_calibrated(n_samples):
    """Every observable; the mean over all of them neither below 95 % nor, from 30 samples, above 98 %."""
    problems = [*drawn(200, 4300)]
    shares, ratios = inside(problems, n_samples, 50_000)
    for name, values in shares.items():
        assert not_below(np.mean(values), len(values)), (name, np.mean(values))
    pooled = np.mean([np.mean(values) for values in shares.values()])
    assert 0.95 < pooled < (0.995 if n_samples < 30 else 0.98), pooled
    ratios.pop("joint_overlap_distribution")  # most places are never reached: no error at all
    assert n_samples < 30 or max(ratios.values()) < 10, ratios


def test_equal_samples_are_not_certain():
    """At zero temperature nearly all samples are at |m| = 1; 4e-4 of them are not, and none is seen."""
    model = th.open_hopfield(np.ones((3, 5)), beta=np.inf)
    start, names = th.pattern_state(model, overlap=0.0), ["overlap_moments", "binder_cumulant"]
    truth = th.evolve(model, start, [8.0], observables=names, method="ClassicalMaster")
    for seed in range(5):
        found = th.evolve(model, start, [8.0], observables=names,
                          method=th.KineticMonteCarlo(100), rng=seed)  # fmt: skip
        for name in names:
            assert np.all(np.abs(found.expect[name] - truth.expect[name]) <= found.errors[name])
            assert np.all(found.errors[name] > 1e-3)


@pytest.mark.parametrize("n_samples", [20, 100])
def test_flips_that_were_not_seen_are_not_excluded_from_overlaps(n_samples):
    """Shortly after the start most runs see no flip: m_z is 1/3 or 1 in all samples."""
    xi = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, -1, -1]])
    model = th.open_hopfield(xi, beta=3.0)
    start, times = th.pattern_state(model, overlap=1.0), [0.02, 0.1]
    truth = th.evolve(model, start, times, observables="m_z", method="ClassicalMaster")
    hits = []
    for seed in range(60):
        found = th.evolve(model, start, times, observables="m_z", rng=seed,
                          method=th.KineticMonteCarlo(n_samples), progress=False)  # fmt: skip
        hits.append(np.abs(found.expect["m_z"] - truth.expect["m_z"]) <= found.errors["m_z"])
    assert np.all(np.mean(hits, axis=0) >= 0.9)
    assert np.mean(hits) >= 0.95


def test_mean_width_of_many_samples_is_two_standard_errors():
    values = np.random.default_rng(3).normal(size=(1, 20_000)).clip(-6, 6) / 6
    width = mean_width(values, np.zeros(1), np.ones(1))
    assert width[0] == pytest.approx(1.96 / 6 / np.sqrt(20_000), rel=0.02)


@pytest.mark.parametrize("n", [2, 7, 100])
def test_mean_width_stays_within_the_range_and_above_zero(n):
    rng = np.random.default_rng(n)
    values = np.vstack([np.full(n, 0.25), np.full(n, -1.0), rng.uniform(-1, 1, n),
                        0.3 + 1e-14 * rng.normal(size=n)])  # fmt: skip
    width = mean_width(values, np.zeros(4), np.ones(4))
    assert np.all(width > 0)
    assert np.all(width <= 1 + np.abs(values.mean(axis=1)) + 1e-12)
    assert width[3] == pytest.approx(
        1.3 * 3.8415 / (n + 3.8415), rel=1e-3
    )  # equal but for rounding


def test_carriers_count_the_samples_that_differ():
    values = np.zeros((1, 1000))
    values[0, :4] = 1.0
    assert carriers(values, np.ones(1))[0] == pytest.approx(4, rel=0.01)
    assert carriers(values * 0, np.ones(1))[0] == 0.0


def test_binder_cumulant_is_nan_where_every_overlap_is_zero():
    model = th.open_hopfield(np.array([[1, 1], [1, -1]]), beta=np.inf)
    start = th.product_state(model, spins=[1, 1])
    found = th.evolve(model, start, [0.0], observables="binder_cumulant",
                      method=th.KineticMonteCarlo(20), rng=1)  # fmt: skip
    assert np.isnan(found.expect["binder_cumulant"][0, 1])
    assert np.isnan(found.errors["binder_cumulant"][0, 1])
