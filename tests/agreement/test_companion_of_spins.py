"""Bars of TDVP where a Hamiltonian entangles spins: what was dropped comes back to single spins."""

import numpy as np
import pytest

import tnhop as th

TIMES = [0.4, 0.8, 1.2, 2.0, 3.0]
NAMES = ["sigma_x", "sigma_y", "sigma_z"]


def pure(model, rng):
    bloch = rng.normal(size=(model.n_spins, 3))
    return th.product_state(model, bloch=bloch / np.linalg.norm(bloch, axis=1, keepdims=True))


def glass(rng):
    """Random Ising couplings in a transverse field, with decay."""
    J = np.triu(0.7 * rng.normal(size=(5, 5)), 1)
    return th.long_range_ising(J + J.T, Omega=0.6, decay=0.2)


def pairs(rng):
    """All pairs of Pauli operators, and fields."""
    letters = [th.sigma(axis) for axis in "xyz"]
    terms = [0.3 * rng.normal() * a(i) * b(j)
             for i in range(4) for j in range(i) for a in letters for b in letters]  # fmt: skip
    terms += [0.5 * rng.normal() * a(i) for i in range(4) for a in letters]
    jumps = [th.Jump(0.5 * th.sigma("-")(k)) for k in range(4)]
    return th.Model(th.spins(4), th.Operator.sum(terms), jumps)


def triples(rng):
    """Terms of three spins, and jumps that act on two at once."""
    letters = [th.sigma(axis) for axis in "xyz"]
    picked = rng.integers(0, 3, (4, 3))
    terms = [0.4 * rng.normal() * letters[a](i) * letters[b]((i + 1) % 4) * letters[c]((i + 2) % 4)
             for i, (a, b, c) in enumerate(picked)]  # fmt: skip
    terms += [0.5 * rng.normal() * a(i) for i in range(4) for a in letters]
    lower, phase = th.sigma("-"), th.sigma("z")
    jumps = [th.Jump((0.4 + 0.2j) * lower(k) + 0.3j * phase((k + 1) % 4)) for k in range(4)]
    return th.Model(th.spins(4), th.Operator.sum(terms), jumps)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("make", "options", "seeds"),
    [
        (glass, {}, 2), (pairs, {}, 2),
        *(pytest.param(make, options, 6, marks=SLOW) for make in (glass, pairs, triples)
          for options in ({}, {"dt": 0.1}, {"sites": 2}, {"cutoff": 1e-4})),
    ],
)  # fmt: skip
def test_bars_hold_the_errors(make, options, seeds):
    inside, ratios = [], []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 71])
        model = make(rng)
        start = pure(model, rng)
        exact, chain = (
            th.evolve(model, start, TIMES, observables=NAMES, method=method)
            for method in (th.Exact(1e-12), th.TDVP(**options))
        )
        for name in NAMES:
            error = np.abs(chain.expect[name] - exact.expect[name])
            inside.append(error <= chain.errors[name])
            ratios.append(chain.errors[name].max() / error.max())
    assert np.mean(inside) > 0.95
    assert np.median(ratios) < 60  # and they are not wide for nothing


def test_fields_alone_need_no_other_chain():
    method, xi = th.TDVP(), [[1, -1, 1], [1, 1, -1]]
    assert not method.has_companion(th.open_hopfield(xi, beta=2.0, Omega=0.4))
    assert method.has_companion(th.hebbian_ising(xi, Omega=0.4))
    assert not th.TDVP(companion=False).has_companion(th.hebbian_ising(xi, Omega=0.4))
