"""Couplings between spins, and what follows from them: local fields and the classical energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.patterns.ensembles import check_patterns
from tnhop.support.checks import affordable, fail, integer, one_of, real, real_array

__all__ = [
    "check_couplings",
    "energy",
    "hebb",
    "local_fields",
    "pattern_couplings",
    "power_law",
    "pseudo_inverse",
]


def hebb(xi: ArrayLike, *, norm: str = "N") -> NDArray[np.float64]:
    r"""Hebb couplings :math:`J_{ij} = \frac1N \sum_\mu \xi_i^\mu \xi_j^\mu`, Eq. (2) of physics.md.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Patterns.
    norm : str
        ``"N"`` divides by the number of spins; ``"Np"`` by the number of patterns, which equals the
        first at the inverse temperature β N / n_patterns.

    Returns
    -------
    ndarray, shape (n_spins, n_spins)
        Symmetric, zero diagonal.

    Examples
    --------
    >>> hebb([[1, 1, -1, -1]])[0].tolist()
    [0.0, 0.25, -0.25, -0.25]
    """
    patterns = check_patterns(xi).astype(float)
    n_patterns, n_spins = patterns.shape
    affordable(16.0 * n_spins**2, "xi", f"couplings of {n_spins} spins")
    weight = n_spins if one_of(norm, "norm", ["N", "Np"]) == "N" else n_patterns
    J = patterns.T @ patterns / weight
    np.fill_diagonal(J, 0.0)
    return J


def pseudo_inverse(xi: ArrayLike) -> NDArray[np.float64]:
    r"""Projection couplings :math:`J = \frac1N \xi^T C^{-1} \xi`, C the Gram matrix, zero diagonal.

    Every stored pattern is an exact fixed point, correlated or not.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Linearly independent patterns.

    Returns
    -------
    ndarray, shape (n_spins, n_spins)

    Raises
    ------
    ValueError
        If the patterns are linearly dependent.
    """
    patterns = check_patterns(xi).astype(float)
    affordable(16.0 * patterns.shape[1] ** 2, "xi", f"couplings of {patterns.shape[1]} spins")
    rank = int(np.linalg.matrix_rank(patterns))
    if rank < len(patterns):
        found = f"{len(patterns)} patterns span {rank} dimensions"
        raise fail("xi", "have linearly independent patterns", found)
    J = np.linalg.pinv(patterns) @ patterns
    np.fill_diagonal(J, 0.0)
    return J


def power_law(n_spins: int, exponent: float) -> NDArray[np.float64]:
    """Long-range chain couplings 1/|i - j|^exponent, divided by their mean row sum (Kac).

    Parameters
    ----------
    n_spins : int
        Number of spins, at least 2.
    exponent : float
        At least 0; 0 is all-to-all.

    Returns
    -------
    ndarray, shape (n_spins, n_spins)
    """
    exponent = real(exponent, "exponent", minimum=0.0)
    n_spins = integer(n_spins, "n_spins", minimum=2)
    affordable(32.0 * n_spins**2, "n_spins", f"couplings of {n_spins} spins")
    distance = np.abs(np.subtract.outer(np.arange(n_spins), np.arange(n_spins))).astype(float)
    np.fill_diagonal(distance, np.inf)
    J = distance**-exponent if exponent else np.where(np.isinf(distance), 0.0, 1.0)
    return J / J.sum(axis=1).mean()


def check_couplings(J: ArrayLike, n_spins: int, name: str = "couplings") -> NDArray[np.float64]:
    """Check a coupling matrix: finite, shape (n_spins, n_spins), zero diagonal.

    Parameters
    ----------
    J : array_like, shape (n_spins, n_spins)
        Couplings; J_kj is the weight of spin j in the field of spin k.
    n_spins : int
        Number of spins.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray, shape (n_spins, n_spins)
    """
    array = real_array(J, name, (n_spins, n_spins))
    if np.diagonal(array).any():
        k = int(np.argmax(np.diagonal(array) != 0))
        raise fail(name, "have a zero diagonal", f"{name}[{k}, {k}] = {array[k, k]:g}")
    return array


def local_fields(J: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Local fields h_k = Σ_{j≠k} J_kj s_j, Eq. (4) of docs/physics.md.

    Parameters
    ----------
    J : array_like, shape (n_spins, n_spins)
        Couplings.
    s : array_like, shape (..., n_spins)
        Configurations.

    Returns
    -------
    ndarray, shape (..., n_spins)
    """
    values = _configurations(s)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(values @ check_couplings(J, values.shape[-1], "J").T)


def energy(J: ArrayLike, s: ArrayLike) -> NDArray[np.float64]:
    """Classical energy E = -½ Σ_{ij} J_ij s_i s_j, Eq. (3) of docs/physics.md.

    Parameters
    ----------
    J : array_like, shape (n_spins, n_spins)
        Symmetric couplings.
    s : array_like, shape (..., n_spins)
        Configurations.

    Returns
    -------
    ndarray, shape (...)
    """
    values = _configurations(s)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(-0.5 * np.sum(values * local_fields(J, values), axis=-1))


def _configurations(s: ArrayLike) -> NDArray[np.float64]:
    values = real_array(s, "s")
    if values.ndim == 0:
        raise fail("s", "have shape (..., n_spins)", "it is a number")
    return values


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Refuse products that leave the range of numbers."""
    if not np.all(np.isfinite(values)):
        raise fail("s", "have entries whose sums with `J` are numbers", "they overflow")
    return values


def pattern_couplings(xi: ArrayLike, g: float) -> NDArray[np.float64]:
    r"""Spin–mode couplings :math:`g_{\mu i} = g\,\xi_i^\mu/\sqrt N`: one mode per pattern.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Patterns.
    g : float
        Coupling strength, an angular frequency.

    Returns
    -------
    ndarray, shape (n_modes, n_spins)

    Examples
    --------
    >>> pattern_couplings([[1, -1, 1, 1]], g=0.8).tolist()
    [[0.4, -0.4, 0.4, 0.4]]
    """
    patterns = check_patterns(xi)
    return real(g, "g") * patterns / np.sqrt(patterns.shape[1])
