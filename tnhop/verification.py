"""Known answers, computed on this machine: whether an installation can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnhop.models import dicke, multimode_dicke, open_hopfield
from tnhop.patterns.couplings import energy, hebb, pattern_couplings
from tnhop.patterns.ensembles import random_patterns
from tnhop.phases.channel import RetrievalChannel
from tnhop.physics.rates import SpinBosonRate
from tnhop.physics.states import pattern_state, product_state
from tnhop.solvers.chain.tdvp import TDVP
from tnhop.solvers.chain.tebd import TEBD
from tnhop.solvers.classical.monte_carlo import KineticMonteCarlo
from tnhop.solvers.exact.exact import Exact
from tnhop.support import html
from tnhop.verbs import evolve, liouvillian_spectrum, steady_state

__all__ = ["Check", "Verification", "verify"]

_TWO = np.array([[1, 1, 1, 1], [1, -1, 1, -1]])
_ONE = np.ones((1, 4))


@dataclass(frozen=True)
class Check:
    """One answer beside what is known.

    Parameters
    ----------
    name : str
        What was computed, and how.
    found, expected : float
        The answer, and the known value.
    tolerance : float
        Accepted distance.
    seconds : float
        Time it took.
    """

    name: str
    found: float
    expected: float
    tolerance: float
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the answer is near enough."""
        return bool(abs(self.found - self.expected) <= self.tolerance)


@dataclass(frozen=True)
class Verification:
    """All answers of `verify`.

    Parameters
    ----------
    checks : tuple of Check
        One per known answer.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all answers are right."""
        return all(check.passed for check in self.checks)

    def __str__(self) -> str:
        """Return a table."""
        width = max(len(check.name) for check in self.checks)
        head = f"{'':<{width}}  {'found':>18}  {'known':>18}  {'accepted':>8}  seconds"
        lines = [head, *(
            f"{c.name:<{width}}  {c.found:18.12g}  {c.expected:18.12g}  {c.tolerance:8.0e}"
            f"  {c.seconds:7.1f}{'' if c.passed else '  WRONG'}"
            for c in self.checks
        )]  # fmt: skip
        wrong = sum(not check.passed for check in self.checks)
        total = f"{sum(check.seconds for check in self.checks):.0f} s"
        lines.append(f"{len(self.checks) - wrong} of {len(self.checks)} right, in {total}.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        rows = [
            (c.name, f"{c.found:.12g}", f"{c.expected:.12g}", f"{c.tolerance:.0e}",
             f"{c.seconds:.1f}", "right" if c.passed else "WRONG")
            for c in self.checks
        ]  # fmt: skip
        right = sum(check.passed for check in self.checks)
        head = ("", "found", "known", "accepted", "seconds", "")
        return html.card(f"{right} of {len(self.checks)} right", html.table(rows, head))


def verify(callback: Callable[[Check], None] | None = None) -> Verification:
    """Compute known answers with every method, in under a minute.

    Closed forms, numbers that were computed by other codes (tests/reference of the source), and
    methods beside each other, from the matrices of single spins to Monte Carlo.

    Parameters
    ----------
    callback : callable, optional
        Called with every `Check` as soon as it is done.

    Returns
    -------
    Verification

    Notes
    -----
    **Use when** tnhop, one of its libraries or the machine is new. A wrong answer means that
    results of this installation cannot be trusted: report it with ``tnhop info``.

    Examples
    --------
    >>> verify().passed  # doctest: +SKIP
    True
    """
    done = []
    for name, compute in _anchors():
        began = time.perf_counter()
        found, expected, tolerance = compute()
        check = Check(name, float(found), float(expected), tolerance, time.perf_counter() - began)
        done.append(check)
        if callback is not None:
            callback(check)
    return Verification(tuple(done))


Answer = tuple[Any, float, float]


