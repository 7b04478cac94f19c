"""Who said what a Goal has achieved, and when the server says it anew."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from healix_fhir.care.goals.standing import is_followed, moved, provenance
from healix_fhir.model.validate import check
from healix_fhir.operation.goal.achievement import Achievement

Json = dict[str, Any]
DAY = date(2026, 3, 20)
GOAL: Json = {
    "resourceType": "Goal",
    "id": "g",
    "lifecycleStatus": "active",
    "description": {"text": "Less weight"},
    "subject": {"reference": "Patient/p"},
}
BETTER, WORSE = Achievement("improving", "nearer", ("o1",)), Achievement("worsening", "farther", ("o2",))


def left(now: Achievement = BETTER) -> Json:
    """The goal as the server left it."""
    found = moved(GOAL, now, DAY)
    assert found is not None
    return found


def coded(goal: Json, code: str) -> Json:
    """The goal with another code in its status, all else as it was."""
    return goal | {"achievementStatus": goal.get("achievementStatus", {}) | {"coding": [{"code": code}]}}


@pytest.mark.parametrize(("goal", "followed"), [
    (GOAL, True),
    (left(), True),
    (coded(GOAL, "not-attainable"), False),  # a person said so
    (coded(left(), "achieved"), False),  # a person changed what the server had said
    (GOAL | {"achievementStatus": {"text": "going well"}}, False),
    (GOAL | {"lifecycleStatus": "on-hold"}, False),
    (left() | {"lifecycleStatus": "completed"}, False),
])  # fmt: skip
@pytest.mark.spec("FHIR R4 goal-definitions.html#Goal.achievementStatus")
def test_what_people_say_is_left_alone(goal: Json, followed: bool) -> None:
    """The server moves statuses that it set itself, and those that nobody set, of active goals."""
    assert is_followed(goal) is followed


def test_a_status_moves_with_its_reason() -> None:
    """Code, reason and day change together, and the resource is valid."""
    found = left()
    check(found, "Goal")
    assert found["achievementStatus"]["coding"][0]["code"] == "improving"
    assert (found["statusReason"], found["statusDate"]) == ("nearer", "2026-03-20")
    again = moved(found, WORSE, DAY)
    assert again is not None
    assert (again["achievementStatus"]["coding"][0]["code"], again["statusReason"]) == ("worsening", "farther")


def test_nothing_is_written_while_the_code_stays() -> None:
    """Other numbers in the reason make no version."""
    assert moved(left(), Achievement("improving", "nearer still"), DAY) is None


def test_a_reason_that_a_person_wrote_stays() -> None:
    """The server replaces its own words only; its reason is in the extension and the Provenance too."""
    for goal in (GOAL | {"statusReason": "after the operation"}, left() | {"statusReason": "after the operation"}):
        found = moved(goal, WORSE, DAY)
        assert found is not None
        assert found["statusReason"] == "after the operation"


@pytest.mark.spec("FHIR R4 provenance.html")
def test_the_provenance_names_what_moved_the_status() -> None:
    """One for each version, valid, in the patient's compartment, with the reason and the Observations."""
    moment = datetime(2026, 3, 20, 8, tzinfo=UTC)
    found = provenance("g", 2, "p", BETTER, moment)
    check(found, "Provenance")
    assert [one["reference"] for one in found["target"]] == ["Goal/g/_history/2", "Patient/p"]
    assert [one["what"]["reference"] for one in found["entity"]] == ["Observation/o1"]
    assert found["id"] == provenance("g", 2, "p", WORSE, moment)["id"] != provenance("g", 3, "p", BETTER, moment)["id"]
