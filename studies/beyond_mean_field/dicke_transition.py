"""The superradiant transition of one pattern and one mode at finite N, and how long it remembers.

Question: what remains of the mean-field transition at g_c, and of its two retrieval states?

Dicke model with N spins, one mode and couplings g/√N; steady states over g, and the overlap ⟨m_z⟩
over time from a start with overlap +0.8 or -0.8. In mean field the sign of the start decides for
ever; at finite N the steady state is even in m, and a photon distribution with two lobes replaces
the choice.

Command: python studies/beyond_mean_field/dicke_transition.py [--plot-only]
Run time: about 3 minutes, one thread.

There are no single-spin jumps, so that total spin is conserved and the start decides its value:
here N/2, the largest. Steady states are found by evolution from the mean-field one. Only the even
part of the state is used: it relaxes fast, while the odd part carries the memory. The variable
`drift` is the change of ⟨n⟩/N over the last third of the time, `fock_tail` the population of the
highest kept Fock level.
"""

from __future__ import annotations

from dataclasses import dataclass

import _study as st
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

MODE_UNIT = "mode frequency"
EVEN = ("m_x", "occupation", "g2", "overlap_moments", "overlap_distribution")


@dataclass(frozen=True)
class Params:
    """Mode frequency, field and loss; couplings and sizes; the two Wigner functions; the memory."""

    omega: float = 1.0
    Omega: float = 0.5
    loss: float = 1.0
    couplings: tuple[float, ...] = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0)
    sizes: tuple[int, ...] = (2, 4, 8, 16)
    largest_coupling: tuple[float, ...] = (1.0, 1.0, 1.0, 0.7)  # of each size
    settling_time: float = 40.0
    wigner_couplings: tuple[float, ...] = (0.4, 0.7)
    wigner_points: int = 81
    memory_coupling: float = 0.7
    memory_sizes: tuple[int, ...] = (4, 8, 12, 20)
    memory_overlap: float = 0.8
    memory_time: float = 30.0
    n_times: int = 121

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(couplings=(0.4, 0.7), sizes=(1, 2), largest_coupling=(1.0, 1.0),
                   settling_time=60.0, wigner_points=21, memory_sizes=(2, 3), memory_time=6.0,
                   n_times=25)  # fmt: skip


def mean_field(p: Params, g: float) -> tuple[float, float, complex]:
    """Return x, |z| and ⟨a⟩/√N of the stable stationary state, Eq. (28) of docs/physics.md."""
    critical = p.Omega * (p.omega**2 + p.loss**2 / 4) / (2 * p.omega)
    x = -min(1.0, critical / g**2)
    z = np.sqrt(1 - x**2)
    return x, z, -1j * g * z / (1j * p.omega + p.loss / 2)


def network(p: Params, n_spins: int, g: float) -> th.Model:
    """Dicke model with enough Fock levels for the mean-field photon number and its noise."""
    n = n_spins * abs(mean_field(p, max(g, 0.65))[2]) ** 2
    levels = int(np.ceil(n + 5 * np.sqrt(n) + 10))
    return th.dicke(n_spins, g=g, omega=p.omega, Omega=p.Omega, loss=p.loss, fock_dim=levels)


def stationary(p: Params, n_spins: int, g: float) -> dict[str, np.ndarray]:
    """Return even observables of the steady state, and its Wigner function."""
    model, (x, z, alpha) = network(p, n_spins, g), mean_field(p, g)
    start = th.product_state(model, bloch=[x, 0, z], alpha=np.sqrt(n_spins) * alpha)
    times = p.settling_time * np.array([2 / 3, 1])
    result = th.evolve(model, start, times, observables=[*EVEN, "photon_distribution"],
                       method=th.Symmetric(tolerance=1e-7), progress=False)  # fmt: skip
    mean = {name: result.expect[name][-1, 0] for name in EVEN}
    quadrature = wigner_axis(p)
    W = result.final_state.wigner(0, quadrature, quadrature)
    P, n = mean["overlap_distribution"], result.expect["occupation"][:, 0] / n_spins
    return {
        "n": n[-1], "m2": mean["overlap_moments"][1], "m_x": mean["m_x"], "g2": mean["g2"],
        "P": (P + P[::-1]) / 2, "W": (W + W[::-1, ::-1]) / 2, "drift": abs(n[1] - n[0]),
        "tail": result.expect["photon_distribution"][-1, 0, -1],
    }  # fmt: skip


