"""Parts that several models share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tnhop.physics.jumps import Jump
from tnhop.physics.model import Model, Recipe
from tnhop.physics.terms import Operator, sigma
from tnhop.physics.time_base import SquareRoot, TimeFunction, TimeSum
from tnhop.support.checks import (
    broadcast,
    fail,
    integer,
    non_negative,
    real,
    real_array,
    wrong_type,
)

_Function = TypeVar("_Function", bound=Callable[..., Any])

MOST_SPINS = 20_000  # of a model that is given by numbers alone
_LARGEST = 1e100  # of a rate or a frequency: products of three or four stay numbers


def cites(*papers: str) -> Callable[[_Function], _Function]:
    """Name the papers behind a model function: keys of the bibliography, or BibTeX."""

    def named(function: _Function) -> _Function:
        function.papers = papers  # type: ignore[attr-defined]  # of a function
        return function

    return named


def moderate(array: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Refuse rates and frequencies whose products leave the range of numbers."""
    largest = np.abs(array).max(initial=0.0)
    if largest > _LARGEST:
        raise fail(name, f"be below {_LARGEST:g}", f"contains {largest:g}")
    return array


def spin_fields(n_spins: int, **axes: tuple[str, ArrayLike | TimeFunction]) -> Operator:
    """Return Σ_k value_k σ_k for every ``name=(axis, value)``; see `per_site`."""
    parts = []
    for name, (axis, value) in axes.items():
        values = per_site(value, name, n_spins, "spin")
        parts += [values[k] * sigma(axis)(k) for k in range(n_spins) if values[k]]
    return Operator.sum(parts)


def per_site(value: Any, name: str, length: int, axis: str) -> list[Any]:
    """Expand a number, a function of time, or one of them per `axis` to a list."""
    if isinstance(value, TimeFunction):
        return [number_or_function(value, name)] * length
    if not _has_functions(value):
        return moderate(broadcast(value, name, length, axis), name).tolist()
    if len(value) != length:
        remedy = f"Give one number or function, or one per {axis}."
        raise fail(name, f"have shape ({length},)", f"has {len(value)} entries", remedy)
    return [number_or_function(entry, name) for entry in value]


def number_or_function(value: Any, name: str) -> Any:
    """Accept a real number or a real function of time."""
    if isinstance(value, TimeFunction):
        if isinstance(value, TimeSum) and not value.is_real:
            raise fail(name, "be real", "it has complex coefficients")
        return value
    if callable(value):
        raise wrong_type(name, "be a number", value, "Make a function of time by `th.fitted`.")
    return real(value, name)


def rate_root(rate: Any, name: str) -> Any:
    """Return the amplitude of a rate, a number or a function of time."""
    if not isinstance(rate, TimeFunction):
        return math.sqrt(non_negative(np.array(rate), name))
    lowest = number_or_function(rate, name).range[0]
    if lowest < 0:
        raise fail(name, "be at least 0 at all times", f"`{rate!r}` reaches {lowest:g}")
    return SquareRoot(rate)


def _has_functions(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype == object and any(isinstance(x, TimeFunction) for x in value.flat)
    return isinstance(value, list | tuple) and any(isinstance(x, TimeFunction) for x in value)


def spin_jumps(
    n_spins: int, *, decay: ArrayLike = 0.0, pumping: ArrayLike = 0.0, dephasing: ArrayLike = 0.0
) -> list[Jump]:
    """Return √decay σ⁻, √pumping σ⁺ and √dephasing σᶻ on every spin; zero rates give no jump."""
    jumps = []
    rates = {"decay": ("-", decay), "pumping": ("+", pumping), "dephasing": ("z", dephasing)}
    for name, (operator, value) in rates.items():
        values = per_site(value, name, n_spins, "spin")
        jumps += [
            Jump(rate_root(values[k], name) * sigma(operator)(k))
            for k in range(n_spins)
            if values[k]
        ]
    return jumps


def mode_couplings(g: ArrayLike, n_spins: int | None) -> NDArray[np.float64]:
    """Check spin–mode couplings of shape (n_modes, n_spins), catching the transposed array."""
    if n_spins is not None:
        n_spins = integer(n_spins, "n_spins", minimum=1)
    timed, sizes = g if isinstance(g, np.ndarray) and _has_functions(g) else None, g
    if timed is not None:
        sizes = np.array([getattr(x, "largest", x) for x in timed.ravel()]).reshape(timed.shape)
    couplings = real_array(sizes, "g", ("n_modes", "n_spins" if n_spins is None else n_spins))
    moderate(couplings, "g")
    if n_spins is None and couplings.shape[0] > couplings.shape[1]:
        remedy = f"Transpose it, or confirm with `n_spins={couplings.shape[1]}`."
        found = f"has shape {couplings.shape}, more modes than spins"
        raise fail("g", "have shape (n_modes, n_spins)", found, remedy)
    if 0 in couplings.shape:
        raise fail("g", "have at least one mode and one spin", f"has shape {couplings.shape}")
    return couplings if timed is None else timed


def mode_rates(
    n_modes: int, omega: ArrayLike, loss: ArrayLike, gain: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Check frequencies, losses and gains of the modes; gain must stay below loss."""
    frequency = moderate(broadcast(omega, "omega", n_modes, "mode"), "omega")
    down = moderate(non_negative(broadcast(loss, "loss", n_modes, "mode"), "loss"), "loss")
    up = moderate(non_negative(broadcast(gain, "gain", n_modes, "mode"), "gain"), "gain")
    unstable = (up > 0) & (up >= down)
    if unstable.any():
        k = int(np.argmax(unstable))
        found = f"mode {k} has gain {up[k]:g} and loss {down[k]:g}"
        raise fail("gain", "be smaller than `loss`", found, "The occupation would grow for ever.")
    return frequency, down, up


def patterns_of(g: NDArray[np.float64]) -> NDArray[np.int8] | None:
    """Return sign(g) if every mode couples to all spins with one constant strength, else None."""
    if g.dtype == object:
        return None
    strength = np.abs(g)
    if not strength.all() or not np.allclose(strength, strength[:, :1], rtol=1e-12):
        return None
    return np.sign(g).astype(np.int8)


def recipe(function: Callable[..., Any], given: Mapping[str, Any], **checked: Any) -> Recipe:
    """Return the provenance of a model: arguments in the order of the signature, without None.

    Parameters
    ----------
    function : callable
        The model function.
    given : mapping
        Its ``locals()``, of which the arguments are kept: numbers, arrays, names of functions.
    **checked : object
        Arguments as they were used, instead of those given; None leaves one out.
    """
    values = {name: {**given, **checked}[name] for name in inspect.signature(function).parameters}
    named = ((name, getattr(value, "__name__", value)) for name, value in values.items())
    arguments = tuple((name, _plain(value)) for name, value in named if value is not None)
    return Recipe(function.__name__, arguments)


def made_by(model: Model, provenance: Recipe) -> Model:
    """Return the same model with another provenance."""
    other = copy(model)
    object.__setattr__(other, "recipe", provenance)
    return other


def _plain(value: Any) -> Any:
    """Return a plain number or array of what has passed the checks of a model."""
    if _has_functions(value):
        return _nested(value)
    if isinstance(value, list | tuple) or hasattr(value, "__array__"):
        value = np.asarray(value)
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value


def _nested(value: Any) -> Any:
    """Return an array that holds functions as tuples of tuples."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(_nested, value)) if isinstance(value, list | tuple) else value
