"""`TDVP` and `TEBD` against a swap network written with quimb, one thread; prints tables.

Usage: python studies/benchmarks/swap_network.py [check] [tdvp] [tebd] [quimb] [N=20] [t=2]
                          [dt=0.25,0.1,0.05] [chi=16,32,64] [split=svd,svd:eig]

Hebbian Ising, p = 3 random patterns (seed 7), Omega = 0.5, decay 0.5, pumping 0.1, from a product
state of overlap 0.8. Error: largest deviation of sigma_z and of m_x, m_y, m_z at t = 0.5, 1, ...
from `TDVP` at tight settings, whose own error is estimated by a second tight run (N <= 8: from
`Exact`). check: both methods against `Exact` at N = 8.

The quimb side is what a user of quimb would write: density matrices as matrix-product states of
real Pauli coordinates, dimension 4, Frobenius norm; a Trotter step of second order; all commuting
pair terms exactly, by N layers of neighbouring gates with swaps (odd-even transposition: every pair
meets once); local channels fused into the first layer, so that they cost nothing; sweeps that keep
the orthogonality centre at the gate; expectation values divided by the trace. It gets the site
order of `TDVP`. quimb's compilation is outside the times, as is the import of both. Seconds are
those of the processor.
"""

from __future__ import annotations

import os
import sys
import time
import warnings

import numpy as np
from scipy.linalg import expm
from threadpoolctl import threadpool_limits

import tnhop as th
from tnhop.solvers.chain.network.ordering import site_order

OMEGA, DECAY, PUMPING, OVERLAP, SPACING = 0.5, 0.5, 0.1, 0.8, 0.5
NAMES = ["sigma_z", "m_x", "m_y", "m_z"]
TIGHT = [
    {"cutoff": 1e-7, "dt": 0.1, "max_bond": 128, "expansion": 8},
    {"cutoff": 3e-7, "dt": 0.125, "max_bond": 128, "epsilon": 0.4},
]
SETTINGS = [
    {"cutoff": 1e-2, "dt": 0.5},
    {"cutoff": 3e-3, "dt": 0.5},
    {"cutoff": 1e-3, "dt": 0.5},
    {"cutoff": 3e-4, "dt": 0.5},
    {"cutoff": 1e-4, "dt": 0.5},
    {"cutoff": 3e-5, "dt": 0.5},
    {"cutoff": 3e-5, "dt": 0.25},
    {},
    {"cutoff": 1e-5, "dt": 0.25},
    {"cutoff": 3e-6, "dt": 0.25},
    {"cutoff": 1e-6, "dt": 0.125},
]
GATES = [
    {"cutoff": 1e-3, "dt": 0.25, "order": 4},
    {"cutoff": 1e-4, "dt": 0.25, "order": 4},
    {"cutoff": 1e-5, "dt": 0.25, "order": 4},
    {"cutoff": 1e-4, "dt": 0.1},
    {"cutoff": 1e-5, "dt": 0.125, "order": 4},
]
PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
BASIS = PAULI / np.sqrt(2)


def problem(n_spins, end):
    """Return model, start and output times."""
    xi = th.random_patterns(3, n_spins, rng=7)
    model = th.hebbian_ising(xi, Omega=OMEGA, decay=DECAY, pumping=PUMPING)
    times = np.linspace(0, end, round(end / SPACING) + 1)
    return model, th.pattern_state(model, overlap=OVERLAP), times


# The swap network.


def superoperator(act):
    """Return the real matrix of a map of one-spin operators."""
    return np.array([[np.trace(a @ act(b)).real for b in BASIS] for a in BASIS])


def local_generator():
    """Return the real 4 x 4 generator of one spin."""
    x = PAULI[1]
    lower = np.array([[0, 0], [1, 0]])

    def act(rho):
        total = -1j * OMEGA * (x @ rho - rho @ x)
        for rate, jump in ((DECAY, lower), (PUMPING, lower.T)):
            gain = jump.T @ jump
            total = total + rate * (jump @ rho @ jump.T - (gain @ rho + rho @ gain) / 2)
        return total

    return superoperator(act)


def swapped_pair(J, dt):
    """Return SWAP exp(dt L) for H = -J ZZ on two spins, as a real 16 x 16 matrix."""
    zz = np.kron(PAULI[3], PAULI[3])
    basis = [np.kron(a, b) for a in BASIS for b in BASIS]
    L = np.array([[np.trace(a @ (1j * J * (zz @ b - b @ zz))).real for b in basis] for a in basis])
    return expm(dt * L).reshape(4, 4, 16).transpose(1, 0, 2).reshape(16, 16)


