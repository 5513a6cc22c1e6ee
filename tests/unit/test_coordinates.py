"""Chains with more or fewer Fock levels."""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.operators import mode_basis
from tnhop.solvers.chain.fock_levels import resized, wanted_levels


@pytest.mark.parametrize(("dim", "larger"), [(2, 3), (3, 7), (5, 5)])
def test_more_levels_hold_the_same_matrix(dim, larger, rng):
    A = rng.standard_normal((2, dim**2, 3))
    wide = resized(A, dim, larger)
    small, large = mode_basis(dim).matrices, mode_basis(larger).matrices
    matrices = np.einsum("lar,aij->lrij", wide, large)
    expected = np.einsum("lar,aij->lrij", A, small)
    np.testing.assert_allclose(matrices[..., :dim, :dim], expected, rtol=0, atol=1e-15)
    assert not matrices[..., dim:, :].any()
    assert not matrices[..., dim:].any()
    np.testing.assert_array_equal(resized(wide, larger, dim), A)


def thermal(n_levels, ratio):
    """Return the populations of a thermal state."""
    P = ratio ** np.arange(n_levels)
    return P / P.sum()


def test_levels_follow_the_populations():
    most = (40, 40)
    grown = wanted_levels([thermal(40, 0.5), thermal(40, 0.01)], (12, 12), most, 1e-6)
    assert grown == (16, 8)  # 0.5^10 is too much, 0.01^6 far too little
    assert wanted_levels([thermal(40, 0.5), thermal(40, 0.1)], (30, 10), most, 1e-6) == (30, 10)
    assert wanted_levels([thermal(40, 0.9)], (39,), (40,), 1e-6) == (40,)


def test_model_with_other_levels_has_the_same_terms():
    model = th.dicke(3, g=0.7, omega=1.0, Omega=0.5, loss=1.0, gain=0.2, fock_dim=9)
    small = model.with_levels([5])
    assert small.dims == (2, 2, 2, 5)
    assert small.hamiltonian == model.hamiltonian
    assert small.jumps == model.jumps


MODEL = th.multimode_dicke(
    [[0.5, 0.3], [-0.4, 0.7]], omega=[1.0, 0.7], Omega=[0.5, 0.4], loss=[1.0, 1.3],
    gain=[0.1, 0.0], fock_dim=[11, 9], decay=0.1,
)  # fmt: skip
START = th.product_state(MODEL, bloch=[[0.3, 0.4, 0.6], [-0.2, 0.1, -0.8]], alpha=[0.2, 0.0])


@pytest.mark.slow
def test_levels_grow_and_the_answer_is_that_of_all_levels():
    names, times = ["sigma_x", "sigma_y", "sigma_z", "occupation", "alpha"], [0.0, 0.5, 2.0]
    method = th.TDVP(max_bond=160, cutoff=1e-8, dt=0.05, fock_tolerance=1e-9)
    found = th.evolve(MODEL, START, times, observables=names, method=method)
    exact = th.evolve(MODEL, START, times, observables=names, method="Exact")
    for name in names:
        np.testing.assert_allclose(found.expect[name], exact.expect[name], rtol=0, atol=2e-5)
    assert found.final_state.dims.tolist() == [2, 2, 11, 9]
    assert found.stats["fock_levels"] == (11, 9)


def test_levels_are_given_back():
    """A mode that only loses its photons ends with few levels."""
    model = th.dicke(2, g=0.05, omega=1.0, Omega=0.5, loss=2.0, fock_dim=30)
    start = th.product_state(model, bloch=[0.0, 0.6, 0.0], alpha=2.0)
    method = th.TDVP(fock_tolerance=1e-8)
    result = th.evolve(model, start, [0.0, 6.0], observables=["occupation"], method=method)
    assert result.stats["fock_levels"][0] < 20
    exact = th.evolve(model, start, [0.0, 6.0], observables=["occupation"], method="Exact")
    error = np.abs(result.expect["occupation"] - exact.expect["occupation"])
    assert (error <= result.errors["occupation"] + 1e-9).all()
    assert result.errors["occupation"].max() < 1e-2


def test_too_few_levels_show_in_the_budget():
    model = th.dicke(3, g=1.5, omega=0.8, Omega=0.3, loss=0.7, fock_dim=7)
    start = th.pattern_state(model, overlap=0.9)
    with (
        pytest.warns(th.TruncationWarning, match="fock_dim"),
        pytest.warns(th.TruncationWarning, match="is wider than the range"),
    ):
        result = th.evolve(model, start, [0.0, 4.0], observables=["occupation"], method=th.TDVP())
    wide = th.dicke(3, g=1.5, omega=0.8, Omega=0.3, loss=0.7, fock_dim=26)
    exact = th.evolve(wide, start, [0.0, 4.0], observables=["occupation"], method="Exact")
    error = np.abs(result.expect["occupation"] - exact.expect["occupation"])
    assert error.max() > 0.1
    assert (error <= result.errors["occupation"] + 1e-12).all()
