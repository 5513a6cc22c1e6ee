"""Answers about the generator itself: stationary states, spectra, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers import frames, text_tables
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.variables import Values, values_of, variables
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.physics.terms import Operator, Term
from tnhop.support import html

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Correlation", "Spectrum", "SteadyState"]

# what a steady state is judged by; variables of its Dataset
QUALITY = ("residual", "weighted_residual", "gap", "multiplicity", "converged")


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Answer of `steady_state`.

    Attributes
    ----------
    state : State
        The stationary state.
    expect : dict of str to ndarray, shape (...)
        Observables in it.
    residual : float
        ‖L ρ‖ / ‖ρ‖ in the Frobenius norm, recomputed.
    gap : float
        Smallest decay rate of what is not stationary; NaN if unknown.
    multiplicity : int
        Number of independent stationary states; if above 1, `state` is what the initial state
        reaches.
    converged : bool
        Whether the residual is small and the eigenvalues beside it converged: a small residual
        alone may be metastable.
    model, method : Model, Method
        What was solved, and how.
    observables : tuple of Observable
        Labels and definitions.
    stats : dict
        Effort.
    errors : ErrorBudget or None
        Half-widths, where the method measures them.
    weighted_residual : float
        The residual in the norm in which the method truncates; NaN if there is none.
    label : str
        What `converged` rests on, where it is less than an eigenvalue problem.
    """

    state: Any
    expect: Values
    residual: float
    gap: float
    multiplicity: int
    converged: bool
    model: Model
    method: Any
    observables: tuple[Observable, ...]
    stats: dict[str, Any] = field(default_factory=dict)
    errors: ErrorBudget | None = None
    weighted_residual: float = float("nan")
    label: str = ""

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of observables, errors, gap, residuals and multiplicity.

        Complex observables become ``<name>_re`` and ``<name>_im``; ``<name>_error`` is NaN where
        the method does not measure it.
        """
        import xarray as xr

        data: dict[str, Any] = {name: ((), getattr(self, name)) for name in QUALITY}
        coords: dict[str, Any] = {}
        for o in self.observables:
            data |= variables(o, self.expect[o.name], self.errors)
            if self.errors is None:
                data[f"{o.name}_error"] = (o.dims, np.full(o.shape, np.nan))
            coords |= {dim: list(labels) for dim, labels in o.coords}
        attrs = {"method": repr(self.method), "model": repr(self.model), "label": self.label}
        return xr.Dataset(data, coords, attrs)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write one self-describing HDF5 file, all or nothing; `load` reads it.

        Parameters
        ----------
        path : str or path
            File to write, usually ``*.h5``.
        overwrite : bool
            Whether an existing file may be replaced.
        """
        from tnhop.storage import files

        return files.write(
            path, self.to_xarray(), overwrite=overwrite, kind="SteadyState",
            model=self.model, method=self.method, observables=self.observables, stats=self.stats,
            state=self.state,
        )  # fmt: skip

    @classmethod
    def from_content(cls, content: Any) -> SteadyState:
        """Rebuild the answer from what a file holds."""
        data = content.data
        expect, by_source = values_of(data, content.observables)
        quality = {name: data[name].item() for name in QUALITY}
        return cls(
            content.state, expect, model=content.model, method=content.method,
            observables=content.observables, stats=content.stats, label=data.attrs["label"],
            errors=ErrorBudget(by_source) if any(by_source.values()) else None, **quality,
        )  # fmt: skip

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: columns method, observable, labels, value, error.

        Every kind of label (pattern, site, mode, ...) is a column; the error is the half-width of
        the bar, NaN if it is not known. Gap, residual and multiplicity are in ``attrs``.
        """
        name = type(self.method).__name__
        frame = frames.tidy(name, self.observables, self.expect, self.errors)
        frame.attrs |= {key: getattr(self, key) for key in QUALITY}
        return frame

    def plot(
        self,
        ax: Any = None,
        *,
        observables: Sequence[str] | None = None,
        width: float | str | None = None,
    ) -> Any:
        """Draw values with error bars over their labels.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        observables : sequence of str, optional
            Names; by default the overlaps, or else occupations or magnetisations.
        width : "column", "page" or float, optional
            For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

        Returns
        -------
        matplotlib Axes
        """
        from tnhop.plots import stationary

        data = self.to_xarray()
        return stationary.draw_steady(data, ax=ax, observables=observables, width=width)

    def _rows(self) -> list[tuple[str, str]]:
        """Return label and value ± error of everything."""
        return [
            row
            for o in self.observables
            for name, values in real_parts(o.name, self.expect[o.name])
            for row in text_tables.rows(
                name, o, np.asarray(values), self.errors[o.name] if self.errors else None
            )
        ]

    def _head(self) -> list[str]:
        """Return model and quality as lines."""
        label = self.label or ("converged" if self.converged else "not converged")
        return [
            f"steady state of {repr(self.model)[1:-1]}",
            f"{self.method!r}: {label}, residual {self.residual:.1e}, gap {self.gap:.6g},"
            f" multiplicity {self.multiplicity}",
        ]

    def __repr__(self) -> str:
        """Return the quality and the table of values."""
        rows = self._rows()
        width = max((len(label) for label, _ in rows), default=0)
        return "\n".join([*self._head(), *(f"  {name:<{width}}  {text}" for name, text in rows)])

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        title, quality = self._head()
        return html.card(title, html.line(quality), html.table(self._rows()))


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
        return frames.tidy(type(self.method).__name__, [observable], values, errors, self.times)

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
