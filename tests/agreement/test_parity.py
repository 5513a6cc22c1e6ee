"""TDVP in blocks of either parity: the same numbers as without, and only where there is one."""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.problem import Problem
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.steps.parity import bond_parity_dims
from zoo import PATTERNS, ZOO, gaussian_couplings, patterns, tilted

FULL = {"max_bond": 600, "cutoff": 1e-12, "mpo_tolerance": 1e-9, "rate_tolerance": 1e-9,
        "krylov_tolerance": 1e-11, "expansion": 64}  # fmt: skip
CUT = {"cutoff": 1e-3, "krylov_tolerance": 1e-11, "expansion": 64}
NAMES = ["sigma_x", "sigma_y", "sigma_z", "sigma_zz"]
FACTORS_X = (0, 0, 1, 0)  # parities of 1, σᶻ, σˣ, σʸ: the number of factors σˣ
# Sends a run into one block and does not change its results: far above rounding, far below 1e-9.
HARDLY = 1e-11


def networks():
    """Three uneven patterns; Gaussian couplings that are not symmetric."""
    return {
        "three patterns": th.open_hopfield(patterns(3, 5), beta=7 / 5, Omega=3 / 7),
        "Gaussian": th.open_hopfield(
            patterns(1, 5), beta=5 / 4, Omega=2 / 7, couplings=gaussian_couplings(5)
        ),
    }


def in_plane(model, x=0.0):
    """Return different Bloch vectors in the plane of z and y, but for x."""
    k = np.arange(model.n_spins)
    bloch = np.stack([x + 0 * k, 0.3 + 0.1 * (k % 3), 0.6 - 0.2 * (k % 2)], 1)
    return th.product_state(model, bloch=bloch * model.patterns[0][:, None] ** [[0, 1, 1]])


def engine(model, state, **options):
    """Return the engine of a run."""
    observables = tuple(model.select(["sigma_z"]))
    return th.TDVP(**options).run(Problem(model, state, [1.0], observables)).chains.main


def in_blocks_and_in_one(model, times, **options):
    """Return results of both ways of computing."""
    results = []
    for x in (0.0, HARDLY):
        charges = engine(model, in_plane(model, x), **options).charges
        assert charges == (() if x else FACTORS_X)
        run = {"observables": NAMES, "method": th.TDVP(**options)}
        results.append(th.evolve(model, in_plane(model, x), times, **run))
    return results


def distance(a, b):
    """Return the largest difference of all observables."""
    return max(float(np.abs(a.expect[n] - b.expect[n]).max()) for n in NAMES)


