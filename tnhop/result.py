"""Results: labelled arrays with error bars, their tables and their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop import _tables
from tnhop._labelled import Values, values_of, variables
from tnhop.answers import SteadyState
from tnhop.error_budget import ErrorBudget
from tnhop.model import Model
from tnhop.observables import Observable, real_parts

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    import xarray as xr

__all__ = ["Comparison", "Result", "load"]


@dataclass(frozen=True, eq=False)
class Result:
    """Answer of `evolve`: observables over time, with error bars.

    Attributes
    ----------
    times : ndarray, shape (n_times,)
        Output times.
    expect : dict of str to ndarray, shape (n_times, ...)
        Observables; the dimensions after time are those of the Observable.
    errors : ErrorBudget
        Half-widths of the same shapes.
    stats : dict
        Effort, wall time, and why the run ended.
    model, method : Model, Method
        What was solved, and how.
    observables : tuple of Observable
        Labels and definitions.
    final_state : State or None
        State at ``stats["final_time"]``, the last time unless the run was stopped; a quench starts
        from it.
    states : list of State
        States at all output times, if asked for.
    """

    times: NDArray[np.float64]
    expect: Values
    errors: ErrorBudget
    stats: dict[str, Any]
    model: Model
    method: Any
    observables: tuple[Observable, ...]
    final_state: Any = None
    states: list[Any] = field(default_factory=list)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset with dims (time, ...); ``<name>_error`` holds the half-widths.

        Complex observables become ``<name>_re`` and ``<name>_im``; the coordinate ``xi`` holds the
        patterns where there are any.
        """
        import xarray as xr

        data: dict[str, Any] = {}
        coords: dict[str, Any] = {"time": self.times}
        for o in self.observables:
            coords |= {dim: list(labels) for dim, labels in o.coords}
            data |= variables(o, self.expect[o.name], self.errors, ("time",))
        patterns = self.model.patterns
        if patterns is not None and {"pattern", "site"} <= set(coords):
            coords["xi"] = (("pattern", "site"), patterns)
        attrs = {"method": repr(self.method), "model": repr(self.model)}
        return xr.Dataset(data, coords, attrs)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: one row per time, one column per number."""
        frame: dict[str, Any] = {}
        for name, array in self.to_xarray().data_vars.items():
            flat = array.values.reshape(len(self.times), -1)
            named = _tables.labels(array.dims[1:], array)
            frame |= {f"{name}{label}": flat[:, k] for k, label in enumerate(named)}
        import pandas as pd

        return pd.DataFrame(frame, index=pd.Index(self.times, name="time"))

    def plot(self, ax: Any = None, *, observables: Sequence[str] | None = None) -> Any:
        """Draw observables over time, with error bands.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        observables : sequence of str, optional
            Names; by default the overlaps, or whatever there is.

        Returns
        -------
        matplotlib Axes
        """
        from tnhop import plot

        return plot.draw_evolution([self.to_xarray()], ax=ax, observables=observables)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write one self-describing HDF5 file, all or nothing.

        Parameters
        ----------
        path : str or path
            File to write, usually ``*.h5``.
        overwrite : bool
            Whether an existing file may be replaced.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        from tnhop import _files

        return _files.write(
            Path(path), self.to_xarray(), overwrite=overwrite, kind="Result",
            model=self.model, method=self.method, observables=self.observables, stats=self.stats,
            state=self.final_state,
        )  # fmt: skip

    def table(self) -> str:
        """Return the final values ± error as text."""
        rows = []
        for o in self.observables:
            error = self.errors[o.name][-1]
            for name, values in real_parts(o.name, self.expect[o.name][-1]):
                rows += _tables.rows(name, o, np.asarray(values), np.asarray(error))
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"  {label:<{width}}  {text}" for label, text in rows)

    def __repr__(self) -> str:
        """Return model, method, effort and the table of final values."""
        ended = self.stats.get("stopped")
        head = [
            repr(self.model)[1:-1],
            f"{self.method!r}, {len(self.times)} times up to t = {self.times[-1]:g}"
            + (f" (stopped: {ended})" if ended else "")
            + (f", {self.stats['wall_time']:.2g} s" if "wall_time" in self.stats else ""),
            f"values at t = {self.times[-1]:g}:",
        ]
        return "\n".join([*head, self.table()])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Answer of `compare`: the same problem by several methods.

    Attributes
    ----------
    results : tuple of Result
        One per method.
    """

    results: tuple[Result, ...]

    def table(self) -> str:
        """Return the largest deviation of every pair, and whether the error bars cover it."""
        lines = []
        width = max(12, *(len(name) for result in self.results for name in result.expect))
        names = [type(result.method).__name__ for result in self.results]
        labels = [
            name if names.count(name) == 1 else f"{name} {names[:k].count(name) + 1}"
            for k, name in enumerate(names)
        ]
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
                    pair = f"{labels[i]} - {labels[j]}"
                    lines.append(
                        f"  {pair:<24} {name:<{width}} {deviation.max():<9.1e} {bar:<9} {verdict}"
                    )
        head = f"  {'methods':<24} {'observable':<{width}} {'largest':<9} {'bars':<9} verdict"
        return "\n".join([head, *lines])

    def plot(self, ax: Any = None, *, observables: Sequence[str] | None = None) -> Any:
        """Draw all methods into one Axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        observables : sequence of str, optional
            Names; by default the overlaps, or whatever there is.
        """
        from tnhop import plot

        data = [result.to_xarray() for result in self.results]
        return plot.draw_evolution(data, ax=ax, observables=observables)

    def __repr__(self) -> str:
        """Return the model and the table."""
        return f"{repr(self.results[0].model)[1:-1]}\n{self.table()}"


def load(path: str | Path) -> Any:
    """Read a file written by `Result.save` or `SteadyState.save`.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Result or SteadyState

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, is not a tnhop file, is damaged or has another schema version.
    """
    from tnhop import _files

    content = _files.read(Path(path))
    if content.kind == "SteadyState":
        return SteadyState.from_content(content)
    expect, errors = values_of(content.data, content.observables)
    return Result(
        content.data["time"].values, expect, ErrorBudget(errors), content.stats, content.model,
        content.method, content.observables, content.state,
    )  # fmt: skip
