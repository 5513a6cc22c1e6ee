"""Types of arrays, by their entries; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Signs = NDArray[np.int8]  # spins and patterns, +1 and -1
Integers = NDArray[np.int64]
Places = NDArray[np.intp]  # indices of arrays
Array = Any  # of any array library: numpy, torch, cupy, jax
