"""Observables: labels, standard sets, functionals."""

import numpy as np
import pytest

import tnhop as th
from zoo import BLOCH, ZOO, configurations, patterns, tilted

MODEL = th.open_hopfield(patterns(2, 3), beta=9 / 7, Omega=3 / 7)


def test_overlap_is_the_weighted_magnetisation():
    for axis in "xyz":
        (m,) = MODEL.select(f"m_{axis}")
        values = tilted(MODEL).expect(m.operators).real
        component = BLOCH[:3, "xyz".index(axis)]
        np.testing.assert_allclose(values, patterns(2, 3) @ component / 3, atol=1e-15)


def test_two_point_functions_are_labelled_by_both_sites():
    (zz,) = MODEL.select("sigma_zz")
    assert zz.dims == ("site", "site_2")
    values = tilted(MODEL).expect(zz.operators).real.reshape(3, 3)
    z = BLOCH[:3, 2]
    expected = np.outer(z, z)
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(values, expected, atol=1e-15)


@pytest.mark.parametrize("method", ["Exact", "MeanField"])
def test_overlap_distribution_is_that_of_a_measurement(method):
    """All 8 outcomes of measuring σᶻ, weighted by the product state."""
    xi, s, z = patterns(2, 3), configurations(3), BLOCH[:3, 2]
    p = ((1 + s * z) / 2).prod(axis=1)
    result = th.evolve(
        MODEL,
        tilted(MODEL),
        [0.0],
        method=method,
        observables=["overlap_distribution", "overlap_moments"],
    )
    for mu in range(2):
        m = s @ xi[mu] / 3
        for k, value in enumerate((-1, -1 / 3, 1 / 3, 1)):
            expected = p[np.abs(m - value) < 1e-9].sum()
            found = result.expect["overlap_distribution"][0, mu, k]
            assert found == pytest.approx(expected, abs=1e-14)
        for order in (1, 2, 3, 4):
            assert result.expect["overlap_moments"][0, mu, order - 1] == pytest.approx(p @ m**order)


def test_distribution_at_later_times_sums_to_one_and_gives_the_overlap():
    names = ["overlap_distribution", "overlap_moments", "m_z"]
    r = th.evolve(MODEL, tilted(MODEL), [0.4, 1.7], method="Exact", observables=names)
    np.testing.assert_allclose(r.expect["overlap_distribution"].sum(axis=2), 1, atol=1e-11)
    np.testing.assert_allclose(r.expect["overlap_moments"][..., 0], r.expect["m_z"], atol=1e-12)


def test_purity_and_entropy_of_product_and_matrix_agree():
    names = ["purity", "entropy"]
    runs = [
        th.evolve(MODEL, tilted(MODEL), [0.0], method=m, observables=names)
        for m in ("Exact", "MeanField")
    ]
    for name in names:
        np.testing.assert_allclose(runs[0].expect[name], runs[1].expect[name], atol=1e-12)


def test_entropy_of_a_pure_state_is_zero():
    state = th.product_state(MODEL, bloch=[0.6, 0.0, 0.8])
    assert float(state.entropy()) == pytest.approx(0.0, abs=1e-9)
    assert float(state.purity()) == pytest.approx(1.0, abs=1e-12)


def test_complex_observables_stay_complex():
    one = th.Observable("raise_0", th.sigma("+")(0))
    assert one.is_complex
    r = th.evolve(MODEL, tilted(MODEL), [0.0], method="Exact", observables=one)
    x, y, _ = BLOCH[0]
    assert r.expect["raise_0"][0] == pytest.approx((x + 1j * y) / 2, abs=1e-14)


def test_default_set_has_what_the_model_has():
    names = lambda model: {o.name for o in model.observables}  # noqa: E731
    assert names(MODEL) == {"m_x", "m_y", "m_z", "sigma_z", "trace", "purity", "energy"}
    assert {"occupation", "alpha"} <= names(ZOO["dicke: with gain"])
    assert "sigma_z" not in names(ZOO["damped_mode: driven"])
    assert "energy" not in names(ZOO["unseen: no Hamiltonian"])


def test_own_observables_replace_the_default_set():
    own = th.Observable(
        "ends", [th.sigma("x")(0), th.sigma("x")(2)], dims="end", coords={"end": [0, 2]}
    )
    model = th.Model(MODEL.sites, MODEL.hamiltonian, MODEL.jumps, observables=[own])
    r = th.evolve(model, tilted(model), [0.5], method="Exact")
    assert list(r.expect) == ["ends"]
    assert r.expect["ends"].shape == (1, 2)
    assert (
        "m_z"
        not in th.evolve(model, tilted(model), [0.5], method="Exact", observables="ends").expect
    )


def test_energy_is_the_mean_of_the_hamiltonian():
    r = th.evolve(MODEL, tilted(MODEL), [0.0], method="Exact", observables="energy")
    assert r.expect["energy"][0] == pytest.approx(3 / 7 * BLOCH[:3, 0].sum(), abs=1e-14)


def test_observables_with_patterns_compare_by_content():
    (one,), (other,) = MODEL.select("overlap_distribution"), MODEL.select("overlap_distribution")
    assert one == other
    assert hash(one) == hash(other)
    larger = th.open_hopfield(patterns(1, 3), beta=9 / 7).select("overlap_distribution")
    assert larger[0] != one
