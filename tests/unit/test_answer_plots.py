"""Figures of stationary states, spectra and correlations."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import tnhop as th

MODEL = th.open_hopfield([[1, 1, -1, 1], [1, -1, -1, -1]], beta=1.3, Omega=0.4, longitudinal=0.2)
NAMES = ["m_x", "m_z", "sigma_z", "sigma_zz", "overlap_distribution", "purity", "overlap_moments"]


@pytest.fixture(scope="module")
def steady():
    return th.steady_state(MODEL, observables=NAMES, method="Exact")


@pytest.fixture
def ax():
    return Figure().subplots()


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts() if text.get_text().strip()]


def caption(ax):
    return ax.get_legend().get_title().get_text()


def points(ax):
    return [line for line in ax.lines if line.get_linestyle() == "None"]


def test_steady_overlaps_are_points_over_the_patterns(steady, ax):
    steady.plot(ax)
    x, z = points(ax)
    np.testing.assert_array_equal(x.get_ydata(), steady.expect["m_x"])
    np.testing.assert_array_equal(z.get_ydata(), steady.expect["m_z"])
    assert ax.get_xlabel() == "pattern"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "1"]
    assert entries(ax) == ["$m_x$", "$m_z$"]
    assert caption(ax) == "Exact; error bars, at least 95 %"


def test_steady_error_bars_have_their_length(ax):
    pair = th.open_hopfield([[1, 1], [1, -1]], beta=1.3, Omega=0.4, longitudinal=0.2)
    steady = th.steady_state(pair, observables=["m_z", "m_x"], method=th.TDVP(dt=0.2))
    assert min(steady.errors["m_z"].min(), steady.errors["m_x"].min()) > 0
    steady.plot(ax)
    lengths = [
        segment[1, 1] - segment[0, 1] for c in ax.collections for segment in c.get_segments()
    ]
    expected = np.concatenate([2 * steady.errors[name] for name in ("m_x", "m_z")])
    np.testing.assert_allclose(lengths, expected, rtol=1e-9)
    assert caption(ax) == "TDVP; error bars, at least 95 %"


def test_different_kinds_stand_side_by_side(steady, ax):
    steady.plot(ax, observables=["m_z", "purity"])
    assert [text.get_text() for text in ax.get_xticklabels()] == [
        "$m_z$ 0", "$m_z$ 1", r"tr $\rho^2$",
    ]  # fmt: skip


def test_many_sites_have_few_ticks(ax):
    n = 40
    model = th.open_hopfield(np.ones((1, n), dtype=int), beta=1.3)
    steady = th.steady_state(model, observables="sigma_z", method="ClassicalMaster")
    steady.plot(ax)
    assert len(points(ax)[0].get_xdata()) == n
    assert len(ax.get_xticks()) == 7


def test_distributions_are_curves_and_correlations_a_matrix(steady):
    ax = steady.plot(Figure().subplots(), observables=["overlap_distribution"])
    values = steady.expect["overlap_distribution"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), values[1])
    assert ax.get_xlabel() == "overlap"
    ax = steady.plot(Figure().subplots(), observables="sigma_zz")
    matrix = np.asarray(ax.collections[0].get_array()).reshape(4, 4)
    np.testing.assert_array_equal(matrix, steady.expect["sigma_zz"])


def test_two_labels_are_drawn_alone(steady, ax):
    with pytest.raises(ValueError, match="'sigma_zz' has 2"):
        steady.plot(ax, observables=["m_z", "sigma_zz"])
    with pytest.raises(ValueError, match="Did you mean 'purity'"):
        steady.plot(ax, observables=["puriti"])


def test_complex_steady_observables_have_two_parts(ax):
    model = th.dicke(1, g=0.6, omega=1.1, Omega=0.5, loss=0.8, fock_dim=6)
    steady = th.steady_state(model, method="Exact")
    steady.plot(ax, observables=["alpha"])
    real, imaginary = points(ax)
    alpha = steady.expect["alpha"]
    np.testing.assert_array_equal(
        [real.get_ydata(), imaginary.get_ydata()], [alpha.real, alpha.imag]
    )
    assert "amplitude" in ax.get_ylabel()


def test_spectrum_lies_in_the_complex_plane(ax):
    spectrum = th.liouvillian_spectrum(MODEL, 6)
    spectrum.plot(ax)
    decaying, stationary = points(ax)
    rest = spectrum.eigenvalues[1:]
    np.testing.assert_array_equal(decaying.get_xdata(), rest.real)
    np.testing.assert_array_equal(decaying.get_ydata(), rest.imag)
    assert abs(stationary.get_xdata()[0]) < 1e-9
    assert entries(ax)[-1] == f"gap {spectrum.gap:.4g}"
    assert any(line.get_xdata()[0] == -spectrum.gap for line in ax.lines)


def test_copies_of_an_eigenvalue_are_counted(ax):
    th.liouvillian_spectrum(th.independent_spins(2, decay=0.6), 5).plot(ax)
    assert [text.get_text() for text in ax.texts] == ["×4"]
    low, high = ax.get_ylim()
    assert (low, high) == (-1.0, 1.0)  # all real: rounding does not make a plane


def test_spectrum_without_gap_has_no_line_for_it(ax):
    th.liouvillian_spectrum(MODEL, 1).plot(ax)
    assert entries(ax) == ["stationary", "decaying"]


def test_correlation_is_drawn_over_the_delay(ax):
    model = th.independent_spins(1, decay=0.6, Omega=0.3)
    up = th.product_state(model, spins=[1])
    C = th.correlation(model, up, [0.0, 1.0, 2.0], th.sigma("-")(0), th.sigma("+")(0))
    C.plot(ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), C.values.real)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), C.values.imag)
    assert ax.get_xlabel().startswith("delay $t$")
    assert entries(ax) == ["Re $C(t)$", "Im $C(t)$", "Exact"]


def test_answers_are_drawn_in_the_width_of_a_column(steady):
    spectrum = th.liouvillian_spectrum(MODEL, 6)
    for ax in (steady.plot(width="column"), spectrum.plot(width="column")):
        ax.figure.draw_without_rendering()
        assert ax.figure.get_size_inches()[0] == 3.4
        assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1
        plt.close(ax.figure)
