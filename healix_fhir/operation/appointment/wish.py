"""What a call wants to hold or book: an Appointment that is stored, or slots, and for whom.

Spec: Argonaut Scheduling Implementation Guide 1.0, Appointment/$hold, $book
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.appointment import moment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.find import reference
from healix_fhir.operation.given import Given
from healix_fhir.search.params.reference import target
from healix_fhir.store.booking import CLOSED, MOST, conflict
from healix_fhir.store.read import Ask, read, read_each
from healix_fhir.store.stored import Stored
from healix_fhir.store.taken import free, local, places, ranges, slots_of
from smart_auth.access import AccessContext

Json = Mapping[str, Any]
APPOINTMENT = "Appointment"


class Wish(msgspec.Struct, frozen=True):
    """`id` is an Appointment's, or that of the Slot of a proposed one; `slots` are ids; `base` what is said beside."""

    id: str | None = None
    slots: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    comment: str | None = None
    base: dict[str, Any] = {}


def wish(given: Given, access: AccessContext, bases: tuple[str, ...]) -> Wish:
    """What a call of $hold or $book asks for. Raises Invalid where that is nothing, or more than one thing."""
    named, resource = given.text("appt-id"), given.json("appt-resource")
    slots = slot_ids(given)
    if (named is not None) + (resource is not None) + bool(slots) != 1:
        raise invalid("one of appt-id, appt-resource and slot is needed", code="required", expression=("appt-id",))
    base = dict(resource or {})
    patients = [reference(one, "Patient", "patient-id") for one in given.all("patient-id")]
    if resource is not None:
        slots = tuple(slots_of(resource))
        if not slots:
            raise invalid("appt-resource names its slots", code="required", expression=("appt-resource",))
        patients = patients or patients_of(resource, bases)
    if not patients and access.patient is not None:
        patients = [f"Patient/{access.patient}"]
    id_ = reference(named, APPOINTMENT, "appt-id").rpartition("/")[2] if named is not None else None
    return Wish(id_, slots, tuple(dict.fromkeys(patients)), given.text("comment"), base)


def slot_ids(given: Given) -> tuple[str, ...]:
    """The slots that a call names."""
    slots = tuple(dict.fromkeys(reference(one, "Slot", "slot").rpartition("/")[2] for one in given.all("slot")))
    if len(slots) > MOST:
        raise invalid(f"an Appointment takes at most {MOST} slots", code="too-costly", expression=("slot",))
    return slots


def patients_of(appointment: Json, bases: tuple[str, ...]) -> list[str]:
    """The patients of an Appointment, as `Patient/ID`; not those of servers other than that of `bases`."""
    named = (one.get("actor", {}).get("reference") for one in appointment.get("participant", ()))
    found = [target(one, bases) for one in named if one is not None]
    return [f"Patient/{one[1]}" for one in found if one is not None and one[0] == TYPE_ID["Patient"]]


def stored(access: AccessContext, id_: str) -> Work[Stored]:
    """An Appointment that the caller sees. Raises NotFound, Gone, Forbidden."""
    return (yield from read(access, APPOINTMENT, id_))


def calendar(
    access: AccessContext, ids: Sequence[str], but: str = ""
) -> Work[tuple[list[dict[str, Any]], dict[str, Json]]]:
    """Slots that can be had, in order of time, and their Schedules by id; not counting what the Appointment `but` has.

    Raises NotFound, Unprocessable for what is past, Conflict for what is taken.
    """
    slots = [dict(one) for one in (yield from _each(access, "Slot", ids))]
    slots.sort(key=lambda one: (moment(one["start"]), one["id"]))
    named = dict.fromkeys(found[1] for one in slots if (found := local(one.get("schedule"))))
    schedules = {one["id"]: one for one in (yield from _each(access, "Schedule", tuple(named)))}
    now = clock.now()
    for one in slots:
        if moment(one["start"]) <= now:
            raise _refused(f"Slot/{one['id']} starts in the past")
        if schedules.get((local(one.get("schedule")) or ("", ""))[1], {}).get("active") is False:
            raise HealixError(Category.CONFLICT, f"Slot/{one['id']} is of a Schedule that is not active")
    for one, after in itertools.pairwise(slots):
        if moment(after["start"]) > moment(one["end"]):
            raise _refused(f"between Slot/{one['id']} and Slot/{after['id']} there is time that neither has")
    yield from _open(slots, but)
    return slots, schedules


def _open(slots: Sequence[Json], but: str) -> Work[None]:
    """Refuse (Conflict) slots that are taken, closed, or busy by a word of somebody else's than this server's."""
    ids = [one["id"] for one in slots]
    there = yield from places(ids, {("Slot", one["id"]): one for one in slots})
    found = yield from free([(id_, ranges([id_], there)) for id_ in ids], but)
    marked = yield Statement("SELECT DISTINCT slot FROM slot_mark WHERE slot = ANY(%s::text[])", (ids,))
    ours = {slot for (slot,) in marked}
    lost = [
        one["id"]
        for one in slots
        if one["id"] in found or one["status"] in CLOSED or (one["status"] != "free" and one["id"] not in ours)
    ]
    if lost:
        raise conflict(lost)


def _each(access: AccessContext, type_name: str, ids: Sequence[str]) -> Work[list[Json]]:
    found = yield from read_each([Ask(access, type_name, id_) for id_ in ids])
    for one in found:
        if isinstance(one, HealixError):
            raise one
    return [decode_stored(one.body) for one in found if isinstance(one, Stored)]


def _refused(message: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, message, expression=("slot",))
