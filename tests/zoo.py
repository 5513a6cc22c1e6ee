"""Small instances of every model, models that no function makes, and matrices built without tnhop.

Parameters are odd rationals, patterns uneven, frequencies unequal and states tilted, so that no symmetry
can hide a wrong index or sign.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

import tnhop as th
from tnhop.physics.observables import standard_observables
from tnhop.solvers.exact.block_lindbladian import pack, unpack
from tnhop.solvers.exact.dense_state import Lindbladian
from tnhop.solvers.symmetric.spin_classes import find_classes

PATTERNS = np.array(
    [[1, 1, -1, 1, -1, 1, 1, -1], [1, -1, -1, -1, 1, 1, -1, -1], [1, 1, 1, -1, -1, 1, -1, 1]]
)
BLOCH = np.array(
    [[0.48, 0.36, 0.8], [-0.36, 0.48, 0.64], [0.28, -0.6, -0.42], [0.1, 0.7, -0.3], [-0.5, -0.2, 0.6],
     [0.3, 0.4, 0.5], [0.6, -0.1, -0.7], [-0.2, 0.3, 0.9]]
)  # fmt: skip
ALPHA = np.array([0.21 - 0.13j, -0.11 + 0.17j])


def patterns(n_patterns: int, n_spins: int) -> np.ndarray:
    """Return the corner of PATTERNS: uneven, correlated, with different columns."""
    return PATTERNS[:n_patterns, :n_spins]


def tilted(model: th.Model, scale: float = 1.0) -> th.ProductState:
    """Return a product state with different, tilted Bloch vectors and complex amplitudes."""
    bloch = BLOCH[: model.n_spins] if model.n_spins else None
    return th.product_state(model, bloch=bloch, alpha=scale * ALPHA[: model.n_modes])


def gaussian_couplings(n_spins: int, seed: int = 5) -> np.ndarray:
    """Return asymmetric Gaussian couplings with zero diagonal."""
    J = np.random.default_rng(seed).standard_normal((n_spins, n_spins)) / np.sqrt(n_spins)
    np.fill_diagonal(J, 0.0)
    return J


def with_levels(model: th.Model, fock_dim: int) -> th.Model:
    """Return the model with another number of Fock levels."""
    sites = th.spins(model.n_spins) + th.modes(model.n_modes, fock_dim=fock_dim)
    return th.Model(sites, model.hamiltonian, model.jumps, patterns=model.patterns)


# Instances of ALL_MODELS; the word before the colon is the function.


def _made() -> Iterator[tuple[str, th.Model]]:
    xi = patterns(2, 3)
    yield (
        "open_hopfield: Hebb",
        th.open_hopfield(xi, beta=7 / 5, Omega=3 / 7, longitudinal=[2 / 9, -1 / 7, 3 / 11]),
    )
    yield (
        "open_hopfield: asymmetric couplings",
        th.open_hopfield(
            patterns(1, 4),
            beta=5 / 4,
            Omega=[2 / 7, 3 / 5, 1 / 9, 5 / 11],
            couplings=gaussian_couplings(4),
        ),
    )
    yield "open_hopfield: zero temperature", th.open_hopfield(xi, beta=np.inf, Omega=2 / 9)
    yield (
        "dense_hopfield: three-body",
        th.dense_hopfield(xi, degree=3, beta=9 / 7, Omega=4 / 11, longitudinal=1 / 13),
    )
    yield (
        "dense_hopfield: one pattern, four-body",
        th.dense_hopfield(patterns(1, 3), degree=4, beta=11 / 7, Omega=5 / 13),
    )
    yield "multimode_dicke: two modes", th.multimode_dicke(
        [[3 / 7, -2 / 5], [1 / 3, 5 / 9]], omega=[9 / 7, 6 / 11], Omega=[3 / 8, 5 / 9],
        loss=[8 / 9, 5 / 7], gain=[0, 2 / 13], fock_dim=[4, 3], longitudinal=1 / 7, decay=[2 / 9, 0],
        pumping=1 / 11, dephasing=1 / 17,
    )  # fmt: skip
    yield (
        "multimode_dicke: more modes than spins",
        th.multimode_dicke(
            [[3 / 7], [1 / 3]],
            omega=[9 / 7, -6 / 11],
            Omega=3 / 8,
            loss=8 / 9,
            fock_dim=4,
            n_spins=1,
        ),
    )
    yield (
        "dicke: with gain",
        th.dicke(2, g=5 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, gain=2 / 9, fock_dim=5),
    )
    yield (
        "hebbian_ising: all local jumps",
        th.hebbian_ising(
            xi,
            Omega=5 / 9,
            longitudinal=2 / 7,
            decay=3 / 8,
            pumping=1 / 9,
            dephasing=[1 / 7, 0, 2 / 11],
        ),
    )
    yield (
        "long_range_ising: power law",
        th.long_range_ising(th.power_law(4, 3 / 2), Omega=4 / 7, decay=2 / 9),
    )
    yield "eliminated_dicke: with gain", th.eliminated_dicke(
        [[3 / 7, -2 / 5, 1 / 9], [1 / 3, 5 / 9, 2 / 7]], omega=[9 / 7, 6 / 11], Omega=[3 / 8, 5 / 9, 0],
        loss=[8 / 9, 5 / 7], gain=[1 / 7, 2 / 13],
    )  # fmt: skip
    yield "classical_dicke: distinct spins", th.classical_dicke(
        [[3 / 7, -2 / 5, 1 / 9], [1 / 3, 5 / 9, 2 / 7]], omega=[9 / 7, 6 / 11],
        Omega=[3 / 8, 5 / 9, 1 / 4], loss=[8 / 9, 5 / 7], gain=[1 / 7, 2 / 13],
    )  # fmt: skip
    yield "classical_dicke: opposite spins flip together", th.classical_dicke(
        [[3 / 7, 1 / 9, -3 / 7], [1 / 3, 2 / 7, -1 / 3]], omega=[9 / 7, 6 / 11],
        Omega=[3 / 8, 5 / 9, 1 / 4], loss=[8 / 9, 5 / 7], gain=[0, 2 / 13],
    )  # fmt: skip
    yield (
        "independent_spins: detuned",
        th.independent_spins(
            3,
            Omega=[3 / 7, 0, 5 / 9],
            longitudinal=[1 / 5, 2 / 7, 0],
            decay=3 / 8,
            pumping=[0, 1 / 7, 0],
        ),
    )
    yield (
        "damped_mode: driven",
        th.damped_mode(omega=9 / 7, drive=2 / 7, loss=7 / 9, gain=1 / 8, fock_dim=7),
    )


# Models that no function of tnhop makes.


def _bump(h: np.ndarray) -> np.ndarray:
    return 0.3 + 0.2 * np.sin(1.7 * h + 0.4) ** 2


def _slope(h: np.ndarray) -> np.ndarray:
    return 0.5 + np.tanh(0.8 * h) / 3


def random_smooth_rate(bound: float, seed: int = 11) -> th.ChebyshevRate:
    """Return a fitted random function that is positive on |h| <= bound."""
    a, k, phase = np.random.default_rng(seed).uniform(0.2, 1.4, (3, 4))
    return th.ChebyshevRate.fit(
        lambda h: 0.05 + (np.cos(np.multiply.outer(h, k) + phase) @ a) ** 2 / 9, bound
    )


def random_rates() -> th.Model:
    """Random couplings, a random fitted rate up and plain callables down."""
    J = gaussian_couplings(3, seed=8)
    up = th.SqrtRate(random_smooth_rate(float(np.abs(J).sum(axis=1).max())))
    jumps = [th.FieldJump(k, {"+": up}, J[k], self_field=0.2) for k in range(3)]
    jumps += [th.FieldJump(k, {"-": _slope}, J[k]) for k in range(3)]
    H = th.Operator.sum((0.3 + 0.1 * k) * th.sigma("x")(k) for k in range(3))
    return th.Model(th.spins(3), H, jumps, patterns=patterns(2, 3))


def random_terms(n_spins: int = 3, seed: int = 3) -> th.Model:
    """Random one-, two- and three-body terms, jumps that are sums of them with complex coefficients."""
    rng = np.random.default_rng(seed)
    number = lambda: complex(*rng.standard_normal(2)) / 3  # noqa: E731
    names = ["x", "y", "z", "+", "-", "up", "down"]
    half = [
        th.Term(number(), {int(s): str(rng.choice(names)) for s in rng.permutation(n_spins)[:size]})
        for size in (1, 1, 2, 2, 2, 3)
    ]
    part = th.Operator(tuple(half))
    jumps = [
        th.Jump(
            number() * th.sigma("-")(0)
            + number() * th.sigma("z")(1) * th.sigma("y")(n_spins - 1)
            + number() * th.sigma("up")(1)
        ),
        th.Jump(number() * th.sigma("+")(1) * th.sigma("-")(0) + 0.3j * th.identity()),
        th.Jump(number() * th.sigma("x")(n_spins - 1) + number() * th.sigma("-")(n_spins - 1)),
    ]
    return th.Model(th.spins(n_spins), part + part.dag(), jumps)


def complex_amplitudes() -> th.Model:
    """Field jumps with two operators in one jump, one of them with a complex amplitude."""
    J = gaussian_couplings(3, seed=2)
    turned = th.ScaledRate(0.6 - 0.7j, th.SqrtRate(th.GlauberRate(4 / 3, -1)))
    jumps = [th.FieldJump(k, {"-": turned, "x": _bump}, J[k]) for k in range(3)]
    jumps.append(th.FieldJump(1, {"z": _slope, "+": turned, "up": th.ConstantRate(0.3)}, J[1]))
    return th.Model(th.spins(3), 0.4 * th.sigma("x")(0) * th.sigma("y")(2), jumps)


def two_fields() -> th.Model:
    """A jump that sees two fields, with two operators and a complex amplitude."""
    f = np.array([[0.0, 0.4, -0.3], [0.0, 0.2, 0.5]])
    rate = th.DenseGlauberRate(9 / 7, -1, 3, (1, -1), 1 / 3)
    amplitudes = {"-": th.ScaledRate(0.5 + 0.8j, th.SqrtRate(rate)), "y": th.ConstantRate(0.2)}
    H = 0.3 * th.sigma("x")(0) - 0.2 * th.sigma("z")(1) + 0.5 * th.sigma("y")(2)
    return th.Model(th.spins(3), H, [th.FieldJump(0, amplitudes, f, self_field=(0.1, -0.2))])


def spin_mode() -> th.Model:
    """Exchange, dispersive shift and squeezing, with a jump that acts on spin and mode together."""
    lower, raise_, a, b = th.sigma("-")(0), th.sigma("+")(1), th.destroy(2), th.destroy(3)
    swap = (0.4 - 0.3j) * raise_ * a + 0.2j * a * a + 0.3 * th.create(2) * b
    H = swap + swap.dag() + 0.7 * th.number(2) * th.sigma("z")(0) - 0.4 * th.number(3)
    jumps = [
        th.Jump(0.5 * lower * th.create(2)),
        th.Jump(0.6 * a - 0.3j * b),
        th.Jump(0.4 * th.sigma("z")(1) * b + 0.2j * a),
        th.Jump(0.3 * th.number(3) + 0.2 * th.sigma("x")(0)),
    ]
    return th.Model(th.spins(2) + th.modes(2, fock_dim=[4, 3]), H, jumps)


def hopfield_with_mode() -> th.Model:
    """Field jumps beside a mode."""
    up = th.SqrtRate(th.GlauberRate(5 / 3, +1))
    jumps = [th.FieldJump(0, {"+": up, "-": _slope}, [0, 0.7, 0]), th.Jump(0.8 * th.destroy(2))]
    position = th.destroy(2) + th.create(2)
    H = 0.4 * th.sigma("z")(1) * position + 0.3 * th.sigma("x")(1) + 1.1 * th.number(2)
    return th.Model(th.spins(2) + th.modes(1, fock_dim=5), H, jumps)


MADE = dict(_made())
UNSEEN = {
    "unseen: random rates": random_rates(),
    "unseen: random terms": random_terms(),
    "unseen: complex amplitudes": complex_amplitudes(),
    "unseen: two fields": two_fields(),
    "unseen: spin-mode terms": spin_mode(),
    "unseen: field jump and mode": hopfield_with_mode(),
    "unseen: no jumps": th.Model(
        th.spins(2), 0.7 * th.sigma("y")(0) * th.sigma("x")(1) + 0.3 * th.sigma("z")(1)
    ),
    "unseen: no Hamiltonian": th.Model(
        th.spins(2), 0.0, [th.Jump(0.6 * th.sigma("-")(0) + 0.5j * th.sigma("-")(1))]
    ),
}
ZOO = MADE | UNSEEN


# The same physics as matrices, from the terms but without the matrices of tnhop.

_UP, _DOWN = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
_RAISE = np.array([[0.0, 1.0], [0.0, 0.0]])
_SPIN = {
    "x": _RAISE + _RAISE.T, "y": -1j * (_RAISE - _RAISE.T), "z": _UP - _DOWN, "+": _RAISE,
    "-": _RAISE.T, "up": _UP, "down": _DOWN,
}  # fmt: skip


def _letter(letter: str, dim: int) -> np.ndarray:
    a = np.zeros((dim, dim))
    for n in range(1, dim):
        a[n - 1, n] = np.sqrt(n)
    return {"a": a, "adag": a.T, "n": a.T @ a}[letter]


def embed(dims: tuple[int, ...], factors: dict[int, np.ndarray]) -> sp.csr_array:
    """Return the Kronecker product of matrices on some sites and identities on the others."""
    out = np.ones((1, 1), dtype=complex)
    for site, dim in enumerate(dims):
        out = np.kron(out, factors.get(site, np.eye(dim)))
    return sp.csr_array(out)


def matrix_of(operator: th.Operator, dims: tuple[int, ...]) -> sp.csr_array:
    """Return the matrix of an operator."""
    total = sp.csr_array((int(np.prod(dims)),) * 2, dtype=complex)
    for term in operator.terms:
        factors = {}
        for site, word in term.factors:
            matrix = _SPIN.get(word)
            if matrix is None:
                matrix = np.eye(dims[site])
                for letter in word.split():
                    matrix = matrix @ _letter(letter, dims[site])
            factors[site] = matrix
        total = total + term.coefficient * embed(dims, factors)
    return sp.csr_array(total)


def field_jump_matrix(jump: th.FieldJump, dims: tuple[int, ...]) -> sp.csr_array:
    """Return the matrix of a field jump: amplitude of the configuration times the local operator."""
    signs = np.array([[1.0, -1.0][i[s]] if s < len(i) and dims[s] == 2 else 0.0
                      for i in np.ndindex(*dims) for s in range(len(dims))])  # fmt: skip
    fields = jump.fields @ signs.reshape(-1, len(dims)).T
    total = sp.csr_array((int(np.prod(dims)),) * 2, dtype=complex)
    for name, amplitude in jump.amplitudes:
        values = [complex(amplitude(*column)) for column in fields.T]
        total = total + sp.diags_array(values) @ embed(dims, {jump.site: _SPIN[name]})
    return sp.csr_array(total)


def generator_of(model: th.Model) -> sp.csr_array:
    """Return the generator on vectors that stack the rows of ρ: A ρ B → (A ⊗ Bᵀ) vec ρ."""
    dims, eye = model.dims, sp.eye_array(model.hilbert_dim)
    H = matrix_of(model.hamiltonian, dims)
    total = -1j * (sp.kron(H, eye) - sp.kron(eye, H.T))
    for jump in model.jumps:
        field = isinstance(jump, th.FieldJump)
        L = field_jump_matrix(jump, dims) if field else matrix_of(jump.operator, dims)
        LL = L.conj().T @ L
        total = total + sp.kron(L, L.conj()) - (sp.kron(LL, eye) + sp.kron(eye, LL.T)) / 2
    return sp.csr_array(total)


def random_hermitian(dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random Hermitian matrix."""
    A = rng.standard_normal((dim, dim)) + 1j * rng.standard_normal((dim, dim))
    return (A + A.conj().T) / 2


