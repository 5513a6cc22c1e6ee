"""Arguments of questions about states."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.model import Model
from tnhop.physics.operators import kind_of
from tnhop.physics.terms import Operator, Term
from tnhop.support.checks import affordable, fail, integer, integers, members, shown, wrong_type

__all__ = ["DOORS", "guarded"]


def _check_operators(state: Any, operators: Any) -> list[Operator]:
    n_spins, n_modes = state.size()
    remedy = "Put it into a list." if isinstance(operators, Operator | Term) else ""
    condition = "be a sequence of Operators"
    if remedy:
        raise wrong_type("operators", condition, operators, remedy)
    found = members(operators, "operators", condition, Operator)
    for operator in found:
        for term in operator.terms:
            for site, name in term.factors:
                if site >= n_spins + n_modes or (site < n_spins) != (kind_of(name) == "spin"):
                    spec = f"fit {n_spins} spins, followed by {n_modes} modes"
                    raise fail("operators", spec, f"'{name}' acts on site {site}")
    return found


def _check_patterns(state: Any, xi: Any) -> NDArray[np.int8]:
    patterns = check_patterns(xi)
    n_spins = state.size()[0]
    if patterns.shape[1] != n_spins:
        raise fail("xi", f"have shape (n_patterns, {n_spins})", f"has shape {patterns.shape}")
    return patterns


def _check_joint(state: Any, xi: Any) -> NDArray[np.int8]:
    patterns = _check_patterns(state, xi)
    cells = float(patterns.shape[1] + 1) ** len(patterns)
    affordable(16 * cells, "xi", f"joint distributions of {len(patterns)} patterns")
    return patterns


def _check_sites(state: Any, sites: Any) -> list[int]:
    found, n_sites = integers(sites, "sites", minimum=0), sum(state.size())
    if len(set(found)) < len(found) or max(found, default=0) >= n_sites:
        raise fail("sites", f"be different numbers below {n_sites}", f"it is {shown(found)}")
    return found


def _check_spins(state: Any, spins: Any) -> list[int]:
    found = integers(spins, "spins", minimum=0, maximum=state.size()[0] - 1)
    if not found:
        raise fail("spins", "name at least one spin", "it is empty")
    return found


def _check_modes(state: Any, modes: Any) -> list[int]:
    n_spins, n_modes = state.size()
    return integers(modes, "modes", minimum=n_spins, maximum=n_spins + n_modes - 1)


def _check_levels(state: Any, levels: Any) -> list[int]:
    found = integers(levels, "levels", minimum=1, maximum=10**6)
    if len(found) != state.size()[1] or not found:
        spec = f"be one number for each of the {state.size()[1]} modes"
        raise fail("levels", spec, f"it is {shown(found)}")
    return found


def _check_model(_: Any, model: Any) -> Model:
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    return model


def _check_classes(state: Any, classes: Any) -> list[int]:
    most = len(state.classes.sizes) - 1
    return _different(integers(classes, "classes", minimum=0, maximum=most), "classes")


def _check_numbers(state: Any, modes: Any) -> list[int]:
    most = state.size()[1] - 1
    return _different(integers(modes, "modes", minimum=0, maximum=most), "modes")


def _different(numbers: list[int], name: str) -> list[int]:
    if len(set(numbers)) < len(numbers):
        raise fail(name, "be different numbers", f"it is {shown(numbers)}")
    return numbers


def _check_pairs(state: Any, pairs: Any) -> list[tuple[int, int]]:
    condition, n_spins = "be pairs of spins", state.size()[0]
    found = [integers(p, "pairs", minimum=0) for p in members(pairs, "pairs", condition, object)]
    if any(len(pair) != 2 or pair[0] == pair[1] or max(pair) >= n_spins for pair in found):
        raise fail("pairs", f"be of different spins below {n_spins}", f"it is {shown(found)}")
    return [(i, j) for i, j in found]


def _check_part(state: Any, k: Any) -> int:
    return integer(k, "k", minimum=0, maximum=len(state.parts) - 1)


def _check_cut(state: Any, cut: Any) -> int:
    return integer(cut, "cut", minimum=0, maximum=sum(state.size()) - 2)


def _check_switch(_: Any, weighted: Any) -> bool:
    if not isinstance(weighted, bool):
        raise wrong_type("weighted", "be True or False", weighted)
    return weighted


# What states are asked, in every class of them: method, argument, and its check.
DOORS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "misfit": {"model": _check_model},
    "expect": {"operators": _check_operators},
    "overlap_distribution": {"xi": _check_patterns},
    "joint_overlap_distribution": {"xi": _check_joint},
    "overlap_moments": {
        "xi": _check_patterns,
        "orders": lambda _, orders: integers(orders, "orders", minimum=0, maximum=1000),
    },
    "binder_cumulant": {"xi": _check_patterns},
    "edwards_anderson": {"spins": _check_spins},
    "g2": {"modes": _check_modes},
    "reduced_state": {"sites": _check_sites},
    "pair_states": {"pairs": _check_pairs},
    "negativity": {
        "first": _check_sites,
        "second": _check_sites,
        "classes": _check_classes,
        "modes": _check_numbers,
    },
    "blocks": {"k": _check_part},
    "schmidt_values": {"cut": _check_cut, "weighted": _check_switch},
    "photon_distributions": {"levels": _check_levels},
}


def guarded(method: Callable[..., Any], doors: dict[str, Callable[[Any, Any], Any]]) -> Any:
    """Return a method of a state whose arguments are checked first."""
    names = [*inspect.signature(method).parameters][1:]

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **named: Any) -> Any:
        pairs = [*zip(names, args, strict=False)]
        given = [doors[n](self, value) if n in doors else value for n, value in pairs]
        rest = {n: doors[n](self, value) if n in doors else value for n, value in named.items()}
        return method(self, *given, *args[len(given) :], **rest)

    return checked
