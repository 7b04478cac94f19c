"""Backups in one file: a tar archive that only grows.

What a kill has cut off at the end is passed over by who reads and overwritten by the next backup; the backups before it
stay whole, since a backup counts from its manifest on, which is written last.

Spec: POSIX.1-2017, pax, ustar Interchange Format
"""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.server.backup.store import failed

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)


class FileStore:
    """Pieces as members of the archive at `path`. Their places are kept in memory: about 200 bytes for each."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._lock = Lock()
        self._places: dict[str, tuple[int, int]] = {}
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        try:
            self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
            self._end = self._read(os.fstat(self._descriptor).st_size)
        except OSError as error:
            raise failed(error) from error
        if self._end == 0 and os.fstat(self._descriptor).st_size:
            raise HealixError(Category.INVALID, f"{path} is a file of something else")

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def _read(self, size: int) -> int:
        """Find the members; where the next one goes."""
        at = 0
        while at + BLOCK <= size:
            try:
                head = tarfile.TarInfo.frombuf(os.pread(self._descriptor, BLOCK, at), "utf-8", "strict")
            except tarfile.HeaderError:
                break
            after = at + BLOCK + _padded(head.size)
            if after > size:
                break
            self._places[head.name] = (at + BLOCK, head.size)
            at = after
        return at

    def begin(self) -> None:
        """Look for the end again: another backup may have ended since the file was opened."""
        try:
            self._end = self._read(os.fstat(self._descriptor).st_size)
        except OSError as error:
            raise failed(error) from error

    def put(self, name: str, data: bytes) -> None:
        """Append a member."""
        head = tarfile.TarInfo(name)
        head.size, head.mode, head.mtime = len(data), 0o600, int(time.time())
        member = b"".join((head.tobuf(tarfile.USTAR_FORMAT), data, bytes(_padded(len(data)) - len(data))))
        with self._lock:
            try:
                self._write(member)
            except OSError as error:
                raise failed(error) from error
            self._places[name] = (self._end + BLOCK, len(data))
            self._end += len(member)

    def _write(self, member: bytes) -> None:
        view, at = memoryview(member), self._end
        while view:
            count = os.pwrite(self._descriptor, view, at)
            view, at = view[count:], at + count

    def get(self, name: str) -> bytes | None:
        """A positioned read."""
        place = self._places.get(name)
        try:
            return None if place is None else os.pread(self._descriptor, place[1], place[0])
        except OSError as error:
            raise failed(error) from error

    def names(self, prefix: str) -> Iterator[str]:
        """As they were written."""
        return iter([name for name in self._places if name.startswith(prefix)])

    def remove(self, names: Sequence[str]) -> None:
        """A file keeps what it has."""

    def settle(self) -> None:
        """End the archive, and force it to the disk."""
        with self._lock:
            try:
                self._write(END)
                os.ftruncate(self._descriptor, self._end + len(END))
                os.fsync(self._descriptor)
            except OSError as error:
                raise failed(error) from error


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
