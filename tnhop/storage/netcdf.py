"""Labelled datasets as groups of an HDF5 file, laid out as netCDF-4 readers expect.

Own code, because a result has many small variables: the general writers look up every name of a
file for each of them, and take a quarter of a second where this takes a hundredth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable.%10d"
_LARGE = 4096  # bytes from which an array has a checksum that HDF5 looks at
_OWN = {"coordinates", "_NCProperties"}  # attributes that say how a group is laid out

Arrays = dict[str, tuple[tuple[str, ...], NDArray[Any]]]  # name → dimensions, array


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


def read(group: h5py.Group) -> xr.Dataset:
    """Read a group without the groups in it."""
    variables, coords = arrays(group)
    aside = {name: variables.pop(name) for name in coords & variables.keys()}
    return xr.Dataset(variables, aside, attributes(group, group.attrs))


def arrays(
    group: h5py.Group, chosen: Callable[[list[str]], Iterable[str]] = iter
) -> tuple[Arrays, set[str]]:
    """Return the arrays of chosen names, and the names of coordinates that are no dimensions."""
    found, coords = Arrays(), set(str(group.attrs.get("coordinates", "")).split())
    for name in chosen([*group]):
        dataset = h5py.h5o.open(group.id, name.encode())  # its own interface takes twice as long
        if not isinstance(dataset, h5py.h5d.DatasetID):
            continue
        if not h5py.h5ds.is_scale(dataset):
            dims = tuple(_names(dataset))
        elif h5py.h5ds.get_scale_name(dataset).startswith(_NO_VARIABLE[:40]):
            continue
        else:
            dims = (name,)
        if len(dims) != dataset.rank:
            raise ValueError(f"the dimensions of '{name}' are not known")
        if h5py.h5a.exists(dataset, b"coordinates"):
            coords.update(str(h5py.Dataset(dataset).attrs["coordinates"]).split())
        found[name] = (dims, _got(dataset))
    return found, coords


def attributes(group: h5py.Group, names: Iterable[str]) -> dict[str, Any]:
    """Return the attributes of some names that a group has and that are not about its layout."""
    attrs = group.attrs
    return {key: _plain(attrs[key]) for key in names if key not in _OWN and key in attrs}


def _names(dataset: h5py.h5d.DatasetID) -> Iterator[str]:
    """Return the names of the dimensions that are known."""
    for axis in range(dataset.rank if h5py.h5a.exists(dataset, b"DIMENSION_LIST") else 0):
        place = h5py.h5ds.iterate(dataset, axis, h5py.h5i.get_name)
        yield place.decode().rsplit("/", 1)[-1]


def _plain(value: Any) -> Any:
    """Return an attribute; netCDF stores numbers as arrays of one."""
    return value[0] if isinstance(value, np.ndarray) and value.shape == (1,) else value


def _got(dataset: h5py.h5d.DatasetID) -> NDArray[Any]:
    """Return the array of a variable."""
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(h5py.Dataset(dataset).asstr()[()], dtype=object)
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    truth = values.dtype == np.int8 and h5py.Dataset(dataset).attrs.get("dtype") == "bool"
    return values.astype(bool) if truth else values
