"""Matrix-product states against density matrices that are built here, without the package."""

import dataclasses
import math
import sys

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.mps import MPSState
from zoo import ALPHA, BLOCH, embed, matrix_of, patterns

EPSILON = 0.3
DIMS = (2, 2, 2, 2, 3, 2)  # four spins, modes of three and of two levels
ORDER = (4, 2, 0, 5, 3, 1)
BONDS = (1, 3, 5, 4, 6, 2, 1)
PAULI = {
    "x": np.array([[0, 1], [1, 0]]),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.diag([1.0, -1.0]),
}


def local_matrices(dim, is_spin, epsilon):
    """Return the matrices B of one site."""
    if is_spin:
        return [np.eye(2) / 2, *(PAULI[a] / (2 * epsilon) for a in "zxy")]
    units = np.eye(dim)
    found = [np.outer(e, e) for e in units]
    for m in range(dim):
        for n in range(m + 1, dim):
            unit = np.outer(units[m], units[n])
            found += [(unit + unit.T) / np.sqrt(2), 1j * (unit - unit.T) / np.sqrt(2)]
    return found


def dense(tensors, order, dims, n_spins, epsilon):
    """Return ρ by summing Kronecker products over all coordinates, one site after the other."""
    total = [np.eye(math.prod(dims))]  # one matrix per value of the right leg
    for tensor, site in zip(tensors, order, strict=True):
        local = local_matrices(dims[site], site < n_spins, epsilon)
        embedded = [embed(dims, {site: B}).toarray() for B in local]
        total = [
            sum(
                total[left] @ (tensor[left, a, right] * embedded[a])
                for left in range(tensor.shape[0])
                for a in range(tensor.shape[1])
            )
            for right in range(tensor.shape[2])
        ]
    return total[0]


def random_chain(seed=3, dims=DIMS, order=ORDER, bonds=BONDS, n_spins=4, epsilon=EPSILON):
    """Return a Hermitian matrix that is no density matrix: not canonical, trace not one."""
    rng = np.random.default_rng(seed)
    tensors = []
    for n, site in enumerate(order):
        shape = (bonds[n], dims[site] ** 2, bonds[n + 1])
        tensors.append(rng.standard_normal(shape) / np.sqrt(math.prod(shape) ** 0.7))
    return MPSState(tuple(tensors), np.array(order), np.array(dims), n_spins, epsilon)


@pytest.fixture(scope="module")
def chain():
    """A random chain; scaled so that its trace is near one and its matrix of order one."""
    state = random_chain()
    rho = dense(state.tensors, ORDER, DIMS, 4, EPSILON)
    scale = np.abs(rho).max()
    state = dataclasses.replace(state, tensors=(state.tensors[0] / scale, *state.tensors[1:]))
    return state, rho / scale


def traced(rho, dims, keep):
    """Return the reduced state of some sites, in the given order, by summing over the others."""
    n = len(dims)
    tensor = np.asarray(rho).reshape(*dims, *dims)
    others = [s for s in range(n) if s not in keep]
    axes = [*keep, *others, *(n + s for s in keep), *(n + s for s in others)]
    a, b = math.prod(dims[s] for s in keep), math.prod(dims[s] for s in others)
    return np.einsum("ibjb->ij", tensor.transpose(axes).reshape(a, b, a, b))


def agree(value, expected):
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


SOME = [
    th.identity(),
    th.sigma("z")(2),
    th.sigma("y")(0) * th.sigma("x")(3),
    th.sigma("+")(1) * th.sigma("-")(2) + (0.3 - 0.2j) * th.sigma("up")(3),
    th.sigma("down")(0) * th.sigma("y")(1) * th.sigma("z")(2) * th.sigma("y")(3),
    th.destroy(4),
    1.5j * th.create(5) * th.destroy(4) * th.sigma("y")(1),
    th.create(4) * th.create(4) * th.destroy(4),
    th.number(5) * th.number(4) - 0.7 * th.sigma("z")(0),
    th.destroy(5) * th.destroy(5),  # zero in two levels
    th.sigma("z")(0) * th.sigma("z")(1) + 0.5 * th.identity(),
]


def test_matrix_is_the_sum_of_kronecker_products(chain):
    state, rho = chain
    agree(state.to_dense(), rho)
    assert state.bond_dims == BONDS[1:-1]
    assert [basis.size for basis in state.bases] == [9, 4, 4, 4, 4, 4]


