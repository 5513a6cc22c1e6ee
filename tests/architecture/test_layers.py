"""A module imports only modules earlier in LAYERS. Read from the source, nothing is imported.

All imports count: absolute and relative, inside functions, and under TYPE_CHECKING.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "tnhop"

# First = lowest. A name with a slash is a family: public files of a family never import each
# other; its _private files come before them and serve nobody else; its __init__ comes last.
LAYERS = [
    "_checks",
    "_whole",
    "_codec",
    "_statistics",
    "_html",
    "operators",
    "_fitted_rate",
    "_rate_integrals",
    "rates",
    "terms",
    "observables",
    "patterns",
    "couplings",
    "retrieval",
    "model",
    "_modes",
    "_state_checks",
    "states",
    "problem",
    "_locks",
    "_checkpoints",
    "_netcdf",
    "_files",
    "_store",
    "_figures",
    "plot",
    "sweep_figure",
    "_answer_plots",
    "animation",
    "citations",
    "_tables",
    "error_budget",
    "_labelled",
    "_frames",
    "answers",
    "result",
    "models/",
    "representations/",
    "solvers/",
    "interop",
    "_driver",
    "verbs",
    "analysis",
    "_phase_flow",
    "stability",
    "cycles",
    "channel",
    "verification",
    "_tasks",
    "_executors",
    "_grid",
    "sweeps",
    "convergence",
    "sections",
    "config",
    "_reports",
    "_jobs",
    "_sweep_commands",
    "_commands",
    "cli",
]
TOP = "__init__"  # tnhop/__init__.py: above everything

ONLY_IN = {"qutip": {"interop"}}  # heavy optional libraries

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60  # without the docstring

Sources = dict[str, ast.Module]  # "rates", "models/hopfield", "models/__init__", ...


def read_sources(root: Path) -> Sources:
    return {
        path.relative_to(root).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def family_of(module: str) -> str | None:
    return module.partition("/")[0] + "/" if "/" in module else None


def layer(module: str) -> int | None:
    """Return the position of a module in LAYERS; None if it has none."""
    if module == TOP:
        return len(LAYERS)
    place = family_of(module) or module
    return LAYERS.index(place) if place in LAYERS and module.count("/") <= 1 else None


def is_private(module: str) -> bool:
    name = module.rpartition("/")[2]
    return name.startswith("_") and name != "__init__"


def imported_names(tree: ast.Module, module: str, package: str) -> Iterator[tuple[str, str, int]]:
    """Yield (absolute dotted module, name taken from it or "", line) of every import."""
    here = [package, *module.split("/")[:-1]]  # the package that a single dot means
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            dotted = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield dotted, alias.name, node.lineno


def resolve(dotted: str, name: str, sources: Sources) -> str:
    """Return the file that an import of our own package reads: a submodule before an attribute."""
    path = "/".join(dotted.split(".")[1:])
    for candidate in (f"{path}/{name}".strip("/"), path):
        if candidate in sources:
            return candidate
        if f"{candidate}/__init__".strip("/") in sources:
            return f"{candidate}/__init__".strip("/")
    return path or TOP


def fault(module: str, target: str) -> str | None:
    """Return why `module` may not import `target`; None if it may."""
    place, wanted = layer(module), layer(target)
    if place is None or wanted is None:  # misplaced_modules says it
        return None
    if target == TOP:
        return "only users import the top of the package"
    if place != wanted:
        if is_private(target) and family_of(target):
            return "a _private file of a family serves that family alone"
        return None if wanted < place else "it comes later in the layers"
    if module.endswith("/__init__"):
        return None
    if target.endswith("/__init__"):
        return "the members of a family come before its __init__"
    if not is_private(target):
        return "public files of a family never import each other, and _private files come first"
    return None


def misplaced_modules(sources: Sources) -> list[str]:
    return [
        f"{module}.py has no place in the layers. Add it to LAYERS, or move it."
        for module in sources
        if layer(module) is None
    ]


def own_imports(sources: Sources, package: str) -> Iterator[tuple[str, str, int]]:
    """Yield (importing module, imported module, line)."""
    for module, tree in sources.items():
        for dotted, name, line in imported_names(tree, module, package):
            if dotted.split(".")[0] == package:
                yield module, resolve(dotted, name, sources), line


def wrong_imports(sources: Sources, package: str) -> list[str]:
    return [
        f"{module}.py:{line} must not import {target}: {why}."
        for module, target, line in own_imports(sources, package)
        if (why := fault(module, target))
    ]


def private_cycles(sources: Sources, package: str) -> list[str]:
    """Return the _private files of a family that import themselves by way of others."""
    edges: dict[str, set[str]] = {}
    for module, target, _ in own_imports(sources, package):
        if is_private(module) and is_private(target) and family_of(module):
            edges.setdefault(module, set()).add(target)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            fresh = edges.get(todo.pop(), set()) - seen
            seen |= fresh
            todo.extend(fresh)
        return seen

    return [
        f"{module}.py imports itself in a circle." for module in edges if module in reached(module)
    ]


def misplaced_libraries(sources: Sources, package: str) -> list[str]:
    return [
        f"{module}.py:{line} must not import {library}: only {sorted(ONLY_IN[library])} may."
        for module, tree in sources.items()
        for dotted, _, line in imported_names(tree, module, package)
        if (library := dotted.split(".")[0]) in ONLY_IN and module not in ONLY_IN[library]
    ]


def long_files(root: Path) -> list[str]:
    counts = {path: len(path.read_text("utf-8").splitlines()) for path in root.rglob("*.py")}
    return [
        f"{path.relative_to(root)} has {count} lines, more than {MAX_FILE_LINES}."
        for path, count in sorted(counts.items())
        if count > MAX_FILE_LINES
    ]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, signature included, docstring excluded."""
    assert function.end_lineno is not None
    first = function.body[0]
    docstring = 0
    if ast.get_docstring(function, clean=False) is not None and first.end_lineno is not None:
        docstring = first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - docstring


