"""The command `tnhop`: runs from TOML files, comparisons, and what is inside a file.

Every mistake of a user ends in sentences on stderr and a status other than 0, never in a traceback.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import App, CycloptsError, Parameter

from tnhop.answers.loading import load
from tnhop.answers.result import Result
from tnhop.cli import many_runs, other_commands
from tnhop.cli.job import Job, check_writable, make_job
from tnhop.cli.reports import comparison, contents, system
from tnhop.cli.sections import config_schema
from tnhop.storage.checkpoints import remove, slots
from tnhop.support.atomic_files import new_file
from tnhop.support.checks import fail, one_of
from tnhop.support.errors import ConvergenceError, TruncationWarning
from tnhop.verbs import evolve
from tnhop.verification import verify

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["app", "main"]

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130
Format = Literal["png", "pdf", "svg"]
Changes = Annotated[list[str] | None, Parameter(name="--set", negative="")]

app = App(
    name="tnhop",
    help="Finite-size physics of open quantum Hopfield networks.",
    version=metadata.version("tnhop"),
    help_epilogue="Start with: tnhop new hopfield > run.toml, then tnhop run run.toml.",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Words of the command line; by default those of the process.
    """
    try:
        tokens = sys.argv[1:] if argv is None else list(argv)
        command, bound, *_ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        with _plain_warnings():
            return int(command(*bound.args, **bound.kwargs) or 0)
    except CycloptsError as error:
        return _complain(f"{' '.join(str(error).split())} See `tnhop --help`.", _USAGE)
    except KeyboardInterrupt as interrupt:
        message = f"Interrupted before there was anything to save.{interrupt}"
        return _complain(message, _INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILURE
    except (FileNotFoundError, FileExistsError, ValueError, TypeError) as error:
        return _complain(_said(error), _USAGE)
    except MemoryError:
        return _complain("The computation does not fit into memory. Use `MeanField`.", _FAILURE)
    except (ConvergenceError, OSError) as error:
        return _complain(_said(error), _FAILURE)


def _said(error: Exception) -> str:
    """Return the sentence of an error, without the number that Python puts before it."""
    sentence = getattr(error, "strerror", None)
    return sentence if sentence and getattr(error, "filename", None) is None else str(error)


def _complain(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"tnhop: {line}", file=sys.stderr)
    return status


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show our own warnings as sentences."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", TruncationWarning)
        usual = warnings.showwarning

        def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
            ours = bool(place) and Path(place[0]).is_relative_to(Path(__file__).parents[1])
            if issubclass(category, TruncationWarning) or (category is UserWarning and ours):
                _complain(f"Warning: {message}", 0)
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


@app.command
def new(template: str) -> None:
    """Print a commented config to start from: hopfield, dicke, ising, dense, retrieval or sweep.

    Parameters
    ----------
    template
        hopfield: retrieval, exact beside mean field. dicke: spins and modes. ising: Hebbian magnet.
        dense: n-body energy, images as patterns. retrieval: matrix products beside mean field.
        sweep: overlaps over the field, averaged over patterns, for `tnhop sweep`.
    """
    folder = resources.files("tnhop.cli").joinpath("templates")
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    one_of(template, "template", names)
    print(folder.joinpath(f"{template}.toml").read_text("utf-8"), end="")


@app.command
def run(
    config: Path,
    *,
    overrides: Changes = None,
    output: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
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
    job = make_job(config, overrides, output, format)
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


@app.command
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
    job = make_job(config, overrides, output, format)
    if not any(slots(path) for path in job.checkpoints):
        raise FileNotFoundError(
            f"There is no checkpoint '{job.checkpoints[0]}' to go on from."
            f" Start with `tnhop run {config}`."
        )
    check_writable([*job.files, job.figure], overwrite=True)  # what there is, the run has written
    return _run(job, overwrite=True)


@app.command
def compare(
    *files: Path,
    output: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    format: Format = "png",
) -> None:
    """Compare results of `tnhop run`: who agrees with whom, within which error bars.

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
    if len(files) < 2:
        raise fail("files", "name at least two files", f"there are {len(files)}")
    results = _comparable([other_commands.load_kind(file, Result) for file in files], files)
    labels = [file.stem for file in files]
    if output is None:
        print(comparison(results, labels))
        return
    figure = Path(f"{output}.{format}")
    check_writable([figure], overwrite)
    _draw(results, labels, figure, overwrite)
    print(comparison(results, labels))
    print(f"wrote {figure}")


@app.command
def info(file: Path | None = None) -> None:
    """Say what is installed and available, or what is inside a file or the folder of a sweep.

    Parameters
    ----------
    file
        A file written by `tnhop run` or `tnhop converge`, or the folder of `tnhop sweep`.
    """
    print("\n".join(system() if file is None else contents(load(file))))


app.command(many_runs.sweep)
app.command(many_runs.converge)
app.command(other_commands.animate)
app.command(other_commands.cite_, name="cite")
app.command(other_commands.estimate)


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script that completes commands and options in a shell.

    Parameters
    ----------
    shell
        bash: load it with `eval "$(tnhop completion bash)"`, for instance in ~/.bashrc.
        zsh: save it as _tnhop in a folder of fpath. fish: save it as
        ~/.config/fish/completions/tnhop.fish.
    """
    print(app.generate_completion(shell=shell))


@app.command(name="verify")
def verify_() -> int:
    """Compute known answers on this machine, in under a minute; the status is 1 if one is wrong."""
    found = verify(lambda _: print(".", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(found)
    return 0 if found.passed else _FAILURE


@app.command
def schema() -> None:
    """Print the JSON schema of the config."""
    print(json.dumps(config_schema(), indent=2))


# Comparing, running and writing.


def _comparable(results: list[Result], files: Sequence[Path]) -> list[Result]:
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


def _run(job: Job, overwrite: bool) -> int:
    """Run all methods, write their files, and only then remove the checkpoints."""
    results: list[Result] = []
    for method, file, path in zip(job.plan.methods, job.files, job.checkpoints, strict=True):
        results.append(_evolve(job, method, path))
        results[-1].save(file, overwrite=overwrite)
        if results[-1].stats.get("stopped"):
            break
    files = job.files[: len(results)]
    labels = [file.stem.removeprefix(f"{job.name}-") for file in files]
    if len(results) == 1:
        labels = [type(results[0].method).__name__]
    _draw(results, labels, job.figure, overwrite)
    print(results[0] if len(results) == 1 else comparison(results, labels))
    print("wrote " + ", ".join(str(path) for path in [*files, job.figure]))
    if results[-1].stats.get("stopped"):
        print(f"go on with `tnhop resume {job.config}` and the same options")
        return _INTERRUPTED
    for path in job.checkpoints:
        remove(path)
    return 0


def _evolve(job: Job, method: Any, checkpoint: Path) -> Result:
    problem = job.plan.problem
    result = evolve(
        problem.model, problem.state, problem.times, observables=list(problem.observables),
        method=method, rng=problem.rng, checkpoint=checkpoint,
    )  # fmt: skip
    result.stats.update(config=job.text, overrides=job.overrides)
    return result


def _draw(results: Sequence[Result], labels: Sequence[str], path: Path, overwrite: bool) -> None:
    pairs = zip(results, labels, strict=True)
    from tnhop.plots.evolution import draw_run
    from tnhop.plots.style import save_figure

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
