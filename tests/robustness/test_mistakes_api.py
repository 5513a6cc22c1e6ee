"""Mistakes that users make, and the sentence that answers each: what must hold, and what was found."""

import itertools
import time

import h5py
import numpy as np
import pytest

import tnhop as th
from fuzzing import unsealed
from zoo import gaussian_couplings

XI = [[1, 1, -1], [1, -1, 1]]
NETWORK = th.open_hopfield(XI, beta=9 / 7, Omega=3 / 7)
CAVITY = th.dicke(2, g=3 / 7, omega=8 / 7, Omega=4 / 9, loss=9 / 7, fock_dim=5)
UP = th.pattern_state(NETWORK)
DICKE = {"omega": 8 / 7, "Omega": 4 / 9, "loss": 9 / 7, "fock_dim": 5}
RATE = th.SqrtRate(th.GlauberRate(2.0, +1))
PAIR = [[0, 0.5, 0], [0.5, 0, 0.2], [0, 0.3, 0]]


def evolve(**changes):
    arguments = {"model": NETWORK, "state": UP, "times": [0.0, 1.0], "method": "Exact"} | changes
    model, state, times = (arguments.pop(name) for name in ("model", "state", "times"))
    return th.evolve(model, state, times, **arguments)


def network(**changes):
    return th.open_hopfield(**({"xi": XI, "beta": 9 / 7} | changes))


def operator_on(n_spins, hamiltonian, jumps=()):
    return th.Model(th.spins(n_spins), hamiltonian, jumps)


def of_classes(**changes):
    """Return a state of interchangeable spins."""
    return evolve(method="Symmetric", **changes).final_state


LARGE = np.ones((1, 60), dtype=int)
UNEVEN = np.stack([np.zeros(60), np.zeros(60), np.linspace(-0.6, 0.6, 60)], axis=1)


def tangled(n_spins=30, **changes):
    """Return a network with random couplings, in which no two spins are alike."""
    xi = np.ones((1, n_spins), dtype=int)
    return network(xi=xi, Omega=3 / 7, couplings=gaussian_couplings(n_spins), **changes)


def knotted(**changes):
    """Return it with a term of three spins, which no gate does either."""
    model = tangled(**changes)
    H = model.hamiltonian + 0.1 * th.sigma("z")(0) * th.sigma("x")(1) * th.sigma("z")(2)
    return th.Model(model.sites, H, model.jumps, patterns=model.patterns)


def triples():
    """Return jumps that single out three spins of one class."""
    words = [
        th.Jump(th.sigma("-")(i) * th.sigma("+")(j) * th.sigma("z")(k))
        for i, j, k in itertools.permutations(range(4), 3)
    ]
    return operator_on(4, 0.0, words)


