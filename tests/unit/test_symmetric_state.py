"""States of interchangeable spins against full density matrices and closed forms."""

import itertools
import math

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.observables import Functional
from tnhop.physics.states import coherent_ket
from tnhop.solvers.symmetric.operators import partition
from tnhop.solvers.symmetric.spin_classes import SpinClasses, find_classes
from tnhop.solvers.symmetric.state import SymmetricState
from zoo import ALPHA, BLOCH, alike, patterns, permutations, random_classes, tilted

# classes (labels, signs) and kept levels of the modes
CASES = {
    "four": ([0, 0, 0, 0], [1, 1, 1, 1], ()),
    "two and two": ([0, 1, 1, 0], [1, 1, 1, 1], ()),
    "two and three, turned": ([0, 1, 0, 1, 1], [1, 1, -1, -1, 1], ()),
    "three and a mode": ([0, 0, 0], [1, -1, 1], (3,)),
    "two, one and two modes": ([0, 1, 0], [1, 1, -1], (3, 2)),
}


def empty_model(n_spins, levels):
    """Return a model whose terms join all spins and modes, so that there is one part."""
    H = th.identity()
    for k in range(n_spins):
        H = H * th.sigma("z")(k)
    for m in range(len(levels)):
        H = H * th.number(n_spins + m)
    return th.Model(th.spins(n_spins) + th.modes(len(levels), fock_dim=list(levels)), H)


def averaged(labels, signs, levels):
    """Return a SymmetricState of different spins, and the same average as a full matrix."""
    n = len(labels)
    model = empty_model(n, levels)
    classes = SpinClasses(np.array(labels), np.array(signs, dtype=np.int8))
    parts = partition(model, classes, None)
    assert len(parts) == 1
    product = th.product_state(model, bloch=BLOCH[:n], alpha=ALPHA[: len(levels)] / 2)
    light = np.ones((1, 1))
    for alpha, dim in zip(product.alpha, levels, strict=True):
        ket = coherent_ket(alpha, dim)
        light = np.kron(light, np.outer(ket, ket.conj()))
    total, group = 0, permutations(labels)
    for place in group:
        rho = np.ones((1, 1))
        for k in range(n):  # spin `place[k]` moves to k, and is turned if the signs differ
            x, y, z = BLOCH[place[k]]
            turn = signs[k] * signs[place[k]]
            y, z = turn * y, turn * z
            rho = np.kron(rho, np.array([[1 + z, x - 1j * y], [x + 1j * y, 1 - z]]) / 2)
        total = total + np.kron(rho, light) / len(group)
    return SymmetricState.from_product(product, model, classes, parts), total


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def pair(request):
    return averaged(*request.param), request.param


def test_purity_is_the_trace_of_the_square(pair):
    (state, rho), _ = pair
    assert float(state.purity()) == pytest.approx(np.trace(rho @ rho).real, rel=1e-13)


def test_entropy_is_that_of_the_full_matrix(pair):
    (state, rho), _ = pair
    p = np.linalg.eigvalsh(rho)
    p = p[p > 1e-14]
    assert float(state.entropy()) == pytest.approx(-(p * np.log(p)).sum(), abs=1e-12)


def test_no_eigenvalue_is_negative(pair):
    (state, _), _ = pair
    assert state.smallest_eigenvalue() > -1e-15
    weights = np.concatenate([np.linalg.eigvalsh(block) for block in state.blocks(0)])
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)


def traced(rho, n_spins, levels, kept):
    """Trace out all sites but `kept`, which stand in the order given."""
    dims = [2] * n_spins + list(levels)
    n = len(dims)
    letters = list(range(2 * n))
    for site in set(range(n)) - set(kept):
        letters[n + site] = site
    out = [*kept, *(n + site for site in kept)]
    size = math.prod(dims[site] for site in kept)
    return np.einsum(rho.reshape(dims + dims), letters, out).reshape(size, size)


def test_reduced_states_are_partial_traces(pair):
    (state, rho), (labels, _, levels) = pair
    n = len(labels)
    for sites in [(0,), (2,), (0, 1), (2, 0)]:
        expected = traced(rho, n, levels, sites)
        np.testing.assert_allclose(state.reduced_state(sites), expected, atol=1e-14)


def test_photon_distribution_is_the_diagonal_of_the_mode(pair):
    (state, rho), (labels, _, levels) = pair
    for m in range(len(levels)):
        mode = traced(rho, len(labels), levels, (len(labels) + m,))
        np.testing.assert_allclose(state.photon_distribution(m), mode.diagonal().real, atol=1e-15)


def test_class_distribution_counts_spins_up_after_the_turn(pair):
    (state, rho), (labels, signs, _) = pair
    n = len(labels)
    p = rho.diagonal().real.reshape(2**n, -1).sum(axis=1)
    expected = np.zeros([labels.count(g) + 1 for g in range(max(labels) + 1)])
    for weight, bits in zip(p, itertools.product((1, -1), repeat=n), strict=True):
        up = [sum(s * t > 0 for s, t, h in zip(bits, signs, labels, strict=True) if h == g)
              for g in range(max(labels) + 1)]  # fmt: skip
        expected[tuple(up)] += weight
    np.testing.assert_allclose(state.class_distribution, expected, atol=1e-15)


