"""Exchange with QuTiP."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tnhop.physics.model import Model
from tnhop.physics.problem import State
from tnhop.physics.states import ProductState
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.classical.configurations import ConfigurationDistribution, ConfigurationSamples
from tnhop.solvers.exact.block_lindbladian import unpack
from tnhop.solvers.exact.dense_state import DenseState, jump_matrix, operator_matrix, product_matrix
from tnhop.solvers.symmetric.class_state import ClassState
from tnhop.support.checks import fail, wrong_type

__all__ = ["to_qutip"]

_LARGEST = 2**12
_MOST_SPINS = 6  # of a symmetric state: it takes 4^N expectation values


def to_qutip(item: Model | State, *, model: Model | None = None) -> Any:
    """Convert a Model to ``(H, c_ops)``, or a state to a density matrix, as QuTiP objects.

    Parameters
    ----------
    item : Model or State
        A model, or a state of any method.
    model : Model, optional
        The model of a ProductState with modes, for their numbers of Fock levels.

    Returns
    -------
    tuple of (Qobj, list of Qobj), or Qobj
        Site 0 is the first tensor factor in both packages; QuTiP stacks columns where it
        vectorises.

    Raises
    ------
    ImportError
        If QuTiP is not installed.
    ValueError
        If the Hilbert space has more than 4096 dimensions; or, for states of classes of spins, if
        there are modes or more than 6 spins.

    Examples
    --------
    >>> import tnhop as th
    >>> H, c_ops = th.to_qutip(th.open_hopfield([[1, -1, 1]], beta=2.0, Omega=0.4))
    >>> H.shape, len(c_ops)
    ((8, 8), 6)
    """
    qutip = _qutip()
    if isinstance(item, Model):
        item.check_constant()
        _check_size(item.hilbert_dim)
        space = [list(item.dims)] * 2
        H = qutip.Qobj(operator_matrix(item.dims, item.hamiltonian), dims=space)
        return H, [qutip.Qobj(jump_matrix(item.dims, jump), dims=space) for jump in item.jumps]
    if isinstance(item, ProductState):
        if len(item.alpha) and model is None:
            raise fail("model", "be given for a state with modes", "it is missing")
        if model is not None and not isinstance(model, Model):
            raise wrong_type("model", "be a Model", model)
        if model is not None and (misfit := item.misfit(model)):
            raise fail("item", "fit the model", misfit)
        dims = model.dims if model is not None else (2,) * len(item.bloch)
        _check_size(_product(dims))
        return qutip.Qobj(unpack(product_matrix(item, dims)), dims=[list(dims)] * 2)
    if isinstance(item, DenseState):
        return qutip.Qobj(item.rho, dims=[list(item.dims)] * 2)
    if isinstance(item, MPSState):
        dims = tuple(map(int, item.dims))
        _check_size(_product(dims))
        return qutip.Qobj(item.to_dense(), dims=[list(dims)] * 2)
    if isinstance(item, ConfigurationDistribution | ConfigurationSamples):
        dims = (2,) * item.size()[0]
        _check_size(_product(dims))
        return qutip.Qobj(_diagonal(item, dims), dims=[list(dims)] * 2)
    if isinstance(item, ClassState):
        return _from_classes(qutip, item)
    raise wrong_type("item", "be a Model or a state", item)


def _from_classes(qutip: Any, state: ClassState) -> Any:
    n_spins = len(state.labels)
    if n_spins > _MOST_SPINS or len(getattr(state, "fock_dims", ())):
        found = f"it is a {type(state).__name__} of {n_spins} spins"
        raise fail("item", f"have at most {_MOST_SPINS} spins and no modes", found,
                   "Solve with `Exact`, or use `reduced_state`.")  # fmt: skip
    rho = state.reduced_state(range(n_spins))
    return qutip.Qobj(rho, dims=[[2] * n_spins] * 2)


def _diagonal(
    state: ConfigurationDistribution | ConfigurationSamples, dims: tuple[int, ...]
) -> sp.csr_array:
    """Return the weights of all configurations, site 0 most significant, as a diagonal matrix."""
    numbers = np.ravel_multi_index(tuple((state.configurations.T < 0).astype(int)), dims)
    weights = np.bincount(numbers, state.weights, _product(dims))
    return sp.csr_array(sp.diags_array(weights))


def _qutip() -> Any:
    try:
        import qutip
    except ImportError as error:
        message = "Function `to_qutip` needs QuTiP. Install it with `pip install tnhop[qutip]`."
        raise ImportError(message) from error
    return qutip


def _product(dims: tuple[int, ...]) -> int:
    total = 1
    for dim in dims:
        total *= dim
    return total


def _check_size(dim: int) -> None:
    if dim > _LARGEST:
        found = f"it has {dim}"
        raise fail("item", f"have at most {_LARGEST} Hilbert space dimensions", found)
