"""Steady states in files; models that travel to other processes."""

import copy
import pickle

import numpy as np
import pytest

import tnhop as th

MODEL = th.open_hopfield([[1, -1, 1, 1]], beta=1.3, Omega=0.4)
MODES = th.dicke(1, g=0.6, omega=1.1, Omega=0.5, loss=0.8, fock_dim=5)


@pytest.mark.parametrize("model", [MODEL, MODES], ids=["spins", "modes"])
@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_a_steady_state_survives_its_file(model, method, tmp_path):
    steady = th.steady_state(model, method=method)
    again = th.load(steady.save(tmp_path / "steady.h5"))
    assert repr(again) == repr(steady)
    assert isinstance(again, th.SteadyState)
    assert again.model == model
    for name, values in steady.expect.items():
        assert again.expect[name].dtype == values.dtype
        np.testing.assert_array_equal(again.expect[name], values)
    for name, array in steady.state.to_arrays().items():
        np.testing.assert_array_equal(again.state.to_arrays()[name], array)


def test_errors_of_a_steady_state_survive(tmp_path):
    method = th.TDVP(dt=0.2)
    steady = th.steady_state(MODEL, observables=["m_z", "m_x"], method=method)
    assert steady.errors is not None
    again = th.load(steady.save(tmp_path / "steady.h5"))
    assert again.errors is not None
    assert again.label == steady.label
    for name in steady.expect:
        np.testing.assert_array_equal(again.errors[name], steady.errors[name])


def test_a_dataset_of_a_steady_state_has_gap_and_labels():
    steady = th.steady_state(MODEL, observables=["m_z", "sigma_z"], method="Exact")
    data = steady.to_xarray()
    assert data["gap"].item() == steady.gap
    assert data["multiplicity"].item() == 1
    assert data["sigma_z"].dims == ("site",)


@pytest.mark.parametrize("model", [MODEL, MODES], ids=["spins", "modes"])
def test_models_can_be_pickled_after_use(model):
    model.select(["trace"])
    state = th.pattern_state(model)
    problem = th.Problem(model, state, [0.0, 1.0])
    for twin in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        assert twin.digest == problem.digest
