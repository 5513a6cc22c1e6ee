"""Product states: the initial states of every method, and the states of mean field."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaln, xlogy

from tnhop.physics.model import Model
from tnhop.physics.operators import SPIN_OPERATORS, bloch_components, kind_of, normal_order
from tnhop.physics.state_arguments import check_levels, with_checked_arguments
from tnhop.physics.state_functionals import StateFunctionals
from tnhop.physics.terms import Operator
from tnhop.support.checks import (
    complex_array,
    fail,
    integer,
    integers,
    named_arrays,
    real,
    real_array,
    shown,
    signs,
    wrong_type,
)
from tnhop.support.codec import register

__all__ = ["ProductState", "pattern_state", "product_state"]

_LOCAL = {name: bloch_components(matrix) for name, matrix in SPIN_OPERATORS.items()}


_BRIGHTEST = 1e50  # amplitude of a coherent state; its fourth power is a number


@register
@dataclass(frozen=True, eq=False)
class ProductState(StateFunctionals):
    r"""Product of single-spin states and coherent states.

    .. math::
        \rho = \bigotimes_k \tfrac12(1 + \vec r_k \cdot \vec\sigma_k)
               \otimes \bigotimes_\mu |\alpha_\mu\rangle\langle\alpha_\mu|

    Parameters
    ----------
    bloch : ndarray, shape (n_spins, 3)
        Bloch vectors r = (⟨σˣ⟩, ⟨σʸ⟩, ⟨σᶻ⟩), of length at most 1.
    alpha : ndarray, shape (n_modes,)
        Coherent amplitudes ⟨a⟩, complex, not divided by N.
    """

    bloch: NDArray[np.float64]
    alpha: NDArray[np.complex128]

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        put("bloch", real_array(self.bloch, "bloch", ("n_spins", 3)))
        put("alpha", complex_array(self.alpha, "alpha", ("n_modes",)))
        _check_range(self.alpha)
        for array in (self.bloch, self.alpha):
            array.setflags(write=False)

    def size(self) -> tuple[int, int]:
        """Return the numbers of spins and modes."""
        return len(self.bloch), len(self.alpha)

    def misfit(self, model: Model) -> str | None:
        """Return why the state does not fit the model, as half a sentence, or None."""
        length = np.linalg.norm(self.bloch, axis=1)
        if length.size and length.max() > 1 + 1e-6:  # integrators may overstep a pure state
            return f"|bloch[{int(np.argmax(length))}]| = {length.max():.6g} is longer than 1"
        return super().misfit(model)

    def _factor(self, site: int, name: str) -> complex:
        if kind_of(name) == "spin":
            c = _LOCAL[name]
            return complex(c[0] + c[1:] @ self.bloch[site])
        alpha = self.alpha[site - len(self.bloch)]
        word = normal_order(name).items()
        return complex(sum(c * alpha.conjugate() ** k * alpha**l for (k, l), c in word))

    def expect(self, operators: Sequence[Operator]) -> NDArray[np.complex128]:
        """Return the expectation values of operators, shape (n_operators,)."""
        values = np.zeros(len(operators), dtype=complex)
        for k, operator in enumerate(operators):
            for term in operator.terms:
                value = complex(term.coefficient)
                for site, name in term.factors:
                    value *= self._factor(site, name)
                values[k] += value
        return values

    def purity(self) -> NDArray[np.float64]:
        """Return tr ρ² = Π (1 + r²)/2."""
        return np.asarray(np.prod((1 + np.sum(self.bloch**2, axis=1)) / 2))

    def entropy(self) -> NDArray[np.float64]:
        """Return the von Neumann entropy -tr ρ ln ρ, in nats."""
        r = np.clip(np.linalg.norm(self.bloch, axis=1), 0.0, 1.0)
        p = np.stack([1 + r, 1 - r]) / 2
        return np.asarray(-np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)))

    def joint_overlap_distribution(self, xi: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return P(m₁, m₂, ...) of all patterns at once, shape (n_spins + 1,) * n_patterns."""
        n_patterns, n_spins = xi.shape
        P = np.zeros((n_spins + 1,) * n_patterns)
        P[(0,) * n_patterns] = 1.0
        for column, z in zip(xi.T, self.bloch[:, 2], strict=True):
            # a spin up agrees with the patterns that have +1 there, a spin down with the others;
            # nothing wraps around, because no count has reached n_spins before the last spin
            P = sum(
                weight * np.roll(P, tuple(column == sign), tuple(range(n_patterns)))
                for sign, weight in ((1, (1 + z) / 2), (-1, (1 - z) / 2))
            )
        return P

    @with_checked_arguments(levels=check_levels)
    def photon_distributions(self, levels: Sequence[int]) -> NDArray[np.float64]:
        """Return the Poisson distributions of the coherent states, shape (n_modes, n_levels)."""
        n = np.arange(max(levels))
        mean = np.abs(self.alpha[:, None]) ** 2
        return np.asarray(np.exp(xlogy(n, mean) - mean - gammaln(n + 1)))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that define the state."""
        return {"bloch": self.bloch, "alpha": self.alpha}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ProductState:
        """Rebuild the state from `to_arrays`."""
        return cls(**named_arrays(arrays, ("bloch", "alpha")))


def product_state(
    model: Model,
    *,
    bloch: ArrayLike | None = None,
    spins: ArrayLike | None = None,
    alpha: ArrayLike = 0.0,
) -> ProductState:
    """Product state with any Bloch vectors, or with spins along z; modes in coherent states.

    Parameters
    ----------
    model : Model
        The system.
    bloch : array_like, shape (n_spins, 3)
        Bloch vectors, of length at most 1; one of shape (3,) serves all spins.
    spins : array_like, shape (n_spins,)
        Instead of `bloch`: a configuration of +1 and -1, such as a corrupted pattern.
    alpha : array_like, shape (n_modes,)
        Coherent amplitudes (complex); one number serves all modes.

    Returns
    -------
    ProductState

    Raises
    ------
    ValueError
        If a Bloch vector is longer than 1, or a coherent state does not fit into `fock_dim` levels.

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.Model(th.spins(2), th.sigma("x")(0))
    >>> th.product_state(model, bloch=[0.6, 0.0, 0.8]).bloch.shape
    (2, 3)
    """
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    if (bloch is None) == (spins is None) and model.n_spins:
        raise fail("bloch", "be given exactly if `spins` is not",
                   "neither is given" if bloch is None else "both are given")  # fmt: skip
    if spins is not None:
        z = signs(spins, "spins", (model.n_spins,)).astype(float)
        r = np.stack([0 * z, 0 * z, z], axis=1)
    else:
        r = real_array(np.zeros((0, 3)) if bloch is None else bloch, "bloch")
        r = np.tile(r, (model.n_spins, 1)) if r.shape == (3,) else r
        if r.shape != (model.n_spins, 3):
            raise fail("bloch", f"have shape ({model.n_spins}, 3)", f"has shape {r.shape}")
    length = np.linalg.norm(r, axis=1)
    if length.size and length.max() > 1 + 1e-12:
        k = int(np.argmax(length))
        raise fail("bloch", "have vectors of length at most 1", f"|bloch[{k}]| = {length[k]:.6g}")
    return ProductState(r, _amplitudes(model, alpha))


def _amplitudes(model: Model, alpha: ArrayLike) -> NDArray[np.complex128]:
    array = complex_array(alpha, "alpha")
    if array.ndim and array.shape != (model.n_modes,):
        raise fail("alpha", f"have shape ({model.n_modes},)", f"has shape {array.shape}")
    _check_range(array)
    values = np.broadcast_to(array, (model.n_modes,)).astype(complex)
    for k, site in enumerate(model.modes):
        tail = coherent_tail(values[k], model.sites[site].dim)
        if tail > 1e-3:
            found = f"alpha[{k}] = {values[k]:.3g} leaves a weight of {tail:.1e} above"
            raise fail("alpha", f"fit into the {model.sites[site].dim} levels of mode {k}", found,
                       "Increase `fock_dim`.")  # fmt: skip
    return values


def _check_range(alpha: NDArray[Any]) -> None:
    """Refuse amplitudes whose square is no number."""
    if np.abs(alpha).max(initial=0.0) > _BRIGHTEST:
        found = f"it reaches {np.abs(alpha).max():.3g}"
        raise fail("alpha", f"be at most {_BRIGHTEST:g} in size", found)


def coherent_tail(alpha: complex, dim: int) -> float:
    """Return the weight of a coherent state above `dim` levels: its photon number is Poissonian."""
    return float(gammainc(dim, abs(alpha) ** 2))


def check_dims(state: Any, dims: Any) -> tuple[int, ...]:
    """Check the dimensions of all sites of a product state: 2 for every spin, then the modes."""
    if not isinstance(state, ProductState):
        raise wrong_type("state", "be a ProductState", state)
    numbers, (n_spins, n_modes) = integers(dims, "dims", minimum=2), state.size()
    if len(numbers) != n_spins + n_modes or set(numbers[:n_spins]) - {2}:
        spec = f"begin with {n_spins} times 2 and go on with {n_modes} modes"
        raise fail("dims", spec, f"it is {shown(numbers)}")
    return tuple(numbers)


def coherent_ket(alpha: complex, dim: int) -> NDArray[np.complex128]:
    """Return the normalised truncation of a coherent state."""
    n = np.arange(1, dim)
    ket = np.concatenate([[1.0], np.cumprod(alpha / np.sqrt(n))]).astype(complex)
    return ket / np.linalg.norm(ket)


def pattern_state(
    model: Model, *, pattern: int = 0, overlap: float = 1.0, alpha: ArrayLike = 0.0
) -> ProductState:
    """Product state near a stored pattern: ⟨σᶻ_k⟩ = overlap · ξ_k, modes in coherent states.

    Parameters
    ----------
    model : Model
        A model with patterns.
    pattern : int
        Index of the pattern.
    overlap : float
        Overlap with it, between -1 and 1; below 1 the spins are mixed, not flipped.
    alpha : array_like, shape (n_modes,)
        Coherent amplitudes (complex); one number serves all modes.

    Returns
    -------
    ProductState

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.open_hopfield([[1, -1, 1]], beta=2.0)
    >>> th.pattern_state(model, overlap=0.5).bloch[:, 2].tolist()
    [0.5, -0.5, 0.5]
    """
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    if model.patterns is None:
        raise fail("model", "have patterns", "it has none", "Use `th.product_state`.")
    pattern = integer(pattern, "pattern", minimum=0, maximum=len(model.patterns) - 1)
    overlap = real(overlap, "overlap", minimum=-1.0, maximum=1.0)
    z = overlap * model.patterns[pattern]
    return product_state(model, bloch=np.stack([0 * z, 0 * z, z], axis=1), alpha=alpha)
