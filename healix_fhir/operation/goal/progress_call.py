"""$progress on a Goal: how far each of its targets is reached, how long it has been met, and the values to plot.

`GET [base]/Goal/[id]/$progress`. R4 has no such operation. What counts is what the caller may see, so that others may
be told less; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.model.json import decode, encode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.declaring import out, own
from healix_fhir.operation.goal.achievement import SYSTEM, achievement
from healix_fhir.operation.goal.observed import OBSERVATION, measured, observed
from healix_fhir.operation.goal.progress import Progress
from healix_fhir.operation.goal.target import Plan, Unmeasured, plan
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.matched import conditions, matched
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
GOAL, PATIENT = "Goal", "Patient"
POINTS = 1000
"""Days of a series that an answer has, the newest."""
_POINT = (out("date", "date", "The day"), out("value", "decimal", "Its value, in the unit of the target"))
_TARGET = (
    out("measure", "CodeableConcept", "What is measured", least=0),
    out("unmeasured", "string", "Why it cannot be measured; nothing else is told then", least=0),
    out("baseline", "Quantity", "Where it began", least=0),
    out("baselineDate", "date", "When that was measured", least=0),
    out("last", "Quantity", "The value that counts at present", least=0),
    out("lastDate", "date", "When that was measured", least=0),
    out("low", "Quantity", "The least that is wanted", least=0),
    out("high", "Quantity", "The most that is wanted", least=0),
    out("due", "date", "The last day that counts", least=0),
    out("percent", "integer", "How much of the way from the baseline is done; 100 when the target is met", least=0),
    out("met", "boolean", "Whether the value that counts meets the target", least=0),
    out("streakDays", "integer", "Days in a row on which the target was met, until today", least=0),
    out("streakWeeks", "integer", "Weeks in a row whose days met the target on average", least=0),
    out("longestStreakDays", "integer", "The most days in a row since the start", least=0),
    out("trend", "code", "improving, worsening or no-change", least=0),
    Parameter("point", "out", 0, MANY, f"The value of a day; the newest {POINTS}", part=_POINT),
)
PROGRESS = own(
    "progress",
    "Tells how far a Goal is reached by the Observations of what its targets measure.",
    out("achievement", "Coding", "What the achievementStatus is by the measurements", least=0),
    out("reason", "string", "The same in words", least=0),
    out("timezone", "code", "In which time zone the days are the patient's"),
    Parameter("target", "out", 0, MANY, "Each target of the Goal, in its order", part=_TARGET),
    levels=("instance",),
    resource=(GOAL,),
)


async def progress_of(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters. Raises NotFound or Gone for a Goal that the caller does not see, or Forbidden."""
    id_ = str(invocation.id)
    access.require(OBSERVATION, Permission.SEARCH)
    goal = decode((await interactions.read(access, GOAL, id_)).body)
    found = plan(goal)
    zone, done = await interactions.looked_up(lambda: _looked(interactions, access, id_, found), aside=True)
    return encode(_answer(found, zone, done))


def _looked(
    interactions: Interactions, access: AccessContext, id_: str, found: Plan
) -> Work[tuple[tzinfo, list[Progress]]]:
    base = interactions.bases[0]
    zone = yield from zone_seen(access, found.patient, interactions.zone, base)
    return zone, (yield from seen(access, id_, found, zone, base))


def seen(access: AccessContext, id_: str, found: Plan, zone: tzinfo, base: str) -> Work[list[Progress]]:
    """The progress of each measured target of a Goal, by what the caller sees; it is in the audit trail."""
    matches = yield from observed(access, found, zone, base)
    row = AuditRow(access.origin, "E", "$progress", patient=found.patient, entity=f"{GOAL}/{id_}")
    yield audit_shown(row, [(OBSERVATION, one.id) for one in matches])
    return measured(found, matches, zone, clock.now().astimezone(zone).date())


def zone_seen(access: AccessContext, patient: str | None, clinic: tzinfo | None, base: str) -> Work[tzinfo]:
    """The zone of a patient, as far as the caller sees the Patient."""
    if patient is None or not access.allows(PATIENT, Permission.SEARCH):
        return zone_of(None, clinic)
    found = yield from matched(access, conditions(PATIENT, [("_id", patient)], "$progress", base), 1, base)
    return zone_of(decode(found[0].body) if found else None, clinic)


def _answer(found: Plan, zone: tzinfo, done: list[Progress]) -> Json:
    remaining = iter(done)
    targets = [
        _unmeasured(one) if isinstance(one, Unmeasured) else _part("target", list(_told(next(remaining))))
        for one in found.targets
    ]
    parts: list[Json] = []
    if done and len(done) == len(found.targets):
        now = achievement(done)
        parts += [
            _value("achievement", "Coding", {"system": SYSTEM, "code": now.code, "display": now.display}),
            _value("reason", "String", now.reason),
        ]
    return {"resourceType": "Parameters", "parameter": [*parts, _value("timezone", "Code", str(zone)), *targets]}


def _unmeasured(target: Unmeasured) -> Json:
    measure = [_value("measure", "CodeableConcept", target.measure)] if target.measure else []
    return _part("target", [*measure, _value("unmeasured", "String", target.why)])


def _told(one: Progress) -> Iterator[Json]:
    yield _value("measure", "CodeableConcept", one.target.measure)
    if one.baseline is not None:
        yield _quantity("baseline", one, one.baseline)
    if one.baseline_day is not None:
        yield _value("baselineDate", "Date", one.baseline_day.isoformat())
    if one.last is not None:
        yield _quantity("last", one, one.last.value)
        yield _value("lastDate", "Date", one.last.day.isoformat())
    for name, limit in (("low", one.bounds.low), ("high", one.bounds.high)):
        if limit is not None:
            yield _quantity(name, one, limit)
    if one.target.due is not None:
        yield _value("due", "Date", one.target.due.isoformat())
    yield _value("percent", "Integer", one.percent)
    yield _value("met", "Boolean", one.met)
    yield _value("streakDays", "Integer", one.days)
    yield _value("streakWeeks", "Integer", one.weeks)
    yield _value("longestStreakDays", "Integer", one.longest)
    if one.trend is not None:
        yield _value("trend", "Code", one.trend.value)
    for point in one.series[-POINTS:]:
        day = _value("date", "Date", point.day.isoformat())
        yield _part("point", [day, _value("value", "Decimal", point.value)])


def _quantity(name: str, one: Progress, value: Decimal) -> Json:
    scale = one.target.scale
    quantity: Json = {"value": value}
    if scale.shown:
        quantity["unit"] = scale.shown
    if scale.system:
        quantity |= {"system": scale.system, "code": scale.code}
    return _value(name, "Quantity", quantity)


def _value(name: str, kind: str, value: Any) -> Json:
    return {"name": name, f"value{kind}": value}


def _part(name: str, parts: list[Json]) -> Json:
    return {"name": name, "part": parts}
