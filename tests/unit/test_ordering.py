"""The order of the sites on a chain: strengths, groups, Fiedler vector, and what it gains."""

import itertools

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.ordering import coupling_strengths, ordering_cost, site_order
from zoo import MADE, UNSEEN, gaussian_couplings, moved, patterns

SCRAMBLED = [7, 2, 10, 0, 5, 11, 3, 8, 1, 9, 4, 6]  # no order that anything else prefers


def runs(labels):
    """Return the number of runs of equal labels."""
    return len(list(itertools.groupby(np.asarray(labels).tolist())))


def hopfield(xi):
    return th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7)


def ising(J):
    return th.long_range_ising(J, Omega=3 / 7, decay=2 / 9)


# Strengths.


def test_strengths_of_every_kind_of_term_by_hand():
    z, lower = th.sigma("z"), th.sigma("-")
    H = 0.5 * th.sigma("x")(0) - 2 * z(0) * z(3) + (3 + 0j) * z(1) * z(2) * z(3)
    two = th.DenseGlauberRate(1.0, 1, 3, (1, 1), 0.25)
    jumps = [
        th.Jump(lower(0)),  # one site: nothing
        th.Jump(2 * lower(0) + 3j * z(1) * lower(2) + 5 * th.identity()),
        th.FieldJump(3, {"-": two}, [[0, 0.25, 0, 0], [-0.5, 0.75, 0, 0]]),
        th.FieldJump(3, {"+": th.ConstantRate(2.0)}, [0, 0, 7, 0]),  # sees no field
    ]  # fmt: skip
    S = coupling_strengths(th.Model(th.spins(4), H, jumps))
    # jump 1, ordered pairs of terms: (0)(12) twice 6; (12)(12) 9 on 12; (12)(1) twice 15 on 12
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[0, 2] = 12
    expected[0, 3] = 2 + 0.5
    expected[1, 2] = 3 + 12 + 9 + 30
    expected[1, 3] = 3 + 0.25 + 0.75
    expected[2, 3] = 3
    np.testing.assert_allclose(S, expected + expected.T, rtol=1e-14)


@pytest.mark.parametrize("name", [*MADE, *UNSEEN])
def test_strengths_and_order_of_every_model(name):
    model = {**MADE, **UNSEEN}[name]
    S = coupling_strengths(model)
    assert S.shape == (model.n_sites,) * 2
    np.testing.assert_array_equal(S, S.T)
    assert S.min() >= 0
    assert not np.diag(S).any()
    assert sorted(site_order(model)) == list(range(model.n_sites))


def test_hebbian_strengths_are_the_absolute_couplings():
    xi = th.random_patterns(3, 10, rng=2)
    J = th.hebb(xi)
    np.testing.assert_allclose(coupling_strengths(th.hebbian_ising(xi)), np.abs(J), rtol=1e-14)
    # two flips of each of the two spins
    np.testing.assert_allclose(coupling_strengths(hopfield(xi)), 4 * np.abs(J), rtol=1e-14)


# Groups.


