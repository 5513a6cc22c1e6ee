"""Operators A and jumps of a Model in a permutation-symmetric space, by blocks.

A jump that singles out spin i is symmetric in the space where i is a class of its own. There it is
built, and folded back with the Clebsch-Gordan isometries, Eq. (48) of docs/physics.md.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.operators import local_matrix
from tnhop.physics.terms import Operator, pauli_terms
from tnhop.solvers.symmetric.spin_classes import (
    Paulis,
    SpinClasses,
    amplitude_components,
    gauged,
    same_up_to_phase,
)
from tnhop.solvers.symmetric.total_spins import Key, SymmetricSpace

_MOST_SPECIAL = 2  # spins that one jump may single out: each multiplies the jumps by four


@dataclass(frozen=True, eq=False)
class IndependentPart:
    """Classes and modes that evolve together, independently of all others.

    Attributes
    ----------
    classes : tuple of int
        Labels of the classes.
    modes : tuple of int
        Sites of the modes.
    sizes, fock_dims : tuple of int
        Spins of every class, kept levels of every mode.
    """

    classes: tuple[int, ...]
    modes: tuple[int, ...]
    sizes: tuple[int, ...]
    fock_dims: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of real components of a state, an exact integer."""
        spins = math.prod(math.comb(n + 3, 3) for n in self.sizes)
        return spins * math.prod(dim**2 for dim in self.fock_dims)

    @cached_property
    def space(self) -> SymmetricSpace:
        """The blocks."""
        return SymmetricSpace(self.sizes, self.fock_dims)


def partition(
    model: Model, classes: SpinClasses, joined: NDArray[np.intp] | None
) -> list[IndependentPart]:
    """Group classes and modes that some term connects, or that `joined` labels alike."""
    n_classes = len(classes.sizes)
    node = np.concatenate([classes.labels, n_classes + np.arange(model.n_modes)]).astype(int)
    links = [tuple(site for site, _ in key) for key in pauli_terms(model.hamiltonian)]
    for jump in model.jumps:
        if isinstance(jump, FieldJump) and not any(a.n_fields for _, a in jump.amplitudes):
            links.append((jump.site,))
        else:
            links.append(jump.sites)
    if joined is not None:
        links += [tuple(np.flatnonzero(joined[node] == label)) for label in np.unique(joined)]
    pairs = np.array([(node[s[0]], node[t]) for s in links if s for t in s]).reshape(-1, 2).T
    total = n_classes + model.n_modes
    graph = sp.coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), (total, total))
    _, labels = sp.csgraph.connected_components(graph, directed=False)
    parts = []
    for label in range(labels.max() + 1):
        inside = np.flatnonzero(labels == label)
        members = tuple(int(g) for g in inside if g < n_classes)
        modes = tuple(int(model.modes[m - n_classes]) for m in inside if m >= n_classes)
        sizes = tuple(classes.sizes[g] for g in members)
        parts.append(
            IndependentPart(members, modes, sizes, tuple(model.sites[m].dim for m in modes))
        )
    return parts


class _Positions:
    """Positions of spins and modes in a space: the classes of a part, then singled-out spins."""

    def __init__(
        self, classes: SpinClasses, part: IndependentPart, special: tuple[int, ...] = ()
    ) -> None:
        rank = {label: k for k, label in enumerate(part.classes)}
        self.class_of = {int(i): rank[int(g)] for i, g in enumerate(classes.labels) if g in rank}
        self.class_of |= {i: len(rank) + k for k, i in enumerate(special)}
        self.mode_of = {site: k for k, site in enumerate(part.modes)}
        self.n_classes = len(rank) + len(special)

    def key(self, factors: tuple[tuple[int, str], ...]) -> Key:
        """Forget which spin of a class a factor acts on."""
        letters: list[list[str]] = [[] for _ in range(self.n_classes)]
        words = [""] * len(self.mode_of)
        for site, name in factors:
            if site in self.mode_of:
                words[self.mode_of[site]] = name
            else:
                letters[self.class_of[site]].append(name)
        return tuple(tuple(sorted(names)) for names in letters), tuple(words)


def arrangements(key: Key, sizes: tuple[int, ...]) -> int:
    """Return the number of ways to choose distinct spins for the factors of a key, in order."""
    return math.prod(math.perm(n, len(names)) for n, names in zip(sizes, key[0], strict=True))


def key_bound(key: Key, sizes: tuple[int, ...], fock_dims: tuple[int, ...]) -> float:
    """Bound the norm of `SymmetricSpace.operator(key)`: Pauli matrices have norm one."""
    words = [(word, dim) for word, dim in zip(key[1], fock_dims, strict=True) if word]
    norms = [float(np.linalg.norm(local_matrix(word, dim), 2)) for word, dim in words]
    return arrangements(key, sizes) * math.prod(norms)


