"""The context of all commands: the config with its changes, files and output."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnhop.answers.answer import printable
from tnhop.answers.loading import load
from tnhop.answers.result import Result
from tnhop.answers.steady_state import SteadyState
from tnhop.cli.config import Plan, make_plan
from tnhop.support.checks import fail
from tnhop.support.units import pretty_bytes

_MOST_BYTES, _MOST_KEYS = 10_000_000, 10_000

# Configs.


@dataclass(frozen=True)
class ConfigFile:
    """A TOML file with the changes of the command line.

    Parameters
    ----------
    path : Path
        The file; paths inside it start from its folder.
    tables : dict
        Its content, changed.
    text : str
        Its content as it stands there.
    overrides : list of str
        The changes, KEY.PATH=VALUE.
    """

    path: Path
    tables: dict[str, Any]
    text: str
    overrides: list[str]

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] | None) -> ConfigFile:
        """Read a file and apply the changes."""
        tables, text = _read_toml(path)
        for override in overrides or ():
            change(tables, override)
        return cls(path, tables, text, list(overrides or ()))

    def plan(self, tables: dict[str, Any] | None = None, *, supported: bool = True) -> Plan:
        """Check the config, or other `tables` in its place, and build what it describes."""
        return make_plan(tables or self.tables, self.path.parent, supported=supported)

    def output_name(self, plan: Plan, output: str | None) -> Path:
        """Return the name of the files to write, without ending: --output, or beside the config."""
        return Path(output) if output else self.path.parent / (plan.name or self.path.stem)

    @property
    def provenance(self) -> dict[str, Any]:
        """The config and its changes, as the statistics of a result keep them."""
        return {"config": self.text, "overrides": self.overrides}


def _read_toml(source: Path) -> tuple[dict[str, Any], str]:
    """Return the tables of a TOML file, and its text."""
    if not source.is_file():
        remedy = "Make one with `tnhop new hopfield > run.toml`."
        raise FileNotFoundError(f"There is no file '{source}'. {remedy}")
    try:
        if (size := source.stat().st_size) > _MOST_BYTES:
            most, found = pretty_bytes(_MOST_BYTES), pretty_bytes(size)
            raise ValueError(f"File '{source}' must have at most {most}, but it has {found}.")
        text = source.read_text("utf-8")
        if (n_keys := text.count("=")) > _MOST_KEYS:
            found = f"at most {_MOST_KEYS} keys, but it has {n_keys}"
            raise ValueError(f"File '{source}' must have {found}.")
        return tomllib.loads(text), text
    except RecursionError as error:
        found = "its tables or lists are nested too deeply"
        raise ValueError(f"File '{source}' must be a config, but {found}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"File '{source}' must be TOML, but it is not a text file.") from error
    except tomllib.TOMLDecodeError as error:
        found = str(error)[:1].lower() + str(error)[1:].rstrip(".")
        raise ValueError(
            f"File '{source}' must be valid TOML, but has an error: {found}."
        ) from error


def change(raw: dict[str, Any], override: str) -> None:
    """Apply ``key.path=value``; the value is TOML, or else a text."""
    path, equals, text = override.partition("=")
    if not equals or not all(path.strip().split(".")):
        raise fail("--set", "have the form KEY.PATH=VALUE", f"it is '{override}'",
                   "For instance `--set model.Omega=0.6`.")  # fmt: skip
    put(raw, path.strip(), _value(text), f"'{override}'")


def put(raw: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set the entry at ``key.path``; `where` names the place in errors."""
    *outer, last = path.split(".")
    place: Any = raw
    for key in outer:
        if isinstance(place, dict):
            place.setdefault(key, {})
        place = place[_step(place, key, where)]
    place[_step(place, last, where)] = value


def _step(place: Any, key: str, where: str) -> str | int:
    """Return the key of a table, or the number of an entry of a list."""
    if isinstance(place, dict):
        return key
    if isinstance(place, list) and key.isdigit() and int(key) < len(place):
        return int(key)
    found = f"there is no `{key}` in {where}"
    raise fail("--set", "name a key of a table or an entry of a list", found)


def _value(text: str) -> Any:
    """Read a value as TOML, or else as a text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()


# Files and output.


def check_writable(paths: Sequence[Path], overwrite: bool) -> None:
    """Refuse files that cannot be written, or exist and may not be replaced."""
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


def load_kind(file: Path, *kinds: type) -> Any:
    """Load a file that has to hold one of some kinds of answers."""
    found = load(file)
    if not isinstance(found, kinds):
        what = "the answers of a sweep" if file.is_dir() else f"a {type(found).__name__}"
        names: dict[type, str] = {Result: "a result over time", SteadyState: "a steady state"}
        raise fail("file", f"hold {' or '.join(names[k] for k in kinds)}", f"'{file}' holds {what}")
    return found


def say(text: Any) -> None:
    """Print in letters that stdout can show."""
    print(printable(str(text)))
