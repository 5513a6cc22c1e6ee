"""Methods: immutable objects that say how a Problem is solved."""

from tnhop.solvers.classical import ClassicalMaster, KineticMonteCarlo
from tnhop.solvers.exact import Exact
from tnhop.solvers.meanfield import MeanField
from tnhop.solvers.symmetric import Symmetric
from tnhop.solvers.tdvp import TDVP
from tnhop.solvers.tebd import TEBD

__all__ = [
    "ALL_METHODS",
    "TDVP",
    "TEBD",
    "ClassicalMaster",
    "Exact",
    "KineticMonteCarlo",
    "MeanField",
    "Symmetric",
]

# "auto" takes the first that is exact within its error bars and done in seconds
ALL_METHODS = {
    method.__name__: method
    for method in (Exact, Symmetric, ClassicalMaster, KineticMonteCarlo, TDVP, TEBD, MeanField)
}
