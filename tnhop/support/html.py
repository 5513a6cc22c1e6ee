"""Small HTML tables for notebooks: self-contained, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 24
_CELL = "padding:0.15em 0.7em;border:0;background:transparent;color:inherit"
_LINE = "1px solid rgba(128,128,128,0.5)"
_UP, _DOWN = "#b2182b", "#2166ac"  # red and blue of the figures


def card(title: str, *parts: str) -> str:
    """Return a block with a title and what was rendered before."""
    head = f'<div style="font-weight:bold">{escape(title)}</div>'
    return f'<div style="color:inherit;font-size:90%">{head}{"".join(parts)}</div>'


def line(text: str) -> str:
    """Return one line of text."""
    return f"<div>{escape(text)}</div>"


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Return a table of texts; the first cell of a row stands left, the others right."""
    listed = [[str(cell) for cell in row] for row in rows]
    left_out = len(listed) - MOST_ROWS
    lines = [_row(head, "th", f";border-bottom:{_LINE}")] if head else []
    lines += [_row(row, "td") for row in listed[:MOST_ROWS]]
    if left_out > 0:
        lines.append(_row([f"... {left_out} more"], "td"))
    style = "border-collapse:collapse;border:0;margin:0.3em 0;background:transparent"
    return f'<table style="{style}">{"".join(lines)}</table>'


def _row(cells: Sequence[str], tag: str, more: str = "") -> str:
    texts = "".join(
        f'<{tag} style="{_CELL}{more};text-align:{"left" if k == 0 else "right"}">'
        f"{escape(cell)}</{tag}>"
        for k, cell in enumerate(cells)
    )
    return f'<tr style="background:transparent">{texts}</tr>'


def image(signs: NDArray[np.int8], title: str, pixel: int = 7) -> str:
    """Return an array of +1 and -1, shape (n_rows, n_columns), as a picture in red and blue."""
    n_rows, n_columns = signs.shape
    squares = "".join(
        f'<rect x="{column}" y="{row}" width="1" height="1" fill="{_UP if up else _DOWN}"/>'
        for (row, column), up in np.ndenumerate(signs > 0)
    )
    return (
        f'<svg role="img" width="{n_columns * pixel}" height="{n_rows * pixel}"'
        f' viewBox="0 0 {n_columns} {n_rows}" shape-rendering="crispEdges"'
        f' style="margin:0.2em 0.7em"><title>{escape(title)}</title>{squares}</svg>'
    )
