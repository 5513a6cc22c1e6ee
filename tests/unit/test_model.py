"""Model: checks, identity, description."""

import numpy as np
import pytest

import tnhop as th
from zoo import ZOO, patterns


def test_equal_terms_make_equal_models_whatever_their_origin():
    by_function = th.long_range_ising([[0, 0.5], [0.5, 0]], Omega=0.4, decay=0.09)
    z, x, lower = th.sigma("z"), th.sigma("x"), th.sigma("-")
    by_hand = th.Model(
        th.spins(2),
        0.4 * x(1) - 0.5 * z(1) * z(0) + 0.4 * x(0),
        [th.Jump(0.3 * lower(0)), th.Jump(0.3 * lower(1))],
    )
    assert by_function == by_hand
    assert hash(by_function) == hash(by_hand)
    assert by_function.recipe != by_hand.recipe


def test_recipes_with_arrays_compare_by_content():
    make = lambda beta: th.open_hopfield(patterns(2, 4), beta=beta).recipe  # noqa: E731
    assert make(2.0) == make(2.0)
    assert hash(make(2.0)) == hash(make(2.0))
    assert make(2.0) != make(2.1)


@pytest.mark.parametrize(
    "change", [{"beta": 2.0}, {"Omega": 0.5}, {"xi": [[1, 1, 1]]}, {"longitudinal": 0.1}]
)
def test_any_parameter_changes_the_identity(change):
    base = {"xi": [[1, -1, 1]], "beta": 1.9, "Omega": 0.4}
    assert th.open_hopfield(**base) != th.open_hopfield(**(base | change))


def test_digests_of_different_models_differ():
    assert len({model.digest for model in ZOO.values()}) == len(ZOO)


def test_hermitian_is_decided_by_matrices_not_by_names():
    """σ⁺σ⁻ + σ⁻σ⁺ is 1, x = σ⁺ + σ⁻, up = (1 + z)/2: all Hermitian in any mixture."""
    H = th.sigma("+")(0) + th.sigma("x")(0) + th.sigma("-")(0)
    assert th.Model(th.spins(1), H).n_sites == 1
    mixed = (1 + 1j) * th.sigma("up")(0) + (1 - 1j) * th.sigma("up")(0)
    assert th.Model(th.spins(1), mixed).n_spins == 1
    turned = (
        1j * th.sigma("up")(0) - 0.5j * th.sigma("z")(0) - 0.5j * th.identity() + th.sigma("y")(0)
    )
    assert th.Model(th.spins(1), turned).n_spins == 1


def test_mode_word_with_its_adjoint_is_hermitian():
    two = 0.3j * th.destroy(0) * th.destroy(0)
    assert th.Model(th.modes(1, fock_dim=4), two + two.dag()).n_modes == 1


def test_dimensions_follow_the_sites():
    model = ZOO["multimode_dicke: two modes"]
    assert model.dims == (2, 2, 4, 3)
    assert model.hilbert_dim == 48
    assert (model.spins, model.modes) == ((0, 1), (2, 3))


def test_hilbert_dimension_is_an_exact_integer():
    model = th.independent_spins(200, decay=0.1)
    assert model.hilbert_dim == 2**200


def test_description_names_origin_and_size():
    model = th.open_hopfield(patterns(2, 4), beta=2.0, Omega=0.3)
    assert repr(model) == "<open_hopfield: 4 spins, 2 patterns, 4 Hamiltonian terms, 8 jumps>"
    assert model.summary == "open_hopfield: 4 spins, 2 patterns, 4 Hamiltonian terms, 8 jumps"


def test_zero_rates_give_no_jumps():
    assert len(th.independent_spins(3, decay=[0.2, 0, 0.1], pumping=0.0).jumps) == 2
    assert th.independent_spins(3).jumps == ()


def test_one_jump_needs_no_list():
    assert len(th.Model(th.spins(1), 0.0, th.Jump(th.sigma("-")(0))).jumps) == 1


def test_patterns_cannot_be_changed_afterwards():
    model = th.open_hopfield(patterns(2, 4), beta=2.0)
    with pytest.raises(ValueError, match=r"read-only"):
        model.patterns[0, 0] = -1


def test_model_does_not_depend_on_later_changes_of_its_arguments():
    xi = patterns(2, 4).copy()
    model = th.open_hopfield(xi, beta=2.0)
    digest = model.digest
    xi *= -1
    again = th.Model(model.sites, model.hamiltonian, model.jumps, patterns=model.patterns)
    assert again.digest == digest
    np.testing.assert_array_equal(model.patterns, patterns(2, 4))


def test_patterns_of_the_dicke_model_are_the_signs_of_its_couplings():
    g = th.pattern_couplings(patterns(2, 4), g=0.5)
    arguments = {"omega": 1.0, "Omega": 0.5, "loss": 1.0, "fock_dim": 3}
    assert np.array_equal(th.multimode_dicke(g, **arguments).patterns, patterns(2, 4))
    assert th.multimode_dicke(g * [1, 1, 1, 1.5], **arguments).patterns is None