def wigner_axis(p: Params) -> np.ndarray:
    """Return the values of both quadratures at which the Wigner function is drawn."""
    return np.linspace(-5.5, 5.5, p.wigner_points)


def memory(p: Params, n_spins: int, sign: float, times: np.ndarray, method: object) -> np.ndarray:
    """Return ⟨m_z⟩ over time from spins tilted towards the pattern or away from it."""
    model = network(p, n_spins, p.memory_coupling)
    m = p.memory_overlap
    start = th.product_state(model, bloch=[-np.sqrt(1 - m**2), 0, sign * m])
    result = th.evolve(model, start, times, observables=["m_z"], method=method, progress=False)
    return result.expect["m_z"][:, 0]


def decay_rate(times: np.ndarray, m: np.ndarray) -> float:
    """Return -d ln m/dt over the second half, by least squares."""
    late = times > times[-1] / 2
    return -float(np.polyfit(times[late], np.log(np.abs(m[late])), 1)[0])


def compute(p: Params) -> xr.Dataset:
    """Steady states over the coupling, two Wigner functions, and the memory."""
    shape = (len(p.sizes), len(p.couplings))
    names = {"n": (), "m2": (), "m_x": (), "g2": (), "drift": (), "tail": ()}
    found = {name: np.full(shape, np.nan) for name in names}
    P = np.full((*shape, max(p.sizes) + 1), np.nan)
    W = np.zeros((len(p.wigner_couplings), p.wigner_points, p.wigner_points))
    for s, k in np.ndindex(*shape):
        N, g = p.sizes[s], p.couplings[k]
        if g > p.largest_coupling[s]:
            continue
        state = stationary(p, N, g)
        for name in names:
            found[name][s, k] = state[name]
        P[s, k, : N + 1] = state["P"]
        if s == len(p.sizes) - 1 and g in p.wigner_couplings:
            W[p.wigner_couplings.index(g)] = state["W"]
    times = np.linspace(0, p.memory_time, p.n_times)
    kept = th.Symmetric(tolerance=1e-7)
    m = np.array([[memory(p, N, sign, times, kept) for sign in (1, -1)] for N in p.memory_sizes])
    limit = np.array([memory(p, 20, sign, times, th.MeanField()) for sign in (1, -1)])
    fine = np.linspace(0.2, 1.05, 171)
    curves = np.array([mean_field(p, g) for g in fine])
    at = ("n_spins", "g")
    variables = {
        "occupation": (at, found["n"], "1", "photons per spin ⟨n⟩/N"),
        "rms_overlap": (at, np.sqrt(found["m2"]), "1", "√⟨m²⟩"),
        "m_x": (at, found["m_x"], "1", "mean of σˣ"),
        "g2": (at, found["g2"], "1", "second-order coherence g²(0) of the mode"),
        "drift": (at, found["drift"], "1", "change of ⟨n⟩/N over the last third of the time"),
        "fock_tail": (at, found["tail"], "1", "population of the highest kept Fock level"),
        "P": ((*at, "n_up"), P, "1", "P(m) with m = 2 n_up/N - 1"),
        "wigner": (("g_wigner", "p", "x"), W, "1", "Wigner function of the largest size"),
        "occupation_mean_field": ("g_fine", np.abs(curves[:, 2]) ** 2, "1", "mean-field |α|²/N"),
        "overlap_mean_field": ("g_fine", np.abs(curves[:, 1]), "1", "mean-field |z|"),
        "m_z": (("n_spins_memory", "sign", "time"), m, "1", "overlap ⟨m_z⟩ over time"),
        "m_z_mean_field": (("sign", "time"), limit, "1", "the same in mean field"),
        "decay_rate": ("n_spins_memory", [decay_rate(times, part[0]) for part in m], MODE_UNIT,
                       "rate of decay of ⟨m_z⟩ in the second half of the time"),
    }  # fmt: skip
    coords = {
        "n_spins": list(p.sizes), "g": list(p.couplings), "g_fine": fine,
        "g_wigner": list(p.wigner_couplings), "x": wigner_axis(p), "p": wigner_axis(p),
        "n_spins_memory": list(p.memory_sizes), "sign": [1, -1],
        "time": ("time", times, {"units": "inverse mode frequency"}),
    }  # fmt: skip
    data = st.labelled(p, "superradiant transition and memory at finite N", variables, coords)
    data.attrs["critical_coupling"] = float(
        np.sqrt(p.Omega * (p.omega**2 + p.loss**2 / 4) / (2 * p.omega))
    )
    data.attrs.update(memory_coupling=p.memory_coupling)
    return data


