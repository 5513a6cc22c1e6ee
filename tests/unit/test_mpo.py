"""Bonds of generators as MPOs, their trace, what is predicted and refused; small matrices."""

import dataclasses

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.field_table import field_table
from tnhop.solvers.chain.network.mpo import lindblad_mpo, predicted_bond
from zoo import complex_amplitudes, gaussian_couplings, random_terms, spin_mode, with_levels


def hopfield(n_patterns, n_spins, beta=2.5, rng=7):
    xi = th.random_patterns(n_patterns, n_spins, rng=rng)
    return th.open_hopfield(xi, beta=beta, Omega=0.4)


def ising(n_patterns, n_spins, rng=7):
    xi = th.random_patterns(n_patterns, n_spins, rng=rng)
    return xi, th.hebbian_ising(xi, Omega=5 / 9, decay=3 / 8, longitudinal=2 / 7)


# Bonds of terms.


@pytest.mark.parametrize("ordering", ["auto", "natural"])
@pytest.mark.parametrize("rng", [7, 8])
@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_ising_bond_is_twice_the_rank_and_two(n_patterns, rng, ordering):
    xi, model = ising(n_patterns, 12, rng)
    mpo = lindblad_mpo(model, ordering=ordering)
    J = (xi.T @ xi / 12.0)[np.ix_(mpo.order, mpo.order)]
    ranks = [np.linalg.matrix_rank(J[:cut, cut:], tol=1e-9) for cut in range(1, 12)]
    assert mpo.bond_dims == tuple(2 * rank + 2 for rank in ranks)
    assert max(ranks) == n_patterns or ordering == "auto"


def test_random_couplings_have_the_full_rank():
    J = gaussian_couplings(10)
    mpo = lindblad_mpo(th.long_range_ising(J + J.T, Omega=0.3), ordering="natural")
    assert mpo.bond_dims == tuple(2 * min(cut, 10 - cut) + 2 for cut in range(1, 10))


@pytest.mark.parametrize("ordering", ["auto", "natural"])
def test_dicke_bond_does_not_depend_on_the_number_of_spins(ordering):
    for n_spins in (2, 5, 12):
        model = th.dicke(n_spins, g=0.9, omega=8 / 7, Omega=0.5, loss=1, gain=0.1, fock_dim=4)
        assert lindblad_mpo(model, ordering=ordering).bond_dims == (4,) * n_spins


def test_independent_spins_need_two():
    model = th.independent_spins(9, Omega=3 / 7, longitudinal=1 / 5, decay=3 / 8, pumping=1 / 9)
    assert lindblad_mpo(model).bond_dims == (2,) * 8
    assert lindblad_mpo(th.independent_spins(1, Omega=1)).bond_dims == ()


def local_models():
    for seed in (3, 4, 5):
        yield f"random terms {seed}", random_terms(4, seed)
    yield "spins and modes", with_levels(spin_mode(), 2)
    g = [[3 / 7, -2 / 5, 1 / 9, 1 / 2], [1 / 3, 5 / 9, 2 / 7, -1 / 6]]
    loss = th.eliminated_dicke(g, omega=[9 / 7, 6 / 11], Omega=[3 / 8, 5 / 9, 1, 1 / 4], loss=8 / 9)
    yield "eliminated modes", loss
    yield "Ising", ising(2, 4)[1]


LOCAL = dict(local_models())


def ranks(L, sizes, cut):
    """Return the operator-Schmidt rank of a matrix, with and without identities of both halves."""
    a, b = int(np.prod(sizes[:cut])), int(np.prod(sizes[cut:]))
    halves = L.reshape(a, b, a, b).transpose(0, 2, 1, 3).reshape(a * a, b * b)
    left, right = np.eye(a).reshape(-1, 1) / np.sqrt(a), np.eye(b).reshape(1, -1) / np.sqrt(b)
    proper = halves - left @ (left.T @ halves)
    proper = proper - (proper @ right.T) @ right
    values = [np.linalg.svd(M, compute_uv=False) for M in (halves, proper)]
    return [int(np.sum(v > 1e-12 * values[0][0])) for v in values]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
@pytest.mark.parametrize("name", LOCAL)
def test_smallest_bond_beside_before_and_after(name, order):
    """An MPO that need not keep "before" and "after" apart may do with up to two fewer."""
    mpo = lindblad_mpo(LOCAL[name], ordering=order)
    L, sizes = mpo.to_matrix(), [basis.size for basis in mpo.bases]
    found = [ranks(L, sizes, cut) for cut in range(1, 4)]
    print(f"bonds {mpo.bond_dims}, ranks {[rank for rank, _ in found]}")
    for bond, (rank, proper) in zip(mpo.bond_dims, found, strict=True):
        assert bond == proper + 2
        assert rank <= bond <= rank + 2


# Bonds of field jumps.


def test_bond_does_not_grow_with_the_number_of_spins():
    small, large = (
        lindblad_mpo(th.open_hopfield(np.ones((1, n)), beta=1, Omega=0.4), tolerance=1e-4)
        for n in (16, 32)
    )
    print("bonds", max(small.bond_dims), max(large.bond_dims))
    assert max(large.bond_dims) <= max(small.bond_dims) + 2 <= 37


