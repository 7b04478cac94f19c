"""$cancel: an Appointment does not take place, and says why; its slots are free at once.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html#invs (app-4)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.appointment import may_follow
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.answer import bundle
from healix_fhir.operation.appointment.making import body, put
from healix_fhir.operation.appointment.proposal import released
from healix_fhir.operation.appointment.series import later, series_of
from healix_fhir.operation.appointment.wish import APPOINTMENT, stored
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.commit import commit
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Method, Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = Mapping[str, Any]
REASONS = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
BY_PATIENT = {"coding": [{"system": REASONS, "code": "pat", "display": "Patient"}]}
BY_CLINIC = {"coding": [{"system": REASONS, "code": "prov", "display": "Provider"}]}


async def cancel(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Cancel: the Appointments. Raises NotFound, Forbidden, Conflict for what is over."""
    access.require(APPOINTMENT, Permission.UPDATE)
    given, bases, id_ = invocation.given, interactions.bases, str(invocation.id)
    reason, comment, whole = given.json("reason"), given.text("comment"), given.flag("series")

    def work(review: Review) -> Work[list[dict[str, Any]]]:
        first = yield from stored(access, id_)
        asked = [first, *((yield from rest(access, first)) if whole else ())]
        return (yield from cancelled(access, asked, reason, comment, bases, review))

    done = await interactions.writing.reviewed(
        access, lambda review: atransaction(interactions.pool, lambda: work(review), aside=True)
    )
    return bundle(done, bases[0])


def rest(access: AccessContext, first: Stored) -> Work[list[Stored]]:
    """What else of a series the caller sees that is still to come. Raises Unprocessable where there is no series."""
    resource = decode_stored(first.body)
    series = series_of(resource)
    if series is None or "start" not in resource:
        message = f"{APPOINTMENT}/{first.id} is of no series"
        raise HealixError(Category.UNPROCESSABLE, message, expression=("series",))
    ids = [id_ for id_ in (yield from later(series, resource["start"])) if id_ != first.id]
    found = (yield from read_each([Ask(access, APPOINTMENT, id_) for id_ in ids])) if ids else []
    return [one for one in found if isinstance(one, Stored) and decode_stored(one.body)["status"] != "cancelled"]


def cancelled(
    access: AccessContext,
    asked: Sequence[Stored],
    reason: Json | None,
    comment: str | None,
    bases: tuple[str, ...],
    review: Review,
) -> Work[list[dict[str, Any]]]:
    """Appointments, cancelled; one that is so already stays as it is."""
    changes = []
    same = []
    for one in asked:
        resource = dict(decode_stored(one.body))
        status = resource["status"]
        if status == "cancelled":
            same.append(resource)
            continue
        if not may_follow(status, "cancelled"):
            raise HealixError(Category.CONFLICT, f"{APPOINTMENT}/{one.id} is {status}: it is not cancelled any more")
        why = reason or (BY_PATIENT if access.practitioner is None and access.alone else BY_CLINIC)
        resource = released(resource) | {"status": "cancelled", "cancelationReason": why}
        if comment is not None:
            resource["comment"] = comment
        changes.append(review(put(Method.PUT, resource, one.id, bases, one)))
    done = (yield from commit(access, changes)) if changes else []
    return same + [body(one) for one in done]
