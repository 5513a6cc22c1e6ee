"""Hostile values, as expressions, and the objects, folders and callables that they name."""

from __future__ import annotations

import array
import atexit
import collections
import ctypes
import datetime
import enum
import functools
import itertools
import math
import operator
import os
import pathlib
import shutil
import sys
import tempfile
import types
import unittest.mock as mock
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr

import tnhop as th

__all__ = [
    "Decimal", "Fraction", "array", "collections", "ctypes", "datetime", "enum", "functools",
    "itertools", "math", "mock", "operator", "pd", "scipy", "sys", "th", "types", "xr",
]  # fmt: skip

HERE = pathlib.Path(tempfile.gettempdir()) / f"hostile-{os.getpid()}" / "one" / "two"


def furnish() -> None:
    """Make the folders and links that the expressions name, and let `~` be there."""
    if not HERE.exists():
        HERE.mkdir(parents=True)
        atexit.register(shutil.rmtree, HERE.parents[1], ignore_errors=True)
    os.environ["HOME"] = str(HERE)
    (HERE / "folder").mkdir(exist_ok=True)
    (HERE / "text.h5").write_text("no HDF5\n")
    if not (HERE / "fifo").exists():
        os.mkfifo(HERE / "fifo")
        (HERE / "loop").symlink_to("loop")
        (HERE / "dangling").symlink_to("nowhere/at/all")


# Objects


def raising(*names: str, error: type = RuntimeError, **others: Any) -> Any:
    """Return an object of whose special methods some raise."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise error("this object does not like to be asked")

    return type("Raising", (), dict.fromkeys(names, refuse) | others)()


class Endless:
    """Never ends when it is iterated over; its length is a lie."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return itertools.repeat(1.0)

    def __getitem__(self, k: Any) -> float:
        return 1.0


class Lying(list):  # type: ignore[type-arg]
    """A list that says it is longer than it is."""

    def __len__(self) -> int:
        return 7


