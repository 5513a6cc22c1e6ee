"""Error correction by light.

Question: can one lossy mode correct a wrong spin of a stored pattern, and what does it take?

Mean field never does: spins of one class see the same light and keep their relative directions. At
finite N without single-spin noise the total spin J is conserved; a pattern with one wrong spin has
weight 1/N in the largest J = N/2, and only that part can ever reach the pattern (or its mirror
image). Single-spin dephasing mixes the J. Measured: the probability that all spins agree with the
pattern or all disagree, P(|m| = 1), and the mean of |m|, against time.

Command: python studies/beyond_mean_field/dicke_error_correction.py [--plot-only]
Run time: 3 minutes, one thread. Exact (permutation-symmetric) at finite N; mean field beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import _study as st
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th


@dataclass(frozen=True)
class Params:
    """Sizes with their Fock levels, dephasing rates, and the mode."""

    sizes: tuple[int, ...] = (5, 8, 12)
    fock_dims: tuple[int, ...] = (18, 24, 30)
    dephasings: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1)
    g: float = 1.2
    omega: float = 1.0
    Omega: float = 0.2
    loss: float = 1.5
    final_time: float = 100.0
    n_times: int = 101

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(sizes=(3,), fock_dims=(14,), dephasings=(0.0, 0.1), final_time=4.0, n_times=9)


def model(params: Params, N: int, fock_dim: int, dephasing: float) -> th.Model:
    """One pattern, all spins up; one mode."""
    return th.dicke(N, g=params.g, omega=params.omega, Omega=params.Omega, loss=params.loss,
                    fock_dim=fock_dim, dephasing=dephasing)  # fmt: skip


def one_wrong(N: int) -> np.ndarray:
    """The pattern with its last spin flipped."""
    return np.array([1] * (N - 1) + [-1])


def compute(params: Params) -> xr.Dataset:
    """Distributions of the overlap over time, and mean field."""
    times = np.linspace(0, params.final_time, params.n_times)
    shape = len(params.sizes), len(params.dephasings)
    whole, mean = np.zeros((*shape, len(times))), np.zeros((*shape, len(times)))
    limit, tails = np.zeros((len(params.sizes), len(times))), np.zeros(shape)
    for a, (N, fock_dim) in enumerate(zip(params.sizes, params.fock_dims, strict=True)):
        for b, dephasing in enumerate(params.dephasings):
            network = model(params, N, fock_dim, dephasing)
            start = th.product_state(network, spins=one_wrong(N))
            result = th.evolve(network, start, times, observables=["overlap_distribution"],
                               method=th.Symmetric(tolerance=1e-8), progress=False)  # fmt: skip
            P = result.expect["overlap_distribution"][:, 0]
            m = np.linspace(-1, 1, N + 1)
            whole[a, b], mean[a, b] = P[:, 0] + P[:, -1], P @ np.abs(m)
            tails[a, b] = result.stats["fock_tail"]
        network = model(params, N, fock_dim, 0.0)
        result = th.evolve(network, th.product_state(network, spins=one_wrong(N)), times,
                           observables=["m_z"], method="MeanField", progress=False)  # fmt: skip
        limit[a] = np.abs(result.expect["m_z"][:, 0])
    dims = ("n_spins", "dephasing", "time")
    variables = {
        "agreeing": (dims, whole, "1", "P(|m| = 1): all spins right, or all wrong"),
        "mean_overlap": (dims, mean, "1", "mean of |m|"),
        "mean_overlap_mean_field": (("n_spins", "time"), limit, "1", "|m_z| in mean field"),
        "fock_tail": (("n_spins", "dephasing"), tails, "1", "population of the highest level"),
    }
    coords = {
        "n_spins": list(params.sizes), "dephasing": list(params.dephasings),
        "time": ("time", times, {"units": "1/omega"}),
    }  # fmt: skip
    return st.labelled(params, "error correction by one lossy mode", variables, coords)


def plot(data: xr.Dataset) -> Figure:
    """P(|m| = 1) above, mean |m| below; a column per size."""
    figure, axes = st.panels(2, data.sizes["n_spins"], (3.4 * data.sizes["n_spins"], 6))
    for column, N in zip(axes.T, data.n_spins.values, strict=True):
        part = data.sel(n_spins=N)
        for k, dephasing in enumerate(part.dephasing.values):
            style = {"color": st.COLOURS[k], "label": f"dephasing {dephasing:g}"}
            column[0].plot(part.time, part.agreeing[k], **style)
            column[1].plot(part.time, part.mean_overlap[k], **style)
        column[0].axhline(1 / N, color="k", ls=":", lw=1, label="1/N, weight of the largest J")
        column[1].plot(part.time, part.mean_overlap_mean_field, "k--", lw=1, label="mean field")
        column[1].axhline(1 - 2 / N, color="0.6", lw=0.8, label="start")
        column[0].set(ylabel="P(|m| = 1)", ylim=(0, None))
        column[1].set(ylabel="mean of |m|", ylim=(0, 1))
        for ax in column:
            st.title(ax, f"N = {N}, one wrong spin")
            ax.set(xlabel="time (1/ω)")
    st.legend_outside(figure, axes[:, 0], 4)
    return figure


if __name__ == "__main__":
    st.main(__file__, Params(), compute, plot)
