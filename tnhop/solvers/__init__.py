"""Methods: immutable objects that say how a Problem is solved."""

from tnhop.solvers.exact import Exact
from tnhop.solvers.meanfield import MeanField

__all__ = ["ALL_METHODS", "Exact", "MeanField"]

ALL_METHODS = {method.__name__: method for method in (Exact, MeanField)}
