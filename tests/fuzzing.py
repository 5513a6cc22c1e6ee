"""What the fuzz tests share: who may say no and how, odd values, limits, and a tally."""

from __future__ import annotations

import contextlib
import decimal
import fractions
import os
import re
import signal
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, settings

import tnhop as th

# One environment variable makes every fuzz test longer, `TNHOP_FUZZ=5000`.
EXAMPLES = int(os.environ.get("TNHOP_FUZZ", "0"))
# long profiles that only run when asked for
ON_REQUEST = (
    pytest.mark.slow,
    pytest.mark.skipif(not EXAMPLES, reason="set TNHOP_FUZZ to the number of examples"),
)
SECONDS = 20.0  # of one call: more is a hang
MEMORY = 1.2e9  # bytes that one call may ask for

_PACKAGE = Path(th.__file__).parent
_KINDS = (
    ValueError, TypeError, FileNotFoundError, FileExistsError, TimeoutError, MemoryError,
    ImportError, th.ConvergenceError,
)  # fmt: skip
_LONGEST = 1500  # letters of a sentence; a value is shown in part
_SENTENCES = re.compile(
    r"(Argument `[^`]+` must .+, but .+"
    r"|(Method|Function|Observable) `.+"
    r"|No method can solve this problem\. .+"
    r"|(The stationary state|The mean-field flow|The eigenvalue|The run|The state|The file) .+"
    r"|(No|Shooting|The) .+ (was found|did not converge|comes near|ends in) .+"
    r"|An object of type .+"
    r"|Checkpoint '.+"
    r"|(There is no|File|Folder) .*'.+'.*"
    r"|'.+' is a folder\..*)[.?!)]",
    re.DOTALL,
)


def is_our_sentence(error: BaseException) -> bool:
    """Decide whether an exception is a refusal of the package, in words of its own.

    Its kind is one that the package declares, the package itself raised it (not a library below
    it), and it is made of sentences of moderate length: one, or one per line.
    """
    if type(error) not in _KINDS:
        return False
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or _PACKAGE not in Path(frames[-1].filename).parents:
        return False
    return is_sentences(str(error))


def is_sentences(text: str) -> bool:
    """Return whether a text is one sentence of ours, or one per line."""
    lines = text.split("\n")
    said = _SENTENCES.fullmatch(text) or all(map(_SENTENCES.fullmatch, lines))
    return bool(said) and max(map(len, lines)) <= _LONGEST


class Hang(BaseException):
    """A call took too long."""


@contextlib.contextmanager
def limits(seconds: float = SECONDS) -> Iterator[None]:
    """Interrupt what takes long (time of the processor), and refuse large allocations."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer") or not os.path.exists("/proc/self/statm"):
        yield
        return
    import resource

    def ring(*_: Any) -> None:
        raise Hang(f"It took more than {seconds} s.")

    usual = signal.signal(signal.SIGPROF, ring)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
    resource.setrlimit(
        resource.RLIMIT_AS, (int(pages * resource.getpagesize() + MEMORY), hard)
    )  # fmt: skip
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, usual)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class Tally:
    """Counts what became of the calls."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def attempt(self, call: Callable[[], Any], what: Any) -> tuple[bool, Any]:
        """Call, and return (accepted, answer); what is neither answer nor sentence is a defect."""
        try:
            with limits(), warnings.catch_warnings():
                warnings.simplefilter("ignore", th.TruncationWarning)
                answer = call()
        except (Exception, Hang) as error:
            if not is_our_sentence(error):
                kind = type(error).__name__
                raise AssertionError(f"{what}: {kind}: {str(error)[:300]}") from error
            self.seen["refused"] += 1
            return False, error
        self.seen["accepted"] += 1
        return True, answer

    def __str__(self) -> str:
        return ", ".join(f"{n} {word}" for word, n in sorted(self.seen.items()))


