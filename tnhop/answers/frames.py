"""Tidy data frames: one row per number, one column per label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.observables import Observable, real_parts

# what stands in `frame.attrs`, so that a table says its units
UNITS = {
    "time": "inverse of the unit of rates and frequencies (hbar = 1)",
    "error": "half-width of the error bar, at least 95 %; NaN: not known",
}


def tidy(
    method: str,
    observables: Iterable[Observable],
    expect: Mapping[str, NDArray[Any]],
    errors: Mapping[str, NDArray[np.float64]] | None,
    times: NDArray[np.float64] | None = None,
) -> Any:
    """Return a DataFrame with columns method, observable, labels, [time,] value, error.

    Every dimension of an observable is a column of its own, empty (NA) where an observable has no
    such label. Complex observables have two names, ``<name>_re`` and ``<name>_im``.
    """
    import pandas as pd

    listed = list(observables)
    dims = list(dict.fromkeys(dim for o in listed for dim in o.dims))
    parts = [
        _part(name, o, values, None if errors is None else errors[o.name], dims, times)
        for o in listed
        for name, values in real_parts(o.name, expect[o.name])
    ]
    columns = ["observable", *dims, *(["time"] if times is not None else []), "value", "error"]
    frame = pd.DataFrame({c: np.concatenate([part[c] for part in parts]) for c in columns})
    for dim in dims:
        frame[dim] = frame[dim].convert_dtypes()
    frame.insert(0, "method", method)
    frame.attrs = dict(UNITS)
    return frame


def _part(
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
