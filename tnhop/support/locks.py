"""Locks between processes: the system releases them when a process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Lock:
    """A file that one process holds; inside ``with`` it is this one.

    Parameters
    ----------
    path : Path
        The file; it is made, holds the number of the process, and is removed at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def owner(self) -> str:
        """The process that holds it."""
        with contextlib.suppress(OSError):
            return self.path.read_text("utf-8").strip() or "another one"
        return "another one"

    def __enter__(self) -> Lock:
        """Take it; BlockingIOError if another process has it."""
        import fcntl  # not on Windows, where only what needs locks is out of reach

        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise
            except OSError:  # a file system without locks: nothing can be said
                self._handle = handle
                return self
            with contextlib.suppress(FileNotFoundError):
                # the last owner may have removed the file between the two calls
                if os.path.samestat(os.fstat(handle), os.stat(self.path)):
                    self._handle = handle
                    with contextlib.suppress(OSError):  # a full disk: held, but nobody's
                        os.ftruncate(handle, 0)
                        os.write(handle, f"{os.getpid()}\n".encode())
                    return self
            os.close(handle)

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        if self._handle is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None
