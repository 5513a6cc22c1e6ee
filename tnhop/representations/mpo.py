"""Lindbladians as matrix-product operators in a real Hermitian basis.

Two parts share the bonds: terms and ordinary jumps with their exact bond (`_strings`), and
field jumps, whose functions of the fields are interpolated (`_skeleton`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tnhop._checks import fail, integer, real, wrong_type
from tnhop.model import Model
from tnhop.operators import LocalBasis
from tnhop.problem import TruncationWarning
from tnhop.representations._field_chain import field_chain, field_cores
from tnhop.representations._ordering import ordering_cost, site_order
from tnhop.representations._skeleton import FieldTable, field_table, rank_estimate
from tnhop.representations._strings import minimal_chain, real_strings, site_bases

__all__ = [
    "LindbladMPO",
    "lindblad_mpo",
    "ordering_cost",
    "predicted_bond",
    "site_order",
]

Real = NDArray[np.float64]

_CUTS = 2.5  # about how often the error of one cut the errors of whole configurations are

# decompositions of matrices of some hundred rows: more threads only wait for each other
_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@dataclass(frozen=True, eq=False)
class LindbladMPO:
    """A generator on real coordinates of density matrices, as a chain of cores.

    Attributes
    ----------
    cores : tuple of ndarray, shape (n_left, n, n, n_right)
        By position; axes: left bond, outgoing coordinate, incoming coordinate, right bond.
    bases : tuple of LocalBasis
        Coordinates by position.
    order : ndarray, shape (n_sites,)
        Site of the Model at every position.
    max_error : float
        Largest error of a rate (a product of two amplitudes) found on test configurations.
    typical_error : float
        Root mean square of those errors without coherences.
    rate_error : float
        Largest relative error of a population rate found there.
    smallest_rate : float
        Smallest population rate found there; inf without field jumps.
    """

    cores: tuple[Real, ...] = field(repr=False)
    bases: tuple[LocalBasis, ...] = field(repr=False)
    order: NDArray[np.intp] = field(repr=False)
    max_error: float = 0.0
    typical_error: float = 0.0
    rate_error: float = 0.0
    smallest_rate: float = np.inf

    @property
    def bond_dims(self) -> tuple[int, ...]:
        """Bond dimensions of the cuts."""
        return tuple(core.shape[3] for core in self.cores[:-1])

    @property
    def filling(self) -> float:
        """Share of non-zero entries of the cores."""
        return sum(np.count_nonzero(W) for W in self.cores) / sum(W.size for W in self.cores)

    def trace_defect(self) -> float:
        """Return the norm of ⟨⟨1|L relative to the mean row of L: how badly it keeps the trace.

        In the norm of the coordinates; zero up to rounding by construction.
        """
        units = [basis.trace / np.linalg.norm(basis.trace) for basis in self.bases]
        pairs = zip(self.cores, units, strict=True)
        row = _chain_norm([np.tensordot(W, t, (1, 0)) for W, t in pairs])
        # one root of the dimension per site: no float holds 4^N
        scaled = [W.reshape(len(W), -1, W.shape[3]) / W.shape[1] ** 0.5 for W in self.cores]
        return row / _chain_norm(scaled)

    def to_matrix(self) -> Real:
        """Return the generator as a matrix on all coordinates, for few sites."""
        result = np.ones((1, 1, 1))
        for W in self.cores:
            result = np.einsum("abm,mcdn->acbdn", result, W, optimize=True)
            a, c, b, d, n = result.shape
            result = result.reshape(a * c, b * d, n)
        return np.asarray(result[:, :, 0])

    def to_quimb(self) -> Any:
        """Return a quimb MatrixProductOperator: upper legs outgoing, lower ones incoming."""
        import quimb.tensor as qtn

        arrays = [np.transpose(W, (0, 3, 1, 2)) for W in self.cores]
        if len(arrays) == 1:
            return qtn.MatrixProductOperator([arrays[0][0, 0]], shape="lrud")
        arrays[0], arrays[-1] = arrays[0][0], arrays[-1][:, 0]
        return qtn.MatrixProductOperator(arrays, shape="lrud")


def _chain_norm(tensors: Sequence[Real]) -> float:
    """Norm of a chain of tensors (left, n, right), without squaring it."""
    R = np.ones((1, 1))
    for A in tensors:
        R = np.asarray(np.linalg.qr(np.tensordot(R, A, (1, 0)).reshape(-1, A.shape[2]), mode="r"))
    return float(np.linalg.norm(R))


@_one_thread
def lindblad_mpo(
    model: Model,
    *,
    epsilon: float = 1.0,
    ordering: Any = "auto",
    tolerance: float = 1e-5,
    rate_tolerance: float = 1e-3,
    max_bond: int = 1000,
) -> LindbladMPO:
    r"""Return the Lindbladian of a Model as a matrix-product operator on real coordinates.

    Hamiltonian and ordinary jumps are exact, with the bond of Eq. (56): 2r + 2 for Ising couplings
    of rank r. Field jumps are interpolated in the fields, Eqs. (57)-(59) of
    docs/physics.md; the trace is conserved exactly.

    Parameters
    ----------
    model : Model
        The system.
    epsilon : float
        Weight of the non-identity coordinates of spins.
    ordering : str or array_like, shape (n_sites,)
        ``"auto"``, ``"natural"`` or the site at every position.
    tolerance : float
        Accepted error of a product of amplitudes, in the maximum norm, on whole configurations.
    rate_tolerance : float
        Accepted relative error of the rates between populations, which must not be negative.
    max_bond : int
        Refuse generators whose predicted bond is larger.

    Returns
    -------
    LindbladMPO

    Raises
    ------
    ValueError
        If the predicted bond is larger than `max_bond`.

    Warns
    -----
    TruncationWarning
        If the tolerances are not met.

    Notes
    -----
    **Cost**: For field jumps about N D³ operations for the bond D (N = 40, D = 80: 1 s).

    Examples
    --------
    >>> import tnhop as th
    >>> model = th.hebbian_ising(th.random_patterns(n_patterns=2, n_spins=8, rng=1), Omega=0.5)
    >>> max(lindblad_mpo(model).bond_dims)
    4
    """
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    order = site_order(model, ordering)
    bases = tuple(site_bases(model, order, real(epsilon, "epsilon", above=0.0, maximum=1.0)))
    _check_tolerances(tolerance, rate_tolerance)
    integer(max_bond, "max_bond", minimum=1)
    strings, families = real_strings(model, bases, order)
    chain_of_terms = minimal_chain(strings, families)
    table = field_table(model, order)
    if table is None or max_bond < 2 + 2 * 4 ** (model.n_sites // 2):  # what no MPO exceeds
        _refuse_large(_largest_bond(chain_of_terms, table, tolerance, rate_tolerance), max_bond)
    terms = [
        np.einsum("lkr,kab->labr", core, np.array(family.matrices))
        for core, family in zip(chain_of_terms, families, strict=True)
    ]
    if table is None:
        return LindbladMPO(_ended(terms), bases, order)
    chain = field_chain(table, tolerance, rate_tolerance)
    missed = chain.max_error > tolerance or chain.rate_error > rate_tolerance
    if missed or chain.smallest_rate < -1e-13:
        warnings.warn(
            f"The generator errs by {chain.max_error:.1e} (`tolerance` = {tolerance:g}), its"
            f" population rates by {chain.rate_error:.1e} (`rate_tolerance` = {rate_tolerance:g})"
            f" of their value; the smallest is {chain.smallest_rate:.1e}."
            " Use smaller tolerances, or larger ones if this is enough.",
            TruncationWarning,
            stacklevel=2,
        )
    fields = field_cores(chain, bases)
    cores = [_joined(core, *field) for core, field in zip(terms, fields, strict=True)]
    errors = chain.max_error, chain.typical_error, chain.rate_error, chain.smallest_rate
    return LindbladMPO(_ended(cores), bases, order, *errors)


@_one_thread
def predicted_bond(
    model: Model,
    *,
    ordering: Any = "auto",
    tolerance: float = 1e-5,
    rate_tolerance: float = 1e-3,
) -> int:
    """Return about the largest bond that `lindblad_mpo` will need, without building it.

    Parameters
    ----------
    model : Model
        The system.
    ordering, tolerance, rate_tolerance
        As in `lindblad_mpo`.
    """
    _check_tolerances(tolerance, rate_tolerance)
    order = site_order(model, ordering)
    terms = minimal_chain(*real_strings(model, site_bases(model, order, 1.0), order))
    return _largest_bond(terms, field_table(model, order), tolerance, rate_tolerance)


def _check_tolerances(tolerance: float, rate_tolerance: float) -> None:
    real(tolerance, "tolerance", above=0.0, maximum=0.1)
    real(rate_tolerance, "rate_tolerance", above=0.0)


def _largest_bond(
    terms: Sequence[Real], table: FieldTable | None, tolerance: float, rate_tolerance: float
) -> int:
    """Largest bond of terms and field jumps together, the latter estimated at five cuts."""
    bonds = [core.shape[2] for core in terms[:-1]]
    if table is None or not bonds:
        return max(bonds, default=1)
    n_sites, asked = len(terms), (tolerance / _CUTS, rate_tolerance / _CUTS)
    cuts = {min(max(1, k * n_sites // 8), n_sites - 1) for k in (2, 3, 4, 5, 6)}
    back = table.reversed()
    return max(
        bonds[cut - 1] - 2
        + rank_estimate(table, cut, *asked) + rank_estimate(back, n_sites - cut, *asked)
        for cut in cuts
    )  # fmt: skip


def _refuse_large(bond: int, most: int) -> None:
    if bond > most:
        raise fail(
            "max_bond",
            "allow for the generator of the model",
            f"it is {most} while about {bond} are needed",
            "Raise `tolerance` or the temperature, or use fewer patterns;"
            " `Exact` and `Symmetric` do not need an MPO.",
        )


def _joined(terms: Real, forward: Real, flips: Real, backward: Real) -> Real:
    """Put terms and field jumps of a site into one core.

    The states of a cut are: left nodes (the first is "before"), middles of terms, right nodes (the
    first is "after").
    """
    (a, n, _, b), left, right = terms.shape, len(forward), forward.shape[3]
    core = np.zeros((left + a - 2 + len(backward), n, n, right + b - 2 + backward.shape[3]))
    core[:left, :, :, :right] = forward
    core[:left, :, :, right + b - 2 :] = flips
    core[left + a - 2 :, :, :, right + b - 2 :] = backward
    rows = [0, *range(left, left + a - 1)]
    columns = [0, *range(right, right + b - 1)]
    identity = np.eye(n)
    terms[0, :, :, 0] -= identity
    terms[-1, :, :, -1] -= identity
    core[np.ix_(rows, range(n), range(n), columns)] += terms
    return core


def _ended(cores: list[Real]) -> tuple[Real, ...]:
    """Start the chain "before" everything and end it "after"."""
    cores[0] = cores[0][:1]
    cores[-1] = cores[-1][..., -1:]  # behind the last site there is nothing but these two
    return tuple(cores)
