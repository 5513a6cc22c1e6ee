"""Stationary states and slow spectra of generators: of `Exact`, `Symmetric`, `ClassicalMaster`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.answers.steady_state import SteadyState
from tnhop.physics.problem import Problem, evaluate
from tnhop.solvers.exact.eigenpairs import Eigenpairs, nearest_zero, propagator, slowest
from tnhop.support.arrays import Real
from tnhop.support.errors import ConvergenceError

Signed = tuple[NDArray[np.intp], Real]  # a permutation and the signs that go with it


class SpectralGenerator(Protocol):
    """A generator whose stationary states and slow eigenvectors are sought."""

    size: int
    norm: float

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal: the centre of the spectrum."""

    @property
    def adjoint(self) -> SpectralGenerator:
        """The transposed generator."""

    def matrix(self) -> Any:
        """Return the generator as a sparse matrix."""

    def __call__(self, x: Real) -> Real:
        """Return the derivative of x."""


Find = Callable[[SpectralGenerator, int], Eigenpairs]

_MOST_UNDAMPED = 800


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
        Smallest decay rate; NaN where every state is stationary.
    multiplicity : int
        Number of independent stationary states.
    undamped : int
        Number of oscillations that never decay.
    converged : bool
        Whether residual and eigenvalues met their tolerances.
    """

    x: Real
    residual: float
    gap: float
    multiplicity: int
    undamped: int
    converged: bool


def stationary(
    L: SpectralGenerator,
    trace: Real,
    start: Real | None,
    reflections: Sequence[Signed] = (),
    eigensolver: str = "propagator",
) -> Stationary:
    """Return the stationary state, or where several exist the one reached from `start`."""
    find = partial(slow_pairs, reflections=reflections, eigensolver=eigensolver)
    right = _pairs_past_zero(L, find)
    V, n_zero = _null_vectors(right, L)
    x = V[:, 0] if n_zero == 1 else _project_start(L, V, len(right.values), start, find)
    x = x / (trace @ x)
    residual = float(np.linalg.norm(L(x)) / np.linalg.norm(x))
    moving = right.values[np.abs(right.values) > zero_tolerance(L)]
    gap = float(-moving[0].real) if len(moving) else math.nan
    undamped = int(np.sum(moving.real > -zero_tolerance(L)))
    settled = residual < 1e-9 * L.norm and right.converged
    return Stationary(x, residual, gap, n_zero, undamped, settled)


def slow_pairs(
    L: SpectralGenerator,
    k: int,
    reflections: Sequence[Signed] = (),
    eigensolver: str = "propagator",
) -> Eigenpairs:
    """Return the k eigenpairs with the largest real parts, sector by sector of the reflections.

    With ``"shift-invert"`` they are chosen among those nearest to zero in every sector.
    """
    spaces = sectors(L.size, reflections)
    if eigensolver == "shift-invert":
        matrix = L.matrix()
        by_sector = [
            _nearest_pairs(matrix, sector, min(k + 8, sector.shape[1])) for sector in spaces
        ]
    else:
        tau = min(8 / max(abs(L.mean_diagonal), 1e-300), 200 / L.norm)
        evolve = propagator(L, L.mean_diagonal, L.norm, tau)
        by_sector = [_sector_pairs(L, evolve, s, min(k, s.shape[1])) for s in spaces]
    values = np.concatenate([pairs.values for pairs in by_sector])
    order = np.lexsort((-values.imag, -values.real.round(10)))[:k]
    return Eigenpairs(
        values[order],
        np.concatenate([pairs.vectors for pairs in by_sector], axis=1)[:, order],
        np.concatenate([pairs.residuals for pairs in by_sector])[order],
        all(pairs.converged for pairs in by_sector),
    )


def _sector_pairs(
    L: SpectralGenerator, evolve: Callable[[Real], Real], sector: Any, k: int
) -> Eigenpairs:
    to, of = sp.csr_array(sector.T), sp.csr_array(sector)
    pairs = slowest(lambda y: to @ L(of @ y), lambda y: to @ evolve(of @ y), sector.shape[1], k)
    return Eigenpairs(pairs.values, of @ pairs.vectors, pairs.residuals, pairs.converged)


def _nearest_pairs(matrix: Any, sector: Any, k: int) -> Eigenpairs:
    of = sp.csr_array(sector)
    pairs = nearest_zero(sp.csr_array(of.T @ matrix @ of), k)
    return Eigenpairs(pairs.values, of @ pairs.vectors, pairs.residuals, pairs.converged)


def sectors(size: int, reflections: Sequence[Signed]) -> list[Any]:
    """Return an orthonormal sparse basis of every joint eigenspace of commuting reflections."""
    spaces = [sp.csc_array(sp.eye_array(size, format="csc"))]
    for place, sign in reflections:
        P = sp.csc_array((sign, (place, np.arange(size))), (size, size))
        halves = []
        for E in spaces:
            inside = sp.coo_array(E.T @ P @ E)  # again a permutation with signs
            kept = np.abs(inside.data) > 0.5
            image = np.zeros(E.shape[1], dtype=int)
            signs = np.zeros(E.shape[1])
            image[inside.col[kept]] = inside.row[kept]
            signs[inside.col[kept]] = np.sign(inside.data[kept])
            here = np.arange(E.shape[1])
            for parity in (1.0, -1.0):
                fixed = here[(image == here) & (signs == parity)]
                first = here[image > here]
                pairs = E[:, first] + E[:, image[first]] @ sp.diags_array(parity * signs[first])
                halves.append(sp.csc_array(sp.hstack([E[:, fixed], pairs / math.sqrt(2)])))
        spaces = [E for E in halves if E.shape[1]]
    return spaces


def _pairs_past_zero(L: SpectralGenerator, find: Find) -> Eigenpairs:
    """Return enough slow eigenpairs to have seen all that do not decay."""
    k = 4
    while True:
        pairs = find(L, min(k, L.size))
        if k >= L.size or pairs.values[-1].real < -zero_tolerance(L):
            return pairs
        k *= 4
        if k > _MOST_UNDAMPED:
            raise ConvergenceError(
                f"The model has more than {k // 4} states or oscillations that never decay."
                " Use `evolve` to a late time instead.",
                pairs.values,
            )


def _project_start(L: SpectralGenerator, V: Real, k: int, start: Real | None, find: Find) -> Real:
    """Project the initial state on the null space V, with the left null vectors."""
    if start is None:
        raise ValueError(needs_start(V.shape[1]))
    left = find(L.adjoint, k)
    W, n_left = _null_vectors(left, L)
    if n_left != V.shape[1]:
        raise ConvergenceError(
            f"The generator has {V.shape[1]} right but {n_left} left null vectors found."
            " Use `evolve` to a late time instead.",
            left.values,
        )
    return V @ np.linalg.solve(W.T @ V, W.T @ start)


def needs_start(multiplicity: int) -> str:
    """Return the sentence that asks for an initial state."""
    return (
        f"Argument `state` must be given, but is missing and the model has {multiplicity}"
        " independent stationary states. Give the initial state whose limit is wanted."
    )


def zero_tolerance(L: SpectralGenerator) -> float:
    """Size below which an eigenvalue counts as zero: small beside the damping, above rounding."""
    return max(1e-9 * abs(L.mean_diagonal), 1e-13 * L.norm)


def _null_vectors(pairs: Eigenpairs, L: SpectralGenerator) -> tuple[Real, int]:
    """Return an orthonormal real basis of the eigenvectors of eigenvalue zero."""
    zero = pairs.vectors[:, np.abs(pairs.values) < zero_tolerance(L)]
    parts = np.concatenate([zero.real, zero.imag], axis=1)
    u, _, _ = np.linalg.svd(parts, full_matrices=False)
    return u[:, : zero.shape[1]], zero.shape[1]


def require_convergence(pairs: Eigenpairs, k: int) -> None:
    """Refuse eigenvalues that did not converge."""
    if not pairs.converged:
        raise ConvergenceError(
            f"Only {len(pairs.values)} of {k} eigenvalues converged. Ask for fewer.",
            pairs.values, float(pairs.residuals.max(initial=0.0)),
        )  # fmt: skip


def steady_result(
    problem: Problem, method: Any, state: Any, found: Stationary, lowest: float, stats: Any
) -> SteadyState:
    """Evaluate the observables in a stationary state, unless a weight of it is negative."""
    if lowest < -1e-8:
        raise ConvergenceError(
            f"The null vector found is not a state: a population is {lowest:.1e}."
            " Use `evolve` to a late time instead.",
            state,
            found.residual,
        )
    values = {o.name: evaluate(state, o) for o in problem.observables}
    return SteadyState(state, values, found.residual, found.gap, found.multiplicity,
                       found.converged, problem.model, method, tuple(problem.observables),
                       stats)  # fmt: skip
