"""Heartbeats of long calculations, for whoever watches: bars and limits of wall time.

A solver calls `beat` in its loops and knows neither bars nor clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


def beat() -> None:
    """Say that a calculation goes on; whoever listens may end it by an exception."""
    listener = _listener.get()
    if listener is not None:
        listener()


@contextmanager
def watched(listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener` at every heartbeat inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
