"""Kinds of problems: what is drawn when the coverage of error bars is measured.

A kind draws a model of a given size. `draw` adds start, output times and observables, splits some
runs at random times, and goes on with another model of the same kind in others (a quench).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tnhop as th

Real = NDArray[np.float64]
Rng = np.random.Generator
Draw = Callable[[Rng, int], th.Model]

PAULI = tuple(th.sigma(axis) for axis in "xyz")
NETWORKS = ("asymmetric", "zero rows", "feed-forward", "antisymmetric", "Hebb")
SPINS = ("sigma_x", "sigma_y", "sigma_z", "sigma_zz")
ENTROPIES = ("purity", "entropy", "renyi_entropy")
MODES = ("sigma_x", "sigma_z", "occupation", "alpha", "energy")
SAMPLED = ("m_z", "sigma_z", "sigma_zz", "overlap_moments", "binder_cumulant",
           "overlap_distribution", "edwards_anderson")  # fmt: skip
MANY_SAMPLED = tuple(name for name in SAMPLED if name != "sigma_zz")  # too many pairs


@dataclass(frozen=True)
class Problem:
    """A run of the study: legs of models and times, the start, the observables, and labels."""

    legs: tuple[tuple[th.Model, Real], ...]
    state: th.ProductState
    names: tuple[str, ...]
    strata: dict[str, str] = field(default_factory=dict)
    more_levels: int = 0  # of the modes of the truth

    @property
    def model(self) -> th.Model:
        """The model of the first leg."""
        return self.legs[0][0]


@dataclass(frozen=True)
class Kind:
    """A family of models, the sizes that are drawn, and the observables that are looked at."""

    draw: Draw
    smallest: int = 2
    largest: int = 4
    names: tuple[str, ...] = SPINS
    protocols: tuple[str, ...] = ("uneven", "dense", "restart", "quench")
    latest: float = 8.0  # last time, in units of the slowest interesting rate
    every: int = 1  # runs of one in so many seeds: of costly kinds


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: Rng, probability: float) -> bool:
    """Return True with this probability."""
    return bool(rng.random() < probability)


def temperature(rng: Rng, coldest: float = 50.0) -> float:
    """Return β from 0.05 to `coldest`, at times infinite."""
    return float("inf") if chance(rng, 0.12) else log_uniform(rng, 0.05, coldest)


def field_of(rng: Rng, n: int, largest: float = 100.0) -> Any:
    """Return a transverse field from 0.01 on, the same or another one for every spin."""
    Omega = log_uniform(rng, 0.01, largest)
    return Omega * rng.uniform(-1, 1, n) if chance(rng, 0.3) else Omega


# networks with field jumps


def couplings(kind: str, rng: Rng, n: int) -> Real:
    """Return couplings without the symmetry that energies would need."""
    J = rng.normal(size=(n, n)) / np.sqrt(n) * log_uniform(rng, 0.3, 3.0)
    if kind == "zero rows":
        J[rng.permutation(n)[: rng.integers(1, n)]] = 0.0
    elif kind == "feed-forward":
        J = np.tril(J, -1)
    elif kind == "antisymmetric":
        J = (J - J.T) / np.sqrt(2)
    np.fill_diagonal(J, 0.0)
    return J


def network(kind: str, largest_field: float = 100.0, coldest: float = 50.0) -> Draw:
    """Return the kind of open Hopfield networks with these couplings."""

    def draw(rng: Rng, n: int) -> th.Model:
        xi = th.random_patterns(n_patterns=int(rng.integers(1, 4)), n_spins=n, rng=rng)
        J = th.hebb if kind == "Hebb" else couplings(kind, rng, n)
        arguments: dict[str, Any] = {"beta": temperature(rng, coldest), "couplings": J}
        if largest_field:
            arguments["Omega"] = field_of(rng, n, largest_field)
            if chance(rng, 0.3):
                arguments["longitudinal"] = rng.normal(size=n)
        return th.open_hopfield(xi, **arguments)

    return draw


def any_network(largest_field: float = 0.0, coldest: float = 50.0) -> Draw:
    """Return networks with couplings of any kind, by default classical ones."""

    def draw(rng: Rng, n: int) -> th.Model:
        return network(str(rng.choice(NETWORKS)), largest_field, coldest)(rng, n)

    return draw


def few_classes(largest_field: float, most_patterns: int = 2) -> Draw:
    """Return large networks of one or two patterns: few classes of interchangeable spins."""

    def draw(rng: Rng, n: int) -> th.Model:
        n_patterns = 1 if n > 40 else int(rng.integers(1, most_patterns + 1))
        xi = th.random_patterns(n_patterns=n_patterns, n_spins=n, rng=rng)
        Omega = log_uniform(rng, 0.01, largest_field) if largest_field else 0.0
        return th.open_hopfield(xi, beta=temperature(rng), Omega=Omega)

    return draw


def detuned_flips(rng: Rng, n: int) -> th.Model:
    """Return single flips of spins in a lossy mode, each with its own coupling."""
    g = rng.uniform(0.3, 1.5, (1, n)) * rng.choice([-1, 1], (1, n))
    loss = log_uniform(rng, 0.3, 30.0)
    return th.classical_dicke(g, omega=rng.normal(), Omega=log_uniform(rng, 1e-3, 0.3), loss=loss)


# spins with Hamiltonians of two bodies


def noise(rng: Rng, n: int, largest: float = 1.0) -> list[th.Jump]:
    """Return local decay, pumping and dephasing, of one kind or several."""
    letters = [name for name in ("-", "+", "z") if chance(rng, 0.6)] or ["z"]
    return [th.Jump(log_uniform(rng, 0.02, largest) ** 0.5 * th.sigma(name)(k))
            for name in letters for k in range(n)]  # fmt: skip


def pairs_of(rng: Rng, n: int) -> list[tuple[int, int]]:
    """Return neighbours, or all pairs."""
    near = [(i, i + 1) for i in range(n - 1)]
    return near if chance(rng, 0.5) else [(i, j) for j in range(n) for i in range(j)]


def exchange(kind: str) -> Draw:
    """Return XXZ, Heisenberg or Dzyaloshinskii-Moriya models with fields, noisy or not."""

    def draw(rng: Rng, n: int) -> th.Model:
        X, Y, Z = PAULI
        parts, size = [], log_uniform(rng, 0.2, 2.0)
        anisotropy = rng.uniform(-2, 2) if kind == "XXZ" else 1.0
        D = rng.normal(size=3)
        for i, j in pairs_of(rng, n):
            if kind == "Dzyaloshinskii-Moriya":
                cross = [a(i) * b(j) - b(i) * a(j) for a, b in ((Y, Z), (Z, X), (X, Y))]
                parts += [size * D[k] * part for k, part in enumerate(cross)]
            else:
                J = size * (rng.normal() if kind == "Heisenberg" else 1.0)
                parts.append(J * (X(i) * X(j) + Y(i) * Y(j) + anisotropy * Z(i) * Z(j)))
        if chance(rng, 0.6):
            strength = log_uniform(rng, 0.05, 5.0)
            parts += [strength * rng.normal() * a(k) for a in PAULI for k in range(n)]
        jumps = noise(rng, n) if chance(rng, 0.8) else []
        return th.Model(th.spins(n), th.Operator.sum(parts), jumps)

    return draw


def glass(rng: Rng, n: int) -> th.Model:
    """Return an Ising glass in a transverse field, with local noise."""
    J = np.triu(rng.normal(size=(n, n)), 1) * log_uniform(rng, 0.2, 2.0)
    rates = {name: log_uniform(rng, 0.02, 1.0) for name in ("decay", "dephasing")
             if chance(rng, 0.6)}  # fmt: skip
    return th.long_range_ising(J + J.T, Omega=field_of(rng, n, 10.0), **rates)


def collective(rng: Rng, n: int) -> th.Model:
    """Return spins that decay, and dephase, together."""
    S = {axis: th.Operator.sum(th.sigma(axis)(k) for k in range(n)) for axis in "xyz-"}
    H = log_uniform(rng, 0.05, 5.0) * S["x"] + rng.normal() * S["z"]
    H = H + rng.normal() / n * S["z"] * S["z"]
    jumps = [th.Jump(log_uniform(rng, 0.05, 2.0) ** 0.5 * (S["-"] + rng.normal() * 0.3 * S["z"]))]
    if chance(rng, 0.5):
        jumps.append(th.Jump(log_uniform(rng, 0.05, 2.0) ** 0.5 * S["z"]))
    return th.Model(th.spins(n), H, jumps)


def damped(rng: Rng, n: int) -> th.Model:
    """Return a spin model with one more local jump, at a rate of 1 to 10 000."""
    base = [glass, exchange("XXZ"), any_network(10.0), collective][rng.integers(4)](rng, n)
    rate, letter = log_uniform(rng, 1.0, 1e4), str(rng.choice(["z", "-", "+"]))
    sites = range(n) if chance(rng, 0.5) else [int(rng.integers(n))]
    extra = [th.Jump(rate**0.5 * th.sigma(letter)(k)) for k in sites]
    return replace(base, jumps=(*base.jumps, *extra), recipe=None)


def uniform_spins(rng: Rng, n: int) -> th.Model:
    """Return interchangeable spins: one pattern, collective jumps, or XXZ of all pairs."""
    which = rng.integers(3)
    if which == 0:
        Omega = log_uniform(rng, 0.01, 100.0)
        return th.open_hopfield(np.ones((1, n)), beta=temperature(rng), Omega=Omega)
    if which == 1:
        return collective(rng, n)
    X, Y, Z = PAULI
    J, anisotropy = rng.normal(), rng.uniform(-2, 2)
    all_pairs = [(i, j) for j in range(n) for i in range(j)]
    H = th.Operator.sum(J * (X(i) * X(j) + Y(i) * Y(j) + anisotropy * Z(i) * Z(j))
                        for i, j in all_pairs)  # fmt: skip
    Omega, decay = log_uniform(rng, 0.05, 5.0), log_uniform(rng, 0.02, 100.0)
    H = H + Omega * th.Operator.sum(X(k) for k in range(n))
    return th.Model(th.spins(n), H, [th.Jump(decay**0.5 * th.sigma("-")(k)) for k in range(n)])


# spins beside modes


def dicke(kind: str, levels: tuple[int, int] = (4, 6)) -> Draw:
    """Return one mode beside spins: plain, detuned, near threshold, damped, or nonlinear."""

    def draw(rng: Rng, n: int) -> th.Model:
        loss = log_uniform(rng, 1.0, 1e4) if kind == "bad cavity" else log_uniform(rng, 0.2, 3.0)
        omega = rng.uniform(0.3, 2.0) * (-1 if kind == "negative detuning" else 1)
        gain = 0.0
        if kind == "gain near loss":
            gain = loss * (1 - log_uniform(rng, 0.02, 0.5))
        elif chance(rng, 0.3):
            gain = loss * rng.uniform(0, 0.3)
        model = th.dicke(
            n, g=log_uniform(rng, 0.1, 2.0), omega=omega, Omega=log_uniform(rng, 0.05, 5.0),
            loss=loss, gain=gain, fock_dim=int(rng.integers(levels[0], levels[1] + 1)),
            **({"decay": log_uniform(rng, 0.01, 1.0)} if chance(rng, 0.3) else {}),
        )  # fmt: skip
        a, up, H, jumps = th.destroy(n), th.create(n), model.hamiltonian, model.jumps
        if kind == "Kerr":
            H = H + rng.normal() * up * up * a * a
        if kind == "two-photon":
            squeezing = complex(rng.normal(), rng.normal()) / 3
            H = H + squeezing * up * up + squeezing.conjugate() * a * a
            jumps = (*jumps, th.Jump(log_uniform(rng, 0.05, 2.0) ** 0.5 * a * a))
        return replace(model, hamiltonian=H, jumps=jumps, recipe=None)

    return draw


MODE_KINDS = ("Dicke", "negative detuning", "gain near loss", "bad cavity", "Kerr", "two-photon")
CLASSICAL = ("uneven", "dense", "restart", "quench")

KINDS: dict[str, Kind] = (
    {f"network, {kind}": Kind(network(kind), 2, 8) for kind in NETWORKS}
    | {"network, weak field": Kind(any_network(0.3), 2, 4)}
    | {kind: Kind(exchange(kind), 2, 6) for kind in ("XXZ", "Heisenberg", "Dzyaloshinskii-Moriya")}
    | {
        "Ising glass": Kind(glass, 2, 6),
        "collective jumps": Kind(collective, 2, 6),
        "strong damping": Kind(damped, 2, 4),
        "interchangeable spins": Kind(uniform_spins, 2, 4),
        "long times": Kind(any_network(3.0), 2, 3, protocols=("long",), latest=1e3, every=2),
        "long times, damped": Kind(glass, 2, 3, protocols=("long",), latest=1e3, every=2),
        "many spins": Kind(few_classes(100.0), 10, 100, ("m_y", "m_z", "sigma_z"), latest=3.0,
                           protocols=("uneven", "uneven", "dense"), every=4),
    }
    | {kind: Kind(dicke(kind), 1, 2, MODES) for kind in MODE_KINDS}
    | {
        "classical network": Kind(any_network(), 2, 8, SAMPLED, CLASSICAL),
        "flips in a mode": Kind(detuned_flips, 2, 6, ("sigma_z", "sigma_zz", "edwards_anderson"),
                                CLASSICAL, latest=100.0),
        "many classical spins": Kind(few_classes(0.0), 20, 150, MANY_SAMPLED, CLASSICAL[:3],
                                     every=2),
    }
)  # fmt: skip


def start(rng: Rng, model: th.Model) -> tuple[str, th.ProductState]:
    """Return a pure, tilted or mixed start, or a cue; the modes are empty or coherent."""
    n = model.n_spins
    kinds = ["pure", "tilted", "mixed"] + (["cue"] if model.patterns is not None else [])
    kind = str(rng.choice(kinds))
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bloch = directions * {"pure": 1.0, "tilted": rng.uniform(0.2, 0.95)}.get(kind, 0.0)
    if kind == "cue":
        bloch[:, 2] = rng.uniform(0.3, 1.0) * model.patterns[0]
    bright = 0.3 if chance(rng, 0.5) else 0.0
    alpha = bright * (rng.normal(size=model.n_modes) + 1j * rng.normal(size=model.n_modes)) / 2
    alpha = np.where(np.abs(alpha) > 0.4, 0.2, alpha)
    return kind, th.product_state(model, bloch=bloch, alpha=alpha)


def alike_start(rng: Rng, model: th.Model) -> tuple[str, th.ProductState]:
    """Return a start with one Bloch vector, turned with the first pattern: few classes stay few."""
    v = rng.normal(size=3)
    kind = str(rng.choice(["pure", "tilted", "mixed", "cue"]))
    v *= {"pure": 1.0, "tilted": 0.7, "mixed": 0.0, "cue": 1.0}[kind] / np.linalg.norm(v)
    if kind == "cue":
        v = np.array([0.0, 0.0, rng.uniform(0.3, 1.0)])
    signs = np.ones(model.n_spins) if model.patterns is None else model.patterns[0]
    bloch = np.stack([np.full(model.n_spins, v[0]), v[1] * signs, v[2] * signs], axis=1)
    return kind, th.product_state(model, bloch=bloch)


def fastest_turn(model: th.Model) -> float:
    """Return the largest sum of coefficients of the Hamiltonian on one site."""
    sizes = np.zeros(model.n_sites)
    for term in model.hamiltonian.terms:
        for site in term.sites:
            sizes[site] += abs(term.coefficient)
    return float(sizes.max())


def output_times(rng: Rng, protocol: str, last: float) -> Real:
    """Return uneven, dense or very late output times."""
    if protocol == "dense":
        spacing = max(round(last / 200 * 2**20), 1) / 2**20  # all intervals have the same bits
        return spacing * np.arange(1, 201)
    if protocol == "long":
        return np.array([1.0, last * rng.uniform(0.2, 0.6), last])
    size = int(rng.integers(2, 8))
    if chance(rng, 0.5):
        return np.unique(np.append(last * rng.uniform(1e-2, 1.0, size), last))
    return np.unique(np.append(last * np.exp(rng.uniform(np.log(1e-4), 0, size)), last))


def cut(rng: Rng, times: Real) -> list[Real]:
    """Split a run at one to three of its times, or between them; every leg counts from 0."""
    cuts = np.sort(rng.uniform(0.05, 0.95, int(rng.integers(1, 4)))) * times[-1]
    edges, legs = [0.0, *cuts.tolist(), float(times[-1])], []
    for low, high in itertools.pairwise(edges):
        inside = times[(times > low) & (times < high)]
        legs.append(np.unique(np.array([0.0, *(inside - low), high - low])))
    return legs


def bucket(value: float, edges: Iterable[float]) -> str:
    """Return the interval between edges in which a number lies, as text."""
    found = [f"{edge:g}" for edge in edges if edge <= value]
    above = [f"{edge:g}" for edge in edges if edge > value]
    if not found:
        return f"below {above[0]}"
    return f"{found[-1]} to {above[0]}" if above else f"{found[-1]} and more"


def strata_of(model: th.Model) -> dict[str, str]:
    """Return labels of size, temperature, field and damping."""
    strata = {"spins": bucket(model.n_spins, (1, 3, 5, 10, 30))}
    if model.hamiltonian.terms:
        strata["field"] = bucket(fastest_turn(model), (0.1, 1, 10))
    rates = [amplitude.rate for jump in model.jumps if isinstance(jump, th.FieldJump)
             for _, amplitude in jump.amplitudes if isinstance(amplitude, th.SqrtRate)]  # fmt: skip
    betas = [rate.beta for rate in rates if isinstance(rate, th.GlauberRate)]
    if betas:
        strata["beta"] = bucket(betas[0], (0.5, 5, 1e9))
    damping = [sum(abs(term.coefficient) for term in jump.operator.terms) ** 2
               for jump in model.jumps if isinstance(jump, th.Jump)]  # fmt: skip
    if damping:
        strata["damping"] = bucket(max(damping), (1, 10, 100, 1000))
    return strata


def seeded(*words: str | int) -> Rng:
    """Return random numbers that depend on words and numbers alone."""
    return np.random.default_rng(
        [w if isinstance(w, int) else zlib.crc32(w.encode()) for w in words]
    )


def draw(name: str, seed: int, sizes: Iterable[int] = (), names: Iterable[str] = ()) -> Problem:
    """Return the problem of a kind with this seed.

    Parameters
    ----------
    name : str
        One of `KINDS`.
    seed : int
        Number of the problem.
    sizes : pair of int, optional
        Smallest and largest number of spins, instead of those of the kind.
    names : iterable of str, optional
        Observables beside those of the kind.
    """
    kind, rng = KINDS[name], seeded(name, seed)
    low, high = tuple(sizes) or (kind.smallest, kind.largest)
    large = high > 16
    n = round(log_uniform(rng, low, high)) if large else int(rng.integers(low, high + 1))
    model = kind.draw(rng, n)
    protocol = str(rng.choice(kind.protocols))
    turn = fastest_turn(model)
    longest = kind.latest if protocol == "long" else 200.0
    last = kind.latest * log_uniform(rng, 0.05, 1.0)
    last = min(last, longest * (30 / n if n > 30 else 1) / max(turn, 1e-300), kind.latest)
    label, state = (alike_start if large or name == "interchangeable spins" else start)(rng, model)
    times = output_times(rng, protocol, last)
    legs = [(model, times)]
    if protocol in ("restart", "quench"):
        models = [model] * 4
        if protocol == "quench":
            models = [model, *(kind.draw(rng, n) for _ in range(3))]
            models = [replace(other, sites=model.sites, patterns=model.patterns, recipe=None,
                              observables=None)
                      for other in models]  # fmt: skip
        legs = list(zip(models, cut(rng, times), strict=False))
    strata = strata_of(model) | {"times": protocol, "start": label}
    more = int(rng.integers(2)) * 12 if model.n_modes else 0
    return Problem(tuple(legs), state, (*kind.names, *names), strata, more)
