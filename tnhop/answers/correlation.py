"""Correlation: two-time correlations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import Answer
from tnhop.answers.tables import tidy_frame
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.physics.terms import Operator, Term

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Correlation"]


@dataclass(frozen=True, eq=False, repr=False)
class Correlation(Answer):
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

    def rows(self) -> list[tuple[str, str]]:
        """Return ("C(t)", "value ± error") of the first and the last delay."""
        return [
            (f"C({self.times[k]:g})", f"{self.values[k]:.8f} ± {self.errors[k]:.1e}")
            for k in (0, -1)
        ]

    def _head(self) -> list[str]:
        """Return the model, and the method with the number of delays."""
        found = f"{self.method!r}, {len(self.times)} delays up to t = {self.times[-1]:g}"
        return [f"correlation in {self.model.summary}", found]

    def _draw(self, **options: Any) -> Any:
        """Draw real and imaginary part over the delay, with error bands."""
        from tnhop.plots import evolution

        return evolution.draw_evolution([self.to_xarray()], observables=["correlation"], **options)
