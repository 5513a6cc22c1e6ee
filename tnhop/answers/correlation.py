"""Correlation: two-time correlations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.tables import tidy_frame
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.physics.terms import Operator, Term
from tnhop.support import html

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Correlation"]


@dataclass(frozen=True, eq=False)
class Correlation:
    """Answer of `correlation`: a two-time correlation function.

    Attributes
    ----------
    times : ndarray, shape (n_times,)
        Delays.
    values : ndarray, shape (n_times,)
        ⟨second(t) first(0)⟩, complex.
    errors : ndarray, shape (n_times,)
        Half-widths of the error bars of real and imaginary part.
    model, method : Model, Method
        What was solved, and how.
    stats : dict
        Effort.
    """

    times: NDArray[np.float64]
    values: NDArray[np.complex128]
    errors: NDArray[np.float64]
    model: Model
    method: Any
    stats: dict[str, Any] = field(default_factory=dict)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset with real and imaginary part and error over the delay."""
        import xarray as xr

        data = dict(real_parts("correlation", self.values)) | {"correlation_error": self.errors}
        attrs = {"method": repr(self.method), "model": repr(self.model)}
        found = xr.Dataset({k: ("time", v) for k, v in data.items()}, {"time": self.times}, attrs)
        found["time"].attrs["long_name"] = r"delay $t$  (inverse rates, $\hbar = 1$)"
        return found

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: columns method, observable, time, value, error.

        The observables are ``correlation_re`` and ``correlation_im``; time is the delay.
        """
        observable = Observable("correlation", Operator((Term(1.0),)))
        values, errors = {"correlation": self.values}, {"correlation": self.errors}
        return tidy_frame(type(self.method).__name__, [observable], values, errors, self.times)

    def plot(self, ax: Any = None, *, width: float | str | None = None) -> Any:
        """Draw real and imaginary part over the delay, with error bands.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        width : "column", "page" or float, optional
            For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

        Returns
        -------
        matplotlib Axes
        """
        from tnhop.plots import evolution

        data = [self.to_xarray()]
        return evolution.draw_evolution(data, ax=ax, observables=["correlation"], width=width)

    def __repr__(self) -> str:
        """Return first and last value."""
        ends = ", ".join(
            f"C({self.times[k]:g}) = {self.values[k]:.8f} ± {self.errors[k]:.1e}" for k in (0, -1)
        )
        return f"correlation in {repr(self.model)[1:-1]}\n{self.method!r}: {ends}"

    def _repr_html_(self) -> str:
        """Return first and last value as a table for notebooks."""
        rows = [
            (f"C({self.times[k]:g})", f"{self.values[k]:.8f}", f"± {self.errors[k]:.1e}")
            for k in (0, -1)
        ]
        title = f"correlation in {repr(self.model)[1:-1]}"
        return html.card(title, html.line(repr(self.method)), html.table(rows))
