"""The generator on block-diagonal density matrices, matrix-free and in real arithmetic.

A density matrix ρ = ⊕_b ρ_b is packed block by block into real matrices, Eq. (33) of
docs/physics.md. `Exact` has one block, the whole Hilbert space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.solvers.exact import kernels
from tnhop.solvers.exact.kernels import Layout, RowForm, RunForm
from tnhop.solvers.exact.series import energy_spread
from tnhop.support.arrays import Real
from tnhop.support.threads import even_cuts, n_shares, share_out

_LONGEST_GAP = 33  # measured: below this, multiplying by stored zeros beats starting a new run


class BlockLindbladian:
    r"""The generator :math:`X' = \mathcal L X` of A and jumps L, Eq. (34), never formed.

    Parameters
    ----------
    dims : sequence of int
        Dimensions of the blocks; n is their sum.
    A : sparse array, shape (n, n)
        The operator -iH - ½ Σ L†L, block-diagonal, complex.
    jumps : list of sparse array, shape (n, n)
        Jumps L, complex; each takes every block to at most one, and no two blocks to the same.

    Attributes
    ----------
    jumps : list of sparse array, shape (n, n)
        The jumps.
    """

    def __init__(self, dims: Sequence[int], A: sp.csr_array, jumps: list[sp.csr_array]) -> None:
        self.block_dims = np.asarray(dims, dtype=np.int64)
        self.dim, self.size = int(self.block_dims.sum()), int((self.block_dims**2).sum())
        self.layout = layout_of(self.block_dims)
        self._unsigned_layout = Layout(*map(unsigned, self.layout))
        self._A, self.jumps = A, jumps
        self.norm = max(2 * float(abs(A).sum(axis=1).max()), 1e-300)
        diagonal = A.diagonal()
        self._diagonal = np.ascontiguousarray(diagonal.real), np.ascontiguousarray(diagonal.imag)
        off = sp.csr_array(A - sp.diags_array(A.diagonal()))
        self._real_part = self._both_forms(off.real)
        self._imaginary_part = self._both_forms(off.imag)
        turned = [make_real(L) for L in jumps]
        self._simple_jumps = self._combined_forms([L for L in turned if _is_simple(L)])
        self._general_jumps = [
            (self._both_forms(L.real), self._both_forms(L.imag))
            for L in turned if not _is_simple(L)
        ]  # fmt: skip
        rotates = bool(self._diagonal[1].any() or len(self._imaginary_part[0].value))
        self.is_real = not (rotates or any(len(B.value) for _, (B, _) in self._general_jumps))
        # reserved, not touched: the memory is taken when the generator is first applied
        self._xt = np.empty(0 if self.is_real else self.size)
        self._cuts = dict[int, NDArray[np.uint64]]()  # by number of threads

    @cached_property
    def energy_spread(self) -> float:
        """Largest difference of energies: half the height of the spectrum."""
        return energy_spread(sp.csr_array(0.5j * (self._A - self._A.conj().T)))

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal of the generator: the centre of its spectrum."""
        # tr(A · + · A†) = 2 Σ dim_b Re tr A_b, and tr(L · L†) = |tr L_b|² where L stays in b
        total = 2 * float(self.layout.width @ self._diagonal[0])
        for L in self.jumps:
            diagonal, block, count = L.diagonal(), self.layout.block, len(self.block_dims)
            total += float((np.bincount(block, diagonal.real, count) ** 2).sum())
            total += float((np.bincount(block, diagonal.imag, count) ** 2).sum())
        return total / self.size

    @cached_property
    def adjoint(self) -> BlockLindbladian:
        """The transposed generator, which moves functionals of X."""
        jumps = [sp.csr_array(L.conj().T) for L in self.jumps]
        return BlockLindbladian(self.block_dims.tolist(), sp.csr_array(self._A.conj().T), jumps)

    def entries(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return row and column, as global indices, of every packed component."""
        rows = np.repeat(np.arange(self.dim), self.layout.width)
        position = np.arange(self.size) - self.layout.start[rows]
        return rows, position + self.layout.first[rows]

    @cached_property
    def populations(self) -> NDArray[np.intp]:
        """Places of the populations in a packed state."""
        return (self.layout.start + np.arange(self.dim) - self.layout.first).astype(np.intp)

    @cached_property
    def population_rates(self) -> sp.csr_array | None:
        """Rate matrix of the populations, if they neither feed coherences nor are fed by them.

        So it is if the Hamiltonian is diagonal and every jump takes basis states to basis states,
        different ones to different ones.
        """
        off = self._A - sp.diags_array(self._A.diagonal())
        if abs(off).max() > 0 or not all(map(_moves_states, self.jumps)):
            return None
        R = sum((abs(L) ** 2 for L in self.jumps), sp.csr_array((self.dim, self.dim)))
        R = sp.csr_array(R - sp.diags_array(R.diagonal()))
        return sp.csr_array(R - sp.diags_array(R.sum(axis=0)))

    @property
    def transposed(self) -> NDArray[np.intp]:
        """Place of the transposed element of every packed component."""
        rows, columns = self.entries()
        return (self.layout.start[columns] + rows - self.layout.first[columns]).astype(np.intp)

    def matrix_of_moves(self) -> sp.csr_array:
        """Return the generator on the elements of ρ, if jumps take basis states to basis states.

        Its rows and columns are complex elements in the order of packed ones.
        """
        rows, columns = self.entries()
        diagonal, start, first = self._A.diagonal(), self.layout.start, self.layout.first
        everywhere = np.arange(self.size)
        parts = [(diagonal[rows] + diagonal[columns].conj(), everywhere, everywhere)]
        for L in map(sp.coo_array, self.jumps):
            moves = L.data != 0
            to, amplitude = np.full(self.dim, -1), np.zeros(self.dim, dtype=complex)
            to[L.col[moves]], amplitude[L.col[moves]] = L.row[moves], L.data[moves]
            at = np.flatnonzero((to[rows] >= 0) & (to[columns] >= 0))
            a, b = rows[at], columns[at]
            place = start[to[a]] + to[b] - first[to[a]]
            parts.append((amplitude[a] * amplitude[b].conj(), place, at))
        values, to, of = map(np.concatenate, zip(*parts, strict=True))
        return sp.csr_array((values, (to, of)), (self.size, self.size))

    def apply(self, x: Real, out: Real, half: bool = False) -> Real:
        """Write the derivative of the packed x into `out`, both of shape (size,).

        With `half`, which needs `is_real`, x must be symmetric and only lower triangles are
        computed.
        """
        layout, xt, rows = self._unsigned_layout, self._xt, self._shares()
        if len(xt):
            share_out(lambda *part: kernels.transpose(layout, x, xt, *part), rows)

        def write(*part: Any) -> None:
            kernels.apply_rows(layout, half, self._diagonal, self._real_part, self._imaginary_part,
                               self._simple_jumps, x, xt, out, *part)  # fmt: skip
            for A, B in self._general_jumps:
                kernels.add_jump(layout, half, *A, *B, x, xt, out, *part)

        share_out(write, rows)
        if half:
            share_out(lambda *part: kernels.mirror(layout, out, *part), rows)
        return out

    def _shares(self) -> NDArray[np.uint64]:
        """Return where to cut the rows into shares of about as many numbers, for threads."""
        n = n_shares(self.size)
        if n not in self._cuts:
            cuts = np.searchsorted(self.layout.start, even_cuts(self.size, n))
            self._cuts[n] = unsigned(cuts)
        return self._cuts[n]

    def trace_norm(self, x: Real) -> float:
        """Bound the trace norm of the packed x by the sum of the 2-norms of the columns."""
        total = 0.0
        for X in split_blocks(x, self.block_dims):
            squares = X**2  # |ρ_ij|² = (X_ij² + X_ji²)/2
            total += float(np.sqrt((squares.sum(axis=0) + squares.sum(axis=1)) / 2).sum())
        return total

    def matrix(self) -> sp.csr_array:
        """Return the generator as a sparse matrix on packed states, shape (size, size).

        vec(A X Bᵀ) = (A ⊗ B) vec X for rows stacked; Xᵀ comes in by a permutation of columns.
        """
        n, dims = len(self.block_dims), self.block_dims
        first = np.concatenate([[0], np.cumsum(dims)])
        turn = np.concatenate([
            at + np.arange(d * d).reshape(d, d).T.ravel()
            for at, d in zip(np.concatenate([[0], np.cumsum(dims**2)]), dims, strict=False)
        ])  # fmt: skip
        straight, turned = [[[None] * n for _ in range(n)] for _ in range(2)]

        def add(table: Any, to: int, of: int, term: Any) -> None:
            table[to][of] = term if table[to][of] is None else table[to][of] + term

        for b in range(n):
            inside = slice(first[b], first[b + 1])
            A, one = self._A[inside][:, inside], sp.eye_array(dims[b])
            add(straight, b, b, sp.kron(A.real, one) + sp.kron(one, A.real))
            add(turned, b, b, sp.kron(A.imag, one) - sp.kron(one, A.imag))
        for L in self.jumps:
            entries = sp.coo_array(L)
            block = self.layout.block
            for to, of in {
                *zip(block[entries.row].tolist(), block[entries.col].tolist(), strict=True)
            }:
                part = L[first[to] : first[to + 1]][:, first[of] : first[of + 1]]
                A, B = sp.csr_array(part.real), sp.csr_array(part.imag)
                add(straight, to, of, sp.kron(A, A) + sp.kron(B, B))
                add(turned, to, of, sp.kron(B, A) - sp.kron(A, B))
        total = (
            sp.csr_array(sp.block_array(straight)) + sp.csr_array(sp.block_array(turned))[:, turn]
        )
        total.eliminate_zeros()
        return sp.csr_array(total)

    @staticmethod
    def accumulate(weights: Real, x: Real, rows: Real) -> None:
        """Add ``weights[q] * x`` to every ``rows[q]``."""
        kernels.accumulate(weights, x, rows)

    def __call__(self, x: Real) -> Real:
        """Return the derivative of the packed x, shape (size,)."""
        return self.apply(np.ascontiguousarray(x, dtype=float), np.empty(self.size))

    def _both_forms(self, matrix: Any) -> tuple[RowForm, RunForm]:
        """Return a real matrix M in the forms of the products M X and X Mᵀ."""
        # the imaginary part of a real array is read-only
        M = sp.coo_array(sp.csr_array(matrix, dtype=float, copy=True))
        kept = M.data != 0
        rows, columns, values = M.row[kept], M.col[kept], np.ascontiguousarray(M.data[kept])
        ptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.dim))])
        by_rows = RowForm(unsigned(ptr), unsigned(columns), values)
        return by_rows, self._runs(rows, columns, values, self.layout.block[rows],
                                   len(self.block_dims))  # fmt: skip

    def _runs(self, rows: Any, columns: Any, values: Any, group: Any, n_groups: int) -> RunForm:
        """Cut entries into runs of equal shift, group by group."""
        to, of = rows - self.layout.first[rows], columns - self.layout.first[columns]
        order = np.lexsort((to, of - to, group))
        to, of, values, group = to[order], of[order], values[order], group[order]
        # a run ends where the shift changes or the gap is too long to be worth filling with zeros
        breaks = (np.diff(group) != 0) | (np.diff(of - to) != 0) | (np.diff(to) > _LONGEST_GAP)
        starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])[: len(to)].astype(np.int64)
        ends = np.append(starts[1:], len(to)) - 1
        lengths = to[ends] - to[starts] + 1 if len(to) else starts
        at = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        run = np.repeat(np.arange(len(starts)), ends - starts + 1)
        filled = np.zeros(at[-1])
        filled[at[run] + to - to[starts][run]] = values
        table = np.stack([to[starts], of[starts], at[:-1], lengths], axis=1)
        counts = np.bincount(group[starts], minlength=n_groups)
        ptr = np.concatenate([[0], np.cumsum(counts)])
        return RunForm(unsigned(ptr), unsigned(table), filled)

    def _combined_forms(self, jumps: list[sp.csr_array]) -> tuple[RowForm, Any, RunForm]:
        """Return real jumps with at most one entry per row, all together, in both forms."""
        parts = [sp.coo_array(L) for L in jumps]
        which = np.repeat(np.arange(len(parts)), [M.nnz for M in parts])
        rows = np.concatenate([M.row for M in parts]) if parts else which
        columns = np.concatenate([M.col for M in parts]) if parts else which
        values = np.concatenate([M.data for M in parts]) if parts else np.zeros(0)
        segment = which * len(self.block_dims) + self.layout.block[rows]
        order = np.argsort(rows, kind="stable")
        ptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.dim))])
        by_rows = RowForm(unsigned(ptr), unsigned(columns[order]), values[order])
        runs = self._runs(rows, columns, values, segment, len(parts) * len(self.block_dims))
        return by_rows, unsigned(segment[order]), runs


def unsigned(index: NDArray[Any]) -> NDArray[np.uint64]:
    """Return indices in the form of the compiled loops."""
    return np.ascontiguousarray(index, dtype=np.uint64)


def trace_rows(matrices: Iterable[sp.csr_array], layout: Layout) -> sp.csr_array:
    """Rows f with ``f[2k] @ x`` = Re tr(O_k ρ), ``f[2k + 1] @ x`` = Im tr(O_k ρ)."""
    size = int(layout.width[-1] + layout.start[-1]) if len(layout.start) else 0
    parts, count = [], 0
    for k, matrix in enumerate(matrices):
        O = sp.coo_array(matrix)
        here, there = (
            layout.start[a] + b - layout.first[a] for a, b in ((O.row, O.col), (O.col, O.row))
        )
        total, difference = (O.data.real + O.data.imag) / 2, (O.data.real - O.data.imag) / 2
        for row, at, values in ((0, here, total), (0, there, difference),
                                (1, here, -difference), (1, there, total)):  # fmt: skip
            parts.append((np.full(len(at), 2 * k + row), at, values))
        count = k + 1
    if not parts:
        return sp.csr_array((0, size))
    rows, columns, values = map(np.concatenate, zip(*parts, strict=True))
    traces = sp.csr_array((values, (rows, columns)), (2 * count, size))
    traces.eliminate_zeros()
    return traces


def pack(rho: NDArray[Any]) -> Real:
    """Pack a Hermitian matrix into the real matrix Re ρ + Im ρ."""
    return np.ascontiguousarray(rho.real + rho.imag)


def unpack(X: Real) -> NDArray[np.complex128]:
    """Return the Hermitian matrix of a packed one."""
    return (X + X.T) / 2 + 1j * (X - X.T) / 2


def split_blocks(packed: Real, dims: NDArray[np.int64]) -> list[Real]:
    """Return the square matrices of a packed state, as views."""
    ends = np.cumsum(dims**2)
    return [part.reshape(d, d) for part, d in zip(np.split(packed, ends[:-1]), dims, strict=True)]


def multiplied(O: sp.csr_array, packed: Real, dims: NDArray[np.int64]) -> tuple[Real, Real]:
    """Return the Hermitian H and K of Oρ = H + iK, packed."""
    parts, first = [], 0
    for X in split_blocks(packed, dims):
        inside = slice(first, first + len(X))
        M = sp.csr_array(O[inside])[:, inside] @ unpack(X)
        parts.append((pack((M + M.conj().T) / 2), pack((M - M.conj().T) / 2j)))
        first += len(X)
    real, imaginary = zip(*parts, strict=True)
    return np.concatenate([H.ravel() for H in real]), np.concatenate([K.ravel() for K in imaginary])


def layout_of(dims: NDArray[np.int64]) -> Layout:
    """Return the positions of the rows of blocks of these dimensions."""
    offset = np.concatenate([[0], np.cumsum(dims**2)[:-1]])
    first = np.repeat(np.concatenate([[0], np.cumsum(dims)[:-1]]), dims)
    local = np.arange(len(first)) - first
    width = np.repeat(dims, dims)
    block = np.repeat(np.arange(len(dims)), dims)
    return Layout(*(np.ascontiguousarray(a.astype(np.int64)) for a in
                    (np.repeat(offset, dims) + local * width, width, first, block)))  # fmt: skip


def _is_simple(L: sp.csr_array) -> bool:
    """Return whether a jump is real with at most one entry per row."""
    return bool(np.isrealobj(L.data) and np.diff(L.indptr).max(initial=0) <= 1)


def _moves_states(L: sp.csr_array) -> bool:
    """Return whether there is at most one entry in every row and column."""
    entries = sp.coo_array(L)
    places = [place[entries.data != 0] for place in (entries.row, entries.col)]
    return all(len(np.unique(place)) == len(place) for place in places)


def make_real(J: sp.csr_array) -> sp.csr_array:
    """Remove a common phase, which no physics depends on; stay complex if there is none."""
    J = sp.csr_array(J)
    J.sort_indices()
    if not J.nnz:
        return sp.csr_array(J.real)
    pivot = J.data[np.argmax(np.abs(J.data))]
    turned = J * (abs(pivot) / pivot)
    if np.abs(turned.data.imag).max() <= 1e-15 * abs(pivot):
        return sp.csr_array(turned.real)
    return J
