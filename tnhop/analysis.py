"""What follows from results: spectra of two-time correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from tnhop._checks import fail, real_array, wrong_type
from tnhop.answers import Correlation

__all__ = ["emission_spectrum"]

_NODES = 8  # of Gauss-Legendre quadrature between two delays
_DECAYED = 0.01


def emission_spectrum(
    correlation: Correlation, frequencies: ArrayLike, *, limit: complex = 0.0
) -> NDArray[np.float64]:
    r"""Power spectrum of a stationary correlation, by the Wiener-Khinchin theorem, Eq. (67).

    .. math::
        S(\omega) = \frac{1}{\pi} \mathrm{Re} \int_0^\infty
                    [C(t) - \mathtt{limit}]\, e^{-i\omega t} dt, \qquad
        \int S\, d\omega = C(0) - \mathtt{limit}

    Parameters
    ----------
    correlation : Correlation
        C(t) = ⟨a†(t) a(0)⟩ in a stationary state for the light that a mode emits: `th.correlation`
        with ``first=th.destroy(site)`` and ``second=th.create(site)``.
    frequencies : array_like, shape (n_frequencies,)
        Angular frequencies ω; light of the frequency ω is found at +ω.
    limit : complex
        C(∞) = ⟨a†⟩⟨a⟩: the coherent part, a line without width that is left out.

    Returns
    -------
    ndarray, shape (n_frequencies,)

    Raises
    ------
    ValueError
        If the delays do not begin at 0 or the correlation has not decayed at the last one.

    Notes
    -----
    **Error**: C is a cubic spline between the delays (h apart, error about (ωh)⁴/400) and 0 after
    them. **Cost**: n_frequencies times 8 n_times exponentials.

    Examples
    --------
    An empty mode with a thermal bath emits a Lorentzian of half-width (loss - gain)/2:

    >>> import tnhop as th
    >>> model = th.Model(
    ...     th.modes(1, fock_dim=12), 0.7 * th.number(0),
    ...     [th.Jump(th.destroy(0)), th.Jump(0.2**0.5 * th.create(0))],
    ... )
    >>> state = th.steady_state(model).state
    >>> t = np.linspace(0, 30, 301)
    >>> C = th.correlation(model, state, t, th.destroy(0), th.create(0))
    >>> S = th.emission_spectrum(C, [0.7, 1.1])  # n = 0.25
    >>> round(float(S[0]), 4), round(float(S[0] / S[1]), 3)
    (0.1989, 2.0)
    """
    if not isinstance(correlation, Correlation):
        raise wrong_type("correlation", "be a Correlation", correlation)
    omega = real_array(frequencies, "frequencies", ("n_frequencies",))
    t, C = correlation.times, correlation.values - limit
    if t[0] != 0 or len(t) < 4:
        found = f"they are {len(t)} and begin at {t[0]:g}"
        raise fail("correlation", "have at least 4 delays from 0 on", found)
    if abs(C[-1]) > _DECAYED * abs(C[0]):
        raise fail(
            "correlation",
            f"decay to {_DECAYED:g} of its first value, less `limit`",
            f"at t = {t[-1]:g} it is {abs(C[-1]):.2g} of {abs(C[0]):.2g}",
            "Use longer delays, or give the `limit`.",
        )
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(t)[:, None] / 2
    at = (t[:-1, None] + half * (1 + nodes)).ravel()
    values = CubicSpline(t, C)(at) * (half * weights).ravel()
    return np.asarray((np.exp(-1j * omega[:, None] * at) @ values).real / np.pi)
