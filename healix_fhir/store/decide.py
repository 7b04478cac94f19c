"""What becomes of one change, given the version that is current: pure rules.

A caller who does not see all of a type may not choose ids: for it an id that exists out of its sight and one that does
not exist are refused alike, so that the refusal tells nothing.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#update, #delete, #concurrency
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from healix_fhir.kernel.errors import Category, HealixError, forbidden
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.store.body import stamp
from healix_fhir.store.lifecycle.step import Step, actor_of
from healix_fhir.store.lifecycle.table import LIFECYCLES
from healix_fhir.store.lock import PERMISSION, Old
from healix_fhir.store.read import gone, missing
from healix_fhir.store.stored import Change, Method, Stored
from smart_auth.access import EVERYTHING, AccessContext

IDENTITY = ("identifier", "link")
"""The elements of a Patient that say who it is, and whom else it stands for."""
MILLISECOND = timedelta(milliseconds=1)
LARGEST = 256 * 1024 * 1024
"""The bytes that patches may make a resource grow to; PostgreSQL holds no value of 1 GB."""


class New(msgspec.Struct, frozen=True):
    """A version to write over `old` (None: the first)."""

    stored: Stored
    old: Old | None
    created: bool


class Same(msgspec.Struct, frozen=True):
    """Nothing to write; `old` is None where nothing was there to delete."""

    old: Old | None


def revise(change: Change, old: Old | None) -> Change | HealixError:
    """A patch with the resource that it makes of the current version; every other change as it is."""
    if change.patch is None:
        return change
    if old is None:
        return missing(change.type, change.id)
    if change.if_match not in (None, old.version):
        return _precondition(change)
    if old.deleted:
        return gone(change.type, change.id, old.version)
    try:
        made = change.patch(old.body)
    except HealixError as error:
        return error
    return msgspec.structs.replace(change, resource=made.resource, rows=made.rows, defines=made.defines)


def decide(access: AccessContext, change: Change, old: Old | None, moment: datetime) -> New | Same | HealixError:
    """The version that `change` makes at `moment`, or that it makes none, or why it is refused."""
    decision = _decide(access, change, old, moment)
    rule = LIFECYCLES.get(change.type)
    if rule is None or not isinstance(decision, New):
        return decision
    before = decode(old.body) if old is not None and not old.deleted else None
    step = Step(change.type, actor_of(access), before, change.resource, change.operation, access.practitioner)
    return rule(step) or decision


def _decide(access: AccessContext, change: Change, old: Old | None, moment: datetime) -> New | Same | HealixError:
    if change.method is Method.DELETE:
        return _delete(change, old, moment)
    if old is None:
        if change.method is Method.PUT and (refusal := _refuse_new(access, change)):
            return refusal
        return New(_stored(change, 1, moment), None, created=True)
    if change.if_match not in (None, old.version):
        return _precondition(change)
    if change.if_absent is not None and not old.deleted:
        return HealixError(change.if_absent, f"{change.type}/{change.id} exists already")
    same = _stored(change, old.version, old.updated).body
    if same == old.body:
        return Same(old)
    if change.leaves and not old.deleted:
        return HealixError(Category.CONFLICT, f"{change.type}/{change.id} exists already, with other content")
    if refusal := _refuse_identity(access, change, old) or _refuse_document(change, old):
        return refusal
    if change.patch is not None and len(same) > LARGEST:
        message = f"the patch makes {change.type}/{change.id} larger than {LARGEST} bytes"
        return HealixError(Category.UNPROCESSABLE, message, code="too-costly")
    return New(_stored(change, old.version + 1, _after(old, moment)), old, created=old.deleted)


def _delete(change: Change, old: Old | None, moment: datetime) -> New | Same | HealixError:
    if change.if_match not in (None, old.version if old else None):
        return _precondition(change)
    if old is None or old.deleted:
        return Same(old)
    return New(Stored(change.type, change.id, old.version + 1, _after(old, moment), b""), old, created=False)


def _refuse_new(access: AccessContext, change: Change) -> HealixError | None:
    if access.predicate(change.type, PERMISSION[change.method], "r") != EVERYTHING:
        return forbidden(f"the token does not allow an update of {change.type}/{change.id}")
    return _precondition(change) if change.if_match is not None else None


def _refuse_identity(access: AccessContext, change: Change, old: Old) -> HealixError | None:
    """Keep who a Patient is from those who see some records only: who claims another's number would get what is known
    by that number alone, as images that came before their patient was registered. See docs/decisions/0134.
    """
    if change.type != "Patient" or access.predicate(change.type, PERMISSION[change.method], "r") == EVERYTHING:
        return None
    assert change.resource is not None
    before = {} if old.deleted else decode(old.body)
    if all(change.resource.get(name) == before.get(name) for name in IDENTITY):
        return None
    return forbidden("the token does not allow to change the identifiers and links of a Patient; system scopes do")


def _refuse_document(change: Change, old: Old) -> HealixError | None:
    """Keep a document as it is: it says what was attested. Spec: FHIR R4, hl7.org/fhir/R4/documents.html"""
    if change.type != "Bundle" or old.deleted or decode_stored(old.body).get("type") != "document":
        return None
    return HealixError(Category.CONFLICT, f"Bundle/{change.id} is a document, which does not change: store a new one")


def _stored(change: Change, version: int, updated: datetime) -> Stored:
    assert change.resource is not None
    body = stamp(change.resource, change.type, change.id, version, updated)
    return Stored(change.type, change.id, version, updated, body)


def _after(old: Old, moment: datetime) -> datetime:
    """`moment`, or just after the old version when the clock of another node is ahead: versions go forward in time."""
    return moment if moment > old.updated else old.updated + MILLISECOND


def _precondition(change: Change) -> HealixError:
    return HealixError(
        Category.PRECONDITION_FAILED, f"{change.type}/{change.id} does not have the version that If-Match names"
    )
