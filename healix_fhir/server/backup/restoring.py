"""Restoring a backup: blobs and files first, then all rows in one transaction.

The database is marked from the first step to that transaction: a server does not start on one that is marked, and a
restore that was cut off is done again, without what is there already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import psycopg
from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.archive.opening import open_archive
from healix_fhir.kernel.audit_anchors import NAME as ANCHORS
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.mail.transport import OUTBOX
from healix_fhir.kernel.settings import Settings
from healix_fhir.server import migrate
from healix_fhir.server.backup import blobs, rows
from healix_fhir.server.backup.lanes import ahead
from healix_fhir.server.backup.making import Progress
from healix_fhir.server.backup.manifest import Blob, File, Manifest, blobs_of
from healix_fhir.server.backup.pieces import DamagedError, Pieces
from healix_fhir.server.backup.verifying import verify
from smart_auth.oauth.seal import FILE as SECRET

ENTERED = 1000


def restore(settings: Settings, pieces: Pieces, manifest: Manifest, progress: Progress, *, overwrite: bool) -> None:
    """Bring database, images and secret to what the backup has.

    Raises Invalid when there is a database already, unless it may `overwrite` that, for which the backup is read whole
    first; when the backup is damaged, or of a later version.
    """
    url = settings.database_url
    if manifest.schema > migrate.head():
        raise invalid(f"the backup is of a later version of Healix ({manifest.version})")
    with psycopg.connect(url, autocommit=True) as connection:
        _prepare(connection, pieces, manifest, overwrite=overwrite)
    progress.total(manifest.blob_bytes)
    migrate.upgrade(url, manifest.schema)
    try:
        _put_blobs(settings, pieces, manifest, progress.blobs)
        for file in manifest.files:
            _put_file(settings.data_dir, pieces, file)
    except DamagedError as error:
        raise invalid(f"the backup is damaged: {error}") from error
    with psycopg.connect(url, autocommit=True) as connection:
        rows.load(connection, pieces, manifest.tables, manifest.sequences, progress.rows)
        connection.execute("ANALYZE")
    migrate.migrate(url)


def _prepare(connection: Connection[Row], pieces: Pieces, manifest: Manifest, *, overwrite: bool) -> None:
    there, marked = rows.state_of(connection)
    if there and not marked:
        if not overwrite:
            raise invalid("there is data already: restore into an empty place, or with --overwrite")
        verdict = verify(pieces, manifest, lambda _: None)
        if verdict.damaged:
            raise invalid(f"the backup is damaged, and what is there stays: {verdict.problems[0]}")
    if there or marked:
        rows.reset(connection)
    with connection.transaction():
        connection.execute(f"CREATE TABLE {migrate.RESTORING} (backup text, since timestamptz DEFAULT now())")
        connection.execute(f"INSERT INTO {migrate.RESTORING} (backup) VALUES (%s)", (manifest.name,))


def _put_blobs(settings: Settings, pieces: Pieces, manifest: Manifest, advance: Callable[[int], None]) -> None:
    archive = open_archive(settings)
    archive.check()
    found = blobs_of(pieces, manifest.lists)
    while group := list(islice(found, ENTERED)):
        archive.enter([key for key in ahead(lambda blob: _put(archive, pieces, blob, advance), group) if key])


def _put(archive: Archive, pieces: Pieces, blob: Blob, advance: Callable[[int], None]) -> str | None:
    return blobs.put_back(archive, pieces, blob, advance)


def _put_file(data_dir: Path, pieces: Pieces, file: File) -> None:
    """Write a file, for its owner only to read. Anchors that are there already stay beside it under another name."""
    folder, _, name = file.name.rpartition("/")
    if file.name not in (SECRET, ANCHORS) and not (folder == OUTBOX and name.endswith(".eml") and name[:1] != "."):
        raise invalid("the backup names a file that is none of Healix")
    target = data_dir / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.restoring")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        for content in _contents(pieces, file):
            opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    if file.name == ANCHORS and target.exists():
        target.rename(target.with_name(f"{target.stem}-before-{int(target.stat().st_mtime)}{target.suffix}"))
    fresh.rename(target)


def _contents(pieces: Pieces, file: File) -> Iterator[bytes]:
    for piece in file.pieces:
        yield pieces.read(piece)
