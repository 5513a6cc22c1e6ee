"""Citations: the software, and the papers behind a model, a method and the libraries in use.

A field that could not be checked is left out; papers whose printed title could not be checked
stand under the title of their preprint, with the journal as a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from tnhop.models import ALL_MODELS
from tnhop.support.checks import members, one_of, wrong_type
from tnhop.support.codec import registered

__all__ = ["cite"]

# the facts of CITATION.cff, which the wheel does not contain; a test compares them
TITLE = "tnhop: open quantum Hopfield networks with exact, tensor-network and mean-field methods"
AUTHORS = ("tnhop developers",)

_Fields = dict[str, str]


def _article(journal: str, volume: str, pages: str, year: str, **more: str) -> _Fields:
    return {"": "article", **more, "journal": journal, "volume": volume, "pages": pages,
            "year": year}  # fmt: skip


def _aps(letter: str, volume: str, pages: str, year: str, **more: str) -> _Fields:
    """Return an article of the American Physical Society, whose DOIs follow a rule."""
    names = {"A": "Physical Review A", "B": "Physical Review B", "Lett": "Physical Review Letters",
             "Research": "Physical Review Research"}  # fmt: skip
    doi = f"10.1103/PhysRev{letter}.{volume}.{pages}"
    return _article(names[letter], volume, pages, year, **more) | {"doi": doi}


def _preprint(number: str, year: str, **more: str) -> _Fields:
    return {"": "misc", **more, "year": year, "eprint": number, "archivePrefix": "arXiv"}


PAPERS: dict[str, _Fields] = {
    "Hopfield1982": _article(
        "Proceedings of the National Academy of Sciences", "79", "2554--2558", "1982",
        author="Hopfield, J. J.", doi="10.1073/pnas.79.8.2554",
        title="Neural networks and physical systems with emergent collective computational"
        " abilities",
    ),
    "Glauber1963": _article(
        "Journal of Mathematical Physics", "4", "294--307", "1963", author="Glauber, Roy J.",
        title="Time-Dependent Statistics of the {Ising} Model", doi="10.1063/1.1703954",
    ),
    "Rotondo2018": _article(
        "Journal of Physics A: Mathematical and Theoretical", "51", "115301", "2018",
        author=r"Rotondo, P. and Marcuzzi, M. and Garrahan, J. P. and Lesanovsky, I. and"
        r" M{\"u}ller, M.", eprint="1701.01727", archivePrefix="arXiv",
        title="Open quantum generalisation of {Hopfield} neural networks",
    ),
    "KrotovHopfield2016": {
        "": "inproceedings", "author": "Krotov, Dmitry and Hopfield, John J.",
        "title": "Dense Associative Memory for Pattern Recognition",
        "booktitle": "Advances in Neural Information Processing Systems", "volume": "29",
        "year": "2016", "eprint": "1606.01164", "archivePrefix": "arXiv",
    },
    "KimuraKato2024": _preprint(
        "2411.02883", "2024", author="Kimura, Takeshi and Kato, Kohtaro",
        title="Analysis of Discrete Modern {Hopfield} Networks in Open Quantum System",
    ),
    "Fiorelli2020Dicke": _preprint(
        "2003.01004", "2020", author="Fiorelli, Eliana and Marcuzzi, Matteo and Rotondo, Pietro"
        " and Carollo, Federico and Lesanovsky, Igor", doi="10.1103/PhysRevLett.125.070604",
        title="Signatures of associative memory behavior in a multi-mode spin-boson model",
        note="Published in Physical Review Letters 125, 070604 (2020)",
    ),
    "Fiorelli2020SpinBoson": _aps(
        "Research", "2", "013198", "2020", author="Fiorelli, Eliana and Rotondo, Pietro and"
        " Carollo, Federico and Marcuzzi, Matteo and Lesanovsky, Igor",
        title="Dynamics of strongly coupled disordered dissipative spin-boson systems",
        eprint="1904.13181", archivePrefix="arXiv",
    ),
    "CarolloLesanovsky2021": _aps(
        "Lett", "126", "230601", "2021", author="Carollo, Federico and Lesanovsky, Igor",
        title="Exactness of Mean-Field Equations for Open {Dicke} Models with an Application to"
        " Pattern Retrieval Dynamics", eprint="2009.13932", archivePrefix="arXiv",
    ),
    "KirtonKeeling2017": _aps(
        "Lett", "118", "123602", "2017", author="Kirton, Peter and Keeling, Jonathan",
        title="Suppressing and Restoring the {Dicke} Superradiance Transition by Dephasing and"
        " Decay", eprint="1611.03342", archivePrefix="arXiv",
    ),
    "FossFeig2013": _preprint(
        "1209.5795", "2012", author="Foss-Feig, Michael and Hazzard, Kaden R. A. and Bollinger,"
        " John J. and Rey, Ana Maria", doi="10.1103/PhysRevA.87.042101",
        title="Non-equilibrium dynamics of {Ising} models with decoherence: an exact solution",
        note="Published in Physical Review A 87, 042101 (2013)",
    ),
    "Jager2022": _aps(
        "Lett", "129", "063601", "2022", author=r"J{\"a}ger, S. B. and Schmit, T. and Morigi, G."
        " and Holland, M. J. and Betzholz, R.",
        title="{Lindblad} Master Equations for Quantum Systems Coupled to Dissipative Bosonic"
        " Modes",
    ),
    "Damanet2019": _aps(
        "A", "99", "033845", "2019", author="Damanet, F. and Daley, Andrew J. and"
        " Keeling, Jonathan", eprint="1901.02473", archivePrefix="arXiv",
        title="Atom-only descriptions of the driven-dissipative {Dicke} model",
    ),
    "ChaseGeremia2008": _aps(
        "A", "78", "052101", "2008", author="Chase, B. A. and Geremia, J. M.",
        title="Collective processes of an ensemble of spin-1/2 particles",
    ),
    "Shammah2018": _preprint(
        "1805.05129", "2018", author="Shammah, Nathan and Ahmed, Shahnawaz and Lambert, Neill"
        " and De Liberato, Simone and Nori, Franco", doi="10.1103/PhysRevA.98.063815",
        title="Open quantum systems with local and collective incoherent processes: Efficient"
        " numerical simulation using permutational invariance",
        note="Published in Physical Review A 98, 063815 (2018)",
    ),
    "Lubich2015": _article(
        "SIAM Journal on Numerical Analysis", "53", "917", "2015", doi="10.1137/140976546",
        author="Lubich, Christian and Oseledets, Ivan V. and Vandereycken, Bart",
        title="Time integration of tensor trains",
    ),
    "Haegeman2016": _aps(
        "B", "94", "165116", "2016", author="Haegeman, Jutho and Lubich, Christian and"
        " Oseledets, Ivan and Vandereycken, Bart and Verstraete, Frank",
        title="Unifying time evolution and optimization with matrix product states",
        eprint="1408.5056", archivePrefix="arXiv",
    ),
    "Guo2012": _aps(
        "Lett", "108", "160401", "2012", author="Guo, Cheng and Weichselbaum, Andreas and Vojta,"
        " Matthias",
        title="Critical and Strong-Coupling Phases in One- and Two-Bath Spin-Boson Models",
    ),
    "ZwolakVidal2004": _aps(
        "Lett", "93", "207205", "2004", author="Zwolak, M. and Vidal, G.",
        title="Mixed-State Dynamics in One-Dimensional Quantum Lattice Systems: A Time-Dependent"
        " Superoperator Renormalization Algorithm",
    ),
    "Camano2025": _preprint(
        "2504.06475", "2025", author=r"Cama{\~n}o, Chris and Epperly, Ethan N. and Tropp, Joel A.",
        title="Successive randomized compression: A randomized algorithm for the compressed"
        " {MPO-MPS} product",
    ),
}  # fmt: skip

LIBRARIES: dict[str, _Fields] = {
    "numpy": _article(
        "Nature", "585", "357--362", "2020", author="Harris, Charles R. and Millman, K. Jarrod"
        " and van der Walt, St{\\'e}fan J. and others", title="Array programming with {NumPy}",
        doi="10.1038/s41586-020-2649-2",
    ),
    "scipy": _article(
        "Nature Methods", "17", "261--272", "2020", author="Virtanen, Pauli and Gommers, Ralf and"
        " Oliphant, Travis E. and others", doi="10.1038/s41592-019-0686-2",
        title="{SciPy} 1.0: fundamental algorithms for scientific computing in {Python}",
    ),
    "xarray": _article(
        "Journal of Open Research Software", "5", "10", "2017", author="Hoyer, S. and Hamman, J.",
        title="xarray: {N-D} labeled arrays and datasets in {Python}", doi="10.5334/jors.148",
        number="1",
    ),
    "quimb": _article(
        "Journal of Open Source Software", "3", "819", "2018", author="Gray, Johnnie",
        title="quimb: a python library for quantum information and many-body calculations",
        number="29", doi="10.21105/joss.00819",
    ),
    "qutip": _article(
        "Physics Reports", "1153", "1--62", "2026", author="Lambert, Neill and"
        r" Gigu{\`e}re, Eric and Menczel, Paul and others",
        title="{QuTiP} 5: The Quantum Toolbox in {Python}", doi="10.1016/j.physrep.2025.10.001",
    ),
}  # fmt: skip

_ALWAYS = ("numpy", "scipy", "xarray")


def cite(model: Any = None, method: Any = None, *, libraries: str | Iterable[str] = ()) -> str:
    """Return what to cite, as BibTeX with a comment for every reason.

    Parameters
    ----------
    model : Model or str, optional
        A model, or the name of the function that makes it.
    method : Method or str, or a list of those, optional
        A method, or its name.
    libraries : str or iterable of str
        Further libraries in use, such as ``"qutip"`` beside `to_qutip`.

    Returns
    -------
    str
        Entries with different keys: the software, papers, libraries.

    Raises
    ------
    ValueError
        If a name is unknown.

    Notes
    -----
    The papers are those that a method names in its `papers` and a model function in ``@cites``:
    keys of ours, or BibTeX. A model without recipe contributes none.

    Examples
    --------
    >>> text = cite("open_hopfield", "TDVP")
    >>> "Open quantum generalisation" in text, "quimb" in text, "QuTiP" in text
    (True, True, False)
    """
    named = [libraries] if isinstance(libraries, str) else libraries
    listed = members(named, "libraries", "be names of libraries", str)
    extra = [one_of(name, "libraries", [*LIBRARIES]) for name in listed]
    given = method if isinstance(method, list | tuple) else [] if method is None else [method]
    methods = {cls.__name__: cls for cls in map(_method_class, given)}
    also = (name for cls in methods.values() for name in getattr(cls, "libraries", ()))
    reasons: list[tuple[str, Sequence[str]]] = []
    origin = _model_name(model)
    if origin is not None:
        maker = ALL_MODELS.get(origin)
        reasons.append((f"model {origin}", getattr(maker, "papers", ())))
    reasons += [(f"method {name}", getattr(cls, "papers", ())) for name, cls in methods.items()]
    reasons.append(("libraries", tuple(dict.fromkeys([*_ALWAYS, *also, *extra]))))
    lines = [f"% tnhop {version('tnhop')}: tnhop"]
    entries: dict[str, str] = {"tnhop": _bibtex("tnhop", _software())}
    for why, papers in reasons:
        found = dict(map(_entry, papers))
        lines.append(f"% {why}: {', '.join(found) or 'no paper'}")
        entries |= found
    return "\n\n".join(["\n".join(lines), *entries.values()])


def _entry(paper: str) -> tuple[str, str]:
    """Return key and BibTeX of a paper, which is a key of ours or BibTeX itself."""
    if paper.lstrip().startswith("@"):
        return paper.partition("{")[2].partition(",")[0].strip(), paper.strip()
    return paper, _bibtex(paper, (PAPERS | LIBRARIES)[paper])


def _model_name(model: Any) -> str | None:
    if model is None:
        return None
    if isinstance(model, str):
        return one_of(model, "model", [*ALL_MODELS])
    if not hasattr(model, "recipe"):
        raise wrong_type("model", "be a Model or the name of a model function", model)
    return None if model.recipe is None else str(model.recipe.function)


def _method_class(method: Any) -> type:
    if not isinstance(method, str):
        return method if isinstance(method, type) else type(method)
    methods = {name: cls for name, cls in registered().items() if hasattr(cls, "controlled")}
    return methods[one_of(method, "method", [*methods])]


def _software() -> _Fields:
    author = " and ".join(f"{{{name}}}" for name in AUTHORS)
    return {"": "misc", "author": author, "title": f"{{{TITLE}}}",
            "note": f"Version {version('tnhop')}"}  # fmt: skip


def _bibtex(key: str, fields: _Fields) -> str:
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if name]
    return "\n".join([f"@{fields['']}{{{key},", *lines, "}"])
