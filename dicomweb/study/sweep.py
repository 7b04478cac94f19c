"""Removing what a crash left in the archive: files that were still coming in, and blobs without rows."""

from __future__ import annotations

import time

from dicomweb.archive.blobs import Archive
from healix_fhir.kernel.database import Statement, Work

AGE = 3600.0
"""Seconds after which nothing can still be on its way from blob to rows."""


def sweep(archive: Archive, *, age: float = AGE) -> Work[int]:
    """Remove orphans older than `age` seconds; returns how many. One statement for each thousand blobs."""
    removed = _leftovers(archive, age)
    for keys in archive.older_than(age):
        rows = yield Statement(
            'SELECT k FROM unnest(%s::text[]) k WHERE NOT EXISTS (SELECT FROM instance i WHERE i.blob = k COLLATE "C")',
            (keys,),
        )
        archive.remove([key for (key,) in rows])
        removed += len(rows)
    return removed


def _leftovers(archive: Archive, age: float) -> int:
    before = time.time() - age
    old = [path for path in archive.incoming.iterdir() if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
