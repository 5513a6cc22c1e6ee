"""Rates of change of linear observables of a chain: ⟨O|L|ρ⟩ without Lρ.

Legs: stack (row, D, vR), core of a functional (D', D a), with the bond D of the generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tnhop.physics.terms import Operator
from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.network.mpo import LindbladMPO
from tnhop.solvers.chain.network.product_strings import Key, dual_vector, evaluation_plan, sweep
from tnhop.support.arrays import Complex, Places, Real
from tnhop.support.checks import check_shape

__all__ = ["GeneratorFunctionals"]


@dataclass(frozen=True, eq=False)
class _FunctionalCore:
    """A functional on the outgoing coordinate of a core.

    Attributes
    ----------
    matrix : ndarray, shape (n_right, n_left n_used)
        What is left of the core.
    used : ndarray of int, shape (n_used,)
        Incoming coordinates on which it depends; few of them, for those of few-body operators.
    """

    matrix: Real
    used: Places

    @classmethod
    def of(cls, f: Real, W: Real | ModeCore) -> _FunctionalCore:
        """Contract a functional with the core of a site."""
        if isinstance(W, ModeCore):
            rows = np.array([M.T @ f for M in W.matrices])  # k a
            core = np.tensordot(W.weights, rows, axes=(1, 0)).transpose(1, 0, 2)  # D' D a
        else:
            core = np.tensordot(W, f, axes=(1, 0)).transpose(2, 0, 1)  # D' D a
        used = np.flatnonzero(core.any(axis=(0, 1)))
        used = used if len(used) else np.zeros(1, dtype=np.intp)
        return cls(np.ascontiguousarray(core[:, :, used]).reshape(len(core), -1), used)


class GeneratorFunctionals:
    """Functionals ⟨O|L of a generator L.

    Parameters
    ----------
    generator : LindbladMPO
        The generator L.

    Examples
    --------
    >>> import tnhop as th
    >>> from tnhop.solvers.chain.network.mpo import lindblad_mpo
    >>> model = th.independent_spins(2, Omega=0.5, decay=1.0)
    >>> functionals = GeneratorFunctionals(lindblad_mpo(model))
    >>> up = th.product_state(model, bloch=[0.0, 0.0, 1.0])
    >>> chain = th.MPSState.from_product(up, model.dims, order=(0, 1), epsilon=1.0)
    >>> functionals.rates_of_change(chain.tensors, [th.sigma("z")(0), th.sigma("y")(0)]).real
    array([-2., -1.])
    """

    def __init__(self, generator: LindbladMPO) -> None:
        self.generator = generator
        self._cores = dict[tuple[int, Key | None], _FunctionalCore]()

    @cached_property
    def _dims(self) -> tuple[int, ...]:
        """Dimension of every site, in site order."""
        by_position = [basis.matrices.shape[1] for basis in self.generator.bases]
        return tuple(by_position[n] for n in np.argsort(self.generator.order))

    def core(self, position: int, key: Key | None) -> _FunctionalCore:
        """Return the functional of a key, or the trace, contracted with a core; once only."""
        if (position, key) not in self._cores:
            basis, W = self.generator.bases[position], self.generator.factors[position]
            f = basis.trace if key is None else dual_vector(key, basis)
            self._cores[position, key] = _FunctionalCore.of(f, W)
        return self._cores[position, key]

    def rates_of_change(self, tensors: Sequence[Real], operators: Sequence[Operator]) -> Complex:
        """Return d tr(Oρ)/dt = tr(O Lρ) of a chain, shape (n_operators,).

        Parameters
        ----------
        tensors : sequence of ndarray, shape (bond, n, bond)
            The density matrix ρ by position, in the coordinates of the generator.
        operators : sequence of Operator
            All are evaluated in one sweep along the chain.

        Notes
        -----
        *Cost.* With the bonds D and χ of generator and chain, at every position n D χ (D + χ) ·
        (different beginnings of the strings of all operators); n counts the coordinates on which a
        functional depends, two of a spin mostly.
        """
        mpo = self.generator
        for n, (A, basis) in enumerate(zip(tensors, mpo.bases, strict=True)):
            check_shape(A, f"tensors[{n}]", ("bond", basis.size, "bond"))
        n_spins = sum(not isinstance(W, ModeCore) for W in mpo.factors)
        order = tuple(mpo.order.tolist())
        plan, weights = evaluation_plan(tuple(operators), order, self._dims, n_spins)
        values = sweep(plan, _EvolvedChain(self, tensors))
        return np.asarray(weights @ values, dtype=complex)


@dataclass(frozen=True, eq=False)
class _EvolvedChain:
    """The contraction of Lρ, a chain of bond D χ."""

    functionals: GeneratorFunctionals
    tensors: Sequence[Real]

    def extended(self, stack: Real, position: int, key: Key | None) -> Real:
        """Return rows with one more position."""
        core, A = self.functionals.core(position, key), self.tensors[position]
        used = A[:, core.used].reshape(len(A), -1)  # vL, a vR
        moved = stack.reshape(-1, len(A)) @ used
        moved = core.matrix @ moved.reshape(len(stack), core.matrix.shape[1], A.shape[2])
        return moved.reshape(len(stack), len(core.matrix) * A.shape[2])  # row, D' vR

    def completed(self, position: int, key: Key | None) -> Real:
        """Return a position with all that follow."""
        if key is None:
            return self._right_envs[position]
        return self._with_right_env(position, key, self._right_envs[position + 1])

    def _with_right_env(self, position: int, key: Key | None, right_env: Real) -> Real:
        core, A = self.functionals.core(position, key), self.tensors[position]
        used = A[:, core.used].reshape(len(A), -1)  # vL, a vR
        moved = core.matrix.T @ right_env.reshape(-1, A.shape[2])  # D a, vR
        return (moved.reshape(-1, used.shape[1]) @ used.T).ravel()  # D vL

    @cached_property
    def _right_envs(self) -> list[Real]:
        """Right environments of the trace: entry n covers the positions from n on."""
        right = [np.ones(1)]
        for n in reversed(range(len(self.tensors))):
            right.append(self._with_right_env(n, None, right[-1]))
        return right[::-1]
