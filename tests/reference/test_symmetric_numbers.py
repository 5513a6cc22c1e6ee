"""Frozen numbers of many interchangeable spins; see README.md of this folder for the sources.

All come from the reduction to occupation numbers of one-site matrix units, `classes`: another basis
than the blocks of total spin that `Symmetric` uses, and another code.
"""

import numpy as np
import pytest

import tnhop as th

ONE = lambda n: np.ones((1, n), dtype=int)  # noqa: E731
FINE = th.Symmetric(1e-13)
NEAREST = th.Symmetric(eigensolver="shift-invert")
slow = pytest.mark.slow


def cycle(n):
    """T = 1/2, Ω = 3/5: the phase of limit cycles."""
    return th.open_hopfield(ONE(n), beta=2.0, Omega=0.6)


def retrieval(n):
    """T = 1/2, Ω = 3/20: the phase of retrieval."""
    return th.open_hopfield(ONE(n), beta=2.0, Omega=0.15)


@pytest.mark.parametrize(
    ("time", "z", "y"),
    [
        (0.5, 0.8068805583450608, -0.4731575295556778),
        (1.0, 0.43598396071584505, -0.6642817586754083),
        (3.0, -0.36013179636693365, 0.120159717106963),
    ],
)
def test_overlaps_of_four_spins(time, z, y):
    """classes: all up."""
    model = cycle(4)
    result = th.evolve(
        model, th.pattern_state(model), [time], observables=["m_y", "m_z"], method=FINE
    )
    assert result.expect["m_z"][0, 0] == pytest.approx(z, abs=2e-13)
    assert result.expect["m_y"][0, 0] == pytest.approx(y, abs=2e-13)


def test_two_patterns_of_eight_spins_have_the_overlap_of_four_spins():
    """classes: two networks of four spins at the same temperature."""
    model = th.open_hopfield([[1] * 8, [1] * 4 + [-1] * 4], beta=2.0, Omega=0.6)
    result = th.evolve(model, th.pattern_state(model), [1.0], observables="m_z", method=FINE)
    np.testing.assert_allclose(result.expect["m_z"][0], [0.43598396071584, 0.0], atol=2e-13)


PAIRS = [
    (6, -0.281518936702 + 1.146689912761j),
    (16, -0.159640005981 + 1.116568611534j),
    (32, -0.098014932783 + 1.098925343762j),
]


@pytest.mark.parametrize(("n", "value"), PAIRS)
def test_slowest_pair_in_the_cycle_phase(n, value):
    """classes: shift-invert."""
    found = th.liouvillian_spectrum(cycle(n), 3, method=NEAREST).eigenvalues
    np.testing.assert_allclose(found[1:], [value, value.conjugate()], atol=1e-11)


@pytest.mark.parametrize(("n", "value"), [*PAIRS[:2], pytest.param(*PAIRS[2], marks=slow)])
def test_slowest_pair_comes_from_the_propagator_too(n, value):
    """classes: matrix-free here."""
    found = th.liouvillian_spectrum(cycle(n), 3, method="Symmetric").eigenvalues
    np.testing.assert_allclose(found[1:], [value, value.conjugate()], atol=1e-11)


@slow
def test_slowest_pair_of_64_spins_governs_late_times():
    """classes: -0.05451549 ± 1.08617864 i, in a basis balanced by the square roots of multiplicities.

    A fit z(t+2) = a z(t+1) + b z(t), from where the next pair, of rate 0.51, is gone.
    """
    model = cycle(64)
    times = np.arange(50.0, 81.0)
    z = th.evolve(model, th.pattern_state(model), times, observables="m_z", method="Symmetric")
    z = z.expect["m_z"][:, 0]
    a, b = np.linalg.lstsq(np.stack([z[1:-1], z[:-2]], axis=1), z[2:])[0]
    value = np.log(np.roots([1.0, -a, -b]))[0]
    assert value.real == pytest.approx(-0.05451549, abs=2e-8)
    assert abs(value.imag) == pytest.approx(1.08617864, abs=2e-8)


