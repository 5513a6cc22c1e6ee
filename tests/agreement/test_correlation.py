"""Two-time correlations: quantum regression against QuTiP, closed forms and between the methods."""

import numpy as np
import pytest
import qutip

import tnhop as th
from zoo import ZOO, matrix_of, patterns, tilted

TIMES = np.linspace(0, 3, 7)


def collective(axis, signs):
    """Return Σ ξ_i σ_i."""
    return th.Operator.sum(float(s) * th.sigma(axis)(i) for i, s in enumerate(signs))


def by_qutip(model, state, first, second):
    """Return tr[second e^{Lt}(first ρ)] by QuTiP, on matrices built without tnhop."""
    H, c_ops = th.to_qutip(model)
    B, A = (qutip.Qobj(matrix_of(op, model.dims).toarray(), dims=H.dims) for op in (first, second))
    rho = th.to_qutip(state, model=model)
    options = {"atol": 1e-12, "rtol": 1e-10}
    return np.array(
        [(A * x).tr() for x in qutip.mesolve(H, B * rho, TIMES, c_ops, options=options).states]
    )


@pytest.mark.parametrize(
    "name", ["open_hopfield: Hebb", "multimode_dicke: two modes", "unseen: spin-mode terms"]
)
def test_exact_equals_qutip_for_operators_that_are_not_hermitian(name):
    model = ZOO[name]
    first = th.sigma("-")(0) * th.sigma("y")(1) + 0.3j * th.sigma("x")(0)
    second = th.sigma("+")(1) - 0.7 * th.sigma("z")(0)
    found = th.correlation(model, tilted(model), TIMES, first, second, method="Exact")
    expected = by_qutip(model, tilted(model), first, second)
    # tolerance of mesolve
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=2e-8)


@pytest.mark.parametrize(("n_patterns", "n_spins"), [(1, 4), (2, 5), (3, 6)])
def test_symmetric_equals_exact(n_patterns, n_spins):
    xi = patterns(n_patterns, n_spins)
    model = th.open_hopfield(xi, beta=7 / 5, Omega=3 / 7)
    first = collective("y", xi[0]) * collective("z", xi[0])
    second = collective("z", xi[-1]) + 0.3 * collective("x", np.ones(n_spins))
    state = th.pattern_state(model, overlap=0.7)
    both = [
        th.correlation(model, state, TIMES, first, second, method=m) for m in ("Exact", "Symmetric")
    ]
    np.testing.assert_allclose(both[0].values, both[1].values, rtol=0, atol=1e-10)


def test_symmetric_equals_exact_with_a_mode():
    model = th.dicke(
        3, g=5 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, gain=2 / 9, fock_dim=5, decay=1 / 9
    )
    state = th.product_state(model, bloch=[0.48, 0.36, 0.6], alpha=0.2 - 0.1j)
    first, second = th.destroy(3), th.create(3) * collective("z", np.ones(3))
    both = [
        th.correlation(model, state, TIMES, first, second, method=m) for m in ("Exact", "Symmetric")
    ]
    np.testing.assert_allclose(both[0].values, both[1].values, rtol=0, atol=1e-10)


def test_delay_zero_is_the_product():
    model = ZOO["open_hopfield: Hebb"]
    first, second = th.sigma("x")(0), th.sigma("y")(0)
    found = th.correlation(model, tilted(model), [0.0], first, second, method="Exact")
    expected = tilted(model).expect([second * first])[0]
    assert found.values[0] == pytest.approx(expected, abs=1e-14)


def test_coherence_of_a_free_spin_decays_at_half_the_rate():
    """⟨σ⁺(t) σ⁻(0)⟩ = p_up exp(-Γt/2 + 2ibt), closed form."""
    rate, b = 3 / 5, 2 / 7
    model = th.independent_spins(1, decay=rate, longitudinal=b)
    state = th.product_state(model, bloch=[0, 0, 0.4])
    found = th.correlation(model, state, TIMES, th.sigma("-")(0), th.sigma("+")(0), method="Exact")
    expected = 0.7 * np.exp((2j * b - rate / 2) * TIMES)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-10)


def test_reported_error_covers_the_measured_one():
    model = th.open_hopfield(patterns(1, 5), beta=7 / 5, Omega=3 / 7)
    M = collective("z", patterns(1, 5)[0])
    state = th.pattern_state(model, overlap=0.7)
    fine = th.correlation(model, state, TIMES, M, M, method=th.Symmetric(1e-13))
    for tolerance in (1e-4, 1e-7):
        coarse = th.correlation(model, state, TIMES, M, M, method=th.Symmetric(tolerance))
        assert np.all(np.abs(coarse.values - fine.values) <= coarse.errors + fine.errors)