@pytest.mark.parametrize("sites", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", networks())
def test_blocks_change_nothing(name, sites):
    a, b = in_blocks_and_in_one(networks()[name], [0.4, 0.8], sites=sites, dt=0.2, **FULL)
    assert distance(a, b) < 1e-9


@pytest.mark.parametrize("name", networks())
def test_blocks_truncate_the_same(name):
    """The singular values of all blocks together are those of the whole matrix."""
    a, b = in_blocks_and_in_one(
        networks()[name], [0.4, 0.8], sites=2, dt=0.2, adaptive=False, **CUT
    )
    assert distance(a, b) < 1e-8
    assert a.stats["largest_bond"] == b.stats["largest_bond"] < 20
    assert a.stats["discarded"] == pytest.approx(b.stats["discarded"], rel=1e-6)


def test_blocks_agree_with_symmetric_at_default_settings():
    model = th.open_hopfield(np.resize(PATTERNS[0], (1, 12)), beta=5 / 2, Omega=2 / 5)
    state = th.pattern_state(model, overlap=0.8)
    assert engine(model, state).charges == FACTORS_X
    options = {"observables": ["m_y", "m_z"]}
    exact = th.evolve(model, state, [1.0, 2.0], method=th.Symmetric(1e-10), **options)
    found = th.evolve(model, state, [1.0, 2.0], method=th.TDVP(), **options)
    for name, values in exact.expect.items():
        off = np.abs(found.expect[name] - values)
        assert off.max() < 3e-4
        assert np.all(off <= found.errors[name])


@pytest.mark.parametrize("sites", [1, 2])
def test_all_states_of_all_bonds_keep_a_parity(sites):
    """Exactly so: what does not belong to a block is zero, not small."""
    model = networks()["three patterns"]
    tdvp = engine(model, in_plane(model), sites=sites)
    tdvp.expand_initial_bonds()
    for k in range(4):
        tdvp.step(0.1, 1e-6, (k, 0))
        dims = bond_parity_dims(tdvp.chain, FACTORS_X)
        assert dims is not None
        assert [sum(leg) for leg in dims[1:]] == [A.shape[2] for A in tdvp.chain]
    assert all(odd for _, odd in dims[2:-2])


def test_a_run_goes_on_in_blocks_from_any_even_state():
    """A state that did not come from such a run has bond states of no parity."""
    model, options = networks()["three patterns"], {"observables": NAMES}
    dense = th.evolve(model, in_plane(model), [0.3], method=th.Exact(1e-13)).final_state
    order = site_order(model, "auto")
    chain = MPSState.from_dense(dense.rho, model.dims, model.n_spins, order, 0.6)
    assert bond_parity_dims(chain.tensors, FACTORS_X) is None
    assert engine(model, chain, epsilon=0.6).charges == FACTORS_X
    found = th.evolve(
        model, chain, [0.5], method=th.TDVP(epsilon=0.6, step_tolerance=1e-6, **FULL), **options
    )
    exact = th.evolve(model, dense, [0.5], method=th.Exact(1e-13), **options)
    assert distance(found, exact) < 1e-7


def test_a_stopped_run_repeats_the_bits():
    model, state = networks()["three patterns"], in_plane(networks()["three patterns"])
    problem = Problem(model, state, [0.4, 0.8, 1.2], tuple(model.select(NAMES)))
    method = th.TDVP(dt=0.1)
    whole = list(method.evolve(problem))
    again = list(method.evolve(problem, whole[len(whole) // 2].carry))
    for name, values in whole[-1].values.items():
        np.testing.assert_array_equal(again[-1].values[name], values)


# Where there is no parity.


def test_a_start_with_both_parities_is_one_block():
    model = networks()["three patterns"]
    assert engine(model, tilted(model)).charges == ()


@pytest.mark.parametrize(
    "model",
    [
        th.open_hopfield(patterns(2, 4), beta=7 / 5, Omega=3 / 7, longitudinal=2 / 9),
        th.hebbian_ising(patterns(2, 4), Omega=5 / 9, decay=3 / 8),
        ZOO["hebbian_ising: all local jumps"],
        ZOO["dicke: with gain"],
    ],
    ids=["longitudinal field", "Ising couplings", "all of them", "a mode"],
)
def test_a_generator_without_parity_is_one_block(model):
    assert engine(model, th.pattern_state(model, overlap=0.8)
                  if model.patterns is not None else tilted(model)).charges == ()  # fmt: skip


def test_the_global_flip_is_found():
    """Ising couplings in a transverse field, dephased: the number of factors σᶻ and σʸ is even."""
    model = th.hebbian_ising(patterns(2, 5), Omega=5 / 9, dephasing=1 / 5)
    bloch = np.stack([0.2 + 0.1 * np.arange(5), np.zeros(5), np.zeros(5)], 1)
    state = th.product_state(model, bloch=bloch)
    assert engine(model, state).charges == (0, 1, 0, 1)
    options = {"observables": NAMES}
    found = th.evolve(model, state, [0.5, 1.0], method=th.TDVP(dt=0.05, **FULL), **options)
    exact = th.evolve(model, state, [0.5, 1.0], method=th.Exact(1e-12), **options)
    assert distance(found, exact) < 1e-5


def test_torch_gives_the_same_numbers():
    pytest.importorskip("torch")
    model, results = networks()["three patterns"], []
    for library in ("numpy", "torch"):
        for sites in (1, 2):
            method = th.TDVP(backend=library, sites=sites, dt=0.2, **FULL)
            results.append(
                th.evolve(model, in_plane(model), [0.4], observables=NAMES, method=method)
            )
    assert distance(results[0], results[2]) < 1e-9
    assert distance(results[1], results[3]) < 1e-9