def long_functions(sources: Sources) -> list[str]:
    return [
        f"{module}.py:{node.lineno} {node.name} has {body_lines(node)} lines, "
        f"more than {MAX_FUNCTION_LINES}."
        for module, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and body_lines(node) > MAX_FUNCTION_LINES
    ]


def assert_none(faults: list[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return read_sources(ROOT)


def test_every_module_has_a_place_in_the_layers(sources):
    assert TOP in sources  # the right folder was read
    assert_none(misplaced_modules(sources))


def test_documentation_names_every_module():
    text = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    assert [name for name in LAYERS if f"`{name}`" not in text] == []


def test_modules_import_only_earlier_layers(sources):
    assert_none(wrong_imports(sources, "tnhop"))


def test_private_files_of_a_family_have_no_import_cycle(sources):
    assert_none(private_cycles(sources, "tnhop"))


def test_optional_libraries_stay_where_they_belong(sources):
    assert_none(misplaced_libraries(sources, "tnhop"))


def test_files_are_short():
    assert_none(long_files(ROOT))


def test_functions_are_short(sources):
    assert_none(long_functions(sources))


def test_import_loads_only_what_every_run_needs():
    heavy = ["xarray", "pandas", "matplotlib", "h5py", "quimb", "scipy.stats", "scipy.interpolate"]
    code = f"import sys, tnhop.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# The checker itself, on packages that are right and wrong on purpose.

GOOD = {
    "__init__.py": "from fake.verbs import f\nfrom fake import rates\n",
    "rates.py": "import numpy as np\nfrom ._checks import fail\n",
    "_checks.py": "",
    "models/__init__.py": "from .dicke import a\nfrom fake.models.hopfield import b\n",
    "models/_parts.py": "from fake.rates import GlauberRate\n",
    "models/dicke.py": "from . import _parts\nfrom ._parts import x\nfrom .. import rates\n",
    "models/hopfield.py": "import fake.models._parts\nfrom fake.models import _parts\n",
    "interop.py": "def f():\n    import qutip\n",
    "solvers/__init__.py": "",
    "solvers/_a.py": "from fake.solvers._b import b\n",
    "solvers/_b.py": "",
    "solvers/exact.py": "from fake.models import a\nfrom fake.models.dicke import a\n",
    "verbs.py": "from fake.solvers import Exact\nfrom fake.solvers.exact import Exact\n",
}


def package_with(tmp_path: Path, **changed: str) -> Path:
    """Write GOOD as the package `fake`, some files replaced; `__` in a name stands for a slash."""
    files = GOOD | {name.replace("__", "/") + ".py": text for name, text in changed.items()}
    for name, text in files.items():
        path = tmp_path / "fake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "fake"


def all_faults(root: Path) -> list[str]:
    found = read_sources(root)
    return [
        *misplaced_modules(found),
        *wrong_imports(found, "fake"),
        *private_cycles(found, "fake"),
        *misplaced_libraries(found, "fake"),
        *long_files(root),
        *long_functions(found),
    ]


def test_checker_accepts_a_good_package(tmp_path):
    assert_none(all_faults(package_with(tmp_path)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"rates": "from fake.verbs import f"}, "rates.py:1 must not import verbs: it comes later"),
        ({"rates": "from . import verbs"}, "rates.py:1 must not import verbs"),
        ({"rates": "def f():\n    import fake.verbs as v"}, "rates.py:2 must not import verbs"),
        (
            {"rates": "if TYPE_CHECKING:\n    from .models.dicke import a"},
            "rates.py:2 must not import models/dicke",
        ),
        ({"rates": "from fake.solvers import Exact"}, "must not import solvers/__init__"),
        ({"verbs": "import fake"}, "verbs.py:1 must not import __init__: only users"),
        ({"verbs": "from fake import evolve"}, "verbs.py:1 must not import __init__"),
        ({"verbs": "from fake.solvers._a import a"}, "serves that family alone"),
        ({"models__dicke": "from .hopfield import b"}, "never import each other"),
        ({"models__dicke": "from fake.models import hopfield"}, "never import each other"),
        ({"models__dicke": "from fake.models import b"}, "come before its __init__"),
        ({"models__dicke": "from ..solvers import exact"}, "must not import solvers/exact"),
        ({"models___parts": "from .dicke import a"}, "_private files come first"),
        ({"solvers___b": "from . import _a"}, "solvers/_b.py imports itself in a circle"),
        ({"rates": "import qutip.core"}, "rates.py:1 must not import qutip"),
        ({"helpers": ""}, "helpers.py has no place in the layers"),
        ({"models__spin__ising": ""}, "models/spin/ising.py has no place in the layers"),
        ({"rates": "\n" * 500}, "rates.py has 500 lines, more than 450"),
        ({"rates": "def f():" + "\n    pass" * 70}, "rates.py:1 f has 71 lines, more than 60"),
    ],
)
def test_checker_catches(tmp_path, changed, sentence):
    faults = all_faults(package_with(tmp_path, **changed))
    assert len(faults) >= 1
    assert any(sentence in text for text in faults), faults


def test_docstring_does_not_count_as_length(tmp_path):
    text = 'def f():\n    """Sum.\n' + "    line\n" * 80 + '    """\n    return 1\n'
    assert_none(all_faults(package_with(tmp_path, rates=text)))
