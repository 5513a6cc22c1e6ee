"""The matrix-free generator on block-diagonal density matrices, against dense matrices."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from tnhop.solvers.exact.block_lindbladian import (
    BlockLindbladian,
    layout_of,
    make_real,
    pack,
    split_blocks,
    trace_rows,
    unpack,
)
from zoo import random_hermitian, random_state

DIMS = (5, 3, 4, 1, 3)
OFFSETS = np.concatenate([[0], np.cumsum(DIMS)[:-1]])
SIZE = int(np.sum(np.square(DIMS)))
# blocks from → to: each jump takes a block to at most one, and no two blocks to the same
ROUTES = {
    "inside": {0: 0, 1: 1, 2: 2, 3: 3, 4: 4},
    "between": {0: 1, 1: 2, 2: 0, 4: 3},
    "one": {2: 4},
}


def sparse_matrix(route, rng, kind):
    """Return a random jump along a route: one entry per row, real, or complex; half of it zeros."""
    L = np.zeros((sum(DIMS),) * 2, dtype=complex)
    for source, target in route.items():
        shape = (DIMS[target], DIMS[source])
        part = rng.standard_normal(shape) * (rng.random(shape) < 0.5)
        if kind == "single entries":
            part = np.eye(*shape, k=int(rng.integers(-1, 2))) * rng.standard_normal(shape)
        if kind == "complex":
            part = part + 1j * rng.standard_normal(shape) * (rng.random(shape) < 0.5)
        if kind == "common phase":
            part = part * (0.6 - 0.8j)
        rows, columns = OFFSETS[target], OFFSETS[source]
        L[rows : rows + shape[0], columns : columns + shape[1]] = part
    return L


def block_diagonal(make):
    return sp.block_diag([make(dim) for dim in DIMS]).toarray()


KINDS = ["single entries", "real", "complex", "common phase"]


def case(kinds, is_real, seed=3, routes=ROUTES):
    """Return A, the jumps, and the generator of them."""
    rng = np.random.default_rng(seed)
    jumps = [sparse_matrix(route, rng, kind) for kind in kinds for route in routes.values()]
    A = block_diagonal(lambda d: rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d)))
    A = A.real.astype(complex) if is_real else A
    L = BlockLindbladian(DIMS, sp.csr_array(A), [sp.csr_array(J) for J in jumps])
    return A, jumps, L


CASES = {
    f"{'real' if is_real else 'complex'} A, {' and '.join(kinds) or 'no'} jumps": case(
        kinds, is_real
    )
    for is_real in (True, False)
    for kinds in ([], *([kind] for kind in KINDS), KINDS)
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def problem(request):
    return request.param


def packed(rho):
    """Pack the blocks of a block-diagonal Hermitian matrix."""
    blocks = [rho[a : a + d, a : a + d] for a, d in zip(OFFSETS, DIMS, strict=True)]
    return np.concatenate([pack(block).ravel() for block in blocks])


def unpacked(x):
    """Return the block-diagonal Hermitian matrix of packed blocks."""
    return sp.block_diag([unpack(X) for X in split_blocks(x, np.array(DIMS))]).toarray()


def dense(A, jumps, rho):
    return A @ rho + rho @ A.conj().T + sum(J @ rho @ J.conj().T for J in jumps)


def columns(L):
    return np.array([L(e) for e in np.eye(L.size)]).T


def random_blocks(seed=4):
    rng = np.random.default_rng(seed)
    return block_diagonal(lambda d: random_hermitian(d, rng))


def test_derivative_is_the_dense_one(problem):
    A, jumps, L = problem
    rho = random_blocks()
    np.testing.assert_allclose(unpacked(L(packed(rho))), dense(A, jumps, rho), atol=1e-12)


def test_derivative_is_linear_and_overwrites(problem):
    """`apply` writes; what stood in `out` does not matter."""
    _, _, L = problem
    x, y = np.random.default_rng(5).standard_normal((2, L.size))
    out = np.full(L.size, np.nan)
    L.apply(x, out)
    np.testing.assert_array_equal(out, L(x))
    np.testing.assert_allclose(L(x - 2 * y), L(x) - 2 * L(y), atol=1e-12)


def test_real_generators_are_recognised(problem):
    """A common phase of a jump is none."""
    A, jumps, L = problem
    complex_jumps = any(np.abs(make_real(sp.csr_array(J)).imag).sum() for J in jumps)
    assert L.is_real == (not A.imag.any() and not complex_jumps)


REAL = {name: c for name, c in CASES.items() if c[2].is_real}


@pytest.mark.parametrize(("A", "jumps", "L"), REAL.values(), ids=REAL.keys())
def test_half_of_the_work_gives_the_same_on_symmetric_states(A, jumps, L):
    rng = np.random.default_rng(6)
    rho = block_diagonal(lambda d: random_hermitian(d, rng).real)
    half = L.apply(packed(rho), np.empty(L.size), half=True)
    np.testing.assert_allclose(half, L(packed(rho)), atol=1e-13)
    np.testing.assert_allclose(unpacked(half), dense(A, jumps, rho), atol=1e-12)


def test_adjoint_is_the_transposed_matrix(problem):
    _, _, L = problem
    np.testing.assert_allclose(columns(L.adjoint), columns(L).T, atol=1e-12)


def test_mean_diagonal_is_the_mean_of_the_diagonal(problem):
    _, _, L = problem
    assert L.mean_diagonal == pytest.approx(np.trace(columns(L)) / L.size, abs=1e-13)


def test_norm_bounds_the_drift(problem):
    """‖A · + · A†‖ ≤ 2 ‖A‖, bounded by the largest row sum."""
    A, _, L = problem
    only_drift = BlockLindbladian(DIMS, sp.csr_array(A), [])
    assert L.norm == pytest.approx(2 * np.abs(A).sum(axis=1).max(), rel=1e-14)
    # the spectral radius is below every operator norm
    assert np.abs(np.linalg.eigvals(columns(only_drift))).max() <= L.norm


def test_trace_is_conserved_by_a_lindbladian():
    """A = -iH - ½ ΣL†L."""
    rng = np.random.default_rng(8)
    jumps = [sparse_matrix(route, rng, kind) for kind in KINDS for route in ROUTES.values()]
    A = -1j * random_blocks() - sum(J.conj().T @ J for J in jumps) / 2
    L = BlockLindbladian(DIMS, sp.csr_array(A), [sp.csr_array(J) for J in jumps])
    trace = trace_rows([sp.csr_array(np.eye(sum(DIMS), dtype=complex))], L.layout)
    values = trace @ columns(L)
    np.testing.assert_allclose(values, 0.0, atol=1e-13)


def test_rows_are_traces():
    """Operators on the blocks may be complex and not Hermitian."""
    rng = np.random.default_rng(9)
    operators = [
        sp.csr_array(
            block_diagonal(lambda d: rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d)))
        )
        for _ in range(3)
    ]
    rho = random_blocks()
    rows = trace_rows(operators, layout_of(np.array(DIMS)))
    values = rows @ packed(rho)
    expected = [np.trace(O @ rho) for O in operators]
    np.testing.assert_allclose(values[0::2] + 1j * values[1::2], expected, atol=1e-13)


def test_no_operators_give_no_rows():
    assert trace_rows([], layout_of(np.array(DIMS))).shape == (0, SIZE)


def test_layout_finds_every_component():
    layout = layout_of(np.array(DIMS))
    x = np.arange(SIZE)
    for block, X in enumerate(split_blocks(x, np.array(DIMS))):
        for i, j in itertools.product(range(DIMS[block]), repeat=2):
            row, column = OFFSETS[block] + i, OFFSETS[block] + j
            assert x[layout.start[row] + column - layout.first[row]] == X[i, j]
            assert layout.block[row] == block
            assert layout.width[row] == DIMS[block]


def test_packing_is_exact_and_keeps_the_norm():
    rng = np.random.default_rng(10)
    rho = random_state(6, rng)
    np.testing.assert_allclose(unpack(pack(rho)), rho, atol=1e-17)
    assert np.linalg.norm(pack(rho)) == pytest.approx(np.linalg.norm(rho), rel=1e-14)


def test_one_block_is_a_dense_density_matrix():
    rng = np.random.default_rng(11)
    H, J = random_hermitian(6, rng), random_state(6, rng)
    A = -1j * H - J.conj().T @ J / 2
    L = BlockLindbladian([6], sp.csr_array(A), [sp.csr_array(J)])
    rho = random_state(6, rng)
    expected = (
        -1j * (H @ rho - rho @ H)
        + J @ rho @ J.conj().T
        - (J.conj().T @ J @ rho + rho @ J.conj().T @ J) / 2
    )
    np.testing.assert_allclose(unpack(L(pack(rho).ravel()).reshape(6, 6)), expected, atol=1e-14)


@pytest.mark.parametrize("gap", [1, 7, 32, 33, 34, 60])
def test_runs_with_gaps_are_exact(gap):
    """Short gaps between entries are filled with stored zeros, long ones end a run."""
    n = 70
    rng = np.random.default_rng(12)
    L = np.zeros((n, n))
    for i in range(0, n - 2, gap):
        L[i, i + 2] = rng.standard_normal()
    A = np.diag(rng.standard_normal(n)) + L
    generator = BlockLindbladian(
        [n], sp.csr_array(A.astype(complex)), [sp.csr_array(L.astype(complex))]
    )
    rho = random_hermitian(n, rng)
    expected = A @ rho + rho @ A.T + L @ rho @ L.T
    found = unpack(generator(pack(rho).ravel()).reshape(n, n))
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_common_phase_is_removed():
    J = sp.csr_array((0.3 - 0.4j) * np.array([[1.0, 0], [2.0, -3.0]]))
    turned = make_real(J)
    assert np.isrealobj(turned.data)
    np.testing.assert_allclose(np.abs(turned.toarray()), np.abs(J.toarray()), atol=1e-15)


def test_relative_phase_stays():
    J = sp.csr_array(np.array([[1.0, 0], [1j, 0.5]]))
    assert np.iscomplexobj(make_real(J).data)
