"""States remember the error that they were reached with, and runs that go on from them add it."""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.start_errors import StartErrors, with_start_errors
from tnhop.solvers.start_errors import start_error
from tnhop.support.codec import digest

pytestmark = pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")


def random_network(rng, quantum=True):
    """Return an open network of any temperature and field."""
    xi = th.random_patterns(int(rng.integers(1, 3)), int(rng.integers(3, 6)), rng=rng.integers(99))
    beta, Omega = 10 ** rng.uniform(-1, 1), quantum * 10 ** rng.uniform(-1, 1)
    return th.open_hopfield(xi, beta=float(beta), Omega=float(Omega))


def random_magnet(rng):
    """Return spins with exchange of random sign and strength, and losses of any size."""
    n = int(rng.integers(2, 5))
    J = rng.standard_normal((n, n, 3))
    pairs = [(i, j, a) for i in range(n) for j in range(i) for a in range(3)]
    H = sum(J[i, j, a] * th.sigma("xyz"[a])(i) * th.sigma("xyz"[a])(j) for i, j, a in pairs)
    loss = 10 ** rng.uniform(-1, 1)
    return th.Model(th.spins(n), H, [th.Jump(loss * th.sigma("-")(k)) for k in range(n)])


def random_cavity(rng):
    """Return spins beside a mode that fills its levels more or less."""
    g, loss = float(rng.uniform(0.2, 0.7)), float(10 ** rng.uniform(-0.5, 1))
    return th.dicke(int(rng.integers(1, 3)), g=g, omega=1.0, Omega=0.5, loss=loss, fock_dim=7)


def start_of(model, rng):
    bloch = rng.standard_normal((model.n_spins, 3))
    return th.product_state(model, bloch=bloch / np.linalg.norm(bloch, axis=1)[:, None])


CASES = [
    (th.Exact, random_network), (th.Exact, random_magnet), (th.Exact, random_cavity),
    (th.Symmetric, random_network), (th.Symmetric, random_cavity),
    (th.ClassicalMaster, lambda rng: random_network(rng, quantum=False)),
]  # fmt: skip


def observables_of(model, method):
    names = ["sigma_z", "trace"] + ["occupation"] * bool(model.n_modes)
    return names + ["purity"] * (method is th.Exact)


def in_pieces(model, state, ends, method, observables):
    """Return the last result of runs that go on from one another."""
    for begin, end in zip([0.0, *ends[:-1]], ends, strict=True):
        result = th.evolve(model, state, [end - begin], observables=observables, method=method)
        state = result.final_state
    return result


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("method", "random_model"), CASES)
def test_restarts_have_the_bars_of_one_run(method, random_model, seed):
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    state, names = start_of(model, rng), observables_of(model, method)
    end = float(10 ** rng.uniform(-1, 1)) / model.rate_scale
    chosen = method(float(10 ** rng.uniform(-10, -4)))
    split = float(rng.uniform(0.05, 0.95)) * end
    whole = th.evolve(model, state, [split, end], observables=names, method=chosen)
    first = th.evolve(model, state, [split], observables=names, method=chosen)
    rest = th.evolve(model, first.final_state, [0.0, end - split], observables=names, method=chosen)
    pieces = 20 if seed or method is th.ClassicalMaster else 3
    ramp = in_pieces(model, state, np.arange(1, pieces + 1) / pieces * end, chosen, names)
    for name in names:
        bars = whole.errors[name]
        np.testing.assert_allclose(rest.errors[name][0], first.errors[name][-1], rtol=1e-9)
        np.testing.assert_allclose(rest.errors[name], bars, rtol=0.2)
        np.testing.assert_allclose(ramp.errors[name][-1], bars[-1], rtol=0.2)
        distance = np.abs(rest.expect[name] - whole.expect[name])
        assert np.all(distance <= rest.errors[name] + bars)
        assert "start" not in whole.errors.sources(name)
        assert np.all(rest.errors.sources(name)["start"] > 0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("method", "random_model"), CASES)
