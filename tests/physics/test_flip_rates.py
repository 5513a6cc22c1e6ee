"""The classical limit of the Dicke model: Eqs. (75) to (80) of docs/physics.md."""

import time

import numpy as np
import pytest
from scipy.integrate import quad

import tnhop as th
from tnhop.support.codec import dumps, loads

MODES = {"omega": (9 / 7, -6 / 11), "loss": (13 / 7, 11 / 5), "gain": (0.0, 1 / 9)}
OWN = (3 / 7, -5 / 9)


def rate(
    sign: int = 1, Omega: float = 1.0, g: tuple[float, ...] = OWN, **changed
) -> th.SpinBosonRate:
    return th.SpinBosonRate(g, Omega=Omega, sign=sign, **(MODES | changed))


def regression(s: int, h: float) -> float:
    """Return W/Ω² by the double time integral of the regression function, with ⟨V⟩ written out."""
    modes = list(zip(OWN, *MODES.values(), strict=True))
    # other spins at field h: any G that gives it does; here all of it from the first mode
    g, omega, loss, gain = modes[0]
    others = [h / (g * omega / (omega**2 + (loss - gain) ** 2 / 4)), 0.0]

    def C(t: float) -> float:
        exponent = 0j
        for (g, omega, loss, gain), outside in zip(modes, others, strict=True):
            c = (loss - gain) / 2 - 1j * omega
            noise, kick = (loss + gain) / (loss - gain), -2 * s * g
            both = t / c - (1 - np.exp(-c * t)) / c**2
            mean = 2 * (-1j * (g * s + outside) / (1j * omega + (loss - gain) / 2)).real
            exponent += 1j * kick * mean * t + kick**2 * (noise * both.real - 1j * both.imag)
        return np.exp(-exponent).real

    return 2 * sum(quad(C, a, a + 2, epsabs=1e-13, limit=400)[0] for a in range(0, 60, 2))


@pytest.mark.parametrize("s", [1, -1])
@pytest.mark.parametrize("h", [-7 / 5, -1 / 3, 0.0, 2 / 9, 5 / 3])
def test_rate_equals_the_integral_with_the_self_term_written_out(s, h):
    assert float(rate(-s)(h)) == pytest.approx(regression(s, h), abs=2e-12)


def test_flips_up_and_down_mirror_each_other():
    h = np.linspace(-3, 3, 41)
    np.testing.assert_array_equal(rate(1)(h), rate(-1)(-h))


def test_flips_along_the_field_are_faster():
    """Where all modes have positive frequencies."""
    h = np.linspace(0.05, 2, 20)
    up, down = (rate(sign, omega=(9 / 7, 6 / 11))(h) for sign in (1, -1))
    assert np.all(up > down)


def test_rate_grows_with_the_square_of_the_transverse_field():
    h = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(rate(Omega=3 / 7)(h), (3 / 7) ** 2 * rate()(h), rtol=1e-14)
    np.testing.assert_array_equal(rate(Omega=-3 / 7)(h), rate(Omega=3 / 7)(h))


def test_signs_of_couplings_and_uncoupled_modes_do_not_matter():
    h = np.linspace(-2, 2, 9)
    np.testing.assert_array_equal(rate(g=(-3 / 7, 5 / 9))(h), rate()(h))
    one = th.SpinBosonRate((3 / 7,), (9 / 7,), (13 / 7,), (0.0,), 1.0, 1)
    assert np.array_equal(rate(g=(3 / 7, 0.0))(h), one(h))
    assert np.array_equal(rate(g=(3 / 7, 0.0), loss=(13 / 7, 0.0), gain=(0.0, 0.0))(h), one(h))


def fine_quadrature(g, omega, loss, gain, h):
    """Return W/Ω² by the trapezoidal rule on many equal steps, extrapolated, and the tail in closed form."""
    size, c, noise = 4 * g * g, (loss - gain) / 2 - 1j * omega, (loss + gain) / (loss - gain)
    decay = size * noise * (1 / c).real
    gone = (40 + 2 * size * (noise + 1) / abs(c) ** 2) / decay
    t = np.linspace(0, min(80 / c.real, gone), 2**19 + 1)
    phi = -np.expm1(-c * t) / c**2
    C = np.exp(-size * (noise * (t / c - phi).real + 1j * phi.imag) + 4j * h * t)
    rules = [np.trapezoid(C[::k], t[::k]) for k in (1, 2, 4)]
    better = [(4 * rules[0] - rules[1]) / 3, (4 * rules[1] - rules[2]) / 3]
    tail = C[-1] / (decay - 4j * h)
    return 2 * ((16 * better[0] - better[1]) / 15 + tail).real


