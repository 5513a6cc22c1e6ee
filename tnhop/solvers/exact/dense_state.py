"""Dense density matrices, sparse matrices of operators, and the Lindbladian in real arithmetic.

The site basis is the Kronecker product of the local ones; site 0 is the most significant factor. A
density matrix is packed into the real matrix X = Re ρ + Im ρ, Eq. (33) of docs/physics.md, so that
Hermiticity is exact by construction and no 4^N × 4^N matrix is ever formed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.operators import local_matrix
from tnhop.physics.state_functionals import ModeFunctionals, StateFunctionals
from tnhop.physics.states import ProductState, check_dims, coherent_ket
from tnhop.physics.terms import Operator
from tnhop.solvers.exact.block_lindbladian import (
    BlockLindbladian,
    layout_of,
    pack,
    trace_rows,
    unpack,
)
from tnhop.support.arrays import Real
from tnhop.support.checks import fail, integer, integers, named_arrays, real_array
from tnhop.support.codec import register

__all__ = [
    "DenseState",
    "Lindbladian",
    "expectation_rows",
    "jump_matrix",
    "operator_matrix",
    "product_matrix",
    "top_level_rows",
]


def operator_matrix(dims: Sequence[int], operator: Operator) -> sp.csr_array:
    """Matrix of an operator, shape (hilbert_dim, hilbert_dim), complex, sparse."""
    total = int(np.prod(dims))
    diagonal = np.zeros(total, dtype=complex)
    parts: list[tuple[NDArray[Any], ...]] = []
    for term in operator.terms:
        local = [(site, local_matrix(name, dims[site])) for site, name in term.factors]
        if all(np.count_nonzero(m - np.diag(m.diagonal())) == 0 for _, m in local):
            diagonal += term.coefficient * _diagonal_product(dims, local)
        else:
            rows, columns, values = _kron(dims, dict(local))
            parts.append((rows, columns, term.coefficient * values))
    if diagonal.any():
        parts.append((np.arange(total), np.arange(total), diagonal))
    return _csr(parts, total)


def _csr(parts: Sequence[tuple[NDArray[Any], ...]], total: int) -> sp.csr_array:
    """Sum of matrices that are given as rows, columns and values."""
    if not parts:
        return sp.csr_array((total, total), dtype=complex)
    rows, columns, values = map(np.concatenate, zip(*parts, strict=True))
    matrix = sp.csr_array((values, (rows, columns)), (total, total))
    matrix.eliminate_zeros()
    return matrix


def _diagonal_product(dims: Sequence[int], local: list[tuple[int, NDArray[Any]]]) -> NDArray[Any]:
    product = np.ones((1,) * len(dims), dtype=complex)
    for site, matrix in local:
        shape = [1] * len(dims)
        shape[site] = -1
        product = product * matrix.diagonal().reshape(shape)
    return np.broadcast_to(product, dims).ravel()


def _kron(dims: Sequence[int], local: dict[int, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """Rows, columns and values of the Kronecker product, with identities at all other sites."""
    rows = columns = np.zeros(1, dtype=np.int64)
    values = np.ones(1, dtype=complex)
    for site, dim in enumerate(dims):
        matrix = local.get(site)
        at = (np.arange(dim),) * 2 if matrix is None else np.nonzero(matrix)
        rows = np.add.outer(rows * dim, at[0]).ravel()
        columns = np.add.outer(columns * dim, at[1]).ravel()
        factors = np.ones(dim) if matrix is None else matrix[at]
        values = np.multiply.outer(values, factors).ravel()
    return rows, columns, values


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
    parts = []
    for name, amplitude in jump.functions:
        rows, columns, flips = _kron(dims, {jump.site: local_matrix(name, 2)})
        factors = np.asarray(amplitude(*fields), dtype=complex)
        parts.append((rows, columns, factors[rows] * flips))
    return _csr(parts, int(np.prod(dims)))


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
    layout = layout_of(np.array([int(np.prod(dims))]))
    return trace_rows((operator_matrix(dims, operator) for operator in operators), layout)


class Lindbladian(BlockLindbladian):
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
        dims = self.dims = model.dims
        jumps = [jump_matrix(dims, jump) for jump in model.jumps]
        shape = (model.hilbert_dim,) * 2
        decay = sum((J.conj().T @ J for J in jumps), sp.csr_array(shape, dtype=complex))
        A = sp.csr_array(-1j * operator_matrix(dims, model.hamiltonian) - decay / 2)
        super().__init__((model.hilbert_dim,), A, jumps)


@register
@dataclass(frozen=True, eq=False)
class DenseState(StateFunctionals, ModeFunctionals):
    """A density matrix on the full Hilbert space.

    Parameters
    ----------
    packed : ndarray, shape (hilbert_dim, hilbert_dim)
        The real matrix Re ρ + Im ρ.
    dims : tuple of int
        Local dimensions.
    n_spins : int, optional
        Number of spins, which come first; by default the leading sites of dimension 2.
    """

    packed: Real
    dims: tuple[int, ...]
    n_spins: int | None = None

    def __post_init__(self) -> None:
        dims = tuple(integers(self.dims, "dims", minimum=2))
        n_spins = next((k for k, dim in enumerate(dims) if dim != 2), len(dims))
        if self.n_spins is not None:
            n_spins = integer(self.n_spins, "n_spins", minimum=0, maximum=n_spins)
        object.__setattr__(self, "dims", dims)
        object.__setattr__(self, "n_spins", n_spins)
        if not dims:
            raise fail("dims", "have a dimension for every site", "it is empty")
        packed = real_array(self.packed, "packed", (math.prod(dims), math.prod(dims)))
        packed.setflags(write=False)
        object.__setattr__(self, "packed", packed)

    @classmethod
    def from_product(cls, state: ProductState, dims: Sequence[int]) -> DenseState:
        """Return the density matrix of a product state."""
        checked = check_dims(state, dims)
        return cls(product_matrix(state, checked), checked, len(state.bloch))

    def misfit(self, model: Model) -> str | None:
        """Return why the state does not fit the model, as half a sentence, or None."""
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

    def mode_state(self, mode: int) -> NDArray[np.complex128]:
        """Return the density matrix of a mode in the Fock basis, shape (fock_dim, fock_dim)."""
        assert self.n_spins is not None
        n_modes = len(self.dims) - self.n_spins
        site = self.n_spins + integer(mode, "mode", minimum=0, maximum=n_modes - 1)
        before, after = math.prod(self.dims[:site]), math.prod(self.dims[site + 1 :])
        rho = self.rho.reshape(before, self.dims[site], after, before, self.dims[site], after)
        return np.asarray(np.einsum("aibajb->ij", rho))

    def purity(self) -> Real:
        """Return tr ρ²."""
        return np.asarray(np.vdot(self.packed, self.packed))

    def entropy(self) -> Real:
        """Return the von Neumann entropy -tr ρ ln ρ, in nats."""
        p = np.linalg.eigvalsh(self.rho)
        p = p[p > 0]
        return np.asarray(-(p * np.log(p)).sum())

    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> Real:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns."""
        n_patterns, n_spins = xi.shape
        p = self.populations().reshape(2**n_spins, -1).sum(axis=1)
        bits = (np.arange(2**n_spins)[:, None] >> np.arange(n_spins)[::-1]) & 1
        agreeing = ((1 - 2 * bits) @ xi.T.astype(int) + n_spins) // 2
        total = np.zeros((n_spins + 1,) * n_patterns)
        np.add.at(total, tuple(agreeing.T), p)
        return total

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {
            "packed": self.packed, "dims": np.array(self.dims), "n_spins": np.array(self.n_spins)
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> DenseState:
        """Rebuild the state from `to_arrays`."""
        fields: dict[str, Any] = named_arrays(arrays, ("packed", "dims"))
        if "n_spins" in arrays:  # not in old files
            fields |= named_arrays(arrays, ("n_spins",))
        return cls(**fields)


def top_level_rows(
    dims: Sequence[int], modes: Sequence[int], counts: Sequence[int]
) -> sp.csr_array:
    """Rows f with ``f[k] @ X`` = population of the highest levels of mode k, X raveled.

    Of every mode as many levels as `counts` says.
    """
    total = int(np.prod(dims))
    rows = []
    highest = dict(zip(modes, counts, strict=True))
    for site, dim in enumerate(dims):
        if site in highest:
            level = np.zeros(dim)
            level[-highest[site] :] = 1.0
            weight = _diagonal_product(dims, [(site, np.diag(level))]).real
            rows.append(sp.csr_array(sp.diags_array(weight)).reshape((1, total**2)))
    return sp.csr_array(sp.vstack(rows, format="csr")) if rows else sp.csr_array((0, total**2))
