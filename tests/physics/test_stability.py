"""Fixed points, bifurcations and cycles of mean field; sections 4 and 15 of docs/physics.md."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tnhop as th
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from tnhop.support.errors import ConvergenceError


def channel(Omega=0.6, T=0.5):
    """One spin that stands for one pattern at N → ∞."""
    return th.open_hopfield([[1]], beta=1 / T, Omega=Omega)


@pytest.mark.parametrize("temperature", [3 / 11, 5 / 9])
def test_hopf_line_of_retrieval_and_its_frequency(temperature):
    line = th.RetrievalChannel(temperature)
    z, y = line.retrieval(0.9 * line.hopf)
    start = th.product_state(channel(), bloch=[0.0, y, z])
    found = th.critical_point(lambda f: channel(f, temperature), start, 0.9 * line.hopf,
                              1.01 * line.hopf)  # fmt: skip
    assert found.kind == "Hopf"
    assert found.value == pytest.approx(line.hopf, abs=1e-10)
    assert found.frequency == pytest.approx(np.sqrt((8 * line.hopf**2 - 0.5) / 2), abs=1e-9)


def test_pitchfork_of_the_paramagnet():
    line = th.RetrievalChannel(5 / 7)
    start = th.product_state(channel(), bloch=[0.0, 0.0, 0.0])
    found = th.critical_point(lambda f: channel(f, 5 / 7), start, 0.1, 0.5)
    assert found.kind == "static"
    assert found.value == pytest.approx(line.pitchfork, abs=1e-10)


def test_hopf_point_of_the_paramagnet_is_supercritical():
    """T = 2/3 and ω² = 4Ω² - 1/4; the cycle opens with z² = 4 (β - 3/2)/β³."""
    start = th.product_state(channel(), bloch=[0.0, 0.0, 0.0])
    found = th.critical_point(lambda T: channel(3 / 7, T), start, 0.5, 0.9)
    assert found.value == pytest.approx(2 / 3, abs=1e-10)
    assert found.frequency == pytest.approx(np.sqrt(4 * 9 / 49 - 0.25), abs=1e-9)
    assert th.lyapunov_coefficient(channel(3 / 7, found.value), found.point.state) < 0
    ratio = []
    for epsilon in (1e-3, 5e-4):
        beta = 1.5 + epsilon
        (cycle,) = th.RetrievalChannel(1 / beta).cycles(3 / 7)
        ratio.append(cycle.z_max**2 / (4 * epsilon / beta**3))
    assert ratio[1] == pytest.approx(1, abs=2e-3)
    assert abs(ratio[1] - 1) < 0.7 * abs(ratio[0] - 1)


def overlaps(model, start, times):
    """Return m_z along an orbit, shape (n_times, n_patterns); accurate enough to see where it ends."""
    flow = MeanFieldFlow(model, "thermodynamic")
    y = MeanFieldFlow.pack(start)
    orbit = solve_ivp(flow, (0, times[-1]), y, "DOP853", t_eval=times, rtol=1e-7, atol=1e-9).y.T
    return orbit.reshape(len(times), -1, 3)[..., 2] @ model.patterns.T / model.n_spins


def lyapunov_by_hand(T, Omega, z):
    """Eq. (71) with the derivatives of tanh written out."""
    b, t = 1 / T, np.tanh(z / T)
    sech = 1 - t**2
    second, third = -2 * b**2 * t * sech, b**3 * (4 * t**2 - 2 * sech) * sech
    A = np.array([[b * sech - 1, 2 * Omega], [-2 * Omega, -0.5]])
    values, vectors = np.linalg.eig(A)
    q, omega = vectors[:, np.argmax(values.imag)], values.imag.max()
    left, duals = np.linalg.eig(A.T)
    p = duals[:, np.argmin(left.imag)]
    p = p / np.conj(np.vdot(p, q))
    along = np.array([1.0, 0.0])
    B = lambda u, v: second * u[0] * v[0] * along  # noqa: E731
    total = third * q[0] ** 2 * q[0].conj() * along - 2 * B(q, np.linalg.solve(A, B(q, q.conj())))
    total = total + B(q.conj(), np.linalg.solve(2j * omega * np.eye(2) - A, B(q, q)))
    return np.vdot(p, total).real / (2 * omega)


@pytest.mark.parametrize("temperature", [0.15, 0.4, 0.65])
def test_retrieval_loses_stability_subcritically(temperature):
    line = th.RetrievalChannel(temperature)
    z, y = line.retrieval(line.hopf)
    state = th.product_state(channel(), bloch=[0.0, y, z])
    found = th.lyapunov_coefficient(channel(line.hopf, temperature), state)
    assert found > 0
    assert found == pytest.approx(lyapunov_by_hand(temperature, line.hopf, z), rel=1e-5)


def test_lyapunov_coefficient_of_no_hopf_point_is_refused():
    state = th.product_state(channel(), bloch=[0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="Argument `state` must be a Hopf point"):
        th.lyapunov_coefficient(channel(), state)


@pytest.mark.slow
def test_order_of_the_lines_and_their_limits():
    for T in (0.05, 0.6):
        line = th.RetrievalChannel(T)
        assert 0.25 < line.fold < line.homoclinic < line.hopf < line.pitchfork
    # T ln T: what is missing to T = 0 falls more slowly than T
    limit = th.RetrievalChannel(0.0)
    gaps = [limit.fold - th.RetrievalChannel(T).fold for T in (0.1, 0.05)]
    assert 1 < gaps[0] / gaps[1] < 2


def test_warm_channels_have_no_cycles():
    line = th.RetrievalChannel(0.8)
    assert np.isnan([line.fold, line.homoclinic, line.hopf]).all()
    assert line.cycles(0.6) == []
    assert [line.phase(f) for f in (0.1, 0.2)] == ["retrieval", "paramagnet"]
    assert np.isnan(th.RetrievalChannel(1.2).pitchfork)


def test_unstable_cycles_at_low_temperature():
    """Forwards no orbit stays near it: the slope is 1e20 and more."""
    outer, inner = th.RetrievalChannel(0.01).cycles(1.0)
    assert outer.stable
    assert inner.slope > 1e6
    assert 0 < inner.y < outer.y


@pytest.mark.parametrize(
    ("temperature", "Omega"), [pytest.param(0.2, 0.51, marks=pytest.mark.slow), (0.45, 0.334)]
)
def test_two_cycles_between_the_fold_and_the_homoclinic_line(temperature, Omega):
    line = th.RetrievalChannel(temperature)
    assert line.fold < Omega < line.homoclinic
    outer, inner = line.cycles(Omega)
    assert outer.stable
    assert not inner.stable
    assert outer.y > inner.y > 0
    # independent: orbits from either side of the inner cycle end in different places
    model = channel(Omega, temperature)
    times = np.linspace(0, 250, 501)
    for factor, cycle in ((0.99, False), (1.01, True)):
        start = th.product_state(model, bloch=[0.0, factor * inner.y, 0.0])
        m = overlaps(model, start, times)
        assert (m[-100:].min() < 0 < m[-100:].max()) == cycle


def test_slope_of_the_return_map_is_its_derivative():
    """Eq. (70) against differences of the map."""
    line, h = th.RetrievalChannel(0.4), 1e-5
    half = line._half_turn(0.6, 0.4)
    ends = [-line._half_turn(0.6, 0.4 + s * h).y for s in (1, -1)]
    assert line._slope(0.6, 0.4, half.y, half) == pytest.approx(
        (ends[0] - ends[1]) / (2 * h), abs=1e-8
    )


def test_multipliers_of_a_cycle():
    """Square of the slope of the half-return map, and exp(-T/2) of the free component x."""
    (known,) = th.RetrievalChannel(0.5).cycles(0.6)
    model = channel()
    cycle = th.limit_cycle(model, th.product_state(model, bloch=[0.1, 0.0, 0.8]), transient=40.0)
    assert cycle.period == pytest.approx(known.period, abs=1e-9)
    expected = sorted([known.slope**2, np.exp(-cycle.period / 2)], reverse=True)
    np.testing.assert_allclose(cycle.multipliers, expected, atol=1e-9)
    assert cycle.defect < 1e-9
    assert cycle.bloch[:, 0, 2].max() == pytest.approx(known.z_max, abs=1e-3)


@pytest.mark.slow
def test_relative_phase_of_two_patterns_is_neutral():
    xi = th.orthogonal_patterns(2, 2)
    model = th.open_hopfield(xi, beta=2.0, Omega=0.6)
    bloch = np.stack([np.zeros(2), 0.1 * xi[0], 0.8 * xi[0]], axis=1)
    cycle = th.limit_cycle(model, th.product_state(model, bloch=bloch), transient=40.0)
    assert cycle.n_neutral == 1
    assert cycle.stable


@pytest.mark.slow
def test_three_patterns_end_on_a_torus_of_two():
    """⟨m₁² + m₂²⟩ is ⟨z²⟩ of one channel's cycle, 0.1799, and one overlap vanishes."""
    xi = th.orthogonal_patterns(3, 4)
    model = th.open_hopfield(xi, beta=2.0, Omega=0.6)
    z = np.array([0.5, 0.3, 0.1]) @ xi
    start = th.product_state(model, bloch=np.stack([0 * z, 0.2 * z, z], axis=1))
    times = np.linspace(0, 500, 2501)
    m = overlaps(model, start, times)
    mean = np.mean(m[-1500:] ** 2, axis=0)
    assert mean.min() < 1e-6
    assert mean.sum() == pytest.approx(0.1799, abs=3e-4)


