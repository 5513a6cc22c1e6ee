"""Methods: immutable objects that say how a Problem is solved."""

from tnhop.solvers.exact import Exact
from tnhop.solvers.meanfield import MeanField
from tnhop.solvers.symmetric import Symmetric
from tnhop.solvers.tdvp import TDVP

__all__ = ["ALL_METHODS", "TDVP", "Exact", "MeanField", "Symmetric"]

ALL_METHODS = {method.__name__: method for method in (Exact, Symmetric, TDVP, MeanField)}
