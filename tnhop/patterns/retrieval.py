"""The classical network at zero temperature: retrieval by discrete updates, and its basins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.patterns.couplings import check_couplings, hebb
from tnhop.patterns.ensembles import check_patterns, corrupt
from tnhop.support.checks import (
    affordable,
    fail,
    integer,
    integers,
    one_of,
    plain_array,
    random_generator,
    real,
    real_array,
    signs,
)
from tnhop.support.statistics import proportion_width

__all__ = ["Basin", "Retrieval", "basin", "retrieve"]

_MOST_SAMPLES = 10**6
_jit = numba.njit(cache=True, boundscheck=False)


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Ends of configurations under discrete dynamics.

    Parameters
    ----------
    spins : ndarray of int8, shape (..., n_spins)
        Last configurations.
    sweeps : ndarray of int, shape (...)
        Updates of the whole network that were made, the last one, which confirms, included.
    period : ndarray of int, shape (...)
        1 for fixed points, 2 for cycles of synchronous updates, 0 if neither was reached.
    """

    spins: NDArray[np.int8]
    sweeps: NDArray[np.intp]
    period: NDArray[np.intp]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether a fixed point was reached, shape (...)."""
        return self.period == 1


@dataclass(frozen=True, eq=False)
class Basin:
    """Share of corrupted patterns that are found again.

    Parameters
    ----------
    n_flips : ndarray of int, shape (n_corruptions,)
        Number of wrong bits at the start.
    success : ndarray, shape (n_corruptions,)
        Fraction of samples that came back.
    errors : ndarray, shape (n_corruptions,)
        Half-widths of 95 % intervals (Wilson).
    overlap : ndarray, shape (n_corruptions,)
        Mean overlap with the pattern at the end.
    """

    n_flips: NDArray[np.intp]
    success: NDArray[np.float64]
    errors: NDArray[np.float64]
    overlap: NDArray[np.float64]


def retrieve(
    J: ArrayLike,
    s: ArrayLike,
    *,
    update: str = "asynchronous",
    max_sweeps: int = 200,
    rng: Any = None,
) -> Retrieval:
    r"""Zero-temperature dynamics :math:`s_i \leftarrow \mathrm{sgn}(h_i)`, Eq. (72) of physics.md.

    A spin without field keeps its value. Asynchronous updates visit the spins one by one, in a new
    random order in every sweep; with symmetric couplings every flip lowers the energy, so that they
    end in a fixed point. Synchronous updates change all spins at once and end, with symmetric
    couplings, in a fixed point or in a cycle of two configurations.

    Parameters
    ----------
    J : array_like, shape (n_spins, n_spins)
        Couplings, zero diagonal.
    s : array_like, shape (..., n_spins)
        Configurations to start from.
    update : str
        ``"asynchronous"`` or ``"synchronous"``.
    max_sweeps : int
        Updates of the whole network after which an orbit is left.
    rng : int or Generator, optional
        Seed of the orders of asynchronous updates.

    Returns
    -------
    Retrieval

    Raises
    ------
    ValueError
        If shapes do not fit or entries are not +1 and -1.

    Notes
    -----
    **Cost**: n_spins² per sweep, asynchronous only n_spins per flip.

    References
    ----------
    .. [1] J. J. Hopfield, PNAS 79, 2554 (1982).

    Examples
    --------
    >>> import tnhop as th
    >>> xi = th.random_patterns(n_patterns=3, n_spins=60, rng=7)
    >>> end = retrieve(th.hebb(xi), th.corrupt(xi[0], 12, rng=7), rng=7)
    >>> th.overlaps(xi, end.spins)[0].item(), end.converged.item()
    (1.0, True)
    """
    ndim = real_array(s, "s").ndim
    if ndim == 0:
        raise fail("s", "have shape (..., n_spins)", "it is a number")
    start = signs(s, "s", (*map(str, range(ndim - 1)), "n_spins"))
    couplings = check_couplings(J, start.shape[-1], "J")
    one_of(update, "update", ["asynchronous", "synchronous"])
    max_sweeps = integer(max_sweeps, "max_sweeps", minimum=1)
    spins = start.reshape(-1, start.shape[-1]).copy()
    if update == "synchronous":
        sweeps, period = _synchronous(couplings, spins, max_sweeps)
    else:
        sweeps, period = _asynchronous(couplings, spins, max_sweeps, random_generator(rng))
    shape = start.shape[:-1]
    return Retrieval(spins.reshape(start.shape), sweeps.reshape(shape), period.reshape(shape))


def _synchronous(
    J: NDArray[np.float64], spins: NDArray[np.int8], max_sweeps: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Update all samples in place, all spins at once."""
    n_samples = len(spins)
    sweeps, period = np.zeros(n_samples, dtype=np.intp), np.zeros(n_samples, dtype=np.intp)
    before, going = np.zeros_like(spins), np.arange(n_samples)
    for _ in range(max_sweeps):
        now = spins[going]
        h = now @ J.T
        after = np.where(h > 0, 1, np.where(h < 0, -1, now)).astype(np.int8)
        fixed = np.all(after == now, axis=1)
        cycle = np.all(after == before[going], axis=1) & ~fixed
        before[going], spins[going] = now, after
        sweeps[going] += 1
        period[going[fixed]], period[going[cycle]] = 1, 2
        going = going[~(fixed | cycle)]
        if not len(going):
            break
    return sweeps, period


