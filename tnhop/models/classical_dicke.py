"""Spins that flip at random between configurations which their modes can tell apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.models.parts import cites, mode_couplings, mode_rates, patterns_of, recipe
from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model, spins
from tnhop.physics.rates import SpinBosonRate, SqrtRate
from tnhop.physics.terms import Operator, Term, sigma
from tnhop.support.checks import broadcast, fail, one_of

__all__ = ["classical_dicke"]

_EQUAL = 1e-9  # couplings that differ by less, relative to the largest, coincide
_MAX_READ = 8  # a collective flip has 2**n terms per spin, n the number of spins in its field

Group = list[tuple[int, int]]  # spins with one row of couplings, and the signs of their rows


@cites("Fiorelli2020SpinBoson")
def classical_dicke(
    g: ArrayLike,
    *,
    omega: ArrayLike,
    Omega: ArrayLike,
    loss: ArrayLike,
    gain: ArrayLike = 0.0,
    coincident: str = "collective",
    n_spins: int | None = None,
) -> Model:
    r"""Classical limit of `multimode_dicke`: flips of second order in Ω, at any coupling.

    .. math::
        L_{i\pm} = \sqrt{W_{i\pm}(h_i)}\; \sigma^\pm_i, \qquad
        h_i = \sum_{j \ne i} \sum_\mu
        \frac{\omega_\mu\, g_{\mu i}\, g_{\mu j}}{\omega_\mu^2 + \delta_\mu^2/4}\, \sigma^z_j,

    with δ = loss - gain and the rates W of `SpinBosonRate`: Eqs. (75) to (79) of docs/physics.md.

    Spins whose couplings to all modes are equal up to one sign are not told apart by the modes.
    They flip together, :math:`L = \sum_i \sqrt{W_{i\pm}(h_i)}\,\sigma^\pm_i` over such spins (with
    :math:`\sigma^\mp` where the sign is opposite), and have a Lamb shift, Eq. (80).

    Parameters
    ----------
    g : array_like, shape (n_modes, n_spins)
        Couplings, angular frequencies.
    omega, loss, gain : float or array_like, shape (n_modes,)
        Frequency, loss and gain of the modes; loss > gain wherever a spin couples.
    Omega : float or array_like, shape (n_spins,)
        Transverse field, an angular frequency; a spin with 0 never flips.
    coincident : str
        Flips of spins with equal couplings: 'collective', or 'independent', which gives them the
        wrong rates and is there to show what a formula for single flips would say.
    n_spins : int, optional
        Confirms the number of spins; needed if there are more modes than spins.

    Returns
    -------
    Model
        Two jumps per spin, or per group of spins with equal couplings.

    Raises
    ------
    ValueError
        If a spin with a transverse field couples to no mode, or collective flips would depend on
        more than 8 spins.

    See Also
    --------
    eliminated_dicke : the limit of weak coupling instead, at any Ω.

    Notes
    -----
    *Limits.* Exact for Ω → 0 at fixed g, with corrections to slow rates of relative order Ω²: the
    rates must be far below δ/2 and below the rates at which the modes dephase configurations one or
    two flips apart, :math:`\sum_\mu \frac{(\mathtt{loss} + \mathtt{gain})\,\Delta G_\mu^2}
    {2(\omega_\mu^2 + \delta_\mu^2/4)}`. With g ∝ 1/√N that fails for N → ∞. Weak coupling: Fermi's
    golden rule, Lorentzian in h; many thermal photons: detailed balance, Eq. (78). Otherwise there
    is no temperature.

    *Coherences* between configurations that the modes tell apart are not part of the limit; they
    never enter populations here. Start from configurations.

    *Mean field* makes sense for many spins with distinct couplings; there is no limit N → ∞.

    References
    ----------
    .. [1] E. Fiorelli et al., Phys. Rev. Research 2, 013198 (2020), arXiv:1904.13181.

    Examples
    --------
    >>> model = classical_dicke([[0.7, 0.4]], omega=1.0, Omega=0.05, loss=2.0)
    >>> model.n_modes, len(model.jumps), model.hamiltonian.terms
    (0, 4, ())
    """
    couplings = mode_couplings(g, n_spins)
    n_modes, size = couplings.shape
    frequency, down, up = mode_rates(n_modes, omega, loss, gain)
    fields = broadcast(Omega, "Omega", size, "spin")
    one_of(coincident, "coincident", ["collective", "independent"])
    stiffness = np.maximum(frequency**2 + (down - up) ** 2 / 4, np.finfo(float).tiny)
    K = (couplings.T * (frequency / stiffness)) @ couplings
    np.fill_diagonal(K, 0.0)
    omegas, losses, gains = (tuple(values.tolist()) for values in (frequency, down, up))

    def rate(i: int, sign: int) -> SpinBosonRate:
        strengths = tuple(np.abs(couplings[:, i]).tolist())
        return SpinBosonRate(strengths, omegas, losses, gains, float(fields[i]), sign)

    jumps: list[Jump | FieldJump] = []
    shifts: list[Operator] = []
    for group in _groups(couplings, fields):
        if len(group) == 1 or coincident == "independent":
            jumps += [
                FieldJump(i, {name: SqrtRate(rate(i, sign))}, K[i])
                for i, _ in group
                for name, sign in (("+", 1), ("-", -1))
            ]
            continue
        _check_size(group, K)
        for sign in (1, -1):
            jump, shift = _collective(group, sign, K, rate)
            jumps.append(jump)
            shifts.append(shift)
    return Model(
        spins(size),
        Operator.sum(shifts),
        tuple(jumps),
        patterns=patterns_of(couplings),
        recipe=recipe(classical_dicke, locals(), g=couplings, n_spins=None),
    )


def _groups(g: NDArray[np.float64], fields: NDArray[np.float64]) -> list[Group]:
    """Group the spins that flip by their couplings to the modes, up to a sign."""
    groups: list[Group] = []
    for i in np.flatnonzero(fields).tolist():
        if not g[:, i].any():
            found = f"spin {i} couples to none"
            remedy = "Keep it out of this model: without modes its flips stay coherent."
            raise fail("g", "couple every spin with a transverse field to a mode", found, remedy)
        for group, sign in itertools.product(groups, (1, -1)):
            if np.abs(g[:, i] - sign * g[:, group[0][0]]).max() <= _EQUAL * np.abs(g).max():
                group.append((i, sign))
                break
        else:
            groups.append([(i, 1)])
    return groups


def _check_size(group: Group, K: NDArray[np.float64]) -> None:
    read = int(max(np.count_nonzero(K[i]) for i, _ in group))
    if read > _MAX_READ:
        (i, _), (j, sign), *_ = group
        raise fail(
            "g",
            "couple any two spins differently, by more than a sign",
            f"spins {i} and {j} have {'equal' if sign > 0 else 'opposite'} couplings, and their "
            f"collective flips depend on {read} other spins (at most {_MAX_READ} are possible)",
            "Change their couplings, use `eliminated_dicke` or `multimode_dicke`, or ask for the "
            "wrong independent flips with `coincident='independent'`.",
        )


def _collective(
    group: Group, sign: int, K: NDArray[np.float64], rate: Callable[[int, int], SpinBosonRate]
) -> tuple[Jump, Operator]:
    """Return the jump and the Lamb shift of spins that flip together, Eq. (80)."""
    flips, shifted, back = [], [], []
    for i, row_sign in group:
        W = rate(i, sign * row_sign)
        sites = np.flatnonzero(K[i]).tolist()
        half = W.Omega * W.half_fourier(_all_fields(K[i, sites]))
        ladder = sigma("+" if sign * row_sign > 0 else "-")(i)
        # not the root of W, which forgets the sign of Omega
        size = np.sign(W.Omega) * np.sqrt(2 * np.maximum(W.Omega * half.real, 0.0))
        flips.append(_diagonal(size, sites) * ladder)
        shifted.append(_diagonal(half.imag, sites) * ladder)
        back.append(W.Omega * ladder.dag())
    return Jump(Operator.sum(flips)), Operator.sum(back) * Operator.sum(shifted)


def _all_fields(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Σ weights_k s_k of all configurations, shape (2,) * n, up first."""
    h = np.zeros(())
    for weight in weights:
        h = np.add.outer(h, [weight, -weight])
    return h


def _diagonal(table: NDArray[np.float64], sites: list[int]) -> Operator:
    """Write a function of the configuration of some spins as a sum of products of σᶻ."""
    for axis in range(len(sites)):
        up, down = np.moveaxis(table, axis, 0)
        table = np.stack([up + down, up - down], axis=axis) / 2
    floor = 1e-15 * np.abs(table).max()
    return Operator(
        tuple(
            Term(float(value), tuple((sites[k], "z") for k in np.flatnonzero(index)))
            for index, value in np.ndenumerate(table)
            if abs(value) > floor
        )
    )
