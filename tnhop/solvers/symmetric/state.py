"""Permutation-symmetric states of classes of interchangeable spins, and of modes.

Spins of one class enter through their total spin J only. A state is block-diagonal in all J and
packed block by block like a dense density matrix, Eqs. (33) and (44) of docs/physics.md; the blocks
hold total weights, so that Σ_J tr ρ_J = 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from tnhop.physics.model import Model
from tnhop.physics.state_arguments import (
    check_class_labels,
    check_mode_numbers,
    check_part,
    with_checked_arguments,
)
from tnhop.physics.state_functionals import ModeFunctionals
from tnhop.physics.states import ProductState, coherent_ket
from tnhop.physics.terms import Operator
from tnhop.solvers.exact.block_lindbladian import layout_of, pack, split_blocks, trace_rows, unpack
from tnhop.solvers.symmetric.class_state import ClassState, checked_labels
from tnhop.solvers.symmetric.operators import IndependentPart, correlators
from tnhop.solvers.symmetric.product_blocks import class_blocks, product_blocks
from tnhop.solvers.symmetric.spin_classes import SpinClasses
from tnhop.support.arrays import Real
from tnhop.support.checks import integer, integers, kept, named_arrays, real_array
from tnhop.support.codec import register

__all__ = ["SymmetricState", "joined_labels"]


def joined_labels(
    parts: Sequence[IndependentPart], n_classes: int, n_spins: int, n_modes: int
) -> NDArray[np.intp]:
    """Label of the independent part to which every class, and then every mode, belongs."""
    joined = np.zeros(n_classes + n_modes, dtype=np.intp)
    for k, part in enumerate(parts):
        joined[[*part.classes]] = k
        joined[[n_classes + site - n_spins for site in part.modes]] = k
    return joined


@register
@dataclass(frozen=True, eq=False)
class SymmetricState(ClassState, ModeFunctionals):
    """A state that is symmetric under permutations of the spins inside every class.

    Parameters
    ----------
    packed : ndarray, shape (size,)
        The blocks of all independent parts, packed as Re ρ + Im ρ, one after the other.
    labels : ndarray of int, shape (n_spins,)
        Class of every spin.
    signs : ndarray of int, shape (n_spins,)
        -1 for spins that are conjugated by σˣ.
    fock_dims : ndarray of int, shape (n_modes,)
        Kept levels of every mode.
    joined : ndarray of int, shape (n_classes + n_modes,)
        Independent part to which a class or a mode belongs.
    """

    packed: Real
    labels: NDArray[np.intp]
    signs: NDArray[np.int8]
    fock_dims: NDArray[np.intp]
    joined: NDArray[np.intp]

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        self._check_classes()
        levels = integers(self.fock_dims, "fock_dims", minimum=2, maximum=10**6)
        put("fock_dims", kept(np.array(levels, dtype=np.intp)))
        groups = len(self.classes.sizes) + len(levels)
        put("joined", checked_labels(self.joined, "joined", groups))
        size = sum(part.size for part in self.parts)
        put("packed", real_array(self.packed, "packed", (size,)))
        self.packed.setflags(write=False)

    @classmethod
    def from_product(
        cls,
        state: ProductState,
        model: Model,
        classes: SpinClasses,
        parts: Sequence[IndependentPart],
    ) -> SymmetricState:
        """Average a product state over the permutations inside classes."""
        packed = []
        for part in parts:
            spins = [class_blocks(state.bloch[m], classes.signs[m])
                     for m in map(classes.members, part.classes)]  # fmt: skip
            at = [site - model.n_spins for site in part.modes]
            kets = [coherent_ket(state.alpha[k], model.sites[model.modes[k]].dim) for k in at]
            fields = [np.outer(ket, ket.conj()) for ket in kets]
            packed += [pack(rho).ravel() for rho in product_blocks(spins, fields)]
        fock_dims = [model.sites[site].dim for site in model.modes]
        joined = joined_labels(parts, len(classes.sizes), model.n_spins, model.n_modes)
        return cls(np.concatenate(packed), classes.labels, classes.signs,
                   np.array(fock_dims, dtype=np.intp), joined)  # fmt: skip

    @classmethod
    def from_populations(
        cls, table: Real, classes: SpinClasses, part: IndependentPart
    ) -> SymmetricState:
        """Return the diagonal state with P(n₁, n₂, ...) up spins in the classes of one part."""
        packed = []
        sizes, space = part.sizes, part.space
        for two_J, log_d in zip(space.blocks, space.log_multiplicities, strict=True):
            window = table[tuple(slice((N + J) // 2, ((N - J) // 2 - 1) if N > J else None, -1)
                                 for N, J in zip(sizes, two_J, strict=True))]  # fmt: skip
            weight = np.zeros(window.shape)
            for g, (N, J) in enumerate(zip(sizes, two_J, strict=True)):
                n = np.arange((N + J) // 2, (N - J) // 2 - 1, -1)
                ways = gammaln(N + 1) - gammaln(n + 1) - gammaln(N - n + 1)
                weight = weight - ways.reshape([-1 if a == g else 1 for a in range(len(sizes))])
            packed.append(np.diag((window * np.exp(weight + log_d)).ravel()).ravel())
        joined = np.zeros(len(classes.sizes), dtype=np.intp)
        levels = np.zeros(0, dtype=np.intp)
        return cls(np.concatenate(packed), classes.labels, classes.signs, levels, joined)

    def rejoined(self, parts: Sequence[IndependentPart]) -> SymmetricState:
        """Return the same state as a product of coarser parts."""
        if [(p.classes, p.modes) for p in parts] == [(p.classes, p.modes) for p in self.parts]:
            return self
        packed = np.concatenate([self._kronecker_blocks(part) for part in parts])
        n_spins, n_classes = len(self.labels), len(self.classes.sizes)
        joined = joined_labels(parts, n_classes, n_spins, len(self.fock_dims))
        return SymmetricState(packed, self.labels, self.signs, self.fock_dims, joined)

    def _kronecker_blocks(self, part: IndependentPart) -> Real:
        """Kronecker products of the blocks of the smaller parts inside `part`, in its order."""
        inside = [
            k for k, smaller in enumerate(self.parts)
            if {*smaller.classes} <= {*part.classes} and {*smaller.modes} <= {*part.modes}
        ]  # fmt: skip
        axes_of = [(*smaller.classes, *(-m for m in smaller.modes)) for smaller in self.parts]
        have = [axis for k in inside for axis in axes_of[k]]
        order = [have.index(axis) for axis in (*part.classes, *(-m for m in part.modes))]
        smaller_blocks = [dict(zip(self.parts[k].space.blocks, self.blocks(k), strict=True))
                          for k in inside]  # fmt: skip
        packed = []
        for two_J, dim in zip(part.space.blocks, part.space.block_dims, strict=True):
            J = dict(zip(part.classes, two_J, strict=True))
            total, shape = np.ones((1, 1), dtype=complex), []
            for k, blocks in zip(inside, smaller_blocks, strict=True):
                total = np.kron(total, blocks[tuple(J[g] for g in self.parts[k].classes)])
                shape += [J[g] + 1 for g in self.parts[k].classes] + [*self.parts[k].fock_dims]
            moved = total.reshape(shape + shape).transpose(order + [len(order) + a for a in order])
            packed.append(pack(moved.reshape(dim, dim)).ravel())
        return np.concatenate(packed)

    def misfit(self, model: Model) -> str | None:
        """Return why the state does not fit the model, as half a sentence, or None."""
        have = tuple(self.fock_dims.tolist())
        want = tuple(model.sites[site].dim for site in model.modes)
        if counts := super().misfit(model):
            return counts
        return None if have == want else f"its modes have {have} levels while the model has {want}"

    @cached_property
    def parts(self) -> list[IndependentPart]:
        """The independent parts."""
        n_classes, n_spins = len(self.classes.sizes), len(self.labels)
        parts = []
        for label in range(int(self.joined.max(initial=-1)) + 1):
            inside = np.flatnonzero(self.joined == label)
            members = tuple(int(g) for g in inside if g < n_classes)
            modes = tuple(int(m) - n_classes for m in inside if m >= n_classes)
            sizes = tuple(self.classes.sizes[g] for g in members)
            levels = tuple(int(self.fock_dims[m]) for m in modes)
            sites = tuple(n_spins + m for m in modes)
            parts.append(IndependentPart(members, sites, sizes, levels))
        return parts

    @cached_property
    def packed_parts(self) -> list[Real]:
        """The packed blocks of every part."""
        ends = np.cumsum([part.size for part in self.parts])
        return np.split(self.packed, ends[:-1])

    @with_checked_arguments(k=check_part)
    def blocks(self, k: int) -> list[NDArray[np.complex128]]:
        """Return the density matrices of part k, block by block; their traces add up to one."""
        space = self.parts[k].space
        return [unpack(X) for X in split_blocks(self.packed_parts[k], space.block_dims)]

    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        keys, weights, owner, table = correlators(operators, self.classes, self.parts)
        product = weights
        for k, (part, packed) in enumerate(zip(self.parts, self.packed_parts, strict=True)):
            layout = layout_of(part.space.block_dims)
            moments = trace_rows(map(part.space.operator, keys[k]), layout) @ packed
            product = product * (moments[0::2] + 1j * moments[1::2])[table[:, k]]
        values = np.zeros(len(operators), dtype=complex)
        np.add.at(values, owner, product)
        return values

    def _spectra(self, k: int) -> tuple[Real, Real]:
        """Return the eigenvalues of ρ in part k and the logarithms of their multiplicities."""
        space = self.parts[k].space
        weights = [np.linalg.eigvalsh(rho) for rho in self.blocks(k)]
        return np.concatenate(weights), np.repeat(space.log_multiplicities, space.block_dims)

    def purity(self) -> Real:
        """Return tr ρ² = Σ_J tr ρ_J² / d_J."""
        product = 1.0
        for part, packed in zip(self.parts, self.packed_parts, strict=True):
            space = part.space
            squares = np.add.reduceat(packed**2, np.concatenate(
                [[0], np.cumsum(space.block_dims**2)[:-1]]))  # fmt: skip
            product *= float(np.sum(squares * np.exp(-space.log_multiplicities)))
        return np.asarray(product)

    def entropy(self) -> Real:
        """Return the von Neumann entropy -tr ρ ln ρ, in nats."""
        total = 0.0
        for k in range(len(self.parts)):
            p, log_d = self._spectra(k)
            kept = p > 0
            total -= float(np.sum(p[kept] * (np.log(p[kept]) - log_d[kept])))
        return np.asarray(total)

    def smallest_eigenvalue(self) -> float:
        """Return the smallest eigenvalue of the blocks: below zero, ρ is no state."""
        return min(float(self._spectra(k)[0].min()) for k in range(len(self.parts)))

    @cached_property
    def class_distribution(self) -> Real:
        """P(n₁, n₂, ...) of the numbers of up spins in all classes."""
        order = [g for part in self.parts for g in part.classes]
        joint = np.ones(())
        for part, packed in zip(self.parts, self.packed_parts, strict=True):
            space, layout = part.space, layout_of(part.space.block_dims)
            p = packed[layout.start + np.arange(space.n) - layout.first]
            table = np.zeros([N + 1 for N in space.sizes])
            n_up = [(N + M) // 2 for N, M in zip(space.sizes, space.two_M, strict=True)]
            if n_up:
                np.add.at(table, tuple(n_up), p)
            else:  # a part of modes alone
                table += p.sum()
            joint = np.multiply.outer(joint, table)
        return np.transpose(joint, np.argsort(order))

    def mode_state(self, mode: int) -> NDArray[np.complex128]:
        """Return the density matrix of a mode in the Fock basis, shape (fock_dim, fock_dim)."""
        mode = integer(mode, "mode", minimum=0, maximum=len(self.fock_dims) - 1)
        site, dim = len(self.labels) + mode, int(self.fock_dims[mode])
        k, part = next((k, p) for k, p in enumerate(self.parts) if site in p.modes)
        axis, total = len(part.classes) + part.modes.index(site), np.zeros((dim, dim), complex)
        for rho, shape in zip(self.blocks(k), part.space.shapes, strict=True):
            before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
            total += np.einsum("aibajb->ij", rho.reshape((before, dim, after) * 2))
        return total

    @with_checked_arguments(classes=check_class_labels, modes=check_mode_numbers)
    def negativity(self, classes: Sequence[int], modes: Sequence[int] = ()) -> Real:
        """Return the negativity between some classes and modes and all others.

        N = (‖ρ^T‖₁ - 1)/2 with the partial transpose over the given ones; zero for every separable
        state.

        Parameters
        ----------
        classes : sequence of int
            Labels of classes.
        modes : sequence of int
            Numbers of modes.

        Notes
        -----
        Inside a block the multiplicities of the classes factor off, so that blocks add up. *Cost.*
        All eigenvalues of all blocks.
        """
        norm = 1.0
        for k, part in enumerate(self.parts):
            sites = [len(self.labels) + mode for mode in modes]
            given = [part.classes.index(g) for g in classes if g in part.classes]
            given += [len(part.classes) + part.modes.index(s) for s in sites if s in part.modes]
            total = 0.0
            for rho, shape in zip(self.blocks(k), part.space.shapes, strict=True):
                axes = np.arange(2 * len(shape))
                for a in given:
                    axes[[a, a + len(shape)]] = axes[[a + len(shape), a]]
                moved = rho.reshape(*shape, *shape).transpose(axes).reshape(rho.shape)
                total += float(np.abs(np.linalg.eigvalsh(moved)).sum())
            norm *= total
        return np.asarray((norm - 1) / 2)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {name: getattr(self, name) for name in
                ("packed", "labels", "signs", "fock_dims", "joined")}  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> SymmetricState:
        """Rebuild the state from `to_arrays`."""
        return cls(**named_arrays(arrays, ("packed", "labels", "signs", "fock_dims", "joined")))
