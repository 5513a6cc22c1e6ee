"""Chebyshev series: coefficients, spread of the energies, choice, the same steps in any unit."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import expm
from scipy.special import jv

import tnhop as th
from tnhop.solvers.exact.dense_state import DenseState, Lindbladian
from tnhop.solvers.exact.series import Series, energy_spread
from tnhop.solvers.exact.taylor import Allowance, SeriesPropagator
from zoo import scaled


def network(Omega, s=1.0):
    """Return the generator and the start of tilted spins in a field; all rates times s."""
    model = th.open_hopfield(th.random_patterns(2, 4, rng=3), beta=1.7, Omega=Omega)
    model = scaled(model, s)
    state = th.product_state(model, bloch=np.outer([1, 0.8, -1, 0.9], [0.3, 0.2, 0.7]))
    return Lindbladian(model), DenseState.from_product(state, model.dims).packed.ravel()


def run(Omega, times, tolerance=1e-10, s=1.0, pace=()):
    L, x = network(Omega, s)
    rows = sp.csr_array(np.eye(L.size)[:5])
    propagator = SeriesPropagator(L, rows, Allowance(tolerance, s))
    return list(propagator.steps(x, np.asarray(times) / s, *pace))


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, 7.0, 150.0])
def test_coefficients_are_bessel_functions(x):
    series = Series(focus=2.0, length=x)
    expected = jv(np.arange(301), 2 * x) * np.where(np.arange(301) > 0, 2, 1)
    found = series.coefficients(np.ones(1), 300)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_energy_spread_is_that_of_the_eigenvalues(n, rng):
    H = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    H = H + H.conj().T
    exact = np.ptp(np.linalg.eigvalsh(H))
    assert 0.97 * exact <= energy_spread(sp.csr_array(H)) <= (1 + 1e-12) * exact + 1e-14


def test_nothing_is_spread_without_a_hamiltonian():
    assert energy_spread(sp.csr_array((4, 4), dtype=complex)) == 0.0
    assert energy_spread(3.0 * sp.eye_array(4, dtype=complex, format="csr")) < 1e-14


@pytest.mark.parametrize("Omega", [0.0, 0.1])
def test_weak_fields_take_taylor_series(Omega):
    assert all(step.focus == 0.0 for step in run(Omega, [5.0]))


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-12])
def test_strong_fields_take_long_chebyshev_series(tolerance):
    L, x = network(20.0)
    times = np.array([0.0013, 0.4, 1.17, 1.9, 2.0])
    steps = run(20.0, times, tolerance)
    assert all(step.focus > 0.0 for step in steps)
    assert sum(step.n_applications for step in steps) < 2.2 * L.energy_spread * times[-1]
    found = np.concatenate([step.moments for step in steps])
    exact = np.array([(expm(L.matrix().toarray() * t) @ x)[:5] for t in times])
    assert np.abs(found - exact).max() <= tolerance + sum(step.rounding for step in steps)


def test_loose_tolerances_are_cheaper():
    costs = [sum(s.n_applications for s in run(3.0, [10.0], tolerance))
             for tolerance in (1e-3, 1e-7, 1e-12)]  # fmt: skip
    assert costs == sorted(costs)
    assert costs[0] < 0.9 * costs[2]


def test_steps_from_the_middle_have_the_same_bits():
    whole = run(9.0, [4.0])
    L, _ = network(9.0)
    for k in range(len(whole) - 1):
        at = whole[k]
        again = SeriesPropagator(L, sp.csr_array(np.eye(L.size)[:5]), Allowance(1e-10)).steps(
            at.x, np.array([4.0]), at.end, at.length, at.focus, at.longest
        )
        np.testing.assert_array_equal(next(again).x, whole[k + 1].x)


@pytest.mark.parametrize("s", [2.0**40, 2.0**-40])
def test_the_unit_of_rates_changes_no_bit(s):
    ours, scaled = run(9.0, [0.3, 4.0]), run(9.0, [0.3, 4.0], s=s)
    assert [step.degree for step in ours] == [step.degree for step in scaled]
    np.testing.assert_array_equal(ours[-1].x, scaled[-1].x)


def test_steps_with_too_large_terms_are_halved_once():
    """Far outside the ellipse: a mode of the matrix that decays much faster than the mean."""
    A = np.kron(np.diag(np.linspace(0.5, 30, 40)), [[0.0, 1.0], [-1.0, 0.0]]) - 0.3 * np.eye(80)
    A[-1, -1] = A[-2, -2] = -40.0

    class Matrix:
        size = dim = 80
        norm, energy_spread, mean_diagonal = 60.0, 30.0, float(np.trace(A)) / 80

        def apply(self, x, out, half=False):
            out[:] = A @ x
            return out

        def trace_norm(self, x):
            return float(np.abs(x).sum())

    x = np.ones(80) / 80
    steps = list(
        SeriesPropagator(Matrix(), np.eye(80)[:3], Allowance(1e-9)).steps(x, np.array([9.0]))
    )
    exact = expm(9.0 * A) @ x
    reported = 1e-9 + sum(step.rounding for step in steps)
    assert np.abs(steps[-1].x - exact).sum() <= reported
    assert reported < 1e-8
    assert sum(step.n_applications > step.degree for step in steps) <= 2
