"""Kinds of stationary problems, with their truth: metastable, slow beside fast, strongly damped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from _dense import Truth, birth_death, generator, spin_in_field, stationary
from _kinds import (
    Rng,
    any_network,
    chance,
    damped,
    dicke,
    exchange,
    few_classes,
    glass,
    log_uniform,
    seeded,
)

import tnhop as th

_ROUNDING = 1e-14


@dataclass(frozen=True)
class Stationary:
    """A model, the observables that are looked at, and a function that knows the answer."""

    model: th.Model
    names: tuple[str, ...]
    truth: Callable[[], Truth]


def dense(model: th.Model, names: tuple[str, ...]) -> Stationary:
    """Return a problem whose answer is that of a dense matrix."""
    return Stationary(model, names, lambda: stationary(model, names))


def networks(rng: Rng) -> Stationary:
    """Return a network in a field, not too cold."""
    model = any_network(10.0, 3.0)(rng, int(rng.integers(2, 5)))
    return dense(model, ("m_z", "sigma_x", "sigma_z", "purity"))


def pairs(rng: Rng) -> Stationary:
    """Return two-body Hamiltonians with decay or strong noise."""
    n = int(rng.integers(2, 5))
    model = [glass, exchange("XXZ"), exchange("Heisenberg"), damped][rng.integers(4)](rng, n)
    rate = log_uniform(rng, 1e-2, 1.0)
    decay = [th.Jump(rate**0.5 * th.sigma("-")(k)) for k in range(n)]
    model = replace(model, jumps=(*model.jumps, *decay), recipe=None)
    return dense(model, ("sigma_x", "sigma_z", "sigma_zz", "purity"))


def cavity(kind: str) -> Callable[[Rng], Stationary]:
    """Return one spin, which decays, in a mode."""

    def problem(rng: Rng) -> Stationary:
        model = dicke(kind, (3, 6))(rng, 1)
        decay = th.Jump(log_uniform(rng, 1e-3, 1.0) ** 0.5 * th.sigma("-")(0))
        model = replace(model, jumps=(*model.jumps, decay), recipe=None)
        return dense(model, ("sigma_x", "sigma_z", "occupation"))

    return problem


def interchangeable(rng: Rng) -> Stationary:
    """Return one pattern in a field, any temperature."""
    model = few_classes(30.0, 1)(rng, int(rng.integers(2, 5)))
    return dense(model, ("m_y", "m_z", "purity"))


def metastable(rng: Rng) -> Stationary:
    """Return one pattern without a field, so cold that it is kept for up to 1e14 flips."""
    n, beta = int(rng.integers(3, 9)), log_uniform(rng, 1.0, 12.0)
    xi = th.random_patterns(n_patterns=1, n_spins=n, rng=rng)
    model = th.open_hopfield(xi, beta=beta)

    def truth() -> Truth:
        up, gap = birth_death(n, beta)
        m2 = float(up @ (2 * np.arange(n + 1) / n - 1) ** 2)
        both = np.outer(xi[0], xi[0]) * (n * m2 - 1) / (n - 1)
        np.fill_diagonal(both, 1.0)
        values = {"m_z": np.zeros(1), "sigma_z": np.zeros(n), "sigma_zz": both}
        doubt = {name: np.full(value.shape, _ROUNDING) for name, value in values.items()}
        values["gap"], doubt["gap"] = np.asarray(gap), np.asarray(1e-12 * gap)
        return Truth(values, doubt)

    return Stationary(model, ("m_z", "sigma_z", "sigma_zz"), truth)


def slow_spins(rng: Rng) -> Stationary:
    """Return independent spins whose rates differ by up to nine orders."""
    n = int(rng.integers(1, 4))
    Omega = np.where(rng.random(n) < 0.5, 0.0, np.exp(rng.uniform(np.log(0.01), np.log(10), n)))
    turn = rng.normal(size=n) * (rng.random(n) < 0.5)
    decay = 10 ** (rng.uniform(-9, 0, n) if chance(rng, 0.7) else rng.uniform(-2, 0, n))
    pumping, dephasing = decay * rng.uniform(0, 1, n), decay * rng.uniform(0, 1, n)
    rates = {"decay": decay, "pumping": pumping, "dephasing": dephasing}
    model = th.independent_spins(n, Omega=Omega, longitudinal=turn, **rates)

    def truth() -> Truth:
        found, gaps, doubts = Truth(), [], []
        bloch = [spin_in_field(Omega[k], turn[k], (decay[k], pumping[k], dephasing[k]))
                 for k in range(n)]  # fmt: skip
        for axis, column in zip("xyz", np.array(bloch).T, strict=True):
            found.values[f"sigma_{axis}"] = column
            found.doubt[f"sigma_{axis}"] = np.full(n, _ROUNDING)
        for k in range(n):
            own = {name: value[k] for name, value in rates.items()}
            L = generator(th.independent_spins(1, Omega=Omega[k], longitudinal=turn[k], **own))
            gaps.append(np.sort(-np.linalg.eigvals(L).real)[1])
            doubts.append(1e-14 * np.linalg.norm(L, 2))
        slowest = int(np.argmin(gaps))
        found.values["gap"] = np.asarray(gaps[slowest])
        found.doubt["gap"] = np.asarray(max(doubts))
        return found

    return Stationary(model, ("sigma_x", "sigma_y", "sigma_z"), truth)


STATIONARY: dict[str, Callable[[Rng], Stationary]] = {
    "stationary: networks": networks,
    "stationary: pairs": pairs,
    "stationary: Dicke": cavity("Dicke"),
    "stationary: bad cavity": cavity("bad cavity"),
    "stationary: interchangeable spins": interchangeable,
    "stationary: metastable": metastable,
    "stationary: slow spins": slow_spins,
}


def draw_stationary(name: str, seed: int) -> Stationary:
    """Return the stationary problem of a kind with this seed."""
    return STATIONARY[name](seeded(name, seed))
