"""Figures: what is drawn, how it is labelled, and that nothing stays open."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tnhop.models import independent_spins, multimode_dicke, open_hopfield
from tnhop.plot import draw_evolution, draw_run
from tnhop.states import pattern_state, product_state
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
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    return [text for text in texts if text.strip()]


def test_legend_names_patterns_and_methods_once(both, ax):
    draw_evolution(both, ax=ax)
    expected = ["pattern 0", "pattern 1", "Exact", "MeanField (uncontrolled)"]
    assert legend_of(ax) == expected


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
    assert legend_of(ax) == ["m_y pattern 0", "m_y pattern 1", "purity", "Exact"]


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
    assert legend_of(ax) == ["alpha_re mode 0", "alpha_im mode 0", "Exact"]


def test_long_names_take_a_second_row(both, ax):
    data = [d.assign_attrs(label=f"a long name of a run {k}") for k, d in enumerate(both)]
    draw_evolution(data, ax=ax)
    rows = ["pattern 0", "a long name of a run 0", "pattern 1", "a long name of a run 1"]
    assert legend_of(ax) == [*rows[:3], f"{rows[3]} (uncontrolled)"]


def test_many_curves_have_a_short_legend(ax):
    data = run(open_hopfield(XI, beta=2.0), observables="sigma_zz")
    draw_evolution([data], ax=ax)
    assert len(legend_of(ax)) == 6
    assert legend_of(ax)[0] == "site 0, site 0"


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
