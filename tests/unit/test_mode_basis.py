"""Local bases of modes inside a chain, against the same contractions in all coordinates."""

import numpy as np
import pytest
import scipy.sparse as sp

import tnhop as th
from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.steps.environments import DenseEnvironment, DenseRightEnvironment
from tnhop.solvers.chain.steps.mode_basis import ModeBasisEnvironment, OptimalModeBasis
from tnhop.solvers.chain.steps.mode_environments import SparseCore
from tnhop.solvers.chain.steps.tdvp_step import TDVPEngine

EXACT = 1e-12
LEFT, N, RIGHT, RANK = 3, 90, 4, 5
BONDS = 3, 2  # of the generator


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def mode(rng):
    """A core with an identity, several terms between two states, and odd weights."""
    matrices = (sp.eye_array(N, format="csr"), *(
        sp.random_array((N, N), density=0.05, rng=rng, format="csr") for _ in range(2)
    ))  # fmt: skip
    weights = np.zeros((BONDS[0], 3, BONDS[1]))
    weights[0, 0, 0], weights[2, 0, 1], weights[1, 0, 1] = 1.0, -0.7, 0.3
    weights[0, 1, 1], weights[1, 1, 1], weights[2, 2, 0] = 0.4, 1.3, 1.0
    return ModeCore(weights, matrices)


@pytest.fixture
def trace(rng):
    t = rng.normal(size=N)
    return t / np.linalg.norm(t)


@pytest.fixture
def factorised(rng, mode, trace):
    """A tensor of low rank, its mode basis and core."""
    A = np.einsum("kn,lkr->lnr", rng.normal(size=(RANK, N)), rng.normal(size=(LEFT, RANK, RIGHT)))
    return A, *OptimalModeBasis.of(A, mode, trace)


@pytest.fixture
def around(rng):
    """Environments behind (bra, ket, D) and ahead (ket, D, bra)."""
    behind, ahead = (LEFT, LEFT, BONDS[0]), (RIGHT, BONDS[1], RIGHT)
    return DenseEnvironment(rng.normal(size=behind)), DenseRightEnvironment(rng.normal(size=ahead))


def test_a_tensor_is_factorised_without_loss(factorised, trace):
    A, basis, core = factorised
    assert basis.vectors.shape == (RANK + 1, N)
    np.testing.assert_allclose(basis.vectors @ basis.vectors.T, np.eye(RANK + 1), atol=EXACT)
    np.testing.assert_array_equal(basis.vectors[0], trace)
    np.testing.assert_allclose(basis.expand(core), A, atol=1e-11)
    np.testing.assert_allclose(basis.vectors @ trace, basis.trace, atol=EXACT)


def test_tensors_of_high_rank_are_left_alone(rng, mode, trace):
    assert OptimalModeBasis.of(rng.normal(size=(12, N, 12)), mode, trace) is None


def test_core_between_the_vectors_is_the_projected_one(factorised, mode, around):
    A, basis, core = factorised
    behind, ahead = around
    whole = SparseCore.of(mode, A).absorb_into(behind).effective_generator(ahead)(A)
    projected = np.einsum("kn,lnr->lkr", basis.vectors, whole)
    found = basis.core.absorb_into(behind).effective_generator(ahead)(core)
    np.testing.assert_allclose(found, projected, atol=1e-10)


def test_environments_and_sketches_of_the_core_are_those_of_the_tensor(
    factorised, mode, around, rng
):
    A, basis, core = factorised
    behind, of_tensor = around[0], SparseCore.of(mode, A)
    whole = of_tensor.absorb_into(behind).between(A, A).array
    found = basis.core.absorb_into(behind).between(core, core).array
    np.testing.assert_allclose(found, whole, atol=1e-9)
    sketch = DenseEnvironment(rng.normal(size=(2, LEFT, BONDS[0])))
    G = rng.normal(size=(2, N))
    inside = G @ basis.vectors.T @ basis.vectors  # what the basis can see of the random vectors
    there, here = of_tensor.absorb_into(sketch), basis.core.absorb_into(sketch)
    expected = there.advance_sketch(inside, there.blocks_of(A)).array
    found = here.advance_sketch(G @ basis.vectors.T, here.blocks_of(core)).array
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_generators_of_leaf_and_bond_are_projected_ones(factorised, mode, around, rng):
    A, basis, core = factorised
    basis_env, bond = ModeBasisEnvironment.of(core, mode, *around)
    np.testing.assert_allclose(basis.expand(basis_env.merge(bond)), A, atol=1e-11)

    def whole(tensor):
        here = SparseCore.of(mode, A).absorb_into(around[0])
        full = here.effective_generator(around[1])(tensor)
        return np.einsum("qk,qn->kn", basis_env.vectors, full.transpose(0, 2, 1).reshape(-1, N))

    X = rng.normal(size=(basis_env.vectors.shape[1], N))
    tensor = (basis_env.vectors @ X).reshape(LEFT, RIGHT, N).transpose(0, 2, 1)
    np.testing.assert_allclose(basis_env.basis_generator(mode)(X), whole(tensor), atol=1e-9)
    found = basis_env.bond_generator(basis)(bond)
    np.testing.assert_allclose(found, whole(A) @ basis.vectors.T, atol=1e-9)
    np.testing.assert_allclose(
        basis_env.trace, basis_env.vectors.reshape(LEFT, RIGHT, -1)[0, 0], atol=EXACT
    )


