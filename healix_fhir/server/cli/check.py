"""`healix check`: whether rows and blobs agree."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
from psycopg import Connection

from healix_fhir.kernel.database import Row
from healix_fhir.server.cli.console import DataDir, answer, database, recorded

FETCHED = 1000


def check_command(
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be; without it nothing is changed.")
    ] = False,
    backup: Annotated[str | None, typer.Option("--from", help="A backup from which --repair puts images back.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare rows and blobs: images that are missing or damaged, blobs without rows, files that a crash left.

    Reads every image, as fast as HEALIX_CHECK_MB_PER_SECOND says; cut off, it goes on where it was. Exits with 1 when
    something is left that does not agree.
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from dicomweb.archive.opening import open_archive
    from dicomweb.archive.spool import stale
    from dicomweb.study import integrity
    from dicomweb.study.sweep import orphans, sweep
    from healix_fhir.kernel.database import run, transaction

    with database(data_dir) as (settings, pool), pool.connection() as connection:
        recorded(pool, "E", f"check {'--repair' if repair else ''}")
        archive = open_archive(settings)
        archive.check()
        columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(file=sys.stderr)) as bar:
            task = bar.add_task("Reading images", total=None)
            rate = settings.check_mb_per_second << 20
            for size in integrity.check(connection, archive, rate, now=True, mend=repair, seconds=math.inf):
                bar.advance(task, size)
            deleted = list(_deleted(connection, archive))
            named = run(connection, integrity.damaged())
            put_back = 0
            if repair and backup is not None and (named or deleted):
                put_back = _put_back(settings, archive, backup, {*deleted, *(one.blob for one in named)})
                for _ in integrity.check(connection, archive, rate, now=True, seconds=math.inf):
                    pass
                deleted = list(_deleted(connection, archive))
                named = run(connection, integrity.damaged())
        last = transaction(pool, integrity.runs)[:1]
        left, without = len(stale(archive.incoming)), run(connection, orphans(archive))
        removed = run(connection, sweep(archive)) if repair else 0
        answer(
            {
                "run": msgspec.to_builtins(last[0]) if last else None,
                "damaged": [msgspec.to_builtins(one) for one in named],
                "deleted_and_damaged": deleted,
                "put_back": put_back,
                "blobs_without_rows": without,
                "files_left": left,
                "removed": removed,
            }
        )
    if named or deleted or (without + left > removed):
        raise typer.Exit(1)


def _deleted(connection: Connection[Row], archive: Any) -> Iterator[str]:
    """The blobs of deleted images that can be brought back no more, since they are missing or damaged."""
    from dicomweb.study.integrity import damage_of

    with connection.transaction(), connection.cursor("deleted", binary=True) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(
            """SELECT blob, (instance->>'size')::bigint, decode(substr(instance->>'digest', 3), 'hex')
               FROM deleted_instance"""
        )
        for blob, size, digest in cursor:
            if damage_of(archive, blob, size, digest) is not None:
                yield blob


def _put_back(settings: Any, archive: Any, place: str, wanted: set[str]) -> int:
    from healix_fhir.server.backup.mending import mend
    from healix_fhir.server.backup.pieces import open_pieces
    from healix_fhir.server.backup.store import open_store

    pieces = open_pieces(open_store(place, settings), settings.backup_key_file)
    return mend(archive, pieces, wanted, lambda _: None)
