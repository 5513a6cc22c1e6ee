"""The kernel of the chains: protocols without loose types, kinds told apart in one place."""

import ast
from pathlib import Path
from typing import Protocol

import tnhop
from tnhop.support.arrays import Array

STEPS = Path(tnhop.__file__).parent / "solvers" / "chain" / "steps"


def test_protocols_say_what_they_take_and_give():
    tree = ast.parse((STEPS / "protocols.py").read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "Any" not in names
    assert "Array" in names
    assert issubclass(Array, Protocol)


def test_kinds_are_told_apart_in_one_place():
    """`backend` and `layouts` ask for the array library, `parity` for cores of modes."""
    asking = {path.name for path in STEPS.glob("*.py") if "isinstance(" in path.read_text()}
    assert asking <= {"protocols.py", "backend.py", "layouts.py", "parity.py", "sweep_generator.py"}


def test_a_step_opens_few_files():
    """One step of spins: sweep, protocols, environments, splits, exponential."""
    tree = ast.parse((STEPS / "tdvp_step.py").read_text())
    imported = {node.module.rpartition(".")[2] for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and ".steps." in (node.module or "")}  # fmt: skip
    assert "parity_environments" in imported
    assert not imported & {"krylov", "compiled_krylov", "block_products", "layouts"}
