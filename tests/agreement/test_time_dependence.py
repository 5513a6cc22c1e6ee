"""Models that depend on time: `Exact` and `MeanField` against independent integrators, QuTiP too."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tnhop as th
from tnhop.interop import to_qutip
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from tnhop.support.codec import dumps

x, y, z, plus, minus = (th.sigma(name) for name in ("x", "y", "z", "+", "-"))
NAMES = ["sigma_x", "sigma_y", "sigma_z"]
RAMP, SINE = th.ramp(0.3, 1.7, 1.3, start=0.4), th.sine(0.4, 0.3, 2.3, phase=0.2)
PULSE = th.pulse(0.9, 0.7, 1.1, rise=0.3)
STEPS = th.piecewise([0.0, 0.8, 1.9], [0.4, 1.3, 0.2], kind="constant")
FITTED = th.fitted(lambda t: 0.3 + np.exp(-t) * np.cos(2 * t) ** 2, 0.0, 9.0)


def driven_pair():
    """Two spins: driven fields and couplings, jumps with several functions, field jumps."""
    H = RAMP * x(0) + 0.3 * z(0) * z(1) + SINE * PULSE * y(1) + (0.3 - STEPS) * z(0) * x(1)
    H = H + 1j * FITTED * plus(1) - 1j * FITTED * minus(1)
    rate = th.SqrtRate(th.GlauberRate(1.3, +1))
    return th.Model(th.spins(2), H, [
        th.Jump(SINE * minus(0)),
        th.Jump(0.2 * minus(1) + 0.1 * RAMP * z(1) + 0.3j * PULSE * minus(0)),
        th.FieldJump(0, {"+": rate, "z": th.SqrtRate(th.GlauberRate(0.6, -1))}, [0.0, 0.5],
                     prefactor=STEPS),
    ])  # fmt: skip


def annealed():
    """A network of four spins whose temperature falls while its transverse field grows."""
    xi = th.random_patterns(n_patterns=2, n_spins=4, rng=3)
    return th.open_hopfield(xi, beta=th.ramp(0.5, 2.0, 1.5, start=0.5), Omega=FITTED)


def pumped_mode():
    """A spin and a mode with driven coupling, drive, loss and gain."""
    g = RAMP * np.array([[0.4]])
    model = th.multimode_dicke(
        g, omega=0.9, Omega=SINE, loss=0.7, decay=PULSE, fock_dim=4, patterns=[[1]]
    )
    drive = SINE * (th.create(1) + th.destroy(1))
    jumps = [*model.jumps, th.Jump(0.3 * STEPS * th.create(1))]
    return th.Model(model.sites, model.hamiltonian + drive, jumps)


def annealed_field():
    return th.open_hopfield([[1, 1, -1]], beta=1.3, Omega=RAMP)


MODELS = {f.__name__: f for f in (driven_pair, annealed, pumped_mode)}


def start_of(model, seed=5):
    rng = np.random.default_rng(seed)
    r = rng.normal(size=(model.n_spins, 3))
    r *= 0.8 / np.linalg.norm(r, axis=1, keepdims=True)
    return th.product_state(model, bloch=r, alpha=[0.2 - 0.1j] * model.n_modes)


def pieces(model, end):
    """Yield the intervals between kinks, with the model within them."""
    kinks = sorted({t for f in model.time_functions for t in f.breaks if 0 < t < end})
    edges = [0.0, *kinks, end]
    for a, b in itertools.pairwise(edges):
        inside = np.nextafter([a, b], [b, a])
        yield a, b, lambda t, inside=inside: model.at(float(np.clip(t, *inside)))


def dense_values(model, start, end, observables):
    """Integrate the master equation of matrices that are built anew at every time."""
    rho = th.evolve(model, start, [0.0], method="Exact").final_state.rho.astype(complex)
    dim = len(rho)
    for a, b, at in pieces(model, end):

        def change(t, v, at=at):
            H, jumps = to_qutip(at(t))
            r, H = v.reshape(dim, dim), H.full()
            out = -1j * (H @ r - r @ H)
            for L in (jump.full() for jump in jumps):
                out += L @ r @ L.conj().T - 0.5 * (L.conj().T @ L @ r + r @ L.conj().T @ L)
            return out.ravel()

        rho = solve_ivp(change, (a, b), rho.ravel(), method="DOP853", rtol=1e-10, atol=1e-12).y
        rho = rho[:, -1].reshape(dim, dim)
    state = th.DenseState(rho.real + rho.imag, model.dims, model.n_spins)
    return {o.name: np.real(state.expect(o.operators)) for o in model.select(observables)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:A mode reached")
def test_exact_follows_all_kinds_of_parameters(name):
    pytest.importorskip("qutip")
    model, end = MODELS[name](), 2.1
    start = start_of(model)
    expected = dense_values(model, start, end, NAMES)
    for tolerance in (1e-6, 1e-9):
        times = [0.0, 0.45, 1.0, end]
        found = th.evolve(
            model, start, times, observables=NAMES, method=th.Exact(tolerance=tolerance)
        )
        for o in NAMES:
            error = np.abs(found.expect[o][-1] - expected[o])
            assert np.all(error <= found.errors[o][-1] + 1e-9), o
            assert np.max(found.errors[o][-1]) < 10 * tolerance + (name == "pumped_mode")


@pytest.mark.parametrize("closure", ["field", "thermodynamic"])
@pytest.mark.parametrize("name", MODELS)
def test_mean_field_follows_all_kinds_of_parameters(name, closure):
    model, end = MODELS[name](), 2.1
    start = start_of(model)
    v = MeanFieldFlow.pack(start)
    for a, b, at in pieces(model, end):
        v = solve_ivp(
            lambda t, v, at=at: MeanFieldFlow(at(t), closure)(t, v), (a, b), v,
            method="DOP853", rtol=1e-10, atol=1e-12,
        ).y[:, -1]  # fmt: skip
    found = th.evolve(model, start, [0.3, end], method=th.MeanField(closure=closure))
    assert np.abs(MeanFieldFlow.pack(found.final_state) - v).max() < 1e-9


def test_quench_is_a_restart():
    """A jump of a parameter inside a run is two runs, with the error of both."""
    model, t = (
        th.open_hopfield([[1, 1, -1, 1]], beta=1.3, Omega=th.ramp(0.2, 1.1, 0.0, start=0.7)),
        1.9,
    )
    start = start_of(model)
    one = th.evolve(model, start, [0.3, t], observables=NAMES, method="Exact")
    first = th.evolve(model.at(0.0), start, [0.3, 0.7], method="Exact")
    second = th.evolve(
        model.at(1.0), first.final_state, [t - 0.7], observables=NAMES, method="Exact"
    )
    for o in NAMES:
        assert np.abs(one.expect[o][-1] - second.expect[o][-1]).max() < 1e-9


def test_values_do_not_depend_on_output_times_and_resumes_have_the_same_bits(tmp_path):
    model = driven_pair()
    start, times = start_of(model), np.linspace(0.1, 2.1, 21)
    whole = th.evolve(model, start, times, observables=NAMES, method="Exact")
    last = th.evolve(model, start, times[-1:], observables=NAMES, method="Exact")
    assert np.abs(whole.expect["sigma_x"][-1] - last.expect["sigma_x"][-1]).max() < 1e-9

    def stop(snapshot):
        if snapshot.time > 1.0:
            raise KeyboardInterrupt

    options = {"observables": NAMES, "method": "Exact", "checkpoint": tmp_path / "run"}
    with pytest.warns(th.TruncationWarning, match="interrupted"):
        part = th.evolve(model, start, times, callback=stop, **options)
    assert len(part.times) < len(times)
    resumed = th.evolve(model, start, times, **options)
    for o in NAMES:
        np.testing.assert_array_equal(resumed.expect[o], whole.expect[o])


@pytest.mark.parametrize("scale", [2.0**40, 2.0**-40])
def test_units_do_not_matter(scale):
    def model(s):
        ramp = th.ramp(0.3 * s, 1.1 * s, 1.3 / s, start=0.4 / s)
        drive = th.sine(0.2 * s, 0.3 * s, 2.1 * s)
        rate = SQUARE * s
        return th.Model(th.spins(2), ramp * x(0) + drive * z(0) * z(1),
                        [th.Jump(math.sqrt(rate) * minus(k)) for k in range(2)])  # fmt: skip

    SQUARE = 0.25
    found = [
        th.evolve(model(s), start_of(model(s)), [0.7 / s, 2.0 / s], observables=NAMES, method=m)
        for s in (1.0, scale) for m in ("Exact", "MeanField")
    ]  # fmt: skip
    for one, other in zip(found[:2], found[2:], strict=True):
        for o in NAMES:
            assert np.abs(one.expect[o] - other.expect[o]).max() < 1e-9


def test_parameters_of_models_may_be_functions():
    ramp = th.ramp(0.2, 0.8, 2.0)
    model = th.independent_spins(2, Omega=[ramp, 0.3], decay=th.pulse(0.7, 0.5, 1.0, rise=0.2),
                                 dephasing=0.1)  # fmt: skip
    now = th.independent_spins(2, Omega=[0.5, 0.3], decay=[0.7, 0.7], dephasing=0.1)
    at = model.at(1.0)
    assert at.site_rates == pytest.approx(now.site_rates, rel=1e-12)
    assert np.abs(
        th.evolve(at, start_of(at), [0.7], observables="sigma_z", method="Exact").expect["sigma_z"]
        - th.evolve(now, start_of(now), [0.7], observables="sigma_z", method="Exact").expect["sigma_z"]
    ).max() < 1e-9  # fmt: skip


@pytest.mark.parametrize("scale", [1.0, 2.0**-20])
def test_small_prefactors_do_not_shorten_steps(scale):
    """The error of interpolated rates counts as much as the rates: units do not matter."""
    rate = th.SqrtRate(th.GlauberRate(1.0, +1))
    jumps = [th.FieldJump(0, {"+": rate}, [0.0, 0.7], argument=th.ramp(0.5, 2.0, 1.5 / scale),
                          prefactor=scale * th.sine(1.0, 0.5, 2.0 * scale))]  # fmt: skip
    model = th.Model(th.spins(2), 0.4 * scale * (x(0) + x(1)), jumps)
    result = th.evolve(model, start_of(model), [2.0 / scale], observables=NAMES, method="Exact")
    assert result.stats["applications"] < 4000


def test_jumps_without_kinks_are_refused_in_time():
    rate = th.SqrtRate(th.GlauberRate(math.inf, +1))
    jump = th.FieldJump(0, {"+": rate}, [0.0, 1.0], argument=th.ramp(-1.0, 2.0, 1.0))
    model = th.Model(th.spins(2), x(0), [jump])
    with pytest.raises(th.ConvergenceError, match="zero temperature"):
        th.evolve(model, start_of(model), [1.0], method="Exact")


def test_digests_of_constant_models_know_nothing_of_time():
    jump = th.FieldJump(0, {"+": th.SqrtRate(th.GlauberRate(1.0, 1))}, [0.0, 0.5])
    assert "argument" not in dumps(jump)
    model, timed = th.Model(th.spins(2), x(0), [jump]), th.Model(th.spins(2), RAMP * x(0), [jump])
    assert model.at(3.0) is model
    assert timed.digest != model.digest
    assert timed.at(9.0).digest == th.Model(th.spins(2), 1.7 * x(0), [jump]).digest


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda m, s: th.evolve(m, s, [1.0], method="TDVP"), "constant in time.*Use `Exact`"),
        (lambda m, s: th.evolve(m, s, [1.0], method="Symmetric"), "constant in time"),
        (lambda m, s: th.steady_state(m), "`steady_state` needs a model that is constant"),
        (lambda m, s: th.liouvillian_spectrum(m), "`liouvillian_spectrum` needs"),
        (lambda m, s: th.correlation(m, s, [1.0], x(0), x(0)), "`correlation` needs"),
        (lambda m, s: th.fixed_points(m), "constant in time"),
        (lambda m, s: th.lindblad_mpo(m), "constant in time"),
        (lambda m, s: th.to_qutip(m), "constant in time"),
        (lambda m, s: th.estimate(m, "TDVP"), "constant in time"),
        (lambda m, s: th.evolve(th.Model(m.sites, th.piecewise([0, 1], [0, 1]) * x(0)), s, [2.0]),
         "stay between 0 and 1"),
        (lambda m, s: th.open_hopfield([[1, 1]], beta=th.sine(0.5, 1.0, 1.0)), "at least 0"),
        (lambda m, s: th.open_hopfield([[1, 1]], beta=1.0, Omega=np.cos), "number"),
        (lambda m, s: th.open_hopfield(th.ramp(0, 1, 1), beta=1.0), "xi"),
        (lambda m, s: th.independent_spins(1, decay=th.sine(0.1, 0.3, 1.0)), "at least 0"),
        (lambda m, s: th.open_hopfield([[1, 1]], beta=1.0, Omega=1j * RAMP), "real"),
        (lambda m, s: th.Model(m.sites, 1j * RAMP * x(0)), "Hermitian"),
    ],
)  # fmt: skip
def test_wrong_uses_get_a_sentence(ask, sentence):
    model = th.Model(th.spins(1), RAMP * x(0), [th.Jump(minus(0))])
    with pytest.raises((ValueError, TypeError), match=sentence):
        ask(model, start_of(model))


def test_errors_of_fits_are_in_the_bar():
    def model(tolerance):
        f = th.fitted(lambda t: np.abs(t - 0.7) ** 1.5, 0.0, 2.0, tolerance=tolerance)
        jumps = [th.Jump(0.5 * minus(0))]
        return th.Model(th.spins(1), f * x(0) + 0.3 * z(0), jumps)

    good, rough = model(1e-9), model(1e-2)
    times = [0.5, 1.0, 2.0]
    runs = [
        th.evolve(m, start_of(m), times, observables=NAMES, method="Exact") for m in (good, rough)
    ]
    for o in NAMES:
        error = np.abs(runs[0].expect[o] - runs[1].expect[o])
        assert np.all(error <= runs[1].errors[o])
        assert np.max(runs[1].errors.sources(o)["rates"]) > 1e3 * np.max(runs[0].errors[o])


def test_automatic_choice_and_estimate():
    model = annealed_field()
    assert th.estimate(model, "auto").time > 0
    assert type(th.evolve(model, start_of(model), [0.5]).method).__name__ == "Exact"