@pytest.mark.slow
def test_bond_of_a_hundred_spins():
    """At lower temperature it grows slowly, by a tenth from 20 spins to 100: 78 and 86."""
    bonds = [max(lindblad_mpo(hopfield(1, n), tolerance=1e-4).bond_dims) for n in (20, 100)]
    print("bonds", bonds)
    assert bonds[1] <= 1.3 * bonds[0]


PREDICTED = {
    "one pattern": (hopfield(1, 12), "natural"),
    "two patterns": (hopfield(2, 10), "auto"),
    "two patterns, natural": (hopfield(2, 12), "natural"),
    "three patterns, warm": (hopfield(3, 8, beta=1), "natural"),
    "three patterns": (hopfield(3, 8), "auto"),
    "four-body": (th.dense_hopfield(np.ones((1, 8)), degree=4, beta=1, Omega=0.3), "auto"),
    "no field jumps": (ising(3, 12)[1], "auto"),
}


@pytest.mark.parametrize("name", PREDICTED)
def test_largest_bond_is_predicted(name):
    """Sorted sites: the middle may lie between two classes, where little is needed."""
    model, ordering = PREDICTED[name]
    largest = max(lindblad_mpo(model, ordering=ordering, tolerance=1e-4).bond_dims)
    found = predicted_bond(model, ordering=ordering, tolerance=1e-4)
    print(f"predicted {found}, largest {largest}")
    assert abs(found - largest) <= 0.35 * largest


# The trace.


@pytest.mark.parametrize("model", [hopfield(2, 20, beta=1), ising(3, 20)[1]])
def test_trace_of_twenty_spins(model):
    mpo = lindblad_mpo(model, epsilon=0.3, tolerance=1e-4)
    print(f"trace defect {mpo.trace_defect():.1e}")
    assert mpo.trace_defect() < 1e-12


def spoiled(n_spins, value=1e-3):
    """Return a generator that makes the trace grow at a rate `value`."""
    mpo = lindblad_mpo(ising(1, n_spins)[1])
    last = mpo.cores[-1].copy()
    last[0, :, :, 0] += value * np.eye(4)
    return dataclasses.replace(mpo, factors=(*mpo.cores[:-1], last))


def typical_row(mpo):
    """Return the root mean square of the norms of all rows, from the trace of LLᵀ."""
    square = np.ones((1, 1))
    for W in mpo.cores:
        square = np.einsum("ab,aijc,bijd->cd", square, W, W, optimize=True) / W.shape[1]
    return np.sqrt(square[0, 0])


def test_trace_defect_is_relative_to_the_typical_row():
    """The same at any size: a defect must not drown in the other 4^N rows."""
    mpo = spoiled(4)
    L = mpo.to_matrix()
    assert np.linalg.norm(L[0]) == pytest.approx(1e-3, rel=1e-9)
    assert typical_row(mpo) == pytest.approx(np.linalg.norm(L) / 16, rel=1e-9)
    for case in (mpo, spoiled(40)):
        assert case.trace_defect() == pytest.approx(1e-3 / typical_row(case), rel=1e-9)


# What an MPO says about itself.


def test_attributes():
    model = hopfield(1, 6)
    mpo = lindblad_mpo(model, tolerance=1e-4, epsilon=0.3)
    assert len(mpo.cores) == len(mpo.bases) == 6
    assert mpo.bond_dims == tuple(W.shape[0] for W in mpo.cores[1:])
    assert mpo.cores[0].shape[0] == mpo.cores[-1].shape[-1] == 1
    assert all(W.dtype == np.float64 and W.shape[1:3] == (4, 4) for W in mpo.cores)
    assert 0 < mpo.max_error <= 1e-4
    assert 0 < mpo.rate_error <= 1e-3
    # aligned spins: h = 5/6
    assert mpo.smallest_rate == pytest.approx(1 / (1 + np.exp(2 * 2.5 * 5 / 6)), rel=1e-3)
    filled = sum(int((W != 0).sum()) for W in mpo.cores) / sum(W.size for W in mpo.cores)
    assert mpo.filling == pytest.approx(filled)
    assert filled < 0.2


def test_terms_are_exact():
    mpo = lindblad_mpo(random_terms(4))
    assert mpo.max_error == mpo.rate_error == 0.0
    assert mpo.smallest_rate == np.inf


def test_matrix_of_one_spin():
    """dσˣ/dt = -γ/2 σˣ - 2h σʸ, dσʸ/dt = 2h σˣ - γ/2 σʸ - 2Ω σᶻ, dσᶻ/dt = 2Ω σʸ - γ(σᶻ + 1)."""
    Omega, h, rate, e = 2 / 7, 1 / 5, 3 / 8, 0.3
    mpo = lindblad_mpo(th.independent_spins(1, Omega=Omega, longitudinal=h, decay=rate), epsilon=e)
    expected = [
        [0, 0, 0, 0],
        [-e * rate, -rate, 0, 2 * Omega],
        [0, 0, -rate / 2, -2 * h],
        [0, -2 * Omega, 2 * h, -rate / 2],
    ]
    np.testing.assert_allclose(mpo.to_matrix(), expected, atol=1e-15)


