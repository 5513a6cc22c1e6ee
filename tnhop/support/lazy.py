"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_PACKAGES: list[str] = []


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package whose public names are lazy.

    The names, and the files that define them, are those that the package imports in its block
    `if TYPE_CHECKING:`.
    """
    _PACKAGES.append(package)
    module = sys.modules[package]

    def find(name: str) -> Any:
        if name not in _origins(package):
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        found = getattr(import_module(_origins(package)[name]), name)
        setattr(module, name, found)
        return found

    return find, lambda: sorted({*vars(module), *_origins(package)})


def load_all() -> None:
    """Import whatever defines a public name, so that all classes are registered."""
    for package in _PACKAGES:
        for file in dict.fromkeys(_origins(package).values()):
            import_module(file)


@cache
def _origins(package: str) -> dict[str, str]:
    """Return the lazy names of a package, each with the file that it is imported from."""
    loader: Any = sys.modules[package].__loader__
    return {
        alias.name: str(node.module)
        for block in ast.parse(loader.get_source(package)).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
