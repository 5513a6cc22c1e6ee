"""Labelled datasets as groups of an HDF5 file, laid out as netCDF-4 readers expect.

Own code, because a result has many small variables: the general writers look up every name of a
file for each of them, and take a quarter of a second where this takes a hundredth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable.%10d"
_LARGE = 4096  # bytes from which an array has a checksum that HDF5 looks at
_READ = ("DIMENSION_LIST", "CLASS", "NAME", "coordinates", "dtype")  # others take as long again
_OWN = {"coordinates", "_NCProperties"}  # attributes that say how a group is laid out


def write(group: h5py.Group, data: xr.Dataset) -> None:
    """Write a dataset into an empty group; numbers, truth values and texts can be written."""
    places = {}
    for place, (dim, size) in enumerate(data.sizes.items()):
        word = str(dim)
        if dim in data.variables:
            scale, label = _put(group, word, data[dim].values), word.encode()
        else:
            scale, label = group.create_dataset(word, (size,), ">f4"), _NO_VARIABLE % size
        h5py.h5ds.set_scale(scale.id, label)
        scale.attrs["_Netcdf4Dimid"] = np.int32(place)
        places[dim] = scale
    for name, variable in data.variables.items():
        if name not in places:
            dataset = _put(group, str(name), variable.values)
            for axis, dim in enumerate(variable.dims):
                h5py.h5ds.attach_scale(dataset.id, places[dim].id, axis)
    group.attrs.update(data.attrs)
    aside = [str(name) for name in data.coords if name not in places]
    if aside:
        group.attrs["coordinates"] = " ".join(aside)


def _put(group: h5py.Group, name: str, values: NDArray[Any]) -> h5py.Dataset:
    """Write an array."""
    kind = values.dtype.kind
    if kind in "OU":
        return group.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
    if kind not in "iufb":
        raise TypeError(f"variable '{name}' has dtype {values.dtype}, which has no form in a file")
    raw = values.astype(np.int8) if kind == "b" else values
    checked = bool(raw.ndim) and raw.nbytes > _LARGE
    dataset = group.create_dataset(name, data=raw, fletcher32=checked or None)
    if kind == "b":
        dataset.attrs["dtype"] = "bool"
    return dataset


def read(
    group: h5py.Group,
    chosen: Callable[[list[str]], Iterable[str]] = iter,
    attributes: Collection[str] | None = None,
) -> xr.Dataset:
    """Read a group without the groups in it; of names and attributes only those that are wanted."""
    variables, coords = {}, set(str(group.attrs.get("coordinates", "")).split())
    for name in chosen([*group]):
        dataset = group[name]
        if not isinstance(dataset, h5py.Dataset):
            continue
        attrs = {key: dataset.attrs[key] for key in _READ if key in dataset.attrs}
        dims = tuple(_name(group, scales[0]) for scales in attrs.get("DIMENSION_LIST", ()))
        if attrs.get("CLASS") == b"DIMENSION_SCALE":
            if attrs.get("NAME", b"").startswith(_NO_VARIABLE[:40]):
                continue
            dims = dims or (name,)
        if len(dims) != dataset.ndim:
            raise ValueError(f"the dimensions of '{name}' are not known")
        coords.update(str(attrs.get("coordinates", "")).split())
        variables[name] = (dims, _got(dataset, attrs))
    kept = [key for key in (group.attrs if attributes is None else attributes) if key not in _OWN]
    attrs = {key: _plain(group.attrs[key]) for key in kept if key in group.attrs}
    aside = {name: variables.pop(name) for name in coords & variables.keys()}
    return xr.Dataset(variables, aside, attrs)


def _name(group: h5py.Group, scale: h5py.Reference) -> str:
    """Return the name of a dimension."""
    return str(h5py.h5r.get_name(scale, group.id).decode()).rsplit("/", 1)[-1]


def _plain(value: Any) -> Any:
    """Return an attribute; netCDF stores numbers as arrays of one."""
    return value[0] if isinstance(value, np.ndarray) and value.shape == (1,) else value


def _got(dataset: h5py.Dataset, attrs: dict[str, Any]) -> NDArray[Any]:
    """Return the array of a variable."""
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(dataset.asstr()[()], dtype=object)
    values = np.asarray(dataset[()])
    return values.astype(bool) if attrs.get("dtype") == "bool" else values
