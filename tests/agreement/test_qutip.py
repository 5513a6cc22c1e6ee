"""Exact against QuTiP, with operators written here from patterns, couplings and formulas."""

import numpy as np
import pytest
import scipy.sparse as sp

import tnhop as th
from zoo import ALPHA, BLOCH, gaussian_couplings, patterns

qutip = pytest.importorskip("qutip")

TIMES = np.linspace(0.0, 4.0, 101)
# Both integrators are asked for 1e-10 or better; their errors add up over some hundred steps.
ACCURACY = 1e-8
OPTIONS = {"method": "vern9", "atol": 1e-12, "rtol": 1e-11, "nsteps": 10**6, "progress_bar": ""}


def spin(matrix, k, n_spins, dims=()):
    """Return a spin matrix on spin k of n_spins, followed by modes."""
    factors = [qutip.qeye(2)] * n_spins + [qutip.qeye(d) for d in dims]
    factors[k] = matrix
    return qutip.tensor(factors)


def mode(k, n_spins, dims):
    """Return the annihilation operator of mode k."""
    factors = [qutip.qeye(2)] * n_spins + [qutip.qeye(d) for d in dims]
    factors[n_spins + k] = qutip.destroy(dims[k])
    return qutip.tensor(factors)


def thermal_jumps(fields, beta):
    """Return √Γ±(h_k) σ±_k for diagonal fields, shape (n_configurations, n_spins)."""
    n_spins = fields.shape[1]
    jumps = []
    for k in range(n_spins):
        for sign, flip in ((1, qutip.sigmap()), (-1, qutip.sigmam())):
            rate = 1 / (1 + np.exp(-2 * sign * beta * fields[:, k]))
            amplitude = qutip.Qobj(sp.diags_array(np.sqrt(rate)), dims=[[2] * n_spins] * 2)
            jumps.append(amplitude * spin(flip, k, n_spins))
    return jumps


def product(bloch, alpha=(), dims=()):
    """Return the product of (1 + r·σ)/2 and truncated, normalised coherent states."""
    x, y, z = qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()
    factors = [(qutip.qeye(2) + r[0] * x + r[1] * y + r[2] * z) / 2 for r in bloch]
    for a, d in zip(alpha, dims, strict=True):
        ket = qutip.coherent(d, a, method="analytic").unit()
        factors.append(ket * ket.dag())
    return qutip.tensor(factors)


def paulis(n_spins, dims=()):
    """Return σˣ, σʸ, σᶻ of every spin, axis by axis."""
    matrices = (qutip.sigmax(), qutip.sigmay(), qutip.sigmaz())
    return [spin(m, k, n_spins, dims) for m in matrices for k in range(n_spins)]


def solve(H, jumps, rho, operators):
    """Return expectation values, shape (n_operators, n_times)."""
    return np.array(qutip.mesolve(H, rho, TIMES, jumps, e_ops=operators, options=OPTIONS).expect)


def hopfield(J, beta, Omega, b, bloch):
    """Return site Bloch vectors of the Hopfield network, shape (3, n_spins, n_times)."""
    n = len(J)
    s = np.array([[1 - 2 * bit for bit in bits] for bits in np.ndindex(*(2,) * n)])
    H = sum(
        Omega[k] * spin(qutip.sigmax(), k, n) + b[k] * spin(qutip.sigmaz(), k, n) for k in range(n)
    )
    values = solve(H, thermal_jumps(s @ J.T, beta), product(bloch), paulis(n))
    return values.reshape(3, n, -1)


def assert_overlaps_agree(result, sites, xi):
    n = xi.shape[1]
    for a, axis in enumerate("xyz"):
        expected = (xi @ sites[a] / n).T
        np.testing.assert_allclose(result.expect[f"m_{axis}"], expected, rtol=0, atol=ACCURACY)
        np.testing.assert_allclose(
            result.expect[f"sigma_{axis}"], sites[a].T, rtol=0, atol=ACCURACY
        )


SPIN_NAMES = ["m_x", "m_y", "m_z", "sigma_x", "sigma_y", "sigma_z"]
SIZES = [*((n, p) for n in range(2, 7) for p in (1, 2, 3)), (7, 3)]


