"""Tidy data frames: every number once, with its labels and its error."""

import numpy as np
import pytest

import tnhop as th
from zoo import ZOO, tilted

HOPFIELD = ZOO["open_hopfield: Hebb"]
DICKE = ZOO["multimode_dicke: two modes"]


@pytest.fixture(scope="module")
def dicke():
    with pytest.warns(th.TruncationWarning):
        return th.evolve(DICKE, tilted(DICKE), [0.0, 0.5, 1.5], method="Exact")


def test_every_number_of_a_result_is_a_row(dicke):
    frame = dicke.to_dataframe(tidy=True)
    assert list(frame.columns) == [
        "method", "observable", "site", "mode", "time", "value", "error", "determined",
    ]  # fmt: skip
    assert frame["determined"].all()
    parts = sum(v.size * (2 if np.iscomplexobj(v) else 1) for v in dicke.expect.values())
    assert len(frame) == parts
    assert set(frame["method"]) == {"Exact"}


def test_rows_carry_their_labels_and_errors(dicke):
    frame = dicke.to_dataframe(tidy=True)
    row = frame[
        (frame["observable"] == "occupation") & (frame["mode"] == 1) & (frame["time"] == 0.5)
    ]
    assert row["value"].item() == dicke.expect["occupation"][1, 1]
    assert row["error"].item() == dicke.errors["occupation"][1, 1]
    assert row["site"].isna().all()
    imaginary = frame[frame["observable"] == "alpha_im"]
    np.testing.assert_array_equal(imaginary["value"], dicke.expect["alpha"].imag.ravel())
    np.testing.assert_array_equal(imaginary["error"], dicke.errors["alpha"].ravel())


def test_two_labels_are_two_columns():
    steady = th.steady_state(HOPFIELD, observables=["sigma_zz", "overlap_distribution"])
    frame = steady.to_dataframe()
    pairs = frame[frame["observable"] == "sigma_zz"].pivot(
        index="site", columns="site_2", values="value"
    )
    np.testing.assert_array_equal(pairs.to_numpy(float), steady.expect["sigma_zz"])
    probability = frame[frame["observable"] == "overlap_distribution"]
    assert probability.groupby("pattern")["value"].sum().to_numpy() == pytest.approx(1.0)


def test_steady_states_say_their_quality():
    steady = th.steady_state(HOPFIELD, observables=["m_z", "purity"], method="Exact")
    frame = steady.to_dataframe()
    assert list(frame.columns) == [
        "method", "observable", "pattern", "value", "error", "determined",
    ]  # fmt: skip
    assert frame.attrs["gap"] == steady.gap
    assert frame.attrs["multiplicity"] == 1
    assert "hbar" in frame.attrs["time"]
    assert frame.attrs["gap_error"] == steady.gap_error > 0
    assert frame["error"][0] == steady.errors["m_z"][0] > 0


def test_spectra_have_rates_and_frequencies():
    spectrum = th.liouvillian_spectrum(HOPFIELD, 4)
    frame = spectrum.to_dataframe()
    columns = ["method", "index", "decay_rate", "frequency", "error", "residual"]
    assert list(frame.columns) == columns
    np.testing.assert_array_equal(frame["error"], spectrum.errors)
    found = -frame["decay_rate"] + 1j * frame["frequency"]
    np.testing.assert_array_equal(found, spectrum.eigenvalues)
    expected = {"gap": spectrum.gap, "gap_error": spectrum.gap_error, "multiplicity": 1}
    assert frame.attrs == expected
    assert spectrum.to_xarray()["imag"].values.tolist() == spectrum.eigenvalues.imag.tolist()


def test_correlations_have_two_parts_over_the_delay():
    model = th.independent_spins(1, decay=0.6)
    up = th.product_state(model, spins=[1])
    C = th.correlation(model, up, [0.0, 1.0], th.sigma("-")(0), th.sigma("+")(0))
    frame = C.to_dataframe()
    assert frame["observable"].tolist() == ["correlation_re"] * 2 + ["correlation_im"] * 2
    assert frame["time"].tolist() == [0.0, 1.0] * 2
    np.testing.assert_array_equal(frame["value"][:2], C.values.real)
    np.testing.assert_array_equal(frame["error"][2:], C.errors)


def test_comparisons_are_one_frame_of_all_methods():
    start = tilted(HOPFIELD)
    methods = [th.Exact(), th.Exact(tolerance=1e-8), "MeanField"]
    both = th.compare(HOPFIELD, start, [0.5, 1.0], methods=methods, observables="m_z")
    frame = both.to_dataframe()
    assert frame["method"].unique().tolist() == ["Exact 1", "Exact 2", "MeanField"]
    last = frame[frame["method"] == "MeanField"]
    np.testing.assert_array_equal(last["value"], both.results[2].expect["m_z"].ravel())
    assert last["error"].isna().all()
    assert "95 %" in frame.attrs["error"]


def test_labels_may_be_texts():
    own = th.Observable(
        "pair", [th.sigma("z")(0), th.sigma("z")(1)], dims="end", coords={"end": ["left", "right"]}
    )
    result = th.evolve(HOPFIELD, tilted(HOPFIELD), [0.5], observables=[own, "m_z"], method="Exact")
    frame = result.to_dataframe(tidy=True)
    assert frame["end"].dropna().tolist() == ["left", "right"]
    assert frame["pattern"].dropna().tolist() == [0, 1]
