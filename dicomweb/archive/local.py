"""The archive on a local disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

from dicomweb.archive.blobs import STREAM_CHUNK
from dicomweb.archive.spool import incomplete, left_to_the_sweep, unavailable, unread

BATCH = 1000
AT_HAND = getattr(os, "RWF_NOWAIT", 0)
"""The flag of a read that does not wait for the disk; only Linux has it."""
_naming: Final = ThreadPoolExecutor(1, thread_name_prefix="naming")
"""Forces a directory to the disk while the thread that put a file there waits for its bytes."""


class LocalArchive:
    """Blobs below `root`, in `incoming/` while they arrive and `blobs/` from then on."""

    def __init__(self, root: Path) -> None:
        self.incoming = root / "incoming"
        self._blobs = root / "blobs"
        self._below = f"{self._blobs}{os.sep}"  # to join a Path takes as long as to rename a file
        for directory in (self.incoming, self._blobs):
            directory.mkdir(parents=True, exist_ok=True)
        self._lasting: set[str] = set()  # directories known to be on the disk themselves, whoever made them
        self._named: set[str] = set()  # blobs kept, whose names are durable already
        self._placed: dict[str, set[str]] = {}  # those whose names are not, by their directories
        self._lock = Lock()
        self._forcing = 0  # files that are just being forced
        self._together = False  # whether several were at once, when any was last

    def check(self) -> None:
        """Nothing to try: that the directories are there was seen when it was opened."""

    def keep(self, spooled: str, descriptor: int, key: str) -> None:
        """Move the file to its place, then force it to the disk.

        The order costs one journal commit instead of two, and is as safe: nothing refers to the blob before this
        returns, and one that a crash leaves without rows is swept.
        """
        target, directory = self._below + key, key.rpartition("/")[0]
        try:
            try:
                os.rename(spooled, target)  # noqa: PTH104 - see _below
            except FileNotFoundError:  # the first object of a study
                self._lasting.discard(directory)
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                os.rename(spooled, target)  # noqa: PTH104
            named = self._force(descriptor, directory, key)
        except OSError as error:
            Path(target).unlink(missing_ok=True)
            raise unavailable(error) from error
        if named:
            self._are_named({key})

    def _are_named(self, keys: set[str]) -> None:
        if len(self._named) >= BATCH:  # those that nobody entered: to force a directory twice does no harm
            self._named.clear()
        self._named |= keys

    def _force(self, descriptor: int, directory: str, key: str) -> bool:
        """Force a file to the disk, and its directory beside it where files come one by one; whether that was.

        The two waits are one then: each is for the disk and for a turn of a processor, which takes longer on a busy
        machine. Several files that come at once are entered together, for the price of one directory.
        """
        with self._lock:
            self._forcing += 1
            if self._forcing > 1:
                is_lone, self._together = False, True
            else:
                is_lone, self._together = not self._together, False
        try:
            if not is_lone or directory not in self._lasting:
                with self._lock:
                    if len(self._placed) >= BATCH:
                        self._placed.clear()
                    self._placed.setdefault(directory, set()).add(key)
                os.fsync(descriptor)
                return False
            naming = _naming.submit(_sync, self._below + directory)
            os.fsync(descriptor)
            naming.result()
        finally:
            with self._lock:
                self._forcing -= 1
        return True

    def enter(self, keys: Sequence[str]) -> None:
        """Force the directories to the disk, each once, but those that were since these blobs were put there."""
        directories = {key.rpartition("/")[0] for key in keys if key not in self._named}
        with self._lock:
            placed = set[str]().union(*(self._placed.pop(one, ()) for one in directories))
        above = {higher for one in directories - self._lasting for higher in (one.rpartition("/")[0], "")}
        try:
            for directory in (*directories, *above):
                _sync(self._below + directory)
        except OSError as error:
            raise unavailable(error) from error
        self._are_named(placed)
        self._named.difference_update(keys)
        if len(self._lasting) >= BATCH:
            self._lasting.clear()
        self._lasting |= directories

    def read(self, key: str, start: int, length: int) -> bytes:
        """One positioned read."""
        try:
            with (self._blobs / key).open("rb", buffering=0) as file:
                file.seek(start)
                data = file.read(length)
        except OSError as error:
            raise unread(error, key) from error
        if len(data) < length:
            raise incomplete(key)
        return data

    def read_at_hand(self, key: str, start: int, into: memoryview) -> bool:
        """One positioned read of what the system has cached; where that cannot be asked for, nothing is."""
        if not AT_HAND:
            return False
        try:
            descriptor = os.open(self._below + key, os.O_RDONLY)
        except OSError:
            return False  # whoever reads it by waiting is told why
        try:
            return os.preadv(descriptor, [into], start, AT_HAND) == len(into)
        except OSError:  # it is not cached, or the file system cannot tell
            return False
        finally:
            os.close(descriptor)

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes in chunks."""
        try:
            with (self._blobs / key).open("rb", buffering=0) as file:
                file.seek(start)
                remaining = length if length is not None else -1
                while remaining:
                    chunk = file.read(STREAM_CHUNK if remaining < 0 else min(STREAM_CHUNK, remaining))
                    if not chunk:
                        break
                    remaining -= len(chunk) if remaining > 0 else 0
                    yield chunk
        except OSError as error:
            raise unread(error, key) from error
        if remaining > 0:
            raise incomplete(key)

    def has(self, key: str) -> bool:
        """Whether there is such a file."""
        return (self._blobs / key).is_file()

    def path(self, key: str) -> Path | None:
        """The file of the blob."""
        return self._blobs / key

    def remove(self, keys: Sequence[str]) -> None:
        """Unlink files."""
        try:
            for key in keys:
                (self._blobs / key).unlink(missing_ok=True)
        except OSError as error:
            left_to_the_sweep(len(keys), repr(error))

    def older_than(self, age: float) -> Iterator[list[str]]:
        """Walk the tree."""
        before = time.time() - age
        batch: list[str] = []
        for directory, _, names in os.walk(self._blobs):
            for name in names:
                path = Path(directory, name)
                if path.stat().st_mtime < before:
                    batch.append(str(path.relative_to(self._blobs)))
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
