"""A config as a function of the point of a grid, and what is said and drawn of its sweep."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnhop.answers.verdict import UNDETERMINED
from tnhop.cli.config import Plan
from tnhop.cli.context import ConfigFile, put, say
from tnhop.support.checks import fail, integer, one_of, real, wrong_type

if TYPE_CHECKING:
    import xarray as xr

_TAKEN = {"time", "site", "site_2", "pattern", "mode", "order", "method", "digest", "failure", "xi",
          "name", "type", "kind"}  # fmt: skip
_MOST_ROWS = 40


class SweptConfig:
    """A config with a section [sweep], as functions of the point."""

    def __init__(self, source: ConfigFile) -> None:
        self._source = source
        # problem and method of one point are asked for in turn
        self._at = lru_cache(maxsize=1, typed=True)(self._planned)
        self.plan = source.plan(supported=False)
        if self.plan.sweep is None:
            remedy = 'Such as [sweep.grid] with "model.Omega" = [0.1, 0.2].'
            raise fail("sweep", "be given", "the section [sweep] is missing", remedy)
        if len(self.plan.methods) != 1:
            found = f"there are {len(self.plan.methods)}"
            raise fail(
                "methods",
                "name one method for a sweep",
                found,
                "For instance with `--set methods=Exact`.",
            )
        self._paths = _axis_names(list(self.plan.sweep.grid))
        self.axes = {
            axis: _axis_values(path, self.plan.sweep.grid[path])
            for axis, path in self._paths.items()
        }
        for path_ in self.plan.sweep.average:
            one_of(path_, "sweep.average", self._paths.values())
        self.averaged = [a for a, p in self._paths.items() if p in self.plan.sweep.average]
        if len(self.averaged) == len(self.axes):
            raise fail("sweep.average", "leave an axis", "it names them all")

    def _planned(self, **point: Any) -> Plan:
        tables = copy.deepcopy(self._source.tables)
        for axis, value in point.items():
            put(tables, self._paths[axis], value, "[sweep.grid]")
        return self._source.plan(tables, supported=False)  # that fails alone

    @property
    def problem(self) -> Callable[..., Any]:
        """Function from the labels of a point to its Problem."""
        return lambda **point: self._at(**point).problem

    @property
    def method(self) -> Callable[..., Any]:
        """Function from the labels of a point to its method."""

        def config(**point: Any) -> Any:
            return self._at(**point).methods[0]

        return config


def _axis_names(paths: Sequence[str]) -> dict[str, str]:
    """Return axis → path: the last word where it is free, else all of them."""
    if not paths:
        raise fail("sweep.grid", "have an axis", "it is empty")
    last = [path.split(".")[-1] for path in paths]
    return {
        word if last.count(word) == 1 and word not in _TAKEN else path.replace(".", "_"): path
        for word, path in zip(last, paths, strict=True)
    }


def _axis_values(path: str, values: Any) -> list[Any]:
    """Accept a list, or equal steps."""
    if isinstance(values, list):
        return values
    if isinstance(values, dict) and values.keys() == {"start", "stop", "n"}:
        start, stop = (real(values[key], f"sweep.grid.{path}.{key}") for key in ("start", "stop"))
        n = integer(values["n"], f"sweep.grid.{path}.n", minimum=2, maximum=10**6)
        return np.linspace(start, stop, n).tolist()
    remedy = "Such as [0.1, 0.2], or {start = 0.0, stop = 1.0, n = 11}."
    raise wrong_type(f"sweep.grid.{path}", "be a list of values or equal steps", values, remedy)


def part_of(text: str | None) -> tuple[int, int] | None:
    """Return number and parts of a text such as 3/64."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None:
        raise fail("--part", "have the form NUMBER/PARTS, such as 3/64", f"it is '{text}'")
    return int(found[1]), int(found[2])


def table(data: xr.Dataset, axes: Sequence[str]) -> str:
    """Return the main observable at all points, at the last time."""
    if data.attrs["missing"] == data.attrs["points"]:
        return "No point has an answer yet."
    from tnhop.plots.sweep import main_observable
    from tnhop.plots.undetermined import determined

    name = main_observable(data)
    values, bars, right = data[name], data.get(f"{name}_error"), determined(data, name)
    if "time" in values.dims:
        values, bars = values.isel(time=-1), None if bars is None else bars.isel(time=-1)
        right = right.isel(time=-1)
    inner = [dim for dim in values.dims if dim not in axes]
    rows = [f"{name}, last time:" if "time" in data.dims else f"{name}:"]
    points = values.stack(point=list(axes)).transpose("point", *inner)
    widths = None if bars is None else bars.stack(point=list(axes)).transpose("point", *inner)
    verdicts = right.stack(point=list(axes)).transpose("point", *inner)
    for k in range(min(points.sizes["point"], _MOST_ROWS)):
        labels = points["point"].values[k]
        place = ", ".join(f"{a} = {_short(x)}" for a, x in zip(axes, labels, strict=True))
        numbers = points.values[k].ravel()[:4]
        verdict = verdicts.values[k].ravel()[:4]
        if (np.isnan(numbers) & verdict).all():
            continue
        errors = np.full(4, np.nan) if widths is None else widths.values[k].ravel()[:4]
        texts = [
            f"{x:+.6f} ± "
            + ("unknown" if np.isnan(e) else f"{e:.1e}")
            + ("" if fits else f" ({UNDETERMINED})")
            for x, e, fits in zip(numbers, errors, verdict, strict=False)
        ]
        more = " ..." if points.values[k].size > 4 else ""
        rows.append(f"  {place}:  {'  '.join(texts)}{more}")
    if points.sizes["point"] > _MOST_ROWS:
        rows.append(f"  ... {points.sizes['point'] - _MOST_ROWS} more")
    return "\n".join(rows)


def _short(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else f"{label}"


def draw(data: xr.Dataset, axes: Sequence[str], path: Path) -> None:
    """Draw the main observable over one or two axes of numbers, and write the figure."""
    numeric = [axis for axis in axes if data[axis].dtype.kind in "fiu" and data.sizes[axis] > 1]
    if not numeric or data.attrs["missing"] == data.attrs["points"]:
        print("No figure: there is no axis of numbers.", file=sys.stderr)
        return
    from tnhop.plots.style import new_figure, save_figure, style
    from tnhop.plots.sweep import draw_sweep

    shown = numeric[:2] if len(axes) == 2 and len(numeric) == 2 else numeric[:1]
    with style():
        figure = new_figure(None, 4.8)
        draw_sweep(data, shown, ax=figure.subplots())
        save_figure(figure, path)
    say(f"wrote {path}")
