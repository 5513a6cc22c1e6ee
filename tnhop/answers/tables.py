"""Observables as rows, columns and labelled variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.verdict import UNDETERMINED
from tnhop.physics.observables import Observable, real_parts

if TYPE_CHECKING:
    import xarray as xr

Values = dict[str, NDArray[Any]]


def index_labels(dims: Sequence[Any], array: xr.DataArray) -> list[str]:
    """Return "[a][b]" for every entry of an array, row-major."""
    labels = [""]
    for dim in dims:
        labels = [f"{label}[{value}]" for label in labels for value in array[dim].values.tolist()]
    return labels


def aligned(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Return rows of texts as lines with aligned columns."""
    lines = [head, *rows] if head else list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  " + "  ".join(f"{text:<{w}}" for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def text_rows(
    name: str,
    o: Observable,
    values: NDArray[Any],
    errors: NDArray[Any] | None,
    determined: NDArray[np.bool_],
) -> list[tuple[str, str]]:
    """Return (label, 'value ± error') of one observable; long arrays are shortened.

    What cannot be right has its verdict behind it.
    """
    flat = values.ravel()
    bars = None if errors is None else np.broadcast_to(errors, values.shape).ravel()
    found = []
    for k in range(min(flat.size, 8)):
        index = np.unravel_index(k, values.shape) if values.ndim else ()
        place = ", ".join(
            f"{dim} {labels[i]}" for (dim, labels), i in zip(o.coords, index, strict=True)
        )
        label = f"{name} [{place}]" if place else name
        text = f"{flat[k] + 0.0:+.8f}".replace("-0.00000000", "+0.00000000")
        if bars is not None:
            text += " ± unknown" if np.isnan(bars[k]) else f" ± {bars[k]:.1e}"
        if not determined.ravel()[k]:
            text += f" ({UNDETERMINED})"
        found.append((label, text))
    if flat.size > 8:
        found.append((f"{name} ...", f"{flat.size - 8} more"))
    return found


def with_bar(value: float, error: float) -> str:
    """Return 'value ± error', or the value alone where its error is not known."""
    return f"{value:.6g}" if np.isnan(error) else f"{value:.6g} ± {error:.1g}"


def variables(
    o: Observable,
    values: NDArray[Any],
    errors: ErrorBudget | None,
    determined: NDArray[np.bool_],
    before: tuple[str, ...] = (),
) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Return name → (dims, array) of the values, the verdict, the half-widths and their sources."""
    dims = (*before, *o.dims)
    data: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        name: (dims, part) for name, part in real_parts(o.name, values)
    }
    data[f"{o.name}_determined"] = (dims, determined)
    if errors is not None:
        data[f"{o.name}_error"] = (dims, errors[o.name])
        for source, widths in errors.sources(o.name).items():
            data[f"{o.name}_error_{source}"] = (dims, widths)
    return data


def values_of(
    data: xr.Dataset, observables: Iterable[Observable]
) -> tuple[Values, dict[str, Values]]:
    """Return values, and half-widths by source, of the observables of a Dataset."""
    expect, errors = {}, {}
    for o in observables:
        if o.is_complex:
            expect[o.name] = data[f"{o.name}_re"].values + 1j * data[f"{o.name}_im"].values
        else:
            expect[o.name] = data[o.name].values
        prefix = f"{o.name}_error_"
        names = [str(name) for name in data.data_vars if str(name).startswith(prefix)]
        errors[o.name] = {name.removeprefix(prefix): data[name].values for name in names}
    return expect, errors


# what stands in `frame.attrs`, so that a table says its units
UNITS = {
    "time": "inverse of the unit of rates and frequencies (hbar = 1)",
    "error": "half-width of the error bar, at least 95 %; NaN: not known",
    "determined": "False: the value cannot be right (out of range, or no finite number)",
}


def tidy_frame(
    method: str,
    observables: Iterable[Observable],
    expect: Mapping[str, NDArray[Any]],
    errors: Mapping[str, NDArray[np.float64]] | None,
    times: NDArray[np.float64] | None = None,
    determined: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Any:
    """Return a DataFrame: method, observable, labels, [time,] value, error[, determined].

    Every dimension of an observable is a column of its own, empty (NA) where an observable has no
    such label. Complex observables have two names, ``<name>_re`` and ``<name>_im``.
    """
    import pandas as pd

    listed = list(observables)
    dims = list(dict.fromkeys(dim for o in listed for dim in o.dims))
    parts = [
        _columns_of(name, o, values, None if errors is None else errors[o.name], dims, times)
        | ({} if determined is None else {"determined": determined[o.name].ravel()})
        for o in listed
        for name, values in real_parts(o.name, expect[o.name])
    ]
    columns = ["observable", *dims, *(["time"] if times is not None else []), "value", "error"]
    columns += [] if determined is None else ["determined"]
    frame = pd.DataFrame({c: np.concatenate([part[c] for part in parts]) for c in columns})
    for dim in dims:
        frame[dim] = frame[dim].convert_dtypes()
    frame.insert(0, "method", method)
    frame.attrs = dict(UNITS)
    return frame


def _columns_of(
    name: str,
    o: Observable,
    values: NDArray[Any],
    error: NDArray[np.float64] | None,
    dims: Sequence[str],
    times: NDArray[np.float64] | None,
) -> dict[str, NDArray[Any]]:
    """Return the columns of one observable, row-major with time first."""
    axes: dict[str, Any] = {} if times is None else {"time": times}
    axes |= dict(o.coords)
    shape = tuple(len(labels) for labels in axes.values())
    columns: dict[str, NDArray[Any]] = {
        dim: np.full(int(np.prod(shape)), None, dtype=object) for dim in dims
    }
    for axis, (dim, labels) in enumerate(axes.items()):
        column = np.empty(len(labels), dtype=float if dim == "time" else object)
        column[:] = labels
        spread = column.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        columns[dim] = np.broadcast_to(spread, shape).ravel()
    flat = np.asarray(values, dtype=float).ravel()
    columns["observable"] = np.full(flat.size, name, dtype=object)
    columns["value"] = flat
    bars = np.nan if error is None else error
    columns["error"] = np.broadcast_to(np.asarray(bars, dtype=float), np.shape(values)).ravel()
    return columns
