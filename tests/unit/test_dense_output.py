"""Interpolation within steps: orders, honest errors, units, and bits at the nodes."""

import numpy as np
import pytest

from tnhop.solvers.chain.dense_output import MOST_NODES, DenseOutput

INSIDE = np.linspace(0.03, 0.97, 21)


def curves(rate, phase):
    """Damped oscillations Re exp(rate t + i phase), and their derivatives."""
    value = lambda t: np.exp(rate * t + 1j * phase).real  # noqa: E731
    return value, lambda t: (rate * np.exp(rate * t + 1j * phase)).real


def named(numbers):
    """Return every number as an observable of its own: components share their errors."""
    return dict(enumerate(np.atleast_1d(numbers)))


def nodes_of(value, derivative, times, with_rates=True):
    return [
        {"time": float(t), "values": named(value(t))}
        | ({"rates": named(derivative(t))} if with_rates else {})
        for t in times
    ]


def errors_of(value, derivative, times, with_rates=True):
    """Return true and estimated errors at times within the last step."""
    output = DenseOutput(nodes_of(value, derivative, times, with_rates))
    at = times[-2] + INSIDE * (times[-1] - times[-2])
    pairs = [output.at(t) for t in at]
    found, errors = (np.array([[*pair[k].values()] for pair in pairs]) for k in (0, 1))
    return np.abs(found - [np.atleast_1d(value(t)) for t in at]), errors


@pytest.mark.parametrize(
    ("n_nodes", "with_rates", "order"), [(3, True, 6), (2, True, 4), (6, False, 6), (5, False, 5)]
)
def test_orders(n_nodes, with_rates, order):
    value, derivative = curves(-0.4 + 0.9j, 0.3)
    lengths = 0.15 * 2.0 ** -np.arange(4)
    worst = [
        errors_of(value, derivative, 0.2 + h * np.arange(1 - n_nodes, 1), with_rates)
        for h in lengths
    ]
    true = [true.max() for true, _ in worst]
    found = np.polyfit(np.log(lengths), np.log(true), 1)[0]
    print(f"order {found:.2f}, errors {true}")
    assert abs(found - order) < 0.25
    assert all((errors >= true).all() for true, errors in worst)


@pytest.mark.parametrize("with_rates", [True, False])
@pytest.mark.parametrize("stretch", [1.0, 2.0, 0.4])
@pytest.mark.parametrize("size", [0.05, 0.3, 1.0])
def test_bars_of_random_damped_oscillations(size, stretch, with_rates):
    """Bars hold for 95 % of all times, and are not useless; steps of any ratio."""
    rng = np.random.default_rng([round(100 * size), round(10 * stretch), with_rates])
    count = 600
    rate = size * np.exp(1j * rng.uniform(np.pi / 2, np.pi, count))
    value, derivative = curves(rate, rng.uniform(0, 2 * np.pi, count))
    # rates times steps are at most one
    steps = np.minimum(stretch ** np.arange(1.0 - MOST_NODES, 1.0), 1 / size)
    times = np.concatenate([-np.cumsum(steps[::-1])[::-1], [0.0]])
    true, estimated = errors_of(value, derivative, times, with_rates)
    inside = (true <= estimated + 1e-15).mean()
    ratio = np.median(estimated.max(0) / true.max(0))
    print(f"inside {inside:.4f}, median bar/error {ratio:.1f}")
    assert inside >= 0.95
    assert ratio <= 30


SIZES = [2.0, *(pytest.param(s, marks=pytest.mark.slow) for s in (3.0, 4.0, 5.0)), 6.0]


@pytest.mark.parametrize("size", SIZES)
def test_bars_of_unresolved_oscillations(size):
    """Too few nodes to see the curve: the bar is then of the size of its change."""
    rng = np.random.default_rng(int(size))
    count = 1000
    rate = size * np.exp(1j * rng.uniform(np.pi / 2, np.pi, count))
    value, derivative = curves(rate, rng.uniform(0, 2 * np.pi, count))
    for n_nodes in (2, 3):
        true, estimated = errors_of(value, derivative, np.arange(1.0 - n_nodes, 1.0))
        ratio = estimated.max(0) / true.max(0)
        print(f"{n_nodes} nodes: 1 % of the ratios below {np.quantile(ratio, 0.01):.2f}")
        assert np.quantile(ratio, 0.01) > 0.9
        assert (true <= estimated).mean() > 0.95


