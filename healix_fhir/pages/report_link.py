"""A document by the link in a mail: the birth date is asked for, then the document is handed over."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.care.persons import is_day
from healix_fhir.care.reports import link
from healix_fhir.care.reports.link import Door
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import heard, say
from healix_fhir.model.json import decode_stored
from healix_fhir.pages.account.stranger import form
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.report import content, pdf
from healix_fhir.pages.site import Site, origin
from healix_fhir.search.granular import ScopeQueries
from smart_auth.access import restored
from smart_auth.oauth.limits import DOCUMENT_LINK
from smart_auth.oauth.throttle import Hit, right

ADDRESS = link.ADDRESS
LONGEST = 100
CLIENT = "healix-document-link"
"""Under this name who comes by a link stands in the audit trail."""
WRONG = "That is not the date of birth. After a few wrong ones the link is locked."


async def show(site: Site, request: Request) -> Response:
    """GET /account/document with `link`: the question; it says nothing of whether the link is good."""
    return form(site, request, "report_link.html", link=request.query_params.get("link", "")[:LONGEST])


async def enter(site: Site, request: Request) -> Response:
    """POST /account/document with `link`, `birthdate` and the hidden `csrf`: the document."""
    fields = await read_form(request)
    secret, born = fields.get("link", "")[:LONGEST], fields.get("birthdate", "").strip()
    who = msgspec.structs.replace(origin(request), client=CLIENT)
    try:
        check_csrf(request, site.login_cookie, fields)
        if not is_day(born):
            raise invalid("Enter the whole date of birth, as 1980-12-31.")
        counted = await site.throttle.hit(DOCUMENT_LINK, address=who.address)
        return pdf(await _opened(site, secret, born, who, counted))
    except HealixError as error:
        if error.category in (Category.NOT_FOUND, Category.GONE):
            return page("told.html", 404, title=say("No document"), text=heard(link.ended().message), link="", label="")
        return form(site, request, "report_link.html", error=error, link=secret)


async def _opened(site: Site, secret: str, born: str, who: Origin, counted: Hit) -> bytes:
    """What a link opens, read in the name of who sent it, and as far as they see it now."""
    door = await atransaction(site.pool, lambda: link.knock(secret))
    bases = site.interactions.bases
    access = await atransaction(site.pool, lambda: restored(door.access, ScopeQueries(bases)))
    # the account stays: what its clearance opens is asked by its name
    access = msgspec.structs.replace(access, origin=msgspec.structs.replace(who, account=door.account))
    patient = decode_stored((await site.interactions.read(access, "Patient", door.patient)).body)
    if patient.get("birthDate") != born:
        await atransaction(site.pool, lambda: link.refuse(door, who))
        raise invalid(WRONG)
    body = await content(site, access, door.document)
    await atransaction(site.pool, lambda: _entered(door, who, counted))
    return body


def _entered(door: Door, who: Origin, counted: Hit) -> Work[None]:
    yield from link.enter(door, who)
    yield right(counted)