@pytest.mark.parametrize(
    ("g", "omega", "loss", "gain"),
    [
        (0.01, 9 / 7, 3 / 5, 1 / 7),
        (3 / 7, 9 / 7, 1 / 9, 0.0),
        (11 / 7, 5 / 7, 1 / 3, 0.0),
        (3.0, 5 / 7, 13 / 7, 12 / 7),
        (2 / 7, 0.0, 5 / 7, 1 / 9),
    ],
)
def test_quadrature_errs_less_than_it_says(g, omega, loss, gain):
    """Weak and strong coupling, little and much damping, many photons, a mode without frequency."""
    W = th.SpinBosonRate((g,), (omega,), (loss,), (gain,), 1.0, 1)
    h = np.array([-40.0, -3.3, -0.21, 0.0, 1e-4, 0.17, 2.9, 25.0])
    expected = np.array([fine_quadrature(g, omega, loss, gain, x) for x in h])
    # 3e-12 is what the equal steps leave at |h| = 40
    assert np.abs(W(h) - expected).max() < W.max_error + 3e-12 * max(1.0, W(0.0))
    assert 0 < W.max_error < 1e-12 * max(1.0, float(W(h).max()))


def test_rate_is_never_negative_and_small_ones_are_not_trusted():
    W = th.SpinBosonRate((3.0,), (5 / 7,), (13 / 7,), (12 / 7,), 1.0, 1)
    values = W(np.linspace(-8000, 8000, 4001))
    assert values.min() >= 0
    assert values.min() < W.max_error


def test_ten_thousand_fields_take_a_moment():
    W, h = rate(), np.random.default_rng(3).uniform(-2, 2, 10_000)
    W(h[:10])
    start = time.perf_counter()
    W(h)
    assert time.perf_counter() - start < 1.0  # about 0.1 on an idle core


@pytest.mark.parametrize("Omega", [1.0, 1 / 5])
def test_weak_coupling_is_fermis_golden_rule(Omega):
    """Eq. (78), left: Γ from both modes; the deviation falls with g²."""
    off = []
    for g2 in (1e-4, 1e-5):
        g = np.sqrt(g2 * np.array([4 / 7, 5 / 9]))
        omega, loss, gain = (np.array(v) for v in MODES.values())
        width = 2 * (g**2 * (loss + gain) / (omega**2 + (loss - gain) ** 2 / 4)).sum()
        h = width * np.array([-0.7, -0.1, 0.0, 0.2, 0.9]) / 4
        W = rate(g=tuple(g), Omega=Omega)(h)
        off.append(np.abs(W * (width**2 + 16 * h**2) / (2 * Omega**2 * width) - 1).max())
    assert off[0] < 1e-3
    assert off[0] / off[1] == pytest.approx(10, rel=0.02)


def test_many_photons_bring_detailed_balance():
    """Eq. (78), right: two modes, and the deviation falls with the number of photons."""
    g, omega, loss = np.array([7 / 9, 5 / 9]), np.array([1.0, 12 / 7]), np.array([2.0, 12 / 5])
    off = []
    for below in (1 / 50, 1 / 500):
        gain, h = loss - below, np.array([-1 / 5, 2 / 7])
        noise = (loss + gain) / below
        own = (omega * g**2 / (omega**2 + below**2 / 4)).sum()
        curve = 4 * (g**2 * noise).sum()
        up, down = (
            th.SpinBosonRate(tuple(g), tuple(omega), tuple(loss), tuple(gain), 1.0, s)(h)
            for s in (1, -1)
        )
        gauss = np.sqrt(2 * np.pi / curve) * np.exp(-8 * (h + own) ** 2 / curve)
        balance = np.log(down / up) / (-32 * own * h / curve)
        off.append([np.abs(down / gauss - 1).max(), np.abs(balance - 1).max()])
    assert np.max(off[0]) < 2e-3
    assert np.all(np.array(off[0]) > 5 * np.array(off[1]))


