"""Sectors that jumps between basis states do not connect, against dense eigenvalues."""

import numpy as np
import pytest
import scipy.sparse as sp

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.exact import stationary
from tnhop.solvers.exact.decoupled import DecoupledSectors, LeastDecays, has_decoupled_sectors
from tnhop.solvers.exact.dense_state import Lindbladian
from tnhop.solvers.exact.eigenpairs import dense_pairs
from tnhop.solvers.symmetric.reduced_problem import SymmetricProblem
from zoo import alike, generator_of

SEEDS = [*range(8), *(pytest.param(s, marks=pytest.mark.slow) for s in range(8, 40))]


def random_moves(seed):
    """Return a network without transverse field, with other jumps and fields beside its flips."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    model = th.open_hopfield(
        rng.choice([-1, 1], (int(rng.integers(1, 4)), n)),
        beta=rng.choice([0.1, 1.0, 2.5, np.inf]),
        longitudinal=rng.choice([0.0, 3 / 7]) * rng.choice([1.0, 1.5], n),
    )
    H, jumps = model.hamiltonian, list(model.jumps)
    z, down = ([th.sigma(name)(k) for k in range(n)] for name in ("z", "-"))
    extra = [
        [], [th.Jump(0.6 * O) for O in down], [th.Jump(0.4 * O) for O in z],
        [th.Jump(0.5 * sum(z, 0.0))], [th.Jump(0.5 * z[0] * z[-1])], [th.Jump(0.5j * down[0])],
    ]  # fmt: skip
    if seed % 8 == 6:  # a spin that never flips
        jumps = [jump for jump in jumps if jump.site]
    if seed % 8 == 7:
        jumps, H = [th.Jump(0.4 * O) for O in z], H + 0.3 * z[0] * z[-1]
    return th.Model(th.spins(n), H, jumps + extra[seed % 8 % 6])


def symmetric_generators(model):
    """Return the generators of the independent parts on permutation-symmetric states."""
    return SymmetricProblem(Problem(model, None, np.zeros(1))).generators


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_hold_in_every_sector(seed):
    model = random_moves(seed)
    for L in (Lindbladian(model), *symmetric_generators(model)):
        assert has_decoupled_sectors(L)
        elements = L.matrix_of_moves()
        packed = sp.csr_array(elements.real) + sp.csr_array(elements.imag)[:, L.transposed]
        assert abs(packed - L.matrix()).max() <= 1e-14 * L.norm
        decays = LeastDecays(elements, 0.0)
        for n in range(decays.groups.max() + 1):
            inside, group = np.flatnonzero(decays.groups == n), np.array([n])
            values = np.linalg.eigvals(elements[inside][:, inside].toarray())
            for _ in range(2):
                assert decays(group) <= -values.real.max() + 1e-7 * L.norm
                decays.sharpen(group)


def test_bounds_are_tight_without_fields():
    L = symmetric_generators(th.open_hopfield(np.ones((1, 12)), beta=6 / 5))[0]
    elements = L.matrix_of_moves()
    decays = LeastDecays(elements, 0.0)
    rows, columns = L.entries()
    space = L.part.space
    for difference in (1, 2, 3):
        inside = np.flatnonzero(space.two_M[0, rows] - space.two_M[0, columns] == 2 * difference)
        values = np.linalg.eigvals(elements[inside][:, inside].toarray())
        groups = np.unique(decays.groups[inside])
        decays.sharpen(groups)
        assert decays(groups) == pytest.approx(-values.real.max(), rel=1e-2)


def test_fast_sectors_are_left_out():
    L = symmetric_generators(th.open_hopfield(np.ones((1, 12)), beta=6 / 5))[0]
    solved = []

    def solve(matrix):
        solved.append(len(solved))
        return dense_pairs(matrix.toarray(), L.norm, 4)

    sectors = DecoupledSectors(L, stationary.sectors(L.size, (), L.populations))
    slowest = sectors.pairs(4, None, solve)[0].first(4)
    assert len(solved) < 8  # of 24
    everything = dense_pairs(L.matrix().toarray(), L.norm, L.size)
    coherent = np.abs(everything.vectors[L.populations]).max(axis=0) < 1e-9
    expected = np.sort(-everything.values.real[coherent])[:4]
    np.testing.assert_allclose(np.sort(-slowest.values.real), expected, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_stationary_states_and_spectra_equal_dense_ones(method, seed):
    model = random_moves(seed)
    dense = [generator_of(model)]
    if method == "Symmetric":
        dense = [L.matrix() for L in symmetric_generators(model)]
    values = np.zeros(1)
    for matrix in dense:
        values = np.add.outer(values, np.linalg.eigvals(matrix.toarray())).ravel()
    values = values[np.argsort(-values.real)]
    spectrum = th.liouvillian_spectrum(model, 6, method=method)
    np.testing.assert_allclose(spectrum.eigenvalues.real, values[:6].real, atol=1e-7)
    assert max(np.abs(values - value).min() for value in spectrum.eigenvalues) < 1e-7
    zero, moving = np.abs(values) < 1e-9, values[np.abs(values) > 1e-9]
    steady = th.steady_state(model, state=alike(model), method=method)
    assert (steady.multiplicity, steady.converged) == (zero.sum(), True)
    assert steady.gap == pytest.approx(max(-moving.real.max(), 0.0), abs=1e-7)


def test_long_populations_are_a_sector_like_any_other(monkeypatch):
    """Populations that are too many for state reduction are found among the other elements."""
    model = random_moves(2)
    expected = th.steady_state(model, method="Symmetric")
    monkeypatch.setattr(stationary, "state_reduction", lambda _: None)
    found = th.steady_state(model, method="Symmetric")
    assert (found.multiplicity, found.converged) == (1, True)
    assert found.gap == pytest.approx(expected.gap, abs=1e-9)
    assert found.expect["sigma_z"] == pytest.approx(expected.expect["sigma_z"], abs=1e-9)
