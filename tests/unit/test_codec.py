"""The tagged form: what was encoded comes back, and equal content has equal digests."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tnhop as th
from tnhop.support.codec import decode, digest, dumps, encode, loads
from zoo import ZOO

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text(max_size=8),
    st.floats(allow_nan=False), st.complex_numbers(allow_nan=False, allow_infinity=False),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
    max_leaves=8,
)
derandomised = settings(derandomize=True, deadline=None)


@given(values)
@derandomised
def test_plain_values_come_back(value):
    again = loads(dumps(value))
    assert again == value
    assert type(again) is type(value)


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.int8, np.int64, np.complex128, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
@derandomised
def test_arrays_come_back_to_the_bit(array):
    again = loads(dumps(array))
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_infinity_and_nan_survive_json():
    text = dumps([np.inf, -np.inf, float("nan")])
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = loads(text)
    assert again[:2] == [np.inf, -np.inf]
    assert np.isnan(again[2])


def test_memory_order_does_not_change_the_digest():
    a = np.arange(6.0).reshape(2, 3)
    assert digest(a) == digest(np.asfortranarray(a))
    assert digest(a) != digest(a.T)


@pytest.mark.parametrize("model", ZOO.values(), ids=ZOO.keys())
def test_models_come_back(model):
    again = loads(dumps(model))
    assert again == model
    assert again.digest == model.digest
    assert again.observables == model.observables


@pytest.mark.parametrize(
    "method", [th.Exact(tolerance=1e-7), th.MeanField(closure="product", integrator="LSODA")]
)
def test_methods_come_back(method):
    assert loads(dumps(method)) == method


def test_zero_temperature_survives():
    model = loads(dumps(ZOO["open_hopfield: zero temperature"]))
    assert model.jumps[0].amplitudes[0][1].rate.beta == np.inf


def test_object_without_a_file_form_is_refused():
    with pytest.raises(TypeError, match=r"type 'function' has no file form"):
        encode(test_methods_come_back)


def test_unknown_type_is_refused():
    with pytest.raises(ValueError, match=r"type 'Oracle', which this version"):
        decode({"type": "Oracle"})
