"""Classes of interchangeable spins of a Model, read off its terms.

Spins i and j belong to one class if exchanging them maps the model onto itself, or does so together
with a conjugation by σˣ of both; the class then holds them with opposite signs. Exchanges generate
all permutations, and a sign is a gauge: after U = Π σˣ over the spins of sign -1 only permutations
are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.operators import PAULI_COMPONENTS
from tnhop.physics.terms import Factors, Operator, pauli_terms
from tnhop.support.arrays import Signs

Paulis = dict[Factors, complex]

_EQUAL = 1e-12  # relative accuracy to which coefficients and amplitudes must coincide
_N_SAMPLES = 24


@dataclass(frozen=True, eq=False)
class SpinClasses:
    """Partition of the spins, with the sign of every spin inside its class.

    Attributes
    ----------
    labels : ndarray of int, shape (n_spins,)
        Class of every spin, numbered by first appearance.
    signs : ndarray of int8, shape (n_spins,)
        +1, or -1 where the spin is conjugated by σˣ; the first spin of a class has +1.
    obstacle : str
        Why the first two classes are not one; empty if there is only one.
    """

    labels: NDArray[np.intp]
    signs: Signs
    obstacle: str = ""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of spins in every class."""
        return tuple(int(n) for n in np.bincount(self.labels)) if len(self.labels) else ()

    def members(self, label: int) -> NDArray[np.intp]:
        """Return the spins of a class."""
        return np.flatnonzero(self.labels == label)

    def refined(self, bloch: NDArray[np.float64]) -> SpinClasses:
        """Split classes until their spins also have, up to signs, equal vectors (n_spins, 3)."""
        turned = bloch * np.stack([np.ones(len(self.signs)), self.signs, self.signs], axis=1)
        rows = np.round(turned, 12) + 0.0
        keys = [(int(label), *row) for label, row in zip(self.labels, rows.tolist(), strict=True)]
        first = {key: k for k, key in reversed(list(enumerate(keys)))}
        rank = {key: n for n, key in enumerate(sorted(first, key=lambda key: first[key]))}
        labels = np.array([rank[key] for key in keys], dtype=np.intp)
        # the first spin of every class has sign +1
        lead = np.array([first[key] for key in keys], dtype=np.intp)
        return SpinClasses(labels, np.asarray(self.signs * self.signs[lead]), self.obstacle)

    def is_finer_than(self, other: SpinClasses) -> bool:
        """Return whether every class lies, with its signs, inside one of `other`."""
        for label in range(len(self.sizes)):
            inside = self.members(label)
            relative = self.signs[inside] * other.signs[inside]
            if len({*other.labels[inside].tolist()}) > 1 or np.ptp(relative):
                return False
        return True


def gauged(terms: Paulis, signs: Signs) -> Paulis:
    """Conjugate by σˣ on the spins of sign -1: y and z change sign there."""
    return {key: value * _flip_sign(key, signs) for key, value in terms.items()}


def _flip_sign(key: Factors, signs: Signs) -> int:
    product = 1
    for site, axis in key:
        if axis in ("y", "z"):
            product *= int(signs[site])
    return product


@lru_cache(maxsize=64)
def find_classes(model: Model) -> SpinClasses:
    """Find the largest classes of interchangeable spins."""
    terms = _Terms(model)
    labels = np.full(model.n_spins, -1, dtype=np.intp)
    signs = np.ones(model.n_spins, dtype=np.int8)
    leaders: list[int] = []
    obstacle = ""
    for j in range(model.n_spins):
        for label, i in enumerate(leaders):
            differences = [(s, terms.difference(i, j, s)) for s in (1, -1)]
            sign = next((s for s, why in differences if why is None), 0)
            if sign:
                labels[j], signs[j] = label, sign
                break
            obstacle = obstacle or f"spins {i} and {j} differ in {differences[0][1]}"
        else:
            labels[j] = len(leaders)
            leaders.append(j)
    return SpinClasses(labels, signs, obstacle)


