"""Which spins are interchangeable, read off the terms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnhop as th
from tnhop.solvers.symmetric.spin_classes import SpinClasses, find_classes
from zoo import MADE, UNSEEN, configurations, gaussian_couplings, moved, patterns, random_classes

XI = th.random_patterns(3, 40, rng=11)  # all eight columns occur


# Models of the literature.


@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_hopfield_classes_are_equal_columns_up_to_a_sign(n_patterns):
    xi = XI[:n_patterns]
    classes = find_classes(th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7))
    np.testing.assert_array_equal(classes.labels, th.pattern_classes(xi, merge_signs=True))
    lead = [classes.members(label)[0] for label in classes.labels]
    np.testing.assert_array_equal(classes.signs, xi[0] * xi[0, lead])


@pytest.mark.parametrize("n_patterns", [1, 2, 3])
def test_longitudinal_field_keeps_opposite_columns_apart(n_patterns):
    xi = XI[:n_patterns]
    model = th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7, longitudinal=1 / 5)
    classes = find_classes(model)
    np.testing.assert_array_equal(classes.labels, th.pattern_classes(xi, merge_signs=False))
    assert np.all(classes.signs == 1)


def test_longitudinal_field_along_a_pattern_is_turned_with_the_spins():
    xi = XI[:2]
    model = th.open_hopfield(xi, beta=13 / 7, Omega=3 / 7, longitudinal=xi[0] / 5)
    np.testing.assert_array_equal(find_classes(model).labels, th.pattern_classes(xi))


@pytest.mark.parametrize(("decay", "merged"), [(2 / 9, True), (3 / 9, False)])
def test_unequal_decay_and_pumping_keep_opposite_columns_apart(decay, merged):
    xi = XI[:2]
    model = th.hebbian_ising(xi, Omega=3 / 7, decay=decay, pumping=2 / 9, dephasing=1 / 7)
    expected = th.pattern_classes(xi, merge_signs=merged)
    np.testing.assert_array_equal(find_classes(model).labels, expected)


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_dense_energy_of_any_degree_lets_spins_flip_with_their_columns(degree):
    """Only overlaps enter the energy, and they stay when a spin and its column are flipped."""
    model = th.dense_hopfield(XI[:2], degree=degree, beta=13 / 7, Omega=3 / 7)
    np.testing.assert_array_equal(find_classes(model).labels, th.pattern_classes(XI[:2]))


@pytest.mark.parametrize("degree", [3, 4])
def test_dense_energy_in_a_field_keeps_opposite_columns_apart(degree):
    model = th.dense_hopfield(XI[:2], degree=degree, beta=13 / 7, Omega=3 / 7, longitudinal=1 / 5)
    expected = th.pattern_classes(XI[:2], merge_signs=False)
    np.testing.assert_array_equal(find_classes(model).labels, expected)


DICKE = {"omega": 9 / 7, "Omega": 3 / 8, "loss": 8 / 9, "fock_dim": 3}


@pytest.mark.parametrize("n_modes", [1, 2, 3])
def test_spins_with_opposite_couplings_to_all_modes_are_turned_into_each_other(n_modes):
    """σˣ on a spin changes the sign of its coupling to every mode."""
    xi = XI[:n_modes, :12]
    classes = find_classes(th.multimode_dicke(th.pattern_couplings(xi, g=5 / 7), **DICKE))
    np.testing.assert_array_equal(classes.labels, th.pattern_classes(xi))


def test_decay_keeps_spins_with_opposite_couplings_apart():
    xi = XI[:1, :12]
    model = th.multimode_dicke(th.pattern_couplings(xi, g=5 / 7), decay=1 / 9, **DICKE)
    expected = th.pattern_classes(xi, merge_signs=False)
    np.testing.assert_array_equal(find_classes(model).labels, expected)


def test_spins_with_other_frequencies_stay_apart():
    Omega = [3 / 8, 3 / 8, 2 / 7, 2 / 7]
    model = th.multimode_dicke(
        th.pattern_couplings(np.ones((1, 4)), g=5 / 7), **(DICKE | {"Omega": Omega})
    )
    assert find_classes(model).labels.tolist() == [0, 0, 1, 1]


def test_asymmetric_couplings_leave_singletons():
    J = gaussian_couplings(7)
    classes = find_classes(th.open_hopfield(patterns(1, 7), beta=5 / 4, couplings=J))
    assert classes.sizes == (1,) * 7


def test_rows_that_rates_hardly_tell_apart_are_two_classes():
    """At T = 0 a rate is the sign of its field: 8 of 256 configurations tell spins 0 and 1 apart."""
    n = 8
    J = np.zeros((n, n))
    J[0, 2:], J[1, 2:] = [13, 11, 7, 5, 3, 0.8], [13, 11, 7, 5, 3, 1.2]
    J[2:, :2] = 1.0
    s = configurations(n)
    differ = np.sum(np.sign(s @ J[0]) != np.sign(s @ J[1]))
    assert differ == 8
    model = th.open_hopfield(patterns(1, n), beta=np.inf, couplings=J)
    assert find_classes(model).sizes[:2] == (1, 1)


def test_columns_that_differ_are_two_classes():
    J = 0.4 * (np.ones((5, 5)) - np.eye(5))
    J[4, 0] = 0.5  # the field of spin 4 weighs spin 0 otherwise than 1, 2 and 3
    classes = find_classes(th.open_hopfield(patterns(1, 5), beta=5 / 4, couplings=J))
    assert classes.labels.tolist() == [0, 1, 1, 1, 2]


def test_power_law_chain_has_mirror_images_only():
    """A mirror moves all spins at once: exchanging two alone is no symmetry, except of the ends."""
    model = th.long_range_ising(th.power_law(5, 3 / 2), Omega=4 / 7, decay=2 / 9)
    assert max(find_classes(model).sizes) == 1


def test_phase_of_a_jump_does_not_matter():
    phases = [1, 1j, -0.6 + 0.8j]
    jumps = [
        th.Jump(c * (th.sigma("-")(k) + 0.3j * th.sigma("z")(k))) for k, c in enumerate(phases)
    ]
    assert find_classes(th.Model(th.spins(3), 0.0, jumps)).sizes == (3,)


def test_relative_phase_inside_a_jump_matters():
    jumps = [th.Jump(th.sigma("-")(k) + (-1) ** k * 0.3 * th.sigma("z")(k)) for k in range(2)]
    assert find_classes(th.Model(th.spins(2), 0.0, jumps)).sizes == (1, 1)


def test_spellings_of_one_operator_are_alike():
    x, up = th.sigma("x"), th.sigma("up")
    H = x(0) + th.sigma("+")(1) + th.sigma("-")(1) + up(0) + 0.5 * th.sigma("z")(1)
    assert find_classes(th.Model(th.spins(2), H)).sizes == (2,)


def test_number_of_equal_jumps_counts():
    jump = lambda k: th.Jump(0.5 * th.sigma("-")(k))  # noqa: E731
    assert find_classes(th.Model(th.spins(2), 0.0, [jump(0), jump(0), jump(1)])).sizes == (1, 1)
    assert find_classes(th.Model(th.spins(2), 0.0, [jump(0), jump(1), jump(1), jump(0)])).sizes == (
        2,
    )


def test_collective_jump_keeps_its_spins_together():
    lower = lambda spins: th.Operator.sum(th.sigma("-")(k) for k in spins)  # noqa: E731
    model = th.Model(th.spins(5), 0.0, [th.Jump(lower([0, 2, 3])), th.Jump(lower([1, 4]))])
    assert find_classes(model).labels.tolist() == [0, 1, 0, 0, 1]


# What keeps spins apart is said.

OBSTACLES = {
    "Hamiltonian": (
        th.Model(th.spins(2), 0.5 * th.sigma("x")(0) + 0.25 * th.sigma("x")(1)),
        "spins 0 and 1 differ in the Hamiltonian term 0.5 x_0",
    ),
    "jump": (
        th.Model(th.spins(2), 0.0, [th.Jump(0.5 * th.sigma("-")(k)) for k in (0,)]),
        "spins 0 and 1 differ in jump 0 (0.5 -_0)",
    ),
    "weights": (
        th.open_hopfield([[1, 1, 1]], beta=2.0, couplings=[[0, 1, 1], [1, 0, 1], [1, 2, 0]]),
        "spins 0 and 1 differ in their weights in the field of jump 4",
    ),
    "rates": (
        th.Model(
            th.spins(2), 0.0,
            [th.FieldJump(k, {"-": th.ConstantRate(0.5 + k)}, [0, 0]) for k in range(2)],
        ),
        "spins 0 and 1 differ in jump 0, a field-dependent flip of spin 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "sentence"), OBSTACLES.values(), ids=OBSTACLES.keys())
def test_obstacle_names_the_term(model, sentence):
    assert find_classes(model).obstacle == sentence


def test_one_class_has_no_obstacle():
    assert find_classes(th.open_hopfield(patterns(1, 6), beta=2.0)).obstacle == ""


def test_model_without_spins_has_no_classes():
    assert find_classes(th.damped_mode(omega=9 / 7, loss=7 / 9, fock_dim=4)).sizes == ()


# Any renaming of the spins renames the classes.

MODELS = MADE | UNSEEN | {
    "two and three": random_classes([0, 1, 1, 0, 1], 3),
    "three and a mode": random_classes([0, 0, 0], 1, 3),
    "two patterns": th.open_hopfield(patterns(2, 8), beta=13 / 7, Omega=3 / 7),
    "ordered pairs": th.Model(th.spins(3), 0.0, [
        th.Jump(0.4 * th.sigma("-")(i) * th.sigma("z")(j)) for i in range(3) for j in range(3) if i != j
    ]),
}  # fmt: skip


@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_renamed_and_turned_spins_have_renamed_classes(data):
    model = MODELS[data.draw(st.sampled_from(sorted(MODELS)))]
    n = model.n_spins
    place = data.draw(st.permutations(range(n)))
    signs = data.draw(st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n))
    before, after = find_classes(model), find_classes(moved(model, place, signs))
    pairs = {*zip(after.labels[list(place)].tolist(), before.labels.tolist(), strict=True)}
    assert len(pairs) == len(before.sizes) == len(after.sizes)


@settings(derandomize=True, max_examples=20, deadline=None)
@given(data=st.data())
def test_turned_spins_of_large_classes_have_turned_signs(data):
    """Two spins may be exchanged with and without a turn, three or more spins in one way only."""
    model = th.open_hopfield(XI[:1, :9], beta=13 / 7, Omega=3 / 7)
    signs = np.array(data.draw(st.lists(st.sampled_from([1, -1]), min_size=9, max_size=9)))
    after = find_classes(moved(model, range(9), signs))
    turned = find_classes(model).signs * signs
    np.testing.assert_array_equal(after.signs, turned * turned[0])


# Refinement by the start, and comparison.


def test_refined_classes_have_equal_vectors_up_to_signs():
    classes = SpinClasses(
        np.array([0, 0, 0, 1, 1, 0]), np.array([1, -1, 1, 1, -1, 1], dtype=np.int8)
    )
    r, s = [0.1, 0.2, 0.3], [0.1, -0.2, -0.3]
    finer = classes.refined(np.array([r, s, s, s, r, r]))
    assert finer.labels.tolist() == [0, 0, 1, 2, 2, 0]
    assert finer.signs.tolist() == [1, -1, 1, 1, -1, 1]


def test_first_spin_of_a_refined_class_has_sign_one():
    classes = SpinClasses(np.array([0, 0, 0]), np.array([1, -1, -1], dtype=np.int8))
    finer = classes.refined(np.array([[0, 0, 1.0], [0, 0, 0.5], [0, 0, 0.5]]))
    assert finer.labels.tolist() == [0, 1, 1]
    assert finer.signs.tolist() == [1, 1, 1]


def test_equal_vectors_refine_nothing():
    model = th.open_hopfield(XI, beta=13 / 7, Omega=3 / 7)
    classes = find_classes(model)
    bloch = np.tile([0.3, 0.0, 0.0], (40, 1))  # a turn by σˣ leaves them alone
    np.testing.assert_array_equal(classes.refined(bloch).labels, classes.labels)


def test_finer_classes_are_recognised():
    one = np.ones(4, dtype=np.int8)
    coarse = SpinClasses(np.array([0, 0, 0, 1]), one)
    fine = SpinClasses(np.array([0, 1, 0, 2]), one)
    assert fine.is_finer_than(coarse)
    assert coarse.is_finer_than(coarse)
    assert not coarse.is_finer_than(fine)
    turned = SpinClasses(np.array([0, 0, 0, 1]), np.array([1, -1, 1, 1], dtype=np.int8))
    assert not turned.is_finer_than(coarse)
    assert fine.is_finer_than(turned)
