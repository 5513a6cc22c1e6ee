"""Terms of a generator as strings of real local superoperators, and their minimal MPO.

Hamiltonian and ordinary jumps only; Eqs. (54)-(56) of docs/physics.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model
from tnhop.physics.operators import LocalBasis, local_matrix, mode_basis, spin_basis
from tnhop.physics.terms import Term
from tnhop.support.arrays import Real

String = tuple[tuple[int, int], ...]  # (position, number of a local superoperator > 0), sorted

_TINY = 1e-14
_RANK = 1e-13


def site_bases(model: Model, order: NDArray[np.intp], epsilon: float) -> list[LocalBasis]:
    """Return the coordinates of the sites by position: weighted spins, plain modes."""
    sites = [model.sites[k] for k in order]
    return [spin_basis(epsilon) if s.kind == "spin" else mode_basis(s.dim) for s in sites]


class LocalFamily:
    """Linearly independent real superoperators of one site; number 0 is the identity.

    Parameters
    ----------
    size : int
        Dimension of the space they act on.
    """

    def __init__(self, size: int) -> None:
        self.matrices = [sp.eye_array(size, format="csr")]
        self._entries = [_entries(self.matrices[0])]

    def components(self, matrix: sp.csr_array) -> dict[int, float]:
        """Write a matrix as Σ c_k M_k; it joins the family if it is independent."""
        added = _entries(matrix)
        size = np.linalg.norm(added[1])
        if size < _TINY:
            return {}
        entries = [*self._entries, added]
        filled = np.unique(np.concatenate([places for places, _ in entries]))
        rows = np.zeros((len(entries), len(filled)))
        for row, (places, values) in zip(rows, entries, strict=True):
            row[np.searchsorted(filled, places)] = values
        basis, target = rows[:-1], rows[-1]
        c = np.linalg.lstsq(basis.T, target, rcond=None)[0]
        if np.linalg.norm(target - c @ basis) > 1e-12 * size:
            self.matrices.append(matrix)
            self._entries.append(added)
            return {len(self.matrices) - 1: 1.0}
        return {k: float(x) for k, x in enumerate(c) if abs(x) > _TINY * size}


def _entries(matrix: sp.csr_array) -> tuple[NDArray[np.intp], Real]:
    """Return places in the flattened matrix and values of what it stores."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows * matrix.shape[1] + matrix.indices, np.asarray(matrix.data)


@lru_cache(maxsize=1024)
def _superoperator(basis: LocalBasis, left: str, right: str) -> tuple[sp.csr_array, sp.csr_array]:
    """Return the real and the imaginary part of ρ -> left ρ right."""
    dim = basis.matrices.shape[1]
    S = basis.sparse_superoperator(_matrix(left, dim), _matrix(right, dim))
    return S.real, S.imag


def real_strings(
    model: Model, bases: Sequence[LocalBasis], order: NDArray[np.intp]
) -> tuple[dict[String, float], list[LocalFamily]]:
    """Return the generator without field jumps as Σ c · string, and the local families.

    Parameters
    ----------
    model : Model
        The system.
    bases : sequence of LocalBasis
        Coordinates of the sites, by position.
    order : ndarray, shape (n_sites,)
        Site at every position.
    """
    families = [LocalFamily(basis.size) for basis in bases]
    place = np.argsort(order)
    cache: dict[Any, tuple[dict[int, float], dict[int, float]]] = {}
    total: dict[String, float] = {}

    def parts(site: int, left: str, right: str) -> tuple[dict[int, float], dict[int, float]]:
        """Return the components of the real and the imaginary part of ρ -> left ρ right."""
        key = site, left, right
        if key not in cache:
            n = int(place[site])
            real, imaginary = _superoperator(bases[n], left, right)
            cache[key] = families[n].components(real), families[n].components(imaginary)
        return cache[key]

    for coefficient, left, right in _products(model):
        sites = sorted({*left, *right})
        local = [parts(site, left.get(site, ""), right.get(site, "")) for site in sites]
        choices = [[(0, part[0]), (1, part[1])] for part in local]
        for choice in itertools.product(*choices):
            c = (coefficient * 1j ** sum(power for power, _ in choice)).real
            if c == 0:
                continue
            for picked in itertools.product(*(part.items() for _, part in choice)):
                key = tuple(
                    sorted((int(place[s]), k) for s, (k, _) in zip(sites, picked, strict=True) if k)
                )
                total[key] = total.get(key, 0.0) + c * float(np.prod([v for _, v in picked]))
    size = max((abs(c) for c in total.values()), default=0.0)
    return {key: c for key, c in total.items() if abs(c) > _TINY * size}, families


