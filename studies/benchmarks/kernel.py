"""Where `TDVP` spends its time and how fast its kernel is, one thread; prints tables.

Usage: python studies/benchmarks/kernel.py [shares] [rates] [parity] [torch]

shares: parts of a run at N = 20, p = 1, beta = 2.5, Omega = 0.4, overlap 0.8, t <= 4.
rates: operations per second of effective generators at bond 64 with real cores from the middle of
generators (p = 1, N = 20 and p = 3, N = 16, beta = 2.5), random environments, beside a product of
two 1000 x 1000 matrices measured in turn. parity: the time of one application in blocks of either
parity of the number of factors sigma^x beside that in one block, generators of p = 1, N = 40 and
p = 3, N = 24, 29 % of the bond states odd; then whole runs, where a start turned by 1e-11 towards x
is computed in one block. torch: rates with torch, where it is installed, and the whole run.

Only the products that are made count: 2 m n k each (8 m n k for complex numbers in GFLOP/s; the
ratio of times says what real numbers save). Best of many calls, in seconds of the processor.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

import tnhop as th
from tnhop.solvers.chain import outputs
from tnhop.solvers.chain import tdvp as tdvp_module
from tnhop.solvers.chain.network.mpo import lindblad_mpo
from tnhop.solvers.chain.steps.backend import placed
from tnhop.solvers.chain.steps.block_products import SumOfProducts
from tnhop.solvers.chain.steps.environments import (
    DenseEnvironment,
    DenseRightEnvironment,
    split_core,
)
from tnhop.solvers.chain.steps.parity import conserved_parities, sorted_core
from tnhop.solvers.chain.steps.parity_environments import (
    ParityCore,
    ParityEnvironment,
    ParitySiteEnvironment,
)
from tnhop.solvers.chain.steps.tdvp_step import TDVPEngine

BETA, OMEGA, OVERLAP = 2.5, 0.4, 0.8
ROUNDS, SHARE_OF_A_SECOND = 8, 0.06


def operations(site_env, right_env):
    """Count 2 m n k over the products of one application."""
    if isinstance(site_env, ParitySiteEnvironment):
        return work_of(site_env.effective_generator(right_env))
    (bra, ket), (right, D, out) = site_env.shape, right_env.shape
    total = 0
    for part in site_env.core.parts:
        n, columns = part.group.stop - part.group.start, min(len(part.columns), D)
        total += 2 * (ket * n) * right * (columns * out)
        total += 2 * (bra * n) * (ket * n * columns) * out
    return total


def work_of(generator):
    """Count 2 m n k over the products of a sum of products."""
    return sum(2 * a.shape[0] * b.size for a, b, _ in [*generator._products, *generator._sums])


# Shares of a run.


class Clock:
    """Times functions; what is timed inside another counts for the inner one only."""

    def __init__(self):
        self.seconds, self.calls = defaultdict(float), defaultdict(int)
        self._inner = [0.0]

    def timed(self, name, function):
        """Return the function with its time added to a name."""

        def wrapped(*args, **kwargs):
            self._inner.append(0.0)
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - began
                self.seconds[name] += spent - self._inner.pop()
                self.calls[name] += 1
                self._inner[-1] += spent

        return wrapped


@contextmanager
def instrumented(clock):
    """Put clocks around the parts of a step, and take them away again; yield the operations."""
    counted = [0]
    exponential = SumOfProducts.exponential

    def counting(self, v, t, tolerance):
        result = exponential(self, v, t, tolerance)
        counted[0] += result[1] * work_of(self)
        return result

    with ExitStack() as stack:

        def time_calls(place, name, label, function=None):
            function = function or getattr(place, name)
            stack.enter_context(mock.patch.object(place, name, clock.timed(label, function)))

        time_calls(SumOfProducts, "exponential", "local exponentials", counting)
        time_calls(SumOfProducts, "__init__", "buffers of products")
        time_calls(ParitySiteEnvironment, "block_products", "selecting blocks")
        time_calls(ParityCore, "absorb_into", "absorbing cores")
        time_calls(ParitySiteEnvironment, "advance", "advancing environments")
        time_calls(ParitySiteEnvironment, "advance_sketch", "advancing sketches")
        time_calls(TDVPEngine, "_split", "splits")
        time_calls(TDVPEngine, "_expand_bond", "expansion")
        time_calls(tdvp_module, "lindblad_mpo", "generator")
        time_calls(outputs, "evaluate", "observables")
        yield counted


def one_pattern(n_spins=20, end=4.0, n_times=11):
    """Return model, start and times of the run."""
    model = th.open_hopfield(np.ones((1, n_spins)), beta=BETA, Omega=OMEGA)
    return model, th.pattern_state(model, overlap=OVERLAP), np.linspace(0, end, n_times)


def shares(*size):
    """Print the shares of the parts of a run; return their clock."""
    model, start, times = one_pattern(*size)
    options = {"observables": ["m_y", "m_z"], "method": th.TDVP()}
    th.evolve(model, start, times[:2], **options)
    began = time.process_time()
    th.evolve(model, start, times, **options)
    plain = time.process_time() - began
    clock = Clock()
    with instrumented(clock) as counted:
        began = time.process_time()
        stats = th.evolve(model, start, times, **options).stats
        total = time.process_time() - began
    rate = dgemm(np.zeros(1))()
    print(
        f"N = {model.n_spins}, t = {times[-1]:g}: {plain:.2f} s, {total:.2f} s with clocks; bonds"
        f" {stats['largest_bond']} and {stats['generator_bond']}, {stats['steps']} steps"
    )
    clock.seconds["everything else"] = total - sum(clock.seconds.values())
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(
            f"  {name:<26} {seconds / total:>6.1%} {seconds:>7.2f} s {clock.calls.get(name, 0):>7}"
        )
    floor = counted[0] / rate / 1e9
    mean = counted[0] / clock.seconds["local exponentials"] / 1e9
    print(
        f"  applications: {counted[0] / 1e9:.1f} GFLOP, {mean:.1f} GFLOP/s with all of Arnoldi;"
        f" 1000 x 1000: {rate:.1f}; {floor:.2f} s at that rate, {plain / floor:.1f} times less"
    )
    return clock


# Rates of the kernel.


def timed(function, work):
    """Return a function that measures GFLOP/s of one burst of calls."""

    def burst():
        function()
        best, began = np.inf, time.process_time()
        while time.process_time() - began < SHARE_OF_A_SECOND:
            start = time.process_time()
            function()
            best = min(best, time.process_time() - start)
        return work / best / 1e9

    return burst


def dgemm(like, size=1000):
    """Return the measurement of a product of two large matrices."""
    rng = np.random.default_rng(1)
    a, b = (placed(rng.standard_normal((size, size)), like) for _ in range(2))
    return timed(lambda: a @ b, (8 if "complex" in str(like.dtype) else 2) * size**3)


def cores():
    """Return cores from the middle of two generators, the larger bond about 60 and 130."""
    xi = th.random_patterns(3, 16, rng=7)
    for label, patterns, tolerance in (("p = 1, N = 20", np.ones((1, 20)), 1e-4),
                                       ("p = 3, N = 16", xi, 1e-4)):  # fmt: skip
        model = th.open_hopfield(patterns, beta=BETA, Omega=OMEGA)
        mpo = lindblad_mpo(model, epsilon=0.3, tolerance=tolerance, rate_tolerance=0.1)
        yield label, mpo.cores[len(mpo.cores) // 2]


def application(W, bond, like):
    """Return one application of an effective generator and its operations."""
    rng = np.random.default_rng(2)

    def random(*shape):
        return placed(rng.standard_normal(shape), like)

    core = split_core(W, like)
    site_env = core.absorb_into(DenseEnvironment(random(bond, bond, W.shape[0])))
    right_env = DenseRightEnvironment(random(bond, W.shape[3], bond))
    apply, v = site_env.effective_generator(right_env), random(bond, W.shape[1], bond)
    return lambda: apply(v), operations(site_env, right_env)


def rates(kinds=("float64", "complex128", "float32"), bonds=(64, 32), library="numpy"):
    """Operations per second, measured in turn with the large product, and ratios of times."""
    print(f"{'core':<18} {'bond':>4} {'D':>9} {'blocks':>6} {'kind':>16} {'ms':>8} {'GFLOP/s':>8}"
          f" {'large':>7} {'share':>6} {'time / float64':>14}")  # fmt: skip
    likes = {kind: zeros(kind, library) for kind in kinds}
    large = {kind: dgemm(like) for kind, like in likes.items()}
    for label, W in cores():
        for bond in bonds:
            measures, works = {}, {}
            for kind, like in likes.items():
                function, work = application(W, bond, like)
                works[kind] = work * (4 if kind == "complex128" else 1)
                measures[kind] = timed(function, works[kind])
            best, peak = defaultdict(float), defaultdict(float)
            for _ in range(ROUNDS):
                for kind in kinds:
                    best[kind] = max(best[kind], measures[kind]())
                    peak[kind] = max(peak[kind], large[kind]())
            parts = len(split_core(W, np.zeros(1)).parts)
            base = works[kinds[0]] / best[kinds[0]]
            for kind in kinds:
                spent = works[kind] / best[kind]
                print(
                    f"{label:<18} {bond:>4} {W.shape[0]:>4}-{W.shape[3]:<4} {parts:>6}"
                    f" {library + ' ' + kind:>16} {spent / 1e6:>8.2f} {best[kind]:>8.1f}"
                    f" {peak[kind]:>7.1f} {best[kind] / peak[kind]:>6.0%} {spent / base:>14.2f}",
                    flush=True,
                )


def zeros(kind, library):
    """Return an array of a library."""
    if library == "numpy":
        return np.zeros(1, dtype=kind)
    import torch

    torch.set_num_threads(1)
    return torch.zeros(1, dtype=getattr(torch, kind))


# Blocks of either parity.

NETWORKS = {"p = 1, N = 40": np.ones((1, 40)), "p = 3, N = 24": th.random_patterns(3, 24, rng=7)}
TIGHT = {"epsilon": 0.45, "cutoff": 5e-6, "mpo_tolerance": 1e-4}


def parity():
    """Time in blocks beside that in one block."""
    print(
        f"{'core':<16} {'bond':>4} {'one block, ms':>14} {'two':>8} {'ratio':>6} {'operations':>10}"
    )
    for label, patterns in NETWORKS.items():
        model = th.open_hopfield(patterns, beta=BETA, Omega=OMEGA)
        core = middle_core(model)
        for bond in (16, 32, 64, 128):
            one, work, two, less = in_turn(*core, bond)
            print(f"{label:<16} {bond:>4} {one:>14.3f} {two:>8.3f} {one / two:>6.2f}"
                  f" {less / work:>10.2f}", flush=True)  # fmt: skip
    for label, options in (("p = 1, N = 40", {}), ("p = 1, N = 40", TIGHT), ("p = 3, N = 24", {})):
        whole_runs(label, options)


def middle_core(model):
    """Return the core in the middle of a generator, states by parity, their numbers, charges."""
    mpo = lindblad_mpo(model, epsilon=0.3, tolerance=3e-4, rate_tolerance=0.1)
    found = conserved_parities(mpo.cores, [basis.trace for basis in mpo.bases])[0]
    middle = len(mpo.cores) // 2
    return *sorted_core(mpo.cores[middle], *found.bonds[middle : middle + 2]), found.charges


def in_turn(W, legs, charges, bond):
    """Return milliseconds and operations of an application in one block and in two."""
    rng, odd = np.random.default_rng(2), round(0.29 * bond)
    leg, like = (bond - odd, odd), np.zeros(1)
    bond_sectors = np.arange(bond) >= leg[0]

    def env(n_even, n_odd):
        states = np.arange(n_even + n_odd) >= n_even
        even = (bond_sectors[:, None, None] ^ bond_sectors[:, None] ^ states) == 0
        whole = rng.standard_normal(even.shape) * even
        cuts, inner = (
            (slice(0, leg[0]), slice(leg[0], None)),
            (slice(0, n_even), slice(n_even, None)),
        )
        blocks = tuple(tuple(whole[cuts[b], cuts[k], inner[b ^ k]] for k in (0, 1)) for b in (0, 1))
        return whole, ParityEnvironment(blocks, leg, leg)

    (behind, graded), (beyond, right_env) = env(*legs[0]), env(*legs[1])
    turned = DenseRightEnvironment(np.ascontiguousarray(beyond.transpose(1, 2, 0)))
    cases = [
        (split_core(W, like).absorb_into(DenseEnvironment(behind)), turned),
        (ParityCore.of(W, charges, legs, like).absorb_into(graded), right_env.as_right_env()),
    ]
    layout, result = cases[1][0].layout(cases[1][1], (bond, len(charges), bond)), []
    packed = rng.standard_normal(sum(a * b for a, b in zip(layout.rows.sizes, leg, strict=True)))
    applications = [here.effective_generator(ahead) for here, ahead in cases]
    vectors = layout.unpack(packed), packed
    np.testing.assert_allclose(layout.unpack(applications[1](packed)), applications[0](vectors[0]),
                               rtol=0, atol=1e-9)  # fmt: skip
    for case, apply, v in zip(cases, applications, vectors, strict=True):
        work = operations(*case)
        burst = timed(lambda apply=apply, v=v: apply(v), work)
        result += [work / max(burst() for _ in range(ROUNDS)) / 1e6, work]
    return result


def whole_runs(label, options):
    """Print the seconds of runs in one block and in two, the generator included and without it."""
    model = th.open_hopfield(NETWORKS[label], beta=BETA, Omega=OMEGA)
    method, times, first = th.TDVP(**options), np.linspace(0, 2, 6), model.patterns[0]
    began = time.process_time()
    method.generator(model, "auto")
    generator, runs = time.process_time() - began, []
    for x in (1e-11, 0.0):
        bloch = np.stack([0 * first + x, 0 * first, OVERLAP * first], 1)
        state = th.product_state(model, bloch=bloch)
        began = time.process_time()
        result = th.evolve(model, state, times, observables=["m_y", "m_z"], method=method)
        runs.append((time.process_time() - began, result))
    (one, a), (two, b) = runs
    off = max(float(np.abs(a.expect[n] - b.expect[n]).max()) for n in a.expect)
    print(f"{label}, t = 2, {options or 'default'}: {one:.2f} and {two:.2f} s,"
          f" {(one - generator) / (two - generator):.2f} without the generator ({generator:.2f} s);"
          f" bond {b.stats['largest_bond']}, results differ by {off:.1e}", flush=True)  # fmt: skip


def by_torch():
    """Torch, beside numpy in the same run."""
    try:
        import torch  # noqa: F401
    except ImportError:
        print("torch is not installed")
        return
    for library in ("numpy", "torch"):
        rates(("float64", "float32"), library=library)
    model, start, times = one_pattern()
    for library in ("numpy", "torch"):
        options = {"observables": ["m_y", "m_z"], "method": th.TDVP(backend=library)}
        th.evolve(model, start, times[:2], **options)
        began = time.process_time()
        values = th.evolve(model, start, times, **options).expect["m_z"]
        print(f"whole run, {library}: {time.process_time() - began:.2f} s, m_z {values[-1, 0]:.6f}")


CASES = {"shares": shares, "rates": rates, "parity": parity, "torch": by_torch}

if __name__ == "__main__":
    print(f"one thread; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    with threadpool_limits(1):
        for case in sys.argv[1:] or CASES:
            CASES[case]()
