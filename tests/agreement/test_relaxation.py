"""Stationary states by long evolution: values, bars, residuals, and what they are called."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.mpo import lindblad_mpo
from tnhop.solvers.chain.steady_state import residual
from zoo import patterns, tilted

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
NAMES = ["m_x", "m_y", "m_z", "sigma_zz", "energy"]


def inside(found, reference):
    """Compare within the reported error."""
    for name in NAMES:
        distance = np.abs(found.expect[name] - reference.expect[name])
        assert np.all(distance <= found.errors[name] + 1e-9), name


def test_unique_stationary_state():
    model = th.open_hopfield(patterns(3, 5), beta=6 / 5, Omega=2 / 5)
    found = th.steady_state(model, state=tilted(model), observables=NAMES, method=th.TDVP())
    exact = th.steady_state(model, observables=NAMES, method="Exact")
    inside(found, exact)
    assert found.converged
    assert found.multiplicity == 1
    assert found.label.endswith("the same from the maximally mixed state")
    assert found.label in repr(found)
    assert found.weighted_residual < 1e-3
    assert max(float(np.abs(found.expect[n] - exact.expect[n]).max()) for n in NAMES) < 1e-4
    # the rate is that of the slowest decay seen: a symmetry may hide the slowest of all
    assert found.stats["relaxation_rate"] > 0.5 * exact.gap


@pytest.mark.parametrize("n", [1, 2])
def test_few_spins_with_their_closed_form(n):
    rates = {"decay": 5 / 7, "pumping": 1 / 3, "dephasing": 1 / 9}
    model = th.independent_spins(n, **rates)
    found = th.steady_state(model, observables="sigma_z", method=th.TDVP())
    truth = (rates["pumping"] - rates["decay"]) / (rates["pumping"] + rates["decay"])
    assert (np.abs(found.expect["sigma_z"] - truth) <= found.errors["sigma_z"]).all()
    assert found.converged


def test_the_mixed_state_is_compared_with_another_one():
    model = th.hebbian_ising(patterns(1, 3), Omega=2 / 5, decay=1 / 2, pumping=1 / 7)
    mixed = th.product_state(model, bloch=np.zeros((3, 3)))
    found = th.steady_state(model, state=mixed, observables=NAMES, method=th.TDVP())
    assert found.label.endswith("the same from the polarised state")


def test_no_start_is_needed():
    model = th.hebbian_ising(patterns(1, 4), Omega=2 / 5, decay=1 / 2, pumping=1 / 7)
    found = th.steady_state(model, observables=NAMES, method=th.TDVP())
    inside(found, th.steady_state(model, observables=NAMES, method="Exact"))
    assert found.converged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "label"),
    # the first one moves at the rate of its gap, 6e-4, all the time; the other one too slowly to see
    [(4.0, "not relaxed after t = "), (8.0, "metastable or one of several: stationary to t = ")],
)
def test_metastable_states_are_not_called_converged(beta, label):
    model = th.open_hopfield(patterns(1, 8), beta=beta, Omega=1 / 20)
    start = th.pattern_state(model, overlap=0.9)
    found = th.steady_state(model, state=start, observables=NAMES, method=th.TDVP(cutoff=1e-4))
    assert not found.converged
    assert found.multiplicity == 0
    assert found.label.startswith(label)
    assert found.expect["m_z"][0] > 0.3
    assert abs(th.steady_state(model, observables=NAMES, method="Exact").expect["m_z"][0]) < 1e-6


def test_residuals_are_those_of_the_dense_generator():
    model = th.open_hopfield(patterns(2, 5), beta=3 / 2, Omega=2 / 5)
    state = th.evolve(model, tilted(model), [0.5], method=th.TDVP()).final_state
    mpo = lindblad_mpo(model, epsilon=state.epsilon, ordering=state.order)
    vector = np.ones((1, 1))
    for A in state.tensors:
        vector = np.tensordot(vector, A, (-1, 0)).reshape(-1, A.shape[2])
    image = mpo.to_matrix() @ vector.ravel()
    flat = np.ones(1)
    for basis in mpo.bases:
        flat = np.kron(flat, np.linalg.norm(basis.matrices, axis=(1, 2)))
    for weighted, scale in ((True, 1.0), (False, flat)):
        exact = np.linalg.norm(image * scale) / np.linalg.norm(vector.ravel() * scale)
        assert residual(mpo, state, weighted) == pytest.approx(exact, rel=0.3)
