"""Error budgets: what an answer can be off by, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tnhop.support.checks import one_of, wrong_type

__all__ = ["ErrorBudget"]

_CONDITION = "map observables to sources of error and their half-widths"


class ErrorBudget(Mapping[str, NDArray[np.float64]]):
    """Half-widths of the error bars, in total and by source.

    ``errors[name]`` has the shape of ``expect[name]``: systematic sources add linearly, sampling
    enters in quadrature, and what was not measured is NaN, never 0.

    Parameters
    ----------
    by_source : dict of str to dict of str to ndarray, shape (n_times, ...)
        Observable → source → half-width.
    """

    def __init__(self, by_source: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
        if not isinstance(by_source, Mapping):
            raise wrong_type("by_source", _CONDITION, by_source)
        for name, sources in [*by_source.items()]:
            if not isinstance(name, str) or not isinstance(sources, Mapping):
                raise wrong_type("by_source", _CONDITION, sources)
        self._by_source = {name: dict(sources) for name, sources in by_source.items()}

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return the total half-width of an observable."""
        sources = self.sources(name)
        systematic = [np.abs(value) for source, value in sources.items() if source != "sampling"]
        total = np.sum(systematic, axis=0)
        if "sampling" in sources:
            total = np.hypot(total, sources["sampling"])
        return np.asarray(total, dtype=float)

    def sources(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Return the half-widths of an observable by source of error."""
        one_of(name, "name", self._by_source)
        return dict(self._by_source[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the observables."""
        return iter(self._by_source)

    def __len__(self) -> int:
        """Return the number of observables."""
        return len(self._by_source)

    def __repr__(self) -> str:
        """Return the observables and the sources."""
        sources = sorted({s for by in self._by_source.values() for s in by})
        return f"<ErrorBudget of {', '.join(self)}; sources: {', '.join(sources)}>"
