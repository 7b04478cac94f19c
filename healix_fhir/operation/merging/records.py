"""Two Patients that are one: who they are in a call, and what becomes of them.

Spec: FHIR R5, hl7.org/fhir/R5/patient-operation-merge.html; FHIR R4, hl7.org/fhir/R4/patient.html#links
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid
from healix_fhir.kernel.hashing import key64
from healix_fhir.model.definitions import TYPE_ID, TYPES, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.given import Given
from healix_fhir.search import tokens
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import missing
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
PATIENT = "Patient"
LOCK = key64("patient merge")
WAIT = 5
"""Seconds after which to come again while another merge is made."""


def permit(access: AccessContext, operation: str) -> None:
    """Refuse (Forbidden) who does not see and change everything: what is moved may be anything."""
    needed = (Permission.READ, Permission.UPDATE)
    if not all(access.sees_all(type_, one) for type_ in TYPES for one in needed):
        raise forbidden(f"${operation} is for tokens with a scope that opens everything: system/*.ru or more")


def alone() -> Work[None]:
    """Keep other merges out until the transaction ends. Raises Busy while there is one.

    To wait for it would be to hold a connection.
    """
    ((mine,),) = yield Statement("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
    if not mine:
        raise HealixError(Category.BUSY, "Patients are being merged just now; try again later", retry_after=WAIT)


def named(given: Given, role: str, bases: tuple[str, ...]) -> Work[str]:
    """The logical id of the `source` or `target` of a call, by reference or by identifiers.

    Raises Invalid where it is not told, NotFound or Unprocessable where not one Patient has the identifiers.
    """
    name = f"{role}-patient"
    reference, identifiers = given.json(name), given.all(f"{name}-identifier")
    if (reference is None) is (not identifiers):
        raise invalid(f"a merge takes {name} or {name}-identifier", code="required", expression=(name,))
    if reference is not None:
        found = target(str(reference.get("reference", "")), bases)
        if found is None or found[0] != TYPE_ID[PATIENT]:
            raise invalid(f"{name} is a reference to a Patient of this server", code="value", expression=(name,))
        return found[1]
    return (yield from _identified(name, identifiers))


def _identified(name: str, identifiers: Sequence[Json]) -> Work[str]:
    parameter = search_parameters(PATIENT)["identifier"].id
    hashes = [tokens.any_system(parameter, str(one.get("value", ""))) for one in identifiers]
    rows = yield Statement(
        """SELECT r.id, r.body FROM resource r WHERE r.type = %s AND NOT r.deleted
           AND r.pk IN (SELECT t.pk FROM index_token t WHERE t.h = ANY(%s)) ORDER BY r.id""",
        (TYPE_ID[PATIENT], hashes),
        prepare=False,
    )
    wanted = {_pair(one) for one in identifiers}
    found = [id_ for id_, body in rows if wanted <= set(map(_pair, decode_stored(body).get("identifier", ())))]
    if len(found) != 1:
        raise HealixError(
            Category.NOT_FOUND if not found else Category.UNPROCESSABLE,
            f"{'no' if not found else 'more than one'} Patient has the identifiers of {name}",
            expression=(f"{name}-identifier",),
        )
    return str(found[0])


def _pair(identifier: Mapping[str, Any]) -> tuple[str, str]:
    return identifier.get("system", ""), str(identifier.get("value", ""))


def held(source: str, into: str) -> Work[tuple[Json, Json]]:
    """Both Patients as they are, locked. Raises NotFound, Unprocessable for one who was merged already."""
    if source == into:
        raise refused("a Patient is not merged into itself")
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted ORDER BY id FOR UPDATE",
        (TYPE_ID[PATIENT], [source, into]),
    )
    known = {id_: decode_stored(body) for id_, body in rows}
    for id_ in (source, into):
        if id_ not in known:
            raise missing(PATIENT, id_)
    by = replacement(known[source])
    if by not in (None, into):
        raise refused(f"Patient/{source} was merged into Patient/{by} already")
    if (other := replacement(known[into])) is not None:
        raise refused(f"Patient/{into} was merged into Patient/{other}: merge into that one")
    return known[source], known[into]


def refused(message: str) -> HealixError:
    """The refusal of a merge that cannot be."""
    return HealixError(Category.UNPROCESSABLE, message)


def replacement(patient: Json) -> str | None:
    """The logical id of the Patient that this one was merged into."""
    for link in patient.get("link", ()):
        if link.get("type") == "replaced-by":
            return str(link["other"].get("reference", "")).rpartition("/")[2]
    return None


def linked(patient: Json, kind: str, other: str) -> Json:
    """A Patient with a link to another one."""
    link = {"other": {"reference": f"{PATIENT}/{other}"}, "type": kind}
    links = patient.get("link", [])
    return patient if link in links else patient | {"link": [*links, link]}


def replaced(source: Json, into: str) -> Json:
    """The Patient that was merged, afterwards."""
    return linked(source, "replaced-by", into) | {"active": False}


def joined(source: Json, into: Json) -> Json:
    """The Patient that stays: it gets the numbers of the other, as old ones."""
    own = {_pair(one) for one in into.get("identifier", ())}
    further = [one | {"use": "old"} for one in source.get("identifier", ()) if _pair(one) not in own]
    numbers = [*into.get("identifier", ()), *further]
    return linked(into | ({"identifier": numbers} if numbers else {}), "replaces", source["id"])


def stated(result: Json, source: str, into: str) -> Json:
    """The Patient that the caller says is to stay. Raises Invalid unless it is that one, and says what it replaces."""
    link = {"other": {"reference": f"{PATIENT}/{source}"}, "type": "replaces"}
    if result.get("id") != into or link not in result.get("link", ()):
        raise invalid(
            f"result-patient has the id '{into}' and a link to Patient/{source} of type replaces",
            code="value",
            expression=("result-patient",),
        )
    return result


def parted(now: Json, source: Json, before: Json) -> Json:
    """The Patient that stayed, as it is `now`, without what the merge gave it; `before` is how it was."""
    own = {_pair(one) for one in before.get("identifier", ())}
    given = {_pair(one) for one in source.get("identifier", ())} - own
    kept = [one for one in now.get("identifier", ()) if one.get("use") != "old" or _pair(one) not in given]
    return _cut(unlinked(now, "replaces", source["id"]), "identifier", kept)


def unlinked(patient: Json, kind: str, other: str) -> Json:
    """A Patient without a link to another one."""
    link = {"other": {"reference": f"{PATIENT}/{other}"}, "type": kind}
    return _cut(patient, "link", [one for one in patient.get("link", ()) if one != link])


def _cut(resource: Json, name: str, values: list[Json]) -> Json:
    rest = {key: value for key, value in resource.items() if key != name}
    return rest | {name: values} if values else rest
