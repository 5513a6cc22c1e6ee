"""Result files: one self-describing HDF5 file each, written all or nothing.

What is damaged later is noticed, before HDF5, which may never return from it, sees any of it: the
last bytes of a file, which HDF5 ignores, are a checksum of all others. Large arrays have checksums
besides, which any reader of netCDF looks at.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts
from tnhop.physics.problem import Method
from tnhop.storage import netcdf
from tnhop.support.atomic_files import file_name, new_file, write_whole
from tnhop.support.checks import fail, shown
from tnhop.support.codec import SCHEMA_VERSION, decode, dumps, encode, loads, rebuilt_state

_SEAL = b"\nsha256 "  # and 64 letters: how a file ends
_LENGTH = len(_SEAL) + 64
_DIGEST = "digest"  # of the task, in the files of a store
_STATES = "output_states"
_START_ERRORS = "start_errors"
REMEDY = "Remove it and sweep again: only it is computed anew."
_PROMISE = f"SHA-256 of all bytes but the last {_LENGTH}, which hold it"


@dataclass(frozen=True, eq=False)
class Content:
    """Content of a file; `kind` is the class of the answer.

    The final state, if it is kept, and the states at the output times.
    """

    kind: str
    data: xr.Dataset
    model: Any
    method: Any
    observables: Any
    stats: dict[str, Any]
    state: Any
    states: Sequence[Any] = ()


def write(path: Any, content: Content, *, overwrite: Any, digest: str | None = None) -> Path:
    """Write a labelled dataset, what it describes, and its states.

    A `digest` is the name of what was computed: the file is refused under any other one.
    """
    target = new_file(path, overwrite)
    raw = _image(content, {} if digest is None else {_DIGEST: digest})
    write_whole(target, raw, _SEAL + hashlib.sha256(raw).hexdigest().encode())
    return target


def _image(content: Content, attributes: dict[str, str]) -> bytes:
    """Return an HDF5 file as bytes: made in memory, so that a full disk never meets HDF5."""
    data = content.data.copy()
    data.attrs |= {
        "tnhop_schema": SCHEMA_VERSION,
        "tnhop_version": version("tnhop"),
        "answer": content.kind,
        "checksum": _PROMISE,
        "description": content.model.summary,
        "method": json.dumps(encode(content.method)),
        "stats": json.dumps(encode(content.stats)),
        **attributes,
    }
    # variables, because an HDF5 attribute holds at most 64 kB
    data["model"] = ((), dumps(content.model))
    data["observables"] = ((), dumps(content.observables))
    states = {f"{_STATES}/{place}": state for place, state in enumerate(content.states)}
    if content.state is not None:
        states["final_state"] = content.state
    name = uuid.uuid4().hex  # HDF5 takes equal names, even in memory, for one file
    with h5py.File(name, "w", driver="core", backing_store=False, track_order=True) as file:
        netcdf.write(file, data)
        for group, state in states.items():
            netcdf.write(file.create_group(group, track_order=True), _arrays_of(state))
        file.flush()
        return bytes(file.id.get_file_image())


def _arrays_of(state: Any) -> xr.Dataset:
    """Return the arrays of a state, each with dimensions of its own."""
    arrays: dict[str, Any] = {}
    for name, array in state.to_arrays().items():
        for key, part in real_parts(name, np.asarray(array)):
            arrays[key] = ([f"{key}_{axis}" for axis in range(part.ndim)], part)
    errors = getattr(state, _START_ERRORS, None)
    if errors is not None:
        arrays[_START_ERRORS] = ((), dumps(errors))
    return xr.Dataset(arrays, attrs={"type": type(state).__name__})


def _seal(file: BinaryIO, length: int) -> bytes:
    """Return the seal of so many bytes of a file."""
    found = hashlib.sha256()
    while length > 0 and (block := file.read(min(length, 2**20))):
        found.update(block)
        length -= len(block)
    return _SEAL + found.hexdigest().encode()


def _is_sealed(source: Path) -> bool:
    """Return whether a file ends with a seal; it must be the right one."""
    if not source.is_file():
        raise ValueError("it is a pipe or a device")
    with source.open("rb") as file:
        length = max(file.seek(0, os.SEEK_END) - _LENGTH, 0)
        file.seek(length)
        found = file.read()
        if not found.startswith(_SEAL):
            return False
        file.seek(0)
        if found != _seal(file, length):
            raise ValueError("its checksum is wrong")
    return True


@contextmanager
def _opened(source: Path) -> Iterator[h5py.File]:
    """Open a file that is what was written; those of earlier versions cannot say whether."""
    sealed = _is_sealed(source)
    with h5py.File(source) as file:
        if not sealed and "checksum" in file.attrs:
            raise ValueError("its checksum is missing")
        yield file


def variables(
    source: Path, chosen: Callable[[list[str]], Iterable[str]]
) -> tuple[netcdf.Arrays, dict[str, Any]]:
    """Return the variables of chosen names, with statistics and digest; any error means damage."""
    with _opened(source) as file:
        group = file["/"]  # its attributes are looked up faster than those of a file
        found, coords = netcdf.arrays(group, chosen)
        kept = {name: found[name] for name in found if name not in coords}
        return kept, netcdf.attributes(group, ("stats", _DIGEST))


def is_whole(path: Path, digest: str) -> bool:
    """Return whether a file is there and was written to its end by this schema version.

    Raises
    ------
    ValueError
        If it is the answer to something else than `digest` names.
    """
    if not path.is_file():
        return False
    try:
        with _opened(path) as file:
            group = file["/"]
            whole = _is_ours(group) and "model" in group and "observables" in group
            stored = {_DIGEST: group.attrs.get(_DIGEST, digest)}
    except Exception:  # HDF5 says in many ways that a file is damaged
        return False
    if whole:
        check_digest(path, stored, digest)
    return whole


def check_digest(path: Path, attributes: Mapping[Any, Any], digest: str) -> None:
    """Refuse an answer that stands under the name of another one; those of 0.1 do not say."""
    stored = attributes.get(_DIGEST, digest)
    if stored != digest:
        found = f"'{path}' is the answer to another problem ({shown(stored)})"
        raise fail("store", "hold every answer under its own name", found, REMEDY)


def _is_ours(file: h5py.Group) -> bool:
    found = np.ravel(file.attrs.get("tnhop_schema", -1))  # netCDF stores numbers as arrays
    return found.shape == (1,) and found.dtype.kind in "iu" and found[0] == SCHEMA_VERSION


def read(path: Any) -> Content:
    """Read a file, refusing what is not one of ours with a sentence."""
    source = file_name(path)
    if source.exists() and not source.is_file():
        raise fail("path", "be a readable tnhop file", f"'{source}' is a pipe or a device")
    if not source.is_file():
        raise FileNotFoundError(f"There is no file '{source}'.{_like(source)}")
    with intact(source):
        _is_sealed(source)  # before HDF5 sees it
    try:
        with h5py.File(source) as file:
            schema, ours = file.attrs.get("tnhop_schema"), _is_ours(file)
    except Exception as error:
        found = f"'{source}' is not one ({shown(error)})"
        raise fail("path", "be a readable tnhop file", found) from error
    if schema is None:
        raise fail("path", "be a tnhop result", f"'{source}' has no schema version")
    if not ours:
        found = f"'{source}' has version {' '.join(map(str, np.ravel(schema))) or 'none'}"
        raise fail("path", f"have schema version {SCHEMA_VERSION}", found)
    with intact(source), _opened(source) as file:
        data = netcdf.read(file)
        state = _state_of(netcdf.read(file["final_state"])) if "final_state" in file else None
        kept = file.get(_STATES, ())
        states = [_state_of(netcdf.read(kept[f"{place}"])) for place in range(len(kept))]
        kind = str(data.attrs.get("answer", "Result"))
        return Content(kind, data, **_described(file), state=state, states=states)


def _like(source: Path) -> str:
    """Name the file that may have been meant: a run of several methods writes one for each."""
    pattern = f"*{source.suffix or '.h5'}"
    beside = sorted(path.name for path in source.parent.glob(pattern) if path.is_file())
    near = get_close_matches(source.name, beside, n=1, cutoff=0.5)
    return f" Did you mean '{source.with_name(near[0])}'?" if near else ""


def _described(file: h5py.File) -> dict[str, Any]:
    """Return model, method, observables and statistics; each is of its kind."""
    model, observables = (loads(file[name][()].decode()) for name in ("model", "observables"))
    method, stats = (decode(json.loads(file.attrs[name])) for name in ("method", "stats"))
    kinds = {
        "model": isinstance(model, Model),
        "method": isinstance(method, Method),
        "statistics": isinstance(stats, dict),
        "observables": isinstance(observables, tuple)
        and all(isinstance(o, Observable) for o in observables),
    }
    for name, right in kinds.items():
        if not right:
            raise ValueError(f"it has no {name}")
    return {"model": model, "method": method, "observables": observables, "stats": stats}


@contextmanager
def intact(source: Any) -> Iterator[None]:
    """Say that a file is damaged, whatever goes wrong while it becomes an answer.

    HDF5 and its readers say so in many ways, and so does what is built from their numbers.
    """
    try:
        yield
    except Exception as error:
        if str(error).startswith("The file holds"):
            raise
        why = " ".join(str(error).split())[:200].rstrip(".")
        found = f"'{source}' is damaged ({why or type(error).__name__})"
        raise fail("path", "be a complete tnhop file", found) from error


def _state_of(data: xr.Dataset) -> Any:
    """Return the state whose arrays these are."""
    arrays: dict[str, NDArray[Any]] = {}
    errors = loads(str(data[_START_ERRORS].item())) if _START_ERRORS in data else None
    for key, array in data.drop_vars(_START_ERRORS, errors="ignore").data_vars.items():
        name = str(key)
        if name.endswith("_re"):
            arrays[name[:-3]] = array.values + 1j * data[f"{name[:-3]}_im"].values
        elif not name.endswith("_im"):
            arrays[name] = array.values
    return rebuilt_state(data.attrs["type"], arrays, errors)
