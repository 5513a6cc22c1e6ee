"""Checkpoint files: all that a stopped run needs to go on, whole at every instant.

``run.ckpt`` is the newest one and ``run.ckpt.previous`` the one before. A new one is written to
``run.ckpt.new``, reaches the disk and is then renamed, so that a kill at any moment leaves one that
is whole. Each is an HDF5 file: a JSON form and, beside it, its arrays. The first 512 bytes, which
HDF5 leaves to its users, are a header that says in plain words what follows, with its checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tnhop.support.atomic_files import file_name, room, sync
from tnhop.support.checks import fail
from tnhop.support.codec import Aside, decode, encode
from tnhop.support.errors import warn
from tnhop.support.locks import Lock

# To be raised whenever a solver changes what it carries.
CHECKPOINT_SCHEMA = 4

_TITLE = b"tnhop checkpoint\n"
_HEADER = 512


class _Damaged(Exception):
    """A slot cannot be used."""


class Checkpoint:
    """The two slots of one run; inside ``with`` they belong to this process alone.

    Parameters
    ----------
    path : str or path
        The newest slot; the others have longer names beside it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = file_name(path, "checkpoint")
        self.previous, self._new, lock = (
            self.path.with_name(f"{self.path.name}.{word}") for word in ("previous", "new", "lock")
        )
        self._lock = Lock(lock)

    def __enter__(self) -> Checkpoint:
        """Take possession, or say who has it."""
        folder = self.path.parent
        file_name(self.previous, "checkpoint")  # the longest of the names
        if not folder.is_dir():
            raise FileNotFoundError(f"Folder '{folder}' does not exist. Create it first.")
        if self.path.is_dir():
            raise fail("checkpoint", "be a file", f"'{self.path}' is a folder")
        for slot in slots(self.path):
            if not slot.is_file():
                raise fail("checkpoint", "be a file", f"'{slot}' is a pipe or a device")
        try:
            self._lock.__enter__()
        except BlockingIOError:
            found = f"process {self._lock.owner} is writing '{self.path}'"
            raise fail("checkpoint", "belong to one run at a time", found,
                       "Wait for it, or choose another name.") from None  # fmt: skip
        except OSError as error:
            found = f"'{folder}' is not ({error.strerror})"
            raise fail("checkpoint", "lie in a writable folder", found) from error
        self._new.unlink(missing_ok=True)  # of a killed run
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._lock.__exit__()

    def read(self) -> Any:
        """Return what the newest whole slot holds; None if there is no slot."""
        faults = []
        for slot in (self.path, self.previous):
            try:
                raw = _verified(slot)
            except FileNotFoundError:
                continue
            except _Damaged as damage:
                faults.append(f"'{slot}' {damage}")
                continue
            if faults:
                message = f"{faults[0]}. The run goes on from '{slot}', the one before."
                warn(f"Checkpoint {message}")
            if slot != self.path:  # the next writing must not push it out
                os.replace(slot, self.path)
            return _unpacked(raw)
        if faults:
            remedy = f"Remove '{self.path}' to start anew, or choose another name."
            raise fail("checkpoint", "be a whole checkpoint", " and ".join(faults), remedy)
        return None

    def write(self, content: Any) -> None:
        """Write a new slot; whatever happens, a whole one remains."""
        raw = _packed(content)
        try:
            with self._new.open("wb") as file:
                file.write(_header(raw))
                file.write(raw)
            sync(self._new)
            if self.path.exists():
                os.replace(self.path, self.previous)
            os.replace(self._new, self.path)
            sync(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):  # before the room that is free is looked at
                self._new.unlink(missing_ok=True)
            lack = room(error, len(raw) + _HEADER, self.path.parent)
            raise OSError(error.errno, f"{error.strerror or error}{lack}") from error
        finally:
            with contextlib.suppress(OSError):
                self._new.unlink(missing_ok=True)


def slots(path: str | Path) -> list[Path]:
    """Return the slots that exist, the newest first."""
    own = Checkpoint(path)
    return [slot for slot in (own.path, own.previous) if slot.exists()]


def remove(path: str | Path) -> None:
    """Remove both slots, unless a run is writing them."""
    with Checkpoint(path):
        for slot in reversed(slots(path)):
            slot.unlink()


def _header(raw: bytes) -> bytes:
    lines = {
        "schema": CHECKPOINT_SCHEMA, "tnhop": version("tnhop"), "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }  # fmt: skip
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return (_TITLE + text.encode()).ljust(_HEADER, b"\n")


def _verified(slot: Path) -> bytes:
    """Return the HDF5 part of a slot whose checksum is right."""
    whole = slot.read_bytes()
    head, raw = whole[:_HEADER], whole[_HEADER:]
    if not head.startswith(_TITLE):
        raise _Damaged("is not a checkpoint" if head.strip(b"\0") else "is empty")
    text = head[len(_TITLE) :].decode("ascii", "replace").strip()
    fields = dict(line.partition(": ")[::2] for line in text.split("\n"))
    if fields.get("schema", "").isdigit() and int(fields["schema"]) != CHECKPOINT_SCHEMA:
        found = f"'{slot}' has version {fields['schema']} (tnhop {fields.get('tnhop')})"
        remedy = "Go on with that version of tnhop, or remove the file to start anew."
        raise fail("checkpoint", f"have schema version {CHECKPOINT_SCHEMA}", found, remedy)
    if hashlib.sha256(raw).hexdigest() != fields.get("sha256"):
        raise _Damaged(f"is damaged ({len(raw)} of {fields.get('bytes', 'unknown')} bytes)")
    return raw


def _packed(content: Any) -> bytes:
    """Return an HDF5 file as bytes: made in memory, so that a full disk never meets HDF5."""
    import h5py  # half a second that no other run should pay

    aside = Aside()
    text = json.dumps(encode(content, aside))
    name = uuid.uuid4().hex  # HDF5 takes equal names, even in memory, for one file
    with h5py.File(name, "w", driver="core", backing_store=False, libver="latest") as file:
        file["form"] = np.frombuffer(text.encode(), dtype=np.uint8)
        for place, array in enumerate(aside.arrays):
            file[f"arrays/{place}"] = array
        file.flush()
        return bytes(file.id.get_file_image())


def _unpacked(raw: bytes) -> Any:
    import h5py

    with h5py.File(io.BytesIO(raw)) as file:
        text = file["form"][...].tobytes().decode()
        aside = Aside(
            [file[f"arrays/{place}"][...] for place in range(len(file.get("arrays", ())))]
        )
    return decode(json.loads(text), aside)
