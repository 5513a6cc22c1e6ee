"""Exact: the reported error of the kept Fock levels against a run with many more levels."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest

import tnhop as th
from zoo import with_levels

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
TIMES = np.linspace(0, 6, 25)
MORE = 14


def random_case(rng):
    """Return a random driven, pumped or coupled mode that fills 4 to 12 levels more or less."""
    d = int(rng.integers(4, 13))
    omega, g, Omega = rng.uniform(0.5, 2), rng.uniform(0.15, 1.0), rng.uniform(0.1, 1.2)
    loss = rng.uniform(0.3, 2)
    gain = float(rng.choice([0.0, 0.25])) * loss
    if rng.random() < 0.25:
        model = th.damped_mode(omega=omega, drive=g, loss=loss, gain=gain, fock_dim=d)
    else:
        n = int(rng.integers(1, 3))
        model = th.dicke(n, g=g, omega=omega, Omega=Omega, loss=loss, gain=gain, fock_dim=d)
    alpha = complex(rng.choice([0.0, 0.5]) * np.exp(2j * np.pi * rng.random()))
    return model, alpha


def errors_and_bars(model, alpha):
    """Return {observable: (measured, reported)} of the levels, largest entry at every time."""
    names = ["occupation", "alpha"] + (["sigma_x", "sigma_y", "sigma_z"] if model.n_spins else [])
    bloch = [0.48, 0.36, 0.8] if model.n_spins else None
    runs = []
    for m in (model, with_levels(model, model.dims[-1] + MORE)):
        state = th.product_state(m, bloch=bloch, alpha=alpha)
        runs.append(th.evolve(m, state, TIMES, observables=names, method="Exact"))
    out = {}
    for name in names:
        error = np.abs(runs[0].expect[name] - runs[1].expect[name]).reshape(len(TIMES), -1)
        bars = runs[0].errors.sources(name)["fock_tail"].reshape(len(TIMES), -1)
        out[name] = error.max(axis=1), bars.max(axis=1)
    return runs[0].stats["fock_tail"], out


@pytest.mark.slow
def test_reported_error_covers_the_measured_error():
    """It is an estimate, from the population of the highest level: 95 % of random cases, never far off."""
    rng, covered, ratios = np.random.default_rng(2), [], []
    while len(covered) < 150:
        try:
            tail, found = errors_and_bars(*random_case(rng))
        except ValueError:  # the coherent state does not fit
            continue
        if not 1e-8 < tail < 1e-3:  # below, time steps dominate; above, a warning is given
            continue
        for measured, bars in found.values():
            seen = measured > 1e-9
            covered.append(bool(np.all(measured[seen] <= bars[seen])))
            ratios.append(np.max(measured[seen] / bars[seen], initial=0.0))
    assert np.mean(covered) >= 0.95
    assert max(ratios) < 10
    assert np.median([r for r in ratios if r > 0]) > 1 / 50


def test_error_falls_as_levels_are_added():
    model = th.dicke(2, g=5 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, fock_dim=4)
    names = ["m_z", "occupation"]
    runs = []
    for d in (6, 8, 10, 12, 24):
        m = with_levels(model, d)
        state = th.product_state(m, bloch=[0.48, 0.36, 0.8])
        runs.append(th.evolve(m, state, TIMES, observables=names, method="Exact").expect)
    for name in names:
        errors = [np.abs(run[name] - runs[-1][name]).max() for run in runs[:-1]]
        # a coherent state of this size loses more than a factor 3 per pair of levels
        assert all(b < a / 3 for a, b in pairwise(errors))


def test_too_few_levels_warn():
    model = th.damped_mode(omega=1.0, drive=1.5, loss=0.5, fock_dim=4)
    with pytest.warns(th.TruncationWarning, match=r"highest kept level. Increase `fock_dim`"):
        th.evolve(model, th.product_state(model), [3.0], method="Exact")


def test_initial_coherent_state_is_part_of_the_error():
    """At t = 0 the truncated coherent state already differs, and the bar says so."""
    model = th.damped_mode(omega=9 / 7, loss=7 / 9, fock_dim=6)
    alpha = 0.7
    result = th.evolve(model, th.product_state(model, alpha=alpha), [0.0], method="Exact")
    measured = abs(result.expect["occupation"][0, 0] - alpha**2)
    assert 0 < measured <= result.errors["occupation"][0, 0]


@pytest.mark.parametrize("levels", [4, 5, 6, 8])
@pytest.mark.parametrize("method", ["Exact", "Symmetric", "TDVP"])
def test_pairs_of_photons_leave_the_highest_level_empty(method, levels):
    """The parity of the photons is conserved: of an even number of levels the last stays empty."""
    a, up, found = th.destroy(1), th.create(1), []
    for n in (levels, 40):
        H = 0.6 * th.sigma("x")(0) + 0.7 * (th.sigma("+")(0) * a * a + th.sigma("-")(0) * up * up)
        H = H + 0.9 * (a * a + up * up)
        model = th.Model([*th.spins(1), *th.modes(1, fock_dim=n)], H, [th.Jump(0.5 * a * a)])
        state = th.product_state(model, spins=[1], alpha=[0.0])
        with pytest.warns(th.TruncationWarning) if n == levels else nullcontext():
            found.append(th.evolve(model, state, [0.5, 1.5], observables=["occupation", "sigma_z"],
                                   method=method if n == levels else "Exact"))  # fmt: skip
    for name in ("occupation", "sigma_z"):
        error = np.abs(found[0].expect[name] - found[1].expect[name])
        assert (error <= found[0].errors[name]).all(), name
