"""$meta, $meta-add and $meta-delete: profiles, tags and security labels, of one resource or of all that is visible.

Of a resource `$meta` gives the meta of the current version; of a type, or of everything, all profiles, tags and labels
in use, which is looked up in the resources themselves and takes as long as it takes to read them. `$meta-add` and
`$meta-delete` make a new version, as a patch would, unless nothing changes.

Spec: FHIR R4, hl7.org/fhir/R4/resource-operation-meta.html, resource-operation-meta-add.html,
resource-operation-meta-delete.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from healix_fhir.interaction.accept import known_id
from healix_fhir.interaction.patch import patched
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AUDIT_EVENT, AuditRow, record
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import too_large, unsupported
from healix_fhir.model.definitions import TYPE_ID, TYPES
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.fragments import all_of, of_types
from healix_fhir.search.included import any_visible
from healix_fhir.search.run import require
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

IN_USE = 1000
"""Profiles, tags and labels that one answer about a type or everything holds."""
META = changed(
    standard("Resource-meta"),
    f"On a type and on the system it reads all resources that the caller may see; up to {IN_USE} different ones.",
)
META_ADD, META_DELETE = standard("Resource-meta-add"), standard("Resource-meta-delete")
LISTS = ("profile", "security", "tag")


async def meta(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The meta of a resource, or what is in use."""
    if invocation.type is not None and invocation.id is not None:
        stored = await interactions.read(access, invocation.type, invocation.id)
        return _answer(decode_stored(stored.body)["meta"])
    types = TYPES if invocation.type is None else (invocation.type,)
    return _answer(await interactions.looked_up(lambda: _in_use(access, types)))


def _in_use(access: AccessContext, types: tuple[str, ...]) -> Work[Json]:
    require(access, types)
    seen = all_of([of_types("r", [TYPE_ID[name] for name in types]), Fragment("NOT r.deleted"), any_visible(access)])
    rows = yield Statement(_IN_USE.format(seen=seen.sql), (*seen.params, IN_USE + 1), prepare=False)
    entity = types[0] if len(types) == 1 else None
    yield record([AuditRow(access.origin, "E", "$meta", patient=access.patient, entity=entity)])
    if len(rows) > IN_USE:
        raise too_large(f"more than {IN_USE} different profiles, tags and labels are in use: ask for one type")
    return _meta(rows)


_IN_USE = """
SELECT DISTINCT x.kind, x.system, x.code FROM resource r
CROSS JOIN LATERAL (SELECT convert_from(r.body, 'UTF8')::jsonb -> 'meta' AS meta OFFSET 0) m
CROSS JOIN LATERAL (
  SELECT 'profile' AS kind, NULL AS system, p AS code FROM jsonb_array_elements_text(m.meta -> 'profile') p
  UNION ALL SELECT 'security', s ->> 'system', s ->> 'code' FROM jsonb_array_elements(m.meta -> 'security') s
  UNION ALL SELECT 'tag', t ->> 'system', t ->> 'code' FROM jsonb_array_elements(m.meta -> 'tag') t) x
WHERE {seen} ORDER BY 1, 2, 3 LIMIT %s"""


def _meta(rows: list[Row]) -> Json:
    found: Json = {}
    for kind, system, code in rows:
        coding = {key: value for key, value in (("system", system), ("code", code)) if value is not None}
        found.setdefault(kind, []).append(code if kind == "profile" else coding)
    return found


async def meta_add(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Add what the resource has not yet; duplicates are not made."""
    return await _changed(interactions, access, invocation, _added)


async def meta_delete(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Remove what the resource has of it; what it has not is no error."""
    return await _changed(interactions, access, invocation, _removed)


async def _changed(
    interactions: Interactions,
    access: AccessContext,
    invocation: Invocation,
    change: Callable[[list[Any], list[Any]], list[Any]],
) -> bytes:
    type_name, id_, given = str(invocation.type), str(invocation.id), invocation.given.json("meta") or {}
    if type_name == AUDIT_EVENT:
        raise unsupported("AuditEvents are only read: none of them ever changes")
    known_id(type_name, id_)
    permit(access, type_name, Method.PATCH)

    def made_by(resource: Json) -> Json:
        meta = dict(resource.get("meta", {}))
        for name in LISTS:
            meta[name] = change(meta.get(name, []), given.get(name, []))
        return resource | {"meta": {name: value for name, value in meta.items() if value != []}}

    made = Change(Method.PATCH, type_name, id_, patch=patched(type_name, id_, made_by, interactions.bases))
    written = await interactions.writing.write(access, made)
    return _answer(decode_stored(written.stored.body)["meta"])


def _added(there: list[Any], given: list[Any]) -> list[Any]:
    known = {_identity(one): one for one in there}
    for one in given:
        known.setdefault(_identity(one), one)
    return list(known.values())


def _removed(there: list[Any], given: list[Any]) -> list[Any]:
    gone = {_identity(one) for one in given}
    return [one for one in there if _identity(one) not in gone]


def _identity(one: Any) -> tuple[Any, ...]:
    """A profile is known by its URL, a tag or label by system and code: version and display say nothing."""
    return (one.get("system"), one.get("code")) if isinstance(one, dict) else (one,)


def _answer(meta: Json) -> bytes:
    part = {"name": "return"} | ({"valueMeta": meta} if meta else {})
    return encode({"resourceType": "Parameters", "parameter": [part]})
