"""The open quantum Hopfield network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.models.parts import cites, recipe, spin_fields
from tnhop.patterns.couplings import check_couplings, hebb, pseudo_inverse
from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model, spins
from tnhop.physics.rates import GlauberRate, SqrtRate
from tnhop.physics.time_base import TimeFunction
from tnhop.support.checks import fail, wrong_type

__all__ = ["open_hopfield"]


@cites("Hopfield1982", "Rotondo2018")
def open_hopfield(
    xi: ArrayLike,
    *,
    beta: float,
    Omega: ArrayLike | TimeFunction = 0.0,
    longitudinal: ArrayLike | TimeFunction = 0.0,
    couplings: Callable[[NDArray[Any]], NDArray[Any]] | ArrayLike = hebb,
) -> Model:
    r"""Open quantum Hopfield network: thermal single-spin flips in a transverse field.

    .. math::
        \dot\rho = -i[H, \rho] + \sum_{k,\pm} D[L_{k\pm}]\rho, \quad
        H = \mathtt{Omega} \sum_k \sigma^x_k + \mathtt{longitudinal} \sum_k \sigma^z_k, \quad
        L_{k\pm} = \sqrt{\frac{e^{\pm\mathtt{beta}\, h_k}}{2\cosh \mathtt{beta}\,
        h_k}}\;\sigma^\pm_k,

    with :math:`h_k = \sum_{j \ne k} J_{kj} \sigma^z_j`; Eqs. (4), (6), (9), (10) of
    docs/physics.md.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Stored patterns, entries +1 and -1.
    beta : float or TimeFunction
        Inverse temperature, in units of 1/J; ``np.inf`` gives deterministic flips, with ties
        decided by rates 1/2.
    Omega : float, TimeFunction or array_like, shape (n_spins,)
        Transverse field, an angular frequency (hbar = 1; the single-spin rate is 1).
    longitudinal : float, TimeFunction or array_like, shape (n_spins,)
        Longitudinal field of the Hamiltonian, an angular frequency; the rates do not see it.
    couplings : callable or array_like, shape (n_spins, n_spins)
        A function of the patterns (`hebb`, `pseudo_inverse`) or a matrix J with zero diagonal;
        J_kj is the weight of spin j in the field of spin k.

    Returns
    -------
    Model
        ``n_spins`` spins and ``2 * n_spins`` jumps.

    Raises
    ------
    ValueError
        If `xi` has entries other than +1 and -1, or J has the wrong shape or a diagonal.

    See Also
    --------
    evolve, steady_state : the functions that take a Model.

    Notes
    -----
    *Limits.* ``Omega = 0``: the diagonal of rho obeys Glauber dynamics and, for symmetric J,
    relaxes to the Gibbs state. N → ∞: mean field, Eq. (18) of docs/physics.md.

    References
    ----------
    .. [1] P. Rotondo et al., J. Phys. A 51, 115301 (2018), arXiv:1701.01727.

    Examples
    --------
    >>> model = open_hopfield([[1, 1, -1, -1]], beta=2.0, Omega=0.3)
    >>> model.n_sites, len(model.jumps)
    (4, 8)
    """
    patterns = check_patterns(xi)
    n_spins = patterns.shape[1]
    J = check_couplings(_coupling_matrix(couplings, patterns), n_spins)
    n_patterns = len(patterns)
    hebbian = couplings is hebb
    self_terms = np.full(n_spins, n_patterns / n_spins) if hebbian else _self_couplings(J, patterns)
    argument, at = (beta, 1.0) if isinstance(beta, TimeFunction) else (None, beta)
    if argument is not None and argument.range[0] < 0:
        found = f"`{argument!r}` reaches {argument.range[0]:g}"
        raise fail("beta", "be at least 0 at all times", found)
    amplitudes = {"+": SqrtRate(GlauberRate(at, +1)), "-": SqrtRate(GlauberRate(at, -1))}
    jumps = [
        FieldJump(k, {name: amplitude}, J[k], self_field=self_terms[k], argument=argument)
        for k in range(n_spins)
        for name, amplitude in amplitudes.items()
    ]
    named = couplings in (hebb, pseudo_inverse) if callable(couplings) else False
    return Model(
        spins(n_spins),
        spin_fields(n_spins, Omega=("x", Omega), longitudinal=("z", longitudinal)),
        tuple(jumps),
        patterns=patterns,
        recipe=recipe(open_hopfield, locals(), xi=patterns, couplings=couplings if named else J),
    )


def _coupling_matrix(couplings: Any, patterns: NDArray[np.int8]) -> ArrayLike:
    if isinstance(couplings, str):
        remedy = "Write `couplings=th.hebb`, `th.pseudo_inverse` or a matrix."
        raise wrong_type("couplings", "be a function or a matrix", couplings, remedy)
    return couplings(patterns) if callable(couplings) else couplings


def _self_couplings(J: NDArray[np.float64], xi: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the diagonal D of J in the thermodynamic limit: J + D = ξᵀAξ, if there is one, else 0.

    Hebb couplings are tried first, because they are recognised even where the patterns span all
    configurations; otherwise D follows from (1 - P)(J + D) = 0, P the projector on the patterns.
    """
    n_spins = xi.shape[1]
    patterns, off = xi.astype(float), ~np.eye(n_spins, dtype=bool)
    tolerance = 1e-10 * max(np.abs(J).max(initial=0.0), 1e-300)
    gram = patterns.T @ patterns
    if gram[off].any():
        scale = J[off] @ gram[off] / (gram[off] @ gram[off])
        if np.abs(J - scale * gram)[off].max() < tolerance:
            return scale * np.diagonal(gram)
    Q = np.eye(n_spins) - np.linalg.pinv(patterns) @ patterns
    weight = np.diagonal(Q)  # = |Q e_i|²
    if weight.min() < 1e-8:
        return np.zeros(n_spins)
    D = -np.einsum("ij,ij->j", Q, Q @ J) / weight
    return D if np.abs(Q @ (J + np.diag(D))).max() < tolerance else np.zeros(n_spins)
