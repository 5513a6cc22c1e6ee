"""Datasets in HDF5: what is written is what any reader of netCDF reads, and the other way round."""

import h5py
import numpy as np
import pytest
import xarray as xr

from tnhop.storage import netcdf

DATA = xr.Dataset(
    {
        "m": (("time", "pattern"), np.array([[0.1, np.nan], [np.inf, -3.0], [1e-300, 0.0]])),
        "m_error": (("time", "pattern"), np.arange(6.0).reshape(3, 2) / 7),
        "bare": (("pair", "other"), np.arange(4, dtype=np.int8).reshape(2, 2)),
        "long": (("many",), np.arange(3000.0)),
        "gap": ((), 0.75),
        "text": ((), "σᶻ " * 40000),
        "known": (("pattern",), np.array([True, False])),
        "none": (("time", "nothing"), np.zeros((3, 0))),
    },
    {
        "time": [0.0, 0.5, 2.0],
        "pattern": ["α", "second"],
        "xi": (("pattern", "pair"), np.array([[1, -1], [-1, -1]], np.int8)),
    },
    {"answer": "Result", "schema": 1, **{f"attribute_{k}": k / 3 for k in range(12)}},
)


def same(a, b):
    xr.testing.assert_identical(a, b)
    for name in b.variables:
        kinds = {a[name].dtype.kind, b[name].dtype.kind}
        assert len(kinds) == 1 or kinds <= set("OUT"), name


@pytest.mark.parametrize("group", ["/", "final_state"])
def test_others_read_what_is_written(tmp_path, group):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w", track_order=True) as file:
        inner = file if group == "/" else file.create_group(group, track_order=True)
        netcdf.write(inner, DATA)
    with xr.open_dataset(path, engine="h5netcdf", group=group) as opened:
        same(opened.load(), DATA)
        assert list(opened.data_vars) == list(DATA.data_vars)
    with h5py.File(path) as file:
        same(netcdf.read(file[group]), DATA)
        assert list(netcdf.read(file[group]).data_vars) == list(DATA.data_vars)


def test_what_others_write_is_read(tmp_path):
    path = tmp_path / "data.h5"
    DATA.to_netcdf(path, engine="h5netcdf")
    DATA[["m"]].to_netcdf(path, engine="h5netcdf", mode="a", group="inner")
    with h5py.File(path) as file:
        same(netcdf.read(file), DATA)
        same(netcdf.read(file["inner"]), DATA[["m"]])


def test_other_kinds_are_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file, pytest.raises(TypeError, match="no form"):
        netcdf.write(file, xr.Dataset({"z": ((), 1j)}))


def test_dimensions_that_nobody_knows_are_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["loose"] = np.zeros(3)
        with pytest.raises(ValueError, match="the dimensions of 'loose' are not known"):
            netcdf.read(file)
