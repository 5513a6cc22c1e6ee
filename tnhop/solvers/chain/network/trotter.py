"""Lindbladians cut into pieces whose exponentials are gates of two sites, or chains of small bond.

    strings of one and two sites ─▶ pairs         gates of two sites
    field jumps of one spin ──────▶ channel       a chain, diagonal in all other spins

A pair or a channel takes along the terms of its single sites. Eqs. (63)-(65) of docs/physics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model
from tnhop.physics.operators import LocalBasis, spin_basis
from tnhop.solvers.chain.network.field_channel import ChannelTable
from tnhop.solvers.chain.network.field_drift import Configurations, Drift, drift
from tnhop.solvers.chain.network.field_jumps import field_chain, field_cores
from tnhop.solvers.chain.network.field_table import FieldTable, field_table
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.network.term_strings import real_strings, site_bases
from tnhop.support.arrays import Real
from tnhop.support.checks import fail

__all__ = ["Channel", "Pieces", "beyond_pairs", "lindblad_pieces"]


_SAFETY = 0.3  # another attempt costs more than a few nodes


@dataclass(frozen=True, eq=False)
class Channel:
    """exp(t (D_k + G_k)) of one spin k as a matrix-product operator.

    Attributes
    ----------
    cores : tuple of ndarray, shape (n_left, n, n, n_right)
        By position; axes: left bond, outgoing coordinate, incoming coordinate, right bond.
    position : int
        Where the spin stands.
    max_error, rate_error, smallest_rate, drift
        As in `LindbladMPO`, for (exp(t (D_k + G_k)) - 1)/t.
    """

    cores: tuple[Real, ...] = field(repr=False)
    position: int
    max_error: float
    rate_error: float
    smallest_rate: float
    drift: Drift = field(repr=False)

    @property
    def bond_dims(self) -> tuple[int, ...]:
        """Bond dimensions of the cuts."""
        return tuple(core.shape[3] for core in self.cores[:-1])


@dataclass(frozen=True, eq=False)
class Pieces:
    """A generator as a sum of pieces.

    Made by `lindblad_pieces`.

    Attributes
    ----------
    bases : tuple of LocalBasis
        Coordinates by position.
    order : ndarray, shape (n_sites,)
        Site of the Model at every position.
    singles : dict of int to ndarray, shape (n, n)
        Generators of single positions that no pair and no channel takes along.
    pairs : dict of (int, int) to ndarray, shape (n_i n_j, n_i n_j)
        Generators of pairs of positions i < j.
    """

    bases: tuple[LocalBasis, ...]
    order: NDArray[np.intp]
    singles: dict[int, Real]
    pairs: dict[tuple[int, int], Real]
    _table: FieldTable | None
    _within: dict[int, Real]

    @cached_property
    def _configurations(self) -> Configurations:
        """The same for all channels, whose errors add up."""
        assert self._table is not None
        return Configurations(self._table)

    @property
    def channels(self) -> list[int]:
        """Positions of spins with field jumps."""
        return sorted(self._table.sites) if self._table else []

    def channel(
        self, position: int, t: float, tolerance: float = 3e-3, rate_tolerance: float = 0.1
    ) -> Channel:
        """Return the exponential of the field jumps of one spin; the trace is kept exactly.

        Parameters
        ----------
        position : int
            One of `channels`.
        t : float
            Time.
        tolerance, rate_tolerance : float
            As in `lindblad_mpo`, for the exponential divided by t.

        Notes
        -----
        **Cost**: A table of functions per site and a few decompositions: about 10 ms per site.
        """
        assert self._table is not None
        table = ChannelTable(self._table, position, self._within[position], t)
        chain = field_chain(table, tolerance, rate_tolerance, _SAFETY)
        cores = []
        for n, (forward, jump, backward) in enumerate(field_cores(chain, self.bases)):
            if n == position:
                jump = t * jump
                jump[0, :, :, 0] += np.eye(jump.shape[1])
            core = forward if n < position else jump if n == position else backward
            size = self.bases[n].size
            cores.append(core if core.shape[1] == size else core * np.eye(size)[..., None])
        errors = chain.max_error, chain.rate_error, chain.smallest_rate
        return Channel(tuple(cores), position, *errors, drift(chain, self._configurations))


def lindblad_pieces(model: Model, *, epsilon: float = 1.0, ordering: object = "auto") -> Pieces:
    """Cut the Lindbladian of a Model into pairs of sites and field jumps of single spins.

    Parameters
    ----------
    model : Model
        The system; no string of its Lindbladian may act on more than two sites.
    epsilon, ordering
        As in `lindblad_mpo`.

    Raises
    ------
    ValueError
        If terms act on more than two sites.
    """
    if reason := beyond_pairs(model):
        raise fail("model", "be a sum of pairs and field jumps", reason, "Use an MPO.")
    order = site_order(model, ordering)
    bases = site_bases(model, order, epsilon)
    plain = site_bases(model, order, 1.0)
    strings, families = real_strings(model, plain, order)
    table = field_table(model, order)
    singles = {n: np.zeros((basis.size,) * 2) for n, basis in enumerate(bases)}
    pairs: dict[tuple[int, int], Real] = {}
    for string, c in strings.items():
        if len(string) == 2:
            (i, a), (j, b) = string
            size = bases[i].size * bases[j].size
            G = pairs.setdefault((i, j), np.zeros((size, size)))
            G += c * np.kron(families[i].matrices[a].toarray(), families[j].matrices[b].toarray())
        else:  # a multiple of the identity can stand on any site
            n, a = string[0] if string else (0, 0)
            singles[n] += c * families[n].matrices[a].toarray()
    within = {n: singles.pop(n) for n in (table.sites if table else ())}
    for n in list(singles):
        own_pairs = [key for key in pairs if n in key]
        for i, j in own_pairs:  # an even share for every pair
            one_i, one_j = np.eye(bases[i].size), np.eye(bases[j].size)
            share = singles[n] / len(own_pairs)
            pairs[i, j] += np.kron(share, one_j) if n == i else np.kron(one_i, share)
        if own_pairs or not singles[n].any():
            del singles[n]
    weights = [_weights(basis) for basis in bases]
    singles = {n: _weighted(G, weights[n]) for n, G in singles.items()}
    pairs = {
        (i, j): _weighted(G, np.outer(weights[i], weights[j]).ravel())
        for (i, j), G in pairs.items()
    }
    return Pieces(tuple(bases), order, singles, pairs, table, within)


def _weights(basis: LocalBasis) -> Real:
    """Weights of the coordinates of a site relative to those for ε = 1."""
    if basis.size != 4 or basis.trace[1:].any():  # a mode, of two levels too
        return np.ones(basis.size)
    return np.asarray(np.einsum("aij,aji->a", basis.duals, spin_basis().matrices).real)


def _weighted(G: Real, weights: Real) -> Real:
    return np.asarray(weights[:, None] * G / weights)


def beyond_pairs(model: Model) -> str | None:
    """Return a reason if a string of the Lindbladian acts on more than two sites, or None."""
    largest = max((len(term.sites) for term in model.hamiltonian), default=0)
    for jump in model.jumps:
        if isinstance(jump, Jump):
            kinds = {term.sites for term in jump.operator}
            largest = max(largest, *(len({*a, *b}) for a in kinds for b in kinds))
    if largest <= 2:
        return None
    return f"terms of the model act on {largest} sites at once, but gates on at most 2"
