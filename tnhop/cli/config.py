"""Runs from tables, mostly TOML: checked whole before anything is computed."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from numpy.typing import NDArray

from tnhop.cli.sections import FROM_PATTERNS, PATTERN_KINDS, BlochStart, Config, Times, sentence
from tnhop.models import ALL_MODELS
from tnhop.patterns import couplings, ensembles
from tnhop.physics.model import Model
from tnhop.physics.problem import Problem
from tnhop.physics.states import ProductState, pattern_state, product_state
from tnhop.solvers.registry import known_methods
from tnhop.support.checks import fail, increasing_times, integer, real, sentence_of

__all__ = ["Plan", "make_plan"]

_MOST_TIMES = 10**6


@contextmanager
def _inside(section: str, **names: str) -> Iterator[None]:
    """Complete the names of arguments in errors by their section; `names` are renamed."""
    try:
        yield
    except (TypeError, ValueError) as error:
        said = sentence_of(error)
        if said is None:
            raise ValueError(str(error)) from error
        name = names.get(said.name, said.name)
        raise ValueError(said.about(f"{section}.{name}")) from error


# From sections to objects.


@dataclass(frozen=True)
class Plan:
    """A run that has been checked.

    Parameters
    ----------
    problem : Problem
        Model, start, times and observables.
    methods : tuple of Method or "auto"
        One run of each.
    name : str or None
        Name of the files to write, without ending.
    format : str
        Format of the figure.
    sweep : Sweep or None
        The grid around it.
    """

    problem: Problem
    methods: tuple[Any, ...]
    name: str | None
    format: str
    sweep: Any = None


def make_plan(raw: dict[str, Any], folder: Path, *, supported: bool = True) -> Plan:
    """Check the tables of a config and build what they describe; paths start from `folder`.

    With `supported`, methods that cannot evolve the problem are refused here.

    Raises
    ------
    ValueError
        With one sentence per mistake, one per line.
    """
    try:
        config = Config.model_validate(_normal(raw))
    except pydantic.ValidationError as error:
        raise ValueError("\n".join(map(sentence, error.errors()))) from None
    xi = None if config.patterns is None else _patterns(config.patterns, folder)
    model = _model(config.model, xi)
    state, times, output = _state(config.state, model), _times(config.times), config.output
    with _inside("output"):
        model.select(output.observables)
    problem = Problem(model, state, times, output.observables, config.rng)
    methods = tuple(_method(k, section) for k, section in enumerate(config.methods))
    if not methods or ("auto" in methods and len(methods) > 1):
        found = "there are others" if methods else "the list is empty"
        raise fail("methods", "name at least one method, or 'auto' alone", found)
    reasons = [m.supports(problem, "evolve") for m in methods if m != "auto" and supported]
    if any(reasons):
        raise ValueError("\n".join(filter(None, reasons)))
    return Plan(problem, methods, output.name, output.format, config.sweep)


def _normal(raw: dict[str, Any]) -> dict[str, Any]:
    """Write the methods as a list of tables, and one observable as a list."""
    methods = raw.get("methods", "auto")
    listed = methods if isinstance(methods, list) else [methods]
    tables = [{"type": item} if isinstance(item, str) else item for item in listed]
    output = raw.get("output")
    if isinstance(output, dict) and isinstance(output.get("observables"), str):
        raw = {**raw, "output": {**output, "observables": [output["observables"]]}}
    return {**raw, "methods": tables}


def _patterns(section: Any, folder: Path) -> NDArray[np.int8]:
    arguments = section.arguments()
    if section.kind == "images":
        drawing = re.compile(r"[#. |\n]*")
        arguments["images"] = [
            image if drawing.fullmatch(image) else str(folder / image) for image in section.images
        ]
        if section.shape is not None:
            arguments["shape"] = tuple(section.shape)
    with _inside("patterns"):
        return PATTERN_KINDS[section.kind](**arguments)


def _model(section: Any, xi: NDArray[np.int8] | None) -> Model:
    """Call the model function; patterns fill `xi`, `patterns`, and `g` where it is one number."""
    function = ALL_MODELS[section.type]
    accepted, arguments = inspect.signature(function).parameters, section.arguments()
    scalar = isinstance(arguments.get("g"), int | float)
    spread = scalar and typing.get_type_hints(function)["g"] is not float
    matrix = callable(arguments.get("couplings")) and "xi" not in accepted
    if xi is None and ("xi" in accepted or spread or matrix):
        raise fail("patterns", "be given", f"model '{function.__name__}' stores patterns and the"
                   " section [patterns] is missing")  # fmt: skip
    used = [name for name in FROM_PATTERNS if name in accepted]
    if xi is not None and not (used or spread or matrix):
        raise fail("patterns", "be left out", f"model '{function.__name__}' stores none here")
    with _inside("model"):
        if xi is not None:
            arguments |= dict.fromkeys(used, xi)
            if spread:
                arguments["g"] = couplings.pattern_couplings(xi, arguments["g"])
                arguments["n_spins"] = xi.shape[1]
            if matrix:
                arguments["couplings"] = arguments["couplings"](xi)
        return function(**arguments)


def _state(section: Any, model: Model) -> ProductState:
    if isinstance(section, BlochStart):
        if section.vectors is None and model.n_spins:
            raise fail("state.vectors", "be given", "it is missing")
        with _inside("state", bloch="vectors"):
            return product_state(model, bloch=section.vectors, alpha=section.alpha)
    if (section.n_flips is None) != (section.rng is None):
        raise fail("state.rng", "be given exactly if `n_flips` is", "one of them is missing")
    if section.n_flips is not None and section.overlap is not None:
        raise fail("state.overlap", "be left out if `n_flips` is given", "both are there")
    overlap = 1.0 if section.overlap is None else section.overlap
    with _inside("state"):
        tilt = real(section.tilt, "tilt")
        start = pattern_state(model, pattern=section.pattern, overlap=overlap, alpha=section.alpha)
        z = start.bloch[:, 2]
        if section.n_flips is not None:
            flips = integer(section.n_flips, "n_flips", minimum=0, maximum=model.n_spins)
            z = ensembles.corrupt(z, flips, rng=section.rng).astype(float)
        bloch = np.stack([0 * z, np.sin(tilt) * z, np.cos(tilt) * z], axis=1)
        return product_state(model, bloch=bloch, alpha=section.alpha)


def _times(section: Times) -> NDArray[np.float64]:
    given = section.model_fields_set
    if section.values is not None:
        if len(given) > 1:
            raise fail("times.values", "stand alone", f"there are {', '.join(sorted(given))}")
        with _inside("times", times="values"):
            return increasing_times(section.values)
    if section.stop is None:
        raise fail("times.stop", "be given", "it is missing", "Or list `times.values`.")
    with _inside("times"):
        start = real(section.start, "start", minimum=0.0)
        stop = real(section.stop, "stop", above=start)
        n = integer(101 if section.n is None else section.n, "n", minimum=2, maximum=_MOST_TIMES)
    return np.linspace(start, stop, n)


def _method(position: int, section: Any) -> Any:
    with _inside(f"methods[{position}]"):
        auto = section.type == "auto"
        return "auto" if auto else known_methods()[section.type](**section.arguments())
