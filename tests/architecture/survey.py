"""Measure the architecture of the package: `python survey.py [FOLDER] [--json]`.

FOLDER holds `tnhop/`; by default it is the checkout of this file. All but the traces is read from
the source. The definitions:

- *Room*: a file at the root of tnhop/ or a folder there, with all that is in it. The `__init__` of
  the root is no room.
- *Import*: absolute or relative, also inside functions and under TYPE_CHECKING; a submodule comes
  before an attribute of its package. A room imports another if any of its files does, `__init__`
  files of folders included. Between files, `__init__` files are no nodes: a name taken from one is
  an import of the file from which it has the name.
- *Arrow*: a pair of rooms (or files), of which the first imports the second. *Circle*: a set of
  several, each of which reaches all others along arrows. *Floor*: 1 + the highest floor of what is
  imported, so that 1 imports nothing; those in a circle share theirs. Floors: the highest one.
- *Trace*: a tiny problem in a process of its own, every module of tnhop imported before, kernels
  as plain Python (NUMBA_DISABLE_JIT), the main thread. Calls and resumed generators count, of
  functions written in files of tnhop. The caller is the nearest such function further out, whatever
  stands between (dataclasses, libraries). Crossings: different pairs (caller, called) of files, or
  rooms, that differ; the call from outside tnhop is none.
- *Bare Any*: an annotation of an argument, a result or a variable that is `Any`, or a name that a
  module sets to it (`Array = Any`), also where it is imported from there.
- *Private names*: `from x import _name` and `from package import _module` of our own package.
- *Borrowed*: a name in the `__all__` of a file, no `__init__`, that the file does not define.
- *Lines*: all of a file; those of a function with signature, without docstring.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = "tnhop"
TOP = "__init__"  # tnhop/__init__.py

Sources = dict[str, ast.Module]  # "rates", "models/hopfield", "models/__init__", ...
Graph = dict[str, set[str]]
Table = dict[str, Any]
Function = ast.FunctionDef | ast.AsyncFunctionDef

PLAN_NAMES = ("plan", "setup", "engine_setup")  # what builds the engine of a TDVP run
CONVERGE = [
    "patterns.n_spins=3", "patterns.n_patterns=2", "state.n_flips=1", "times.stop=1.0",
    "times.n=3", 'methods=["TDVP"]', 'output.observables=["m_z"]',
]  # fmt: skip


# Files, rooms and names


def read_sources(root: Path) -> Sources:
    """Return the parsed files of a package by their path without ending."""
    return {
        path.relative_to(root).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def room(module: str) -> str:
    """Return the root file or root folder to which a file belongs."""
    return module.partition("/")[0]


def is_init(module: str) -> bool:
    """Tell whether a file is the `__init__` of a folder."""
    return module.rpartition("/")[2] == "__init__"


def is_private(name: str) -> bool:
    """Tell whether a name has a leading underscore and is no `__name__`."""
    return name.startswith("_") and not name.endswith("__")


def module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those inside `if` and `try` included."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop(0)
        yield node
        if isinstance(node, ast.If | ast.Try):
            todo += [*node.body, *node.orelse]
            todo += [inner for handler in getattr(node, "handlers", []) for inner in handler.body]


# Imports


def own_imports(tree: ast.Module, module: str) -> Iterator[tuple[str, str, str]]:
    """Yield (path of our own module, name taken from it or "", name here) of every import."""
    here = [PACKAGE, *module.split("/")[:-1]]  # the package that a single dot means
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(alias.name.split("."), "", alias.asname or "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            dotted = [*base, *(node.module.split(".") if node.module else [])]
            found = [(dotted, alias.name, alias.asname or alias.name) for alias in node.names]
        else:
            continue
        for dotted, name, bound in found:
            if dotted[0] == PACKAGE:
                yield "/".join(dotted[1:]), name, bound


def resolve(path: str, name: str, sources: Sources) -> str:
    """Return the file that an import reads: a submodule before an attribute."""
    for candidate in (f"{path}/{name}".strip("/"), path):
        for file in (candidate, f"{candidate}/__init__".strip("/")):
            if file in sources:
                return file
    raise ValueError(f"An import reads `{PACKAGE}/{path}`, which is not there.")


def origin(path: str, name: str, sources: Sources) -> str:
    """Return the file that an import reads, looked up through `__init__` files."""
    file = resolve(path, name, sources)
    if is_init(file):
        for inner, inner_name, bound in own_imports(sources[file], file):
            if bound == name and (inner, inner_name) != (path, name):
                return origin(inner, inner_name, sources)
    return file


def graph_of_files(sources: Sources) -> Graph:
    """Return what every file imports, without `__init__` files."""
    nodes = [module for module in sources if not is_init(module)]
    return {
        module: {
            file
            for path, name, _ in own_imports(sources[module], module)
            if not is_init(file := origin(path, name, sources)) and file != module
        }
        for module in nodes
    }


def graph_of_rooms(sources: Sources) -> Graph:
    """Return what every room imports."""
    graph: Graph = {room(module): set() for module in sources if module != TOP}
    for module, tree in sources.items():
        if module == TOP:
            continue
        rooms = {room(resolve(path, name, sources)) for path, name, _ in own_imports(tree, module)}
        graph[room(module)] |= rooms - {TOP, room(module)}
    return graph


def reached(graph: Graph, start: str) -> set[str]:
    """Return all that is imported, however indirectly."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        fresh = graph[todo.pop()] - seen
        seen |= fresh
        todo.extend(fresh)
    return seen


