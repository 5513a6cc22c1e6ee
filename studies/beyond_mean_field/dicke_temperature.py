"""The temperature that lossy and pumped modes give to slow spins.

Question: do spins with a small transverse field see a temperature, and which?

The modes make a spin flip with the rate W (see `_flip_rates`), up and down in energy at different
rates. For noisy modes, ν = (γ + κ)/(γ - κ) ≫ 1, detailed balance holds with
β_eff = 8 ω²/(ν (ω² + δ²/4)²) for the energy E = -¼ Σ_μ (Σ_i g_μi s_i)². Measured are
ln(W_down/W_up)/ΔE for many ΔE, the stationary populations of configurations, of the rates and of
the whole model (`th.steady_state`, method Exact), and the affinity of cycles, which is zero in
equilibrium.

Command: python studies/beyond_mean_field/dicke_temperature.py [--plot-only]
Run time: 1 to 2 minutes, one thread.

The loss is fixed and the gain is raised. `beta_fit` is the slope of -ln p against E, by least
squares over all configurations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import _study as st
import numpy as np
import xarray as xr
from _flip_rates import Bath, configurations, rate_matrix
from matplotlib.figure import Figure

import tnhop as th

BETA_UNIT = "mode frequency / coupling²"


@dataclass(frozen=True)
class Params:
    """Mode, gains, energy changes; three spins, and the cases of the whole model."""

    omega: float = 1.0
    loss: float = 2.0
    gains: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.7, 1.8, 1.9, 1.95)
    shown_gains: tuple[float, ...] = (0.0, 0.5, 1.0, 1.8)
    energy_changes: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0)
    g: tuple[float, ...] = (0.6, 0.4, 0.5)
    Omega: float = 0.05
    exact_gains: tuple[float, ...] = (0.0, 0.5, 1.0)
    fock_dims: tuple[int, ...] = (14, 20, 28)

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(gains=(0.0, 1.8, 1.95), shown_gains=(0.0, 1.8), energy_changes=(0.1, 2.0),
                   g=(0.5, 0.3), exact_gains=(0.0,), fock_dims=(7,))  # fmt: skip


def beta_eff(bath: Bath) -> float:
    """Inverse temperature of noisy modes."""
    return 8 * bath.omega**2 / (bath.noise * (bath.omega**2 + bath.delta**2 / 4) ** 2)


def log_ratio(p: Params, gain: float, change: float) -> float:
    """Return ln(W_down/W_up)/ΔE of a spin with g = 1 beside one with g = ΔE."""
    bath = Bath(np.array([[1.0, change]]), p.omega, p.loss, gain)
    up, down = (bath.flip_rate(np.array([1.0, s]), 0) for s in (1, -1))
    return float(np.log(down / up) / change)


def energies(g: np.ndarray) -> np.ndarray:
    """Return E = -¼ Σ (g s)² of all configurations."""
    return -0.25 * np.sum((configurations(g.shape[1]) @ g.T) ** 2, axis=1)


def stationary(R: np.ndarray) -> np.ndarray:
    """Return the stationary populations of a rate matrix."""
    padded = np.vstack([R, np.ones(len(R))])
    return np.linalg.lstsq(padded, np.append(np.zeros(len(R)), 1.0), rcond=None)[0]


def affinity(R: np.ndarray) -> float:
    """Largest |ln of forward over backward rates| of the cycles that flip two spins and back."""
    size, largest = len(R), 0.0
    flips = [1 << k for k in range(size.bit_length() - 1)]
    for start in range(size):
        for a in flips:
            for b in flips:
                path = [start, start ^ a, start ^ a ^ b, start ^ b, start]
                ratio = [R[j, i] / R[i, j] for i, j in itertools.pairwise(path) if a != b]
                largest = max(largest, abs(float(np.sum(np.log(ratio)))))
    return largest


def whole(p: Params, bath: Bath, fock_dim: int) -> tuple[np.ndarray, float]:
    """Return populations of configurations of the whole model, and the Fock tail."""
    n_spins = bath.g.shape[1]
    model = th.multimode_dicke(bath.g, omega=p.omega, Omega=p.Omega, loss=p.loss, gain=bath.gain,
                               fock_dim=fock_dim, n_spins=n_spins)  # fmt: skip
    found = th.steady_state(model, observables=["photon_distribution"], method="Exact")
    rho = found.state.reduced_state(range(n_spins))
    return rho.diagonal().real, float(found.expect["photon_distribution"][0, -1])


def compute(p: Params) -> xr.Dataset:
    """Ratios of rates, populations and affinities against the gain."""
    g = np.array([p.g])
    E = energies(g)
    baths = [Bath(g, p.omega, p.loss, gain) for gain in p.gains]
    matrices = [rate_matrix(bath) for bath in baths]
    populations = np.array([stationary(R) for R in matrices])
    fits = [-np.polyfit(E, np.log(q), 1)[0] for q in populations]
    limits = np.array([beta_eff(bath) for bath in baths])
    gibbs = np.exp(-np.multiply.outer([*limits], E))
    gibbs /= gibbs.sum(axis=1, keepdims=True)
    fitted = np.exp(-np.multiply.outer(fits, E))
    fitted /= fitted.sum(axis=1, keepdims=True)
    ratios = [[log_ratio(p, gain, change) for change in p.energy_changes]
              for gain in p.shown_gains]  # fmt: skip
    exact = [whole(p, Bath(g, p.omega, p.loss, gain), levels)
             for gain, levels in zip(p.exact_gains, p.fock_dims, strict=True)]  # fmt: skip
    at, each = ("gain",), ("gain", "configuration")
    variables = {
        "log_ratio": (("gain_shown", "energy_change"), ratios, BETA_UNIT, "ln(W_down/W_up)/ΔE"),
        "beta_eff_shown": ("gain_shown", [beta_eff(Bath(g, p.omega, p.loss, gain))
                                          for gain in p.shown_gains], BETA_UNIT, "β_eff"),
        "beta_eff": (at, limits, BETA_UNIT, "8ω²/(ν(ω² + δ²/4)²)"),
        "beta_fit": (at, fits, BETA_UNIT, "slope of -ln p against E, rates W"),
        "noise": (at, [bath.noise for bath in baths], "1", "ν = (γ + κ)/(γ - κ)"),
        "population": (each, populations, "1", "stationary populations of the rates W"),
        "distance": (at, np.abs(populations - gibbs).sum(axis=1) / 2, "1",
                     "total variation distance to exp(-β_eff E)"),
        "distance_fit": (at, np.abs(populations - fitted).sum(axis=1) / 2, "1",
                         "the same to exp(-β_fit E)"),
        "affinity": (at, [affinity(R) for R in matrices], "1", "largest affinity of a cycle"),
        "energy": ("configuration", E, "coupling²/mode frequency", "E"),
        "population_exact": (("gain_exact", "configuration"), [e[0] for e in exact], "1",
                             "populations of the whole model"),
        "fock_tail": ("gain_exact", [e[1] for e in exact], "1", "population of the highest level"),
    }  # fmt: skip
    coords = {
        "gain": list(p.gains), "gain_shown": list(p.shown_gains),
        "gain_exact": list(p.exact_gains), "energy_change": list(p.energy_changes),
    }  # fmt: skip
    return st.labelled(p, "effective temperature of lossy and pumped modes", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Ratios of rates, inverse temperature, populations, and distance from equilibrium."""
    figure, axes = st.panels(2, 2, (10, 7.4))
    ax = axes[0, 0]
    for k, (gain, colour) in enumerate(zip(data.gain_shown.values, st.COLOURS, strict=False)):
        ax.plot(data.energy_change, data.log_ratio[k], "o-", ms=4, lw=1.2, color=colour,
                label=f"κ = {gain:g}")  # fmt: skip
        ax.axhline(float(data.beta_eff_shown[k]), color=colour, lw=0.9, ls="--")
    st.title(ax, r"dashed: $\beta_{\rm eff}$")
    ax.set(xlabel=r"energy change $\Delta E$", ylabel=r"$\ln(W_\downarrow/W_\uparrow)/\Delta E$",
           ylim=(0, None))  # fmt: skip
    ax.legend(fontsize="x-small", frameon=False)
    ax = axes[0, 1]
    ax.loglog(data.noise, data.beta_fit, "o-", ms=4, lw=1.2, color=st.COLOURS[0],
              label="stationary state of the rates")  # fmt: skip
    ax.loglog(data.noise, data.beta_eff, "k--", lw=1.2, label=r"$\beta_{\rm eff}$")
    ax.set(xlabel=r"noise of the modes $(\gamma+\kappa)/(\gamma-\kappa)$",
           ylabel=r"inverse temperature $\beta$")  # fmt: skip
    ax.legend(fontsize="x-small", frameon=False)
    ax = axes[1, 0]
    order = np.argsort(data.energy.values)
    E = data.energy.values[order]
    for gain, colour in zip(data.gain_exact.values, st.COLOURS, strict=False):
        part = data.sel(gain=gain)
        ax.semilogy(E, data.population_exact.sel(gain_exact=gain)[order], "o", ms=5, color=colour,
                    label=f"whole model, κ = {gain:g}")  # fmt: skip
        ax.semilogy(E, part.population[order], "x", ms=7, color="k")
        for beta, style in ((part.beta_fit, "-"), (part.beta_eff, "--")):
            weights = np.exp(-float(beta) * E)
            ax.semilogy(E, weights / weights.sum(), style, lw=1, color=colour)
    st.title(ax, r"crosses: rates $W$; full: fit; dashed: $\beta_{\rm eff}$")
    ax.set(xlabel="energy $E$", ylabel="population of a configuration")
    ax.legend(fontsize="x-small", frameon=False)
    ax = axes[1, 1]
    for name, label, marker in (("distance", r"distance to $e^{-\beta_{\rm eff}E}$", "o"),
                                ("distance_fit", "distance to the fit", "s"),
                                ("affinity", "largest affinity of a cycle", "^")):  # fmt: skip
        ax.loglog(data.noise, data[name], marker=marker, ms=4, lw=1.2, label=label)
    ax.set(xlabel=r"noise of the modes $(\gamma+\kappa)/(\gamma-\kappa)$",
           ylabel="departure from equilibrium")  # fmt: skip
    ax.legend(fontsize="x-small", frameon=False)
    return figure


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
