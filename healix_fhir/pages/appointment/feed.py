"""The feed for calendar programs: whoever has the link reads it, until its owner takes it back.

Spec: RFC 5545; RFC 9110 9.3.1
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.care.calendar import link
from healix_fhir.care.calendar.icalendar import MEDIA, feed
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import not_found
from healix_fhir.pages.appointment.mine import ADDRESS
from healix_fhir.pages.people import resources
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.patients import patient_keys
from smart_auth.person import find_person
from smart_auth.scope import parse

FEED = "/calendar/{secret}"
SUFFIX = ".ics"
CLIENT = "healix-calendar-feed"
BEFORE, MOST = timedelta(days=60), 500
SCOPE = parse("user/Appointment.rs")
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": 'inline; filename="appointments.ics"',
}


async def show(site: Site, request: Request) -> Response:
    """GET /calendar/SECRET.ics"""
    secret = request.path_params["secret"]
    access = await atransaction(site.pool, lambda: _access(secret.removesuffix(SUFFIX), request))
    if access is None:
        raise not_found("There is no such calendar.")
    params = [("date", f"ge{instant(clock.now() - BEFORE)}"), ("_sort", "date"), ("_count", str(MOST))]
    if access.practitioner is not None:
        params.append(("practitioner", f"Practitioner/{access.practitioner}"))
    found = await site.interactions.search(access, "Appointment", params)
    host = urlsplit(site.root).hostname or "healix"
    body = feed(resources(found), host, "Appointments", f"{site.root}{ADDRESS}")
    return Response(body, media_type=MEDIA, headers=HEADERS)


def _access(secret: str, request: Request) -> Work[AccessContext | None]:
    """What the owner of a link sees."""
    found = yield from link.owner(secret)
    if found is None:
        return None
    username, role, fhir_user = found
    address = request.client.host if request.client else None
    origin = Origin(CLIENT, username, address, request.scope.get("healix.request"))
    kind, _, id_ = (fhir_user or "").partition("/")
    if kind == "Practitioner" and role == "practitioner":
        return AccessContext(SCOPE, origin, practitioner=id_)
    if role != "patient":
        return None
    person = yield from find_person(username)
    patient = id_ if kind == "Patient" else None
    if patient is not None:
        yield from patient_keys([patient])
    return AccessContext(SCOPE, origin, patient, person.own, person=person)
