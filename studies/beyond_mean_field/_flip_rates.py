"""Classical flips of spins in lossy modes: rates of second order in Ω, and a master equation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.linalg import expm


@dataclass(frozen=True)
class Bath:
    """Modes of one frequency, loss and gain, with couplings g of shape (n_modes, n_spins)."""

    g: np.ndarray
    omega: float
    loss: float
    gain: float = 0.0

    @property
    def delta(self) -> float:
        """Net loss."""
        return self.loss - self.gain

    @property
    def noise(self) -> float:
        """Return 2 n̄ + 1 = (loss + gain)/(loss - gain)."""
        return (self.loss + self.gain) / self.delta

    def amplitudes(self, spins: np.ndarray) -> np.ndarray:
        """Return ⟨a⟩ of the modes that have followed a configuration."""
        return -1j * (self.g @ spins) / (1j * self.omega + self.delta / 2)

    def energy_change(self, spins: np.ndarray, k: int) -> float:
        """Return E(flipped) - E, with E = -¼ Σ g g s s, for a flip of spin k."""
        others = np.delete(np.arange(len(spins)), k)
        return float(spins[k] * (self.g[:, k] @ (self.g[:, others] @ spins[others])))

    def flip_rate(self, spins: np.ndarray, k: int) -> float:
        r"""Return W/Ω² of a flip of spin k, the integral over the correlation of the modes.

        .. math::
            W = 2 \Omega^2 \mathrm{Re} \int_0^\infty dt\, e^{-\sum_\mu
                [i \Delta_\mu \langle V_\mu\rangle t + \Delta_\mu^2 (\tilde\nu F - i S)]}, \quad
            F + iS = \frac tc - \frac{1 - e^{-ct}}{c^2}, \quad c = \frac\delta2 - i\omega
        """
        c = self.delta / 2 - 1j * self.omega
        kick = -2 * spins[k] * self.g[:, k]
        shift = float(kick @ (2 * self.amplitudes(spins).real))
        size = float(kick @ kick)

        def correlation(t: float) -> float:
            both = t / c - (1 - np.exp(-c * t)) / c**2
            phase = shift * t - size * both.imag
            return float(np.exp(-size * self.noise * both.real) * np.cos(phase))

        decay = size * self.noise * (1 / c).real
        ends = np.linspace(0, 40 / decay + 10 / self.delta, 41)
        pieces = (quad(correlation, a, b, epsabs=1e-11, epsrel=1e-10, limit=400)[0]
                  for a, b in itertools.pairwise(ends))  # fmt: skip
        return 2 * sum(pieces)

    def dephasing(self) -> float:
        """Return the smallest rate at which modes dephase configurations one or two flips apart."""
        all_spins = configurations(self.g.shape[1])
        pairs = [(r, s) for r in all_spins for s in all_spins if 0 < np.sum(r != s) <= 2]
        distance = min(float(np.sum((self.g @ (r - s)) ** 2)) for r, s in pairs)
        return distance * self.noise * (1 / (self.delta / 2 - 1j * self.omega)).real


def configurations(n_spins: int) -> np.ndarray:
    """Return all configurations, up before down and the first spin slowest."""
    return np.array(list(itertools.product((1.0, -1.0), repeat=n_spins)))


def rate_matrix(bath: Bath) -> np.ndarray:
    """Return the generator of independent flips over Ω², columns summing to zero."""
    all_spins = configurations(bath.g.shape[1])
    n_spins = all_spins.shape[1]
    R = np.zeros((len(all_spins),) * 2)
    for column, spins in enumerate(all_spins):
        for k in range(n_spins):
            W = bath.flip_rate(spins, k)
            R[column ^ (1 << (n_spins - 1 - k)), column] += W
            R[column, column] -= W
    return R


def classical_spins(R: np.ndarray, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return ⟨σᶻ⟩ over time of the master equation with generator R, shape (n_times, n_spins)."""
    all_spins = configurations(len(start))
    p = np.all(all_spins == start, axis=1).astype(float)
    return np.array([expm(R * t) @ p for t in times]) @ all_spins
