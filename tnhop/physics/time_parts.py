"""A model that depends on time as a sum of functions times constant models.

The generator is linear in the Hamiltonian and quadratic in the jumps, Eq. (102) of docs/physics.md:
with real f and g, D[fA + gB] = f(f - g) D[A] + g(g - f) D[B] + fg D[A + B].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.terms import Operator
from tnhop.physics.time_base import TimeFunction, TimeSum


@dataclass(frozen=True, eq=False)
class TimePart:
    """A function times the generator of a constant model.

    Attributes
    ----------
    function : TimeFunction or None
        None stands for 1.
    hamiltonian : Operator
        Of the model.
    jumps : tuple of Jump or FieldJump
        Of the model.
    argument : TimeFunction or None
        What multiplies the fields of its field jumps, in which the generator is not linear.
    """

    function: TimeFunction | None
    hamiltonian: Operator
    jumps: tuple[Jump | FieldJump, ...]
    argument: TimeFunction | None = None


def time_parts(model: Model) -> list[TimePart]:
    """Return parts whose generators, times their functions, add up to that of a model."""
    found: dict[tuple[Any, Any], tuple[list[Operator], list[Jump | FieldJump]]] = {}

    def add(function: Any, argument: Any = None) -> tuple[list[Operator], list[Jump | FieldJump]]:
        return found.setdefault((function, argument), ([], []))

    for factors, operator in model.hamiltonian.by_function().items():
        add(_product(factors))[0].append(operator)
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            add(jump.prefactor, jump.argument)[1].append(jump.with_numbers())
        else:
            for function, operator in _dissipators(jump.operator):
                add(function)[1].append(Jump(operator))
    return [
        TimePart(function, Operator.sum(operators), tuple(jumps), argument)
        for (function, argument), (operators, jumps) in found.items()
    ]


def next_break(functions: Sequence[TimeFunction], t: float) -> float:
    """Return the first time after t at which one of the functions is not smooth; or infinity."""
    return min((b for f in functions for b in f.breaks if b > t), default=math.inf)


def _product(factors: tuple[TimeFunction, ...]) -> TimeFunction | None:
    """Return a product of functions as one; None for none."""
    if not factors:
        return None
    return factors[0] if len(factors) == 1 else TimeSum(((1.0, factors),))


def _dissipators(operator: Operator) -> Iterator[tuple[Any, Operator]]:
    """Yield functions and constant jump operators whose dissipators add up to that of a sum."""
    parts = [(_product(f) or 1.0, A) for f, A in operator.by_function().items()]
    for k, (f, A) in enumerate(parts):
        others = [g for j, (g, _) in enumerate(parts) if j != k]
        weight = f * (f - sum(others, start=0.0)) if others else f * f
        yield weight if isinstance(weight, TimeFunction) else None, A
        for g, B in parts[k + 1 :]:
            yield f * g, A + B