def test_joint_overlaps_count_configurations(pair):
    (state, rho), (labels, _, _) = pair
    n = len(labels)
    xi = patterns(2, n).astype(np.int8)
    p = rho.diagonal().real.reshape(2**n, -1).sum(axis=1)
    expected = np.zeros((n + 1, n + 1))
    for weight, s in zip(p, itertools.product((1, -1), repeat=n), strict=True):
        expected[tuple((n + xi @ s) // 2)] += weight
    found = state.joint_overlap_distribution(xi)
    np.testing.assert_allclose(found, expected, atol=1e-15)
    single = state.overlap_distribution(xi)
    np.testing.assert_allclose(single, [found.sum(axis=1), found.sum(axis=0)], atol=1e-15)


# Entangled states, as full matrices by Exact.


def partial_transpose_norm(rho, dims, sites):
    n = len(dims)
    axes = list(range(2 * n))
    for site in sites:
        axes[site], axes[n + site] = axes[n + site], axes[site]
    moved = rho.reshape(*dims, *dims).transpose(axes).reshape(rho.shape)
    return np.abs(np.linalg.eigvalsh(moved)).sum()


ENTANGLED = {
    "two and two": random_classes([0, 1, 1, 0], 2),
    "two, one and one": random_classes([0, 0, 1, 2], 11),
    "three and a mode": random_classes([0, 0, 0], 4, 4),
    "two and three in the dark": th.Model(
        th.spins(5), th.Operator.sum(th.sigma("x")(i) * th.sigma("z")(j) + 0.6 * th.sigma("y")(j)
                                     for i in (0, 3) for j in (1, 2, 4))),
    "one mode": th.dicke(3, g=8 / 7, omega=8 / 7, Omega=4 / 9, loss=1 / 9, fock_dim=5),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
@pytest.mark.parametrize("model", ENTANGLED.values(), ids=ENTANGLED.keys())
def test_negativity_is_that_of_the_full_partial_transpose(model):
    """Every set of classes against the rest, with and without the modes."""
    classes, start = find_classes(model), alike(model, 0.3)
    full, state = (th.evolve(model, start, [0.6], observables="trace", method=m).final_state
                   for m in ("Exact", "Symmetric"))  # fmt: skip
    largest = 0.0
    n_classes = len(classes.sizes)
    for given in itertools.product((0, 1), repeat=n_classes + model.n_modes):
        chosen = [g for g in range(n_classes) if given[g]]
        modes = [m for m in range(model.n_modes) if given[n_classes + m]]
        sites = [int(k) for g in chosen for k in classes.members(g)]
        sites += [model.n_spins + m for m in modes]
        expected = (partial_transpose_norm(full.rho, model.dims, sites) - 1) / 2
        # the evolution is asked for 1e-10, of some 2^5 singular values
        assert float(state.negativity(chosen, modes)) == pytest.approx(expected, abs=1e-9)
        largest = max(largest, expected)
    assert largest > 1e-3  # there is something to see


def test_product_states_have_no_negativity(pair):
    (state, _), (_, _, levels) = pair
    modes = range(len(levels))
    assert float(state.negativity([0], [])) == pytest.approx(0.0, abs=1e-13)
    assert float(state.negativity([], modes)) == pytest.approx(0.0, abs=1e-13)


# Sixty spins.

SIXTY = th.open_hopfield(th.random_patterns(2, 60, rng=4), beta=2.0)
R = np.array([0.28, 0.36, 0.64])


def uniform(model, r=R):
    """Return a state with one Bloch vector, turned with the spins of either class."""
    classes = find_classes(model)
    bloch = np.tile(r, (model.n_spins, 1))
    bloch[:, 1:] *= classes.signs[:, None]
    state = th.product_state(model, bloch=bloch)
    return SymmetricState.from_product(
        state, model, classes, partition(model, classes, None)
    ), state


def test_large_product_state_has_the_purity_of_its_spins():
    state, _ = uniform(SIXTY)
    assert float(state.purity()) == pytest.approx(((1 + R @ R) / 2) ** 60, rel=1e-10)


def test_large_product_state_has_the_entropy_of_its_spins():
    state, _ = uniform(SIXTY)
    p = (1 + np.array([1, -1]) * np.sqrt(R @ R)) / 2
    assert float(state.entropy()) == pytest.approx(-60 * (p * np.log(p)).sum(), rel=1e-11)
    assert state.smallest_eigenvalue() > -1e-15


def test_large_product_state_has_binomial_overlaps():
    model = th.open_hopfield(np.ones((1, 60), dtype=int), beta=2.0)
    state, _ = uniform(model)
    p = (1 + R[2]) / 2
    expected = [math.comb(60, k) * p**k * (1 - p) ** (60 - k) for k in range(61)]
    found = state.overlap_distribution(model.patterns)[0]
    np.testing.assert_allclose(found, expected, atol=1e-15)
    z2 = R[2] ** 2
    second = z2 + (1 - z2) / 60
    np.testing.assert_allclose(
        state.overlap_moments(model.patterns, (1, 2))[0], [R[2], second], rtol=1e-12
    )


def test_large_uneven_state_keeps_its_overlaps_when_averaged():
    """P(m₁, m₂) of σᶻ does not feel permutations inside classes: Poisson-binomial, all spins apart."""
    bloch = np.random.default_rng(6).uniform(-0.57, 0.57, (60, 3))
    product = th.product_state(SIXTY, bloch=bloch)
    classes = find_classes(SIXTY)
    parts = partition(SIXTY, classes, None)
    state = SymmetricState.from_product(product, SIXTY, classes, parts)
    expected = product.joint_overlap_distribution(SIXTY.patterns)
    np.testing.assert_allclose(
        state.joint_overlap_distribution(SIXTY.patterns), expected, atol=1e-15
    )
    assert state.smallest_eigenvalue() > -1e-15


def test_marginals_of_joint_overlaps_are_the_overlaps():
    xi = th.random_patterns(3, 16, rng=5)
    model = th.open_hopfield(xi, beta=2.0)
    state, product = uniform(model)
    joint = state.joint_overlap_distribution(xi)
    single = product.overlap_distribution(xi)
    assert joint.sum() == pytest.approx(1.0, abs=1e-13)
    for mu in range(3):
        others = tuple(nu for nu in range(3) if nu != mu)
        np.testing.assert_allclose(joint.sum(axis=others), single[mu], atol=1e-14)


def test_two_point_functions_of_a_large_state_factorise():
    state, product = uniform(SIXTY)
    pairs = [th.sigma("y")(0) * th.sigma("z")(k) for k in (1, 7, 59)]
    found, expected = state.expect(pairs), product.expect(pairs)
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_negativity_of_a_run_without_coherences_is_zero():
    """Populations answer every functional that the method promises for its states."""
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7)
    functional = Functional("negativity", (("classes", (0,)),))
    negativity = th.Observable("negativity", functional=functional)
    run = th.evolve(
        model, th.pattern_state(model), [0.7], observables=negativity, method="Symmetric"
    )
    assert run.expect["negativity"][0] == pytest.approx(0.0, abs=1e-12)


# Parts and files.


def test_parts_joined_are_the_same_state():
    model = th.open_hopfield(patterns(2, 6), beta=13 / 7, Omega=3 / 7)
    classes = find_classes(model)
    apart = SymmetricState.from_product(
        tilted(model), model, classes, partition(model, classes, None)
    )
    whole = apart.rejoined(partition(model, classes, np.zeros(len(classes.sizes), dtype=int)))
    assert len(apart.parts) == 2
    assert len(whole.parts) == 1
    words = [
        th.sigma(a)(i) * th.sigma(b)(j) for a in "xyz" for b in "xyz" for i, j in ((0, 1), (0, 2))
    ]
    np.testing.assert_allclose(whole.expect(words), apart.expect(words), atol=1e-14)
    for name in ("purity", "entropy"):
        value, expected = float(getattr(whole, name)()), float(getattr(apart, name)())
        assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(whole.class_distribution, apart.class_distribution, atol=1e-15)
    assert float(whole.negativity([0])) == pytest.approx(0.0, abs=1e-13)


def test_state_without_spins_has_its_photons():
    """A mode that nothing couples to spins is a part of its own, without classes."""
    g = np.array([[3 / 7, 3 / 7], [0.0, 0.0]])
    model = th.multimode_dicke(
        g, omega=9 / 7, Omega=3 / 8, loss=8 / 9, fock_dim=[3, 4], patterns=[[1, 1]]
    )
    product = th.product_state(model, bloch=R, alpha=ALPHA)
    classes = find_classes(model)
    state = SymmetricState.from_product(product, model, classes, partition(model, classes, None))
    ket = coherent_ket(ALPHA[1], 4)
    np.testing.assert_allclose(state.photon_distribution(1), np.abs(ket) ** 2, atol=1e-15)
    z = R[2]
    expected = [(1 - z) ** 2 / 4, (1 - z * z) / 2, (1 + z) ** 2 / 4]
    np.testing.assert_allclose(state.class_distribution, expected, atol=1e-15)


def test_arrays_rebuild_the_state(pair):
    (state, _), _ = pair
    again = SymmetricState.from_arrays(state.to_arrays())
    np.testing.assert_array_equal(again.packed, state.packed)
    assert float(again.purity()) == float(state.purity())
    assert [p.sizes for p in again.parts] == [p.sizes for p in state.parts]


def test_state_of_another_system_says_so():
    model = th.open_hopfield(patterns(1, 4), beta=2.0)
    state = th.evolve(model, th.pattern_state(model), [0.1], method="Symmetric").final_state
    assert state.misfit(model) is None
    assert "4 spins" in state.misfit(th.open_hopfield(patterns(1, 5), beta=2.0))
    assert "5 spins" in state.misfit(th.open_hopfield(patterns(1, 5), beta=2.0))
