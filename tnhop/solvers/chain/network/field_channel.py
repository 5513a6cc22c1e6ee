"""exp(t D_k) of the field jumps of one spin, as a chain that is diagonal in all other spins.

For given fields of ket and bra it is a matrix on the four coordinates of the spin; its entries are
functions of partial sums like the rates themselves, and are interpolated in the same way,
Eqs. (63), (64) of docs/physics.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from tnhop.physics.operators import spin_basis
from tnhop.solvers.chain.network.field_table import (
    Fields,
    FieldTable,
    hermitian_parts,
    other_side,
    rate_functions,
)
from tnhop.support.arrays import Complex, Real

_TAYLOR = 7  # order for a norm of 1/8: 1e-12
_TINY = 1e-14

# (tr ρ, ⟨σᶻ⟩, ⟨σˣ⟩, ⟨σʸ⟩) from (p↑, p↓, ⟨σˣ⟩, ⟨σʸ⟩), where entries between populations are
# probabilities
_FROM_POPULATIONS = np.array([[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
_TO_POPULATIONS = np.linalg.inv(_FROM_POPULATIONS)


class ChannelTable(FieldTable):
    """(exp(t (D_k + G_k)) - 1)/t of one spin, as functions of its fields.

    Parameters
    ----------
    table : FieldTable
        The field jumps of the model.
    position : int
        The position of the spin.
    single : ndarray, shape (4, 4)
        G_k on (tr ρ, ⟨σᶻ⟩, ⟨σˣ⟩, ⟨σʸ⟩): the generator of the spin that depends on no field.
    t : float
        Time.
    """

    grid = 9  # exponentials are smoother than rates

    def __init__(self, table: FieldTable, position: int, single: Real, t: float) -> None:
        self.__dict__.update(vars(table.restricted([position])), grid=self.grid)
        self.single, self.t = _on_populations(single), t

    def channel(self, ket: Fields, bra: Fields) -> Complex:
        """Return (exp(t (D + G)) - 1)/t between populations and coherences, shape (..., 4, 4)."""
        (site,) = self.sites.values()
        total: Any = self.single
        for f, A, B, _ in rate_functions(site, ket, bra):
            total = total + f[..., None, None] * _on_populations(spin_basis().superoperator(A, B))
        return _exponential_minus_one(self.t * total) / self.t

    @cached_property
    def filled(self) -> list[tuple[int, int]]:
        """Entries of the channel that are not zero at all fields: by powers of the generator."""
        (site,) = self.sites.values()
        functions = rate_functions(site, lambda _: np.zeros(1), lambda _: np.zeros(1))
        parts = [spin_basis().superoperator(A, B) for _, A, B, _ in functions]
        M = [np.abs(part) for part in (self.single, *map(_on_populations, parts))]
        once = np.any([part > _TINY * part.max() for part in M], axis=0)
        powers = once
        for _ in range(len(once) - 1):
            powers = powers | (powers @ once)
        return [(int(a), int(b)) for a, b in np.argwhere(powers)]

    def functions(
        self,
        n: int,  # noqa: ARG002
        ket: Fields,
        bra: Fields,
    ) -> Iterator[tuple[Complex, Complex, bool]]:
        """Yield the entries of the channel, see `FieldTable.functions`."""
        E = self.channel(ket, bra)
        for a, b in self.filled:
            S = np.outer(_FROM_POPULATIONS[:, a], _TO_POPULATIONS[b])
            yield E[..., a, b], S.astype(complex), (a, b) in ((0, 1), (1, 0))

    def columns(self, cut: int, *sides: Any) -> Iterator[Complex]:
        """Yield all entries as functions of the left configuration, by their accepted error."""
        ket, bra, population, tolerance, rate_tolerance, rng = sides
        ((position, _),) = self.sites.items()
        if position < cut or not self.weights[:, :cut].any():
            return
        x, i, j = other_side(self.weights[:, cut:], rng, self.grid)
        half = i >= j  # the others are their mirror images
        E, turned = (
            self.channel(_sums(ket, x[p]), _sums(bra, x[q]))
            for p, q in ((i[half], j[half]), (j[half], i[half]))
        )
        for a, b in np.ndindex(4, 4):
            if np.ptp(E[..., a, b], axis=0).any():
                yield from hermitian_parts(E[..., a, b] / tolerance, turned[..., a, b] / tolerance)
        same = (i == j)[half]
        for a, b in ((0, 1), (1, 0)):
            rate = E[:, same, a, b]
            least = np.abs(rate[population]).min(axis=0)
            strict = (least > _TINY * rate.max()) & (rate_tolerance * least < tolerance)
            if strict.any():
                yield rate[:, strict] / (rate_tolerance * least[strict])

    def share(self, cut: int) -> float:
        """Return the share of the tolerance at a cut: least where few spins have been read."""
        ((position, _),) = self.sites.items()
        return min(cut / max(position, 1), 1.0) ** 2


def _on_populations(S: Any) -> Any:
    """Return a superoperator on (tr ρ, ⟨σᶻ⟩, ⟨σˣ⟩, ⟨σʸ⟩) between populations and coherences."""
    return _TO_POPULATIONS @ S @ _FROM_POPULATIONS


def _sums(left: Real, right: Real) -> Fields:
    """Fields of all pairs of a left and a right configuration."""
    return lambda row: left[:, None, row] + right[None, :, row]


def _exponential_minus_one(A: Complex) -> Complex:
    """exp(A) - 1 of many small matrices.

    With real amplitudes and fields along x the entries with one σˣ are imaginary, all others real:
    then a quarter of the work is enough.
    """
    turn = np.array([1, 1, 1j, 1])
    turned = turn[:, None] * A / turn
    real = not turned.imag.any()
    A = np.ascontiguousarray(turned.real) if real else A
    size = float(np.abs(A).sum(axis=-1).max())
    squarings = max(0, int(np.ceil(np.log2(8 * size)))) if size else 0
    A = A / 2**squarings
    E = A / _TAYLOR
    for k in reversed(range(1, _TAYLOR)):
        E = (A + A @ E) / k
    for _ in range(squarings):
        E = 2 * E + E @ E
    return np.asarray(E * turn / turn[:, None] if real else E)
