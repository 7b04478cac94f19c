"""Keeps `actor_member`: the organizations, roles, teams and groups that a clinician acts for.

By these a Consent names clinicians who are not named themselves. An outbox consumer of the topic `resource`, of the
same kind as `care/relationships.py`. An organization is its own members only, not those of its parts.

Spec: FHIR R4 practitionerrole.html, careteam.html, group.html
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
Member: TypeAlias = tuple[str, str, Span]
"""Logical id of a Practitioner, the actor, from when until when."""


def consumer(bases: tuple[str, ...] = ()) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    reader = Reader(bases)
    return lambda events: _handle(reader, events)


def members(reader: Reader, resource: Json) -> list[Member]:
    """Who a resource says acts for whom, each pair once."""
    found: dict[tuple[str, str], Span] = {}
    for practitioner, actor, when in RULES[resource["resourceType"]](reader, resource):
        pair = practitioner, actor
        found[pair] = found[pair].joined(when) if pair in found else when
    return [(*pair, when) for pair, when in found.items()]


def _role(reader: Reader, role: Json) -> Iterable[Member]:
    practitioner = reader.local(role.get("practitioner"), "Practitioner")
    if practitioner is None or role.get("active") is False:
        return
    when = span(role.get("period"))
    yield practitioner, f"PractitionerRole/{role['id']}", when
    organization = reader.local(role.get("organization"), "Organization")
    if organization is not None:
        yield practitioner, f"Organization/{organization}", when


def _team(reader: Reader, team: Json) -> Iterable[Member]:
    if team.get("status") != "active":
        return
    for one in team.get("participant", ()):
        practitioner = reader.local(one.get("member"), "Practitioner")
        if practitioner is not None:
            yield practitioner, f"CareTeam/{team['id']}", span(one.get("period")).within(span(team.get("period")))


def _group(reader: Reader, group: Json) -> Iterable[Member]:
    if group.get("active") is False:
        return
    for one in group.get("member", ()):
        practitioner = reader.local(one.get("entity"), "Practitioner")
        if practitioner is not None and one.get("inactive") is not True:
            yield practitioner, f"Group/{group['id']}", span(one.get("period"))


RULES: Mapping[str, Callable[[Reader, Json], Iterable[Member]]] = MappingProxyType(
    {"PractitionerRole": _role, "CareTeam": _team, "Group": _group}
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
        for type_id, id_, body in bodies
        for member in members(reader, decode(bytes(body)))
    ]
    yield Statement(
        """WITH stated AS (
             SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
               AS x (practitioner, actor, source, starts, ends)),
           gone AS (
             DELETE FROM actor_member m WHERE m.source = ANY(%s) AND NOT EXISTS (
               SELECT FROM stated s WHERE (s.practitioner, s.actor, s.source) = (m.practitioner, m.actor, m.source)))
           INSERT INTO actor_member (practitioner, actor, source, starts, ends)
           SELECT * FROM stated ORDER BY practitioner, actor, source
           ON CONFLICT (practitioner, actor, source) DO UPDATE SET starts = excluded.starts, ends = excluded.ends""",
        (
            [practitioner for practitioner, *_ in stated],
            [actor for _, actor, *_ in stated],
            [source for *_, source in stated],
            [when.starts for _, _, when, _ in stated],
            [when.ends for _, _, when, _ in stated],
            [f"{TYPE_NAME[type_id]}/{id_}" for type_id, id_ in sources],
        ),
    )
