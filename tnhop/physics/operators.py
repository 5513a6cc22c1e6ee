"""Local operators: their names, matrices and products.

A spin operator is one of ``I x y z + - up down`` (index 0 is spin up). A mode operator is a word of
the letters ``a adag n`` separated by spaces, applied from right to left: ``"adag a"``. Modes are
truncated Fock spaces, so a word is kept as written and never reordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.support.checks import fail, one_of

__all__ = [
    "MODE_LETTERS",
    "PAULI_COMPONENTS",
    "SPIN_OPERATORS",
    "LocalBasis",
    "adjoint_name",
    "bloch_components",
    "kind_of",
    "local_matrix",
    "mode_basis",
    "multiply_names",
    "normal_order",
    "spin_basis",
]

SPIN_OPERATORS: dict[str, NDArray[np.complex128]] = {
    "I": np.eye(2, dtype=complex),
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.array([[1, 0], [0, -1]], dtype=complex),
    "+": np.array([[0, 1], [0, 0]], dtype=complex),
    "-": np.array([[0, 0], [1, 0]], dtype=complex),
    "up": np.array([[1, 0], [0, 0]], dtype=complex),
    "down": np.array([[0, 0], [0, 1]], dtype=complex),
}
MODE_LETTERS = ("a", "adag", "n")
_ADJOINT = {"+": "-", "-": "+", "a": "adag", "adag": "a"}


def kind_of(name: str) -> str:
    """Return the kind of site, ``"spin"`` or ``"mode"``, that the operator `name` acts on."""
    if name in SPIN_OPERATORS:
        return "spin"
    for letter in name.split() or [name]:
        one_of(letter, "operator", [*SPIN_OPERATORS, *MODE_LETTERS])
    if not set(name.split()) <= set(MODE_LETTERS):
        raise fail(
            "operator", "name one spin operator or a word of mode letters", f"it is '{name}'"
        )
    return "mode"


def adjoint_name(name: str) -> str:
    """Return the name of the Hermitian conjugate."""
    return " ".join(_ADJOINT.get(letter, letter) for letter in reversed(name.split()))


@cache
def local_matrix(name: str, dim: int) -> NDArray[np.complex128]:
    """Return the matrix of a local operator on a site of dimension `dim`, shape ``(dim, dim)``."""
    if kind_of(name) == "spin":
        return SPIN_OPERATORS[name]
    lower = np.diag(np.sqrt(np.arange(1, dim)), 1).astype(complex)
    letters = {"a": lower, "adag": lower.T, "n": np.diag(np.arange(dim)).astype(complex)}
    matrix = np.eye(dim, dtype=complex)
    for letter in name.split():
        matrix = matrix @ letters[letter]
    return matrix


@cache
def multiply_names(left: str, right: str) -> tuple[complex, str]:
    """Return ``(c, name)`` with left·right = c·name on one site; c = 0 if the product vanishes.

    Every product of two named spin operators is a multiple of a named one; the words of modes are
    joined.
    """
    if kind_of(left) == "mode":
        return 1.0, f"{left} {right}"
    product = SPIN_OPERATORS[left] @ SPIN_OPERATORS[right]
    if not product.any():
        return 0.0, "I"
    for name, matrix in SPIN_OPERATORS.items():
        factor = np.vdot(matrix, product) / np.vdot(matrix, matrix)
        if np.array_equal(factor * matrix, product):
            value = complex(factor)
            return (value.real if value.imag == 0 else value), name
    raise AssertionError(f"no name for {left}·{right}")


def bloch_components(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return c with matrix = c₀ I + c₁ σˣ + c₂ σʸ + c₃ σᶻ, shape ``(4,)``."""
    return np.array([np.vdot(SPIN_OPERATORS[name], matrix) / 2 for name in "Ixyz"])


PAULI_COMPONENTS: dict[str, dict[str, complex]] = {
    name: {axis: complex(c) for axis, c in zip("Ixyz", bloch_components(matrix), strict=True) if c}
    for name, matrix in SPIN_OPERATORS.items()
}  # "+" -> {"x": 0.5, "y": 0.5j}


