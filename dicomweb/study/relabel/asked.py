"""Asking for other labels, or for series to go to another study; and what was asked before.

The objects are written anew by a job (dicomweb/study/relabel/perform.py); `undo.py` takes it back.

Spec: IHE RAD TF-1 4 (Patient Information Reconciliation) and 31 (Imaging Object Change Management)
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dicomweb.study.relabel.labels import check_labels
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid, not_found, too_large
from healix_fhir.kernel.jobs import enqueue
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TASK = "study.relabel"
WORD = "relabel-study"
MOST = 20_000
"""Instances that are written anew at once."""
LONGEST = 500
LISTED = 200
NEW = "new"
"""The target that is a study of its own, with a UID made for it."""


class Relabelling(msgspec.Struct, frozen=True):
    """One change: what was asked, and what became of it."""

    id: int
    study: str
    series: Sequence[str]
    target: str
    labels: Mapping[str, str]
    reason: str
    account: str | None
    asked: datetime
    state: str
    ended: datetime | None
    message: str | None
    instances: int = 0


_FIND = """
SELECT s.instance_count, k.id, EXISTS (SELECT FROM study_hold h WHERE h.study_uid = ANY(%s)),
       EXISTS (SELECT FROM index_label l WHERE l.pk = s.imaging_study AND l.restricted),
       ARRAY(SELECT e.series_uid FROM series e WHERE e.study_pk = s.pk),
       EXISTS (SELECT FROM study t WHERE t.study_uid = %s),
       EXISTS (SELECT FROM study t WHERE t.study_uid = %s AND NOT {open_target})
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = %s AND {open} FOR UPDATE OF s"""

_ASK = """
INSERT INTO relabelling (study_uid, series_uids, target_uid, labels, reason, account)
VALUES (%s, %s, %s, %s::json, %s, %s) RETURNING id"""


def ask(
    access: AccessContext,
    study: str,
    *,
    series: Sequence[str] = (),
    target: str | None = None,
    labels: Mapping[str, str] | None = None,
    reason: str,
) -> Work[int]:
    """Ask that `labels` are written into a study, or that it, or some `series` of it, goes to the study `target`;
    audited. The number of the change, which a job makes.

    Raises Invalid, Forbidden unless every study is open to `access`, NotFound, Conflict for what is under legal hold,
    TooLarge.
    """
    require(access)
    written = check_labels(labels or {})
    uid = _target(check_uid(study, "StudyInstanceUID"), target)
    moved = sorted({check_uid(one, "SeriesInstanceUID") for one in series})
    why = " ".join(reason.replace("\0", "").split())
    if not 0 < len(why) <= LONGEST:
        raise invalid(f"say why, in at most {LONGEST} characters", code="required")
    if uid == study and (moved or not written):
        raise invalid("name a label to write, or the study to go to", code="required")
    open_ = access.represented("ImagingStudy", Permission.UPDATE, "s.pat", "s.imaging_study")
    target_open = access.represented("ImagingStudy", Permission.UPDATE, "t.pat", "t.imaging_study")
    rows = yield Statement(
        _FIND.format(open=open_.sql, open_target=target_open.sql),
        ([study, uid], uid, uid, *target_open.params, study, *open_.params),
    )
    if not rows:
        raise not_found("there is no such study")
    count, patient, held, restricted, there, target_there, closed = rows[0]
    if closed:
        raise not_found("there is no such study to go to")
    if set(moved) - set(there):
        raise not_found("the study has no such series")
    _possible(
        count, held=held, hidden=restricted and uid != study, given=bool(written) and uid != study and target_there
    )
    made = yield Statement(_ASK, (study, moved, uid, msgspec.json.encode(written).decode(), why, access.origin.account))
    number = int(made[0][0])
    yield enqueue(TASK, {"number": number}, lock=TASK, request=access.origin.request)
    yield record([AuditRow(access.origin, "U", WORD, patient=patient, entity=study, query=f"asked: {why}")])
    return number


def _target(study: str, target: str | None) -> str:
    if target is None:
        return study
    return f"2.25.{uuid.uuid4().int}" if target == NEW else check_uid(target, "StudyInstanceUID")


def _possible(count: int, *, held: bool, hidden: bool, given: bool) -> None:
    if held:
        raise HealixError(Category.CONFLICT, "a study under legal hold stays as it is")
    if hidden:
        raise HealixError(
            Category.CONFLICT,
            "a security label restricts the study, which would not follow to another: take it off first",
        )
    if given:
        raise invalid("what goes to a study that is there takes its labels", code="business-rule")
    if count > MOST:
        raise too_large(f"at most {MOST} instances are written anew at once")


_LIST = """
SELECT r.id, r.study_uid, r.series_uids, r.target_uid, r.labels, r.reason, r.account, r.asked, r.state, r.ended,
       r.message, (SELECT count(*) FROM relabelled_instance i WHERE i.relabelling = r.id)::int
FROM relabelling r WHERE {condition} ORDER BY r.id DESC LIMIT %s"""


def relabellings(access: AccessContext, study: str | None = None) -> Work[list[Relabelling]]:
    """What was asked, the newest first, of all studies or from and to one; at most `LISTED`."""
    require(access)
    if study is None:
        rows = yield Statement(_LIST.format(condition="true"), (LISTED,))
    else:
        rows = yield Statement(_LIST.format(condition="r.study_uid = %s OR r.target_uid = %s"), (study, study, LISTED))
    return [Relabelling(*row) for row in rows]


def find(number: int) -> Work[Relabelling]:
    """One change, locked. Raises NotFound."""
    rows = yield Statement(
        _LIST.format(condition="r.id = %s").replace("LIMIT %s", "LIMIT 1 FOR UPDATE OF r"), (number,)
    )
    if not rows:
        raise not_found("there is no such change of labels")
    return Relabelling(*rows[0])


def settle(number: int, state: str, message: str | None = None) -> Statement:
    """Say what became of a change."""
    return Statement(
        "UPDATE relabelling SET state = %s, message = %s, ended = now() WHERE id = %s", (state, message, number)
    )


def require(access: AccessContext) -> None:
    """Refuse (Forbidden) whom not every study is open to: labels decide whose they are."""
    if not access.sees_all("ImagingStudy", Permission.UPDATE):
        raise forbidden("other labels need system access to ImagingStudy")


def describe(change: Relabelling) -> dict[str, Any]:
    """A change as the operator's commands print it."""
    found: dict[str, Any] = msgspec.to_builtins(change)
    return found
