"""Where objects are kept: the two kinds of archive share this contract.

A blob's key is made of hashes of its UIDs and a random part, never of a name from outside. The random part makes each
reception a blob of its own, so that removing a refused one can never touch a stored one, whatever runs at the same
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

STREAM_CHUNK = 1 << 20
"""How much a stream reads at once: the memory that one download costs."""


class Archive(Protocol):
    """Blobs by key. All methods block; asynchronous callers use a thread. They raise Unavailable when storage fails."""

    @property
    def incoming(self) -> Path:
        """The local directory of objects on their way in."""

    def check(self) -> None:
        """Try what the archive is for. Raises Invalid when its settings are wrong, Unavailable when it is away."""

    def keep(self, spooled: str, descriptor: int, key: str) -> None:
        """Make the spooled file (open as `descriptor`) the blob `key`, its bytes durable when this returns; the file is
        gone then.
        """

    def enter(self, keys: Sequence[str]) -> None:
        """Make the names of kept blobs durable too; to be called before anything that lasts refers to them."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`. Raises Unavailable when the blob is not there or shorter: its row says
        otherwise.
        """

    def read_at_hand(self, key: str, start: int, into: memoryview) -> bool:
        """Fill `into` with the bytes from `start` if they are in memory already; else False, without waiting."""

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` (to the end without `length`) in chunks of at most `STREAM_CHUNK`."""

    def has(self, key: str) -> bool:
        """Whether there is such a blob."""

    def path(self, key: str) -> Path | None:
        """The local file of the blob, where there is one."""

    def remove(self, keys: Sequence[str]) -> None:
        """Remove blobs; one that is not there is no error, and what cannot be removed now is left to the sweep."""

    def older_than(self, age: float) -> Iterator[list[str]]:
        """The keys of blobs written more than `age` seconds ago, in batches of at most a thousand."""


def is_whole(archive: Archive, key: str, size: int) -> bool:
    """Whether a blob is there, and of its size where that can be seen without asking an object store again.

    Raises Unavailable.
    """
    path = archive.path(key)
    if path is not None:
        with suppress(FileNotFoundError):  # it may be moving to the other tier
            return path.stat().st_size == size
    return archive.has(key)


def new_key(study: str, instance: str, random: str) -> str:
    """A key for a new blob: one directory for each study, spread over 256. `random` is a name drawn at random."""
    directory = xxh3_128_hexdigest(study.encode())
    return f"{directory[:2]}/{directory}/{xxh3_64_hexdigest(instance.encode())}{random}"