class _Terms:
    """The terms of a model, indexed by the spins on which they act."""

    def __init__(self, model: Model) -> None:
        self.H = pauli_terms(model.hamiltonian)
        self.H_at = _by_site(self.H, model.n_spins)
        plain = [(k, j) for k, j in enumerate(model.jumps) if not isinstance(j, FieldJump)]
        self.plain = [pauli_terms(jump.operator) for _, jump in plain]
        self.names = [f"jump {k} ({_name(jump.operator)})" for k, jump in plain]
        self.plain_at: list[list[int]] = [[] for _ in range(model.n_spins)]
        self.by_keys: dict[frozenset[Factors], list[int]] = {}
        for k, terms in enumerate(self.plain):
            self.by_keys.setdefault(frozenset(terms), []).append(k)
            for site in {s for key in terms for s, _ in key if s < model.n_spins}:
                self.plain_at[site].append(k)
        self._fields(model)

    def _fields(self, model: Model) -> None:
        self.field_at: list[list[_FieldTerm]] = [[] for _ in range(model.n_spins)]
        rows, owner = [np.zeros((0, model.n_spins))], []
        for k, jump in enumerate(model.jumps):
            if isinstance(jump, FieldJump):
                term = _FieldTerm(k, jump, model.n_spins)
                self.field_at[jump.site].append(term)
                rows.append(term.weights)
                owner += [(jump.site, k)] * len(term.weights)
        self.rows = np.concatenate(rows)
        self.row_site = np.array([site for site, _ in owner], dtype=int)
        self.row_jump = [k for _, k in owner]
        self.scale = max(float(np.abs(self.rows).max(initial=0.0)), 1e-300)

    def difference(self, i: int, j: int, sign: int) -> str | None:
        """Return a term that changes when spins i and j are exchanged (and flipped), or None."""
        return (
            self._hamiltonian_difference(i, j, sign)
            or self._jump_difference(i, j, sign)
            or self._field_difference(i, j, sign)
        )

    def _hamiltonian_difference(self, i: int, j: int, sign: int) -> str | None:
        scale = max((abs(v) for v in self.H.values()), default=0.0)
        for key in self.H_at[i] + self.H_at[j]:
            image, factor = _exchanged(key, i, j, sign)
            if abs(self.H.get(image, 0.0) - factor * self.H[key]) > _EQUAL * scale:
                return f"the Hamiltonian term {_product(self.H[key], key)}"
        return None

    def _jump_difference(self, i: int, j: int, sign: int) -> str | None:
        used: set[int] = set()
        for k in sorted({*self.plain_at[i], *self.plain_at[j]}):
            moved = {}
            for key, value in self.plain[k].items():
                image, factor = _exchanged(key, i, j, sign)
                moved[image] = factor * value
            for candidate in self.by_keys.get(frozenset(moved), ()):
                if candidate not in used and same_up_to_phase(moved, self.plain[candidate]):
                    used.add(candidate)
                    break
            else:
                return self.names[k]
        return None

    def _field_difference(self, i: int, j: int, sign: int) -> str | None:
        others = (self.row_site != i) & (self.row_site != j)
        change = np.abs(self.rows[:, i] - sign * self.rows[:, j]) * others
        if change.max(initial=0.0) > _EQUAL * self.scale:
            k = self.row_jump[int(np.argmax(change))]
            return f"their weights in the field of jump {k}"
        unmatched = list(self.field_at[j])
        for term in self.field_at[i]:
            match = next((other for other in unmatched if term.matches(other, sign)), None)
            if match is None:
                return f"jump {term.number}, a field-dependent flip of spin {i}"
            unmatched.remove(match)
        return (
            f"jump {unmatched[0].number}, a field-dependent flip of spin {j}" if unmatched else None
        )


