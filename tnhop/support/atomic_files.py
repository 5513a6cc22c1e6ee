"""Files that are whole or not there: written under another name, and renamed when they are done."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tnhop.support.checks import fail, flag, wrong_type
from tnhop.support.units import pretty_bytes

BEGINNING = 40  # letters of its name that a file has while it is written
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def write_whole(target: Path, *parts: bytes) -> None:
    """Write a file, which replaces `target` once its bytes are on the disk; links stay links.

    Whatever goes wrong before, `target` is left as it was and nothing else remains.

    Raises
    ------
    OSError
        With one sentence: why, and the room that is needed and free.
    """
    place = target.resolve() if target.is_symlink() else target
    partial: Path | None = None
    try:
        # a short beginning: the name must not become too long by what is added
        handle, name = tempfile.mkstemp(
            dir=place.parent, prefix=f".{place.stem[:BEGINNING]}.", suffix=place.suffix[:20]
        )
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        umask = os.umask(0)  # a temporary file is private; the one that stays is an ordinary one
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        sync(partial)
        os.replace(partial, place)
        sync(place.parent)
    except OSError as error:
        _remove(partial)  # before the room that is free is looked at
        why = f"File '{target}' could not be written ({error.strerror or error})"
        lack = room(error, sum(map(len, parts)), place.parent)
        raise OSError(error.errno, f"{why}{lack}.") from error
    finally:
        _remove(partial)


def _remove(partial: Path | None) -> None:
    if partial is not None:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


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


def file_name(path: Any, name: str = "path", what: str = "file") -> Path:
    """Accept a name that a file can have and that can be looked for; ``~`` is the home.

    Parameters
    ----------
    path : object
        What was given.
    name : str
        The argument.
    what : str
        ``"file"`` or ``"folder"``.
    """
    if not isinstance(path, str | os.PathLike):
        raise wrong_type(name, f"be the name of a {what}", path)
    try:
        place = Path(path)
        with contextlib.suppress(RuntimeError):  # `~x` is a name where there is no user `x`
            place = place.expanduser()
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return place
    except Exception as error:  # a path of the user's own making may raise anything
        why = getattr(error, "strerror", None) or str(error)
        found = f"it cannot be looked for ({why})"
        raise fail(name, f"be the name of a {what} within reach", found) from error
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
    if target.exists() and not target.is_file():
        raise FileExistsError(f"File '{target}' is a pipe or a device. Choose another name.")
    folder = target.resolve().parent if target.is_symlink() else target.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"Folder '{folder}' does not exist. Create it first.")
    return target