def _asynchronous(
    J: NDArray[np.float64], spins: NDArray[np.int8], max_sweeps: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Update all samples in place, one spin after the other."""
    columns, n_samples = np.ascontiguousarray(J.T), len(spins)
    sweeps, period = np.zeros(n_samples, dtype=np.intp), np.zeros(n_samples, dtype=np.intp)
    fields = spins @ columns
    for sample in range(n_samples):
        for sweep in range(max_sweeps):
            order = rng.permutation(spins.shape[1])
            sweeps[sample] = sweep + 1
            if _sweep(columns, spins[sample], fields[sample], order) == 0:
                period[sample] = 1
                break
    return sweeps, period


@_jit
def _sweep(columns, s, h, order):  # type: ignore[no-untyped-def]
    """Align every spin once; return the number of flips."""
    flips = 0
    for k in order:
        if s[k] * h[k] < 0:
            s[k] = -s[k]
            change = 2.0 * s[k]
            for i in range(len(h)):
                h[i] += change * columns[k, i]
            flips += 1
    return flips


def basin(
    xi: ArrayLike,
    n_flips: ArrayLike,
    *,
    couplings: Callable[..., NDArray[np.float64]] | ArrayLike = hebb,
    n_samples: int = 100,
    threshold: float = 1.0,
    update: str = "asynchronous",
    max_sweeps: int = 200,
    rng: Any = None,
) -> Basin:
    r"""Basin of attraction of patterns: how often they are found again after some wrong bits.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Patterns; samples take them in turn.
    n_flips : array_like of int, shape (n_corruptions,)
        Numbers of wrong bits at the start, random ones.
    couplings : callable or array_like, shape (n_spins, n_spins)
        A function of the patterns (`hebb`, `pseudo_inverse`) or a matrix.
    n_samples : int
        Starts per number of wrong bits.
    threshold : float
        Overlap at the end from which on a pattern counts as found.
    update, max_sweeps
        See `retrieve`.
    rng : int or Generator, optional
        Seed.

    Returns
    -------
    Basin

    Raises
    ------
    ValueError
        If a number of wrong bits is negative or beyond the number of spins.

    Examples
    --------
    >>> import tnhop as th
    >>> xi = th.random_patterns(n_patterns=2, n_spins=100, rng=1)
    >>> answer = basin(xi, [10, 50], n_samples=40, rng=1)
    >>> answer.success[0].item(), bool(answer.success[1] < 0.5)
    (1.0, True)
    """
    patterns = check_patterns(xi)
    n_patterns, n_spins = patterns.shape
    n_samples = integer(n_samples, "n_samples", minimum=1, maximum=_MOST_SAMPLES)
    threshold = real(threshold, "threshold", minimum=-1.0, maximum=1.0)
    listed = plain_array(n_flips, "n_flips")
    if listed.ndim > 1:
        raise fail("n_flips", "have shape (n_corruptions,)", f"has shape {listed.shape}")
    wrong = integers(np.atleast_1d(listed), "n_flips", minimum=0, maximum=n_spins)
    affordable(40.0 * n_samples * n_spins, "n_samples", f"{n_samples} samples")
    J = couplings(patterns) if callable(couplings) else couplings
    J = check_couplings(J, n_spins)
    generator, targets = random_generator(rng), patterns[np.arange(n_samples) % n_patterns]
    success, overlap = np.zeros(len(wrong)), np.zeros(len(wrong))
    for k, n in enumerate(wrong):
        starts = np.array([corrupt(pattern, n, rng=generator) for pattern in targets])
        ends = retrieve(J, starts, update=update, max_sweeps=max_sweeps, rng=generator)
        m = np.mean(ends.spins * targets, axis=1)
        success[k], overlap[k] = np.mean(m >= threshold - 1e-12), m.mean()
    return Basin(np.array(wrong), success, proportion_width(success, n_samples), overlap)
