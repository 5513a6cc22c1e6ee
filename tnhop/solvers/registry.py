"""Methods: immutable objects that say how a Problem is solved."""

from __future__ import annotations

from typing import Any

from tnhop.solvers.chain.tdvp import TDVP
from tnhop.solvers.chain.tebd import TEBD
from tnhop.solvers.classical.master_equation import ClassicalMaster
from tnhop.solvers.classical.monte_carlo import KineticMonteCarlo
from tnhop.solvers.exact.exact import Exact
from tnhop.solvers.meanfield.meanfield import MeanField
from tnhop.solvers.symmetric.symmetric import Symmetric
from tnhop.support.plugins import plugins

__all__ = ["ALL_METHODS"]

# "auto" takes the first that is exact within its error bars and done in seconds
ALL_METHODS: dict[str, Any] = {
    method.__name__: method
    for method in (Exact, Symmetric, ClassicalMaster, KineticMonteCarlo, TDVP, TEBD, MeanField)
}


def known_methods() -> dict[str, Any]:
    """Return all methods by name: our own, and those that installed packages register.

    Another package registers a method by an entry point of the group ``tnhop.methods``, whose name
    is that of the class (provisional until 0.2)::

        [project.entry-points."tnhop.methods"]
        RungeKutta = "my_package.runge_kutta:RungeKutta"

    Its class is decorated by `tnhop.support.codec.register`, so that files know it. ``"auto"``
    never chooses it.
    """
    return plugins() | ALL_METHODS
