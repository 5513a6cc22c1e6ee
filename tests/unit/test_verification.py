"""Known answers on the user's machine: right ones pass, wrong ones are seen."""

import numpy as np

import tnhop as th
from tnhop import verification
from tnhop.cli import main


def test_all_answers_are_right_and_every_method_gives_some(monkeypatch, capsys):
    """A method without a known answer would be one that nobody has checked."""
    used, real_evolve = set(), verification.evolve

    def watching(*arguments, method, **options):
        used.add(method if isinstance(method, str) else type(method).__name__)
        return real_evolve(*arguments, method=method, **options)

    monkeypatch.setattr(verification, "evolve", watching)
    assert main(["verify"]) == 0
    out, err = capsys.readouterr()
    assert "WRONG" not in out
    assert f"{len(out.splitlines()) - 2} of {len(out.splitlines()) - 2} right" in out
    assert set(err.strip()) == {"."}
    assert used == set(th.ALL_METHODS)


def test_a_wrong_answer_is_told(monkeypatch, capsys):
    monkeypatch.setattr(verification, "hebb", lambda xi: 1.01 * th.hebb(xi))
    monkeypatch.setattr(verification, "_anchors", lambda: iter([
        ("right", lambda: (1.0, 1.0 + 1e-12, 1e-9)),
        ("partition function", verification._partition_function),
        ("nothing", lambda: (np.nan, 1.0, 1e-9)),
    ]))  # fmt: skip
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert [line.endswith("WRONG") for line in out.splitlines()[1:4]] == [False, True, True]
    assert "1 of 3 right" in out
