"""Figures from labelled datasets: functions take Datasets, return Axes or Figures, show nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tnhop._checks import fail, one_of

__all__ = ["draw_evolution", "draw_run"]

# Okabe & Ito: distinguishable with every kind of colour vision, and in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#A0A000")
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))
_TIME = r"time $t$  (inverse rates, $\hbar = 1$)"
_QUANTITIES = {
    **{f"m_{axis}": rf"overlap $m_{axis}$" for axis in "xyz"},
    **{f"sigma_{axis}": rf"magnetisation $\langle\sigma^{axis}_k\rangle$" for axis in "xyz"},
    "occupation": r"occupation $\langle a^\dagger a\rangle$",
    "alpha_re": r"Re $\langle a\rangle$",
    "alpha_im": r"Im $\langle a\rangle$",
    "purity": r"purity tr $\rho^2$",
    "trace": r"trace tr $\rho$",
    "entropy": r"entropy $-$tr $\rho\,\ln\rho$ (nats)",
    "energy": r"energy $\langle H\rangle$",
}


def draw_evolution(
    datasets: Sequence[xr.Dataset], *, ax: Any = None, observables: Sequence[str] | None = None
) -> Any:
    """Draw observables over time: one colour per curve, one line style per dataset.

    Parameters
    ----------
    datasets : sequence of Dataset
        From ``result.to_xarray()``; bands show ``<name>_error`` where it is finite, and a dataset
        without any finite error is labelled "uncontrolled".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    observables : sequence of str, optional
        Names; by default the overlaps m_z, or else the occupations or magnetisations.

    Returns
    -------
    matplotlib Axes
    """
    names = _names(datasets, observables or _main_panel(datasets[0]))
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    colours = _draw_curves(ax, datasets, names)
    curves = _legend_entries(colours, several=len(names) > 1)
    _legend(ax, curves, _method_entries(datasets))
    return ax


def _draw_curves(ax: Axes, datasets: Sequence[xr.Dataset], names: Sequence[str]) -> dict[Any, Any]:
    """Draw curves, bands and axes; return the colour of every (name, label)."""
    labels = [(name, label) for name in names for label in _curve_labels(datasets[0], name)]
    colours = dict(zip(labels, _colours(len(labels)), strict=True))
    for style, data in zip(_cycle(_STYLES, len(datasets)), datasets, strict=True):
        for name in names:
            for label, curve, bar in _curves(data, name):
                colour = colours.setdefault((name, label), _COLOURS[0])
                ax.plot(data["time"], curve, linestyle=style, color=colour, lw=1.7)
                if np.all(np.isfinite(bar)):
                    low, high = curve - bar, curve + bar
                    ax.fill_between(data["time"], low, high, color=colour, alpha=0.25, lw=0)
    ax.set_xlabel(_TIME)
    ax.set_ylabel(_QUANTITIES.get(names[0], names[0]) if len(names) == 1 else "expectation value")
    end = max(float(data["time"][-1]) for data in datasets)
    start = min(float(data["time"][0]) for data in datasets)
    if end > start:
        ax.set_xlim(start, end)
    if names[0][:2] in {"m_", "si"} or any((data[n] < 0).any() for data in datasets for n in names):
        ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    return colours


def draw_run(datasets: Sequence[xr.Dataset], *, observables: Sequence[str] | None = None) -> Figure:
    """Draw the figure of a run: overlaps, the image on the sites, and occupations, if any.

    Parameters
    ----------
    datasets : sequence of Dataset
        From ``result.to_xarray()``, one per method. A coordinate ``xi`` with dims (pattern, site)
        gauges the sites by the pattern nearest to the start; the attribute ``parameters`` joins the
        title, and ``label`` replaces the name of the method.
    observables : sequence of str, optional
        One panel for each of these instead.

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
    figure = Figure(figsize=(7.2, 0.6 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for ax, (kind, name) in zip(axes, panels, strict=True):
        if kind == "image":
            _draw_image(ax, first)
        else:
            curves = _legend_entries(_draw_curves(ax, datasets, [name]), several=False)
            _legend(ax, curves, _method_entries(datasets) if ax is axes[0] else [])
        if ax is not axes[-1]:
            ax.set_xlabel("")
    figure.suptitle(_title(datasets), fontsize="medium")
    return figure


def _main_panel(data: xr.Dataset) -> list[str]:
    for name in ("m_z", "occupation", "sigma_z"):
        if name in data:
            return [name]
    return [str(name) for name in data.data_vars if "_error" not in str(name)][:1]


def _names(datasets: Sequence[xr.Dataset], requested: Sequence[str]) -> list[str]:
    """Return the variables of the requested observables; complex ones have two."""
    known = [str(name) for name in datasets[0].data_vars if "_error" not in str(name)]
    parts = {name[:-3]: [name, f"{name[:-3]}_im"] for name in known if name.endswith("_re")}
    names = []
    for name in [requested] if isinstance(requested, str) else requested:
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


def _curves(
    data: xr.Dataset, name: str
) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Return (label, values, half-widths) of every curve of one observable."""
    values = data[name].values.reshape(data.sizes["time"], -1)
    error = f"{name}_error" if f"{name}_error" in data else f"{name[:-3]}_error"
    bars = data[error].values.reshape(values.shape) if error in data else np.nan * values
    return list(zip(_curve_labels(data, name), values.T, bars.T, strict=True))


def _colours(n_curves: int) -> list[Any]:
    if n_curves <= len(_COLOURS):
        return list(_COLOURS[:n_curves])
    return list(colormaps["viridis"](np.linspace(0.0, 0.95, n_curves)))


def _cycle(items: Sequence[Any], n: int) -> list[Any]:
    return [items[k % len(items)] for k in range(n)]


def _legend_entries(colours: dict[tuple[str, str], Any], *, several: bool) -> list[Line2D]:
    """Return one handle per curve; a long list keeps some of its entries."""
    handles = [
        Line2D([], [], color=colour, lw=1.7,
               label=f"{name} {label}" if several and label != name else label)
        for (name, label), colour in colours.items()
    ]  # fmt: skip
    if len(handles) <= len(_COLOURS):
        return [] if len(handles) == 1 else handles
    kept = np.unique(np.linspace(0, len(handles) - 1, 5).round().astype(int))
    return [handles[k] for k in kept]


def _method_label(data: xr.Dataset) -> str:
    """Return the method, with "uncontrolled" if none of its errors is known."""
    name = str(data.attrs.get("label") or str(data.attrs.get("method", "")).split("(")[0])
    errors = [array for key, array in data.data_vars.items() if str(key).endswith("_error")]
    known = any(np.isfinite(array).any() for array in errors)
    return f"{name} (uncontrolled)" if errors and not known else name


def _method_entries(datasets: Sequence[xr.Dataset]) -> list[Line2D]:
    return [
        Line2D([], [], color="0.25", lw=1.7, linestyle=style, label=_method_label(data))
        for style, data in zip(_cycle(_STYLES, len(datasets)), datasets, strict=True)
    ]


def _legend(ax: Axes, curves: list[Line2D], methods: list[Line2D]) -> None:
    """Put the legend above the axes, where it hides nothing: one row if that fits, else several."""
    methods = [handle for handle in methods if handle.get_label()]
    together = curves + methods
    letters = sum(len(str(handle.get_label())) + 8 for handle in together)
    if letters <= 98:
        rows = [together]
    else:
        rows = [curves[k : k + 4] for k in range(0, len(curves), 4)]
        rows += [methods[k : k + 2] for k in range(0, len(methods), 2)]
    width = max((len(row) for row in rows), default=0)
    if not width:
        return
    blank = Line2D([], [], linestyle="none", label=" ")
    rows = [row + [blank] * (width - len(row)) for row in rows if row]
    ax.legend(
        handles=[row[k] for k in range(width) for row in rows],  # a legend is filled by columns
        loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=width,
        frameon=False, fontsize="small", handlelength=2.2, columnspacing=1.4,
    )  # fmt: skip


def _draw_image(ax: Axes, data: xr.Dataset) -> None:
    """Draw site against time: blue and red, or agreement with a pattern where it is known."""
    values, label = data["sigma_z"].values, r"$\langle\sigma^z_k\rangle$"
    method = _method_label(data)
    title = f"magnetisation of the sites, {method}"
    if "xi" in data.coords and "m_z" in data:
        target = int(np.argmax(data["m_z"].values[0]))
        values = values * data["xi"].values[target]
        label = rf"$\xi^{{\,{target}}}_k\,\langle\sigma^z_k\rangle$"
        title = f"image on the sites, {method}: red agrees with pattern {target}, blue differs"
    sites = np.arange(values.shape[1])
    mesh = ax.pcolormesh(
        data["time"], sites, values.T, cmap="RdBu_r", vmin=-1, vmax=1, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    ax.set_title(title, fontsize="small", loc="left")
    ax.set_xlabel(_TIME)
    ax.set_ylabel("site $k$")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.set_xlim(float(data["time"][0]), float(data["time"][-1]))
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=ax, label=label, pad=0.02, ticks=[-1, 0, 1], aspect=12)


def _title(datasets: Sequence[xr.Dataset]) -> str:
    """Say which models are shown, each once, and with which parameters."""
    lines: dict[str, None] = {}
    for data in datasets:
        origin, _, sizes = str(data.attrs.get("model", "")).strip("<>").partition(": ")
        kept = [s for s in sizes.split(", ") if not s.endswith((" terms", " jumps"))]
        lines[f"{origin}: {', '.join(kept)}" if sizes else origin] = None
    for data in datasets:
        if data.attrs.get("parameters"):
            lines[str(data.attrs["parameters"])] = None
    return "\n".join(lines)
