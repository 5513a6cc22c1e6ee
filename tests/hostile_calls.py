"""Calls of every public function and method with one to three hostile arguments, and verdicts.

A call is the text of an expression. The generator takes a right one, replaces one to three of its
arguments or entries of them, and evaluates it in a process of its own. `python hostile_calls.py N SEED`
prints the counts and all faults; each is an expression for `evaluate`, with the fewest changes that show it.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import json
import linecache
import os
import resource
import select
import signal
import sys
import tempfile
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hostile_values
import tnhop as th
from hostile_table import CALLS, NOT_CALLED, SETUP
from hostile_verdicts import PACKAGE, PATIENCE, SECONDS, Fault, attempt

MEMORY = 4 * 10**9  # bytes that a call may ask for
BATCH = 60  # calls of one process

Change = tuple[tuple[Any, ...], str | None]


# The calls


def places(node: ast.AST, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to the arguments of a call, and to what literal containers hold."""
    fields = {ast.Call: ("args", "keywords"), ast.List: ("elts",), ast.Tuple: ("elts",),
              ast.Set: ("elts",), ast.Dict: ("keys", "values")}  # fmt: skip
    for field in fields.get(type(node), ()) if path == () or not isinstance(node, ast.Call) else ():
        for k, child in enumerate(getattr(node, field)):
            step = (*path, (field, k))
            yield step
            inner = child.value if isinstance(child, ast.keyword) else child
            yield from places(inner, step)


def changed(source: str, changes: tuple[Change, ...]) -> str:
    """Return a call with changes: V is what stood there; None leaves the keyword out."""
    tree = ast.parse(source, mode="eval").body
    for path, new in sorted(changes, key=lambda change: change[0], reverse=True):
        if not path:
            tree.keywords.append(ast.keyword("surplus", ast.Constant(1)))
            continue
        node = tree
        for field, k in path[:-1]:
            node = getattr(node, field)[k]
            node = node.value if isinstance(node, ast.keyword) else node
        field, k = path[-1]
        children = getattr(node, field)
        if new is None:
            del children[k]
        elif isinstance(children[k], ast.keyword):
            children[k].value = _filled(new, children[k].value)
        else:
            children[k] = _filled(new, children[k])
    return ast.unparse(tree)


def _filled(new: str, old: ast.expr) -> ast.expr:
    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return old if node.id == "V" else node

    return Fill().visit(ast.parse(new, mode="eval").body)


def drawn(source: str, rng: np.random.Generator) -> tuple[Change, ...]:
    """Draw one to three changes of a call."""
    tree = ast.parse(source, mode="eval").body
    found = [*places(tree)]
    if not found or rng.random() < 0.01:
        return (((), ""),)
    changes: list[Change] = []
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        path = found[rng.integers(len(found))]
        if any(path[: len(p)] == p or p[: len(path)] == path for p, _ in changes):
            continue
        argument = tree.keywords[path[0][1]].arg if path[0][0] == "keywords" else ""
        new = hostile_values.drawn(argument or "", rng)
        drops = rng.random() < 0.01 and path[-1][0] == "keywords"
        changes.append((path, None if drops else new))
    return tuple(changes)


def call_of(seed: int, index: int) -> tuple[str, tuple[Change, ...]]:
    """Return the call of a number, whatever was called before."""
    for draw in range(100):
        rng = np.random.default_rng([seed, index, draw])
        source = CALLS[rng.choice(len(CALLS), p=_weights())]
        changes = drawn(source, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                built(changed(source, changes))
            except Exception:  # such as the Series of a Model: another draw
                continue
        return source, changes
    raise RuntimeError("no call can be built")


@functools.cache
def _weights() -> np.ndarray:
    """Return how often each call is drawn: more often if it has more arguments."""
    found = [len([*places(ast.parse(source, mode="eval").body)]) for source in CALLS]
    weights = np.minimum(np.array(found) + 0.05, 10.0)
    return weights / weights.sum()


def space() -> dict[str, Any]:
    """Return the names that expressions may use."""
    if not _SPACE:
        _SPACE.update(vars(hostile_values), th=th, np=np)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(SETUP, "<hostile>", "exec"), _SPACE)
    return _SPACE


_SPACE: dict[str, Any] = {}


def evaluated(node: ast.expr) -> Any:
    """Return the value of an expression."""
    return eval(compile(ast.Expression(node), "<hostile>", "eval"), space())


def built(source: str) -> tuple[Any, list[Any], dict[str, Any]]:
    """Return the function of a call and what it is given."""
    tree = ast.fix_missing_locations(ast.parse(source, mode="eval")).body
    named = {k.arg: evaluated(k.value) for k in tree.keywords}
    return evaluated(tree.func), [evaluated(a) for a in tree.args], named


def evaluate(source: str) -> Any:
    """Evaluate a call, as printed."""
    function, arguments, named = built(source)
    return function(*arguments, **named)


# The processes


