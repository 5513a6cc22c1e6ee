"""Results: labelled arrays with error bars, their tables and their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.citations import cite
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.tables import Values, index_labels, text_rows, tidy_frame, variables
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.support import html
from tnhop.support.checks import flag

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    import xarray as xr

    from tnhop.storage.files import Content

__all__ = ["Result"]


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

    def to_dataframe(self, *, tidy: bool = False) -> Any:
        """Return a pandas DataFrame: one row per time, one column per number.

        Parameters
        ----------
        tidy : bool
            One row per number instead, with the columns method, observable, one per label (pattern,
            site, mode, ...), time, value, and error: the half-width of the bar, NaN if not known.
        """
        if flag(tidy, "tidy"):
            word = type(self.method).__name__
            return tidy_frame(word, self.observables, self.expect, self.errors, self.times)
        frame: dict[str, Any] = {}
        for name, array in self.to_xarray().data_vars.items():
            flat = array.values.reshape(len(self.times), -1)
            named = index_labels(array.dims[1:], array)
            frame |= {f"{name}{label}": flat[:, k] for k, label in enumerate(named)}
        import pandas as pd

        return pd.DataFrame(frame, index=pd.Index(self.times, name="time"))

    def plot(
        self,
        ax: Any = None,
        *,
        observables: Sequence[str] | None = None,
        width: float | str | None = None,
    ) -> Any:
        """Draw observables over time, with error bands.

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

        data = [self.to_xarray()]
        return evolution.draw_evolution(data, ax=ax, observables=observables, width=width)

    def animate(
        self,
        path: str | Path | None = None,
        *,
        shape: tuple[int, int] | None = None,
        fps: int = 10,
        overwrite: bool = False,
    ) -> Any:
        """Animate the image ⟨σᶻ⟩ on the sites beside the overlaps, one frame per output time.

        Parameters
        ----------
        path : str or path, optional
            GIF to write, all or nothing.
        shape : (int, int), optional
            Rows and columns of the image; needless for a file of `tnhop run` whose config has
            images as patterns.
        fps : int
            Frames per second.
        overwrite : bool
            Whether an existing file may be replaced.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            Keep a reference while it plays.

        Raises
        ------
        ValueError
            If `shape` does not fit the number of spins, or there is no ``sigma_z`` over time.
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        from tnhop.plots import animation

        data = self.to_xarray()
        shape = animation.known_shape(self.stats) if shape is None else shape
        if path is None:
            return animation.draw_retrieval(data, shape=shape, fps=fps)
        return animation.save_retrieval(data, path, shape=shape, fps=fps, overwrite=overwrite)

    def cite(self) -> str:
        """Return BibTeX of the software, and of the papers behind model, method and libraries."""
        return cite(self.model, self.method)

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
        from tnhop.storage import files

        return files.write(path, self.to_content(), overwrite=overwrite)

    def to_content(self) -> Content:
        """Return what a file holds."""
        from tnhop.storage.files import Content

        return Content(
            "Result", self.to_xarray(), self.model, self.method, self.observables, self.stats,
            self.final_state, self.states,
        )  # fmt: skip

    def _rows(self) -> list[tuple[str, str]]:
        """Return label and value ± error of the final values."""
        rows = []
        for o in self.observables:
            error = self.errors[o.name][-1]
            for name, values in real_parts(o.name, self.expect[o.name][-1]):
                rows += text_rows(name, o, np.asarray(values), np.asarray(error))
        return rows

    def table(self) -> str:
        """Return the final values ± error as text."""
        rows = self._rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"  {label:<{width}}  {text}" for label, text in rows)

    def _head(self) -> list[str]:
        """Return model, method and effort as lines."""
        ended = self.stats.get("stopped")
        return [
            repr(self.model)[1:-1],
            f"{self.method!r}, {len(self.times)} times up to t = {self.times[-1]:g}"
            + (f" (stopped: {ended})" if ended else "")
            + (f", {self.stats['wall_time']:.2g} s" if "wall_time" in self.stats else ""),
            f"values at t = {self.times[-1]:g}:",
        ]

    def __repr__(self) -> str:
        """Return model, method, effort and the table of final values."""
        return "\n".join([*self._head(), self.table()])

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        title, *lines = self._head()
        return html.card(title, *map(html.line, lines), html.table(self._rows()))