def test_without_gain_there_is_no_detailed_balance():
    """Around a cycle of flips the products of rates in both senses differ."""
    model = th.classical_dicke(
        [[3 / 7, -2 / 5, 5 / 9], [1 / 3, 5 / 7, 2 / 7]], Omega=1.0, omega=[9 / 7, 6 / 11],
        loss=[13 / 7, 11 / 5],
    )  # fmt: skip

    def W(s: list[int], k: int) -> float:
        name = "-" if s[k] > 0 else "+"
        jump = next(j for j in model.jumps if j.site == k and j.amplitudes[0][0] == name)
        return float(jump.amplitudes[0][1](jump.fields[0] @ s)) ** 2

    def product(order: list[int]) -> float:
        s, total = [1, 1, 1], 1.0
        for k in order:
            total *= W(s, k)
            s[k] *= -1
        return total

    assert abs(np.log(product([0, 2, 0, 2]) / product([2, 0, 2, 0]))) > 0.1


G = np.array([[2 / 7, -1 / 5], [1 / 9, 3 / 11]])
FULL = {"omega": [9 / 7, 6 / 11], "loss": [13 / 7, 11 / 5], "gain": [0.0, 1 / 9]}


def slow_rates(model: th.Model, k: int) -> np.ndarray:
    return np.sort(-th.liouvillian_spectrum(model, k).eigenvalues.real)


@pytest.mark.parametrize(
    ("fock_dim", "accuracy"),
    [([4, 5], 2e-4), pytest.param([5, 7], 2e-5, marks=pytest.mark.slow)],
)
def test_slow_rates_of_the_full_model_tend_to_the_classical_ones(fock_dim, accuracy):
    """Two modes of different frequency, loss and gain; corrections Ω² and Ω⁴ are extrapolated away.

    The cutoffs of the Fock space leave what `accuracy` says.
    """
    found = []
    for Omega in (0.02, 0.01, 0.005):
        full = th.multimode_dicke(G, Omega=Omega, fock_dim=fock_dim, **FULL)
        found.append(slow_rates(full, 4)[1:] / Omega**2)
    a, b, c = found
    classical = th.classical_dicke(G, Omega=1.0, **FULL)
    values = slow_rates(classical, 16)  # coherences add others
    limit = (a - 20 * b + 64 * c) / 45
    for rate, near, far in zip(limit, b, a, strict=True):
        nearest = values[np.abs(values - rate).argmin()]
        assert rate == pytest.approx(nearest, rel=accuracy)
        assert (far - nearest) / (near - nearest) == pytest.approx(4, abs=0.4)


def test_relaxation_follows_the_full_model():
    """Populations from an unstable configuration at Ω = 0.01, modes displaced as it wants them."""
    Omega, spins = 0.01, np.array([1, 1])
    full = th.multimode_dicke(G, Omega=Omega, fock_dim=[4, 5], **FULL)
    omega, loss, gain = (np.array(FULL[name]) for name in ("omega", "loss", "gain"))
    alpha = -1j * (G @ spins) / (1j * omega + (loss - gain) / 2)
    times = np.array([100.0, 400.0])
    exact = th.evolve(
        full, th.product_state(full, spins=spins, alpha=alpha), times, observables="sigma_z",
        method="Exact",
    ).expect["sigma_z"]  # fmt: skip
    model = th.classical_dicke(G, Omega=Omega, **FULL)
    classical = th.evolve(model, th.product_state(model, spins=spins), times, observables="sigma_z")
    # corrections of relative order Ω²/Γ², Γ = 0.2
    np.testing.assert_allclose(classical.expect["sigma_z"], exact, atol=0.01)
    assert np.abs(exact[0] - spins).min() > 0.1


COINCIDENT = [[3 / 7, 1 / 9, -3 / 7], [1 / 3, 2 / 7, -1 / 3]]
RATES = {"omega": [9 / 7, 6 / 11], "loss": [8 / 9, 5 / 7]}