def _serve(requests: list[tuple[int, str]], pipe: int) -> None:
    """Answer calls, one line each; ends after one that may have left something behind."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sysconf = (
        os.sysconf
    )  # a machine of as much memory as can be had, half of which may be asked for
    os.sysconf = lambda name: (  # type: ignore[assignment]
        2 * MEMORY // resource.getpagesize() if name == "SC_PHYS_PAGES" else sysconf(name)
    )
    hostile_values.furnish()
    for index, source in requests:
        os.write(pipe, f"{index}\n".encode())
        os.chdir(tempfile.mkdtemp(dir=hostile_values.HERE))
        answer = attempt(source, evaluate)
        sys.modules["matplotlib.pyplot"].close("all")
        os.write(pipe, (json.dumps(answer) + "\n").encode())
        if answer["verdict"] in ("hang", "long", "memory", "recursion"):
            break


def answers(sources: list[str], progress: bool = False) -> list[Fault]:
    """Evaluate calls in processes of their own, which may crash, and return all verdicts."""
    found: list[Fault] = []
    while len(found) < len(sources):
        at = len(found)
        batch = [*enumerate(sources)][at : at + BATCH]
        found += _batch(batch)
        if progress:
            print(f"{len(found)} of {len(sources)}", end="\r", file=sys.stderr, flush=True)
    return found


def _batch(requests: list[tuple[int, str]]) -> list[Fault]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _serve(requests, writing)
        finally:
            os._exit(0)
    os.close(writing)
    found: list[Fault] = []
    lines, begun, verdict = b"", -1, "crash"
    while True:
        if not select.select([reading], [], [], PATIENCE * SECONDS + 30)[0]:
            verdict = "hang"
            break
        piece = os.read(reading, 1 << 16)
        if not piece:
            break
        *whole, lines = (lines + piece).split(b"\n")
        for line in whole:
            if line.isdigit():
                begun = int(line)
            else:
                found.append(json.loads(line))
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if begun == requests[0][0] + len(found):  # begun and not answered
        ended = f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "ended"
        found.append({"verdict": verdict, "expression": requests[len(found)][1], "place": "",
                      "error": "no answer", "text": ended, "seconds": 0.0})  # fmt: skip
    return found


def verdicts(n: int, seed: int, progress: bool = False) -> tuple[Counter[str], list[Fault]]:
    """Return how often each verdict was given, and the distinct faults, shrunk."""
    space()
    hostile_values.furnish()
    calls = [call_of(seed, index) for index in range(n)]
    given = answers([changed(*call) for call in calls], progress)
    counts = Counter(answer["verdict"] for answer in given)
    distinct: dict[Any, tuple[Fault, Any, int]] = {}
    for index, (call, answer) in enumerate(zip(calls, given, strict=True)):
        if answer["verdict"] not in FINE:
            function = ast.unparse(ast.parse(call[0], mode="eval").body.func)
            key = function, answer["verdict"], answer["error"], answer["place"]
            if key not in distinct or len(call[1]) < len(distinct[key][1][1]):
                distinct[key] = answer | {"function": function, "index": index}, call, 0
    return counts, [_shrunk(fault, *call) for fault, call, _ in distinct.values()]


FINE = ("answer", "sentence", "signature", "callable", "long")


def _shrunk(fault: Fault, source: str, changes: tuple[Change, ...]) -> Fault:
    """Return the fault with as few of its changes as show it."""
    keys = ("verdict", "error", "place")
    for change in changes if len(changes) > 1 else ():
        fewer = tuple(c for c in changes if c is not change)
        again = answers([changed(source, fewer)])[0] if fewer else fault
        if fewer and all(again[key] == fault[key] for key in keys):
            changes, fault = fewer, fault | again
    named = []
    tree = ast.parse(source, mode="eval").body
    for path, new in changes:
        argument = (
            tree.keywords[path[0][1]].arg if path and path[0][0] == "keywords" else str(path[:1])
        )
        entry = " (an entry)" if len(path) > 1 else ""
        named.append(f"{argument}{entry} = {new}" if new != "" else "a surplus keyword")
    return fault | {"changes": "; ".join(named)}


def run(n: int, seed: int, progress: bool = False) -> list[Fault]:
    """Return the distinct faults of `n` calls."""
    return verdicts(n, seed, progress)[1]


# What is called


def not_right() -> list[Fault]:
    """Return the calls of the table that do not end in an answer as they stand."""
    space()
    return [answer for answer in answers([*CALLS]) if answer["verdict"] != "answer"]


def not_called() -> list[str]:
    """Return the public functions, classes and methods that the table does not call."""
    called = set()
    for source in CALLS:
        function = evaluated(ast.fix_missing_locations(ast.parse(source, mode="eval")).body.func)
        owner = getattr(function, "__self__", None)
        kind = owner if inspect.isclass(owner) else type(owner)
        called |= {
            f"{kind.__name__}.{getattr(function, '__name__', '')}",
            getattr(function, "__name__", ""),
        }
        called.add(type(function).__name__)
    wanted = []
    for name in th.__all__:
        item = getattr(th, name)
        if callable(item):
            wanted.append(name)
        if inspect.isclass(item) and item not in th.ALL_METHODS.values():
            members = {
                m: inspect.getattr_static(item, m) for m in dir(item) if not m.startswith("_")
            }
            kinds = types.FunctionType | classmethod | staticmethod
            wanted += [f"{name}.{m}" for m, f in members.items() if isinstance(f, kinds)]
    return [name for name in wanted if name not in called and not NOT_CALLED.search(name)]


def printed(fault: Fault) -> str:
    """Return a fault as lines of text."""
    line = ""
    if fault["place"]:
        name, number = fault["place"].removeprefix("tnhop").rsplit(":", 1)
        line = linecache.getline(PACKAGE + name, int(number)).strip()
    return (
        f"[{fault['verdict']}] {fault['function']}  {fault['place']}  {fault['error']}: {fault['text']!a}\n"
        f"    changes: {fault['changes']!a}\n    line: {line}\n    inner: {fault.get('inner', '')}\n"
        f"    {fault['expression']!a}"
    )


def main(n: int, seed: int) -> None:
    """Print counts and faults."""
    for missing in not_called():
        print("not called:", missing)
    for answer in not_right():
        print("not right:", answer)
    counts, faults = verdicts(n, seed, progress=True)
    print(
        f"{th.__file__}: {n} calls, seed {seed}:",
        ", ".join(f"{k} {v}" for k, v in sorted(counts.items())),
    )
    for fault in sorted(faults, key=lambda f: (f["verdict"], f["place"])):
        print(printed(fault))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
