"""Taking a backup while the server runs.

The rows are those of one snapshot, and the blobs are those that these rows name: a blob is durable before its rows
are, never changes, and stays until a backup that names it has it (`kernel.backup_hold`). Files of the data directory
are read before the snapshot, since the anchors of the audit trail must not be ahead of it.

What was begun and cut off is told by the lists of blobs that it had written: the next one goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Protocol

import msgspec
import psycopg
from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.study.integrity import damage_of
from healix_fhir.kernel import backup_hold, clock
from healix_fhir.kernel.audit_anchors import NAME as ANCHORS
from healix_fhir.kernel.database import Row, watched
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.mail.transport import OUTBOX
from healix_fhir.kernel.settings import Settings
from healix_fhir.server import migrate
from healix_fhir.server.backup import blobs, rows
from healix_fhir.server.backup.keeping import keep_newest
from healix_fhir.server.backup.lanes import ahead
from healix_fhir.server.backup.manifest import (
    BACKUPS,
    LIST,
    Blob,
    File,
    Manifest,
    Table,
    known_blobs,
    manifest_of,
    new_name,
    taken,
)
from healix_fhir.server.backup.pieces import Piece, Pieces
from healix_fhir.server.backup.store import PIECE
from smart_auth.oauth.seal import FILE as SECRET

LISTED = 2000
DIGESTS = 50_000
"""Blobs, and pieces of blobs, of one list at most."""


class Progress(Protocol):
    """Is told how far a backup is."""

    def total(self, size: int) -> None:
        """How many bytes of blobs there are to copy or to pass over."""

    def rows(self, size: int) -> None:
        """More bytes of rows are done."""

    def blobs(self, size: int) -> None:
        """More bytes of blobs are done."""


class Taken(msgspec.Struct, frozen=True):
    """A backup that was taken, and what of it is new; how many older ones were removed."""

    manifest: Manifest
    new_blobs: int
    new_bytes: int
    removed: int


class Asked(msgspec.Struct, frozen=True):
    """Where a backup goes, whether blobs that are there already are copied again, and how many backups stay."""

    place: str
    full: bool = False
    keep: int | None = None


def take(settings: Settings, archive: Archive, pieces: Pieces, asked: Asked, progress: Progress) -> Taken:
    """Take a backup of all that the settings name into `pieces`, the store at `asked.place`.

    Raises Conflict when another is being taken to the same place, or has begun with it, Unavailable when the database,
    the archive or the store is away.
    """
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection, _held(connection, asked.place):
        pieces.store.begin()
        pieces.require_begun()
        begun = clock.now()
        name = new_name(pieces, begun)
        folder = f"{BACKUPS}{name}"
        cut = [path for paths in taken(pieces)[1].values() for path in paths]
        known = known_blobs(pieces)
        files = tuple(_files(settings, pieces, folder))
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SET LOCAL statement_timeout = 0")
            tables = tuple(_tables(connection, pieces, folder, progress))
            wanted, count, total = blobs.listed(connection)
        sequences = rows.counters(connection)
        progress.total(total)
        with wanted:
            kept = _Kept(archive, pieces, folder, progress, full=asked.full)
            kept.all(blobs.joined(blobs.read_listed(wanted), known))
        _still_held(connection)
        pieces.require_begun()
        manifest = Manifest(
            name=name,
            begun=begun,
            ended=clock.now(),
            version=version("healix"),
            schema=migrate.current(connection) or "",
            postgres=str(connection.info.server_version),
            tables=tables,
            sequences=sequences,
            files=files,
            lists=tuple(kept.lists),
            blobs=count - len(kept.damaged),
            blob_bytes=total,
            damaged=tuple(kept.damaged),
        )
        pieces.store.settle()
        pieces.put(manifest_of(name), msgspec.msgpack.encode(manifest))
        pieces.store.settle()
        pieces.store.remove(cut)
        removed = 0 if asked.keep is None else keep_newest(pieces, asked.keep)
        return Taken(manifest, kept.blobs, kept.bytes, removed)


class _Kept:
    """The blobs of a backup that is being taken."""

    def __init__(self, archive: Archive, pieces: Pieces, folder: str, progress: Progress, *, full: bool) -> None:
        self._archive, self._pieces, self._folder, self._progress = archive, pieces, folder, progress
        self._full = full
        self.lists: list[Piece] = []
        self.damaged: list[str] = []
        self.blobs = self.bytes = 0

    def all(self, wanted: Iterable[Blob]) -> None:
        """Copy what has no pieces yet, and write the lists."""
        for group in _groups(wanted):
            kept = list(ahead(self._keep, group))
            for old, new in zip(group, kept, strict=True):
                if not new.pieces:
                    self.damaged.append(new.key)
                elif new is not old:
                    self.blobs += 1
                    self.bytes += new.size
            whole = msgspec.msgpack.encode([one for one in kept if one.pieces])
            self._pieces.store.settle()  # whoever goes on after a loss of power believes the list
            self.lists.append(self._pieces.put(f"{self._folder}/{LIST}/{len(self.lists):08}", whole))

    def _keep(self, blob: Blob) -> Blob:
        if blob.pieces and not (self._full and self._whole(blob)):
            self._progress.blobs(blob.size)
            return blob
        return blobs.keep(self._archive, self._pieces, blob, self._progress.blobs)

    def _whole(self, blob: Blob) -> bool:
        """Whether the archive has it whole: else what the backup has may be all that is left, and is not touched."""
        return damage_of(self._archive, blob.key, blob.size, blob.digest) is None


@contextmanager
def _held(connection: Connection[Row], place: str) -> Iterator[None]:
    """Hold back what removes blobs, migrations, and other backups to the same place.

    The locks are the connection's: they go with it, however it goes.
    """
    number = int.from_bytes(hashlib.sha256(f"backup {place}".encode()).digest()[:7], "big")
    connection.execute("SELECT pg_advisory_lock_shared(%s)", (backup_hold.LOCK,))
    row = connection.execute(
        "SELECT pg_try_advisory_lock_shared(%s), pg_try_advisory_lock(%s)", (migrate.LOCK, number)
    ).fetchone()
    if row is None or not row[0]:
        raise HealixError(Category.CONFLICT, "the database is being migrated; try again later")
    if not row[1]:
        raise HealixError(Category.CONFLICT, "another backup to this place is being taken")
    yield


def _still_held(connection: Connection[Row]) -> None:
    """Raise Unavailable when the connection, and with it the locks, was lost meanwhile."""
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        message = "the connection to the database was lost meanwhile: take the backup again, it goes on where it was"
        raise HealixError(Category.UNAVAILABLE, message, detail=repr(error)) from error


def _files(settings: Settings, pieces: Pieces, folder: str) -> Iterator[File]:
    """What the data directory has beside database and images that cannot be made anew."""
    root = settings.data_dir
    for path in (root / SECRET, root / ANCHORS, *sorted((root / OUTBOX).glob("*.eml"))):
        if not path.is_file():
            continue
        name, found = str(path.relative_to(root)), list[Piece]()
        with path.open("rb") as file:
            while (content := file.read(PIECE)) or not found:
                found.append(pieces.put(f"{folder}/files/{name.replace('/', '.')}.{len(found)}", content))
        yield File(name, tuple(found))


def _tables(connection: Connection[Row], pieces: Pieces, folder: str, progress: Progress) -> Iterator[Table]:
    for name, columns in rows.tables(connection).items():

        def put(number: int, plain: bytes, name: str = name) -> Piece:
            progress.rows(len(plain))
            return pieces.put(f"{folder}/rows/{name}.{number}", plain)

        yield rows.copied(connection, name, columns, put)


def _groups(found: Iterable[Blob]) -> Iterator[list[Blob]]:
    """Lists of at most `LISTED` blobs, fewer where they are large."""
    group: list[Blob] = []
    digests = 0
    for blob in found:
        group.append(blob)
        digests += 1 + blob.size // PIECE
        if len(group) == LISTED or digests > DIGESTS:
            yield group
            group, digests = [], 0
    if group:
        yield group
