"""Field jumps as a part of an MPO, and its errors on probe configurations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.operators import SPIN_OPERATORS, LocalBasis, spin_basis
from tnhop.solvers.chain.network.field_interpolation import KET_BRA_TYPES, Nodes, nested_nodes
from tnhop.solvers.chain.network.field_table import FINEST_GRID, FieldTable
from tnhop.support.arrays import Complex, Real
from tnhop.support.threads import together

_SAFETY = 0.4  # first guess of the tolerance of one cut of a short chain
_SHORT, _GROWTH = 20, 0.5  # beyond 20 sites errors of the cuts add up: tolerance ∝ n_sites**-0.5
_ATTEMPTS = 8
_FAR = 4.0  # excess of the error that the sum over the cuts cannot explain: refine the grid
_RANDOM_PROBES = 48
_ROUNDING = 1e-13  # negative rates, in units of the largest one, that are zero


@dataclass(frozen=True, eq=False)
class FieldChain:
    """Interpolated field jumps: nodes from the left and from the right of every cut.

    Attributes
    ----------
    table : FieldTable
        The jumps.
    left, right : list of Nodes
        By cut 0 ... n_sites: the sites before it, and those after it.
    max_error, typical_error, rate_error, smallest_rate : float
        As in `LindbladMPO`.
    """

    table: FieldTable
    left: list[Nodes]
    right: list[Nodes]
    max_error: float
    typical_error: float
    rate_error: float
    smallest_rate: float

    @cached_property
    def flips(self) -> list[list[tuple[Complex, Complex]]]:
        """Weights between left and right nodes, and the superoperators that they multiply.

        By position; empty where no spin flips.
        """
        return [list(self._flips_at(n)) for n in range(len(self.table.spins))]

    def _flips_at(self, n: int) -> Iterator[tuple[Complex, Complex]]:
        if n in self.table.sites:
            left, right = self.left[n], self.right[n + 1]
            fields = _PairFields(left, right)
            for f, S, _ in self.table.functions(n, fields.ket, fields.bra):
                yield left.mirrored @ f @ right.mirrored.T, S


class _PairFields:
    """Fields of all pairs of a left and a right node, mirror images included."""

    def __init__(self, left: Nodes, right: Nodes) -> None:
        a, b = np.concatenate([left.ket, left.bra]), np.concatenate([right.ket, right.bra])
        c, d = np.concatenate([left.bra, left.ket]), np.concatenate([right.bra, right.ket])
        self._pairs = (a, b), (c, d)

    def ket(self, row: int) -> Real:
        (a, b), _ = self._pairs
        return np.asarray(a[:, None, row] + b[None, :, row])

    def bra(self, row: int) -> Real:
        _, (c, d) = self._pairs
        return np.asarray(c[:, None, row] + d[None, :, row])


def field_chain(
    table: FieldTable, tolerance: float, rate_tolerance: float, safety: float = _SAFETY
) -> FieldChain:
    """Interpolate field jumps so that all probe configurations meet the tolerances.

    The tolerance of one cut is lowered until the errors measured on whole configurations are small
    enough, because several cuts add up. Errors far above it arise between the grid points of the
    fields of the other side: then the grid is refined.
    """
    probes = probe_configurations(table)
    safety *= min(1.0, (_SHORT / table.weights.shape[1]) ** _GROWTH)
    cut_tolerance, cut_rate_tolerance = safety * tolerance, safety * rate_tolerance
    mirror = table.mirror()
    best, lowest = None, np.inf
    for _ in range(_ATTEMPTS):
        sides = [table] if mirror is not None else [table, table.reversed()]
        tolerances = cut_tolerance, cut_rate_tolerance
        left, *others = together(*(partial(nested_nodes, side, *tolerances) for side in sides))
        right = others[0][::-1] if others else [
            replace(nodes, ket=nodes.ket[:, mirror], bra=nodes.bra[:, mirror])
            for nodes in reversed(left)
        ]  # fmt: skip
        chain = _with_errors(table, left, right, probes)
        excess = chain.max_error / tolerance
        excess_rate = chain.rate_error / rate_tolerance
        if chain.smallest_rate < 0:
            excess_rate = max(excess_rate, 2.0)
        score = max(excess, excess_rate)
        if score < lowest:
            best, lowest = chain, score
        if excess <= 1 and excess_rate <= 1:
            return chain
        if score > _FAR and table.grid < FINEST_GRID:
            table = table.finer()
            continue
        cut_tolerance *= min(1.0, 0.8 / excess)
        cut_rate_tolerance *= min(1.0, 0.8 / excess_rate)
    assert best is not None
    return best


def probe_configurations(table: FieldTable) -> NDArray[np.intp]:
    """Return configurations of ket and bra as local types, shape (n_probes, n_sites).

    Aligned with the extreme fields, their cats and domain walls, and random ones around them.
    """
    rng = np.random.default_rng(1)
    n_sites = table.weights.shape[1]
    axes = np.array([*table.axes, rng.choice([-1, 1], n_sites)])
    half = np.where(np.arange(n_sites) < n_sites // 2, 1, -1)
    aligned = np.concatenate([axes, -axes, axes * half, -axes * half])
    noise = np.where(
        rng.random((_RANDOM_PROBES, n_sites)) < np.linspace(0, 0.5, _RANDOM_PROBES)[:, None], -1, 1
    )
    kets = np.concatenate([aligned, axes[rng.integers(0, len(axes), _RANDOM_PROBES)] * noise])
    few = np.where(rng.random(kets.shape) < 2 / n_sites, -1, 1)
    pairs = [
        (kets, kets),
        (kets, -kets),
        (kets, kets * few),
        (kets, kets[rng.permutation(len(kets))]),
    ]
    ket, bra = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    kind = np.zeros((3, 3), dtype=np.intp)
    kind[KET_BRA_TYPES[:, 0], KET_BRA_TYPES[:, 1]] = np.arange(4)  # -1 counts from the end
    return np.asarray(kind[ket, bra])


def _with_errors(
    table: FieldTable, left: list[Nodes], right: list[Nodes], probes: NDArray[np.intp]
) -> FieldChain:
    n_sites = probes.shape[1]
    one = np.ones((len(probes), 1), dtype=complex)
    right_weights = [one]
    for n in reversed(range(1, n_sites)):
        right_weights.append(right[n].weights(right_weights[-1], probes[:, n]))
    ket = KET_BRA_TYPES[probes][:, :, 0] @ table.weights.T
    bra = KET_BRA_TYPES[probes][:, :, 1] @ table.weights.T
    population = (KET_BRA_TYPES[probes][:, :, 0] == KET_BRA_TYPES[probes][:, :, 1]).all(axis=1)
    chain = FieldChain(table, left, right, 0.0, 0.0, 0.0, np.inf)
    largest, relative, smallest = 0.0, 0.0, np.inf
    squares = list[float]()
    before = one
    for n in range(n_sites):
        if n:
            before = left[n].weights(before, probes[:, n - 1])
        after = right_weights[n_sites - 1 - n]
        if n not in table.sites:
            continue
        exact = table.functions(n, lambda row: ket[:, row], lambda row: bra[:, row])
        for (weights, _), (f, _, is_rate) in zip(chain.flips[n], exact, strict=True):
            values = ((before @ weights) * after).sum(axis=1)
            largest = max(largest, float(np.abs(values - f).max()))
            squares.append(float(np.mean(np.abs(values - f) ** 2)))
            if is_rate:
                rate, true = values[population].real, f[population].real
                lowest = float(rate.min())
                rounded = -_ROUNDING * true.max() < lowest < 0
                smallest = min(smallest, 0.0 if rounded else lowest)
                some = true > 1e-14 * true.max()
                relative = max(relative, float(np.abs(rate[some] / true[some] - 1).max(initial=0)))
    typical = float(np.sqrt(np.mean(squares)))
    return FieldChain(table, left, right, largest, typical, relative, smallest)


def field_cores(
    chain: FieldChain, bases: Sequence[LocalBasis]
) -> Iterator[tuple[Real, Real, Real]]:
    """Yield by position: before → before, before → after, after → after; Eq. (59).

    Each of shape (n_left, n, n, n_right); state 0 of either side is the identity. A mode enters no
    field: of shape (n_left, 1, 1, n_right), times the identity.
    """
    for n, basis in enumerate(bases):
        if not chain.table.spins[n]:
            left, right = chain.left[n].size, chain.right[n].size
            none = np.zeros((left, 1, 1, right))
            yield np.eye(left)[:, None, None], none, np.eye(right)[:, None, None]
            continue
        types = _type_superoperators(basis)
        forward = np.tensordot(chain.left[n + 1].transfer, types, (1, 0))  # (l, r, a, b)
        backward = np.tensordot(chain.right[n].transfer, types, (1, 0))  # (r, l, a, b)
        flips = np.zeros((chain.left[n].size, 4, 4, chain.right[n + 1].size))
        weight = np.einsum("aij,aji->a", basis.duals, spin_basis().matrices).real  # 1, ε, ε, ε
        for weights, S in chain.flips[n]:
            scaled = S * weight[:, None] / weight
            for a, b in np.argwhere(scaled):
                flips[:, a, b] += (weights * scaled[a, b]).real
        yield forward.transpose(0, 2, 3, 1), flips, backward.transpose(1, 2, 3, 0)


def _type_superoperators(basis: LocalBasis) -> Real:
    """P↑, P↓, E and R of Eq. (58) on the coordinates of a spin."""
    up, down = SPIN_OPERATORS["up"], SPIN_OPERATORS["down"]
    mixed, other = basis.superoperator(up, down), basis.superoperator(down, up)
    same = [basis.superoperator(up, up), basis.superoperator(down, down)]
    return np.array([*same, mixed + other, 1j * (mixed - other)]).real
