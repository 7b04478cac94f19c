"""$reschedule: an Appointment moves to other slots; $check-in: the patient is there, and the visit begins.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html, encounter.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.answer import bundle
from healix_fhir.operation.appointment.book import written
from healix_fhir.operation.appointment.making import body, put
from healix_fhir.operation.appointment.proposal import proposal
from healix_fhir.operation.appointment.wish import APPOINTMENT, calendar, patients_of, slot_ids, stored
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from healix_fhir.store.taken import local
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = Mapping[str, Any]
ENCOUNTER = "Encounter"
AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"}
MOVABLE = frozenset({"pending", "booked"})
EXPECTED = frozenset({"booked", "checked-in", "noshow"})
"""Statuses in which a patient may come."""
TAKES_PART = ("Practitioner", "PractitionerRole")


async def reschedule(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Move: the Appointment. Raises NotFound, Forbidden, Conflict for slots that are taken, Unprocessable."""
    access.require(APPOINTMENT, Permission.UPDATE)
    given, id_ = invocation.given, str(invocation.id)
    slots, comment = slot_ids(given), given.text("comment")
    if not slots:
        raise invalid("slot is needed", code="required", expression=("slot",))
    done = await written(
        interactions, access, lambda review: moved(access, id_, slots, comment, interactions.bases, review)
    )
    return bundle([done], interactions.bases[0])


def moved(
    access: AccessContext, id_: str, slots: tuple[str, ...], comment: str | None, bases: tuple[str, ...], review: Review
) -> Work[dict[str, Any]]:
    """An Appointment with other slots, and for the same patients."""
    old = yield from stored(access, id_)
    before = decode_stored(old.body)
    status = before["status"]
    if status not in MOVABLE:
        raise HealixError(Category.CONFLICT, f"{APPOINTMENT}/{id_} is {status}: it is not moved any more")
    found, schedules = yield from calendar(access, slots, id_)
    kept = before | {"participant": [one for one in before["participant"] if _stays(one)]}
    resource = proposal(found, schedules, status, patients_of(before, bases), kept)
    if comment is not None:
        resource["comment"] = comment
    (done,) = yield from commit(access, [review(put(Method.PUT, resource, id_, bases, old))])
    return body(done)


def _stays(participant: Json) -> bool:
    """Whether somebody takes part whenever it is: not because of the calendar that the first slots were of."""
    actor = local(participant.get("actor"))
    return actor is None or actor[0] in ("Patient", "RelatedPerson")


async def check_in(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Appointment that is arrived, and its Encounter. Raises NotFound, Forbidden, Conflict."""
    access.require(APPOINTMENT, Permission.UPDATE)
    for permission in (Permission.CREATE, Permission.READ):
        access.require(ENCOUNTER, permission)
    id_ = str(invocation.id)
    done = await written(interactions, access, lambda review: arrived(access, id_, interactions.bases, review))
    return bundle(done, interactions.bases[0])


def arrived(access: AccessContext, id_: str, bases: tuple[str, ...], review: Review) -> Work[list[dict[str, Any]]]:
    """An Appointment whose patient has come, with the Encounter that begins; called again, both as they are."""
    old = yield from stored(access, id_)
    resource = dict(decode_stored(old.body))
    visits = yield from _begun(access, id_)
    status = resource["status"]
    if status == "arrived":
        return [resource, *visits]
    if status not in EXPECTED:
        raise HealixError(Category.CONFLICT, f"{APPOINTMENT}/{id_} is {status}: nobody can come for it")
    patients = patients_of(resource, bases)
    if len(patients) != 1:
        message = f"{APPOINTMENT}/{id_} is of {len(patients)} patients: an Encounter is of one"
        raise HealixError(Category.UNPROCESSABLE, message)
    changes = [put(Method.PUT, resource | {"status": "arrived"}, id_, bases, old)]
    if not visits:
        changes.append(change(Method.POST, visit(resource, patients[0]), ENCOUNTER, logical_id(), bases))
    done = yield from commit(access, [review(one) for one in changes])
    return [body(one) for one in done] + visits


def _begun(access: AccessContext, appointment: str) -> Work[list[dict[str, Any]]]:
    """The Encounter that refers to an Appointment already, where there is one."""
    seen = access.predicate(ENCOUNTER, Permission.READ, "r")
    rows = yield Statement(
        f"""SELECT r.body FROM index_reference i JOIN resource r ON r.pk = i.pk
            WHERE i.param = %s AND i.target = %s AND i.target_type = %s AND r.type = %s AND NOT r.deleted
              AND {seen.sql} ORDER BY r.id LIMIT 1""",
        (
            search_parameters(ENCOUNTER)["appointment"].id,
            appointment,
            TYPE_ID[APPOINTMENT],
            TYPE_ID[ENCOUNTER],
            *seen.params,
        ),
    )
    return [dict(decode_stored(body)) for (body,) in rows]


def visit(appointment: Json, patient: str) -> dict[str, Any]:
    """The Encounter that begins with an Appointment."""
    actors = [one["actor"] for one in appointment.get("participant", ()) if "actor" in one]
    kinds = [(local(actor) or ("", ""))[0] for actor in actors]
    people = [{"individual": actor} for kind, actor in zip(kinds, actors, strict=True) if kind in TAKES_PART]
    rooms = [{"location": actor} for kind, actor in zip(kinds, actors, strict=True) if kind == "Location"]
    made: dict[str, Any] = {
        "resourceType": ENCOUNTER,
        "status": "arrived",
        "class": AMBULATORY,
        "subject": {"reference": patient},
        "appointment": [{"reference": f"{APPOINTMENT}/{appointment['id']}"}],
        "period": {"start": instant(clock.now())},
    }
    service = appointment.get("serviceType")
    further = {"serviceType": service[0] if service else None, "participant": people, "location": rooms}
    return made | {name: value for name, value in further.items() if value}
