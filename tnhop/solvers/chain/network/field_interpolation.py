"""Functions of local fields on one side of a cut, interpolated from a few configurations.

The functions of the left configuration (of ket and bra) are interpolated from few of them, cut by
cut: the nodes of the next cut are chosen among (old nodes) x (four local types), Eqs. (57)-(59) of
docs/physics.md. A nested interpolative decomposition in the maximum norm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from tnhop.solvers.chain.network.field_table import FieldTable
from tnhop.solvers.chain.network.minimax import interpolative_decomposition
from tnhop.support.arrays import Complex, Real
from tnhop.support.heartbeat import beat

KET_BRA_TYPES = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])  # (ket, bra): ↑↑ ↓↓ ↑↓ ↓↑
_SMALLEST_SHARE = 0.05  # of the tolerance, at the ends of the chain
_ESTIMATES = 64  # kept, of cuts and tolerances
_ESTIMATE = 100  # configurations of an estimate of the rank, the extreme ones included


@dataclass(frozen=True, eq=False)
class Nodes:
    """Interpolation at one cut: f(l) = f(l₀) + Σ w_n(l) N_n(f), Eq. (58) of docs/physics.md.

    Every functional N_n combines the values Re f(l_m) - f(l₀) and Im f(l_m) at some configurations;
    N₀(f) = f(l₀).

    Attributes
    ----------
    ket, bra : ndarray, shape (n_points, n_rows)
        Contributions of the node and of the watched configurations to all fields.
    population : ndarray of bool, shape (n_points,)
        Whether ket and bra are the same configuration.
    point, imag : ndarray, shape (n_values,)
        Configuration of each value, and whether its imaginary part is taken.
    interpolation_rows : ndarray, shape (n, n_values)
        The functionals N_n as combinations of the values; the first is the reference f(l₀).
    transfer : ndarray, shape (n_previous, 4, n)
        Weights of this cut from those of the one before, by local type P↑, P↓, E, R, Eq. (58).
    error : float
        Largest interpolation error of a candidate at this cut, relative to the accepted one.
    watched : ndarray, shape (n_watched,)
        Points of extreme fields: never left out of the candidates, nodes or not.
    """

    ket: Real
    bra: Real
    population: NDArray[np.bool_]
    point: NDArray[np.intp]
    imag: NDArray[np.bool_]
    interpolation_rows: Real
    transfer: Real
    error: float
    watched: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of functionals."""
        return len(self.interpolation_rows)

    def apply(self, values: Complex) -> Real:
        """Apply the functionals to functions given at the points, first axis."""
        taken = values[self.point]
        part = np.where(self.imag.reshape(-1, *(1,) * (taken.ndim - 1)), taken.imag, taken.real)
        part[1:][~self.imag[1:]] -= values[0].real
        return np.tensordot(self.interpolation_rows, part, (1, 0))

    @cached_property
    def mirrored(self) -> Complex:
        """The functionals on values at all points and then at their mirror images (bra, ket).

        Complex-linear, shape (n, 2 n_points): for a function with f(bra, ket) = f(ket, bra)* the
        mirror image is the conjugate, so that sums give real parts.
        """
        n, values = len(self.ket), np.arange(len(self.point))
        rows = np.zeros((len(values), 2 * n), dtype=complex)
        rows[values, self.point] = np.where(self.imag, -0.5j, 0.5)
        rows[values, n + self.point] += np.where(self.imag, 0.5j, 0.5)
        rows[1:, 0] -= 0.5 * ~self.imag[1:]
        rows[1:, n] -= 0.5 * ~self.imag[1:]
        return np.asarray(self.interpolation_rows @ rows)

    def unchanged(self) -> Nodes:
        """Return the nodes one site further, where that site enters no field."""
        eye = np.eye(self.size)
        same = np.stack([eye, eye, eye, 0 * eye], axis=1)
        return replace(self, transfer=same)

    def weights(self, before: Complex, types: NDArray[np.intp]) -> Complex:
        """Return w_n of configurations, from those of the cut before and the types in between."""
        up, down, even, odd = np.moveaxis(self.transfer, 1, 0)
        after = np.empty((len(before), self.size), dtype=complex)
        for kind, transfer in enumerate((up, down, even + 1j * odd, even - 1j * odd)):
            after[types == kind] = before[types == kind] @ transfer
        return after


