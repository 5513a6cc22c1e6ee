"""Spins in lossy modes as classical spins that flip with rates W.

Question: when is the classical master equation right, and where does it fail?

Without transverse field the modes record the configuration of the spins and dephase all others.
To second order in Ω a spin then flips with the rate W, an integral over the correlation function
of the modes (see `_flip_rates`), and configurations obey a classical master equation. Measured is
the largest difference between its ⟨σᶻ⟩ and that of the whole model (`th.Exact`) over three inverse
escape rates of the start (all spins up, modes relaxed), against Ω and against the loss.

Command: python studies/beyond_mean_field/dicke_strong_dissipation.py [--plot-only]
Run time: about 2 minutes, one thread.

Rows of g are pairwise different, except in the last panel: there two spins have the same coupling,
the modes cannot tell which of them flipped, and the flips are collective.
"""

from __future__ import annotations

from dataclasses import dataclass

import _study as st
import numpy as np
import xarray as xr
from _flip_rates import Bath, classical_spins, rate_matrix
from matplotlib.figure import Figure
from scipy.linalg import expm

import tnhop as th

TIME_UNIT = "inverse mode frequency"


@dataclass(frozen=True)
class Params:
    """Systems (couplings, Fock levels, fields) at one loss; the scans; the identical spins."""

    omega: float = 1.0
    loss: float = 2.0
    systems: tuple[tuple[tuple[tuple[float, ...], ...], int, float], ...] = (
        # couplings of every mode, Fock levels, smallest field
        (((0.5, 0.4),), 12, 0.0125),
        (((0.5, 0.3, 0.8),), 16, 0.025),
        (((0.5, 0.4), (0.3, -0.45)), 8, 0.05),
        (((0.5, 0.35, 0.2), (0.25, -0.4, 0.55)), 7, 0.1),
    )
    fields: tuple[float, ...] = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
    shown_fields: tuple[float, ...] = (0.05, 0.2)
    losses: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    scan_field: float = 0.05
    spectrum_loss: float = 1.2
    spectrum_gain: float = 0.2
    spectrum_fields: tuple[float, ...] = (0.01, 0.02, 0.04, 0.08)
    spectrum_levels: int = 15
    same_coupling: float = 0.6
    same_field: float = 0.02
    same_levels: int = 14
    escapes: float = 3.0
    n_times: int = 61

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(systems=((((0.5, 0.4),), 8, 0.05),), fields=(0.1, 0.2), shown_fields=(0.1,),
                   losses=(2.0, 4.0), spectrum_fields=(0.02,), spectrum_levels=8,
                   same_field=0.05, same_levels=8, n_times=11)  # fmt: skip


def whole(bath: Bath, Omega: float, fock_dim: int) -> th.Model:
    """Spins and modes."""
    return th.multimode_dicke(bath.g, omega=bath.omega, Omega=Omega, loss=bath.loss,
                              gain=bath.gain, fock_dim=fock_dim, n_spins=bath.g.shape[1],
                              patterns=np.ones((1, bath.g.shape[1])))  # fmt: skip


def evolved(bath: Bath, Omega: float, levels: int, spins: np.ndarray, times: np.ndarray,
            name: str) -> np.ndarray:  # fmt: skip
    """Return an observable of the whole model over time, modes relaxed at the start."""
    model = whole(bath, Omega, levels)
    start = th.product_state(model, spins=spins, alpha=bath.amplitudes(spins))
    result = th.evolve(model, start, times, observables=[name], method=th.Exact(tolerance=1e-7),
                       progress=False)  # fmt: skip
    return result.expect[name]


def compared(p: Params, bath: Bath, Omega: float, levels: int) -> tuple[np.ndarray, ...]:
    """Return times, ⟨σᶻ⟩ of the whole model and of the master equation."""
    R, spins = rate_matrix(bath), np.ones(bath.g.shape[1])
    times = np.linspace(0, p.escapes / (Omega**2 * -R[0, 0]), p.n_times)
    exact = evolved(bath, Omega, levels, spins, times, "sigma_z")
    return times, exact, classical_spins(Omega**2 * R, spins, times)


def discrepancy(p: Params, bath: Bath, Omega: float, levels: int) -> float:
    """Largest difference of ⟨σᶻ⟩, over spins and times."""
    _, exact, classical = compared(p, bath, Omega, levels)
    return float(np.abs(exact - classical).max())


