"""Symmetric against Exact, against itself in other groupings, and against QuTiP's Dicke basis."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import expm_multiply

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.symmetric.lindbladian import SymmetricLindbladian
from tnhop.solvers.symmetric.operators import partition
from tnhop.solvers.symmetric.spin_classes import find_classes
from zoo import (
    ALPHA,
    MADE,
    ZOO,
    alike,
    everything,
    gaussian_couplings,
    generator_of,
    patterns,
    random_classes,
    tilted,
)

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # few levels on purpose
TIMES = np.array([0.0, 0.3, 1.1, 2.6])
# Both methods are asked for 1e-12 and reach 1e-14; a nearly pure state loses half of the digits of
# a small eigenvalue, not of the entropy.
ACCURACY = 1e-10
FINE = [th.Exact(1e-12), th.Symmetric(1e-12)]


def both(model, state, observables=None, times=TIMES):
    """Return the results of Exact and of Symmetric."""
    names = everything(model) if observables is None else observables
    return [th.evolve(model, state, times, observables=names, method=m) for m in FINE]


def few(model):
    """Return names that see every matrix element of one spin, and the whole state."""
    return [n for n in everything(model) if n in SINGLE]


SINGLE = ["sigma_x", "sigma_y", "sigma_z", "purity", "energy", "alpha", "occupation",
          "overlap_distribution"]  # fmt: skip


def assert_agree(results, atol=ACCURACY):
    exact, symmetric = results
    for name, expected in exact.expect.items():
        np.testing.assert_allclose(
            symmetric.expect[name], expected, rtol=0, atol=atol, err_msg=name
        )


def sum_over(spins, letter, value=1.0):
    """Return value · Σ σ over some spins."""
    return th.Operator.sum(value * th.sigma(letter)(k) for k in spins)


def local(n_spins, letter, value):
    """Return one jump value · σ on every spin."""
    return [th.Jump(value * th.sigma(letter)(k)) for k in range(n_spins)]


def products(pairs, first, second, value):
    """Return value · Σ σ_i σ_j over pairs of spins."""
    return th.Operator.sum(value * th.sigma(first)(i) * th.sigma(second)(j) for i, j in pairs)


def distinct(n_spins):
    return list(itertools.permutations(range(n_spins), 2))


def uniform(n_sites, k, value):
    """Return equal weights of all spins but k."""
    return np.where(np.arange(n_sites) == k, 0.0, value)


# Every model, with the sizes of its classes.


def _networks():
    xi = patterns(2, 6)  # columns ++ +- -- +- -+ ++
    common = {"beta": 9 / 7, "Omega": 3 / 8}
    yield "Hopfield", th.open_hopfield(xi, **common), (3, 3)
    field = th.open_hopfield(xi, longitudinal=2 / 9, **common)
    yield "Hopfield, longitudinal field", field, (2, 2, 1, 1)
    yield (
        "Hopfield, zero temperature",
        th.open_hopfield(patterns(1, 5), beta=np.inf, Omega=2 / 7),
        (5,),
    )
    # the energy knows spins through overlaps only, which a spin flipped with its column leaves alone
    yield "dense, three-body", th.dense_hopfield(xi, degree=3, **common), (3, 3)
    yield "dense, four-body", th.dense_hopfield(patterns(1, 5), degree=4, **common), (5,)
    yield (
        "dense, three-body, longitudinal field",
        th.dense_hopfield(
            [[1, 1, 1, 1, -1, -1], [1, 1, -1, -1, 1, 1], [1, -1, 1, -1, 1, -1]],
            degree=3, longitudinal=1 / 13, **common,
        ),
        (1,) * 6,
    )  # fmt: skip
    J = 0.7 * np.ones((5, 5)) - 0.7 * np.eye(5)
    J[:2, 2:] = -0.4
    J[2:, :2] = 0.9
    asymmetric = th.open_hopfield(patterns(2, 5), beta=5 / 4, Omega=2 / 7, couplings=J)
    yield "Hopfield, asymmetric couplings in blocks", asymmetric, (2, 3)


def _dissipative_spins():
    xi = patterns(2, 5)
    rates = {"Omega": 5 / 9, "dephasing": 1 / 7}
    unequal = th.hebbian_ising(xi, decay=3 / 8, pumping=1 / 9, **rates)
    yield "Ising, unequal rates", unequal, (2, 2, 1)
    yield "Ising, equal rates", th.hebbian_ising(xi, decay=2 / 9, pumping=2 / 9, **rates), (2, 3)
    fields = {"longitudinal": 2 / 7, "decay": 3 / 8}
    yield "Ising, longitudinal field", th.hebbian_ising(patterns(1, 5), **rates, **fields), (3, 2)
    yield (
        "eliminated modes",
        th.eliminated_dicke(
            th.pattern_couplings(xi, g=7 / 9) * [[1], [5 / 7]], omega=[9 / 7, 6 / 11], Omega=3 / 8,
            loss=[8 / 9, 5 / 7], gain=[1 / 7, 2 / 13],
        ),
        (2, 3),
    )  # fmt: skip
    yield "eliminated mode", th.eliminated_dicke(
        th.pattern_couplings(patterns(1, 5), g=7 / 9), omega=9 / 7, Omega=3 / 8, loss=8 / 9
    ), (5,)  # fmt: skip


def _hand_made():
    spins, X = th.spins, lambda n: sum_over(range(n), "x", 3 / 8)
    pairs = [th.Jump(0.4 * th.sigma("-")(i) * th.sigma("z")(j)) for i, j in distinct(4)]
    yield "jumps of ordered pairs", th.Model(spins(4), X(4), pairs), (4,)
    lower, raise_ = th.sigma("-"), th.sigma("+")
    between = [
        th.Jump(0.5 * lower(i) * raise_(j) + 0.2j * th.sigma("z")(j))
        for i in (0, 3)
        for j in (1, 2, 4)
    ]
    yield "jumps of pairs between classes", th.Model(spins(5), X(5), between), (2, 3)
    part = [th.Jump(sum_over(range(4), "z", 0.2) + 0.6 * lower(k)) for k in range(4)]
    yield "jumps of a collective and a single part", th.Model(spins(4), X(4), part), (4,)
    collective = [th.Jump(sum_over(range(4), "-", 0.3 - 0.4j)), th.Jump(sum_over((0, 2), "z", 0.2))]
    yield "collective jumps", th.Model(spins(4), X(4), collective), (2, 2)
    H = X(4) + sum_over(range(4), "y", 2 / 7) + sum_over(range(4), "z", -1 / 5)
    H = H + products(distinct(4), "z", "y", 1 / 6)
    yield "fields along all axes, zy couplings", th.Model(spins(4), H, local(4, "-", 0.5)), (4,)
    triples = th.Operator.sum(
        0.1 * th.sigma("x")(i) * th.sigma("y")(j) * th.sigma("z")(k)
        for i, j, k in itertools.permutations(range(5), 3)
    )
    yield "three-body Hamiltonian", th.Model(spins(5), triples + X(5), local(5, "z", 0.3)), (5,)
    # jumps that a turn about z by 90° changes by more than a phase
    yield "dephasing along x", th.Model(spins(4), X(4), local(4, "x", 0.5)), (4,)
    yield "dephasing along y", th.Model(spins(4), X(4), local(4, "y", 0.5)), (4,)
    squeezed = th.Jump(sum_over(range(4), "-", 0.5) + sum_over(range(4), "+", 0.2))
    yield "squeezed collective decay", th.Model(spins(4), X(4), [squeezed]), (4,)


def _field_jumps():
    turned = th.ScaledRate(0.6 - 0.7j, th.SqrtRate(th.GlauberRate(4 / 3, -1)))
    two = {"-": turned, "x": th.GlauberRate(1 / 2, 1), "up": th.ConstantRate(0.3)}
    jumps = [th.FieldJump(k, two, uniform(4, k, 0.4)) for k in range(4)]
    H = sum_over(range(4), "x", 3 / 8) + sum_over(range(4), "y", 2 / 7)
    yield "field jumps with three operators", th.Model(th.spins(4), H, jumps), (4,)
    rate = th.DenseGlauberRate(9 / 7, -1, 3, (1, -1), 1 / 3)
    one = {"-": th.ScaledRate(0.5 + 0.8j, th.SqrtRate(rate)), "y": th.ConstantRate(0.2)}
    jumps = []
    for k in range(5):
        near = [0.4 if (j < 2) == (k < 2) else -0.3 for j in range(5)]
        weights = np.where(np.arange(5) == k, 0.0, [near, [0.1, 0.1, 0.5, 0.5, 0.5]])
        jumps.append(th.FieldJump(k, one, weights))
    yield (
        "field jumps with two fields",
        th.Model(th.spins(5), sum_over(range(5), "x", 0.4), jumps),
        (2, 3),
    )
    blind = [th.FieldJump(k, {"-": th.ConstantRate(0.3)}, uniform(3, k, 0.5)) for k in range(3)]
    yield (
        "constant rates with a field",
        th.Model(th.spins(3), sum_over(range(3), "x", 0.4), blind),
        (3,),
    )
    H = 0.4 * th.sigma("x")(0) + sum_over((1, 2), "x", 0.7)
    yield "constant rates with a field of other parts", th.Model(th.spins(3), H, blind), (1, 2)


def _modes():
    common = {"omega": 9 / 7, "Omega": 3 / 8, "loss": 8 / 9}
    g = th.pattern_couplings(patterns(1, 4), g=5 / 7)
    yield "one mode", th.multimode_dicke(g, fock_dim=4, gain=1 / 9, **common), (4,)
    local_jumps = {"decay": 2 / 9, "pumping": 1 / 11, "dephasing": 1 / 17}
    yield "one mode, spin decay", th.multimode_dicke(g, fock_dim=4, **common, **local_jumps), (3, 1)
    even = {"decay": 2 / 9, "pumping": 2 / 9, "dephasing": 1 / 17}
    yield (
        "one mode, equal decay and pumping",
        th.multimode_dicke(g, fock_dim=4, **common, **even),
        (4,),
    )
    g = th.pattern_couplings([[1, -1, 1, 1, -1], [1, 1, 1, -1, 1]], g=5 / 7) * [[1], [3 / 5]]
    two = {"omega": [9 / 7, 6 / 11], "Omega": 3 / 8, "loss": [8 / 9, 5 / 7], "gain": [0, 2 / 13]}
    yield "two modes", th.multimode_dicke(g, fock_dim=[3, 2], **two), (2, 3)
    yield (
        "two modes, dephasing",
        th.multimode_dicke(g, fock_dim=[3, 2], dephasing=1 / 7, **two),
        (2, 3),
    )
    g = th.pattern_couplings(patterns(1, 3), g=5 / 7)
    apart = th.multimode_dicke(
        np.concatenate([g, 0 * g]), fock_dim=[4, 3], patterns=patterns(1, 3), **two
    )
    yield "a mode without spins", apart, (3,)


CASES = [*_networks(), *_dissipative_spins(), *_hand_made(), *_field_jumps(), *_modes()]
NAMES = [name for name, _, _ in CASES]
MODELS = {name: model for name, model, _ in CASES}
MERGED = {name: model for name, model, sizes in CASES if max(sizes) > 1}
SMALL = {name: model for name, model in (MERGED | ZOO).items() if model.hilbert_dim <= 32}


@pytest.mark.parametrize(("model", "sizes"), [case[1:] for case in CASES], ids=NAMES)
def test_classes_are_the_expected_ones(model, sizes):
    assert find_classes(model).sizes == sizes


@pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
def test_zoo_agrees(model):
    assert_agree(both(model, tilted(model)))


@pytest.mark.parametrize("model", MERGED.values(), ids=MERGED.keys())
def test_alike_spins_agree(model):
    results = both(model, alike(model))
    assert_agree(results)
    assert results[1].final_state.classes.sizes == find_classes(model).sizes


@pytest.mark.parametrize("model", MERGED.values(), ids=MERGED.keys())
def test_one_odd_spin_agrees(model):
    """Spin 0 starts otherwise than the rest of its class, which is refined."""
    state, classes = alike(model), find_classes(model)
    bloch = state.bloch.copy()
    bloch[0] = [-0.2, 0.3, 0.9]
    results = both(model, th.ProductState(bloch, state.alpha), few(model), [0.7, 1.9])
    assert_agree(results)
    more = classes.sizes[0] > 1
    assert len(results[1].final_state.classes.sizes) == len(classes.sizes) + more


SIZES = [(n, p) for n in range(2, 7) for p in (1, 2, 3)]


@pytest.mark.parametrize(("n_spins", "n_patterns"), SIZES)
def test_hopfield_from_alike_spins_agrees(n_spins, n_patterns):
    """Spins are alike after a turn by σˣ where the first pattern has -1."""
    xi = patterns(n_patterns, n_spins)
    model = th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7)
    bloch = np.array([0.48, 0.36, 0.8]) * np.stack([np.ones(n_spins), xi[0], xi[0]], axis=1)
    results = both(model, th.product_state(model, bloch=bloch), few(model))
    assert_agree(results)
    if n_patterns == 1:
        assert results[1].final_state.classes.sizes == (n_spins,)


@pytest.mark.parametrize(("n_spins", "n_patterns"), SIZES)
def test_hopfield_from_different_spins_agrees(n_spins, n_patterns):
    model = th.open_hopfield(patterns(n_patterns, n_spins), beta=13 / 7, Omega=3 / 7)
    assert_agree(both(model, tilted(model), few(model), [0.7, 1.9]))


RANDOM = {
    "two and two": ([0, 1, 0, 1], 0), "three and one": ([0, 0, 1, 0], 0), "two and three": ([1, 0, 0, 1, 0], 0),
    "three and a mode": ([0, 0, 0], 3), "one, two and a mode": ([0, 1, 1], 3),
}  # fmt: skip


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 9))]
)
@pytest.mark.parametrize(("labels", "fock_dim"), RANDOM.values(), ids=RANDOM.keys())
def test_random_terms_agree(labels, fock_dim, seed):
    model = random_classes(labels, seed, fock_dim)
    results = both(model, alike(model, 0.5), times=[0.3, 1.1])
    assert_agree(results)
    assert sorted(results[1].final_state.classes.sizes) == sorted(np.bincount(labels))


def collective_observable(model):
    """Return Σ σ and Σ_{i≠j} σσ over every class, turned with the spins."""
    classes, operators = find_classes(model), []
    for label in range(len(classes.sizes)):
        spins = [(int(k), int(classes.signs[k])) for k in classes.members(label)]
        operators += [th.Operator.sum((s if a != "x" else 1) * th.sigma(a)(k) for k, s in spins)
                      for a in "xyz"]  # fmt: skip
        operators.append(th.Operator.sum(
            s * t * th.sigma("y")(i) * th.sigma("z")(j)
            for i, s in spins for j, t in spins if i != j
        ) + th.identity())  # fmt: skip
    return th.Observable("collective", operators, dims="operator")


@pytest.mark.parametrize("model", MERGED.values(), ids=MERGED.keys())
def test_averaged_start_gives_symmetric_observables(model):
    """Averages over permutations of an uneven start are all that symmetric observables see."""
    observables = [collective_observable(model)]
    observables += ["energy"] if model.hamiltonian.terms else []
    observables += ["occupation", "alpha"] if model.n_modes else []
    results = both(model, tilted(model), observables)
    assert_agree(results)
    assert results[1].final_state.classes.sizes == find_classes(model).sizes


def test_averaged_start_gives_overlaps():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    results = both(model, tilted(model), ["m_y", "m_z", "energy", "trace"])
    assert_agree(results)
    assert results[1].final_state.classes.sizes == (3, 3)


def test_site_observable_refines_the_classes():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    results = both(model, tilted(model), ["m_z", "sigma_z"], times=[0.7])
    assert_agree(results)
    assert results[1].final_state.classes.sizes == (1,) * 6


@pytest.mark.parametrize("functional", ["purity", "entropy", "edwards_anderson"])
def test_functional_refines_the_classes(functional):
    """Averaging changes what is not linear in the state."""
    model = th.open_hopfield(patterns(2, 4), beta=13 / 7, Omega=3 / 7)
    results = both(model, tilted(model), ["m_z", functional], times=[0.7])
    assert_agree(results)
    assert results[1].final_state.classes.sizes == (1,) * 4


def test_distributions_of_overlaps_are_linear_in_the_averaged_state():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    names = [
        "overlap_distribution",
        "joint_overlap_distribution",
        "overlap_moments",
        "binder_cumulant",
    ]
    results = both(model, tilted(model), names)
    assert_agree(results)
    assert results[1].final_state.classes.sizes == (3, 3)


def test_overlap_with_another_turn_refines_the_classes():
    """ξ_k σˣ_k is not symmetric where spins of either sign share a class: the turn leaves σˣ alone."""
    model = th.open_hopfield(patterns(1, 4), beta=13 / 7, Omega=3 / 7)
    results = both(model, tilted(model), "m_x", times=[0.7])
    assert_agree(results)
    assert results[1].final_state.classes.sizes == (1,) * 4


def test_error_bars_cover_the_difference():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    coarse = th.evolve(model, alike(model), TIMES, method=th.Symmetric(1e-5))
    fine = th.evolve(model, alike(model), TIMES, method=th.Exact(1e-12))
    for name in fine.expect:
        deviation = np.abs(coarse.expect[name] - fine.expect[name])
        assert np.all(deviation <= coarse.errors[name] + 1e-12), name


def test_spins_of_almost_equal_couplings_stay_apart():
    """At T = 0 rates only know the sign of a field, which seldom tells two rows of couplings apart."""
    n = 8
    J = gaussian_couplings(n, seed=4)
    J[:, 1] = J[:, 0]
    J[0, 1] = J[1, 0] = 0.2
    J[1, 1] = 0.0
    for scale in np.random.default_rng(5).standard_normal((3, n - 2)):
        J[1, 2:] = J[0, 2:] * (1 + 0.15 * scale)
        model = th.open_hopfield(patterns(1, n), beta=np.inf, Omega=2 / 7, couplings=J)
        state = th.product_state(model, bloch=[0.48, 0.36, 0.8])
        assert_agree(both(model, state, ["sigma_z"], times=[1.3]))


# Without coherences only populations of classes are left.


def _classical():
    common = {"beta": 9 / 7}
    yield "Hopfield", th.open_hopfield(patterns(2, 6), longitudinal=1 / 5, **common)
    yield "one pattern, zero temperature", th.open_hopfield(patterns(1, 6), beta=np.inf)
    yield "dense, three-body", th.dense_hopfield(patterns(2, 6), degree=3, **common)
    rates = {"decay": 3 / 8, "pumping": 1 / 9, "dephasing": 1 / 7}
    yield "Ising", th.hebbian_ising(patterns(2, 5), longitudinal=2 / 7, **rates)
    up = th.SqrtRate(th.GlauberRate(4 / 3, 1))
    both_ways = {"+": up, "-": th.ScaledRate(0.6 - 0.7j, th.GlauberRate(1 / 2, -1))}
    jumps = [th.FieldJump(k, both_ways, uniform(5, k, 0.4)) for k in range(5)]
    jumps += [th.FieldJump(k, {"up": up, "z": up}, uniform(5, k, 0.3)) for k in range(5)]
    yield "flips both ways in one jump", th.Model(th.spins(5), 0.0, jumps, patterns=patterns(1, 5))


CLASSICAL = dict(_classical())


@pytest.mark.parametrize("alike_spins", [True, False])
@pytest.mark.parametrize("model", CLASSICAL.values(), ids=CLASSICAL.keys())
def test_populations_agree(model, alike_spins):
    classes = find_classes(model)
    z = np.where(
        alike_spins, 0.6 * classes.signs, [0.8, 0.64, -0.42, -0.3, 0.6, 0.5][: model.n_spins]
    )
    state = th.product_state(model, bloch=np.stack([0 * z, 0 * z, z], axis=1))
    assert_agree(both(model, state))


def test_populations_go_on_as_a_quantum_state():
    """A quench that switches a transverse field on starts from populations."""
    xi = patterns(2, 6)
    classical = th.open_hopfield(xi, beta=9 / 7)
    quantum = th.open_hopfield(xi, beta=9 / 7, Omega=3 / 8)
    ends = []
    for method in FINE:
        start = th.evolve(classical, th.pattern_state(classical, overlap=0.6), [0.8], method=method)
        names = everything(quantum)
        ends.append(th.evolve(quantum, start.final_state, TIMES, observables=names, method=method))
    assert_agree(ends)


# The generator conserves the trace, column by column.


def part_generators(model):
    classes = find_classes(model)
    for part in partition(model, classes, None):
        yield part, SymmetricLindbladian(model, classes, part)


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL.keys())
def test_trace_row_annihilates_every_column(model):
    for part, L in part_generators(model):
        trace = L.rows([sp.csr_array(sp.eye_array(part.space.n, dtype=complex))])
        columns = np.array([L(e) for e in np.eye(L.size)])
        largest = np.abs(columns).max(axis=1)
        # rounding of some ten terms of a column
        assert np.all(np.abs(columns @ trace[[0]].toarray()[0]) <= 1e-13 * largest + 1e-300)


# Two patterns are two networks.


def test_two_patterns_are_two_networks_of_one():
    """J vanishes between the classes: two networks of N_k spins at β_k = 2 β N_k/N."""
    n_spins, n_first, beta, Omega = 40, 24, 6 / 5, 3 / 7
    xi = np.ones((2, n_spins), dtype=int)
    xi[1, n_first:] = -1
    r = np.array([0.48, 0.36, 0.8])
    names = ["m_y", "m_z"]
    model = th.open_hopfield(xi, beta=beta, Omega=Omega)
    state = th.product_state(model, bloch=r)
    whole = th.evolve(model, state, TIMES, observables=names, method=th.Symmetric(1e-12)).expect
    for n, sign in ((n_first, 1), (n_spins - n_first, -1)):
        one = th.open_hopfield(np.ones((1, n), dtype=int), beta=2 * beta * n / n_spins, Omega=Omega)
        state = th.product_state(one, bloch=r)
        alone = th.evolve(one, state, TIMES, observables=names, method=th.Symmetric(1e-12)).expect
        for name in names:
            ours = (whole[name][:, 0] + sign * whole[name][:, 1]) * n_spins / (2 * n)
            np.testing.assert_allclose(ours, alone[name][:, 0], rtol=0, atol=ACCURACY)


# Steady states and spectra.

DARK = {"g": 3 / 7, "omega": 8 / 7, "Omega": 4 / 9, "loss": 9 / 7}
RELAXING = {
    name: MODELS[name] for name in (
        "jumps of a collective and a single part",
        "fields along all axes, zy couplings", "field jumps with three operators",
    )
}  # fmt: skip
RELAXING |= {"Hopfield, one pattern": th.open_hopfield(patterns(1, 4), beta=13 / 7, Omega=3 / 7)}
RELAXING |= {"Ising": th.hebbian_ising(patterns(2, 4), Omega=5 / 9, decay=3 / 8, pumping=1 / 9)}
RELAXING |= {"one mode": th.dicke(3, fock_dim=3, decay=2 / 9, pumping=1 / 11, **DARK)}
RELAXING |= {"Hopfield, two patterns": th.open_hopfield(patterns(2, 4), beta=13 / 7, Omega=3 / 7)}


@pytest.mark.parametrize("model", RELAXING.values(), ids=RELAXING.keys())
def test_steady_state_agrees(model):
    names = everything(model)
    exact, symmetric = (th.steady_state(model, observables=names, method=m) for m in FINE)
    assert symmetric.multiplicity == exact.multiplicity == 1
    assert symmetric.converged
    assert symmetric.residual < 1e-10
    # eigenvectors to 1e-12 of a generator of norm 10
    assert_agree([exact, symmetric], atol=1e-9)


SPECTRA = {name: model for name, model in (MERGED | MADE).items() if model.hilbert_dim <= 16}


@pytest.mark.parametrize("model", SPECTRA.values(), ids=SPECTRA.keys())
def test_symmetric_eigenvalues_are_eigenvalues(model):
    dense = np.linalg.eigvals(generator_of(model).toarray())
    spectrum = th.liouvillian_spectrum(model, 12, method="Symmetric")
    # degenerate eigenvalues of a defective matrix split by the root of the rounding
    assert max(np.abs(dense - value).min() for value in spectrum.eigenvalues) < 1e-7
    assert spectrum.residuals.max() < 1e-8


@pytest.mark.parametrize("n_spins", [3, 4])
def test_all_symmetric_eigenvalues_are_found(n_spins):
    """One class: C(N+3, 3) of the 4^N eigenvalues, with the slowest of all among them."""
    model = th.open_hopfield(patterns(1, n_spins), beta=13 / 7, Omega=3 / 7)
    dense = np.linalg.eigvals(generator_of(model).toarray())
    size = (n_spins + 3) * (n_spins + 2) * (n_spins + 1) // 6
    spectrum = th.liouvillian_spectrum(model, 10**3, method="Symmetric")
    assert len(spectrum.eigenvalues) == size
    assert max(np.abs(dense - value).min() for value in spectrum.eigenvalues) < 1e-8
    assert spectrum.gap == pytest.approx(np.sort(-dense.real)[1], abs=1e-9)
    assert spectrum.multiplicity == 1


def test_rates_of_independent_parts_add_up():
    """Two patterns: every sum of two eigenvalues of the halves is one of the whole."""
    model = th.open_hopfield([[1, 1, 1, 1], [1, 1, 1, -1]], beta=13 / 7, Omega=3 / 7)
    dense = np.linalg.eigvals(generator_of(model).toarray())
    spectrum = th.liouvillian_spectrum(model, 80, method="Symmetric")
    assert len(spectrum.eigenvalues) == 20 * 4
    assert max(np.abs(dense - value).min() for value in spectrum.eigenvalues) < 1e-8


@pytest.mark.parametrize("n_patterns", [1, 2])
def test_shift_invert_finds_the_same_eigenvalues(n_patterns):
    model = th.open_hopfield(patterns(n_patterns, 8), beta=13 / 7, Omega=3 / 7)
    found = [
        th.liouvillian_spectrum(model, 6, method=th.Symmetric(eigensolver=name))
        for name in ("propagator", "shift-invert")
    ]
    for value in found[0].eigenvalues:
        assert np.abs(found[1].eigenvalues - value).min() < 1e-9


def test_gap_of_the_steady_state_is_the_gap_of_the_spectrum():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    gap = th.liouvillian_spectrum(model, 4, method="Symmetric").gap
    assert th.steady_state(model, method="Symmetric").gap == pytest.approx(gap, abs=1e-10)
    assert gap == pytest.approx(th.liouvillian_spectrum(model, 4, method="Exact").gap, abs=1e-9)


def test_conserved_total_spin_asks_for_the_initial_state():
    with pytest.raises(ValueError, match=r"`state` must be given, .* has 2 independent stationary"):
        th.steady_state(th.dicke(3, fock_dim=6, **DARK), method="Symmetric")


@pytest.mark.parametrize("n_spins", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_collective_spins_reach_the_state_of_their_start(n_spins):
    model = th.dicke(n_spins, fock_dim=5, **DARK)
    state = th.product_state(model, bloch=[0.48, -0.36, 0.2])
    names = ["m_x", "m_z", "occupation", "overlap_moments", "sigma_zz", "purity"]
    exact, symmetric = (
        th.steady_state(model, state=state, observables=names, method=m) for m in FINE
    )
    assert symmetric.multiplicity == 2
    assert_agree([exact, symmetric], atol=1e-8)
    late = th.evolve(model, state, [40 / symmetric.gap], observables=names, method="Symmetric")
    for name in names:
        np.testing.assert_allclose(symmetric.expect[name], late.expect[name][-1], atol=1e-8)


def test_collective_dynamics_conserves_the_total_spin():
    model = th.dicke(5, fock_dim=5, **DARK)
    pairs = th.Operator.sum(products(distinct(5), a, a, 1.0) for a in "xyz")
    spin = th.Observable("spin", pairs)
    state = th.product_state(model, bloch=[0.48, -0.36, 0.2])
    values = th.evolve(model, state, TIMES, observables=spin, method="Symmetric").expect["spin"]
    np.testing.assert_allclose(values, 20 * (0.48**2 + 0.36**2 + 0.2**2), atol=1e-9)


def test_long_evolution_reaches_the_steady_state():
    model = th.open_hopfield(patterns(2, 8), beta=13 / 7, Omega=3 / 7)
    steady = th.steady_state(model, method="Symmetric")
    late = th.evolve(model, alike(model), [30 / steady.gap], method="Symmetric")
    for name in late.expect:
        np.testing.assert_allclose(steady.expect[name], late.expect[name][-1], atol=1e-9)


# Restarts.

RESTARTED = {
    "one part": th.open_hopfield(patterns(1, 5), beta=13 / 7, Omega=3 / 7),
    "two parts": th.open_hopfield(patterns(2, 5), beta=13 / 7, Omega=3 / 7),
    "one mode": MODELS["one mode"],
}


@pytest.mark.parametrize("make", [alike, tilted])
@pytest.mark.parametrize("model", RESTARTED.values(), ids=RESTARTED.keys())
def test_final_state_is_a_start(model, make):
    names = [*everything(model)]
    options = {"observables": names, "method": th.Symmetric(1e-12)}
    half = th.evolve(model, make(model), [0.8], **options).final_state
    rest = th.evolve(model, half, [0.0, 0.9], **options)
    whole = th.evolve(model, make(model), [0.8, 1.7], **options)
    for name in names:
        np.testing.assert_allclose(rest.expect[name], whole.expect[name], atol=ACCURACY)


def test_quench_joins_independent_parts():
    """Two classes that one network keeps apart go on in one that couples them, or has more classes."""
    xi = patterns(2, 6)
    first = th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7)
    J = np.ones((6, 6)) - np.eye(6)
    coupled = th.open_hopfield(
        xi, beta=9 / 7, Omega=2 / 9, couplings=J * np.outer(xi[0], xi[0]) / 6
    )
    ends = []
    for method in FINE:
        start = th.evolve(first, alike(first), [0.8], method=method).final_state
        ends.append(
            th.evolve(coupled, start, TIMES, observables=everything(coupled), method=method)
        )
    assert len(find_classes(coupled).sizes) == 1
    assert len(ends[1].final_state.classes.sizes) > 1
    assert_agree(ends)


def test_quench_to_the_same_terms_with_a_field():
    model = th.open_hopfield(patterns(1, 5), beta=13 / 7, Omega=3 / 7)
    field = th.open_hopfield(
        patterns(1, 5), beta=13 / 7, Omega=3 / 7, longitudinal=patterns(1, 5)[0] / 3
    )
    ends = []
    for method in FINE:
        start = th.evolve(model, alike(model), [0.8], method=method).final_state
        ends.append(th.evolve(field, start, TIMES, observables=everything(field), method=method))
    assert_agree(ends)


@pytest.mark.parametrize("model", RESTARTED.values(), ids=RESTARTED.keys())
def test_saved_result_comes_back(tmp_path, model):
    result = th.evolve(model, alike(model), TIMES, observables=few(model), method="Symmetric")
    loaded = th.load(result.save(tmp_path / "run.h5"))
    assert loaded.method == result.method
    assert type(loaded.final_state) is type(result.final_state)
    for name, array in result.final_state.to_arrays().items():
        np.testing.assert_array_equal(loaded.final_state.to_arrays()[name], array)
    for name in result.expect:
        np.testing.assert_array_equal(loaded.expect[name], result.expect[name])
    options = {"observables": "m_z", "method": "Symmetric"}
    again, direct = (th.evolve(model, r.final_state, [0.7], **options) for r in (loaded, result))
    np.testing.assert_array_equal(again.expect["m_z"], direct.expect["m_z"])


@pytest.mark.parametrize("method", [th.Symmetric(), th.Exact()], ids=["Symmetric", "Exact"])
@pytest.mark.parametrize("model", RESTARTED.values(), ids=RESTARTED.keys())
def test_resumed_run_is_bit_identical(model, method):
    observables = tuple(model.select(["m_z", "sigma_x", "purity"]))
    problem = Problem(model, tilted(model), np.linspace(0.0, 3.0, 7), observables)
    snapshots = list(method.evolve(problem))
    assert any(not s.values for s in snapshots)
    for k, snapshot in enumerate(snapshots):
        left = [s for s in snapshots[k + 1 :] if s.values]
        again = [s for s in method.evolve(problem, carry=snapshot.carry) if s.values]
        assert [s.time for s in again] == [s.time for s in left]
        for old, new in zip(left, again, strict=True):
            for name in old.values:
                np.testing.assert_array_equal(new.values[name], old.values[name])
                np.testing.assert_array_equal(
                    new.errors[name]["time_step"], old.errors[name]["time_step"]
                )


# QuTiP's permutation-invariant solver: spins S = σ/2 in the basis |J, M⟩, blocks with all weights.

RATES = {
    "no spin jumps": {},
    "single-spin jumps": {"emission": 2 / 9, "pumping": 1 / 11, "dephasing": 1 / 17},
    "collective jumps": {"collective_emission": 1 / 7, "collective_dephasing": 2 / 13},
    "all jumps": {"emission": 2 / 9, "collective_pumping": 1 / 9, "dephasing": 1 / 5},
}


@pytest.mark.parametrize("rates", RATES.values(), ids=RATES.keys())
def test_dicke_agrees_with_piqs(rates):
    qutip = pytest.importorskip("qutip")
    from qutip import piqs

    n, d, g, omega, Omega, loss = 4, 6, 5 / 7, 8 / 7, 4 / 9, 7 / 6
    Sx, _, Sz = (2 * S for S in piqs.jspin(n))
    blank, a = qutip.qeye(piqs.num_dicke_states(n)), qutip.destroy(d)
    # D[√r σᶻ] is D[√(4r) S_z], single or collective
    four = {name: 4 * r if "dephasing" in name else r for name, r in rates.items()}
    spins = piqs.Dicke(n, hamiltonian=Omega * Sx, **four).liouvillian()
    light = qutip.liouvillian(omega * a.dag() * a, [np.sqrt(loss) * a])
    H = g / np.sqrt(n) * qutip.tensor(Sz, a + a.dag())
    L = qutip.super_tensor(spins, qutip.to_super(qutip.qeye(d)))
    L = L + qutip.super_tensor(qutip.to_super(blank), light) + qutip.liouvillian(H)
    # |r| = 1: a coherent state; QuTiP turns about z the other way round
    r = np.array([0.48, 0.36, 0.8])
    pure = piqs.css(n, np.arccos(r[2]), -np.arctan2(r[1], r[0]), coordinates="polar")
    ket = qutip.coherent(d, ALPHA[0], method="analytic").unit()
    rho = qutip.tensor(pure, ket * ket.dag())
    operators = [qutip.tensor(O, qutip.qeye(d)) for O in (Sx / n, Sz / n, Sz * Sz)]
    operators += [qutip.tensor(blank, O) for O in (a.dag() * a, a)]
    L, vector = L.data.as_scipy(), qutip.operator_to_vector(rho).full().ravel()
    expected = []
    for t in TIMES:
        late = expm_multiply(t * L, vector).reshape(rho.shape, order="F")  # QuTiP stacks columns
        expected.append([np.trace(O.full() @ late) for O in operators])

    names = {"emission": ("-", 0), "pumping": ("+", 0), "dephasing": ("z", 0),
             "collective_emission": ("-", 1), "collective_pumping": ("+", 1),
             "collective_dephasing": ("z", 1)}  # fmt: skip
    model = th.dicke(n, g=g, omega=omega, Omega=Omega, loss=loss, fock_dim=d)
    jumps = list(model.jumps)
    for name, rate in rates.items():
        letter, collective = names[name]
        single = [np.sqrt(rate) * th.sigma(letter)(k) for k in range(n)]
        jumps += [th.Jump(th.Operator.sum(single))] if collective else map(th.Jump, single)
    model = th.Model(model.sites, model.hamiltonian, jumps, patterns=model.patterns)
    state = th.product_state(model, bloch=r, alpha=ALPHA[0])
    square = th.Observable("square", sum_over(range(n), "z") * sum_over(range(n), "z"))
    observables = ["m_x", "m_z", square, "occupation", "alpha"]
    result = th.evolve(model, state, TIMES, observables=observables, method="Symmetric")
    for k, name in enumerate(("m_x", "m_z", "square", "occupation", "alpha")):
        # QuTiP keeps the rates of spins in single precision: 6e-8 of numbers up to 12
        values, accuracy = np.array(expected)[:, k], 1e-6 if rates else 1e-9
        np.testing.assert_allclose(result.expect[name].ravel(), values, rtol=0, atol=accuracy)
