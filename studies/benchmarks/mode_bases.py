"""What other coordinates of a mode would gain: levels and bond at equal error; prints tables.

Usage: python studies/benchmarks/mode_bases.py [N]

One mode, uniform pattern, g = 0.9, Omega = 0.5, omega = loss = 1, overlap 0.8, the chain of TDVP.
levels: how many hold all but 1e-6 of the populations: of Fock states, of Fock states displaced by
<a>, of natural orbitals (eigenvectors of the state of the mode).
bond: the cut between spins and mode is truncated to a bond; largest error of <n>, <a>, m_z and
<m_z x>, with the norm of the mode plain, or that around its own state mixed with 5 % of a thermal
one, tr(A r^-1/2 B r^-1/2). The trace functional of the spins is kept, as in TDVP.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import scipy.linalg as sl

import tnhop as th
from tnhop.solvers._sweeps import Tally, kept_split, right_canonical

TAIL = 1e-6
BONDS = (8, 12, 16, 24, 32, 48, 64)
TIMES = (1.0, 3.0, 6.0, 9.0)


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


def center_of(state):
    """Cut the mode off: coordinates (bond, n), and functionals of the spins on the bond."""
    traces = [basis.trace / np.linalg.norm(basis.trace) for basis in state.bases]
    turned = [A.transpose(2, 1, 0) for A in reversed(state.tensors)]
    chain = [A.transpose(2, 1, 0) for A in reversed(right_canonical(turned, traces[::-1]))]
    one, z = np.ones(1), np.zeros(1)
    n_spins = state.n_spins
    for A, basis in zip(chain[:-1], state.bases, strict=False):
        f = basis.functional(np.diag([1.0, -1.0])).real / n_spins
        one, z = (np.einsum("l,lar,a->r", one, A, basis.trace),
                  np.einsum("l,lar,a->r", z, A, basis.trace)
                  + np.einsum("l,lar,a->r", one, A, f))  # fmt: skip
    return chain[-1][:, :, 0], one, z


def errors(C, one, z, basis, transform):
    """Largest error of the observables after truncation to every bond, in other coordinates."""
    dim = basis.matrices.shape[1]
    a = np.diag(np.sqrt(np.arange(1.0, dim)), 1)
    n, x, eye = (basis.functional(A + 0j).real for A in (a.T @ a, a + a.T, np.eye(dim)))

    def values(M):
        return np.array([one @ M @ n, one @ M @ x, z @ M @ eye, z @ M @ x])

    exact, found = values(C), []
    kept = one / np.linalg.norm(one)
    for bond in BONDS:
        U, V = kept_split(C @ transform, kept, 0.0, bond, Tally())
        found.append(np.abs(values(U @ V @ np.linalg.inv(transform)) - exact).max())
    return found


def reference(rho, basis):
    """Coordinates in which tr(A r^-1/2 B r^-1/2) is the plain product; C @ result."""
    dim = len(rho)
    mean = (np.arange(dim) @ rho.diagonal().real).clip(0.1)
    thermal = (mean / (1 + mean)) ** np.arange(dim)
    mixed = 0.95 * rho + 0.05 * np.diag(thermal / thermal.sum())
    values, vectors = np.linalg.eigh(mixed)
    root = (vectors * values.clip(1e-12) ** -0.25) @ vectors.conj().T
    return basis.superoperator(root, root).real.T


def main(N=20, fock_dim=32):
    """Run to several times and print both tables."""
    model = th.multimode_dicke(th.pattern_couplings(np.ones((1, N)), g=0.9), omega=1.0, Omega=0.5,
                               loss=1.0, fock_dim=fock_dim)  # fmt: skip
    method = th.TDVP(dt=0.25, max_bond=96, expansion=6, krylov_tolerance=5e-6)
    state, now = th.pattern_state(model, overlap=0.8), 0.0
    for t in TIMES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", th.TruncationWarning)
            state = th.evolve(model, state, [0.0, t - now], observables=["occupation"],
                              method=method, progress=False).final_state  # fmt: skip
        now, rho = t, state.mode_state(0)
        fock, displaced, natural = needed_levels(rho)
        print(f"t = {t:g}: levels {fock} Fock, {displaced} displaced, {natural} natural")
        C, one, z = center_of(state)
        plain = errors(C, one, z, state.bases[-1], np.eye(C.shape[1]))
        around = errors(C, one, z, state.bases[-1], reference(rho, state.bases[-1]))
        print("  bond       " + " ".join(f"{bond:>7}" for bond in BONDS))
        print("  plain      " + " ".join(f"{e:7.0e}" for e in plain))
        print("  reference  " + " ".join(f"{e:7.0e}" for e in around), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
