"""Results: labelled arrays with error bars, their tables and their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import StoredAnswer
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.tables import Values, index_labels, text_rows, tidy_frame, values_of, variables
from tnhop.answers.verdict import NEGATIVE_SINCE
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.support.checks import flag

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    import xarray as xr

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, repr=False)
class Result(StoredAnswer):
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
        States at all output times, if asked for; files hold them, too.
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

        Complex observables become ``<name>_re`` and ``<name>_im``; ``<name>_determined`` is False
        where a value cannot be right; the coordinate ``xi`` holds the patterns where there are any.
        """
        import xarray as xr

        data: dict[str, Any] = {}
        coords: dict[str, Any] = {"time": self.times}
        for o in self.observables:
            coords |= {dim: list(labels) for dim, labels in o.coords}
            data |= variables(
                o, self.expect[o.name], self.errors, self.determined[o.name], ("time",)
            )
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
            site, mode, ...), time, value, error: the half-width of the bar, NaN if not known, and
            determined: False where the value cannot be right.
        """
        if flag(tidy, "tidy"):
            word = type(self.method).__name__
            return tidy_frame(
                word, self.observables, self.expect, self.errors, self.times, self.determined
            )
        frame: dict[str, Any] = {}
        for name, array in self.to_xarray().data_vars.items():
            flat = array.values.reshape(len(self.times), -1)
            named = index_labels(array.dims[1:], array)
            frame |= {f"{name}{label}": flat[:, k] for k, label in enumerate(named)}
        import pandas as pd

        return pd.DataFrame(frame, index=pd.Index(self.times, name="time"))

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

    @classmethod
    def from_content(cls, content: Any) -> Result:
        """Rebuild the answer from the content of its file."""
        expect, errors = values_of(content.data, content.observables)
        return cls(
            content.data["time"].values, expect, ErrorBudget(errors), content.stats, content.model,
            content.method, content.observables, content.state, [*content.states],
        )  # fmt: skip

    def rows(self) -> list[tuple[str, str]]:
        """Return (label, "value ± error") of the final values; long arrays are shortened."""
        rows = []
        for o in self.observables:
            error, right = self.errors[o.name][-1], self.determined[o.name][-1]
            for name, values in real_parts(o.name, self.expect[o.name][-1]):
                rows += text_rows(name, o, np.asarray(values), np.asarray(error), right)
        return rows

    def _head(self) -> list[str]:
        """Return model, method with effort, and the time of the values."""
        ended = self.stats.get("stopped")
        return [
            self.model.summary,
            f"{self.method!r}, {len(self.times)} times up to t = {self.times[-1]:g}"
            + (f" (stopped: {ended})" if ended else "")
            + (f", {self.stats['wall_time']:.2g} s" if "wall_time" in self.stats else ""),
            *filter(None, [self.undetermined]),
            f"values at t = {self.times[-1]:g}:",
        ]

    def _is_state(self, right: NDArray[np.bool_], ranges: Any) -> Any:  # noqa: ARG002
        """Return whether the outputs are of a time before the state had negative eigenvalues."""
        before = np.asarray(self.times) < self.stats.get(NEGATIVE_SINCE, np.inf)
        return before.reshape(-1, *(1,) * (right.ndim - 1))

    def _draw(self, **options: Any) -> Any:
        """Draw observables over time, with error bands."""
        from tnhop.plots import evolution

        return evolution.draw_evolution([self.to_xarray()], **options)

    def _stored_state(self) -> Any:
        """Return the final state."""
        return self.final_state

    def _stored_states(self) -> list[Any]:
        """Return the states at all output times, if they were asked for."""
        return self.states
