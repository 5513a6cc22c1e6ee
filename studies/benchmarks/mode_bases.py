"""What other coordinates of modes would gain: levels, operators, bond at equal error; tables.

Usage: python studies/benchmarks/mode_bases.py [M N bond t ...]

M modes (1 or 3) and N spins, g = 0.9, Omega = 0.5, overlap 0.8, the chain of TDVP, several times.
One mode: uniform pattern, omega = loss = 1. Three: random patterns, unequal modes.

levels: how many hold all but 1e-6 of the populations: of Fock states, of Fock states displaced by
<a>, of natural orbitals (eigenvectors of the state of the mode).
operators: how many vectors of the space of operators on the mode (optimal local basis) hold all but
1e-4, 1e-5, 1e-6 of the norm of the whole state.
bond: all cuts beside modes are truncated to a bond; largest error of <n>, <x>, m_z and <m_z x>,
with the norm of the modes plain, or that around the state of each mixed with 5 % of a thermal one,
tr(A r^-1/2 B r^-1/2). The trace functionals of both sides are kept, as in TDVP.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import scipy.linalg as sl

import tnhop as th
from tnhop.solvers.chain.steps.truncation import (
    TruncationStats,
    right_canonical,
    trace_string,
    truncated_splits,
)

TAIL = 1e-6
OPERATOR_TAILS = (1e-4, 1e-5, 1e-6)
BONDS = (8, 16, 24, 32, 48)


def levels(P):
    """Number of levels that hold all but TAIL."""
    return int(np.argmax(np.cumsum(P) > P.sum() - TAIL)) + 1


def needed_levels(rho):
    """Levels of Fock states, displaced Fock states and natural orbitals."""
    dim = 2 * len(rho)
    wide = np.zeros((dim, dim), dtype=complex)
    wide[: len(rho), : len(rho)] = rho
    a = np.diag(np.sqrt(np.arange(1.0, dim)), 1)
    alpha = np.trace(a @ wide)
    D = sl.expm(alpha.conj() * a - alpha * a.conj().T)  # moves <a> to zero
    displaced = (D @ wide @ D.conj().T).diagonal().real
    return levels(rho.diagonal().real), levels(displaced), levels(np.linalg.eigvalsh(rho)[::-1])


def units(functionals):
    """Return them with norm one."""
    return [f / np.linalg.norm(f) for f in functionals]


def needed_operators(tensors, traces, n):
    """Operators on site n that hold all but the given parts of the norm."""
    chain = right_canonical(tensors, traces)
    for k in range(n):
        Q, R = np.linalg.qr(chain[k].reshape(-1, chain[k].shape[2]))
        chain[k] = Q.reshape(*chain[k].shape[:2], -1)
        chain[k + 1] = np.tensordot(R, chain[k + 1], 1)
    center = chain[n].transpose(1, 0, 2).reshape(chain[n].shape[1], -1)
    values = np.linalg.svd(center, compute_uv=False)
    lost = np.sqrt(np.cumsum(values[::-1] ** 2))[::-1] / np.linalg.norm(values)
    return [int(np.count_nonzero(lost > tail)) for tail in OPERATOR_TAILS]


def truncated(tensors, traces, cuts, bond):
    """Truncate some cuts of a chain, keeping the trace functionals of both sides."""
    chain = right_canonical(tensors, traces)
    for n in range(len(chain) - 1):
        left, size, _ = chain[n].shape
        M = chain[n].reshape(left * size, -1)
        most = bond if n in cuts else len(M)
        behind = np.eye(M.shape[1])[0]
        ((U, C),) = truncated_splits(
            [M], trace_string(traces[n], left), 0.0, most, TruncationStats(), behind
        )
        chain[n] = U.reshape(left, size, -1)
        chain[n + 1] = np.tensordot(C, chain[n + 1], 1)
    return chain


def values(tensors, traces, spins, modes):
    """Return m_z, and <n>, <x> and <m_z x> of every mode; functionals by position."""

    def contracted(*factors):
        found = np.ones(1)
        for n, A in enumerate(tensors):
            found = np.einsum("l,lar,a->r", found, A, dict(factors).get(n, traces[n]))
        return found[0]

    result = [sum(contracted((k, f)) for k, f in spins.items())]
    for k, (n, x) in modes.items():
        result += [contracted((k, n)), contracted((k, x))]
        result += [sum(contracted((k, x), (j, f)) for j, f in spins.items())]
    return np.array(result)


def reference(rho, basis):
    """Coordinates in which tr(A r^-1/2 B r^-1/2) is the plain product: c -> c @ result."""
    dim = len(rho)
    mean = (np.arange(dim) @ rho.diagonal().real).clip(0.1)
    thermal = (mean / (1 + mean)) ** np.arange(dim)
    mixed = 0.95 * rho + 0.05 * np.diag(thermal / thermal.sum())
    found, vectors = np.linalg.eigh(mixed)
    root = (vectors * found.clip(1e-12) ** -0.25) @ vectors.conj().T
    return basis.superoperator(root, root).real.T


def errors(state, xi, transforms):
    """Largest error of the observables after truncation to every bond, in other coordinates.

    Parameters
    ----------
    state : MPSState
        The state.
    xi : ndarray, shape (n_spins,)
        Pattern of m_z.
    transforms : dict of int to ndarray
        Coordinates by position of the mode.
    """
    inverse = {n: np.linalg.inv(T) for n, T in transforms.items()}
    seen = lambda n, f: inverse[n] @ f if n in inverse else f  # noqa: E731
    tensors = [
        np.einsum("lar,ab->lbr", A, transforms[n]) if n in transforms else A
        for n, A in enumerate(state.tensors)
    ]
    traces = [seen(n, basis.trace) for n, basis in enumerate(state.bases)]
    spins, modes = {}, {}
    for n, (site, basis) in enumerate(zip(state.order.tolist(), state.bases, strict=True)):
        if site < state.n_spins:
            sigma = basis.functional(np.diag([1.0, -1.0])).real
            spins[n] = xi[site] / state.n_spins * sigma
        else:
            a = np.diag(np.sqrt(np.arange(1.0, state.dims[site])), 1)
            modes[n] = [seen(n, basis.functional(A + 0j).real) for A in (a.T @ a, a + a.T)]
    cuts = {cut for n in modes for cut in (n - 1, n)}
    exact = values(tensors, traces, spins, modes)
    return [
        np.abs(values(truncated(tensors, units(traces), cuts, bond), traces, spins, modes) - exact)
        .max()
        for bond in BONDS
    ]  # fmt: skip


def problem(n_modes, n_spins):
    """Model and start."""
    if n_modes == 1:
        xi, modes = np.ones((1, n_spins)), {"omega": 1.0, "loss": 1.0}
    else:
        xi = th.random_patterns(n_patterns=n_modes, n_spins=n_spins, rng=7)
        modes = {"omega": [1.0, 0.7, 1.3], "loss": [1.0, 1.2, 0.8]}
    g = th.pattern_couplings(xi, g=0.9)
    model = th.multimode_dicke(g, Omega=0.5, fock_dim=32, **modes)
    return model, th.pattern_state(model, overlap=0.8)


def main(n_modes=1, n_spins=20, bond=96, *times):
    """Run to several times and print both tables."""
    model, state = problem(n_modes, n_spins)
    now, began = 0, time.process_time()
    method = th.TDVP(dt=0.25, max_bond=bond, expansion=6, krylov_tolerance=5e-6, companion=False)
    for t in times or (1, 3, 6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", th.TruncationWarning)
            state = th.evolve(model, state, [0.0, t - now], observables=["occupation"],
                              method=method, progress=False).final_state  # fmt: skip
        now = t
        print(f"t = {t:g}, bonds {state.bond_dims}, {time.process_time() - began:.0f} s")
        traces = units(basis.trace for basis in state.bases)
        around = {}
        for n, site in enumerate(state.order.tolist()):
            if site < n_spins:
                continue
            rho = state.mode_state(site - n_spins)
            fock, displaced, natural = needed_levels(rho)
            found = needed_operators(state.tensors, traces, n)
            print(f"  mode {site - n_spins} at {n}: levels {fock} Fock, {displaced} displaced,"
                  f" {natural} natural; operators {found} of {len(rho) ** 2}")  # fmt: skip
            around[n] = reference(rho, state.bases[n])
        print("  bond       " + " ".join(f"{b:>7}" for b in BONDS))
        for label, coordinates in (("plain", {}), ("reference", around)):
            found = errors(state, model.patterns[0], coordinates)
            print(f"  {label:<10} " + " ".join(f"{e:7.0e}" for e in found), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
