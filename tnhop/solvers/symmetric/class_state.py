"""Base of the states of interchangeable spins: classes, and distributions of overlaps."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from tnhop.physics.state_functionals import StateFunctionals
from tnhop.solvers.symmetric.spin_classes import SpinClasses
from tnhop.support.arrays import Real
from tnhop.support.checks import check_shape, fail, kept, plain_array, shown, signs, wrong_type


def checked_labels(value: Any, name: str, length: int | str) -> NDArray[np.intp]:
    """Check the labels 0, 1, ... of groups, none of them empty."""
    array = plain_array(value, name)
    check_shape(array, name, (length,))
    if array.size and array.dtype.kind not in "iu":
        raise wrong_type(name, "be integers", value)
    found = np.unique(array)
    if not np.array_equal(found, np.arange(len(found))):
        raise fail(name, "number the groups 0, 1, ...", f"it is {shown(array.tolist())}")
    fresh: NDArray[np.intp] = kept(array.astype(np.intp))
    return fresh


class ClassState(StateFunctionals):
    """A state in which the spins of every class are interchangeable."""

    labels: NDArray[np.intp]
    signs: NDArray[np.int8]

    def _check_classes(self) -> None:
        """Check and keep which spins form a class, and how."""
        labels = checked_labels(self.labels, "labels", "n_spins")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "signs", kept(signs(self.signs, "signs", labels.shape)))

    @cached_property
    def classes(self) -> SpinClasses:
        """The classes of interchangeable spins."""
        return SpinClasses(self.labels, self.signs)

    def size(self) -> tuple[int, int]:
        """Return the numbers of spins and modes."""
        return len(self.labels), len(getattr(self, "fock_dims", ()))

    @property
    def class_distribution(self) -> Real:
        """P(n₁, n₂, ...) of the numbers of up spins in all classes, shape (N₁ + 1, N₂ + 1, ...).

        For spins of sign -1 "up" means down.
        """
        raise NotImplementedError

    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> Real:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns."""
        patterns = np.asarray(xi) * self.signs
        # axes of P: classes not yet counted, then agreeing spins so far, pattern by pattern
        P = self.class_distribution[(..., *(None,) * len(patterns))]
        for g, N in enumerate(self.classes.sizes):
            table = _agreement(patterns[:, self.labels == g])
            old = P.shape[1:]
            first = len(old) - len(patterns)
            P_new = np.zeros((*old[:first], *(n + N for n in old[first:])))
            for agreeing in np.argwhere(table.any(axis=0)):
                window: list[Any] = [
                    slice(a, a + n) for a, n in zip(agreeing, old[first:], strict=True)
                ]
                P_new[(..., *window)] += np.tensordot(table[(slice(None), *agreeing)], P, (0, 0))
            P = P_new
        return P


def _agreement(columns: NDArray[np.int8]) -> Real:
    """P(agreeing spins of every pattern | up spins) in a class, shape (N + 1, N + 1, ...).

    The up spins lie anywhere with equal probability; columns has shape (n_patterns, N).
    """
    n_patterns, N = columns.shape
    alike, counts = np.unique(columns, axis=1, return_counts=True)
    if len(counts) == 1:
        n_up = np.arange(N + 1)
        table = np.zeros((N + 1,) * (1 + n_patterns))
        table[(n_up, *(n_up if sign == 1 else N - n_up for sign in alike[:, 0]))] = 1.0
        return table
    ways = np.zeros((N + 1,) * (1 + n_patterns))
    ways[(0,) * (1 + n_patterns)] = 1.0
    for column, n in zip(alike.T, counts, strict=True):
        # of n alike spins u are up: those agree with patterns of +1, the others with those of -1
        shifts = [(u, *np.where(column == 1, u, n - u).tolist()) for u in range(n + 1)]
        axes = tuple(range(1 + n_patterns))
        ways = sum(
            (comb(n, u) * np.roll(ways, shift, axes) for u, shift in enumerate(shifts)),
            np.zeros_like(ways),
        )
    return ways / comb(N, np.arange(N + 1)).reshape(-1, *(1,) * n_patterns)
