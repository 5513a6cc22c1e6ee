"""Stationary states by long evolution: their relaxation, and the error that it leaves."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.steady_state import SteadyState
from tnhop.physics.model import Model
from tnhop.physics.problem import Problem, evaluate
from tnhop.physics.states import ProductState
from tnhop.solvers.chain.error_bars import FELT
from tnhop.solvers.chain.network.distances import distance, vector_norm
from tnhop.solvers.chain.network.mpo import LindbladMPO
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.run import ChainRun
from tnhop.solvers.chain.steps.environments import DenseEnvironment
from tnhop.solvers.chain.steps.protocols import Environment, narrowed
from tnhop.solvers.chain.steps.sweep import random_signs
from tnhop.solvers.chain.steps.sweep_generator import sweep_core
from tnhop.support.heartbeat import beat

# times and rates in the unit of the model
_LONGEST = 400.0  # time after which nothing more is waited for
_SHORTEST = 5.0  # time before which no state counts as stationary
_LONG_STEP = 1.6  # a stationary state is a fixed point of steps of any length
_GROWTH = 1.15
_WINDOW = 0.3  # last part of the time, over which rates are measured
_SIGNS = 400  # random vectors of the estimate of a norm
_AT_ONCE = 50  # of them: they hold all coordinates of a mode at once
_SLOWER = 1.5  # memory, in units of the time in which the change was seen to decay
_ROUNDING = 1e-7  # change that is rounding of differences of chains
_SETTLED = 0.5  # stop once the change is smaller than this share of the discarded norm


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A state after a long time.

    Attributes
    ----------
    state : MPSState
        The state.
    time : float
        Time of relaxation.
    change : float
        Norm of its derivative, in the weighted norm.
    rate : float
        Rate at which that norm falls; 0 if it does not.
    values, errors : dict
        Observables, and their half-widths by source.
    stats : dict
        Effort.
    settled : bool
        Whether the state changed as little as it can before the longest time was over.
    determined : bool
        Whether every bar is narrower than the range of its observable.
    """

    state: MPSState
    time: float
    change: float
    rate: float
    values: dict[str, Any]
    errors: dict[str, dict[str, Any]]
    stats: dict[str, Any]
    settled: bool
    determined: bool


def relax(method: Any, problem: Problem, start: Any) -> Relaxed:
    """Evolve until the state changes less than truncation changes it."""
    method = dataclasses.replace(method, companion=False)  # bars are those of the last losses
    run = method.run(dataclasses.replace(problem, state=start))
    run.rests = False
    times, changes, losses = [0.0], [math.inf], [0.0]
    budgets = [run.budgets()]
    values = [{o.name: evaluate(run.state(), o) for o in problem.observables}]
    dt, unit, settled = run.schedule.longest, problem.model.rate_scale, False
    largest = max(_LONG_STEP / unit, dt)
    while times[-1] < _LONGEST / unit and not settled:
        beat()
        before = run.state()
        run.schedule = dataclasses.replace(run.schedule, longest=dt)
        run.advance()
        now = run.progress
        times.append(now.time)
        state = run.state()
        moved = distance(before.tensors, state.tensors)
        changes.append(moved / (times[-1] - times[-2]))
        losses.append(now.lost + now.projected)
        values.append({o.name: evaluate(state, o) for o in problem.observables})
        budgets.append(run.budgets())
        early = _early(times)
        per_time = (losses[-1] - losses[early]) / (times[-1] - times[early])
        least = max(_SETTLED * per_time, _ROUNDING * unit)
        settled = times[-1] > _SHORTEST / unit and max(changes[early:]) < least
        dt = min(dt * _GROWTH, largest)
    return _relaxed(run, problem, times, changes, values, budgets, settled)


def _early(times: list[float]) -> int:
    """Return the number of the step at which the last part of the time begins."""
    return min(int(np.searchsorted(times, (1 - _WINDOW) * times[-1])), len(times) - 2)


def _relaxed(
    run: ChainRun, problem: Problem, times: list[float], changes: list[float],
    values: list[dict[str, Any]], budgets: list[dict[str, Any]], settled: bool,
) -> Relaxed:  # fmt: skip
    early = _early(times)
    span = times[-1] - times[early]
    # the slowest decay seen: just before the change is as small as what truncation does
    falling = np.maximum(changes, _ROUNDING * problem.model.rate_scale)
    floor = 3 * float(np.median(falling[early:]))
    end = int(np.argmax(falling <= floor))
    begin = max(1, int(np.searchsorted(times, 0.5 * times[end])))
    rate = 0.0
    if end > begin:
        rate = max(0.0, math.log(falling[begin] / falling[end]) / (times[end] - times[begin]))
    memory = min(_SLOWER / rate if rate > 0 else math.inf, times[-1])
    errors: dict[str, dict[str, Any]] = {}
    determined = True
    for o in problem.observables:
        late, old = budgets[-1][o.name], budgets[early][o.name]
        # losses are forgotten again: those of one relaxation time count
        sources = {
            name: (late[name] - old[name]) * memory / span if name != "fock_tail" else late[name]
            for name in late
        }
        norms = run.bars.norms.get(o.name, {})
        moved = np.abs(values[-1][o.name] - values[early][o.name])
        felt = FELT * norms.get("norm", np.nan) * changes[-1]
        bound = norms.get("bound", np.full(o.shape, np.nan))
        errors[o.name] = {
            **sources,
            "relaxation": (moved / span + felt) * memory,
            "trace": bound * run.progress.trace_defect,  # lost trace does not come back
        }
        determined &= not np.any(ErrorBudget(errors)[o.name] > bound)
    return Relaxed(run.state(), times[-1], changes[-1], rate, values[-1], errors, run.stats(),
                   settled, bool(determined))  # fmt: skip