def test_trace_is_not_renormalised(chain):
    state, rho = chain
    assert abs(np.trace(rho) - 1) > 0.1
    agree(state.trace(), np.trace(rho).real)


def test_expectation_values_of_many_operators_in_one_sweep(chain):
    state, rho = chain
    pairs = [th.sigma(a)(i) * th.sigma(b)(j) for a in "xyz" for b in "xyz"
             for i in range(4) for j in range(i)]  # fmt: skip
    operators = [*SOME, *pairs]
    agree(state.expect(operators), [np.trace(matrix_of(O, DIMS) @ rho) for O in operators])
    agree(state.expect(operators[::-1]), state.expect(operators)[::-1])
    assert state.expect([]).shape == (0,)


def test_expectation_values_of_another_chain_do_not_reuse_its_plan(chain):
    other = random_chain(order=(1, 4, 5, 0, 2, 3))
    rho = dense(other.tensors, other.order, DIMS, 4, EPSILON)
    agree(other.expect(SOME), [np.trace(matrix_of(O, DIMS) @ rho) for O in SOME])


def test_a_mode_of_two_levels_is_no_spin():
    dims, order = (2, 2, 2), (2, 0, 1)
    state = random_chain(dims=dims, order=order, bonds=(1, 3, 2, 1), n_spins=1)
    agree(state.to_dense(), dense(state.tensors, order, dims, 1, EPSILON))
    with pytest.raises(ValueError, match="fit 1 spins, followed by 2 modes"):
        state.expect([th.sigma("z")(1)])


def test_local_functionals(chain):
    state, rho = chain
    spins = [[np.trace(embed(DIMS, {k: PAULI[a]}) @ rho).real for a in "xyz"] for k in range(4)]
    agree(state.bloch(), spins)
    for mode in (0, 1):
        agree(state.photon_distribution(mode), np.diag(traced(rho, DIMS, [4 + mode])).real)


@pytest.mark.parametrize("sites", [[], [2], [3, 0], [5, 1, 4], [1, 2, 3, 0]])
def test_reduced_states_keep_the_order_of_the_sites(chain, sites):
    state, rho = chain
    agree(state.reduced_state(sites), traced(rho, DIMS, sites))


def test_pair_states_and_their_smallest_eigenvalue(chain):
    state, rho = chain
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    agree(state.pair_states(pairs), [traced(rho, DIMS, pair) for pair in pairs])
    blocks = [[s] for s in range(6)] + pairs
    lowest = min(np.linalg.eigvalsh(traced(rho, DIMS, block))[0] for block in blocks)
    assert state.smallest_eigenvalue() == pytest.approx(lowest, abs=1e-12)


def test_smallest_eigenvalue_of_a_long_chain_looks_at_neighbours():
    n = 40
    bloch = np.tile([0.0, 0.6, 0.8], (n, 1))
    pure = MPSState.from_product(th.ProductState(bloch, np.zeros(0)), (2,) * n, range(n), 0.2)
    assert pure.smallest_eigenvalue() == pytest.approx(0.0, abs=1e-13)
    bloch[17] *= 1.5
    longer = MPSState.from_product(th.ProductState(bloch, np.zeros(0)), (2,) * n, range(n), 0.2)
    assert longer.smallest_eigenvalue() == pytest.approx(-0.25, abs=1e-13)


def test_purity_and_renyi_entropy(chain):
    state, rho = chain
    assert float(state.purity()) == pytest.approx(np.trace(rho @ rho).real, rel=1e-12)
    assert float(state.renyi_entropy()) == pytest.approx(-np.log(np.trace(rho @ rho).real))


