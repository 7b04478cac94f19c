"""Removing for good what was deleted long enough ago: rows first, blobs after.

A kill between the two leaves blobs without rows, which the sweep removes; no row ever names a blob that is not there.
"""

from __future__ import annotations

from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.study.rows import audited
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.backup_hold import running
from healix_fhir.kernel.database import Row, Statement, Work, run

WORD = "purge-instances"
BATCH = 500
JOB = Origin(client="purge")

_PURGE = """
WITH due AS (
       SELECT d.pk FROM deleted_instance d
       WHERE d.deleted < now() - make_interval(days => %s)
         AND NOT EXISTS (SELECT FROM study_hold h WHERE h.study_uid = d.study_uid)
       ORDER BY d.deleted LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM deleted_instance d USING due
WHERE d.pk = due.pk
RETURNING d.blob, d.study_uid, d.instance_uid, (SELECT k.id FROM patient_key k WHERE k.pat = d.pat)"""


def due(days: int) -> Work[list[str]]:
    """Forget at most `BATCH` instances that were deleted `days` ago, audited; the keys of their blobs."""
    rows = yield Statement(_PURGE, (days, BATCH))
    groups: dict[tuple[str, str | None], list[str]] = {}
    for _, study, instance, patient in rows:
        groups.setdefault((study, patient), []).append(instance)
    if groups:
        yield record(
            [
                AuditRow(JOB, "D", WORD, patient=patient, entity=study, query=audited(members))
                for (study, patient), members in groups.items()
            ]
        )
    return [row[0] for row in rows]


def purge(connection: Connection[Row], archive: Archive, days: int) -> int:
    """Remove all that is due, in batches of a transaction each; how many instances went."""
    count = 0
    while True:
        with connection.transaction():
            keys = run(connection, due(days))
        if not keys:
            return count
        if not run(connection, running()):  # else they are left to the sweep
            archive.remove(keys)
        count += len(keys)
