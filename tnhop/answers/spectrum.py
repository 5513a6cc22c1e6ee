"""Spectrum: slow eigenvalues of a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import Answer
from tnhop.physics.model import Model

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Spectrum"]


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Answer):
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

    columns: ClassVar[tuple[str, ...]] = ("", "Re", "Im", "residual")

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

    def rows(self) -> list[tuple[str, ...]]:
        """Return index, real and imaginary part, and residual of every eigenvalue."""
        return [
            (f"{k}", f"{value.real:+.10f}", f"{value.imag:+.10f}", f"{residual:.0e}")
            for k, (value, residual) in enumerate(
                zip(self.eigenvalues, self.residuals, strict=True)
            )
        ]

    def _head(self) -> list[str]:
        """Return the model, and the method with gap and multiplicity."""
        return [
            f"slowest eigenvalues of {self.model.summary}",
            f"{self.method!r}: gap {self.gap:.6g}, multiplicity {self.multiplicity}",
        ]

    def _draw(self, **options: Any) -> Any:
        """Draw the eigenvalues in the complex plane, with the gap."""
        from tnhop.plots import stationary

        return stationary.draw_spectrum(self.to_xarray(), **options)