def plot(data: xr.Dataset) -> Figure:
    """Photons, overlap, coherence; P(m) below and above; two Wigner functions; the memory."""
    figure, axes = st.panels(2, 4, (14, 6.4))
    limits = {"occupation": "occupation_mean_field", "rms_overlap": "overlap_mean_field"}
    labels = (
        r"photons per spin $\langle n\rangle/N$",
        r"$\sqrt{\langle m^2\rangle}$",
        "$g^{(2)}(0)$",
    )
    for ax, name, label in zip(axes[0], ("occupation", "rms_overlap", "g2"), labels, strict=False):
        _draw_curves(ax, data, name, limits.get(name))
        ax.set(ylabel=label)
    axes[0, 2].axhline(1, color="0.6", lw=0.8)
    axes[0, 2].axhline(2, color="0.6", lw=0.8)
    axes[0, 0].legend(fontsize="x-small", frameon=False)
    _draw_memory(axes[0, 3], data)
    for ax, g in zip(axes[1, :2], data.g_wigner.values, strict=True):
        _draw_distributions(ax, data, g)
    heights = np.arange(0.01, max(0.03, float(data.wigner.max())), 0.02)
    for ax, g in zip(axes[1, 2:], data.g_wigner.values, strict=True):
        picture = ax.contourf(data.x, data.p, data.wigner.sel(g_wigner=g), heights, cmap="Greys",
                              extend="both")  # fmt: skip
        ax.set(xlabel="$x$", ylabel="$p$", aspect="equal", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
        st.title(ax, f"W(x, p), g = {g:g}, N = {int(data.n_spins[-1])}")
    figure.colorbar(picture, ax=axes[1, 2:], shrink=0.8).ax.set(xlabel=" ", ylabel="$W$")
    return figure


def _draw_curves(ax: object, data: xr.Dataset, name: str, limit: str | None) -> None:
    for N, colour, marker in zip(data.n_spins.values, st.COLOURS, st.MARKERS, strict=False):
        ax.plot(data.g, data[name].sel(n_spins=N), marker=marker, color=colour, ms=4, lw=1.2,
                label=f"N = {N}")  # fmt: skip
    if limit:
        ax.plot(data.g_fine, data[limit], "k--", lw=1.2, label="mean field")
    ax.axvline(data.attrs["critical_coupling"], color="0.5", lw=0.8, ls=":")
    ax.set(xlabel="coupling $g$", ylim=(0, None))


def _draw_memory(ax: object, data: xr.Dataset) -> None:
    colours = dict(zip([*data.n_spins.values.tolist(), 20], st.COLOURS, strict=False))
    for N in data.n_spins_memory.values:
        for sign in (1, -1):
            ax.plot(data.time, data.m_z.sel(n_spins_memory=N, sign=sign), lw=1.2,
                    color=colours.get(int(N), "0.5"),
                    label=f"N = {N}" if sign > 0 else None)  # fmt: skip
    for sign in (1, -1):
        ax.plot(data.time, data.m_z_mean_field.sel(sign=sign), "k--", lw=0.9,
                label="mean field" if sign > 0 else None)  # fmt: skip
    st.title(ax, f"g = {data.attrs['memory_coupling']:g}, two starts")
    ax.set(xlabel=r"time $t$ ($1/\omega$)", ylabel=r"$\langle m_z\rangle$", ylim=(-1.05, 1.6))
    ax.set_yticks([-1, -0.5, 0, 0.5, 1])
    ax.legend(fontsize="x-small", frameon=False, ncols=2, loc="upper right")


def _draw_distributions(ax: object, data: xr.Dataset, g: float) -> None:
    for N, colour, marker in zip(data.n_spins.values, st.COLOURS, st.MARKERS, strict=False):
        P = data.P.sel(n_spins=N, g=g)[: N + 1]
        ax.plot(np.linspace(-1, 1, N + 1), P * N / 2, marker=marker, ms=3, lw=1.2, color=colour)
    st.title(ax, f"steady state, g = {g:g}")
    ax.set(xlabel="overlap $m$", ylabel="$N P(m)/2$", ylim=(0, None))


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
