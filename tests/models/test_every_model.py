"""Laws that hold for every model: those of ALL_MODELS and those that no function makes."""

import inspect

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.exact.block_lindbladian import pack, unpack
from tnhop.solvers.exact.dense_state import Lindbladian, product_matrix
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from zoo import MADE, UNSEEN, ZOO, generator_of, random_hermitian, tilted, with_levels

# The instances keep few Fock levels: the laws hold for the truncated model too.
pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")

TIMES = [0.0, 0.3, 0.7, 1.1]
every_model = pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
SMOOTH = {
    name: model
    for name, model in ZOO.items()
    if all(a.smooth for j in model.jumps if isinstance(j, th.FieldJump) for _, a in j.amplitudes)
}
# Beyond rounding: coherent states of amplitude 0.25 leave 1e-17 above 14 levels.
LEVELS = 14


def test_zoo_holds_every_model():
    assert {name.partition(":")[0] for name in MADE} == set(th.ALL_MODELS)


@pytest.mark.parametrize("model", MADE.values(), ids=MADE.keys())
def test_recipe_rebuilds_the_model(model):
    function, given = th.ALL_MODELS[model.recipe.function], dict(model.recipe.arguments)
    assert [*given] == [name for name in inspect.signature(function).parameters if name in given]
    if isinstance(given.get("couplings"), str):
        given["couplings"] = getattr(th, given["couplings"])
    if model.n_modes > model.n_spins > 0:  # a confirmation, no part of the model
        given["n_spins"] = model.n_spins
    assert function(**given) == model


@every_model
def test_generator_equals_kronecker_construction(model, rng):
    L, reference = Lindbladian(model), generator_of(model)
    for _ in range(3):
        rho = random_hermitian(model.hilbert_dim, rng)
        derivative = unpack(L(pack(rho).ravel()).reshape(rho.shape))
        expected = (reference @ rho.ravel()).reshape(rho.shape)
        # sums of some hundred products of numbers of order 1
        np.testing.assert_allclose(
            derivative, expected, rtol=0, atol=1e-12 * np.abs(expected).max()
        )


@every_model
def test_adjoint_generator_is_the_transpose(model, rng):
    L = Lindbladian(model)
    x, y = rng.standard_normal((2, L.size))
    forward, backward = y @ L(x), L.adjoint(y) @ x
    assert forward == pytest.approx(backward, abs=1e-12 * L.size)


@every_model
def test_trace_of_the_derivative_vanishes(model, rng):
    L = Lindbladian(model)
    derivative = L(rng.standard_normal(L.size)).reshape(L.dim, L.dim)
    assert np.trace(derivative) == pytest.approx(0.0, abs=1e-12 * L.size)


@every_model
def test_centre_of_the_spectrum_is_the_mean_diagonal(model):
    assert Lindbladian(model).mean_diagonal == pytest.approx(
        float(generator_of(model).diagonal().real.mean()), rel=1e-12, abs=1e-13
    )


@every_model
def test_states_stay_density_matrices(model):
    result = th.evolve(
        model, tilted(model), TIMES, method="Exact", observables="trace", save_states=True
    )
    for state in result.states:
        rho = state.rho
        assert np.array_equal(rho, rho.conj().T)
        assert np.trace(rho).real == pytest.approx(1.0, abs=1e-11)
        # Exact's default tolerance of the state is 1e-10
        assert np.linalg.eigvalsh(rho).min() > -1e-10


@every_model
def test_exact_evolution_equals_matrix_exponential(model):
    from scipy.sparse.linalg import expm_multiply

    state = tilted(model)
    result = th.evolve(model, state, [0.9], method="Exact")
    rho = unpack(product_matrix(state, model.dims)).ravel()
    expected = expm_multiply(0.9 * generator_of(model), rho)
    # tolerance of Exact 1e-10, of expm_multiply about 1e-14
    np.testing.assert_allclose(result.final_state.rho.ravel(), expected, rtol=0, atol=1e-10)


