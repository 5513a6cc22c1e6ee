"""The mean-field flow: polynomials, packing, averages over product states."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.exact.dense_state import Lindbladian
from tnhop.solvers.meanfield.flow import MeanFieldFlow, Polynomial, expectation_polynomial
from tnhop.solvers.meanfield.product_averages import ProductAverage
from zoo import BLOCH, ZOO, configurations, gaussian_couplings, tilted


def test_polynomial_evaluates_its_terms():
    p = Polynomial(3, 2)
    p.add(0, 2.0, [0, 0, 2])
    p.add(0, -1.5, [])
    p.add(1, 0.5, [1])
    p.add(1, 0.5, [1])
    x = np.array([0.3, -0.7, 1.1])
    np.testing.assert_allclose(p.compile()(x), [2 * 0.09 * 1.1 - 1.5, -0.7])


def test_empty_polynomial_is_zero():
    assert Polynomial(3, 2).compile()(np.ones(3)).tolist() == [0, 0]


@pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
def test_compiled_averages_equal_those_of_the_state(model):
    state = tilted(model)
    operators = [op for o in model.observables for op in o.operators]
    smooth = all(
        a.smooth for j in model.jumps if isinstance(j, th.FieldJump) for _, a in j.amplitudes
    )
    flow = (
        MeanFieldFlow(model, "field")
        if smooth
        else MeanFieldFlow(th.Model(model.sites, 0.0), "field")
    )
    found = expectation_polynomial(model, operators)(flow.variables(flow.pack(state)))
    np.testing.assert_allclose(found, state.expect(operators), atol=1e-14)


def test_packing_comes_back():
    model = ZOO["multimode_dicke: two modes"]
    state, flow = tilted(model), MeanFieldFlow(model, "field")
    again = flow.unpack(flow.pack(state))
    np.testing.assert_array_equal(again.bloch, state.bloch)
    np.testing.assert_array_equal(again.alpha, state.alpha)


def test_averages_of_amplitudes_equal_the_sum_over_configurations():
    """Eq. (40): ⟨φ_a* φ_b⟩ over 2^N outcomes."""
    J, z = gaussian_couplings(5), BLOCH[:5, 2]
    amplitudes = [
        th.SqrtRate(th.GlauberRate(11 / 7, 1)),
        th.ScaledRate(0.4 - 0.8j, th.SqrtRate(th.GlauberRate(11 / 7, -1))),
    ]
    average = ProductAverage(amplitudes, J)
    found = average.products(z)
    s = configurations(5)
    p = ((1 + s * z) / 2).prod(axis=1)
    for k in range(5):
        phi = np.array([a(s @ J[k]) for a in amplitudes])
        expected = np.einsum("s,as,bs->ab", p, phi.conj(), phi)
        np.testing.assert_allclose(found[:, :, k], expected, atol=1e-10)
    assert average.max_error < 1e-10


def test_field_closure_sees_the_other_spins_only():
    """Eq. (39): rates at Σ_{j≠k} J_kj z_j."""
    J, beta = gaussian_couplings(4), 9 / 7
    model = th.open_hopfield(np.ones((1, 4), dtype=int), beta=beta, couplings=J)
    flow = MeanFieldFlow(model, "field")
    state = th.product_state(model, bloch=BLOCH[:4])
    change = flow.unpack(flow(0.0, flow.pack(state))).bloch
    z = BLOCH[:4, 2]
    np.testing.assert_allclose(change[:, 2], np.tanh(beta * J @ z) - z, atol=1e-14)


def test_self_couplings_are_recognised_from_the_patterns():
    """J + p/N on the diagonal closes the overlaps; random couplings have no diagonal."""
    own = lambda model: [jump.self_field[0] for jump in model.jumps]  # noqa: E731
    xi = th.random_patterns(2, 7, rng=3)
    assert own(th.open_hopfield(xi, beta=1.0)) == pytest.approx([2 / 7] * 14)
    projected = th.open_hopfield(xi, beta=1.0, couplings=th.pseudo_inverse)
    C = xi @ xi.T.astype(float) / 7
    expected = np.einsum("ai,ab,bi->i", xi, np.linalg.inv(C), xi) / 7
    np.testing.assert_allclose(own(projected), np.repeat(expected, 2), atol=1e-12)
    random = th.open_hopfield(xi, beta=1.0, couplings=gaussian_couplings(7))
    assert own(random) == [0.0] * 14


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("operators", [("-", "x"), ("+", "z", "up"), ("y", "down")])
def test_field_closure_is_exact_where_the_field_is_sharp(operators, signs):
    """Other spins along ±z: no fluctuation of the fields, no coherence that back-action could damp."""
    fields = [[0.0, 0.4, -0.3], [0.0, 0.2, 0.5]]
    dense = th.SqrtRate(th.DenseGlauberRate(9 / 7, -1, 3, (1, -1), 1 / 3))
    factors = (0.6 - 0.7j, 0.3 + 0.5j, -0.4j)
    amplitudes = {
        name: th.ScaledRate(c, dense) if k else th.ConstantRate(0.7)
        for k, (name, c) in enumerate(zip(operators, factors, strict=False))
    }
    model = th.Model(th.spins(3), 0.0, [th.FieldJump(0, amplitudes, fields)])
    bloch = np.array([BLOCH[0], [0, 0, signs[0]], [0, 0, signs[1]]])
    state = th.product_state(model, bloch=bloch)
    flow = MeanFieldFlow(model, "field")
    change = th.DenseState(
        derivative_of(model, th.DenseState.from_product(state, model.dims)), model.dims
    )
    expected = change.expect([th.sigma(axis)(k) for k in range(3) for axis in "xyz"]).real
    np.testing.assert_allclose(flow(0.0, flow.pack(state)), expected, atol=1e-14)


def derivative_of(model, state):
    L = Lindbladian(model)
    return L(state.packed.ravel()).reshape(L.dim, L.dim)
