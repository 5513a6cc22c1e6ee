"""One tagged form for every immutable object: files, checkpoints and digests share it.

A registered frozen dataclass becomes ``{"type": "TDVP", "dt": 0.1, ...}``; arrays, complex numbers
and tuples are tagged too, so that decoding returns what was encoded. There is no pickle.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import Any, TypeVar

import numpy as np

_Class = TypeVar("_Class", bound=type)

SCHEMA_VERSION = 1
_REGISTRY: dict[str, type] = {}


def register(cls: _Class) -> _Class:
    """Make a frozen dataclass known to the codec under its class name."""
    _REGISTRY[cls.__name__] = cls
    return cls


def state_class(name: str) -> Any:
    """Return the registered state class of that name."""
    if name not in _REGISTRY:
        raise ValueError(f"The file holds a state '{name}', which this version does not know.")
    return _REGISTRY[name]


def encode(value: Any) -> Any:
    """Return the JSON-compatible tagged form of `value`."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"type": "float", "value": repr(value)}
    if isinstance(value, complex):
        return {"type": "complex", "re": encode(value.real), "im": encode(value.imag)}
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        dtype = array.dtype.newbyteorder("<").str
        packed = base64.b64encode(array.astype(dtype).tobytes()).decode()
        return {"type": "array", "dtype": dtype, "shape": list(value.shape), "data": packed}
    if isinstance(value, tuple | list):
        items = [encode(item) for item in value]
        return {"type": "tuple", "items": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        pairs = [[encode(key), encode(item)] for key, item in value.items()]
        return {"type": "dict", "items": pairs}
    if dataclasses.is_dataclass(value) and type(value).__name__ in _REGISTRY:
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    raise TypeError(f"An object of type '{type(value).__name__}' has no file form.")


def decode(form: Any) -> Any:
    """Rebuild the object of a tagged form made by `encode`."""
    if isinstance(form, list):
        return [decode(item) for item in form]
    if not isinstance(form, dict):
        return form
    fields = dict(form)
    kind = fields.pop("type")
    if kind == "float":
        return float(fields["value"])
    if kind == "complex":
        return complex(decode(fields["re"]), decode(fields["im"]))
    if kind == "array":
        raw = base64.b64decode(fields["data"])
        return np.frombuffer(raw, dtype=fields["dtype"]).reshape(fields["shape"]).copy()
    if kind == "tuple":
        return tuple(decode(item) for item in fields["items"])
    if kind == "dict":
        return {decode(key): decode(item) for key, item in fields["items"]}
    if kind not in _REGISTRY:
        raise ValueError(
            f"The file holds an object of type '{kind}', which this version of tnhop does not know."
        )
    return _REGISTRY[kind](**{name: decode(item) for name, item in fields.items()})


def dumps(value: Any) -> str:
    """Return the canonical JSON text of the tagged form."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def loads(text: str) -> Any:
    """Rebuild an object from `dumps`."""
    return decode(json.loads(text))


def digest(value: Any) -> str:
    """Return a SHA-256 hex digest that identifies the content of `value`."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()
