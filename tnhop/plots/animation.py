"""Retrieval of images as animations: the image on the sites beside the overlaps."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.animation import AbstractMovieWriter, FuncAnimation
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tnhop.plots.evolution import draw_evolution
from tnhop.plots.style import COLOURS, colours, style
from tnhop.plots.undetermined import with_gaps
from tnhop.support.atomic_files import file_name, new_file, write_whole
from tnhop.support.checks import fail, integer, integers

__all__ = ["draw_retrieval", "known_shape", "save_retrieval"]

_MOST_THUMBNAILS = 6
_SIZE = (8.4, 4.0)  # inches


def draw_retrieval(
    data: xr.Dataset, *, shape: Any, fps: int = 10, window: bool = True
) -> FuncAnimation:
    """Animate ⟨σᶻ⟩ on the sites, drawn as an image, beside the overlaps with a moving time.

    Parameters
    ----------
    data : Dataset
        From ``result.to_xarray()``, with ``sigma_z`` at two times or more.
    shape : (int, int)
        Rows and columns of the image; their product is the number of spins.
    fps : int
        Frames, which are output times, per second.
    window : bool
        Whether the figure belongs to pyplot, so that ``plt.show()`` plays it.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        One frame per output time. Keep a reference while it plays.

    Raises
    ------
    ValueError
        If there is no ``sigma_z``, a single time, or the shape does not fit.
    """
    if "sigma_z" not in data:
        found = f"there are {', '.join(map(str, data.data_vars))}"
        raise fail("observables", "contain 'sigma_z' to draw an image of the sites", found)
    if data.sizes["time"] < 2:
        raise fail("times", "hold at least two times to be animated", "there is one")
    frames = with_gaps(data, "sigma_z").reshape(-1, *_checked_shape(shape, data.sizes["site"]))
    times, speed = data["time"].values, integer(fps, "fps", minimum=1, maximum=50)
    with style():
        figure = _figure(window)
        halves: Any = figure.subfigures(1, 2, width_ratios=[1.0, 1.35])
        left, right = halves
        picture = left.subplots()
        shown = picture.imshow(frames[0], cmap="RdBu_r", vmin=-1, vmax=1)
        picture.set(xticks=[], yticks=[], facecolor="0.75")  # seen where nothing is determined
        left.colorbar(shown, ax=picture, label=r"$\langle\sigma^z_k\rangle$", ticks=[-1, 0, 1],
                      aspect=14, pad=0.03, location="bottom", shrink=0.8)  # fmt: skip
        curves = _draw_right(right, data, frames.shape[1:])
        marker = curves.axvline(times[0], color="0.3", lw=1.2)
        picture.set_title(" ", fontsize="medium")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # one layout for all frames: steady, and much faster

    def update(k: int) -> Any:
        shown.set_data(frames[k])
        picture.set_title(f"$t$ = {times[k]:.4g}", fontsize="medium")
        marker.set_xdata([times[k], times[k]])
        return shown, marker

    return FuncAnimation(figure, update, frames=len(times), interval=1000.0 / speed, blit=False)


def _figure(window: bool) -> Figure:
    if window:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=_SIZE, layout="constrained")
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_right(right: Any, data: xr.Dataset, shape: tuple[int, ...]) -> Axes:
    """Draw the overlaps, and above them the patterns in frames of the colours of their curves."""
    xi = data["xi"].values if "xi" in data.coords else None
    if xi is None or len(xi) > _MOST_THUMBNAILS or "m_z" not in data:
        return _with_curves(data, right)
    top, bottom = right.subfigures(2, 1, height_ratios=[1.0, 2.3])
    scale = colours(len(xi)) if len(xi) > 1 else [COLOURS[0]]
    row = top.subplots(1, _MOST_THUMBNAILS, squeeze=False)[0]
    for k, ax in enumerate(row):
        if k >= len(xi):
            ax.set_axis_off()
            continue
        ax.imshow(xi[k].reshape(shape), cmap="RdBu_r", vmin=-1.4, vmax=1.4)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{k}", fontsize="small", color=scale[k])
        for spine in ax.spines.values():
            spine.set(color=scale[k], linewidth=2.0)
    return _with_curves(data, bottom)


def _with_curves(data: xr.Dataset, part: Any) -> Axes:
    ax: Axes = part.subplots()
    draw_evolution([data], ax=ax)
    return ax


def _checked_shape(shape: Any, n_sites: int) -> tuple[int, int]:
    condition = f"be numbers of rows and columns with the product {n_sites}"
    remedy = "It is the shape of the images that the patterns were made of."
    if shape is None:
        raise fail("shape", condition, "it is not given and not known", remedy)
    numbers = integers(shape, "shape", minimum=1)
    if len(numbers) != 2 or numbers[0] * numbers[1] != n_sites:
        found = f"it is {' x '.join(map(str, numbers))}"
        raise fail("shape", condition, found, remedy)
    return numbers[0], numbers[1]


def known_shape(stats: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the shape of the images in the config of a run, if a run of `tnhop run` had some.

    Parameters
    ----------
    stats : dict
        ``result.stats``; its config is left aside where its patterns were changed by ``--set``.
    """
    if "config" not in stats or any("patterns" in text for text in stats.get("overrides", ())):
        return None
    section = tomllib.loads(stats["config"]).get("patterns", {})
    if section.get("kind") != "images":
        return None
    if "shape" in section:
        return int(section["shape"][0]), int(section["shape"][1])
    rows = [row for row in str(section["images"][0]).replace("|", "\n").split("\n") if row]
    drawn = set("".join(rows)) <= set("#. ")
    return (len(rows), len(rows[0])) if drawn and rows else None


class _GifWriter(AbstractMovieWriter):
    """Write frames of an Agg figure as GIF; every frame is drawn once."""

    def setup(self, fig: Figure, outfile: Any, dpi: float | None = None) -> None:
        """Start anew."""
        super().setup(fig, outfile, dpi)
        self._images: list[Image.Image] = []

    def grab_frame(self, **_: Any) -> None:
        """Keep what the canvas shows; the animation has just drawn it."""
        canvas: Any = self.fig.canvas
        picture = Image.fromarray(np.array(canvas.buffer_rgba())[:, :, :3])
        self._images.append(picture.quantize(method=Image.Quantize.FASTOCTREE))

    def finish(self) -> None:
        """Keep the file as bytes: a full disk must find nothing half-written."""
        first, *others = self._images
        duration = round(1000 / self.fps)
        raw = io.BytesIO()
        first.save(raw, "gif", save_all=True, append_images=others, duration=duration, loop=0)
        self.raw = raw.getvalue()


def save_retrieval(
    data: xr.Dataset, path: str | Path, *, shape: Any, fps: int = 10, overwrite: bool = False
) -> FuncAnimation:
    """Write `draw_retrieval` as GIF, all or nothing, and return it.

    Parameters
    ----------
    data : Dataset
        As for `draw_retrieval`.
    path : str or path
        File to write, ``*.gif``.
    shape : (int, int)
        Rows and columns of the image.
    fps : int
        Frames per second.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    matplotlib.animation.FuncAnimation

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        If the file exists and `overwrite` is False, its folder does not exist, or its name does not
        end in ``.gif``.
    """
    if file_name(path).suffix.lower() != ".gif":
        raise fail("path", "end in '.gif'", f"it is '{path}'")
    target, fps = new_file(path, overwrite), integer(fps, "fps", minimum=1, maximum=50)
    moving = draw_retrieval(data, shape=shape, fps=fps, window=False)
    writer = _GifWriter(fps=fps)
    moving.save(str(target), writer=writer)
    write_whole(target, writer.raw)
    return moving