@pytest.mark.parametrize("cut", range(5))
def test_schmidt_values_at_every_cut(chain, cut):
    state, rho = chain
    left = list(ORDER[: cut + 1])
    right = list(ORDER[cut + 1 :])
    axes = [*left, *(6 + s for s in left), *right, *(6 + s for s in right)]
    moved = np.asarray(rho).reshape(*DIMS, *DIMS).transpose(axes)
    s = np.linalg.svd(moved.reshape(math.prod(DIMS[k] for k in left) ** 2, -1), compute_uv=False)
    found = state.schmidt_values(cut)
    agree(found, s[: len(found)])
    agree(s[len(found) :], np.zeros(len(s) - len(found)))
    p = s[s > 1e-12] ** 2 / np.sum(s**2)
    assert state.operator_entanglement()[cut] == pytest.approx(-np.sum(p * np.log(p)), abs=1e-12)
    vector = np.ones((1, 1))  # coordinates as they are: the norm with weights ε
    for A in state.tensors:
        vector = np.tensordot(vector, A, 1).reshape(-1, A.shape[2])
    sizes = math.prod(DIMS[k] ** 2 for k in left)
    weighted = np.linalg.svd(vector.reshape(sizes, -1), compute_uv=False)
    agree(state.schmidt_values(cut, weighted=True), weighted[: len(found)])


def test_overlap_distributions_trace_the_modes(chain):
    state, rho = chain
    xi = patterns(3, 4)
    p = np.diag(traced(rho, DIMS, [0, 1, 2, 3])).real
    joint, single = np.zeros((5, 5, 5)), np.zeros((3, 5))
    for index, bits in enumerate(np.ndindex(2, 2, 2, 2)):
        agreeing = np.sum(xi == 1 - 2 * np.array(bits), axis=1)
        joint[tuple(agreeing)] += p[index]
        single[[0, 1, 2], agreeing] += p[index]
    agree(state.joint_overlap_distribution(xi), joint)
    agree(state.overlap_distribution(xi), single)
    m = np.linspace(-1, 1, 5)
    agree(state.overlap_moments(xi, (1, 2)), single @ np.stack([m, m**2], axis=1))


def product_chain(n_spins=12, epsilon=0.25):
    rng = np.random.default_rng(8)
    bloch = rng.uniform(-0.57, 0.57, (n_spins, 3))
    product = th.ProductState(bloch, ALPHA[:1])
    dims = (2,) * n_spins + (5,)
    order = rng.permutation(n_spins + 1)
    return product, MPSState.from_product(product, dims, order, epsilon)


def test_product_states_give_the_numbers_of_the_product(monkeypatch):
    product, state = product_chain()
    xi = np.where(np.random.default_rng(2).random((2, 12)) < 0.5, 1, -1).astype(np.int8)
    assert state.bond_dims == (1,) * 12
    agree(state.overlap_distribution(xi), product.overlap_distribution(xi))
    joint = product.joint_overlap_distribution(xi)
    agree(state.joint_overlap_distribution(xi), joint)
    monkeypatch.setattr(sys.modules[MPSState.__module__], "_CHUNK", 10)  # many small stacks
    agree(state.joint_overlap_distribution(xi), joint)
    agree(state.bloch(), product.bloch)
    agree(state.purity(), product.purity())
    agree(state.operator_entanglement(), np.zeros(12))
    operators = [th.sigma("y")(3) * th.sigma("x")(7), th.destroy(12) * th.sigma("+")(0)]
    # the amplitude differs by the tail of the truncated coherent state
    np.testing.assert_allclose(state.expect(operators), product.expect(operators), atol=1e-5)


@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_dense_round_trip(chain, epsilon):
    _, rho = chain
    back = MPSState.from_dense(rho, DIMS, 4, ORDER, epsilon)
    agree(back.to_dense(), rho)
    assert back.bond_dims == BONDS[1:-1]  # no rounding is kept as a Schmidt vector


def test_cutoff_bounds_what_is_discarded_at_every_cut(chain):
    _, rho = chain
    cut = MPSState.from_dense(rho, DIMS, 4, ORDER, EPSILON, cutoff=0.2)
    assert all(np.array(cut.bond_dims) <= BONDS[1:-1])
    assert sum(cut.bond_dims) < sum(BONDS[1:-1])
    exact = MPSState.from_dense(rho, DIMS, 4, ORDER, EPSILON)
    vectors = [np.array([1.0])] * 2
    for n in range(6):
        pair = (exact.tensors[n], cut.tensors[n])
        vectors = [np.tensordot(v, A, 1) for v, A in zip(vectors, pair, strict=True)]
    error = np.linalg.norm(vectors[0] - vectors[1]) / np.linalg.norm(vectors[0])
    assert 0.01 < error < 0.2 * np.sqrt(5)  # five cuts, whose errors are orthogonal


