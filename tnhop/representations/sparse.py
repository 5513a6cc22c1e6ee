"""Sparse matrices of operators, and the matrix-free Lindbladian in real arithmetic.

The site basis is the Kronecker product of the local ones; site 0 is the most significant factor. A
density matrix is packed into the real matrix X = Re ρ + Im ρ, Eq. (33) of docs/physics.md, so that
Hermiticity is exact by construction and no 4^N × 4^N matrix is ever formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop._codec import register
from tnhop.model import Model
from tnhop.operators import local_matrix
from tnhop.representations import _kernels
from tnhop.states import ProductState, coherent_ket, moments_of
from tnhop.terms import FieldJump, Jump, Operator

__all__ = [
    "DenseState",
    "Lindbladian",
    "expectation_rows",
    "jump_matrix",
    "operator_matrix",
    "pack",
    "product_matrix",
    "top_level_rows",
    "unpack",
]

Real = NDArray[np.float64]

_LONGEST_GAP = 33  # measured: below this, multiplying by stored zeros beats starting a new run


def operator_matrix(dims: Sequence[int], operator: Operator) -> sp.csr_array:
    """Matrix of an operator, shape (hilbert_dim, hilbert_dim), complex, sparse."""
    total = int(np.prod(dims))
    matrix = sp.csr_array((total, total), dtype=complex)
    diagonal = np.zeros(total, dtype=complex)
    for term in operator.terms:
        local = [(site, local_matrix(name, dims[site])) for site, name in term.factors]
        if all(np.count_nonzero(m - np.diag(m.diagonal())) == 0 for _, m in local):
            diagonal += term.coefficient * _diagonal_product(dims, local)
        else:
            matrix = matrix + term.coefficient * _kron(dims, dict(local))
    return sp.csr_array(matrix + sp.diags_array(diagonal)) if diagonal.any() else matrix


def _diagonal_product(dims: Sequence[int], local: list[tuple[int, NDArray[Any]]]) -> NDArray[Any]:
    product = np.ones((1,) * len(dims), dtype=complex)
    for site, matrix in local:
        shape = [1] * len(dims)
        shape[site] = -1
        product = product * matrix.diagonal().reshape(shape)
    return np.broadcast_to(product, dims).ravel()


def _kron(dims: Sequence[int], local: dict[int, NDArray[Any]]) -> sp.csr_array:
    """Kronecker product with identities filled in between the given sites."""
    product: sp.csr_array = sp.csr_array(np.ones((1, 1), dtype=complex))
    gap = 1
    for site, dim in enumerate(dims):
        if site in local:
            product = sp.kron(product, sp.eye_array(gap), format="csr")
            product = sp.kron(product, sp.csr_array(local[site]), format="csr")
            gap = 1
        else:
            gap *= dim
    return sp.csr_array(sp.kron(product, sp.eye_array(gap), format="csr"))


def jump_matrix(dims: Sequence[int], jump: Jump | FieldJump) -> sp.csr_array:
    """Matrix of a jump operator, shape (hilbert_dim, hilbert_dim), complex, sparse."""
    if isinstance(jump, Jump):
        return operator_matrix(dims, jump.operator)
    fields = []
    for weights in jump.fields:
        h = np.zeros((1,) * len(dims))
        for site in np.flatnonzero(weights):
            shape = [1] * len(dims)
            shape[site] = 2
            h = h + weights[site] * np.array([1.0, -1.0]).reshape(shape)
        fields.append(np.broadcast_to(h, dims).ravel())
    matrix = sp.csr_array((int(np.prod(dims)),) * 2, dtype=complex)
    for name, amplitude in jump.amplitudes:
        flip = _kron(dims, {jump.site: local_matrix(name, 2)})
        matrix = matrix + sp.diags_array(np.asarray(amplitude(*fields), dtype=complex)) @ flip
    matrix = sp.csr_array(matrix)
    matrix.eliminate_zeros()
    return matrix


def pack(rho: NDArray[Any]) -> Real:
    """Pack a Hermitian matrix into the real matrix Re ρ + Im ρ."""
    return np.ascontiguousarray(rho.real + rho.imag)


def unpack(X: Real) -> NDArray[np.complex128]:
    """Return the Hermitian matrix of a packed one."""
    return (X + X.T) / 2 + 1j * (X - X.T) / 2


def product_matrix(state: ProductState, dims: Sequence[int]) -> Real:
    """Packed density matrix of a product state; coherent states are truncated and normalised."""
    rho = np.ones((1, 1), dtype=complex)
    for r in state.bloch:
        spin = np.array([[1 + r[2], r[0] - 1j * r[1]], [r[0] + 1j * r[1], 1 - r[2]]]) / 2
        rho = np.kron(rho, spin)
    for alpha, dim in zip(state.alpha, dims[len(state.bloch) :], strict=True):
        ket = coherent_ket(alpha, dim)
        rho = np.kron(rho, np.outer(ket, ket.conj()))
    return pack(rho)


def expectation_rows(dims: Sequence[int], operators: Iterable[Operator]) -> sp.csr_array:
    """Rows f with ``f[2k] @ x`` = Re tr(O_k ρ), ``f[2k + 1] @ x`` = Im tr(O_k ρ), x = X.ravel()."""
    rows = []
    for operator in operators:
        O = operator_matrix(dims, operator)
        re, im = sp.csr_array(O.real), sp.csr_array(O.imag)
        rows.append((re + re.T + im - im.T) / 2)
        rows.append((im + im.T - re + re.T) / 2)
    size = int(np.prod(dims)) ** 2
    flat = [sp.csr_array(row.reshape((1, size))) for row in rows]
    return sp.csr_array(sp.vstack(flat, format="csr")) if flat else sp.csr_array((0, size))


@dataclass(frozen=True, eq=False)
class _SingleEntryJumps:
    """Real jumps with at most one entry per row, laid out for `_kernels.add_jumps`."""

    row_ptr: NDArray[np.int32]
    row_jump: NDArray[np.int32]
    row_source: NDArray[np.int32]
    row_value: Real
    run_ptr: NDArray[np.int32]
    runs: NDArray[np.int32]
    values: Real

    @classmethod
    def build(cls, matrices: list[sp.csr_array], size: int) -> _SingleEntryJumps:
        """Collect the jumps, row by row and run by run."""
        rows, sources, values, stored, run_ptr, runs, first = [], [], [], [], [0], [], 0
        for matrix in matrices:
            row = np.flatnonzero(np.diff(matrix.indptr))
            source, value = matrix.indices, matrix.data
            # a run ends where the shift changes or the gap is too long to be worth filling with
            # zeros
            breaks = (np.diff(source - row) != 0) | (np.diff(row) > _LONGEST_GAP)
            starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
            ends = np.append(starts[1:], len(row)) - 1
            lengths = row[ends] - row[starts] + 1
            at = np.concatenate([[0], np.cumsum(lengths)])
            run = np.repeat(np.arange(len(starts)), ends - starts + 1)
            filled = np.zeros(at[-1])
            filled[at[run] + row - row[starts][run]] = value
            runs.append(np.stack([row[starts], source[starts], first + at[:-1], lengths], axis=1))
            run_ptr.append(run_ptr[-1] + len(starts))
            rows.append(row)
            sources.append(source)
            values.append(value)
            stored.append(filled)
            first += len(filled)
        jump = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=int)
        order = np.argsort(flat, kind="stable")
        source = np.concatenate(sources) if rows else flat
        value = np.concatenate(values) if rows else np.zeros(0)
        counts = np.bincount(flat, minlength=size)
        row_ptr = np.concatenate([[0], np.cumsum(counts)])
        table = np.concatenate(runs) if runs else np.zeros((0, 4))
        index = (row_ptr, jump[order], source[order], run_ptr, table)
        a, b, c, d, e = (np.asarray(item, dtype=np.int32) for item in index)
        filled = np.concatenate(stored) if rows else np.zeros(0)
        return cls(a, b, c, np.ascontiguousarray(value[order]), d, e, filled)


class Lindbladian:
    r"""The generator :math:`X' = \mathcal L X` on packed density matrices, never formed.

    Parameters
    ----------
    model : Model
        The system.

    Notes
    -----
    *Cost.* Hopfield: about 5 N · 4^N multiplications per application; memory: three arrays of 4^N
    reals.
    """

    def __init__(self, model: Model) -> None:
        dims = model.dims
        self.dims, self.dim = dims, model.hilbert_dim
        jumps = [jump_matrix(dims, jump) for jump in model.jumps]
        decay = sum((J.conj().T @ J for J in jumps), sp.csr_array((self.dim,) * 2, dtype=complex))
        A = sp.csr_array(-1j * operator_matrix(dims, model.hamiltonian) - decay / 2)
        self._set(A, jumps)
        self._trace_sum = float(
            2 * self.dim * A.diagonal().real.sum()
            + sum(abs(J.diagonal().sum()) ** 2 for J in jumps)
        )

    def _set(self, A: sp.csr_array, jumps: list[sp.csr_array]) -> None:
        self._A, self._jumps = A, jumps
        self.norm = max(2 * float(abs(A).sum(axis=1).max()), 1e-300)
        self._p = np.ascontiguousarray(A.diagonal().real)
        self._q = np.ascontiguousarray(A.diagonal().imag)
        off = sp.csr_array(A - sp.diags_array(A.diagonal()))
        off.eliminate_zeros()
        self._P, self._Q = _csr32(off.real), _csr32(off.imag)
        turned = [_make_real(J) for J in jumps]
        single = [J for J in turned if np.isrealobj(J) and np.diff(J.indptr).max(initial=0) <= 1]
        self._single = _SingleEntryJumps.build(single, self.dim)
        self._several = [
            (_csr32(J.real), _csr32(J.imag))
            for J in turned
            if np.iscomplexobj(J) or np.diff(J.indptr).max(initial=0) > 1
        ]
        shape = (self.dim, self.dim)
        # reserved, not touched: the memory is taken when the generator is first applied
        self._XT, self._Z = np.empty(shape), np.empty(shape)
        self._Y = np.empty((2, *shape)) if self._several else np.empty((2, 0, 0))

    @property
    def size(self) -> int:
        """Number of real components of a packed density matrix."""
        return self.dim**2

    @property
    def mean_diagonal(self) -> float:
        """Mean of the diagonal of the generator: the centre of its spectrum."""
        return self._trace_sum / self.size

    @cached_property
    def adjoint(self) -> Lindbladian:
        """The transposed generator, which moves functionals of X."""
        other = object.__new__(Lindbladian)
        other.dims, other.dim, other._trace_sum = self.dims, self.dim, self._trace_sum
        other._set(sp.csr_array(self._A.conj().T), [sp.csr_array(J.conj().T) for J in self._jumps])
        return other

    def apply(self, x: Real, out: Real) -> Real:
        """Write the derivative of the raveled X into `out`, both of shape (dim²,)."""
        n = self.dim
        X, Y, XT, Z = x.reshape(n, n), out.reshape(n, n), self._XT, self._Z
        _kernels.transpose(X, XT)
        _kernels.diagonal_part(self._p, self._q, X, XT, Y)
        s = self._single
        _kernels.add_jumps(
            s.row_ptr, s.row_jump, s.row_source, s.row_value, s.run_ptr, s.runs, s.values, X, Y
        )
        if self._P.nnz or self._Q.nnz:
            Z.fill(0.0)
            _add(self._Q, XT, Y, 1.0)
            _add(self._Q, X, Z, -1.0)
            _add(self._P, X, Y, 1.0)
            _add(self._P, XT, Z, 1.0)
            _kernels.add_transpose(Z, Y)
        for A, B in self._several:
            self._add_general(A, B, X, XT, Y)
        return out

    def _add_general(self, A: Any, B: Any, X: Real, XT: Real, Y: Real) -> None:
        """Y += A X Aᵀ + B X Bᵀ + B Xᵀ Aᵀ - A Xᵀ Bᵀ, as products from the left only."""
        Z, (U, V) = self._Z, self._Y
        # (A X + B Xᵀ) Aᵀ = (A (A X + B Xᵀ)ᵀ)ᵀ, and the same with B
        Z.fill(0.0)
        for left, terms in ((A, ((A, X, 1.0), (B, XT, 1.0))), (B, ((B, X, 1.0), (A, XT, -1.0)))):
            if left.nnz:
                U.fill(0.0)
                for S, source, sign in terms:
                    _add(S, source, U, sign)
                _kernels.transpose(U, V)
                _add(left, V, Z, 1.0)
        _kernels.add_transpose(Z, Y)

    @staticmethod
    def accumulate(weights: Real, x: Real, rows: Real) -> None:
        """Add ``weights[q] * x`` to every ``rows[q]``."""
        _kernels.accumulate(weights, x, rows)

    def __call__(self, x: Real) -> Real:
        """Return the derivative of the raveled X, shape (dim²,)."""
        return self.apply(np.ascontiguousarray(x, dtype=float), np.empty(self.size))


def _csr32(matrix: Any) -> sp.csr_array:
    out = sp.csr_array(
        matrix, dtype=float, copy=True
    )  # the imaginary part of a real array is read-only
    out.eliminate_zeros()
    out.indices, out.indptr = out.indices.astype(np.int32), out.indptr.astype(np.int32)
    out.data = np.ascontiguousarray(out.data, dtype=float)
    return out


def _add(S: sp.csr_array, X: Real, out: Real, sign: float) -> None:
    if S.nnz:
        _kernels.add_product(S.indptr, S.indices, S.data, X, out, sign)


def _make_real(J: sp.csr_array) -> sp.csr_array:
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


@register
@dataclass(frozen=True, eq=False)
class DenseState:
    """A density matrix on the full Hilbert space.

    Parameters
    ----------
    packed : ndarray, shape (hilbert_dim, hilbert_dim)
        The real matrix Re ρ + Im ρ.
    dims : tuple of int
        Local dimensions.
    """

    packed: Real
    dims: tuple[int, ...]

    @classmethod
    def from_product(cls, state: ProductState, dims: Sequence[int]) -> DenseState:
        """Return the density matrix of a product state."""
        return cls(product_matrix(state, dims), tuple(dims))

    def misfit(self, model: Model) -> str | None:
        """Return what keeps the state from being one of the model, or None."""
        if self.dims == model.dims:
            return None
        return f"its sites have dimensions {self.dims} while those of the model have {model.dims}"

    @property
    def rho(self) -> NDArray[np.complex128]:
        """The density matrix, shape (hilbert_dim, hilbert_dim)."""
        return unpack(self.packed)

    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        values = expectation_rows(self.dims, operators) @ self.packed.ravel()
        return values[0::2] + 1j * values[1::2]

    def populations(self) -> Real:
        """Return the diagonal of ρ in the site basis, shape (hilbert_dim,)."""
        return self.packed.diagonal().copy()

    def purity(self) -> Real:
        """Return tr ρ²."""
        return np.asarray(np.vdot(self.packed, self.packed))

    def entropy(self) -> Real:
        """Return the von Neumann entropy -tr ρ ln ρ, in nats."""
        p = np.linalg.eigvalsh(self.rho)
        p = p[p > 0]
        return np.asarray(-(p * np.log(p)).sum())

    def overlap_distribution(self, xi: NDArray[np.int8]) -> Real:
        """Return P(m) of σᶻ measurements for every pattern, shape (n_patterns, n_spins + 1)."""
        n_spins = xi.shape[1]
        p = self.populations().reshape(2**n_spins, -1).sum(axis=1)
        bits = (np.arange(2**n_spins)[:, None] >> np.arange(n_spins)[::-1]) & 1
        agreeing = ((1 - 2 * bits) @ xi.T.astype(int) + n_spins) // 2
        return np.stack([np.bincount(row, p, n_spins + 1) for row in agreeing.T])

    def overlap_moments(self, xi: NDArray[np.int8], orders: Sequence[int]) -> Real:
        """Return ⟨mⁿ⟩ of every pattern, shape (n_patterns, n_orders)."""
        return moments_of(self.overlap_distribution(xi), orders)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {"packed": self.packed, "dims": np.array(self.dims)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> DenseState:
        """Rebuild the state from `to_arrays`."""
        return cls(np.asarray(arrays["packed"]), tuple(int(d) for d in arrays["dims"]))


def top_level_rows(dims: Sequence[int], modes: Sequence[int]) -> sp.csr_array:
    """Rows f with ``f[k] @ X`` = population of the highest kept level of mode k, X raveled."""
    total = int(np.prod(dims))
    rows = []
    for site, dim in enumerate(dims):
        if site in modes:
            level = np.zeros(dim)
            level[-1] = 1.0
            weight = _diagonal_product(dims, [(site, np.diag(level))]).real
            rows.append(sp.csr_array(sp.diags_array(weight)).reshape((1, total**2)))
    return sp.csr_array(sp.vstack(rows, format="csr")) if rows else sp.csr_array((0, total**2))
