"""Calendars of a clinic, two of each practitioner, and what is done with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from healix_fhir.care.calendar import filling, marking
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.consume import Consumer, drain
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation import registry
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, put, rows

Json = dict[str, Any]
DAY = (datetime.now(UTC) + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
ROOM = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "ro"}]}


def at(minutes: int) -> str:
    """A moment of the day of these tests."""
    return instant(DAY + timedelta(minutes=minutes))


def ref(text: str) -> dict[str, str]:
    """A reference."""
    return {"reference": text}


def slot(id_: str, schedule: str, start: int, end: int, **more: Any) -> Json:
    """A free Slot."""
    made = {"resourceType": "Slot", "id": id_, "schedule": ref(f"Schedule/{schedule}"), "status": "free"}
    return made | {"start": at(start), "end": at(end)} | more


def appointment(*slots: str, patient: str = "p", status: str = "booked", **more: Any) -> Json:
    """An Appointment with slots."""
    return {
        "resourceType": "Appointment",
        "status": status,
        "slot": [ref(f"Slot/{one}") for one in slots],
        "participant": [{"actor": ref(f"Patient/{patient}"), "status": "accepted"}],
        **more,
    }


def seed(pool: Pool) -> None:
    """Two calendars of the practitioner d, one in a room, and two of e, one in that room; the others are in a house."""
    there: list[Json] = [
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Patient", "id": "q"},
        {"resourceType": "Location", "id": "room", "physicalType": ROOM},
        {"resourceType": "Location", "id": "house"},
        {"resourceType": "PractitionerRole", "id": "role", "practitioner": ref("Practitioner/d")},
        {"resourceType": "Schedule", "id": "d1", "actor": [ref("Practitioner/d"), ref("Location/house")]},
        {"resourceType": "Schedule", "id": "d2", "actor": [ref("PractitionerRole/role"), ref("Location/room")]},
        {"resourceType": "Schedule", "id": "e", "actor": [ref("Practitioner/e"), ref("Location/house")]},
        {"resourceType": "Schedule", "id": "e2", "actor": [ref("Practitioner/e"), ref("Location/room")]},
        slot("s1", "d1", 0, 30),
        slot("s2", "d1", 30, 60),
        slot("long", "d2", 15, 75),
        slot("other", "e", 0, 30),
        slot("shared", "e2", 60, 90),
        slot("past", "d1", -10_000, -9_970),
        slot("closed", "d1", 90, 120, status="busy-unavailable"),
        slot("byhand", "d1", 120, 150, status="busy"),
    ]  # fmt: skip
    for one in there:
        put(pool, one, one["id"])


async def call(
    interactions: Interactions, name: str, access: AccessContext = SYSTEM, id_: str | None = None, /, **parts: Json
) -> Json:
    """The answer of an operation on Appointments."""
    listed = [{"name": key.replace("_", "-").removesuffix("-1"), **value} for key, value in parts.items()]
    body = encode({"resourceType": "Parameters", "parameter": listed}) if listed else b""
    asked = Invocation(body=body, type="Appointment", id=id_)
    operation = registry.find(name, asked)
    answer = await registry.run(operation, interactions, access, asked)
    assert isinstance(answer, bytes)
    return decode(answer)


def uri(text: str) -> Json:
    """A parameter that is a reference."""
    return {"valueUri": text}


async def refused(work: Any) -> Category:
    """Why something is refused."""
    with pytest.raises(HealixError) as caught:
        await work
    return caught.value.category


def mark(pool: Pool, *further: Consumer) -> None:
    """What the worker does with events."""
    with pool.connection() as connection:
        while drain(connection, {"resource": [marking.consumer((BASE,)), filling.consumer, *further]}):
            pass


def statuses(pool: Pool) -> dict[str, str]:
    """The status of each Slot."""
    found = rows(pool, "SELECT id, body FROM resource WHERE type = (SELECT type FROM resource WHERE id = 's1')")
    return {id_: decode(body)["status"] for id_, body in found if body}
