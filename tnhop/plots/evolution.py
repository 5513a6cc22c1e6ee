"""Figures from labelled datasets: functions take Datasets, return Axes or Figures, show nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tnhop.plots.style import (
    COLOURS,
    TIME,
    axis_label,
    band_caption,
    calm,
    colours,
    heighten,
    inches,
    line_style,
    listed,
    new_axes,
    new_figure,
    place_legend,
    room_of,
    style,
    symbol,
)
from tnhop.plots.undetermined import (
    determined,
    is_value,
    mark,
    spread,
    undetermined_entries,
    with_gaps,
)
from tnhop.support.checks import fail, one_of

__all__ = ["draw_evolution", "draw_run"]

_MOST_ENTRIES = 5  # of curves that are too many for a colour each


def draw_evolution(
    datasets: Sequence[xr.Dataset],
    *,
    ax: Any = None,
    observables: Sequence[str] | None = None,
    width: float | str | None = None,
) -> Any:
    """Draw observables over time: one colour per curve, one line style per dataset.

    Parameters
    ----------
    datasets : sequence of Dataset
        From ``result.to_xarray()``. Bands are the error bars ``<name>_error``, which hold the exact
        answer in at least 95 % of cases, and the legend says so; where they are not known there is
        no band and the method is called "uncontrolled". What ``<name>_determined`` calls wrong is
        an open grey circle, without line and band.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    observables : sequence of str, optional
        Names; by default the overlaps m_z, or else the occupations or magnetisations.
    width : "column", "page" or float, optional
        For print: 3.4 or 7.0 inches, or a number of them, with letters of 7 and 8 points. By
        default a figure for the screen.

    Returns
    -------
    matplotlib Axes
        Its figure writes PDF and SVG with fonts as fonts.
    """
    names = _names(datasets, _main_panel(datasets[0]) if observables is None else observables)
    with style(width):
        place = new_axes(ax, width)
        room = room_of(place.figure) if ax is None else None
        legend = _draw_panel(place, datasets, names, methods=True, room=room)
        if ax is None:
            heighten(place.figure, legend)
    return place


def _draw_panel(
    ax: Axes,
    datasets: Sequence[xr.Dataset],
    names: Sequence[str],
    *,
    methods: bool,
    room: float | None,
) -> float:
    """Draw curves and legend, and return its height; a lone curve has the colour of its method."""
    labels = [(name, label) for name in names for label in _curve_labels(datasets[0], name)]
    alone, crowd = len(labels) == 1, max(1.0, len(labels) / 8)
    scale = dict(zip(labels, colours(len(labels)), strict=True))
    bars, wrong = list[float](), False
    for k, data in enumerate(datasets):
        single = data.sizes["time"] == 1
        how = line_style(k, len(datasets), single_time=single)
        if crowd > 3 and not single:
            how["linewidth"] = 0.6 * how["linewidth"]
        for name in names:
            right = determined(data, name).values.reshape(data.sizes["time"], -1).all(axis=1)
            mark(ax, data["time"].values, right)
            wrong = wrong or not right.all()
            for label, curve, bar in _curves(data, name):
                colour = COLOURS[k % len(COLOURS)] if alone else scale[name, label]
                ax.plot(data["time"], curve, color=colour, **how)
                if np.isfinite(bar[np.isfinite(curve)]).all() and np.isfinite(bar).any():
                    bars.append(float(np.nanmax(bar)))
                    _draw_band(ax, data["time"].values, curve, bar, colour, 0.25 / crowd)
    _finish_axes(ax, datasets, names)
    curves = [] if alone else _curve_entries(scale, several=len(names) > 1)
    ways = _method_entries(datasets, names, coloured=alone) if methods else []
    ways += undetermined_entries(wrong)
    caption = band_caption(bars, ax, points=datasets[0].sizes["time"] == 1) if methods else []
    if len(labels) > len(COLOURS):
        caption.append(f"{len(curves)} of {len(labels)} curves named")
    return place_legend(ax, curves, ways, caption=caption, room=room)


def _draw_band(
    ax: Axes, times: NDArray[Any], curve: NDArray[Any], bar: NDArray[Any], colour: Any, alpha: float
) -> None:
    if len(times) == 1:
        ax.errorbar(times, curve, yerr=bar, fmt="none", ecolor=colour)
    else:
        ax.fill_between(times, curve - bar, curve + bar, color=colour, alpha=alpha, lw=0)


def _finish_axes(ax: Axes, datasets: Sequence[xr.Dataset], names: Sequence[str]) -> None:
    ax.set_xlabel(str(datasets[0]["time"].attrs.get("long_name", TIME)))
    ax.set_ylabel(axis_label(names))
    end = max(float(data["time"][-1]) for data in datasets)
    start = min(float(data["time"][0]) for data in datasets)
    if end > start:
        ax.set_xlim(start, end)
    else:
        ax.set_xticks([start])
    ends = spread([with_gaps(data, name) for data in datasets for name in names])
    if ends is not None:
        calm(ax, *ends)
    if names[0][:2] in {"m_", "si"} or (ends is not None and ends[0] < 0):
        ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def draw_run(
    datasets: Sequence[xr.Dataset],
    *,
    observables: Sequence[str] | None = None,
    width: float | str | None = None,
) -> Figure:
    """Draw the figure of a run: overlaps, the image on the sites, and occupations, if any.

    Parameters
    ----------
    datasets : sequence of Dataset
        From ``result.to_xarray()``, one per method. A coordinate ``xi`` with dims (pattern, site)
        gauges the sites by the pattern nearest to the start; the attribute ``parameters`` joins the
        title, and ``label`` replaces the name of the method.
    observables : sequence of str, optional
        One panel for each of these instead.
    width : "column", "page" or float, optional
        As in `draw_evolution`.

    Returns
    -------
    matplotlib Figure
        It belongs to no window and needs no closing.
    """
    first = datasets[0]
    if observables is not None:
        panels = [("curves", name) for name in _names(datasets, observables)]
    else:
        main = _main_panel(first)
        panels = [("curves", name) for name in _names(datasets, main)]
        if "sigma_z" in first and first.sizes.get("site", 0) > 1 and first.sizes["time"] > 1:
            panels.append(("image", "sigma_z"))
        if "occupation" in first and "occupation" not in main:
            panels += [("curves", name) for name in _names(datasets, ["occupation"])]
    heights = [3.0 if k == 0 else 2.3 for k in range(len(panels))]
    with style(width):
        figure = new_figure(width, 0.6 + sum(heights), screen=7.2)
        axes = figure.subplots(len(panels), squeeze=False, sharex=True, height_ratios=heights)[:, 0]
        room = room_of(figure, colorbar=("image", "sigma_z") in panels)
        for ax, (kind, name) in zip(axes, panels, strict=True):
            if kind == "image":
                _draw_image(ax, first)
            else:
                alone = datasets[0][name].ndim == 1  # its colours are the methods'
                methods = alone or ax is axes[0]
                heighten(figure, _draw_panel(ax, datasets, [name], methods=methods, room=room))
            if ax is not axes[-1]:
                ax.set_xlabel("")
        letters = 95 if width is None else int(20 * inches(width))
        figure.suptitle(_title(datasets, letters), fontsize="medium" if width is None else 8.0)
    return figure


def _main_panel(data: xr.Dataset) -> list[str]:
    for name in ("m_z", "occupation", "sigma_z"):
        if name in data:
            return [name]
    return [str(name) for name in data.data_vars if is_value(name)][:1]


def _names(datasets: Sequence[xr.Dataset], requested: Sequence[str]) -> list[str]:
    """Return the variables of the requested observables; complex ones have two."""
    known = [str(name) for name in datasets[0].data_vars if is_value(name)]
    parts = {name[:-3]: [name, f"{name[:-3]}_im"] for name in known if name.endswith("_re")}
    names = []
    for name in listed(requested):
        one_of(name, "observables", [*known, *parts])
        names += parts.get(name, [name])
    for data in datasets:
        for name in names:
            if name not in data or data[name].shape[1:] != datasets[0][name].shape[1:]:
                found = f"'{name}' is not the same in all of them"
                raise fail("datasets", "have equal observables", found)
    return names


def _curve_labels(data: xr.Dataset, name: str) -> list[str]:
    labels = [name]
    dims = data[name].dims[1:]
    for position, dim in enumerate(dims):
        values = data[dim].values if dim in data.coords else np.arange(data.sizes[dim])
        head = f"{str(dim).removesuffix('_2')} "
        labels = [
            f"{'' if position == 0 else f'{label}, '}{head}{value:g}"
            if isinstance(value, int | float | np.number)
            else f"{'' if position == 0 else f'{label}, '}{value}"
            for label in labels
            for value in values
        ]
    return labels


def _error_name(data: xr.Dataset, name: str) -> str:
    return f"{name}_error" if f"{name}_error" in data else f"{name[:-3]}_error"


def _curves(
    data: xr.Dataset, name: str
) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Return (label, values, half-widths) of every curve, with gaps where values are wrong."""
    values = with_gaps(data, name).reshape(data.sizes["time"], -1)
    error = _error_name(data, name)
    bars = data[error].values.reshape(values.shape) if error in data else np.nan * values
    bars = np.where(np.isfinite(values), bars, np.nan)
    return list(zip(_curve_labels(data, name), values.T, bars.T, strict=True))