def _matrix(name: str, dim: int) -> NDArray[np.complex128]:
    return local_matrix(name, dim) if name else np.eye(dim, dtype=complex)


def _products(model: Model) -> Iterator[tuple[complex, dict[int, str], dict[int, str]]]:
    """Yield c, left and right factors with Lρ = Re Σ c · left ρ right, Eq. (54)."""
    for term in model.hamiltonian:
        yield -2j * term.coefficient, dict(term.factors), {}
    for jump in model.jumps:
        if isinstance(jump, Jump):
            for a, b in itertools.product(jump.operator, jump.operator):
                c = a.coefficient * np.conj(b.coefficient)
                yield c, dict(a.factors), dict(b.dag().factors)
                loss = Term(1.0, b.dag().factors) * Term(1.0, a.factors)
                yield -c * loss.coefficient, dict(loss.factors), {}


def minimal_chain(strings: dict[String, float], families: Sequence[LocalFamily]) -> list[Real]:
    """Return the MPO of Σ c · string between the states "before" and "after", Eq. (56).

    Read from the left, a string is "before" up to its first factor and "after" from its last one
    on; in between it is in one of few states, the range of the coefficients across the cut: as few
    as possible, because the local superoperators are independent.

    Returns
    -------
    list of ndarray, shape (n_left, n_matrices, n_right)
        By position: weights of the local superoperators between the states of the two cuts; state 0
        is "before", the last one "after".

    References
    ----------
    C. Hubig, I. P. McCulloch and U. Schollwöck, Phys. Rev. B 95, 035129 (2017).
    """
    starts: list[list[tuple[String, float]]] = [[] for _ in families]
    for string, c in strings.items():
        if string:
            starts[string[0][0]].append((string, c))
    cores, rows, suffixes = [], np.zeros((0, 0)), list[String]()
    for n, family in enumerate(families):
        done, entries = [], list[tuple[tuple[int, int], String, float]]()
        for string, c in starts[n]:
            entries.append(((0, string[0][1]), string[1:], c))
        for column, suffix in enumerate(suffixes):
            here = suffix[0][0] == n
            number, tail = (suffix[0][1], suffix[1:]) if here else (0, suffix)
            entries += [
                ((1 + j, number), tail, float(rows[j, column]))
                for j in map(int, np.flatnonzero(rows[:, column]))
            ]
        if n == 0:  # a multiple of the identity can stand on any site
            entries.append(((0, 0), (), strings.get((), 0.0)))
        done = [(key, c) for key, tail, c in entries if not tail]
        entries = [entry for entry in entries if entry[1]]
        keys = {key: k for k, key in enumerate(sorted({key for key, _, _ in entries}))}
        suffixes = sorted({tail for _, tail, _ in entries})
        place = {tail: k for k, tail in enumerate(suffixes)}
        M = np.zeros((len(keys), len(suffixes)))
        for key, tail, c in entries:
            M[keys[key], place[tail]] += c
        n_left = 2 + len(rows)
        U, S, V = np.linalg.svd(M, full_matrices=False)
        rank = int(np.sum(_RANK * S.max(initial=0.0) < S))
        core = np.zeros((n_left, len(family.matrices), 2 + rank))
        core[0, 0, 0] = core[-1, 0, -1] = 1.0
        for (j, k), c in done:
            core[j, k, -1] += c
        for (j, k), row in keys.items():
            core[j, k, 1 : 1 + rank] = U[row, :rank]
        cores.append(core)
        rows = S[:rank, None] * V[:rank]
    return cores


__all__ = ["LocalFamily", "minimal_chain", "real_strings", "site_bases"]
