"""ClassicalMaster: populations are those of Exact, of Gibbs, and of chains written down here."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import comb

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.physics.terms import pauli_terms
from tnhop.solvers.classical.configurations import all_configurations, configuration_rates
from tnhop.solvers.symmetric.spin_classes import find_classes
from zoo import BLOCH, ZOO, configurations, flipped, gaussian_couplings, patterns, tilted

N, BETA = 6, 9 / 7
XI = patterns(3, N)
TIMES = [0.0, 0.4, 1.7]
LINEAR = ["m_z", "sigma_z", "sigma_zz", "trace", "energy"]
NAMES = [*LINEAR, "overlap_distribution", "joint_overlap_distribution", "overlap_moments",
         "binder_cumulant", "edwards_anderson"]  # fmt: skip
FIELD = [1 / 5, -2 / 7, 0, 3 / 11, 1 / 13, -1 / 9]


def with_losses(model):
    """Decay, pumping and dephasing with unequal rates, and a field jump with a rate of its own."""
    own = th.FieldJump(4, {"+": th.ConstantRate(2 / 7), "-": lambda h: 0.3 + 0.2 * np.sin(h + 0.4)},
                       model.jumps[8].fields)  # fmt: skip
    jumps = [th.Jump(0.5 * th.sigma("-")(0)), th.Jump(0.3j * th.sigma("+")(2)),
             th.Jump(0.6 * th.sigma("z")(1) * th.sigma("z")(5) + 0.2 * th.sigma("up")(3)), own]  # fmt: skip
    return th.Model(model.sites, model.hamiltonian, [*model.jumps, *jumps], patterns=model.patterns)


HEBB = th.open_hopfield(XI, beta=BETA, longitudinal=FIELD)
MODELS = {
    "Hebb": HEBB,
    "all losses": with_losses(HEBB),
    "asymmetric": th.open_hopfield(
        XI, beta=BETA, longitudinal=FIELD, couplings=gaussian_couplings(N)
    ),
    "zero temperature": th.open_hopfield(XI, beta=np.inf, longitudinal=FIELD),
    "three-body": th.dense_hopfield(XI, degree=3, beta=BETA, longitudinal=FIELD),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def gibbs(J, beta):
    weights = np.exp(-beta * th.energy(J, configurations(len(J))))
    return weights / weights.sum()


def probabilities(state):
    """Return the populations of all configurations, of a state of classes too."""
    if isinstance(state, th.ConfigurationDistribution):
        return state.probabilities
    n, shape = len(state.labels), state.class_distribution.shape
    up = configurations(n) * state.signs == 1
    counts = [up[:, state.labels == g].sum(axis=1) for g in range(len(shape))]
    at = np.ravel_multi_index(tuple(counts), shape)
    return (state.populations / np.bincount(at))[at]


@every_model
def test_populations_are_those_of_exact_whatever_the_coherences(model):
    start = tilted(model)
    exact = th.evolve(model, start, TIMES, observables=NAMES, method="Exact")
    master = th.evolve(model, start, TIMES, observables=NAMES, method="ClassicalMaster")
    for name in NAMES:
        np.testing.assert_allclose(master.expect[name], exact.expect[name], rtol=0, atol=1e-10)
        bar = master.errors[name] + exact.errors[name]
        assert np.all((np.abs(master.expect[name] - exact.expect[name]) <= bar) | np.isnan(bar))
    found, expected = master.final_state.probabilities, exact.final_state.populations()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@every_model
def test_a_mixture_of_configurations_has_all_observables(model):
    start = th.product_state(model, bloch=BLOCH[:N] * [0, 0, 1])
    names = [*NAMES, "m_x", "sigma_yy", "purity", "entropy", "renyi_entropy"]
    exact = th.evolve(model, start, TIMES, observables=names, method="Exact")
    master = th.evolve(model, start, TIMES, observables=names, method="ClassicalMaster")
    for name in names:
        np.testing.assert_allclose(master.expect[name], exact.expect[name], rtol=0, atol=1e-10)
    dense, flat = exact.final_state, master.final_state
    np.testing.assert_allclose(flat.reduced_state([1, 4]), dense.reduced_state([1, 4]), atol=1e-10)


@pytest.mark.parametrize("name", ZOO)
def test_every_closed_model_of_the_zoo_agrees_with_exact(name):
    model = ZOO[name]
    start = tilted(model)
    names = [o for o in model.observables if all(
        axis == "z" for op in o.operators for key in pauli_terms(op) for _, axis in key
    ) and o.functional is None]  # fmt: skip
    problem = Problem(model, start, TIMES, names)
    reason = th.ClassicalMaster().supports(problem)
    if reason is not None:
        assert reason.startswith("Method `ClassicalMaster` ")
        return
    both = [th.evolve(model, start, TIMES, observables=names, method=m)
            for m in ("Exact", "ClassicalMaster")]  # fmt: skip
    for o in names:
        np.testing.assert_allclose(both[0].expect[o.name], both[1].expect[o.name], atol=1e-10)


@pytest.mark.parametrize("beta", [0.0, 3 / 7, 13 / 7])
@pytest.mark.parametrize(("n_patterns", "n_spins"), [(3, 6), (3, 8), (1, 11)])
def test_gibbs_is_stationary(n_patterns, n_spins, beta):
    xi = th.random_patterns(n_patterns, n_spins, rng=5)
    steady = th.steady_state(th.open_hopfield(xi, beta=beta), method="ClassicalMaster")
    np.testing.assert_allclose(probabilities(steady.state), gibbs(th.hebb(xi), beta), atol=1e-12)
    assert steady.multiplicity == 1
    assert steady.converged


def test_gibbs_is_stationary_in_large_classes():
    """Four classes of 32 spins, weighed by the numbers of their configurations."""
    model = th.open_hopfield(th.random_patterns(3, 32, rng=2), beta=BETA)
    steady = th.steady_state(model, method="ClassicalMaster", observables="overlap_moments")
    assert isinstance(steady.state, th.PopulationState)
    classes = find_classes(model)
    n_up = np.indices([n + 1 for n in classes.sizes]).reshape(len(classes.sizes), -1)
    magnetisation = 2 * n_up - np.array(classes.sizes)[:, None]
    columns = np.stack([(model.patterns * classes.signs)[:, classes.labels == g][:, 0]
                        for g in range(len(classes.sizes))], axis=1)  # fmt: skip
    overlaps = columns @ magnetisation / 32
    weights = np.exp(BETA * 16 * (overlaps**2).sum(axis=0))
    for g, n in enumerate(classes.sizes):
        weights *= comb(n, n_up[g])
    expected = weights / weights.sum()
    np.testing.assert_allclose(steady.state.populations, expected, rtol=0, atol=1e-12)
    second = (expected * overlaps**2).sum(axis=1)
    np.testing.assert_allclose(steady.expect["overlap_moments"][:, 1], second, atol=1e-12)


def currents(model, p):
    """Return the probability currents p_b R_ab - p_a R_ba."""
    flow = configuration_rates(model).R.toarray() * p
    return flow - flow.T


def test_detailed_balance_needs_symmetric_couplings():
    symmetric = th.open_hopfield(XI, beta=BETA)
    asymmetric = MODELS["asymmetric"]
    still, moving = (
        probabilities(th.steady_state(m, method="ClassicalMaster").state)
        for m in (symmetric, asymmetric)
    )
    assert np.abs(currents(symmetric, still)).max() < 1e-15
    flow = currents(asymmetric, moving)
    assert np.abs(flow).max() > 1e-4
    np.testing.assert_allclose(flow.sum(axis=1), 0, atol=1e-15)  # what comes in goes out


@every_model
def test_rates_are_those_of_a_loop_over_configurations(model):
    """R_ba = |amplitude|² of the jump that takes a to b, one configuration at a time."""
    n, R = model.n_spins, configuration_rates(model).R.toarray()
    np.testing.assert_array_equal(all_configurations(n), configurations(n))
    expected = np.zeros((2**n, 2**n))
    for a, s in enumerate(configurations(n)):
        for jump in model.jumps:
            if isinstance(jump, th.FieldJump):
                moves = [
                    (jump.site, name, rate(*(jump.fields @ s))) for name, rate in jump.amplitudes
                ]
            else:
                moves = [
                    (*t.factors[0], t.coefficient)
                    for t in jump.operator.terms
                    if len(t.factors) == 1
                ]
            for site, name, amplitude in moves:
                if {"+": -1, "-": 1}.get(name) == s[site]:
                    expected[flipped(a, site, n), a] += abs(amplitude) ** 2
    expected -= np.diag(expected.sum(axis=0))
    np.testing.assert_allclose(R, expected, atol=1e-13)


def test_evolution_is_the_exponential_of_the_rates():
    model = MODELS["asymmetric"]
    start = th.ConfigurationDistribution(np.random.default_rng(3).dirichlet(np.ones(2**N)))
    end = th.evolve(model, start, [1.3], method="ClassicalMaster").final_state
    expected = expm(1.3 * configuration_rates(model).R.toarray()) @ start.probabilities
    np.testing.assert_allclose(end.probabilities, expected, rtol=0, atol=1e-12)


def test_gap_of_two_orthogonal_patterns():
    """docs/physics.md, section on the Glauber master equation: N = 4, p = 2, β = 1.3."""
    model = th.open_hopfield([[1, 1, 1, 1], [1, 1, -1, -1]], beta=1.3)
    spectrum = th.liouvillian_spectrum(model, 4, method="ClassicalMaster")
    assert spectrum.gap == pytest.approx(0.42833003391488, abs=1e-13)
    assert spectrum.multiplicity == 1


def test_spectrum_is_part_of_the_liouvillian_spectrum():
    model = th.open_hopfield(patterns(2, 4), beta=BETA, couplings=gaussian_couplings(4))
    rates = th.liouvillian_spectrum(model, 16, method="ClassicalMaster").eigenvalues
    whole = th.liouvillian_spectrum(model, 256, method="Exact").eigenvalues
    assert max(np.abs(whole - value).min() for value in rates) < 1e-11
    with pytest.raises(ValueError, match=r"`k` must be at most 16"):
        th.liouvillian_spectrum(model, 17, method="ClassicalMaster")


def test_two_stationary_states_need_a_start():
    model = th.open_hopfield(patterns(1, 5), beta=np.inf)
    with pytest.raises(ValueError, match=r"`state` must be given"):
        th.steady_state(model, method="ClassicalMaster")
    begin = th.product_state(model, bloch=[0, 0, 1] * BLOCH[:5])
    steady = th.steady_state(model, state=begin, method="ClassicalMaster")
    late = th.evolve(model, begin, [60.0], method="ClassicalMaster")
    assert steady.multiplicity == 2
    np.testing.assert_allclose(steady.expect["m_z"], late.expect["m_z"][-1], atol=1e-9)


def test_counting_spins_of_a_class_equals_telling_them_apart():
    model = th.open_hopfield(patterns(1, 8)[:, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]], beta=7 / 5)
    start = th.pattern_state(model, overlap=2 / 3)
    names = ["m_z", "sigma_zz", "purity", "entropy", "overlap_distribution"]
    apart = th.ConfigurationDistribution.from_product(start)
    classes, all_of_them = (
        th.evolve(model, s, TIMES, observables=names, method="ClassicalMaster")
        for s in (start, apart)
    )
    assert isinstance(classes.final_state, th.PopulationState)
    assert isinstance(all_of_them.final_state, th.ConfigurationDistribution)
    for name in names:
        np.testing.assert_allclose(classes.expect[name], all_of_them.expect[name], atol=1e-10)


def test_a_thousand_spins_reach_the_mean_field_overlap():
    model = th.open_hopfield(np.ones((1, 1000)), beta=7 / 5)
    start = th.pattern_state(model, overlap=0.9)
    result = th.evolve(model, start, [0.0, 40.0], observables="m_z", method="ClassicalMaster")
    u = 0.9
    for _ in range(200):
        u = np.tanh(7 / 5 * u)
    assert result.expect["m_z"][1, 0] == pytest.approx(u, abs=2 / 1000)  # 1/N


@pytest.mark.parametrize("first", ["classes", "configurations"])
def test_quench_goes_on_from_the_final_state(first):
    xi = patterns(1, 8) if first == "classes" else patterns(3, 8)
    warm, random = (
        th.open_hopfield(xi, beta=BETA),
        th.open_hopfield(xi, beta=BETA / 2, couplings=gaussian_couplings(8)),
    )
    start = th.pattern_state(warm, overlap=4 / 5)
    middle = th.evolve(warm, start, [0.7], method="ClassicalMaster").final_state
    end = th.evolve(random, middle, [0.7], method="ClassicalMaster").final_state
    p = th.ConfigurationDistribution.from_product(start).probabilities
    for model in (warm, random):
        p = expm(0.7 * configuration_rates(model).R.toarray()) @ p
    np.testing.assert_allclose(end.probabilities, p, atol=1e-11)
    # and on without a change
    more = th.evolve(warm, middle, [0.7], method="ClassicalMaster").final_state
    straight = th.evolve(warm, start, [1.4], method="ClassicalMaster").final_state
    np.testing.assert_allclose(probabilities(more), probabilities(straight), atol=1e-11)


def test_distribution_survives_a_file(tmp_path):
    model = MODELS["asymmetric"]
    start = th.pattern_state(model, overlap=0.6)
    result = th.evolve(model, start, TIMES, method="ClassicalMaster")
    again = th.load(result.save(tmp_path / "run.h5"))
    assert again.method == result.method
    np.testing.assert_array_equal(again.final_state.probabilities, result.final_state.probabilities)
    assert "it has 6 spins" in again.final_state.misfit(th.open_hopfield(patterns(1, 4), beta=1.0))


def test_refusals_say_why():
    model, method = MODELS["Hebb"], th.ClassicalMaster()
    start = tilted(model)
    driven = th.open_hopfield(XI, beta=BETA, Omega=1 / 9)
    large = th.open_hopfield(
        th.random_patterns(1, 40, rng=3), beta=BETA, couplings=gaussian_couplings(40)
    )
    cases = [
        (Problem(driven, start, TIMES), "coherences drive them"),
        (Problem(model, start, TIMES, "m_x"), "observable `m_x` depends"),
        (Problem(model, start, TIMES, "purity"), "observable `purity` depends"),
        (Problem(large, th.pattern_state(large), TIMES, "m_z"), "2^40 configurations"),
    ]
    for problem, words in cases:
        reason = method.supports(problem)
        assert reason.startswith("Method `ClassicalMaster` ")
        assert words in reason
    small = th.ClassicalMaster(max_memory=1e6)
    assert "(`max_memory`)" in small.supports(Problem(model, start, TIMES, "m_z"))
    assert "does not offer `correlation`" in method.supports(
        Problem(model, start, TIMES), "correlation"
    )
    with pytest.raises(ValueError, match=r"`tolerance` must be at least"):
        th.ClassicalMaster(tolerance=1e-20)


def test_errors_cover_the_deviation_at_a_coarse_tolerance():
    model, start = MODELS["asymmetric"], tilted(MODELS["asymmetric"])
    fine = th.evolve(model, start, TIMES, observables=LINEAR, method="ClassicalMaster")
    coarse = th.evolve(
        model, start, TIMES, observables=LINEAR, method=th.ClassicalMaster(tolerance=1e-4)
    )
    for name in LINEAR:
        deviation = np.abs(coarse.expect[name] - fine.expect[name])
        assert np.all(deviation <= coarse.errors[name] + 1e-12)
