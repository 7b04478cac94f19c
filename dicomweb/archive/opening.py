"""The archive that the settings name."""

from __future__ import annotations

from dicomweb.archive.blobs import Archive
from dicomweb.archive.local import LocalArchive
from dicomweb.archive.spool import clear
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.settings import Settings

log = get_logger("archive")


def open_archive(settings: Settings) -> Archive:
    """The archive of `settings.blob_url`, or the one in the data directory when that is empty; with
    `settings.blob_local_days` both, as two tiers.

    Raises Invalid when the settings cannot work; an object store is not asked yet.
    """
    root = settings.data_dir / "images"
    if not settings.blob_url:
        if settings.blob_local_days:
            raise invalid("HEALIX_BLOB_LOCAL_DAYS is for images that HEALIX_BLOB_URL keeps from then on")
        return LocalArchive(root)
    from dicomweb.archive.remote import RemoteArchive
    from dicomweb.archive.tiered import TieredArchive
    from healix_fhir.kernel.bucket import connect

    far = RemoteArchive(connect(settings), root)
    return TieredArchive(LocalArchive(root), far) if settings.blob_local_days else far


def check_archive(settings: Settings) -> None:
    """Try the archive before a server starts on it, and clear what a crash left on this node's disk: the hourly sweep
    runs on one node only.

    Raises Invalid with what the operator has to change. A store that is only away is logged: it may come back, and all
    that is no image can be served meanwhile.
    """
    archive = open_archive(settings)
    clear(archive.incoming)
    try:
        archive.check()
    except HealixError as error:
        if error.category is not Category.UNAVAILABLE:
            raise
        log.warning(error.message, detail=error.detail)
