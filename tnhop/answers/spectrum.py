"""Spectrum: slow eigenvalues of a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.support import html

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Spectrum"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Answer of `liouvillian_spectrum`: the slowest eigenvalues.

    Attributes
    ----------
    eigenvalues : ndarray, shape (k,)
        By falling real part.
    residuals : ndarray, shape (k,)
        ‖L v - λ v‖ of the normalised eigenvectors, recomputed.
    multiplicity : int
        Number of eigenvalues that are zero.
    model, method : Model, Method
        What was solved, and how.
    """

    eigenvalues: NDArray[np.complex128]
    residuals: NDArray[np.float64]
    multiplicity: int
    model: Model
    method: Any

    @property
    def gap(self) -> float:
        """Smallest decay rate of what is not stationary; NaN if it was not computed."""
        rest = self.eigenvalues[self.multiplicity :]
        return float(-rest[0].real) if len(rest) else float("nan")

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of real and imaginary parts and residuals over the index."""
        import xarray as xr

        parts = {"real": self.eigenvalues.real, "imag": self.eigenvalues.imag,
                 "residual": self.residuals}  # fmt: skip
        attrs = {"method": repr(self.method), "model": repr(self.model),
                 "multiplicity": self.multiplicity, "gap": self.gap}  # fmt: skip
        index = {"index": np.arange(len(self.eigenvalues))}
        return xr.Dataset({name: ("index", part) for name, part in parts.items()}, index, attrs)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame, one row per eigenvalue.

        The columns are method, index, decay_rate = -Re λ and frequency = Im λ, both in the unit of
        rates (hbar = 1), and residual. Gap and multiplicity are in ``attrs``.
        """
        import pandas as pd

        columns = {"decay_rate": -self.eigenvalues.real, "frequency": self.eigenvalues.imag,
                   "residual": self.residuals}  # fmt: skip
        frame = pd.DataFrame({"index": np.arange(len(self.eigenvalues)), **columns})
        frame.insert(0, "method", type(self.method).__name__)
        frame.attrs = {"gap": self.gap, "multiplicity": self.multiplicity}
        return frame

    def plot(self, ax: Any = None, *, width: float | str | None = None) -> Any:
        """Draw the eigenvalues in the complex plane, with the gap.

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
        from tnhop.plots import stationary

        return stationary.draw_spectrum(self.to_xarray(), ax=ax, width=width)

    def __repr__(self) -> str:
        """Return the eigenvalues with their residuals."""
        rows = [
            f"  {value.real:+.10f} {value.imag:+.10f}i  residual {residual:.0e}"
            for value, residual in zip(self.eigenvalues, self.residuals, strict=True)
        ]
        return "\n".join([f"slowest eigenvalues of {repr(self.model)[1:-1]}", *rows])

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        rows = [
            (k, f"{value.real:+.10f}", f"{value.imag:+.10f}", f"{residual:.0e}")
            for k, (value, residual) in enumerate(
                zip(self.eigenvalues, self.residuals, strict=True)
            )
        ]
        title = f"slowest eigenvalues of {repr(self.model)[1:-1]}"
        found = f"{self.method!r}: gap {self.gap:.6g}, multiplicity {self.multiplicity}"
        table = html.table(rows, ("", "Re", "Im", "residual"))
        return html.card(title, html.line(found), table)
