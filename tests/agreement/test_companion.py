"""TDVP beside modes: the difference from a coarser chain is a bar that tells the error."""

import numpy as np
import pytest

import tnhop as th

NAMES = ["sigma_y", "sigma_z", "occupation"]
MODEL = th.multimode_dicke(
    th.pattern_couplings(np.ones((1, 8)), g=0.8), omega=0.9, Omega=0.5, loss=1.1, gain=0.05,
    decay=0.03, fock_dim=16,
)  # fmt: skip
START = th.pattern_state(MODEL, overlap=0.7)
TIMES = [0.0, 1.0, 2.0, 4.0]


@pytest.fixture(scope="module")
def exact():
    return th.evolve(MODEL, START, TIMES, observables=NAMES, method="Symmetric")


def evolved(**options):
    method = th.TDVP(dt=0.1, cutoff=1e-6, fock_tolerance=0.0, **options)
    return th.evolve(MODEL, START, TIMES, observables=NAMES, method=method)


@pytest.mark.parametrize("bond", [12, 20])
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_bars_are_above_the_error_and_not_far_above(exact, bond):
    found = evolved(max_bond=bond)
    for name in NAMES:
        error = np.abs(found.expect[name] - exact.expect[name]).max()
        bar = np.max(found.errors.sources(name)["truncation"])
        assert 0.5 * error < bar < 30 * error, name
        assert "projection" not in found.errors.sources(name)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_companion_changes_nothing_but_the_bars():
    one, other = evolved(max_bond=12), evolved(max_bond=12, companion=False)
    for name in NAMES:
        np.testing.assert_array_equal(one.expect[name], other.expect[name])
        assert np.max(other.errors[name]) > 10 * np.max(one.errors[name])


def test_companion_of_spins_alone(rng):
    xi = th.random_patterns(n_patterns=2, n_spins=6, rng=rng)
    model = th.open_hopfield(xi, beta=1.7, Omega=0.4)
    start = th.pattern_state(model, overlap=0.8)
    options = {"max_bond": 10, "cutoff": 1e-7, "dt": 0.05, "mpo_tolerance": 1e-9}
    with pytest.warns(th.TruncationWarning, match="max_bond"):
        found = th.evolve(model, start, TIMES, method=th.TDVP(companion=True, **options))
    exact = th.evolve(model, start, TIMES, method="Exact")
    error = np.abs(found.expect["sigma_z"] - exact.expect["sigma_z"]).max()
    assert 0.5 * error < np.max(found.errors.sources("sigma_z")["truncation"]) < 100 * error
