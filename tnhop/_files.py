"""Result files: one self-describing HDF5 file each, written all or nothing.

What is damaged later is noticed: the attribute ``sha256`` covers all arrays, texts and attributes.
Large arrays have checksums besides, which any reader of netCDF looks at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tnhop._checks import fail, shown
from tnhop._codec import SCHEMA_VERSION, decode, dumps, encode, loads, state_class
from tnhop._whole import file_name, new_file, whole_file
from tnhop.model import Model
from tnhop.observables import Observable, real_parts
from tnhop.problem import Method

# how netCDF ties axes together: references, whose addresses are not what they mean
_TIES = {"DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds; `kind` is the class of the answer."""

    kind: str
    data: xr.Dataset
    model: Any
    method: Any
    observables: Any
    stats: dict[str, Any]
    state: Any


def write(path: Any, data: xr.Dataset, *, overwrite: Any, state: Any, **described: Any) -> Path:
    """Write a labelled dataset, what it describes and its final state."""
    target = new_file(path, overwrite)
    with whole_file(target) as partial:
        _write(partial, data, state, described)
        with h5py.File(partial, "a") as file:  # of what can be read back
            file.attrs["sha256"] = _digest(file)
    return target


def _write(path: Path, data: xr.Dataset, state: Any, described: dict[str, Any]) -> None:
    data = data.copy()
    data.attrs |= {
        "tnhop_schema": SCHEMA_VERSION,
        "tnhop_version": version("tnhop"),
        "answer": described["kind"],
        "description": repr(described["model"])[1:-1],
        "method": json.dumps(encode(described["method"])),
        "stats": json.dumps(encode(described["stats"])),
    }
    # variables, because an HDF5 attribute holds at most 64 kB
    data["model"] = ((), dumps(described["model"]))
    data["observables"] = ((), dumps(described["observables"]))
    data.to_netcdf(path, engine="h5netcdf", mode="w", encoding=_checked(data))
    if state is None:
        return
    arrays = {}
    for name, array in state.to_arrays().items():
        for key, part in real_parts(name, np.asarray(array)):
            arrays[key] = ([f"{key}_{axis}" for axis in range(part.ndim)], part)
    group = xr.Dataset(arrays, attrs={"type": type(state).__name__})
    group.to_netcdf(
        path, engine="h5netcdf", mode="a", group="final_state", encoding=_checked(group)
    )


def _checked(data: xr.Dataset) -> dict[Any, dict[str, bool]]:
    """Return the settings by which arrays have checksums, if they are larger than these."""
    large = [name for name, v in data.variables.items() if v.ndim and v.nbytes > 4096]
    return {n: {"fletcher32": True} for n in large if data[n].dtype.kind in "iuf"}


def _digest(file: h5py.File) -> str:
    """Return a SHA-256 of all names, arrays, texts and attributes but itself."""
    found = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        for key in sorted(set(item.attrs) - _TIES - {"sha256"}):
            found.update(f"\n{name} @{key} ".encode() + _raw(item.attrs[key]))
        if isinstance(item, h5py.Dataset):
            found.update(f"\n{name} {item.dtype} {item.shape} ".encode() + _raw(item[()]))

    add("/", file)
    file.visititems(add)
    return found.hexdigest()


def _raw(value: Any) -> bytes:
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        return "\0".join(repr(item) for item in array.ravel().tolist()).encode()
    return array.tobytes()


def is_whole(path: Path) -> bool:
    """Return whether a file is there and was written to its end by this schema version."""
    try:
        with h5py.File(path) as file:
            return _is_ours(file) and "model" in file and "observables" in file
    except Exception:  # HDF5 says in many ways that a file is damaged
        return False


def _is_ours(file: h5py.File) -> bool:
    found = np.ravel(file.attrs.get("tnhop_schema", -1))  # netCDF stores numbers as arrays
    return found.shape == (1,) and found.dtype.kind in "iu" and found[0] == SCHEMA_VERSION


def read(path: Any) -> Content:
    """Read a file, refusing what is not one of ours with a sentence."""
    source = file_name(path)
    if not source.is_file():
        raise FileNotFoundError(f"There is no file '{source}'.")
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
    with intact(source):
        verify(source)
        with h5py.File(source) as file:
            described = _described(file)
        with xr.open_dataset(source, engine="h5netcdf") as opened:
            data = opened.load()
        kind = str(data.attrs.get("answer", "Result"))
        return Content(kind, data, **described, state=_read_state(source))


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


def verify(source: Path) -> None:
    """Raise an error if a file is not what was written; those of earlier versions do not know."""
    with h5py.File(source) as file:
        if "sha256" in file.attrs and file.attrs["sha256"] != _digest(file):
            raise ValueError("its checksum is wrong")


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


def _read_state(path: Path) -> Any:
    with h5py.File(path) as file:
        if "final_state" not in file:
            return None
    with xr.open_dataset(path, engine="h5netcdf", group="final_state") as opened:
        data = opened.load()
    arrays: dict[str, NDArray[Any]] = {}
    for key, array in data.data_vars.items():
        name = str(key)
        if name.endswith("_re"):
            arrays[name[:-3]] = array.values + 1j * data[f"{name[:-3]}_im"].values
        elif not name.endswith("_im"):
            arrays[name] = array.values
    return state_class(data.attrs["type"]).from_arrays(arrays)
