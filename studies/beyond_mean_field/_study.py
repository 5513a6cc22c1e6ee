"""What the studies share: the model, labelled files, the command line and the style of figures."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

import tnhop as th

# Okabe & Ito: distinguishable with every kind of colour vision, and in grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
TIME_UNIT = "inverse single-spin flip rate"
RATE_UNIT = "single-spin flip rate"


def network(n_spins: int, temperature: float, Omega: float) -> th.Model:
    """One pattern; which one does not matter, so all spins up."""
    return th.open_hopfield(np.ones((1, n_spins)), beta=1 / temperature, Omega=Omega)


def mean_field_overlap(temperature: float, Omega: float) -> float:
    """Overlap u / (1 + 8 Ω²) of the retrieval state, Eq. (19) of docs/physics.md; 0 above T_c."""
    point = th.RetrievalChannel(temperature).retrieval(Omega)
    return point[0] if point else 0.0


def labelled(params: Any, question: str, variables: dict[str, Any], coords: Any) -> xr.Dataset:
    """Build a Dataset with parameters and version in its attributes.

    Every variable is (dims, values, unit, meaning).
    """
    data = {
        name: (dims, np.asarray(values), {"units": unit, "long_name": meaning})
        for name, (dims, values, unit, meaning) in variables.items()
    }
    attrs = {
        "question": question,
        "parameters": json.dumps(dataclasses.asdict(params)),
        "tnhop": th.__version__,
    }
    return xr.Dataset(data, coords, attrs)


def main(script: str, params: Any, compute: Callable[..., Any], plot: Callable[..., Any]) -> None:
    """Compute and write NAME.h5, then draw NAME.png from that file."""
    parser = argparse.ArgumentParser(description=f"Study {Path(script).stem}.")
    parser.add_argument("--plot-only", action="store_true", help="redraw from the file")
    path = Path(script).with_suffix(".h5")
    if not parser.parse_args().plot_only:
        began = time.perf_counter()
        data = compute(params)
        data.attrs["run_time"] = f"{time.perf_counter() - began:.0f} s"
        packing = {name: {"zlib": True, "complevel": 4} for name in data.data_vars}
        data.to_netcdf(path, engine="h5netcdf", encoding=packing)
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        data = stored.load()
    write_png(plot(data), path.with_suffix(".png"))
    print(f"{path.name}: computed in {data.attrs['run_time']} with tnhop {data.attrs['tnhop']}")


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure with 64 colours, which keeps the file small."""
    stream = io.BytesIO()
    figure.savefig(stream, dpi=150)
    picture = Image.open(stream).convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True, dpi=(150, 150))


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """Return a figure without a window and its axes, labelled (a), (b), ..."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for letter, ax in zip("abcdefghijkl", axes.ravel(), strict=False):
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(f"({letter})", loc="left", fontsize="medium", fontweight="bold")
    return figure, axes


def title(ax: Any, text: str) -> None:
    """Add what a panel shows behind its letter."""
    ax.set_title(text, loc="center", fontsize="small")


def legend_outside(figure: Figure, axes: Any, columns: int, side: str = "lower") -> None:
    """Put the entries of some panels under or over the figure, where they hide nothing."""
    entries: dict[str, Any] = {}
    for ax in axes:
        entries |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(entries.values(), entries.keys(), loc=f"outside {side} center", ncols=columns,
                  frameon=False, fontsize="small")  # fmt: skip
