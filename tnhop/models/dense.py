"""The dense (n-body) open Hopfield network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tnhop.models.parts import cites, recipe, spin_fields
from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model, spins
from tnhop.physics.rates import MOST_DEGREE, DenseGlauberRate, SqrtRate
from tnhop.support.checks import integer

__all__ = ["dense_hopfield"]


@cites("KrotovHopfield2016", "KimuraKato2024")
def dense_hopfield(
    xi: ArrayLike,
    *,
    degree: int,
    beta: float,
    Omega: ArrayLike = 0.0,
    longitudinal: ArrayLike = 0.0,
) -> Model:
    r"""Open quantum Hopfield network with n-body energy :math:`E = -\frac{N}{n}\sum_\mu m_\mu^n`.

    The flips of spin k are thermal at its exact local field, half the energy cost of a flip:

    .. math::
        h_k = \frac{N}{2n} \sum_\mu
              \left[(m'_\mu + \xi_k^\mu/N)^n - (m'_\mu - \xi_k^\mu/N)^n\right],
        \qquad m'_\mu = \frac1N \sum_{j \ne k} \xi_j^\mu \sigma^z_j,

    Eqs. (21) and (22) of docs/physics.md, so that detailed balance holds at every N.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Stored patterns, entries +1 and -1.
    degree : int
        n, at least 2; ``degree=2`` is `open_hopfield`.
    beta : float
        Inverse temperature, dimensionless; ``np.inf`` is allowed.
    Omega : float or array_like, shape (n_spins,)
        Transverse field, an angular frequency.
    longitudinal : float or array_like, shape (n_spins,)
        Longitudinal field of the Hamiltonian, an angular frequency.

    Returns
    -------
    Model

    Notes
    -----
    For n ≥ 3 the paramagnet is linearly stable at every temperature, Eq. (23) of docs/physics.md.

    References
    ----------
    .. [1] D. Krotov, J. J. Hopfield, Advances in Neural Information Processing Systems 29 (2016).
    .. [2] T. Kimura, K. Kato, arXiv:2411.02883.

    Examples
    --------
    >>> dense_hopfield([[1, -1, 1]], degree=3, beta=1.5).n_spins
    3
    """
    patterns = check_patterns(xi)
    degree = integer(degree, "degree", minimum=2, maximum=MOST_DEGREE)
    n_spins = patterns.shape[1]
    jumps = []
    for k in range(n_spins):
        column = tuple(int(entry) for entry in patterns[:, k])
        overlap = patterns / n_spins
        self_overlap = tuple(overlap[:, k])
        overlap[:, k] = 0.0
        for name, sign in (("+", 1), ("-", -1)):
            rate = DenseGlauberRate(beta, sign, degree, column, 1 / n_spins)
            jumps.append(
                FieldJump(k, {name: SqrtRate(rate)}, np.asarray(overlap), self_field=self_overlap)
            )
    return Model(
        spins(n_spins),
        spin_fields(n_spins, Omega=("x", Omega), longitudinal=("z", longitudinal)),
        tuple(jumps),
        patterns=patterns,
        recipe=recipe(dense_hopfield, locals(), xi=patterns),
    )