@pytest.mark.parametrize("n_patterns", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_pattern_classes_stay_together(n_patterns, seed):
    xi = th.random_patterns(n_patterns, 30, rng=seed)
    labels = th.pattern_classes(xi, merge_signs=True)
    order = site_order(hopfield(xi))
    assert runs(labels) > runs(labels[order]) or n_patterns == 1
    assert runs(labels[order]) == labels.max() + 1
    for label in range(labels.max() + 1):
        inside = order[labels[order] == label]
        np.testing.assert_array_equal(inside, np.flatnonzero(labels == label))


def test_interleaved_classes():
    xi = np.array([[1, 1] * 6, [1, -1] * 6])
    np.testing.assert_array_equal(site_order(hopfield(xi)), [*range(0, 12, 2), *range(1, 12, 2)])
    xi = np.vstack([xi, np.repeat([1, -1], 6)])
    expected = [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
    np.testing.assert_array_equal(site_order(hopfield(xi)), expected)


@pytest.mark.parametrize("make", [
    lambda xi: th.hebbian_ising(xi, Omega=3 / 7, decay=2 / 9),
    lambda xi: th.dense_hopfield(xi, degree=3, beta=13 / 7, Omega=3 / 7),
    lambda xi: th.multimode_dicke(th.pattern_couplings(xi, 0.4), omega=1, Omega=0.3, loss=1, fock_dim=3),
    lambda xi: th.eliminated_dicke(th.pattern_couplings(xi, 0.4), omega=1, Omega=0.3, loss=1),
])  # fmt: skip
def test_classes_stay_together_where_strengths_alone_do_not_show_them(make):
    xi = th.random_patterns(2, 14, rng=3)
    model = make(xi)
    labels = th.pattern_classes(xi, merge_signs=True)
    order = site_order(model)
    assert runs(labels[order[order < 14]]) == 2 < runs(labels)
    np.testing.assert_array_equal(np.sort(order[[-1, 0]][: model.n_modes]), model.modes)


def test_disconnected_parts_stay_together():
    rng = np.random.default_rng(4)
    part = np.array([0, 1, 2, 1, 0, 2, 0, 1, 2, 0, 1, 3])
    J = rng.uniform(0.2, 1, (12, 12)) * (part[:, None] == part)
    J = np.triu(J, 1)
    order = site_order(ising(J + J.T))
    assert part[order].tolist() == [0] * 4 + [1] * 4 + [2] * 3 + [3]


def test_spins_without_couplings_keep_their_order():
    model = th.independent_spins(5, Omega=[1, 2, 1, 2, 1], decay=0.5)
    assert sorted(site_order(model)) == list(range(5))
    np.testing.assert_array_equal(site_order(th.independent_spins(5, Omega=1)), range(5))


@pytest.mark.parametrize("n_patterns", [2, 3, 4])
def test_moved_sites_are_grouped_alike(n_patterns):
    xi = th.random_patterns(n_patterns, 12, rng=5)
    signs = np.random.default_rng(6).choice([1, -1], 12).tolist()
    model = hopfield(xi)
    other = moved(model, SCRAMBLED, signs)
    permuted = np.empty_like(coupling_strengths(model))
    permuted[np.ix_(SCRAMBLED, SCRAMBLED)] = coupling_strengths(model)
    np.testing.assert_allclose(coupling_strengths(other), permuted, rtol=1e-14)
    labels = np.empty(12, dtype=int)
    labels[SCRAMBLED] = th.pattern_classes(xi, merge_signs=True)
    order = site_order(other)
    assert runs(labels[order]) == len(set(labels.tolist()))


# Order of the groups.


@pytest.mark.parametrize("exponent", [0.5, 1.5, 3, 6])
def test_scrambled_chain_is_recovered(exponent):
    J = th.power_law(12, exponent)
    order = site_order(ising(J[np.ix_(SCRAMBLED, SCRAMBLED)]))
    found = np.array(SCRAMBLED)[order].tolist()
    assert found in (list(range(12)), list(range(11, -1, -1)))
    # the direction: site 0, the eighth of the chain, stands in the first half
    assert order.tolist().index(0) < 6


def test_scrambled_chain_of_groups_is_recovered():
    """Four blocks of three equal spins, coupled to the next block alone."""
    block = np.repeat(range(4), 3)
    J = np.where(np.abs(np.subtract.outer(block, block)) == 1, 0.3, 0) + 1.0 * (
        block[:, None] == block
    )
    np.fill_diagonal(J, 0)
    order = site_order(ising(J[np.ix_(SCRAMBLED, SCRAMBLED)]))
    found = block[np.array(SCRAMBLED)[order]].tolist()
    assert found in (block.tolist(), block[::-1].tolist())


def test_ring_is_laid_flat():
    """The Fiedler space has two dimensions; neighbours stay within two places."""
    J = np.roll(np.eye(12), 1, axis=1)
    order = site_order(ising((J + J.T)[np.ix_(SCRAMBLED, SCRAMBLED)]))
    position = np.argsort(np.array(SCRAMBLED)[order])
    assert np.abs(position - np.roll(position, 1)).max() <= 2


def test_general_couplings_give_the_fiedler_order():
    J = gaussian_couplings(9)
    model = th.open_hopfield(patterns(1, 8), beta=1.1, couplings=J[:8, :8])
    S = coupling_strengths(model)
    y = np.linalg.eigh(np.diag(S.sum(axis=0)) - S)[1][:, 1]
    expected = np.argsort(y if y[0] < 0 else -y)
    for _ in range(3):
        np.testing.assert_array_equal(site_order(model), expected)


def test_modes_stand_at_both_ends_and_connect_their_spins():
    """Modes between neighbours, in a scrambled order of the spins: still a chain of spins."""
    g = np.zeros((5, 6))
    chain = [3, 0, 5, 1, 4, 2]
    for m in range(5):
        g[m, chain[m]], g[m, chain[m + 1]] = 0.5, 0.3 + 0.1 * m
    model = th.multimode_dicke(g, omega=1, Omega=0.4, loss=0.5, fock_dim=3)
    order = site_order(model).tolist()
    assert order[:2] + order[8:] == [7, 9, 10, 8, 6]
    assert order[2:8] in (chain, chain[::-1])
    assert site_order(th.damped_mode(omega=1, loss=0.4, fock_dim=3)).tolist() == [0]


# Given orders.


def test_given_orders():
    model = hopfield(np.array([[1, 1, 1, 1], [1, -1, 1, -1]]))
    np.testing.assert_array_equal(site_order(model, "natural"), [0, 1, 2, 3])
    np.testing.assert_array_equal(site_order(model, "auto"), [0, 2, 1, 3])
    for given in ([3, 0, 2, 1], (3, 0, 2, 1), np.array([3, 0, 2, 1])):
        found = site_order(model, given)
        np.testing.assert_array_equal(found, [3, 0, 2, 1])
        assert found.dtype == np.intp


@pytest.mark.parametrize(("given", "message"), [
    ("fiedler", "Argument `ordering` must be one of 'auto', 'natural', but it is 'fiedler'. Or give a permutation of the 4 sites."),
    ("atuo", "Argument `ordering` must be one of 'auto', 'natural', but it is 'atuo'. Did you mean 'auto'?"),
    ([0, 1, 2], "Argument `ordering` must have shape (4,), but has shape (3,). Give the site at every position."),
    ([0, 1, 1, 3], "Argument `ordering` must be a permutation of the sites, but it contains 1 2 times and 2 not at all."),
    ([1, 2, 3, 4], "Argument `ordering` must be a permutation of the sites, but it contains 4 and there are 4 sites. Sites are counted from 0."),
    ([0, 1, 2, -1], "Argument `ordering` must be a permutation of the sites, but it contains -1 and there are 4 sites. Sites are counted from 0."),
    ([0, 1, 2, 2.5], "Argument `ordering` must be a permutation of the sites, but it contains 2.5 and there are 4 sites. Sites are counted from 0."),
])  # fmt: skip
def test_bad_orders(given, message):
    with pytest.raises(ValueError, match="Argument") as error:
        site_order(hopfield(patterns(1, 4)), given)
    assert str(error.value) == message


def test_an_order_that_is_no_order():
    with pytest.raises(TypeError, match="Argument `ordering` must be an array of real numbers"):
        site_order(hopfield(patterns(1, 4)), None)


# The gain.


def plain_ranks(S, order):
    """Sum of ranks from the blocks themselves."""
    S, n, norm = S[np.ix_(order, order)], len(S), np.linalg.norm(S, 2)
    blocks = [np.linalg.svd(S[:k, k:], compute_uv=False) for k in range(1, n)]
    return sum(int((values > 1e-6 * norm).sum()) for values in blocks)


@pytest.mark.parametrize("n_patterns", [1, 2, 3, 4])
def test_cost_is_the_sum_of_ranks(n_patterns):
    xi = th.random_patterns(n_patterns, 20, rng=7)
    model = hopfield(xi)
    S, order = coupling_strengths(model), site_order(model)
    for matrix, chain in itertools.product((S, th.hebb(xi)), (order, np.arange(20))):
        assert ordering_cost(matrix, chain) == plain_ranks(matrix, chain)
        assert ordering_cost(matrix, chain) == ordering_cost(matrix, chain[::-1])


@pytest.mark.parametrize("n_patterns", [2, 3, 4])
def test_classes_together_gain(n_patterns):
    xi = th.random_patterns(n_patterns, 60, rng=8)
    order = site_order(hopfield(xi))
    for matrix in (np.abs(th.hebb(xi)), th.hebb(xi)):
        assert ordering_cost(matrix, order) < 0.75 * ordering_cost(matrix, np.arange(60))


def test_two_patterns_are_two_independent_halves():
    xi = np.array([[1, 1] * 6, [1, -1] * 6])
    order = site_order(hopfield(xi))
    assert ordering_cost(th.hebb(xi), order) == 10  # one at every cut but that between the halves


def test_cost_of_many_different_sites_is_a_length():
    J = th.power_law(80, 1.5)
    distance = np.abs(np.subtract.outer(np.arange(80), np.arange(80)))
    assert ordering_cost(J, np.arange(80)) == pytest.approx((J * distance).sum() / 2)
    scrambled = np.random.default_rng(9).permutation(80)
    assert ordering_cost(J, scrambled) > 2 * ordering_cost(J, np.arange(80))
    small = th.power_law(12, 1.5)
    assert ordering_cost(small, SCRAMBLED) > ordering_cost(small, range(12))


def test_cost_without_couplings_is_zero():
    assert ordering_cost(np.zeros((3, 3)), [0, 1, 2]) == 0.0
    assert ordering_cost([[0.0]], [0]) == 0.0


def test_hundreds_of_spins():
    xi = th.random_patterns(3, 200, rng=10)
    model = hopfield(xi)
    order = site_order(model)
    assert runs(th.pattern_classes(xi, merge_signs=True)[order]) == 4
