"""Unit of the rates of a model: what times, thresholds and tolerances are measured in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.terms import Operator
from tnhop.support.arrays import Real

_FIELDS = 9  # fields, up to the largest possible one, over which rates are averaged


def site_rates(n_sites: int, hamiltonian: Operator, jumps: Iterable[Jump | FieldJump]) -> Real:
    """Return the rate at which every site is changed, Eq. (81) of docs/physics.md.

    Modes count with a single quantum, so that the rates do not depend on the kept levels.

    Parameters
    ----------
    n_sites : int
        Number of sites.
    hamiltonian : Operator
        Hermitian sum of terms.
    jumps : iterable of Jump or FieldJump
        Jump operators.

    Returns
    -------
    ndarray, shape (n_sites,)
        In the unit of the terms.
    """
    rates = _sizes_by_site(n_sites, hamiltonian)[0]
    for jump in jumps:
        if isinstance(jump, FieldJump):
            reach = np.abs(jump.fields).sum(axis=1, keepdims=True)
            fields = reach * np.linspace(-1, 1, _FIELDS)
            rates[jump.site] += sum(float(np.mean(np.abs(a(*fields)) ** 2))
                                    for _, a in jump.amplitudes)  # fmt: skip
        else:
            sizes, total = _sizes_by_site(n_sites, jump.operator)
            rates += sizes * total
    return rates


def rate_scale(rates: Sequence[float] | Real) -> float:
    """Return the geometric mean of the rates of the sites that change at all; 1 if none does.

    Parameters
    ----------
    rates : array_like, shape (n_sites,)
        Of every site.
    """
    changing = [float(rate) for rate in rates if 0 < rate < math.inf]
    if not changing:
        return 1.0
    unit = 2.0 ** math.frexp(max(changing))[1]  # other units that are powers of 2 round alike
    return unit * math.exp(math.fsum(math.log(r / unit) for r in changing) / len(changing))


def _sizes_by_site(n_sites: int, operator: Operator) -> tuple[Real, float]:
    """Return Σ |c| Π ‖A‖ over the terms on every site, and over all terms."""
    sizes, total = np.zeros(n_sites), 0.0
    for term in operator.terms:
        acting = [(site, name) for site, name in term.factors if name != "I"]
        # spin operators have the norm 1, letters of modes between the lowest levels, too
        size = abs(term.coefficient) * (1.0 if acting else 0.0)
        total += size
        for site in {site for site, _ in acting}:
            sizes[site] += size
    return sizes, total
