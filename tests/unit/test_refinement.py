"""`converge`: tolerances are met, runs are taught by those before, limits are limits."""

import numpy as np
import pytest

import tnhop as th
from tnhop.sweeps.convergence import more_levels

TIMES = [0.5, 1.0]
XI = th.random_patterns(3, 5, rng=4)


def tilted(model):
    return th.product_state(model, bloch=np.tile([0.3, -0.2, 0.6], (model.n_spins, 1)))


def network(**changed):
    model = th.open_hopfield(XI, beta=1.8, Omega=0.4)
    return th.Problem(model, tilted(model), TIMES, ["m_z", "sigma_y"], **changed)


def cavity(fock_dim=4):
    g = np.array([[0.9, -0.6]])
    model = th.multimode_dicke(g, omega=1.1, Omega=0.5, loss=0.8, gain=0.15, fock_dim=fock_dim)
    start = th.product_state(model, bloch=[[0.3, -0.2, 0.6]] * 2, alpha=[0.5 - 0.3j])
    return th.Problem(model, start, TIMES, ["sigma_z", "occupation", "alpha"])


def errors(answer, exact, wanted):
    return [np.abs(answer.result.expect[n] - exact.expect[n]).max() / t for n, t in wanted.items()]


def test_a_chain_meets_its_tolerance():
    problem, wanted = network(), {"m_z": 3e-4, "sigma_y": 1e-3}
    answer = th.converge(problem, wanted, method=th.TDVP(cutoff=1e-3, mpo_tolerance=1e-2))
    exact = th.evolve(problem.model, problem.state, TIMES, method="Exact")
    exact = th.evolve(
        problem.model, problem.state, TIMES, observables=["m_z", "sigma_y"], method="Exact"
    )  # fmt: skip
    assert answer.converged
    assert max(errors(answer, exact, wanted)) <= 1
    for name, accepted in wanted.items():
        assert answer.result.errors[name].max() <= accepted
    assert answer.runs[-1].change <= 1
    assert len(answer.runs) >= 2
    bars = [run.bar for run in answer.runs]
    assert bars[0] > 1 >= bars[-1]  # it had something to do


def test_levels_are_added_beyond_those_of_the_model():
    problem, wanted = cavity(), {"sigma_z": 1e-4, "occupation": 1e-4, "alpha": 1e-4}
    answer = th.converge(problem, wanted, method="Exact")
    assert answer.converged
    levels = answer.result.model.dims[-1]
    assert levels > 8
    large = cavity(fock_dim=levels + 12)
    exact = th.evolve(
        large.model, large.state, TIMES, observables=[*wanted], method=th.Exact(1e-12)
    )  # fmt: skip
    assert max(errors(answer, exact, wanted)) <= 1
    assert answer.result.model.recipe.function == "multimode_dicke"
    assert dict(answer.result.model.recipe.arguments)["fock_dim"].tolist() == [levels]


def test_samples_are_added():
    model = th.open_hopfield(XI, beta=1.4)
    start = th.pattern_state(model, overlap=0.6)
    problem = th.Problem(model, start, TIMES, ["m_z"], rng=5)
    answer = th.converge(problem, {"m_z": 2e-2}, method=th.KineticMonteCarlo(100))
    exact = th.evolve(model, start, TIMES, observables="m_z", method="ClassicalMaster")
    assert answer.converged
    assert answer.result.method.n_samples > 1000
    assert max(errors(answer, exact, {"m_z": 2e-2})) <= 1


