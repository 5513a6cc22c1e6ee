"""Configuration of the documentation; `make docs` builds it into build/docs."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.ext import autosummary

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "tnhop"
author = "tnhop developers"
project_copyright = author
version = release = version_of("tnhop")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "gallery",
    "numbered_equations",
    "public_names",
]
root_doc = "index"
exclude_patterns = ["_extensions", "_static"]
default_role = "py:obj"  # `name` in a docstring: a link where it is public, else code
nitpicky = True

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say types, and shapes
autodoc_class_signature = "mixed"
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()  # tests/architecture/test_public.py has its own

mathjax_path = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-mml-chtml.js"
mathjax3_config = {"chtml": {"scale": 0.86}}  # the longest equations fit into the page

html_theme = "furo"
html_title = f"tnhop {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False


def name_as_code(app: Any, env: Any, node: Any, content: nodes.Node) -> nodes.Node | None:
    """Show `name` as code where it is nothing public, as a parameter."""
    return content if node.get("reftype") == "obj" else None


def bar_as_text(inliner: Any, match: Any, lineno: int) -> tuple[str, list[Any], str, list[Any]]:
    """Leave |h| in a docstring alone: it is an absolute value, never a substitution."""
    end = match.end("start")
    return match.string[:end], [], match.string[end:], []


def setup(app: Any) -> None:
    """Register with Sphinx."""
    autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")  # they end no sentence
    Inliner.dispatch["|"] = bar_as_text
    app.connect("missing-reference", name_as_code)
