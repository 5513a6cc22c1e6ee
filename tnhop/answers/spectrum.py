"""Spectrum: slow eigenvalues of a generator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import Answer
from tnhop.answers.tables import with_bar
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
    errors : ndarray, shape (k,)
        Half-widths of the eigenvalues; NaN if they were not measured. What is not larger than its
        error is zero for all that is known.
    """

    eigenvalues: NDArray[np.complex128]
    residuals: NDArray[np.float64]
    multiplicity: int
    model: Model
    method: Any
    errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    columns: ClassVar[tuple[str, ...]] = ("", "Re", "Im", "error", "residual")

    def __post_init__(self) -> None:
        if len(self.errors) != len(self.eigenvalues):  # of a version that did not measure them
            object.__setattr__(self, "errors", np.full(len(self.eigenvalues), np.nan))

    @property
    def gap(self) -> float:
        """Smallest decay rate of what is not stationary; NaN if it was not computed.

        Where it is not resolved from zero, an upper bound: the end of its bar.
        """
        if len(self.eigenvalues) <= self.multiplicity:
            return float("nan")
        value, error = self.eigenvalues[self.multiplicity], self.errors[self.multiplicity]
        return float(abs(value) + error if abs(value) <= error else -value.real)

    @property
    def gap_error(self) -> float:
        """Half-width of the gap; the gap itself where that is an upper bound."""
        if len(self.eigenvalues) <= self.multiplicity:
            return float("nan")
        value, error = self.eigenvalues[self.multiplicity], self.errors[self.multiplicity]
        return float(abs(value) + error if abs(value) <= error else error)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of real and imaginary parts and residuals over the index."""
        import xarray as xr

        parts = {"real": self.eigenvalues.real, "imag": self.eigenvalues.imag,
                 "residual": self.residuals, "error": self.errors}  # fmt: skip
        attrs = {"method": repr(self.method), "model": repr(self.model),
                 "multiplicity": self.multiplicity, "gap": self.gap,
                 "gap_error": self.gap_error}  # fmt: skip
        index = {"index": np.arange(len(self.eigenvalues))}
        return xr.Dataset({name: ("index", part) for name, part in parts.items()}, index, attrs)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame, one row per eigenvalue.

        The columns are method, index, decay_rate = -Re λ and frequency = Im λ, both in the unit of
        rates (hbar = 1), error and residual. Gap and multiplicity are in ``attrs``.
        """
        import pandas as pd

        columns = {"decay_rate": -self.eigenvalues.real, "frequency": self.eigenvalues.imag,
                   "error": self.errors, "residual": self.residuals}  # fmt: skip
        frame = pd.DataFrame({"index": np.arange(len(self.eigenvalues)), **columns})
        frame.insert(0, "method", type(self.method).__name__)
        frame.attrs = {"gap": self.gap, "gap_error": self.gap_error,
                       "multiplicity": self.multiplicity}  # fmt: skip
        return frame

    def rows(self) -> list[tuple[str, ...]]:
        """Return index, real and imaginary part, error and residual of every eigenvalue."""
        return [
            (
                f"{k}",
                f"{value.real:+.10g}",
                f"{value.imag:+.10g}",
                f"{error:.0e}",
                f"{residual:.0e}",
            )
            for k, (value, error, residual) in enumerate(
                zip(self.eigenvalues, self.errors, self.residuals, strict=True)
            )
        ]

    def _head(self) -> list[str]:
        """Return the model, and the method with gap and multiplicity."""
        return [
            f"slowest eigenvalues of {self.model.summary}",
            f"{self.method!r}: gap {with_bar(self.gap, self.gap_error)},"
            f" multiplicity {self.multiplicity}",
        ]

    def _draw(self, **options: Any) -> Any:
        """Draw the eigenvalues in the complex plane, with the gap."""
        from tnhop.plots import stationary

        return stationary.draw_spectrum(self.to_xarray(), **options)
