"""Figures of sweeps: curves with error bars along one axis, a phase diagram over two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tnhop.plots.style import MARKERS, axis_label, colours, new_axes, place_legend, style, symbol
from tnhop.plots.undetermined import HOW, determined, is_value, mark, undetermined_entries
from tnhop.support.checks import fail, one_of

__all__ = ["draw_sweep"]

_PIXELS = 400
_PREFERRED = ("m_z", "occupation", "sigma_z")


def draw_sweep(
    data: xr.Dataset,
    axes: Sequence[str],
    *,
    observable: str | None = None,
    ax: Any = None,
    width: float | str | None = None,
) -> Any:
    """Draw an observable of a sweep, at the last time.

    Parameters
    ----------
    data : Dataset
        From `sweep`, ``th.load(store)`` or `quenched_average`.
    axes : sequence of str
        Along one axis of numbers: values with error bars, one colour per component and label of the
        other axes. Along two: a phase diagram in the colours of the nearest points, which are
        dots, of the first component.
    observable : str, optional
        Name; by default the overlaps, or else the occupations or magnetisations.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    width : "column", "page" or float, optional
        For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

    Returns
    -------
    matplotlib Axes
    """
    names = [axes] if isinstance(axes, str) else list(axes)
    if len(names) not in (1, 2):
        raise fail("axes", "name one axis or two", f"there are {len(names)}")
    for name in names:
        one_of(name, "axes", map(str, data.dims))
        if data[name].dtype.kind not in "fiu":
            raise fail("axes", "name axes of numbers", f"'{name}' has labels")
    values = _values(data, observable)
    with style(width):
        ax = new_axes(ax, width)
        draw = _draw_curves if len(names) == 1 else _draw_map
        draw(ax, data, values, names)
        ax.spines[["top", "right"]].set_visible(False)
    return ax


def main_observable(data: xr.Dataset) -> str:
    """Return the name of the observable that is drawn if none is named."""
    known = [str(name) for name in data.data_vars if f"{name}_error" in data]
    for name in (*_PREFERRED, *known):
        if name in known:
            return name
    floats = [str(n) for n, a in data.data_vars.items() if a.dtype.kind == "f" and is_value(n)]
    rest = [name for name in floats if name != "wall_time"]
    if not rest:
        raise fail("data", "hold an observable", "there is no answer in it yet")
    return next((name for name in _PREFERRED if name in rest), rest[0])


def _values(data: xr.Dataset, observable: str | None) -> xr.DataArray:
    name = observable or main_observable(data)
    one_of(name, "observable", [str(known) for known in data.data_vars])
    return _at_last_time(data[name])


def _at_last_time(array: xr.DataArray) -> xr.DataArray:
    return array.isel(time=-1) if "time" in array.dims else array


def _draw_curves(ax: Axes, data: xr.Dataset, values: xr.DataArray, names: Sequence[str]) -> None:
    (along,) = names
    error = data.get(f"{values.name}_error")
    bars = xr.full_like(values, np.nan) if error is None else error
    bars = _at_last_time(bars)
    right = _at_last_time(determined(data, str(values.name)))
    others = [dim for dim in values.dims if dim != along]
    stacked = values.where(right).stack(curve=others).transpose("curve", along)
    widths = bars.stack(curve=others).transpose("curve", along)
    known = bool(np.isfinite(widths).any())
    shades = colours(stacked.sizes["curve"])
    handles = []
    for k, shade in enumerate(shades):
        curve = stacked.isel(curve=k)
        there = np.isfinite(curve.values)
        if not there.any():
            continue
        labels = curve["curve"].item() if others else ()
        text = ", ".join(
            f"{symbol(str(dim))} {label}" for dim, label in zip(others, labels, strict=True)
        )
        handles.append(ax.errorbar(
            data[along].values[there], curve.values[there],
            yerr=np.nan_to_num(widths.isel(curve=k).values[there]) if known else None,
            marker=MARKERS[k % len(MARKERS)], color=shade, capsize=2.0, label=text,
        ))  # fmt: skip
    mark(ax, data[along].values, right.all(others).values)
    ax.set(xlabel=symbol(along), ylabel=axis_label([str(values.name)]))
    caption = ["bars: at least 95 %" if known else "uncontrolled: no error bars"]
    shown = handles if 1 < len(handles) <= 12 else []
    place_legend(ax, shown, undetermined_entries(not right.all()), caption=caption)


def _draw_map(ax: Axes, data: xr.Dataset, values: xr.DataArray, names: Sequence[str]) -> None:
    """Give every place the colour of the nearest point; failed and undetermined ones stay white."""
    across, up = names
    first = {dim: 0 for dim in values.dims if dim not in names}
    right = _at_last_time(determined(data, str(values.name))).isel(first).transpose(across, up)
    table = values.isel(first).transpose(across, up).where(right).values
    x, y = np.meshgrid(data[across].values, data[up].values, indexing="ij")
    there = np.isfinite(table)
    if not there.any():
        raise fail(
            "data",
            "hold an answer",
            "every value is missing or undetermined",
            "Go on with the sweep.",
        )
    wrong = ~right.values
    tried = there | wrong | _failed(data, names)
    limit = float(np.abs(table[there]).max(initial=0.0)) or 1.0
    low = -limit if (table[there] < 0).any() else 0.0
    points = np.stack([x[tried], y[tried]], axis=1).astype(float)
    edges = [_edges(points[:, axis]) for axis in (0, 1)]
    mesh = ax.pcolormesh(
        *edges, _nearest(points, table[tried], edges), vmin=low, vmax=limit,
        cmap="RdBu_r" if low else "viridis", rasterized=True,
    )  # fmt: skip
    ax.plot(x[there], y[there], ".", color="0.5", markersize=2.0)
    if wrong.any():
        ax.plot(x[wrong], y[wrong], **HOW)
        place_legend(ax, undetermined_entries(True))
    figure = ax.get_figure()
    assert figure is not None
    place = ", ".join(
        f"{symbol(str(dim))} {data[dim].values[0]}" for dim in first if dim in data.coords
    )
    label = axis_label([str(values.name)]) + (f" ({place})" if place else "")
    figure.colorbar(mesh, ax=ax, label=label)
    ax.set(xlabel=symbol(across), ylabel=symbol(up))


def _failed(data: xr.Dataset, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return at which points of two axes there was a failure."""
    shape = tuple(data.sizes[name] for name in names)
    if "failure" not in data or set(data["failure"].dims) != set(names):
        return np.zeros(shape, dtype=bool)
    return np.asarray(data["failure"].transpose(*names).values != "")


def _edges(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of pixels that reach half a step beyond the outermost places."""
    steps = np.diff(np.unique(places))
    before, after = (steps[0] / 2, steps[-1] / 2) if len(steps) else (0.5, 0.5)
    return np.linspace(places.min() - before, places.max() + after, _PIXELS + 1)


def _nearest(
    points: NDArray[np.float64], values: NDArray[Any], edges: Sequence[NDArray[np.float64]]
) -> NDArray[Any]:
    """Return the value of the nearest point at every pixel, rows along the second axis."""
    from scipy.spatial import cKDTree

    centres = [(e[:-1] + e[1:]) / 2 for e in edges]
    size = np.array([e[-1] - e[0] for e in edges])
    pixels = np.stack(np.meshgrid(*centres, indexing="xy"), axis=-1)
    return np.asarray(values[cKDTree(points / size).query(pixels / size)[1]])
