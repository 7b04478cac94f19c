"""Putting images that are missing or damaged back from a backup."""

from __future__ import annotations

from collections.abc import Callable, Collection

from dicomweb.archive.blobs import Archive
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.backup.blobs import put_back
from healix_fhir.server.backup.manifest import blobs_of, load
from healix_fhir.server.backup.pieces import DamagedError, Pieces


def mend(archive: Archive, pieces: Pieces, wanted: Collection[str], advance: Callable[[int], None]) -> int:
    """Put those of the wanted blobs back that the newest backup has; how many.

    Raises Invalid when the backup is damaged.
    """
    try:
        found = [blob for blob in blobs_of(pieces, load(pieces).lists) if blob.key in wanted]
    except DamagedError as error:
        raise invalid(f"the backup is damaged: {error}") from error
    put = [key for blob in found if (key := put_back(archive, pieces, blob, advance))]
    archive.enter(put)
    return len(put)
