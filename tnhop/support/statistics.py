"""Error bars of what was counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Z = float(ndtri(0.975))  # standard errors of a 95 % interval


def proportion_width(share: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the half-width around a share of n samples that contains Wilson's interval.

    Never 0: what was not seen is not certain.
    """
    shrink = 1 + Z**2 / n
    middle = (share + Z**2 / (2 * n)) / shrink
    half: Any = Z / shrink * np.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
    return np.asarray(np.abs(middle - share) + half)
