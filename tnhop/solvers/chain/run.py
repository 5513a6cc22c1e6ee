"""Evolution of a matrix-product density matrix by steps of some engine: what TDVP and TEBD share.

An engine knows how to advance a chain. Here are the output times, the measured errors, and all that
a resume needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from autoray import do
from threadpoolctl import threadpool_limits

from tnhop.physics.model import Model
from tnhop.physics.observables import Observable
from tnhop.physics.problem import Problem, Snapshot, evaluate, missing_functionals
from tnhop.physics.states import ProductState
from tnhop.solvers.bounds import cut_weights, rate_error
from tnhop.solvers.chain.engine import Engine, Plan, Progress
from tnhop.solvers.chain.fock_levels import Levels, resized, reweighted, wanted_levels
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.observable_norms import sizes_of
from tnhop.solvers.chain.refinement import coarser_chain, refined_chain
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.truncation import TruncationStats, right_canonical
from tnhop.support.arrays import Array, Real
from tnhop.support.checks import fail, integer, one_of, real, wrong_type
from tnhop.support.errors import warn

FIRST_PROBES = {0: 2, 2: 3, 5: 5}  # step whose error is measured: steps it stands for
PROBE_INTERVAL = 10  # from this step on, every so many
# Share of what truncation and projection drop, summed over steps, that an observable feels: in 80
# random problems of 4 to 7 and 16 of 16 to 60 spins 97 % of the errors were smaller than the bar,
# half of them 29 times (studies/validation/calibration repeats it with other seeds).
FELT = 0.3
_ROTATED = 3.0  # errors of a step go on as errors of other observables
_UNEVEN = 1.5  # steps are not yet short enough for the second order to be all
_COARSER = 4.0  # cutoff of the companion
_SLOW = 1.75  # the error may fall slowly with the bond, as its power -1.3
_ONE_THREAD = 100  # bond below which BLAS runs on one thread


class ChainMethod:
    """What `TDVP` and `TEBD` have in common besides their parameters."""

    max_bond: int
    cutoff: float
    dt: float
    epsilon: float | None
    mpo_tolerance: float
    rate_tolerance: float
    ordering: str | tuple[int, ...]
    fock_tolerance: float = 0.0
    backend: str
    device: str | None
    precision: str

    def check_chain(self) -> None:
        """Check the common parameters."""
        integer(self.max_bond, "max_bond", minimum=2)
        real(self.cutoff, "cutoff", minimum=0.0, maximum=0.1)
        real(self.dt, "dt", above=0.0)
        if self.epsilon is not None:
            real(self.epsilon, "epsilon", above=0.0, maximum=1.0)
        real(self.mpo_tolerance, "mpo_tolerance", above=0.0, maximum=0.1)
        real(self.rate_tolerance, "rate_tolerance", above=0.0)
        one_of(self.backend, "backend", ["numpy", "torch", "cupy", "jax"])
        one_of(self.precision, "precision", ["float64", "float32"])
        if self.device is not None and self.backend != "torch":
            raise fail("device", "be None unless `backend` is 'torch'", f"it is '{self.device}'")
        if not isinstance(self.ordering, str):
            object.__setattr__(self, "ordering", _positions(self.ordering, "ordering"))
        else:
            one_of(self.ordering, "ordering", ["auto", "natural"])

    def weight(self, model: Model) -> float:
        """Return ε for a model; larger beside modes, to which many spins together matter."""
        largest = 0.5 if model.n_modes else 0.3
        return self.epsilon or min(largest, 2.5 / math.sqrt(max(model.n_spins, 1)))

    def misfit(self, problem: Problem) -> str | None:
        """Return why a chain cannot hold the state or the observables, or None."""
        name = type(self).__name__
        if not isinstance(problem.state, ProductState | MPSState):
            return (
                f"Method `{name}` cannot start from a {type(problem.state).__name__}."
                " Use a product state or an MPSState."
            )
        return missing_functionals(problem.observables or (), MPSState)

    def like(self) -> Array:
        """Return an array of the library, precision and place to be used."""
        like = do("asarray", np.zeros(1, dtype=self.precision), like=self.backend)
        return like.to(self.device) if self.device else like

    def coarser(self) -> ChainMethod:
        """Return a cheaper one: longer steps, and more is dropped."""
        return coarser_chain(self)

    def refined(self, excess: Mapping[str, float], stats: Mapping[str, Any]) -> ChainMethod:
        """Return one whose errors are smaller by these factors, by source."""
        return refined_chain(self, excess, stats)

    def plan(self, problem: Problem) -> Plan:
        """Return the engine with its surroundings."""
        raise NotImplementedError

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        run = ChainRun(self, problem, carry)
        times = np.asarray(problem.times)
        for k in range(run.progress.next_output, len(times)):
            while run.progress.time < times[k]:
                run.advance(float(times[k]))
                if run.progress.time < times[k]:
                    yield run.snapshot(None)
            run.progress.next_output = k + 1
            yield run.snapshot(float(times[k]))


def _positions(value: Any, name: str) -> tuple[int, ...]:
    """Accept integers; whether they are a permutation is checked with the model."""
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise wrong_type(name, "be 'auto', 'natural' or a list of sites", value)
    return tuple(int(k) for k in array)


class ChainRun:
    """One evolution."""

    def __init__(self, method: ChainMethod, problem: Problem, carry: Any) -> None:
        self.method, self.problem, self._warned = method, problem, False
        model, self._full = problem.model, method.plan(problem)
        self._most = tuple(model.sites[k].dim for k in model.modes)
        self.sizes = {
            o.name: sizes_of(o, model, self._full.bases, self._full.order)
            for o in problem.observables if o.operators
        }  # fmt: skip
        self._rate_error = sum(rate_error(jump) for jump in model.jumps)
        if carry is None:
            tensors = list(self._start(model, problem.state).tensors)
            tail = cut_weights(problem.state, model, model.modes)
            self.progress = Progress(tensors, levels=self._most, tail=tail)
            (self.progress.tensors,) = self._resized(self._wanted(tensors), tensors)
            self.progress.coarse = self.progress.tensors * self._full.coarse
            self.progress.companion = self.progress.tensors * bool(self._full.companion)
        else:
            own = {name: dict(carry[name]) for name in ("step_errors", "apart")}
            self.progress = Progress(**{**carry, **own, "tally": TruncationStats(**carry["tally"])})
        self.plan = self._planned()
        self.engine = self._engine(self.plan.engine, self.progress.tensors)
        self.coarse = self.companion = None
        if self.plan.coarse:
            self.coarse = self._engine(self.plan.engine, self.progress.coarse)
        if self.plan.companion:
            self.companion = self._engine(self.plan.companion, self.progress.companion)

    def _start(self, model: Model, state: Any) -> MPSState:
        if isinstance(state, MPSState):
            return reweighted(state, self._full.epsilon)
        order = [int(k) for k in self._full.order]
        return MPSState.from_product(state, model.dims, order, self._full.epsilon)

    def _planned(self) -> Plan:
        """Return the plan for the present levels."""
        levels, at_levels = self.progress.levels, self._full.at_levels
        return self._full if levels == self._most or not at_levels else at_levels(levels)

    def _engine(self, made: Callable[[list[Array]], Engine], tensors: list[Real]) -> Engine:
        # on as many threads as the steps: a run that goes on has the bits of one never left
        with self._threads():
            return made([placed(A, self.plan.like) for A in tensors])

    def _threads(self) -> threadpool_limits:
        # products of small matrices: more threads only wait for each other
        small = self.progress.largest_bond < _ONE_THREAD
        return threadpool_limits(limits=1 if small else None, user_api="blas")

    def _wanted(self, chain: list[Array]) -> Levels:
        """Return how many levels the modes of a chain should have."""
        now = self.progress
        if not self._most or not self._full.at_levels:
            return now.levels
        state, modes = self.state(_numpy(chain)), range(len(self._most))
        populations = [state.photon_distribution(k) for k in modes]
        return wanted_levels(populations, now.levels, self._most, self.method.fock_tolerance)

    def _resized(self, levels: Levels, *chains: list[Array]) -> list[list[Real]]:
        """Return chains with other numbers of levels, which are then those of the run."""
        now, n_spins, order = self.progress, self.problem.model.n_spins, self._full.order.tolist()
        before, now.levels = now.levels, levels
        self.plan = self._planned()
        traces = [b.trace / np.linalg.norm(b.trace) for b in self.plan.bases]
        return [
            right_canonical([
                A if site < n_spins else resized(A, before[site - n_spins], levels[site - n_spins])
                for site, A in zip(order, _numpy(chain), strict=True)
            ], traces)
            for chain in chains
        ]  # fmt: skip

    def _fit(self, levels: Levels, chain: list[Array]) -> None:
        """Go on from a chain with other numbers of levels."""
        companions = [self.companion.chain] if self.companion else []
        chain, *companions = self._resized(levels, chain, *companions)
        self.engine = self._engine(self.plan.engine, chain)
        if self.plan.companion:
            self.companion = self._engine(self.plan.companion, companions[0])

    def advance(self, target: float) -> None:
        """Take one step towards the next output time."""
        with self._threads():
            self._advance(target)

    def _advance(self, target: float) -> None:
        now, longest = self.progress, self.method.dt * (1 + self.plan.coarse)
        if now.steps == 0:
            for engine in (self.engine, self.companion):
                if engine:
                    engine.expand_initial_bonds()
        left = target - now.time
        even = left / math.ceil(left / longest * (1 - 1e-12))
        # the bonds grow step by step: the first steps are short, so that little is missed
        dt = min(even, longest * 2.0 ** (max(now.steps, 1) - 1 - self.plan.start_levels))
        last = dt > left * (1 - 1e-9)
        probed = now.steps in FIRST_PROBES or (now.steps and now.steps % PROBE_INTERVAL == 0)
        tally, errors = self._fitted_step(dt, bool(probed))
        for name, error in errors.items():
            now.step_errors[name] = now.step_errors.get(name, 0.0) + error
        now.tally.add(tally)
        now.lost += math.sqrt(tally.discarded)
        now.projected += math.sqrt(tally.projected)
        now.steps += 1
        now.time = target if last else now.time + dt
        now.mpo_error = max(now.mpo_error, self.plan.mpo_error())
        now.facts = self._facts()
        now.tensors = _numpy(self.engine.chain)
        now.coarse = _numpy(self.coarse.chain) if self.coarse else []
        now.companion = _numpy(self.companion.chain) if self.companion else []
        now.largest_bond = max(now.largest_bond, *(A.shape[2] for A in now.tensors))
        state = self.state()
        now.trace_defect = max(now.trace_defect, abs(float(state.trace()) - 1))
        highest = [state.photon_distribution(k)[n - 1] for k, n in enumerate(now.levels)]
        now.tail = np.maximum(now.tail, highest)

    def _fitted_step(self, dt: float, probed: bool) -> tuple[TruncationStats, dict[str, Real]]:
        """Take a step, again if the modes then turn out to need more levels."""
        while True:
            before, errors = self.engine.chain, dict[str, Real]()
            if self.coarse:
                tally = self._pair(dt)
            elif probed:
                tally, errors = self._probe(dt)
            else:
                tally = self._step(self.engine, dt)
            after, levels = self.engine.chain, self.progress.levels
            wanted = self._wanted(after)
            if all(w <= had for w, had in zip(wanted, levels, strict=True)):
                break
            self._fit(tuple(map(max, wanted, levels)), before)
        if self.companion:
            tally.applications += self._step(self.companion, dt, 2, _COARSER).applications
        if wanted != levels:
            self._fit(wanted, after)
        return tally, errors

    def _step(
        self, engine: Engine, dt: float, half: int = 0, coarser: float = 1.0
    ) -> TruncationStats:
        cutoff = coarser * self.method.cutoff * dt
        return engine.step(dt, cutoff, (self.progress.steps, half))

    def _halves(self, dt: float) -> TruncationStats:
        tally = self._step(self.engine, dt / 2)
        tally.add(self._step(self.engine, dt / 2, 1))
        return tally

    def _pair(self, dt: float) -> TruncationStats:
        """Take the step as two halves, and on another chain as a whole."""
        assert self.coarse is not None
        tally = self._step(self.coarse, dt)
        tally.add(self._halves(dt))
        return tally

    def _probe(self, dt: float) -> tuple[TruncationStats, dict[str, Real]]:
        """Take the step as two halves, and beside it as a whole: the difference is its error."""
        coarse = self.engine.copy()
        applications = self._step(coarse, dt).applications
        tally = self._halves(dt)
        tally.applications += applications
        states = [self.state(_numpy(engine.chain)) for engine in (coarse, self.engine)]
        # half steps err by a quarter of what whole steps do, in all steps until the next probe
        repeats = FIRST_PROBES.get(self.progress.steps, PROBE_INTERVAL) * 4 / 3
        errors = {}
        for o in self.problem.observables:
            a, b = (evaluate(state, o) for state in states)
            error = np.abs(a - b)
            error = _ROTATED * np.maximum(error, math.sqrt(np.mean(error**2)))
            errors[o.name] = repeats * error
        return tally, errors

    def state(self, tensors: list[Real] | None = None) -> MPSState:
        """Return the state, as NumPy arrays; with all levels that the model allows."""
        model, now, order = self.problem.model, self.progress, self._full.order
        chain = [
            A if site < model.n_spins
            else resized(A, now.levels[site - model.n_spins], model.dims[site])
            for site, A in zip(order.tolist(), tensors or now.tensors, strict=True)
        ]  # fmt: skip
        return MPSState(
            tuple(chain), order, np.array(model.dims), model.n_spins, self._full.epsilon
        )

    def snapshot(self, time: float | None) -> Snapshot:
        """Return observables, error bars and all that a resume needs; a heartbeat at no time."""
        state, now = self.state(), self.progress
        if time is not None:
            now.smallest_eigenvalue = min(now.smallest_eigenvalue, state.smallest_eigenvalue())
        if time is None:
            return Snapshot(now.time, stats=self.stats(), state=state, carry=self._carry())
        if now.tally.saturated > 0 and not self._warned:
            self._warn_saturated()
        values, errors = {}, {}
        for o in self.problem.observables:
            values[o.name] = evaluate(state, o)
            errors[o.name] = self.errors(o)
            if now.coarse:
                error = (evaluate(self.state(now.coarse), o) - values[o.name]) / 3
                values[o.name] = values[o.name] - error * self.plan.extrapolate
                errors[o.name]["time_step"] = _UNEVEN * np.abs(error)
            if now.companion:
                apart = np.abs(evaluate(self.state(now.companion), o) - values[o.name])
                # a component may happen to agree: none is better than all of them together
                apart = _SLOW * np.maximum(apart, math.sqrt(np.mean(apart**2)))
                now.apart[o.name] = np.maximum(apart, now.apart.get(o.name, 0.0))
                errors[o.name]["truncation"] = now.apart[o.name]
                del errors[o.name]["projection"]  # it is in the difference
        return Snapshot(time, values, errors, self.stats(), state, self._carry())

    def _carry(self) -> dict[str, Any]:
        """Return all that a resume needs, which later steps do not change."""
        now = self.progress
        own = {name: dict(getattr(now, name)) for name in ("step_errors", "apart")}
        return {**now.__dict__, **own, "tally": dict(now.tally.__dict__)}

    def errors(self, o: Observable) -> dict[str, Any]:
        """Return the half-widths by source."""
        now, sizes = self.progress, self.sizes.get(o.name, {})
        unknown = np.full(o.shape, np.nan)
        norm, bound = sizes.get("norm", unknown), sizes.get("bound", unknown)
        errors = {
            "truncation": FELT * norm * now.lost,
            "projection": FELT * norm * now.projected,
            "time_step": now.step_errors.get(o.name, np.zeros(o.shape)),
            "krylov": norm * math.sqrt(now.tally.krylov),
            "mpo": sizes.get("reach", unknown) * now.mpo_error * now.time,
        }
        if self._rate_error:
            errors["rates"] = bound * self._rate_error * now.time
        if len(now.tail):  # as calibrated for `Exact`
            levels = [self.problem.model.sites[k].dim for k in self.problem.model.modes]
            errors["fock_tail"] = bound * float(np.array(levels) @ now.tail)
        return errors

    def _warn_saturated(self) -> None:
        self._warned = True
        found = self.progress.tally.saturated
        warn(
            f"`max_bond` = {self.method.max_bond} cut away singular values of {found:.1e}, above"
            f" the cutoff. Increase `max_bond`, or `cutoff` or `epsilon` decides the accuracy."
        )

    def _facts(self) -> dict[str, float]:
        """Largest values since the start: a resumed run has not built what came before."""
        known = self.progress.facts
        return {
            name: max(value, known.get(name, value)) for name, value in self.plan.facts().items()
        }

    def stats(self) -> dict[str, Any]:
        """Return numbers that describe the effort and the losses, since the start."""
        now = self.progress
        found: dict[str, Any] = {
            "steps": now.steps,
            "largest_bond": now.largest_bond,
            **self._facts(),
            "epsilon": self._full.epsilon,
            "discarded": now.lost,
            "projected": now.projected,
            "applications": now.tally.applications,
            "trace_defect": now.trace_defect,
            "smallest_eigenvalue": now.smallest_eigenvalue,
        }
        if len(now.tail):
            found["fock_tail"], found["fock_levels"] = float(now.tail.max()), now.levels
        return found


def _numpy(chain: list[Array]) -> list[Real]:
    return [do("to_numpy", A) for A in chain]
