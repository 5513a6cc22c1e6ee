"""Sums of products of matrices: effective generators in blocks of a parity.

Arrays are written in place here, unlike elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import get_lib_fn, infer_backend

from tnhop.solvers.chain.steps import krylov
from tnhop.solvers.chain.steps.backend import contiguous
from tnhop.solvers.chain.steps.compiled_krylov import krylov_exponential
from tnhop.solvers.chain.steps.layouts import ParityDims, split_packed, zeros
from tnhop.solvers.chain.steps.protocols import narrowed
from tnhop.support.arrays import Array


@dataclass(frozen=True, eq=False)
class BlockProduct:
    """A block times products with the right environment: adds block @ (v_r @ right_r, stacked).

    Attributes
    ----------
    rows : slice
        Rows of the result to which it is added.
    adds : bool
        Whether these rows hold a sum already.
    block : array
        Environment and core on the left.
    sources : list of (int, slice, array)
        Parity r of the block of v, its rows, and the right environment.
    """

    rows: slice
    adds: bool
    block: Array
    sources: list[tuple[int, slice, Array]]


class SumOfProducts:
    """The linear map of packed vectors that sums the products of the even and the odd rows.

    Buffers and slices are prepared beforehand: at small bonds a slice costs as much as a product.

    Parameters
    ----------
    halves : pair of list of BlockProduct
        Products of the even and of the odd rows.
    rows, columns : ParityDims
        Rows of both, and columns of the argument.
    out : ParityDims
        Columns of the result.
    like : array
        An array of the library and precision.
    """

    def __init__(
        self, halves: tuple[list[BlockProduct], list[BlockProduct]], rows: ParityDims,
        columns: ParityDims, out: ParityDims, like: Array,
    ) -> None:  # fmt: skip
        sizes = (rows[0] * n[0] + rows[1] * n[1] for n in (columns, out))
        self._source, self._result = (zeros((size,), like) for size in sizes)
        v = split_packed(self._source, rows, columns)
        targets = split_packed(self._result, rows, out)
        self._products = list[tuple[Array, Array, Array]]()
        self._sums = list[tuple[Array, Array, Array]]()
        for block_products, target, n in zip(halves, targets, out, strict=True):
            for added in block_products if n else ():
                buffer, start = zeros((added.block.shape[1], n), like), 0
                for r, v_rows, right in added.sources:
                    height, width = v_rows.stop - v_rows.start, right.shape[1]
                    place = buffer[start : (start := start + height * width // n)]
                    if height * width:
                        product = v[r][v_rows], contiguous(right), place.reshape(height, width)
                        self._products.append(product)
                if start:
                    kind = self._sums if added.adds else self._products
                    kind.append((contiguous(added.block), buffer, target[added.rows]))

    def __call__(self, v: Array, /) -> Array:
        """Apply the map."""
        backend = infer_backend(self._source)
        matmul: Any = np.dot if backend == "numpy" else get_lib_fn(backend, "matmul")
        self._source[:], self._result[:] = v, 0.0
        for a, b, c in self._products:
            matmul(a, b, out=c)
        for a, b, c in self._sums:
            c += a @ b
        return 1.0 * self._result

    def exponential(self, v: Array, t: float, tolerance: float) -> tuple[Array, int, float]:
        """Return exp(t A) v, the number of applications and the estimated error."""
        if infer_backend(v) != "numpy":
            return krylov.exponential(self, v, t, tolerance)
        products = [(0, *product) for product in self._products]
        products += [(1, *product) for product in self._sums]
        table = np.array(
            [(*(narrowed(np.ndarray, x).ctypes.data for x in (a, b, c)), *a.shape, b.shape[1], adds)
             for adds, a, b, c in products], dtype=np.int64,
        ).reshape(-1, 7)  # fmt: skip
        places = narrowed(np.ndarray, self._source), narrowed(np.ndarray, self._result)

        def attempt(v: Array, t: float, tolerance: float) -> tuple[Array, int, float]:
            return krylov_exponential(table, *places, narrowed(np.ndarray, v), t, tolerance)

        return krylov.halved(attempt, v, t, tolerance)
