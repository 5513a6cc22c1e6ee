"""Slow decays, whatever their scale: metastable networks, bad cavities, weak loss, other units."""

from decimal import Context, Decimal, localcontext

import numpy as np
import pytest

import tnhop as th
from zoo import tilted

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
SLOW = pytest.mark.slow
METHODS = ("Exact", "Symmetric", "ClassicalMaster")


def birth_death_gap(n, beta):
    """Return the gap of the magnetisation of one pattern: bisection of Sturm sequences, 80 digits.

    n spins with couplings 1/n flip at rates 1/(1 + exp(2βh)); detailed balance makes the matrix of
    the numbers of up spins symmetric and tridiagonal. The odd half of it is regular.
    """
    rates_up, rates_down = [], []
    with localcontext(Context(prec=80)):
        for k in range(n + 1):  # field on the spin that flips, from the n - 1 others
            h = Decimal(2 * k - (n - 1)) / n
            rates_up.append((n - k) / (1 + (-2 * Decimal(beta) * h).exp()))
            h = Decimal(2 * (k - 1) - (n - 1)) / n
            rates_down.append(k / (1 + (2 * Decimal(beta) * h).exp()))
        half = (n + 1) // 2  # odd vectors, p(n - k) = -p(k)
        diagonal = [-(rates_up[k] + rates_down[k]) for k in range(half)]
        if n % 2:
            diagonal[-1] -= rates_down[half]
        products = [rates_up[k] * rates_down[k + 1] for k in range(half - 1)]

        def faster(x):
            """Return whether all odd eigenvalues lie below -x."""
            q = Decimal(1)
            for k, d in enumerate(diagonal):
                q = d + x - (products[k - 1] / q if k else 0)
                if q >= 0:
                    return False
            return True

        low, high = Decimal(0), Decimal(2)
        for _ in range(100):
            middle = (low * high).sqrt() if low else high / 1000
            low, high = (middle, high) if faster(middle) else (low, middle)
        return float(high)


SMALL = [(4, beta, METHODS) for beta in (4.0, 12.0, 17.0)]
WIDE = [(n, beta, METHODS[1:]) for n in (5, 6) for beta in (6.0, 8.0, 10.0, 12.0)]
LARGE = [pytest.param(6, beta, METHODS[:1], marks=SLOW) for beta in (6.0, 8.0, 12.0)]


@pytest.mark.parametrize(("n_spins", "beta", "methods"), [*SMALL, *WIDE, *LARGE])
def test_metastable_network_has_one_stationary_state(n_spins, beta, methods):
    model = th.open_hopfield(np.ones((1, n_spins)), beta=beta)
    gap = birth_death_gap(n_spins, beta)
    for method in methods:
        start = th.pattern_state(model)
        found = th.steady_state(model, state=start, observables="m_z", method=method)
        assert (found.multiplicity, found.converged) == (1, True)
        assert found.gap == pytest.approx(gap, rel=1e-6)
        assert abs(found.expect["m_z"][0]) < 1e-12
        spectrum = th.liouvillian_spectrum(model, 4, method=method)
        assert spectrum.multiplicity == 1
        assert spectrum.gap == pytest.approx(gap, rel=1e-6)
        assert spectrum.gap_error < 1e-2 * gap


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(s, marks=SLOW) for s in range(2, 12))])
def test_methods_agree_on_random_networks(seed):
    rng = np.random.default_rng(seed)
    n, beta = int(rng.integers(3, 5)), float(rng.uniform(4, 12))
    xi = rng.choice([-1, 1], (int(rng.integers(1, 3)), n))
    model = th.open_hopfield(xi, beta=beta)
    start = th.pattern_state(model)
    found = [th.steady_state(model, state=start, observables="m_z", method=m) for m in METHODS]
    spectra = [th.liouvillian_spectrum(model, 3, method=m) for m in METHODS]
    for other, spectrum in zip(found, spectra, strict=True):
        assert other.multiplicity == spectrum.multiplicity == found[2].multiplicity
        assert other.gap == pytest.approx(found[2].gap, rel=0.01)
        assert spectrum.gap == pytest.approx(found[2].gap, rel=0.01)
        distance = np.abs(other.expect["m_z"] - found[2].expect["m_z"])
        assert np.all(distance <= other.errors["m_z"] + found[2].errors["m_z"])


@pytest.mark.parametrize("seed", range(4))
def test_weakly_damped_spin_beside_a_strongly_damped_one(seed):
    """Independent spins: closed forms at any ratio of rates, or no claim."""
    rng = np.random.default_rng(seed)
    decay = 10 ** rng.uniform(-15, 12, 2)
    drive = decay * rng.uniform(0, 1, 2) * rng.integers(0, 2, 2)
    model = th.independent_spins(2, Omega=drive.tolist(), decay=decay.tolist())
    exact = -1 / (1 + 8 * (drive / decay) ** 2)
    for method in ("Exact", "Symmetric"):
        found = th.steady_state(model, state=tilted(model), observables="sigma_z", method=method)
        assert found.multiplicity == 1
        assert np.all(np.abs(found.expect["sigma_z"] - exact) <= found.errors["sigma_z"])
        assert found.gap + found.gap_error >= decay.min() / 2 * (1 - 1e-9)
        if found.converged:
            assert found.gap == pytest.approx(decay.min() / 2, rel=0.01)
        else:
            assert "not resolved" in found.label


