"""The multimode Dicke model with loss and gain: spins that talk through modes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tnhop.models.parts import (
    MOST_SPINS,
    cites,
    made_by,
    mode_couplings,
    mode_rates,
    patterns_of,
    recipe,
    spin_fields,
    spin_jumps,
)
from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model, modes, spins
from tnhop.physics.terms import Operator, create, destroy, number, sigma
from tnhop.support.checks import integer, real

__all__ = ["dicke", "multimode_dicke"]


@cites("Fiorelli2020Dicke", "CarolloLesanovsky2021")
def multimode_dicke(
    g: ArrayLike,
    *,
    omega: ArrayLike,
    Omega: ArrayLike,
    loss: ArrayLike,
    gain: ArrayLike = 0.0,
    fock_dim: int | Sequence[int],
    longitudinal: ArrayLike = 0.0,
    decay: ArrayLike = 0.0,
    pumping: ArrayLike = 0.0,
    dephasing: ArrayLike = 0.0,
    patterns: ArrayLike | None = None,
    n_spins: int | None = None,
) -> Model:
    r"""Multimode Dicke model: N spins, M lossy and pumped modes, patterns in the couplings.

    .. math::
        H = \sum_\mu \omega_\mu a_\mu^\dagger a_\mu
          + \sum_{\mu i} g_{\mu i}\, \sigma^z_i (a_\mu + a_\mu^\dagger) + \Omega \sum_i \sigma^x_i

    with jumps :math:`\sqrt{\mathtt{loss}}\,a_\mu` and :math:`\sqrt{\mathtt{gain}}\,a_\mu^\dagger`,
    and optionally :math:`\sqrt{\mathtt{decay}}\,\sigma^-`,
    :math:`\sqrt{\mathtt{pumping}}\,\sigma^+`,
    :math:`\sqrt{\mathtt{dephasing}}\,\sigma^z` on every spin; Eqs. (24), (25) of docs/physics.md.

    Parameters
    ----------
    g : array_like, shape (n_modes, n_spins)
        Couplings, angular frequencies; see `pattern_couplings`.
    omega : float or array_like, shape (n_modes,)
        Mode frequencies.
    Omega : float or array_like, shape (n_spins,)
        Transverse field, an angular frequency.
    loss : float or array_like, shape (n_modes,)
        Rate of photon loss (the field's γ; often called κ in cavity QED).
    gain : float or array_like, shape (n_modes,)
        Rate of incoherent pumping, smaller than `loss`.
    fock_dim : int or sequence of int
        Number of kept Fock levels, of all modes or of each.
    longitudinal : float or array_like, shape (n_spins,)
        Longitudinal field, an angular frequency.
    decay, pumping, dephasing : float or array_like, shape (n_spins,)
        Single-spin rates.
    patterns : array_like, shape (n_patterns, n_spins), optional
        Patterns for the overlaps; by default the signs of `g` where every mode couples to all
        spins with one strength.
    n_spins : int, optional
        Confirms the number of spins; needed if there are more modes than spins.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If `g` looks transposed, a rate is negative, or a gain is not smaller than the loss.

    References
    ----------
    .. [1] E. Fiorelli et al., Phys. Rev. Lett. 125, 070604 (2020), arXiv:2003.01004.

    Examples
    --------
    >>> from tnhop import pattern_couplings
    >>> g = pattern_couplings([[1, 1, -1], [1, -1, 1]], g=0.9)
    >>> multimode_dicke(g, omega=1.0, Omega=0.5, loss=1.0, gain=0.1, fock_dim=6).dims
    (2, 2, 2, 6, 6)
    """
    couplings = mode_couplings(g, n_spins)
    n_modes, size = couplings.shape
    frequency, down, up = mode_rates(n_modes, omega, loss, gain)
    sites = spins(size) + modes(n_modes, fock_dim=fock_dim)
    parts = [spin_fields(size, Omega=("x", Omega), longitudinal=("z", longitudinal))]
    jumps = spin_jumps(size, decay=decay, pumping=pumping, dephasing=dephasing)
    for k in range(n_modes):
        site = size + k
        parts.append(frequency[k] * number(site))
        position = destroy(site) + create(site)
        parts += [value * sigma("z")(i) * position for i, value in enumerate(couplings[k]) if value]
        for rate, operator in ((down[k], destroy(site)), (up[k], create(site))):
            if rate:
                jumps.append(Jump(math.sqrt(rate) * operator))
    return Model(
        sites,
        Operator.sum(parts),
        tuple(jumps),
        patterns=patterns_of(couplings)
        if patterns is None
        else check_patterns(patterns, "patterns"),
        recipe=recipe(multimode_dicke, locals(), g=couplings, patterns=None, n_spins=None),
    )


@cites("KirtonKeeling2017", "CarolloLesanovsky2021")
def dicke(
    n_spins: int,
    *,
    g: float,
    omega: float,
    Omega: float,
    loss: float,
    gain: float = 0.0,
    fock_dim: int,
    decay: float = 0.0,
    pumping: float = 0.0,
    dephasing: float = 0.0,
) -> Model:
    r"""Single-mode Dicke model with loss and gain.

    .. math::
        H = \omega a^\dagger a + \frac{g}{\sqrt N} S^z (a + a^\dagger) + \Omega S^x

    S are sums of Pauli matrices; the overlap with the all-up pattern is the order parameter.

    Parameters
    ----------
    n_spins : int
        Number of spins.
    g, omega, Omega : float
        Coupling, mode frequency and transverse field, angular frequencies.
    loss, gain : float
        Rates of photon loss and pumping, gain < loss.
    fock_dim : int
        Number of kept Fock levels.
    decay, pumping, dephasing : float
        Single-spin rates.

    Returns
    -------
    Model

    Notes
    -----
    Mean field: superradiant for g² > Ω(ω² + δ²/4)/(2ω), δ = loss - gain, Eq. (28) of
    docs/physics.md.

    Examples
    --------
    >>> dicke(3, g=0.7, omega=1.0, Omega=0.5, loss=1.0, fock_dim=8).n_modes
    1
    """
    size = len(spins(integer(n_spins, "n_spins", minimum=1, maximum=MOST_SPINS)))  # not too many
    couplings = np.full((1, size), real(g, "g") / math.sqrt(size))
    model = multimode_dicke(
        couplings, omega=omega, Omega=Omega, loss=loss, gain=gain, fock_dim=fock_dim, decay=decay,
        pumping=pumping, dephasing=dephasing, patterns=np.ones((1, size)),
    )  # fmt: skip
    return made_by(model, recipe(dicke, locals(), n_spins=size))
