"""Patterns: ensembles, images, corruption, classes."""

import numpy as np
import pytest

import tnhop as th
from zoo import PATTERNS


def test_seed_and_generator_give_the_same_patterns():
    a = th.random_patterns(3, 20, rng=7)
    assert np.array_equal(a, th.random_patterns(3, 20, rng=np.random.default_rng(7)))
    assert set(np.unique(a)) == {-1, 1}
    assert a.dtype == np.int8


def test_biased_patterns_have_the_asked_mean():
    xi = th.biased_patterns(40, 500, bias=0.3, rng=3)
    # 20000 draws: standard error 0.007
    assert xi.mean() == pytest.approx(0.3, abs=0.03)


def test_correlated_patterns_have_the_asked_overlap():
    xi = th.correlated_patterns(30, 2000, correlation=0.4, rng=3).astype(float)
    C = xi @ xi.T / 2000
    # 435 pairs of standard error 0.02, correlated through the ancestor
    assert C[np.triu_indices(30, 1)].mean() == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(("n_patterns", "n_spins"), [(1, 5), (2, 6), (3, 8), (4, 12), (5, 24)])
def test_orthogonal_patterns_are_orthogonal(n_patterns, n_spins):
    for rng in (None, 5):
        xi = th.orthogonal_patterns(n_patterns, n_spins, rng=rng).astype(int)
        assert np.array_equal(xi @ xi.T, n_spins * np.eye(n_patterns, dtype=int))


@pytest.mark.parametrize("n_flips", [0, 1, 4, 8])
def test_corruption_flips_exactly_the_asked_number(n_flips):
    s = th.corrupt(PATTERNS[0], n_flips, rng=11)
    assert (s != PATTERNS[0]).sum() == n_flips
    assert th.overlaps(PATTERNS[:1], s)[0] == pytest.approx(1 - 2 * n_flips / 8)


def test_corruption_leaves_its_argument_alone():
    pattern = PATTERNS[0].astype(np.int8).copy()
    th.corrupt(pattern, 3, rng=1)
    assert np.array_equal(pattern, PATTERNS[0])


def test_overlaps_broadcast_over_configurations():
    s = np.stack([PATTERNS[0], -PATTERNS[1]])
    m = th.overlaps(PATTERNS, s)
    assert m.shape == (2, 3)
    assert m[0, 0] == 1.0
    assert m[1, 1] == -1.0
    np.testing.assert_allclose(m[0], PATTERNS @ PATTERNS[0] / 8)


def test_classes_collect_equal_columns_in_order_of_appearance():
    xi = [[1, -1, 1, -1, 1], [1, -1, -1, 1, 1], [-1, 1, 1, -1, 1]]
    assert th.pattern_classes(xi).tolist() == [0, 0, 1, 1, 2]
    assert th.pattern_classes(xi, merge_signs=False).tolist() == [0, 1, 2, 3, 4]


def test_classes_are_at_most_a_power_of_two():
    xi = th.random_patterns(3, 200, rng=1)
    assert th.pattern_classes(xi).max() + 1 == 4
    assert th.pattern_classes(xi, merge_signs=False).max() + 1 == 8


def test_drawings_arrays_and_files_give_the_same_pattern(tmp_path):
    from PIL import Image

    drawing = "##.|#.#|##."
    dark = np.array([[c == "#" for c in row] for row in drawing.split("|")])
    path = tmp_path / "letter.png"
    Image.fromarray(np.where(dark, 0, 255).astype(np.uint8)).save(path)
    xi = th.patterns_from_images([drawing, dark.astype(float), str(path)], shape=(3, 3))
    assert xi.shape == (3, 9)
    assert np.array_equal(xi[0], xi[1])
    assert np.array_equal(xi[0], xi[2])
    assert xi[0].tolist() == [1, 1, -1, 1, -1, 1, 1, 1, -1]


def test_file_that_is_no_image_is_refused(tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("no picture")
    with pytest.raises(ValueError, match=r"must be an image file, but .* cannot be read as one"):
        th.patterns_from_images([path])
