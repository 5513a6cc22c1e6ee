"""The mean-field flow of any Model: equations of motion of a product state.

Variables are the Bloch components of every spin and the amplitudes α, α* of every mode. Everything
but the field jumps is a polynomial in them, Eqs. (37) and (38) of docs/physics.md; field jumps
enter by their amplitudes at the mean field, or averaged exactly over the product state, Eqs. (39)
and (40).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump, Jump
from tnhop.physics.model import Model
from tnhop.physics.operators import (
    SPIN_OPERATORS,
    adjoint_name,
    bloch_components,
    kind_of,
    normal_order,
)
from tnhop.physics.states import ProductState
from tnhop.physics.terms import Operator, Term
from tnhop.physics.time_parts import TimePart, time_parts
from tnhop.solvers.meanfield.product_averages import ProductAverage
from tnhop.support.arrays import Complex

__all__ = ["MeanFieldFlow", "Polynomial", "expectation_polynomial"]

# A polynomial in the variables of one site: {monomial: coefficient}. Monomials of a spin are
# 0, 1, 2, 3 for 1, x, y, z, those of a mode (k, l) for α*ᵏ αˡ.
_SitePolynomial = dict[Any, complex]
_SMALL = 10_000  # entries up to which a full matrix is the faster one
_PAULI = [SPIN_OPERATORS[axis] for axis in "Ixyz"]


class Polynomial:
    """A vector of sparse polynomials, evaluated as one matrix times a vector of monomials.

    Parameters
    ----------
    n_variables, n_rows : int
        Sizes of the argument and of the value.
    """

    def __init__(self, n_variables: int, n_rows: int) -> None:
        self.n_variables, self.n_rows = n_variables, n_rows
        self._terms: list[dict[tuple[int, ...], complex]] = [
            defaultdict(complex) for _ in range(n_rows)
        ]

    def add(self, row: int, coefficient: complex, variables: Iterable[int]) -> None:
        """Add coefficient · Π variables to one row."""
        if coefficient != 0:
            self._terms[row][tuple(sorted(variables))] += coefficient

    def compile(self) -> Polynomial:
        """Freeze into index and coefficient arrays, monomials grouped by degree."""
        keys = sorted({key for row in self._terms for key in row}, key=lambda k: (len(k), k))
        column = {key: k for k, key in enumerate(keys)}
        entries = [
            (r, column[key], c) for r, row in enumerate(self._terms) for key, c in row.items() if c
        ]
        rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
        shape = (self.n_rows, len(keys))
        matrix = sp.csr_array((np.array(values, dtype=complex), (rows, columns)), shape=shape)
        if not matrix.data.imag.any():
            matrix = sp.csr_array(matrix.real)
        self._matrix: Any = matrix.toarray() if math.prod(shape) <= _SMALL else matrix
        by_degree: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for key in keys:
            by_degree[len(key)].append(key)
        self._groups = [np.array(group, dtype=int).T for _, group in sorted(by_degree.items())]
        return self

    def __call__(self, variables: NDArray[Any]) -> NDArray[Any]:
        """Evaluate, shape (n_rows,)."""
        parts = [
            np.ones(1, dtype=variables.dtype) if group.size == 0 else variables[group].prod(axis=0)
            for group in self._groups
        ]
        return self._matrix @ np.concatenate(parts) if parts else np.zeros(self.n_rows)


class _Variables:
    """Positions of the variables of a model: Bloch components, then α, then α*."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.n_spins, self.n_modes = model.n_spins, model.n_modes
        self.n_variables = 3 * self.n_spins + 2 * self.n_modes

    def variables(self, site: int, key: Any) -> tuple[int, ...]:
        """Variables of one local monomial."""
        if site < self.n_spins:
            return () if key == 0 else (3 * site + key - 1,)
        k, l = key
        alpha = 3 * self.n_spins + site - self.n_spins
        return (alpha,) * l + (alpha + self.n_modes,) * k

    def product(self, factors: dict[int, _SitePolynomial]) -> dict[tuple[int, ...], complex]:
        """Multiply local polynomials of different sites."""
        total: dict[tuple[int, ...], complex] = {(): 1.0}
        for site, local in factors.items():
            total = {
                (*key, *self.variables(site, name)): a * b
                for key, a in total.items()
                for name, b in local.items()
            }
        return total