def _curve_entries(scale: dict[tuple[str, str], Any], *, several: bool) -> list[Line2D]:
    """Return one handle per curve; a long list keeps some of its entries."""
    handles = [
        Line2D([], [], color=colour, label=_entry(name, label, several))
        for (name, label), colour in scale.items()
    ]
    if len(handles) <= len(COLOURS):
        return [] if len(handles) == 1 else handles
    kept = np.unique(np.linspace(0, len(handles) - 1, _MOST_ENTRIES).round().astype(int))
    return [handles[k] for k in kept]


def _entry(name: str, label: str, several: bool) -> str:
    if not several:
        return label
    return symbol(name) if label == name else f"{symbol(name)} {label}"


def _method_label(data: xr.Dataset, names: Sequence[str]) -> str:
    """Return the method, and whether the error of what is drawn is known."""
    label = str(data.attrs.get("label") or str(data.attrs.get("method", "")).split("(")[0])
    errors = {key: array for key, array in data.data_vars.items() if str(key).endswith("_error")}
    if not errors:
        return label
    if not any(np.isfinite(array).any() for array in errors.values()):
        return f"{label} (uncontrolled)"
    drawn = [data[_error_name(data, name)] for name in names if _error_name(data, name) in data]
    known = any(np.isfinite(array).any() for array in drawn)
    return label if known or not drawn else f"{label} (error not known)"


