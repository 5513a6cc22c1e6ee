"""Style of all figures: sizes and fonts for print, colours, symbols, legends."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

from tnhop.support.atomic_files import write_whole
from tnhop.support.checks import fail, members, one_of, real, wrong_type

# Okabe & Ito: distinguishable with every kind of colour vision, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#A0A000")
STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
WIDTHS = {"column": 3.4, "page": 7.0}  # inches, as printed
TIME = r"time $t$  (inverse rates, $\hbar = 1$)"

_SCREEN: dict[Any, Any] = {
    "lines.linewidth": 1.7,
    "legend.fontsize": "small",
    "legend.labelspacing": 0.35,
}
_PRINT: dict[Any, Any] = {
    "font.size": 8.0, "axes.labelsize": 8.0, "axes.titlesize": 8.0, "figure.titlesize": 8.0,
    "xtick.labelsize": 7.0, "ytick.labelsize": 7.0, "legend.fontsize": 7.0,
    "lines.linewidth": 1.1, "lines.markersize": 4.0, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "legend.labelspacing": 0.3,
}  # fmt: skip
# TrueType instead of Type 3, which some journals refuse; letters stay letters in SVG
_VECTOR: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}

# name: (words, symbol)
QUANTITIES = {
    **{f"m_{axis}": ("overlap", f"$m_{axis}$") for axis in "xyz"},
    **{f"sigma_{a}": ("magnetisation", rf"$\langle\sigma^{a}_k\rangle$") for a in "xyz"},
    **{
        f"sigma_{a}{a}": ("correlation", rf"$\langle\sigma^{a}_j\sigma^{a}_k\rangle$")
        for a in "xyz"
    },
    "occupation": ("occupation", r"$\langle a^\dagger a\rangle$"),
    "alpha_re": ("amplitude", r"Re $\langle a\rangle$"),
    "alpha_im": ("amplitude", r"Im $\langle a\rangle$"),
    "g2": ("photon correlation", r"$g^{(2)}(0)$"),
    "photon_distribution": ("probability", "$P(n)$"),
    "purity": ("purity", r"tr $\rho^2$"),
    "trace": ("trace", r"tr $\rho$"),
    "entropy": ("entropy in nats", r"$-$tr $\rho\,\ln\rho$"),
    "energy": ("energy", r"$\langle H\rangle$"),
    "edwards_anderson": ("Edwards-Anderson parameter", "$q$"),
    "binder_cumulant": ("Binder cumulant", "$U$"),
    "overlap_distribution": ("probability", "$P(m)$"),
    "overlap_moments": ("moment", r"$\langle m^n\rangle$"),
    "correlation_re": ("correlation", "Re $C(t)$"),
    "correlation_im": ("correlation", "Im $C(t)$"),
    **{name: ("", rf"$\{name}$") for name in ("Omega", "beta", "epsilon", "omega")},
}


class _Figure(Figure):
    """A figure whose vector files hold fonts as fonts, wherever they are written."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        with mpl.rc_context(_VECTOR):
            super().savefig(*args, **kwargs)


