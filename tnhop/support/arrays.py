"""Types of arrays, by their entries; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Signs = NDArray[np.int8]  # spins and patterns, +1 and -1
Integers = NDArray[np.int64]
Places = NDArray[np.intp]  # indices of arrays


class Array(Protocol):
    """An array of any array library: numpy, torch, cupy, jax; products by `autoray.do`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""

    @property
    def dtype(self) -> Any:
        """Type of the entries."""

    @property
    def device(self) -> Any:
        """Place of the entries."""

    @property
    def T(self) -> Any:
        """Transpose."""

    @property
    def reshape(self) -> Any:
        """Return the entries in another shape, ``reshape(*shape)``."""

    def __getitem__(self, index: Any, /) -> Any: ...
    def __len__(self) -> int: ...
    def __matmul__(self, other: Any, /) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __pow__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...
    def __neg__(self) -> Any: ...
    def __setitem__(self, index: Any, value: Any, /) -> None: ...
    def __ne__(self, other: object, /) -> Any: ...