@cache
def normal_order(name: str) -> dict[tuple[int, int], float]:
    """Return ``{(k, l): c}`` with word = Σ c (a†)ᵏ aˡ for an untruncated mode, [a, a†] = 1."""
    total: dict[tuple[int, int], float] = {(0, 0): 1.0}
    letters = {"a": (0, 1), "adag": (1, 0), "n": (1, 1)}
    for letter in name.split():
        k2, l2 = letters[letter]
        product: dict[tuple[int, int], float] = {}
        for (k1, l1), value in total.items():
            # aˡ a† = a† aˡ + l aˡ⁻¹; each letter carries at most one a†.
            key = (k1 + k2, l1 + l2)
            product[key] = product.get(key, 0.0) + value
            if k2 and l1:
                key = (k1, l1 - 1 + l2)
                product[key] = product.get(key, 0.0) + value * l1
        total = product
    return total


@dataclass(frozen=True, eq=False)
class LocalBasis:
    r"""Real coordinates of Hermitian matrices on one site, Eq. (53) of docs/physics.md.

    .. math:: c_a = \operatorname{tr}(D_a \rho), \qquad \rho = \sum_a c_a B_a .

    Parameters
    ----------
    matrices : ndarray, shape (n, dim, dim)
        Hermitian matrices B_a, n = dim².
    duals : ndarray, shape (n, dim, dim)
        Hermitian matrices D_a with tr(D_a B_b) = δ_ab.
    """

    matrices: NDArray[np.complex128]
    duals: NDArray[np.complex128]

    @property
    def size(self) -> int:
        """Number n = dim² of coordinates."""
        return len(self.matrices)

    @cached_property
    def trace(self) -> NDArray[np.float64]:
        """The functional t with tr ρ = t·c, shape (n,)."""
        return np.trace(self.matrices, axis1=1, axis2=2).real.copy()

    def coordinates(self, rho: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the coordinates c of a Hermitian matrix."""
        return np.einsum("aij,ji->a", self.duals, rho).real

    def functional(self, operator: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return f with tr(O ρ) = f·c."""
        return np.einsum("ij,aji->a", operator, self.matrices)

    def superoperator(
        self, left: NDArray[np.complex128], right: NDArray[np.complex128]
    ) -> NDArray[np.complex128]:
        """Return S with coordinates(left ρ right) = S c; complex unless the map is Hermitian."""
        moved = (left @ self.matrices @ right).transpose(0, 2, 1)
        return self.duals.reshape(self.size, -1) @ moved.reshape(self.size, -1).T

    @cached_property
    def _elements(self) -> tuple[sp.csr_array, sp.csr_array]:
        """Maps from coordinates to raveled matrices and back."""
        n = self.size
        return (
            sp.csr_array(self.matrices.reshape(n, -1).T),
            sp.csr_array(self.duals.transpose(0, 2, 1).reshape(n, -1)),
        )

    def sparse_superoperator(
        self, left: NDArray[np.complex128], right: NDArray[np.complex128]
    ) -> sp.csr_array:
        """Return `superoperator` as a sparse matrix: few entries a row for operators of modes."""
        there, back = self._elements
        moved = sp.kron(sp.csr_array(left), sp.csr_array(right.T))
        return sp.csr_array(back @ moved @ there)


@cache
def spin_basis(epsilon: float = 1.0) -> LocalBasis:
    """Return the coordinates (tr ρ, ε⟨σᶻ⟩, ε⟨σˣ⟩, ε⟨σʸ⟩) of a spin."""
    weight = np.array([1.0, epsilon, epsilon, epsilon])[:, None, None]
    pauli = np.array([SPIN_OPERATORS[name] for name in "Izxy"])
    return LocalBasis(pauli / (2 * weight), weight * pauli)


@cache
def mode_basis(dim: int) -> LocalBasis:
    """Return orthonormal coordinates of a mode: populations, then √2 Re and √2 Im of ρ_mn."""
    matrices = np.zeros((dim**2, dim, dim), dtype=complex)
    matrices[np.arange(dim), np.arange(dim), np.arange(dim)] = 1.0
    m, n = np.triu_indices(dim, 1)
    even = dim + 2 * np.arange(len(m))
    matrices[even, m, n] = matrices[even, n, m] = 0.5**0.5
    matrices[even + 1, m, n], matrices[even + 1, n, m] = 1j * 0.5**0.5, -1j * 0.5**0.5
    return LocalBasis(matrices, matrices)
