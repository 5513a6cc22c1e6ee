"""TEBD: density matrices as matrix-product states, evolved by gates and channels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.problem import Cost, Problem
from tnhop.solvers.bounds import saved_states_memory
from tnhop.solvers.chain.cost import PredictedBonds, chain_bytes, run_time
from tnhop.solvers.chain.engine import Engine, EngineSetup
from tnhop.solvers.chain.method import COMPANION_BOND, ChainMethod
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.network.trotter import beyond_pairs, lindblad_pieces
from tnhop.solvers.chain.schedule import Step, StepSchedule, fastest, resolved
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.protocols import narrowed
from tnhop.solvers.chain.steps.swap_network import swap_network
from tnhop.solvers.chain.steps.tebd_step import Gates, TEBDEngine, half_step
from tnhop.solvers.fitted import CHAIN_RUNS, TEBD_COSTS
from tnhop.solvers.machine_speed import speed
from tnhop.support.checks import fail, integer, settle
from tnhop.support.codec import added, register

__all__ = ["TEBD"]

_GROWTH = 8  # vectors by which a channel may enlarge a bond, at first
_KEPT_GATES = 6  # lengths of steps whose gates are kept
_LONGEST = 0.14  # step, in units of the inverse rate of the model
_LONGEST_CHANGE = 1.0  # step, in units of the inverse of the largest rate of a site
_START = 4  # the first steps are the longest over so many, twice, and double then
_STEP_TOLERANCE = 3e-4
_STIFF = 0.5  # change of a mode in a step beyond which extrapolation is refused


@register
@dataclass(frozen=True)
class TEBD(ChainMethod):
    r"""Matrix-product density matrices, evolved by time-evolving block decimation.

    The generator is cut into pieces, Eq. (63) of docs/physics.md: pairs of sites, whose gates are
    applied along a network of swaps, and the field jumps of single spins, whose exponentials are
    matrix-product operators, diagonal in all other spins. A step applies all pieces for dt/2 and
    then once more in the opposite order: second order in `dt`. State, weights and kept traces are
    those of `TDVP`; nothing else is, so that the two check each other.

    Parameters
    ----------
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Singular values up to cutoff · r dt are dropped in a step of length dt, all truncations of
        the step together, in the weighted norm; r is the rate of the model, Eq. (82). Of N > 100
        sites, those up to (100/N)^½ times this.
    dt : float, optional
        Longest time step, in the unit of time of the model; by default 0.14 over its rate,
        Eq. (82).
    epsilon : float, optional
        Weight ε of the non-identity factors of spins; by default as in `TDVP`.
    mpo_tolerance, rate_tolerance : float
        As in `TDVP`, for the change by a channel per unit of time.
    order : int
        2, or 4: results of steps dt and 2 dt are combined (Richardson). Only without field jumps,
        and where dt resolves the modes.
    ordering, backend, device, precision, adaptive, step_tolerance, companion
        As in `TDVP`. Steps that follow their errors are `dt`, halved a number of times, so that few
        gates are made.

    Notes
    -----
    **Error**: As for `TDVP`, without projection and Krylov spaces; at order 4 a second chain takes
    steps of 2 dt, and 1.5 times a third of the largest difference so far, the error of order 2, is
    taken for that of order 4, which is far too much for small `dt`.

    **Cost**: Per step (of order 4: three times as much): 2 n_spins channels on n_sites sites of
    100 D χ³ operations each; for pairs one singular value decomposition of order 4 χ per pair and
    swap. Before the first step, and for every other length of a step: all channels, 10 ms per spin
    and site. A state between the ends of steps needs gates of its own.

    **Use when** every spin has its own fields, as with extensive numbers of patterns or general
    couplings, where the generator's bond is too large for `TDVP`; or to check `TDVP`.
    **Do not use when** `TDVP` can do it and cost matters.

    See Also
    --------
    evolve

    References
    ----------
    M. Zwolak and G. Vidal, Phys. Rev. Lett. 93, 207205 (2004); channels: C. Camaño, E. N. Epperly
    and J. A. Tropp, arXiv:2504.06475 (2025).

    Examples
    --------
    >>> TEBD(dt=0.05).order
    2
    """

    controlled: ClassVar[bool] = True
    papers: ClassVar[tuple[str, ...]] = ("ZwolakVidal2004", "Camano2025")
    libraries: ClassVar[tuple[str, ...]] = ("quimb",)  # its states are quimb networks

    max_bond: int = 128
    cutoff: float = 1e-4
    dt: float | None = None
    epsilon: float | None = None
    mpo_tolerance: float = 3e-3
    rate_tolerance: float = 0.1
    order: int = 2
    ordering: str | tuple[int, ...] = "auto"
    backend: str = "numpy"
    device: str | None = None
    precision: str = "float64"
    adaptive: bool = added(True)
    step_tolerance: float = added(_STEP_TOLERANCE)
    companion: bool | None = added(None)

    def __post_init__(self) -> None:
        self.check_chain()
        settle(self, integer, "order", minimum=2, maximum=4)
        if self.order == 3:
            raise fail("order", "be 2 or 4", "it is 3")

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if verb != "evolve":
            return f"Method `TEBD` does not offer `{verb}`. Use `evolve` to a late time."
        if reason := self.misfit(problem):
            return reason
        if reason := beyond_pairs(problem.model):
            return f"Method `TEBD` cannot be used: {reason}. Use `TDVP`."
        return self._no_extrapolation(problem.model) if self.order == 4 else None

    def _no_extrapolation(self, model: Model) -> str | None:
        if any(isinstance(jump, FieldJump) for jump in model.jumps):
            return "Method `TEBD` has no fourth order for field jumps. Use `order=2`."
        pieces = lindblad_pieces(model, ordering="natural")
        largest = max((float(np.linalg.norm(G, 2)) for (_, j), G in pieces.pairs.items()
                       if j >= model.n_spins), default=0.0)  # fmt: skip
        dt = self.schedule(model).longest / 2
        if largest * dt <= _STIFF:
            return None
        return (
            f"Method `TEBD` has a fourth order only where dt resolves the modes, but a gate changes"
            f" them by {largest * dt:.2g} (at most {_STIFF}). Use `order=2` or a smaller `dt`."
        )

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:  # noqa: ARG002
        """Predict memory and time without a run; bonds as in `TDVP`."""
        model, times = problem.model, np.atleast_1d(problem.times)
        n, fitted, schedule = model.n_sites, TEBD_COSTS, self.schedule(model)
        channels = len({jump.site for jump in model.jumps if isinstance(jump, FieldJump)})
        meetings = len({term.sites for term in model.hamiltonian if len(term.sites) == 2})
        end = float(np.max(times, initial=0.0))
        bonds = PredictedBonds(model, problem.state, self.weight(model), self.ordering, end)
        largest, reached = max(model.dims) ** 2, np.ones(n + 1)
        truncations = 2 * max(channels + (meetings > 0), 1)
        threshold = self.drop_rate(model) * schedule.longest / math.sqrt(truncations)

        def step_time(step: Step, _: int) -> tuple[float, float]:
            nonlocal reached
            chi = bonds.at(step.end, threshold, 0.0, self.max_bond)
            reached = np.maximum(reached, chi)
            called = 2 * channels * n * fitted.visit + 2 * meetings * fitted.gate
            dense = (
                2 * channels * fitted.product * fitted.channel_bond * float((chi[1:] ** 3).sum())
            )
            x = float(chi.max())
            dense += 2 * meetings * fitted.gate_product * largest * x * (4 * x) ** 2
            seconds = called * speed().calls + dense * speed().dense
            fewer = COMPANION_BOND**3 * self.has_companion(model)
            return seconds, seconds * (2 * (self.order == 4) + fewer)

        steps, _ = schedule.first_steps(times)
        lengths = {f"{step.length:.9g}" for step in steps}
        built = 2 * min(len(lengths), max(len(steps), 1)) * channels * n
        time = built * fitted.channel * speed().calls
        time += run_time(schedule, problem, bonds.rest, step_time)
        stored = min(2 * len(lengths), _KEPT_GATES) * channels * n * 16 * fitted.channel_bond**2
        memory = 8 * (stored + 8 * largest * float((reached[1:] ** 2).sum())) + CHAIN_RUNS.loaded
        sizes = [model.dims[k] ** 2 for k in bonds.order]
        memory += saved_states_memory(problem, chain_bytes(reached, sizes))
        note = f"{channels} channels, state bond {bonds.basis} {reached.max():.0f}"
        return Cost(memory, time, note)

    def schedule(self, model: Model) -> StepSchedule:
        """Return the lengths of the steps for a model, few different ones."""
        longest = self.dt or _LONGEST / model.rate_scale
        if self.adaptive:
            longest = min(longest, _LONGEST_CHANGE / fastest(model))
        if self.order == 4:
            longest *= 2  # of the second chain
        tolerance = self.step_tolerance * model.rate_scale
        return StepSchedule(
            longest, longest / _START, tolerance, self.step_tolerance, resolved(model),
            self.adaptive, halving=True,
        )  # fmt: skip

    def setup(self, problem: Problem) -> EngineSetup:
        """Return the pieces and the engine of a run."""
        model, epsilon, like = problem.model, self.weight(problem.model), self.like()
        ordering = problem.state.order if isinstance(problem.state, MPSState) else self.ordering
        order = site_order(model, ordering)
        pieces = lindblad_pieces(model, epsilon=epsilon, ordering=order)
        traces = [placed(b.trace / np.linalg.norm(b.trace), like) for b in pieces.bases]
        meetings = len(swap_network(pieces.pairs, model.n_sites))
        tolerance = self.mpo_tolerance * model.field_rate
        made: list[Gates] = []  # for all lengths of steps so far
        one_at_a_time = Lock()  # two chains may need the same ones

        def gates(t: float) -> Gates:
            with one_at_a_time:
                return of_length(t)

        @lru_cache(maxsize=_KEPT_GATES)
        def of_length(t: float) -> Gates:
            half = half_step(pieces, t, tolerance, self.rate_tolerance, like)
            made.append(replace(half, channels=[], singles={}, forth=[], back=[]))
            return half

        def facts() -> dict[str, Any]:
            return {
                "channel_bond": max((half.largest_bond for half in made), default=1),
                "channel_error": max((half.largest_error for half in made), default=0.0),
                "meetings": meetings,
            }

        def error_speed(engine: Engine, transverse: float) -> float:
            return narrowed(TEBDEngine, engine).error_speed(transverse)

        def engine(chain: list[Any]) -> TEBDEngine:
            return TEBDEngine(gates, traces, chain, self.max_bond, _GROWTH)

        def companion_engine(chain: list[Any]) -> TEBDEngine:
            return TEBDEngine(gates, traces, chain, self.companion_bond, _GROWTH)

        return EngineSetup(
            epsilon, order, pieces.bases, like, self.schedule(model),
            self.drop_rate(model), self.max_bond,
            engine, error_speed, facts,
            extrapolate=self.order == 4,
            companion_engine=companion_engine if self.has_companion(model) else None,
        )  # fmt: skip
