"""Expectation values of products of local operators: shared beginnings are contracted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from tnhop.physics.operators import LocalBasis, kind_of, local_matrix
from tnhop.physics.terms import Factors, Operator, pauli_terms
from tnhop.solvers.chain.network.contractions import contract_site
from tnhop.support.arrays import Places, Real
from tnhop.support.checks import fail

Key = tuple[str, int]  # operator name; 0 for the real part of its functional, 1 for the imaginary
String = tuple[tuple[int, Key], ...]  # (position, key) by rising position


@dataclass(frozen=True)
class PlanStep:
    """Work of a sweep on its rows at one position.

    Parameters
    ----------
    keep : ndarray of int
        Rows that pass; the factor here is the identity.
    grow : list of (Key, ndarray of int)
        Rows that become new ones, with a factor here.
    finish : list of (Key, ndarray of int, ndarray of int)
        Rows that have their last factor here, and the strings that they end.
    """

    keep: Places
    grow: list[tuple[Key, Places]]
    finish: list[tuple[Key, Places, Places]]


@dataclass(frozen=True)
class EvaluationPlan:
    """All strings of a sweep: shared prefixes are contracted once."""

    n_strings: int
    empty: list[int]
    steps: list[PlanStep]


@dataclass
class _Tree:
    """Prefixes of all strings: number 0 is the empty one."""

    birth: list[int]
    last: list[int]  # position of the last factor that follows
    children: list[dict[Key, tuple[list[int], list[int]]]]  # by position: parents, own numbers
    leaves: list[dict[Key, tuple[list[int], list[int]]]]  # by position: parents, strings
    empty: list[int]


def _grow_tree(strings: Sequence[String], n_sites: int) -> _Tree:
    """Collect the shared prefixes of strings."""
    tree = _Tree([-1], [-1], [{} for _ in range(n_sites)], [{} for _ in range(n_sites)], [])
    known: dict[tuple[int, int, Key], int] = {}
    for slot, string in enumerate(strings):
        at = 0
        for k, (position, key) in enumerate(string):
            tree.last[at] = max(tree.last[at], position)
            if k == len(string) - 1:
                pair = tree.leaves[position].setdefault(key, ([], []))
                pair[0].append(at)
                pair[1].append(slot)
            elif (child := known.get((at, position, key))) is not None:
                at = child
            else:
                child = known[at, position, key] = len(tree.birth)
                tree.birth.append(position)
                tree.last.append(-1)
                pair = tree.children[position].setdefault(key, ([], []))
                pair[0].append(at)
                pair[1].append(child)
                at = child
        if not string:
            tree.empty.append(slot)
    return tree


def make_plan(strings: Sequence[String], n_sites: int) -> EvaluationPlan:
    """Arrange the rows of a sweep over all strings; a prefix is a row while factors follow."""
    tree = _grow_tree(strings, n_sites)
    last, where = np.array(tree.last), np.zeros(len(tree.birth), dtype=np.intp)
    rows: Places = np.zeros(1, dtype=np.intp)  # the prefix of every row
    steps = []
    for position in range(n_sites):
        where[rows] = np.arange(len(rows))
        children, leaves = tree.children[position], tree.leaves[position]
        keep = np.flatnonzero(last[rows] > position)
        grow = [(key, where[parents]) for key, (parents, _) in children.items()]
        finish = [
            (key, where[parents], np.array(slots, dtype=np.intp))
            for key, (parents, slots) in leaves.items()
        ]
        steps.append(PlanStep(keep, grow, finish))
        new = [np.array(own, dtype=np.intp) for _, own in children.values()]
        rows = np.concatenate([rows[keep], *new])
    return EvaluationPlan(len(strings), tree.empty, steps)


@cache
def dual_vector(key: Key, basis: LocalBasis) -> Real:
    """Return the real or imaginary part of f with tr(O ρ) = f·c."""
    name, part = key
    dim = basis.matrices.shape[1]
    f = basis.functional(local_matrix(name, dim))
    return np.array(f.imag if part else f.real)


class Contraction(Protocol):
    """A vector over all sites, contracted with one functional per site; no key is the trace."""

    def extended(self, stack: Real, position: int, key: Key | None) -> Real:
        """Return rows (n_rows, bond) that end before a position, contracted with it."""

    def completed(self, position: int, key: Key | None) -> Real:
        """Return a position contracted with all traces beyond, shape (bond,)."""


@dataclass(frozen=True, eq=False)
class TracedChain:
    """The contraction of a chain of tensors.

    Parameters
    ----------
    tensors, traced, right : sequence of ndarray
        Tensors; the same with the trace functional; right environments of the trace.
    bases : sequence of LocalBasis
        Bases by position.
    """

    tensors: Sequence[Real]
    traced: Sequence[Real]
    right: Sequence[Real]
    bases: Sequence[LocalBasis]

    def extended(self, stack: Real, position: int, key: Key | None) -> Real:
        """Return rows with one more position."""
        if key is None:
            return stack @ self.traced[position]
        f = dual_vector(key, self.bases[position])
        return stack @ contract_site(self.tensors[position], f)

    def completed(self, position: int, key: Key | None) -> Real:
        """Return a position with all that follow."""
        if key is None:
            return self.right[position]
        ending = self.tensors[position] @ self.right[position + 1]  # vL a
        return ending @ dual_vector(key, self.bases[position])


def sweep(plan: EvaluationPlan, contraction: Contraction) -> Real:
    """Return the values of all strings, shape (n_strings,).

    Notes
    -----
    *Cost.* For a chain (rows at all positions) · bond² multiplications, in matrix products.
    """
    values, stack = np.zeros(plan.n_strings), np.ones((1, 1))
    values[plan.empty] = stack @ contraction.completed(0, None)
    for n, step in enumerate(plan.steps):
        for key, rows, slots in step.finish:
            values[slots] = stack[rows] @ contraction.completed(n, key)
        blocks = [contraction.extended(stack[step.keep], n, None)]
        blocks += [contraction.extended(stack[rows], n, key) for key, rows in step.grow]
        stack = np.concatenate(blocks)
        if not len(stack):
            break
    return values


def _keys(name: str, dim: int) -> list[tuple[complex, Key]]:
    """Split an operator into its parts of real functionals; a Hermitian basis makes them real."""
    if kind_of(name) == "spin":
        return [(1.0, (name, 0))]
    matrix = local_matrix(name, dim)
    adjoint = matrix.conj().T
    parts = [(1.0 + 0j, (name, 0))] if (matrix + adjoint).any() else []
    return parts + ([(1j, (name, 1))] if (matrix - adjoint).any() else [])


def _located(factors: Factors, place: Places, dims: Places, n_spins: int) -> dict[String, complex]:
    """Return the strings of a product of local operators."""
    total: dict[String, complex] = {(): 1.0}
    for site, name in sorted(
        factors, key=lambda pair: place[pair[0]] if pair[0] < len(place) else 0
    ):
        kind = kind_of(name)
        if site >= len(dims) or kind != ("spin" if site < n_spins else "mode"):
            found = f"'{name}' acts on site {site}"
            spec = f"fit {n_spins} spins, followed by {len(dims) - n_spins} modes"
            raise fail("operators", spec, found)
        parts = _keys(name, int(dims[site]))
        total = {
            (*string, (int(place[site]), key)): a * b
            for string, a in total.items()
            for b, key in parts
        }
    return total


@lru_cache(maxsize=64)
def evaluation_plan(
    operators: tuple[Operator, ...], order: tuple[int, ...], dims: tuple[int, ...], n_spins: int
) -> tuple[EvaluationPlan, sp.csr_array]:
    """Return the plan of all strings of some operators, and the matrix from strings to operators.

    The arguments identify the chain, so that repeated evaluations of a list of operators build
    nothing.
    """
    place = np.argsort(order)
    strings: dict[String, int] = {}
    entries: list[complex] = []
    rows, columns = [], []
    for row, operator in enumerate(operators):
        for factors, coefficient in pauli_terms(operator).items():
            for string, phase in _located(factors, place, np.array(dims), n_spins).items():
                entries.append(coefficient * phase)
                rows.append(row)
                columns.append(strings.setdefault(string, len(strings)))
    shape = (len(operators), len(strings))
    matrix = sp.csr_array((np.array(entries, dtype=complex), (rows, columns)), shape=shape)
    return make_plan(list(strings), len(order)), matrix


@lru_cache(maxsize=8)
def pair_plan(pairs: tuple[tuple[int, int], ...], order: tuple[int, ...]) -> EvaluationPlan:
    """Return the plan of σᵃσᵇ for all pairs of spins and a, b = x, y, z in this nesting."""
    place = np.argsort(order)
    strings = [
        tuple(sorted([(int(place[i]), (a, 0)), (int(place[j]), (b, 0))]))
        for i, j in pairs
        for a in "xyz"
        for b in "xyz"
    ]
    return make_plan(strings, len(order))
