"""Functions of time: values, algebra, limits, files, and what is refused."""

import math

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.time_base import SquareRoot, TimeSum
from tnhop.support.codec import digest, dumps, loads

FUNCTIONS = {
    "ramp": th.ramp(0.3, -1.7, 2.5, start=0.4),
    "jump": th.ramp(0.3, 1.7, 0.0, start=0.4),
    "pulse": th.pulse(0.9, 0.2, 1.7, rise=0.6),
    "box": th.pulse(-0.9, 0.2, 1.7),
    "sine": th.sine(0.4, 0.3, 2.3, phase=0.7),
    "linear": th.piecewise([-1.0, 0.3, 1.1, 9.0], [0.3, -0.2, 0.7, 0.1]),
    "constant": th.piecewise([-1.0, 0.3, 1.1], [0.3, -0.2, 0.7], kind="constant"),
    "fitted": th.fitted(lambda t: np.exp(-t) * np.cos(3 * t), -1.0, 9.0),
}
EXPECTED = {
    "ramp": lambda t: 0.3 - 2.0 * min(max((t - 0.4) / 2.5, 0.0), 1.0),
    "jump": lambda t: 0.3 if t < 0.4 else 1.7,
    "pulse": lambda t: 0.9 * min(max(min(t - 0.2, 1.9 - t) / 0.6, 0.0), 1.0),
    "box": lambda t: -0.9 if 0.2 <= t < 1.9 else 0.0,
    "sine": lambda t: 0.4 + 0.3 * math.sin(2.3 * t + 0.7),
    "linear": lambda t: np.interp(t, [-1.0, 0.3, 1.1, 9.0], [0.3, -0.2, 0.7, 0.1]),
    "constant": lambda t: 0.3 if t < 0.3 else -0.2 if t < 1.1 else 0.7,
    "fitted": lambda t: math.exp(-t) * math.cos(3 * t),
}
TIMES = np.linspace(-0.9, 8.9, 137)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_range_and_file_form(name):
    f = FUNCTIONS[name]
    expected = np.array([EXPECTED[name](t) for t in TIMES])
    assert np.abs(f(TIMES) - expected).max() <= 1e-9
    assert f(TIMES[7]) == f(TIMES)[7]
    low, high = f.range
    assert low - 1e-12 <= f(TIMES).min() <= f(TIMES).max() <= high + 1e-12
    assert loads(dumps(f)) == f


def test_sums_and_products_are_those_of_the_values(rng):
    functions = list(FUNCTIONS.values())
    for _ in range(40):
        f, g, h = (functions[k] for k in rng.integers(len(functions), size=3))
        a, b = complex(*rng.normal(size=2)), float(rng.normal())
        total = (a * f - g) * (h + b) / 2 - f * f + 1
        expected = (a * f(TIMES) - g(TIMES)) * (h(TIMES) + b) / 2 - f(TIMES) ** 2 + 1
        np.testing.assert_allclose(total(TIMES), expected, rtol=1e-12, atol=1e-12)
        assert set(f.breaks) <= set((f * g + h).breaks)
        assert (f + g).range[0] <= (f(TIMES) + g(TIMES)).min()
        assert loads(dumps(total)) == total
        assert digest(f * g + h) == digest(h + g * f)


def test_what_cancels_is_a_number():
    f = FUNCTIONS["ramp"]
    assert f - f == 0
    assert f * 0 == 0
    assert f * 1 is f
    assert SquareRoot(f + 3) * SquareRoot(f + 3) == f + 3


def test_arrays_become_arrays_of_functions():
    g = th.ramp(0.0, 1.0, 2.0) * np.array([[1.0, -2.0]])
    assert g.shape == (1, 2)
    assert g[0, 1](1.0) == -1.0


def test_fits_know_their_error():
    f = th.fitted(lambda t: np.exp(-t) * np.abs(t - 1.3), 0.0, 5.0, tolerance=1e-7)
    t = np.linspace(0, 5, 3001)
    error = np.abs(f(t) - np.exp(-t) * np.abs(t - 1.3)).max()
    assert error <= 1.5 * f.max_error <= 1.5e-7 * 1.3


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: th.ramp(math.nan, 1.0, 1.0), "`first` must be a finite number"),
        (lambda: th.ramp(0.0, 1.0, -1.0), "`duration` must be at least 0"),
        (lambda: th.pulse(1.0, 0.0, 1.0, rise=0.7), "at most half"),
        (lambda: th.piecewise([0.0, 0.0], [1.0, 2.0]), "increasing times"),
        (lambda: th.piecewise([0.0, 1.0], [1.0]), "one entry for each of the 2 times"),
        (lambda: th.piecewise([0.0, 1.0], [1.0, 2.0], kind="cubic"), "`kind` must be one of"),
        (lambda: th.piecewise([0.0, 1.0], [1.0, 2.0])(1.5), "lie between 0 and 1"),
        (lambda: th.fitted(lambda t: 1 / (t - 1), 0.0, 2.0), "finite"),
        (lambda: th.fitted(np.sign, -0.3, 1.0), "piecewise smooth"),
        (lambda: th.fitted(np.cos, 1.0, 1.0), "later than `start`"),
        (lambda: th.ramp(0.0, 1.0, 1.0) / th.sine(2.0, 1.0, 1.0), "be a number"),
        (lambda: np.cos * th.sigma("x")(0), "th.fitted"),
        (lambda: th.Term(np.cos), "th.fitted"),
        (lambda: th.Observable("x", th.ramp(0.0, 1.0, 1.0) * th.sigma("x")(0)), "constant"),
        (lambda: SquareRoot(th.sine(0.5, 1.0, 1.0)), "at least 0 at all times"),
    ],
)  # fmt: skip
def test_wrong_functions_get_a_sentence(make, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        make()


def test_sums_are_simplest():
    assert isinstance(2 * FUNCTIONS["sine"], TimeSum)
    assert (2 * FUNCTIONS["sine"]).is_real
    assert not (2j * FUNCTIONS["sine"]).is_real
    assert (2j * FUNCTIONS["sine"]).conjugate() == -2j * FUNCTIONS["sine"]
