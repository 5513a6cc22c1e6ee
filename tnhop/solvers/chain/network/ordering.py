"""Order of the sites on a chain: strongly coupled and interchangeable ones together.

Only the symbolic terms are read. Spins with the same strengths to all others stay together, since
one partial sum of σᶻ serves them all; the groups follow the Fiedler vector of their strengths.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from tnhop.physics.jumps import FieldJump
from tnhop.physics.model import Model
from tnhop.physics.terms import Operator
from tnhop.solvers.symmetric.spin_classes import find_classes
from tnhop.support.arrays import Places, Real
from tnhop.support.checks import fail, one_of, real_array

_EQUAL = 1e-9  # relative to the largest strengths of the sites in question
_DEGENERATE = 1e-6  # relative distance of eigenvalues that count as one
_RANK = 1e-6  # smallest singular value that counts, relative to the norm of all couplings
_MAX_GROUPS = 64  # beyond these ranks are too expensive, and generic


def coupling_strengths(model: Model) -> Real:
    r"""Return the strength of the coupling of every two sites in the generator.

    .. math::
        S_{ij} = \sum_{t \ni i,j} |c_t| + \sum_L \sum_{a \cup b \ni i,j} |c_a c_b|
                 + \sum_{\mathtt{FieldJump}} \sum_f |\mathtt{fields}_{fj}|
                 \quad (k = i, \text{ and } i \leftrightarrow j)

    t are the terms of the Hamiltonian, a and b those of one jump; a and b together cover i and j.
    Field jumps whose amplitudes are constants couple nothing.

    Parameters
    ----------
    model : Model
        Any model; only its terms are read.

    Returns
    -------
    ndarray, shape (n_sites, n_sites)
        Symmetric, not negative, zero diagonal.

    Notes
    -----
    Cost: one pass over the terms, and n_terms n_sites² per jump that is a sum on several sites.
    """
    S = np.zeros((model.n_sites,) * 2)
    _add_hamiltonian(S, model.hamiltonian)
    for jump in model.jumps:
        if not isinstance(jump, FieldJump):
            _add_jump(S, jump.operator)
        elif any(amplitude.n_fields for _, amplitude in jump.amplitudes):
            S[jump.site] += np.abs(jump.fields).sum(axis=0)
    S += S.T
    np.fill_diagonal(S, 0.0)
    return S


def _add_hamiltonian(S: Real, H: Operator) -> None:
    """Add the coefficients of the terms to the upper triangle."""
    pairs = [(i, j, abs(t.coefficient)) for t in H for i, j in itertools.combinations(t.sites, 2)]
    if pairs:
        i, j, weight = zip(*pairs, strict=True)
        np.add.at(S, (np.array(i), np.array(j)), weight)


def _add_jump(S: Real, L: Operator) -> None:
    """Add the products of two terms to the upper triangle, all ordered pairs of terms at once.

    With the weights of the terms that act on both sites (B), on one of them alone (I, J) and of all
    terms (W), the products that cover both sites weigh B (2 W - B) + 2 I J.
    """
    sites = L.sites
    if len(sites) < 2:
        return
    acts = np.array([[site in term.sites for site in sites] for term in L], dtype=float)
    weight = np.array([abs(term.coefficient) for term in L])
    both = acts.T @ (weight[:, None] * acts)
    alone = acts.T @ (weight[:, None] * (1 - acts))
    S[np.ix_(sites, sites)] += np.triu(both * (2 * weight.sum() - both) + 2 * alone * alone.T, 1)


def site_order(model: Model, ordering: Any = "auto") -> Places:
    """Return the site at every position of the chain.

    Parameters
    ----------
    model : Model
        Any model.
    ordering : {"auto", "natural"} or array_like of int, shape (n_sites,)
        ``"natural"`` keeps the order of the model; an array is a permutation of the sites.
        ``"auto"`` puts spins together whose strengths to all other sites coincide, and inside such
        a group those that are interchangeable (`find_classes`), by site index. The groups follow
        the Fiedler vector of their total strengths, one connected part after another; modes
        stand at both ends in turn and connect the spins that couple to them.

    Returns
    -------
    ndarray of int, shape (n_sites,)
        ``order[n]`` is the site at position n.

    Raises
    ------
    ValueError
        If `ordering` is neither of the two words nor a permutation.

    Notes
    -----
    Groups of n_g spins: the Fiedler vector is that of the spins among the vectors that are constant
    on groups, (D - W) y = λ diag(n_g) y. In a degenerate eigenspace (three Hebbian patterns) the
    vector nearest to the order of the model is taken. The result is deterministic; its direction
    is such that the smallest site comes early. Cost: n_sites² per group at most, the cube of the
    number of groups and, if any group has two spins, `find_classes` (0.1 s for 200 spins with field
    jumps, 2 s for 200 spins with all pairs in the Hamiltonian).

    Examples
    --------
    >>> from tnhop import long_range_ising
    >>> chain = [[0, 0, 2, 0], [0, 0, 1, 2], [2, 1, 0, 0], [0, 2, 0, 0]]
    >>> site_order(long_range_ising(chain))
    array([0, 2, 1, 3])
    """
    if isinstance(ordering, str):
        remedy = f"Or give a permutation of the {model.n_sites} sites."
        one_of(ordering, "ordering", ["auto", "natural"], remedy)
        return np.arange(model.n_sites) if ordering == "natural" else _auto_order(model)
    return _check_permutation(ordering, "ordering", model.n_sites)


def _check_permutation(value: Any, name: str, n_sites: int) -> Places:
    array = real_array(value, name, (n_sites,), "Give the site at every position.")
    spec = "be a permutation of the sites"
    wrong = array[(array != np.round(array)) | (array < 0) | (array >= n_sites)]
    if wrong.size:
        found = f"it contains {wrong[0]:g} and there are {n_sites} sites"
        raise fail(name, spec, found, "Sites are counted from 0.")
    order = array.astype(np.intp)
    counts = np.bincount(order, minlength=n_sites)
    if counts.max() > 1:
        twice, missing = int(np.argmax(counts > 1)), int(np.argmax(counts == 0))
        found = f"it contains {twice} {counts[twice]} times and {missing} not at all"
        raise fail(name, spec, found)
    return order


def _auto_order(model: Model) -> Places:
    n = model.n_spins
    S = _without_noise(coupling_strengths(model))
    groups = _equal_rows(S, n)
    sizes = np.bincount(groups)
    member = np.eye(len(sizes))[groups]
    W = member.T @ _between_spins(S, n) @ member
    np.fill_diagonal(W, 0.0)
    place = np.empty(len(sizes), dtype=np.intp)
    place[_order_of_groups(W, sizes)] = np.arange(len(sizes))
    # strengths have no signs and hide the classes of several fields, of modes, of collective jumps
    classes = find_classes(model).labels if len(sizes) < n else np.zeros(n, dtype=np.intp)
    spins = np.lexsort((np.arange(n), classes, place[groups]))
    # a mode between two large bonds is dear, one at an end is not: use both ends
    modes = np.arange(n, model.n_sites)
    return np.concatenate([modes[1::2], spins, modes[0::2][::-1]])


def _without_noise(S: Real) -> Real:
    """Remove the rounding of cancelled couplings: tiny beside other strengths of both sites."""
    scale = S.max(axis=1, initial=0.0)
    noise = _EQUAL * np.minimum.outer(scale, scale)
    return np.where(noise < S, S, 0.0)


def _equal_rows(S: Real, n: int) -> NDArray[np.intp]:
    """Group the first n sites whose rows coincide outside their own two entries.

    Groups are numbered by first appearance. Only rows with the same sum are compared.
    """
    labels = np.full(n, -1, dtype=np.intp)
    scale, total = np.abs(S).max(axis=1, initial=0.0), S.sum(axis=1)
    for i in range(n):
        if labels[i] >= 0:
            continue
        label = labels.max() + 1
        free = np.flatnonzero(labels < 0)
        bound = _EQUAL * np.maximum(scale[free], scale[i])
        near = np.abs(total[free] - total[i]) <= len(S) * bound
        free, bound = free[near], bound[near]
        change = np.abs(S[free] - S[i])
        change[:, i] = change[np.arange(len(free)), free] = 0.0
        labels[free[change.max(axis=1) <= bound]] = label
    return labels


def _between_spins(S: Real, n: int) -> Real:
    """Return the strengths between the spins, those through modes included.

    The modes are eliminated from the Laplacian, as inner nodes of a network of resistors.
    """
    W = S[:n, :n].copy()
    if n < len(S):
        modes = np.diag(S[n:].sum(axis=1)) - S[n:, n:]
        W += S[:n, n:] @ np.linalg.pinv(modes, rcond=1e-12, hermitian=True) @ S[n:, :n]
        W = np.maximum(W + W.T, 0.0) / 2
        np.fill_diagonal(W, 0.0)
    return _without_noise(W)


def _order_of_groups(W: Real, sizes: NDArray[np.intp]) -> Places:
    """Return the order of groups, numbered by smallest site, part after connected part."""
    if not len(W):
        return np.zeros(0, dtype=np.intp)
    parts = connected_components(W > 0, directed=False)[1]
    order = []
    for part in dict.fromkeys(parts.tolist()):
        inside = np.flatnonzero(parts == part)
        order.append(inside[_fiedler_order(W[np.ix_(inside, inside)], sizes[inside])])
    return np.concatenate(order)


def _fiedler_order(W: Real, sizes: NDArray[np.intp]) -> Places:
    """Sort the nodes of a connected graph by the second eigenvector of (D - W) y = λ diag(n) y."""
    n = len(W)
    if n < 3:
        return np.arange(n)
    root = np.sqrt(sizes)
    values, vectors = np.linalg.eigh((np.diag(W.sum(axis=1)) - W) / np.outer(root, root))
    lowest = vectors[:, 1:][:, values[1:] <= (1 + _DEGENERATE) * values[1]]
    # a concave ramp: a straight one has no part in the even vectors of a symmetric graph
    ramp = root * np.sqrt(np.arange(n))
    y = (lowest @ (ramp @ lowest) if lowest.shape[1] > 1 else lowest[:, 0]) / root
    # equal values are ties, which the smallest site decides
    y[np.abs(y) < _EQUAL * np.abs(y).max()] = 0.0
    y *= -np.sign(y[np.flatnonzero(y)[0]])
    rank = np.empty(n, dtype=np.intp)
    by_value = np.argsort(y, kind="stable")
    rank[by_value] = np.cumsum(np.diff(y[by_value], prepend=y.min()) > _EQUAL * np.ptp(y))
    return np.lexsort((np.arange(n), rank))


def ordering_cost(couplings: ArrayLike, order: ArrayLike) -> float:
    """Return a figure of merit of an order, smaller is better.

    It is the sum over all cuts of the rank of the couplings across the cut: the number of partial
    sums that an operator must carry. Where more than 64 sites differ in their couplings, ranks are
    those of any matrix; there it is the sum of coupling times distance over the pairs. Compare
    orders of one model only.

    Parameters
    ----------
    couplings : array_like, shape (n_sites, n_sites)
        Symmetric; strengths, or couplings with their signs, whose ranks are those of the fields.
    order : array_like of int, shape (n_sites,)
        Site at every position.

    Returns
    -------
    float
        A whole number if it is a sum of ranks: singular values above 1e-6 of the norm of
        `couplings`.

    Notes
    -----
    Sites with equal rows are taken together, which leaves the singular values as they are. Cost:
    n_sites n_groups³, or n_sites².

    Examples
    --------
    >>> two_pairs = [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
    >>> ordering_cost(two_pairs, [0, 1, 2, 3]), ordering_cost(two_pairs, [0, 2, 1, 3])
    (4.0, 2.0)
    """
    S = real_array(couplings, "couplings", ("n_sites", len(np.asarray(couplings))))
    place = _check_permutation(order, "order", len(S))
    np.fill_diagonal(S, 0.0)
    groups = _equal_rows(S, len(S))
    n_groups = int(groups.max(initial=-1)) + 1
    if n_groups > _MAX_GROUPS:
        position = np.argsort(place)
        return float((np.abs(S) * np.abs(np.subtract.outer(position, position))).sum() / 2)
    norm = np.linalg.norm(S, 2) if len(S) else 0.0
    if norm == 0.0:
        return 0.0
    left = np.cumsum(np.eye(n_groups)[groups[place]], axis=0)
    right = left[-1] - left
    weights = np.sqrt(left[:-1, :, None] * right[:-1, None, :])
    values = np.linalg.svd(weights * _between_groups(S, groups, n_groups), compute_uv=False)
    return float((values > _RANK * norm).sum())


def _between_groups(S: Real, groups: NDArray[np.intp], n_groups: int) -> Real:
    """Return the coupling of a site of one group to another site of the same or another group."""
    first = np.array([np.flatnonzero(groups == g)[0] for g in range(n_groups)])
    last = np.array([np.flatnonzero(groups == g)[-1] for g in range(n_groups)])
    values = S[np.ix_(first, first)]
    np.fill_diagonal(values, S[first, last])
    return values
