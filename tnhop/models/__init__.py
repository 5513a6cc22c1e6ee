"""Models: each function returns a `Model`, a list of terms and nothing else."""

from tnhop.models.classical_dicke import classical_dicke
from tnhop.models.dense import dense_hopfield
from tnhop.models.dicke import dicke, multimode_dicke
from tnhop.models.hopfield import open_hopfield
from tnhop.models.ising import hebbian_ising, long_range_ising
from tnhop.models.reference import (
    bloch_solution,
    damped_mode,
    damped_mode_solution,
    dephased_ising_solution,
    independent_spins,
)
from tnhop.models.spin_only import eliminated_dicke

__all__ = [
    "ALL_MODELS",
    "bloch_solution",
    "classical_dicke",
    "damped_mode",
    "damped_mode_solution",
    "dense_hopfield",
    "dephased_ising_solution",
    "dicke",
    "eliminated_dicke",
    "hebbian_ising",
    "independent_spins",
    "long_range_ising",
    "multimode_dicke",
    "open_hopfield",
]

ALL_MODELS = {
    function.__name__: function
    for function in (
        open_hopfield,
        dense_hopfield,
        multimode_dicke,
        dicke,
        hebbian_ising,
        long_range_ising,
        eliminated_dicke,
        classical_dicke,
        independent_spins,
        damped_mode,
    )
}
