"""Density matrices as real matrix-product states.

A density matrix is the vector of its coordinates in Hermitian local bases, written as a chain of
real tensors with legs ``vL a vR``. Spins carry a weight ε on everything but the identity, so that a
w-body correlation counts εʷ in the norm of the vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.model import Model
from tnhop.physics.operators import SPIN_OPERATORS, LocalBasis, mode_basis
from tnhop.physics.state_arguments import (
    check_cut,
    check_pairs,
    check_sites,
    check_switch,
    with_checked_arguments,
)
from tnhop.physics.state_functionals import ModeFunctionals, StateFunctionals
from tnhop.physics.states import ProductState, check_dims, coherent_ket
from tnhop.physics.terms import Operator
from tnhop.solvers.chain.network.contractions import (
    characteristic_function,
    check_chain,
    checked_weight,
    contract_site,
    coordinates_of,
    from_quimb,
    geometry,
    local_bases,
    matrix_of,
    reduced_coordinates,
    schmidt,
    split_vector,
    squared_norm,
    to_quimb,
    witness_pairs,
)
from tnhop.solvers.chain.network.product_strings import (
    TracedChain,
    dual_vector,
    evaluation_plan,
    pair_plan,
    sweep,
)
from tnhop.support.arrays import Complex, Real
from tnhop.support.checks import complex_array, fail, integer, integers, kept, named_arrays, real
from tnhop.support.codec import register

__all__ = ["MPSState"]


_MAX_DENSE = 2**12  # Hilbert dimension of a dense matrix: 268 MB
_MAX_BLOCK = 2**8  # of a block whose partial transpose is diagonalised
_MAX_PHASES = 5e6  # phases times bond of a joint distribution
_CHUNK = 2**18  # entries of a stack of phases
_PAULI = np.array([SPIN_OPERATORS[name] for name in "Ixyz"])


@register
@dataclass(frozen=True, eq=False)
class MPSState(StateFunctionals, ModeFunctionals):
    r"""A density matrix as a real matrix-product state.

    .. math::
        \rho = \sum_{a_1 a_2 \dots} \left(A_1^{a_1} A_2^{a_2} \cdots\right)
               B_{a_1} \otimes B_{a_2} \otimes \cdots

    The matrices B belong to ``spin_basis(epsilon)`` and ``mode_basis(dim)``. No canonical form is
    assumed. Nothing is renormalised: expectation values are tr(Oρ), also where tr ρ is not 1.

    Parameters
    ----------
    tensors : tuple of ndarray, shapes (bond, dim**2, bond)
        The real tensors A by position on the chain; the outer bonds are 1.
    order : ndarray of int, shape (n_sites,)
        Site at every position.
    dims : ndarray of int, shape (n_sites,)
        Dimension of every site, in site order.
    n_spins : int
        Number of spins; they come first among the sites.
    epsilon : float
        Weight of all coordinates of a spin but its trace, dimensionless.

    Examples
    --------
    >>> import tnhop as th
    >>> up = th.ProductState(np.array([[0.0, 0.0, 1.0], [0.6, 0.0, 0.0]]), np.zeros(0))
    >>> state = MPSState.from_product(up, dims=(2, 2), order=(1, 0), epsilon=0.3)
    >>> state.expect([th.sigma("z")(0) * th.sigma("x")(1)]).real
    array([0.6])
    """

    tensors: tuple[NDArray[Any], ...]
    order: NDArray[np.intp]
    dims: NDArray[np.intp]
    n_spins: int
    epsilon: float

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        dims, order, n_spins = geometry(self.dims, self.order, self.n_spins)
        put("dims", kept(np.array(dims, dtype=np.intp)))
        put("order", kept(np.array(order, dtype=np.intp)))
        put("n_spins", n_spins)
        put("tensors", kept(check_chain(self.tensors, order, dims)))
        put("epsilon", checked_weight(self.epsilon))

    @classmethod
    def from_product(
        cls, state: ProductState, dims: Sequence[int], order: Sequence[int], epsilon: float
    ) -> MPSState:
        """Return a product state, of bond 1; coherent states are truncated and normalised.

        Parameters
        ----------
        state : ProductState
            Bloch vectors and coherent amplitudes.
        dims : sequence of int
            Dimension of every site, in site order.
        order : sequence of int
            Site at every position.
        epsilon : float
            Weight of the coordinates of spins.
        """
        dims = check_dims(state, dims)
        epsilon = checked_weight(epsilon)
        order = integers(order, "order", minimum=0, maximum=len(dims) - 1)
        vectors = [np.array([1.0, epsilon * z, epsilon * x, epsilon * y])
                   for x, y, z in state.bloch]  # fmt: skip
        for alpha, dim in zip(state.alpha, dims[len(state.bloch) :], strict=True):
            ket = coherent_ket(alpha, int(dim))
            vectors.append(mode_basis(int(dim)).coordinates(np.outer(ket, ket.conj())))
        tensors = tuple(vectors[site].reshape(1, -1, 1) for site in order)
        return cls(tensors, np.array(order), np.array(dims), len(state.bloch), epsilon)

    @classmethod
    def from_dense(
        cls,
        rho: Complex,
        dims: Sequence[int],
        n_spins: int,
        order: Sequence[int],
        epsilon: float,
        cutoff: float = 0.0,
    ) -> MPSState:
        """Return the chain of a dense density matrix, by successive SVDs.

        Parameters
        ----------
        rho : ndarray, shape (hilbert_dim, hilbert_dim)
            Hermitian matrix in site order, site 0 most significant.
        dims, n_spins, order, epsilon
            As in the class.
        cutoff : float
            Relative weight discarded at every cut, in the norm with weights ε; 0 keeps everything
            above rounding.
        """
        dims, order, n_spins = geometry(dims, order, n_spins)
        epsilon = checked_weight(epsilon)
        cutoff = real(cutoff, "cutoff", minimum=0.0, maximum=1.0)
        rho = complex_array(rho, "rho", (math.prod(dims), math.prod(dims)))
        defect = np.linalg.norm(rho - rho.conj().T)
        if defect > 1e-8 * np.linalg.norm(rho):
            raise fail("rho", "be Hermitian", f"it differs from its adjoint by {defect:.1e}")
        bases = local_bases(np.asarray(dims), np.asarray(order), n_spins, epsilon)
        vector = coordinates_of(rho, dims, order, bases)
        chain = split_vector(vector, [basis.size for basis in bases], cutoff)
        return cls(tuple(chain), np.asarray(order), np.asarray(dims), n_spins, epsilon)

    def misfit(self, model: Model) -> str | None:
        """Return why the state does not fit the model, as half a sentence, or None."""
        dims = tuple(self.dims.tolist())
        if (counts := super().misfit(model)) or dims == tuple(model.dims):
            return counts
        return f"its sites have dimensions {dims} while those of the model have {model.dims}"

    @cached_property
    def bases(self) -> list[LocalBasis]:
        """Local bases by position."""
        return local_bases(self.dims, self.order, self.n_spins, self.epsilon)

    @property
    def bond_dims(self) -> tuple[int, ...]:
        """Bond dimensions between neighbouring positions, n_sites - 1 of them."""
        return tuple(tensor.shape[2] for tensor in self.tensors[:-1])

    @cached_property
    def _traced(self) -> list[Real]:
        """Tensors with the trace functional on their coordinate, legs vL vR."""
        pairs = zip(self.tensors, self.bases, strict=True)
        return [contract_site(tensor, basis.trace) for tensor, basis in pairs]

    @cached_property
    def _left_envs(self) -> list[Real]:
        """Left environments of the trace: entry n covers the positions below n."""
        left = [np.ones(1)]
        for matrix in self._traced:
            left.append(left[-1] @ matrix)
        return left

    @cached_property
    def _right_envs(self) -> list[Real]:
        """Right environments of the trace: entry n covers the positions from n on."""
        right = [np.ones(1)]
        for matrix in reversed(self._traced):
            right.append(matrix @ right[-1])
        return right[::-1]

    @property
    def _contraction(self) -> TracedChain:
        return TracedChain(self.tensors, self._traced, self._right_envs, self.bases)

    def trace(self) -> Real:
        """Return tr ρ."""
        return np.asarray(self._right_envs[0][0])

    def expect(self, operators: Sequence[Operator]) -> Complex:
        """Return the expectation values tr(Oρ), shape (n_operators,).

        Parameters
        ----------
        operators : sequence of Operator
            All are evaluated in one sweep along the chain.

        Notes
        -----
        *Cost.* bond² · (different beginnings of the strings of all operators), at every position;
        the arrangement is built once for every list of operators.
        """
        chain = tuple(self.order.tolist()), tuple(self.dims.tolist())
        plan, weights = evaluation_plan(tuple(operators), *chain, self.n_spins)
        return np.asarray(weights @ sweep(plan, self._contraction), dtype=complex)

    def _reduced(self, positions: Sequence[int]) -> Real:
        """Coordinates of the reduced state at some rising positions, raveled."""
        return reduced_coordinates(
            positions, self.tensors, self._traced, self._left_envs, self._right_envs
        )

    @cached_property
    def _positions(self) -> list[int]:
        """Position of every site."""
        return np.argsort(self.order).tolist()

    def bloch(self) -> Real:
        """Return the one-site expectation values (σˣ, σʸ, σᶻ), shape (n_spins, 3)."""
        vectors = [self._reduced([n])[[2, 3, 1]] for n in self._positions[: self.n_spins]]
        return np.array(vectors).reshape(-1, 3) / self.epsilon

    def mode_state(self, mode: int) -> Complex:
        """Return the density matrix of a mode in the Fock basis, shape (fock_dim, fock_dim)."""
        mode = integer(mode, "mode", minimum=0, maximum=len(self.dims) - self.n_spins - 1)
        n = self._positions[self.n_spins + mode]
        return np.asarray(np.tensordot(self._reduced([n]), self.bases[n].matrices, 1))

    @with_checked_arguments(pairs=check_pairs)
    def pair_states(self, pairs: Sequence[tuple[int, int]]) -> Complex:
        """Return the reduced states of pairs of spins, shape (n_pairs, 4, 4).

        Parameters
        ----------
        pairs : sequence of (int, int)
            Two different spins each, the first most significant.
        """
        two = sweep(pair_plan(tuple(pairs), tuple(self.order.tolist())), self._contraction)
        bloch, index = self.bloch(), np.array(pairs, dtype=np.intp).reshape(-1, 2)
        c = np.empty((len(index), 4, 4))
        c[:, 0, 0], c[:, 1:, 1:] = self.trace(), two.reshape(-1, 3, 3)
        c[:, 1:, 0], c[:, 0, 1:] = bloch[index[:, 0]], bloch[index[:, 1]]
        rho = np.einsum("pab,aij,bkl->pikjl", c, _PAULI, _PAULI, optimize=True)
        return rho.reshape(-1, 4, 4) / 4

    def smallest_eigenvalue(self) -> float:
        """Return the smallest eigenvalue of reduced states: below zero, ρ is no state.

        Notes
        -----
        One-site states of all sites, and two-site states of spins: all pairs of up to 32 spins,
        else the neighbours on the chain and one far partner of every spin. A witness: the full ρ
        may have lower eigenvalues.
        """
        smallest = [
            np.linalg.eigvalsh(np.tensordot(self._reduced([n]), basis.matrices, 1))[0]
            for n, basis in enumerate(self.bases)
        ]
        pairs = witness_pairs([int(site) for site in self.order if site < self.n_spins])
        if pairs:
            smallest.append(np.linalg.eigvalsh(self.pair_states(pairs)).min())
        return float(min(smallest))

    def reduced_state(self, sites: Sequence[int]) -> Complex:
        """Return the density matrix of some sites, shape (dim, dim), the first most significant.

        Parameters
        ----------
        sites : sequence of int
            Different sites, spins or modes, of a joint dimension of at most 4096.

        Notes
        -----
        *Cost.* dim² · bond² for every site, bond³ for every position in between.
        """
        sites, n = list(sites), len(sites)
        if (total := math.prod(self.dims[sites].tolist())) > _MAX_DENSE:
            spec = f"have a joint dimension of at most {_MAX_DENSE}"
            raise fail("sites", spec, f"{n} sites have {total}")
        at = sorted(self._positions[site] for site in sites)
        chain = [int(self.order[k]) for k in at]
        bases, places = [self.bases[k] for k in at], [chain.index(site) for site in sites]
        return matrix_of(self._reduced(at), bases, places)

    def to_dense(self) -> Complex:
        """Return ρ, shape (hilbert_dim, hilbert_dim), in site order, site 0 most significant."""
        return self.reduced_state(range(len(self.dims)))

    def _flat_tensors(self) -> list[Real]:
        """Tensors in orthonormal local bases: the norm of their vector is that of the matrix ρ."""
        norms = [np.linalg.norm(basis.matrices, axis=(1, 2)) for basis in self.bases]
        return [A * s[:, None] for A, s in zip(self.tensors, norms, strict=True)]

    def purity(self) -> Real:
        """Return tr ρ².

        Notes
        -----
        A w-body correlation enters with ε⁻ʷ of its weight in the norm in which a chain is
        truncated: for small ε compare at several ε. *Cost.* n_sites · dim² · bond³.
        """
        return np.asarray(squared_norm(self._flat_tensors()))

    @with_checked_arguments(cut=check_cut, weighted=check_switch)
    def schmidt_values(self, cut: int, weighted: bool = False) -> Real:
        """Return the operator-Schmidt values of ρ at one cut, falling, shape (rank,).

        Parameters
        ----------
        cut : int
            The cut between the positions `cut` and `cut` + 1.
        weighted : bool
            Use the norm with weights ε, in which a chain is truncated, not the Frobenius norm.
        """
        tensors = [A.astype(float) for A in self.tensors] if weighted else self._flat_tensors()
        return schmidt(tensors)[cut]

    def operator_entanglement(self) -> Real:
        r"""Return the operator entanglement of ρ at every cut, in nats, shape (n_sites - 1,).

        .. math:: S = -\sum_k p_k \ln p_k, \qquad p_k = s_k^2 / \sum_l s_l^2

        with the operator-Schmidt values s in the Frobenius norm. *Cost.* n_sites · dim² · bond³.
        """
        squares = [s**2 / np.sum(s**2) for s in schmidt(self._flat_tensors())]
        return np.array([-np.sum(p[p > 0] * np.log(p[p > 0])) for p in squares])

    @with_checked_arguments(first=check_sites, second=check_sites)
    def negativity(self, first: Sequence[int], second: Sequence[int]) -> Real:
        """Return the negativity between two groups of sites, all others traced out.

        N = (‖ρ^T‖₁ - tr ρ)/2 with the partial transpose over `first`; zero for separable states.

        Parameters
        ----------
        first, second : sequence of int
            Different sites, of a joint dimension of at most 256 (8 spins).
        """
        both = [*first, *second]
        dims = [int(self.dims[site]) for site in both]
        if (total := math.prod(dims)) > _MAX_BLOCK:
            spec = f"have, with `second`, a joint dimension of at most {_MAX_BLOCK}"
            raise fail("first", spec, f"{len(both)} sites have {total}")
        rho = self.reduced_state(both)
        a = math.prod(dims[: len(first)])
        moved = rho.reshape(a, total // a, a, total // a).transpose(2, 1, 0, 3)
        weights = np.linalg.eigvalsh(moved.reshape(total, total))
        return np.asarray((np.abs(weights).sum() - weights.sum()) / 2)

    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> Real:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns.

        Notes
        -----
        From the Fourier transform over the numbers of agreeing spins, exact up to rounding (1e-16
        absolute). *Cost.* n_spins · (n_spins + 1)**n_patterns · bond² / 2.
        """
        shape = (self.n_spins + 1,) * len(xi)
        half = (*shape[:-1], shape[-1] // 2 + 1)  # P is real: the other phases are conjugates
        n_phases, bond = math.prod(half), max((1, *self.bond_dims))
        if n_phases * bond > _MAX_PHASES:
            found = f"{len(xi)} patterns need {n_phases} phases at bond {bond}"
            raise fail("xi", f"need at most {_MAX_PHASES:.0e} phases times bond", found,
                       "Use `overlap_distribution`.")  # fmt: skip
        counted: list[tuple[Real, Real | None, Any]] = [
            (T, contract_site(A, dual_vector(("z", 0), basis)), xi[:, site] > 0)
            if site < self.n_spins
            else (T, None, None)
            for site, T, A, basis in zip(self.order.tolist(), self._traced, self.tensors,
                                         self.bases, strict=True)
        ]  # fmt: skip
        step, parts = max(1, _CHUNK // bond), []
        for start in range(0, n_phases, step):
            index = np.unravel_index(np.arange(start, min(start + step, n_phases)), half)
            parts.append(
                characteristic_function(2 * np.pi / shape[0] * np.stack(index, 1), counted)
            )
        phi, axes = np.concatenate(parts).reshape(half), tuple(range(len(xi)))
        return np.asarray(np.fft.irfftn(phi, shape, axes))

    def to_quimb(self) -> Any:
        """Return a `quimb.tensor.MatrixProductState` of the real tensors, tagged by position."""
        return to_quimb(self.tensors)

    @classmethod
    def from_quimb(
        cls, mps: Any, order: Sequence[int], dims: Sequence[int], n_spins: int, epsilon: float
    ) -> MPSState:
        """Return the state of a `quimb.tensor.MatrixProductState`.

        Parameters
        ----------
        mps : quimb.tensor.MatrixProductState
            Open boundaries, real tensors, coordinates of `order[n]` at site n.
        order, dims, n_spins, epsilon
            As in the class.
        """
        tensors = from_quimb(mps)
        dims, order, n_spins = geometry(dims, order, n_spins)
        return cls(tensors, np.asarray(order), np.asarray(dims), n_spins, epsilon)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        scalars = {"n_spins": np.array(self.n_spins), "epsilon": np.array(self.epsilon)}
        tensors = {f"tensor_{n}": tensor for n, tensor in enumerate(self.tensors)}
        return {"order": self.order, "dims": self.dims} | scalars | tensors

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> MPSState:
        """Rebuild the state from `to_arrays`."""
        named: dict[str, Any] = named_arrays(arrays, ("order", "dims", "n_spins", "epsilon"))
        tensors = named_arrays(arrays, [f"tensor_{n}" for n in range(named["order"].size)])
        return cls(tuple(tensors.values()), **named)