def slowest(bath: Bath, Omega: float, levels: int) -> float:
    """Slowest rate of the whole generator, over Ω²."""
    spectrum = th.liouvillian_spectrum(whole(bath, Omega, levels), 2, method="Exact")
    return float(-spectrum.eigenvalues[1].real / Omega**2)


def identical(p: Params, spins: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return ⟨σᶻσᶻ⟩ of two identical spins: whole model, independent and collective flips."""
    bath = Bath(np.full((1, 2), p.same_coupling), p.omega, p.loss)
    part, align = (bath.flip_rate(np.array([1.0, s]), 0) for s in (1, -1))
    exact = evolved(bath, p.same_field, p.same_levels, spins, times, "sigma_zz")[:, 0, 1]
    aligned = spins[0] == spins[1]
    # aligned and opposite; a triplet is twice as fast to align, a singlet never does
    rates = np.array([[-2 * part, 2 * align], [2 * part, -2 * align]]) * p.same_field**2
    faster = rates * np.array([1, 2])
    start, singlet = np.array([aligned, not aligned], dtype=float), 0.0 if aligned else 0.5
    independent = [np.array([1, -1]) @ expm(rates * t) @ start for t in times]
    collective = [(1 - singlet) * np.array([1, -1]) @ expm(faster * t) @ start - singlet
                  for t in times]  # fmt: skip
    return exact, np.array(independent), np.array(collective)


def compute(p: Params) -> xr.Dataset:
    """Scans over field and loss, slow rates, and identical spins."""
    baths = [Bath(np.array(g), p.omega, p.loss) for g, _, _ in p.systems]
    error = np.array(
        [
            [
                discrepancy(p, bath, Omega, levels) if Omega >= smallest else np.nan
                for Omega in p.fields
            ]
            for bath, (_, levels, smallest) in zip(baths, p.systems, strict=True)
        ]
    )
    curves = [compared(p, baths[0], Omega, p.systems[0][1]) for Omega in p.shown_fields]
    scaled = np.array([Omega**2 * c[0] for Omega, c in zip(p.shown_fields, curves, strict=True)])
    g, levels = np.array(p.systems[0][0]), p.systems[0][1]
    scans = [[Bath(g * factor(loss), p.omega, loss) for loss in p.losses]
             for factor in (lambda _: 1.0, lambda loss: np.sqrt(loss / p.loss))]  # fmt: skip
    by_loss = [[discrepancy(p, bath, p.scan_field, levels) for bath in row] for row in scans]
    escape = [[-rate_matrix(bath).diagonal().min() for bath in row] for row in scans]
    dephasing = [[bath.dephasing() for bath in row] for row in scans]
    bath = Bath(g, p.omega, p.spectrum_loss, p.spectrum_gain)
    slow = [slowest(bath, Omega, p.spectrum_levels) for Omega in p.spectrum_fields]
    classical = np.sort(-np.linalg.eigvals(rate_matrix(bath)).real)[1]
    times = np.linspace(0, 2.5 / p.same_field**2, p.n_times)
    same = np.array([identical(p, np.array([1.0, s]), times) for s in (1, -1)])
    variables = {
        "discrepancy": (("system", "Omega"), error, "1", "largest difference of ⟨σᶻ⟩ over time"),
        "sigma_z": (("shown", "step", "spin"), [c[1] for c in curves], "1", "⟨σᶻ⟩"),
        "sigma_z_classical": (("step", "spin"), curves[0][2], "1", "the same from the rates W"),
        "scaled_time": ("step", scaled[0], TIME_UNIT, "Ω² t, in units of ω"),
        "discrepancy_loss": (("scaling", "loss"), by_loss, "1", "largest difference of ⟨σᶻ⟩"),
        "escape_rate": (("scaling", "loss"), escape, TIME_UNIT,
                        "fastest escape from a configuration, ΣW/Ω²"),
        "dephasing": (("scaling", "loss"), dephasing, "mode frequency",
                      "slowest dephasing of configurations one or two flips apart"),
        "slow_rate": ("Omega_spectrum", slow, TIME_UNIT, "slowest rate of the model, over Ω²"),
        "slow_rate_classical": ((), classical, TIME_UNIT, "the same of the master equation"),
        "sigma_zz": (("start", "kind", "time"), same, "1", "⟨σᶻσᶻ⟩ of two identical spins"),
    }  # fmt: skip
    coords = {
        "Omega": list(p.fields), "shown": list(p.shown_fields), "loss": list(p.losses),
        "scaling": ["g fixed", "g ∝ √γ"], "Omega_spectrum": list(p.spectrum_fields),
        "system": [f"N = {b.g.shape[1]}, M = {len(b.g)}" for b in baths],
        "start": ["up up", "up down"], "kind": ["whole model", "independent", "collective"],
        "time": ("time", times, {"units": TIME_UNIT}),
    }  # fmt: skip
    data = st.labelled(p, "validity of the classical flip rates", variables, coords)
    data.attrs.update(same_field=p.same_field, scan_field=p.scan_field, shown_loss=p.loss)
    return data


def plot(data: xr.Dataset) -> Figure:
    """Curves over time, discrepancies against field and loss, identical spins."""
    figure, axes = st.panels(2, 2, (10, 7.4))
    _draw_curves(axes[0, 0], data)
    ax = axes[0, 1]
    for system, colour, marker in zip(data.system.values, st.COLOURS, st.MARKERS, strict=False):
        ax.loglog(data.Omega, data.discrepancy.sel(system=system), marker=marker, color=colour,
                  ms=4, lw=1.2, label=system)  # fmt: skip
    Omega = data.Omega.values[: max(2, len(data.Omega) - 2)]
    ax.loglog(Omega, 5 * Omega**2, "k:", lw=1, label=r"$\propto\Omega^2$")
    st.title(ax, f"γ = {data.attrs['shown_loss']:g}")
    ax.set(
        xlabel=r"transverse field $\Omega/\omega$",
        ylabel=r"largest error of $\langle\sigma^z\rangle$",
    )
    ax.set_xticks(
        data.Omega.values, [f"{Omega:g}" for Omega in data.Omega.values], fontsize="small"
    )
    ax.set_xticks([], minor=True)
    ax.legend(fontsize="x-small", frameon=False)
    ax = axes[1, 0]
    for kind, colour, marker in zip(data.scaling.values, st.COLOURS, st.MARKERS, strict=False):
        part = data.sel(scaling=kind)
        ratio = data.attrs["scan_field"] ** 2 * part.escape_rate / part.dephasing
        ax.loglog(data.loss, part.discrepancy_loss, marker=marker, color=colour, ms=4, lw=1.2,
                  label=kind)  # fmt: skip
        ax.loglog(data.loss, ratio, ":", color=colour, lw=1.2, label="fastest escape / dephasing")
    st.title(ax, f"N = 2, M = 1, Ω = {data.attrs['scan_field']:g}")
    ax.set(xlabel=r"loss $\gamma/\omega$", ylabel=r"largest error of $\langle\sigma^z\rangle$")
    ax.legend(fontsize="x-small", frameon=False)
    _draw_identical(axes[1, 1], data)
    return figure


def _draw_curves(ax: object, data: xr.Dataset) -> None:
    for k in range(data.sizes["spin"]):
        for Omega, colour in zip(data.shown.values, st.COLOURS, strict=False):
            ax.plot(data.scaled_time, data.sigma_z.sel(shown=Omega)[:, k], "-" if k else "--",
                    color=colour, lw=1.2, label=f"spin {k + 1}, Ω = {Omega:g}")  # fmt: skip
        ax.plot(data.scaled_time, data.sigma_z_classical[:, k], "k-" if k else "k--", lw=0.8,
                label=f"spin {k + 1}, rates W")  # fmt: skip
    st.title(ax, f"{data.system.values[0]}, γ = {data.attrs['shown_loss']:g}")
    ax.set(xlabel=r"$\Omega^2 t$", ylabel=r"$\langle\sigma^z\rangle$")
    ax.legend(fontsize="x-small", frameon=False)


def _draw_identical(ax: object, data: xr.Dataset) -> None:
    styles = {"whole model": ("-", 2.2), "independent": ("--", 1.2), "collective": (":", 1.6)}
    for start, colour in zip(data.start.values, st.COLOURS, strict=False):
        for kind, (style, width) in styles.items():
            shade = "k" if kind == "collective" else colour
            ax.plot(data.time * data.attrs["same_field"] ** 2,
                    data.sigma_zz.sel(start=start, kind=kind), style, color=shade, lw=width,
                    label=f"{start}: {kind}")  # fmt: skip
    st.title(ax, "two identical spins")
    ax.set(xlabel=r"$\Omega^2 t$", ylabel=r"$\langle\sigma^z_1\sigma^z_2\rangle$")
    ax.legend(fontsize="x-small", frameon=False, loc="lower right")


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