def residual(mpo: LindbladMPO, state: MPSState, weighted: bool) -> float:
    """Return ‖Lρ‖/‖ρ‖, in the norm of the coordinates or in that of matrices.

    From random signs along the chain, whose products with Lρ have the mean square ‖Lρ‖².
    """
    rng, like = np.random.default_rng(0), np.zeros(1)
    cores = [sweep_core(W, like) for W in mpo.factors]
    squares = []
    for _ in range(_SIGNS // _AT_ONCE):
        sketch: Environment = DenseEnvironment(np.ones((_AT_ONCE, 1, 1)))
        for core, A, basis in zip(cores, state.tensors, mpo.bases, strict=True):
            G = random_signs(rng, _AT_ONCE, basis.size)
            if not weighted:
                G = G * np.linalg.norm(basis.matrices, axis=(1, 2))
            sketch = core.absorb_into(sketch).advance_sketch(G, [A])
        squares.append(np.mean(narrowed(DenseEnvironment, sketch).array ** 2))
    norm = vector_norm(state.tensors) if weighted else math.sqrt(float(state.purity()))
    return math.sqrt(np.mean(squares)) / norm


def steady_state(method: Any, problem: Problem, mpo: LindbladMPO) -> SteadyState:
    """Relax from the given state and from another one; what both reach is the stationary state.

    Metastable states pass every test of the residual: only the second start reveals them.
    """
    model = problem.model
    first, second, name = problem.state or _polarised(model), mixed(model), "maximally mixed"
    if isinstance(first, ProductState) and not first.bloch.any():  # two equal starts tell nothing
        second, name = _polarised(model), "polarised"
    relaxed, other = (relax(method, problem, start) for start in (first, second))
    apart = _apart(problem, relaxed, other)
    age = f"stationary to t = {relaxed.time:.3g}"
    unsettled = [end.time for end in (relaxed, other) if not end.settled]
    if unsettled:
        label = f"not relaxed after t = {max(unsettled):.3g}, see `evolve`, or use `Exact`"
    elif not (relaxed.determined and other.determined):
        label = f"undetermined after t = {relaxed.time:.3g}: a bar is wider than its observable"
    elif apart is None:
        label = f"{age}, the same from the {name} state"
    else:
        label = f"metastable or one of several: {age}, but the {name} state ends {apart}"
    converged = not unsettled and relaxed.determined and other.determined and apart is None
    stats = {
        **relaxed.stats,
        "relaxation_time": relaxed.time,
        "relaxation_rate": relaxed.rate,
        "change": relaxed.change,
    }
    return SteadyState(
        relaxed.state, relaxed.values, residual(mpo, relaxed.state, False), math.nan,
        int(converged), converged, model, method, tuple(problem.observables), stats,
        ErrorBudget(relaxed.errors), residual(mpo, relaxed.state, True), label,
    )  # fmt: skip


def _polarised(model: Model) -> ProductState:
    up = np.tile([0.0, 0.0, 1.0], (model.n_spins, 1))
    return ProductState(up, np.zeros(model.n_modes, dtype=complex))


def mixed(model: Model) -> ProductState:
    """Return the state of maximally mixed spins and empty modes."""
    return ProductState(np.zeros((model.n_spins, 3)), np.zeros(model.n_modes, dtype=complex))


def _apart(problem: Problem, relaxed: Relaxed, other: Relaxed) -> str | None:
    """Say in which observable two states differ by more than their bars, or None."""
    first, second = ErrorBudget(relaxed.errors), ErrorBudget(other.errors)
    worst, text = 1.0, None
    for o in problem.observables:
        if np.isnan(first[o.name]).any():
            continue
        distance = np.abs(relaxed.values[o.name] - other.values[o.name])
        bars = first[o.name] + second[o.name] + 1e-9
        if (distance / bars).max() > worst:
            worst = float((distance / bars).max())
            text = f"{distance.max():.2g} away in `{o.name}` (bars {bars.max():.1g})"
    return text
