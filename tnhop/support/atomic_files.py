"""Files that are whole or not there: written under another name, and renamed when they are done."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tnhop.support.checks import fail, flag, wrong_type
from tnhop.support.units import pretty_bytes

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which replaces `target` once its bytes are on the disk.

    Whatever goes wrong before, `target` is left as it was and nothing else remains.
    """
    # a short beginning: the name must not become too long by what is added
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem[:40]}.", suffix=target.suffix[:20]
    )
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        umask = os.umask(0)  # a temporary file is private; the one that stays is an ordinary one
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        sync(partial)
        os.replace(partial, target)
        sync(target.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(target: Path, *parts: bytes) -> None:
    """Write a file, which replaces `target` once its bytes are on the disk.

    Raises
    ------
    OSError
        With one sentence: why, and the room that is needed and free.
    """
    try:
        with whole_file(target) as partial:
            partial.write_bytes(b"".join(parts))
    except OSError as error:
        why = f"File '{target}' could not be written ({error.strerror or error})"
        lack = room(error, sum(map(len, parts)), target.parent)
        raise OSError(error.errno, f"{why}{lack}.") from error


def room(error: OSError, n_bytes: int, folder: Path) -> str:
    """Say how much room a file needs and how much is free, if that is what it failed for."""
    if error.errno not in _NO_ROOM:
        return ""
    free = pretty_bytes(shutil.disk_usage(folder).free)
    return f": it has {pretty_bytes(n_bytes)}, and {free} are free"


def sync(path: Path) -> None:
    """Make a file, or the renamings in a folder, outlast a loss of power."""
    if os.name != "posix":  # nothing that is opened for reading can be synced there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # not every file system syncs folders
            raise
    finally:
        os.close(handle)


def file_name(path: Any, name: str = "path") -> Path:
    """Accept a name that a file can have and that can be looked for; `name` is the argument."""
    if not isinstance(path, str | os.PathLike):
        raise wrong_type(name, "be the name of a file", path)
    try:
        place = Path(path)
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return place
    except (OSError, ValueError, TypeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        found = f"it cannot be looked for ({why})"
        raise fail(name, "be the name of a file within reach", found) from error
    return place


def new_file(path: Any, overwrite: Any) -> Path:
    """Accept the name of a file that may be written; one that is there only if `overwrite`."""
    target = file_name(path)
    if not flag(overwrite, "overwrite") and target.exists():
        raise FileExistsError(
            f"File '{target}' exists already. Choose another name, or allow `overwrite`."
        )
    if target.is_dir():
        raise FileExistsError(f"'{target}' is a folder. Choose another name.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"Folder '{target.parent}' does not exist. Create it first.")
    return target
