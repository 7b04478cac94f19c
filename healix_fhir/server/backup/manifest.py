"""What a backup says of itself: written last, so that one without a manifest was cut off.

A name begins with the number of the backup: the greatest is the newest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel.errors import invalid
from healix_fhir.server.backup.pieces import DamagedError, Piece, Pieces

BACKUPS = "backups/"
BLOBS = "blobs/"
LIST = "list"
LARGEST = 1 << 30
"""Bytes of a manifest: it names every piece of every table, so that it grows with them beyond a piece."""


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """A blob: its key in the archive, its size, the digest of its data set, and the SHA-256 of each of its pieces."""

    key: str
    size: int
    digest: bytes
    pieces: tuple[bytes, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """A table, in the binary form of COPY."""

    name: str
    columns: tuple[str, ...]
    rows: int
    pieces: tuple[Piece, ...]


class Counter(msgspec.Struct, frozen=True):
    """A sequence of the database, and where it is."""

    name: str
    value: int
    called: bool


class File(msgspec.Struct, frozen=True):
    """A file of the data directory."""

    name: str
    pieces: tuple[Piece, ...]


class Manifest(msgspec.Struct, frozen=True):
    """A whole backup."""

    name: str
    begun: datetime
    ended: datetime
    version: str
    schema: str
    postgres: str
    tables: tuple[Table, ...]
    sequences: tuple[Counter, ...]
    files: tuple[File, ...]
    lists: tuple[Piece, ...]
    """Of `Blob`s, in order of their keys."""
    blobs: int
    blob_bytes: int
    damaged: tuple[str, ...] = ()
    """Keys of blobs that were damaged or missing when the backup was taken."""

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


def new_name(pieces: Pieces, now: datetime) -> str:
    """A name for a backup taken `now`: after all others, also when the clock was put back."""
    whole, cut = taken(pieces)
    numbers = [int(name.partition("-")[0]) for name in (*whole, *cut)]
    return f"{max(numbers, default=0) + 1:08}-{now:%Y%m%dT%H%M%SZ}"


def manifest_of(name: str) -> str:
    """The name of the manifest of a backup."""
    return f"{BACKUPS}{name}/manifest"


def blob_piece(key: str, number: int) -> str:
    """The name of a piece of a blob; one directory for each two digits that keys begin with."""
    spread, _, rest = key.partition("/")
    return f"{BLOBS}{spread}/{rest.replace('/', '.')}.{number}"


def taken(pieces: Pieces) -> tuple[list[str], dict[str, list[str]]]:
    """The names of the whole backups, the oldest first; and what there is of those that were cut off."""
    members: dict[str, list[str]] = {}
    for path in pieces.store.names(BACKUPS):
        members.setdefault(path.split("/")[1], []).append(path)
    whole = sorted(name for name, paths in members.items() if manifest_of(name) in paths)
    return whole, {name: paths for name, paths in members.items() if name not in whole}


def load(pieces: Pieces, name: str | None = None) -> Manifest:
    """The manifest of a backup, or of the newest. Raises Invalid when there is none, or it is damaged."""
    whole, _ = taken(pieces)
    if not whole:
        raise invalid("there is no whole backup: the one that was begun was cut off")
    if name is not None and name not in whole:
        raise invalid(f"there is no whole backup {name}; there is {', '.join(whole[-5:])}")
    try:
        return msgspec.msgpack.decode(pieces.get(manifest_of(name or whole[-1]), LARGEST), type=Manifest)
    except (DamagedError, msgspec.MsgspecError) as error:
        raise invalid(f"the manifest of the backup {name or whole[-1]} is damaged") from error


def blobs_of(pieces: Pieces, lists: Sequence[Piece]) -> Iterator[Blob]:
    """The blobs of a backup, in order. Raises DamagedError."""
    for piece in lists:
        yield from msgspec.msgpack.decode(pieces.read(piece), type=list[Blob])


def known_blobs(pieces: Pieces) -> Iterator[Blob]:
    """What the newest backup has, and what those that were cut off had already, in order of their keys.

    What cannot be read of them is copied again. What there is, is looked at now, not when it is read.
    """
    whole, cut = taken(pieces)
    lists = sorted(path for paths in cut.values() for path in paths if path.split("/")[2] == LIST)
    streams: list[Iterator[Blob]] = [_list(pieces, path) for path in lists]
    if whole:
        streams.append(_readable(blobs_of(pieces, load(pieces, whole[-1]).lists)))
    return heapq.merge(*streams, key=lambda blob: blob.key)


def _list(pieces: Pieces, path: str) -> Iterator[Blob]:
    try:
        yield from msgspec.msgpack.decode(pieces.get(path), type=list[Blob])
    except (DamagedError, msgspec.MsgspecError):
        return


def _readable(blobs: Iterator[Blob]) -> Iterator[Blob]:
    try:
        yield from blobs
    except DamagedError:
        return
