"""Mean-field phases of the dense (n-body) network in the (T, Ω) plane, n = 3 and 4 beside n = 2.

Question: what is stable beside the paramagnet, which for n > 2 always is?

One pattern, so that one spin with the thermodynamic closure is the limit N → ∞:

    dz/dt = 2 Ω y + tanh(z^(n-1)/T) - z,    dy/dt = -2 Ω z - y/2.

Closed forms: the fold where retrieval appears, T (1 + 8 Ω²)^(n-1) = T*, and the Hopf line on which
b = (n-1) z^(n-2) (1 - u²)/T = 3/2. With τ = (T/T*)^(1/(n-1)) as temperature the fold is the same
curve for every n, and both lines meet at τ = 2/3, Ω = 1/4. Cycles: the fold where a stable one
appears, from the return map of the section dy/dt = 0 above retrieval.

Command: python studies/mean_field/dense_phase_diagram.py [--plot-only]
Run time: about 3 minutes, one thread.

Beside the lines the equations are integrated on a grid without any code of tnhop (fourth-order
Runge-Kutta). A point is undecided if an orbit has not settled at `final_time`. For n = 2 the lines
are those of `th.RetrievalChannel`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import brentq, minimize_scalar

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, RATE_UNIT, TIME_UNIT, labelled, legend_outside, main, panels, title

PHASES = ("paramagnet", "and retrieval", "and retrieval and cycle", "and cycle")
FATES = ("paramagnet", "retrieval", "cycle")
SHADES = ("#F2F2F2", "#CFE3F2", "#B7DCC9", "#F8DEC5")
_jit = numba.njit  # no cache: it would remember the name of the module


@dataclass(frozen=True)
class Params:
    """Degrees; lines; grid; integration; checks; basins and orbits that are drawn."""

    degrees: tuple[int, ...] = (3, 4)
    n_lines: int = 40
    n_near: int = 12
    coldest: float = 0.08
    hottest: float = 1.1
    grid: tuple[int, int] = (24, 24)
    strongest: float = 1.2
    final_time: float = 600.0
    step: float = 0.01
    checked: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6)
    checked_fields: tuple[float, ...] = (0.0, 0.1, 0.2)
    checked_cycles: tuple[float, ...] = (0.2, 0.4, 0.5)
    checked_channel: tuple[float, ...] = (0.1, 0.2, 0.5)
    fold_digits: float = 1e-9
    cycle_digits: float = 1e-8
    finite: tuple[int, ...] = (20, 40, 80)
    basin_tau: float = 0.3
    basin_fields: int = 49
    basin_starts: int = 8
    basin_time: float = 200.0
    shown: tuple[tuple[int, float, float], ...] = ((3, 0.3, 0.6), (4, 0.3, 0.51))
    shown_time: float = 60.0

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_lines=2, n_near=2, coldest=0.3, grid=(3, 3), final_time=100.0, step=0.04,
                   checked=(0.4,), checked_fields=(), checked_cycles=(), checked_channel=(),
                   cycle_digits=1e-3, finite=(4, 8), basin_fields=3, basin_starts=3,
                   shown_time=5.0)  # fmt: skip


def fold(n: int) -> tuple[float, float]:
    """Temperature T* of the fold without field, and u = (1 + 8 Ω²) z there.

    T_eff = u^(n-1)/artanh u has a maximum at (n-1) artanh u = u/(1 - u²); for n = 2 it is 1 at 0.
    """
    if n == 2:
        return 1.0, 0.0
    a = brentq(lambda a: (n - 1) * a - np.sinh(2 * a) / 2, 0.2, 20.0, xtol=1e-15)
    return float(np.tanh(a) ** (n - 1) / a), float(np.tanh(a))


def temperature(n: int, tau: Any) -> Any:
    """T of a reduced temperature τ."""
    return fold(n)[0] * tau ** (n - 1)


def fold_field(tau: Any) -> Any:
    """Field up to which retrieval exists; the same for every n."""
    return np.sqrt(np.maximum(1 / tau - 1, 0) / 8)


def hopf_point(n: int, u: float) -> tuple[float, float]:
    """(T, Ω) at which b = 3/2 for a retrieval state u."""
    a = np.arctanh(u)
    z = 2 / 3 * (n - 1) * a * (1 - u * u)
    return z ** (n - 1) / a, np.sqrt(max(u / z - 1, 0.0) / 8)


def hopf_field(n: int, tau: float) -> float:
    """Field up to which retrieval is stable; that of the fold for τ ≥ 2/3."""
    if tau >= 2 / 3:
        return float(fold_field(tau))
    T, low = temperature(n, tau), max(fold(n)[1], 1e-6)
    # u = tanh a, because 1 - u is tiny at low temperatures
    a = brentq(lambda a: np.log(hopf_point(n, np.tanh(a))[0] / T), np.arctanh(low), 16.0)
    return float(hopf_point(n, np.tanh(a))[1])


def fast_limit(n: int) -> float:
    """Highest temperature of a stable cycle for Ω → ∞; 0 if n is odd.

    Orbits turn round as z = A cos φ, and on average A changes as
    dA/dt = ⟨cos φ tanh((A cos φ)^(n-1)/T)⟩ - 3A/4.
    """
    if n % 2 or n == 2:
        return 0.0 if n % 2 else 2 / 3
    turn = np.cos((np.arange(256) + 0.5) * 2 * np.pi / 256)

    def excess(T: float) -> float:
        gain = lambda A: 4 / (3 * A) * np.mean(turn * np.tanh((A * turn) ** (n - 1) / T))  # noqa: E731
        best = max(np.linspace(0.05, 1.8, 60), key=gain)
        found = minimize_scalar(lambda A: -gain(A), bounds=(0.9 * best, 1.1 * best),
                                method="bounded", options={"xatol": 1e-10})  # fmt: skip
        return -found.fun - 1

    return float(brentq(excess, 1e-3, 0.66, xtol=1e-12))


@_jit
def velocity(z, y, n, T, Omega):  # type: ignore[no-untyped-def]
    """Right-hand sides."""
    return 2 * Omega * y + np.tanh(z ** (n - 1) / T) - z, -2 * Omega * z - y / 2


@_jit
def advance(z, y, n, T, Omega, dt):  # type: ignore[no-untyped-def]
    """One step of the fourth-order Runge-Kutta method."""
    a, b = velocity(z, y, n, T, Omega)
    c, d = velocity(z + dt / 2 * a, y + dt / 2 * b, n, T, Omega)
    e, f = velocity(z + dt / 2 * c, y + dt / 2 * d, n, T, Omega)
    g, h = velocity(z + dt * e, y + dt * f, n, T, Omega)
    return z + dt / 6 * (a + 2 * c + 2 * e + g), y + dt / 6 * (b + 2 * d + 2 * f + h)


@_jit
def late(z, y, n, T, Omega, duration, dt):  # type: ignore[no-untyped-def]
    """End of an orbit, and bounds of z in its last two tenths; stops in the paramagnet.

    For z² + y² < T^(2/(n-2)), n > 2, the length can only fall: |tanh x| < |x|.
    """
    steps = int(duration / dt)
    window = steps // 10
    trap = T ** (2 / (n - 2)) if n > 2 else 0.0
    bounds = np.array([-9.0, 9.0, -9.0, 9.0])
    for k in range(steps):
        z, y = advance(z, y, n, T, Omega, dt)
        if k % 100 == 0 and z * z + y * y < trap:
            return 0.0, 0.0, np.zeros(4)
        if k >= steps - 2 * window:
            i = 2 if k >= steps - window else 0
            bounds[i], bounds[i + 1] = max(bounds[i], z), min(bounds[i + 1], z)
    return z, y, bounds


@_jit
def returned(z, n, T, Omega, dt):  # type: ignore[no-untyped-def]
    """Where an orbit from (z, -4Ωz) comes back to this section from above; -9 if it never does."""
    y, s, left = -4 * Omega * z, 0.0, False
    for _ in range(int(100 / dt)):
        z1, y1 = advance(z, y, n, T, Omega, dt)
        s1 = y1 + 4 * Omega * z1
        left = left or s1 > 0
        if left and s > 0 >= s1:
            z, y = advance(z, y, n, T, Omega, dt * s / (s - s1))
            for _ in range(2):
                a, b = velocity(z, y, n, T, Omega)
                z, y = advance(z, y, n, T, Omega, -(y + 4 * Omega * z) / (b + 4 * Omega * a))
            return z
        z, y, s = z1, y1, s1
        if z * z + y * y < 1e-12:
            break
    return -9.0


def retrieval_point(n: int, T: float, Omega: float) -> float:
    """Largest z with z (1 + 8 Ω²) = tanh(z^(n-1)/T), by scanning and bisection; 0 without one."""
    stretch = 1 + 8 * Omega**2
    z = np.geomspace(1e-6, 1.0, 4000)
    above = np.flatnonzero(np.tanh(z ** (n - 1) / T) > stretch * z)
    if not len(above):
        return 0.0
    return float(brentq(lambda z: np.tanh(z ** (n - 1) / T) - stretch * z, z[above[-1]],
                        z[above[-1] + 1], xtol=1e-15))  # fmt: skip


def has_cycle(p: Params, n: int, T: float, Omega: float) -> bool:
    """Whether a stable cycle exists outside retrieval.

    Iterates of the return map from far outside (in steps of at least 3 %) fall to the outermost
    cycle, or past the place where it would be: a largest growth, which is searched for there.
    """
    low = retrieval_point(n, T, Omega)

    def growth(z: float) -> float:
        return float((returned(z, n, T, Omega, p.step) - z) / (z - low))

    z = [low + 1.5]
    pace = [growth(z[0])]
    while z[-1] > low + 1e-3 and pace[-1] > -1:
        z.append(low + (z[-1] - low) * (1 + min(pace[-1], -0.03)))
        pace.append(growth(z[-1]))
        if pace[-1] > 0:
            return True
    for k in range(1, len(z) - 1):
        if pace[k] > max(pace[k - 1], pace[k + 1]):
            found = minimize_scalar(lambda x: -growth(x), bracket=(z[k + 1], z[k], z[k - 1]),
                                    method="golden", tol=1e-9)  # fmt: skip
            if found.fun < 0:
                return True
    return False


def cycle_field(p: Params, n: int, tau: float) -> float:
    """Field from which a stable cycle exists; infinite if there is none up to Ω = 6."""
    T = temperature(n, tau)
    if n == 2 and tau >= 2 / 3:
        return np.inf
    low = 0.0
    for high in (*np.linspace(0.1, 1.0, 10), 1.25, 1.5, 2.0, 3.0, 4.5, 6.0):
        if has_cycle(p, n, T, high):
            break
        low = high
    else:
        return np.inf
    while high - low > p.cycle_digits:
        middle = (low + high) / 2
        low, high = (low, middle) if has_cycle(p, n, T, middle) else (middle, high)
    return float(high)


def fate(end: Any, point: float) -> int:
    """Index in FATES of an end found by `late`; -1 if the orbit has not settled."""
    z, y, bounds = end
    before, now = bounds[0] - bounds[1], bounds[2] - bounds[3]
    if now < 1e-5:
        if np.hypot(z, y) < 1e-4:
            return 0
        return 1 if abs(abs(z) - point) < 1e-4 else -1
    return 2 if now > 1e-2 and abs(now - before) < 1e-3 else -1


def observed(p: Params, n: int, T: float, Omega: float) -> int:
    """Phase found by integration; -1 if undecided, -2 if the paramagnet is not stable."""
    point = retrieval_point(n, T, Omega)

    def end(z: float, y: float) -> int:
        return fate(late(z, y, n, T, Omega, p.final_time, p.step), point)

    outside = [end(*at) for at in ((0.0, 2.5), (0.0, -2.5), (0.9, 0.4), (2.5, 0.0), (point, 0.0))]
    if end(0.1 * T, 0.1 * T) != 0:
        return -2
    near = end(point + 1e-4, -4 * Omega * point) if point else 0
    if -1 in (near, *outside):
        return -1
    if point and near == 1:
        return 2 if 2 in outside else 1
    return 3 if 2 in outside else 0


def predicted(n: int, tau: float, Omega: float, cycle: float) -> int:
    """Phase by the lines."""
    kept = tau < 1 and hopf_field(n, tau) > Omega
    return (2 if cycle < Omega else 1) if kept else (3 if cycle < Omega else 0)


def network(n: int, T: float, Omega: float, n_spins: int = 1) -> th.Model:
    """One pattern."""
    return th.dense_hopfield(np.ones((1, n_spins)), degree=n, beta=1 / T, Omega=Omega)


def checked_lines(p: Params, n: int) -> tuple[list[float], list[float], list[float]]:
    """Hopf fields, Lyapunov coefficients, and T up to which `th.fixed_points` finds retrieval."""
    hopf, lyapunov, static = [], [], []
    for tau in p.checked:
        T, at = temperature(n, tau), hopf_field(n, tau)
        z = retrieval_point(n, T, 0.9 * at)
        start = th.product_state(network(n, T, 0.9 * at), bloch=[0.0, -3.6 * at * z, z])
        highest = at + 0.5 * (fold_field(tau) - at)
        found = th.critical_point(lambda W, T=T: network(n, T, W), start, 0.9 * at, highest)
        hopf.append(found.value if found.kind == "Hopf" else np.nan)
        lyapunov.append(th.lyapunov_coefficient(network(n, T, found.value), found.point.state))
    for Omega in p.checked_fields:
        at = fold(n)[0] / (1 + 8 * Omega**2) ** (n - 1)
        low, high, z = 0.87 * at, 1.1 * at, fold(n)[1] / (1 + 8 * Omega**2)
        guess = th.product_state(network(n, at, Omega), bloch=[0.0, -4 * Omega * z, z])
        while high - low > p.fold_digits:
            T = (low + high) / 2
            points = th.fixed_points(network(n, T, Omega), starts=[guess], n_starts=0)
            found = any(point.state.bloch[0, 2] > 0.1 for point in points)
            low, high = (T, high) if found else (low, T)
        static.append(low)
    return hopf, lyapunov, static


def checked_cycle(p: Params, n: int, tau: float) -> list[float]:
    """Largest Floquet multiplier by `th.limit_cycle` 1 % above and below the line; 2: no cycle."""
    T, at, values = temperature(n, tau), cycle_field(p, n, tau), []
    for Omega in (1.01 * at, 0.99 * at):
        model = network(n, T, Omega)
        try:
            start = th.product_state(model, bloch=[0.0, 0.9, 0.0])
            cycle = th.limit_cycle(model, start, transient=40.0)
            values.append(float(np.abs(cycle.multipliers).max()))
        except th.ConvergenceError:
            values.append(2.0)
    return values


def finite_networks(p: Params, n: int) -> tuple[list[float], float]:
    """Largest |m_z(t) - z(t)| up to t = 4 of N spins, and of 30 spins in mean field."""
    T, times = temperature(n, 0.5), np.linspace(0, 4, 9)
    limit = _overlaps(network(n, T, 0.2), times, th.MeanField())
    many = _overlaps(network(n, T, 0.2, 30), times, th.MeanField())
    off = [np.abs(_overlaps(network(n, T, 0.2, N), times, th.Symmetric()) - limit).max()
           for N in p.finite]  # fmt: skip
    return off, float(np.abs(many - limit).max())


def _overlaps(model: th.Model, times: Any, method: Any) -> Any:
    start = th.product_state(model, bloch=[0.0, 0.0, 0.8])
    found = th.evolve(model, start, times, observables=["m_z"], method=method, progress=False)
    return np.asarray(found.expect["m_z"]).reshape(len(times), -1)[:, 0]


def basins(p: Params, n: int, fields: Any) -> Any:
    """Fractions of starts in the disc y² + z² ≤ 1 that end in the FATES; shape (Ω, fate)."""
    T = temperature(n, p.basin_tau)
    axis = (np.arange(2 * p.basin_starts) + 0.5) / p.basin_starts - 1
    z, y = (values.ravel() for values in np.meshgrid(axis, axis))
    inside = z**2 + y**2 <= 1
    starts = list(zip(z[inside], y[inside], strict=True))
    shares = []
    for Omega in fields:
        point = retrieval_point(n, T, Omega)
        ends = np.array([fate(late(*start, n, T, Omega, p.basin_time, 2 * p.step), point)
                         for start in starts])  # fmt: skip
        shares.append([np.mean(ends == kind) for kind in range(len(FATES))])
    return np.array(shares)


def portrait(p: Params, n: int, tau: float, Omega: float) -> Any:
    """Orbits of z and y from six starts, shape (start, time, 2)."""
    T = temperature(n, tau)
    point = retrieval_point(n, T, Omega)
    near = (0.93 * point, -3.7 * Omega * point) if point else (0.0, -0.5)
    orbits = []
    for start in ((0.0, 1.0), (0.0, -1.0), (0.09, 0.0), (0.45, 0.0), (-0.95, 0.3), near):
        z, y, path = *start, [start]
        for k in range(round(p.shown_time / p.step)):
            z, y = advance(z, y, n, T, Omega, p.step)
            if k % 8 == 7:
                path.append((z, y))
        orbits.append(path)
    return np.array(orbits)


def compute(p: Params) -> xr.Dataset:
    """Lines, their checks, phases on the grid, basins and orbits."""
    ends = [(fast_limit(n) / fold(n)[0]) ** (1 / (n - 1)) for n in p.degrees]
    steep = [end * (1 - x) for end in ends if end for x in (-0.001, 0.002, 0.005, 0.01, 0.02)]
    tau = np.unique(np.concatenate([np.linspace(p.coldest, 0.6666, p.n_lines), steep[: p.n_near],
                                    1 - np.linspace(0, 0.57, p.n_near) ** 2]))  # fmt: skip
    every = (2, *p.degrees)
    lines = np.array([[[fold_field(t), hopf_field(n, t), cycle_field(p, n, t)] for t in tau]
                      for n in every])  # fmt: skip
    rows = np.linspace(p.coldest, p.hottest, p.grid[0]) + 1e-3
    fields = np.linspace(0.03, p.strongest, p.grid[1])
    by_lines, seen, distance = (np.zeros((len(p.degrees), *p.grid)) for _ in range(3))
    for i, n in enumerate(p.degrees):
        for j, t in enumerate(rows):
            at = [fold_field(t), hopf_field(n, t), cycle_field(p, n, t)]
            for k, Omega in enumerate(fields):
                by_lines[i, j, k] = predicted(n, t, Omega, at[2])
                seen[i, j, k] = observed(p, n, temperature(n, t), Omega)
                distance[i, j, k] = np.abs(np.array(at) - Omega).min()
    found = [checked_lines(p, n) for n in p.degrees]
    exact = [[hopf_field(n, t) for t in p.checked] for n in p.degrees]
    cold = [[fold(n)[0] / (1 + 8 * W**2) ** (n - 1) for W in p.checked_fields] for n in p.degrees]
    even = max(n for n in p.degrees if n % 2 == 0)
    multipliers = np.array([checked_cycle(p, even, t) for t in p.checked_cycles]).reshape(-1, 2)
    channel = [[th.RetrievalChannel(T).fold, cycle_field(p, 2, T)] for T in p.checked_channel]
    finite = [finite_networks(p, n) for n in p.degrees]
    basin_fields = np.linspace(0.0, p.strongest, p.basin_fields)
    shares = np.array([basins(p, n, basin_fields) for n in every])
    orbits = np.array([portrait(p, *case) for case in p.shown])
    grid, check = ("degree", "row", "Omega"), ("degree", "tau_checked")
    variables = {
        "lines": (("any_degree", "tau", "line"), lines, RATE_UNIT, "fields; infinite: none"),
        "predicted": (grid, by_lines, "1", f"phase by the lines: {PHASES}"),
        "observed": (grid, seen, "1", "phase by integration; -1 undecided, -2 no paramagnet"),
        "separation": (grid, distance, RATE_UNIT, "distance of the nearest line"),
        "hopf_exact": (check, exact, RATE_UNIT, "Hopf field in closed form"),
        "hopf_found": (check, [f[0] for f in found], RATE_UNIT, "by th.critical_point"),
        "lyapunov": (check, [f[1] for f in found], "1", "first Lyapunov coefficient there"),
        "fold_exact": (("degree", "checked_field"), cold, "1", "T of the fold in closed form"),
        "fold_found": (("degree", "checked_field"), [f[2] for f in found], "1",
                       "by th.fixed_points"),
        "multiplier": (("tau_cycle", "side"), multipliers, "1",
                       f"Floquet multiplier by th.limit_cycle, n = {even}; 2: no cycle"),
        "channel": (("T_channel", "origin"), np.reshape(channel, (-1, 2)), RATE_UNIT,
                    "line of cycles at n = 2 by th.RetrievalChannel and here"),
        "finite_size": (("degree", "n_spins"), [f[0] for f in finite], "1",
                        "largest |m_z(t) - z(t)| of N spins"),
        "one_spin": (("degree",), [f[1] for f in finite], "1",
                     "the same, 30 spins in mean field beside one"),
        "share": (("any_degree", "basin_field", "fate"), shares, "1", "starts that end there"),
        "orbit": (("case", "start", "time", "variable"), orbits, "1", "z and y"),
        "fold_temperature": (("any_degree",), [fold(n)[0] for n in every], "1", "T*"),
        "fast_limit": (("any_degree",), [fast_limit(n) for n in every], "1",
                       "T up to which a cycle exists at Ω → ∞"),
    }  # fmt: skip
    coords = {
        "any_degree": list(every), "degree": list(p.degrees), "tau": tau, "row": rows,
        "line": ["fold", "hopf", "cycle"], "Omega": fields, "tau_checked": list(p.checked),
        "checked_field": list(p.checked_fields), "side": ["above", "below"],
        "tau_cycle": list(p.checked_cycles), "T_channel": list(p.checked_channel),
        "origin": ["RetrievalChannel", "here"],
        "n_spins": list(p.finite), "basin_field": basin_fields, "fate": list(FATES),
        "variable": ["z", "y"], "time": 8 * p.step * np.arange(orbits.shape[2]),
        "case": [f"n = {n}, τ = {t:g}, Ω = {W:g}" for n, t, W in p.shown],
    }  # fmt: skip
    data = labelled(p, "mean-field phases of the dense network", variables, coords)
    clear = seen >= 0
    data.attrs |= {
        "time_unit": TIME_UNIT, "points": int(seen.size), "decided": int(clear.sum()),
        "different": int((clear & (seen != by_lines)).sum()),
        "largest_separation_undecided": float(distance[~clear].max(initial=0.0)),
    }  # fmt: skip
    return data


def plot(data: xr.Dataset) -> Figure:
    """Diagrams of n = 2 and of the others; basins; orbits."""
    figure, axes = panels(2, 3, (11.5, 7.2))
    for ax, n in zip(axes[0], data.any_degree.values, strict=False):
        _diagram(ax, data, int(n))
    _basins(axes[1, 0], data)
    for ax, case in zip(axes[1, 1:], data.case.values, strict=False):
        orbits = data.orbit.sel(case=case)
        for orbit, colour in zip(orbits, COLOURS, strict=False):
            ax.plot(orbit.sel(variable="z"), orbit.sel(variable="y"), color=colour, lw=0.9)
            ax.plot(*orbit.isel(time=0), "o", color=colour, ms=4)
        ax.set(xlabel="$z$ (overlap)", ylabel="$y$")
        title(ax, str(case))
    legend_outside(figure, [axes[0, 0], axes[0, 2]], 5, side="upper")
    return figure


def _diagram(ax: Any, data: xr.Dataset, n: int) -> None:
    lines = data.lines.sel(any_degree=n)
    tau = data.tau.values
    hopf, cycle = (np.minimum(lines.sel(line=name).values, 9.0) for name in ("hopf", "cycle"))
    fine = np.linspace(0.05, 1.0, 400)
    ax.fill_between([0, 1.2], 0, 9, color=SHADES[0], lw=0)
    ax.fill_between(tau, 0, hopf, color=SHADES[1], lw=0)
    ax.fill_between(tau, cycle, 9, color=SHADES[3], lw=0)
    ax.fill_between(tau, cycle, hopf, where=cycle < hopf, color=SHADES[2], lw=0,
                    label="retrieval and cycle stable")  # fmt: skip
    ax.plot(fine, fold_field(fine), "k-", lw=1.2, label="retrieval exists below")
    ax.plot(tau[tau < 0.67], hopf[tau < 0.67], "--", lw=1.3, color=COLOURS[0],
            label="Hopf: retrieval stable below")  # fmt: skip
    known = cycle < 9
    ax.plot(tau[known], cycle[known], "-.", lw=1.3, color=COLOURS[1],
            label="stable cycle above")  # fmt: skip
    end = float((data.fast_limit / data.fold_temperature).sel(any_degree=n)) ** (1 / (n - 1))
    if end:
        ax.axvline(end, ymin=0.5 if n > 2 else 0.2, color="0.4", lw=1, dashes=(1, 1),
                   label="end of cycles, Ω → ∞")  # fmt: skip
    if n > 2:
        seen = data.observed.sel(degree=n).values.ravel()
        grid = np.stack(np.meshgrid(data.row, data.Omega, indexing="ij"), -1).reshape(-1, 2)
        for phase, colour in enumerate(("0.55", COLOURS[0], COLOURS[2], COLOURS[1])):
            ax.plot(*grid[seen == phase].T, ".", color=colour, ms=3)
        ax.plot(*grid[seen < 0].T, "x", color="k", ms=4)
    ax.set(xlim=(0.08, 1.1), ylim=(0, 1.2), ylabel=r"transverse field $\Omega$",
           xlabel=r"$\tau=(T/T^*)^{1/(n-1)}$" if n > 2 else r"$T$")  # fmt: skip
    texts = {2: (("paramagnet", (0.88, 0.8)), ("cycle", (0.4, 0.85)), ("retrieval", (0.4, 0.15)))}
    texts[3] = (("paramagnet alone", (0.65, 0.8)), ("retrieval", (0.4, 0.15)))
    texts[4] = (("alone", (0.85, 0.8)), ("cycle", (0.38, 0.85)), ("retrieval", (0.4, 0.15)))
    for text, at in texts.get(n, ()):
        ax.text(*at, text, fontsize="small", ha="center",
                bbox={"color": "white", "alpha": 0.7, "pad": 1})  # fmt: skip
    title(ax, f"n = {n}" + (", dots: integration" if n > 2 else ""))


def _basins(ax: Any, data: xr.Dataset) -> None:
    for n, style in zip(data.any_degree.values, ("-", "--", ":"), strict=False):
        for kind, colour in zip(FATES, ("0.45", COLOURS[0], COLOURS[1]), strict=True):
            ax.plot(data.basin_field, data.share.sel(any_degree=n, fate=kind), style, lw=1.4,
                    color=colour)  # fmt: skip
    ax.set(xlabel=r"transverse field $\Omega$", ylabel="share of starts", ylim=(-0.03, 1.03))
    marks: list[Line2D] = []
    title(ax, "ends of starts in the unit disc, τ = 0.3")
    for colour, kind in zip(("0.45", COLOURS[0], COLOURS[1]), FATES, strict=True):
        marks.append(Line2D([], [], color=colour, lw=3, label=kind))
    for style, n in zip(("-", "--", ":"), data.any_degree.values, strict=False):
        marks.append(Line2D([], [], color="k", ls=style, lw=1.4, label=f"n = {n}"))
    ax.figure.legend(handles=marks, loc="outside lower left", ncols=6, frameon=False,
                     fontsize="small")  # fmt: skip


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
