"""Answers about the generator itself: stationary states, spectra, correlations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop import _tables
from tnhop._labelled import Values, values_of, variables
from tnhop.error_budget import ErrorBudget
from tnhop.model import Model
from tnhop.observables import Observable, real_parts

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Correlation", "Spectrum", "SteadyState"]

# what a steady state is judged by; variables of its Dataset
_QUALITY = ("residual", "weighted_residual", "gap", "multiplicity", "converged")


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

        Complex observables become ``<name>_re`` and ``<name>_im``; ``<name>_error`` is there where
        the method measures it.
        """
        import xarray as xr

        data: dict[str, Any] = {name: ((), getattr(self, name)) for name in _QUALITY}
        coords: dict[str, Any] = {}
        for o in self.observables:
            data |= variables(o, self.expect[o.name], self.errors)
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
        from tnhop import _files

        return _files.write(
            Path(path), self.to_xarray(), overwrite=overwrite, kind="SteadyState",
            model=self.model, method=self.method, observables=self.observables, stats=self.stats,
            state=self.state,
        )  # fmt: skip

    @classmethod
    def from_content(cls, content: Any) -> SteadyState:
        """Rebuild the answer from what a file holds."""
        data = content.data
        expect, by_source = values_of(data, content.observables)
        quality = {name: data[name].item() for name in _QUALITY}
        return cls(
            content.state, expect, model=content.model, method=content.method,
            observables=content.observables, stats=content.stats, label=data.attrs["label"],
            errors=ErrorBudget(by_source) if any(by_source.values()) else None, **quality,
        )  # fmt: skip

    def __repr__(self) -> str:
        """Return the quality and the table of values."""
        rows = [
            row
            for o in self.observables
            for name, values in real_parts(o.name, self.expect[o.name])
            for row in _tables.rows(
                name, o, np.asarray(values), self.errors[o.name] if self.errors else None
            )
        ]
        width = max((len(label) for label, _ in rows), default=0)
        label = self.label or ("converged" if self.converged else "not converged")
        head = (
            f"steady state of {repr(self.model)[1:-1]}\n{self.method!r}: {label},"
            f" residual {self.residual:.1e}, gap {self.gap:.6g}, multiplicity {self.multiplicity}"
        )
        return "\n".join([head, *(f"  {name:<{width}}  {text}" for name, text in rows)])


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

    def __repr__(self) -> str:
        """Return the eigenvalues with their residuals."""
        rows = [
            f"  {value.real:+.10f} {value.imag:+.10f}i  residual {residual:.0e}"
            for value, residual in zip(self.eigenvalues, self.residuals, strict=True)
        ]
        return "\n".join([f"slowest eigenvalues of {repr(self.model)[1:-1]}", *rows])


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
        return xr.Dataset({k: ("time", v) for k, v in data.items()}, {"time": self.times}, attrs)

    def __repr__(self) -> str:
        """Return first and last value."""
        ends = ", ".join(
            f"C({self.times[k]:g}) = {self.values[k]:.8f} ± {self.errors[k]:.1e}" for k in (0, -1)
        )
        return f"correlation in {repr(self.model)[1:-1]}\n{self.method!r}: {ends}"
