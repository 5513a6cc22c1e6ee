"""Predicted bonds of chains: mean field, Gaussian fluctuations about it, singular values.

Behind the estimates of `TDVP` and `TEBD`. Fluctuations of spins and modes about the
mean-field flow, with Jacobian J, correlate as

    C' = J C + C Jᵀ + sources on the sites,

where the block of a spin is that of its product state. Across a cut the weighted correlations of
the two sides have singular values s_k, and a Gaussian state then has the Schmidt coefficients
Π_k s_k^{n_k}: those above the cutoff are counted. Where rates change much as fields fluctuate, as
at low temperatures, correlations of more than two spins need more. No matrix is larger than the
number of variables, 3 n_spins + 2 n_modes, and beyond some hundred of them nothing is computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.states import ProductState
from tnhop.solvers.fitted import CHAIN_BONDS
from tnhop.solvers.meanfield.flow import MeanFieldFlow
from tnhop.support.arrays import Real

_EVALUATIONS = 3000  # of the flow, in all
_MIN_INTERVALS, _MAX_INTERVALS = 4, 25
_LONGEST = 0.4  # interval, in units of the inverse rate of the model
_CUTS = 7
_FIELDS = 41  # at which the slope of rates is looked for
_BINS = 120  # of the logarithms of Schmidt coefficients
_AT_REST = 1e-6  # motion of mean field from which on chains pass over time
_VACUUM = 0.25  # variance of Re α and Im α


@dataclass(frozen=True, eq=False)
class FluctuationSnapshot:
    """Weighted correlations of all sites at one time.

    Attributes
    ----------
    time : float
        The time.
    size : float
        Logarithm of the norm of the state.
    values : list of ndarray
        Singular values at every cut.
    photons : ndarray, shape (n_modes,)
        Mean occupation.
    steepness : float
        How far rates change as fields fluctuate, times ⟨σᶻ⟩², averaged over spins.
    motion : float
        Norm of the rates of change of mean field, in units of the rate of the model.
    """

    time: float
    size: float
    values: list[Real]
    photons: Real
    steepness: float
    motion: float


@dataclass(frozen=True, eq=False)
class GaussianFluctuations:
    """Fluctuations across some cuts of a chain as time goes on, and the bonds that they need.

    Attributes
    ----------
    cuts : list of int
        Number of sites on the left of every cut.
    snapshots : list of FluctuationSnapshot
        At some times; the last one stands for all later ones.
    caps : list of float
        Largest bond at these cuts.
    """

    cuts: list[int]
    snapshots: list[FluctuationSnapshot]
    caps: list[float]

    def bonds(self, time: float, threshold: float) -> Real:
        """Return the bonds at the cuts, if singular values up to a threshold are dropped."""
        at = next((i for i in self.snapshots if i.time >= time * (1 - 1e-9)), self.snapshots[-1])
        depth = at.size - math.log(max(threshold, 1e-300)) + CHAIN_BONDS.extra_depth
        beyond = math.exp(CHAIN_BONDS.steep * at.steepness)  # correlations of more than two spins
        pairs = zip([beyond * _count(s, depth) for s in at.values], self.caps, strict=True)
        power = CHAIN_BONDS.smoothing
        return np.array([(n**-power + cap**-power) ** (-1 / power) for n, cap in pairs])

    @property
    def rest(self) -> float:
        """Time from which on mean field hardly moves, if its motion goes on to decay; or inf."""
        for at in self.snapshots:
            if at.motion <= _AT_REST:
                return at.time
        before, last = self.snapshots[-2:]
        decay = math.log(before.motion / last.motion) / (last.time - before.time)
        return last.time + math.log(last.motion / _AT_REST) / decay if decay > 0 else math.inf

    def photons(self) -> Real:
        """Return the largest mean occupation of every mode."""
        return np.max([at.photons for at in self.snapshots], axis=0)


def _count(values: Real, depth: float) -> float:
    """Return the number of products Π s_k^{n_k} above exp(-depth)."""
    if depth <= 0.0:
        return 1.0
    s = values / (1 + values / CHAIN_BONDS.saturation)
    weights = -np.log(np.maximum(np.concatenate([s, CHAIN_BONDS.secondary * s[:6]]), 1e-300))
    counts = np.zeros(_BINS + 1)
    counts[0] = 1.0
    for weight in weights[weights <= depth]:
        bins = max(1, round(weight / depth * _BINS))
        for start in range(bins, _BINS + 1, bins):  # with one factor s_k more than before
            more = counts[start : start + bins]
            more += counts[start - bins : start - bins + len(more)]
        if counts.sum() > 1e6:
            break
    return float(counts.sum())


def follow_fluctuations(
    model: Model, state: ProductState, epsilon: float, order: Sequence[int], end: float
) -> GaussianFluctuations | None:
    """Follow the fluctuations to the time `end`, or part of it; None for too many sites."""
    n = 3 * model.n_spins + 2 * model.n_modes
    intervals = int(_EVALUATIONS / n / (1 + (model.n_spins / 80) ** 2))
    if intervals < _MIN_INTERVALS or len(order) < 2:
        return None
    length = min(_LONGEST / model.rate_scale, end / _MIN_INTERVALS)
    intervals = min(intervals, _MAX_INTERVALS, math.ceil(end / length * (1 - 1e-9)))
    cuts = sorted({round(x) for x in np.linspace(1, len(order) - 1, _CUTS)})
    dims = np.array([2 * math.log(model.dims[k]) for k in order])
    caps = [math.exp(min(dims[:c].sum(), dims[c:].sum(), 700.0)) for c in cuts]
    flow = _FluctuationFlow(model, state)
    snapshots = []
    for k in range(1, intervals + 1):
        flow.advance(length)
        snapshots.append(flow.snapshot(k * length, epsilon, order, cuts))
    return GaussianFluctuations(cuts, snapshots, caps)


class _FluctuationFlow:
    """Flow of the mean field and of the covariances of all variables."""

    def __init__(self, model: Model, state: ProductState) -> None:
        self._model, self._flow = model, MeanFieldFlow(model, "field")
        self._y = MeanFieldFlow.pack(state)
        n, m = model.n_spins, model.n_modes
        self._spins = np.arange(3 * n).reshape(n, 3)
        self._modes = 3 * n + np.arange(m)[:, None] + np.array([0, m])
        self._steepness = _steepness(model)
        self._C = np.zeros((len(self._y),) * 2)
        self._C[self._modes, self._modes] = _VACUUM
        self._reset()

    def _reset(self) -> None:
        """Give every spin the variances of its product state."""
        r = self._y[self._spins]
        variances = np.eye(3) - r[:, :, None] * r[:, None, :]
        self._C[self._spins[:, :, None], self._spins[:, None, :]] = variances

    def _jacobian(self) -> Real:
        y, step = self._y, 1e-6
        here, J = self._flow(0.0, y), np.empty((len(y), len(y)))
        for k in range(len(y)):
            moved = y.copy()
            moved[k] += step
            J[:, k] = (self._flow(0.0, moved) - here) / step
        return J

    def advance(self, length: float) -> None:
        """Advance by some time with the Jacobian of its beginning."""
        J = self._jacobian()
        parts = max(1, math.ceil(2 * length * float(np.abs(J).sum(axis=1).max(initial=0.0))))
        h = length / min(parts, 64)
        E = np.asarray(sl.expm(length * J))
        sources = np.zeros_like(J)
        for pair in self._modes:
            block = np.ix_(pair, pair)
            sources[block] = -_VACUUM * (J[block] + J[block].T)
        for _ in range(min(parts, 64)):
            k1 = self._flow(0.0, self._y)
            k2 = self._flow(0.0, self._y + h / 2 * k1)
            k3 = self._flow(0.0, self._y + h / 2 * k2)
            k4 = self._flow(0.0, self._y + h * k3)
            self._y = self._y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        self._C = E @ (self._C + length / 2 * sources) @ E.T + length / 2 * sources
        self._reset()

    def snapshot(
        self, time: float, epsilon: float, order: Sequence[int], cuts: Sequence[int]
    ) -> FluctuationSnapshot:
        """Return the singular values of the weighted correlations across some cuts."""
        n = self._model.n_spins
        r = self._y[self._spins]
        norms = 1 + epsilon**2 * (r**2).sum(axis=1)
        roots = np.zeros_like(self._C)
        # changes of a spin lie across its state: the part along it is projected out
        across = np.eye(3) - epsilon**2 * r[:, :, None] * r[:, None, :] / norms[:, None, None]
        values, vectors = np.linalg.eigh(across)
        halves = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ vectors.swapaxes(1, 2)
        scale = epsilon / np.sqrt(norms)[:, None, None]
        roots[self._spins[:, :, None], self._spins[:, None, :]] = scale * halves
        roots[self._modes, self._modes] = math.sqrt(2.0)
        weighted = roots @ self._C @ roots
        rows = [self._spins[k] if k < n else self._modes[k - n] for k in order]
        singular_values = [
            np.linalg.svd(
                weighted[np.ix_(np.concatenate(rows[:c]), np.concatenate(rows[c:]))],
                compute_uv=False,
            )
            for c in cuts
        ]
        alpha = self._y[self._modes]
        noise = np.array([self._C[pair, pair].sum() - 2 * _VACUUM for pair in self._modes])
        photons = (alpha**2).sum(axis=1) + np.maximum(noise, 0.0)
        size = float(np.log(norms).sum()) / 2
        motion = float(np.linalg.norm(self._flow(0.0, self._y))) / self._model.rate_scale
        steepness = float(self._steepness @ r[:, 2] ** 2) / max(n, 1)
        return FluctuationSnapshot(time, size, singular_values, photons, steepness, motion)


def _steepness(model: Model) -> Real:
    """Return the largest slope of the rates of every spin, over their mean, per rms field."""
    slopes = np.zeros(model.n_spins)
    fields = np.linspace(-1, 1, _FIELDS)
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            rms = np.sqrt((jump.fields**2).sum(axis=1, keepdims=True))
            for _, amplitude in jump.amplitudes:
                rates = np.abs(np.broadcast_to(amplitude(*(rms * fields)), fields.shape)) ** 2
                slope = np.max(np.abs(np.diff(rates))) / max(float(np.mean(rates)), 1e-300)
                slopes[jump.site] = max(slopes[jump.site], slope * (_FIELDS - 1) / 2)
    return slopes
