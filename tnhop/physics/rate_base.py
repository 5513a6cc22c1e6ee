"""Base class of rates and amplitudes, and the one that is fitted to a function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.support.checks import fail, integer, real, real_array, shown, single, wrong_type
from tnhop.support.codec import register

__all__ = ["ChebyshevRate", "Rate"]

_FIRST_DEGREE, _LAST_DEGREE = 8, 4096  # of Chebyshev series that are tried


def field_values(value: ArrayLike) -> NDArray[np.float64]:
    """Accept the values of a field; quickly what solvers hand over."""
    if type(value) is np.ndarray and value.dtype == float and np.isfinite(value).all():
        return value
    return real_array(value, "h")


def signed_unit(sign: Any, name: str) -> float:
    """Accept +1 or -1."""
    value = single(sign, name)
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or value not in (1, -1):
        raise fail(name, "be +1 or -1", f"it is {shown(sign)}")
    return float(value)


class Rate(ABC):
    """A function of one or several local fields.

    Attributes
    ----------
    n_fields : int
        Number of fields that the function takes; 0 if it ignores them all.
    smooth : bool
        False if the function jumps (zero temperature).
    max_error : float
        Largest deviation from the function that was asked for, in the units of the function.
    """

    @property
    def n_fields(self) -> int:
        """Number of fields that the function takes; 0 if it ignores them all."""
        return 1

    @property
    def smooth(self) -> bool:
        """Whether the function is continuous."""
        return True

    @property
    def max_error(self) -> float:
        """Largest deviation from the function that was asked for."""
        return 0.0

    @abstractmethod
    def __call__(self, *fields: ArrayLike) -> NDArray[Any]:
        """Evaluate at the fields; every array has the same shape, and so has the result."""

    def thermodynamic(self) -> Rate:
        """Return the limit of the function for N → ∞."""
        return self


@register
@dataclass(frozen=True)
class ChebyshevRate(Rate):
    """A smooth function of one field, stored as a Chebyshev series on ``|h| <= bound``.

    Parameters
    ----------
    coefficients : tuple of float
        Chebyshev coefficients on the scaled field ``h / bound``.
    bound : float
        Largest field at which the series may be evaluated.
    max_error : float
        Largest deviation from the fitted function, measured between the fitting points.
    """

    coefficients: tuple[float, ...]
    bound: float
    max_error: float = 0.0

    def __post_init__(self) -> None:
        series = real_array(self.coefficients, "coefficients", ("n_coefficients",))
        if not series.size:
            raise fail("coefficients", "have at least one entry", "it is empty")
        put = object.__setattr__
        put(self, "coefficients", tuple(series.tolist()))
        put(self, "bound", real(self.bound, "bound", above=0.0))
        put(self, "max_error", real(self.max_error, "max_error", minimum=0.0))

    def __call__(self, *fields: ArrayLike) -> NDArray[np.float64]:
        """Evaluate at one field, inside the fitted interval."""
        h = field_values(fields[0])
        largest = float(np.abs(h).max(initial=0.0))
        if largest > self.bound * (1 + 1e-9):
            raise fail(
                "h",
                f"stay inside the fitted fields |h| <= {self.bound:g}",
                f"it reaches {largest:g}",
            )
        value = np.polynomial.chebyshev.chebval(h / self.bound, self.coefficients)
        return np.asarray(value, dtype=float)

    @classmethod
    def fit(
        cls,
        function: Callable[[NDArray[np.float64]], ArrayLike],
        bound: float,
        *,
        tolerance: float = 1e-12,
        max_degree: int = 256,
        signed: bool = False,
        name: str = "function",
    ) -> ChebyshevRate:
        """Fit a function of one field and measure the error between the fitting points.

        Parameters
        ----------
        function : callable
            Maps an array of fields to an array of values.
        bound : float
            Half-width of the interval of fields, greater than 0.
        tolerance : float
            Accepted error relative to the largest value.
        max_degree : int
            Largest degree tried; a function that needs more is refused as not smooth.
        signed : bool
            Whether negative values are allowed (amplitudes; never rates).
        name : str
            Name of the argument in error messages.

        Raises
        ------
        ValueError
            If the function is negative, not finite or not smooth.
        """
        if not callable(function):
            raise wrong_type("function", "be callable", function)
        if not isinstance(signed, bool):
            raise wrong_type("signed", "be True or False", signed)
        if not isinstance(name, str):
            raise wrong_type("name", "be a text", name)
        bound = real(bound, "bound", above=0.0)
        tolerance = real(tolerance, "tolerance", above=0.0)
        max_degree = integer(max_degree, "max_degree", minimum=_FIRST_DEGREE, maximum=_LAST_DEGREE)
        probe = bound * np.cos(np.pi * np.arange(1009) / 1008)
        values = cls._values(function, probe, name)
        if not signed and values.min() < 0:
            h = probe[np.argmin(values)]
            remedy = "For a signed amplitude use `ChebyshevRate.fit(..., signed=True)`."
            raise fail(name, "be at least 0", f"it is {values.min():g} at the field {h:g}", remedy)
        scale, degree = max(np.abs(values).max(), 1e-300), _FIRST_DEGREE
        while degree <= max_degree:
            nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
            samples = cls._values(function, bound * nodes, name)
            series = np.polynomial.chebyshev.chebfit(nodes, samples, degree)
            error = np.abs(np.polynomial.chebyshev.chebval(probe / bound, series) - values).max()
            if error <= tolerance * scale:
                return cls(tuple(map(float, series)), bound, float(error))
            degree *= 2
        raise fail(
            name,
            "be a smooth function of the field",
            f"a Chebyshev series of degree {degree // 2} still errs by {error:.1e}",
            "Give a smooth function, or raise `tolerance` in `ChebyshevRate.fit`.",
        )

    @staticmethod
    def _values(
        function: Callable[..., ArrayLike], h: NDArray[np.float64], name: str
    ) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):  # what is not finite is refused
            values = real_array(function(h), name)
        if values.shape not in ((), h.shape):
            found = f"of {h.shape} it makes {values.shape}"
            raise fail(name, "return an array of the shape of its argument", found)
        return np.broadcast_to(values, h.shape)
