"""`tnhop sweep`: a config at every point of a grid."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnhop.answers.analysis import quenched_average
from tnhop.answers.verdict import UNDETERMINED
from tnhop.cli.config import Plan
from tnhop.cli.context import Changes, ConfigFile, Flag, Format, check_writable, put, say
from tnhop.support.checks import fail, integer, one_of, real, wrong_type
from tnhop.sweeps.sweep import sweep as sweep_grid

if TYPE_CHECKING:
    import xarray as xr

_TAKEN = {"time", "site", "site_2", "pattern", "mode", "order", "method", "digest", "failure", "xi",
          "name", "type", "kind"}  # fmt: skip
_MOST_ROWS = 40


def sweep(
    config: Path,
    *,
    overrides: Changes = None,
    store: Path | None = None,
    part: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    output: str | None = None,
    overwrite: Flag = False,
    format: Format | None = None,
) -> int:
    """Run a config at every point of its [sweep], and draw what comes out.

    Every answer is a file of its own in the store; what is there is not computed again, so that the
    same command goes on after Ctrl-C, a kill or a power cut, and may run on many machines at once.
    Writes NAME.png once all points were tried; those that failed are not in it. A figure of that
    name that was there before the sweep, such as that of `tnhop run`, is never replaced unasked.

    Parameters
    ----------
    config
        A TOML file with a section [sweep].
    overrides
        KEY.PATH=VALUE, such as sweep.levels=2; may be repeated.
    store
        Folder of the answers; by default NAME.sweep.
    part
        Such as 3/64: only every 64th point, from the third on, for job arrays.
    workers
        Processes of this machine; by default one per core.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    output
        Folder and name of the figure, without ending.
    overwrite
        Empty the store first, and replace the figure.
    format
        Format of the figure.
    """
    source = ConfigFile.read(config, overrides)
    grid = _SweptConfig(source)
    if workers is not None and scheduler is not None:
        raise fail("--workers", "be left out with `--scheduler`", "both are there")
    name = source.output_name(grid.plan, output)
    figure = Path(f"{name}.{format or grid.plan.format}")
    folder = store or name.with_name(f"{name.name}.sweep")
    begun = any(folder.glob("sweep-*.json"))  # else a figure of that name is not of this sweep
    check_writable([figure], overwrite or begun)
    options = grid.plan.sweep
    data = sweep_grid(
        grid.problem, grid.axes, method=grid.method, verb=options.verb, store=folder,
        executor=scheduler or workers, resume=not overwrite, part=_part(part),
        refine=options.refine, levels=options.levels,
    )  # fmt: skip
    missing = data.attrs["missing"]
    print(f"{data.attrs['points'] - missing} of {data.attrs['points']} points in {folder}")
    if part is not None and missing:
        return 0
    unreached = missing - (int((data["failure"] != "").sum()) if "failure" in data else 0)
    for axis in grid.averaged:
        data = quenched_average(data, axis)
    left = [axis for axis in grid.axes if axis not in grid.averaged]
    say(_table(data, left))
    if unreached:
        print(f"No figure yet: {unreached} points were not reached.", file=sys.stderr)
    else:
        _draw(data, left, figure)
    return 1 if missing else 0


class _SweptConfig:
    """A config with a section [sweep], as functions of the point."""

    def __init__(self, source: ConfigFile) -> None:
        self._source = source
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

    def _at(self, point: Mapping[str, Any]) -> Plan:
        tables = copy.deepcopy(self._source.tables)
        for axis, value in point.items():
            put(tables, self._paths[axis], value, "[sweep.grid]")
        return self._source.plan(tables, supported=False)  # that fails alone

    @property
    def problem(self) -> Callable[..., Any]:
        """Function from the labels of a point to its Problem."""
        return lambda **point: self._at(point).problem

    @property
    def method(self) -> Callable[..., Any]:
        """Function from the labels of a point to its method."""

        def config(**point: Any) -> Any:
            return self._at(point).methods[0]

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


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None:
        raise fail("--part", "have the form NUMBER/PARTS, such as 3/64", f"it is '{text}'")
    return int(found[1]), int(found[2])


def _table(data: xr.Dataset, axes: Sequence[str]) -> str:
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


def _draw(data: xr.Dataset, axes: Sequence[str], path: Path) -> None:
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
