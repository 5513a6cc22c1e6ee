"""Errors and warnings of the package's own kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

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

    def __init__(self, message: str, best: Any = None, residual: float = np.nan) -> None:
        super().__init__(message)
        self.best, self.residual = best, residual


class TruncationWarning(UserWarning):
    """The answer is less accurate than was asked for, or incomplete."""
