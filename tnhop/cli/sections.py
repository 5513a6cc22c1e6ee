"""The sections of a config: which keys and values they accept, and what is said of others.

The sections are [patterns], [model], [state], [times], [[methods]], [output] and [sweep]. What a
model, an ensemble of patterns or a method accepts is read from its signature: new ones appear by
themselves.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field, PlainValidator, WithJsonSchema

from tnhop.models import ALL_MODELS
from tnhop.patterns import couplings, ensembles
from tnhop.solvers.registry import known_methods
from tnhop.support.checks import fail, one_of, sentence_of, wrong_type

__all__ = [
    "FROM_PATTERNS",
    "PATTERN_KINDS",
    "BlochStart",
    "Config",
    "Times",
    "config_schema",
    "sentence",
]


def hebb_np(xi: NDArray[Any]) -> NDArray[np.float64]:
    """Hebb couplings divided by the number of patterns instead of spins."""
    return couplings.hebb(xi, norm="Np")


def explicit_patterns(values: Any) -> NDArray[np.int8]:
    """Patterns written out, entries +1 and -1."""
    return ensembles.check_patterns(values, "values")


_COUPLINGS: dict[str, Callable[..., Any]] = {
    "hebb": couplings.hebb, "hebb_np": hebb_np, "pseudo_inverse": couplings.pseudo_inverse,
}  # fmt: skip
PATTERN_KINDS: dict[str, Callable[..., Any]] = {
    "random": ensembles.random_patterns, "orthogonal": ensembles.orthogonal_patterns,
    "biased": ensembles.biased_patterns, "correlated": ensembles.correlated_patterns,
    "images": ensembles.patterns_from_images, "explicit": explicit_patterns,
}  # fmt: skip
FROM_PATTERNS = ("xi", "patterns")  # parameters of models that [patterns] fills


# The kinds of values. A validator says the condition that fails; `sentence` adds name and value.


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_numbers(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(value: Any) -> Any:
    if not _is_numbers(value):
        raise ValueError("be a number or a list of numbers")
    return value


def _integers(value: Any) -> Any:
    if any(type(item) is not int for item in (value if isinstance(value, list) else [value])):
        raise ValueError("be an integer or a list of integers")
    return value


def _word_or_integers(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and all(type(k) is int for k in value)):
        return value
    raise ValueError("be a word or a list of integers")


def _amplitudes(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    try:
        found = [complex(i.replace(" ", "") if isinstance(i, str) else _numbers(i)) for i in items]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError('be a number such as 0.5 or "0.5+0.2j", or a list of them') from error
    return found if isinstance(value, list) else found[0]


def _couplings(value: Any) -> Any:
    if isinstance(value, str) and value in _COUPLINGS:
        return _COUPLINGS[value]
    law = isinstance(value, Mapping) and value.keys() == {"n_spins", "exponent"}
    if law and isinstance(value["n_spins"], int) and _is_numbers([*value.values()]):
        return couplings.power_law(**value)
    if not (isinstance(value, list) and _is_numbers(value)):
        words = ", ".join(f"'{word}'" for word in _COUPLINGS)
        raise ValueError(f"be one of {words}, a matrix, or {{n_spins = ..., exponent = ...}}")
    return value


def _json(*kinds: str) -> WithJsonSchema:
    return WithJsonSchema({"type": list(kinds)})


_Numbers = Annotated[Any, PlainValidator(_numbers), _json("number", "array")]
_Integers = Annotated[Any, PlainValidator(_integers), _json("integer", "array")]
_WordOrIntegers = Annotated[Any, PlainValidator(_word_or_integers), _json("string", "array")]
_Amplitudes = Annotated[Any, PlainValidator(_amplitudes), _json("number", "string", "array")]
_Couplings = Annotated[Any, PlainValidator(_couplings), _json("string", "array", "object")]


# Sections.


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    def arguments(self) -> dict[str, Any]:
        """Return the keys that were given, without the tag."""
        given = self.model_fields_set - {"type", "kind"}
        return {name: getattr(self, name) for name in type(self).model_fields if name in given}


def _type_of(name: str, hint: Any) -> Any:
    """Return the type of a key from the annotation of a parameter."""
    union = typing.get_origin(hint) in (Union, types.UnionType)
    parts = set(typing.get_args(hint)) if union else {hint}
    if parts <= {int, float, str, bool, type(None)}:
        return hint
    if name == "couplings":
        return _Couplings
    if str in parts and any(typing.get_origin(part) is tuple for part in parts):
        return _WordOrIntegers
    return _Integers if int in parts and float not in parts else _Numbers


def _section(tag: str, word: str, function: Callable[..., Any], **keys: Any) -> type[_Section]:
    """Make a section from the parameters of a function; `keys` replaces some, or drops (None)."""
    hints = typing.get_type_hints(function)
    fields: dict[str, Any] = {tag: (Literal[word], ...)}
    for name, parameter in inspect.signature(function).parameters.items():
        default = ... if parameter.default is parameter.empty else parameter.default
        default = getattr(default, "__name__", default)  # a function is written by its name
        fields[name] = keys.get(name, (_type_of(name, hints.get(name, Any)), default))
    fields = {name: field for name, field in fields.items() if field is not None}
    made = pydantic.create_model(f"{tag}_{word}", __base__=_Section, **fields)
    made.__doc__ = (function.__doc__ or "").strip().splitlines()[0]
    return made


class Auto(_Section):
    """The first method that supports the problem."""

    type: Literal["auto"]


class PatternStart(_Section):
    """Product state near a pattern, with overlap `overlap`, or with `n_flips` spins flipped.

    `tilt` turns the spins in the y-z plane: m_y = m sin(tilt), m_z = m cos(tilt).
    """

    kind: Literal["pattern"]
    pattern: int = 0
    overlap: float | None = None
    n_flips: int | None = None
    rng: int | None = None
    tilt: float = 0.0
    alpha: _Amplitudes = 0.0


class BlochStart(_Section):
    """Product state with any Bloch vectors."""

    kind: Literal["bloch"]
    vectors: _Numbers = None
    alpha: _Amplitudes = 0.0


class Times(_Section):
    """Output times: n equal steps from start to stop, or values."""

    start: float = 0.0
    stop: float | None = None
    n: int | None = None
    values: list[float] | None = None


class Output(_Section):
    """Observables to evaluate, and name and format of the files to write."""

    observables: list[str] | None = None
    name: str | None = None
    format: Literal["png", "pdf", "svg"] = "png"


class Sweep(_Section):
    """A grid of runs: KEY.PATH = values, and how to treat them.

    `grid` maps paths such as "model.Omega" to lists of values, or to {start, stop, n}; `average`
    names those of an ensemble; `refine` maps observables to the largest change across a cell.
    """

    grid: dict[str, Any]
    verb: Literal["evolve", "steady_state"] = "evolve"
    average: list[str] = []
    refine: dict[str, float] | None = None
    levels: int = 3


# A run that cannot be repeated is not wanted, so that seeds are needed.
_SPECIAL: dict[str, Any] = {
    "orthogonal": {"rng": (int | None, None)},
    "images": {"images": (list[str], ...), "shape": (list[int] | None, None)},
}
TABLES: dict[str, dict[str, type[_Section]]] = {
    "patterns": {
        word: _section("kind", word, function, **_SPECIAL.get(word, {"rng": (int, ...)}))
        for word, function in PATTERN_KINDS.items()
    },
    "model": {
        word: _section("type", word, function, **dict.fromkeys(FROM_PATTERNS))
        for word, function in ALL_MODELS.items()
    },
    "state": {"pattern": PatternStart, "bloch": BlochStart},
    "methods": {"auto": Auto}
    | {word: _section("type", word, method) for word, method in known_methods().items()},
}

if TYPE_CHECKING:
    from typing import Any as PatternsTable, Any as ModelTable  # noqa: I001
    from typing import Any as StateTable, Any as MethodTable
else:
    PatternsTable, ModelTable, StateTable, MethodTable = (
        Annotated[
            Union[tuple(table.values())],  # noqa: UP007
            Field(discriminator="kind" if name in ("patterns", "state") else "type"),
        ]
        for name, table in TABLES.items()
    )


class Config(_Section):
    """A run of tnhop: one model, one start, one or several methods."""

    patterns: PatternsTable | None = None
    model: ModelTable
    state: StateTable
    times: Times
    methods: list[MethodTable]
    output: Output = Output()
    sweep: Sweep | None = None
    rng: int | None = None


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a config."""
    return Config.model_json_schema()


