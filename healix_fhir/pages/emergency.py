"""Emergency access: a clinician finds a patient who is not in their care, and opens the record with a reason.

A patient is found by the whole of an identifier, or by the begin of a name together with the date of birth, and what is
shown is what tells one person from another. The search is in the audit trail, once for each patient it showed.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.operation.break_glass import open_record
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import literal, resources
from healix_fhir.pages.present import Person, person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.search.dates import interval
from smart_auth import break_glass
from smart_auth.access import AccessContext
from smart_auth.break_glass import LONGEST, SHORTEST
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

ADDRESS = "/account/emergency"
LOGIN = "/account/login"
FOUND = 5
"""More than so many are not told apart by what was asked: none of them is shown."""
DAY = len("2000-01-31")


async def show(site: Site, request: Request) -> Response:
    """GET /account/emergency with `identifier`, or with `name` and `birthdate`."""
    session = await _clinician(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    asked = {name: request.query_params.get(name, "").strip()[:100] for name in ("identifier", "name", "birthdate")}
    return await _page(site, request, session, asked)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/emergency with `patient`, `reason` and the hidden `csrf`: open the record."""
    fields = await read_form(request)
    session = await _clinician(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    patient, reason = fields.get("patient", ""), fields.get("reason", "")
    if not ids.is_logical_id(patient):
        raise invalid("That is no patient.")
    if not SHORTEST <= len(" ".join(reason.split())) <= LONGEST:
        asked = {"identifier": fields.get("identifier", ""), "name": "", "birthdate": ""}
        return await _page(site, request, session, asked, problem="Say why you need this record.")
    access = await site.access(request, session)
    await atransaction(site.pool, lambda: open_record(access, patient, reason, site.interactions.glass))
    return RedirectResponse("/account/", 303)


async def finish(site: Site, request: Request) -> Response:
    """POST /account/emergency/end with `patient` (a clinician's own) or `opening` (an administrator's choice)."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    account, who = session.account, origin(request, session)
    if account.practitioner is not None:
        practitioner, patient = account.practitioner, fields.get("patient", "")
        await atransaction(site.pool, lambda: break_glass.end(who, patient=patient, practitioner=practitioner))
    elif account.role == "admin":
        id_ = fields.get("opening", "")
        await atransaction(site.pool, lambda: break_glass.end(who, id_=id_))
    else:
        raise forbidden("Emergency access is ended by who opened it, and by administrators.")
    return RedirectResponse("/account/", 303)


async def _clinician(site: Site, request: Request) -> Session | None:
    """The session. Raises Forbidden when it is not a clinician's."""
    session = await site.session(request)
    if session is not None and session.account.practitioner is None:
        raise forbidden("Emergency access is for clinicians.")
    return session


async def _page(
    site: Site, request: Request, session: Session, asked: dict[str, str], problem: str | None = None
) -> Response:
    params, wrong = _search(asked)
    found: list[Person] = []
    if params:
        finder = AccessContext(parse("system/Patient.s"), origin(request, session))
        answer = await site.interactions.search(finder, "Patient", [*params, ("_count", str(FOUND + 1))])
        found = [person(one) for one in resources(answer)]
        if len(found) > FOUND:
            found, wrong = [], "Too many patients fit. Please say more exactly whom you look for."
    shown: dict[str, Any] = {"username": session.account.username, "csrf": session.csrf, "found": found}
    problem = problem or wrong
    hours = site.interactions.glass.hours
    return page("emergency.html", 400 if problem else 200, **shown, asked=asked, problem=problem, hours=hours)


def _search(asked: dict[str, str]) -> tuple[list[tuple[str, str]], str | None]:
    """The search that finds the person, and what is missing for one; neither before anything is asked."""
    if asked["identifier"]:
        return [("identifier", literal(asked["identifier"]))], None
    if not asked["name"] and not asked["birthdate"]:
        return [], None
    born = asked["birthdate"]
    if len(asked["name"]) < 2 or len(born) != DAY or interval(born) is None:
        return [], "Give a record number, or a name together with the date of birth (as 1970-12-31)."
    return [("name", literal(asked["name"])), ("birthdate", born)], None
