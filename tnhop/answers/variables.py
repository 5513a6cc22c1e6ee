"""Observables as labelled variables of a Dataset, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.error_budget import ErrorBudget
from tnhop.physics.observables import Observable, real_parts

if TYPE_CHECKING:
    import xarray as xr

Values = dict[str, NDArray[Any]]


def variables(
    o: Observable, values: NDArray[Any], errors: ErrorBudget | None, before: tuple[str, ...] = ()
) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
    """Return name → (dims, array) of the values, the half-widths and their sources."""
    dims = (*before, *o.dims)
    data = {name: (dims, part) for name, part in real_parts(o.name, values)}
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