def test_stationary_correlation_of_the_cycle_rings_at_the_slowest_pair():
    """At late delays C(t) ~ e^{-Γt} cos ωt with the leading pair of the spectrum."""
    model = th.open_hopfield(np.ones((1, 12)), beta=2.0, Omega=0.6)
    M = collective("z", np.ones(12))
    steady = th.steady_state(model, method="Symmetric").state
    times = np.linspace(20, 26, 61)
    C = th.correlation(model, steady, times, M, M, method="Symmetric").values.real
    pair = th.liouvillian_spectrum(model, 4, method="Symmetric").eigenvalues[1]
    basis = np.exp(pair.real * times) * np.stack(
        [np.cos(pair.imag * times), np.sin(pair.imag * times)]
    )
    rest = C - basis.T @ np.linalg.lstsq(basis.T, C, rcond=None)[0]
    # the next modes decay three times faster
    assert np.abs(rest).max() < 2e-3 * np.abs(C).max()


def test_single_spin_operator_is_refused_by_symmetric():
    model = th.open_hopfield(np.ones((1, 4)), beta=2.0, Omega=0.6)
    with pytest.raises(ValueError, match=r"`first` must be symmetric in the spins of every class"):
        th.correlation(
            model, th.pattern_state(model), TIMES, th.sigma("z")(0), th.sigma("z")(0),
            method="Symmetric",
        )  # fmt: skip


def test_mean_field_does_not_offer_correlations():
    model = ZOO["open_hopfield: Hebb"]
    with pytest.raises(ValueError, match="`MeanField` does not offer `correlation`"):
        th.correlation(
            model, tilted(model), TIMES, th.sigma("z")(0), th.sigma("z")(0), method="MeanField"
        )


def test_correlation_becomes_a_dataset():
    model = ZOO["open_hopfield: Hebb"]
    found = th.correlation(model, tilted(model), TIMES, th.sigma("z")(0), th.sigma("z")(1))
    data = found.to_xarray()
    assert set(data) == {"correlation_re", "correlation_im", "correlation_error"}
    assert "\n  C(3)  " in repr(found)


@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_errors_of_fitted_rates_are_in_the_bar(method):
    def model(tolerance):
        rate = th.ChebyshevRate.fit(
            lambda h: np.sqrt(0.3 + np.tanh(2 * h) ** 2), 1.5, tolerance=tolerance
        )
        J = 0.4 * (1 - np.eye(3))
        return th.Model(th.spins(3), th.Operator.sum([0.5 * th.sigma("x")(k) for k in range(3)]),
                        [th.FieldJump(k, {"-": rate}, J[k]) for k in range(3)])  # fmt: skip

    z = th.Operator.sum([th.sigma("z")(k) for k in range(3)])
    found = []
    for m in (model(1e-2), model(1e-12)):
        start = th.product_state(m, bloch=[0.2, 0.1, 0.6])
        found.append(th.correlation(m, start, [0.0, 1.0, 2.0], z, z, method=method))
    error = np.abs(found[0].values - found[1].values).max()
    assert 1e-6 < error <= np.max(found[0].errors)


@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_cut_fock_spaces_are_in_the_bar(method):
    """Driven, pumped modes and a Dicke model with too few levels, against many."""
    a, adag = th.destroy, th.create
    rng = np.random.default_rng(41)
    ratios = []
    for _ in range(6):
        drive, gain, nu = rng.uniform(0.1, 0.6), rng.uniform(0.0, 0.3), rng.uniform(0.3, 1.2)
        found = []
        for levels in (4, 6, 9, 26):
            m = th.Model(th.modes(1, fock_dim=levels), nu * th.number(0) + drive * (a(0) + adag(0)),
                         [th.Jump(a(0)), th.Jump(gain**0.5 * adag(0))])  # fmt: skip
            start = th.product_state(m, alpha=[0.1])
            found.append(th.correlation(m, start, [0.0, 1.0, 5.0], adag(0), a(0), method=method))
        for few in found[:-1]:
            error = np.abs(few.values - found[-1].values).max()
            assert error <= np.max(few.errors)
            ratios.append(np.max(few.errors) / error)
    assert np.median(ratios) < 300