class SwapNetwork:
    """A density matrix in quimb's MatrixProductState, and the steps of the network."""

    def __init__(self, model, dt, chi, split, cutoff=1e-10):
        import quimb.tensor as qtn

        xi = np.asarray(model.patterns)
        self.J, self.dt = th.hebb(xi), dt
        self.order = site_order(model).copy()
        bloch = np.zeros((model.n_spins, 4))
        bloch[:, 0], bloch[:, 3] = 1.0, OVERLAP * xi[0]
        vectors = bloch[self.order] / np.sqrt(2)
        n = len(vectors)
        shape = lambda k: (1,) * (2 - (k in (0, n - 1))) + (4,)  # noqa: E731
        self.mps = qtn.MatrixProductState([v.reshape(shape(k)) for k, v in enumerate(vectors)])
        self.options = {"max_bond": chi, "cutoff": cutoff, "method": split, "renorm": False}
        L = local_generator()
        self.half, self.whole = expm(dt / 2 * L), expm(dt * L)
        self._pairs = {}
        self.begun, self.center, self.offset, self.largest = False, 0, 0, 1

    def pair(self, J):
        """Return the gate of a pair; the couplings take few values."""
        key = round(J, 12)
        if key not in self._pairs:
            self._pairs[key] = swapped_pair(J, self.dt)
        return self._pairs[key]

    def step(self):
        """Advance by dt, but for the last half of the local channels."""
        n = len(self.order)
        before = self.whole if self.begun else self.half
        before = np.kron(before, before)
        for layer in range(n):
            bonds = range(layer % 2, n - 1, 2)
            rightwards = layer % 2 == 0
            for i in bonds if rightwards else reversed(bonds):
                J = self.J[self.order[i], self.order[i + 1]]
                gate = self.pair(J) @ before if layer == 0 else self.pair(J)
                self._move_to(i, i + 1)
                absorb = "right" if rightwards else "left"
                self.mps.gate_split_(gate, (i, i + 1), absorb=absorb, **self.options)
                self.center = i + 1 if rightwards else i
                self.order[[i, i + 1]] = self.order[[i + 1, i]]
        self.begun = True
        self.largest = max(self.largest, self.mps.max_bond())

    def _move_to(self, left, right):
        while self.center < left:
            self.mps.left_canonize_site(self.center)
            self.center += 1
        while self.center > right:
            self.mps.right_canonize_site(self.center)
            self.center -= 1

    def bloch(self):
        """Return Bloch vectors by spin, shape (n_spins, 3)."""
        mps, n = self.mps, len(self.order)
        tensors = []
        for k in range(n):
            left = [mps.bond(k - 1, k)] if k else []
            right = [mps.bond(k, k + 1)] if k < n - 1 else []
            A = mps[k].transpose(*left, mps.site_ind(k), *right).data
            tensors.append(A.reshape(A.shape[0] if k else 1, 4, -1))
        behind = [np.ones(1)]
        for A in reversed(tensors[1:]):
            behind.append(A[:, 0] @ behind[-1])
        ahead, found = np.ones(1), np.empty((n, 3))
        for k, A in enumerate(tensors):
            v = ahead @ (A @ behind[n - 1 - k]).reshape(len(ahead), 4)
            v = self.half @ v if self.begun else v
            found[self.order[k]] = v[1:] / v[0]
            ahead = ahead @ A[:, 0]
        self.trace = float(ahead[0]) * 2 ** (n / 2)
        return found


def by_quimb(model, times, dt, chi, split):
    """Return values and seconds of the swap network, and what to print."""
    xi = np.asarray(model.patterns)
    began = time.process_time()
    network = SwapNetwork(model, dt, chi, split)
    bloch = [network.bloch()]
    for _ in times[1:]:
        for _ in range(round(SPACING / dt)):
            network.step()
        bloch.append(network.bloch())
    seconds = time.process_time() - began
    x, y, z = np.moveaxis(np.array(bloch), 2, 0)
    overlaps = {f"m_{a}": v @ xi.T / xi.shape[1] for a, v in zip("xyz", (x, y, z), strict=True)}
    note = f"bond {network.largest:>3}, trace off by {abs(network.trace - 1):.1e}"
    return {"sigma_z": z, **overlaps}, seconds, note


# TDVP and the comparison.


