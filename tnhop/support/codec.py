"""One tagged form for every immutable object: files, checkpoints and digests share it.

A registered frozen dataclass becomes ``{"type": "TDVP", "dt": 0.1, ...}``; arrays, complex numbers
and tuples are tagged too, so that decoding returns what was encoded. There is no pickle. Arrays are
written into the form, or stand `Aside`.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tnhop.support.lazy import load_all
from tnhop.support.plugins import plugins

_Class = TypeVar("_Class", bound=type)

SCHEMA_VERSION = 1
_ADDED = "added"  # metadata of fields that came after the release of their class
_PLAIN = (bool, str, int)  # what JSON writes as it is
_REGISTRY: dict[str, type] = {}


def register(cls: _Class) -> _Class:
    """Make a frozen dataclass known to the codec under its class name.

    Raises
    ------
    ValueError
        If another class has that name: objects of one would be read as objects of the other.
    """
    if not _is_ours(cls):
        load_all()
    known = _REGISTRY.setdefault(cls.__name__, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(
            f"Class `{cls.__qualname__}` of {cls.__module__} must have a name of its own, but"
            f" {known.__module__} has registered `{cls.__name__}`. Give it another name."
        )
    _REGISTRY[cls.__name__] = cls  # the newest, where a module is loaded again
    return cls


def registered() -> dict[str, type]:
    """Return all registered classes by name, those of installed packages included."""
    load_all()
    plugins()
    return dict(_REGISTRY)


def classes_of_users(text: str) -> tuple[type, ...]:
    """Return the registered classes of other packages and scripts that a text of `dumps` names."""
    return tuple(
        cls for name, cls in _REGISTRY.items()
        if not _is_ours(cls) and f'"type":"{name}"' in text
    )  # fmt: skip


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "tnhop"


def added(default: Any) -> Any:
    """Declare a field that a registered class did not have when it was released.

    Its default must mean what the class did without the field. An object with the default has the
    form, hence the digest and the file names, that it had before; a form without the field has the
    default.

    Parameters
    ----------
    default : object
        Immutable value of the field in everything that was written before.
    """
    return dataclasses.field(default=default, metadata={_ADDED: True})


def _fields(value: Any) -> list[str]:
    """Return the fields that belong to the form: those of the release, and added ones in use."""
    return [
        field.name
        for field in dataclasses.fields(value)
        if _ADDED not in field.metadata
        or encode(getattr(value, field.name)) != encode(field.default)
    ]


def text_form(value: Any) -> str:
    """Return class and fields of the form as a line, the same in every version.

    Parameters
    ----------
    value : object
        A registered object; others are written by `repr`.
    """
    if not dataclasses.is_dataclass(value) or type(value).__name__ not in _REGISTRY:
        return repr(value)
    fields = ", ".join(f"{name}={getattr(value, name)!r}" for name in _fields(value))
    return f"{type(value).__name__}({fields})"


def _is_known(name: str) -> bool:
    """Return whether a class is registered, by one of the installed packages at the latest."""
    if name not in _REGISTRY:
        load_all()
    return name in _REGISTRY or (name in plugins() and name in _REGISTRY)


def state_class(name: str) -> Any:
    """Return the registered state class of that name."""
    if not _is_known(name):
        raise ValueError(f"The file holds a state '{name}', which this version does not know.")
    return _REGISTRY[name]


class Aside:
    """Arrays that stand beside a form instead of in it.

    They keep the order of their axes in memory: products of transposed matrices round differently,
    so that bit-identical work needs it. Arrays that share their memory stand here once.

    Parameters
    ----------
    arrays : sequence of ndarray, shape (n,)
        Flat arrays of a form that is to be decoded.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]] = ()) -> None:
        self.arrays = list(arrays)
        self._places: dict[tuple[int, str, int], int] = {}

    def put(self, array: NDArray[Any]) -> dict[str, Any]:
        """Keep an array and return how to find it."""
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        if not array.transpose(axes).flags.c_contiguous:
            axes = list(range(array.ndim))
        flat = np.ascontiguousarray(array.transpose(axes)).reshape(-1)
        key = flat.__array_interface__["data"][0], flat.dtype.str, flat.size
        place = self._places.setdefault(key, len(self.arrays))
        if place == len(self.arrays):  # what is kept stays alive, so that its address is its own
            self.arrays.append(flat)
        return {"at": place, "shape": list(array.shape), "axes": axes}

    def take(self, at: int, shape: Sequence[int], axes: Sequence[int]) -> NDArray[Any]:
        """Return a copy of an array that was put."""
        stored = self.arrays[at].reshape([shape[axis] for axis in axes])
        return stored.transpose(np.argsort(axes).tolist()).copy(order="K")