@pytest.mark.parametrize(
    ("n", "gap"),
    [(6, 0.252936845), (10, 0.128064660), (16, 0.063423190), (24, 0.029284014), (32, 0.014552903)],
)
def test_slowest_rate_in_the_retrieval_phase(n, gap):
    """classes: exponentially small in N."""
    found = th.liouvillian_spectrum(retrieval(n), 2, method=NEAREST).gap
    assert found == pytest.approx(gap, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "second", "binder"),
    [(retrieval(32), 0.58296894, 0.61731467), (cycle(32), 0.23700017, 0.39187883)],
    ids=["retrieval", "cycle"],
)
def test_moments_of_the_overlap_in_the_steady_state(model, second, binder):
    """classes: ⟨m²⟩ and the Binder cumulant of 32 spins."""
    names = ["overlap_moments", "binder_cumulant"]
    steady = th.steady_state(model, observables=names, method=NEAREST)
    assert steady.expect["overlap_moments"][0, 1] == pytest.approx(second, abs=1e-8)
    assert steady.expect["binder_cumulant"][0] == pytest.approx(binder, abs=1e-8)


@pytest.mark.parametrize(("n", "scaled"), [(8, 1.749), (16, 1.915), (32, 2.028)])
def test_fluctuations_in_the_paramagnet(n, scaled):
    """classes: N ⟨m²⟩ at T = 3/2, Ω = 3/10, on the way to 2.1797."""
    model = th.open_hopfield(ONE(n), beta=2 / 3, Omega=0.3)
    steady = th.steady_state(model, observables="overlap_moments", method=NEAREST)
    assert n * steady.expect["overlap_moments"][0, 1] == pytest.approx(scaled, abs=5e-4)


@pytest.mark.parametrize(
    ("n", "scaled"), [(5, -0.4498), (10, -0.4560), (20, -0.4317), (40, -0.4039)]
)
def test_overlap_differs_from_the_limit_by_one_over_n(n, scaled):
    """classes and ode: N (z_N - z_∞) at t = 1."""
    model = cycle(n)
    limit = th.MeanField(closure="thermodynamic", rtol=1e-12, atol=1e-13)
    exact, mean = (
        th.evolve(model, th.pattern_state(model), [1.0], observables="m_z", method=m).expect["m_z"]
        for m in (FINE, limit)
    )
    assert n * (exact - mean)[0, 0] == pytest.approx(scaled, abs=5e-5)


# The Dicke model.

NORMAL = {"omega": 1.0, "Omega": 0.5, "loss": 1.0}


@pytest.mark.parametrize(
    ("g", "n", "occupation", "m2", "m_x", "fock_dim"),
    [
        (0.4, 1, 0.07963157313948, 1, -0.7713021331177672, 12),
        (0.4, 2, 0.04949546390136, 0.5983654406259, -0.854819630785542, 12),
        (1.0, 1, 0.6935572660242, 1, -0.3856180201333, 20),
        pytest.param(1.0, 2, 0.6769222978871, 0.9047161321267, -0.3679881896733, 20, marks=slow),
    ],
)
def test_steady_state_of_the_dicke_model(g, n, occupation, m2, m_x, fock_dim):
    """classes: collective spin N/2."""
    model = th.dicke(n, g=g, fock_dim=fock_dim, **NORMAL)
    state = th.product_state(model, bloch=[0.6, 0, 0.8])
    names = ["occupation", "m_x", "overlap_moments"]
    steady = th.steady_state(model, state=state, observables=names, method="Symmetric")
    assert steady.expect["occupation"][0] / n == pytest.approx(occupation, abs=1e-9)
    assert steady.expect["overlap_moments"][0, 1] == pytest.approx(m2, abs=1e-9)
    assert steady.expect["m_x"][0] == pytest.approx(m_x, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "scaled"), [(2, 0.0050586033), (4, 0.00501381), (8, 0.00498684), (12, 0.00497713)]
)
def test_dicke_overlap_differs_from_mean_field_by_one_over_n(n, scaled):
    """classes: N (z_N - z_MF) at t = 1/2, from a tilted spin and an empty mode."""
    model = th.dicke(n, g=1.0, fock_dim=14 + 3 * n, **NORMAL)
    state = th.product_state(model, bloch=[-np.cos(1.2), 0.0, np.sin(1.2)])
    z = th.evolve(model, state, [0.5], observables="m_z", method="Symmetric").expect["m_z"][0, 0]
    # eight printed digits; 0.82109043734 has eleven
    assert n * (z - 0.82109043734) == pytest.approx(scaled, abs=1e-8)
