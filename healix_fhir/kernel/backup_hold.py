"""What a backup that is running holds back: no blob that its snapshot names goes before it was copied.

The backup takes the lock, then its snapshot. Who removes a blob looks at the lock after the rows have gone for good:
either the snapshot does not have those rows any more, or the lock is seen and the blob is left to a later sweep.
"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work

LOCK = 0x48784261636B7570  # "HxBackup"
RUNNING = f"""
EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
          AND classid::bigint = {LOCK >> 32} AND objid::bigint = {LOCK & 0xFFFFFFFF}
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
"""The condition that a backup of this database is running."""


def running() -> Work[bool]:
    """Whether a backup of this database is running."""
    rows = yield Statement(f"SELECT {RUNNING}")
    return bool(rows[0][0])
