"""The archive that the settings name."""

from __future__ import annotations

from dicomweb.archive.blobs import Archive
from dicomweb.archive.local import LocalArchive
from healix_fhir.kernel.settings import Settings


def open_archive(settings: Settings) -> Archive:
    """The archive of `settings.blob_url`, or the one in the data directory when that is empty."""
    root = settings.data_dir / "images"
    if not settings.blob_url:
        return LocalArchive(root)
    from dicomweb.archive.remote import RemoteArchive

    return RemoteArchive(settings.blob_url, root)