def shape(graph: Graph) -> Table:
    """Return floors, arrows and circles of a graph."""
    below = {node: reached(graph, node) for node in graph}
    circle = {n: frozenset({n} | {m for m in below[n] if n in below[m]}) for n in graph}
    floor: dict[str, int] = {}
    for node in sorted(graph, key=lambda n: len(below[n] | circle[n])):  # what is imported first
        lower = [floor[m] for member in circle[node] for m in graph[member] - circle[node]]
        floor[node] = 1 + max(lower, default=0)
    return {
        "nodes": len(graph),
        "floors": max(floor.values()),
        "arrows": sum(map(len, graph.values())),
        "circles": len({members for members in circle.values() if len(members) > 1}),
    }


def private_imports(sources: Sources) -> Table:
    """Count the private names and private modules that are taken from other files."""
    names = modules = 0
    for module, tree in sources.items():
        for path, name, _ in own_imports(tree, module):
            file = resolve(path, name, sources)
            is_module = file.removesuffix("/__init__") == f"{path}/{name}".strip("/")
            modules += is_private(name) and is_module
            names += is_private(name) and not is_module
    return {"names": names, "modules": modules, "both": names + modules}


# Sizes, annotations, definitions


def sizes(root: Path, sources: Sources) -> Table:
    """Count files and folders, at the root and in all."""
    at_root = [module for module in sources if "/" not in module]
    folders = [p for p in root.iterdir() if p.is_dir() and p.name != "__pycache__"]
    lines = {m: len((root / f"{m}.py").read_text("utf-8").splitlines()) for m in sources}
    longest = max(lines, key=lambda m: lines[m])
    return {
        "root modules": len(at_root),
        "root modules with underscore": sum(map(is_private, at_root)),
        "root folders": len(folders),
        "files": len(sources),
        "lines": sum(lines.values()),
        "modules with underscore": sum(is_private(m.rpartition("/")[2]) for m in sources),
        "deepest folder": max(m.count("/") for m in sources),
        "longest file": f"{lines[longest]} ({longest}.py)",
    }


def body_lines(function: Function) -> int:
    """Count the lines of a function, signature included, docstring excluded."""
    assert function.end_lineno is not None
    first, docstring = function.body[0], 0
    if ast.get_docstring(function, clean=False) is not None and first.end_lineno is not None:
        docstring = first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - docstring


def functions(sources: Sources) -> Table:
    """Return the number of functions, the longest and the median one."""
    found = [
        (body_lines(node), f"{module}.py, {node.name}")
        for module, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, Function)
    ]
    lines, name = max(found)
    return {
        "functions": len(found),
        "longest function": f"{lines} ({name})",
        "median function": statistics.median(size for size, _ in found),
    }


