"""$expunge: take out for good what was deleted, earlier versions, or everything; of a resource, a type, or all types.

FHIR has no such operation; this is the one that HAPI FHIR made known, with its parameters and `count`. What is not
deleted yet goes only with `expungeEverything`, and only if `confirm` says again what is meant. Each call takes out so
much, in one transaction; `more` says whether to call again.

Spec: HAPI FHIR, $expunge; FHIR R4, hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AUDIT_EVENT, AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.expunging.right import permit
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store import expunge as store
from healix_fhir.store.commit import commit
from healix_fhir.store.expunge import Extent
from healix_fhir.store.read import missing
from healix_fhir.store.stored import Change, Method
from healix_fhir.terminology.fill import forget
from smart_auth.access import AccessContext

LIMIT = 1000
MOST = 10_000
"""Versions that one call takes out, in one transaction."""
GROUP = 500
IMAGES = "ImagingStudy"
DELETED, PREVIOUS, EVERYTHING = "expungeDeletedResources", "expungePreviousVersions", "expungeEverything"
ALL = "everything"
"""What `confirm` says where no type is named."""

EXPUNGE = own(
    "expunge",
    "Takes out for good what was deleted, earlier versions, or everything, of a resource, a type or all types. For"
    " who may read and delete everything; audited. Without a type ImagingStudies stay: they go with their images.",
    into("limit", "positiveInt", f"How many versions are taken out at most: {LIMIT} unless told, {MOST} at most"),
    into(DELETED, "boolean", "Resources that were deleted, with their past"),
    into(PREVIOUS, "boolean", "Versions that are not the current one"),
    into(EVERYTHING, "boolean", "All versions, the current ones too"),
    into("confirm", "string", f"With {EVERYTHING} what is meant: Type/id, a type, or '{ALL}'"),
    out("count", "integer", "How many versions were taken out"),
    out("more", "boolean", "Whether there may be more, so that it is to be called again"),
    levels=("system", "type", "instance"),
)


class Asked(msgspec.Struct, frozen=True):
    """What a call is to take out: `name` is what it is called on."""

    name: str
    extent: Extent
    limit: int
    deleted: bool
    previous: bool
    everything: bool

    @property
    def told(self) -> str:
        """The call as the trail has it."""
        flags = ((DELETED, self.deleted), (PREVIOUS, self.previous), (EVERYTHING, self.everything))
        return "&".join([*(f"{name}=true" for name, asked in flags if asked), f"limit={self.limit}"])


async def expunge(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with count. Raises Forbidden, Invalid, Unsupported, NotFound for a resource that never was."""
    permit(access, "expunge")
    asked = read(invocation)
    count = await atransaction(interactions.pool, lambda: _expunged(access, asked), aside=True)
    parts = [{"name": "count", "valueInteger": count}, {"name": "more", "valueBoolean": count >= asked.limit}]
    return encode({"resourceType": "Parameters", "parameter": parts})


def read(invocation: Invocation) -> Asked:
    """What a call asks for. Raises Invalid, Unsupported."""
    type_name, id_, given = invocation.type, invocation.id, invocation.given
    if type_name == AUDIT_EVENT:
        raise unsupported("AuditEvents are never taken out: the trail is kept whole")
    limit = given.number("limit") or LIMIT
    if limit > MOST:
        raise _wrong("limit", f"is {MOST} at most: call again while 'more' is true")
    asked = Asked(
        ALL if type_name is None else f"{type_name}/{id_}" if id_ is not None else type_name,
        Extent(tuple(one for one in TYPES if one not in (AUDIT_EVENT, IMAGES)), None)
        if type_name is None
        else Extent((type_name,), id_),
        limit,
        *(given.flag(name) for name in (DELETED, PREVIOUS, EVERYTHING)),
    )
    if not (asked.deleted or asked.previous or asked.everything):
        raise invalid(f"$expunge takes {DELETED}, {PREVIOUS} or {EVERYTHING}", code="required", expression=(DELETED,))
    if asked.everything and type_name == IMAGES:
        raise unsupported(f"{EVERYTHING} of {IMAGES}: they go with their images, which DICOMweb deletes")
    if asked.everything and given.text("confirm") != asked.name:
        raise _wrong("confirm", f"must be '{asked.name}' for {EVERYTHING} to take out what is not deleted yet")
    return asked


def _wrong(name: str, why: str) -> HealixError:
    return invalid(f"$expunge: the parameter '{name}' {why}", code="value", expression=(name,))


def _expunged(access: AccessContext, asked: Asked) -> Work[int]:
    extent, count = asked.extent, 0
    if extent.id is not None and not (yield store.there(extent)):
        raise missing(extent.types[0], extent.id)
    audited = []
    if asked.everything:
        yield from _deleted(access, asked)
    if asked.everything or asked.deleted:
        count += yield from store.of_deleted(extent, asked.limit)
        gone = (yield from store.rows(extent, asked.limit - count)) if count < asked.limit else []
        yield forget([one.pk for one in gone])
        audited = [AuditRow(access.origin, "D", "$expunge", patient=one.patient, entity=one.entity) for one in gone]
        count += len(gone)
    if (asked.everything or asked.previous) and count < asked.limit:
        count += yield from store.earlier(extent, asked.limit - count)
    entity = None if asked.name == ALL else asked.name
    yield record([*audited, AuditRow(access.origin, "E", "$expunge", entity=entity, query=asked.told)])
    return count


def _deleted(access: AccessContext, asked: Asked) -> Work[None]:
    """Delete what is not deleted yet, so that everything that hangs on it is put right as by any deletion."""
    left = asked.limit
    while left > 0:
        group: list[tuple[str, str]] = yield from store.current(asked.extent, min(GROUP, left))
        if group:
            yield from commit(access, [Change(Method.DELETE, type_name, id_) for type_name, id_ in group])
        left = left - GROUP if len(group) == GROUP else 0
