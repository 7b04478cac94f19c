"""The files of bulk jobs in an object store: S3 and others, through obstore.

A file goes up in parts as it is made, and is there when the last request has put it together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from healix_fhir.bulk.store import PIECE, Sink, unavailable

PART = 8 << 20
"""What one request carries, up or down."""
PARALLEL = 2
LISTED = 1000


class RemoteStore:
    """Files in `store`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @contextmanager
    def make(self, key: str) -> Iterator[Sink]:
        """Parts; without an end there is no object.

        What fails is put together and removed: parts alone would stay, invisible and paid for, and obstore cannot
        abort an upload.
        """
        try:
            writer = obstore.open_writer(self._store, key, buffer_size=PART, max_concurrency=PARALLEL)
            try:
                yield writer
            except BaseException:
                with suppress(BaseError, OSError):
                    writer.close()
                    obstore.delete(self._store, key)
                raise
            writer.close()
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """One ranged request for each `PART`: no connection waits while a caller reads slowly."""
        try:
            size = obstore.head(self._store, key)["size"]
            while start < size:
                part = memoryview(obstore.get_range(self._store, key, start=start, end=min(start + PART, size)))
                for position in range(0, len(part), PIECE):
                    yield bytes(part[position : position + PIECE])
                start += len(part)
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    def remove(self, job: str, prefix: str = "") -> None:
        """List and delete; what is listed is a directory, whatever the prefix."""
        try:
            for batch in obstore.list(self._store, f"{job}/", chunk_size=LISTED):
                obstore.delete(self._store, [one["path"] for one in batch if one["path"].startswith(f"{job}/{prefix}")])
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    def jobs(self, age: float) -> Iterator[str]:
        """The first parts of keys, by their youngest file."""
        youngest: dict[str, float] = {}
        try:
            for batch in obstore.list(self._store, chunk_size=LISTED):
                for one in batch:
                    job = one["path"].partition("/")[0]
                    youngest[job] = max(youngest.get(job, 0.0), one["last_modified"].timestamp())
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        yield from (job for job, moment in youngest.items() if moment < time.time() - age)