def any_names(sources: Sources) -> dict[str, set[str]]:
    """Return the texts that mean `Any` in every file."""
    names = {module: {"Any", "typing.Any"} for module in sources}
    before = 0
    while before != (before := sum(map(len, names.values()))):
        for module, tree in sources.items():
            for node in module_level(tree):
                if isinstance(node, ast.Assign) and ast.unparse(node.value) in names[module]:
                    names[module] |= {ast.unparse(target) for target in node.targets}
            for path, name, bound in own_imports(tree, module):
                if name in names[resolve(path, name, sources)]:
                    names[module].add(bound)
    return names


def annotation_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of all annotations, without the quotes of those that are strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found = node.annotation
        elif isinstance(node, Function):
            found = node.returns
        else:
            continue
        if found is not None:
            yield ast.unparse(found).strip("'\"")


def bare_any(sources: Sources) -> Table:
    """Return, for every root folder and in all, how many annotations are bare `Any`."""
    names = any_names(sources)
    counts: dict[str, list[int]] = {}
    for module, tree in sources.items():
        texts = list(annotation_texts(tree))
        bare = sum(text in names[module] for text in texts)
        for place in (room(module) + "/" if "/" in module else "(root)", "all"):
            count = counts.setdefault(place, [0, 0])
            count[0] += bare
            count[1] += len(texts)
    order = sorted(counts, key=lambda place: (place == "all", place))
    return {place: counts[place] for place in order if counts[place][1]}


