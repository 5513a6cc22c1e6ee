"""Rates and amplitudes: functions of local fields, as immutable named objects.

A rate Γ(h) ≥ 0 enters a jump through its amplitude √Γ(h). Each object maps an array of fields (one
positional argument per field of the jump) to an array of the same shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from tnhop.physics.bath_integrals import HalfFourier, mode_integral
from tnhop.physics.rate_base import ChebyshevRate, Rate, field_values, signed_unit
from tnhop.support.checks import (
    broadcast,
    complex_array,
    fail,
    integer,
    real,
    real_array,
    settle,
    signs,
    wrong_type,
)
from tnhop.support.codec import register

__all__ = [
    "ConstantRate",
    "DenseGlauberRate",
    "GlauberRate",
    "ScaledRate",
    "SpinBosonRate",
    "SqrtRate",
    "as_amplitude",
]

_UNDAMPED = "An undamped flip stays coherent and has no rate."
_MOST_FIELDS = 10**7  # at once: each takes an integral
_ROUNDING = 1e-12  # of the largest field
_LONGEST_PHASE = 1e14  # of the integral, field times duration: it keeps digits up to there


MOST_DEGREE = 1000  # of the dense energy: its binomial coefficients are floats


@register
@dataclass(frozen=True)
class ConstantRate(Rate):
    """A rate that does not depend on the field.

    Parameters
    ----------
    value : float
        The rate, per unit time, at least 0.
    """

    value: float

    @property
    def n_fields(self) -> int:
        """A constant ignores its fields."""
        return 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", real(self.value, "value", minimum=0.0))

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Return the constant in the shape of the first field."""
        return np.full(field_values(fields[0]).shape, self.value)