def test_errors_of_the_start_are_covered_after_a_quench(method, random_model, seed):
    """A coarse first stage, then another model: the truth goes through the same quench."""
    rng = np.random.default_rng(100 + seed)
    before = random_model(rng)
    after, state = scaled(before, float(rng.uniform(0.3, 2))), start_of(before, rng)
    end = float(10 ** rng.uniform(-0.5, 1)) / before.rate_scale
    names, times = observables_of(before, method), np.array([0.0, 0.1, 1.0]) * end

    def quenched(tolerance):
        first = th.evolve(before, state, [end], observables=names, method=method(tolerance))
        start = first.final_state
        return first, th.evolve(after, start, times, observables=names, method=method(1e-12))

    (first, found), (_, truth) = quenched(1e-4), quenched(1e-12)
    for name in names:
        distance = np.abs(found.expect[name] - truth.expect[name])
        assert np.all(distance <= found.errors[name] + truth.errors[name])
        np.testing.assert_allclose(found.errors[name][0], first.errors[name][-1], rtol=1e-6)
        # the trace norm does not grow, and neither does what it bounds
        if name != "purity":
            start = found.errors.sources(name)["start"]
            np.testing.assert_allclose(start[1:], start[:-1], rtol=1e-12)


def scaled(model, factor):
    """Return a model with another Hamiltonian and, where there is none, with other jumps."""
    if model.hamiltonian.terms:
        return th.Model(model.sites, factor * model.hamiltonian, model.jumps)
    return th.open_hopfield(-model.patterns, beta=factor, Omega=0.0)


def test_error_of_a_method_without_trace_norm():
    """At once the bar of the same observable, later the largest one per norm, for all of them."""
    model = th.independent_spins(2, Omega=0.4, decay=0.7)
    state = th.evolve(model, start_of(model, np.random.default_rng(1)), [0.3]).final_state
    known = {o.name: o for o in model.select(["sigma_z", "energy", "purity"])}
    widths = {
        "sigma_z": {"truncation": np.array([1e-3, 3e-3]), "time_step": np.array([1e-3, 0.0])},
        "energy": {"truncation": np.array(1e-3)},
        "purity": {"truncation": np.array(np.nan)},
    }
    errors = StartErrors(0.3, widths, {name: digest(o) for name, o in known.items()}, ratio=3e-3)
    found = th.evolve(
        model, with_start_errors(state, errors), [0.0, 1.0],
        observables=["sigma_z", "sigma_x", "energy", "purity"], method="Exact",
    )  # fmt: skip
    start = {name: found.errors.sources(name)["start"] for name in found.errors}
    np.testing.assert_allclose(start["sigma_z"], [[2e-3, 3e-3], [3e-3, 3e-3]])
    np.testing.assert_allclose(start["sigma_x"], 3e-3)
    np.testing.assert_allclose(start["energy"], [1e-3, 3e-3 * 0.8])
    assert np.isnan(start["purity"][0])
    assert start["purity"][1] > 0
    (sigma_x,) = model.select("sigma_x")
    none = StartErrors(0.3, {}, {})
    assert np.isnan(start_error(sigma_x, model, none, state=state)).all()


def test_steady_states_without_bars_are_unknown_starts():
    """What was not measured is NaN in the next run, too; numbers that were are its start."""
    model = th.independent_spins(2, Omega=0.4, decay=0.7)
    steady = th.steady_state(model, observables="sigma_z", method="Exact")
    assert steady.state.start_errors is not None
    run = th.evolve(model, steady.state, [0.5], observables="sigma_z", method="Exact")
    assert np.isnan(run.errors["sigma_z"]).all() == np.isnan(steady.state.start_errors.size)


def test_what_is_made_or_sampled_has_no_start_error():
    model = th.open_hopfield([[1, 1, -1, 1]], beta=2.0)
    product = th.pattern_state(model, overlap=0.5)
    mean = th.evolve(model, product, [0.5], method="MeanField").final_state
    made = th.DenseState(
        th.evolve(model, product, [0.5], method="Exact").final_state.packed, (2,) * 4, 4
    )
    for state in (product, mean, made):
        assert state.start_errors is None
        run = th.evolve(model, state, [0.0, 0.5], observables="m_z", method="Exact")
        assert "start" not in run.errors.sources("m_z")


