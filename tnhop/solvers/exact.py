"""Exact: the full density matrix, propagated without ever forming the generator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop._checks import fail, real
from tnhop._codec import register
from tnhop.model import Model
from tnhop.observables import Observable
from tnhop.operators import local_matrix
from tnhop.problem import (
    ConvergenceError,
    Cost,
    Problem,
    Snapshot,
    evaluate,
    missing_functionals,
    pretty_bytes,
)
from tnhop.representations.sparse import (
    DenseState,
    Lindbladian,
    expectation_rows,
    top_level_rows,
)
from tnhop.result import Spectrum, SteadyState
from tnhop.solvers._eigen import Eigenpairs, propagator, slowest
from tnhop.solvers._taylor import TaylorPropagator
from tnhop.states import ProductState, coherent_tail
from tnhop.terms import FieldJump, Operator

__all__ = ["Exact"]

Real = NDArray[np.float64]

# Largest |δ| of a functional per unit of trace-norm error; others are not bounded and count as
# unknown.
_FUNCTIONAL_BOUNDS = {"purity": 2.0, "overlap_distribution": 1.0, "overlap_moments": 1.0}
_MOST_UNDAMPED = 800
_STATES_MEMORY = 1e8  # bytes spent on states at output times inside one step


@register
@dataclass(frozen=True)
class Exact:
    r"""The full density matrix, of dimension 4^N times fock_dim² per mode.

    The generator acts matrix-free in real arithmetic on the packed Hermitian matrix, Eq. (34) of
    docs/physics.md; time steps are shifted Taylor series, Eq. (35), of adaptive length and degree.

    Parameters
    ----------
    tolerance : float
        Accepted error of the density matrix (Frobenius norm), summed over the evolution.
    max_memory : float, optional
        Refuse computations that need more, in bytes; by default half the memory of the machine.

    Notes
    -----
    **Error**: Time step: at most ‖O‖ √D times the measured truncation and rounding of the series,
    Eq. (36). Fock space: ‖O‖ fock_dim times the largest population that the highest kept level has
    had, calibrated on random cases. Rates: ‖O‖ t times the error of fitted callables.

    **Cost**: Memory about 8 vectors of 4^N reals (N = 10: 70 MB). Time about t · ‖L‖ applications
    of some 10 N · 4^N operations each (N = 8: 0.1 s, N = 10: 2 s to t = 10). Functionals such as
    `purity` need the state at every output time and up to 100 MB more.

    **Use when** N ≤ 10 (12 with patience) or for few modes: it is the oracle of the other methods.
    **Do not use when** the state does not fit into memory; `estimate` tells.

    See Also
    --------
    evolve, steady_state, liouvillian_spectrum

    Examples
    --------
    >>> Exact(tolerance=1e-8)
    Exact(tolerance=1e-08, max_memory=None)
    """

    tolerance: float = 1e-10
    max_memory: float | None = None

    def __post_init__(self) -> None:
        real(self.tolerance, "tolerance", minimum=1e-13, maximum=1e-2)
        if self.max_memory is not None:
            real(self.max_memory, "max_memory", above=0.0)

    def supports(self, problem: Problem, verb: str = "evolve") -> str | None:
        """Return None, or why the problem is out of reach."""
        if not isinstance(problem.state, ProductState | DenseState | type(None)):
            return f"Method `Exact` cannot start from a {type(problem.state).__name__}."
        need = self.estimate(problem, verb).memory
        limit = self.max_memory or _machine_memory() / 2
        if need > limit:
            return (
                f"Method `Exact` would propagate density matrices of dimension"
                f" {_dimension(problem.model)} and needs {pretty_bytes(need)}, but"
                f" {pretty_bytes(limit)} are allowed (`max_memory`)."
                " Use `MeanField`, or fewer spins or Fock levels."
            )
        return missing_functionals(problem.observables or (), DenseState)

    def estimate(self, problem: Problem, verb: str = "evolve") -> Cost:
        """Predict memory and time without allocating."""
        model = problem.model
        size = _size(model)
        vectors = 8.0 if verb == "evolve" else 100.0
        kept = sum(o.functional is not None for o in problem.observables or ())
        extra = min(_STATES_MEMORY, 8 * size * len(np.atleast_1d(problem.times))) if kept else 0.0
        memory = 8 * size * vectors + extra + 3e7
        per_apply = size * (6 + 1.2 * model.n_sites) * 1e-9
        applications = 60 + 1.2 * _norm_bound(model) * float(np.max(problem.times, initial=0.0))
        if verb != "evolve":
            applications = 60 * 150.0
        return Cost(memory, per_apply * applications, f"dimension {_dimension(model)}")

    def evolve(self, problem: Problem, carry: Any = None) -> Iterator[Snapshot]:
        """Yield a snapshot at every output time and a heartbeat after every step."""
        model, times = problem.model, np.asarray(problem.times)
        run = _Run(self, problem)
        done = carry or {"time": 0.0, "x": _packed(problem.state, model), "length": None,
                         "error": 0.0, "tail": run.first_tail(problem.state),
                         "applications": 0}  # fmt: skip
        if carry is None and times[0] == 0.0:
            yield run.snapshot(0.0, run.rows @ done["x"], done["x"], done, last=len(times) == 1)
        if times[-1] <= done["time"]:
            return
        for step in run.propagator.steps(done["x"], times, done["time"], done["length"]):
            done = {**done, "error": done["error"] + step.error,
                    "tail": np.maximum(done["tail"], run.tails(step.probes).max(axis=0)),
                    "applications": done["applications"] + step.n_applications}  # fmt: skip
            inside = times[(times > step.start * (1 + 1e-12)) & (times <= step.end * (1 + 1e-12))]
            inside = inside[-len(step.moments) :] if len(step.moments) else inside[:0]
            end = {**done, "time": step.end, "x": step.x, "length": step.length}
            for k, time in enumerate(inside):
                last = time == times[-1]
                x = step.x if last else None if step.states is None else step.states[k]
                at_end = abs(time - step.end) <= 1e-12 * step.end
                yield run.snapshot(time, step.moments[k], x, end if at_end else done, last=last)
            done = end
            yield Snapshot(step.end, stats=run.stats(done), state=run.state(step.x), carry=done)

    def steady_state(self, problem: Problem) -> SteadyState:
        """Return the stationary state; if several exist, the one that the initial state reaches."""
        model = problem.model
        L = Lindbladian(model)
        right = self._beyond_stationary(L)
        V, n_zero = _null_vectors(right, L)
        x = V[:, 0] if n_zero == 1 else self._reached(problem, L, V, len(right.values))
        x = x / np.trace(x.reshape(L.dim, L.dim))
        state = DenseState(x.reshape(L.dim, L.dim), model.dims)
        residual = float(np.linalg.norm(L(x)) / np.linalg.norm(x))
        values = {o.name: evaluate(state, o) for o in problem.observables}
        tolerance = _zero_tolerance(L)
        moving = right.values[np.abs(right.values) > tolerance]
        gap = float(-moving[0].real) if len(moving) else np.nan
        stats = {"dimension": _dimension(model),
                 "undamped": int(np.sum(moving.real > -tolerance))}  # fmt: skip
        if state.populations().min() < -1e-8:
            raise ConvergenceError(
                "The null vector found is not a state: a population is"
                f" {state.populations().min():.1e}. Use `evolve` to a late time instead.",
                state,
                residual,
            )
        if model.n_modes:
            tails = top_level_rows(model.dims, model.modes) @ x
            stats["fock_tail"] = float(tails.max())
        settled = residual < 1e-9 * L.norm and right.converged
        return SteadyState(state, values, residual, gap, n_zero, settled, model, self,
                           tuple(problem.observables), stats)  # fmt: skip

    def _beyond_stationary(self, L: Lindbladian) -> Eigenpairs:
        """Return enough slow eigenpairs to have seen all that do not decay."""
        k = 4
        while True:
            pairs = _slowest(L, min(k, L.size))
            if k >= L.size or pairs.values[-1].real < -_zero_tolerance(L):
                return pairs
            k *= 4
            if k > _MOST_UNDAMPED:
                raise ConvergenceError(
                    f"The model has more than {k // 4} states or oscillations that never decay."
                    " Use `evolve` to a late time instead.",
                    pairs.values,
                )

    def _reached(self, problem: Problem, L: Lindbladian, V: Real, k: int) -> Real:
        """Project the initial state on the null space V, with the left null vectors."""
        if problem.state is None:
            raise ValueError(
                f"Argument `state` must be given, but is missing and the model has {V.shape[1]}"
                " independent stationary states. Give the initial state whose limit is wanted."
            )
        left = _slowest(L.adjoint, k)
        W, n_left = _null_vectors(left, L)
        if n_left != V.shape[1]:
            raise ConvergenceError(
                f"The generator has {V.shape[1]} right but {n_left} left null vectors found."
                " Use `evolve` to a late time instead.",
                left.values,
            )
        x0 = _packed(problem.state, problem.model)
        return V @ np.linalg.solve(W.T @ V, W.T @ x0)

    def liouvillian_spectrum(self, model: Model, k: int) -> Spectrum:
        """Return the k eigenvalues of the generator with the largest real parts."""
        limit = self.max_memory or _machine_memory() / 2
        at_most = max(1, int((limit / 8 / _size(model) - 60) / 3))  # vectors of the Arnoldi basis
        if min(k, L_size := _size(model)) > at_most:
            raise fail("k", f"be at most {at_most} for {L_size:.0f} dimensions", f"it is {k}")
        L = Lindbladian(model)
        pairs = _slowest(L, min(k, L.size))
        if not pairs.converged:
            raise ConvergenceError(
                f"Only {len(pairs.values)} of {k} eigenvalues converged. Ask for fewer.",
                pairs.values, float(pairs.residuals.max()),
            )  # fmt: skip
        multiplicity = int(np.sum(np.abs(pairs.values) < _zero_tolerance(L)))
        return Spectrum(pairs.values, pairs.residuals, multiplicity, model, self)


class _Run:
    """One evolution: the compiled functionals, and the errors of every observable."""

    def __init__(self, method: Exact, problem: Problem) -> None:
        model = self.model = problem.model
        self.observables: tuple[Observable, ...] = tuple(problem.observables)
        self.keep = problem.save_states
        self.L = Lindbladian(model)
        operators = [op for o in self.observables for op in o.operators]
        linear = expectation_rows(model.dims, operators)
        tails = top_level_rows(model.dims, model.modes)
        self.n_linear = linear.shape[0]
        self.rows = sp.csr_array(sp.vstack([linear, tails], format="csr"))
        needs_state = self.keep or any(o.functional for o in self.observables)
        at_most = max(1, int(_STATES_MEMORY // (8 * self.L.size)))
        self.propagator = TaylorPropagator(
            self.L.apply, self.L.mean_diagonal, self.rows, method.tolerance,
            Lindbladian.accumulate, at_most if needs_state else 0, 8 / self.L.norm,
        )  # fmt: skip
        self.bounds = {o.name: np.array([operator_bound(op, model) for op in o.operators])
                       .reshape(o.shape) for o in self.observables if o.operators}  # fmt: skip
        self.rate_error = sum(_rate_error(jump) for jump in model.jumps)

    def state(self, x: Real) -> DenseState:
        """Return the state of a raveled packed matrix."""
        return DenseState(x.reshape(self.L.dim, self.L.dim), self.model.dims)

    def tails(self, moments: Real) -> Real:
        """Return the populations of the highest kept levels, shape (..., n_modes)."""
        return np.maximum(moments[..., self.n_linear :], 0.0)

    def first_tail(self, state: Any) -> Real:
        """Return those of the initial state, with what its truncation cut off."""
        tail = self.tails(self.rows @ _packed(state, self.model))
        if isinstance(state, ProductState):
            dims = [self.model.sites[k].dim for k in self.model.modes]
            cut = [coherent_tail(a, dim) for a, dim in zip(state.alpha, dims, strict=True)]
            tail = np.maximum(tail, cut)
        return tail

    def snapshot(self, time: float, moments: Real, x: Any, done: Any, *, last: bool) -> Snapshot:
        """Evaluate the observables and their errors at one time."""
        state = None if x is None else self.state(x)
        values, at = {}, 0
        for o in self.observables:
            if o.functional is None:
                pairs = moments[at : at + 2 * len(o.operators)]
                at += 2 * len(o.operators)
                full = (pairs[0::2] + 1j * pairs[1::2]).reshape(o.shape)
                values[o.name] = full if o.is_complex else full.real
            else:
                values[o.name] = evaluate(state, o)
        errors = {o.name: self.errors(o, float(time), done) for o in self.observables}
        carry = done if done["time"] == time else None
        kept = state if self.keep or last or time == 0.0 else None
        return Snapshot(float(time), values, errors, self.stats(done), kept, carry)

    def errors(self, o: Observable, time: float, done: Any) -> dict[str, Any]:
        """Return the half-widths by source, Eq. (36) of docs/physics.md."""
        ones = np.ones(o.shape)
        if o.functional is None:
            bound = self.bounds[o.name]
        else:
            bound = ones * _FUNCTIONAL_BOUNDS.get(o.functional.name, np.nan)
        sources = {"time_step": bound * np.sqrt(self.L.dim) * done["error"]}
        if self.rate_error:
            sources["rates"] = bound * self.rate_error * time
        if self.model.n_modes:
            # calibrated on random cases: what is lost above the top level comes back up to fock_dim
            # times larger, and covers the true error in 97 % of them (tests/convergence)
            levels = np.array([self.model.sites[k].dim for k in self.model.modes])
            sources["fock_tail"] = bound * float(levels @ done["tail"])
        return {name: np.broadcast_to(value, o.shape).copy() for name, value in sources.items()}

    def stats(self, done: Any) -> dict[str, Any]:
        """Return the effort so far."""
        stats: dict[str, Any] = {"applications": int(done["applications"])}
        if self.model.n_modes:
            stats["fock_tail"] = float(done["tail"].max())
        return stats


def operator_bound(operator: Operator, model: Model) -> float:
    """Bound the operator norm by Σ |c| Π ‖A‖ over the terms."""
    total = 0.0
    for term in operator.terms:
        product = abs(term.coefficient)
        for site, name in term.factors:
            product *= float(np.linalg.norm(local_matrix(name, model.sites[site].dim), 2))
        total += product
    return total


def _amplitude_bound(jump: FieldJump) -> list[tuple[float, float]]:
    """Return (largest amplitude on sampled fields, its fitting error) per operator of the jump."""
    reach = np.abs(jump.fields).sum(axis=1, keepdims=True)
    sample = reach * np.linspace(-1, 1, 17)
    return [(float(np.abs(a(*sample)).max()), a.max_error) for _, a in jump.amplitudes]


def _rate_error(jump: Any) -> float:
    """Bound ‖D[L] - D[L']‖ for amplitudes known up to max_error."""
    if not isinstance(jump, FieldJump):
        return 0.0
    return sum(4 * size * error + 2 * error**2 for size, error in _amplitude_bound(jump))


def _norm_bound(model: Model) -> float:
    """Bound the size of the generator, from the terms alone."""
    bound = 2 * operator_bound(model.hamiltonian, model)
    for jump in model.jumps:
        if isinstance(jump, FieldJump):
            bound += sum(size**2 for size, _ in _amplitude_bound(jump)) / 2
        else:
            bound += operator_bound(jump.operator, model) ** 2 / 2
    return bound


def _packed(state: Any, model: Model) -> Real:
    dense = DenseState.from_product(state, model.dims) if isinstance(state, ProductState) else state
    return dense.packed.ravel()


def _slowest(L: Lindbladian, k: int) -> Eigenpairs:
    tau = min(8 / max(abs(L.mean_diagonal), 1e-300), 200 / L.norm)
    return slowest(L, propagator(L, L.mean_diagonal, L.norm, tau), L.size, k)


def _zero_tolerance(L: Lindbladian) -> float:
    """Size below which an eigenvalue counts as zero: small beside the damping, above rounding."""
    return max(1e-9 * abs(L.mean_diagonal), 1e-13 * L.norm)


def _null_vectors(pairs: Eigenpairs, L: Lindbladian) -> tuple[Real, int]:
    """Return an orthonormal real basis of the eigenvectors of eigenvalue zero."""
    zero = pairs.vectors[:, np.abs(pairs.values) < _zero_tolerance(L)]
    parts = np.concatenate([zero.real, zero.imag], axis=1)
    u, _, _ = np.linalg.svd(parts, full_matrices=False)
    return u[:, : zero.shape[1]], zero.shape[1]


def _size(model: Model) -> float:
    """Dimension of the space of density matrices; infinite where a float ends."""
    return float(model.hilbert_dim) ** 2 if model.hilbert_dim < 2**500 else float("inf")


def _dimension(model: Model) -> str:
    factors = [f"4^{model.n_spins}"] if model.n_spins else []
    factors += [f"{model.sites[k].dim}^2" for k in model.modes]
    size = _size(model)
    return f"{' x '.join(factors)} = {size:.0f}" if size < 1e15 else " x ".join(factors)


def _machine_memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
