"""Calls of every public function with one or two arguments that are odd: an answer, or a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tnhop as th
from fuzzing import (
    CHANGES,
    ODD,
    ON_REQUEST,
    Tally,
    assert_healthy,
    changed,
    is_our_sentence,
    profile,
)

XI = [[1, 1, -1], [1, -1, 1]]
RATE = th.SqrtRate(th.GlauberRate(2.0, +1))
X, Y, Z = th.sigma("x")(0), th.sigma("y")(0), th.sigma("z")(0)
TIMES = [0.0, 0.5]
MODES = {"omega": 8 / 7, "Omega": 4 / 9, "loss": 9 / 7, "gain": 0.1}
FIELDS = {"Omega": 0.3, "longitudinal": 0.2, "decay": 0.5, "pumping": 0.1, "dephasing": 0.2}
SMALL = [[1, 1, -1]]


@cache
def network() -> th.Model:
    return th.open_hopfield(SMALL, beta=1.5, Omega=0.3)


@cache
def classical() -> th.Model:
    return th.open_hopfield(SMALL, beta=1.5)


@cache
def cavity() -> th.Model:
    return th.dicke(1, g=0.4, **MODES, fock_dim=4)


@cache
def tilted(name: str = "network") -> th.ProductState:
    model = MODELS[name]()
    return th.product_state(model, bloch=[0.1, 0.2, 0.6], alpha=0.1)


MODELS: dict[str, Callable[[], th.Model]] = {
    "network": network, "classical": classical, "cavity": cavity,
    "eight": lambda: th.open_hopfield(np.ones((1, 8)), beta=1.5),
}  # fmt: skip


@cache
def single() -> th.Model:
    return th.open_hopfield([[1]], beta=2.0, Omega=0.6)


def hopf_network(Omega: float) -> th.Model:
    return th.open_hopfield([[1]], beta=2.0, Omega=Omega)


@cache
def state_of(method: str, name: str = "network") -> Any:
    chosen = th.KineticMonteCarlo(n_samples=20) if method == "KineticMonteCarlo" else method
    return th.evolve(
        MODELS[name](), tilted(name), TIMES, method=chosen, observables="sigma_z", rng=1
    ).final_state


@cache
def result() -> th.Result:
    return th.evolve(network(), tilted(), TIMES, method="Exact")


@cache
def emitted() -> th.Correlation:
    model = th.damped_mode(omega=1.0, loss=1.0, gain=0.1, fock_dim=4)
    empty = th.product_state(model)
    times = np.linspace(0, 20, 41)
    return th.correlation(model, empty, times, th.destroy(0) + 0.3, th.create(0) + 0.3)


def method_of(cls: type) -> Callable[..., Any]:
    return cls


# Every entry: what is called, and arguments that are right. Names with a dot are methods.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "random_patterns": (th.random_patterns, {"n_patterns": 2, "n_spins": 4, "rng": 1}),
    "biased_patterns": (th.biased_patterns, {"n_patterns": 2, "n_spins": 4, "bias": 0.2, "rng": 1}),
    "correlated_patterns": (
        th.correlated_patterns,
        {"n_patterns": 2, "n_spins": 4, "correlation": 0.5, "rng": 1},
    ),
    "orthogonal_patterns": (th.orthogonal_patterns, {"n_patterns": 2, "n_spins": 4, "rng": 1}),
    "patterns_from_images": (th.patterns_from_images, {"images": ["#.|.#"], "shape": (2, 2)}),
    "patterns_from_images of arrays": (
        th.patterns_from_images,
        {"images": [np.eye(2), 1 - np.eye(2)], "shape": None},
    ),
    "corrupt": (th.corrupt, {"pattern": [1, -1, 1], "n_flips": 1, "rng": 1}),
    "overlaps": (th.overlaps, {"xi": XI, "s": [1, -1, 1]}),
    "pattern_classes": (th.pattern_classes, {"xi": XI, "merge_signs": True}),
    "hebb": (th.hebb, {"xi": XI, "norm": "N"}),
    "pseudo_inverse": (th.pseudo_inverse, {"xi": XI}),
    "power_law": (th.power_law, {"n_spins": 4, "exponent": 1.5}),
    "local_fields": (th.local_fields, {"J": th.hebb(XI), "s": [1, -1, 1]}),
    "energy": (th.energy, {"J": th.hebb(XI), "s": [1, -1, 1]}),
    "pattern_couplings": (th.pattern_couplings, {"xi": XI, "g": 0.5}),
    "retrieve": (
        th.retrieve,
        {"J": th.hebb(XI), "s": [1, -1, 1], "update": "synchronous", "max_sweeps": 5, "rng": 1},
    ),
    "basin": (
        th.basin,
        {"xi": XI, "n_flips": [0, 1], "couplings": th.hebb, "n_samples": 4, "threshold": 1.0,
         "update": "asynchronous", "max_sweeps": 5, "rng": 1},
    ),
    # operators
    "sigma": (th.sigma, {"name": "x"}),
    "sigma()": (th.sigma("x"), {"site": 0}),
    "destroy": (th.destroy, {"site": 0}),
    "create": (th.create, {"site": 0}),
    "number": (th.number, {"site": 0}),
    "Term": (th.Term, {"coefficient": 0.5, "factors": {0: "z", 1: "x"}}),
    "Operator": (th.Operator, {"terms": (th.Term(1.0, {0: "z"}),)}),
    "Operator.sum": (th.Operator.sum, {"operators": [X, Y]}),
    "Operator.mul": (lambda other: X * other, {"other": Y}),
    "Operator.rmul": (lambda other: other * X, {"other": 2.0}),
    "Operator.add": (lambda other: X + other, {"other": Y}),
    "Operator.radd": (lambda other: other + X, {"other": 1.0}),
    "Operator.sub": (lambda other: X - other, {"other": Y}),
    "Operator.rsub": (lambda other: other - X, {"other": 2.0}),
    "Operator.truediv": (lambda other: X / other, {"other": 2.0}),
    "Term.mul": (lambda other: th.Term(1.0, {0: "x"}) * other, {"other": th.Term(2.0, {0: "y"})}),
    "Jump": (th.Jump, {"operator": X}),
    "FieldJump": (
        th.FieldJump,
        {"site": 0, "amplitudes": {"+": RATE}, "fields": [0, 0.5, 0.2], "self_field": 0.1},
    ),
    "FieldJump fitted": (
        th.FieldJump,
        {"site": 0, "amplitudes": {"+": np.cosh}, "fields": [[0, 0.5, 0.2]], "self_field": (0.1,)},
    ),
    "ramp": (th.ramp, {"first": 0.0, "last": 1.0, "duration": 2.0, "start": 0.5}),
    "pulse": (th.pulse, {"height": 1.0, "start": 0.5, "duration": 2.0, "rise": 0.5}),
    "sine": (th.sine, {"mean": 1.0, "amplitude": 0.5, "frequency": 2.0, "phase": 0.1}),
    "piecewise": (
        th.piecewise, {"times": [0.0, 1.0], "values": [0.5, 1.0], "kind": "linear"}
    ),
    "fitted": (th.fitted, {"f": np.cos, "start": 0.0, "stop": 1.0, "tolerance": 1e-8}),
    "ConstantRate": (th.ConstantRate, {"value": 0.5}),
    "GlauberRate": (th.GlauberRate, {"beta": 2.0, "sign": 1}),
    "DenseGlauberRate": (
        th.DenseGlauberRate,
        {"beta": 2.0, "sign": 1, "degree": 3, "column": (1, -1), "step": 0.2},
    ),
    "SpinBosonRate": (
        th.SpinBosonRate,
        {"g": (0.5,), "omega": 1.0, "loss": 1.0, "gain": 0.1, "Omega": 0.2, "sign": 1},
    ),
    "ChebyshevRate": (
        th.ChebyshevRate, {"coefficients": (0.5, 0.1), "bound": 1.0, "max_error": 0.0}
    ),
    "ChebyshevRate.fit": (
        th.ChebyshevRate.fit,
        {"function": np.cosh, "bound": 1.0, "tolerance": 1e-10, "max_degree": 64, "signed": False,
         "name": "function"},
    ),
    "SqrtRate": (th.SqrtRate, {"rate": th.GlauberRate(1.0, 1)}),
    "ScaledRate": (th.ScaledRate, {"factor": 0.5 - 0.2j, "rate": th.GlauberRate(1.0, 1)}),
    "GlauberRate()": (th.GlauberRate(1.0, 1), {"h": 0.3}),
    "GlauberRate() cold": (th.GlauberRate(np.inf, 1), {"h": 0.3}),
    "DenseGlauberRate()": (
        th.DenseGlauberRate(1.0, 1, 3, (1, -1), 0.5), {"one": [0.3], "other": [0.1]}
    ),
    "ConstantRate()": (th.ConstantRate(0.4), {"h": [0.3]}),
    "ChebyshevRate()": (th.ChebyshevRate((0.5, 0.1), 1.0), {"h": [0.3]}),
    "SpinBosonRate()": (
        th.SpinBosonRate((0.5,), (1.0,), (1.0,), (0.1,), 0.2, 1), {"h": [0.3]}
    ),
    # models
    "Site": (th.Site, {"kind": "mode", "dim": 3, "name": "mode 0"}),
    "spins": (th.spins, {"n_spins": 2}),
    "modes": (th.modes, {"n_modes": 2, "fock_dim": [3, 4]}),
    "Model": (
        th.Model,
        {"sites": th.spins(2), "hamiltonian": 0.5 * X, "jumps": [th.Jump(Y)], "observables": None,
         "patterns": [[1, -1]], "recipe": None},
    ),
    "Model.select": (lambda observables: network().select(observables), {"observables": ["m_z"]}),
    "Observable": (
        th.Observable,
        {"name": "own", "operators": [X, Y], "functional": None, "dims": ["site"],
         "coords": {"site": [0, 1]}},
    ),
    "Observable of a functional": (
        th.Observable,
        {"name": "own", "operators": (), "functional": th.Functional("purity"), "dims": (),
         "coords": ()},
    ),
    "Functional": (th.Functional, {"name": "purity", "arguments": ()}),
    "open_hopfield": (
        th.open_hopfield,
        {"xi": XI, "beta": 2.0, "Omega": 0.3, "longitudinal": 0.1, "couplings": th.hebb},
    ),
    "open_hopfield of a matrix": (
        th.open_hopfield, {"xi": XI, "beta": 2.0, "Omega": [0.1, 0.2, 0.3], "couplings": th.hebb(XI)}
    ),
    "dense_hopfield": (
        th.dense_hopfield, {"xi": XI, "degree": 3, "beta": 2.0, "Omega": 0.3, "longitudinal": 0.1}
    ),
    "multimode_dicke": (
        th.multimode_dicke,
        {"g": th.pattern_couplings(XI, 0.4), **MODES, "fock_dim": [3, 4], "longitudinal": 0.1,
         "decay": 0.1, "pumping": 0.1, "dephasing": 0.1, "patterns": XI, "n_spins": 3},
    ),
    "dicke": (
        th.dicke,
        {"n_spins": 2, "g": 0.4, **MODES, "fock_dim": 4, "decay": 0.1, "pumping": 0.1,
         "dephasing": 0.1},
    ),
    "hebbian_ising": (th.hebbian_ising, {"xi": XI, **FIELDS}),
    "long_range_ising": (
        th.long_range_ising, {"couplings": th.hebb(XI), **FIELDS, "patterns": XI}
    ),
    "eliminated_dicke": (
        th.eliminated_dicke, {"g": th.pattern_couplings(XI, 0.4), **MODES, "n_spins": 3}
    ),
    "classical_dicke": (
        th.classical_dicke,
        {"g": [[0.3, 0.5, 0.2]], **MODES, "coincident": "collective", "n_spins": 3},
    ),
    "independent_spins": (th.independent_spins, {"n_spins": 2, **FIELDS}),
    "damped_mode": (
        th.damped_mode, {"omega": 1.0, "drive": 0.2, "loss": 0.5, "gain": 0.1, "fock_dim": 5}
    ),
    "bloch_solution": (th.bloch_solution, {"times": TIMES, "bloch": [0, 0, 1], **FIELDS}),
    "damped_mode_solution": (
        th.damped_mode_solution,
        {"times": TIMES, "alpha": 0.2j, "omega": 1.0, "drive": 0.2, "loss": 0.5, "gain": 0.1},
    ),
    "dephased_ising_solution": (
        th.dephased_ising_solution,
        {"times": TIMES, "couplings": th.hebb(XI), "bloch": np.zeros((3, 3)), "dephasing": 0.1,
         "longitudinal": 0.2},
    ),
    # states
    "product_state": (
        th.product_state, {"model": cavity(), "bloch": [0, 0, 1], "spins": None, "alpha": 0.1}
    ),
    "product_state of spins": (
        th.product_state, {"model": network(), "bloch": None, "spins": [1, -1, 1], "alpha": 0.0}
    ),
    "pattern_state": (
        th.pattern_state, {"model": network(), "pattern": 0, "overlap": 0.5, "alpha": 0.0}
    ),
    "ProductState": (th.ProductState, {"bloch": np.zeros((2, 3)), "alpha": np.zeros(1)}),
    "DenseState": (th.DenseState, {"packed": np.eye(4) / 4, "dims": (2, 2), "n_spins": 2}),
    "SymmetricState": (th.SymmetricState, state_of("Symmetric").to_arrays()),
    "PopulationState": (th.PopulationState, state_of("ClassicalMaster", "eight").to_arrays()),
    "ConfigurationDistribution": (
        th.ConfigurationDistribution, state_of("ClassicalMaster", "classical").to_arrays()
    ),
    "ConfigurationSamples": (
        th.ConfigurationSamples, state_of("KineticMonteCarlo", "classical").to_arrays()
    ),
    "MPSState.from_product": (
        th.MPSState.from_product,
        {"state": tilted(), "dims": (2, 2, 2), "order": (0, 1, 2), "epsilon": 0.3},
    ),
    "to_qutip": (th.to_qutip, {"item": tilted("cavity"), "model": cavity()}),
    # verbs
    "Problem": (
        th.Problem,
        {"model": network(), "state": tilted(), "times": TIMES, "observables": None, "rng": 1,
         "save_states": False},
    ),
    "Cost": (th.Cost, {"memory": 1e6, "time": 1.0, "note": ""}),
    "evolve": (
        th.evolve,
        {"model": network(), "state": tilted(), "times": TIMES, "observables": None,
         "method": "Exact", "progress": None, "max_wall_time": None, "save_states": False,
         "callback": None, "rng": None, "checkpoint": None, "checkpoint_interval": 30.0},
    ),
    "evolve a cavity": (
        th.evolve,
        {"model": cavity(), "state": tilted("cavity"), "times": TIMES, "observables": "occupation",
         "method": th.Exact()},
    ),
    "steady_state": (
        th.steady_state,
        {"model": network(), "state": None, "observables": ["m_z"], "method": "Exact"},
    ),
    "liouvillian_spectrum": (
        th.liouvillian_spectrum, {"model": network(), "k": 3, "method": "Exact"}
    ),
    "correlation": (
        th.correlation,
        {"model": network(), "state": tilted(), "times": TIMES, "first": X, "second": Y,
         "method": "Exact"},
    ),
    "compare": (
        th.compare,
        {"model": network(), "state": tilted(), "times": TIMES, "methods": ["Exact", "MeanField"],
         "observables": None, "progress": None},
    ),
    "estimate": (
        th.estimate, {"model": network(), "method": "Exact", "state": None, "times": TIMES}
    ),
    "lindblad_mpo": (
        th.lindblad_mpo,
        {"model": network(), "epsilon": 0.3, "ordering": "auto", "tolerance": 1e-3},
    ),
    "predicted_bond": (
        th.predicted_bond, {"model": network(), "ordering": "auto", "tolerance": 1e-3}
    ),
    "emission_spectrum": (
        th.emission_spectrum, {"correlation": emitted(), "frequencies": [0.5, 1.0], "limit": 0.09}
    ),
    "Result.plot": (
        lambda ax, observables: result().plot(ax, observables=observables),
        {"ax": None, "observables": ["m_z"]},
    ),
    "Result.errors": (lambda name: result().errors[name], {"name": "m_z"}),
    "Result.errors.sources": (lambda name: result().errors.sources(name), {"name": "m_z"}),
    "load": (th.load, {"path": "nowhere.h5"}),
    # mean field
    "fixed_points": (
        th.fixed_points,
        {"model": single(), "starts": (), "n_starts": 1, "length": 1.0, "closure": "auto", "rng": 0},
    ),
    "critical_point": (
        th.critical_point,
        {"make_model": hopf_network,
         "state": th.product_state(hopf_network(0.2), bloch=[0.0, -0.52, 0.65]), "low": 0.3,
         "high": 0.34, "closure": "auto"},
    ),
    "lyapunov_coefficient": (
        th.lyapunov_coefficient,
        {"model": single(), "state": th.product_state(single(), bloch=[0, 0, 0.5]),
         "closure": "auto"},
    ),
    "limit_cycle": (
        th.limit_cycle,
        {"model": single(), "start": th.product_state(single(), bloch=[0, 0, 0.8]),
         "transient": 20.0, "n_points": 5, "closure": "auto"},
    ),
    "RetrievalChannel": (th.RetrievalChannel, {"temperature": 0.5}),
    "RetrievalChannel.retrieval": (th.RetrievalChannel(0.5).retrieval, {"Omega": 0.2}),
    "RetrievalChannel.phase": (th.RetrievalChannel(0.8).phase, {"Omega": 0.2}),
    "RetrievalChannel.cycles": (th.RetrievalChannel(0.5).cycles, {"Omega": 0.6}),
}  # fmt: skip


def _fields_of(cls: type) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


CALLS |= {name: (cls, _fields_of(cls)) for name, cls in th.ALL_METHODS.items()}

# What states can be asked, of every kind of state that has it.
QUESTIONS: dict[str, dict[str, Any]] = {
    "expect": {"operators": [Z, X]},
    "overlap_distribution": {"xi": SMALL},
    "joint_overlap_distribution": {"xi": SMALL},
    "overlap_moments": {"xi": SMALL, "orders": (1, 2)},
    "binder_cumulant": {"xi": SMALL},
    "edwards_anderson": {"spins": [0, 1]},
    "reduced_state": {"sites": [0, 1]},
    "misfit": {"model": network()},
}
OF_MODES: dict[str, dict[str, Any]] = {
    "expect": {"operators": [Z, th.number(1)]},
    "g2": {"modes": [1]},
    "mode_state": {"mode": 0},
    "photon_distribution": {"mode": 0},
    "photon_distributions": {"levels": (4,)},
    "wigner": {"mode": 0, "x": [0.0, 0.5], "p": [0.1]},
    "reduced_state": {"sites": [0]},
}
STATES = {
    "ProductState": lambda: tilted(), "DenseState": lambda: state_of("Exact"),
    "SymmetricState": lambda: state_of("Symmetric"), "MPSState": lambda: state_of("TDVP"),
    "PopulationState": lambda: state_of("ClassicalMaster", "eight"),
    "ConfigurationDistribution": lambda: state_of("ClassicalMaster", "classical"),
    "ConfigurationSamples": lambda: state_of("KineticMonteCarlo", "classical"),
}  # fmt: skip
WITH_MODES = {
    "ProductState of a cavity": lambda: tilted("cavity"),
    "DenseState of a cavity": lambda: state_of("Exact", "cavity"),
    "SymmetricState of a cavity": lambda: state_of("Symmetric", "cavity"),
    "MPSState of a cavity": lambda: state_of("TDVP", "cavity"),
}
for family, questions in ((STATES, QUESTIONS), (WITH_MODES, OF_MODES)):
    for kind, make in family.items():
        for question, arguments in questions.items():
            if hasattr(make(), question):
                wide = "xi" in arguments and kind == "PopulationState"
                more = {"xi": np.ones((1, 8))} if wide else {}
                CALLS[f"{kind}.{question}"] = getattr(make(), question), {**arguments, **more}
CALLS |= {
    "PopulationState.misfit": (
        state_of("ClassicalMaster", "eight").misfit, {"model": MODELS["eight"]()}
    ),
    "PopulationState.negativity": (
        state_of("ClassicalMaster", "eight").negativity, {"classes": [0]}
    ),
    "SymmetricState.negativity": (state_of("Symmetric").negativity, {"classes": [0], "modes": ()}),
    "SymmetricState.blocks": (state_of("Symmetric").blocks, {"k": 0}),
    "MPSState.negativity": (state_of("TDVP").negativity, {"first": [0], "second": [1, 2]}),
    "MPSState.pair_states": (state_of("TDVP").pair_states, {"pairs": [(0, 1), (1, 2)]}),
    "MPSState.schmidt_values": (state_of("TDVP").schmidt_values, {"cut": 0, "weighted": True}),
    "MPSState.from_dense": (
        th.MPSState.from_dense,
        {"rho": np.eye(4) / 4, "dims": (2, 2), "n_spins": 2, "order": (0, 1), "epsilon": 0.3,
         "cutoff": 0.0},
    ),
    "MPSState": (
        th.MPSState,
        {"tensors": (np.ones((1, 4, 1)), np.ones((1, 4, 1))), "order": (0, 1), "dims": (2, 2),
         "n_spins": 2, "epsilon": 0.3},
    ),
}  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """A call, and what is done to one or two of its arguments."""
    name = draw(st.sampled_from(sorted(CALLS)))
    arguments = sorted(CALLS[name][1])
    damages = []
    for key in draw(st.lists(st.sampled_from(arguments), min_size=1, max_size=2, unique=True)):
        if draw(st.booleans()):
            damages.append((key, "odd", draw(st.sampled_from(sorted(ODD)))))
        else:
            damages.append((key, "changed", draw(st.sampled_from(sorted(CHANGES)))))
    return name, tuple(damages)


def prepared(name: str, damages: tuple[tuple[str, str, str], ...]) -> Callable[[], Any]:
    function, right = CALLS[name]
    positional = name.endswith("()") or " cold" in name

    def call() -> Any:
        arguments = dict(right)
        for key, how, what in damages:
            arguments[key] = ODD[what]() if how == "odd" else changed(right[key], what)
        return function(*arguments.values()) if positional else function(**arguments)

    return call


def numbers_in(answer: Any) -> list[np.ndarray]:
    """Return the arrays of an answer."""
    if isinstance(answer, np.ndarray):
        return [answer]
    if isinstance(answer, dict):
        return [array for value in answer.values() for array in numbers_in(value)]
    if isinstance(answer, th.Basin):
        return [answer.success, answer.errors, answer.overlap]
    if isinstance(answer, th.Correlation):
        return [answer.values, answer.errors]
    if isinstance(answer, th.Spectrum):
        return [answer.eigenvalues]
    if isinstance(answer, th.SteadyState):
        return list(answer.expect.values())
    return []


# g2 and the Binder cumulant of nothing are not numbers, and say so
UNKNOWN = ("g2", "binder_cumulant")


def judge(name: str, answer: Any) -> None:
    if isinstance(answer, th.Result):
        assert_healthy(answer)
    for array in numbers_in(answer):
        if array.dtype.kind in "fc" and not name.endswith(UNKNOWN):
            assert np.all(np.isfinite(array)), f"{name}: {array}"
    repr(answer)


def check(call: tuple[str, tuple[tuple[str, str, str], ...]], tally: Tally) -> None:
    name, damages = call
    accepted, answer = tally.attempt(prepared(name, damages), call)
    if accepted:
        judge(name, answer)
        same_twice(prepared(name, damages), answer)


def same_twice(call: Callable[[], Any], answer: Any) -> None:
    """A seed was given wherever there is chance, so that the same call says the same."""
    if not isinstance(answer, np.ndarray):
        return
    again = call()
    np.testing.assert_array_equal(again, answer)


# These take seconds where they are accepted.
LONG = {"limit_cycle", "critical_point", "fixed_points", "RetrievalChannel.cycles"}
# pandas and masked arrays, standing left, never ask an Operator what it thinks of them.
LEFT = {"Operator.radd", "Operator.rmul", "Operator.rsub"}
FOREIGN = {"frame", "series", "data array", "masked", "masked number", "Int64"}

# What was found once: the calls, and how their sentences begin.
FOUND: dict[str, tuple[str, Callable[[], Any]]] = {
    "load of a path that is a number": ("path", lambda: th.load(3)),
    "plot into what is no Axes": ("ax", lambda: result().plot(3)),
    "plot of a number": ("observables", lambda: result().plot(observables=3)),
    "plot of an array": ("observables", lambda: result().plot(observables=np.zeros(3))),
    "plot of nothing": ("observables", lambda: result().plot(observables=[])),
    "compare methods in a number": (
        "methods", lambda: th.compare(network(), tilted(), TIMES, methods=3)
    ),
    "method in an array": (
        "method", lambda: th.steady_state(network(), method=np.array(["Exact", "Exact"]))
    ),
    "progress in an array": (
        "progress",
        lambda: th.evolve(network(), tilted(), TIMES, method="Exact", progress=np.zeros(2)),
    ),
    "progress of a comparison in an array": (
        "progress", lambda: th.compare(network(), tilted(), TIMES, progress=np.zeros(2))
    ),
    "states saved by a number": (
        "save_states", lambda: th.evolve(network(), tilted(), TIMES, save_states=2)
    ),
    "callback that cannot be called": (
        "callback",
        lambda: th.evolve(network(), tilted(), TIMES, method="Exact", callback="print"),
    ),
    "dimensions from a generator, too few": (
        "dims", lambda: th.MPSState.from_product(tilted(), (2 for _ in range(2)), [0, 1, 2], 0.3)
    ),
    "table by a word": ("tidy", lambda: result().to_dataframe(tidy="yes")),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_was_found_is_refused_at_the_door(case):
    argument, call = FOUND[case]
    with pytest.raises((TypeError, ValueError), match=f"Argument `{argument}` must") as caught:
        call()
    assert is_our_sentence(caught.value)


def test_dimensions_may_come_from_a_generator():
    """It was asked for its length once it was used up."""
    chain = th.MPSState.from_product(tilted(), (2 for _ in range(3)), [0, 1, 2], 0.3)
    np.testing.assert_allclose(chain.bloch(), tilted().bloch, atol=1e-12)


Call = tuple[str, tuple[tuple[str, str, str], ...]]


def foreign(call: Call) -> bool:
    name, damages = call
    return name in LEFT and any(what in FOREIGN for _, _, what in damages)


@pytest.mark.filterwarnings("ignore::tnhop.TruncationWarning")
@pytest.mark.parametrize("n", [250, pytest.param(6000, marks=ON_REQUEST)])
def test_calls_end_in_an_answer_or_in_a_sentence(n, capsys):
    tally = Tally()

    @profile(n)
    @given(calls())
    def attempted(call: Call) -> None:
        if not foreign(call) and (n > 1000 or call[0] not in LONG):
            check(call, tally)

    attempted()
    plt.close("all")
    with capsys.disabled():
        print(f" calls: {tally} ", end="")
    assert tally.seen["accepted"] > n / 10
    assert tally.seen["refused"] > n / 4


def test_every_public_function_is_called():
    """What is left out holds answers, or is called by other tests in full."""
    called = {getattr(function, "__self__", function) for function, _ in CALLS.values()}
    names = {getattr(item, "__name__", type(item).__name__) for item in called} | set(CALLS)
    answers = {
        "ALL_METHODS", "ALL_MODELS", "Basin", "ChannelCycle", "Check", "Comparison", "Correlation",
        "CriticalPoint", "ErrorBudget", "FixedPoint", "LimitCycle", "LindbladMPO", "Rate",
        "TimeFunction", "Result", "Retrieval", "Snapshot", "Spectrum", "SteadyState", "Verification", "identity",
        "verify", "ConvergenceError", "TruncationWarning",
    }  # fmt: skip
    functions = {name for name in th.__all__ if callable(getattr(th, name))}
    assert functions - names - answers <= LATER


# Public names that are newer than these tests and have tests of malformed arguments of their own.
LATER = {"Convergence", "cite", "converge", "quenched_average", "set_threads", "sweep"}
