"""Arguments of questions about states are checked in every class of states."""

import numpy as np
import pytest

import tnhop as th
from tnhop.physics.state_arguments import check_spins, with_checked_arguments
from tnhop.physics.state_functionals import StateFunctionals
from tnhop.solvers.classical.configurations import ConfigurationDistribution
from tnhop.solvers.exact.dense_state import DenseState

MODEL = th.open_hopfield([[1, -1, 1]], beta=2.0)
PRODUCT = th.pattern_state(MODEL, overlap=0.5)
STATES = [
    PRODUCT,
    DenseState.from_product(PRODUCT, MODEL.dims),
    ConfigurationDistribution.from_product(PRODUCT),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
@pytest.mark.parametrize(
    ("question", "argument", "sentence"),
    [
        ("joint_overlap_distribution", [[1, -1]], "`xi` must have shape"),  # overridden
        ("overlap_distribution", [[1, -1]], "`xi` must have shape"),  # inherited
        ("edwards_anderson", [3], "`spins` must"),
        ("misfit", "model", "`model` must be a Model"),
    ],
)
def test_every_class_of_states_checks(state, question, argument, sentence):
    for arguments, named in (((argument,), {}), ((), {sentence.split("`")[1]: argument})):
        with pytest.raises((ValueError, TypeError), match=sentence):
            getattr(state, question)(*arguments, **named)


def test_a_new_functional_names_its_check_where_it_stands():
    class Spins(StateFunctionals):
        def size(self):
            return 4, 0

        @with_checked_arguments(spins=check_spins)
        def first(self, spins):
            return spins[0]

    class More(Spins):
        def first(self, spins):
            return -spins[0]

    assert (Spins().first(np.array([3])), More().first(spins=[3])) == (3, -3)
    for state in (Spins(), More()):
        with pytest.raises(ValueError, match="`spins` must"):
            state.first([4])


def test_misfit_counts_spins_and_modes():
    other = th.damped_mode(omega=1.0, loss=0.5, fock_dim=3)
    sentence = "it has 3 spins and 0 modes while the model has 0 spins and 1 modes"
    assert [state.misfit(other) for state in (STATES[0], STATES[2])] == [sentence] * 2
    assert [state.misfit(MODEL) for state in STATES] == [None] * 3
