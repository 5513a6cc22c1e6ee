"""Emission spectra of two-time correlations, and averages of sweeps over ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from tnhop.answers.correlation import Correlation
from tnhop.answers.steady_state import QUALITY
from tnhop.support.checks import affordable, complex_array, fail, one_of, real_array, wrong_type

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["emission_spectrum", "quenched_average"]

_NODES = 8  # of Gauss-Legendre quadrature between two delays
_DECAYED = 0.01
_NOT_MEASURED = {"wall_time", *QUALITY} - {"gap"}


def emission_spectrum(
    correlation: Correlation, frequencies: ArrayLike, *, limit: complex = 0.0
) -> NDArray[np.float64]:
    r"""Power spectrum of a stationary correlation, by the Wiener-Khinchin theorem, Eq. (67).

    .. math::
        S(\omega) = \frac{1}{\pi} \mathrm{Re} \int_0^\infty
                    [C(t) - \mathtt{limit}]\, e^{-i\omega t} dt, \qquad
        \int S\, d\omega = C(0) - \mathtt{limit}

    Parameters
    ----------
    correlation : Correlation
        C(t) = ⟨a†(t) a(0)⟩ in a stationary state for the light that a mode emits: `th.correlation`
        with ``first=th.destroy(site)`` and ``second=th.create(site)``.
    frequencies : array_like, shape (n_frequencies,)
        Angular frequencies ω; light of the frequency ω is found at +ω.
    limit : complex
        C(∞) = ⟨a†⟩⟨a⟩: the coherent part, a line without width that is left out.

    Returns
    -------
    ndarray, shape (n_frequencies,)

    Raises
    ------
    ValueError
        If the delays do not begin at 0 or the correlation has not decayed at the last one.

    Notes
    -----
    **Error**: C is a cubic spline between the delays (h apart, error about (ωh)⁴/400) and 0 after
    them. **Cost**: n_frequencies times 8 n_times exponentials.

    Examples
    --------
    An empty mode with a thermal bath emits a Lorentzian of half-width (loss - gain)/2:

    >>> import tnhop as th
    >>> model = th.Model(
    ...     th.modes(1, fock_dim=12), 0.7 * th.number(0),
    ...     [th.Jump(th.destroy(0)), th.Jump(0.2**0.5 * th.create(0))],
    ... )
    >>> state = th.steady_state(model).state
    >>> t = np.linspace(0, 30, 301)
    >>> C = th.correlation(model, state, t, th.destroy(0), th.create(0))
    >>> S = th.emission_spectrum(C, [0.7, 1.1])  # n = 0.25
    >>> round(float(S[0]), 4), round(float(S[0] / S[1]), 3)
    (0.1989, 2.0)
    """
    if not isinstance(correlation, Correlation):
        raise wrong_type("correlation", "be a Correlation", correlation)
    omega = real_array(frequencies, "frequencies", ("n_frequencies",))
    t, C = correlation.times, correlation.values - complex_array(limit, "limit", ()).item()
    if t[0] != 0 or len(t) < 4:
        found = f"they are {len(t)} and begin at {t[0]:g}"
        raise fail("correlation", "have at least 4 delays from 0 on", found)
    if abs(C[-1]) > _DECAYED * abs(C[0]):
        raise fail(
            "correlation",
            f"decay to {_DECAYED:g} of its first value, less `limit`",
            f"at t = {t[-1]:g} it is {abs(C[-1]):.2g} of {abs(C[0]):.2g}",
            "Use longer delays, or give the `limit`.",
        )
    affordable(16.0 * len(omega) * _NODES * len(t), "frequencies", f"{len(omega)} frequencies")
    from scipy.interpolate import CubicSpline  # slow to import, and not needed to run anything

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(t)[:, None] / 2
    at = (t[:-1, None] + half * (1 + nodes)).ravel()
    values = CubicSpline(t, C)(at) * (half * weights).ravel()
    return np.asarray((np.exp(-1j * omega[:, None] * at) @ values).real / np.pi)


def quenched_average(data: xr.Dataset, dim: str) -> xr.Dataset:
    r"""Average over an ensemble, such as the seeds of the patterns, with standard errors.

    .. math::
        \bar x = \frac1n \sum_r x_r, \qquad
        s^2 = \frac{1}{n (n-1)} \sum_r (x_r - \bar x)^2

    Parameters
    ----------
    data : Dataset
        From `sweep`, with an axis of realisations.
    dim : str
        The axis.

    Returns
    -------
    Dataset
        Without the axis: the means; ``<name>_standard_error``: s; ``<name>_error``: the half-width
        of a 95 % interval, of the mean error bar and t s in quadrature, with Student's t for n - 1;
        and ``<name>_count``: n, the realisations that have an answer. NaN where n = 1. An average
        with an undetermined value in it is undetermined: ``<name>_determined`` is 0.

    Raises
    ------
    ValueError
        If the sweep has no such axis.

    Notes
    -----
    **Use when** couplings are random: what is averaged is the answer for fixed couplings, not the
    dynamics. **Error**: realisations are taken as independent, and n as large enough for the mean
    to be normal.

    Examples
    --------
    >>> import xarray as xr
    >>> data = xr.Dataset({"m": ("rng", [0.5, 0.7]), "m_error": ("rng", [0.0, 0.0])})
    >>> float(quenched_average(data, "rng")["m_standard_error"])
    0.1
    """
    import xarray as xr

    if not isinstance(data, xr.Dataset):
        raise wrong_type("data", "be a Dataset of a sweep", data)
    axes = [a for a in data.attrs.get("axes", map(str, data.dims)) if a != "method"]
    one_of(dim, "dim", axes)
    known = {str(name) for name, array in data.data_vars.items() if dim in array.dims}
    bars = {name: _bar_of(name, known) for name in known}
    averaged: dict[str, xr.DataArray] = {}
    for name in sorted(known):
        values = data[name]
        if name.endswith("_determined"):
            averaged[name] = values.min(dim)
            continue
        if values.dtype.kind != "f" or name in bars.values() or name in _NOT_MEASURED:
            continue
        n = values.notnull().sum(dim)
        spread = values.std(dim, ddof=1) / np.sqrt(n)
        t = xr.apply_ufunc(stdtrit, n - 1, 0.975)
        bar = bars[name]
        systematic = data[bar].mean(dim) if bar else 0.0
        averaged[name] = values.mean(dim)
        averaged[f"{name}_standard_error"] = spread
        averaged[f"{name}_error"] = np.hypot(systematic, t * spread)
        averaged[f"{name}_count"] = n
    fixed = {n: a for n, a in data.data_vars.items() if dim not in a.dims}
    left = [a for a in data.attrs.get("axes", ()) if a != dim]
    return xr.Dataset({**averaged, **fixed}, attrs=data.attrs | ({"axes": left} if left else {}))


def _bar_of(name: str, known: set[str]) -> str | None:
    """Return the variable with the error bars of another; parts of a complex one share theirs."""
    stems = (name, name.removesuffix("_re"), name.removesuffix("_im"))
    return next((f"{stem}_error" for stem in stems if f"{stem}_error" in known), None)
