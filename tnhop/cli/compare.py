"""`tnhop compare`: results of several runs side by side, their agreement and their figure."""

from __future__ import annotations

from pathlib import Path

from tnhop.cli.options import Flag, Format


def compare(
    *files: Path,
    output: str | None = None,
    overwrite: Flag = False,
    format: Format = "png",
) -> int:
    """Compare results of `tnhop run`: who agrees with whom, within which error bars.

    The status is 0 where they could be compared, even if they disagree, and 1 if some values are
    undetermined: out of range by more than their bars, or with bars wider than the range.

    Parameters
    ----------
    files
        At least two files with equal times.
    output
        Folder and name of a figure to write, without ending.
    overwrite
        Replace an existing figure.
    format
        Format of the figure.
    """
    from tnhop.answers.comparison import Comparison
    from tnhop.answers.result import Result
    from tnhop.cli.context import check_writable, load_kind, say
    from tnhop.cli.side_by_side import comparable, draw, names, report
    from tnhop.support.checks import fail

    if len(files) < 2:
        raise fail("files", "name at least two files", f"there are {len(files)}")
    results = comparable([load_kind(file, Result) for file in files], files)
    both = Comparison(tuple(results), names(files))
    figure = None if output is None else Path(f"{output}.{format}")
    if figure is not None:
        check_writable([figure], overwrite)
    say(report(both))
    if figure is not None:
        draw(both, figure, overwrite)
        say(f"wrote {figure}")
    return 0 if both.determined else 1
