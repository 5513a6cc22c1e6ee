"""`tnhop converge`: the numerics of a config refined to a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tnhop.cli.options import Changes, Flag


def converge(
    config: Path,
    *,
    tolerance: list[str],
    overrides: Changes = None,
    store: Path | None = None,
    max_wall_time: float | None = None,
    max_memory: float | None = None,
    output: str | None = None,
    overwrite: Flag = False,
) -> int:
    """Refine the numerics of a config until observables are known to a tolerance.

    Writes NAME.h5, the best answer, and NAME-convergence.png. The status is 1 if the tolerance was
    not reached. The same command goes on after a kill.

    Parameters
    ----------
    config
        A TOML file with one method, where the refinement starts, or "auto".
    tolerance
        OBSERVABLE=ERROR, such as m_z=1e-3; may be repeated.
    overrides
        KEY.PATH=VALUE; may be repeated.
    store
        Folder of the runs; by default NAME.runs.
    max_wall_time
        Seconds after which the best answer so far is taken.
    max_memory
        Bytes that no run may need.
    output
        Folder and name of the files to write, without ending.
    overwrite
        Replace existing files.
    """
    from tnhop.cli.context import ConfigFile, check_writable, say
    from tnhop.support.atomic_files import new_file
    from tnhop.support.checks import fail
    from tnhop.sweeps.convergence import converge as converge_problem

    source = ConfigFile.read(config, overrides)
    plan = source.plan()
    if len(plan.methods) != 1:
        raise fail("methods", "name one method", f"there are {len(plan.methods)}",
                   "For instance with `--set methods=Exact`.")  # fmt: skip
    name = source.output_name(plan, output)
    file, figure = Path(f"{name}.h5"), Path(f"{name}-convergence.png")
    check_writable([file, figure], overwrite)
    answer = converge_problem(
        plan.problem, _tolerances(tolerance), method=plan.methods[0],
        store=store or name.with_name(f"{name.name}.runs"), max_wall_time=max_wall_time,
        max_memory=max_memory,
    )  # fmt: skip
    answer.result.stats.update(source.provenance)
    answer.result.save(file, overwrite=overwrite)
    say(answer)
    from tnhop.plots.style import new_figure, save_figure

    drawn = new_figure(None, 4.0)
    answer.plot(drawn.subplots())
    save_figure(drawn, new_file(figure, overwrite))
    say(f"wrote {file}, {figure}")
    return 0 if answer.converged else 1


def _tolerances(texts: Sequence[str]) -> dict[str, float]:
    from tnhop.support.checks import fail

    found = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise fail("--tolerance", "have the form OBSERVABLE=ERROR", f"it is '{text}'",
                       "For instance `--tolerance m_z=1e-3`.")  # fmt: skip
    return found