def by_tdvp(model, state, times, engine=th.TDVP, **options):
    """Return values and seconds of `TDVP` or `TEBD`, the generator or the gates included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        began = time.process_time()
        result = th.evolve(model, state, times, observables=NAMES, method=engine(**options))
        seconds = time.process_time() - began
    s = result.stats
    bar = max(float(result.errors[n].max()) for n in NAMES)
    generator = s.get("generator_bond", "-")
    note = f"bond {s['largest_bond']:>3}, generator {generator}, error bar {bar:.1e}"
    return result.expect, seconds, note


def distance(values, reference):
    """Return the largest deviations of sigma_z and of the overlaps."""
    off = {n: float(np.abs(values[n] - reference[n]).max()) for n in NAMES}
    return off["sigma_z"], max(off["m_x"], off["m_y"], off["m_z"])


def row(label, found, reference):
    """Print a row; return error and seconds."""
    values, seconds, note = found
    site, overlap = distance(values, reference)
    print(f"{label:<46} {site:>10.1e} {overlap:>10.1e} {seconds:>8.2f}  {note}", flush=True)
    return max(site, overlap), seconds


def words(options):
    """Return settings in words."""
    return ", ".join(f"{k} {v:g}" for k, v in options.items()) or "default"


def references(model, state, times):
    """Return reference values; print how good they are."""
    if model.n_spins <= 8:
        method = th.Exact(tolerance=1e-10)
        return th.evolve(model, state, times, observables=NAMES, method=method).expect
    runs = [by_tdvp(model, state, times, **options) for options in TIGHT]
    for options, found in zip(TIGHT, runs, strict=True):
        row(f"reference, {words(options)}"[:46], found, runs[0][0])
    return runs[0][0]


def best(rows, error):
    """Return the cheapest row with an error no larger than asked, and the best error of all."""
    good = [r for r in rows if r[0] <= error * 1.05]
    return min(good, key=lambda r: r[1]) if good else None


def compared(n_spins, end, cases, dts, chis, splits):
    """Print all rows and the ratio of times at equal error."""
    model, state, times = problem(n_spins, end)
    print(f"N = {n_spins}, t <= {end:g}; {'':<31} {'sigma_z':>8} {'overlaps':>10} {'s':>8}")
    reference = references(model, state, times)
    ours, theirs = [], []
    if "tdvp" in cases:
        ours = [row(f"TDVP, {words(o)}", by_tdvp(model, state, times, **o), reference)
                for o in SETTINGS]  # fmt: skip
    if "tebd" in cases:
        for options in GATES:
            found = by_tdvp(model, state, times, th.TEBD, **options)
            ours.append(row(f"TEBD, {words(options)}", found, reference))
    if "quimb" in cases:
        warm = problem(6, SPACING)[0]
        for split in splits:  # compiles
            by_quimb(warm, np.array([0.0, SPACING]), SPACING, 8, split)
        for split in splits:
            for chi in chis:
                for dt in dts:
                    found = by_quimb(model, times, dt, chi, split)
                    label = f"quimb, dt {dt:g}, chi {chi}, {split}"
                    theirs.append(row(label, found, reference))
    for error, seconds in theirs:
        mine = best(ours, error)
        if mine:
            print(f"at {error:.1e} and below: ours {mine[1]:.2f} s, quimb {seconds:.2f} s,"
                  f" ratio {seconds / mine[1]:.1f}")  # fmt: skip
    for error, seconds in ours:
        other = best(theirs, error)
        text = f"{other[1]:.2f} s, ratio {other[1] / seconds:.1f}" if other else "not reached"
        print(f"ours {error:.1e} in {seconds:.2f} s; cheapest quimb run as good: {text}")


def asked(word, name, default):
    """Return the values behind name=."""
    found = [w.partition("=")[2] for w in word if w.startswith(name + "=")]
    return [type(default[0])(v) for v in found[0].split(",")] if found else default


if __name__ == "__main__":
    print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    given = sys.argv[1:]
    cases = [w for w in given if "=" not in w] or ["check", "tdvp", "tebd", "quimb"]
    dts, chis = asked(given, "dt", [0.25, 0.1, 0.05]), asked(given, "chi", [16, 32, 64])
    splits = asked(given, "split", ["svd"])
    with threadpool_limits(1):
        if "check" in cases:
            compared(8, 1.0, ("tdvp", "quimb"), [0.1, 0.05, 0.025], [64, 256], ["svd"])
        if {"tdvp", "tebd", "quimb"} & set(cases):
            n_spins, end = asked(given, "N", [20])[0], asked(given, "t", [2.0])[0]
            compared(n_spins, end, cases, dts, chis, splits)
