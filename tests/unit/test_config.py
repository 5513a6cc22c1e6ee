"""Configs: every section becomes the object that Python would make."""

import json
import pickle
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tnhop.cli.config import make_plan
from tnhop.cli.sections import config_schema
from tnhop.models import ALL_MODELS, multimode_dicke, open_hopfield
from tnhop.patterns.couplings import hebb, pattern_couplings, power_law, pseudo_inverse
from tnhop.patterns.ensembles import corrupt, orthogonal_patterns, random_patterns
from tnhop.solvers.exact.exact import Exact
from tnhop.solvers.meanfield.meanfield import MeanField
from tnhop.solvers.registry import ALL_METHODS
from tnhop.support.checks import fail, sentence_of

HERE = Path()
XI = [[1, 1, -1, -1], [1, -1, 1, -1]]


def config(**sections):
    base = {
        "patterns": {"kind": "explicit", "values": XI},
        "model": {"type": "open_hopfield", "beta": 2.5, "Omega": 0.4},
        "state": {"kind": "pattern"},
        "times": {"stop": 1.0, "n": 3},
    }
    merged = {**base, **sections}
    return {name: section for name, section in merged.items() if section is not None}


def model_of(**sections):
    return make_plan(config(**sections), HERE).problem.model


def state_of(**state):
    return make_plan(config(state={"kind": "pattern", **state}), HERE).problem.state


def test_model_is_the_one_of_python():
    assert model_of() == open_hopfield(XI, beta=2.5, Omega=0.4)


@pytest.mark.parametrize(
    ("word", "J"),
    [
        ("hebb", hebb(XI)),
        ("hebb_np", hebb(XI, norm="Np")),
        ("pseudo_inverse", pseudo_inverse(XI)),
        (power_law(4, 1.5).tolist(), power_law(4, 1.5)),
        ({"n_spins": 4, "exponent": 1.5}, power_law(4, 1.5)),
    ],
)
def test_couplings_by_name_matrix_or_power_law(word, J):
    model = model_of(model={"type": "open_hopfield", "beta": 1.0, "couplings": word})
    np.testing.assert_array_equal(model.jumps[0].fields[0], J[0])


def test_one_coupling_is_spread_over_patterns():
    numbers = {"omega": 1.0, "Omega": 0.5, "loss": 1.0, "gain": 0.1, "fock_dim": 3}
    model = model_of(model={"type": "multimode_dicke", "g": 0.7, **numbers})
    assert model == multimode_dicke(pattern_couplings(XI, 0.7), **numbers)


def test_matrix_of_couplings_needs_no_patterns():
    numbers = {"omega": 1.0, "Omega": 0.5, "loss": 1.0, "fock_dim": 3}
    g = [[0.1, 0.2, -0.3]]
    state = {"kind": "bloch", "vectors": [0.6, 0.0, 0.8], "alpha": "0.1-0.2j"}
    plan = make_plan(
        config(patterns=None, model={"type": "multimode_dicke", "g": g, **numbers}, state=state),
        HERE,
    )
    assert plan.problem.model == multimode_dicke(g, **numbers)
    assert plan.problem.state.alpha[0] == 0.1 - 0.2j


def test_patterns_label_a_model_that_does_not_need_them():
    law = {"type": "long_range_ising", "couplings": {"n_spins": 4, "exponent": 3.0}}
    np.testing.assert_array_equal(model_of(model=law).patterns, XI)


def test_names_of_couplings_work_where_a_matrix_is_expected():
    model = model_of(model={"type": "long_range_ising", "couplings": "hebb"})
    assert model == model_of(model={"type": "hebbian_ising"})


@pytest.mark.parametrize(
    ("section", "xi"),
    [
        ({"kind": "random", "n_patterns": 2, "n_spins": 4, "rng": 3}, random_patterns(2, 4, rng=3)),
        ({"kind": "orthogonal", "n_patterns": 2, "n_spins": 4}, orthogonal_patterns(2, 4)),
        ({"kind": "biased", "n_patterns": 1, "n_spins": 4, "rng": 3, "bias": 1}, np.ones((1, 4))),
        ({"kind": "images", "images": ["#.|.#"], "shape": [2, 2]}, [[1, -1, -1, 1]]),
    ],
)
def test_patterns_are_those_of_python(section, xi):
    np.testing.assert_array_equal(model_of(patterns=section).patterns, xi)


def test_correlated_patterns_differ_with_the_seed():
    numbers = {"kind": "correlated", "n_patterns": 2, "n_spins": 9, "correlation": 0.3}
    first, second = (model_of(patterns={**numbers, "rng": seed}).patterns for seed in (1, 2))
    assert (first != second).any()


def test_image_files_are_found_beside_the_config(tmp_path):
    pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cross.png")
    raw = config(patterns={"kind": "images", "images": ["cross.png"], "shape": [2, 2]})
    model = make_plan(raw, tmp_path).problem.model
    np.testing.assert_array_equal(model.patterns, [[1, -1, -1, 1]])