def _method_entries(
    datasets: Sequence[xr.Dataset], names: Sequence[str], *, coloured: bool
) -> list[Line2D]:
    return [
        Line2D(
            [], [], color=COLOURS[k % len(COLOURS)] if coloured else "0.25",
            label=_method_label(data, names),
            **{key: value for key, value in line_style(
                k, len(datasets), single_time=data.sizes["time"] == 1).items()
               if key != "markevery"},
        )
        for k, data in enumerate(datasets)
    ]  # fmt: skip


def _draw_image(ax: Axes, data: xr.Dataset) -> None:
    """Draw site against time: blue and red, or agreement with a pattern where it is known."""
    values, label = with_gaps(data, "sigma_z"), r"$\langle\sigma^z_k\rangle$"
    method = _method_label(data, ["sigma_z"])
    title = f"magnetisation of the sites, {method}"
    if "xi" in data.coords and "m_z" in data:
        target = int(np.argmax(data["m_z"].values[0]))
        values = values * data["xi"].values[target]
        label = rf"$\xi^{{\,{target}}}_k\,\langle\sigma^z_k\rangle$"
        title = f"image on the sites, {method}: red agrees with pattern {target}, blue differs"
    if np.isnan(values).any():
        title += ", grey is undetermined"
        ax.set_facecolor("0.75")
    sites = np.arange(values.shape[1])
    mesh = ax.pcolormesh(
        data["time"], sites, values.T, cmap="RdBu_r", vmin=-1, vmax=1, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    figure = ax.get_figure(root=True)
    assert figure is not None
    letters = int(figure.get_size_inches()[0] * (13 if figure.get_size_inches()[0] > 7.1 else 18))
    ax.set_title("\n".join(textwrap.wrap(title, letters)), fontsize="small", loc="left")
    ax.set_xlabel(TIME)
    ax.set_ylabel("site $k$")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.set_xlim(float(data["time"][0]), float(data["time"][-1]))
    figure.colorbar(mesh, ax=ax, label=label, pad=0.02, ticks=[-1, 0, 1], aspect=12)


def _title(datasets: Sequence[xr.Dataset], letters: int) -> str:
    """Say which models are shown, each once, and with which parameters."""
    lines: dict[str, None] = {}
    for data in datasets:
        origin, _, sizes = str(data.attrs.get("model", "")).strip("<>").partition(": ")
        kept = [s for s in sizes.split(", ") if not s.endswith((" terms", " jumps"))]
        lines[f"{origin}: {', '.join(kept)}" if sizes else origin] = None
    for data in datasets:
        if data.attrs.get("parameters"):
            lines[str(data.attrs["parameters"])] = None
    return "\n".join(part for line in lines for part in textwrap.wrap(line, letters))
