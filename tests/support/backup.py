"""Backups in the tests' own process."""

from __future__ import annotations

from pathlib import Path

from dicomweb.archive.blobs import Archive
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.backup.making import Asked, Taken, take
from healix_fhir.server.backup.pieces import Pieces, open_pieces
from healix_fhir.server.backup.store import open_store


class Quiet:
    """Progress that nobody looks at."""

    def total(self, size: int) -> None:
        """Nothing."""

    def rows(self, size: int) -> None:
        """Nothing."""

    def blobs(self, size: int) -> None:
        """Nothing."""


QUIET = Quiet()


def pieces_at(place: Path | str, key_file: Path | str = "", settings: Settings | None = None) -> Pieces:
    """The pieces at `place`, new or not."""
    return open_pieces(open_store(str(place), settings or Settings(), new=True), str(key_file), new=True)


def taken(url: str, archive: Archive, pieces: Pieces, *, full: bool = False, keep: int | None = None) -> Taken:
    """Take a backup of this database and archive."""
    settings = Settings(database_url=url, data_dir=archive.incoming.parent.parent)
    return take(settings, archive, pieces, Asked("here", full, keep), QUIET)
