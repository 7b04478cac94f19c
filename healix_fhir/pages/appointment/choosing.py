"""Find a time and book it, or move an appointment to it: a search form, and a button for each time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.interaction.review import Review
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.operation.appointment.book import SERIES, booked, written
from healix_fhir.operation.appointment.find import free_slots
from healix_fhir.operation.appointment.move import moved
from healix_fhir.operation.appointment.wish import Wish
from healix_fhir.pages.appointment.lines import Choice, day_of, days, line, midnight
from healix_fhir.pages.appointment.mine import ADDRESS, LONGEST
from healix_fhir.pages.appointment.reach import LOGIN, reach
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import own_first, people, resources, sees
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.taken import local
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session

FIND = f"{ADDRESS}/find"
AHEAD = timedelta(days=14)
TIMES = 200
SHOWN = 48
"""Times on one page: more are tiresome to go through by keyboard. Days are shown whole, but for a longer first one."""
CALENDARS = 200
STEPS = Words({"7": "every week", "14": "every 2 weeks", "28": "every 4 weeks"})
"""Days from one appointment of a series to the next."""


async def show(site: Site, request: Request) -> Response:
    """GET /account/appointments/find with `with`, `day`, `patient` and `move` (an appointment), all optional."""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    return await _page(site, request, session, dict(request.query_params))


async def _page(
    site: Site, request: Request, session: Session, asked: dict[str, str], problem: str | None = None, status: int = 200
) -> Response:
    access = await reach(site, request, session)
    today = clock.now().astimezone(site.zone).date()
    first = max(day_of(asked.get("day", ""), today), today)
    whom = asked.get("with", "")
    choices = await whoever(site, access)
    if whom not in dict(choices):
        whom = ""
    begin, end = midnight(first, site.zone), midnight(first + AHEAD, site.zone)
    filters: Sequence[tuple[str, str]] = [("schedule.actor", whom)] if whom else []
    slots, schedules = await free_slots(site.interactions, access, begin, end, filters, TIMES)
    shown, later = paged(days(slots, schedules, site.zone), first + AHEAD)
    persons = own_first((await people(site, access, "", None)).persons, session.account.patient)
    moving = await _moving(site, access, asked.get("move", ""))
    return page(
        "find_appointment.html",
        status,
        username=session.account.username,
        csrf=session.csrf,
        problem=problem,
        choices=choices,
        whom=whom,
        name=dict(choices).get(whom, ""),
        persons=persons,
        patient=asked.get("patient", "") or (persons[0].id if persons else ""),
        first=first.isoformat(),
        today=today.isoformat(),
        later=later.isoformat(),
        days=[(called, choices) for _, called, choices in shown],
        moving=moving,
        most=SERIES if session.account.practitioner is not None and not moving else 1,
        steps=STEPS,
        count=asked.get("count", "1"),
        step=asked.get("step", ""),
        zone=site.zone.key,
    )


def paged(
    found: Sequence[tuple[date, str, list[Choice]]], end: date
) -> tuple[list[tuple[date, str, list[Choice]]], date]:
    """The days of one page, and the day from which the next one goes on: `end` where all are on it."""
    shown: list[tuple[date, str, list[Choice]]] = []
    count = 0
    for when, called, choices in found:
        if shown and count + len(choices) > SHOWN:
            return shown, when
        shown.append((when, called, choices[:SHOWN]))
        count += len(choices)
    return shown, end


async def whoever(site: Site, access: AccessContext) -> list[tuple[str, str]]:
    """Those who have calendars, as reference and name."""
    found = await site.interactions.search(access, "Schedule", [("active:not", "false"), ("_count", str(CALENDARS))])
    names: dict[str, str] = {}
    for schedule in resources(found):
        for actor in schedule.get("actor", ()):
            if (local(actor) or ("",))[0] == "Practitioner":
                names.setdefault(actor["reference"], actor.get("display") or actor["reference"])
    return sorted(names.items(), key=lambda pair: pair[1])


async def _moving(site: Site, access: AccessContext, id_: str) -> Any:
    if not ids.is_logical_id(id_):
        return None
    found = await site.interactions.search(access, "Appointment", [("_id", id_)])
    return next((line(one, site.zone, site.interactions.bases) for one in resources(found)), None)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/appointments/find with `slot`, `patient`, `comment`, `move`, the hidden `csrf`: book, or move.

    Clinicians book a series by `count` and `step`, all of it or nothing.
    """
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = await reach(site, request, session)
    slot, move, bases = fields.get("slot", ""), fields.get("move", ""), site.interactions.bases
    if not ids.is_logical_id(slot):
        raise invalid("Choose a time.")
    patient = f"Patient/{fields.get('patient', '')}"
    if not move and not await sees(site, access, patient):
        raise invalid("Choose for whom the appointment is.")
    comment = " ".join(fields.get("comment", "").split())[:LONGEST] or None
    count, step = _series(fields) if session.account.practitioner is not None else (1, timedelta())

    def work(review: Review) -> Work[object]:
        if move:
            return (yield from moved(access, move, (slot,), comment, bases, review))
        asked = Wish(slots=(slot,), patients=(patient,), comment=comment)
        return (yield from booked(access, asked, bases, review, count=count, step=step))

    try:
        if move and not ids.is_logical_id(move):
            raise invalid("That is no appointment.")
        await written(site.interactions, access, work)
    except HealixError as error:
        if error.category not in (Category.CONFLICT, Category.UNPROCESSABLE):
            raise
        told = (
            say("Not every time of the series is free. Nothing was booked: choose another time, or a shorter series.")
            if any("repeat-count" in one.expression for one in error.issues)
            else say("Somebody else has just taken this time. Please choose another one.")
        )
        return await _page(site, request, session, fields, told, 409)
    return RedirectResponse(ADDRESS, 303)


def _series(fields: dict[str, str]) -> tuple[int, timedelta]:
    """How many appointments a form asks for, and how far apart. Raises Invalid."""
    count, step = fields.get("count", "1"), fields.get("step", "7")
    if (
        not (count.isascii() and count.isdecimal() and len(count) < 4 and 1 <= int(count) <= SERIES)
        or step not in STEPS
    ):
        raise invalid(f"A series has from 1 to {SERIES} appointments.")
    return int(count), timedelta(days=int(step))
