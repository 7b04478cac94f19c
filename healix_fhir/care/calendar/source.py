"""What a calendar is made of: a PractitionerRole or HealthcareService with opening hours, and how long its slots are.

R4 has no element for the length of a slot. The extension `urn:healix:slot-minutes` says it, and by it that the server
is to keep a calendar for this at all: a directory of people and their hours alone makes none.

Spec: FHIR R4, hl7.org/fhir/R4/practitionerrole.html, healthcareservice.html, schedule.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from healix_fhir.care.calendar.hours import DAY, Span, slots
from healix_fhir.kernel.clock import instant
from healix_fhir.operation.appointment.series import ZONE, zone_of

Json: TypeAlias = Mapping[str, Any]
MINUTES = "urn:healix:slot-minutes"
SHORTEST, LONGEST = 5, 720
TYPES = ("PractitionerRole", "HealthcareService")


class Source(msgspec.Struct, frozen=True):
    """A resource with opening hours, the services that a role is for, and the names of whom it refers to."""

    resource: Json
    services: Sequence[Json] = ()
    names: Mapping[str, str] = {}

    @property
    def reference(self) -> str:
        """`Type/ID`."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @property
    def schedule(self) -> str:
        """The id of its Schedule."""
        return schedule_id(self.reference)

    @property
    def minutes(self) -> int | None:
        """How long its slots are; None where there is to be no calendar."""
        return minutes_of(self.resource)

    @property
    def kept(self) -> bool:
        """Whether there is a calendar of it now."""
        return self.minutes is not None and self.resource.get("active") is not False

    @property
    def available(self) -> Sequence[Json]:
        """When it is open: as it says, else as its services say."""
        own: Sequence[Json] = self.resource.get("availableTime", ())
        return own or [one for service in self.services for one in service.get("availableTime", ())]

    @property
    def closed(self) -> list[Json]:
        """Its holidays, and those of its services."""
        return [one for each in (self.resource, *self.services) for one in each.get("notAvailable", ())]

    def zone(self, default: ZoneInfo) -> ZoneInfo:
        """The time zone by whose clock it is open."""
        told = (zone_of(one) for one in (self.resource, *self.services))
        return next((one for one in told if one is not None), default)

    def actors(self) -> list[dict[str, Any]]:
        """Whose calendar it is: of a person and a place, or of a service."""
        person = self.resource.get("practitioner")
        own = person if person is not None else {"reference": self.reference}
        places = self.resource.get("location", ())
        return [self._named(one) for one in (own, *(places if len(places) == 1 else ()))]

    def _named(self, reference: Json) -> dict[str, Any]:
        name = self.names.get(str(reference.get("reference")))
        return {**reference, **({"display": name} if name else {})}


def schedule_id(reference: str) -> str:
    """The id of the Schedule of a source."""
    return f"hours-{blake2b(reference.encode(), digest_size=12).hexdigest()}"


def minutes_of(resource: Json) -> int | None:
    """How long the slots of a source are."""
    for extension in resource.get("extension", ()):
        if extension.get("url") == MINUTES:
            told = extension.get("valuePositiveInt")
            return int(told) if told is not None and SHORTEST <= told <= LONGEST else None
    return None


def schedule(source: Source, zone: ZoneInfo, first: date, last: date) -> dict[str, Any]:
    """Its Schedule, which reaches from the day `first` until the day `last`."""
    services = source.services or ((source.resource,) if "practitioner" not in source.resource else ())
    kinds = {
        "serviceCategory": [service["category"][0] for service in services if service.get("category")],
        "serviceType": [kind for service in services for kind in service.get("type", ())],
        "specialty": [*source.resource.get("specialty", ())],
    }
    return {
        "resourceType": "Schedule",
        "id": source.schedule,
        "extension": [{"url": ZONE, "valueCode": zone.key}],
        "active": source.kept,
        **{name: values for name, values in kinds.items() if values},
        "actor": source.actors(),
        "planningHorizon": {"start": first.isoformat(), "end": last.isoformat()},
    }


def planned(source: Source, zone: ZoneInfo, now: datetime, days: int) -> dict[str, dict[str, Any]]:
    """The Slots of its calendar that are still to come, by id."""
    minutes = source.minutes
    if minutes is None or not source.kept:
        return {}
    today = now.astimezone(zone).date()
    made = slots(source.available, source.closed, zone, timedelta(minutes=minutes), today, today + DAY * days)
    found = (slot(source.schedule, span) for span in made if span[0] > now)
    return {one["id"]: one for one in found}


def slot(schedule: str, span: Span) -> dict[str, Any]:
    """A Slot that is free. Its id tells Schedule, begin and length, so that it is made once."""
    start, end = span
    name = f"{schedule}|{instant(start)}|{instant(end)}"
    return {
        "resourceType": "Slot",
        "id": f"slot-{blake2b(name.encode(), digest_size=14).hexdigest()}",
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": "free",
        "start": instant(start),
        "end": instant(end),
    }
