"""Retrieval of patterns by spins in lossy, pumped modes, in their classical limit.

Question: is there a retrieval transition, where is it, and is it the one of a temperature?

Few random patterns, g_μi = g ξ_i^μ (1 + r)/√N with a spread r that tells all spins apart. Then
flips are independent (docs/physics.md, section 16), with the rates W that are no Glauber rates. The
curves are those of r → 0: all spins have one rate function, and flips stay independent because
Ω → 0 comes first (`coincident="independent"`). What a spread of 5 % changes is computed for N = 10.

One spin couples weakly, with p g²/N in all, to fields of order one. To first order in 1/N the rates
are W(h) = A(h) [1 + f(h)] up and A(h) [1 - f(h)] down, with E = 4 h and D = ω² + δ²/4

    f = 2 ω E / (ν (E² + D)),    A ∝ 1/E²,    ν = (loss + gain)/(loss - gain),

and the balance of one pattern is m = f(K m), K = g² ω/D: m² = (8 K ω/ν - D)/(16 K²). Glauber
dynamics at the temperature of small fields, β = 8 ω/(D ν), has the same threshold, m = tanh(β K m);
Eq. (78), for many photons per flip, has half this β.

Command: python studies/classical/cavity_transition.py [--plot-only]
Run time: about 4 minutes, one thread.

Every run holds two halves of samples, from an overlap of 0.8 with the first pattern and from random
spins, over `span` relaxation times 1/(W_up + W_down), taken at the overlap of the fixed point, or
at 0.65 where that is more. Late: the last half of the output times. M² = Σ_μ m_μ² does not ask
which pattern is found; the cumulant is (1 + p/2) (1 - p ⟨M⁴⟩/((p + 2) ⟨M²⟩²)), 0 for Gaussian
overlaps and 1 for a fixed M². The rates are those of `th.SpinBosonRate`, tabulated once per size
and setting as a spline of ln W.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

import tnhop as th

sys.path.append(str(Path(__file__).parents[1] / "beyond_mean_field"))
from _study import COLOURS, MARKERS, labelled, legend_outside, main, panels, title

OMEGA, FIELD = 1.0, 0.01  # frequency of the modes; the transverse field only sets the unit of time
STARTS = ("ordered", "random")


@dataclass(frozen=True)
class Params:
    """Sizes, sets of patterns, samples of each start; the two scans; the check of the spread."""

    n_spins: tuple[int, ...] = (50, 100, 200)
    n_sets: tuple[int, ...] = (8, 6, 4)
    n_samples: tuple[int, ...] = (60, 40, 16)
    n_patterns: int = 3
    damping: float = 2.0  # loss - gain
    couplings: tuple[float, ...] = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0, 1.2, 1.6)
    noises: tuple[float, ...] = (1.25, 1.75, 2.25, 2.5, 2.75, 3.0, 3.25, 3.75)  # nu
    coupling: float = 1.2  # of the scan of the noise
    span: float = 12.0
    n_times: int = 24
    glauber_size: int = 100
    glauber_time: float = 60.0
    spread: float = 0.05
    spread_size: int = 10
    spread_couplings: tuple[float, ...] = (0.6, 0.8, 1.2)
    seed: int = 3

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_spins=(12, 24), n_sets=(2, 2), n_samples=(20, 20), couplings=(0.4, 1.0),
                   noises=(1.5, 4.0), span=8.0, n_times=8, glauber_size=24, spread_size=5,
                   spread_couplings=(0.8,))  # fmt: skip


@dataclass(frozen=True)
class Table(th.Rate):
    """W(h) of a spin with total coupling g, as a spline of ln W."""

    g: float
    loss: float
    gain: float
    bound: float
    sign: int
    spline: Any = field(compare=False, default=None)
    width: float = field(compare=False, default=1.0)

    @classmethod
    def of(cls, g: float, nu: float, damping: float, bound: float, points: int) -> Table:
        """Tabulate the flip up; the flip down is its mirror image."""
        loss, gain = (nu + 1) * damping / 2, (nu - 1) * damping / 2
        exact = th.SpinBosonRate((g,), OMEGA, loss, gain, FIELD, 1)
        width = g**2 * (loss + gain) / (2 * (OMEGA**2 + damping**2 / 4))
        x = np.linspace(-1, 1, points) * np.arcsinh(bound / width)
        spline = CubicSpline(x, np.log(exact(width * np.sinh(x))))
        return cls(g, loss, gain, bound, 1, spline, width)

    def __call__(self, *fields: Any) -> Any:
        """Evaluate at one field."""
        h = np.clip(self.sign * np.asarray(fields[0], dtype=float), -self.bound, self.bound)
        return np.exp(self.spline(np.arcsinh(h / self.width)))

    def error(self) -> float:
        """Largest relative error, at fields between the points."""
        h = self.width * np.sinh(np.linspace(-1, 1, 3001) * np.arcsinh(self.bound / self.width))
        exact = th.SpinBosonRate((self.g,), OMEGA, self.loss, self.gain, FIELD, self.sign)
        return float(np.abs(self(h) / exact(h) - 1).max())

    def balance(self, h: Any) -> Any:
        """Mean spin at a fixed field."""
        up, down = self(h), self(-np.asarray(h))
        return (up - down) / (up + down)


def stiffness(p: Params) -> float:
    """D = ω² + δ²/4."""
    return OMEGA**2 + p.damping**2 / 4


def closed_form(g: Any, nu: Any, p: Params) -> Any:
    """Overlap of one pattern for N → ∞, 0 below the threshold."""
    D = stiffness(p)
    K = np.asarray(g) ** 2 * OMEGA / D
    return np.sqrt(np.maximum(8 * K * OMEGA / nu - D, 0.0)) / (4 * K)


def thermal(g: Any, beta: float, p: Params) -> Any:
    """Overlap of Glauber dynamics for N → ∞, m = tanh(β K m)."""
    K = np.asarray(g) ** 2 * OMEGA / stiffness(p)
    m = np.ones(K.shape)
    for _ in range(4000):
        m = np.tanh(beta * K * m)
    return np.where(m > 1e-2, m, 0.0)


def fixed_point(table: Table, K: float) -> float:
    """Largest solution of m = f(K m) with the rates of this size."""
    m = np.linspace(1e-3, 1, 2000)
    above = np.flatnonzero(table.balance(K * m) >= m)
    return float(m[above[-1]]) if above.size else 0.0


def cavity(xi: Any, g: float, table: Table) -> th.Model:
    """`th.classical_dicke` of equal couplings, with tabulated rates."""
    n = xi.shape[1]
    model = th.classical_dicke(g * xi / np.sqrt(n), omega=OMEGA, Omega=FIELD, loss=table.loss,
                               gain=table.gain, coincident="independent")  # fmt: skip
    amplitude = {1: th.SqrtRate(table), -1: th.SqrtRate(replace(table, sign=-1))}
    jumps = [
        th.FieldJump(jump.site, {name: amplitude[1 if name == "+" else -1]}, jump.fields[0])
        for jump in model.jumps
        for name, _ in jump.amplitudes
    ]
    return replace(model, jumps=tuple(jumps), patterns=xi, recipe=None)


def sample(model: th.Model, final: float, count: int, seed: int, p: Params) -> Any:
    """Overlaps of all samples, shape (n_times, start, sample, pattern)."""
    xi, rng = model.patterns, np.random.default_rng(seed)
    kept = rng.random((count, model.n_spins)) < 0.9
    ordered, drawn = np.where(kept, xi[0], -xi[0]), rng.choice([-1, 1], kept.shape)
    spins = np.concatenate([ordered, drawn]).astype(np.int8)
    found = th.evolve(model, th.ConfigurationSamples(spins), np.linspace(0, final, p.n_times),
                      method=th.KineticMonteCarlo(n_samples=2 * count), observables=["m_z"],
                      rng=seed, save_states=True, progress=False)  # fmt: skip
    m = np.array([state.spins @ xi.T.astype(float) for state in found.states]) / model.n_spins
    return m.reshape(p.n_times, 2, count, len(xi))


def numbers(m: Any) -> dict[str, Any]:
    """M² against time for both starts; late values: rms, cumulant, overlap with pattern 1."""
    p = m.shape[-1]
    square = (m**2).sum(axis=-1)
    late = square[len(m) // 2 :]
    ratio = (late**2).mean() / late.mean() ** 2
    first = np.abs(m[len(m) // 2 :, 0, :, 0])
    return {"curve": square.mean(axis=2).T, "rms": np.sqrt(late.mean(axis=(0, 2))),
            "cumulant": (1 + p / 2) * (1 - p / (p + 2) * ratio), "first": first.mean(),
            "largest": np.abs(m[len(m) // 2 :, 1]).max(axis=-1).mean()}  # fmt: skip


def scan(settings: list[tuple[float, float]], seed: int, p: Params) -> dict[str, Any]:
    """Averages over sets and their standard errors, for all sizes and (g, ν)."""
    found: dict[str, list[Any]] = {}
    for n, sets, count in zip(p.n_spins, p.n_sets, p.n_samples, strict=True):
        for g, nu in settings:
            K = g**2 * OMEGA / stiffness(p)
            own = g * np.sqrt(p.n_patterns / n)
            table = Table.of(own, nu, p.damping, 1.01 * K * p.n_patterns, 1201)
            m = fixed_point(table, K)
            h = K * max(m, 0.65)  # the ordered start is slow where the fixed point is small
            span = p.span / float(table(np.array(h)) + table(np.array(-h)))
            parts = []
            for k in range(sets):
                xi = th.random_patterns(p.n_patterns, n, rng=seed + 100 * n + k)
                model = cavity(xi, g, table)
                parts.append(numbers(sample(model, span, count, seed + k, p)))
            for key in parts[0]:
                values = np.array([part[key] for part in parts])
                found.setdefault(key, []).append(values.mean(axis=0))
                bar = values.std(axis=0, ddof=1) / np.sqrt(sets)
                found.setdefault(f"{key}_bar", []).append(bar)
            found.setdefault("balance", []).append(m)
            found.setdefault("span", []).append(span * FIELD**2)
            found.setdefault("error", []).append(table.error())
    shape = (len(p.n_spins), len(settings))
    return {key: np.array(v).reshape(*shape, *np.shape(v[0])) for key, v in found.items()}


def glauber(beta: float, seed: int, p: Params) -> dict[str, Any]:
    """The same of Glauber dynamics with the couplings K, against g."""
    n, sets = p.glauber_size, max(p.n_sets)
    rows = []
    for g in p.couplings:
        parts = []
        for k in range(sets):
            xi = th.random_patterns(p.n_patterns, n, rng=seed + 100 * n + k)
            J = g**2 * OMEGA / stiffness(p) * th.hebb(xi)
            model = th.open_hopfield(xi, beta=beta, couplings=J)
            parts.append(numbers(sample(model, p.glauber_time, max(p.n_samples), seed + k, p)))
        rows.append(parts)
    return {key: np.array([[part[key] for part in parts] for parts in rows])
            for key in ("rms", "cumulant")}  # fmt: skip


def largest_affinity(g: float, p: Params) -> float:
    """Largest affinity of a loop of flips i, j, i, j at an overlap of 0.8; 0 in equilibrium."""
    n, rng = p.n_spins[0], np.random.default_rng(p.seed)
    xi = th.random_patterns(p.n_patterns, n, rng=rng)
    s = np.where(rng.random(n) < 0.9, xi[0], -xi[0])
    K = g**2 * OMEGA / stiffness(p) * th.hebb(xi)
    bound = 1.1 * float(np.abs(K).sum(axis=1).max())
    table = Table.of(g * np.sqrt(p.n_patterns / n), 1.0, p.damping, bound, 1201)

    def a(h: Any) -> Any:
        return np.log(table(h) / table(-h))

    h = K @ s
    after = h[:, None] - 2 * K * s  # field of the row after the flip of the column
    change = s[:, None] * (a(after) - a(h)[:, None])
    return float(np.abs(change - change.T)[~np.eye(n, dtype=bool)].max())


def crossings(x: Any, U: Any, bar: Any, seed: int) -> tuple[Any, Any, Any]:
    """Where cumulants of neighbouring sizes meet, value there, error of the place by redrawing."""

    def meet(U: Any) -> Any:
        rows = []
        for small, large in itertools.pairwise(U):
            gap = (large - small) * np.sign(U[0, -1] - U[0, 0])
            up = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
            # of several changes of sign, the one around the steepest part
            steep = np.argmax(np.abs(np.diff(small)))
            if not up.size:
                rows.append((np.nan, np.nan))
                continue
            k = up[np.argmin(np.abs(up - steep))]
            w = gap[k] / (gap[k] - gap[k + 1])
            rows.append((x[k] + w * (x[k + 1] - x[k]), small[k] + w * (small[k + 1] - small[k])))
        return np.array(rows)

    rng = np.random.default_rng(seed)
    drawn = np.array([meet(U + bar * rng.standard_normal(U.shape))[:, 0] for _ in range(200)])
    middle = meet(U)
    known = np.isfinite(drawn).sum(axis=0) > 100
    spread = np.array([np.nanstd(d) if k else np.nan for d, k in zip(drawn.T, known, strict=True)])
    return middle[:, 0], middle[:, 1], spread


def spread_check(p: Params) -> Any:
    """Stationary √⟨M²⟩ of a small network, equal couplings and spread ones: (coupling, 2)."""
    rows, n = [], p.spread_size
    for g in p.spread_couplings:
        rng = np.random.default_rng(p.seed)
        xi = th.random_patterns(p.n_patterns, n, rng=rng)
        row = []
        for r in (0.0, p.spread):
            rows_of = g * xi * (1 + r * rng.standard_normal(xi.shape)) / np.sqrt(n)
            model = th.classical_dicke(rows_of, omega=OMEGA, Omega=FIELD, loss=p.damping,
                                       coincident="collective" if r else "independent")  # fmt: skip
            steady = th.steady_state(replace(model, patterns=xi), method=th.ClassicalMaster(),
                                     observables=["overlap_moments"])  # fmt: skip
            row.append(np.sqrt(steady.expect["overlap_moments"][:, 1].sum()))
        rows.append(row)
    return np.array(rows)


def compute(p: Params) -> xr.Dataset:
    """Both scans, Glauber dynamics at two temperatures, the rates, and the check of the spread."""
    D = stiffness(p)
    scans = {"g": scan([(g, 1.0) for g in p.couplings], p.seed, p),
             "nu": scan([(p.coupling, nu) for nu in p.noises], p.seed, p)}  # fmt: skip
    betas = np.array([8, 4]) * OMEGA / D
    heat = [glauber(float(beta), p.seed, p) for beta in betas]
    variables: dict[str, Any] = {}
    pair = [f"{a}, {b}" for a, b in zip(p.n_spins[:-1], p.n_spins[1:], strict=True)]
    meaning = {"rms": "late √⟨M²⟩", "cumulant": "late cumulant of M², both starts",
               "first": "late |overlap| with pattern 1, ordered start", "curve": "⟨M²⟩ in time",
               "largest": "late largest |overlap| of a sample, random start"}  # fmt: skip
    for name, found in scans.items():
        dims = ("n_spins", name)
        x = np.array(p.couplings if name == "g" else p.noises)
        for key, text in meaning.items():
            tail = {"rms": ("start",), "curve": ("start", "step")}.get(key, ())
            variables[f"{key}_{name}"] = ((*dims, *tail), found[key], "1", text)
            bar = found[f"{key}_bar"]
            variables[f"{key}_{name}_bar"] = ((*dims, *tail), bar, "1", "standard error, of sets")
        variables[f"balance_{name}"] = (dims, found["balance"], "1", "solution of m = f(K m)")
        text = "length of the runs times the square of the transverse field"
        variables[f"span_{name}"] = (dims, found["span"], "1", text)
        place, value, width = crossings(x, found["cumulant"], found["cumulant_bar"], p.seed)
        for key, values in (("crossing", place), ("crossing_value", value),
                            ("crossing_bar", width)):  # fmt: skip
            variables[f"{key}_{name}"] = (("pair",), values, "1", "cumulants of N and 2N meet")
    loops = [largest_affinity(g, p) for g in p.couplings]
    variables["affinity"] = (("g",), loops, "1", "largest |affinity| of four flips, smallest N")
    for key in ("rms", "cumulant"):
        values = np.array([one[key] for one in heat])
        dims = ("beta", "g", "start") if key == "rms" else ("beta", "g")
        bar = values.std(axis=2, ddof=1) / np.sqrt(values.shape[2])
        variables[f"{key}_glauber"] = (dims, values.mean(axis=2), "1", "Glauber dynamics")
        variables[f"{key}_glauber_bar"] = (dims, bar, "1", "its standard error")
    h = np.geomspace(1e-4, 2, 120)
    slopes = []
    for n in (*p.n_spins, 10**6):
        table = Table.of(np.sqrt(p.n_patterns / n), 1.0, p.damping, 2.02, 1201)
        slopes.append(np.log(table(h) / table(-h)) / (2 * h))
    variables["slope"] = (("size", "field"), slopes, "1", "ln(W_up/W_down)/2h at g = 1, ν = 1")
    variables["spread"] = (("g_spread", "kind"), spread_check(p), "1",
                           "stationary √⟨M²⟩, equal couplings and spread ones")  # fmt: skip
    coords = {"n_spins": list(p.n_spins), "g": list(p.couplings), "nu": list(p.noises),
              "start": list(STARTS), "beta": betas, "pair": pair, "field": h,
              "size": [*p.n_spins, 10**6], "g_spread": list(p.spread_couplings),
              "step": np.linspace(0, p.span, p.n_times), "kind": ["equal", "spread"]}  # fmt: skip
    data = labelled(p, "retrieval in lossy, pumped modes, classical limit", variables, coords)
    data.attrs |= {"threshold_g": float(np.sqrt(D**2 / (8 * OMEGA**2))),
                   "threshold_nu": 8 * p.coupling**2 * OMEGA**2 / D**2, "D": D,
                   "table_error": max(float(s["error"].max()) for s in scans.values()),
                   "coupling": p.coupling, "damping": p.damping}  # fmt: skip
    return data


def plot(data: xr.Dataset) -> Figure:
    """Overlap and cumulant against coupling and noise; rates; relaxation from two starts."""
    p = Params(damping=data.attrs["damping"])
    figure, axes = panels(2, 3, (12.5, 7.4))
    lines = {"g": np.linspace(*data.g.values[[0, -1]], 200),
             "nu": np.linspace(*data.nu.values[[0, -1]], 200)}  # fmt: skip
    label = {"g": "coupling $g$", "nu": r"noise $\nu$ = (loss + gain)/(loss - gain)"}
    for row, (name, x) in zip(axes, lines.items(), strict=True):
        for n, colour, mark in zip(data.n_spins.values, COLOURS, MARKERS, strict=False):
            one = data.sel(n_spins=n)
            for start, fill in zip(STARTS, (colour, "none"), strict=True):
                row[0].errorbar(one[name], one[f"rms_{name}"].sel(start=start),
                                one[f"rms_{name}_bar"].sel(start=start), color=colour, ls="",
                                marker=mark, ms=4 if start == "ordered" else 6, mfc=fill,
                                label=f"N = {n}, {start} start")  # fmt: skip
            row[1].errorbar(one[name], one[f"cumulant_{name}"], one[f"cumulant_{name}_bar"],
                            color=colour, marker=mark, ms=4, capsize=2)  # fmt: skip
        g, nu = (x, 1.0) if name == "g" else (data.attrs["coupling"], x)
        row[0].plot(x, closed_form(g, nu, p), "k-", lw=1.2, label=r"balance of $W$, $N\to\infty$")
        row[1].axvline(data.attrs[f"threshold_{name}"], color="k", lw=0.8, ls="-", zorder=0)
        for k, (style, text) in enumerate(((":", "small fields"), ("--", "Eq. (78)"))):
            grey = ("0.35", "0.6")[k]
            beta = float(data.beta[k])
            heat = thermal(g, beta, p) if name == "g" else np.array(
                [float(thermal(g, beta / v, p)) for v in x])  # fmt: skip
            name_of = rf"Glauber, $N\to\infty$, $\beta$: {text}"
            row[0].plot(x, heat, style, color=grey, label=name_of)
            if name == "g":
                hot = data.isel(beta=k)
                row[0].errorbar(data.g, hot.rms_glauber.sel(start="ordered"),
                                hot.rms_glauber_bar.sel(start="ordered"), color=grey, ls="",
                                marker="x*"[k], ms=5,
                                label=rf"Glauber, N = 100, $\beta$: {text}")  # fmt: skip
                row[1].errorbar(data.g, hot.cumulant_glauber, hot.cumulant_glauber_bar, color=grey,
                                ls=style, marker="x*"[k], ms=5)  # fmt: skip
        row[0].set(xlabel=label[name], ylabel=r"late $\sqrt{\langle M^2\rangle}$", ylim=(0, 1.08))
        row[1].set(xlabel=label[name], ylabel="cumulant of $M^2$", ylim=(-0.1, 1.05))
        title(row[0], "no gain" if name == "g" else f"g = {data.attrs['coupling']:g}")
        title(row[1], "line: threshold of the balance")
    plot_rates(axes[:, 2], data)
    legend_outside(figure, [axes[0, 0]], 4)
    return figure


def plot_rates(axes: Any, data: xr.Dataset) -> None:
    """Inverse temperature of a flip against its field; relaxation from two starts."""
    ax = axes[0]
    for n, colour in zip(data["size"].values, (*COLOURS[: len(data.n_spins)], "k"), strict=True):
        name = f"N = {n}" if n < 10**5 else r"$N\to\infty$"
        ax.semilogx(data.field, data.slope.sel(size=n), color=colour, lw=1.2, label=name)
    for beta, style, text in zip(data.beta.values, (":", "--"), ("small fields", "Eq. (78)"),
                                 strict=True):  # fmt: skip
        ax.axhline(beta, color="0.5", ls=style, lw=1)
        ax.text(1.2e-4, beta + 0.06, text, fontsize="x-small", color="0.3")
    ax.set(xlabel="field $h$", ylabel=r"$\ln(W_\uparrow/W_\downarrow)/2h$")
    ax.legend(frameon=False, fontsize="x-small", loc="lower left")
    title(ax, r"inverse temperature of a flip, g = 1, $\nu$ = 1")
    ax, n = axes[1], data.n_spins.values[-1]
    shown = [float(data.g[np.argmin(np.abs(data.g.values - g))]) for g in (0.7, 1.0, 1.6)]
    for g, colour in zip(dict.fromkeys(shown), COLOURS[3:], strict=False):
        one = data.curve_g.sel(n_spins=n, g=g)
        for start, style in zip(STARTS, ("-", "--"), strict=True):
            ax.plot(data.step, np.sqrt(one.sel(start=start)), style, color=colour,
                    label=f"g = {g:g}, {start}")  # fmt: skip
    ax.set(xlabel=r"$t\,(W_\uparrow + W_\downarrow)$", ylabel=r"$\sqrt{\langle M^2\rangle}$")
    ax.set_ylim(0, 1.0)
    ax.legend(frameon=False, fontsize="x-small", ncols=2, loc="lower right")
    title(ax, f"two starts, N = {n}")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
