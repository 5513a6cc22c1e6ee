"""Local operators: names, matrices, products, normal ordering."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tnhop.physics.operators import (
    SPIN_OPERATORS,
    adjoint_name,
    bloch_components,
    kind_of,
    local_matrix,
    multiply_names,
    normal_order,
)

words = st.lists(st.sampled_from(["a", "adag", "n"]), min_size=1, max_size=6).map(" ".join)
spin_names = st.sampled_from(sorted(SPIN_OPERATORS))
DIM = 12


@given(spin_names, spin_names)
@settings(derandomize=True)
def test_product_of_spin_operators_is_the_matrix_product(left, right):
    phase, name = multiply_names(left, right)
    product = local_matrix(left, 2) @ local_matrix(right, 2)
    np.testing.assert_array_equal(phase * local_matrix(name, 2), product)


@given(words, words)
@settings(derandomize=True)
def test_product_of_mode_words_is_the_matrix_product(left, right):
    phase, name = multiply_names(left, right)
    product = local_matrix(left, DIM) @ local_matrix(right, DIM)
    np.testing.assert_allclose(phase * local_matrix(name, DIM), product, rtol=1e-13)


@given(st.one_of(words, spin_names))
@settings(derandomize=True)
def test_adjoint_name_is_the_adjoint_matrix(name):
    dim = 2 if kind_of(name) == "spin" else DIM
    expected = local_matrix(name, dim).conj().T
    np.testing.assert_allclose(local_matrix(adjoint_name(name), dim), expected, rtol=1e-13)


@given(words)
@settings(derandomize=True)
def test_normal_order_is_the_same_operator_below_the_cutoff(word):
    """Words of six letters reach six levels up: compare on the lowest levels."""
    total = np.zeros((DIM, DIM), dtype=complex)
    for (k, l), value in normal_order(word).items():
        up = np.linalg.matrix_power(local_matrix("adag", DIM), k)
        total += value * up @ np.linalg.matrix_power(local_matrix("a", DIM), l)
    keep = DIM - 6
    np.testing.assert_allclose(
        total[:, :keep], local_matrix(word, DIM)[:, :keep], rtol=1e-12, atol=1e-10
    )


def test_commutator_of_a_mode_is_one_except_at_the_cutoff():
    commutator = local_matrix("a adag", 5) - local_matrix("adag a", 5)
    np.testing.assert_allclose(commutator, np.diag([1, 1, 1, 1, -4]), atol=1e-14)


def test_number_counts_levels():
    np.testing.assert_array_equal(local_matrix("n", 4), np.diag([0, 1, 2, 3]))


def test_up_has_positive_magnetisation():
    np.testing.assert_array_equal(local_matrix("z", 2) @ [1, 0], [1, 0])
    np.testing.assert_array_equal(local_matrix("+", 2) @ [0, 1], [1, 0])
    np.testing.assert_array_equal(
        local_matrix("up", 2) - local_matrix("down", 2), local_matrix("z", 2)
    )


@given(st.lists(st.floats(-2, 2), min_size=8, max_size=8))
@settings(derandomize=True)
def test_bloch_components_rebuild_the_matrix(numbers):
    matrix = np.reshape(numbers[:4], (2, 2)) + 1j * np.reshape(numbers[4:], (2, 2))
    parts = zip(bloch_components(matrix), "Ixyz", strict=True)
    rebuilt = sum(c * local_matrix(name, 2) for c, name in parts)
    np.testing.assert_allclose(rebuilt, matrix, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "kind"), [("x", "spin"), ("up", "spin"), ("adag a", "mode"), ("n", "mode")]
)
def test_kind_follows_from_the_name(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["q", "", "a x", "z z"])
def test_unknown_operator_is_refused(name):
    with pytest.raises(ValueError, match=r"Argument `operator` must"):
        kind_of(name)