def profile(fast: int, slow: int | None = None) -> settings:
    """Return settings of a test that never flickers; `slow` is its number of examples there."""
    n = slow or fast
    return settings(
        max_examples=max(n, EXAMPLES if slow else 0), derandomize=True, deadline=None,
        database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def unsealed(path: Path) -> Path:
    """Make a file of a result what earlier versions wrote, without checksum, and return it."""
    raw = path.read_bytes()
    assert raw[-72:].startswith(b"\nsha256 ")
    path.write_bytes(raw[:-72])
    with h5py.File(path, "r+") as file:
        del file.attrs["checksum"]
    return path


# Odd values, by name: every call makes them anew.

_SELF: list[Any] = [1.0]
_SELF.append(_SELF)


def _masked() -> Any:
    return np.ma.masked_array([[1.0, -1.0, 1.0]], mask=[[0, 1, 0]])


ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None, "True": lambda: True, "False": lambda: False, "empty text": lambda: "",
    "text": lambda: "seven", "unicode": lambda: "ξ→∞\u202e", "text of two lines": lambda: "a\nb",
    "long text": lambda: "x" * 100_000, "null": lambda: "\0", "bytes": lambda: b"1",
    "1j": lambda: 1j, "complex": lambda: 0.5 + 0.2j, "nan": lambda: float("nan"),
    "inf": lambda: float("inf"), "-inf": lambda: -float("inf"), "0": lambda: 0, "1": lambda: 1,
    "2": lambda: 2, "3": lambda: 3, "7": lambda: 7, "-1": lambda: -1, "0.0": lambda: 0.0,
    "-0.0": lambda: -0.0, "0.5": lambda: 0.5, "1e308": lambda: 1e308, "-1e308": lambda: -1e308,
    "1e-320": lambda: 1e-320, "10**9": lambda: 10**9, "10**18": lambda: 10**18,
    "10**30": lambda: 10**30, "10**400": lambda: 10**400, "-10**400": lambda: -(10**400),
    "int8": lambda: np.int8(3), "uint64": lambda: np.uint64(2**63 + 1),
    "float16": lambda: np.float16(0.5), "longdouble": lambda: np.longdouble("1e4000"),
    "np nan": lambda: np.float32("nan"), "np True": lambda: np.True_, "np 1j": lambda: np.complex64(1j),
    "np text": lambda: np.str_("a"), "date": lambda: np.datetime64("2026-01-01"),
    "duration": lambda: np.timedelta64(3, "s"), "NaT": lambda: np.datetime64("NaT"),
    "0-d": lambda: np.array(0.5), "0-d int": lambda: np.array(2), "[]": lambda: [], "()": lambda: (),
    "[[]]": lambda: [[]], "[[[1]]]": lambda: [[[1.0]]], "ragged": lambda: [1.0, [2.0, 3.0]],
    "ragged rows": lambda: [[1, -1], [1]], "in itself": lambda: _SELF, "{}": lambda: {},
    "dict": lambda: {"a": 1}, "dict of sites": lambda: {0: "z"}, "set": lambda: {1, 2},
    "(3, 0)": lambda: np.zeros((3, 0)), "(0, 3)": lambda: np.zeros((0, 3)),
    "(2, 2, 2)": lambda: np.ones((2, 2, 2)), "(1, 3)": lambda: [[1, -1, 1]], "(3,)": lambda: [1, -1, 1],
    "[0]": lambda: [0], "[1, 1]": lambda: [1, 1], "[-1]": lambda: [-1], "[0.5, inf]": lambda: [0.5, float("inf")],
    "[10**400]": lambda: [10**400], "['a']": lambda: ["a"], "[None]": lambda: [None], "[1j]": lambda: [1j],
    "[[1e308, -1e308]]": lambda: [[1e308, -1e308]], "[1e308, 1e308]": lambda: [1e308, 1e308],
    "objects": lambda: np.array([1, None, "a"], dtype=object), "object ones": lambda: np.ones(3, dtype=object),
    "masked": _masked, "masked number": lambda: np.ma.masked, "structured": lambda: np.zeros(2, dtype="i4,f4"),
    "big-endian": lambda: np.array([1.0, -1.0, 1.0], dtype=">f8"), "float16s": lambda: np.ones(3, dtype=np.float16),
    "bools": lambda: np.array([True, False, True]), "uint8s": lambda: np.array([1, 255, 1], dtype=np.uint8),
    "texts": lambda: np.array(["1", "2"]), "strided": lambda: np.ones((6, 6))[::2, ::3],
    "read-only": lambda: np.broadcast_to(1.0, (3, 3)), "matrix": lambda: np.diag([1.0, 2.0]),
    "range": lambda: range(3), "generator": lambda: (k for k in (1, -1, 1)), "iterator": lambda: iter([1, 2]),
    "lambda": lambda: lambda h: 0.5 + 0 * h, "class": lambda: th.Exact,
    "object": object, "...": lambda: ..., "decimal": lambda: decimal.Decimal("0.5"),
    "fraction": lambda: fractions.Fraction(1, 2), "path": lambda: Path("nowhere"),
    "frame": lambda: pd.DataFrame([[1, -1, 1]]), "series": lambda: pd.Series([1.0, -1.0, 1.0], index=list("abc")),
    "NA": lambda: pd.NA, "Int64": lambda: pd.Series([1, None], dtype="Int64"),
    "data array": lambda: xr.DataArray([1.0, -1.0, 1.0]), "memoryview": lambda: memoryview(b"12"),
    "Generator": lambda: np.random.default_rng(1), "SeedSequence": lambda: np.random.SeedSequence(1),
    "Model": lambda: th.independent_spins(2, Omega=0.3, decay=0.2), "Operator": lambda: th.sigma("x")(0),
    "Operator on mode": lambda: th.destroy(0), "far Operator": lambda: th.sigma("z")(10**6),
    "zero Operator": lambda: 0 * th.sigma("x")(0), "Term": lambda: th.Term(1.0, {0: "y"}),
    "Jump": lambda: th.Jump(th.sigma("-")(0)), "Rate": lambda: th.GlauberRate(1.0, 1),
    "two fields": lambda: th.DenseGlauberRate(1.0, 1, 3, (1, -1), 0.5), "Site": lambda: th.spins(1)[0],
    "Method": lambda: th.Exact(), "MeanField": lambda: th.MeanField(), "auto": lambda: "auto",
    "Observable": lambda: th.Observable("own", th.sigma("y")(0)),
    "Functional": lambda: th.Functional("purity"), "State": lambda: th.ProductState(np.array([[0, 0, 1.0]]), np.zeros(0)),
}  # fmt: skip


