"""Closure of the populations: models and observables for which a master equation is enough."""

from __future__ import annotations

from tnhop.physics.problem import Problem
from tnhop.physics.states import ProductState
from tnhop.physics.terms import pauli_terms
from tnhop.solvers.symmetric.populations import populations_close

POPULATION_FUNCTIONALS = {
    "overlap_distribution", "joint_overlap_distribution", "overlap_moments", "binder_cumulant",
    "edwards_anderson",
}  # fmt: skip


def quantum_obstacle(problem: Problem, name: str) -> str | None:
    """Return why populations alone are not enough."""
    if not populations_close(problem.model):
        return (
            f"Method `{name}` follows populations alone, but in this model coherences drive them:"
            " the Hamiltonian or a jump does more than flip single spins. Use `Exact`."
        )
    state = problem.state
    if not isinstance(state, ProductState) or not state.bloch[:, :2].any():
        return None
    for o in problem.observables or ():
        quantum = o.functional is not None and o.functional.name not in POPULATION_FUNCTIONALS
        keys = (key for operator in o.operators for key in pauli_terms(operator))
        if quantum or any(axis != "z" for key in keys for _, axis in key):
            return (
                f"Method `{name}` follows populations alone, but the start has σˣ or σʸ components,"
                f" on which observable `{o.name}` depends. Choose `observables` of σᶻ, or `Exact`."
            )
    return None
