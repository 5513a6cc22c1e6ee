"""Errors of interpolated field jumps as rates at which single spins go astray.

Given the configurations of all others, the jumps of a spin turn and damp its own Bloch vector, and
dephase all others: they sense its field. What the interpolation adds to both is measured on
random configurations, Eqs. (97), (98) of docs/physics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.solvers.chain.network.field_interpolation import Nodes
from tnhop.solvers.chain.network.field_table import FieldTable
from tnhop.support.arrays import Complex, Real

if TYPE_CHECKING:
    from tnhop.solvers.chain.network.field_jumps import FieldChain

_FLIPPED = (0.0, 0.1, 0.25, 0.5)  # shares of spins turned away from where fields are extreme
_SAMPLES = 16  # configurations for each share
_WATCHED = 32  # spins whose dephasing is measured, at most
_UNEQUAL = 2.0  # square of a site's error, in units of the mean over sites
_PAIRS = 0.4  # of the typical error of a coherence, in coherences of two spins


@dataclass(frozen=True, eq=False)
class Drift:
    """Errors of a generator in the equations of motion of single spins; errors of parts add up.

    Attributes
    ----------
    bloch : ndarray, shape (n_shares, n_samples, n_sites, 3, 4)
        Error of d(z, x, y)/dt of a spin by its own jumps, as a matrix on (1, z, x, y), in random
        configurations of the others.
    dephasing : ndarray of complex, shape (n_shares, n_samples, n_watched)
        Error of the rate at which the jumps of all others multiply a coherence.
    typical : float
        Root mean square error of products of amplitudes, between any two configurations.
    """

    bloch: Real
    dephasing: Complex
    typical: float

    def __add__(self, other: Drift) -> Drift:
        bloch, dephasing = self.bloch + other.bloch, self.dephasing + other.dephasing
        return Drift(bloch, dephasing, max(self.typical, other.typical))

    @cached_property
    def own(self) -> float:
        """Error of the velocity of a Bloch vector by its own jumps, at the worst share."""
        squares = self.bloch[..., 0] ** 2 + (self.bloch[..., 1:] ** 2).sum(axis=-1) / 3
        return _worst_rms(squares.sum(axis=-1))

    @cached_property
    def by_others(self) -> float:
        """Error of the rate of a coherence by the jumps of others, at the worst share."""
        return _worst_rms(np.abs(self.dephasing) ** 2)

    def speed(self, transverse: float) -> float:
        """Return how fast errors of Bloch vectors grow, Eq. (98).

        Parameters
        ----------
        transverse : float
            Length of the x and y components of the Bloch vectors: the coherence of one spin, its
            square that of two.
        """
        return self.own + self.by_others * transverse + _PAIRS * self.typical * transverse**2


def _worst_rms(squares: Real) -> float:
    return float(np.sqrt(_UNEQUAL * squares.mean(axis=(1, 2)).max()))


class Configurations:
    """Random configurations around the axes of a table, by share of turned spins.

    Parameters
    ----------
    table : FieldTable
        All field jumps of a model.

    Attributes
    ----------
    types : ndarray of int, shape (n_samples, n_sites)
        0 for ↑, 1 for ↓; one share after the other.
    jumping : ndarray, shape (n_sites, 2, 4)
        Coordinates (tr ρ, z, x, y) of ↑ and ↓ of a spin whose jumps are looked at, with a coherence
        of random phase.
    watched : ndarray of int
        Positions of the spins whose dephasing is measured.
    """

    def __init__(self, table: FieldTable) -> None:
        rng = np.random.default_rng(2)
        n_sites = table.weights.shape[1]
        axes = np.array(table.axes or [np.ones(n_sites, dtype=np.int8)])
        shares = np.repeat(_FLIPPED, _SAMPLES)
        signs = (
            rng.choice([-1, 1], (len(shares), 1)) * axes[rng.integers(len(axes), size=len(shares))]
        )
        turned = rng.random(signs.shape) < shares[:, None]
        self.types = ((signs < 0) ^ turned).astype(np.intp)
        spins = np.flatnonzero(table.spins)
        phases = rng.uniform(0, 2 * np.pi, n_sites)
        waves = np.stack([np.cos(phases), np.sin(phases)], axis=1)
        self.jumping = np.array([[[1, z, *wave] for z in (1, -1)] for wave in waves])
        self.watched = np.sort(rng.permutation(spins)[:_WATCHED])


def drift(chain: FieldChain, at: Configurations) -> Drift:
    """Return what the interpolation of a chain adds to the equations of motion of single spins."""
    table, types = chain.table, at.types
    n_samples, n_sites = types.shape
    signs = 1 - 2 * types
    fields = signs @ table.weights.T
    before, after = _weights(chain, types)
    bloch = np.zeros((n_samples, n_sites, 3, 4))
    trace_rows = {}  # by position: how the jumps there change the trace, for ↑ and ↓
    for n in table.sites:
        local = chain.flips[n]
        trace_rows[n] = sum(np.multiply.outer(at.jumping[n] @ S[0], w) for w, S in local)
        exact = table.functions(n, lambda row: fields[:, row], lambda row: fields[:, row])
        for (w, S), (f, _, _) in zip(local, exact, strict=True):
            error = ((before[n] @ w) * after[n + 1]).sum(axis=1) - f
            bloch[:, n] += (error[:, None, None] * S[1:]).real
    found = _interpolated_dephasing(chain, at, trace_rows, before, after)
    dephasing = found - _exact_dephasing(table, at, signs, fields)
    shape = len(_FLIPPED), _SAMPLES
    bloch, dephasing = bloch.reshape(*shape, *bloch.shape[1:]), dephasing.reshape(*shape, -1)
    return Drift(bloch, dephasing, chain.typical_error)


def _weights(chain: FieldChain, types: NDArray[np.intp]) -> tuple[list[Complex], list[Complex]]:
    """Return the weights of the nodes of every cut, from the left and from the right."""
    n_samples, n_sites = types.shape
    before = [np.ones((n_samples, 1), dtype=complex)]
    after = [np.ones((n_samples, 1), dtype=complex)]
    for n in range(n_sites):
        before.append(chain.left[n + 1].weights(before[-1], types[:, n]))
        m = n_sites - 1 - n
        after.append(chain.right[m].weights(after[-1], types[:, m]))
    return before, after[::-1]


def _interpolated_dephasing(
    chain: FieldChain,
    at: Configurations,
    trace_rows: dict[int, Complex],
    before: list[Complex],
    after: list[Complex],
) -> Complex:
    """Return by sample and watched spin the rate of the element ↑↓ as the chain has it."""
    types, n_sites = at.types, at.types.shape[1]
    behind = [np.zeros_like(before[-1])]  # of all jumps behind a cut, by left node
    for n in reversed(range(n_sites)):
        total = _given_type(_transfer(chain.left[n + 1]), types[:, n], behind[-1])
        if n in trace_rows:
            total += _given_type(trace_rows[n], types[:, n], after[n + 1])
        behind.append(total)
    behind.reverse()
    ahead = np.zeros_like(after[0])  # of all jumps before a cut, by right node
    rates = []
    for n in range(n_sites):
        if n in at.watched:
            later = ((before[n] @ _coherence(chain.left[n + 1])) * behind[n + 1]).sum(axis=1)
            earlier = (ahead * (after[n + 1] @ _coherence(chain.right[n]))).sum(axis=1)
            rates.append(later + earlier)
        ahead = _given_type(_transfer(chain.right[n]), types[:, n], ahead)
        if n in trace_rows:
            ahead += _given_type(np.swapaxes(trace_rows[n], 1, 2), types[:, n], before[n])
    return np.stack(rates, axis=1)


def _exact_dephasing(table: FieldTable, at: Configurations, signs: Any, fields: Real) -> Complex:
    """Return the same as the amplitudes have it."""
    ups, downs = 1 - signs[:, at.watched], 1 + signs[:, at.watched]
    total = np.zeros(ups.shape, dtype=complex)
    for n in table.sites:
        weights, own = table.weights[:, at.watched], at.watched == n

        def ket(row: int, weights: Real = weights) -> Real:
            return np.asarray(fields[:, row, None] + ups * weights[row])

        def bra(row: int, weights: Real = weights) -> Real:
            return np.asarray(fields[:, row, None] - downs * weights[row])

        for f, S, _ in table.functions(n, ket, bra):
            rows = (at.jumping[n] @ S[0])[at.types[:, n]]
            total += np.where(own, 0, f * rows[:, None])
    return total


def _transfer(nodes: Nodes) -> Any:
    """Return the transfer of ↑↑ and of ↓↓, shape (2, n_previous, n)."""
    return np.moveaxis(nodes.transfer[:, :2], 1, 0)


def _coherence(nodes: Nodes) -> Complex:
    """Return the transfer of ↑↓."""
    return np.asarray(nodes.transfer[:, 2] + 1j * nodes.transfer[:, 3])


def _given_type(matrices: Any, types: NDArray[np.intp], x: Complex) -> Complex:
    """Return matrices[type] x for every sample, with a product of matrices for every type."""
    up, down = (x @ M.T for M in matrices)
    return np.where(types[:, None] == 0, up, down)
