"""What is added to the package leaves files, digests and folders of sweeps as they were.

The fields of every registered class stand in ``reference/registered_fields.json``. They are the
form of all files: a class may get more, declared by `added`, and never lose or rename one.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

import tnhop as th
from tnhop.support import codec as codec

RELEASED = json.loads(
    (Path(__file__).parents[1] / "reference" / "registered_fields.json").read_text("utf-8")
)


def ours() -> dict[str, type]:
    """Return the registered classes of the package, without those of tests."""
    return {n: c for n, c in codec.registered().items() if c.__module__.startswith("tnhop.")}


def growth_fault(cls: type, released: list[str]) -> str | None:
    """Return why files of the release would mean something else; None if they do not."""
    fields = dataclasses.fields(cls)
    kept = [f.name for f in fields if not f.metadata.get("added")]
    if kept != released:
        return f"{cls.__name__} must have the fields {released} in this order, but has {kept}."
    bare = [f.name for f in fields if f.metadata.get("added") and f.default is dataclasses.MISSING]
    return f"Added fields of {cls.__name__} must have a default: {bare}." if bare else None


def test_every_registered_class_is_on_the_list():
    assert sorted(ours()) == sorted(RELEASED)


@pytest.mark.parametrize("name", RELEASED)
def test_released_fields_stay(name):
    assert growth_fault(ours()[name], RELEASED[name]) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ([("b", float)], "must have the fields"),
        ([("a", float), ("c", int, 3)], "must have the fields"),
        ([("b", float), ("a", float)], "must have the fields"),
        ([("a", float), ("c", int, dataclasses.field(metadata={"added": True}))], "default"),
    ],
)
def test_checker_finds_what_changes_files(fields, sentence):
    assert sentence in growth_fault(dataclasses.make_dataclass("Rate", fields), ["a"])


@dataclass(frozen=True)
class Before:
    dt: float = 0.1


@dataclass(frozen=True)
class After:
    dt: float = 0.1
    layers: int | None = codec.added(None)


After.__name__ = After.__qualname__ = "Before"  # the same class, one version later


@pytest.fixture
def forms(monkeypatch):
    """Return the texts of objects of both versions, read by the version asked for."""
    monkeypatch.setattr(codec, "_REGISTRY", dict(codec._REGISTRY))

    def at(cls):
        codec._REGISTRY["Before"] = cls
        return codec

    return at


def test_added_field_at_its_default_leaves_the_form_as_it_was(forms):
    old, digest, text = (
        f(Before(0.3)) for f in (forms(Before).dumps, codec.digest, codec.text_form)
    )
    assert forms(After).dumps(After(0.3)) == old
    assert (codec.digest(After(0.3)), codec.text_form(After(0.3))) == (digest, text)
    assert codec.loads(old) == After(0.3, None)


def test_added_field_in_use_is_part_of_the_form(forms):
    forms(After)
    assert codec.loads(codec.dumps(After(0.3, 5))) == After(0.3, 5)
    assert codec.digest(After(0.3, 5)) != codec.digest(After(0.3))
    assert codec.text_form(After(0.3, 5)) == "Before(dt=0.3, layers=5)"


def test_form_of_a_later_version_is_refused(forms):
    later = forms(After).dumps(After(0.3, 5))
    with pytest.raises(ValueError, match="type 'Before' that is damaged or of another version"):
        forms(Before).loads(later)


def test_two_classes_of_one_name_are_refused(forms):
    forms(Before)
    other = dataclasses.make_dataclass("Before", ["x"], namespace={"__module__": "elsewhere"})
    with pytest.raises(ValueError, match="must have a name of its own, but"):
        codec.register(other)
    assert codec.register(Before) is Before


def test_sweep_of_a_method_that_got_a_field_computes_nothing(tmp_path, monkeypatch):
    def problem(Omega):
        model = th.independent_spins(2, Omega=Omega, decay=0.7)
        return th.Problem(model, th.product_state(model, spins=[1, -1]), [0.0, 0.4], "sigma_z")

    def swept():
        return th.sweep(
            problem, {"Omega": [0.2, 0.5]}, method=th.TDVP(dt=0.2), store=tmp_path, executor=1
        )

    before = swept()
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")}
    later = dataclasses.make_dataclass(
        "TDVP", [("layers", int, codec.added(3))], bases=(th.TDVP,), frozen=True
    )
    monkeypatch.setitem(codec._REGISTRY, "TDVP", later)
    monkeypatch.setattr(th, "TDVP", later)
    after = swept()
    assert after.identical(before)
    assert files == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")}