def test_the_same_call_goes_on_from_its_folder(tmp_path):
    first = th.converge(network(), {"m_z": 1e-3}, method="TDVP", store=tmp_path)
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    assert len(written) == len(first.runs)
    again = th.converge(network(), {"m_z": 1e-3}, method="TDVP", store=tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")} == written
    assert again.table() == first.table()
    np.testing.assert_array_equal(again.result.expect["m_z"], first.result.expect["m_z"])
    closer = th.converge(network(), {"m_z": 3e-4}, method="TDVP", store=tmp_path)
    assert closer.runs[0].result.stats == first.runs[0].result.stats  # the cheap run was kept


def test_limits_end_with_the_best_answer_and_say_so():
    with pytest.warns(th.TruncationWarning, match="Not converged: max_runs = 2"):
        answer = th.converge(network(), {"m_z": 1e-9}, method="TDVP", max_runs=2)
    assert not answer.converged
    assert len(answer.runs) == 2
    assert answer.runs[-1].bar == min(run.bar for run in answer.runs) > 1
    assert "NOT converged (max_runs = 2)" in str(answer)
    with pytest.raises(ValueError, match=r"No run could be finished: max_wall_time"):
        th.converge(network(), {"m_z": 1e-9}, method="TDVP", max_wall_time=1e-9)
    with pytest.raises(
        ValueError, match=r"No run .* the next run needs .* max_memory = 1e\+03 B|1 kB"
    ):
        th.converge(network(), {"m_z": 1e-9}, method="TDVP", max_memory=1000.0)


def test_it_ends_where_no_knob_helps():
    """The fit of a user's rate has an error of its own."""

    def rate(h):
        return 0.6 + 0.3 * np.tanh(8 * (h - 0.1))

    fields = np.array([[0.0, 0.5]])
    jumps = [
        th.FieldJump(0, {"-": rate}, fields), th.FieldJump(0, {"+": th.ConstantRate(0.3)}, fields)
    ]  # fmt: skip
    try:
        model = th.Model(th.spins(2), 0.4 * th.sigma("x")(0), jumps)
    except ValueError:
        pytest.skip("the rate is refused at the door")
    problem = th.Problem(model, th.product_state(model, spins=[1, 1]), TIMES, ["sigma_z"])
    exact = th.evolve(model, problem.state, TIMES, observables="sigma_z", method="Exact")
    accepted = 0.5 * float(exact.errors.sources("sigma_z")["rates"].max())
    with pytest.warns(th.TruncationWarning, match="nothing that can be changed reduces 'rates'"):
        th.converge(problem, {"sigma_z": accepted}, method="Exact")


def test_table_and_figure():
    answer = th.converge(network(), {"m_z": 1e-3}, method="TDVP")
    lines = answer.table().splitlines()
    assert lines[0].split()[:2] == ["run", "bar/tolerance"]
    assert len(lines) == 1 + len(answer.runs)
    assert "cutoff = " in lines[1]
    assert "max_memory" not in answer.table()  # only what differs
    ax = answer.plot()
    assert ax.get_yscale() == "log"
    assert "m_z to 0.001: converged" in str(answer)
    html = answer._repr_html_()
    assert "m_z to 0.001: converged" in html
    assert html.count("<table") == 2


METHODS = [method() for method in th.ALL_METHODS.values() if method.controlled]
FACTS = {"epsilon": 0.3, "largest_bond": 128}
SOURCES = {"time_step", "truncation", "projection", "krylov", "mpo", "fock_tail", "sampling"}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_every_method_with_error_bars_can_be_coarser_and_finer(method):
    coarser = method.coarser()
    assert type(coarser) is type(method)
    assert coarser != method
    finer = method.refined(dict.fromkeys(SOURCES, 4.0), FACTS)
    assert type(finer) is type(method)
    assert finer != method
    assert method.refined({}, FACTS) == method
    assert method.refined({"rates": 9.0}, FACTS) == method  # the model's own


def test_steps_are_shortened_by_their_order():
    method = th.TDVP(dt=0.4)
    assert method.refined({"time_step": 16.0}, FACTS).dt == pytest.approx(0.4 / np.sqrt(20), 0.01)
    assert method.refined({"truncation": 8.0}, FACTS).cutoff == pytest.approx(3e-7)
    assert method.refined({"truncation": 8.0}, FACTS).max_bond == 256
    assert method.refined({"truncation": 8.0}, FACTS | {"largest_bond": 9}).max_bond == 128
    assert method.refined({"mpo": 4.0}, FACTS).mpo_tolerance == pytest.approx(6e-6)


def test_more_levels_follow_the_tail():
    model = cavity(10).model
    weak, strong = (more_levels(model, 1e-6, factor).dims[-1] for factor in (2.0, 1e4))
    assert 10 < weak < strong <= 20
    assert more_levels(model, 0.1, 1e9).dims[-1] == 20  # at most twice as many at once


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"problem": 3}, "Argument `problem` must be a Problem"),
        ({"tolerance": {}}, "Argument `tolerance` must map observables to numbers"),
        ({"tolerance": {"m_x": 1e-3}}, "Argument `tolerance` must be one of 'm_z', 'sigma_y'"),
        ({"tolerance": {"m_z": 0}}, r"Argument `tolerance\['m_z'\]` must be greater than 0"),
        ({"method": "MeanField"}, "Argument `method` must have error bars"),
        ({"max_runs": 1}, "Argument `max_runs` must be at least 2"),
        ({"max_memory": -1}, "Argument `max_memory` must be greater than 0"),
        ({"max_wall_time": "1"}, "Argument `max_wall_time` must be a real number"),
    ],
)
def test_mistakes_are_answered_by_sentences(changed, sentence):
    arguments = {"problem": network(), "tolerance": {"m_z": 1e-3}, "method": "TDVP"} | changed
    with pytest.raises((ValueError, TypeError), match=sentence):
        th.converge(**arguments)


def test_observables_without_error_bars_are_refused():
    model = network().model
    problem = th.Problem(model, tilted(model), TIMES, ["purity"])
    with pytest.raises(ValueError, match=r"`tolerance` must name observables with error bars"):
        th.converge(problem, {"purity": 1e-2}, method="TDVP")
