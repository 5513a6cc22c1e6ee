"""Rates of change of observables of a chain against ⟨O|L|ρ⟩ with matrices made without the package."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.derivatives import GeneratorFunctionals
from tnhop.solvers.chain.network.mpo import lindblad_mpo
from tnhop.solvers.chain.network.mps import MPSState
from zoo import ZOO, gaussian_couplings, generator_of, matrix_of, random_hermitian

EPSILON = 0.3
SMALL = {name: model for name, model in ZOO.items() if model.hilbert_dim <= 32}
WORDS = {"spin": ["x", "y", "z", "+", "-", "up"], "mode": ["a", "adag", "n", "adag a a", "n adag"]}


def random_operators(model, rng, count=6):
    """Sums of products on some sites, Hermitian or not, beside all one-site ones and the trace."""
    operators = [th.identity()]
    for site in range(model.n_sites):
        words = WORDS[model.sites[site].kind]
        operators += [th.Operator((th.Term(1.0, ((site, word),)),)) for word in words]
    for _ in range(count):
        terms = []
        for _ in range(3):
            sites = rng.choice(model.n_sites, min(model.n_sites, rng.integers(1, 4)), replace=False)
            factors = {int(k): str(rng.choice(WORDS[model.sites[k].kind])) for k in sites}
            terms.append(th.Term(complex(*rng.standard_normal(2)), factors))
        operators.append(th.Operator(tuple(terms)))
    return operators


def assert_rates(model, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(model.n_sites)
    mpo = lindblad_mpo(model, ordering=order, epsilon=EPSILON, tolerance=1e-12)
    rho = random_hermitian(model.hilbert_dim, rng)
    state = MPSState.from_dense(rho, model.dims, model.n_spins, order, EPSILON)
    operators = random_operators(model, rng)
    moved = (generator_of(model) @ rho.ravel()).reshape(rho.shape)
    exact = np.array([(matrix_of(O, model.dims) @ moved).trace() for O in operators])
    functionals = GeneratorFunctionals(mpo)
    found = functionals.rates_of_change(state.tensors, operators)
    size = max(np.abs(exact).max(), np.abs(moved).max())
    assert found.shape == (len(operators),)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10 * size)
    assert abs(found[0]) < 1e-12 * size  # of the trace
    np.testing.assert_array_equal(functionals.rates_of_change(state.tensors, operators), found)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_every_model(name):
    assert_rates(SMALL[name], seed=7)


@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_networks(n_patterns):
    rng = np.random.default_rng(n_patterns)
    xi, beta = th.random_patterns(n_patterns, 5, rng=n_patterns), rng.uniform(0.5, 3.0)
    longitudinal = rng.standard_normal(5) / 3
    model = th.open_hopfield(xi, beta=beta, Omega=rng.uniform(0.1, 2), longitudinal=longitudinal)
    assert_rates(model, seed=n_patterns)
    if n_patterns == 1:
        couplings = gaussian_couplings(5, seed=8)
        assert_rates(th.open_hopfield(xi, beta=beta, Omega=0.4, couplings=couplings), seed=3)


def random_model(rng):
    """Two spins and a mode in random order of products; jumps on one, two and three sites."""
    sites = th.spins(2) + th.modes(1, fock_dim=4)
    products = [
        th.sigma("-")(0), th.sigma("z")(1), th.destroy(2), th.sigma("+")(0) * th.sigma("y")(1),
        th.sigma("x")(1) * th.create(2), th.sigma("-")(0) * th.sigma("z")(1) * th.number(2),
    ]  # fmt: skip
    mixed = [sum(complex(*rng.standard_normal(2)) * p for p in products) for _ in range(3)]
    return th.Model(sites, mixed[0] + mixed[0].dag(), [th.Jump(L) for L in mixed[1:]])


@pytest.mark.parametrize("seed", range(3))
def test_random_jumps_on_several_sites(seed):
    assert_rates(random_model(np.random.default_rng(seed)), seed)


def test_fewer_levels_than_the_model():
    """The truncated system has rates of its own; a chain with other levels is refused."""
    model = random_model(np.random.default_rng(5))
    assert_rates(model.with_levels((3,)), seed=5)
    start = th.product_state(model, bloch=np.zeros((2, 3)))
    chain = MPSState.from_product(start, model.dims, range(model.n_sites), EPSILON)
    mpo = lindblad_mpo(model.with_levels((3,)), ordering="natural", epsilon=EPSILON)
    with pytest.raises(ValueError, match=r"`tensors\[2\]` must have shape \(bond, 9, bond\)"):
        GeneratorFunctionals(mpo).rates_of_change(chain.tensors, [th.number(2)])
