"""What becomes of a resource when a clinician leaves it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.care.circle.ending import RULES, ended
from healix_fhir.model.validate import check
from healix_fhir.operation.circle.joining import care_team

Json = dict[str, Any]
NOW = datetime(2026, 3, 20, 8, tzinfo=UTC)
END = "2026-03-20T07:59:59.999Z"
D, E = {"reference": "Practitioner/d"}, {"reference": "Practitioner/e"}


def leaves(reference: Json | None) -> bool:
    """The Practitioner d leaves."""
    return reference == D


def of_team(*participants: Json, **elements: Any) -> Json:
    """A team."""
    return {"resourceType": "CareTeam", "id": "t", "status": "active", "participant": list(participants)} | elements


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            of_team({"member": D}, {"member": E}),
            of_team({"member": D, "period": {"end": END}}, {"member": E}),
        ),
        (
            of_team({"member": D, "period": {"start": "2026"}}),
            of_team({"member": D, "period": {"start": "2026", "end": END}}, status="inactive", period={"end": END}),
        ),
        (
            of_team({"member": D}, {"member": E, "period": {"end": "2025"}}, period={"start": "2025"}),
            of_team(
                {"member": D, "period": {"end": END}},
                {"member": E, "period": {"end": "2025"}},
                status="inactive",
                period={"start": "2025", "end": END},
            ),
        ),
        (
            of_team({"member": D, "period": {"start": "2027"}}, {"member": E}),
            of_team({"member": D, "period": {"start": END, "end": END}}, {"member": E}),
        ),
        (
            of_team({"member": D, "period": {"end": "2025"}}, {"member": D}, {"member": E}),
            of_team({"member": D, "period": {"end": "2025"}}, {"member": D, "period": {"end": END}}, {"member": E}),
        ),
        (
            {"resourceType": "Patient", "id": "p", "generalPractitioner": [D, E]},
            {"resourceType": "Patient", "id": "p", "generalPractitioner": [E]},
        ),
        ({"resourceType": "Patient", "id": "p", "generalPractitioner": [D]}, {"resourceType": "Patient", "id": "p"}),
        (
            {"resourceType": "Encounter", "id": "e", "participant": [{"individual": D}, {"individual": E}]},
            {
                "resourceType": "Encounter",
                "id": "e",
                "participant": [{"individual": D, "period": {"end": END}}, {"individual": E}],
            },
        ),
        (
            {"resourceType": "Appointment", "id": "a", "participant": [{"actor": D, "status": "accepted"}]},
            {
                "resourceType": "Appointment",
                "id": "a",
                "participant": [{"actor": D, "status": "accepted", "period": {"end": END}}],
            },
        ),
        (
            {"resourceType": "RelatedPerson", "id": "r", "active": True},
            {"resourceType": "RelatedPerson", "id": "r", "active": False, "period": {"end": END}},
        ),
    ],
)
@pytest.mark.spec("FHIR R4 careteam.html")
def test_who_leaves_stays_in_what_was(before: Json, after: Json) -> None:
    """Periods end and nothing is deleted; a team in which nobody is left is inactive."""
    assert ended(before, leaves, NOW) == after
    assert before["resourceType"] in RULES


def test_a_team_by_invitation_is_valid_and_says_since_when() -> None:
    """It is R4's, active, of both, from now on."""
    team = care_team("p", "d") | {"id": "t"}
    check(team, "CareTeam")
    assert (team["status"], team["subject"]["reference"]) == ("active", "Patient/p")
    assert team["participant"][0]["period"] == team["period"]
