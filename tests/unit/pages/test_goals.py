"""A goal in the form of people, and as a Goal."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any

import pytest

from healix_fhir.model.validate import check
from healix_fhir.operation.goal.progress import progress
from healix_fhir.operation.goal.reading import readings
from healix_fhir.operation.goal.target import plan
from healix_fhir.pages.goals.asked import Fields, description, fields_of, target
from healix_fhir.pages.goals.plot import DAYS, drawn, plotted
from healix_fhir.pages.measures import MEASURES, ProblemError
from tests.support.goals import observation

TODAY = date(2026, 3, 20)
FORMS = [
    Fields("weight", "most", "80", "", "2026-06-30"),
    Fields("weight", "between", "70", "80.5", ""),
    Fields("steps", "least", "8000", "", "", "Walk more"),
    Fields("8480-6", "most", "130"),
    Fields("glucose-mmol", "between", "4.5", "7.8"),
    Fields("hba1c", "most", "6.5"),
]


def goal(asked: Fields) -> dict[str, Any]:
    """The Goal of a form."""
    return {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": description(asked),
        "subject": {"reference": "Patient/p"},
        "target": [target(asked, TODAY)],
    }


@pytest.mark.parametrize("asked", FORMS)
def test_a_form_makes_a_goal_that_is_measured_and_shown_again(asked: Fields) -> None:
    """The Goal is valid R4, is one that the server measures, and comes back into the form as it was."""
    made = goal(asked)
    check(made, "Goal")
    assert len(plan(made).measured) == 1
    shown = fields_of(made)
    assert shown is not None
    assert (shown.measure, shown.kind, shown.value, shown.upper, shown.due) == (
        asked.measure, asked.kind, asked.value, asked.upper, asked.due
    )  # fmt: skip
    assert shown.words == made["description"]["text"]


@pytest.mark.parametrize(("asked", "problem"), [
    (Fields("weight", "most", "eighty"), ("value", "number")),
    (Fields("weight", "most", ""), ("value", "number")),
    (Fields("weight", "most", "8000"), ("value", "possible")),
    (Fields("weight", "most", "-80"), ("value", "number")),
    (Fields("weight", "between", "80", "80"), ("upper", "order")),
    (Fields("weight", "between", "80", ""), ("upper", "number")),
    (Fields("mood", "most", "80"), ("measure", "unknown")),
    (Fields("weight", "about", "80"), ("kind", "unknown")),
    (Fields("weight", "most", "80", due="2026-03-19"), ("due", "past")),
    (Fields("weight", "most", "80", due="2026-02-30"), ("due", "day")),
    (Fields("weight", "most", "80", due="soon"), ("due", "day")),
])  # fmt: skip
def test_what_makes_no_goal_is_told_by_field(asked: Fields, problem: tuple[str, str]) -> None:
    """Each mistake names its field and what is wrong."""
    with pytest.raises(ProblemError) as caught:
        target(asked, TODAY)
    assert (caught.value.field, caught.value.what) == problem


def test_a_comma_is_a_decimal_point() -> None:
    """People write 7,5 as they are used to."""
    assert str(target(Fields("sleep", "least", "7,5"), TODAY)["detailQuantity"]["value"]) == "7.5"


def test_the_name_is_made_of_the_target() -> None:
    """Where nobody wrote one."""
    assert description(Fields("weight", "most", "80")) == {"text": "Body weight: at most 80 kg"}
    assert description(Fields("steps", "least", "8000")) == {"text": "Steps a day: at least 8000"}


@pytest.mark.parametrize("change", [
    {"target": []},
    {"target": [{"measure": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}, "detailInteger": 1}]},
    {"target": [target(FORMS[0], TODAY), target(FORMS[2], TODAY)]},
])  # fmt: skip
def test_other_goals_are_not_for_the_form(change: dict[str, Any]) -> None:
    """Several targets, other measures and kinds are left to those who can say them."""
    assert fields_of(goal(FORMS[0]) | change) is None


def test_measures_have_names_and_limits() -> None:
    """Each measure is there once by its code, and what is possible is told in its unit."""
    codes = [one.loinc for one in MEASURES.values()]
    assert len(set(codes)) == len(codes) == 11
    assert (float(MEASURES["glucose-mmol"].least), float(MEASURES["glucose"].least)) == (0.3, 5)


@pytest.mark.parametrize(("ago", "shown"), [((0,), 0), ((9, 0), 2), ((DAYS, 9, 0), 2), ((), 0)])
def test_the_course_is_drawn_with_what_is_wanted(ago: tuple[int, ...], shown: int) -> None:
    """Days that are not too long ago, from the second on, with the band that is wanted."""
    (wanted,) = plan(goal(FORMS[1])).measured
    days = [(TODAY - timedelta(days=one)).isoformat() for one in ago]
    told = [observation(f"{day}T08:00:00Z", f"{80 + n}") for n, day in enumerate(days)]
    found = progress(wanted, readings(wanted, told, UTC), None, TODAY)
    roles = {mark.role.partition(" ")[0] for mark in drawn(found, UTC)}
    assert len(plotted(found)) == shown
    assert {"plot-usual", "plot-line", "plot-dot"} <= roles if shown else not roles