def test_opposite_couplings_are_a_gauge():
    """Turning spin 2 by σˣ maps the model of opposite couplings to that of equal ones."""
    turned = np.array(COINCIDENT) * [1, 1, -1]
    a, b = (th.classical_dicke(g, Omega=1 / 4, **RATES) for g in (COINCIDENT, turned))
    spectra = [
        np.sort_complex(np.round(th.liouvillian_spectrum(m, 20).eigenvalues, 9)) for m in (a, b)
    ]
    np.testing.assert_allclose(spectra[0], spectra[1], atol=1e-8)
    results = [
        th.evolve(
            m, th.product_state(m, spins=s), [3.0, 9.0], observables="sigma_z", method="Exact"
        )
        for m, s in ((a, [1, -1, 1]), (b, [1, -1, -1]))
    ]
    z = [result.expect["sigma_z"] for result in results]
    np.testing.assert_allclose(z[0], z[1] * [1, 1, -1], atol=1e-9)


def test_total_spin_of_equal_spins_is_conserved():
    model = th.classical_dicke([[3 / 7, 3 / 7, 1 / 9]], Omega=1 / 4, omega=9 / 7, loss=8 / 9)
    exchange = [th.sigma(a)(0) * th.sigma(a)(1) for a in "xyz"]
    result = th.evolve(
        model,
        th.product_state(model, spins=[1, -1, 1]),
        [2.0, 30.0],
        method="Exact",
        save_states=True,
    )
    for state in result.states:
        assert state.expect(exchange).sum() == pytest.approx(-1.0, abs=1e-9)


def test_single_flips_of_few_equal_spins_add_up():
    """Fully aligned equal spins leave their configuration N times as fast as one of them."""
    n, Omega = 4, 1 / 4
    model = th.classical_dicke(np.full((1, n), 2 / 7), Omega=Omega, omega=9 / 7, loss=8 / 9)
    start = th.product_state(model, spins=[1] * n)
    h = (n - 1) * (2 / 7) ** 2 * (9 / 7) / ((9 / 7) ** 2 + (4 / 9) ** 2)
    W = float(th.SpinBosonRate((2 / 7,), (9 / 7,), (8 / 9,), (0.0,), Omega, -1)(h))
    t = 1e-4
    result = th.evolve(model, start, [t], method="Exact", save_states=True)
    stay = result.states[0].rho[0, 0].real
    assert (1 - stay) / t == pytest.approx(n * W, rel=2e-3)


def test_transverse_fields_of_equal_spins_add_with_their_signs():
    """Ω₁ = -Ω₂ is Ω₁ = Ω₂ turned by σᶻ of one spin."""
    arguments = {"omega": 9 / 7, "loss": 8 / 9}
    a, b = (
        th.liouvillian_spectrum(th.classical_dicke([[3 / 7, 3 / 7]], Omega=w, **arguments), 16)
        for w in ([1 / 4, -1 / 3], [1 / 4, 1 / 3])
    )
    np.testing.assert_allclose(
        np.sort_complex(np.round(a.eigenvalues, 9)),
        np.sort_complex(np.round(b.eigenvalues, 9)),
        atol=1e-8,
    )


def test_spin_without_transverse_field_stays():
    model = th.classical_dicke([[3 / 7, 1 / 9]], Omega=[1 / 4, 0], omega=9 / 7, loss=8 / 9)
    assert {jump.site for jump in model.jumps} == {0}


def test_undamped_spins_are_refused():
    with pytest.raises(ValueError, match=r"`gain` must be at least 0 and below `loss`.*mode 1 has"):
        rate(loss=(1.0, 0.0), gain=(0.0, 0.0))
    with pytest.raises(ValueError, match=r"`g` must couple the spin to a mode, but it is zero"):
        rate(g=(0.0, 0.0))
    with pytest.raises(ValueError, match=r"but spin 1 couples to none"):
        th.classical_dicke([[0.3, 0.0]], omega=1.0, Omega=0.1, loss=1.0)
    with pytest.raises(ValueError, match=r"`sign` must be \+1 or -1, but it is 0"):
        rate(sign=0)


def test_many_equal_spins_are_refused_by_name():
    g = np.random.default_rng(2).standard_normal((2, 12))
    g[:, 7] = -g[:, 3]
    with pytest.raises(
        ValueError, match=r"spins 3 and 7 have opposite couplings.*depend on 11 other"
    ):
        th.classical_dicke(g, omega=1.0, Omega=0.1, loss=1.0)
    model = th.classical_dicke(g, omega=1.0, Omega=0.1, loss=1.0, coincident="independent")
    assert len(model.jumps) == 24


def test_rate_survives_a_file():
    assert loads(dumps(rate())) == rate()
