"""What is immutable has arrays of its own: nobody changes them afterwards, not even their maker."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hostile_calls
import tnhop as th
from hostile_table import CALLS
from tnhop.physics.time_base import SquareRoot
from tnhop.support import codec


def instances():
    """Return one object of every registered class, from the calls of the table."""
    found = {}

    def collect(value):
        name = type(value).__name__
        if dataclasses.is_dataclass(value) and codec._REGISTRY.get(name) is type(value):
            found.setdefault(name, value)
            collect(getattr(value, "start_errors", None))
            for field in dataclasses.fields(value):
                collect(getattr(value, field.name))
        elif isinstance(value, tuple | list):
            for item in value:
                collect(item)

    for name, value in hostile_calls.space().items():
        if name in ("dense", "symmetric", "chain", "populations", "distribution", "samples"):
            collect(value)
    constructors = ("th.Functional", "th.Observable", "th.Model", "th.FieldJump", "th.ProductState",
                    "th.multimode_dicke", "th.open_hopfield", "th.SpinBosonRate", "th.ScaledRate",
                    "th.ChebyshevRate", "th.DenseGlauberRate", "th.ConstantRate", "th.Exact",
                    "th.TDVP", "th.TEBD", "th.MeanField", "th.Symmetric", "th.ClassicalMaster",
                    "th.KineticMonteCarlo", "th.sigma", "th.Term")  # fmt: skip
    for source in CALLS:
        if source.partition("(")[0] in constructors:
            collect(hostile_calls.evaluate(source))
    collect((th.ramp(0, 1, 1), th.pulse(1, 0, 1), th.sine(1, 0.5, 1), th.piecewise([0, 1], [0, 1]),
             th.fitted(np.cos, 0, 1), 2 * th.ramp(0, 1, 1), SquareRoot(th.ramp(0, 1, 1))))  # fmt: skip
    collect(th.Functional("overlap_distribution", (("xi", np.ones((1, 3))), ("a", [np.ones(2)]))))
    return found


def copied(value, arrays):
    """Return the same with arrays that may be changed, and collect those."""
    if isinstance(value, np.ndarray):
        arrays.append(value.copy())
        return arrays[-1]
    if isinstance(value, tuple | list):
        return type(value)(copied(item, arrays) for item in value)
    if isinstance(value, dict):
        return {name: copied(item, arrays) for name, item in value.items()}
    return value


def held(value):
    """Yield the arrays that an object holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from held(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from held(getattr(value, field.name))


def test_objects_have_arrays_of_their_own():
    found = instances()
    assert set(found) == {n for n, c in codec.registered().items() if c.__module__[:5] == "tnhop"}
    for old in found.values():
        check_own(old)


def check_own(old):
    arrays = []
    fields = {f.name: copied(getattr(old, f.name), arrays) for f in dataclasses.fields(old)}
    new = type(old)(**fields)
    before = codec.dumps(new)
    assert before == codec.dumps(old)
    for array in arrays:
        array[...] = 7
    assert codec.dumps(new) == before
    for array in held(new):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_models_keep_no_array_of_their_caller():
    models = [s for s in CALLS if s.partition("(")[0].removeprefix("th.") in th.ALL_MODELS]
    assert {s.partition("(")[0] for s in models} == {f"th.{name}" for name in th.ALL_MODELS}
    for source in models:
        function, values, named = hostile_calls.built(source)
        given = {
            name: np.array(value) if isinstance(value, int | float | list) else value
            for name, value in named.items()
        }
        model = function(*values, **given)
        before = codec.dumps(model)
        assert model == function(*values, **named)
        for value in given.values():
            if isinstance(value, np.ndarray):
                value[...] = 3
        assert codec.dumps(model) == before, source
