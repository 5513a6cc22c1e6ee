"""Results: labelled arrays with error bars, their tables and their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop import _tables
from tnhop._checks import one_of
from tnhop.model import Model
from tnhop.observables import Observable, real_parts

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    import xarray as xr

__all__ = ["Comparison", "Correlation", "ErrorBudget", "Result", "Spectrum", "SteadyState", "load"]

Values = dict[str, NDArray[Any]]


class ErrorBudget(Mapping[str, NDArray[np.float64]]):
    """Half-widths of the error bars, in total and by source.

    ``errors[name]`` has the shape of ``expect[name]``: systematic sources add linearly, sampling
    enters in quadrature, and what was not measured is NaN, never 0.

    Parameters
    ----------
    by_source : dict of str to dict of str to ndarray, shape (n_times, ...)
        Observable → source → half-width.
    """

    def __init__(self, by_source: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
        self._by_source = {name: dict(sources) for name, sources in by_source.items()}

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return the total half-width of an observable."""
        sources = self.sources(name)
        systematic = [np.abs(value) for source, value in sources.items() if source != "sampling"]
        total = np.sum(systematic, axis=0)
        if "sampling" in sources:
            total = np.hypot(total, sources["sampling"])
        return np.asarray(total, dtype=float)

    def sources(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Return the half-widths of an observable by source of error."""
        one_of(name, "name", self._by_source)
        return dict(self._by_source[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the observables."""
        return iter(self._by_source)

    def __len__(self) -> int:
        """Return the number of observables."""
        return len(self._by_source)

    def __repr__(self) -> str:
        """Return the observables and the sources."""
        sources = sorted({s for by in self._by_source.values() for s in by})
        return f"<ErrorBudget of {', '.join(self)}; sources: {', '.join(sources)}>"


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
            dims = ("time", *o.dims)
            coords |= {dim: list(labels) for dim, labels in o.coords}
            for name, values in real_parts(o.name, self.expect[o.name]):
                data[name] = (dims, values)
            data[f"{o.name}_error"] = (dims, self.errors[o.name])
            for source, values in self.errors.sources(o.name).items():
                data[f"{o.name}_error_{source}"] = (dims, values)
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
            Path(path), self.to_xarray(), overwrite=overwrite, model=self.model,
            method=self.method, observables=self.observables, stats=self.stats,
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


def load(path: str | Path) -> Result:
    """Read a file written by `Result.save`.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Result

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, is not a tnhop file, is damaged or has another schema version.
    """
    from tnhop import _files

    content = _files.read(Path(path))
    data, expect, errors = content.data, {}, {}
    for o in content.observables:
        if o.is_complex:
            expect[o.name] = data[f"{o.name}_re"].values + 1j * data[f"{o.name}_im"].values
        else:
            expect[o.name] = data[o.name].values
        prefix = f"{o.name}_error_"
        names = [str(name) for name in data.data_vars if str(name).startswith(prefix)]
        errors[o.name] = {name.removeprefix(prefix): data[name].values for name in names}
    return Result(
        data["time"].values, expect, ErrorBudget(errors), content.stats, content.model,
        content.method, content.observables, content.state,
    )  # fmt: skip
