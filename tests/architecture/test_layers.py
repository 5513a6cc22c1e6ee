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

# First = lowest: a file imports only from its own folder and from folders before it.
FOLDERS = [
    "support", "patterns", "plots", "physics", "models", "storage", "answers", "solvers",
    "driver", "verbs", "interop", "phases", "verification", "sweeps", "cli",
]  # fmt: skip
# The same inside of solvers.
SOLVERS = [
    "contract", "bounds", "start_errors", "refinement", "fitted", "machine_speed",
    "meanfield", "exact", "symmetric", "classical", "chain",
    "registry", "choice",
]  # fmt: skip
MODELS_SHARE = "models/parts"  # files of models import this one, and never each other
TOP = "__init__"  # tnhop/__init__.py: above everything

# libraries, and the folders or files that may import them
ONLY_IN = {"qutip": ("interop",), "tqdm": ("driver", "sweeps"), "matplotlib": ("plots",)}

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60  # without the docstring

Sources = dict[str, ast.Module]  # "rates", "models/hopfield", "models/__init__", ...


def read_sources(root: Path) -> Sources:
    return {
        path.relative_to(root).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def place(module: str, order: list[str], depth: int) -> int | None:
    """Return the position of a module among the parts of a folder; None if it has none."""
    parts = module.split("/")
    return order.index(parts[depth]) if len(parts) > depth and parts[depth] in order else None


def is_init(module: str) -> bool:
    return module.endswith("__init__")


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
    if module == TOP:
        return None
    if target == TOP:
        return "only users import the top of the package"
    for order, depth in ((FOLDERS, 0), (SOLVERS, 1)):
        if depth and not (module.startswith("solvers/") and target.startswith("solvers/")):
            continue
        own, wanted = place(module, order, depth), place(target, order, depth)
        if own is not None and wanted is not None and wanted > own:
            return "it comes later"
    if is_init(module):
        return None
    folder = target.removesuffix("__init__")
    if is_init(target) and module.startswith(folder):
        return "the files of a folder come before its __init__"
    siblings = module.startswith("models/") and target.startswith("models/")
    if siblings and target != MODELS_SHARE:
        return "files of models never import each other"
    return None


def misplaced_modules(sources: Sources) -> list[str]:
    return [
        f"{module}.py has no place in the layers. Add it to FOLDERS or SOLVERS, or move it."
        for module in sources
        if not is_init(module)
        and (
            place(module, FOLDERS, 0) is None
            or (module.startswith("solvers/") and place(module, SOLVERS, 1) is None)
        )
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


def import_circles(sources: Sources, package: str) -> list[str]:
    """Return the files that import themselves by way of others."""
    edges: dict[str, set[str]] = {}
    for module, target, _ in own_imports(sources, package):
        if not (is_init(module) or is_init(target)):
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


def underscored_modules(sources: Sources) -> list[str]:
    return [
        f"{module}.py must have a name without underscore in front: `__all__` says what is public."
        for module in sources
        if module.rpartition("/")[2].startswith("_") and not is_init(module)
    ]


def private_imports(sources: Sources, package: str) -> list[str]:
    return [
        f"{module}.py:{line} must not import {name}, which belongs to {dotted} alone."
        for module, tree in sources.items()
        for dotted, name, line in imported_names(tree, module, package)
        if dotted.split(".")[0] == package and name.startswith("_") and not name.startswith("__")
    ]


def defined_names(tree: ast.Module) -> set[str]:
    """Return what a file defines at its top level, imports excluded."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found


def borrowed_names(sources: Sources) -> list[str]:
    """Return entries of `__all__` that another file defines."""
    faults = []
    for module, tree in sources.items():
        if is_init(module):
            continue
        listed = [
            entry
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
            for entry in ast.literal_eval(node.value)
        ]
        faults += [
            f"{module}.py must not list {name} in `__all__`: it does not define it."
            for name in listed
            if name not in defined_names(tree)
        ]
    return faults


def misplaced_libraries(sources: Sources, package: str) -> list[str]:
    return [
        f"{module}.py:{line} must not import {library}: only {', '.join(ONLY_IN[library])} may."
        for module, tree in sources.items()
        for dotted, _, line in imported_names(tree, module, package)
        if (library := dotted.split(".")[0]) in ONLY_IN
        and module.split("/")[0] not in ONLY_IN[library]
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


def test_documentation_names_every_folder_and_file_of_the_root(sources):
    text = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    folders = {m.rpartition("/")[0] + "/" for m in sources if "/" in m}
    files = {m for m in sources if "/" not in m and m != TOP}
    assert [name for name in sorted(folders | files) if f"`{name}`" not in text] == []


def test_modules_import_only_earlier_layers(sources):
    assert_none(wrong_imports(sources, "tnhop"))


def test_no_file_imports_itself_in_a_circle(sources):
    assert_none(import_circles(sources, "tnhop"))


def test_no_module_has_an_underscore_in_front(sources):
    assert_none(underscored_modules(sources))


def test_no_file_imports_a_private_name_of_another(sources):
    assert_none(private_imports(sources, "tnhop"))


def test_all_lists_what_its_file_defines(sources):
    assert_none(borrowed_names(sources))


def test_optional_libraries_stay_where_they_belong(sources):
    assert_none(misplaced_libraries(sources, "tnhop"))


def test_files_are_short():
    assert_none(long_files(ROOT))


def test_functions_are_short(sources):
    assert_none(long_functions(sources))


def test_import_loads_only_what_every_run_needs():
    heavy = ["xarray", "pandas", "matplotlib", "h5py", "quimb", "scipy.stats", "scipy.interpolate"]
    parts = ["config", "descriptions", "job", "swept"]
    code = (
        f"import sys; from tnhop import *; from tnhop.cli import {', '.join(parts)};"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# The checker itself, on packages that are right and wrong on purpose.

GOOD = {
    "__init__.py": "from fake.verbs import f\nfrom fake.physics import rates\n",
    "physics/rates.py": "import numpy as np\nfrom ..support.checks import fail\n",
    "support/checks.py": "",
    "models/__init__.py": "from .dicke import a\nfrom fake.models.hopfield import b\n",
    "models/parts.py": "from fake.physics.rates import GlauberRate\n",
    "models/dicke.py": "from . import parts\nfrom .parts import x\nfrom ..physics import rates\n",
    "models/hopfield.py": "import fake.models.parts\nfrom fake.models import parts\n",
    "interop.py": "def f():\n    import qutip\n",
    "solvers/__init__.py": "",
    "solvers/bounds.py": "",
    "solvers/exact/kernels.py": "from fake.solvers.bounds import b\n",
    "solvers/exact/exact.py": "from .kernels import k\nfrom fake.models import a\n",
    "solvers/registry.py": "from fake.solvers.exact.exact import Exact\n",
    "verbs.py": "from fake.solvers.registry import Exact\n",
}


def package_with(tmp_path: Path, **changed: str) -> Path:
    """Write GOOD as the package `fake`, some files replaced; `__` in a name stands for a slash."""
    files = GOOD | {
        name.replace("___", "/_").replace("__", "/") + ".py": text for name, text in changed.items()
    }
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
        *import_circles(found, "fake"),
        *underscored_modules(found),
        *private_imports(found, "fake"),
        *borrowed_names(found),
        *misplaced_libraries(found, "fake"),
        *long_files(root),
        *long_functions(found),
    ]


def test_checker_accepts_a_good_package(tmp_path):
    assert_none(all_faults(package_with(tmp_path)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"physics__rates": "from fake.verbs import f"},
            "physics/rates.py:1 must not import verbs: it comes later",
        ),
        ({"physics__rates": "from .. import verbs"}, "physics/rates.py:1 must not import verbs"),
        ({"physics__rates": "def f():\n    import fake.verbs as v"}, "rates.py:2 must not"),
        (
            {"physics__rates": "if TYPE_CHECKING:\n    from ..models.dicke import a"},
            "rates.py:2 must not import models/dicke",
        ),
        ({"physics__rates": "from fake.solvers import Exact"}, "must not import solvers/__init__"),
        ({"verbs": "import fake"}, "verbs.py:1 must not import __init__: only users"),
        ({"verbs": "from fake import evolve"}, "verbs.py:1 must not import __init__"),
        ({"solvers__bounds": "from .exact import kernels"}, "must not import solvers/exact"),
        ({"solvers__exact__kernels": "from ..registry import E"}, "must not import solvers/reg"),
        ({"models__dicke": "from .hopfield import b"}, "never import each other"),
        ({"models__dicke": "from fake.models import hopfield"}, "never import each other"),
        ({"models__dicke": "from fake.models import b"}, "come before its __init__"),
        ({"models__dicke": "from ..solvers.exact import exact"}, "must not import solvers/exact"),
        ({"models__parts": "from .dicke import a"}, "models/parts.py imports itself in a circle"),
        ({"solvers__exact__kernels": "from . import exact"}, "kernels.py imports itself in a circ"),
        ({"physics___rates": ""}, "physics/_rates.py must have a name without underscore"),
        ({"physics__rates": "import qutip.core"}, "physics/rates.py:1 must not import qutip"),
        ({"verbs": "import tqdm"}, "verbs.py:1 must not import tqdm: only driver, sweeps may"),
        ({"physics__rates": "from ..support.checks import _x"}, "rates.py:1 must not import _x"),
        ({"verbs": "from fake.models import a\n__all__ = ['a']"}, "must not list a in `__all__`"),
        ({"helpers": ""}, "helpers.py has no place in the layers"),
        ({"solvers__spin__ising": ""}, "solvers/spin/ising.py has no place in the layers"),
        ({"physics__rates": "\n" * 500}, "rates.py has 500 lines, more than 450"),
        ({"physics__rates": "def f():" + "\n    pass" * 70}, "rates.py:1 f has 71 lines, more"),
    ],
)
def test_checker_catches(tmp_path, changed, sentence):
    faults = all_faults(package_with(tmp_path, **changed))
    assert len(faults) >= 1
    assert any(sentence in text for text in faults), faults


def test_docstring_does_not_count_as_length(tmp_path):
    text = 'def f():\n    """Sum.\n' + "    line\n" * 80 + '    """\n    return 1\n'
    assert_none(all_faults(package_with(tmp_path, physics__rates=text)))
