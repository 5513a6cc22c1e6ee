"""Results of several runs side by side: what they share, their agreement and their figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tnhop.answers.comparison import MODELS_DIFFER, Comparison
from tnhop.answers.result import Result
from tnhop.answers.tables import aligned
from tnhop.support.atomic_files import new_file
from tnhop.support.checks import fail

if TYPE_CHECKING:
    import xarray as xr


def names(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of files without ending, with their folders where they are needed."""
    stems = [file.stem for file in files]
    if len(set(stems)) < len(stems):
        stems = [str(file.with_suffix("")) for file in files]
    return tuple(stems)


def comparable(results: list[Result], files: Sequence[Path]) -> list[Result]:
    """Keep the observables that all have; refuse different times or shapes."""
    first = results[0]
    for result, file in zip(results, files, strict=True):
        if not np.array_equal(result.times, first.times):
            found = f"those of '{file}' differ from '{files[0]}'"
            raise fail("files", "have equal times", found)
    shared = [
        o for o in first.observables if all(_shape(r, o.name) == o.shape for r in results)
    ]  # fmt: skip
    if not shared:
        raise fail("files", "share an observable", "there is none of equal name and shape")
    names = {o.name for o in shared}
    return [
        dataclasses.replace(r, observables=tuple(o for o in r.observables if o.name in names),
                            expect={n: v for n, v in r.expect.items() if n in names})
        for r in results
    ]  # fmt: skip


def _shape(result: Result, name: str) -> tuple[int, ...] | None:
    return result.expect[name].shape[1:] if name in result.expect else None


def report(both: Comparison) -> str:
    """Return models, effort, final values side by side, and the agreement of all pairs."""
    named = list(zip(both.labels, both.results, strict=True))
    lines = [both.model.summary if both.one_model else MODELS_DIFFER]
    for label, result in named:
        model = "" if both.one_model else f"{result.model.summary}; "
        seconds = f"{result.stats.get('wall_time', np.nan):.2g} s"
        lines.append(f"  {label}: {model}{result.method}, {seconds}")
        lines += [f"    {result.undetermined}"] if result.undetermined else []
    stopped = [result.times[-1] for result in both.results if result.stats.get("stopped")]
    if stopped:
        lines.append(f"  Stopped at t = {stopped[0]:g}: final values belong to different times.")
    lines += [f"values at t = {both.results[0].times[-1]:g}:", _side_by_side(named)]
    if not stopped:
        lines += ["agreement over all times:", both.table()]
    return "\n".join(lines)


def _side_by_side(named: Sequence[tuple[str, Result]]) -> str:
    """Return the final values of all results, one column each."""
    columns = [dict(result.rows()) for _, result in named]
    rows = [[name, *(column.get(name, "") for column in columns)] for name in columns[0]]
    return aligned(rows, ["", *(label for label, _ in named)])


def draw(both: Comparison, path: Path, overwrite: bool) -> None:
    """Draw all results into one figure and write it, all or nothing."""
    from tnhop.plots.evolution import draw_run
    from tnhop.plots.style import save_figure

    pairs = zip(both.results, both.labels, strict=True)
    figure = draw_run([_labelled(result, label) for result, label in pairs])
    save_figure(figure, new_file(path, overwrite))


def _labelled(result: Result, label: str) -> xr.Dataset:
    """Add to the dataset what a figure shows beside the curves."""
    data, recipe = result.to_xarray(), result.model.recipe
    numbers = {} if recipe is None else dict(recipe.arguments)
    shown = [
        f"{name} = {value:g}" for name, value in numbers.items()
        if isinstance(value, int | float) and value and name not in {"n_spins", "fock_dim"}
    ]  # fmt: skip
    return data.assign_attrs(label=label, parameters=", ".join(shown))
