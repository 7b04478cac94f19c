"""$trends: how a patient's readings changed over the last 7, 30 and 90 days, for each metric.

It reads the daily summaries that the job worker makes (`healix_fhir/care/daily.py`), which are Observations as all
others: twice ninety for a series at most, however many readings there are. `$stats` computes other figures from the
readings themselves.

Spec: FHIR R4, hl7.org/fhir/R4/observation-operation-stats.html; docs/decisions/0151
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.given import Given, Json
from healix_fhir.operation.goal.progress_call import zone_seen
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.measurement.daily import COURSES, SUMMARY, SYSTEM, Course, Day, read
from healix_fhir.operation.measurement.metrics import UCUM
from healix_fhir.operation.measurement.trend import WINDOWS, Trend, trends, value_of
from healix_fhir.search.matched import Matched, conditions, matched
from healix_fhir.search.values import escape
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext

OBSERVATION = "Observation"
BACK = timedelta(days=2 * max(WINDOWS))
EARLIEST = date.min + BACK
"""The first day before which there are days enough."""
MOST = BACK.days * len(COURSES)
"""Summaries that one call may look at: all that there can be."""
_WINDOW = (
    out("days", "integer", "How many days, the last one included"),
    out("counted", "integer", "Days of these that have readings"),
    out("average", "Quantity", "Average of the days", least=0),
    out("before", "Quantity", "Average of as many days before", least=0),
    out("change", "Quantity", "The difference of both", least=0),
    out("slope-per-day", "Quantity", "Gradient of the line that fits best", least=0),
)
_TREND = (
    out("metric", "code", "Which series"),
    out("day", "date", "The newest day that has readings"),
    out("value", "Quantity", "What that day came to: its sum of steps or sleep, else its average"),
    Parameter("window", "out", 3, "3", "The last 7, 30 and 90 days", part=_WINDOW),
)
TRENDS = own(
    "trends",
    "How the readings of a patient changed over the last 7, 30 and 90 days, from the daily summaries.",
    into("patient", "string", "Whose: `Patient/id` or the id", least=1, search="reference"),
    into("metric", "code", f"Which series; all without: {', '.join(COURSES)}", most="*"),
    into("end", "date", "The last day; without it today, by the clock of the patient"),
    Parameter("trend", "out", 0, MANY, "A series that has summaries", part=_TREND),
    levels=("type",),
    resource=(OBSERVATION,),
)


async def run_trends(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with a part for each series that there is. Raises Forbidden, Invalid."""
    given = invocation.given
    names = _names(given)
    end, patient = asked_day(given.text("end")), str(given.one("patient"))
    last, found = await interactions.looked_up(
        lambda: _summaries(access, patient, names, end, interactions), aside=True
    )
    return await asyncio.to_thread(_answer, found, names, last)


def asked_day(text: str | None) -> date | None:
    """The last day that a call asks for; None without. Raises Invalid."""
    if text is None:
        return None
    try:
        last = date.fromisoformat(text)
    except ValueError:
        last = date.min
    if last < EARLIEST:
        raise invalid("end: a day, as 2026-01-31", code="value", expression=("end",))
    return last


def _names(given: Given) -> list[str]:
    names = given.texts("metric")
    unknown = next((name for name in names if name not in COURSES), None)
    if unknown is not None:
        known = ", ".join(COURSES)
        raise invalid(f"metric: there is no '{unknown[:64]}'; there are {known}", code="value", expression=("metric",))
    return names or [*COURSES]


def _summaries(
    access: AccessContext, patient: str, names: Sequence[str], end: date | None, interactions: Interactions
) -> Work[tuple[date, list[Matched]]]:
    """The last day, which is today by the patient's clock where none is asked for, and the summaries up to it."""
    base = interactions.bases[0]
    last = end
    if last is None:
        zone = yield from zone_seen(access, patient.rpartition("/")[2], interactions.zone, base)
        last = clock.now().astimezone(zone).date()
    # one token, which the index has by patient and date: of several series all are looked at
    token = ("code", f"{SYSTEM}|{names[0]}") if len(names) == 1 else ("category", f"{SYSTEM}|{SUMMARY}")
    first = last - BACK
    asked = [("patient", escape(patient)), token, ("date", f"ge{first}"), ("date", f"le{last}")]
    found = yield from matched(access, conditions(OBSERVATION, asked, "$trends", base), MOST, base, cut=True)
    row = AuditRow(access.origin, "E", "$trends", patient=access.patient, entity=OBSERVATION, query=urlencode([token]))
    yield audit_shown(row, [(OBSERVATION, one.id) for one in found])
    return last, found


def _answer(found: Sequence[Matched], names: Sequence[str], last: date) -> bytes:
    series: dict[str, list[Day]] = defaultdict(list)
    for one in found:  # the newest first
        day = read(one.body)
        if day is not None:
            series[day.course.name].append(day)
    made = [_part(COURSES[name], series[name], last) for name in COURSES if name in series and name in names]
    return encode({"resourceType": "Parameters"} | ({"parameter": made} if made else {}))


def _part(course: Course, series: Sequence[Day], last: date) -> Json:
    newest = series[0]
    parts: list[Json] = [
        {"name": "metric", "valueCode": course.name},
        {"name": "day", "valueDate": newest.day.isoformat()},
        {"name": "value", "valueQuantity": _quantity(course, value_of(newest))},
        *({"name": "window", "part": _window(course, trend)} for trend in trends(series, last)),
    ]
    return {"name": "trend", "part": parts}


def _window(course: Course, trend: Trend) -> list[Json]:
    counts = [{"name": "days", "valueInteger": trend.days}, {"name": "counted", "valueInteger": trend.counted}]
    values = {"average": trend.average, "before": trend.before, "change": trend.change}
    quantities = [
        {"name": name, "valueQuantity": _quantity(course, value)} for name, value in values.items() if value is not None
    ]
    slope = (
        [{"name": "slope-per-day", "valueQuantity": _quantity(course, trend.slope)}] if trend.slope is not None else []
    )
    return [*counts, *quantities, *slope]


def _quantity(course: Course, value: Decimal) -> Json:
    return {"value": value, "unit": course.unit.shown, "system": UCUM, "code": course.unit.code}
