"""The program `tnhop`: all commands, and how their errors end.

Every mistake of a user ends in sentences on stderr and a status other than 0, never in a traceback.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from cyclopts import App, CycloptsError

from tnhop.cli.animate import animate
from tnhop.cli.compare import compare
from tnhop.cli.converge import converge
from tnhop.cli.options import INTERRUPTED
from tnhop.cli.reports import cite_, estimate, info
from tnhop.cli.run import resume, run
from tnhop.cli.sweep import sweep
from tnhop.support.errors import ConvergenceError, TruncationWarning

__all__ = ["app", "main"]

_USAGE, _FAILURE = 2, 1


def _version() -> str:
    from tnhop.support.version import __version__

    return __version__


app = App(
    name="tnhop",
    help="Finite-size physics of open quantum Hopfield networks.",
    version=_version,
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
        return _complain(message, INTERRUPTED)
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
    """Write sentences to stderr, and return the status."""
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
            if category in (TruncationWarning, UserWarning):
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
    from importlib import resources

    from tnhop.support.checks import one_of

    folder = resources.files("tnhop.cli").joinpath("templates")
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    one_of(template, "template", names)
    print(folder.joinpath(f"{template}.toml").read_text("utf-8"), end="")


for command in (run, resume, compare, info, sweep, converge, animate):
    app.command(command)
app.command(cite_, name="cite")
app.command(estimate)


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
    from tnhop.cli.context import say
    from tnhop.verification import verify

    found = verify(lambda _: print(".", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    say(found)
    return 0 if found.passed else _FAILURE


@app.command
def schema() -> None:
    """Print the JSON schema of the config."""
    from tnhop.cli.sections import config_schema

    print(json.dumps(config_schema(), indent=2))
