"""Contractions and splits of the TDVP engine against plain sums over all legs."""

from itertools import pairwise

import autoray
import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse as sp

import tnhop as th
from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps import compiled_krylov, krylov
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.environments import (
    DenseEnvironment,
    DenseRightEnvironment,
    mirrored,
    split_core,
)
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.parity_environments import ParityCore, ParityEnvironment
from tnhop.solvers.chain.steps.truncation import (
    TruncationStats,
    right_canonical,
    truncated_split,
    truncated_splits,
)

LIKE = np.zeros(1)


def full(n, left, right, rng):
    """Return a dense core."""
    return rng.standard_normal((left, n, n, right))


def sparse_rows(n, left, right, rng):
    """Return a core with zero rows and columns of the bond."""
    W = full(n, left, right, rng)
    W[[0, 3]], W[..., [1, right - 1]] = 0.0, 0.0
    return W


def blocks(n, left, right, rng):
    """Return a core of spins that mixes populations and coherences in few bond states."""
    W = np.zeros((left, n, n, right))
    W[:, :2, :2] = rng.standard_normal((left, 2, 2, right))
    W[1:, 2:, 2:, :-2] = rng.standard_normal((left - 1, 2, 2, right - 2))
    W[2, :, :, 1] += rng.standard_normal((n, n))
    return W


def diagonal(n, left, right, rng):
    """Return a core that never mixes populations and coherences."""
    W = np.zeros((left, n, n, right))
    W[:, :2, :2] = rng.standard_normal((left, 2, 2, right))
    W[1:, 2:, 2:, :-2] = rng.standard_normal((left - 1, 2, 2, right - 2))
    return W


def empty(n, left, right, rng):
    """Return a core of zeros."""
    return np.zeros((left, n, n, right))


CORES = {
    "full spin": (full, 4, 1), "zero rows": (sparse_rows, 4, 1), "blocks": (blocks, 4, 3),
    "diagonal": (diagonal, 4, 2), "mode": (full, 9, 1), "mode with zero rows": (sparse_rows, 9, 1),
    "nothing": (empty, 4, 2),
}  # fmt: skip
ANY_CORE = pytest.mark.parametrize(("make", "n", "parts"), CORES.values(), ids=CORES.keys())
GROUPED = pytest.mark.parametrize("grouped", [True, False])


def arrays(make, n, rng):
    """Return core, environment of the left (bra, ket, D), of the right (ket, D, bra), tensor."""
    W = make(n, 6, 7, rng)
    return W, rng.standard_normal((3, 2, 6)), rng.standard_normal((5, 7, 4)), rng.standard_normal(
        (2, n, 5)
    )  # fmt: skip


@ANY_CORE
def test_number_of_parts(make, n, parts, rng):
    W = make(n, 6, 7, rng)
    assert len(split_core(W, LIKE).parts) == parts
    assert len(split_core(W, LIKE, grouped=False).parts) == 1


@GROUPED
@ANY_CORE
def test_parts_add_up_to_the_core(make, n, parts, grouped, rng):
    W = make(n, 6, 7, rng)
    total = np.zeros_like(W)
    for part in split_core(W, LIKE, grouped).parts:
        size = part.group.stop - part.group.start
        matrix = part.matrix.reshape(len(part.rows), size, size, len(part.columns))
        index = np.arange(part.group.start, part.group.stop)
        total[np.ix_(part.rows, index, index, part.columns)] += matrix
    np.testing.assert_array_equal(total, W)


def matrix(A):
    """Return a tensor as the one block of a chain without a parity."""
    return [A.reshape(-1, A.shape[2])]


@GROUPED
@ANY_CORE
def test_effective_generator_of_a_site(make, n, parts, grouped, rng):
    W, env, ahead, A = arrays(make, n, rng)
    here = split_core(W, LIKE, grouped).absorb_into(DenseEnvironment(env))
    apply = here.effective_generator(DenseRightEnvironment(ahead))
    expected = np.einsum("bkD,DxnE,kns,sEt->bxt", env, W, A, ahead)
    np.testing.assert_allclose(apply(A), expected, rtol=0, atol=1e-12)


@GROUPED
@ANY_CORE
def test_environment_moves_by_one_site(make, n, parts, grouped, rng):
    W, env, _, ket = arrays(make, n, rng)
    bra = rng.standard_normal((3, n, 6))
    here = split_core(W, LIKE, grouped).absorb_into(DenseEnvironment(env))
    expected = np.einsum("bkD,DxnE,bxs,knt->stE", env, W, bra, ket)
    np.testing.assert_allclose(here.between(bra, ket).array, expected, rtol=0, atol=1e-12)
    equal = split_core(W, LIKE, grouped).absorb_into(DenseEnvironment(env[:2]))
    found = equal.advance(matrix(ket)).array
    np.testing.assert_array_equal(found, equal.between(ket, ket).array)


