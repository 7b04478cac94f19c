"""How far targets are reached, by tables of days and values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.operation.goal.achievement import achievement
from healix_fhir.operation.goal.progress import Progress, Trend, progress
from healix_fhir.operation.goal.reading import readings
from healix_fhir.operation.goal.target import Bounds, Target, Unmeasured, plan
from tests.support.goals import LOINC, SLEEP, STEPS, UCUM, WEIGHT, goal, observation, quantity

Json = dict[str, Any]
TODAY = date(2026, 3, 20)  # a Friday


def measured(found: Json, *observations: Json, today: date = TODAY, zone: Any = UTC) -> Progress:
    """The progress of the only target of a goal."""
    whole = plan(found)
    (target,) = whole.measured
    return progress(target, readings(target, observations, zone), whole.start, today)


def weights(days: Mapping[int, str]) -> list[Json]:
    """Weights by the day of March 2026."""
    return [observation(f"2026-03-{day:02}T08:00:00Z", value) for day, value in days.items()]


def steps(days: Mapping[int, str]) -> list[Json]:
    """Steps by the day of March 2026."""
    return [observation(f"2026-03-{day:02}T18:00:00Z", value, "{steps}", STEPS) for day, value in days.items()]


@pytest.mark.parametrize(
    ("detail", "value", "met"),
    [
        ({"detailQuantity": quantity("80", comparator="<")}, "80", False),
        ({"detailQuantity": quantity("80", comparator="<=")}, "80", True),
        ({"detailQuantity": quantity("80", comparator=">")}, "80", False),
        ({"detailQuantity": quantity("80", comparator=">=")}, "80", True),
        ({"detailQuantity": quantity("80", comparator=">=")}, "79.9", False),
        ({"detailRange": {"low": quantity("70"), "high": quantity("80")}}, "80", True),
        ({"detailRange": {"low": quantity("70"), "high": quantity("80")}}, "69", False),
        ({"detailRange": {"low": quantity("70000", "g"), "high": quantity("80")}}, "75000", True),
        ({"detailRange": {"high": quantity("80")}}, "81", False),
    ],
)
@pytest.mark.spec("FHIR R4 goal-definitions.html#Goal.target.detail_x_")
def test_limits_are_those_that_are_told(detail: Json, value: str, met: bool) -> None:
    """A comparator tells whether the limit is included, a range includes both ends, one of which may be missing."""
    unit = "g" if value == "75000" else "kg"
    found = measured(goal(detail), observation("2026-03-10T08:00:00Z", value, unit))
    assert (found.met, found.percent == 100) == (met, met)


@pytest.mark.parametrize(("begin", "now", "percent", "met"), [
    ("90", "85", 50, False), ("90", "80", 100, True), ("90", "79", 100, True), ("90", "95", 0, False),
    ("70", "75", 50, False), ("70", "81", 100, True), ("90", "80.01", 99, False),
])  # fmt: skip
def test_without_a_comparator_the_way_is_from_the_baseline(begin: str, now: str, percent: int, met: bool) -> None:
    """A target without a comparator is to be reached from where the baseline is, from above or from below."""
    found = measured(goal({"detailQuantity": quantity("80")}), *weights({1: begin, 9: now}))
    assert (found.percent, found.met, found.baseline) == (percent, met, Decimal(begin))


def test_the_baseline_is_the_last_value_before_the_start() -> None:
    """What was measured before the start tells where it began, and counts for nothing else."""
    before = [observation("2026-02-10T08:00:00Z", "99"), observation("2026-02-20T08:00:00Z", "90")]
    found = measured(goal({"detailQuantity": quantity("80", comparator="<=")}), *before, *weights({2: "88", 9: "85"}))
    assert (found.baseline, found.baseline_day, found.percent) == (Decimal(90), date(2026, 2, 20), 50)
    assert [one.day.day for one in found.series] == [2, 9]


def test_values_in_other_units_are_converted_and_what_cannot_be_is_left() -> None:
    """Pounds are compared with kilograms; a number in a unit of another dimension counts for nothing."""
    found = measured(
        goal({"detailQuantity": quantity("80", comparator="<=")}),
        observation("2026-03-10T08:00:00Z", "200", "[lb_av]"),
        observation("2026-03-11T08:00:00Z", "12", "cm"),
    )
    assert found.last is not None
    assert (found.last.day.day, found.last.value) == (10, Decimal("90.718474"))


@pytest.mark.parametrize("elements", [
    {"status": "preliminary"}, {"status": "entered-in-error"}, {"modifierExtension": [{"url": "urn:x"}]},
    {"effectiveDateTime": "2026-03-21T08:00:00Z"}, {"effectiveDateTime": "0001-01-01"},
])  # fmt: skip
def test_what_does_not_count(elements: Json) -> None:
    """Preliminary and wrong readings, those with modifiers, and those of the future count for nothing."""
    found = measured(goal({"detailQuantity": quantity("80")}), observation("2026-03-10T08:00:00Z", "80", **elements))
    assert found.last is None


def test_components_count_by_their_own_code() -> None:
    """A systolic pressure in a panel meets a target for it."""
    panel = observation("2026-03-10T08:00:00Z", "0", code="85354-9")
    del panel["valueQuantity"]
    panel["component"] = [
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", "128"), ("8462-4", "82"))
    ]
    found = measured(goal({"detailQuantity": quantity("130", "mm[Hg]", "<")}, code="8480-6"), panel)
    assert (found.met, found.last is not None and found.last.value) == (True, Decimal(128))


@pytest.mark.parametrize(("days", "streak", "longest"), [
    ({17: "9000", 18: "9000", 19: "9000"}, 3, 3),
    ({17: "9000", 18: "9000", 19: "9000", 20: "100"}, 3, 3),  # today is not over
    ({17: "9000", 18: "9000", 19: "9000", 20: "8000"}, 4, 4),
    ({17: "9000", 19: "9000"}, 1, 1),  # a day without steps ends it
    ({10: "9000", 11: "9000", 12: "9000", 18: "100", 19: "9000"}, 1, 3),
    ({17: "9000"}, 0, 1),
    ({}, 0, 0),
])  # fmt: skip
def test_streaks_in_days(days: Mapping[int, str], streak: int, longest: int) -> None:
    """Days in a row until today on which the target was met; today ends nothing until it is over."""
    found = measured(goal({"detailQuantity": quantity("8000", "{steps}", ">=")}, code=STEPS), *steps(days))
    assert (found.days, found.longest) == (streak, longest)


@pytest.mark.parametrize(("days", "streak"), [
    ({3: "80", 11: "79", 17: "78"}, 3),
    ({3: "80", 11: "79"}, 2),  # this week is not over
    ({3: "80", 17: "78"}, 1),
    ({3: "80", 10: "82", 11: "77", 17: "81"}, 2),  # on average
    ({3: "80", 10: "84", 11: "77"}, 0),
])  # fmt: skip
def test_streaks_in_weeks(days: Mapping[int, str], streak: int) -> None:
    """Weeks from Monday in a row whose days met the target on average."""
    assert measured(goal({"detailQuantity": quantity("80", comparator="<=")}), *weights(days)).weeks == streak


def test_sums_begin_at_nothing_and_count_when_they_are_decided() -> None:
    """Steps of a day add up; a day that is not over counts once the target is reached."""
    wanted = goal({"detailQuantity": quantity("8000", "{steps}", ">=")}, code=STEPS)
    morning = [*steps({19: "6000"}), observation("2026-03-20T08:00:00Z", "3000", "{steps}", STEPS)]
    found = measured(wanted, *morning)
    assert (found.last and found.last.value, found.percent, found.met) == (Decimal(6000), 75, False)
    found = measured(wanted, *morning, observation("2026-03-20T12:00:00Z", "5000", "{steps}", STEPS))
    assert (found.last and found.last.value, found.percent, found.met) == (Decimal(8000), 100, True)
    assert found.sources == ("2026-03-20T08-00-00Z", "2026-03-20T12-00-00Z")


def test_devices_that_count_the_same_are_not_added() -> None:
    """Of a watch and a telephone the larger sum of the day counts, and what comes twice counts once."""
    wanted = goal({"detailQuantity": quantity("8000", "{steps}", ">=")}, code=STEPS)
    told = (("watch", "08", "3000"), ("watch", "09", "2000"), ("phone", "08", "4000"), ("watch", "09", "2500"))
    found = measured(
        wanted,
        *(
            observation(f"2026-03-19T{hour}:00:00Z", value, "{steps}", STEPS, device={"reference": f"Device/{by}"})
            for by, hour, value in told
        ),
    )
    assert [one.value for one in found.series] == [5500]


def test_days_are_those_of_the_patient() -> None:
    """The same steps are of one day in Vienna and of another in Auckland, and a night's sleep is of its morning."""
    wanted = goal({"detailQuantity": quantity("8000", "{steps}", ">=")}, code=STEPS)
    late = observation("2026-03-18T20:00:00Z", "9000", "{steps}", STEPS)
    for zone, day in (("Europe/Vienna", 18), ("Pacific/Auckland", 19)):
        assert [one.day.day for one in measured(wanted, late, zone=ZoneInfo(zone)).series] == [day]
    night = observation("x", "8", "h", SLEEP)
    del night["effectiveDateTime"]
    night["effectivePeriod"] = {"start": "2026-03-18T23:00:00+01:00", "end": "2026-03-19T07:00:00+01:00"}
    slept = goal({"detailQuantity": quantity("7", "h", ">=")}, code=SLEEP)
    assert [one.day.day for one in measured(slept, night, zone=ZoneInfo("Europe/Vienna")).series] == [19]
    night["effectivePeriod"]["end"] = "2026-03-19T00:00:00+01:00"
    assert [one.day.day for one in measured(slept, night, zone=ZoneInfo("Europe/Vienna")).series] == [18]


