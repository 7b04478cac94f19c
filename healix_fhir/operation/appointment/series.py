"""Series: Appointments at the same time of the day, as the clinic's clock has it, which share an identifier.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html (recurring appointments are several Appointments)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.appointment import moment
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.wish import Wish
from healix_fhir.search import tokens
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Stored
from healix_fhir.store.taken import local, slots_of
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = Mapping[str, Any]
SYSTEM = "urn:healix:appointment:series"
ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
"""The extension by which a calendar tells its time zone."""


def named(asked: Wish) -> Wish:
    """A wish for the Appointments of a new series."""
    identifiers = [*asked.base.get("identifier", ()), {"system": SYSTEM, "value": logical_id()}]
    return msgspec.structs.replace(asked, base=asked.base | {"identifier": identifiers})


def series_of(appointment: Json) -> str | None:
    """The series that an Appointment is of."""
    return next((one["value"] for one in appointment.get("identifier", ()) if one.get("system") == SYSTEM), None)


def zone_of(calendar: Json) -> ZoneInfo | None:
    """The time zone that a Schedule, PractitionerRole or HealthcareService says it lives by."""
    for extension in calendar.get("extension", ()):
        if extension.get("url") == ZONE and "valueCode" in extension:
            try:
                return ZoneInfo(extension["valueCode"])
            except (ValueError, OSError, KeyError):  # there is no such zone
                return None
    return None


def shifted(start: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """The same time of the day by the clock of `zone`, some days later."""
    return (start.astimezone(zone).replace(tzinfo=None) + step).replace(tzinfo=zone).astimezone(UTC)


def following(access: AccessContext, first: Json, step: timedelta) -> Work[tuple[str, ...]]:
    """The slots of the same Schedules that are `step` later. Raises Conflict where one is not there."""
    stored = yield from read_each([Ask(access, "Slot", id_) for id_ in slots_of(first)])
    slots = [decode_stored(one.body) for one in stored if isinstance(one, Stored)]
    schedules = [found[1] for one in slots if (found := local(one.get("schedule")))]
    calendars = yield from read_each([Ask(access, "Schedule", id_) for id_ in schedules])
    later_ones = []
    for slot, schedule, calendar in zip(slots, schedules, calendars, strict=False):
        told = decode_stored(calendar.body) if isinstance(calendar, Stored) else {}
        wanted = shifted(moment(slot["start"]), step, zone_of(told) or ZoneInfo("UTC"))
        later_ones.append((yield from _slot(access, schedule, wanted)))
    return tuple(later_ones)


def _slot(access: AccessContext, schedule: str, start: datetime) -> Work[str]:
    seen = access.predicate("Slot", Permission.SEARCH, "r")
    rows = yield Statement(
        f"""SELECT r.id FROM index_reference i JOIN resource r ON r.pk = i.pk
            WHERE i.param = %s AND i.target = %s AND i.target_type = %s AND i.d = %s
              AND r.type = %s AND NOT r.deleted AND {seen.sql} ORDER BY r.id LIMIT 1""",
        (search_parameters("Slot")["schedule"].id, schedule, TYPE_ID["Schedule"], start, TYPE_ID["Slot"], *seen.params),
    )
    if not rows:
        message = f"there is no slot at {instant(start)} for the series"
        raise HealixError(Category.CONFLICT, message, expression=("repeat-count",))
    return str(rows[0][0])


def later(series: str, start: str) -> Work[Sequence[str]]:
    """The ids of the Appointments of a series that start after a moment; who may see which is asked when it is read."""
    parameter = search_parameters("Appointment")["identifier"].id
    rows = yield Statement(
        """SELECT r.id FROM index_token t JOIN resource r ON r.pk = t.pk
           WHERE t.h = %s AND r.type = %s AND NOT r.deleted AND r.d > %s ORDER BY r.id LIMIT 100""",
        (tokens.any_system(parameter, series), TYPE_ID["Appointment"], moment(start)),
        prepare=False,
    )
    return [id_ for (id_,) in rows]
