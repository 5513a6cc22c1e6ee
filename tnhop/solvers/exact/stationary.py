"""Stationary states and slow spectra of generators: of `Exact`, `Symmetric`, `ClassicalMaster`.

One eigenvalue is zero because the trace is conserved. Whether others are is decided by their own
errors, and where those are too large by what a conserved quantity is, Eq. (93) of docs/physics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.solvers.exact.block_lindbladian import BlockLindbladian
from tnhop.solvers.exact.conserved import count_conserved
from tnhop.solvers.exact.decoupled import DecoupledSectors, has_decoupled_sectors
from tnhop.solvers.exact.eigenpairs import (
    ROUNDING,
    Eigenpairs,
    joined,
    nearest_zero,
    propagator,
    slowest,
    with_residuals,
)
from tnhop.solvers.exact.population_pairs import population_pairs
from tnhop.solvers.exact.state_reduction import (
    StateReduction,
    balanced_distribution,
    closed_classes,
    state_reduction,
)
from tnhop.support.arrays import Real
from tnhop.support.errors import ConvergenceError

Signed = tuple[NDArray[np.intp], Real]  # a permutation and the signs that go with it


class SpectralGenerator(Protocol):
    """A generator whose stationary states and slow eigenvectors are sought."""

    size: int
    dim: int
    norm: float

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""

    @property
    def energy_spread(self) -> float:
        """Largest difference of energies: half the height of the spectrum."""

    @property
    def adjoint(self) -> SpectralGenerator:
        """The transposed generator."""

    @property
    def populations(self) -> NDArray[np.intp]:
        """Places of the populations."""

    @property
    def population_rates(self) -> sp.csr_array | None:
        """Rate matrix of the populations, if they have nothing to do with the rest."""

    def matrix(self) -> Any:
        """Return the generator as a sparse matrix."""

    def __call__(self, x: Real) -> Real:
        """Return the derivative of x."""


_MOST_UNDAMPED = 800
RESOLVED = 0.01  # relative error up to which a slow eigenvalue is known


@dataclass(frozen=True, eq=False)
class Stationary:
    """A stationary state, the gap above it, and how many others there are.

    Attributes
    ----------
    x : ndarray, shape (size,)
        The packed state, of trace one.
    residual : float
        ‖L x‖ / ‖x‖.
    gap : float
        Smallest decay rate, or an upper bound of it if not `converged`; NaN where every state is
        stationary.
    gap_error : float
        Its half-width.
    multiplicity : int
        Number of independent stationary states.
    undamped : int
        Number of oscillations that never decay.
    resolved : bool
        Whether every slow eigenvalue is known to be zero, or to one percent.
    converged : bool
        Whether the iteration converged as well.
    error : float
        Trace-norm error of the state; 2, the largest there is, if it is not resolved.
    sensitivity : float
        Trace-norm change of the state per norm of a change of the generator.
    """

    x: Real
    residual: float
    gap: float
    gap_error: float
    multiplicity: int
    undamped: int
    resolved: bool
    converged: bool
    error: float
    sensitivity: float


class SlowModes:
    """The slow eigenvectors of a generator, sector by sector of its reflections.

    Populations that evolve among themselves are solved by state reduction, whatever their rates,
    and coherences beside them in sectors that no jump connects, Eq. (101).

    Parameters
    ----------
    L : SpectralGenerator
        The generator.
    reflections : sequence of (ndarray, ndarray)
        Commuting reflections.
    eigensolver : str
        ``"propagator"`` or ``"shift-invert"``: with the latter eigenpairs are chosen among those
        nearest to zero in every sector.
    """

    def __init__(
        self, L: SpectralGenerator, reflections: Sequence[Signed] = (),
        eigensolver: str = "propagator",
    ) -> None:  # fmt: skip
        self.L, self._reflections, self._eigensolver = L, reflections, eigensolver
        self._rates = L.population_rates
        self.reduction: StateReduction | None = None
        if self._rates is not None:
            self.reduction = state_reduction(self._rates)
        self._weights: Real | None = None  # stationary, of a long chain with detailed balance
        if (chain := self._long_chain) is not None:
            weights = balanced_distribution(chain)
            self._weights = weights if weights is not None and weights.min() > 0 else None
        self._of_populations: dict[int, Eigenpairs] = {}  # that were reduced, by their number
        self._found: dict[int, list[Eigenpairs]] = {}  # other right pairs, by their number

    @cached_property
    def _spaces(self) -> list[Any]:
        reduced = self.reduction is not None
        return sectors(self.L.size, self._reflections, self.L.populations if reduced else None)

    @cached_property
    def _decoupled(self) -> DecoupledSectors | None:
        """The spaces in smaller pieces, if jumps only move basis states."""
        if not has_decoupled_sectors(self.L):
            return None
        assert isinstance(self.L, BlockLindbladian)
        return DecoupledSectors(self.L, self._spaces)

    @property
    def keeps_digits(self) -> bool:
        """Whether stationary populations are known with all their digits."""
        return self.reduction is not None or self._weights is not None

    @property
    def _long_chain(self) -> sp.csr_array | None:
        """The rates, if there is nothing else and they are too many for state reduction."""
        return None if self.reduction or isinstance(self.L, BlockLindbladian) else self._rates

    def pairs(self, k: int) -> Eigenpairs:
        """Return the k eigenpairs with the largest real parts."""
        parts = list(self._right_others(k))
        if (inside := self._inside(k)) is not None:
            parts.append(inside.embedded(_places(self.L.size, self.L.populations)))
        return joined(parts, k)

    def _inside(self, k: int) -> Eigenpairs | None:
        """Return the slow pairs of populations that were reduced."""
        if self.reduction is None or self._rates is None:
            return None
        if k not in self._of_populations:
            self._of_populations[k] = population_pairs(self._rates, self.reduction, k)
        return self._of_populations[k]

    def _right_others(self, k: int) -> list[Eigenpairs]:
        if k not in self._found:
            if self._weights is None:
                self._found[k] = self._others(self.L, k)
            else:  # in the units in which it is symmetric
                units = np.sqrt(self._weights)
                chain: Any = self.L
                scaled = self._others(chain.scaled(units), k)
                self._found[k] = [
                    with_residuals(pairs.embedded(sp.diags_array(units)), self.L)
                    for pairs in scaled
                ]
        return self._found[k]

    def _others(self, L: SpectralGenerator, k: int) -> list[Eigenpairs]:
        """Return the slow pairs of every sector, without populations that were reduced."""
        if self._decoupled is not None:
            solve = partial(_matrix_pairs, k=k, norm=L.norm, eigensolver=self._eigensolver)
            return self._decoupled.pairs(k, self._inside(k), solve, L is not self.L)
        counts = [(of, min(k, of.shape[1])) for of in self._spaces]
        if self._eigensolver == "shift-invert":
            matrix = L.matrix() if counts else None
            # more are found than wanted: the nearest to zero need not decay most slowly
            return [_nearest_pairs(matrix, of, min(n + 8, of.shape[1]), L.norm) for of, n in counts]
        tau = min(8 / max(abs(L.mean_diagonal), 1e-300), 200 / L.norm)
        spread = L.energy_spread if counts else 0.0
        evolve = propagator(L, L.mean_diagonal, L.norm, tau, L.size, spread)
        return [_sector_pairs(L, evolve, of, n) for of, n in counts]

    def past_zero(self) -> Eigenpairs:
        """Return enough slow eigenpairs to have seen all that do not decay."""
        k = 4
        while True:
            pairs = self.pairs(min(k, self.L.size))
            if k >= self.L.size or pairs.values[-1].real < -pairs.errors[-1]:
                return pairs
            if self._long_chain is not None and k > len(closed_classes(self._long_chain)):
                return pairs  # no more are zero, whatever their bars say
            k *= 4
            if k > _MOST_UNDAMPED:
                raise ConvergenceError(
                    f"The model has more than {k // 4} states or oscillations that never decay."
                    " Use `evolve` to a late time instead.",
                    pairs.values,
                )

    def null_space(self, pairs: Eigenpairs, count: int) -> tuple[Real, Real]:
        """Return real bases of the right and left eigenvectors of the slowest eigenvalues."""
        if self._weights is not None:
            return self._weights[:, None], np.ones((self.L.size, 1))
        right, left = np.zeros((2, self.L.size, 0))
        if self.reduction is not None:
            places = _places(self.L.size, self.L.populations)
            right, left = places @ self.reduction.stationary, places @ self.reduction.absorption
            slow = np.sort(np.abs(pairs.values))[count - 1]
            others = self._right_others(len(pairs.values))
            count = sum(int(np.sum(np.abs(part.values) <= slow)) for part in others)
        if count > 0:
            k = len(pairs.values)
            V = _null_vectors(joined(self._right_others(k), k), count)
            W = _null_vectors(joined(self._others(self.L.adjoint, k), k), count)
            right, left = np.concatenate([right, V], axis=1), np.concatenate([left, W], axis=1)
        return right, left

    def multiplicity(self, pairs: Eigenpairs) -> int:
        """Return the number of eigenvalues that are zero for certain."""
        known = 1 if self.reduction is None else self.reduction.n_closed
        candidates = int(still(pairs).sum())
        if candidates <= known:
            return known
        if self._long_chain is not None:
            return len(closed_classes(self._long_chain))
        if still(pairs).all() and len(pairs.values) < self.L.size:
            pairs = self.past_zero()
            candidates = int(still(pairs).sum())
        found = self._conserved(pairs, candidates)
        if found < candidates < len(pairs.values):
            # what decays slowly blurs what is conserved: search the space of both
            sizes = np.sort(np.abs(pairs.values))[candidates - 1 :]
            apart = int(np.argmax(sizes[1:] / np.maximum(sizes[:-1], pairs.errors.max())))
            found = max(found, self._conserved(pairs, candidates + apart))
        return max(min(found, candidates), known)

    def _conserved(self, pairs: Eigenpairs, count: int) -> int:
        """Return the number of conserved quantities in the space of the slowest ones."""
        assert isinstance(self.L, BlockLindbladian)
        right, left = self.null_space(pairs, count)
        sizes = np.sort(np.abs(pairs.values))
        error = float(pairs.errors.max() / (sizes[count] if count < len(sizes) else self.L.norm))
        mixed = np.zeros(self.L.size)
        mixed[self.L.populations] = 1 / self.L.dim
        first = 0 if self.reduction is None else self.reduction.n_closed
        mixed = _projected(mixed, right, left)
        return first + count_conserved(self.L, left[:, first:], mixed, error)


def slow_spectrum(modes: SlowModes, k: int) -> tuple[Eigenpairs, int]:
    """Return the k slowest eigenpairs, and how many eigenvalues are zero for certain."""
    pairs = modes.pairs(min(k, modes.L.size))
    if not pairs.converged:
        raise ConvergenceError(
            f"Only {len(pairs.values)} of {k} eigenvalues converged. Ask for fewer.",
            pairs.values, float(pairs.residuals.max(initial=0.0)),
        )  # fmt: skip
    zero, multiplicity = still(pairs), modes.multiplicity(pairs)
    if int(zero.sum()) <= multiplicity:  # all of them are known to be exactly zero
        pairs = replace(pairs, values=np.where(zero, 0, pairs.values),
                        errors=np.where(zero, 0.0, pairs.errors))  # fmt: skip
    return pairs, min(multiplicity, len(pairs.values))


def still(pairs: Eigenpairs) -> NDArray[np.bool_]:
    """Return which eigenvalues may be zero: that of the trace is."""
    zero = np.abs(pairs.values) <= pairs.errors
    zero[np.argmin(np.abs(pairs.values))] = True
    return np.asarray(zero)


def stationary(modes: SlowModes, trace: Real, start: Real | None) -> Stationary:
    """Return the stationary state, or where several exist the one reached from `start`."""
    L, pairs = modes.L, modes.past_zero()
    slow, multiplicity = still(pairs), modes.multiplicity(pairs)
    if multiplicity > 1 and start is None:
        raise ValueError(needs_start(multiplicity))
    begin = trace / (trace @ trace) if start is None or not trace @ start > 0 else start
    x = (
        _projected(begin, *modes.null_space(pairs, int(slow.sum())))
        if modes.keeps_digits or slow.sum() > 1
        else (_null_vectors(pairs, 1)[:, 0])
    )
    x = x / (trace @ x)
    size, residual = float(np.linalg.norm(x)), float(np.linalg.norm(L(x)))
    values, errors = pairs.values[~slow], pairs.errors[~slow]
    undamped = int(np.sum(values.real > -errors))
    gap, gap_error = math.nan, math.nan
    if int(slow.sum()) > multiplicity:  # something slow may be zero, or may not
        bounds = np.append(pairs.errors - pairs.values.real, 0.0)
        gap = gap_error = float(max(*bounds[:-1][slow], *bounds[:-1][~slow][:1], 0.0))
    elif len(values):
        gap, gap_error = max(float(-values[0].real), 0.0), float(errors[0])
    resolved = int(slow.sum()) <= multiplicity and (undamped > 0 or not gap_error > RESOLVED * gap)
    slowness = float((pairs.conditions[~slow] / np.abs(values)).max(initial=1 / L.norm))
    sensitivity = math.sqrt(L.dim) * size * slowness
    error = sensitivity * (residual / size + ROUNDING * L.norm)
    if modes.keeps_digits and int(slow.sum()) == multiplicity:
        error = 2 * L.dim * ROUNDING  # every population has its digits
    return Stationary(
        x, residual / size, gap, gap_error, multiplicity, undamped, resolved,
        resolved and pairs.converged and residual < 1e-9 * L.norm * size,
        min(error, 2.0) if int(slow.sum()) <= multiplicity else 2.0, sensitivity,
    )  # fmt: skip


def combined(
    parts: Sequence[Stationary], x: Real, residual: float, multiplicity: int
) -> Stationary:
    """Return a stationary state that consists of several: trace-norm errors add up.

    Parameters
    ----------
    parts : sequence of Stationary
        Those of independent parts, or of sets of states that do not mix.
    x : ndarray
        The whole state.
    residual, multiplicity : float, int
        Of the whole.
    """
    first = min(parts, key=lambda part: (math.isnan(part.gap), part.gap))
    return Stationary(
        x, residual, first.gap, first.gap_error, multiplicity,
        sum(part.undamped for part in parts), all(part.resolved for part in parts),
        all(part.converged for part in parts), min(sum(part.error for part in parts), 2.0),
        sum(part.sensitivity for part in parts),
    )  # fmt: skip


def needs_start(multiplicity: int) -> str:
    """Return the sentence that asks for an initial state."""
    return (
        f"Argument `state` must be given, but is missing and the model has {multiplicity}"
        " independent stationary states. Give the initial state whose limit is wanted."
    )


def _projected(x: Real, right: Real, left: Real) -> Real:
    """Project on a null space along what decays."""
    return np.asarray(right @ np.linalg.lstsq(left.T @ right, left.T @ x)[0])


def _null_vectors(pairs: Eigenpairs, count: int) -> Real:
    """Return an orthonormal real basis of the eigenvectors nearest to zero."""
    zero = pairs.vectors[:, np.argsort(np.abs(pairs.values), kind="stable")[:count]]
    parts = np.concatenate([zero.real, zero.imag], axis=1)
    u, _, _ = np.linalg.svd(parts, full_matrices=False)
    return np.asarray(u[:, :count])


def _sector_pairs(
    L: SpectralGenerator, evolve: Callable[[Real], Real], sector: Any, k: int
) -> Eigenpairs:
    to, of = sp.csr_array(sector.T), sp.csr_array(sector)
    pairs = slowest(
        lambda y: to @ L(of @ y), lambda y: to @ L.adjoint(of @ y), lambda y: to @ evolve(of @ y),
        sector.shape[1], k, L.norm,
    )  # fmt: skip
    return pairs.embedded(of)


def _matrix_pairs(matrix: sp.csr_array, k: int, norm: float, eigensolver: str) -> Eigenpairs:
    """Return the slow pairs of the matrix of a sector."""
    size, back, centre = matrix.shape[0], sp.csr_array(matrix.T), float(matrix.diagonal().mean())
    if eigensolver == "shift-invert":
        return nearest_zero(matrix, min(k + 8, size), norm)
    tau = min(8 / max(abs(centre), 1e-300), 200 / norm)
    evolve = propagator(matrix.__matmul__, centre, norm, tau, size)
    return slowest(matrix.__matmul__, back.__matmul__, evolve, size, min(k, size), norm)


def _nearest_pairs(matrix: Any, sector: Any, k: int, norm: float) -> Eigenpairs:
    of = sp.csr_array(sector)
    return nearest_zero(sp.csr_array(of.T @ matrix @ of), k, norm).embedded(of)


def _places(size: int, kept: NDArray[np.intp]) -> Any:
    """Return the unit vectors of some components as columns."""
    return sp.csc_array((np.ones(len(kept)), (kept, np.arange(len(kept)))), (size, len(kept)))


def sectors(
    size: int, reflections: Sequence[Signed], without: NDArray[np.intp] | None = None
) -> list[Any]:
    """Return an orthonormal sparse basis of every joint eigenspace of commuting reflections.

    Components that `without` names, which reflections move among themselves, are left out.
    """
    kept = np.setdiff1d(np.arange(size), np.zeros(0, dtype=int) if without is None else without)
    spaces = [_places(size, kept)] if len(kept) else []
    for place, sign in reflections:
        P = sp.csc_array((sign, (place, np.arange(size))), (size, size))
        halves = []
        for E in spaces:
            inside = sp.coo_array(E.T @ P @ E)  # again a permutation with signs
            whole = np.abs(inside.data) > 0.5
            image = np.zeros(E.shape[1], dtype=int)
            signs = np.zeros(E.shape[1])
            image[inside.col[whole]] = inside.row[whole]
            signs[inside.col[whole]] = np.sign(inside.data[whole])
            here = np.arange(E.shape[1])
            for parity in (1.0, -1.0):
                fixed = here[(image == here) & (signs == parity)]
                first = here[image > here]
                pairs = E[:, first] + E[:, image[first]] @ sp.diags_array(parity * signs[first])
                halves.append(sp.csc_array(sp.hstack([E[:, fixed], pairs / math.sqrt(2)])))
        spaces = [E for E in halves if E.shape[1]]
    return spaces