def start_nodes(n_rows: int, n_watched: int) -> Nodes:
    """Return the one node of an empty side."""
    zero, one = np.zeros((1, n_rows)), np.zeros(1, dtype=np.intp)
    real, alone = np.zeros(1, bool), np.ones((1, 1))
    watched = np.zeros(n_watched, dtype=np.intp)
    return Nodes(zero, zero, ~real, one, real, alone, np.zeros((0, 4, 1)), 0.0, watched)


def nested_nodes(table: FieldTable, tolerance: float, rate_tolerance: float) -> list[Nodes]:
    """Return the nodes of every cut 0 ... n_sites, from the left.

    Parameters
    ----------
    table : FieldTable
        The jumps.
    tolerance : float
        Largest error of a product of amplitudes at a cut.
    rate_tolerance : float
        Largest error of a population rate, relative to its smallest value on the other side.
    """
    n_sites = table.weights.shape[1]
    nodes = [start_nodes(len(table.weights), 2 * len(table.axes))]
    rng = np.random.default_rng(0)
    for cut in range(1, n_sites + 1):
        beat()
        if not table.spins[cut - 1]:
            nodes.append(nodes[-1].unchanged())
            continue
        share = max(_SMALLEST_SHARE, table.share(cut))
        nodes.append(
            _next_nodes(table, cut, nodes[-1], share * tolerance, share * rate_tolerance, rng)
        )
    return nodes


@lru_cache(maxsize=_ESTIMATES)
def rank_estimate(table: FieldTable, cut: int, tolerance: float, rate_tolerance: float) -> int:
    """Return about how many functionals a cut needs from the left.

    Sampled configurations of the left side stand for all of them.
    """
    rng = np.random.default_rng(0)
    if not len(table.axes):  # no field sees another spin: every rate is one number
        return 1
    axes = np.array([axis[:cut] for axis in table.axes])
    n_random = _ESTIMATE - 2 * len(axes)
    share = np.linspace(0, 0.5, n_random)[:, None]
    kets = axes[rng.integers(0, len(axes), n_random)] * np.where(
        rng.random((n_random, cut)) < share, -1, 1
    )
    kets = np.concatenate([axes, -axes, kets])
    bras = np.concatenate([kets, -kets, kets[rng.permutation(len(kets))]])
    kets = np.tile(kets, (3, 1))
    weights = table.weights[:, :cut].T
    population = (kets == bras).all(axis=1)
    columns = list(
        table.columns(cut, kets @ weights, bras @ weights, population,
                      tolerance, rate_tolerance, rng)
    )  # fmt: skip
    if not columns:
        return 1
    V = np.concatenate(columns, axis=1)
    return 1 + len(interpolative_decomposition(V - V[0], population)[1])


def _next_nodes(
    table: FieldTable, cut: int, old: Nodes, tolerance: float, rate_tolerance: float,
    rng: np.random.Generator,
) -> Nodes:  # fmt: skip
    step = table.weights[:, cut - 1]
    # (point, type)
    ket = (old.ket[:, None] + KET_BRA_TYPES[:, 0, None] * step).reshape(-1, len(step))
    bra = (old.bra[:, None] + KET_BRA_TYPES[:, 1, None] * step).reshape(-1, len(step))
    population = (old.population[:, None] & (KET_BRA_TYPES[:, 0] == KET_BRA_TYPES[:, 1])).ravel()
    columns = list(table.columns(cut, ket, bra, population, tolerance, rate_tolerance, rng))
    n = len(ket)
    if columns:
        V = np.concatenate(columns, axis=1)
        chosen, rows, weights, error = interpolative_decomposition(V - V[0], population)
    else:
        none = np.zeros((n, 0), complex)
        chosen, rows, weights, error = np.zeros(0, np.intp), np.zeros((0, 0)), none, 0.0
    index, imag = np.append(0, chosen % n), np.append(False, chosen >= n)
    axes = np.array([axis[cut - 1] for axis in table.axes])
    extreme = 4 * old.watched + np.where(np.concatenate([axes, -axes]) > 0, 0, 1)
    # the reference, index 0, comes first
    points, place = np.unique(np.concatenate([index, extreme]), return_inverse=True)
    point, watched = place[: len(index)], place[len(index) :]
    w = np.concatenate([np.ones((n, 1)), weights], axis=1).reshape(-1, 4, 1 + weights.shape[1])
    by_type = np.stack(
        [w[:, 0], w[:, 1], (w[:, 2] + w[:, 3]) / 2, (w[:, 2] - w[:, 3]) / 2j], axis=1
    )
    return Nodes(
        ket[points], bra[points], population[points], point, imag,
        sl.block_diag(np.ones((1, 1)), rows), old.apply(by_type), error, watched,
    )  # fmt: skip
