"""Lindbladians as matrix-product operators in a real Hermitian basis.

Two parts share the bonds: terms and ordinary jumps with their exact bond (`term_strings`), and
field jumps, whose functions of the fields are interpolated (`field_interpolation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.operators import LocalBasis
from tnhop.solvers.chain.network.field_drift import Configurations, Drift, drift
from tnhop.solvers.chain.network.field_interpolation import rank_estimate
from tnhop.solvers.chain.network.field_jumps import FieldChain, field_chain, field_cores
from tnhop.solvers.chain.network.field_table import FieldTable, field_table, known_table
from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.solvers.chain.network.ordering import site_order
from tnhop.solvers.chain.network.term_strings import (
    LocalFamily,
    minimal_chain,
    real_strings,
    site_bases,
)
from tnhop.support.arrays import Real
from tnhop.support.checks import fail, integer, real, wrong_type
from tnhop.support.errors import warn
from tnhop.support.threads import one_thread

__all__ = ["LindbladMPO", "lindblad_mpo", "predicted_bond"]


_CUTS = 2.5  # error of whole configurations in units of the error of one cut, about

_KEPT = 2  # interpolations: restarts and sweeps of other parameters ask for the same again

# decompositions of matrices of some hundred rows: more threads only wait for each other


@dataclass(frozen=True, eq=False)
class LindbladMPO:
    """A generator on real coordinates of density matrices, as a chain of cores.

    Attributes
    ----------
    factors : tuple of ndarray, shape (n_left, n, n, n_right), or ModeCore
        By position; axes: left bond, outgoing coordinate, incoming coordinate, right bond.
        Those of modes are sparse.
    bases : tuple of LocalBasis
        Coordinates by position.
    order : ndarray, shape (n_sites,)
        Site of the Model at every position.
    max_error : float
        Largest error of a rate (a product of two amplitudes) found on probe configurations.
    rate_error : float
        Largest relative error of a population rate found there.
    smallest_rate : float
        Smallest population rate found there; inf without field jumps.
    drift : Drift, optional
        What the errors do to single spins; None without field jumps.
    """

    factors: tuple[Real | ModeCore, ...] = field(repr=False)
    bases: tuple[LocalBasis, ...] = field(repr=False)
    order: NDArray[np.intp] = field(repr=False)
    max_error: float = 0.0
    rate_error: float = 0.0
    smallest_rate: float = np.inf
    drift: Drift | None = field(default=None, repr=False)

    @cached_property
    def cores(self) -> tuple[Real, ...]:
        """Dense cores by position, shape (n_left, n, n, n_right)."""
        return tuple(W.to_dense() if isinstance(W, ModeCore) else W for W in self.factors)

    @property
    def bond_dims(self) -> tuple[int, ...]:
        """Bond dimensions of the cuts."""
        return tuple(core.shape[3] for core in self.factors[:-1])

    @property
    def filling(self) -> float:
        """Share of non-zero entries of the cores."""
        return sum(np.count_nonzero(W) for W in self.cores) / sum(W.size for W in self.cores)

    def error_speed(self, transverse: float) -> float:
        """Return how fast errors of Bloch vectors grow, see `Drift.speed`."""
        transverse = real(transverse, "transverse", minimum=0.0)
        return self.drift.speed(transverse) if self.drift else 0.0

    def trace_defect(self) -> float:
        """Return the norm of ⟨⟨1|L relative to the mean row of L: how much of the trace is lost.

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