def test_a_fixed_point_is_no_cycle():
    model = channel(0.2)
    with pytest.raises(ConvergenceError, match="fixed point"):
        th.limit_cycle(model, th.product_state(model, bloch=[0.0, 0.0, 0.8]))


def test_fixed_points_of_general_couplings_are_at_rest():
    rng = np.random.default_rng(3)
    J = rng.normal(size=(5, 5)) / np.sqrt(5)
    np.fill_diagonal(J, 0)
    xi = th.random_patterns(1, 5, rng=1)
    model = th.open_hopfield(xi, beta=13 / 7, Omega=2 / 7, couplings=J, longitudinal=1 / 9)
    points = th.fixed_points(model, closure="field", n_starts=8)
    flow = MeanFieldFlow(model, "field")
    assert points
    for point in points:
        assert np.abs(flow(0.0, MeanFieldFlow.pack(point.state))).max() < 1e-9
        assert len(point.eigenvalues) == 15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: th.RetrievalChannel(-0.1), "Argument `temperature` must be at least 0"),
        (lambda: th.fixed_points(channel(), length=1.2), "Argument `length` must be at most 1"),
        (lambda: th.fixed_points("model"), "Argument `model` must be a Model"),
        (lambda: th.limit_cycle(channel(), "up"), "Argument `start` must be a product state"),
        (lambda: th.critical_point(channel, th.product_state(channel(), bloch=[0, -0.5, 0.6]),
                                   0.1, 0.2), "Argument `high` must be where stability differs"),
    ],
)  # fmt: skip
def test_mistakes(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