MISTAKES = {
    # patterns
    "one pattern without brackets": (
        lambda: network(xi=[1, -1, 1]),
        r"`xi` must have shape \(n_patterns, n_spins\), but has shape \(3,\)",
    ),
    "pattern with a zero": (
        lambda: network(xi=[[1, 0, -1]]),
        r"`xi` must have entries \+1 and -1, but contains 0",
    ),
    "pattern of bits": (
        lambda: th.hebb([[1, 0, 1]]),
        r"`xi` must have entries \+1 and -1, but contains 0",
    ),
    "pattern with NaN": (
        lambda: network(xi=[[1.0, np.nan]]),
        r"`xi` must have finite entries, but xi\[0, 1\] = nan",
    ),
    "ragged patterns": (lambda: network(xi=[[1, -1], [1]]), "`xi` must be a rectangular array"),
    "ragged patterns of an Ising model": (
        lambda: th.long_range_ising([[0, 1], [1, 0]], patterns=[1.0, [1.0, -1.0]]),
        "`patterns` must be a rectangular array",
    ),
    "patterns of words": (
        lambda: network(xi=[["up", "down"]]),
        "`xi` must be an array of real numbers",
    ),
    "complex patterns": (lambda: network(xi=[[1j, 1]]), "`xi` must be an array of real numbers"),
    "too many flips": (
        lambda: th.corrupt([1, -1, 1], 4),
        "`n_flips` must be at most 3, but it is 4",
    ),
    "seed in words": (lambda: th.random_patterns(2, 4, rng="seven"), "`rng` must be an integer"),
    "three orthogonal patterns of six spins": (
        lambda: th.orthogonal_patterns(3, 6),
        "`n_spins` must be a multiple of 4 .* but it is 6",
    ),
    "dependent patterns": (
        lambda: th.pseudo_inverse([[1, -1, 1], [-1, 1, -1]]),
        "`xi` must have linearly independent patterns, but 2 patterns span 1 dimensions",
    ),
    "wrong normalisation": (
        lambda: th.hebb(XI, norm="n"),
        r"`norm` must be one of 'N', 'Np', but it is 'n'",
    ),
    "image that is not there": (
        lambda: th.patterns_from_images(["letter.png"]),
        "must be a drawing or the path of an image file, but there is no file 'letter.png'",
    ),
    "images as one long text": (
        lambda: th.patterns_from_images("x" * 5000),
        r"`images` must be a list of at least one image, but it is 'x+\.\.\.",
    ),
    "images of different shapes": (
        lambda: th.patterns_from_images(["##|..", "###|..."]),
        r"`images` must have shape \(2, 2\)",
    ),
    "overlaps with a shorter configuration": (
        lambda: th.overlaps(XI, [1, -1]),
        r"`s` must have shape \(\.\.\., 3\), but has shape \(2,\)",
    ),
    # couplings and rates
    "couplings with a diagonal": (
        lambda: network(couplings=np.ones((3, 3))),
        r"`couplings` must have a zero diagonal, but couplings\[0, 0\] = 1",
    ),
    "couplings of another size": (
        lambda: network(couplings=np.zeros((4, 4))),
        r"`couplings` must have shape \(3, 3\), but has shape \(4, 4\)",
    ),
    "couplings by name": (
        lambda: network(couplings="hebb"),
        "`couplings` must be a function or a matrix, but it is 'hebb'",
    ),
    "asymmetric Ising couplings": (
        lambda: th.long_range_ising(gaussian_couplings(3)),
        "`couplings` must be symmetric, but couplings",
    ),
    "negative temperature": (lambda: network(beta=-1.0), "`beta` must be at least 0, but it is -1"),
    "temperature that is not a number": (
        lambda: network(beta=float("nan")),
        "`beta` must be a finite number, but it is nan",
    ),
    "temperature in words": (
        lambda: network(beta="cold"),
        "`beta` must be a real number, but it is 'cold'",
    ),
    "field of another length": (
        lambda: network(Omega=[0.1, 0.2]),
        r"`Omega` must have shape \(3,\), but has shape \(2,\).*one per spin",
    ),
    "infinite field": (
        lambda: network(Omega=np.inf),
        "`Omega` must have finite entries, but it is inf",
    ),
    "negative decay": (
        lambda: th.independent_spins(2, decay=-0.1),
        "`decay` must be at least 0, but contains -0.1",
    ),
    "degree one": (
        lambda: th.dense_hopfield(XI, degree=1, beta=1.0),
        "`degree` must be at least 2, but it is 1",
    ),
    "degree that is not whole": (
        lambda: th.dense_hopfield(XI, degree=2.5, beta=1.0),
        "`degree` must be an integer, but it is 2.5",
    ),
    "rate that is negative somewhere": (
        lambda: th.FieldJump(0, {"+": lambda h: h}, PAIR[0]),
        "must be at least 0, but it is -0.5 at the field -0.5",
    ),
    "rate with a kink": (
        lambda: th.FieldJump(0, {"+": np.abs}, PAIR[0]),
        "must be a smooth function of the field, but .* errs by",
    ),
    "rate with a pole": (
        lambda: th.FieldJump(0, {"+": lambda h: np.where(h > 0.4, np.inf, 1.0)}, PAIR[0]),
        "must have finite entries",
    ),
    "rate that is a number": (
        lambda: th.FieldJump(0, {"+": 0.7}, PAIR[0]),
        "must be a Rate object or a callable, but it is 0.7",
    ),
    "sign of a rate": (lambda: th.GlauberRate(1.0, 0), r"`sign` must be \+1 or -1, but it is 0"),
    # modes
    "transposed couplings": (
        lambda: th.multimode_dicke(np.ones((3, 2)), **DICKE),
        r"`g` must have shape \(n_modes, n_spins\), but has shape \(3, 2\).*Transpose",
    ),
    "gain above loss": (
        lambda: th.damped_mode(omega=1.0, loss=0.3, gain=0.4, fock_dim=5),
        "`gain` must be smaller than `loss`, but mode 0 has gain 0.4 and loss 0.3",
    ),
    "negative loss": (
        lambda: th.multimode_dicke([[0.1, 0.2]], **(DICKE | {"loss": -1.0})),
        "`loss` must be at least 0, but contains -1",
    ),
    "Fock levels beyond all numbers": (
        lambda: th.multimode_dicke([[0.1, 0.2]], **(DICKE | {"fock_dim": 10**400})),
        "`fock_dim` must be at most 1000000",
    ),
    "one Fock level": (
        lambda: th.multimode_dicke([[0.1, 0.2]], **(DICKE | {"fock_dim": 1})),
        "`fock_dim` must be at least 2, but it is 1",
    ),
    "Fock levels of another number of modes": (
        lambda: th.multimode_dicke([[0.1, 0.2]], **(DICKE | {"fock_dim": [4, 5]})),
        "`fock_dim` must be one number or 1 numbers, but it has 2",
    ),
    "frequencies of another number of modes": (
        lambda: th.multimode_dicke([[0.1, 0.2]], **(DICKE | {"omega": [1.0, 2.0]})),
        r"`omega` must have shape \(1,\), but has shape \(2,\).*one per mode",
    ),
    # models from terms
    "Hamiltonian that is not Hermitian": (
        lambda: operator_on(2, th.sigma("+")(0)),
        "`hamiltonian` must be Hermitian, but the term on .* has no",
    ),
    "imaginary field": (
        lambda: operator_on(2, 0.3j * th.sigma("x")(0)),
        "`hamiltonian` must be Hermitian",
    ),
    "term on a missing site": (
        lambda: operator_on(2, th.sigma("x")(2)),
        "`hamiltonian` must act on the 2 sites .*, but it acts on site 2",
    ),
    "negative site": (lambda: th.sigma("x")(-1), "`site` must be at least 0, but it is -1"),
    "mode operator on a spin": (
        lambda: operator_on(2, th.number(1)),
        "`hamiltonian` must use operators of the right kind, but 'n' acts on site 1, a spin",
    ),
    "jump on a missing site": (
        lambda: operator_on(2, 0.0, [th.Jump(th.sigma("-")(5))]),
        r"`jumps\[0\]` must act on the 2 sites of the model, but it acts on site 5",
    ),
    "operator instead of a jump": (
        lambda: operator_on(2, 0.0, [th.sigma("-")(0)]),
        r"`jumps\[0\]` must be a Jump or a FieldJump",
    ),
    "empty jump": (
        lambda: th.Jump(0 * th.sigma("-")(0)),
        "`operator` must have at least one term, but it is zero",
    ),
    "matrix instead of a Hamiltonian": (
        lambda: operator_on(1, np.eye(2)),
        "`hamiltonian` must be an Operator, but it is",
    ),
    "number instead of sites": (
        lambda: th.Model(3, 0.0),
        "`sites` must be a sequence of Site, but it is 3 .*th.spins",
    ),
    "modes before spins": (
        lambda: th.Model(th.modes(1, fock_dim=3) + th.spins(1), 0.0),
        "`sites` must list spins before modes, but",
    ),
    "no sites": (
        lambda: th.Model((), 0.0),
        "`sites` must contain at least one site, but it is empty",
    ),
    "misspelt operator": (
        lambda: th.sigma("zz"),
        "`name` must be one of 'x', .*, but it is 'zz'.*Did you mean 'z'",
    ),
    "misspelt mode operator": (
        lambda: th.Term(1.0, {0: "adagg"}),
        "must be one of .*, but it is 'adagg'.*'adag'",
    ),
    "spin and mode operator on one site": (
        lambda: th.sigma("x")(0) * th.destroy(0),
        "`factors` must act on one kind of site, but 'x' and 'a' meet",
    ),
    "coefficient that is not finite": (
        lambda: np.nan * th.sigma("x")(0),
        "`coefficient` must be finite, but it is nan",
    ),
    "field that contains the spin itself": (
        lambda: th.FieldJump(1, {"+": RATE}, [0.5, 0.2, 0.1]),
        "`fields` must sum over the other spins, but its weight on site 1 itself is 0.2",
    ),
    "field of another number of sites": (
        lambda: operator_on(2, 0.0, [th.FieldJump(0, {"+": RATE}, [0, 0.5, 0.2])]),
        r"`jumps\[0\].fields` must have shape \(n_fields, 2\), but has shape \(1, 3\)",
    ),
    "field over a mode": (
        lambda: th.Model(
            th.spins(1) + th.modes(1, fock_dim=3), 0.0, [th.FieldJump(0, {"+": RATE}, [0, 0.5])]
        ),
        "must sum over spins, but site 1 is a mode",
    ),
    "field jump of a mode operator": (
        lambda: th.FieldJump(0, {"a": RATE}, [0, 0.5]),
        "`amplitudes` must belong to spin operators, but one belongs to 'a'",
    ),
    "field jump without operators": (
        lambda: th.FieldJump(0, {}, [0, 0.5]),
        "`amplitudes` must name at least one operator, but it is empty",
    ),
    "amplitude of too few fields": (
        lambda: th.FieldJump(0, {"+": RATE}, [[0, 0.5], [0, 0.1]]),
        r"`amplitudes` must take one argument per field, but amplitudes\['\+'\] takes 1 of 2 fields",
    ),
    "patterns of another size": (
        lambda: th.Model(th.spins(2), 0.0, patterns=XI),
        r"`patterns` must have shape \(n_patterns, 2\), but has shape \(2, 3\)",
    ),
    # observables
    "misspelt observable": (
        lambda: evolve(observables="m_zz"),
        "`observables` must be one of .*, but it is 'm_zz'.*Did you mean 'm_z'",
    ),
    "observable of modes": (
        lambda: evolve(observables=["occupation"]),
        "`observables` must be one of .*, but it is 'occupation'",
    ),
    "observable twice": (
        lambda: evolve(observables=["m_z", "m_z"]),
        "`observables` must have distinct names, but 'm_z' appears twice",
    ),
    "no observables": (
        lambda: evolve(observables=[]),
        "`observables` must name at least one observable, but",
    ),
    "operator as observable": (
        lambda: evolve(observables=[th.sigma("z")(0)]),
        "`observables` must be names or Observables, but",
    ),
    "observable on a missing site": (
        lambda: evolve(observables=th.Observable("far", th.sigma("z")(7))),
        r"`observables\['far'\]` must act on the 3 sites of the model, but it acts on site 7",
    ),
    "observable with a space": (
        lambda: th.Observable("z z", th.sigma("z")(0)),
        "`name` must be a Python identifier, but it is 'z z'",
    ),
    "observable without content": (
        lambda: th.Observable("empty"),
        "`operators` must be given exactly if `functional` is not, but neither",
    ),
    # states
    "Bloch vector too long": (
        lambda: th.product_state(NETWORK, bloch=[0.8, 0, 0.8]),
        r"`bloch` must have vectors of length at most 1, but \|bloch\[0\]\| = 1.13137",
    ),
    "Bloch vectors of another number": (
        lambda: th.product_state(NETWORK, bloch=np.zeros((2, 3))),
        r"`bloch` must have shape \(3, 3\), but has shape \(2, 3\)",
    ),
    "Bloch vectors and configuration": (
        lambda: th.product_state(NETWORK, bloch=[0, 0, 1], spins=[1, 1, 1]),
        "`bloch` must be given exactly if .* both are given",
    ),
    "no spins given": (
        lambda: th.product_state(NETWORK),
        "`bloch` must be given exactly if `spins` is not, but neither is given",
    ),
    "configuration of another length": (
        lambda: th.product_state(NETWORK, spins=[1, -1]),
        r"`spins` must have shape \(3,\), but has shape \(2,\)",
    ),
    "configuration of bits": (
        lambda: th.product_state(NETWORK, spins=[1, 0, 1]),
        r"`spins` must have entries \+1 and -1, but contains 0",
    ),
    "coherent state too large": (
        lambda: th.product_state(CAVITY, bloch=[0, 0, 1], alpha=2.0),
        r"`alpha` must fit into the 5 levels of mode 0, but alpha\[0\] = 2.* leaves a weight of .*Increase `fock_dim`",
    ),
    "amplitudes of another number of modes": (
        lambda: th.product_state(CAVITY, bloch=[0, 0, 1], alpha=[0.1, 0.1]),
        r"`alpha` must have shape \(1,\), but has shape \(2,\)",
    ),
    "amplitude that is not finite": (
        lambda: th.product_state(CAVITY, bloch=[0, 0, 1], alpha=np.nan),
        "`alpha` must be finite numbers, but it is nan",
    ),
    "missing pattern": (
        lambda: th.pattern_state(NETWORK, pattern=2),
        "`pattern` must be at most 1, but it is 2",
    ),
    "overlap above one": (
        lambda: th.pattern_state(NETWORK, overlap=1.1),
        "`overlap` must be at most 1, but it is 1.1",
    ),
    "pattern of a model without patterns": (
        lambda: th.pattern_state(th.independent_spins(2)),
        "`model` must have patterns, but it has none",
    ),
    "patterns instead of a model": (
        lambda: th.product_state(XI, bloch=[0, 0, 1]),
        "`model` must be a Model, but it is",
    ),
    # verbs
    "state of another model": (
        lambda: evolve(state=th.pattern_state(CAVITY, pattern=0), model=th.independent_spins(2)),
        "`state` must fit the model, but it has 2 spins and 1 modes .* 2 spins and 0 modes",
    ),
    "array as state": (lambda: evolve(state=np.eye(8)), "`state` must be a state, but it is"),
    "no state": (lambda: evolve(state=None), "`state` must be given, but it is None"),
    "decreasing times": (
        lambda: evolve(times=[0.0, 0.3, 0.2]),
        r"`times` must increase strictly, but times\[2\] = 0.2 follows times\[1\] = 0.3",
    ),
    "repeated times": (
        lambda: evolve(times=[0.0, 1.0, 1.0]),
        r"`times` must increase strictly, but times\[2\] = 1",
    ),
    "negative times": (
        lambda: evolve(times=[-1.0, 1.0]),
        r"`times` must start at 0 or later, but times\[0\] = -1",
    ),
    "no times": (
        lambda: evolve(times=[]),
        "`times` must contain at least one time, but it is empty",
    ),
    "infinite time": (
        lambda: evolve(times=[0.0, np.inf]),
        r"`times` must have finite entries, but times\[1\] = inf",
    ),
    "one number as times": (
        lambda: evolve(times=1.0),
        r"`times` must have shape \(n_times,\), but has shape \(\)",
    ),
    "misspelt method": (
        lambda: evolve(method="exact"),
        "`method` must be one of .*, but it is 'exact'.*Did you mean 'Exact'",
    ),
    "class instead of a method": (
        lambda: evolve(method=th.Exact),
        r"`method` must be a method object or its name, but it is .*th.Exact\(\)",
    ),
    "no wall time": (
        lambda: evolve(max_wall_time=0.0),
        "`max_wall_time` must be greater than 0, but it is 0",
    ),
    "model and state exchanged": (
        lambda: th.evolve(UP, NETWORK, [1.0]),
        "`model` must be a Model, but it is",
    ),
    "tolerance below rounding": (
        lambda: th.Exact(tolerance=1e-20),
        "`tolerance` must be at least 1e-13, but it is 1e-20",
    ),
    "tolerance of Symmetric above all use": (
        lambda: th.Symmetric(tolerance=0.5),
        "`tolerance` must be at most 0.01, but it is 0.5",
    ),
    "tolerance of Symmetric below rounding": (
        lambda: th.Symmetric(tolerance=1e-14),
        "`tolerance` must be at least 1e-13, but it is 1e-14",
    ),
    "misspelt eigensolver": (
        lambda: th.Symmetric(eigensolver="shift_invert"),
        "`eigensolver` must be one of .*, but it is 'shift_invert'.*Did you mean 'shift-invert'",
    ),
    "conserved total spin without a start": (
        lambda: th.steady_state(th.dicke(3, g=3 / 7, **DICKE), method="Symmetric"),
        "`state` must be given, but is missing and the model has 2 independent stationary states",
    ),
    "state of classes in a model of another size": (
        lambda: evolve(model=network(xi=np.ones((1, 4), dtype=int)), state=of_classes()),
        "`state` must fit the model, but it has 3 spins .* while the model has 4 spins",
    ),
    "memory of zero": (
        lambda: th.Exact(max_memory=0),
        "`max_memory` must be greater than 0, but it is 0",
    ),
    "misspelt closure": (
        lambda: th.MeanField(closure="fields"),
        "`closure` must be one of .*, but it is 'fields'.*Did you mean 'field'",
    ),
    "misspelt integrator": (
        lambda: th.MeanField(integrator="RK45"),
        "`integrator` must be one of .*, but it is 'RK45'",
    ),
    "comparison of one method": (
        lambda: th.compare(NETWORK, UP, [1.0], methods=["Exact"]),
        "`methods` must name at least two methods, but there are 1",
    ),
    "no eigenvalues": (
        lambda: th.liouvillian_spectrum(NETWORK, 0),
        "`k` must be at least 1, but it is 0",
    ),
}


