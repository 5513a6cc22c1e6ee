"""Interpolative decompositions in the maximum norm, against searches through all numbers."""

import numpy as np
import pytest

from tnhop.solvers.chain.network.field_table import hermitian_parts
from tnhop.solvers.chain.network.minimax import _fewest, interpolative_decomposition


def functions(seed: int, accepted: float, phase: float):
    """Products of amplitudes at two fields, by (ket, bra) configuration, over the accepted error."""
    rng = np.random.default_rng(seed)
    ket = rng.uniform(-1, 1, 60)
    bra = np.where(rng.random(60) < 0.4, ket, rng.uniform(-1, 1, 60))
    bra[0] = ket[0]  # the reference is a population
    x, y = rng.uniform(-1, 1, (2, 90))

    def product(first, second):
        a, b = ket[:, None] + first, bra[:, None] + second
        return np.exp(1j * phase * (a - b)) / np.sqrt((1 + np.exp(3 * a)) * (1 + np.exp(3 * b)))

    V = np.concatenate(list(hermitian_parts(product(x, y), product(y, x))), axis=1) / accepted
    return V - V[0], ket == bra


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("phase", [0.0, 0.7])
def test_all_rows_follow_from_few(seed, phase):
    V, population = functions(seed, 1e-4, phase)
    chosen, rows, weights, error = interpolative_decomposition(V, population)
    values = np.concatenate([V.real, V.imag])[chosen]
    parts = rows @ values
    missing = V - weights @ parts
    assert len(rows) < 0.6 * len(V)
    assert max(np.abs(missing.real).max(), np.abs(missing.imag).max()) == pytest.approx(error)
    assert error <= 1
    of_coherences = np.flatnonzero((rows[:, ~np.isin(chosen % len(V), np.flatnonzero(population))]
                                    != 0).any(axis=1))  # fmt: skip
    assert not weights[np.ix_(population, of_coherences)].any()


@pytest.mark.parametrize("seed", range(6))
def test_the_fewest_parts_are_those_of_a_search(seed):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    parts = rng.normal(size=(25, 40)) * 10.0 ** -np.linspace(0, rng.uniform(3, 8), 40)

    def is_enough(n: int) -> bool:
        tried.append(n)
        return bool(np.abs(parts[:, n:] @ basis[n:]).max() <= accuracy)

    accuracy, tried = 10.0 ** -rng.uniform(1, 3), []
    expected = next(n for n in range(41) if is_enough(n))
    tried.clear()
    assert _fewest(is_enough, parts, 40, accuracy) == expected
    assert len(tried) < 6
