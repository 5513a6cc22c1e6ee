"""The public face: `__all__` is right everywhere, and every public object is documented."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import tnhop

ROOT = Path(__file__).parents[2] / "tnhop"
NAMES: list[str] = list(getattr(tnhop, "__all__", []))
# the files that define a public name
MODULES = sorted(
    {
        obj.__module__.partition(".")[2].replace(".", "/") + ".py"
        for name in NAMES
        if callable(obj := getattr(tnhop, name))
    }
    | {"__init__.py"}
)
SOLVER_WORDS = ("**Error**", "**Cost**", "**Use when**")


def all_faults(tree: ast.Module) -> list[str]:
    """Return what is wrong with a module's `__all__`."""
    listed: list[str] | None = None
    bound: set[str] = set()
    for node in module_level(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            bound |= names
            if "__all__" in names and node.value is not None:
                try:
                    listed = list(ast.literal_eval(node.value))
                except ValueError:
                    return ["`__all__` must be written out as a list of strings."]
    if listed is None:
        return ["The module has no `__all__`."]
    faults = [
        f"`__all__` names '{name}', which is not there." for name in listed if name not in bound
    ]
    faults += [f"`__all__` names '{n}' twice." for n in sorted(set(listed)) if listed.count(n) > 1]
    return faults


def module_level(tree: ast.Module) -> list[ast.stmt]:
    """Return the statements of a module, those inside if and try included."""
    todo: list[ast.stmt] = list(tree.body)
    found = []
    while todo:
        node = todo.pop(0)
        found.append(node)
        if isinstance(node, ast.If | ast.Try):
            todo += [*node.body, *node.orelse]
            todo += [s for h in getattr(node, "handlers", []) for s in h.body]
    return found


def sections(doc: str) -> dict[str, list[str]]:
    """Split a numpydoc docstring into its titled sections; "" is what stands before the first."""
    lines = doc.splitlines()
    found: dict[str, list[str]] = {"": []}
    title = ""
    for k, line in enumerate(lines):
        if k + 1 < len(lines) and line.strip() and re.fullmatch(r"-{3,}", lines[k + 1].strip()):
            title = line.strip()
            found[title] = []
        elif not re.fullmatch(r"-{3,}", line.strip()):
            found[title].append(line)
    return found


def entries(lines: list[str]) -> dict[str, str]:
    """Return name -> type and description of the entries of a Parameters or Attributes section."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith(" "):
            names = [n.strip().lstrip("*") for n in line.partition(" :")[0].split(",")]
            found.update(dict.fromkeys(names, line))
        else:
            for name in names:
                found[name] += "\n" + line
    return found


def parameters_of(obj: Any, package: str) -> list[inspect.Parameter]:
    """Return the parameters that `obj` takes when called, if its own package defines them."""
    if inspect.isclass(obj):
        init = obj.__init__
        if not inspect.isfunction(init) or init.__module__.split(".")[0] != package:
            return []
        taken = list(inspect.signature(init).parameters.values())[1:]
    else:
        taken = list(inspect.signature(obj).parameters.values())
    return [p for p in taken if not p.name.startswith("_")]


def is_array(parameter: inspect.Parameter, entry: str) -> bool:
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else repr(annotation)
    kind = entry.partition("\n")[0].partition(" :")[2]
    return bool(
        re.search(r"ArrayLike|NDArray|ndarray|_typing", text)
        or re.search(r"\b(array|array_like|ArrayLike|NDArray|ndarray)\b", kind)
    )


def docstring_faults(obj: Any, package: str) -> list[str]:
    """Return what is missing in the docstring of a public function or class."""
    doc = obj.__doc__ and inspect.cleandoc(obj.__doc__)
    if not doc or not doc.splitlines()[0].strip():
        return ["The docstring has no summary line."]
    parts = sections(doc)
    parameters = parameters_of(obj, package)
    documented = entries(parts.get("Parameters", []))
    if inspect.isclass(obj):
        documented |= entries(parts.get("Attributes", []))
    if parameters and not documented:
        return ["The docstring has no section 'Parameters'."]
    faults = []
    for parameter in parameters:
        if parameter.name not in documented:
            faults.append(f"Parameter `{parameter.name}` is not documented.")
        elif is_array(parameter, entry := documented[parameter.name]) and "shape" not in entry:
            faults.append(f"Parameter `{parameter.name}` is an array: say its shape.")
    if inspect.isfunction(obj) or parameters:
        faults += [
            f"The docstring documents `{name}`, which is no parameter."
            for name in entries(parts.get("Parameters", []))
            if name not in {p.name for p in parameters}
        ]
    return faults


def is_solver(obj: Any) -> bool:
    return obj in tnhop.ALL_METHODS.values()


@pytest.mark.parametrize("path", MODULES)
def test_module_lists_its_public_names(path):
    assert all_faults(ast.parse((ROOT / path).read_text("utf-8"))) == []


@pytest.mark.parametrize("name", NAMES)
def test_public_name_resolves(name):
    assert hasattr(tnhop, name)


@pytest.mark.parametrize("name", NAMES)
def test_public_object_is_documented(name):
    obj = getattr(tnhop, name)
    if inspect.isclass(obj) or inspect.isfunction(obj):
        assert docstring_faults(obj, "tnhop") == []


@pytest.mark.parametrize("name", [n for n in NAMES if is_solver(getattr(tnhop, n, None))])
def test_solver_states_its_error_cost_and_use(name):
    doc = getattr(tnhop, name).__doc__ or ""
    assert [word for word in SOLVER_WORDS if word not in doc] == []


# The checkers themselves.


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1", "no `__all__`"),
        ("__all__ = ['y']\nx = 1", "'y', which is not there"),
        ("__all__ = ['x', 'x']\nx = 1", "'x' twice"),
        ("__all__ = [n for n in dir()]", "written out"),
    ],
)
def test_checker_catches_wrong_list(source, sentence):
    (fault,) = all_faults(ast.parse(source))
    assert sentence in fault


def test_checker_accepts_right_list():
    source = (
        "__all__ = ['A', 'f', 'm', 'x', 'y']\nclass A: pass\ndef f(): pass\nfrom q import z as m"
    )
    source = source.replace("__all__ =", "__all__: list[str] =")
    assert all_faults(ast.parse(source + "\nif True:\n    x: int = 1\nelse:\n    y = 2\n")) == []


def good(xi: ArrayLike, *, beta: float = 1.0, **options: Any) -> None:
    """Open network.

    Parameters
    ----------
    xi : array_like, shape (n_patterns, n_spins)
        Stored patterns.
    beta : float
        Inverse temperature.
    **options
        The rest.

    Returns
    -------
    None
    """


def without_section(xi: ArrayLike) -> None:
    """Open network."""


def without_shape(x: "NDArray[np.float64]", y: Any) -> None:
    """Open network.

    Parameters
    ----------
    x : float
        A number.
    y : float or array
        Numbers.
    """


def without_entry(x: float, y: float) -> None:
    """Open network.

    Parameters
    ----------
    x, z : float
        A number.
    """


class WithAttributes:
    """Settings.

    Attributes
    ----------
    dt : float
        Time step.
    """

    def __init__(self, dt: float) -> None:
        self.dt = dt


@pytest.mark.parametrize(
    ("obj", "sentences"),
    [
        (good, []),
        (WithAttributes, []),
        (type("E", (ValueError,), {"__doc__": "Not converged."}), []),
        (lambda: None, ["no summary line"]),
        (without_section, ["no section 'Parameters'"]),
        (without_shape, ["`x` is an array", "`y` is an array"]),
        (without_entry, ["`y` is not documented", "documents `z`, which is no parameter"]),
    ],
)
def test_checker_reads_docstrings(obj, sentences):
    faults = docstring_faults(obj, obj.__module__.split(".")[0])
    assert len(faults) == len(sentences)
    assert all(want in fault for want, fault in zip(sentences, faults, strict=True))