def _local(name: str) -> _SitePolynomial:
    """Expectation value of a local operator as a polynomial in the site's variables."""
    if kind_of(name) == "spin":
        return _spin_polynomial(SPIN_OPERATORS[name])
    return {key: complex(value) for key, value in normal_order(name).items()}


def _spin_polynomial(matrix: NDArray[Any]) -> _SitePolynomial:
    return {k: complex(c) for k, c in enumerate(bloch_components(matrix)) if abs(c) > 1e-15}


def _spin_adjoint(left: NDArray[Any], right: NDArray[Any]) -> list[_SitePolynomial]:
    """⟨A†OB - ½{A†B, O}⟩ for O = σˣ, σʸ, σᶻ."""
    a, product = left.conj().T, left.conj().T @ right
    return [_spin_polynomial(a @ O @ right - (product @ O + O @ product) / 2) for O in _PAULI[1:]]


def _mode_words(*parts: tuple[complex, str]) -> _SitePolynomial:
    total: _SitePolynomial = defaultdict(complex)
    for factor, word in parts:
        for key, value in normal_order(word).items():
            total[key] += factor * value
    return {key: value for key, value in total.items() if abs(value) > 1e-15}


def _mode_adjoint(left: str, right: str) -> _SitePolynomial:
    """⟨A†aB - ½{A†B, a}⟩ with [a, a†] = 1."""
    a = adjoint_name(left)
    return _mode_words((1.0, f"{a} a {right}"), (-0.5, f"{a} {right} a"), (-0.5, f"a {a} {right}"))


def expectation_polynomial(model: Model, operators: Iterable[Operator]) -> Polynomial:
    """Expectation values of operators in a product state, as polynomials."""
    layout, items = _Variables(model), list(operators)
    polynomial = Polynomial(layout.n_variables, len(items))
    for row, operator in enumerate(items):
        for term in operator.terms:
            locals_ = {site: _local(name) for site, name in term.factors}
            for key, value in layout.product(locals_).items():
                polynomial.add(row, term.coefficient * value, key)
    return polynomial.compile()


