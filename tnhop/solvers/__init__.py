"""Methods: immutable objects that say how a Problem is solved."""

from tnhop.solvers.exact import Exact
from tnhop.solvers.meanfield import MeanField
from tnhop.solvers.symmetric import Symmetric
from tnhop.solvers.tdvp import TDVP
from tnhop.solvers.tebd import TEBD

__all__ = ["ALL_METHODS", "TDVP", "TEBD", "Exact", "MeanField", "Symmetric"]

ALL_METHODS = {method.__name__: method for method in (Exact, Symmetric, TDVP, TEBD, MeanField)}
