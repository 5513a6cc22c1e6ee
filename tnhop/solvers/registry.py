"""Methods: immutable objects that say how a Problem is solved."""

from tnhop.solvers.chain.tdvp import TDVP
from tnhop.solvers.chain.tebd import TEBD
from tnhop.solvers.classical.master_equation import ClassicalMaster
from tnhop.solvers.classical.monte_carlo import KineticMonteCarlo
from tnhop.solvers.exact.exact import Exact
from tnhop.solvers.meanfield.meanfield import MeanField
from tnhop.solvers.symmetric.symmetric import Symmetric

__all__ = ["ALL_METHODS"]

# "auto" takes the first that is exact within its error bars and done in seconds
ALL_METHODS = {
    method.__name__: method
    for method in (Exact, Symmetric, ClassicalMaster, KineticMonteCarlo, TDVP, TEBD, MeanField)
}
