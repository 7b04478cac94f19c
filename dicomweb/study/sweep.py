"""Removing what a crash left in the archive: files that were still coming in, and blobs without rows."""

from __future__ import annotations

from dicomweb.archive.blobs import Archive
from dicomweb.archive.spool import STALE, clear
from healix_fhir.kernel.database import Statement, Work


def sweep(archive: Archive, *, age: float = STALE) -> Work[int]:
    """Remove orphans older than `age` seconds; returns how many. One statement for each thousand blobs.

    Blobs wait while labels are being changed: what that has written gets its rows at the end.
    """
    removed = clear(archive.incoming, age)
    for keys in archive.older_than(age):
        rows = yield Statement(
            """SELECT k FROM unnest(%s::text[]) k WHERE NOT EXISTS (SELECT FROM instance i WHERE i.blob = k COLLATE "C")
               AND NOT EXISTS (SELECT FROM deleted_instance d WHERE d.blob = k COLLATE "C")
               AND NOT EXISTS (SELECT FROM relabelling r WHERE r.state = 'asked')""",
            (keys,),
        )
        archive.remove([key for (key,) in rows])
        removed += len(rows)
    return removed
