"""The page that people see after they signed in; what is on it depends on their role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.counting import told
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.pages.authorize.flow import source
from healix_fhir.pages.overview import Overview, overview
from healix_fhir.pages.people import own_first, people, resources
from healix_fhir.pages.present import Study, study
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.visits import visits_of
from smart_auth.access import AccessContext
from smart_auth.administration.looking import openings_shown
from smart_auth.break_glass import Opening, openings
from smart_auth.oauth.launch import launchable
from smart_auth.oauth.sessions import Session

STUDIES = 100
EMERGENCIES = 50


async def show(site: Site, request: Request) -> Response:
    """GET /account/"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse("/account/login", 303)
    shown = {"practitioner": _practitioner, "patient": _patient, "admin": _admin}[session.account.role]
    return await shown(site, request, session)


async def _patient(site: Site, request: Request, session: Session) -> Response:
    access = await site.access(request, session)
    own = session.account.patient
    found = await people(site, access, "", request.query_params.get("cursor"))
    shown = own_first(found.persons, own)
    studies, more = await _studies(site, access, [one.id for one in shown]) if shown else ([], False)
    return page(
        "patient.html",
        **_common(site, session),
        own=own,
        patients=[(one, [study for study in studies if study.patient == one.id]) for one in shown],
        several=len(shown) > 1,
        more_studies=more,
        next=_next(found.next, ""),
    )


async def _practitioner(site: Site, request: Request, session: Session) -> Response:
    access = await site.access(request, session)
    asked = request.query_params.get("name", "").strip()[:100]
    cursor = request.query_params.get("cursor")
    found = await people(site, access, asked, cursor)
    shown = found.persons
    studies, more = await _studies(site, access, [one.id for one in shown]) if shown else ([], False)
    apps = await atransaction(site.pool, launchable)
    visited = await visits_of(site, access, [one.id for one in shown]) if shown and apps else {}
    doctor = session.account.practitioner
    opened = await atransaction(site.pool, lambda: openings(practitioner=doctor, only_open=True))
    return page(
        "practitioner.html",
        form_action=sorted({source(app.launch_uri) for app in apps}),
        apps=apps,
        visits_of=visited,
        emergencies={one.patient: one.ends for one in opened},
        **_common(site, session),
        patients=[(one, [study for study in studies if study.patient == one.id]) for one in shown],
        more_studies=more,
        asked=asked,
        next=_next(found.next, asked),
        first=cursor is None,
    )


async def _admin(site: Site, request: Request, session: Session) -> Response:
    who = origin(request, session)
    numbers, opened = await atransaction(site.pool, lambda: _overview(who))
    return page("admin.html", **_common(site, session), numbers=numbers, told=told, emergencies=opened)


def _overview(who: Origin) -> Work[tuple[Overview, Sequence[Opening]]]:
    numbers = yield from overview()
    opened = yield from openings(limit=EMERGENCIES)
    yield openings_shown(who, [one.patient for one in opened])
    return numbers, opened


async def _studies(site: Site, access: AccessContext, patients: list[str]) -> tuple[list[Study], bool]:
    """The newest studies of `patients` (of all that the caller sees when empty), and whether there are more."""
    whose = [("patient", ",".join(f"Patient/{id_}" for id_ in patients))] if patients else []
    found = await site.interactions.search(access, "ImagingStudy", [*whose, ("_count", str(STUDIES))])
    return [line for one in resources(found) if (line := study(one)) is not None], "next" in found.links


def _next(cursor: str | None, asked: str) -> str | None:
    """The address of the next page of patients."""
    if cursor is None:
        return None
    return "/account/?" + urlencode({"cursor": cursor} | ({"name": asked} if asked else {}))


def _common(site: Site, session: Session) -> dict[str, Any]:
    return {
        "username": session.account.username,
        "role": session.account.role,
        "csrf": session.csrf,
        "viewer": site.has_viewer(),
    }
