"""Labels and rows of printed tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.observables import Observable

if TYPE_CHECKING:
    import xarray as xr


def labels(dims: Sequence[Any], array: xr.DataArray) -> list[str]:
    """Return "[a][b]" for every entry of an array, row-major."""
    labels = [""]
    for dim in dims:
        labels = [f"{label}[{value}]" for label in labels for value in array[dim].values.tolist()]
    return labels


def rows(
    name: str, o: Observable, values: NDArray[Any], errors: NDArray[Any] | None
) -> list[tuple[str, str]]:
    """Return (label, 'value ± error') of one observable; long arrays are shortened."""
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
        found.append((label, text))
    if flat.size > 8:
        found.append((f"{name} ...", f"{flat.size - 8} more"))
    return found
