"""MeanField: the product-state flow of any Model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853, LSODA, Radau

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.problem import Cost, Problem, Snapshot, evaluate, missing_functionals
from tnhop.physics.rate_scale import rate_scale, site_rates
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator
from tnhop.physics.time_parts import next_break
from tnhop.solvers.bounds import saved_states_memory
from tnhop.solvers.fitted import Flow
from tnhop.solvers.machine_speed import speed
from tnhop.solvers.meanfield.flow import MeanFieldFlow, expectation_polynomial
from tnhop.support.checks import one_of, real, settle
from tnhop.support.codec import register
from tnhop.support.errors import ConvergenceError

__all__ = ["MeanField"]

_INTEGRATORS = {"DOP853": DOP853, "LSODA": LSODA, "Radau": Radau}


def _frequency(model: Model) -> float:
    """Return the fastest rotation of a site by the Hamiltonian, or the rate of the jumps."""
    jumps = site_rates(model.n_sites, Operator(()), [jump.largest() for jump in model.jumps])
    fastest = rate_scale(jumps) if jumps.any() else 0.0
    for term in model.hamiltonian.largest().terms:
        if len(term.factors) == 1:
            fastest = max(fastest, 2 * abs(term.coefficient) if term.sites[0] < model.n_spins
                          else abs(term.coefficient))  # fmt: skip
    return fastest


@register
@dataclass(frozen=True)
class MeanField:
    r"""Mean field: the equations of motion of a product state, for any Model.

    Parameters
    ----------
    closure : str
        Field in the rates of field-dependent jumps, Eq. (39) of docs/physics.md.
        ``"thermodynamic"``: the N → ∞ limit, rates at :math:`\langle h_k\rangle` plus the self
        term, that is at ξ_k·m for Hebb couplings, Eq. (17). ``"field"``: rates at :math:`\langle
        h_k\rangle` of this finite network. ``"product"``: rates averaged exactly over the product
        state, back-action on the other spins included, Eq. (16). ``"auto"``: thermodynamic if the
        couplings come from patterns and there are spins for every class (2^(n_patterns - 1) <=
        n_spins), else field.
    rtol, atol : float
        Tolerances of the integrator.
    integrator : str
        ``"DOP853"``, ``"LSODA"`` or ``"Radau"`` (the last two for stiff problems), from SciPy.

    Notes
    -----
    **Error**: The closure itself is uncontrolled: its error is reported as NaN. For few patterns
    and for spin-mode couplings of order 1/√N it vanishes like 1/N.

    **Cost**: N² per evaluation of the flow; ``"product"`` some hundred times that.

    **Use when** N is large, or beside a finite-N method. **Do not use when** fluctuations decide:
    near transitions, or at times beyond the lifetime of a memory.

    See Also
    --------
    evolve

    Examples
    --------
    >>> MeanField(closure="field").closure
    'field'
    """

    controlled: ClassVar[bool] = False
    keeps_levels: ClassVar[bool] = False
    follows_time: ClassVar[bool] = True
    papers: ClassVar[tuple[str, ...]] = ("CarolloLesanovsky2021",)

    closure: str = "auto"
    rtol: float = 1e-10
    atol: float = 1e-12
    integrator: str = "DOP853"

    def __post_init__(self) -> None:
        one_of(self.closure, "closure", ["auto", "thermodynamic", "field", "product"])
        one_of(self.integrator, "integrator", _INTEGRATORS)
        settle(self, real, "rtol", minimum=1e-13, maximum=1e-2)
        settle(self, real, "atol", minimum=0.0, maximum=1e-2)

    def closure_for(self, model: Model) -> str:
        """Return the closure that is used for a model."""
        if self.closure != "auto":
            return self.closure
        jumps = [jump for jump in model.jumps if isinstance(jump, FieldJump)]
        few = model.patterns is not None and 2 ** (len(model.patterns) - 1) <= model.n_spins
        return "thermodynamic" if few and any(any(j.self_field) for j in jumps) else "field"

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if verb != "evolve":
            return f"Method `MeanField` does not offer `{verb}`. Use `evolve` to a late time."
        if not isinstance(problem.state, ProductState):
            return (
                f"Method `MeanField` needs a product state, but the state is a"
                f" {type(problem.state).__name__}. Use `th.product_state`."
            )
        jumps = [jump for jump in problem.model.jumps if isinstance(jump, FieldJump)]
        if any(not amplitude.smooth for jump in jumps for _, amplitude in jump.amplitudes):
            return (
                "Method `MeanField` needs rates that are continuous in the field, but at zero"
                " temperature (beta = inf) they jump and the flow is not unique."
                " Use a large finite `beta`."
            )
        if self.closure == "product" and any(jump.argument is not None for jump in jumps):
            return (
                "Method `MeanField(closure='product')` averages amplitudes once, but the argument"
                " of a field jump depends on time. Use `closure='field'` or `'thermodynamic'`."
            )
        if self.closure == "product" and any(len(jump.fields) > 1 for jump in jumps):
            return (
                "Method `MeanField(closure='product')` averages amplitudes of one field, but a jump"
                " of this model has several. Use `closure='field'` or `'thermodynamic'`."
            )
        return missing_functionals(problem.observables or (), ProductState)

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:  # noqa: ARG002
        """Predict memory and time without allocating."""
        model, times = problem.model, np.atleast_1d(problem.times)
        pairs = float(model.n_spins * sum(isinstance(jump, FieldJump) for jump in model.jumps))
        averaged = self.closure == "product"
        each = Flow.CALL + Flow.PER_SITE * model.n_sites
        if pairs:
            each += (
                Flow.FIELD_CALL + (Flow.PER_AVERAGED_PAIR if averaged else Flow.PER_PAIR) * pairs
            )
        # every output time ends a segment, in which the integrator has to find its step anew
        end = float(np.max(times, initial=0.0))
        steps = Flow.STEPS * _frequency(model) * end + Flow.SEGMENT * len(times)
        per_step = Flow.PER_STEP + Flow.STAGES * each
        time = Flow.START_UP + 2 * Flow.PER_PAIR * pairs + steps * per_step
        memory = Flow.BYTES + Flow.FIELD_BYTES * (pairs > 0)
        memory += (Flow.AVERAGED_PAIR_BYTES if averaged else Flow.PAIR_BYTES) * pairs
        memory += saved_states_memory(problem, 24.0 * model.n_spins + 16.0 * model.n_modes)
        note = f"{3 * model.n_spins + 2 * model.n_modes} variables"
        return Cost(memory, time * speed().calls, note)

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time."""
        times = np.asarray(problem.times)
        run = MeanFieldRun(self, problem)
        start = carry["time"] if carry else 0.0
        y = carry["y"] if carry else MeanFieldFlow.pack(problem.state)
        if carry is None and times[0] == 0.0:
            yield run.snapshot(0.0, y, 0)
        steps = carry["steps"] if carry else 0
        # every output time ends a segment, so that a resumed run repeats the same steps, and every
        # time at which a number of the model is not smooth
        functions = problem.model.time_functions
        for time in times[times > start]:
            while start < time:
                end = min(float(time), next_break(functions, start))
                y, taken = self._advance(run.flow, y, start, end)
                start, steps = end, steps + taken
            yield run.snapshot(start, y, steps)

    def _advance(
        self, flow: MeanFieldFlow, y: NDArray[np.float64], start: float, end: float
    ) -> tuple[NDArray[np.float64], int]:
        unit = flow.model.rate_scale  # integrators choose their first step in absolute numbers
        last = math.nextafter(end, start)  # functions that jump at the end are not there yet
        solver = _INTEGRATORS[self.integrator](
            lambda time, y: flow(min(max(time / unit, start), last), y) / unit,
            start * unit,
            y,
            end * unit,
            rtol=self.rtol,
            atol=self.atol,
        )
        steps = 0
        while solver.status == "running":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # LSODA prints, we raise
                message = solver.step()
            steps += 1
            if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                raise ConvergenceError(
                    f"The mean-field flow could not be integrated past t = {solver.t / unit:.4g}:"
                    f" {message}. Try `integrator='Radau'`, or check that the gain stays below"
                    " the loss.",
                    solver.y,
                )
        return solver.y, steps


