"""Images that people have deleted here are deleted at upstreams, by DELETE below the DICOMweb base.

Instance by instance, and never a study as a whole: an upstream may have images of it from elsewhere. What the site's
retention removes stays there: a site makes room since the central server has the images. So does what moves to another
study, or is replaced. What an upstream does not let go is told, and not asked for again.

PS3.18 (2024d) has no such service; servers that delete offer it at the resources of its section 10.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.study.expire import EXPIRED
from healix_fhir.care.sync.images import DICOM_JSON
from healix_fhir.care.sync.line import Line
from healix_fhir.care.sync.waiting import ORIGIN, WORD
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work

MOST = 100
"""Instances that are looked up at once."""
REFUSING = frozenset({403, 501})
"""Answers that elsewhere say that an upstream takes nothing; here, that it deletes nothing."""
GONE = frozenset({404, 410})
STAYS = (EXPIRED, "relabelled", "replaced")
"""The codes of deletions that do not go up."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be deleted, by its UIDs. `key` is that of the deletion.

    What came to the study after the instance with the key `before` may not be there, once this is done.
    """

    study: str
    series: str
    instance: str
    patient: str | None
    key: int
    before: int

    @property
    def path(self) -> str:
        """Its address below the base."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.instance}"


_NEXT = """
SELECT q.study, d.series_uid, d.instance_uid, k.id, d.pk, (d.instance ->> 'pk')::bigint,
       EXISTS (SELECT FROM study s WHERE s.study_uid = q.study AND s.instance_count > 0)
FROM (SELECT q.study, q.gone FROM sync_study q
      WHERE q.upstream = %s AND q.open AND (q.after > 0 OR q.gone > 0) AND EXISTS (
        SELECT FROM deleted_instance d
        WHERE d.study_uid = q.study AND d.pk > q.gone AND (d.code IS NULL OR d.code <> ALL(%s::text[])))
      ORDER BY q.asked, q.study LIMIT 1) q
JOIN deleted_instance d ON d.study_uid = q.study AND d.pk > q.gone AND (d.code IS NULL OR d.code <> ALL(%s::text[]))
LEFT JOIN patient_key k ON k.pat = d.pat
ORDER BY d.pk LIMIT %s"""


def next_of(upstream: str) -> Work[list[Removal]]:
    """What is to be deleted at an upstream next, in order."""
    rows = yield Statement(_NEXT, (upstream, list(STAYS), list(STAYS), MOST))
    return [
        Removal(study, series, instance, patient, key, own - 1 if remains else 0)
        for study, series, instance, patient, key, own, remains in rows
    ]


def remove(line: Line, one: Removal) -> str | None:
    """Delete it there; why the upstream does not do so, else None. Raises AwayError.

    A server that deletes nothing may say that there is nothing: it is asked whether that is so.
    """
    answer = line.ask("DELETE", one.path, headers=DICOM_JSON, own=REFUSING)
    if answer.status < 300:
        return None
    if answer.status in GONE:
        found = line.ask("GET", f"/studies/{one.study}/instances?SOPInstanceUID={one.instance}", headers=DICOM_JSON)
        if found.status != 200 or found.body.strip() in (b"", b"[]"):
            return None
    return f"status {answer.status}"


def settle(upstream: str, one: Removal, kept: str | None) -> Work[None]:
    """Write down that the upstream has deleted it, or why it has not.

    What comes back to the study is sent again, as far as the upstream does not have it.
    """
    yield Statement(
        """UPDATE sync_study SET gone = greatest(gone, %s), kept = coalesce(%s, kept),
             after = CASE WHEN %s THEN least(after, %s) ELSE after END, unsure = unsure OR %s
           WHERE upstream = %s AND study = %s""",
        (one.key, kept, kept is None, one.before, kept is None, upstream, one.study),
    )
    yield Statement(
        "UPDATE sync_upstream SET success = now(), failures = 0, reason = NULL WHERE name = %s", (upstream,)
    )
    outcome = 0 if kept is None else 4
    yield record([AuditRow(ORIGIN, "D", WORD, outcome, one.patient, one.study, f"{one.path} at {upstream}")])