def test_quimb_round_trip_is_exact(chain):
    state, rho = chain
    mps = state.to_quimb()
    assert sorted(mps.tags) == [f"I{n}" for n in range(6)]
    assert [mps.phys_dim(n) for n in range(6)] == [9, 4, 4, 4, 4, 4]
    back = MPSState.from_quimb(mps, ORDER, DIMS, 4, EPSILON)
    for old, new in zip(state.tensors, back.tensors, strict=True):
        assert np.array_equal(old, new)
    mps[2].transpose_(*mps[2].inds[::-1])  # quimb may order legs as it likes
    agree(MPSState.from_quimb(mps, ORDER, DIMS, 4, EPSILON).to_dense(), rho)
    mps.exponent = 2.0
    agree(MPSState.from_quimb(mps, ORDER, DIMS, 4, EPSILON).to_dense(), 100 * rho)


def test_quimb_round_trip_of_one_site_and_of_bond_one():
    one = random_chain(dims=(2,), order=(0,), bonds=(1, 1), n_spins=1)
    back = MPSState.from_quimb(one.to_quimb(), (0,), (2,), 1, EPSILON)
    assert np.array_equal(back.tensors[0], one.tensors[0])
    _, state = product_chain(3)
    back = MPSState.from_quimb(state.to_quimb(), state.order, state.dims, 3, 0.25)
    assert all(np.array_equal(a, b) for a, b in zip(back.tensors, state.tensors, strict=True))


def test_cyclic_chains_are_refused():
    qtn = pytest.importorskip("quimb.tensor")
    with pytest.raises(ValueError, match="must have open boundaries"):
        MPSState.from_quimb(qtn.MPS_rand_state(4, 2, 4, cyclic=True), range(4), (2,) * 4, 4, 1.0)


def test_negativity_of_a_bell_pair_beside_others():
    bell = np.zeros(4)
    bell[[0, 3]] = 0.5**0.5
    rest = np.diag([0.7, 0.3])
    tensor = np.kron(np.kron(np.outer(bell, bell), rest), np.diag([0.2, 0.5, 0.3]))
    state = MPSState.from_dense(tensor, (2, 2, 2, 3), 3, (1, 3, 0, 2), 0.4)
    assert float(state.negativity([0], [1])) == pytest.approx(0.5, abs=1e-12)
    assert float(state.negativity([0, 3], [2, 1])) == pytest.approx(0.5, abs=1e-12)
    assert float(state.negativity([2], [0, 1])) == pytest.approx(0.0, abs=1e-12)
    assert float(state.smallest_eigenvalue()) == pytest.approx(0.0, abs=1e-12)


def test_negativity_is_that_of_the_dense_matrix(chain):
    state, rho = chain
    small = traced(rho, DIMS, [3, 4, 0]).reshape(6, 2, 6, 2)
    weights = np.linalg.eigvalsh(small.transpose(2, 1, 0, 3).reshape(12, 12))
    expected = (np.abs(weights).sum() - np.trace(small.reshape(12, 12)).real) / 2
    assert float(state.negativity([3, 4], [0])) == pytest.approx(expected, abs=1e-12)


def test_single_precision_is_kept_and_evaluated_in_double(chain):
    state, rho = chain
    single = dataclasses.replace(state, tensors=tuple(A.astype("f4") for A in state.tensors))
    values = single.expect(SOME)
    assert values.dtype == complex
    assert single.to_arrays()["tensor_0"].dtype == np.float32
    assert single.schmidt_values(2, weighted=True).dtype == np.float64
    exact = [np.trace(matrix_of(O, DIMS) @ rho) for O in SOME]
    np.testing.assert_allclose(values, exact, atol=1e-5 * np.abs(exact).max())


def test_arrays_round_trip(chain):
    state, _ = chain
    arrays = state.to_arrays()
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    back = MPSState.from_arrays(arrays)
    assert (back.n_spins, back.epsilon) == (4, EPSILON)
    assert isinstance(back.n_spins, int)
    assert np.array_equal(back.expect(SOME), state.expect(SOME))