def inches(width: Any) -> float:
    """Return a width by name or number in inches."""
    if isinstance(width, str):
        return WIDTHS[one_of(width, "width", [*WIDTHS])]
    return real(width, "width", minimum=1.0, maximum=50.0)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that its name ends with, all or nothing."""
    raw = io.BytesIO()
    figure.savefig(raw, format=path.suffix[1:], dpi=150)
    write_whole(path, raw.getvalue())


def style(width: Any = None) -> AbstractContextManager[None]:
    """Return the settings of matplotlib for a width: print where one is given, else screen."""
    return mpl.rc_context(_SCREEN if width is None else _PRINT)


def new_figure(width: Any, height: float, *, screen: float = 6.4) -> _Figure:
    """Return a figure that belongs to no window; `height` is that of the screen."""
    size = (screen, height) if width is None else (inches(width), height * _shrink(width))
    return _Figure(figsize=size, layout="constrained")


def new_axes(ax: Any, width: Any, *, height: float = 4.8) -> Axes:
    """Return the given axes, or those of a new window of pyplot."""
    if ax is not None:
        if not isinstance(ax, Axes):
            raise wrong_type("ax", "be a matplotlib Axes", ax)
        if width is not None:
            raise fail("width", "be left out if `ax` is given", "both are there")
        return ax
    import matplotlib.pyplot as plt

    size = (6.4, height) if width is None else (inches(width), height * _shrink(width))
    return plt.figure(FigureClass=_Figure, figsize=size, layout="constrained").subplots()


def _shrink(width: Any) -> float:
    """Return by how much heights of the screen shrink in print: fonts do, by a fifth."""
    return 0.55 if inches(width) < 5.0 else 0.8


def heighten(figure: Any, by: float) -> None:
    """Make room for a legend, so that the axes keep their height."""
    breadth, height = figure.get_size_inches()
    figure.set_size_inches(breadth, height + by)


def listed(requested: Any) -> list[str]:
    """Accept the name of an observable, or a sequence of such names."""
    items = [requested] if isinstance(requested, str) else requested
    names = members(items, "observables", "be names of observables", str)
    if not names:
        raise fail("observables", "name at least one observable", "there is none")
    return names


def axis_label(names: Sequence[str]) -> str:
    """Return words and symbol of one quantity, or the symbols of several."""
    if len(names) == 1:
        words, mark = QUANTITIES.get(names[0], ("", names[0]))
        return f"{words} {mark}".strip()
    kinds = {QUANTITIES.get(name, ("", ""))[0] for name in names}
    common = kinds.pop() if len(kinds) == 1 else ""
    symbols = list(dict.fromkeys(symbol(name) for name in names))
    if len(symbols) > 4:
        return common or "expectation value"
    return f"{common} {', '.join(symbols)}".strip()


def symbol(name: str) -> str:
    """Return the symbol of a quantity, or its name."""
    return QUANTITIES.get(name, ("", name))[1]


def colours(n_curves: int) -> list[Any]:
    """Return different colours; more than eight are shades of one scale."""
    if n_curves <= len(COLOURS):
        return list(COLOURS[:n_curves])
    return list(colormaps["viridis"](np.linspace(0.0, 0.87, n_curves)))


def line_style(position: int, n_datasets: int, *, single_time: bool = False) -> dict[str, Any]:
    """Return line style, width and markers of the curves of one of several datasets.

    The first of several is broad and pale, so that others on top of it can be seen to agree.
    """
    width = mpl.rcParams["lines.linewidth"]
    if single_time:
        marker = MARKERS[position % len(MARKERS)]
        return {"linestyle": "none", "marker": marker, "markerfacecolor": "none"}
    if n_datasets > 1 and position == 0:
        return {"linestyle": "-", "linewidth": 2.2 * width, "alpha": 0.45}
    again = position // len(STYLES)
    found = {"linestyle": STYLES[position % len(STYLES)], "linewidth": width}
    if again:
        found |= {"marker": MARKERS[(again - 1) % len(MARKERS)], "markevery": 0.1}
    return found


# Legends.


def place_legend(
    ax: Axes, *groups: Sequence[Any], caption: Sequence[str] = (), room: float | None = None
) -> float:
    """Put a legend above the axes, where it hides nothing, as broad as the axes allow.

    One row holds everything if it fits; else every group of handles starts a row of its own. The
    sentences of the caption stand on top. Return the height in inches.
    """
    listed = [[handle for handle in group if handle.get_label()] for group in groups]
    together = [handle for group in listed for handle in group]
    if not together and not caption:
        return 0.0
    room = _width_of(ax) if room is None else room
    rows = [together]
    if _breadth(rows) > room:
        for n_columns in range(max(len(group) for group in listed), 0, -1):
            rows = [g[k : k + n_columns] for g in listed for k in range(0, len(g), n_columns)]
            if _breadth(rows) <= room:
                break
    n_columns = max(1, *(len(row) for row in rows))
    blank = Line2D([], [], linestyle="none", label=" ")
    filled = [list(row) + [blank] * (n_columns - len(row)) for row in rows if row]
    font = mpl.rcParams["legend.fontsize"]
    title = "; ".join(caption)
    points = FontProperties(size=font).get_size_in_points()
    if _text_width(title, FontProperties(size=font)) > room - 2.0 * points:
        title = "\n".join(caption)
    ax.legend(
        handles=[row[k] for k in range(n_columns) for row in filled],  # it is filled by columns
        loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=n_columns,
        frameon=False, handlelength=_HANDLE, columnspacing=_SPACE, handletextpad=_PAD,
        title=title or None, title_fontsize=font, alignment="left",
    )  # fmt: skip
    n_lines = len(filled) + (title.count("\n") + 1 if title else 0)
    return n_lines * points * (1.1 + mpl.rcParams["legend.labelspacing"]) / 72


_HANDLE, _SPACE, _PAD = 2.0, 1.2, 0.5  # in units of the font size


def room_of(figure: Any, *, colorbar: bool = False) -> float:
    """Return the width in points that the layout leaves to axes as broad as the figure."""
    margins = (12.0 if colorbar else 6.0) * mpl.rcParams["font.size"]  # labels and numbers
    return float(72.0 * figure.get_size_inches()[0] - margins)


def _width_of(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(72.0 * ax.get_window_extent().width / figure.dpi)


def _breadth(rows: Sequence[Sequence[Any]]) -> float:
    """Return the width of a legend of these rows, in points."""
    if not any(rows):
        return 0.0
    font = FontProperties(size=mpl.rcParams["legend.fontsize"])
    points = font.get_size_in_points()
    n_columns = max(len(row) for row in rows)
    texts = [
        max(_text_width(str(row[k].get_label()), font) for row in rows if k < len(row))
        for k in range(n_columns)
    ]
    return sum(texts) + points * (1.0 + (_HANDLE + _PAD) * n_columns + _SPACE * (n_columns - 1))


def _text_width(text: str, font: FontProperties) -> float:
    if not text.strip():
        return 0.0
    box = TextPath((0, 0), text, size=font.get_size_in_points(), prop=font).get_extents()
    return 1.03 * float(box.width)  # letters are set on whole pixels


def band_caption(half_widths: Sequence[float], ax: Axes, *, points: bool = False) -> list[str]:
    """Return the sentence that says what bands are; nothing if there are none."""
    if not half_widths:
        return []
    low, high = ax.get_ylim()
    text, thin = "error bars, at least 95 %", max(half_widths) < 0.003 * abs(high - low)
    if points:
        return [f"{text}: smaller than the symbols" if thin else text]
    return [f"{text}: thinner than the lines" if thin else f"bands: {text}"]


def calm(ax: Axes, low: float, high: float) -> None:
    """Keep rounding errors of what is constant from filling the axes."""
    middle = (low + high) / 2
    if np.isfinite(middle) and high - low < 1e-9 * max(1.0, abs(middle)):
        ax.set_ylim(middle - 0.1 * max(1.0, abs(middle)), middle + 0.1 * max(1.0, abs(middle)))
    ax.yaxis.get_offset_text().set_horizontalalignment("right")  # its place is the legend's
