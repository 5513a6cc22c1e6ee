"""Fourier integrals over the half line, of functions that end in an exponential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander
from scipy.special import spherical_jn

from tnhop.support.arrays import Complex, Real

_ORDER = 20  # Legendre polynomials per panel
_MAX_PANELS = 2**15  # of one width
_CHUNK = 2**20  # exponentials held at once
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class HalfFourier:
    r"""The integral :math:`I(\theta) = \int_0^\infty C(t)\, e^{-i\theta t}\, dt`, for any real θ.

    C is a Legendre series on panels up to a time T, where the oscillation is integrated exactly,
    :math:`\int_{-1}^1 P_l(x) e^{-ikx} dx = 2 (-i)^l j_l(k)`; from there on it is
    :math:`C(T)\, e^{-\Gamma (t - T)}`.

    Attributes
    ----------
    panels : tuple of (float, ndarray (n_panels,), ndarray (n_panels, order))
        Half-width, centres and Legendre coefficients of the panels of one width.
    end, decay : float
        T and Γ.
    last : complex
        C(T).
    error : float
        Largest error of I at any θ: the integral of what the series misses, and rounding.
    """

    panels: tuple[tuple[float, Real, Complex], ...]
    end: float
    decay: float
    last: complex
    error: float

    @classmethod
    def fit(
        cls,
        C: Callable[[Real], Complex],
        *,
        end: float,
        decay: float,
        scale: float,
        tolerance: float,
    ) -> HalfFourier:
        """Expand C, of size at most 1, on panels that are halved until the series is accurate.

        Parameters
        ----------
        C : callable
            Function of an array of times.
        end, decay : float
            T and Γ.
        scale : float
            Rate that sets the first width of the panels.
        tolerance : float
            Accepted error of C.
        """
        x, weights = leggauss(_ORDER)
        to_series = legvander(x, _ORDER - 1) * weights[:, None] * (np.arange(_ORDER) + 0.5)
        angles = np.pi * np.arange(2 * _ORDER + 1) / (2 * _ORDER)
        between, shares = np.cos(angles), np.sin(angles) * angles[1] / 2
        shares[[0, -1]] = shares[1] / 4  # a peak at an end must be seen
        back = legvander(between, _ORDER - 1).T
        half = end / (2 * max(1, int(end * scale / 2)))
        centres = np.arange(half, end, 2 * half)
        panels, error, area = [], 0.0, 0.0
        while len(centres):
            series = C(centres[:, None] + half * x) @ to_series
            truth = C(centres[:, None] + half * between)
            missed = np.abs(series @ back - truth) @ shares
            size = np.abs(truth).max(axis=1)
            done = (missed <= tolerance) | (len(centres) > _MAX_PANELS)
            error += 2 * half * float(missed[done].sum())
            area += 2 * half * float(size[done].sum())
            kept = done & (size > 1e-20)
            if kept.any():
                panels.append((half, centres[kept], series[kept]))
            half /= 2
            centres = np.concatenate([centres[~done] - half, centres[~done] + half])
        last = complex(C(np.array(end)))
        rounding = 4 * _EPS * (area + abs(last) / decay)
        return cls(tuple(panels), end, decay, last, error + rounding)

    def __call__(self, theta: Real) -> Complex:
        """Return I(θ), in the shape of θ."""
        flat = np.ravel(theta)
        longest = max((len(centres) for _, centres, _ in self.panels), default=1)
        parts = np.array_split(flat, 1 + flat.size * max(longest, _ORDER) // _CHUNK)
        return np.concatenate([self._at(part) for part in parts]).reshape(np.shape(theta))

    def _at(self, theta: Real) -> Complex:
        order = np.arange(_ORDER)
        total = self.last * np.exp(-1j * theta * self.end) / (self.decay + 1j * theta)
        for half, centres, series in self.panels:
            moments = spherical_jn(order, half * theta[:, None])
            turns = np.exp(-1j * theta[:, None] * centres) @ (series * (-1j) ** order)
            total += 2 * half * np.einsum("tl,tl->t", turns, moments)
        return total


@lru_cache(maxsize=512)
def mode_integral(modes: tuple[tuple[float, float, float, float], ...]) -> HalfFourier:
    """Integral of the correlation of modes that a spin displaces by flipping, Eq. (77).

    Parameters
    ----------
    modes : tuple of (float, float, float, float)
        Coupling, not zero, frequency, loss, and gain < loss of every mode.
    """
    g, omega, down, up = (values[:, None] for values in np.array(modes).T)
    size = 4 * g**2
    c = (down - up) / 2 - 1j * omega
    noise = (down + up) / (down - up)
    decay = float((size * noise * (1 / c).real).sum())

    def correlation(t: Real) -> Complex:
        times = np.ravel(t)
        phi = -np.expm1(-c * times) / c**2
        exponent = size * (noise * (times / c - phi).real + 1j * phi.imag)
        return np.exp(-exponent.sum(axis=0)).reshape(np.shape(t))

    # the end: all transients are over, or the correlation itself is
    transient = size * (noise + 1) / np.abs(c) ** 2
    relaxed = float((np.log(np.maximum(transient / _EPS, 2.0)) / c.real).max())
    gone = (-np.log(_EPS) + float(transient.sum())) / decay
    return HalfFourier.fit(
        correlation,
        end=min(relaxed, gone),
        decay=decay,
        scale=float(np.abs(c).max()),
        tolerance=2e-14 * (1 + float(transient.sum()) ** 0.5),  # times / c - phi cancels
    )
