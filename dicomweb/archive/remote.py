"""The archive in an object store: S3, GCS, Azure and others, through obstore."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from dicomweb.archive.blobs import STREAM_CHUNK
from dicomweb.archive.spool import incomplete, unavailable
from healix_fhir.kernel.errors import invalid

if TYPE_CHECKING:
    from obstore import GetOptions


class RemoteArchive:
    """Blobs in the store of `url`; objects on their way in are spooled below the local directory `spool`.

    Raises Invalid when `url` is not understood.
    """

    def __init__(self, url: str, spool: Path) -> None:
        try:
            self._store: ObjectStore = from_url(url)
        except (BaseError, ValueError) as error:
            raise invalid("HEALIX_BLOB_URL is not the URL of an object store, such as s3://bucket/prefix") from error
        self.incoming = spool / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def keep(self, spooled: Path, descriptor: int, key: str) -> None:
        """Upload the file (in parts when it is large); the store acknowledges what is durable."""
        try:
            obstore.put(self._store, key, spooled)
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        spooled.unlink(missing_ok=True)

    def enter(self, keys: Sequence[str]) -> None:
        """The store acknowledges a blob with its name."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """One ranged request."""
        if length == 0:
            return b""
        try:
            data = bytes(obstore.get_range(self._store, key, start=start, length=length))
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        if len(data) < length:
            raise incomplete(key)
        return data

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """One request, answered in chunks."""
        if length == 0:
            return
        try:
            options: GetOptions = {"range": {"offset": start} if length is None else (start, start + length)}
            result = obstore.get(self._store, key, options=options)
            for chunk in result.stream(min_chunk_size=STREAM_CHUNK):
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    def path(self, key: str) -> Path | None:
        """There is no local file."""
        return None

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""
        try:
            if keys:
                obstore.delete(self._store, list(keys))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    def older_than(self, age: float) -> Iterator[list[str]]:
        """List the store."""
        before = time.time() - age
        for batch in obstore.list(self._store, chunk_size=1000):
            keys = [entry["path"] for entry in batch if entry["last_modified"].timestamp() < before]
            if keys:
                yield keys
