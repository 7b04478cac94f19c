"""The clinician's calendar: a day or a week of appointments and free times; who has come, who has not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.interaction.review import Review
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.appointment import moment
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.operation.appointment.book import written
from healix_fhir.operation.appointment.making import put
from healix_fhir.operation.appointment.move import arrived
from healix_fhir.operation.appointment.wish import stored
from healix_fhir.pages.appointment.lines import EXPECTED, day, day_of, line, midnight, week
from healix_fhir.pages.appointment.mine import back_to, called_off
from healix_fhir.pages.appointment.reach import LOGIN, clinician, reach
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import AccessContext

ADDRESS = "/account/calendar"
MOST = 300
HIDDEN = "cancelled,entered-in-error,proposed,waitlist"


async def show(site: Site, request: Request) -> Response:
    """GET /account/calendar with `day` and `view` (`day` or `week`)."""
    who = await clinician(site, request)
    if who is None:
        return RedirectResponse(LOGIN, 303)
    session, practitioner = who
    access = await reach(site, request, session)
    today = clock.now().astimezone(site.zone).date()
    chosen = day_of(request.query_params.get("day", ""), today)
    whole = request.query_params.get("view") == "week"
    shown = week(chosen) if whole else [chosen]
    booked = await _booked(site, access, practitioner, shown[0], shown[-1])
    free = await _free(site, access, practitioner, shown[0], shown[-1])
    return page(
        "calendar.html",
        username=session.account.username,
        csrf=session.csrf,
        days=[(one, day(one), booked.get(one, []), free.get(one, 0)) for one in shown],
        chosen=chosen.isoformat(),
        view="week" if whole else "day",
        before=(shown[0] - timedelta(days=1)).isoformat(),
        after=(shown[-1] + timedelta(days=1)).isoformat(),
        today=today.isoformat(),
        zone=site.zone.key,
        expected=EXPECTED,
    )


async def _booked(
    site: Site, access: AccessContext, practitioner: str, first: date, last: date
) -> Mapping[date, list[Any]]:
    """The appointments of a practitioner by day, each with the patient's name."""
    begin, end = midnight(first, site.zone), midnight(last + timedelta(days=1), site.zone)
    params = [("practitioner", f"Practitioner/{practitioner}"), ("date", f"ge{instant(begin)}"),
              ("date", f"lt{instant(end)}"), ("status:not", HIDDEN), ("_sort", "date"), ("_count", str(MOST)),
              ("_include", "Appointment:patient")]  # fmt: skip
    answer = await site.interactions.search(access, "Appointment", params)
    included = (decode(one.body) for one in answer.entries if one.mode == "include" and one.body is not None)
    names = {one["id"]: person(one) for one in included if one["resourceType"] == "Patient"}
    found: dict[date, list[Any]] = {}
    for one in resources(answer):
        if "start" in one:
            told = line(one, site.zone, site.interactions.bases)
            when = moment(one["start"]).astimezone(site.zone).date()
            found.setdefault(when, []).append((told, names.get(told.patient)))
    return found


async def _free(site: Site, access: AccessContext, practitioner: str, first: date, last: date) -> Mapping[date, int]:
    """How many slots of a practitioner are free, by day."""
    begin, end = midnight(first, site.zone), midnight(last + timedelta(days=1), site.zone)
    params = [("schedule.actor", f"Practitioner/{practitioner}"), ("start", f"ge{instant(begin)}"),
              ("start", f"lt{instant(end)}"), ("status", "free"), ("_count", "1000")]  # fmt: skip
    found: dict[date, int] = {}
    for one in resources(await site.interactions.search(access, "Slot", params)):
        when = moment(one["start"]).astimezone(site.zone).date()
        found[when] = found.get(when, 0) + 1
    return found


async def submit(site: Site, request: Request) -> Response:
    """POST /account/calendar with `appointment`, `what` (`arrived`, `noshow`, `cancel`, or `cancel-series` for it and
    what comes after it in its series), `day`, the hidden `csrf`.
    """
    fields = await read_form(request)
    who = await clinician(site, request)
    if who is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = await reach(site, request, who[0])
    id_, what, bases = fields.get("appointment", ""), fields.get("what", ""), site.interactions.bases
    if not ids.is_logical_id(id_):
        raise invalid("That is no appointment.")

    def absent(review: Review) -> Work[object]:
        old = yield from stored(access, id_)
        resource = dict(decode_stored(old.body)) | {"status": "noshow"}
        return (yield from commit(access, [review(put(Method.PUT, resource, id_, bases, old))]))

    if what in ("cancel", "cancel-series"):
        await called_off(site, access, fields | ({"series": "yes"} if what == "cancel-series" else {}))
    elif what == "noshow":
        await written(site.interactions, access, absent)
    elif what == "arrived":
        await written(site.interactions, access, lambda review: arrived(access, id_, bases, review))
    else:
        raise invalid("Say what has happened.")
    return RedirectResponse(back_to(fields), 303)
