"""Figures of refined numerics: bars and changes of one run after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tnhop.plots.style import COLOURS, new_axes, style


def draw_refinement(
    bars: Sequence[float], changes: Sequence[float], *, ax: Any = None, width: Any = None
) -> Any:
    """Draw the largest bar and the last change of every run, in units of the tolerance."""
    with style(width):
        ax = new_axes(ax, width)
        runs = range(1, len(bars) + 1)
        ax.semilogy(runs, bars, "o-", color=COLOURS[0], label="largest error bar")
        ax.semilogy(runs, changes, "s--", color=COLOURS[1], label="change since the run before")
        ax.axhline(1.0, color="0.4", lw=0.8)
        ax.set(xlabel="run", ylabel="in units of the tolerance", xticks=runs)
        ax.legend()
        ax.spines[["top", "right"]].set_visible(False)
    return ax
