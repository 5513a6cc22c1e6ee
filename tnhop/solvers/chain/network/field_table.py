"""The field jumps of a model along a chain, and their functions of the spins left of a cut.

A field jump depends on the spins left of a cut through their contribution to its fields alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.operators import SPIN_OPERATORS, spin_basis
from tnhop.physics.rate_base import Rate
from tnhop.support.arrays import Complex, Real

Fields = Callable[[int], Any]  # row of the table → field of all pairs in question

_TABLES = 4  # kept: runs with other Hamiltonians, starts and times ask for the same again
FINEST_GRID = 40  # fields of the other side, at most
_GRID = 12  # fields of the other side at which functions are compared first, per bra and ket
_SAMPLES, _PAIRS = 48, 400  # the same for jumps with several fields, where a grid would be huge
_AXES = 6  # fields, and sums of fields, whose signs count as extreme
_RESOLVED = 6.0  # largest error between the points of a grid, in units of the accepted one
_EXTREME = 0.3  # of the largest singular value, from where on sums of fields are large
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

    def restricted(self, positions: Sequence[int]) -> FieldTable:
        """Return the jumps at some positions, with the fields that they read."""
        sites = {n: self.sites[n] for n in positions}
        rows = sorted({row for site in sites.values() for jump in site.rows for row in jump})
        place = {row: k for k, row in enumerate(rows)}
        other = copy.copy(self)
        other.__dict__.pop("axes", None)
        other.weights = self.weights[rows]
        other.sites = {
            n: FieldSite(
                site.amplitudes, tuple(tuple(place[r] for r in jump) for jump in site.rows)
            )
            for n, site in sites.items()
        }
        return other

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

    def resolving(self, tolerance: float) -> FieldTable:
        """Return the same jumps on the first grid between whose points rates are known well enough.

        The same grid if none is fine enough, as for rates that jump.
        """
        finer = self
        while finer.grid < FINEST_GRID:
            if finer.unresolved() <= _RESOLVED * tolerance:
                return finer
            finer = finer.finer()
        return self

    def unresolved(self) -> float:
        """Return the largest error of rates interpolated in the field of one half of the spins."""
        half = dict[Rate, float]()  # largest field of the other half, by rate
        for site in self.sites.values():
            for amplitudes, rows in zip(site.amplitudes, site.rows, strict=True):
                for _, rate in amplitudes if len(rows) == 1 else ():
                    bound = float(np.abs(self.weights[rows[0]]).sum()) / 2
                    half[rate] = max(bound, half.get(rate, 0.0))
        worst = 0.0
        for rate, bound in half.items():
            for here in bound * np.linspace(-1, 1, 5) if bound else ():

                def square(x: Real, rate: Rate = rate, here: float = here) -> Real:
                    return np.asarray(np.abs(rate(here + x)) ** 2)

                x = np.linspace(-bound, bound, 4 * self.grid + 1)
                fit = Chebyshev.interpolate(square, self.grid - 1, [-bound, bound])
                worst = max(worst, float(np.abs(fit(x) - square(x)).max()))
        return worst

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
        rows = self.weights[self.weights.any(axis=1)]
        if not len(rows):
            return []
        _, sizes, vectors = np.linalg.svd(rows, full_matrices=False)
        large = vectors[sizes >= _EXTREME * sizes[0]][:_AXES]
        candidates = np.concatenate([rows[:_AXES], large])
        candidates = np.where(candidates == 0, vectors[0], candidates)
        signs = np.where(candidates >= 0, 1, -1).astype(np.int8)
        signs *= signs[:, :1]  # an axis has two directions
        _, first = np.unique(signs, axis=0, return_index=True)
        return list(signs[np.sort(first)])


def field_table(model: Model, order: NDArray[np.intp]) -> FieldTable | None:
    """Return the field jumps of a model along a chain, or None if it has none."""
    jumps = tuple(jump for jump in model.jumps if isinstance(jump, FieldJump))
    return known_table(jumps, tuple(order.tolist()), model.n_spins) if jumps else None


@lru_cache(maxsize=_TABLES)
def known_table(jumps: tuple[FieldJump, ...], order: tuple[int, ...], n_spins: int) -> FieldTable:
    """Return a table of field jumps, the same one for the same jumps and order."""
    return FieldTable(jumps, np.array(order), n_spins)


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
    unit = max(float(np.abs(left).max(initial=0)), _SMALLEST)
    best: dict[Any, tuple[float, Any]] = {}
    for n, site in table.sites.items():
        if n < cut:
            continue
        for amplitudes, rows in zip(site.amplitudes, site.rows, strict=True):
            key = amplitudes, np.round(left[list(rows)] / unit, 12).tobytes()
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
