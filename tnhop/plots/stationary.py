"""Figures of answers without time: values of a stationary state, eigenvalues of a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tnhop.plots.style import (
    COLOURS,
    MARKERS,
    axis_label,
    calm,
    colours,
    heighten,
    listed,
    new_axes,
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

_BARS, _UNKNOWN = "error bars, at least 95 %", "errors not known"
_SPREAD = 0.12  # distance of the points of two observables that share a label


def draw_steady(
    data: xr.Dataset,
    *,
    ax: Any = None,
    observables: Sequence[str] | None = None,
    width: float | str | None = None,
) -> Any:
    """Draw the values of a stationary state with error bars; return the Axes.

    Observables with one label are points over it, those with two labels one curve over the second
    for each of the first, and scalars points with their names.
    """
    names = _names(data, observables)
    ranks = {data[name].ndim for name in names}
    if max(ranks) > 2 or (2 in ranks and len(names) > 1):
        found = f"'{next(n for n in names if data[n].ndim == max(ranks))}' has {max(ranks)}"
        raise fail("observables", "have at most two labels, or two if they are drawn alone", found,
                   "Draw the entries that matter from `to_xarray()`.")  # fmt: skip
    with style(width):
        own, ax = ax is None, new_axes(ax, width)
        if ranks == {2}:
            handles, known = _draw_two_labels(ax, data, names[0])
        else:
            handles, known = _draw_points(ax, data, names)
            ax.set_ylabel(axis_label(names))
        if ends := spread([with_gaps(data, name) for name in names]):
            calm(ax, *ends)
        wrong = any(not determined(data, name).all() for name in names)
        method = str(data.attrs.get("method", "")).split("(")[0]
        caption = [method, _BARS if known else _UNKNOWN]
        legend = place_legend(
            ax,
            [*handles, *undetermined_entries(wrong)],
            caption=caption,
            room=room_of(ax.figure) if own else None,
        )
        if own:
            heighten(ax.figure, legend)
        ax.spines[["top", "right"]].set_visible(False)
    return ax


def _names(data: xr.Dataset, requested: Sequence[str] | None) -> list[str]:
    quality = {"residual", "weighted_residual", "gap", "multiplicity", "converged"}
    known = [str(n) for n in data.data_vars if is_value(n) and n not in quality]
    if requested is None:
        groups = (("m_x", "m_y", "m_z"), ("occupation",), ("sigma_z",))
        for group in groups:
            if found := [name for name in group if name in known]:
                return found
        return known[:1]
    parts = {name[:-3]: [name, f"{name[:-3]}_im"] for name in known if name.endswith("_re")}
    return [
        part
        for name in listed(requested)
        for part in parts.get(one_of(name, "observables", [*known, *parts]), [name])
    ]


def _bars(data: xr.Dataset, name: str) -> NDArray[np.float64] | None:
    """Return the half-widths of an observable, or None where they are not known."""
    for key in (f"{name}_error", f"{name[:-3]}_error"):
        if key in data:
            right = determined(data, name).values
            bars = np.where(right, data[key].values, np.nan)
            return np.asarray(bars) if np.isfinite(bars[right]).all() and right.any() else None
    return None


def _draw_points(ax: Axes, data: xr.Dataset, names: Sequence[str]) -> tuple[list[Line2D], bool]:
    """Draw points over the label that all have in common, or one after the other."""
    dims = {data[name].dims for name in names}
    together = len(dims) == 1 and dims != {()}
    n_ticks, texts, entries, known = 0, [], [], 0
    for k, name in enumerate(names):
        values, bars = np.atleast_1d(with_gaps(data, name)), _bars(data, name)
        own = data[name].dims[0] if data[name].ndim else None
        labels = [""] if own is None else [f"{v}" for v in data[own].values]
        shift = _SPREAD * (k - (len(names) - 1) / 2) if together else n_ticks
        how: dict[str, Any] = {"color": COLOURS[k % 8], "marker": MARKERS[k % 8]}
        yerr = None if bars is None else np.atleast_1d(bars)
        at = np.arange(len(values)) + shift
        ax.errorbar(at, values, yerr=yerr, linestyle="none", **how)
        mark(ax, at, np.atleast_1d(determined(data, name).values))
        entries.append(Line2D([], [], linestyle="none", label=symbol(name), **how))
        known += bars is not None
        if not together:
            texts += [f"{symbol(name)} {label}".strip() for label in labels]
            n_ticks += len(values)
        elif k == 0:
            texts, n_ticks = labels, len(labels)
            ax.set_xlabel(str(own))
    if 0 < known < len(names):
        for name, entry in zip(names, entries, strict=True):
            if _bars(data, name) is None:
                entry.set_label(f"{symbol(name)} ({_UNKNOWN})")
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    shown = np.arange(n_ticks)
    if n_ticks > 12:  # labels would run into each other
        shown = np.unique(np.linspace(0, n_ticks - 1, 7).round().astype(int))
    ax.set_xticks(shown, [texts[i] for i in shown])
    ax.set_xlim(-0.6, n_ticks - 0.4)
    return entries if len(names) > 1 else [], known > 0


def _draw_two_labels(ax: Axes, data: xr.Dataset, name: str) -> tuple[list[Line2D], bool]:
    """Draw correlations of sites as a matrix, others as a curve for every first label."""
    first, second = data[name].dims
    bars = _bars(data, name)
    if str(second).endswith("_2"):
        rows, columns = data[first].values, data[second].values
        mesh = ax.pcolormesh(columns, rows, with_gaps(data, name), cmap="RdBu_r", vmin=-1, vmax=1,
                             shading="nearest", rasterized=True)  # fmt: skip
        ax.set(xlabel=str(first), ylabel=str(first), aspect="equal")
        ax.set_facecolor("0.75")  # seen where nothing is determined
        ax.figure.colorbar(mesh, ax=ax, label=axis_label([name]), ticks=[-1, 0, 1])
        return [], bars is not None
    scale = colours(data.sizes[first])
    mark(ax, data[second].values, determined(data, name).values.all(axis=0))
    entries = []
    for k, (label, colour) in enumerate(zip(data[first].values, scale, strict=True)):
        how = {"color": colour, "marker": MARKERS[k % 8]}
        yerr = None if bars is None else bars[k]
        ax.errorbar(data[second].values, with_gaps(data, name)[k], yerr=yerr, **how)
        entries.append(Line2D([], [], label=f"{first} {label}", **how))
    if len(entries) > 8:
        entries = [entries[i] for i in np.linspace(0, len(entries) - 1, 5).round().astype(int)]
    ax.set(xlabel=str(second), ylabel=axis_label([name]))
    return entries, bars is not None


def draw_spectrum(data: xr.Dataset, *, ax: Any = None, width: float | str | None = None) -> Any:
    """Draw eigenvalues in the complex plane, stationary ones filled; return the Axes."""
    real, imag = data["real"].values, data["imag"].values
    zeros, gap = int(data.attrs["multiplicity"]), float(data.attrs["gap"])
    with style(width):
        own, ax = ax is None, new_axes(ax, width)
        ax.axvline(0.0, color="0.6", lw=0.8, zorder=0)
        ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
        entries = [
            Line2D([], [], linestyle="none", marker="o", color="black", label="stationary"),
            Line2D([], [], linestyle="none", marker="o", color=COLOURS[0], label="decaying",
                   markerfacecolor="none"),
        ]  # fmt: skip
        ax.plot(real[zeros:], imag[zeros:], "o", color=COLOURS[0], markerfacecolor="none")
        ax.plot(real[:zeros], imag[:zeros], "o", color="black")
        if np.isfinite(gap):
            ax.axvline(-gap, color=COLOURS[1], linestyle="--", lw=0.9, zorder=0)
            text = f"gap {gap:.4g}"
            entries.append(Line2D([], [], color=COLOURS[1], ls="--", lw=0.9, label=text))
        _count_copies(ax, real + 1j * imag)
        if np.ptp(imag) < 1e-9 * max(1.0, float(np.ptp(real))):
            ax.set_ylim(-1.0, 1.0)  # all are real: no axis of rounding errors
        ax.margins(0.12)
        ax.set_xlabel(r"Re $\lambda$  ($-$decay rate)")
        ax.set_ylabel(r"Im $\lambda$  (frequency, $\hbar = 1$)")
        ax.spines[["top", "right"]].set_visible(False)
        place_legend(ax, entries, room=room_of(ax.figure) if own else None)
    return ax


def _count_copies(ax: Axes, eigenvalues: NDArray[np.complex128]) -> None:
    """Write ×n beside eigenvalues that lie on each other."""
    near = 1e-6 * max(1.0, float(np.abs(eigenvalues).max()))
    done = np.zeros(len(eigenvalues), dtype=bool)
    for k, value in enumerate(eigenvalues):
        same = np.abs(eigenvalues - value) < near
        if not done[k] and same.sum() > 1:
            ax.annotate(f"×{same.sum()}", (value.real, value.imag), xytext=(4, 4),
                        textcoords="offset points", fontsize="small")  # fmt: skip
        done |= same
