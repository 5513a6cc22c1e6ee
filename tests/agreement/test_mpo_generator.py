"""MPOs against the sparse generator, and rates read out of them against their formula.

Coordinates and local matrices are written down here, without the package.
"""

import dataclasses
import itertools

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.mpo import lindblad_mpo
from zoo import (
    ZOO,
    derivative,
    gaussian_couplings,
    moved,
    patterns,
    random_classes,
    random_hermitian,
    random_terms,
)

EPSILON = 0.3
SMALL = {name: model for name, model in ZOO.items() if model.hilbert_dim**2 <= 5000}
PAULI = [np.eye(2), np.diag([1.0, -1.0]), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])]
TYPES = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])  # (ket, bra)
UP_UP, DOWN_DOWN = 0, 1


def functionals(site, epsilon):
    """Return the matrices D of the coordinates tr(D ρ) of one site."""
    if site.kind == "spin":
        return np.array([PAULI[0], *(epsilon * P for P in PAULI[1:])])
    units = np.eye(site.dim)
    found = [np.outer(e, e) for e in units]
    for a, b in itertools.combinations(units, 2):
        unit = np.outer(a, b)
        found += [(unit + unit.T) / np.sqrt(2), 1j * (unit - unit.T) / np.sqrt(2)]
    return np.array(found)


def coordinates(rho, model, order, epsilon):
    """Return the coordinates of a Hermitian matrix, one axis per position."""
    n = model.n_sites
    x = rho.reshape(*model.dims, *model.dims).transpose(*order, *(n + np.asarray(order)))
    for k, site in enumerate(order):  # ket and bra of the first site that is left
        x = np.tensordot(x, functionals(model.sites[site], epsilon), axes=((0, n - k), (2, 1)))
    return x.real


def applied(mpo, x):
    """Apply the MPO to a vector, one axis per position, one core after the other."""
    x = x[None]
    for W in mpo.cores:
        x = np.moveaxis(np.tensordot(W, x, axes=((0, 2), (0, 1))), 0, -1)
        # (right bond, further sites, finished sites)
    return x[0]


def distance(model, mpo, epsilon=EPSILON):
    """Return the largest error of L ρ for a random ρ, relative to the largest coordinate of L ρ."""
    rho = random_hermitian(model.hilbert_dim, np.random.default_rng(1))
    exact = coordinates(derivative(model, rho), model, mpo.order, epsilon)
    found = applied(mpo, coordinates(rho, model, mpo.order, epsilon))
    return float(np.abs(found - exact).max() / np.abs(exact).max())


def assert_same(model, order, epsilon=EPSILON):
    mpo = lindblad_mpo(model, ordering=order, epsilon=epsilon, tolerance=1e-12)
    if not isinstance(order, str):
        np.testing.assert_array_equal(mpo.order, order)
    error = distance(model, mpo, epsilon)
    print(f"relative error {error:.1e}, bonds {mpo.bond_dims}")
    assert error < 1e-12
    return mpo


def shuffled(model, seed=3):
    return np.random.default_rng(seed).permutation(model.n_sites)


# Any model.


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_every_model_in_shuffled_order(name):
    assert_same(SMALL[name], shuffled(SMALL[name]))


@pytest.mark.parametrize(("n_patterns", "n_spins"), [(1, 5), (2, 5), (4, 5)])
def test_random_patterns(n_patterns, n_spins):
    xi = th.random_patterns(n_patterns, n_spins, rng=17)
    model = th.open_hopfield(xi, beta=13 / 7, Omega=3 / 8, longitudinal=2 / 9)
    assert_same(model, shuffled(model))
    assert_same(model, "auto")


@pytest.mark.parametrize(("degree", "n_spins"), [(3, 4), (4, 4)])
def test_many_body_patterns(degree, n_spins):
    model = th.dense_hopfield(patterns(3, n_spins), degree=degree, beta=9 / 7, Omega=3 / 8)
    assert_same(model, shuffled(model))


def test_random_couplings():
    model = th.open_hopfield(
        patterns(1, 5), beta=9 / 7, Omega=3 / 8, couplings=gaussian_couplings(5)
    )
    assert_same(model, shuffled(model))


def test_jumps_of_two_fields_on_all_spins():
    """A complex amplitude; every spin reads two fields of its own."""
    rate = th.SqrtRate(th.DenseGlauberRate(9 / 7, -1, 3, (1, -1), 1 / 3))
    fields = np.random.default_rng(4).standard_normal((3, 2, 3)) / 2
    jumps = []
    for k in range(3):
        fields[k, :, k] = 0.0
        amplitudes = {"-": th.ScaledRate(0.5 + 0.8j, rate), "up": th.ConstantRate(0.2)}
        jumps.append(th.FieldJump(k, amplitudes, fields[k]))
    H = th.Operator.sum((0.3 + 0.1 * k) * th.sigma("y")(k) for k in range(3))
    model = th.Model(th.spins(3), H, jumps)
    assert_same(model, shuffled(model))


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
def test_random_terms_and_fields():
    model = random_classes([0, 1, 1], seed=5, fock_dim=3)
    assert_same(model, shuffled(model))