# Refusals.


@pytest.mark.parametrize(
    ("model", "max_bond"), [(hopfield(1, 6), 20), (th.independent_spins(2, Omega=1), 1)]
)
def test_refusal_names_the_bond(model, max_bond):
    bond = predicted_bond(model)
    assert bond > max_bond
    with pytest.raises(ValueError, match="max_bond") as error:
        lindblad_mpo(model, max_bond=max_bond)
    assert str(error.value) == (
        "Argument `max_bond` must allow for the generator of the model, but it is"
        f" {max_bond} while about {bond} are needed. Raise `tolerance` or the temperature, or use"
        " fewer patterns; `Exact` and `Symmetric` do not need an MPO."
    )
    assert max(lindblad_mpo(model, max_bond=bond).bond_dims) <= 1.35 * bond


@pytest.mark.parametrize(("arguments", "message"), [
    ({"epsilon": 0}, "Argument `epsilon` must be greater than 0, but it is 0."),
    ({"epsilon": 1.5}, "Argument `epsilon` must be at most 1, but it is 1.5."),
    ({"tolerance": 0}, "Argument `tolerance` must be greater than 0, but it is 0."),
    ({"tolerance": 0.2}, "Argument `tolerance` must be at most 0.1, but it is 0.2."),
    ({"rate_tolerance": -1}, "Argument `rate_tolerance` must be greater than 0, but it is -1."),
    ({"max_bond": 0}, "Argument `max_bond` must be at least 1, but it is 0."),
    ({"ordering": [0, 1, 2]}, "Argument `ordering` must have shape (6,), but has shape (3,). Give the site at every position."),
])  # fmt: skip
def test_bad_arguments(arguments, message):
    """With and without field jumps; a prediction reads some of them."""
    for model in (hopfield(1, 6), th.independent_spins(6, Omega=1)):
        for function in (lindblad_mpo, predicted_bond):
            if function is predicted_bond and {"epsilon", "max_bond"} & set(arguments):
                continue
            with pytest.raises(ValueError, match="Argument") as error:
                function(model, **arguments)
            assert str(error.value) == message


@pytest.mark.parametrize(("arguments", "message"), [
    ({"epsilon": "a"}, "Argument `epsilon` must be a real number, but it is 'a' (str)."),
    ({"tolerance": None}, "Argument `tolerance` must be a real number, but it is None (NoneType)."),
    ({"max_bond": 2.5}, "Argument `max_bond` must be an integer, but it is 2.5 (float)."),
])  # fmt: skip
def test_arguments_of_a_wrong_type(arguments, message):
    with pytest.raises(TypeError, match="Argument") as error:
        lindblad_mpo(hopfield(1, 6), **arguments)
    assert str(error.value) == message


# Warnings.


def test_tolerance_below_rounding_is_reported():
    with pytest.warns(th.TruncationWarning, match="`tolerance` = 1e-17"):
        lindblad_mpo(hopfield(1, 4), tolerance=1e-17)


def square_to_one(letter):
    up = th.SqrtRate(th.GlauberRate(1.0, 1))
    return th.Model(th.spins(2), 0.0, [th.FieldJump(0, {letter: up}, [0, 0.5])])


UNUSUAL = {
    "σˣ with a rate": square_to_one("x"),
    "σᶻ with a rate": square_to_one("z"),
    "complex amplitudes": complex_amplitudes(),
    "zero temperature": th.open_hopfield(np.ones((1, 4)), beta=np.inf, Omega=2 / 9),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_rates_that_are_not_negative_do_not_warn(name):
    """A warning is an error here."""
    smallest = lindblad_mpo(UNUSUAL[name]).smallest_rate
    print(f"smallest rate {smallest:.1e}")
    assert smallest >= -1e-13


@pytest.mark.slow
def test_default_tolerances_are_met_by_sixteen_spins():
    mpo = lindblad_mpo(hopfield(3, 16), tolerance=1e-3)
    print(f"max_error {mpo.max_error:.1e}, rate_error {mpo.rate_error:.1e}")
    assert mpo.max_error <= 1e-3
    assert mpo.rate_error <= 1e-3


def test_mirrored_chains_are_built_once():
    """One pattern looks the same from both ends; uneven patterns and fields do not."""
    whole = th.open_hopfield(np.ones((1, 7)), beta=13 / 7, Omega=3 / 7)
    uneven = th.open_hopfield(np.array([[1, 1, -1, 1, 1, 1, 1]]), beta=13 / 7, Omega=3 / 7)
    order = np.arange(7)
    mirror = field_table(whole, order).mirror()
    weights = field_table(whole, order).weights
    np.testing.assert_array_equal(weights[mirror], weights[:, ::-1])
    assert field_table(uneven, order).mirror() is None
    assert (
        field_table(th.open_hopfield(th.random_patterns(3, 7, rng=1), beta=1), order).mirror()
        is None
    )