@every_model
def test_restart_equals_the_straight_run(model):
    straight = th.evolve(model, tilted(model), [0.4, 1.1], method="Exact")
    first = th.evolve(model, tilted(model), [0.4], method="Exact")
    second = th.evolve(model, first.final_state, [0.7], method="Exact")
    for name, values in straight.expect.items():
        np.testing.assert_allclose(second.expect[name][-1], values[-1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", th.ALL_METHODS)
@every_model
def test_method_runs_or_says_why_not(model, method):
    state = tilted(model)
    reason = th.ALL_METHODS[method]().supports(Problem(model, state, TIMES), "evolve")
    if reason is None:
        result = th.evolve(model, state, TIMES, method=method)
        for o in model.observables:
            assert result.expect[o.name].shape == (len(TIMES), *o.shape)
            assert result.errors[o.name].shape == (len(TIMES), *o.shape)
            assert np.all(np.isfinite(result.expect[o.name]))
    else:
        assert reason.startswith(f"Method `{method}` ")
        assert reason.endswith(".")
        with pytest.raises(ValueError, match=r"^Method `"):
            th.evolve(model, state, TIMES, method=method)


# files know models, methods and states apart: all models by one method, some by all
STORED = [(model, "Exact") for model in ZOO.values()] + [
    (ZOO[name], method)
    for name in ("open_hopfield: Hebb", "dicke: with gain", "unseen: random rates")
    for method in th.ALL_METHODS
    if method != "Exact"
]


@pytest.mark.parametrize(("model", "method"), STORED, ids=str)
def test_saved_result_comes_back(model, method, tmp_path):
    if th.ALL_METHODS[method]().supports(Problem(model, tilted(model), TIMES), "evolve"):
        pytest.skip("the method does not solve this model")
    result = th.evolve(model, tilted(model), TIMES, method=method)
    loaded = th.load(result.save(tmp_path / "run.h5"))
    assert loaded.model == model
    assert loaded.method == result.method
    assert loaded.observables == result.observables
    for name, values in result.expect.items():
        np.testing.assert_array_equal(loaded.expect[name], values)
        np.testing.assert_array_equal(loaded.errors[name], result.errors[name])
    for name, array in result.final_state.to_arrays().items():
        np.testing.assert_array_equal(loaded.final_state.to_arrays()[name], array)


@every_model
def test_initial_values_agree_between_methods(model):
    state = tilted(with_levels(model, LEVELS))
    names = [o.name for o in model.observables if o.name != "purity"]
    if th.MeanField().supports(Problem(model, state, [0.0]), "evolve"):
        pytest.skip("the method does not solve this model")
    big = with_levels(model, LEVELS)
    both = [
        th.evolve(big, state, [0.0], method=m, observables=names) for m in ("Exact", "MeanField")
    ]
    for name in names:
        np.testing.assert_allclose(both[0].expect[name], both[1].expect[name], rtol=0, atol=1e-11)


def exact_flow(model: th.Model, state: th.ProductState) -> np.ndarray:
    """Return d/dt of the Bloch components and of Re a, Im a at a product state, from the generator."""
    L = Lindbladian(model)
    x = product_matrix(state, model.dims).ravel()
    derivative = th.DenseState(L(x).reshape(L.dim, L.dim), model.dims)
    bloch = [th.sigma(axis)(k) for k in model.spins for axis in "xyz"]
    alpha = derivative.expect([th.destroy(k) for k in model.modes])
    return np.concatenate([derivative.expect(bloch).real, alpha.real, alpha.imag])


@pytest.mark.parametrize("model", SMOOTH.values(), ids=SMOOTH.keys())
def test_mean_field_flow_is_the_exact_derivative_of_a_product_state(model):
    """Closure "product" averages rates exactly and keeps the back-action: the flow has no error at t = 0."""
    if any(isinstance(j, th.FieldJump) and len(j.fields) > 1 for j in model.jumps):
        pytest.skip("closure 'product' takes one field")
    big = with_levels(model, LEVELS)
    state = tilted(big)
    flow = MeanFieldFlow(big, "product")
    expected = exact_flow(big, state)
    # the Fourier series of the rates are fitted to 1e-11; without field jumps the flow is a polynomial
    fitted = any(isinstance(j, th.FieldJump) for j in model.jumps)
    np.testing.assert_allclose(
        flow(0.0, flow.pack(state)), expected, rtol=0, atol=1e-9 if fitted else 1e-11
    )


@pytest.mark.parametrize("closure", ["thermodynamic", "field", "product"])
@pytest.mark.parametrize(
    "model",
    [m for m in SMOOTH.values() if not any(isinstance(j, th.FieldJump) for j in m.jumps)],
    ids=[n for n, m in SMOOTH.items() if not any(isinstance(j, th.FieldJump) for j in m.jumps)],
)
def test_closure_is_irrelevant_without_field_jumps(model, closure):
    big = with_levels(model, LEVELS)
    state = tilted(big)
    flow = MeanFieldFlow(big, closure)
    np.testing.assert_allclose(
        flow(0.0, flow.pack(state)), exact_flow(big, state), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("model", UNSEEN.values(), ids=UNSEEN.keys())
def test_unseen_model_has_a_steady_state_or_asks_for_a_state(model):
    if not model.jumps:
        with pytest.raises(ValueError, match=r"`state` must be given"):
            th.steady_state(model)
        return
    steady = th.steady_state(model, state=tilted(model))
    assert steady.residual < 1e-9
    assert np.linalg.eigvalsh(steady.state.rho).min() > -1e-8