@pytest.mark.parametrize("order", [[2, 0, 3, 1], [0, 2, 1, 3], [1, 3, 0, 2], [3, 2, 1, 0]])
def test_modes_between_spins(order):
    model = th.multimode_dicke(
        [[3 / 7, -2 / 5], [1 / 3, 5 / 9]], omega=[9 / 7, 6 / 11], Omega=[3 / 8, 5 / 9],
        loss=[8 / 9, 5 / 7], gain=[0, 2 / 13], fock_dim=[4, 3], longitudinal=1 / 7, decay=2 / 9,
    )  # fmt: skip
    assert_same(model, order)


@pytest.mark.parametrize("order", [[1, 2, 0], [2, 1, 0], [0, 2, 1]])
def test_mode_between_the_spins_of_a_field_jump(order):
    assert_same(ZOO["unseen: field jump and mode"], order)


@pytest.mark.parametrize("epsilon", [1.0, 0.05])
def test_weights(epsilon):
    model = th.open_hopfield(patterns(2, 4), beta=9 / 7, Omega=3 / 8)
    assert_same(model, shuffled(model), epsilon)


# Two ways to the same generator.


def dense_cases():
    yield "Hopfield", th.open_hopfield(patterns(2, 4), beta=9 / 7, Omega=3 / 8)
    yield "terms", random_terms(4)
    yield "spins and modes", ZOO["unseen: spin-mode terms"]
    yield "one spin", th.independent_spins(1, Omega=2 / 7, decay=3 / 8)
    yield "one mode", ZOO["damped_mode: driven"]


DENSE = dict(dense_cases())


def scaling(model, order, epsilon):
    """Return the coordinates at weight epsilon in those at weight one."""
    total = np.ones(1)
    for k in order:
        site = model.sites[k]
        spin = site.kind == "spin"
        total = np.kron(total, [1, epsilon, epsilon, epsilon] if spin else np.ones(site.dim**2))
    return total


@pytest.mark.parametrize(
    ("name", "tolerance"), [("Hopfield", 1e-2), *((name, 1e-5) for name in DENSE)]
)
def test_weights_are_a_similarity(name, tolerance):
    """At any tolerance: what is left out does not depend on the weights."""
    model = DENSE[name]
    order = shuffled(model)
    plain, weighted = (
        lindblad_mpo(model, ordering=order, epsilon=e, tolerance=tolerance) for e in (1.0, EPSILON)
    )
    S = scaling(model, order, EPSILON)
    expected = S[:, None] * plain.to_matrix() / S
    error = np.abs(weighted.to_matrix() - expected).max() / np.abs(expected).max()
    print(f"relative error {error:.1e}")
    assert error < 1e-13
    assert weighted.bond_dims == plain.bond_dims


@pytest.mark.parametrize("name", DENSE)
def test_quimb_holds_the_same_matrix(name):
    model = DENSE[name]
    mpo = lindblad_mpo(model, ordering=shuffled(model), epsilon=EPSILON)
    quimb = mpo.to_quimb()
    assert quimb.nsites == model.n_sites
    L = mpo.to_matrix()
    np.testing.assert_allclose(quimb.to_dense(), L, rtol=0, atol=1e-13 * np.abs(L).max())
    x = np.random.default_rng(2).standard_normal([basis.size for basis in mpo.bases])
    np.testing.assert_allclose(
        applied(mpo, x).ravel(), L @ x.ravel(), rtol=0, atol=1e-12 * np.abs(L).max()
    )


@pytest.mark.parametrize("signs", [[1, 1, 1, 1], [1, -1, -1, 1]])
@pytest.mark.parametrize("name", ["Hopfield", "terms"])
def test_renamed_spins_give_the_same_generator(name, signs):
    """Spins in the same place on the chain; turned ones have other signs of σʸ and σᶻ."""
    model, place, order = DENSE[name], [2, 0, 3, 1], np.array([1, 3, 0, 2])
    renamed = moved(model, place, signs)
    first = lindblad_mpo(model, ordering=order, tolerance=1e-12).to_matrix()
    second = lindblad_mpo(renamed, ordering=np.array(place)[order], tolerance=1e-12).to_matrix()
    turned = np.ones(1)
    for k in order:
        turned = np.kron(turned, [1, signs[k], 1, signs[k]])
    error = np.abs(second - turned[:, None] * first * turned).max() / np.abs(first).max()
    print(f"relative error {error:.1e}")
    assert error < 1e-12