@one_thread
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
    model.check_constant()
    order = site_order(model, ordering)
    bases = tuple(site_bases(model, order, real(epsilon, "epsilon", above=0.0, maximum=1.0)))
    tolerance, rate_tolerance = _tolerances(tolerance, rate_tolerance)
    tolerance *= model.field_rate
    max_bond = integer(max_bond, "max_bond", minimum=1)
    strings, families = real_strings(model, bases, order)
    chain_of_terms = minimal_chain(strings, families)
    kinds = [model.sites[k].kind for k in order]
    table = field_table(model, order)
    if table is None or max_bond < 2 + 2 * 4 ** (model.n_sites // 2):  # what no MPO exceeds
        _refuse_large(_largest_bond(chain_of_terms, table, tolerance, rate_tolerance), max_bond)
    if table is None:
        plain = zip(chain_of_terms, families, kinds, strict=True)
        return LindbladMPO(_with_open_ends([_site_core(*site) for site in plain]), bases, order)
    jumps = tuple(jump for jump in model.jumps if isinstance(jump, FieldJump))
    positions = tuple(order.tolist()), model.n_spins
    chain, errors_of_spins = _interpolated(jumps, *positions, tolerance, rate_tolerance)
    missed = chain.max_error > tolerance or chain.rate_error > rate_tolerance
    if missed or chain.smallest_rate < 0:
        warn(
            f"The generator errs by {chain.max_error:.1e} (`tolerance` = {tolerance:g}), its"
            f" population rates by {chain.rate_error:.1e} (`rate_tolerance` = {rate_tolerance:g})"
            f" of their value; the smallest is {chain.smallest_rate:.1e}."
            " Use smaller tolerances, or larger ones if this is enough."
        )
    sites = zip(chain_of_terms, families, kinds, field_cores(chain, bases), strict=True)
    factors = _with_open_ends([_combined_core(weights, *site) for weights, *site in sites])
    errors = chain.max_error, chain.rate_error, chain.smallest_rate
    return LindbladMPO(factors, bases, order, *errors, errors_of_spins)


@lru_cache(maxsize=_KEPT)
def _interpolated(
    jumps: tuple[FieldJump, ...], order: tuple[int, ...], n_spins: int,
    tolerance: float, rate_tolerance: float,
) -> tuple[FieldChain, Drift]:  # fmt: skip
    """Return the interpolated field jumps: the same for all Hamiltonians, starts and weights."""
    table = known_table(jumps, order, n_spins).resolving(tolerance)
    chain = field_chain(table, tolerance, rate_tolerance)
    return chain, drift(chain, Configurations(table))


@one_thread
def predicted_bond(
    model: Model,
    *,
    ordering: Any = "auto",
    tolerance: float = 1e-5,
    rate_tolerance: float = 1e-3,
    enough: int | None = None,
) -> int:
    """Estimate the largest bond that `lindblad_mpo` will need, without building it.

    Parameters
    ----------
    model : Model
        The system.
    ordering, tolerance, rate_tolerance
        As in `lindblad_mpo`.
    enough : int, optional
        The estimate stops once it exceeds this bond: a larger result is only a lower bound.
    """
    if not isinstance(model, Model):
        raise wrong_type("model", "be a Model", model)
    model.check_constant()
    tolerance, rate_tolerance = _tolerances(tolerance, rate_tolerance)
    tolerance *= model.field_rate
    if enough is not None:
        enough = integer(enough, "enough", minimum=1)
    order = site_order(model, ordering)
    terms = minimal_chain(*real_strings(model, site_bases(model, order, 1.0), order))
    return _largest_bond(terms, field_table(model, order), tolerance, rate_tolerance, enough)


def _tolerances(tolerance: Any, rate_tolerance: Any) -> tuple[float, float]:
    return (
        real(tolerance, "tolerance", above=0.0, maximum=0.1),
        real(rate_tolerance, "rate_tolerance", above=0.0),
    )


def _largest_bond(
    terms: Sequence[Real], table: FieldTable | None, tolerance: float, rate_tolerance: float,
    enough: int | None = None,
) -> int:  # fmt: skip
    """Largest bond of terms and field jumps together, the latter estimated at up to five cuts."""
    bonds = [core.shape[2] for core in terms[:-1]]
    largest = max(bonds, default=1)
    if table is None or not bonds:
        return largest
    n_sites, tolerances = len(terms), (tolerance / _CUTS, rate_tolerance / _CUTS)
    cuts = [min(max(1, k * n_sites // 8), n_sites - 1) for k in (4, 3, 5, 2, 6)]
    mirrored = _reversed(table)
    for cut in dict.fromkeys(cuts):
        bond = bonds[cut - 1] - 2 + rank_estimate(table, cut, *tolerances)
        if enough is None or bond <= enough:
            bond += rank_estimate(mirrored, n_sites - cut, *tolerances)
        largest = max(largest, bond)
        if enough is not None and largest > enough:
            break
    return largest


@lru_cache(maxsize=_KEPT)
def _reversed(table: FieldTable) -> FieldTable:
    return table.reversed()


def _refuse_large(bond: int, max_bond: int) -> None:
    if bond > max_bond:
        raise fail(
            "max_bond",
            "allow for the generator of the model",
            f"it is {max_bond} while about {bond} are needed",
            "Raise `tolerance` or the temperature, or use fewer patterns;"
            " `Exact` and `Symmetric` do not need an MPO.",
        )


def _site_core(weights: Real, family: LocalFamily, kind: str) -> Real | ModeCore:
    """Return the core of weights (n_left, n_matrices, n_right), a sparse one for modes."""
    if kind == "mode":
        return ModeCore(weights, tuple(family.matrices))
    matrices = np.array([M.toarray() for M in family.matrices])
    return np.einsum("lkr,kab->labr", weights, matrices)


def _combined_core(
    weights: Real, family: LocalFamily, kind: str, fields: tuple[Real, Real, Real]
) -> Real | ModeCore:
    """Combine terms and field jumps of a site into one core.

    The states of a cut are: left nodes (the first is "before"), middles of terms, right nodes (the
    first is "after").
    """
    forward, flips, backward = fields
    terms, left, right = _site_core(weights, family, kind), len(forward), forward.shape[3]
    if isinstance(terms, ModeCore):  # of the superoperators, number 0 is the identity
        middle, identity = weights[:, :, None], np.eye(len(family.matrices))[0, :, None]
    else:
        middle, identity = terms, np.eye(terms.shape[1])
    a, b = len(weights) - 2, weights.shape[2] - 2
    shape = left + a + len(backward), *middle.shape[1:3], right + b + backward.shape[3]
    core = np.zeros(shape)
    through = 1.0 if forward.shape[1:3] == middle.shape[1:3] else identity[..., None]
    core[:left, :, :, :right] = forward * through
    core[:left, :, :, right + b :] = flips * through
    core[left + a :, :, :, right + b :] = backward * through
    rows, columns = [0, *range(left, left + a + 1)], [0, *range(right, right + b + 1)]
    middle = middle.copy()
    middle[0, :, :, 0] -= identity
    middle[-1, :, :, -1] -= identity
    core[np.ix_(rows, range(shape[1]), range(shape[2]), columns)] += middle
    return ModeCore(core[:, :, 0], terms.matrices) if isinstance(terms, ModeCore) else core


def _with_open_ends(cores: Sequence[Real | ModeCore]) -> tuple[Real | ModeCore, ...]:
    """Let the chain begin in state "before" and end in state "after"."""
    *others, last = cores[0][:1], *cores[1:]
    return (*others, last[..., -1:])  # beyond the last site there are only these two
