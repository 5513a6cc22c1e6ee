"""What to cite: complete, well-formed, and in agreement with what else the project says."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

import tnhop as th
from tnhop.answers import citations

ROOT = Path(__file__).parents[2]
REQUIRED = {
    "article": {"author", "title", "journal", "volume", "pages", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title"},
}


def parse(text):
    """Return key -> (kind, fields) of BibTeX; fails on unbalanced braces and repeated keys."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    found, position = {}, 0
    while (head := re.compile(r"\s*@(\w+)\{([^,\s]+),").match(text, position)) is not None:
        kind, key = head[1], head[2]
        fields, position = {}, head.end()
        while (name := re.compile(r"\s*(\w+)\s*=\s*\{").match(text, position)) is not None:
            end = closing(text, name.end())
            assert name[1] not in fields
            fields[name[1]] = text[name.end() : end]
            assert text[end + 1] == ","
            position = end + 2
        last = re.compile(r"\s*\}").match(text, position)
        assert last is not None, f"entry {key} is not closed"
        position = last.end()
        assert key not in found
        found[key] = kind, fields
    assert text[position:].strip() == ""
    return found


def closing(text, start):
    """Return the position of the brace that closes what was opened before `start`."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise AssertionError("a brace is never closed")


@pytest.fixture(scope="module")
def everything():
    entries = {}
    for model in th.ALL_MODELS:
        entries |= parse(th.cite(model, list(th.ALL_METHODS), libraries="qutip"))
    return entries


def test_every_model_and_method_has_an_entry():
    assert [name for name, method in th.ALL_METHODS.items() if not hasattr(method, "papers")] == []
    textbook = {"independent_spins", "damped_mode"}
    assert {name for name, f in th.ALL_MODELS.items() if not hasattr(f, "papers")} == textbook
    used = {
        key
        for cited in (*th.ALL_MODELS.values(), *th.ALL_METHODS.values())
        for key in getattr(cited, "papers", ())
    }
    assert used == set(citations.PAPERS)  # no paper is missing, none is idle


def test_entries_have_what_their_kind_requires(everything):
    for key, (kind, fields) in everything.items():
        assert set(fields) >= REQUIRED[kind], key
        assert all(text.strip() for text in fields.values()), key
        assert re.fullmatch(r"\d{4}", fields.get("year", "2000")), key
        if "doi" in fields:
            assert re.fullmatch(r"10\.\d{4,5}/\S+", fields["doi"]), key
        if "eprint" in fields:
            assert fields["archivePrefix"] == "arXiv"
        assert kind != "misc" or key == "tnhop" or "eprint" in fields
    assert set(everything) == {"tnhop", *citations.PAPERS, *citations.LIBRARIES}


def test_entries_are_plain_latex(everything):
    for _, fields in everything.values():
        assert all(text.isascii() for text in fields.values())


def test_papers_agree_with_the_literature_of_the_documents(everything):
    text = (ROOT / "docs" / "physics.md").read_text("utf-8")
    listed = text[text.index("## References") :]
    arxiv = set(re.findall(r"arXiv:([\d.]+\d)", listed))
    places = set(re.findall(r"(\d+, \d{3,6})(?: \(|,)", listed))
    missing = []
    for key in citations.PAPERS:
        _, fields = everything[key]
        note = re.search(r" (\d+), (\d+) \(", fields.get("note", ""))
        volume, page = note.groups() if note else (fields.get("volume"), fields.get("pages", ""))
        known = fields.get("eprint") in arxiv or f"{volume}, {str(page).split('-')[0]}" in places
        missing += [] if known else [key]
    assert missing == ["ZwolakVidal2004"]  # vector form of density matrices; only cited here


def test_software_agrees_with_the_citation_file():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r'^title: "(.*)"$', text, re.MULTILINE)[1] == citations.TITLE
    assert tuple(re.findall(r"^  - name: (.*)$", text, re.MULTILINE)) == citations.AUTHORS
    fields = parse(th.cite())["tnhop"][1]
    assert fields["title"] == f"{{{citations.TITLE}}}"
    assert fields["note"] == f"Version {version('tnhop')}"


def test_a_result_cites_its_model_and_method():
    model = th.open_hopfield([[1, -1, 1]], beta=1.3)
    result = th.evolve(model, th.pattern_state(model), [0.0, 0.1], method="ClassicalMaster")
    entries = parse(result.cite())
    assert {"Rotondo2018", "Glauber1963", "numpy", "xarray"} <= set(entries)
    assert "quimb" not in entries
    assert "qutip" not in entries
    assert "% model open_hopfield: Hopfield1982, Rotondo2018" in result.cite()


def test_a_comparison_cites_all_methods_once():
    model = th.open_hopfield([[1, -1, 1]], beta=1.3)
    start = th.pattern_state(model)
    both = th.compare(model, start, [0.1], methods=["Exact", "MeanField"], observables="m_z")
    entries = parse(both.cite())
    assert "CarolloLesanovsky2021" in entries
    assert "% method Exact: no paper" in both.cite()


def test_tensor_networks_cite_quimb_and_requests_add_libraries():
    entries = parse(th.cite(method=th.TDVP(), libraries=["qutip"]))
    assert {"quimb", "qutip", "Haegeman2016"} <= set(entries)


def test_own_models_and_methods_cite_the_software_alone():
    own = th.Model(th.spins(1), th.sigma("x")(0))
    assert set(parse(th.cite(own))) == {"tnhop", "numpy", "scipy", "xarray"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"model": "open_hopfeld"}, "Did you mean 'open_hopfield'"),
        ({"method": "TDVPP"}, "Did you mean 'TDVP'"),
        ({"libraries": ["qutipp"]}, "Did you mean 'qutip'"),
        ({"model": 3}, "`model` must be a Model or the name of a model function"),
    ],
)
def test_unknown_names_are_refused(arguments, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        th.cite(**arguments)


def test_papers_of_another_package_are_bibtex():
    entry = "@article{Kutta1901,\n  author = {Kutta, Wilhelm},\n  year = {1901},\n}"
    method = type("RungeKutta", (), {"papers": ("Glauber1963", entry)})()
    found = parse(th.cite(method=method))
    assert {"Glauber1963", "Kutta1901"} <= set(found)
    assert "% method RungeKutta: Glauber1963, Kutta1901" in th.cite(method=method)
