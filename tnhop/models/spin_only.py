"""Spins whose modes have been eliminated."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tnhop.models.parts import cites, mode_couplings, mode_rates, patterns_of, recipe, spin_fields
from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model, spins
from tnhop.physics.terms import Operator, sigma
from tnhop.support.checks import broadcast

__all__ = ["eliminated_dicke"]


@cites("Jager2022", "Damanet2019")
def eliminated_dicke(
    g: ArrayLike,
    *,
    omega: ArrayLike,
    Omega: ArrayLike,
    loss: ArrayLike,
    gain: ArrayLike = 0.0,
    n_spins: int | None = None,
) -> Model:
    r"""Spin-only limit of `multimode_dicke`: the modes follow the spins and mediate their coupling.

    .. math::
        H = \Omega \sum_i \sigma^x_i
            + \tfrac12 \sum_\mu (\mathcal A_\mu^\dagger G_\mu + G_\mu \mathcal A_\mu)
            + \sum_\mu \tfrac{\bar n_\mu}2 [G_\mu, \mathcal A_\mu - \mathcal A_\mu^\dagger], \quad
        L = \sqrt{\mathtt{loss}}\,\mathcal A_\mu,\ \sqrt{\mathtt{gain}}\,\mathcal A_\mu^\dagger,

    where :math:`G_\mu = \sum_i g_{\mu i}\sigma^z_i`, :math:`\mathcal A_\mu` is the field that the
    mode would have and :math:`\bar n = \mathtt{gain}/(\mathtt{loss}-\mathtt{gain})`: Eqs. (30) and
    (31) of docs/physics.md. At small Ω this is
    :math:`-\sum_\mu \frac{\omega_\mu}{\omega_\mu^2+\delta_\mu^2/4} G_\mu^2` with collective
    dephasing, Eq. (32).

    Parameters
    ----------
    g : array_like, shape (n_modes, n_spins)
        Couplings, angular frequencies.
    omega, loss, gain : float or array_like, shape (n_modes,)
        Frequency, loss and gain (< loss) of the modes; ω and δ = loss - gain must not both vanish.
    Omega : float or array_like, shape (n_spins,)
        Transverse field, an angular frequency.
    n_spins : int, optional
        Confirms the number of spins; needed if there are more modes than spins.

    Returns
    -------
    Model
        Collective jumps only, so that spins with equal couplings stay indistinguishable.

    Notes
    -----
    Second order in g/|iω + δ/2|: slow rates err by O(g⁴), spin observables by O(g²), because the
    spins of the full model are dressed by the modes. Compare with `multimode_dicke`.

    References
    ----------
    .. [1] S. B. Jäger et al., Phys. Rev. Lett. 129, 063601 (2022).

    Examples
    --------
    >>> eliminated_dicke([[0.1, 0.1]], omega=2.0, Omega=0.1, loss=1.0).n_modes
    0
    """
    couplings = mode_couplings(g, n_spins)
    n_modes, size = couplings.shape
    frequency, down, up = mode_rates(n_modes, omega, loss, gain)
    fields = broadcast(Omega, "Omega", size, "spin")
    parts, jumps = [spin_fields(size, Omega=("x", fields))], []
    for k in range(n_modes):
        source = Operator.sum(couplings[k, i] * sigma("z")(i) for i in range(size))
        field = _adiabatic_field(couplings[k], complex((down[k] - up[k]) / 2, frequency[k]), fields)
        parts.append(0.5 * (field.dag() * source + source * field))
        if up[k]:
            thermal, odd = up[k] / (down[k] - up[k]), field - field.dag()
            parts.append(thermal / 2 * (source * odd - odd * source))
        for rate, operator in ((down[k], field), (up[k], field.dag())):
            if rate and operator.terms:
                jumps.append(Jump(math.sqrt(rate) * operator))
    return Model(
        spins(size),
        Operator.sum(parts),
        tuple(jumps),
        patterns=patterns_of(couplings),
        recipe=recipe(eliminated_dicke, locals(), g=couplings, n_spins=None),
    )


def _adiabatic_field(g: np.ndarray, s: complex, fields: np.ndarray) -> Operator:
    """Return 𝒜 = -i Σ g_i (s σᶻ - ν σʸ)/(s² + ν²), ν = 2Ω_i: Eq. (30) of docs/physics.md."""
    parts = []
    for i, Omega in enumerate(fields):
        nu = 2 * Omega
        weight = -1j * g[i] / (s * s + nu * nu)
        parts.append(weight * (s * sigma("z")(i) - nu * sigma("y")(i)))
    return Operator.sum(parts)
