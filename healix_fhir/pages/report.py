"""Download a record: a report over a period as a PDF, what was made before, and the links by which it was sent."""

from __future__ import annotations

import base64
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import available_timezones

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.bulk.reported import SECTIONS
from healix_fhir.care.persons import is_day
from healix_fhir.care.reports import link
from healix_fhir.care.reports.words import LANGUAGES
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid, not_found
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.given import Argument, Given
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.operation.report import DAYS, begin, read_report, waited
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import person
from healix_fhir.pages.render import HEADERS, page
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

ADDRESS = "/account/report"
SEND, TAKE_BACK = f"{ADDRESS}/send", f"{ADDRESS}/take-back"
LOGIN = "/account/login"
SHOWN = 20
TYPES = (
    "Patient", "Condition", "MedicationRequest", "MedicationStatement", "AllergyIntolerance", "Observation", "Goal",
    "Appointment", "DiagnosticReport", "ImagingStudy", "Media", "Binary", "DocumentReference", "Practitioner",
    "PractitionerRole", "Organization", "Location", "Medication", "Device",
)  # fmt: skip
SCOPE = parse(" ".join(f"user/{one}.rs" for one in TYPES))
LINK_SCOPE = parse("user/Patient.r user/DocumentReference.r user/Binary.r")
"""What a link opens is no more than the document and the birth date."""
MADE = "11503-0"
"""The LOINC code of what is made here."""


@cache
def _zones() -> list[str]:
    return sorted(available_timezones())


async def show(site: Site, request: Request) -> Response:
    """GET /account/report with `patient`."""
    session = await _session(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    return await _page(site, request, session, request.query_params.get("patient", ""))


async def make(site: Site, request: Request) -> Response:
    """POST /account/report: make a report, and show where it is."""
    session = await _session(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    fields = await read_fields(request)
    given = dict(reversed(fields))
    check_csrf(request, site.session_cookie, given)
    patient = given.get("patient", "")
    access = await _access(site, request, session)
    asked = {name: (Argument(given[name]),) for name in ("start", "end", "language", "timezone") if given.get(name)}
    sections = tuple(Argument(value) for name, value in fields if name == "section")
    try:
        home = zone_of(await _patient(site, access, patient), site.interactions.zone)
        report = read_report(patient, Given(asked | ({"section": sections} if sections else {})), clock.now(), home)
        id_ = await atransaction(site.pool, lambda: begin(access, report, f"{site.root}{ADDRESS}"))
        answer = await waited(site.interactions, access, id_)
    except HealixError as error:
        if error.category is Category.NOT_FOUND:
            raise
        return await _page(site, request, session, patient, error)
    query = {"patient": patient, "done" if answer.status == 201 else "soon": "1"}
    return RedirectResponse(f"{ADDRESS}?{urlencode(query)}", 303)


async def download(site: Site, request: Request) -> Response:
    """GET /account/report/{document}: the PDF."""
    session = await _session(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    access = await _access(site, request, session)
    return pdf(await content(site, access, request.path_params["document"]))


async def send(site: Site, request: Request) -> Response:
    """POST /account/report/send: send a link to a document by mail."""
    session, fields = await _sent(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    access = await _access(site, request, session)
    document, days = fields.get("document", ""), fields.get("days", "")
    reference = await _document(site, access, document)
    patient = reference.get("subject", {}).get("reference", "").partition("/")[2]
    about = await _patient(site, access, patient)
    try:
        if not is_day(about.get("birthDate", "")):
            raise invalid("There is no whole date of birth in this record, which a link asks for.")
        if not (days.isascii() and days.isdecimal() and len(days) < 4):
            raise invalid("That is no number of days.")
        narrow = msgspec.structs.replace(access, scopes=LINK_SCOPE)
        to, once = fields.get("email", ""), "once" in fields
        await atransaction(
            site.pool, lambda: link.send(narrow, document, patient, to, int(days), once=once, home=site.home)
        )
    except HealixError as error:
        return await _page(site, request, session, patient, error)
    return RedirectResponse(f"{ADDRESS}?{urlencode({'patient': patient, 'sent': '1'})}", 303)


async def take_back(site: Site, request: Request) -> Response:
    """POST /account/report/take-back: end a link."""
    session, fields = await _sent(site, request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    access = await _access(site, request, session)
    await atransaction(site.pool, lambda: link.take_back(access, fields.get("link", "")))
    return RedirectResponse(f"{ADDRESS}?{urlencode({'patient': fields.get('patient', '')})}", 303)


async def content(site: Site, access: AccessContext, document: str) -> bytes:
    """The bytes of a document's attachment. Raises NotFound for what is not there or not to be seen."""
    reference = await _document(site, access, document)
    attachment = reference["content"][0]["attachment"]
    kind, _, id_ = attachment.get("url", "").partition("/")
    if kind != "Binary" or attachment.get("contentType") != "application/pdf" or not ids.is_logical_id(id_):
        raise not_found("There is no such document.")
    stored = await site.interactions.read(access, "Binary", id_)
    data = decode_stored(stored.body).get("data")
    if not data:
        raise not_found("There is no such document.")
    return base64.b64decode(data)


def pdf(body: bytes) -> Response:
    """The answer that hands a PDF over."""
    headers = {"Content-Disposition": 'attachment; filename="health-record.pdf"', **HEADERS}
    return Response(body, 200, headers, "application/pdf")


async def _document(site: Site, access: AccessContext, document: str) -> dict[str, Any]:
    if not ids.is_logical_id(document):
        raise not_found("There is no such document.")
    return decode_stored((await site.interactions.read(access, "DocumentReference", document)).body)


async def _patient(site: Site, access: AccessContext, patient: str) -> dict[str, Any]:
    if not ids.is_logical_id(patient):
        raise not_found("There is no such patient.")
    return decode_stored((await site.interactions.read(access, "Patient", patient)).body)


async def _session(site: Site, request: Request) -> Session | None:
    """The session. Raises Forbidden for administrators, who read no charts."""
    session = await site.session(request)
    if session is not None and session.account.role == "admin":
        raise forbidden("This page is for patients and clinicians.")
    return session


async def _sent(site: Site, request: Request) -> tuple[Session | None, dict[str, str]]:
    """The session and the fields of a form of it."""
    session = await _session(site, request)
    if session is None:
        return None, {}
    fields = dict(reversed(await read_fields(request)))
    check_csrf(request, site.session_cookie, fields)
    return session, fields


async def _access(site: Site, request: Request, session: Session) -> AccessContext:
    return msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)


async def _page(
    site: Site, request: Request, session: Session, patient: str, error: HealixError | None = None
) -> Response:
    access = await _access(site, request, session)
    whose = await _patient(site, access, patient)
    params = [("patient", f"Patient/{patient}"), ("type", MADE), ("_sort", "-date"), ("_count", str(SHOWN))]
    found = [*resources(await site.interactions.search(access, "DocumentReference", params))]
    sent = await atransaction(site.pool, lambda: link.links(access, [one["id"] for one in found]))
    today = clock.now().date()
    return page(
        "report.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        about=person(whose),
        home=str(zone_of(whose, site.interactions.zone)),
        own=session.account.patient == patient,
        documents=[(one, [each for each in sent if each.document == one["id"]]) for one in found],
        languages=LANGUAGES,
        sections=SECTIONS,
        zones=_zones(),
        start=today - timedelta(days=DAYS - 1),
        end=today,
        days=link.DAYS,
        error=error.message if error else "",
        done=next((one for one in ("done", "soon", "sent") if one in request.query_params), ""),
    )
