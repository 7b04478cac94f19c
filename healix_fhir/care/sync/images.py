"""Sending images: STOW-RS in bounded requests, study by study, in the order in which the instances came.

A study waits until no image has come for some seconds, and until the Patients that changed before are there: an
upstream would else make Patients of its own for the images. Requests that were cut without an answer are asked after
by QIDO-RS, and only what is not there is sent again; an identical duplicate is taken in any case.

Spec: PS3.18 10.5, 10.6 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dicomweb.archive.blobs import Archive
from dicomweb.errand.work import AwayError as Away
from dicomweb.errand.work import RefusedError
from dicomweb.routing import stow
from dicomweb.routing.outgoing import Outgoing
from dicomweb.routing.rules import Route
from dicomweb.study.retrieve import Instance
from dicomweb.study.rows import audited
from healix_fhir.care.sync.line import SOON, AwayError, Line
from healix_fhir.care.sync.upstream import Upstream
from healix_fhir.care.sync.waiting import ORIGIN, WORD
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work

MOST = 100
"""Instances that are looked up at once."""
PAGE = 1000
"""Instances that an upstream is asked for at once."""
QUIET = 3
"""Seconds without a new image after which a study is sent."""
ASTRAY = "1 minute"
"""What came so much later than now came before the clock was set back."""
SOP_INSTANCE_UID = "00080018"
DICOM_JSON = {"Accept": "application/dicom+json"}


@dataclass(frozen=True, slots=True)
class Study:
    """Instances of a study that an upstream is to have; `unsure`: it may have some of them already."""

    uid: str
    unsure: bool
    patient: str | None
    instances: list[Outgoing]


_DUE = f"""
SELECT q.study, q.unsure, q.after FROM sync_study q LEFT JOIN study s ON s.study_uid = q.study
WHERE q.upstream = %s AND q.open
  AND coalesce(s.updated, q.asked) NOT BETWEEN now() - interval '{QUIET} seconds' AND now() + interval '{ASTRAY}'
  AND NOT EXISTS (
    SELECT FROM sync_change c WHERE c.upstream = q.upstream AND c.type = 'Patient'
      AND c.made <= coalesce(s.updated, q.asked) + interval '{QUIET} seconds'
      AND NOT EXISTS (SELECT FROM sync_conflict x WHERE x.upstream = c.upstream AND x.type = c.type AND x.id = c.id))
ORDER BY q.asked, q.study LIMIT 1"""
_INSTANCES = """
SELECT i.pk, i.via, s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob, i.size, k.id
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
LEFT JOIN patient_key k ON k.pat = s.pat
WHERE s.study_uid = %s AND i.pk > %s AND coalesce(s.pat, 0) >= 0 ORDER BY i.pk LIMIT %s"""


def next_of(upstream: str) -> Work[Study | None]:
    """What goes to an upstream next; nothing where it has all of every study. What it has all of is closed."""
    while rows := (yield Statement(_DUE, (upstream,))):
        uid, unsure, after = rows[0]
        found = yield Statement(_INSTANCES, (uid, after, MOST))
        if found:
            instances = [Outgoing(row[0], Instance(*row[2:9]), tuple(row[1] or ())) for row in found]
            return Study(uid, unsure, found[0][9], instances)
        yield Statement("UPDATE sync_study SET open = false WHERE upstream = %s AND study = %s", (upstream, uid))
    return None


def wait_of(upstream: str) -> Work[float | None]:
    """Seconds until a study that is not complete yet may be; None where there is none."""
    rows = yield Statement("SELECT EXISTS (SELECT FROM sync_study WHERE upstream = %s AND open)", (upstream,))
    return 1.0 if rows[0][0] else None


def held(line: Line, study: Study) -> set[str]:
    """Which instances of a study the upstream has, by QIDO-RS. Raises AwayError."""
    found: set[str] = set()
    while True:
        path = f"/studies/{study.uid}/instances?limit={PAGE}&offset={len(found)}"
        answer = line.ask("GET", path, headers=DICOM_JSON)
        if answer.status not in (200, 204, 404):
            raise AwayError(f"it does not say which images it has (status {answer.status})")
        rows = _rows(answer.body) if answer.status == 200 else []
        uids = {str(row.get(SOP_INSTANCE_UID, {}).get("Value", [""])[0]) for row in rows} - found
        found |= uids
        if not uids or len(rows) < PAGE:
            return found


def send(
    archive: Archive, upstream: Upstream, token: str | None, group: Sequence[Outgoing], own: str
) -> dict[str, int]:
    """Send instances with one request; the reasons of those refused, by SOP Instance UID. Raises AwayError."""
    url = upstream.dicomweb or ""
    route = Route(upstream.name, url=url, token=token, allow_private=upstream.allow_private)
    try:
        return stow.store(archive, route, group, own)
    except Away as error:
        raise AwayError(str(error), SOON[1] if "reached" in str(error) else None) from error
    except RefusedError as error:
        raise AwayError(str(error)) from error


def begin(upstream: str, study: str) -> Statement:
    """A request is about to be sent: until its answer is written down nobody knows what became of it."""
    return Statement("UPDATE sync_study SET unsure = true WHERE upstream = %s AND study = %s", (upstream, study))


def settle(
    upstream: str, study: Study, group: Sequence[Outgoing], sent: Sequence[str], refused: dict[str, int]
) -> Work[None]:
    """Write down what became of a group of instances, the next of their study: `sent` ones and `refused` ones."""
    reason = None
    if refused:
        uid, code = next(iter(refused.items()))
        reason = f"{code:04X}H for {uid}"
    yield Statement(
        """UPDATE sync_study SET after = %s, unsure = false, refused = refused + %s, reason = coalesce(reason, %s)
           WHERE upstream = %s AND study = %s""",
        (group[-1].pk, len(refused), reason, upstream, study.uid),
    )
    yield Statement(
        """UPDATE sync_upstream SET success = now(), failures = 0, reason = NULL, images = images + %s
           WHERE name = %s""",
        (len(sent), upstream),
    )
    rows = [
        AuditRow(ORIGIN, "R", WORD, outcome, study.patient, study.uid, f"{audited(uids)} to {upstream}")
        for uids, outcome in ((list(sent), 0), (list(refused), 4))
        if uids
    ]
    if rows:
        yield record(rows)


def _rows(body: bytes) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(body, type=list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise AwayError("its answer is not that of QIDO-RS") from error
