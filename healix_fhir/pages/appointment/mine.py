"""My appointments: what is to come and what was; cancelling; the waiting list; the link for calendar programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.calendar import link
from healix_fhir.interaction.review import Review
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction, one
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.operation.appointment.book import booked, written
from healix_fhir.operation.appointment.cancel import cancelled, rest
from healix_fhir.operation.appointment.wish import Wish, stored
from healix_fhir.pages.appointment.lines import OPEN, day_of, line, midnight
from healix_fhir.pages.appointment.reach import LOGIN, reach
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import own_first, people, resources, sees
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.taken import local
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session

ADDRESS = "/account/appointments"
MOST = 100
LONGEST = 500
BEFORE = timedelta(days=60)
"""How far back appointments are shown."""


async def show(site: Site, request: Request) -> Response:
    """GET /account/appointments"""
    session = await site.session(request)
    return RedirectResponse(LOGIN, 303) if session is None else await _page(site, request, session)


async def _page(site: Site, request: Request, session: Session, secret: str | None = None) -> Response:
    access = await reach(site, request, session)
    if session.account.practitioner is not None and secret is None:
        return RedirectResponse("/account/calendar", 303)
    own = session.account.patient
    persons = own_first((await people(site, access, "", None)).persons, own)
    names = {person.id: person.name for person in persons}
    since = clock.now() - BEFORE
    dated = await site.interactions.search(
        access, "Appointment", [("date", f"ge{instant(since)}"), ("_sort", "date"), ("_count", str(MOST))]
    )
    waiting = await site.interactions.search(access, "Appointment", [("status", "waitlist"), ("_count", str(MOST))])
    now = clock.now()
    lines = [
        line(one, site.zone, site.interactions.bases) for one in resources(dated) if one["status"] != "entered-in-error"
    ]
    return page(
        "appointments.html",
        username=session.account.username,
        csrf=session.csrf,
        coming=[one for one in lines if one.is_to_come(now)],
        earlier=[one for one in reversed(lines) if not one.is_to_come(now)],
        waiting=[line(one, site.zone, site.interactions.bases) for one in resources(waiting)],
        names=names,
        several=len(names) > 1 or own not in names,
        zone=site.zone.key,
        open_statuses=OPEN,
        linked=secret is not None or await atransaction(site.pool, lambda: link.has(session.account.username)),
        secret=secret,
        root=site.root,
    )


async def cancel(site: Site, request: Request) -> Response:
    """POST /account/appointments/cancel with `appointment`, `reason` and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = await reach(site, request, session)
    await called_off(site, access, fields)
    return RedirectResponse(back_to(fields), 303)


async def accept(site: Site, request: Request) -> Response:
    """POST /account/appointments/accept with `appointment`, one that is held, and the hidden `csrf`: book it."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = await reach(site, request, session)
    id_, bases = fields.get("appointment", ""), site.interactions.bases
    if not ids.is_logical_id(id_):
        raise invalid("That is no appointment.")
    await written(site.interactions, access, lambda review: booked(access, Wish(id=id_), bases, review))
    return RedirectResponse(ADDRESS, 303)


async def called_off(site: Site, access: AccessContext, fields: dict[str, str]) -> None:
    """Cancel the `appointment` of a form, for its `reason`; with `series` also what comes after it of its series."""
    id_, reason = fields.get("appointment", ""), " ".join(fields.get("reason", "").split())[:LONGEST]
    if not ids.is_logical_id(id_):
        raise invalid("That is no appointment.")
    bases = site.interactions.bases

    def work(review: Review) -> Work[list[dict[str, Any]]]:
        first = yield from stored(access, id_)
        others = (yield from rest(access, first)) if fields.get("series") else []
        return (yield from cancelled(access, [first, *others], None, reason or None, bases, review))

    await written(site.interactions, access, work)


def back_to(fields: dict[str, str]) -> str:
    """Where a form came from: the clinician's calendar of a day, or one's own appointments."""
    when = fields.get("day", "")
    return f"/account/calendar?day={when}" if when.replace("-", "").isdigit() and len(when) == 10 else ADDRESS


async def wait(site: Site, request: Request) -> Response:
    """POST /account/appointments/wait with `patient`, `with`, `day` and the hidden `csrf`: onto the waiting list."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = await reach(site, request, session)
    patient, whom = f"Patient/{fields.get('patient', '')}", fields.get("with", "")
    if not await sees(site, access, patient):
        raise invalid("Choose for whom the appointment is.")
    actors = [{"actor": {"reference": patient}, "status": "accepted"}]
    if whom:
        if (local({"reference": whom}) or ("",))[0] != "Practitioner":
            raise invalid("Choose with whom the appointment is to be.")
        display = {"display": fields["name"][:100]} if fields.get("name") else {}
        actors.append({"actor": {"reference": whom, **display}, "status": "needs-action"})
    first = day_of(fields.get("day", ""), clock.now().astimezone(site.zone).date())
    resource = {
        "resourceType": "Appointment",
        "status": "waitlist",
        "created": instant(clock.now()),
        "requestedPeriod": [{"start": instant(midnight(first, site.zone))}],
        "participant": actors,
    }
    await site.interactions.create(access, "Appointment", encode(resource))
    return RedirectResponse(ADDRESS, 303)


async def make_link(site: Site, request: Request) -> Response:
    """POST /account/appointments/link with the hidden `csrf`: a fresh link, shown once."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    secret = await atransaction(site.pool, lambda: link.made(session.account.username))
    return await _page(site, request, session, secret)


async def end_link(site: Site, request: Request) -> Response:
    """POST /account/appointments/unlink with the hidden `csrf`: the link shows nothing any more."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    await atransaction(site.pool, lambda: one(link.revoked(session.account.username)))
    return RedirectResponse(ADDRESS, 303)
