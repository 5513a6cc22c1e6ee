"""The folder of a sweep: one file per answer, and which point of which grid it answers.

``DIGEST.h5`` is an answer, whole from the moment it is there; ``DIGEST.ckpt`` one on its way, and
``DIGEST.failed`` the sentence of one that failed. ``sweep-NAME.json`` lists the points of a sweep
with their digests. The names follow from the contents, so that any number of processes may write
into one folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.storage.checkpoints import remove
from tnhop.support.atomic_files import BEGINNING, file_name, write_whole
from tnhop.support.checks import fail, shown
from tnhop.support.codec import decode, digest
from tnhop.support.locks import Lock

if TYPE_CHECKING:
    import xarray as xr

    from tnhop.storage.netcdf import Arrays

_DESCRIPTIONS = {"model", "observables", "xi"}
_TITLE, _SCHEMA, _CHECKSUM = "tnhop sweep", 1, "checksum"
Label = int | float | str | bool
Point = tuple[Label, ...]


@dataclass(frozen=True)
class Manifest:
    """The points of a sweep.

    Parameters
    ----------
    names : tuple of str
        Names of the axes.
    verb, method : str
        What was asked for at every point, and how.
    points : tuple of tuple
        One label per axis.
    digests : tuple of str
        The answer of every point.
    """

    names: tuple[str, ...]
    verb: str
    method: str
    points: tuple[Point, ...]
    digests: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write it, all or nothing."""
        content = {"title": _TITLE, "schema": _SCHEMA, **self.__dict__}
        found = digest(_text(content))
        whole = _text(content | {_CHECKSUM: found})
        write_whole(folder / f"sweep-{found[:16]}.json", whole.encode())

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read one, refusing what is none."""
        try:
            content = json.loads(path.read_text("utf-8"))
            stated = content.pop(_CHECKSUM, None)  # those of 0.1 have none
            if content["schema"] != _SCHEMA:
                found = f"'{path}' has version {content['schema']}"
                raise fail("path", f"have schema version {_SCHEMA}", found)
            points = tuple(tuple(point) for point in content["points"])
            names, digests = tuple(content["names"]), tuple(content["digests"])
            if stated not in (None, digest(_text(content))):
                raise KeyError(_CHECKSUM)
            if any(len(point) != len(names) for point in points) or len(points) != len(digests):
                raise KeyError("points")
            if not all(re.fullmatch("[0-9a-f]{64}", answer) for answer in digests):
                raise KeyError("digests")
            if not all(isinstance(label, Label) for point in points for label in point):
                raise KeyError("labels")
            return cls(names, content["verb"], content["method"], points, digests)
        except (KeyError, TypeError, AttributeError, RecursionError, UnicodeDecodeError,
                json.JSONDecodeError) as error:  # fmt: skip
            remedy = "Remove it and sweep again: finished answers are kept."
            found = f"'{path}' is damaged"
            raise fail("path", "hold whole lists of points", found, remedy) from error


def _text(content: dict[str, Any]) -> str:
    """Return the text of a list, which names the file and has a checksum."""
    return json.dumps(content, indent=1)


@dataclass(frozen=True)
class Store:
    """A folder of answers.

    Parameters
    ----------
    folder : Path
        Where they are.
    """

    folder: Path

    def answer(self, digest: str) -> Path:
        """File of an answer."""
        return self.folder / f"{digest}.h5"

    def has(self, digest: str) -> bool:
        """Return whether an answer is there and whole."""
        from tnhop.storage import files  # xarray takes half a second that no other run should pay

        return files.is_whole(self.answer(digest), digest)

    def write(self, digest: str, answer: Any) -> None:
        """Write an answer, under its digest, which it holds, too."""
        from tnhop.storage import files

        files.write(self.answer(digest), answer.to_content(), overwrite=True, digest=digest)

    def checkpoint(self, digest: str) -> Path:
        """File of an answer on its way."""
        return self.folder / f"{digest}.ckpt"

    def failure(self, digest: str) -> Path:
        """File with the sentence of an answer that failed."""
        return self.folder / f"{digest}.failed"

    def lock(self, digest: str) -> Lock:
        """Lock of the process that works at an answer."""
        return Lock(self.folder / f"{digest}.lock")

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """All lists of points, in the order of their names."""
        lists = sorted(self.folder.glob("sweep-*.json"))
        return tuple(Manifest.read(path) for path in lists if path.is_file())

    def tidy(self, answers: Collection[str]) -> None:
        """Remove what killed processes left of answers that are there now."""
        left: dict[str, list[Path]] = {}
        for path in self.folder.iterdir():
            if path.name.startswith(".") or ".ckpt" in path.suffixes or path.suffix == ".lock":
                left.setdefault(path.name.lstrip(".")[:BEGINNING], []).append(path)
        for answer in answers if left else ():
            if answer[:BEGINNING] not in left or not self.answer(answer).exists():
                continue
            with suppress(OSError, ValueError), self.lock(answer):  # else another one is at it
                remove(self.checkpoint(answer))
                for path in left[answer[:BEGINNING]]:
                    if path.name.startswith("."):
                        path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all answers and lists."""
        for pattern in ("sweep-*.json", *(f"{'[0-9a-f]' * 64}.{end}*" for end in _ENDINGS)):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def index(self, more: Sequence[Manifest] = ()) -> tuple[tuple[str, ...], dict[Point, str]]:
        """Return the names of the axes and the digest of every point; several methods are an axis.

        Raises
        ------
        ValueError
            If the lists have other axes, or one point stands for two problems.
        """
        lists = [*self.manifests, *more]
        if not lists:
            remedy = "Give a file, or the folder that `th.sweep` was given as `store`."
            raise fail("path", "be a folder of a sweep", f"'{self.folder}' is none", remedy)
        names = lists[0].names
        several = len({manifest.method for manifest in lists}) > 1
        found: dict[Point, str] = {}
        for manifest in lists:
            if (manifest.names, manifest.verb) != (names, lists[0].verb):
                other = f"{manifest.verb} over {manifest.names} beside {lists[0].verb} over {names}"
                raise fail("store", "hold sweeps over the same axes", f"it has {other}", _REMEDY)
            for labels, answer in zip(manifest.points, manifest.digests, strict=True):
                point = (*labels, manifest.method) if several else labels
                if found.setdefault(point, answer) != answer:
                    place = ", ".join(f"{n} = {v}" for n, v in zip(names, labels, strict=True))
                    other = f"{place} was another problem there"
                    raise fail("store", "hold one problem per point", f"at {other}", _REMEDY)
        return (*names, "method") if several else names, found


