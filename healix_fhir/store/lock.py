"""Find and lock the current versions that a group of changes is about, in one statement and a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.guard import Guard
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.store.stored import Change, Method
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission

PERMISSION = {
    Method.POST: Permission.CREATE,
    Method.PUT: Permission.UPDATE,
    Method.PATCH: Permission.UPDATE,
    Method.DELETE: Permission.DELETE,
}

NEEDED = {method: (permission,) for method, permission in PERMISSION.items()} | {
    Method.PATCH: (Permission.UPDATE, Permission.READ)
}
"""What each change takes. Whether a patch applies tells what is there: it is for those who may read it."""


def permit(access: AccessContext, type_name: str, method: Method) -> None:
    """Raise Forbidden where the caller's scopes open no such change of any resource of the type, NotAllowed where none
    is possible at all.
    """
    for permission in NEEDED[method]:
        access.require(type_name, permission)
    if type_name == AUDIT_EVENT:
        raise HealixError(
            Category.NOT_ALLOWED, "AuditEvents are written by the server itself; they can be read and searched only"
        )


def changeable(access: AccessContext, type_name: str, method: Method) -> Fragment:
    """The condition on the resource row `r` that the caller may change it in this way."""
    predicates = dict.fromkeys(access.predicate(type_name, permission, "r") for permission in NEEDED[method])
    narrowing = [predicate for predicate in predicates if predicate != EVERYTHING]
    if len(narrowing) < 2:
        return narrowing[0] if narrowing else EVERYTHING
    return Fragment(
        f"({' AND '.join(one.sql for one in narrowing)})", tuple(param for one in narrowing for param in one.params)
    )


class Old(msgspec.Struct, frozen=True):
    """The current version of a resource that is about to change. `patients`: (logical id, key), the main one first."""

    pk: int
    version: int
    updated: datetime
    deleted: bool
    body: bytes
    patients: tuple[tuple[str, int], ...]


def lock(members: Sequence[tuple[AccessContext, Change]]) -> Work[dict[tuple[str, str], Old]]:
    """The current versions of `members` by (type, id), locked until the transaction ends.

    Only those that the caller may change: what a caller may not see is neither returned nor locked. Locks are taken in
    the order (type, id), so that no two groups wait for each other. Who waited for a lock gets the version made
    meanwhile, while subqueries still saw the one before: what queries of scopes ask is looked at again.
    """
    guard = Guard()
    numbers = [guard.number(changeable(access, change.type, change.method)) for access, change in members]
    condition = guard.condition("x.guard")
    rows = yield Statement(
        f"""SELECT x.n, r.pk, r.version, r.updated, r.deleted, r.body,
              ARRAY(SELECT k.id FROM patient_key k WHERE k.pat = r.pat)
                || ARRAY(SELECT k.id FROM compartment c JOIN patient_key k ON k.pat = c.pat WHERE c.pk = r.pk
                         ORDER BY k.pat),
              ARRAY(SELECT r.pat WHERE r.pat IS NOT NULL)
                || ARRAY(SELECT c.pat FROM compartment c WHERE c.pk = r.pk ORDER BY c.pat)
            FROM unnest(%s::smallint[], %s::text[], %s::int[]) WITH ORDINALITY AS x (type, id, guard, n)
            JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C"
            WHERE {condition.sql}
            ORDER BY r.type, r.id
            FOR UPDATE OF r""",
        (
            [TYPE_ID[change.type] for _, change in members],
            [change.id for _, change in members],
            numbers,
            *condition.params,
        ),
    )
    found = {}
    for n, pk, version, updated, deleted, body, ids, keys in rows:
        access, change = members[n - 1]
        if not _is_open(access, change, body):
            continue
        found[change.type, change.id] = Old(pk, version, updated, deleted, body, tuple(zip(ids, keys, strict=True)))
    return found


def _is_open(access: AccessContext, change: Change, body: bytes) -> bool:
    """Whether queries of the caller's scopes hold of a current version, where they decide."""
    needed = [one for one in NEEDED[change.method] if access.bounded(change.type, one)]
    resource = decode_stored(body) if needed and body else None
    return all(access.opens(change.type, permission, change.id, resource) for permission in needed)
