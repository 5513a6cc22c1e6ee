"""TDVP beside modes: the difference from a coarser chain is a bar that tells the error."""

from functools import cache

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


@cache
def evolved(**options):
    method = th.TDVP(dt=0.1, cutoff=1e-6, fock_tolerance=0.0, **options)
    return th.evolve(MODEL, START, TIMES, observables=NAMES, method=method)


@pytest.mark.parametrize("bond", [12, pytest.param(20, marks=pytest.mark.slow)])
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


@pytest.mark.slow
@pytest.mark.parametrize("bond", [6, 8])
def test_companion_of_spins_alone(bond, rng):
    xi = th.random_patterns(n_patterns=2, n_spins=6, rng=rng)
    model = th.open_hopfield(xi, beta=1.7, Omega=0.4)
    start = th.pattern_state(model, overlap=0.8)
    options = {"max_bond": bond, "cutoff": 1e-7, "dt": 0.05, "mpo_tolerance": 1e-9}
    with pytest.warns(th.TruncationWarning, match="max_bond"):
        found = th.evolve(model, start, TIMES, method=th.TDVP(companion=True, **options))
    exact = th.evolve(model, start, TIMES, method="Exact")
    error = np.abs(found.expect["sigma_z"] - exact.expect["sigma_z"]).max()
    assert 0.5 * error < np.max(found.errors.sources("sigma_z")["truncation"]) < 100 * error


def random_problem(seed):
    """A model with modes that are all different, tilted spins and displaced modes."""
    rng = np.random.default_rng(seed)
    n_modes = int(rng.integers(1, 4))
    n_spins = int(rng.integers(2, 5)) if n_modes < 3 else 2
    model = th.multimode_dicke(
        rng.normal(size=(n_modes, n_spins)) * 0.7 / np.sqrt(n_spins), Omega=0.5, decay=0.04,
        omega=rng.uniform(0.6, 1.4, n_modes), loss=rng.uniform(0.8, 1.3, n_modes),
        gain=rng.uniform(0, 0.1, n_modes), fock_dim={1: 14, 2: 9, 3: 7}[n_modes], n_spins=n_spins,
    )  # fmt: skip
    bloch = rng.normal(size=(n_spins, 3))
    bloch *= 0.8 / np.linalg.norm(bloch, axis=1, keepdims=True)
    return model, th.product_state(model, bloch=bloch, alpha=0.3 * rng.normal(size=n_modes))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_bars_hold_for_random_problems():
    """95 % is meant over all problems; of a few 90 % are asked for."""
    ratios, names = [], ["sigma_x", "sigma_y", "sigma_z", "occupation"]
    for seed in range(951, 961):
        model, start = random_problem(seed)
        options = {"times": [1.0, 2.0, 4.0], "observables": names}
        exact = th.evolve(model, start, method=th.Exact(1e-8), **options)
        for bond in (12, 20):
            method = th.TDVP(max_bond=bond, dt=0.2, epsilon=0.5, fock_tolerance=0.0)
            found = th.evolve(model, start, method=method, **options)
            for name in names:
                error = np.abs(found.expect[name] - exact.expect[name])
                sources = found.errors.sources(name)
                bar = sum(sources[key] for key in ("truncation", "time_step", "krylov"))
                ratios += (bar / error)[error > 1e-5].tolist()
    ratios = np.array(ratios)
    assert len(ratios) > 200
    assert np.mean(ratios >= 1) >= 0.9
    assert np.median(ratios) < 30


def slowly_grown(rng):
    """Two spins in the field of a mode with a Kerr term: transverse components grow from 0."""
    x, z = th.sigma("x"), th.sigma("z")
    quadrature = th.destroy(2) + th.create(2)
    terms = [rng.uniform(0.05, 0.3) * x(k) + rng.normal() * z(k) * quadrature for k in range(2)]
    kerr = rng.normal() * th.create(2) * th.create(2) * th.destroy(2) * th.destroy(2)
    model = th.Model(
        [*th.spins(2), *th.modes(1, fock_dim=5)],
        th.Operator.sum([*terms, kerr, rng.uniform(0.5, 2.0) * th.number(2)]),
        [th.Jump(rng.uniform(0.3, 1.0) * th.destroy(2))],
    )
    return model, th.product_state(model, bloch=np.zeros((2, 3)), alpha=[0.1 * rng.normal()])


@pytest.mark.parametrize("engine", [th.TDVP(), th.TEBD()])
def test_what_both_chains_miss_is_in_the_bar(engine):
    for seed in range(4):
        model, start = slowly_grown(np.random.default_rng([seed, 19]))
        times = np.geomspace(1e-3, 0.3, 8)
        exact = th.evolve(
            model, start, times, observables=["sigma_x"], method=th.Exact(tolerance=1e-13)
        )
        found = th.evolve(model, start, times, observables=["sigma_x"], method=engine)
        error = np.abs(found.expect["sigma_x"] - exact.expect["sigma_x"])
        assert np.all(error <= found.errors["sigma_x"]), seed
