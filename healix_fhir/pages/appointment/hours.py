"""Opening hours and holidays of a clinician, who sets their own: kept in a PractitionerRole, whose calendar follows.

PractitionerRoles are changed by systems alone; this page does so for the role of who is signed in, and for no other.

Spec: FHIR R4, hl7.org/fhir/R4/practitionerrole.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.calendar.hours import DAYS, problems
from healix_fhir.care.calendar.source import LONGEST, MINUTES, SHORTEST, minutes_of
from healix_fhir.kernel.errors import forbidden
from healix_fhir.kernel.ids import logical_id
from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.model.json import encode
from healix_fhir.operation.appointment.series import ZONE, zone_of
from healix_fhir.pages.appointment.reach import LOGIN, clinician
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.people import resources
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

Json = dict[str, Any]
ADDRESS = "/account/calendar/hours"
FIELDS = 120
HOLIDAYS = 60
TIME = re.compile(r"\s*(([01]\d|2[0-3]):[0-5]\d)\s*[-\u2013]\s*(([01]\d|2[0-3]):[0-5]\d)\s*", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MINUTE = re.compile(r"\d{1,4}", re.ASCII)
NAMES = Words({"mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday",
         "sat": "Saturday", "sun": "Sunday"})  # fmt: skip


async def show(site: Site, request: Request) -> Response:
    """GET /account/calendar/hours"""
    who = await clinician(site, request)
    if who is None:
        return RedirectResponse(LOGIN, 303)
    session, practitioner = who
    role = await _role(site, request, session, practitioner)
    return _page(site, session, filled(role, site.zone), role.get("notAvailable", []), [])


def _page(
    site: Site, session: Session, values: Mapping[str, str], holidays: Sequence[Json], told: Sequence[str]
) -> Response:
    return page(
        "hours.html",
        400 if told else 200,
        username=session.account.username,
        csrf=session.csrf,
        days=NAMES,
        values=values,
        holidays=[(n, one.get("description", ""), one.get("during", {})) for n, one in enumerate(holidays)],
        problems=told,
        shortest=SHORTEST,
        longest=LONGEST,
    )


async def _role(site: Site, request: Request, session: Session, practitioner: str) -> Json:
    """The role whose calendar is kept, else the first one, else none yet."""
    access = AccessContext(parse("system/PractitionerRole.rs"), origin(request, session))
    found = list(
        resources(
            await site.interactions.search(
                access, "PractitionerRole", [("practitioner", f"Practitioner/{practitioner}"), ("_count", "50")]
            )
        )
    )
    kept = [one for one in found if minutes_of(one) is not None]
    return (kept or found or [{}])[0]


def filled(role: Mapping[str, Any], default: ZoneInfo) -> dict[str, str]:
    """The values of the form for a role."""
    values = {"minutes": str(minutes_of(role) or 30), "zone": (zone_of(role) or default).key}
    for one in role.get("availableTime", ()):
        span = f"{one.get('availableStartTime', '00:00')[:5]}-{one.get('availableEndTime', '23:59')[:5]}"
        for name in one.get("daysOfWeek", DAYS):
            values[name] = f"{values[name]}, {span}" if name in values else span
    return values


async def submit(site: Site, request: Request) -> Response:
    """POST /account/calendar/hours with the hours of each day, `minutes`, `zone`, holidays, and the hidden `csrf`."""
    fields = dict(await read_fields(request, FIELDS))
    who = await clinician(site, request)
    if who is None:
        return RedirectResponse(LOGIN, 303)
    session, practitioner = who
    check_csrf(request, site.session_cookie, fields)
    role = await _role(site, request, session, practitioner)
    if role and (role.get("practitioner", {}).get("reference", "").rpartition("/")[2] != practitioner):
        raise forbidden("These are not your hours.")
    available, told = read_hours(fields)
    holidays, wrong = read_holidays(fields, role.get("notAvailable", []))
    told += wrong
    if not MINUTE.fullmatch(fields.get("minutes", "")) or not SHORTEST <= int(fields["minutes"]) <= LONGEST:
        told.append(say("A slot takes from {first} to {last} minutes.", first=SHORTEST, last=LONGEST))
    if fields.get("zone") not in available_timezones():
        told.append(say("That is no time zone; one is called Europe/Vienna, for example."))
    if told:
        return _page(site, session, fields, role.get("notAvailable", []), told)
    version = int(role["meta"]["versionId"]) if role else None
    await _store(site, request, session, changed(role, practitioner, fields, available, holidays), version)
    return RedirectResponse(ADDRESS, 303)


def changed(
    role: Json, practitioner: str, fields: Mapping[str, str], available: list[Json], holidays: list[Json]
) -> Json:
    """The role with the hours of a form."""
    kept = [one for one in role.get("extension", ()) if one.get("url") not in (MINUTES, ZONE)]
    own = [{"url": MINUTES, "valuePositiveInt": int(fields["minutes"])}, {"url": ZONE, "valueCode": fields["zone"]}]
    rest = {name: value for name, value in role.items() if name not in ("meta", "availableTime", "notAvailable")}
    times = {"availableTime": available, "notAvailable": holidays}
    new = {"resourceType": "PractitionerRole", "id": logical_id(), "active": True,
           "practitioner": {"reference": f"Practitioner/{practitioner}"}}  # fmt: skip
    return new | rest | {"extension": kept + own} | {name: value for name, value in times.items() if value}


async def _store(site: Site, request: Request, session: Session, role: Json, version: int | None) -> None:
    """Store a role over the version that was changed."""
    access = AccessContext(parse("system/PractitionerRole.cu"), origin(request, session))
    await site.interactions.update(access, "PractitionerRole", role["id"], encode(role), version)


def read_hours(fields: Mapping[str, str]) -> tuple[list[Json], list[str]]:
    """The opening hours of a form, and what is wrong with them."""
    available, told = [], []
    for day, name in NAMES.items():
        for text in filter(str.strip, fields.get(day, "").split(",")):
            found = TIME.fullmatch(text)
            if found is None:
                told.append(say("{day}: write times as 09:00-12:00, 13:00-17:00.", day=say(name)))
                continue
            available.append(
                {"daysOfWeek": [day], "availableStartTime": f"{found[1]}:00", "availableEndTime": f"{found[3]}:00"}
            )
    return available, told or [f"{NAMES[one[:3]]}{one[3:]}." for one in problems(available)]


def read_holidays(fields: Mapping[str, str], there: Sequence[Json]) -> tuple[list[Json], list[str]]:
    """The holidays that are left, with a new one; and what is wrong with that."""
    kept = [one for number, one in enumerate(there) if f"remove-{number}" not in fields]
    first, last = fields.get("closed-from", ""), fields.get("closed-to", "") or fields.get("closed-from", "")
    if not first and not last:
        return kept, []
    if not DAY.fullmatch(first) or not DAY.fullmatch(last) or last < first:
        return kept, [say("A holiday has a first day and, unless it is one day, a last day after it.")]
    if len(kept) >= HOLIDAYS:
        return kept, [say("There are {n} holidays; remove those that are over.", n=HOLIDAYS)]
    called = " ".join(fields.get("closed-name", "").split())[:100] or "Closed"
    return [*kept, {"description": called, "during": {"start": first, "end": last}}], []
