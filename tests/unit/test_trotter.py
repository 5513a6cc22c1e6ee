"""Pieces of generators, channels, and the order in which pairs of a chain meet."""

import itertools

import numpy as np
import pytest
import scipy.linalg as sl

import tnhop as th
from tnhop.physics.operators import spin_basis
from tnhop.solvers.chain.network.mpo import lindblad_mpo
from tnhop.solvers.chain.network.trotter import lindblad_pieces
from tnhop.solvers.chain.steps.swap_network import swap_network
from tnhop.solvers.chain.steps.tebd_step import TEBDEngine
from zoo import ZOO, gaussian_couplings, patterns


def dense(cores):
    """Return the matrix of a chain of cores."""
    result = np.ones((1, 1, 1))
    for W in cores:
        result = np.einsum("abm,mcdn->acbdn", result, W, optimize=True)
        a, c, b, d, n = result.shape
        result = result.reshape(a * c, b * d, n)
    return result[:, :, 0]


def embedded(G, where, sizes):
    """Return a matrix on some positions as one on all of them."""
    others = [n for n in range(len(sizes)) if n not in where]
    matrix = np.kron(G, np.eye(int(np.prod([sizes[n] for n in others]))))
    axes = np.argsort([*where, *others])
    shape = [sizes[n] for n in [*where, *others]]
    tensor = matrix.reshape(shape * 2)
    return tensor.transpose([*axes, *(axes + len(sizes))]).reshape(matrix.shape)


@pytest.mark.parametrize(
    "name", ["hebbian_ising: all local jumps", "dicke: with gain", "open_hopfield: Hebb"]
)
def test_pieces_add_up_to_the_generator(name):
    model, t = ZOO[name], 1e-3
    pieces = lindblad_pieces(model, epsilon=0.4)
    sizes = [basis.size for basis in pieces.bases]
    total = sum(embedded(G, [n], sizes) for n, G in pieces.singles.items())
    total = total + sum(embedded(G, pair, sizes) for pair, G in pieces.pairs.items())
    whole = lindblad_mpo(model, epsilon=0.4, tolerance=1e-10, rate_tolerance=1e-9).to_matrix()
    for n in pieces.channels:
        steps = [dense(pieces.channel(n, s, 1e-11, 1e-9).cores) for s in (t, t / 2)]
        one = np.eye(len(whole))
        total = total + (4 * (steps[1] - one) - (steps[0] - one)) / t  # what is linear in t
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-5 if pieces.channels else 1e-12)


NETWORKS = {
    "three patterns": th.open_hopfield(patterns(3, 4), beta=9 / 5, Omega=3 / 7),
    "Gaussian": th.open_hopfield(
        patterns(1, 4), beta=6 / 5, Omega=2 / 7, couplings=gaussian_couplings(4)
    ),
    "two fields": ZOO["unseen: two fields"]
    if "unseen: two fields" in ZOO
    else ZOO["open_hopfield: Hebb"],
    "complex amplitudes": next(m for name, m in ZOO.items() if "complex" in name),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_channel_is_the_exponential(name):
    """Of the field jumps of one spin with what acts on it alone."""
    model, t = NETWORKS[name], 0.3
    pieces = lindblad_pieces(model, epsilon=0.5)
    for n in pieces.channels[:2]:
        site = int(pieces.order[n])
        own = [term for term in model.hamiltonian if term.sites == (site,)]
        jumps = [
            jump for jump in model.jumps
            if (jump.site if isinstance(jump, th.FieldJump) else jump.sites) in (site, (site,))
        ]  # fmt: skip
        alone = th.Model(model.sites, th.Operator(tuple(own)), jumps)
        options = {"epsilon": 0.5, "ordering": pieces.order, "tolerance": 1e-10}
        G = lindblad_mpo(alone, rate_tolerance=1e-9, **options).to_matrix()
        channel = pieces.channel(n, t, 1e-10, 1e-8)
        np.testing.assert_allclose(dense(channel.cores), sl.expm(t * G), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["three patterns", "Gaussian"])
def test_coarse_channels_keep_the_trace_and_are_nearly_completely_positive(name):
    model, t, tolerance = NETWORKS[name], 0.2, 1e-2
    pieces = lindblad_pieces(model, epsilon=1.0)
    n_spins = model.n_spins
    for n in pieces.channels:
        channel = pieces.channel(n, t, tolerance)
        E = dense(channel.cores)
        trace = np.zeros(4**n_spins)
        trace[0] = 1.0
        np.testing.assert_allclose(trace @ E, trace, rtol=0, atol=1e-13)
        assert channel.max_error <= tolerance
        assert channel.smallest_rate >= 0
        # Choi matrix from the map on products of basis matrices
        basis = spin_basis(1.0)
        B, D = basis.matrices, basis.duals
        for _ in range(n_spins - 1):
            B = np.einsum("aij,bkl->abikjl", B, basis.matrices).reshape(
                len(B) * 4, *2 * (2 * B.shape[1],)
            )
            D = np.einsum("aij,bkl->abikjl", D, basis.duals).reshape(
                len(D) * 4, *2 * (2 * D.shape[1],)
            )
        choi = np.einsum("ab,aij,blk->ikjl", E, B, D, optimize=True).reshape((4**n_spins,) * 2)
        assert np.linalg.eigvalsh(choi)[0] > -2 * t * tolerance * 2**n_spins


def met(meetings, n_sites):
    """Replay the meetings; return the pairs in the order in which they interact."""
    order, found = list(range(n_sites)), []
    for meeting in meetings:
        first, second = order[meeting.n : meeting.n + 2]
        if meeting.pair is not None:
            assert meeting.pair == (min(first, second), max(first, second))
            assert meeting.turned == (first > second)
            found.append(meeting.pair)
        if meeting.swap:
            order[meeting.n : meeting.n + 2] = second, first
    return found


@pytest.mark.parametrize("seed", range(20))
def test_every_pair_meets_once(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    pairs = [pair for pair in itertools.combinations(range(n), 2) if rng.random() < rng.random()]
    assert sorted(met(swap_network(pairs, n), n)) == pairs


def test_networks_of_known_length():
    n = 9
    assert swap_network([], n) == []
    everybody = swap_network(itertools.combinations(range(n), 2), n)
    assert len(everybody) == n * (n - 1) // 2
    star = swap_network([(k, n - 1) for k in range(n - 1)], n)
    assert len(star) == n - 1
    neighbours = swap_network([(k, k + 1) for k in range(n - 1)], n)
    assert len(neighbours) == n - 1
    assert not any(meeting.swap for meeting in neighbours)


def test_copies_of_a_circuit_go_their_own_way():
    chain = [np.zeros((1, 4, 1))]
    circuit = TEBDEngine(lambda t: None, [], chain, 8, 8)
    other = circuit.copy()
    other.chain = []
    assert circuit.chain == chain
