r"""Displayed equations as they are written, anchors for their numbers, and links to them.

Sphinx wraps every equation that has a line break in an environment in which `\tag` is not allowed.
Here equations go to MathJax unchanged. `\tag{19}` in physics.md is an anchor, `physics.html#eq-19`,
and "Eq. (19)" leads to it from all pages and docstrings; a number that does not exist is a warning.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

PHYSICS = "physics"  # the page that holds the equations
MENTION = re.compile(r"\b(Eqs?\.\s\(\d+\))")


class Equations(SphinxTransform):
    """Leave equations alone, and give those with a number an anchor."""

    default_priority = 200

    def apply(self, **options: Any) -> None:
        """Change the document."""
        for node in list(self.document.findall(nodes.math_block)):
            text = node.astext().strip()
            tag = re.search(r"\\tag\{(\w+)\}", text)
            if tag and self.env.docname == PHYSICS:
                name = f"eq-{tag[1]}"
                target = nodes.target("", "", ids=[name], names=[name])
                self.document.note_explicit_target(target)
                node.parent.insert(node.parent.index(node), target)
            node[:] = [nodes.Text(rf"\[{text}\]")]
            node["no-wrap"] = node["nowrap"] = True


class Mentions(SphinxTransform):
    """Turn "Eq. (19)" into a link."""

    default_priority = 210

    def apply(self, **options: Any) -> None:
        """Change the document."""
        for text in list(self.document.findall(nodes.Text)):
            fixed = (nodes.literal, nodes.literal_block, nodes.reference, nodes.FixedTextElement)
            if not MENTION.search(text) or isinstance(text.parent, (*fixed, pending_xref)):
                continue
            text.parent.replace(text, [self.linked(part) for part in MENTION.split(text)])

    def linked(self, part: str) -> nodes.Node:
        """Return text, or a link if it is a number."""
        if not MENTION.fullmatch(part):
            return nodes.Text(part)
        number = re.search(r"\d+", part)
        assert number
        return pending_xref(
            "", nodes.inline("", part), refdomain="std", reftype="ref", refexplicit=True,
            reftarget=f"eq-{number[0]}", refdoc=self.env.docname, refwarn=True,
        )  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_transform(Equations)
    app.add_transform(Mentions)
    return {"parallel_read_safe": True}