def test_coordinates_of_the_package():
    model = ZOO["unseen: spin-mode terms"]
    mpo = lindblad_mpo(model, ordering=[2, 0, 3, 1], epsilon=EPSILON)
    for basis, k in zip(mpo.bases, mpo.order, strict=True):
        np.testing.assert_allclose(basis.duals, functionals(model.sites[k], EPSILON), atol=1e-15)


# The trace.


@pytest.mark.parametrize(("epsilon", "tolerance"), [(1.0, 1e-2), (EPSILON, 1e-4)])
@pytest.mark.parametrize("n_patterns", [1, 3])
def test_trace_is_kept_at_every_tolerance(n_patterns, epsilon, tolerance):
    xi = th.random_patterns(n_patterns, 5, rng=17)
    model = th.open_hopfield(xi, beta=5 / 2, Omega=3 / 8, longitudinal=2 / 9)
    mpo = lindblad_mpo(model, epsilon=epsilon, tolerance=tolerance)
    L = mpo.to_matrix()
    trace = np.eye(1, len(L))[0]  # the first coordinate of every spin is tr ρ
    defect = np.abs(trace @ L).max() / np.abs(L).max()
    print(f"trace defect {defect:.1e}, by the MPO {mpo.trace_defect():.1e}")
    assert defect < 1e-12
    assert mpo.trace_defect() < 1e-12


# Rates read out of the MPO, by ket and bra configuration.


@dataclasses.dataclass
class Rates:
    """Largest errors against the formula, over all configurations."""

    gain: float = 0.0
    diagonal: float = 0.0
    relative: float = 0.0
    smallest: float = np.inf


def by_type(mpo, epsilon):
    """Return the cores on ⟨ket|ρ|bra⟩ of the four local types."""
    weight = np.array([1, epsilon, epsilon, epsilon])
    B = np.array(PAULI) / (2 * weight[:, None, None])
    row, column = (TYPES < 0).astype(int).T
    M = B[:, row, column].T  # (type, coordinate)
    inverse = np.linalg.inv(M)
    return [np.einsum("ta,labr,bs->ltsr", M, W, inverse, optimize=True) for W in mpo.cores]


def passed(vectors, core, types, flip=False):
    """Carry row vectors through one site, each with its own type, which may flip."""
    out = np.empty((len(types), core.shape[3]), dtype=complex)
    for t in range(4):
        here = types == t
        out[here] = vectors[here] @ core[:, (1, 0, 3, 2)[t] if flip else t, t]
    return out


def carried(cores, types, flipped):
    """Return the vectors behind the last site; the spin at position `flipped` flips."""
    vectors = np.ones((len(types), 1), dtype=complex)
    for n, core in enumerate(cores):
        vectors = passed(vectors, core, types[:, n], n == flipped)
    return vectors


def rate_errors(xi, beta, mpo, left, right, epsilon=EPSILON):
    """Compare all gains |s⟩⟨s'| → flipped, and the diagonal, for all pairs of half configurations.

    Γ± = 1/(1 + exp(∓2βh)); spin k gains √(Γ(h) Γ(h')), the diagonal loses half of all rates.
    """
    cores = by_type(mpo, epsilon)
    m, n = left.shape[1], len(cores)
    mirrored = [np.transpose(core, (3, 1, 2, 0)) for core in reversed(cores[m:])]
    J = xi.T @ xi / xi.shape[1] * (1 - np.eye(n))
    J = J[np.ix_(mpo.order, mpo.order)]
    fields = [
        (TYPES[left][:, :, c] @ J[:m])[:, None] + (TYPES[right][:, :, c] @ J[m:])[None]
        for c in (0, 1)
    ]
    pair = {None: (carried(cores[:m], left, None), carried(mirrored, right[:, ::-1], None))}
    for k in range(n):
        pair[k] = (
            carried(cores[:m], left, k) if k < m else pair[None][0],
            carried(mirrored, right[:, ::-1], n - 1 - k) if k >= m else pair[None][1],
        )
    population = (left < 2).all(axis=1)[:, None] & (right < 2).all(axis=1)[None]
    result, diagonal = Rates(), 0.0
    for k in range(n):
        types = left[:, k, None] if k < m else right[None, :, k - m]
        types = np.broadcast_to(types, population.shape)
        out = [
            1 / (1 + np.exp(2 * beta * TYPES[types][:, :, c] * fields[c][:, :, k])) for c in (0, 1)
        ]
        diagonal = diagonal - (out[0] + out[1]) / 2
        same = types < 2
        found = pair[k][0] @ pair[k][1].T
        exact = np.where(same, np.sqrt(out[0] * out[1]), 0.0)
        # spins that differ in ket and bra do not flip
        result.gain = max(result.gain, float(np.abs(found - exact).max()))
        rate = found[population].real
        if rate.size:
            result.smallest = min(result.smallest, float(rate.min()))
            error = np.abs(rate / exact[population] - 1).max()
            result.relative = max(result.relative, float(error))
    found = pair[None][0] @ pair[None][1].T
    result.diagonal = float(np.abs(found - diagonal).max())
    return result


