"""Jumps: operators, and operators of one site whose amplitude depends on the other spins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.physics.operators import kind_of
from tnhop.physics.rate_base import Rate
from tnhop.physics.rates import AtFields, ScaledRate, as_amplitude
from tnhop.physics.terms import Operator, Term, as_operator, pairs_of
from tnhop.physics.time_base import TimeFunction, TimeSum
from tnhop.support.checks import fail, integer, real, real_array, wrong_type
from tnhop.support.codec import added, digest, register

__all__ = ["FieldJump", "Jump"]


@register
@dataclass(frozen=True)
class Jump:
    r"""A jump operator L of :math:`D[L]\rho = L\rho L^\dagger - \frac12\{L^\dagger L, \rho\}`.

    Parameters
    ----------
    operator : Operator
        Any sum of terms, with the square root of the rate inside; collective jumps are sums.

    Examples
    --------
    >>> import tnhop as th
    >>> th.Jump(0.5**0.5 * th.sigma("-")(0)).operator.sites
    (0,)
    """

    operator: Operator

    def __post_init__(self) -> None:
        if not isinstance(self.operator, Operator | Term):
            raise wrong_type("operator", "be an Operator", self.operator)
        operator = as_operator(self.operator)
        if not operator.terms:
            raise fail("operator", "have at least one term", "it is zero")
        object.__setattr__(self, "operator", operator)

    @property
    def sites(self) -> tuple[int, ...]:
        """Sites on which the jump acts."""
        return self.operator.sites

    @property
    def time_functions(self) -> tuple[TimeFunction, ...]:
        """Functions of time in it."""
        return self.operator.functions

    def at(self, t: float) -> Jump | None:
        """Return the jump at a time; None if it is zero then.

        Parameters
        ----------
        t : float
            The time.
        """
        operator = self.operator.at(t)
        return Jump(operator) if operator.terms else None

    def largest(self) -> Jump:
        """Return the jump with the bounds of its functions of time in their place."""
        return Jump(self.operator.largest()) if self.time_functions else self


@register
@dataclass(frozen=True, eq=False)
class FieldJump:
    r"""A jump on one site whose amplitude depends on the other spins.

    .. math::
        L = \sum_{\mathtt{op}} \mathtt{amplitudes}[\mathtt{op}](h)\; \mathtt{op}_k, \qquad
        h = \sum_{j \ne k} \mathtt{fields}_j\, \sigma^z_j .

    Parameters
    ----------
    site : int
        The spin k that is changed.
    amplitudes : mapping of str to Rate or callable
        Amplitude of each local operator, a function of the field (of all fields, if several); a
        callable is fitted once by `ChebyshevRate` on the fields that can occur.
    fields : array_like, shape (n_sites,) or (n_fields, n_sites)
        Weights of the σᶻ of the other sites; zero on `site` and on modes.
    self_field : float or tuple of float
        Weight with which the spin itself enters its field in the thermodynamic limit, per field;
        used by mean field alone.
    argument : TimeFunction, optional
        Multiplies all fields: an inverse temperature, or a strength of the couplings, that changes.
    prefactor : TimeFunction, optional
        Multiplies the rates, the squares of the amplitudes; at least 0 at all times.

    Raises
    ------
    ValueError
        If a weight on `site` is not zero or an amplitude takes another number of fields.

    Examples
    --------
    >>> from tnhop import GlauberRate, SqrtRate
    >>> up = FieldJump(0, {"+": SqrtRate(GlauberRate(2.0, +1))}, [0.0, 0.5, -0.5])
    >>> up.sites
    (0, 1, 2)
    """

    site: int
    amplitudes: tuple[tuple[str, Rate], ...]
    fields: NDArray[np.float64]
    self_field: tuple[float, ...] = ()
    argument: TimeFunction | None = added(None)  # noqa: RUF009  # a field
    prefactor: TimeFunction | None = added(None)  # noqa: RUF009  # a field

    def __init__(
        self,
        site: int,
        amplitudes: Mapping[str, Any] | tuple[tuple[str, Any], ...],
        fields: ArrayLike,
        self_field: float | tuple[float, ...] = 0.0,
        argument: TimeFunction | None = None,
        prefactor: TimeFunction | None = None,
    ) -> None:
        site = integer(site, "site", minimum=0)
        weights = _field_weights(fields, site)
        self_fields = _self_fields(self_field, len(weights))
        # the largest field that any method can ask for, with the self term of mean field
        bound = float((np.abs(weights).sum(axis=1) + np.abs(self_fields)).max())
        for name, function in (("argument", argument), ("prefactor", prefactor)):
            _check_time_function(function, name)
        bound *= 1.0 if argument is None else argument.largest
        put = partial(object.__setattr__, self)
        put("site", site)
        put("amplitudes", _field_amplitudes(amplitudes, bound, len(weights)))
        put("fields", weights)
        put("self_field", tuple(map(float, self_fields)))
        put("argument", argument)
        put("prefactor", prefactor)

    @property
    def functions(self) -> tuple[tuple[str, Rate], ...]:
        """Amplitudes to be evaluated: at zero temperature rounding of the fields makes no field."""
        reach = tuple(np.abs(self.fields).sum(axis=1).tolist())
        return tuple(
            (name, rate if rate.smooth else AtFields(rate, reach)) for name, rate in self.amplitudes
        )

    def with_numbers(self, argument: float = 1.0, prefactor: float = 1.0) -> FieldJump:
        """Return the jump with numbers in the place of its functions of time.

        Parameters
        ----------
        argument : float
            What multiplies the fields.
        prefactor : float
            What multiplies the rates, at least 0.
        """
        argument = real(argument, "argument")
        root = math.sqrt(real(prefactor, "prefactor", minimum=0.0))
        amplitudes = tuple(
            (name, rate if root == 1.0 else ScaledRate(root, rate))
            for name, rate in self.amplitudes
        )
        self_field = tuple(argument * x for x in self.self_field)
        return FieldJump(self.site, amplitudes, argument * self.fields, self_field)

    def at(self, t: float) -> FieldJump:
        """Return the jump at a time.

        Parameters
        ----------
        t : float
            The time.
        """
        if self.argument is None and self.prefactor is None:
            return self
        return self.with_numbers(
            *(1.0 if f is None else float(f(real(t, "t"))) for f in (self.argument, self.prefactor))
        )

    def largest(self) -> FieldJump:
        """Return the jump with the bounds of its functions of time in their place."""
        bounds = (1.0 if f is None else f.largest for f in (self.argument, self.prefactor))
        return self.with_numbers(*bounds) if self.time_functions else self

    @property
    def time_functions(self) -> tuple[TimeFunction, ...]:
        """Functions of time in it."""
        return tuple(f for f in (self.argument, self.prefactor) if f is not None)

    @property
    def sites(self) -> tuple[int, ...]:
        """Sites on which the jump acts: its own and those that enter the fields."""
        others = np.flatnonzero(self.fields.any(axis=0))
        return tuple(sorted({self.site, *map(int, others)}))

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, FieldJump) and digest(self) == digest(other)

    def __hash__(self) -> int:
        """Hash by content."""
        functions = self.argument, self.prefactor
        return hash((self.site, self.amplitudes, self.fields.tobytes(), self.self_field, functions))


def _check_time_function(function: Any, name: str) -> None:
    """Accept None, or a real function of time; a prefactor must not be negative."""
    if not isinstance(function, TimeFunction | None):
        remedy = "Make one by `th.ramp`, `th.fitted` or their like."
        raise wrong_type(name, "be a function of time", function, remedy)
    if isinstance(function, TimeSum) and not function.is_real:
        raise fail(name, "be real", "it has complex coefficients")
    if name == "prefactor" and function is not None and function.range[0] < 0:
        found = f"`{function!r}` reaches {function.range[0]:g}"
        raise fail(name, "be at least 0 at all times", found)


def _field_weights(fields: ArrayLike, site: int) -> NDArray[np.float64]:
    """Check the weights of the spins in the fields of a jump on `site`."""
    weights = np.atleast_2d(real_array(fields, "fields"))
    with np.errstate(over="ignore"):
        if not np.isfinite(np.abs(weights).sum()):
            raise fail("fields", "have entries with a finite sum", "they overflow")
    if weights.ndim != 2 or not weights.size or not site < weights.shape[1]:
        spec = "have shape (n_sites,) or (n_fields, n_sites) with n_sites > site"
        raise fail("fields", spec, f"has shape {np.shape(fields)} and site = {site}")
    if weights[:, site].any():
        found = f"its weight on site {site} itself is {weights[:, site].max():g}"
        raise fail("fields", "sum over the other spins", found, "Use `self_field` for J_kk.")
    weights.setflags(write=False)
    return weights


def _self_fields(self_field: ArrayLike, n_fields: int) -> NDArray[np.float64]:
    """Check the weights of a spin in its own fields."""
    weights = np.atleast_1d(real_array(self_field, "self_field"))
    weights = np.broadcast_to(weights, (n_fields,)) if weights.shape == (1,) else weights
    if weights.shape != (n_fields,):
        raise fail("self_field", "give one number per field", f"has shape {weights.shape}")
    return weights


def _field_amplitudes(amplitudes: Any, bound: float, n_fields: int) -> tuple[tuple[str, Rate], ...]:
    """Check the amplitudes of a jump; callables are fitted on fields up to `bound`."""
    pairs, condition = [], "be a mapping from names of operators to amplitudes"
    for name, value in dict(pairs_of(amplitudes, "amplitudes", condition, 0)).items():
        if kind_of(name) != "spin":
            raise fail("amplitudes", "belong to spin operators", f"one belongs to '{name}'")
        rate = as_amplitude(value, bound, f"amplitudes['{name}']", n_fields)
        if rate.n_fields not in (0, n_fields):
            found = f"amplitudes['{name}'] takes {rate.n_fields} of {n_fields} fields"
            raise fail("amplitudes", "take one argument per field", found)
        pairs.append((name, rate))
    if not pairs:
        raise fail("amplitudes", "name at least one operator", "it is empty")
    return tuple(pairs)


def kinds_of_jumps(jumps: Iterable[Jump | FieldJump]) -> list[tuple[str, str]]:
    """Count jumps by their operators, those with field-dependent rates apart."""
    counts: dict[tuple[str, str], int] = {}
    for jump in jumps:
        if isinstance(jump, FieldJump):
            key = "field jumps", ", ".join(op for op, _ in jump.amplitudes)
        else:
            kinds = {" ".join(op for _, op in term.factors) for term in jump.operator.terms}
            key = "jumps", " + ".join(sorted(kinds))
        counts[key] = counts.get(key, 0) + 1
    return [(name, f"{n} of {kind}") for (name, kind), n in counts.items()]
