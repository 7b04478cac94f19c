"""Where the files of bulk jobs are kept: the contract of both kinds of store, and the one in the data directory.

A file's key is `job/name`; both are made here, neither is a name from outside. The files of a job go together.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.settings import Settings

PIECE = 1 << 20
"""What is read and written at once: the memory that one download costs."""


class Sink(Protocol):
    """Takes the bytes of a file, one after the other."""

    def write(self, data: bytes, /) -> object:
        """Take more."""


class FileStore(Protocol):
    """Files by key. All methods block; they raise Unavailable, or Full, when storage fails."""

    def make(self, key: str) -> AbstractContextManager[Sink]:
        """A new file, whole and durable when the block has ended; of one that has failed nothing is to be read."""

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from `start` in pieces of at most `PIECE`."""

    def remove(self, job: str, prefix: str = "") -> None:
        """Remove the files of a job whose names begin so; where there are none, that is no error."""

    def jobs(self, age: float) -> Iterator[str]:
        """The jobs that have files none of which is younger than `age` seconds."""


def open_store(settings: Settings) -> FileStore:
    """The store of `settings.bulk_url`, or the one in the data directory. Raises Invalid for what cannot work."""
    if not settings.bulk_url:
        return LocalStore(settings.data_dir / "bulk")
    from healix_fhir.bulk.remote_store import RemoteStore
    from healix_fhir.kernel.bucket import connect

    return RemoteStore(connect(settings, settings.bulk_url))


def unavailable(error: Exception) -> HealixError:
    """Storage failed: there is no room, or it is away."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return HealixError(Category.FULL, "there is no room for the files of bulk jobs", detail=repr(error))
    message = "the files of bulk jobs cannot be reached; try again later"
    return HealixError(Category.UNAVAILABLE, message, detail=repr(error)[:500], retry_after=30)


@asynccontextmanager
async def making(store: FileStore, key: str) -> AsyncIterator[Sink]:
    """`FileStore.make` for an event loop: to begin and to end a file may wait for the disk or the network."""
    file = store.make(key)
    sink = await asyncio.to_thread(file.__enter__)
    try:
        yield sink
    except BaseException as error:
        await asyncio.shield(asyncio.to_thread(file.__exit__, type(error), error, error.__traceback__))
        raise
    await asyncio.to_thread(file.__exit__, None, None, None)


class LocalStore:
    """Files below `root`, a directory for each job."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def make(self, key: str) -> Iterator[Sink]:
        """Write, and force it to the disk."""
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb", buffering=PIECE) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise unavailable(error) from error
            raise

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The file stays readable for who has begun, also when it is removed."""
        try:
            with (self._root / key).open("rb", buffering=0) as file:
                file.seek(start)
                while piece := file.read(PIECE):
                    yield piece
        except OSError as error:
            raise unavailable(error) from error

    def remove(self, job: str, prefix: str = "") -> None:
        """Remove the directory, or files in it: it stays then, another run may be about to write there."""
        if not prefix:
            shutil.rmtree(self._root / job, ignore_errors=True)
            return
        try:
            for path in (self._root / job).glob(f"{prefix}*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise unavailable(error) from error

    def jobs(self, age: float) -> Iterator[str]:
        """The directories by the time of their last change."""
        before = time.time() - age
        for path in self._root.iterdir() if self._root.is_dir() else ():
            times = [one.stat().st_mtime for one in (path, *path.iterdir())] if path.is_dir() else []
            if times and max(times) < before:
                yield path.name
