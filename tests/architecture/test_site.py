"""The site: every public name stands on one page, every study fills its page of the gallery."""

import importlib
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

import tnhop

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "studies"

needs_studies = pytest.mark.skipif(
    not STUDIES.exists(), reason="source distribution without studies"
)


@pytest.fixture(scope="module")
def gallery():
    path = ROOT / "docs/_extensions/gallery.py"
    spec = importlib.util.spec_from_file_location("gallery", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # dataclasses look their module up
        patch.setitem(importlib.import_module("sys").modules, "gallery", module)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", tnhop.__all__)
def test_public_name_stands_on_one_page_of_the_reference(name):
    listing = [
        page.name
        for page in (ROOT / "docs/api").glob("*.md")
        for module in re.findall(r"^```\{public\} (.*)$", page.read_text(), re.MULTILINE)
        if any(name in importlib.import_module(m).__all__ for m in module.split())
    ]
    assert len(listing) == 1


@needs_studies
def test_every_study_has_a_page(gallery, tmp_path):
    pages = gallery.write_pages(STUDIES, tmp_path / "gallery")
    names = {f"{page.parent.name}/{page.stem}" for page in pages} - {"gallery/index"}
    folders = [path for path in STUDIES.iterdir() if path.is_dir() and path.name != "benchmarks"]
    scripts = {f"{path.name}/{s.stem}" for path in folders for s in path.glob("[!_]*.py")}
    assert names == scripts
    assert gallery.write_pages(STUDIES, tmp_path / "gallery") == pages  # a second time, over these


@needs_studies
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("*What the data show.*", "Data:", "must have a paragraph '*What the data show.*'"),
        ("*What they do not show.*", "Not:", "must have a paragraph '*What they do not show.*'"),
        ("![convergence", "[convergence", "must have a figure"),
        ("which setting decides the error?", "settings", "must have a question"),
        ("    python studies/convergence/tdvp.py", "    make", "must have a command"),
        ("(tdvp.png)", "(lost.png)", "must have its figure lost.png"),
        ("## tdvp:", "## other:", "must have its data other.h5"),
        ("studies/convergence/tdvp.py", "studies/tdvp.py", "must have the command of its script"),
    ],
)
def test_incomplete_study_is_refused(gallery, tmp_path, old, new, sentence):
    folder = shutil.copytree(STUDIES / "convergence", tmp_path / "convergence")
    readme = folder / "README.md"
    text = readme.read_text("utf-8")
    assert old in text
    readme.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        gallery.read_folder(folder)


@needs_studies
def test_script_without_section_is_refused(gallery, tmp_path):
    folder = shutil.copytree(STUDIES / "convergence", tmp_path / "convergence")
    (folder / "forgotten.py").write_text('"""Forgotten."""\n')
    with pytest.raises(ValueError, match="one section for every script"):
        gallery.read_folder(folder)
