"""Storing received objects: rows, counters, audit and outbox of a whole group, all or none.

Callers use `deposit` (threads) or `adeposit` (event loop), which also make the names of the blobs durable before, and
remove the blobs that got no rows after.
Spec: PS3.18 10.5, PS3.4 B (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.errors import DeadlockDetected, DiskFull, SerializationFailure
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.study.continued import are_there, extend, remember
from dicomweb.study.decide import Known, by_study, decide, identity
from dicomweb.study.displace import WORD as DISPLACED
from dicomweb.study.displace import displace
from dicomweb.study.outcome import WITH_ROWS, Disposition, Duplicates, Outcome
from dicomweb.study.receive import Received
from dicomweb.study.reject import KEY_OBJECTS, judged, reject
from dicomweb.study.rows import audited, write
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work, aat_once, at_once, atransaction, transaction
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission

__all__ = ["Disposition", "Outcome", "adeposit", "attempt", "attempt_new", "deposit", "may_be_committed"]

RACES = (DeadlockDetected, SerializationFailure)


def deposit(
    pool: ConnectionPool[Connection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    duplicates: Duplicates = Duplicates.REFUSE,
) -> list[Outcome]:
    """Store a group of objects, all or none, and settle their blobs; outcomes in the order of `received`.

    `source` names the service for the audit trail: `C-STORE`, `STOW-RS`, `import`. Raises Forbidden when `access` may
    not store at all.
    """
    try:
        return attempt(pool, archive, access, received, source, duplicates)
    except BaseException as error:
        if not may_be_committed(error):
            archive.remove([one.key for one in received])
        raise


def attempt(
    pool: ConnectionPool[Connection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    duplicates: Duplicates = Duplicates.REFUSE,
) -> list[Outcome]:
    """`deposit`, except that the blobs stay when it raises."""
    archive.enter([one.key for one in received])
    try:
        outcomes = at_once(pool, store_new(access, received, source))
    except RACES:
        outcomes = None
    if outcomes is None:
        outcomes = transaction(pool, lambda: store(access, received, source, duplicates))
    archive.remove(_without_rows(received, outcomes))
    return outcomes


def attempt_new(
    pool: ConnectionPool[Connection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    origins: Sequence[Origin],
) -> list[Outcome] | None:
    """`attempt` for the objects of several senders with the same rights, `origins`: None, and nothing written, where
    anything stands against one of them. That has to be told to its sender alone.
    """
    archive.enter([one.key for one in received])
    try:
        return at_once(pool, store_new(access, received, source, origins))
    except RACES:
        return None


async def adeposit(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    duplicates: Duplicates = Duplicates.REFUSE,
) -> list[Outcome]:
    """`deposit` for the event loop. When the caller is cancelled, removal is left to the sweep."""
    try:
        await aside(archive.enter, [one.key for one in received])
        try:
            outcomes = await aat_once(pool, store_new(access, received, source))
        except RACES:
            outcomes = None
        if outcomes is None:
            outcomes = await atransaction(pool, lambda: store(access, received, source, duplicates))
    except Exception as error:
        if not may_be_committed(error):
            await aside(archive.remove, [one.key for one in received])
        raise
    if unused := _without_rows(received, outcomes):
        await aside(archive.remove, unused)
    return outcomes


def may_be_committed(error: BaseException) -> bool:
    """Whether the rows may be there all the same: then the sweep removes the blobs, if they are not."""
    return isinstance(error, OperationalError) and not isinstance(error, DiskFull)


def _without_rows(received: Sequence[Received], outcomes: Sequence[Outcome]) -> list[str]:
    return [one.key for one, outcome in zip(received, outcomes, strict=True) if not _is_stored(outcome)]


def _is_stored(outcome: Outcome) -> bool:
    return outcome.status in WITH_ROWS


def store_new(
    access: AccessContext, received: Sequence[Received], source: str, origins: Sequence[Origin] | None = None
) -> Work[list[Outcome] | None]:
    """The usual case, one statement: every object is new and in order. None, and nothing written, where not.

    `origins` are who sent each, where those are several with the same rights. Which one is tried, the short one or the
    full one, is a guess; what it leaves is for `store`.
    """
    access.require_whole("ImagingStudy", Permission.CREATE, "storing images")
    if any(one.sop_class == KEY_OBJECTS for one in received):
        return None
    outcomes = decide(received, Known())
    if not all(_is_stored(outcome) for outcome in outcomes):
        return None
    senders = origins or [access.origin] * len(received)
    if are_there(received):
        return outcomes if (yield from extend(access, received, source, senders)) else None
    if not (yield from write(access, received, source, senders)):
        return None
    remember(received)
    return outcomes


def store(
    access: AccessContext, received: Sequence[Received], source: str, duplicates: Duplicates = Duplicates.REFUSE
) -> Work[list[Outcome]]:
    """Any case, four statements at most: what can be stored is, the rest has its reasons."""
    access.require_whole("ImagingStudy", Permission.CREATE, "storing images")
    known, patients = yield from _known(access, received)
    outcomes = yield from judged(access, received, decide(received, known, duplicates))
    pairs = list(zip(received, outcomes, strict=True))
    if replacing := [one for one, outcome in pairs if outcome.status is Disposition.REPLACED]:
        yield from displace(access, replacing)
    stored = [one for one, outcome in pairs if _is_stored(outcome)]
    if stored and not (yield from write(access, stored, source, [access.origin] * len(stored))):
        raise SerializationFailure("what stands against a group changed meanwhile")
    yield from reject(access, stored)
    if audits := _audits(access, pairs, source, patients):
        yield record(audits)
    return outcomes


_KNOWN = """
SELECT 1, s.study_uid, s.patient_id, s.patient_id_issuer, NULL::bytea, k.id, {allowed_s}
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = ANY(%s)
UNION ALL
SELECT 2, e.series_uid, s.study_uid, NULL, NULL, NULL, {allowed_s}
FROM series e JOIN study s ON s.pk = e.study_pk WHERE e.series_uid = ANY(%s)
UNION ALL
SELECT 3, i.instance_uid, e.series_uid, i.sop_class_uid, i.digest, NULL, {allowed_s}
FROM instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk WHERE i.instance_uid = ANY(%s)
UNION ALL
SELECT 4, n.study_uid, NULL, NULL, NULL, k.id, {allowed_p}
FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (study_uid, patient_id, issuer)
LEFT JOIN study_patient p ON p.patient_id = n.patient_id AND p.issuer = n.issuer
LEFT JOIN patient_key k ON k.pat = p.pat
UNION ALL
SELECT 5, h.study_uid, NULL, NULL, NULL, NULL, NULL FROM study_hold h WHERE h.study_uid = ANY(%s)
UNION ALL
SELECT 6, r.instance_uid, r.code, NULL, NULL, NULL,
  (SELECT bool_or({allowed_d}) FROM deleted_instance d WHERE d.instance_uid = r.instance_uid)
