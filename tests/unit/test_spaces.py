"""Operator spaces of interchangeable spins, against full matrices and sums over configurations."""

import itertools
import math

import numpy as np
import pytest

from tnhop.physics.states import coherent_ket
from tnhop.solvers.symmetric.product_blocks import class_blocks, product_blocks
from tnhop.solvers.symmetric.total_spins import SymmetricSpace, log_multiplicity, two_J_values
from zoo import ALPHA, BLOCH, embed

SHAPES = [
    ((1,), ()),
    ((4,), ()),
    ((5,), (3,)),
    ((2, 3), ()),
    ((2, 1), (2, 3)),
    ((), (4,)),
    ((1, 2, 2), ()),
]
PAULI = {
    "x": np.array([[0, 1], [1, 0]]), "y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1.0, -1.0]),
}  # fmt: skip


def space_id(shape):
    return f"{shape[0]} spins, {shape[1]} levels"


@pytest.mark.parametrize(("sizes", "levels"), SHAPES, ids=map(space_id, SHAPES))
def test_dimension_is_a_product_of_binomials(sizes, levels):
    space = SymmetricSpace(sizes, levels)
    expected = math.prod(math.comb(n + 3, 3) for n in sizes) * math.prod(d**2 for d in levels)
    assert space.size == expected
    assert space.size == int((space.block_dims**2).sum())
    assert space.n == len(space.block)


@pytest.mark.parametrize("n_spins", [*range(1, 12), 37, 60])
def test_multiplicities_fill_the_hilbert_space(n_spins):
    two_J = np.array(two_J_values(n_spins))
    total = np.sum((two_J + 1) * np.exp(log_multiplicity(n_spins, two_J)))
    assert total == pytest.approx(2.0**n_spins, rel=1e-12)


def test_multiplicities_are_the_ballot_numbers():
    two_J = np.array(two_J_values(6))
    np.testing.assert_allclose(np.exp(log_multiplicity(6, two_J)), [1, 5, 9, 5], rtol=1e-13)


def test_multiplicities_of_several_classes_multiply():
    space = SymmetricSpace((3, 4))
    total = np.sum(space.block_dims * np.exp(space.log_multiplicities))
    assert total == pytest.approx(2.0**7, rel=1e-12)


@pytest.mark.parametrize(("sizes", "levels"), SHAPES, ids=map(space_id, SHAPES))
def test_index_finds_the_labels(sizes, levels):
    space = SymmetricSpace(sizes, levels)
    found = space.index(space.two_J, space.two_M, space.level)
    np.testing.assert_array_equal(found, np.arange(space.n))


@pytest.mark.parametrize(("a", "b", "c"), ["xyz", "yzx", "zxy"])
@pytest.mark.parametrize(("sizes", "levels"), SHAPES, ids=map(space_id, SHAPES))
def test_collective_operators_rotate_each_other(sizes, levels, a, b, c):
    """[Σσˣ, Σσʸ] = 2i Σσᶻ within a class, and 0 between classes."""
    space = SymmetricSpace(sizes, levels)
    for g, h in itertools.product(range(len(sizes)), repeat=2):
        A, B, C = space.collective(g, a), space.collective(h, b), space.collective(g, c)
        commutator = (A @ B - B @ A).toarray()
        np.testing.assert_allclose(commutator, 2j * (g == h) * C.toarray(), atol=1e-13)


def test_square_of_the_total_spin_is_its_label():
    space = SymmetricSpace((5, 2))
    for g in range(2):
        square = sum((space.collective(g, a) @ space.collective(g, a)).toarray() for a in "xyz")
        expected = np.diag(space.two_J[g] * (space.two_J[g] + 2))
        np.testing.assert_allclose(square, expected, atol=1e-12)


@pytest.mark.parametrize(("sizes", "levels"), SHAPES, ids=map(space_id, SHAPES))
def test_ladder_operators_of_a_mode_have_the_commutator(sizes, levels):
    """[a, a†] = 1, except in the highest kept level."""
    space = SymmetricSpace(sizes, levels)
    for m, dim in enumerate(levels):
        commutator = (space.mode_word(m, "a adag") - space.mode_word(m, "adag a")).toarray()
        expected = np.where(space.level[m] == dim - 1, 1.0 - dim, 1.0)
        np.testing.assert_allclose(commutator, np.diag(expected), atol=1e-13)
        np.testing.assert_allclose(
            space.mode_word(m, "n").toarray(), space.mode_word(m, "adag a").toarray(), atol=1e-13
        )


# Sums over distinct spins, through expectation values in products of different spins.


def full_state(bloch):
    rho = np.ones((1, 1))
    for x, y, z in bloch:
        rho = np.kron(rho, np.array([[1 + z, x - 1j * y], [x + 1j * y, 1 - z]]) / 2)
    return rho


def sum_over_distinct(n_spins, letters):
    """Σ over different i₁, i₂, ... of σ_i₁ σ_i₂ ..."""
    total = np.zeros((2**n_spins,) * 2, dtype=complex)
    for spins in itertools.permutations(range(n_spins), len(letters)):
        total += embed((2,) * n_spins, {i: PAULI[a] for i, a in zip(spins, letters, strict=True)})
    return total


WORDS = ["", "x", "z", "xx", "xy", "zz", "xyz", "yyz", "zzz", "xyzz", "zzzz", "yyyy"]