@register
@dataclass(frozen=True)
class GlauberRate(Rate):
    r"""Glauber rate :math:`\Gamma_\pm(h) = 1/(1 + e^{\mp 2\beta h})`, Eq. (6) of docs/physics.md.

    Parameters
    ----------
    beta : float
        Inverse temperature, at least 0; ``inf`` gives 0, 1/2 and 1 for fields against, zero, along.
    sign : int
        +1 for flips up, -1 for flips down.

    Examples
    --------
    >>> float(GlauberRate(2.0, +1)(0.0)), float(GlauberRate(float("inf"), -1)(0.3))
    (0.5, 0.0)
    """

    beta: float
    sign: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", real(self.beta, "beta", minimum=0.0, infinite=True))
        settle(self, signed_unit, "sign")

    @property
    def smooth(self) -> bool:
        """Whether the temperature is above zero."""
        return math.isfinite(self.beta)

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Evaluate at one field."""
        h = field_values(fields[0])
        if math.isinf(self.beta):
            return 0.5 * (1 + self.sign * np.sign(h))
        with np.errstate(over="ignore"):  # far fields: 0 or 1
            return expit(2 * (self.sign * self.beta * h))


@register
@dataclass(frozen=True)
class DenseGlauberRate(Rate):
    r"""Glauber rate at the local field of the dense (n-body) energy, Eq. (22) of docs/physics.md.

    .. math::
        h = \frac{1}{2 n s} \sum_\mu \left[(m_\mu + s\,\xi_\mu)^n - (m_\mu - s\,\xi_\mu)^n\right],

    with s = `step` = 1/N; the limit s → 0 is :math:`\sum_\mu \xi_\mu m_\mu^{n-1}`.

    Parameters
    ----------
    beta : float
        Inverse temperature, at least 0; ``inf`` is allowed.
    sign : int
        +1 for flips up, -1 for flips down.
    degree : int
        n, at least 2; n = 2 is the Hopfield network.
    column : tuple of int
        Pattern entries of the spin that flips; its fields are the overlaps of the other spins.
    step : float
        Change of an overlap by half a flip, 1/N; 0 for the thermodynamic limit.
    """

    beta: float
    sign: int
    degree: int
    column: tuple[int, ...]
    step: float

    def __post_init__(self) -> None:
        settle(self, real, "beta", minimum=0.0, infinite=True)
        settle(self, signed_unit, "sign")
        settle(self, integer, "degree", minimum=2, maximum=MOST_DEGREE)
        settle(self, real, "step", minimum=0.0, maximum=1.0)
        column = signs(self.column, "column", ("n_patterns",))
        if not column.size:
            raise fail("column", "have an entry for every pattern", "it is empty")
        object.__setattr__(self, "column", tuple(int(entry) for entry in column))

    @property
    def n_fields(self) -> int:
        """One overlap per pattern."""
        return len(self.column)

    @property
    def smooth(self) -> bool:
        """Whether the temperature is above zero."""
        return math.isfinite(self.beta)

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Evaluate at the overlaps of the other spins."""
        overlaps = [field_values(m) for m in fields]
        if len(overlaps) != len(self.column) or len({m.shape for m in overlaps}) > 1:
            found = f"there are {[m.shape for m in overlaps]}"
            raise fail("fields", f"be {len(self.column)} arrays of one shape", found)
        n, h = self.degree, np.zeros(overlaps[0].shape)
        size = np.zeros(h.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            for entry, m in zip(self.column, overlaps, strict=True):
                # the odd part of the binomial expansion, written out so that step = 0 is its limit
                for k in range(1, n + 1, 2):
                    part = math.comb(n, k) / n * entry * m ** (n - k) * self.step ** (k - 1)
                    h, size = h + part, size + np.abs(part)
            if math.isinf(self.beta):
                h = np.where(np.abs(h) <= _ROUNDING * size, 0.0, h)
        return GlauberRate(self.beta, self.sign)(h)

    def thermodynamic(self) -> Rate:
        """Return the rate at the field Σ ξ mⁿ⁻¹."""
        return replace(self, step=0.0)


@register
@dataclass(frozen=True)
class SpinBosonRate(Rate):
    r"""Rate of flipping a spin in lossy modes that follow it, second order in Ω at any coupling.

    .. math::
        W(h) = 2\Omega^2\, \mathrm{Re} \int_0^\infty dt\; e^{-A(t) + 4i\,\mathtt{sign}\, h t},
        \qquad A(t) = \sum_\mu 4 g_\mu^2
        \left[\tilde\nu_\mu \mathrm{Re}\Big(\frac t{c_\mu} - \varphi_\mu\Big)
        + i\, \mathrm{Im}\, \varphi_\mu\right], \quad
        \varphi_\mu = \frac{1 - e^{-c_\mu t}}{c_\mu^2},

    with :math:`c = (\mathtt{loss} - \mathtt{gain})/2 - i\omega` and
    :math:`\tilde\nu = (\mathtt{loss} + \mathtt{gain})/(\mathtt{loss} - \mathtt{gain})`; Eqs. (75)
    to (77) of docs/physics.md. The field is that of the other spins, weighted with
    :math:`K_{ij} = \sum_\mu \omega_\mu g_{\mu i} g_{\mu j} / |c_\mu|^2`.

    Parameters
    ----------
    g : tuple of float
        Couplings of the spin to the modes; their signs do not matter.
    omega, loss, gain : float or tuple of float
        Frequency, loss and gain of the modes; loss > gain wherever g is not zero.
    Omega : float
        Transverse field, an angular frequency.
    sign : int
        +1 for flips up, -1 for flips down.
    """

    g: tuple[float, ...]
    omega: tuple[float, ...]
    loss: tuple[float, ...]
    gain: tuple[float, ...]
    Omega: float
    sign: int

    def __post_init__(self) -> None:
        g = real_array(self.g, "g", ("n_modes",))
        names = "omega", "loss", "gain"
        omega, loss, gain = (broadcast(getattr(self, n), n, len(g), "mode") for n in names)
        bad = (g != 0) & ~((gain >= 0) & (gain < loss))
        if not g.any():
            raise fail("g", "couple the spin to a mode", "it is zero", _UNDAMPED)
        if bad.any():
            k = int(np.argmax(bad))
            found = f"mode {k} has gain {gain[k]:g} and loss {loss[k]:g}"
            raise fail("gain", "be at least 0 and below `loss` in coupled modes", found, _UNDAMPED)
        settle(self, signed_unit, "sign")
        for name, values in zip(("g", *names), (g, omega, loss, gain), strict=True):
            object.__setattr__(self, name, tuple(map(float, values)))
        object.__setattr__(self, "Omega", real(self.Omega, "Omega"))

    @cached_property
    def _integral(self) -> HalfFourier:
        modes = zip(np.abs(self.g).tolist(), self.omega, self.loss, self.gain, strict=True)
        return mode_integral(tuple(mode for mode in modes if mode[0]))

    @property
    def max_error(self) -> float:
        """Largest error of the integral; a rate below it is known to be small, but no more."""
        return 2 * self.Omega**2 * self._integral.error

    def half_fourier(self, h: ArrayLike) -> NDArray[np.complex128]:
        """Return the integral itself: W/2Ω² and, as imaginary part, the level shift over Ω²."""
        field = field_values(h)
        if field.size > _MOST_FIELDS:
            raise fail("h", f"be at most {_MOST_FIELDS:.0e} fields", f"there are {field.size}")
        farthest = _LONGEST_PHASE / self._integral.end
        if np.abs(field).max(initial=0.0) > farthest:
            found = f"it reaches {np.abs(field).max():g}"
            raise fail("h", f"stay below {farthest:g}", found)
        return self._integral(-4.0 * self.sign * field)

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Evaluate at one field; rounding below zero counts as zero."""
        return 2 * self.Omega**2 * np.maximum(self.half_fourier(fields[0]).real, 0.0)


class _OfRate(Rate):
    """A function of the value of another rate."""

    rate: Rate

    def __post_init__(self) -> None:
        if not isinstance(self.rate, Rate):
            raise wrong_type("rate", "be a Rate", self.rate)

    @property
    def n_fields(self) -> int:
        """Number of fields of the rate inside."""
        return self.rate.n_fields

    @property
    def smooth(self) -> bool:
        """Whether the rate inside is smooth."""
        return self.rate.smooth


@register
@dataclass(frozen=True)
class SqrtRate(_OfRate):
    """The amplitude √Γ(h) of a rate.

    Parameters
    ----------
    rate : Rate
        The rate Γ, nowhere negative.
    """

    rate: Rate

    @property
    def max_error(self) -> float:
        """Error of the amplitude, from |√a - √b| <= √|a - b|."""
        return math.sqrt(self.rate.max_error)

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Evaluate the square root; rounding below zero counts as zero."""
        return np.sqrt(np.maximum(self.rate(*fields), 0.0))

    def thermodynamic(self) -> Rate:
        """Return the amplitude of the limiting rate."""
        return SqrtRate(self.rate.thermodynamic())


@register
@dataclass(frozen=True)
class ScaledRate(_OfRate):
    """A constant, possibly negative or complex, times a function of the fields: an amplitude.

    Parameters
    ----------
    factor : complex
        The constant.
    rate : Rate
        The function.
    """

    factor: complex
    rate: Rate

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factor", complex_array(self.factor, "factor", ()).item())

    @property
    def max_error(self) -> float:
        """Error of the function times the size of the constant."""
        return abs(self.factor) * self.rate.max_error

    def __call__(self, *fields: ArrayLike) -> NDArray[Any]:
        """Evaluate the scaled function."""
        return self.factor * self.rate(*fields)

    def thermodynamic(self) -> Rate:
        """Return the scaled limiting function."""
        return ScaledRate(self.factor, self.rate.thermodynamic())


@dataclass(frozen=True)
class AtFields(_OfRate):
    """A rate that jumps at zero field, where rounding of the fields must not decide ties.

    Parameters
    ----------
    rate : Rate
        The function.
    reach : tuple of float
        Largest possible size of every field; 1e-12 of it count as zero.
    """

    rate: Rate
    reach: tuple[float, ...]

    def __call__(self, *fields: ArrayLike) -> NDArray[Any]:
        """Evaluate the function at fields without rounding."""
        pairs = zip(map(field_values, fields), self.reach, strict=False)
        return self.rate(*(np.where(np.abs(h) <= _ROUNDING * r, 0.0, h) for h, r in pairs))


def as_amplitude(value: Any, bound: float, name: str, n_fields: int = 1) -> Rate:
    """Accept a `Rate` object, or fit a plain callable once on ``|h| <= bound``."""
    if isinstance(value, Rate):
        return value
    if callable(value):
        if n_fields > 1:
            remedy = "Write a subclass of `Rate` for several fields."
            raise wrong_type(name, f"be a Rate object for {n_fields} fields", value, remedy)
        return ChebyshevRate.fit(value, bound or 1.0, name=name)
    raise wrong_type(name, "be a Rate object or a callable", value)