@pytest.mark.parametrize(("act", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_answered_by_a_sentence(act, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        act()
    text = str(caught.value)
    assert text.startswith("Argument `")
    assert " must " in text
    assert text.endswith((".", "?"))


REFUSALS = {
    "mean field at zero temperature": (
        lambda: evolve(model=network(beta=np.inf), method="MeanField"),
        "Method `MeanField` needs rates that are continuous .* Use a large finite `beta`",
    ),
    "mean field from a density matrix": (
        lambda: evolve(state=evolve().final_state, method="MeanField"),
        "Method `MeanField` needs a product state, but the state is a DenseState",
    ),
    "mean-field steady state": (
        lambda: th.steady_state(NETWORK, method="MeanField"), "Method `MeanField` does not offer `steady_state`"
    ),
    "averaged rates of several fields": (
        lambda: evolve(
            model=th.dense_hopfield(XI, degree=3, beta=1.0), method=th.MeanField(closure="product")
        ),
        "averages amplitudes of one field, but a jump of this model has several",
    ),
    "more memory than allowed": (
        lambda: evolve(method=th.Exact(max_memory=1e3)),
        r"Method `Exact` would propagate density matrices of dimension 4\^3 = 64 and needs .*, but 1 kB are allowed",
    ),
    "more memory than allowed to Symmetric": (
        lambda: evolve(method=th.Symmetric(max_memory=1e3)),
        r"Method `Symmetric` finds classes of \(.*\) spins.* numbers and needs .*, but 1 kB are allowed \(`max_memory`\)",
    ),
    "no two spins alike": (
        lambda: evolve(model=tangled(), state=th.pattern_state(tangled()), method="Symmetric"),
        r"`Symmetric` finds 30 classes: spins 0 and 1 differ in their weights in the field of jump \d+. It would"
        r" propagate 1.15e\+18 numbers and needs .* PB, but .* are allowed .* Use `Exact` for few spins, `MeanField`",
    ),
    "one-spin observables of a large uneven start": (
        lambda: evolve(
            model=network(xi=LARGE), state=th.product_state(network(xi=LARGE), bloch=UNEVEN),
            observables=["m_z", "sigma_z"], method="Symmetric",
        ),
        "`Symmetric` finds 60 classes: spins of one class start in different states. .* Use observables that are"
        " symmetric in the spins of a class, or `Exact`",
    ),
    "density matrix as a start of classes": (
        lambda: evolve(state=evolve().final_state, method="Symmetric"),
        "Method `Symmetric` cannot start from a DenseState",
    ),
    "state of classes as a density matrix": (
        lambda: evolve(state=of_classes(), method="Exact"),
        "Method `Exact` cannot start from a SymmetricState",
    ),
    "state of classes in mean field": (
        lambda: evolve(state=of_classes(), method="MeanField"),
        "Method `MeanField` needs a product state, but the state is a SymmetricState",
    ),
    "state of classes in a model that tells its spins apart": (
        lambda: evolve(
            model=network(xi=[[1, 1, 1]], Omega=[1 / 7, 2 / 7, 3 / 7]), method="Symmetric",
            state=of_classes(model=network(xi=[[1, 1, 1]], Omega=3 / 7),
                             state=th.pattern_state(network(xi=[[1, 1, 1]]))),
        ),
        r"`Symmetric` cannot continue a state with classes of \(3,\) spins: some of these spins are not interchangeable"
        " in the model. Use `th.product_state`",
    ),
    "jumps of three spins of one class": (
        lambda: evolve(model=triples(), state=th.product_state(triples(), bloch=[0.1, 0.2, 0.3]), method="Symmetric"),
        "`Symmetric` cannot use the permutation symmetry: jump 0 singles out 3 spins of their classes. Use `Exact`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("act", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_method_says_why_it_cannot(act, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        act()
    assert str(caught.value).endswith(".")


def test_too_large_system_is_refused_before_anything_is_allocated():
    model = network(xi=np.ones((1, 40), dtype=int))
    state = th.pattern_state(model)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"dimension 4\^40 and needs .* PB, but"):
        th.evolve(model, state, [0.0, 1.0], method="Exact")
    with pytest.raises(ValueError, match=r"4\^40"):
        th.liouvillian_spectrum(model, 2, method="Exact")
    with pytest.raises(ValueError, match=r"finds 40 classes"):
        th.steady_state(tangled(40), method="Symmetric")
    # nothing of size 2^40 can be touched in this time
    assert time.perf_counter() - start < 2.0


def test_automatic_method_takes_one_that_fits(capsys):
    model = network(xi=np.ones((1, 40), dtype=int))
    result = th.evolve(model, th.pattern_state(model), [0.5], observables="m_z")
    assert isinstance(result.method, th.Symmetric)
    assert "Method `Symmetric` chosen" in capsys.readouterr().err


def test_automatic_method_is_mean_field_where_no_two_spins_are_alike(capsys):
    result = th.evolve(knotted(), th.pattern_state(knotted()), [0.5], observables="m_z")
    assert isinstance(result.method, th.MeanField)
    assert "Method `MeanField` chosen" in capsys.readouterr().err


def test_nothing_fits_gives_all_reasons():
    model = knotted(beta=np.inf)
    reasons = (
        "Method `Exact` .* Method `Symmetric` finds 30 classes.* Method `TDVP` .*"
        "Method `TEBD` cannot be used: terms .* on 3 sites.* Method `MeanField`"
    )
    with pytest.raises(ValueError, match=f"No method can solve this problem. {reasons}"):
        th.evolve(model, th.pattern_state(model), [0.5])


@pytest.fixture
def saved(tmp_path):
    return evolve().save(tmp_path / "run.h5")


def test_existing_file_is_not_replaced(saved):
    before = saved.read_bytes()
    with pytest.raises(
        FileExistsError, match=r"exists already. Choose another name, or allow `overwrite`"
    ):
        evolve().save(saved)
    assert saved.read_bytes() == before
    evolve(times=[0.5]).save(saved, overwrite=True)
    assert th.load(saved).times.tolist() == [0.5]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Folder '.*nowhere' does not exist"):
        evolve().save(tmp_path / "nowhere" / "run.h5")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file '.*run\.h5'"):
        th.load(tmp_path / "run.h5")


@pytest.mark.parametrize("content", [b"", b"not a file of any kind", b"\x89HDF\r\n\x1a\n"])
def test_file_that_is_not_hdf5_is_refused(tmp_path, content):
    path = tmp_path / "run.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a readable tnhop file, but"):
        th.load(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_damaged_file_is_refused(saved, keep):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match=r"`path` must be a readable tnhop file, but"):
        th.load(saved)


def test_foreign_hdf5_file_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(3)
    with pytest.raises(
        ValueError, match=r"`path` must be a tnhop result, but .* has no schema version"
    ):
        th.load(path)


def test_file_of_another_schema_is_refused(saved):
    with h5py.File(unsealed(saved), "r+") as file:
        file.attrs["tnhop_schema"] = 99
    with pytest.raises(
        ValueError, match=r"`path` must have schema version .*, but .* has version 99"
    ):
        th.load(saved)


def test_file_with_an_unknown_object_is_refused(saved):
    with h5py.File(unsealed(saved), "r+") as file:
        file.attrs["method"] = '{"type": "Oracle"}'
    with pytest.raises(ValueError, match=r"holds an object of type 'Oracle', which this version"):
        th.load(saved)


def test_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError("disk full")

    monkeypatch.setattr("tnhop.storage.netcdf.write", fail)
    with pytest.raises(OSError, match=r"disk full"):
        evolve().save(tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_run_returns_what_there_is():
    def stop(snapshot):
        if snapshot.time > 1.0:
            raise KeyboardInterrupt

    with pytest.warns(th.TruncationWarning, match=r"stopped \(interrupted\) after 2 of 3 times"):
        result = evolve(times=[0.5, 1.5, 2.5], callback=stop)
    assert result.times.tolist() == [0.5, 1.5]
    assert result.stats["stopped"] == "interrupted"


def test_run_out_of_time_warns_and_keeps_the_first_times():
    with pytest.warns(
        th.TruncationWarning, match=r"stopped \(max_wall_time = 1e-09 s\) after 1 of 3 times"
    ):
        result = evolve(times=[0.0, 1.5, 2.5], max_wall_time=1e-9)
    assert result.times.tolist() == [0.0]
    assert "stopped" in repr(result)