class Text(str):
    """A kind of str whose equality is not that of str."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


class Torn(dict):  # type: ignore[type-arg]
    """A dict without items."""

    def items(self) -> Any:
        raise RuntimeError("no items")

    def __iter__(self) -> Any:
        return iter([1, 2])


class Sub(np.ndarray):
    """An array that remains of its kind."""


class Number(float):
    """A float that is not its own value."""

    def __float__(self) -> float:
        return math.nan


class Colour(enum.Enum):
    """An enum."""

    RED = 1


class Count(enum.IntEnum):
    """An enum of integers."""

    THREE = 3


class Word(str, enum.Enum):  # noqa: UP042 (its str is not its value)
    """An enum of texts."""

    EXACT = "Exact"
    X = "x"


class Path2:
    """A path by its word alone."""

    def __init__(self, path: Any) -> None:
        self._path = path

    def __fspath__(self) -> Any:
        return self._path


def nested(depth: int, kind: Any = list) -> Any:
    """Return a container in a container in a container ..."""
    found: Any = kind()
    for _ in range(depth):
        found = {"a": found} if kind is dict else kind([found])
    return found


def looped(kind: Any = list) -> Any:
    """Return a container that holds itself."""
    found = kind()
    if kind is dict:
        found["a"] = found
    else:
        found += [1.0, found]
    return found


# Callables


def fails(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the callable of the caller fails")


def gives(value: Any) -> Any:
    return lambda *_, **__: value


# Expressions, by kind

KINDS: dict[str, str] = {
    "number": """
        0; -1; 1; 2; 7; -0.0; 0.0; 0.5; True; False; None; math.nan; math.inf; -math.inf; 1e300; -1e300; 1e-300
        5e-324; 1e-310; 10**400; -10**400; 2**63; 2**64; -2**63 - 1; 10**9; 10**5; 1j; complex(math.nan, 0)
        1 + 0j; Fraction(1, 3); Fraction(3); Fraction(10**400); Decimal('0.5'); Decimal('NaN'); Decimal('1e400')
        Decimal('sNaN'); Number(0.5); Count.THREE; Colour.RED; datetime.datetime(2026, 1, 1); datetime.timedelta(1)
        ctypes.c_double(0.5); ctypes.c_int(3); pd.NA; pd.NaT; pd.Timestamp('2026'); sys.maxsize
        1e16; 1e7; 0.1 + 0.2; 1 - 1e-16; 1 + 1e-15; 3.0; 2.5; 1e-17; 10**20
    """,
    "numpy scalar": """
        np.int8(3); np.uint8(255); np.int16(-3); np.uint64(2**63 + 1); np.int64(-2**63); np.float16(0.5)
        np.float16(6e4); np.float32('nan'); np.float32(3e38); np.longdouble('1e4000'); np.longdouble(0.3)
        np.complex64(1j); np.clongdouble(1); np.True_; np.False_; np.str_('x'); np.bytes_(b'x')
        np.datetime64('2026-01-01'); np.datetime64('NaT'); np.timedelta64(3, 's'); np.timedelta64('NaT')
        np.void(b'abc'); np.zeros(1, 'i4,f4')[0]; np.array(0.5); np.array(2); np.array(True); np.array(None)
        np.array('x'); np.array(1j); np.array(math.nan); xr.DataArray(0.5); xr.DataArray(2); np.ma.masked
        np.array([0.5]); np.array([[2]]); pd.Series([2.0]); np.float64(2.0); np.uint32(3); np.longlong(2)
        np.array(10**400); np.array([]); np.ma.masked_array(0.5, mask=True); np.array(Fraction(1, 3))
    """,
    "array": """
        np.broadcast_to(1.0, (10**9,)); np.broadcast_to(1.0, (10**5, 10**5)); np.broadcast_to(1, (3, 10**9))
        np.broadcast_to(np.int8(1), (10**12,)); np.broadcast_to(1.0, (1, 10**10)); np.empty((10**15, 0))
        np.empty((0, 3)); np.zeros((3, 0)); np.ones((1,) * 32); np.ones((1,) * 60); np.ones((2, 2, 2))
        np.zeros(2, 'i4,f4'); np.array([1, None, 'a'], dtype=object); np.array([[1], [1, 2]], dtype=object)
        np.array([Fraction(1, 3), Fraction(1)], dtype=object); np.array([Decimal(1), Decimal(-1)])
        np.ma.masked_array([1.0, -1.0, 1.0], mask=[0, 1, 0]); np.ma.masked_array([1.0, -1.0, 1.0])
        np.ma.masked_array(np.ones((2, 3)), mask=True); np.array(['a', 'b']); np.array([b'1', b'2'])
        np.array(['2026-01-01'], 'M8[D]'); np.ones(3, 'm8[s]'); np.ones(3, np.longdouble) * np.longdouble('1e4000')
        np.array([1.0, -1.0, 1.0], '>f8'); np.ones(3, np.float16); np.array([True, False, True]); np.ones(3)[::-1]
        np.array([1, 255, 1], np.uint8); np.ones((3, 3)).view(Sub); np.matrix([[1, -1, 1]]); np.eye(3) * 1j
        np.full((3, 3), np.nan); np.full(3, 1e300); np.full((3, 3), -1e300); np.full(3, 5e-324); np.full(3, np.inf)
        scipy.sparse.eye_array(3); scipy.sparse.csr_matrix([[1, -1, 1]]); pd.Index([0.0, 0.5]); pd.RangeIndex(3)
        pd.MultiIndex.from_tuples([(0, 1), (1, 2)]); pd.Categorical(['a', 'b']); pd.Series([1, None], dtype='Int64')
        pd.Series([1.0, -1.0, 1.0], index=list('abc')); pd.DataFrame([[1, -1, 1]]); pd.date_range('2026', periods=3)
        xr.DataArray([0.0, 0.5], dims='time'); xr.DataArray([[1, -1, 1]], dims=['a', 'b']); xr.Dataset({'a': 1.0})
        pd.interval_range(0, 3); pd.array([1, 2, None]); np.rec.array([(1, 2.0)], names='a,b'); np.ones((0, 0))
        np.random.default_rng(1); np.random.SeedSequence(1); np.random.RandomState(1); np.nditer(np.ones(3))
        np.array([[1, -1, 1]], dtype=object); np.array([10**400, 1]); np.ones(3, 'S3'); np.ones((2, 3), bool)
    """,
    "lazy": """
        range(10**12); range(3); range(0); range(-1); iter([1, 2]); (x for x in [1, -1, 1]); (x for x in [])
        itertools.count(); itertools.repeat(1.0); itertools.cycle([1, -1]); map(float, ['a']); map(int, '12'); zip([1], [2])
        Endless(); Lying([1.0, 2.0]); Lying(); {1: 2}.keys(); {'a': 2}.items(); reversed([1, 2]); enumerate('ab')
        collections.deque([1, -1, 1]); array.array('d', [1, -1, 1]); array.array('u', 'ab'); memoryview(b'12')
        memoryview(array.array('d', [1.0, 2.0])); bytearray(b'12'); (ctypes.c_double * 3)(1, 2, 3); range(2**70)
        raising('__len__'); raising('__iter__'); raising('__getitem__', __len__=lambda s: 3)
        raising('__next__', __iter__=lambda s: s); raising(__len__=lambda s: -1, __iter__=lambda s: iter([1.0]))
        raising(__len__=lambda s: 2**70, __getitem__=lambda s, k: 1.0); raising(__len__=lambda s: 'a')
        slice(None); slice(0, 3); ...; [slice(3)]; 'abc'; '111'; [[1, -1, 1]] * 3; [[1, -1], [1]]; [None] * 3; [[[]]]
    """,
    "object": """
        raising('__array__'); raising('__array__', error=TypeError); raising('__array__', error=ValueError)
        raising('__bool__'); raising('__bool__', error=ValueError); raising('__repr__', '__str__'); raising('__eq__')
        raising('__eq__', __hash__=None); raising('__hash__'); raising('__getattr__'); raising('__float__')
        raising('__float__', '__index__', '__int__'); raising('__index__'); raising('__fspath__'); raising(__call__=fails)
        raising('__array_ufunc__', __array__=lambda s, *a, **k: np.ones(3)); raising(__array__=lambda s, *a, **k: 3)
        raising('__format__'); raising('__getstate__', '__reduce_ex__', '__deepcopy__'); raising('__array_interface__')
        raising(__array_interface__={'shape': (10**12,), 'typestr': '<f8', 'data': (0, True), 'version': 3})
        raising(__array_interface__=3); raising(__class__=property(lambda s: th.Model)); raising('__instancecheck__')
        raising(__class__=property(lambda s: dict)); raising(__class__=property(lambda s: str)); object(); type
        raising(__class__=property(lambda s: float)); raising(__class__=property(lambda s: bool)); NotImplemented
        mock.Mock(); mock.MagicMock(); mock.sentinel.x; Exception('a'); sys; types.SimpleNamespace(shape=(3,), dtype=float)
        raising(__eq__=lambda s, o: np.array([True, False]), __hash__=lambda s: 1); mock.NonCallableMock(); print
    """,
    "text": r"""
        ''; 'seven'; 'x' * 10**5; 'a\nb'; '\x00'; '\udcff'; '\ud800 x'; 'm_z\x00'; 'ξ\u202e'; ' x '; 'X'; Text('x')
        Text('auto'); Text('Exact'); Word.EXACT; Word.X; b'x'; b'Exact'; bytearray(b'x'); '{}'; '%s'; '{0.__class__}'
        'e\u0301'; 'auto '; 'exact'; 'tcp://127.0.0.1:1'; '1e-3'; '0.5'; 'None'; 'nan'; '\\'; '/'; '$\\frac'; '$x^$'
        str; '\ufeffx'; '١'; pathlib.Path('x'); ['x']; ('x',); {'x'}; ['m_z', 'm_z']; ['m_z', 3]; 'm_z, m_y'; 'm_z_error'
    """,
    "path": r"""
        '~'; '~/new.h5'; '~nobody-there/new.h5'; '\x00.h5'; 'a\x00b'; str(HERE / 'fifo'); HERE / 'loop'; HERE / 'folder'
        str(HERE / 'dangling'); HERE / 'text.h5'; HERE / 'text.h5' / 'new.h5'; '/proc/none/new.h5'; '/proc/self/new.h5'
        'n' * 300 + '.h5'; 'n' * 255; 'n' * 250 + '.h5'; 'd/' * 2500 + 'new.h5'; 'n' * 5000; ''; '.'; '..'; 'new'
        'new.h5/'; 'new.'; '.h5'; 'no/folder/new.h5'; '\udcff.h5'; 'ξ.h5'; b'new.h5'; Path2('new.h5'); Path2(b'new.h5')
        Path2(3); Path2('\x00'); raising('__fspath__'); pathlib.PurePath('new.h5'); pathlib.PureWindowsPath('c:/new.h5')
        pathlib.Path; Text('new.h5'); 3; True; -1; HERE / 'loop' / 'new.h5'; 'new.gif'; 'new.mp4'; 'new.xyz'; 'a\nb.h5'
        '/dev/null/x'; 'CON'; '*?.h5'; ' '; np.str_('new.h5'); ['new.h5']; Fraction(1, 3); np.array('new.h5'); np.array([1, 2])
    """,
    "container": """
        []; {}; set(); (); [[]]; {'a': 1}; {1: 2}; {'m_z': 1e-3}; {'m_z': None}; {'m_z': math.nan}; {None: None}; {'Omega': []}
        {1, 2}; frozenset([1]); nested(10**5); nested(10**5, tuple); nested(10**5, dict); nested(900); nested(50); looped()
        looped(dict); collections.defaultdict(float, m_z=0.1); collections.OrderedDict(m_z=0.1); collections.Counter('ab')
        collections.UserDict(m_z=0.1); collections.ChainMap({'m_z': 0.1}); types.MappingProxyType({'m_z': 0.1}); Torn(m_z=0.1)
        Torn(Omega=[0.1]); {'a': nested(10**5)}; [nested(10**5)]; {(): ()}; {'a' * 10**5: 1}; {0: 'z'}; {'0': 'z'}; {0.0: 'z'}
        {True: 'z'}; {-1: 'z'}; {0: 3}; {10**30: 'z'}; ((0, 'z'), (0, 'x')); ((0, 'z', 1),); [[0, 'z']]; {'+': None}; {'+': fails}
        [10**400]; ['a']; [1j]; [None]; [True]; [math.nan]; [0, 0]; [-1]; [0.5]; [10**18]; [[0, 1], [1, 0]]; [0, 1, 2]; [[1, -1, 1]]
        [0.0, 1e-308, 1.0]; [0.0, 1e300]; [0.5, 0.0]; [False, True]; [0.0, np.array(0.5)]; [np.array([0.0]), np.array([0.5])]
        (3, 64); (0, 0); (1,); (1, 2, 3); (-1, 1); (1.0, 2.0); (math.inf, 1); 'ab'; [Ellipsis]; [slice(None)]; [b'x']; [(1,), 2]
    """,
    "callable": """
        fails; gives(None); gives(3); gives('a'); gives(math.nan); gives(np.ones(3)); gives(np.ones((10, 10)))
        gives(np.full((3, 3), np.nan)); gives([]); gives(network); gives(object()); gives(np.ones((3, 3)) * 1j); gives(fails)
        gives(np.broadcast_to(1.0, (10**5, 10**5))); gives(nested(10**5)); lambda: 1; lambda a: a; lambda **k: k; lambda *a: a
        functools.partial(fails); print; object; int; len; dict; np.sin; type; mock.Mock(); mock.Mock(side_effect=ValueError)
        raising(__call__=fails); th.Exact; th.Exact(); th.hebb; th.Problem; types.MethodType(fails, 3); operator.attrgetter('a')
        functools.partial(np.full, 3); lambda h: 0 * h; lambda h: h * math.inf; lambda h: -1.0; lambda h: str(h); iter
        gives((x for x in [1])); gives(mock.Mock()); lambda x, /: x; lambda x, y, z: x; th.open_hopfield; classmethod(fails)
    """,
    "tnhop": """
        network; cavity; th.Model; tilted; tilted_cavity; dense; chain; symmetric; samples; th.ProductState; X; 0 * X; th.number(3)
        th.sigma('z')(10**6); th.Term(1.0, {0: 'y'}); th.Jump(Y); RATE; th.GlauberRate; th.ConstantRate(0.1); th.Site('spin', 2, 'a')
        th.Exact(); th.Exact; th.MeanField(); 'auto'; 'Exact'; 'TDVP'; 'Symmetric'; 'MeanField'; 'KineticMonteCarlo'; 'ClassicalMaster'
        'TEBD'; th.Observable('own', Y); th.Functional('purity'); problem; problem_steady; result; steady; spectrum; emitted
        th.TDVP(dt=0.1); th.TEBD(); th.KineticMonteCarlo(n_samples=3); th.Exact; [th.Exact()]; {'a': th.Exact()}; th.sigma; th.sigma('x')
        result.errors; comparison; convergence; th; th.ALL_METHODS; th.ALL_MODELS; network.jumps; network.hamiltonian; data; stored
        dense_cavity; distribution; populations; populations.populations; dense.rho; network.sites
        th.multimode_dicke([[0.3, 0.2, 0.1]], omega=1.0, Omega=0.2, loss=1.0, fock_dim=3); th.FieldJump(0, {'+': RATE}, [0, 0.5, 0.2])
    """,
}  # fmt: skip

# V is what stood there.
WRAPS = """
    np.array(V); np.array(V, dtype=object); np.array(V)[..., None]; np.ma.masked_array(V, mask=True); np.ma.masked_array(V)
    xr.DataArray(V); pd.Series(V); pd.Index(V); pd.DataFrame(V); tuple(V); iter(V); set(V); (x for x in V); Lying(V); [V]; (V,)
    {'a': V}; np.float16(V); np.longdouble(V); np.complex64(V); np.array(V, '>f8'); np.array(V).astype(str); str(V); Text(V)
    V.encode(); pathlib.Path(V); Path2(V); Fraction(V); Decimal(V); complex(V); bool(V); V * 0; -V; V + 0.5; V * 1e300; V * 1e-300
    np.array(V) * 1e300; np.array(V) * 1e-300; np.array(V) * np.nan; np.repeat(V, 2, axis=0); np.broadcast_to(V, (10**8, 3))
    type(V); lambda *a, **k: V; functools.partial(V); collections.UserDict(V); collections.defaultdict(float, V); dict.fromkeys(V)
    types.MappingProxyType(V); np.asarray(V).view(Sub); memoryview(np.asarray(V)); array.array('d', V); collections.deque(V)
    scipy.sparse.csr_array(V); enum.Enum('E', {'a': V}).a; V[:1]; V[:0]; np.asfortranarray(V); np.array(V)[None]; [V, V]; Number(V)
    V * 10**6; V * 10**12; V + V; V[::-1]; np.array(V, dtype=np.longdouble); np.array(V, np.float16); np.array(V).T; V + ['a']
    np.array(V) + 0j; np.array(V) > 0; mock.Mock(wraps=V); Torn(V); sorted(V); np.array(V).tolist(); np.char.array(V); V[0]; [*V, None]
    [*V, math.nan]; [*V, 10**400]; [*V, fails]; [*V, [*V]]; {**V, 'surplus': 1.0}; {**V, 3: 1.0}; {**V, '': 1.0}; [np.array(x) for x in V]
    V.upper(); V + ' '; V + '\\x00'; V + '\\udcff'; math.nextafter(V, math.inf); V / 3; V // 2; np.int8(V); np.uint64(V); np.float32(V)
