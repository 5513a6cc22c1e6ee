"""What the density matrix of one mode tells: photon numbers, the Wigner function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import eval_genlaguerre, gammaln

from tnhop.support.arrays import Real


def wigner_function(rho: NDArray[np.complex128], x: Real, p: Real) -> Real:
    r"""Return W(x, p) of a density matrix in the Fock basis, Eq. (66), shape (n_p, n_x).

    .. math::
        W = \frac{e^{-r^2}}{\pi} \sum_{m \le n} (2 - \delta_{mn}) \, (-1)^m \sqrt{\tfrac{m!}{n!}}
            \, L_m^{(n-m)}(2 r^2) \,
            \mathrm{Re}\bigl[\rho_{mn} (\sqrt 2 (x + i p))^{n-m}\bigr], \qquad r^2 = x^2 + p^2

    with x = (a + a†)/√2, so that ∫ W dx dp = tr ρ and the vacuum is exp(-r²)/π.
    """
    X, P = np.meshgrid(x, p)
    reach = np.sqrt(4.0 * len(rho) + 750)  # beyond it W is below the smallest number
    far = (np.abs(X) > reach) | (np.abs(P) > reach)
    X, P = np.where(far, 0.0, X), np.where(far, 0.0, P)
    square = X**2 + P**2
    W, step = np.zeros(X.shape), np.sqrt(2) * (X + 1j * P)
    power = np.ones(X.shape, dtype=complex)
    for k in range(len(rho)):  # element (m, m + k)
        band = np.zeros(X.shape, dtype=complex)
        for m in range(len(rho) - k):
            weight = (-1.0) ** m * np.exp((gammaln(m + 1) - gammaln(m + k + 1)) / 2)
            band += rho[m, m + k] * weight * eval_genlaguerre(m, k, 2 * square)
        W += (1 if k == 0 else 2) * (band * power).real
        power = power * step
    return np.where(far, 0.0, W * np.exp(-square) / np.pi)
