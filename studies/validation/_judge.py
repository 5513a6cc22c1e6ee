"""What a run of the coverage study leaves behind, and the statistics of many of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Real = NDArray[np.float64]

RESOLUTION = 1e-12  # what double precision leaves of a number of order one
SILENT = 2.0  # errors of so many bars that nothing announces are listed
_LARGEST = 1e9  # a ratio to be printed


@dataclass
class Count:
    """Errors of one observable of one run, all times and components.

    Attributes
    ----------
    inside, outside : int
        Errors below and above their bars, beyond what the truth may be off by.
    undecided : int
        Bars that are no wider than three times what the truth may be off by.
    missing : int
        Bars that are NaN.
    worst : float
        Largest error in units of its bar.
    width : float
        Median of bar / error where the error is large enough to tell; NaN if nowhere.
    """

    inside: int = 0
    outside: int = 0
    undecided: int = 0
    missing: int = 0
    worst: float = 0.0
    width: float = math.nan


@dataclass
class Record:
    """One run: what it was, how it ended, what it took, and what its bars were worth."""

    method: str
    kind: str
    seed: int
    settings: str = ""
    strata: dict[str, str] = field(default_factory=dict)
    outcome: str = "ran"  # or "refused", "failed", "stopped", "not resolved"
    sentence: str = ""
    spoken: bool = False  # whether a warning or a verdict says that something is wrong
    seconds: float = 0.0
    counts: dict[str, Count] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what a line of the file holds."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Record:
        """Rebuild the record from a line of the file."""
        counts = {name: Count(**count) for name, count in content.pop("counts").items()}
        return cls(**content, counts=counts)

    @property
    def worst(self) -> float:
        """Largest error in units of its bar."""
        return max((count.worst for count in self.counts.values()), default=0.0)


def judge(
    values: NDArray[Any], bars: Real, truth: NDArray[Any], doubt: Real, visible: float = RESOLUTION
) -> Count:
    """Compare values and bars with the truth, which may be off by `doubt`.

    Bars are called wide or narrow where errors are above `visible`.

    A component whose error and bar are both below the resolution of its number has nothing to
    show, and is left out.
    """
    error = np.nan_to_num(np.abs(values - truth), nan=math.inf)
    floor = RESOLUTION * np.maximum(1.0, np.abs(truth))
    telling = np.isfinite(truth) & ~((error < floor) & (bars < floor))
    error, bars, doubt, floor = (np.asarray(a)[telling] for a in (error, bars, doubt, floor))
    barred = ~np.isnan(bars)
    excess = np.maximum(error - np.maximum(doubt, floor), 0.0)
    outside = barred & (excess > bars)
    decided = outside | (doubt <= np.maximum(floor, bars / 3))
    inside = barred & decided & ~outside
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(barred & (excess > 0), excess / bars, 0.0)
        seen = barred & (error > np.maximum(visible, 3 * doubt))
        width = float(np.median((bars / error)[seen])) if seen.any() else math.nan
    return Count(
        int(inside.sum()), int(outside.sum()), int((barred & ~decided).sum()),
        int((~barred).sum()), float(np.minimum(ratio, _LARGEST).max(initial=0.0)), width,
    )  # fmt: skip


def interval(shares: Sequence[float], level: float) -> tuple[float, float]:
    """Return the interval of the mean share of independent runs.

    Wilson's interval of a proportion, with as many trials as would spread the mean as much as the
    runs do, for errors of one run go wrong together; at least as many as there are runs. Two more
    runs, one all inside and one all outside, are added to the spread, because few runs may agree by
    chance, and Student's t takes the place of the normal distribution.
    """
    n = len(shares)
    if n < 2:
        return 0.0, 1.0
    p = float(np.mean(shares))
    spread = (float(np.sum((np.asarray(shares) - p) ** 2)) + 0.5) / (n + 1)
    trials = max(n, p * (1 - p) / (spread / n))
    z = float(student.ppf((1 + level) / 2, n - 1))
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)


@dataclass(frozen=True)
class Row:
    """A line of the table: one method, and one observable or stratum, over many runs."""

    label: tuple[str, ...]
    runs: int
    inside: float
    usual: tuple[float, float]  # 95 %
    wide: tuple[float, float]  # 99.9 %
    worst: float
    width: float
    missing: float  # share of bars that are NaN
    undecided: float


def row(label: tuple[str, ...], counts: Iterable[Sequence[Count]]) -> Row:
    """Sum up runs, each a list of counts."""
    shares, worst, widths, missing, undecided, total = [], 0.0, [], 0, 0, 0
    for run in counts:
        inside, outside = sum(c.inside for c in run), sum(c.outside for c in run)
        if inside + outside:
            shares.append(inside / (inside + outside))
        missing += sum(c.missing for c in run)
        undecided += sum(c.undecided for c in run)
        total += inside + outside + sum(c.missing + c.undecided for c in run)
        worst = max([worst, *(c.worst for c in run)])
        widths += [c.width for c in run if math.isfinite(c.width)]
    mean = float(np.mean(shares)) if shares else math.nan
    return Row(
        label, len(shares), mean, interval(shares, 0.95), interval(shares, 0.999), worst,
        float(np.median(widths)) if widths else math.nan, missing / max(total, 1),
        undecided / max(total, 1),
    )  # fmt: skip


def grouped(
    records: Iterable[Record], label: Callable[[Record, str], tuple[str, ...] | None]
) -> list[Row]:
    """Return a row for every label that (record, observable) pairs have."""
    groups: dict[tuple[str, ...], dict[int, list[Count]]] = {}
    for k, record in enumerate(records):
        for name, count in record.counts.items():
            key = label(record, name)
            if key is not None:
                groups.setdefault(key, {}).setdefault(k, []).append(count)
    return [row(key, runs.values()) for key, runs in sorted(groups.items())]
