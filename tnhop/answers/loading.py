"""Reading answers back from their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.result import Result
from tnhop.answers.steady_state import SteadyState
from tnhop.answers.tables import values_of
from tnhop.support.atomic_files import file_name

if TYPE_CHECKING:  # labels, files and figures are loaded when they are needed
    pass

__all__ = ["load"]


def load(path: str | Path) -> Any:
    """Read a file written by `Result.save` or `SteadyState.save`, or the folder of a sweep.

    Parameters
    ----------
    path : str or path
        The file, or the folder that `sweep` was given.

    Returns
    -------
    Result, SteadyState or Dataset

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, is not a tnhop file, is damaged or has another schema version.
    """
    from tnhop.storage import files, store

    place = file_name(path)
    if place.is_dir():
        return store.read_store(place)
    content = files.read(place)
    with files.intact(place):
        if content.kind == "SteadyState":
            return SteadyState.from_content(content)
        expect, errors = values_of(content.data, content.observables)
        return Result(
            content.data["time"].values, expect, ErrorBudget(errors), content.stats, content.model,
            content.method, content.observables, content.state, [*content.states],
        )  # fmt: skip