# Sentences about wrong entries.

_CONDITIONS = {"bool_type": "be true or false", "dict_type": "be a table",
               "float_type": "be a number",
               "int_type": "be an integer", "list_type": "be a list", "string_type": "be a text",
               "model_attributes_type": "be a table", "model_type": "be a table"}  # fmt: skip


def sentence(error: Any) -> str:
    """Turn an error of pydantic into one sentence with key and value."""
    place = [*error["loc"]]
    cls: Any = (
        {"times": Times, "output": Output, "sweep": Sweep}.get(place[0])
        if len(place) > 1
        else Config
    )
    at = 2 if place[0] == "methods" else 1  # where the tag of the section stands
    if place[0] in TABLES and len(place) > at:
        cls = TABLES[place[0]][place.pop(at)]
    key = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in place)[1:]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(key, str(place[-1]), [*cls.model_fields])
    if kind == "missing":
        return str(fail(key, "be given", "it is missing"))
    if kind.startswith("union_tag"):
        key += "." + context["discriminator"].strip("'")
        if kind == "union_tag_not_found":
            words = ", ".join(f"'{word}'" for word in TABLES[place[0]])
            return str(fail(key, f"be one of {words}", "it is missing"))
        try:
            return one_of(context["tag"], key, TABLES[place[0]])
        except ValueError as sentence:
            return str(sentence)
    if kind == "literal_error":
        return str(wrong_type(key, f"be {context['expected']}", error["input"]))
    failed = context.get("error")
    if failed is not None and sentence_of(failed):
        return str(failed)
    condition = str(failed or _CONDITIONS.get(kind, error["msg"]))
    return str(wrong_type(key, condition, error["input"]))


def _unknown_key(key: str, name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    key = key if key.isprintable() and key.strip() else repr(key)
    remedy = f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(known)}."
    if name in FROM_PATTERNS:
        remedy = "Patterns are given in the section [patterns]."
    return str(fail(key, "be a known key", "there is none of this name", remedy))
