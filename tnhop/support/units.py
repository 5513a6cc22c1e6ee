"""Numbers of bytes and seconds with their units."""

from __future__ import annotations

import numpy as np


def pretty_bytes(n: float) -> str:
    """Write a number of bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if n < 1000 or unit == "PB":
            return f"{n:.3g} {unit}"
        n /= 1000
    raise AssertionError


def pretty_time(seconds: float) -> str:
    """Write a time with a unit, without exponents."""
    if seconds < 60:
        return f"{float(f'{seconds:.1g}'):g} s"
    for unit, size, most in (("min", 60, 7200), ("h", 3600, 172800), ("days", 86400, np.inf)):
        if seconds < most:
            return f"{float(f'{seconds / size:.2g}'):g} {unit}"
    return "forever"
