"""Answers that share no code with the methods of tnhop: dense matrices from the terms of a model.

A density matrix is the real vector of its coordinates in an orthonormal basis of Hermitian
matrices, and the generator one dense real matrix, exponentiated by SciPy. Every answer comes with
an uncertainty of its own: the difference of two ways to compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

import tnhop as th

Real = NDArray[np.float64]
Matrix = NDArray[np.complex128]

_ROUNDING = 1e-14  # of an expectation value, whatever the two ways say
_GOLDEN = 0.6180339887498949  # where an interval is cut for the second way

_RAISE = np.array([[0.0, 1.0], [0.0, 0.0]])
_SPIN = {
    "x": _RAISE + _RAISE.T, "y": -1j * (_RAISE - _RAISE.T), "z": np.diag([1.0, -1.0]),
    "+": _RAISE, "-": _RAISE.T, "up": np.diag([1.0, 0.0]), "down": np.diag([0.0, 1.0]),
}  # fmt: skip


@dataclass
class Truth:
    """What is compared with: values, and how far they may be off themselves."""

    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    doubt: dict[str, Real] = field(default_factory=dict)
    spectrum: tuple[NDArray[Any], Real] | None = None  # all eigenvalues, and their doubts


def local_matrix(word: str, dim: int) -> Matrix:
    """Return the matrix of a spin operator, or of a word of the letters a, adag, n."""
    if word in _SPIN:
        return _SPIN[word].astype(complex)
    a = np.diag(np.sqrt(np.arange(1.0, dim)), 1)
    letters = {"a": a, "adag": a.T, "n": a.T @ a}
    matrix = np.eye(dim, dtype=complex)
    for letter in word.split():
        matrix = matrix @ letters[letter]
    return matrix


def matrix_of(operator: th.Operator, dims: Sequence[int]) -> Matrix:
    """Return the matrix of a sum of terms, the first site most significant."""
    total = np.zeros((int(np.prod(dims)),) * 2, dtype=complex)
    for term in operator.terms:
        factors = dict(term.factors)
        matrix = np.ones((1, 1), dtype=complex)
        for site, dim in enumerate(dims):
            own = local_matrix(factors[site], dim) if site in factors else np.eye(dim)
            matrix = np.kron(matrix, own)
        total += term.coefficient * matrix
    return total


def jump_matrix(jump: th.Jump | th.FieldJump, dims: Sequence[int]) -> Matrix:
    """Return the matrix of a jump; field jumps have one amplitude per configuration."""
    if isinstance(jump, th.Jump):
        return matrix_of(jump.operator, dims)
    signs = np.array([[1.0 - 2.0 * level if dim == 2 else 0.0
                       for level, dim in zip(levels, dims, strict=True)]
                      for levels in np.ndindex(*dims)])  # fmt: skip
    total = np.zeros((len(signs),) * 2, dtype=complex)
    for name, amplitude in jump.amplitudes:
        values = np.array([complex(amplitude(*fields)) for fields in signs @ jump.fields.T])
        total += values[:, None] * matrix_of(th.Operator((th.Term(1.0, {jump.site: name}),)), dims)
    return total


@lru_cache(maxsize=8)
def hermitian_basis(dim: int) -> Matrix:
    """Return the columns vec B of an orthonormal basis of Hermitian matrices."""
    T = np.zeros((dim, dim, dim * dim), dtype=complex)
    T[np.arange(dim), np.arange(dim), np.arange(dim)] = 1.0
    rows, columns = np.triu_indices(dim, 1)
    even = dim + 2 * np.arange(len(rows))
    T[rows, columns, even] = T[columns, rows, even] = 0.5**0.5
    T[rows, columns, even + 1], T[columns, rows, even + 1] = 1j * 0.5**0.5, -1j * 0.5**0.5
    return T.reshape(dim * dim, dim * dim)


def generator(model: th.Model) -> Real:
    """Return the Lindbladian on the coordinates of Hermitian matrices."""
    dims, eye = model.dims, np.eye(model.hilbert_dim)
    H = matrix_of(model.hamiltonian, dims)
    total = -1j * (np.kron(H, eye) - np.kron(eye, H.T))
    for jump in model.jumps:
        L = jump_matrix(jump, dims)
        LL = L.conj().T @ L
        total += np.kron(L, L.conj()) - (np.kron(LL, eye) + np.kron(eye, LL.T)) / 2
    T = hermitian_basis(model.hilbert_dim)
    return np.ascontiguousarray((T.conj().T @ (total @ T)).real)


def population_generator(model: th.Model) -> Real:
    """Return the rates between configurations, where populations close."""
    total = np.zeros((model.hilbert_dim,) * 2)
    for jump in model.jumps:
        rates = np.abs(jump_matrix(jump, model.dims)) ** 2
        total += rates - np.diag(rates.sum(axis=0))
    return total


def product_matrix(model: th.Model, state: th.ProductState) -> Matrix:
    """Return the density matrix of a product state."""
    rho = np.ones((1, 1), dtype=complex)
    for x, y, z in state.bloch:
        rho = np.kron(rho, (np.eye(2) + x * _SPIN["x"] + y * _SPIN["y"] + z * _SPIN["z"]) / 2)
    for alpha, site in zip(state.alpha, model.modes, strict=True):
        n = np.arange(1, model.sites[site].dim)
        ket = np.concatenate([[1.0], np.cumprod(alpha / np.sqrt(n))])
        rho = np.kron(rho, np.outer(ket, ket.conj()) / np.vdot(ket, ket).real)
    return rho


def coordinates(rho: Matrix) -> Real:
    """Return the coordinates of a Hermitian matrix."""
    return (hermitian_basis(len(rho)).conj().T @ rho.ravel()).real


def matrix_from(x: Real) -> Matrix:
    """Return the Hermitian matrix with these coordinates."""
    dim = round(len(x) ** 0.5)
    return (hermitian_basis(dim) @ x).reshape(dim, dim)


def observer(model: th.Model, names: Sequence[str]) -> Callable[[Matrix], dict[str, NDArray[Any]]]:
    """Return the function that evaluates observables of a density matrix."""
    chosen = model.select(list(names))
    # tr(O rho) as a product with the elements of the transpose of O
    rows = {o.name: np.array([matrix_of(O, model.dims).T.ravel() for O in o.operators])
            for o in chosen}  # fmt: skip

    def look(rho: Matrix) -> dict[str, NDArray[Any]]:
        values = {}
        for o in chosen:
            if o.functional is not None:
                values[o.name] = np.asarray(_functional(model, o.functional.name, rho))
            else:
                found = (rows[o.name] @ rho.ravel()).reshape(o.shape)
                values[o.name] = found if o.is_complex else found.real
        return values

    return look


def _functional(model: th.Model, name: str, rho: Matrix) -> Any:
    """Return purity and entropies (in nats), or what the overlaps of configurations do."""
    if name in ("purity", "renyi_entropy", "entropy"):
        weights = np.clip(np.linalg.eigvalsh(rho), 1e-300, None)
        purity = np.sum(weights**2)
        entropy = -np.sum(weights * np.log(weights))
        return {"purity": purity, "renyi_entropy": -np.log(purity), "entropy": entropy}[name]
    p, n = rho.diagonal().real, model.n_spins
    signs = 1 - 2 * np.array([*np.ndindex(*(2,) * n)])
    if name == "edwards_anderson":
        return np.mean((p @ signs) ** 2)
    m = signs @ model.patterns.T.astype(int)  # N times the overlaps
    if name == "overlap_distribution":
        return np.array([np.bincount((row + n) // 2, p, n + 1) for row in m.T])
    moments = np.array([p @ (m / n) ** order for order in (1, 2, 3, 4)]).T
    return moments if name == "overlap_moments" else 1 - moments[:, 3] / (3 * moments[:, 1] ** 2)


def _flow(L: Real) -> Callable[[float], Real]:
    """Return exp(L t) as a function that remembers its last results."""
    return lru_cache(maxsize=16)(lambda t: np.asarray(scipy.linalg.expm(L * t)))


def evolve(
    legs: Sequence[tuple[th.Model, Real]],
    state: th.ProductState,
    names: Sequence[str],
    populations: bool = False,
) -> Truth:
    """Return observables along legs; each starts where the one before ended, at time 0.

    With `populations` the diagonal alone is evolved, of models in which it closes.
    """
    rho = product_matrix(legs[0][0], state)
    start = rho.diagonal().real.copy() if populations else coordinates(rho)
    pair, found = (start, start), []
    for model, times in legs:
        flow = _flow(population_generator(model) if populations else generator(model))
        look, now = observer(model, names), 0.0
        for t in times.tolist():
            if t > now:
                first = _GOLDEN * (t - now)
                once = flow(t - now) @ pair[0]
                pair, now = (once, flow(t - now - first) @ (flow(first) @ pair[1])), t
            found.append([look(np.diag(x) if populations else matrix_from(x)) for x in pair])
    return _compared(found, names)


def _compared(found: list[list[dict[str, NDArray[Any]]]], names: Sequence[str]) -> Truth:
    """Return the values of the first way, and three times the distance to the second."""
    truth = Truth()
    for name in names:
        first, second = (np.array([pair[k][name] for pair in found]) for k in (0, 1))
        truth.values[name] = first
        truth.doubt[name] = 3 * np.abs(first - second) + _ROUNDING
    return truth


def stationary(model: th.Model, names: Sequence[str]) -> Truth:
    """Return observables of the stationary state and the gap, with what rounding does to them.

    The doubt of an eigenvalue is the rounding of the matrix times its condition; that of the state
    the same over the smallest singular value that is not zero.
    """
    L = generator(model)
    values, left, right = scipy.linalg.eig(L, left=True, right=True)
    order = np.argsort(-values.real)
    values, left, right = values[order], left[:, order], right[:, order]
    rounding = 4 * np.finfo(float).eps * np.linalg.norm(L, 2)
    overlaps = np.abs(np.sum(left.conj() * right, axis=0))
    identity = coordinates(np.eye(model.hilbert_dim, dtype=complex))
    x = np.linalg.lstsq(np.vstack([L, identity]), np.append(np.zeros(len(L)), 1.0))[0]
    singular = np.linalg.svd(L, compute_uv=False)[-2]
    truth, rho = Truth(), matrix_from(x)
    for name, value in observer(model, names)(rho).items():
        truth.values[name] = value
        truth.doubt[name] = np.full(value.shape, 10 * rounding / max(singular, 1e-300) + _ROUNDING)
    doubts = rounding / np.maximum(overlaps, 1e-300)
    truth.values["gap"], truth.doubt["gap"] = np.asarray(-values[1].real), np.asarray(doubts[1])
    truth.spectrum = values, doubts
    return truth


def spin_in_field(Omega: float, longitudinal: float, rates: Sequence[float]) -> Real:
    """Return the stationary Bloch vector of a spin with decay, pumping and dephasing, exactly."""
    field, turn, down, up, phase = (Fraction(v) for v in (Omega, longitudinal, *rates))
    across = (down + up) / 2 + 2 * phase
    # 0 = -across x - 2 turn y, 0 = 2 turn x - across y - 2 field z,
    # 0 = 2 field y - (down + up) z + up - down
    y = 2 * field * across * (down - up)
    y /= (down + up) * (across**2 + 4 * turn**2) + 4 * field**2 * across
    x = -2 * turn * y / across
    z = (2 * field * y + up - down) / (down + up)
    return np.array([float(x), float(y), float(z)])


def birth_death(n_spins: int, beta: float) -> tuple[Real, float]:
    """Return the stationary P(number of up spins) of a network of one pattern, Ω = 0, and its gap.

    Flips of the number of up spins in 60 digits: the populations from detailed balance, the gap by
    bisection of Sturm sequences of the symmetrised chain.
    """
    with localcontext() as context:
        context.prec = 60
        b, n = Decimal(beta), n_spins
        # field on a down spin among k up ones (2k - n + 1)/n, on an up spin (2k - n - 1)/n
        up = [(n - k) / (1 + (-2 * b * (2 * k - n + 1) / n).exp()) for k in range(n)]
        down = [k / (1 + (2 * b * (2 * k - n - 1) / n).exp()) for k in range(1, n + 1)]
        weights = [Decimal(1)]
        for rise, fall in zip(up, down, strict=True):
            weights.append(weights[-1] * rise / fall)
        diagonal = [(up[k] if k < n else 0) + (down[k - 1] if k else 0) for k in range(n + 1)]
        squares = [rise * fall for rise, fall in zip(up, down, strict=True)]

        def below(x: Decimal) -> int:
            count, q = 0, Decimal(1)
            for k, entry in enumerate(diagonal):
                q = entry - x - (squares[k - 1] / q if k else 0)
                q = q or Decimal(10) ** -55
                count += q < 0
            return count

        low, high = Decimal(10) ** -50, Decimal(4 * n)
        while high / low > Decimal("1.0000000000000001"):
            middle = (low * high).sqrt()
            low, high = (low, middle) if below(middle) >= 2 else (middle, high)
        total = sum(weights)
        return np.array([float(w / total) for w in weights]), float(high)
