"""`tnhop info`, `tnhop estimate` and `tnhop cite`: versions, contents, costs and references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnhop.cli.options import Changes


def info(file: Path | None = None) -> None:
    """Say what is installed and available, or what is inside a file or the folder of a sweep.

    Parameters
    ----------
    file
        A file written by `tnhop run` or `tnhop converge`, or the folder of `tnhop sweep`.
    """
    from tnhop.answers.loading import load
    from tnhop.cli.context import say
    from tnhop.cli.descriptions import contents, system

    say("\n".join(system() if file is None else contents(load(file))))


def estimate(config: Path, *, overrides: Changes = None) -> None:
    """Say what every method would need for a config, or why it cannot solve it; runs nothing.

    Parameters
    ----------
    config
        A TOML file; methods in it are estimated with their settings, others with their defaults.
    overrides
        KEY.PATH=VALUE, such as model.Omega=0.6; may be repeated.
    """
    from tnhop.cli.context import ConfigFile, say
    from tnhop.cli.descriptions import estimates

    source = ConfigFile.read(config, overrides)
    problem = source.plan({**source.tables, "methods": "auto"}).problem
    try:
        methods, refused = [m for m in source.plan().methods if m != "auto"], ""
    except ValueError as error:  # a method of the config cannot solve it
        methods, refused = [], str(error)
    table = "\n".join(estimates(problem, methods))
    for line in refused.splitlines():
        if line not in table:
            say(f"methods of the config: {line}")
    say(table)


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
    from tnhop.answers.citations import cite
    from tnhop.answers.result import Result
    from tnhop.answers.steady_state import SteadyState
    from tnhop.cli.context import load_kind, say

    origin: Any = model
    way: Any = method
    if file is not None:
        result = load_kind(file, Result, SteadyState)
        origin = result.model if model is None else model
        way = result.method if method is None else method
    say(cite(origin, way))
