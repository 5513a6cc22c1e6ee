"""What interpolated generators do to single spins, and the error bars made of it.

Truth: generators as matrices, interpolated to the default and to the last digit.
"""

import functools

import numpy as np
import pytest
import scipy.linalg as sl

import tnhop as th
from tnhop.solvers.chain.network.field_drift import Configurations
from tnhop.solvers.chain.network.field_table import field_table
from tnhop.solvers.chain.network.mpo import lindblad_mpo

KINDS = ("asymmetric", "zero row", "feed-forward", "antisymmetric")
STEP, TIMES = 0.125, (0.25, 0.5, 1.0, 2.0, 4.0)


def couplings(kind, n, rng):
    J = rng.normal(size=(n, n)) * rng.choice([0.5, 1.0, 2.0]) / np.sqrt(n)
    np.fill_diagonal(J, 0)
    if kind == "zero row":
        J[rng.integers(n)] = 0
    return {"feed-forward": np.tril(J), "antisymmetric": J - J.T}.get(kind, J)


def network(kind, n, rng, beta=None):
    beta = float(rng.choice([0.05, 0.3, 1, 2.5, 10, 50, np.inf])) if beta is None else beta
    Omega = float(10 ** rng.uniform(-2, 2))
    return th.open_hopfield(
        np.ones((1, n)), beta=beta, Omega=Omega, couplings=couplings(kind, n, rng)
    )


def matrices(model, tolerance):
    """Return an interpolated generator, its matrix, and the matrix to the last digit."""
    mpo = lindblad_mpo(model, ordering="natural", tolerance=tolerance, rate_tolerance=0.1)
    sharp = lindblad_mpo(model, ordering="natural", tolerance=1e-10, rate_tolerance=1e-6)
    return mpo, mpo.to_matrix(), sharp.to_matrix()


def one_spin(n, k, *vector):
    """Return the coordinates of one spin as a functional, or a vector, on all of them."""
    factors = [np.array([1.0, 0, 0, 0])] * n
    factors[k] = np.array(vector)
    return functools.reduce(np.kron, factors)


def errors_and_bars(seed):
    """Return errors of all one-spin components at all times, and their bars by the generator."""
    rng = np.random.default_rng([11, seed])
    n = int(rng.integers(2, 5))
    model = network(KINDS[seed % 4], n, rng)
    mpo, A, exact = matrices(model, float(rng.choice([3e-3, 3e-4, 3e-5])))
    steps = sl.expm(A * STEP), sl.expm(exact * STEP)
    start = rng.normal(size=(n, 3))
    bloch = start / np.linalg.norm(start, axis=1, keepdims=True)
    found = truth = functools.reduce(np.kron, [np.array([1.0, *v]) for v in bloch])
    rows = np.array([one_spin(n, k, *e) for k in range(n) for e in np.eye(4)[1:]])
    errors, bars, grown = [], [], 0.0
    for step in range(round(TIMES[-1] / STEP)):
        found, truth = steps[0] @ found, steps[1] @ truth
        values = (rows @ found).reshape(n, 3)  # z, x, y
        grown += STEP * mpo.error_speed(np.sqrt((values[:, 1:] ** 2).sum() / n))
        if (step + 1) * STEP in TIMES:
            errors += np.abs(rows @ (found - truth)).tolist()
            bars += [grown] * len(rows)
    return np.array(errors), np.array(bars)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_bars_of_random_networks():
    """Also where nothing but coherences is interpolated badly."""
    every = [errors_and_bars(seed) for seed in range(12)]
    errors, bars = (np.concatenate(x) for x in zip(*every, strict=True))
    seen = errors > 1e-9  # not rounding
    inside = np.mean(errors[seen] <= bars[seen])
    print(f"{seen.sum()} errors, {inside:.3f} inside, {np.median(bars[seen] / errors[seen]):.0f}")
    assert seen.sum() > 100
    assert inside > 0.97
    assert np.median(bars[seen] / errors[seen]) < 100  # alone; steps and truncation come on top


def test_measured_dephasing_and_own_errors():
    """Against the matrices, on the same configurations."""
    rng = np.random.default_rng(3)
    J = couplings("asymmetric", 4, rng)
    J[0] = 0  # its own jumps are exact, so that the jumps of others alone make its coherence err
    model = th.open_hopfield(np.ones((1, 4)), beta=2.0, Omega=0.3, couplings=J)
    mpo, A, exact = matrices(model, 3e-2)
    at = Configurations(field_table(model, np.arange(4)))
    np.testing.assert_array_equal(at.watched, range(4))
    dephasing = mpo.drift.dephasing.reshape(len(at.types), 4)
    bloch = mpo.drift.bloch.reshape(len(at.types), 4, 3, 4)
    for types, by_others, own in zip(at.types[::7], dephasing[::7], bloch[::7], strict=True):
        spins = [np.array([1.0, 1 - 2 * t, 0, 0]) for t in types]
        coherent = functools.reduce(np.kron, [np.array([0, 0, 1, 1j]), *spins[1:]])
        rate = one_spin(4, 0, 0, 0, 0.5, -0.5j) @ (A - exact) @ coherent
        assert by_others[0] == pytest.approx(rate, abs=1e-9)
        for k in range(4):
            velocity = one_spin(4, k, 0, 1, 0, 0) @ (A - exact) @ functools.reduce(np.kron, spins)
            assert own[k, 0] @ spins[k] == pytest.approx(velocity, abs=1e-9)
    assert np.abs(dephasing[:, 0]).max() > 1e-4
    assert mpo.error_speed(0.0) <= mpo.error_speed(0.5) < mpo.error_speed(1.0)


@pytest.mark.parametrize("method", [th.TDVP(mpo_tolerance=3e-4), th.TEBD(dt=0.02)])
@pytest.mark.parametrize("seed", range(2))
def test_two_spins_at_high_temperature(method, seed):
    """Rates hardly depend on fields, and are interpolated well: coherences err."""
    rng = np.random.default_rng(seed)
    model = network(KINDS[seed], 2, rng, beta=0.05)
    start = th.product_state(model, bloch=[[0.6, 0, 0.8], [0, 0.8, -0.6]])
    names = ["sigma_x", "sigma_y", "sigma_z"]
    run, exact = (
        th.evolve(model, start, [0.5, 1.0, 2.0], observables=names, method=m, progress=False)
        for m in (method, th.Exact(tolerance=1e-12))
    )
    for name in names:
        assert (np.abs(run.expect[name] - exact.expect[name]) <= run.errors[name] + 1e-12).all()


def test_interpolation_is_kept_for_other_hamiltonians():
    xi = th.random_patterns(2, 6, rng=1)
    weak, strong, cold = (
        lindblad_mpo(th.open_hopfield(xi, beta=beta, Omega=Omega), tolerance=1e-3)
        for beta, Omega in ((2.0, 0.1), (2.0, 3.0), (2.5, 0.1))
    )
    assert strong.drift is weak.drift
    assert cold.drift is not weak.drift
