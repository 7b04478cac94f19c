"""Read resources: the current version, or one by its number; the caller's access is inside every statement.

The current version is one indexed point query without parsing. Its audit row is written by the same statement, in the
transaction whose end the caller waits for: what has been shown is on record, also after a crash (measured, see
docs/decisions/0020-writes-and-reads.md). What a caller may not see answers like what does not exist; that something was
deleted is told only to those who could see it.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#read, #vread
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel.arrays import int2, int4, text
from healix_fhir.kernel.audit import AuditRow, insert, record
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, not_found
from healix_fhir.kernel.guard import Guard
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.store.body import unpack
from healix_fhir.store.stored import Stored, Version, etag
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


class Ask(msgspec.Struct, frozen=True):
    """Who wants to read the current version of what; `type` is a type that exists."""

    access: AccessContext
    type: str
    id: str


_READ = """
WITH found AS MATERIALIZED (
     SELECT x.*, r.pk, r.pat, r.version, r.updated, r.deleted, r.body
     FROM unnest(%s::smallint[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
            WITH ORDINALITY AS x (type, id, guard, entity, client, account, address, request, n)
     JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C"
     WHERE {condition}),
   audited AS (
     INSERT INTO audit_event (action, subtype, outcome, client, account, address, request, patient, entity)
     SELECT 'R', 'read', 0, f.client, f.account, f.address, f.request, k.id, f.entity
     FROM found f
     LEFT JOIN LATERAL (SELECT f.pat UNION ALL SELECT c.pat FROM compartment c WHERE c.pk = f.pk) AS p (pat) ON true
     LEFT JOIN patient_key k ON k.pat = p.pat)
SELECT n, version, updated, deleted, body FROM found"""


_FOUND = """
SELECT x.n, r.version, r.updated, r.deleted, r.body,
  ARRAY(SELECT k.id FROM (SELECT r.pat UNION ALL SELECT c.pat FROM compartment c WHERE c.pk = r.pk) p
        LEFT JOIN patient_key k ON k.pat = p.pat)
FROM unnest(%s::smallint[], %s::text[], %s::int[]) WITH ORDINALITY AS x (type, id, guard, n)
JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C"
WHERE {condition}"""
"""The same for who looks up where nothing can be written: with the patients of each."""


def read(access: AccessContext, type_name: str, id_: str) -> Work[Stored]:
    """The current version. Raises NotFound, Gone, or Forbidden where the token opens no read of the type."""
    (found,) = yield from read_each([Ask(access, type_name, id_)])
    if isinstance(found, HealixError):
        raise found
    return found


def read_each(asked: Sequence[Ask]) -> Work[list[Stored | HealixError]]:
    """The current versions of any number of resources for any callers, each found or refused by itself."""
    answers: list[Stored | HealixError] = [_permitted(ask) for ask in asked]
    open_ = [n for n, ask in enumerate(asked) if ask.access.allows(ask.type, Permission.READ)]
    if not open_:
        return answers
    rows = yield _statement([asked[n] for n in open_])
    for n, version, updated, deleted, body in rows:
        ask = asked[open_[n - 1]]
        answers[open_[n - 1]] = (
            gone(ask.type, ask.id, version) if deleted else Stored(ask.type, ask.id, version, updated, body)
        )
    return answers


def _permitted(ask: Ask) -> HealixError:
    """What is answered unless a row is found."""
    try:
        ask.access.require(ask.type, Permission.READ)
    except HealixError as error:
        return error
    return missing(ask.type, ask.id)


def _statement(asked: Sequence[Ask]) -> Statement:
    guard = Guard()
    numbers = [guard.number(ask.access.predicate(ask.type, Permission.READ, "r")) for ask in asked]
    condition = guard.condition("x.guard")
    origins = [ask.access.origin for ask in asked]
    return Statement(
        _READ.format(condition=condition.sql),
        (
            int2(TYPE_ID[ask.type] for ask in asked),
            text(ask.id for ask in asked),
            int4(numbers),
            text(f"{ask.type}/{ask.id}" for ask in asked),
            text(origin.client for origin in origins),
            text(origin.account for origin in origins),
            text(origin.address for origin in origins),
            text(origin.request for origin in origins),
            *condition.params,
        ),
        apart=lambda: _apart(asked, numbers, condition),
    )


def _apart(asked: Sequence[Ask], numbers: Sequence[int], condition: Fragment) -> Work[list[Row]]:
    """The rows of `_READ`, then their audit rows, before any of them is shown."""
    rows = yield Statement(
        _FOUND.format(condition=condition.sql),
        (int2(TYPE_ID[ask.type] for ask in asked), text(ask.id for ask in asked), int4(numbers), *condition.params),
    )
    shown = [
        AuditRow(ask.access.origin, "R", "read", patient=patient, entity=f"{ask.type}/{ask.id}")
        for n, *_, patients in rows
        for ask in [asked[n - 1]]
        for patient in patients
    ]
    if shown:
        yield record(shown)
    return [row[:-1] for row in rows]


def missing(type_name: str, id_: str) -> HealixError:
    """The answer for what does not exist and, alike, for what the caller may not see."""
    return HealixError(Category.NOT_FOUND, f"{type_name}/{id_} does not exist", about=((type_name, id_),))


def gone(type_name: str, id_: str, version: int) -> HealixError:
    """The answer for what was deleted in `version`, to those who could see it."""
    return HealixError(Category.GONE, f"{type_name}/{id_} was deleted", etag=etag(version))


JUDGED, UNKNOWN = Fragment("'{}'::boolean[]"), Fragment("NULL::boolean[]")
"""In place of the contexts that reach a version's patient: the statement has judged all of it, or nobody asked."""
_VERSIONS = """
   SELECT r.version, r.updated, r.deleted, r.method, r.body, false AS packed, {judged} AS reached
   FROM resource r WHERE r.type = %s AND r.id = %s AND {now}
   UNION ALL
   SELECT h.version, h.updated, h.deleted, h.method, h.body, true, {reached}
   FROM resource_history h JOIN resource r ON r.type = h.type AND r.id = h.id
   WHERE h.type = %s AND h.id = %s AND {now} AND {then}"""


def _versions(access: AccessContext, type_name: str, id_: str) -> Fragment:
    """The versions of a resource that the caller may see: it sees the resource as it is now, and as it was then.

    So a resource that moved between records shows nobody the other patient's part of its history. The index knows
    nothing of earlier versions: where queries of scopes decide, `shown` has to look at them.
    """
    now = access.predicate(type_name, Permission.READ, "r")
    then = access.earlier(type_name, Permission.READ, "h")
    bounded = access.bounded(type_name, Permission.READ)
    reached = access.reached(type_name, Permission.READ, "h.pat") if bounded else UNKNOWN
    key = (TYPE_ID[type_name], id_)
    return Fragment(
        _VERSIONS.format(now=now.sql, then=then.sql, judged=JUDGED.sql, reached=reached.sql),
        (*key, *now.params, *reached.params, *key, *now.params, *then.params),
    )


def shown(access: AccessContext, permission: Permission, stored: Stored, reached: Sequence[bool] | None) -> bool:
    """Whether a version that a statement gave is open to the caller; `reached` is what the statement told of that."""
    if reached == [] or not access.bounded(stored.type, permission):
        return True
    if reached is None:
        return False
    resource = decode_stored(stored.body) if stored.body else None
    return access.shows(stored.type, permission, reached, stored.id, resource)


def vread(access: AccessContext, type_name: str, id_: str, version: int) -> Work[Stored]:
    """One version. Raises NotFound, Gone where that version is a deletion, or Forbidden."""
    access.require(type_name, Permission.READ)
    patients = yield from patients_of(access, type_name, id_)
    seen = _versions(access, type_name, id_)
    rows = yield Statement(f"SELECT * FROM ({seen.sql}) v WHERE v.version = %s", (*seen.params, version))
    found = _version(type_name, id_, rows[0]) if rows else None
    if found is None or not shown(access, Permission.READ, found.stored, rows[0][-1]):
        raise not_found(f"{type_name}/{id_} has no version {version}")
    if not found.stored.body:
        raise gone(type_name, id_, version)
    yield audit_of(access, "vread", f"{type_name}/{id_}/_history/{version}", patients)
    return found.stored


def patients_of(access: AccessContext, type_name: str, id_: str) -> Work[list[str]]:
    """The logical ids of the patients in whose compartments a resource is; NotFound when the caller does not see it."""
    predicate = access.predicate(type_name, Permission.READ, "r")
    rows = yield Statement(
        f"""SELECT ARRAY(SELECT k.id FROM patient_key k
                         WHERE k.pat = r.pat OR k.pat IN (SELECT c.pat FROM compartment c WHERE c.pk = r.pk))
            FROM resource r WHERE r.type = %s AND r.id = %s AND {predicate.sql}""",
        (TYPE_ID[type_name], id_, *predicate.params),
    )
    if not rows:
        raise missing(type_name, id_)
    return list(rows[0][0])


def audit_of(access: AccessContext, subtype: str, entity: str, patients: Sequence[str]) -> Statement:
    """The audit rows of a look at one resource, one for each of its patients."""
    concerned: Sequence[str | None] = patients or [None]
    return record([AuditRow(access.origin, "R", subtype, patient=patient, entity=entity) for patient in concerned])


_SHOWN = f"""
WITH found AS MATERIALIZED (
     SELECT r.pk, r.pat FROM unnest(%s::smallint[], %s::text[]) x (type, id)
     JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C"),
   whose AS MATERIALIZED (
     SELECT k.id FROM patient_key k
     WHERE k.pat IN (SELECT f.pat FROM found f UNION SELECT c.pat FROM compartment c JOIN found f USING (pk))
     UNION SELECT %s::text WHERE %s::text IS NOT NULL)
{
    insert('''(
     SELECT NULL::timestamptz, %s::text, %s::text, %s::smallint, %s::text, %s::text, %s::text, %s::text, w.id,
            %s::text, %s::text
     FROM (SELECT id FROM whose UNION ALL SELECT NULL WHERE NOT EXISTS (SELECT FROM whose)) w)
     AS x (r, a, s, o, c, u, d, q, p, e, t)''')
}"""


def audit_shown(row: AuditRow, shown: Sequence[tuple[str, str]]) -> Statement:
    """The audit rows of a result that shows the resources `shown` (type and id): `row` for each of their patients.

    Without any it is one row, of the patient that `row` names or of none.
    """
    if not shown:
        return record([row])
    origin = row.origin
    return Statement(
        _SHOWN,
        (
            int2(TYPE_ID[type_name] for type_name, _ in shown),
            text(id_ for _, id_ in shown),
            *(row.patient, row.patient, row.action, row.subtype, row.outcome),
            *(origin.client, origin.account, origin.address, origin.request, row.entity, row.query),
        ),
        writes=True,
    )


def _version(type_name: str, id_: str, row: Sequence[object]) -> Version:
    version, updated, _, method, body, packed, _ = row
    assert isinstance(version, int)
    assert isinstance(updated, datetime)
    assert isinstance(body, bytes)
    return Version(Stored(type_name, id_, version, updated, unpack(body) if packed else body), str(method))
