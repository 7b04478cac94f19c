"""Removing what a crash left in the archive: files that were still coming in, and blobs without rows."""

from __future__ import annotations

from dicomweb.archive.blobs import Archive
from dicomweb.archive.spool import STALE, clear
from healix_fhir.kernel.backup_hold import RUNNING
from healix_fhir.kernel.database import Statement, Work


def sweep(archive: Archive, *, age: float = STALE) -> Work[int]:
    """Remove orphans older than `age` seconds; returns how many. One statement for each thousand blobs."""
    removed = clear(archive.incoming, age)
    for keys in archive.older_than(age):
        found = yield from _orphaned(keys)
        archive.remove(found)
        removed += len(found)
    return removed


def orphans(archive: Archive, *, age: float = STALE) -> Work[int]:
    """How many blobs a sweep would remove now."""
    count = 0
    for keys in archive.older_than(age):
        count += len((yield from _orphaned(keys)))
    return count


def _orphaned(keys: list[str]) -> Work[list[str]]:
    """Those of the keys that no row has.

    None while labels are being changed: what that has written gets its rows at the end; nor while a backup runs.
    """
    rows = yield Statement(
        f"""SELECT k FROM unnest(%s::text[]) k
            WHERE NOT EXISTS (SELECT FROM instance i WHERE i.blob = k COLLATE "C")
              AND NOT EXISTS (SELECT FROM deleted_instance d WHERE d.blob = k COLLATE "C")
              AND NOT EXISTS (SELECT FROM non_patient_instance n WHERE n.blob = k COLLATE "C")
              AND NOT EXISTS (SELECT FROM relabelling r WHERE r.state = 'asked') AND NOT {RUNNING}""",
        (keys,),
    )
    return [key for (key,) in rows]