def _anchors() -> Iterator[tuple[str, Callable[[], Answer]]]:
    yield "partition function of two patterns", _partition_function
    yield "gap of Glauber dynamics: Exact", _gap
    yield "overlap of four spins: Exact", lambda: _overlap("Exact")
    yield "overlap of four spins: Symmetric", lambda: _overlap("Symmetric")
    yield "overlap of four spins: TDVP", lambda: _overlap(TDVP(dt=0.05))
    yield "overlap of four spins: TEBD", lambda: _overlap(TEBD(dt=0.05))
    yield "photons of a spin in a lossy mode: Exact", _photons
    yield "three patterns, seven spins: TDVP beside Exact", _chain
    yield "spins and a mode: TDVP beside Exact", _chain_with_mode
    yield "Glauber dynamics: Monte Carlo beside the master equation", _sampled
    yield "flip rate of a spin in a lossy mode", _flip_rate
    yield "mean field of the Dicke model: MeanField", _mean_field
    yield "fold of cycles of mean field", _fold


def _partition_function() -> Answer:
    words = np.array(np.meshgrid(*[[1, -1]] * 4)).reshape(4, -1).T
    return np.exp(-1.3 * energy(hebb(_TWO), words)).sum(), 23.767313842613028, 1e-12


def _gap() -> Answer:
    return liouvillian_spectrum(open_hopfield(_TWO, beta=1.3), 3).gap, 0.42833003391488, 1e-11


def _overlap(method: Any) -> Answer:
    """Overlap at t = 1, to be right within its error bar."""
    model = open_hopfield(_ONE, beta=2.0, Omega=0.6)
    found = evolve(
        model, pattern_state(model), [1.0], observables="m_z", method=method, progress=False
    )
    bar = float(found.errors["m_z"][0, 0])
    return found.expect["m_z"][0, 0], 0.43598396071584505, bar


def _photons() -> Answer:
    model = dicke(1, g=1.0, omega=1.0, Omega=0.5, loss=1.0, fock_dim=16)
    steady = steady_state(model, observables="occupation", method="Exact")
    return steady.expect["occupation"][0], 0.6935572660242, 1e-8


def _beside(model: Any, start: Any, name: str, method: Any) -> Answer:
    """Largest distance to `Exact`, to be 0 within the error bar."""
    options: dict[str, Any] = {"observables": name, "progress": False}
    found = evolve(model, start, [0.5, 1.0], method=method, **options)
    exact = evolve(model, start, [0.5, 1.0], method=Exact(), **options)
    apart = np.abs(found.expect[name] - exact.expect[name]).max()
    return apart, 0.0, float(np.max(found.errors[name]))


def _chain() -> Answer:
    model = open_hopfield(random_patterns(3, 7, rng=3), beta=13 / 7, Omega=2 / 5)
    start = product_state(model, bloch=np.tile([0.3, -0.2, 0.6], (7, 1)))
    return _beside(model, start, "sigma_z", TDVP())


def _chain_with_mode() -> Answer:
    g = pattern_couplings(random_patterns(1, 3, rng=2), 0.7)
    model = multimode_dicke(g, omega=0.9, Omega=0.4, loss=1.1, gain=0.1, fock_dim=9)
    return _beside(model, pattern_state(model, overlap=0.7), "occupation", TDVP(companion=False))


def _sampled() -> Answer:
    model = open_hopfield(random_patterns(3, 8, rng=5), beta=1.1)
    options: dict[str, Any] = {"observables": "m_z", "progress": False}
    start = pattern_state(model, overlap=0.6)
    known = evolve(model, start, [1.0], method="ClassicalMaster", **options)
    found = evolve(model, start, [1.0], method=KineticMonteCarlo(20000), rng=7, **options)
    value, bar = found.expect["m_z"][0, 0], found.errors["m_z"][0, 0]
    return value, known.expect["m_z"][0, 0], 4 / 1.96 * float(bar)


def _flip_rate() -> Answer:
    rate = SpinBosonRate((0.7,), (1.0,), (1.0,), (0.0,), 1.0, 1)
    return rate(0.0), 1.173301343134341, 1e-10


def _mean_field() -> Answer:
    model = dicke(1, g=1.0, omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
    start = product_state(model, bloch=[-np.cos(1.2), 0.0, np.sin(1.2)])
    found = evolve(model, start, [0.5], observables="sigma_z", method="MeanField", progress=False)
    return found.expect["sigma_z"][0, 0], 0.82109043734, 1e-9


def _fold() -> Answer:
    return RetrievalChannel(0.5).fold, 0.3103135767, 1e-9