@pytest.mark.parametrize("before", [1e-3, 0.05, 0.3, 1.0, 20.0, 1e3])
@pytest.mark.parametrize("with_rates", [True, False])
def test_errors_of_the_nodes_are_not_amplified(before, with_rates):
    """Steps that double from a short one up to one, and a step unlike all those before."""
    rng = np.random.default_rng(1)
    lengths = before * np.minimum(2.0 ** np.arange(9), max(1.0, 1 / before))
    for times in (np.cumsum([*lengths, 1.0]), np.cumsum([*lengths[:1].repeat(8), 1.0])):
        noise = 1e-7 * rng.uniform(-1, 1, len(times))
        nodes = nodes_of(lambda t: 0.0, lambda t: 0.0, times, with_rates)[-MOST_NODES:]
        for node, error in zip(nodes, noise, strict=True):
            node["values"][0] = np.asarray(error)
        output = DenseOutput(nodes)
        found = [output.at(times[-2] + s)[0][0] for s in INSIDE]
        assert np.abs(found).max() < 2e-6


def test_polynomials_are_exact():
    rng = np.random.default_rng(4)
    times = np.array([0.0, 0.7, 1.9, 2.6, 4.4, 5.1])
    for with_rates, n_nodes, degree in [(True, 3, 5), (True, 2, 3), (False, 6, 5), (False, 4, 3)]:
        for k in range(degree + 1):
            curve = np.polynomial.Polynomial(rng.standard_normal(k + 1), [4.0, 5.0])
            true, _ = errors_of(curve, curve.deriv(), times[-n_nodes:], with_rates)
            assert true.max() < 1e-12 * np.abs(curve(times[-n_nodes:])).max()
    constant = DenseOutput(nodes_of(lambda t: 0.3, lambda t: 0.0, times))
    values, errors = constant.at(4.9)
    assert values[0] == 0.3
    assert errors[0] == 0.0


def example(unit=1.0, shift=0.0):
    """Nodes of complex arrays with rates and of real numbers without, in another unit of time."""
    value = lambda t: np.exp(np.outer([-0.3 + 1j, -1.0 + 0.2j], [1.0, 0.5]) * t)  # noqa: E731
    rate = lambda t: np.outer([-0.3 + 1j, -1.0 + 0.2j], [1.0, 0.5]) * value(t)  # noqa: E731
    times = 0.25 * np.cumsum([1, 1, 2, 3, 2, 1])
    return [
        {"time": float(unit * t + shift), "values": {"a": value(t), "b": np.asarray(np.cos(t))},
         "rates": {"a": rate(t) / unit}}
        for t in times
    ]  # fmt: skip


def test_units_and_shifts_of_time():
    start, end = (node["time"] for node in example()[-2:])
    time = start + 0.375 * (end - start)
    values, errors = DenseOutput(example()).at(time)
    for unit in (2.0**-40, 2.0**40):
        scaled = DenseOutput(example(unit)).at(unit * time)
        for mine, theirs in zip((values, errors), scaled, strict=True):
            assert all(np.array_equal(mine[name], theirs[name]) for name in "ab")
    shifted = DenseOutput(example(shift=1e3)).at(time + 1e3)
    for mine, theirs in zip((values, errors), shifted, strict=True):
        assert all(np.allclose(mine[name], theirs[name], 1e-6, 1e-11) for name in "ab")


def test_every_name_has_its_own_shape_and_conditions():
    nodes = example()
    output = DenseOutput(nodes)
    time = nodes[-1]["time"] - 0.1
    values, errors = output.at(time)
    exact = np.exp(np.outer([-0.3 + 1j, -1.0 + 0.2j], [1.0, 0.5]) * (time / 1.0))
    assert values["a"].shape == errors["a"].shape == (2, 2)
    assert values["b"].shape == errors["b"].shape == ()
    assert (np.abs(values["a"] - exact) <= errors["a"]).all()
    assert abs(values["b"] - np.cos(time)) <= errors["b"]
    for name, largest in output.step_errors.items():
        assert largest.shape == errors[name].shape
        assert (errors[name] <= largest).all()


def test_nodes_are_returned_as_they_are():
    nodes = example()
    nodes[-1]["values"]["b"] = np.asarray(-0.0)
    for node in nodes[-2:]:
        values, errors = DenseOutput(nodes).at(node["time"])
        assert all(values[name].tobytes() == node["values"][name].tobytes() for name in "ab")
        assert all((errors[name] == 0).all() for name in "ab")


def test_times_outside_the_step_are_refused():
    for time in (nodes := example())[-2]["time"] - 1e-6, nodes[-1]["time"] + 1e-6, np.nan:
        with pytest.raises(ValueError, match="`time` must lie between"):
            DenseOutput(nodes).at(time)


def test_what_is_not_a_number_stays_so():
    nodes = example()
    nodes[-2]["values"]["b"] = np.asarray(np.nan)
    values, errors = DenseOutput(nodes).at(nodes[-1]["time"] - 0.1)
    assert np.isnan(values["b"])
    assert np.isnan(errors["b"])
    assert np.isfinite(values["a"]).all()