def test_file_round_trip_of_a_state(chain, tmp_path):
    product, state = product_chain(3)
    model = th.Model(th.spins(3) + th.modes(1, fock_dim=5), th.sigma("x")(0))
    result = th.evolve(model, product, [0.0, 0.1], observables=["sigma_z"], method="Exact")
    dataclasses.replace(result, final_state=state).save(tmp_path / "chain.h5")
    back = th.load(tmp_path / "chain.h5").final_state
    assert isinstance(back, MPSState)
    for name, array in state.to_arrays().items():
        assert np.array_equal(back.to_arrays()[name], array)


def test_misfit_says_what_differs():
    _, state = product_chain(3)
    model = th.Model(th.spins(3) + th.modes(1, fock_dim=5), th.sigma("x")(0))
    assert state.misfit(model) is None
    fewer = th.Model(th.spins(2), th.sigma("x")(0))
    assert state.misfit(fewer) == (
        "it has 3 spins and 1 modes while the model has 2 spins and 0 modes"
    )
    deeper = th.Model(th.spins(3) + th.modes(1, fock_dim=6), th.sigma("x")(0))
    assert state.misfit(deeper) == (
        "its sites have dimensions (2, 2, 2, 5) while those of the model have (2, 2, 2, 6)"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epsilon": 0.0}, "Argument `epsilon` must be greater than 0, but it is 0."),
        ({"order": [0, 0, 1, 2, 3, 4]}, "hold every one of the 6 sites once"),
        ({"n_spins": 5}, "begin with a 2 for every spin"),
        ({"tensors": ()}, "be one per site, but there are 0 for 6 sites"),
        ({"order": [1, 2, 0, 5, 3, 4]}, "`tensors\\[0\\]` must have shape \\(1, 4, bond\\)"),
    ],
)
def test_wrong_chains_are_refused(chain, change, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(chain[0], **change)


def test_complex_tensors_are_refused(chain):
    tensors = tuple(A.astype(complex) for A in chain[0].tensors)
    with pytest.raises(TypeError, match="must be a real array"):
        dataclasses.replace(chain[0], tensors=tensors)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s: s.reduced_state([0, 0]), "be different numbers below 13"),
        (lambda s: s.to_dense(), "joint dimension of at most 4096, but 13 sites have 20480"),
        (lambda s: s.negativity(range(5), range(5, 9)), "of at most 256, but 9 sites have 512"),
        (lambda s: s.negativity([0], [0]), "be different numbers"),
        (lambda s: s.pair_states([(1, 1)]), "be of different spins below 12"),
        (lambda s: s.photon_distribution(1), "`mode` must be at most 0"),
        (lambda s: s.schmidt_values(12), "`cut` must be at most 11"),
        (lambda s: s.expect([th.destroy(0)]), "'a' acts on site 0"),
        (lambda s: s.expect([th.sigma("z")(20)]), "'z' acts on site 20"),
        (lambda s: s.overlap_distribution(patterns(1, 8)), "must have shape \\(n_patterns, 12\\)"),
        (
            lambda s: s.joint_overlap_distribution(np.ones((7, 12), dtype=np.int8)),
            "at most 5e\\+06 phases times bond, but 7 patterns need",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call(product_chain()[1])


def test_long_chains_do_not_overflow_the_size_check():
    n = 64  # 2**64 is zero in integers of 64 bits
    product = th.ProductState(np.zeros((n, 3)), np.zeros(0))
    state = MPSState.from_product(product, (2,) * n, range(n), 1.0)
    with pytest.raises(ValueError, match=f"have {2**n}"):
        state.to_dense()


def test_anti_hermitian_parts_are_refused():
    rho = np.array([[0.5, 0.1], [0.2, 0.5]], dtype=complex)
    with pytest.raises(ValueError, match="must be Hermitian, but it differs from its adjoint"):
        MPSState.from_dense(rho, (2,), 1, (0,), 1.0)


def test_witness_uses_the_given_tilted_spins():
    product = th.ProductState(BLOCH, np.zeros(0))
    state = MPSState.from_product(product, (2,) * 8, (3, 1, 0, 2, 7, 5, 4, 6), 0.35)
    lowest = min((1 - r) / 2 for r in np.linalg.norm(BLOCH, axis=1))
    pairs = np.sort((1 - np.linalg.norm(BLOCH, axis=1)) / 2)[:2]
    assert state.smallest_eigenvalue() == pytest.approx(min(lowest, pairs.prod()), abs=1e-13)
