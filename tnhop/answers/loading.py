"""Reading answers back from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnhop.answers.result import Result
from tnhop.answers.steady_state import SteadyState
from tnhop.support.atomic_files import file_name
from tnhop.support.checks import fail

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
    kinds = {kind.__name__: kind for kind in (Result, SteadyState)}
    if content.kind not in kinds:
        found = f"'{place}' holds a {content.kind}"
        raise fail("path", f"hold a {' or a '.join(kinds)}", found)
    with files.intact(place):
        return kinds[content.kind].from_content(content)
