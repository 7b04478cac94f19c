"""$find: times that are free, as proposed Appointments.

They are found by a search for Slots, in the name of the caller and within its limits, and less those that Appointments
have taken: whose these are nobody is told. A proposed Appointment has the id of its Slot, and is stored nowhere.

Spec: Argonaut Scheduling Implementation Guide 1.0, Appointment/$find
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import decode
from healix_fhir.operation.appointment.answer import bundle
from healix_fhir.operation.appointment.proposal import proposal
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.dates import interval
from healix_fhir.store.taken import free, local, places, ranges
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = Mapping[str, Any]
LONGEST = timedelta(days=92)
"""The time that one call looks at."""
COUNT, MOST = 50, 200
LOOKED_AT = 1000
"""Slots that one call looks at."""


async def find(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Bundle. Raises Forbidden, Invalid."""
    given = invocation.given
    start, end = _span(given)
    count = given.number("_count")
    if count is not None and not 0 < count <= MOST:
        raise invalid(f"_count is from 1 to {MOST}", code="value", expression=("_count",))
    patient = given.text("patient-reference")
    patients = [] if patient is None else [reference(patient, "Patient", "patient-reference")]
    slots, schedules = await free_slots(interactions, access, start, end, _filters(given), count or COUNT)
    proposed = [proposal([one], schedules, "proposed", patients) | {"id": one["id"]} for one in slots]
    return bundle(proposed, interactions.bases[0], stored=False)


async def free_slots(
    interactions: Interactions,
    access: AccessContext,
    start: datetime,
    end: datetime,
    filters: Sequence[tuple[str, str]],
    count: int,
) -> tuple[list[Json], dict[str, Json]]:
    """The first `count` Slots between two moments that can be booked, and their Schedules by id."""
    for type_name in ("Slot", "Schedule"):
        access.require(type_name, Permission.SEARCH)
    start = max(start, clock.now())
    params = [("start", f"ge{instant(start)}"), ("start", f"lt{instant(end)}"), ("status", "free"), *filters,
              ("_sort", "start"), ("_count", str(LOOKED_AT)), ("_include", "Slot:schedule")]  # fmt: skip
    page = await interactions.search(access, "Slot", params)
    found: list[Json] = [decode(entry.body) for entry in page.entries if entry.body is not None]
    schedules = {one["id"]: one for one in found if one["resourceType"] == "Schedule"}
    slots = [one for one in found if one["resourceType"] == "Slot" and _is_open(one, schedules)]
    known = {("Slot", one["id"]): one for one in slots} | {("Schedule", id_): one for id_, one in schedules.items()}
    taken = await atransaction(interactions.pool, lambda: _taken([one["id"] for one in slots], known))
    return [one for one in slots if one["id"] not in taken][:count], schedules


def _is_open(slot: Json, schedules: Mapping[str, Json]) -> bool:
    schedule = schedules.get((local(slot.get("schedule")) or ("", ""))[1])
    return schedule is not None and schedule.get("active") is not False


def _taken(ids: Sequence[str], known: Mapping[tuple[str, str], Json]) -> Work[dict[str, str]]:
    there = yield from places(ids, known)
    return (yield from free([(id_, ranges([id_], there)) for id_ in ids]))


def _span(given: Given) -> tuple[datetime, datetime]:
    first, last = interval(str(given.text("start"))), interval(str(given.text("end")))
    start, end = first and first[0], last and last[1]
    if start is None or end is None:
        raise invalid("start and end are dates between the years 1 and 9999", code="value", expression=("start",))
    if end <= start:
        raise invalid("end is before start", code="value", expression=("end",))
    if end - start > LONGEST:
        raise invalid(f"start and end are at most {LONGEST.days} days apart", code="value", expression=("end",))
    return start, end


def _filters(given: Given) -> list[tuple[str, str]]:
    filters = [("specialty", ",".join(given.all("specialty"))), ("service-type", ",".join(given.all("visit-type")))]
    for name, kind in (("practitioner", "Practitioner"), ("location-reference", "Location")):
        named = [reference(one, kind, name) for one in given.all(name)]
        filters.append(("schedule.actor", ",".join(named)))
    return [(name, value) for name, value in filters if value]


def reference(text: str, kind: str, name: str) -> str:
    """`Type/ID` of what a parameter names. Raises Invalid for what names none of that type."""
    found = local({"reference": text if "/" in text else f"{kind}/{text}"})
    if found is None or found[0] != kind:
        raise invalid(f"{name} is the reference of a {kind}, as {kind}/123", code="value", expression=(name,))
    return f"{kind}/{found[1]}"