def test_directions_outside_are_those_of_the_generator(factorised, mode, around, rng):
    A, basis, core = factorised
    basis_env, bond = ModeBasisEnvironment.of(core, mode, *around)
    signs = rng.normal(size=(LEFT * RIGHT, 2))
    here = SparseCore.of(mode, A).absorb_into(around[0])
    full = here.effective_generator(around[1])(A)
    away = signs - basis_env.vectors @ basis_env.vectors.T @ signs
    expected = full.transpose(1, 0, 2).reshape(N, -1) @ away
    np.testing.assert_allclose(
        basis_env.missing_directions(signs, bond @ basis.vectors, mode), expected, atol=1e-9
    )


@pytest.fixture
def network():
    """Three spins around a mode that stands inside the chain."""
    model = th.multimode_dicke([[0.45, -0.4, 0.5]], omega=1.0, Omega=0.5, loss=1.0, gain=0.1,
                               decay=0.05, fock_dim=13)  # fmt: skip
    start = th.product_state(model, bloch=[[0.3, 0.2, 0.6], [0.1, -0.5, 0.5], [0.0, 0.6, 0.3]],
                             alpha=[0.3 + 0.2j])  # fmt: skip
    return model, start


def counted(monkeypatch):
    """Count the steps of mode bases."""
    steps, moved = [], TDVPEngine._evolve_mode_basis

    def counting(self, *arguments):
        steps.append(1)
        return moved(self, *arguments)

    monkeypatch.setattr(TDVPEngine, "_evolve_mode_basis", counting)
    return steps


def test_evolution_with_mode_bases_agrees_with_exact(network, monkeypatch):
    model, start = network
    steps = counted(monkeypatch)
    names, times = ["sigma_x", "sigma_y", "sigma_z", "occupation", "alpha"], [0.5, 1.0]
    method = th.TDVP(dt=0.05, cutoff=1e-9, epsilon=0.5, expansion=8, krylov_tolerance=1e-9,
                     fock_tolerance=0.0, companion=False, ordering=(0, 1, 3, 2))  # fmt: skip
    found = th.evolve(model, start, times, observables=names, method=method)
    exact = th.evolve(model, start, times, observables=names, method="Exact")
    assert len(steps) > 20
    for name in names:
        assert np.abs(found.expect[name] - exact.expect[name]).max() < 2e-7
    assert found.stats["trace_defect"] < 1e-9


def test_mode_bases_lose_no_more_than_the_bonds(network, monkeypatch):
    """At a short bond the answers with and without leaves differ less than both err."""
    model, start = network
    method = th.TDVP(dt=0.1, max_bond=10, epsilon=0.5, fock_tolerance=0.0, companion=False,
                     ordering=(0, 1, 3, 2))  # fmt: skip
    options = {"observables": ["sigma_z", "occupation"], "method": method}
    with pytest.warns(th.TruncationWarning):
        found = th.evolve(model, start, [2.0], **options)
    monkeypatch.setattr(TDVPEngine, "_has_mode_basis", lambda *_: False)
    with pytest.warns(th.TruncationWarning):
        plain = th.evolve(model, start, [2.0], **options)
    exact = th.evolve(model, start, [2.0], observables=["sigma_z", "occupation"], method="Exact")
    for name in ("sigma_z", "occupation"):
        apart = np.abs(found.expect[name] - plain.expect[name]).max()
        assert apart < 0.5 * np.abs(plain.expect[name] - exact.expect[name]).max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_resumed_runs_have_the_bits_of_those_never_left(network, monkeypatch):
    method = th.TDVP(dt=0.1, max_bond=10, epsilon=0.5, ordering=(0, 1, 3, 2))
    problem, steps = th.Problem(*network, [0.0, 0.4, 0.9]), counted(monkeypatch)
    snapshots = list(method.evolve(problem))
    assert steps
    for k, snapshot in enumerate(snapshots[:-1]):
        again = [s for s in method.evolve(problem, snapshot.carry) if s.values]
        for old, new in zip([s for s in snapshots[k + 1 :] if s.values], again, strict=True):
            for name, values in old.values.items():
                np.testing.assert_array_equal(new.values[name], values)
