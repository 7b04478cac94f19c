"""How long studies are kept: the rules, one added, one removed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.study.expire import Outlook, outlook
from dicomweb.study.retention import Rule, put, remove, rules
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.admin.studies import SHOWN, STUDIES, access
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.oauth.sessions import Session

RETENTION = "retention"
LONGEST_NUMBER = 6


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/studies/retention, with `outlook` to see what goes the next night."""
    asked = "outlook" in request.query_params
    return await _page(site, session, seen=await atransaction(site.pool, _outlook) if asked else None)


def _outlook() -> Work[Outlook]:
    return outlook(clock.now().date(), SHOWN)


async def add(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/retention with `name`, `days`, `modality`, `institution` and `until_age`."""
    who = access(request, session)
    try:
        rule = Rule(
            one(fields, "name"),
            _number(one(fields, "days"), "days"),
            tuple(one(fields, "modality").upper().replace(",", " ").split()) or None,
            one(fields, "institution") or None,
            _number(age, "an age") if (age := one(fields, "until_age")) else None,
        )
        await atransaction(site.pool, lambda: put(who, rule))
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return await _page(site, session, error.message)
    return RedirectResponse(at(STUDIES, RETENTION), 303)


async def drop(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/retention/remove with `name`."""
    who, name = access(request, session), one(fields, "name")
    await atransaction(site.pool, lambda: remove(who, name))
    return RedirectResponse(at(STUDIES, RETENTION), 303)


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise invalid(f"write {what} as a whole number", code="value")
    return int(text)


async def _page(site: Site, session: Session, error: str = "", seen: Outlook | None = None) -> Response:
    found = await atransaction(site.pool, rules)
    return page(
        "admin/retention.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        rules=found,
        at=at(STUDIES, RETENTION),
        error=error,
        seen=seen,
    )