def open_store(path: Any, *, resume: bool = True) -> Store:
    """Return the store in a folder, which is made if missing, and emptied unless `resume`."""
    folder = file_name(path, "store", "folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"'{folder}': {error.strerror}"
        raise fail("store", "be a folder that can be made", found) from error
    if not os.access(folder, os.W_OK):
        raise fail("store", "be a writable folder", f"'{folder}' is not")
    store = Store(folder)
    if not resume:
        store.clear()
    return store


_ENDINGS = ("h5", "ckpt", "failed", "lock")
_REMEDY = "Choose another folder, or start anew with `resume=False`."


def read_store(folder: Path) -> xr.Dataset:
    """Return all answers of a folder as one labelled Dataset, NaN where there is none yet."""
    import xarray as xr

    store = Store(folder)
    names, found = store.index()
    axes = {name: _axis(point[k] for point in found) for k, name in enumerate(names)}
    table = _Table(axes)
    for point, answer in found.items():
        table.note(point, "digest", answer)
        if store.failure(answer).is_file():
            table.note(point, "failure", store.failure(answer).read_text("utf-8"))
    whole = [
        (p, _numbers(store.answer(a), a)) for p, a in found.items() if store.answer(a).exists()
    ]
    for _, numbers in whole:
        table.measure(*numbers)
    for point, numbers in whole:
        table.fill(point, *numbers)
    table.room("wall_time")
    attrs = {
        "axes": [*axes], "verb": store.manifests[0].verb, "points": len(found),
        "missing": len(found) - len(whole),
        "methods": [*dict.fromkeys(manifest.method for manifest in store.manifests)],
    }  # fmt: skip
    return xr.Dataset(table.variables, {**axes, **table.inner}, attrs)


def _numbers(path: Path, digest: str) -> tuple[dict[str, list[Any]], Arrays]:
    """Return the labels of an answer, and its observables, total half-widths and effort."""
    from tnhop.storage import files

    try:
        data, attributes = files.variables(path, _measured)
        labels = _labels(data)
        effort = decode(json.loads(attributes["stats"]))["wall_time"]
    except Exception as error:  # HDF5 says in many ways that a file is damaged
        found = f"'{path}' is damaged ({shown(error)})"
        raise fail("path", "hold whole answers", found, files.REMEDY) from error
    files.check_digest(path, attributes, digest)
    numbers = {name: array for name, array in data.items() if name not in labels}
    return labels, {**numbers, "wall_time": ((), effort)}


def _labels(data: Arrays) -> dict[str, list[Any]]:
    """Return the labels of all dimensions; those without any are counted."""
    sizes: dict[str, int] = {}
    for dims, array in data.values():
        for dim, size in zip(dims, array.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"conflicting sizes for dimension '{dim}'")
    return {
        dim: data[dim][1].tolist() if dim in data else [*range(size)]
        for dim, size in sizes.items()
    }  # fmt: skip


def _measured(names: list[str]) -> list[str]:
    """Leave out sources of errors, of which there are many, and what is no measurement."""
    errors = tuple(f"{name}_" for name in names if name.endswith("_error"))
    return [n for n in names if n not in _DESCRIPTIONS and not n.startswith(errors)]


def _axis(labels: Iterator[Label]) -> list[Any]:
    """Return the distinct labels: numbers sorted, anything else in order of appearance."""
    distinct = list(dict.fromkeys(labels))
    if all(isinstance(x, bool) for x in distinct):
        return distinct
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in distinct)
    return sorted(distinct) if numbers else [str(label) for label in distinct]


