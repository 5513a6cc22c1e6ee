"""Values that cannot be right in figures: not numbers, but open grey circles on the lower edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

_SUFFIX = "_determined"
HOW: dict[str, Any] = {
    "linestyle": "none", "marker": "o", "markerfacecolor": "none", "color": "0.55",
}  # fmt: skip


def is_value(name: Any) -> bool:
    """Return whether a variable holds values, and neither their errors nor their verdicts."""
    return "_error" not in str(name) and not str(name).endswith(_SUFFIX)


def determined(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return which values of a variable can be right; all where nothing is known about them."""
    for stem in (name, name.removesuffix("_re"), name.removesuffix("_im")):
        if f"{stem}{_SUFFIX}" in data:
            return data[f"{stem}{_SUFFIX}"] != 0  # NaN where a sweep has no answer yet
    return xr.ones_like(data[name], dtype=bool)


def with_gaps(data: xr.Dataset, name: str) -> NDArray[Any]:
    """Return the values of a variable, NaN where they cannot be right."""
    return np.asarray(data[name].where(determined(data, name)).values)


def mark(ax: Axes, x: ArrayLike, right: ArrayLike) -> None:
    """Put circles on the lower edge where values cannot be right."""
    wrong = np.unique(np.asarray(x)[~np.asarray(right, dtype=bool)])
    if wrong.size:
        edge = ax.get_xaxis_transform()
        ax.plot(wrong, np.zeros(wrong.shape), transform=edge, clip_on=False, zorder=3, **HOW)


def undetermined_entries(there: Any) -> list[Line2D]:
    """Return the entry of the legend, if there are any."""
    return [Line2D([], [], label="undetermined", **HOW)] if bool(there) else []


def spread(drawn: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """Return the least and the greatest of all finite values; None if there is none."""
    finite = np.concatenate([np.ravel(values)[np.isfinite(np.ravel(values))] for values in drawn])
    return (float(finite.min()), float(finite.max())) if finite.size else None
