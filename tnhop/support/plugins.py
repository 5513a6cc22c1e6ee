"""Methods of other packages, found by their entry points."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from tnhop.support.errors import warn

GROUP = "tnhop.methods"


@lru_cache(maxsize=1)
def plugins() -> dict[str, Any]:
    """Return the registered classes by name; one that cannot be imported is left out and named."""
    found = {}
    for entry in entry_points(group=GROUP):
        try:
            found[entry.name] = entry.load()
        except Exception as error:  # whatever another package raises must not end this one
            why = f"{type(error).__name__}: {error}"
            warn(f"Method '{entry.name}' of '{entry.value}' cannot be loaded ({why}).", UserWarning)
    return found
