"""Exact averages of field amplitudes over product states, Eq. (40) of docs/physics.md.

An amplitude is written as a Fourier series on the fields that can occur (a least-squares fit on a
longer period, so that it need not be periodic). The average of exp(iθh) over a product state is
then a product over spins, for any couplings and any number of spins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.rate_base import Rate
from tnhop.support.arrays import Complex

_STRETCH = 1.6  # period over the range of fields
_TOLERANCE = 1e-11  # in units of the largest amplitude
_MOST_HARMONICS = 160


def _fit(amplitude: Rate, bound: float) -> tuple[Complex, float]:
    """Return coefficients of harmonics -Q..Q, and the largest error."""
    probe = bound * np.cos(np.pi * (np.arange(2001) + 0.5) / 2001)
    values = np.asarray(amplitude(probe), dtype=complex)
    n = 10
    while True:
        theta = np.pi * np.arange(-n, n + 1) / (_STRETCH * bound)
        at = bound * np.cos(np.pi * (np.arange(6 * n) + 0.5) / (6 * n))
        samples = np.asarray(amplitude(at), dtype=complex)
        c = np.linalg.lstsq(np.exp(1j * np.outer(at, theta)), samples, rcond=1e-13)[0]
        if not samples.imag.any():
            c = (c + c[::-1].conj()) / 2  # the real part; rounding alone would spoil the symmetry
        error = float(np.abs(np.exp(1j * np.outer(probe, theta)) @ c - values).max())
        if error < _TOLERANCE * np.abs(values).max() or n >= _MOST_HARMONICS:
            return c, error
        n *= 2


class ProductAverage:
    """Averages of products of amplitudes of field jumps over product states.

    Parameters
    ----------
    amplitudes : list of Rate
        φ_a, functions of one field, shared by all jumps.
    fields : ndarray, shape (n_jumps, n_spins)
        Weights of the spins in the field of every jump.
    """

    def __init__(self, amplitudes: list[Rate], fields: NDArray[np.float64]) -> None:
        bound = float(np.abs(fields).sum(axis=1).max()) or 1.0
        fits = [_fit(amplitude, bound) for amplitude in amplitudes]
        self.max_error = max(error for _, error in fits)
        n = max(len(c) // 2 for c, _ in fits)
        series = [np.pad(c, n - len(c) // 2) for c, _ in fits]
        step = np.pi / (_STRETCH * bound)
        # real amplitudes: harmonics -d are the conjugates of d, half of them will do
        self._real = all(np.isrealobj(amplitude(np.zeros(1))) for amplitude in amplitudes)
        angle = step * np.arange(0 if self._real else -2 * n, 2 * n + 1)[:, None, None] * fields
        self._cos, self._sin = np.cos(angle), 1j * np.sin(angle)  # d jump spin
        # series of φ_a*(h) φ_b(h), and of φ_a*(h+J) φ_b(h-J) - ½[φ_a*φ_b(h+J) + φ_a*φ_b(h-J)]
        self._same = np.array([[_product(a, b, 1.0, 1.0) for b in series] for a in series])
        turn = np.exp(1j * step * np.arange(-n, n + 1)[:, None, None] * fields)  # q jump spin
        self._change = np.array(
            [
                [
                    _product(a, b, turn, turn.conj())
                    - (_product(a, b, turn, turn) + _product(a, b, turn.conj(), turn.conj())) / 2
                    for b in series
                ]
                for a in series
            ]
        )  # a b d jump spin

        if self._real:
            half = np.where(np.arange(2 * n + 1) == 0, 1.0, 2.0)
            self._same = self._same[:, :, 2 * n :] * half
            self._change = self._change[:, :, 2 * n :] * half[:, None, None]

    def products(self, z: NDArray[np.float64]) -> Complex:
        """Return ⟨φ_a* φ_b⟩ for every jump, shape (n_operators, n_operators, n_jumps)."""
        average = np.einsum("abd,dk->abk", self._same, (self._cos + z * self._sin).prod(axis=2))
        return average.real.astype(complex) if self._real else average

    def back_action(
        self, z: NDArray[np.float64], pairs: Complex
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the damping of ⟨σ⁺_i⟩ by the jumps of other spins, and how fast they turn it.

        ``pairs[a, b, k]`` is ⟨A†B⟩ of the jumping spin k.
        """
        others = _products_of_others(self._cos + z * self._sin)
        average = np.einsum("abdki,dki->abki", self._change, others, optimize=True)
        if self._real:
            average = average.real
        change = np.einsum("abki,abk->i", average, pairs)
        return -change.real, -change.imag


def _products_of_others(factors: Complex) -> Complex:
    """Return Π_{j≠i} over the last axis, by division where no factor is nearly zero."""
    if np.abs(factors).min() > 1e-4:
        return factors.prod(axis=2, keepdims=True) / factors
    one = np.ones_like(factors[..., :1])
    before = np.concatenate([one, np.cumprod(factors, axis=2)[..., :-1]], axis=2)
    after = np.cumprod(factors[..., ::-1], axis=2)[..., ::-1]
    return before * np.concatenate([after[..., 1:], one], axis=2)


def _product(a: Complex, b: Complex, turn_a: Any, turn_b: Any) -> Complex:
    """Return the series of [Σ a_q t_a^q e^{iqh}]* [Σ b_q t_b^q e^{iqh}], first axis q' - q."""
    left = (a * np.ones(1) if np.isscalar(turn_a) else a[:, None, None] * turn_a).conj()
    right = b * np.ones(1) if np.isscalar(turn_b) else b[:, None, None] * turn_b
    m = len(a)
    out = np.zeros(
        (2 * m - 1, *np.broadcast_shapes(left.shape[1:], right.shape[1:])), dtype=complex
    )
    for q in range(m):  # the difference q' - q lands at q' - q + (m - 1)
        out[m - 1 - q : 2 * m - 1 - q] += left[q] * right
    return out
