"""Fate of the limit cycle in a network of finite size.

Question: is the cycle of mean field real at finite N, and how long does an oscillation last?

Mean field has a limit cycle for T < 2/3 and Ω > Ω_H(T). At finite N its phase diffuses: averages
oscillate as exp(-Γt) cos ωt. The study compares NΓ with the linear-noise value κ of the mean-field
cycle, κ = (ω²/2) ⟨Zᵀ D Z⟩, Z its adjoint zero mode with Z · ż = 1.

Command: python studies/beyond_mean_field/limit_cycle.py [--plot-only]
Run time: about 3.5 minutes, one thread.

Γ and ω come from `liouvillian_spectrum` up to N = 32. For larger N they come from ⟨m_z⟩(t) and
⟨m_y⟩(t) after `fit_start`: both series together are a sum of few damped exponentials, found by a
matrix pencil of rank `fit_rank`; the leading pair is the damped cosine, the others absorb
harmonics and the relaxation of the amplitude. Error estimate: the largest change when the window
starts a quarter later or the rank is lower by 2. N = 32 is done in both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from _linear_noise import cycle
from _study import (
    COLOURS,
    MARKERS,
    RATE_UNIT,
    TIME_UNIT,
    labelled,
    legend_outside,
    main,
    network,
    panels,
    title,
)
from matplotlib.figure import Figure

import tnhop as th


@dataclass(frozen=True)
class Params:
    """Points (T, Ω) of the cycle phase, sizes and the window of the fit."""

    points: tuple[tuple[float, float], ...] = ((0.5, 0.6), (0.5, 0.5), (0.2, 1.0))
    spectrum_sizes: tuple[int, ...] = (8, 12, 16, 24, 32)
    evolved_sizes: tuple[int, ...] = (8, 16, 32, 64, 96, 128)
    fitted_from: int = 32
    final_time: float = 50.0
    n_times: int = 501
    fit_start: float = 16.0
    fit_rank: int = 8

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(spectrum_sizes=(6, 12), evolved_sizes=(6, 12), fitted_from=12,
                   final_time=20.0, n_times=201, fit_start=6.0, fit_rank=6)  # fmt: skip


def poles(series: np.ndarray, dt: float, rank: int) -> np.ndarray:
    """Exponents of series (n_series, n_times) as sums of `rank` exponentials: matrix pencil."""
    length = series.shape[1] // 2
    windows = np.concatenate([np.lib.stride_tricks.sliding_window_view(s, length) for s in series])
    basis = np.linalg.svd(windows, full_matrices=False)[2][:rank].T
    return np.log(np.linalg.eigvals(np.linalg.pinv(basis[:-1]) @ basis[1:]).astype(complex)) / dt


def fit_pair(times: np.ndarray, series: np.ndarray, params: Params) -> tuple[complex, float]:
    """Return -Γ + iω of the late oscillation, and an estimate of its error."""

    def leading(start: float, rank: int) -> complex:
        found = poles(series[:, times >= start], times[1] - times[0], rank)
        oscillating = found[found.imag > 0.1]
        return complex(oscillating[np.argmax(oscillating.real)])

    best = leading(params.fit_start, params.fit_rank)
    others = [leading(1.25 * params.fit_start, params.fit_rank),
              leading(params.fit_start, params.fit_rank - 2)]  # fmt: skip
    return best, max(abs(other - best) for other in others)


def slowest_pair(n_spins: int, temperature: float, Omega: float) -> complex:
    """Return -Γ + iω from the spectrum of the generator."""
    found = th.liouvillian_spectrum(network(n_spins, temperature, Omega), 4, method="Symmetric")
    moving = found.eigenvalues[found.eigenvalues.imag > 0.1]
    return complex(moving[np.argmax(moving.real)])


def overlaps(
    n_spins: int, point: tuple[float, float], times: np.ndarray, method: Any
) -> np.ndarray:
    """Return m_z and m_y over time from the pattern, shape (2, n_times)."""
    model = network(n_spins, *point)
    result = th.evolve(model, th.pattern_state(model), times, observables=["m_z", "m_y"],
                       method=method, progress=False)  # fmt: skip
    return np.stack([result.expect[name][:, 0] for name in ("m_z", "m_y")])


def compute(params: Params) -> xr.Dataset:
    """Curves, decay rates and frequencies at all points and sizes."""
    points, times = params.points, np.linspace(0, params.final_time, params.n_times)
    curves = np.array([[overlaps(N, p, times, "Symmetric") for N in params.evolved_sizes]
                       for p in points])  # fmt: skip
    spectrum = np.array([[slowest_pair(N, *p) for N in params.spectrum_sizes] for p in points])
    fitted = [N for N in params.evolved_sizes if params.fitted_from <= N]
    at = [params.evolved_sizes.index(N) for N in fitted]
    fits = np.array([[fit_pair(times, row[k], params) for k in at] for row in curves])
    cycles = np.array([cycle(*p) for p in points])
    method = th.MeanField(closure="thermodynamic")
    mean_field = np.array([overlaps(4, p, times, method)[0] for p in points])
    of_spectrum, of_fit = ("point", "n_spins_spectrum"), ("point", "n_spins_fit")
    variables = {
        "m_z": (("point", "n_spins", "time"), curves[:, :, 0], "1", "overlap ⟨m_z⟩"),
        "m_z_mean_field": (("point", "time"), mean_field, "1", "overlap ⟨m_z⟩, mean field"),
        "decay_spectrum": (of_spectrum, -spectrum.real, RATE_UNIT, "Γ from the spectrum"),
        "omega_spectrum": (of_spectrum, spectrum.imag, RATE_UNIT, "ω from the spectrum"),
        "decay_fit": (of_fit, -fits[..., 0].real, RATE_UNIT, "Γ from evolution"),
        "omega_fit": (of_fit, fits[..., 0].imag, RATE_UNIT, "ω from evolution"),
        "fit_error": (of_fit, fits[..., 1].real, RATE_UNIT, "estimated error of -Γ + iω"),
        "omega_mean_field": (("point",), cycles[:, 0], RATE_UNIT, "ω of the mean-field cycle"),
        "kappa": (("point",), cycles[:, 1], RATE_UNIT, "linear-noise value of NΓ"),
    }
    coords = {
        "temperature": ("point", [p[0] for p in points]),
        "Omega": ("point", [p[1] for p in points]),
        "n_spins": list(params.evolved_sizes), "n_spins_spectrum": list(params.spectrum_sizes),
        "n_spins_fit": fitted, "time": ("time", times, {"units": TIME_UNIT}),
    }  # fmt: skip
    return labelled(params, "finite-N fate of the limit cycle", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """Curves above, decay rate, frequency and quality factor below."""
    figure, axes = panels(2, 3, (11, 6.4))
    for ax, k in zip(axes[0], range(data.sizes["point"]), strict=False):
        for colour, N in zip(COLOURS, _shown(data), strict=False):
            ax.plot(data.time, data.m_z[k].sel(n_spins=N), color=colour, lw=1.2, label=f"N = {N}")
        ax.plot(data.time, data.m_z_mean_field[k], "k:", lw=1.0, label="mean field")
        title(ax, f"T = {data.temperature[k]:g}, Ω = {data.Omega[k]:g}")
        ax.set(xlabel=r"time $t$ (inverse flip rates)", ylabel=r"overlap $\langle m_z\rangle$",
               xlim=(0, min(40, float(data.time[-1]))))  # fmt: skip
    _draw_rates(axes[1], data)
    legend_outside(figure, axes[0, :1], 4, "upper")
    legend_outside(figure, axes[1, :1], 3)
    return figure


def _shown(data: xr.Dataset) -> list[int]:
    """Sizes of the curves."""
    return [N for N in data.n_spins.values.tolist() if N in (6, 8, 12, 32, 128)]


def _draw_rates(axes: Any, data: xr.Dataset) -> None:
    """One colour per point: filled from the spectrum, open from fits, dashed the prediction."""
    n = data.sizes["n_spins_spectrum"]
    new = data.n_spins_fit.values > data.n_spins_spectrum.values[-1]
    N = np.append(data.n_spins_spectrum, data.n_spins_fit[new])
    for k, colour, marker in zip(range(data.sizes["point"]), COLOURS, MARKERS, strict=False):
        decay = np.append(data.decay_spectrum[k], data.decay_fit[k][new])
        omega = np.append(data.omega_spectrum[k], data.omega_fit[k][new])
        limit, kappa = float(data.omega_mean_field[k]), float(data.kappa[k])
        curves = ((N * decay, kappa + 0 * N), (omega / limit, 1 + 0 * N),
                  (omega / (2 * decay), limit / (2 * kappa) * N))  # fmt: skip
        label = f"T = {data.temperature[k]:g}, Ω = {data.Omega[k]:g}"
        for ax, (shown, prediction) in zip(axes, curves, strict=True):
            ax.plot(N[:n], shown[:n], marker, color=colour, ms=5, label=f"{label}: spectrum")
            ax.plot(N[n:], shown[n:], marker, color=colour, mfc="none", ms=5,
                    label=f"{label}: fit")  # fmt: skip
            ax.plot(N, prediction, "--", color=colour, lw=1, label=f"{label}: linear noise")
    texts = (r"$N\Gamma$ (flip rates)", r"$\omega\,/\,\omega_{\rm mean\ field}$",
             r"quality factor $\omega/(2\Gamma)$")  # fmt: skip
    for ax, text in zip(axes, texts, strict=True):
        ax.set(xscale="log", xlabel="number of spins $N$", ylabel=text)
        ax.set_xticks([8, 16, 32, 64, 128], ["8", "16", "32", "64", "128"])
        ax.minorticks_off()
    axes[0].set_ylim(0, None)
    axes[2].set_yscale("log")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
