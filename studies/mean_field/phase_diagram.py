"""The (T, Ω) phase diagram of one retrieval channel, with all lines, checked by integration.

Question: which states are stable at a temperature and a transverse field, and where do cycles
begin and end?

Lines: pitchfork and Hopf in closed form, fold of cycles and homoclinic orbits by shooting
(`th.RetrievalChannel`). Beside them the equations themselves, on a grid: orbits from far outside
tell whether a cycle is stable, and orbits from next to the retrieval point whether it is. At zero
temperature the lines are those of the sign function.

Command: python studies/mean_field/phase_diagram.py [--plot-only]
Run time: about 3 minutes, one thread.

Integration: fourth-order Runge-Kutta steps of all points at once, without any code of tnhop.
A point whose orbits have not settled is marked undecided; so are those where the deviation from
the retrieval point, 1e-4 at the start, has changed by less than a factor of two. `separation` is
the distance of the nearest line in Ω.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, labelled, legend_outside, main, panels, title

PHASES = ("paramagnet", "retrieval", "coexistence", "cycle")
SHADES = ("#F2F2F2", "#CFE3F2", "#B7DCC9", "#F8DEC5")
LINES = {"pitchfork": "-", "hopf": "--", "homoclinic": ":", "fold": "-."}
LABELS = {"pitchfork": r"$\Omega_P$ pitchfork", "hopf": r"$\Omega_H$ Hopf",
          "homoclinic": r"$\Omega_{hom}$ homoclinic",
          "fold": r"$\Omega_{SN}$ fold of cycles"}  # fmt: skip


@dataclass(frozen=True)
class Params:
    """Temperatures of the lines; the grid; lengths of orbits; the orbits that are drawn."""

    n_lines: int = 40
    lowest: float = 0.02
    grid: tuple[int, int] = (24, 24)
    hottest: float = 1.2
    strongest: float = 1.2
    final_time: float = 1500.0
    step: float = 0.02
    shown: tuple[tuple[float, float], ...] = ((0.8, 0.35), (0.5, 0.25), (0.5, 0.316), (0.5, 0.45))
    shown_time: float = 40.0

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_lines=2, lowest=0.3, grid=(3, 4), final_time=200.0, step=0.05)


def velocity(z: Any, y: Any, T: Any, Omega: Any) -> tuple[Any, Any]:
    """Right-hand sides of Eq. (69) of docs/physics.md."""
    return 2 * Omega * y + np.tanh(z / T) - z, -2 * Omega * z - y / 2


def advance(z: Any, y: Any, T: Any, Omega: Any, dt: float) -> tuple[Any, Any]:
    """One step of the fourth-order Runge-Kutta method."""
    a = velocity(z, y, T, Omega)
    b = velocity(z + dt / 2 * a[0], y + dt / 2 * a[1], T, Omega)
    c = velocity(z + dt / 2 * b[0], y + dt / 2 * b[1], T, Omega)
    d = velocity(z + dt * c[0], y + dt * c[1], T, Omega)
    return (z + dt / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0]),
            y + dt / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1]))  # fmt: skip


def retrieval_point(T: Any, Omega: Any) -> Any:
    """Solve z (1 + 8 Ω²) = tanh(z/T), z > 0, by bisection; 0 where there is no solution."""
    stretch = 1 + 8 * Omega**2
    low, high = np.full(T.shape, 1e-6), np.ones(T.shape)
    for _ in range(60):
        z = (low + high) / 2
        above = np.tanh(z / T) > stretch * z
        low, high = np.where(above, z, low), np.where(above, high, z)
    return np.where(T * stretch < 1, low, 0.0)


def observed(p: Params, T: Any, Omega: Any) -> Any:
    """Phases found by integration, shape of T; -1 where undecided."""
    steps = round(p.final_time / p.step)
    window = round(100 / p.step)
    point = retrieval_point(T, Omega)
    z, y = np.zeros(T.shape), np.full(T.shape, 2.5)  # from outside
    r, s = point + 1e-4, -4 * Omega * point  # from next to retrieval
    top, bottom = np.full((2, *T.shape), -np.inf), np.full((2, *T.shape), np.inf)
    early, away = np.zeros(T.shape), np.zeros(T.shape)
    for k in range(steps):
        z, y = advance(z, y, T, Omega, p.step)
        r, s = advance(r, s, T, Omega, p.step)
        late = int(k >= steps - window)
        if k >= steps - 2 * window:
            top[late], bottom[late] = np.maximum(top[late], z), np.minimum(bottom[late], z)
        if k < window or k >= steps - window:
            distance = np.hypot(r - point, s + 4 * Omega * point)
            early = np.maximum(early, distance) if k < window else early
            away = np.maximum(away, distance) if k >= steps - window else away
    size = top - bottom
    cycles = (size[1] > 1e-3) & (bottom[1] < 0) & (top[1] > 0)
    settled = np.where(cycles, np.abs(size[1] - size[0]) < 1e-4, size[1] < 1e-4)
    left = (point > 0) & ((away > 2 * early) | (away > 0.01))
    kept = (point > 0) & (away < early / 2) & ~left
    settled &= kept | left | (point == 0)
    phase = np.where(cycles, np.where(kept, 2, 3), np.where(kept, 1, 0))
    return np.where(settled, phase, -1)


def lines(temperatures: Any) -> dict[str, Any]:
    """All four lines; NaN where there is none, infinite at T = 0."""
    channels = [th.RetrievalChannel(float(T)) for T in temperatures]
    return {name: np.array([getattr(channel, name) for channel in channels]) for name in LINES}


def compute(p: Params) -> xr.Dataset:
    """Lines, predicted and observed phases on the grid, and some orbits."""
    cold = np.concatenate([[0.0], np.linspace(p.lowest, 2 / 3 - 1e-3, p.n_lines), [0.8, 1.0]])
    found = lines(cold)
    T = np.linspace(0.05, p.hottest, p.grid[0]) + 1e-3
    fields = np.linspace(0.03, p.strongest, p.grid[1])
    channels = [th.RetrievalChannel(float(t)) for t in T]
    predicted = np.array([[PHASES.index(c.phase(float(f))) for f in fields] for c in channels])
    at = np.array([[getattr(c, name) for name in LINES] for c in channels])
    distance = np.nanmin(np.abs(at[:, None] - fields[None, :, None]), axis=2, initial=10.0)
    seen = observed(p, *np.meshgrid(T, fields, indexing="ij"))
    orbits, times = sample_orbits(p)
    variables = {name: (("temperature",), values, "single-spin flip rate", f"line {name}")
                 for name, values in found.items()}  # fmt: skip
    variables |= {
        "predicted": (("T", "Omega"), predicted, "1", f"phase by the lines: {PHASES}"),
        "observed": (("T", "Omega"), seen, "1", "phase by integration, -1 undecided"),
        "separation": (("T", "Omega"), distance, "single-spin flip rate", "distance of a line"),
        "orbit": (("case", "start", "time", "variable"), orbits, "1", "z and y"),
    }
    coords = {"temperature": cold, "T": T, "Omega": fields, "time": times, "variable": ["z", "y"],
              "case": [f"T = {a:g}, Ω = {b:g}" for a, b in p.shown]}  # fmt: skip
    data = labelled(p, "mean-field phase diagram of one retrieval channel", variables, coords)
    clear = seen >= 0
    data.attrs |= {
        "points": int(seen.size), "decided": int(clear.sum()),
        "different": int((clear & (seen != predicted)).sum()),
        "largest_separation_undecided": float(distance[~clear].max(initial=0.0)),
    }  # fmt: skip
    return data


def sample_orbits(p: Params) -> tuple[Any, Any]:
    """Orbits from three starts for every shown point."""
    T, Omega = (np.array(values)[:, None] for values in zip(*p.shown, strict=True))
    near = 0.93 * retrieval_point(T, Omega)[:, 0]
    near = np.where(near > 0, near, -0.5)
    z = np.stack([0 * near + 0.02, 0 * near + 0.9, near], axis=1)
    y = np.stack([0 * near, 0 * near + 0.5, -4 * Omega[:, 0] * near], axis=1)
    path = [np.stack([z, y], axis=-1)]
    steps = round(p.shown_time / p.step)
    for k in range(steps):
        z, y = advance(z, y, T, Omega, p.step)
        if k % 5 == 4:
            path.append(np.stack([z, y], axis=-1))
    return np.moveaxis(np.array(path), 0, 2), 5 * p.step * np.arange(len(path))


def plot(data: xr.Dataset) -> Figure:
    """The diagram, its corner with coexistence, and orbits."""
    figure, axes = panels(2, 3, (11.5, 7))
    for ax, (width, low, high) in zip(
        axes[0, :2], ((1.22, 0, 1.22), (0.68, 0.2, 0.85)), strict=True
    ):
        _diagram(ax, data)
        ax.set(xlim=(0, width), ylim=(low, high), xlabel="temperature $T$",
               ylabel=r"transverse field $\Omega$")  # fmt: skip
    title(axes[0, 0], "phases; dots: integration")
    title(axes[0, 1], "cycle and retrieval coexist")
    for ax, case in zip([axes[0, 2], *axes[1]], data.case.values, strict=False):
        orbits = data.orbit.sel(case=case)
        for start, colour in zip(orbits, COLOURS, strict=False):
            ax.plot(start.sel(variable="z"), start.sel(variable="y"), color=colour, lw=1)
            ax.plot(*start.isel(time=0), "o", color=colour, ms=4)
        ax.set(xlabel="$z$ (overlap)", ylabel="$y$")
        title(ax, str(case))
    legend_outside(figure, [axes[0, 0]], 5)
    return figure


def _diagram(ax: Any, data: xr.Dataset) -> None:
    T = data.temperature.values
    cold = T < 2 / 3
    hopf, fold = (
        np.where(np.isfinite(data[n][cold]), data[n][cold], 9.0) for n in ("hopf", "fold")
    )
    fine = np.concatenate([[1e-3], np.linspace(0.01, 1.0, 300)])
    above = np.sqrt((1 / fine - 1) / 8)
    ax.fill_between([0, 1.3], 0, 9, color=SHADES[0], lw=0)
    ax.fill_between(fine, 0, above, color=SHADES[1], lw=0)
    ax.fill_between([0, 2 / 3], 0.25, 9, color=SHADES[3], lw=0)
    ends = [np.append(values, 0.25) for values in (fold, hopf)]
    cool = np.append(T[cold], 2 / 3)
    ax.fill_between(cool, 0, ends[0], color=SHADES[1], lw=0)
    ax.fill_between(cool, ends[0], ends[1], color=SHADES[2], lw=0)
    ax.plot(fine, above, "k-", lw=1.2, label=LABELS["pitchfork"])
    ax.plot([2 / 3, 2 / 3], [0.25, 9], "k", lw=1.2, dashes=(1, 1), label="Hopf of the paramagnet")
    for name, colour in zip(("hopf", "homoclinic", "fold"), COLOURS, strict=False):
        ax.plot(np.append(T[cold], 2 / 3), np.append(data[name][cold], 0.25), LINES[name],
                color=colour, lw=1.4, label=LABELS[name])  # fmt: skip
    grid = np.stack(np.meshgrid(data["T"], data["Omega"], indexing="ij"), -1).reshape(-1, 2)
    seen = data.observed.values.ravel()
    marks = (("0.55", "."), (COLOURS[0], "."), (COLOURS[2], "."), (COLOURS[1], "."))
    for phase, (colour, mark) in enumerate(marks):
        ax.plot(*grid[seen == phase].T, mark, color=colour, ms=3)
    ax.plot(*grid[seen < 0].T, "x", color="k", ms=4)
    for text, at in (("paramagnet", (0.9, 0.9)), ("retrieval", (0.4, 0.12)), ("cycle", (0.35, 1.0)),
                     ("cycle", (0.45, 0.7)), ("retrieval", (0.2, 0.3))):  # fmt: skip
        ax.text(*at, text, fontsize="small", ha="center", clip_on=True,
                bbox={"color": "white", "alpha": 0.7, "pad": 1})  # fmt: skip


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