@pytest.mark.parametrize(("Omega", "decay"), [(1e5, 1e-8), (1e3, 1e-12), (1.0, 1e-20)])
def test_fast_rotation_with_slow_decay(Omega, decay):
    model = th.independent_spins(1, Omega=Omega, decay=decay)
    for method in ("Exact", "Symmetric"):
        found = th.steady_state(model, observables="sigma_z", method=method)
        assert found.multiplicity == 1
        assert abs(found.expect["sigma_z"][0]) <= found.errors["sigma_z"][0]
        if found.converged:
            assert found.gap == pytest.approx(decay / 2, rel=0.01)


@pytest.mark.parametrize("Omega", [1e-4, 1e-6, pytest.param(1e-8, marks=SLOW)])
def test_weakly_driven_cavity_claims_no_more_states_than_there_are(Omega):
    """Triplet and singlet are two; relaxation at rates of the order of Omega² is not a third."""
    model = th.dicke(2, g=0.5, omega=1.0, Omega=Omega, loss=1.0, fock_dim=4)
    start = th.pattern_state(model)
    for method in ("Exact", "Symmetric"):
        found = th.steady_state(model, state=start, observables="m_z", method=method)
        assert found.multiplicity <= 2
        assert abs(found.expect["m_z"][0]) <= found.errors["m_z"][0]
        if found.converged:
            assert found.multiplicity == 2
            assert found.gap == pytest.approx(1.8 * Omega**2, rel=0.05)
        else:
            assert found.gap >= 1.7 * Omega**2


@pytest.mark.parametrize("scale", [2.0**40, 2.0**-40, 1e-11])
def test_units_do_not_matter(scale):
    def model(s):
        return th.independent_spins(
            2, Omega=[0.3 * s, 0.1 * s], decay=[s, 0.3 * s], dephasing=0.1 * s
        )

    def network(s):
        H = 0.4 * s * (th.sigma("x")(0) * th.sigma("z")(1) + th.sigma("y")(1) * th.sigma("x")(2))
        jumps = [th.Jump(np.sqrt(s * r) * th.sigma("-")(k)) for k, r in enumerate((1, 0.3, 0.02))]
        return th.Model(th.spins(3), H, [*jumps, th.Jump(np.sqrt(0.1 * s) * th.sigma("+")(0))])

    for make in (model, network):
        one, other = make(1.0), make(scale)
        for method in ("Exact", "Symmetric"):
            before = th.liouvillian_spectrum(one, 6, method=method)
            after = th.liouvillian_spectrum(other, 6, method=method)
            np.testing.assert_allclose(after.eigenvalues / scale, before.eigenvalues, atol=1e-9)
            assert after.multiplicity == before.multiplicity
            states = [
                th.steady_state(m, observables="sigma_z", method=method) for m in (one, other)
            ]
            assert states[1].gap / scale == pytest.approx(states[0].gap, rel=1e-9)
            np.testing.assert_allclose(
                states[1].expect["sigma_z"], states[0].expect["sigma_z"], atol=1e-9
            )


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(s, marks=SLOW) for s in range(2, 8))])
def test_bars_contain_what_the_missing_levels_hold(seed):
    rng = np.random.default_rng(seed)
    detuning, drive, kerr = rng.uniform([0.2, 0.5, 0], [1.5, 1.2, 0.4])

    def solve(levels):
        n, a, c = th.number(0), th.destroy(0), th.create(0)
        H = detuning * n + drive * (a + c) + kerr * (c * c * a * a)
        model = th.Model(th.modes(1, fock_dim=levels), H, [th.Jump(a)])
        return th.steady_state(model, observables=["occupation", "alpha", "purity"])

    truth = solve(20)
    for levels in (3, 4, 6, 8):
        found = solve(levels)
        assert set(found.errors.sources("occupation")) == {"residual", "fock_tail"}
        for name in found.expect:
            error = np.abs(found.expect[name] - truth.expect[name])
            assert np.all(error <= found.errors[name] + 1e-12), (levels, name)
        assert abs(found.gap - truth.gap) <= found.gap_error


def test_driven_mode_is_inside_its_bar_at_any_number_of_levels():
    for levels in (4, 6, 10, 20):
        H = th.number(0) + 2 * (th.create(0) + th.destroy(0))
        model = th.Model(th.modes(1, fock_dim=levels), H, [th.Jump(th.destroy(0))])
        found = th.steady_state(model, observables="occupation")
        error = abs(float(found.expect["occupation"][0]) - 3.2)
        assert error <= found.errors["occupation"][0] <= 100 * max(error, 1e-12)


def test_gaps_and_errors_survive_the_file(tmp_path):
    model = th.open_hopfield(np.ones((1, 3)), beta=9.0)
    found = th.steady_state(model, observables=["m_z", "purity"])
    again = th.load(found.save(tmp_path / "steady.h5"))
    assert again.gap_error == found.gap_error > 0
    assert "±" in repr(again).splitlines()[1]
    np.testing.assert_array_equal(again.errors["m_z"], found.errors["m_z"])
    spectrum = th.liouvillian_spectrum(model, 3)
    assert spectrum.errors.shape == (3,)
    assert spectrum.errors[0] == 0.0
    assert np.array_equal(spectrum.to_dataframe()["error"], spectrum.errors)