@pytest.mark.parametrize(("n_spins", "n_patterns"), SIZES)
def test_hopfield_agrees(n_spins, n_patterns):
    xi, beta = patterns(n_patterns, n_spins), 13 / 7
    Omega = np.array([3 / 5, 2 / 7, 5 / 9, 4 / 11, 1 / 3, 6 / 13, 2 / 5])[:n_spins]
    b = np.array([1 / 9, 0, -2 / 11, 1 / 7, 0, 3 / 13, 1 / 5])[:n_spins]
    J = xi.T @ xi / n_spins - n_patterns / n_spins * np.eye(n_spins)
    model = th.open_hopfield(xi, beta=beta, Omega=Omega, longitudinal=b)
    state = th.product_state(model, bloch=BLOCH[:n_spins])
    result = th.evolve(model, state, TIMES, observables=SPIN_NAMES, method="Exact")
    assert_overlaps_agree(result, hopfield(J, beta, Omega, b, BLOCH[:n_spins]), xi)


def test_hopfield_with_asymmetric_gaussian_couplings_agrees():
    n_spins, beta, Omega, b = 4, 9 / 7, np.full(4, 3 / 7), np.zeros(4)
    J, xi = gaussian_couplings(n_spins, seed=31), patterns(2, n_spins)
    model = th.open_hopfield(xi, beta=beta, Omega=3 / 7, couplings=J)
    state = th.product_state(model, bloch=BLOCH[:n_spins])
    result = th.evolve(model, state, TIMES, observables=SPIN_NAMES, method="Exact")
    assert_overlaps_agree(result, hopfield(J, beta, Omega, b, BLOCH[:n_spins]), xi)


@pytest.mark.parametrize("degree", [3, 4])
def test_dense_hopfield_agrees(degree):
    """The local field is half the energy cost, computed from E = -(N/n) Σ mⁿ itself."""
    n, beta, Omega = 4, 11 / 7, 5 / 13
    xi = patterns(2, n)
    s = np.array([[1 - 2 * bit for bit in bits] for bits in np.ndindex(*(2,) * n)])
    energy = lambda s: -n / degree * ((s @ xi.T / n) ** degree).sum(axis=-1)  # noqa: E731
    fields = np.empty(s.shape)
    for k in range(n):
        flipped = s.copy()
        flipped[:, k] *= -1
        fields[:, k] = s[:, k] * (energy(flipped) - energy(s)) / 2
    H = sum(Omega * spin(qutip.sigmax(), k, n) for k in range(n))
    values = solve(H, thermal_jumps(fields, beta), product(BLOCH[:n]), paulis(n))
    model = th.dense_hopfield(xi, degree=degree, beta=beta, Omega=Omega)
    state = th.product_state(model, bloch=BLOCH[:n])
    result = th.evolve(model, state, TIMES, observables=SPIN_NAMES, method="Exact")
    assert_overlaps_agree(result, values.reshape(3, n, -1), xi)


