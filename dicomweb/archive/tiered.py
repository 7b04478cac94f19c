"""The archive in two tiers: new blobs on the local disk, old ones in an object store.

A blob is moved by copying it to the store, which verifies its checksum, and then unlinking it: at each moment at least
one tier has it whole, and what was killed in between is moved once more. So nothing has to be remembered about where a
blob is; who reads looks at the disk first, which costs nothing beside a request to the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dicomweb.archive.local import LocalArchive
from dicomweb.archive.remote import RemoteArchive
from healix_fhir.kernel.errors import HealixError


class TieredArchive:
    """Blobs in `near` while they are young, in `far` from then on."""

    def __init__(self, near: LocalArchive, far: RemoteArchive) -> None:
        self.near = near
        self.far = far
        self.incoming = near.incoming

    def check(self) -> None:
        """Try both."""
        self.near.check()
        self.far.check()

    def keep(self, spooled: str, descriptor: int, key: str) -> None:
        """On the disk."""
        self.near.keep(spooled, descriptor, key)

    def enter(self, keys: Sequence[str]) -> None:
        """On the disk."""
        self.near.enter(keys)

    def read(self, key: str, start: int, length: int) -> bytes:
        """From where it is."""
        if (near := self.path(key)) is None:
            return self.far.read(key, start, length)
        try:
            return self.near.read(key, start, length)
        except HealixError:
            if near.exists():
                raise
            return self.far.read(key, start, length)  # it was moved between the two looks

    def read_at_hand(self, key: str, start: int, into: memoryview) -> bool:
        """From the disk, if it is there."""
        return self.near.read_at_hand(key, start, into)

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """From where it is. A file that is moved while it is read stays open, and whole."""
        near = self.path(key)
        if near is not None:
            chunks = self.near.stream(key, start, length)
            try:
                first = next(chunks, b"")
            except HealixError:
                if near.exists():
                    raise
            else:
                if first:
                    yield first
                    yield from chunks
                return
        yield from self.far.stream(key, start, length)

    def has(self, key: str) -> bool:
        """In either."""
        return self.near.has(key) or self.far.has(key)

    def path(self, key: str) -> Path | None:
        """The local file, while there is one."""
        path = self.near.path(key)
        return path if path is not None and path.exists() else None

    def remove(self, keys: Sequence[str]) -> None:
        """From both."""
        self.near.remove(keys)
        self.far.remove(keys)

    def older_than(self, age: float) -> Iterator[list[str]]:
        """Those of both."""
        yield from self.near.older_than(age)
        yield from self.far.older_than(age)

    def move(self, key: str) -> int:
        """Move a blob from the disk to the store, where it is durable when this returns; its size, 0 without one.

        Raises Unavailable when the store is; the blob stays on the disk then.
        """
        path = self.path(key)
        if path is None:
            return 0
        with path.open("rb") as file:
            size = path.stat().st_size
            self.far.keep(str(path), file.fileno(), key)
        return size