def borrowed_names(tree: ast.Module) -> list[str]:
    """Return the entries of `__all__` that a module does not define."""
    defined: set[str] = set()
    listed: list[str] = []
    for node in module_level(tree):
        if isinstance(node, Function | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            defined |= names
            if "__all__" in names and node.value is not None:
                listed = list(ast.literal_eval(node.value))
    return [name for name in listed if name not in defined]


def array_aliases(sources: Sources) -> int:
    """Count the definitions `X = NDArray[...]`."""
    return sum(
        isinstance(node, ast.Assign | ast.AnnAssign)
        and node.value is not None
        and ast.unparse(node.value).startswith("NDArray")
        for tree in sources.values()
        for node in ast.walk(tree)
    )


# Traces


class CallTrace:
    """Record which files of a package call which: a context, and the function for the profiler."""

    def __init__(self, root: Path) -> None:
        self._prefix = f"{root.resolve()}{os.sep}"
        self._known: dict[str, str | None] = {}
        self.files: set[str] = set()
        self.edges: set[tuple[str, str]] = set()

    def __enter__(self) -> CallTrace:
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call of a function of the package."""
        if event != "call" or (called := self._file(frame)) is None:
            return
        self.files.add(called)
        outer = frame.f_back
        while outer is not None and self._file(outer) is None:
            outer = outer.f_back
        if outer is not None:
            self.edges.add((str(self._file(outer)), called))

    def _file(self, frame: FrameType) -> str | None:
        name = frame.f_code.co_filename
        if name not in self._known:
            inside = name.startswith(self._prefix)
            self._known[name] = name.removeprefix(self._prefix) if inside else None
        return self._known[name]

    def counts(self) -> Table:
        """Return the numbers of files and rooms, and of crossings between them."""
        rooms = {(room(a), room(b)) for a, b in self.edges}
        return {
            "rooms": len({room(file) for file in self.files}),
            "files": len(self.files),
            "room crossings": sum(a != b for a, b in rooms),
            "file crossings": sum(a != b for a, b in self.edges),
        }


def tiny_problem() -> Any:
    """Return three spins with one pattern in a transverse field."""
    import tnhop as th

    model = th.open_hopfield([[1, 1, -1]], beta=1.5, Omega=0.4)
    return th.Problem(model, th.pattern_state(model, overlap=0.8), [0.5, 1.0])


def evolve_by(name: str) -> Callable[[], object]:
    """Return the whole evolution of the tiny problem by a method."""
    import tnhop as th

    method, problem = getattr(th, name)(), tiny_problem()
    return lambda: list(method.evolve(problem))


def tdvp_plan() -> Callable[[], object]:
    """Return what builds the engine of a run, or all up to the first snapshot."""
    import tnhop as th

    method, problem = th.TDVP(), tiny_problem()
    for name in PLAN_NAMES:
        if callable(build := getattr(method, name, None)):
            return lambda: build(problem)
    return lambda: next(iter(method.evolve(problem)))


def converge_command() -> Callable[[], object]:
    """Return the command `tnhop converge` on a small config."""
    from tnhop.cli import main

    def command(*words: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            status = main([*words])
        if status != 0:
            raise RuntimeError(f"`tnhop {words[0]}` returned {status}.")
        return text.getvalue()

    config = Path("run.toml")
    config.write_text(command("new", "hopfield"), "utf-8")
    changes = [word for change in CONVERGE for word in ("--set", change)]
    return lambda: command("converge", str(config), "--tolerance", "m_z=1e-2", *changes)


TRACES: dict[str, Callable[[], Callable[[], object]]] = {
    "Symmetric.evolve": lambda: evolve_by("Symmetric"),
    "TDVP.plan": tdvp_plan,
    "TDVP.evolve": lambda: evolve_by("TDVP"),
    "converge command": converge_command,
}


def trace_here(folder: Path, name: str) -> Table:
    """Run one of the traces in this process."""
    sys.path.insert(0, str(folder))
    package = importlib.import_module(PACKAGE)
    root = folder / PACKAGE
    if Path(str(package.__file__)).resolve().parent != root.resolve():
        raise RuntimeError(f"{package.__file__} was imported instead of {root}.")
    for module in read_sources(root):  # or imports inside functions would count as calls
        if not module.endswith("__main__"):
            importlib.import_module(".".join([PACKAGE, *module.split("/")]))
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        call = TRACES[name]()
        with CallTrace(root) as trace:
            call()
    return trace.counts()


def trace(folder: Path, name: str) -> Table:
    """Run one of the traces in a fresh process, whose caches are empty."""
    fixed = {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-P", __file__, str(folder), "--trace", name]
    done = subprocess.run(words, env=os.environ | fixed, stdout=subprocess.PIPE, check=True)
    found: Table = json.loads(done.stdout)
    return found


# The table


def survey(folder: Path) -> Table:
    """Measure a checkout."""
    root = folder / PACKAGE
    sources = read_sources(root)
    files = {module: tree for module, tree in sources.items() if not is_init(module)}
    return {
        "sizes": sizes(root, sources) | functions(sources),
        "rooms": shape(graph_of_rooms(sources)),
        "files": shape(graph_of_files(sources)),
        "traces": {name: trace(folder, name) for name in TRACES},
        "bare Any": bare_any(sources),
        "private imports": private_imports(sources),
        "borrowed in __all__": sum(len(borrowed_names(tree)) for tree in files.values()),
        "aliases of NDArray": array_aliases(sources),
    }


def cell(value: Any) -> str:
    """Return a number, a share or counts by name as text."""
    if isinstance(value, list):
        part, whole = value
        return f"{part}/{whole}  {100 * part / whole:.0f} %"
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return f"{value}"


def rows(found: Table) -> Iterator[tuple[str, str]]:
    """Yield label and text of every row."""
    for title, value in found.items():
        if isinstance(value, dict):
            head = "" if title == "sizes" else f"{title}: "
            yield from ((f"{head}{name}", cell(inner)) for name, inner in value.items())
        else:
            yield title, cell(value)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the architecture of the package.")
    here = Path(__file__).resolve().parents
    parser.add_argument("folder", nargs="?", type=Path, default=here[min(2, len(here) - 1)])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--trace", choices=TRACES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.trace:
        print(json.dumps(trace_here(folder, options.trace)))
        return
    found = survey(folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    table = list(rows(found))
    width = max(len(label) for label, _ in table)
    for label, text in table:
        print(f"{label:<{width}}  {text}")


if __name__ == "__main__":
    main()
