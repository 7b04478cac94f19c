"""What each type of resource says about who cares for whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.care.relations import Reader, Span

BASE = "https://healix.test/fhir"
PERIOD = {"start": "2030-01-01", "end": "2030-02-10T12:00:00+02:00"}
START, END = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 10, 10, 0, 1, tzinfo=UTC)


def ref(text: str) -> dict[str, str]:
    """A reference."""
    return {"reference": text}


def team(**elements: Any) -> dict[str, Any]:
    """A team of one practitioner for one patient."""
    return {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": ref("Patient/p"),
        "participant": [{"member": ref("Practitioner/d")}],
        **elements,
    }


def encounter(status: str, **elements: Any) -> dict[str, Any]:
    """An encounter of one practitioner with one patient."""
    return {
        "resourceType": "Encounter",
        "status": status,
        "subject": ref("Patient/p"),
        "participant": [{"individual": ref("Practitioner/d")}],
        **elements,
    }


def appointment(status: str, *participants: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """An appointment of one practitioner and one patient, and `participants`."""
    both: list[dict[str, Any]] = [{"actor": ref("Practitioner/d")}, {"actor": ref("Patient/p")}]
    return {"resourceType": "Appointment", "status": status, "participant": [*both, *participants], **elements}


ONE = {("d", "p"): Span()}
UNTIL = {("d", "p"): Span(ends=END)}
ROLES = {"always": ("d", Span()), "once": ("d", Span(ends=END))}


def read(resource: dict[str, Any]) -> dict[tuple[str, str], Span]:
    """The relations of a resource."""
    return {(one.practitioner, one.patient): one.span for one in Reader((BASE,), ROLES).relations(resource)}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (team(), ONE),
        (team(period=PERIOD), {("d", "p"): Span(START, END)}),
        (team(participant=[{"member": ref("Practitioner/d"), "period": PERIOD}]), {("d", "p"): Span(START, END)}),
        (team(participant=[{"member": ref(f"{BASE}/Practitioner/d/_history/3")}]), ONE),
        (team(participant=[{"member": ref("PractitionerRole/always")}]), ONE),
        (team(participant=[{"member": ref("PractitionerRole/once")}]), UNTIL),
        (team(participant=[{"member": ref("PractitionerRole/unknown")}]), {}),
        ({"resourceType": "Patient", "id": "p", "generalPractitioner": [ref("PractitionerRole/once")]}, UNTIL),
        (encounter("in-progress", participant=[{"individual": ref(f"{BASE}/PractitionerRole/once")}]), UNTIL),
        (team(status="inactive"), {}),
        (team(status="proposed"), {}),
        (team(subject=ref("Group/p")), {}),
        (team(participant=[{"member": ref("Patient/d")}, {"member": ref("Organization/d")}]), {}),
        (team(participant=[{"member": ref("https://elsewhere.test/fhir/Practitioner/d")}]), {}),
        (team(subject=ref(f"{BASE}/Patient/p/_history/")), {}),
        (team(subject=ref(f"{BASE}/Patient/p/_history/\u00fc")), {}),
        (team(subject=ref(f"{BASE}/{BASE}/Patient/p")), {}),
        (team(subject=ref(f"{BASE}/Patient/p?x")), {}),
        (encounter("in-progress", subject=ref("Patient/p/_history/1/_history/2")), {}),
        (appointment("booked", {"actor": ref(f"{BASE}/Patient/q/_history/")}, end="2030-02-10T10:00:00Z"), UNTIL),
        (team(participant=[{"member": {"display": "Dr. D"}}, {"onBehalfOf": ref("Organization/o")}]), {}),
        ({"resourceType": "Patient", "id": "p", "generalPractitioner": [ref("Practitioner/d")]}, ONE),
        ({"resourceType": "Patient", "id": "p", "generalPractitioner": [ref("Organization/d")]}, {}),
        ({"resourceType": "Patient", "id": "p"}, {}),
        (encounter("in-progress"), ONE),
        (encounter("in-progress", period={"start": "2030-01-01"}), ONE),
        (encounter("planned", period=PERIOD), UNTIL),
        (encounter("finished", period=PERIOD), UNTIL),
        (encounter("finished"), {}),
        (encounter("cancelled", period=PERIOD), {}),
        (encounter("entered-in-error"), {}),
        (appointment("booked", end="2030-02-10T10:00:00Z"), UNTIL),
        (appointment("booked"), {}),
        (appointment("proposed", end="2030-02-10T10:00:00Z"), {}),
        (appointment("cancelled", end="2030-02-10T10:00:00Z"), {}),
    ],
)
def test_relations(resource: dict[str, Any], expected: dict[tuple[str, str], Span]) -> None:
    """Each type opens exactly what its rule says, within its period."""
    assert read(resource) == expected


def test_declined_participants_have_no_part() -> None:
    """Who declined an appointment, practitioner or patient, is in no relation by it."""
    others = [{"actor": ref("Practitioner/e"), "status": "declined"}, {"actor": ref("Patient/q"), "status": "declined"}]
    assert read(appointment("booked", *others, end="2030-02-10T10:00:00Z")) == UNTIL


def test_every_pair_of_an_appointment() -> None:
    """All practitioners of an appointment relate to all its patients."""
    others = [{"actor": ref("Practitioner/e")}, {"actor": ref("Patient/q")}]
    pairs = set(read(appointment("booked", *others, end="2030-02-10T10:00:00Z")))
    assert pairs == {("d", "p"), ("d", "q"), ("e", "p"), ("e", "q")}


def test_repeated_members_join() -> None:
    """A member listed twice belongs for as long as either entry says."""
    participants = [{"member": ref("Practitioner/d"), "period": PERIOD}, {"member": ref("Practitioner/d")}]
    assert read(team(participant=participants)) == ONE
