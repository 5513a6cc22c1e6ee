"""Lifetime of a stored pattern and of a superposition of pattern and antipattern.

Question: how do both lifetimes depend on N, and what does a transverse field do to them?

The sign of the overlap is lost by rare switching between pattern and antipattern, with the
smallest rate of the generator. The phase of a cat, (|ξ⟩ ± |-ξ⟩)/√2, is lost by every jump that
tells ξ from -ξ; at Ω = 0 with exactly the rate N/(1 + exp(2β(N-1)/N)), Eq. (12) of docs/physics.md.

Command: python studies/beyond_mean_field/memory_lifetime.py [--plot-only]
Run time: 2 to 4 minutes, one thread.

Gap: second eigenvalue of `liouvillian_spectrum`, with the exponent from the largest sizes beside
the classical free-energy barrier per spin (over T) at temperature T_eff = T (1 + 8 Ω²).
Cat: the even and the odd cat are evolved, and D(t) = ½ ‖ρ_even - ρ_odd‖₁ says how well a single
measurement can tell them apart (1: surely; 0: not at all). The spectrum has no eigenvectors and no
quantum numbers, so that the cat is recognised in it by continuity from Ω = 0 only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from _cats import coherence_time, distinguishability, fastest_rate
from _study import (
    COLOURS,
    MARKERS,
    RATE_UNIT,
    TIME_UNIT,
    labelled,
    main,
    mean_field_overlap,
    network,
    panels,
    title,
)
from matplotlib.figure import Figure

import tnhop as th


@dataclass(frozen=True)
class Params:
    """Points (T, Ω) and sizes of the gap; sizes and fields of the cats."""

    points: tuple[tuple[float, float], ...] = (
        (0.5, 0.0), (0.5, 0.1), (0.5, 0.15), (0.5, 0.25), (0.7, 0.0), (0.7, 0.15),
    )  # fmt: skip
    gap_sizes: tuple[int, ...] = (6, 8, 10, 12, 16, 20, 24, 28, 32, 36, 40)
    fitted_sizes: int = 3
    cat_temperatures: tuple[float, ...] = (0.5, 0.3)
    cat_fields: tuple[float, ...] = (0.0, 0.05, 0.15, 0.3)
    cat_sizes: tuple[int, ...] = (4, 8, 12, 16, 20, 24)
    cat_time: float = 20.0
    n_times: int = 401
    spectrum_size: int = 12
    spectrum_temperature: float = 0.3
    spectrum_fields: tuple[float, ...] = tuple(np.linspace(0, 0.3, 31).round(3).tolist())
    n_eigenvalues: int = 8

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(points=((0.5, 0.0), (0.5, 0.15)), gap_sizes=(4, 6, 8, 10), cat_sizes=(3, 5),
                   cat_fields=(0.0, 0.15), cat_time=4.0, n_times=41, spectrum_size=4,
                   spectrum_fields=(0.0, 0.1))  # fmt: skip


def eigenvalues(n_spins: int, temperature: float, Omega: float, k: int) -> np.ndarray:
    """Return the k slowest eigenvalues among symmetric states."""
    model = network(n_spins, temperature, Omega)
    return th.liouvillian_spectrum(model, k, method="Symmetric").eigenvalues


def classical_barrier(temperature: float) -> float:
    """Free-energy barrier between the two minima, per spin and in units of T."""
    m = mean_field_overlap(temperature, 0.0)
    up, down = (1 + m) / 2, (1 - m) / 2
    return m**2 / (2 * temperature) - up * np.log(up) - down * np.log(down) - np.log(2)


def compute(params: Params) -> xr.Dataset:
    """Gaps with their exponents, cats, and the slow spectrum against the field."""
    leading = np.array([[eigenvalues(N, *p, 4)[1] for N in params.gap_sizes]
                        for p in params.points])  # fmt: skip
    gaps, turns = -leading.real, np.abs(leading.imag)
    sizes = np.array(params.gap_sizes[-params.fitted_sizes :])
    fits = np.array([np.polyfit(sizes, np.log(g[-len(sizes) :]), 1) for g in gaps])
    fits[turns[:, -len(sizes) :].max(axis=1) > 1e-8] = np.nan  # not a switching rate
    steps = -np.diff(np.log(gaps), axis=1) / np.diff(params.gap_sizes)
    barriers = [classical_barrier(T * (1 + 8 * Omega**2)) for T, Omega in params.points]
    times = np.linspace(0, params.cat_time, params.n_times)
    D = np.array([[[distinguishability(network(N, T, Omega), times) for N in params.cat_sizes]
                   for Omega in params.cat_fields] for T in params.cat_temperatures])  # fmt: skip
    closed = [[N / (1 + np.exp(2 * (N - 1) / N / T)) for N in params.cat_sizes]
              for T in params.cat_temperatures]  # fmt: skip
    N, T = params.spectrum_size, params.spectrum_temperature
    slow = np.array([eigenvalues(N, T, field, params.n_eigenvalues)
                     for field in params.spectrum_fields])  # fmt: skip
    at, cat, rate = ("point",), ("temperature", "Omega", "n_spins_cat"), RATE_UNIT
    variables = {
        "gap": ((*at, "n_spins"), gaps, rate, "smallest rate of the generator"),
        "gap_imag": ((*at, "n_spins"), turns, rate, "imaginary part of that eigenvalue"),
        "exponent": (at, -fits[:, 0], "1", "c of gap ∝ exp(-cN), from the largest sizes"),
        "prefactor": (at, np.exp(fits[:, 1]), rate, "A of gap = A exp(-cN)"),
        "exponent_error": (at, np.abs(steps[:, -1] - steps[:, -2]), "1", "change of c with size"),
        "barrier": (at, barriers, "1", "classical barrier per spin over T, at T_eff"),
        "distinguishability": ((*cat, "time"), D, "1", "½ ‖ρ_even - ρ_odd‖₁"),
        "coherence_time": (cat, np.apply_along_axis(lambda d: coherence_time(times, d), -1, D),
                           TIME_UNIT, "time at which D = 1/e"),
        "fastest_rate": (cat, np.apply_along_axis(lambda d: fastest_rate(times, d), -1, D),
                         rate, "largest -d ln D/dt"),
        "rate_without_field": (cat[::2], closed, rate, "closed form at Ω = 0"),
        "slow_real": (("field", "mode"), slow.real, rate, "real parts of the slowest eigenvalues"),
        "slow_imag": (("field", "mode"), slow.imag, rate, "their imaginary parts"),
    }  # fmt: skip
    coords = {
        "point_temperature": ("point", [p[0] for p in params.points]),
        "point_Omega": ("point", [p[1] for p in params.points]),
        "n_spins": list(params.gap_sizes), "n_spins_cat": list(params.cat_sizes),
        "temperature": list(params.cat_temperatures), "Omega": list(params.cat_fields),
        "time": ("time", times, {"units": TIME_UNIT}), "field": list(params.spectrum_fields),
    }  # fmt: skip
    data = labelled(params, "lifetime of memory and of cats", variables, coords)
    data.attrs.update(spectrum_size=N, spectrum_temperature=T)
    return data


def plot(data: xr.Dataset) -> Figure:
    """Gap, cat over time, rates of the cat against N, and slow spectrum."""
    figure, axes = panels(2, 2, (10, 8))
    _draw_gap(axes[0, 0], data)
    _draw_cat(axes[0, 1], data)
    _draw_rates(axes[1, 0], data)
    _draw_spectrum(axes[1, 1], data)
    for ax in axes.ravel():
        ax.legend(fontsize="x-small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _draw_gap(ax: object, data: xr.Dataset) -> None:
    N = data.n_spins.values
    for k, colour, marker in zip(range(data.sizes["point"]), COLOURS, MARKERS, strict=False):
        label = f"T = {data.point_temperature[k]:g}\nΩ = {data.point_Omega[k]:g}"
        gap, fit = data.gap[k], data.prefactor.values[k] * np.exp(-data.exponent.values[k] * N)
        real = (data.gap_imag[k] < 1e-8).values
        ax.semilogy(N[real], gap[real], marker, color=colour, ms=4, label=label)
        ax.semilogy(N[~real], gap[~real], marker, color=colour, ms=4, mfc="none")
        ax.semilogy(N, fit, "--", color=colour, lw=1)
    title(ax, "open: complex pair; dashed: exponential fit")
    ax.set(xlabel="number of spins $N$", ylabel="smallest rate (flip rates)")


def _draw_cat(ax: object, data: xr.Dataset) -> None:
    part = data.isel(temperature=0, n_spins_cat=-1)
    for Omega, colour in zip(data.Omega.values, COLOURS, strict=False):
        ax.semilogy(data.time, part.distinguishability.sel(Omega=Omega), color=colour, lw=1.3,
                    label=f"Ω = {Omega:g}")  # fmt: skip
    rate = float(part.rate_without_field)
    ax.semilogy(data.time, np.exp(-rate * data.time), "k:", lw=1, label="closed form\nΩ = 0")
    title(ax, f"cats, N = {int(part.n_spins_cat)}, T = {float(part.temperature):g}")
    ax.set(xlabel=r"time $t$ (inverse flip rates)", ylabel="distinguishability $D(t)$",
           ylim=(1e-8, 1.5), xlim=(0, min(10, float(data.time[-1]))))  # fmt: skip


def _draw_rates(ax: object, data: xr.Dataset) -> None:
    N = data.n_spins_cat.values
    for T, style in zip(data.temperature.values, ("-", "--"), strict=False):
        for Omega, colour, marker in zip(data.Omega.values, COLOURS, MARKERS, strict=False):
            values = data.fastest_rate.sel(temperature=T, Omega=Omega)
            ax.semilogy(N, values, style, marker=marker, color=colour, ms=4, lw=1,
                        label=f"T = {T:g}\nΩ = {Omega:g}")  # fmt: skip
    title(ax, "fastest decay of $D$ while $D > 10^{-6}$")
    ax.set(xlabel="number of spins $N$", ylabel=r"max $-d\,\ln D/dt$ (flip rates)")


def _draw_spectrum(ax: object, data: xr.Dataset) -> None:
    field = data.field.values[:, None] + 0 * data.slow_real.values
    real = np.abs(data.slow_imag.values) < 1e-9
    real[:, 0] = False  # the steady state
    for kept, style, label in ((real, "o", "real"), (data.slow_imag.values > 1e-9, "x", "complex")):
        ax.plot(field[kept], -data.slow_real.values[kept], style, color=COLOURS[0], ms=3,
                label=label)  # fmt: skip
    N, T = data.attrs["spectrum_size"], data.attrs["spectrum_temperature"]
    ax.axhline(N / (1 + np.exp(2 * (N - 1) / N / T)), color="k", ls=":", lw=1,
               label="cat, Ω = 0\n(closed form)")  # fmt: skip
    title(ax, f"slow spectrum, N = {N}, T = {T:g}")
    ax.set(xlabel=r"transverse field $\Omega$", ylabel="decay rate (flip rates)")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
