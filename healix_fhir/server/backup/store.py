"""Where backups are kept: small named pieces, in a folder, a bucket or one file.

Every piece is written once and whole, and no larger than `PIECE` and its seal: what is held in memory at once.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from dicomweb.archive.spool import clear
from healix_fhir.kernel.bucket import brief, connect
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.settings import Settings

PIECE = 8 << 20
LISTED = 1000
INCOMING = ".incoming"


class Store(Protocol):
    """Pieces by name. All methods block, and may be called by several threads.

    They raise Unavailable, or Full, when storage fails.
    """

    def begin(self) -> None:
        """Be ready to write after all that others have written, now that none of them writes."""

    def put(self, name: str, data: bytes) -> None:
        """Write a piece whole."""

    def get(self, name: str) -> bytes | None:
        """A piece, or None where there is none."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, which ends with a slash."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove pieces; one that is not there is no error."""

    def settle(self) -> None:
        """Make what was put durable, names and all."""


def open_store(place: str, settings: Settings, *, new: bool = False) -> Store:
    """The store at `place`: the URL of a bucket, a folder (that is there, or ends with a slash), or else a file.

    Raises Invalid when there is none, unless it may be `new`.
    """
    from healix_fhir.server.backup.one_file import FileStore

    if "://" in place:
        return BucketStore(connect(settings, place))
    path = Path(place)
    if not new and not path.exists():
        raise HealixError(Category.INVALID, f"there is no backup {place}")
    if path.is_dir() or (not path.exists() and place.endswith(os.sep)):
        folder = FolderStore(path)
        if new:
            folder.begin()
        return folder
    return FileStore(path, writable=new)


def failed(error: Exception) -> HealixError:
    """Storage failed: there is no room, or it is away."""
    detail = brief(error) if isinstance(error, BaseError) else repr(error)[:500]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return HealixError(Category.FULL, "there is no room for the backup", detail=detail)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else detail
    return HealixError(Category.UNAVAILABLE, f"where the backup is kept cannot be reached: {reason}", detail=detail)


class FolderStore:
    """A file for each piece below `root`, for their owner only to read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._entered: set[Path] = set()

    def begin(self) -> None:
        """Make the folder, and remove what a backup that was cut off had not finished to write."""
        try:
            for directory in (self._root, self._incoming):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            clear(self._incoming)
        except OSError as error:
            raise failed(error) from error

    def put(self, name: str, data: bytes) -> None:
        """Under another name first: what is cut off is never seen. It is on the disk when this returns."""
        target = self._root / name
        fresh = self._incoming / secrets.token_hex(16)
        try:
            if target.parent not in self._entered:
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb", buffering=0) as file:
                    view = memoryview(data)
                    while view:
                        view = view[file.write(view) :]
                    os.fsync(descriptor)
                    if hasattr(os, "posix_fadvise"):  # so that who compares it reads the disk
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                fresh.rename(target)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise failed(error) from error
        self._entered.add(target.parent)

    def get(self, name: str) -> bytes | None:
        """The file's content."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failed(error) from error

    def names(self, prefix: str) -> Iterator[str]:
        """Walk the tree, without what was cut off."""
        for directory, _, files in os.walk(self._root / prefix):
            if Path(directory) != self._incoming:
                for file in files:
                    yield str(Path(directory, file).relative_to(self._root))

    def remove(self, names: Sequence[str]) -> None:
        """Unlink files, and directories that are empty then."""
        try:
            for name in names:
                path = self._root / name
                path.unlink(missing_ok=True)
                for above in path.relative_to(self._root).parents[:-1]:
                    try:
                        (self._root / above).rmdir()
                    except OSError:
                        break
        except OSError as error:
            raise failed(error) from error

    def settle(self) -> None:
        """Force the directories to the disk."""
        above = {higher for one in self._entered for higher in (one, *one.parents) if higher.is_relative_to(self._root)}
        try:
            for directory in above:
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise failed(error) from error
        self._entered.clear()


class BucketStore:
    """An object for each piece, below the prefix of the bucket's URL."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def begin(self) -> None:
        """Nothing is held of what others do."""

    def put(self, name: str, data: bytes) -> None:
        """The store acknowledges what is durable."""
        try:
            obstore.put(self._store, name, data)
        except (BaseError, OSError) as error:
            raise failed(error) from error

    def get(self, name: str) -> bytes | None:
        """One request."""
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise failed(error) from error

    def names(self, prefix: str) -> Iterator[str]:
        """List the store."""
        try:
            for batch in obstore.list(self._store, prefix.rstrip("/"), chunk_size=LISTED):
                for entry in batch:
                    yield entry["path"]
        except (BaseError, OSError) as error:
            raise failed(error) from error

    def remove(self, names: Sequence[str]) -> None:
        """Delete objects."""
        try:
            if names:
                obstore.delete(self._store, list(names))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise failed(error) from error

    def settle(self) -> None:
        """All is durable already."""
