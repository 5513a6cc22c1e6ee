"""Flips of single spins: their rates in tables, and couplings of low rank as overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.rate_base import Rate
from tnhop.physics.rates import AtFields
from tnhop.support.arrays import Real

_TABLE_ERROR = 1e-10  # accepted error of a tabulated rate, in units of the largest
_MOST_CELLS = 2**14
_MOST_OVERLAPS = 64


def flips(jump: Jump | FieldJump) -> Iterator[tuple[int, int, complex | Rate]]:
    """Yield (site, +1 for up or -1 for down, amplitude) of the flips of a jump that closes."""
    if isinstance(jump, FieldJump):
        for name, amplitude in jump.functions:
            if name in ("+", "-"):
                yield jump.site, 1 if name == "+" else -1, amplitude
    elif len(jump.operator.terms) == 1 and len(jump.operator.terms[0].factors) == 1:
        term = jump.operator.terms[0]
        site, name = term.factors[0]
        if name in ("+", "-"):
            yield site, 1 if name == "+" else -1, term.coefficient


@dataclass(frozen=True, eq=False)
class _SiteFlips:
    """Flips of one spin: rates as functions of its field, down and up, and weights of the field."""

    weights: Real | None = None
    self_term: float = 0.0
    rates: tuple[tuple[Rate, ...], tuple[Rate, ...]] = ((), ())
    constants: tuple[float, float] = (0.0, 0.0)

    def with_flip(self, up: bool, amplitude: Any, jump: Any) -> _SiteFlips:
        """Return the site with one more flip."""
        if isinstance(amplitude, AtFields):
            amplitude = amplitude.rate  # the compiled loops know ties themselves
        if isinstance(amplitude, Rate) and amplitude.n_fields:
            rates = [*self.rates]
            rates[up] = (*rates[up], amplitude)
            weights = jump.fields[0] if self.weights is None else self.weights
            return _SiteFlips(weights, jump.self_field[0], (rates[0], rates[1]), self.constants)
        value = amplitude(np.zeros(1))[0] if isinstance(amplitude, Rate) else amplitude
        constants = [*self.constants]
        constants[up] += abs(value) ** 2
        return _SiteFlips(self.weights, self.self_term, self.rates, (constants[0], constants[1]))

    def __call__(self, h: Real) -> Real:
        """Return the rates of flips down and up at the fields h, shape (2, n)."""
        return np.array([
            sum((np.abs(rate(h)) ** 2 for rate in self.rates[up]), np.full(h.shape, constant))
            for up, constant in enumerate(self.constants)
        ])  # fmt: skip

    @property
    def is_step(self) -> bool:
        """Whether a rate jumps at zero field."""
        return not all(rate.smooth for rates in self.rates for rate in rates)


def _sites(model: Model) -> list[_SiteFlips]:
    sites = [_SiteFlips() for _ in model.spins]
    for jump in model.jumps:
        for k, sign, amplitude in flips(jump):
            sites[k] = sites[k].with_flip(sign == 1, amplitude, jump)
    return sites


def _groups(sites: list[_SiteFlips]) -> tuple[list[_SiteFlips], NDArray[np.int64]]:
    """Return one site for every set of equal rates, and the group of every site."""
    place: dict[Any, int] = {}
    labels = [place.setdefault((site.rates, site.constants), len(place)) for site in sites]
    return [sites[labels.index(g)] for g in range(len(place))], np.array(labels, dtype=np.int64)


def flip_obstacle(model: Model) -> str | None:
    """Return why the flips of a model cannot be tabulated, or None."""
    seen: dict[int, Real] = {}
    for jump in model.jumps:
        if isinstance(jump, FieldJump) and any(a.n_fields for _, a in jump.amplitudes):
            if len(jump.fields) > 1:
                return f"the rates of spin {jump.site} depend on {len(jump.fields)} fields"
            if not np.array_equal(seen.setdefault(jump.site, jump.fields), jump.fields):
                return f"two jumps see different fields of spin {jump.site}"
    for site in _groups(_sites(model))[0]:
        if site.is_step:
            assert site.weights is not None
            side = np.linspace(0.01, 1.0, 25) * (float(np.abs(site.weights).sum()) or 1.0)
            if np.ptp(site(side), axis=1).any() or np.ptp(site(-side), axis=1).any():
                return "a rate jumps at zero field and is not constant on either side"
    return None


def rate_bound(model: Model) -> float:
    """Bound the flip rate of a spin, from samples of the rates."""
    largest = [0.0]
    for site in _groups(_sites(model))[0]:
        reach = 0.0 if site.weights is None else float(np.abs(site.weights).sum())
        largest.append(float(site(reach * np.linspace(-1, 1, 65)).max()))
    return max(largest)


def _tabulated(site: _SiteFlips, bound: float) -> tuple[Real, float]:
    """Return coefficients of cubics (2, n_cells, 4) on |h| <= bound, and their largest error."""
    if site.is_step:
        values = site(np.array([-0.5, 0.0, 0.5]) * bound)
        return np.concatenate([values[..., None], np.zeros((2, 3, 3))], axis=2), 0.0
    from scipy.interpolate import CubicSpline  # slow to import, and seldom needed

    cells = 64
    values = site(np.linspace(-bound, bound, cells + 1))
    while True:
        grid, width = np.linspace(-bound, bound, cells + 1, retstep=True)
        spline, centres = CubicSpline(grid, values, axis=1), grid[:-1] + width / 2
        between = site(centres)  # the nodes that a finer grid would add
        error = 1.5 * float(np.abs(spline(centres) - between).max())  # nearly the peak of a cell
        if error <= _TABLE_ERROR * values.max(initial=0.0) or cells >= _MOST_CELLS:
            break
        values = np.insert(values, np.arange(1, cells + 1), between, axis=1)
        cells *= 2
    powers = spline.c[::-1] * width ** np.arange(4)[:, None, None]  # power cell direction
    return np.ascontiguousarray(powers.transpose(2, 1, 0)), error


def _low_rank(K: Real, max_rank: int) -> tuple[Real, Real] | None:
    """Return A, B with K = A Bᵀ and at most `max_rank` columns, if there are such."""
    n = len(K)
    sketch = K @ np.random.default_rng(n).standard_normal((n, min(n, max_rank + 8)))
    Q, R, _ = qr(sketch, mode="economic", pivoting=True)
    size = np.abs(np.diagonal(R))
    rank = max(1, int(np.sum(size > 1e-12 * size[0])))
    if rank > max_rank:
        return None
    A = Q[:, :rank]
    B = K.T @ A
    scale = np.abs(K).sum(axis=1).max(initial=0.0)
    wrong = max((float(np.abs(K[k : k + 256] - A[k : k + 256] @ B.T).sum(axis=1).max())
                 for k in range(0, n, 256)), default=0.0)  # fmt: skip
    return (A, B) if wrong <= 1e-11 * scale else None


@dataclass(frozen=True, eq=False)
class FlipModel:
    """The flips of a model in the form of the compiled loops.

    Attributes
    ----------
    left, right : ndarray, shape (n_spins, n_sums)
        Sums m = Σ_j right[j] s_j. The field of spin k is left[k]·m - self_terms[k] s_k; where
        `left` is empty it is m[k].
    self_terms : ndarray, shape (n_spins,)
        Self terms contained in left·right.
    group : ndarray of int, shape (n_spins,)
        Table of every spin.
    tables : ndarray, shape (n_groups, 2, n_cells, 4)
        Cubics of the rates of flips down and up.
    grids : ndarray, shape (n_groups, 3)
        Largest field, cells per field, last cell; for rates that jump at zero -1 cells per field.
    fastest : float
        Bound of all rates.
    error : float
        Largest error of a tabulated rate.
    """

    left: Real
    right: Real
    self_terms: Real
    group: NDArray[np.int64]
    tables: Real
    grids: Real
    fastest: float
    error: float

    @classmethod
    def from_model(cls, model: Model) -> FlipModel:
        """Tabulate the rates and factorise the couplings."""
        n, sites = model.n_spins, _sites(model)
        J = np.array([np.zeros(n) if s.weights is None else s.weights[:n] for s in sites])
        self_terms = np.array([s.self_term for s in sites])
        factors = _low_rank(J + np.diag(self_terms), min(_MOST_OVERLAPS, max(1, n // 4)))
        left, right = factors or (np.zeros((n, 0)), J.T)
        kinds, group = _groups(sites)
        reach = np.abs(J).sum(axis=1)
        bounds = [float(reach[group == g].max()) or 1.0 for g in range(len(kinds))]
        parts, errors = zip(*map(_tabulated, kinds, bounds), strict=True)
        cells = [part.shape[1] for part in parts]
        tables = np.zeros((len(kinds), 2, max(cells), 4))
        for g, part in enumerate(parts):
            tables[g, :, : cells[g]] = part
        grids = np.array([
            [bound, -1.0 if site.is_step else count / (2 * bound), count - 1]
            for site, bound, count in zip(kinds, bounds, cells, strict=True)
        ])  # fmt: skip
        # a cubic lies inside the hull of its Bernstein coefficients
        hull = tables @ np.array([[1, 1, 1, 1], [0, 1 / 3, 2 / 3, 1], [0, 0, 1 / 3, 1],
                                  [0, 0, 0, 1]])  # fmt: skip
        return cls(np.ascontiguousarray(left), np.ascontiguousarray(right), self_terms, group,
                   tables, grids, float(hull.max(initial=0.0)), max(errors))  # fmt: skip

    @property
    def arrays(self) -> tuple[Any, ...]:
        """Arguments of the compiled loops."""
        return (self.left, self.right, self.self_terms, self.group, self.tables, self.grids)