"""


def _split(text: str) -> list[str]:
    return [part.strip() for line in text.strip().splitlines() for part in line.split("; ")]


_LISTS = {kind: _split(text) for kind, text in KINDS.items()}
_WRAPPED = _split(WRAPS)
# the kinds that come as far as possible, by the name of the argument
LIKELY = (
    ({"path", "store", "checkpoint"}, "path"),
    ({"callback", "make_problem", "make_model", "couplings", "function", "executor", "method"}, "callable"),
    ({"name", "method", "verb", "closure", "ordering", "norm", "update", "integrator", "backend", "device",
      "observables", "dim", "kind", "eigensolver", "libraries", "note", "width"}, "text"),
    ({"model", "state", "problem", "method", "start", "operators", "first", "second", "correlation", "item"}, "tnhop"),
    ({"grid", "tolerance", "refine", "factors", "amplitudes", "coords", "by_source", "part"}, "container"),
)  # fmt: skip


def drawn(argument: str, rng: np.random.Generator) -> str:
    """Draw an expression for an argument; V in it is what stood there."""
    likely = [kind for names, kind in LIKELY if argument in names]
    if likely and rng.random() < 0.4:
        kind = likely[rng.integers(len(likely))]
    elif rng.random() < 0.3:
        return _WRAPPED[rng.integers(len(_WRAPPED))]
    else:
        kinds = [*_LISTS]
        kind = kinds[rng.integers(len(kinds))]
    return _LISTS[kind][rng.integers(len(_LISTS[kind]))]
