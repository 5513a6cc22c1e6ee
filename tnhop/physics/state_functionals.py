"""Functionals of states: numbers that any density matrix has, and those of modes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import eval_genlaguerre, gammaln

from tnhop.physics.model import Model
from tnhop.physics.operators import SPIN_OPERATORS
from tnhop.physics.state_arguments import (
    check_joint_patterns,
    check_levels,
    check_model,
    check_modes,
    check_operators,
    check_orders,
    check_overlap_patterns,
    check_sites,
    check_spins,
    with_checked_arguments,
    with_inherited_checks,
)
from tnhop.physics.terms import Operator, Term, number, sigma
from tnhop.support.arrays import Real
from tnhop.support.checks import affordable, fail, integers, real_array

__all__ = ["FUNCTIONAL_RANGES", "QUOTIENTS", "ModeFunctionals", "StateFunctionals"]

_MOST_REDUCED = 8  # spins of a reduced state that is made of 4^n expectation values

Ends = tuple[ArrayLike, ArrayLike]


def _probability(model: Model, arguments: Mapping[str, Any]) -> Ends:  # noqa: ARG001
    return 0.0, 1.0


def _positive(model: Model, arguments: Mapping[str, Any]) -> Ends:  # noqa: ARG001
    return 0.0, np.inf


def _entropy(model: Model, arguments: Mapping[str, Any]) -> Ends:  # noqa: ARG001
    return 0.0, float(np.sum(np.log(model.dims)))


def _binder(model: Model, arguments: Mapping[str, Any]) -> Ends:  # noqa: ARG001
    return -np.inf, 2 / 3  # because <m^4> >= <m^2>^2


def _moments(model: Model, arguments: Mapping[str, Any]) -> Ends:  # noqa: ARG001
    return np.where(np.asarray(arguments["orders"]) % 2, -1.0, 0.0), 1.0


# Name of a functional → least and greatest value of any state of a model, given the arguments;
# they broadcast to the functional's shape. A functional that is not here may have any value.
FUNCTIONAL_RANGES: dict[str, Callable[[Model, Mapping[str, Any]], Ends]] = {
    "purity": _probability,
    "overlap_distribution": _probability,
    "joint_overlap_distribution": _probability,
    "overlap_moments": _moments,
    "binder_cumulant": _binder,
    "edwards_anderson": _probability,
    "entropy": _entropy,
    "renyi_entropy": _entropy,
    "negativity": _positive,
    "g2": _positive,
    "photon_distribution": _probability,
    "photon_distributions": _probability,
}
QUOTIENTS = {"binder_cumulant", "g2"}  # NaN, 0/0, in some states: without overlap, without light


class StateFunctionals:
    """Functionals that follow from expectation values and from the distribution of overlaps."""

    def __init_subclass__(cls) -> None:
        """Check the arguments of methods that a class of states overrides as here."""
        with_inherited_checks(cls)

    n_spins: Any
    dims: Any
    # beside the arrays and no part of the state: the error that it was reached with
    start_errors: Any = None

    def size(self) -> tuple[int, int]:
        """Return the numbers of spins and modes."""
        return self.n_spins, len(self.dims) - self.n_spins

    @with_checked_arguments(model=check_model)
    def misfit(self, model: Model) -> str | None:
        """Return why the state does not fit the model, as half a sentence, or None."""
        n_spins, n_modes = self.size()
        if (n_spins, n_modes) == (model.n_spins, model.n_modes):
            return None
        return (
            f"it has {n_spins} spins and {n_modes} modes"
            f" while the model has {model.n_spins} spins and {model.n_modes} modes"
        )

    @with_checked_arguments(operators=check_operators)
    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        raise NotImplementedError

    def purity(self) -> NDArray[np.float64]:
        """Return tr ρ²."""
        raise NotImplementedError

    @with_checked_arguments(xi=check_overlap_patterns)
    def overlap_distribution(self, xi: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return P(m) of σᶻ measurements for every pattern, shape (n_patterns, n_spins + 1)."""
        return np.stack([self.joint_overlap_distribution(pattern[None]) for pattern in xi])

    @with_checked_arguments(xi=check_joint_patterns)
    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns."""
        raise NotImplementedError

    @with_checked_arguments(xi=check_overlap_patterns, orders=check_orders)
    def overlap_moments(self, xi: NDArray[np.int8], orders: Sequence[int]) -> NDArray[np.float64]:
        """Return ⟨mⁿ⟩ of every pattern, shape (n_patterns, n_orders)."""
        distribution = self.overlap_distribution(xi)
        m = 2 * np.arange(distribution.shape[1]) / (distribution.shape[1] - 1) - 1
        return distribution @ m[:, None] ** np.asarray(orders)

    @with_checked_arguments(xi=check_overlap_patterns)
    def binder_cumulant(self, xi: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return U = 1 - ⟨m⁴⟩ / (3 ⟨m²⟩²) of every pattern, shape (n_patterns,).

        NaN where the overlap is 0 in all configurations.
        """
        second, fourth = self.overlap_moments(xi, (2, 4)).T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(second > 0, 1 - fourth / (3 * second**2), np.nan))

    @with_checked_arguments(spins=check_spins)
    def edwards_anderson(self, spins: Sequence[int]) -> NDArray[np.float64]:
        """Return q = Σ_k ⟨σᶻ_k⟩² / N, the order that no single pattern need show."""
        z = self.expect([sigma("z")(site) for site in spins]).real
        return np.asarray(np.mean(z**2))

    @with_checked_arguments(modes=check_modes)
    def g2(self, modes: Sequence[int]) -> NDArray[np.float64]:
        """Return g²(0) = ⟨a†a†aa⟩ / ⟨a†a⟩² of some modes, given as sites, shape (n_modes,).

        1 for coherent light, 2 for thermal light, below 1 only for quantum light; NaN in vacuum.
        """
        pairs = [Operator((Term(1.0, ((site, "adag adag a a"),)),)) for site in modes]
        n = self.expect([*(number(site) for site in modes), *pairs]).real.reshape(2, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(n[0] > 0, n[1] / n[0] ** 2, np.nan))

    def renyi_entropy(self) -> NDArray[np.float64]:
        """Return the Rényi entropy of order two, -ln tr ρ², in nats."""
        return np.asarray(-np.log(self.purity()))

    @with_checked_arguments(sites=check_sites)
    def reduced_state(self, sites: Sequence[int]) -> NDArray[np.complex128]:
        """Return the density matrix of some spins, shape (2**n, 2**n), the first most significant.

        Parameters
        ----------
        sites : sequence of int
            Positions of the spins; the cost is 4**n expectation values.
        """
        sites = integers(sites, "sites", minimum=0, maximum=self.size()[0] - 1)
        if len(sites) > _MOST_REDUCED:
            raise fail("sites", f"be at most {_MOST_REDUCED} spins", f"there are {len(sites)}")
        words = list(itertools.product("Ixyz", repeat=len(sites)))
        products = [Operator((Term(1.0, tuple(zip(sites, word, strict=True))),)) for word in words]
        rho = np.zeros((2 ** len(sites),) * 2, dtype=complex)
        for word, value in zip(words, self.expect(products), strict=True):
            matrix = np.ones((1, 1), dtype=complex)
            for name in word:
                matrix = np.kron(matrix, SPIN_OPERATORS[name])
            rho += value.real * matrix / 2 ** len(sites)
        return rho