# What can become of a value that was right.

CHANGES: dict[str, Callable[[Any], Any]] = {
    "as array": np.asarray, "as objects": lambda v: np.asarray(v).astype(object),
    "masked": lambda v: np.ma.masked_array(v, mask=np.arange(np.size(v)).reshape(np.shape(v)) == 0),
    "float16": lambda v: np.asarray(v, dtype=np.float16), "complex": lambda v: np.asarray(v) + 0j,
    "longdouble": lambda v: np.asarray(v, dtype=np.longdouble), "text": str,
    "int": lambda v: np.asarray(v).astype(int), "unsigned": lambda v: np.asarray(v).astype(np.uint8),
    "list": lambda v: np.asarray(v).tolist(), "tuple": tuple, "generator": lambda v: (x for x in v),
    "frame": lambda v: pd.DataFrame(np.atleast_2d(v)), "series": lambda v: pd.Series(np.ravel(v)),
    "data array": lambda v: xr.DataArray(np.asarray(v)), "Fortran": lambda v: np.asfortranarray(v),
    "transposed": lambda v: np.asarray(v).T, "raveled": np.ravel, "[v]": lambda v: [v],
    "one more axis": lambda v: np.asarray(v)[..., None], "first": lambda v: v[0], "rest": lambda v: v[1:],
    "twice": lambda v: [*v, *v], "repeated": lambda v: [*v, v[-1]], "reversed": lambda v: v[::-1],
    "minus": lambda v: -np.asarray(v), "times 1e308": lambda v: np.asarray(v) * 1e308 / 10,
    "times 0": lambda v: 0 * np.asarray(v), "plus a half": lambda v: np.asarray(v) + 0.5,
    "times 1e-9": lambda v: np.asarray(v) * 1e-9, "with nan": lambda v: _with(v, np.nan),
    "with inf": lambda v: _with(v, np.inf), "with 0": lambda v: _with(v, 0.0), "with None": lambda v: _with(v, None),
    "upper": lambda v: v.upper(), "shortened": lambda v: v[:-1] if isinstance(v, str) else v,
    "spaced": lambda v: f" {v} " if isinstance(v, str) else v, "np number": lambda v: np.asarray(v)[()],
}  # fmt: skip


def _with(value: Any, entry: Any) -> Any:
    array = np.array(value, dtype=object if entry is None else float)
    array.flat[-1] = entry
    return array


def changed(value: Any, how: str) -> Any:
    """Return a changed value; the value itself where the change does not apply to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return CHANGES[how](value)
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, OverflowError):
            return value


# What an accepted answer must look like.


def assert_healthy(result: th.Result) -> None:
    """Finite, in range, with bars, and of the documented shapes."""
    n_times = len(result.times)
    assert np.all(np.diff(result.times) > 0)
    for o in result.observables:
        values, bars = result.expect[o.name], result.errors[o.name]
        assert values.shape == bars.shape == (n_times, *o.shape), o.name
        assert np.all((bars >= 0) | np.isnan(bars)), (o.name, bars)
        bars = np.nan_to_num(bars)
        if o.name != "g2":  # of nothing
            assert np.all(np.isfinite(values)), (o.name, values)
        if o.name == "trace":
            assert np.all(np.abs(values - 1) <= bars + 1e-9), values
        if re.fullmatch(r"(m|sigma)_[xyz]", o.name):
            assert np.all(np.abs(values) <= 1 + bars + 1e-9), (o.name, values)
        if o.name == "occupation":
            assert np.all(values >= -bars - 1e-9), values
        if o.name == "purity":
            assert np.all(values >= 0), values
