"""`healix backup` and `healix restore`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from healix_fhir.server.cli.console import DataDir, answer, configured, database, recorded
from healix_fhir.server.reasons import reasons, stop

Place = Annotated[str, typer.Argument(help="The file, folder or s3:// URL with the backup.")]
Name = Annotated[str | None, typer.Option("--name", help="Which backup (default: the newest).")]


class _Bars:
    """Progress on stderr: rows, and images."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._rows = bar.add_task("Rows", total=None)
        self._blobs = bar.add_task("Images", total=None)

    def total(self, size: int) -> None:
        self._bar.update(self._blobs, total=size)

    def rows(self, size: int) -> None:
        self._bar.advance(self._rows, size)

    def blobs(self, size: int) -> None:
        self._bar.advance(self._blobs, size)


@contextmanager
def _progress() -> Iterator[_Bars]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        yield _Bars(bar)


def backup_command(
    to: Annotated[
        str | None, typer.Option("--to", help="A file, a folder (that is there, or ends with /), or an s3:// URL.")
    ] = None,
    verify: Annotated[
        str | None, typer.Option("--verify", help="Take none, but read the one that is there and see if it is whole.")
    ] = None,
    name: Name = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Remove older backups of a folder or bucket than that many.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Copy the images that are there already again, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Take a backup while the server runs: rows, images, keys. A second one to the same place copies new images only.

    With --verify read every piece of a backup again instead; exits with 1 when it is damaged.
    """
    if (to is None) == (verify is None):
        stop("name where the backup goes with --to, or the one to be read with --verify")
    if verify is not None:
        _verify(verify, name, data_dir)
        return
    assert to is not None
    from dicomweb.archive.opening import open_archive
    from healix_fhir.server.backup.making import Asked, take
    from healix_fhir.server.backup.one_file import FileStore
    from healix_fhir.server.backup.pieces import open_pieces
    from healix_fhir.server.backup.store import open_store

    with database(data_dir) as (settings, pool), _progress() as bars:
        store = open_store(to, settings, new=True)
        if keep is not None and isinstance(store, FileStore):
            stop("--keep is for folders and buckets: a file keeps what it has")
        pieces = open_pieces(store, settings.backup_key_file, new=True)
        recorded(pool, "E", "backup")
        done = take(settings, open_archive(settings), pieces, Asked(_known(to), full, keep), bars)
    made = done.manifest
    answer(
        {
            "backup": made.name,
            "to": to,
            "encrypted": pieces.sealed,
            "schema": made.schema,
            "tables": len(made.tables),
            "rows": made.rows,
            "images": made.blobs,
            "new_images": done.new_blobs,
            "new_bytes": done.new_bytes,
            "damaged": list(made.damaged),
            "removed": done.removed,
            "seconds": round((made.ended - made.begun).total_seconds(), 1),
        }
    )
    if made.damaged:
        stop(f"{len(made.damaged)} images were missing or damaged and are not in the backup: healix check")


def _known(place: str) -> str:
    """The same name for a place however it is written."""
    return place.rstrip("/") if "://" in place else str(Path(place).resolve())


def _verify(place: str, name: str | None, data_dir: Path | None) -> None:
    from healix_fhir.server.backup.manifest import load
    from healix_fhir.server.backup.pieces import open_pieces
    from healix_fhir.server.backup.store import open_store
    from healix_fhir.server.backup.verifying import verify

    with reasons(), _progress() as bars:
        settings = configured(data_dir=data_dir)
        pieces = open_pieces(open_store(place, settings), settings.backup_key_file)
        manifest = load(pieces, name)
        verdict = verify(pieces, manifest, bars.blobs)
    answer({"backup": manifest.name, **msgspec.to_builtins(verdict)})
    if verdict.damaged:
        stop(f"the backup is damaged: {verdict.problems[0]}")


def restore_command(
    place: Place,
    name: Name = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Put it in the place of a database that is there.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an empty data directory (or the empty database of HEALIX_DATABASE_URL).

    Cut off and started again, it goes on with the images that are missing.
    """
    import dataclasses

    from healix_fhir.kernel import embedded
    from healix_fhir.kernel.database import open_pool
    from healix_fhir.server.backup.manifest import load
    from healix_fhir.server.backup.pieces import open_pieces
    from healix_fhir.server.backup.restoring import restore
    from healix_fhir.server.backup.store import open_store

    with reasons(), _progress() as bars:
        settings = configured(data_dir=data_dir)
        pieces = open_pieces(open_store(place, settings), settings.backup_key_file)
        manifest = load(pieces, name)
        server = None if settings.database_url else embedded.start(settings.data_dir)
        try:
            url = settings.database_url if server is None else server.get_uri()
            restore(dataclasses.replace(settings, database_url=url), pieces, manifest, bars, overwrite=overwrite)
            with open_pool(url, size=1) as pool:
                recorded(pool, "E", f"restore {manifest.name}")
        finally:
            if server is not None:
                server.cleanup()
    answer(
        {
            "backup": manifest.name,
            "taken": manifest.begun.isoformat(),
            "schema": manifest.schema,
            "rows": manifest.rows,
            "images": manifest.blobs,
            "damaged": list(manifest.damaged),
        }
    )
