"""No unit of time: all rates times s at times over s, s = 2^40 and 2^-40, every verb and method.

Powers of 2 change no digit of a number, so that samples have the same bits; everything else agrees to
1e-9. The inverse temperature and the couplings in it have no unit.
"""

import numpy as np
import pytest

import tnhop as th
from zoo import gaussian_couplings, scaled

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # few levels
SCALES = [2.0**40, pytest.param(2.0**-40, marks=pytest.mark.slow)]


def hopfield(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 5))
    xi = th.random_patterns(2, n, rng=rng)
    beta = float(rng.choice([0.5, 2.0, 6.0]))
    return th.open_hopfield(xi, beta=beta, Omega=rng.uniform(0.05, 2))


def glauber(seed):
    rng = np.random.default_rng(seed)
    xi = th.random_patterns(2, 5, rng=rng)
    J = gaussian_couplings(5, seed)
    return th.open_hopfield(xi, beta=float(rng.choice([0.7, 3.0, np.inf])), couplings=J)


def cavity(seed):
    rng = np.random.default_rng(seed)
    g, Omega, loss = rng.uniform(0.2, 1.0, 3)
    return th.dicke(3, g=g, omega=1.1, Omega=Omega, loss=0.3 + loss, fock_dim=4)


def written(seed):
    """A model of one's own: XY couplings, a field jump beside ordinary and collective ones."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0.2, 1.5, 3)
    s = th.sigma
    H = a * (s("x")(0) * s("x")(1) + s("y")(0) * s("y")(1)) + 0.3 * s("z")(2) + b * s("x")(2)
    jumps = [th.Jump(c * (s("-")(0) + s("-")(1))), th.Jump(0.4 * s("z")(2)), th.Jump(0.7 * s("-")(2)),
             th.FieldJump(1, {"+": th.SqrtRate(th.GlauberRate(1.3, +1))}, [0.5, 0.0, -0.8])]  # fmt: skip
    return th.Model(th.spins(3), H, jumps)


def ising(seed):
    rng = np.random.default_rng(seed)
    return th.long_range_ising(th.power_law(3, 1.5), Omega=rng.uniform(0.2, 2), decay=0.3)


def flips(seed, s=1.0):
    g = np.random.default_rng(seed).uniform(0.2, 0.9, (1, 3))
    return th.classical_dicke(s * g, omega=s, Omega=0.05 * s, loss=2.0 * s)


MODELS = {"hopfield": hopfield, "glauber": glauber, "cavity": cavity, "written": written,
          "ising": ising, "flips": flips}  # fmt: skip
METHODS = {
    "hopfield": ["Exact", "Symmetric", "MeanField", "TDVP", "TEBD"],
    "glauber": ["Exact", "ClassicalMaster", "KineticMonteCarlo"],
    "cavity": ["Exact", "Symmetric", "MeanField", "TDVP"],
    "written": ["Exact", "MeanField", "TEBD"],
    "ising": ["Exact", "Symmetric", "MeanField", "TDVP"],
    "flips": ["ClassicalMaster", "KineticMonteCarlo"],
}


def cases(methods, costly=()):
    """Return the pairs of a model and one of the methods; with those words in them, slow ones."""
    return [
        pytest.param(name, method, marks=[pytest.mark.slow] * bool({name, method} & set(costly)))
        for name, offered in METHODS.items()
        for method in offered
        if method in methods
    ]


def start_of(model):
    return th.product_state(model, bloch=np.tile([0.0, 0.0, 0.6], (model.n_spins, 1)))


def close(value, reference, scale=1.0):
    np.testing.assert_allclose(value, reference, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize(
    ("name", "method"),
    cases(["Exact", "Symmetric", "MeanField", "ClassicalMaster", "TDVP", "TEBD"]),
)
def test_evolution_has_no_unit(name, method, s):
    model = MODELS[name](3)
    found = []
    for factor in (1.0, s):
        one = scaled(model, factor)
        times = np.array([0.3, 1.1, 4.0]) / factor / model.rate_scale
        found.append(th.evolve(one, start_of(one), times, observables=["sigma_z", "purity"]
                               if method != "MeanField" else "sigma_z", method=method,
                               progress=False))  # fmt: skip
    for observable in found[0].expect:
        close(found[1].expect[observable], found[0].expect[observable])
        close(found[1].errors[observable], found[0].errors[observable])


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize("name", ["glauber", "flips"])
def test_samples_have_the_same_bits_in_every_unit(name, s):
    model = MODELS[name](4)
    found = []
    for factor in (1.0, s):
        one = scaled(model, factor)
        found.append(th.evolve(one, start_of(one), np.array([0.5, 3.0]) / model.rate_scale / factor,
                               observables=["sigma_z", "purity"], rng=8, progress=False,
                               method=th.KineticMonteCarlo(50)))  # fmt: skip
    np.testing.assert_array_equal(found[0].final_state.spins, found[1].final_state.spins)
    for observable in ("sigma_z", "purity"):
        np.testing.assert_array_equal(found[0].expect[observable], found[1].expect[observable])
        sources = [run.errors.sources(observable)["sampling"] for run in found]
        np.testing.assert_array_equal(*sources)


@pytest.mark.parametrize("s", SCALES)
def test_rates_of_modes_have_no_unit(s):
    """The arguments of `classical_dicke` times s make the same bits as its rates times s."""
    h = np.linspace(-0.6, 0.6, 7)
    for one, other in zip(flips(2).jumps, flips(2, s).jumps, strict=True):
        (_, rate), (_, fast) = one.amplitudes[0], other.amplitudes[0]
        np.testing.assert_array_equal(fast(s * h), s**0.5 * rate(h))


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize(
    ("name", "method"),
    cases(["Exact", "Symmetric", "ClassicalMaster", "TDVP"], ["cavity", "TDVP"]),
)
def test_steady_states_have_no_unit(name, method, s):
    model = MODELS[name](5)
    one, other = (
        th.steady_state(
            scaled(model, f), observables="sigma_z", state=start_of(model), method=method
        )
        for f in (1.0, s)
    )
    close(other.expect["sigma_z"], one.expect["sigma_z"])
    assert (one.multiplicity, one.converged) == (other.multiplicity, other.converged)
    close(other.gap / s, one.gap)


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize(
    ("name", "method"),
    cases(["Exact", "Symmetric", "ClassicalMaster"], ["cavity"]),
)
def test_spectra_have_no_unit(name, method, s):
    model = MODELS[name](6)
    one, other = (th.liouvillian_spectrum(scaled(model, f), 4, method=method) for f in (1.0, s))
    close(other.eigenvalues / s, one.eigenvalues, model.rate_scale)


@pytest.mark.parametrize("s", SCALES)
def test_correlations_have_no_unit(s):
    model, up, down = cavity(7), th.sigma("+")(0), th.sigma("-")(0)
    times = np.linspace(0, 3, 4)
    one, other = (th.correlation(scaled(model, f), start_of(model), times / f, up, down,
                                 method="Exact") for f in (1.0, s))  # fmt: skip
    close(other.values, one.values)


@pytest.mark.parametrize("s", SCALES)
def test_fixed_points_have_no_unit(s):
    network = th.open_hopfield([[1]], beta=2.0, Omega=0.2)
    one, other = (th.fixed_points(scaled(network, f), n_starts=4) for f in (1.0, s))
    assert [point.stable for point in other] == [point.stable for point in one]
    assert [str(point).split(",")[0] for point in other] == [
        str(point).split(",")[0] for point in one
    ]
    for a, b in zip(one, other, strict=True):
        close(b.state.bloch, a.state.bloch)
        close(b.eigenvalues / s, a.eigenvalues)
        assert b.speed / s < 1e-10


@pytest.mark.parametrize("s", SCALES)
def test_critical_points_have_no_unit(s):
    def network(Omega, factor=1.0):
        return scaled(th.open_hopfield([[1]], beta=2.0, Omega=Omega), factor)

    start = th.product_state(network(0.2), bloch=[0.0, -0.52, 0.65])
    one = th.critical_point(network, start, 0.2, 0.34)
    other = th.critical_point(lambda Omega: network(Omega, s), start, 0.2, 0.34)
    assert (other.kind, one.kind) == ("Hopf", "Hopf")
    close(other.value, one.value)
    close(other.frequency / s, one.frequency)
    coefficients = [th.lyapunov_coefficient(network(one.value, f), one.point.state)
                    for f in (1.0, s)]  # fmt: skip
    close(*coefficients)


@pytest.mark.slow
@pytest.mark.parametrize("s", SCALES)
def test_limit_cycles_have_no_unit(s):
    network = th.open_hopfield([[1]], beta=2.0, Omega=0.6)
    start = th.product_state(network, bloch=[0.0, 0.0, 0.8])
    one, other = (th.limit_cycle(scaled(network, f), start, n_points=5) for f in (1.0, s))
    close(other.period * s, one.period)
    close(other.times * s, one.times)
    close(other.multipliers, one.multipliers)
    assert (other.stable, other.n_neutral) == (one.stable, one.n_neutral)


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize("method", ["Exact", "Symmetric", "MeanField", "ClassicalMaster",
                                    "KineticMonteCarlo", "TDVP", "TEBD"])  # fmt: skip
def test_costs_have_no_unit(method, s):
    model = glauber(8) if method in ("ClassicalMaster", "KineticMonteCarlo") else ising(8)
    one, other = (
        th.estimate(scaled(model, f), method, state=start_of(model), times=[2.0 / f])
        for f in (1.0, s)
    )
    assert (other.memory, other.time) == pytest.approx((one.memory, one.time), rel=1e-6)


@pytest.mark.parametrize("s", SCALES)
def test_convergence_has_no_unit(s):
    model = written(9)
    ends = [
        th.converge(
            th.Problem(scaled(model, f), start_of(model), [1.0 / f], "sigma_z"),
            {"sigma_z": 1e-6},
            method="Exact",
        )
        for f in (1.0, s)
    ]
    assert ends[0].converged
    assert ends[1].converged
    close(ends[1].result.expect["sigma_z"], ends[0].result.expect["sigma_z"])


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e-11, 1e12])
@pytest.mark.parametrize("method", ["Exact", "ClassicalMaster", "KineticMonteCarlo", "Symmetric"])
def test_couplings_have_no_scale_at_zero_temperature(method, scale):
    xi = np.array([[1, 1, 1, 1, 1], [1, 1, -1, -1, 1]])
    values = []
    for c in (1.0, scale):
        model = th.open_hopfield(xi, beta=np.inf, couplings=c * th.hebb(xi))
        run = th.evolve(model, th.pattern_state(model, overlap=0.9), [3.0], observables="m_z",
                        method=method, rng=2, progress=False)  # fmt: skip
        values.append(run.expect["m_z"])
    close(*values)


@pytest.mark.parametrize("scale", [1e-200, 9e-13, 1.0, 1e12])
def test_a_hamiltonian_is_hermitian_in_no_unit(scale):
    with pytest.raises(ValueError, match="must be Hermitian"):
        th.Model(th.spins(1), scale * th.sigma("+")(0))
    rounded = scale * (th.sigma("+")(0) + (1 + 1e-15) * th.sigma("-")(0))
    assert th.Model(th.spins(1), rounded).n_spins == 1
