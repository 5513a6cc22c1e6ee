"""`tnhop sweep`: a config at every point of a grid."""

from __future__ import annotations

import sys
from pathlib import Path

from tnhop.cli.options import Changes, Flag, Format


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
    from tnhop.answers.analysis import quenched_average
    from tnhop.cli.context import ConfigFile, check_writable, say
    from tnhop.cli.swept import SweptConfig, draw, part_of, table
    from tnhop.support.checks import fail
    from tnhop.sweeps.sweep import sweep as sweep_grid

    source = ConfigFile.read(config, overrides)
    grid = SweptConfig(source)
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
        executor=scheduler or workers, resume=not overwrite, part=part_of(part),
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
    say(table(data, left))
    if unreached:
        print(f"No figure yet: {unreached} points were not reached.", file=sys.stderr)
    else:
        draw(data, left, figure)
    return 1 if missing else 0
