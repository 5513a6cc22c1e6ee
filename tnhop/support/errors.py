"""Errors and warnings of the package's own kinds."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import warnings
from typing import Any

__all__ = ["ConvergenceError", "TruncationWarning"]


class ConvergenceError(RuntimeError):
    """An iteration ended without meeting its tolerance.

    Parameters
    ----------
    message : str
        What failed, with the remedy.
    best : object
        Best value found.
    residual : float
        Its residual.
    """

    def __init__(self, message: str, best: Any = None, residual: float = math.nan) -> None:
        super().__init__(message)
        self.best, self.residual = best, residual


class TruncationWarning(UserWarning):
    """The answer is less accurate than was asked for, or incomplete."""


_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_WRAPPERS = (contextlib.__file__, functools.__file__)  # between a decorated function and its caller


def warn(message: str, category: type[Warning] = TruncationWarning) -> None:
    """Warn at the line outside of the package that called it, however deep the call."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_OWN) or frame.f_code.co_filename in _WRAPPERS
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
