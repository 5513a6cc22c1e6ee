"""Functions of local fields on one side of a cut, interpolated from a few configurations.

A field jump depends on the spins left of a cut through their contribution to its field alone. Those
functions of the left configuration (of ket and bra) are interpolated from few of them, cut by cut:
the nodes of the next cut are chosen among (old nodes) x (four local types), Eqs. (57)-(59) of
docs/physics.md. A nested interpolative decomposition in the maximum norm.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.operators import SPIN_OPERATORS, spin_basis
from tnhop.physics.rate_base import Rate
from tnhop.solvers.chain.network.minimax import interpolative_decomposition
from tnhop.support.arrays import Complex, Real

Fields = Callable[[int], Any]  # row of the table → field of all pairs in question

KET_BRA_TYPES = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])  # (ket, bra): ↑↑ ↓↓ ↑↓ ↓↑
_GRID = 12  # fields of the other side at which functions are compared first, per bra and ket
_SAMPLES, _PAIRS = 48, 400  # the same for jumps with several fields, where a grid would be huge
_SMALLEST_SHARE = 0.05  # of the tolerance, at the ends of the chain
_ESTIMATE = 60  # random configurations of an estimate of the rank
_TINY = 1e-14
_SMALLEST = float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class FieldSite:
    """The field jumps of one spin.

    Parameters
    ----------
    amplitudes : tuple of tuple of (str, Rate)
        For every jump the local operators and their amplitudes.
    rows : tuple of tuple of int
        For every jump the rows of `FieldTable.weights` that it reads.
    """

    amplitudes: tuple[tuple[tuple[str, Rate], ...], ...]
    rows: tuple[tuple[int, ...], ...]


def rate_functions(
    site: FieldSite, ket: Fields, bra: Fields
) -> Iterator[tuple[Complex, Complex, Complex, bool]]:
    """Yield (f, A, B, whether f is a rate for populations) with Σ_jumps D[L] ρ = Σ f · A ρ B."""
    one = SPIN_OPERATORS["I"]
    for amplitudes, rows in zip(site.amplitudes, site.rows, strict=True):
        a = [np.asarray(rate(*map(ket, rows)), dtype=complex) for _, rate in amplitudes]
        b = [np.asarray(rate(*map(bra, rows)), dtype=complex) for _, rate in amplitudes]
        matrices = [SPIN_OPERATORS[name] for name, _ in amplitudes]
        for i, A in enumerate(matrices):
            for j, B in enumerate(matrices):
                yield a[i] * b[j].conj(), A, B.conj().T, i == j
                square = A.conj().T @ B
                if square.any():
                    yield -0.5 * a[i].conj() * a[j], square, one, False
                    yield -0.5 * b[i].conj() * b[j], one, square, False


class FieldTable:
    """All field jumps of a model along a chain: the different fields, and the spins that read them.

    Parameters
    ----------
    jumps : sequence of FieldJump
        The jumps.
    order : ndarray, shape (n_sites,)
        Site at every position.
    n_spins : int
        Sites from this one on are modes.

    Attributes
    ----------
    weights : ndarray, shape (n_rows, n_sites)
        Different fields, by position.
    spins : ndarray of bool, shape (n_sites,)
        Whether there is a spin at a position.
    sites : dict of int to FieldSite
        Field jumps by position.
    grid : int
        Fields of the other side at which functions are compared, per bra and ket.
    """

    grid: int = _GRID

    def __init__(self, jumps: Sequence[FieldJump], order: NDArray[np.intp], n_spins: int) -> None:
        place = np.argsort(order)
        self.spins = order < n_spins
        row_of: dict[bytes, int] = {}
        rows: list[Real] = []
        jumps_at: dict[int, list[tuple[Any, tuple[int, ...]]]] = {}
        for jump in jumps:
            index = []
            for field in jump.fields[:, order]:
                key = field.tobytes()
                if key not in row_of:
                    row_of[key] = len(rows)
                    rows.append(field)
                index.append(row_of[key])
            jumps_at.setdefault(int(place[jump.site]), []).append((jump.functions, tuple(index)))
        self.weights = np.array(rows).reshape(len(rows), len(order))
        self.sites = {
            n: FieldSite(tuple(a for a, _ in pairs), tuple(r for _, r in pairs))
            for n, pairs in jumps_at.items()
        }

    def reversed(self) -> FieldTable:
        """Return the same jumps on the chain read from its other end."""
        other = copy.copy(self)
        n_sites = self.weights.shape[1]
        other.weights, other.spins = self.weights[:, ::-1], self.spins[::-1]
        other.__dict__["axes"] = [axis[::-1] for axis in self.axes]
        other.sites = {n_sites - 1 - n: site for n, site in self.sites.items()}
        return other

    def finer(self) -> FieldTable:
        """Return the same jumps, to be compared at more fields of the other side."""
        other = copy.copy(self)
        other.grid = 3 * self.grid // 2
        return other

    def mirror(self) -> NDArray[np.intp] | None:
        """Return the permutation of fields that mirrors the chain, if it leaves the jumps the same.

        Row r of the reversed table is row mirror[r] of this one.
        """
        rows = {row.tobytes(): r for r, row in enumerate(self.weights)}
        mirror = [rows.get(np.ascontiguousarray(row[::-1]).tobytes(), -1) for row in self.weights]
        backwards = {len(self.spins) - 1 - n: site for n, site in self.sites.items()}
        if -1 in mirror or set(backwards) != set(self.sites):
            return None
        for n, site in self.sites.items():
            turned = tuple(tuple(mirror[row] for row in jump) for jump in backwards[n].rows)
            if backwards[n].amplitudes != site.amplitudes or turned != site.rows:
                return None
        return np.array(mirror) if np.array_equal(self.spins, self.spins[::-1]) else None

    def share(self, cut: int) -> float:
        """Return the share of the tolerance at a cut.

        Errors of all cuts add up: where few nodes are needed anyway, near the ends, be strict.
        """
        n_sites = self.weights.shape[1]
        return (2 * min(cut, n_sites - cut) / n_sites) ** 2

    def columns(self, cut: int, *sides: Any) -> Iterator[Complex]:
        """Yield all functions of the left configuration, each divided by its accepted error."""
        yield from _columns(self, cut, *sides)

    def functions(
        self, n: int, ket: Fields, bra: Fields
    ) -> Iterator[tuple[Complex, Complex, bool]]:
        """Yield the superoperators at a position, as functions of the fields ket(row) and bra(row).

        Values, the superoperator on (tr ρ, ⟨σᶻ⟩, ⟨σˣ⟩, ⟨σʸ⟩) that they multiply, and whether they
        are a rate between populations.
        """
        for f, A, B, is_rate in rate_functions(self.sites[n], ket, bra):
            yield f, spin_basis().superoperator(A, B), is_rate

    @cached_property
    def axes(self) -> list[NDArray[np.int8]]:
        """Configurations along which fields are extreme: signs of fields and of their sums."""
        scale = np.abs(self.weights).sum(axis=1)
        _, _, vectors = np.linalg.svd(self.weights[scale > 0], full_matrices=False)
        candidates = [*self.weights[scale > 0][:6], *vectors[:6]]
        return [np.where(v >= 0, 1, -1).astype(np.int8) for v in candidates]


def field_table(model: Model, order: NDArray[np.intp]) -> FieldTable | None:
    """Return the field jumps of a model along a chain, or None if it has none."""
    jumps = [jump for jump in model.jumps if isinstance(jump, FieldJump)]
    return FieldTable(jumps, order, model.n_spins) if jumps else None


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
        if not table.spins[cut - 1]:
            nodes.append(nodes[-1].unchanged())
            continue
        share = max(_SMALLEST_SHARE, table.share(cut))
        nodes.append(
            _next_nodes(table, cut, nodes[-1], share * tolerance, share * rate_tolerance, rng)
        )
    return nodes


def rank_estimate(table: FieldTable, cut: int, tolerance: float, rate_tolerance: float) -> int:
    """Return about how many functionals a cut needs from the left.

    Sampled configurations of the left side stand for all of them.
    """
    rng = np.random.default_rng(0)
    if not len(table.axes):  # no field sees another spin: every rate is one number
        return 1
    axes = np.array([axis[:cut] for axis in table.axes])
    share = np.linspace(0, 0.5, _ESTIMATE)[:, None]
    kets = axes[rng.integers(0, len(axes), _ESTIMATE)] * np.where(
        rng.random((_ESTIMATE, cut)) < share, -1, 1
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


def _columns(
    table: FieldTable, cut: int, ket: Real, bra: Real, population: NDArray[np.bool_],
    tolerance: float, rate_tolerance: float, rng: np.random.Generator,
) -> Iterator[Complex]:  # fmt: skip
    """Yield all functions of the left configuration, each divided by its accepted error."""
    known = set()
    for amplitudes, rows, others in _readers(table, cut):
        if not table.weights[list(rows), :cut].any():
            continue  # the left side does not enter: constants need no node
        x, i, j = other_side(table.weights[np.ix_(rows, others)], rng, table.grid)
        A = [_amplitude(rate, ket[:, rows], x) for _, rate in amplitudes]
        B = [_amplitude(rate, bra[:, rows], x) for _, rate in amplitudes]
        tables = np.concatenate(A + B)
        tables = np.round(tables / max(np.abs(tables).max(), _SMALLEST), 12)
        tables = tables[:, np.argsort(tables[0])] if len(A) == 1 else tables
        if (key := tables.tobytes()) in known:  # Γ₋(h) = Γ₊(-h): nothing new
            continue
        known.add(key)
        for p in range(len(A)):
            for q in range(p, len(A)):
                loss_ket, loss_bra = A[p].conj() * A[q], (B[p].conj() * B[q]).conj()
                accepted: Any = tolerance
                if p == q:
                    least = np.abs(loss_ket[population]).min(axis=0)
                    accepted = np.where(
                        least > _TINY * np.abs(loss_ket).max(),
                        np.minimum(tolerance, rate_tolerance * least),
                        tolerance,
                    )
                yield from hermitian_parts(loss_ket / accepted, loss_bra / accepted)
                half = i >= j if p == q else i >= 0  # the others are their mirror images
                gain = A[p][:, i[half]] * B[q][:, j[half]].conj()
                turned = A[q][:, j[half]] * B[p][:, i[half]].conj()
                yield from hermitian_parts(gain / tolerance, turned / tolerance)


def hermitian_parts(f: Complex, turned: Complex) -> Iterator[Complex]:
    """Yield (f + Kf)/2 and (f - Kf)/2i, with Kf(ket, bra) = f(bra, ket)*, Eq. (57)."""
    yield (f + turned) / 2
    odd = (f - turned) / 2j
    if odd.any():
        yield odd


def _amplitude(rate: Rate, left: Real, x: Real) -> Complex:
    """Evaluate an amplitude at all sums of left and right fields, shape (n_left, n_right)."""
    fields = left[:, None, :] + x[None]
    return np.asarray(rate(*np.moveaxis(fields, 2, 0)), dtype=complex)


def _readers(
    table: FieldTable, cut: int
) -> Iterator[tuple[tuple[tuple[str, Rate], ...], tuple[int, ...], list[int]]]:
    """Yield amplitudes, field rows and the positions that complete them, once per kind of reader.

    Two jumps are of a kind if they share amplitudes and read the left spins alike; of those the one
    with the largest fields on the right is taken.
    """
    left, right = table.weights[:, :cut], np.abs(table.weights[:, cut:]).sum(axis=1)
    best: dict[Any, tuple[float, Any]] = {}
    for n, site in table.sites.items():
        if n < cut:
            continue
        for amplitudes, rows in zip(site.amplitudes, site.rows, strict=True):
            key = amplitudes, np.round(left[list(rows)], 12).tobytes()
            size = float(right[list(rows)].max())
            if key not in best or size > best[key][0]:
                others = list(range(cut, table.weights.shape[1]))
                best[key] = size, (amplitudes, rows, others)
    for _, reader in best.values():
        yield reader


def other_side(
    weights: Real, rng: np.random.Generator, grid: int
) -> tuple[Real, NDArray[np.intp], NDArray[np.intp]]:
    """Return fields that the other side can make, shape (n, n_fields), and pairs of (ket, bra)."""
    n_fields, n_others = weights.shape
    if n_fields == 1:
        bound = np.abs(weights).sum()
        x = bound * np.cos(np.pi * np.arange(grid) / (grid - 1))[:, None]
        i, j = np.indices((grid, grid)).reshape(2, -1)
        return (x, i, j) if bound else (x[:1], i[:1], j[:1])
    samples, pairs = (n * grid // _GRID for n in (_SAMPLES, _PAIRS))
    bias = rng.normal(size=(samples, n_fields)) @ weights * n_others**0.5
    noise = rng.normal(size=(samples, n_others)) * np.linspace(0, 2, samples)[:, None]
    spins = np.where(bias / max(np.abs(weights).max(), _TINY) + noise >= 0, 1.0, -1.0)
    i, j = rng.integers(0, samples, size=(2, pairs))
    same = np.arange(samples)
    return spins @ weights.T, np.append(i, same), np.append(j, same)
