"""One channel on a matrix-product state: quimb's compressions beside that of `TEBD`.

Three random patterns, a state from `TDVP` at t = 1, the channel of a spin in the middle for
dt = 0.1. The truth is quimb's direct compression without truncation. Errors are relative to the
change by the channel, in the weighted norm and of the observables m_z.

Command: python studies/benchmarks/compression.py [N]
Run time: about 1 minute, one thread.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import quimb.tensor as qtn
from quimb.tensor.tn1d.compress import tensor_network_1d_compress

import tnhop as th
from tnhop.solvers.chain.network.mps import MPSState
from tnhop.solvers.chain.network.trotter import lindblad_pieces
from tnhop.solvers.chain.steps.environments import split_core
from tnhop.solvers.chain.steps.tebd_step import TrotterStep
from tnhop.solvers.chain.steps.truncation import TruncationStats, right_canonical

METHODS = ("direct", "dm", "zipup", "zipup-first", "src", "src-first", "fit")
CUTOFF = 1e-6


def state_of(n_spins: int) -> tuple[th.Model, MPSState]:
    """A model and an entangled state."""
    xi = th.random_patterns(n_patterns=3, n_spins=n_spins, rng=7)
    model = th.open_hopfield(xi, beta=2.5, Omega=0.4)
    start = th.pattern_state(model, overlap=0.8)
    return model, th.evolve(model, start, [1.0], method=th.TDVP(cutoff=1e-5)).final_state


def product(cores: Any, tensors: Any) -> qtn.TensorNetwork:
    """The channel on the state, as a network of two layers."""
    n = len(cores)
    mps = [A.transpose(0, 2, 1) for A in tensors]
    mpo = [W.transpose(0, 3, 1, 2) for W in cores]
    mps[0], mps[-1], mpo[0], mpo[-1] = mps[0][0], mps[-1][:, 0], mpo[0][0], mpo[-1][:, 0]
    state = qtn.MatrixProductState(mps, shape="lrp", site_ind_id="b{}", site_tag_id="I{}")
    channel = qtn.MatrixProductOperator(
        mpo, shape="lrud", upper_ind_id="k{}", lower_ind_id="b{}", site_tag_id="I{}"
    )
    network = state & channel
    assert network.num_tensors == 2 * n
    return network


def tensors_of(mps: Any, n: int) -> list[np.ndarray]:
    """Tensors (left, n, right) of quimb's state."""
    mps = mps.copy()
    mps.view_as_(qtn.MatrixProductState, L=n, cyclic=False, site_ind_id="k{}", site_tag_id="I{}")
    mps.permute_arrays("lpr")
    arrays = [np.asarray(A) for A in mps.arrays]
    return [arrays[0][None], *arrays[1:-1], arrays[-1][..., None]]


def overlap(first: Any, second: Any) -> float:
    """Inner product of two chains."""
    E = np.ones((1, 1))
    for A, B in zip(first, second, strict=True):
        E = np.tensordot(A, np.tensordot(E, B, (1, 0)), ((0, 1), (0, 1)))
    return float(E[0, 0])


def distance(first: Any, second: Any) -> float:
    """Norm of the difference of two chains."""
    square = overlap(first, first) - 2 * overlap(first, second) + overlap(second, second)
    return max(square, 0.0) ** 0.5


def main(n_spins: int) -> None:
    """Print one line per compression."""
    model, state = state_of(n_spins)
    pieces = lindblad_pieces(model, epsilon=state.epsilon, ordering=state.order)
    channel = pieces.channel(n_spins // 2, 0.1, 1e-3)
    traces = [b.trace / np.linalg.norm(b.trace) for b in pieces.bases]
    chain = right_canonical(list(state.tensors), traces)
    network = product(channel.cores, chain)
    whole = tensor_network_1d_compress(network, max_bond=None, cutoff=1e-14, method="direct")
    truth = tensors_of(whole, n_spins)
    change = distance(truth, chain)
    m_z = model.select(["m_z"])[0].operators

    def report(name: str, seconds: float, tensors: Any) -> None:
        made, best = (
            MPSState(tuple(chain), state.order, state.dims, state.n_spins, state.epsilon)
            for chain in (tensors, truth)
        )
        off = np.abs(made.expect(m_z) - best.expect(m_z)).max()
        print(
            f"{name:<14} {seconds * 1e3:8.0f} ms   bond {max(made.bond_dims):4d}"
            f"   state {distance(tensors, truth) / change:.1e}   m_z {off:.1e}"
            f"   trace {abs(float(made.trace()) - 1):.1e}",
            flush=True,
        )

    print(f"N = {n_spins}, bond {max(state.bond_dims)} x channel {max(channel.bond_dims)},"
          f" change {change:.1e}")  # fmt: skip
    back = [np.transpose(W, (3, 1, 2, 0)) for W in reversed(channel.cores)]
    like = np.zeros(1)
    pair = tuple([split_core(W, like) for W in cores] for cores in (channel.cores, back))
    for cutoff in (CUTOFF, 10 * CUTOFF):
        for _ in range(2):  # the second time is free of warming up
            began = time.perf_counter()
            step = TrotterStep(
                chain, traces, cutoff, 500, 8, TruncationStats(), np.random.default_rng(0)
            )
            step.channel(*pair)
            seconds = time.perf_counter() - began
        report(f"TEBD {cutoff:g}", seconds, step.chain)
    bond = max(A.shape[2] for A in step.chain)
    for method in METHODS:
        for _ in range(2):  # the second time is free of warming up
            began = time.perf_counter()
            free = "src" in method or method == "fit"  # of a cutoff
            options = {} if free else {"cutoff": CUTOFF * 10, "cutoff_mode": "abs"}
            made = tensor_network_1d_compress(
                network.copy(), max_bond=bond, method=method, **options
            )
            seconds = time.perf_counter() - began
        report(method, seconds, tensors_of(made, n_spins))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
