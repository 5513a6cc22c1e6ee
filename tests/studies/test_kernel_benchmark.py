"""The benchmark of the kernel of TDVP replaces parts of a step: it still finds and restores them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain import outputs, tdvp
from tnhop.solvers.chain.steps.block_products import SumOfProducts
from tnhop.solvers.chain.steps.parity_environments import ParityCore, ParitySiteEnvironment
from tnhop.solvers.chain.steps.tdvp_step import TDVPEngine

PATH = Path(__file__).parents[2] / "studies" / "benchmarks" / "kernel.py"

pytestmark = pytest.mark.skipif(not PATH.exists(), reason="source distribution without studies")


@pytest.fixture(scope="module")
def kernel():
    spec = importlib.util.spec_from_file_location("kernel_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROUNDS, module.SHARE_OF_A_SECOND = 1, 1e-3
    return module


def test_every_part_of_a_run_is_timed_and_put_back(kernel, capsys):
    places = outputs, tdvp, SumOfProducts, ParityCore, ParitySiteEnvironment, TDVPEngine
    before = [dict(vars(place)) for place in places]
    clock = kernel.shares(5, 0.2, 3)
    assert [dict(vars(place)) for place in places] == before
    parts = {
        "local exponentials", "buffers of products", "selecting blocks", "absorbing cores",
        "advancing environments", "advancing sketches", "splits", "expansion", "generator",
        "observables",
    }  # fmt: skip
    assert set(clock.calls) == parts
    assert min(clock.calls.values()) > 0
    printed = capsys.readouterr().out
    assert all(part in printed for part in parts)


def test_counted_operations_are_those_of_the_products(kernel):
    """A core without zeros is one block: two products, of the right half and of the left one."""
    bond, D = 4, 5
    W = np.random.default_rng(1).standard_normal((D, 4, 4, D))
    _, work = kernel.application(W, bond, np.zeros(1))
    n = 4
    right, left = 2 * (bond * n) * bond * (D * bond), 2 * (bond * n) * (bond * n * D) * bond
    assert work == right + left


def test_two_blocks_take_fewer_operations_than_one(kernel):
    model = th.open_hopfield(np.ones((1, 8)), beta=kernel.BETA, Omega=kernel.OMEGA)
    _, work, _, less = kernel.in_turn(*kernel.middle_core(model), 8)
    assert less < 0.7 * work
