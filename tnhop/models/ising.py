"""Ising models with local jumps: Hebbian, long-range or any couplings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tnhop.models.parts import cites, made_by, recipe, spin_fields, spin_jumps
from tnhop.patterns.couplings import check_couplings, hebb
from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.model import Model, spins
from tnhop.physics.terms import Operator, Term
from tnhop.support.checks import fail, real_array

__all__ = ["hebbian_ising", "long_range_ising"]


@cites("FossFeig2013")
def long_range_ising(
    couplings: ArrayLike,
    *,
    Omega: ArrayLike = 0.0,
    longitudinal: ArrayLike = 0.0,
    decay: ArrayLike = 0.0,
    pumping: ArrayLike = 0.0,
    dephasing: ArrayLike = 0.0,
    patterns: ArrayLike | None = None,
) -> Model:
    r"""Ising model with any couplings, fields and local jumps.

    .. math::
        H = -\sum_{i<j} J_{ij} \sigma^z_i\sigma^z_j + \Omega \sum_i \sigma^x_i
            + \mathtt{longitudinal} \sum_i \sigma^z_i

    Parameters
    ----------
    couplings : array_like, shape (n_spins, n_spins)
        Symmetric J with zero diagonal, angular frequencies; see `power_law`.
    Omega, longitudinal : float or array_like, shape (n_spins,)
        Transverse and longitudinal fields, angular frequencies.
    decay, pumping, dephasing : float or array_like, shape (n_spins,)
        Rates of the jumps σ⁻, σ⁺ and σᶻ on every spin.
    patterns : array_like, shape (n_patterns, n_spins), optional
        Patterns for the overlaps.

    Returns
    -------
    Model

    Examples
    --------
    >>> from tnhop import power_law
    >>> long_range_ising(power_law(4, 3.0), Omega=0.4, decay=0.2).n_spins
    4
    """
    n_spins = len(real_array(couplings, "couplings", ("n_spins", "n_spins")))
    J = check_couplings(couplings, n_spins)
    if not np.array_equal(J, J.T):
        i, j = np.argwhere(J != J.T)[0]
        found = f"couplings[{i}, {j}] = {J[i, j]:g} and couplings[{j}, {i}] = {J[j, i]:g}"
        raise fail("couplings", "be symmetric", found)
    pairs = zip(*np.nonzero(np.triu(J)), strict=True)
    ising = Operator(tuple(Term(-J[i, j], ((int(i), "z"), (int(j), "z"))) for i, j in pairs))
    fields = spin_fields(n_spins, Omega=("x", Omega), longitudinal=("z", longitudinal))
    xi = None if patterns is None else check_patterns(patterns, "patterns")
    return Model(
        spins(n_spins),
        ising + fields,
        tuple(spin_jumps(n_spins, decay=decay, pumping=pumping, dephasing=dephasing)),
        patterns=xi,
        recipe=recipe(long_range_ising, locals(), couplings=J, patterns=xi),
    )


@cites("Hopfield1982", "FossFeig2013")
def hebbian_ising(
    xi: ArrayLike,
    *,
    Omega: ArrayLike = 0.0,
    longitudinal: ArrayLike = 0.0,
    decay: ArrayLike = 0.0,
    pumping: ArrayLike = 0.0,
    dephasing: ArrayLike = 0.0,
) -> Model:
    r"""Ising model with Hebb couplings :math:`J = \frac1N \xi^T\xi` and local jumps.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Stored patterns, entries +1 and -1.
    Omega, longitudinal : float or array_like, shape (n_spins,)
        Transverse and longitudinal fields, angular frequencies.
    decay, pumping, dephasing : float or array_like, shape (n_spins,)
        Rates of the jumps σ⁻, σ⁺ and σᶻ on every spin.

    Returns
    -------
    Model

    See Also
    --------
    long_range_ising : the same with any couplings.

    Examples
    --------
    >>> len(hebbian_ising([[1, 1, -1], [1, -1, 1]], Omega=0.5, decay=0.5).jumps)
    3
    """
    patterns = check_patterns(xi)
    model = long_range_ising(
        hebb(patterns), Omega=Omega, longitudinal=longitudinal, decay=decay, pumping=pumping,
        dephasing=dephasing, patterns=patterns,
    )  # fmt: skip
    return made_by(model, recipe(hebbian_ising, locals(), xi=patterns))
