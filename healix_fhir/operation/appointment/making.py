"""Holding and booking: what a wish becomes, in one transaction.

Spec: Argonaut Scheduling Implementation Guide 1.0, Appointment/$hold, $book
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.review import Review
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.appointment import HOLD, held_until, may_follow
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.operation.appointment.proposal import held, proposal, released
from healix_fhir.operation.appointment.wish import APPOINTMENT, Wish, calendar, patients_of, stored
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Committed, Method, Stored
from healix_fhir.store.taken import local, slots_of
from smart_auth.access import AccessContext

Json = Mapping[str, Any]
CALENDARS = ("Practitioner", "PractitionerRole", "Location", "HealthcareService", "Device")
"""Those whose calendars say whether they take part."""


def made(
    access: AccessContext, asked: Wish, status: str, bases: tuple[str, ...], review: Review
) -> Work[dict[str, Any]]:
    """The Appointment of `status` (pending: held for a while) that a wish becomes.

    Raises NotFound, Forbidden, Conflict for slots that are taken, Unprocessable, Busy for too many.
    """
    old = (yield from _stored(access, asked.id)) if asked.id is not None else None
    if old is None:
        slots = asked.slots or (str(asked.id),)
        found, schedules = yield from calendar(access, slots)
        resource = proposal(found, schedules, status, asked.patients, asked.base) | {"created": instant(clock.now())}
        id_, method = logical_id(), Method.POST
    else:
        resource = yield from _again(access, old, asked, status, bases)
        id_, method = old.id, Method.PUT
    if asked.comment is not None:
        resource["comment"] = asked.comment
    resource = held(resource, clock.now() + HOLD) if status == "pending" else released(resource)
    (done,) = yield from commit(access, [review(put(method, resource, id_, bases, old))])
    return body(done)


def put(method: Method, resource: dict[str, Any], id_: str, bases: tuple[str, ...], old: Stored | None) -> Change:
    """The change that stores an Appointment, over the version that was looked at."""
    found = change(method, resource, APPOINTMENT, id_, bases)
    return found if old is None else msgspec.structs.replace(found, seen=old.version)


def body(done: Committed) -> dict[str, Any]:
    """The resource as it is now stored."""
    assert done.stored is not None
    return decode(done.stored.body)


def _stored(access: AccessContext, id_: str) -> Work[Stored | None]:
    """The Appointment that an id names; None where it may be that of a proposed one."""
    try:
        return (yield from stored(access, id_))
    except HealixError as error:
        if error.category is not Category.NOT_FOUND:
            raise
        return None


def _again(
    access: AccessContext, old: Stored, asked: Wish, status: str, bases: tuple[str, ...]
) -> Work[dict[str, Any]]:
    """An Appointment that is there, with another status: for whom it is stays."""
    before = decode_stored(old.body)
    now = before["status"]
    if now in ("booked", "cancelled") or not may_follow(now, status):
        raise HealixError(Category.CONFLICT, f"{APPOINTMENT}/{old.id} is {now}: it cannot become {status}")
    until = held_until(before)
    if until is not None and until <= clock.now():
        raise HealixError(Category.CONFLICT, f"the time for which {APPOINTMENT}/{old.id} held its slots is over")
    slots = slots_of(before)
    if not slots:
        raise HealixError(Category.UNPROCESSABLE, f"{APPOINTMENT}/{old.id} names no slots", expression=("appt-id",))
    found, schedules = yield from calendar(access, slots, old.id)
    patients = tuple(patients_of(before, bases)) or asked.patients
    rest = {name: one for name, one in before.items() if name != "requestedPeriod"}
    rest["participant"] = [one for one in before["participant"] if not _is_wish(one)]
    return proposal(found, schedules, status, patients, rest)


def _is_wish(participant: Json) -> bool:
    """Whether somebody was only asked for: who has the slots that are booked takes part, and no other clinician."""
    actor = local(participant.get("actor"))
    return participant.get("status") == "needs-action" and actor is not None and actor[0] in CALENDARS
