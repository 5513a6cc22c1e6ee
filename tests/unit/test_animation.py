"""Animations: frames show the data, files appear whole or not at all."""

import itertools

import numpy as np
import pytest
from PIL import Image

import tnhop as th
from tnhop.plots.animation import draw_retrieval, known_shape

IMAGES = ["#.#|.#.", "##.|#.."]
XI = th.patterns_from_images(IMAGES)  # six pixels in two rows


def result(n_times=3, observables=("m_z", "sigma_z"), xi=XI):
    model = th.open_hopfield(xi, beta=2.0)
    start = th.pattern_state(model, overlap=0.7)
    times = np.linspace(0, 1, n_times) if n_times > 1 else [0.5]
    return th.evolve(model, start, times, observables=list(observables), method="ClassicalMaster")


@pytest.fixture(scope="module")
def run():
    return result()


def test_frames_show_the_image_and_the_time(run):
    data = run.to_xarray()
    moving = draw_retrieval(data, shape=(2, 3), window=False)
    picture = next(ax for ax in moving._fig.subfigs[0].axes if ax.images)
    curves = next(ax for ax in moving._fig.axes if "m_z" in ax.get_ylabel())
    moving._init_draw()
    for k, frame in enumerate(moving.new_frame_seq()):
        moving._draw_frame(frame)
        shown = np.asarray(picture.images[0].get_array())
        np.testing.assert_array_equal(shown, data["sigma_z"].values[k].reshape(2, 3))
        assert picture.get_title() == f"$t$ = {run.times[k]:.4g}"
        assert curves.lines[-1].get_xdata()[0] == run.times[k]
    assert k == 2


def test_patterns_stand_beside_as_images(run):
    moving = draw_retrieval(run.to_xarray(), shape=(2, 3), window=False)
    images = [
        ax.images[0] for ax in moving._fig.axes if ax.images and "pattern" not in ax.get_ylabel()
    ]
    shown = [np.asarray(image.get_array()) for image in images[1:]]
    np.testing.assert_array_equal(shown, XI.reshape(2, 2, 3))
    moving._init_draw()


def test_many_patterns_are_left_to_the_legend():
    many = result(xi=th.random_patterns(7, 6, rng=1))
    moving = draw_retrieval(many.to_xarray(), shape=(2, 3), window=False)
    assert sum(bool(ax.images) for ax in moving._fig.axes) == 1
    moving._init_draw()


def test_gif_holds_one_frame_per_time(run, tmp_path):
    run.animate(tmp_path / "retrieval.gif", shape=(2, 3), fps=5)
    with Image.open(tmp_path / "retrieval.gif") as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == 3
        assert gif.info["duration"] == 200
        frames = []
        for k in range(3):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB"), dtype=float))
    assert all(np.abs(a - b).max() > 50 for a, b in itertools.pairwise(frames))
    assert [path.name for path in tmp_path.iterdir()] == ["retrieval.gif"]


def test_existing_files_are_kept_unless_told(run, tmp_path):
    path = tmp_path / "retrieval.gif"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="exists already"):
        run.animate(path, shape=(2, 3))
    assert path.read_bytes() == b"mine"
    run.animate(path, shape=(2, 3), overwrite=True)
    assert path.read_bytes().startswith(b"GIF8")


def test_a_failed_animation_leaves_nothing(run, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("tnhop.plots.animation._GifWriter.finish", broken)
    path = tmp_path / "retrieval.gif"
    path.write_bytes(b"mine")
    with pytest.raises(OSError, match="no space left"):
        run.animate(path, shape=(2, 3), overwrite=True)
    assert path.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["retrieval.gif"]


def test_without_path_the_animation_belongs_to_a_window(run):
    import matplotlib.pyplot as plt

    moving = run.animate(shape=(2, 3), fps=20)
    assert plt.fignum_exists(moving._fig.number)
    assert moving._interval == 50
    moving._init_draw()
    plt.close(moving._fig)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            None,
            r"`shape` must be numbers of rows and columns with the product 6, but it is not given",
        ),
        ((2, 2), r"product 6, but it is 2 x 2"),
        ((6,), r"product 6, but it is 6\."),
        ((2.5, 2), "`shape`"),
        ((-2, -3), "`shape`"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(run, shape, sentence, tmp_path):
    with pytest.raises((ValueError, TypeError), match=sentence):
        run.animate(tmp_path / "a.gif", shape=shape)
    assert not list(tmp_path.iterdir())


def test_other_mistakes_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match=r"must end in '\.gif'"):
        run.animate(tmp_path / "a.mp4", shape=(2, 3))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run.animate(tmp_path / "nowhere" / "a.gif", shape=(2, 3))
    with pytest.raises(ValueError, match="contain 'sigma_z'"):
        result(observables=["m_z"]).animate(tmp_path / "a.gif", shape=(2, 3))
    with pytest.raises(ValueError, match="at least two times"):
        result(n_times=1).animate(tmp_path / "a.gif", shape=(2, 3))
    with pytest.raises(ValueError, match="`fps`"):
        run.animate(tmp_path / "a.gif", shape=(2, 3), fps=0)


@pytest.mark.parametrize(
    ("section", "shape"),
    [
        ('kind = "images"\nimages = ["#.#|.#.", "##.|#.."]', (2, 3)),
        ('kind = "images"\nimages = ["a.png"]\nshape = [6, 5]', (6, 5)),
        ('kind = "images"\nimages = ["a.png"]', None),
        ('kind = "random"\nn_patterns = 2', None),
    ],
)
def test_shape_follows_from_the_config_of_a_run(section, shape):
    assert known_shape({"config": f"[patterns]\n{section}", "overrides": []}) == shape
    assert (
        known_shape({"config": f"[patterns]\n{section}", "overrides": ["patterns.rng=2"]}) is None
    )
    assert known_shape({}) is None
