"""Moving old blobs from the disk to the object store, a slice of time at a time."""

from __future__ import annotations

import time

from psycopg import Connection

from dicomweb.archive.tiered import TieredArchive
from healix_fhir.kernel.database import Row, Statement, Work, run

DAY = 86_400.0
SLICE = 1200.0
"""Seconds that one run takes at most: the next goes on."""


def move_old(
    connection: Connection[Row], archive: TieredArchive, days: int, *, seconds: float = SLICE
) -> tuple[int, int]:
    """Move the blobs that came more than `days` ago; how many, and their bytes.

    Orphans are left to the sweep. Raises Unavailable when the store is.
    """
    until = time.monotonic() + seconds
    count = size = 0
    for keys in archive.near.older_than(days * DAY):
        for key in run(connection, _known(keys)):
            if time.monotonic() > until:
                return count, size
            moved = archive.move(key)
            count, size = count + (moved > 0), size + moved
    return count, size


def _known(keys: list[str]) -> Work[list[str]]:
    rows = yield Statement(
        """SELECT k FROM unnest(%s::text[]) k WHERE EXISTS (SELECT FROM instance i WHERE i.blob = k COLLATE "C")
           OR EXISTS (SELECT FROM deleted_instance d WHERE d.blob = k COLLATE "C")
           OR EXISTS (SELECT FROM non_patient_instance n WHERE n.blob = k COLLATE "C")""",
        (keys,),
    )
    return [key for (key,) in rows]