def all_types(n):
    return np.array(list(itertools.product(range(4), repeat=n)))


def some_types(n, seed, n_random):
    """All populations, all pairs of opposite spins, and random ones."""
    two = np.array(list(itertools.product((0, 1), repeat=n)))
    more = np.random.default_rng(seed).integers(0, 4, (n_random, n))
    return np.concatenate([two, two + 2, more])


def assert_controlled(rates, mpo, tolerance, rate_tolerance, n_spins):
    print(
        f"bond {max(mpo.bond_dims)}; in units of the tolerance: gain {rates.gain / tolerance:.2f},"
        f" max_error {mpo.max_error / tolerance:.2f}, diagonal {rates.diagonal / tolerance:.2f};"
        f" relative {rates.relative:.1e}, rate_error {mpo.rate_error:.1e},"
        f" smallest {rates.smallest:.2e}, smallest_rate {mpo.smallest_rate:.2e}"
    )
    assert mpo.max_error <= tolerance
    assert mpo.rate_error <= rate_tolerance
    assert rates.gain <= 1.2 * tolerance
    assert rates.diagonal <= 1.2 * n_spins * tolerance
    assert rates.relative <= 1.2 * rate_tolerance
    assert rates.smallest >= 0
    # the test configurations of the package see most of the error, and a small rate
    assert rates.gain <= 3 * mpo.max_error
    assert rates.smallest == pytest.approx(mpo.smallest_rate, rel=0.02)


def test_one_pattern_meets_the_tolerance():
    """Aligned states, cats, and other configurations of twelve spins: 77 000 pairs of halves."""
    xi, tolerance = np.ones((1, 12), dtype=int), 1e-4
    mpo = lindblad_mpo(
        th.open_hopfield(xi, beta=2.5, Omega=0.4), epsilon=EPSILON, tolerance=tolerance
    )
    rates = rate_errors(xi, 2.5, mpo, some_types(6, 1, 150), some_types(6, 2, 150))
    assert_controlled(rates, mpo, tolerance, 1e-3, 12)


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_one_pattern_meets_the_tolerance_everywhere(tolerance):
    """All 4¹² configurations."""
    xi = np.ones((1, 12), dtype=int)
    mpo = lindblad_mpo(
        th.open_hopfield(xi, beta=2.5, Omega=0.4), epsilon=EPSILON, tolerance=tolerance
    )
    parts = [rate_errors(xi, 2.5, mpo, all_types(6), part) for part in np.split(all_types(6), 32)]
    rates = Rates(
        max(p.gain for p in parts), max(p.diagonal for p in parts),
        max(p.relative for p in parts), min(p.smallest for p in parts),
    )  # fmt: skip
    assert_controlled(rates, mpo, tolerance, 1e-3, 12)


@pytest.mark.parametrize(("tolerance", "ordering"), [(1e-3, "natural"), (1e-4, "auto")])
def test_three_patterns_meet_the_tolerance_everywhere(tolerance, ordering):
    """All 4⁸ configurations."""
    xi = th.random_patterns(3, 8, rng=7).astype(int)
    mpo = lindblad_mpo(
        th.open_hopfield(xi, beta=2.5, Omega=0.4),
        epsilon=EPSILON, tolerance=tolerance, ordering=ordering,
    )  # fmt: skip
    rates = rate_errors(xi, 2.5, mpo, all_types(4), all_types(4))
    assert_controlled(rates, mpo, tolerance, 1e-3, 8)


def test_cold_rates_stay_positive():
    """The smallest of all flip rates, 1.2e-4, is below the tolerance."""
    xi, tolerance = np.ones((1, 10), dtype=int), 1e-3
    mpo = lindblad_mpo(
        th.open_hopfield(xi, beta=5, Omega=0.4), epsilon=EPSILON, tolerance=tolerance
    )
    rates = rate_errors(xi, 5, mpo, some_types(5, 1, 200), some_types(5, 2, 200))
    assert_controlled(rates, mpo, tolerance, 1e-3, 10)
