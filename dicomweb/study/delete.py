"""Deleting studies, series and instances: they are gone for everyone at once, and kept until they are purged.

Their rows move to `deleted_instance`; nothing that searches or retrieves knows of them any more. The blobs stay where
they are (dicomweb/study/purge.py removes them, dicomweb/study/restore.py brings the rows back). What is stored again
meanwhile is a new object, whatever its content: whoever may store decides so.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.events import study_changed
from dicomweb.study.counted import counted
from dicomweb.study.gone import missing
from dicomweb.study.rows import audited
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.outbox import publish
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "delete-instances"

LOCK = """
SELECT s.pk, k.id, h.study_uid IS NOT NULL FROM study s
LEFT JOIN patient_key k ON k.pat = s.pat LEFT JOIN study_hold h ON h.study_uid = s.study_uid
WHERE s.study_uid = %s AND {allowed} FOR UPDATE OF s"""
"""Keeps what stores, deletes, restores and holds in a study apart."""

SET_ASIDE = """
     kept AS (
       INSERT INTO deleted_instance (study_uid, series_uid, instance_uid, pat, imaging_study, labelled, account, code,
         blob, study, series, instance)
       SELECT s.study_uid, e.series_uid, i.instance_uid, s.pat, s.imaging_study,
              EXISTS (SELECT FROM index_label l WHERE l.pk = s.imaging_study AND l.restricted), %s, %s,
              i.blob, row_to_json(s), row_to_json(e), row_to_json(i)
       FROM chosen c JOIN instance i ON i.pk = c.pk JOIN series e ON e.pk = i.series_pk
       JOIN study s ON s.pk = e.study_pk),
     gone AS (DELETE FROM instance i USING chosen c WHERE i.pk = c.pk)"""
"""Moves the `chosen` instances (their `pk`) to `deleted_instance`: by which account, and with which code."""

MOVE = f"""
WITH chosen AS MATERIALIZED (
       SELECT i.pk, i.instance_uid FROM instance i JOIN series e ON e.pk = i.series_pk
       WHERE e.study_pk = %s AND {{chosen}} ORDER BY i.pk),{SET_ASIDE}
SELECT instance_uid FROM chosen"""


def delete(
    access: AccessContext,
    study: str,
    series: str | None = None,
    instance: str | None = None,
    *,
    code: str | None = None,
    word: str = WORD,
) -> Work[list[str]]:
    """Delete a study, a series or an instance; the SOP Instance UIDs that went, audited as `word`. `code` says why.

    Raises Invalid for a malformed UID, Forbidden without a scope for it, NotFound or Gone when there is none that
    `access` may delete, Conflict for a study under legal hold.
    """
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    wanted = {keyword: [check_uid(uid, keyword)] for keyword, uid in asked.items() if uid is not None}
    access.require_whole("ImagingStudy", Permission.DELETE, "DICOMweb")
    allowed = access.represented("ImagingStudy", Permission.DELETE, "s.pat", "s.imaging_study")
    rows = yield Statement(LOCK.format(allowed=allowed.sql), (study, *allowed.params))
    if not rows:
        raise (yield from missing(access, wanted, Permission.DELETE))
    pk, patient, held = rows[0]
    chosen = [(uid, column) for uid, column in ((series, "e.series_uid"), (instance, "i.instance_uid")) if uid]
    conditions = " AND ".join(["true", *(f"{column} = %s" for _, column in chosen)])
    if held:
        raise HealixError(Category.CONFLICT, "the study is under legal hold and cannot be deleted")
    moved = yield Statement(
        MOVE.format(chosen=conditions), (pk, *(uid for uid, _ in chosen), access.origin.account, code)
    )
    if not moved:
        raise (yield from missing(access, wanted, Permission.DELETE))
    gone = [uid for (uid,) in moved]
    yield from after(access, study, patient, gone, action="D", word=word)
    return gone


def after(
    access: AccessContext, study: str, patient: str | None, instances: Sequence[str], *, action: str, word: str
) -> Work[None]:
    """What follows when `instances` of a study went or came back: counts, audit, and the news of it."""
    yield from counted(study)
    yield record([AuditRow(access.origin, action, word, patient=patient, entity=study, query=audited(instances))])
    yield publish(study_changed([study]))
