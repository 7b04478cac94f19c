"""A file on its way into the archive."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

RETRY_AFTER = 30
log = get_logger("archive")


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the operating system says when a disk, a quota or a file system's limit is reached."""


def unavailable(error: Exception, detail: str = "") -> HealixError:
    """Storage failed: the sender is told to try again, or that there is no room; the log what happened."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return HealixError(Category.FULL, "the image archive is full", detail=detail or repr(error))
    message = "the image archive cannot be reached"
    return HealixError(Category.UNAVAILABLE, message, detail=detail or repr(error), retry_after=RETRY_AFTER)


def unread(error: Exception, key: str, detail: str = "") -> HealixError:
    """A blob cannot be read: it is not there, for which nobody need wait, or its archive is not."""
    if isinstance(error, FileNotFoundError):
        said = "the file of this image is missing in the image archive"
        return HealixError(Category.UNAVAILABLE, said, detail=f"blob {key} is missing")
    return unavailable(error, detail)


def incomplete(key: str) -> HealixError:
    """A blob is shorter than its row says."""
    return HealixError(Category.UNAVAILABLE, "the image archive is incomplete", detail=f"blob {key} is too short")


def left_to_the_sweep(blobs: int, detail: str) -> None:
    """Blobs could not be removed: no reason to fail, whatever the caller was about."""
    log.warning("blobs could not be removed and are left to the sweep", blobs=blobs, detail=detail)


STALE = 3600.0
"""Seconds after which nothing can still be on its way."""


def stale(incoming: Path, age: float = STALE) -> list[Path]:
    """The files and folders that came more than `age` seconds ago; one that goes meanwhile is none of them."""
    before, found = time.time() - age, []
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                found.append(path)
    return found


def clear(incoming: Path, age: float = STALE) -> int:
    """Remove the files and folders that came more than `age` seconds ago: what a crash left; returns how many."""
    old = stale(incoming, age)
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


BUFFER = 1 << 20
"""How much is gathered before it is written: few large writes cost less than many, in time and interpreter lock."""
PIECES = 512
"""How many pieces are gathered before they are made one: each costs more than its bytes where they are few."""


_names: Final = random.Random()  # noqa: S311 - they are to differ, and no secret: to ask the system takes a turn
os.register_at_fork(after_in_child=_names.seed)


class Spool:
    """A new file of a random name in the archive's `incoming` directory, for writing and reading.

    The file is made when the first bytes are written to it: what is small and refused never touches the disk.
    """

    def __init__(self, incoming: Path) -> None:
        self.name: Final = f"{_names.getrandbits(128):032x}"
        self.place: Final = f"{incoming}{os.sep}{self.name}"
        self.size = 0
        self._gathered: list[bytes | memoryview] = []
        self._waiting = 0
        self._descriptor = -1

    @property
    def path(self) -> Path:
        """The file. Each object that is received makes do with its `place`: a Path takes longer to make."""
        return Path(self.place)

    @property
    def descriptor(self) -> int:
        """The file, which is made now if it was not before. Raises Full, Unavailable."""
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self.place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise unavailable(error) from error
        return self._descriptor

    @property
    def held(self) -> bytes | None:
        """All that was written, while none of it is in the file; else None."""
        return self._joined() if self._descriptor < 0 else None

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append `chunk`, which is copied unless it is of bytes, which stay as they are. Raises Full when there is no
        room, Unavailable when the disk fails.
        """
        self.size += len(chunk)
        self._waiting += len(chunk)
        lasting = isinstance(chunk.obj if isinstance(chunk, memoryview) else chunk, bytes)
        self._gathered.append(chunk if lasting and not isinstance(chunk, bytearray) else bytes(chunk))
        if self._waiting >= BUFFER:
            self.flush()
        elif len(self._gathered) >= PIECES:
            self._joined()

    def _joined(self) -> bytes:
        """What was gathered, as one piece."""
        whole = b"".join(self._gathered)
        self._gathered = [whole]
        return whole

    def flush(self) -> None:
        """Write what was gathered, so that it can be read from the descriptor. Raises as `write`."""
        descriptor = self.descriptor
        view = memoryview(self._joined())
        self._gathered, self._waiting = [], 0
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Close the file; what `Archive.keep` moved away stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close and remove the file, where there is one."""
        if self._descriptor >= 0:
            self.close()
            self.path.unlink(missing_ok=True)
        self._gathered, self._waiting = [], 0