def encode(value: Any, aside: Aside | None = None) -> Any:
    """Return the JSON-compatible tagged form of `value`; numeric arrays go `aside` if there is."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": repr(float(value))}
    again = partial(encode, aside=aside)
    if isinstance(value, complex):
        return {"type": "complex", "re": again(value.real), "im": again(value.imag)}
    if isinstance(value, np.generic):
        return again(value.item())
    if isinstance(value, np.ndarray):
        if aside is not None and value.dtype.kind in "biufc":
            return {"type": "array", **aside.put(value)}
        array = np.ascontiguousarray(value)
        dtype = array.dtype.newbyteorder("<").str
        packed = base64.b64encode(array.astype(dtype).tobytes()).decode()
        return {"type": "array", "dtype": dtype, "shape": list(value.shape), "data": packed}
    if isinstance(value, tuple | list):
        items = [again(item) for item in value]
        return {"type": "tuple", "items": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        pairs = [[again(key), again(item)] for key, item in value.items()]
        return {"type": "dict", "items": pairs}
    if dataclasses.is_dataclass(value) and type(value).__name__ in _REGISTRY:
        fields = {name: again(getattr(value, name)) for name in _fields(value)}
        return {"type": type(value).__name__, **fields}
    raise TypeError(f"An object of type '{type(value).__name__}' has no file form.")


def decode(form: Any, aside: Aside | None = None) -> Any:
    """Rebuild the object of a tagged form made by `encode`."""
    again = partial(decode, aside=aside)
    if isinstance(form, list):
        return [again(item) for item in form]
    if not isinstance(form, dict):
        return form
    fields = dict(form)
    kind = fields.pop("type", None)
    if kind in _BASIC:
        with _whole(kind):
            return _basic(kind, fields, again, aside)
    if not isinstance(kind, str) or not _is_known(kind):
        raise ValueError(
            f"The file holds an object of type '{kind}', which this version of tnhop does not know."
            " If it is your own, import the module that defines it."
        )
    named = {name: again(item) for name, item in fields.items()}
    with _whole(kind, () if _is_complete(_REGISTRY[kind], named) else TypeError):
        return _REGISTRY[kind](**named)


_BASIC = ("float", "complex", "array", "tuple", "dict")


def _basic(kind: str, fields: dict[str, Any], again: Any, aside: Aside | None) -> Any:
    if kind == "float":
        return float(fields["value"])
    if kind == "complex":
        return complex(again(fields["re"]), again(fields["im"]))
    if kind == "array" and aside is not None and "at" in fields:
        return aside.take(**fields)
    if kind == "array":
        raw = base64.b64decode(fields["data"])
        return np.frombuffer(raw, dtype=fields["dtype"]).reshape(fields["shape"]).copy()
    if kind == "tuple":
        return tuple(again(item) for item in fields["items"])
    return {again(key): again(item) for key, item in fields["items"]}


def _is_complete(cls: Any, named: dict[str, Any]) -> bool:
    """Return whether all fields of the release are there, and no unknown ones."""
    fields = dataclasses.fields(cls)
    released = {field.name for field in fields if _ADDED not in field.metadata}
    return released <= named.keys() <= {field.name for field in fields}


@contextmanager
def _whole(
    kind: str, faults: Any = (TypeError, ValueError, KeyError, IndexError, AttributeError)
) -> Iterator[None]:
    """Say of which type the object is that cannot be rebuilt."""
    try:
        yield
    except faults as error:
        if str(error).startswith("The file holds"):
            raise
        raise ValueError(
            f"The file holds an object of type '{kind}' that is damaged or of another version."
        ) from error


def dumps(value: Any) -> str:
    """Return the canonical JSON text of the tagged form."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def loads(text: str) -> Any:
    """Rebuild an object from `dumps`."""
    return decode(json.loads(text))


def state_form(state: Any) -> Any:
    """Return class, arrays and, if known, the errors of a state; None stays None."""
    if state is None:
        return None
    form = {"type": type(state).__name__, "arrays": state.to_arrays()}
    errors = getattr(state, "start_errors", None)
    return form if errors is None else form | {"start_errors": errors}


def state_of(form: Any) -> Any:
    """Rebuild a state from `state_form`."""
    if form is None:
        return None
    return rebuilt_state(form["type"], form["arrays"], form.get("start_errors"))


def rebuilt_state(name: str, arrays: dict[str, Any], start_errors: Any = None) -> Any:
    """Return the state of a class and its arrays, with the error that it was reached with."""
    state = state_class(name).from_arrays(arrays)
    if start_errors is not None:
        object.__setattr__(state, "start_errors", start_errors)
    return state


def digest(value: Any) -> str:
    """Return a SHA-256 hex digest that identifies the content of `value`."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()
