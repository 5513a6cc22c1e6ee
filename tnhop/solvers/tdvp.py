"""TDVP: density matrices as matrix-product states, evolved in the tangent space of few bonds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from autoray import do
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tnhop._checks import fail, integer, one_of, real, wrong_type
from tnhop._codec import register
from tnhop.model import Model
from tnhop.operators import LocalBasis, kind_of, local_matrix
from tnhop.problem import (
    Cost,
    Problem,
    Snapshot,
    TruncationWarning,
    evaluate,
    missing_functionals,
)
from tnhop.representations.mpo import lindblad_mpo, predicted_bond, site_order
from tnhop.representations.mps import MPSState
from tnhop.solvers._effective import placed
from tnhop.solvers._sweeps import Generator, Settings, Stepper, Tally, right_canonical
from tnhop.states import ProductState
from tnhop.terms import Operator, pauli_terms

__all__ = ["TDVP"]

Real = NDArray[np.float64]

_START_LEVELS = 4  # the first step is cut into 1/16, 1/16, 1/8, 1/4, 1/2
_PROBES = {0: 2, 2: 3, 5: 5}  # step whose error is measured: steps it stands for
_EVERY = 10  # from this step on, every so many
# What is dropped goes on acting, the more so in large networks: true over dropped was 3, 8 and 10
# to 20 at N = 16, 40 and 80 to 100, t <= 10, against `Symmetric`. Fitted to these few cases.
_TRUNCATION = 1.2
_TYPICAL_GENERATOR = 100
_TYPICAL_BOND = 30  # behind estimates of time and memory
_ONE_THREAD = 100  # bond below which BLAS runs on one thread
_LARGEST_GENERATOR = 600  # bond beyond which a step takes minutes


@register
@dataclass(frozen=True)
class TDVP:
    r"""Matrix-product density matrices, evolved by the time-dependent variational principle.

    The density matrix is a real vector of coordinates in Hermitian local bases; its generator is a
    matrix-product operator. Every non-identity factor of a spin is weighted with ε, Eq. (60) of
    docs/physics.md, so that truncation and projection respect traces and few-body expectation
    values. Steps are symmetric sweeps, of second order in `dt`.

    Parameters
    ----------
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Singular values up to cutoff · dt are dropped after a step of length dt, in the weighted
        norm, where a pure product state has a norm near 1.
    dt : float
        Longest time step; shorter ones are taken where output times ask for them.
    epsilon : float, optional
        Weight ε of the non-identity factors of spins; by default min(0.3, 2.5/√n_spins). Results
        depend on it only through the truncation. A larger one, with the same `cutoff`, keeps more:
        for more than three digits 0.4 is cheaper than a smaller `cutoff`.
    mpo_tolerance : float
        Accepted error of products of amplitudes in the generator, in the maximum norm.
    rate_tolerance : float
        Accepted relative error of population rates in the generator, which are never negative;
        lower it where rare flips decide, as in lifetimes of memories.
    sites : int
        1: one-site steps, bonds grow by directions in which Lρ points (much cheaper). 2: two-site
        steps.
    expansion : int
        Directions by which a bond may grow in a step of the one-site scheme.
    ordering : str or sequence of int
        ``"auto"`` puts interchangeable and strongly coupled spins side by side; ``"natural"``; or
        the site at every position of the chain.
    krylov_tolerance : float
        Relative error of local exponentials, summed over the sites (of at least 20).
    backend : str
        Library of the arrays: ``"numpy"``, ``"torch"``, ``"cupy"``, ``"jax"``.
    device : str, optional
        Where torch puts them, such as ``"cuda"``.
    precision : str
        ``"float64"`` or ``"float32"``.

    Notes
    -----
    **Error**: Truncation: max(3, 1.2 √n_spins) times the norm of the observable times what was
    discarded (root of the sum of squares in a step, plain sum over steps); it stands for the
    projection, too. Time step: some steps are repeated as two half steps, and the differences of
    the observables added up. MPO: the typical error of a rate times t,
    all sites erring alike. These are estimates, not
    bounds, fitted to few cases; compare runs at another `cutoff`, `dt` and `epsilon`. The trace is
    never rescaled: ``stats["trace_defect"]``.

    **Cost**: Per step and site about 200 D χ³ + 50 D² χ² operations for bonds χ of the state and D
    of the generator (N = 40, χ = 30, D = 60: 0.4 s per step).

    **Use when** patterns are arbitrary or there are more spins than `Exact` and `Symmetric` hold.
    **Do not use when** temperatures are low and patterns many: the generator's bond grows with
    both, and it is refused with the number.

    See Also
    --------
    evolve

    Examples
    --------
    >>> TDVP(max_bond=48, dt=0.2).cutoff
    1e-05
    """

    controlled: ClassVar[bool] = True

    max_bond: int = 128
    cutoff: float = 1e-5
    dt: float = 0.4
    epsilon: float | None = None
    mpo_tolerance: float = 3e-4
    rate_tolerance: float = 0.1
    sites: int = 1
    expansion: int = 4
    ordering: str | tuple[int, ...] = "auto"
    krylov_tolerance: float = 2e-7
    backend: str = "numpy"
    device: str | None = None
    precision: str = "float64"

    def __post_init__(self) -> None:
        integer(self.max_bond, "max_bond", minimum=2)
        real(self.cutoff, "cutoff", minimum=0.0, maximum=0.1)
        real(self.dt, "dt", above=0.0)
        if self.epsilon is not None:
            real(self.epsilon, "epsilon", above=0.0, maximum=1.0)
        real(self.mpo_tolerance, "mpo_tolerance", above=0.0, maximum=0.1)
        real(self.rate_tolerance, "rate_tolerance", above=0.0)
        real(self.krylov_tolerance, "krylov_tolerance", above=0.0, maximum=1e-2)
        integer(self.sites, "sites", minimum=1, maximum=2)
        integer(self.expansion, "expansion", minimum=0)
        one_of(self.backend, "backend", ["numpy", "torch", "cupy", "jax"])
        one_of(self.precision, "precision", ["float64", "float32"])
        if self.device is not None and self.backend != "torch":
            raise fail("device", "be None unless `backend` is 'torch'", f"it is '{self.device}'")
        if not isinstance(self.ordering, str):
            order = positions(self.ordering, "ordering")
            object.__setattr__(self, "ordering", order)
        else:
            one_of(self.ordering, "ordering", ["auto", "natural"])

    def weight(self, model: Model) -> float:
        """Return ε for a model."""
        return self.epsilon or min(0.3, 2.5 / math.sqrt(max(model.n_spins, 1)))

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if verb != "evolve":
            return f"Method `TDVP` does not offer `{verb}`. Use `evolve` to a late time."
        if not isinstance(problem.state, ProductState | MPSState):
            return (
                f"Method `TDVP` cannot start from a {type(problem.state).__name__}."
                " Use a product state or an MPSState."
            )
        bond = self._bond(problem.model)
        if bond > _LARGEST_GENERATOR:
            return (
                f"Method `TDVP` would need a generator of bond {bond} for this temperature and"
                f" number of patterns (at most {_LARGEST_GENERATOR})."
                " Raise `mpo_tolerance` or `rate_tolerance`, or use `MeanField`."
            )
        return missing_functionals(problem.observables or (), MPSState)

    def _bond(self, model: Model) -> int:
        """Bond of the generator; for few sites, where it is harmless, no more than a bound."""
        bound = 2 + 2 * 4 ** (model.n_sites // 2)
        if bound <= _LARGEST_GENERATOR and not model.n_modes:
            return min(bound, _TYPICAL_GENERATOR)
        return _predicted(model, self.ordering, self.mpo_tolerance, self.rate_tolerance)

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:  # noqa: ARG002
        """Predict memory and time without allocating, for a bond of 30 if it may be as large."""
        model = problem.model
        D, chi = self._bond(model), min(_TYPICAL_BOND, self.max_bond, 2**model.n_sites)
        n = max(site.dim for site in model.sites) ** 2
        steps = 4 + np.max(problem.times, initial=0.0) / self.dt
        work = 50 * n * D * chi**3 + 12 * (n * D * chi) ** 2 / 4
        memory = 8 * model.n_sites * (2 * n**2 * D**2 / 4 + 4 * D * chi**2 + n * chi**2) + 5e7
        time = 2 * model.n_sites * steps * (work / 2e10 + 1e-3) + 1e-8 * model.n_sites * D**3
        return Cost(memory, float(time), f"generator bond {D}, state bond assumed {chi}")

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        run = _Run(self, problem, carry)
        times = np.asarray(problem.times)
        for k in range(run.progress.next_output, len(times)):
            while run.progress.time < times[k]:
                run.advance(float(times[k]))
                if run.progress.time < times[k]:
                    yield run.snapshot(None)
            run.progress.next_output = k + 1
            yield run.snapshot(float(times[k]))


def positions(value: Any, name: str) -> tuple[int, ...]:
    """Accept integers; whether they are a permutation is checked with the model."""
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise wrong_type(name, "be 'auto', 'natural' or a list of sites", value)
    return tuple(int(k) for k in array)


@lru_cache(maxsize=64)
def _predicted(model: Model, ordering: Any, tolerance: float, rate_tolerance: float) -> int:
    return predicted_bond(
        model, ordering=ordering, tolerance=tolerance, rate_tolerance=rate_tolerance
    )


@dataclass
class _Progress:
    """All that a run needs to go on: besides this only the problem and the method."""

    tensors: list[Real]
    time: float = 0.0
    steps: int = 0
    next_output: int = 0
    tally: Tally = field(default_factory=Tally)
    lost: float = 0.0
    step_errors: dict[str, Real] = field(default_factory=dict)
    trace_defect: float = 0.0
    largest_bond: int = 1


class _Run:
    """One evolution."""

    def __init__(self, method: TDVP, problem: Problem, carry: Any) -> None:
        self.method, self.problem, self._warned = method, problem, False
        model, state = problem.model, problem.state
        self.epsilon = method.weight(model)
        ordering: Any = state.order if isinstance(state, MPSState) else method.ordering
        self.order = site_order(model, ordering)
        self.mpo = lindblad_mpo(
            model, epsilon=self.epsilon, ordering=self.order,
            tolerance=method.mpo_tolerance, rate_tolerance=method.rate_tolerance,
        )  # fmt: skip
        like = do("asarray", np.zeros(1, dtype=method.precision), like=method.backend)
        self.like = like.to(method.device) if method.device else like
        traces = [basis.trace for basis in self.mpo.bases]
        self.generator = Generator(self.mpo.cores, traces, self.like)
        self._dropped_counts = max(3.0, _TRUNCATION * math.sqrt(model.n_spins))
        exponentials = method.krylov_tolerance / max(model.n_sites, 20)
        self.settings = Settings(method.max_bond, exponentials, method.expansion, method.sites)
        if carry is None:
            chain = [placed(A, self.like) for A in self._start(model, state).tensors]
            chain = right_canonical(chain, self.generator.traces[0])
            self.progress = _Progress([do("to_numpy", A) for A in chain])
        else:
            own = {"tally": Tally(**carry["tally"]), "step_errors": dict(carry["step_errors"])}
            self.progress = _Progress(**{**carry, **own})
        chain = [placed(A, self.like) for A in self.progress.tensors]
        self.stepper = Stepper(self.generator, self.settings, chain)
        self._reaches = {
            o.name: np.array([reach(op) for op in o.operators]).reshape(o.shape)
            for o in problem.observables
            if o.operators
        }
        self._norms = {
            o.name: np.array(
                [functional_norm(op, self.mpo.bases, self.order) for op in o.operators]
            ).reshape(o.shape)
            for o in problem.observables
            if o.operators
        }

    def _start(self, model: Model, state: Any) -> MPSState:
        if isinstance(state, MPSState):
            return reweighted(state, self.epsilon)
        order = [int(k) for k in self.order]
        return MPSState.from_product(state, model.dims, order, self.epsilon)

    def advance(self, target: float) -> None:
        """Take one step towards the next output time."""
        # products of small matrices: more threads only wait for each other
        small = self.progress.largest_bond < _ONE_THREAD
        with threadpool_limits(limits=1 if small else None, user_api="blas"):
            self._advance(target)

    def _advance(self, target: float) -> None:
        now, longest = self.progress, self.method.dt
        if now.steps == 0:
            self._open()
        left = target - now.time
        even = left / math.ceil(left / longest * (1 - 1e-12))
        # the bonds grow step by step: the first steps are short, so that little is missed
        dt = min(even, longest * 2.0 ** (max(now.steps, 1) - 1 - _START_LEVELS))
        last = dt > left * (1 - 1e-9)
        probed = now.steps in _PROBES or (now.steps and now.steps % _EVERY == 0)
        tally = self._probe(dt) if probed else self._step(self.stepper, dt, now.steps)
        now.tally.add(tally)
        now.lost += math.sqrt(tally.discarded)
        now.steps += 1
        now.time = target if last else now.time + dt
        now.tensors = [do("to_numpy", A) for A in self.stepper.chain]
        now.largest_bond = max(now.largest_bond, *(A.shape[2] for A in now.tensors))
        now.trace_defect = max(now.trace_defect, abs(float(self.state().trace()) - 1))

    def _open(self) -> None:
        """Open the bonds of the start in the directions of Lρ, which the first sweep would miss."""
        stepper = self.stepper
        stepper.settings = replace(self.settings, sites=1)
        stepper.step(0.0, 0.0, (0, 2))
        stepper.settings = self.settings

    def _step(self, stepper: Stepper, dt: float, seed: int, half: int = 0) -> Tally:
        return stepper.step(dt, self.method.cutoff * dt, (seed, half))

    def _probe(self, dt: float) -> Tally:
        """Take the step as two halves, and beside it as a whole: the difference is its error."""
        coarse = self.stepper.copy()
        seed = self.progress.steps
        tally = self._step(coarse, dt, seed)
        fine = self._step(self.stepper, dt / 2, seed)
        fine.add(self._step(self.stepper, dt / 2, seed, 1))
        fine.applications += tally.applications
        states = [self.state(s.chain) for s in (coarse, self.stepper)]
        # half steps err by a quarter of what whole steps do, in all steps until the next probe
        repeats = _PROBES.get(self.progress.steps, _EVERY) * 4 / 3
        for o in self.problem.observables:
            if o.operators:
                a, b = (evaluate(state, o) for state in states)
                total = self.progress.step_errors.get(o.name, np.zeros(o.shape))
                self.progress.step_errors[o.name] = total + repeats * np.abs(a - b)
        return fine

    def state(self, chain: Any = None) -> MPSState:
        """Return the state, as NumPy arrays."""
        tensors = self.progress.tensors if chain is None else [do("to_numpy", A) for A in chain]
        model = self.problem.model
        return MPSState(tuple(tensors), self.order, np.array(model.dims), model.n_spins,
                        self.epsilon)  # fmt: skip

    def snapshot(self, time: float | None) -> Snapshot:
        """Return observables, error bars and all that a resume needs; a heartbeat at no time."""
        state, now = self.state(), self.progress
        own = {"tally": dict(now.tally.__dict__), "step_errors": dict(now.step_errors)}
        carry = {**now.__dict__, **own}
        if time is None:
            return Snapshot(now.time, stats=self.stats(), state=state, carry=carry)
        if now.tally.saturated > 0 and not self._warned:
            self._warn_saturated()
        values = {o.name: evaluate(state, o) for o in self.problem.observables}
        errors = {o.name: self._errors(o) for o in self.problem.observables}
        return Snapshot(time, values, errors, self.stats(), state, carry)

    def _errors(self, o: Any) -> dict[str, Any]:
        now = self.progress
        norm = self._norms.get(o.name)
        if norm is None:
            unknown = np.full(o.shape, np.nan)
            return {"truncation": unknown, "time_step": unknown, "mpo": unknown}
        return {
            "truncation": self._dropped_counts * norm * now.lost,
            "time_step": now.step_errors.get(o.name, np.zeros(o.shape)),
            "krylov": norm * math.sqrt(now.tally.krylov),
            "mpo": self._reaches[o.name] * self.mpo.typical_error * now.time,
        }

    def _warn_saturated(self) -> None:
        self._warned = True
        found = self.progress.tally.saturated
        warnings.warn(
            f"`max_bond` = {self.method.max_bond} cut away singular values of {found:.1e}, above"
            f" the cutoff. Increase `max_bond`, or `cutoff` or `epsilon` decides the accuracy.",
            TruncationWarning,
            stacklevel=4,
        )

    def stats(self) -> dict[str, Any]:
        """Return numbers that describe the effort and the losses, since the start."""
        now, mpo = self.progress, self.mpo
        found: dict[str, Any] = {
            "steps": now.steps,
            "largest_bond": now.largest_bond,
            "generator_bond": max(mpo.bond_dims, default=1),
            "generator_error": mpo.max_error,
            "epsilon": self.epsilon,
            "discarded": now.lost,
            "applications": now.tally.applications,
            "trace_defect": now.trace_defect,
        }
        if self.problem.model.n_modes:
            found["fock_tail"] = self._tail()
        return found

    def _tail(self) -> float:
        state = self.state()
        model = self.problem.model
        return max(float(state.photon_distribution(k)[-1]) for k in range(model.n_modes))


def reweighted(state: MPSState, epsilon: float) -> MPSState:
    """Return the same density matrix in coordinates of another weight."""
    scale = epsilon / state.epsilon
    weights = np.array([1.0, scale, scale, scale])[:, None]
    tensors = tuple(
        A * weights if site < state.n_spins else A
        for A, site in zip(state.tensors, state.order, strict=True)
    )
    return MPSState(tensors, state.order, state.dims, state.n_spins, epsilon)


def reach(operator: Operator) -> float:
    """Sum of |c| times the number of factors: by how much errors of rates count, at worst."""
    return sum(abs(c) * len(factors) for factors, c in pauli_terms(operator).items())


def functional_norm(
    operator: Operator, bases: tuple[LocalBasis, ...], order: NDArray[np.intp]
) -> float:
    """Norm of ρ → tr(Oρ) on weighted coordinates: by how much an error of the vector counts."""
    place = np.argsort(order)
    traces = [float(np.linalg.norm(basis.trace)) for basis in bases]
    whole = math.prod(traces)
    total = 0.0
    for factors, coefficient in pauli_terms(operator).items():
        size = abs(coefficient) * whole
        for site, name in factors:
            basis = bases[place[site]]
            dim = 2 if kind_of(name) == "spin" else math.isqrt(basis.size)
            f = basis.functional(local_matrix(name, dim))
            size *= float(np.linalg.norm(f)) / traces[place[site]]
        total += size**2
    return math.sqrt(total)
