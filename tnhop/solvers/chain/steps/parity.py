"""Parities of the local basis elements that generator and chain conserve.

Read off their numbers: the parity of a bond state follows from where a core or a tensor is not
zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnhop.solvers.chain.steps.environments import mirrored
from tnhop.solvers.chain.steps.layouts import (
    ParityDims,
    ParityLayout,
    Sectors,
    bond_sectors,
    bond_site_sectors,
)
from tnhop.solvers.chain.steps.truncation import (
    TruncationStats,
    norm,
    trace_string,
    truncated_splits,
)
from tnhop.support.arrays import Array

Charges = tuple[int, ...]

_ROUNDING = 100  # units of rounding up to which a state counts as even


@dataclass(frozen=True, eq=False)
class ConservedParity:
    """A parity that a generator conserves.

    Attributes
    ----------
    charges : tuple of int
        Parities of the local basis elements, the same for all sites.
    bonds : tuple of ndarray of int
        Parities of the states of the generator's bonds, the two ends included.
    """

    charges: Charges
    bonds: tuple[NDArray[np.intp], ...]


def conserved_parities(
    cores: Sequence[Any], traces: Sequence[NDArray[np.float64]]
) -> list[ConservedParity]:
    """Return the parities that a generator conserves, those that give even blocks first.

    Only sites of four coordinates, 1, σᶻ, σˣ, σʸ, are looked at; the trace must be even. The last
    parity is that of any generator and state: nothing is odd.
    """
    if not all(isinstance(W, np.ndarray) and W.shape[1] == 4 for W in cores):
        return []
    parities = []
    for odd in sorted(product((0, 1), repeat=3), key=lambda q: (abs(sum(q) - 1.5), q[0])):
        charges = (0, *odd)
        even_trace = not any(t[np.array(charges) == 1].any() for t in traces)
        bonds = _bond_charges(cores, charges) if any(odd) and even_trace else None
        if bonds is not None:
            parities.append(ConservedParity(charges, bonds))
    ends = [len(W) for W in cores] + [1]
    return [*parities, ConservedParity((0,) * 4, tuple(np.zeros(D, dtype=np.intp) for D in ends))]


def _bond_charges(
    cores: Sequence[NDArray[np.float64]], charges: Charges
) -> tuple[NDArray[np.intp], ...] | None:
    """Propagate the parities of bond states from the left; None if some state has both."""
    q, bonds = np.array(charges), [np.zeros(1, dtype=np.intp)]
    for W in cores:
        odd = (bonds[-1][:, None, None] + q[:, None] + q) % 2 == 1
        filled = W != 0.0
        bond = filled[odd].any(axis=0)
        if np.any(bond & filled[~odd].any(axis=0)):
            return None
        bonds.append(bond.astype(np.intp))
    return None if bonds[-1].any() else tuple(bonds)


def sorted_core(
    W: NDArray[np.float64], left: NDArray[np.intp], right: NDArray[np.intp]
) -> tuple[NDArray[np.float64], tuple[ParityDims, ParityDims]]:
    """Return a core with the even states of its bonds first, and their numbers."""
    places = (np.argsort(charges, kind="stable") for charges in (left, right))
    rows, columns = places
    bond_dims = tuple((int(np.sum(c == 0)), int(np.sum(c == 1))) for c in (left, right))
    return W[rows][..., columns], (bond_dims[0], bond_dims[1])


def bond_parity_dims(chain: Sequence[Array], charges: Charges) -> list[ParityDims] | None:
    """Return the even and odd states of all bonds from left to right, the two ends included.

    None if a state of a bond has no parity, or if they are not sorted.
    """
    bond_dims: list[ParityDims] = [(1, 0)]
    for A in reversed(chain):
        M = do("to_numpy", A) != 0.0
        (even, odd) = bond_site_sectors(bond_dims[-1], charges, site_first=True).indices
        flat = M.reshape(len(M), -1)
        is_even, is_odd = flat[:, even].any(axis=1), flat[:, odd].any(axis=1)
        n_even = len(M) - int(is_odd.sum())
        if np.any(is_even & is_odd) or is_odd[:n_even].any():
            return None
        bond_dims.append((n_even, len(M) - n_even))
    return None if bond_dims[-1] != (1, 0) else bond_dims[::-1]


def parity_sorted_chain(
    chain: Sequence[Array], traces: Sequence[Array], charges: Charges
) -> list[Array] | None:
    """Return a right-canonical chain with sorted bonds; None if the state is not even.

    Nothing but rounding is truncated. A chain that has this form already is returned as it is.
    """
    if bond_parity_dims(chain, charges):
        return list(chain)
    right_swept = _sweep(chain, traces, charges)
    if right_swept is None:
        return None
    left_swept = _sweep(mirrored(right_swept), traces[::-1], charges)
    return None if left_swept is None else mirrored(left_swept)


def _sweep(chain: Sequence[Array], traces: Sequence[Array], charges: Charges) -> list[Array] | None:
    """Make the tensors isometries with sorted bonds, from left to right."""
    result, dims, center = [], (1, 0), chain[0]
    for n, trace in enumerate(traces):
        left, size, right = center.shape
        rows = bond_site_sectors(dims, charges)
        M = center.reshape(left * size, right)
        blocks = [M[index] for index in rows.indices]
        if n == len(chain) - 1:
            eps = float(np.finfo(do("to_numpy", M[:1]).dtype).eps)
            if norm(blocks[1]) > _ROUNDING * eps * norm(M):
                return None
            layout = ParityLayout(rows, bond_sectors((1, 0)), center.shape)
            result.append(layout.merge_left((blocks[0], blocks[1][:, :0])))
            break
        columns = Sectors((slice(None), slice(None)), (right, right))
        layout = ParityLayout(rows, columns, center.shape)
        kept_row = layout.restrict_rows(trace_string(trace, left))
        parts = truncated_splits(blocks, kept_row, 0.0, left * size, TruncationStats())
        result.append(layout.merge_left([U for U, _ in parts]))
        dims = (parts[0][0].shape[1], parts[1][0].shape[1])
        C = do("concatenate", [C for _, C in parts], axis=0)
        center = do("tensordot", C, chain[n + 1], ((1,), (0,)))
    return result
