"""Chains of tensors without their physics: environments, Schmidt values, splitting.

Legs are ``vL a vR``: left bond, coordinate of the site, right bond.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.operators import LocalBasis, mode_basis, spin_basis
from tnhop.support.arrays import Places, Real
from tnhop.support.checks import (
    check_shape,
    fail,
    integer,
    integers,
    members,
    real,
    shown,
    wrong_type,
)

_ALL_PAIRS = 32  # spins up to which the witness takes all pairs
_FLOOR = 2.0**-50  # relative weight below which a Schmidt vector is rounding


def contract_site(tensor: Real, f: Real) -> Real:
    """Return the matrix of a tensor with a functional on its coordinate, legs vL vR."""
    return np.asarray(np.tensordot(tensor, f, axes=(1, 0)))


def witness_pairs(spins: Sequence[int]) -> list[tuple[int, int]]:
    """All pairs of spins, or in long chains neighbours and one far partner of every spin."""
    N = len(spins)
    if N <= _ALL_PAIRS:
        return [(spins[i], spins[j]) for i in range(N) for j in range(i)]
    return [*pairwise(spins), *((spins[k], spins[(k + N // 2) % N]) for k in range(N))]


def squared_norm(tensors: Sequence[Real]) -> float:
    """Return the squared norm of the vector of a chain."""
    E = np.ones((1, 1))
    for A in tensors:
        half = np.tensordot(E, A, axes=(1, 0))  # vL* [vL], [vL] a vR
        E = np.tensordot(A, half, axes=((0, 1), (0, 1)))  # [vL*] [a] vR*, [vL*] [a] vR
    return float(E[0, 0])


def schmidt(tensors: Sequence[Real]) -> list[Real]:
    """Return the singular values at every cut, without any prior canonical form.

    Notes
    -----
    *Cost.* n_sites · dim² · bond³: a QR sweep from the right, then an SVD sweep from the left.
    """
    chain = list(tensors)
    for n in range(len(chain) - 1, 0, -1):
        left, size, right = chain[n].shape
        Q, R = np.linalg.qr(chain[n].reshape(left, size * right).T)  # (a vR) k, k vL
        chain[n] = Q.T.reshape(-1, size, right)  # vL a vR
        chain[n - 1] = np.tensordot(chain[n - 1], R, axes=(2, 1))  # vL a [vR], k [vL]
    values, carry = [], np.ones((1, 1))
    for tensor in chain[:-1]:
        theta = np.tensordot(carry, tensor, axes=(1, 0))  # k [vL], [vL] a vR
        _, s, Vh = np.linalg.svd(theta.reshape(-1, theta.shape[2]), full_matrices=False)
        values.append(s)
        carry = s[:, None] * Vh
    return values


def split_vector(vector: Real, sizes: Sequence[int], cutoff: float) -> list[Real]:
    """Split a vector into a chain by SVDs from the left; the last tensor carries the norm.

    Parameters
    ----------
    vector : ndarray, shape (product of sizes,)
        Coordinates, the first site most significant.
    sizes : sequence of int
        Number of coordinates of every site.
    cutoff : float
        Relative weight (root of the sum of squares) that is discarded at every cut.
    """
    chain, remainder, bond = [], vector.reshape(1, -1), 1
    for size in sizes[:-1]:
        U, s, Vh = np.linalg.svd(remainder.reshape(bond * size, -1), full_matrices=False)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2))[::-1]  # weight of what follows, itself included
        kept = max(1, int(np.count_nonzero(tails > max(cutoff, _FLOOR) * tails[0])))
        chain.append(U[:, :kept].reshape(bond, size, kept))
        remainder, bond = s[:kept, None] * Vh[:kept], kept
    return [*chain, remainder.reshape(bond, sizes[-1], 1)]


def geometry(dims: Any, order: Any, n_spins: Any) -> tuple[list[int], list[int], int]:
    """Check dimensions of the sites, sites by position, and how many sites are spins."""
    dims = integers(dims, "dims", minimum=2, maximum=10**6)
    n_sites = len(dims)
    order = integers(order, "order", minimum=0)
    if sorted(order) != list(range(n_sites)) or not n_sites:
        found = f"it is {shown(order)}"
        raise fail("order", f"hold every one of the {n_sites} sites once", found)
    n_spins = integer(n_spins, "n_spins", minimum=0, maximum=n_sites)
    if set(dims[:n_spins]) - {2}:
        found = f"dims = {shown(dims)} and n_spins = {n_spins}"
        raise fail("dims", "begin with a 2 for every spin", found)
    return dims, order, n_spins


def checked_weight(epsilon: Any) -> float:
    """Check the weight ε of the coordinates of spins, by which they are also divided."""
    return real(real(epsilon, "epsilon", above=0.0), "epsilon", minimum=1e-30, maximum=1e30)


def check_chain(tensors: Any, order: list[int], dims: list[int]) -> tuple[Real, ...]:
    """Refuse tensors that do not form a chain over the sites."""
    n_sites = len(dims)
    tensors = tuple(members(tensors, "tensors", "be real arrays, one per site", np.ndarray))
    if len(tensors) != n_sites:
        raise fail("tensors", "be one per site", f"there are {len(tensors)} for {n_sites} sites")
    bond = 1
    for n, (tensor, site) in enumerate(zip(tensors, order, strict=True)):
        if tensor.dtype.kind != "f":
            raise wrong_type(f"tensors[{n}]", "be a real array", tensor)
        right: int | str = 1 if n == n_sites - 1 else "bond"
        check_shape(tensor, f"tensors[{n}]", (bond, dims[site] ** 2, right))
        bond = tensor.shape[2]
    return tensors


def reduced_coordinates(
    positions: Sequence[int],
    tensors: Sequence[Real],
    traced: Sequence[Real],
    left: Sequence[Real],
    right: Sequence[Real],
) -> Real:
    """Return the coordinates of the reduced state at some rising positions, raveled.

    Tensors, the same with the trace functional, and environments of the trace on both sides.
    """
    if not positions:
        return right[0]
    stack = left[positions[0]][None]  # coordinates so far, vR
    for here, following in pairwise(positions):
        gap = np.eye(tensors[here].shape[2])
        for matrix in traced[here + 1 : following]:
            gap = gap @ matrix
        stack = np.tensordot(stack, tensors[here] @ gap, axes=(1, 0)).reshape(-1, gap.shape[1])
    last = positions[-1]
    return np.asarray(stack @ (tensors[last] @ right[last + 1])).ravel()


def coordinates_of(
    rho: NDArray[np.complex128],
    dims: Sequence[int],
    order: Sequence[int],
    bases: Sequence[LocalBasis],
) -> Real:
    """Return the coordinates of a Hermitian matrix by position, raveled; rho is in site order."""
    axes = [axis for site in order for axis in (site, len(dims) + site)]
    vector = rho.reshape((*dims, *dims)).transpose(axes).ravel()  # i1 j1 i2 j2 ...
    for basis in bases:
        dual = basis.duals.transpose(0, 2, 1).reshape(basis.size, -1)  # a, (i j)
        vector = (dual @ vector.reshape(basis.size, -1)).T.ravel()  # the next site comes first
    return np.array(vector.real)


def matrix_of(
    vector: Real, bases: Sequence[LocalBasis], order: Sequence[int]
) -> NDArray[np.complex128]:
    """Return the matrix of raveled coordinates; factor k of it belongs to ``bases[order[k]]``."""
    elements = vector.astype(complex)
    for basis in bases:
        B = basis.matrices.reshape(basis.size, -1)  # a, (i j)
        elements = (B.T @ elements.reshape(basis.size, -1)).T.ravel()  # the next site comes first
    shape = [basis.matrices.shape[1] for basis in bases for _ in "ij"]
    axes = [2 * k for k in order] + [2 * k + 1 for k in order]
    dim = int(np.prod(shape[::2]))
    return elements.reshape(shape).transpose(axes).reshape(dim, dim)


def characteristic_function(
    angles: NDArray[Any], counted: Iterable[tuple[Real, Real | None, Any]]
) -> NDArray[np.complex128]:
    """⟨exp(-i Σ_μ θ_μ n_μ)⟩ of the numbers n_μ of spins that agree with pattern μ.

    Parameters
    ----------
    angles : ndarray, shape (n_phases, n_patterns)
        The angles θ.
    counted : iterable of (ndarray, ndarray or None, ndarray)
        By position: the matrices (vL vR) of the trace and of σᶻ, and which patterns are +1; None
        for σᶻ at a site that is not counted.
    """
    total = np.exp(-1j * angles.sum(axis=1))[:, None]
    stack = np.ones((len(angles), 1), dtype=complex)  # phase, vR
    for T, Z, is_up in counted:
        if Z is None:
            stack = stack @ T
            continue
        # a spin up agrees with the patterns of +1, a spin down with the others
        up = np.exp(-1j * (angles @ is_up))[:, None]
        down = total * up.conj()
        stack = (up + down) / 2 * (stack @ T) + (up - down) / 2 * (stack @ Z)
    return stack[:, 0]


def to_quimb(tensors: Sequence[NDArray[Any]]) -> Any:
    """Return a quimb MatrixProductState; its ends have no outer legs."""
    import quimb.tensor as qtn  # slow to import

    arrays = [A.transpose(0, 2, 1) for A in tensors]  # vL vR a
    arrays[0] = arrays[0][0]
    arrays[-1] = arrays[-1][..., 0, :]
    return qtn.MatrixProductState(arrays, shape="lrp")


def from_quimb(mps: Any) -> tuple[NDArray[Any], ...]:
    """Return the tensors of a quimb MatrixProductState, legs vL a vR."""
    if not isinstance(getattr(mps, "cyclic", None), bool) or not hasattr(mps, "permute_arrays"):
        raise wrong_type("mps", "be a quimb MatrixProductState", mps)
    if mps.cyclic:
        raise fail("mps", "have open boundaries", "it is cyclic")
    copied = mps.copy()
    copied.permute_arrays("lrp")
    arrays = [np.asarray(copied[n].data) for n in range(copied.L)]
    arrays[0] = arrays[0][None]
    arrays[-1] = arrays[-1][..., None, :]
    if copied.exponent:  # quimb may carry powers of ten beside its tensors
        arrays[0] = arrays[0] * 10.0 ** float(copied.exponent)
    return tuple(A.transpose(0, 2, 1) for A in arrays)


def local_bases(dims: Places, order: Places, n_spins: int, epsilon: float) -> list[LocalBasis]:
    """Bases by position."""
    spin = spin_basis(epsilon)
    return [spin if site < n_spins else mode_basis(int(dims[site])) for site in order.tolist()]
