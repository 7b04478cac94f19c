"""$hold and $book: keep slots free from others for a while, and take them; a series is booked as a whole.

Spec: Argonaut Scheduling Implementation Guide 1.0, Appointment/$hold, $book
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.operation.appointment.answer import bundle
from healix_fhir.operation.appointment.cancel import cancelled
from healix_fhir.operation.appointment.find import reference
from healix_fhir.operation.appointment.making import made
from healix_fhir.operation.appointment.series import following, named
from healix_fhir.operation.appointment.wish import APPOINTMENT, Wish, stored, wish
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

T = TypeVar("T")
Json = Mapping[str, Any]
WEEK = 7
LONGEST_STEP = 366
SERIES = 52
"""Appointments of one series."""


async def hold(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Keep slots for some minutes: the pending Appointment. Raises as `making.made` does."""
    access.require(APPOINTMENT, Permission.CREATE)
    asked = wish(invocation.given, access, interactions.bases)
    done = await written(
        interactions, access, lambda review: made(access, asked, "pending", interactions.bases, review)
    )
    until = done["extension"][-1]["valueInstant"]
    return bundle([done], interactions.bases[0], f"the time is held until {until}; $book makes it an appointment")


async def book(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Book: the Appointments. Raises as `making.made` does, Invalid for a series that cannot be."""
    access.require(APPOINTMENT, Permission.CREATE)
    given, bases = invocation.given, interactions.bases
    asked = wish(given, access, bases)
    replaced = given.text("cancelled-appt-id")
    before = reference(replaced, APPOINTMENT, "cancelled-appt-id").rpartition("/")[2] if replaced else None
    count, days = given.number("repeat-count") or 1, given.number("repeat-days") or WEEK
    if not 1 <= count <= SERIES:
        raise invalid(f"a series has from 1 to {SERIES} appointments", code="value", expression=("repeat-count",))
    if not 1 <= days <= LONGEST_STEP:
        raise invalid(f"repeat-days is from 1 to {LONGEST_STEP}", code="value", expression=("repeat-days",))
    done = await written(
        interactions, access, lambda review: booked(access, asked, bases, review, before, count, timedelta(days=days))
    )
    return bundle(done, bases[0], *(["a series of appointments was booked"] if count > 1 else []))


def booked(
    access: AccessContext,
    asked: Wish,
    bases: tuple[str, ...],
    review: Review,
    before: str | None = None,
    count: int = 1,
    step: timedelta = timedelta(days=WEEK),
) -> Work[list[dict[str, Any]]]:
    """Book an Appointment, in the place of `before` where that is given, or a series of `count`."""
    if before is not None:
        old = yield from stored(access, before)
        if before == asked.id:
            raise invalid("an appointment does not come in its own place", expression=("cancelled-appt-id",))
        yield from cancelled(access, [old], None, "It was moved", bases, review)
    if count > 1:
        asked = named(asked)
    first = yield from made(access, asked, "booked", bases, review)
    done = [first]
    for number in range(1, count):
        slots = yield from following(access, first, step * number)
        again = Wish(slots=slots, patients=asked.patients, comment=asked.comment, base=asked.base)
        try:
            done.append((yield from made(access, again, "booked", bases, review)))
        except HealixError as error:
            if error.category is not Category.CONFLICT:
                raise
            message = f"of the series, number {number + 1} is not to be had: {error.message}"
            raise HealixError(Category.CONFLICT, message, expression=("repeat-count",)) from error
    return done


async def written(interactions: Interactions, access: AccessContext, work: Callable[[Review], Work[T]]) -> T:
    """Run what writes, in one transaction, with the review that writes get."""
    return await interactions.writing.reviewed(
        access, lambda review: atransaction(interactions.pool, lambda: work(review), aside=True)
    )
