"""Tables for notebooks: well-formed, escaped, complete, and neutral about colours."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import tnhop as th
from tnhop.support import html as markup

MODEL = th.open_hopfield([[1, -1, 1, 1], [1, 1, -1, 1]], beta=1.3, Omega=0.4)
MODES = th.dicke(2, g=0.6, omega=1.1, Omega=0.5, loss=0.8, fock_dim=5)
VOID = {"rect"}  # closed by themselves


class Reader(HTMLParser):
    """Texts of the cells; fails on tags that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.tags = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += text


def rows(answer):
    return Reader(answer._repr_html_()).rows


@pytest.fixture(scope="module")
def both():
    start = th.pattern_state(MODEL, overlap=0.6)
    return th.compare(MODEL, start, [0.5, 1.0], methods=["Exact", "MeanField"])


def test_model_counts_its_terms_and_draws_its_patterns():
    found = rows(MODEL)
    assert ["spins", "4"] in found
    assert ["Hamiltonian", "4 terms x"] in found
    assert ["field jumps", "4 of +"] in found
    assert ["field jumps", "4 of -"] in found
    assert ["beta", "1.3"] in found
    html = MODEL._repr_html_()
    assert Reader(html).tags.count("rect") == 8
    assert html.count(markup._UP) == int((MODEL.patterns == 1).sum())


def test_model_with_modes_tells_their_levels():
    found = rows(MODES)
    assert ["modes", "1 (5 levels)"] in found
    assert any(row[0] == "jumps" for row in found)


def test_large_patterns_are_not_drawn():
    large = th.open_hopfield(th.random_patterns(30, 100, rng=1), beta=1.0)
    assert "<rect" not in large._repr_html_()


def test_result_has_the_rows_of_its_text(both):
    result = both.results[0]
    lines = [re.split(r"\s{2,}", line.strip()) for line in result.table().splitlines()]
    assert rows(result) == lines
    assert f"± {result.errors['m_z'][-1, 1]:.1e}" in dict(rows(result))["m_z [pattern 1]"]
    assert "± unknown" in both.results[1]._repr_html_()


def test_comparison_has_the_rows_of_its_table(both):
    head, *body = rows(both)
    assert head == ["methods", "observable", "largest", "bars", "verdict"]
    lines = [re.split(r"\s{2,}", line.strip()) for line in both.table().splitlines()[1:]]
    assert body == lines
    assert {row[-1] for row in body} == {"uncontrolled"}


def test_steady_states_spectra_and_correlations_are_tables():
    steady = th.steady_state(MODEL, observables=["m_z"])
    assert [row[0] for row in rows(steady)] == ["m_z [pattern 0]", "m_z [pattern 1]"]
    assert f"residual {steady.residual:.1e}" in steady._repr_html_()
    spectrum = th.liouvillian_spectrum(MODEL, 3)
    assert rows(spectrum)[2][1] == f"{spectrum.eigenvalues[1].real:+.10f}"
    one = th.independent_spins(1, decay=0.6)
    C = th.correlation(
        one, th.product_state(one, spins=[1]), [0.0, 1.0], th.sigma("-")(0), th.sigma("+")(0)
    )
    assert rows(C)[0][0] == "C(0)"
    assert rows(C)[1][1] == f"{C.values[1]:.8f} ± {C.errors[1]:.1e}"


def test_costs_and_verifications_are_tables():
    assert rows(th.Cost(2e9, float("nan"), "dimension < 4")) == [
        ["memory", "2 GB"], ["time", "unknown"], ["note", "dimension < 4"],
    ]  # fmt: skip
    checks = th.Check("gap", 1.0, 1.0, 1e-9, 0.1), th.Check("photons", 2.0, 1.0, 1e-9, 0.1)
    found = rows(th.Verification(checks))
    assert [row[-1] for row in found] == ["", "right", "WRONG"]
    assert "1 of 2 right" in th.Verification(checks)._repr_html_()


def test_texts_are_escaped():
    odd = th.Cost(1.0, 1.0, "<script>alert('&')</script>")
    assert "<script>" not in odd._repr_html_()
    assert rows(odd)[-1][1] == odd.note
    assert "<b>" not in markup.card("<b>") + markup.line("<b>") + markup.table([["<b>"]], ["<b>"])


def test_pages_may_be_light_or_dark(both):
    for answer in (MODEL, both, both.results[0], th.Cost(1.0, 1.0)):
        html = answer._repr_html_()
        assert "http" not in html  # nothing is fetched
        colours = re.findall(r"(?<!-)\b(?:color|background)\s*:\s*([^;\"]+)", html)
        assert set(colours) <= {"inherit", "transparent"}


def test_long_tables_end_with_what_is_left_out():
    found = Reader(markup.table([[k, k] for k in range(100)])).rows
    assert len(found) == markup.MOST_ROWS + 1
    assert found[-1] == [f"... {100 - markup.MOST_ROWS} more"]


def test_images_have_one_square_per_entry():
    html = markup.image(np.array([[1, -1, -1], [1, 1, -1]], dtype=np.int8), "a & b")
    assert html.count(markup._UP) == 3
    assert 'viewBox="0 0 3 2"' in html
    assert "a &amp; b" in html
