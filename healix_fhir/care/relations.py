"""Which resources say that a clinician cares for a patient, until when: pure rules, one for each type.

* CareTeam: its Practitioner members while the team is active, within the team's and the member's period.
* Patient: each Practitioner in generalPractitioner, without an end.
* Encounter: its Practitioner participants, from when it is planned until the period ends.
* Appointment: its Practitioner participants and its Patients, from when it is booked until it ends, so that the
  clinician can prepare; one who declined has no part in it.

A PractitionerRole stands for its Practitioner while it is active, within its period. An Organization opens nothing: who
names a hospital as general practitioner means no whole staff.

Only references to this server's own Patients, Practitioners and PractitionerRoles count. A finished encounter or a
booked appointment that does not say when it ends opens nothing.

Spec: FHIR R4 careteam.html, patient.html, encounter.html, appointment.html, practitionerrole.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.dates import interval
from healix_fhir.search.params.reference import target

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """From `starts` until `ends`; None is open."""

    starts: datetime | None = None
    ends: datetime | None = None

    def within(self, other: Span) -> Span:
        """The part of this span that is in `other`."""
        starts = [moment for moment in (self.starts, other.starts) if moment is not None]
        ends = [moment for moment in (self.ends, other.ends) if moment is not None]
        return Span(max(starts, default=None), min(ends, default=None))

    def joined(self, other: Span) -> Span:
        """The smallest span that holds both."""
        starts = None if self.starts is None or other.starts is None else min(self.starts, other.starts)
        ends = None if self.ends is None or other.ends is None else max(self.ends, other.ends)
        return Span(starts, ends)


ROLE = "PractitionerRole"
NOBODY: Mapping[str, tuple[str, Span]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Relation:
    """A practitioner cares for a patient (logical ids) during `span`."""

    practitioner: str
    patient: str
    span: Span


class Reader:
    """Reads relations out of resources; `bases` are this server's FHIR base URLs, `roles` whose each role is, and when.

    A role that is not among these is nobody's.
    """

    def __init__(self, bases: tuple[str, ...], roles: Mapping[str, tuple[str, Span]] = NOBODY) -> None:
        self._bases = bases
        self._roles = roles

    def role(self, role: Json) -> tuple[str, Span] | None:
        """The Practitioner of a PractitionerRole, and when; None where it is not active."""
        practitioner = self.local(role.get("practitioner"), "Practitioner")
        return None if practitioner is None or role.get("active") is False else (practitioner, span(role.get("period")))

    def clinician(self, reference: Json | None) -> tuple[str, Span] | None:
        """The Practitioner that a reference names, in person or by a role, and when that is so."""
        practitioner = self.local(reference, "Practitioner")
        if practitioner is not None:
            return practitioner, Span()
        return self._roles.get(self.local(reference, ROLE) or "")

    def relations(self, resource: Json) -> list[Relation]:
        """All relations that `resource` states, one for each pair of practitioner and patient."""
        found: dict[tuple[str, str], Span] = {}
        for relation in RULES[resource["resourceType"]](self, resource):
            pair = relation.practitioner, relation.patient
            found[pair] = found[pair].joined(relation.span) if pair in found else relation.span
        return [Relation(*pair, span) for pair, span in found.items()]

    def local(self, reference: Json | None, type_name: str) -> str | None:
        """The logical id that a reference to `type_name` on this server names: read as the index reads it, since that
        decides in whose compartment a resource is, and so who may write it.
        """
        found = target((reference or {}).get("reference", "#"), self._bases)
        return found[1] if found is not None and found[0] == TYPE_ID[type_name] else None


def _care_team(reader: Reader, team: Json) -> Iterable[Relation]:
    patient = reader.local(team.get("subject"), "Patient")
    if patient is None or team.get("status") != "active":
        return
    for participant in team.get("participant", ()):
        if (found := reader.clinician(participant.get("member"))) is not None:
            when = span(participant.get("period")).within(span(team.get("period")))
            yield Relation(found[0], patient, when.within(found[1]))


def _patient(reader: Reader, patient: Json) -> Iterable[Relation]:
    for reference in patient.get("generalPractitioner", ()):
        if (found := reader.clinician(reference)) is not None:
            yield Relation(found[0], patient["id"], found[1])


def _encounter(reader: Reader, encounter: Json) -> Iterable[Relation]:
    patient = reader.local(encounter.get("subject"), "Patient")
    whole = Span(ends=span(encounter.get("period")).ends)
    status = encounter.get("status")
    if patient is None or status not in ENCOUNTERS or (status == "finished" and whole.ends is None):
        return
    for participant in encounter.get("participant", ()):
        if (found := reader.clinician(participant.get("individual"))) is not None:
            when = Span(ends=span(participant.get("period")).ends).within(whole)
            yield Relation(found[0], patient, when.within(found[1]))


def _appointment(reader: Reader, appointment: Json) -> Iterable[Relation]:
    ends = _until(appointment.get("end"))
    if appointment.get("status") not in APPOINTMENTS or ends is None:
        return
    actors = [one for one in appointment.get("participant", ()) if one.get("status") != "declined"]
    patients = [id_ for one in actors if (id_ := reader.local(one.get("actor"), "Patient"))]
    for participant in actors:
        if (found := reader.clinician(participant.get("actor"))) is not None:
            when = Span(ends=span(participant.get("period")).ends).within(Span(ends=ends)).within(found[1])
            yield from (Relation(found[0], patient, when) for patient in patients)


def span(period: Json | None) -> Span:
    """What a Period covers: one that ends on a day ends with that day."""
    begin = interval((period or {}).get("start", ""))
    return Span(begin[0] if begin else None, _until((period or {}).get("end")))


def _until(text: str | None) -> datetime | None:
    """The first instant after what `text` says: a period that ends on a day ends with that day."""
    covered = interval(text) if text else None
    return covered[1] if covered else None


ENCOUNTERS = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave", "finished"})
APPOINTMENTS = frozenset({"booked", "arrived", "checked-in", "fulfilled"})

RULES: Mapping[str, Callable[[Reader, Json], Iterable[Relation]]] = MappingProxyType(
    {"CareTeam": _care_team, "Patient": _patient, "Encounter": _encounter, "Appointment": _appointment}
)

NAMING: Mapping[str, str] = MappingProxyType(
    {
        "CareTeam": "participant",
        "Patient": "general-practitioner",
        "Encounter": "participant",
        "Appointment": "actor",
    }
)
"""The search parameters under which the index has the clinicians that these resources name."""