def averaged(terms: Paulis, positions: _Positions, sizes: tuple[int, ...]) -> dict[Key, complex]:
    """Average an operator over permutations: key → weight of `SymmetricSpace.operator(key)`."""
    total: dict[Key, complex] = {}
    for factors, value in terms.items():
        key = positions.key(factors)
        total[key] = total.get(key, 0.0) + value / arrangements(key, sizes)
    return total


def part_keys(
    operator: Operator, classes: SpinClasses, parts: Sequence[IndependentPart]
) -> Iterator[tuple[complex, list[Key]]]:
    """Yield weight and one key per part for every term of an operator."""
    positions = [_Positions(classes, part) for part in parts]
    for factors, value in gauged(pauli_terms(operator), classes.signs).items():
        keys = []
        for part, place in zip(parts, positions, strict=True):
            inside = tuple((s, a) for s, a in factors if s in place.class_of or s in place.mode_of)
            keys.append(place.key(inside))
            value = value / arrangements(keys[-1], part.sizes)
        yield value, keys


def correlators(
    operators: Sequence[Operator], classes: SpinClasses, parts: Sequence[IndependentPart]
) -> tuple[list[list[Key]], NDArray[np.complex128], NDArray[np.intp], NDArray[np.intp]]:
    """Write expectation values as Σ weight · Π_parts ⟨key⟩.

    Returns the different keys of every part, the weights, for every weight the operator, and for
    every weight and part the key, shape (n_weights, n_parts).
    """
    known: list[dict[Key, int]] = [{} for _ in parts]
    total: dict[tuple[int, ...], complex] = {}
    for k, operator in enumerate(operators):
        for value, keys in part_keys(operator, classes, parts):
            numbers = tuple(n.setdefault(key, len(n)) for n, key in zip(known, keys, strict=True))
            total[k, *numbers] = total.get((k, *numbers), 0.0) + value
    table = np.array(list(total), dtype=np.intp).reshape(len(total), 1 + len(parts))
    weights = np.array(list(total.values()), dtype=complex)
    return [list(keys) for keys in known], weights, table[:, 0], table[:, 1:]


def _matrix(weights: dict[Key, complex], space: SymmetricSpace) -> sp.csr_array:
    total = sp.csr_array((space.n, space.n), dtype=complex)
    for key, value in weights.items():
        total = total + value * space.operator(key)
    return sp.csr_array(total)


def special_spins(terms: Paulis, classes: SpinClasses) -> tuple[int, ...]:
    """Spins that a jump treats differently from the majority of their class."""
    touched: dict[int, Counter[object]] = {}
    largest = max(map(abs, terms.values()), default=0.0) or 1.0
    for factors, value in terms.items():
        for site, axis in factors:
            if site < len(classes.labels):
                others = sorted((int(classes.labels[s]) if s < len(classes.labels) else -s, a)
                                for s, a in factors if s != site)  # fmt: skip
                mark = (axis, tuple(others), complex(np.round(value / largest, 12)))
                touched.setdefault(site, Counter())[mark] += 1
    special: list[int] = []
    for label, size in enumerate(classes.sizes):
        groups: dict[object, list[int]] = {}
        for site in classes.members(label).tolist():
            marks = frozenset(touched.get(site, Counter()).items())
            groups.setdefault(marks, []).append(site)
        usual = max(groups.values(), key=len)
        special += [s for group in groups.values() if group is not usual for s in group if size > 1]
    return tuple(sorted(special))


@lru_cache(maxsize=64)
def jump_obstacle(model: Model, classes: SpinClasses) -> str | None:
    """Return half a sentence about a jump that singles out too many spins, or None."""
    part = whole_system(classes, model.modes)
    for k, jump in enumerate(model.jumps):
        if isinstance(jump, Jump):
            terms = gauged(pauli_terms(jump.operator), classes.signs)
            special = special_spins(terms, classes)
            if len(special) > _MOST_SPECIAL:
                return f"jump {k} singles out {len(special)} spins of their classes"
            if not _is_symmetric(terms, _Positions(classes, part, special)):
                return f"jump {k} is not symmetric in the spins that it treats alike"
    return None


def is_averaged(operator: Operator, classes: SpinClasses, modes: tuple[int, ...]) -> bool:
    """Return whether permutations inside classes leave an operator as it is."""
    terms = gauged(pauli_terms(operator), classes.signs)
    return _is_symmetric(terms, _Positions(classes, whole_system(classes, modes)))


def whole_system(classes: SpinClasses, modes: tuple[int, ...] = ()) -> IndependentPart:
    """Return all classes as one part; `modes` are sites whose levels do not matter."""
    return IndependentPart(tuple(range(len(classes.sizes))), modes, classes.sizes, ())


def _is_symmetric(terms: Paulis, positions: _Positions) -> bool:
    """Return whether every product is there for every choice of spins, with equal weights."""
    sizes = np.bincount(list(positions.class_of.values()), minlength=positions.n_classes)
    groups: dict[Key, list[complex]] = {}
    for factors, value in terms.items():
        groups.setdefault(positions.key(factors), []).append(value)
    for key, values in groups.items():
        alike = math.prod(math.factorial(n) for names in key[0] for n in Counter(names).values())
        spread = np.abs(np.array(values) - values[0]).max()
        complete = len(values) * alike == arrangements(key, tuple(sizes))
        if abs(values[0]) > 0 and not (complete and spread <= 1e-12 * abs(values[0])):
            return False
    return True


