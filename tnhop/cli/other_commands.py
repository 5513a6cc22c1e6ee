"""Commands of `tnhop` beside running: animations, what to cite, what a run would cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tnhop.answers.citations import cite
from tnhop.answers.loading import load
from tnhop.answers.result import Result
from tnhop.answers.steady_state import SteadyState
from tnhop.cli.config import make_plan
from tnhop.cli.job import change, read_config
from tnhop.cli.reports import estimates
from tnhop.support.checks import fail

Changes = Annotated[list[str] | None, Parameter(name="--set", negative="")]


def animate(
    file: Path,
    *,
    shape: str | None = None,
    output: str | None = None,
    fps: int = 10,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
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
    result = load_kind(file, Result)
    target = Path(f"{output or file.with_suffix('')}.gif")
    if target.exists() and not overwrite:
        raise FileExistsError(
            f"File '{target}' exists already. Choose another `--output`, or allow `--overwrite`."
        )
    result.animate(target, shape=_rows_and_columns(shape), fps=fps, overwrite=overwrite)
    print(f"wrote {target}")


def load_kind(file: Path, *kinds: type) -> Any:
    """Load a file that has to hold one of some kinds of answers."""
    found = load(file)
    if not isinstance(found, kinds):
        what = "the answers of a sweep" if file.is_dir() else f"a {type(found).__name__}"
        names = {Result: "a result over time", SteadyState: "a steady state"}
        raise fail("file", f"hold {' or '.join(names[k] for k in kinds)}", f"'{file}' holds {what}")
    return found


def _rows_and_columns(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)\s*[x×,]\s*(\d+)", text.strip())
    if found is None:
        raise fail("--shape", "have the form ROWSxCOLUMNS, such as 6x5", f"it is '{text}'")
    return int(found[1]), int(found[2])


def cite_(file: Path | None = None, *, model: str | None = None, method: str | None = None) -> None:
    """Print what to cite as BibTeX: the software, and the papers behind model and method.

    Parameters
    ----------
    file
        A file written by `tnhop run`; its model and method are cited.
    model
        Name of a model instead, such as open_hopfield.
    method
        Name of a method instead, such as TDVP.
    """
    origin: Any = model
    way: Any = method
    if file is not None:
        result = load_kind(file, Result, SteadyState)
        origin = result.model if model is None else model
        way = result.method if method is None else method
    print(cite(origin, way))


def estimate(config: Path, *, overrides: Changes = None) -> None:
    """Say what every method would need for a config, or why it cannot solve it; runs nothing.

    Parameters
    ----------
    config
        A TOML file; methods in it are estimated with their settings, others with their defaults.
    overrides
        KEY.PATH=VALUE, such as model.Omega=0.6; may be repeated.
    """
    raw, _ = read_config(config)
    for override in overrides or ():
        change(raw, override)
    problem = make_plan({**raw, "methods": "auto"}, config.parent).problem
    try:
        methods, refused = [m for m in make_plan(raw, config.parent).methods if m != "auto"], ""
    except ValueError as error:  # a method of the config cannot solve it
        methods, refused = [], str(error)
    table = "\n".join(estimates(problem, methods))
    for line in refused.splitlines():
        if line not in table:
            print(f"methods of the config: {line}")
    print(table)