@pytest.mark.parametrize("method", ["Exact", "Symmetric", "ClassicalMaster", "TDVP"])
def test_records_are_beside_the_arrays_and_in_files(method, tmp_path):
    model = th.open_hopfield([[1, 1, -1]], beta=2.0, Omega=0.3 * (method != "ClassicalMaster"))
    run = th.evolve(
        model, th.pattern_state(model, overlap=0.5), [0.2, 0.5], observables="m_z", method=method,
        save_states=True, checkpoint=tmp_path / "run.ckpt",
    )  # fmt: skip
    state, errors = run.final_state, run.final_state.start_errors
    bare = type(state).from_arrays(state.to_arrays())
    assert bare.start_errors is None
    problems = [th.Problem(model, s, [1.0], "m_z") for s in (state, bare)]
    assert problems[0].digest == problems[1].digest
    assert "start_errors" not in state.to_arrays()
    np.testing.assert_array_equal(errors.half_width(run.observables[0]), run.errors["m_z"][-1])
    run.save(tmp_path / "run.h5")
    again = th.evolve(
        model, th.pattern_state(model, overlap=0.5), [0.2, 0.5], observables="m_z", method=method,
        save_states=True, checkpoint=tmp_path / "run.ckpt",
    )  # fmt: skip
    for other in (th.load(tmp_path / "run.h5"), again):
        for mine, read in zip(
            [state, *run.states], [other.final_state, *other.states], strict=True
        ):
            assert digest(read.start_errors) == digest(mine.start_errors)


def test_samples_carry_their_spread_and_remember_the_rest():
    """Errors of rates add up over restarts; those of sampling are in the samples."""
    model = th.open_hopfield(th.random_patterns(2, 6, rng=3), beta=1.5)
    method, state = th.KineticMonteCarlo(n_samples=50), th.pattern_state(model, overlap=0.5)
    first = th.evolve(model, state, [0.7], observables="m_z", method=method, rng=1)
    rest = th.evolve(model, first.final_state, [0.0, 0.6], observables="m_z", method=method, rng=2)
    rates = first.errors.sources("m_z")["rates"]
    np.testing.assert_allclose(rest.errors.sources("m_z")["start"], np.repeat(rates, 2, axis=0))
    assert "start" not in first.errors.sources("m_z")


@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_correlations_have_the_error_of_their_state(method):
    model = th.independent_spins(2, Omega=0.4, decay=0.7)
    M, start = th.sigma("-")(0) + th.sigma("-")(1), th.product_state(model, spins=[1, 1])
    coarse, fine = (
        th.evolve(model, start, [1.0], observables="sigma_z", method=m).final_state
        for m in (getattr(th, method)(1e-4), getattr(th, method)(1e-12))
    )
    found, truth = (
        th.correlation(model, state, [0.0, 0.5, 2.0], M, M, method=getattr(th, method)(1e-12))
        for state in (coarse, fine)
    )
    distance = np.abs(found.values - truth.values)
    assert np.all(distance <= found.errors + truth.errors)
    assert np.all(distance[1:] > truth.errors[1:])


@pytest.mark.parametrize(
    "method", [th.TDVP(max_bond=3), pytest.param(th.TEBD(max_bond=3), marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:.*max_bond")
def test_chains_do_not_forget_what_was_cut_before_a_quench(method):
    before, after = (
        th.open_hopfield(th.random_patterns(2, 5, rng=3), beta=beta, Omega=Omega)
        for beta, Omega in ((2.0, 0.4), (0.5, 1.5))
    )
    names, state = ["m_z", "m_y"], th.pattern_state(before, overlap=0.7)
    runs = []
    for chosen in (method, "Exact"):
        first = th.evolve(before, state, [1.0], observables=names, method=chosen)
        rest = th.evolve(after, first.final_state, [0.0, 0.1], observables=names, method=chosen)
        runs.append((first, rest))
    (first, found), (_, truth) = runs
    for name in names:
        np.testing.assert_allclose(found.errors[name][0], first.errors[name][-1])
        assert np.all(np.abs(found.expect[name] - truth.expect[name]) <= found.errors[name])


@pytest.mark.parametrize("method", ["TDVP", "TEBD"])
def test_a_run_that_measured_the_trace_alone_knows_no_error_of_its_state(method):
    model = th.open_hopfield(np.ones((1, 3), int), beta=0.9, Omega=0.6)
    after = th.open_hopfield(np.ones((1, 3), int), beta=0.5, Omega=0.2)
    start = th.pattern_state(model, overlap=0.6)
    first = th.evolve(model, start, [0.3], observables="trace", method=method)
    second = th.evolve(after, first.final_state, [0.1], observables="sigma_z", method=method)
    assert np.isnan(second.errors["sigma_z"]).all()
