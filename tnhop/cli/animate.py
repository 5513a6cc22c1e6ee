"""`tnhop animate`: the image on the sites of a result as a GIF."""

from __future__ import annotations

import re
from pathlib import Path

from tnhop.cli.options import Flag


def animate(
    file: Path,
    *,
    shape: str | None = None,
    output: str | None = None,
    fps: int = 10,
    overwrite: Flag = False,
) -> None:
    """Animate the image on the sites of a result beside the overlaps, as a GIF.

    Parameters
    ----------
    file
        A file written by `tnhop run`, with sigma_z at several times.
    shape
        Rows and columns of the image, such as 6x5; needless if the config has images as patterns.
    output
        Folder and name of the file to write, without ending; by default the name of FILE.
    fps
        Frames, which are output times, per second.
    overwrite
        Replace an existing file.
    """
    from tnhop.answers.result import Result
    from tnhop.cli.context import check_writable, load_kind, say

    result = load_kind(file, Result)
    target = Path(f"{output or file.with_suffix('')}.gif")
    check_writable([target], overwrite)
    result.animate(target, shape=_rows_and_columns(shape), fps=fps, overwrite=overwrite)
    say(f"wrote {target}")


def _rows_and_columns(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)\s*[x×,]\s*(\d+)", text.strip())
    if found is None:
        from tnhop.support.checks import fail

        raise fail("--shape", "have the form ROWSxCOLUMNS, such as 6x5", f"it is '{text}'")
    return int(found[1]), int(found[2])