class _Table:
    """Arrays over the axes of a grid, and over those of the answers inside."""

    def __init__(self, axes: dict[str, list[Any]]) -> None:
        self.axes, self.inner = axes, dict[str, list[Any]]()
        self._places = {n: {x: k for k, x in enumerate(labels)} for n, labels in axes.items()}
        self._dims: dict[str, tuple[str, ...]] = {}
        self.variables: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {}

    def _index(self, point: Point) -> tuple[int, ...]:
        return tuple(
            places.get(label, places.get(str(label), -1))
            for places, label in zip(self._places.values(), point, strict=True)
        )

    def note(self, point: Point, name: str, text: str) -> None:
        """Put a text at a point."""
        if name not in self.variables:
            shape = [len(labels) for labels in self.axes.values()]
            self.variables[name] = (tuple(self.axes), np.full(shape, "", dtype=object))
        self.variables[name][1][self._index(point)] = text

    def room(self, name: str, dims: tuple[str, ...] = ()) -> None:
        """Make an array of unknown numbers, unless it is there."""
        if name not in self.variables:
            shape = [*map(len, self.axes.values()), *(len(self.inner[dim]) for dim in dims)]
            self.variables[name] = ((*self.axes, *dims), np.full(shape, np.nan))

    def measure(self, labels: dict[str, list[Any]], numbers: Arrays) -> None:
        """Make room for the labels of an answer."""
        for dim, new in labels.items():
            old = self.inner.get(dim, [])
            self.inner[dim] = old if old == new else _axis(iter([*old, *new]))
        for name, (dims, _) in numbers.items():
            if self._dims.setdefault(name, dims) != dims:
                found = f"'{name}' has {dims} and {self._dims[name]}"
                raise fail("path", "hold observables of equal dimensions", found)

    def fill(self, point: Point, labels: dict[str, list[Any]], numbers: Arrays) -> None:
        """Put the numbers of an answer at its point."""
        rows = {dim: self._rows(dim, listed) for dim, listed in labels.items()}
        for name, (dims, array) in numbers.items():
            self.room(name, dims)
            place: Any = (*self._index(point), *np.ix_(*(rows[dim] for dim in dims)))
            self.variables[name][1][place] = array

    def _rows(self, dim: str, labels: list[Any]) -> list[int]:
        """Return the places of the labels of an answer among those of all."""
        if labels == self.inner[dim]:
            return [*range(len(labels))]
        places = {label: k for k, label in enumerate(self.inner[dim])}
        return [places[label] for label in labels]