@GROUPED
@ANY_CORE
def test_sketch_moves_by_one_site(make, n, parts, grouped, rng):
    W, _, _, A = arrays(make, n, rng)
    sketch, G = rng.standard_normal((8, 2, 6)), rng.standard_normal((8, n))
    here = split_core(W, LIKE, grouped).absorb_into(DenseEnvironment(sketch))
    expected = np.einsum("mkD,DxnE,mx,kns->msE", sketch, W, G, A)
    found = here.advance_sketch(G, matrix(A)).array
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@ANY_CORE
def test_pair_of_sites(make, n, parts, rng):
    """The second site, seen from the mirrored chain, is absorbed into what lies ahead."""
    W, env, _, A = arrays(make, n, rng)
    second = make(n, 7, 6, rng)
    behind = rng.standard_normal((4, 3, 6))  # (bra, ket, D) of the mirrored chain
    there = split_core(second.transpose(3, 1, 2, 0), LIKE, grouped=False)
    ahead = split_core(second, LIKE).pair_right_env(DenseEnvironment(behind), there)
    assert ahead.shape == (n * 3, 7, n * 4)
    B = rng.standard_normal((5, n, 3))
    pair = np.tensordot(A, B, (2, 0))
    apply = split_core(W, LIKE).absorb_into(DenseEnvironment(env)).effective_generator(ahead)
    found = apply(pair.reshape(2, n, -1)).reshape(3, n, n, 4)
    half = np.einsum("bkD,DxnE,knmt->bxEmt", env, W, pair)
    expected = np.einsum("bxEmt,EymF,utF->bxyu", half, second, behind)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_effective_generator_of_a_bond(rng):
    env, ahead = rng.standard_normal((3, 2, 6)), rng.standard_normal((5, 6, 4))
    S = rng.standard_normal((2, 5))
    expected = np.einsum("bkD,ks,sDt->bt", env, S, ahead)
    apply = DenseEnvironment(env).bond_generator(DenseRightEnvironment(ahead))
    np.testing.assert_allclose(apply(S), expected, rtol=0, atol=1e-12)
    turned = DenseEnvironment(env).as_right_env()
    np.testing.assert_array_equal(turned.array, np.einsum("bkD->kDb", env))


def test_sketch_outside_a_basis(rng):
    sketch, basis = rng.standard_normal((8, 2, 6)), rng.standard_normal((2, 6, 4))
    overlap = rng.standard_normal((8, 4))
    found = DenseEnvironment(sketch).outside_basis(DenseRightEnvironment(basis), overlap)
    expected = np.einsum("mkD->kDm", sketch) - np.einsum("kDb,mb->kDm", basis, overlap)
    np.testing.assert_allclose(found.array, expected, rtol=0, atol=1e-12)


