"""Couplings that slowly follow the correlations of the spins.

Question: which patterns does a network forget that learns from its own spins, how fast, how many
can it keep, and what does a transverse field do to what it learns?

    dJ_ij/dt = ε (⟨σ_i^z σ_j^z⟩/N - J_ij),   J_ii = 0.

With the 1/N Hebb couplings of a pattern stay as they are while the spins rest in it. The weight of
pattern μ is w_μ in J = Σ_μ w_μ ξ^μ ξ^μ/N (patterns are orthogonal); all w are 1 at the start. A
network that dwells in one pattern has w → m² of it and m = tanh(w m/T), so m = tanh(m³/T), in a
field u = tanh(u³/T_eff) with T_eff = T (1 + 8 Ω²)³ and m = u/(1 + 8 Ω²): the equation of a dense
network of degree four (docs/physics.md, section 5).

Spins and couplings take turns: the spins evolve over a step with J fixed, then J takes the
exact step of its linear equation with the mean correlations of that time. Mean field:
`th.MeanField(closure="field")`, correlations z_i z_j. Monte Carlo (Ω = 0): samples that share J,
`th.KineticMonteCarlo` from one step to the next, correlations from the samples.

Command: python studies/beyond_mean_field/slow_learning.py [--plot-only]
Run time: about 3 minutes, one thread.

Retrieved: with J frozen, the overlap is above 0.5 after a time 30 from the pattern with 5 % of the
bits wrong. Rehearsal: the
spins are set to every pattern in turn and then left alone for a time `dwell`. The map in (T, Ω) is
that of one pattern, N → ∞: dz/dt = 2Ωy + tanh(wz/T) - z, dy/dt = -2Ωz - y/2, dw/dt = ε(z² - w), by
fourth-order Runge-Kutta steps of all points at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from _study import COLOURS, MARKERS, RATE_UNIT, TIME_UNIT, labelled, main, panels, title
from matplotlib.figure import Figure
from scipy.optimize import brentq

import tnhop as th

KINDS = ("mean field", "Monte Carlo")


@dataclass(frozen=True)
class Params:
    """Network; rates of learning; temperatures; rehearsal; the map of one pattern."""

    n_spins: int = 64
    n_patterns: int = 4
    n_samples: int = 200
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    temperature: float = 0.3
    folds: float = 4.0  # ε t at the end
    step: float = 0.1  # in units of 1/ε
    warm: tuple[float, ...] = (0.2, 0.3, 0.4, 0.45, 0.475, 0.5, 0.525, 0.6)
    warm_rate: float = 0.05
    warm_folds: float = 8.0
    cold: float = 0.1  # temperature of rehearsal
    dwell: float = 10.0
    rehearsed: tuple[int, ...] = (2, 4, 6, 8)
    sampled: tuple[int, ...] = (4, 8)  # by Monte Carlo
    rehearsal_rates: tuple[float, ...] = (0.005, 0.02, 0.1, 0.4)
    rehearsal_folds: float = 5.0
    map_T: tuple[float, float, int] = (0.01, 0.55, 55)
    map_Omega: tuple[float, float, int] = (0.0, 1.0, 61)
    map_rate: float = 0.02
    map_folds: float = 12.0
    checked_T: float = 0.1
    checked: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
    seed: int = 7

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(n_spins=8, n_patterns=2, n_samples=40, rates=(0.2,), folds=2.0, step=0.5,
                   warm=(0.3, 0.6), warm_rate=0.2, warm_folds=5.0, rehearsed=(2,), sampled=(2,),
                   rehearsal_rates=(0.1,), rehearsal_folds=1.0, map_T=(0.05, 0.5, 3),
                   map_Omega=(0.0, 1.0, 3), map_rate=0.1, map_folds=8.0,
                   checked=(0.2,))  # fmt: skip


@dataclass
class Learner:
    """Spins and couplings that take turns."""

    xi: Any
    T: float
    kind: str
    p: Params
    Omega: float = 0.0

    def __post_init__(self) -> None:
        self.J, self.seed = th.hebb(self.xi), self.p.seed
        self.cue(0)

    def model(self) -> th.Model:
        """Return the network with the present couplings."""
        return th.open_hopfield(self.xi, beta=1 / self.T, Omega=self.Omega, couplings=self.J)

    def cue(self, pattern: int) -> None:
        """Set the spins to a pattern."""
        self.state: Any = th.pattern_state(self.model(), pattern=pattern)

    def evolve(self, state: Any, times: Any, save: bool) -> Any:
        """Evolve spins at fixed couplings."""
        self.seed += 1
        method: Any = th.MeanField(closure="field", rtol=1e-7, atol=1e-9)
        if self.kind == KINDS[1]:
            method = th.KineticMonteCarlo(n_samples=self.p.n_samples)
        return th.evolve(self.model(), state, times, method=method, observables=["m_z"],
                         rng=self.seed, save_states=save, progress=False)  # fmt: skip

    def learn(self, epsilon: float, span: float, points: int = 5) -> None:
        """One step of spins, then of couplings."""
        found = self.evolve(self.state, np.linspace(0, span, points), save=True)
        weights = np.ones(points)
        weights[[0, -1]] = 0.5  # trapezoid
        C = sum(w * self.correlations(s) for w, s in zip(weights, found.states, strict=True))
        C /= weights.sum() * self.xi.shape[1]
        np.fill_diagonal(C, 0.0)
        self.J = C + np.exp(-epsilon * span) * (self.J - C)
        self.J = (self.J + self.J.T) / 2
        self.state = found.final_state

    def correlations(self, state: Any) -> Any:
        """⟨σ_i σ_j⟩ of a product state or of samples."""
        if self.kind == KINDS[0]:
            z = state.bloch[:, 2]
            return np.outer(z, z)
        s = state.spins.astype(float)
        return s.T @ s / len(s)

    def weights(self) -> Any:
        """Return w_μ."""
        n_patterns, n = self.xi.shape
        q = np.einsum("pi,ij,pj->p", self.xi, self.J, self.xi, optimize=True)
        return (q + q.sum() / (n - n_patterns)) / n

    def retrieves(self, pattern: int, J: Any = None) -> bool:
        """Whether a pattern is kept for a time 30 by present or given couplings."""
        kept, self.J = self.J, self.J if J is None else J
        wrong = np.random.default_rng(self.p.seed + pattern).permutation(self.xi.shape[1])
        spins = self.xi[pattern].copy()
        spins[wrong[: max(1, len(spins) // 20)]] *= -1
        start = th.product_state(self.model(), spins=spins)
        m = self.evolve(start, [0.0, 30.0], save=False).expect["m_z"][-1, pattern]
        self.J = kept
        return bool(abs(m) > 0.5)


def network(p: Params, n_patterns: int) -> Any:
    """Orthogonal patterns."""
    return th.orthogonal_patterns(n_patterns, p.n_spins, rng=p.seed)


def forget(epsilon: float, kind: str, p: Params, halved: bool = False) -> tuple[Any, float]:
    """Weights against time, and the mean time at which the other patterns are lost."""
    one = Learner(network(p, p.n_patterns), p.temperature, kind, p)
    steps = round(p.folds / p.step) * (2 if halved else 1)
    span = p.folds / steps / epsilon
    weights, couplings = [one.weights()], [one.J]
    for _ in range(steps):
        one.learn(epsilon, span)
        weights.append(one.weights())
        couplings.append(one.J)
    if halved:
        return np.array(weights)[::2], np.nan
    lost = []
    for pattern in range(1, p.n_patterns):
        low, high = 0, steps  # kept at low; lost at high
        if one.retrieves(pattern, couplings[-1]):
            return np.array(weights), np.nan
        while high - low > 1:
            middle = (low + high) // 2
            kept = one.retrieves(pattern, couplings[middle])
            low, high = (middle, high) if kept else (low, middle)
        lost.append((low + high) / 2 * span)
    return np.array(weights), float(np.mean(lost))


def dwell_weight(T: float, kind: str, p: Params, Omega: float = 0.0) -> float:
    """Weight of the pattern in which the network dwells, at the end."""
    epsilon = p.map_rate if Omega else p.warm_rate
    one = Learner(network(p, p.n_patterns), T, kind, p, Omega)
    span = (0.8 if Omega else 2.0) * p.step / epsilon
    for _ in range(round(p.warm_folds / epsilon / span)):
        one.learn(epsilon, span, 17 if Omega else 5)
    return float(one.weights()[0])


def rehearse(n_patterns: int, epsilon: float, kind: str, p: Params) -> tuple[int, Any]:
    """Number of patterns retrieved at the end of rehearsal, and the sorted weights."""
    one = Learner(network(p, n_patterns), p.cold, kind, p)
    rounds = max(2, round(p.rehearsal_folds / epsilon / p.dwell / n_patterns))
    steps = max(1, round(p.dwell * epsilon / 0.35))
    for _ in range(rounds):
        for pattern in range(n_patterns):
            one.cue(pattern)
            for _ in range(steps):
                one.learn(epsilon, p.dwell / steps, 9)
    return sum(one.retrieves(k) for k in range(n_patterns)), one.weights()


def one_pattern(T: Any, Omega: Any, epsilon: float, final: float) -> tuple[Any, Any]:
    """Mean weight of the last eighth and range of z in it, N → ∞, one pattern, all points."""
    T, Omega = np.broadcast_arrays(T, Omega)
    y = np.array([np.ones(T.shape), np.zeros(T.shape), np.ones(T.shape)])

    def flow(y: Any) -> Any:
        return np.array([2 * Omega * y[1] + np.tanh(y[2] * y[0] / T) - y[0],
                         -2 * Omega * y[0] - y[1] / 2, epsilon * (y[0] ** 2 - y[2])])  # fmt: skip

    dt = 0.05
    steps = round(final / dt)
    late, top, bottom = 0.0, np.full(T.shape, -1.0), np.full(T.shape, 1.0)
    for k in range(steps):
        a = flow(y)
        b = flow(y + dt / 2 * a)
        c = flow(y + dt / 2 * b)
        y = y + dt / 6 * (a + 2 * b + 2 * c + flow(y + dt * c))
        if k >= steps - steps // 8:
            late = late + y[2] / (steps // 8)
            top, bottom = np.maximum(top, y[0]), np.minimum(bottom, y[0])
    return late, np.where((bottom < 0) & (top - bottom > 0.1), top - bottom, 0.0)


def self_consistent(T: float) -> float:
    """Largest solution of u = tanh(u³/T); 0 if there is none but 0."""
    u = np.linspace(1e-4, 1, 20001)
    above = np.flatnonzero(np.tanh(u**3 / T) >= u)
    return float(u[above[-1]]) if above.size else 0.0


def threshold() -> float:
    """Largest T at which u = tanh(u³/T) has a solution u > 0: maximum of u³/artanh u."""
    slope = lambda u: 3 * np.arctanh(u) - u / (1 - u**2)  # noqa: E731
    u = brentq(slope, 0.5, 0.99)
    return float(u**3 / np.arctanh(u))


def fast_cycle(T: float) -> float:
    """Weight for Ω → ∞: z = A cos φ, A = (4/3) ⟨cos φ tanh(w A cos φ/T)⟩, w = A²/2."""
    cos = np.cos(2 * np.pi * (np.arange(4000) + 0.5) / 4000)
    A = 1.0
    for _ in range(3000):
        A = 4 / 3 * float(np.mean(cos * np.tanh(A**3 / 2 * cos / T)))
    return A**2 / 2 if A > 1e-3 else 0.0


def expected_loss(T: float) -> float:
    """ε t at which the state of an orthogonal pattern turns unstable to the dwelled one."""
    kept = self_consistent(T) ** 2

    def margin(x: float) -> float:
        weight = np.exp(-x)
        m = 1.0
        for _ in range(3000):
            m = np.tanh(weight * m / T)
        return (weight + (1 - weight) * kept) * (1 - m**2) / T - 1

    return float(brentq(margin, 0, np.log(1 / T)))


def compute(p: Params) -> xr.Dataset:
    """Forgetting, dwelling, rehearsal, and the map with a transverse field."""
    runs = [[forget(epsilon, kind, p) for epsilon in p.rates] for kind in KINDS]
    weights = np.array([[run[0] for run in row] for row in runs])
    halved = np.array([forget(epsilon, KINDS[0], p, True)[0] for epsilon in p.rates])
    change = np.abs(halved - weights[0]).max(axis=(1, 2))
    lost = [[run[1] for run in row] for row in runs]
    fold = p.folds * np.linspace(0, 1, weights.shape[2])
    rest = weights[..., 1:].mean(axis=-1)
    half = [[float(np.interp(np.log(2), -np.log(np.maximum(w, 1e-9)), fold)) / epsilon
             for w, epsilon in zip(row, p.rates, strict=True)] for row in rest]  # fmt: skip
    warm = [[dwell_weight(T, kind, p) for T in p.warm] for kind in KINDS]
    kept, shares = rehearsals(p)
    T, Omega = np.linspace(*p.map_T), np.linspace(*p.map_Omega)
    weight, swing = one_pattern(T[:, None], Omega, p.map_rate, p.map_folds / p.map_rate)
    fine = np.unique(np.concatenate([np.linspace(0, p.map_Omega[1], 101), p.checked]))
    line, _ = one_pattern(p.checked_T, fine, p.map_rate, p.map_folds / p.map_rate)
    network_weight = [dwell_weight(p.checked_T, KINDS[0], p, o) for o in p.checked]
    variables = {
        "weight": (("kind", "epsilon", "fold", "pattern"), weights, "1", "weights of patterns"),
        "change": (("epsilon",), change, "1", "largest change of a weight, steps halved"),
        "lost": (("kind", "epsilon"), lost, TIME_UNIT, "mean time until others are lost"),
        "half": (("kind", "epsilon"), half, TIME_UNIT, "time until the other weights are 1/2"),
        "dwelled": (("kind", "warm"), warm, "1", "weight of the dwelled pattern at the end"),
        "dwelled_theory": (("warm",), [self_consistent(t) ** 2 for t in p.warm], "1", "m²"),
        "retrieved": (("kind", "rehearsed", "rehearsal"), kept, "1", "patterns retrieved"),
        "share": (("kind", "rehearsed", "rehearsal", "end"), shares, "1",
                  "smallest and largest weight after rehearsal"),
        "map": (("T", "Omega"), weight, "1", "late weight of one pattern, N → ∞"),
        "swing": (("T", "Omega"), swing, "1", "range of z where it oscillates, else 0"),
        "line": (("fine",), line, "1", "late weight at the checked temperature, N → ∞"),
        "network": (("checked",), network_weight, "1", "weight in the network, mean field"),
    }  # fmt: skip
    coords = {"kind": list(KINDS), "epsilon": ("epsilon", list(p.rates), {"units": RATE_UNIT}),
              "fold": fold, "pattern": range(p.n_patterns), "warm": list(p.warm),
              "rehearsed": list(p.rehearsed), "rehearsal": list(p.rehearsal_rates),
              "end": ["smallest", "largest"], "T": T, "Omega": Omega, "fine": fine,
              "checked": list(p.checked)}  # fmt: skip
    data = labelled(p, "couplings that follow correlations", variables, coords)
    data.attrs |= {"threshold": threshold(), "expected_loss": expected_loss(p.temperature),
                   "fast_cycle": fast_cycle(p.checked_T), "temperature": p.temperature,
                   "cold": p.cold, "checked_T": p.checked_T}  # fmt: skip
    return data


def rehearsals(p: Params) -> tuple[Any, Any]:
    """Numbers of retrieved patterns, smallest and largest weights; NaN where not sampled."""
    shape = (len(KINDS), len(p.rehearsed), len(p.rehearsal_rates))
    kept, shares = np.full(shape, np.nan), np.full((*shape, 2), np.nan)
    for k, b, c in np.ndindex(shape):
        if k == 0 or p.rehearsed[b] in p.sampled:
            kept[k, b, c], w = rehearse(p.rehearsed[b], p.rehearsal_rates[c], KINDS[k], p)
            shares[k, b, c] = w.min(), w.max()
    return kept, shares


def plot(data: xr.Dataset) -> Figure:
    """Weights, half-lives, dwelling; rehearsal, map, cut through it."""
    figure, axes = panels(2, 3, (12.5, 7.4))
    plot_forgetting(axes[0], data)
    ax = axes[1, 0]
    for k, n in enumerate(data.rehearsed.values):
        colour, mark, x = COLOURS[k], MARKERS[k], data.rehearsal * 1.06 ** (k - 1.5)
        for kind, style in zip(KINDS, ("-", ""), strict=True):
            one = data.retrieved.sel(rehearsed=n, kind=kind)
            fill = "none" if kind == KINDS[0] else colour
            label = f"p = {n}" if kind == KINDS[0] else None
            ax.semilogx(x, one, ls=style, color=colour, marker=mark, mfc=fill,
                        ms=7 if kind == KINDS[0] else 4, label=label)  # fmt: skip
    bound = data.attrs["threshold"] / data.attrs["cold"]
    ax.axhline(bound, color="0.5", ls=":", lw=1, label=r"$T^*/T$")
    title(ax, f"rehearsal, T = {data.attrs['cold']:g}; full: Monte Carlo")
    ax.set(xlabel=r"rate of learning $\epsilon$", ylabel="patterns retrieved", ylim=(-0.4, 9.6))
    ax.legend(frameon=False, fontsize="x-small", ncols=3, loc="upper center")
    ax = axes[1, 1]
    mesh = ax.pcolormesh(data["T"], data.Omega, data["map"].T, cmap="viridis", vmin=0, vmax=1)
    bar = figure.colorbar(mesh, ax=ax)
    bar.ax.set(xlabel="$w$", ylabel="late weight")
    if data.swing.max() > 0 and min(data.swing.shape) > 2:
        ax.contour(data["T"], data.Omega, data.swing.T, [0.5], colors="w", linewidths=1)
    T = np.linspace(1e-3, data.attrs["threshold"], 400)
    ax.plot(T, np.sqrt(((data.attrs["threshold"] / T) ** (1 / 3) - 1) / 8), "k--", lw=1.2)
    ax.set(xlabel="temperature $T$", ylabel=r"transverse field $\Omega$",
           xlim=data["T"].values[[0, -1]], ylim=data.Omega.values[[0, -1]])  # fmt: skip
    title(ax, r"dashed: $T(1+8\Omega^2)^3=T^*$; white: cycle")
    ax = axes[1, 2]
    ax.plot(data.fine, data.line, color=COLOURS[0], label=r"one pattern, $N\to\infty$")
    ax.plot(data.checked, data.network, "o", color=COLOURS[1], label="network, mean field")
    fast = data.attrs["fast_cycle"]
    ax.axhline(fast, color="0.5", ls=":", lw=1, label=r"cycle, $\Omega\to\infty$")
    T = data.attrs["checked_T"]
    edge = np.sqrt(((data.attrs["threshold"] / T) ** (1 / 3) - 1) / 8)
    below = np.linspace(0, edge, 200)
    theory = [(self_consistent(T * (1 + 8 * o**2) ** 3) / (1 + 8 * o**2)) ** 2 for o in below]
    ax.plot(below, theory, "k--", lw=1.2, label="rest: closed form")
    ax.set(xlabel=r"transverse field $\Omega$", ylabel="late weight", ylim=(-0.03, 1.05))
    ax.legend(frameon=False, fontsize="x-small")
    title(ax, f"T = {T:g}")
    return figure


def plot_forgetting(axes: Any, data: xr.Dataset) -> None:
    """Weights against time, times of loss, the weight of the dwelled pattern."""
    ax = axes[0]
    for epsilon, colour, mark in zip(data.epsilon.values, COLOURS, MARKERS, strict=False):
        one = data.weight.sel(epsilon=epsilon)
        mean, drawn = (one.sel(kind=kind) for kind in KINDS)
        ax.plot(data.fold, mean.isel(pattern=0), color=colour, lw=1,
                label=rf"$\epsilon$ = {epsilon:g}")  # fmt: skip
        ax.plot(data.fold, mean.isel(pattern=1), color=colour, lw=1)
        for some in (drawn.isel(pattern=0), drawn.isel(pattern=1)):
            ax.plot(data.fold[::4], some[::4], mark, color=colour, ms=3)
    ax.plot(data.fold, np.exp(-data.fold), "k:", lw=1, label=r"$e^{-\epsilon t}$")
    ax.set(xlabel=r"$\epsilon t$", ylabel="weight of a pattern", ylim=(-0.03, 1.05))
    ax.text(0.97, 0.84, "dwelled", transform=ax.transAxes, ha="right", fontsize="small")
    ax.text(0.97, 0.13, "the others", transform=ax.transAxes, ha="right", fontsize="small")
    ax.legend(frameon=False, fontsize="x-small", loc="center right")
    title(ax, f"T = {data.attrs['temperature']:g}; points: Monte Carlo")
    ax = axes[1]
    for name, colour, text in (("half", COLOURS[0], "weight 1/2"),
                               ("lost", COLOURS[1], "no longer retrieved")):  # fmt: skip
        ax.loglog(data.epsilon, data[name].sel(kind=KINDS[0]), "s", color=colour, mfc="none", ms=8,
                  label=f"{text}, mean field")  # fmt: skip
        ax.loglog(data.epsilon, data[name].sel(kind=KINDS[1]), "o", color=colour, ms=4,
                  label=f"{text}, Monte Carlo")  # fmt: skip
    ax.loglog(data.epsilon, np.log(2) / data.epsilon, "-", color=COLOURS[0], lw=1,
              label=r"$\ln 2/\epsilon$")  # fmt: skip
    ax.loglog(data.epsilon, data.attrs["expected_loss"] / data.epsilon, "--", color=COLOURS[1],
              lw=1, label="onset of instability")  # fmt: skip
    ax.set(xlabel=r"rate of learning $\epsilon$", ylabel="time")
    ax.legend(frameon=False, fontsize="x-small")
    title(ax, "the patterns not dwelled in")
    ax = axes[2]
    T = np.linspace(data.warm.values[0], data.warm.values[-1], 600)
    ax.plot(T, [self_consistent(t) ** 2 for t in T], "k-", lw=1, label=r"$m=\tanh(m^3/T)$")
    ax.plot(data.warm, data.dwelled.sel(kind=KINDS[0]), "s", color=COLOURS[0], mfc="none", ms=8,
            label=KINDS[0])  # fmt: skip
    ax.plot(data.warm, data.dwelled.sel(kind=KINDS[1]), "o", color=COLOURS[1], ms=4, label=KINDS[1])
    ax.set(xlabel="temperature $T$", ylabel="weight of the dwelled pattern", ylim=(-0.03, 1.05))
    ax.legend(frameon=False, fontsize="x-small")
    title(ax, "does it keep the pattern it dwells in?")


if __name__ == "__main__":
    main(__file__, Params(), compute, plot)
