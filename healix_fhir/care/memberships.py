"""Keeps `actor_member`: who belongs to which role, organization, team and group, each as its own resource says it.

By these a Consent names clinicians who are not named themselves. Memberships lead on: a clinician has a role, the role
is one at a ward, the ward a part of a hospital, the hospital a member of a team; `smart_auth/narrowing.py` follows them
from the clinician upward. An outbox consumer of the topic `resource`, of the same kind as `care/relationships.py`.

Spec: FHIR R4 practitionerrole.html, organization.html, careteam.html, group.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from healix_fhir.care.relations import Reader, Span, span
from healix_fhir.care.relationships import present
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode

Json = dict[str, Any]
TOPIC = "membership"
"""Of events that tell of nothing new, so that only what keeps care and memberships looks again."""
Member: TypeAlias = tuple[str, str, Span]
"""A member and the actor that it belongs to, both as Type/id; from when until when."""
MEMBERS = ("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Group")
"""What may belong to a team or a group, so that clinicians do."""


def consumer(bases: tuple[str, ...] = ()) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    reader = Reader(bases)
    return lambda events: _handle(reader, events)


def members(reader: Reader, resource: Json) -> list[Member]:
    """What a resource says belongs to what, each pair once."""
    found: dict[tuple[str, str], Span] = {}
    for member, actor, when in RULES[resource["resourceType"]](reader, resource):
        pair = member, actor
        found[pair] = found[pair].joined(when) if pair in found else when
    return [(*pair, when) for pair, when in found.items()]


def _role(reader: Reader, role: Json) -> Iterable[Member]:
    whose = reader.role(role)
    if whose is None:
        return
    own = f"PractitionerRole/{role['id']}"
    yield f"Practitioner/{whose[0]}", own, whose[1]
    organization = reader.local(role.get("organization"), "Organization")
    if organization is not None:
        yield own, f"Organization/{organization}", Span()


def _organization(reader: Reader, organization: Json) -> Iterable[Member]:
    """Its staff is that of the whole which it is a part of, also when its record is not in use any more."""
    whole = reader.local(organization.get("partOf"), "Organization")
    if whole is not None:
        yield f"Organization/{organization['id']}", f"Organization/{whole}", Span()


def _team(reader: Reader, team: Json) -> Iterable[Member]:
    if team.get("status") != "active":
        return
    for one in team.get("participant", ()):
        member = _named(reader, one.get("member"))
        if member is not None:
            yield member, f"CareTeam/{team['id']}", span(one.get("period")).within(span(team.get("period")))


def _group(reader: Reader, group: Json) -> Iterable[Member]:
    if group.get("active") is False:
        return
    for one in group.get("member", ()):
        member = _named(reader, one.get("entity"))
        if member is not None and one.get("inactive") is not True:
            yield member, f"Group/{group['id']}", span(one.get("period"))


def _named(reader: Reader, reference: Json | None) -> str | None:
    """What a reference names, if that may be a member."""
    for type_name in MEMBERS:
        if (id_ := reader.local(reference, type_name)) is not None:
            return f"{type_name}/{id_}"
    return None


RULES: Mapping[str, Callable[[Reader, Json], Iterable[Member]]] = MappingProxyType(
    {"PractitionerRole": _role, "Organization": _organization, "CareTeam": _team, "Group": _group}
)


def _handle(reader: Reader, events: Sequence[Event]) -> Work[None]:
    sources = sorted(
        {(TYPE_ID[kind], event.payload["id"]) for event in events if (kind := event.payload["type"]) in RULES}
    )
    if not sources:
        return
    bodies = yield present(sources)
    stated = [
        (*member, f"{TYPE_NAME[type_id]}/{id_}")
        for type_id, id_, _, body in bodies
        for member in members(reader, decode(bytes(body)))
    ]
    yield Statement(
        """WITH stated AS (
             SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
               AS x (member, actor, source, starts, ends)),
           gone AS (
             DELETE FROM actor_member m WHERE m.source = ANY(%s) AND NOT EXISTS (
               SELECT FROM stated s WHERE (s.member, s.actor, s.source) = (m.member, m.actor, m.source)))
           INSERT INTO actor_member (member, actor, source, starts, ends)
           SELECT * FROM stated ORDER BY member, actor, source
           ON CONFLICT (member, actor, source) DO UPDATE SET starts = excluded.starts, ends = excluded.ends""",
        (
            [member for member, *_ in stated],
            [actor for _, actor, *_ in stated],
            [source for *_, source in stated],
            [when.starts for _, _, when, _ in stated],
            [when.ends for _, _, when, _ in stated],
            [f"{TYPE_NAME[type_id]}/{id_}" for type_id, id_ in sources],
        ),
    )