def test_kinds_are_not_mixed(rng):
    parity = ParityCore.of(full(4, 2, 2, rng), (0, 0, 0, 0), ((2, 0), (2, 0)), LIKE)
    with pytest.raises(TypeError, match="DenseEnvironment is no ParityEnvironment"):
        parity.absorb_into(DenseEnvironment(np.ones((1, 1, 2))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_exponential_is_that_of_the_reference(dtype, rng):
    """Also back in time, where Krylov spaces need halved steps, and for vectors of zeros."""
    env = np.asarray(rng.standard_normal((3, 3, 6)), dtype)
    ahead = np.asarray(rng.standard_normal((5, 7, 5)), dtype)
    W = np.asarray(blocks(4, 6, 7, rng), dtype)
    core = ParityCore.of(W, (0, 0, 0, 0), ((6, 0), (7, 0)), env)
    left = ParityEnvironment(((env, env[:, :0, :0]), (env[:0, :, :0], env[:0, :0])), (3, 0), (3, 0))
    right = ParityEnvironment(
        tuple(
            tuple(ahead.transpose(2, 0, 1)[: 5 * (o == 0), : 5 * (k == 0), : 7 * (o == k)]
                  for k in (0, 1)) for o in (0, 1)
        ), (5, 0), (5, 0),
    ).as_right_env()  # fmt: skip
    generator = core.absorb_into(left).effective_generator(right)
    v = np.asarray(rng.standard_normal(3 * 4 * 5), dtype)
    tolerance = 1e-10 if dtype is np.float64 else 1e-5
    for t in (0.01, -0.02, 0.5):
        found = generator.exponential(v, t, tolerance)
        expected = krylov.exponential(generator, v, t, tolerance)
        assert found[0].dtype == dtype
        assert found[1] == expected[1]
        size = np.linalg.norm(expected[0])
        rounding = 1e-12 if dtype is np.float64 else 1e-4
        assert np.linalg.norm(found[0] - expected[0]) <= rounding * size
        assert found[2] == pytest.approx(expected[2], rel=1e-6 if dtype is np.float64 else 0.1)
    assert generator.exponential(0 * v, 0.1, tolerance)[1] == 0
    with pytest.raises(th.ConvergenceError, match="halvings"):
        generator.exponential(v * np.asarray(np.nan, dtype), 0.1, tolerance)


def test_compiled_small_exponential(rng):
    for scale in (1e-3, 1.0, 30.0):
        A = scale * rng.standard_normal((9, 9)) / 3
        expected = sl.expm(A)
        np.testing.assert_allclose(
            compiled_krylov._small_exponential(A / 0.7, 9, 0.7), expected, rtol=0,
            atol=1e-12 * max(scale, 1) * np.abs(expected).max(),
        )  # fmt: skip


def mode_core(rng, left=6, right=7, n=9):
    """Return a core of three sparse superoperators."""
    matrices = [sp.csr_array(sp.random(n, n, 0.2, random_state=rng)) for _ in range(3)]
    weights = rng.standard_normal((left, 3, right)) * (rng.random((left, 3, right)) < 0.5)
    return ModeCore(weights, tuple(matrices))


@pytest.mark.parametrize("turned", [False, True])
def test_sparse_core_is_a_core(turned, rng):
    core = mode_core(rng)
    dense = np.einsum("lkr,kab->labr", core.weights, [M.toarray() for M in core.matrices])
    np.testing.assert_allclose(core.to_dense(), dense, rtol=0, atol=1e-15)
    if turned:
        core, dense = core.mirrored(), dense.transpose(3, 1, 2, 0)
    n_left, n, _, n_right = core.shape
    kinds = SparseCore.of(core, LIKE), split_core(dense, LIKE)
    env = DenseEnvironment(rng.standard_normal((3, 2, n_left)))
    ahead = DenseRightEnvironment(rng.standard_normal((5, n_right, 4)))
    A, bra = rng.standard_normal((2, n, 5)), rng.standard_normal((3, n, 6))
    sketch, G = rng.standard_normal((8, 2, n_left)), rng.standard_normal((8, n))
    results = [
        (here.effective_generator(ahead)(A), here.between(bra, A).array,
         there.advance_sketch(G, there.blocks_of(A)).array)
        for here, there in ((kind.absorb_into(env), kind.absorb_into(DenseEnvironment(sketch)))
                            for kind in kinds)
    ]  # fmt: skip
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("first_is_mode", [False, True])
def test_pair_with_a_sparse_second_site(first_is_mode, rng):
    second = mode_core(rng)
    n_first = 9 if first_is_mode else 4
    W = mode_core(rng, 5, 6) if first_is_mode else blocks(4, 5, 6, rng)
    dense = W.to_dense() if first_is_mode else W
    env, behind = rng.standard_normal((3, 2, 5)), rng.standard_normal((4, 3, 7))
    pair = rng.standard_normal((2, n_first, 9, 3))
    there = SparseCore.of(second.mirrored(), LIKE)
    ahead = SparseCore.of(second, LIKE).pair_right_env(DenseEnvironment(behind), there)
    assert ahead.shape == (9 * 3, 6, 9 * 4)
    core = SparseCore.of(W, LIKE) if first_is_mode else split_core(W, LIKE)
    apply = core.absorb_into(DenseEnvironment(env)).effective_generator(ahead)
    half = np.einsum("bkD,DxnE,knmt->bxEmt", env, dense, pair)
    expected = np.einsum("bxEmt,EymF,utF->bxyu", half, second.to_dense(), behind)
    found = apply(pair.reshape(2, n_first, -1)).reshape(3, n_first, 9, 4)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_that_of_the_other_array(dtype, rng):
    like = np.zeros(1, dtype=dtype)
    W, env, ahead, A = arrays(blocks, 4, rng)
    env, ahead, A = (placed(x, like) for x in (env, ahead, A))
    left = split_core(W, like).absorb_into(DenseEnvironment(env))
    assert left.effective_generator(DenseRightEnvironment(ahead))(A).dtype == dtype
    assert left.between(placed(rng.standard_normal((3, 4, 6)), like), A).array.dtype == dtype


def test_torch_gives_the_same_numbers(rng):
    torch = pytest.importorskip("torch")
    W, env, ahead, A = arrays(blocks, 4, rng)
    bra, results = rng.standard_normal((3, 4, 6)), []
    for like in (LIKE, torch.zeros(1, dtype=torch.float64)):
        here = split_core(W, like).absorb_into(DenseEnvironment(placed(env, like)))
        apply = here.effective_generator(DenseRightEnvironment(placed(ahead, like)))
        moved = here.between(placed(bra, like), placed(A, like))
        results.append((apply(placed(A, like)), moved.array))
    for numpy_array, torch_array in zip(*results, strict=True):
        np.testing.assert_allclose(torch_array.numpy(), numpy_array, rtol=0, atol=1e-12)


# Splits that keep one vector.


def with_values(values, a, rows, columns, rng):
    """Return a matrix whose part orthogonal to `a` has the given singular values."""
    P = rng.standard_normal((rows, len(values)))
    P = np.linalg.qr(P - np.outer(a, a @ P))[0]
    Q = np.linalg.qr(rng.standard_normal((columns, len(values))))[0]
    return np.outer(a, rng.standard_normal(columns)) + P * values @ Q.T


@pytest.fixture
def unit(rng):
    a = rng.standard_normal(12)
    return a / np.linalg.norm(a)


VALUES = np.array([2.0, 0.7, 0.1, 1e-3, 1e-5])


@pytest.mark.parametrize(
    ("cutoff", "most", "rank", "saturated"),
    [(1e-12, 50, 5, 0.0), (1e-4, 50, 4, 0.0), (0.05, 50, 3, 0.0), (10.0, 50, 0, 0.0),
     (1e-12, 3, 2, 0.1), (1e-4, 4, 3, 1e-3), (1e-4, 5, 4, 0.0), (1e-4, 1, 0, 2.0)],
)  # fmt: skip
def test_split_keeps_the_vector_and_drops_small_values(cutoff, most, rank, saturated, unit, rng):
    M, tally = with_values(VALUES, unit, 12, 9, rng), TruncationStats()
    U, C = truncated_split(M, unit, cutoff, most, tally)
    assert U.shape == (12, rank + 1)
    assert C.shape == (rank + 1, 9)
    np.testing.assert_array_equal(U[:, 0], unit)
    np.testing.assert_allclose(U.T @ U, np.eye(rank + 1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(unit @ U @ C, unit @ M, rtol=0, atol=1e-13)
    discarded = np.sum(VALUES[rank:] ** 2)
    assert tally.discarded == pytest.approx(discarded, rel=1e-9, abs=1e-28)
    assert np.sum((M - U @ C) ** 2) == pytest.approx(discarded, rel=1e-9, abs=1e-28)
    assert tally.saturated == pytest.approx(saturated, rel=1e-9)


def test_split_without_cutoff_is_complete_and_isometric(unit, rng):
    """Also where rounding errors are kept as singular vectors."""
    M, tally = with_values(VALUES, unit, 12, 20, rng), TruncationStats()
    U, C = truncated_split(M, unit, 0.0, 100, tally)
    assert U.shape[1] <= 12
    np.testing.assert_allclose(U.T @ U, np.eye(U.shape[1]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(U @ C, M, rtol=0, atol=1e-13)
    assert tally.saturated == 0.0


def test_split_of_a_multiple_of_the_vector(unit, rng):
    row, tally = rng.standard_normal(9), TruncationStats()
    U, C = truncated_split(np.outer(unit, row), unit, 1e-12, 50, tally)
    np.testing.assert_array_equal(U, unit[:, None])
    np.testing.assert_allclose(C, row[None], rtol=0, atol=1e-14)
    assert tally.discarded < 1e-28


@pytest.mark.parametrize("most", [1, 2, 5])
def test_splits_keep_a_row_and_a_column(unit, most, rng):
    M, other = rng.normal(size=(12, 9)), rng.normal(size=(7, 6))
    b = rng.normal(size=9)
    b /= np.linalg.norm(b)
    (U, C), (V, D) = truncated_splits([M, other], unit, 0.0, most, TruncationStats(), b)
    np.testing.assert_allclose(U[:, 0], unit, atol=1e-15)
    np.testing.assert_allclose(U.T @ U, np.eye(U.shape[1]), atol=1e-14)
    np.testing.assert_allclose(unit @ U @ C, unit @ M, atol=1e-14)
    assert U.shape[1] + V.shape[1] == most
    if most > 1:
        np.testing.assert_allclose(U @ C @ b, M @ b, atol=1e-14)
    np.testing.assert_allclose(V @ D, V @ V.T @ other, atol=1e-14)


def test_split_adds_to_the_tally(unit, rng):
    M, tally = with_values(VALUES, unit, 12, 9, rng), TruncationStats(discarded=1.0, saturated=0.5)
    truncated_split(M, unit, 0.05, 3, tally)
    assert tally.saturated == 0.5
    assert tally.discarded == pytest.approx(1.0 + np.sum(VALUES[2:] ** 2), rel=1e-12)


def test_tallies_add_up():
    total = TruncationStats(1.0, 2.0, 3, 0.5)
    total.add(TruncationStats(0.25, 0.5, 4, 0.25))
    assert total == TruncationStats(1.25, 2.5, 7, 0.5)


# Chains.

SIZES = (4, 4, 9, 4, 9)


def random_chain(rng, bonds=(1, 3, 5, 4, 2, 1)):
    pairs = zip(pairwise(bonds), SIZES, strict=True)
    return [rng.standard_normal((left, n, right)) for (left, right), n in pairs]


def vector_of(chain):
    total = np.ones((1, 1))
    for A in chain:
        total = np.tensordot(total, A, (-1, 0)).reshape(-1, A.shape[2])
    return total.ravel()


def unit_traces():
    d = {4: 1, 9: 3}  # populations of a mode come first
    traces = [np.r_[np.ones(d[n]), np.zeros(n - d[n])] for n in SIZES]
    return [t / np.linalg.norm(t) for t in traces]


def test_mirror():
    chain = random_chain(np.random.default_rng(1))
    for A, B in zip(mirrored(mirrored(chain)), chain, strict=True):
        np.testing.assert_array_equal(A, B)
    shape = SIZES
    there = vector_of(mirrored(chain)).reshape(shape[::-1])
    np.testing.assert_allclose(
        there.transpose(), vector_of(chain).reshape(shape), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    "bonds", [(1, 3, 5, 4, 2, 1), (1, 1, 1, 1, 1, 1), (1, 7, 40, 20, 11, 1)],
    ids=["small", "product", "larger than needed"],
)  # fmt: skip
def test_canonical_chain(bonds, rng):
    chain, traces = random_chain(rng, bonds), unit_traces()
    before = [A.copy() for A in chain]
    found = right_canonical(chain, traces)
    vector = vector_of(chain)
    np.testing.assert_allclose(
        vector_of(found), vector, rtol=0, atol=1e-12 * np.linalg.norm(vector)
    )
    behind = np.ones(1)
    for A, trace in zip(found[:0:-1], traces[:0:-1], strict=True):
        left, n, right = A.shape
        flat = A.reshape(left, n * right)
        np.testing.assert_allclose(flat @ flat.T, np.eye(left), rtol=0, atol=1e-12)
        # the first vector of every bond is the trace functional of what lies behind
        np.testing.assert_allclose(A[0], np.outer(trace, behind), rtol=0, atol=1e-14)
        behind = np.eye(left)[0]
    for A, B in zip(chain, before, strict=True):
        np.testing.assert_array_equal(A, B)


def test_canonical_chain_of_one_site(rng):
    A = rng.standard_normal((1, 4, 1))
    (found,) = right_canonical([A], [np.eye(4)[0]])
    np.testing.assert_array_equal(found, A)


def test_canonical_chain_in_torch(rng):
    torch = pytest.importorskip("torch")
    like = torch.zeros(1, dtype=torch.float64)
    chain = random_chain(rng)
    found = right_canonical(
        [placed(A, like) for A in chain], [placed(t, like) for t in unit_traces()]
    )
    np.testing.assert_allclose(
        vector_of([A.numpy() for A in found]), vector_of(chain), rtol=0, atol=1e-11
    )


def test_splits_survive_a_decomposition_that_does_not_converge(monkeypatch):
    M, tally = np.random.default_rng(3).normal(size=(12, 7)), TruncationStats()
    usual = truncated_split(M, None, 1e-3, 5, tally)

    def fails(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("tnhop.solvers.chain.steps.truncation.do", lambda name, *a, **k: (
        fails() if name == "linalg.svd" else autoray.do(name, *a, **k)))  # fmt: skip
    slower = truncated_split(M, None, 1e-3, 5, TruncationStats())
    np.testing.assert_allclose(slower[0] @ slower[1], usual[0] @ usual[1], atol=1e-12)