class MeanFieldFlow:
    """Time derivative of a product state under a Model.

    Parameters
    ----------
    model : Model
        The system.
    closure : str
        Field in the rates of field jumps: ``"thermodynamic"``, ``"field"`` or ``"product"``.

    Notes
    -----
    *Cost.* One sparse matrix-vector product with one column per monomial; field jumps N² per
    evaluation (closure "product": N² times the number of Fourier terms, some 50 to 200).
    """

    def __init__(self, model: Model, closure: str) -> None:
        self.model, self.closure = model, closure
        self._layout = _Variables(model)
        self._timed = list[tuple[TimePart, MeanFieldFlow]]()
        if model.time_functions:
            self._timed = [
                (part, MeanFieldFlow(Model(model.sites, part.hamiltonian, part.jumps), closure))
                for part in time_parts(model)
            ]
            model = Model(model.sites, Operator(()))
        n = self._layout.n_variables
        self._polynomial = Polynomial(n, n)
        for term in model.hamiltonian.terms:
            self._add_hamiltonian(term)
        for jump in model.jumps:
            if isinstance(jump, Jump):
                self._add_jump(jump)
        self._polynomial.compile()
        field_jumps = [jump for jump in model.jumps if isinstance(jump, FieldJump)]
        self._fields = _FieldFlow(field_jumps, closure, model.n_spins) if field_jumps else None

    @property
    def max_error(self) -> float:
        """Largest error of a rate in the flow."""
        own = 0.0 if self._fields is None else self._fields.max_error
        return own + sum(
            flow.max_error * (1.0 if part.function is None else part.function.largest)
            for part, flow in self._timed
        )

    def _add_hamiltonian(self, term: Term) -> None:
        """Every site sees the term as a field: i⟨[h_i, O_i]⟩ with h_i = c Π⟨A_s⟩ A_i."""
        for site, name in term.factors:
            other_sites = {s: _local(other) for s, other in term.factors if s != site}
            if site < self._layout.n_spins:
                h = SPIN_OPERATORS[name]
                derivative = [_spin_polynomial(1j * (h @ O - O @ h)) for O in _PAULI[1:]]
            else:
                derivative = [_mode_words((1j, f"{name} a"), (-1j, f"a {name}"))]
            self._add_rows(site, derivative, term.coefficient, other_sites)

    def _add_jump(self, jump: Jump) -> None:
        for a in jump.operator.terms:
            for b in jump.operator.terms:
                left, right = dict(a.factors), dict(b.factors)
                coefficient = np.conj(a.coefficient) * b.coefficient
                for site in sorted({*left, *right}):
                    self._add_pair(site, left, right, complex(coefficient))

    def _add_pair(
        self, site: int, left: dict[int, str], right: dict[int, str], coefficient: complex
    ) -> None:
        """Add ⟨Π A_s†B_s⟩⟨A†OB - ½{A†B, O}⟩ of one pair of terms."""
        other_sites = {}
        for s in {*left, *right} - {site}:
            if s < self._layout.n_spins:
                A, B = SPIN_OPERATORS[left.get(s, "I")], SPIN_OPERATORS[right.get(s, "I")]
                other_sites[s] = _spin_polynomial(A.conj().T @ B)
            else:
                word = f"{adjoint_name(left.get(s, ''))} {right.get(s, '')}".strip()
                other_sites[s] = _mode_words((1.0, word))
        if site < self._layout.n_spins:
            names = left.get(site, "I"), right.get(site, "I")
            derivative = _spin_adjoint(*(SPIN_OPERATORS[name] for name in names))
        else:
            derivative = [_mode_adjoint(left.get(site, ""), right.get(site, ""))]
        self._add_rows(site, derivative, coefficient, other_sites)

    def _add_rows(
        self,
        site: int,
        derivative: list[_SitePolynomial],
        coefficient: complex,
        other_sites: dict[int, _SitePolynomial],
    ) -> None:
        """Add coefficient · Π others · derivative to the rows of a site, axis by axis."""
        layout = self._layout
        others = layout.product(other_sites)
        for axis, local in enumerate(derivative):
            for name, value in local.items():
                for key, factor in others.items():
                    c = coefficient * value * factor
                    variables = (*key, *layout.variables(site, name))
                    if site < layout.n_spins:
                        self._polynomial.add(3 * site + axis, c, variables)
                    else:
                        row = 3 * layout.n_spins + site - layout.n_spins
                        self._polynomial.add(row, c, variables)
                        self._polynomial.add(
                            row + layout.n_modes, np.conj(c), self._conjugate(variables)
                        )

    def _conjugate(self, variables: Iterable[int]) -> tuple[int, ...]:
        first, n = 3 * self._layout.n_spins, self._layout.n_modes
        return tuple(v if v < first else v + n if v < first + n else v - n for v in variables)

    def variables(self, y: NDArray[np.float64]) -> NDArray[Any]:
        """Return the variables of the polynomials from the real vector that the integrator sees."""
        n, m = 3 * self.model.n_spins, self.model.n_modes
        if not m:
            return y
        alpha = y[n : n + m] + 1j * y[n + m :]
        return np.concatenate([y[:n].astype(complex), alpha, alpha.conj()])

    def __call__(
        self, time: float, y: NDArray[np.float64], argument: float = 1.0
    ) -> NDArray[np.float64]:
        """Return the derivative of the real vector (Bloch components, Re α, Im α).

        Parameters
        ----------
        time : float
            Time.
        y : ndarray
            Real vector.
        argument : float
            What multiplies the fields of field jumps.
        """
        if self._timed:
            return self._sum_of_parts(time, y)
        n, m = 3 * self.model.n_spins, self.model.n_modes
        values = self._polynomial(self.variables(y))
        out = np.empty(len(y))
        out[:n] = values[:n].real
        out[n : n + m], out[n + m :] = values[n : n + m].real, values[n : n + m].imag
        if self._fields is not None:
            out[:n] += self._fields(y[:n].reshape(-1, 3), argument).ravel()
        return out

    def _sum_of_parts(self, time: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the flows of constant models, times their functions."""
        total = np.zeros(len(y))
        for part, flow in self._timed:
            argument = 1.0 if part.argument is None else float(part.argument(time))
            change = flow(time, y, argument)
            total += change if part.function is None else float(part.function(time)) * change
        return total

    @staticmethod
    def pack(state: ProductState) -> NDArray[np.float64]:
        """Return the real vector of a product state."""
        return np.concatenate([state.bloch.ravel(), state.alpha.real, state.alpha.imag])

    def unpack(self, y: NDArray[np.float64]) -> ProductState:
        """Return the product state of a real vector."""
        n, m = 3 * self.model.n_spins, self.model.n_modes
        return ProductState(y[:n].reshape(-1, 3).copy(), y[n : n + m] + 1j * y[n + m :])


class _FieldFlow:
    """Derivatives of the Bloch vectors by field jumps, all jumps of equal form at once."""

    def __init__(self, jumps: list[FieldJump], closure: str, n_spins: int) -> None:
        self._groups = [_FieldGroup(group, closure, n_spins) for group in _equal_forms(jumps)]
        self.max_error = max(group.max_error for group in self._groups)

    def __call__(self, bloch: NDArray[np.float64], argument: float) -> NDArray[np.float64]:
        out = np.zeros_like(bloch)
        for group in self._groups:
            group.add(bloch, out, argument)
        return out


def _equal_forms(jumps: list[FieldJump]) -> list[list[FieldJump]]:
    """Group jumps that share their amplitudes, so that one call evaluates all their fields."""
    groups: dict[Any, list[FieldJump]] = defaultdict(list)
    for jump in jumps:
        groups[jump.amplitudes, len(jump.fields)].append(jump)
    return list(groups.values())


class _FieldGroup:
    """Field jumps with the same amplitudes on different spins."""

    def __init__(self, jumps: list[FieldJump], closure: str, n_spins: int) -> None:
        self.closure = closure
        self.sites = np.array([jump.site for jump in jumps])
        fields = np.stack([jump.fields[:, :n_spins] for jump in jumps])  # jump field spin
        self.amplitudes = [amplitude for _, amplitude in jumps[0].amplitudes]
        names = [name for name, _ in jumps[0].amplitudes]
        if closure == "thermodynamic":
            fields = fields.copy()
            fields[np.arange(len(jumps)), :, self.sites] += np.array([j.self_field for j in jumps])
            self.amplitudes = [amplitude.thermodynamic() for amplitude in self.amplitudes]
        self.fields = np.ascontiguousarray(fields.swapaxes(0, 1))  # field jump spin
        self.distinct = len(np.unique(self.sites)) == len(self.sites)
        # rates[ab] maps rows (1, x, y, z) to the derivatives of (x, y, z) per unit of φ_a* φ_b
        rates = np.array([_rate_matrix(a, b).T for a in names for b in names])
        self.rates = rates if rates.imag.any() else rates.real.copy()
        pairs = [[_spin_polynomial(SPIN_OPERATORS[a].conj().T @ SPIN_OPERATORS[b]) for b in names]
                 for a in names]  # fmt: skip
        self.values = np.array([[[p.get(k, 0.0) for k in range(4)] for p in row] for row in pairs])
        self.average = (
            ProductAverage(self.amplitudes, fields[:, 0]) if closure == "product" else None
        )

    @property
    def max_error(self) -> float:
        """Largest error of an amplitude, or of its Fourier series."""
        fitted = max(amplitude.max_error for amplitude in self.amplitudes)
        return fitted + (self.average.max_error if self.average is not None else 0.0)

    def add(self, bloch: NDArray[np.float64], out: NDArray[np.float64], argument: float) -> None:
        """Add the derivative of the Bloch vectors, fields multiplied by the argument."""
        z = bloch[:, 2]
        full = np.ones((len(self.sites), 4))
        full[:, 1:] = bloch[self.sites]
        if self.average is None:
            h = argument * (self.fields @ z)  # field jump
            phi = np.array([amplitude(*h) for amplitude in self.amplitudes])
            weights = phi.conj()[:, None] * phi
        else:
            weights = self.average.products(z)
        weights = weights.reshape(-1, len(self.sites), 1)
        change = (weights * (full @ self.rates)).sum(axis=0).real
        if self.distinct:
            out[self.sites] += change
        else:
            np.add.at(out, self.sites, change)
        if self.average is not None:
            damping, turning = self.average.back_action(
                z, np.einsum("abi,ki->abk", self.values, full)
            )
            out[:, 0] += -damping * bloch[:, 0] + turning * bloch[:, 1]
            out[:, 1] += -damping * bloch[:, 1] - turning * bloch[:, 0]


def _rate_matrix(a: str, b: str) -> Complex:
    """Matrix from (1, x, y, z) to the derivatives of (x, y, z) for φ_a* φ_b = 1."""
    rows = _spin_adjoint(SPIN_OPERATORS[a], SPIN_OPERATORS[b])
    return np.array([[row.get(k, 0.0) for k in range(4)] for row in rows], dtype=complex)