def part_operators(
    model: Model, classes: SpinClasses, part: IndependentPart
) -> tuple[sp.csr_array, list[sp.csr_array]]:
    """Return A = -iH - ½ Σ L†L and the jumps of a part, matrices on its global index."""
    space, positions = part.space, _Positions(classes, part)
    inside = {*positions.class_of, *positions.mode_of}
    H = {
        key: value
        for key, value in gauged(pauli_terms(model.hamiltonian), classes.signs).items()
        if all(site in inside for site, _ in key)
    }
    jumps = [
        L for group in _groups(model, classes, part) for L in _folded_back(group, classes, part)
    ]
    A = -1j * _matrix(averaged(H, positions, space.sizes), space)
    for L in jumps:
        A = A - L.conj().T @ L / 2
    return sp.csr_array(A), jumps


@dataclass(eq=False)
class _Group:
    """Jumps that permutations map onto each other: one of them, and their number."""

    special: tuple[int, ...]
    jump: FieldJump | Paulis
    count: int


def _groups(model: Model, classes: SpinClasses, part: IndependentPart) -> list[_Group]:
    groups: list[_Group] = []
    images: list[dict[Key, complex]] = []
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            label = int(classes.labels[jump.site])
            if label in part.classes and jump.site == classes.members(label)[0]:
                size = classes.sizes[label]
                groups.append(_Group((jump.site,) if size > 1 else (), jump, size))
                images.append({})
            continue
        terms = gauged(pauli_terms(jump.operator), classes.signs)
        site = jump.sites[0] if jump.sites else 0
        if not _acts_inside(site, model, classes, part) or not any(terms):
            continue
        special = special_spins(terms, classes)
        positions = _Positions(classes, part, special)
        sizes = tuple(
            classes.sizes[g] - sum(classes.labels[i] == g for i in special) for g in part.classes
        ) + (1,) * len(special)
        image = averaged(terms, positions, sizes)
        for group, other in zip(groups, images, strict=True):
            alike = [classes.labels[i] for i in group.special] == [
                classes.labels[i] for i in special
            ]
            if alike and other and same_up_to_phase(image, other):
                group.count += 1
                break
        else:
            groups.append(_Group(special, terms, 1))
            images.append(image)
    return groups


def _acts_inside(site: int, model: Model, classes: SpinClasses, part: IndependentPart) -> bool:
    """Return whether a site is one of a part."""
    if site < model.n_spins:
        return int(classes.labels[site]) in part.classes
    return site in part.modes


def _folded_back(
    group: _Group, classes: SpinClasses, part: IndependentPart
) -> Iterator[sp.csr_array]:
    """Yield the jumps of a group between blocks of the space, Eq. (48)."""
    space, steps = part.space, []
    rank = {label: k for k, label in enumerate(part.classes)}
    for i in group.special:
        space, branches = space.split(rank[int(classes.labels[i])])
        steps.append(branches)
    positions = _Positions(classes, part, group.special)
    if isinstance(group.jump, FieldJump):
        L = _field_matrix(group.jump, classes, positions, space)
    else:
        L = _matrix(averaged(group.jump, positions, space.sizes), space)
    for before in itertools.product(*steps):
        M = math.sqrt(group.count) * L
        for branch in reversed(before):
            M = M @ branch.isometry @ sp.diags_array(np.sqrt(branch.share))
        for after in itertools.product(*steps):
            N = sp.csr_array(M)
            for branch in reversed(after):
                N = branch.isometry.T @ N
            N = sp.csr_array(N)
            N.eliminate_zeros()
            if N.nnz:
                yield N


def _field_matrix(
    jump: FieldJump, classes: SpinClasses, positions: _Positions, space: SymmetricSpace
) -> sp.csr_array:
    """Matrix of a field jump in the space where its spin is a class of its own."""
    fields = []
    blind = not any(amplitude.n_fields for _, amplitude in jump.amplitudes)
    for weights in jump.fields:
        h = np.zeros(space.n)
        for site in np.flatnonzero(weights[: len(classes.labels)] * (not blind)):
            # every spin of a class has the same weight, up to its sign
            n_alike = space.sizes[positions.class_of[int(site)]]
            h += (
                weights[site]
                * classes.signs[site]
                * space.two_M[positions.class_of[int(site)]]
                / n_alike
            )
        fields.append(h)
    components = amplitude_components(jump, fields)
    g, sign = positions.class_of[jump.site], classes.signs[jump.site]
    total = sp.csr_array((space.n, space.n), dtype=complex)
    for k, axis in enumerate("Ixyz"):
        values = components[:, k] * (sign if axis in "yz" else 1)
        if values.any():
            total = total + sp.diags_array(values) @ space.collective(g, axis)
    return sp.csr_array(total)
