"""The command `tnhop`: runs from TOML files, comparisons, and what is inside a file.

Every mistake of a user ends in sentences on stderr and a status other than 0, never in a traceback.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import sys
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from cyclopts import App, CycloptsError, Parameter

from tnhop._checks import fail, one_of
from tnhop.config import Plan, make_plan
from tnhop.models import ALL_MODELS
from tnhop.plot import draw_run
from tnhop.problem import ConvergenceError, TruncationWarning
from tnhop.result import Comparison, Result, load
from tnhop.sections import config_schema
from tnhop.solvers import ALL_METHODS
from tnhop.verbs import evolve

__all__ = ["app", "main"]

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130
Format = Literal["png", "pdf", "svg"]

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
    except KeyboardInterrupt:
        return _complain("Interrupted before there was anything to save.", _INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILURE
    except (FileNotFoundError, FileExistsError, ValueError, TypeError) as error:
        return _complain(str(error), _USAGE)
    except MemoryError:
        return _complain("The computation does not fit into memory. Use `MeanField`.", _FAILURE)
    except (ConvergenceError, OSError) as error:
        return _complain(str(error), _FAILURE)


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
            if issubclass(category, TruncationWarning):
                _complain(f"Warning: {message}", 0)
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


@app.command
def new(template: str) -> None:
    """Print a commented config to start from: hopfield, dicke, ising or dense.

    Parameters
    ----------
    template
        hopfield: retrieval, exact beside mean field. dicke: spins and modes. ising: Hebbian magnet.
        dense: n-body energy, images as patterns.
    """
    folder = resources.files("tnhop").joinpath("templates")
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    one_of(template, "template", names)
    print(folder.joinpath(f"{template}.toml").read_text("utf-8"), end="")


@app.command
def run(
    config: Path,
    *,
    overrides: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    output: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    format: Format | None = None,
) -> int:
    """Run a config: every method, one HDF5 file each, one figure, and a table of final values.

    Writes NAME.h5 and NAME.png; several methods write NAME-METHOD.h5 each. NAME is the config's own
    name, in its folder, unless the config or --output says otherwise. Ctrl-C saves what there is.

    Parameters
    ----------
    config
        A TOML file; paths inside it start from its folder.
    overrides
        KEY.PATH=VALUE, such as model.Omega=0.6 or methods.0.tolerance=1e-8; may be repeated.
    output
        Folder and name of the files to write, without ending.
    overwrite
        Replace existing files.
    format
        Format of the figure.
    """
    raw, text = _read(config)
    for override in overrides or ():
        _override(raw, override)
    plan = make_plan(raw, config.parent)
    name = Path(output) if output else config.parent / (plan.name or config.stem)
    files = _files(name, plan)
    figure = Path(f"{name}.{format or plan.format}")
    _check_writable([*files, figure], overwrite)
    results: list[Result] = []
    for method, file in zip(plan.methods, files, strict=True):
        results.append(_evolve(plan, method, text, overrides or ()))
        results[-1].save(file, overwrite=overwrite)
        if results[-1].stats.get("stopped"):
            break
    labels = [file.stem.removeprefix(f"{name.name}-") for file in files[: len(results)]]
    if len(results) == 1:
        labels = [type(results[0].method).__name__]
    _draw(results, labels, figure, overwrite)
    print(results[0] if len(results) == 1 else _comparison(results, labels))
    print("wrote " + ", ".join(str(path) for path in [*files[: len(results)], figure]))
    return _INTERRUPTED if results[-1].stats.get("stopped") else 0


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
    results = _comparable([load(file) for file in files], files)
    labels = [file.stem for file in files]
    if output is None:
        print(_comparison(results, labels))
        return
    figure = Path(f"{output}.{format}")
    _check_writable([figure], overwrite)
    _draw(results, labels, figure, overwrite)
    print(_comparison(results, labels))
    print(f"wrote {figure}")


@app.command
def info(file: Path | None = None) -> None:
    """Say what is installed and available, or what is inside a result file.

    Parameters
    ----------
    file
        A file written by `tnhop run`.
    """
    print("\n".join(_system() if file is None else _contents(load(file))))


@app.command
def schema() -> None:
    """Print the JSON schema of the config."""
    print(json.dumps(config_schema(), indent=2))


# Reading.


def _read(source: Path) -> tuple[dict[str, Any], str]:
    if not source.is_file():
        remedy = "Make one with `tnhop new hopfield > run.toml`."
        raise FileNotFoundError(f"There is no file '{source}'. {remedy}")
    try:
        text = source.read_text("utf-8")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        raise ValueError(f"File '{source}' must be TOML, but it is not a text file.") from error
    except tomllib.TOMLDecodeError as error:
        found = str(error)[:1].lower() + str(error)[1:].rstrip(".")
        raise ValueError(
            f"File '{source}' must be valid TOML, but has an error: {found}."
        ) from error


def _override(raw: dict[str, Any], override: str) -> None:
    """Apply ``key.path=value``; the value is TOML, or else a text."""
    path, equals, text = override.partition("=")
    *outer, last = keys = path.strip().split(".")
    if not equals or not all(keys):
        raise fail("--set", "have the form KEY.PATH=VALUE", f"it is '{override}'",
                   "For instance `--set model.Omega=0.6`.")  # fmt: skip
    place: Any = raw
    for key in outer:
        if isinstance(place, dict):
            place.setdefault(key, {})
        place = place[_step(place, key, override)]
    place[_step(place, last, override)] = _value(text)


def _step(place: Any, key: str, override: str) -> str | int:
    if isinstance(place, dict):
        return key
    if isinstance(place, list) and key.isdigit() and int(key) < len(place):
        return int(key)
    found = f"there is no `{key}` in '{override}'"
    raise fail("--set", "name a key of a table or an entry of a list", found)


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()


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


# Running and writing.


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


def _check_writable(paths: Sequence[Path], overwrite: bool) -> None:
    folder = paths[0].parent
    if not folder.is_dir():
        raise FileNotFoundError(f"Folder '{folder}' does not exist. Create it first.")
    if not os.access(folder, os.W_OK):
        raise FileNotFoundError(f"Folder '{folder}' must be writable, but it is not.")
    for path in paths:
        if path.is_dir():
            raise FileExistsError(f"'{path}' is a folder. Choose another `--output`.")
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"File '{path}' exists already. Choose another `--output`, or allow `--overwrite`."
            )


def _evolve(plan: Plan, method: Any, text: str, overrides: Sequence[str]) -> Result:
    problem = plan.problem
    result = evolve(
        problem.model, problem.state, problem.times, observables=list(problem.observables),
        method=method, rng=problem.rng,
    )  # fmt: skip
    result.stats.update(config=text, overrides=list(overrides))
    return result


def _draw(results: Sequence[Result], labels: Sequence[str], path: Path, overwrite: bool) -> None:
    pairs = zip(results, labels, strict=True)
    figure = draw_run([_labelled(result, label) for result, label in pairs])
    with path.open("wb" if overwrite else "xb") as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


def _labelled(result: Result, label: str) -> xr.Dataset:
    """Add to the dataset what a figure shows beside the curves."""
    data, recipe = result.to_xarray(), result.model.recipe
    numbers = {} if recipe is None else dict(recipe.arguments)
    shown = [
        f"{name} = {value:g}" for name, value in numbers.items()
        if isinstance(value, int | float) and value and name not in {"n_spins", "fock_dim"}
    ]  # fmt: skip
    return data.assign_attrs(label=label, parameters=", ".join(shown))


# Tables.


def _comparison(results: Sequence[Result], labels: Sequence[str]) -> str:
    """Return model, effort, final values side by side, and who agrees with whom."""
    lines = [repr(results[0].model)[1:-1]]
    for result, label in zip(results, labels, strict=True):
        lines.append(f"  {label}: {result.method}, {result.stats.get('wall_time', np.nan):.2g} s")
    if len({result.model.digest for result in results}) > 1:
        lines.append("  The models differ: expect no agreement.")
    stopped = [result.times[-1] for result in results if result.stats.get("stopped")]
    if stopped:
        lines.append(f"  Stopped at t = {stopped[0]:g}: final values belong to different times.")
    lines += _side_by_side(results, labels)
    if not stopped:
        lines += ["agreement over all times:", Comparison(tuple(results)).table()]
    return "\n".join(lines)


def _side_by_side(results: Sequence[Result], labels: Sequence[str]) -> list[str]:
    columns = [
        dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.table().split("\n"))
        for result in results
    ]
    width = max(len(label) for label in columns[0])
    widths = [
        max(len(label), *map(len, column.values()))
        for label, column in zip(labels, columns, strict=True)
    ]
    heads = "  ".join(f"{label:<{w}}" for label, w in zip(labels, widths, strict=True))
    lines = [f"values at t = {results[0].times[-1]:g}:", f"  {'':<{width}}  {heads}".rstrip()]
    for label in columns[0]:
        texts = [f"{c.get(label, ''):<{w}}" for c, w in zip(columns, widths, strict=True)]
        lines.append(f"  {label:<{width}}  {'  '.join(texts)}".rstrip())
    return lines


def _summary(obj: Any) -> str:
    first = (obj.__doc__ or "").strip().splitlines()[0]
    return re.sub(r"\s*:math:`.*", "", first).rstrip(" .:")


def _system() -> list[str]:
    """Return versions, machine, models and methods."""
    from numba import get_num_threads
    from threadpoolctl import threadpool_info

    lines = [f"tnhop {metadata.version('tnhop')}, Python {platform.python_version()}"]
    versions = []
    for name in ("numpy", "scipy", "numba", "quimb", "xarray", "qutip"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    lines.append(", ".join(versions))
    memory = "unknown"
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.3g} GB"
    threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    cores = f"{os.cpu_count()} cores, {memory} memory"
    lines.append(f"{cores}; threads: numba {get_num_threads()}, linear algebra {threads}")
    for title, family in (("models", ALL_MODELS), ("methods", ALL_METHODS)):
        lines += ["", f"{title}:"]
        lines += [f"  {name:<18} {_summary(obj)}" for name, obj in family.items()]
    return lines


def _contents(result: Result) -> list[str]:
    state = "none" if result.final_state is None else type(result.final_state).__name__
    stats = {k: v for k, v in result.stats.items() if k not in {"config", "overrides"}}
    lines = [
        repr(result),
        f"times: {len(result.times)} from {result.times[0]:g} to {result.times[-1]:g}",
        "observables: " + ", ".join(f"{n} {v.shape}" for n, v in result.expect.items()),
        f"final state: {state}",
        "stats: " + ", ".join(f"{key} = {value}" for key, value in stats.items()),
    ]
    if "config" in result.stats:
        changed = "".join(f" --set {text}" for text in result.stats["overrides"])
        lines += [f"config{' with' + changed if changed else ''}:", ""]
        lines += [f"  {line}".rstrip() for line in result.stats["config"].splitlines()]
    return lines