@pytest.mark.parametrize(("target", "due"), [
    ({"dueDate": "2026-03-15"}, date(2026, 3, 15)),
    ({"dueDate": "2026-02"}, date(2026, 2, 28)),
    ({"dueDate": "2026"}, date(2026, 12, 31)),
    ({"dueDuration": {"value": 2, "system": UCUM, "code": "wk"}}, date(2026, 3, 15)),
    ({"dueDuration": {"value": 1, "system": UCUM, "code": "mo"}}, date(2026, 4, 1)),
    ({"dueDuration": {"value": 1, "system": UCUM, "code": "kg"}}, None),
    ({"dueDuration": {"value": 99999999, "system": UCUM, "code": "a"}}, None),
    ({"dueDuration": {"value": 2, "unit": "weeks"}}, None),
])  # fmt: skip
@pytest.mark.spec("FHIR R4 goal-definitions.html#Goal.target.due_x_")
def test_due_dates(target: Json, due: date | None) -> None:
    """A date counts to the end of what it names, a duration from the start in UCUM's units of time."""
    (found,) = plan(goal({"detailQuantity": quantity("80")} | target)).measured
    assert found.due == due


def test_after_the_due_date_nothing_counts() -> None:
    """What a target was on its due day it stays."""
    wanted = goal({"detailQuantity": quantity("80", comparator="<="), "dueDate": "2026-03-10"})
    found = measured(wanted, *weights({1: "90", 9: "80", 12: "95"}))
    assert (found.over, found.met, found.percent) == (True, True, 100)


