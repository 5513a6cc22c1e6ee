"""Comparison: one problem by several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnhop.answers.citations import cite
from tnhop.answers.result import Result
from tnhop.answers.tables import UNITS, tidy_frame
from tnhop.support import html

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    pass

__all__ = ["Comparison"]

_COMPARED = ("methods", "observable", "largest", "bars", "verdict")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Answer of `compare`: the same problem by several methods.

    Attributes
    ----------
    results : tuple of Result
        One per method.
    """

    results: tuple[Result, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the methods, numbered where one occurs more than once."""
        names = [type(result.method).__name__ for result in self.results]
        return tuple(
            name if names.count(name) == 1 else f"{name} {names[:k].count(name) + 1}"
            for k, name in enumerate(names)
        )

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return methods, observable, largest deviation, bars and verdict of every pair."""
        rows = []
        for i, a in enumerate(self.results):
            for j, b in enumerate(self.results[i + 1 :], i + 1):
                for name in a.expect:
                    deviation = np.abs(a.expect[name] - b.expect[name])
                    bars = a.errors[name] + b.errors[name]
                    verdict = (
                        "uncontrolled" if np.isnan(bars).any()
                        else "agree" if np.all(deviation <= bars + 1e-15) else "DISAGREE"
                    )  # fmt: skip
                    bar = "unknown" if np.isnan(bars).any() else f"{bars.max():.1e}"
                    pair = f"{self.labels[i]} - {self.labels[j]}"
                    rows.append((pair, name, f"{deviation.max():.1e}", bar, verdict))
        return rows

    def table(self) -> str:
        """Return the largest deviation of every pair, and whether the error bars cover it."""
        width = max(12, *(len(name) for result in self.results for name in result.expect))
        return "\n".join(
            f"  {pair:<24} {name:<{width}} {largest:<9} {bars:<9} {verdict}"
            for pair, name, largest, bars, verdict in [_COMPARED, *self._rows()]
        )

    def to_dataframe(self) -> Any:
        """Return a tidy pandas DataFrame of all methods; columns as ``tidy`` of a Result."""
        import pandas as pd

        parts = [
            tidy_frame(label, r.observables, r.expect, r.errors, r.times)
            for label, r in zip(self.labels, self.results, strict=True)
        ]
        joined = pd.concat(parts, ignore_index=True)
        joined.attrs = dict(UNITS)
        return joined

    def plot(
        self,
        ax: Any = None,
        *,
        observables: Sequence[str] | None = None,
        width: float | str | None = None,
    ) -> Any:
        """Draw all methods into one Axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        observables : sequence of str, optional
            Names; by default the overlaps, or whatever there is.
        width : "column", "page" or float, optional
            For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

        Returns
        -------
        matplotlib Axes
        """
        from tnhop.plots import evolution

        pairs = zip(self.results, self.labels, strict=True)
        data = [result.to_xarray().assign_attrs(label=label) for result, label in pairs]
        return evolution.draw_evolution(data, ax=ax, observables=observables, width=width)

    def cite(self) -> str:
        """Return BibTeX of the software, and of the papers behind model and all methods."""
        first = self.results[0]
        return cite(first.model, [result.method for result in self.results])

    def __repr__(self) -> str:
        """Return the model and the table."""
        return f"{repr(self.results[0].model)[1:-1]}\n{self.table()}"

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        title = repr(self.results[0].model)[1:-1]
        return html.card(title, html.table(self._rows(), _COMPARED))
