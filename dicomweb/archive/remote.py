"""The archive in an object store: S3, GCS, Azure and others, through obstore.

An object is visible whole or not at all: a small one is one request, a large one goes up in parts and is put together
by the last request. What goes over the wire is signed and has a checksum, which the store verifies.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from dicomweb.archive.blobs import STREAM_CHUNK
from dicomweb.archive.spool import incomplete, left_to_the_sweep, unavailable, unread
from healix_fhir.kernel.bucket import brief, refusal
from healix_fhir.kernel.errors import HealixError

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions

PART = 8 << 20
"""What one request carries at most, up or down: the unit of memory."""
PARALLEL = 3
"""Parts of one object on their way up."""
LARGE_AT_ONCE = 3
"""Objects of several parts that a process sends up at once, so that many of them do not fill the memory."""
LISTED = 1000


class RemoteArchive:
    """Blobs in `store`; objects on their way in are spooled below the local directory `spool`."""

    def __init__(self, store: ObjectStore, spool: Path) -> None:
        self._store = store
        self._large: Final = BoundedSemaphore(LARGE_AT_ONCE)
        self.incoming = spool / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Write, read, list and delete a small object, which the sweep clears away if this is killed in between."""
        key = f"check/{secrets.token_hex(16)}"
        try:
            obstore.put(self._store, key, key.encode())
            obstore.get_range(self._store, key, start=0, length=1)
            next(iter(obstore.list(self._store, "check", chunk_size=1)), None)
            obstore.delete(self._store, [key])
        except (BaseError, OSError) as error:
            raise refusal(error) from error

    def keep(self, spooled: str, descriptor: int, key: str) -> None:
        """Upload the file; the store acknowledges what is durable."""
        with self._large if os.fstat(descriptor).st_size > PART else nullcontext():
            try:
                obstore.put(self._store, key, Path(spooled), chunk_size=PART, max_concurrency=PARALLEL)
            except (BaseError, OSError) as error:
                raise _failed(error) from error
        Path(spooled).unlink(missing_ok=True)

    def enter(self, keys: Sequence[str]) -> None:
        """The store acknowledges a blob with its name."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """One ranged request."""
        if length == 0:
            return b""
        data, _ = self._get(key, start, start + length)
        if len(data) < length:
            raise incomplete(key)
        return bytes(data)

    def read_at_hand(self, key: str, start: int, into: memoryview) -> bool:
        """Never: the store is elsewhere."""
        del key, start, into
        return False

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """One ranged request for each `PART`: no connection waits, and times out, while a caller reads slowly."""
        end = None if length is None else start + length
        while end is None or start < end:
            data, size = self._get(key, start, start + PART if end is None else min(start + PART, end))
            end = size if end is None else end
            if end > size:
                raise incomplete(key)
            view = memoryview(data)
            for position in range(0, len(view), STREAM_CHUNK):
                yield bytes(view[position : position + STREAM_CHUNK])
            start += len(view)

    def _get(self, key: str, start: int, end: int) -> tuple[Bytes, int]:
        """The bytes up to `end`, as far as there are any, and the size of the whole blob."""
        options: GetOptions = {"range": (start, end)}
        try:
            result = obstore.get(self._store, key, options=options)
            return result.bytes(), result.meta["size"]
        except (BaseError, OSError) as error:
            raise unread(error, key, brief(error)) from error

    def has(self, key: str) -> bool:
        """One request."""
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise _failed(error) from error
        return True

    def path(self, key: str) -> Path | None:
        """There is no local file."""
        return None

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        try:
            if keys:
                obstore.delete(self._store, list(keys))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            left_to_the_sweep(len(keys), brief(error))

    def older_than(self, age: float) -> Iterator[list[str]]:
        """List the store."""
        before = time.time() - age
        try:
            for batch in obstore.list(self._store, chunk_size=LISTED):
                keys = [entry["path"] for entry in batch if entry["last_modified"].timestamp() < before]
                if keys:
                    yield keys
        except (BaseError, OSError) as error:
            raise _failed(error) from error


def _failed(error: Exception) -> HealixError:
    return unavailable(error, brief(error))