FROM rejected_instance r WHERE r.instance_uid = ANY(%s)"""


def _known(access: AccessContext, received: Sequence[Received]) -> Work[tuple[Known, dict[str, str | None]]]:
    """What is there, and the logical id of each study's patient, where that is known already.

    A study is closed to a caller unless its patient, known or to be, is in a compartment that the caller may create in.
    What has a UID in another study, or had it before it was rejected, is taken then.
    """
    present = access.represented("ImagingStudy", Permission.CREATE, "s.pat", "s.imaging_study")
    future = access.compartments("ImagingStudy", Permission.CREATE, "p.pat") if access.project is None else EVERYTHING
    past = access.represented("ImagingStudy", Permission.CREATE, "d.pat", "d.imaging_study")
    whole = access.sees_all("ImagingStudy", Permission.CREATE)
    firsts = by_study(received)
    identities = [identity(one) for one in firsts.values()]
    rows = yield Statement(
        _KNOWN.format(allowed_s=present.sql, allowed_p=future.sql, allowed_d=past.sql),
        (
            *present.params,
            list(firsts),
            *present.params,
            [one.series for one in received],
            *present.params,
            [one.sop_instance for one in received],
            *future.params,
            list(firsts),
            [key for key, _ in identities],
            [issuer for _, issuer in identities],
            list(firsts),
            *past.params,
            [one.sop_instance for one in received],
        ),
    )
    known = Known()
    patients: dict[str, str | None] = {}
    allowed: dict[str, bool] = {}
    for kind, uid, first, second, digest, patient, permitted in sorted(rows, key=lambda row: -row[0]):
        if kind in (2, 3, 6) and not (whole if permitted is None else permitted):
            known.taken.add(uid)
        elif kind == 1:
            known.studies[uid] = (first or "", second or "")
        elif kind == 2:
            known.series[uid] = first
        elif kind == 3:
            known.instances[uid] = (first, second, digest)
        elif kind == 5:
            known.held.add(uid)
        elif kind == 6:
            known.rejected[uid] = first
        if kind in (1, 4):
            patients[uid], allowed[uid] = patient, bool(permitted)
    known.closed = frozenset(uid for uid, permitted in allowed.items() if not permitted)
    return known, patients


def _audits(
    access: AccessContext,
    pairs: Sequence[tuple[Received, Outcome]],
    source: str,
    patients: Mapping[str, str | None],
) -> list[AuditRow]:
    """One row for each study and result of what was not stored, and of what was replaced. Content that was not taken
    is a minor failure (4).
    """
    groups: dict[tuple[str, str, str, int], list[str]] = {}
    for one, outcome in pairs:
        if outcome.status is Disposition.STORED:
            continue
        failed = 4 if outcome.status in (Disposition.REFUSED, Disposition.KEPT) else 0
        what = ("D", DISPLACED) if outcome.status is Disposition.REPLACED else ("C", source)
        groups.setdefault((one.study, *what, failed), []).append(one.sop_instance)
    return [
        AuditRow(
            access.origin,
            action,
            word,
            outcome=failed,
            patient=patients[study],
            entity=study,
            query=audited(members),
        )
        for (study, action, word, failed), members in groups.items()
    ]
