"""Figures: what is drawn, how it is labelled, and that nothing stays open."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tnhop.models import independent_spins, multimode_dicke, open_hopfield
from tnhop.physics.states import pattern_state, product_state
from tnhop.plots.evolution import draw_evolution, draw_run
from tnhop.plots.sweep import draw_sweep
from tnhop.verbs import evolve

XI = np.array([[1, 1, -1, -1], [1, -1, 1, 1]])
TIMES = np.linspace(0, 1, 4)


def run(model, method="Exact", **options):
    if model.patterns is None:
        start = product_state(model, bloch=[0.0, 0.6, 0.8])
    else:
        start = pattern_state(model, overlap=0.7)
    return evolve(model, start, TIMES, method=method, **options).to_xarray()


@pytest.fixture(scope="module")
def both() -> list[xr.Dataset]:
    model = open_hopfield(XI, beta=2.0, Omega=0.3)
    return [run(model), run(model, "MeanField")]


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def legend_of(ax):
    """Return the entries of the legend in the order in which they are read, row by row."""
    legend = ax.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    n_rows = len(texts) // legend._ncols
    rows = [texts[k::n_rows] for k in range(n_rows)]
    return [text for row in rows for text in row if text.strip()]


def caption_of(ax):
    return ax.get_legend().get_title().get_text()


def test_legend_names_patterns_and_methods_once(both, ax):
    draw_evolution(both, ax=ax)
    expected = ["pattern 0", "pattern 1", "Exact", "MeanField (uncontrolled)"]
    assert legend_of(ax) == expected
    assert caption_of(ax) == "error bars, at least 95 %: thinner than the lines"


def test_colour_is_the_pattern_and_style_the_method(both, ax):
    draw_evolution(both, ax=ax)
    curves = [line for line in ax.lines if len(line.get_xdata()) == len(TIMES)]
    assert len(curves) == 4
    assert [line.get_color() for line in curves[:2]] == [line.get_color() for line in curves[2:]]
    assert curves[0].get_linestyle() != curves[2].get_linestyle()


def test_only_known_errors_have_a_band(both, ax):
    draw_evolution(both, ax=ax)
    assert len(ax.collections) == 2  # one per pattern, of Exact alone


def test_band_has_the_width_of_the_error(both, ax):
    data = both[0].copy(deep=True)
    data["m_z_error"][:] = 0.25
    draw_evolution([data], ax=ax)
    low, high = ax.collections[0].get_paths()[0].get_extents().intervaly
    curve = data["m_z"].values[:, 0]
    np.testing.assert_allclose([low, high], [curve.min() - 0.25, curve.max() + 0.25])


def test_several_observables_are_told_apart(both, ax):
    draw_evolution(both[:1], ax=ax, observables=["m_y", "purity"])
    assert legend_of(ax) == ["$m_y$ pattern 0", "$m_y$ pattern 1", r"tr $\rho^2$", "Exact"]


def test_run_draws_overlaps_and_the_image(both):
    figure = draw_run(both)
    overlaps, image = figure.axes[:2]
    assert "m_z" in overlaps.get_ylabel()
    assert image.get_ylabel() == "site $k$"
    assert "open_hopfield: 4 spins, 2 patterns" in figure.get_suptitle()


def test_image_is_gauged_by_the_nearest_pattern(both):
    data = both[0].assign_coords(xi=(("pattern", "site"), XI))
    mesh = draw_run([data]).axes[1].collections[0]
    shown = np.asarray(mesh.get_array()).reshape(4, len(TIMES))
    np.testing.assert_allclose(shown, (data["sigma_z"].values * XI[0]).T)
    np.testing.assert_allclose(shown[:, 0], 0.7)


def test_modes_get_a_panel():
    g = 0.1 * XI / 2
    figure = draw_run([run(multimode_dicke(g, omega=1.0, Omega=0.4, loss=1.0, fock_dim=3))])
    assert any("occupation" in ax.get_ylabel() for ax in figure.axes)


def test_run_without_patterns_draws_magnetisations():
    figure = draw_run([run(independent_spins(2, Omega=0.5, decay=0.2))])
    assert "sigma" in figure.axes[0].get_ylabel()


def test_panels_can_be_chosen(both):
    figure = draw_run(both, observables=["purity", "energy"])
    assert len(figure.axes) == 2


def test_complex_observable_is_drawn_in_two_parts(ax):
    g = 0.1 * XI[:1] / 2
    data = run(multimode_dicke(g, omega=1.0, Omega=0.4, loss=1.0, fock_dim=3))
    draw_evolution([data], ax=ax, observables=["alpha"])
    real, imaginary = r"Re $\langle a\rangle$", r"Im $\langle a\rangle$"
    assert legend_of(ax) == [f"{real} mode 0", f"{imaginary} mode 0", "Exact"]
    assert ax.get_ylabel() == f"amplitude {real}, {imaginary}"


def test_long_names_take_a_second_row(both, ax):
    data = [d.assign_attrs(label=f"a long name of a run {k}") for k, d in enumerate(both)]
    draw_evolution(data, ax=ax)
    runs = ["a long name of a run 0", "a long name of a run 1 (uncontrolled)"]
    assert legend_of(ax) == ["pattern 0", "pattern 1", *runs]
    assert ax.get_legend()._ncols < 4


def test_many_curves_have_a_short_legend(ax):
    data = run(open_hopfield(XI, beta=2.0), observables="sigma_zz")
    draw_evolution([data], ax=ax)
    assert len(legend_of(ax)) == 6
    assert legend_of(ax)[0] == "site 0, site 0"
    assert caption_of(ax).endswith("5 of 16 curves named")


def test_unknown_observable_is_refused_with_a_suggestion(both):
    with pytest.raises(ValueError, match="Did you mean 'purity'"):
        draw_run(both, observables=["puriti"])


def test_datasets_of_different_models_are_refused(both):
    other = run(open_hopfield(XI[:1], beta=2.0))
    with pytest.raises(ValueError, match="must have equal observables"):
        draw_run([both[0], other])


def test_run_opens_no_window(both):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw_run(both)
    assert plt.get_fignums() == before


def test_broad_bands_are_called_bands(both, ax):
    data = both[0].copy(deep=True)
    data["m_z_error"][:] = 0.25
    draw_evolution([data], ax=ax)
    assert caption_of(ax) == "bands: error bars, at least 95 %"


def test_without_known_errors_no_band_is_promised(both, ax):
    draw_evolution(both[1:], ax=ax)
    assert legend_of(ax)[-1] == "MeanField (uncontrolled)"
    assert caption_of(ax) == ""
    assert not ax.collections


def test_unknown_error_of_one_observable_is_said(both, ax):
    data = both[0].copy(deep=True)
    data["purity_error"][:] = np.nan
    draw_evolution([data], ax=ax, observables=["purity"])
    assert legend_of(ax) == ["Exact (error not known)"]


def test_a_lone_curve_has_the_colour_of_its_method(ax):
    model = open_hopfield(XI[:1], beta=2.0, Omega=0.3)
    draw_evolution([run(model), run(model, "MeanField")], ax=ax)
    exact, mean_field = ax.lines[:2]
    assert exact.get_color() != mean_field.get_color()
    assert legend_of(ax) == ["Exact", "MeanField (uncontrolled)"]


def test_the_first_of_several_is_broad_and_pale_so_that_agreement_shows(both, ax):
    draw_evolution(both, ax=ax)
    first, second = ax.lines[0], ax.lines[2]
    assert first.get_linewidth() > second.get_linewidth()
    assert first.get_alpha() < 1


@pytest.mark.parametrize("width", ["column", "page", 5.0])
def test_figures_for_print_have_their_width_and_readable_letters(both, width):
    import matplotlib.pyplot as plt

    ax = draw_evolution(both, width=width)
    figure = ax.figure
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == {"column": 3.4, "page": 7.0}.get(width, width)
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_legend().get_texts()]
    assert {text.get_fontsize() for text in texts} == {7.0, 8.0}
    assert draw_run(both, width=width).get_size_inches()[0] == figure.get_size_inches()[0]
    plt.close(figure)


@pytest.mark.parametrize("width", [None, "column", "page"])
@pytest.mark.parametrize("names", [["m_z"], ["m_z", "m_y", "purity"], ["sigma_z"]])
def test_legend_stays_inside_the_figure_and_outside_the_axes(both, width, names):
    import matplotlib.pyplot as plt

    ax = draw_evolution(both, observables=names, width=width)
    figure = ax.figure
    figure.draw_without_rendering()
    legend, axes = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= axes.y1
    assert legend.x1 <= figure.bbox.x1
    assert legend.y1 <= figure.bbox.y1
    assert axes.width > 0.6 * figure.bbox.width
    plt.close(figure)


@pytest.mark.parametrize("width", [None, "column"])
def test_panels_keep_their_width_beside_the_image(both, width):
    figure = draw_run(both, width=width)
    figure.draw_without_rendering()
    legend, axes = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].bbox
    assert legend.x1 <= figure.bbox.x1
    assert axes.width > 0.55 * figure.bbox.width


def test_pdf_holds_fonts_that_journals_accept(both, tmp_path):
    draw_run(both, width="column").savefig(tmp_path / "run.pdf")
    content = (tmp_path / "run.pdf").read_bytes()
    assert b"/FontFile2" in content  # TrueType, embedded
    assert b"/Type3" not in content


def test_wrong_widths_are_refused(both, ax):
    with pytest.raises(ValueError, match=r"`width` must be one of 'column', 'page'"):
        draw_evolution(both, width="pages")
    with pytest.raises(ValueError, match="`width` must be left out if `ax` is given"):
        draw_evolution(both, ax=ax, width="column")
    with pytest.raises(ValueError, match="`width`"):
        draw_evolution(both, width=-3.4)


def test_a_single_time_is_drawn_as_points_with_bars(ax):
    model = open_hopfield(XI, beta=2.0, Omega=0.3)
    result = evolve(model, pattern_state(model), [1.0], method="Exact").to_xarray()
    result["m_z_error"][:] = 0.2
    draw_evolution([result], ax=ax)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in points] == result["m_z"].values[0].tolist()
    bars = [c.get_segments()[0] for c in ax.collections]
    np.testing.assert_allclose([bar[1, 1] - bar[0, 1] for bar in bars], 0.4)
    assert caption_of(ax) == "error bars, at least 95 %"
    assert ax.get_xticks().tolist() == [1.0]


def test_rounding_errors_do_not_fill_the_axes(both, ax):
    data = both[0].copy(deep=True)
    data["m_z"][:] = 1e-17 * np.arange(8).reshape(4, 2)
    draw_evolution([data], ax=ax)
    low, high = ax.get_ylim()
    assert high - low > 0.1


def test_phase_diagram_has_the_colour_of_the_nearest_point_and_white_failures():
    values = np.array([[0.1, 0.2], [np.nan, 0.4], [0.5, np.nan]])
    failure = np.array([["", ""], ["", ""], ["", "ValueError: no"]], dtype=object)
    data = xr.Dataset(
        {"m_z": (("beta", "Omega"), values), "failure": (("beta", "Omega"), failure)},
        {"beta": [1.0, 2.0, 3.0], "Omega": [0.0, 0.5]},
    )
    ax = draw_sweep(data, ["beta", "Omega"])
    mesh = ax.collections[0]
    pixels = np.ma.filled(mesh.get_array().reshape(400, 400), np.nan)  # rows along Omega
    assert ax.get_xlim() == pytest.approx((0.5, 3.5))
    assert ax.get_ylim() == pytest.approx((-0.25, 0.75))
    assert pixels[100, 66] == 0.1  # beta = 1, Omega = 0
    assert pixels[300, 200] == 0.4
    assert pixels[100, 150] == 0.1  # not tried: beta = 1.6 is nearer to 1 than to 3
    assert np.isnan(pixels[300, 380])  # failed
    with pytest.raises(ValueError, match="`data` must hold an answer, but every value is missing"):
        draw_sweep(data.assign(m_z=data["m_z"] * np.nan), ["beta", "Omega"])
    assert {tuple(p) for p in ax.lines[0].get_xydata()} == {(1, 0), (1, 0.5), (2, 0.5), (3, 0)}
    assert ax.get_xlabel() == r"$\beta$"