@pytest.mark.parametrize(("days", "trend"), [
    ({1: "90"}, None),
    ({1: "90", 9: "88"}, Trend.IMPROVING),
    ({1: "90", 9: "92"}, Trend.WORSENING),
    ({1: "90", 9: "90.2"}, Trend.NO_CHANGE),
    ({1: "85", 5: "84", 12: "86"}, Trend.WORSENING),
    ({}, None),
])  # fmt: skip
def test_trends(days: Mapping[int, str], trend: Trend | None) -> None:
    """A week's days are compared with those of the week before or the baseline, with some slack."""
    assert measured(goal({"detailQuantity": quantity("80", comparator="<=")}), *weights(days)).trend == trend


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (goal({"detailQuantity": quantity("80")}) | {"subject": {"reference": "Group/g"}}, "one of a patient"),
        (goal({"detailCodeableConcept": {"text": "well"}}), "not a number"),
        (goal({"detailQuantity": quantity("1e99")}), "measures nobody"),
        (goal({"measure": {"text": "well-being"}, "detailQuantity": quantity("80")}), "what is measured"),
        (goal({"detailRange": {"low": quantity("1"), "high": quantity("2", "cm")}}), "not a number"),
        (goal(*([{"detailQuantity": quantity("80")}] * 21)), "too many"),
    ],
)
def test_what_is_for_people_to_judge(found: Json, why: str) -> None:
    """Words, codes, groups, and what is too much are named with the reason, and not measured."""
    one = plan(found).targets[0]
    assert isinstance(one, Unmeasured)
    assert why in one.why


LEAST = Target(
    {"text": "Weight"},
    ((LOINC, WEIGHT),),
    Bounds(high=Decimal(80)),
    plan(goal({"detailQuantity": quantity("80")})).measured[0].scale,
)


def of(**elements: Any) -> Progress:
    """The progress of a target."""
    return Progress(LEAST, LEAST.bounds, **elements)


@pytest.mark.parametrize(("found", "code"), [
    ([of()], "in-progress"),
    ([of(trend=Trend.IMPROVING)], "improving"),
    ([of(trend=Trend.NO_CHANGE)], "no-change"),
    ([of(trend=Trend.IMPROVING), of(trend=Trend.WORSENING)], "worsening"),
    ([of(met=True, trend=Trend.WORSENING), of(trend=Trend.IMPROVING)], "improving"),
    ([of(met=True)], "achieved"),
    ([of(met=True, days=7)], "sustaining"),
    ([of(met=True, weeks=2)], "sustaining"),
    ([of(met=True, weeks=2), of(met=True, days=6)], "achieved"),
    ([of(met=True, days=30, over=True)], "achieved"),
    ([of(over=True, percent=40)], "not-achieved"),
    ([of(over=True)], "no-progress"),
])  # fmt: skip
@pytest.mark.spec("FHIR R4 valueset-goal-achievement.html")
def test_the_achievement_follows_from_the_progress(found: list[Progress], code: str) -> None:
    """Each row of the table of achievementStatus."""
    assert achievement(found).code == code


def test_the_reason_tells_value_day_and_target() -> None:
    """Who reads why a status moved learns what was measured when, and what is wanted."""
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    days = [(begun + timedelta(days=n)).day for n in (0, 8)]
    found = measured(
        goal({"detailQuantity": quantity("80", comparator="<="), "dueDate": "2026-06"}),
        *weights({days[0]: "90", days[1]: "85.50"}),
    )
    assert achievement([found]).reason == (
        "What is measured: 85.50 kg on 2026-03-09; wanted is at most 80 kg until 2026-06-30: 45 % of the way."
    )
