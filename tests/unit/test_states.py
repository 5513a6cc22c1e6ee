"""Product states and density matrices."""

import numpy as np
import pytest

import tnhop as th
from zoo import ALPHA, BLOCH, ZOO, tilted, with_levels

MODEL = with_levels(ZOO["multimode_dicke: two modes"], 14)


def test_product_state_and_its_matrix_have_the_same_averages():
    state = tilted(MODEL)
    dense = th.DenseState.from_product(state, MODEL.dims)
    a, b = th.destroy(2), th.create(3)
    operators = [
        th.sigma("y")(0) * th.sigma("z")(1), a * a, th.create(2) * a * th.number(2), b * a * th.sigma("+")(1),
        th.number(3) * th.number(3), th.identity(), 0.3j * th.sigma("-")(0) * th.destroy(3),
    ]  # fmt: skip
    # 14 levels hold an amplitude of 0.25 to rounding
    np.testing.assert_allclose(dense.expect(operators), state.expect(operators), atol=1e-13)


def test_matrix_of_a_product_state_is_a_density_matrix():
    rho = th.DenseState.from_product(tilted(MODEL), MODEL.dims).rho
    assert np.array_equal(rho, rho.conj().T)
    assert np.trace(rho).real == pytest.approx(1.0, abs=1e-14)
    assert np.linalg.eigvalsh(rho).min() > -1e-15


def test_configuration_is_a_state_along_z():
    model = th.open_hopfield([[1, -1, 1]], beta=2.0)
    state = th.product_state(model, spins=[1, -1, -1])
    assert state.bloch.tolist() == [[0, 0, 1], [0, 0, -1], [0, 0, -1]]
    assert th.DenseState.from_product(state, model.dims).populations()[0b011] == 1.0


def test_one_bloch_vector_serves_all_spins():
    state = th.product_state(MODEL, bloch=[0.36, 0.48, 0.8])
    assert state.bloch.tolist() == [[0.36, 0.48, 0.8]] * 2
    assert state.alpha.tolist() == [0, 0]


def test_pattern_state_has_the_asked_overlap():
    model = th.open_hopfield([[1, -1, 1, 1], [1, 1, -1, 1]], beta=2.0)
    state = th.pattern_state(model, pattern=1, overlap=-0.6)
    r = th.evolve(model, state, [0.0], observables="m_z", method="Exact")
    assert r.expect["m_z"][0, 1] == pytest.approx(-0.6, abs=1e-15)
    np.testing.assert_allclose(state.bloch[:, 2], [-0.6, -0.6, 0.6, -0.6])


def test_tensor_factors_are_ordered_as_the_sites():
    state = th.product_state(MODEL, bloch=BLOCH[:2], alpha=ALPHA)
    rho = th.DenseState.from_product(state, MODEL.dims).rho.reshape(2, 2, 14, 14, 2, 2, 14, 14)
    first = np.einsum("abcdebcd->ae", rho)
    x, y, z = BLOCH[0]
    np.testing.assert_allclose(
        first, np.array([[1 + z, x - 1j * y], [x + 1j * y, 1 - z]]) / 2, atol=1e-14
    )


def test_arrays_rebuild_the_state():
    state = tilted(MODEL)
    for one in (state, th.DenseState.from_product(state, MODEL.dims)):
        again = type(one).from_arrays(one.to_arrays())
        operators = [th.sigma("x")(1), th.destroy(3)]
        np.testing.assert_array_equal(again.expect(operators), one.expect(operators))


def test_coherent_state_that_almost_fits_is_accepted():
    small = with_levels(MODEL, 5)
    state = th.product_state(small, bloch=[0, 0, 1], alpha=0.6)
    rho = th.DenseState.from_product(state, small.dims).rho
    assert np.trace(rho).real == pytest.approx(1.0, abs=1e-14)
