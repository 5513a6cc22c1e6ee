"""Arguments of questions about states."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.model import Model
from tnhop.physics.operators import kind_of
from tnhop.physics.terms import Operator, Term
from tnhop.support.checks import affordable, fail, integer, integers, members, shown, wrong_type

__all__ = ["with_checked_arguments", "with_inherited_checks"]

Check = Callable[[Any, Any], Any]  # (state, argument) -> the argument as its method needs it
MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MOST_PATTERNS = 10**4  # each has its own distribution


def with_checked_arguments(**checks: Check) -> Callable[[MethodT], MethodT]:
    """Decorate a method of a state: arguments of these names are checked before it runs.

    Methods of subclasses that override it have the same checks.
    """

    def decorate(method: MethodT) -> MethodT:
        names = [*inspect.signature(method).parameters][1:]

        def checked(state: Any, name: str, value: Any) -> Any:
            return checks[name](state, value) if name in checks else value

        @functools.wraps(method)
        def call(self: Any, *args: Any, **named: Any) -> Any:
            given = [checked(self, n, value) for n, value in zip(names, args, strict=False)]
            keywords = {n: checked(self, n, value) for n, value in named.items()}
            return method(self, *given, *args[len(given) :], **keywords)

        call.argument_checks = checks  # type: ignore[attr-defined]
        return cast(MethodT, call)

    return decorate


def with_inherited_checks(cls: type) -> None:
    """Put the checks of the methods that a class of states overrides before its own."""
    for name, method in list(vars(cls).items()):
        checks = getattr(getattr(super(cls, cls), name, None), "argument_checks", None)
        if checks and not hasattr(method, "argument_checks"):
            setattr(cls, name, with_checked_arguments(**checks)(method))


def check_operators(state: Any, operators: Any) -> list[Operator]:
    """Check operators on the sites of a state."""
    n_spins, n_modes = state.size()
    remedy = "Put it into a list." if isinstance(operators, Operator | Term) else ""
    condition = "be a sequence of Operators"
    if remedy:
        raise wrong_type("operators", condition, operators, remedy)
    checked = members(operators, "operators", condition, Operator)
    for operator in checked:
        for term in operator.terms:
            for site, name in term.factors:
                if site >= n_spins + n_modes or (site < n_spins) != (kind_of(name) == "spin"):
                    spec = f"fit {n_spins} spins, followed by {n_modes} modes"
                    raise fail("operators", spec, f"'{name}' acts on site {site}")
    return checked


def check_overlap_patterns(state: Any, xi: Any) -> NDArray[np.int8]:
    """Check patterns of the spins of a state."""
    patterns = check_patterns(xi)
    n_spins = state.size()[0]
    if patterns.shape[1] != n_spins:
        raise fail("xi", f"have shape (n_patterns, {n_spins})", f"has shape {patterns.shape}")
    if len(patterns) > _MOST_PATTERNS:
        raise fail("xi", f"have at most {_MOST_PATTERNS} patterns", f"there are {len(patterns)}")
    return patterns


def check_joint_patterns(state: Any, xi: Any) -> NDArray[np.int8]:
    """Check patterns whose joint distribution of overlaps fits into memory."""
    patterns = check_overlap_patterns(state, xi)
    cells = float(patterns.shape[1] + 1) ** len(patterns)
    affordable(16 * cells, "xi", f"joint distributions of {len(patterns)} patterns")
    return patterns


def check_orders(_: Any, orders: Any) -> list[int]:
    """Check the orders of moments."""
    numbers = integers(orders, "orders", minimum=0, maximum=1000)
    if not numbers:
        raise fail("orders", "name at least one order", "it is empty")
    return numbers


def check_sites(state: Any, sites: Any) -> list[int]:
    """Check different sites of a state."""
    numbers, n_sites = integers(sites, "sites", minimum=0), sum(state.size())
    if len(set(numbers)) < len(numbers) or max(numbers, default=0) >= n_sites:
        raise fail("sites", f"be different numbers below {n_sites}", f"it is {shown(numbers)}")
    return numbers


def check_spins(state: Any, spins: Any) -> list[int]:
    """Check a list of spins, at least one."""
    numbers = integers(spins, "spins", minimum=0, maximum=state.size()[0] - 1)
    if not numbers:
        raise fail("spins", "name at least one spin", "it is empty")
    return _different(numbers, "spins")


def check_modes(state: Any, modes: Any) -> list[int]:
    """Check modes, given as sites."""
    n_spins, n_modes = state.size()
    return integers(modes, "modes", minimum=n_spins, maximum=n_spins + n_modes - 1)


def check_levels(state: Any, levels: Any) -> list[int]:
    """Check numbers of kept levels, one for every mode."""
    numbers = integers(levels, "levels", minimum=1, maximum=10**6)
    if len(numbers) != state.size()[1] or not numbers:
        spec = f"be one number for each of the {state.size()[1]} modes"
        raise fail("levels", spec, f"it is {shown(numbers)}")
    return numbers


def check_model(_: Any, model: Any) -> Model:
    """Check that an argument is a Model."""
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    return model


def check_class_labels(state: Any, classes: Any) -> list[int]:
    """Check different labels of classes of interchangeable spins."""
    last = len(state.classes.sizes) - 1
    return _different(integers(classes, "classes", minimum=0, maximum=last), "classes")


def check_mode_numbers(state: Any, modes: Any) -> list[int]:
    """Check different modes, given as numbers 0, 1, ..."""
    last = state.size()[1] - 1
    return _different(integers(modes, "modes", minimum=0, maximum=last), "modes")


def _different(numbers: list[int], name: str) -> list[int]:
    if len(set(numbers)) < len(numbers):
        raise fail(name, "be different numbers", f"it is {shown(numbers)}")
    return numbers


def check_pairs(state: Any, pairs: Any) -> list[tuple[int, int]]:
    """Check pairs of different spins."""
    condition, n_spins = "be pairs of spins", state.size()[0]
    checked = [integers(p, "pairs", minimum=0) for p in members(pairs, "pairs", condition, object)]
    if any(len(pair) != 2 or pair[0] == pair[1] or max(pair) >= n_spins for pair in checked):
        raise fail("pairs", f"be of different spins below {n_spins}", f"it is {shown(checked)}")
    return [(i, j) for i, j in checked]


def check_part(state: Any, k: Any) -> int:
    """Check the number of an independent part."""
    return integer(k, "k", minimum=0, maximum=len(state.parts) - 1)


def check_cut(state: Any, cut: Any) -> int:
    """Check a cut, by the site to its left."""
    return integer(cut, "cut", minimum=0, maximum=sum(state.size()) - 2)


def check_switch(_: Any, weighted: Any) -> bool:
    """Check that an argument is True or False."""
    if not isinstance(weighted, bool):
        raise wrong_type("weighted", "be True or False", weighted)
    return weighted