class ModeFunctionals:
    """Functionals of states that know the density matrix of every mode."""

    def mode_state(self, mode: int) -> NDArray[np.complex128]:
        """Return the density matrix of a mode in the Fock basis, shape (fock_dim, fock_dim)."""
        raise NotImplementedError

    def photon_distribution(self, mode: int) -> NDArray[np.float64]:
        """Return the populations of the Fock states of mode 0, 1, ..., shape (fock_dim,)."""
        return self.mode_state(mode).diagonal().real.copy()

    @with_checked_arguments(levels=check_levels)
    def photon_distributions(self, levels: Sequence[int]) -> NDArray[np.float64]:
        """Return those of all modes, filled up with zeros, shape (n_modes, largest fock_dim)."""
        P = np.zeros((len(levels), max(levels)))
        for mode, n in enumerate(levels):
            populations = self.photon_distribution(mode)
            if len(populations) != n:
                raise fail("levels", "be the kept levels of the modes",
                           f"mode {mode} has {len(populations)} instead of {n}")  # fmt: skip
            P[mode, :n] = populations
        return P

    def wigner(self, mode: int, x: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
        """Return the Wigner function of a mode, shape (n_p, n_x); ∫ W dx dp = 1.

        Parameters
        ----------
        mode : int
            Number of the mode: 0, 1, ...
        x, p : array_like, shapes (n_x,) and (n_p,)
            Quadratures x = (a + a†)/√2 and p = (a - a†)/(i√2). A superposition of two coherent
            states shows fringes with negative values between them, a mixture does not.

        Notes
        -----
        *Cost.* n_x n_p fock_dim² Laguerre functions.
        """
        quadratures = real_array(x, "x", ("n_x",)), real_array(p, "p", ("n_p",))
        values = 80.0 * quadratures[0].size * quadratures[1].size
        affordable(values, "x", f"{quadratures[0].size} times {quadratures[1].size} points")
        return wigner_function(self.mode_state(mode), *quadratures)


def wigner_function(rho: NDArray[np.complex128], x: Real, p: Real) -> Real:
    r"""Return W(x, p) of a density matrix in the Fock basis, Eq. (66), shape (n_p, n_x).

    .. math::
        W = \frac{e^{-r^2}}{\pi} \sum_{m \le n} (2 - \delta_{mn}) \, (-1)^m \sqrt{\tfrac{m!}{n!}}
            \, L_m^{(n-m)}(2 r^2) \,
            \mathrm{Re}\bigl[\rho_{mn} (\sqrt 2 (x + i p))^{n-m}\bigr], \qquad r^2 = x^2 + p^2

    with x = (a + a†)/√2, so that ∫ W dx dp = tr ρ and the vacuum is exp(-r²)/π.
    """
    X, P = np.meshgrid(x, p)
    reach = np.sqrt(4.0 * len(rho) + 750)  # beyond it W is below the smallest number
    far = (np.abs(X) > reach) | (np.abs(P) > reach)
    X, P = np.where(far, 0.0, X), np.where(far, 0.0, P)
    square = X**2 + P**2
    W, step = np.zeros(X.shape), np.sqrt(2) * (X + 1j * P)
    power = np.ones(X.shape, dtype=complex)
    for k in range(len(rho)):  # element (m, m + k)
        band = np.zeros(X.shape, dtype=complex)
        for m in range(len(rho) - k):
            weight = (-1.0) ** m * np.exp((gammaln(m + 1) - gammaln(m + k + 1)) / 2)
            band += rho[m, m + k] * weight * eval_genlaguerre(m, k, 2 * square)
        W += (1 if k == 0 else 2) * (band * power).real
        power = power * step
    return np.where(far, 0.0, W * np.exp(-square) / np.pi)
