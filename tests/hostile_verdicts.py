"""Verdicts of hostile calls: who said what, and from which line of the package."""

from __future__ import annotations

import ast
import dis
import linecache
import re
import signal
import time
import traceback
import unittest.mock as mock
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hostile_values
import tnhop as th

SECONDS = 10.0  # of the processor for one call; more is a hang
PATIENCE = 3.0  # times as long on the clock: other processes run, too

PACKAGE = str(Path(th.__file__).parent)
OWN = {"<hostile>", hostile_values.__file__, mock.__file__}
SAID = (
    ValueError, TypeError, NotImplementedError, FileExistsError, FileNotFoundError, TimeoutError,
    ImportError, th.ConvergenceError,
)  # fmt: skip
NOISE = (RuntimeWarning, DeprecationWarning, FutureWarning, np.exceptions.ComplexWarning)
MISCALLED = re.compile(
    r"unexpected keyword|missing \d+ required|positional argument|takes no |takes exactly|expected \d+ arg"
    r"|unsupported operand type|'\S+' object (is not|does not support)|bad operand type"
)

Fault = dict[str, Any]


class HangError(BaseException):
    """A call took too long."""


def judge(error: BaseException, function: str = "") -> tuple[str, str]:
    """Return the verdict of an exception, and the line of the package that it came from."""
    frames = _frames(error)
    files = [frame.tb_frame.f_code.co_filename for frame in frames]
    ours = [k for k, file in enumerate(files) if file.startswith(PACKAGE)]
    place = _place(frames[ours[-1]]) if ours else ""
    text = _text(error)
    if not ours and function.startswith("operator."):
        return "callable", place  # Python asked the other operand alone
    if isinstance(error, HangError):  # a long run has `max_wall_time`, a bar and Ctrl-C
        return ("long" if f"{PACKAGE}/driver.py" in files else "hang"), place
    if isinstance(error, TypeError) and _is_miscalled(text, function, len(frames)):
        return "signature", place
    if not ours:
        return "library", place
    if _said(error, frames[-1], text):
        return "sentence", place
    after = [
        f.tb_frame.f_code for f in frames[ours[0] + 1 :] if f.tb_frame.f_code.co_filename in OWN
    ]
    if after:
        return ("dunder" if re.fullmatch("__.*__|refuse", after[-1].co_name) else "callable"), place
    if files[-1].startswith(PACKAGE):
        if _raises(frames[-1]):
            return ("undeclared" if text.strip() else "empty"), place
        if _calls_theirs(frames[-1], error):
            return "callable", place
    kinds = {MemoryError: "memory", RecursionError: "recursion"}
    return next((word for kind, word in kinds.items() if isinstance(error, kind)), "library"), place


def _is_miscalled(text: str, function: str, depth: int) -> bool:
    """Whether Python says that the function itself was called with too many or too few arguments."""
    last = re.escape(function.rsplit(".", 1)[-1])
    own = re.search(rf"\b{last}\(\) (got an unexpected|missing|takes)", text)
    return bool(own or (depth <= 1 and MISCALLED.search(text)))


def _calls_theirs(frame: Any, error: BaseException) -> bool:
    """Whether the instruction that failed calls what the caller passed, such as `int`."""
    code = frame.tb_frame.f_code
    first, last, left, right = [*code.co_positions()][frame.tb_lasti // 2]
    lines = linecache.getlines(code.co_filename)[first - 1 : last]
    lines[-1] = lines[-1].encode()[:right].decode()
    lines[0] = lines[0].encode()[left:].decode()
    try:
        node = ast.parse("".join(lines).strip(), mode="eval").body
        called = eval(ast.unparse(node.func), frame.tb_frame.f_globals, frame.tb_frame.f_locals)
    except Exception:  # no call
        return False
    local = error.__traceback__.tb_next.tb_frame.f_locals
    return any(called is value for value in _held([local["arguments"], local["named"]], 4))


def _held(value: Any, depth: int) -> Iterator[Any]:
    """Yield a value and what it holds, if it is a plain container."""
    yield value
    if depth and type(value) in (list, tuple, dict):
        for item in value.values() if isinstance(value, dict) else value[:10]:
            yield from _held(item, depth - 1)


def _said(error: BaseException, last: Any, text: str) -> bool:
    """Whether the package said it: by `raise`, of a declared kind, in words."""
    ours = last.tb_frame.f_code.co_filename.startswith(PACKAGE) and _raises(last)
    kind = isinstance(error, SAID) or (isinstance(error, MemoryError) and "`" in text)
    return bool(text.strip()) and kind and ours


def _raises(frame: Any) -> bool:
    return frame.tb_frame.f_code.co_code[frame.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _frames(error: BaseException) -> list[Any]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found[2:] if len(found) > 1 else []  # those of `attempt` and `evaluate`


def _place(frame: Any) -> str:
    name = frame.tb_frame.f_code.co_filename
    return f"tnhop{name.removeprefix(PACKAGE)}:{frame.tb_lineno}"


class Complaints:
    """Collects the warnings of others, with the line of the package that they came from."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []

    def __call__(self, message: Any, category: type, *_: Any, **__: Any) -> None:
        if not issubclass(category, NOISE):
            return
        for frame in reversed(traceback.extract_stack(limit=200)):
            if frame.filename.startswith(PACKAGE):
                place = f"tnhop{frame.filename.removeprefix(PACKAGE)}:{frame.lineno}"
                self.found.append((category.__name__, str(message), place))
            if frame.filename.startswith(PACKAGE) or frame.filename in OWN:
                return  # the last is a callable or an object of the caller


def attempt(source: str, evaluate: Callable[[str], Any]) -> Fault:
    """Evaluate a call within the limits, and return its verdict."""
    complaints = Complaints()
    answer: Fault = {
        "verdict": "answer",
        "expression": source,
        "place": "",
        "error": "",
        "text": "",
    }
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = complaints
            _ring(SECONDS)
            evaluate(source)
    except BaseException as error:
        _ring(0.0)
        verdict, place = judge(error, source.partition("(")[0])
        answer |= {
            "verdict": verdict,
            "place": place,
            "error": type(error).__name__,
            "text": _text(error),
        }
        frames = _frames(error)
        if frames:
            code = frames[-1].tb_frame.f_code
            answer["inner"] = f"{Path(code.co_filename).name}:{frames[-1].tb_lineno} {code.co_name}"
    _ring(0.0)
    if answer["verdict"] in ("answer", "sentence") and complaints.found:
        error, text, place = complaints.found[0]
        answer |= {"verdict": "warning", "error": error, "text": text, "place": place}
    return answer | {"seconds": time.perf_counter() - began}


def _text(error: BaseException) -> str:
    try:
        return str(error)[:400]
    except Exception:
        return "a text that cannot be written"


def _ring(seconds: float) -> None:
    def late(number: int, frame: Any) -> None:
        raise HangError(f"more than {seconds:g} s")

    for timer, number, factor in (
        (signal.ITIMER_PROF, signal.SIGPROF, 1.0), (signal.ITIMER_REAL, signal.SIGALRM, PATIENCE),
    ):  # fmt: skip
        signal.setitimer(timer, factor * seconds, 2.0 if seconds else 0.0)
        signal.signal(number, late if seconds else signal.SIG_IGN)
