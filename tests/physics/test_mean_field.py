"""Mean-field equations (17)-(29) of docs/physics.md against the flow that is derived from the terms."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from zoo import BLOCH, PATTERNS, patterns

ACCURACY = 1e-12  # rounding only: both sides are closed expressions
BETA, OMEGA = 13 / 7, 3 / 7


def flow_of(model, state, closure="thermodynamic"):
    """Return the derivatives of the Bloch vectors, shape (n_spins, 3), and of α, shape (n_modes,)."""
    flow = MeanFieldFlow(model, closure)
    change = flow.unpack(flow(0.0, flow.pack(state)))
    return change.bloch, change.alpha


def tilted_bloch(n_spins, seed=4):
    """Return random Bloch vectors of length below 1."""
    return np.random.default_rng(seed).uniform(-1, 1, (n_spins, 3)) / np.sqrt(3)


@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_overlaps_obey_their_own_equations(n_patterns):
    """Eq. (18)."""
    n = 8
    xi = patterns(n_patterns, n)
    model = th.open_hopfield(xi, beta=BETA, Omega=OMEGA)
    bloch = tilted_bloch(n)
    change, _ = flow_of(model, th.product_state(model, bloch=bloch))
    m = xi @ bloch / n
    dm = xi @ change / n
    np.testing.assert_allclose(dm[:, 0], -m[:, 0] / 2, atol=ACCURACY)
    np.testing.assert_allclose(dm[:, 1], -2 * OMEGA * m[:, 2] - m[:, 1] / 2, atol=ACCURACY)
    thermal = xi @ np.tanh(BETA * xi.T @ m[:, 2]) / n
    np.testing.assert_allclose(dm[:, 2], 2 * OMEGA * m[:, 1] - m[:, 2] + thermal, atol=ACCURACY)


def test_spins_obey_the_site_equations_with_longitudinal_field():
    """Eq. (17)."""
    n, b = 6, np.array([1 / 5, -2 / 7, 0, 3 / 11, 1 / 3, -1 / 9])
    xi = patterns(3, n)
    model = th.open_hopfield(xi, beta=BETA, Omega=OMEGA, longitudinal=b)
    r = tilted_bloch(n)
    change, _ = flow_of(model, th.product_state(model, bloch=r))
    x, y, z = r.T
    expected = [
        -2 * b * y - x / 2,
        2 * b * x - 2 * OMEGA * z - y / 2,
        2 * OMEGA * y - z + np.tanh(BETA * xi.T @ (xi @ z) / n),
    ]
    np.testing.assert_allclose(change.T, expected, atol=ACCURACY)


@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_class_vectors_obey_the_class_equations(n_patterns):
    """Eq. (20), after turning the spins with ξ¹ = -1."""
    n = 8
    xi = patterns(n_patterns, n)
    classes = th.pattern_classes(xi)
    K = classes.max() + 1
    f = np.array([(xi * xi[0])[:, np.flatnonzero(classes == k)[0]] for k in range(K)])
    w = np.bincount(classes) / n
    class_bloch = tilted_bloch(K)
    turn = np.stack([np.ones(n), xi[0], xi[0]], axis=1)
    model = th.open_hopfield(xi, beta=BETA, Omega=OMEGA)
    state = th.product_state(model, bloch=turn * class_bloch[classes])
    change = turn * flow_of(model, state)[0]
    x, y, z = class_bloch.T
    m = f.T @ (w * z)
    expected = np.array(
        [-x / 2, -2 * OMEGA * z - y / 2, 2 * OMEGA * y - z + np.tanh(BETA * f @ m)]
    ).T
    np.testing.assert_allclose(change, expected[classes], atol=ACCURACY)
    np.testing.assert_allclose(xi @ state.bloch[:, 2] / n, m, atol=ACCURACY)


@pytest.mark.parametrize("degree", [3, 4, 5])
def test_dense_field_is_a_power_of_the_overlap_in_the_limit(degree):
    n = 8
    xi = patterns(3, n)
    model = th.dense_hopfield(xi, degree=degree, beta=BETA, Omega=OMEGA)
    r = tilted_bloch(n)
    change, _ = flow_of(model, th.product_state(model, bloch=r))
    m = xi @ r[:, 2] / n
    expected = 2 * OMEGA * r[:, 1] - r[:, 2] + np.tanh(BETA * xi.T @ m ** (degree - 1))
    np.testing.assert_allclose(change[:, 2], expected, atol=ACCURACY)


@pytest.mark.parametrize(
    "rates",
    [
        {},
        {
            "decay": [2 / 9, 1 / 5, 0],
            "pumping": [1 / 11, 0, 3 / 8],
            "dephasing": [1 / 17, 2 / 7, 1 / 9],
        },
    ],
    ids=["no local jumps", "all local jumps"],
)
def test_dicke_obeys_its_equations(rates):
    """Eqs. (26), (27) with unequal modes."""
    n, g = 3, np.array([[3 / 7, -2 / 5, 4 / 9], [1 / 3, 5 / 9, -3 / 8]])
    omega, loss, gain = (
        np.array([9 / 7, 6 / 11]),
        np.array([8 / 9, 5 / 7]),
        np.array([1 / 9, 2 / 13]),
    )
    Omega, b = np.array([3 / 8, 5 / 9, 2 / 7]), np.array([1 / 7, 0, -1 / 9])
    model = th.multimode_dicke(
        g, omega=omega, Omega=Omega, loss=loss, gain=gain, longitudinal=b, fock_dim=20, **rates
    )
    r, alpha = tilted_bloch(n), np.array([0.7 - 1.1j, -0.9 + 0.4j])
    change, dalpha = flow_of(model, th.product_state(model, bloch=r, alpha=alpha))
    down, up, phi = (np.array(rates.get(k, np.zeros(n))) for k in ("decay", "pumping", "dephasing"))
    B = g.T @ (2 * alpha.real) + b
    x, y, z = r.T
    damping = (down + up) / 2 + 2 * phi
    expected = [
        -2 * B * y - damping * x,
        2 * B * x - 2 * Omega * z - damping * y,
        2 * Omega * y + up * (1 - z) - down * (1 + z),
    ]
    np.testing.assert_allclose(change.T, expected, atol=ACCURACY)
    np.testing.assert_allclose(
        dalpha, -(1j * omega + (loss - gain) / 2) * alpha - 1j * g @ z, atol=ACCURACY
    )


def test_closures_meet_like_one_over_n():
    """Rates averaged over a product state differ from rates at the mean field by O(1/N) at fixed p."""
    distance = []
    for n in (8, 16, 32):
        xi = np.tile(PATTERNS[:2, :4], n // 4)
        model = th.open_hopfield(xi, beta=BETA, Omega=OMEGA)
        state = th.product_state(
            model, bloch=np.tile([[0.48, 0.36, 0.64], [0.3, -0.5, -0.2]], (n // 2, 1))
        )
        flows = [flow_of(model, state, c)[0] for c in ("thermodynamic", "field", "product")]
        distance.append([np.abs(flows[0] - flow).max() for flow in flows[1:]])
    ratios = np.array(distance[:-1]) / np.array(distance[1:])
    # slope -1 in log-log, with corrections of relative order 1/N
    np.testing.assert_allclose(ratios, 2, atol=0.35)


def test_automatic_closure_is_thermodynamic_for_few_patterns_only():
    method = th.MeanField()
    few = th.open_hopfield(patterns(2, 5), beta=BETA)
    many = th.open_hopfield(patterns(3, 3), beta=BETA)
    J = np.random.default_rng(3).standard_normal((5, 5)) * (1 - np.eye(5))
    random = th.open_hopfield(patterns(2, 5), beta=BETA, couplings=J)
    assert [method.closure_for(m) for m in (few, many, random)] == [
        "thermodynamic",
        "field",
        "field",
    ]


def test_mean_field_of_two_patterns_is_two_independent_networks():
    n = 8
    xi = patterns(2, n)
    classes = th.pattern_classes(xi)
    times = np.linspace(0, 6, 13)
    model = th.open_hopfield(xi, beta=2.0, Omega=3 / 5)
    state = th.product_state(model, bloch=BLOCH)
    both = th.evolve(model, state, times, observables="sigma_z", method="MeanField")
    for k in (0, 1):
        members = np.flatnonzero(classes == k)
        # couplings f·f/N = 2/N inside a class: a network of its own size at another temperature
        alone = th.open_hopfield(xi[:1, members], beta=2.0 * 2 * len(members) / n, Omega=3 / 5)
        part = th.product_state(alone, bloch=BLOCH[members])
        single = th.evolve(alone, part, times, observables="sigma_z", method="MeanField")
        np.testing.assert_allclose(
            both.expect["sigma_z"][:, members], single.expect["sigma_z"], atol=1e-8
        )


def test_spins_of_a_class_forget_their_differences():
    """Deviations from the class mean decay with trace -3/2 and determinant 1/2 + 4Ω²."""
    model = th.open_hopfield(np.ones((1, 4), dtype=int), beta=2.0, Omega=OMEGA)
    state = th.product_state(model, bloch=BLOCH[:4])
    times = np.array([0.0, 0.7, 1.9, 3.0])
    result = th.evolve(model, state, times, observables=["sigma_y", "sigma_z"], method="MeanField")
    from scipy.linalg import expm

    matrix = np.array([[-1 / 2, -2 * OMEGA], [2 * OMEGA, -1]])
    both = np.stack([result.expect["sigma_y"], result.expect["sigma_z"]], axis=1)
    deviation = both - both.mean(axis=2, keepdims=True)
    for t, values in zip(times, deviation, strict=True):
        np.testing.assert_allclose(values, expm(matrix * t) @ deviation[0], atol=1e-9)


def wrong_bits():
    xi = th.orthogonal_patterns(3, 12)
    g = th.pattern_couplings(xi, g=1.0)
    model = th.multimode_dicke(g, omega=[1, 9 / 8, 8 / 7], Omega=1 / 2, loss=1.0, fock_dim=30)
    s = xi[0].astype(float)
    s[[1, 6]] *= -1
    bloch = np.stack([0 * s, 0 * s, s], axis=1)
    return xi, model, th.product_state(model, bloch=bloch, alpha=0.1)


def test_dicke_without_local_jumps_keeps_bloch_lengths():
    xi, model, state = wrong_bits()
    times = np.linspace(0, 20, 41)
    r = th.evolve(
        model, state, times, observables=["sigma_x", "sigma_y", "sigma_z"], method="MeanField"
    )
    bloch = np.stack([r.expect[f"sigma_{a}"] for a in "xyz"], axis=2)
    np.testing.assert_allclose(np.linalg.norm(bloch, axis=2), 1.0, atol=1e-8)
    classes = th.pattern_classes(xi, merge_signs=False)
    for k in range(classes.max() + 1):
        length = np.linalg.norm(bloch[:, classes == k].mean(axis=1), axis=1)
        np.testing.assert_allclose(length, length[0], atol=1e-8)


def test_dicke_without_local_jumps_never_corrects_a_wrong_bit():
    """Antipodal spins of one class stay antipodal, so the overlap cannot exceed its first value."""
    xi, model, state = wrong_bits()
    r = th.evolve(
        model, state, np.linspace(0, 40, 161), observables=["m_z", "sigma_z"], method="MeanField"
    )
    assert np.abs(r.expect["m_z"][:, 0]).max() <= r.expect["m_z"][0, 0] + 1e-8
    classes = th.pattern_classes(xi, merge_signs=False)
    wrong, right = 1, next(k for k in np.flatnonzero(classes == classes[1]) if k not in (1, 6))
    z = r.expect["sigma_z"]
    np.testing.assert_allclose(z[:, wrong], -z[:, right], atol=1e-7)


def test_local_decay_does_change_bloch_lengths():
    _, model, _ = wrong_bits()
    jumps = [*model.jumps, *(th.Jump(0.3 * th.sigma("z")(k)) for k in range(12))]
    damped = th.Model(model.sites, model.hamiltonian, jumps, patterns=model.patterns)
    state = th.product_state(damped, bloch=[0.6, 0, 0.8])
    r = th.evolve(
        damped, state, [3.0], observables=["sigma_x", "sigma_y", "sigma_z"], method="MeanField"
    )
    assert sum(r.expect[f"sigma_{a}"][-1, 0] ** 2 for a in "xyz") < 0.5


def jacobian(model, y, closure="thermodynamic"):
    """Return the Jacobian of the flow, by central differences of step 1e-5: error 1e-10."""
    flow = MeanFieldFlow(model, closure)
    columns = [(flow(0.0, y + 1e-5 * e) - flow(0.0, y - 1e-5 * e)) / 2e-5 for e in np.eye(len(y))]
    return np.array(columns).T


def test_retrieval_point_has_the_predicted_eigenvalues():
    """Trace B - 3/2 and determinant (1 + 8Ω² - B)/2 with B = β(1 - u²); T = 1/2, Ω = 1/5."""
    model = th.open_hopfield([[1, 1]], beta=2.0, Omega=0.2)
    z = 0.6546010457182825
    y = np.tile([0.0, -4 * 0.2 * z, z], 2)
    assert np.abs(MeanFieldFlow(model, "thermodynamic")(0.0, y)).max() < 1e-13
    full = jacobian(model, y)
    J = full[1:3, 1:3] + full[1:3, 4:6]  # both spins moving together
    B = 2.0 * (1 - (1.32 * z) ** 2)
    assert np.trace(J) == pytest.approx(B - 1.5, abs=1e-9)
    assert np.linalg.det(J) == pytest.approx((1.32 - B) / 2, abs=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_normal_state_of_the_dicke_model_loses_stability_at_the_predicted_coupling(scale):
    """Eq. (28) with correlated patterns, unequal modes and shorter Bloch vectors."""
    xi = np.array([[1, 1, 1, 1, 1], [1, 1, 1, -1, -1]])
    omega, delta, Omega = np.array([1.0, 1.5]), 1.0, 0.5
    C = xi @ xi.T / 5
    chi = omega / (omega**2 + delta**2 / 4)
    critical = np.sqrt(Omega / (2 * scale * np.linalg.eigvals(C * chi).real.max()))
    growth = []
    for factor in (0.999, 1.001):
        g = th.pattern_couplings(xi, critical * factor)
        model = th.multimode_dicke(g, omega=omega, Omega=Omega, loss=delta, fock_dim=4)
        state = th.product_state(model, bloch=[-scale, 0, 0])
        eigenvalues = np.linalg.eigvals(jacobian(model, MeanFieldFlow.pack(state)))
        # the static instability is the real eigenvalue that crosses zero
        real = eigenvalues[np.abs(eigenvalues.imag) < 1e-6].real
        growth.append(real[np.argmax(real)])
    assert growth[0] < 1e-6 < growth[1]
