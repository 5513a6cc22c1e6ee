"""Eqs. (13)-(16) of docs/physics.md: exact equations of one spin, at any N, J, temperature and field."""

import numpy as np
import pytest

import tnhop as th
from zoo import (
    configurations,
    derivative,
    embed,
    flipped,
    gaussian_couplings,
    patterns,
    random_state,
)

N = 4
BETA, OMEGA, FIELD = (
    9 / 7,
    np.array([3 / 7, 2 / 5, 5 / 9, 1 / 3]),
    np.array([1 / 5, -2 / 7, 0, 3 / 11]),
)
ACCURACY = 1e-12  # rounding of sums of a few hundred numbers of order 1
S = configurations(N)
PAULI = {"x": np.array([[0, 1], [1, 0]]), "y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1, -1])}


def pair_case(J):
    model = th.open_hopfield(
        patterns(2, N), beta=BETA, Omega=OMEGA, longitudinal=FIELD, couplings=J
    )
    return model, S @ J.T


def dense_case(degree):
    xi = patterns(3, N)
    model = th.dense_hopfield(xi, degree=degree, beta=BETA, Omega=OMEGA, longitudinal=FIELD)
    E = -N / degree * ((S @ xi.T / N) ** degree).sum(axis=1)
    h = np.array(
        [[S[i, k] * (E[flipped(i, k, N)] - E[i]) / 2 for k in range(N)] for i in range(2**N)]
    )
    return model, h


CASES = {
    "Hebb": pair_case(th.hebb(patterns(2, N))),
    "asymmetric": pair_case(gaussian_couplings(N)),
    "dense, n = 3": dense_case(3),
    "dense, n = 5": dense_case(5),
}
every_case = pytest.mark.parametrize(("model", "h"), CASES.values(), ids=CASES.keys())


def setup(model, rng):
    rho = random_state(2**N, rng)
    change = derivative(model, rho)
    s = {(a, k): embed((2,) * N, {k: PAULI[a]}).toarray() for a in "xyz" for k in range(N)}
    return rho, lambda O: np.trace(O @ change).real, s


def dephasing_operator(h, k):
    """Return G_k of Eq. (16) as a diagonal, shape (2**N,)."""
    G = np.zeros(2**N)
    for i, s in enumerate(S):
        up, down = (i, flipped(i, k, N)) if s[k] == 1 else (flipped(i, k, N), i)
        for j in set(range(N)) - {k}:
            for sign in (1, -1):
                rate = [1 / (1 + np.exp(-2 * sign * BETA * h[c, j])) for c in (up, down)]
                G[i] += 0.5 * (np.sqrt(rate[0]) - np.sqrt(rate[1])) ** 2 * (1 - sign * s[j]) / 2
    return G


@every_case
def test_magnetisation_obeys_its_equation(model, h, rng):
    rho, rate, s = setup(model, rng)
    for k in range(N):
        mean = lambda O: np.trace(O @ rho).real  # noqa: E731
        expected = (
            2 * OMEGA[k] * mean(s["y", k])
            + mean(np.diag(np.tanh(BETA * h[:, k])))
            - mean(s["z", k])
        )
        assert rate(s["z", k]) == pytest.approx(expected, abs=ACCURACY)


@every_case
def test_transverse_components_obey_their_equations(model, h, rng):
    rho, rate, s = setup(model, rng)
    mean = lambda O: np.trace(O @ rho).real  # noqa: E731
    for k in range(N):
        G = np.diag(dephasing_operator(h, k))
        x, y, z = (s[a, k] for a in "xyz")
        dy = 2 * FIELD[k] * mean(x) - 2 * OMEGA[k] * mean(z) - mean(y) / 2 - mean(G @ y)
        dx = -2 * FIELD[k] * mean(y) - mean(x) / 2 - mean(G @ x)
        assert rate(y) == pytest.approx(dy, abs=ACCURACY)
        assert rate(x) == pytest.approx(dx, abs=ACCURACY)


def test_back_action_is_of_order_one_over_n():
    """At fixed p the dephasing operator vanishes like 1/N."""
    largest = []
    for n in (4, 8):
        h = configurations(n) @ th.hebb(np.ones((1, n), dtype=int)).T
        amplitude = lambda f, sign: np.sqrt(1 / (1 + np.exp(-2 * sign * BETA * f)))  # noqa: E731
        i, j = 0, 2 ** (n - 1)  # all up, and spin 0 flipped
        gaps = [amplitude(h[i, 1], sign) - amplitude(h[j, 1], sign) for sign in (1, -1)]
        largest.append((n - 1) * 0.5 * max(g**2 for g in gaps))
    assert largest[1] < 0.6 * largest[0]
