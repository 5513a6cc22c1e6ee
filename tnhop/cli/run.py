"""`tnhop run` and `tnhop resume`: every method of a config, with checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnhop.answers.comparison import Comparison
from tnhop.answers.result import Result
from tnhop.cli.compare import draw, report
from tnhop.cli.config import Plan
from tnhop.cli.context import Changes, ConfigFile, Flag, Format, check_writable, say
from tnhop.storage.checkpoints import remove, slots
from tnhop.verbs import evolve

INTERRUPTED = 130  # exit status


def run(
    config: Path,
    *,
    overrides: Changes = None,
    output: str | None = None,
    overwrite: Flag = False,
    format: Format | None = None,
) -> int:
    """Run a config: every method, one HDF5 file each, one figure, and a table of final values.

    Writes NAME.h5 and NAME.png; several methods write NAME-METHOD.h5 each. NAME is the config's own
    name, in its folder, unless the config or --output says otherwise. Ctrl-C saves what there is.
    While it runs there is a checkpoint NAME.ckpt; if it ends early, `tnhop resume` goes on.

    Parameters
    ----------
    config
        A TOML file; paths inside it start from its folder.
    overrides
        KEY.PATH=VALUE, such as model.Omega=0.6 or methods.0.tolerance=1e-8; may be repeated.
    output
        Folder and name of the files to write, without ending.
    overwrite
        Replace existing files, and start anew where there is a checkpoint.
    format
        Format of the figure.
    """
    job = _job(ConfigFile.read(config, overrides), output, format)
    found = [slot for path in job.checkpoints for slot in slots(path)]
    if found and not overwrite:
        raise FileExistsError(
            f"Checkpoint '{found[0]}' of an earlier run exists. Go on from it with"
            f" `tnhop resume {config}`, or start anew with `--overwrite`."
        )
    check_writable([*job.files, job.figure], overwrite)
    for path in job.checkpoints:
        remove(path)
    return _run(job, overwrite)


def resume(
    config: Path,
    *,
    overrides: Changes = None,
    output: str | None = None,
    format: Format | None = None,
) -> int:
    """Go on with a run that was killed, interrupted or cut short; give it the same options.

    Parameters
    ----------
    config
        A TOML file; paths inside it start from its folder.
    overrides
        KEY.PATH=VALUE, as `run` was given.
    output
        Folder and name, as `run` was given.
    format
        Format of the figure.
    """
    job = _job(ConfigFile.read(config, overrides), output, format)
    if not any(slots(path) for path in job.checkpoints):
        raise FileNotFoundError(
            f"There is no checkpoint '{job.checkpoints[0]}' to go on from."
            f" Start with `tnhop run {config}`."
        )
    check_writable([*job.files, job.figure], overwrite=True)  # what there is, the run has written
    return _run(job, overwrite=True)


@dataclass(frozen=True)
class Job:
    """A run and the names of its files.

    Parameters
    ----------
    source : ConfigFile
        The config.
    plan : Plan
        What it describes.
    name : str
        Beginning of the names of all files.
    files : list of Path
        One per method.
    figure : Path
        The figure of all methods.
    """

    source: ConfigFile
    plan: Plan
    name: str
    files: list[Path]
    figure: Path

    @property
    def checkpoints(self) -> list[Path]:
        """One per method, beside its output."""
        return [file.with_suffix(".ckpt") for file in self.files]


def _job(source: ConfigFile, output: str | None, format: str | None) -> Job:
    """Return the run that a config asks for."""
    plan = source.plan()
    name = source.output_name(plan, output)
    figure = Path(f"{name}.{format or plan.format}")
    return Job(source, plan, name.name, _files(name, plan), figure)


def _files(name: Path, plan: Plan) -> list[Path]:
    """Return NAME.h5, or NAME-METHOD.h5 of several methods, numbered if one occurs twice."""
    if len(plan.methods) == 1:
        return [Path(f"{name}.h5")]
    words = [type(method).__name__ for method in plan.methods]
    return [
        Path(f"{name}-{word}.h5" if words.count(word) == 1
             else f"{name}-{word}-{words[: k + 1].count(word)}.h5")
        for k, word in enumerate(words)
    ]  # fmt: skip


def _run(job: Job, overwrite: bool) -> int:
    """Run all methods, write their files, and only then remove the checkpoints."""
    results: list[Result] = []
    for method, file, path in zip(job.plan.methods, job.files, job.checkpoints, strict=True):
        results.append(_evolve(job, method, path))
        results[-1].save(file, overwrite=overwrite)
        if results[-1].stats.get("stopped"):
            break
    files = job.files[: len(results)]
    names = tuple(file.stem.removeprefix(f"{job.name}-") for file in files)
    both = Comparison(tuple(results), names if len(results) > 1 else ())
    say(report(both) if len(results) > 1 else results[0])
    draw(both, job.figure, overwrite)
    say("wrote " + ", ".join(str(path) for path in [*files, job.figure]))
    if results[-1].stats.get("stopped"):
        say(f"go on with `tnhop resume {job.source.path}` and the same options")
        return INTERRUPTED
    for path in job.checkpoints:
        remove(path)
    return 0


def _evolve(job: Job, method: Any, checkpoint: Path) -> Result:
    """Run one method; the result keeps the config."""
    problem = job.plan.problem
    result = evolve(
        problem.model, problem.state, problem.times, observables=list(problem.observables),
        method=method, rng=problem.rng, checkpoint=checkpoint,
    )  # fmt: skip
    result.stats.update(job.source.provenance)
    return result