class _FieldTerm:
    """A field jump, its weights and its amplitudes as functions of the fields."""

    def __init__(self, number: int, jump: FieldJump, n_spins: int) -> None:
        self.number, self.jump = number, jump
        blind = all(amplitude.n_fields == 0 for _, amplitude in jump.amplitudes)
        self.weights = jump.fields[:, :n_spins] * (0.0 if blind else 1.0)
        reach = np.abs(self.weights).sum(axis=1)
        share = np.random.default_rng(1).uniform(-1, 1, (_N_SAMPLES, len(reach)))
        share[0], share[1], share[2] = 0.0, 1.0, -1.0
        self.samples = reach * share
        self.components = self._components(self.samples)

    def _components(self, fields: NDArray[Any]) -> NDArray[np.complex128]:
        """Amplitudes of I, σˣ, σʸ, σᶻ at fields of shape (n_samples, n_fields)."""
        return amplitude_components(self.jump, list(fields.T))

    def matches(self, other: _FieldTerm, sign: int) -> bool:
        """Return whether this term, moved to the spin of the other and flipped, is the other."""
        i, j = self.jump.site, other.jump.site
        moved = self.weights.copy()
        moved[:, i], moved[:, j] = sign * self.weights[:, j], 0.0
        if other.weights.shape != moved.shape:
            return False
        # the fields must be the same functions of the spins, up to signs
        turn = np.where(np.einsum("fk,fk->f", moved, other.weights) < 0, -1.0, 1.0)
        scale = np.abs(moved).max(initial=1e-300)
        if np.abs(other.weights - turn[:, None] * moved).max(initial=0.0) > _EQUAL * scale:
            return False
        mine = (self.components * np.array([1, 1, sign, sign])).ravel()
        theirs = other._components(turn * self.samples).ravel()
        return _equal_up_to_phase(mine, theirs)


def amplitude_components(jump: FieldJump, fields: Sequence[Any]) -> NDArray[np.complex128]:
    """Amplitudes of I, σˣ, σʸ, σᶻ in a field jump at given fields, shape (n, 4)."""
    total = np.zeros((len(fields[0]), 4), dtype=complex)
    for name, amplitude in jump.functions:
        values = np.asarray(amplitude(*fields))
        for axis, c in PAULI_COMPONENTS[name].items():
            total[:, "Ixyz".index(axis)] += c * values
    return total


def same_up_to_phase(a: Mapping[Any, complex], b: Mapping[Any, complex]) -> bool:
    """Return whether two jumps describe the same dissipator: equal but for a phase."""
    if a.keys() != b.keys():
        return False
    return _equal_up_to_phase(np.array(list(a.values())), np.array([b[key] for key in a]))


def _equal_up_to_phase(x: NDArray[Any], y: NDArray[Any]) -> bool:
    inner = np.vdot(x, y)
    phase = inner / abs(inner) if abs(inner) > 0 else 1.0
    return bool(np.abs(y - phase * x).max(initial=0.0) <= _EQUAL * np.abs(x).max(initial=1e-300))


def _by_site(keys: Iterable[Factors], n_spins: int) -> list[list[Factors]]:
    keys_at: list[list[Factors]] = [[] for _ in range(n_spins)]
    for key in keys:
        for site, _ in key:
            if site < n_spins:
                keys_at[site].append(key)
    return keys_at


def _exchanged(key: Factors, i: int, j: int, sign: int) -> tuple[Factors, int]:
    """Exchange spins i and j in a product, and conjugate both by σˣ if the sign is -1."""
    factor, image = 1, []
    for site, axis in key:
        if site in (i, j):
            factor *= sign if axis in ("y", "z") else 1
            site = i + j - site
        image.append((site, axis))
    return tuple(sorted(image)), factor


def _product(value: complex, key: Factors) -> str:
    number = f"{value.real:.6g}" if complex(value).imag == 0 else f"({value:.6g})"
    return " ".join([number, *(f"{axis}_{site}" for site, axis in key)])


def _name(operator: Operator) -> str:
    term = operator.terms[0]
    more = " + ..." if len(operator.terms) > 1 else ""
    return _product(term.coefficient, term.factors) + more
