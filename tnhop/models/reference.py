"""Models with closed-form answers, and those answers: Eqs. (41)-(43) of docs/physics.md."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm

from tnhop.models.parts import MOST_SPINS, mode_rates, recipe, spin_fields, spin_jumps
from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model, modes, spins
from tnhop.physics.terms import create, destroy, number
from tnhop.support.checks import (
    broadcast,
    complex_array,
    fail,
    increasing_times,
    integer,
    non_negative,
    real,
    real_array,
)

__all__ = [
    "bloch_solution",
    "damped_mode",
    "damped_mode_solution",
    "dephased_ising_solution",
    "independent_spins",
]

_LONGEST = 1e8  # phase that keeps half of its digits


def independent_spins(
    n_spins: int,
    *,
    Omega: ArrayLike = 0.0,
    longitudinal: ArrayLike = 0.0,
    decay: ArrayLike = 0.0,
    pumping: ArrayLike = 0.0,
    dephasing: ArrayLike = 0.0,
) -> Model:
    r"""Driven, damped spins that do not interact: the optical Bloch equations.

    Parameters
    ----------
    n_spins : int
        Number of spins.
    Omega, longitudinal : float or array_like, shape (n_spins,)
        Transverse and longitudinal fields, angular frequencies.
    decay, pumping, dephasing : float or array_like, shape (n_spins,)
        Rates of the jumps σ⁻, σ⁺ and σᶻ.

    Returns
    -------
    Model

    See Also
    --------
    bloch_solution : the exact answer.

    Examples
    --------
    >>> len(independent_spins(2, Omega=0.3, decay=0.5).jumps)
    2
    """
    size = integer(n_spins, "n_spins", minimum=1, maximum=MOST_SPINS)
    return Model(
        spins(size),
        spin_fields(size, Omega=("x", Omega), longitudinal=("z", longitudinal)),
        tuple(spin_jumps(size, decay=decay, pumping=pumping, dephasing=dephasing)),
        recipe=recipe(independent_spins, locals(), n_spins=size),
    )


def bloch_solution(
    times: ArrayLike,
    bloch: ArrayLike,
    *,
    Omega: float = 0.0,
    longitudinal: float = 0.0,
    decay: float = 0.0,
    pumping: float = 0.0,
    dephasing: float = 0.0,
) -> NDArray[np.float64]:
    """Exact Bloch vector of one driven, damped spin, Eq. (41) of docs/physics.md.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Output times.
    bloch : array_like, shape (3,)
        Bloch vector at time 0.
    Omega, longitudinal : float
        Transverse and longitudinal field.
    decay, pumping, dephasing : float
        Rates of the jumps σ⁻, σ⁺ and σᶻ.

    Returns
    -------
    ndarray, shape (n_times, 3)
    """
    Omega, longitudinal = real(Omega, "Omega"), real(longitudinal, "longitudinal")
    decay, pumping = real(decay, "decay", minimum=0.0), real(pumping, "pumping", minimum=0.0)
    dephasing = real(dephasing, "dephasing", minimum=0.0)
    t = _resolved_times(times, max(abs(Omega), abs(longitudinal), decay, pumping, dephasing))
    b, T1, T2 = 2 * longitudinal, decay + pumping, (decay + pumping) / 2 + 2 * dephasing
    generator = np.array(
        [
            [-T2, -b, 0, 0],
            [b, -T2, -2 * Omega, 0],
            [0, 2 * Omega, -T1, pumping - decay],
            [0, 0, 0, 0],
        ]
    )
    start = np.append(real_array(bloch, "bloch", (3,)), 1.0)
    return np.array([(expm(generator * now) @ start)[:3] for now in t])


def _resolved_times(times: ArrayLike, rate: float) -> NDArray[np.float64]:
    """Check times over which phases keep their digits."""
    t = increasing_times(times)
    if t[-1] * rate > _LONGEST:
        found = f"the last one is {t[-1]:g} and the largest rate {rate:g}"
        raise fail("times", f"end before {_LONGEST:g} over the largest rate", found)
    return t


def damped_mode(
    *,
    omega: float,
    drive: float = 0.0,
    loss: float,
    gain: float = 0.0,
    fock_dim: int,
) -> Model:
    r"""Driven, lossy, pumped mode :math:`H = \omega a^\dagger a + \mathtt{drive}\,(a + a^\dagger)`.

    Parameters
    ----------
    omega, drive : float
        Frequency and drive, angular frequencies.
    loss, gain : float
        Rates of loss and pumping, gain < loss.
    fock_dim : int
        Number of kept Fock levels.

    Returns
    -------
    Model

    See Also
    --------
    damped_mode_solution : the exact answer.

    Examples
    --------
    >>> damped_mode(omega=1.0, drive=0.2, loss=0.5, fock_dim=8).dims
    (8,)
    """
    frequency, down, up = (float(value[0]) for value in mode_rates(1, omega, loss, gain))
    strength = real(drive, "drive")
    H = frequency * number(0) + strength * (destroy(0) + create(0))
    pairs = ((down, destroy(0)), (up, create(0)))
    jumps = tuple(Jump(math.sqrt(rate) * operator) for rate, operator in pairs if rate)
    return Model(modes(1, fock_dim=fock_dim), H, jumps, recipe=recipe(damped_mode, locals()))


def damped_mode_solution(
    times: ArrayLike,
    alpha: complex = 0.0,
    *,
    omega: float,
    drive: float = 0.0,
    loss: float,
    gain: float = 0.0,
) -> dict[str, NDArray[np.complex128]]:
    """Exact amplitude ⟨a⟩ and occupation ⟨a†a⟩ of the driven mode, Eq. (42) of docs/physics.md.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Output times.
    alpha : complex
        Coherent amplitude at time 0.
    omega, drive, loss, gain : float
        As in `damped_mode`.

    Returns
    -------
    dict of ndarray, shape (n_times,)
        ``alpha`` (complex) and ``occupation``.
    """
    frequency, down, up = (float(value[0]) for value in mode_rates(1, omega, loss, gain))
    strength, start = real(drive, "drive"), complex_array(alpha, "alpha", ()).item()
    t = _resolved_times(times, max(abs(frequency), abs(strength), down))
    s = (down - up) / 2 + 1j * frequency
    if s:
        stationary = -1j * strength / s
        amplitude = stationary + (start - stationary) * np.exp(-s * t)
    else:  # nothing but the drive
        amplitude = start - 1j * strength * t
    thermal = up / (down - up) * -np.expm1(-(down - up) * t) if up else 0.0 * t
    return {"alpha": amplitude, "occupation": np.abs(amplitude) ** 2 + thermal}


def dephased_ising_solution(
    times: ArrayLike,
    couplings: ArrayLike,
    bloch: ArrayLike,
    *,
    dephasing: ArrayLike = 0.0,
    longitudinal: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    r"""Exact Bloch vectors of `long_range_ising` at Omega = 0, Eq. (43) of docs/physics.md.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Output times.
    couplings : array_like, shape (n_spins, n_spins)
        J of :math:`H = -\sum_{i<j} J_{ij}\sigma^z_i\sigma^z_j`.
    bloch : array_like, shape (n_spins, 3)
        Bloch vectors of the initial product state.
    dephasing : float or array_like, shape (n_spins,)
        Rate of the jump σᶻ.
    longitudinal : float or array_like, shape (n_spins,)
        Longitudinal field.

    Returns
    -------
    ndarray, shape (n_times, n_spins, 3)
    """
    r = real_array(bloch, "bloch", ("n_spins", 3))
    J = real_array(couplings, "couplings", (len(r), len(r)))
    rate = 2 * non_negative(broadcast(dephasing, "dephasing", len(r), "spin"), "dephasing")
    field = 2 * broadcast(longitudinal, "longitudinal", len(r), "spin")
    largest = max(np.abs(array).max(initial=0.0) for array in (J, rate, field))
    t = _resolved_times(times, float(largest))[:, None]
    angle = 2 * J * t[..., None]
    factors = np.cos(angle) - 1j * r[:, 2] * np.sin(angle)
    # sigma^+ = (x + iy)/2 turns as exp(2 i b t) under H = b sigma^z
    plus = (r[:, 0] + 1j * r[:, 1]) * np.exp((1j * field - rate) * t) * factors.prod(axis=2)
    return np.stack([plus.real, plus.imag, np.broadcast_to(r[:, 2], plus.shape)], axis=2)