class MeanFieldRun:
    """An evolution of mean field: the flow and the compiled observables.

    Parameters
    ----------
    method : MeanField
        Closure and integrator.
    problem : Problem
        The problem.
    """

    def __init__(self, method: MeanField, problem: Problem) -> None:
        self.method, self.problem = method, problem
        self.closure = method.closure_for(problem.model)
        self.flow = MeanFieldFlow(problem.model, self.closure)
        self.observables = problem.observables
        linear = [op for o in self.observables for op in o.operators]
        self.expect = expectation_polynomial(problem.model, linear)

    def snapshot(self, time: float, y: NDArray[np.float64], steps: int) -> Snapshot:
        """Evaluate the observables at one time."""
        state = self.flow.unpack(y)
        numbers, at = self.expect(self.flow.variables(y)), 0
        values = {}
        for o in self.observables:
            if o.functional is None:
                part = np.asarray(numbers[at : at + len(o.operators)]).reshape(o.shape)
                at += len(o.operators)
                values[o.name] = part.astype(complex) if o.is_complex else part.real.astype(float)
            else:
                values[o.name] = evaluate(state, o)
        nan = {o.name: {"closure": np.full(o.shape, np.nan)} for o in self.observables}
        stats = {"closure": self.closure, "steps": steps}
        if self.flow.max_error:
            stats["rate_error"] = self.flow.max_error
        carry = {"time": time, "y": y, "steps": steps}
        return Snapshot(time, values, nan, stats, state, carry)
