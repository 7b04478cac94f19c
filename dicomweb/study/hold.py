"""Legal hold: a study that is wanted as evidence stays, against deletion, retention rules and the purge alike.

A hold is on a StudyInstanceUID, also before its first object comes and after its last one was deleted: what is kept of
it then is kept on.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORDS = ("hold", "release")
LONGEST = 500
LISTED = 1000


class Hold(msgspec.Struct, frozen=True):
    """One hold."""

    study: str
    reason: str
    account: str | None
    placed: datetime
    instances: int


_LOCK = "SELECT k.id FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = %s FOR UPDATE OF s"


def hold(access: AccessContext, study: str, reason: str) -> Work[None]:
    """Place a hold, or give another reason for one that is there; audited.

    Raises Invalid without a reason, Forbidden unless every study is open to `access`: what is held is no matter of
    one patient's record.
    """
    check_uid(study, "StudyInstanceUID")
    reason = " ".join(reason.replace("\0", "").split())
    if not 0 < len(reason) <= LONGEST:
        raise invalid(f"a hold needs a reason of at most {LONGEST} characters", code="required")
    _require(access)
    rows = yield Statement(_LOCK, (study,))
    yield Statement(
        """INSERT INTO study_hold AS h (study_uid, reason, account) VALUES (%s, %s, %s)
           ON CONFLICT (study_uid) DO UPDATE SET reason = excluded.reason, account = excluded.account""",
        (study, reason, access.origin.account),
    )
    yield record(
        [AuditRow(access.origin, "U", "hold", patient=rows[0][0] if rows else None, entity=study, query=reason)]
    )


def release(access: AccessContext, study: str) -> Work[None]:
    """End a hold; audited. Raises NotFound when there is none."""
    _require(access)
    rows = yield Statement(_LOCK, (check_uid(study, "StudyInstanceUID"),))
    gone = yield Statement("DELETE FROM study_hold WHERE study_uid = %s RETURNING study_uid", (study,))
    if not gone:
        raise not_found("the study is not under hold")
    yield record([AuditRow(access.origin, "U", "release", patient=rows[0][0] if rows else None, entity=study)])


def holds(access: AccessContext) -> Work[list[Hold]]:
    """The holds, the newest first; at most `LISTED`."""
    _require(access)
    rows = yield Statement(
        """SELECT h.study_uid, h.reason, h.account, h.placed, coalesce(s.instance_count, 0)
           FROM study_hold h LEFT JOIN study s USING (study_uid) ORDER BY h.placed DESC, h.study_uid LIMIT %s""",
        (LISTED,),
    )
    return [Hold(*row) for row in rows]


def _require(access: AccessContext) -> None:
    if not access.sees_all("ImagingStudy", Permission.DELETE):
        raise forbidden("a legal hold needs system access to ImagingStudy")
