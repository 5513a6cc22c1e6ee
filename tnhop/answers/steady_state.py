"""SteadyState: a stationary state, its observables and its quality."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.answer import StoredAnswer
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.tables import Values, text_rows, tidy_frame, values_of, variables, with_bar
from tnhop.answers.verdict import UNDETERMINED, is_negative
from tnhop.physics.model import Model
from tnhop.physics.observables import Observable, real_parts

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SteadyState"]

# quality of a steady state; variables of its Dataset
QUALITY = ("residual", "weighted_residual", "gap", "multiplicity", "converged")


@dataclass(frozen=True, eq=False, repr=False)
class SteadyState(StoredAnswer):
    """Answer of `steady_state`.

    Attributes
    ----------
    state : State
        The stationary state.
    expect : dict of str to ndarray, shape (...)
        Observables in it.
    residual : float
        ‖L ρ‖ / ‖ρ‖ in the Frobenius norm, recomputed.
    gap : float
        Smallest decay rate of what is not stationary; NaN if unknown. An upper bound if slow decays
        are not resolved, as `label` says.
    multiplicity : int
        Number of independent stationary states; if above 1, `state` is what the initial state
        reaches.
    converged : bool
        Whether the residual is small and the slow eigenvalues beside it are resolved, that is zero
        by a conservation law or known to one percent: a small residual alone may be metastable.
    model, method : Model, Method
        What was solved, and how.
    observables : tuple of Observable
        Labels and definitions.
    stats : dict
        Effort.
    errors : ErrorBudget or None
        Half-widths by source.
    weighted_residual : float
        The residual in the norm in which the method truncates; NaN if there is none.
    label : str
        What `converged` rests on, where it is less than an eigenvalue problem; or that slow decays
        are not resolved.
    gap_error : float
        Half-width of the gap; NaN if unknown.
    """

    state: Any
    expect: Values
    residual: float
    gap: float
    multiplicity: int
    converged: bool
    model: Model
    method: Any
    observables: tuple[Observable, ...]
    stats: dict[str, Any] = field(default_factory=dict)
    errors: ErrorBudget | None = None
    weighted_residual: float = float("nan")
    label: str = ""
    gap_error: float = float("nan")

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of observables, errors, gap, residuals and multiplicity.

        Complex observables become ``<name>_re`` and ``<name>_im``; ``<name>_error`` is NaN where
        the method does not measure it, and ``<name>_determined`` False where a value cannot be
        right.
        """
        import xarray as xr

        data: dict[str, Any] = {name: ((), getattr(self, name)) for name in (*QUALITY, "gap_error")}
        coords: dict[str, Any] = {}
        for o in self.observables:
            data |= variables(o, self.expect[o.name], self.errors, self.determined[o.name])
            if self.errors is None:
                data[f"{o.name}_error"] = (o.dims, np.full(o.shape, np.nan))
            coords |= {dim: list(labels) for dim, labels in o.coords}
        attrs = {"method": repr(self.method), "model": repr(self.model), "label": self.label}
        return xr.Dataset(data, coords, attrs)

    @classmethod
    def from_content(cls, content: Any) -> SteadyState:
        """Rebuild the answer from the content of its file."""
        data = content.data
        expect, by_source = values_of(data, content.observables)
        quality = {name: data[name].item() for name in (*QUALITY, "gap_error") if name in data}
        return cls(
            content.state, expect, model=content.model, method=content.method,
            observables=content.observables, stats=content.stats, label=data.attrs["label"],
            errors=ErrorBudget(by_source) if any(by_source.values()) else None, **quality,
        )  # fmt: skip

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: columns method, observable, labels, value, error, determined.

        Every kind of label (pattern, site, mode, ...) is a column; the error is the half-width of
        the bar, NaN if it is not known; what cannot be right is not determined. Gap, residual and
        multiplicity are in ``attrs``.
        """
        name = type(self.method).__name__
        frame = tidy_frame(
            name, self.observables, self.expect, self.errors, determined=self.determined
        )
        frame.attrs |= {key: getattr(self, key) for key in (*QUALITY, "gap_error")}
        return frame

    def rows(self) -> list[tuple[str, str]]:
        """Return (label, "value ± error") of all observables; long arrays are shortened."""
        return [
            row
            for o in self.observables
            for name, values in real_parts(o.name, self.expect[o.name])
            for row in text_rows(
                name,
                o,
                np.asarray(values),
                self.errors[o.name] if self.errors else None,
                self.determined[o.name],
            )
        ]

    def _head(self) -> list[str]:
        """Return the model, and the method with the quality of the state."""
        label = self.label or ("converged" if self.converged else "not converged")
        return [
            f"steady state of {self.model.summary}",
            f"{self.method!r}: {label}, residual {self.residual:.1e},"
            f" gap {with_bar(self.gap, self.gap_error)}, multiplicity {self.multiplicity}",
            *filter(None, [self.undetermined]),
        ]

    def judged(self) -> SteadyState:
        """Return the same, not converged if a value cannot be right."""
        if not self.undetermined:
            return self
        return replace(self, converged=False, label=f"not converged: values are {UNDETERMINED}")

    def _is_state(self, right: NDArray[np.bool_], ranges: Any) -> Any:  # noqa: ARG002
        """Return whether the reduced states have no negative eigenvalues."""
        linear = {o.name: ranges[o.name] for o in self.observables if o.functional is None}
        return not is_negative(self.stats.get("smallest_eigenvalue", 0.0), self.errors, linear)

    def _draw(self, **options: Any) -> Any:
        """Draw values with error bars over their labels."""
        from tnhop.plots import stationary

        return stationary.draw_steady(self.to_xarray(), **options)

    def _stored_state(self) -> Any:
        """Return the stationary state."""
        return self.state
