"""The directive `public`: everything public that the named modules list.

    ```{public} tnhop.models tnhop.model
    ```

writes a table and the documentation of all names in the `__all__` of these modules that are also in
`tnhop.__all__`. A name that stands on no page or on two pages stops the build with a sentence.

On the other pages code like `th.evolve` or `TDVP` (public, with a capital letter) leads to it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from tnhop.answers.answer import Answer

PACKAGE = "tnhop"


def public_names() -> list[str]:
    """Return `tnhop.__all__`."""
    return list(importlib.import_module(PACKAGE).__all__)


def origin(name: str) -> str:
    """Return the module that defines a public object."""
    return getattr(getattr(importlib.import_module(PACKAGE), name), "__module__", "")


def chosen_names(modules: list[str]) -> list[str]:
    """Return the public names that modules list, in alphabetical order."""
    listed = {name for module in modules for name in importlib.import_module(module).__all__}
    return sorted(listed & {*public_names()}, key=str.lower)


class Public(SphinxDirective):
    """Table and documentation of public names."""

    required_arguments = 1
    optional_arguments = 100

    def run(self) -> list[nodes.Node]:
        """Write autodoc directives and parse them."""
        names = chosen_names(self.arguments)
        if not names:
            raise self.error(f"{' and '.join(self.arguments)} must list public names, but do not.")
        pages = self.env.metadata[self.env.docname]
        pages["public_names"] = [*pages.get("public_names", []), *names]
        lines = [f".. currentmodule:: {PACKAGE}", "", ".. autosummary::", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names if origin(name).startswith(PACKAGE)] + [""]
        for name in names:
            lines += self.documentation(name)
        node = nodes.container(classes=["public"])
        text = ["```{eval-rst}", *lines, "```"]
        self.state.nested_parse(StringList(text, self.get_source_info()[0]), 0, node)
        return node.children

    def documentation(self, name: str) -> list[str]:
        """Return the directive of one object."""
        obj = getattr(importlib.import_module(PACKAGE), name)
        if inspect.isclass(obj):
            shared = ["   :inherited-members:"] if issubclass(obj, Answer) else []
            return [f".. autoclass:: {PACKAGE}.{name}", "   :members:", *shared, ""]
        if inspect.isfunction(obj):
            return [f".. autofunction:: {PACKAGE}.{name}", ""]
        if isinstance(obj, dict):
            entries = ", ".join(f"``{key}``" for key in obj)
            return [f".. py:data:: {PACKAGE}.{name}", "", f"   Dictionary by name: {entries}.", ""]
        raise self.error(f"`{name}` is neither class, function nor dictionary.")


class Links(SphinxTransform):
    """Turn code that is a public name into a link."""

    default_priority = 220

    def apply(self, **options: Any) -> None:
        """Change the document."""
        if self.env.docname.startswith("api/"):
            return
        names = public_names()
        for node in list(self.document.findall(nodes.literal)):
            found = re.fullmatch(r"th\.(\w+)|([A-Z]\w+)", node.astext())
            name = found and (found[1] or found[2])
            if name in names and not isinstance(node.parent, nodes.reference | pending_xref):
                link = pending_xref(
                    "", refdomain="py", reftype="obj", refexplicit=True, refdoc=self.env.docname,
                    reftarget=f"{PACKAGE}.{name}",
                )  # fmt: skip
                node.replace_self(link)
                link += node


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Refuse public names that the reference lacks or has twice."""
    documented = [name for page in env.metadata.values() for name in page.get("public_names", [])]
    faults = [
        f"`{name}` of `{origin(name) or PACKAGE}` must stand on exactly one page of docs/api, but "
        f"stands on {documented.count(name)}."
        for name in public_names()
        if documented.count(name) != 1
    ]
    if faults:
        remedy = "Name the module that lists it in the directive `public` of one page."
        raise ExtensionError(" ".join([*faults, remedy]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("public", Public)
    app.add_transform(Links)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True}
