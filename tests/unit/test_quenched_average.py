"""Averages over realisations: means, standard errors, and bars that contain the truth."""

import numpy as np
import pytest
import xarray as xr

import tnhop as th


def ensemble(n, rng, *, spread=0.3, bar=0.0, n_patterns=2):
    values = 0.4 + spread * rng.normal(size=(n, n_patterns))
    bars = np.full((n, n_patterns), bar)
    data = {"m_z": (("rng", "pattern"), values), "m_z_error": (("rng", "pattern"), bars)}
    return xr.Dataset(data, {"rng": range(n), "pattern": range(n_patterns)})


def test_mean_and_standard_error_are_those_of_the_textbook():
    data = ensemble(9, np.random.default_rng(3), bar=0.1)
    x = data["m_z"].values
    mean = th.quenched_average(data, "rng")
    s = x.std(axis=0, ddof=1) / 3
    np.testing.assert_allclose(mean["m_z"], x.mean(axis=0))
    np.testing.assert_allclose(mean["m_z_standard_error"], s)
    np.testing.assert_allclose(mean["m_z_error"], np.hypot(0.1, 2.306004135 * s))  # t for 8
    assert mean["m_z_count"].values.tolist() == [9, 9]


def test_intervals_contain_the_mean_as_often_as_they_say():
    data = ensemble(5, np.random.default_rng(11), n_patterns=800)  # 800 averages of their own
    mean = th.quenched_average(data, "rng")
    inside = (abs(mean["m_z"] - 0.4) <= mean["m_z_error"]).values
    assert inside.shape == (800,)
    assert 0.927 < inside.mean() < 0.973  # 95 %, three standard errors of 800


def test_missing_answers_do_not_count():
    data = ensemble(4, np.random.default_rng(5))
    data["m_z"][2, 0] = np.nan
    mean = th.quenched_average(data, "rng")
    assert mean["m_z_count"].values.tolist() == [3, 4]
    np.testing.assert_allclose(mean["m_z"][0], data["m_z"].values[[0, 1, 3], 0].mean())


def test_one_realisation_has_no_known_error():
    mean = th.quenched_average(ensemble(1, np.random.default_rng(5)), "rng")
    assert np.isnan(mean["m_z_error"]).all()


def test_parts_of_complex_observables_share_their_bar():
    values = np.array([0.1, 0.3])
    data = xr.Dataset(
        {"alpha_re": ("rng", values), "alpha_im": ("rng", -values), "alpha_error": ("rng", values)}
    )
    mean = th.quenched_average(data, "rng")
    assert {"alpha_re_error", "alpha_im_error"} <= set(mean)
    assert float(mean["alpha_im_error"]) > 0.2  # the mean bar is part of it


def test_an_average_over_patterns_of_a_sweep():
    def problem(Omega, rng):
        model = th.open_hopfield(th.random_patterns(2, 4, rng=rng), beta=1.5, Omega=Omega)
        return th.Problem(model, th.pattern_state(model), [0.0, 1.0], ["m_z"])

    data = th.sweep(problem, {"Omega": [0.2, 0.5], "rng": range(2)}, method="Exact", executor=1)
    mean = th.quenched_average(data, "rng")
    assert mean["m_z"].dims == ("Omega", "time", "pattern")
    np.testing.assert_allclose(mean["m_z"], data["m_z"].mean("rng"))
    assert (mean["m_z_error"].sel(time=0.0, pattern=0) < 1e-9).all()  # all start in the pattern
    assert "digest" not in mean


def test_unknown_axes_are_refused():
    with pytest.raises(ValueError, match="Argument `dim` must be one of 'rng', 'pattern'"):
        th.quenched_average(ensemble(2, np.random.default_rng(1)), "seed")


def steady(Omega, rng):
    return th.open_hopfield(th.random_patterns(2, 3, rng=rng), beta=1.5, Omega=Omega)


def evolved(Omega, rng):
    model = th.open_hopfield(th.random_patterns(2, 3, rng=rng), beta=1.5, Omega=Omega)
    return th.Problem(model, th.pattern_state(model, overlap=0.7), [1.0], ["m_z"])


def test_unknown_bars_stay_unknown():
    """Mean field has no bars: rounding errors of an ensemble are none."""
    grid = {"Omega": [0.2, 0.5], "rng": [1, 2]}
    data = th.sweep(evolved, grid, method="MeanField", executor=1)
    assert np.isnan(data["m_z_error"]).all()
    mean = th.quenched_average(data, "rng")
    assert np.isnan(mean["m_z_error"]).all()
    assert np.isfinite(mean["m_z_standard_error"]).all()


def test_an_ensemble_of_steady_states_has_the_gap_and_its_spread():
    grid = {"Omega": [0.2, 0.5], "rng": [1, 2]}
    data = th.sweep(steady, grid, verb="steady_state", method="Exact", executor=1)
    mean = th.quenched_average(data, "rng")
    assert mean["gap_error"].dims == ("Omega",)  # of the ensemble alone
    assert not {"residual_error", "multiplicity_count", "converged_count"} & set(mean)
    for dim in ("pattern", "site", "time"):
        with pytest.raises(ValueError, match="Argument `dim` must be one of 'Omega', 'rng', but"):
            th.quenched_average(data, dim)
    with pytest.raises(TypeError, match="`data` must be a Dataset of a sweep, but"):
        th.quenched_average(data["m_z"], "rng")
