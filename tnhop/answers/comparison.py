"""Comparison: one problem by several methods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from tnhop.answers.answer import ObservablesAnswer
from tnhop.answers.result import Result
from tnhop.answers.tables import UNITS, tidy_frame
from tnhop.answers.verdict import UNDETERMINED
from tnhop.physics.model import Model

__all__ = ["MODELS_DIFFER", "Comparison"]

MODELS_DIFFER = "The models differ: expect agreement only between results of the same one."


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(ObservablesAnswer):
    """Answer of `compare`: the same problem by several methods.

    Attributes
    ----------
    results : tuple of Result
        One per method.
    names : tuple of str
        Names of the results; by default those of the methods.
    """

    results: tuple[Result, ...]
    names: tuple[str, ...] = ()

    columns: ClassVar[tuple[str, ...]] = ("methods", "observable", "largest", "bars", "verdict")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the results, or of the methods, numbered where one occurs more than once."""
        names = self.names or tuple(type(result.method).__name__ for result in self.results)
        return tuple(
            name if names.count(name) == 1 else f"{name} {names[:k].count(name) + 1}"
            for k, name in enumerate(names)
        )

    @property
    def model(self) -> Model:
        """The model of the first result."""
        return self.results[0].model

    @property
    def method(self) -> tuple[Any, ...]:
        """The methods of all results."""
        return tuple(result.method for result in self.results)

    @property
    def one_model(self) -> bool:
        """Whether all results are of one model; its Fock levels may differ, they are numerics."""
        return all(_same_physics(self.model, result.model) for result in self.results)

    def rows(self) -> list[tuple[str, ...]]:
        """Return methods, observable, largest deviation, bars and verdict of every pair.

        The verdict is "agree" or "DISAGREE" where the sum of the error bars covers the deviation or
        does not, "undetermined" where a value on either side cannot be right, "uncontrolled" where
        a bar is unknown, and "other model" where nothing is tested.
        """
        rows: list[tuple[str, ...]] = []
        for (label_a, a), (label_b, b) in combinations(
            zip(self.labels, self.results, strict=True), 2
        ):
            for name in a.expect:
                n = min(len(a.times), len(b.times))  # a run that was stopped has fewer
                deviation = np.abs(a.expect[name][:n] - b.expect[name][:n])
                bars = a.errors[name][:n] + b.errors[name][:n]
                unknown = bool(np.isnan(bars).any())
                verdict = (
                    "other model" if not _same_physics(a.model, b.model)
                    else UNDETERMINED if not (a.determined[name][:n] & b.determined[name][:n]).all()
                    else "uncontrolled" if unknown
                    else "agree" if np.all(deviation <= bars + 1e-15) else "DISAGREE"
                )  # fmt: skip
                bar = "unknown" if unknown else f"{bars.max():.1e}"
                pair = f"{label_a} - {label_b}"
                rows.append((pair, name, f"{deviation.max():.1e}", bar, verdict))
        return rows

    @property
    def determined(self) -> bool:
        """Whether all that was compared can be right, so that it agrees or disagrees."""
        return UNDETERMINED not in {verdict for *_, verdict in self.rows()}

    def to_dataframe(self) -> Any:
        """Return a tidy pandas DataFrame of all methods; columns as ``tidy`` of a Result."""
        import pandas as pd

        parts = [
            tidy_frame(label, r.observables, r.expect, r.errors, r.times, r.determined)
            for label, r in zip(self.labels, self.results, strict=True)
        ]
        joined = pd.concat(parts, ignore_index=True)
        joined.attrs = dict(UNITS)
        return joined

    def _head(self) -> list[str]:
        """Return the model, or that there are several, and the times where some are missing."""
        head = [self.model.summary if self.one_model else MODELS_DIFFER]
        reached = [len(result.times) for result in self.results]
        if min(reached) < max(reached):
            last = self.results[reached.index(min(reached))].times[-1]
            head.append(f"not all runs are complete: compared up to t = {last:g}")
        return head

    def _draw(self, **options: Any) -> Any:
        """Draw all methods into one Axes."""
        from tnhop.plots import evolution

        pairs = zip(self.results, self.labels, strict=True)
        data = [result.to_xarray().assign_attrs(label=label) for result, label in pairs]
        return evolution.draw_evolution(data, **options)


def _same_physics(a: Model, b: Model) -> bool:
    """Compare models as if they had the same Fock levels."""
    if (a.n_spins, a.n_modes) != (b.n_spins, b.n_modes):
        return False
    return a == (b.with_levels([a.sites[k].dim for k in a.modes]) if a.n_modes else b)