def test_start_with_overlap_and_tilt():
    bloch = state_of(pattern=1, overlap=0.5, tilt=0.3).bloch
    xi = np.array(XI[1])
    np.testing.assert_allclose(bloch[:, 1], 0.5 * np.sin(0.3) * xi)
    np.testing.assert_allclose(bloch[:, 2], 0.5 * np.cos(0.3) * xi)


def test_start_with_flipped_spins():
    z = state_of(n_flips=1, rng=5).bloch[:, 2]
    np.testing.assert_array_equal(z, corrupt(XI[0], 1, rng=5))


def test_times_by_steps_or_values():
    values = make_plan(config(times={"values": [0.0, 0.5, 2.0]}), HERE).problem.times
    steps = make_plan(config(times={"start": 1.0, "stop": 2.0, "n": 3}), HERE).problem.times
    np.testing.assert_array_equal(values, [0.0, 0.5, 2.0])
    np.testing.assert_array_equal(steps, [1.0, 1.5, 2.0])


@pytest.mark.parametrize(
    ("written", "methods"),
    [
        (None, ("auto",)),
        ("Exact", (Exact(),)),
        (["Exact", "MeanField"], (Exact(), MeanField())),
        ({"type": "Exact", "tolerance": 1e-8}, (Exact(tolerance=1e-8),)),
        (["Exact", {"type": "Exact", "tolerance": 1e-8}], (Exact(), Exact(tolerance=1e-8))),
    ],
)
def test_methods_by_name_or_table(written, methods):
    assert make_plan(config(methods=written), HERE).methods == methods


@pytest.mark.parametrize("ordering", ["auto", "natural", [1, 0, 2, 3]])
@pytest.mark.parametrize("name", ["TDVP", "TEBD"])
def test_ordering_by_word_or_list(name, ordering):
    plan = make_plan(config(methods=[{"type": name, "ordering": ordering}]), HERE)
    expected = ordering if isinstance(ordering, str) else tuple(ordering)
    assert plan.methods[0].ordering == expected


def test_zero_temperature_can_be_written():
    text = 'type = "open_hopfield"\nbeta = inf'
    assert model_of(model=tomllib.loads(text)).recipe.arguments[1] == ("beta", np.inf)


def test_every_model_and_method_has_a_section_in_the_schema():
    text = json.dumps(config_schema())
    assert all(f'"{name}"' in text for name in [*ALL_MODELS, *ALL_METHODS])


def test_schema_lists_the_keys_of_a_model():
    schema = config_schema()["$defs"]["type_open_hopfield"]
    assert set(schema["properties"]) == {"type", "beta", "Omega", "longitudinal", "couplings"}
    assert schema["required"] == ["type", "beta"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", ["dense", "dicke", "hopfield", "ising"])
def test_templates_are_valid(name):
    raw = tomllib.loads(files("tnhop.cli").joinpath("templates", f"{name}.toml").read_text("utf-8"))
    plan = make_plan(raw, HERE)
    assert plan.methods == (plan.methods[0], MeanField())


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"model": {"type": "open_hopfield"}}, r"`model.beta` must be given, but it is missing"),
        ({"model": {"beta": 1.0}}, r"`model.type` must be one of 'open_hopfield', .*is missing"),
        ({"times": {"stop": 1.0, "n": 1}}, r"`times.n` must be at least 2, but it is 1"),
        ({"times": {"n": 4}}, r"`times.stop` must be given"),
        ({"times": {"stop": 1.0, "values": [1.0]}}, r"`times.values` must stand alone"),
        ({"state": {"kind": "bloch"}}, r"`state.vectors` must be given"),
        ({"state": {"kind": "pattern", "n_flips": 1}}, r"`state.rng` must be given exactly if"),
        ({"patterns": None}, r"`patterns` must be given, but model 'open_hopfield'"),
        ({"methods": ["auto", "Exact"]}, r"`methods` must name at least one method"),
        ({"methods": []}, r"but the list is empty"),
        (
            {"model": {"type": "independent_spins", "n_spins": 4}},
            r"`patterns` must be left out, but model 'independent_spins' stores none",
        ),
        (
            {"model": {"type": "open_hopfield", "beta": 1.0, "couplings": "hebian"}},
            r"`model.couplings` must be one of 'hebb', .* but it is 'hebian'",
        ),
    ],
)
def test_incomplete_sections_are_explained(sections, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_plan(config(**sections), HERE)


def test_every_mistake_has_its_own_line():
    wrong = {"type": "open_hopfield", "beta": "cold", "Omga": 0.3}
    with pytest.raises(ValueError, match="beta") as caught:
        make_plan(config(model=wrong), HERE)
    assert len(str(caught.value).splitlines()) == 2


def test_sentences_about_arguments_survive_pickling_and_renaming():
    said = sentence_of(pickle.loads(pickle.dumps(fail("beta", "be positive", "it is -1", "Turn."))))
    assert said == "Argument `beta` must be positive, but it is -1. Turn."
    assert said.about("model.beta") == "Argument `model.beta` must be positive, but it is -1. Turn."
    assert sentence_of(ValueError("Argument `x` must.")) is None
    assert sentence_of(ValueError()) is None
