"""Correction of wrong bits by Dicke models, with decay of single spins and for two patterns.

Question: does the overlap with the pattern ever exceed that of the corrupted start?

The start is the first pattern with a quarter of its bits wrong, the modes displaced as they would
be after following these spins. All spins of a class (equal ξ in all patterns, up to a sign) see
the same modes. Without single-spin jumps mean field therefore keeps the length of the mean Bloch
vector of every class, and finite N keeps the distribution of its total spin J: the overlap cannot
exceed Σ w_J 2J/N, and the whole pattern cannot be found with more than the weight of the largest
spins. Single-spin decay towards the ground state of the transverse field, |-x⟩, lifts both bounds.

Command: python studies/beyond_mean_field/dicke_single_spin_decay.py [--plot-only]
Run time: 3 to 5 minutes, one thread.

One pattern and two orthogonal ones, `th.Symmetric` (the largest case `th.TDVP`) beside
`th.MeanField`. Two patterns are two networks of half the size, if their modes are equal: then
(a_1 ± a_2)/√2 couple to one class each, with g/√(N/2). Observables are symmetric in the classes:
it does not matter which bits of a class are wrong. See `dicke_error_correction` for dephasing
instead of decay, and for longer times.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import comb

import _study as st
import numpy as np
import xarray as xr
from _flip_rates import Bath
from matplotlib.figure import Figure

import tnhop as th


@dataclass(frozen=True)
class Params:
    """Couplings and rates; cases (patterns, spins, wrong bits, Fock levels, decay); the scan."""

    g: float = 1.0
    omega: float = 1.0
    loss: float = 2.0
    Omega: float = 0.2
    cases: tuple[tuple[int, int, int, int, float], ...] = (
        (1, 4, 1, 14, 0.0), (1, 8, 2, 18, 0.0), (1, 12, 3, 23, 0.0), (2, 4, 1, 10, 0.0),
        (1, 4, 1, 14, 0.05), (1, 8, 2, 18, 0.05), (2, 4, 1, 10, 0.05),
    )  # fmt: skip
    tdvp_case: tuple[int, int, int, int, float] = (2, 8, 2, 12, 0.05)
    tdvp_bond: int = 96
    tdvp_time: float = 15.0
    scanned: tuple[int, int, int, int] = (1, 8, 2, 18)
    decays: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    bound_sizes: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    time: float = 30.0
    n_times: int = 61

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(cases=((1, 4, 1, 10, 0.0), (2, 2, 1, 8, 0.0), (1, 4, 1, 10, 0.05)),
                   tdvp_case=(2, 4, 1, 8, 0.05), tdvp_bond=16, tdvp_time=0.4,
                   scanned=(1, 2, 1, 8), decays=(0.1,), bound_sizes=(2, 4), time=3.0,
                   n_times=7)  # fmt: skip


def network(p: Params, n_patterns: int, n_spins: int, levels: int, decay: float) -> th.Model:
    """Dicke model of orthogonal patterns, with decay of every spin to |-x⟩."""
    xi = th.orthogonal_patterns(n_patterns=n_patterns, n_spins=n_spins)
    g = th.pattern_couplings(xi, p.g)
    model = th.multimode_dicke(g, omega=p.omega, Omega=p.Omega, loss=p.loss, fock_dim=levels,
                               patterns=xi, n_spins=n_spins)  # fmt: skip
    lowered = (0.5 * (th.sigma("z")(i) + 1j * th.sigma("y")(i)) for i in range(n_spins))
    extra = tuple(th.Jump(np.sqrt(decay) * each) for each in lowered) if decay else ()
    return replace(model, jumps=model.jumps + extra)


def corrupted(p: Params, model: th.Model, wrong: int) -> th.ProductState:
    """First pattern with wrong bits, modes displaced by these spins."""
    spins = model.patterns[0].astype(float)
    spins[:wrong] *= -1
    bath = Bath(th.pattern_couplings(model.patterns, p.g), p.omega, p.loss)
    return th.product_state(model, spins=spins, alpha=bath.amplitudes(spins))


def run(p: Params, case: tuple[int, int, int, int, float]) -> dict[str, np.ndarray]:
    """Return ⟨m⟩, its mean-field value, √⟨m²⟩, P(m = 1) over time and the Fock tail."""
    *shape, levels, decay = case
    model = network(p, shape[0], shape[1], levels, decay)
    start, times = corrupted(p, model, shape[2]), np.linspace(0, p.time, p.n_times)
    names = ["m_z", "overlap_distribution", "overlap_moments", "photon_distribution"]
    found = th.evolve(model, start, times, observables=names, progress=False,
                      method=th.Symmetric(tolerance=1e-6)).expect  # fmt: skip
    limit = th.evolve(model, start, times, observables=["m_z"], method=th.MeanField(),
                      progress=False).expect  # fmt: skip
    return {
        "m": found["m_z"][:, 0], "m_mean_field": limit["m_z"][:, 0],
        "rms": np.sqrt(found["overlap_moments"][:, 0, 1]),
        "P": found["overlap_distribution"][:, 0, -1],
        "tail": found["photon_distribution"][..., levels - 1].max(),
    }  # fmt: skip


def run_tdvp(p: Params) -> tuple[np.ndarray, ...]:
    """Return times, ⟨m⟩ with its error bar, and the mean-field value of the largest case."""
    *shape, levels, decay = p.tdvp_case
    model = network(p, shape[0], shape[1], levels, decay)
    start, times = corrupted(p, model, shape[2]), np.linspace(0, p.tdvp_time, 31)
    method = th.TDVP(epsilon=0.5, max_bond=p.tdvp_bond, dt=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)  # the bar says it
        found = th.evolve(model, start, times, observables=["m_z"], method=method, progress=False)
    limit = th.evolve(model, start, times, observables=["m_z"], method=th.MeanField(),
                      progress=False)  # fmt: skip
    return (times, found.expect["m_z"][:, 0], found.errors["m_z"][:, 0],
            limit.expect["m_z"][:, 0])  # fmt: skip


def spin_weights(n_spins: int, wrong: int) -> np.ndarray:
    """Weights of the total spins N/2, N/2 - 1, ... in a z-polarised class with wrong bits."""
    k = min(wrong, n_spins - wrong)
    paths = [comb(n_spins, j) - (comb(n_spins, j - 1) if j else 0) for j in range(k + 1)]
    return np.array([float(n) for n in paths]) / comb(n_spins, k)


def bounds(n_spins: int, wrong: int) -> tuple[float, float]:
    """Largest ⟨m⟩ and P(m = 1) of one class that keep the distribution of its total spin."""
    w = spin_weights(n_spins, wrong)
    return float(w @ (1 - 2 * np.arange(len(w)) / n_spins)), float(w[0])


def compute(p: Params) -> xr.Dataset:
    """Curves of all cases, the scan over the decay, and the bounds."""
    found = [run(p, case) for case in p.cases]
    scan = [run(p, (*p.scanned, decay)) for decay in p.decays]
    times, m, bar, limit = run_tdvp(p)
    best = np.array([bounds(N, N // 4 if N > 2 else 1) for N in p.bound_sizes])
    at, scanned = ("case", "time"), ("decay",)
    variables = {
        "m": (at, [f["m"] for f in found], "1", "overlap ⟨m⟩ with the first pattern"),
        "m_mean_field": (at, [f["m_mean_field"] for f in found], "1", "the same in mean field"),
        "rms_overlap": (at, [f["rms"] for f in found], "1", "√⟨m²⟩"),
        "whole": (at, [f["P"] for f in found], "1", "probability that all bits are right"),
        "fock_tail": ("case", [f["tail"] for f in found], "1", "population of the highest level"),
        "fock_tail_scan": (scanned, [f["tail"] for f in scan], "1", "the same in the scan"),
        "m_tdvp": ("time_tdvp", m, "1", "⟨m⟩ of the largest case, TDVP"),
        "m_tdvp_bar": ("time_tdvp", bar, "1", "its error bar"),
        "m_tdvp_mean_field": ("time_tdvp", limit, "1", "the same in mean field"),
        "final_scan": (scanned, [f["m"][-1] for f in scan], "1", "⟨m⟩ at the final time"),
        "final_scan_mean_field": (scanned, [f["m_mean_field"][-1] for f in scan], "1",
                                  "the same in mean field"),
        "rms_scan": (scanned, [f["rms"][-1] for f in scan], "1", "√⟨m²⟩ at the final time"),
        "whole_scan": (scanned, [f["P"].max() for f in scan], "1", "largest P(all bits right)"),
        "largest_overlap": ("bound_size", best[:, 0], "1", "bound on ⟨m⟩ without decay"),
        "largest_whole": ("bound_size", best[:, 1], "1", "bound on P(all bits right)"),
    }  # fmt: skip
    coords = {
        "case": [f"{'one pattern' if M == 1 else 'two patterns'}, N = {N}"
                 for M, N, *_ in p.cases],
        "case_decay": ("case", [case[-1] for case in p.cases]),
        "case_patterns": ("case", [case[0] for case in p.cases]),
        "case_spins": ("case", [case[1] for case in p.cases]),
        "time": ("time", np.linspace(0, p.time, p.n_times), {"units": "inverse mode frequency"}),
        "time_tdvp": times, "decay": list(p.decays), "bound_size": list(p.bound_sizes),
    }  # fmt: skip
    data = st.labelled(p, "correction of wrong bits in Dicke models", variables, coords)
    data.attrs.update(
        scanned_start=1 - 2 * p.scanned[2] / p.scanned[1],
        scanned_size=p.scanned[1],
        tdvp_case=list(p.tdvp_case),
    )
    return data


def plot(data: xr.Dataset) -> Figure:
    """Overlap without and with decay, whole patterns, √⟨m²⟩, the scan, and the bounds."""
    figure, axes = st.panels(2, 3, (12, 7))
    kept, decaying = data.case_decay.values == 0, data.case_decay.values > 0
    for ax, chosen, text in ((axes[0, 0], kept, "no decay"), (axes[0, 1], decaying, "decay")):
        _draw_over_time(ax, data, chosen, "m")
        _draw_over_time(ax, data, chosen, "m_mean_field", style="--")
        rate = data.case_decay.values[chosen].max()
        st.title(ax, f"{text}{f' {rate:g}' if rate else ''}; dashed: mean field")
        ax.set(ylabel=r"overlap $\langle m\rangle$", ylim=(-0.05, 1))
    ax = axes[0, 1]
    M, N, *_ = data.attrs["tdvp_case"]
    ax.plot(data.time_tdvp[::2], data.m_tdvp[::2], "k.", ms=5,
            label=f"{'one pattern' if M == 1 else 'two patterns'}, N = {int(N)} (TDVP)"
            )  # fmt: skip
    axes[0, 0].legend(fontsize="x-small", frameon=False)
    handles = [line for line in ax.get_lines() if "TDVP" in line.get_label()]
    ax.legend(handles=handles, fontsize="x-small", frameon=False)
    for name, ax in (("whole", axes[0, 2]), ("rms_overlap", axes[1, 0])):
        _draw_over_time(ax, data, kept, name, style=":")
        _draw_over_time(ax, data, decaying, name)
        st.title(ax, "dotted: no decay; full: decay")
    axes[0, 2].set(ylabel="$P$(all bits right)", ylim=(0, None))
    axes[1, 0].set(ylabel=r"$\sqrt{\langle m^2\rangle}$", ylim=(0, 1))
    ax, N = axes[1, 1], data.attrs["scanned_size"]
    for name, label, style, colour in (
        ("final_scan", r"$\langle m\rangle$", "o-", st.COLOURS[0]),
        ("final_scan_mean_field", r"$\langle m\rangle$, mean field", "--", "k"),
        ("rms_scan", r"$\sqrt{\langle m^2\rangle}$", "s-", st.COLOURS[1]),
        ("whole_scan", "largest $P$(all bits right)", "^-", st.COLOURS[2]),
    ):
        ax.plot(data.decay, data[name], style, color=colour, ms=4, lw=1.2, label=label)
    ax.axhline(data.attrs["scanned_start"], color="0.6", lw=0.8)
    st.title(ax, f"one pattern, N = {N}, at the final time")
    ax.set(xlabel=r"decay rate of a spin ($\omega$)", ylabel="overlaps and $P$", ylim=(0, 1))
    ax.legend(fontsize="x-small", frameon=False)
    ax = axes[1, 2]
    ax.loglog(data.bound_size, data.largest_overlap - 0.5, "o-", ms=4, color=st.COLOURS[0],
              label=r"gain of $\langle m\rangle$ over 1/2")  # fmt: skip
    ax.loglog(data.bound_size, np.maximum(data.largest_whole, 1e-12), "s-", ms=4,
              color=st.COLOURS[1], label="$P$(all bits right)")  # fmt: skip
    st.title(ax, "largest possible without decay")
    ax.set(xlabel="number of spins $N$, a quarter wrong", ylabel="bounds", ylim=(1e-8, 1))
    ax.legend(fontsize="x-small", frameon=False)
    return figure


def _draw_over_time(ax: object, data: xr.Dataset, chosen: np.ndarray, name: str,
                    style: str = "-") -> None:  # fmt: skip
    shades: dict[str, str] = {}
    for case in data.case.values:
        shades.setdefault(str(case), st.COLOURS[len(shades)])
    for k in np.flatnonzero(chosen):
        case = str(data.case.values[k])
        ax.plot(data.time, data[name][k], style, color=shades[case], lw=1.2, label=case if
                style == "-" else None)  # fmt: skip
    ax.set(xlabel=r"time $t$ ($1/\omega$)")


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
