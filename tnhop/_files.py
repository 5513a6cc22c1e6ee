"""Result files: one self-describing HDF5 file each, written all or nothing."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tnhop._checkpoints import sync
from tnhop._checks import fail
from tnhop._codec import SCHEMA_VERSION, decode, dumps, encode, loads, state_class
from tnhop.observables import real_parts


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


def write(target: Path, data: xr.Dataset, *, overwrite: bool, state: Any, **described: Any) -> Path:
    """Write a labelled dataset, what it describes and its final state."""
    if target.exists() and not overwrite:
        raise FileExistsError(
            f"File '{target}' exists already. Choose another name, or allow `overwrite`."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"Folder '{target.parent}' does not exist. Create it first.")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        _write(partial, data, state, described)
        umask = os.umask(0)  # a temporary file is private; the result is an ordinary one
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        sync(partial)
        os.replace(partial, target)
        sync(target.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
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
    data.to_netcdf(path, engine="h5netcdf", mode="w")
    if state is None:
        return
    arrays = {}
    for name, array in state.to_arrays().items():
        for key, part in real_parts(name, np.asarray(array)):
            arrays[key] = ([f"{key}_{axis}" for axis in range(part.ndim)], part)
    group = xr.Dataset(arrays, attrs={"type": type(state).__name__})
    group.to_netcdf(path, engine="h5netcdf", mode="a", group="final_state")


def read(source: Path) -> Content:
    """Read a file, refusing what is not one of ours with a sentence."""
    if not source.is_file():
        raise FileNotFoundError(f"There is no file '{source}'.")
    try:
        with h5py.File(source) as file:
            schema = file.attrs.get("tnhop_schema")  # netCDF stores numbers as arrays
    except OSError as error:
        raise fail(
            "path", "be a readable tnhop file", f"'{source}' is not one ({error})"
        ) from error
    if schema is None:
        raise fail("path", "be a tnhop result", f"'{source}' has no schema version")
    if int(np.ravel(schema)[0]) != SCHEMA_VERSION:
        found = f"'{source}' has version {int(np.ravel(schema)[0])}"
        raise fail("path", f"have schema version {SCHEMA_VERSION}", found)
    try:
        with xr.open_dataset(source, engine="h5netcdf") as opened:
            data = opened.load()
        return Content(
            str(data.attrs.get("answer", "Result")),
            data,
            loads(str(data["model"].item())),
            decode(json.loads(data.attrs["method"])),
            loads(str(data["observables"].item())),
            decode(json.loads(data.attrs["stats"])),
            _read_state(source),
        )
    except (KeyError, OSError, json.JSONDecodeError) as error:
        raise fail("path", "be a complete tnhop file", f"'{source}' lacks {error}") from error


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