def random_state(dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random density matrix of full rank."""
    A = rng.standard_normal((dim, dim)) + 1j * rng.standard_normal((dim, dim))
    rho = A @ A.conj().T
    return rho / np.trace(rho).real


def derivative(model: th.Model, rho: np.ndarray) -> np.ndarray:
    """Return dρ/dt of any matrix by `Lindbladian`, which takes Hermitian ones, by linearity."""
    L = Lindbladian(model)
    apply = lambda part: unpack(L(pack(part).ravel()).reshape(rho.shape))  # noqa: E731
    return apply((rho + rho.conj().T) / 2) + 1j * apply((rho - rho.conj().T) / 2j)


def configurations(n_spins: int) -> np.ndarray:
    """Return all configurations in the order of the basis, shape (2**n_spins, n_spins)."""
    return np.array([[1 - 2 * bit for bit in bits] for bits in np.ndindex(*(2,) * n_spins)])


def flipped(index: int, k: int, n_spins: int) -> int:
    """Return the index of a configuration with spin k flipped."""
    return index ^ (1 << (n_spins - 1 - k))


# Interchangeable spins: states, renamed models, and models without any symmetry but permutations.

_TURNED = {"x": ("x", 1), "y": ("y", -1), "z": ("z", -1), "+": ("-", 1), "-": ("+", 1),
           "up": ("down", 1), "down": ("up", 1)}  # fmt: skip


def everything(model: th.Model) -> list[str]:
    """Return the names of all standard observables of a model."""
    levels = {site: model.sites[site].dim for site in model.modes}
    parts = (model.spins, levels, model.patterns, model.hamiltonian)
    return list(standard_observables(*parts)[0])


def alike(model: th.Model, scale: float = 1.0) -> th.ProductState:
    """Return a product state with one tilted Bloch vector per class, turned with the spins."""
    classes = find_classes(model)
    bloch = BLOCH[classes.labels].copy()
    bloch[:, 1:] *= classes.signs[:, None]
    return th.product_state(model, bloch=bloch, alpha=scale * ALPHA[: model.n_modes])


def moved_operator(operator: th.Operator, place: list[int], signs: list[int]) -> th.Operator:
    """Rename spin k to ``place[k]``, and conjugate by σˣ the spins k of sign -1."""
    terms = []
    for term in operator.terms:
        value, factors = term.coefficient, []
        for site, name in term.factors:
            if site < len(place):
                turned, sign = _TURNED[name] if signs[site] < 0 else (name, 1)
                value, site, name = value * sign, place[site], turned
            factors.append((int(site), name))
        terms.append(th.Term(value, factors))
    return th.Operator(tuple(terms))


def moved(model: th.Model, place: list[int], signs: list[int]) -> th.Model:
    """Return the same physics with spin k renamed ``place[k]``, and turned where its sign is -1."""
    jumps: list[th.Jump | th.FieldJump] = []
    for jump in model.jumps:
        if isinstance(jump, th.Jump):
            jumps.append(th.Jump(moved_operator(jump.operator, place, signs)))
            continue
        fields = jump.fields.copy()
        fields[:, place] = jump.fields[:, : len(place)] * signs
        amplitudes = {}
        for name, rate in jump.amplitudes:
            turned, sign = _TURNED[name] if signs[jump.site] < 0 else (name, 1)
            amplitudes[turned] = th.ScaledRate(sign, rate)
        jumps.append(th.FieldJump(int(place[jump.site]), amplitudes, fields))
    xi = None if model.patterns is None else np.empty_like(model.patterns)
    if xi is not None:
        xi[:, place] = model.patterns * np.asarray(signs, dtype=np.int8)
    return th.Model(
        model.sites, moved_operator(model.hamiltonian, place, signs), jumps, patterns=xi
    )


def permutations(labels: list[int]) -> list[tuple[int, ...]]:
    """Return all permutations of spins inside classes."""
    n = len(labels)
    return [
        p
        for p in itertools.permutations(range(n))
        if all(labels[p[k]] == labels[k] for k in range(n))
    ]


def random_classes(labels: list[int], seed: int, fock_dim: int = 0) -> th.Model:
    """Random terms, summed over all permutations inside classes; then some spins are turned.

    Terms of up to three spins with all letters, a collective jump, jumps that single out two spins
    beside a collective part, field jumps with two operators and two fields; complex coefficients.
    """
    rng, n = np.random.default_rng(seed), len(labels)
    group, still = permutations(labels), [1] * n

    def number() -> complex:
        return complex(*rng.standard_normal(2)) / 2 if rng.random() < 0.6 else rng.standard_normal()

    def term(spins: np.ndarray) -> th.Operator:
        letters = rng.choice([*_TURNED], len(spins))
        factors = {int(s): str(a) for s, a in zip(spins, letters, strict=True)}
        if fock_dim and rng.random() < 0.5:
            factors[n] = str(rng.choice(["a", "adag", "n", "a a"]))
        return th.Operator((th.Term(number(), factors),))

    def average(operator: th.Operator) -> th.Operator:
        images = (moved_operator(operator, place, still) for place in group)
        return th.Operator.sum(images) * (1 / len(group))

    some = [rng.permutation(n) for _ in range(4)]
    H = average(term(some[0][:1]) + term(some[1][:2]) + term(some[2][:3]))
    collective = average(term(some[0][:1]) + term(some[1][:2]))
    single = term(some[3][:1]) + 0.5 * term(some[3][:2])
    images = {moved_operator(single, place, still): None for place in group}
    jumps: list[th.Jump | th.FieldJump] = [th.Jump(collective)]
    jumps += [th.Jump(image + 0.3 * collective) for image in images]
    weights = rng.standard_normal((2, max(labels) + 1, max(labels) + 1))
    rate = th.DenseGlauberRate(9 / 7, 1, 3, (1, -1), 1 / n)
    amplitudes = {"+": th.ScaledRate(number(), th.SqrtRate(rate)), "x": th.ConstantRate(0.2)}
    for k in range(n):
        fields = np.zeros((2, n + bool(fock_dim)))
        fields[:, :n] = weights[:, labels[k], labels]
        fields[:, k] = 0.0
        jumps.append(th.FieldJump(k, amplitudes, fields))
    sites = th.spins(n) + (th.modes(1, fock_dim=fock_dim) if fock_dim else ())
    model = th.Model(sites, H + H.dag(), jumps, patterns=patterns(2, n))
    return moved(model, list(range(n)), rng.choice([1, -1], n).tolist())


def scaled(model, s):
    """Return the model with all rates times s: Hamiltonian times s, jump operators times √s."""
    jumps = [
        th.FieldJump(
            jump.site,
            {name: th.ScaledRate(s**0.5, rate) for name, rate in jump.amplitudes},
            jump.fields,
            jump.self_field,
        )
        if isinstance(jump, th.FieldJump)
        else th.Jump(s**0.5 * jump.operator)
        for jump in model.jumps
    ]
    return th.Model(model.sites, s * model.hamiltonian, jumps, patterns=model.patterns)
