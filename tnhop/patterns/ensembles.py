"""Patterns: ensembles, images, corruption, overlaps and classes of equal columns.

A set of patterns `xi` has shape ``(n_patterns, n_spins)`` and entries +1 and -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import hadamard

from tnhop.support.checks import (
    affordable,
    fail,
    integer,
    integers,
    members,
    random_generator,
    real,
    real_array,
    shown,
    signs,
    wrong_type,
)

__all__ = [
    "biased_patterns",
    "check_patterns",
    "correlated_patterns",
    "corrupt",
    "orthogonal_patterns",
    "overlaps",
    "pattern_classes",
    "patterns_from_images",
    "random_patterns",
]

_IMAGES = "be a list of at least one image"


def check_patterns(xi: ArrayLike, name: str = "xi") -> NDArray[np.int8]:
    """Check a set of patterns.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Entries +1 and -1; a single pattern must be written ``[[1, -1, ...]]``.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of int8, shape (n_patterns, n_spins)
    """
    patterns = signs(xi, name, ("n_patterns", "n_spins"))
    if 0 in patterns.shape:
        raise fail(name, "have at least one pattern and one spin", f"has shape {patterns.shape}")
    return patterns


def random_patterns(n_patterns: int, n_spins: int, *, rng: Any = None) -> NDArray[np.int8]:
    """Draw independent, unbiased random patterns.

    Parameters
    ----------
    n_patterns, n_spins : int
        Numbers of patterns and spins.
    rng : int or numpy.random.Generator, optional
        Seed or generator.

    Returns
    -------
    ndarray of int8, shape (n_patterns, n_spins)

    Examples
    --------
    >>> random_patterns(2, 5, rng=7).shape
    (2, 5)
    """
    return biased_patterns(n_patterns, n_spins, bias=0.0, rng=rng)


def biased_patterns(
    n_patterns: int, n_spins: int, *, bias: float, rng: Any = None
) -> NDArray[np.int8]:
    """Draw independent random patterns with mean entry `bias`.

    Parameters
    ----------
    n_patterns, n_spins : int
        Numbers of patterns and spins.
    bias : float
        Mean of an entry, between -1 and 1: an entry is +1 with probability (1 + bias)/2.
    rng : int or numpy.random.Generator, optional
        Seed or generator.

    Returns
    -------
    ndarray of int8, shape (n_patterns, n_spins)
    """
    shape = _shape(n_patterns, n_spins)
    bias = real(bias, "bias", minimum=-1.0, maximum=1.0)
    draws = random_generator(rng).random(shape)
    return np.where(draws < (1 + bias) / 2, 1, -1).astype(np.int8)


def correlated_patterns(
    n_patterns: int, n_spins: int, *, correlation: float, rng: Any = None
) -> NDArray[np.int8]:
    """Draw unbiased random patterns with mean mutual overlap `correlation`.

    All patterns descend from one ancestor; each entry agrees with it with probability
    (1 + √correlation)/2.

    Parameters
    ----------
    n_patterns, n_spins : int
        Numbers of patterns and spins.
    correlation : float
        Mean overlap of two patterns, between 0 and 1.
    rng : int or numpy.random.Generator, optional
        Seed or generator.

    Returns
    -------
    ndarray of int8, shape (n_patterns, n_spins)
    """
    correlation = real(correlation, "correlation", minimum=0.0, maximum=1.0)
    rng = random_generator(rng)
    ancestor = random_patterns(1, n_spins, rng=rng)
    return ancestor * biased_patterns(n_patterns, n_spins, bias=correlation**0.5, rng=rng)


def orthogonal_patterns(n_patterns: int, n_spins: int, *, rng: Any = None) -> NDArray[np.int8]:
    """Return exactly orthogonal patterns, by default with balanced columns in Hadamard order.

    Parameters
    ----------
    n_patterns, n_spins : int
        Numbers of patterns and spins; `n_spins` must be a multiple of the smallest power of two
        that is at least `n_patterns`.
    rng : int or numpy.random.Generator, optional
        If given, columns are shuffled and their signs drawn at random.

    Returns
    -------
    ndarray of int8, shape (n_patterns, n_spins)

    Examples
    --------
    >>> xi = orthogonal_patterns(3, 8).astype(int)
    >>> (xi @ xi.T).tolist()
    [[8, 0, 0], [0, 8, 0], [0, 0, 8]]
    """
    n_patterns, n_spins = _shape(n_patterns, n_spins)
    order = 1 << (n_patterns - 1).bit_length()
    if n_spins % order:
        raise fail("n_spins", f"be a multiple of {order} for {n_patterns} orthogonal patterns",
                   f"it is {n_spins}")  # fmt: skip
    xi = np.tile(hadamard(order, dtype=np.int8)[:n_patterns], n_spins // order)
    if rng is None:
        return xi
    rng = random_generator(rng)
    return xi[:, rng.permutation(n_spins)] * random_patterns(1, n_spins, rng=rng)


def patterns_from_images(
    images: Sequence[Any], *, shape: tuple[int, int] | None = None
) -> NDArray[np.int8]:
    """Turn black-and-white images into patterns; dark pixels become +1.

    Parameters
    ----------
    images : sequence of str, path or array_like, shape (n_rows, n_columns)
        A drawing such as ``"##.|#.#|##."`` (``#`` is dark, rows end with ``|`` or a line break),
        the path of an image file, or an array whose entries above half its largest value are dark.
    shape : (int, int), optional
        Rows and columns; image files are scaled to it, others must have it.

    Returns
    -------
    ndarray of int8, shape (n_images, n_rows * n_columns)

    Examples
    --------
    >>> patterns_from_images(["#.|.#", "##|.."], shape=(2, 2)).tolist()
    [[1, -1, -1, 1], [1, 1, -1, -1]]
    """
    if isinstance(images, str) or not (listed := members(images, "images", _IMAGES, object)):
        raise fail("images", _IMAGES, f"it is {shown(images, repr)}")
    if shape is not None:
        rows_and_columns = integers(shape, "shape", minimum=1)
        if len(rows_and_columns) != 2:
            found = f"there are {len(rows_and_columns)} numbers"
            raise fail("shape", "be numbers of rows and columns", found)
        shape = rows_and_columns[0], rows_and_columns[1]
        affordable(shape[0] * shape[1] * len(listed), "shape", "images of that size")
    rows = [_read_image(image, f"images[{k}]", shape) for k, image in enumerate(listed)]
    for k, row in enumerate(rows):
        if row.shape != (shape or rows[0].shape):
            found = f"images[{k}] has shape {row.shape}"
            raise fail("images", f"have shape {shape or rows[0].shape}", found)
    return np.stack([np.where(row, 1, -1).astype(np.int8).ravel() for row in rows])


def _read_image(image: Any, name: str, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    if isinstance(image, str) and set(image) <= set("#. |\n"):
        lines = [line for line in image.replace("|", "\n").split("\n") if line]
        if len({len(line) for line in lines}) != 1:
            raise fail(name, "have rows of equal length", f"it is {image!r}")
        return np.array([[letter == "#" for letter in line] for line in lines])
    if isinstance(image, str | Path):
        if "\0" in str(image):
            raise fail(name, "be a drawing or the path of an image file", f"it is {image!r}")
        return _read_file(Path(image), name, shape)
    array = real_array(image, name, ("n_rows", "n_columns"))
    if not array.size:
        raise fail(name, "have at least one pixel", f"has shape {array.shape}")
    return array > array.max() / 2


def _read_file(path: Path, name: str, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise fail(name, "be a drawing or the path of an image file", f"there is no file '{path}'")
    try:
        picture = Image.open(path).convert("L")
    except UnidentifiedImageError as error:
        raise fail(name, "be an image file", f"'{path}' cannot be read as one") from error
    if shape is not None:
        picture = picture.resize((shape[1], shape[0]))
    return np.asarray(picture) < 128


def corrupt(pattern: ArrayLike, n_flips: int, *, rng: Any = None) -> NDArray[np.int8]:
    """Flip exactly `n_flips` randomly chosen entries of a configuration.

    Parameters
    ----------
    pattern : array_like, shape (n_spins,)
        Entries +1 and -1.
    n_flips : int
        Number of entries to flip, at most n_spins; the overlap becomes 1 - 2 n_flips/n_spins.
    rng : int or numpy.random.Generator, optional
        Seed or generator.

    Returns
    -------
    ndarray of int8, shape (n_spins,)

    Examples
    --------
    >>> int((corrupt([1, 1, -1, 1, -1, 1], 2, rng=3) != [1, 1, -1, 1, -1, 1]).sum())
    2
    """
    s = signs(pattern, "pattern", ("n_spins",)).copy()
    n_flips = integer(n_flips, "n_flips", minimum=0, maximum=s.size)
    s[random_generator(rng).choice(s.size, n_flips, replace=False)] *= -1
    return s


def overlaps(xi: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Overlaps m_μ = Σ_i ξ_i^μ s_i / N, Eq. (1) of docs/physics.md.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Patterns.
    s : array_like, shape (..., n_spins)
        Configurations, or any site magnetisations.

    Returns
    -------
    ndarray, shape (..., n_patterns)
    """
    patterns = check_patterns(xi)
    values = real_array(s, "s")
    if values.ndim == 0 or values.shape[-1] != patterns.shape[1]:
        raise fail("s", f"have shape (..., {patterns.shape[1]})", f"has shape {values.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        m = values @ patterns.T / patterns.shape[1]
    if not np.all(np.isfinite(m)):
        raise fail("s", "have entries whose sums are numbers", f"one is {np.abs(values).max():g}")
    return m


def pattern_classes(xi: ArrayLike, *, merge_signs: bool = True) -> NDArray[np.intp]:
    """Label the spins by equal pattern columns.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Patterns.
    merge_signs : bool
        Whether columns that differ by an overall sign share a class (at most 2^(n_patterns - 1)).

    Returns
    -------
    ndarray of int, shape (n_spins,)
        Class of every spin, numbered by first appearance.

    Examples
    --------
    >>> pattern_classes([[1, 1, -1, 1], [1, -1, -1, 1]]).tolist()
    [0, 1, 0, 0]
    """
    columns = check_patterns(xi).T
    if not isinstance(merge_signs, bool):
        raise wrong_type("merge_signs", "be True or False", merge_signs)
    if merge_signs:
        columns = columns * columns[:, :1]
    _, first, labels = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[labels.ravel()]


def _shape(n_patterns: int, n_spins: int) -> tuple[int, int]:
    shape = (
        integer(n_patterns, "n_patterns", minimum=1, maximum=10**12),
        integer(n_spins, "n_spins", minimum=1, maximum=10**12),
    )
    affordable(17.0 * shape[0] * shape[1], "n_spins", f"{shape[0]} patterns of {shape[1]} spins")
    return shape
