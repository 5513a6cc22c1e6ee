"""Result: labels, tables, error budgets, files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnhop as th
from zoo import ZOO, tilted

MODEL = ZOO["multimode_dicke: two modes"]


@pytest.fixture
def result():
    with pytest.warns(th.TruncationWarning):
        return th.evolve(MODEL, tilted(MODEL), [0.0, 0.5, 1.5], method="Exact")


def test_dataset_is_labelled(result):
    data = result.to_xarray()
    assert data["sigma_z"].dims == ("time", "site")
    assert data["occupation"].dims == ("time", "mode")
    assert data["site"].values.tolist() == [0, 1]
    np.testing.assert_array_equal(data["time"], [0.0, 0.5, 1.5])
    np.testing.assert_array_equal(data["alpha_re"] + 1j * data["alpha_im"], result.expect["alpha"])
    np.testing.assert_array_equal(data["occupation_error"], result.errors["occupation"])


def test_dataframe_has_one_column_per_number(result):
    frame = result.to_dataframe()
    assert frame.index.name == "time"
    np.testing.assert_array_equal(frame["sigma_z[1]"], result.expect["sigma_z"][:, 1])


def test_repr_shows_values_with_their_errors(result):
    text = repr(result)
    assert "multimode_dicke: 2 spins, 2 modes (4, 3 levels)" in text
    assert "Exact(tolerance=1e-10" in text
    assert (
        f"{result.expect['occupation'][-1, 1]:+.8f} ± {result.errors['occupation'][-1, 1]:.1e}"
        in text
    )


def test_unknown_errors_are_called_unknown():
    model = ZOO["open_hopfield: Hebb"]
    assert "± unknown" in repr(th.evolve(model, tilted(model), [0.5], method="MeanField"))


numbers = st.floats(0, 1e3, allow_nan=False)


@given(numbers, numbers, numbers)
@settings(derandomize=True)
def test_systematic_errors_add_and_sampling_adds_in_quadrature(a, b, s):
    budget = th.ErrorBudget(
        {"m": {"time_step": np.array(a), "fock_tail": np.array(b), "sampling": np.array(s)}}
    )
    assert budget["m"] == pytest.approx(np.hypot(a + b, s))


def test_unknown_source_makes_the_total_unknown():
    budget = th.ErrorBudget({"m": {"time_step": np.array(0.1), "closure": np.array(np.nan)}})
    assert np.isnan(budget["m"])
    assert list(budget) == ["m"]
    assert len(budget) == 1


def test_unknown_observable_in_the_budget_is_refused(result):
    with pytest.raises(ValueError, match=r"but it is 'occupations'. Did you mean 'occupation'"):
        result.errors["occupations"]


@pytest.mark.parametrize(
    ("bars", "verdict"), [(0.2, "agree"), (0.01, "DISAGREE"), (np.nan, "uncontrolled")]
)
def test_comparison_judges_by_the_bars(result, bars, verdict):
    from dataclasses import replace

    one = replace(result, expect={"sigma_z": np.zeros((3, 2))},
                  errors=th.ErrorBudget({"sigma_z": {"time_step": np.full((3, 2), bars)}}))  # fmt: skip
    other = replace(one, expect={"sigma_z": np.full((3, 2), 0.1)})
    assert th.Comparison((one, other)).table().endswith(verdict)


def test_steady_state_and_spectrum_describe_themselves():
    model = ZOO["open_hopfield: Hebb"]
    steady = repr(th.steady_state(model))
    assert "converged, residual" in steady
    assert "multiplicity 1" in steady
    assert "residual" in repr(th.liouvillian_spectrum(model, 3))


def test_gap_is_unknown_if_only_zero_was_computed():
    assert np.isnan(th.liouvillian_spectrum(ZOO["open_hopfield: Hebb"], 1).gap)


def test_file_can_be_read_without_tnhop(result, tmp_path):
    import xarray as xr

    with xr.open_dataset(result.save(tmp_path / "run.h5"), engine="h5netcdf") as data:
        np.testing.assert_array_equal(data["sigma_z"], result.expect["sigma_z"])
        assert "multimode_dicke" in str(data.attrs)


def test_loaded_result_goes_on(result, tmp_path):
    loaded = th.load(result.save(tmp_path / "run.h5"))
    with pytest.warns(th.TruncationWarning):
        runs = [th.evolve(r.model, r.final_state, [0.3], method=r.method) for r in (result, loaded)]
    np.testing.assert_array_equal(runs[0].expect["alpha"], runs[1].expect["alpha"])
    assert repr(loaded) == repr(result)


def test_own_observables_survive_the_file(tmp_path):
    model = ZOO["open_hopfield: Hebb"]
    own = th.Observable(
        "pairs",
        [th.sigma("+")(0) * th.sigma("-")(1), th.sigma("z")(2)],
        dims="which",
        coords={"which": ["swap", "z"]},
    )
    r = th.evolve(
        model, tilted(model), [0.5], method="Exact", observables=[own, "overlap_distribution"]
    )
    loaded = th.load(r.save(tmp_path / "run.h5"))
    assert loaded.observables == r.observables
    np.testing.assert_array_equal(loaded.expect["pairs"], r.expect["pairs"])
    assert loaded.to_xarray()["which"].values.tolist() == ["swap", "z"]
