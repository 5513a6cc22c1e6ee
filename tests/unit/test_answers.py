"""What all answers share: rows, texts, citations, files; models that travel to other processes."""

import contextlib
import copy
import io
import pickle

import numpy as np
import pytest

import tnhop as th

MODEL = th.open_hopfield([[1, -1, 1, 1]], beta=1.3, Omega=0.4)
MODES = th.dicke(1, g=0.6, omega=1.1, Omega=0.5, loss=0.8, fock_dim=5)


def converged():
    problem = th.Problem(MODEL, th.pattern_state(MODEL), [0.5], ["m_z"])
    return th.converge(problem, {"m_z": 1e-4}, method="Exact")


ANSWERS = {
    "Result": lambda: th.evolve(MODEL, th.pattern_state(MODEL), [0.5], method="Exact"),
    "Comparison": lambda: th.compare(
        MODEL, th.pattern_state(MODEL), [0.5], methods=["Exact", "MeanField"]
    ),
    "SteadyState": lambda: th.steady_state(MODEL, method=th.TDVP(dt=0.2), observables=["m_z"]),
    "Spectrum": lambda: th.liouvillian_spectrum(MODEL, 3),
    "Correlation": lambda: th.correlation(
        MODEL, th.pattern_state(MODEL), [0.0, 1.0], th.sigma("z")(0), th.sigma("z")(0)
    ),
    "Convergence": converged,
}


@pytest.fixture(scope="module", params=ANSWERS)
def answer(request):
    found = ANSWERS[request.param]()
    assert type(found).__name__ == request.param
    return found


def test_rows_are_texts_and_the_table_holds_them_all(answer):
    rows, columns = answer.rows(), answer.columns
    assert {type(text) for row in rows for text in row} == {str}
    assert {len(row) for row in rows} == {len(columns) or 2}
    lines = answer.table().splitlines()
    for row, line in zip([columns, *rows] if columns else rows, lines, strict=True):
        position = 0
        for text in row:  # in this order
            position = line.index(text, position) + len(text)


def test_text_names_the_model_or_the_tolerance_and_ends_with_the_table(answer):
    text = repr(answer)
    assert answer.table() in text
    assert answer.model.summary in text
    assert str(answer) == text


def test_an_answer_prints_where_stdout_has_few_letters(answer):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "ascii")) as few:
        print(answer)
        few.flush()
        shown = few.buffer.getvalue().decode("ascii")
    assert shown.rstrip("\n") == repr(answer).replace("±", "+-")


def test_an_answer_cites_its_model_and_method(answer):
    assert answer.cite() == th.cite(answer.model, answer.method)


def test_values_stand_beside_their_labels():
    result = ANSWERS["Result"]()
    value, error = result.expect["m_z"][-1, 0], result.errors["m_z"][-1, 0]
    assert dict(result.rows())["m_z [pattern 0]"] == f"{value:+.8f} ± {error:.1e}"


def test_a_file_of_another_kind_of_answer_is_refused(tmp_path):
    class Spectrum(th.Result):
        pass

    model, start = MODEL, th.pattern_state(MODEL)
    fields = vars(th.evolve(model, start, [0.5], observables=["m_z"], method="Exact"))
    path = Spectrum(**fields).save(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"hold a Result or a SteadyState, but .* a Spectrum\."):
        th.load(path)


@pytest.mark.parametrize("model", [MODEL, MODES], ids=["spins", "modes"])
@pytest.mark.parametrize("method", ["Exact", "Symmetric"])
def test_a_steady_state_survives_its_file(model, method, tmp_path):
    steady = th.steady_state(model, method=method)
    again = th.load(steady.save(tmp_path / "steady.h5"))
    assert repr(again) == repr(steady)
    assert isinstance(again, th.SteadyState)
    assert again.model == model
    for name, values in steady.expect.items():
        assert again.expect[name].dtype == values.dtype
        np.testing.assert_array_equal(again.expect[name], values)
    for name, array in steady.state.to_arrays().items():
        np.testing.assert_array_equal(again.state.to_arrays()[name], array)


def test_errors_of_a_steady_state_survive(tmp_path):
    method = th.TDVP(dt=0.2)
    steady = th.steady_state(MODEL, observables=["m_z", "m_x"], method=method)
    assert steady.errors is not None
    again = th.load(steady.save(tmp_path / "steady.h5"))
    assert again.errors is not None
    assert again.label == steady.label
    for name in steady.expect:
        np.testing.assert_array_equal(again.errors[name], steady.errors[name])


def test_a_dataset_of_a_steady_state_has_gap_and_labels():
    steady = th.steady_state(MODEL, observables=["m_z", "sigma_z"], method="Exact")
    data = steady.to_xarray()
    assert data["gap"].item() == steady.gap
    assert data["multiplicity"].item() == 1
    assert data["sigma_z"].dims == ("site",)


@pytest.mark.parametrize("model", [MODEL, MODES], ids=["spins", "modes"])
def test_models_can_be_pickled_after_use(model):
    model.select(["trace"])
    state = th.pattern_state(model)
    problem = th.Problem(model, state, [0.0, 1.0])
    for twin in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        assert twin.digest == problem.digest
