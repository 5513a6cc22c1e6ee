"""Packed density matrices, jump matrices and the generator."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.exact.block_lindbladian import pack, unpack
from tnhop.solvers.exact.dense_state import (
    Lindbladian,
    expectation_rows,
    jump_matrix,
    top_level_rows,
)
from zoo import ZOO, field_jump_matrix, matrix_of, random_hermitian

every_model = pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())


def test_packing_is_a_bijection_that_keeps_norm_and_trace(rng):
    """Eq. (33)."""
    rho = random_hermitian(7, rng)
    X = pack(rho)
    assert X.dtype == float
    np.testing.assert_allclose(unpack(X), rho, atol=1e-15)
    assert np.linalg.norm(X) == pytest.approx(np.linalg.norm(rho), rel=1e-14)
    assert np.trace(X) == pytest.approx(np.trace(rho).real, rel=1e-14)


def test_unpacking_is_hermitian_for_any_real_matrix(rng):
    X = rng.standard_normal((6, 6))
    assert np.array_equal(unpack(X), unpack(X).conj().T)
    np.testing.assert_allclose(pack(unpack(X)), X, atol=1e-15)


@every_model
def test_jump_matrices_are_those_of_the_terms(model):
    for jump in model.jumps:
        expected = (
            field_jump_matrix(jump, model.dims)
            if isinstance(jump, th.FieldJump)
            else matrix_of(jump.operator, model.dims)
        )
        difference = np.abs((jump_matrix(model.dims, jump) - expected).toarray())
        assert difference.max() < 1e-14


@every_model
def test_expectation_rows_are_traces(model, rng):
    rho = random_hermitian(model.hilbert_dim, rng)
    operators = [op for o in model.observables for op in o.operators]
    values = expectation_rows(model.dims, operators) @ pack(rho).ravel()
    expected = [np.trace(matrix_of(op, model.dims).toarray() @ rho) for op in operators]
    np.testing.assert_allclose(values[::2] + 1j * values[1::2], expected, atol=1e-11)


def test_top_level_rows_measure_the_highest_levels(rng):
    model = ZOO["multimode_dicke: two modes"]
    p = rng.random(model.hilbert_dim)
    rows = top_level_rows(model.dims, model.modes, [1, 2])
    q = p.reshape(model.dims)
    np.testing.assert_allclose(rows @ np.diag(p).ravel(), [q[:, :, -1].sum(), q[..., -2:].sum()])


def test_derivative_can_be_written_into_an_array(rng):
    L = Lindbladian(ZOO["unseen: spin-mode terms"])
    x, out = rng.standard_normal(L.size), np.full(L.size, np.nan)
    assert L.apply(x, out) is out
    np.testing.assert_array_equal(out, L(x))


def test_applications_do_not_remember_each_other(rng):
    L = Lindbladian(ZOO["unseen: random terms"])
    x, y = rng.standard_normal((2, L.size))
    first = L(x)
    L(y)
    L.adjoint(y)
    np.testing.assert_array_equal(L(x), first)


def test_common_phase_of_a_jump_is_irrelevant(rng):
    H = 0.3 * th.sigma("x")(0)
    make = lambda phase: th.Model(  # noqa: E731
        th.spins(2), H, [th.Jump(phase * (0.5 * th.sigma("-")(0) + 0.2j * th.sigma("y")(1)))]
    )
    x = rng.standard_normal(16)
    np.testing.assert_allclose(
        Lindbladian(make(1.0))(x), Lindbladian(make(np.exp(0.7j)))(x), atol=1e-15
    )
