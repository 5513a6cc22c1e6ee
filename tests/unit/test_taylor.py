"""Series of the shifted generator: steps, outputs inside steps, error bounds."""

import numpy as np
import pytest
from scipy.linalg import expm

from tnhop.solvers.exact.taylor import Allowance, SeriesPropagator


class Matrix:
    """A dense matrix as a generator; the trace norm is that of a diagonal state."""

    def __init__(self, A):
        self.A, self.size, self.dim = A, len(A), len(A)
        self.norm = max(8.0, 2 * np.linalg.norm(A, 2))  # of the first step
        self.mean_diagonal = float(np.trace(A)) / len(A)
        self.energy_spread = float(np.ptp(np.linalg.eigvals((A - A.T) / 2).imag) / 2)

    def apply(self, x, out, half=False):
        out[:] = self.A @ x
        return out

    def accumulate(self, weights, x, rows):
        rows += np.multiply.outer(weights, x)

    def trace_norm(self, x):
        return float(np.abs(x).sum())


@pytest.fixture(params=["damped", "rotating"])
def generator(rng, request):
    """Return a stable random matrix that is not normal; its spectrum is a disc or a tall ellipse."""
    A = rng.standard_normal((12, 12))
    if request.param == "rotating":
        A = 4 * (A - A.T) + A / 4
    return A - (np.linalg.eigvals(A).real.max() + 0.2) * np.eye(12)


def propagator(A, tolerance=1e-11, rows=None, max_states=0):
    rows = np.eye(len(A))[:3] if rows is None else rows
    return SeriesPropagator(Matrix(A), rows, Allowance(tolerance), max_states)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9, 1e-12])
def test_state_equals_the_matrix_exponential_within_the_reported_error(generator, tolerance, rng):
    x, t = rng.standard_normal(12), 3.7
    steps = list(propagator(generator, tolerance).steps(x.copy(), np.array([t])))
    exact = expm(generator * t) @ x
    # errors of earlier steps are propagated by a norm that may exceed 1 on the way
    growth = max(np.linalg.norm(expm(generator * s), 2) for s in np.linspace(0, t, 40))
    reported = Allowance(tolerance).between(0, t) + sum(step.rounding for step in steps)
    assert np.linalg.norm(steps[-1].x - exact) <= growth * reported + 1e-14
    assert reported <= tolerance + 1e-12
    assert steps[-1].end == t


def test_outputs_inside_steps_are_exact(generator, rng):
    x = rng.standard_normal(12)
    times = np.sort(rng.uniform(0, 5, 57))
    steps = list(propagator(generator).steps(x.copy(), times))
    found = np.concatenate([step.moments for step in steps])
    expected = np.array([(expm(generator * t) @ x)[:3] for t in times])
    assert len(steps) < len(times)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("most", [1, 4, 100])
def test_states_inside_steps_are_exact(generator, rng, most):
    x = rng.standard_normal(12)
    times = np.linspace(0.1, 4, 30)
    found = [step.states for step in propagator(generator, max_states=most).steps(x.copy(), times)]
    states = np.concatenate([s for s in found if s is not None])
    expected = np.array([expm(generator * t) @ x for t in times])
    assert max(len(s) for s in found if s is not None) <= most
    np.testing.assert_allclose(states, expected, atol=1e-10)


def test_start_can_be_later_than_zero(generator, rng):
    x = rng.standard_normal(12)
    *_, last = propagator(generator).steps(x.copy(), np.array([2.0]), start=1.3)
    np.testing.assert_allclose(last.x, expm(generator * 0.7) @ x, atol=1e-10)


def test_initial_vector_is_not_changed(generator, rng):
    x = rng.standard_normal(12)
    before = x.copy()
    list(propagator(generator).steps(x, np.array([2.0])))
    np.testing.assert_array_equal(x, before)


def test_too_long_steps_are_halved_until_they_converge(generator, rng):
    x = rng.standard_normal(12)
    *_, last = propagator(100 * generator).steps(x, np.array([0.02]), length=50.0)
    np.testing.assert_allclose(last.x, expm(2 * generator) @ x, atol=1e-10)


def test_zero_generator_keeps_the_state(rng):
    x = rng.standard_normal(5)
    *_, last = propagator(np.zeros((5, 5))).steps(x.copy(), np.array([1e3]))
    np.testing.assert_allclose(last.x, x, atol=1e-12)


def test_cost_grows_with_time_not_with_outputs(generator, rng):
    x = rng.standard_normal(12)
    count = lambda times: sum(  # noqa: E731
        s.n_applications for s in propagator(generator).steps(x.copy(), times)
    )
    assert count(np.linspace(0.01, 10, 1000)) == count(np.array([10.0]))
    assert count(np.array([80.0])) < 12 * count(np.array([10.0]))
