"""Terms, operators and jumps: the algebra is that of matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnhop as th
from tnhop.solvers.exact.dense_state import operator_matrix
from zoo import matrix_of

DIMS = (2, 2, 4)
numbers = st.complex_numbers(max_magnitude=3, allow_nan=False, allow_infinity=False)
local = st.one_of(
    st.tuples(
        st.sampled_from([0, 1]), st.sampled_from(["x", "y", "z", "+", "-", "up", "down", "I"])
    ),
    st.tuples(st.just(2), st.sampled_from(["a", "adag", "n", "adag a", "a a"])),
)
terms = st.builds(th.Term, numbers, st.lists(local, max_size=4).map(tuple))
operators = st.lists(terms, max_size=4).map(lambda items: th.Operator(tuple(items)))
derandomised = settings(derandomize=True, deadline=None)


def dense(operator):
    return matrix_of(operator, DIMS).toarray()


@given(operators, operators)
@derandomised
def test_sum_and_product_are_those_of_matrices(a, b):
    scale = (1 + np.abs(dense(a)).max()) * (1 + np.abs(dense(b)).max())
    np.testing.assert_allclose(dense(a + b), dense(a) + dense(b), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(a - b), dense(a) - dense(b), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(a * b), dense(a) @ dense(b), atol=1e-12 * scale)


@given(operators, numbers)
@derandomised
def test_numbers_multiply_and_add_as_multiples_of_the_identity(a, c):
    scale = (1 + np.abs(dense(a)).max()) * (1 + abs(c))
    np.testing.assert_allclose(dense(c * a), c * dense(a), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(a * c), c * dense(a), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(a + c), dense(a) + c * np.eye(16), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(c - a), c * np.eye(16) - dense(a), atol=1e-13 * scale)
    np.testing.assert_allclose(dense(-a), -dense(a), atol=0)


@given(operators)
@derandomised
def test_dag_is_the_adjoint_matrix_and_its_own_inverse(a):
    np.testing.assert_allclose(dense(a.dag()), dense(a).conj().T, atol=1e-13)
    assert a.dag().dag() == a


@given(operators)
@derandomised
def test_compiled_matrix_is_the_matrix_of_the_terms(a):
    np.testing.assert_allclose(operator_matrix(DIMS, a).toarray(), dense(a), atol=1e-12)


@given(st.lists(local, max_size=5), numbers)
@derandomised
def test_factors_of_one_site_multiply_in_order(factors, c):
    product = c * np.eye(16)
    for site, name in factors:
        product = product @ dense(th.Operator((th.Term(1.0, ((site, name),)),)))
    found = dense(th.Operator((th.Term(c, tuple(factors)),)))
    np.testing.assert_allclose(found, product, atol=1e-11 * (1 + abs(c)))


def test_like_terms_are_merged_and_zeros_dropped():
    z = th.sigma("z")
    assert (z(0) * z(3) + z(3) * z(0)).terms == (th.Term(2.0, {0: "z", 3: "z"}),)
    assert (z(1) - z(1)).terms == ()


def test_paulis_obey_their_algebra():
    x, y, z = (th.sigma(a)(0) for a in "xyz")
    assert x * y == 1j * z
    assert y * x == -1j * z
    assert x * x == th.identity()
    assert th.sigma("+")(0) * th.sigma("+")(0) == th.Operator()


def test_spins_on_different_sites_commute():
    a, b = th.sigma("y")(4), th.sigma("-")(1)
    assert a * b == b * a
    assert (a * b).sites == (1, 4)


def test_operators_can_be_summed_from_zero():
    assert sum(th.sigma("x")(k) for k in range(3)) == th.Operator.sum(
        th.sigma("x")(k) for k in range(3)
    )


def test_division_is_by_numbers():
    assert th.sigma("x")(0) / 4 == 0.25 * th.sigma("x")(0)


def test_number_is_not_reordered_words():
    assert th.create(2) * th.destroy(2) != th.number(2)
    np.testing.assert_allclose(dense(th.create(2) * th.destroy(2)), dense(th.number(2)), atol=1e-15)


def test_equal_terms_are_equal_objects_and_hash_alike():
    a, b = th.Term(2.0, {3: "x", 0: "z"}), th.Term(2.0, ((0, "z"), (3, "x")))
    assert a == b
    assert hash(a) == hash(b)


def test_jump_accepts_a_single_term():
    assert th.Jump(th.Term(0.5, {0: "-"})) == th.Jump(0.5 * th.sigma("-")(0))


def test_field_jump_knows_its_sites_and_compares_by_content():
    rate = th.SqrtRate(th.GlauberRate(2.0, 1))
    one = th.FieldJump(1, {"+": rate}, [0.0, 0.0, 0.5, 0.0, -0.2])
    assert one.sites == (1, 2, 4)
    assert one == th.FieldJump(1, {"+": rate}, np.array([0, 0, 0.5, 0, -0.2]))
    assert hash(one) == hash(th.FieldJump(1, {"+": rate}, [0.0, 0.0, 0.5, 0.0, -0.2]))
    assert one != th.FieldJump(1, {"-": rate}, [0.0, 0.0, 0.5, 0.0, -0.2])


def test_field_jump_fits_a_callable_where_fields_can_occur():
    jump = th.FieldJump(0, {"+": np.cosh}, [0, 0.7, -0.9])
    rate = jump.amplitudes[0][1]
    assert isinstance(rate, th.ChebyshevRate)
    assert rate.bound == pytest.approx(1.6)
    h = np.linspace(-1.6, 1.6, 57)
    np.testing.assert_allclose(rate(h), np.cosh(h), atol=1e-11)


def test_fields_cannot_be_changed_afterwards():
    jump = th.FieldJump(0, {"+": np.cosh}, [0, 0.7, -0.9])
    with pytest.raises(ValueError, match=r"read-only"):
        jump.fields[0, 1] = 0.0
