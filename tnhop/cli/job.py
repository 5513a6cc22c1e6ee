"""A run of every method of a config, and the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnhop.answers.comparison import Comparison
from tnhop.answers.result import Result
from tnhop.cli.config import Plan
from tnhop.cli.context import ConfigFile, say
from tnhop.cli.options import INTERRUPTED
from tnhop.cli.side_by_side import draw, report
from tnhop.storage.checkpoints import remove
from tnhop.verbs import evolve


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


def job_of(source: ConfigFile, output: str | None, format: str | None) -> Job:
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


def run_job(job: Job, overwrite: bool) -> int:
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
