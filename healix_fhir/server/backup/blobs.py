"""Blobs into a backup and out of it, each held against the digest that was recorded when it came."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO

import msgspec
from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.archive.spool import Spool
from dicomweb.study.integrity import damage_of, digest_of
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.server.backup.manifest import Blob, blob_piece
from healix_fhir.server.backup.pieces import DamagedError, Piece, Pieces
from healix_fhir.server.backup.store import PIECE

FETCHED = 10_000
KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}/[0-9a-f]{48}")

_BLOBS = """
SELECT blob, size, digest FROM instance
UNION ALL
SELECT blob, size, digest FROM non_patient_instance
UNION ALL
SELECT blob, (instance->>'size')::bigint, decode(substr(instance->>'digest', 3), 'hex') FROM deleted_instance
ORDER BY 1"""
"""Those of deleted instances too: they may be put back."""


def listed(connection: Connection[Row]) -> tuple[IO[bytes], int, int]:
    """The blobs that the transaction's snapshot has, in order of their keys, in a temporary file; how many, how large.

    They leave the database at once: to copy them takes long, and a snapshot that is held keeps it from cleaning up.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
    count = total = 0
    with connection.cursor("blobs", binary=True) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(_BLOBS)
        for key, size, digest in cursor:
            encoded = msgspec.msgpack.encode(Blob(key, size, digest))
            file.write(len(encoded).to_bytes(2, "big") + encoded)
            count, total = count + 1, total + size
    file.seek(0)
    return file, count, total


def read_listed(file: IO[bytes]) -> Iterator[Blob]:
    """What `listed` wrote."""
    while head := file.read(2):
        yield msgspec.msgpack.decode(file.read(int.from_bytes(head, "big")), type=Blob)


def joined(wanted: Iterable[Blob], known: Iterator[Blob]) -> Iterator[Blob]:
    """The wanted blobs, with their pieces where they are among the known; both are in order of their keys."""
    one = next(known, None)
    for blob in wanted:
        found: Blob | None = None
        while one is not None and one.key <= blob.key:
            if (one.key, one.size, one.digest) == (blob.key, blob.size, blob.digest) and one.pieces:
                found = one
            one = next(known, None)
        yield found or blob


def keep(archive: Archive, pieces: Pieces, blob: Blob, advance: Callable[[int], None]) -> Blob:
    """Copy a blob into the backup: with its pieces, or without any when it is missing or damaged.

    Raises Unavailable when the archive as a whole is away.
    """
    digests: list[bytes] = []

    def passing() -> Iterator[bytes]:
        held = bytearray()
        for chunk in archive.stream(blob.key):
            yield chunk
            held += chunk
            if len(held) >= PIECE:
                put(held[:PIECE])
                del held[:PIECE]
        put(held)

    def put(content: bytearray) -> None:
        digests.append(pieces.put(blob_piece(blob.key, len(digests)), bytes(content)).digest)
        advance(len(content))

    try:
        found = digest_of(passing(), lambda _: None)
    except HealixError:
        archive.check()
        if archive.has(blob.key):
            raise
        return blob
    whole = found == (blob.size, blob.digest)
    return msgspec.structs.replace(blob, pieces=tuple(digests)) if whole else blob


def contents(pieces: Pieces, blob: Blob) -> Iterator[bytes]:
    """The content of a blob, piece by piece. Raises DamagedError."""
    for number, digest in enumerate(blob.pieces):
        size = min(PIECE, blob.size - number * PIECE)
        yield pieces.read(Piece(blob_piece(blob.key, number), size, digest))


def put_back(archive: Archive, pieces: Pieces, blob: Blob, advance: Callable[[int], None]) -> str | None:
    """Put a blob into the archive, unless it is there already, whole; its key when it was put.

    Raises Invalid when the backup is damaged.
    """
    if not KEY.fullmatch(blob.key):
        raise invalid("the backup names a blob that is none")
    if archive.has(blob.key) and damage_of(archive, blob.key, blob.size, blob.digest) is None:
        advance(blob.size)
        return None
    spool = Spool(archive.incoming)
    try:
        for content in contents(pieces, blob):
            spool.write(content)
            advance(len(content))
        spool.flush()
        archive.keep(spool.place, spool.descriptor, blob.key)
    except DamagedError as error:
        raise invalid(f"the backup is damaged: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            spool.discard()
    return blob.key