@pytest.mark.parametrize("letters", WORDS)
@pytest.mark.parametrize("n_spins", [1, 2, 3, 4])
def test_class_power_is_the_sum_over_distinct_spins(n_spins, letters):
    """It vanishes where there are fewer spins than letters."""
    space, bloch = SymmetricSpace((n_spins,)), BLOCH[:n_spins]
    operator = space.class_power(0, tuple(letters))
    value, first = 0.0, 0
    for rho in class_blocks(bloch, np.ones(n_spins, dtype=int)):
        inside = slice(first, first + len(rho))
        value += np.trace(operator[inside, inside] @ rho)
        first += len(rho)
    expected = np.trace(sum_over_distinct(n_spins, letters) @ full_state(bloch))
    assert value == pytest.approx(expected, abs=1e-13)


def test_operator_is_a_product_of_classes_and_modes():
    sizes, levels = (2, 3), (3,)
    space, bloch, alpha = SymmetricSpace(sizes, levels), BLOCH[:5], ALPHA[0]
    operator = space.operator(((("x", "z"), ("y",)), ("adag a a",)))
    ket = coherent_ket(alpha, 3)
    spins = [class_blocks(bloch[:2], np.ones(2)), class_blocks(bloch[2:], np.ones(3))]
    rho = np.zeros((space.n, space.n), dtype=complex)
    for first, block in zip(
        space.offsets, product_blocks(spins, [np.outer(ket, ket.conj())]), strict=True
    ):
        inside = slice(first, first + len(block))
        rho[inside, inside] = block
    x, y, z = bloch.T
    spin_part = (x[0] * z[1] + z[0] * x[1]) * y[2:].sum()
    a = np.diag(np.sqrt([1.0, 2.0]), 1)
    mode_part = ket.conj() @ a.T @ a @ a @ ket
    assert np.trace(operator @ rho) == pytest.approx(spin_part * mode_part, abs=1e-14)


@pytest.mark.parametrize("n_spins", [1, 3, 4, 9])
def test_blocks_of_a_product_state_have_trace_one_and_no_negative_weight(n_spins):
    bloch = np.random.default_rng(2).uniform(-0.57, 0.57, (n_spins, 3))
    blocks = class_blocks(bloch, np.ones(n_spins))
    assert sum(np.trace(rho).real for rho in blocks) == pytest.approx(1.0, abs=1e-14)
    assert min(np.linalg.eigvalsh(rho).min() for rho in blocks) > -1e-15


def test_order_of_the_spins_does_not_matter():
    """Averages over permutations are the same from any order, Clebsch-Gordan step by step."""
    forward = class_blocks(BLOCH[:6], np.ones(6))
    backward = class_blocks(BLOCH[5::-1], np.ones(6))
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


# Singling out a spin.

SPLIT = [(sizes, levels, g) for sizes, levels in SHAPES for g in range(len(sizes))]


@pytest.mark.parametrize(("sizes", "levels", "g"), SPLIT)
def test_shares_of_the_branches_add_up(sizes, levels, g):
    space = SymmetricSpace(sizes, levels)
    _, branches = space.split(g)
    np.testing.assert_allclose(sum(branch.share for branch in branches), 1.0, atol=1e-14)
    assert min(branch.share.min() for branch in branches) >= 0.0


@pytest.mark.parametrize(("sizes", "levels", "g"), SPLIT)
def test_branches_are_isometries(sizes, levels, g):
    space = SymmetricSpace(sizes, levels)
    larger, branches = space.split(g)
    assert larger.sizes == (*sizes[:g], sizes[g] - 1, *sizes[g + 1 :], 1)
    for branch in branches:
        square = (branch.isometry.T @ branch.isometry).toarray()
        np.testing.assert_allclose(square, np.diag((branch.share > 0) * 1.0), atol=1e-14)
    first, second = (branch.isometry for branch in branches)
    overlap = sum((V @ V.T).toarray() for V in (first, second))
    # together they exhaust J' ⊗ 1/2 wherever the larger space has it, and nothing twice
    np.testing.assert_allclose(overlap @ overlap, overlap, atol=1e-13)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize(("sizes", "levels", "g"), SPLIT)
def test_collective_operator_is_n_times_one_spin(sizes, levels, g, axis):
    """Σσ/N and σ of the spin singled out have the same average over the branches."""
    space = SymmetricSpace(sizes, levels)
    larger, branches = space.split(g)
    single = larger.collective(len(sizes), axis)
    total = np.zeros((space.n, space.n), dtype=complex)
    for branch in branches:
        inside = (branch.isometry.T @ single @ branch.isometry).toarray()
        total += np.sqrt(np.outer(branch.share, branch.share)) * inside
    expected = space.collective(g, axis).toarray() / sizes[g]
    np.testing.assert_allclose(total, expected, atol=1e-13)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize(("sizes", "levels", "g"), SPLIT)
def test_collective_operator_is_the_rest_plus_one_spin(sizes, levels, g, axis):
    """The isometry intertwines: (Σ' + σ) V = V Σ."""
    space = SymmetricSpace(sizes, levels)
    larger, branches = space.split(g)
    both = larger.collective(g, axis) + larger.collective(len(sizes), axis)
    for branch in branches:
        V = branch.isometry
        left, right = (both @ V).toarray(), (V @ space.collective(g, axis)).toarray()
        np.testing.assert_allclose(left, right, atol=1e-13)