DICKE = {
    "one spin, one mode": (1, [9], {}),
    "two spins, one mode, gain": (2, [8], {"gain": [2 / 9]}),
    "two spins, two modes": (2, [5, 4], {}),
    "two spins, two modes, gain and local jumps": (
        2, [5, 4], {"gain": [1 / 9, 2 / 11], "decay": [3 / 11, 1 / 7], "pumping": [1 / 13, 2 / 9],
                    "dephasing": [1 / 17, 1 / 5]}),
    "three spins, one mode, decay": (3, [6], {"decay": [3 / 11, 1 / 7, 2 / 5]}),
    "three spins, two modes, gain": (3, [5, 4], {"gain": [1 / 9, 2 / 11]}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # both sides keep the same levels
@pytest.mark.parametrize(("n_spins", "dims", "rates"), DICKE.values(), ids=DICKE.keys())
def test_dicke_agrees(n_spins, dims, rates):
    n_modes = len(dims)
    g = np.array([[3 / 7, -2 / 5, 4 / 9], [1 / 3, 5 / 9, -3 / 8]])[:n_modes, :n_spins]
    omega, loss = np.array([9 / 7, 6 / 11])[:n_modes], np.array([8 / 9, 5 / 7])[:n_modes]
    Omega, b = np.array([3 / 8, 5 / 9, 2 / 7])[:n_spins], np.array([1 / 7, 0, -1 / 9])[:n_spins]
    xi = patterns(2, n_spins)
    H, jumps, operators = 0, [], paulis(n_spins, dims)
    for i in range(n_spins):
        H += Omega[i] * spin(qutip.sigmax(), i, n_spins, dims)
        H += b[i] * spin(qutip.sigmaz(), i, n_spins, dims)
        for name, matrix in (("decay", qutip.sigmam()), ("pumping", qutip.sigmap()),
                             ("dephasing", qutip.sigmaz())):  # fmt: skip
            if name in rates:
                jumps.append(np.sqrt(rates[name][i]) * spin(matrix, i, n_spins, dims))
    for k in range(n_modes):
        a = mode(k, n_spins, dims)
        H += omega[k] * a.dag() * a
        for i in range(n_spins):
            H += g[k, i] * spin(qutip.sigmaz(), i, n_spins, dims) * (a + a.dag())
        jumps.append(np.sqrt(loss[k]) * a)
        if "gain" in rates:
            jumps.append(np.sqrt(rates["gain"][k]) * a.dag())
        operators += [a.dag() * a, a]
    alpha = ALPHA[:n_modes]
    values = solve(H, jumps, product(BLOCH[:n_spins], alpha, dims), operators)
    model = th.multimode_dicke(
        g, omega=omega, Omega=Omega, loss=loss, longitudinal=b, fock_dim=dims, patterns=xi,
        n_spins=n_spins, **rates,
    )  # fmt: skip
    state = th.product_state(model, bloch=BLOCH[:n_spins], alpha=alpha)
    names = [*SPIN_NAMES, "occupation", "alpha"]
    result = th.evolve(model, state, TIMES, observables=names, method="Exact")
    assert_overlaps_agree(result, values[: 3 * n_spins].real.reshape(3, n_spins, -1), xi)
    modes = values[3 * n_spins :].reshape(n_modes, 2, -1)
    for name, row in (("occupation", 0), ("alpha", 1)):
        np.testing.assert_allclose(result.expect[name], modes[:, row].T, rtol=0, atol=ACCURACY)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")  # both sides keep the same levels
def test_collective_dicke_agrees():
    """`dicke` couples every spin with g/√N."""
    n, d, g, omega, Omega, loss, gain = 2, 8, 5 / 7, 8 / 7, 4 / 9, 7 / 6, 2 / 9
    a = mode(0, n, [d])
    Sz, Sx = (sum(spin(m, k, n, [d]) for k in range(n)) for m in (qutip.sigmaz(), qutip.sigmax()))
    H = omega * a.dag() * a + g / np.sqrt(n) * Sz * (a + a.dag()) + Omega * Sx
    jumps = [np.sqrt(loss) * a, np.sqrt(gain) * a.dag()]
    rho = product(BLOCH[:n], ALPHA[:1], [d])
    values = solve(H, jumps, rho, [Sz / n, Sx / n, a.dag() * a, a])
    model = th.dicke(n, g=g, omega=omega, Omega=Omega, loss=loss, gain=gain, fock_dim=d)
    state = th.product_state(model, bloch=BLOCH[:n], alpha=ALPHA[:1])
    result = th.evolve(model, state, TIMES, method="Exact")
    for name, expected in zip(("m_z", "m_x", "occupation", "alpha"), values, strict=True):
        np.testing.assert_allclose(result.expect[name][:, 0], expected, rtol=0, atol=ACCURACY)


def test_eliminated_dicke_agrees():
    """Eq. (31) of docs/physics.md with 𝒜 from its integral, one exponential of H_S per time."""
    n, Omega = 3, np.array([3 / 8, 5 / 9, 2 / 7])
    g = np.array([[3 / 7, -2 / 5, 1 / 9], [1 / 3, 5 / 9, 2 / 7]]) / 2
    omega, loss, gain = [9 / 7, 6 / 11], [8 / 9, 5 / 7], [1 / 7, 2 / 13]
    X, Z = ([spin(m, k, n) for k in range(n)] for m in (qutip.sigmax(), qutip.sigmaz()))
    HS = sum(Omega[k] * X[k] for k in range(n))
    H, jumps, liouville = HS, [], qutip.spre(HS) - qutip.spost(HS)
    for k in range(2):
        delta = loss[k] - gain[k]
        rate = 1j * omega[k] + delta / 2
        G = sum(g[k, i] * Z[i] for i in range(n))
        # λ A + i [H_S, A] = -i G, solved as a linear system
        system = (rate * qutip.qeye_like(liouville) + 1j * liouville).full()
        vector = np.linalg.solve(system, -1j * qutip.operator_to_vector(G).full())
        A = qutip.Qobj(vector.reshape(8, 8, order="F"), dims=G.dims)
        n_bar = gain[k] / delta
        odd = A - A.dag()
        H = H + (A.dag() * G + G * A) / 2 + n_bar / 2 * (G * odd - odd * G)
        jumps += [np.sqrt(loss[k]) * A, np.sqrt(gain[k]) * A.dag()]
    values = solve(H, jumps, product(BLOCH[:n]), paulis(n)).reshape(3, n, -1)
    model = th.eliminated_dicke(g, omega=omega, Omega=Omega, loss=loss, gain=gain)
    state = th.product_state(model, bloch=BLOCH[:n])
    result = th.evolve(model, state, TIMES, observables=SPIN_NAMES[3:], method="Exact")
    for a, axis in enumerate("xyz"):
        np.testing.assert_allclose(result.expect[f"sigma_{axis}"], values[a].T, atol=ACCURACY)


def test_hebbian_ising_agrees():
    n, xi = 4, patterns(2, 4)
    rates = {
        "decay": [3 / 8, 1 / 5, 0, 2 / 7],
        "pumping": [1 / 9, 0, 1 / 7, 0],
        "dephasing": [0, 1 / 7, 0, 2 / 11],
    }
    Omega, b = np.array([5 / 9, 2 / 7, 3 / 8, 4 / 11]), np.array([2 / 7, 0, -1 / 5, 1 / 9])
    X, Z = ([spin(m, k, n) for k in range(n)] for m in (qutip.sigmax(), qutip.sigmaz()))
    H = sum(Omega[k] * X[k] + b[k] * Z[k] for k in range(n))
    for i in range(n):
        for j in range(i + 1, n):
            H = H - float(xi[:, i] @ xi[:, j]) / n * Z[i] * Z[j]
    matrices = {"decay": qutip.sigmam(), "pumping": qutip.sigmap(), "dephasing": qutip.sigmaz()}
    jumps = [
        np.sqrt(r) * spin(matrices[name], k, n)
        for name in rates
        for k, r in enumerate(rates[name])
        if r
    ]
    values = solve(H, jumps, product(BLOCH[:n]), paulis(n)).reshape(3, n, -1)
    model = th.hebbian_ising(xi, Omega=Omega, longitudinal=b, **rates)
    state = th.product_state(model, bloch=BLOCH[:n])
    result = th.evolve(model, state, TIMES, observables=SPIN_NAMES, method="Exact")
    assert_overlaps_agree(result, values, xi)


def test_steady_state_agrees():
    n, xi, beta, Omega = 4, patterns(2, 4), 13 / 7, np.array([3 / 5, 2 / 7, 5 / 9, 4 / 11])
    s = np.array([[1 - 2 * bit for bit in bits] for bits in np.ndindex(*(2,) * n)])
    J = xi.T @ xi / n - 2 / n * np.eye(n)
    H = sum(Omega[k] * spin(qutip.sigmax(), k, n) for k in range(n))
    rho = qutip.steadystate(H, thermal_jumps(s @ J.T, beta), method="direct").full()
    steady = th.steady_state(th.open_hopfield(xi, beta=beta, Omega=Omega))
    # direct solve of a 256-dimensional system with condition number about 100
    np.testing.assert_allclose(steady.state.rho, rho, rtol=0, atol=1e-11)


def test_leading_eigenvalues_agree():
    n, d, g, omega, Omega, loss = 1, 8, 5 / 7, 8 / 7, 4 / 9, 7 / 6
    a, z, x = mode(0, n, [d]), spin(qutip.sigmaz(), 0, n, [d]), spin(qutip.sigmax(), 0, n, [d])
    H = omega * a.dag() * a + g * z * (a + a.dag()) + Omega * x
    values = qutip.liouvillian(H, [np.sqrt(loss) * a]).eigenenergies()
    values = values[np.argsort(-values.real)][:7]
    model = th.dicke(1, g=g, omega=omega, Omega=Omega, loss=loss, fock_dim=d)
    found = th.liouvillian_spectrum(model, 7).eigenvalues
    assert max(np.abs(values - value).min() for value in found) < 1e-9


def test_to_qutip_hands_over_the_same_physics():
    model = th.open_hopfield(
        patterns(2, 3), beta=13 / 7, Omega=[3 / 5, 2 / 7, 5 / 9], longitudinal=1 / 9
    )
    state = th.product_state(model, bloch=BLOCH[:3])
    H, jumps = th.to_qutip(model)
    rho = th.to_qutip(state)
    last = qutip.mesolve(H, rho, [0.0, 1.7], jumps, options=OPTIONS).states[-1]
    result = th.evolve(model, state, [1.7], method="Exact")
    difference = (th.to_qutip(result.final_state) - last).full()
    assert np.abs(difference).max() < ACCURACY


def test_to_qutip_keeps_the_order_of_the_sites():
    model = th.multimode_dicke(
        [[3 / 7, -2 / 5]], omega=9 / 7, Omega=3 / 8, loss=8 / 9, fock_dim=5, decay=[2 / 9, 0]
    )
    H, jumps = th.to_qutip(model)
    a, x, z = mode(0, 2, [5]), qutip.sigmax(), qutip.sigmaz()
    expected = 9 / 7 * a.dag() * a
    for i, g in enumerate((3 / 7, -2 / 5)):
        expected = expected + 3 / 8 * spin(x, i, 2, [5]) + g * spin(z, i, 2, [5]) * (a + a.dag())
    assert H.dims == [[2, 2, 5], [2, 2, 5]]
    assert np.abs((H - expected).full()).max() < 1e-14
    assert len(jumps) == 2
    assert (
        np.abs((jumps[0] - np.sqrt(2 / 9) * spin(qutip.sigmam(), 0, 2, [5])).full()).max() < 1e-14
    )
    state = th.to_qutip(th.product_state(model, bloch=BLOCH[:2], alpha=0.2 - 0.1j), model=model)
    assert np.abs((state - product(BLOCH[:2], [0.2 - 0.1j], [5])).full()).max() < 1e-14


@pytest.mark.parametrize(
    "method",
    ["Exact", "Symmetric", "TDVP", "TEBD", "MeanField", "ClassicalMaster", "classes",
     th.KineticMonteCarlo(50)],
)  # fmt: skip
def test_to_qutip_of_every_state_has_its_expectation_values(method):
    classical = method in ("ClassicalMaster", "classes", th.KineticMonteCarlo(50))
    xi = [[1, -1, 1, 1]] if method == "classes" else [[1, -1, 1, 1], [1, 1, -1, 1]]
    model = th.open_hopfield(xi, beta=1.3, Omega=0.0 if classical else 0.4)
    start = th.pattern_state(model, overlap=0.6)
    state = th.evolve(
        model, start, [0.7], method="ClassicalMaster" if method == "classes" else method, rng=1
    ).final_state
    rho = th.to_qutip(state)
    assert rho.dims == [[2] * 4, [2] * 4]
    operators = [th.sigma(axis)(k) for axis in "xyz" for k in range(4)]
    pairs = [(0, 1), (1, 3), (2, 3)]
    operators += [th.sigma("z")(i) * th.sigma("z")(j) for i, j in pairs]
    matrices = paulis(4)
    matrices += [spin(qutip.sigmaz(), i, 4) * spin(qutip.sigmaz(), j, 4) for i, j in pairs]
    found = [(rho * matrix).tr() for matrix in matrices]
    np.testing.assert_allclose(found, state.expect(operators), atol=1e-12)


def test_to_qutip_of_a_chain_with_modes():
    model = th.dicke(2, g=0.5, omega=1.1, Omega=0.4, loss=0.3, fock_dim=5)
    start = th.product_state(model, bloch=BLOCH[:2], alpha=0.3)
    state = th.evolve(model, start, [0.5], method=th.TDVP(fock_tolerance=0)).final_state
    rho, a = th.to_qutip(state), mode(0, 2, [5])
    assert rho.dims == [[2, 2, 5]] * 2
    found = [(rho * matrix).tr() for matrix in (*paulis(2, [5]), a, a.dag() * a)]
    operators = [th.sigma(axis)(k) for axis in "xyz" for k in range(2)]
    known = state.expect([*operators, th.destroy(2), th.number(2)])
    np.testing.assert_allclose(found, known, atol=1e-12)


@pytest.mark.parametrize("method", ["TDVP", "ClassicalMaster", th.KineticMonteCarlo(10)])
def test_to_qutip_of_large_states_is_refused(method):
    n, Omega = (13, 0.0) if method != "TDVP" else (13, 0.2)
    model = th.open_hopfield(th.random_patterns(4, n, rng=1), beta=1.0, Omega=Omega)
    start = th.pattern_state(model)
    state = th.evolve(model, start, [0.0], method=method, observables="m_z", rng=1).final_state
    with pytest.raises(ValueError, match=r"`item` must have at most 4096 Hilbert space dimensions"):
        th.to_qutip(state)
