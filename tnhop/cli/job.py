"""Jobs of the command line: configs from files, changes to them, and where their output goes."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tnhop.cli.config import Plan, make_plan
from tnhop.support.checks import fail
from tnhop.support.units import pretty_bytes

_MOST_BYTES, _MOST_KEYS = 10_000_000, 10_000

# Reading.


def read_config(source: Path) -> tuple[dict[str, Any], str]:
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
    if isinstance(place, dict):
        return key
    if isinstance(place, list) and key.isdigit() and int(key) < len(place):
        return int(key)
    found = f"there is no `{key}` in {where}"
    raise fail("--set", "name a key of a table or an entry of a list", found)


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()


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


@dataclasses.dataclass(frozen=True)
class Job:
    """A run and where its files go."""

    config: Path
    plan: Plan
    text: str
    overrides: list[str]
    name: str
    files: list[Path]
    figure: Path

    @property
    def checkpoints(self) -> list[Path]:
        """One per method, beside its output."""
        return [file.with_suffix(".ckpt") for file in self.files]


def make_job(
    config: Path, overrides: list[str] | None, output: str | None, format: str | None
) -> Job:  # fmt: skip
    """Return the run that a config asks for, with its overrides."""
    raw, text = read_config(config)
    for override in overrides or ():
        change(raw, override)
    plan = make_plan(raw, config.parent)
    name = Path(output) if output else config.parent / (plan.name or config.stem)
    figure = Path(f"{name}.{format or plan.format}")
    return Job(config, plan, text, list(overrides or ()), name.name, _files(name, plan), figure)
